/* SPDX-License-Identifier: MIT */
/* Convolutions as calls of tiled kernels (codegen/kernels/aotk.h): plain sums, Winograd's algorithm, channel by
 * channel or in small groups, and a pointwise one together with the depthwise one that reads it. */
#include "../kernels/aotk.h"
#include "call.h"
#include "packing.h"
#include <string.h>

static const Idx *k(Make *m, int64_t n)
{
    return idx_const(m->job, n);
}

/* The input channels-last with a halo of at least `pad`; a volume's pixels are neighbours. */
static Buffer *conv_input(Lower *l, Value *x, int64_t pad)
{
    Buffer *have[2] = { x->buffer, l->conv_form[x->id] };
    int rank = x->type.rank;
    for (int i = 0; i < 2; i++)
        if (have[i] && have[i]->channels_last && have[i]->halo[2] >= pad &&
            (rank < 5 || have[i]->stride[rank - 1] == x->type.dim[1]))
            return have[i];
    int64_t halo = l->halo[x->id] > pad ? l->halo[x->id] : pad;
    Buffer *b = buffer_new(l, x, BUFFER_WORK, true, halo);
    if (x->buffer)
        b->name = sym_printf(l->job, "%s_nhwc", x->name);
    store_value(l, x, b);
    if (!x->buffer)
        x->buffer = b;
    else
        l->conv_form[x->id] = b;
    return b;
}

/* The axes of a volume; an image has no depth, and what has one dimension a width only. */
enum { DEEP, HIGH, WIDE, AXES };

/* What both kinds of convolution are made from; of an axis that is not there size and stride are 1. */
typedef struct Conv {
    Node *n;
    bool deep; /* [n, c, d, h, w] */
    int64_t groups, cin, cout, size[AXES], stride[AXES], pad[AXES], dil[AXES]; /* size: of the filter */
    Buffer *x, *out;
    const Idx *corner; /* of the first tap of the first pixel */
    Affine residual;
} Conv;

/* How far `steps` pixels along an axis are apart in a buffer with these strides; 0: there is no such axis. */
static const Idx *along(Make *m, const Conv *c, const Idx *const *stride, int axis, int64_t steps)
{
    int at = c->out->rank - AXES + axis;
    return at < 2 ? k(m, 0) : idx_mulk(m->job, stride[at], steps);
}

static const Idx *extent(Make *m, const Conv *c, int axis)
{
    int at = c->out->rank - AXES + axis;
    return at < 2 ? k(m, 1) : c->out->dim[at];
}

/* Where the volume `batch` begins, in memory of which `at` is the beginning of the first. */
static const Idx *volume_at(Make *m, const Conv *c, const Idx *batch, const Idx *at, const Idx *const *stride)
{
    return c->deep ? idx_add(m->job, at, idx_mul(m->job, batch, stride[0])) : at;
}

/* Strides of a buffer along batch, or the depth of a volume, rows and columns, `step` pixels at a time. */
static void conv_steps(Make *m, const Conv *c, const Idx *const *stride, const int64_t *step, const Idx **to)
{
    to[0] = c->deep ? along(m, c, stride, DEEP, step[DEEP]) : stride[0];
    to[1] = along(m, c, stride, HIGH, step[HIGH]);
    to[2] = along(m, c, stride, WIDE, step[WIDE]);
}

static void field_steps(Make *m, Stmt *s, const char *const *names, const Conv *c, const Idx *const *stride, const int64_t *step)
{
    const Idx *to[3];
    conv_steps(m, c, stride, step, to);
    for (int i = 0; i < 3; i++)
        field_number(m, s, names[i], to[i]);
}

static const int64_t one_pixel[AXES] = { 1, 1, 1 };

/* A residual has its channels together, as the result has. */
static Affine conv_residual_memory(Lower *l, Value *v)
{
    Affine a;
    if (value_affine(l, v, &a) && idx_is(a.stride[1], 1))
        return a;
    a.buffer = conv_input(l, v, 0);
    a.offset = a.buffer->offset;
    memcpy(a.stride, a.buffer->stride, sizeof a.stride);
    return a;
}

/* What the calls that walk over an image have in common; of a volume, the planes are their images, and they do the one of
 * the batch that `batch` says. */
static Stmt *image_call(Make *m, const Conv *c, const Idx *batch, const char *callee, const char *type, const int64_t *step)
{
    static const char *const x[] = { "x_n", "x_h", "x_w" }, *const y[] = { "y_n", "y_h", "y_w" },
                             *const r[] = { "r_n", "r_h", "r_w" };
    Stmt *s = stmt_add(m->job, m->block[m->level], S_CALL);
    s->var = sym(m->job, callee);
    s->text = sym(m->job, type);
    field_pointer(m, s, "x", c->x, volume_at(m, c, batch, c->corner, c->x->stride));
    field_pointer(m, s, "y", c->out, volume_at(m, c, batch, c->out->offset, c->out->stride));
    field_number(m, s, "n", c->deep ? extent(m, c, DEEP) : c->out->dim[0]);
    field_number(m, s, "oh", extent(m, c, HIGH));
    field_number(m, s, "ow", extent(m, c, WIDE));
    field_steps(m, s, x, c, c->x->stride, step);
    field_steps(m, s, y, c, c->out->stride, one_pixel);
    if (contract_residual(c->n)) {
        field_pointer(m, s, "residual", c->residual.buffer, volume_at(m, c, batch, c->residual.offset, c->residual.stride));
        field_steps(m, s, r, c, c->residual.stride, one_pixel);
    }
    field_epilogue(m, s, c->n, k(m, 0));
    field_number(m, s, "tasks", k(m, 1));
    return s;
}

static void depthwise_call(Make *m, const Conv *c)
{
    int64_t row;
    Buffer *packed = pack_depthwise(m->l, c->n, &row);
    Stmt *s = image_call(m, c, k(m, 0), "aotk_depthwise_f32", "aotk_depthwise", c->stride);
    field_pointer(m, s, "w", packed, k(m, 0));
    field_number(m, s, "c", k(m, c->cout));
    field_number(m, s, "group", k(m, c->cin));
    field_number(m, s, "kh", k(m, c->size[HIGH]));
    field_number(m, s, "kw", k(m, c->size[WIDE]));
    field_number(m, s, "tap_h", along(m, c, c->x->stride, HIGH, c->dil[HIGH]));
    field_number(m, s, "tap_w", along(m, c, c->x->stride, WIDE, c->dil[WIDE]));
    field_number(m, s, "ldw", k(m, row));
}

static void winograd_call(Make *m, const Conv *c, int64_t tile)
{
    Buffer *packed = pack_winograd(m->l, c->n, tile);
    int64_t depth = c->size[DEEP] * c->cin, block = aotk_winograd_block(tile, depth), all = 1;
    for (int i = c->deep ? 2 : 0; i < c->out->rank; i++) /* that many tiles there may not be at all */
        if (i != 1 && all < block) {
            int axis = i + AXES - c->out->rank;
            int64_t edge = axis >= HIGH ? tile : 1, apart = axis >= HIGH ? c->dil[axis] : 1, high = c->out->dim[i]->hi;
            all *= high > block * edge ? block : aotk_winograd_tiles(high, edge, apart);
        }
    block = all < 1 ? 1 : all < block ? all : block;
    Buffer *work = call_scratch(m->l, job_printf(m->job, "%s_work", c->n->out[0]->name),
                                k(m, aotk_winograd_work(tile, depth, block)));
    work->scratch = true;
    bool apart = c->deep && !idx_is(c->out->dim[0], 1);
    const Idx *batch = apart ? open_apart(m, "b", c->out->dim[0]) : k(m, 0);
    Stmt *s = image_call(m, c, batch, "aotk_winograd_f32", "aotk_winograd", (int64_t[AXES]){ c->stride[DEEP], 1, 1 });
    field_pointer(m, s, "u", packed, k(m, 0));
    field_pointer(m, s, "work", work, k(m, 0));
    field_number(m, s, "planes", k(m, c->size[DEEP]));
    if (c->deep)
        field_number(m, s, "x_d", along(m, c, c->x->stride, DEEP, c->dil[DEEP]));
    field_number(m, s, "cin", k(m, c->cin));
    field_number(m, s, "cout", k(m, c->cout));
    field_number(m, s, "tile", k(m, tile));
    field_number(m, s, "dilation_h", k(m, c->dil[HIGH]));
    field_number(m, s, "dilation_w", k(m, c->dil[WIDE]));
    field_number(m, s, "block", k(m, block));
    if (apart)
        close_loop(m);
}

/* The rows of a product, images, lines and pixels, and their steps in the input, the output and the residual. */
enum { IN, OUT, RESIDUAL, STEPS };

typedef struct Rows {
    const Idx *size[3], *step[STEPS][3];
} Rows;

/* Axes behind each other in all memory become one, as the pixels of a pointwise convolution: a tile that crosses the end
 * of a line then takes no longer than others. */
static void merge_rows(Job *job, Rows *r)
{
    for (int axis = 1; axis >= 0; axis--) {
        for (int i = 0; i < STEPS; i++)
            if (!idx_is(idx_sub(job, r->step[i][axis], idx_mul(job, r->size[2], r->step[i][2])), 0))
                return;
        r->size[2] = idx_mul(job, r->size[axis], r->size[2]);
        r->size[axis] = idx_const(job, 1);
        for (int i = 0; i < STEPS; i++)
            r->step[i][axis] = idx_const(job, 0);
    }
}

/* An axis of one row has no steps. */
static void field_rows(Make *m, Stmt *s, const char *const *names, const Rows *r, const Idx *const *v)
{
    for (int i = 0; i < 3; i++)
        if (v == r->size || !idx_is(r->size[i], 1))
            field_number(m, s, names[i], v[i]);
}

/* ---- parts: the taps of a dilated filter that meet an image differ from pixel to pixel ----
 *
 * DeepLab's 3x3 filters dilated by 12 on images of 16x16 meet 2.25 taps a pixel; the others are padding. The pixels that meet
 * the same taps are rectangles, and each is a call of its own, over these taps. The image needs no halo then. */

int conv_spans(const Node *n, size_t i, Span *span)
{
    enum { LONGEST = 1 << 16 };
    int64_t in, out, taps, stride = node_int(n, "stride", i), pad = node_int(n, "padding", i), dil = node_int(n, "dilation", i);
    int count = 0;
    if (!idx_is_const(n->in[0]->type.dim[i + 2], &in) || !idx_is_const(n->out[0]->type.dim[i + 2], &out) ||
        !idx_is_const(n->in[1]->type.dim[i + 2], &taps) || in > LONGEST || out > LONGEST || pad > LONGEST || stride > LONGEST ||
        dil > LONGEST)
        return 0;
    for (int64_t o = 0; o < out; o++) {
        int64_t before = pad - o * stride, behind = before + in - 1; /* the first and last pixel, seen from the first tap */
        int64_t first = before > 0 ? (before + dil - 1) / dil : 0, last = behind < 0 ? -1 : behind / dil;
        last = last < taps ? last : taps - 1;
        Span one = { o, 1, first <= last ? first : 0, first <= last ? last - first + 1 : 0 };
        if (count && span[count - 1].first == one.first && span[count - 1].taps == one.taps)
            span[count - 1].size++;
        else if (count == SPANS)
            return 0;
        else
            span[count++] = one;
    }
    return count;
}

/* Pixels of the result and the taps that they meet. */
typedef struct Part {
    const Idx *size[AXES];
    int64_t at[AXES], first[AXES], taps[AXES];
} Part;

/* How far a pixel is from the first one, in a buffer with these strides. */
static const Idx *pixel_at(Make *m, const Conv *c, const Idx *const *stride, const int64_t *pixel)
{
    const Idx *at = k(m, 0);
    for (int axis = 0; axis < AXES; axis++)
        at = idx_add(m->job, at, along(m, c, stride, axis, pixel[axis]));
    return at;
}

/* One group, or one volume of a batch: number `call`. The taps of a kernel have two axes: depth and height where a row of
 * the filter is one segment, which a volume's always is, else height and width. */
static void part_call(Make *m, const Conv *c, const Way *way, const Part *part, const Idx *call, Buffer *packed, int64_t depth)
{
    static const char *const a[] = { "a0", "a1", "a2" }, *const o[] = { "c0", "c1", "c2" }, *const r[] = { "r0", "r1", "r2" },
                             *const sizes[] = { "m0", "m1", "m2" };
    Job *job = m->job;
    int64_t share = c->cout / c->groups, from[AXES];
    const Idx *zero = k(m, 0), *first = c->deep ? zero : idx_mulk(job, call, share);
    const Idx *in = c->deep ? idx_mul(job, call, c->x->stride[0]) : idx_mulk(job, call, c->cin);
    const Idx *to = c->deep ? idx_mul(job, call, c->out->stride[0]) : first;
    Rows rows = { .size = { c->deep ? part->size[DEEP] : c->out->dim[0], part->size[HIGH], part->size[WIDE] } };
    const Idx *all = idx_mul(job, rows.size[0], idx_mul(job, rows.size[1], rows.size[2]));
    const Idx *const *stride = c->x->stride, *const *added = contract_residual(c->n) ? c->residual.stride : c->out->stride;
    conv_steps(m, c, stride, c->stride, rows.step[IN]);
    conv_steps(m, c, c->out->stride, one_pixel, rows.step[OUT]);
    conv_steps(m, c, added, one_pixel, rows.step[RESIDUAL]);
    merge_rows(job, &rows);
    bool some = false;
    for (int i = 0; i < AXES; i++) {
        from[i] = part->at[i] * c->stride[i] + part->first[i] * c->dil[i];
        some |= part->taps[i] < c->size[i];
    }
    Stmt *s = stmt_add(job, m->block[m->level], S_CALL);
    s->var = sym(job, stored_as(packed->dtype, contract_pairs(c->n)).kernel);
    s->text = sym(job, "aotk_igemm");
    field_pointer(m, s, "a", c->x, idx_add(job, idx_add(job, c->corner, in), pixel_at(m, c, stride, from)));
    const Idx *panels = c->deep ? zero : idx_mulk(job, call, aotk_packed_size(depth, share));
    field_weights(m, s, c->n, packed, panels, all, k(m, depth));
    field_pointer(m, s, "c", c->out, idx_add(job, idx_add(job, c->out->offset, to), pixel_at(m, c, c->out->stride, part->at)));
    field_rows(m, s, sizes, &rows, rows.size);
    field_rows(m, s, a, &rows, rows.step[IN]);
    field_rows(m, s, o, &rows, rows.step[OUT]);
    if (contract_residual(c->n)) {
        const Idx *offset = idx_add(job, c->residual.offset, c->deep ? idx_mul(job, call, added[0]) : first);
        field_pointer(m, s, "residual", c->residual.buffer, idx_add(job, offset, pixel_at(m, c, added, part->at)));
        field_rows(m, s, r, &rows, rows.step[RESIDUAL]);
    }
    field_number(m, s, "n", k(m, share));
    bool joined = c->size[WIDE] == 1 || (c->dil[WIDE] == 1 && idx_is(along(m, c, stride, WIDE, 1), c->cin));
    bool whole_row = c->groups == 1 && part->taps[WIDE] == c->size[WIDE] && joined;
    int high = c->deep ? DEEP : HIGH, wide = c->deep ? HIGH : whole_row ? DEEP : WIDE; /* an image's depth: one column of taps */
    field_number(m, s, "taps_h", k(m, part->taps[high]));
    field_number(m, s, "taps_w", k(m, part->taps[wide]));
    field_number(m, s, "tap_h", along(m, c, stride, high, c->dil[high]));
    field_number(m, s, "tap_w", along(m, c, stride, wide, c->dil[wide]));
    field_number(m, s, "seg", k(m, whole_row ? c->size[WIDE] * c->cin : c->cin));
    if (some) {
        field_number(m, s, "all_h", k(m, c->size[high]));
        field_number(m, s, "all_w", k(m, c->size[wide]));
        field_number(m, s, "first_h", k(m, part->first[high]));
        field_number(m, s, "first_w", k(m, part->first[wide]));
    }
    field_depth(m, s, way);
    field_epilogue(m, s, c->n, first);
    field_number(m, s, "tasks", k(m, 1));
}

/* The spans along an axis; one that is not there is one pixel under one tap. */
static int axis_spans(const Conv *c, int axis, Span *span)
{
    int at = c->out->rank - 2 - AXES + axis;
    span[0] = (Span){ .size = 1, .taps = 1 };
    return at < 0 ? 1 : conv_spans(c->n, (size_t)at, span);
}

static void take_span(Make *m, Part *part, int axis, const Span *span)
{
    part->size[axis] = k(m, span->size);
    part->at[axis] = span->at;
    part->first[axis] = span->first;
    part->taps[axis] = span->taps;
}

/* One call for each group, or for each volume of a batch, or for each part. */
static void conv_call(Make *m, const Conv *c, const Way *way)
{
    int64_t depth;
    Buffer *packed = pack_conv(m->l, c->n, c->groups, &depth);
    Part part = { .size = { extent(m, c, DEEP), extent(m, c, HIGH), extent(m, c, WIDE) } };
    memcpy(part.taps, c->size, sizeof part.taps);
    if (way->parts) {
        Span high[SPANS], wide[SPANS];
        int highs = axis_spans(c, HIGH, high), wides = axis_spans(c, WIDE, wide);
        for (int i = 0; i < highs * wides; i++) {
            take_span(m, &part, HIGH, &high[i / wides]);
            take_span(m, &part, WIDE, &wide[i % wides]);
            part_call(m, c, way, &part, k(m, 0), packed, depth);
        }
        return;
    }
    const Idx *calls = c->deep ? c->out->dim[0] : k(m, c->groups);
    bool apart = !idx_is(calls, 1);
    const Idx *call = apart ? open_apart(m, c->deep ? "b" : "g", calls) : k(m, 0);
    part_call(m, c, way, &part, call, packed, depth);
    if (apart)
        close_loop(m);
}

/* The attributes and sizes; no memory yet. */
static Conv conv_of(Node *n)
{
    const Type *w = &n->in[1]->type;
    Conv c = { .n = n, .deep = w->rank == 5, .groups = node_int(n, "groups", 0), .size = { 1, 1, 1 }, .stride = { 1, 1, 1 },
               .dil = { 1, 1, 1 } };
    for (int i = 2; i < w->rank; i++) {
        int axis = i + AXES - w->rank;
        c.stride[axis] = node_int(n, "stride", (size_t)i - 2);
        c.pad[axis] = node_int(n, "padding", (size_t)i - 2);
        c.dil[axis] = node_int(n, "dilation", (size_t)i - 2);
        idx_is_const(w->dim[i], &c.size[axis]);
    }
    idx_is_const(w->dim[0], &c.cout);
    idx_is_const(w->dim[1], &c.cin);
    return c;
}

/* What is read beside the input; kernels that compute it come before this one. */
static void conv_operands(Lower *l, Conv *c)
{
    if (contract_residual(c->n))
        c->residual = conv_residual_memory(l, contract_residual(c->n));
    if (contract_bias(c->n))
        value_memory(l, contract_bias(c->n), 0);
}

static void lower_pair(Lower *l, Conv *point, Conv *depth);

int64_t conv_halo(Lower *l, Node *n)
{
    int64_t most = 0;
    for (int i = 0; i < n->out[0]->type.rank - 2; i++) {
        int64_t pad = node_int(n, "padding", (size_t)i);
        most = pad > most ? pad : most;
    }
    return most && contract_way(l, n).parts ? 0 : most;
}

void lower_conv(Lower *l, Node *n, Buffer *out)
{
    Job *job = l->job;
    Conv c = conv_of(n), point;
    c.out = out;
    if (!n->in[0]->buffer && conv_pair(n)) {
        point = conv_of(n->in[0]->def);
        lower_pair(l, &point, &c);
        return;
    }
    c.x = conv_input(l, n->in[0], conv_halo(l, n));
    conv_operands(l, &c);
    Make *m = make_kernel(l, n->out[0]->name, &n->origin);
    m->k->about = sym_printf(job, "conv %s x %s", type_text(job, &n->in[0]->type), type_text(job, &n->in[1]->type));
    c.corner = c.x->offset;
    for (int i = 2; i < out->rank; i++)
        c.corner = idx_sub(job, c.corner, idx_mulk(job, c.x->stride[i], c.pad[i + AXES - out->rank]));
    Way way = contract_way(l, n);
    if (conv_lanes(n))
        depthwise_call(m, &c);
    else if (way.tile)
        winograd_call(m, &c, way.tile);
    else
        conv_call(m, &c, &way);
    /* the output may have a halo for its own readers */
    lower_zero_halo(m, out);
    finish_kernel(m);
}

/* ---- a pointwise convolution and the depthwise one that reads it ----
 *
 * Inverted residuals widen an image by a pointwise convolution, so that what it writes is the largest tensor of the
 * model, and every channel of it is read once, by a depthwise one. Both are done in turns for a band of rows and a
 * panel of channels, between them scratch that stays in the cache. Rows that two bands read are computed twice. */

enum { PAIR_LEAST = 1 << 18, PAIR_SCRATCH = 96 << 10 }; /* floats: between them, and of the scratch */

bool conv_pair(Node *n)
{
    Value *v = n->in[0];
    if (n->op != OP_conv || conv_lanes(n) != 1 || v->kind != VALUE_NODE || v->def->op != OP_conv || v->uses != 1 ||
        !contract_is_tiled(n) || !contract_is_tiled(v->def) || contract_residual(v->def))
        return false;
    Conv point = conv_of(v->def), depth = conv_of(n);
    int64_t h, w;
    bool plain = v->type.rank == 4 && point.groups == 1;
    for (int i = HIGH; i < AXES; i++)
        plain &= point.size[i] == 1 && point.stride[i] == 1 && !point.pad[i] && depth.pad[i] <= (depth.size[i] - 1) * depth.dil[i];
    if (!plain || !idx_is_const(v->type.dim[2], &h) || !idx_is_const(v->type.dim[3], &w))
        return false;
    return (double)point.cout * (double)h * (double)w >= PAIR_LEAST;
}

/* What is done in one turn. */
typedef struct Band {
    const Idx *image, *at, *rows;    /* of the result: which image, the first row, how many rows */
    const Idx *first, *real;         /* the rows of the input that they need */
    const Idx *top, *bottom;         /* and the rows of the halo around those */
    const Idx *column, *width;       /* the first channel, and how many */
    int64_t line, panel;             /* strides of the scratch: of rows, of pixels */
    Buffer *work;
} Band;

/* Turns are numbered by images, bands and panels of channels, the last the fastest. */
static Band open_bands(Make *m, const Conv *point, const Conv *depth)
{
    Job *job = m->job;
    const Value *between = depth->n->in[0];
    int64_t nr = aotk_panel_nr(point->cin, point->cout, contract_pairs(point->n));
    int64_t h = between->type.dim[2]->k, oh = depth->out->dim[2]->k;
    int64_t reach = (depth->size[HIGH] - 1) * depth->dil[HIGH] + 1, panels = (point->cout + nr - 1) / nr;
    Band b = { .line = (between->type.dim[3]->k + 2 * depth->pad[WIDE]) * nr, .panel = nr };
    int64_t most = (PAIR_SCRATCH / b.line - reach) / depth->stride[HIGH] + 1;
    int64_t bands = most < 1 ? oh : (oh + most - 1) / most, rows = (oh + bands - 1) / bands;
    bands = (oh + rows - 1) / rows;
    b.work = call_scratch(m->l, job_printf(job, "%s_rows", between->name),
                          k(m, ((rows - 1) * depth->stride[HIGH] + reach) * b.line));
    b.work->scratch = true;
    const Idx *u = open_apart(m, "u", idx_mulk(job, depth->out->dim[0], bands * panels));
    const Idx *band = idx_div(job, u, k(m, panels));
    b.column = idx_mulk(job, idx_mod(job, u, k(m, panels)), nr);
    b.width = idx_min(job, k(m, nr), idx_sub(job, k(m, point->cout), b.column));
    b.image = idx_div(job, band, k(m, bands));
    b.at = idx_mulk(job, idx_mod(job, band, k(m, bands)), rows);
    b.rows = idx_min(job, k(m, rows), idx_sub(job, k(m, oh), b.at));
    const Idx *from = idx_addk(job, idx_mulk(job, b.at, depth->stride[HIGH]), -depth->pad[HIGH]);
    const Idx *need = idx_addk(job, idx_mulk(job, b.rows, depth->stride[HIGH]), reach - depth->stride[HIGH]);
    b.top = idx_max(job, idx_sub(job, k(m, 0), from), k(m, 0));
    b.bottom = idx_max(job, idx_sub(job, idx_add(job, from, need), k(m, h)), k(m, 0));
    b.first = idx_add(job, from, b.top);
    b.real = idx_sub(job, idx_sub(job, need, b.top), b.bottom);
    return b;
}

/* Where the row `row` of the turn's image and channels begins, in memory with these strides. */
static const Idx *band_at(Make *m, const Band *b, const Idx *offset, const Idx *const *stride, const Idx *row)
{
    const Idx *at = idx_add(m->job, idx_mul(m->job, b->image, stride[0]), idx_mul(m->job, row, stride[2]));
    return idx_add(m->job, offset, at);
}

typedef struct Number {
    const char *name;
    const Idx *v;
} Number;

/* A call on the scratch, which it knows as `name`. */
static Stmt *band_call(Make *m, const Band *b, const char *callee, const char *type, const char *name, const Idx *at,
                       const Number *numbers)
{
    Stmt *s = stmt_add(m->job, m->block[m->level], S_CALL);
    s->var = sym(m->job, callee);
    s->text = sym(m->job, type);
    field_pointer(m, s, name, b->work, at);
    for (; numbers->name; numbers++)
        field_number(m, s, numbers->name, numbers->v);
    return s;
}

static void lower_pair(Lower *l, Conv *point, Conv *depth)
{
    Job *job = l->job;
    const Type *between = &depth->n->in[0]->type;
    Buffer *out = depth->out, *x = point->x = conv_input(l, point->n->in[0], 0);
    conv_operands(l, point);
    conv_operands(l, depth);
    Make *m = make_kernel(l, depth->n->out[0]->name, &depth->n->origin);
    m->k->about = sym_printf(job, "conv %s x %s x %s", type_text(job, &point->n->in[0]->type),
                             type_text(job, &point->n->in[1]->type), type_text(job, &depth->n->in[1]->type));
    int64_t all, ldw;
    Buffer *packed = pack_conv(l, point->n, 1, &all), *filter = pack_depthwise(l, depth->n, &ldw);
    Band b = open_bands(m, point, depth);
    const Idx *line = k(m, b.line), *pixel = k(m, b.panel), *one = k(m, 1), *side = k(m, depth->pad[WIDE]);

    band_call(m, &b, "aotk_zero_halo_f32", "aotk_halo", "x", k(m, 0),
              (Number[]){ { "n", one }, { "h", b.real }, { "w", between->dim[3] }, { "c", b.width }, { "top", b.top },
                          { "bottom", b.bottom }, { "left", side }, { "right", side }, { "x_h", line }, { "x_w", pixel },
                          { "tasks", one }, { NULL, NULL } });

    const Idx *inside = idx_addk(job, idx_mulk(job, b.top, b.line), depth->pad[WIDE] * b.panel);
    Stmt *s = band_call(m, &b, stored_as(packed->dtype, contract_pairs(point->n)).kernel, "aotk_igemm", "c", inside,
                        (Number[]){ { "m0", one }, { "m1", b.real }, { "m2", between->dim[3] }, { "a1", x->stride[2] },
                                    { "a2", x->stride[3] }, { "c1", line }, { "c2", pixel }, { "n", b.width },
                                    { "taps_h", one }, { "taps_w", one }, { "seg", k(m, all) }, { NULL, NULL } });
    field_pointer(m, s, "a", x, band_at(m, &b, x->offset, x->stride, b.first));
    field_weights(m, s, point->n, packed, idx_mulk(job, b.column, all), NULL, NULL);
    field_epilogue(m, s, point->n, b.column);
    field_number(m, s, "tasks", one);

    s = band_call(m, &b, "aotk_depthwise_f32", "aotk_depthwise", "x", k(m, 0),
                  (Number[]){ { "n", one }, { "oh", b.rows }, { "ow", out->dim[3] }, { "c", b.width }, { "group", k(m, depth->cin) },
                              { "x_h", k(m, depth->stride[HIGH] * b.line) }, { "x_w", k(m, depth->stride[WIDE] * b.panel) },
                              { "y_h", out->stride[2] }, { "y_w", out->stride[3] }, { "kh", k(m, depth->size[HIGH]) },
                              { "kw", k(m, depth->size[WIDE]) }, { "tap_h", k(m, depth->dil[HIGH] * b.line) },
                              { "tap_w", k(m, depth->dil[WIDE] * b.panel) }, { "ldw", k(m, ldw) }, { NULL, NULL } });
    field_pointer(m, s, "w", filter, b.column);
    field_pointer(m, s, "y", out, idx_add(job, band_at(m, &b, out->offset, out->stride, b.at), b.column));
    if (contract_residual(depth->n)) {
        const Affine *r = &depth->residual;
        field_pointer(m, s, "residual", r->buffer, idx_add(job, band_at(m, &b, r->offset, r->stride, b.at), b.column));
        field_number(m, s, "r_h", r->stride[2]);
        field_number(m, s, "r_w", r->stride[3]);
    }
    field_epilogue(m, s, depth->n, b.column);
    field_number(m, s, "tasks", one);
    close_loop(m);
    lower_zero_halo(m, out);
    finish_kernel(m);
    forget_packed(point->n->in[1]);
}
