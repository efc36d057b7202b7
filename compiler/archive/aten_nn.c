/* SPDX-License-Identifier: MIT */
/* Contractions and the layers of neural networks. */
#include "aten.h"
#include <string.h>

void decode_linear(Call *c)
{
    Value *in[3] = { arg_tensor(c, "input"), arg_tensor(c, "weight"), arg_tensor_or_null(c, "bias") };
    give(c, build(&c->b, OP_linear, in, in[2] ? 3 : 2, &c->meta[0], NULL, 0));
}

void decode_sdpa(Call *c)
{
    Job *job = c->b.g->job;
    Value *in[4] = { arg_tensor(c, "query"), arg_tensor(c, "key"), arg_tensor(c, "value"),
                     arg_tensor_or_null(c, "attn_mask") };
    if (arg_json(c, "dropout_p") && arg_float(c, "dropout_p") != 0)
        call_refuse(c, "it drops at random (dropout_p > 0)");
    if (arg_json(c, "enable_gqa") && arg_bool(c, "enable_gqa"))
        call_refuse(c, "grouped queries (enable_gqa=True)");
    if (in[0]->type.rank < 2 || in[0]->type.rank != in[1]->type.rank || in[0]->type.rank != in[2]->type.rank)
        call_refuse(c, "operands of different ranks");
    Attr at[2] = { attr_int(job, "causal", arg_bool(c, "is_causal")), attr_float(job, "scale", 0) };
    if (arg_json(c, "scale"))
        at[1] = attr_float(job, "scale", arg_float(c, "scale"));
    give(c, build(&c->b, OP_sdpa, in, in[3] ? 4 : 3, &c->meta[0], at, 2));
}

void decode_nothing(Call *c)
{
    (void)c;
}
