/* SPDX-License-Identifier: MIT */
/* Views and copies: other sizes, other orders, parts, joins. */
#include "aten.h"
#include <string.h>

void decode_reshape(Call *c)
{
    if (strstr(c->target, "view.dtype"))
        call_refuse(c, "the form that reinterprets bits");
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
    int dims[MAX_RANK], rank = a->type.rank, kind = (int)c->row->op; /* 1: the last two, 2: axis0, axis1, 3: all */
    bool t = !strncmp(c->target, "aten.t.", 7) || !strncmp(c->target, "aten.t_.", 8);
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

/* A start or end of a slice within a size: Python's rules. */
static const Idx *slice_bound(Call *c, const char *name, const Idx *size, const Idx *absent)
{
    Job *job = c->b.g->job;
    if (!arg_json(c, name))
        return absent;
    const Idx *e = arg_idx(c, name);
    if (e->lo < 0 && e->hi >= 0)
        call_refuse(c, "argument %s may be negative or not", name);
    if (e->hi < 0)
        e = idx_max(job, idx_add(job, e, size), idx_const(job, 0));
    return idx_min(job, e, size);
}

/* a[.., start : start + size * step : step, ..]; sizes that only the run knows must fit when it knows them. */
static Value *part(Call *c, Value *a, int dim, const Idx *start, const Idx *step, const Idx *size)
{
    Job *job = c->b.g->job;
    const Idx *whole = a->type.dim[dim];
    if (idx_is_late(start) || idx_is_late(size) || idx_is_late(whole)) {
        const Idx *last = idx_add(job, start, idx_mul(job, idx_addk(job, size, -1), step));
        call_guard(c, GUARD_LE, k(c, 0), start, "a slice starts within its dimension");
        call_guard(c, GUARD_LE, k(c, 0), size, "a slice has no negative size");
        call_guard(c, GUARD_LE, idx_addk(job, last, 1), whole, "a slice ends within its dimension");
    }
    return build_slice(&c->b, a, dim, start, step, size);
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
    give(c, part(c, a, dim, start, step, size));
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

void decode_split(Call *c)
{
    Value *a = arg_tensor(c, "self");
    int dim = arg_dim(c, "dim", a->type.rank);
    const Idx *at = k(c, 0);
    for (uint32_t i = 0; i < c->result_count; i++) {
        const Idx *size = c->meta[i].dim[dim];
        c->result[i] = part(c, a, dim, at, k(c, 1), size);
        at = idx_add(c->b.g->job, at, size);
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

void decode_dropout(Call *c)
{
    if (arg_bool(c, "train"))
        call_refuse(c, "it drops at random (train=True); export the model in eval mode");
    give(c, arg_tensor(c, "input"));
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

static void cat_values(Call *c, Value **in, size_t n, int dim)
{
    VEC(Value *) list = { 0 };
    for (size_t i = 0; i < n; i++)
        if (in[i]->type.rank == c->meta[0].rank) /* the legacy empty 1-d tensor counts for nothing */
            *vec_push(c->b.g->job, &list) = build_cast(&c->b, in[i], c->meta[0].dtype);
    if (list.n == 1) {
        give(c, list.at[0]);
        return;
    }
    Attr at = attr_int(c->b.g->job, "dim", dim);
    give(c, build(&c->b, OP_cat, list.at, (uint32_t)list.n, NULL, &at, 1));
}

void decode_cat(Call *c)
{
    Value **in;
    size_t n = arg_tensors(c, "tensors", &in);
    cat_values(c, in, n, arg_dim(c, "dim", c->meta[0].rank));
}

void decode_hstack(Call *c) /* and vstack (1) */
{
    Value **in;
    size_t n = arg_tensors(c, "tensors", &in);
    bool rows = (int)c->row->op == 1;
    for (size_t i = 0; i < n; i++) {
        const Type *t = &in[i]->type;
        if (t->rank == 0)
            in[i] = build_reshape(&c->b, in[i], 1, (const Idx *[]){ k(c, 1) });
        if (rows && in[i]->type.rank == 1)
            in[i] = build_reshape(&c->b, in[i], 2, (const Idx *[]){ k(c, 1), in[i]->type.dim[0] });
    }
    cat_values(c, in, n, rows || c->meta[0].rank == 1 ? 0 : 1);
}

void decode_stack(Call *c)
{
    Value **in;
    size_t n = arg_tensors(c, "tensors", &in);
    int dim = arg_dim(c, "dim", c->meta[0].rank);
    Type t = c->meta[0];
    t.dim[dim] = k(c, 1);
    for (size_t i = 0; i < n; i++)
        in[i] = build_reshape(&c->b, in[i], t.rank, t.dim);
    cat_values(c, in, n, dim);
}

/* self repeated: [1, d0] expanded to [r0, d0], then merged, axis by axis at once. */
void decode_repeat(Call *c)
{
    Value *a = arg_tensor(c, "self");
    const Type *t = &c->meta[0];
    const Idx *split[2 * MAX_RANK], *wide[2 * MAX_RANK];
    if (2 * t->rank > MAX_RANK)
        call_refuse(c, "of more than %d dimensions", MAX_RANK / 2);
    for (int i = 0; i < t->rank; i++) {
        int j = i - (t->rank - a->type.rank);
        const Idx *d = j >= 0 ? a->type.dim[j] : k(c, 1), *times = k(c, 0);
        if (!idx_is(d, 0) && !idx_divisible(c->b.g->job, t->dim[i], d, &times))
            call_refuse(c, "the sizes %s and %s do not divide", idx_text(c->b.g->job, t->dim[i]),
                        idx_text(c->b.g->job, d));
        split[2 * i] = k(c, 1);
        wide[2 * i] = times;
        split[2 * i + 1] = wide[2 * i + 1] = d;
    }
    Value *v = build_expand(&c->b, build_reshape(&c->b, a, 2 * t->rank, split), 2 * t->rank, wide);
    give(c, build_reshape(&c->b, v, t->rank, t->dim));
}

void decode_pad(Call *c)
{
    Value *a = arg_tensor(c, "self");
    int64_t p[2 * MAX_RANK];
    const char *mode = arg_json(c, "mode") ? arg_text(c, "mode") : "constant";
    if (strcmp(mode, "constant"))
        call_refuse(c, "mode %s", mode);
    size_t n = arg_ints(c, "pad", p, 2 * MAX_RANK, 0);
    const Idx *low[MAX_RANK], *start[MAX_RANK], *one[MAX_RANK];
    Type inner = a->type;
    for (int i = 0; i < a->type.rank; i++) {
        size_t j = 2 * (size_t)(a->type.rank - 1 - i);
        int64_t before = j + 1 < n ? p[j] : 0, after = j + 1 < n ? p[j + 1] : 0;
        int64_t cut = before < 0 ? -before : 0, cut_end = after < 0 ? -after : 0;
        low[i] = k(c, before > 0 ? before : 0);
        start[i] = k(c, cut);
        one[i] = k(c, 1);
        inner.dim[i] = idx_addk(c->b.g->job, a->type.dim[i], -cut - cut_end);
    }
    Job *job = c->b.g->job;
    if (!type_same(&inner, &a->type)) {
        Attr at[2] = { attr_idx(job, "starts", start, (size_t)inner.rank), attr_idx(job, "steps", one, (size_t)inner.rank) };
        a = build(&c->b, OP_slice, &a, 1, &inner, at, 2);
    }
    double value = arg_given(c, "value") ? arg_float(c, "value") : 0;
    Attr at[2] = { attr_idx(job, "low", low, (size_t)inner.rank), attr_float(job, "value", value) };
    give(c, build(&c->b, OP_pad, &a, 1, &c->meta[0], at, 2));
}

void decode_flip(Call *c)
{
    Value *a = arg_tensor(c, "self");
    int64_t d[MAX_RANK];
    size_t n = arg_ints(c, "dims", d, MAX_RANK, 0);
    for (size_t i = 0; i < n; i++) {
        int dim = (int)(d[i] < 0 ? d[i] + a->type.rank : d[i]);
        if (dim < 0 || dim >= a->type.rank)
            fail_at(c->b.g->job, EXIT_INPUT, &c->b.origin, "%s: dim %d is out of range", c->target, dim);
        const Idx *last = idx_addk(c->b.g->job, a->type.dim[dim], -1);
        a = build_slice(&c->b, a, dim, last, k(c, -1), a->type.dim[dim]);
    }
    give(c, a);
}
