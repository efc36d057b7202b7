/* SPDX-License-Identifier: MIT */
/* Tensors at other places or sizes: padding by what is inside, interpolation, sampling at points, shuffles. */
#include "aten.h"

/* ---- padding ----------------------------------------------------------------------------------------------------- */

typedef enum PadMode { PAD_CONSTANT, PAD_REFLECT, PAD_REPLICATE, PAD_CIRCULAR } PadMode;

static PadMode pad_mode(Call *c)
{
    static const char *const names[] = { "constant", "reflect", "replicate", "circular" };
    const char *word = arg_json(c, "mode") && !strcmp(json_key(arg_json(c, "mode")), "as_string") ? arg_text(c, "mode") : NULL;
    if (!word) /* at::padding_mode: reflect, replicate, circular, constant */
        return arg_json(c, "mode") ? (PadMode)((uint64_t)(arg_int(c, "mode") + 1) % 4) : (PadMode)c->row->op;
    for (int i = 0; i < 4; i++)
        if (!strcmp(word, names[i]))
            return (PadMode)i;
    call_refuse(c, "mode %s", word);
}

/* Where element i of the padded axis comes from: i - low, brought into [0, n). */
static Value *pad_source(Call *c, PadMode mode, const Idx *n, const Idx *low, const Idx *size)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    const Idx *last = idx_addk(job, n, -1), *zero = k(c, 0);
    Value *i = affine_along(c, size, idx_mulk(job, low, -1), k(c, 1), 0, 1), *end = int_value(c, last);
    if (mode == PAD_CIRCULAR) { /* what negative padding leaves goes around */
        const Idx *high = idx_sub(job, idx_sub(job, size, n), low), *cut = idx_max(job, idx_mulk(job, low, -1), zero);
        const Idx *period = idx_add(job, idx_sub(job, n, cut), idx_min(job, high, zero));
        i = affine_along(c, size, idx_mulk(job, idx_max(job, low, zero), -1), k(c, 1), 0, 1);
        i = build2(b, OP_rem, i, int_value(c, idx_max(job, period, k(c, 1))));
        return build2(b, OP_add, i, int_value(c, cut));
    }
    if (mode == PAD_REPLICATE)
        return build2(b, OP_max, build2(b, OP_min, i, end), build_full_int(b, DT_i64, 0));
    Value *mirrored = build2(b, OP_sub, end, build1(b, OP_abs, i));
    return build2(b, OP_sub, end, build1(b, OP_abs, mirrored));
}

void decode_pad(Call *c)
{
    Job *job = c->b.g->job;
    Value *a = arg_tensor(c, "self");
    const Idx *p[2 * MAX_RANK], *low[MAX_RANK];
    PadMode mode = pad_mode(c);
    size_t n = arg_sizes(c, arg_json(c, "padding") ? "padding" : "pad", p, 2 * MAX_RANK);
    if (n > 2 * (size_t)a->type.rank)
        fail_at(job, EXIT_INPUT, &c->b.origin, "%s: more padding than dimensions", c->target);
    Type t = a->type;
    for (int i = 0; i < t.rank; i++) {
        size_t j = 2 * (size_t)(t.rank - 1 - i);
        low[i] = j + 1 < n ? p[j] : k(c, 0);
        if (j + 1 < n)
            t.dim[i] = idx_add(job, t.dim[i], idx_add(job, p[j], p[j + 1]));
    }
    for (int i = 0; i < t.rank && mode != PAD_CONSTANT; i++)
        if (t.dim[i] != a->type.dim[i] || !idx_is(low[i], 0))
            a = take(c, a, pad_source(c, mode, a->type.dim[i], low[i], t.dim[i]), i);
    if (mode == PAD_CONSTANT && !type_same(&t, &a->type)) {
        double value = arg_given(c, "value") ? arg_float(c, "value") : 0;
        Attr at[2] = { attr_idx(job, "low", low, (size_t)t.rank), attr_float(job, "value", value) };
        a = build(&c->b, OP_pad, &a, 1, &t, at, 2);
    }
    give(c, a);
}

/* ---- interpolation: axis by axis, in f32 at least ------------------------------------------------------------------- */

static Value *number(Call *c, DType d, double x)
{
    return build_full(&c->b, d, x);
}

static Value *size_as(Call *c, const Idx *n, DType d)
{
    return build_cast(&c->b, int_value(c, n), d);
}

static DType wide_type(DType d)
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
        return number(c, d, d == DT_f32 ? (double)(float)(1.0 / scale) : 1.0 / scale);
    if (idx_is_const(in, &i) && idx_is_const(out, &o) && o > 0)
        return number(c, d, d == DT_f32 ? (double)((float)i / (float)o) : (double)i / (double)o);
    return build2(b, OP_div, size_as(c, in, d), size_as(c, out, d));
}

/* step * (i + 1/2) - 1/2, or step * i where corners meet corners. */
static Value *source_place(Call *c, const Idx *out, Value *step, bool corners, DType d)
{
    Build *b = &c->b;
    Value *i = build_cast(b, affine_along(c, out, k(c, 0), k(c, 1), 0, 1), d);
    if (corners)
        return build2(b, OP_mul, step, i);
    Value *half = number(c, d, 0.5);
    return build2(b, OP_sub, build2(b, OP_mul, step, build2(b, OP_add, i, half)), half);
}

static Value *to_index(Call *c, Value *place)
{
    return build_cast(&c->b, build1(&c->b, OP_floor, place), DT_i64);
}

static Value *index_plus(Call *c, Value *index, int64_t by, const Idx *n) /* clamped */
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
        i = build2(b, OP_add, i, number(c, d, 0.5));
    return take(c, a, index_plus(c, to_index(c, build2(b, OP_mul, i, step)), 0, in), axis);
}

static Value *linear(Call *c, Value *a, int axis, const Idx *out, double scale, bool corners)
{
    Build *b = &c->b;
    DType d = a->type.dtype;
    const Idx *in = a->type.dim[axis];
    Value *place = source_place(c, out, step_of(c, in, out, scale, corners, d), corners, d);
    place = build2(b, OP_max, place, number(c, d, 0));
    Value *at = index_plus(c, to_index(c, place), 0, in);
    Value *w = build2(b, OP_sub, place, build_cast(b, at, d));
    w = build2(b, OP_min, build2(b, OP_max, w, number(c, d, 0)), number(c, d, 1));
    Value *v = build2(b, OP_sub, number(c, d, 1), w), *first = take(c, a, at, axis);
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
    Value *r = number(c, d, k3[0]);
    for (int i = 1; i < 4; i++)
        r = build2(b, OP_add, build2(b, OP_mul, r, x), number(c, d, k3[i]));
    return r;
}

/* The weights of the four neighbours of a point, t behind the second. */
static void cubic_weights(Call *c, Value *t, Value **w)
{
    Build *b = &c->b;
    DType d = t->type.dtype;
    Value *rest = build2(b, OP_sub, number(c, d, 1), t);
    w[0] = cubic_weight(c, build2(b, OP_add, t, number(c, d, 1)), true, -0.75);
    w[1] = cubic_weight(c, t, false, -0.75);
    w[2] = cubic_weight(c, rest, false, -0.75);
    w[3] = cubic_weight(c, build2(b, OP_add, rest, number(c, d, 1)), true, -0.75);
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
    Value *zero = number(c, d, 0), *one = number(c, d, 1);
    if (!is_cubic)
        return build2(b, OP_max, build2(b, OP_sub, one, x), zero);
    Value *far = build3(b, OP_where, build2(b, OP_lt, x, number(c, d, 2)), cubic_weight(c, x, true, -0.5), zero);
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
    Value *step = step_of(c, in, out, scale, corners, d), *one = number(c, d, 1), *half = number(c, d, 0.5);
    Value *wide = build2(b, OP_max, step, one), *support = build2(b, OP_mul, wide, number(c, d, is_cubic ? 2 : 1));
    Value *i = build_cast(b, affine_along(c, out, k(c, 0), k(c, 1), 0, 2), d), *zero = build_full_int(b, DT_i64, 0);
    Value *center = build2(b, OP_mul, step, build2(b, OP_add, i, half));
    Value *lo = build2(b, OP_add, build2(b, OP_sub, center, support), half);
    Value *hi = build2(b, OP_add, build2(b, OP_add, center, support), half);
    lo = build2(b, OP_max, build_cast(b, lo, DT_i64), zero);
    hi = build2(b, OP_min, build_cast(b, hi, DT_i64), int_value(c, in));
    Value *j = build2(b, OP_add, lo, affine_along(c, taps, k(c, 0), k(c, 1), 1, 2)); /* [out, taps] */
    Value *x = build2(b, OP_sub, build2(b, OP_add, build_cast(b, j, d), half), center);
    x = build1(b, OP_abs, build2(b, OP_mul, x, build2(b, OP_div, one, wide)));
    Value *w = build3(b, OP_where, build2(b, OP_lt, j, hi), filter_at(c, x, is_cubic), number(c, d, 0));
    w = build2(b, OP_div, w, build_reduce(b, OP_sum, w, (bool[]){ false, true }, true));
    const Idx *dim[MAX_RANK];
    for (int r = 0; r <= a->type.rank; r++)
        dim[r] = r == axis ? out : r == axis + 1 ? taps : k(c, 1);
    bool axes[MAX_RANK] = { false };
    axes[axis + 1] = true;
    Value *all = take(c, a, index_plus(c, j, 0, a->type.dim[axis]), axis);
    return build_reduce(b, OP_sum, build2(b, OP_mul, all, build_reshape(b, w, a->type.rank + 1, dim)), axes, false);
}

enum { NEAREST, NEAREST_EXACT, LINEAR, CUBIC, LINEAR_AA, CUBIC_AA };

void decode_upsample(Call *c) /* the row says how */
{
    Build *b = &c->b;
    Value *a = arg_tensor(c, arg_json(c, "input") ? "input" : "self");
    const Type *t = &c->meta[0];
    int how = (int)c->row->op, n = a->type.rank - 2;
    if (n < 1 || n > 3 || t->rank != a->type.rank)
        call_refuse(c, "of %d dimensions", a->type.rank);
    bool corners = how >= LINEAR && arg_bool(c, "align_corners"), ints = !dtype_is_float(t->dtype);
    if (how >= LINEAR && ints)
        call_refuse(c, "of integers");
    if (how >= LINEAR)
        a = build_cast(b, a, wide_type(t->dtype));
    for (int i = n; i-- > 0;) {
        const Idx *out = t->dim[2 + i];
        double scale = scale_of(c, i, n);
        if (out == a->type.dim[2 + i] && (scale == 0 || scale == 1))
            continue;
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

/* ---- sampling at points ------------------------------------------------------------------------------------------------ */

/* A coordinate in [-1, 1] as a place along an axis of n elements. */
static Value *unnormalized(Call *c, Value *x, const Idx *n, bool corners)
{
    Build *b = &c->b;
    DType d = x->type.dtype;
    Value *size = size_as(c, n, d), *one = number(c, d, 1), *half = number(c, d, 0.5);
    x = build2(b, OP_add, x, one);
    if (corners)
        return build2(b, OP_mul, x, build2(b, OP_mul, build2(b, OP_sub, size, one), half));
    return build2(b, OP_mul, build2(b, OP_sub, build2(b, OP_mul, x, size), one), half);
}

static Value *clipped(Call *c, Value *x, const Idx *n)
{
    Build *b = &c->b;
    DType d = x->type.dtype;
    Value *zero = number(c, d, 0); /* NaN becomes 0, as the comparisons of PyTorch's kernels have it */
    x = build3(b, OP_where, build2(b, OP_gt, x, zero), x, zero);
    Value *last = size_as(c, idx_addk(b->g->job, n, -1), d);
    return build2(b, OP_min, x, last);
}

/* Reflected between the centres (corners) or the edges of the first and last element, then clipped. */
static Value *reflected(Call *c, Value *x, const Idx *n, bool corners)
{
    Build *b = &c->b;
    DType d = x->type.dtype;
    const Idx *room = idx_max(b->g->job, corners ? idx_addk(b->g->job, n, -1) : n, k(c, 0));
    Value *least = number(c, d, corners ? 0 : -0.5), *span = size_as(c, room, d), *two = number(c, d, 2);
    if (idx_is(room, 0))
        return build2(b, OP_mul, x, number(c, d, 0));
    x = build1(b, OP_abs, build2(b, OP_sub, x, least));
    Value *extra = build2(b, OP_fmod, x, span), *flips = build1(b, OP_floor, build2(b, OP_div, x, span));
    Value *even = build2(b, OP_eq, build2(b, OP_fmod, flips, two), number(c, d, 0));
    Value *back = build2(b, OP_add, build2(b, OP_sub, span, extra), least);
    return build3(b, OP_where, even, build2(b, OP_add, extra, least), back);
}

enum { ZEROS, BORDER, REFLECTION };

static Value *placed(Call *c, Value *x, const Idx *n, int padding, bool corners)
{
    if (padding == REFLECTION)
        x = reflected(c, x, n, corners);
    return padding == ZEROS ? x : clipped(c, x, n);
}

typedef struct Sampler {
    Value *a;
    int axes, padding;
    bool corners;
} Sampler;

/* a at places that are whole numbers, one for each spatial axis; outside it is zero. */
static Value *sample_at(Call *c, const Sampler *s, Value *const *place)
{
    Build *b = &c->b;
    Value *a = s->a, *at[5], *inside = NULL;
    DType d = a->type.dtype;
    int rank = a->type.rank;
    const Type *t = &c->meta[0];
    at[0] = iota_along(c, t, 0);
    at[1] = iota_along(c, t, 1);
    int64_t axes[5] = { 0, 1, 2, 3, 4 };
    for (int i = 0; i < s->axes; i++) {
        const Idx *n = a->type.dim[2 + i], *dim[MAX_RANK] = { t->dim[0], k(c, 1) };
        Value *x = place[i], *zero = number(c, d, 0), *size = size_as(c, n, d);
        Value *in = build2(b, OP_and, build2(b, OP_ge, x, zero), build2(b, OP_lt, x, size));
        inside = inside ? build2(b, OP_and, inside, in) : in;
        x = index_plus(c, build_cast(b, build3(b, OP_where, in, x, zero), DT_i64), 0, n);
        for (int j = 2; j < rank; j++)
            dim[j] = t->dim[j];
        at[2 + i] = build_reshape(b, x, rank, dim);
    }
    const Idx *dim[MAX_RANK] = { t->dim[0], k(c, 1) };
    for (int j = 2; j < rank; j++)
        dim[j] = t->dim[j];
    Value *v = take_axes(c, a, at, axes, rank);
    return build3(b, OP_where, build_reshape(b, inside, rank, dim), v, number(c, d, 0));
}

static Value *weighted(Call *c, Value *v, Value *w) /* w has no channels */
{
    const Idx *dim[MAX_RANK] = { v->type.dim[0], k(c, 1) };
    for (int j = 2; j < v->type.rank; j++)
        dim[j] = v->type.dim[j];
    return build2(&c->b, OP_mul, v, build_reshape(&c->b, w, v->type.rank, dim));
}

/* The sum over the corners of the cell around the places, or over 4 x 4 points (cubic). */
static Value *sample_around(Call *c, const Sampler *s, Value *const *place, bool is_cubic)
{
    Build *b = &c->b;
    DType d = s->a->type.dtype;
    Value *w[3][4], *at[3][4], *sum = NULL;
    int taps = is_cubic ? 4 : 2, total = 1;
    for (int i = 0; i < s->axes; i++, total *= taps) {
        const Idx *n = s->a->type.dim[2 + i];
        Value *low = build1(b, OP_floor, place[i]), *t = build2(b, OP_sub, place[i], low);
        if (is_cubic)
            cubic_weights(c, t, w[i]);
        w[i][0] = is_cubic ? w[i][0] : build2(b, OP_sub, number(c, d, 1), t);
        w[i][1] = is_cubic ? w[i][1] : t;
        for (int j = 0; j < taps; j++) {
            at[i][j] = build2(b, OP_add, low, number(c, d, is_cubic ? j - 1 : j));
            if (is_cubic)
                at[i][j] = placed(c, at[i][j], n, s->padding, s->corners);
        }
    }
    for (int point = 0; point < total; point++) {
        Value *here[3], *weight = NULL;
        for (int i = 0, rest = point; i < s->axes; i++, rest /= taps) {
            here[i] = at[i][rest % taps];
            weight = weight ? build2(b, OP_mul, weight, w[i][rest % taps]) : w[i][rest % taps];
        }
        Value *v = weighted(c, sample_at(c, s, here), weight);
        sum = sum ? build2(b, OP_add, sum, v) : v;
    }
    return sum;
}

void decode_grid_sampler(Call *c)
{
    Build *b = &c->b;
    const Type *t = &c->meta[0];
    DType d = t->dtype; /* coordinates of halves are rounded as PyTorch rounds them: they decide what is nearest */
    Sampler s = { build_cast(b, arg_tensor(c, "input"), d), t->rank - 2, (int)arg_int(c, "padding_mode"),
                  arg_bool(c, "align_corners") };
    Value *grid = build_cast(b, arg_tensor(c, "grid"), d), *place[3];
    int64_t how = arg_int(c, "interpolation_mode"); /* bilinear, nearest, bicubic */
    if (s.axes < 2 || s.axes > 3 || s.a->type.rank != t->rank || grid->type.rank != t->rank || how < 0 || how > 2 ||
        s.padding < ZEROS || s.padding > REFLECTION || (how == 2 && s.axes != 2))
        call_refuse(c, "of %d dimensions in mode %lld", t->rank, (long long)how);
    for (int i = 0; i < s.axes; i++) { /* the last axis of the grid holds x, y, z; a has z, y, x */
        Type one = grid->type;
        one.rank--;
        Value *x = pick(c, grid, one.rank, k(c, s.axes - 1 - i), &one);
        const Idx *n = s.a->type.dim[2 + i];
        x = unnormalized(c, x, n, s.corners);
        x = how == 2 ? x : placed(c, x, n, s.padding, s.corners);
        place[i] = how == 1 ? build1(b, OP_round, x) : x;
    }
    give(c, build_cast(b, how == 1 ? sample_at(c, &s, place) : sample_around(c, &s, place, how == 2), t->dtype));
}

/* [n, sizes, axes]: theta times (x, y, (z,) 1) of every place. */
void decode_affine_grid(Call *c)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    Value *theta = arg_tensor(c, "theta"), *sum = NULL;
    const Type *t = &c->meta[0];
    DType d = wide_type(t->dtype);
    int axes = t->rank - 2;
    bool corners = arg_bool(c, "align_corners");
    if (axes < 2 || axes > 3 || theta->type.rank != 3)
        call_refuse(c, "of %d dimensions", t->rank);
    theta = build_cast(b, theta, d);
    for (int i = 0; i <= axes; i++) { /* column i of theta: of x, y, (z,) 1 */
        const Idx *dim[MAX_RANK], *n = i < axes ? t->dim[axes - i] : k(c, 1);
        for (int j = 0; j < t->rank; j++)
            dim[j] = j == 0 ? t->dim[0] : j == t->rank - 1 ? k(c, axes) : k(c, 1);
        Value *column = build_reshape(b, build_slice(b, theta, 2, k(c, i), k(c, 1), k(c, 1)), t->rank, dim);
        if (i < axes) { /* evenly from -1 to 1, or between the edges */
            Value *steps = size_as(c, idx_max(job, corners ? idx_addk(job, n, -1) : n, k(c, 1)), d);
            Value *x = build_cast(b, affine_along(c, n, k(c, corners ? 0 : 1), k(c, 2), axes - i, t->rank), d);
            Value *from = corners && idx_is(n, 1) ? x : size_as(c, corners ? idx_addk(job, n, -1) : n, d);
            x = build2(b, OP_div, build2(b, OP_sub, x, from), steps);
            column = build2(b, OP_mul, column, x);
        }
        sum = sum ? build2(b, OP_add, sum, column) : column;
    }
    give(c, build_cast(b, build_expand(b, sum, t->rank, t->dim), t->dtype));
}

/* ---- shuffles ----------------------------------------------------------------------------------------------------------- */

void decode_pixel_shuffle(Call *c) /* and pixel_unshuffle (1) */
{
    Build *b = &c->b;
    bool back = (int)c->row->op == 1;
    Value *a = arg_tensor(c, "self");
    const Type *t = &c->meta[0], *fine = back ? &a->type : t, *deep = back ? t : &a->type;
    int64_t r = arg_int(c, back ? "downscale_factor" : "upscale_factor");
    int rank = t->rank, n = rank - 3, dims[MAX_RANK], inverse[MAX_RANK];
    const Idx *split[MAX_RANK];
    if (rank < 3 || rank + 2 > MAX_RANK || a->type.rank != rank)
        call_refuse(c, "of %d dimensions", rank);
    for (int i = 0; i < n; i++)
        dims[i] = i;
    /* [.., c, r, r, h, w] and [.., c, h, r, w, r] */
    const int order[] = { n, n + 3, n + 1, n + 4, n + 2 };
    for (int i = 0; i < 5; i++)
        dims[n + i] = order[i];
    for (int i = 0; i < rank + 2; i++)
        inverse[dims[i]] = i;
    for (int i = 0; i < n; i++)
        split[i] = t->dim[i];
    const Idx *deep_split[] = { fine->dim[n], k(c, r), k(c, r), deep->dim[n + 1], deep->dim[n + 2] };
    const Idx *fine_split[] = { fine->dim[n], deep->dim[n + 1], k(c, r), deep->dim[n + 2], k(c, r) };
    memcpy(split + n, back ? fine_split : deep_split, sizeof deep_split);
    Value *v = build_permute(b, build_reshape(b, a, rank + 2, split), back ? inverse : dims);
    give(c, build_reshape(b, v, rank, t->dim));
}

void decode_channel_shuffle(Call *c)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    Value *a = arg_tensor(c, "self");
    const Type *t = &a->type;
    int dims[MAX_RANK], rank = t->rank;
    const Idx *split[MAX_RANK], *groups = arg_idx(c, "groups");
    if (rank < 2 || rank + 1 > MAX_RANK || groups->lo < 1)
        call_refuse(c, "of %d dimensions", rank);
    for (int i = 0; i <= rank; i++) {
        dims[i] = i == 1 ? 2 : i == 2 ? 1 : i;
        split[i] = i == 1 ? groups : i == 2 ? idx_div(job, t->dim[1], groups) : t->dim[i > 2 ? i - 1 : i];
    }
    give(c, build_reshape(b, build_permute(b, build_reshape(b, a, rank + 1, split), dims), rank, t->dim));
}

/* Each element put where the pooling found it; zero elsewhere. */
void decode_max_unpool(Call *c)
{
    Build *b = &c->b;
    Value *a = arg_tensor(c, "self"), *index = arg_tensor(c, "indices");
    const Type *t = &c->meta[0];
    int axes = (int)c->row->op, outer = t->rank - axes;
    if (outer < 0 || a->type.rank != t->rank || index->type.rank != t->rank || outer > 2)
        call_refuse(c, "of %d dimensions", t->rank);
    const Idx *from[3], *to[3];
    for (int i = 0; i <= outer; i++)
        from[i] = to[i] = i < outer ? t->dim[i] : k(c, 1);
    for (int i = outer; i < t->rank; i++) {
        from[outer] = idx_mul(b->g->job, from[outer], a->type.dim[i]);
        to[outer] = idx_mul(b->g->job, to[outer], t->dim[i]);
    }
    Value *zeros = build_expand(b, build_full_int(b, t->dtype, 0), outer + 1, to), *at[3];
    a = build_reshape(b, a, outer + 1, from);
    int64_t dims[3] = { 0, 1, 2 };
    for (int i = 0; i < outer; i++)
        at[i] = iota_along(c, &a->type, i);
    at[outer] = build_reshape(b, index, outer + 1, from);
    give(c, build_reshape(b, put_axes(c, zeros, a, at, dims, outer + 1, "set"), t->rank, t->dim));
}
