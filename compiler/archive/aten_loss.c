/* SPDX-License-Identifier: MIT */
/* Losses: a formula of each element, and `reduction` (0 none, 1 mean, 2 sum) over all of them. */
#include "aten.h"
#include <math.h>
#include <string.h>

static const bool all[MAX_RANK] = { true, true, true, true, true, true, true, true, true, true, true, true };

static Value *arg_wide(Call *c, const char *name)
{
    return build_cast(&c->b, arg_tensor(c, name), wide(c->meta[0].dtype));
}

/* x op y in the dtype that two tensors promote to, which wraps around if they are integers; then wide. */
static Value *exact(Call *c, Op op, Value *x, Value *y)
{
    DType t = dtype_promote(x->type.dtype, y->type.dtype);
    t = dtype_is_int(t) ? t : wide(c->meta[0].dtype);
    return build2(&c->b, op, build_cast(&c->b, x, t), build_cast(&c->b, y, t));
}

static Value *times(Call *c, Value *a, double x)
{
    return build2(&c->b, OP_mul, a, number_like(c, a, x));
}

static Value *plus(Call *c, Value *a, double x)
{
    return build2(&c->b, OP_add, a, number_like(c, a, x));
}

static Value *at_least(Call *c, Value *a, double x)
{
    return build2(&c->b, OP_max, a, number_like(c, a, x));
}

static Value *without(Call *c, Value *one_minus) /* 1 - a */
{
    return build2(&c->b, OP_sub, number_like(c, one_minus, 1), one_minus);
}

static Value *total(Call *c, Value *v)
{
    return v->type.rank ? build_reduce(&c->b, OP_sum, v, all, false) : v;
}

static void give_reduced(Call *c, Value *loss)
{
    int64_t reduction = arg_int(c, "reduction");
    if (reduction == 1 && loss->type.rank)
        loss = build_reduce(&c->b, OP_mean, loss, all, false);
    else if (reduction == 2)
        loss = total(c, loss);
    give(c, build_cast(&c->b, loss, c->meta[0].dtype));
}

void decode_distance_loss(Call *c) /* mse, l1 (1), smooth_l1 (2), huber (3) */
{
    Build *b = &c->b;
    int kind = (int)c->row->op;
    Value *d = build2(b, OP_sub, arg_wide(c, "self"), arg_wide(c, "target")), *z = build1(b, OP_abs, d), *r = z;
    double bend = kind == 2 ? arg_float(c, "beta") : kind == 3 ? arg_float(c, "delta") : 0;
    if (kind == 0)
        r = build2(b, OP_mul, d, d);
    else if (kind == 3 || bend != 0) { /* a parabola up to `bend`, a line beyond */
        Value *near = times(c, build2(b, OP_mul, z, z), 0.5), *far = plus(c, z, -0.5 * bend);
        near = kind == 2 ? build2(b, OP_div, near, number_like(c, z, bend)) : near;
        far = kind == 3 ? times(c, far, bend) : far;
        r = build3(b, OP_where, build2(b, OP_lt, z, number_like(c, z, bend)), near, far);
    }
    give_reduced(c, r);
}

static Value *weighted(Call *c, Value *loss)
{
    Value *w = arg_tensor_or_null(c, "weight");
    return w ? build2(&c->b, OP_mul, loss, build_cast(&c->b, w, loss->type.dtype)) : loss;
}

/* (t - 1) max(log(1 - x), -100) - t max(log(x), -100) */
void decode_bce(Call *c)
{
    Build *b = &c->b;
    Value *x = arg_wide(c, "self"), *t = arg_wide(c, "target");
    Value *no = at_least(c, build1(b, OP_log1p, build1(b, OP_neg, x)), -100),
          *yes = at_least(c, build1(b, OP_log, x), -100);
    no = build2(b, OP_mul, plus(c, t, -1), no);
    give_reduced(c, weighted(c, build2(b, OP_sub, no, build2(b, OP_mul, t, yes))));
}

/* (1 - t) x - (1 + (pos_weight - 1) t) log_sigmoid(x) */
void decode_bce_logits(Call *c)
{
    Build *b = &c->b;
    Value *x = arg_wide(c, "self"), *t = arg_wide(c, "target"), *p = arg_tensor_or_null(c, "pos_weight");
    Value *log = log_sigmoid(c, x);
    if (p) {
        p = plus(c, build_cast(b, p, x->type.dtype), -1);
        log = build2(b, OP_mul, plus(c, build2(b, OP_mul, p, t), 1), log);
    }
    give_reduced(c, weighted(c, build2(b, OP_sub, build2(b, OP_mul, without(c, t), x), log)));
}

/* t log(t), 0 where t is 0 */
static Value *t_log_t(Call *c, Value *t)
{
    Value *zero = number_like(c, t, 0), *r = build2(&c->b, OP_mul, t, build1(&c->b, OP_log, t));
    return build3(&c->b, OP_where, build2(&c->b, OP_eq, t, zero), zero, r);
}

void decode_kl_div(Call *c)
{
    Build *b = &c->b;
    Value *x = arg_wide(c, "self"), *t = arg_wide(c, "target");
    Value *r = arg_bool(c, "log_target") ? build2(b, OP_mul, build1(b, OP_exp, t), build2(b, OP_sub, t, x))
                                         : build2(b, OP_sub, t_log_t(c, t), build2(b, OP_mul, t, x));
    give_reduced(c, r);
}

void decode_poisson_nll(Call *c)
{
    Build *b = &c->b;
    Value *x = arg_wide(c, "input"), *t = arg_wide(c, "target"), *r;
    if (arg_bool(c, "log_input"))
        r = build2(b, OP_sub, build1(b, OP_exp, x), build2(b, OP_mul, t, x));
    else
        r = build2(b, OP_sub, x, build2(b, OP_mul, t, build1(b, OP_log, plus(c, x, arg_float(c, "eps")))));
    if (arg_bool(c, "full")) { /* Stirling's formula for log(t!) where t > 1 */
        Value *s = build2(b, OP_sub, build2(b, OP_mul, t, build1(b, OP_log, t)), t);
        s = build2(b, OP_add, s, times(c, build1(b, OP_log, times(c, t, 6.2831853071795862)), 0.5));
        Value *small = build2(b, OP_le, t, number_like(c, t, 1));
        r = build2(b, OP_add, r, build3(b, OP_where, small, number_like(c, t, 0), s));
    }
    give_reduced(c, r);
}

void decode_margin_ranking(Call *c) /* max(margin - t (x1 - x2), 0) */
{
    Build *b = &c->b;
    Value *d = exact(c, OP_sub, arg_tensor(c, "input1"), arg_tensor(c, "input2"));
    d = exact(c, OP_mul, build1(b, OP_neg, arg_tensor(c, "target")), d);
    d = build_cast(b, d, wide(c->meta[0].dtype));
    give_reduced(c, at_least(c, plus(c, d, arg_float(c, "margin")), 0));
}

void decode_hinge_embedding(Call *c) /* x where t is 1, max(margin - x, 0) where it is -1, else their sum */
{
    Build *b = &c->b;
    Value *x = arg_wide(c, "self"), *t = arg_wide(c, "target"), *zero = number_like(c, x, 0);
    Value *far = at_least(c, plus(c, build1(b, OP_neg, x), arg_float(c, "margin")), 0);
    far = build3(b, OP_where, build2(b, OP_ne, t, number_like(c, t, 1)), far, zero);
    Value *near = build3(b, OP_where, build2(b, OP_ne, t, number_like(c, t, -1)), x, zero);
    give_reduced(c, build2(b, OP_add, far, near));
}

void decode_soft_margin(Call *c) /* log(1 + exp(-t x)) */
{
    Build *b = &c->b;
    Value *z = build2(b, OP_mul, build1(b, OP_neg, arg_wide(c, "target")), arg_wide(c, "self"));
    give_reduced(c, build1(b, OP_log1p, build1(b, OP_exp, z)));
}

void decode_cosine_embedding(Call *c)
{
    Build *b = &c->b;
    Value *x = arg_wide(c, "input1"), *y = arg_wide(c, "input2"), *t = arg_wide(c, "target");
    bool axes[MAX_RANK] = { false };
    axes[t->type.rank] = true; /* that of the vectors, behind those of the target */
    Value *xy = build2(b, OP_mul, x, y);
    if (xy->type.rank <= t->type.rank)
        call_refuse(c, "of inputs with no more dimensions than the target");
    Value *xx = plus(c, build_reduce(b, OP_sum, build2(b, OP_mul, x, x), axes, false), 1e-12);
    Value *yy = plus(c, build_reduce(b, OP_sum, build2(b, OP_mul, y, y), axes, false), 1e-12);
    Value *cosine =
        build2(b, OP_div, build_reduce(b, OP_sum, xy, axes, false), build1(b, OP_sqrt, build2(b, OP_mul, xx, yy)));
    Value *far = at_least(c, plus(c, cosine, -arg_float(c, "margin")), 0), *zero = number_like(c, t, 0);
    Value *near = build3(b, OP_where, build2(b, OP_eq, t, number_like(c, t, 1)), without(c, cosine), zero);
    far = build3(b, OP_where, build2(b, OP_eq, t, number_like(c, t, -1)), far, zero);
    give_reduced(c, build2(b, OP_add, near, far));
}

/* The p-norm of x - y + eps along the last axis. */
static Value *distance(Call *c, Value *x, Value *y, double p, double eps)
{
    Build *b = &c->b;
    bool axes[MAX_RANK] = { false };
    Value *d = plus(c, build_cast(b, exact(c, OP_sub, x, y), wide(c->meta[0].dtype)), eps), *power;
    if (!d->type.rank || p <= 0)
        call_refuse(c, "of 0-d tensors, or p of %g", p);
    axes[d->type.rank - 1] = true;
    if (p == 2)
        return build1(b, OP_sqrt, build_reduce(b, OP_sum, build2(b, OP_mul, d, d), axes, false));
    power = build1(b, OP_abs, d);
    if (isinf(p))
        return build_reduce(b, OP_amax, power, axes, false);
    if (p == 1)
        return build_reduce(b, OP_sum, power, axes, false);
    power = build_reduce(b, OP_sum, build2(b, OP_pow, power, number_like(c, d, p)), axes, false);
    return build2(b, OP_pow, power, number_like(c, d, 1 / p));
}

void decode_triplet_margin(Call *c)
{
    Build *b = &c->b;
    double p = arg_float(c, "p"), eps = arg_float(c, "eps");
    Value *x = arg_tensor(c, "anchor"), *y = arg_tensor(c, "positive"), *z = arg_tensor(c, "negative");
    Value *near = distance(c, x, y, p, eps), *far = distance(c, x, z, p, eps);
    if (arg_bool(c, "swap"))
        far = build2(b, OP_min, far, distance(c, y, z, p, eps));
    give_reduced(c, at_least(c, build2(b, OP_sub, plus(c, near, arg_float(c, "margin")), far), 0));
}

/* ---- losses by class: x[n, class, ...], the target the number of a class for each n, ... --------------------------- */

/* x at the class that the index says; `axis` vanishes. */
static Value *at_class(Call *c, Value *x, Value *index, int axis)
{
    Type t = index->type, wider = index->type;
    if (t.rank != x->type.rank - 1)
        call_refuse(c, "a target of %d dimensions for an input of %d", t.rank, x->type.rank);
    wider.rank++;
    wider.dim[axis] = k(c, 1);
    for (int i = axis; i < t.rank; i++)
        wider.dim[i + 1] = t.dim[i];
    index = build_reshape(&c->b, index, wider.rank, wider.dim);
    return build_reshape(&c->b, gather(c, x, index, axis), t.rank, t.dim);
}

/* weight along the class axis of x */
static Value *class_weight(Call *c, Value *x, int axis)
{
    Value *w = arg_tensor_or_null(c, "weight");
    const Idx *dim[MAX_RANK];
    for (int i = 0; i < x->type.rank; i++)
        dim[i] = i == axis ? x->type.dim[axis] : k(c, 1);
    return w ? build_reshape(&c->b, build_cast(&c->b, w, x->type.dtype), x->type.rank, dim) : NULL;
}

/* -w[t] log_p[t], with `smoothing` its share of the mean over all classes; ignored targets count for nothing. */
static void class_loss(Call *c, Value *log_p, double smoothing)
{
    Build *b = &c->b;
    int axis = log_p->type.rank == 1 ? 0 : 1;
    bool axes[MAX_RANK] = { false };
    if (!log_p->type.rank)
        call_refuse(c, "of a 0-d tensor");
    Value *target = build_cast(b, arg_tensor(c, "target"), DT_i64), *zero = number_like(c, log_p, 0);
    Value *used = build2(b, OP_ne, target, build_full_int(b, DT_i64, arg_int(c, "ignore_index")));
    Value *index = build3(b, OP_where, used, target, build_full_int(b, DT_i64, 0)),
          *w = arg_tensor_or_null(c, "weight");
    if (log_p->type.rank == 1 && index->type.rank == 1) /* one element for one input */
        index = build_reshape(b, index, 0, NULL), used = build_reshape(b, used, 0, NULL);
    Value *loss = build1(b, OP_neg, at_class(c, log_p, index, axis));
    w = w ? take(c, build_cast(b, w, log_p->type.dtype), index, 0) : number_like(c, log_p, 1);
    loss = build2(b, OP_mul, loss, w);
    if (smoothing != 0) {
        Value *each = class_weight(c, log_p, axis),
              *n = build_cast(b, build_index(b, log_p->type.dim[axis]), log_p->type.dtype);
        axes[axis] = true;
        each = build_reduce(b, OP_sum, each ? build2(b, OP_mul, log_p, each) : log_p, axes, false);
        each = build2(b, OP_div, times(c, each, -smoothing), n);
        loss = build2(b, OP_add, times(c, loss, 1 - smoothing), each);
    }
    loss = build3(b, OP_where, used, loss, zero);
    int64_t reduction = arg_int(c, "reduction");
    Value *weights = reduction ? total(c, build3(b, OP_where, used, w, zero)) : zero;
    if (reduction)
        loss = total(c, loss);
    if (reduction == 1)
        loss = build2(b, OP_div, loss, weights);
    give(c, build_cast(b, build_reshape(b, loss, c->meta[0].rank, c->meta[0].dim), c->meta[0].dtype));
    if (c->result_count > 1)
        c->result[1] = build_cast(b, weights, c->meta[1].dtype);
}

void decode_nll_loss(Call *c)
{
    class_loss(c, arg_wide(c, "self"), 0);
}

void decode_cross_entropy(Call *c)
{
    Build *b = &c->b;
    Value *x = arg_wide(c, "self"), *target = arg_tensor(c, "target");
    double smoothing = arg_float(c, "label_smoothing");
    int axis = x->type.rank == 1 ? 0 : 1;
    if (!x->type.rank)
        call_refuse(c, "of a 0-d tensor");
    Attr dim = attr_int(b->g->job, "dim", axis);
    Value *log_p = build(b, OP_log_softmax, &x, 1, NULL, &dim, 1);
    if (!dtype_is_float(target->type.dtype)) {
        class_loss(c, log_p, smoothing);
        return;
    }
    Value *t = build_cast(b, target, x->type.dtype), *w = class_weight(c, x, axis), *classes;
    classes = build_cast(b, build_index(b, x->type.dim[axis]), x->type.dtype);
    if (smoothing != 0)
        t = build2(b, OP_add, times(c, t, 1 - smoothing), build2(b, OP_div, number_like(c, t, smoothing), classes));
    Value *loss = build1(b, OP_neg, build2(b, OP_mul, log_p, t));
    if (w)
        loss = build2(b, OP_mul, loss, w);
    bool axes[MAX_RANK] = { false };
    axes[axis] = true;
    give_reduced(c, build_reduce(b, OP_sum, loss, axes, false));
}

/* Of x[n, class] or x[class]: the mean over all other classes of w[t] max(margin - x[t] + x, 0)^p. */
void decode_multi_margin(Call *c)
{
    Build *b = &c->b;
    Value *x = arg_wide(c, "self"), *target = build_cast(b, arg_tensor(c, "target"), DT_i64),
          *w = arg_tensor_or_null(c, "weight");
    int rank = x->type.rank;
    const Idx *dim[2] = { rank == 2 ? x->type.dim[0] : k(c, 1), k(c, 1) };
    double p = arg_float(c, "p");
    if (rank > 2 || (p != 1 && p != 2))
        call_refuse(c, "of %d dimensions, or p of %g", rank, p);
    const Idx *classes = rank ? x->type.dim[rank - 1] : k(c, 1), *wide_dim[2] = { dim[0], classes };
    x = build_reshape(b, x, 2, wide_dim);
    target = build_reshape(b, target, 1, dim);
    Value *own = build_reshape(b, at_class(c, x, target, 1), 2, dim);
    Value *z = at_least(c, plus(c, build2(b, OP_sub, x, own), arg_float(c, "margin")), 0);
    z = p == 2 ? build2(b, OP_mul, z, z) : z;
    if (w)
        z = build2(b, OP_mul, z, build_reshape(b, take(c, build_cast(b, w, z->type.dtype), target, 0), 2, dim));
    Value *i = build(b, OP_iota, NULL, 0, &(Type){ DT_i64, 1, { classes } }, NULL, 0);
    z = build3(b, OP_where, build2(b, OP_eq, i, build_reshape(b, target, 2, dim)), number_like(c, z, 0), z);
    z = build_reduce(b, OP_sum, z, (bool[MAX_RANK]){ false, true }, false);
    z = build2(b, OP_div, z, build_cast(b, build_index(b, classes), z->type.dtype));
    give_reduced(c, build_reshape(b, z, rank == 2, dim));
}

/* Of x[n, class] and the numbers of its classes up to the first -1: the sum over those and all others of
 * max(1 - x[own] + x[other], 0) / classes. */
void decode_multilabel_margin(Call *c)
{
    Build *b = &c->b;
    Value *x = arg_wide(c, "self"), *target = build_cast(b, arg_tensor(c, "target"), DT_i64);
    int rank = x->type.rank;
    if (rank > 2 || target->type.rank != rank)
        call_refuse(c, "of %d dimensions", rank);
    const Idx *n = rank == 2 ? x->type.dim[0] : k(c, 1), *classes = rank ? x->type.dim[rank - 1] : k(c, 1);
    const Idx *flat[3] = { n, classes }, *column[3] = { n, classes, k(c, 1) }, *row[3] = { n, k(c, 1), classes };
    Value *none = build_full_int(b, DT_i64, -1), *zero = build_full_int(b, DT_i64, 0);
    bool last[MAX_RANK] = { false, false, true }, middle[MAX_RANK] = { false, true };
    x = build_reshape(b, x, 2, flat);
    target = build_reshape(b, target, 2, flat);
    Value *i = build(b, OP_iota, NULL, 0, &(Type){ DT_i64, 1, { classes } }, NULL, 0);
    Value *upto = build2(b, OP_le, i, build_reshape(b, i, 2, column + 1)); /* [j, i]: i <= j */
    Value *end = build2(b, OP_eq, build_reshape(b, target, 3, row), none);
    Value *ended = build_reduce(b, OP_any, build2(b, OP_and, end, upto), last, false);
    Value *valid = build1(b, OP_not, ended);
    Value *index = build3(b, OP_where, valid, target, zero);
    Value *is =
        build2(b, OP_and, build_reshape(b, valid, 3, column), build2(b, OP_eq, build_reshape(b, index, 3, column), i));
    is = build_reduce(b, OP_any, is, middle, false); /* [n, class]: among its targets */
    Value *own = gather(c, x, index, 1);
    Value *z = build2(b, OP_sub, build_reshape(b, x, 3, row), build_reshape(b, own, 3, column));
    z = at_least(c, plus(c, z, 1), 0);
    Value *counts =
        build2(b, OP_and, build_reshape(b, valid, 3, column), build1(b, OP_not, build_reshape(b, is, 3, row)));
    z = build3(b, OP_where, counts, z, number_like(c, z, 0));
    z = build_reduce(b, OP_sum, z, (bool[MAX_RANK]){ false, true, true }, false);
    z = build2(b, OP_div, z, build_cast(b, build_index(b, classes), z->type.dtype));
    give_reduced(c, build_reshape(b, z, rank == 2, flat));
    if (c->result_count > 1) {
        is = build_reshape(b, is, c->meta[1].rank, c->meta[1].dim);
        c->result[1] = build_cast(b, is, c->meta[1].dtype);
    }
}

/* ---- gradients that inference graphs contain ------------------------------------------------------------------------ */

/* y (g - sum(g y)), or with log_softmax (1) g - exp(y) sum(g) */
void decode_softmax_backward(Call *c)
{
    Build *b = &c->b;
    Value *g = arg_wide(c, "grad_output"), *y = arg_wide(c, "output");
    bool axes[MAX_RANK] = { false }, log = (int)c->row->op == 1;
    int dim = arg_dim(c, "dim", g->type.rank);
    axes[dim] = g->type.rank > 0;
    Value *gy = log ? g : build2(b, OP_mul, g, y), *sum = g->type.rank ? build_reduce(b, OP_sum, gy, axes, true) : gy;
    Value *r = log ? build2(b, OP_sub, g, build2(b, OP_mul, build1(b, OP_exp, y), sum))
                   : build2(b, OP_mul, y, build2(b, OP_sub, g, sum));
    give(c, build_cast(b, r, c->meta[0].dtype));
}

void decode_dropout_backward(Call *c)
{
    Value *g = build2(&c->b, OP_mul, arg_wide(c, "grad_output"), arg_wide(c, "mask"));
    give(c, build_cast(&c->b, times(c, g, arg_float(c, "scale")), c->meta[0].dtype));
}
