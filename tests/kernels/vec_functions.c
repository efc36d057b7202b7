/* SPDX-License-Identifier: MIT */
/* The elementary functions of vec.h over arrays, compiled as the kernels are, once for each level. */
#include "vec.h"

/* n is a multiple of 16. */
#define ROW(f)                                                                                     \
    void AOTK_NAME(aotk_row_##f)(float *y, const float *x, aotk_i64 n) {                           \
        for (aotk_i64 i = 0; i < n; i += AOTK_VL) aotk_store(y + i, aotk_##f(aotk_load(x + i)));   \
    }
ROW(exp_down)
ROW(sigmoid)
ROW(silu)
ROW(tanh)
ROW(gelu_erf)
ROW(gelu_tanh)
