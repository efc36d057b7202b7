/* SPDX-License-Identifier: MIT */
/* Indexing by data. */
#include "aten.h"

Value *take(Call *c, Value *a, Value *index, int axis)
{
    Attr at = attr_int(c->b.g->job, "axis", axis);
    Value *in[2] = { a, build_cast(&c->b, index, DT_i64) };
    return build(&c->b, OP_take, in, 2, NULL, &at, 1);
}

void decode_embedding(Call *c)
{
    give(c, take(c, arg_tensor(c, "weight"), arg_tensor(c, "indices"), 0));
}

void decode_index_select(Call *c)
{
    Value *a = arg_tensor(c, "self"), *i = arg_tensor(c, "index");
    if (!a->type.rank)
        call_refuse(c, "of a 0-d tensor");
    i = build_reshape(&c->b, i, 1, (const Idx *[]){ type_count(c->b.g->job, &i->type) });
    give(c, take(c, a, i, arg_dim(c, "dim", a->type.rank)));
}

void decode_gather(Call *c)
{
    Value *in[2] = { arg_tensor(c, "self"), build_cast(&c->b, arg_tensor(c, "index"), DT_i64) };
    int rank = in[0]->type.rank;
    if (!rank || in[1]->type.rank != rank)
        call_refuse(c, "of tensors without dimensions or of different ranks");
    Attr at = attr_int(c->b.g->job, "axis", arg_dim(c, "dim", rank));
    give(c, build(&c->b, OP_gather, in, 2, &c->meta[0], &at, 1));
}
