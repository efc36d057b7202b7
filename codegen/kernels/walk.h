/* SPDX-License-Identifier: MIT */
/* The walks of a product over its rows and over K, whatever multiplies: floats, or bf16 in pairs. */
#ifndef AOTK_WALK_H
#define AOTK_WALK_H

#include "tile.h"

enum { AOTK_KC = 1024 };    /* K beyond one and a half of this is cut into pieces */
enum { AOTK_KC_16 = 96 };   /* the same for weights that are widened into a buffer */
enum { AOTK_KC_FEW = 256 }; /* the same for few rows */

/* What multiplies pairs is assembly, so that the compiler need not know it, but its assembler must. */
#if AOTK_VL == 16 && defined(__x86_64__) && (defined(__clang__) || __GNUC__ >= 12)
#define AOTK_PAIRS 1
#else
#define AOTK_PAIRS 0
#endif

/* Whether pairs are multiplied. A single row is a stream over b, for which a row of tiles does too much. */
AOTK_INLINE int aotk_paired(const aotk_igemm *p) {
    return AOTK_PAIRS && p->features && p->b_stored == AOTK_STORED_BF16_PAIRS && p->m0 * p->m1 * p->m2 > 1;
}

/* ------------------------------------------------------------------------------- walk over rows */

/* A row's place in a, c and the residual; stepping to the next row carries into i1 and i0. */
typedef struct aotk_cursor {
    aotk_i64 i1, i2;
    const float *a, *r;
    float *c;
} aotk_cursor;

AOTK_INLINE aotk_cursor aotk_cursor_at(const aotk_igemm *p, aotk_i64 m) {
    aotk_i64 i2 = m % p->m2, i1 = m / p->m2 % p->m1, i0 = m / p->m2 / p->m1;
    aotk_cursor w;
    w.i1 = i1;
    w.i2 = i2;
    w.a = p->a + (i0 * p->a0 + i1 * p->a1 + i2 * p->a2);
    w.c = p->c + (i0 * p->c0 + i1 * p->c1 + i2 * p->c2);
    w.r = p->residual ? p->residual + (i0 * p->r0 + i1 * p->r1 + i2 * p->r2) : p->a;
    return w;
}

/* `rows` rows further, which lie in one line. */
AOTK_INLINE void aotk_cursor_along(const aotk_igemm *p, aotk_cursor *w, aotk_i64 rows) {
    aotk_i64 a = rows * p->a2, c = rows * p->c2, r = rows * p->r2;
    w->i2 += rows;
    if (w->i2 == p->m2) {
        w->i2 = 0;
        a += p->a1 - p->m2 * p->a2;
        c += p->c1 - p->m2 * p->c2;
        r += p->r1 - p->m2 * p->r2;
        if (++w->i1 == p->m1) {
            w->i1 = 0;
            a += p->a0 - p->m1 * p->a1;
            c += p->c0 - p->m1 * p->c1;
            r += p->r0 - p->m1 * p->r1;
        }
    }
    w->a += a;
    w->c += c;
    if (p->residual) w->r += r;
}

AOTK_INLINE void aotk_cursor_step(const aotk_igemm *p, aotk_cursor *w) {
    aotk_cursor_along(p, w, 1);
}

/* Points the tile at mr rows from the cursor on, columns from col on, and as many more tiles below it, at most `most` in all,
 * as lie in the same line; steps behind them. */
AOTK_INLINE void aotk_cursor_rows(const aotk_igemm *p, aotk_cursor *w, aotk_tile *t, int mr, aotk_i64 most, aotk_i64 col) {
    const float *a = w->a, *r = w->r + col;
    float *c = w->c + col;
    aotk_i64 r2 = p->residual ? p->r2 : 0, line = (p->m2 - w->i2) / mr;
    t->count = line < 1 ? 1 : line < most ? line : most;
    t->on_a = mr * p->a2;
    t->on_c = mr * p->c2;
    t->on_r = mr * r2;
    if (line > 0) {
        for (int q = 0; q < mr; q++, a += p->a2, c += p->c2, r += r2) {
            t->a[q] = a;
            t->c[q] = c;
            t->r[q] = r;
        }
        aotk_cursor_along(p, w, t->count * mr);
        return;
    }
    for (int q = 0; q < mr; q++) {
        t->a[q] = w->a;
        t->c[q] = w->c + col;
        t->r[q] = w->r + col;
        aotk_cursor_step(p, w);
    }
}

/* --------------------------------------------------------------------------------- depth blocks */

/* How many steps of k are summed, and how many of them b has. */
AOTK_INLINE aotk_i64 aotk_sum_depth(const aotk_igemm *p) {
    return p->taps_h * p->taps_w * p->seg;
}

AOTK_INLINE aotk_i64 aotk_b_depth(const aotk_igemm *p) {
    return p->all_h ? p->all_h * p->all_w * p->seg : aotk_sum_depth(p);
}

/* A piece of K: taps and segments from the k-th value of the sum on, which is the at-th of b, at `offset` in each row of a. */
typedef struct aotk_depth {
    aotk_i64 k, at, offset, taps_h, taps_w, seg, length;
} aotk_depth;

enum { AOTK_DIRECT_ROWS = AOTK_VL == 16 ? 16 : AOTK_VL > 1 }; /* the most for which weights are widened in registers */

/* Whether weights are widened into a buffer, a piece of a panel at a time: igemm_stored.c. */
AOTK_INLINE int aotk_widens(const aotk_igemm *p) {
    int always = AOTK_VL == 8 || (AOTK_VL == 16 && p->b_stored == AOTK_STORED_BF16_PAIRS);
    int direct = always || p->m0 * p->m1 * p->m2 <= AOTK_DIRECT_ROWS;
    return p->b_stored != AOTK_STORED_F32 && !direct && !aotk_paired(p);
}

/* Few rows wait for memory. Where a tile is narrower than a panel they take one panel after the other, in pieces that stay in
 * the L1 and L2 caches until all tiles have read them, so that weights are one stream. */
AOTK_INLINE int aotk_few(const aotk_igemm *p) {
    aotk_i64 m = p->m0 * p->m1 * p->m2;
    return AOTK_VL == 8 && m > 2 && m <= 8;
}

/* About how long a piece of K is. */
AOTK_INLINE aotk_i64 aotk_kc(const aotk_igemm *p) {
    if (aotk_paired(p)) return AOTK_PAIRS_DEPTH * 2 / 3;
    if (aotk_widens(p)) return AOTK_KC_16;
    return p->depth ? p->depth : aotk_few(p) ? AOTK_KC_FEW : AOTK_KC;
}

/* The piece of at most about AOTK_KC values that begins at k, cut at the coarsest level that allows
 * it: lines of taps, if they lie together in b, else one of them, else taps, else within a segment. It depends on the shape
 * alone, so sums do not depend on tasks. */
AOTK_INLINE aotk_depth aotk_depth_at(const aotk_igemm *p, aotk_i64 k) {
    aotk_i64 line = p->taps_w * p->seg, all = p->taps_h * line, kc = aotk_kc(p), wide = p->all_h ? p->all_w : p->taps_w;
    aotk_depth d = {k, (p->first_h * wide + p->first_w) * p->seg, 0, p->taps_h, p->taps_w, p->seg, all};
    int apart = p->taps_h > 1 && p->taps_w < wide;
    if (all == 0 || (all <= kc + kc / 2 && !apart)) return d;
    aotk_i64 y = k / line, x = k % line / p->seg, inside = k % p->seg;
    d.at += (y * wide + x) * p->seg + inside;
    d.offset = y * p->tap_h + x * p->tap_w + inside;
    d.taps_h = kc / line < p->taps_h - y ? kc / line : p->taps_h - y;
    if (apart && d.taps_h > 1) d.taps_h = 1;
    if (d.taps_h == 0) {
        d.taps_h = 1;
        d.taps_w = kc / p->seg < p->taps_w - x ? kc / p->seg : p->taps_w - x;
        if (d.taps_w == 0) {
            aotk_i64 pieces = (p->seg + kc - 1) / kc;
            aotk_i64 length = (p->seg + pieces - 1) / pieces;
            if (p->b_stored == AOTK_STORED_BF16_PAIRS) length = (length + AOTK_PAIRS_STEP - 1) / AOTK_PAIRS_STEP * AOTK_PAIRS_STEP;
            d.taps_w = 1;
            d.seg = length < p->seg - inside ? length : p->seg - inside;
        }
    }
    d.length = d.taps_h * d.taps_w * d.seg;
    return d;
}

/* Floats of a that a row adds to those of its neighbour: rows of a convolution overlap. */
AOTK_INLINE aotk_i64 aotk_fresh(const aotk_igemm *p, const aotk_depth *d) {
    return p->a2 > 0 && p->a2 < d->length ? p->a2 : d->length;
}

/* ---------------------------------------------------------------------------------------- columns */

/* Copies w of 64 columns between two rows: whole vectors, the last of which ends with them. */
AOTK_INLINE void aotk_copy_columns(float *to, const float *from, aotk_i64 w) {
    aotk_i64 j = 0;
    for (; j + AOTK_VL < w; j += AOTK_VL) aotk_store(to + j, aotk_load(from + j));
    if (w >= AOTK_VL) aotk_store(to + w - AOTK_VL, aotk_load(from + w - AOTK_VL));
    else for (; j < w; j++) to[j] = from[j];
}

#endif
