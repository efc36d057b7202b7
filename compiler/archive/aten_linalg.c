/* SPDX-License-Identifier: MIT */
/* Factorisations of matrices and what is solved with them, by the routines of codegen/kernels/linear.c and
 * orthogonal.c. */
#include "aten.h"
#include <math.h>

/* ---- shared ------------------------------------------------------------------------------------------------- */

Value *arg_matrix(Call *c, const char *name)
{
    Value *v = arg_tensor(c, arg_json(c, name) ? name : arg_json(c, "A") ? "A" : arg_json(c, "self") ? "self" : "input");
    if (v->type.rank < 2 || (v->type.dtype != DT_f32 && v->type.dtype != DT_f64))
        call_refuse(c, "of %s", type_text(c->b.g->job, &v->type));
    return v;
}

Value *transposed(Call *c, Value *v)
{
    int dims[MAX_RANK], rank = v->type.rank;
    for (int i = 0; i < rank; i++)
        dims[i] = i < rank - 2 ? i : 2 * rank - 3 - i;
    return build_permute(&c->b, v, dims);
}

Node *matrix_routine(Call *c, Op op, Value *const *in, uint32_t n, const char *attr, int64_t number)
{
    Attr at = attr ? attr_int(c->b.g->job, attr, number) : (Attr){ 0 };
    return build_routine(&c->b, op, in, n, &at, attr != NULL);
}

void give_result(Call *c, uint32_t i, Value *v)
{
    const Type *t = &c->meta[i];
    if (i < c->result_count)
        c->result[i] = build_reshape(&c->b, build_cast(&c->b, v, t->dtype), t->rank, t->dim);
}

Value *triangle_of(Call *c, Value *a, bool upper, int64_t diagonal)
{
    Build *b = &c->b;
    Value *i = iota_along(c, &a->type, a->type.rank - 2), *j = iota_along(c, &a->type, a->type.rank - 1);
    i = build2(b, OP_add, i, build_full_int(b, DT_i64, diagonal));
    return build3(b, OP_where, build2(b, upper ? OP_ge : OP_le, j, i), a, number_like(c, a, 0));
}

/* Ones on the diagonal: of the sizes and element type of `like`. */
Value *eye_like(Call *c, const Type *like)
{
    Build *b = &c->b;
    Value *on = build2(b, OP_eq, iota_along(c, like, like->rank - 2), iota_along(c, like, like->rank - 1));
    return build_expand(b, build_cast(b, on, like->dtype), like->rank, like->dim);
}

Value *diagonal_of(Call *c, Value *a)
{
    Build *b = &c->b;
    bool axes[MAX_RANK] = { false };
    axes[a->type.rank - 1] = true;
    Value *on = build2(b, OP_eq, iota_along(c, &a->type, a->type.rank - 2), iota_along(c, &a->type, a->type.rank - 1));
    return build_reduce(b, OP_sum, build3(b, OP_where, on, a, number_like(c, a, 0)), axes, false);
}

/* The run fails where info is not 0. */
static void check_info(Call *c, Value *info, const char *text)
{
    Build *b = &c->b;
    bool axes[MAX_RANK];
    memset(axes, 1, sizeof axes);
    Value *good = build2(b, OP_eq, info, build_full_int(b, info->type.dtype, 0));
    graph_check(b->g, build_reduce(b, OP_all, good, axes, false), sym(b->g->job, text), &b->origin);
}

static bool errors_checked(Call *c, bool always)
{
    return always || arg_bool(c, "check_errors");
}

/* Both get the batch sizes that theirs broadcast to. */
static void same_batch(Call *c, Value **x, Value **y)
{
    const Type *s = &(*x)->type, *t = &(*y)->type;
    Type wide = s->rank >= t->rank ? *s : *t;
    for (int i = 0; i + 2 < wide.rank; i++) { /* i axes before the matrix */
        const Idx *p = s->rank - 3 - i >= 0 ? s->dim[s->rank - 3 - i] : k(c, 1);
        const Idx *q = t->rank - 3 - i >= 0 ? t->dim[t->rank - 3 - i] : k(c, 1);
        wide.dim[wide.rank - 3 - i] = idx_is(p, 1) ? q : p;
    }
    for (int i = 0; i < 2; i++) {
        Value **v = i ? y : x;
        Type own = wide;
        memcpy(&own.dim[wide.rank - 2], &(*v)->type.dim[(*v)->type.rank - 2], 2 * sizeof *own.dim);
        *v = build_expand(&c->b, *v, own.rank, own.dim);
    }
}

void decode_linalg_check(Call *c) /* _linalg_check_errors */
{
    check_info(c, arg_tensor(c, "info"), job_printf(c->b.g->job, "%s: the matrix is singular or not as required",
                                                    arg_text(c, "api_name")));
}

/* ---- P L U ---------------------------------------------------------------------------------------------------- */

static Node *lu_of(Call *c, Value *a, bool pivot)
{
    return matrix_routine(c, OP_lu, &a, 1, "pivot", pivot);
}

/* The matrix that exchanges rows as the pivots say, of the sizes of t. */
static Value *permutation_of(Call *c, Value *pivots, const Type *t)
{
    Build *b = &c->b;
    Attr rows = attr_idx(b->g->job, "rows", &t->dim[t->rank - 1], 1);
    Value *from = build_routine(b, OP_permutation, &pivots, 1, &rows, 1)->out[0];
    Type row = from->type;
    row.dim[row.rank] = row.dim[row.rank - 1];
    row.dim[row.rank++ - 1] = k(c, 1);
    Value *on = build2(b, OP_eq, build_reshape(b, from, row.rank, row.dim), iota_along(c, t, t->rank - 2));
    return build_cast(b, on, t->dtype);
}

static Value *part(Call *c, Value *v, int from_last, const Idx *size)
{
    return build_slice(&c->b, v, v->type.rank - from_last, k(c, 0), k(c, 1), size);
}

static void give_lu_parts(Call *c, Value *lu, Value *pivots)
{
    Build *b = &c->b;
    const Type *t = &lu->type;
    const Idx *m = t->dim[t->rank - 2], *n = t->dim[t->rank - 1], *least = idx_min(b->g->job, m, n);
    Value *lower = triangle_of(c, part(c, lu, 1, least), false, -1);
    Type square = *t;
    square.dim[t->rank - 1] = m;
    for (uint32_t i = 0; i < 3; i++) { /* what was not asked for is empty */
        const Type *r = &c->meta[i];
        bool wanted = r->rank == t->rank && type_count(b->g->job, r) != k(c, 0);
        if (!wanted)
            give_result(c, i, build_expand(b, build_full(b, r->dtype, 0), r->rank, r->dim));
        else if (i == 0)
            give_result(c, i, permutation_of(c, pivots, &square));
        else if (i == 1)
            give_result(c, i, build2(b, OP_add, lower, eye_like(c, &lower->type)));
        else
            give_result(c, i, triangle_of(c, part(c, lu, 2, least), true, 0));
    }
}

void decode_lu(Call *c) /* factors and pivots; factors multiplied out (1) */
{
    Value *a = arg_matrix(c, "A");
    Node *lu = lu_of(c, a, arg_bool(c, "pivot"));
    if ((int)c->row->op == 1) {
        give_lu_parts(c, lu->out[0], lu->out[1]);
        return;
    }
    if (errors_checked(c, c->result_count == 2))
        check_info(c, lu->out[2], "the matrix that was to be factorised is singular");
    for (uint32_t i = 0; i < 3; i++)
        give_result(c, i, lu->out[i]);
}

void decode_lu_unpack(Call *c)
{
    Value *lu = arg_matrix(c, "LU_data"), *pivots = arg_tensor(c, "LU_pivots");
    if (pivots->type.rank != lu->type.rank - 1 || pivots->type.dtype != DT_i32)
        call_refuse(c, "with pivots of %s", type_text(c->b.g->job, &pivots->type));
    give_lu_parts(c, lu, pivots);
}

/* -1 where the pivots make an odd permutation, else 1. */
static Value *parity(Call *c, Value *pivots, DType t)
{
    Build *b = &c->b;
    bool axes[MAX_RANK] = { false };
    axes[pivots->type.rank - 1] = true;
    Value *own = build2(b, OP_add, iota_along(c, &pivots->type, pivots->type.rank - 1), build_full_int(b, DT_i64, 1));
    Value *moved = build_cast(b, build2(b, OP_ne, build_cast(b, pivots, DT_i64), own), DT_i64);
    Value *odd = build2(b, OP_rem, build_reduce(b, OP_sum, moved, axes, false), build_full_int(b, DT_i64, 2));
    odd = build2(b, OP_ne, odd, build_full_int(b, DT_i64, 0));
    return build3(b, OP_where, odd, build_full(b, t, -1), build_full(b, t, 1));
}

void decode_det(Call *c) /* det; sign and logarithm (1); logarithm (2) */
{
    Build *b = &c->b;
    Value *a = arg_matrix(c, "A");
    Node *lu = lu_of(c, a, true);
    Value *d = diagonal_of(c, lu->out[0]), *sign = parity(c, lu->out[1], a->type.dtype);
    bool last[MAX_RANK] = { false };
    int kind = (int)c->row->op;
    last[d->type.rank - 1] = true;
    uint32_t given = kind == 1 ? 2 : 1;
    if (kind == 0) {
        give_result(c, 0, build2(b, OP_mul, build_reduce(b, OP_prod, d, last, false), sign));
    } else {
        sign = build2(b, OP_mul, sign, build_reduce(b, OP_prod, build1(b, OP_sign, d), last, false));
        Value *size = build_reduce(b, OP_sum, build1(b, OP_log, build1(b, OP_abs, d)), last, false);
        Value *minus = build2(b, OP_lt, sign, number_like(c, sign, 0));
        give_result(c, 0, kind == 1 ? sign : build3(b, OP_where, minus, number_like(c, size, NAN), size));
        if (kind == 1)
            give_result(c, 1, size);
    }
    give_result(c, given, lu->out[0]);
    give_result(c, given + 1, lu->out[1]);
}

/* x of a x = b, where b may be vectors: of any batches. */
static Node *solved(Call *c, Value *a, Value *b)
{
    same_batch(c, &a, &b);
    return matrix_routine(c, OP_solve, (Value *[]){ a, b }, 2, NULL, 0);
}

Node *inverse_of(Call *c, Value *a)
{
    return solved(c, a, eye_like(c, &a->type));
}

void decode_inverse(Call *c)
{
    Node *n = inverse_of(c, arg_matrix(c, "A"));
    if (errors_checked(c, c->result_count == 1))
        check_info(c, n->out[1], "the matrix that was to be inverted is singular");
    give_result(c, 0, n->out[0]);
    give_result(c, 1, n->out[1]);
}

/* A batch of vectors, or one: as matrices of one column. */
static bool is_vector(const Value *a, const Value *b)
{
    bool same = b->type.rank == a->type.rank - 1;
    for (int i = 0; i < b->type.rank && same; i++)
        same = b->type.dim[i] == a->type.dim[i];
    return b->type.rank == 1 || same;
}

void decode_solve(Call *c)
{
    Value *a = arg_matrix(c, "A"), *b = arg_tensor(c, "B");
    Type t = b->type;
    bool left = !arg_json(c, "left") || arg_bool(c, "left"), vector = is_vector(a, b);
    if (vector) {
        t.dim[t.rank++] = k(c, 1);
        b = build_reshape(&c->b, b, t.rank, t.dim);
    }
    bool turn = !left && !vector;
    Node *n = turn ? solved(c, transposed(c, a), transposed(c, b)) : solved(c, a, b);
    give_result(c, 0, turn ? transposed(c, n->out[0]) : n->out[0]);
    if (errors_checked(c, c->result_count == 1))
        check_info(c, n->out[1], "the matrix of the system is singular");
    if (c->result_count == 4) { /* result, factors, pivots, info */
        Node *lu = lu_of(c, a, true);
        give_result(c, 1, lu->out[0]);
        give_result(c, 2, lu->out[1]);
        give_result(c, 3, lu->out[2]);
    } else {
        give_result(c, 1, n->out[1]);
    }
}

/* Pivots of the batch of a. */
static Value *pivots_like(Call *c, Value *pivots, const Value *a)
{
    Type t = a->type;
    t.rank--;
    return build_expand(&c->b, build_cast(&c->b, pivots, DT_i32), t.rank, t.dim);
}

void decode_lu_solve(Call *c)
{
    bool old = flag(c, 'o'); /* lu_solve(b, factors, pivots) */
    Value *lu = arg_matrix(c, old ? "LU_data" : "LU"), *b = arg_matrix(c, old ? "self" : "B");
    Value *pivots = arg_tensor(c, old ? "LU_pivots" : "pivots");
    bool left = old || arg_bool(c, "left"), adjoint = !old && arg_bool(c, "adjoint");
    b = left ? b : transposed(c, b);
    same_batch(c, &lu, &b);
    Value *in[3] = { lu, pivots_like(c, pivots, lu), b };
    Value *x = matrix_routine(c, OP_lu_solve, in, 3, "adjoint", adjoint == left)->out[0];
    give_result(c, 0, left ? x : transposed(c, x));
}

/* ---- triangles, Cholesky ---------------------------------------------------------------------------------------- */

static Value *triangular(Call *c, Value *a, Value *b, bool upper, bool unit)
{
    Attr at[2] = { attr_int(c->b.g->job, "upper", upper), attr_int(c->b.g->job, "unit", unit) };
    same_batch(c, &a, &b);
    return build_routine(&c->b, OP_triangular, (Value *[]){ a, b }, 2, at, 2)->out[0];
}

void decode_solve_triangular(Call *c) /* linalg_solve_triangular; triangular_solve (1) */
{
    bool old = (int)c->row->op == 1, upper = arg_bool(c, "upper"), unit = arg_bool(c, "unitriangular");
    Value *a = arg_matrix(c, old ? "A" : "self"), *b = arg_matrix(c, old ? "self" : "B");
    if (old) {
        bool turn = arg_bool(c, "transpose");
        give_result(c, 0, triangular(c, turn ? transposed(c, a) : a, b, upper != turn, unit));
        give_result(c, 1, build_expand(&c->b, a, c->meta[1].rank, c->meta[1].dim));
        return;
    }
    if (arg_bool(c, "left"))
        give_result(c, 0, triangular(c, a, b, upper, unit));
    else
        give_result(c, 0, transposed(c, triangular(c, transposed(c, a), transposed(c, b), !upper, unit)));
}

void decode_cholesky(Call *c)
{
    bool upper = arg_bool(c, "upper");
    Value *a = arg_matrix(c, "self");
    a = upper ? transposed(c, a) : a;
    Node *n = matrix_routine(c, OP_cholesky, &a, 1, NULL, 0);
    if (errors_checked(c, c->result_count == 1))
        check_info(c, n->out[1], "the matrix is not positive definite");
    give_result(c, 0, upper ? transposed(c, n->out[0]) : n->out[0]);
    give_result(c, 1, n->out[1]);
}

void decode_cholesky_solve(Call *c) /* cholesky_solve(b, factor); cholesky_inverse(factor) (1) */
{
    bool inverse = (int)c->row->op == 1, upper = arg_bool(c, "upper");
    Value *l = arg_matrix(c, inverse ? "self" : "input2"), *b = inverse ? eye_like(c, &l->type) : arg_matrix(c, "self");
    l = upper ? transposed(c, l) : l;
    give_result(c, 0, triangular(c, transposed(c, l), triangular(c, l, b, false, false), true, false));
}

void decode_ldl(Call *c)
{
    Value *a = arg_matrix(c, "self");
    Node *n = matrix_routine(c, OP_ldl, &a, 1, NULL, 0);
    if (errors_checked(c, c->result_count == 2))
        check_info(c, n->out[2], "the matrix that was to be factorised is singular");
    for (uint32_t i = 0; i < 3; i++)
        give_result(c, i, n->out[i]);
}

void decode_ldl_solve(Call *c)
{
    Value *ld = arg_matrix(c, "LD"), *b = arg_matrix(c, "B");
    same_batch(c, &ld, &b);
    Value *in[3] = { ld, pivots_like(c, arg_tensor(c, "pivots"), ld), b };
    give_result(c, 0, matrix_routine(c, OP_ldl_solve, in, 3, NULL, 0)->out[0]);
}

/* ---- Q R --------------------------------------------------------------------------------------------------------- */

/* Columns cut, or zeros added behind them, to the size. */
static Value *columns_to(Call *c, Value *v, const Idx *size)
{
    Job *job = c->b.g->job;
    const Idx *own = v->type.dim[v->type.rank - 1], *low[MAX_RANK];
    v = part(c, v, 1, idx_min(job, own, size));
    if (v->type.dim[v->type.rank - 1] == size)
        return v;
    Type t = v->type;
    t.dim[t.rank - 1] = size;
    for (int i = 0; i < t.rank; i++)
        low[i] = k(c, 0);
    Attr at[2] = { attr_idx(job, "low", low, (size_t)t.rank), attr_float(job, "value", 0) };
    return build(&c->b, OP_pad, &v, 1, &t, at, 2);
}

/* The first `columns` columns of the product of the reflections. */
static Value *reflected(Call *c, Value *a, Value *tau, const Idx *columns)
{
    return matrix_routine(c, OP_reflections, (Value *[]){ columns_to(c, a, columns), tau }, 2, NULL, 0)->out[0];
}

void decode_qr(Call *c) /* linalg_qr, qr (1) */
{
    Build *b = &c->b;
    Value *a = arg_matrix(c, "A");
    bool old = (int)c->row->op == 1;
    const char *mode = old ? (arg_bool(c, "some") ? "reduced" : "complete") : arg_text(c, "mode");
    const Type *t = &a->type;
    const Idx *m = t->dim[t->rank - 2], *least = idx_min(b->g->job, m, t->dim[t->rank - 1]);
    bool complete = !strcmp(mode, "complete");
    Node *n = matrix_routine(c, OP_householder, &a, 1, NULL, 0);
    if (!strcmp(mode, "r"))
        give_result(c, 0, build_expand(b, build_full(b, t->dtype, 0), c->meta[0].rank, c->meta[0].dim));
    else
        give_result(c, 0, reflected(c, n->out[0], n->out[1], complete ? m : least));
    give_result(c, 1, triangle_of(c, complete ? n->out[0] : part(c, n->out[0], 2, least), true, 0));
}

void decode_geqrf(Call *c)
{
    Value *a = arg_matrix(c, "self");
    Node *n = matrix_routine(c, OP_householder, &a, 1, NULL, 0);
    give_result(c, 0, n->out[0]);
    give_result(c, 1, n->out[1]);
}

void decode_householder_product(Call *c) /* and orgqr */
{
    Value *a = arg_matrix(c, "input");
    give_result(c, 0, reflected(c, a, arg_tensor(c, arg_json(c, "tau") ? "tau" : "input2"), a->type.dim[a->type.rank - 1]));
}

void decode_ormqr(Call *c)
{
    Value *a = arg_matrix(c, "self"), *q = reflected(c, a, arg_tensor(c, "input2"), a->type.dim[a->type.rank - 2]);
    Value *other = arg_matrix(c, "input3");
    q = arg_bool(c, "transpose") ? transposed(c, q) : q;
    give_result(c, 0, build2(&c->b, OP_matmul, arg_bool(c, "left") ? q : other, arg_bool(c, "left") ? other : q));
}
