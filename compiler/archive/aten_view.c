/* SPDX-License-Identifier: MIT */
/* Views and copies: other sizes, other orders, parts, joins. */
#include "aten.h"
#include <string.h>

static Value *bits_as(Call *c, Value *a, DType d)
{
    return a->type.dtype == d ? a : build(&c->b, OP_bitcast, &a, 1, &(Type){ .dtype = d }, NULL, 0);
}

/* Elements as their bits; of another width, the last dimension splits (low bits first) or merges. */
static void view_bits(Call *c)
{
    static const DType ints[] = { [1] = DT_u8, [2] = DT_i16, [4] = DT_i32, [8] = DT_i64 };
    Build *b = &c->b;
    Value *a = arg_tensor(c, "self");
    const Type *t = &c->meta[0];
    int from = dtype_info[a->type.dtype].bytes, to = dtype_info[t->dtype].bytes, rank = a->type.rank;
    int parts = from > to ? from / to : to / from, least = from > to ? to : from;
    if (from == to) {
        give(c, bits_as(c, a, t->dtype));
        return;
    }
    if (!rank || rank == MAX_RANK || t->rank != rank || from > 8 || to > 8)
        call_refuse(c, "elements of %d bytes as %d in %d dimensions", from, to, rank);
    const Idx *dim[MAX_RANK + 1];
    for (int i = 0; i < rank; i++)
        dim[i] = i < rank - 1 || from > to ? a->type.dim[i] : t->dim[i];
    dim[rank] = k(c, from > to ? 1 : parts);
    int64_t *shift = job_array(b->g->job, (size_t)parts, sizeof *shift);
    for (int i = 0; i < parts; i++)
        shift[i] = INT64_C(1) << 8 * least * i;
    Value *v = build_cast(b, bits_as(c, a, ints[from]), DT_i64), *by = const_ints(c, shift, parts);
    if (from > to) {
        v = build2(b, OP_div_floor, build_reshape(b, v, rank + 1, dim), by);
    } else {
        bool axes[MAX_RANK] = { false };
        axes[rank] = true;
        v = build2(b, OP_rem, v, build_full_int(b, DT_i64, INT64_C(1) << 8 * from));
        v = build_reduce(b, OP_sum, build2(b, OP_mul, build_reshape(b, v, rank + 1, dim), by), axes, false);
    }
    v = bits_as(c, build_cast(b, v, ints[to]), t->dtype);
    give(c, build_reshape(b, v, t->rank, t->dim));
}

void decode_reshape(Call *c)
{
    if (strstr(c->target, "view.dtype")) {
        view_bits(c);
        return;
    }
    Value *a = arg_tensor(c, "self");
    if (flag(c, 'd') && arg_dim(c, "start_dim", a->type.rank) > arg_dim(c, "end_dim", a->type.rank))
        fail_at(c->b.g->job, EXIT_INPUT, &c->b.origin, "%s: start_dim comes after end_dim", c->target);
    give(c, build_reshape(&c->b, a, c->meta[0].rank, c->meta[0].dim));
}

void decode_inner_tensor(Call *c)
{
    give(c, arg_inner_tensor(c, "src_subclass_tensor", arg_text(c, "attr")));
}

void decode_permute(Call *c)
{
    Value *a = arg_tensor(c, "self");
    int64_t d[MAX_RANK];
    int dims[MAX_RANK];
    bool seen[MAX_RANK] = { 0 };
    size_t n = arg_ints(c, "dims", d, MAX_RANK, (size_t)a->type.rank);
    for (size_t i = 0; i < n; i++) {
        int64_t x = d[i] < 0 ? d[i] + a->type.rank : d[i];
        if (x < 0 || x >= a->type.rank || seen[x])
            fail_at(c->b.g->job, EXIT_INPUT, &c->b.origin, "%s: dims are no permutation", c->target);
        seen[x] = true;
        dims[i] = (int)x;
    }
    give(c, build_permute(&c->b, a, dims));
}

void decode_transpose(Call *c)
{
    Value *a = arg_tensor(c, "self");
    int dims[MAX_RANK], rank = a->type.rank, kind = (int)c->row->op; /* 1: the last two, 2: axis0, axis1, 3: all, 4: both */
    bool t = kind == 4;
    for (int i = 0; i < rank; i++)
        dims[i] = kind == 3 ? rank - 1 - i : i;
    if (rank > 1 && kind != 3) {
        int x = t ? 0 : kind == 1 ? rank - 2 : arg_dim(c, kind == 2 ? "axis0" : "dim0", rank);
        int y = t ? 1 : kind == 1 ? rank - 1 : arg_dim(c, kind == 2 ? "axis1" : "dim1", rank);
        dims[x] = y;
        dims[y] = x;
    }
    give(c, build_permute(&c->b, a, dims));
}

void decode_expand(Call *c)
{
    give(c, build_expand(&c->b, arg_tensor(c, "self"), c->meta[0].rank, c->meta[0].dim));
}

void decode_broadcast_tensors(Call *c)
{
    Value **in;
    size_t n = arg_tensors(c, "tensors", &in);
    for (size_t i = 0; i < n && i < c->result_count; i++)
        c->result[i] = build_expand(&c->b, in[i], c->meta[i].rank, c->meta[i].dim);
}

void decode_movedim(Call *c)
{
    Value *a = arg_tensor(c, "self");
    int64_t from[MAX_RANK], to[MAX_RANK];
    int dims[MAX_RANK], rank = a->type.rank, next = 0;
    bool taken[MAX_RANK] = { false };
    size_t n = arg_ints(c, "source", from, MAX_RANK, 0), m = arg_ints(c, "destination", to, MAX_RANK, 0);
    for (int i = 0; i < rank; i++)
        dims[i] = -1;
    for (size_t i = 0; i < n; i++) {
        int64_t x = from[i] < 0 ? from[i] + rank : from[i], y = i < m ? (to[i] < 0 ? to[i] + rank : to[i]) : -1;
        if (x < 0 || x >= rank || y < 0 || y >= rank || taken[x] || dims[y] >= 0)
            fail_at(c->b.g->job, EXIT_INPUT, &c->b.origin, "%s: source and destination do not fit", c->target);
        taken[x] = true;
        dims[y] = (int)x;
    }
    for (int i = 0; i < rank; i++) {
        while (next < rank && taken[next])
            next++;
        if (dims[i] < 0)
            dims[i] = next++;
    }
    give(c, build_permute(&c->b, a, dims));
}

/* An index that counts from the end where it is negative, at least 0. */
static const Idx *python_index(Call *c, const Idx *e, const Idx *size)
{
    Job *job = c->b.g->job;
    if (e->lo < 0 && e->hi >= 0) { /* only a number that the run finds is like this */
        Build *b = &c->b;
        Value *v = build_index(b, e), *zero = build_full_int(b, DT_i64, 0);
        Value *back = build2(b, OP_max, build2(b, OP_add, v, int_value(c, size)), zero);
        return call_number(c, build3(b, OP_where, build2(b, OP_lt, v, zero), back, v), 0, NULL);
    }
    return e->hi < 0 ? idx_max(job, idx_add(job, e, size), idx_const(job, 0)) : e;
}

/* A start or end of a slice within a size: Python's rules. */
static const Idx *slice_bound(Call *c, const char *name, const Idx *size, const Idx *absent)
{
    return arg_json(c, name) ? idx_min(c->b.g->job, python_index(c, arg_idx(c, name), size), size) : absent;
}

void decode_slice(Call *c) /* and narrow (1) */
{
    Job *job = c->b.g->job;
    Value *a = arg_tensor(c, "self");
    int dim = arg_dim(c, "dim", a->type.rank);
    const Idx *whole = a->type.dim[dim], *size = c->meta[0].dim[dim], *start = slice_bound(c, "start", whole, k(c, 0));
    bool narrow = (int)c->row->op == 1;
    const Idx *step = narrow ? k(c, 1) : arg_idx(c, "step");
    if (idx_is_late(size)) { /* perhaps a symbol that is defined here */
        const Idx *span = narrow ? arg_idx(c, "length") : idx_sub(job, slice_bound(c, "end", whole, whole), start);
        if (step->lo < 1)
            call_refuse(c, "the step %s may be negative or not", idx_text(job, step));
        span = idx_max(job, idx_div(job, idx_add(job, span, idx_addk(job, step, -1)), step), k(c, 0));
        call_size(c, size, build_index(&c->b, span), span);
    }
    give(c, build_slice(&c->b, a, dim, start, step, size));
}

/* a[.., at, ..] along dim, which vanishes. */
Value *pick(Call *c, Value *a, int dim, const Idx *at, const Type *t)
{
    Value *one = build_slice(&c->b, a, dim, at, k(c, 1), k(c, 1));
    return build_reshape(&c->b, one, t->rank, t->dim);
}

void decode_select_at(Call *c)
{
    Value *a = arg_tensor(c, "self");
    int dim = arg_dim(c, "dim", a->type.rank);
    const Idx *at = arg_idx(c, "index"), *size = a->type.dim[dim];
    if (at->hi < 0)
        at = idx_add(c->b.g->job, at, size);
    if (idx_is_late(at) || idx_is_late(size)) {
        call_guard(c, GUARD_LE, at->lo < 0 ? idx_mulk(c->b.g->job, size, -1) : k(c, 0), at, "an index is within its dimension");
        call_guard(c, GUARD_LT, at, size, "an index is within its dimension");
        at = at->lo < 0 ? idx_mod(c->b.g->job, at, size) : at;
    }
    if (at->lo < 0 || at->lo >= size->hi)
        fail_at(c->b.g->job, EXIT_INPUT, &c->b.origin, "%s: index %s is outside a dimension of %s", c->target,
                idx_text(c->b.g->job, at), idx_text(c->b.g->job, size));
    give(c, pick(c, a, dim, at, &c->meta[0]));
}

/* Where tensor_split cuts, of a tensor: its numbers, or equal parts, which the recorded sizes know. */
static size_t cuts_of(Call *c, const Idx **cut, size_t room)
{
    Value *v = arg_json(c, "tensor_indices_or_sections") ? arg_tensor(c, "tensor_indices_or_sections") : NULL;
    int64_t n = 0;
    if (!v)
        return arg_json(c, "indices") ? arg_sizes(c, "indices", cut, room) : 0;
    v = build_cast(&c->b, v, DT_i64);
    if (!v->type.rank)
        call_size(c, k(c, c->result_count), v, NULL);
    else if (!idx_is_const(v->type.dim[0], &n) || n < 0 || (size_t)n > room)
        call_refuse(c, "at too many places");
    for (int64_t i = 0; i < n; i++)
        cut[i] = call_number(c, pick(c, v, 0, k(c, i), &(Type){ .dtype = DT_i64 }), INT64_MIN, NULL);
    return (size_t)n;
}

void decode_split(Call *c) /* hsplit (1), vsplit (2) and dsplit (3) name their dim themselves */
{
    Job *job = c->b.g->job;
    Value *a = arg_tensor(c, "self");
    int kind = (int)c->row->op, rank = a->type.rank;
    int dim = kind ? dim_within(c, kind == 1 ? rank > 1 : kind == 2 ? 0 : 2, rank) : arg_dim(c, "dim", rank);
    const Idx *at = k(c, 0), *n = a->type.dim[dim], *cut[64];
    size_t cuts = cuts_of(c, cut, 64);
    for (size_t i = 0; i < cuts; i++)
        cut[i] = idx_min(job, python_index(c, cut[i], n), n);
    for (uint32_t i = 0; i < c->result_count; i++) {
        const Idx *size = c->meta[i].dim[dim], *end = i < cuts ? cut[i] : n;
        if (i && i <= cuts) /* parts may overlap */
            at = cut[i - 1];
        if (cuts && idx_is_late(size)) {
            end = idx_max(job, idx_sub(job, end, at), k(c, 0));
            call_size(c, size, build_index(&c->b, end), end);
        }
        c->result[i] = build_slice(&c->b, a, dim, at, k(c, 1), size);
        at = idx_add(job, at, size);
    }
}

void decode_unbind(Call *c)
{
    Value *a = arg_tensor(c, "self");
    int dim = arg_dim(c, "dim", a->type.rank);
    for (uint32_t i = 0; i < c->result_count; i++)
        c->result[i] = pick(c, a, dim, k(c, i), &c->meta[i]);
}

void decode_identity(Call *c)
{
    give(c, arg_tensor(c, "self"));
}

void decode_cast(Call *c)
{
    give(c, build_cast(&c->b, arg_tensor(c, "self"), c->meta[0].dtype));
}

void decode_copy(Call *c)
{
    Value *to = arg_tensor(c, "self"), *from = build_cast(&c->b, arg_tensor(c, "src"), to->type.dtype);
    give(c, build_expand(&c->b, from, to->type.rank, to->type.dim));
}

void decode_fill(Call *c)
{
    bool number;
    Value *to = arg_tensor(c, "self");
    Value *v = strstr(c->target, "zero") ? build_full_int(&c->b, to->type.dtype, 0)
                                         : build_cast(&c->b, arg_operand(c, "value", &number), to->type.dtype);
    give(c, build_expand(&c->b, v, to->type.rank, to->type.dim));
}

/* a along dim at i % by (rem) or i / by (div_floor), for each i < n. */
static Value *repeated(Call *c, Value *a, int dim, const Idx *n, Op op, const Idx *by)
{
    Build *b = &c->b;
    Value *i = build2(b, op, affine_along(c, n, k(c, 0), k(c, 1), 0, 1), int_value(c, idx_max(b->g->job, by, k(c, 1))));
    return take(c, a, i, dim);
}

void decode_repeat(Call *c) /* and tile */
{
    Value *a = arg_tensor(c, "self");
    const Type *t = &c->meta[0];
    const Idx *dim[MAX_RANK];
    for (int i = 0; i < t->rank; i++) {
        int j = i - (t->rank - a->type.rank);
        dim[i] = j >= 0 ? a->type.dim[j] : k(c, 1);
    }
    Value *v = build_reshape(&c->b, a, t->rank, dim);
    for (int i = 0; i < t->rank; i++)
        if (t->dim[i] != dim[i])
            v = repeated(c, v, i, t->dim[i], OP_rem, dim[i]);
    give(c, v);
}

void decode_repeat_interleave(Call *c)
{
    const Json *given = arg_json(c, "repeats");
    Value *repeats = given && !strcmp(json_key(given), "as_tensor") ? at_least_1d(c, arg_tensor(c, "repeats")) : NULL;
    int rank = c->meta[0].rank;
    if (rank < 1)
        call_refuse(c, "as %s", type_text(c->b.g->job, &c->meta[0]));
    if (!arg_given(c, "self")) { /* the form that gives indices */
        repeats = repeats ? repeats : arg_tensor(c, "repeats");
        give(c, repeat_indices(c, repeats, c->meta[0].dim[0]));
        return;
    }
    Value *a = at_least_1d(c, arg_tensor(c, "self"));
    a = arg_given(c, "dim") ? a : flat(c, a);
    int dim = arg_given(c, "dim") ? arg_dim(c, "dim", a->type.rank < rank ? a->type.rank : rank) : 0;
    const Idx *n = a->type.dim[dim], *size = c->meta[0].dim[dim];
    if (repeats)
        give(c, take(c, a, repeat_indices(c, build_expand(&c->b, repeats, 1, &n), size), dim));
    else
        give(c, repeated(c, a, dim, size, OP_div_floor, arg_idx(c, "repeats")));
}
