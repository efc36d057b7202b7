/* SPDX-License-Identifier: MIT */
/* Products of matrices and pooling as calls of tiled kernels (codegen/kernels/aotk.h): addresses, strides, epilogue. */
#include "../kernels/aotk.h"
#include "call.h"
#include "packing.h"
#include <string.h>

void field_number(Make *m, Stmt *s, const char *name, const Idx *v)
{
    *vec_push(m->job, &s->fields) = (Field){ .name = sym(m->job, name), .idx = v };
}

void field_pointer(Make *m, Stmt *s, const char *name, Buffer *b, const Idx *offset)
{
    *vec_push(m->job, &s->fields) = (Field){ .name = sym(m->job, name), .idx = offset, .buffer = b };
}

static const Idx *k(Make *m, int64_t n)
{
    return idx_const(m->job, n);
}

Buffer *call_scratch(Lower *l, const char *name, const Idx *floats)
{
    Value v = { .name = sym(l->job, name), .type = { DT_f32, 1, { floats } } };
    return buffer_new(l, &v, BUFFER_WORK, false, 0);
}

/* Run-time packing and the igemm agree with the host by K * round_up(N, 16). */
static const Idx *packed_floats(Make *m, const Idx *depth, const Idx *n)
{
    return idx_mul(m->job, depth, idx_ceil_to(m->job, n, 16));
}

void field_epilogue(Make *m, Stmt *s, Node *n, const Idx *bias_at)
{
    static const struct {
        const char *name, *c;
    } acts[] = { { "relu", "AOTK_ACT_RELU" },   { "clamp", "AOTK_ACT_CLAMP" }, { "gelu", "AOTK_ACT_GELU_ERF" },
                 { "gelu_tanh", "AOTK_ACT_GELU_TANH" }, { "silu", "AOTK_ACT_SILU" }, { "sigmoid", "AOTK_ACT_SIGMOID" },
                 { "tanh", "AOTK_ACT_TANH" } };
    Value *bias = contract_bias(n);
    if (bias) {
        Affine a = value_memory(m->l, bias, 0);
        field_pointer(m, s, "bias", a.buffer, idx_add(m->job, a.offset, bias_at));
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

void field_text(Make *m, Stmt *s, const char *name, const char *text)
{
    *vec_push(m->job, &s->fields) = (Field){ .name = sym(m->job, name), .text = sym(m->job, text) };
}

/* Whether every element of an f32 is one that a bf16 can be: such products multiply in pairs where the processor can. */
static bool holds_bf16(const Value *v, int depth)
{
    if (v->type.dtype == DT_bf16)
        return true;
    if (v->kind != VALUE_NODE || depth == 0)
        return false;
    const Node *n = v->def;
    switch (n->op) {
    case OP_cast: return n->in[0]->type.dtype == DT_bf16;
    case OP_matmul: case OP_grouped_matmul: case OP_conv: return !strcmp(node_text(n, "round"), "bf16");
    case OP_reshape: case OP_permute: case OP_expand: case OP_slice: case OP_window: case OP_relu: case OP_neg:
        return holds_bf16(n->in[0], depth - 1);
    default: return false;
    }
}

void field_weights(Make *m, Stmt *s, const Node *n, Buffer *b, const Idx *offset, const Idx *rows, const Idx *depth)
{
    enum { MOST_VIEWS = 8 };
    field_pointer(m, s, "b", b, offset);
    if (b->dtype == DT_f32)
        return;
    bool pairs = contract_pairs(n);
    field_text(m, s, "b_stored", stored_as(b->dtype, pairs).name);
    if (!pairs || !rows || idx_is(rows, 1) || !holds_bf16(n->in[0], MOST_VIEWS))
        return;
    /* as aotk_igemm_work has it */
    const Idx *high = idx_min(m->job, idx_ceil_to(m->job, rows, 16), k(m, AOTK_PAIRS_ROWS));
    const Idx *floats = idx_div(m->job, idx_mul(m->job, high, idx_min(m->job, depth, k(m, AOTK_PAIRS_DEPTH))), k(m, 2));
    Buffer *work = call_scratch(m->l, job_printf(m->job, "%s_pairs", n->out[0]->name), floats);
    work->scratch = true;
    field_pointer(m, s, "work", work, k(m, 0));
    field_text(m, s, "features", "features");
}

void field_depth(Make *m, Stmt *s, const Way *way)
{
    if (way->depth)
        field_number(m, s, "depth", k(m, way->depth));
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
    field_pointer(m, s, "dst", to, at);
    field_pointer(m, s, "src", a->buffer, offset);
    field_number(m, s, "k", b->type.dim[r - 2]);
    field_number(m, s, "n", b->type.dim[r - 1]);
    field_number(m, s, "sk", a->stride[r - 2]);
    field_number(m, s, "sn", a->stride[r - 1]);
}

static void lower_matmul(Lower *l, Node *n, Buffer *out)
{
    Job *job = l->job;
    Value *x = n->in[0], *w = n->in[1], *res = contract_residual(n), *bias = contract_bias(n);
    Value *ends = n->op == OP_grouped_matmul ? n->in[2] : NULL;
    const Type *t = &n->out[0]->type;
    int rank = t->rank;
    Tensor constant;
    int64_t step[MAX_RANK];
    bool packed = contract_packs(n, &constant);
    if (packed)
        packed_steps(&constant, step);
    Affine a = value_memory(l, x, x->type.rank - 1), b = { 0 }, r = { 0 }, e = { 0 };
    if (ends)
        e = value_memory(l, ends, 0);
    if (!packed)
        b = value_memory(l, w, -1);
    if (res)
        r = value_memory(l, res, rank - 1);
    if (bias)
        value_memory(l, bias, 0);
    Make *m = make_kernel(l, n->out[0]->name, &n->origin);
    m->k->about = sym_printf(job, "%s %s x %s", op_info[n->op].name, type_text(job, &x->type), type_text(job, &w->type));
    const Idx *a_at = a.offset, *b_at = packed ? k(m, 0) : b.offset, *c_at = out->offset, *r_at = r.offset;
    Rows rows = { 0 };
    int loops = 0;
    const Idx *batches = k(m, 1), *batch = k(m, 0); /* those that the loops run over, and the number of one */
    if (ends) { /* a call finds the rows of its group */
        batches = w->type.dim[0];
        batch = open_apart(m, "g", batches);
        loops++;
        b_at = idx_add(job, b_at, idx_mul(job, batch, packed ? k(m, step[0]) : b.stride[0]));
    }
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
    const char *name = job_printf(job, "%s_packed", n->out[0]->name);
    Buffer *panel = packed ? pack_matmul(l, n) : call_scratch(l, name, idx_mul(job, batches, floats));
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
    s->var = sym(job, stored_as(panel->dtype, contract_pairs(n)).kernel);
    s->text = sym(job, "aotk_igemm");
    field_pointer(m, s, "a", a.buffer, a_at);
    const Idx *all = k(m, 1);
    for (int i = first; i < rows.n; i++)
        all = idx_mul(job, all, rows.size[i]);
    field_weights(m, s, n, panel, b_packed, all, w->type.dim[w->type.rank - 2]);
    field_pointer(m, s, "c", out, c_at);
    if (res)
        field_pointer(m, s, "residual", r.buffer, r_at);
    for (int i = 0; i < 3; i++) {
        int from = rows.n - 3 + i;
        bool have = from >= first;
        field_number(m, s, job_printf(job, "m%d", i), have ? rows.size[from] : k(m, 1));
        field_number(m, s, job_printf(job, "a%d", i), have ? rows.a[from] : k(m, 0));
        field_number(m, s, job_printf(job, "c%d", i), have ? rows.c[from] : k(m, 0));
        if (res)
            field_number(m, s, job_printf(job, "r%d", i), have ? rows.r[from] : k(m, 0));
    }
    field_number(m, s, "n", t->dim[rank - 1]);
    field_number(m, s, "taps_h", k(m, 1));
    field_number(m, s, "taps_w", k(m, 1));
    field_number(m, s, "seg", w->type.dim[w->type.rank - 2]);
    if (ends) {
        field_pointer(m, s, "ends", e.buffer, e.offset);
        field_number(m, s, "group", batch);
        field_number(m, s, "groups", batches);
    }
    Way way = contract_way(l, n);
    field_depth(m, s, &way);
    field_epilogue(m, s, n, k(m, 0));
    field_number(m, s, "tasks", k(m, 1));
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
    int64_t stride[2], low[2], dil[2];
    const Idx *kernel_dim[2];
} Pool;

bool sums_places(const Node *n)
{
    const Type *t = &n->in[0]->type;
    const Attr *dims = n->op == OP_sum && (t->rank == 3 || t->rank == 4) ? node_attr(n, "dims") : NULL;
    bool all = dims && (int)dims->n == t->rank - 2;
    for (int i = 2; i < t->rank && all; i++)
        all = idx_is(dims->idx[i - 2], i);
    return all;
}

/* amax or sum over windows, or a sum over the whole image or line. */
static bool match_pool(Lower *l, Value *v, Pool *p)
{
    Node *n = v->kind == VALUE_NODE && !v->buffer ? v->def : NULL;
    if (!n || (n->op != OP_amax && n->op != OP_sum) || v->type.dtype != DT_f32)
        return false;
    const Attr *dims = node_attr(n, "dims");
    Value *in = n->in[0];
    Node *w = in->kind == VALUE_NODE && !in->buffer ? in->def : NULL;
    if (sums_places(n)) {
        bool flat = in->type.rank == 3;
        const Idx *one = idx_const(l->job, 1);
        *p = (Pool){ .x = in, .stride = { 1, 1 }, .dil = { 1, 1 },
                     .kernel_dim = { flat ? one : in->type.dim[2], in->type.dim[in->type.rank - 1] } };
        return true;
    }
    if (!w || w->op != OP_window || in->type.rank != 6 || dims->n != 2 || !idx_is(dims->idx[0], 4) || !idx_is(dims->idx[1], 5))
        return false;
    p->x = w->in[0];
    for (size_t i = 0; i < 2; i++) {
        if (node_idx(w, "kernel", i)->op != IDX_CONST || node_int(w, "axes", i) != (int64_t)i + 2)
            return false;
        p->stride[i] = node_int(w, "stride", i);
        p->low[i] = node_int(w, "low", i);
        p->dil[i] = node_int(w, "dilation", i);
        p->kernel_dim[i] = node_idx(w, "kernel", i);
    }
    return true;
}

bool lower_pool(Lower *l, Value *v, Buffer *out)
{
    Pool p;
    Affine a;
    Job *job = l->job;
    if (!match_pool(l, v, &p) || !value_affine(l, p.x, &a) || !idx_is(a.stride[1], 1) || !idx_is(out->stride[1], 1))
        return false;
    Make *m = make_kernel(l, v->name, &v->def->origin);
    const Type *t = &p.x->type;
    bool whole = v->type.rank == 2, flat = t->rank == 3;
    m->k->about = sym_printf(job, "%s pooling of %s", v->def->op == OP_amax ? "max" : "sum", type_text(job, t));
    lower_zero_halo(m, out);
    Stmt *s = stmt_add(job, m->block[0], S_CALL);
    s->var = sym(job, "aotk_pool_f32");
    s->text = sym(job, "aotk_pool");
    field_pointer(m, s, "x", a.buffer, a.offset);
    field_pointer(m, s, "y", out, out->offset);
    struct {
        const char *name;
        const Idx *v;
    } f[] = { { "n", t->dim[0] }, { "h", flat ? k(m, 1) : t->dim[2] }, { "w", t->dim[t->rank - 1] },
              { "c", t->dim[1] }, { "x_n", a.stride[0] }, { "x_h", flat ? k(m, 0) : a.stride[2] },
              { "x_w", a.stride[t->rank - 1] },
              { "oh", whole ? k(m, 1) : v->type.dim[2] }, { "ow", whole ? k(m, 1) : v->type.dim[3] },
              { "y_n", out->stride[0] }, { "y_h", whole ? k(m, 0) : out->stride[2] }, { "y_w", whole ? k(m, 0) : out->stride[3] },
              { "kh", p.kernel_dim[0] }, { "kw", p.kernel_dim[1] }, { "stride_h", k(m, p.stride[0]) },
              { "stride_w", k(m, p.stride[1]) }, { "pad_h", k(m, p.low[0]) }, { "pad_w", k(m, p.low[1]) },
              { "dil_h", k(m, p.dil[0]) }, { "dil_w", k(m, p.dil[1]) }, { "divisor", k(m, 1) }, { "tasks", k(m, 1) } };
    for (size_t i = 0; i < sizeof f / sizeof *f; i++)
        field_number(m, s, f[i].name, f[i].v);
    const char *op = v->def->op == OP_amax ? "AOTK_POOL_MAX" : "AOTK_POOL_AVG";
    *vec_push(job, &s->fields) = (Field){ .name = sym(job, "op"), .text = sym(job, op) };
    finish_kernel(m);
    return true;
}
