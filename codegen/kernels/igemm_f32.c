/* SPDX-License-Identifier: MIT */
/* One implicit GEMM for matrix products and NHWC convolutions.
 *
 * A tile of MR rows by one panel part of NV vectors stays in registers over the whole of K: one
 * rounding per step, no pass over C but the last. Why it is fast:
 *
 *   - 24 accumulators of AVX-512 (8x48, 6x64), 12 of AVX2 (6x16; 4x24 where no more rows or columns
 *     are left) hide the latency of FMA twice over, and each vector of B that is loaded meets MR
 *     rows, so loads never bound it. Tiles below each other are one call: where K is short, setting
 *     one up takes as long as its sum.
 *   - Rows are MR independent pointers under one running index: all fit the general registers,
 *     nothing is copied or gathered (no im2col), and a tile may wrap around the edge of an image.
 *     MR <= 8, because rows 4 KiB apart share one set of the L1 cache, which has 8 to 12 ways.
 *   - B is packed, read in one stream, and while the tiles of one panel run, each step of k
 *     prefetches lines of the next panel: cold weights cost next to nothing. During the first
 *     panel of a large A it prefetches the rows of the next tile instead. Two lines, as few tiles
 *     (M <= 16) have more than one line of the next panel to fetch for each step.
 *   - Rows are taken in blocks that stay in the L2 cache for all panels, and a long K in pieces, C
 *     holding the sum in between.
 *   - M is cut into tiles of two neighbouring sizes, never into full tiles and a small rest.
 *   - M = 1 is a stream over B: several steps of k at once in separate sums. The processor sees the
 *     stream by itself. One with AVX-512 was seen to do so within a page: of a B beyond the L2 cache, a
 *     line a page ahead is fetched now and then. One with AVX2 reads on over pages and took any such
 *     line for another stream: a fifth of the speed of memory.
 *   - Two to eight rows wait for memory, too. With AVX2 a tile is narrower than a panel, and every
 *     fourth line is no stream: two rows take whole panels, though eight vectors of each are more than
 *     the registers hold; more rows take panels one by one, in pieces that stay in the L2 cache.
 *
 * Weights may be stored as f16 or bf16, or as whole numbers of 8 bits: fewer bytes where the speed is that of memory. M = 1
 * widens them in registers, and with AVX2 so do tiles of two vectors. Otherwise a piece of a panel is
 * widened into a buffer on the stack that stays in the L1 cache for all rows, K being cut into shorter pieces.
 * Or nothing is widened: pairs.h.
 *
 * Of up to six columns a vector would be mostly padding: narrow.h sums along K instead. A convolution of one channel has a
 * short K: wide.h has vectors of rows.
 *
 * A tail of n narrower than a part is computed in a temporary, with the same code.
 */
#include "narrow.h"
#include "pairs.h"
#include "wide.h"

enum { AOTK_ACT_TILES = 8 }; /* the most that are computed before their activation, so that they are still in the L1 cache */
enum { AOTK_ROW_AHEAD = AOTK_VL == 16 ? 4096 : 0 }; /* bytes ahead that a row's stream fetches, 0: none */

/* ------------------------------------------------------------------------------ one row: M = 1 */

#if AOTK_VL > 1
/* The steps of k that lie together at b. */
AOTK_INLINE void aotk_row_steps(aotk_vf *acc, const float *a, const char *b, int nv, int stored) {
    AOTK_UNROLL
    for (int s = 0; s < aotk_stored_steps(stored); s++) {
        AOTK_UNROLL
        for (int j = 0; j < nv; j++) acc[j] += a[s] * aotk_load_stored(b, j * AOTK_VL, stored, s);
    }
}

/* `ku` times those at once into sums of their own, nv vectors wide. t->step: bytes from b to what is prefetched, 0: none. */
AOTK_INLINE void aotk_row_run(const aotk_tile *t, const void *panel, int nv, int ku, int stored) {
    aotk_vf acc[8][8];
    const char *b = panel;
    int steps = aotk_stored_steps(stored);
    aotk_i64 ldb = t->ldb * aotk_stored_bytes(stored) * steps;
    AOTK_UNROLL
    for (int u = 0; u < ku; u++) {
        AOTK_UNROLL
        for (int j = 0; j < nv; j++) acc[u][j] = aotk_splat(0);
    }
    for (aotk_i64 tap = 0; tap < t->taps_h * t->taps_w; tap++) {
        const float *a = t->a[0] + tap / t->taps_w * t->tap_h + tap % t->taps_w * t->tap_w;
        aotk_i64 k = 0;
        for (; k + ku * steps <= t->seg; k += ku * steps) {
            if (t->step) AOTK_PREFETCH(b + t->step);
            AOTK_UNROLL
            for (int u = 0; u < ku; u++, b += ldb) aotk_row_steps(acc[u], a + k + u * steps, b, nv, stored);
        }
        for (; k < t->seg; k += steps, b += ldb) aotk_row_steps(acc[0], a + k, b, nv, stored);
    }
    AOTK_UNROLL
    for (int j = 0; j < nv; j++) {
        aotk_vf sum = aotk_load(t->bias + j * AOTK_VL);
        if (t->residual) sum += aotk_load(t->r[0] + j * AOTK_VL);
        AOTK_UNROLL
        for (int u = 0; u < ku; u++) sum += acc[u][j];
        if (t->clamp) sum = aotk_clamp(sum, t->lo, t->hi);
        aotk_store(t->c[0] + j * AOTK_VL, sum);
    }
}

#define AOTK_ROW(nv, ku)                                                                           \
    AOTK_NOINLINE void aotk_row_##nv##_f32(const aotk_tile *t, const void *panel) {                \
        aotk_row_run(t, panel, nv, ku, AOTK_STORED_F32);                                           \
    }                                                                                              \
    AOTK_NOINLINE void aotk_row_##nv##_f16(const aotk_tile *t, const void *panel) {                \
        aotk_row_run(t, panel, nv, ku, AOTK_STORED_F16);                                           \
    }                                                                                              \
    AOTK_NOINLINE void aotk_row_##nv##_bf16(const aotk_tile *t, const void *panel) {               \
        aotk_row_run(t, panel, nv, ku, AOTK_STORED_BF16);                                          \
    }                                                                                              \
    AOTK_NOINLINE void aotk_row_##nv##_pairs(const aotk_tile *t, const void *panel) {              \
        aotk_row_run(t, panel, nv, ku, AOTK_STORED_BF16_PAIRS);                                    \
    }                                                                                              \
    AOTK_NOINLINE void aotk_row_##nv##_i8(const aotk_tile *t, const void *panel) {                 \
        aotk_row_run(t, panel, nv, ku, AOTK_STORED_I8);                                            \
    }
#if AOTK_VL == 16
#define AOTK_ROWS(X) X(1, 8) X(2, 6) X(3, 4) X(4, 4)
#elif AOTK_VL == 8
#define AOTK_ROWS(X) X(2, 5) X(4, 3) X(6, 2) X(8, 1)
#else
#define AOTK_ROWS(X) X(4, 3) X(8, 1)
#endif
AOTK_ROWS(AOTK_ROW)

#define AOTK_ROW_CASE(nv, ku)                                                                      \
    case nv * 8 + AOTK_STORED_F32: aotk_row_##nv##_f32(t, b); break;                               \
    case nv * 8 + AOTK_STORED_F16: aotk_row_##nv##_f16(t, b); break;                               \
    case nv * 8 + AOTK_STORED_BF16: aotk_row_##nv##_bf16(t, b); break;                             \
    case nv * 8 + AOTK_STORED_BF16_PAIRS: aotk_row_##nv##_pairs(t, b); break;                      \
    case nv * 8 + AOTK_STORED_I8: aotk_row_##nv##_i8(t, b); break;

AOTK_INLINE void aotk_row_any(const aotk_tile *t, const void *b, int nv, int stored) {
    switch (nv * 8 + stored) { AOTK_ROWS(AOTK_ROW_CASE) default: break; }
}

/* The row kernel takes the widest part it can, so that B is one stream. */
AOTK_INLINE int aotk_row_vectors(aotk_i64 width) {
#if AOTK_VL >= 8
    return (int)(width / AOTK_VL);
#else
    return width % 32 == 0 ? 8 : 4;
#endif
}
#else
AOTK_INLINE void aotk_row_any(const aotk_tile *t, const void *b, int nv, int stored) {
    (void)b;
    (void)stored;
    aotk_tile_any(t, 1, nv);
}

AOTK_INLINE int aotk_row_vectors(aotk_i64 width) {
    return aotk_part_vectors(width, 1);
}
#endif

/* ----------------------------------------------------------------------------------- the driver */

/* Columns [col, col + width) of C, `valid` of them real: one part of a panel. */
typedef struct aotk_part {
    aotk_i64 col, width, valid;
    const void *b;  /* single: the weights as they are stored */
    int nv, single; /* single: M = 1 */
    int stored;
    int act;        /* of this pass over the part */
} aotk_part;

AOTK_INLINE aotk_i64 aotk_igemm_nr(const aotk_igemm *p) {
    return aotk_panel_nr(aotk_b_depth(p), p->n, p->b_stored == AOTK_STORED_BF16_PAIRS);
}

/* Tiles of whole panels that other products have no use for, and those that widen weights in registers. */
#if AOTK_VL == 8
#define AOTK_WHOLE_TILES(X) X(2, 4) X(2, 6) X(2, 8)
#define AOTK_STORED_TILES(X) X(1, 2) X(2, 2) X(3, 2) X(4, 2) X(5, 2) X(6, 2) AOTK_WHOLE_TILES(X)
#else
#define AOTK_WHOLE_TILES(X)
#define AOTK_STORED_TILES(X)
#endif
AOTK_WHOLE_TILES(AOTK_TILE)

#define AOTK_STORED_TILE(mr, nv)                                                                   \
    AOTK_NOINLINE void aotk_tile_##mr##x##nv##_f16(const aotk_tile *t) {                           \
        aotk_tile_run(t, mr, nv, AOTK_STORED_F16);                                                 \
    }                                                                                              \
    AOTK_NOINLINE void aotk_tile_##mr##x##nv##_bf16(const aotk_tile *t) {                          \
        aotk_tile_run(t, mr, nv, AOTK_STORED_BF16);                                                \
    }                                                                                              \
    AOTK_NOINLINE void aotk_tile_##mr##x##nv##_pairs(const aotk_tile *t) {                         \
        aotk_tile_run(t, mr, nv, AOTK_STORED_BF16_PAIRS);                                          \
    }                                                                                              \
    AOTK_NOINLINE void aotk_tile_##mr##x##nv##_i8(const aotk_tile *t) {                            \
        aotk_tile_run(t, mr, nv, AOTK_STORED_I8);                                                  \
    }
AOTK_STORED_TILES(AOTK_STORED_TILE)

#define AOTK_STORED_KIND(mr, nv, stored) ((stored) * 256 + (nv) * 16 + (mr))
#define AOTK_STORED_CASE(mr, nv)                                                                   \
    case AOTK_STORED_KIND(mr, nv, AOTK_STORED_F16): aotk_tile_##mr##x##nv##_f16(t); break;         \
    case AOTK_STORED_KIND(mr, nv, AOTK_STORED_BF16): aotk_tile_##mr##x##nv##_bf16(t); break;       \
    case AOTK_STORED_KIND(mr, nv, AOTK_STORED_BF16_PAIRS): aotk_tile_##mr##x##nv##_pairs(t); break; \
    case AOTK_STORED_KIND(mr, nv, AOTK_STORED_I8): aotk_tile_##mr##x##nv##_i8(t); break;

AOTK_INLINE void aotk_tile_call(const aotk_tile *t, const aotk_part *part, int mr) {
    if (part->single) {
        aotk_row_any(t, part->b, part->nv, part->stored);
        return;
    }
    int stored = AOTK_DIRECT ? part->stored : AOTK_STORED_F32;
    switch (AOTK_STORED_KIND(mr, part->nv, stored)) {
        AOTK_TILES(AOTK_TILE_CASE)
        AOTK_WHOLE_TILES(AOTK_TILE_CASE)
        AOTK_STORED_TILES(AOTK_STORED_CASE)
        default: break;
    }
}

/* The last columns of C: in and out through a temporary of the part's full width. */
AOTK_NOINLINE void aotk_tile_tail(aotk_tile *t, const aotk_part *part, int mr) {
    AOTK_ALIGNED float out[AOTK_MR][64], in[AOTK_MR][64];
    float *c[AOTK_MR];
    for (int i = 0; i < mr; i++) {
        if (t->residual) {
            for (aotk_i64 j = 0; j < part->width; j++) in[i][j] = 0;
            aotk_copy_columns(in[i], t->r[i], part->valid);
            t->r[i] = in[i];
        }
        c[i] = t->c[i];
        t->c[i] = out[i];
    }
    aotk_tile_call(t, part, mr);
    if (part->act > AOTK_ACT_CLAMP) aotk_act_rows(t->c, mr, part->width, 1, 0, part->act);
    for (int i = 0; i < mr; i++) aotk_copy_columns(c[i], out[i], part->valid);
}

/* Rows cut into tiles of at most `most` rows: the first `larger` have one more than `size`. */
typedef struct aotk_cut {
    aotk_i64 most, tiles, size, larger;
} aotk_cut;

AOTK_INLINE aotk_cut aotk_cut_rows(aotk_i64 rows, aotk_i64 most) {
    aotk_i64 tiles = (rows + most - 1) / most;
    return (aotk_cut){most, tiles, rows / tiles, rows % tiles};
}

/* The rows from `w` on of one part of a panel, tile by tile. While they run, what lies from t->next on
 * is prefetched, spread over all tiles; or, if that is NULL, the rows of the tile that follows. */
AOTK_INLINE void aotk_part_run(const aotk_igemm *p, aotk_tile *t, const aotk_part *part,
                               const aotk_depth *d, aotk_cursor w, const aotk_cut *cut) {
    aotk_i64 tiles = cut->tiles;
    int act = part->act > AOTK_ACT_CLAMP, tail = part->valid < part->width;
    const float *next = t->next;
    t->step = (part->width * aotk_stored_bytes(part->stored) / 4 + tiles - 1) / tiles;
    for (aotk_i64 i = 0; i < tiles; i += t->count) {
        int mr = (int)(cut->size + (i < cut->larger));
        aotk_i64 alike = (i < cut->larger ? cut->larger : tiles) - i;
        aotk_cursor_rows(p, &w, t, mr, tail ? 1 : act && alike > AOTK_ACT_TILES ? AOTK_ACT_TILES : alike, part->col);
        if (next) {
            t->next = next + i * t->step * d->length;
            t->on_next = t->step * d->length;
        } else {
            t->next = t->count > 1 ? t->a[0] + t->on_a : w.a;
            t->on_next = t->on_a;
            t->step = aotk_fresh(p, d) * mr / (d->length + 1) + 1;
        }
        if (part->single) t->step = p->n * d->length > 2 * AOTK_L2_FLOATS ? AOTK_ROW_AHEAD : 0;
        if (d->k > 0) {
            for (int q = 0; q < mr; q++) t->r[q] = t->c[q];
            t->on_r = t->on_c;
        }
        if (tail) aotk_tile_tail(t, part, mr);
        else aotk_tile_call(t, part, mr);
        if (act && !tail) aotk_act_rows(t->c, mr, part->width, t->count, t->on_c, part->act);
    }
}

/* `rows` of `ld` floats, the latter a multiple of AOTK_VL. */
AOTK_INLINE void aotk_widen_rows(float *to, const char *b, aotk_i64 rows, aotk_i64 ld, int stored) {
    int steps = aotk_stored_steps(stored);
    for (aotk_i64 i = 0; i < rows * ld; i += ld * steps) {
        const char *from = b + i * aotk_stored_bytes(stored);
        for (aotk_i64 j = 0; j < ld; j += AOTK_VL) {
            for (int s = 0; s < steps; s++) aotk_store(to + i + s * ld + j, aotk_load_stored(from, j, stored, s));
        }
    }
}

AOTK_INLINE void aotk_widen(float *to, const char *from, aotk_i64 rows, aotk_i64 ld, int stored) {
    switch (stored) {
    case AOTK_STORED_F16: aotk_widen_rows(to, from, rows, ld, AOTK_STORED_F16); break;
    case AOTK_STORED_BF16: aotk_widen_rows(to, from, rows, ld, AOTK_STORED_BF16); break;
    case AOTK_STORED_I8: aotk_widen_rows(to, from, rows, ld, AOTK_STORED_I8); break;
    default: aotk_widen_rows(to, from, rows, ld, AOTK_STORED_BF16_PAIRS); break;
    }
}

/* Rows [begin, end) of panel `panel`, part by part, over one piece of K. After the first piece C
 * holds the sum so far and takes the place of bias and residual; only the last one applies the
 * activation. `wide`: where the weights are widened to, or NULL. */
AOTK_INLINE void aotk_panel_run(const aotk_igemm *p, aotk_tile *t, const aotk_depth *d, aotk_i64 panel,
                                aotk_i64 begin, aotk_i64 end, int fetch_a, float *wide) {
    AOTK_ALIGNED float bias[64];
    aotk_i64 k = aotk_b_depth(p), nr = aotk_igemm_nr(p), col = panel * nr;
    aotk_i64 valid = p->n - col < nr ? p->n - col : nr;
    aotk_i64 bytes = aotk_stored_bytes(p->b_stored);
    aotk_cursor first = aotk_cursor_at(p, begin);
    first.a += d->offset;
    aotk_cut cut = {0, 0, 0, 0};
    aotk_part part;
    part.act = d->k + d->length == aotk_sum_depth(p) ? p->act : AOTK_ACT_NONE;
    part.single = p->m0 * p->m1 * p->m2 == 1;
    int whole = part.single || (AOTK_VL == 8 && end - begin == 2); /* all columns at once, as one stream */
    int direct = AOTK_DIRECT && p->b_stored != AOTK_STORED_F32;
    t->ldb = (valid + 15) / 16 * 16;
    t->residual = p->residual != (void *)0 || d->k > 0;
    t->clamp = aotk_act_clamps(part.act);
    part.stored = p->b_stored;
    const char *b = (const char *)p->b + (col * k + d->at * t->ldb) * bytes;
    if (wide) aotk_widen(wide, b, d->length, t->ldb, part.stored);
    for (aotk_i64 at = 0; at < valid; at += part.width) {
        part.nv = whole ? aotk_row_vectors(t->ldb) : direct ? 2 : aotk_part_vectors(valid - at, end - begin);
        part.width = part.nv * AOTK_VL;
        part.col = col + at;
        part.valid = valid - at < part.width ? valid - at : part.width;
        part.b = b + at * bytes * aotk_stored_steps(part.stored);
        t->b = wide ? wide + at : (const float *)part.b;
        t->next = (const float *)(b + ((aotk_few(p) ? d->length : k) * t->ldb + at * d->length) * bytes);
        if (fetch_a) t->next = (const float *)0;
        if (whole) t->next = t->b;
        t->bias = bias;
        if (p->bias && d->k == 0 && part.valid == part.width) {
            t->bias = p->bias + part.col;
        } else {
            for (aotk_i64 j = 0; j < part.width; j++) bias[j] = 0;
            if (p->bias && d->k == 0) aotk_copy_columns(bias, p->bias + part.col, part.valid);
        }
        if (cut.most != aotk_part_rows(part.nv)) cut = aotk_cut_rows(end - begin, aotk_part_rows(part.nv));
        aotk_part_run(p, t, &part, d, first, &cut);
    }
}

/* Cuts m rows x n panels into `tasks` = (row cuts) x (column cuts) such that the largest piece is the smallest. Among
 * equals by columns, so that B is read once, or by rows if A and C together are larger than B: layers around this one
 * share their rows out too, and what a task reads was then written by the same thread, out of whose cache it would else
 * have to come. */
AOTK_INLINE aotk_i64 aotk_row_cuts(const aotk_igemm *p, aotk_i64 m, aotk_i64 panels) {
    aotk_depth d = aotk_depth_at(p, 0);
    aotk_i64 best = p->tasks, least = -1;
    int by_rows = m * (aotk_fresh(p, &d) + p->n) > p->n * d.length;
    for (aotk_i64 cuts = 1; cuts <= p->tasks; cuts++) {
        if (p->tasks % cuts) continue;
        aotk_i64 by = p->tasks / cuts;
        aotk_i64 piece = ((m + cuts - 1) / cuts) * ((panels + by - 1) / by);
        if (least < 0 || piece < least || (piece == least && by_rows)) {
            least = piece;
            best = cuts;
        }
    }
    return best;
}

/* Rows whose part of a fits AOTK_L2_FLOATS; with that of c where weights are widened, as their short pieces of K often come back
 * to c. */
AOTK_INLINE aotk_i64 aotk_block_rows(const aotk_igemm *p, const aotk_depth *d) {
    aotk_i64 fresh = aotk_fresh(p, d) + (aotk_widens(p) ? p->n : 0);
    aotk_i64 rows = fresh > 0 ? AOTK_L2_FLOATS / fresh : AOTK_L2_FLOATS;
    return rows < 96 ? 96 : rows;
}

/* Rows [begin, end) of panels [first, last): pieces of K, then panels. */
AOTK_INLINE void aotk_panels_run(const aotk_igemm *p, aotk_tile *t, aotk_i64 begin, aotk_i64 end, aotk_i64 first,
                                 aotk_i64 last, int fetch_a, float *wide) {
    aotk_i64 all = aotk_sum_depth(p), k = 0;
    do {
        aotk_depth d = aotk_depth_at(p, k);
        t->taps_h = d.taps_h;
        t->taps_w = d.taps_w;
        t->seg = d.seg;
        for (aotk_i64 panel = first; panel < last; panel++) {
            aotk_panel_run(p, t, &d, panel, begin, end, fetch_a && panel == first, wide);
        }
        k += d.length;
    } while (k < all);
}

/* Rows [begin, end) of panels [first, last): blocks of rows, then all panels, or of few rows one by one. */
AOTK_NOINLINE void aotk_igemm_part(const aotk_igemm *p, aotk_tile *t, aotk_i64 begin, aotk_i64 end,
                                   aotk_i64 first, aotk_i64 last, float *wide) {
    aotk_depth d = aotk_depth_at(p, 0);
    aotk_i64 most = aotk_block_rows(p, &d), blocks = (end - begin + most - 1) / most;
    aotk_i64 size = (end - begin) * aotk_fresh(p, &d), at_once = aotk_few(p) ? 1 : last - first;
    int fetch_a = p->a2 <= d.length && (size > AOTK_L2_FLOATS || last - first == 1);
    for (aotk_i64 i = 0; i < blocks; i++) {
        aotk_i64 from = begin + (end - begin) * i / blocks;
        aotk_i64 to = begin + (end - begin) * (i + 1) / blocks;
        for (aotk_i64 at = first; at < last; at += at_once) {
            aotk_panels_run(p, t, from, to, at, at + at_once, fetch_a && at == first, wide);
        }
    }
}

AOTK_NOINLINE void aotk_igemm_widened(const aotk_igemm *p, aotk_tile *t, aotk_i64 begin, aotk_i64 end,
                                      aotk_i64 first, aotk_i64 last) {
    AOTK_ALIGNED float wide[(AOTK_KC_16 + AOTK_KC_16 / 2) * 64];
    aotk_igemm_part(p, t, begin, end, first, last, wide);
}

#if AOTK_VL > 1
/* Line by line, all panels of each; what a task has less than a vector of rows of, by tiles. */
AOTK_NOINLINE void aotk_igemm_wide(const aotk_igemm *p, aotk_tile *t, aotk_i64 begin, aotk_i64 end, aotk_i64 first,
                                   aotk_i64 last) {
    aotk_i64 nr = aotk_igemm_nr(p), depth = aotk_sum_depth(p);
    aotk_cursor w = aotk_cursor_at(p, begin);
    for (aotk_i64 m = begin, rows; m < end; m += rows) {
        rows = p->m2 - w.i2 < end - m ? p->m2 - w.i2 : end - m;
        if (rows < AOTK_VL) aotk_igemm_part(p, t, m, m + rows, first, last, (float *)0);
        for (aotk_i64 panel = first; rows >= AOTK_VL && panel < last; panel++) {
            aotk_i64 col = panel * nr, to = p->n - col < nr ? p->n : col + nr;
            aotk_wide_line(p, t, &w, rows, (const float *)p->b + col * depth, col, to);
        }
        aotk_cursor_along(p, &w, rows);
    }
}
#endif

AOTK_INLINE void aotk_igemm_rows(const aotk_igemm *p) {
    aotk_i64 m = p->m0 * p->m1 * p->m2, nr = aotk_igemm_nr(p), panels = (p->n + nr - 1) / nr;
    if (m <= 0 || panels <= 0) return;
    aotk_i64 begin = 0, end = m, first = 0, last = panels;
    if (p->tasks > 1) {
        aotk_i64 cuts = aotk_row_cuts(p, m, panels), by = p->tasks / cuts;
        aotk_i64 row = p->task / by, column = p->task % by;
        begin = m * row / cuts;
        end = m * (row + 1) / cuts;
        first = panels * column / by;
        last = panels * (column + 1) / by;
    }
    aotk_tile t;
    t.tap_h = p->tap_h;
    t.tap_w = p->tap_w;
    t.lo = aotk_act_lo(p->act, p->lo);
    t.hi = aotk_act_hi(p->act, p->hi);
#if AOTK_VL > 1
    if (aotk_is_wide(p)) {
        aotk_igemm_wide(p, &t, begin, end, first, last);
        return;
    }
    if (aotk_is_narrow(p)) {
        if (first < last) aotk_igemm_narrow(p, begin, end);
        return;
    }
#endif
#if AOTK_PAIRS
    if (aotk_paired(p)) {
        aotk_igemm_pairs(p, begin, end, first, last);
        return;
    }
#endif
    if (aotk_widens(p)) aotk_igemm_widened(p, &t, begin, end, first, last);
    else aotk_igemm_part(p, &t, begin, end, first, last, (float *)0);
}

/* Where group `group` ends. */
AOTK_INLINE aotk_i64 aotk_group_end(const aotk_igemm *p, aotk_i64 group) {
    aotk_i64 end = group < 0 ? 0 : group < p->groups ? p->ends[group] : p->m2;
    return end < 0 ? 0 : end > p->m2 ? p->m2 : end;
}

/* The rows of group `group`; of p->groups, those behind the last one. */
AOTK_NOINLINE void aotk_igemm_group(const aotk_igemm *p, aotk_i64 group) {
    aotk_i64 from = aotk_group_end(p, group - 1), to = aotk_group_end(p, group);
    aotk_igemm rows = *p;
    rows.a += from * p->a2;
    rows.c += from * p->c2;
    if (p->residual) rows.residual += from * p->r2;
    rows.m2 = to - from;
    if (group == p->groups) {
        rows.seg = 0;
        rows.features = 0;
    }
    aotk_igemm_rows(&rows);
}

AOTK_API void AOTK_NAME(aotk_igemm_f32)(const aotk_igemm *p) {
    if (!p->ends) {
        aotk_igemm_rows(p);
        return;
    }
    aotk_igemm_group(p, p->group);
    if (p->group == p->groups - 1) aotk_igemm_group(p, p->groups);
}
