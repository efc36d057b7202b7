/* SPDX-License-Identifier: MIT */
/* Indexing by data: take reads, put writes.  Indices that count down from the end are wrapped here, where PyTorch does
 * so; what is outside then is a run-time error. */
#include "aten.h"
#include <math.h>

Value *take_axes(Call *c, Value *a, Value *const *index, const int64_t *axes, int n)
{
    Attr at = attr_ints(c->b.g->job, "axes", axes, (size_t)n);
    Value *in[MAX_RANK + 1] = { a };
    for (int i = 0; i < n; i++)
        in[i + 1] = build_cast(&c->b, index[i], DT_i64);
    return build(&c->b, OP_take, in, (uint32_t)n + 1, NULL, &at, 1);
}

Value *take(Call *c, Value *a, Value *index, int axis)
{
    return take_axes(c, a, &index, &(int64_t){ axis }, 1);
}

/* src broadcasts to what take would give. */
Value *put_axes(Call *c, Value *a, Value *src, Value *const *index, const int64_t *axes, int n, const char *mode)
{
    Job *job = c->b.g->job;
    Value *in[MAX_RANK + 2] = { a, a };
    for (int i = 0; i < n; i++)
        in[i + 2] = build_cast(&c->b, index[i], DT_i64);
    Attr at[2] = { attr_ints(job, "axes", axes, (size_t)n), attr_text(job, "mode", mode) };
    Node like = { .op = OP_put, .in = in, .in_count = (uint32_t)n + 2, .origin = c->b.origin };
    *vec_push(job, &like.attrs) = at[0];
    Type t = type_indexed(job, &like, 2);
    in[1] = build_expand(&c->b, build_cast(&c->b, src, a->type.dtype), t.rank, t.dim);
    return build(&c->b, OP_put, in, (uint32_t)n + 2, NULL, at, 2);
}

Value *put(Call *c, Value *a, Value *src, Value *index, int axis, const char *mode)
{
    return put_axes(c, a, src, &index, &(int64_t){ axis }, 1, mode);
}

Value *at_least_1d(Call *c, Value *v)
{
    return v->type.rank ? v : build_reshape(&c->b, v, 1, (const Idx *[]){ k(c, 1) });
}

Value *flat(Call *c, Value *v)
{
    return build_reshape(&c->b, v, 1, (const Idx *[]){ type_count(c->b.g->job, &v->type) });
}

/* The result in the recorded form: a 0-d tensor was handled as one of one element. */
static void give_like(Call *c, Value *v)
{
    give(c, build_reshape(&c->b, v, c->meta[0].rank, c->meta[0].dim));
}

static Value *wrapped(Call *c, Value *index, const Idx *size)
{
    Build *b = &c->b;
    index = build_cast(b, index, DT_i64);
    Value *below = build2(b, OP_lt, index, build_full_int(b, DT_i64, 0));
    return build3(b, OP_where, below, build2(b, OP_add, index, int_value(c, size)), index);
}

static Value *clamped(Call *c, Value *index, const Idx *size)
{
    Build *b = &c->b;
    index = build2(b, OP_min, index, int_value(c, idx_addk(b->g->job, size, -1)));
    return build2(b, OP_max, index, build_full_int(b, DT_i64, 0));
}

/* ---- one index tensor --------------------------------------------------------------------------------------- */

void decode_embedding(Call *c)
{
    give(c, take(c, arg_tensor(c, "weight"), arg_tensor(c, "indices"), 0));
}

void decode_index_select(Call *c)
{
    Value *a = at_least_1d(c, arg_tensor(c, "self"));
    give_like(c, take(c, a, flat(c, arg_tensor(c, "index")), arg_dim(c, "dim", a->type.rank)));
}

void decode_take(Call *c)
{
    Value *a = flat(c, arg_tensor(c, "self"));
    give(c, take(c, a, wrapped(c, arg_tensor(c, "index"), a->type.dim[0]), 0));
}

void decode_put(Call *c)
{
    Value *a = arg_tensor(c, "self"), *all = flat(c, a);
    Value *index = flat(c, wrapped(c, arg_tensor(c, "index"), all->type.dim[0]));
    give_like(c, put(c, all, flat(c, arg_tensor(c, "source")), index, 0, arg_bool(c, "accumulate") ? "add" : "set"));
}

/* ---- an index for each element: gather and scatter ---------------------------------------------------------------- */

/* Coordinates of the elements of a tensor like index, which replaces the one along dim. */
static void coordinates(Call *c, Value *index, int dim, Value **at, int64_t *axes)
{
    int rank = index->type.rank;
    for (int i = 0; i < rank; i++) {
        at[i] = i == dim ? index : iota_along(c, &index->type, i);
        axes[i] = i;
    }
}

Value *gather(Call *c, Value *a, Value *index, int dim)
{
    Value *at[MAX_RANK];
    int64_t axes[MAX_RANK];
    if (index->type.rank != a->type.rank)
        call_refuse(c, "of tensors of different ranks");
    coordinates(c, index, dim, at, axes);
    return take_axes(c, a, at, axes, a->type.rank);
}

static bool without_elements(const Type *t)
{
    for (int i = 0; i < t->rank; i++)
        if (idx_is(t->dim[i], 0))
            return true;
    return false;
}

void decode_gather(Call *c)
{
    Value *a = at_least_1d(c, arg_tensor(c, "self")), *index = at_least_1d(c, arg_tensor(c, "index"));
    int dim = arg_dim(c, "dim", a->type.rank);
    if (without_elements(&index->type)) /* of any rank */
        give(c, build_expand(&c->b, build_full_int(&c->b, a->type.dtype, 0), index->type.rank, index->type.dim));
    else
        give_like(c, gather(c, a, index, dim));
}

void decode_take_along_dim(Call *c)
{
    Value *a = arg_tensor(c, "self"), *index = arg_tensor(c, "indices");
    if (!arg_given(c, "dim")) {
        give(c, gather(c, flat(c, a), flat(c, index), 0));
        return;
    }
    int rank = a->type.rank, dim = arg_dim(c, "dim", rank);
    const Idx *wide[MAX_RANK], *picked[MAX_RANK];
    if (index->type.rank != rank)
        call_refuse(c, "of tensors of different ranks");
    for (int i = 0; i < rank; i++) {
        wide[i] = i == dim ? a->type.dim[i] : c->meta[0].dim[i];
        picked[i] = i == dim ? index->type.dim[i] : c->meta[0].dim[i];
    }
    index = wrapped(c, build_expand(&c->b, index, rank, picked), a->type.dim[dim]);
    give(c, gather(c, build_expand(&c->b, a, rank, wide), index, dim));
}

/* How `put` combines: the word of PyTorch's argument, and the value that changes nothing. */
static const struct Reduction {
    const char *word, *mode, *of_bool;
    double none; /* infinite: the extreme of the type */
} reductions[] = {
    { "set", "set", "set", 0 },          { "add", "add", "or", 0 },           { "sum", "add", "or", 0 },
    { "mean", "add", "or", 0 },          { "multiply", "mul", "and", 1 },     { "prod", "mul", "and", 1 },
    { "amax", "max", "or", -INFINITY },  { "amin", "min", "and", INFINITY },
};

static Value *neutral(Call *c, double v, DType d)
{
    int bits = 8 * dtype_info[d].bytes;
    bool is_signed = dtype_info[d].kind == DK_I;
    if (!isinf(v) || dtype_is_float(d))
        return build_full(&c->b, d, v);
    if (d == DT_bool)
        return build_full_int(&c->b, d, v > 0);
    int64_t most = is_signed ? INT64_MAX >> (64 - bits) : bits == 64 ? -1 : (INT64_C(1) << bits) - 1;
    return build_full_int(&c->b, d, v > 0 ? most : is_signed ? -most - 1 : 0);
}

/* a with src put at the indices; without a's own elements where include_self says so. */
static Value *reduced(Call *c, Value *a, Value *src, Value *const *at, const int64_t *axes, int n, const char *word,
                      bool include_self)
{
    Build *b = &c->b;
    DType d = a->type.dtype;
    const struct Reduction *r = NULL;
    for (size_t i = 0; i < sizeof reductions / sizeof *reductions; i++)
        if (!strcmp(reductions[i].word, word))
            r = &reductions[i];
    if (!r)
        call_refuse(c, "reduce=\"%s\"", word);
    if (!include_self)
        a = put_axes(c, a, neutral(c, r->none, d), at, axes, n, "set");
    Value *sum = put_axes(c, a, src, at, axes, n, d == DT_bool ? r->of_bool : r->mode);
    if (strcmp(word, "mean"))
        return sum;
    Value *count = build_expand(b, build_full_int(b, DT_i64, include_self), a->type.rank, a->type.dim);
    count = put_axes(c, count, build_full_int(b, DT_i64, 1), at, axes, n, "add");
    count = build_cast(b, build2(b, OP_max, count, build_full_int(b, DT_i64, 1)), d);
    return build2(b, dtype_is_float(d) ? OP_div : OP_div_floor, sum, count);
}

static const char *reduction_word(Call *c, const char *without)
{
    return arg_json(c, "reduce") ? arg_text(c, "reduce") : without;
}

static bool includes_self(Call *c)
{
    return !arg_json(c, "include_self") || arg_bool(c, "include_self");
}

void decode_scatter(Call *c) /* and scatter_add (1), scatter_reduce */
{
    Build *b = &c->b;
    Value *a = at_least_1d(c, arg_tensor(c, "self")), *index = at_least_1d(c, arg_tensor(c, "index")), *at[MAX_RANK];
    int rank = a->type.rank, dim = arg_dim(c, "dim", rank);
    int64_t axes[MAX_RANK];
    bool number, tensor = arg_json(c, "src") != NULL;
    Value *src = tensor ? at_least_1d(c, arg_tensor(c, "src")) : arg_operand(c, "value", &number);
    if (without_elements(&index->type)) { /* of any rank: nothing to put */
        give_like(c, a);
        return;
    }
    if (index->type.rank != rank || (tensor && src->type.rank != rank))
        call_refuse(c, "of tensors of different ranks");
    for (int i = 0; i < rank && tensor; i++)
        src = build_slice(b, src, i, k(c, 0), k(c, 1), index->type.dim[i]);
    coordinates(c, index, dim, at, axes);
    give_like(c, reduced(c, a, build_cast(b, src, a->type.dtype), at, axes, rank,
                         reduction_word(c, (int)c->row->op ? "add" : "set"), includes_self(c)));
}

void decode_one_hot(Call *c)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    Value *a = arg_tensor(c, "self"), *one = build_full_int(b, DT_i64, 1), *at[2];
    const Type *t = &c->meta[0];
    if (!t->rank)
        call_refuse(c, "as %s", type_text(job, t));
    const Idx *classes = t->dim[t->rank - 1];
    bool all[MAX_RANK];
    for (int i = 0; i < a->type.rank; i++)
        all[i] = true;
    if (idx_is_late(classes)) /* as many as there are */
        call_size(c, classes, build2(b, OP_add, build_reduce(b, OP_amax, build_cast(b, a, DT_i64), all, false), one), NULL);
    const Idx *dim[] = { type_count(job, &a->type), classes };
    at[1] = flat(c, a);
    at[0] = iota_along(c, &at[1]->type, 0);
    Value *zeros = build_expand(b, build_full_int(b, DT_i64, 0), 2, dim);
    give(c, build_reshape(b, put_axes(c, zeros, one, at, (int64_t[]){ 0, 1 }, 2, "set"), t->rank, t->dim));
}

/* ---- whole slices along one dimension ------------------------------------------------------------------------------ */

void decode_index_put_along(Call *c) /* index_copy, index_add (1), index_reduce, index_fill (2) */
{
    Build *b = &c->b;
    bool number, fill = (int)c->row->op == 2, add = (int)c->row->op == 1;
    Value *a = at_least_1d(c, arg_tensor(c, "self")), *index = flat(c, arg_tensor(c, "index"));
    int dim = arg_dim(c, "dim", a->type.rank);
    Value *src = fill ? arg_operand(c, "value", &number) : arg_tensor(c, "source");
    src = build_cast(b, src, a->type.dtype);
    if (add && arg_json(c, "alpha"))
        src = build2(b, OP_mul, src, build_cast(b, arg_operand(c, "alpha", &number), a->type.dtype));
    if (fill)
        index = wrapped(c, index, a->type.dim[dim]);
    give_like(c, reduced(c, a, src, &index, &(int64_t){ dim }, 1, reduction_word(c, add ? "add" : "set"), includes_self(c)));
}

/* ---- index, index_put ------------------------------------------------------------------------------------------------- */

typedef struct Indexed {
    Value *a;              /* the indexed axes are next to each other */
    int order[MAX_RANK];   /* how it was permuted for that */
    Value *index[MAX_RANK];
    int64_t axes[MAX_RANK];
    int n;
} Indexed;

static bool is_mask(const Value *v)
{
    return v->type.dtype == DT_bool || v->type.dtype == DT_u8;
}

/* `clamp`: indices that are outside are masked out.  `result`: the type of what is read, NULL when writing. */
static Indexed indexed(Call *c, Value *a, bool clamp, const Type *result)
{
    Indexed r = { .a = a };
    Value **list;
    size_t count = arg_optional_tensors(c, "indices", &list), whole = (size_t)a->type.rank;
    bool used[MAX_RANK] = { false }, apart = false;
    int first = -1, rank = 1, end = -1;
    for (size_t i = 0, axis = 0; i < count; i++) {
        size_t wide = list[i] && is_mask(list[i]) ? (size_t)list[i]->type.rank : 1;
        if (!wide || wide > whole || axis > whole - wide)
            call_refuse(c, "with more indices than dimensions");
        if (list[i]) {
            apart |= first >= 0 && end != (int)axis;
            first = first < 0 ? (int)axis : first;
            end = (int)(axis + wide);
            rank = !is_mask(list[i]) && list[i]->type.rank > rank ? list[i]->type.rank : rank;
        }
        axis += wide;
    }
    int at = (apart ? 0 : first) + rank - 1; /* the axis of the result where masks have their count */
    const Idx *size = result && at >= 0 && at < result->rank ? result->dim[at] : NULL;
    for (int i = 0, axis = 0; i < (int)count; i++) {
        if (!list[i]) {
            axis++;
            continue;
        }
        Value *index[MAX_RANK] = { list[i] };
        bool mask = is_mask(list[i]);
        int wide = mask ? list[i]->type.rank : 1;
        for (int d = 0; d < wide && mask; d++)
            call_guard(c, GUARD_EQ, list[i]->type.dim[d], a->type.dim[axis + d], "a mask has the sizes of what it masks");
        if (mask)
            mask_indices(c, list[i], size, index);
        else if (!dtype_is_int(list[i]->type.dtype))
            call_refuse(c, "an index is no integer");
        for (int d = 0; d < wide; d++, axis++) {
            used[axis] = true;
            if (!mask)
                index[d] = wrapped(c, index[d], a->type.dim[axis]);
            r.index[r.n] = clamp ? clamped(c, index[d], a->type.dim[axis]) : index[d];
            r.axes[r.n++] = axis;
        }
    }
    for (int pass = 0, at = 0; pass < 2; pass++)
        for (int i = 0; i < a->type.rank; i++)
            if (apart ? used[i] == (pass == 0) : pass == 0)
                r.order[at++] = i;
    for (int i = 0; i < r.n && apart; i++)
        r.axes[i] = i;
    r.a = build_permute(&c->b, a, r.order);
    return r;
}

void decode_index(Call *c) /* and _unsafe_masked_index (1) */
{
    bool masked = (int)c->row->op == 1, number;
    Indexed x = indexed(c, arg_tensor(c, "self"), masked, &c->meta[0]);
    Value *v = x.n ? take_axes(c, x.a, x.index, x.axes, x.n) : x.a;
    if (masked) {
        Value *fill = build_cast(&c->b, arg_operand(c, "fill", &number), v->type.dtype);
        v = build3(&c->b, OP_where, as_bool(c, arg_tensor(c, "mask")), v, fill);
    }
    give(c, v);
}

void decode_index_put(Call *c) /* and _unsafe_masked_index_put_accumulate (1) */
{
    Build *b = &c->b;
    bool masked = (int)c->row->op == 1;
    Value *a = arg_tensor(c, "self"), *src = build_cast(b, arg_tensor(c, "values"), a->type.dtype);
    Indexed x = indexed(c, a, masked, NULL);
    if (masked)
        src = build3(b, OP_where, as_bool(c, arg_tensor(c, "mask")), src, build_full_int(b, a->type.dtype, 0));
    const char *add = a->type.dtype == DT_bool ? "or" : "add";
    bool accumulate = masked || arg_bool(c, "accumulate");
    int inverse[MAX_RANK];
    for (int i = 0; i < a->type.rank; i++)
        inverse[x.order[i]] = i;
    Value *v = x.n ? put_axes(c, x.a, src, x.index, x.axes, x.n, accumulate ? add : "set")
                   : accumulate ? build2(b, OP_add, a, src) : build_expand(b, src, a->type.rank, a->type.dim);
    give(c, build_permute(b, v, inverse));
}
