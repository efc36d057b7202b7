/* SPDX-License-Identifier: MIT */
/* 3x3 convolution of stride 1, and d x 3x3 of volumes, dilated or not, by Winograd's minimal filtering: F(4x4, 3x3) and
 * F(2x2, 3x3) of Lavin and Gray, arXiv:1509.09308. The interpolation points of the former are 0, +-11/16, +-3/2 and infinity: with them
 * the error is less than half of that with the usual +-1 and +-2 (why: Barabasz et al., arXiv:1803.10986), and
 * every constant is exact. Those of the latter are 0, +-1 and infinity.
 *
 * An output tile of T x T pixels takes A x A products a channel, A = T + 2, instead of 9 T^2: 4 or 2.25
 * times fewer. How it goes, for one block of tiles at a time, that V and M stay in the L2 cache:
 *
 *   V[e][tile][planes * cin] = B' d B for the A x A pixels d under each tile, e < A^2
 *   for each panel of NR output channels:
 *       M[e][tile][NR] = V[e] U[e]: A^2 small products, U streaming by once, its next matrix prefetched
 *       y = act(A' M A + bias + residual)
 *
 * Panels outside, matrices inside: M is narrow, and what leaves it is still in the cache. A tile that
 * reaches over the edge reads zeros there and stores what is inside. The planes of a volume's filter are summed as channels
 * are, those of x below a tile being transformed one by one. A filter dilated by D meets only every D-th pixel: D^2
 * images, D pixels from one of theirs to the next. Matrices lie a line more than their size apart, else those of 16 tiles
 * would share one set of the L1 cache.
 */
#include "tile.h"

#define AOTK_A 0.6875f
#define AOTK_B 1.5f
#define AOTK_A2 0.47265625f
#define AOTK_B2 2.25f

enum { AOTK_WINOGRAD_A = 6, AOTK_WINOGRAD_PAD = 16 }; /* the larger A; floats between rows of V, and between matrices */
enum { AOTK_WINOGRAD_FEW = 64 };                      /* fewer channels are summed in halves */

/* Products behind each other in the sums of M. */
AOTK_INLINE aotk_i64 aotk_winograd_depth(const aotk_winograd *p) {
    return p->planes * p->cin;
}

/* t = B' d, one column. */
AOTK_INLINE void aotk_winograd_in(int tile, const aotk_vf *d, aotk_vf *t) {
    if (tile == 4) {
        aotk_vf a = d[4] - AOTK_B2 * d[2], b = AOTK_A * (d[3] - AOTK_B2 * d[1]);
        aotk_vf c = d[4] - AOTK_A2 * d[2], e = AOTK_B * (d[3] - AOTK_A2 * d[1]);
        t[0] = AOTK_A2 * AOTK_B2 * d[0] - (AOTK_A2 + AOTK_B2) * d[2] + d[4];
        t[1] = a + b;
        t[2] = a - b;
        t[3] = c + e;
        t[4] = c - e;
        t[5] = AOTK_A2 * AOTK_B2 * d[1] - (AOTK_A2 + AOTK_B2) * d[3] + d[5];
    } else {
        t[0] = d[0] - d[2];
        t[1] = d[1] + d[2];
        t[2] = d[2] - d[1];
        t[3] = d[1] - d[3];
    }
}

/* y = A' m, one column. */
AOTK_INLINE void aotk_winograd_out(int tile, const aotk_vf *m, aotk_vf *y) {
    if (tile == 4) {
        aotk_vf a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], d = m[3] - m[4];
        y[0] = m[0] + a + c;
        y[1] = AOTK_A * b + AOTK_B * d;
        y[2] = AOTK_A2 * a + AOTK_B2 * c;
        y[3] = AOTK_A * AOTK_A2 * b + AOTK_B * AOTK_B2 * d + m[5];
    } else {
        y[0] = m[0] + m[1] + m[2];
        y[1] = m[1] - m[2] - m[3];
    }
}

/* A tile: its first input and output pixel, and how many of each lie inside. */
typedef struct aotk_winograd_spot {
    const float *x, *residual;
    float *y;
    aotk_i64 rows, columns; /* of the output, from here on; may be more than the tile has */
} aotk_winograd_spot;

/* The first pixel of tile t of aotk_winograd_tiles, image after image. */
AOTK_INLINE aotk_i64 aotk_winograd_pixel(const aotk_winograd *p, aotk_i64 pixels, aotk_i64 dilation, aotk_i64 t) {
    aotk_i64 longer = pixels % dilation, size = pixels / dilation, image = 0, tiles = (size + p->tile) / p->tile;
    if (t >= longer * tiles) {
        t -= longer * tiles;
        image = longer;
        tiles = (size + p->tile - 1) / p->tile;
    }
    return image + t / tiles + t % tiles * p->tile * dilation;
}

AOTK_INLINE aotk_winograd_spot aotk_winograd_at(const aotk_winograd *p, aotk_i64 t) {
    aotk_i64 wide = aotk_winograd_tiles(p->ow, p->tile, p->dilation_w), high = aotk_winograd_tiles(p->oh, p->tile, p->dilation_h);
    aotk_i64 ox = aotk_winograd_pixel(p, p->ow, p->dilation_w, t % wide), b = t / wide / high;
    aotk_i64 oy = aotk_winograd_pixel(p, p->oh, p->dilation_h, t / wide % high);
    aotk_winograd_spot s;
    s.x = p->x + (b * p->x_n + oy * p->x_h + ox * p->x_w);
    s.y = p->y + (b * p->y_n + oy * p->y_h + ox * p->y_w);
    s.residual = p->residual ? p->residual + (b * p->r_n + oy * p->r_h + ox * p->r_w) : (const float *)0;
    s.rows = (p->oh - oy + p->dilation_h - 1) / p->dilation_h;
    s.columns = (p->ow - ox + p->dilation_w - 1) / p->dilation_w;
    return s;
}

/* v[e * step + c] for all channels c of one plane, whose pixels under the tile begin at `from`; `whole`: all of them exist. */
AOTK_INLINE void aotk_winograd_tile_in(const aotk_winograd *p, const aotk_winograd_spot *s, const float *from, float *v,
                                       aotk_i64 step, int tile, int whole) {
    int a = tile + 2;
    aotk_i64 x_h = p->x_h * p->dilation_h, x_w = p->x_w * p->dilation_w;
    for (aotk_i64 c = 0; c < p->cin; c += AOTK_VL) {
        aotk_vf half[AOTK_WINOGRAD_A][AOTK_WINOGRAD_A];
        AOTK_UNROLL
        for (int j = 0; j < a; j++) {
            aotk_vf d[AOTK_WINOGRAD_A], t[AOTK_WINOGRAD_A];
            const float *x = from + j * x_w + c;
            AOTK_UNROLL
            for (int i = 0; i < a; i++) {
                if (whole || (i < s->rows + 2 && j < s->columns + 2)) d[i] = aotk_load(x + i * x_h);
                else d[i] = aotk_splat(0.0f);
            }
            aotk_winograd_in(tile, d, t);
            AOTK_UNROLL
            for (int i = 0; i < a; i++) half[i][j] = t[i];
        }
        float *to = v + c;
        AOTK_UNROLL
        for (int i = 0; i < a; i++) {
            aotk_vf t[AOTK_WINOGRAD_A];
            aotk_winograd_in(tile, half[i], t);
            AOTK_UNROLL
            for (int j = 0; j < a; j++, to += step) aotk_store(to, t[j]);
        }
    }
}

/* Columns [0, width) of the outputs of a tile from m[e * step + column]; the caller has moved the
 * pointers to the first column. */
AOTK_INLINE void aotk_winograd_tile_out(const aotk_winograd *p, const aotk_winograd_spot *s, const float *bias,
                                        const float *m, aotk_i64 step, aotk_i64 width, int tile) {
    int a = tile + 2, clamp = aotk_act_clamps(p->act);
    float lo = aotk_act_lo(p->act, p->lo), hi = aotk_act_hi(p->act, p->hi);
    aotk_i64 rows = s->rows < tile ? s->rows : tile, columns = s->columns < tile ? s->columns : tile;
    aotk_i64 y_h = p->y_h * p->dilation_h, y_w = p->y_w * p->dilation_w;
    aotk_i64 r_h = p->r_h * p->dilation_h, r_w = p->r_w * p->dilation_w;
    for (aotk_i64 c = 0; c < width; c += AOTK_VL) {
        aotk_vf half[4][AOTK_WINOGRAD_A], first = bias ? aotk_load(bias + c) : aotk_splat(0.0f);
        AOTK_UNROLL
        for (int j = 0; j < a; j++) {
            aotk_vf d[AOTK_WINOGRAD_A], t[4];
            AOTK_UNROLL
            for (int i = 0; i < a; i++) d[i] = aotk_load(m + (i * a + j) * step + c);
            aotk_winograd_out(tile, d, t);
            AOTK_UNROLL
            for (int i = 0; i < tile; i++) half[i][j] = t[i];
        }
        AOTK_UNROLL
        for (int i = 0; i < tile; i++) {
            aotk_vf t[4];
            if (i >= rows) break;
            aotk_winograd_out(tile, half[i], t);
            AOTK_UNROLL
            for (int j = 0; j < tile; j++) {
                if (j >= columns) break;
                t[j] += first;
                if (s->residual) t[j] += aotk_load(s->residual + (i * r_h + j * r_w + c));
                if (clamp) t[j] = aotk_clamp(t[j], lo, hi);
                aotk_store(s->y + (i * y_h + j * y_w + c), t[j]);
            }
        }
    }
    if (p->act > AOTK_ACT_CLAMP) {
        float *row[4];
        for (aotk_i64 i = 0; i < rows; i++) row[i] = s->y + i * y_h;
        aotk_act_rows(row, (int)rows, width, columns, y_w, p->act);
    }
}

#define AOTK_WINOGRAD(tile)                                                                                  \
    AOTK_NOINLINE void aotk_winograd_in_##tile(const aotk_winograd *p, const aotk_winograd_spot *s, float *v, \
                                               aotk_i64 step) {                                              \
        const float *x = s->x;                                                                               \
        for (aotk_i64 d = 0; d < p->planes; d++, x += p->x_d, v += p->cin) {                                 \
            if (s->rows >= tile && s->columns >= tile) aotk_winograd_tile_in(p, s, x, v, step, tile, 1);     \
            else aotk_winograd_tile_in(p, s, x, v, step, tile, 0);                                           \
        }                                                                                                    \
    }                                                                                                        \
    AOTK_NOINLINE void aotk_winograd_out_##tile(const aotk_winograd *p, const aotk_winograd_spot *s,         \
                                                const float *bias, const float *m, aotk_i64 step,            \
                                                aotk_i64 width) {                                            \
        aotk_winograd_tile_out(p, s, bias, m, step, width, tile);                                            \
    }

AOTK_WINOGRAD(2)
AOTK_WINOGRAD(4)

/* nv vectors of the rows of one matrix, tile by tile: a[row * lda] times t->b into c[row * 64]. */
AOTK_INLINE void aotk_winograd_matrix(aotk_tile *t, const float *a, aotk_i64 lda, float *c, aotk_i64 rows, int nv) {
    aotk_i64 most = aotk_part_rows(nv), tiles = (rows + most - 1) / most, size = rows / tiles, larger = rows % tiles;
    t->step = (nv * AOTK_VL + tiles - 1) / tiles;
    t->on_next = t->step * t->seg;
    for (aotk_i64 i = 0; i < tiles; i += t->count) {
        int mr = (int)(size + (i < larger));
        t->count = (i < larger ? larger : tiles) - i;
        t->on_a = mr * lda;
        t->on_c = t->on_r = mr * 64;
        for (int q = 0; q < mr; q++) {
            t->a[q] = a + q * lda;
            t->c[q] = c + q * 64;
            t->r[q] = t->c[q];
        }
        aotk_tile_any(t, mr, nv);
        a += t->count * t->on_a;
        c += t->count * t->on_c;
        t->next += t->count * t->on_next;
    }
}

/* M = V U for one panel `width` columns wide: matrix after matrix, part after part, tile after tile. The error of 4x4 tiles
 * is most of all that of these sums. Images of few channels come first in a model, and all behind them amplifies their
 * error: their channels are summed in two halves, which are then added. */
AOTK_INLINE void aotk_winograd_products(const aotk_winograd *p, aotk_tile *t, const float *v, const float *u,
                                        float *m, aotk_i64 rows, aotk_i64 most, aotk_i64 width) {
    aotk_i64 depth = aotk_winograd_depth(p), ldv = depth + AOTK_WINOGRAD_PAD, all = (p->tile + 2) * (p->tile + 2);
    aotk_i64 pieces = p->tile == 4 && depth < AOTK_WINOGRAD_FEW && depth >= AOTK_WINOGRAD_FEW / 2 ? 2 : 1;
    int nv = aotk_part_vectors(width, rows);
    t->ldb = width;
    t->seg = depth / pieces;
    aotk_i64 next_v = most * ldv + AOTK_WINOGRAD_PAD, next_m = most * 64 + AOTK_WINOGRAD_PAD;
    for (aotk_i64 e = 0; e < all; e++, u += depth * width, v += next_v, m += next_m) {
        for (aotk_i64 at = 0; at < width; at += nv * AOTK_VL) {
            t->next = u + depth * (width + at);
            for (aotk_i64 piece = 0; piece < pieces; piece++) {
                t->b = u + piece * t->seg * width + at;
                t->residual = piece > 0;
                aotk_winograd_matrix(t, v + piece * t->seg, ldv, m + at, rows, nv);
            }
        }
    }
}

/* Tiles [begin, end), no more than fit a block. */
AOTK_INLINE void aotk_winograd_block_run(const aotk_winograd *p, aotk_tile *t, float *work, aotk_i64 begin,
                                         aotk_i64 end) {
    aotk_winograd_spot spots[AOTK_WINOGRAD_TILES];
    aotk_i64 most = p->block, depth = aotk_winograd_depth(p), ldv = depth + AOTK_WINOGRAD_PAD;
    aotk_i64 next_v = most * ldv + AOTK_WINOGRAD_PAD, next_m = most * 64 + AOTK_WINOGRAD_PAD;
    aotk_i64 all = (p->tile + 2) * (p->tile + 2), nr = aotk_panel_nr(depth, p->cout, 0);
    float *v = work, *m = work + all * next_v;
    for (aotk_i64 i = begin; i < end; i++) {
        aotk_winograd_spot *s = &spots[i - begin];
        float *to = v + (i - begin) * ldv;
        *s = aotk_winograd_at(p, i);
        if (p->tile == 4) aotk_winograd_in_4(p, s, to, next_v);
        else aotk_winograd_in_2(p, s, to, next_v);
    }
    for (aotk_i64 col = 0; col < p->cout; col += nr) {
        aotk_i64 width = p->cout - col < nr ? p->cout - col : nr;
        aotk_winograd_products(p, t, v, p->u + col * depth * all, m, end - begin, most, width);
        for (aotk_i64 i = begin; i < end; i++) {
            aotk_winograd_spot s = spots[i - begin];
            const float *from = m + (i - begin) * 64, *bias = p->bias ? p->bias + col : (const float *)0;
            s.y += col;
            if (s.residual) s.residual += col;
            if (p->tile == 4) aotk_winograd_out_4(p, &s, bias, from, next_m, width);
            else aotk_winograd_out_2(p, &s, bias, from, next_m, width);
        }
    }
}

AOTK_API void AOTK_NAME(aotk_winograd_f32)(const aotk_winograd *p) {
    AOTK_ALIGNED float zeros[64];
    aotk_i64 wide = aotk_winograd_tiles(p->ow, p->tile, p->dilation_w), high = aotk_winograd_tiles(p->oh, p->tile, p->dilation_h);
    aotk_i64 all = p->n * wide * high;
    aotk_i64 begin = all * p->task / p->tasks, count = all * (p->task + 1) / p->tasks - begin;
    aotk_i64 blocks = (count + p->block - 1) / p->block;
    aotk_tile t;
    for (int i = 0; i < 64; i++) zeros[i] = 0.0f;
    t.bias = zeros;
    t.clamp = 0;
    t.lo = t.hi = 0.0f;
    t.taps_h = t.taps_w = 1;
    t.tap_h = t.tap_w = 0;
    for (aotk_i64 i = 0; i < blocks; i++) {
        aotk_winograd_block_run(p, &t, p->work, begin + count * i / blocks, begin + count * (i + 1) / blocks);
    }
}
