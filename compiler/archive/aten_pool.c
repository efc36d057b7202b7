/* SPDX-License-Identifier: MIT */
/* Pooling of one to three axes, by windows of one size (composites of the graph IR) and by adaptive windows. */
#include "aten.h"
#include <string.h>

static _Noreturn void bad_pool(Call *c, const char *what)
{
    fail_at(c->b.g->job, EXIT_INPUT, &c->b.origin, "%s: %s", c->target, what);
}

/* How many axes an operator pools: the digit of its name. Its input has them behind one or two others. */
static int pooled_axes(Call *c, const Value *a)
{
    const char *digit = strstr(c->target, "pool");
    int n = digit ? digit[4] - '0' : 0;
    if (n < 1 || n > 3 || a->type.rank <= n || a->type.rank > n + 2)
        call_refuse(c, "of a tensor %s", type_text(c->b.g->job, &a->type));
    return n;
}

/* [o1, o2, ...] of the number of each element of the pooled axes: what an index of max pooling names. */
static Value *numbered(Call *c, const Type *t, int n)
{
    const Idx *count = k(c, 1);
    for (int i = t->rank - n; i < t->rank; i++)
        count = idx_mul(c->b.g->job, count, t->dim[i]);
    Value *v = build(&c->b, OP_iota, NULL, 0, &(Type){ DT_i64, 1, { count } }, NULL, 0);
    return build_reshape(&c->b, v, n, t->dim + t->rank - n);
}

/* Which element is the greatest of each window (the last `n` axes): the first of equal ones, the last NaN.  `at`
 * numbers the elements; negative numbers are outside. */
static Value *place_of(Call *c, Value *windows, Value *at, int n)
{
    Build *b = &c->b;
    bool axes[MAX_RANK] = { false };
    for (int i = windows->type.rank - n; i < windows->type.rank; i++)
        axes[i] = true;
    Value *most = build_reduce(b, OP_amax, windows, axes, true), *hit = build2(b, OP_eq, windows, most), *key = at;
    if (dtype_is_float(windows->type.dtype)) {
        Value *nan = build1(b, OP_isnan, most);
        hit = build2(b, OP_or, hit, build1(b, OP_isnan, windows));
        key = build3(b, OP_where, nan, build1(b, OP_neg, at), at);
    }
    hit = build2(b, OP_and, hit, build2(b, OP_ge, at, build_full_int(b, DT_i64, 0)));
    Value *place = build3(b, OP_where, hit, key, build_full_int(b, DT_i64, INT64_MAX));
    return build1(b, OP_abs, build_reduce(b, OP_amin, place, axes, false));
}

/* Windows of `a` as new last axes, `value` outside. */
static Value *windows_of(Call *c, Value *a, const Node *pool, double value)
{
    Job *job = c->b.g->job;
    const Type *out = &c->meta[0];
    int n = (int)node_attr(pool, "kernel")->n;
    int64_t axes[3];
    Type t = a->type;
    for (int i = 0; i < n; i++) {
        axes[i] = a->type.rank - n + i;
        t.dim[axes[i]] = out->dim[out->rank - n + i];
        t.dim[t.rank++] = node_idx(pool, "kernel", (size_t)i);
    }
    Attr at[6] = { attr_ints(job, "axes", axes, (size_t)n),
                   *node_attr(pool, "kernel"),
                   *node_attr(pool, "stride"),
                   *node_attr(pool, "dilation"),
                   *node_attr(pool, "padding"),
                   attr_float(job, "value", value) };
    at[4].name = sym(job, "low");
    return build(&c->b, OP_window, &a, 1, &t, at, 6);
}

void decode_pool(Call *c)
{
    Job *job = c->b.g->job;
    Value *a = arg_tensor(c, "self");
    bool avg = c->row->op == OP_avg_pool;
    size_t n = (size_t)pooled_axes(c, a);
    int64_t kernel[3] = { 0 }, stride[3] = { 0 }, padding[3] = { 0 }, dilation[3] = { 1, 1, 1 };
    arg_ints(c, "kernel_size", kernel, 3, n);
    if (!arg_ints(c, "stride", stride, 3, n))
        memcpy(stride, kernel, sizeof stride);
    arg_ints(c, "padding", padding, 3, n);
    if (!avg)
        arg_ints(c, "dilation", dilation, 3, n);
    bool count_pad = avg && arg_bool(c, "count_include_pad");
    int64_t divisor = avg && arg_given(c, "divisor_override") ? arg_int(c, "divisor_override") : 0;
    for (size_t i = 0; i < n; i++)
        if (kernel[i] < 1 || stride[i] < 1 || dilation[i] < 1 || padding[i] < 0 || padding[i] > kernel[i] / 2 ||
            kernel[i] > 1 << 20 || stride[i] > 1 << 20 || dilation[i] > 1 << 20)
            bad_pool(c, "kernel, stride, padding or dilation is out of range");
    Type t = c->meta[0];
    for (int i = 0; i < a->type.rank; i++) {
        bool same = t.rank == a->type.rank && (i >= a->type.rank - (int)n || t.dim[i] == a->type.dim[i]);
        if (!same)
            bad_pool(c, "the recorded size does not fit its operand");
    }
    Attr at[6] = { attr_ints(job, "kernel", kernel, n),   attr_ints(job, "stride", stride, n),
                   attr_ints(job, "padding", padding, n), attr_ints(job, "dilation", dilation, n),
                   attr_int(job, "count_pad", count_pad), attr_int(job, "divisor", divisor) };
    t.dtype = a->type.dtype;
    Value *r = build(&c->b, c->row->op, &a, 1, &t, at, 6);
    give(c, r);
    if (c->result_count < 2)
        return;
    Value *numbers = windows_of(c, numbered(c, &a->type, (int)n), r->def, -1);
    c->result[1] = place_of(c, windows_of(c, a, r->def, dtype_lowest(t.dtype)), numbers, (int)n);
}

/* ---- adaptive: window i of an axis goes from floor(i * in / out) to ceil((i + 1) * in / out) ---------------------- */

typedef struct Adaptive {
    Value *windows; /* the input with each pooled axis as [out, window]; windows stand last */
    Value *inside;  /* which elements belong to them: bool, broadcasts to windows */
    Value *at;      /* numbers of the elements in the pooled axes */
    Value *count;   /* elements of a window */
} Adaptive;

static Value *count_up(Call *c, const Idx *n, bool column)
{
    Value *v = build(&c->b, OP_iota, NULL, 0, &(Type){ DT_i64, 1, { n } }, NULL, 0);
    return column ? build_reshape(&c->b, v, 2, (const Idx *[]){ n, k(c, 1) }) : v;
}

/* v [o, w] of pooled axis i as [.., o, .., w, ..] over n outputs and n windows. */
static Value *along(Call *c, Value *v, int i, int n)
{
    const Idx *dim[6];
    for (int j = 0; j < 2 * n; j++)
        dim[j] = k(c, 1);
    dim[i] = v->type.dim[0];
    dim[n + i] = v->type.dim[1];
    return build_reshape(&c->b, v, 2 * n, dim);
}

static Value *joined(Build *b, Op op, Value *x, Value *y)
{
    return x ? build2(b, op, x, y) : y;
}

static Adaptive adapt(Call *c, Value *a, int n)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    Adaptive r = { .windows = a };
    int rank = a->type.rank, perm[MAX_RANK], lead = rank - n;
    for (int i = n; i-- > 0;) {
        const Idx *in = a->type.dim[lead + i], *out = c->meta[0].dim[lead + i];
        const Idx *some = idx_max(job, out, k(c, 1)); /* no window at all: nothing is divided */
        const Idx *most = idx_addk(job, idx_div(job, idx_addk(job, idx_add(job, in, some), -1), some), 1);
        Value *o = int_value(c, some), *i0 = count_up(c, out, true), *size = int_value(c, in),
              *one = int_value(c, k(c, 1));
        Value *start = build2(b, OP_div_floor, build2(b, OP_mul, i0, size), o);
        Value *end = build2(b, OP_mul, build2(b, OP_add, i0, one), size);
        end = build2(b, OP_div_floor, build2(b, OP_add, end, build2(b, OP_sub, o, one)), o);
        Value *at = build2(b, OP_add, start, count_up(c, most, false)), *inside = build2(b, OP_lt, at, end);
        at = build2(b, OP_min, at, build2(b, OP_sub, size, one));
        r.windows = take(c, r.windows, at, lead + i);
        r.inside = joined(b, OP_and, r.inside, along(c, inside, i, n));
        r.count = joined(b, OP_mul, r.count, along(c, build2(b, OP_sub, end, start), i, n));
        const Idx *below = k(c, 1);
        for (int j = lead + i + 1; j < rank; j++)
            below = idx_mul(job, below, a->type.dim[j]);
        r.at = joined(b, OP_add, r.at, along(c, build2(b, OP_mul, at, int_value(c, below)), i, n));
    }
    for (int i = 0; i < rank + n; i++)
        perm[i] = i < lead ? i : i < rank ? lead + 2 * (i - lead) : lead + 2 * (i - rank) + 1;
    r.windows = build_permute(b, r.windows, perm);
    return r;
}

/* Adaptive windows of one size everywhere are plain pooling. */
static bool adapts_evenly(Call *c, const Value *a, int n, int64_t *kernel)
{
    const Idx *q;
    for (int i = 0; i < n; i++) {
        int axis = a->type.rank - n + i;
        const Idx *out = c->meta[0].dim[axis];
        if (out->lo < 1 || !idx_divisible(c->b.g->job, a->type.dim[axis], out, &q) || !idx_is_const(q, &kernel[i]) ||
            kernel[i] < 1)
            return false;
    }
    return true;
}

void decode_adaptive_pool(Call *c)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    Value *a = arg_tensor(c, "self");
    const Type *t = &c->meta[0];
    int n = pooled_axes(c, a), rank = a->type.rank;
    bool avg = c->row->op == OP_avg_pool, axes[MAX_RANK] = { false }, whole = true;
    if (t->rank != rank)
        bad_pool(c, "output_size and the recorded size differ");
    const Json *size = arg_json(c, "output_size");
    int64_t want[3], one[3] = { 1, 1, 1 }, zero[3] = { 0 }, kernel[3], fixed;
    size_t given = size && !strcmp(json_key(size), "as_ints") ? arg_ints(c, "output_size", want, 3, (size_t)n) : 0;
    for (int i = 0; i < n; i++) {
        if (given && idx_is_const(t->dim[rank - n + i], &fixed) && want[i] != fixed)
            bad_pool(c, "output_size and the recorded size differ");
        whole &= idx_is(t->dim[rank - n + i], 1);
    }
    DType half = a->type.dtype;
    if (avg && whole) {
        for (int i = 0; i < n; i++)
            axes[rank - n + i] = true;
        give(c, build_reduce(b, OP_mean, a, axes, true));
        return;
    }
    if (adapts_evenly(c, a, n, kernel)) {
        size_t m = (size_t)n;
        Attr at[6] = { attr_ints(job, "kernel", kernel, m), attr_ints(job, "stride", kernel, m),
                       attr_ints(job, "padding", zero, m),  attr_ints(job, "dilation", one, m),
                       attr_int(job, "count_pad", 1),       attr_int(job, "divisor", 0) };
        Type out = *t;
        out.dtype = half;
        Value *r = build(b, c->row->op, &a, 1, &out, at, 6);
        give(c, r);
        if (!avg)
            c->result[1] =
                place_of(c, windows_of(c, a, r->def, 0), windows_of(c, numbered(c, &a->type, n), r->def, -1), n);
        return;
    }
    if (avg && (half == DT_f16 || half == DT_bf16))
        a = build_cast(b, a, DT_f32);
    for (int i = 0; i < n; i++)
        axes[rank + i] = true;
    Adaptive w = adapt(c, a, n);
    Value *outside = number_like(c, a, avg ? 0 : -1e308 * 10);
    if (!avg && !dtype_is_float(a->type.dtype))
        call_refuse(c, "on integers");
    Value *of = build3(b, OP_where, w.inside, w.windows, outside), *r;
    r = build_reduce(b, avg ? OP_sum : OP_amax, of, axes, false);
    if (avg) {
        Value *count = build_cast(b, w.count, a->type.dtype);
        r = build2(b, OP_div, r, build_reshape(b, count, n, count->type.dim));
    } else {
        w.at = build3(b, OP_where, w.inside, w.at, int_value(c, k(c, -1)));
        c->result[1] = place_of(c, of, w.at, n);
    }
    give(c, build_cast(b, r, t->dtype));
}

/* ---- windows at random places ------------------------------------------------------------------------------------ */

/* Where the windows of an axis begin, for samples s in [0, 1): trunc((i + s) * alpha) - trunc(s * alpha), the last at the
 * end. */
static Value *random_starts(Call *c, Value *s, const Idx *in, int64_t size, const Idx *out)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    DType t = s->type.dtype;
    Value *room = int_value(c, idx_addk(job, in, -size)), *i = count_up(c, out, false);
    Value *gaps = build_cast(b, int_value(c, idx_addk(job, out, -1)), t);
    Value *alpha = build2(b, OP_div, build_cast(b, room, t), gaps);
    Value *at = build2(b, OP_mul, build2(b, OP_add, build_cast(b, i, t), s), alpha);
    at = build2(b, OP_sub, build_cast(b, at, DT_i64), build_cast(b, build2(b, OP_mul, s, alpha), DT_i64));
    Value *last = build2(b, OP_eq, i, int_value(c, idx_addk(job, out, -1)));
    return build3(b, OP_where, last, room, at);
}

void decode_fractional_pool(Call *c)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    Value *a = arg_tensor(c, "self"), *samples = arg_tensor(c, "random_samples"), *index[4], *number = NULL;
    int n = pooled_axes(c, a), rank = a->type.rank;
    int64_t kernel[3], axes[4] = { 0, 1, 2, 3 };
    const Type *t = &c->meta[0];
    if (arg_ints(c, "kernel_size", kernel, 3, (size_t)n) != (size_t)n || t->rank != rank || samples->type.rank != 3 ||
        !dtype_is_float(a->type.dtype))
        call_refuse(c, "of these operands");
    const Idx *planes = k(c, 1), *dim[8];
    for (int i = 0; i < rank - n; i++)
        planes = idx_mul(job, planes, a->type.dim[i]);
    const Idx *given = idx_mul(job, samples->type.dim[0], samples->type.dim[1]);
    call_guard(c, GUARD_EQ, given, planes, "there must be random samples for each plane");
    call_guard(c, GUARD_EQ, samples->type.dim[2], k(c, n), "there must be a random sample for each axis");
    dim[0] = planes;
    for (int i = 0; i < n; i++)
        dim[i + 1] = a->type.dim[rank - n + i];
    a = build_reshape(b, a, n + 1, dim);
    samples = build_reshape(b, samples, 2, (const Idx *[]){ planes, k(c, n) });
    index[0] = affine_along(c, planes, k(c, 0), k(c, 1), 0, 2 * n + 1);
    for (int i = 0; i < n; i++) {
        const Idx *in = a->type.dim[i + 1], *out = t->dim[rank - n + i];
        call_guard(c, GUARD_LE, k(c, kernel[i] > 0 ? kernel[i] : INT64_MAX), in, "windows must fit the input");
        Value *s = build_slice(b, samples, 1, k(c, n == 2 ? 1 - i : i), k(c, 1), k(c, 1)); /* the width's comes first */
        Value *start = random_starts(c, s, in, kernel[i], out);
        for (int j = 0; j <= 2 * n; j++)
            dim[j] = j == 0 ? planes : j == i + 1 ? out : k(c, 1);
        start = build_reshape(b, start, 2 * n + 1, dim);
        index[i + 1] =
            build2(b, OP_add, start, affine_along(c, k(c, kernel[i]), k(c, 0), k(c, 1), n + 1 + i, 2 * n + 1));
        number = number ? build2(b, OP_mul, number, int_value(c, in)) : number;
        number = number ? build2(b, OP_add, number, index[i + 1]) : index[i + 1];
    }
    Value *windows = take_axes(c, a, index, axes, n + 1);
    bool over[MAX_RANK] = { false };
    for (int i = 0; i < n; i++)
        over[n + 1 + i] = true;
    give(c, build_reshape(b, build_reduce(b, OP_amax, windows, over, false), rank, t->dim));
    if (c->result_count > 1)
        c->result[1] = build_reshape(b, place_of(c, windows, number, n), rank, t->dim);
}

/* The gradient of max pooling: each one of the result goes to the element that was the greatest. */
void decode_max_pool_backward(Call *c)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    Value *grad = arg_tensor(c, "grad_output"), *at = arg_tensor(c, "indices"), *a = arg_tensor(c, "self");
    int n = pooled_axes(c, a), rank = a->type.rank;
    const Type *t = &c->meta[0];
    if (grad->type.rank != rank || at->type.rank != rank)
        call_refuse(c, "of operands of different ranks");
    const Idx *in[2] = { k(c, 1), k(c, 1) }, *out[2] = { k(c, 1), k(c, 1) };
    for (int i = 0; i < rank; i++) {
        in[i >= rank - n] = idx_mul(job, in[i >= rank - n], a->type.dim[i]);
        out[i >= rank - n] = idx_mul(job, out[i >= rank - n], grad->type.dim[i]);
    }
    Value *index[2] = { affine_along(c, in[0], k(c, 0), k(c, 1), 0, 2), build_reshape(b, at, 2, out) };
    Value *zeros = build_expand(b, build_full_int(b, wide(t->dtype), 0), 2, in);
    Value *r = put_axes(c, zeros, build_reshape(b, grad, 2, out), index, (int64_t[]){ 0, 1 }, 2, "add");
    give(c, build_cast(b, build_reshape(b, r, t->rank, t->dim), t->dtype));
}
