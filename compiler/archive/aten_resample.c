/* SPDX-License-Identifier: MIT */
/* Tensors at other sizes: interpolation axis by axis, the last one first. */
#include "aten.h"
#include <math.h>

enum { NEAREST, NEAREST_EXACT, LINEAR, CUBIC, LINEAR_AA, CUBIC_AA };

/* ---- in f32 at least ----------------------------------------------------------------------------------------------------- */

Value *size_as(Call *c, const Idx *n, DType d)
{
    return build_cast(&c->b, int_value(c, n), d);
}

DType wide_type(DType d)
{
    return d == DT_f64 ? DT_f64 : DT_f32;
}

/* The scale factor that the call gives for spatial axis i of n; 0: none. */
static double scale_of(Call *c, int i, int n)
{
    static const char *const one[] = { "scales" }, *const two[] = { "scales_h", "scales_w" },
                      *const three[] = { "scales_d", "scales_h", "scales_w" };
    double list[3];
    if (strstr(c->target, ".vec"))
        return arg_floats(c, "scale_factors", list, 3) == (size_t)n ? list[i] : 0;
    const char *name = (n == 1 ? one : n == 2 ? two : three)[i];
    return arg_json(c, name) ? arg_float(c, name) : 0;
}

/* How far one step in the result goes in the source, as PyTorch rounds it. */
static Value *step_of(Call *c, const Idx *in, const Idx *out, double scale, bool corners, DType d)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    if (corners) { /* 0 for a single element */
        Value *steps = size_as(c, idx_max(job, idx_addk(job, out, -1), k(c, 1)), d);
        const Idx *room = idx_is(out, 1) ? k(c, 0) : idx_addk(job, in, -1);
        return build2(b, OP_div, size_as(c, room, d), steps);
    }
    int64_t i, o;
    if (scale > 0)
        return build_full(&c->b, d, d == DT_f32 ? (double)(float)(1.0 / scale) : 1.0 / scale);
    if (idx_is_const(in, &i) && idx_is_const(out, &o) && o > 0)
        return build_full(&c->b, d, d == DT_f32 ? (double)((float)i / (float)o) : (double)i / (double)o);
    return build2(b, OP_div, size_as(c, in, d), size_as(c, out, d));
}

/* step * (i + 1/2) - 1/2, or step * i where corners meet corners. */
static Value *source_place(Call *c, const Idx *out, Value *step, bool corners, DType d)
{
    Build *b = &c->b;
    Value *i = build_cast(b, affine_along(c, out, k(c, 0), k(c, 1), 0, 1), d);
    if (corners)
        return build2(b, OP_mul, step, i);
    Value *half = build_full(&c->b, d, 0.5);
    return build2(b, OP_sub, build2(b, OP_mul, step, build2(b, OP_add, i, half)), half);
}

static Value *to_index(Call *c, Value *place)
{
    return build_cast(&c->b, build1(&c->b, OP_floor, place), DT_i64);
}

Value *index_plus(Call *c, Value *index, int64_t by, const Idx *n) /* clamped */
{
    Build *b = &c->b;
    Value *i = by ? build2(b, OP_add, index, build_full_int(b, DT_i64, by)) : index;
    i = build2(b, OP_min, i, int_value(c, idx_addk(b->g->job, n, -1)));
    return build2(b, OP_max, i, build_full_int(b, DT_i64, 0));
}

/* A 1-d weight along axis of a tensor of `rank`. */
static Value *along(Call *c, Value *w, int axis, int rank)
{
    const Idx *dim[MAX_RANK];
    for (int i = 0; i < rank; i++)
        dim[i] = i == axis ? w->type.dim[0] : k(c, 1);
    return build_reshape(&c->b, w, rank, dim);
}

static Value *nearest(Call *c, Value *a, int axis, const Idx *out, double scale, bool exact)
{
    Build *b = &c->b;
    DType d = wide_type(a->type.dtype);
    const Idx *in = a->type.dim[axis];
    Value *i = build_cast(b, affine_along(c, out, k(c, 0), k(c, 1), 0, 1), d), *step = step_of(c, in, out, scale, false, d);
    if (exact)
        i = build2(b, OP_add, i, build_full(&c->b, d, 0.5));
    return take(c, a, index_plus(c, to_index(c, build2(b, OP_mul, i, step)), 0, in), axis);
}

static Value *linear(Call *c, Value *a, int axis, const Idx *out, double scale, bool corners)
{
    Build *b = &c->b;
    DType d = a->type.dtype;
    const Idx *in = a->type.dim[axis];
    Value *place = source_place(c, out, step_of(c, in, out, scale, corners, d), corners, d);
    place = build2(b, OP_max, place, build_full(&c->b, d, 0));
    Value *at = index_plus(c, to_index(c, place), 0, in);
    Value *w = build2(b, OP_sub, place, build_cast(b, at, d));
    w = build2(b, OP_min, build2(b, OP_max, w, build_full(&c->b, d, 0)), build_full(&c->b, d, 1));
    Value *v = build2(b, OP_sub, build_full(&c->b, d, 1), w), *first = take(c, a, at, axis);
    Value *second = take(c, a, index_plus(c, at, 1, in), axis);
    return build2(b, OP_add, build2(b, OP_mul, first, along(c, v, axis, a->type.rank)),
                  build2(b, OP_mul, second, along(c, w, axis, a->type.rank)));
}

/* Keys' cubic with a = -3/4 at distance x: p(x) up to 1, q(x) from 1 to 2. */
static Value *cubic_weight(Call *c, Value *x, bool outer, double a)
{
    Build *b = &c->b;
    DType d = x->type.dtype;
    const double p[] = { a + 2, -(a + 3), 0, 1 }, q[] = { a, -5 * a, 8 * a, -4 * a }, *k3 = outer ? q : p;
    Value *r = build_full(&c->b, d, k3[0]);
    for (int i = 1; i < 4; i++)
        r = build2(b, OP_add, build2(b, OP_mul, r, x), build_full(&c->b, d, k3[i]));
    return r;
}

void cubic_weights(Call *c, Value *t, Value **w)
{
    Build *b = &c->b;
    DType d = t->type.dtype;
    Value *rest = build2(b, OP_sub, build_full(&c->b, d, 1), t);
    w[0] = cubic_weight(c, build2(b, OP_add, t, build_full(&c->b, d, 1)), true, -0.75);
    w[1] = cubic_weight(c, t, false, -0.75);
    w[2] = cubic_weight(c, rest, false, -0.75);
    w[3] = cubic_weight(c, build2(b, OP_add, rest, build_full(&c->b, d, 1)), true, -0.75);
}

static Value *cubic(Call *c, Value *a, int axis, const Idx *out, double scale, bool corners)
{
    Build *b = &c->b;
    DType d = a->type.dtype;
    const Idx *in = a->type.dim[axis];
    Value *place = source_place(c, out, step_of(c, in, out, scale, corners, d), corners, d), *w[4], *sum = NULL;
    Value *floor = build1(b, OP_floor, place), *at = build_cast(b, floor, DT_i64);
    cubic_weights(c, build2(b, OP_sub, place, floor), w);
    for (int i = 0; i < 4; i++) {
        Value *x = build2(b, OP_mul, take(c, a, index_plus(c, at, i - 1, in), axis), along(c, w[i], axis, a->type.rank));
        sum = sum ? build2(b, OP_add, sum, x) : x;
    }
    return sum;
}

/* The filter of an antialiased resize at distance x >= 0: a triangle, or Keys' cubic with a = -1/2. */
static Value *filter_at(Call *c, Value *x, bool is_cubic)
{
    Build *b = &c->b;
    DType d = x->type.dtype;
    Value *zero = build_full(&c->b, d, 0), *one = build_full(&c->b, d, 1);
    if (!is_cubic)
        return build2(b, OP_max, build2(b, OP_sub, one, x), zero);
    Value *far = build3(b, OP_where, build2(b, OP_lt, x, build_full(&c->b, d, 2)), cubic_weight(c, x, true, -0.5), zero);
    return build3(b, OP_where, build2(b, OP_lt, x, one), cubic_weight(c, x, false, -0.5), far);
}

/* Every element is the mean, weighted by a filter as wide as its step, of what lies around its place. */
static Value *antialiased(Call *c, Value *a, int axis, const Idx *out, double scale, bool corners, bool is_cubic)
{
    Build *b = &c->b;
    DType d = a->type.dtype;
    const Idx *in = a->type.dim[axis], *taps = in; /* of a dynamic size: all, most of them weigh nothing */
    int64_t n, m;
    if (idx_is_const(in, &n) && idx_is_const(out, &m) && m > 0) {
        double step = corners ? (m > 1 ? (double)(n - 1) / (double)(m - 1) : 0) : scale > 0 ? 1 / scale : (double)n / (double)m;
        double support = (is_cubic ? 2 : 1) * (step > 1 ? step : 1);
        taps = support < (double)n ? k(c, 2 * (int64_t)(support + 1) + 1) : in;
    }
    if (a->type.rank >= MAX_RANK)
        call_refuse(c, "of %d dimensions", a->type.rank);
    Value *step = step_of(c, in, out, scale, corners, d), *one = build_full(&c->b, d, 1), *half = build_full(&c->b, d, 0.5);
    Value *wide = build2(b, OP_max, step, one), *support = build2(b, OP_mul, wide, build_full(&c->b, d, is_cubic ? 2 : 1));
    Value *i = build_cast(b, affine_along(c, out, k(c, 0), k(c, 1), 0, 2), d), *zero = build_full_int(b, DT_i64, 0);
    Value *center = build2(b, OP_mul, step, build2(b, OP_add, i, half));
    Value *lo = build2(b, OP_add, build2(b, OP_sub, center, support), half);
    Value *hi = build2(b, OP_add, build2(b, OP_add, center, support), half);
    lo = build2(b, OP_max, build_cast(b, lo, DT_i64), zero);
    hi = build2(b, OP_min, build_cast(b, hi, DT_i64), int_value(c, in));
    Value *j = build2(b, OP_add, lo, affine_along(c, taps, k(c, 0), k(c, 1), 1, 2)); /* [out, taps] */
    Value *x = build2(b, OP_sub, build2(b, OP_add, build_cast(b, j, d), half), center);
    x = build1(b, OP_abs, build2(b, OP_mul, x, build2(b, OP_div, one, wide)));
    Value *w = build3(b, OP_where, build2(b, OP_lt, j, hi), filter_at(c, x, is_cubic), build_full(&c->b, d, 0));
    w = build2(b, OP_div, w, build_reduce(b, OP_sum, w, (bool[]){ false, true }, true));
    const Idx *dim[MAX_RANK];
    for (int r = 0; r <= a->type.rank; r++)
        dim[r] = r == axis ? out : r == axis + 1 ? taps : k(c, 1);
    bool axes[MAX_RANK] = { false };
    axes[axis + 1] = true;
    Value *all = take(c, a, index_plus(c, j, 0, a->type.dim[axis]), axis);
    return build_reduce(b, OP_sum, build2(b, OP_mul, all, build_reshape(b, w, a->type.rank + 1, dim)), axes, false);
}

/* ---- interpolation of bytes: in fixed point, the weights of each place being known here --------------------------------- */

static double byte_weight(double x, int how)
{
    double a = how == CUBIC_AA ? -0.5 : -0.75;
    x = fabs(x);
    if (how == LINEAR || how == LINEAR_AA)
        return x < 1 ? 1 - x : 0;
    return x < 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/* The elements that place i reads and what they weigh, in `taps` places; their weights at the border add up. */
static void byte_taps(int64_t i, int64_t n, double step, bool corners, int how, int64_t taps, int64_t *at, double *weight)
{
    bool smooth = how >= LINEAR_AA, is_cubic = how == CUBIC || how == CUBIC_AA;
    double wide = smooth && step > 1 ? step : 1, support = (is_cubic ? 2 : 1) * wide, sum = 0;
    double place = corners && !smooth ? step * (double)i : step * ((double)i + 0.5) - (smooth ? 0 : 0.5);
    if (!smooth && !is_cubic && place < 0)
        place = 0;
    int64_t first, end;
    if (smooth) {
        first = (int64_t)fmax(place - support + 0.5, 0);
        end = (int64_t)fmin(place + support + 0.5, (double)n);
    } else {
        int64_t floor_at = (int64_t)fmin(floor(place), (double)(n - 1));
        place = fmin(fmax(place - (double)floor_at, 0), 1) + (double)floor_at;
        first = floor_at + 1 - (int64_t)support;
        end = floor_at + 1 + (int64_t)support;
    }
    for (int64_t j = 0; j < taps; j++)
        at[j] = 0, weight[j] = 0;
    int64_t base = first > 0 ? first : 0;
    for (int64_t j = first; j < end && j - first < taps; j++) {
        int64_t inside = j < 0 ? 0 : j >= n ? n - 1 : j;
        double w = byte_weight(((double)j + (smooth ? 0.5 : 0) - place) / wide, how);
        at[inside - base] = inside;
        weight[inside - base] += w;
        sum += w;
    }
    for (int64_t j = 0; j < taps && smooth && sum != 0; j++)
        weight[j] /= sum;
}

static Value *byte_axis(Call *c, Value *a, int axis, const Idx *out, double scale, bool corners, int how)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    int64_t n, m, total;
    if (!idx_is_const(a->type.dim[axis], &n) || !idx_is_const(out, &m) || n < 1 || m < 1 || a->type.rank >= MAX_RANK)
        call_refuse(c, "bytes of a dynamic size");
    double step = corners ? (m > 1 ? (double)(n - 1) / (double)(m - 1) : 0) : scale > 0 ? 1 / scale : (double)n / (double)m;
    bool is_cubic = how == CUBIC || how == CUBIC_AA;
    int64_t taps = is_cubic ? 4 : 2;
    if (!(step < 1e9))
        call_refuse(c, "bytes by so large a factor");
    if (how >= LINEAR_AA) { /* no more than there are elements */
        double support = (is_cubic ? 2 : 1) * (step > 1 ? step : 1);
        taps = support < (double)n ? 2 * (int64_t)ceil(support) + 1 : n;
    }
    if (!mul_i64(m, taps, &total) || total > 1 << 22)
        call_refuse(c, "bytes by so large a factor");
    int64_t *at = job_array(job, (size_t)total, sizeof *at), *fixed = job_array(job, (size_t)total, sizeof *fixed), bits = 0;
    double *weight = job_array(job, (size_t)total, sizeof *weight), most = 0;
    for (int64_t i = 0; i < m; i++)
        byte_taps(i, n, step, corners, how, taps, at + i * taps, weight + i * taps);
    for (int64_t i = 0; i < total; i++)
        most = fmax(most, weight[i]);
    while (bits < 22 && (int64_t)(0.5 + most * (double)(INT64_C(1) << (bits + 1))) < 1 << 15)
        bits++;
    for (int64_t i = 0; i < total; i++)
        fixed[i] = (int64_t)(weight[i] * (double)(INT64_C(1) << bits) + (weight[i] < 0 ? -0.5 : 0.5));
    const Idx *two[] = { out, k(c, taps) }, *wide[MAX_RANK];
    for (int i = 0; i <= a->type.rank; i++)
        wide[i] = i == axis ? two[0] : i == axis + 1 ? two[1] : k(c, 1);
    Value *index = build_reshape(b, const_ints(c, at, total), 2, two);
    Value *w = build_reshape(b, const_ints(c, fixed, total), a->type.rank + 1, wide);
    bool axes[MAX_RANK] = { false };
    axes[axis + 1] = true;
    Value *sum = build_reduce(b, OP_sum, build2(b, OP_mul, take(c, a, index, axis), w), axes, false);
    sum = build2(b, OP_add, sum, build_full_int(b, DT_i64, INT64_C(1) << bits >> 1));
    sum = build2(b, OP_div_floor, sum, build_full_int(b, DT_i64, INT64_C(1) << bits));
    return build2(b, OP_max, build2(b, OP_min, sum, build_full_int(b, DT_i64, 255)), build_full_int(b, DT_i64, 0));
}

void decode_upsample(Call *c) /* the row says how */
{
    Build *b = &c->b;
    Value *a = arg_tensor(c, arg_json(c, "input") ? "input" : "self");
    const Type *t = &c->meta[0];
    int how = (int)c->row->op, n = a->type.rank - 2;
    if (n < 1 || n > 3 || t->rank != a->type.rank)
        call_refuse(c, "of %d dimensions", a->type.rank);
    bool corners = how >= LINEAR && arg_bool(c, "align_corners"), ints = !dtype_is_float(t->dtype);
    if (ints && how >= LINEAR && t->dtype != DT_u8)
        call_refuse(c, "of integers");
    if (how >= LINEAR)
        a = build_cast(b, a, ints ? DT_i64 : wide_type(t->dtype));
    for (int i = n; i-- > 0;) {
        const Idx *out = t->dim[2 + i];
        double scale = scale_of(c, i, n);
        if (out == a->type.dim[2 + i] && (scale == 0 || scale == 1))
            continue;
        if (ints && how >= LINEAR) {
            a = byte_axis(c, a, 2 + i, out, scale, corners, how);
            continue;
        }
        switch (how) {
        case NEAREST:
        case NEAREST_EXACT: a = nearest(c, a, 2 + i, out, scale, how == NEAREST_EXACT); break;
        case LINEAR: a = linear(c, a, 2 + i, out, scale, corners); break;
        case CUBIC: a = cubic(c, a, 2 + i, out, scale, corners); break;
        default: a = antialiased(c, a, 2 + i, out, scale, corners, how == CUBIC_AA); break;
        }
    }
    give(c, build_cast(b, a, t->dtype));
}
