/* SPDX-License-Identifier: MIT */
/* Views whose elements lie at affine indices: take at arithmetic on iotas, which costs nothing and can be written
 * through (import_alias.c puts at the same indices). */
#include "aten.h"

/* ---- strides ----------------------------------------------------------------------------------------------------- */

void decode_as_strided(Call *c)
{
    Job *job = c->b.g->job;
    const Idx *stride[MAX_RANK], *size[MAX_RANK];
    size_t n = arg_sizes(c, "stride", stride, MAX_RANK);
    if (n != arg_sizes(c, "size", size, MAX_RANK))
        fail_at(job, EXIT_INPUT, &c->b.origin, "%s: as many strides as sizes are needed", c->target);
    Value *index = int_value(c, arg_json(c, "storage_offset") ? arg_idx(c, "storage_offset") : arg_storage_offset(c, "self"));
    for (size_t i = 0; i < n; i++)
        index = build2(&c->b, OP_add, index, affine_along(c, size[i], k(c, 0), stride[i], (int)i, (int)n));
    give(c, take(c, arg_storage(c, "self"), index, 0));
}

/* The first elements of the memory, then what nobody has written. */
void decode_resize(Call *c)
{
    Job *job = c->b.g->job;
    const Type *t = &c->meta[0];
    Value *all = arg_storage(c, "self");
    const Idx *n = type_count(job, t), *has = all->type.dim[0], *zero = k(c, 0);
    if (idx_provably_le(job, n, has)) {
        all = build_slice(&c->b, all, 0, zero, k(c, 1), n);
    } else {
        Attr at[2] = { attr_idx(job, "low", &zero, 1), attr_float(job, "value", 0) };
        all = build(&c->b, OP_pad, &all, 1, &(Type){ t->dtype, 1, { n } }, at, 2);
    }
    give(c, build_reshape(&c->b, all, t->rank, t->dim));
}

/* ---- diagonals ------------------------------------------------------------------------------------------------------ */

/* dims: an order of axes that ends with x, y. */
static void to_the_end(int rank, int x, int y, int *dims)
{
    int n = 0;
    for (int i = 0; i < rank; i++)
        if (i != x && i != y)
            dims[n++] = i;
    dims[n++] = x;
    dims[n] = y;
}

/* The indices of a diagonal of n elements in the last two axes. */
static void diagonal_indices(Call *c, const Idx *n, int64_t offset, Value **at)
{
    at[0] = affine_along(c, n, k(c, offset < 0 ? -offset : 0), k(c, 1), 0, 1);
    at[1] = affine_along(c, n, k(c, offset > 0 ? offset : 0), k(c, 1), 0, 1);
}

static Value *diagonal(Call *c, Value *a, int64_t offset, int x, int y, const Idx *n)
{
    int dims[MAX_RANK], rank = a->type.rank;
    Value *at[2];
    if (rank < 2 || x == y)
        fail_at(c->b.g->job, EXIT_INPUT, &c->b.origin, "%s: it needs two dimensions", c->target);
    to_the_end(rank, x, y, dims);
    diagonal_indices(c, n, offset, at);
    return take_axes(c, build_permute(&c->b, a, dims), at, (int64_t[]){ rank - 2, rank - 1 }, 2);
}

void decode_diagonal(Call *c)
{
    const char *name = arg_json(c, "A") ? "A" : "self";
    Value *a = arg_tensor(c, name);
    int rank = a->type.rank;
    if (!c->meta[0].rank)
        call_refuse(c, "as %s", type_text(c->b.g->job, &c->meta[0]));
    give(c, diagonal(c, a, arg_int(c, "offset"), arg_dim(c, "dim1", rank), arg_dim(c, "dim2", rank),
                     c->meta[0].dim[c->meta[0].rank - 1]));
}

/* a's last axis becomes a diagonal of the axes x and y of a tensor of type t, which is zero elsewhere. */
static Value *embed(Call *c, Value *a, int64_t offset, int x, int y, const Type *t)
{
    Build *b = &c->b;
    int dims[MAX_RANK], inverse[MAX_RANK], rank = t->rank;
    const Idx *size[MAX_RANK];
    Value *at[2];
    if (x == y)
        fail_at(b->g->job, EXIT_INPUT, &b->origin, "%s: dim1 and dim2 are one", c->target);
    if (rank != a->type.rank + 1)
        call_refuse(c, "of %s as %s", type_text(b->g->job, &a->type), type_text(b->g->job, t));
    to_the_end(rank, x, y, dims);
    for (int i = 0; i < rank; i++) {
        size[i] = t->dim[dims[i]];
        inverse[dims[i]] = i;
    }
    diagonal_indices(c, a->type.dim[a->type.rank - 1], offset, at);
    Value *zeros = build_expand(b, build_full_int(b, t->dtype, 0), rank, size);
    return build_permute(b, put_axes(c, zeros, a, at, (int64_t[]){ rank - 2, rank - 1 }, 2, "set"), inverse);
}

void decode_diag_embed(Call *c)
{
    Value *a = arg_tensor(c, "self");
    int rank = a->type.rank + 1;
    give(c, embed(c, a, arg_int(c, "offset"), arg_dim(c, "dim1", rank), arg_dim(c, "dim2", rank), &c->meta[0]));
}

void decode_diag(Call *c)
{
    Value *a = arg_tensor(c, "self");
    int64_t offset = arg_int(c, "diagonal");
    give(c, a->type.rank == 1 ? embed(c, a, offset, 0, 1, &c->meta[0])
                              : diagonal(c, a, offset, 0, 1, c->meta[0].dim[0]));
}

void decode_diagflat(Call *c)
{
    give(c, embed(c, flat(c, arg_tensor(c, "self")), arg_int(c, "offset"), 0, 1, &c->meta[0]));
}

void decode_trace(Call *c)
{
    Value *a = self_as(c, c->meta[0].dtype);
    const Idx *n = a->type.rank == 2 ? idx_min(c->b.g->job, a->type.dim[0], a->type.dim[1]) : k(c, 0);
    give(c, build_reduce(&c->b, OP_sum, diagonal(c, a, 0, 0, 1, n), (bool[MAX_RANK]){ true }, false));
}

/* ---- windows -------------------------------------------------------------------------------------------------------- */

/* Indices [outer, inner]: outer * step + inner * dilation, in axes `x` and `y` of a tensor of `rank`. */
static Value *window_index(Call *c, const Idx *outer, int64_t step, int x, const Idx *inner, int64_t dilation, int y,
                           int rank)
{
    return build2(&c->b, OP_add, affine_along(c, outer, k(c, 0), k(c, step), x, rank),
                  affine_along(c, inner, k(c, 0), k(c, dilation), y, rank));
}

void decode_unfold(Call *c)
{
    Value *a = at_least_1d(c, arg_tensor(c, "self"));
    int rank = a->type.rank, dim = arg_dim(c, "dimension", rank), dims[MAX_RANK];
    const Type *t = &c->meta[0];
    bool whole = t->rank == rank; /* of a 0-d tensor: one window */
    if (!whole && t->rank != rank + 1)
        call_refuse(c, "of %s as %s", type_text(c->b.g->job, &a->type), type_text(c->b.g->job, t));
    const Idx *outer = whole ? k(c, 1) : t->dim[dim], *inner = t->dim[t->rank - 1];
    a = take(c, a, window_index(c, outer, arg_int(c, "step"), 0, inner, 1, 1, 2), dim);
    for (int i = 0; i <= rank; i++)
        dims[i] = i <= dim ? i : i == rank ? dim + 1 : i + 1;
    give(c, build_reshape(&c->b, build_permute(&c->b, a, dims), t->rank, t->dim));
}

/* The adjoint of unfold: every element of a window is added to where it came from. */
void decode_unfold_backward(Call *c)
{
    Build *b = &c->b;
    Value *grad = arg_tensor(c, "grad_in");
    const Type *t = &c->meta[0];
    int rank = t->rank, dim = arg_dim(c, "dim", rank), dims[MAX_RANK];
    if (grad->type.rank != rank + 1)
        call_refuse(c, "of a 0-d tensor");
    for (int i = 0; i <= rank; i++) /* the last axis goes behind dim */
        dims[i] = i <= dim ? i : i == dim + 1 ? rank : i - 1;
    Value *index = window_index(c, grad->type.dim[dim], arg_int(c, "step"), 0, grad->type.dim[rank], 1, 1, 2);
    Value *zeros = build_expand(b, build_full_int(b, t->dtype, 0), rank, t->dim);
    give(c, put(c, zeros, build_permute(b, grad, dims), index, dim, "add"));
}

typedef struct Columns {
    int64_t kernel[2], dilation[2], padding[2], stride[2];
    const Idx *out[2]; /* how many windows */
} Columns;

static Columns columns_of(Call *c, const Idx *const *size)
{
    Job *job = c->b.g->job;
    Columns r;
    arg_ints(c, "kernel_size", r.kernel, 2, 2);
    arg_ints(c, "dilation", r.dilation, 2, 2);
    arg_ints(c, "padding", r.padding, 2, 2);
    arg_ints(c, "stride", r.stride, 2, 2);
    for (int i = 0; i < 2; i++) {
        if (r.kernel[i] < 1 || r.dilation[i] < 1 || r.stride[i] < 1 || r.padding[i] < 0)
            fail_at(job, EXIT_INPUT, &c->b.origin, "%s: windows of no size or stride", c->target);
        const Idx *room = idx_addk(job, size[i], 2 * r.padding[i] - r.dilation[i] * (r.kernel[i] - 1) - 1);
        r.out[i] = idx_addk(job, idx_div(job, room, k(c, r.stride[i])), 1);
    }
    return r;
}

/* Indices of rows and columns of [kernel rows, kernel columns, windows down, windows across]. */
static void column_indices(Call *c, const Columns *r, Value **at)
{
    for (int i = 0; i < 2; i++)
        at[i] = window_index(c, r->out[i], r->stride[i], 2 + i, k(c, r->kernel[i]), r->dilation[i], i, 4);
}

void decode_im2col(Call *c)
{
    Job *job = c->b.g->job;
    Value *a = arg_tensor(c, "self"), *at[2];
    int rank = a->type.rank;
    if (rank < 3)
        call_refuse(c, "of fewer than 3 dimensions");
    Columns r = columns_of(c, a->type.dim + rank - 2);
    const Idx *low[4];
    Type wide = a->type;
    for (int i = 0; i < rank; i++) {
        int64_t p = i < rank - 2 ? 0 : r.padding[i - rank + 2];
        low[i] = k(c, p);
        wide.dim[i] = idx_addk(job, a->type.dim[i], 2 * p);
    }
    Attr pad[2] = { attr_idx(job, "low", low, (size_t)rank), attr_float(job, "value", 0) };
    a = build(&c->b, OP_pad, &a, 1, &wide, pad, 2);
    column_indices(c, &r, at);
    a = take_axes(c, a, at, (int64_t[]){ rank - 2, rank - 1 }, 2);
    give(c, build_reshape(&c->b, a, c->meta[0].rank, c->meta[0].dim));
}

void decode_col2im(Call *c)
{
    Build *b = &c->b;
    Value *a = arg_tensor(c, "self"), *at[2];
    const Type *t = &c->meta[0];
    int rank = t->rank;
    if (rank < 3)
        call_refuse(c, "of fewer than 3 dimensions");
    Columns r = columns_of(c, t->dim + rank - 2);
    const Idx *src[6], *wide[4];
    for (int i = 0; i < rank - 2; i++)
        src[i] = wide[i] = t->dim[i];
    for (int i = 0; i < 2; i++) {
        src[rank - 2 + i] = k(c, r.kernel[i]);
        src[rank + i] = r.out[i];
        wide[rank - 2 + i] = idx_addk(b->g->job, t->dim[rank - 2 + i], 2 * r.padding[i]);
    }
    column_indices(c, &r, at);
    Value *v = build_expand(b, build_full_int(b, t->dtype, 0), rank, wide);
    v = put_axes(c, v, build_reshape(b, a, rank + 2, src), at, (int64_t[]){ rank - 2, rank - 1 }, 2, "add");
    for (int i = 0; i < 2; i++)
        v = build_slice(b, v, rank - 2 + i, k(c, r.padding[i]), k(c, 1), t->dim[rank - 2 + i]);
    give(c, v);
}

/* ---- turning -------------------------------------------------------------------------------------------------------- */

/* a along dim from `shift` elements before it on, around its end. */
static Value *rolled(Call *c, Value *a, int dim, const Idx *shift)
{
    Job *job = c->b.g->job;
    const Idx *n = a->type.dim[dim], *most = idx_max(job, n, k(c, 1));
    Value *index = affine_along(c, n, idx_mulk(job, shift, -1), k(c, 1), 0, 1);
    return take(c, a, build2(&c->b, OP_rem, index, int_value(c, most)), dim);
}

void decode_roll(Call *c)
{
    Value *a = arg_tensor(c, "self"), *v = a;
    const Idx *shift[MAX_RANK];
    int64_t dims[MAX_RANK];
    size_t n = arg_sizes(c, "shifts", shift, MAX_RANK), m = arg_ints(c, "dims", dims, MAX_RANK, 0);
    if (!m && n == 1) {
        v = rolled(c, flat(c, a), 0, shift[0]);
        v = build_reshape(&c->b, v, a->type.rank, a->type.dim);
    }
    if (m && m != n)
        fail_at(c->b.g->job, EXIT_INPUT, &c->b.origin, "%s: as many shifts as dims are needed", c->target);
    for (size_t i = 0; i < m; i++)
        v = rolled(c, v, dim_within(c, dims[i], a->type.rank), shift[i]);
    give(c, v);
}

static Value *flipped(Call *c, Value *a, int dim)
{
    const Idx *last = idx_addk(c->b.g->job, a->type.dim[dim], -1);
    return build_slice(&c->b, a, dim, last, k(c, -1), a->type.dim[dim]);
}

void decode_flip(Call *c) /* and fliplr (1), flipud (2) */
{
    Value *a = arg_tensor(c, "self");
    int64_t d[MAX_RANK] = { (int)c->row->op == 1 };
    size_t n = c->row->op ? 1 : arg_ints(c, "dims", d, MAX_RANK, 0);
    for (size_t i = 0; i < n && a->type.rank; i++)
        a = flipped(c, a, dim_within(c, d[i], a->type.rank));
    give(c, a);
}

void decode_rot90(Call *c)
{
    Value *a = arg_tensor(c, "self");
    int64_t d[2];
    int dims[MAX_RANK], turns = (int)((arg_int(c, "k") % 4 + 4) % 4);
    if (arg_ints(c, "dims", d, 2, 2) != 2 || a->type.rank < 2)
        call_refuse(c, "in fewer than 2 dimensions");
    int x = dim_within(c, d[0], a->type.rank), y = dim_within(c, d[1], a->type.rank);
    for (int i = 0; i < a->type.rank; i++)
        dims[i] = i == x ? y : i == y ? x : i;
    if (turns == 1 || turns == 2)
        a = flipped(c, a, y);
    if (turns == 2 || turns == 3)
        a = flipped(c, a, x);
    give(c, turns % 2 ? build_permute(&c->b, a, dims) : a);
}

/* ---- a view with other contents, written into a copy ------------------------------------------------------------------ */

void decode_scatter_view(Call *c)
{
    static const struct {
        const char *name;
        void (*view)(Call *);
    } views[] = { { "aten.select_scatter.", decode_select_at }, { "aten.slice_scatter.", decode_slice },
                  { "aten.diagonal_scatter.", decode_diagonal }, { "aten.as_strided_scatter.", decode_as_strided } };
    Value *a = arg_tensor(c, "self"), *src = arg_tensor(c, "src");
    Type whole = c->meta[0];
    c->meta[0] = src->type;
    for (size_t i = 0; i < sizeof views / sizeof *views; i++)
        if (!strncmp(c->target, views[i].name, strlen(views[i].name)))
            views[i].view(c);
    c->meta[0] = whole;
    Value *view = c->result[0];
    src = build_expand(&c->b, build_cast(&c->b, src, a->type.dtype), view->type.rank, view->type.dim);
    give(c, view_write(c, view, a, src));
}
