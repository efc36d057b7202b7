/* SPDX-License-Identifier: MIT */
/* Contractions and pooling as calls of tiled kernels: addresses, strides and epilogues for
 * aotk_igemm_f32 and aotk_pool_f32 (codegen/kernels/aotk.h). */
#include "../kernels/aotk.h"
#include "lower.h"
#include "packing.h"
#include <string.h>

static void field(Make *m, Stmt *s, const char *name, const Idx *v)
{
    *vec_push(m->job, &s->fields) = (Field){ .name = sym(m->job, name), .idx = v };
}

static void pointer(Make *m, Stmt *s, const char *name, Buffer *b, const Idx *offset)
{
    *vec_push(m->job, &s->fields) = (Field){ .name = sym(m->job, name), .idx = offset, .buffer = b };
}

static const Idx *k(Make *m, int64_t n)
{
    return idx_const(m->job, n);
}

static Buffer *scratch(Lower *l, const char *name, const Idx *floats)
{
    Value v = { .name = sym(l->job, name), .type = { DT_f32, 1, { floats } } };
    return buffer_new(l, &v, BUFFER_WORK, false, 0);
}

/* Run-time packing and the igemm agree with the host by K * round_up(N, 16). */
static const Idx *packed_floats(Make *m, const Idx *depth, const Idx *n)
{
    return idx_mul(m->job, depth, idx_ceil_to(m->job, n, 16));
}

static void epilogue(Make *m, Stmt *s, Node *n, const Idx *bias_at)
{
    static const struct {
        const char *name, *c;
    } acts[] = { { "relu", "AOTK_ACT_RELU" },   { "clamp", "AOTK_ACT_CLAMP" }, { "gelu", "AOTK_ACT_GELU_ERF" },
                 { "gelu_tanh", "AOTK_ACT_GELU_TANH" }, { "silu", "AOTK_ACT_SILU" }, { "sigmoid", "AOTK_ACT_SIGMOID" },
                 { "tanh", "AOTK_ACT_TANH" } };
    Value *bias = contract_bias(n);
    if (bias) {
        Affine a = value_memory(m->l, bias, 0);
        pointer(m, s, "bias", a.buffer, idx_add(m->job, a.offset, bias_at));
    }
    const char *act = node_text(n, "act"), *round = node_text(n, "round"), *c = NULL;
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++)
        if (!strcmp(acts[i].name, act))
            c = acts[i].c;
    if (*round)
        c = job_printf(m->job, "%s%sAOTK_ROUND_%s", c ? c : "", c ? " | " : "", strcmp(round, "f16") ? "BF16" : "F16");
    if (c)
        *vec_push(m->job, &s->fields) = (Field){ .name = sym(m->job, "act"), .text = sym(m->job, c) };
    if (!strcmp(act, "clamp"))
        for (int i = 0; i < 2; i++)
            *vec_push(m->job, &s->fields) = (Field){ .name = sym(m->job, i ? "hi" : "lo"),
                                                     .text = float_text(m->job, node_float(n, i ? "hi" : "lo"), false) };
}

/* ---- convolution ------------------------------------------------------------------------------------------ */

/* The input channels-last with a halo of at least `pad`. */
static Buffer *conv_input(Lower *l, Value *x, int64_t pad)
{
    Buffer *have[2] = { x->buffer, l->conv_form[x->id] };
    for (int i = 0; i < 2; i++)
        if (have[i] && have[i]->channels_last && have[i]->halo[2] >= pad)
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

static void text_field(Make *m, Stmt *s, const char *name, const char *text)
{
    *vec_push(m->job, &s->fields) = (Field){ .name = sym(m->job, name), .text = sym(m->job, text) };
}

/* Whether every element of an f32 is one that a bf16 can be: such products multiply in tiles where there are some. */
static bool holds_bf16(const Value *v, int depth)
{
    if (v->type.dtype == DT_bf16)
        return true;
    if (v->kind != VALUE_NODE || depth == 0)
        return false;
    const Node *n = v->def;
    switch (n->op) {
    case OP_cast: return n->in[0]->type.dtype == DT_bf16;
    case OP_matmul: case OP_conv: return !strcmp(node_text(n, "round"), "bf16");
    case OP_reshape: case OP_permute: case OP_expand: case OP_slice: case OP_window: case OP_relu: case OP_neg:
        return holds_bf16(n->in[0], depth - 1);
    default: return false;
    }
}

/* The packed weights of n in its call, and how they are stored if not as f32; `rows` of k values are multiplied. */
static void weights_field(Make *m, Stmt *s, const Node *n, Buffer *b, const Idx *offset, const Idx *rows, const Idx *depth)
{
    enum { MOST_VIEWS = 8 };
    pointer(m, s, "b", b, offset);
    if (b->dtype != DT_f16 && b->dtype != DT_bf16)
        return;
    bool pairs = contract_pairs(n);
    text_field(m, s, "b_stored", b->dtype == DT_f16 ? "AOTK_STORED_F16" : pairs ? "AOTK_STORED_BF16_PAIRS" : "AOTK_STORED_BF16");
    if (!pairs || !rows || idx_is(rows, 1) || !holds_bf16(n->in[0], MOST_VIEWS))
        return;
    /* as aotk_igemm_work has it */
    const Idx *high = idx_min(m->job, idx_ceil_to(m->job, rows, 16), k(m, AOTK_TILED_ROWS));
    const Idx *floats = idx_div(m->job, idx_mul(m->job, high, idx_min(m->job, depth, k(m, AOTK_TILED_DEPTH))), k(m, 2));
    Buffer *work = scratch(m->l, job_printf(m->job, "%s_tiles", n->out[0]->name), floats);
    work->scratch = true;
    pointer(m, s, "work", work, k(m, 0));
    text_field(m, s, "tiles", "tiles");
}

/* Where sums start anew, if that was measured to be better elsewhere than by default. */
static void depth_field(Make *m, Stmt *s, const Way *way)
{
    if (way->depth)
        field(m, s, "depth", k(m, way->depth));
}

/* What both kinds of convolution are made from; axis 0 of the arrays is height (1 for one dimension), axis 1 width. */
typedef struct Conv {
    Node *n;
    bool flat; /* [n, c, w] */
    int64_t groups, cin, cout, kh, kw, stride[2], pad[2], dil[2];
    Buffer *x, *out;
    const Idx *corner; /* of the first tap of the first pixel */
    Affine residual;
} Conv;

/* Strides of a buffer along batch, rows and columns, `step` pixels at a time. */
static void conv_steps(Make *m, Stmt *s, const char *const *names, const Conv *c, const Idx *const *stride, const int64_t *step)
{
    field(m, s, names[0], stride[0]);
    field(m, s, names[1], c->flat ? k(m, 0) : idx_mulk(m->job, stride[2], step[0]));
    field(m, s, names[2], idx_mulk(m->job, stride[c->flat ? 2 : 3], step[1]));
}

static const int64_t one_pixel[2] = { 1, 1 };

/* The residual's pointer and strides; `r`: their names. */
static void conv_residual(Make *m, Stmt *s, const Conv *c, const char *const *r, const Idx *offset)
{
    if (!contract_residual(c->n))
        return;
    pointer(m, s, "residual", c->residual.buffer, idx_add(m->job, c->residual.offset, offset));
    conv_steps(m, s, r, c, c->residual.stride, one_pixel);
}

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

/* What the calls that walk over an image have in common. */
static Stmt *image_call(Make *m, const Conv *c, const char *callee, const char *type, const int64_t *step)
{
    static const char *const x[] = { "x_n", "x_h", "x_w" }, *const y[] = { "y_n", "y_h", "y_w" },
                             *const r[] = { "r_n", "r_h", "r_w" };
    Stmt *s = stmt_add(m->job, m->block[m->level], S_CALL);
    s->var = sym(m->job, callee);
    s->text = sym(m->job, type);
    pointer(m, s, "x", c->x, c->corner);
    pointer(m, s, "y", c->out, c->out->offset);
    field(m, s, "n", c->out->dim[0]);
    field(m, s, "oh", c->flat ? k(m, 1) : c->out->dim[2]);
    field(m, s, "ow", c->out->dim[c->out->rank - 1]);
    conv_steps(m, s, x, c, c->x->stride, step);
    conv_steps(m, s, y, c, c->out->stride, one_pixel);
    conv_residual(m, s, c, r, k(m, 0));
    epilogue(m, s, c->n, k(m, 0));
    field(m, s, "tasks", k(m, 1));
    return s;
}

static void depthwise_call(Make *m, const Conv *c)
{
    int64_t row;
    Buffer *packed = pack_depthwise(m->l, c->n, &row);
    Stmt *s = image_call(m, c, "aotk_depthwise_f32", "aotk_depthwise", c->stride);
    pointer(m, s, "w", packed, k(m, 0));
    field(m, s, "c", k(m, c->cout));
    field(m, s, "kh", k(m, c->kh));
    field(m, s, "kw", k(m, c->kw));
    field(m, s, "tap_h", c->flat ? k(m, 0) : idx_mulk(m->job, c->x->stride[2], c->dil[0]));
    field(m, s, "tap_w", idx_mulk(m->job, c->x->stride[c->x->rank - 1], c->dil[1]));
    field(m, s, "ldw", k(m, row));
}

static void winograd_call(Make *m, const Conv *c, int64_t tile)
{
    Buffer *packed = pack_winograd(m->l, c->n, tile);
    int64_t block = aotk_winograd_block(tile, c->cin), all = 1;
    for (int i = 0; i < 4; i++) /* that many tiles there may not be at all */
        if (i != 1 && all < block) {
            int64_t edge = i ? tile : 1, high = c->out->dim[i]->hi;
            all *= high > block * edge ? block : (high + edge - 1) / edge;
        }
    block = all < 1 ? 1 : all < block ? all : block;
    Buffer *work = scratch(m->l, job_printf(m->job, "%s_work", c->n->out[0]->name),
                           k(m, aotk_winograd_work(tile, c->cin, block)));
    work->scratch = true;
    Stmt *s = image_call(m, c, "aotk_winograd_f32", "aotk_winograd", one_pixel);
    pointer(m, s, "u", packed, k(m, 0));
    pointer(m, s, "work", work, k(m, 0));
    field(m, s, "cin", k(m, c->cin));
    field(m, s, "cout", k(m, c->cout));
    field(m, s, "tile", k(m, tile));
    field(m, s, "block", k(m, block));
}

static void conv_call(Make *m, const Conv *c, const Way *way)
{
    static const char *const a[] = { "a0", "a1", "a2" }, *const o[] = { "c0", "c1", "c2" }, *const r[] = { "r0", "r1", "r2" };
    Job *job = m->job;
    int64_t share = c->cout / c->groups, depth;
    Buffer *packed = pack_conv(m->l, c->n, c->groups, &depth);
    const Idx *g = c->groups == 1 ? k(m, 0) : open_apart(m, "g", k(m, c->groups)), *first = idx_mulk(job, g, share);
    Stmt *s = stmt_add(job, m->block[m->level], S_CALL);
    s->var = sym(job, "aotk_igemm_f32");
    s->text = sym(job, "aotk_igemm");
    pointer(m, s, "a", c->x, idx_add(job, c->corner, idx_mulk(job, g, c->cin)));
    const Idx *rows = idx_mul(job, c->out->dim[0], idx_mul(job, c->flat ? k(m, 1) : c->out->dim[2], c->out->dim[c->out->rank - 1]));
    weights_field(m, s, c->n, packed, idx_mulk(job, g, aotk_packed_size(depth, share)), rows, k(m, depth));
    pointer(m, s, "c", c->out, idx_add(job, c->out->offset, first));
    field(m, s, "m0", c->out->dim[0]);
    field(m, s, "m1", c->flat ? k(m, 1) : c->out->dim[2]);
    field(m, s, "m2", c->out->dim[c->out->rank - 1]);
    conv_steps(m, s, a, c, c->x->stride, c->stride);
    conv_steps(m, s, o, c, c->out->stride, one_pixel);
    conv_residual(m, s, c, r, first);
    field(m, s, "n", k(m, share));
    const Idx *pixel = c->x->stride[c->x->rank - 1];
    bool whole_row = c->groups == 1 && c->dil[1] == 1 && idx_is(pixel, c->cin);
    field(m, s, "taps_h", k(m, c->kh));
    field(m, s, "taps_w", k(m, whole_row ? 1 : c->kw));
    field(m, s, "tap_h", c->flat ? k(m, 0) : idx_mulk(job, c->x->stride[2], c->dil[0]));
    field(m, s, "tap_w", whole_row ? k(m, 0) : idx_mulk(job, pixel, c->dil[1]));
    field(m, s, "seg", k(m, whole_row ? c->kw * c->cin : c->cin));
    depth_field(m, s, way);
    epilogue(m, s, c->n, first);
    field(m, s, "tasks", k(m, 1));
    if (c->groups != 1)
        close_loop(m);
}

/* The attributes and sizes; no memory yet. */
static Conv conv_of(Node *n)
{
    const Type *w = &n->in[1]->type;
    Conv c = { .n = n, .flat = w->rank == 3, .groups = node_int(n, "groups", 0), .kh = 1, .stride = { 1, 1 },
               .dil = { 1, 1 } };
    for (int i = 2; i < w->rank; i++) {
        int axis = i + 2 - w->rank;
        c.stride[axis] = node_int(n, "stride", (size_t)i - 2);
        c.pad[axis] = node_int(n, "padding", (size_t)i - 2);
        c.dil[axis] = node_int(n, "dilation", (size_t)i - 2);
    }
    idx_is_const(w->dim[0], &c.cout);
    idx_is_const(w->dim[1], &c.cin);
    idx_is_const(w->dim[w->rank - 1], &c.kw);
    if (!c.flat)
        idx_is_const(w->dim[2], &c.kh);
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

static void lower_conv(Lower *l, Node *n, Buffer *out)
{
    Job *job = l->job;
    Conv c = conv_of(n), point;
    c.out = out;
    if (!n->in[0]->buffer && conv_pair(n)) {
        point = conv_of(n->in[0]->def);
        lower_pair(l, &point, &c);
        return;
    }
    c.x = conv_input(l, n->in[0], c.pad[0] > c.pad[1] ? c.pad[0] : c.pad[1]);
    conv_operands(l, &c);
    Make *m = make_kernel(l, n->out[0]->name, &n->origin);
    m->k->about = sym_printf(job, "conv %s x %s", type_text(job, &n->in[0]->type), type_text(job, &n->in[1]->type));
    c.corner = c.x->offset;
    for (int i = 2; i < out->rank; i++)
        c.corner = idx_sub(job, c.corner, idx_mulk(job, c.x->stride[i], c.pad[i + 2 - out->rank]));
    Way way = contract_way(l, n);
    if (conv_is_depthwise(n))
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
    if (n->op != OP_conv || !conv_is_depthwise(n) || v->kind != VALUE_NODE || v->def->op != OP_conv || v->uses != 1 ||
        !contract_is_tiled(n) || !contract_is_tiled(v->def) || contract_residual(v->def))
        return false;
    Conv point = conv_of(v->def), depth = conv_of(n);
    int64_t h, w;
    bool plain = !point.flat && point.groups == 1 && point.kh == 1 && point.kw == 1;
    for (int i = 0; i < 2; i++)
        plain &= point.stride[i] == 1 && !point.pad[i] && depth.pad[i] <= ((i ? depth.kw : depth.kh) - 1) * depth.dil[i];
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
    int64_t nr = aotk_panel_nr(point->cout), h = between->type.dim[2]->k, oh = depth->out->dim[2]->k;
    int64_t reach = (depth->kh - 1) * depth->dil[0] + 1, panels = (point->cout + nr - 1) / nr;
    Band b = { .line = (between->type.dim[3]->k + 2 * depth->pad[1]) * nr, .panel = nr };
    int64_t most = (PAIR_SCRATCH / b.line - reach) / depth->stride[0] + 1;
    int64_t bands = most < 1 ? oh : (oh + most - 1) / most, rows = (oh + bands - 1) / bands;
    bands = (oh + rows - 1) / rows;
    b.work = scratch(m->l, job_printf(job, "%s_rows", between->name), k(m, ((rows - 1) * depth->stride[0] + reach) * b.line));
    b.work->scratch = true;
    const Idx *u = open_apart(m, "u", idx_mulk(job, depth->out->dim[0], bands * panels));
    const Idx *band = idx_div(job, u, k(m, panels));
    b.column = idx_mulk(job, idx_mod(job, u, k(m, panels)), nr);
    b.width = idx_min(job, k(m, nr), idx_sub(job, k(m, point->cout), b.column));
    b.image = idx_div(job, band, k(m, bands));
    b.at = idx_mulk(job, idx_mod(job, band, k(m, bands)), rows);
    b.rows = idx_min(job, k(m, rows), idx_sub(job, k(m, oh), b.at));
    const Idx *from = idx_addk(job, idx_mulk(job, b.at, depth->stride[0]), -depth->pad[0]);
    const Idx *need = idx_addk(job, idx_mulk(job, b.rows, depth->stride[0]), reach - depth->stride[0]);
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
    pointer(m, s, name, b->work, at);
    for (; numbers->name; numbers++)
        field(m, s, numbers->name, numbers->v);
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
    const Idx *line = k(m, b.line), *pixel = k(m, b.panel), *one = k(m, 1), *side = k(m, depth->pad[1]);

    band_call(m, &b, "aotk_zero_halo_f32", "aotk_halo", "x", k(m, 0),
              (Number[]){ { "n", one }, { "h", b.real }, { "w", between->dim[3] }, { "c", b.width }, { "top", b.top },
                          { "bottom", b.bottom }, { "left", side }, { "right", side }, { "x_h", line }, { "x_w", pixel },
                          { "tasks", one }, { NULL, NULL } });

    const Idx *inside = idx_addk(job, idx_mulk(job, b.top, b.line), depth->pad[1] * b.panel);
    Stmt *s = band_call(m, &b, "aotk_igemm_f32", "aotk_igemm", "c", inside,
                        (Number[]){ { "m0", one }, { "m1", b.real }, { "m2", between->dim[3] }, { "a1", x->stride[2] },
                                    { "a2", x->stride[3] }, { "c1", line }, { "c2", pixel }, { "n", b.width },
                                    { "taps_h", one }, { "taps_w", one }, { "seg", k(m, all) }, { NULL, NULL } });
    pointer(m, s, "a", x, band_at(m, &b, x->offset, x->stride, b.first));
    weights_field(m, s, point->n, packed, idx_mulk(job, b.column, all), NULL, NULL);
    epilogue(m, s, point->n, b.column);
    field(m, s, "tasks", one);

    s = band_call(m, &b, "aotk_depthwise_f32", "aotk_depthwise", "x", k(m, 0),
                  (Number[]){ { "n", one }, { "oh", b.rows }, { "ow", out->dim[3] }, { "c", b.width },
                              { "x_h", k(m, depth->stride[0] * b.line) }, { "x_w", k(m, depth->stride[1] * b.panel) },
                              { "y_h", out->stride[2] }, { "y_w", out->stride[3] }, { "kh", k(m, depth->kh) },
                              { "kw", k(m, depth->kw) }, { "tap_h", k(m, depth->dil[0] * b.line) },
                              { "tap_w", k(m, depth->dil[1] * b.panel) }, { "ldw", k(m, ldw) }, { NULL, NULL } });
    pointer(m, s, "w", filter, b.column);
    pointer(m, s, "y", out, idx_add(job, band_at(m, &b, out->offset, out->stride, b.at), b.column));
    if (contract_residual(depth->n)) {
        const Affine *r = &depth->residual;
        pointer(m, s, "residual", r->buffer, idx_add(job, band_at(m, &b, r->offset, r->stride, b.at), b.column));
        field(m, s, "r_h", r->stride[2]);
        field(m, s, "r_w", r->stride[3]);
    }
    epilogue(m, s, depth->n, b.column);
    field(m, s, "tasks", one);
    close_loop(m);
    lower_zero_halo(m, out);
    finish_kernel(m);
    forget_packed(point->n->in[1]);
}

/* ---- matmul ------------------------------------------------------------------------------------------------- */

typedef struct Rows { /* row axes of a, c and the residual, slowest first, merged where all sides allow */
    int n;
    const Idx *size[MAX_RANK], *a[MAX_RANK], *c[MAX_RANK], *r[MAX_RANK];
} Rows;

static void add_rows(Job *job, Rows *rows, const Idx *size, const Idx *a, const Idx *c, const Idx *r)
{
    if (idx_is(size, 1))
        return;
    int i = rows->n - 1;
    if (i >= 0 && rows->a[i] == idx_mul(job, a, size) && rows->c[i] == idx_mul(job, c, size) &&
        (!r || rows->r[i] == idx_mul(job, r, size))) {
        rows->size[i] = idx_mul(job, rows->size[i], size);
        rows->a[i] = a;
        rows->c[i] = c;
        rows->r[i] = r;
        return;
    }
    rows->size[rows->n] = size;
    rows->a[rows->n] = a;
    rows->c[rows->n] = c;
    rows->r[rows->n++] = r;
}

/* The stride with which the batch axis `axis` of the result moves through an operand. */
static const Idx *batch_stride(Make *m, const Value *v, const Affine *a, int axis, int out_rank)
{
    int i = axis - (out_rank - v->type.rank);
    return i < 0 || idx_is(v->type.dim[i], 1) ? k(m, 0) : a->stride[i];
}

/* Packs b at `offset` into `to` at `at`: a call of aotk_pack_f32(dst, src, k, n, sk, sn). */
static void pack_call(Make *m, Buffer *to, const Idx *at, const Value *b, const Affine *a, const Idx *offset)
{
    Stmt *s = stmt_add(m->job, m->block[m->level], S_CALL);
    int r = b->type.rank;
    s->var = sym(m->job, "aotk_pack_f32");
    pointer(m, s, "dst", to, at);
    pointer(m, s, "src", a->buffer, offset);
    field(m, s, "k", b->type.dim[r - 2]);
    field(m, s, "n", b->type.dim[r - 1]);
    field(m, s, "sk", a->stride[r - 2]);
    field(m, s, "sn", a->stride[r - 1]);
}

static void lower_matmul(Lower *l, Node *n, Buffer *out)
{
    Job *job = l->job;
    Value *x = n->in[0], *w = n->in[1], *res = contract_residual(n), *bias = contract_bias(n);
    const Type *t = &n->out[0]->type;
    int rank = t->rank;
    Tensor constant;
    int64_t step[MAX_RANK];
    bool packed = contract_packs(n, &constant);
    if (packed)
        packed_steps(&constant, step);
    Affine a = value_memory(l, x, x->type.rank - 1), b = { 0 }, r = { 0 };
    if (!packed)
        b = value_memory(l, w, -1);
    if (res)
        r = value_memory(l, res, rank - 1);
    if (bias)
        value_memory(l, bias, 0);
    Make *m = make_kernel(l, n->out[0]->name, &n->origin);
    m->k->about = sym_printf(job, "matmul %s x %s", type_text(job, &x->type), type_text(job, &w->type));
    const Idx *a_at = a.offset, *b_at = packed ? k(m, 0) : b.offset, *c_at = out->offset, *r_at = r.offset;
    Rows rows = { 0 };
    int loops = 0;
    const Idx *batches = k(m, 1), *batch = k(m, 0); /* those that the loops run over, and the number of one */
    for (int i = 0; i < rank - 1; i++) {
        const Idx *sa = i == rank - 2 ? a.stride[x->type.rank - 2] : batch_stride(m, x, &a, i, rank);
        int own = i - (rank - w->type.rank); /* the weight's axis */
        const Idx *sb = i == rank - 2   ? k(m, 0)
                        : !packed       ? batch_stride(m, w, &b, i, rank)
                                        : k(m, own < 0 ? 0 : step[own]);
        if (idx_is(sb, 0)) {
            add_rows(job, &rows, t->dim[i], sa, out->stride[i], res ? r.stride[i] : NULL);
            continue;
        }
        if (idx_is(t->dim[i], 1))
            continue;
        const Idx *at = open_apart(m, "b", t->dim[i]);
        loops++;
        batches = idx_mul(job, batches, t->dim[i]);
        batch = idx_add(job, idx_mul(job, batch, t->dim[i]), at);
        a_at = idx_add(job, a_at, idx_mul(job, at, sa));
        b_at = idx_add(job, b_at, idx_mul(job, at, sb));
        c_at = idx_add(job, c_at, idx_mul(job, at, out->stride[i]));
        if (res)
            r_at = idx_add(job, r_at, idx_mul(job, at, r.stride[i]));
    }
    const Idx *floats = packed ? k(m, 0) : packed_floats(m, w->type.dim[w->type.rank - 2], t->dim[rank - 1]);
    const Idx *b_packed = packed ? b_at : idx_mul(job, batch, floats);
    Buffer *panel = packed ? pack_matmul(l, n)
                           : scratch(l, job_printf(job, "%s_packed", n->out[0]->name), idx_mul(job, batches, floats));
    if (!packed)
        pack_call(m, panel, b_packed, w, &b, b_at);
    int first = 0; /* more than three row axes: the outer ones are loops */
    for (; rows.n - first > 3; first++) {
        const Idx *at = open_apart(m, "r", rows.size[first]);
        loops++;
        a_at = idx_add(job, a_at, idx_mul(job, at, rows.a[first]));
        c_at = idx_add(job, c_at, idx_mul(job, at, rows.c[first]));
        if (res)
            r_at = idx_add(job, r_at, idx_mul(job, at, rows.r[first]));
    }
    Stmt *s = stmt_add(job, m->block[m->level], S_CALL);
    s->var = sym(job, "aotk_igemm_f32");
    s->text = sym(job, "aotk_igemm");
    pointer(m, s, "a", a.buffer, a_at);
    const Idx *all = k(m, 1);
    for (int i = first; i < rows.n; i++)
        all = idx_mul(job, all, rows.size[i]);
    weights_field(m, s, n, panel, b_packed, all, w->type.dim[w->type.rank - 2]);
    pointer(m, s, "c", out, c_at);
    if (res)
        pointer(m, s, "residual", r.buffer, r_at);
    for (int i = 0; i < 3; i++) {
        int from = rows.n - 3 + i;
        bool have = from >= first;
        field(m, s, job_printf(job, "m%d", i), have ? rows.size[from] : k(m, 1));
        field(m, s, job_printf(job, "a%d", i), have ? rows.a[from] : k(m, 0));
        field(m, s, job_printf(job, "c%d", i), have ? rows.c[from] : k(m, 0));
        if (res)
            field(m, s, job_printf(job, "r%d", i), have ? rows.r[from] : k(m, 0));
    }
    field(m, s, "n", t->dim[rank - 1]);
    field(m, s, "taps_h", k(m, 1));
    field(m, s, "taps_w", k(m, 1));
    field(m, s, "seg", w->type.dim[w->type.rank - 2]);
    Way way = contract_way(l, n);
    depth_field(m, s, &way);
    epilogue(m, s, n, k(m, 0));
    field(m, s, "tasks", k(m, 1));
    while (loops--)
        close_loop(m);
    finish_kernel(m);
}

void lower_contract(Lower *l, Node *n, Buffer *out)
{
    if (n->op == OP_conv)
        lower_conv(l, n, out);
    else if (n->op == OP_attention)
        lower_attention(l, n, out);
    else
        lower_matmul(l, n, out);
}

/* ---- pooling ---------------------------------------------------------------------------------------------------- */

typedef struct Pool {
    Value *x;
    int64_t kernel[2], stride[2], low[2], dil[2];
    const Idx *kernel_dim[2];
} Pool;

/* amax or sum over windows, or a sum over the whole image. */
static bool match_pool(Value *v, Pool *p)
{
    Node *n = v->kind == VALUE_NODE && !v->buffer ? v->def : NULL;
    if (!n || (n->op != OP_amax && n->op != OP_sum) || v->type.dtype != DT_f32)
        return false;
    const Attr *dims = node_attr(n, "dims");
    Value *in = n->in[0];
    Node *w = in->kind == VALUE_NODE && !in->buffer ? in->def : NULL;
    if (dims->n != 2)
        return false;
    if (w && w->op == OP_window && in->type.rank == 6 && idx_is(dims->idx[0], 4) && idx_is(dims->idx[1], 5)) {
        p->x = w->in[0];
        for (size_t i = 0; i < 2; i++) {
            if (node_idx(w, "kernel", i)->op != IDX_CONST || node_int(w, "axes", i) != (int64_t)i + 2)
                return false;
            p->kernel[i] = node_int(w, "kernel", i);
            p->stride[i] = node_int(w, "stride", i);
            p->low[i] = node_int(w, "low", i);
            p->dil[i] = node_int(w, "dilation", i);
            p->kernel_dim[i] = node_idx(w, "kernel", i);
        }
        return true;
    }
    if (n->op != OP_sum || in->type.rank != 4 || !idx_is(dims->idx[0], 2) || !idx_is(dims->idx[1], 3))
        return false;
    *p = (Pool){ .x = in, .stride = { 1, 1 }, .dil = { 1, 1 }, .kernel_dim = { in->type.dim[2], in->type.dim[3] } };
    return true;
}

bool lower_pool(Lower *l, Value *v, Buffer *out)
{
    Pool p;
    Affine a;
    Job *job = l->job;
    if (!match_pool(v, &p) || !value_affine(l, p.x, &a) || !idx_is(a.stride[1], 1) || !idx_is(out->stride[1], 1))
        return false;
    Make *m = make_kernel(l, v->name, &v->def->origin);
    const Type *t = &p.x->type;
    bool whole = v->type.rank == 2;
    m->k->about = sym_printf(job, "%s pooling of %s", v->def->op == OP_amax ? "max" : "sum", type_text(job, t));
    lower_zero_halo(m, out);
    Stmt *s = stmt_add(job, m->block[0], S_CALL);
    s->var = sym(job, "aotk_pool_f32");
    s->text = sym(job, "aotk_pool");
    pointer(m, s, "x", a.buffer, a.offset);
    pointer(m, s, "y", out, out->offset);
    struct {
        const char *name;
        const Idx *v;
    } f[] = { { "n", t->dim[0] }, { "h", t->dim[2] }, { "w", t->dim[3] }, { "c", t->dim[1] },
              { "x_n", a.stride[0] }, { "x_h", a.stride[2] }, { "x_w", a.stride[3] },
              { "oh", whole ? k(m, 1) : v->type.dim[2] }, { "ow", whole ? k(m, 1) : v->type.dim[3] },
              { "y_n", out->stride[0] }, { "y_h", whole ? k(m, 0) : out->stride[2] }, { "y_w", whole ? k(m, 0) : out->stride[3] },
              { "kh", p.kernel_dim[0] }, { "kw", p.kernel_dim[1] }, { "stride_h", k(m, p.stride[0]) },
              { "stride_w", k(m, p.stride[1]) }, { "pad_h", k(m, p.low[0]) }, { "pad_w", k(m, p.low[1]) },
              { "dil_h", k(m, p.dil[0]) }, { "dil_w", k(m, p.dil[1]) }, { "divisor", k(m, 1) }, { "tasks", k(m, 1) } };
    for (size_t i = 0; i < sizeof f / sizeof *f; i++)
        field(m, s, f[i].name, f[i].v);
    const char *op = v->def->op == OP_amax ? "AOTK_POOL_MAX" : "AOTK_POOL_AVG";
    *vec_push(job, &s->fields) = (Field){ .name = sym(job, "op"), .text = sym(job, op) };
    finish_kernel(m);
    return true;
}
