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

/* Which indices are not padding_idx; NULL: all.  The inner operators know no index from the end: there -1 is none. */
static Value *rows_that_count(Call *c, Value *index, const Idx *rows)
{
    bool inner = !strncmp(c->target, "aten._", 6);
    int64_t skipped = arg_json(c, "padding_idx") ? arg_int(c, "padding_idx") : -1;
    if (!arg_json(c, "padding_idx") || (inner && skipped < 0))
        return NULL;
    const Idx *row = skipped < 0 ? idx_addk(c->b.g->job, rows, skipped) : k(c, skipped);
    return build2(&c->b, OP_ne, build_cast(&c->b, index, DT_i64), int_value(c, row));
}

/* Rows of a table by index, those of one bag joined: their sum, mean or maximum. Bag b begins at offsets[b]. */
void decode_embedding_bag(Call *c)
{
    enum { SUM, MEAN, MAX };
    Build *b = &c->b;
    Job *job = b->g->job;
    const Type *t = &c->meta[0];
    DType d = wide(t->dtype);
    Value *table = arg_tensor(c, "weight"), *index = arg_tensor(c, "indices"), *offsets = arg_tensor(c, "offsets");
    Value *scale = arg_tensor_or_null(c, "per_sample_weights");
    int64_t mode = arg_int(c, "mode");
    if (index->type.rank != 1 || offsets->type.rank != 1 || table->type.rank != 2 || t->rank != 2 || mode < SUM ||
        mode > MAX)
        call_refuse(c, "of operands of these ranks, or mode %lld", (long long)mode);
    const Idx *n = index->type.dim[0], *bags = t->dim[0];
    bool last = arg_bool(c, "include_last_offset"), columns[MAX_RANK] = { false, true };
    call_guard(c, GUARD_EQ, offsets->type.dim[0], idx_addk(job, bags, last), "there must be an offset for each bag");
    offsets = build_cast(b, build_slice(b, offsets, 0, k(c, 0), k(c, 1), bags), DT_i64);
    Value *begun = build2(b, OP_le, offsets, affine_along(c, n, k(c, 0), k(c, 1), 0, 2));
    Value *bag = build_reduce(b, OP_sum, build_cast(b, begun, DT_i64), columns, false);
    bag = build2(b, OP_sub, bag, int_value(c, k(c, 1)));
    Value *kept = rows_that_count(c, index, table->type.dim[0]);
    bool skips = kept != NULL;
    if (!skips)
        kept = build_expand(b, build_full_int(b, DT_bool, 1), 1, &n);
    Value *column = build_reshape(b, kept, 2, (const Idx *[]){ n, k(c, 1) });
    Value *rows = build_cast(b, take(c, table, index, 0), d),
          *nothing = number_like(c, rows, mode == MAX ? -1e308 * 10 : 0);
    if (scale)
        rows = build2(b, OP_mul, rows, build_reshape(b, build_cast(b, scale, d), 2, column->type.dim));
    rows = skips ? build3(b, OP_where, column, rows, nothing) : rows;
    Value *zeros = build_expand(b, nothing, 2, t->dim), *r = put(c, zeros, rows, bag, 0, mode == MAX ? "max" : "add");
    Value *count = build_expand(b, build_full_int(b, DT_i64, 0), 1, &bags);
    count = put(c, count, build_cast(b, kept, DT_i64), bag, 0, "add");
    count = build_reshape(b, count, 2, (const Idx *[]){ bags, k(c, 1) });
    if (mode == MEAN)
        r = build2(b, OP_div, r, build_cast(b, build2(b, OP_max, count, int_value(c, k(c, 1))), d));
    if (mode == MAX)
        r = build3(b, OP_where, build2(b, OP_eq, count, int_value(c, k(c, 0))), number_like(c, r, 0), r);
    give(c, build_cast(b, r, t->dtype));
}

void decode_nothing(Call *c)
{
    (void)c;
}
