/* SPDX-License-Identifier: MIT */
/* The kernels at every level that was built, as a table, for the tests and the benches. */
#ifndef LEVELS_H
#define LEVELS_H

#include "aotk.h"

AOTK_DECLARE(_host)
AOTK_DECLARE(_generic)
AOTK_DECLARE(_strict)
#if defined(__x86_64__)
AOTK_DECLARE(_v3)
AOTK_DECLARE(_v4)
#endif

typedef struct {
    const char *name;
    int needs; /* the least aotk_cpu_level() */
    void (*pack)(float *, const float *, aotk_i64, aotk_i64, aotk_i64, aotk_i64);
    void (*pack_conv)(float *, const float *, aotk_i64, aotk_i64, aotk_i64, aotk_i64, aotk_i64,
                      aotk_i64, aotk_i64, aotk_i64);
    void (*igemm[AOTK_STORED_I8 + 1])(const aotk_igemm *); /* by b_stored */
    void (*pool)(const aotk_pool *);
    void (*depthwise)(const aotk_depthwise *);
    void (*winograd)(const aotk_winograd *);
    void (*attention)(const aotk_attention *);
    void (*copy4)(const aotk_copy4 *);
    void (*zero_halo)(const aotk_halo *);
} level;

#define LEVEL(name, needs)                                                                         \
    {#name,                 needs,                aotk_pack_f32##name, aotk_pack_conv_f32##name,   \
     {[AOTK_STORED_F32] = aotk_igemm_f32##name, [AOTK_STORED_F16] = aotk_igemm_f16##name,          \
      [AOTK_STORED_BF16] = aotk_igemm_bf16##name, [AOTK_STORED_BF16_PAIRS] = aotk_igemm_pairs##name, \
      [AOTK_STORED_I8] = aotk_igemm_i8##name},                                                     \
     aotk_pool_f32##name,   aotk_depthwise_f32##name,                                              \
     aotk_winograd_f32##name, aotk_attention_f32##name,                                            \
     aotk_copy4_f32##name,  aotk_zero_halo_f32##name}

static const level levels[] = {
    LEVEL(_strict, 0),
    LEVEL(_generic, 0),
#if defined(__x86_64__)
    LEVEL(_v3, 3),
    LEVEL(_v4, 4),
#endif
};
enum { LEVELS = sizeof levels / sizeof *levels };

#endif
