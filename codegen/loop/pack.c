/* SPDX-License-Identifier: MIT */
/* Constant weights of contractions, packed by the compiler into the weights segment (codegen/kernels/aotk.h). */
#include "../kernels/aotk.h"
#include "../../compiler/graph/words.h"
#include "lower.h"
#include <string.h>

/* The host's own packing functions (codegen/kernels/pack*.c, built with the suffix _host). */
AOTK_DECLARE(_host)

/* A constant packed by the host, `count` elements of `dtype`, as a buffer of the weights segment. */
static Buffer *packed_buffer(Lower *l, const char *name, const Tensor *t, DType dtype, void *data, int64_t count)
{
    Buffer *b = job_alloc(l->job, sizeof *b);
    *b = (Buffer){ .name = sym_printf(l->job, "%s_packed", name), .kind = BUFFER_CONST, .dtype = dtype, .rank = 1,
                   .first = -1, .last = -1 };
    b->dim[0] = b->elements = idx_const(l->job, count);
    b->stride[0] = idx_const(l->job, 1);
    b->offset = idx_const(l->job, 0);
    b->about = t->name;
    b->weight = weights_add(l->p->weights, data, (uint64_t)count * (uint64_t)dtype_info[dtype].bytes, t->name);
    *vec_push(l->job, &l->p->consts) = b;
    return b;
}

/* A constant's elements; archives may put them at any address, packing wants them aligned. */
static const void *elements_of(Lower *l, const Tensor *t)
{
    if (!t->storage)
        bug("constant %s has no elements", t->name);
    const uint8_t *bytes = t->storage->bytes;
    size_t size = (size_t)dtype_info[t->dtype].bytes;
    if ((uintptr_t)bytes % size) {
        void *copy = job_big(l->job, t->storage->size);
        memcpy(copy, bytes, t->storage->size);
        bytes = copy;
    }
    return bytes + (size_t)t->offset * size;
}

/* The same as floats: f16 and bf16 become a row-major copy, which t then describes. */
static const float *floats_of(Lower *l, Tensor *t)
{
    if (t->dtype == DT_f32)
        return elements_of(l, t);
    size_t size;
    const uint16_t *from = tensor_dense(l->job, t, &size);
    float *to = job_big(l->job, size * 2);
    for (size_t i = 0; i < size / 2; i++)
        to[i] = (float)float_from_bits(t->dtype, from[i]);
    int64_t step = 1;
    for (int i = t->rank; i-- > 0; step *= t->size[i])
        t->stride[i] = step;
    t->dtype = DT_f32;
    return to;
}

Buffer *pack_conv(Lower *l, Node *n, int64_t groups, int64_t *depth)
{
    Tensor t;
    const_view(n->in[1], &t);
    int64_t kh = t.rank > 3 ? t.size[2] : 1, kw = t.size[t.rank - 1], cin = t.size[1], cout = t.size[0] / groups;
    *depth = kh * kw * cin;
    int64_t count = aotk_packed_size(*depth, cout), size = dtype_info[t.dtype].bytes;
    char *data = job_big(l->job, (size_t)(count * groups * size));
    const char *src = elements_of(l, &t);
    for (int64_t g = 0; g < groups; g++) {
        void *to = data + g * count * size;
        const void *from = src + g * cout * t.stride[0] * size;
        int64_t s_h = t.rank > 3 ? t.stride[2] : 0, s_w = t.stride[t.rank - 1];
        if (t.dtype == DT_f32)
            aotk_pack_conv_f32_host(to, from, cout, cin, kh, kw, t.stride[0], t.stride[1], s_h, s_w);
        else
            aotk_pack_16_host(to, from, cout, cin, kh, kw, t.stride[0], t.stride[1], s_h, s_w);
    }
    return packed_buffer(l, n->in[1]->name, &t, t.dtype, data, count * groups);
}

Buffer *pack_winograd(Lower *l, Node *n, int64_t tile)
{
    Tensor t;
    const_view(n->in[1], &t);
    int64_t floats = (tile + 2) * (tile + 2) * t.size[0] * t.size[1];
    float *data = job_big(l->job, (size_t)floats * 4);
    const float *src = floats_of(l, &t);
    aotk_pack_winograd_f32_host(data, src, tile, t.size[0], t.size[1], t.stride[0], t.stride[1], t.stride[2], t.stride[3]);
    return packed_buffer(l, n->in[1]->name, &t, DT_f32, data, floats);
}

Buffer *pack_depthwise(Lower *l, Node *n, int64_t *row)
{
    Tensor t;
    const_view(n->in[1], &t);
    int64_t kh = t.rank > 3 ? t.size[2] : 1, kw = t.size[t.rank - 1], c = t.size[0];
    *row = (c + 15) / 16 * 16;
    float *data = job_big(l->job, (size_t)(kh * kw * *row) * 4);
    const float *src = floats_of(l, &t);
    for (int64_t i = 0; i < kh * kw * *row; i++) {
        int64_t channel = i % *row, x = i / *row % kw, y = i / *row / kw;
        data[i] = channel < c ? src[channel * t.stride[0] + y * (t.rank > 3 ? t.stride[2] : 0) + x * t.stride[t.rank - 1]] : 0;
    }
    return packed_buffer(l, n->in[1]->name, &t, DT_f32, data, kh * kw * *row);
}

Buffer *pack_matmul(Lower *l, Value *w, const Tensor *t)
{
    int64_t depth = t->size[t->rank - 2], n = t->size[t->rank - 1], count = aotk_packed_size(depth, n);
    int64_t sk = t->stride[t->rank - 2], sn = t->stride[t->rank - 1];
    void *data = job_big(l->job, (size_t)(count * dtype_info[t->dtype].bytes));
    if (t->dtype == DT_f32)
        aotk_pack_f32_host(data, elements_of(l, t), depth, n, sk, sn);
    else
        aotk_pack_16_host(data, elements_of(l, t), n, depth, 1, 1, sn, sk, 0, 0);
    return packed_buffer(l, t->name ? t->name : w->name, t, t->dtype, data, count);
}
