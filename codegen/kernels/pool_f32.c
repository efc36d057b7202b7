/* SPDX-License-Identifier: MIT */
/* Max and average pooling of NHWC tensors.
 *
 * Channels are innermost, so every element of the window is a run of vectors: no shuffles. Up to 64
 * channels of one output pixel stay in registers while the window is walked, each input line is
 * touched by whole vectors, and the clipping to the image is settled once per pixel, outside all
 * loops.
 */
#include "vec.h"

/* A clipped window: its first element, its extents, the strides of its rows and columns; whether a vector may be read from
 * each of its elements on. */
typedef struct aotk_window {
    const float *x;
    aotk_i64 h, w, step_h, step_w;
    float divisor;
    int room;
} aotk_window;

/* The first tap not before 0, and the number of taps from there that lie before `size`. */
AOTK_INLINE aotk_i64 aotk_clip(aotk_i64 start, aotk_i64 step, aotk_i64 taps, aotk_i64 size,
                               aotk_i64 *first) {
    *first = start;
    if (start >= 0 && start + (taps - 1) * step < size) return taps;
    aotk_i64 skip = start < 0 ? (step - 1 - start) / step : 0;
    aotk_i64 end = start < size ? (size - start + step - 1) / step : 0;
    if (end > taps) end = taps;
    *first = start + skip * step;
    return end > skip ? end - skip : 0;
}

/* The larger one; a NaN on either side wins. */
AOTK_INLINE aotk_vf aotk_larger(aotk_vf a, aotk_vf b) {
    return aotk_select(aotk_is_nan(a), a, aotk_at_least(b, a));
}

AOTK_INLINE void aotk_pool_vectors(const aotk_window *v, aotk_i64 at, float *y, int nv, int op) {
    aotk_vf acc[4];
    AOTK_UNROLL
    for (int j = 0; j < nv; j++)
        acc[j] = aotk_splat(op == AOTK_POOL_MAX ? -3.402823466e38f * 2.0f : 0.0f);
    for (aotk_i64 i = 0; i < v->h; i++) {
        const float *x = v->x + i * v->step_h + at;
        for (aotk_i64 k = 0; k < v->w; k++, x += v->step_w) {
            AOTK_UNROLL
            for (int j = 0; j < nv; j++) {
                aotk_vf e = aotk_load(x + j * AOTK_VL);
                acc[j] = op == AOTK_POOL_MAX ? aotk_larger(acc[j], e) : acc[j] + e;
            }
        }
    }
    AOTK_UNROLL
    for (int j = 0; j < nv; j++) {
        if (op == AOTK_POOL_AVG) acc[j] = acc[j] / v->divisor;
        aotk_store(y + at + j * AOTK_VL, acc[j]);
    }
}

/* Fewer channels than a vector holds. */
AOTK_INLINE void aotk_pool_few(const aotk_window *v, aotk_i64 c, float *y, int op) {
    AOTK_ALIGNED float out[AOTK_VL];
    aotk_pool_vectors(v, 0, out, 1, op);
    for (aotk_i64 i = 0; i < c; i++) y[i] = out[i];
}

/* One channel, where there is nothing behind it. */
AOTK_INLINE void aotk_pool_single(const aotk_window *v, aotk_i64 at, float *y, int op) {
    float acc = op == AOTK_POOL_MAX ? -3.402823466e38f * 2.0f : 0.0f;
    for (aotk_i64 i = 0; i < v->h; i++) {
        for (aotk_i64 k = 0; k < v->w; k++) {
            float e = v->x[i * v->step_h + k * v->step_w + at];
            if (op == AOTK_POOL_AVG) acc += e;
            else if (e > acc || e != e) acc = e;
        }
    }
    y[at] = op == AOTK_POOL_AVG ? acc / v->divisor : acc;
}

AOTK_INLINE void aotk_pool_pixel(const aotk_window *v, aotk_i64 c, float *y, int op) {
    aotk_i64 at = 0;
    for (; at + 4 * AOTK_VL <= c; at += 4 * AOTK_VL) aotk_pool_vectors(v, at, y, 4, op);
    for (; at + AOTK_VL <= c; at += AOTK_VL) aotk_pool_vectors(v, at, y, 1, op);
    if (at < c && c >= AOTK_VL) { /* a vector that ends with them: some channels twice */
        aotk_pool_vectors(v, c - AOTK_VL, y, 1, op);
        return;
    }
    if (at < c && v->room) {
        aotk_pool_few(v, c, y, op);
        return;
    }
    for (; at < c; at++) aotk_pool_single(v, at, y, op);
}

/* The window's extent inside the padded image, for count_include_pad. */
AOTK_INLINE aotk_i64 aotk_padded_extent(aotk_i64 start, aotk_i64 taps, aotk_i64 size,
                                        aotk_i64 pad) {
    aotk_i64 end = start + taps < size + pad ? start + taps : size + pad;
    return end - start;
}

AOTK_INLINE void aotk_pool_rows(const aotk_pool *p, aotk_i64 begin, aotk_i64 end, int op) {
    const float *last = p->x + ((p->n - 1) * p->x_n + (p->h - 1) * p->x_h + (p->w - 1) * p->x_w + p->c - AOTK_VL);
    for (aotk_i64 row = begin; row < end; row++) {
        aotk_i64 b = row / p->oh, oy = row % p->oh, y0 = oy * p->stride_h - p->pad_h, top;
        aotk_window v;
        v.h = aotk_clip(y0, p->dil_h, p->kh, p->h, &top);
        v.step_h = p->dil_h * p->x_h;
        v.step_w = p->dil_w * p->x_w;
        for (aotk_i64 ox = 0; ox < p->ow; ox++) {
            aotk_i64 x0 = ox * p->stride_w - p->pad_w, left;
            v.w = aotk_clip(x0, p->dil_w, p->kw, p->w, &left);
            v.x = v.h > 0 && v.w > 0 ? p->x + (b * p->x_n + top * p->x_h + left * p->x_w) : p->x;
            v.room = v.x + ((v.h - 1) * v.step_h + (v.w - 1) * v.step_w) <= last;
            aotk_i64 count = v.h * v.w;
            if (p->count_include_pad) {
                count = aotk_padded_extent(y0, p->kh, p->h, p->pad_h) *
                        aotk_padded_extent(x0, p->kw, p->w, p->pad_w);
            }
            v.divisor = (float)(p->divisor ? p->divisor : count);
            aotk_pool_pixel(&v, p->c, p->y + (b * p->y_n + oy * p->y_h + ox * p->y_w), op);
        }
    }
}

AOTK_API void AOTK_NAME(aotk_pool_f32)(const aotk_pool *p) {
    aotk_i64 rows = p->n * p->oh;
    aotk_i64 begin = rows * p->task / p->tasks, end = rows * (p->task + 1) / p->tasks;
    if (p->op == AOTK_POOL_MAX) aotk_pool_rows(p, begin, end, AOTK_POOL_MAX);
    else aotk_pool_rows(p, begin, end, AOTK_POOL_AVG);
}
