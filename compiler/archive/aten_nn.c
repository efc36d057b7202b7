/* SPDX-License-Identifier: MIT */
/* Contractions and the layers of neural networks. */
#include "aten.h"
#include <string.h>

void decode_linear(Call *c)
{
    Value *in[3] = { arg_tensor(c, "input"), arg_tensor(c, "weight"), arg_tensor_or_null(c, "bias") };
    give(c, build(&c->b, OP_linear, in, in[2] ? 3 : 2, &c->meta[0], NULL, 0));
}

/* sum over i, j of x1[.., i] * w[k, i, j] * x2[.., j], and the bias. */
void decode_bilinear(Call *c)
{
    Build *b = &c->b;
    DType t = c->meta[0].dtype, sum = wide(t);
    Value *x1 = build_cast(b, arg_tensor(c, "input1"), sum), *x2 = build_cast(b, arg_tensor(c, "input2"), sum);
    Value *w = build_cast(b, arg_tensor(c, "weight"), sum), *bias = arg_tensor_or_null(c, "bias");
    const Type *out = &c->meta[0];
    int rank = x1->type.rank;
    if (w->type.rank != 3 || rank < 1 || x2->type.rank != rank || out->rank != rank || rank == MAX_RANK)
        call_refuse(c, "of operands of these ranks");
    const Idx *n = w->type.dim[0], *j = w->type.dim[2];
    w = build_permute(b, w, (int[]){ 1, 0, 2 });
    w = build_reshape(b, w, 2, (const Idx *[]){ w->type.dim[0], idx_mul(b->g->job, n, j) });
    Type split = x1->type, one = x2->type;
    if (rank == 1)
        x1 = build_reshape(b, x1, 2, (const Idx *[]){ k(c, 1), split.dim[0] });
    split.dim[rank - 1] = n;
    split.dim[split.rank++] = j;
    one.dim[rank - 1] = k(c, 1);
    one.dim[one.rank++] = x2->type.dim[rank - 1];
    Value *r = build_reshape(b, build2(b, OP_matmul, x1, w), split.rank, split.dim);
    r = build2(b, OP_mul, r, build_reshape(b, x2, one.rank, one.dim));
    bool axes[MAX_RANK] = { false };
    axes[rank] = true;
    r = build_reduce(b, OP_sum, r, axes, false);
    give(c, build_cast(b, bias ? build2(b, OP_add, r, build_cast(b, bias, sum)) : r, t));
}

/* The product of three tensors that get axes of size 1 where `expand` says, summed over sumdim. */
void decode_trilinear(Call *c)
{
    Build *b = &c->b;
    DType t = c->meta[0].dtype;
    Value *product = NULL;
    for (int i = 0; i < 3; i++) {
        int64_t at[MAX_RANK];
        Value *v = build_cast(b, arg_tensor(c, job_printf(b->g->job, "i%d", i + 1)), wide(t));
        size_t n = arg_ints(c, job_printf(b->g->job, "expand%d", i + 1), at, MAX_RANK, 0);
        for (size_t j = 0; j < n; j++) { /* in order, each an axis of the result so far */
            Type one = v->type;
            if (at[j] < 0 || at[j] > one.rank || one.rank == MAX_RANK)
                call_refuse(c, "axis %lld", (long long)at[j]);
            memmove(one.dim + at[j] + 1, one.dim + at[j], (size_t)(one.rank - at[j]) * sizeof *one.dim);
            one.dim[at[j]] = k(c, 1);
            v = build_reshape(b, v, one.rank + 1, one.dim);
        }
        product = product ? build2(b, OP_mul, product, v) : v;
    }
    int64_t sum[MAX_RANK];
    bool axes[MAX_RANK] = { false };
    size_t n = arg_ints(c, "sumdim", sum, MAX_RANK, 0);
    for (size_t i = 0; i < n; i++) {
        if (sum[i] < 0 || sum[i] >= product->type.rank)
            call_refuse(c, "axis %lld", (long long)sum[i]);
        axes[sum[i]] = true;
    }
    give(c, build_cast(b, n ? build_reduce(b, OP_sum, product, axes, false) : product, t));
}

void decode_nothing(Call *c)
{
    (void)c;
}
