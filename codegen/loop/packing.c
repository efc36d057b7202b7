/* SPDX-License-Identifier: MIT */
#include "packing.h"
#include "../../compiler/graph/words.h"
#include "../kernels/aotk.h"
#include <inttypes.h>
#include <string.h>

/* The host's own packing functions (codegen/kernels/pack*.c, built with the suffix _host). */
AOTK_DECLARE(_host)

const char *const pack_names[PACK_COUNT] = { "plain", "matrix", "conv", "depthwise", "winograd", "pairs", "conv_pairs" };

Packing packing_of(const Value *v, PackKind kind, int64_t n)
{
    Packing p = { .kind = kind, .n = n };
    if (!const_view(v, &p.view))
        bug("%s is no view of a constant", v->name);
    while (v->kind == VALUE_NODE)
        v = v->def->in[0];
    p.root = v->tensor;
    return p;
}

/* The elements of the view's storage; archives may put them at any address, packing wants them aligned. */
static const void *elements_of(Job *job, const Tensor *t)
{
    if (!t->storage)
        bug("constant %s has no elements", t->name);
    const uint8_t *bytes = t->storage->bytes;
    size_t size = (size_t)dtype_info[t->dtype].bytes;
    if ((uintptr_t)bytes % size) {
        void *copy = job_big(job, t->storage->size);
        memcpy(copy, bytes, t->storage->size);
        bytes = copy;
    }
    return bytes + (size_t)t->offset * size;
}

/* A row-major copy, whose strides t then has. */
static const void *dense_of(Job *job, Tensor *t)
{
    size_t size;
    const void *copy = tensor_dense(job, t, &size);
    int64_t step = 1;
    for (int i = t->rank; i-- > 0; step *= t->size[i])
        t->stride[i] = step;
    return copy;
}

/* The elements as floats: others become a row-major copy, which t then describes. */
static const float *floats_of(Job *job, Tensor *t)
{
    if (t->dtype == DT_f32)
        return elements_of(job, t);
    const void *from = dense_of(job, t);
    const uint16_t *halves = from;
    const int8_t *bytes = from;
    size_t count = 1;
    for (int i = 0; i < t->rank; i++)
        count *= (size_t)t->size[i];
    float *to = job_big(job, count * sizeof *to);
    for (size_t i = 0; i < count; i++)
        to[i] = t->dtype == DT_i8 ? (float)bytes[i] : (float)float_from_bits(t->dtype, halves[i]);
    t->dtype = DT_f32;
    return to;
}

bool packs_pairs(DType dtype, int64_t depth)
{
    return dtype == DT_bf16 && depth % AOTK_PAIRS_STEP == 0;
}

static bool is_matrix(PackKind kind)
{
    return kind == PACK_MATRIX || kind == PACK_PAIRS;
}

static bool is_conv(PackKind kind)
{
    return kind == PACK_CONV || kind == PACK_CONV_PAIRS;
}

DType packed_dtype(const Packing *p)
{
    return p->kind == PACK_DEPTHWISE || p->kind == PACK_WINOGRAD ? DT_f32 : p->view.dtype;
}

int64_t packed_row(int64_t channels)
{
    return (channels + 15) / 16 * 16;
}

/* A convolution's filters: [out, in, w], [out, in, h, w] or [out, in, d, h, w]. */
typedef struct Filters {
    int64_t out, in, d, h, w, row; /* row: channels of DEPTHWISE in whole vectors */
    int64_t s_out, s_in, s_d, s_h, s_w;
} Filters;

static Filters filters(const Tensor *t)
{
    bool image = t->rank > 3, volume = t->rank > 4;
    return (Filters){ .out = t->size[0], .in = t->size[1], .d = volume ? t->size[2] : 1, .h = image ? t->size[t->rank - 2] : 1,
                      .w = t->size[t->rank - 1], .row = packed_row(t->size[0]), .s_out = t->stride[0], .s_in = t->stride[1],
                      .s_d = volume ? t->stride[2] : 0, .s_h = image ? t->stride[t->rank - 2] : 0, .s_w = t->stride[t->rank - 1] };
}

int64_t packed_steps(const Tensor *t, int64_t *step)
{
    int64_t all = aotk_packed_size(t->size[t->rank - 2], t->size[t->rank - 1]);
    for (int i = t->rank - 2; i-- > 0;) {
        bool repeats = t->size[i] == 1 || t->stride[i] == 0;
        step[i] = repeats ? 0 : all;
        all *= repeats ? 1 : t->size[i];
    }
    return all;
}

static int64_t packed_count(const Packing *p)
{
    const Tensor *t = &p->view;
    int64_t step[MAX_RANK];
    if (is_matrix(p->kind))
        return packed_steps(t, step);
    Filters f = filters(t);
    return is_conv(p->kind)            ? p->n * aotk_packed_size(f.d * f.h * f.w * f.in, f.out / p->n)
           : p->kind == PACK_DEPTHWISE ? f.h * f.w * f.in * f.row
                                       : (p->n + 2) * (p->n + 2) * f.d * f.in * f.out;
}

size_t packing_bytes(const Packing *p)
{
    size_t bytes = (size_t)dtype_info[packed_dtype(p)].bytes;
    if (p->kind != PACK_PLAIN)
        return (size_t)packed_count(p) * bytes;
    for (int i = 0; i < p->view.rank; i++)
        bytes *= (size_t)p->view.size[i];
    return bytes;
}

static void pack_depthwise(float *to, const float *from, const Filters *f)
{
    for (int64_t i = 0; i < f->h * f->w * f->in * f->row; i++) {
        int64_t channel = i % f->row, in = i / f->row % f->in, tap = i / f->row / f->in, x = tap % f->w, y = tap / f->w;
        to[i] = channel < f->out ? from[channel * f->s_out + in * f->s_in + y * f->s_h + x * f->s_w] : 0;
    }
}

Stored stored_as(DType dtype, bool pairs)
{
    switch (dtype) {
    case DT_f16: return (Stored){ AOTK_STORED_F16, "AOTK_STORED_F16", "aotk_igemm_f16" };
    case DT_i8: return (Stored){ AOTK_STORED_I8, "AOTK_STORED_I8", "aotk_igemm_i8" };
    case DT_bf16:
        return pairs ? (Stored){ AOTK_STORED_BF16_PAIRS, "AOTK_STORED_BF16_PAIRS", "aotk_igemm_pairs" }
                     : (Stored){ AOTK_STORED_BF16, "AOTK_STORED_BF16", "aotk_igemm_bf16" };
    default: return (Stored){ AOTK_STORED_F32, "AOTK_STORED_F32", "aotk_igemm_f32" };
    }
}

static void pack_matrices(Job *job, const Tensor *t, bool pairs, char *to)
{
    int64_t k = t->size[t->rank - 2], n = t->size[t->rank - 1], sk = t->stride[t->rank - 2], sn = t->stride[t->rank - 1];
    int64_t step[MAX_RANK], one = aotk_packed_size(k, n), all = packed_steps(t, step), size = dtype_info[t->dtype].bytes;
    const char *from = elements_of(job, t);
    for (int64_t at = 0; at < all; at += one) {
        int64_t place = 0;
        for (int i = 0; i < t->rank - 2; i++)
            place += step[i] ? at / step[i] % t->size[i] * t->stride[i] : 0;
        void *panels = to + at * size;
        const void *matrix = from + place * size;
        if (t->dtype == DT_f32)
            aotk_pack_f32_host(panels, matrix, k, n, sk, sn);
        else
            aotk_pack_stored_host(panels, matrix, n, k, 1, 1, sn, sk, 0, 0, stored_as(t->dtype, pairs).as);
    }
}

/* The rows of one plane begin where those of the plane before end. */
static bool is_stacked(const Tensor *t)
{
    return t->rank < 5 || t->size[2] == 1 || t->stride[2] == t->size[3] * t->stride[3];
}

static void pack_conv(Job *job, const Tensor *view, int64_t groups, bool pairs, char *to)
{
    Tensor copy = *view;
    const Tensor *t = is_stacked(view) ? view : &copy;
    const char *from = t == view ? elements_of(job, view) : dense_of(job, &copy);
    const Filters f = filters(t);
    int64_t share = f.out / groups, high = f.d * f.h; /* planes are one below the other */
    int64_t size = dtype_info[t->dtype].bytes, count = aotk_packed_size(high * f.w * f.in, share);
    for (int64_t g = 0; g < groups; g++) {
        void *panels = to + g * count * size;
        const void *filter = from + g * share * f.s_out * size;
        if (t->dtype == DT_f32)
            aotk_pack_conv_f32_host(panels, filter, share, f.in, high, f.w, f.s_out, f.s_in, f.s_h, f.s_w);
        else
            aotk_pack_stored_host(panels, filter, share, f.in, high, f.w, f.s_out, f.s_in, f.s_h, f.s_w,
                                  stored_as(t->dtype, pairs).as);
    }
}

void *packing_apply(Job *job, const Packing *p, size_t *bytes)
{
    Tensor t = p->view;
    if (p->kind == PACK_PLAIN)
        return tensor_dense(job, &t, bytes);
    *bytes = packing_bytes(p);
    void *to = job_big(job, *bytes);
    if (is_matrix(p->kind)) {
        pack_matrices(job, &t, p->kind == PACK_PAIRS, to);
    } else if (is_conv(p->kind)) {
        pack_conv(job, &t, p->n, p->kind == PACK_CONV_PAIRS, to);
    } else {
        const float *from = floats_of(job, &t);
        const Filters f = filters(&t);
        if (p->kind == PACK_DEPTHWISE)
            pack_depthwise(to, from, &f);
        else
            aotk_pack_winograd_f32_host(to, from, p->n, f.out, f.d, f.in, f.s_out, f.s_in, f.s_d, f.s_h, f.s_w);
    }
    return to;
}

Sym packing_key(Job *job, const Packing *p)
{
    const Tensor *root = p->root;
    Text t;
    if (!root->replaceable && !root->recipe)
        return NULL;
    text_init(&t, job);
    text_add(&t, "%s %s %s %" PRId64 " %" PRId64, root->recipe ? "made" : "given",
             root->recipe ? root->recipe->keys[root->result] : root->name, pack_names[p->kind], p->n,
             p->view.offset - root->offset);
    for (int i = 0; i < p->view.rank; i++)
        text_add(&t, " %" PRId64 "*%" PRId64, p->view.size[i], p->view.stride[i]);
    return sym(job, t.at);
}

const char *packing_fault(const Packing *p, int64_t count)
{
    const Tensor *t = &p->view;
    int64_t last = t->offset, step, most = INT64_MAX / 64, all = 1;
    for (int i = 0; i < t->rank; i++) {
        if (t->size[i] < 1 || t->stride[i] < 0 || !mul_i64(t->size[i] - 1, t->stride[i], &step) ||
            !add_i64(last, step, &last) || !mul_i64(all, t->size[i], &all) || all > most / 256)
            return "has sizes out of range";
    }
    if (t->offset < 0 || last >= count)
        return "reaches out of its weight";
    if (p->kind == PACK_PLAIN)
        return NULL;
    if (t->dtype != DT_f32 && !dtype_is_stored(t->dtype))
        return "packs what is neither a float nor a whole number of 8 bits";
    bool pairs = p->kind == PACK_PAIRS || p->kind == PACK_CONV_PAIRS;
    if (is_matrix(p->kind) ? t->rank < 2 : t->rank < 3 || t->rank > (p->kind == PACK_DEPTHWISE ? 4 : 5))
        return is_matrix(p->kind) ? "has too few dimensions" : "is no filter";
    if (pairs && !packs_pairs(t->dtype, t->size[is_matrix(p->kind) ? t->rank - 2 : 1]))
        return "has pairs of what cannot be paired";
    if (is_matrix(p->kind))
        return NULL;
    if (is_conv(p->kind))
        return p->n < 1 || t->size[0] % p->n ? "has a wrong number of groups" : NULL;
    bool tile = (p->n == 2 || p->n == 4) && t->rank > 3 && t->size[t->rank - 2] == 3 && t->size[t->rank - 1] == 3;
    return p->kind == PACK_WINOGRAD && !tile ? "has a tile that is not known" : NULL;
}
