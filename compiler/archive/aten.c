/* SPDX-License-Identifier: MIT */
/* How each ATen operator of aten.def becomes nodes of the graph.  Arguments are read by their schema names; result
 * sizes are the recorded ones; dtypes follow PyTorch's promotion. */
#include "import.h"
#include <stdlib.h>
#include <string.h>

static void give(Call *c, Value *v)
{
    c->result[0] = v;
}

static const Idx *k(Call *c, int64_t n)
{
    return idx_const(c->b.g->job, n);
}

static bool flag(const Call *c, char f)
{
    return strchr(c->row->flags, f) != NULL;
}

/* ---- promotion ------------------------------------------------------------------------------------------ */

typedef struct Promotion {
    DType tensor, scalar_tensor, number; /* of tensors with sizes, 0-d tensors, Python numbers; DT_NONE: none */
} Promotion;

static void promote_one(DType *slot, DType d)
{
    *slot = *slot == DT_NONE ? d : dtype_promote(*slot, d);
}

static void promote_operand(Promotion *p, const Value *v, bool number)
{
    if (number)
        promote_one(&p->number, v->type.dtype == DT_f64 ? DT_f32 : v->type.dtype);
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

static DType promoted(const Promotion *p)
{
    return promote_pair(promote_pair(p->tensor, p->scalar_tensor), p->number);
}

/* ---- pointwise ------------------------------------------------------------------------------------------- */

static void unary(Call *c)
{
    Value *a = arg_tensor(c, "self");
    DType t = c->row->op == OP_isnan ? a->type.dtype : c->meta[0].dtype;
    if (c->row->op == OP_round && arg_json(c, "decimals") && arg_int(c, "decimals"))
        call_refuse(c, "decimals other than 0");
    bool rounding = c->row->op >= OP_floor && c->row->op <= OP_trunc;
    if ((rounding || c->row->op == OP_isnan) && !dtype_is_float(t)) {
        give(c, rounding ? a : build_expand(&c->b, build_full_int(&c->b, DT_bool, 0), a->type.rank, a->type.dim));
        return;
    }
    give(c, build1(&c->b, c->row->op, build_cast(&c->b, a, t)));
}

static Value *number_like(Call *c, const Value *v, double x)
{
    return build_full(&c->b, v->type.dtype, x);
}

static Value *self_as(Call *c, DType d)
{
    return build_cast(&c->b, arg_tensor(c, "self"), d);
}

static void scaled_angle(Call *c)
{
    Value *a = self_as(c, c->meta[0].dtype);
    double pi = 3.14159265358979323846;
    give(c, build2(&c->b, OP_mul, a, number_like(c, a, (int)c->row->op ? 180 / pi : pi / 180)));
}

/* log(1 + exp(beta x)) / beta, x itself beyond the threshold. */
static void softplus(Call *c)
{
    Build *b = &c->b;
    Value *x = arg_tensor(c, "self"), *beta = number_like(c, x, arg_float(c, "beta"));
    Value *z = build2(b, OP_mul, x, beta);
    Value *y = build2(b, OP_div, build1(b, OP_log1p, build1(b, OP_exp, z)), beta);
    Value *far = build2(b, OP_gt, z, number_like(c, x, arg_float(c, "threshold")));
    give(c, build3(b, OP_where, far, x, y));
}

/* min(x, 0) - log1p(exp(-|x|)) */
static void log_sigmoid(Call *c)
{
    Build *b = &c->b;
    Value *x = arg_tensor(c, "self");
    Value *tail = build1(b, OP_log1p, build1(b, OP_exp, build1(b, OP_neg, build1(b, OP_abs, x))));
    give(c, build2(b, OP_sub, build2(b, OP_min, x, number_like(c, x, 0)), tail));
}

static void elu(Call *c) /* and celu (1), selu (2) */
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

static void mish(Call *c)
{
    Build *b = &c->b;
    Value *x = arg_tensor(c, "self"), *sp = build1(b, OP_log1p, build1(b, OP_exp, x));
    sp = build3(b, OP_where, build2(b, OP_gt, x, number_like(c, x, 20)), x, sp);
    give(c, build2(b, OP_mul, x, build1(b, OP_tanh, sp)));
}

static void shrink(Call *c) /* hard, or soft (1): towards zero by lambd */
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

static void threshold(Call *c)
{
    bool number;
    Build *b = &c->b;
    DType t = c->meta[0].dtype;
    Value *x = self_as(c, t), *at = build_cast(b, arg_operand(c, "threshold", &number), t);
    Value *v = build_cast(b, arg_operand(c, "value", &number), t);
    give(c, build3(b, OP_where, build2(b, OP_le, x, at), v, x));
}

static void infinite(Call *c) /* and isfinite (1) */
{
    Build *b = &c->b;
    Value *x = arg_tensor(c, "self");
    bool finite = (int)c->row->op == 1;
    if (!dtype_is_float(x->type.dtype)) {
        give(c, build_expand(b, build_full_int(b, DT_bool, finite), x->type.rank, x->type.dim));
        return;
    }
    Value *a = build1(b, OP_abs, x), *inf = number_like(c, x, 1e308 * 10);
    give(c, build2(b, finite ? OP_lt : OP_eq, a, inf));
}

static void gelu(Call *c)
{
    bool tanh_form = !strcmp(arg_text(c, "approximate"), "tanh");
    give(c, build1(&c->b, tanh_form ? OP_gelu_tanh : OP_gelu, arg_tensor(c, "self")));
}

static Value *as_bool(Call *c, Value *v)
{
    return v->type.dtype == DT_bool ? v : build2(&c->b, OP_ne, v, build_full_int(&c->b, v->type.dtype, 0));
}

static void logical_not(Call *c)
{
    give(c, build1(&c->b, OP_not, as_bool(c, arg_tensor(c, "self"))));
}

static void logical(Call *c)
{
    Value *a = as_bool(c, arg_tensor(c, "self"));
    give(c, build2(&c->b, c->row->op, a, as_bool(c, arg_tensor(c, "other"))));
}

static Value *clip(Call *c, Value *a, double lo, double hi)
{
    DType t = a->type.dtype;
    a = build2(&c->b, OP_max, a, build_full(&c->b, t, lo));
    return build2(&c->b, OP_min, a, build_full(&c->b, t, hi));
}

static void hardtanh(Call *c)
{
    bool six = !strncmp(c->target, "aten.relu6", 10);
    Value *a = arg_tensor(c, "self");
    give(c, clip(c, a, six ? 0 : arg_float(c, "min_val"), six ? 6 : arg_float(c, "max_val")));
}

static void hardsigmoid(Call *c) /* and hardswish: x * hardsigmoid(x) */
{
    Value *a = arg_tensor(c, "self");
    DType t = a->type.dtype;
    Value *r = clip(c, build2(&c->b, OP_add, a, build_full(&c->b, t, 3)), 0, 6);
    if (c->row->op)
        r = build2(&c->b, OP_mul, a, r);
    give(c, build2(&c->b, OP_div, r, build_full(&c->b, t, 6)));
}

static void leaky_relu(Call *c)
{
    Value *a = arg_tensor(c, "self"), *zero = build_full(&c->b, a->type.dtype, 0);
    Value *low = build2(&c->b, OP_mul, a, build_full(&c->b, a->type.dtype, arg_float(c, "negative_slope")));
    give(c, build3(&c->b, OP_where, build2(&c->b, OP_gt, a, zero), a, low));
}

static void square(Call *c)
{
    Value *a = arg_tensor(c, "self");
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

static void binary(Call *c)
{
    bool na, nb, compare = flag(c, 'c');
    Promotion p = { DT_NONE, DT_NONE, DT_NONE };
    Value *a = arg_operand(c, "self", &na);
    Value *b = arg_operand(c, arg_json(c, "exponent") ? "exponent" : "other", &nb);
    promote_operand(&p, a, na);
    promote_operand(&p, b, nb);
    DType t = compare ? promoted(&p) : c->meta[0].dtype;
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
    give(c, build2(&c->b, c->row->op, a, b));
}

static void true_div(Call *c)
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
static void nan_aware(Call *c)
{
    bool na, nb;
    Build *b = &c->b;
    DType t = c->meta[0].dtype;
    Value *x = build_cast(b, arg_operand(c, "self", &na), t), *y = build_cast(b, arg_operand(c, "other", &nb), t);
    Value *m = build2(b, c->row->op, x, y);
    if (dtype_is_float(t))
        m = build3(b, OP_where, build1(b, OP_isnan, x), y, build3(b, OP_where, build1(b, OP_isnan, y), x, m));
    give(c, m);
}

static void xlogy(Call *c)
{
    bool na, nb;
    Build *b = &c->b;
    DType t = c->meta[0].dtype;
    Value *x = build_cast(b, arg_operand(c, "self", &na), t), *y = build_cast(b, arg_operand(c, "other", &nb), t);
    Value *zero = number_like(c, x, 0), *r = build2(b, OP_mul, x, build1(b, OP_log, y));
    r = build3(b, OP_where, build2(b, OP_eq, x, zero), zero, r);
    give(c, build3(b, OP_where, build1(b, OP_isnan, y), y, r));
}

/* self + value * (tensor1 op tensor2) */
static void addcmul(Call *c)
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

static void lerp(Call *c)
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

static void clamp(Call *c)
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

static void where(Call *c)
{
    bool na, nb;
    DType t = c->meta[0].dtype;
    Value *cond = as_bool(c, arg_tensor(c, "condition"));
    if (!arg_given(c, "self"))
        call_refuse(c, "the form that returns indices has sizes known only during the run");
    Value *a = build_cast(&c->b, arg_operand(c, "self", &na), t);
    give(c, build3(&c->b, OP_where, cond, a, build_cast(&c->b, arg_operand(c, "other", &nb), t)));
}

static void masked_fill(Call *c)
{
    bool number;
    Value *a = arg_tensor(c, "self"), *mask = arg_tensor(c, "mask");
    Value *v = build_cast(&c->b, arg_operand(c, "value", &number), a->type.dtype);
    give(c, build3(&c->b, OP_where, mask, v, a));
}

/* ---- creation -------------------------------------------------------------------------------------------- */

static void full(Call *c)
{
    bool number;
    const Type *t = &c->meta[0];
    Value *v;
    if (flag(c, '0') || flag(c, '1'))
        v = build_full_int(&c->b, t->dtype, flag(c, '1'));
    else
        v = build_cast(&c->b, arg_operand(c, flag(c, 's') ? "s" : "fill_value", &number), t->dtype);
    give(c, build_expand(&c->b, v, t->rank, t->dim));
}

static void arange(Call *c)
{
    const Type *t = &c->meta[0];
    Build *b = &c->b;
    Value *i = build(b, OP_iota, NULL, 0, &(Type){ DT_i64, 1, { t->dim[0] } }, NULL, 0);
    bool number;
    i = build_cast(b, i, t->dtype);
    if (arg_json(c, "step"))
        i = build2(b, OP_mul, i, build_cast(b, arg_operand(c, "step", &number), t->dtype));
    if (arg_json(c, "start"))
        i = build2(b, OP_add, i, build_cast(b, arg_operand(c, "start", &number), t->dtype));
    give(c, i);
}

/* Elements on and below (above) the diagonal; zero elsewhere. */
static void triangle(Call *c)
{
    Build *b = &c->b;
    Value *a = arg_tensor(c, "self");
    const Type *t = &a->type;
    if (t->rank < 2)
        call_refuse(c, "of fewer than 2 dimensions");
    const Idx *rows = t->dim[t->rank - 2], *columns = t->dim[t->rank - 1];
    Value *i = build(b, OP_iota, NULL, 0, &(Type){ DT_i64, 1, { rows } }, NULL, 0);
    Value *j = build(b, OP_iota, NULL, 0, &(Type){ DT_i64, 1, { columns } }, NULL, 0);
    i = build_reshape(b, i, 2, (const Idx *[]){ rows, k(c, 1) });
    i = build2(b, OP_add, i, build_full_int(b, DT_i64, arg_int(c, "diagonal")));
    Value *kept = build2(b, (int)c->row->op ? OP_ge : OP_le, j, i);
    give(c, build3(b, OP_where, kept, a, build_full_int(b, t->dtype, 0)));
}

/* ---- reductions ------------------------------------------------------------------------------------------ */

static void axes_of(Call *c, int rank, bool *axes)
{
    int64_t d[MAX_RANK];
    size_t n = arg_ints(c, "dim", d, MAX_RANK, 0);
    for (int i = 0; i < MAX_RANK; i++)
        axes[i] = n == 0;
    for (size_t i = 0; i < n; i++) {
        int64_t r = rank ? rank : 1;
        if (d[i] < -r || d[i] >= r)
            fail_at(c->b.g->job, EXIT_INPUT, &c->b.origin, "%s: dim %lld is out of range", c->target, (long long)d[i]);
        axes[d[i] < 0 ? d[i] + r : d[i]] = true;
    }
}

static void reduce(Call *c)
{
    Op op = c->row->op;
    bool axes[MAX_RANK];
    Value *a = arg_tensor(c, "self");
    axes_of(c, a->type.rank, axes);
    a = op == OP_any || op == OP_all ? as_bool(c, a) : build_cast(&c->b, a, c->meta[0].dtype);
    a = a->type.rank ? build_reduce(&c->b, op, a, axes, arg_bool(c, "keepdim")) : a;
    give(c, build_cast(&c->b, a, c->meta[0].dtype));
}

/* var, std (1), and both with the mean (2, 3). The divisor is count - correction. */
static void variance(Call *c)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    int kind = (int)c->row->op;
    bool axes[MAX_RANK], number;
    DType t = c->meta[0].dtype, wide = t == DT_f16 || t == DT_bf16 ? DT_f32 : t;
    Value *x = self_as(c, wide);
    if (!dtype_is_float(t) || !x->type.rank)
        call_refuse(c, "of complex or 0-d tensors");
    axes_of(c, x->type.rank, axes);
    const Idx *count = k(c, 1);
    for (int i = 0; i < x->type.rank; i++)
        count = axes[i] ? idx_mul(job, count, x->type.dim[i]) : count;
    Value *n = build_cast(b, build_index(b, count), wide);
    Value *mean = build2(b, OP_div, build_reduce(b, OP_sum, x, axes, true), n), *d = build2(b, OP_sub, x, mean);
    bool keep = arg_bool(c, "keepdim");
    Value *r = build_reduce(b, OP_sum, build2(b, OP_mul, d, d), axes, keep), *left = n;
    if (arg_json(c, "correction"))
        left = build2(b, OP_sub, n, build_cast(b, arg_operand(c, "correction", &number), wide));
    else if (!arg_json(c, "unbiased") || arg_bool(c, "unbiased"))
        left = build2(b, OP_sub, n, number_like(c, n, 1));
    r = build2(b, OP_div, r, build2(b, OP_max, left, number_like(c, n, 0)));
    if (kind & 1)
        r = build1(b, OP_sqrt, r);
    give(c, build_cast(b, r, t));
    if (kind > 1)
        c->result[1] = build_cast(b, build_reshape(b, mean, c->meta[1].rank, c->meta[1].dim), t);
}

/* max + log(sum(exp(x - max))), where the maximum is finite. */
static void logsumexp(Call *c)
{
    Build *b = &c->b;
    bool axes[MAX_RANK];
    DType t = c->meta[0].dtype, wide = t == DT_f16 || t == DT_bf16 ? DT_f32 : t;
    Value *x = self_as(c, wide);
    if (!x->type.rank || !dtype_is_float(t))
        call_refuse(c, "of complex or 0-d tensors");
    axes_of(c, x->type.rank, axes);
    Value *m = build_reduce(b, OP_amax, x, axes, true), *zero = number_like(c, x, 0);
    m = build3(b, OP_where, build2(b, OP_eq, build1(b, OP_abs, m), number_like(c, x, 1e308 * 10)), zero, m);
    Value *s = build_reduce(b, OP_sum, build1(b, OP_exp, build2(b, OP_sub, x, m)), axes, true);
    Value *r = build2(b, OP_add, build1(b, OP_log, s), m);
    give(c, build_cast(b, build_reshape(b, r, c->meta[0].rank, c->meta[0].dim), t));
}

static void vector_norm(Call *c)
{
    Build *b = &c->b;
    bool axes[MAX_RANK];
    double ord = arg_float(c, "ord");
    DType t = c->meta[0].dtype, wide = t == DT_f16 || t == DT_bf16 ? DT_f32 : t;
    Value *x = arg_tensor(c, "self");
    if (!dtype_is_float(t) || !dtype_is_float(x->type.dtype) || !x->type.rank)
        call_refuse(c, "of complex or 0-d tensors");
    x = build1(b, OP_abs, build_cast(b, x, wide));
    axes_of(c, x->type.rank, axes);
    bool keep = arg_bool(c, "keepdim"), infinite = ord > 1e308 || ord < -1e308;
    Value *p = number_like(c, x, ord), *r;
    if (infinite)
        r = build_reduce(b, ord > 0 ? OP_amax : OP_amin, x, axes, keep);
    else if (ord == 0)
        r = build_reduce(b, OP_sum, build_cast(b, build2(b, OP_ne, x, number_like(c, x, 0)), wide), axes, keep);
    else if (ord == 1)
        r = build_reduce(b, OP_sum, x, axes, keep);
    else if (ord == 2)
        r = build1(b, OP_sqrt, build_reduce(b, OP_sum, build2(b, OP_mul, x, x), axes, keep));
    else
        r = build2(b, OP_pow, build_reduce(b, OP_sum, build2(b, OP_pow, x, p), axes, keep), number_like(c, x, 1 / ord));
    give(c, build_cast(b, r, t));
}

static void softmax(Call *c)
{
    Value *a = build_cast(&c->b, arg_tensor(c, "self"), c->meta[0].dtype);
    if (!a->type.rank)
        call_refuse(c, "of a 0-d tensor");
    Attr at = attr_int(c->b.g->job, "dim", arg_dim(c, "dim", a->type.rank));
    give(c, build(&c->b, c->row->op, &a, 1, NULL, &at, 1));
}

/* ---- views and copies ------------------------------------------------------------------------------------- */

static void reshape(Call *c)
{
    if (strstr(c->target, "view.dtype"))
        call_refuse(c, "the form that reinterprets bits");
    Value *a = arg_tensor(c, "self");
    if (flag(c, 'd') && arg_dim(c, "start_dim", a->type.rank) > arg_dim(c, "end_dim", a->type.rank))
        fail_at(c->b.g->job, EXIT_INPUT, &c->b.origin, "%s: start_dim comes after end_dim", c->target);
    give(c, build_reshape(&c->b, a, c->meta[0].rank, c->meta[0].dim));
}

static void inner_tensor(Call *c)
{
    give(c, arg_inner_tensor(c, "src_subclass_tensor", arg_text(c, "attr")));
}

static void permute(Call *c)
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

static void transpose(Call *c)
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

static void expand(Call *c)
{
    give(c, build_expand(&c->b, arg_tensor(c, "self"), c->meta[0].rank, c->meta[0].dim));
}

static void broadcast_tensors(Call *c)
{
    Value **in;
    size_t n = arg_tensors(c, "tensors", &in);
    for (size_t i = 0; i < n && i < c->result_count; i++)
        c->result[i] = build_expand(&c->b, in[i], c->meta[i].rank, c->meta[i].dim);
}

static void movedim(Call *c)
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

static void slice(Call *c)
{
    Value *a = arg_tensor(c, "self");
    int dim = arg_dim(c, "dim", a->type.rank);
    const Idx *start = slice_bound(c, "start", a->type.dim[dim], k(c, 0));
    give(c, build_slice(&c->b, a, dim, start, arg_idx(c, "step"), c->meta[0].dim[dim]));
}

static void narrow(Call *c)
{
    Value *a = arg_tensor(c, "self");
    int dim = arg_dim(c, "dim", a->type.rank);
    const Idx *start = slice_bound(c, "start", a->type.dim[dim], k(c, 0));
    give(c, build_slice(&c->b, a, dim, start, k(c, 1), c->meta[0].dim[dim]));
}

/* a[.., at, ..] along dim, which vanishes. */
static Value *pick(Call *c, Value *a, int dim, const Idx *at, const Type *t)
{
    Value *one = build_slice(&c->b, a, dim, at, k(c, 1), k(c, 1));
    return build_reshape(&c->b, one, t->rank, t->dim);
}

static void select_at(Call *c)
{
    Value *a = arg_tensor(c, "self");
    int dim = arg_dim(c, "dim", a->type.rank);
    const Idx *at = arg_idx(c, "index"), *size = a->type.dim[dim];
    if (at->hi < 0)
        at = idx_add(c->b.g->job, at, size);
    if (at->lo < 0 || at->lo >= size->hi)
        fail_at(c->b.g->job, EXIT_INPUT, &c->b.origin, "%s: index %s is outside a dimension of %s", c->target,
                idx_text(c->b.g->job, at), idx_text(c->b.g->job, size));
    give(c, pick(c, a, dim, at, &c->meta[0]));
}

static void split(Call *c)
{
    Value *a = arg_tensor(c, "self");
    int dim = arg_dim(c, "dim", a->type.rank);
    const Idx *at = k(c, 0);
    for (uint32_t i = 0; i < c->result_count; i++) {
        const Idx *size = c->meta[i].dim[dim];
        c->result[i] = build_slice(&c->b, a, dim, at, k(c, 1), size);
        at = idx_add(c->b.g->job, at, size);
    }
}

static void unbind(Call *c)
{
    Value *a = arg_tensor(c, "self");
    int dim = arg_dim(c, "dim", a->type.rank);
    for (uint32_t i = 0; i < c->result_count; i++)
        c->result[i] = pick(c, a, dim, k(c, i), &c->meta[i]);
}

static void identity(Call *c)
{
    give(c, arg_tensor(c, "self"));
}

static void cast(Call *c)
{
    give(c, build_cast(&c->b, arg_tensor(c, "self"), c->meta[0].dtype));
}

static void dropout(Call *c)
{
    if (arg_bool(c, "train"))
        call_refuse(c, "it drops at random (train=True); export the model in eval mode");
    give(c, arg_tensor(c, "input"));
}

static void copy(Call *c)
{
    Value *to = arg_tensor(c, "self"), *from = build_cast(&c->b, arg_tensor(c, "src"), to->type.dtype);
    give(c, build_expand(&c->b, from, to->type.rank, to->type.dim));
}

static void fill(Call *c)
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

static void cat(Call *c)
{
    Value **in;
    size_t n = arg_tensors(c, "tensors", &in);
    cat_values(c, in, n, arg_dim(c, "dim", c->meta[0].rank));
}

static void hstack(Call *c) /* and vstack (1) */
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

static void stack(Call *c)
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
static void repeat(Call *c)
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

static void pad(Call *c)
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

static void flip(Call *c)
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

/* ---- indexing by data --------------------------------------------------------------------------------------- */

static Value *take(Call *c, Value *a, Value *index, int axis)
{
    Attr at = attr_int(c->b.g->job, "axis", axis);
    Value *in[2] = { a, build_cast(&c->b, index, DT_i64) };
    return build(&c->b, OP_take, in, 2, NULL, &at, 1);
}

static void embedding(Call *c)
{
    give(c, take(c, arg_tensor(c, "weight"), arg_tensor(c, "indices"), 0));
}

static void index_select(Call *c)
{
    Value *a = arg_tensor(c, "self"), *i = arg_tensor(c, "index");
    if (!a->type.rank)
        call_refuse(c, "of a 0-d tensor");
    i = build_reshape(&c->b, i, 1, (const Idx *[]){ type_count(c->b.g->job, &i->type) });
    give(c, take(c, a, i, arg_dim(c, "dim", a->type.rank)));
}

static void gather(Call *c)
{
    Value *in[2] = { arg_tensor(c, "self"), build_cast(&c->b, arg_tensor(c, "index"), DT_i64) };
    int rank = in[0]->type.rank;
    if (!rank || in[1]->type.rank != rank)
        call_refuse(c, "of tensors without dimensions or of different ranks");
    Attr at = attr_int(c->b.g->job, "axis", arg_dim(c, "dim", rank));
    give(c, build(&c->b, OP_gather, in, 2, &c->meta[0], &at, 1));
}

/* ---- contractions and neural networks ------------------------------------------------------------------------- */

static void linear(Call *c)
{
    Value *in[3] = { arg_tensor(c, "input"), arg_tensor(c, "weight"), arg_tensor_or_null(c, "bias") };
    give(c, build(&c->b, OP_linear, in, in[2] ? 3 : 2, &c->meta[0], NULL, 0));
}

/* matmul of any ranks: a vector becomes a matrix and the added axis vanishes again. */
static Value *matmul_any(Call *c, Value *a, Value *b, const Type *result)
{
    Type x = a->type, y = b->type;
    if (!x.rank || !y.rank)
        call_refuse(c, "of a 0-d tensor");
    if (x.rank == 1)
        a = build_reshape(&c->b, a, 2, (const Idx *[]){ k(c, 1), x.dim[0] });
    if (y.rank == 1)
        b = build_reshape(&c->b, b, 2, (const Idx *[]){ y.dim[0], k(c, 1) });
    Value *r = build2(&c->b, OP_matmul, a, b);
    return build_reshape(&c->b, r, result->rank, result->dim);
}

static void matmul(Call *c)
{
    bool mm = !strncmp(c->target, "aten.mm", 7) || !strncmp(c->target, "aten.bmm", 8);
    Value *b = arg_tensor(c, mm ? "mat2" : "other");
    give(c, matmul_any(c, arg_tensor(c, "self"), b, &c->meta[0]));
}

static Value *scaled(Call *c, Value *v, const char *name)
{
    bool number;
    if (!arg_json(c, name))
        return v;
    Value *s = build_cast(&c->b, arg_operand(c, name, &number), v->type.dtype);
    return build2(&c->b, OP_mul, v, s);
}

static void addmm(Call *c)
{
    bool batched = !strncmp(c->target, "aten.b", 6);
    Value *a = arg_tensor(c, batched ? "batch1" : "mat1"), *b = arg_tensor(c, batched ? "batch2" : "mat2");
    Type t = c->meta[0];
    if (t.dtype == DT_f16 || t.dtype == DT_bf16) /* one rounding, at the end */
        t.dtype = DT_f32;
    Value *r = matmul_any(c, build_cast(&c->b, a, t.dtype), build_cast(&c->b, b, t.dtype), &t);
    Value *self = scaled(c, build_cast(&c->b, arg_tensor(c, "self"), t.dtype), "beta");
    r = build2(&c->b, OP_add, scaled(c, r, "alpha"), self);
    give(c, build_cast(&c->b, r, c->meta[0].dtype));
}

static void conv(Call *c)
{
    bool general = !strncmp(c->target, "aten.convolution", 16);
    Value *x = arg_tensor(c, general ? "input" : "input"), *w = arg_tensor(c, "weight");
    Value *bias = arg_tensor_or_null(c, "bias");
    size_t n = w->type.rank > 2 ? (size_t)w->type.rank - 2 : 0;
    int64_t stride[MAX_RANK] = { 0 }, padding[MAX_RANK] = { 0 }, dilation[MAX_RANK] = { 0 };
    if (!n || x->type.rank != w->type.rank)
        call_refuse(c, "an input without batch");
    if (general && arg_bool(c, "transposed"))
        call_refuse(c, "a transposed convolution");
    const Json *p = arg_json(c, "padding");
    arg_ints(c, "stride", stride, MAX_RANK, n);
    arg_ints(c, "dilation", dilation, MAX_RANK, n);
    if (p && !strcmp(json_key(p), "as_string")) {
        bool same = !strcmp(json_string(c->b.g->job, p, "padding"), "same");
        for (size_t i = 0; i < n; i++) {
            int64_t kernel, total;
            if (!idx_is_const(w->type.dim[i + 2], &kernel))
                call_refuse(c, "a kernel of dynamic size");
            total = same ? dilation[i] * (kernel - 1) : 0;
            if (total % 2)
                call_refuse(c, "padding 'same' with an even kernel");
            padding[i] = total / 2;
        }
    } else {
        arg_ints(c, "padding", padding, MAX_RANK, n);
    }
    for (size_t i = 0; i < n; i++)
        if (stride[i] < 1 || dilation[i] < 1 || padding[i] < 0 || stride[i] > 1 << 20 || padding[i] > 1 << 20 ||
            dilation[i] > 1 << 20)
            fail_at(c->b.g->job, EXIT_INPUT, &c->b.origin, "%s: stride, padding or dilation is out of range", c->target);
    Job *job = c->b.g->job;
    int64_t groups = arg_int(c, "groups");
    const Idx *cin = groups >= 1 ? idx_mulk(job, w->type.dim[1], groups) : NULL;
    if (!cin || (cin->op == IDX_CONST && x->type.dim[1]->op == IDX_CONST && cin != x->type.dim[1]))
        fail_at(job, EXIT_INPUT, &c->b.origin, "%s: %s channels do not fit a weight of %s in %lld groups", c->target,
                idx_text(job, x->type.dim[1]), type_text(job, &w->type), (long long)groups);
    Attr at[4] = { attr_ints(job, "stride", stride, n), attr_ints(job, "padding", padding, n),
                   attr_ints(job, "dilation", dilation, n), attr_int(job, "groups", groups) };
    Value *r = build(&c->b, OP_conv, (Value *[]){ x, w }, 2, NULL, at, 4);
    if (bias) {
        const Idx *dim[MAX_RANK] = { bias->type.dim[0] };
        for (size_t i = 1; i <= n; i++)
            dim[i] = k(c, 1);
        r = build2(&c->b, OP_add, r, build_reshape(&c->b, bias, (int)n + 1, dim));
    }
    give(c, r);
}

static Value *or_full(Call *c, const char *name, const Value *like, double value)
{
    Value *v = arg_tensor_or_null(c, name);
    return v ? v : build_expand(&c->b, build_full(&c->b, like->type.dtype, value), 1, &like->type.dim[0]);
}

static void batch_norm(Call *c)
{
    if (arg_json(c, "training") && arg_bool(c, "training"))
        call_refuse(c, "it normalises by batch statistics (training=True); export the model in eval mode");
    Value *x = arg_tensor(c, "input"), *mean = arg_tensor_or_null(c, "running_mean");
    if (!mean)
        call_refuse(c, "it has no running statistics");
    Value *in[5] = { x, or_full(c, "weight", mean, 1), or_full(c, "bias", mean, 0), mean, arg_tensor(c, "running_var") };
    Attr at = attr_float(c->b.g->job, "eps", arg_float(c, "eps"));
    give(c, build(&c->b, OP_batch_norm, in, 5, NULL, &at, 1));
}

static void layer_norm(Call *c)
{
    Value *in[3] = { arg_tensor(c, "input"), arg_tensor_or_null(c, "weight"), arg_tensor_or_null(c, "bias") };
    int64_t shape[MAX_RANK];
    size_t n = arg_ints(c, "normalized_shape", shape, MAX_RANK, 0);
    if (!in[1] && in[2])
        call_refuse(c, "a bias without a weight");
    Attr at[2] = { attr_int(c->b.g->job, "axes", (int64_t)n), attr_float(c->b.g->job, "eps", arg_float(c, "eps")) };
    give(c, build(&c->b, OP_layer_norm, in, in[2] ? 3 : in[1] ? 2 : 1, NULL, at, 2));
}

static void pool(Call *c)
{
    Job *job = c->b.g->job;
    Value *a = arg_tensor(c, "self");
    int64_t kernel[2], stride[2], padding[2] = { 0, 0 }, dilation[2] = { 1, 1 };
    if (a->type.rank != 4)
        call_refuse(c, "an input without batch");
    arg_ints(c, "kernel_size", kernel, 2, 2);
    if (!arg_ints(c, "stride", stride, 2, 2))
        memcpy(stride, kernel, sizeof stride);
    arg_ints(c, "padding", padding, 2, 2);
    if (c->row->op == OP_max_pool)
        arg_ints(c, "dilation", dilation, 2, 2);
    bool count_pad = c->row->op == OP_avg_pool && arg_bool(c, "count_include_pad");
    int64_t divisor = c->row->op == OP_avg_pool && arg_given(c, "divisor_override") ? arg_int(c, "divisor_override") : 0;
    for (int i = 0; i < 2; i++)
        if (kernel[i] < 1 || stride[i] < 1 || dilation[i] < 1 || padding[i] < 0 || padding[i] > kernel[i] / 2 ||
            kernel[i] > 1 << 20)
            fail_at(job, EXIT_INPUT, &c->b.origin, "%s: kernel, stride, padding or dilation is out of range", c->target);
    Attr at[6] = { attr_ints(job, "kernel", kernel, 2), attr_ints(job, "stride", stride, 2),
                   attr_ints(job, "padding", padding, 2), attr_ints(job, "dilation", dilation, 2),
                   attr_int(job, "count_pad", count_pad), attr_int(job, "divisor", divisor) };
    give(c, build(&c->b, c->row->op, &a, 1, &c->meta[0], at, 6));
}

static void adaptive_avg_pool2d(Call *c)
{
    Value *a = arg_tensor(c, "self");
    const Type *t = &c->meta[0];
    if (a->type.rank != 4)
        call_refuse(c, "an input without batch");
    int64_t size[3], want;
    size_t n = arg_ints(c, "output_size", size, 3, 0);
    for (size_t i = 0; i < 2; i++)
        if ((n != 1 && n != 2) || (idx_is_const(t->dim[2 + i], &want) && size[n == 1 ? 0 : i] != want))
            fail_at(c->b.g->job, EXIT_INPUT, &c->b.origin, "%s: output_size and the recorded size differ", c->target);
    if (idx_is(t->dim[2], 1) && idx_is(t->dim[3], 1)) {
        bool axes[MAX_RANK] = { false, false, true, true };
        give(c, build_reduce(&c->b, OP_mean, a, axes, true));
        return;
    }
    int64_t kernel[2], in, out;
    for (int i = 0; i < 2; i++) {
        if (!idx_is_const(a->type.dim[2 + i], &in) || !idx_is_const(t->dim[2 + i], &out) || out < 1 || in % out)
            call_refuse(c, "windows of different sizes (the output size must be 1 or divide the input size)");
        kernel[i] = in / out;
    }
    Job *job = c->b.g->job;
    int64_t zero[2] = { 0, 0 }, one[2] = { 1, 1 };
    Attr at[6] = { attr_ints(job, "kernel", kernel, 2), attr_ints(job, "stride", kernel, 2), attr_ints(job, "padding", zero, 2),
                   attr_ints(job, "dilation", one, 2), attr_int(job, "count_pad", 1), attr_int(job, "divisor", 0) };
    give(c, build(&c->b, OP_avg_pool, &a, 1, t, at, 6));
}

static void sdpa(Call *c)
{
    Job *job = c->b.g->job;
    Value *in[4] = { arg_tensor(c, "query"), arg_tensor(c, "key"), arg_tensor(c, "value"),
                     arg_tensor_or_null(c, "attn_mask") };
    if (arg_json(c, "dropout_p") && arg_float(c, "dropout_p") != 0)
        call_refuse(c, "it drops at random (dropout_p > 0)");
    if (arg_json(c, "enable_gqa") && arg_bool(c, "enable_gqa"))
        call_refuse(c, "grouped queries (enable_gqa=True)");
    if (in[0]->type.rank < 2 || in[0]->type.rank != in[1]->type.rank || in[0]->type.rank != in[2]->type.rank)
        call_refuse(c, "operands of different ranks");
    Attr at[2] = { attr_int(job, "causal", arg_bool(c, "is_causal")), attr_float(job, "scale", 0) };
    if (arg_json(c, "scale"))
        at[1] = attr_float(job, "scale", arg_float(c, "scale"));
    give(c, build(&c->b, OP_sdpa, in, in[3] ? 4 : 3, &c->meta[0], at, 2));
}

static void nothing(Call *c)
{
    (void)c;
}

/* ---- the table ---------------------------------------------------------------------------------------------- */

const Row aten_rows[] = {
#define ATEN_GROUP(title) { NULL, NULL, (Op)0, title },
#define ATEN(name, decode, op, flags) { #name, decode, (Op)(op), flags },
#include "aten.def"
#undef ATEN
#undef ATEN_GROUP
};
const size_t aten_row_count = sizeof aten_rows / sizeof *aten_rows;

const Row *aten_row(const char *target)
{
    bool subclass = !strncmp(target, "export.access_subclass_inner_tensor.", 36);
    if (strncmp(target, "aten.", 5) && !subclass)
        return NULL;
    const char *name = strchr(target, '.') + 1, *dot = strchr(name, '.');
    size_t n = dot ? (size_t)(dot - name) : strlen(name);
    for (size_t i = 0; i < aten_row_count; i++) {
        const Row *r = &aten_rows[i];
        size_t length = r->name ? strlen(r->name) : 0;
        if (length && !strncmp(name, r->name, length) &&
            (n == length || (n == length + 1 && name[length] == '_' && strchr(r->flags, 'm'))))
            return r;
    }
    return NULL;
}

extern const char embed_aten_schemas[], embed_aten_schemas_end[];
const char *aten_schema(const char *target)
{
    const char *lo = embed_aten_schemas, *hi = embed_aten_schemas_end;
    size_t n = strlen(target);
    while (lo < hi) { /* binary search over lines sorted by bytes */
        const char *mid = lo + (hi - lo) / 2;
        while (mid > lo && mid[-1] != '\n')
            mid--;
        const char *tab = memchr(mid, '\t', (size_t)(hi - mid));
        if (!tab)
            return NULL;
        size_t length = (size_t)(tab - mid), least = n < length ? n : length;
        int order = memcmp(target, mid, least);
        if (!order && n == length)
            return tab + 1;
        if (order < 0 || (!order && n < length)) {
            hi = mid;
        } else {
            const char *end = memchr(mid, '\n', (size_t)(hi - mid));
            lo = end ? end + 1 : hi;
        }
    }
    return NULL;
}
