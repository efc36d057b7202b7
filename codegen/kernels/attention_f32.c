/* SPDX-License-Identifier: MIT */
/* Softmax(scale * q k^T + mask) v, without the scores ever being in memory as a whole.
 *
 * A block of up to AOTK_LANES queries stands as columns of a packed right-hand side, keys are the rows that meet it:
 * so k and v are read where they are, in any order of their axes, and nothing but the few queries is transposed. The
 * scores come out as [key][query], so that maxima, exponentials and sums of sixteen queries are one vector each, and
 * their rows are then the left-hand side of the product with v. Keys are taken AOTK_KEYS at a time, which keeps the
 * scores in the L1 or L2 cache; what an earlier block of keys has left is scaled when a later one has a greater
 * maximum (online softmax). Where there is one block nothing is scaled at all.
 *
 * One to AOTK_FEW queries, the step of a decoder, would leave lanes idle: there a score is a dot product along k's
 * rows, and vectors hold the scores of one query. k and v are streams that are read once.
 */
#include "tile.h"

enum { AOTK_LANES = 64, AOTK_KEYS = 256, AOTK_FEW = 4 };

/* c[i][j] = start + sum over k of a[i * row + k * step] * b[k * ldb + j]. */
typedef struct aotk_inner {
    const float *a, *b;
    float *c;
    aotk_i64 row, step, ldb, ldc, depth;
    const float *before; /* NULL: start is 0; else c's rows times these, one for each row */
    const float *after;  /* NULL, or what the sums of each row are multiplied by in the end */
} aotk_inner;

AOTK_INLINE void aotk_inner_tile(const aotk_inner *p, int mr, int nv)
{
    aotk_vf acc[AOTK_MR][AOTK_NV];
    const float *b = p->b, *a[AOTK_MR];
    aotk_i64 step = p->step, ldb = p->ldb, at = 0;
    AOTK_UNROLL
    for (int i = 0; i < mr; i++) {
        a[i] = p->a + i * p->row;
        AOTK_UNROLL
        for (int j = 0; j < nv; j++)
            acc[i][j] = aotk_splat(0.0f);
    }
    if (p->before) {
        AOTK_UNROLL
        for (int i = 0; i < mr; i++) {
            AOTK_UNROLL
            for (int j = 0; j < nv; j++)
                acc[i][j] = aotk_load(p->c + i * p->ldc + j * AOTK_VL) * p->before[i];
        }
    }
    for (aotk_i64 k = 0; k < p->depth; k++, b += ldb, at += step)
        aotk_tile_step(acc, a, at, (const char *)b, mr, nv, AOTK_STORED_F32, 0);
    AOTK_UNROLL
    for (int i = 0; i < mr; i++) {
        float factor = p->after ? p->after[i] : 1.0f;
        AOTK_UNROLL
        for (int j = 0; j < nv; j++)
            aotk_store(p->c + i * p->ldc + j * AOTK_VL, acc[i][j] * factor);
    }
}

#define AOTK_INNER(mr, nv, of)                                                                                         \
    AOTK_NOINLINE void aotk_inner_##mr##x##nv(const aotk_inner *p)                                                     \
    {                                                                                                                  \
        aotk_inner_tile(p, mr, nv);                                                                                    \
    }
#define AOTK_INNER_CASE(mr, nv, of)                                                                                    \
    case nv * 16 + mr: aotk_inner_##mr##x##nv(p); break;

AOTK_TILES(AOTK_INNER, F32)

/* All of a product: `rows` rows by `width` columns, in parts and tiles of neighbouring sizes. */
AOTK_NOINLINE void aotk_inner_run(const aotk_inner *whole, aotk_i64 rows, aotk_i64 width)
{
    aotk_i64 vectors = width / AOTK_VL, widest = aotk_part_vectors(width < AOTK_LANES ? width : AOTK_LANES, rows);
    aotk_i64 parts = (vectors + widest - 1) / widest, column = 0;
    for (aotk_i64 i = 0; i < parts; i++) {
        int nv = (int)(vectors / parts + (i < vectors % parts)), most = aotk_part_rows(nv);
        aotk_i64 tiles = (rows + most - 1) / most, size = tiles ? rows / tiles : 0, larger = rows - size * tiles;
        aotk_inner part = *whole, *p = &part;
        p->b += column;
        p->c += column;
        for (aotk_i64 j = 0; j < tiles; j++) {
            int mr = (int)(size + (j < larger));
            switch (nv * 16 + mr) {
                AOTK_TILES(AOTK_INNER_CASE, F32) default: break;
            }
            p->a += mr * p->row;
            p->c += mr * p->ldc;
            p->before = p->before ? p->before + mr : p->before;
            p->after = p->after ? p->after + mr : p->after;
        }
        column += nv * AOTK_VL;
    }
}

/* ------------------------------------------------------------------------------------- one block */

/* A thread's scratch memory and the queries it works on now. */
typedef struct aotk_block {
    const float *q, *k, *v, *mask; /* of this batch; q and mask: of the first query */
    float *y;
    float *columns;                 /* queries, scaled: [e][lanes] */
    float *scores;                  /* [key][lanes]; of few queries [query][keys] */
    float *sums;                    /* y before it is whole, [query][width] */
    float *values;                  /* v in whole vectors, [key][width], where it is not so itself */
    float *most, *total, *factor;   /* of each query: maximum, sum, what sums are multiplied by */
    aotk_i64 first, queries, lanes; /* lanes: queries, rounded up to 16 */
    aotk_i64 width;                 /* of y and v, rounded up to 16 */
    aotk_i64 keys;                  /* the most in a block, rounded up */
} aotk_block;

AOTK_INLINE aotk_i64 aotk_up(aotk_i64 n, aotk_i64 to)
{
    return (n + to - 1) / to * to;
}

static void aotk_block_columns(const aotk_attention *p, const aotk_block *b)
{
    aotk_i64 lanes = b->lanes, e = 0;
    for (; p->q_e == 1 && e + 4 <= p->e; e += 4) {
        aotk_i64 i = 0;
        for (; i + 4 <= b->queries; i += 4)
            aotk_turn4(b->columns + e * lanes + i, lanes, b->q + i * p->q_l + e, p->q_l);
        for (; i < lanes; i++) {
            for (int u = 0; u < 4; u++)
                b->columns[(e + u) * lanes + i] = i < b->queries ? b->q[i * p->q_l + e + u] : 0;
        }
    }
    for (; e < p->e; e++) {
        for (aotk_i64 i = 0; i < lanes; i++) {
            b->columns[e * lanes + i] = i < b->queries ? b->q[i * p->q_l + e * p->q_e] : 0;
        }
    }
    for (aotk_i64 i = 0; i < p->e * lanes; i += AOTK_VL)
        aotk_store(b->columns + i, aotk_load(b->columns + i) * p->scale);
}

/* Bounds `count` scores, a multiple of AOTK_VL, if there is a cap. */
static void aotk_bound(const aotk_attention *p, float *scores, aotk_i64 count)
{
    for (aotk_i64 i = 0; i < count && p->cap != 0.0f; i += AOTK_VL)
        aotk_store(scores + i, aotk_tanh(aotk_load(scores + i)) * p->cap);
}

/* Adds the mask to the scores of `keys` keys from `from` on, and hides keys behind a query that sees no further. */
static void aotk_block_mask(const aotk_attention *p, const aotk_block *b, aotk_i64 from, aotk_i64 keys)
{
    for (aotk_i64 s = 0; s < keys && b->mask; s++) {
        float *row = b->scores + s * b->lanes;
        const float *mask = b->mask + (from + s) * p->mask_s;
        aotk_i64 i = 0;
        if (p->mask_l == 0) {
            for (; i < b->lanes; i += AOTK_VL)
                aotk_store(row + i, aotk_load(row + i) + *mask);
        } else if (p->mask_l == 1) {
            for (; i + AOTK_VL <= b->queries; i += AOTK_VL)
                aotk_store(row + i, aotk_load(row + i) + aotk_load(mask + i));
        }
        for (; i < b->queries; i++)
            row[i] += mask[i * p->mask_l];
    }
    for (aotk_i64 s = b->first >= from ? b->first - from + 1 : 0; s < keys && p->causal; s++) {
        float *row = b->scores + s * b->lanes;
        for (aotk_i64 i = 0; i < b->queries && b->first + i < from + s; i++)
            row[i] = -(3.402823466e38f * 2.0f);
    }
}

/* What a new maximum makes of one query's old one: the maximum that exponents are taken from and the factor of what was
 * summed. A query that has seen nothing yet takes 0, because -inf - -inf is none. */
AOTK_INLINE aotk_vf aotk_base(aotk_vf most)
{
    const aotk_vf lowest = aotk_splat(-3.402823466e38f);
    return aotk_from_bits(aotk_bits(most) & ~aotk_less(most, lowest));
}

/* Scores become exponentials; maxima, sums and factors follow. `nv` vectors of queries from column `i` on. */
AOTK_INLINE void aotk_soften(const aotk_block *b, aotk_i64 i, aotk_i64 keys, int nv)
{
    aotk_vf most[4], base[4], sum[4];
    AOTK_UNROLL
    for (int j = 0; j < nv; j++)
        most[j] = aotk_load(b->most + i + j * AOTK_VL);
    for (aotk_i64 s = 0; s < keys; s++) {
        AOTK_UNROLL
        for (int j = 0; j < nv; j++)
            most[j] = aotk_at_least(aotk_load(b->scores + s * b->lanes + i + j * AOTK_VL), most[j]);
    }
    AOTK_UNROLL
    for (int j = 0; j < nv; j++) {
        base[j] = aotk_base(most[j]);
        aotk_vf factor = aotk_exp_down(aotk_load(b->most + i + j * AOTK_VL) - base[j]);
        aotk_store(b->factor + i + j * AOTK_VL, factor);
        aotk_store(b->most + i + j * AOTK_VL, most[j]);
        sum[j] = aotk_load(b->total + i + j * AOTK_VL) * factor;
    }
    for (aotk_i64 s = 0; s < keys; s++) {
        float *row = b->scores + s * b->lanes + i;
        AOTK_UNROLL
        for (int j = 0; j < nv; j++) {
            aotk_vf x = aotk_exp_down(aotk_load(row + j * AOTK_VL) - base[j]);
            aotk_store(row + j * AOTK_VL, x);
            sum[j] += x;
        }
    }
    AOTK_UNROLL
    for (int j = 0; j < nv; j++)
        aotk_store(b->total + i + j * AOTK_VL, sum[j]);
}

static void aotk_block_soften(const aotk_block *b, aotk_i64 keys)
{
    aotk_i64 i = 0;
    for (; i + 4 * AOTK_VL <= b->lanes; i += 4 * AOTK_VL)
        aotk_soften(b, i, keys, 4);
    for (; i + 2 * AOTK_VL <= b->lanes; i += 2 * AOTK_VL)
        aotk_soften(b, i, keys, 2);
    for (; i < b->lanes; i += AOTK_VL)
        aotk_soften(b, i, keys, 1);
}

/* ------------------------------------------------------------------------------------- few queries */

/* Scores of `keys` keys for one query, whose scaled elements lie at `q`. */
static void aotk_few_scores(const aotk_attention *p, const float *q, const float *k, aotk_i64 keys, float *scores)
{
    aotk_i64 whole = p->e / AOTK_VL * AOTK_VL, s = 0;
    for (; s + 4 <= keys; s += 4) {
        aotk_vf acc[4];
        AOTK_UNROLL
        for (int u = 0; u < 4; u++)
            acc[u] = aotk_splat(0.0f);
        for (aotk_i64 e = 0; e < whole; e += AOTK_VL) {
            aotk_vf x = aotk_load(q + e);
            AOTK_UNROLL
            for (int u = 0; u < 4; u++)
                acc[u] += x * aotk_load(k + (s + u) * p->k_s + e);
        }
        AOTK_UNROLL
        for (int u = 0; u < 4; u++)
            scores[s + u] = aotk_across(acc[u]);
    }
    for (; s < keys; s++) {
        aotk_vf acc = aotk_splat(0.0f);
        for (aotk_i64 e = 0; e < whole; e += AOTK_VL)
            acc += aotk_load(q + e) * aotk_load(k + s * p->k_s + e);
        scores[s] = aotk_across(acc);
    }
    for (aotk_i64 e = whole; e < p->e; e++) {
        for (s = 0; s < keys; s++)
            scores[s] += q[e] * k[s * p->k_s + e];
    }
}

static void aotk_few_soften(const aotk_attention *p, const aotk_block *b, aotk_i64 from, aotk_i64 keys, aotk_i64 i)
{
    float *scores = b->scores + i * b->keys, most = b->most[i];
    const float none = -(3.402823466e38f * 2.0f);
    aotk_i64 sees = p->causal ? b->first + i + 1 - from : keys, s = 0;
    aotk_bound(p, scores, aotk_up(keys, AOTK_VL));
    for (; s < keys && b->mask; s++)
        scores[s] += b->mask[i * p->mask_l + (from + s) * p->mask_s];
    for (s = sees < 0 ? 0 : sees; s < keys; s++)
        scores[s] = none;
    for (s = keys; s < aotk_up(keys, AOTK_VL); s++)
        scores[s] = none;
    aotk_vf greatest = aotk_splat(most), sum = aotk_splat(0.0f);
    for (s = 0; s < keys; s += AOTK_VL)
        greatest = aotk_at_least(aotk_load(scores + s), greatest);
    AOTK_ALIGNED float lane[AOTK_VL];
    aotk_store(lane, greatest);
    for (int u = 0; u < AOTK_VL; u++)
        most = lane[u] > most || lane[u] != lane[u] ? lane[u] : most;
    aotk_vf base = aotk_base(aotk_splat(most));
    aotk_store(lane, aotk_exp_down(aotk_splat(b->most[i]) - base));
    b->factor[i] = lane[0];
    b->most[i] = most;
    for (s = 0; s < keys; s += AOTK_VL) {
        aotk_vf x = aotk_exp_down(aotk_load(scores + s) - base);
        aotk_store(scores + s, x);
        sum += x;
    }
    b->total[i] = b->total[i] * lane[0] + aotk_across(sum);
}

/* ------------------------------------------------------------------------------------- all of it */

/* v's rows from `from` on, filled up to whole vectors. */
static void aotk_block_values(const aotk_attention *p, const aotk_block *b, aotk_i64 from, aotk_i64 keys)
{
    for (aotk_i64 s = 0; s < keys; s++) {
        float *to = b->values + s * b->width;
        const float *v = b->v + (from + s) * p->v_s;
        for (aotk_i64 j = 0; j < p->ev; j++)
            to[j] = v[j * p->v_e];
        for (aotk_i64 j = p->ev; j < b->width; j++)
            to[j] = 0;
    }
}

static void aotk_block_run(const aotk_attention *p, aotk_block *b)
{
    const int few = b->queries <= AOTK_FEW && p->k_e == 1 && p->e >= AOTK_VL;
    aotk_i64 sees = p->causal && b->first + b->queries < p->s ? b->first + b->queries : p->s;
    aotk_i64 blocks = sees > AOTK_KEYS ? (sees + AOTK_KEYS - 1) / AOTK_KEYS : 1;
    for (aotk_i64 i = 0; i < b->lanes; i++) {
        b->most[i] = -(3.402823466e38f * 2.0f);
        b->total[i] = 0;
    }
    if (few) {
        for (aotk_i64 i = 0; i < b->queries * p->e; i++) {
            b->columns[i] = b->q[i / p->e * p->q_l + i % p->e * p->q_e] * p->scale;
        }
    } else {
        aotk_block_columns(p, b);
    }
    for (aotk_i64 n = 0; n < blocks; n++) {
        aotk_i64 from = sees * n / blocks, keys = sees * (n + 1) / blocks - from;
        const float *k = b->k + from * p->k_s;
        for (aotk_i64 i = 0; few && i < b->queries; i++) {
            aotk_few_scores(p, b->columns + i * p->e, k, keys, b->scores + i * b->keys);
            aotk_few_soften(p, b, from, keys, i);
        }
        if (!few) {
            const aotk_inner product = { k, b->columns, b->scores, p->k_s, p->k_e, b->lanes, b->lanes, p->e, 0, 0 };
            aotk_inner_run(&product, keys, b->lanes);
            aotk_bound(p, b->scores, keys * b->lanes);
            aotk_block_mask(p, b, from, keys);
            aotk_block_soften(b, keys);
        }
        int last = n == blocks - 1;
        for (aotk_i64 i = 0; last && i < b->queries; i++) {
            int empty = b->total[i] == 0.0f;
            b->most[i] = empty ? (p->zeros || p->s == 0 ? 0.0f : b->total[i] / b->total[i]) : 1.0f / b->total[i];
        }
        aotk_inner product = {
            b->scores, b->v + from * p->v_s, b->sums,           few ? b->keys : 1, few ? 1 : b->lanes, p->v_s, b->width,
            keys,      n ? b->factor : 0,    last ? b->most : 0
        };
        if (b->values) {
            aotk_block_values(p, b, from, keys);
            product.b = b->values;
            product.ldb = b->width;
        }
        if (blocks == 1 && b->width == p->ev) {
            product.c = b->y;
            product.ldc = p->y_l;
        }
        aotk_inner_run(&product, b->queries, b->width);
        for (aotk_i64 i = 0; last && product.c != b->y && i < b->queries; i++) {
            for (aotk_i64 j = 0; j < p->ev; j++)
                b->y[i * p->y_l + j] = b->sums[i * b->width + j];
        }
    }
}

AOTK_API void AOTK_NAME(aotk_attention_f32)(const aotk_attention *p)
{
    if (p->l <= 0 || p->ev <= 0)
        return;
    aotk_i64 groups = (p->l + 15) / 16, most = AOTK_LANES / 16;
    aotk_i64 blocks = (groups + most - 1) / most, units = p->n0 * p->n1 * p->n2 * blocks;
    aotk_i64 begin = units * p->task / p->tasks, end = units * (p->task + 1) / p->tasks;
    aotk_block b;
    aotk_i64 lanes = aotk_up(p->l < AOTK_LANES ? p->l : AOTK_LANES, 16);
    b.width = aotk_up(p->ev, 16);
    b.columns = p->work;
    b.scores = b.columns + lanes * p->e;
    b.keys = aotk_up(p->s < AOTK_KEYS ? p->s : AOTK_KEYS, 16);
    b.sums = b.scores + lanes * b.keys;
    b.most = b.sums + lanes * b.width;
    b.total = b.most + lanes;
    b.factor = b.total + lanes;
    b.values = p->v_e != 1 || b.width != p->ev ? b.factor + lanes : 0;
    for (aotk_i64 unit = begin; unit < end; unit++) {
        aotk_i64 batch = unit / blocks, block = unit % blocks;
        aotk_i64 i2 = batch % p->n2, i1 = batch / p->n2 % p->n1, i0 = batch / p->n2 / p->n1;
        b.first = groups * block / blocks * 16;
        b.queries = groups * (block + 1) / blocks * 16 - b.first;
        b.queries = b.queries < p->l - b.first ? b.queries : p->l - b.first;
        b.lanes = aotk_up(b.queries, 16);
        b.q = p->q + (i0 * p->q0 + i1 * p->q1 + i2 * p->q2 + b.first * p->q_l);
        b.k = p->k + (i0 * p->k0 + i1 * p->k1 + i2 * p->k2);
        b.v = p->v + (i0 * p->v0 + i1 * p->v1 + i2 * p->v2);
        b.y = p->y + (i0 * p->y0 + i1 * p->y1 + i2 * p->y2 + b.first * p->y_l);
        b.mask = p->mask ? p->mask + (i0 * p->mask0 + i1 * p->mask1 + i2 * p->mask2 + b.first * p->mask_l) : 0;
        aotk_block_run(p, &b);
    }
}
