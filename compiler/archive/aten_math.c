/* SPDX-License-Identifier: MIT */
/* Pointwise functions that are formulas of core operators; halves are computed in f32 and rounded once. */
#include "aten.h"
#include <math.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

static void give_rounded(Call *c, Value *v)
{
    give(c, build_cast(&c->b, v, c->meta[0].dtype));
}

void decode_frac(Call *c)
{
    Value *x = self_as(c, wide(c->meta[0].dtype));
    give_rounded(c, build2(&c->b, OP_sub, x, build1(&c->b, OP_trunc, x)));
}

/* log(z / (1 - z)), z being x or, with eps, x clipped to [eps, 1 - eps]. */
void decode_logit(Call *c)
{
    Build *b = &c->b;
    Value *z = self_as(c, wide(c->meta[0].dtype)), *one = number_like(c, z, 1);
    if (arg_given(c, "eps")) {
        Value *eps = number_like(c, z, arg_float(c, "eps"));
        z = build2(b, OP_min, build2(b, OP_max, z, eps), build2(b, OP_sub, one, eps));
    }
    give_rounded(c, build1(b, OP_log, build2(b, OP_div, z, build2(b, OP_sub, one, z))));
}

/* max + log2(1 + 2^-|x - y|); equal infinities are their own sum. */
void decode_logaddexp2(Call *c)
{
    Build *b = &c->b;
    Value *x, *y;
    cast_operands(c, &x, &y);
    Value *apart = build1(b, OP_neg, build1(b, OP_abs, build2(b, OP_sub, x, y)));
    Value *tail = build1(b, OP_log1p, build1(b, OP_exp2, apart));
    tail = build2(b, OP_mul, tail, number_like(c, x, 1.4426950408889634));
    Value *infinite = build2(b, OP_eq, build1(b, OP_abs, x), number_like(c, x, INFINITY));
    Value *same = build2(b, OP_and, infinite, build2(b, OP_eq, x, y));
    give_rounded(c, build3(b, OP_where, same, x, build2(b, OP_add, build2(b, OP_max, x, y), tail)));
}

void decode_sinc(Call *c) /* sin(pi x) / (pi x), 1 at 0 */
{
    Build *b = &c->b;
    Value *x = self_as(c, wide(c->meta[0].dtype)), *z = build2(b, OP_mul, x, number_like(c, x, pi));
    Value *r = build2(b, OP_div, build1(b, OP_sin, z), z), *zero = build2(b, OP_eq, x, number_like(c, x, 0));
    give_rounded(c, build3(b, OP_where, zero, number_like(c, x, 1), r));
}

void decode_entr(Call *c) /* -x log(x), 0 at 0, -inf below */
{
    Build *b = &c->b;
    Value *x = self_as(c, wide(c->meta[0].dtype)), *zero = number_like(c, x, 0);
    Value *r = build2(b, OP_mul, build1(b, OP_neg, x), build1(b, OP_log, x));
    Value *rest = build3(b, OP_where, build2(b, OP_eq, x, zero), zero, number_like(c, x, -INFINITY));
    Value *above = build2(b, OP_or, build2(b, OP_gt, x, zero), build1(b, OP_isnan, x));
    give_rounded(c, build3(b, OP_where, above, r, rest));
}

void decode_heaviside(Call *c) /* `values` at 0, else x > 0 */
{
    Build *b = &c->b;
    Value *x, *at_zero;
    DType t = cast_operands(c, &x, &at_zero);
    Value *zero = number_like(c, x, 0), *step = build_cast(b, build2(b, OP_gt, x, zero), t);
    give_rounded(c, build3(b, OP_where, build2(b, OP_eq, x, zero), at_zero, step));
}

void decode_signbit(Call *c)
{
    Build *b = &c->b;
    Value *x = arg_tensor(c, "self");
    if (dtype_is_float(x->type.dtype))
        x = build2(b, OP_copysign, number_like(c, x, 1), x);
    give(c, build2(b, OP_lt, x, number_like(c, x, 0)));
}

void decode_angle(Call *c) /* of real numbers: 0 or pi */
{
    Build *b = &c->b;
    Value *z = arg_tensor(c, "self");
    if (dtype_is_complex(z->type.dtype)) {
        give(c, build2(b, OP_atan2, build1(b, OP_imag, z), build1(b, OP_real, z)));
        return;
    }
    Value *x = self_as(c, c->meta[0].dtype), *zero = number_like(c, x, 0);
    Value *r = build3(b, OP_where, build2(b, OP_lt, x, zero), number_like(c, x, pi), zero);
    give(c, build3(b, OP_where, build1(b, OP_isnan, x), x, r));
}

/* Each of NaN, inf and -inf replaced; without a number: by 0, the greatest, the least. */
void decode_nan_to_num(Call *c)
{
    Build *b = &c->b;
    Value *x = arg_tensor(c, "self");
    DType t = x->type.dtype;
    if (!dtype_is_float(t)) {
        give(c, x);
        return;
    }
    double most = t == DT_f64   ? 0x1.fffffffffffffp1023
                  : t == DT_f32 ? 0x1.fffffep127
                  : t == DT_f16 ? 65504
                                : 0x1.fep127;
    double high = arg_given(c, "posinf") ? arg_float(c, "posinf") : most;
    double low = arg_given(c, "neginf") ? arg_float(c, "neginf") : -most;
    Value *r = build3(b, OP_where, build2(b, OP_eq, x, number_like(c, x, INFINITY)), number_like(c, x, high), x);
    r = build3(b, OP_where, build2(b, OP_eq, x, number_like(c, x, -INFINITY)), number_like(c, x, low), r);
    Value *nan = number_like(c, x, arg_given(c, "nan") ? arg_float(c, "nan") : 0);
    give(c, build3(b, OP_where, build1(b, OP_isnan, x), nan, r));
}

void decode_round(Call *c)
{
    Build *b = &c->b;
    int64_t decimals = arg_json(c, "decimals") ? arg_int(c, "decimals") : 0;
    Value *x = self_as(c, wide(c->meta[0].dtype));
    if (!dtype_is_float(x->type.dtype)) {
        give(c, x);
        return;
    }
    Value *scale = number_like(c, x, pow(10, fabs((double)decimals)));
    if (decimals)
        x = build2(b, decimals > 0 ? OP_mul : OP_div, x, scale);
    x = build1(b, OP_round, x);
    give_rounded(c, !decimals ? x : build2(b, decimals > 0 ? OP_div : OP_mul, x, scale));
}

void decode_ldexp(Call *c) /* x * 2^n */
{
    Build *b = &c->b;
    Value *x, *n;
    cast_operands(c, &x, &n);
    give_rounded(c, build2(b, OP_mul, x, build1(b, OP_exp2, n)));
}

/* x = mantissa * 2^exponent; the power in two factors, as it may be beyond the exponents. */
void decode_frexp(Call *c)
{
    Build *b = &c->b;
    Value *x = self_as(c, wide(c->meta[0].dtype)), *e = build1(b, OP_exponent, x);
    Value *half = build1(b, OP_trunc, build2(b, OP_mul, e, number_like(c, x, 0.5)));
    Value *up = build1(b, OP_exp2, build1(b, OP_neg, half)), *rest = build1(b, OP_exp2, build2(b, OP_sub, half, e));
    give_rounded(c, build2(b, OP_mul, build2(b, OP_mul, x, up), rest));
    c->result[1] = build_cast(b, e, c->meta[1].dtype);
}

void decode_lcm(Call *c) /* |x / gcd(x, y) * y| */
{
    Build *b = &c->b;
    Value *x, *y;
    cast_operands(c, &x, &y);
    Value *each = build2(b, OP_div_trunc, x, build2(b, OP_gcd, x, y));
    give(c, build1(b, OP_abs, build2(b, OP_mul, each, y)));
}

/* |x - y| <= atol + |rtol y|, or equal. */
void decode_isclose(Call *c)
{
    Build *b = &c->b;
    Value *x = arg_tensor(c, "self"), *y = arg_tensor(c, "other");
    Value *close = build2(b, OP_eq, x, y);
    if (dtype_is_float(x->type.dtype) && arg_bool(c, "equal_nan"))
        close = build2(b, OP_or, close, build2(b, OP_and, build1(b, OP_isnan, x), build1(b, OP_isnan, y)));
    double rtol = arg_float(c, "rtol"), atol = arg_float(c, "atol");
    if (rtol != 0 || atol != 0) {
        DType t = dtype_is_float(x->type.dtype) ? wide(x->type.dtype) : DT_f32;
        x = build_cast(b, x, t);
        y = build_cast(b, y, t);
        Value *room = build1(b, OP_abs, build2(b, OP_mul, y, number_like(c, y, rtol)));
        room = build2(b, OP_add, room, number_like(c, y, atol));
        Value *apart = build1(b, OP_abs, build2(b, OP_sub, x, y));
        Value *finite = build2(b, OP_lt, apart, number_like(c, x, INFINITY));
        close = build2(b, OP_or, close, build2(b, OP_and, finite, build2(b, OP_le, apart, room)));
    }
    give(c, close);
}

/* Whether each element is among the others: compared with all of them. */
void decode_isin(Call *c)
{
    Build *b = &c->b;
    bool number;
    Promotion p = { DT_NONE, DT_NONE, DT_NONE };
    Value *x = arg_operand(c, arg_json(c, "element") ? "element" : "elements", &number);
    promote_operand(&p, x, number);
    Value *of = arg_operand(c, arg_json(c, "test_element") ? "test_element" : "test_elements", &number);
    promote_operand(&p, of, number);
    const Idx *dim[MAX_RANK];
    int rank = x->type.rank;
    if (rank + 1 > MAX_RANK)
        call_refuse(c, "of %d dimensions", rank);
    memcpy(dim, x->type.dim, sizeof dim);
    dim[rank] = k(c, 1);
    x = build_reshape(b, build_cast(b, x, promoted(&p)), rank + 1, dim);
    of = build_reshape(b, build_cast(b, of, promoted(&p)), 1, (const Idx *[]){ type_count(b->g->job, &of->type) });
    bool axes[MAX_RANK] = { false };
    axes[rank] = true;
    Value *r = build_reduce(b, OP_any, build2(b, OP_eq, x, of), axes, false);
    give(c, arg_bool(c, "invert") ? build1(b, OP_not, r) : r);
}

/* ---- activations --------------------------------------------------------------------------------------------------- */

static void leak(Call *c, Value *x, Value *slope)
{
    Build *b = &c->b;
    Value *low = build2(b, OP_mul, x, slope);
    give_rounded(c, build3(b, OP_where, build2(b, OP_gt, x, number_like(c, x, 0)), x, low));
}

void decode_prelu(Call *c) /* one weight, or one a channel (axis 1); _prelu_kernel (1): broadcast already */
{
    Build *b = &c->b;
    Value *x = self_as(c, wide(c->meta[0].dtype)), *w = build_cast(b, arg_tensor(c, "weight"), x->type.dtype);
    const Idx *dim[MAX_RANK];
    if (!(int)c->row->op && w->type.rank == 1) {
        for (int i = 0; i < x->type.rank; i++)
            dim[i] = i == (x->type.rank > 1) ? w->type.dim[0] : k(c, 1);
        w = build_reshape(b, w, x->type.rank, dim);
    }
    leak(c, x, w);
}

void decode_glu(Call *c) /* the first half times the sigmoid of the second */
{
    Build *b = &c->b;
    Value *x = self_as(c, wide(c->meta[0].dtype));
    if (!x->type.rank)
        call_refuse(c, "of a 0-d tensor");
    int dim = arg_dim(c, "dim", x->type.rank);
    const Idx *half = c->meta[0].dim[dim];
    Value *a = build_slice(b, x, dim, k(c, 0), k(c, 1), half), *gate = build_slice(b, x, dim, half, k(c, 1), half);
    give_rounded(c, build2(b, OP_mul, a, build1(b, OP_sigmoid, gate)));
}

/* ---- special functions ------------------------------------------------------------------------------------------------ */

void decode_bessel(Call *c) /* modified: from the scaled form */
{
    Build *b = &c->b;
    Value *x = self_as(c, wide(c->meta[0].dtype)), *z;
    z = c->row->op == OP_i0e || c->row->op == OP_i1e ? build1(b, OP_abs, x) : build1(b, OP_neg, x);
    give_rounded(c, build2(b, OP_mul, build1(b, c->row->op, x), build1(b, OP_exp, z)));
}

void decode_ndtr(Call *c) /* erfc(-x / sqrt(2)) / 2 */
{
    Build *b = &c->b;
    Value *x = self_as(c, wide(c->meta[0].dtype)), *z = build2(b, OP_mul, x, number_like(c, x, -0.70710678118654752));
    give_rounded(c, build2(b, OP_mul, build1(b, OP_erfc, z), number_like(c, x, 0.5)));
}

void decode_log_ndtr(Call *c) /* below -1 from the scaled function, as ndtr vanishes */
{
    Build *b = &c->b;
    Value *x = self_as(c, wide(c->meta[0].dtype)), *half = number_like(c, x, 0.5);
    Value *z = build2(b, OP_mul, x, number_like(c, x, -0.70710678118654752));
    Value *low = build1(b, OP_log, build2(b, OP_mul, build1(b, OP_erfcx, z), half));
    low = build2(b, OP_sub, low, build2(b, OP_mul, z, z));
    Value *high = build2(b, OP_mul, build1(b, OP_erfc, build1(b, OP_neg, z)), half);
    high = build1(b, OP_log1p, build1(b, OP_neg, high));
    give_rounded(c, build3(b, OP_where, build2(b, OP_lt, x, number_like(c, x, -1)), low, high));
}

void decode_polygamma(Call *c) /* (-1)^(n + 1) n! zeta(n + 1, x) */
{
    Build *b = &c->b;
    int64_t n = arg_int(c, "n");
    Value *x = self_as(c, wide(c->meta[0].dtype));
    if (n < 0)
        fail_at(b->g->job, EXIT_INPUT, &b->origin, "%s: an order below 0", c->target);
    if (n < 2) {
        give_rounded(c, build1(b, n ? OP_trigamma : OP_digamma, x));
        return;
    }
    double factor = (n % 2 ? 1 : -1) * exp(lgamma((double)n + 1));
    Value *sum = build2(b, OP_zeta, number_like(c, x, (double)n + 1), x);
    give_rounded(c, build2(b, OP_mul, sum, number_like(c, x, factor)));
}

void decode_mvlgamma(Call *c) /* p (p - 1) / 4 log(pi) + the sum of lgamma(x - j / 2), j < p */
{
    Build *b = &c->b;
    int64_t p = arg_int(c, "p");
    Value *x = self_as(c, wide(c->meta[0].dtype));
    if (p < 1 || p > 64)
        call_refuse(c, "of order %lld", (long long)p);
    Value *r = number_like(c, x, (double)(p * (p - 1)) / 4 * log(pi));
    for (int64_t j = 0; j < p; j++)
        r = build2(b, OP_add, r, build1(b, OP_lgamma, build2(b, OP_sub, x, number_like(c, x, (double)j / 2))));
    give_rounded(c, r);
}

void decode_shifted_chebyshev(Call *c)
{
    Build *b = &c->b;
    Value *x, *n;
    cast_operands(c, &x, &n);
    x = build2(b, OP_sub, build2(b, OP_add, x, x), number_like(c, x, 1));
    give_rounded(c, build2(b, c->row->op, x, n));
}
