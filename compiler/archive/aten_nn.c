/* SPDX-License-Identifier: MIT */
/* Contractions and the layers of neural networks. */
#include "aten.h"
#include <string.h>

void decode_linear(Call *c)
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

void decode_matmul(Call *c)
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

void decode_addmm(Call *c)
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

void decode_conv(Call *c)
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

void decode_batch_norm(Call *c)
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

void decode_layer_norm(Call *c)
{
    Value *in[3] = { arg_tensor(c, "input"), arg_tensor_or_null(c, "weight"), arg_tensor_or_null(c, "bias") };
    int64_t shape[MAX_RANK];
    size_t n = arg_ints(c, "normalized_shape", shape, MAX_RANK, 0);
    if (!in[1] && in[2])
        call_refuse(c, "a bias without a weight");
    Attr at[2] = { attr_int(c->b.g->job, "axes", (int64_t)n), attr_float(c->b.g->job, "eps", arg_float(c, "eps")) };
    give(c, build(&c->b, OP_layer_norm, in, in[2] ? 3 : in[1] ? 2 : 1, NULL, at, 2));
}

void decode_pool(Call *c)
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

void decode_adaptive_avg_pool2d(Call *c)
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

void decode_sdpa(Call *c)
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

void decode_nothing(Call *c)
{
    (void)c;
}
