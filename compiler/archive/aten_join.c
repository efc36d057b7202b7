/* SPDX-License-Identifier: MIT */
/* Several tensors as one, and grids of them. */
#include "aten.h"

static void cat_values(Call *c, Value **in, size_t n, int dim)
{
    VEC(Value *) list = { 0 };
    for (size_t i = 0; i < n; i++)
        if (in[i]->type.rank == c->meta[0].rank) /* the legacy empty 1-d tensor counts for nothing */
            *vec_push(c->b.g->job, &list) = build_cast(&c->b, in[i], c->meta[0].dtype);
    if (!list.n || dim >= c->meta[0].rank)
        fail_at(c->b.g->job, EXIT_INPUT, &c->b.origin, "%s: no tensor of %d dimensions to join along the one numbered %d",
                c->target, c->meta[0].rank, dim);
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


static Value *with_rank(Call *c, Value *v, int rank, int before) /* new axes of size 1, `before` of them in front */
{
    const Idx *dim[MAX_RANK];
    int more = rank - v->type.rank;
    if (more <= 0)
        return v;
    before = before < more ? before : more;
    for (int i = 0; i < rank; i++)
        dim[i] = i < before || i >= before + v->type.rank ? k(c, 1) : v->type.dim[i - before];
    return build_reshape(&c->b, v, rank, dim);
}

static Value *at_least(Call *c, Value *v, int rank)
{
    return rank == 3 ? with_rank(c, with_rank(c, v, 2, 1), 3, 0) : with_rank(c, v, rank, 1);
}

void decode_at_least(Call *c) /* atleast_1d, atleast_2d, atleast_3d: the number is the row's; one tensor or a list */
{
    Value **in;
    bool list = arg_json(c, "tensors") != NULL;
    size_t n = list ? arg_tensors(c, "tensors", &in) : 1;
    for (size_t i = 0; i < n && i < c->result_count; i++)
        c->result[i] = at_least(c, list ? in[i] : arg_tensor(c, "self"), (int)c->row->op);
}

void decode_dstack(Call *c)
{
    Value **in;
    size_t n = arg_tensors(c, "tensors", &in);
    for (size_t i = 0; i < n; i++)
        in[i] = at_least(c, in[i], 3);
    cat_values(c, in, n, 2);
}

void decode_column_stack(Call *c)
{
    Value **in;
    size_t n = arg_tensors(c, "tensors", &in);
    for (size_t i = 0; i < n; i++)
        in[i] = in[i]->type.rank < 2 ? with_rank(c, at_least_1d(c, in[i]), 2, 0) : in[i];
    cat_values(c, in, n, 1);
}

/* v with zeros around it: `before` elements along dim, `size` in all. */
static Value *padded(Call *c, Value *v, int dim, const Idx *before, const Idx *size)
{
    Job *job = c->b.g->job;
    const Idx *low[MAX_RANK];
    Type t = v->type;
    for (int i = 0; i < t.rank; i++)
        low[i] = i == dim ? before : k(c, 0);
    t.dim[dim] = size;
    Attr at[2] = { attr_idx(job, "low", low, (size_t)t.rank), attr_float(job, "value", 0) };
    return type_same(&t, &v->type) ? v : build(&c->b, OP_pad, &v, 1, &t, at, 2);
}

void decode_block_diag(Call *c)
{
    Value **in;
    size_t n = arg_tensors(c, "tensors", &in);
    const Idx *before = k(c, 0);
    for (size_t i = 0; i < n; i++) {
        if (in[i]->type.rank > 2 || c->meta[0].rank != 2)
            call_refuse(c, "of %s as %s", type_text(c->b.g->job, &in[i]->type), type_text(c->b.g->job, &c->meta[0]));
        Value *v = with_rank(c, build_cast(&c->b, in[i], c->meta[0].dtype), 2, 2);
        in[i] = padded(c, v, 1, before, c->meta[0].dim[1]);
        before = idx_add(c->b.g->job, before, v->type.dim[1]);
    }
    cat_values(c, in, n, 0);
}

/* Each tensor padded to chunks of one size along dim; chunk i of all of them next to each other. */
void decode_chunk_cat(Call *c)
{
    Job *job = c->b.g->job;
    Value **in;
    size_t n = arg_tensors(c, "tensors", &in);
    int64_t chunks = arg_int(c, "num_chunks");
    int dim = arg_dim(c, "dim", n ? in[0]->type.rank : 0);
    if (chunks < 1)
        fail_at(job, EXIT_INPUT, &c->b.origin, "%s: num_chunks is %lld", c->target, (long long)chunks);
    for (size_t i = 0; i < n; i++) {
        Type t = in[i]->type;
        if (t.rank <= dim || dim + 2 > MAX_RANK)
            call_refuse(c, "of %s along the axis numbered %d", type_text(job, &t), dim);
        const Idx *size = idx_ceil_to(job, t.dim[dim], chunks);
        Value *v = padded(c, in[i], dim, k(c, 0), size);
        t.dim[dim] = k(c, chunks);
        const Idx *rest = idx_div(job, size, k(c, chunks));
        for (int d = dim + 1; d < t.rank; d++)
            rest = idx_mul(job, rest, t.dim[d]);
        t.dim[dim + 1] = rest;
        in[i] = build_reshape(&c->b, v, dim + 2, t.dim);
    }
    cat_values(c, in, n, dim + 1);
}

/* ---- grids --------------------------------------------------------------------------------------------------------- */

static void grid(Call *c, Value *const *in, size_t n, bool swap, Value **out)
{
    const Idx *dim[MAX_RANK], *own[MAX_RANK];
    if (n > MAX_RANK)
        call_refuse(c, "of more than %d tensors", MAX_RANK);
    swap &= n > 1;
    for (size_t i = 0; i < n; i++) /* the axis of tensor i */
        dim[swap && i < 2 ? 1 - i : i] = type_count(c->b.g->job, &in[i]->type);
    for (size_t i = 0; i < n; i++) {
        for (size_t d = 0; d < n; d++)
            own[d] = d == (swap && i < 2 ? 1 - i : i) ? dim[d] : k(c, 1);
        out[i] = build_expand(&c->b, build_reshape(&c->b, in[i], (int)n, own), (int)n, dim);
    }
}

void decode_meshgrid(Call *c)
{
    Value **in;
    size_t n = arg_tensors(c, "tensors", &in);
    grid(c, in, n < c->result_count ? n : c->result_count, arg_json(c, "indexing") && !strcmp(arg_text(c, "indexing"), "xy"),
         c->result);
}

void decode_cartesian_prod(Call *c)
{
    Value **in, *out[MAX_RANK];
    size_t n = arg_tensors(c, "tensors", &in);
    if (n == 1) {
        give(c, in[0]);
        return;
    }
    grid(c, in, n, false, out);
    for (size_t i = 0; i < n; i++)
        out[i] = with_rank(c, flat(c, out[i]), 2, 0);
    cat_values(c, out, n, 1);
}
