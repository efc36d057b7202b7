/* SPDX-License-Identifier: MIT */
/* Register tiles: MR rows by NV vectors of a product, summed over all of K. aotk_igemm_f32 says why
 * they are fast; it and the other contractions call them. */
#ifndef AOTK_TILE_H
#define AOTK_TILE_H

#include "vec.h"

/* The most rows and vectors of a register tile, and the floats that shall stay in the L2 cache (a quarter of
 * 2 MiB, three quarters of 256 KiB). Steps of k in a round of its loop, and the lines that a round prefetches: with vectors
 * of eight floats there are more instructions beside the multiply-adds, which a thread that has half of a core feels. */
#if AOTK_VL == 16
enum { AOTK_MR = 8, AOTK_NV = 4, AOTK_KU = 1, AOTK_AHEAD = 2, AOTK_L2_FLOATS = 128 << 10 };
#elif AOTK_VL == 8
enum { AOTK_MR = 6, AOTK_NV = 8, AOTK_KU = 4, AOTK_AHEAD = 4, AOTK_L2_FLOATS = 48 << 10 };
#elif AOTK_VL == 4
enum { AOTK_MR = 4, AOTK_NV = 4, AOTK_KU = 1, AOTK_AHEAD = 2, AOTK_L2_FLOATS = 48 << 10 };
#else
enum { AOTK_MR = 2, AOTK_NV = 4, AOTK_KU = 1, AOTK_AHEAD = 2, AOTK_L2_FLOATS = 16 << 10 };
#endif

enum { AOTK_LONG = 96 };

/* What a tile needs: pointers to its rows, and the walk over K. Below it there may be more tiles of as many rows; on_...:
 * how many floats further each of them lies than the one before it. */
typedef struct aotk_tile {
    const float *a[AOTK_MR];
    float *c[AOTK_MR];
    const float *r[AOTK_MR];
    aotk_i64 count, on_a, on_c, on_r, on_next;
    const float *b, *bias;
    aotk_i64 ldb;                    /* width of the panel that the part belongs to */
    const float *next;               /* prefetch: AOTK_AHEAD lines from here, `step` floats further with every k */
    aotk_i64 step;
    aotk_i64 taps_h, taps_w, tap_h, tap_w, seg;
    int residual, clamp;
    float lo, hi;
} aotk_tile;

/* ------------------------------------------------------------------------------- register tiles */

/* Bytes of a stored weight, how many steps of k lie together, and a vector from column i on: of step `s` of those. */
AOTK_INLINE aotk_i64 aotk_stored_bytes(int stored) {
    return stored == AOTK_STORED_F32 ? 4 : stored == AOTK_STORED_I8 ? 1 : 2;
}

AOTK_INLINE int aotk_stored_steps(int stored) {
    return stored == AOTK_STORED_BF16_PAIRS ? 2 : 1;
}

AOTK_INLINE aotk_vf aotk_load_stored(const void *b, aotk_i64 i, int stored, int s) {
    const aotk_u16 *h = (const aotk_u16 *)b;
    if (stored == AOTK_STORED_F32) return aotk_load((const float *)b + i);
    if (stored == AOTK_STORED_I8) return aotk_load_i8((const signed char *)b + i);
    if (stored == AOTK_STORED_BF16_PAIRS) return aotk_load_pairs(h + 2 * i, s);
    return stored == AOTK_STORED_F16 ? aotk_load_f16(h + i) : aotk_load_bf16(h + i);
}

/* acc[i][j] += a[i][at] * b[j], of step `s` of those that lie together at b. */
AOTK_INLINE void aotk_tile_step(aotk_vf acc[AOTK_MR][AOTK_NV], const float *const *a, aotk_i64 at, const char *b, int mr,
                                int nv, int stored, int s) {
    aotk_vf row[AOTK_NV];
    AOTK_UNROLL
    for (int j = 0; j < nv; j++) row[j] = aotk_load_stored(b, j * AOTK_VL, stored, s);
    AOTK_UNROLL
    for (int i = 0; i < mr; i++) {
        aotk_vf x = aotk_splat(a[i][at]);
        AOTK_UNROLL
        for (int j = 0; j < nv; j++) aotk_add_product(&acc[i][j], x, row[j]);
    }
}

/* acc[i][j] += a[i][k] * b[k][j] over all segments, a's rows `on` floats further. */
AOTK_INLINE void aotk_tile_sum(const aotk_tile *t, aotk_vf acc[AOTK_MR][AOTK_NV], aotk_i64 on, const float *next, int mr,
                               int nv, int stored) {
    const char *b = (const char *)t->b;
    const float *a[AOTK_MR];
    int steps = aotk_stored_steps(stored), ku = AOTK_KU < steps ? steps : AOTK_KU;
    aotk_i64 ldb = t->ldb * aotk_stored_bytes(stored) * steps, step = t->step;
    AOTK_UNROLL
    for (int i = 0; i < mr; i++) a[i] = t->a[i];
    for (aotk_i64 y = 0; y < t->taps_h; y++) {
        for (aotk_i64 x = 0; x < t->taps_w; x++) {
            aotk_i64 k = on + y * t->tap_h + x * t->tap_w, end = k + t->seg;
            for (; k + ku <= end; k += ku) {
                AOTK_UNROLL
                for (int u = 0; u < AOTK_AHEAD; u++) AOTK_PREFETCH(next + 16 * u);
                next += ku * step;
                AOTK_UNROLL
                for (int u = 0; u < ku; u++) {
                    aotk_tile_step(acc, a, k + u, b, mr, nv, stored, u % steps);
                    if (u % steps == steps - 1) b += ldb;
                }
            }
            for (; k < end; k++, b += ldb) aotk_tile_step(acc, a, k, b, mr, nv, stored, 0);
        }
    }
}

/* Bias. Where the sum takes long enough the rows of c and the residual are fetched ahead, as a store waits for its line. */
AOTK_INLINE void aotk_tile_start(const aotk_tile *t, aotk_vf acc[AOTK_MR][AOTK_NV], aotk_i64 on_c, aotk_i64 on_r, int mr,
                                 int nv) {
    AOTK_UNROLL
    for (int i = 0; i < mr; i++) {
        AOTK_UNROLL
        for (int j = 0; j < nv; j++) acc[i][j] = aotk_load(t->bias + j * AOTK_VL);
    }
    if (t->taps_h * t->taps_w * t->seg < AOTK_LONG) return;
    AOTK_UNROLL
    for (int i = 0; i < mr; i++) {
        AOTK_UNROLL
        for (int j = 0; j < nv; j++) AOTK_PREFETCH(t->c[i] + on_c + j * AOTK_VL);
    }
    if (!t->residual) return;
    AOTK_UNROLL
    for (int i = 0; i < mr; i++) {
        AOTK_UNROLL
        for (int j = 0; j < nv; j++) AOTK_PREFETCH(t->r[i] + on_r + j * AOTK_VL);
    }
}

/* Residual, activation and store. What was summed before is added to the sum, not the terms to it one by one: so long sums
 * are more exact. */
AOTK_INLINE void aotk_tile_finish(const aotk_tile *t, aotk_vf acc[AOTK_MR][AOTK_NV], aotk_i64 on_c, aotk_i64 on_r, int mr,
                                  int nv) {
    if (t->residual) {
        AOTK_UNROLL
        for (int i = 0; i < mr; i++) {
            AOTK_UNROLL
            for (int j = 0; j < nv; j++) acc[i][j] += aotk_load(t->r[i] + on_r + j * AOTK_VL);
        }
    }
    if (t->clamp) {
        AOTK_UNROLL
        for (int i = 0; i < mr; i++) {
            AOTK_UNROLL
            for (int j = 0; j < nv; j++) acc[i][j] = aotk_clamp(acc[i][j], t->lo, t->hi);
        }
    }
    AOTK_UNROLL
    for (int i = 0; i < mr; i++) {
        AOTK_UNROLL
        for (int j = 0; j < nv; j++) aotk_store(t->c[i] + on_c + j * AOTK_VL, acc[i][j]);
    }
}

AOTK_INLINE void aotk_tile_run(const aotk_tile *t, int mr, int nv, int stored) {
    for (aotk_i64 i = 0; i < t->count; i++) {
        aotk_vf acc[AOTK_MR][AOTK_NV];
        aotk_tile_start(t, acc, i * t->on_c, i * t->on_r, mr, nv);
        aotk_tile_sum(t, acc, i * t->on_a, t->next + i * t->on_next, mr, nv, stored);
        aotk_tile_finish(t, acc, i * t->on_c, i * t->on_r, mr, nv);
    }
}

/* Of each shape a tile has, for weights that are stored as AOTK_STORED_... (`of`). */
#define AOTK_TILE(mr, nv, of)                                                                      \
    AOTK_NOINLINE void aotk_tile_##mr##x##nv##_##of(const aotk_tile *t) {                          \
        aotk_tile_run(t, mr, nv, AOTK_STORED_##of);                                                \
    }

#if AOTK_VL == 16
#define AOTK_TILES(X, of)                                                                          \
    X(1, 1, of) X(2, 1, of) X(3, 1, of) X(4, 1, of) X(5, 1, of) X(6, 1, of) X(7, 1, of) X(8, 1, of) \
    X(1, 2, of) X(2, 2, of) X(3, 2, of) X(4, 2, of) X(5, 2, of) X(6, 2, of) X(7, 2, of) X(8, 2, of) \
    X(1, 3, of) X(2, 3, of) X(3, 3, of) X(4, 3, of) X(5, 3, of) X(6, 3, of) X(7, 3, of) X(8, 3, of) \
    X(1, 4, of) X(2, 4, of) X(3, 4, of) X(4, 4, of) X(5, 4, of) X(6, 4, of)
#elif AOTK_VL == 8
#define AOTK_TILES(X, of)                                                                          \
    X(1, 1, of) X(2, 1, of) X(3, 1, of) X(4, 1, of) X(5, 1, of) X(6, 1, of)                        \
    X(1, 2, of) X(2, 2, of) X(3, 2, of) X(4, 2, of) X(5, 2, of) X(6, 2, of)                        \
    X(1, 3, of) X(2, 3, of) X(3, 3, of) X(4, 3, of)
#elif AOTK_VL == 4
#define AOTK_TILES(X, of) X(1, 4, of) X(2, 4, of) X(3, 4, of) X(4, 4, of)
#else
#define AOTK_TILES(X, of) X(1, 4, of) X(2, 4, of)
#endif

AOTK_TILES(AOTK_TILE, F32)

#define AOTK_TILE_CASE(mr, nv, of)                                                                 \
    case nv * 16 + mr: aotk_tile_##mr##x##nv##_##of(t); break;

AOTK_INLINE void aotk_tile_any(const aotk_tile *t, int mr, int nv) {
    switch (nv * 16 + mr) { AOTK_TILES(AOTK_TILE_CASE, F32) default: break; }
}

/* Vectors in a part of a panel that has `width` columns left, for so many rows, and the most rows of such a tile. */
AOTK_INLINE int aotk_part_vectors(aotk_i64 width, aotk_i64 rows) {
#if AOTK_VL == 16
    (void)rows;
    return (int)((width + 15) / 16);
#elif AOTK_VL == 8
    aotk_i64 vectors = (width + 7) / 8;
    return vectors == 3 || (vectors % 3 == 0 && rows <= 4) ? 3 : vectors == 1 ? 1 : 2;
#else
    (void)width;
    (void)rows;
    return 4;
#endif
}

AOTK_INLINE int aotk_part_rows(int nv) {
#if AOTK_VL == 16
    return nv == 4 ? 6 : 8;
#elif AOTK_VL == 8
    return nv == 3 ? 4 : 6;
#elif AOTK_VL == 4 && !defined(__aarch64__)
    (void)nv;
    return 3; /* sixteen registers */
#else
    (void)nv;
    return AOTK_MR;
#endif
}

#endif
