/* SPDX-License-Identifier: MIT */
/* Tensors sampled at points, and their elements shuffled. */
#include "aten.h"

/* ---- sampling at points ------------------------------------------------------------------------------------------------ */

/* A coordinate in [-1, 1] as a place along an axis of n elements. */
static Value *unnormalized(Call *c, Value *x, const Idx *n, bool corners)
{
    Build *b = &c->b;
    DType d = x->type.dtype;
    Value *size = size_as(c, n, d), *one = build_full(&c->b, d, 1), *half = build_full(&c->b, d, 0.5);
    x = build2(b, OP_add, x, one);
    if (corners)
        return build2(b, OP_mul, x, build2(b, OP_mul, build2(b, OP_sub, size, one), half));
    return build2(b, OP_mul, build2(b, OP_sub, build2(b, OP_mul, x, size), one), half);
}

static Value *clipped(Call *c, Value *x, const Idx *n)
{
    Build *b = &c->b;
    DType d = x->type.dtype;
    Value *zero = build_full(&c->b, d, 0); /* NaN becomes 0, as the comparisons of PyTorch's kernels have it */
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
    Value *least = build_full(&c->b, d, corners ? 0 : -0.5), *span = size_as(c, room, d), *two = build_full(&c->b, d, 2);
    if (idx_is(room, 0))
        return build2(b, OP_mul, x, build_full(&c->b, d, 0));
    x = build1(b, OP_abs, build2(b, OP_sub, x, least));
    Value *extra = build2(b, OP_fmod, x, span), *flips = build1(b, OP_floor, build2(b, OP_div, x, span));
    Value *even = build2(b, OP_eq, build2(b, OP_fmod, flips, two), build_full(&c->b, d, 0));
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
        Value *x = place[i], *zero = build_full(&c->b, d, 0), *size = size_as(c, n, d);
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
    return build3(b, OP_where, build_reshape(b, inside, rank, dim), v, build_full(&c->b, d, 0));
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
        w[i][0] = is_cubic ? w[i][0] : build2(b, OP_sub, build_full(&c->b, d, 1), t);
        w[i][1] = is_cubic ? w[i][1] : t;
        for (int j = 0; j < taps; j++) {
            at[i][j] = build2(b, OP_add, low, build_full(&c->b, d, is_cubic ? j - 1 : j));
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

/* Each element put where the pooling found it, zero elsewhere. */
void decode_max_unpool(Call *c)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    Value *from = arg_tensor(c, "self"), *index = arg_tensor(c, "indices");
    const Type *t = &c->meta[0];
    int axes = (int)c->row->op, outer = t->rank - axes;
    if (outer < 0 || from->type.rank != t->rank || index->type.rank != t->rank)
        call_refuse(c, "of %d dimensions", t->rank);
    const Idx *planes = k(c, 1), *size = planes, *n = planes;
    for (int i = 0; i < t->rank; i++) {
        planes = i < outer ? idx_mul(job, planes, t->dim[i]) : planes;
        size = i < outer ? size : idx_mul(job, size, t->dim[i]);
        n = i < outer ? n : idx_mul(job, n, from->type.dim[i]);
    }
    Value *zeros = build_expand(b, build_full_int(b, t->dtype, 0), 2, (const Idx *[]){ planes, size }), *at[2];
    from = build_reshape(b, from, 2, (const Idx *[]){ planes, n });
    at[1] = build_reshape(b, index, 2, (const Idx *[]){ planes, n });
    at[0] = iota_along(c, &from->type, 0);
    give(c, build_reshape(b, put_axes(c, zeros, from, at, (int64_t[]){ 0, 1 }, 2, "set"), t->rank, t->dim));
}
