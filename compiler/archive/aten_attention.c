/* SPDX-License-Identifier: MIT */
/* Attention. */
#include "aten.h"
#include <string.h>

/* v with leading axes of size 1. */
static Value *of_rank(Call *c, Value *v, int rank)
{
    const Idx *dim[MAX_RANK];
    int more = rank - v->type.rank;
    for (int i = 0; i < rank; i++)
        dim[i] = i < more ? k(c, 1) : v->type.dim[i - more];
    return more > 0 ? build_reshape(&c->b, v, rank, dim) : v;
}

/* v with the axis of its heads, the third from the end, as [heads, each]. */
static Value *grouped(Call *c, Value *v, const Idx *heads, const Idx *each)
{
    Type t = v->type;
    int at = t.rank - 3;
    memmove(t.dim + at + 2, t.dim + at + 1, 2 * sizeof *t.dim);
    t.dim[at] = heads;
    t.dim[at + 1] = each;
    return build_reshape(&c->b, v, t.rank + 1, t.dim);
}

/* Queries in groups that share a key: one more axis, along which keys and values repeat. */
static void group_queries(Call *c, Value **in)
{
    Job *job = c->b.g->job;
    int rank = in[0]->type.rank;
    if (rank < 3 || rank == MAX_RANK || in[2]->type.dim[rank - 3] != in[1]->type.dim[rank - 3])
        call_refuse(c, "grouped queries of operands of these sizes");
    const Idx *heads = in[1]->type.dim[rank - 3], *all = in[0]->type.dim[rank - 3], *one = k(c, 1), *each;
    if (heads->lo < 1 || !idx_divisible(job, all, heads, &each))
        call_refuse(c, "%s heads in groups of %s", idx_text(job, all), idx_text(job, heads));
    in[0] = grouped(c, in[0], heads, each);
    in[1] = grouped(c, in[1], heads, one);
    in[2] = grouped(c, in[2], heads, one);
    if (in[3] && in[3]->type.rank >= 3) {
        bool shared = idx_is(in[3]->type.dim[in[3]->type.rank - 3], 1);
        in[3] = grouped(c, in[3], shared ? one : heads, shared ? one : each);
    }
}

/* Flag b: the mask is called attn_bias.  Other results than the first are for gradients: nobody reads them. */
void decode_sdpa(Call *c)
{
    Job *job = c->b.g->job;
    const char *mask = flag(c, 'b') ? "attn_bias" : "attn_mask";
    Value *in[4] = { arg_tensor(c, "query"), arg_tensor(c, "key"), arg_tensor(c, "value"),
                     arg_tensor_or_null(c, mask) };
    Type t = c->meta[0];
    int rank = t.rank;
    double drop = arg_json(c, "dropout_p") ? arg_float(c, "dropout_p") : 0;
    for (int i = 0; i < 4 && in[i]; i++) {
        if (in[i]->type.rank > rank || rank < 2 || (i < 3 && in[i]->type.rank < 2))
            call_refuse(c, "of operands of these ranks");
        in[i] = i < 3 ? of_rank(c, in[i], rank) : in[i];
    }
    if (arg_json(c, "enable_gqa") && arg_bool(c, "enable_gqa"))
        group_queries(c, in);
    if (in[3] && in[3]->type.dtype != DT_bool)
        in[3] = build_cast(&c->b, in[3], t.dtype);
    Type wide = in[0]->type;
    wide.dim[wide.rank - 1] = t.dim[rank - 1];
    for (int i = 0; i < rank - 2 && wide.rank == rank; i++)
        wide.dim[i] = t.dim[i];
    Attr at[2] = { attr_int(job, "causal", arg_bool(c, "is_causal")), attr_float(job, "scale", 0) };
    if (arg_json(c, "scale") && arg_float(c, "scale") == 0)
        call_refuse(c, "scale 0");
    if (arg_json(c, "scale"))
        at[1] = attr_float(job, "scale", arg_float(c, "scale"));
    Value *v = in[2];
    Type attention = wide;
    if (drop != 0) { /* the weights of each value: what attends to the unit matrix gives */
        const Idx *keys = v->type.dim[v->type.rank - 2];
        Type unit = in[1]->type;
        unit.dim[unit.rank - 2] = unit.dim[unit.rank - 1] = keys;
        in[2] = eye_like(c, &unit);
        attention.dim[attention.rank - 1] = keys;
    }
    Value *r = build(&c->b, OP_sdpa, in, in[3] ? 4 : 3, &attention, at, 2);
    if (drop != 0)
        r = matmul_any(c, dropped(c, r, drop), v, &wide);
    give(c, build_reshape(&c->b, r, rank, t.dim));
}

/* Softmax; a row of nothing but -inf gives zeros. */
void decode_safe_softmax(Call *c)
{
    Build *b = &c->b;
    Value *x = self_as(c, c->meta[0].dtype);
    if (!x->type.rank)
        call_refuse(c, "of a 0-d tensor");
    bool axes[MAX_RANK] = { false };
    int dim = arg_dim(c, "dim", x->type.rank);
    axes[dim] = true;
    Attr at = attr_int(b->g->job, "dim", dim);
    Value *r = build(b, OP_softmax, &x, 1, NULL, &at, 1);
    Value *none = build2(b, OP_eq, build_reduce(b, OP_amax, x, axes, true), number_like(c, x, -1e308 * 10));
    give(c, build3(b, OP_where, none, number_like(c, x, 0), r));
}
