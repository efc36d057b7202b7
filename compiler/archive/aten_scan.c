/* SPDX-License-Identifier: MIT */
/* Running totals, differences, integrals along an axis. */
#include "aten.h"

Value *iota_along(Call *c, const Type *t, int dim)
{
    const Idx *size[MAX_RANK];
    int rank = 0;
    for (int i = dim; i < t->rank; i++)
        size[rank++] = i == dim ? t->dim[i] : k(c, 1);
    Value *i = build(&c->b, OP_iota, NULL, 0, &(Type){ DT_i64, 1, { t->dim[dim] } }, NULL, 0);
    return build_reshape(&c->b, i, rank, size);
}

Value *scan(Call *c, Value *a, int dim, Op op)
{
    if (!a->type.rank)
        return a;
    Attr at[2] = { attr_int(c->b.g->job, "axis", dim), attr_text(c->b.g->job, "op", op_info[op].name) };
    return build(&c->b, OP_scan, &a, 1, NULL, at, 2);
}

void decode_scan(Call *c)
{
    Value *a = self_as(c, c->meta[0].dtype);
    Op op = c->row->op;
    const DTypeInfo *d = &dtype_info[a->type.dtype];
    if ((d->kind == DK_C && op != OP_add) || (op == OP_logaddexp && d->kind != DK_F))
        call_refuse(c, "of %s", d->name);
    if (d->kind == DK_B) /* dtype=torch.bool */
        op = op == OP_mul ? OP_and : OP_or;
    give(c, scan(c, a, arg_dim(c, "dim", a->type.rank), op));
}

/* The index is that of the last element equal to the total, or of the last NaN. */
void decode_cummax(Call *c)
{
    Build *b = &c->b;
    Value *a = arg_tensor(c, "self");
    int dim = arg_dim(c, "dim", a->type.rank);
    Value *total = scan(c, a, dim, c->row->op), *zero = build_full_int(b, DT_i64, 0);
    give(c, total);
    if (!a->type.rank) {
        c->result[1] = zero;
        return;
    }
    Value *here = build2(b, OP_eq, a, total);
    if (dtype_is_float(a->type.dtype))
        here = build2(b, OP_or, here, build1(b, OP_isnan, a));
    c->result[1] = scan(c, build3(b, OP_where, here, iota_along(c, &a->type, dim), zero), dim, OP_max);
}

/* ---- neighbours ------------------------------------------------------------------------------------------------ */

/* a without its first element along dim, or (0) without its last. */
static Value *shifted(Call *c, Value *a, int dim, int by)
{
    const Idx *less = idx_addk(c->b.g->job, a->type.dim[dim], -1);
    call_guard(c, GUARD_LE, k(c, 0), less, "an axis has neighbours only if it has elements");
    return build_slice(&c->b, a, dim, k(c, by), k(c, 1), less);
}

void decode_diff(Call *c)
{
    Build *b = &c->b;
    Value *part[3];
    uint32_t n = 0;
    int64_t times = arg_int(c, "n"), size;
    static const char *const names[] = { "prepend", "self", "append" };
    for (int i = times ? 0 : 1; i < (times ? 3 : 2); i++) { /* no time at all: self as it is */
        Value *v = arg_tensor_or_null(c, names[i]);
        if (v)
            part[n++] = build_cast(b, v, c->meta[0].dtype);
    }
    int dim = arg_dim(c, "dim", part[0]->type.rank);
    if (!part[0]->type.rank || times < 0)
        call_refuse(c, "of a 0-d tensor, or a negative number of times");
    Attr at = attr_int(b->g->job, "dim", dim);
    Value *a = n > 1 ? build(b, OP_cat, part, n, NULL, &at, 1) : part[0];
    if (idx_is_const(a->type.dim[dim], &size) && times > size)
        times = size;
    if (times > 64)
        call_refuse(c, "more than 64 times");
    Op op = a->type.dtype == DT_bool ? OP_xor : OP_sub;
    while (times-- && !idx_is(a->type.dim[dim], 0))
        a = build2(b, op, shifted(c, a, dim, 1), shifted(c, a, dim, 0));
    give(c, a);
}

/* x for the rows of y: along dim, or with leading axes of size 1. */
static Value *abscissae(Call *c, Value *x, const Type *y, int dim)
{
    const Idx *size[MAX_RANK];
    if (x->type.rank >= y->rank && x->type.rank != 1)
        return x;
    for (int i = 0; i < y->rank; i++)
        size[i] = k(c, 1);
    for (int i = 0; i < x->type.rank; i++)
        size[x->type.rank == 1 ? dim : y->rank - x->type.rank + i] = x->type.dim[i];
    return build_reshape(&c->b, x, y->rank, size);
}

/* trapezoid, trapz: the sum of (left + right) / 2 * dx; cumulative_trapezoid (1): its running totals. */
void decode_trapezoid(Call *c)
{
    Build *b = &c->b;
    Value *y = arg_tensor(c, "y"), *x = strstr(c->target, ".x") ? arg_tensor(c, "x") : NULL;
    DType t = c->meta[0].dtype, sums = t;
    int dim = arg_dim(c, "dim", y->type.rank);
    if (!y->type.rank || dtype_info[t].kind == DK_C)
        call_refuse(c, "of complex or 0-d tensors");
    if (!dtype_is_float(y->type.dtype) && (!x || !dtype_is_float(x->type.dtype)))
        sums = x ? dtype_promote(y->type.dtype, x->type.dtype) : y->type.dtype;
    bool empty = idx_is(y->type.dim[dim], 0), axes[MAX_RANK] = { false };
    axes[dim] = true;
    y = build_cast(b, y, sums);
    Value *both = empty ? y : build2(b, OP_add, shifted(c, y, dim, 0), shifted(c, y, dim, 1));
    if (x && !empty) {
        x = build_cast(b, abscissae(c, x, &y->type, dim), sums);
        x = idx_is(x->type.dim[dim], 0) ? x : build2(b, OP_sub, shifted(c, x, dim, 1), shifted(c, x, dim, 0));
        both = build2(b, OP_mul, both, x);
    }
    if (!dtype_is_float(sums))
        both = build_cast(b, both, DT_i64);
    both = c->row->op == OP_scan ? scan(c, both, dim, OP_add) : build_reduce(b, OP_sum, both, axes, false);
    both = build_cast(b, both, t);
    give(c, build2(b, OP_mul, both, number_like(c, both, x ? 0.5 : 0.5 * arg_float(c, "dx"))));
}
