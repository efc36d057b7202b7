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
 * igemm.h walks, tile.h has the tiles. Weights that are stored in fewer bits: igemm_stored.c.
 *
 * Of up to six columns a vector would be mostly padding: narrow.h sums along K instead. A convolution of one channel has a
 * short K: wide.h has vectors of rows.
 *
 * A tail of n narrower than a part is computed in a temporary, with the same code.
 */
#include "igemm.h"
#include "narrow.h"
#include "wide.h"

AOTK_ROWS(AOTK_ROW, F32)
AOTK_WHOLE_TILES(AOTK_TILE, F32)

AOTK_NOINLINE void aotk_part_F32(const aotk_tile *t, const aotk_part *part, int mr) {
    if (AOTK_VL > 1 && part->single) {
        switch (part->nv) { AOTK_ROWS(AOTK_ROW_CASE, F32) default: break; }
        return;
    }
    switch (part->nv * 16 + mr) { AOTK_TILES(AOTK_TILE_CASE, F32) AOTK_WHOLE_TILES(AOTK_TILE_CASE, F32) default: break; }
}

#if AOTK_VL > 1
/* Line by line, all panels of each; what a task has less than a vector of rows of, by tiles. */
AOTK_NOINLINE void aotk_igemm_wide(const aotk_igemm *p, const aotk_ways *ways, aotk_tile *t, const aotk_share *s) {
    aotk_i64 nr = aotk_igemm_nr(p), depth = aotk_sum_depth(p);
    aotk_cursor w = aotk_cursor_at(p, s->begin);
    for (aotk_i64 m = s->begin, rows; m < s->end; m += rows) {
        rows = p->m2 - w.i2 < s->end - m ? p->m2 - w.i2 : s->end - m;
        if (rows < AOTK_VL) aotk_igemm_part(p, ways, t, m, m + rows, s->first, s->last);
        for (aotk_i64 panel = s->first; rows >= AOTK_VL && panel < s->last; panel++) {
            aotk_i64 col = panel * nr, to = p->n - col < nr ? p->n : col + nr;
            aotk_wide_line(p, t, &w, rows, (const float *)p->b + col * depth, col, to);
        }
        aotk_cursor_along(p, &w, rows);
    }
}
#endif

AOTK_NOINLINE void aotk_product_F32(const aotk_igemm *p) {
    aotk_share s = aotk_share_of(p);
    if (s.begin == s.end || s.first == s.last) return;
    aotk_tile t = aotk_tile_of(p);
    aotk_ways ways = {aotk_part_F32, 0, 0};
#if AOTK_VL > 1
    if (aotk_is_wide(p)) {
        aotk_igemm_wide(p, &ways, &t, &s);
        return;
    }
    if (aotk_is_narrow(p)) {
        aotk_igemm_narrow(p, s.begin, s.end);
        return;
    }
#endif
    aotk_igemm_part(p, &ways, &t, s.begin, s.end, s.first, s.last);
}

AOTK_API void AOTK_NAME(aotk_igemm_f32)(const aotk_igemm *p) {
    aotk_groups(p, aotk_product_F32);
}
