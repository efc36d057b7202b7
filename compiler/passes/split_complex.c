/* SPDX-License-Identifier: MIT */
/* Takes any core graph; leaves no complex value.  Each becomes two real ones, the real and the imaginary part, and each
 * operator its formula on parts.  Complex inputs and outputs of the program become real ones with a last axis of 2
 * (Port.pairs); those of regions become two.  Constants are read in place, every second element. */
#include "passes.h"
#include <math.h>
#include <string.h>

typedef struct Pair {
    Value *re, *im; /* im NULL: a real value */
} Pair;

typedef struct Split {
    Graph *g;
    size_t before; /* values that there were */
    Pair *of;      /* by id of one of these: what it became; re NULL: itself */
} Split;

typedef Pair (*Rule)(Build *b, const Pair *in);

/* ---- real arithmetic -------------------------------------------------------------------------------------- */

static Value *num(Build *b, const Value *like, double x)
{
    return build_full(b, like->type.dtype, x);
}

static Value *add(Build *b, Value *x, Value *y)
{
    return build2(b, OP_add, x, y);
}

static Value *sub(Build *b, Value *x, Value *y)
{
    return build2(b, OP_sub, x, y);
}

static Value *mul(Build *b, Value *x, Value *y)
{
    return build2(b, OP_mul, x, y);
}

static Value *times(Build *b, Value *x, double k)
{
    return mul(b, x, num(b, x, k));
}

static Value *is_zero(Build *b, Value *x)
{
    return build2(b, OP_eq, x, num(b, x, 0));
}

static Value *magnitude(Build *b, const Pair *z)
{
    return build2(b, OP_hypot, z->re, z->im);
}

/* ---- formulas --------------------------------------------------------------------------------------------- */

static Pair scaled(Build *b, Pair z, double k)
{
    return (Pair){ times(b, z.re, k), times(b, z.im, k) };
}

static Pair plus(Build *b, Pair x, Pair y)
{
    return (Pair){ add(b, x.re, y.re), add(b, x.im, y.im) };
}

static Pair one_plus(Build *b, Pair z)
{
    return (Pair){ add(b, z.re, num(b, z.re, 1)), z.im };
}

static Pair choose(Build *b, Value *where, Pair x, Pair y)
{
    return (Pair){ build3(b, OP_where, where, x.re, y.re), build3(b, OP_where, where, x.im, y.im) };
}

static Pair mul_rule(Build *b, const Pair *in)
{
    const Pair x = in[0], y = in[1];
    return (Pair){ sub(b, mul(b, x.re, y.re), mul(b, x.im, y.im)), add(b, mul(b, x.re, y.im), mul(b, x.im, y.re)) };
}

static Pair product(Build *b, Pair x, Pair y)
{
    return mul_rule(b, (Pair[]){ x, y });
}

static Pair matmul_rule(Build *b, const Pair *in)
{
    const Pair x = in[0], y = in[1];
    Value *rr = build2(b, OP_matmul, x.re, y.re), *ii = build2(b, OP_matmul, x.im, y.im);
    Value *ri = build2(b, OP_matmul, x.re, y.im), *ir = build2(b, OP_matmul, x.im, y.re);
    return (Pair){ sub(b, rr, ii), add(b, ri, ir) };
}

/* By the greater part of the divisor, so that nothing overflows on the way. */
static Pair div_rule(Build *b, const Pair *in)
{
    const Pair x = in[0], y = in[1];
    Value *wide = build2(b, OP_ge, build1(b, OP_abs, y.re), build1(b, OP_abs, y.im));
    Value *most = build3(b, OP_where, wide, y.re, y.im), *least = build3(b, OP_where, wide, y.im, y.re);
    Value *zero = is_zero(b, most), *ratio = build2(b, OP_div, least, most);
    Value *scale = build2(b, OP_div, num(b, most, 1), add(b, most, mul(b, least, ratio)));
    Value *re_ratio = mul(b, x.re, ratio), *im_ratio = mul(b, x.im, ratio);
    Pair tall = { add(b, x.re, im_ratio), sub(b, x.im, re_ratio) }, flat = { add(b, re_ratio, x.im), sub(b, im_ratio, x.re) };
    Pair r = choose(b, wide, tall, flat);
    r = (Pair){ mul(b, r.re, scale), mul(b, r.im, scale) };
    Value *nothing = build1(b, OP_abs, most);
    return choose(b, zero, (Pair){ build2(b, OP_div, x.re, nothing), build2(b, OP_div, x.im, nothing) }, r);
}

static Pair reciprocal_rule(Build *b, const Pair *in)
{
    return div_rule(b, (Pair[]){ { num(b, in->re, 1), num(b, in->re, 0) }, *in });
}

static Pair exp_rule(Build *b, const Pair *in)
{
    Value *e = build1(b, OP_exp, in->re);
    Value *im = mul(b, e, build1(b, OP_sin, in->im));
    return (Pair){ mul(b, e, build1(b, OP_cos, in->im)), build3(b, OP_where, is_zero(b, in->im), in->im, im) };
}

static Pair expm1_rule(Build *b, const Pair *in)
{
    Value *half = build1(b, OP_sin, times(b, in->im, 0.5)), *cosine = build1(b, OP_cos, in->im);
    Value *re = sub(b, mul(b, build1(b, OP_expm1, in->re), cosine), times(b, mul(b, half, half), 2));
    return (Pair){ re, exp_rule(b, in).im };
}

static Pair exp2_rule(Build *b, const Pair *in)
{
    Pair z = scaled(b, *in, 0.69314718055994530942);
    return exp_rule(b, &z);
}

static Pair log_rule(Build *b, const Pair *in)
{
    return (Pair){ build1(b, OP_log, magnitude(b, in)), build2(b, OP_atan2, in->im, in->re) };
}

static Pair log2_rule(Build *b, const Pair *in)
{
    return scaled(b, log_rule(b, in), 1.4426950408889634074);
}

static Pair log10_rule(Build *b, const Pair *in)
{
    return scaled(b, log_rule(b, in), 0.43429448190325182765);
}

/* Near 0 log(|1 + z|) is log1p(x (x + 2) + y y) / 2. */
static Pair log1p_rule(Build *b, const Pair *in)
{
    Pair z = one_plus(b, *in), far = log_rule(b, &z);
    Value *t = add(b, mul(b, in->re, add(b, in->re, num(b, in->re, 2))), mul(b, in->im, in->im));
    Value *near = build2(b, OP_lt, magnitude(b, in), num(b, in->re, 0.5));
    return (Pair){ build3(b, OP_where, near, times(b, build1(b, OP_log1p, t), 0.5), far.re), far.im };
}

/* t = sqrt((|z| + |x|) / 2) is one part, y / 2 t the other. */
static Pair sqrt_rule(Build *b, const Pair *in)
{
    Value *t = build1(b, OP_sqrt, times(b, add(b, magnitude(b, in), build1(b, OP_abs, in->re)), 0.5));
    Value *u = build2(b, OP_div, build1(b, OP_abs, in->im), times(b, t, 2));
    u = build3(b, OP_where, is_zero(b, t), t, u);
    Value *right = build2(b, OP_ge, in->re, num(b, in->re, 0));
    return (Pair){ build3(b, OP_where, right, t, u),
                   build2(b, OP_copysign, build3(b, OP_where, right, u, t), in->im) };
}

static Pair rsqrt_rule(Build *b, const Pair *in)
{
    Pair z = sqrt_rule(b, in);
    return reciprocal_rule(b, &z);
}

/* exp(y log x); 0 to the y is 0, to the 0 is 1. */
static Pair pow_rule(Build *b, const Pair *in)
{
    Pair z = product(b, in[1], log_rule(b, &in[0]));
    z = exp_rule(b, &z);
    Value *base = build2(b, OP_and, is_zero(b, in[0].re), is_zero(b, in[0].im));
    Value *power = build2(b, OP_and, is_zero(b, in[1].re), is_zero(b, in[1].im));
    Value *one = num(b, z.re, 1), *zero = num(b, z.re, 0);
    Pair special = { build3(b, OP_where, power, one, zero), zero };
    return choose(b, build2(b, OP_or, base, power), special, z);
}

static Pair sinh_rule(Build *b, const Pair *in)
{
    return (Pair){ mul(b, build1(b, OP_sinh, in->re), build1(b, OP_cos, in->im)),
                   mul(b, build1(b, OP_cosh, in->re), build1(b, OP_sin, in->im)) };
}

static Pair cosh_rule(Build *b, const Pair *in)
{
    return (Pair){ mul(b, build1(b, OP_cosh, in->re), build1(b, OP_cos, in->im)),
                   mul(b, build1(b, OP_sinh, in->re), build1(b, OP_sin, in->im)) };
}

/* (sinh 2x + i sin 2y) / (cosh 2x + cos 2y), x being cut off where the real part is 1. */
static Pair tanh_rule(Build *b, const Pair *in)
{
    Value *x = build2(b, OP_min, build2(b, OP_max, in->re, num(b, in->re, -20)), num(b, in->re, 20));
    Value *x2 = times(b, x, 2), *y2 = times(b, in->im, 2);
    Value *d = add(b, build1(b, OP_cosh, x2), build1(b, OP_cos, y2));
    return (Pair){ build2(b, OP_div, build1(b, OP_sinh, x2), d), build2(b, OP_div, build1(b, OP_sin, y2), d) };
}

/* log(z + sqrt(z z + 1)), where x >= 0; odd. */
static Pair asinh_rule(Build *b, const Pair *in)
{
    Value *minus = build2(b, OP_lt, in->re, num(b, in->re, 0));
    Pair z = choose(b, minus, scaled(b, *in, -1), *in), square = one_plus(b, product(b, z, z));
    z = plus(b, z, sqrt_rule(b, &square));
    z = log_rule(b, &z);
    return choose(b, minus, scaled(b, z, -1), z);
}

/* log(z + sqrt(z - 1) sqrt(z + 1)) */
static Pair acosh_rule(Build *b, const Pair *in)
{
    Pair more = one_plus(b, *in), less = { sub(b, in->re, num(b, in->re, 1)), in->im };
    Pair z = plus(b, *in, product(b, sqrt_rule(b, &less), sqrt_rule(b, &more)));
    return log_rule(b, &z);
}

/* z / |z|, and 0 of 0. */
static Pair sign_rule(Build *b, const Pair *in)
{
    Value *m = magnitude(b, in), *zero = is_zero(b, m);
    return choose(b, zero, (Pair){ m, m }, (Pair){ build2(b, OP_div, in->re, m), build2(b, OP_div, in->im, m) });
}

static Pair atanh_rule(Build *b, const Pair *in)
{
    Pair minus = scaled(b, *in, -1), x = log1p_rule(b, in), y = log1p_rule(b, &minus);
    return scaled(b, (Pair){ sub(b, x.re, y.re), sub(b, x.im, y.im) }, 0.5);
}

/* f(z) = -i g(i z) */
static Pair turned(Build *b, const Pair *in, Rule g)
{
    Pair z = g(b, &(Pair){ build1(b, OP_neg, in->im), in->re });
    return (Pair){ z.im, build1(b, OP_neg, z.re) };
}

static Pair sin_rule(Build *b, const Pair *in)
{
    return turned(b, in, sinh_rule);
}

static Pair cos_rule(Build *b, const Pair *in)
{
    return cosh_rule(b, &(Pair){ build1(b, OP_neg, in->im), in->re });
}

static Pair tan_rule(Build *b, const Pair *in)
{
    return turned(b, in, tanh_rule);
}

static Pair asin_rule(Build *b, const Pair *in)
{
    return turned(b, in, asinh_rule);
}

static Pair acos_rule(Build *b, const Pair *in)
{
    Pair z = asin_rule(b, in);
    return (Pair){ sub(b, num(b, z.re, 1.57079632679489661923), z.re), build1(b, OP_neg, z.im) };
}

static Pair atan_rule(Build *b, const Pair *in)
{
    return turned(b, in, atanh_rule);
}

static Pair sigmoid_rule(Build *b, const Pair *in)
{
    Pair minus = scaled(b, *in, -1), z = one_plus(b, exp_rule(b, &minus));
    return reciprocal_rule(b, &z);
}

static Pair silu_rule(Build *b, const Pair *in)
{
    return product(b, *in, sigmoid_rule(b, in));
}

static Pair complex_rule(Build *b, const Pair *in)
{
    (void)b;
    return (Pair){ in[0].re, in[1].re };
}

static Pair real_rule(Build *b, const Pair *in)
{
    (void)b;
    return (Pair){ in->re, NULL };
}

static Pair imag_rule(Build *b, const Pair *in)
{
    (void)b;
    return (Pair){ in->im, NULL };
}

static Pair eq_rule(Build *b, const Pair *in)
{
    return (Pair){ build2(b, OP_and, build2(b, OP_eq, in[0].re, in[1].re), build2(b, OP_eq, in[0].im, in[1].im)), NULL };
}

static Pair ne_rule(Build *b, const Pair *in)
{
    return (Pair){ build2(b, OP_or, build2(b, OP_ne, in[0].re, in[1].re), build2(b, OP_ne, in[0].im, in[1].im)), NULL };
}

static Pair isnan_rule(Build *b, const Pair *in)
{
    return (Pair){ build2(b, OP_or, build1(b, OP_isnan, in->re), build1(b, OP_isnan, in->im)), NULL };
}

static const Rule rules[OP_COUNT] = {
    [OP_mul] = mul_rule,         [OP_div] = div_rule,     [OP_reciprocal] = reciprocal_rule,
    [OP_matmul] = matmul_rule,   [OP_exp] = exp_rule,     [OP_expm1] = expm1_rule,
    [OP_exp2] = exp2_rule,       [OP_log] = log_rule,     [OP_log2] = log2_rule,
    [OP_log10] = log10_rule,     [OP_log1p] = log1p_rule, [OP_sqrt] = sqrt_rule,
    [OP_rsqrt] = rsqrt_rule,     [OP_pow] = pow_rule,     [OP_sinh] = sinh_rule,
    [OP_cosh] = cosh_rule,       [OP_tanh] = tanh_rule,   [OP_sin] = sin_rule,
    [OP_cos] = cos_rule,         [OP_tan] = tan_rule,     [OP_asin] = asin_rule,
    [OP_acos] = acos_rule,       [OP_atan] = atan_rule,   [OP_sigmoid] = sigmoid_rule,
    [OP_asinh] = asinh_rule,     [OP_acosh] = acosh_rule, [OP_atanh] = atanh_rule,
    [OP_sign] = sign_rule,
    [OP_silu] = silu_rule,       [OP_real] = real_rule,   [OP_imag] = imag_rule,
    [OP_complex] = complex_rule, [OP_eq] = eq_rule,       [OP_ne] = ne_rule,
    [OP_isnan] = isnan_rule,
};

/* ---- nodes ------------------------------------------------------------------------------------------------- */

/* The parts of the result are the operator on the parts of the operands. */
static bool is_linear(const Node *n)
{
    switch (n->op) {
    case OP_full:
    case OP_neg:
    case OP_add:
    case OP_sub:
    case OP_where:
    case OP_sum: return true;
    case OP_scan: return !strcmp(node_text(n, "op"), "add");
    case OP_put: return !strcmp(node_text(n, "mode"), "set") || !strcmp(node_text(n, "mode"), "add");
    default: return op_info[n->op].kind == VIEW || op_info[n->op].kind == GATHER;
    }
}

static Value *linear_part(Build *b, const Node *n, const Pair *in, bool imaginary)
{
    Value **v = job_array(b->g->job, n->in_count + 1, sizeof *v);
    Attr *attrs = job_array(b->g->job, n->attrs.n + 1, sizeof *attrs);
    Type t = n->out[0]->type;
    t.dtype = dtype_part(t.dtype);
    for (uint32_t i = 0; i < n->in_count; i++)
        v[i] = imaginary && in[i].im ? in[i].im : in[i].re;
    for (size_t i = 0; i < n->attrs.n; i++) { /* a `value` is real */
        attrs[i] = n->attrs.at[i];
        if (imaginary && !strcmp(attrs[i].name, "value"))
            attrs[i] = attr_float(b->g->job, "value", 0);
    }
    return build(b, n->op, v, n->in_count, &t, attrs, n->attrs.n);
}

static Pair cast_rule(Build *b, const Pair *in, DType to)
{
    if (to == DT_bool)
        return ne_rule(b, (Pair[]){ *in, { num(b, in->re, 0), num(b, in->re, 0) } });
    if (!dtype_is_complex(to))
        return (Pair){ build_cast(b, in->re, to), NULL };
    DType part = dtype_part(to);
    return (Pair){ build_cast(b, in->re, part), in->im ? build_cast(b, in->im, part) : build_full(b, part, 0) };
}

/* A formula may mention what broadcasts only in one part. */
static Value *sized(Build *b, Value *v, const Type *t)
{
    return build_expand(b, v, t->rank, t->dim);
}

static Pair split_node(Build *b, const Node *n, const Pair *in)
{
    const Type *t = &n->out[0]->type;
    Pair r;
    if (n->op == OP_cast)
        r = cast_rule(b, in, t->dtype);
    else if (is_linear(n))
        r = (Pair){ linear_part(b, n, in, false), linear_part(b, n, in, true) };
    else if (rules[n->op])
        r = rules[n->op](b, in);
    else
        fail_at(b->g->job, EXIT_UNSUPPORTED, &n->origin, "operator %s is not supported here; on complex numbers",
                n->origin.target ? n->origin.target : op_info[n->op].name);
    return (Pair){ sized(b, r.re, t), r.im ? sized(b, r.im, t) : NULL };
}

/* ---- graphs ------------------------------------------------------------------------------------------------ */

static bool is_complex(const Value *v)
{
    return dtype_is_complex(v->type.dtype);
}

static Pair pair_of(const Split *s, Value *v)
{
    return v->id < s->before && s->of[v->id].re ? s->of[v->id] : (Pair){ v, NULL };
}

static Value *const_part(Graph *g, const Value *v, bool imaginary)
{
    Tensor *t = job_alloc(g->job, sizeof *t);
    Type type = v->type;
    *t = *v->tensor;
    t->dtype = type.dtype = dtype_part(type.dtype);
    t->offset = 2 * t->offset + imaginary;
    for (int i = 0; i < t->rank; i++)
        t->stride[i] *= 2;
    return graph_const(g, t, type, graph_name(g, job_printf(g->job, "%s_%s", v->name, imaginary ? "im" : "re")));
}

static void split_consts(Split *s)
{
    size_t n = s->g->consts.n, kept = 0;
    for (size_t i = 0; i < n; i++) {
        Value *v = s->g->consts.at[i];
        if (is_complex(v))
            s->of[v->id] = (Pair){ const_part(s->g, v, false), const_part(s->g, v, true) };
    }
    for (size_t i = 0; i < s->g->consts.n; i++)
        if (!is_complex(s->g->consts.at[i]))
            s->g->consts.at[kept++] = s->g->consts.at[i];
    s->g->consts.n = kept;
}

static Type pairs_type(Graph *g, const Type *t)
{
    Type r = *t;
    if (t->rank == MAX_RANK)
        fail(g->job, EXIT_UNSUPPORTED, "a complex input or output with %d dimensions is not supported", MAX_RANK);
    r.dtype = dtype_part(t->dtype);
    r.dim[r.rank++] = idx_const(g->job, 2);
    return r;
}

/* A value of the host becomes one of pairs; its parts are views of it. */
static void split_outside(Split *s, Build *b, Value *v)
{
    Job *job = s->g->job;
    Value *part[2];
    Type t = v->type;
    v->type = pairs_type(s->g, &t);
    for (int k = 0; k < 2; k++) {
        part[k] = build_slice(b, v, t.rank, idx_const(job, k), idx_const(job, 1), idx_const(job, 1));
        part[k] = build_reshape(b, part[k], t.rank, t.dim);
    }
    s->of[v->id] = (Pair){ part[0], part[1] };
}

static void split_inputs(Split *s)
{
    Graph *g = s->g;
    Build b = { .g = g, .before = g->first };
    for (size_t i = 0; i < g->inputs.n; i++) {
        Port *p = &g->inputs.at[i];
        if (p->kind == PORT_TENSOR && is_complex(p->value)) {
            split_outside(s, &b, p->value);
            p->pairs = true;
        }
    }
    for (size_t i = 0; i < g->states.n; i++) {
        Value *v = g->states.at[i];
        if (!is_complex(v))
            continue;
        split_outside(s, &b, v); /* which refuses the greatest rank */
        Tensor *t = job_alloc(g->job, sizeof *t);
        *t = *v->tensor;
        for (int d = 0; d < t->rank; d++)
            t->stride[d] *= 2;
        t->dtype = dtype_part(t->dtype);
        t->offset *= 2;
        t->size[t->rank] = 2;
        t->stride[t->rank++] = 1;
        v->tensor = t;
    }
}

/* What the value became; of a complex one the pairs. */
static Value *joined(Split *s, Value *v, bool *pairs)
{
    Graph *g = s->g;
    Build b = { .g = g, .stem = v->name };
    Pair z = pair_of(s, v);
    *pairs = z.im != NULL;
    if (!z.im || !is_complex(v)) /* an input is one of pairs itself */
        return z.im ? v : z.re;
    Type t = pairs_type(g, &v->type), one = t;
    one.dim[one.rank - 1] = idx_const(g->job, 1);
    Value *part[2] = { build_reshape(&b, z.re, one.rank, one.dim), build_reshape(&b, z.im, one.rank, one.dim) };
    Attr at = attr_int(g->job, "dim", t.rank - 1);
    return build(&b, OP_cat, part, 2, &t, &at, 1);
}

static void split_outputs(Split *s)
{
    Graph *g = s->g;
    for (size_t i = 0; i < g->outputs.n; i++) {
        Port *p = &g->outputs.at[i];
        if (p->kind == PORT_TENSOR)
            p->value = joined(s, p->value, &p->pairs);
    }
}

static void split_graph(Graph *g, bool region);

/* Operands, results and regions of a control operator: a complex one becomes two. */
static void split_control(Split *s, Node *n)
{
    Graph *g = s->g;
    Build b = { g, n, n->origin, NULL };
    VEC(Value *) in = { 0 };
    VEC(Type) types = { 0 };
    VEC(Sym) names = { 0 };
    for (uint32_t i = 0; i < n->in_count; i++) {
        Pair z = pair_of(s, n->in[i]);
        *vec_push(g->job, &in) = z.re;
        if (z.im)
            *vec_push(g->job, &in) = z.im;
    }
    for (uint32_t i = 0; i < n->out_count; i++) {
        Type t = n->out[i]->type;
        bool pair = is_complex(n->out[i]);
        for (int k = 0; k <= pair; k++) {
            t.dtype = pair ? dtype_part(n->out[i]->type.dtype) : t.dtype;
            *vec_push(g->job, &types) = t;
            *vec_push(g->job, &names) = graph_name(g, job_printf(g->job, "%s_%d", n->out[i]->name, k));
        }
    }
    Node *r = build_node(&b, n->op, in.at, (uint32_t)in.n, types.at, names.at, (uint32_t)types.n);
    for (size_t i = 0; i < n->attrs.n; i++)
        *vec_push(g->job, &r->attrs) = n->attrs.at[i];
    r->region = n->region;
    r->region_count = n->region_count;
    for (uint32_t i = 0, k = 0; k < 2 && n->op == OP_loop; k++) {
        static const char *const groups[] = { "carried", "sliced" };
        int64_t count = node_int(n, groups[k], 0), more = count;
        for (; count--; i++)
            more += pair_of(s, n->in[i]).im != NULL;
        node_set_attr(g->job, r, attr_int(g->job, groups[k], more));
    }
    for (uint32_t i = 0, at = 0; i < n->out_count; i++) {
        bool pair = is_complex(n->out[i]);
        s->of[n->out[i]->id] = (Pair){ r->out[at], pair ? r->out[at + 1] : NULL };
        at += pair ? 2 : 1;
    }
    graph_remove(g, n);
}

static bool touches_complex(const Split *s, const Node *n)
{
    for (uint32_t i = 0; i < n->in_count; i++)
        if (pair_of(s, n->in[i]).im)
            return true;
    for (uint32_t i = 0; i < n->out_count; i++)
        if (is_complex(n->out[i]))
            return true;
    return false;
}

/* A region's complex inputs and outputs are two ports each. */
static void split_region_inputs(Split *s)
{
    Graph *g = s->g;
    size_t n = g->inputs.n;
    const Port *old = g->inputs.at;
    g->inputs.at = NULL;
    g->inputs.n = g->inputs.room = 0;
    for (size_t i = 0; i < n; i++) {
        Value *v = old[i].value;
        if (old[i].kind != PORT_TENSOR || !is_complex(v)) {
            *vec_push(g->job, &g->inputs) = old[i];
            continue;
        }
        Type t = v->type;
        t.dtype = dtype_part(t.dtype);
        s->of[v->id].re = graph_input(g, graph_name(g, job_printf(g->job, "%s_re", v->name)), t);
        s->of[v->id].im = graph_input(g, graph_name(g, job_printf(g->job, "%s_im", v->name)), t);
    }
}

static void split_region_outputs(Split *s)
{
    Graph *g = s->g;
    size_t n = g->outputs.n;
    const Port *old = g->outputs.at;
    g->outputs.at = NULL;
    g->outputs.n = g->outputs.room = 0;
    for (size_t i = 0; i < n; i++) {
        Pair z = old[i].kind == PORT_TENSOR ? pair_of(s, old[i].value) : (Pair){ NULL, NULL };
        for (int k = 0; k <= (z.im != NULL); k++) {
            Port *p = vec_push(g->job, &g->outputs);
            *p = old[i];
            p->value = k ? z.im : z.re;
        }
    }
}

static void split_graph(Graph *g, bool region)
{
    Split s = { g, g->values.n, job_array(g->job, g->values.n + 1, sizeof *s.of) };
    Node *first = g->first;
    (region ? split_region_inputs : split_inputs)(&s);
    split_consts(&s);
    for (Node *n = first, *next; n; n = next) {
        next = n->next;
        for (uint32_t i = 0; i < n->region_count; i++)
            split_graph(n->region[i], true);
        bool complex = touches_complex(&s, n);
        if (complex && op_info[n->op].kind == CONTROL) {
            split_control(&s, n);
            continue;
        }
        Pair *in = job_array(g->job, n->in_count + 1, sizeof *in);
        for (uint32_t i = 0; i < n->in_count; i++) {
            in[i] = pair_of(&s, n->in[i]);
            if (!complex)
                n->in[i] = in[i].re;
        }
        if (!complex)
            continue;
        Build b = { g, n, n->origin, n->out[0]->name };
        s.of[n->out[0]->id] = split_node(&b, n, in);
        graph_remove(g, n);
    }
    (region ? split_region_outputs : split_outputs)(&s);
    bool pairs;
    for (size_t i = 0; i < g->effects.n; i++)
        g->effects.at[i].value = joined(&s, g->effects.at[i].value, &pairs);
}

void pass_split_complex(Graph *g)
{
    split_graph(g, false);
}
