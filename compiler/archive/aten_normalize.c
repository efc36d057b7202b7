/* SPDX-License-Identifier: MIT */
/* Normalisation: by statistics over a batch, an instance, groups of channels, the last axes; of weights. */
#include "aten.h"
#include <string.h>

typedef struct Moments { /* axes that were averaged stay, with size 1 */
    Value *mean, *var, *rstd;
} Moments;

static Moments moments_of(Call *c, Value *x, const bool *axes, double eps)
{
    Build *b = &c->b;
    Moments m = { .mean = build_reduce(b, OP_mean, x, axes, true) };
    Value *d = build2(b, OP_sub, x, m.mean);
    m.var = build_reduce(b, OP_mean, build2(b, OP_mul, d, d), axes, true);
    m.rstd = build1(b, OP_rsqrt, build2(b, OP_add, m.var, number_like(c, x, eps)));
    return m;
}

static Value *normal(Call *c, Value *x, const Moments *m)
{
    return build2(&c->b, OP_mul, build2(&c->b, OP_sub, x, m->mean), m->rstd);
}

static Value *param(Call *c, const char *name, DType t)
{
    Value *v = arg_tensor_or_null(c, name);
    return v ? build_cast(&c->b, v, t) : NULL;
}

/* A value for each channel as one that broadcasts along axis 1 of x. */
static Value *channels(Call *c, Value *v, const Value *x)
{
    const Idx *dim[MAX_RANK] = { v->type.dim[0] };
    int rank = x->type.rank > 1 ? x->type.rank - 1 : 1;
    for (int i = 1; i < rank; i++)
        dim[i] = k(c, 1);
    return build_reshape(&c->b, v, rank, dim);
}

/* x * weight + bias, one of each for a channel. */
static Value *scaled_channels(Call *c, Value *x)
{
    Value *w = param(c, "weight", x->type.dtype), *bias = param(c, "bias", x->type.dtype);
    x = w ? build2(&c->b, OP_mul, x, channels(c, w, x)) : x;
    return bias ? build2(&c->b, OP_add, x, channels(c, bias, x)) : x;
}

/* v as result i of the call. */
static void give_as(Call *c, uint32_t i, Value *v)
{
    if (i < c->result_count)
        c->result[i] = build_cast(&c->b, build_reshape(&c->b, v, c->meta[i].rank, c->meta[i].dim), c->meta[i].dtype);
}

/* momentum * v + (1 - momentum) * the argument of that name. */
static Value *moved(Call *c, const char *name, Value *v)
{
    double momentum = arg_float(c, "momentum");
    Value *old = arg_tensor(c, name);
    Value *now = build_cast(&c->b, build_reshape(&c->b, v, 1, &old->type.dim[0]), old->type.dtype);
    now = build2(&c->b, OP_mul, now, number_like(c, old, momentum));
    return build2(&c->b, OP_add, now, build2(&c->b, OP_mul, old, number_like(c, old, 1 - momentum)));
}

/* The running statistics after one batch: of `count` elements a channel. Functional forms have them as results. */
static void update_running(Call *c, Value *mean, Value *var, const Idx *count)
{
    bool functional = strstr(c->target, "functional") != NULL;
    Build *b = &c->b;
    if (!arg_json(c, "running_mean") || !arg_json(c, "running_var"))
        return;
    Value *n = build_cast(b, build_index(b, count), var->type.dtype), *one = number_like(c, n, 1);
    var = build2(b, OP_div, build2(b, OP_mul, var, n), build2(b, OP_sub, n, one));
    mean = moved(c, "running_mean", mean);
    var = moved(c, "running_var", var);
    if (functional && c->result_count >= 5) {
        give_as(c, c->result_count - 2, mean);
        give_as(c, c->result_count - 1, var);
    } else {
        arg_write(c, "running_mean", mean);
        arg_write(c, "running_var", var);
    }
}

static Value *or_full(Call *c, const char *name, const Value *like, double value)
{
    Value *v = param(c, name, like->type.dtype);
    return v ? v : build_expand(&c->b, number_like(c, like, value), 1, &like->type.dim[0]);
}

/* By given statistics: a composite, which passes fold into the convolution before it. */
static void by_running(Call *c, Value *x)
{
    DType t = wide(x->type.dtype);
    Value *mean = param(c, "running_mean", t), *var = param(c, "running_var", t);
    if (!mean || !var)
        call_refuse(c, "it has no running statistics");
    Value *in[5] = { x, or_full(c, "weight", mean, 1), or_full(c, "bias", mean, 0), mean, var };
    Attr at = attr_float(c->b.g->job, "eps", arg_float(c, "eps"));
    give(c, build(&c->b, OP_batch_norm, in, 5, NULL, &at, 1));
    for (uint32_t i = 1; i < c->result_count; i++) /* nobody may read statistics of the batch: they have no elements */
        c->result[i] = build_expand(&c->b, build_full_int(&c->b, c->meta[i].dtype, 0), c->meta[i].rank, c->meta[i].dim);
    if (strstr(c->target, "functional") && c->result_count >= 5) {
        c->result[c->result_count - 2] = arg_tensor(c, "running_mean");
        c->result[c->result_count - 1] = arg_tensor(c, "running_var");
    }
}

/* Over the batch, or (i) over each instance alone.  Flag t: always by statistics of the input. */
static void batch_norm(Call *c, bool training, bool instance)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    Value *x = arg_tensor(c, "input");
    /* A vector without elements may pass: nothing to normalise. */
    if (c->result_count == 1 && x->type.rank == 1 && idx_is(x->type.dim[0], 0)) {
        give(c, x);
        return;
    }
    if (x->type.rank < 2)
        call_refuse(c, "of a tensor %s", type_text(job, &x->type));
    if (!training) {
        by_running(c, x);
        return;
    }
    bool axes[MAX_RANK] = { false }, batch[MAX_RANK] = { true };
    const Idx *count = k(c, 1);
    for (int i = 0; i < x->type.rank; i++) {
        axes[i] = i > 1 || (i == 0 && !instance);
        count = axes[i] ? idx_mul(job, count, x->type.dim[i]) : count;
    }
    x = build_cast(b, x, wide(x->type.dtype));
    Moments m = moments_of(c, x, axes, arg_float(c, "eps"));
    give_as(c, 0, scaled_channels(c, normal(c, x, &m)));
    if (c->result_count >= 3) {
        give_as(c, 1, m.mean);
        give_as(c, 2, m.rstd);
    }
    if (c->result_count == 4 || c->result_count == 6) /* what a library would keep for the gradient: nothing */
        c->result[3] = build_expand(b, build_full_int(b, c->meta[3].dtype, 0), c->meta[3].rank, c->meta[3].dim);
    if (instance) {
        m.mean = build_reduce(b, OP_mean, m.mean, batch, true);
        m.var = build_reduce(b, OP_mean, m.var, batch, true);
    }
    update_running(c, m.mean, m.var, count);
}

void decode_batch_norm(Call *c)
{
    batch_norm(c, flag(c, 't') || (arg_json(c, "training") && arg_bool(c, "training")), false);
}

void decode_instance_norm(Call *c)
{
    batch_norm(c, arg_bool(c, "use_input_stats"), true);
}

/* The means over each of `dim[1]` groups of dim[2] channels and all places, [n, groups, 1]: first of each channel, as
 * memory that has the channels together is summed. */
static Value *group_mean(Call *c, Value *x, const Idx *const *dim)
{
    bool places[MAX_RANK] = { false }, share[MAX_RANK] = { false, false, true };
    for (int i = 2; i < x->type.rank; i++)
        places[i] = true;
    x = x->type.rank > 2 ? build_reduce(&c->b, OP_mean, x, places, false) : x;
    return build_reduce(&c->b, OP_mean, build_reshape(&c->b, x, 3, dim), share, true);
}

/* [n, groups, 1] as a value for each channel that broadcasts along x. */
static Value *group_channels(Call *c, Value *v, const Idx *const *dim, const Value *x)
{
    const Idx *one[MAX_RANK] = { x->type.dim[0], x->type.dim[1] };
    for (int i = 2; i < x->type.rank; i++)
        one[i] = k(c, 1);
    return build_reshape(&c->b, build_expand(&c->b, v, 3, dim), x->type.rank, one);
}

void decode_group_norm(Call *c)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    Value *x = arg_tensor(c, "input");
    const Type t = x->type;
    int64_t groups = arg_int(c, flag(c, 'g') ? "group" : "num_groups");
    if (t.rank < 2 || groups < 1)
        call_refuse(c, "of a tensor %s in %lld groups", type_text(job, &t), (long long)groups);
    call_guard(c, GUARD_EQ, idx_mod(job, t.dim[1], k(c, groups)), k(c, 0), "the channels must divide into groups");
    const Idx *dim[3] = { t.dim[0], k(c, groups), idx_div(job, t.dim[1], k(c, groups)) };
    x = build_cast(b, x, wide(t.dtype));
    Value *mean = group_mean(c, x, dim), *d = build2(b, OP_sub, x, group_channels(c, mean, dim, x));
    Value *var = group_mean(c, build2(b, OP_mul, d, d), dim);
    Value *rstd = build1(b, OP_rsqrt, build2(b, OP_add, var, number_like(c, x, arg_float(c, "eps"))));
    give_as(c, 0, scaled_channels(c, build2(b, OP_mul, d, group_channels(c, rstd, dim, x))));
    give_as(c, 1, mean);
    give_as(c, 2, rstd);
}

/* The axes of normalized_shape: the last ones. */
static int last_axes(Call *c, const Value *x, bool *axes)
{
    const Json *shape = arg_json(c, "normalized_shape");
    size_t n = shape ? json_count(shape) : 0;
    if (!n || n > (size_t)x->type.rank)
        call_refuse(c, "of a tensor %s over %zu axes", type_text(c->b.g->job, &x->type), n);
    for (int i = 0; i < x->type.rank; i++)
        axes[i] = i >= x->type.rank - (int)n;
    return (int)n;
}

void decode_layer_norm(Call *c)
{
    Build *b = &c->b;
    Value *x = arg_tensor(c, "input");
    Value *in[3] = { x, arg_tensor_or_null(c, "weight"), arg_tensor_or_null(c, "bias") };
    bool axes[MAX_RANK];
    double eps = arg_float(c, "eps");
    int n = last_axes(c, x, axes);
    if (!in[1] && in[2])
        in[1] = build_expand(b, number_like(c, in[2], 1), in[2]->type.rank, in[2]->type.dim);
    Attr at[2] = { attr_int(b->g->job, "axes", n), attr_float(b->g->job, "eps", eps) };
    give(c, build(b, OP_layer_norm, in, in[2] ? 3 : in[1] ? 2 : 1, NULL, at, 2));
    if (c->result_count < 3)
        return;
    Moments m = moments_of(c, build_cast(b, x, wide(x->type.dtype)), axes, eps);
    give_as(c, 1, m.mean);
    give_as(c, 2, m.rstd);
}

void decode_rms_norm(Call *c)
{
    Build *b = &c->b;
    Value *x = arg_tensor(c, "input");
    DType t = wide(x->type.dtype);
    bool axes[MAX_RANK];
    x = build_cast(b, x, t);
    last_axes(c, x, axes);
    double eps = arg_json(c, "eps") ? arg_float(c, "eps") : t == DT_f64 ? 0x1p-52 : 0x1p-23;
    Value *square = build_reduce(b, OP_mean, build2(b, OP_mul, x, x), axes, true);
    Value *rstd = build1(b, OP_rsqrt, build2(b, OP_add, square, number_like(c, x, eps)));
    Value *w = param(c, "weight", t), *r = build2(b, OP_mul, x, rstd);
    give_as(c, 0, w ? build2(b, OP_mul, r, w) : r);
    give_as(c, 1, rstd);
}

/* v scaled to the norms g, one for each index of dim (-1: of the whole); and the norms it had. */
void decode_weight_norm(Call *c)
{
    Build *b = &c->b;
    Value *v = arg_tensor(c, "v");
    DType t = wide(v->type.dtype);
    bool axes[MAX_RANK];
    int64_t dim = arg_int(c, "dim");
    if (dim < -1 || dim >= v->type.rank)
        call_refuse(c, "dim %lld", (long long)dim);
    for (int i = 0; i < v->type.rank; i++)
        axes[i] = i != dim;
    v = build_cast(b, v, t);
    Value *norm = build1(b, OP_sqrt, build_reduce(b, OP_sum, build2(b, OP_mul, v, v), axes, true));
    Value *g = build_cast(b, arg_tensor(c, "g"), t);
    give_as(c, 0, build2(b, OP_mul, v, build2(b, OP_div, g, norm)));
    give_as(c, 1, norm);
}
