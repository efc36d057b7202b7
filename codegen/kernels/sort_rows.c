/* SPDX-License-Identifier: MIT */
/* The order of the rows of a matrix. */
#include "aotk.h"

/* Row a before row b: by the first elements that differ, NaN as the greatest. */
#define AOTK_ROW_BEFORE(T)                                                                         \
    static int aotk_row_before_##T(const T *a, const T *b, aotk_i64 m) {                           \
        for (aotk_i64 j = 0; j < m; j++) {                                                         \
            if (a[j] < b[j] || (b[j] != b[j] && a[j] == a[j])) return 1;                           \
            if (b[j] < a[j] || (a[j] != a[j] && b[j] == b[j])) return 0;                           \
        }                                                                                          \
        return 0;                                                                                  \
    }
AOTK_ROW_BEFORE(float)
AOTK_ROW_BEFORE(double)
AOTK_ROW_BEFORE(aotk_i64)

static int aotk_row_before(const aotk_operand *a, aotk_i64 i, aotk_i64 j) {
    const aotk_i64 m = a->n[1];
    const float *f = a->data;
    const double *d = a->data;
    const aotk_i64 *n = a->data;
    switch (a->dtype) {
        case AOTK_f32: return aotk_row_before_float(f + i * m, f + j * m, m);
        case AOTK_f64: return aotk_row_before_double(d + i * m, d + j * m, m);
        default: return aotk_row_before_aotk_i64(n + i * m, n + j * m, m);
    }
}

/* in[0] [n, m]: out[0] the numbers of its rows in order. Merges runs, into the work space and back. */
AOTK_API const char *AOTK_NAME(aotk_sort_rows)(const aotk_routine *p) {
    const aotk_i64 n = p->in[0].n[0];
    aotk_i64 *result = p->out[0].data, *at = result, *other = p->work;
    for (aotk_i64 i = 0; i < n; i++) at[i] = i;
    for (aotk_i64 half = 1; half < n; half *= 2) {
        for (aotk_i64 first = 0; first < n; first += 2 * half) {
            aotk_i64 i = first, middle = first + half < n ? first + half : n;
            aotk_i64 j = middle, end = first + 2 * half < n ? first + 2 * half : n;
            for (aotk_i64 k = first; k < end; k++) {
                int right = i == middle || (j < end && aotk_row_before(&p->in[0], at[j], at[i]));
                other[k] = right ? at[j] : at[i];
                j += right;
                i += !right;
            }
        }
        aotk_i64 *t = at;
        at = other;
        other = t;
    }
    for (aotk_i64 i = 0; i < n && at != result; i++) result[i] = at[i];
    return 0;
}
