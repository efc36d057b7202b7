/* SPDX-License-Identifier: MIT */
/* Routines over batches of matrices: types and work space of what codegen/kernels holds in linear.c, orthogonal.c and
 * eigen.c. */
#include "routine.h"

static bool is_real(const Type *t)
{
    return (t->dtype == DT_f32 || t->dtype == DT_f64) && t->rank >= 2;
}

static const Idx *rows_of(const Type *t)
{
    return t->dim[t->rank - 2];
}

static const Idx *columns_of(const Type *t)
{
    return t->dim[t->rank - 1];
}

static const Idx *shorter(Job *job, const Type *t)
{
    return idx_min(job, rows_of(t), columns_of(t));
}

static const Idx *longer(Job *job, const Type *t)
{
    return idx_max(job, rows_of(t), columns_of(t));
}

static bool is_square(const Type *t)
{
    return is_real(t) && rows_of(t) == columns_of(t);
}

/* Sizes of the batch, then `a`, `b` (NULL: none). */
static Type batched(const Type *t, DType dtype, const Idx *a, const Idx *b)
{
    Type r = *t;
    r.dtype = dtype;
    r.rank -= 2;
    if (a)
        r.dim[r.rank++] = a;
    if (b)
        r.dim[r.rank++] = b;
    return r;
}

/* b has a's batch and element type, and a's columns are its rows. */
static bool goes_with(const Type *a, const Type *b)
{
    bool fits = b->rank == a->rank && b->dtype == a->dtype && rows_of(b) == columns_of(a);
    for (int i = 0; i + 2 < a->rank && fits; i++)
        fits = a->dim[i] == b->dim[i];
    return fits;
}

static bool are_pivots(const Type *a, const Type *pivots)
{
    Type want = batched(a, DT_i32, rows_of(a), NULL);
    return type_same(pivots, &want);
}

static const Idx *doubles(Job *job, const Idx *n)
{
    return idx_mulk(job, n, 8);
}

static const Idx *area(Job *job, const Type *t)
{
    return idx_mul(job, rows_of(t), columns_of(t));
}

const char *lu_types(Job *job, const Node *n, Type *out)
{
    const Type *a = &n->in[0]->type;
    if (!is_real(a))
        return "takes matrices of f32 or f64";
    out[0] = *a;
    out[1] = batched(a, DT_i32, shorter(job, a), NULL);
    out[2] = batched(a, DT_i32, NULL, NULL);
    return NULL;
}

const Idx *matrix_scratch(Job *job, const Node *n)
{
    return doubles(job, area(job, &n->in[0]->type));
}

/* Operands: a factor, perhaps pivots, what is to be solved for. */
const char *solve_types(Job *job, const Node *n, Type *out)
{
    (void)job;
    const Type *a = &n->in[0]->type, *b = &n->in[n->in_count - 1]->type;
    bool pivots = n->op == OP_lu_solve || n->op == OP_ldl_solve;
    if (!is_square(a) || n->in_count != (pivots ? 3 : 2) || !goes_with(a, b) || (pivots && !are_pivots(a, &n->in[1]->type)))
        return "has operands that do not go together";
    out[0] = *b;
    out[1] = batched(a, DT_i32, NULL, NULL);
    return NULL;
}

const Idx *solve_scratch(Job *job, const Node *n)
{
    const Type *a = &n->in[0]->type, *b = &n->in[n->in_count - 1]->type;
    return doubles(job, idx_add(job, idx_add(job, area(job, a), area(job, b)), rows_of(a)));
}

const char *permutation_types(Job *job, const Node *n, Type *out)
{
    const Type *a = &n->in[0]->type;
    const Attr *rows = node_attr(n, "rows");
    out[0] = *a;
    if (a->dtype != DT_i32 || !a->rank || !rows || rows->n != 1)
        return "takes pivots";
    out[0].dtype = DT_i64;
    out[0].dim[a->rank - 1] = idx_max(job, rows->idx[0], idx_const(job, 0));
    return NULL;
}

const char *square_types(Job *job, const Node *n, Type *out)
{
    (void)job;
    const Type *a = &n->in[0]->type;
    if (!is_square(a))
        return "takes square matrices of f32 or f64";
    out[0] = *a;
    if (n->op == OP_matrix_exp)
        return NULL;
    out[1] = batched(a, DT_i32, n->op == OP_ldl ? rows_of(a) : NULL, NULL);
    out[2] = batched(a, DT_i32, NULL, NULL);
    return NULL;
}

const Idx *three_scratch(Job *job, const Node *n)
{
    return idx_mulk(job, matrix_scratch(job, n), 3);
}

const char *householder_types(Job *job, const Node *n, Type *out)
{
    const Type *a = &n->in[0]->type;
    out[0] = *a;
    if (!is_real(a))
        return "takes matrices of f32 or f64";
    out[1] = batched(a, a->dtype, shorter(job, a), NULL);
    return NULL;
}

const char *reflections_types(Job *job, const Node *n, Type *out)
{
    (void)job;
    const Type *a = &n->in[0]->type, *tau = n->in_count == 2 ? &n->in[1]->type : a;
    out[0] = *a;
    bool fits = is_real(a) && tau->rank == a->rank - 1 && tau->dtype == a->dtype;
    for (int i = 0; i + 2 < a->rank && fits; i++)
        fits = a->dim[i] == tau->dim[i];
    return fits ? NULL : "has operands that do not go together";
}

const Idx *two_scratch(Job *job, const Node *n)
{
    return idx_mulk(job, matrix_scratch(job, n), 2);
}

const char *eigh_types(Job *job, const Node *n, Type *out)
{
    const char *bad = square_types(job, n, out);
    const Type *a = &n->in[0]->type;
    if (!bad) {
        out[0] = batched(a, a->dtype, rows_of(a), NULL);
        out[1] = *a;
    }
    return bad;
}

const char *eig_types(Job *job, const Node *n, Type *out)
{
    const char *bad = eigh_types(job, n, out);
    for (int i = 0; i < 2 && !bad; i++) {
        if (out[i].rank == MAX_RANK)
            return "has too many dimensions";
        out[i].dim[out[i].rank++] = idx_const(job, 2);
    }
    return bad;
}

const char *svd_types(Job *job, const Node *n, Type *out)
{
    const Type *a = &n->in[0]->type;
    const Attr *full = node_attr(n, "full");
    if (!is_real(a) || !full || full->n != 1)
        return "takes matrices of f32 or f64";
    bool all = !idx_is(full->idx[0], 0);
    const Idx *k = shorter(job, a);
    out[0] = batched(a, a->dtype, rows_of(a), all ? rows_of(a) : k);
    out[1] = batched(a, a->dtype, k, NULL);
    out[2] = batched(a, a->dtype, all ? columns_of(a) : k, columns_of(a));
    return NULL;
}

const Idx *svd_scratch(Job *job, const Node *n)
{
    const Type *a = &n->in[0]->type;
    const Idx *k = shorter(job, a), *wide = longer(job, a), *rows = idx_is(node_idx(n, "full", 0), 0) ? k : wide;
    return doubles(job, idx_add(job, idx_mul(job, rows, wide), idx_mul(job, k, idx_addk(job, k, 1))));
}

/* Two matrices, three vectors, a complex one. */
const Idx *eig_scratch(Job *job, const Node *n)
{
    return idx_add(job, two_scratch(job, n), idx_mulk(job, doubles(job, rows_of(&n->in[0]->type)), 5));
}
