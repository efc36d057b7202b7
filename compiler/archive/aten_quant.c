/* SPDX-License-Identifier: MIT */
/* Quantization as PT2E and torchao leave it in graphs: ordinary arithmetic between integers and floats.  Flags of the
 * rows: t one scale for the tensor; c one for each index of `axis`; r one for each row (the scales broadcast); g one for
 * each group of `group_size` elements; b one for each block of `block_size`. */
#include "aten.h"
#include <math.h>
#include <string.h>

static Value *mix(Call *c, Op op, Value *a, Value *b)
{
    Promotion p = { DT_NONE, DT_NONE, DT_NONE };
    promote_operand(&p, a, false);
    promote_operand(&p, b, false);
    return build2(&c->b, op, build_cast(&c->b, a, promoted(&p)), build_cast(&c->b, b, promoted(&p)));
}

/* The argument of the first name that the operator's schema has. */
static Value *either(Call *c, const char *name, const char *other)
{
    bool number;
    const char *has = arg_json(c, name) ? name : other;
    return arg_json(c, has) ? arg_operand(c, has, &number) : NULL;
}

/* How x and its parameters broadcast: x in another shape, where the parameters belong to groups or blocks. */
typedef struct Shape {
    Value *x;
    int rank;
    const Idx *dim[MAX_RANK];     /* of the parameters, in that shape; rank -1: as they are */
} Shape;

static Shape blocks(Call *c, Value *x)
{
    Job *job = c->b.g->job;
    int64_t block[MAX_RANK];
    Shape s = { .rank = 0 };
    const Idx *wide[MAX_RANK];
    int n = (int)arg_ints(c, "block_size", block, MAX_RANK, 0);
    if (n != x->type.rank || 2 * n > MAX_RANK)
        call_refuse(c, "block_size has %d numbers for %d dimensions", n, x->type.rank);
    for (int i = 0; i < n; i++) {
        const Idx *size = x->type.dim[i], *step = block[i] > 0 ? k(c, block[i]) : size;
        call_guard(c, GUARD_EQ, idx_mod(job, size, step), k(c, 0), "a size is a multiple of its block");
        s.dim[s.rank] = wide[s.rank] = idx_div(job, size, step);
        s.dim[s.rank + 1] = k(c, 1);
        wide[s.rank + 1] = step;
        s.rank += 2;
    }
    s.x = build_reshape(&c->b, x, s.rank, wide);
    return s;
}

static Shape shape(Call *c, Value *x)
{
    Job *job = c->b.g->job;
    Shape s = { .x = x, .rank = -1 };
    if (flag(c, 'b'))
        return blocks(c, x);
    if (flag(c, 't'))
        s.rank = 0;
    if (flag(c, 'c')) {
        int axis = arg_dim(c, "axis", s.rank = x->type.rank);
        for (int i = 0; i < s.rank; i++)
            s.dim[i] = i == axis ? x->type.dim[i] : k(c, 1);
    }
    if (flag(c, 'g')) {
        const Idx *group = arg_idx(c, "group_size"), *last = x->type.rank == 2 ? x->type.dim[1] : k(c, 0);
        if (x->type.rank != 2)
            call_refuse(c, "its operand has %d dimensions, not 2", x->type.rank);
        group = idx_provably_lt(job, last, group) ? last : group;
        call_guard(c, GUARD_EQ, idx_mod(job, last, group), k(c, 0), "a row is a multiple of group_size");
        const Idx *dim[2] = { idx_div(job, type_count(job, &x->type), group), group };
        s.x = build_reshape(&c->b, x, s.rank = 2, dim);
        s.dim[0] = dim[0];
        s.dim[1] = k(c, 1);
    }
    return s;
}

typedef struct Parameters {
    Value *scale, *zero; /* zero NULL: there is none */
} Parameters;

static Parameters parameters(Call *c, const Shape *s)
{
    Parameters p = { either(c, "scale", "scales"), either(c, "zero_point", "zero_points") };
    if (!p.scale || (!p.zero && flag(c, 't')))
        call_refuse(c, "it has no scale or zero point");
    if (s->rank >= 0) {
        p.scale = build_reshape(&c->b, p.scale, s->rank, s->dim);
        p.zero = p.zero ? build_reshape(&c->b, p.zero, s->rank, s->dim) : NULL;
    }
    return p;
}

/* Of one scale PyTorch takes the reciprocal as a Python number. */
static Value *reciprocal(Call *c, Value *scale)
{
    Value *s = flag(c, 't') ? build_cast(&c->b, scale, DT_f64) : scale;
    s = build2(&c->b, OP_div, number_like(c, s, 1), s);
    return flag(c, 't') ? build_cast(&c->b, s, DT_f32) : s;
}

static Value *quantized(Call *c, const Shape *s, Parameters p)
{
    bool number;
    Value *q = mix(c, OP_mul, s->x, reciprocal(c, p.scale));
    bool late = flag(c, 'r') || flag(c, 'g'); /* rounded behind the zero point */
    q = late ? q : build1(&c->b, OP_round, q);
    q = p.zero ? mix(c, OP_add, q, p.zero) : q;
    q = late ? build1(&c->b, OP_round, q) : q;
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "quant_max" : "quant_min";
        if (arg_json(c, name))
            q = build2(&c->b, i ? OP_min : OP_max, q, build_cast(&c->b, arg_operand(c, name, &number), q->type.dtype));
    }
    return q;
}

static Value *as_given(Call *c, Value *v)
{
    return build_reshape(&c->b, build_cast(&c->b, v, c->meta[0].dtype), c->meta[0].rank, c->meta[0].dim);
}

void decode_quantize(Call *c)
{
    Value *x = arg_tensor(c, "input");
    if (!flag(c, 'r') && !flag(c, 'g') && x->type.dtype != DT_f64)
        x = build_cast(&c->b, x, DT_f32);
    Shape s = shape(c, x);
    if (flag(c, 'b') && (!arg_json(c, "quant_min") || !arg_json(c, "quant_max")))
        call_refuse(c, "its bounds are left out");
    give(c, as_given(c, quantized(c, &s, parameters(c, &s))));
}

static Value *dequantized(Call *c, Value *q, Parameters p)
{
    DType out = c->meta[0].dtype;
    if (flag(c, 't')) { /* Python numbers: they are not rounded to a half */
        DType wide = out == DT_f64 ? DT_f64 : DT_f32;
        q = build2(&c->b, OP_sub, build_cast(&c->b, build_cast(&c->b, q, out), wide), build_cast(&c->b, p.zero, wide));
        return build2(&c->b, OP_mul, build_cast(&c->b, build_cast(&c->b, q, out), wide), build_cast(&c->b, p.scale, wide));
    }
    if (flag(c, 'b')) {
        q = build_cast(&c->b, q, DT_i32);
        p.zero = p.zero ? build_cast(&c->b, p.zero, DT_i32) : NULL;
    }
    q = p.zero ? mix(c, OP_sub, q, p.zero) : q;
    return mix(c, OP_mul, flag(c, 'b') ? build_cast(&c->b, q, out) : q, p.scale);
}

void decode_dequantize(Call *c)
{
    Shape s = shape(c, arg_tensor(c, "input"));
    give(c, as_given(c, dequantized(c, s.x, parameters(c, &s))));
}

/* ---- scale and zero point from the values --------------------------------------------------------------- */

typedef struct Range {
    Value *min, *max; /* widened to hold 0 */
} Range;

static Range range_of(Call *c, Value *x, bool rows)
{
    bool axes[MAX_RANK] = { false };
    for (int i = 0; i < x->type.rank; i++)
        axes[i] = !rows || i == x->type.rank - 1;
    Range r = { build_reduce(&c->b, OP_amin, x, axes, rows), build_reduce(&c->b, OP_amax, x, axes, rows) };
    r.min = build2(&c->b, OP_min, r.min, number_like(c, r.min, 0));
    r.max = build2(&c->b, OP_max, r.max, number_like(c, r.max, 0));
    return r;
}

static void give_parameters(Call *c, Value *scale, Value *zero)
{
    Value *v[2] = { scale, zero };
    for (int i = 0; i < 2; i++)
        c->result[i] = build_reshape(&c->b, build_cast(&c->b, v[i], c->meta[i].dtype), c->meta[i].rank, c->meta[i].dim);
}

/* The row's flag s: symmetric around 0. */
void decode_choose_qparams(Call *c)
{
    Build *b = &c->b;
    double lo = arg_float(c, "quant_min"), hi = arg_float(c, "quant_max");
    Range r = range_of(c, arg_tensor(c, "input"), false);
    if (flag(c, 's'))
        r.max = build2(b, OP_max, build1(b, OP_neg, r.min), r.max);
    Value *width = flag(c, 's') ? r.max : build2(b, OP_sub, r.max, r.min);
    Value *scale = build2(b, OP_div, width, number_like(c, width, flag(c, 's') ? (hi - lo) / 2 : hi - lo));
    scale = build_cast(b, scale, DT_f32);
    scale = build2(b, OP_max, scale, number_like(c, scale, arg_float(c, "eps")));
    Value *zero = build_full(b, DT_f32, arg_dtype(c, "dtype") == DT_u8 ? 128 : 0);
    if (!flag(c, 's')) {
        zero = build1(b, OP_round, build2(b, OP_div, build_cast(b, r.min, DT_f32), scale));
        zero = build2(b, OP_sub, number_like(c, zero, lo), zero);
        zero = build2(b, OP_min, build2(b, OP_max, zero, number_like(c, zero, lo)), number_like(c, zero, hi));
    }
    give_parameters(c, scale, zero);
}

/* One for each row: int8, symmetric (s) or not. */
void decode_choose_row_qparams(Call *c)
{
    Build *b = &c->b;
    Value *x = arg_tensor(c, "input");
    if (x->type.rank == 0)
        call_refuse(c, "its operand has no rows");
    if (flag(c, 's')) {
        bool axes[MAX_RANK] = { false };
        axes[x->type.rank - 1] = true;
        Value *most = build_reduce(b, OP_amax, build1(b, OP_abs, x), axes, true);
        most = most->type.dtype == DT_f16 ? build_cast(b, most, DT_f32) : most;
        most = build2(b, OP_max, most, number_like(c, most, 1e-5));
        Value *zero = build_expand(b, number_like(c, most, 0), most->type.rank, most->type.dim);
        give_parameters(c, build2(b, OP_div, most, number_like(c, most, 127)), zero);
        return;
    }
    Range r = range_of(c, x, true);
    Value *scale = build2(b, OP_div, build2(b, OP_sub, r.max, r.min), number_like(c, r.min, 255));
    scale = build2(b, OP_max, scale, number_like(c, scale, 0x1p-23));
    Value *low = build2(b, OP_div, r.min, scale), *high = build2(b, OP_div, r.max, scale);
    Value *from_low = build2(b, OP_add, number_like(c, low, -128), low);
    Value *from_high = build2(b, OP_add, number_like(c, low, 127), high);
    Value *positive = build2(b, OP_gt, build2(b, OP_add, from_low, from_high), number_like(c, low, 0));
    Value *zero = build3(b, OP_where, positive, build2(b, OP_sub, number_like(c, low, -128), low),
                         build2(b, OP_sub, number_like(c, low, 127), high));
    zero = build2(b, OP_min, build2(b, OP_max, zero, number_like(c, zero, -128)), number_like(c, zero, 127));
    give_parameters(c, scale, build1(b, OP_round, zero));
}

/* Quantized and back: what training with quantization sees. */
void decode_fake_quantize(Call *c)
{
    Shape s = shape(c, arg_tensor(c, arg_json(c, "input") ? "input" : "self"));
    Parameters p = parameters(c, &s);
    Value *q = quantized(c, &s, p);
    give(c, as_given(c, mix(c, OP_mul, p.zero ? mix(c, OP_sub, q, p.zero) : q, p.scale)));
}
