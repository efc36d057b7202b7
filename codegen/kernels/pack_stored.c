/* SPDX-License-Identifier: MIT */
/* Packing of weights of 16 or 8 bits; by the compiler only, an artifact has them packed. */
#include "aotk.h"

#define AOTK_PACK_STORED(name, type)                                                                                       \
    static void name(type *dst, const type *src, aotk_i64 n, aotk_i64 cin, aotk_i64 kh, aotk_i64 kw, aotk_i64 s_n,         \
                     aotk_i64 s_c, aotk_i64 s_h, aotk_i64 s_w, int pairs) {                                                \
        enum { BLOCK = 16 }; /* of k, so that lines of a transposed source are used whole */                               \
        aotk_i64 k = kh * kw * cin, nr = aotk_panel_nr(k, n, pairs);                                                       \
        for (aotk_i64 col = 0; col < n; col += nr) {                                                                       \
            aotk_i64 valid = n - col < nr ? n - col : nr, width = (valid + 15) / 16 * 16;                                  \
            for (aotk_i64 tap = 0; tap < kh * kw; tap++) {                                                                 \
                type *to = dst + col * k + tap * cin * width;                                                              \
                const type *from = src + (col * s_n + tap / kw * s_h + tap % kw * s_w);                                    \
                for (aotk_i64 c0 = 0; c0 < cin; c0 += BLOCK) {                                                             \
                    aotk_i64 c1 = c0 + BLOCK < cin ? c0 + BLOCK : cin;                                                     \
                    for (aotk_i64 j = 0; j < width; j++) {                                                                 \
                        for (aotk_i64 c = c0; c < c1; c++) {                                                               \
                            aotk_i64 at = pairs ? (c / 2 * width + j) * 2 + c % 2 : c * width + j;                         \
                            to[at] = j < valid ? from[j * s_n + c * s_c] : 0;                                              \
                        }                                                                                                  \
                    }                                                                                                      \
                }                                                                                                          \
            }                                                                                                              \
        }                                                                                                                  \
    }
AOTK_PACK_STORED(aotk_pack_16, aotk_u16)
AOTK_PACK_STORED(aotk_pack_8, signed char)

AOTK_API void AOTK_NAME(aotk_pack_stored)(void *dst, const void *src, aotk_i64 n, aotk_i64 cin, aotk_i64 kh, aotk_i64 kw,
                                          aotk_i64 s_n, aotk_i64 s_c, aotk_i64 s_h, aotk_i64 s_w, int stored) {
    if (stored == AOTK_STORED_I8) aotk_pack_8(dst, src, n, cin, kh, kw, s_n, s_c, s_h, s_w, 0);
    else aotk_pack_16(dst, src, n, cin, kh, kw, s_n, s_c, s_h, s_w, stored == AOTK_STORED_BF16_PAIRS);
}
