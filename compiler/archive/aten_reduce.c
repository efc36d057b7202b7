/* SPDX-License-Identifier: MIT */
/* Reductions, statistics, softmax. */
#include "aten.h"

void axes_of(Call *c, int rank, bool *axes)
{
    int64_t d[MAX_RANK];
    size_t n = arg_ints(c, "dim", d, MAX_RANK, 0);
    for (int i = 0; i < MAX_RANK; i++)
        axes[i] = n == 0;
    for (size_t i = 0; i < n; i++) {
        int64_t r = rank ? rank : 1;
        if (d[i] < -r || d[i] >= r)
            fail_at(c->b.g->job, EXIT_INPUT, &c->b.origin, "%s: dim %lld is out of range", c->target, (long long)d[i]);
        axes[d[i] < 0 ? d[i] + r : d[i]] = true;
    }
}

void decode_reduce(Call *c)
{
    Op op = c->row->op;
    bool axes[MAX_RANK], truth = op == OP_any || op == OP_all;
    Value *a = arg_tensor(c, "self");
    axes_of(c, a->type.rank, axes);
    a = truth ? as_bool(c, a) : build_cast(&c->b, a, c->meta[0].dtype);
    bool none = !a->type.rank || (truth && arg_json(c, "dim") && !arg_ints(c, "dim", (int64_t[MAX_RANK]){ 0 }, MAX_RANK, 0));
    a = none ? a : build_reduce(&c->b, op, a, axes, arg_bool(c, "keepdim"));
    give(c, build_cast(&c->b, a, c->meta[0].dtype));
}

/* Exclusive or of the elements' bits: of floats as doubles, of integers with their sign extended. */
void decode_hash_tensor(Call *c)
{
    Build *b = &c->b;
    bool axes[MAX_RANK];
    Value *a = arg_tensor(c, "self");
    if (arg_int(c, "mode") || dtype_info[a->type.dtype].kind == DK_C)
        call_refuse(c, "mode %lld of %s", (long long)arg_int(c, "mode"), dtype_info[a->type.dtype].name);
    axes_of(c, a->type.rank, axes);
    a = dtype_is_float(a->type.dtype) ? build_cast(b, a, DT_f64) : build_cast(b, a, DT_u64);
    if (a->type.dtype == DT_f64)
        a = build(b, OP_bitcast, &a, 1, &(Type){ .dtype = DT_u64 }, NULL, 0);
    give(c, build_reduce(b, OP_parity, a, axes, arg_bool(c, "keepdim")));
}

/* The sum of what is no NaN; nanmean (1): by the number of these. */
void decode_nansum(Call *c)
{
    Build *b = &c->b;
    bool axes[MAX_RANK], keep = arg_bool(c, "keepdim");
    DType t = c->meta[0].dtype, w = wide(t);
    Value *a = self_as(c, w);
    axes_of(c, a->type.rank, axes);
    if (!dtype_is_float(t)) {
        give(c, build_reduce(b, OP_sum, a, axes, keep));
        return;
    }
    Value *gone = build1(b, OP_isnan, a), *r;
    r = build_reduce(b, OP_sum, build3(b, OP_where, gone, number_like(c, a, 0), a), axes, keep);
    if ((int)c->row->op == 1)
        r = build2(b, OP_div, r, build_reduce(b, OP_sum, build_cast(b, build1(b, OP_not, gone), w), axes, keep));
    give(c, build_cast(b, r, t));
}

void decode_count_nonzero(Call *c)
{
    bool axes[MAX_RANK];
    Value *a = build_cast(&c->b, as_bool(c, arg_tensor(c, "self")), DT_i64);
    axes_of(c, a->type.rank, axes);
    give(c, build_reduce(&c->b, OP_sum, a, axes, false));
}

/* The sum over the axes in front and those where the result has size 1. */
void decode_sum_to_size(Call *c)
{
    Value *a = arg_tensor(c, "self");
    const Type *t = &c->meta[0];
    bool axes[MAX_RANK] = { false };
    int front = a->type.rank - t->rank;
    if (front < 0)
        call_refuse(c, "to more dimensions");
    for (int i = 0; i < a->type.rank; i++)
        axes[i] = i < front || (idx_is(t->dim[i - front], 1) && !idx_is(a->type.dim[i], 1));
    a = build_reduce(&c->b, OP_sum, build_cast(&c->b, a, t->dtype), axes, false);
    give(c, build_reshape(&c->b, a, t->rank, t->dim));
}

/* ---- the greatest, the least, and where they are ----------------------------------------------------------------- */

Value *first_equal(Call *c, Value *a, Value *m, int dim)
{
    Build *b = &c->b;
    bool axes[MAX_RANK] = { false };
    axes[dim] = true;
    Value *here = build2(b, OP_eq, a, m), *end = build_full_int(b, DT_i64, INT64_MAX);
    if (dtype_is_float(a->type.dtype))
        here = build2(b, OP_or, here, build1(b, OP_isnan, a));
    return build_reduce(b, OP_amin, build3(b, OP_where, here, iota_along(c, &a->type, dim), end), axes, true);
}

/* max, min: of two tensors, of all, or along dim with the indices; argmax, argmin (flag i): the indices alone. */
void decode_extremum(Call *c)
{
    Build *b = &c->b;
    if (strstr(c->target, ".other")) {
        decode_binary(c);
        return;
    }
    Value *a = arg_tensor(c, "self"), *at = NULL, *m;
    bool axes[MAX_RANK], along = flag(c, 'i') ? arg_given(c, "dim") : strstr(c->target, ".dim") != NULL;
    const Type *index = &c->meta[flag(c, 'i') ? 0 : 1];
    if (dtype_info[a->type.dtype].kind == DK_C)
        call_refuse(c, "of complex numbers, which have no order");
    int dim = along ? arg_dim(c, "dim", a->type.rank) : 0;
    if (!along && flag(c, 'i'))
        a = build_reshape(b, a, 1, (const Idx *[]){ type_count(b->g->job, &a->type) });
    for (int i = 0; i < MAX_RANK; i++)
        axes[i] = i == dim || !along;
    m = build_reduce(b, c->row->op == OP_max ? OP_amax : OP_amin, a, axes, true);
    if (along || flag(c, 'i'))
        at = a->type.rank ? first_equal(c, a, m, dim) : build_full_int(b, DT_i64, 0);
    at = at ? build_reshape(b, at, index->rank, index->dim) : NULL;
    c->result[1] = at;
    give(c, flag(c, 'i') ? at : build_reshape(b, m, c->meta[0].rank, c->meta[0].dim));
}

void decode_aminmax(Call *c)
{
    bool axes[MAX_RANK], along = arg_given(c, "dim");
    Value *a = arg_tensor(c, "self");
    int dim = along ? arg_dim(c, "dim", a->type.rank) : 0;
    for (int i = 0; i < MAX_RANK; i++)
        axes[i] = i == dim || !along;
    for (int i = 0; i < 2; i++)
        c->result[i] = build_reshape(&c->b, build_reduce(&c->b, i ? OP_amax : OP_amin, a, axes, true), c->meta[i].rank, c->meta[i].dim);
}

/* ---- statistics, softmax ------------------------------------------------------------------------------------------- */

/* var, std (1), and both with the mean (2, 3). The divisor is count - correction. */
void decode_variance(Call *c)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    int kind = (int)c->row->op;
    bool axes[MAX_RANK], number;
    DType t = c->meta[0].dtype, w = wide(t);
    Value *x = self_as(c, w);
    if (!dtype_is_float(t) || !dtype_is_float(arg_tensor(c, "self")->type.dtype))
        call_refuse(c, "of complex tensors");
    axes_of(c, x->type.rank, axes);
    const Idx *count = k(c, 1);
    for (int i = 0; i < x->type.rank; i++)
        count = axes[i] ? idx_mul(job, count, x->type.dim[i]) : count;
    Value *n = build_cast(b, build_index(b, count), w);
    Value *mean = build2(b, OP_div, build_reduce(b, OP_sum, x, axes, true), n), *d = build2(b, OP_sub, x, mean);
    bool keep = arg_bool(c, "keepdim");
    Value *r = build_reduce(b, OP_sum, build2(b, OP_mul, d, d), axes, keep), *left = n;
    if (arg_json(c, "correction"))
        left = build2(b, OP_sub, n, build_cast(b, arg_operand(c, "correction", &number), w));
    else if (!arg_json(c, "unbiased") || arg_bool(c, "unbiased"))
        left = build2(b, OP_sub, n, number_like(c, n, 1));
    r = build2(b, OP_div, r, build2(b, OP_max, left, number_like(c, n, 0)));
    if (kind & 1)
        r = build1(b, OP_sqrt, r);
    give(c, build_cast(b, r, t));
    if (kind > 1)
        c->result[1] = build_cast(b, build_reshape(b, mean, c->meta[1].rank, c->meta[1].dim), t);
}

/* max + log(sum(exp(x - max))), where the maximum is finite. */
void decode_logsumexp(Call *c)
{
    Build *b = &c->b;
    bool axes[MAX_RANK];
    DType t = c->meta[0].dtype, w = wide(t);
    Value *x = self_as(c, w);
    if (!dtype_is_float(t))
        call_refuse(c, "of complex tensors");
    axes_of(c, x->type.rank, axes);
    Value *m = build_reduce(b, OP_amax, x, axes, true), *zero = number_like(c, x, 0);
    m = build3(b, OP_where, build2(b, OP_eq, build1(b, OP_abs, m), number_like(c, x, 1e308 * 10)), zero, m);
    x = rounded(b, build1(b, OP_exp, rounded(b, build2(b, OP_sub, x, m), t)), t);
    Value *s = rounded(b, build_reduce(b, OP_sum, x, axes, true), t);
    Value *r = build2(b, OP_add, rounded(b, build1(b, OP_log, s), t), m);
    give(c, build_cast(b, build_reshape(b, r, c->meta[0].rank, c->meta[0].dim), t));
}

void decode_softmax(Call *c)
{
    Value *a = build_cast(&c->b, arg_tensor(c, "self"), c->meta[0].dtype);
    const Type *t = &c->meta[0];
    Attr at = attr_int(c->b.g->job, "dim", arg_dim(c, "dim", a->type.rank));
    if (!a->type.rank)
        a = build_reshape(&c->b, a, 1, (const Idx *[]){ k(c, 1) });
    give(c, build_reshape(&c->b, build(&c->b, c->row->op, &a, 1, NULL, &at, 1), t->rank, t->dim));
}
