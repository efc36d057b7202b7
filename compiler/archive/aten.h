/* SPDX-License-Identifier: MIT */
/* For the decode functions: how each ATen operator of aten.def becomes nodes of the graph.
 *
 * A decode function reads arguments by their schema names (import.h), builds nodes, and gives the results.  Result
 * sizes are the recorded ones (c->meta); dtypes follow PyTorch's promotion.  One file holds one family of operators;
 * what several files need is declared here. */
#ifndef AOTC_ATEN_H
#define AOTC_ATEN_H
#include "import.h"
#include <string.h>

/* Every decode function that a row names. */
#define ATEN_GROUP(title)
#define ATEN(name, decode, op, flags) void decode_##decode(Call *c);
#include "aten.def"
#undef ATEN
#undef ATEN_GROUP

static inline void give(Call *c, Value *v)
{
    c->result[0] = v;
}

static inline const Idx *k(Call *c, int64_t n)
{
    return idx_const(c->b.g->job, n);
}

static inline bool flag(const Call *c, char f)
{
    return strchr(c->row->flags, f) != NULL;
}

/* What a formula of several steps computes in: halves are rounded once, at its end. */
static inline DType wide(DType t)
{
    return t == DT_f16 || t == DT_bf16 ? DT_f32 : t;
}

/* What torch keeps in a narrow type between two steps of one operator: v rounded to t, in the type of v. */
static inline Value *rounded(Build *b, Value *v, DType t)
{
    return build_cast(b, build_cast(b, v, t), v->type.dtype);
}

/* ---- aten_pointwise.c ---- */

/* The dtype that arithmetic on tensors with sizes, 0-d tensors and Python numbers has: promote_operand for each
 * operand on a Promotion of three DT_NONE, then promoted. */
typedef struct Promotion {
    DType tensor, scalar_tensor, number; /* DT_NONE: none */
} Promotion;
void promote_operand(Promotion *p, const Value *v, bool number);
DType promoted(const Promotion *p);
Value *number_like(Call *c, const Value *v, double x); /* 0-d, of v's dtype */
Value *self_as(Call *c, DType d);                      /* argument self, cast */
Value *as_bool(Call *c, Value *v);                     /* v != 0 */
DType cast_operands(Call *c, Value **a, Value **b);    /* both operands as wide(result's dtype), which is returned */
Value *log_sigmoid(Call *c, Value *x);

/* ---- aten_complex.c ---- */

Value *build_complex(Call *c, Value *re, Value *im);
Value *build_abs(Call *c, Value *z);     /* of complex values, too */
Value *conjugated(Call *c, Value *z);    /* a real one itself */
Value *as_real(Call *c, Value *z);       /* a last axis of 2 */
Value *as_complex(Call *c, Value *pairs);

/* ---- aten_linalg.c ---- */

Value *arg_matrix(Call *c, const char *name);                /* f32 or f64; the name may also be A, self or input */
Value *transposed(Call *c, Value *v);                        /* the last two axes */
Node *matrix_routine(Call *c, Op op, Value *const *in, uint32_t n, const char *attr, int64_t number); /* attr or NULL */
void give_result(Call *c, uint32_t i, Value *v);                 /* result i, if there is one, of its recorded type */
Value *triangle_of(Call *c, Value *a, bool upper, int64_t diagonal);
Value *eye_like(Call *c, const Type *like);
Value *diagonal_of(Call *c, Value *a);
Node *inverse_of(Call *c, Value *a);                         /* the inverse, info */

/* ---- aten_norm.c ---- */

Value *norm_of(Call *c, Value *x, double p, const bool *axes, bool keep); /* of a floating x, of any order */

/* ---- aten_reduce.c ---- */

/* Marks the axes that argument dim names; all, where it names none. */
void axes_of(Call *c, int rank, bool *axes);
Value *first_equal(Call *c, Value *a, Value *m, int dim); /* the first index along dim, which stays, of m or NaN */

/* ---- aten_scan.c ---- */

/* 0, 1, 2, ... along axis dim of t, in a shape that broadcasts to t. */
Value *iota_along(Call *c, const Type *t, int dim);

Value *scan(Call *c, Value *a, int dim, Op op); /* running totals; a itself where it is 0-d */

/* ---- aten_sort.c ---- */

/* The first `count` (NULL: all) of the last axis, and (out[1]) their indices; the key is of a type that sort_key makes. */
Node *sort_last(Call *c, Value *key, bool descending, const Idx *count);

/* Where in a sorted row v belongs, before equal elements or behind them (right); `order`, if any, sorts the row. */
Value *search_sorted(Call *c, Value *row, Value *v, Value *order, bool right);

/* ---- aten_product.c ---- */

/* matmul of any ranks: a vector becomes a matrix and the added axis vanishes again. */
Value *matmul_any(Call *c, Value *a, Value *b, const Type *result);

/* ---- aten_view.c ---- */

/* a[.., at, ..] along dim, which vanishes: of type t. */
Value *pick(Call *c, Value *a, int dim, const Idx *at, const Type *t);

/* ---- aten_create.c ---- */

Value *linear_steps(Call *c, Value *start, Value *end, const Idx *n, DType t); /* linspace, of f64 ends; f64 */
Value *int_value(Call *c, const Idx *n); /* 0-d i64 */
Value *const_ints(Call *c, const int64_t *v, int64_t n); /* 1-d i64; v is kept */
/* start + step * i for i < n, along an axis of a tensor of sizes 1. */
Value *affine_along(Call *c, const Idx *n, const Idx *start, const Idx *step, int axis, int rank);

/* ---- aten_random.c ---- */

Value *dropped(Call *c, Value *a, double p); /* each element is 0 with probability p, or scaled */

/* ---- aten_index.c ---- */

/* a at the indices along axis; along n axes; the core operator take. */
Value *take(Call *c, Value *a, Value *index, int axis);
Value *take_axes(Call *c, Value *a, Value *const *index, const int64_t *axes, int n);
/* a with src, which broadcasts to what take would give, put there: the core operator put, mode "set" and so on. */
Value *put(Call *c, Value *a, Value *src, Value *index, int axis, const char *mode);
Value *put_axes(Call *c, Value *a, Value *src, Value *const *index, const int64_t *axes, int n, const char *mode);
Value *gather(Call *c, Value *a, Value *index, int dim); /* index: of a's rank, an index along dim for each element */
Value *at_least_1d(Call *c, Value *v);
Value *flat(Call *c, Value *v); /* 1-d, row-major */

/* ---- aten_resample.c ---- */

DType wide_type(DType d); /* f64, else f32 */
Value *size_as(Call *c, const Idx *n, DType d);
Value *index_plus(Call *c, Value *index, int64_t by, const Idx *n); /* in [0, n) */
void cubic_weights(Call *c, Value *t, Value **w);                   /* of the four neighbours of a point, t behind the second */

/* ---- aten_late.c ---- */

/* The indices along each axis of what holds in `mask`, i64[size]; size NULL: a late symbol of its own. */
void mask_indices(Call *c, Value *mask, const Idx *size, Value **out);
Value *running_sum(Call *c, Value *v); /* along the first axis */
/* i64[size]: i as often as repeats[i] says. */
Value *repeat_indices(Call *c, Value *repeats, const Idx *size);
#endif
