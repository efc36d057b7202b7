/* SPDX-License-Identifier: MIT */
/* Depthwise convolution of NHWC tensors: every channel by its own small filter; or, in groups of 2, 4 or 8 channels,
 * by as many filters as the group has channels.
 *
 * A vector of channels of AOTK_PIXELS neighbouring output pixels stays in registers while the filter
 * is walked, and no shuffle is needed. For the usual filters and strides, which are constants of a
 * tile, a pixel of x is loaded once for all the sums of a line that need it; for others once for each
 * multiply-add. A column of tiles is walked down a block of rows, so that loads come out of the L1
 * cache: neighbouring pixels lie too far apart for the processor to fetch them ahead by itself.
 * Pixels of 128, 256, 512 or 1024 channels and their multiples lie in a few sets of that cache, which do not hold what a
 * tile reads: a line of channels of a block is copied to where the pixels lie side by side.
 * Where a vector holds whole groups, each channel of x is spread over the lanes of its group by a shuffle, else it is
 * the same number for all lanes.
 * Channels past the last whole vector are done by a vector that ends with them. Where there are fewer
 * than a vector holds, it reads what lies behind them as well, sums it in vain and does not store it; only in the
 * last row, behind which there may be nothing, channels are done one by one.
 */
#include "walk.h"

enum { AOTK_PIXELS = 8, AOTK_BLOCK_LINES = 256, AOTK_BLOCK_FLOATS = 192 << 10, AOTK_IMAGE_FLOATS = 256 << 10 };

/* Channels of a cache line, and how many are done before the next ones: half a line is seldom there when the other half
 * is wanted. Lines that are copied, and the least sets and ways of an L1 cache. */
enum { AOTK_LINE = 16, AOTK_CHANNELS = AOTK_VL == 16 ? 16 : 32, AOTK_COPIED = 400, AOTK_SETS = 64, AOTK_WAYS = 8 };

/* Where one tile works: its first output pixel and channel; x at that of the group, if that is wider than a vector. */
typedef struct aotk_spot {
    const float *x, *w, *bias, *residual;
    float *y;
} aotk_spot;

/* Whether activations beyond the registers are left to the caller of a tile, who has more of them to do at once. */
AOTK_INLINE int aotk_depthwise_late(const aotk_depthwise *p) {
    return p->act > AOTK_ACT_CLAMP && p->c % AOTK_VL == 0;
}

/* The sums of `pixels` pixels go through the activation and to y. */
AOTK_NOINLINE void aotk_depthwise_row(const aotk_depthwise *p, float *y, float *row, int pixels) {
    if (p->act > AOTK_ACT_CLAMP) aotk_act_row(row, pixels * AOTK_VL, p->act);
    for (int i = 0; i < pixels; i++) {
        if (p->c < AOTK_VL) aotk_copy_columns(y + i * p->y_w, row + i * AOTK_VL, p->c);
        else aotk_store(y + i * p->y_w, aotk_load(row + i * AOTK_VL));
    }
}

#if AOTK_VL > 1
#define AOTK_LANE(n, group, i) ((n) / (group) * (group) + (i))
#define AOTK_LANES4(n, g, i) AOTK_LANE(n, g, i), AOTK_LANE(n + 1, g, i), AOTK_LANE(n + 2, g, i), AOTK_LANE(n + 3, g, i)
#if AOTK_VL == 16
#define AOTK_LANES(g, i) AOTK_LANES4(0, g, i), AOTK_LANES4(4, g, i), AOTK_LANES4(8, g, i), AOTK_LANES4(12, g, i)
#elif AOTK_VL == 8
#define AOTK_LANES(g, i) AOTK_LANES4(0, g, i), AOTK_LANES4(4, g, i)
#else
#define AOTK_LANES(g, i) AOTK_LANES4(0, g, i)
#endif
#define AOTK_SPREAD(g, i)                                                                          \
    case g * 16 + i: return __builtin_shufflevector(x, x, AOTK_LANES(g, i));
#endif

/* Each lane gets lane `i` of its group; `group` < AOTK_VL and i are constants. */
AOTK_INLINE aotk_vf aotk_spread(aotk_vf x, int group, int i) {
    switch (group * 16 + i) {
#if AOTK_VL > 2
        AOTK_SPREAD(2, 0) AOTK_SPREAD(2, 1)
#endif
#if AOTK_VL > 4
        AOTK_SPREAD(4, 0) AOTK_SPREAD(4, 1) AOTK_SPREAD(4, 2) AOTK_SPREAD(4, 3)
#endif
#if AOTK_VL > 8
        AOTK_SPREAD(8, 0) AOTK_SPREAD(8, 1) AOTK_SPREAD(8, 2) AOTK_SPREAD(8, 3)
        AOTK_SPREAD(8, 4) AOTK_SPREAD(8, 5) AOTK_SPREAD(8, 6) AOTK_SPREAD(8, 7)
#endif
        default: return x;
    }
}

/* One tap of all the pixels: x at the first one's. */
AOTK_INLINE void aotk_depthwise_tap(const aotk_depthwise *p, aotk_vf acc[AOTK_PIXELS], const float *x, const float *w,
                                    int pixels, int group) {
    aotk_vf here[AOTK_PIXELS];
    AOTK_UNROLL
    for (int i = 0; i < pixels && group < AOTK_VL; i++) here[i] = aotk_load(x + i * p->x_w);
    AOTK_UNROLL
    for (int k = 0; k < group; k++) {
        aotk_vf weight = aotk_load(w + k * p->ldw);
        AOTK_UNROLL
        for (int i = 0; i < pixels; i++)
            acc[i] += (group < AOTK_VL ? aotk_spread(here[i], group, k) : aotk_splat(x[i * p->x_w + k])) * weight;
    }
}

/* `kw` columns of the filter, `stride` of x between two pixels in steps of one column; 0: as p says. Where they are
 * constants each vector of x is loaded once for all the pixels that see it. */
AOTK_INLINE void aotk_depthwise_tile(const aotk_depthwise *p, const aotk_spot *s, int pixels, int kw, int stride,
                                     int group) {
    aotk_vf acc[AOTK_PIXELS];
    const float *w = s->w, *line = s->x;
    AOTK_UNROLL
    for (int i = 0; i < pixels; i++) acc[i] = s->bias ? aotk_load(s->bias) : aotk_splat(0.0f);
    if (s->residual) {
        AOTK_UNROLL
        for (int i = 0; i < pixels; i++) acc[i] += aotk_load(s->residual + i * p->r_w);
    }
    for (aotk_i64 ky = 0; ky < p->kh; ky++, line += p->tap_h) {
        const float *x = line;
        if (kw) {
            aotk_vf weight[7];
            AOTK_UNROLL
            for (int k = 0; k < kw; k++, w += p->ldw) weight[k] = aotk_load(w);
            AOTK_UNROLL
            for (int at = 0; at < (pixels - 1) * stride + kw; at++, x += p->tap_w) {
                aotk_vf here = aotk_load(x);
                AOTK_UNROLL
                for (int i = 0; i < pixels; i++)
                    if (at >= i * stride && at - i * stride < kw) acc[i] += here * weight[at - i * stride];
            }
        } else {
            for (aotk_i64 kx = 0; kx < p->kw; kx++, x += p->tap_w, w += group * p->ldw)
                aotk_depthwise_tap(p, acc, x, w, pixels, group);
        }
    }
    if (aotk_act_clamps(p->act)) {
        float lo = aotk_act_lo(p->act, p->lo), hi = aotk_act_hi(p->act, p->hi);
        AOTK_UNROLL
        for (int i = 0; i < pixels; i++) acc[i] = aotk_clamp(acc[i], lo, hi);
    }
    AOTK_ALIGNED float row[AOTK_PIXELS * AOTK_VL];
    int by_row = (p->act > AOTK_ACT_CLAMP && !aotk_depthwise_late(p)) || p->c < AOTK_VL;
    float *to = by_row ? row : s->y;
    aotk_i64 step = by_row ? AOTK_VL : p->y_w;
    AOTK_UNROLL
    for (int i = 0; i < pixels; i++) aotk_store(to + i * step, acc[i]);
    if (by_row) aotk_depthwise_row(p, s->y, row, pixels);
}

#define AOTK_DEPTHWISE_TILE(pixels, kw, stride)                                                    \
    AOTK_NOINLINE void aotk_depthwise_##pixels##_##kw##_##stride(const aotk_depthwise *p,          \
                                                                 const aotk_spot *s) {             \
        aotk_depthwise_tile(p, s, pixels, kw, stride, 1);                                          \
    }
#define AOTK_GROUPED_TILE(pixels, group)                                                           \
    AOTK_NOINLINE void aotk_grouped_##pixels##_##group(const aotk_depthwise *p, const aotk_spot *s) { \
        aotk_depthwise_tile(p, s, pixels, 0, 0, group);                                            \
    }
#define AOTK_DEPTHWISE_WIDE(X, kw, stride)                                                         \
    X(5, kw, stride) X(6, kw, stride) X(7, kw, stride) X(8, kw, stride)
#define AOTK_DEPTHWISE_TILES(X)                                                                    \
    X(1, 0, 0) X(2, 0, 0) X(3, 0, 0) X(4, 0, 0) AOTK_DEPTHWISE_WIDE(X, 0, 0)                       \
    AOTK_DEPTHWISE_WIDE(X, 3, 1) AOTK_DEPTHWISE_WIDE(X, 3, 2) AOTK_DEPTHWISE_WIDE(X, 5, 1)         \
    AOTK_DEPTHWISE_WIDE(X, 5, 2) AOTK_DEPTHWISE_WIDE(X, 7, 1)
AOTK_DEPTHWISE_TILES(AOTK_DEPTHWISE_TILE)
#define AOTK_GROUPED(X, group)                                                                     \
    X(1, group) X(2, group) X(3, group) X(4, group) X(5, group) X(6, group) X(7, group) X(8, group)
#define AOTK_GROUPED_TILES(X) AOTK_GROUPED(X, 2) AOTK_GROUPED(X, 4) AOTK_GROUPED(X, 8)
AOTK_GROUPED_TILES(AOTK_GROUPED_TILE)

#define AOTK_GROUPED_KIND(pixels, group) ((group) * 16 + (pixels))
#define AOTK_GROUPED_CASE(pixels, group)                                                           \
    case AOTK_GROUPED_KIND(pixels, group): aotk_grouped_##pixels##_##group(p, s); break;
#define AOTK_DEPTHWISE_KIND(pixels, kw, stride) (((kw) * 4 + (stride)) * 16 + (pixels))
#define AOTK_DEPTHWISE_CASE(pixels, kw, stride)                                                                        \
    case AOTK_DEPTHWISE_KIND(pixels, kw, stride): aotk_depthwise_##pixels##_##kw##_##stride(p, s); break;

/* How a tile is done: AOTK_DEPTHWISE_KIND of 0 pixels. */
AOTK_INLINE int aotk_depthwise_kind(const aotk_depthwise *p) {
    int stride = p->x_w == p->tap_w ? 1 : p->x_w == 2 * p->tap_w ? 2 : 0;
    int known = stride && (p->kw == 3 || p->kw == 5 || (p->kw == 7 && stride == 1));
    return known ? AOTK_DEPTHWISE_KIND(0, (int)p->kw, stride) : 0;
}

AOTK_INLINE void aotk_depthwise_any(const aotk_depthwise *p, const aotk_spot *s, int kind, int pixels) {
    if (p->group > 1) {
        switch (AOTK_GROUPED_KIND(pixels, (int)p->group)) {
            AOTK_GROUPED_TILES(AOTK_GROUPED_CASE)
            default: break;
        }
        return;
    }
    switch (pixels > 4 ? kind + pixels : pixels) {
        AOTK_DEPTHWISE_TILES(AOTK_DEPTHWISE_CASE)
        default: break;
    }
}

/* One pixel of one channel; x at the first one of its group. */
AOTK_INLINE void aotk_depthwise_single(const aotk_depthwise *p, const aotk_spot *s) {
    AOTK_ALIGNED float acc[AOTK_VL];
    for (int i = 0; i < AOTK_VL; i++) acc[i] = 0.0f;
    acc[0] = (s->bias ? *s->bias : 0.0f) + (s->residual ? *s->residual : 0.0f);
    for (aotk_i64 ky = 0; ky < p->kh; ky++)
        for (aotk_i64 kx = 0; kx < p->kw; kx++)
            for (aotk_i64 i = 0; i < p->group; i++)
                acc[0] += s->x[ky * p->tap_h + kx * p->tap_w + i] * s->w[((ky * p->kw + kx) * p->group + i) * p->ldw];
    if (aotk_act_clamps(p->act)) {
        float lo = aotk_act_lo(p->act, p->lo), hi = aotk_act_hi(p->act, p->hi);
        acc[0] = acc[0] < lo ? lo : acc[0] > hi ? hi : acc[0];
    }
    if (p->act > AOTK_ACT_CLAMP) aotk_act_row(acc, AOTK_VL, p->act);
    *s->y = acc[0];
}

/* Channel `at` of pixel `ox` of row `oy` of image `b`, x at the first one of its group, whose width is a power of 2. */
AOTK_INLINE aotk_spot aotk_spot_at(const aotk_depthwise *p, aotk_i64 b, aotk_i64 oy, aotk_i64 ox, aotk_i64 at) {
    aotk_spot s;
    s.x = p->x + (b * p->x_n + oy * p->x_h + ox * p->x_w + (at & -p->group));
    s.w = p->w + at;
    s.bias = p->bias ? p->bias + at : 0;
    s.residual = p->residual ? p->residual + (b * p->r_n + oy * p->r_h + ox * p->r_w + at) : 0;
    s.y = p->y + (b * p->y_n + oy * p->y_h + ox * p->y_w + at);
    return s;
}

/* Whether a vector may be read where row y of image b has fewer channels: the next row, or that of the next image, reads
 * no less far. */
AOTK_INLINE int aotk_depthwise_overlaps(const aotk_depthwise *p, aotk_i64 b, aotk_i64 y) {
    int last = y + 1 == p->oh;
    aotk_i64 x = last ? p->x_n : p->x_h, r = last ? p->r_n : p->r_h;
    return !(last && b + 1 == p->n) && x + p->c >= AOTK_VL && (!p->residual || r + p->c >= AOTK_VL);
}

/* Rows [oy, end) of image b, whose pixels have fewer channels than a vector. */
AOTK_NOINLINE void aotk_depthwise_few(const aotk_depthwise *p, aotk_i64 b, aotk_i64 oy, aotk_i64 end) {
    aotk_i64 tiles = (p->ow + AOTK_PIXELS - 1) / AOTK_PIXELS;
    AOTK_ALIGNED float bias[AOTK_VL];
    int kind = aotk_depthwise_kind(p);
    for (int c = 0; c < AOTK_VL; c++) bias[c] = p->bias && c < p->c ? p->bias[c] : 0.0f;
    for (aotk_i64 y = oy; y < end; y++) {
        if (aotk_depthwise_overlaps(p, b, y)) {
            for (aotk_i64 i = 0; i < tiles; i++) {
                aotk_i64 ox = p->ow * i / tiles;
                aotk_spot s = aotk_spot_at(p, b, y, ox, 0);
                s.bias = bias;
                aotk_depthwise_any(p, &s, kind, (int)(p->ow * (i + 1) / tiles - ox));
            }
            continue;
        }
        for (aotk_i64 ox = 0; ox < p->ow; ox++) {
            for (aotk_i64 c = 0; c < p->c; c++) {
                aotk_spot s = aotk_spot_at(p, b, y, ox, c);
                aotk_depthwise_single(p, &s);
            }
        }
    }
}

/* Rows [oy, end) of image b. A row of pixels is cut into tiles of two neighbouring sizes: a small rest would wait for
 * its few sums. An image that the L2 cache holds is done a line or two of channels after the other, and all of those
 * stay in the L1 cache; a larger one with all channels at once, as a stream that the processor can fetch ahead. */
AOTK_NOINLINE void aotk_depthwise_rows(const aotk_depthwise *p, aotk_i64 b, aotk_i64 oy, aotk_i64 end) {
    aotk_i64 tiles = (p->ow + AOTK_PIXELS - 1) / AOTK_PIXELS;
    aotk_i64 chunk = p->oh * p->x_h > AOTK_IMAGE_FLOATS ? p->c : AOTK_CHANNELS;
    int kind = aotk_depthwise_kind(p);
    for (aotk_i64 from = 0; from < p->c; from += chunk) {
        aotk_i64 to = p->c - from < chunk ? p->c : from + chunk;
        for (aotk_i64 i = 0; i < tiles; i++) {
            aotk_i64 ox = p->ow * i / tiles;
            int pixels = (int)(p->ow * (i + 1) / tiles - ox);
            for (aotk_i64 y = oy; y < end; y++) {
                for (aotk_i64 c = from; c < to; c += AOTK_VL) {
                    aotk_i64 at = c + AOTK_VL <= p->c ? c : p->c - AOTK_VL;
                    aotk_spot s = aotk_spot_at(p, b, y, ox, at);
                    aotk_depthwise_any(p, &s, kind, pixels);
                }
                if (aotk_depthwise_late(p)) {
                    float *first = aotk_spot_at(p, b, y, ox, from).y;
                    aotk_act_rows(&first, 1, to - from, pixels, p->y_w, p->act);
                }
            }
        }
    }
}

/* Pixels of x across and down in units of the filter's, and columns of it under a row of output. */
typedef struct aotk_reach {
    aotk_i64 across, down, columns;
} aotk_reach;

AOTK_INLINE aotk_reach aotk_reach_of(const aotk_depthwise *p) {
    aotk_reach w = {p->tap_w > 0 ? p->x_w / p->tap_w : 1, p->tap_h > 0 ? p->x_h / p->tap_h : 1, 0};
    w.columns = (p->ow - 1) * w.across + p->kw;
    return w;
}

/* Whether what a tile needs, lines of x, weights and y, shares too few sets of the L1 cache, and copying helps. */
AOTK_INLINE int aotk_depthwise_copies(const aotk_depthwise *p) {
    aotk_reach w = aotk_reach_of(p);
    if (p->group > 1 || !aotk_depthwise_kind(p) || p->c % AOTK_VL || w.columns * p->kh > AOTK_COPIED) return 0;
    if (p->kh > 7 || p->tap_h <= 0 || p->x_h % p->tap_h || p->tap_w % AOTK_LINE) return 0;
    aotk_i64 apart = p->tap_w / AOTK_LINE, shared = apart & -apart;
    aotk_i64 sets = shared < AOTK_SETS ? AOTK_SETS / shared : 1, pixels = p->ow < AOTK_PIXELS ? p->ow : AOTK_PIXELS;
    return ((pixels - 1) * w.across + p->kw) * p->kh + p->kh * p->kw + pixels > AOTK_WAYS * sets;
}

/* Copies `lines` of c channels, `step` apart, to lines side by side. */
AOTK_INLINE float *aotk_copy_lines(float *to, const float *from, aotk_i64 lines, aotk_i64 step, aotk_i64 c) {
    for (aotk_i64 i = 0; i < lines; i++, to += AOTK_LINE, from += step) {
        for (aotk_i64 j = 0; j < c; j += AOTK_VL) aotk_store(to + j, aotk_load(from + j));
    }
    return to;
}

/* Rows [oy, end) of image b by way of copies, a line of channels after the other. */
AOTK_NOINLINE void aotk_depthwise_copied(const aotk_depthwise *p, aotk_i64 b, aotk_i64 oy, aotk_i64 end) {
    AOTK_ALIGNED float x[AOTK_COPIED * AOTK_LINE], weights[7 * 7 * AOTK_LINE];
    aotk_reach w = aotk_reach_of(p);
    aotk_i64 rows = (end - oy - 1) * w.down + p->kh;
    for (aotk_i64 at = 0; at < p->c; at += AOTK_LINE) {
        aotk_spot s = aotk_spot_at(p, b, oy, 0, at);
        aotk_depthwise part = *p;
        part.c = p->c - at < AOTK_LINE ? p->c - at : AOTK_LINE;
        float *to = x;
        for (aotk_i64 y = 0; y < rows; y++) to = aotk_copy_lines(to, s.x + y * p->tap_h, w.columns, p->tap_w, part.c);
        aotk_copy_lines(weights, s.w, p->kh * p->kw, p->ldw, part.c);
        part.x = x;
        part.w = weights;
        part.bias = s.bias;
        part.residual = s.residual;
        part.y = s.y;
        part.oh = end - oy;
        part.ldw = part.tap_w = AOTK_LINE;
        part.x_w = w.across * AOTK_LINE;
        part.tap_h = w.columns * AOTK_LINE;
        part.x_h = w.down * part.tap_h;
        aotk_depthwise_rows(&part, 0, 0, part.oh);
    }
}

/* Rows of output that are done together, some channels after the other: what a tile's column reads of them stays
 * in the L1 cache, where kh rows use it, and the rows with all their channels in the L2 cache. */
AOTK_INLINE aotk_i64 aotk_depthwise_block(const aotk_depthwise *p, int copies) {
    aotk_reach w = aotk_reach_of(p);
    if (copies) return (AOTK_COPIED / w.columns - p->kh) / w.down + 1;
    aotk_i64 lines = AOTK_PIXELS * w.across + p->kw, floats = p->ow * (p->x_w < 0 ? -p->x_w : p->x_w);
    aotk_i64 rows = AOTK_BLOCK_LINES / lines, most = AOTK_BLOCK_FLOATS / (floats + 1);
    rows = (rows - p->kh) / (w.down > 0 ? w.down : 1);
    return rows < 1 || most < 1 ? 1 : rows < most ? rows : most;
}

/* The part of a task, [begin, end) of the rows of all images. */
AOTK_NOINLINE void aotk_depthwise_part(const aotk_depthwise *p, aotk_i64 begin, aotk_i64 end) {
    int copies = aotk_depthwise_copies(p);
    aotk_i64 block = aotk_depthwise_block(p, copies);
    for (aotk_i64 i = begin; i < end;) {
        aotk_i64 b = i / p->oh, oy = i % p->oh, rows = end - i < block ? end - i : block;
        if (rows > p->oh - oy) rows = p->oh - oy;
        if (p->c < AOTK_VL) aotk_depthwise_few(p, b, oy, oy + rows);
        else if (copies) aotk_depthwise_copied(p, b, oy, oy + rows);
        else aotk_depthwise_rows(p, b, oy, oy + rows);
        i += rows;
    }
}

/* Tasks share the rows, or the vectors of channels, whole groups of them, where that divides the work better. */
AOTK_API void AOTK_NAME(aotk_depthwise_f32)(const aotk_depthwise *p) {
    aotk_i64 unit = p->group > AOTK_VL ? p->group : AOTK_VL;
    aotk_i64 rows = p->n * p->oh, vectors = p->c / unit, task = p->task, tasks = p->tasks;
    if ((rows + tasks - 1) / tasks * vectors <= (vectors + tasks - 1) / tasks * rows) {
        aotk_depthwise_part(p, rows * task / tasks, rows * (task + 1) / tasks);
        return;
    }
    aotk_depthwise part = *p;
    aotk_i64 from = vectors * task / tasks * unit;
    part.c = (task + 1 == tasks ? p->c : vectors * (task + 1) / tasks * unit) - from;
    part.x = p->x + from;
    part.w = p->w + from;
    part.bias = p->bias ? p->bias + from : 0;
    part.residual = p->residual ? p->residual + from : 0;
    part.y = p->y + from;
    if (part.c > 0) aotk_depthwise_part(&part, 0, rows);
}
