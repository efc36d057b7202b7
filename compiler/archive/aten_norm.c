/* SPDX-License-Identifier: MIT */
/* Norms of vectors, and distances between them. */
#include "aten.h"
#include <math.h>

/* (sum |x| ** p) ** (1 / p) over axes, of a floating x; p may be 0 or infinite. */
Value *norm_of(Call *c, Value *x, double p, const bool *axes, bool keep)
{
    Build *b = &c->b;
    x = build1(b, OP_abs, x);
    if (isinf(p))
        return build_reduce(b, p > 0 ? OP_amax : OP_amin, x, axes, keep);
    if (p == 0)
        return build_reduce(b, OP_sum, build_cast(b, build2(b, OP_ne, x, number_like(c, x, 0)), x->type.dtype), axes, keep);
    if (p == 1)
        return build_reduce(b, OP_sum, x, axes, keep);
    if (p == 2)
        return build1(b, OP_sqrt, build_reduce(b, OP_sum, build2(b, OP_mul, x, x), axes, keep));
    Value *sum = build_reduce(b, OP_sum, build2(b, OP_pow, x, number_like(c, x, p)), axes, keep);
    return build2(b, OP_pow, sum, number_like(c, x, 1 / p));
}

static void real_only(Call *c, const Value *x)
{
    if (dtype_info[x->type.dtype].kind == DK_C)
        call_refuse(c, "of complex tensors");
}

/* linalg_vector_norm, norm, frobenius_norm: the order is called ord, p, or is 2. */
void decode_vector_norm(Call *c)
{
    bool axes[MAX_RANK];
    DType t = c->meta[0].dtype, w = wide(t);
    Value *x = arg_tensor(c, "self");
    x = dtype_is_complex(x->type.dtype) ? build_abs(c, x) : x;
    double p = flag(c, '2') ? 2 : flag(c, 'p') ? (arg_given(c, "p") ? arg_float(c, "p") : 2) : arg_float(c, "ord");
    axes_of(c, x->type.rank, axes);
    x = norm_of(c, build_cast(&c->b, build_cast(&c->b, x, t), w), p, axes, arg_bool(c, "keepdim"));
    give(c, build_cast(&c->b, x, t));
}

/* ---- distances -------------------------------------------------------------------------------------------------------- */

static const bool *last_axis(bool *axes, int rank)
{
    for (int i = 0; i < MAX_RANK; i++)
        axes[i] = i == rank - 1;
    return axes;
}

void decode_dist(Call *c)
{
    Build *b = &c->b;
    bool axes[MAX_RANK];
    DType t = c->meta[0].dtype, w = wide(t);
    Value *x = self_as(c, w), *y = build_cast(b, arg_tensor(c, "other"), w);
    real_only(c, arg_tensor(c, "self"));
    memset(axes, 1, sizeof axes);
    give(c, build_cast(b, norm_of(c, build2(b, OP_sub, x, y), arg_float(c, "p"), axes, false), t));
}

/* The norm of x1 - x2 + eps along the last axis. */
void decode_pairwise_distance(Call *c)
{
    Build *b = &c->b;
    bool axes[MAX_RANK];
    DType t = c->meta[0].dtype, w = wide(t);
    Value *x = arg_tensor(c, "x1"), *y = arg_tensor(c, "x2");
    DType both = dtype_promote(x->type.dtype, y->type.dtype); /* integers wrap around before they become floats */
    both = dtype_is_float(both) ? w : both;
    real_only(c, x);
    Value *d = build_cast(b, build2(b, OP_sub, build_cast(b, x, both), build_cast(b, y, both)), w);
    d = build2(b, OP_add, d, number_like(c, d, arg_float(c, "eps")));
    d = norm_of(c, d, arg_float(c, "p"), last_axis(axes, d->type.rank), arg_bool(c, "keepdim"));
    give(c, build_cast(b, d, t));
}

/* Each vector by its norm, which is at least eps; then the sum of the products. */
void decode_cosine_similarity(Call *c)
{
    Build *b = &c->b;
    static const char *const names[] = { "x1", "x2" };
    DType t = c->meta[0].dtype, w = wide(t);
    Value *x[2];
    bool axes[MAX_RANK] = { false };
    int rank = 0;
    for (int i = 0; i < 2; i++) {
        x[i] = build_cast(b, arg_tensor(c, names[i]), w);
        real_only(c, x[i]);
        rank = x[i]->type.rank > rank ? x[i]->type.rank : rank;
    }
    int dim = arg_dim(c, "dim", rank);
    axes[dim] = true;
    Type whole = build2(b, OP_mul, x[0], x[1])->type;
    for (int i = 0; i < 2; i++) {
        x[i] = build_expand(b, x[i], whole.rank, whole.dim);
        Value *n = build2(b, OP_max, norm_of(c, x[i], 2, axes, true), number_like(c, x[i], arg_float(c, "eps")));
        x[i] = rounded(b, build2(b, OP_div, x[i], rounded(b, n, t)), t);
    }
    Value *product = rounded(b, build2(b, OP_mul, x[0], x[1]), t);
    give(c, build_cast(b, build_reduce(b, OP_sum, product, axes, false), t));
}

/* |a_i - b_j| for every i and j: a[.., i, k], b[.., j, k]. */
static Value *distances(Call *c, Value *x, Value *y, double p)
{
    Build *b = &c->b;
    Value *in[2] = { x, y };
    bool axes[MAX_RANK];
    for (int s = 0; s < 2; s++) { /* one more axis: [.., i, 1, k], [.., 1, j, k] */
        const Type *t = &in[s]->type;
        const Idx *size[MAX_RANK];
        if (t->rank < 2 || t->rank >= MAX_RANK)
            call_refuse(c, "of tensors of %d dimensions", t->rank);
        memcpy(size, t->dim, sizeof size);
        int at = t->rank - 1 - s;
        memmove(size + at + 1, size + at, (size_t)(t->rank - at) * sizeof *size);
        size[at] = k(c, 1);
        in[s] = build_reshape(b, in[s], t->rank + 1, size);
    }
    Value *d = build2(b, OP_sub, in[0], in[1]);
    return norm_of(c, d, p, last_axis(axes, d->type.rank), false);
}

void decode_cdist(Call *c)
{
    DType t = c->meta[0].dtype;
    Value *x = build_cast(&c->b, arg_tensor(c, "x1"), wide(t)), *y = build_cast(&c->b, arg_tensor(c, "x2"), wide(t));
    real_only(c, x);
    give(c, build_cast(&c->b, distances(c, x, y, flag(c, '2') ? 2 : arg_float(c, "p")), t));
}

/* The distances of rows i < j, pair after pair.  Pair m of n rows has the row i that solves
 * i n - i (i + 1) / 2 <= m, the greatest such. */
void decode_pdist(Call *c)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    DType t = c->meta[0].dtype;
    Value *x = self_as(c, wide(t));
    if (x->type.rank != 2)
        call_refuse(c, "of tensors of %d dimensions", x->type.rank);
    const Idx *n = x->type.dim[0];
    Value *m = build(b, OP_iota, NULL, 0, &(Type){ DT_i64, 1, { c->meta[0].dim[0] } }, NULL, 0);
    Value *rows = build_index(b, n), *one = build_full_int(b, DT_i64, 1), *two = build_full_int(b, DT_i64, 2);
    /* i = floor(n - 1/2 - sqrt((n - 1/2)^2 - 2 m)), exact while 8 m fits into 53 bits */
    Value *h = build2(b, OP_sub, build2(b, OP_mul, two, rows), one);
    Value *under = build2(b, OP_sub, build2(b, OP_mul, h, h), build2(b, OP_mul, m, build_full_int(b, DT_i64, 8)));
    Value *root = build1(b, OP_sqrt, build_cast(b, under, DT_f64));
    Value *i = build2(b, OP_mul, build2(b, OP_sub, build_cast(b, h, DT_f64), root), build_full(b, DT_f64, 0.5));
    i = build_cast(b, build1(b, OP_floor, i), DT_i64);
    /* j = m - (i n - i (i + 1) / 2) + i + 1 */
    Value *triangle = build2(b, OP_div_floor, build2(b, OP_mul, i, build2(b, OP_add, i, one)), two);
    Value *first = build2(b, OP_sub, build2(b, OP_mul, i, rows), triangle);
    Value *j = build2(b, OP_add, build2(b, OP_sub, m, first), build2(b, OP_add, i, one));
    Value *d = distances(c, x, x, arg_float(c, "p"));
    d = build_reshape(b, d, 1, (const Idx *[]){ idx_mul(job, n, n) });
    give(c, build_cast(b, take(c, d, build2(b, OP_add, build2(b, OP_mul, i, rows), j), 0), t));
}

/* Slices along dim whose norm is above maxnorm are scaled down to it. */
void decode_renorm(Call *c)
{
    Build *b = &c->b;
    DType t = c->meta[0].dtype;
    Value *x = self_as(c, wide(t));
    int dim = arg_dim(c, "dim", x->type.rank);
    bool axes[MAX_RANK];
    real_only(c, x);
    for (int i = 0; i < MAX_RANK; i++)
        axes[i] = i != dim;
    Value *n = norm_of(c, x, arg_float(c, "p"), axes, true), *most = number_like(c, x, arg_float(c, "maxnorm"));
    Value *scale = build2(b, OP_div, most, build2(b, OP_add, n, number_like(c, x, 1e-7)));
    scale = build3(b, OP_where, build2(b, OP_gt, n, most), scale, number_like(c, x, 1));
    give(c, build_cast(b, build2(b, OP_mul, x, scale), t));
}
