/* SPDX-License-Identifier: MIT */
/* Histograms: where each element falls, and a sum of weights for every bin. */
#include "aten.h"
#include <math.h>

/* Sums of weight (NULL: counts) where `inside`, by the positions along each axis of `bins`. */
static Value *tally(Call *c, Value *const *pos, Value *inside, Value *weight, const Type *bins)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    Value *at = pos[0];
    for (int i = 1; i < bins->rank; i++)
        at = build2(b, OP_add, build2(b, OP_mul, at, int_value(c, bins->dim[i])), pos[i]);
    const Idx *all = type_count(job, bins), *room = idx_addk(job, all, 1); /* one more bin: what is outside */
    at = build3(b, OP_where, inside, at, int_value(c, all));
    Value *r = build_expand(b, build_full(b, bins->dtype, 0), 1, &room);
    r = put(c, r, weight ? weight : build_full(b, bins->dtype, 1), at, 0, "add");
    return build_reshape(b, build_slice(b, r, 0, k(c, 0), k(c, 1), all), bins->rank, bins->dim);
}

static Value *ends_at(Call *c, Value *x, bool last)
{
    const Idx *at = last ? idx_addk(c->b.g->job, x->type.dim[0], -1) : k(c, 0);
    return pick(c, x, 0, at, &(Type){ .dtype = x->type.dtype });
}

static Value *within(Call *c, Value *x, Value *low, Value *high)
{
    return build2(&c->b, OP_and, build2(&c->b, OP_ge, x, low), build2(&c->b, OP_le, x, high));
}

/* The outer edges: given, or the least and the greatest of x; where they are one, `gap` below and above it. */
static void outer_edges(Call *c, Value *x, const double *given, double gap, Value **low, Value **high)
{
    Build *b = &c->b;
    Value *end[2];
    bool axes[MAX_RANK] = { true };
    for (int i = 0; i < 2; i++)
        end[i] = given ? number_like(c, x, given[i]) : build_reduce(b, i ? OP_amax : OP_amin, x, axes, false);
    Value *infinite = number_like(c, x, INFINITY);
    for (int i = 0; i < 2 && !given; i++)
        graph_check(b->g, build2(b, OP_lt, build1(b, OP_abs, end[i]), infinite),
                    sym(b->g->job, "the range of a histogram is finite"), &b->origin);
    Value *one = number_like(c, x, gap), *same = build2(b, OP_eq, end[0], end[1]);
    *low = build3(b, OP_where, same, build2(b, OP_sub, end[0], one), end[0]);
    *high = build3(b, OP_where, same, build2(b, OP_add, end[1], one), end[1]);
}

/* Positions by the formula, in x's own arithmetic. */
void decode_histc(Call *c)
{
    Build *b = &c->b;
    const Type *t = &c->meta[0];
    if (!dtype_is_float(t->dtype))
        call_refuse(c, "of %s", dtype_info[t->dtype].name);
    Value *x = flat(c, self_as(c, t->dtype)), *low, *high;
    double range[2] = { arg_float(c, "min"), arg_float(c, "max") };
    if (!(range[0] <= range[1]) || isinf(range[1] - range[0]))
        call_refuse(c, "between %g and %g", range[0], range[1]);
    outer_edges(c, x, range[0] == range[1] && !idx_is(x->type.dim[0], 0) ? NULL : range, 1, &low, &high);
    Value *n = build_cast(b, int_value(c, t->dim[0]), t->dtype);
    Value *pos = build2(b, OP_mul, build2(b, OP_sub, x, low), n), *last = int_value(c, idx_addk(b->g->job, t->dim[0], -1));
    pos = build_cast(b, build2(b, OP_div, pos, build2(b, OP_sub, high, low)), DT_i64);
    pos = build2(b, OP_min, pos, last);
    give(c, tally(c, &pos, within(c, x, low, high), NULL, t));
}

/* ---- by edges ------------------------------------------------------------------------------------------------- */

typedef struct Histogram {
    Value *x;               /* [n, axes] */
    int axes;
    Value *edges[MAX_RANK]; /* of each axis */
} Histogram;

static Value *column(Call *c, const Histogram *h, int i)
{
    return pick(c, h->x, 1, k(c, i), &(Type){ h->x->type.dtype, 1, { h->x->type.dim[0] } });
}

/* Tensors of edges, or numbers of bins between outer edges. */
static void read_edges(Call *c, Histogram *h)
{
    Job *job = c->b.g->job;
    double range[2 * MAX_RANK];
    int64_t bins[MAX_RANK];
    size_t ranges = arg_given(c, "range") ? arg_floats(c, "range", range, sizeof range / sizeof *range) : 0;
    Value **tensors;
    if (strstr(c->target, "bins_tensor")) {
        h->edges[0] = arg_tensor(c, "bins");
        return;
    }
    if (strstr(c->target, "TensorList") || strstr(c->target, "from_bin_tensors")) {
        if (arg_tensors(c, "bins", &tensors) != (size_t)h->axes)
            call_refuse(c, "edges for another number of axes");
        for (int i = 0; i < h->axes; i++)
            h->edges[i] = tensors[i];
        return;
    }
    if (arg_ints(c, "bins", bins, MAX_RANK, (size_t)h->axes) != (size_t)h->axes || (ranges && ranges != 2 * (size_t)h->axes))
        call_refuse(c, "bins or ranges for another number of axes");
    for (int i = 0; i < h->axes; i++) {
        Value *x = column(c, h, i), *low, *high;
        DType t = x->type.dtype;
        if (bins[i] < 1 || (ranges && (!(range[2 * i] <= range[2 * i + 1]) || isinf(range[2 * i + 1] - range[2 * i]))))
            call_refuse(c, "%lld bins, or an infinite range", (long long)bins[i]);
        static const double of_nothing[] = { 0, 1 };
        bool none = idx_is(x->type.dim[0], 0);
        outer_edges(c, x, ranges ? range + 2 * i : none ? of_nothing : NULL, 0.5, &low, &high);
        Value *e = linear_steps(c, build_cast(&c->b, low, DT_f64), build_cast(&c->b, high, DT_f64), idx_const(job, bins[i] + 1), t);
        h->edges[i] = build_cast(&c->b, e, t);
    }
}

static Value *counts(Call *c, Histogram *h)
{
    Build *b = &c->b;
    Type bins = { .dtype = h->x->type.dtype, .rank = h->axes };
    Value *pos[MAX_RANK], *inside = NULL, *weight = arg_tensor_or_null(c, "weight");
    bool axes[MAX_RANK];
    for (int i = 0; i < h->axes; i++) {
        Value *x = column(c, h, i), *e = h->edges[i], *one = build_full_int(b, DT_i64, 1);
        if (e->type.rank != 1 || e->type.dim[0]->hi < 2)
            call_refuse(c, "edges that are no list of at least two");
        call_guard(c, GUARD_LE, k(c, 2), e->type.dim[0], "an axis has at least two edges");
        bins.dim[i] = idx_addk(b->g->job, e->type.dim[0], -1);
        e = build_cast(b, e, bins.dtype);
        Value *in = within(c, x, ends_at(c, e, false), ends_at(c, e, true));
        inside = inside ? build2(b, OP_and, inside, in) : in;
        pos[i] = build2(b, OP_sub, search_sorted(c, e, x, NULL, true), one); /* the last edge belongs to the last bin */
        pos[i] = build2(b, OP_min, pos[i], build2(b, OP_sub, int_value(c, bins.dim[i]), one));
    }
    weight = weight ? flat(c, build_cast(b, weight, bins.dtype)) : NULL;
    if (weight)
        call_guard(c, GUARD_EQ, weight->type.dim[0], h->x->type.dim[0], "each element has a weight");
    Value *r = tally(c, pos, inside, weight, &bins);
    if (!arg_bool(c, "density"))
        return r;
    memset(axes, 1, sizeof axes);
    r = build2(b, OP_div, r, build_reduce(b, OP_sum, r, axes, false));
    for (int i = 0; i < h->axes; i++) {
        Value *e = h->edges[i];
        const Idx *size[MAX_RANK];
        Value *width = build2(b, OP_sub, build_slice(b, e, 0, k(c, 1), k(c, 1), bins.dim[i]), build_slice(b, e, 0, k(c, 0), k(c, 1), bins.dim[i]));
        for (int j = i; j < h->axes; j++)
            size[j - i] = j == i ? bins.dim[i] : k(c, 1);
        r = build2(b, OP_div, r, build_reshape(b, width, h->axes - i, size));
    }
    return r;
}

/* histogram; histogramdd (flag d) of points along the last axis.  Of both results, counts and edges, flag c gives the
 * counts only, e the edges. */
void decode_histogram(Call *c)
{
    Build *b = &c->b;
    Value *x = arg_tensor(c, "self");
    Histogram h = { .axes = 1 };
    int64_t axes = 1;
    if (flag(c, 'd') && (x->type.rank < 2 || !idx_is_const(x->type.dim[x->type.rank - 1], &axes) || axes < 1 || axes > MAX_RANK))
        call_refuse(c, "of points in %s", type_text(b->g->job, &x->type));
    if (!dtype_is_float(x->type.dtype))
        call_refuse(c, "of %s", dtype_info[x->type.dtype].name);
    h.axes = (int)axes;
    Type points = x->type;
    points.rank -= flag(c, 'd');
    h.x = build_reshape(b, x, 2, (const Idx *[]){ type_count(b->g->job, &points), k(c, axes) });
    read_edges(c, &h);
    uint32_t n = 0;
    if (!flag(c, 'e'))
        c->result[n++] = counts(c, &h);
    for (int i = 0; i < h.axes && !flag(c, 'c'); i++)
        c->result[n++] = h.edges[i];
}
