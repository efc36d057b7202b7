/* SPDX-License-Identifier: MIT */
/* Operators that compute each element by itself, with PyTorch's promotion of dtypes. */
#include "aten.h"
#include <math.h>
#include <string.h>

/* ---- promotion --------------------------------------------------------------------------------------------------- */
static void promote_one(DType *slot, DType d)
{
    *slot = *slot == DT_NONE ? d : dtype_promote(*slot, d);
}

void promote_operand(Promotion *p, const Value *v, bool number)
{
    if (number)
        promote_one(&p->number, v->type.dtype == DT_f64 ? DT_f32 : v->type.dtype == DT_c128 ? DT_c64 : v->type.dtype);
    else
        promote_one(v->type.rank ? &p->tensor : &p->scalar_tensor, v->type.dtype);
}

static int rank_of(DType d)
{
    return d == DT_NONE ? -1 : dtype_info[d].kind == DK_B ? 0 : dtype_is_int(d) ? 1 : dtype_is_float(d) ? 2 : 3;
}

/* A lower-priority operand counts only when its category is higher. */
static DType promote_pair(DType high, DType low)
{
    if (low == DT_NONE)
        return high;
    if (high == DT_NONE)
        return low;
    return rank_of(low) > rank_of(high) ? dtype_promote(high, low) : high;
}

DType promoted(const Promotion *p)
{
    return promote_pair(promote_pair(p->tensor, p->scalar_tensor), p->number);
}

/* ---- pointwise --------------------------------------------------------------------------------------------------- */
void decode_unary(Call *c)
{
    Value *a = arg_tensor(c, arg_json(c, "x") ? "x" : "self");
    DType t = c->row->op == OP_isnan ? a->type.dtype : c->meta[0].dtype;
    bool rounding = c->row->op >= OP_floor && c->row->op <= OP_trunc;
    if ((rounding || c->row->op == OP_isnan) && !dtype_is_float(t) && !dtype_is_complex(t)) {
        give(c, rounding ? a : build_expand(&c->b, build_full_int(&c->b, DT_bool, 0), a->type.rank, a->type.dim));
        return;
    }
    give(c, build1(&c->b, c->row->op, build_cast(&c->b, a, t)));
}

Value *number_like(Call *c, const Value *v, double x)
{
    return build_full(&c->b, v->type.dtype, x);
}

Value *self_as(Call *c, DType d)
{
    return build_cast(&c->b, arg_tensor(c, "self"), d);
}

void decode_scaled_angle(Call *c)
{
    Value *a = self_as(c, c->meta[0].dtype);
    double pi = 3.14159265358979323846;
    give(c, build2(&c->b, OP_mul, a, number_like(c, a, (int)c->row->op ? 180 / pi : pi / 180)));
}

/* log(1 + exp(beta x)) / beta, x itself beyond the threshold. */
void decode_softplus(Call *c)
{
    Build *b = &c->b;
    Value *x = arg_tensor(c, "self"), *beta = number_like(c, x, arg_float(c, "beta"));
    Value *z = build2(b, OP_mul, x, beta);
    Value *y = build2(b, OP_div, build1(b, OP_log1p, build1(b, OP_exp, z)), beta);
    Value *far = build2(b, OP_gt, z, number_like(c, x, arg_float(c, "threshold")));
    give(c, build3(b, OP_where, far, x, y));
}

/* min(x, 0) - log1p(exp(-|x|)) */
Value *log_sigmoid(Call *c, Value *x)
{
    Build *b = &c->b;
    Value *tail = build1(b, OP_log1p, build1(b, OP_exp, build1(b, OP_neg, build1(b, OP_abs, x))));
    return build2(b, OP_sub, build2(b, OP_min, x, number_like(c, x, 0)), tail);
}

void decode_log_sigmoid(Call *c)
{
    Build *b = &c->b;
    Value *x = self_as(c, wide(c->meta[0].dtype));
    give(c, build_cast(b, log_sigmoid(c, x), c->meta[0].dtype));
    if (c->result_count > 1) /* what the gradient would read */
        c->result[1] = build_cast(b, build1(b, OP_exp, build1(b, OP_neg, build1(b, OP_abs, x))), c->meta[1].dtype);
}

void decode_elu(Call *c) /* and celu (1), selu (2) */
{
    Build *b = &c->b;
    int kind = (int)c->row->op;
    Value *x = arg_tensor(c, "self");
    double alpha = kind == 2 ? 1.6732632423543772848 : arg_float(c, "alpha");
    double scale = kind == 2 ? 1.0507009873554804934 : kind == 0 ? arg_float(c, "scale") : 1;
    double input = kind == 0 ? arg_float(c, "input_scale") : kind == 1 ? 1 / alpha : 1;
    Value *low = build1(b, OP_expm1, build2(b, OP_mul, x, number_like(c, x, input)));
    low = build2(b, OP_mul, low, number_like(c, x, alpha * scale));
    Value *high = build2(b, OP_mul, x, number_like(c, x, scale));
    give(c, build3(b, OP_where, build2(b, OP_gt, x, number_like(c, x, 0)), high, low));
}

void decode_mish(Call *c)
{
    Build *b = &c->b;
    Value *x = arg_tensor(c, "self"), *sp = build1(b, OP_log1p, build1(b, OP_exp, x));
    sp = build3(b, OP_where, build2(b, OP_gt, x, number_like(c, x, 20)), x, sp);
    give(c, build2(b, OP_mul, x, build1(b, OP_tanh, sp)));
}

void decode_shrink(Call *c) /* hard, or soft (1): towards zero by lambd */
{
    Build *b = &c->b;
    Value *x = arg_tensor(c, "self"), *zero = number_like(c, x, 0);
    double lambd = arg_float(c, "lambd");
    Value *high = build2(b, OP_gt, x, number_like(c, x, lambd)), *low = build2(b, OP_lt, x, number_like(c, x, -lambd));
    bool soft = (int)c->row->op == 1;
    Value *above = soft ? build2(b, OP_sub, x, number_like(c, x, lambd)) : x;
    Value *below = soft ? build2(b, OP_add, x, number_like(c, x, lambd)) : x;
    Value *middle = build3(b, OP_where, build1(b, OP_isnan, x), x, zero);
    give(c, build3(b, OP_where, high, above, build3(b, OP_where, low, below, middle)));
}

void decode_threshold(Call *c)
{
    bool number;
    Build *b = &c->b;
    DType t = c->meta[0].dtype;
    Value *x = self_as(c, t), *at = build_cast(b, arg_operand(c, "threshold", &number), t);
    Value *v = build_cast(b, arg_operand(c, "value", &number), t);
    give(c, build3(b, OP_where, build2(b, OP_le, x, at), v, x));
}

static Value *tells(Call *c, Value *x, int kind)
{
    Value *a = kind < 2 ? build1(&c->b, OP_abs, x) : x, *inf = number_like(c, x, kind == 3 ? -INFINITY : INFINITY);
    return build2(&c->b, kind == 1 ? OP_lt : OP_eq, a, inf);
}

void decode_infinite(Call *c) /* and isfinite (1), isposinf (2), isneginf (3), isreal (4) */
{
    Build *b = &c->b;
    Value *x = arg_tensor(c, "self");
    int kind = (int)c->row->op;
    if (dtype_is_complex(x->type.dtype)) {
        Value *re = tells(c, build1(b, OP_real, x), kind), *im = tells(c, build1(b, OP_imag, x), kind);
        give(c, build2(b, kind == 1 ? OP_and : OP_or, re, im));
        return;
    }
    if (!dtype_is_float(x->type.dtype) || kind == 4) {
        Value *all = build_full_int(b, DT_bool, kind == 1 || kind == 4);
        give(c, build_expand(b, all, x->type.rank, x->type.dim));
        return;
    }
    give(c, tells(c, x, kind));
}

void decode_gelu(Call *c)
{
    bool tanh_form = !strcmp(arg_text(c, "approximate"), "tanh");
    give(c, build1(&c->b, tanh_form ? OP_gelu_tanh : OP_gelu, arg_tensor(c, "self")));
}

Value *as_bool(Call *c, Value *v)
{
    return v->type.dtype == DT_bool ? v : build2(&c->b, OP_ne, v, build_full_int(&c->b, v->type.dtype, 0));
}

void decode_logical_not(Call *c)
{
    Value *r = build1(&c->b, OP_not, as_bool(c, arg_tensor(c, "self")));
    give(c, build_cast(&c->b, r, c->meta[0].dtype)); /* in place: of self's dtype */
}

void decode_logical(Call *c)
{
    Value *a = as_bool(c, arg_tensor(c, "self"));
    Value *r = build2(&c->b, c->row->op, a, as_bool(c, arg_tensor(c, "other")));
    give(c, build_cast(&c->b, r, c->meta[0].dtype));
}

static Value *clip(Call *c, Value *a, double lo, double hi)
{
    DType t = a->type.dtype;
    a = build2(&c->b, OP_max, a, build_full(&c->b, t, lo));
    return build2(&c->b, OP_min, a, build_full(&c->b, t, hi));
}

void decode_hardtanh(Call *c)
{
    bool six = !strncmp(c->target, "aten.relu6", 10);
    Value *a = arg_tensor(c, "self");
    give(c, clip(c, a, six ? 0 : arg_float(c, "min_val"), six ? 6 : arg_float(c, "max_val")));
}

void decode_hardsigmoid(Call *c) /* and hardswish: x * hardsigmoid(x) */
{
    Value *a = arg_tensor(c, "self");
    DType t = a->type.dtype;
    Value *r = clip(c, build2(&c->b, OP_add, a, build_full(&c->b, t, 3)), 0, 6);
    if (c->row->op)
        r = build2(&c->b, OP_mul, a, r);
    give(c, build2(&c->b, OP_div, r, build_full(&c->b, t, 6)));
}

void decode_leaky_relu(Call *c)
{
    Value *a = arg_tensor(c, "self"), *zero = build_full(&c->b, a->type.dtype, 0);
    Value *low = build2(&c->b, OP_mul, a, build_full(&c->b, a->type.dtype, arg_float(c, "negative_slope")));
    give(c, build3(&c->b, OP_where, build2(&c->b, OP_gt, a, zero), a, low));
}

void decode_square(Call *c)
{
    Value *a = self_as(c, c->meta[0].dtype);
    give(c, build2(&c->b, OP_mul, a, a));
}

static Value *apply_alpha(Call *c, Value *b, DType t)
{
    bool number;
    if (!arg_json(c, "alpha"))
        return b;
    Value *alpha = build_cast(&c->b, arg_operand(c, "alpha", &number), t);
    return build2(&c->b, OP_mul, b, alpha);
}

/* The two operands of a call, which schemas name in several ways, and the dtype that they promote to. */
static DType two_operands(Call *c, Value **a, Value **b)
{
    static const char *const names[] = { "other", "exponent", "n", "values" };
    size_t i = 0;
    bool number;
    Promotion p = { DT_NONE, DT_NONE, DT_NONE };
    while (i + 1 < sizeof names / sizeof *names && !arg_json(c, names[i]))
        i++;
    *a = arg_operand(c, arg_json(c, "x") ? "x" : "self", &number);
    promote_operand(&p, *a, number);
    *b = arg_operand(c, names[i], &number);
    promote_operand(&p, *b, number);
    return promoted(&p);
}

DType cast_operands(Call *c, Value **a, Value **b)
{
    two_operands(c, a, b);
    DType t = wide(c->meta[0].dtype);
    *a = build_cast(&c->b, *a, t);
    *b = build_cast(&c->b, *b, t);
    return t;
}

/* a to the b; of numbers b that PyTorch has shortcuts for, by these. */
static Value *power(Build *b, Value *a, Value *exponent)
{
    const Node *n = exponent->kind == VALUE_NODE ? exponent->def : NULL;
    if (n && n->op == OP_cast && n->in[0]->kind == VALUE_NODE)
        n = n->in[0]->def;
    double x = n && n->op == OP_full && dtype_is_float(a->type.dtype) ? node_float(n, "value") : 0;
    Value *square = x == 2 || x == 3 || x == -2 ? build2(b, OP_mul, a, a) : NULL;
    if (square)
        return x == 2 ? square : x == 3 ? build2(b, OP_mul, square, a) : build1(b, OP_reciprocal, square);
    Op op = x == 0.5 ? OP_sqrt : x == -0.5 ? OP_rsqrt : x == -1 ? OP_reciprocal : OP_pow;
    return op == OP_pow ? build2(b, OP_pow, a, exponent) : build1(b, op, a);
}

void decode_binary(Call *c)
{
    Value *a, *b;
    DType t = two_operands(c, &a, &b);
    if (!flag(c, 'c'))
        t = c->meta[0].dtype;
    if (t == DT_bool && (c->row->op == OP_add || c->row->op == OP_mul)) {
        give(c, build2(&c->b, c->row->op == OP_add ? OP_or : OP_and, a, b));
        return;
    }
    a = build_cast(&c->b, a, t);
    b = build_cast(&c->b, b, t);
    if (c->row->op == OP_add || c->row->op == OP_sub) {
        if (flag(c, 'r')) {
            Value *swap = a;
            a = b;
            b = swap;
        }
        b = apply_alpha(c, b, t);
    }
    Value *r = c->row->op == OP_pow ? power(&c->b, a, b) : build2(&c->b, c->row->op, a, b);
    give(c, build_cast(&c->b, r, c->meta[0].dtype));
}

void decode_true_div(Call *c)
{
    const char *mode = arg_json(c, "rounding_mode") ? arg_text(c, "rounding_mode") : "";
    bool na, nb;
    DType t = c->meta[0].dtype;
    Value *a = build_cast(&c->b, arg_operand(c, "self", &na), t);
    Value *b = build_cast(&c->b, arg_operand(c, "other", &nb), t);
    Op op = !strcmp(mode, "floor") ? OP_div_floor : !strcmp(mode, "trunc") ? OP_div_trunc : OP_div;
    give(c, build2(&c->b, op, a, b));
}

/* The other operand where one is NaN. */
void decode_nan_aware(Call *c)
{
    Build *b = &c->b;
    Value *x, *y;
    DType t = cast_operands(c, &x, &y);
    Value *m = build2(b, c->row->op, x, y);
    if (dtype_is_float(t))
        m = build3(b, OP_where, build1(b, OP_isnan, x), y, build3(b, OP_where, build1(b, OP_isnan, y), x, m));
    give(c, build_cast(b, m, c->meta[0].dtype));
}

void decode_xlogy(Call *c) /* x log(y), or x log1p(y): 0 where x is 0 */
{
    Build *b = &c->b;
    Value *x, *y;
    cast_operands(c, &x, &y);
    Value *zero = number_like(c, x, 0), *r = build2(b, OP_mul, x, build1(b, c->row->op, y));
    r = build3(b, OP_where, build2(b, OP_eq, x, zero), zero, r);
    give(c, build_cast(b, build3(b, OP_where, build1(b, OP_isnan, y), y, r), c->meta[0].dtype));
}

/* self + value * (tensor1 op tensor2) */
void decode_addcmul(Call *c)
{
    bool number;
    Build *b = &c->b;
    DType t = c->meta[0].dtype, wide = t == DT_f16 || t == DT_bf16 ? DT_f32 : t;
    if (c->row->op == OP_div && !dtype_is_float(t))
        call_refuse(c, "on integers");
    Value *x = build_cast(b, arg_tensor(c, "tensor1"), wide), *y = build_cast(b, arg_tensor(c, "tensor2"), wide);
    Value *v = build_cast(b, arg_operand(c, "value", &number), wide);
    Value *r = c->row->op == OP_mul ? build2(b, OP_mul, build2(b, OP_mul, v, x), y)
                                    : build2(b, OP_mul, v, build2(b, OP_div, x, y));
    give(c, build_cast(b, build2(b, OP_add, self_as(c, wide), r), t));
}

void decode_lerp(Call *c)
{
    bool number;
    Build *b = &c->b;
    DType t = c->meta[0].dtype, wide = t == DT_f16 || t == DT_bf16 ? DT_f32 : t;
    Value *x = self_as(c, wide), *y = build_cast(b, arg_tensor(c, "end"), wide);
    Value *w = build_cast(b, arg_operand(c, "weight", &number), wide), *d = build2(b, OP_sub, y, x);
    Value *near = build2(b, OP_add, x, build2(b, OP_mul, w, d));
    Value *far = build2(b, OP_sub, y, build2(b, OP_mul, d, build2(b, OP_sub, number_like(c, w, 1), w)));
    Value *half = build2(b, OP_lt, build1(b, OP_abs, w), number_like(c, w, 0.5));
    give(c, build_cast(b, build3(b, OP_where, half, near, far), t));
}

void decode_clamp(Call *c)
{
    bool number;
    DType t = c->meta[0].dtype;
    Value *a = build_cast(&c->b, arg_tensor(c, "self"), t);
    if (arg_given(c, "min"))
        a = build2(&c->b, OP_max, a, build_cast(&c->b, arg_operand(c, "min", &number), t));
    if (arg_given(c, "max"))
        a = build2(&c->b, OP_min, a, build_cast(&c->b, arg_operand(c, "max", &number), t));
    give(c, a);
}

void decode_where(Call *c)
{
    bool na, nb;
    DType t = c->meta[0].dtype;
    Value *cond = as_bool(c, arg_tensor(c, "condition"));
    if (!arg_given(c, "self")) {
        mask_indices(c, cond->type.rank ? cond : flat(c, cond), c->meta[0].dim[0], c->result);
        return;
    }
    Value *a = build_cast(&c->b, arg_operand(c, "self", &na), t);
    give(c, build3(&c->b, OP_where, cond, a, build_cast(&c->b, arg_operand(c, "other", &nb), t)));
}

void decode_masked_fill(Call *c)
{
    bool number;
    Value *a = arg_tensor(c, "self"), *mask = arg_tensor(c, "mask");
    Value *v = build_cast(&c->b, arg_operand(c, "value", &number), a->type.dtype);
    give(c, build3(&c->b, OP_where, mask, v, a));
}
