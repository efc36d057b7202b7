/* SPDX-License-Identifier: MIT */
/* Eigenvalues, singular values and what is made of them: inverses of any matrices, ranks, norms; powers. */
#include "aten.h"
#include <math.h>

/* ---- values and vectors --------------------------------------------------------------------------------------- */

static Node *eigh_of(Call *c, Value *a, bool upper)
{
    a = upper ? transposed(c, a) : a;
    return matrix_routine(c, OP_eigh, &a, 1, NULL, 0);
}

static Node *svd_of(Call *c, Value *a, bool full)
{
    return matrix_routine(c, OP_svd, &a, 1, "full", full);
}

static Value *zeros(Call *c, const Type *t)
{
    return build_expand(&c->b, build_full(&c->b, t->dtype, 0), t->rank, t->dim);
}

void decode_eigh(Call *c) /* and eigvalsh */
{
    Node *n = eigh_of(c, arg_matrix(c, "A"), *arg_text(c, "UPLO") == 'U' || *arg_text(c, "UPLO") == 'u');
    give_result(c, 0, n->out[0]);
    if (c->result_count > 1)
        give_result(c, 1, arg_json(c, "compute_v") && !arg_bool(c, "compute_v") ? zeros(c, &c->meta[1]) : n->out[1]);
}

void decode_eig(Call *c) /* and eigvals */
{
    Value *a = arg_matrix(c, "self");
    Node *n = matrix_routine(c, OP_eig, &a, 1, NULL, 0);
    for (uint32_t i = 0; i < 2; i++)
        give_result(c, i, as_complex(c, n->out[i]));
}

void decode_svd(Call *c) /* linalg_svd, _linalg_svd; svd (1), which gives V; svdvals (2) */
{
    Value *a = arg_matrix(c, "A");
    int kind = (int)c->row->op;
    bool full = kind == 1 ? !arg_bool(c, "some") : kind == 0 && arg_bool(c, "full_matrices");
    bool vectors = kind == 0 ? !arg_json(c, "compute_uv") || arg_bool(c, "compute_uv") : kind == 1 && arg_bool(c, "compute_uv");
    Node *n = svd_of(c, a, full);
    if (kind == 2) {
        give_result(c, 0, n->out[1]);
        return;
    }
    give_result(c, 0, vectors ? n->out[0] : zeros(c, &c->meta[0]));
    give_result(c, 1, n->out[1]);
    give_result(c, 2, !vectors ? zeros(c, &c->meta[2]) : kind == 1 ? transposed(c, n->out[2]) : n->out[2]);
}

/* ---- inverses and ranks ----------------------------------------------------------------------------------------- */

static Value *with_axis(Call *c, Value *v)
{
    Type t = v->type;
    if (t.rank == MAX_RANK)
        call_refuse(c, "of %d dimensions", MAX_RANK);
    t.dim[t.rank++] = k(c, 1);
    return build_reshape(&c->b, v, t.rank, t.dim);
}

static Value *reduced(Call *c, Op op, Value *v, bool keep)
{
    bool axes[MAX_RANK] = { false };
    axes[v->type.rank - 1] = true;
    return build_reduce(&c->b, op, v, axes, keep);
}

/* A tolerance, number or tensor, so that it broadcasts to values along a last axis; NULL: not given. */
static Value *tolerance(Call *c, const char *name, DType t)
{
    bool number;
    if (!arg_json(c, name))
        return NULL;
    return with_axis(c, build_cast(&c->b, arg_operand(c, name, &number), t));
}

/* Which of the values s >= 0 of matrix a are not taken for 0. */
static Value *significant(Call *c, const Value *a, Value *s)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    DType t = s->type.dtype;
    bool tol = arg_json(c, "tol") != NULL, rcond = arg_given(c, "rcond");
    Value *atol = tolerance(c, tol ? "tol" : "atol", t), *rtol = tolerance(c, rcond ? "rcond" : "rtol", t);
    if (!rtol && rcond) /* the default of pinverse */
        rtol = build_full(b, t, arg_float(c, "rcond"));
    if (!rtol && tol)
        rtol = build_full(b, t, 0);
    if (!rtol) {
        const Idx *most = idx_max(job, a->type.dim[a->type.rank - 1], a->type.dim[a->type.rank - 2]);
        Value *own = build_full(b, DT_f64, t == DT_f64 ? 2.220446049250313e-16 : 1.1920928955078125e-07);
        rtol = build_cast(b, build2(b, OP_mul, own, build_cast(b, build_index(b, most), DT_f64)), t);
        if (atol)
            rtol = build3(b, OP_where, build2(b, OP_gt, atol, number_like(c, atol, 0)), number_like(c, rtol, 0), rtol);
    }
    Value *least = build2(b, OP_mul, rtol, reduced(c, OP_amax, s, true));
    least = atol ? build2(b, OP_max, atol, least) : least;
    return build2(b, OP_gt, s, least);
}

static bool hermitian(Call *c)
{
    return arg_json(c, "hermitian") && arg_bool(c, "hermitian");
}

/* 1 / s where s counts, else 0. */
static Value *inverted(Call *c, const Value *a, Value *s, Value *signed_s)
{
    Build *b = &c->b;
    Value *one = number_like(c, s, 1), *zero = number_like(c, s, 0), *on = significant(c, a, s);
    return build3(b, OP_where, on, build2(b, OP_div, one, signed_s), zero);
}

void decode_pinv(Call *c)
{
    Build *b = &c->b;
    Value *a = arg_matrix(c, "self"), *left, *right, *s;
    if (hermitian(c)) {
        Node *n = eigh_of(c, a, false);
        s = inverted(c, a, build1(b, OP_abs, n->out[0]), n->out[0]);
        left = n->out[1];
        right = transposed(c, n->out[1]);
    } else {
        Node *n = svd_of(c, a, false);
        s = inverted(c, a, n->out[1], n->out[1]);
        left = transposed(c, n->out[2]);
        right = transposed(c, n->out[0]);
    }
    give_result(c, 0, build2(b, OP_matmul, left, build2(b, OP_mul, with_axis(c, s), right)));
}

void decode_matrix_rank(Call *c)
{
    Build *b = &c->b;
    Value *a = arg_matrix(c, "input");
    Value *s = hermitian(c) ? build1(b, OP_abs, eigh_of(c, a, false)->out[0]) : svd_of(c, a, false)->out[1];
    give_result(c, 0, reduced(c, OP_sum, build_cast(b, significant(c, a, s), DT_i64), false));
}

/* ---- norms ------------------------------------------------------------------------------------------------------- */

typedef enum MatrixNorm { NORM_FRO, NORM_NUC, NORM_ORDER } MatrixNorm;

/* The greatest or the smallest along the last axis of what is not negative; the greatest of nothing is 0. */
static Value *extreme(Call *c, Value *v, bool greatest)
{
    Value *r = reduced(c, greatest ? OP_amax : OP_amin, v, false);
    return greatest ? build2(&c->b, OP_max, r, number_like(c, r, 0)) : r;
}

/* Of matrices in the last two axes, which vanish. */
static Value *norm_of_matrix(Call *c, Value *a, MatrixNorm kind, double order)
{
    Build *b = &c->b;
    bool axes[MAX_RANK] = { false };
    int rank = a->type.rank;
    double size = fabs(order);
    if (kind == NORM_FRO) {
        axes[rank - 2] = axes[rank - 1] = true;
        return norm_of(c, a, 2, axes, false);
    }
    if (kind == NORM_NUC || size == 2) {
        Value *s = svd_of(c, a, false)->out[1];
        return kind == NORM_NUC ? reduced(c, OP_sum, s, false) : extreme(c, s, order > 0);
    }
    if (size != 1 && !isinf(size))
        call_refuse(c, "of order %g", order);
    axes[isinf(size) ? rank - 1 : rank - 2] = true;
    Value *sums = build_reduce(b, OP_sum, build1(b, OP_abs, a), axes, false);
    return extreme(c, sums, order > 0);
}

static MatrixNorm norm_kind(Call *c, const char *name, double *order)
{
    const Json *a = arg_json(c, name);
    const char *text = arg_given(c, name) && (!a || !strcmp(json_key(a), "as_string")) ? arg_text(c, name) : "";
    *order = 2;
    if (!strcmp(text, "fro") || !strcmp(text, "nuc"))
        return *text == 'f' ? NORM_FRO : NORM_NUC;
    if (*text)
        call_refuse(c, "of order %s", text);
    *order = arg_float(c, name);
    return NORM_ORDER;
}

/* The two axes, in this order, behind the others. */
static Value *matrices_last(Call *c, Value *a, int row, int column)
{
    int dims[MAX_RANK], n = 0;
    for (int i = 0; i < a->type.rank; i++)
        if (i != row && i != column)
            dims[n++] = i;
    dims[n++] = row;
    dims[n++] = column;
    return build_permute(&c->b, a, dims);
}

static Value *floating(Call *c)
{
    Value *a = arg_tensor(c, "self");
    DType t = c->meta[0].dtype;
    if (!dtype_is_float(t) || !dtype_is_float(a->type.dtype))
        call_refuse(c, "of %s", type_text(c->b.g->job, &a->type));
    return build_cast(&c->b, build_cast(&c->b, a, t), wide(t));
}

/* The axes that argument dim names, in its order. */
static int named_axes(Call *c, int rank, int *out)
{
    int64_t d[MAX_RANK];
    size_t n = arg_ints(c, "dim", d, MAX_RANK, 0);
    for (size_t i = 0; i < n; i++) {
        if (d[i] < -rank || d[i] >= rank)
            fail_at(c->b.g->job, EXIT_INPUT, &c->b.origin, "%s: dim %lld is out of range", c->target, (long long)d[i]);
        out[i] = (int)(d[i] < 0 ? d[i] + rank : d[i]);
    }
    return (int)n;
}

/* linalg_matrix_norm, linalg_norm (1), nuclear_norm (2). */
void decode_matrix_norm(Call *c)
{
    Value *a = floating(c);
    int axes[MAX_RANK], kind = (int)c->row->op, rank = a->type.rank, n = arg_given(c, "dim") ? named_axes(c, rank, axes) : 0;
    double order = 2;
    bool ordered = kind != 1 || arg_json(c, "ord");
    MatrixNorm norm = kind == 2 ? NORM_NUC : ordered ? norm_kind(c, "ord", &order) : NORM_ORDER;
    if (!n && (rank == 2 || (rank == 1 && ordered)))
        for (; n < rank; n++)
            axes[n] = n;
    if (ordered && n == 2 && axes[0] != axes[1]) {
        give_result(c, 0, norm_of_matrix(c, matrices_last(c, a, axes[0], axes[1]), norm, order));
        return;
    }
    bool gone[MAX_RANK] = { false };
    for (int i = 0; i < n; i++)
        gone[axes[i]] = true;
    for (int i = 0; i < rank && !n; i++)
        gone[i] = true;
    if (ordered && (norm != NORM_ORDER || n > 1))
        call_refuse(c, "over %d axes", n);
    give_result(c, 0, norm_of(c, a, order, gone, false));
}

/* The norm of a times that of its inverse; of order 2 the quotient of singular values. */
void decode_cond(Call *c)
{
    Build *b = &c->b;
    Value *a = arg_matrix(c, "self");
    double order = 2;
    MatrixNorm kind = arg_json(c, "p") ? norm_kind(c, "p", &order) : NORM_ORDER;
    if (kind == NORM_ORDER && fabs(order) == 2) {
        Value *s = svd_of(c, a, false)->out[1], *most = reduced(c, OP_amax, s, false), *least = reduced(c, OP_amin, s, false);
        give_result(c, 0, build2(b, OP_div, order > 0 ? most : least, order > 0 ? least : most));
        return;
    }
    Node *n = inverse_of(c, a);
    Value *r = build2(b, OP_mul, norm_of_matrix(c, a, kind, order), norm_of_matrix(c, n->out[0], kind, order));
    Value *singular = build2(b, OP_ne, n->out[1], build_full_int(b, DT_i32, 0));
    give_result(c, 0, build3(b, OP_where, singular, number_like(c, r, INFINITY), r));
}

/* ---- powers ------------------------------------------------------------------------------------------------------- */

void decode_matrix_power(Call *c)
{
    Build *b = &c->b;
    Value *a = arg_tensor(c, "self"), *r = NULL;
    int64_t n = arg_int(c, "n");
    if (a->type.rank < 2 || n > 1 << 20 || n < -(1 << 20))
        call_refuse(c, "to the power of %lld", (long long)n);
    if (n == 0)
        r = eye_like(c, &a->type);
    if (n < 0) {
        a = inverse_of(c, arg_matrix(c, "self"))->out[0];
        n = -n;
    }
    for (; n; n >>= 1) {
        if (n & 1)
            r = r ? build2(b, OP_matmul, r, a) : a;
        a = n > 1 ? build2(b, OP_matmul, a, a) : a;
    }
    give_result(c, 0, r);
}

void decode_matrix_exp(Call *c)
{
    Value *a = arg_matrix(c, "self");
    give_result(c, 0, matrix_routine(c, OP_matrix_exp, &a, 1, NULL, 0)->out[0]);
}

/* x to the powers 0, 1, ..., along a new last axis; or downwards from the left (1: vander). */
void decode_vander(Call *c)
{
    Build *b = &c->b;
    const Type *t = &c->meta[0];
    if (!t->rank)
        call_refuse(c, "of no result");
    Value *x = with_axis(c, build_cast(b, arg_tensor(c, "x"), t->dtype)), *i = iota_along(c, t, t->rank - 1);
    if ((int)c->row->op == 1 && !arg_bool(c, "increasing"))
        i = build2(b, OP_sub, build_index(b, idx_addk(b->g->job, t->dim[t->rank - 1], -1)), i);
    Value *p = build2(b, OP_pow, x, build_cast(b, i, t->dtype));
    give_result(c, 0, build_expand(b, p, t->rank, t->dim));
}

/* ---- tensors as matrices -------------------------------------------------------------------------------------------- */

static const Idx *count_of(Call *c, const Type *t, int from, int to)
{
    const Idx *n = k(c, 1);
    for (int i = from; i < to; i++)
        n = idx_mul(c->b.g->job, n, t->dim[i]);
    return n;
}

static void square_or_refuse(Call *c, const Idx *m, const Idx *n)
{
    if (m != n)
        call_guard(c, GUARD_EQ, m, n, job_printf(c->b.g->job, "%s: the tensor is a square matrix", c->target));
}

void decode_tensorinv(Call *c)
{
    Value *a = arg_tensor(c, "self");
    int64_t at = arg_int(c, "ind");
    if (at < 1 || at > a->type.rank)
        call_refuse(c, "with ind %lld", (long long)at);
    const Idx *m = count_of(c, &a->type, 0, (int)at), *n = count_of(c, &a->type, (int)at, a->type.rank);
    square_or_refuse(c, m, n);
    Value *square = build_reshape(&c->b, a, 2, (const Idx *[]){ m, m });
    if (square->type.dtype != DT_f32 && square->type.dtype != DT_f64)
        call_refuse(c, "of %s", type_text(c->b.g->job, &a->type));
    give_result(c, 0, inverse_of(c, square)->out[0]);
}

void decode_tensorsolve(Call *c)
{
    Build *b = &c->b;
    Value *a = arg_tensor(c, "self"), *other = arg_tensor(c, "other");
    int64_t moved[MAX_RANK];
    int dims[MAX_RANK], rank = a->type.rank, n = 0;
    size_t count = arg_given(c, "dims") ? arg_ints(c, "dims", moved, MAX_RANK, 0) : 0;
    bool last[MAX_RANK] = { false };
    for (size_t i = 0; i < count; i++) {
        moved[i] += moved[i] < 0 ? rank : 0;
        if (moved[i] < 0 || moved[i] >= rank || last[moved[i]])
            fail_at(b->g->job, EXIT_INPUT, &b->origin, "%s: dims are no axes", c->target);
        last[moved[i]] = true;
    }
    for (int i = 0; i < rank; i++)
        if (!last[i])
            dims[n++] = i;
    for (size_t i = 0; i < count; i++)
        dims[n++] = (int)moved[i];
    a = build_permute(b, a, dims);
    const Idx *m = count_of(c, &other->type, 0, other->type.rank);
    square_or_refuse(c, type_count(b->g->job, &a->type), idx_mul(b->g->job, m, m));
    if (a->type.dtype != DT_f32 && a->type.dtype != DT_f64)
        call_refuse(c, "of %s", type_text(b->g->job, &a->type));
    a = build_reshape(b, a, 2, (const Idx *[]){ m, m });
    Value *in[2] = { a, build_reshape(b, other, 2, (const Idx *[]){ m, k(c, 1) }) };
    give_result(c, 0, matrix_routine(c, OP_solve, in, 2, NULL, 0)->out[0]);
}
