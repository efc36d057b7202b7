/* SPDX-License-Identifier: MIT */
/* Products whose rows begin one float behind each other: convolutions of one channel, such as a grey image or a wave.
 *
 * K is short, so a tile of few rows by a panel takes longer to set up than to sum, and of few columns most lanes would be
 * padding. Here a vector lies along the rows: a tile has two vectors of rows for each of up to six columns, all of whose lanes
 * count whatever N is, and it is turned into rows of C when it is done. Each sum is the same chain of operations as in the other
 * tiles, so that they may be mixed. */
#ifndef AOTK_WIDE_H
#define AOTK_WIDE_H

#include "walk.h"

#if AOTK_VL > 1

enum { AOTK_WIDE = 6, AOTK_WIDE_ROWS = 2 * AOTK_VL, AOTK_WIDE_MOST = 128 }; /* of C, at most, until the next columns */

/* Whether rows lie so, K is short, and columns would leave lanes without work, or be a tile of one vector. C must not be
 * read, as rows are computed twice where a line ends. */
AOTK_INLINE int aotk_is_wide(const aotk_igemm *p) {
    return p->a2 == 1 && (p->n <= 8 || p->n % (AOTK_VL == 8 ? 8 : 16)) && p->m2 >= AOTK_VL
        && !p->residual && !p->all_h && aotk_sum_depth(p) <= AOTK_KC_FEW;
}

/* Columns of a tile where `left` are left. */
AOTK_INLINE int aotk_wide_columns(aotk_i64 left) {
    return left <= AOTK_WIDE ? (int)left : left <= 8 ? 4 : AOTK_WIDE;
}

/* Rows of one line, columns of one panel of B. */
typedef struct aotk_wide_part {
    const float *a, *b, *bias;
    float *c;
    aotk_i64 rows, ldb;
    float lo, hi;
} aotk_wide_part;

/* c[i * c2 + j] = x[j][i], i < AOTK_VL; columns in fours, the last of which end with them. */
AOTK_INLINE void aotk_wide_turn(float *c, aotk_i64 c2, aotk_vf x[][2], int u, int columns) {
    if (columns < 4) {
        AOTK_UNROLL
        for (int i = 0; i < AOTK_VL; i++) {
            AOTK_UNROLL
            for (int j = 0; j < columns; j++) c[i * c2 + j] = x[j][u][i];
        }
        return;
    }
    AOTK_UNROLL
    for (int f = 0; f < columns; f += 4) {
        int j = f + 4 <= columns ? f : columns - 4;
        aotk_turn_rows(c + j, c2, x[j][u], x[j + 1][u], x[j + 2][u], x[j + 3][u]);
    }
}

/* Two vectors of rows, the second `on` rows behind the first. */
AOTK_INLINE void aotk_wide_tile(const aotk_igemm *p, const aotk_wide_part *t, aotk_i64 row, aotk_i64 on, int columns) {
    aotk_vf acc[AOTK_WIDE][2];
    const float *b = t->b;
    float *c = t->c + row * p->c2;
    AOTK_UNROLL
    for (int j = 0; j < columns; j++) acc[j][0] = acc[j][1] = aotk_splat(t->bias[j]);
    for (aotk_i64 y = 0; y < p->taps_h; y++) {
        for (aotk_i64 x = 0; x < p->taps_w; x++) {
            const float *a = t->a + row + y * p->tap_h + x * p->tap_w;
            for (aotk_i64 k = 0; k < p->seg; k++, b += t->ldb) {
                aotk_vf v0 = aotk_load(a + k), v1 = aotk_load(a + on + k);
                AOTK_UNROLL
                for (int j = 0; j < columns; j++) {
                    aotk_vf w = aotk_splat(b[j]);
                    aotk_add_product(&acc[j][0], w, v0);
                    aotk_add_product(&acc[j][1], w, v1);
                }
            }
        }
    }
    if (aotk_act_clamps(p->act)) {
        AOTK_UNROLL
        for (int j = 0; j < columns; j++) {
            acc[j][0] = aotk_clamp(acc[j][0], t->lo, t->hi);
            acc[j][1] = aotk_clamp(acc[j][1], t->lo, t->hi);
        }
    }
    if (p->act > AOTK_ACT_CLAMP) {
        AOTK_ALIGNED float sum[AOTK_WIDE * AOTK_WIDE_ROWS];
        AOTK_UNROLL
        for (int j = 0; j < 2 * columns; j++) aotk_store(sum + j * AOTK_VL, acc[j / 2][j % 2]);
        aotk_act_row(sum, columns * AOTK_WIDE_ROWS, p->act);
        AOTK_UNROLL
        for (int j = 0; j < 2 * columns; j++) acc[j / 2][j % 2] = aotk_load(sum + j * AOTK_VL);
    }
    aotk_wide_turn(c, p->c2, acc, 0, columns);
    aotk_wide_turn(c + on * p->c2, p->c2, acc, 1, columns);
}

AOTK_INLINE void aotk_wide_run(const aotk_igemm *p, const aotk_wide_part *t, int columns) {
    aotk_i64 row = 0;
    for (; row + AOTK_WIDE_ROWS <= t->rows; row += AOTK_WIDE_ROWS) aotk_wide_tile(p, t, row, AOTK_VL, columns);
    if (row == t->rows) return;
    row = t->rows < AOTK_WIDE_ROWS ? 0 : t->rows - AOTK_WIDE_ROWS;
    aotk_wide_tile(p, t, row, t->rows - row - AOTK_VL, columns);
}

#define AOTK_WIDES(X) X(1) X(2) X(3) X(4) X(5) X(6)
#define AOTK_WIDE_TILE(columns)                                                                    \
    AOTK_NOINLINE void aotk_wide_##columns(const aotk_igemm *p, const aotk_wide_part *t) {              \
        aotk_wide_run(p, t, columns);                                                              \
    }
AOTK_WIDES(AOTK_WIDE_TILE)

#define AOTK_WIDE_CASE(columns) case columns: aotk_wide_##columns(p, &t); break;

/* `rows` rows from the cursor on, at least a vector of them, which lie in one line; columns [col, end) of the panel at b. */
AOTK_INLINE void aotk_wide_line(const aotk_igemm *p, const aotk_tile *bounds, const aotk_cursor *w, aotk_i64 rows,
                                const float *b, aotk_i64 col, aotk_i64 end) {
    const float none[AOTK_WIDE] = {0};
    aotk_wide_part t;
    t.lo = bounds->lo;
    t.hi = bounds->hi;
    t.ldb = (end - col + 15) / 16 * 16;
    for (aotk_i64 i = 0; i < rows; i += t.rows) {
        t.rows = rows - i < AOTK_WIDE_MOST + AOTK_VL ? rows - i : AOTK_WIDE_MOST;
        t.a = w->a + i;
        for (aotk_i64 j = col; j < end;) {
            int columns = aotk_wide_columns(end - j);
            t.b = b + (j - col);
            t.bias = p->bias ? p->bias + j : none;
            t.c = w->c + i * p->c2 + j;
            switch (columns) { AOTK_WIDES(AOTK_WIDE_CASE) default: break; }
            j += columns;
        }
    }
}

#endif
#endif
