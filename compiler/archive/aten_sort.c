/* SPDX-License-Identifier: MIT */
/* Sorting, and what is read off sorted rows: order statistics, quantiles, search. */
#include "aten.h"
#include <math.h>

/* Axis dim last, the others in their order; or back from there. */
static Value *axis_last(Call *c, Value *a, int dim, bool back)
{
    int dims[MAX_RANK], rank = a->type.rank, n = 0;
    for (int i = 0; i < rank && !back; i++)
        if (i != dim)
            dims[n++] = i;
    for (int i = 0; i < rank && back; i++)
        dims[i] = i < dim ? i : i == dim ? rank - 1 : i - 1;
    if (!back)
        dims[n] = dim;
    return build_permute(&c->b, a, dims);
}

/* u64 as i64 in the same order, and back. */
static Value *flip_top_bit(Call *c, Value *a, DType to)
{
    Value *top = build_full_int(&c->b, DT_i64, INT64_MIN);
    if (to == DT_i64)
        return build2(&c->b, OP_xor, build_cast(&c->b, a, DT_i64), top);
    return build_cast(&c->b, build2(&c->b, OP_xor, a, top), to);
}

/* In one of the types that the routines know, f32, f64, i32, i64, in the same order. */
static Value *sort_key(Call *c, Value *a)
{
    DType t = a->type.dtype;
    const DTypeInfo *d = &dtype_info[t];
    if (d->kind == DK_C)
        call_refuse(c, "of complex numbers, which have no order");
    DType key = d->kind == DK_F ? wide(t) : d->bytes < 4 || t == DT_i32 ? DT_i32 : DT_i64;
    return t == DT_u64 ? flip_top_bit(c, a, DT_i64) : build_cast(&c->b, a, key);
}

static Value *from_key(Call *c, Value *key, DType t)
{
    return t == DT_u64 ? flip_top_bit(c, key, t) : build_cast(&c->b, key, t);
}

Node *sort_last(Call *c, Value *key, bool descending, const Idx *count)
{
    const Idx *all = key->type.rank ? key->type.dim[key->type.rank - 1] : k(c, 1), *most = k(c, UINT32_MAX);
    if (!idx_provably_le(c->b.g->job, all, most) && !idx_is_late(all))
        call_guard(c, GUARD_LE, all, most, "a row that is sorted has less than 2^32 elements");
    Attr at[2] = { attr_int(c->b.g->job, "descending", descending),
                   attr_idx(c->b.g->job, "count", count ? &count : &all, 1) };
    return build_routine(&c->b, OP_sort, &key, 1, at, 2);
}

/* The first `count` (NULL: all) of a sorted along dim, which may be of a 0-d tensor, and their indices. */
static Value *sorted(Call *c, Value *a, int dim, bool descending, const Idx *count, Value **index)
{
    Value *key = axis_last(c, sort_key(c, a), dim, false);
    Node *n = sort_last(c, key, descending, a->type.rank ? count : NULL);
    *index = axis_last(c, n->out[1], dim, true);
    return from_key(c, axis_last(c, n->out[0], dim, true), a->type.dtype);
}

void decode_sort(Call *c) /* and argsort (1), msort (2) */
{
    int kind = (int)c->row->op;
    Value *a = arg_tensor(c, "self"), *index;
    Value *v = sorted(c, a, kind == 2 ? 0 : arg_dim(c, "dim", a->type.rank), kind != 2 && arg_bool(c, "descending"), NULL, &index);
    give(c, kind == 1 ? index : v);
    c->result[1] = index;
}

void decode_topk(Call *c)
{
    Value *a = arg_tensor(c, "self"), *index, *v;
    int dim = arg_dim(c, "dim", a->type.rank);
    const Idx *n = arg_idx(c, "k"), *zero = k(c, 0), *one = k(c, 1), *size = a->type.rank ? a->type.dim[dim] : one;
    bool late = idx_is_late(n) || idx_is_late(size);
    if (late && !(idx_provably_le(c->b.g->job, zero, n) && idx_provably_le(c->b.g->job, n, size)))
        call_refuse(c, "only the run knows if %s elements are at least k", idx_text(c->b.g->job, size));
    call_guard(c, GUARD_LE, zero, n, "k is not negative");
    call_guard(c, GUARD_LE, n, size, "k is at most the size of the dimension");
    v = sorted(c, a, dim, arg_bool(c, "largest"), n, &index);
    give(c, v);
    c->result[1] = index;
}

/* ---- one element of each sorted row ---------------------------------------------------------------------------- */

/* The results: values and indices at `place`, an index along dim, which is of size 1 there. */
static void give_at(Call *c, Value *v, Value *index, Value *place, int dim)
{
    Value *in[2] = { v, index };
    for (uint32_t i = 0; i < 2 && i < c->result_count; i++) {
        Value *r = in[i]->type.rank ? gather(c, in[i], place, dim) : in[i];
        c->result[i] = build_reshape(&c->b, r, c->meta[i].rank, c->meta[i].dim);
    }
}

/* A 0-d i64 for every row: sizes of a, 1 along dim. */
static Value *for_each_row(Call *c, Value *number, const Type *a, int dim)
{
    const Idx *size[MAX_RANK];
    memcpy(size, a->dim, sizeof size);
    if (a->rank)
        size[dim] = k(c, 1);
    return build_expand(&c->b, number, a->rank, size);
}

void decode_kthvalue(Call *c)
{
    Value *a = arg_tensor(c, "self"), *index;
    int dim = arg_dim(c, "dim", a->type.rank);
    const Idx *n = arg_idx(c, "k"), *one = k(c, 1);
    call_guard(c, GUARD_LE, one, n, "k is at least 1");
    call_guard(c, GUARD_LE, n, a->type.rank ? a->type.dim[dim] : one, "k is at most the size of the dimension");
    Value *v = sorted(c, a, dim, false, n, &index);
    Value *place = build_index(&c->b, idx_addk(c->b.g->job, n, -1));
    give_at(c, v, index, for_each_row(c, place, &a->type, dim), dim);
}

/* The number of NaN along dim, which stays; NULL: a's type has none. */
static Value *count_nan(Call *c, Value *a, int dim)
{
    bool axes[MAX_RANK] = { false };
    axes[dim] = true;
    if (!dtype_is_float(a->type.dtype))
        return NULL;
    return build_reduce(&c->b, OP_sum, build_cast(&c->b, build1(&c->b, OP_isnan, a), DT_i64), axes, true);
}

/* The lower of the two in the middle. A NaN, if there is any, is the median; nanmedian (1) leaves all of them out. */
void decode_median(Call *c)
{
    Build *b = &c->b;
    bool along = arg_given(c, "dim");
    Value *a = along ? arg_tensor(c, "self") : flat(c, arg_tensor(c, "self")), *index;
    int dim = along ? arg_dim(c, "dim", a->type.rank) : 0;
    const Idx *n = a->type.rank ? a->type.dim[dim] : k(c, 1);
    if (idx_is(n, 0) && !along && dtype_is_float(a->type.dtype)) {
        give(c, number_like(c, a, NAN));
        return;
    }
    call_guard(c, GUARD_LE, k(c, 1), n, "the median of no elements");
    Value *v = sorted(c, a, dim, false, NULL, &index), *nans = count_nan(c, a, dim), *size = build_index(b, n);
    Value *one = build_full_int(b, DT_i64, 1), *two = build_full_int(b, DT_i64, 2), *zero = build_full_int(b, DT_i64, 0);
    Value *place = for_each_row(c, build2(b, OP_div_floor, build2(b, OP_sub, size, one), two), &a->type, dim);
    if (nans && (int)c->row->op == 1)
        place = build2(b, OP_max, build2(b, OP_div_floor, build2(b, OP_sub, build2(b, OP_sub, size, nans), one), two), zero);
    else if (nans)
        place = build3(b, OP_where, build2(b, OP_gt, nans, zero), build2(b, OP_sub, size, nans), place);
    give_at(c, v, index, place, dim);
}

/* The most frequent value, the least of those; its last index.  In a sorted row the first element where a run gets
 * longest is the last of that run. */
void decode_mode(Call *c)
{
    Build *b = &c->b;
    Value *a = arg_tensor(c, "self"), *index;
    int dim = arg_dim(c, "dim", a->type.rank);
    bool axes[MAX_RANK] = { false };
    Value *v = sorted(c, a, dim, false, NULL, &index), *place = build_full_int(b, DT_i64, 0);
    axes[dim] = true;
    if (a->type.rank) {
        const Idx *n = a->type.dim[dim], *one = k(c, 1), *less = idx_addk(b->g->job, n, -1);
        call_guard(c, GUARD_LE, one, n, "the mode of no elements");
        Value *differs = build2(b, OP_ne, build_slice(b, v, dim, one, one, less), build_slice(b, v, dim, k(c, 0), one, less));
        Value *at = iota_along(c, &v->type, dim);
        Value *starts = build3(b, OP_where, differs, build_slice(b, at, 0, one, one, less), place);
        const Idx *low[MAX_RANK];
        for (int i = 0; i < a->type.rank; i++)
            low[i] = k(c, i == dim);
        Type whole = v->type;
        whole.dtype = DT_i64;
        Attr pad[2] = { attr_idx(b->g->job, "low", low, (size_t)whole.rank), attr_float(b->g->job, "value", 0) };
        starts = build(b, OP_pad, &starts, 1, &whole, pad, 2); /* the first run begins at 0 */
        Value *length = build2(b, OP_sub, at, scan(c, starts, dim, OP_max));
        place = first_equal(c, length, build_reduce(b, OP_amax, length, axes, true), dim);
    }
    give_at(c, v, index, place, dim);
}

/* ---- quantiles ---------------------------------------------------------------------------------------------------- */

/* Between the elements at floor(rank) and ceil(rank), rank being q (n - 1), n without NaN for nanquantile (1). */
void decode_quantile(Call *c)
{
    Build *b = &c->b;
    bool along = arg_given(c, "dim"), number, ignore = (int)c->row->op == 1;
    Value *a = arg_tensor(c, "self"), *index;
    a = along && a->type.rank ? a : flat(c, a);
    int dim = along ? arg_dim(c, "dim", a->type.rank) : 0, last = a->type.rank - 1;
    const char *way = arg_text(c, "interpolation");
    DType t = a->type.dtype;
    Value *q = arg_operand(c, "q", &number);
    bool one_q = q->type.rank == 0, all[MAX_RANK] = { true };
    q = at_least_1d(c, build_cast(b, q, t));
    Value *valid = build2(b, OP_and, build2(b, OP_ge, q, number_like(c, q, 0)), build2(b, OP_le, q, number_like(c, q, 1)));
    graph_check(b->g, build_reduce(b, OP_all, valid, all, false), sym(b->g->job, "quantiles are between 0 and 1"), &b->origin);
    a = axis_last(c, a, dim, false);
    Value *v = sorted(c, a, last, false, NULL, &index), *nans = count_nan(c, a, last), *size = build_index(b, a->type.dim[last]);
    Value *one = build_full_int(b, DT_i64, 1), *zero = number_like(c, a, 0), *end = build_cast(b, build2(b, OP_sub, size, one), t);
    call_guard(c, GUARD_LE, k(c, 1), a->type.dim[last], "a quantile of no elements");
    Value *rank, *above, *weight;
    if (ignore)
        rank = build2(b, OP_max, build2(b, OP_mul, q, build_cast(b, build2(b, OP_sub, build2(b, OP_sub, size, nans), one), t)), zero);
    else
        rank = build3(b, OP_where, build2(b, OP_gt, nans, build_full_int(b, DT_i64, 0)), end, build2(b, OP_mul, q, end));
    Op rounding = !strcmp(way, "lower") ? OP_floor : !strcmp(way, "higher") ? OP_ceil : OP_round;
    bool between = !strcmp(way, "linear") || !strcmp(way, "midpoint");
    Value *below = build1(b, between ? OP_floor : rounding, rank), *r = gather(c, v, build_cast(b, below, DT_i64), last);
    if (between) {
        above = gather(c, v, build_cast(b, build1(b, OP_ceil, rank), DT_i64), last);
        weight = *way == 'm' ? number_like(c, a, 0.5) : build2(b, OP_sub, rank, below);
        Value *step = build2(b, OP_sub, above, r), *rest = build2(b, OP_sub, number_like(c, a, 1), weight);
        Value *up = build2(b, OP_add, r, build2(b, OP_mul, weight, step));
        Value *down = build2(b, OP_sub, above, build2(b, OP_mul, step, rest));
        r = build3(b, OP_where, build2(b, OP_lt, weight, number_like(c, a, 0.5)), up, down);
    }
    int front[MAX_RANK] = { last };
    for (int i = 0; i < last; i++)
        front[i + 1] = i;
    r = one_q ? r : build_permute(b, r, front);
    give(c, build_reshape(b, r, c->meta[0].rank, c->meta[0].dim));
}

/* ---- search --------------------------------------------------------------------------------------------------------- */

Value *search_sorted(Call *c, Value *row, Value *v, Value *order, bool right)
{
    Attr at = attr_int(c->b.g->job, "right", right);
    Value *in[3] = { sort_key(c, row), sort_key(c, v), order };
    return build_routine(&c->b, OP_search, in, order ? 3 : 2, &at, 1)->out[0];
}

/* Into the rows of `sorted_sequence`, or (1) into `boundaries`. */
void decode_searchsorted(Call *c)
{
    bool bucketize = (int)c->row->op == 1, number;
    Value *row = arg_tensor(c, bucketize ? "boundaries" : "sorted_sequence"), *v = arg_operand(c, "self", &number);
    Value *order = bucketize ? NULL : arg_tensor_or_null(c, "sorter");
    const char *side = bucketize ? "" : arg_text(c, "side");
    Promotion p = { DT_NONE, DT_NONE, DT_NONE };
    promote_operand(&p, row, false);
    promote_operand(&p, v, number);
    v = search_sorted(c, build_cast(&c->b, row, promoted(&p)), build_cast(&c->b, v, promoted(&p)), order,
                      arg_bool(c, "right") || !strcmp(side, "right"));
    give(c, build_cast(&c->b, v, c->meta[0].dtype));
}
