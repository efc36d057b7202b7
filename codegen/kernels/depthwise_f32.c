/* SPDX-License-Identifier: MIT */
/* Depthwise convolution of NHWC tensors: every channel by its own small filter.
 *
 * A vector of channels of AOTK_PIXELS neighbouring output pixels stays in registers while the filter
 * is walked: each weight vector that is loaded meets all of them, and no shuffle is needed. The loads
 * of x bound it, one for each multiply-add, and they come out of the L1 cache kw times of kw + 1.
 * Channels past the last whole vector are done by a vector that ends with them, or one by one where
 * there are fewer than a vector holds.
 */
#include "vec.h"

enum { AOTK_PIXELS = 8 };

/* Where one tile works: its first output pixel and channel. */
typedef struct aotk_spot {
    const float *x, *w, *bias, *residual;
    float *y;
} aotk_spot;

AOTK_INLINE void aotk_depthwise_tile(const aotk_depthwise *p, const aotk_spot *s, int pixels) {
    aotk_vf acc[AOTK_PIXELS];
    const float *w = s->w;
    aotk_i64 step = p->x_w;
    AOTK_UNROLL
    for (int i = 0; i < pixels; i++) acc[i] = s->bias ? aotk_load(s->bias) : aotk_splat(0.0f);
    if (s->residual) {
        AOTK_UNROLL
        for (int i = 0; i < pixels; i++) acc[i] += aotk_load(s->residual + i * p->r_w);
    }
    for (aotk_i64 ky = 0; ky < p->kh; ky++) {
        const float *x = s->x + ky * p->tap_h;
        for (aotk_i64 kx = 0; kx < p->kw; kx++, x += p->tap_w, w += p->ldw) {
            aotk_vf weight = aotk_load(w);
            AOTK_UNROLL
            for (int i = 0; i < pixels; i++) acc[i] += aotk_load(x + i * step) * weight;
        }
    }
    if (aotk_act_clamps(p->act)) {
        float lo = aotk_act_lo(p->act, p->lo), hi = aotk_act_hi(p->act, p->hi);
        AOTK_UNROLL
        for (int i = 0; i < pixels; i++) acc[i] = aotk_clamp(acc[i], lo, hi);
    }
    if (p->act > AOTK_ACT_CLAMP) {
        AOTK_ALIGNED float row[AOTK_PIXELS * AOTK_VL];
        AOTK_UNROLL
        for (int i = 0; i < pixels; i++) aotk_store(row + i * AOTK_VL, acc[i]);
        aotk_act_row(row, pixels * AOTK_VL, p->act);
        AOTK_UNROLL
        for (int i = 0; i < pixels; i++) acc[i] = aotk_load(row + i * AOTK_VL);
    }
    AOTK_UNROLL
    for (int i = 0; i < pixels; i++) aotk_store(s->y + i * p->y_w, acc[i]);
}

/* One pixel of one channel. */
AOTK_INLINE void aotk_depthwise_single(const aotk_depthwise *p, const aotk_spot *s) {
    AOTK_ALIGNED float acc[AOTK_VL];
    for (int i = 0; i < AOTK_VL; i++) acc[i] = 0.0f;
    acc[0] = (s->bias ? *s->bias : 0.0f) + (s->residual ? *s->residual : 0.0f);
    for (aotk_i64 ky = 0; ky < p->kh; ky++)
        for (aotk_i64 kx = 0; kx < p->kw; kx++)
            acc[0] += s->x[ky * p->tap_h + kx * p->tap_w] * s->w[(ky * p->kw + kx) * p->ldw];
    if (aotk_act_clamps(p->act)) {
        float lo = aotk_act_lo(p->act, p->lo), hi = aotk_act_hi(p->act, p->hi);
        acc[0] = acc[0] < lo ? lo : acc[0] > hi ? hi : acc[0];
    }
    if (p->act > AOTK_ACT_CLAMP) aotk_act_row(acc, AOTK_VL, p->act);
    *s->y = acc[0];
}

/* Channel `at` of pixel `ox` of the row that `row` begins. */
AOTK_INLINE aotk_spot aotk_spot_at(const aotk_depthwise *p, const aotk_spot *row, aotk_i64 ox, aotk_i64 at) {
    aotk_spot s;
    s.x = row->x + (ox * p->x_w + at);
    s.w = p->w + at;
    s.bias = p->bias ? p->bias + at : 0;
    s.residual = row->residual ? row->residual + (ox * p->r_w + at) : 0;
    s.y = row->y + (ox * p->y_w + at);
    return s;
}

AOTK_NOINLINE void aotk_depthwise_row(const aotk_depthwise *p, const aotk_spot *row) {
    for (aotk_i64 c = 0; c < p->c; c += AOTK_VL) {
        aotk_i64 at = c + AOTK_VL <= p->c ? c : p->c - AOTK_VL, ox = 0;
        if (at < 0) break;
        for (; ox + AOTK_PIXELS <= p->ow; ox += AOTK_PIXELS) {
            aotk_spot s = aotk_spot_at(p, row, ox, at);
            aotk_depthwise_tile(p, &s, AOTK_PIXELS);
        }
        for (; ox + 2 <= p->ow; ox += 2) {
            aotk_spot s = aotk_spot_at(p, row, ox, at);
            aotk_depthwise_tile(p, &s, 2);
        }
        for (; ox < p->ow; ox++) {
            aotk_spot s = aotk_spot_at(p, row, ox, at);
            aotk_depthwise_tile(p, &s, 1);
        }
    }
    for (aotk_i64 c = 0; p->c < AOTK_VL && c < p->c; c++) {
        for (aotk_i64 ox = 0; ox < p->ow; ox++) {
            aotk_spot s = aotk_spot_at(p, row, ox, c);
            aotk_depthwise_single(p, &s);
        }
    }
}

AOTK_API void AOTK_NAME(aotk_depthwise_f32)(const aotk_depthwise *p) {
    aotk_i64 rows = p->n * p->oh;
    aotk_i64 begin = rows * p->task / p->tasks, end = rows * (p->task + 1) / p->tasks;
    for (aotk_i64 i = begin; i < end; i++) {
        aotk_i64 b = i / p->oh, oy = i % p->oh;
        aotk_spot row = { 0, 0, 0, 0, 0 };
        row.x = p->x + (b * p->x_n + oy * p->x_h);
        row.y = p->y + (b * p->y_n + oy * p->y_h);
        row.residual = p->residual ? p->residual + (b * p->r_n + oy * p->r_h) : 0;
        aotk_depthwise_row(p, &row);
    }
}
