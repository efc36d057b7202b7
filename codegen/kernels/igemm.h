/* SPDX-License-Identifier: MIT */
/* The walk of an implicit GEMM over blocks of rows, pieces of K, panels and tiles, whatever way weights are stored.
 * igemm_f32.c says why it is fast; that and igemm_stored.c have the tiles. */
#ifndef AOTK_IGEMM_H
#define AOTK_IGEMM_H

#include "walk.h"

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
AOTK_INLINE void aotk_row_run(const aotk_tile *t, int nv, int ku, int stored) {
    aotk_vf acc[8][8];
    const char *b = (const char *)t->b;
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

/* Of each width, in vectors; the steps of k at once are what the registers hold. */
#define AOTK_ROW(nv, ku, of)                                                                       \
    AOTK_NOINLINE void aotk_row_##nv##_##of(const aotk_tile *t) {                                  \
        aotk_row_run(t, nv, ku, AOTK_STORED_##of);                                                 \
    }
#define AOTK_ROW_CASE(nv, ku, of)                                                                  \
    case nv: aotk_row_##nv##_##of(t); break;
#if AOTK_VL == 16
#define AOTK_ROWS(X, of) X(1, 8, of) X(2, 6, of) X(3, 4, of) X(4, 4, of)
#elif AOTK_VL == 8
#define AOTK_ROWS(X, of) X(2, 5, of) X(4, 3, of) X(6, 2, of) X(8, 1, of)
#else
#define AOTK_ROWS(X, of) X(4, 3, of) X(8, 1, of)
#endif
#else
#define AOTK_ROWS(X, of)
#endif

/* The row kernel takes the widest part it can, so that B is one stream. */
AOTK_INLINE int aotk_row_vectors(aotk_i64 width) {
#if AOTK_VL >= 8
    return (int)(width / AOTK_VL);
#elif AOTK_VL > 1
    return width % 32 == 0 ? 8 : 4;
#else
    return aotk_part_vectors(width, 1);
#endif
}

/* Tiles of whole panels, which two rows take. */
#if AOTK_VL == 8
#define AOTK_WHOLE_TILES(X, of) X(2, 4, of) X(2, 6, of) X(2, 8, of)
#else
#define AOTK_WHOLE_TILES(X, of)
#endif

/* ----------------------------------------------------------------------------------- the driver */

/* Columns [col, col + width) of C, `valid` of them real: one part of a panel. */
typedef struct aotk_part {
    aotk_i64 col, width, valid;
    int nv, single; /* single: M = 1 */
    int stored;     /* what its tiles read: AOTK_STORED_F32 once it is widened */
    int act;        /* of this pass over the part */
} aotk_part;

AOTK_INLINE aotk_i64 aotk_igemm_nr(const aotk_igemm *p) {
    return aotk_panel_nr(aotk_b_depth(p), p->n, p->b_stored == AOTK_STORED_BF16_PAIRS);
}

/* What the tiles bring: how one is run, and where weights are widened into a buffer before, how and which; else NULL. */
typedef struct aotk_ways {
    void (*tile)(const aotk_tile *t, const aotk_part *part, int mr);
    void (*widen)(float *to, const char *b, aotk_i64 rows, aotk_i64 ld);
    float *wide;
} aotk_ways;

/* The last columns of C: in and out through a temporary of the part's full width. */
AOTK_NOINLINE void aotk_tile_tail(const aotk_ways *ways, aotk_tile *t, const aotk_part *part, int mr) {
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
    ways->tile(t, part, mr);
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
AOTK_INLINE void aotk_part_run(const aotk_igemm *p, const aotk_ways *ways, aotk_tile *t, const aotk_part *part,
                               const aotk_depth *d, aotk_cursor w, const aotk_cut *cut) {
    aotk_i64 tiles = cut->tiles;
    int act = part->act > AOTK_ACT_CLAMP, tail = part->valid < part->width;
    const float *next = t->next;
    t->step = (part->width * aotk_stored_bytes(p->b_stored) / 4 + tiles - 1) / tiles;
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
        if (tail) aotk_tile_tail(ways, t, part, mr);
        else ways->tile(t, part, mr);
        if (act && !tail) aotk_act_rows(t->c, mr, part->width, t->count, t->on_c, part->act);
    }
}

/* Rows [begin, end) of panel `panel`, part by part, over one piece of K. After the first piece C
 * holds the sum so far and takes the place of bias and residual; only the last one applies the
 * activation. */
AOTK_INLINE void aotk_panel_run(const aotk_igemm *p, const aotk_ways *ways, aotk_tile *t, const aotk_depth *d, aotk_i64 panel,
                                aotk_i64 begin, aotk_i64 end, int fetch_a) {
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
    t->ldb = (valid + 15) / 16 * 16;
    t->residual = p->residual != (void *)0 || d->k > 0;
    t->clamp = aotk_act_clamps(part.act);
    part.stored = ways->wide ? AOTK_STORED_F32 : p->b_stored;
    const char *b = (const char *)p->b + (col * k + d->at * t->ldb) * bytes;
    if (ways->wide) ways->widen(ways->wide, b, d->length, t->ldb);
    for (aotk_i64 at = 0; at < valid; at += part.width) {
        part.nv = whole                                               ? aotk_row_vectors(t->ldb)
                  : AOTK_VL == 8 && part.stored != AOTK_STORED_F32 ? 2
                                                                      : aotk_part_vectors(valid - at, end - begin);
        part.width = part.nv * AOTK_VL;
        part.col = col + at;
        part.valid = valid - at < part.width ? valid - at : part.width;
        t->b = ways->wide ? ways->wide + at : (const float *)(b + at * bytes * aotk_stored_steps(p->b_stored));
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
        aotk_part_run(p, ways, t, &part, d, first, &cut);
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
AOTK_INLINE void aotk_panels_run(const aotk_igemm *p, const aotk_ways *ways, aotk_tile *t, aotk_i64 begin, aotk_i64 end,
                                 aotk_i64 first, aotk_i64 last, int fetch_a) {
    aotk_i64 all = aotk_sum_depth(p), k = 0;
    do {
        aotk_depth d = aotk_depth_at(p, k);
        t->taps_h = d.taps_h;
        t->taps_w = d.taps_w;
        t->seg = d.seg;
        for (aotk_i64 panel = first; panel < last; panel++) {
            aotk_panel_run(p, ways, t, &d, panel, begin, end, fetch_a && panel == first);
        }
        k += d.length;
    } while (k < all);
}

/* Rows [begin, end) of panels [first, last): blocks of rows, then all panels, or of few rows one by one. */
AOTK_NOINLINE void aotk_igemm_part(const aotk_igemm *p, const aotk_ways *ways, aotk_tile *t, aotk_i64 begin, aotk_i64 end,
                                   aotk_i64 first, aotk_i64 last) {
    aotk_depth d = aotk_depth_at(p, 0);
    aotk_i64 most = aotk_block_rows(p, &d), blocks = (end - begin + most - 1) / most;
    aotk_i64 size = (end - begin) * aotk_fresh(p, &d), at_once = aotk_few(p) ? 1 : last - first;
    int fetch_a = p->a2 <= d.length && (size > AOTK_L2_FLOATS || last - first == 1);
    for (aotk_i64 i = 0; i < blocks; i++) {
        aotk_i64 from = begin + (end - begin) * i / blocks;
        aotk_i64 to = begin + (end - begin) * (i + 1) / blocks;
        for (aotk_i64 at = first; at < last; at += at_once) {
            aotk_panels_run(p, ways, t, from, to, at, at + at_once, fetch_a && at == first);
        }
    }
}

/* Rows and panels. */
typedef struct aotk_share {
    aotk_i64 begin, end, first, last;
} aotk_share;

/* What of a product is this task's; nothing if it has no rows. */
AOTK_INLINE aotk_share aotk_share_of(const aotk_igemm *p) {
    aotk_i64 m = p->m0 * p->m1 * p->m2, nr = aotk_igemm_nr(p), panels = (p->n + nr - 1) / nr;
    if (m <= 0 || p->tasks <= 1) return (aotk_share){0, m < 0 ? 0 : m, 0, panels};
    aotk_i64 cuts = aotk_row_cuts(p, m, panels), by = p->tasks / cuts, row = p->task / by, column = p->task % by;
    return (aotk_share){m * row / cuts, m * (row + 1) / cuts, panels * column / by, panels * (column + 1) / by};
}

/* What all tiles of a product have in common. */
AOTK_INLINE aotk_tile aotk_tile_of(const aotk_igemm *p) {
    aotk_tile t;
    t.tap_h = p->tap_h;
    t.tap_w = p->tap_w;
    t.lo = aotk_act_lo(p->act, p->lo);
    t.hi = aotk_act_hi(p->act, p->hi);
    return t;
}

/* Where group `group` ends. */
AOTK_INLINE aotk_i64 aotk_group_end(const aotk_igemm *p, aotk_i64 group) {
    aotk_i64 end = group < 0 ? 0 : group < p->groups ? p->ends[group] : p->m2;
    return end < 0 ? 0 : end > p->m2 ? p->m2 : end;
}

/* The product of the rows of group `group`; of p->groups, of those behind the last one. */
AOTK_NOINLINE aotk_igemm aotk_group_of(const aotk_igemm *p, aotk_i64 group) {
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
    return rows;
}

/* What `product` computes of a call: all rows, or those of a group. */
AOTK_INLINE void aotk_groups(const aotk_igemm *p, void (*product)(const aotk_igemm *)) {
    if (!p->ends) {
        product(p);
        return;
    }
    aotk_i64 last = p->group < p->groups - 1 ? p->group : p->groups;
    for (aotk_i64 group = p->group; group <= last; group++) {
        aotk_igemm rows = aotk_group_of(p, group);
        product(&rows);
    }
}

#endif
