/* SPDX-License-Identifier: MIT */
/* unique: sorted values or rows, and where they differ from their neighbours. */
#include "aten.h"

/* v[i + by], 0 outside, along the first axis. */
static Value *neighbours(Call *c, Value *v, int by, const Idx *size)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    const Idx *low[MAX_RANK];
    Type t = v->type;
    for (int i = 0; i < t.rank; i++)
        low[i] = k(c, i == 0 && by < 0 ? -by : 0);
    t.dim[0] = idx_addk(job, t.dim[0], by < 0 ? -by : by);
    Attr pad[2] = { attr_idx(job, "low", low, (size_t)t.rank), attr_float(job, "value", 0) };
    return build_slice(b, build(b, OP_pad, &v, 1, &t, pad, 2), 0, k(c, by < 0 ? 0 : by), k(c, 1), size);
}

typedef struct Groups {
    Value *first;   /* i64[count]: where each begins */
    Value *lengths; /* i64[count] */
    Value *of;      /* i64[n]: to which each belongs */
} Groups;

/* Runs of equal rows of v, [n] or [n, m]; their number is `size`. */
static Groups groups(Call *c, Value *v, const Idx *size)
{
    Build *b = &c->b;
    const Idx *n = v->type.dim[0];
    Value *differs = build2(b, OP_ne, v, neighbours(c, v, -1, n));
    if (v->type.rank == 2)
        differs = build_reduce(b, OP_any, differs, (const bool[]){ false, true }, false);
    Value *i = iota_along(c, &differs->type, 0), *one = build_full_int(b, DT_i64, 1);
    differs = build2(b, OP_or, differs, build2(b, OP_lt, i, one));
    Groups g;
    mask_indices(c, differs, size, &g.first);
    Value *next = neighbours(c, g.first, 1, size), *last = int_value(c, idx_addk(b->g->job, size, -1));
    next = build3(b, OP_where, build2(b, OP_lt, iota_along(c, &g.first->type, 0), last), next, int_value(c, n));
    g.lengths = build2(b, OP_sub, next, g.first);
    g.of = build2(b, OP_sub, running_sum(c, build_cast(b, differs, DT_i64)), one);
    return g;
}

/* The size that this call finds: of a negative dim the exporter records it at another axis. */
static const Idx *new_size(Call *c, int dim)
{
    const Idx *size = call_new_size(c, &c->meta[0]);
    return size ? size : c->meta[0].dim[dim];
}

/* What number i in order has, where number order[i] was before. */
static Value *unsorted(Call *c, Value *v, Value *order)
{
    Value *zero = build_full_int(&c->b, DT_i64, 0);
    return put(c, build_expand(&c->b, zero, 1, v->type.dim), v, order, 0, "set");
}

static void give_unique(Call *c, Value *v, Value *of, Value *lengths)
{
    Value *none = build_expand(&c->b, build_full_int(&c->b, DT_i64, 0), 1, (const Idx *[]){ k(c, 0) });
    give(c, v);
    c->result[1] = of ? of : none;
    c->result[2] = lengths ? lengths : none;
}

/* The values in a type that sort and sort_rows know, in the same order. */
static Value *sort_key(Call *c, Value *v)
{
    DType t = v->type.dtype;
    if (dtype_is_complex(t))
        call_refuse(c, "of complex numbers, which have no order");
    if (t == DT_u64)
        return build2(&c->b, OP_xor, build_cast(&c->b, v, DT_i64), build_full_int(&c->b, DT_i64, INT64_MIN));
    return build_cast(&c->b, v, t == DT_f64 ? t : dtype_is_float(t) ? DT_f32 : DT_i64);
}

static void unique_values(Call *c, bool sort)
{
    Build *b = &c->b;
    Value *a = arg_tensor(c, "self"), *v = flat(c, a), *order = NULL;
    if (sort) {
        order = sort_last(c, sort_key(c, v), false, NULL)->out[1];
        v = take(c, v, order, 0);
    }
    Groups g = groups(c, v, new_size(c, 0));
    bool inverse = arg_bool(c, "return_inverse"), counts = c->result_count > 2 && arg_bool(c, "return_counts");
    Value *of = inverse && sort ? unsorted(c, g.of, order) : g.of;
    give_unique(c, take(c, v, g.first, 0), inverse ? build_reshape(b, of, a->type.rank, a->type.dim) : NULL,
                counts ? g.lengths : NULL);
}

static void unique_rows(Call *c, bool sort)
{
    Build *b = &c->b;
    Value *a = arg_tensor(c, "self"), *order = NULL;
    int dim = arg_dim(c, "dim", a->type.rank), to_front[MAX_RANK], back[MAX_RANK];
    if (!a->type.rank)
        call_refuse(c, "of a 0-d tensor along a dimension");
    for (int i = 0; i < a->type.rank; i++) {
        to_front[i] = i == 0 ? dim : i <= dim ? i - 1 : i;
        back[to_front[i]] = i;
    }
    Value *front = build_permute(b, a, to_front);
    const Idx *m = k(c, 1);
    for (int i = 1; i < a->type.rank; i++)
        m = idx_mul(b->g->job, m, front->type.dim[i]);
    Value *rows = build_reshape(b, front, 2, (const Idx *[]){ front->type.dim[0], m });
    if (sort) {
        Value *key = sort_key(c, rows);
        order = build_routine(b, OP_sort_rows, &key, 1, NULL, 0)->out[0];
        rows = take(c, rows, order, 0);
    }
    Groups g = groups(c, rows, new_size(c, dim));
    Type t = front->type;
    t.dim[0] = g.first->type.dim[0];
    Value *v = build_reshape(b, take(c, rows, g.first, 0), t.rank, t.dim);
    give_unique(c, build_permute(b, v, back), sort ? unsorted(c, g.of, order) : g.of, g.lengths);
}

void decode_unique(Call *c)
{
    unique_values(c, true);
}

void decode_unique_dim(Call *c) /* and unique_dim_consecutive (1) */
{
    unique_rows(c, (int)c->row->op != 1);
}

void decode_unique_consecutive(Call *c)
{
    arg_given(c, "dim") ? unique_rows(c, false) : unique_values(c, false);
}
