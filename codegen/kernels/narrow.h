/* SPDX-License-Identifier: MIT */
/* Products of at most six columns: the last convolution of a model that makes images, a score for each row.
 *
 * Of a vector of columns most lanes would be padding. Here a vector lies along K: a tile of MR rows by all columns has a vector
 * of partial sums for each of its elements, which are added up at its end. B is turned for that, once a call, into columns that
 * stay in the L1 cache. What of a segment of K fills no vector is read as its last AOTK_VL values, those that were read before
 * being masked away: nothing is read beside the segment. */
#ifndef AOTK_NARROW_H
#define AOTK_NARROW_H

#include "walk.h"

#if AOTK_VL > 1

enum { AOTK_NARROW = 6, AOTK_NARROW_FLOATS = 8192, AOTK_NARROW_ROWS = 32 };
enum { AOTK_NARROW_SUMS = AOTK_VL > 8 ? 32 : 16 }; /* of a tile, in whole vectors */

/* Floats of a column: each segment in whole vectors. */
AOTK_INLINE aotk_i64 aotk_narrow_depth(const aotk_igemm *p) {
    return p->taps_h * p->taps_w * ((p->seg + AOTK_VL - 1) / AOTK_VL * AOTK_VL);
}

/* Whether it is worth turning B: it depends on the shape alone, so sums do not depend on tasks. */
AOTK_INLINE int aotk_is_narrow(const aotk_igemm *p) {
    return p->n <= AOTK_NARROW && p->m0 * p->m1 * p->m2 >= AOTK_NARROW_ROWS
        && p->seg >= AOTK_VL && aotk_sum_depth(p) >= 4 * AOTK_VL && p->n * aotk_narrow_depth(p) <= AOTK_NARROW_FLOATS;
}

/* b[j * depth + ...]: column j of B, the rest of each segment behind as many zeros as it lacks. */
AOTK_INLINE void aotk_narrow_turn(const aotk_igemm *p, float *b) {
    aotk_i64 wide = p->all_h ? p->all_w : p->taps_w, whole = p->seg / AOTK_VL * AOTK_VL, rest = p->seg - whole;
    const float *from = (const float *)p->b + (p->first_h * wide + p->first_w) * p->seg * 16;
    for (aotk_i64 j = 0; j < p->n; j++) {
        for (aotk_i64 y = 0; y < p->taps_h; y++) {
            for (aotk_i64 x = 0; x < p->taps_w; x++) {
                const float *seg = from + (y * wide + x) * p->seg * 16 + j;
                for (aotk_i64 k = 0; k < whole; k++) *b++ = seg[k * 16];
                for (aotk_i64 k = rest; rest && k < AOTK_VL; k++) *b++ = 0;
                for (aotk_i64 k = whole; k < p->seg; k++) *b++ = seg[k * 16];
            }
        }
    }
}

/* What is left of a segment behind whole vectors: its last AOTK_VL values without those that were summed. */
AOTK_INLINE aotk_vf aotk_narrow_rest(const float *a, aotk_vw mask) {
    return aotk_from_bits(aotk_bits(aotk_load(a)) & mask);
}

/* Bias, residual and activation of a tile whose sums lie row behind row; stores the first `rows` of its rows. */
AOTK_INLINE void aotk_narrow_store(const aotk_igemm *p, const aotk_tile *t, float *sum, int rows, int mr, int n) {
    enum { SUMS = AOTK_NARROW_SUMS };
    for (int i = 0; t->residual && i < rows; i++) {
        for (int j = 0; j < n; j++) sum[i * n + j] += t->r[i][j];
    }
    if (t->clamp) {
        for (int i = 0; i < mr * n; i += AOTK_VL) aotk_store(sum + i, aotk_clamp(aotk_load(sum + i), t->lo, t->hi));
    }
    if (p->act > AOTK_ACT_CLAMP) {
        for (int i = mr * n; i < SUMS; i++) sum[i] = 0;
        aotk_act_row(sum, SUMS, p->act);
    }
    AOTK_UNROLL
    for (int i = 0; i < mr; i++) {
        if (i < rows) __builtin_memcpy(t->c[i], sum + i * n, (unsigned long)n * sizeof *sum);
    }
}

/* The first `rows` of mr rows, which t points at; `ku` vectors of K at once in sums of their own. */
AOTK_INLINE void aotk_narrow_run(const aotk_igemm *p, const aotk_tile *t, const float *b, aotk_i64 depth, int rows, int mr, int n,
                                 int ku) {
    aotk_vf acc[AOTK_MR][AOTK_NARROW][2];
    aotk_i64 seg = p->seg, whole = seg / AOTK_VL * AOTK_VL;
    AOTK_ALIGNED unsigned lanes[AOTK_VL];
    for (int i = 0; i < AOTK_VL; i++) lanes[i] = i < AOTK_VL - (seg - whole) ? 0 : ~0u;
    aotk_vw mask = *(const aotk_vw *)lanes;
    AOTK_UNROLL
    for (int i = 0; i < mr; i++) {
        AOTK_UNROLL
        for (int j = 0; j < n; j++) {
            acc[i][j][0] = aotk_splat(0);
            acc[i][j][1] = aotk_splat(0);
        }
    }
    for (aotk_i64 y = 0; y < p->taps_h; y++) {
        for (aotk_i64 x = 0; x < p->taps_w; x++) {
            aotk_i64 at = y * p->tap_h + x * p->tap_w, k = 0;
            for (; k + ku * AOTK_VL <= whole; k += ku * AOTK_VL, b += ku * AOTK_VL) {
                AOTK_UNROLL
                for (int u = 0; u < ku; u++) {
                    AOTK_UNROLL
                    for (int i = 0; i < mr; i++) {
                        aotk_vf v = aotk_load(t->a[i] + at + k + u * AOTK_VL);
                        AOTK_UNROLL
                        for (int j = 0; j < n; j++) acc[i][j][u] += v * aotk_load(b + j * depth + u * AOTK_VL);
                    }
                }
            }
            for (; k < seg; k += AOTK_VL, b += AOTK_VL) {
                AOTK_UNROLL
                for (int i = 0; i < mr; i++) {
                    aotk_vf v = k < whole ? aotk_load(t->a[i] + at + k) : aotk_narrow_rest(t->a[i] + at + seg - AOTK_VL, mask);
                    AOTK_UNROLL
                    for (int j = 0; j < n; j++) acc[i][j][0] += v * aotk_load(b + j * depth);
                }
            }
        }
    }
    AOTK_ALIGNED float sum[AOTK_NARROW_SUMS + 4] = {0};
    AOTK_UNROLL
    for (int f = 0; f < mr * n; f += 4) {
        aotk_vf x[4];
        AOTK_UNROLL
        for (int g = 0; g < 4; g++) {
            int at = f + g < mr * n ? f + g : f;
            x[g] = acc[at / n][at % n][0];
            if (ku > 1) x[g] += acc[at / n][at % n][1];
        }
        aotk_across4(sum + f, x[0], x[1], x[2], x[3]);
    }
    for (int f = 0; f < mr * n; f += AOTK_VL) aotk_store(sum + f, aotk_load(sum + f) + aotk_load(t->bias + f));
    aotk_narrow_store(p, t, sum, rows, mr, n);
}

/* Columns, the most rows of a tile, vectors at once: what the registers hold. */
#if AOTK_VL == 16
#define AOTK_NARROWS(X) X(1, 8, 2) X(2, 8, 1) X(3, 8, 1) X(4, 6, 1) X(5, 4, 1) X(6, 4, 1)
#elif AOTK_VL == 8
#define AOTK_NARROWS(X) X(1, 6, 2) X(2, 6, 1) X(3, 4, 1) X(4, 3, 1) X(5, 2, 1) X(6, 2, 1)
#else
#define AOTK_NARROWS(X) X(1, 4, 2) X(2, 4, 1) X(3, 3, 1) X(4, 2, 1) X(5, 2, 1) X(6, 1, 2)
#endif

#define AOTK_NARROW_TILE(n, mr, ku)                                                                                      \
    AOTK_NOINLINE void aotk_narrow_##n(const aotk_igemm *p, const aotk_tile *t, const float *b, aotk_i64 depth, int rows) { \
        aotk_narrow_run(p, t, b, depth, rows, mr, n, ku);                                                                \
    }
AOTK_NARROWS(AOTK_NARROW_TILE)

#define AOTK_NARROW_MR(n, mr, ku) case n: return mr;
AOTK_INLINE int aotk_narrow_mr(aotk_i64 n) {
    switch (n) { AOTK_NARROWS(AOTK_NARROW_MR) default: return 1; }
}

#define AOTK_NARROW_CASE(n, mr, ku) case n: aotk_narrow_##n(p, t, b, depth, rows); break;

/* Rows [begin, end). */
AOTK_NOINLINE void aotk_igemm_narrow(const aotk_igemm *p, aotk_i64 begin, aotk_i64 end) {
    AOTK_ALIGNED float b[AOTK_NARROW_FLOATS];
    AOTK_ALIGNED float bias[AOTK_NARROW_SUMS]; /* of each element of a tile */
    aotk_i64 depth = aotk_narrow_depth(p);
    int mr = aotk_narrow_mr(p->n);
    aotk_cursor w = aotk_cursor_at(p, begin);
    aotk_tile tile, *t = &tile;
    aotk_narrow_turn(p, b);
    for (int i = 0; i < AOTK_NARROW_SUMS; i++) bias[i] = p->bias ? p->bias[i % p->n] : 0;
    t->bias = bias;
    t->clamp = aotk_act_clamps(p->act);
    t->lo = aotk_act_lo(p->act, p->lo);
    t->hi = aotk_act_hi(p->act, p->hi);
    t->residual = p->residual != (void *)0;
    for (aotk_i64 m = begin; m < end; m += mr) {
        int rows = end - m < mr ? (int)(end - m) : mr;
        for (int i = 0; i < mr; i++) { /* behind the last row that row again, which is not stored */
            t->a[i] = i < rows ? w.a : t->a[rows - 1];
            t->c[i] = w.c;
            t->r[i] = w.r;
            if (i < rows) aotk_cursor_step(p, &w);
        }
        switch (p->n) { AOTK_NARROWS(AOTK_NARROW_CASE) default: break; }
    }
}

#endif
#endif
