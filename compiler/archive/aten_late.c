/* SPDX-License-Identifier: MIT */
/* Results whose sizes only the run knows.  What is selected is counted and put at the front of a tensor of the full size
 * (`compact`); the count gives the late symbol its value, and the result is the front of that tensor. */
#include "aten.h"

/* The flat indices, i64[size], of what holds in `mask`; size NULL: a symbol of its own. */
static Value *selected(Call *c, Value *mask, const Idx *size)
{
    mask = flat(c, as_bool(c, mask));
    Node *n = build_routine(&c->b, OP_compact, &mask, 1, NULL, 0);
    if (size)
        call_size(c, size, n->out[1], mask->type.dim[0]);
    else
        size = call_number(c, n->out[1], 0, mask->type.dim[0]);
    return build_slice(&c->b, n->out[0], 0, k(c, 0), k(c, 1), size);
}

/* Column `axis` of the indices: that of the element of a tensor of type t at the flat index. */
static Value *column(Call *c, Value *index, const Type *t, int axis)
{
    Build *b = &c->b;
    const Idx *inner = k(c, 1), *outer = k(c, 1);
    for (int i = 0; i < t->rank; i++)
        *(i < axis ? &outer : &inner) = idx_mul(b->g->job, i < axis ? outer : inner, i == axis ? k(c, 1) : t->dim[i]);
    if (!idx_is(inner, 1))
        index = build2(b, OP_div_floor, index, build_index(b, idx_max(b->g->job, inner, k(c, 1))));
    if (!idx_is(outer, 1))
        index = build2(b, OP_rem, index, build_index(b, idx_max(b->g->job, t->dim[axis], k(c, 1))));
    return index;
}

void mask_indices(Call *c, Value *mask, const Idx *size, Value **out)
{
    Value *index = selected(c, mask, size);
    for (int i = 0; i < mask->type.rank; i++)
        out[i] = column(c, index, &mask->type, i);
}

/* [n, rank] of the flat indices i64[n]. */
static Value *columns(Call *c, Value *index, const Type *t)
{
    Build *b = &c->b;
    const Idx *n = index->type.dim[0], *dim[2] = { n, k(c, t->rank) };
    Value *one[MAX_RANK];
    if (!t->rank)
        return build_expand(b, build_full_int(b, DT_i64, 0), 2, dim);
    for (int i = 0; i < t->rank; i++)
        one[i] = build_reshape(b, column(c, index, t, i), 2, (const Idx *[]){ n, k(c, 1) });
    Attr at = attr_int(b->g->job, "dim", 1);
    return t->rank == 1 ? one[0] : build(b, OP_cat, one, (uint32_t)t->rank, NULL, &at, 1);
}

void decode_nonzero(Call *c) /* and nonzero_numpy (1): a column each */
{
    Value *a = arg_tensor(c, "self");
    if ((int)c->row->op == 1)
        mask_indices(c, a->type.rank ? a : flat(c, a), c->meta[0].dim[0], c->result);
    else
        give(c, columns(c, selected(c, a, c->meta[0].dim[0]), &a->type));
}

/* The first `size` of them, `fill_value` behind the last. */
void decode_nonzero_static(Call *c)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    Value *a = arg_tensor(c, "self"), *mask = flat(c, as_bool(c, a));
    Node *n = build_routine(b, OP_compact, &mask, 1, NULL, 0);
    const Idx *size = c->meta[0].dim[0], *all = mask->type.dim[0], *zero = k(c, 0);
    Value *index = n->out[0];
    Attr pad[2] = { attr_idx(job, "low", &zero, 1), attr_float(job, "value", 0) };
    Type t = { DT_i64, 1, { idx_max(job, size, all) } };
    if (t.dim[0] != all)
        index = build(b, OP_pad, &index, 1, &t, pad, 2);
    index = build_slice(b, index, 0, zero, k(c, 1), size);
    Value *i = build(b, OP_iota, NULL, 0, &(Type){ DT_i64, 1, { size } }, NULL, 0);
    i = build_reshape(b, i, 2, (const Idx *[]){ size, k(c, 1) });
    Value *fill = build_full_int(b, DT_i64, arg_int(c, "fill_value"));
    give(c, build3(b, OP_where, build2(b, OP_lt, i, n->out[1]), columns(c, index, &a->type), fill));
}

void decode_masked_select(Call *c)
{
    Build *b = &c->b;
    Value *a = arg_tensor(c, "self"), *mask = arg_tensor(c, "mask");
    Node both = { .op = OP_and, .in_count = 2, .in = (Value *[]){ a, mask }, .origin = b->origin };
    Type t; /* for its sizes */
    type_infer(b->g->job, &both, &t);
    a = flat(c, build_expand(b, a, t.rank, t.dim));
    mask = build_expand(b, mask, t.rank, t.dim);
    give(c, take(c, a, selected(c, mask, c->meta[0].dim[0]), 0));
}

/* ---- bincount ------------------------------------------------------------------------------------------------------- */

void decode_bincount(Call *c)
{
    Build *b = &c->b;
    const Type *t = &c->meta[0];
    Value *a = build_cast(b, arg_tensor(c, "self"), DT_i64), *weights = arg_tensor_or_null(c, "weights");
    if (a->type.rank != 1 || t->rank != 1)
        call_refuse(c, "of %s as %s", type_text(b->g->job, &a->type), type_text(b->g->job, t));
    Value *most = build_reduce(b, OP_amax, a, (const bool[MAX_RANK]){ true }, false);
    most = build2(b, OP_max, build2(b, OP_add, most, build_full_int(b, DT_i64, 1)), int_value(c, arg_idx(c, "minlength")));
    call_size(c, t->dim[0], most, NULL);
    Value *none = build_expand(b, build_full_int(b, t->dtype, 0), 1, t->dim);
    weights = weights ? build_cast(b, weights, t->dtype) : build_full_int(b, t->dtype, 1);
    give(c, put(c, none, weights, a, 0, "add"));
}

/* Where the mask holds, the elements of `source` in order. */
void decode_masked_scatter(Call *c)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    const Type *t = &c->meta[0];
    Value *a = build_expand(b, arg_tensor(c, "self"), t->rank, t->dim);
    Value *mask = flat(c, build_expand(b, as_bool(c, arg_tensor(c, "mask")), t->rank, t->dim));
    Value *source = flat(c, build_cast(b, arg_tensor(c, "source"), t->dtype)), *ones = build_cast(b, mask, DT_i64);
    const Idx *n = source->type.dim[0], *low = k(c, 0);
    Value *count = build_reduce(b, OP_sum, ones, (const bool[MAX_RANK]){ true }, false);
    graph_check(b->g, build2(b, OP_le, count, int_value(c, n)), sym(job, "the source has an element for each that the mask selects"),
                &b->origin);
    Value *at = build2(b, OP_sub, running_sum(c, ones), build_full_int(b, DT_i64, 1));
    at = build3(b, OP_where, mask, at, int_value(c, n)); /* the others read one more, that is not there */
    Attr pad[2] = { attr_idx(job, "low", &low, 1), attr_float(job, "value", 0) };
    source = build(b, OP_pad, &source, 1, &(Type){ t->dtype, 1, { idx_addk(job, n, 1) } }, pad, 2);
    Value *v = build3(b, OP_where, mask, take(c, source, at, 0), flat(c, a));
    give(c, build_reshape(b, v, t->rank, t->dim));
}

/* ---- of numbers in a tensor ------------------------------------------------------------------------------------------ */

Value *running_sum(Call *c, Value *v)
{
    Attr at[2] = { attr_int(c->b.g->job, "axis", 0), attr_text(c->b.g->job, "op", "add") };
    return build(&c->b, OP_scan, &v, 1, NULL, at, 2);
}

Value *repeat_indices(Call *c, Value *repeats, const Idx *size)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    Value *zero = build_full_int(b, DT_i64, 0), *one = build_full_int(b, DT_i64, 1);
    if (repeats->type.rank != 1)
        call_refuse(c, "with repeats of %d dimensions", repeats->type.rank);
    repeats = build_cast(b, repeats, DT_i64);
    Value *fine = build_reduce(b, OP_all, build2(b, OP_ge, repeats, zero), (const bool[MAX_RANK]){ true }, false);
    graph_check(b->g, fine, sym(job, "repeats are not negative"), &b->origin);
    call_size(c, size, build_reduce(b, OP_sum, repeats, (const bool[MAX_RANK]){ true }, false), NULL);
    Value *first = build2(b, OP_sub, running_sum(c, repeats), repeats);
    Value *marks = build_expand(b, zero, 1, (const Idx *[]){ idx_addk(job, size, 1) }); /* one more: empty ones at the end */
    marks = put(c, marks, one, first, 0, "add");
    Value *count = running_sum(c, marks);
    return build2(b, OP_sub, build_slice(b, count, 0, k(c, 0), k(c, 1), size), one);
}

/* The elements of a chosen r at once, in order: the rows of indices that grow. */
void decode_combinations(Call *c)
{
    Build *b = &c->b;
    Value *a = arg_tensor(c, "self"), *grows = build_full_int(b, DT_bool, 1);
    int64_t r = arg_int(c, "r");
    Type grid = { DT_i64, (int)r, { NULL } };
    if (a->type.rank != 1 || r < 1 || r > MAX_RANK)
        call_refuse(c, "of %d dimensions, %lld at once", a->type.rank, (long long)r);
    for (int i = 0; i < r; i++)
        grid.dim[i] = a->type.dim[0];
    Op order = arg_bool(c, "with_replacement") ? OP_le : OP_lt;
    for (int i = 0; i + 1 < r; i++)
        grows = build2(b, OP_and, grows, build2(b, order, iota_along(c, &grid, i), iota_along(c, &grid, i + 1)));
    Value *index = selected(c, build_expand(b, grows, (int)r, grid.dim), c->meta[0].dim[0]);
    give(c, take(c, a, columns(c, index, &grid), 0));
}
