/* SPDX-License-Identifier: MIT */
/* Products of vectors, matrices and tensors: all of them matmul. */
#include "aten.h"
#include <string.h>

Value *matmul_any(Call *c, Value *a, Value *b, const Type *result)
{
    Type x = a->type, y = b->type;
    if (!x.rank || !y.rank)
        call_refuse(c, "of a 0-d tensor");
    if (x.rank == 1)
        a = build_reshape(&c->b, a, 2, (const Idx *[]){ k(c, 1), x.dim[0] });
    if (y.rank == 1)
        b = build_reshape(&c->b, b, 2, (const Idx *[]){ y.dim[0], k(c, 1) });
    Value *r = build2(&c->b, OP_matmul, a, b);
    return build_reshape(&c->b, r, result->rank, result->dim);
}

/* The second operand, whatever the schema calls it. */
static Value *second(Call *c)
{
    static const char *const names[] = { "mat2", "vec", "vec2", "tensor", "other" };
    size_t i = 0;
    while (i + 1 < sizeof names / sizeof *names && !arg_json(c, names[i]))
        i++;
    return arg_tensor(c, names[i]);
}

void decode_matmul(Call *c)
{
    give(c, matmul_any(c, arg_tensor(c, "self"), second(c), &c->meta[0]));
}

/* Where groups of rows end: of i64, checked to ascend from 0 to `rows`. */
static Value *group_ends(Call *c, Value *ends, const Idx *rows)
{
    Build *b = &c->b;
    ends = build_cast(b, ends, DT_i64);
    const Idx *n = ends->type.dim[0], *one = k(c, 1);
    if (n->lo < 1)
        call_refuse(c, "of %s groups", idx_text(b->g->job, n));
    Value *upper = build_slice(b, ends, 0, one, one, idx_addk(b->g->job, n, -1));
    Value *lower = build_slice(b, ends, 0, k(c, 0), one, idx_addk(b->g->job, n, -1));
    Value *first = pick(c, ends, 0, k(c, 0), &(Type){ .dtype = DT_i64 });
    Value *last = pick(c, ends, 0, idx_addk(b->g->job, n, -1), &(Type){ .dtype = DT_i64 });
    Value *holds = build_reduce(b, OP_all, build2(b, OP_le, lower, upper), (bool[MAX_RANK]){ true }, false);
    holds = build2(b, OP_and, holds, build2(b, OP_le, build_full_int(b, DT_i64, 0), first));
    holds = build2(b, OP_and, holds, build2(b, OP_le, last, build_index(b, rows)));
    graph_check(b->g, holds, sym(b->g->job, "the ends of groups of rows ascend and are no more than the rows"), &b->origin);
    return ends;
}

/* The rows of self in groups, each by a matrix of mat2 [groups, k, n] (in transformers' words input and weight); or a
 * batch of matrices by a batch. */
void decode_grouped_mm(Call *c)
{
    bool torch = arg_json(c, "self") != NULL;
    Build *b = &c->b;
    Value *a = arg_tensor(c, torch ? "self" : "input"), *w = arg_tensor(c, torch ? "mat2" : "weight"), *r;
    Value *ends = arg_tensor_or_null(c, "offs");
    if (arg_json(c, "bias") && arg_tensor_or_null(c, "bias"))
        call_refuse(c, "with a bias");
    if (ends ? a->type.rank != 2 || w->type.rank != 3 : a->type.rank != 3 || w->type.rank != 3)
        call_refuse(c, "of tensors of rank %d and %d, %s", a->type.rank, w->type.rank,
                    ends ? "where groups are not rows of the first one" : "without ends of groups");
    if (wide(a->type.dtype) != DT_f32 || a->type.dtype != w->type.dtype)
        call_refuse(c, "of %s and %s", dtype_info[a->type.dtype].name, dtype_info[w->type.dtype].name);
    if (ends && (ends->type.rank != 1 || ends->type.dim[0] != w->type.dim[0]))
        fail_at(b->g->job, EXIT_INPUT, &b->origin, "%s: not an end for each of the groups", c->target);
    if (!ends)
        r = build2(b, OP_matmul, a, w);
    else
        r = build3(b, OP_grouped_matmul, a, w, group_ends(c, ends, a->type.dim[0]));
    give(c, build_cast(b, r, c->meta[0].dtype));
}

static Value *scaled(Call *c, Value *v, const char *name)
{
    bool number;
    if (!arg_json(c, name))
        return v;
    Value *s = build_cast(&c->b, arg_operand(c, name, &number), v->type.dtype);
    return build2(&c->b, v->type.dtype == DT_bool ? OP_and : OP_mul, v, s);
}

static Value *outer(Call *c, Value *a, Value *b)
{
    if (a->type.rank != 1 || b->type.rank != 1)
        call_refuse(c, "of tensors that are no vectors");
    a = build_reshape(&c->b, a, 2, (const Idx *[]){ a->type.dim[0], k(c, 1) });
    return build2(&c->b, a->type.dtype == DT_bool ? OP_and : OP_mul, a, b);
}

/* beta self + alpha product: addmm, baddbmm (1), addbmm (2: the sum of the batch), addmv (3), addr (4). */
void decode_addmm(Call *c)
{
    static const char *const names[][2] = { { "mat1", "mat2" },
                                            { "batch1", "batch2" },
                                            { "batch1", "batch2" },
                                            { "mat", "vec" },
                                            { "vec1", "vec2" } };
    int kind = (int)c->row->op;
    Build *b = &c->b;
    Type t = c->meta[0], product = t;
    DType d = wide(t.dtype); /* one rounding, at the end */
    Value *x = build_cast(b, arg_tensor(c, names[kind][0]), d), *y = build_cast(b, arg_tensor(c, names[kind][1]), d),
          *r;
    if (kind == 2) {
        if (x->type.rank != 3)
            call_refuse(c, "of tensors without a batch");
        product = (Type){ .rank = 3, .dim = { x->type.dim[0], t.dim[0], t.dim[1] } };
    }
    r = kind == 4 ? outer(c, x, y) : matmul_any(c, x, y, &product);
    if (kind == 2)
        r = build_reduce(b, OP_sum, r, (bool[MAX_RANK]){ true }, false);
    r = scaled(c, r, "alpha");
    if (!arg_json(c, "beta") || arg_float(c, "beta") != 0) { /* else not even its NaNs count */
        Value *self = scaled(c, build_cast(b, arg_tensor(c, "self"), d), "beta");
        r = build2(b, d == DT_bool ? OP_or : OP_add, r, self);
    }
    give(c, build_cast(b, r, t.dtype));
}

void decode_outer(Call *c)
{
    DType t = c->meta[0].dtype;
    give(c, outer(c, self_as(c, t), build_cast(&c->b, second(c), t)));
}

/* One axis where a holds `want`: those of the list first (or last), the others in order before (behind) them. */
static Value *gathered(Call *c, Value *a, const int64_t *list, size_t n, bool last, const Idx **rest, const Idx **count)
{
    int dims[MAX_RANK], kept = 0, rank = a->type.rank;
    bool taken[MAX_RANK] = { false };
    const Idx *dim[MAX_RANK];
    *count = *rest = k(c, 1);
    for (size_t i = 0; i < n; i++) {
        int64_t d = list[i] < 0 ? list[i] + rank : list[i];
        if (d < 0 || d >= rank || taken[d])
            fail_at(c->b.g->job, EXIT_INPUT, &c->b.origin, "%s: dimension %lld is out of range", c->target,
                    (long long)list[i]);
        taken[d] = true;
        dims[last ? (size_t)rank - n + i : i] = (int)d;
        *count = idx_mul(c->b.g->job, *count, a->type.dim[d]);
    }
    for (int i = 0; i < rank; i++)
        if (!taken[i]) {
            dims[last ? (size_t)kept : n + (size_t)kept] = i;
            kept++;
            *rest = idx_mul(c->b.g->job, *rest, a->type.dim[i]);
        }
    dim[last] = *count;
    dim[!last] = *rest;
    return build_reshape(&c->b, build_permute(&c->b, a, dims), 2, dim);
}

/* The sum over axes x of a and y of b. */
static Value *contract(Call *c, Value *a, const int64_t *x, Value *b, const int64_t *y, size_t n, const Type *result)
{
    const Idx *m, *j, *p, *q;
    a = gathered(c, a, x, n, true, &m, &j);
    b = gathered(c, b, y, n, false, &p, &q);
    return build_reshape(&c->b, build2(&c->b, OP_matmul, a, b), result->rank, result->dim);
}

void decode_tensordot(Call *c)
{
    int64_t x[MAX_RANK], y[MAX_RANK];
    Value *a = arg_tensor(c, "self"), *b = arg_tensor(c, "other");
    size_t n = arg_ints(c, "dims_self", x, MAX_RANK, 0), m = arg_ints(c, "dims_other", y, MAX_RANK, 0);
    if (n != m)
        fail_at(c->b.g->job, EXIT_INPUT, &c->b.origin, "%s: lists of different lengths", c->target);
    for (size_t i = 0; i < n; i++) { /* a size of 1 is repeated: the other side is summed */
        int64_t d = x[i] < 0 ? x[i] + a->type.rank : x[i], e = y[i] < 0 ? y[i] + b->type.rank : y[i];
        bool axes[MAX_RANK] = { false };
        if (d < 0 || d >= a->type.rank || e < 0 || e >= b->type.rank)
            fail_at(c->b.g->job, EXIT_INPUT, &c->b.origin, "%s: a dimension is out of range", c->target);
        if (idx_is(a->type.dim[d], 1) == idx_is(b->type.dim[e], 1))
            continue;
        bool left = idx_is(b->type.dim[e], 1);
        axes[left ? d : e] = true;
        *(left ? &a : &b) = build_reduce(&c->b, OP_sum, left ? a : b, axes, true);
    }
    give(c, contract(c, a, x, b, y, n, &c->meta[0]));
}

void decode_inner(Call *c) /* over the last axis of both */
{
    Value *a = arg_tensor(c, "self"), *b = arg_tensor(c, "other");
    bool scale = !a->type.rank || !b->type.rank;
    give(c,
         scale ? build2(&c->b, OP_mul, a, b) : contract(c, a, (int64_t[]){ -1 }, b, (int64_t[]){ -1 }, 1, &c->meta[0]));
}

/* a with axes of size 1 between (or before) its own. */
static Value *spread(Call *c, Value *a, int rank, bool before)
{
    const Idx *dim[MAX_RANK];
    for (int i = 0; i < rank; i++) {
        int own = i - (rank - a->type.rank);
        dim[2 * i + before] = own < 0 ? k(c, 1) : a->type.dim[own];
        dim[2 * i + !before] = k(c, 1);
    }
    return build_reshape(&c->b, a, 2 * rank, dim);
}

void decode_kron(Call *c)
{
    Value *a = self_as(c, c->meta[0].dtype), *b = build_cast(&c->b, arg_tensor(c, "other"), c->meta[0].dtype);
    int rank = c->meta[0].rank;
    if (2 * rank > MAX_RANK)
        call_refuse(c, "of %d dimensions", rank);
    Value *r = build2(&c->b, OP_mul, spread(c, a, rank, false), spread(c, b, rank, true));
    give(c, build_reshape(&c->b, r, rank, c->meta[0].dim));
}

void decode_multi_dot(Call *c)
{
    Value **in;
    Build *b = &c->b;
    size_t n = arg_tensors(c, arg_json(c, "matrices") ? "matrices" : "tensors", &in);
    for (size_t i = 0; i < n; i++) {
        const Type *t = &in[i]->type;
        if (t->rank != 2 && (t->rank != 1 || (i && i + 1 < n)))
            call_refuse(c, "of tensors that are no matrices");
    }
    if (n < 1)
        call_refuse(c, "of no matrices");
    Value *r = in[0];
    if (r->type.rank == 1)
        r = build_reshape(b, r, 2, (const Idx *[]){ k(c, 1), r->type.dim[0] });
    for (size_t i = 1; i < n; i++) {
        Value *x = in[i];
        if (x->type.rank == 1)
            x = build_reshape(b, x, 2, (const Idx *[]){ x->type.dim[0], k(c, 1) });
        r = build2(b, OP_matmul, r, x);
    }
    give(c, build_reshape(b, r, c->meta[0].rank, c->meta[0].dim));
}

/* The axis of three elements turned so that element i is at its start. */
static Value *turned(Call *c, Value *a, int dim, int i)
{
    Build *b = &c->b;
    Value *part[2] = { build_slice(b, a, dim, k(c, i), k(c, 1), k(c, 3 - i)),
                       build_slice(b, a, dim, k(c, 0), k(c, 1), k(c, i)) };
    Attr at = attr_int(b->g->job, "dim", dim);
    return build(b, OP_cat, part, 2, NULL, &at, 1);
}

void decode_cross(Call *c)
{
    Build *b = &c->b;
    const Type *t = &c->meta[0];
    DType d = wide(t->dtype);
    Value *x = build_expand(b, self_as(c, d), t->rank, t->dim);
    Value *y = build_expand(b, build_cast(b, arg_tensor(c, "other"), d), t->rank, t->dim);
    int dim = 0;
    if (arg_given(c, "dim"))
        dim = arg_dim(c, "dim", t->rank);
    else
        while (dim < t->rank && !idx_is(t->dim[dim], 3)) /* the first of size 3 */
            dim++;
    if (dim >= t->rank || !idx_is(t->dim[dim], 3))
        call_refuse(c, "of an axis that has not three elements");
    Value *plus = build2(b, OP_mul, turned(c, x, dim, 1), turned(c, y, dim, 2));
    Value *minus = build2(b, OP_mul, turned(c, x, dim, 2), turned(c, y, dim, 1));
    give(c, build_cast(b, build2(b, OP_sub, plus, minus), t->dtype));
}

void decode_vecdot(Call *c)
{
    Build *b = &c->b;
    DType d = wide(c->meta[0].dtype);
    Value *r = build2(b, OP_mul, build_cast(b, arg_tensor(c, "x"), d), build_cast(b, arg_tensor(c, "y"), d));
    bool axes[MAX_RANK] = { false };
    if (!r->type.rank)
        call_refuse(c, "of 0-d tensors");
    axes[arg_dim(c, "dim", r->type.rank)] = true;
    give(c, build_cast(b, build_reduce(b, OP_sum, r, axes, false), c->meta[0].dtype));
}
