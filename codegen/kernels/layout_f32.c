/* SPDX-License-Identifier: MIT */
/* Changes of layout: strided copies of four axes, and the zero border of NHWC buffers.
 *
 * A copy first drops axes of extent 1 and joins axes that are adjacent on both sides. If one axis
 * is adjacent on both sides, rows are copied by vectors. If each side has its own, the two form a
 * matrix that is transposed in blocks of 16 x 16, in registers four by four: every cache line is
 * read once and written once. An image of 3 channels is too narrow for blocks; there the
 * destination is written as one stream.
 */
#include "vec.h"

enum { AOTK_TURN = 16 };

/* The axes of a copy that are left; `rank` of them count. */
typedef struct aotk_axes {
    aotk_i64 n[4], s[4], d[4];
    int rank;
} aotk_axes;

AOTK_INLINE void aotk_axes_swap(aotk_axes *x, int i, int j) {
    aotk_i64 n = x->n[i], s = x->s[i], d = x->d[i];
    x->n[i] = x->n[j];
    x->s[i] = x->s[j];
    x->d[i] = x->d[j];
    x->n[j] = n;
    x->s[j] = s;
    x->d[j] = d;
}

AOTK_INLINE void aotk_axes_remove(aotk_axes *x, int i) {
    x->rank--;
    aotk_axes_swap(x, i, x->rank);
}

/* Joins two axes that behave as one longer axis, if there are such; 0 if not. */
AOTK_INLINE int aotk_axes_join(aotk_axes *x) {
    for (int i = 0; i < x->rank; i++) {
        for (int j = 0; j < x->rank; j++) {
            if (i == j || x->s[j] != x->n[i] * x->s[i] || x->d[j] != x->n[i] * x->d[i]) continue;
            x->n[i] *= x->n[j];
            aotk_axes_remove(x, j);
            return 1;
        }
    }
    return 0;
}

/* Part `task` of the copy, a range of the first axis that has `tasks` elements or else of the
 * longest, in as few axes as possible; and where it begins on both sides. */
AOTK_INLINE aotk_axes aotk_axes_of(const aotk_copy4 *p, aotk_i64 *src, aotk_i64 *dst) {
    aotk_axes x;
    int cut = 0;
    for (int i = 0; i < 4; i++) {
        x.n[i] = p->n[i];
        x.s[i] = p->s[i];
        x.d[i] = p->d[i];
        if (p->n[cut] < p->tasks && p->n[i] > p->n[cut]) cut = i;
    }
    aotk_i64 begin = x.n[cut] * p->task / p->tasks, end = x.n[cut] * (p->task + 1) / p->tasks;
    *src = begin * x.s[cut];
    *dst = begin * x.d[cut];
    x.n[cut] = end - begin;
    x.rank = 4;
    for (int i = 3; i >= 0; i--) {
        if (x.n[i] == 1) aotk_axes_remove(&x, i);
    }
    while (aotk_axes_join(&x)) continue;
    for (int i = x.rank; i < 4; i++) x.n[i] = 1;
    return x;
}

AOTK_INLINE void aotk_copy_row(float *dst, const float *src, aotk_i64 n) {
    aotk_i64 i = 0;
    for (; i + 2 * AOTK_VL <= n; i += 2 * AOTK_VL) {
        aotk_store(dst + i, aotk_load(src + i));
        aotk_store(dst + i + AOTK_VL, aotk_load(src + i + AOTK_VL));
    }
    for (; i < n; i++) dst[i] = src[i];
}

/* dst[i * ld + j] = src[i + j * ls], i < ni, j < nj: j is adjacent in dst, i in src. */
AOTK_INLINE void aotk_turn_block(float *dst, const float *src, aotk_i64 ni, aotk_i64 nj,
                                 aotk_i64 ld, aotk_i64 ls) {
    aotk_i64 i4 = ni / 4 * 4, j4 = nj / 4 * 4;
    for (aotk_i64 j = 0; j < j4; j += 4) {
        for (aotk_i64 i = 0; i < i4; i += 4) aotk_turn4(dst + i * ld + j, ld, src + i + j * ls, ls);
    }
    for (aotk_i64 i = 0; i < ni; i++) {
        for (aotk_i64 j = i < i4 ? j4 : 0; j < nj; j++) dst[i * ld + j] = src[i + j * ls];
    }
}

AOTK_INLINE void aotk_turn_narrow(float *dst, const float *src, aotk_i64 ni, aotk_i64 ld,
                                  aotk_i64 ls, int nj) {
    for (aotk_i64 i = 0; i < ni; i++) {
        AOTK_UNROLL
        for (int j = 0; j < nj; j++) dst[i * ld + j] = src[i + j * ls];
    }
}

/* The same for any extents. */
AOTK_INLINE void aotk_turn(float *dst, const float *src, aotk_i64 ni, aotk_i64 nj, aotk_i64 ld,
                           aotk_i64 ls) {
    if (nj == 3) {
        aotk_turn_narrow(dst, src, ni, ld, ls, 3);
        return;
    }
    for (aotk_i64 i = 0; i < ni; i += AOTK_TURN) {
        aotk_i64 h = ni - i < AOTK_TURN ? ni - i : AOTK_TURN;
        for (aotk_i64 j = 0; j < nj; j += AOTK_TURN) {
            aotk_i64 w = nj - j < AOTK_TURN ? nj - j : AOTK_TURN;
            aotk_turn_block(dst + i * ld + j, src + i + j * ls, h, w, ld, ls);
        }
    }
}

/* The axis with stride 1 on the given side, or -1. */
AOTK_INLINE int aotk_axes_find(const aotk_axes *x, const aotk_i64 *stride) {
    for (int i = 0; i < x->rank; i++) {
        if (stride[i] == 1) return i;
    }
    return -1;
}

AOTK_API void AOTK_NAME(aotk_copy4_f32)(const aotk_copy4 *p) {
    aotk_i64 src_at, dst_at;
    aotk_axes x = aotk_axes_of(p, &src_at, &dst_at);
    int to = aotk_axes_find(&x, x.d), from = -1;
    if (to >= 0 && x.s[to] != 1) {
        from = aotk_axes_find(&x, x.s);
        if (from >= 0) {
            aotk_axes_swap(&x, from, 2);
            if (to == 2) to = from;
        }
    }
    aotk_axes_swap(&x, to >= 0 ? to : x.rank > 0 ? x.rank - 1 : 0, 3);
    for (aotk_i64 i0 = 0; i0 < x.n[0]; i0++) {
        for (aotk_i64 i1 = 0; i1 < x.n[1]; i1++) {
            const float *src = p->src + (src_at + i0 * x.s[0] + i1 * x.s[1]);
            float *dst = p->dst + (dst_at + i0 * x.d[0] + i1 * x.d[1]);
            if (from >= 0) {
                aotk_turn(dst, src, x.n[2], x.n[3], x.d[2], x.s[3]);
                continue;
            }
            for (aotk_i64 i2 = 0; i2 < x.n[2]; i2++, src += x.s[2], dst += x.d[2]) {
                if (x.s[3] == 1 && x.d[3] == 1) {
                    aotk_copy_row(dst, src, x.n[3]);
                } else {
                    for (aotk_i64 i = 0; i < x.n[3]; i++) dst[i * x.d[3]] = src[i * x.s[3]];
                }
            }
        }
    }
}

/* ------------------------------------------------------------------------------------- the halo */

AOTK_INLINE void aotk_zero_pixels(float *x, aotk_i64 pixels, aotk_i64 stride, aotk_i64 c) {
    if (stride == c) {
        c *= pixels;
        pixels = pixels > 0;
    }
    for (aotk_i64 i = 0; i < pixels; i++, x += stride) {
        aotk_i64 j = 0;
        for (; j + AOTK_VL <= c; j += AOTK_VL) aotk_store(x + j, aotk_splat(0));
        for (; j < c; j++) x[j] = 0;
    }
}

AOTK_API void AOTK_NAME(aotk_zero_halo_f32)(const aotk_halo *p) {
    aotk_i64 height = p->top + p->h + p->bottom, width = p->left + p->w + p->right;
    aotk_i64 rows = p->n * height;
    aotk_i64 begin = rows * p->task / p->tasks, end = rows * (p->task + 1) / p->tasks;
    for (aotk_i64 row = begin; row < end; row++) {
        aotk_i64 b = row / height, y = row % height;
        float *x = p->x + (b * p->x_n + y * p->x_h);
        if (y < p->top || y >= p->top + p->h) {
            aotk_zero_pixels(x, width, p->x_w, p->c);
        } else {
            aotk_zero_pixels(x, p->left, p->x_w, p->c);
            aotk_zero_pixels(x + (p->left + p->w) * p->x_w, p->right, p->x_w, p->c);
        }
    }
}
