/* SPDX-License-Identifier: MIT */
/* What multiplies pairs of bf16 on this machine, for tests and benches of aotk_igemm_f32. */
#ifndef MULTIPLY_H
#define MULTIPLY_H

#include "aot.h"
#include "levels.h"

_Static_assert((int)AOT_TILES == (int)AOTK_TILES && (int)AOT_DOTS == (int)AOTK_DOTS, "one number for hosts and kernels");

/* AOTK_TILES and AOTK_DOTS as far as the processor has them, whichever is faster. */
static inline int features_here(void) {
    int dots = 0;
#if defined(__x86_64__)
    dots = aotk_cpu_level() >= 4 && __builtin_cpu_supports("avx512bf16");
#endif
    return (aot_ask_features(AOT_TILES) ? AOTK_TILES : 0) | (dots ? AOTK_DOTS : 0);
}

#endif
