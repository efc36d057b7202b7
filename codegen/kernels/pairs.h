/* SPDX-License-Identifier: MIT */
/* Products of bf16 in pairs along K: in the tiles of AMX, 16 times the multiply-adds of FMA a cycle, or by the dot
 * products of AVX512-BF16, up to twice as many.
 *
 * A tile holds 16 rows of 64 bytes. Two by two of them are sums of 32 rows and 32 columns; a step of 32 values of K loads
 * two tiles of A and two of B and multiplies four times, so that loading takes half as long as multiplying. B is read as it
 * is packed. A, floats whose upper halves are all there is to them, is copied tile by tile into the call's `work` once
 * for all panels: a piece of K of a block of rows that stays in the L2 cache. While a block of columns is multiplied, the
 * next one is prefetched, spread over the blocks of rows. Dot products read the same tiles, eight rows of them at a time.
 *
 * The state of the tiles is set up and given back by each call: a thread that has it in use is slower to switch to.
 */
#ifndef AOTK_PAIRS_H
#define AOTK_PAIRS_H

#include "walk.h"

#if AOTK_PAIRS

enum { AOTK_EDGE = 16, AOTK_TILE_ELEMENTS = AOTK_EDGE * AOTK_PAIRS_STEP, AOTK_DOT_ROWS = 8 };

#if defined(__clang__) /* whose assembler asks what the function may use */
#define AOTK_PAIRS_CODE __attribute__((target("amx-tile,amx-bf16,avx512bf16")))
#else
#define AOTK_PAIRS_CODE
#endif

#define AOTK_TILE_ZERO(t) __asm__ volatile("tilezero %%tmm" #t ::: "memory")
#define AOTK_TILE_LOAD(t, at, bytes)                                                               \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t ::"r"(at), "r"((aotk_i64)(bytes)) : "memory")
#define AOTK_TILE_STORE(t, at, bytes)                                                              \
    __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)" ::"r"(at), "r"((aotk_i64)(bytes)) : "memory")
#define AOTK_TILE_PRODUCT(sum, a, b)                                                               \
    __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #sum ::: "memory")
#define AOTK_DOT(sum, a, b) __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b))

/* All eight tiles in their full size. */
AOTK_PAIRS_CODE AOTK_NOINLINE void aotk_tiles_begin(void) {
    AOTK_ALIGNED struct {
        unsigned char palette, start, reserved[14];
        aotk_u16 bytes[16];
        unsigned char rows[16];
    } config = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        config.bytes[i] = 64;
        config.rows[i] = AOTK_EDGE;
    }
    __asm__ volatile("ldtilecfg %0" ::"m"(config) : "memory");
}

AOTK_PAIRS_CODE AOTK_NOINLINE void aotk_tiles_end(void) {
    __asm__ volatile("tilerelease" ::: "memory");
}

/* What lies before the multiplication: rows of tiles of A (one behind the other along K), the columns of a panel from
 * `b` on; and what is prefetched in each step: `lines` rows of the next columns, `rows` of c and of the residual if there
 * is one. */
typedef struct aotk_strip {
    const aotk_u16 *a, *b, *next;
    aotk_i64 steps, ldb, lines;
    const float *c, *r;
    aotk_i64 ldc, ldr, rows;
} aotk_strip;

/* 32 floats of each row, into the L2 cache. */
AOTK_INLINE void aotk_prefetch_rows(const float *x, aotk_i64 ld, aotk_i64 rows) {
    for (aotk_i64 i = 0; i < rows; i++, x += ld) {
        AOTK_PREFETCH(x);
        AOTK_PREFETCH(x + 16);
    }
}

/* out[16 * mt][16 * nt] = the product of mt tiles of rows and nt tiles of columns. */
AOTK_PAIRS_CODE AOTK_INLINE void aotk_strip_run(const aotk_strip *s, float *out, int mt, int nt) {
    const aotk_u16 *a = s->a, *b = s->b, *next = s->next;
    const float *c = s->c, *r = s->r;
    aotk_i64 steps = s->steps, line = 2 * s->ldb, lines = s->lines, ldc = s->ldc, ldr = s->ldr, rows = s->rows;
    aotk_i64 row = steps * AOTK_TILE_ELEMENTS, ldb = 2 * line, down = AOTK_EDGE * line;
    AOTK_TILE_ZERO(0);
    if (nt > 1) AOTK_TILE_ZERO(1);
    if (mt > 1) AOTK_TILE_ZERO(2);
    if (mt > 1 && nt > 1) AOTK_TILE_ZERO(3);
    for (aotk_i64 k = 0; k < steps; k++, a += AOTK_TILE_ELEMENTS, b += down, next += down) {
        aotk_prefetch_rows((const float *)next, line / 2, lines);
        aotk_prefetch_rows(c, ldc, rows);
        if (r) aotk_prefetch_rows(r, ldr, rows);
        c += rows * ldc;
        r += r ? rows * ldr : 0;
        AOTK_TILE_LOAD(4, a, 64);
        AOTK_TILE_LOAD(6, b, ldb);
        AOTK_TILE_PRODUCT(0, 4, 6);
        if (nt > 1) {
            AOTK_TILE_LOAD(7, b + 32, ldb);
            AOTK_TILE_PRODUCT(1, 4, 7);
        }
        if (mt > 1) {
            AOTK_TILE_LOAD(5, a + row, 64);
            AOTK_TILE_PRODUCT(2, 5, 6);
        }
        if (mt > 1 && nt > 1) AOTK_TILE_PRODUCT(3, 5, 7);
    }
    AOTK_TILE_STORE(0, out, 64 * nt);
    if (nt > 1) AOTK_TILE_STORE(1, out + 16, 64 * nt);
    if (mt > 1) AOTK_TILE_STORE(2, out + 256 * nt, 64 * nt);
    if (mt > 1 && nt > 1) AOTK_TILE_STORE(3, out + 256 * nt + 16, 64 * nt);
}

AOTK_PAIRS_CODE AOTK_NOINLINE void aotk_strip_any(const aotk_strip *s, float *out, int mt, int nt) {
    if (mt > 1 && nt > 1) aotk_strip_run(s, out, 2, 2);
    else if (mt > 1) aotk_strip_run(s, out, 2, 1);
    else if (nt > 1) aotk_strip_run(s, out, 1, 2);
    else aotk_strip_run(s, out, 1, 1);
}

AOTK_INLINE aotk_vf aotk_splat_pair(const aotk_u16 *p) {
    typedef float pair __attribute__((aligned(2), may_alias));
    return aotk_splat(*(const pair *)p);
}

/* AOTK_DOT_ROWS rows from `a` on, which lie in one tile. The first rows of a strip prefetch for all of it. */
AOTK_PAIRS_CODE AOTK_INLINE void aotk_dots_run(const aotk_strip *s, const aotk_u16 *a, float *out, int nt, int first) {
    const aotk_u16 *b = s->b, *next = s->next;
    const float *c = s->c, *r = s->r;
    aotk_i64 line = 2 * s->ldb;
    aotk_vf acc[AOTK_DOT_ROWS][2];
    AOTK_UNROLL
    for (int i = 0; i < AOTK_DOT_ROWS; i++) {
        AOTK_UNROLL
        for (int j = 0; j < nt; j++) acc[i][j] = aotk_splat(0);
    }
    for (aotk_i64 k = 0; k < s->steps; k++, a += AOTK_TILE_ELEMENTS) {
        if (first) {
            aotk_prefetch_rows((const float *)next, line / 2, s->lines);
            aotk_prefetch_rows(c, s->ldc, s->rows);
            if (r) aotk_prefetch_rows(r, s->ldr, s->rows);
            next += AOTK_EDGE * line;
            c += s->rows * s->ldc;
            r += r ? s->rows * s->ldr : 0;
        }
        for (int q = 0; q < AOTK_PAIRS_STEP; q += 2, b += line) {
            aotk_vf columns[2];
            AOTK_UNROLL
            for (int j = 0; j < nt; j++) columns[j] = aotk_load((const float *)(b + 32 * j));
            AOTK_UNROLL
            for (int i = 0; i < AOTK_DOT_ROWS; i++) {
                aotk_vf pair = aotk_splat_pair(a + i * AOTK_PAIRS_STEP + q);
                AOTK_UNROLL
                for (int j = 0; j < nt; j++) AOTK_DOT(acc[i][j], pair, columns[j]);
            }
        }
    }
    AOTK_UNROLL
    for (int i = 0; i < AOTK_DOT_ROWS; i++) {
        AOTK_UNROLL
        for (int j = 0; j < nt; j++) aotk_store(out + (i * nt + j) * AOTK_VL, acc[i][j]);
    }
}

/* What aotk_strip_any does, by dot products; `rows` of the rows are real. */
AOTK_PAIRS_CODE AOTK_NOINLINE void aotk_strip_dots(const aotk_strip *s, float *out, aotk_i64 rows, int nt) {
    for (aotk_i64 i = 0; i < rows; i += AOTK_DOT_ROWS) {
        const aotk_u16 *a = s->a + (i / AOTK_EDGE * s->steps * AOTK_EDGE + i % AOTK_EDGE) * AOTK_PAIRS_STEP;
        if (nt > 1) aotk_dots_run(s, a, out + i * 2 * AOTK_EDGE, 2, i == 0);
        else aotk_dots_run(s, a, out + i * AOTK_EDGE, 1, i == 0);
    }
}

/* The upper halves of 32 floats. */
AOTK_INLINE void aotk_narrow32(aotk_u16 *to, const float *from) {
    typedef aotk_u16 halves __attribute__((vector_size(64)));
    typedef aotk_u16 store __attribute__((vector_size(64), aligned(2), may_alias));
    halves lo = (halves)aotk_load(from), hi = (halves)aotk_load(from + 16);
    *(store *)to = __builtin_shufflevector(lo, hi, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31, 33, 35, 37, 39,
                                           41, 43, 45, 47, 49, 51, 53, 55, 57, 59, 61, 63);
}

/* Rows [begin, end) of a piece of K as tiles, [row / 16][k / 32][16][32]; rows that fill up the last are zero. */
AOTK_NOINLINE void aotk_tiles_of(const aotk_igemm *p, const aotk_depth *d, aotk_i64 begin, aotk_i64 end, aotk_u16 *to) {
    aotk_i64 steps = d->length / AOTK_PAIRS_STEP, rows = end - begin;
    aotk_cursor w = aotk_cursor_at(p, begin);
    w.a += d->offset;
    for (aotk_i64 i = 0; i < (rows + 15) / 16 * 16; i++) {
        aotk_u16 *row = to + (i / 16 * steps * 16 + i % 16) * AOTK_PAIRS_STEP;
        if (i >= rows) {
            for (aotk_i64 k = 0; k < d->length; k++) row[k / 32 * AOTK_TILE_ELEMENTS + k % 32] = 0;
            continue;
        }
        for (aotk_i64 tap = 0; tap < d->taps_h * d->taps_w; tap++) {
            const float *a = w.a + tap / d->taps_w * p->tap_h + tap % d->taps_w * p->tap_w;
            for (aotk_i64 k = 0; k < d->seg; k += AOTK_PAIRS_STEP, row += AOTK_TILE_ELEMENTS) aotk_narrow32(row, a + k);
        }
        aotk_cursor_step(p, &w);
    }
}

/* Columns [col, col + width) of C, `valid` of them real, in one pass over a piece of K. */
typedef struct aotk_columns {
    aotk_i64 col, width, valid;
    const float *bias;
    int first, act; /* first: C holds no sum yet */
    float lo, hi;
} aotk_columns;

/* `rows` rows of nt tiles: act(bias + residual + sums), where act is a clamp and a rounding at most, goes to `c`. A NULL
 * residual is none. */
AOTK_INLINE void aotk_rows_finish(const aotk_columns *to, float *c, aotk_i64 ldc, const float *r, aotk_i64 ldr,
                                  const float *sums, aotk_i64 rows, int nt, int act) {
    aotk_vf bias[2];
    int clamp = aotk_act_clamps(act);
    AOTK_UNROLL
    for (int j = 0; j < nt; j++) bias[j] = aotk_load(to->bias + j * AOTK_VL);
    for (aotk_i64 i = 0; i < rows; i++, c += ldc, r += ldr, sums += nt * AOTK_VL) {
        AOTK_UNROLL
        for (int j = 0; j < nt; j++) {
            aotk_vf v = bias[j];
            if (r) v += aotk_load(r + j * AOTK_VL);
            v += aotk_load(sums + j * AOTK_VL);
            if (clamp) v = aotk_clamp(v, to->lo, to->hi);
            if (act & AOTK_ROUND_BF16) v = aotk_round_bf16(v);
            aotk_store(c + j * AOTK_VL, v);
        }
    }
}

/* The same with what may be left out known. */
AOTK_NOINLINE void aotk_rows_any(const aotk_columns *to, float *c, aotk_i64 ldc, const float *r, aotk_i64 ldr,
                                 const float *sums, aotk_i64 rows, int act) {
    int nt = to->width > AOTK_EDGE ? 2 : 1;
    if (nt > 1 && act == AOTK_ROUND_BF16 && r) aotk_rows_finish(to, c, ldc, r, ldr, sums, rows, 2, AOTK_ROUND_BF16);
    else if (nt > 1 && act == AOTK_ROUND_BF16) aotk_rows_finish(to, c, ldc, (float *)0, 0, sums, rows, 2, AOTK_ROUND_BF16);
    else if (nt > 1) aotk_rows_finish(to, c, ldc, r, ldr, sums, rows, 2, act);
    else aotk_rows_finish(to, c, ldc, r, ldr, sums, rows, 1, act);
}

/* c = act(bias + residual + sums) for `rows` rows from the cursor on, a line of them at a time; sums is used up. */
AOTK_NOINLINE void aotk_sums_finish(const aotk_igemm *p, aotk_cursor *w, const aotk_columns *to, float *sums, aotk_i64 rows) {
    int kind = to->act & AOTK_ACT_KIND, late = kind > AOTK_ACT_CLAMP || to->act & AOTK_ROUND_F16;
    int whole = to->valid == to->width;
    while (rows > 0) {
        aotk_i64 run = p->m2 - w->i2 < rows ? p->m2 - w->i2 : rows, size = run * to->width;
        const float *r = !to->first ? w->c + to->col : p->residual ? w->r + to->col : (float *)0;
        aotk_i64 ldr = !to->first ? p->c2 : r ? p->r2 : 0;
        if (whole && !late) {
            aotk_rows_any(to, w->c + to->col, p->c2, r, ldr, sums, run, to->act);
        } else {
            AOTK_ALIGNED float in[4 * AOTK_EDGE * AOTK_EDGE];
            if (r && !whole) { /* nothing behind the last column is read */
                for (aotk_i64 j = 0; j < size; j += AOTK_VL) aotk_store(in + j, aotk_splat(0));
                for (aotk_i64 i = 0; i < run; i++) aotk_copy_columns(in + i * to->width, r + i * ldr, to->valid);
                r = in;
                ldr = to->width;
            }
            aotk_rows_any(to, sums, to->width, r, ldr, sums, run, late ? AOTK_ACT_NONE : to->act);
            if (late) aotk_act_row(sums, size, to->act);
            for (aotk_i64 i = 0; i < run; i++) aotk_copy_columns(w->c + to->col + i * p->c2, sums + i * to->width, to->valid);
        }
        sums += size;
        rows -= run;
        aotk_cursor_along(p, w, run);
    }
}

/* Rows [begin, end), which lie in p->work as tiles, of a panel. */
AOTK_NOINLINE void aotk_panel_pairs(const aotk_igemm *p, const aotk_depth *d, aotk_i64 panel, aotk_i64 begin, aotk_i64 end) {
    AOTK_ALIGNED float sums[4 * AOTK_EDGE * AOTK_EDGE], bias[2 * AOTK_EDGE];
    aotk_i64 k = aotk_b_depth(p), nr = aotk_panel_nr(k, p->n, 1), at = panel * nr, rows = end - begin;
    aotk_i64 all = p->n - at < nr ? p->n - at : nr, ldb = (all + 15) / 16 * 16, step = 2 * AOTK_EDGE;
    const aotk_u16 *a = (const aotk_u16 *)p->work, *b = (const aotk_u16 *)p->b + at * k + d->at * ldb;
    aotk_i64 blocks = (rows + step - 1) / step, steps = d->length / AOTK_PAIRS_STEP;
    for (aotk_i64 j = 0; j < all; j += step) {
        aotk_i64 width = ldb - j < step ? ldb - j : step;
        aotk_columns to = {at + j, width, all - j < width ? all - j : width, bias, d->k == 0,
                           d->k + d->length == aotk_sum_depth(p) ? p->act : AOTK_ACT_NONE, aotk_act_lo(p->act, p->lo),
                           aotk_act_hi(p->act, p->hi)};
        for (aotk_i64 i = 0; i < step; i += AOTK_VL) aotk_store(bias + i, aotk_splat(0));
        if (p->bias && to.first) aotk_copy_columns(bias, p->bias + to.col, to.valid);
        aotk_strip s = {.a = a, .b = b + 2 * j, .steps = steps, .ldb = ldb};
        const aotk_u16 *next = j + step < all ? s.b + 2 * step : b + k * ldb;
        aotk_cursor w = aotk_cursor_at(p, begin);
        for (aotk_i64 i = 0; i < blocks; i++) {
            aotk_i64 from = i * step, count = rows - from < step ? rows - from : step, line = AOTK_EDGE * i / blocks;
            s.a = a + from * d->length;
            s.next = next + line * 2 * ldb;
            s.lines = AOTK_EDGE * (i + 1) / blocks - line;
            s.c = w.c + to.col;
            s.r = p->residual ? w.r + to.col : (float *)0;
            s.ldc = p->c2;
            s.ldr = p->r2;
            s.rows = (count + steps - 1) / (steps + !steps);
            int nt = width > AOTK_EDGE ? 2 : 1;
            if (p->features & AOTK_TILES) aotk_strip_any(&s, sums, count > AOTK_EDGE ? 2 : 1, nt);
            else aotk_strip_dots(&s, sums, count, nt);
            aotk_sums_finish(p, &w, &to, sums, count);
        }
    }
}

/* Rows [begin, end) of panels [first, last): row blocks, then pieces of K, then panels. */
AOTK_NOINLINE void aotk_pairs_run(const aotk_igemm *p, aotk_i64 begin, aotk_i64 end, aotk_i64 first, aotk_i64 last) {
    aotk_i64 all = aotk_sum_depth(p), blocks = (end - begin + AOTK_PAIRS_ROWS - 1) / AOTK_PAIRS_ROWS;
    if (p->features & AOTK_TILES) aotk_tiles_begin();
    for (aotk_i64 i = 0; i < blocks; i++) {
        aotk_i64 from = begin + (end - begin) * i / blocks, to = begin + (end - begin) * (i + 1) / blocks, k = 0;
        do {
            aotk_depth d = aotk_depth_at(p, k);
            aotk_tiles_of(p, &d, from, to, (aotk_u16 *)p->work);
            for (aotk_i64 panel = first; panel < last; panel++) aotk_panel_pairs(p, &d, panel, from, to);
            k += d.length;
        } while (k < all);
    }
    if (p->features & AOTK_TILES) aotk_tiles_end();
}

#endif
#endif
