/* SPDX-License-Identifier: MIT */
/* Random numbers: philox gives 64 bits for a seed, a run, a call and an element; distributions are formulas of them.
 * Seed and number of runs are a state of two integers, which all methods of an artifact share; each run adds one to the
 * second. */
#include "aten.h"
#include "import_parts.h"
#include <math.h>
#include <string.h>

/* The seed and how many runs there were. */
static Value *generator(Call *c)
{
    static const int64_t first[2] = { 0, 0 };
    Build *b = &c->b;
    Graph *g = b->g;
    Sym name = sym(g->job, "random generator");
    if (g != c->m->top)
        call_refuse(c, "random numbers inside a branch or a loop");
    for (size_t i = 0; i < g->states.n; i++)
        if (g->states.at[i]->tensor->name == name)
            return g->states.at[i];
    Storage *bytes = job_alloc(g->job, sizeof *bytes);
    Tensor *t = job_alloc(g->job, sizeof *t);
    *bytes = (Storage){ .bytes = (const uint8_t *)first, .size = sizeof first };
    *t = (Tensor){ .name = name, .dtype = DT_i64, .rank = 1, .size = { 2 }, .stride = { 1 }, .storage = bytes };
    Value *v = graph_state(g, t, (Type){ DT_i64, 1, { k(c, 2) } }, graph_name(g, "random"));
    graph_commit(g, v, build2(b, OP_add, v, iota_along(c, &v->type, 0)));
    return v;
}

/* 64 random bits for each element of a tensor of these sizes, as i64. */
static Value *bits(Call *c, const Type *t)
{
    Build *b = &c->b;
    Value *state = generator(c), *part[2];
    for (int i = 0; i < 2; i++)
        part[i] = build_reshape(b, build_slice(b, state, 0, k(c, i), k(c, 1), k(c, 1)), 0, NULL);
    Value *call = build_full_int(b, DT_i64, (int64_t)b->g->values.n); /* no two calls have the same number */
    Value *run = build2(b, OP_add, build2(b, OP_shl, part[1], build_full_int(b, DT_i64, 32)), call);
    Type flat = { DT_i64, 1, { type_count(b->g->job, t) } };
    Value *at = build_reshape(b, iota_along(c, &flat, 0), t->rank, t->dim);
    return build3(b, OP_philox, part[0], run, at);
}

/* In [0, 1), of as many bits as the type has, so that none rounds to 1. */
static Value *uniform(Call *c, const Type *t)
{
    Build *b = &c->b;
    int digits = t->dtype == DT_f64 ? 53 : t->dtype == DT_f16 ? 11 : t->dtype == DT_bf16 ? 8 : 24;
    Value *x = build2(b, OP_and, bits(c, t), build_full_int(b, DT_i64, (INT64_C(1) << digits) - 1));
    x = build_cast(b, x, t->dtype == DT_f64 ? DT_f64 : DT_f32);
    return build2(b, OP_mul, x, number_like(c, x, ldexp(1, -digits)));
}

static Type in_wide(const Type *t)
{
    Type r = *t;
    r.dtype = t->dtype == DT_f64 ? DT_f64 : DT_f32;
    return r;
}

/* By Box's and Muller's method. */
static Value *normal(Call *c, const Type *t)
{
    Build *b = &c->b;
    Type w = in_wide(t);
    Value *u = uniform(c, &w), *turn = uniform(c, &w);
    Value *r = build1(b, OP_log1p, build1(b, OP_neg, u));
    r = build1(b, OP_sqrt, build2(b, OP_mul, r, number_like(c, r, -2)));
    return build2(b, OP_mul, r, build1(b, OP_cos, build2(b, OP_mul, turn, number_like(c, turn, 6.2831853071795862))));
}

/* -log(1 - u) */
static Value *exponential(Call *c, const Type *t)
{
    Type w = in_wide(t);
    return build1(&c->b, OP_neg, build1(&c->b, OP_log1p, build1(&c->b, OP_neg, uniform(c, &w))));
}

static void give_cast(Call *c, Value *v)
{
    give(c, build_cast(&c->b, v, c->meta[0].dtype));
}

/* spread * v + middle, both numbers or tensors by name; left out with NULL. */
static Value *moved(Call *c, Value *v, const char *middle, const char *spread)
{
    Build *b = &c->b;
    bool number;
    if (spread)
        v = build2(b, OP_mul, v, build_cast(b, arg_operand(c, spread, &number), v->type.dtype));
    return middle ? build2(b, OP_add, v, build_cast(b, arg_operand(c, middle, &number), v->type.dtype)) : v;
}

void decode_uniform(Call *c) /* rand, rand_like; uniform (1): between from and to */
{
    Type w = in_wide(&c->meta[0]);
    Value *u = uniform(c, (int)c->row->op ? &w : &c->meta[0]);
    if ((int)c->row->op) {
        double from = arg_float(c, "from"), to = arg_float(c, "to");
        u = build2(&c->b, OP_mul, u, number_like(c, u, to - from));
        u = build2(&c->b, OP_add, u, number_like(c, u, from));
    }
    give_cast(c, u);
}

void decode_normal(Call *c) /* randn; with mean and std (1), of its exponential (2) */
{
    int kind = (int)c->row->op;
    Value *v = normal(c, &c->meta[0]);
    if (kind == 2)
        v = build2(&c->b, OP_add, build2(&c->b, OP_mul, v, number_like(c, v, arg_float(c, "std"))),
                   number_like(c, v, arg_float(c, "mean")));
    else if (kind == 1)
        v = moved(c, v, arg_json(c, "mean") ? "mean" : NULL, arg_json(c, "std") ? "std" : NULL);
    give_cast(c, kind == 2 ? build1(&c->b, OP_exp, v) : v);
}

void decode_exponential(Call *c)
{
    Value *v = exponential(c, &c->meta[0]);
    give_cast(c, build2(&c->b, OP_div, v, number_like(c, v, arg_float(c, "lambd"))));
}

void decode_geometric(Call *c) /* how many trials until the first success: 1, 2, ... */
{
    Build *b = &c->b;
    Value *v = exponential(c, &c->meta[0]);
    v = build1(b, OP_ceil, build2(b, OP_div, v, number_like(c, v, -log1p(-arg_float(c, "p")))));
    give_cast(c, build2(b, OP_max, v, number_like(c, v, 1)));
}

void decode_cauchy(Call *c)
{
    Build *b = &c->b;
    Type w = in_wide(&c->meta[0]);
    Value *u = uniform(c, &w);
    u = build2(b, OP_mul, build2(b, OP_sub, u, number_like(c, u, 0.5)), number_like(c, u, 3.14159265358979323846));
    u = build2(b, OP_mul, build1(b, OP_tan, u), number_like(c, u, arg_float(c, "sigma")));
    give_cast(c, build2(b, OP_add, u, number_like(c, u, arg_float(c, "median"))));
}

/* Whether each element of a tensor of the type is drawn: with probability p. */
static Value *drawn(Call *c, const Type *t, Value *p)
{
    Type w = *t;
    w.dtype = p->type.dtype == DT_f64 ? DT_f64 : DT_f32;
    return build2(&c->b, OP_lt, uniform(c, &w), build_cast(&c->b, p, w.dtype));
}

void decode_bernoulli(Call *c) /* with probability p; without one: self */
{
    bool number, given = arg_json(c, "p") != NULL || strstr(c->target, ".float");
    Value *p = !given             ? arg_tensor(c, "self")
               : arg_json(c, "p") ? arg_operand(c, "p", &number)
                                  : build_full(&c->b, DT_f64, arg_float(c, "p"));
    give_cast(c, drawn(c, &c->meta[0], p));
}

void decode_randint(Call *c) /* low <= result < high */
{
    Build *b = &c->b;
    bool number;
    DType t = c->meta[0].dtype; /* without a bound: as far as the type counts */
    int64_t most = dtype_is_float(t) ? INT64_C(1) << (t == DT_f64   ? 53
                                                      : t == DT_f32 ? 24
                                                      : t == DT_f16 ? 11
                                                                    : 8)
                                     : INT64_MAX >> (64 - 8 * dtype_info[t].bytes);
    const char *to = arg_json(c, "high") ? "high" : "to", *from = arg_json(c, "low") ? "low" : "from";
    Value *low = arg_json(c, from) ? arg_operand(c, from, &number) : build_full_int(b, DT_i64, 0);
    Value *high = arg_json(c, to)     ? build_cast(b, arg_operand(c, to, &number), DT_i64)
                  : t == DT_bool      ? build_full_int(b, DT_i64, 2)
                  : dtype_is_float(t) ? build_full_int(b, DT_i64, most + 1)
                                      : build_full_int(b, DT_i64, most);
    Value *r = bits(c, &c->meta[0]);
    r = build2(b, OP_and, r, build_full_int(b, DT_i64, INT64_MAX));
    r = build2(b, OP_rem, r, build2(b, OP_sub, high, low));
    give_cast(c, build2(b, OP_add, r, low));
}

void decode_randperm(Call *c)
{
    give_cast(c, sort_last(c, bits(c, &c->meta[0]), false, NULL)->out[1]);
}

/* Indices along the last axis, drawn by their weights.  Again and again: where the running total passes a random share of
 * the whole.  Each once: the greatest ratios of weight and an exponential number. */
void decode_multinomial(Call *c)
{
    Build *b = &c->b;
    DType d = wide(arg_tensor(c, "self")->type.dtype);
    Value *p = self_as(c, d);
    Type t = c->meta[0];
    int rank = t.rank;
    if (rank < 1 || rank > 2 || p->type.rank != rank)
        call_refuse(c, "of %d dimensions", p->type.rank);
    const Idx *n = t.dim[rank - 1], *dim[MAX_RANK];
    if (!arg_bool(c, "replacement")) {
        Value *key = build2(b, OP_div, p, exponential(c, &p->type));
        call_guard(c, GUARD_LE, n, key->type.dim[rank - 1], "as many as are drawn, each once, can be drawn");
        give(c, sort_last(c, key, true, n)->out[1]);
        return;
    }
    t.dtype = d;
    Value *total = scan(c, p, rank - 1, OP_add), *last, *u = uniform(c, &t);
    const Idx *classes = p->type.dim[rank - 1];
    last = build_slice(b, total, rank - 1, idx_addk(b->g->job, classes, -1), k(c, 1), k(c, 1));
    u = build2(b, OP_mul, u, last);
    memcpy(dim, t.dim, sizeof dim);
    dim[rank] = k(c, 1);
    u = build_reshape(b, u, rank + 1, dim);
    dim[rank - 1] = k(c, 1);
    dim[rank] = classes;
    Value *passed = build_cast(b, build2(b, OP_le, build_reshape(b, total, rank + 1, dim), u), DT_i64);
    bool axes[MAX_RANK] = { false };
    axes[rank] = true;
    Value *r = build_reduce(b, OP_sum, passed, axes, false);
    give(c, build2(b, OP_min, r, build_index(b, idx_addk(b->g->job, classes, -1))));
}

/* ---- dropout ----------------------------------------------------------------------------------------------------------- */

enum { ALPHA = 1, FEATURE = 2, WITH_MASK = 4 };

static void check_probability(Call *c, double p)
{
    if (!(p >= 0 && p <= 1))
        fail_at(c->b.g->job, EXIT_INPUT, &c->b.origin, "%s: a probability of %g", c->target, p);
}

Value *dropped(Call *c, Value *a, double p)
{
    Build *b = &c->b;
    Type noise = a->type;
    noise.dtype = wide(a->type.dtype);
    check_probability(c, p);
    Value *keep = drawn(c, &noise, build_full(b, noise.dtype, 1 - p)), *x = build_cast(b, a, noise.dtype);
    x = build2(b, OP_mul, x, number_like(c, x, p < 1 ? 1 / (1 - p) : 0));
    return build_cast(b, build2(b, OP_mul, x, build_cast(b, keep, noise.dtype)), a->type.dtype);
}

/* Each element (or feature: of the first two axes) is kept with probability 1 - p and scaled.  Alpha dropout moves what
 * is dropped to -alpha' and keeps mean and variance. */
void decode_dropout(Call *c)
{
    Build *b = &c->b;
    int kind = (int)c->row->op;
    Value *a = arg_tensor(c, arg_json(c, "input") ? "input" : "self");
    DType d = wide(a->type.dtype);
    double p = arg_float(c, "p");
    bool train = !arg_given(c, "train") || arg_bool(c, "train");
    Type noise = a->type;
    noise.dtype = d;
    check_probability(c, p);
    for (int i = 2; i < noise.rank && (kind & FEATURE); i++)
        noise.dim[i] = k(c, 1);
    Value *keep, *x = build_cast(b, a, d);
    if (!train || p == 0 || p == 1) {
        keep = build_full_int(b, DT_bool, !train || p == 0);
        give(c, !train || p == 0 ? a : build_cast(b, build2(b, OP_mul, x, number_like(c, x, 0)), a->type.dtype));
    } else {
        keep = drawn(c, &noise, build_full(b, d, 1 - p));
        double alpha = 1.7580993408473766, scale = 1 / (1 - p), low = 0, shift = 0;
        if (kind & ALPHA) {
            scale = 1 / sqrt((alpha * alpha * p + 1) * (1 - p));
            shift = alpha * scale * p;
            low = shift - alpha * scale;
        }
        x = build2(b, OP_mul, build2(b, OP_mul, x, number_like(c, x, scale)), build_cast(b, keep, d));
        if (kind & ALPHA)
            x = build2(b, OP_add, x, build3(b, OP_where, keep, number_like(c, x, shift), number_like(c, x, low)));
        give(c, build_cast(b, x, a->type.dtype));
    }
    if (kind & WITH_MASK)
        c->result[1] = build_expand(b, keep, a->type.rank, a->type.dim);
}

/* Below 0 times a random slope between lower and upper, or not in training their mean; with_noise (1): and the slopes. */
void decode_rrelu(Call *c)
{
    Build *b = &c->b;
    Type t = in_wide(&c->meta[0]);
    Value *x = self_as(c, t.dtype), *slope;
    double lower = arg_float(c, "lower"), upper = arg_float(c, "upper");
    bool train = arg_bool(c, "training");
    if ((int)c->row->op == 1 && c->result_count < 2 && train)
        call_refuse(c, "it writes the slopes into its argument");
    if (train) {
        slope = uniform(c, &t);
        slope = build2(b, OP_mul, slope, number_like(c, x, upper - lower));
        slope = build2(b, OP_add, slope, number_like(c, x, lower));
    } else {
        slope = number_like(c, x, (lower + upper) / 2);
    }
    Value *below = build2(b, train ? OP_le : OP_lt, x, number_like(c, x, 0));
    give_cast(c, build3(b, OP_where, below, build2(b, OP_mul, x, slope), x));
    if (c->result_count > 1) {
        Value *noise = arg_tensor(c, "noise");
        Value *used = build3(b, OP_where, below, slope, number_like(c, x, 1));
        c->result[1] = train ? build_cast(b, used, c->meta[1].dtype) : noise;
    }
}
