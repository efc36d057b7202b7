/* SPDX-License-Identifier: MIT */
/* igemm_f32.c's products, of weights that are stored as f16 or bf16, or as whole numbers of 8 bits: fewer bytes where the speed
 * is that of memory.
 *
 * They are widened in registers where each is read once or a few times: M = 1, and few rows. With AVX2 tiles of two vectors
 * widen for any number of rows, as they have instructions to spare; with AVX-512 only pairs of bf16 do, of which a vector
 * of loads is two of floats. Otherwise a piece of a panel is widened into a buffer on the stack that stays in the L1 cache for
 * all rows, K being cut into shorter pieces. Or nothing is widened: pairs.h.
 */
#include "igemm.h"
#include "pairs.h"

/* Tiles that widen. */
#if AOTK_VL == 16
#define AOTK_STORED_TILES(X, of) AOTK_TILES(X, of)
#elif AOTK_VL == 8
#define AOTK_STORED_TILES(X, of)                                                                   \
    X(1, 2, of) X(2, 2, of) X(3, 2, of) X(4, 2, of) X(5, 2, of) X(6, 2, of) AOTK_WHOLE_TILES(X, of)
#else
#define AOTK_STORED_TILES(X, of)
#endif

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

AOTK_NOINLINE void aotk_igemm_widened(const aotk_igemm *p, aotk_ways ways, aotk_tile *t, const aotk_share *s) {
    AOTK_ALIGNED float wide[(AOTK_KC_16 + AOTK_KC_16 / 2) * 64];
    ways.wide = wide;
    aotk_igemm_part(p, &ways, t, s->begin, s->end, s->first, s->last);
}

AOTK_INLINE void aotk_product_stored(const aotk_igemm *p, aotk_ways ways) {
    aotk_share s = aotk_share_of(p);
    if (s.begin == s.end || s.first == s.last) return;
    aotk_tile t = aotk_tile_of(p);
    if (aotk_widens(p)) aotk_igemm_widened(p, ways, &t, &s);
    else aotk_igemm_part(p, &ways, &t, s.begin, s.end, s.first, s.last);
}

#define AOTK_STORED(of)                                                                            \
    AOTK_ROWS(AOTK_ROW, of)                                                                        \
    AOTK_STORED_TILES(AOTK_TILE, of)                                                               \
    AOTK_NOINLINE void aotk_part_##of(const aotk_tile *t, const aotk_part *part, int mr) {         \
        if (part->stored == AOTK_STORED_F32) {                                                     \
            aotk_tile_any(t, mr, part->nv);                                                        \
        } else if (part->single) {                                                                 \
            switch (part->nv) { AOTK_ROWS(AOTK_ROW_CASE, of) default: break; }                     \
        } else {                                                                                   \
            switch (part->nv * 16 + mr) { AOTK_STORED_TILES(AOTK_TILE_CASE, of) default: break; }  \
        }                                                                                          \
    }                                                                                              \
    AOTK_NOINLINE void aotk_widen_##of(float *to, const char *b, aotk_i64 rows, aotk_i64 ld) {     \
        aotk_widen_rows(to, b, rows, ld, AOTK_STORED_##of);                                        \
    }                                                                                              \
    AOTK_NOINLINE void aotk_product_##of(const aotk_igemm *p) {                                    \
        aotk_product_stored(p, (aotk_ways){aotk_part_##of, aotk_widen_##of, 0});                   \
    }
AOTK_STORED(F16)
AOTK_STORED(BF16)
AOTK_STORED(BF16_PAIRS)
AOTK_STORED(I8)

AOTK_API void AOTK_NAME(aotk_igemm_f16)(const aotk_igemm *p) {
    aotk_groups(p, aotk_product_F16);
}

AOTK_API void AOTK_NAME(aotk_igemm_bf16)(const aotk_igemm *p) {
    aotk_groups(p, aotk_product_BF16);
}

AOTK_API void AOTK_NAME(aotk_igemm_i8)(const aotk_igemm *p) {
    aotk_groups(p, aotk_product_I8);
}

AOTK_NOINLINE void aotk_product_pairs(const aotk_igemm *p) {
#if AOTK_PAIRS
    if (aotk_paired(p)) {
        aotk_share s = aotk_share_of(p);
        if (s.begin < s.end && s.first < s.last) aotk_pairs_run(p, s.begin, s.end, s.first, s.last);
        return;
    }
#endif
    aotk_product_BF16_PAIRS(p);
}

AOTK_API void AOTK_NAME(aotk_igemm_pairs)(const aotk_igemm *p) {
    aotk_groups(p, aotk_product_pairs);
}
