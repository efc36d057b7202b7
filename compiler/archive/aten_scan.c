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

/* ---- gradient ---------------------------------------------------------------------------------------------------- */

/* The slope of the parabola through three points `l` and `r` apart, at the first, second or third of them. */
static Value *slope(Call *c, Value *const *x, Value *l, Value *r, int at)
{
    Build *b = &c->b;
    Value *s = build2(b, OP_add, l, r), *zero = number_like(c, l, 0), *sum = NULL;
    Value *const to_here[3][3] = { { zero, build1(b, OP_neg, l), build1(b, OP_neg, s) },
                                   { l, zero, build1(b, OP_neg, r) },
                                   { s, r, zero } };
    Value *const *from = to_here[at];
    Value *apart[3] = { build2(b, OP_mul, l, s), build1(b, OP_neg, build2(b, OP_mul, l, r)), build2(b, OP_mul, r, s) };
    for (int i = 0; i < 3; i++) {
        Value *w = build2(b, OP_div, build2(b, OP_add, from[(i + 1) % 3], from[(i + 2) % 3]), apart[i]);
        Value *part = build2(b, OP_mul, w, build_cast(b, x[i], l->type.dtype));
        sum = sum ? build2(b, OP_add, sum, part) : part;
    }
    return sum;
}

/* Slopes along dim: inside by both neighbours, at the ends by one (edge 1) or two (edge 2).  dx: the distance of all
 * points, 0-d, or those between the points, along dim. */
static Value *gradient(Call *c, Value *a, int dim, Value *dx, int64_t edge)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    const Idx *size = a->type.dim[dim], *inner = idx_addk(job, size, -2), *one = k(c, 1);
    Value *part[3];
    for (int end = 0; end < 3; end++) { /* first, inside, last */
        bool line = end != 1 && edge == 1;
        const Idx *n = end == 1 ? inner : one;
        const Idx *at = end == 2 ? idx_addk(job, size, line ? -2 : -3) : k(c, 0);
        Value *x[3], *l = dx, *r = dx;
        for (int i = 0; i < (line ? 2 : 3); i++)
            x[i] = build_slice(b, a, dim, idx_addk(job, at, i), one, n);
        if (dx->type.rank) {
            l = build_slice(b, dx, dim, at, one, n);
            r = line ? l : build_slice(b, dx, dim, idx_addk(job, at, 1), one, n);
        }
        if (line || (end == 1 && !dx->type.rank)) { /* integers are subtracted as such */
            Value *rise = build_cast(b, build2(b, OP_sub, x[line ? 1 : 2], x[0]), dx->type.dtype);
            part[end] = build2(b, OP_div, rise, l);
            part[end] = line ? part[end] : build2(b, OP_mul, part[end], number_like(c, rise, 0.5));
        } else if (dx->type.rank) {
            part[end] = slope(c, x, l, r, end);
        } else {
            part[end] = build2(b, OP_div, slope(c, x, number_like(c, dx, 1), number_like(c, dx, 1), end), dx);
        }
    }
    Attr at = attr_int(job, "dim", dim);
    return build(b, OP_cat, part, 3, NULL, &at, 1);
}

void decode_gradient(Call *c)
{
    Build *b = &c->b;
    Value *a = arg_tensor(c, "self"), **at = NULL;
    int64_t dims[MAX_RANK], edge = arg_int(c, "edge_order");
    double spacing[MAX_RANK];
    size_t n = (size_t)a->type.rank, given;
    bool points = strstr(c->target, ".tensor") != NULL, each = strstr(c->target, ".scalarray") != NULL;
    for (int i = 0; i < MAX_RANK; i++)
        dims[i] = i;
    if (arg_given(c, "dim"))
        n = arg_ints(c, "dim", dims, MAX_RANK, 0);
    if (edge < 1 || edge > 2)
        call_refuse(c, "edge_order is neither 1 nor 2");
    given = points ? arg_tensors(c, "spacing", &at) : each ? arg_floats(c, "spacing", spacing, MAX_RANK) : n;
    if (given != n || c->result_count != n)
        call_refuse(c, "of another number of axes than spacings or results");
    for (size_t i = 0; i < n; i++) {
        int dim = dim_within(c, dims[i], a->type.rank);
        Type t = c->meta[i];
        DType d = wide(t.dtype);
        call_guard(c, GUARD_LE, k(c, edge + 1), a->type.dim[dim], "an axis has more elements than edge_order");
        Value *dx;
        if (points) {
            if (at[i]->type.rank != 1)
                call_refuse(c, "of points that are no vector");
            call_guard(c, GUARD_EQ, at[i]->type.dim[0], a->type.dim[dim], "each element has its point");
            dx = build_cast(b, abscissae(c, at[i], &a->type, dim), d);
            dx = build2(b, OP_sub, shifted(c, dx, dim, 1), shifted(c, dx, dim, 0));
        } else {
            bool one = !each && (strstr(c->target, ".array") || !arg_given(c, "spacing"));
            dx = build_full(b, d, one ? 1 : each ? spacing[i] : arg_float(c, "spacing"));
        }
        c->result[i] = build_cast(b, gradient(c, a, dim, dx, edge), t.dtype);
    }
}
