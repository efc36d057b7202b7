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
    bool axes[MAX_RANK];
    Value *a = arg_tensor(c, "self");
    axes_of(c, a->type.rank, axes);
    a = op == OP_any || op == OP_all ? as_bool(c, a) : build_cast(&c->b, a, c->meta[0].dtype);
    a = a->type.rank ? build_reduce(&c->b, op, a, axes, arg_bool(c, "keepdim")) : a;
    give(c, build_cast(&c->b, a, c->meta[0].dtype));
}

/* var, std (1), and both with the mean (2, 3). The divisor is count - correction. */
void decode_variance(Call *c)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    int kind = (int)c->row->op;
    bool axes[MAX_RANK], number;
    DType t = c->meta[0].dtype, wide = t == DT_f16 || t == DT_bf16 ? DT_f32 : t;
    Value *x = self_as(c, wide);
    if (!dtype_is_float(t) || !x->type.rank)
        call_refuse(c, "of complex or 0-d tensors");
    axes_of(c, x->type.rank, axes);
    const Idx *count = k(c, 1);
    for (int i = 0; i < x->type.rank; i++)
        count = axes[i] ? idx_mul(job, count, x->type.dim[i]) : count;
    Value *n = build_cast(b, build_index(b, count), wide);
    Value *mean = build2(b, OP_div, build_reduce(b, OP_sum, x, axes, true), n), *d = build2(b, OP_sub, x, mean);
    bool keep = arg_bool(c, "keepdim");
    Value *r = build_reduce(b, OP_sum, build2(b, OP_mul, d, d), axes, keep), *left = n;
    if (arg_json(c, "correction"))
        left = build2(b, OP_sub, n, build_cast(b, arg_operand(c, "correction", &number), wide));
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
    DType t = c->meta[0].dtype, wide = t == DT_f16 || t == DT_bf16 ? DT_f32 : t;
    Value *x = self_as(c, wide);
    if (!x->type.rank || !dtype_is_float(t))
        call_refuse(c, "of complex or 0-d tensors");
    axes_of(c, x->type.rank, axes);
    Value *m = build_reduce(b, OP_amax, x, axes, true), *zero = number_like(c, x, 0);
    m = build3(b, OP_where, build2(b, OP_eq, build1(b, OP_abs, m), number_like(c, x, 1e308 * 10)), zero, m);
    Value *s = build_reduce(b, OP_sum, build1(b, OP_exp, build2(b, OP_sub, x, m)), axes, true);
    Value *r = build2(b, OP_add, build1(b, OP_log, s), m);
    give(c, build_cast(b, build_reshape(b, r, c->meta[0].rank, c->meta[0].dim), t));
}

void decode_vector_norm(Call *c)
{
    Build *b = &c->b;
    bool axes[MAX_RANK];
    double ord = arg_float(c, "ord");
    DType t = c->meta[0].dtype, wide = t == DT_f16 || t == DT_bf16 ? DT_f32 : t;
    Value *x = arg_tensor(c, "self");
    if (!dtype_is_float(t) || !dtype_is_float(x->type.dtype) || !x->type.rank)
        call_refuse(c, "of complex or 0-d tensors");
    x = build1(b, OP_abs, build_cast(b, x, wide));
    axes_of(c, x->type.rank, axes);
    bool keep = arg_bool(c, "keepdim"), infinite = ord > 1e308 || ord < -1e308;
    Value *p = number_like(c, x, ord), *r;
    if (infinite)
        r = build_reduce(b, ord > 0 ? OP_amax : OP_amin, x, axes, keep);
    else if (ord == 0)
        r = build_reduce(b, OP_sum, build_cast(b, build2(b, OP_ne, x, number_like(c, x, 0)), wide), axes, keep);
    else if (ord == 1)
        r = build_reduce(b, OP_sum, x, axes, keep);
    else if (ord == 2)
        r = build1(b, OP_sqrt, build_reduce(b, OP_sum, build2(b, OP_mul, x, x), axes, keep));
    else
        r = build2(b, OP_pow, build_reduce(b, OP_sum, build2(b, OP_pow, x, p), axes, keep), number_like(c, x, 1 / ord));
    give(c, build_cast(b, r, t));
}

void decode_softmax(Call *c)
{
    Value *a = build_cast(&c->b, arg_tensor(c, "self"), c->meta[0].dtype);
    if (!a->type.rank)
        call_refuse(c, "of a 0-d tensor");
    Attr at = attr_int(c->b.g->job, "dim", arg_dim(c, "dim", a->type.rank));
    give(c, build(&c->b, c->row->op, &a, 1, NULL, &at, 1));
}
