/* SPDX-License-Identifier: MIT */
/* Sorting and what is made of it. */
#include "aten.h"

/* Axis dim last, the others in their order; or back from there. */
static Value *axis_last(Call *c, Value *a, int dim, bool back)
{
    int dims[MAX_RANK], rank = a->type.rank, n = 0;
    for (int i = 0; i < rank; i++)
        if (i != dim)
            dims[n++] = i;
    if (!back) {
        dims[n] = dim;
        return build_permute(&c->b, a, dims);
    }
    for (int i = 0; i < rank; i++)
        dims[i] = i < dim ? i : i == dim ? rank - 1 : i - 1;
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

/* a sorted along dim, which may be of a 0-d tensor, and the indices. */
static Value *sorted(Call *c, Value *a, int dim, bool descending, Value **index)
{
    Build *b = &c->b;
    DType t = a->type.dtype;
    const DTypeInfo *d = &dtype_info[t];
    if (d->kind == DK_C)
        call_refuse(c, "of complex numbers, which have no order");
    DType wide = d->kind == DK_F ? (t == DT_f64 ? t : DT_f32) : d->bytes < 4 || t == DT_i32 ? DT_i32 : DT_i64;
    Value *key = t == DT_u64 ? flip_top_bit(c, a, DT_i64) : build_cast(b, a, wide);
    Attr at = attr_int(b->g->job, "descending", descending);
    key = axis_last(c, key, dim, false);
    Node *n = build_routine(b, OP_sort, &key, 1, &at, 1);
    *index = axis_last(c, n->out[1], dim, true);
    Value *v = axis_last(c, n->out[0], dim, true);
    return t == DT_u64 ? flip_top_bit(c, v, t) : build_cast(b, v, t);
}

void decode_sort(Call *c) /* and argsort (1), msort (2) */
{
    int kind = (int)c->row->op;
    Value *a = arg_tensor(c, "self"), *index;
    int rank = a->type.rank ? a->type.rank : 1;
    Value *v = sorted(c, a, kind == 2 ? 0 : arg_dim(c, "dim", rank), kind != 2 && arg_bool(c, "descending"), &index);
    give(c, kind == 1 ? index : v);
    c->result[1] = index;
}
