/* SPDX-License-Identifier: MIT */
/* Packing of right-hand sides into panels; see aotk.h for the layout.
 *
 * It is bound by memory, so it is written for whole cache lines: rows of B that are adjacent are
 * copied 16 floats at a time; a transposed B is turned in blocks of 16 columns by 16 steps of k, so
 * that every line of the source is read once and every line of the panel is written once, as a
 * whole; in registers four by four where k is adjacent.
 */
#include "vec.h"

enum { AOTK_BLOCK = 16 };

/* dst[i * ld + j] = src[i + j * ls] for i < 4 and j < columns, up to four of them; zeros behind. */
static AOTK_UNUSED void aotk_turn_some(float *dst, aotk_i64 ld, const float *src, aotk_i64 ls, aotk_i64 columns) {
    if (columns >= 4) {
        aotk_turn4(dst, ld, src, ls);
        return;
    }
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 4; j++) dst[i * ld + j] = 0;
        for (int j = 0; j < columns; j++) dst[i * ld + j] = src[i + j * ls];
    }
}

/* dst[kk * nr + j] = src[kk * sk + j * sn], kk < k, j < valid; zeros up to nr. */
static AOTK_UNUSED void aotk_pack_panel(float *dst, const float *src, aotk_i64 k, aotk_i64 nr,
                                        aotk_i64 valid, aotk_i64 sk, aotk_i64 sn) {
    aotk_i64 whole = valid / AOTK_BLOCK * AOTK_BLOCK;
    if (sn == 1) {
        for (aotk_i64 kk = 0; kk < k; kk++) {
            float *to = dst + kk * nr;
            const float *from = src + kk * sk;
            for (aotk_i64 j = 0; j < whole; j += AOTK_BLOCK) {
                for (int i = 0; i < AOTK_BLOCK; i++) to[j + i] = from[j + i];
            }
            for (aotk_i64 j = whole; j < valid; j++) to[j] = from[j];
            for (aotk_i64 j = valid; j < nr; j++) to[j] = 0;
        }
        return;
    }
    for (aotk_i64 k0 = 0; k0 < k; k0 += AOTK_BLOCK) {
        aotk_i64 k1 = k0 + AOTK_BLOCK < k ? k0 + AOTK_BLOCK : k;
        for (aotk_i64 j0 = 0; j0 < nr; j0 += AOTK_BLOCK) {
            for (aotk_i64 kk = k0; kk < k1; kk++) {
                float *to = dst + kk * nr + j0;
                const float *from = src + kk * sk + j0 * sn;
                if (sk == 1 && kk + 4 <= k1) {
                    for (int i = 0; i < AOTK_BLOCK; i += 4) aotk_turn_some(to + i, nr, from + i * sn, sn, valid - j0 - i);
                    kk += 3;
                } else if (j0 < whole) {
                    for (int i = 0; i < AOTK_BLOCK; i++) to[i] = from[i * sn];
                } else {
                    for (int i = 0; i < AOTK_BLOCK; i++) to[i] = j0 + i < valid ? from[i * sn] : 0;
                }
            }
        }
    }
}

AOTK_API void AOTK_NAME(aotk_pack_f32)(float *dst, const float *src, aotk_i64 k, aotk_i64 n,
                                       aotk_i64 sk, aotk_i64 sn) {
    aotk_i64 nr = aotk_panel_nr(k, n, 0);
    for (aotk_i64 col = 0; col < n; col += nr) {
        aotk_i64 valid = n - col < nr ? n - col : nr;
        aotk_i64 width = (valid + 15) / 16 * 16;
        aotk_pack_panel(dst + col * k, src + col * sn, k, width, valid, sk, sn);
    }
}

AOTK_API void AOTK_NAME(aotk_pack_conv_f32)(float *dst, const float *src, aotk_i64 n, aotk_i64 cin,
                                            aotk_i64 kh, aotk_i64 kw, aotk_i64 s_n, aotk_i64 s_c,
                                            aotk_i64 s_h, aotk_i64 s_w) {
    aotk_i64 k = kh * kw * cin, nr = aotk_panel_nr(k, n, 0);
    for (aotk_i64 col = 0; col < n; col += nr) {
        aotk_i64 valid = n - col < nr ? n - col : nr;
        aotk_i64 width = (valid + 15) / 16 * 16;
        float *to = dst + col * k;
        for (aotk_i64 y = 0; y < kh; y++) {
            for (aotk_i64 x = 0; x < kw; x++, to += cin * width) {
                const float *from = src + col * s_n + y * s_h + x * s_w;
                aotk_pack_panel(to, from, cin, width, valid, s_c, s_n);
            }
        }
    }
}
