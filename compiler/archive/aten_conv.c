/* SPDX-License-Identifier: MIT */
/* Convolutions of one to three axes. */
#include "aten.h"
#include <string.h>

typedef struct Conv {
    Value *x, *w;
    size_t axes; /* spatial ones */
    int64_t stride[MAX_RANK], padding[MAX_RANK], dilation[MAX_RANK], output_padding[MAX_RANK], groups;
    bool phased;                                     /* the result is made of phases: */
    int64_t phases[MAX_RANK], first[MAX_RANK];       /* how many along an axis; the element where the result begins */
    int64_t all;                                     /* phases along all axes */
    const Idx *size[MAX_RANK];                       /* of the result */
    bool apart;                                      /* a convolution for each phase, of x with `low` zeros in front: */
    const Idx *low[MAX_RANK];
    int64_t taps[MAX_RANK];
} Conv;

static _Noreturn void bad_conv(Call *c, const char *what)
{
    fail_at(c->b.g->job, EXIT_INPUT, &c->b.origin, "%s: %s", c->target, what);
}

/* x with `low` and `high` zeros more (fewer, where negative) at the ends of its spatial axes. */
static Value *resized(Call *c, Value *x, size_t axes, const Idx *const *low, const Idx *const *high)
{
    Job *job = c->b.g->job;
    const Idx *before[MAX_RANK] = { k(c, 0), k(c, 0) };
    Type t = x->type;
    bool none = true;
    for (size_t i = 0; i < axes; i++) {
        none &= idx_is(low[i], 0) && idx_is(high[i], 0);
        before[i + 2] = low[i];
        t.dim[i + 2] = idx_add(job, t.dim[i + 2], idx_add(job, low[i], high[i]));
    }
    Attr at[2] = { attr_idx(job, "low", before, (size_t)t.rank), attr_float(job, "value", 0) };
    return none ? x : build(&c->b, OP_pad, &x, 1, &t, at, 2);
}

/* step - 1 zeros between the elements of an axis. */
static Value *spread(Call *c, Value *x, int axis, int64_t step)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    const Idx *dim[MAX_RANK], *low[MAX_RANK];
    Type t = x->type;
    if (step == 1)
        return x;
    for (int i = 0; i <= t.rank; i++) {
        dim[i] = i <= axis ? t.dim[i] : i == axis + 1 ? k(c, 1) : t.dim[i - 1];
        low[i] = k(c, 0);
    }
    Type wide = type_make(t.dtype, t.rank + 1, dim);
    x = build_reshape(b, x, wide.rank, dim);
    wide.dim[axis + 1] = k(c, step);
    Attr at[2] = { attr_idx(job, "low", low, (size_t)wide.rank), attr_float(job, "value", 0) };
    x = build(b, OP_pad, &x, 1, &wide, at, 2);
    const Idx *size = t.dim[axis];
    t.dim[axis] = idx_mulk(job, size, step);
    x = build_reshape(b, x, t.rank, t.dim);
    return build_slice(b, x, axis, k(c, 0), k(c, 1), idx_addk(job, t.dim[axis], 1 - step));
}

/* A weight [in, out / groups, ...] of a transposed convolution as [out, in / groups, ...], turned round. */
static Value *turned(Call *c, Value *w, size_t axes, int64_t groups)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    const Idx *dim[MAX_RANK];
    int perm[MAX_RANK], rank = w->type.rank;
    for (int i = 0; i <= rank; i++)
        perm[i] = i;
    for (size_t i = 0; i < axes; i++) {
        const Idx *size = w->type.dim[i + 2];
        w = build_slice(b, w, (int)i + 2, idx_addk(job, size, -1), k(c, -1), size);
    }
    dim[0] = k(c, groups);
    memcpy(dim + 2, w->type.dim + 1, (size_t)(rank - 1) * sizeof *dim);
    dim[1] = idx_div(job, w->type.dim[0], dim[0]);
    if (groups == 1) {
        perm[0] = 1;
        perm[1] = 0;
        return build_permute(b, w, perm);
    }
    w = build_reshape(b, w, rank + 1, dim);
    perm[1] = 2;
    perm[2] = 1;
    w = build_permute(b, w, perm);
    memcpy(dim, w->type.dim, sizeof dim);
    dim[1] = idx_mul(job, dim[0], dim[1]);
    return build_reshape(b, w, rank, dim + 1);
}

/* What a kernel of `size` elements, `dilation` apart, covers beyond one. */
static const Idx *reach(Call *c, const Conv *v, size_t axis)
{
    return idx_mulk(c->b.g->job, idx_addk(c->b.g->job, v->w->type.dim[axis + 2], -1), v->dilation[axis]);
}

/* Zeros around x: as attribute of the convolution, where both sides have equally many. */
static void surround(Call *c, Conv *v, const Idx *const *low, const Idx *const *high)
{
    int64_t n[MAX_RANK] = { 0 };
    bool even = true;
    for (size_t i = 0; i < v->axes; i++)
        even &= low[i] == high[i] && idx_is_const(low[i], &n[i]) && n[i] >= 0;
    if (!even)
        v->x = resized(c, v->x, v->axes, low, high);
    for (size_t i = 0; i < v->axes; i++)
        v->padding[i] = even ? n[i] : 0;
}

/* [g * in, out, K...] as [g * phases * out, in, J...], zeros at the end of K filling up J * phases; J is turned round. */
static Value *phase_weight(Call *c, const Conv *v, const int64_t *taps)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    const Idx *low[MAX_RANK] = { NULL }, *high[MAX_RANK] = { NULL }, *dim[MAX_RANK] = { k(c, v->groups) }, *end[MAX_RANK];
    int perm[MAX_RANK] = { 0 }, axes = (int)v->axes, n = 1;
    const Type *w = &v->w->type;
    dim[1] = idx_div(job, w->dim[0], dim[0]);
    dim[2] = w->dim[1];
    end[0] = idx_mul(job, dim[0], dim[2]);
    end[1] = dim[1];
    for (int i = 0; i < axes; i++) {
        low[i] = k(c, 0);
        high[i] = idx_sub(job, k(c, taps[i] * v->phases[i]), w->dim[i + 2]);
        dim[3 + 2 * i] = end[2 + i] = k(c, taps[i]);
        dim[4 + 2 * i] = k(c, v->phases[i]);
        end[0] = idx_mulk(job, end[0], v->phases[i]);
        perm[n++] = 4 + 2 * i;
    }
    perm[n++] = 2;
    perm[n++] = 1;
    for (int i = 0; i < axes; i++)
        perm[n++] = 3 + 2 * i;
    Value *r = build_reshape(b, resized(c, v->w, v->axes, low, high), 3 + 2 * axes, dim);
    for (int i = 0; i < axes; i++)
        r = build_slice(b, r, 3 + 2 * i, k(c, taps[i] - 1), k(c, -1), k(c, taps[i]));
    return build_reshape(b, build_permute(b, r, perm), 2 + axes, end);
}

enum { PHASES_APART = 8, CHANNELS_APART = 16 };

/* Whether the ends that the result does not have are much of what one convolution of all phases computes, which have `out`
 * channels each: four times 5x5 pixels for an image of 8x8. */
static bool better_apart(Call *c, const Conv *v, const Idx *const *high, int64_t out)
{
    double more = 1;
    for (size_t i = 0; i < v->axes; i++) {
        int64_t places, size;
        const Idx *padded = idx_add(c->b.g->job, v->x->type.dim[i + 2], idx_add(c->b.g->job, v->low[i], high[i]));
        if (!idx_is_const(padded, &places) || !idx_is_const(v->size[i], &size) || size < 1 || size % v->phases[i])
            return false;
        more *= (double)(places - v->taps[i] + 1) * (double)v->phases[i] / (double)size;
    }
    return more >= 1.1 && v->all <= PHASES_APART && v->groups == 1 && out % CHANNELS_APART == 0;
}

/* A transposed convolution of stride s: output element s * q + r - padding is the sum of x[q - j] * w[r + s * j], so
 * each phase r is a convolution of x with every s-th element of the kernel.  All phases are one convolution with
 * that many times as many channels, or, of small images, one each. */
static bool phase_conv(Call *c, Conv *v)
{
    Job *job = c->b.g->job;
    const Idx *high[MAX_RANK] = { NULL };
    int64_t in, out;
    v->all = 1;
    for (size_t i = 0; i < v->axes; i++) {
        int64_t size;
        if (v->dilation[i] != 1 || !idx_is_const(v->w->type.dim[i + 2], &size) || size < 1 || size > 1 << 20)
            return false;
        int64_t s = v->stride[i], from = v->padding[i] / s, beyond = size + v->output_padding[i] - 1 - v->padding[i];
        v->taps[i] = (size + s - 1) / s;
        v->low[i] = k(c, v->taps[i] - 1 - from);
        high[i] = k(c, beyond >= 0 ? beyond / s : -((s - 1 - beyond) / s));
        v->phases[i] = s;
        v->first[i] = v->padding[i] - from * s;
        v->size[i] = idx_addk(job, idx_mulk(job, idx_addk(job, v->x->type.dim[i + 2], -1), s), beyond + 1 - v->padding[i]);
        v->all *= s;
        if (v->all > 1 << 10)
            return false;
    }
    bool narrow = !idx_is_const(v->w->type.dim[0], &in) || !idx_is_const(v->w->type.dim[1], &out) ||
                  in % v->groups || (v->groups > 1 && (in / v->groups < 4 || out * v->all < 8));
    if (v->all == 1 || narrow)
        return false;
    v->apart = better_apart(c, v, high, out);
    v->w = phase_weight(c, v, v->taps);
    if (!v->apart)
        surround(c, v, v->low, high);
    for (size_t i = 0; i < v->axes; i++)
        v->stride[i] = 1;
    return v->phased = true;
}

/* [out] as the bias of all phases: [g * phases * out]. */
static Value *phase_bias(Call *c, const Conv *v, Value *bias)
{
    Job *job = c->b.g->job;
    const Idx *dim[3] = { k(c, v->groups), k(c, 1), idx_div(job, bias->type.dim[0], k(c, v->groups)) };
    const Idx *wide[3] = { dim[0], k(c, v->all), dim[2] }, *flat = idx_mulk(job, bias->type.dim[0], v->all);
    bias = build_expand(&c->b, build_reshape(&c->b, bias, 3, dim), 3, wide);
    return build_reshape(&c->b, bias, 1, &flat);
}

/* [n, g * phases * out, Q...] as [n, g * out, size...]. */
static Value *join_phases(Call *c, const Conv *v, Value *r)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    const Idx *dim[MAX_RANK] = { r->type.dim[0], k(c, v->groups) }, *end[MAX_RANK] = { dim[0] }, *out = r->type.dim[1];
    int perm[MAX_RANK] = { 0, 1 }, axes = (int)v->axes, n = 2;
    perm[n++] = 2 + axes;
    for (int i = 0; i < axes; i++) {
        dim[2 + i] = k(c, v->phases[i]);
        dim[3 + axes + i] = r->type.dim[2 + i];
        end[2 + i] = idx_mulk(job, r->type.dim[2 + i], v->phases[i]);
        out = idx_div(job, out, dim[2 + i]);
        perm[n++] = 3 + axes + i;
        perm[n++] = 2 + i;
    }
    end[1] = out;
    dim[2 + axes] = idx_div(job, out, dim[1]);
    r = build_reshape(b, r, 3 + 2 * axes, dim);
    r = build_reshape(b, build_permute(b, r, perm), 2 + axes, end);
    for (int i = 0; i < axes; i++)
        r = build_slice(b, r, 2 + i, k(c, v->first[i]), k(c, 1), v->size[i]);
    return r;
}

/* Each input element adds the kernel, `stride` apart: a convolution of the spread input with the kernel turned round. */
static void transpose_conv(Call *c, Conv *v)
{
    const Idx *low[MAX_RANK], *high[MAX_RANK];
    for (size_t i = 0; i < v->axes; i++)
        if (v->output_padding[i] < 0 ||
            (v->output_padding[i] >= v->stride[i] && v->output_padding[i] >= v->dilation[i]))
            bad_conv(c, "output_padding is out of range");
    if (phase_conv(c, v))
        return;
    for (size_t i = 0; i < v->axes; i++) {
        v->x = spread(c, v->x, (int)i + 2, v->stride[i]);
        low[i] = idx_addk(c->b.g->job, reach(c, v, i), -v->padding[i]);
        high[i] = idx_addk(c->b.g->job, low[i], v->output_padding[i]);
        v->stride[i] = 1;
    }
    surround(c, v, low, high);
    v->w = turned(c, v->w, v->axes, v->groups);
}

/* "same" and "valid"; what an even kernel needs more stands at the end. */
static void named_padding(Call *c, Conv *v, const char *name)
{
    Job *job = c->b.g->job;
    const Idx *low[MAX_RANK], *high[MAX_RANK];
    for (size_t i = 0; i < v->axes; i++) {
        const Idx *total = strcmp(name, "same") ? k(c, 0) : reach(c, v, i);
        low[i] = idx_div(job, total, k(c, 2));
        high[i] = idx_sub(job, total, low[i]);
    }
    surround(c, v, low, high);
}

/* Several filters for each channel of an image or a line: one for each of its copies, which makes it depthwise. */
static Conv with_copies(Call *c, const Conv *v)
{
    Conv r = *v;
    const Type *x = &v->x->type, *w = &v->w->type;
    int64_t out;
    if (v->groups < 2 || w->rank > 4 || !idx_is(w->dim[1], 1) || !idx_is(x->dim[1], v->groups) || !idx_is_const(w->dim[0], &out) ||
        out <= v->groups || out % v->groups)
        return r;
    const Idx *dim[MAX_RANK] = { x->dim[0], x->dim[1], k(c, 1) };
    for (int i = 2; i < x->rank; i++)
        dim[i + 1] = x->dim[i];
    r.x = build_reshape(&c->b, v->x, x->rank + 1, dim);
    dim[2] = k(c, out / v->groups);
    r.x = build_expand(&c->b, r.x, x->rank + 1, dim);
    dim[1] = k(c, out);
    for (int i = 2; i < x->rank; i++)
        dim[i] = x->dim[i];
    r.x = build_reshape(&c->b, r.x, x->rank, dim);
    r.groups = out;
    return r;
}

static Value *convolve(Call *c, const Conv *given)
{
    Job *job = c->b.g->job;
    const Conv copies = with_copies(c, given), *v = &copies;
    const Type *x = &v->x->type, *w = &v->w->type;
    const Idx *rest = idx_mod(job, w->dim[0], k(c, v->groups));
    call_guard(c, GUARD_EQ, x->dim[1], idx_mulk(job, w->dim[1], v->groups), "the channels must fit the weight");
    call_guard(c, GUARD_EQ, rest, k(c, 0), "the output channels must divide into groups");
    Attr at[4] = { attr_ints(job, "stride", v->stride, v->axes), attr_ints(job, "padding", v->padding, v->axes),
                   attr_ints(job, "dilation", v->dilation, v->axes), attr_int(job, "groups", v->groups) };
    return build(&c->b, OP_conv, (Value *[]){ v->x, v->w }, 2, NULL, at, 4);
}

/* [n, phases * out, size / phases...]: each phase where the result has it. */
static Value *phases_apart(Call *c, Conv *v)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    Value *part[PHASES_APART];
    const Idx *out = idx_div(job, v->w->type.dim[0], k(c, v->all));
    for (int64_t n = 0; n < v->all; n++) {
        const Idx *low[MAX_RANK], *high[MAX_RANK];
        Conv one = *v;
        int64_t rest = n, phase = 0, step = 1;
        for (size_t i = v->axes; i-- > 0; rest /= v->phases[i]) {
            int64_t at = rest % v->phases[i] + v->first[i]; /* behind the last phase comes the first one of the next place */
            phase += at % v->phases[i] * step;
            step *= v->phases[i];
            low[i] = idx_addk(job, v->low[i], -(at / v->phases[i]));
            const Idx *read = idx_addk(job, idx_div(job, v->size[i], k(c, v->phases[i])), v->taps[i] - 1);
            high[i] = idx_sub(job, idx_sub(job, read, v->x->type.dim[i + 2]), low[i]);
        }
        one.w = build_slice(b, v->w, 0, idx_mulk(job, out, phase), k(c, 1), out);
        surround(c, &one, low, high);
        part[n] = convolve(c, &one);
    }
    memset(v->first, 0, sizeof v->first);
    Attr dim = attr_int(job, "dim", 1);
    return build(b, OP_cat, part, (uint32_t)v->all, NULL, &dim, 1);
}

/* Flag t: transposed; `convolution` has an argument for it. */
void decode_conv(Call *c)
{
    Job *job = c->b.g->job;
    DType t = c->meta[0].dtype, w = wide(t); /* rounded once, behind the bias */
    Conv v = { .x = build_cast(&c->b, arg_tensor(c, "input"), w), .w = build_cast(&c->b, arg_tensor(c, "weight"), w) };
    Value *bias = arg_tensor_or_null(c, "bias");
    bool transposed = flag(c, 't') || (arg_json(c, "transposed") && arg_bool(c, "transposed"));
    if (v.w->type.rank < 3 || v.w->type.rank > 5 || v.x->type.rank > v.w->type.rank ||
        v.x->type.rank < v.w->type.rank - 1)
        call_refuse(c, "of tensors %s and %s", type_text(job, &v.x->type), type_text(job, &v.w->type));
    v.axes = (size_t)v.w->type.rank - 2;
    v.groups = arg_int(c, "groups");
    arg_ints(c, "stride", v.stride, MAX_RANK, v.axes);
    arg_ints(c, "dilation", v.dilation, MAX_RANK, v.axes);
    const Json *p = arg_json(c, "padding");
    bool named = p ? !strcmp(json_key(p), "as_string") : strstr(c->target, ".padding") != NULL;
    if (!named)
        arg_ints(c, "padding", v.padding, MAX_RANK, v.axes);
    if (transposed)
        arg_ints(c, "output_padding", v.output_padding, MAX_RANK, v.axes);
    for (size_t i = 0; i < v.axes; i++)
        if (v.stride[i] < 1 || v.dilation[i] < 1 || v.padding[i] < 0 || v.stride[i] > 1 << 20 ||
            v.padding[i] > 1 << 20 || v.dilation[i] > 1 << 20)
            bad_conv(c, "stride, padding or dilation is out of range");
    if (v.groups < 1)
        bad_conv(c, "groups is out of range");
    bool batched = v.x->type.rank == v.w->type.rank;
    if (!batched) {
        Type one = v.x->type;
        memmove(one.dim + 1, one.dim, (size_t)one.rank * sizeof *one.dim);
        one.dim[0] = k(c, 1);
        v.x = build_reshape(&c->b, v.x, one.rank + 1, one.dim);
    }
    if (named)
        named_padding(c, &v, arg_text(c, "padding"));
    if (transposed)
        transpose_conv(c, &v);
    Value *r = v.apart ? phases_apart(c, &v) : convolve(c, &v);
    if (bias && v.phased)
        bias = phase_bias(c, &v, bias);
    if (bias) {
        const Idx *dim[MAX_RANK] = { bias->type.dim[0] };
        for (size_t i = 1; i <= v.axes; i++)
            dim[i] = k(c, 1);
        bias = build_reshape(&c->b, build_cast(&c->b, bias, w), (int)v.axes + 1, dim);
        r = build2(&c->b, OP_add, r, bias);
    }
    if (v.phased)
        r = join_phases(c, &v, r);
    r = build_cast(&c->b, r, t);
    give(c, batched ? r : build_reshape(&c->b, r, r->type.rank - 1, r->type.dim + 1));
}

/* Time, batch, channels; a weight of [kernel, in, out]. */
void decode_conv_tbc(Call *c)
{
    Build *b = &c->b;
    int64_t pad = arg_int(c, "pad");
    Value *x = arg_tensor(c, "self"), *w = arg_tensor(c, "weight");
    if (x->type.rank != 3 || w->type.rank != 3 || pad < 0 || pad > 1 << 20)
        bad_conv(c, "its operands have not 3 dimensions, or pad is out of range");
    Conv v = { .x = build_permute(b, x, (int[]){ 1, 2, 0 }),
               .w = build_permute(b, w, (int[]){ 2, 1, 0 }),
               .axes = 1,
               .stride = { 1 },
               .padding = { pad },
               .dilation = { 1 },
               .groups = 1 };
    Value *r = build_permute(b, convolve(c, &v), (int[]){ 2, 0, 1 });
    give(c, build2(b, OP_add, r, arg_tensor(c, "bias")));
}
