/* SPDX-License-Identifier: MIT */
/* Takes any graph; leaves only core operators.  Each composite becomes its textbook formula, in the dtype of its
 * input; what the formula recomputes is fused again by lowering. */
#include "passes.h"
#include <math.h>
#include <string.h>

static Value *full_like(Build *b, const Value *v, double x)
{
    return build_full(b, v->type.dtype, x);
}

static const Idx *one(Build *b)
{
    return idx_const(b->g->job, 1);
}

/* A size as a 0-d tensor of v's dtype. */
static Value *size_value(Build *b, const Idx *size, DType dtype)
{
    int64_t k;
    return idx_is_const(size, &k) ? build_full(b, dtype, (double)k) : build_cast(b, build_index(b, size), dtype);
}

static Value *linear(Build *b, const Node *n)
{
    Value *x = n->in[0], *w = build_permute(b, n->in[1], (int[]){ 1, 0 });
    const Type *t = &n->out[0]->type;
    if (x->type.rank == 1)
        x = build_reshape(b, x, 2, (const Idx *[]){ one(b), x->type.dim[0] });
    Value *r = build2(b, OP_matmul, x, w);
    if (n->in_count == 3)
        r = build2(b, OP_add, r, n->in[2]);
    return build_reshape(b, r, t->rank, t->dim);
}

/* A [C] value as [C, 1, ...] that broadcasts along axis 1 of `like`. */
static Value *per_channel(Build *b, Value *v, const Value *like)
{
    const Idx *dim[MAX_RANK] = { v->type.dim[0] };
    int rank = like->type.rank > 1 ? like->type.rank - 1 : 1;
    for (int i = 1; i < rank; i++)
        dim[i] = one(b);
    return build_reshape(b, v, rank, dim);
}

static Value *batch_norm(Build *b, const Node *n)
{
    Value *x = n->in[0], *w = n->in[1], *bias = n->in[2], *mean = n->in[3], *var = n->in[4];
    Value *eps = full_like(b, var, node_float(n, "eps"));
    Value *scale = build2(b, OP_mul, w, build1(b, OP_rsqrt, build2(b, OP_add, var, eps)));
    Value *shift = build2(b, OP_sub, bias, build2(b, OP_mul, mean, scale));
    scale = build_cast(b, scale, x->type.dtype);
    shift = build_cast(b, shift, x->type.dtype);
    return build2(b, OP_add, build2(b, OP_mul, x, per_channel(b, scale, x)), per_channel(b, shift, x));
}

static Value *mean_of(Build *b, Value *x, const bool *axes, bool keep)
{
    const Idx *count = one(b);
    for (int i = 0; i < x->type.rank; i++)
        if (axes[i])
            count = idx_mul(b->g->job, count, x->type.dim[i]);
    Value *s = build_reduce(b, OP_sum, x, axes, keep);
    return build2(b, OP_div, s, size_value(b, count, x->type.dtype));
}

static Value *mean(Build *b, const Node *n)
{
    bool axes[MAX_RANK] = { false };
    const Attr *dims = node_attr(n, "dims");
    for (size_t i = 0; i < dims->n; i++)
        axes[node_int(n, "dims", i)] = true;
    return mean_of(b, n->in[0], axes, false);
}

static Value *layer_norm(Build *b, const Node *n)
{
    Value *x = n->in[0];
    bool axes[MAX_RANK] = { false };
    int64_t last = node_int(n, "axes", 0);
    for (int i = 0; i < x->type.rank; i++)
        axes[i] = i >= x->type.rank - last;
    Value *d = build2(b, OP_sub, x, mean_of(b, x, axes, true));
    Value *var = mean_of(b, build2(b, OP_mul, d, d), axes, true);
    Value *r = build1(b, OP_rsqrt, build2(b, OP_add, var, full_like(b, x, node_float(n, "eps"))));
    r = build2(b, OP_mul, d, r);
    if (n->in_count > 1)
        r = build2(b, OP_mul, r, build_cast(b, n->in[1], x->type.dtype));
    if (n->in_count > 2)
        r = build2(b, OP_add, r, build_cast(b, n->in[2], x->type.dtype));
    return r;
}

static Value *softmax_of(Build *b, Value *x, int dim, bool logarithm)
{
    bool axes[MAX_RANK] = { false };
    axes[dim] = true;
    Value *d = build2(b, OP_sub, x, build_reduce(b, OP_amax, x, axes, true));
    Value *e = build1(b, OP_exp, d), *s = build_reduce(b, OP_sum, e, axes, true);
    return logarithm ? build2(b, OP_sub, d, build1(b, OP_log, s)) : build2(b, OP_div, e, s);
}

/* Softmax of masked scores: a row where nothing may be seen is zero. */
static Value *masked_softmax(Build *b, Value *x, int dim)
{
    bool axes[MAX_RANK] = { false };
    axes[dim] = true;
    Value *most = build_reduce(b, OP_amax, x, axes, true), *none = full_like(b, x, -INFINITY);
    most = build3(b, OP_where, build2(b, OP_eq, most, none), full_like(b, x, 0), most);
    Value *e = build1(b, OP_exp, build2(b, OP_sub, x, most)), *s = build_reduce(b, OP_sum, e, axes, true);
    Value *empty = build2(b, OP_eq, s, full_like(b, x, 0));
    return build2(b, OP_div, e, build3(b, OP_where, empty, full_like(b, x, 1), s));
}

static Value *softmax(Build *b, const Node *n)
{
    return softmax_of(b, n->in[0], (int)node_int(n, "dim", 0), false);
}

static Value *log_softmax(Build *b, const Node *n)
{
    return softmax_of(b, n->in[0], (int)node_int(n, "dim", 0), true);
}

/* Sizes [.., L, S]: true where a query may see a key (column <= row). */
static Value *causal_mask(Build *b, const Idx *rows, const Idx *columns)
{
    Value *i = build(b, OP_iota, NULL, 0, &(Type){ DT_i64, 1, { rows } }, NULL, 0);
    Value *j = build(b, OP_iota, NULL, 0, &(Type){ DT_i64, 1, { columns } }, NULL, 0);
    return build2(b, OP_ge, build_reshape(b, i, 2, (const Idx *[]){ rows, one(b) }), j);
}

static Value *masked(Build *b, Value *scores, Value *mask)
{
    if (mask->type.dtype != DT_bool)
        return build2(b, OP_add, scores, mask);
    return build3(b, OP_where, mask, scores, full_like(b, scores, -INFINITY));
}

static Value *sdpa(Build *b, const Node *n)
{
    Value *q = n->in[0], *k = n->in[1], *v = n->in[2];
    int rank = q->type.rank, swap[MAX_RANK];
    double scale = node_float(n, "scale");
    int64_t e;
    if (scale == 0 && idx_is_const(q->type.dim[rank - 1], &e))
        scale = 1 / sqrt((double)e);
    const AttentionKind kind = { .scale = scale, .causal = node_int(n, "causal", 0) != 0, .zeros = true };
    Value *tiled = scale == 0 ? NULL : build_attention(b, n->in, n->in_count > 3 ? n->in[3] : NULL, &kind);
    if (tiled && type_same(&tiled->type, &n->out[0]->type))
        return tiled;
    for (int i = 0; i < rank; i++)
        swap[i] = i < rank - 2 ? i : 2 * rank - 3 - i;
    Value *s = build2(b, OP_matmul, q, build_permute(b, k, swap));
    Value *factor =
        scale != 0 ? full_like(b, s, scale) : build1(b, OP_rsqrt, size_value(b, q->type.dim[rank - 1], s->type.dtype));
    s = build2(b, OP_mul, s, factor);
    if (node_int(n, "causal", 0))
        s = masked(b, s, causal_mask(b, q->type.dim[rank - 2], k->type.dim[rank - 2]));
    if (n->in_count > 3)
        s = masked(b, s, n->in[3]);
    s = n->in_count > 3 ? masked_softmax(b, s, rank - 1) : softmax_of(b, s, rank - 1, false);
    return build2(b, OP_matmul, s, v);
}

/* ---- pooling: windows, then a reduction ---------------------------------------------------------------- */

static Value *windows(Build *b, const Node *n, Value *x, double value, bool padded)
{
    Job *job = b->g->job;
    size_t count = node_attr(n, "kernel")->n;
    int64_t zero[MAX_RANK] = { 0 }, axes[MAX_RANK];
    const Type *out = &n->out[0]->type;
    Type t = x->type;
    for (size_t i = 0; i < count; i++) {
        axes[i] = x->type.rank - (int)(count - i);
        t.dim[axes[i]] = out->dim[out->rank - (int)(count - i)];
        t.dim[t.rank++] = node_idx(n, "kernel", i);
    }
    Attr at[6] = { attr_ints(job, "axes", axes, count), *node_attr(n, "kernel"),  *node_attr(n, "stride"),
                   *node_attr(n, "dilation"),           *node_attr(n, "padding"), attr_float(job, "value", value) };
    at[4].name = sym(job, "low");
    if (padded)
        at[4] = attr_ints(job, "low", zero, count);
    return build(b, OP_window, &x, 1, &t, at, 6);
}

/* A reduction over the windows of `w`: its axes behind those of n's result. */
static Value *over_windows(Build *b, Op op, const Node *n, Value *w)
{
    bool axes[MAX_RANK] = { false };
    int last = (int)node_attr(n, "kernel")->n;
    for (int i = w->type.rank - last; i < w->type.rank; i++)
        axes[i] = true;
    return build_reduce(b, op, w, axes, false);
}

static Value *max_pool(Build *b, const Node *n)
{
    Value *x = n->in[0];
    return over_windows(b, OP_amax, n, windows(b, n, x, dtype_lowest(x->type.dtype), false));
}

static Value *avg_pool(Build *b, const Node *n)
{
    Job *job = b->g->job;
    Value *x = n->in[0];
    int64_t divisor = node_int(n, "divisor", 0), size = 1;
    bool count_pad = node_int(n, "count_pad", 0), overhang = false, padding = false;
    size_t last = node_attr(n, "kernel")->n;
    const Idx *dim[MAX_RANK];
    for (size_t i = 0; i < last; i++) {
        int axis = x->type.rank - (int)(last - i);
        int64_t p = node_int(n, "padding", i), k = node_int(n, "kernel", i), s = node_int(n, "stride", i);
        const Idx *wide = idx_addk(job, x->type.dim[axis], 2 * p);
        const Idx *whole = idx_addk(job, idx_div(job, idx_addk(job, wide, -k), idx_const(job, s)), 1);
        overhang |= whole != n->out[0]->type.dim[axis];
        padding |= p != 0;
        dim[i] = count_pad ? wide : x->type.dim[axis];
        size = size > INT64_MAX / k ? INT64_MAX : size * k;
    }
    Value *sum = over_windows(b, OP_sum, n, windows(b, n, x, 0, false)), *count;
    if (divisor || (!overhang && (count_pad || !padding))) {
        count = full_like(b, x, divisor ? (double)divisor : (double)size);
    } else { /* the elements of each window, counted the same way over ones */
        Value *ones = build_expand(b, full_like(b, x, 1), (int)last, dim);
        count = over_windows(b, OP_sum, n, windows(b, n, ones, 0, count_pad));
    }
    return build2(b, dtype_is_float(x->type.dtype) ? OP_div : OP_div_trunc, sum, count);
}

static Value *(*const rules[OP_COUNT])(Build *, const Node *) = {
    [OP_linear] = linear,   [OP_batch_norm] = batch_norm,   [OP_layer_norm] = layer_norm,
    [OP_softmax] = softmax, [OP_log_softmax] = log_softmax, [OP_sdpa] = sdpa,
    [OP_mean] = mean,       [OP_max_pool] = max_pool,       [OP_avg_pool] = avg_pool,
};

void pass_decompose(Graph *g)
{
    for (Node *n = g->first, *next; n; n = next) {
        next = n->next;
        for (uint32_t i = 0; i < n->region_count; i++)
            pass_decompose(n->region[i]);
        if (op_info[n->op].kind != COMPOSITE)
            continue;
        Build b = { g, n, n->origin, n->out[0]->name };
        Value *v = rules[n->op](&b, n);
        if (v->kind == VALUE_NODE)
            graph_swap_names(g, v, n->out[0]);
        graph_replace(g, n->out[0], v);
        graph_remove(g, n);
    }
}
