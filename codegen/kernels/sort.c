/* SPDX-License-Identifier: MIT */
/* Sorting of rows, in stable order, every value with its index; and search in sorted rows. */
#include "aotk.h"

static AOTK_UNUSED aotk_i64 aotk_last(const aotk_operand *a) {
    return a->rank ? a->n[a->rank - 1] : 1;
}

/* Product of all sizes but the last. */
static AOTK_UNUSED aotk_i64 aotk_rows(const aotk_operand *a) {
    aotk_i64 n = 1;
    for (int i = 0; i + 1 < a->rank; i++) n *= a->n[i];
    return n;
}

enum { AOTK_SORT_RUN = 16 }; /* shorter runs are sorted by insertion */

/* Values of type T; IS_NAN says which are the greatest. Merges runs, from the row into the work
 * space and back. */
#define AOTK_SORT(T, IS_NAN)                                                                       \
    static int aotk_before_##T(T a, T b, int down) {                                               \
        return down ? a > b || (IS_NAN(a) && !IS_NAN(b)) : a < b || (IS_NAN(b) && !IS_NAN(a));     \
    }                                                                                              \
                                                                                                   \
    static void aotk_runs_##T(T *v, aotk_i64 *at, aotk_i64 n, int down) {                          \
        for (aotk_i64 first = 0; first < n; first += AOTK_SORT_RUN) {                              \
            aotk_i64 end = first + AOTK_SORT_RUN < n ? first + AOTK_SORT_RUN : n;                  \
            for (aotk_i64 i = first; i < end; i++) {                                               \
                T x = v[i];                                                                        \
                aotk_i64 j = i;                                                                    \
                for (; j > first && aotk_before_##T(x, v[j - 1], down); j--) {                     \
                    v[j] = v[j - 1];                                                               \
                    at[j] = at[j - 1];                                                             \
                }                                                                                  \
                v[j] = x;                                                                          \
                at[j] = i;                                                                         \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    static void aotk_merge_##T(const T *v, const aotk_i64 *at, T *w, aotk_i64 *wat, aotk_i64 half, \
                               aotk_i64 n, int down) {                                             \
        for (aotk_i64 first = 0; first < n; first += 2 * half) {                                   \
            aotk_i64 i = first, middle = first + half < n ? first + half : n;                      \
            aotk_i64 j = middle, end = first + 2 * half < n ? first + 2 * half : n;                \
            for (aotk_i64 k = first; k < end; k++) {                                               \
                int right = i == middle || (j < end && aotk_before_##T(v[j], v[i], down));         \
                w[k] = right ? v[j] : v[i];                                                        \
                wat[k] = right ? at[j] : at[i];                                                    \
                j += right;                                                                        \
                i += !right;                                                                       \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    static void aotk_sort_##T(const T *x, T *v, aotk_i64 *at, void *work, aotk_i64 n, int down) {  \
        T *w = (T *)((aotk_i64 *)work + n), *values = v;                                           \
        aotk_i64 *wat = work, *indices = at;                                                       \
        for (aotk_i64 i = 0; i < n; i++) v[i] = x[i];                                              \
        aotk_runs_##T(v, at, n, down);                                                             \
        for (aotk_i64 half = AOTK_SORT_RUN; half < n; half *= 2) {                                 \
            aotk_merge_##T(v, at, w, wat, half, n, down);                                          \
            T *t = v;                                                                              \
            v = w;                                                                                 \
            w = t;                                                                                 \
            aotk_i64 *u = at;                                                                      \
            at = wat;                                                                              \
            wat = u;                                                                               \
        }                                                                                          \
        for (aotk_i64 i = 0; i < n && v != values; i++) {                                          \
            values[i] = v[i];                                                                      \
            indices[i] = at[i];                                                                    \
        }                                                                                          \
    }

#define AOTK_FLOAT_NAN(x) ((x) != (x))
#define AOTK_NEVER_NAN(x) 0
AOTK_SORT(float, AOTK_FLOAT_NAN)
AOTK_SORT(double, AOTK_FLOAT_NAN)
AOTK_SORT(aotk_i32, AOTK_NEVER_NAN)
AOTK_SORT(aotk_i64, AOTK_NEVER_NAN)

/* in[0] along its last axis: out[0] values, out[1] indices; attr[0]: descending. */
AOTK_API const char *AOTK_NAME(aotk_sort)(const aotk_routine *p) {
    const aotk_i64 n = aotk_last(&p->in[0]), rows = aotk_rows(&p->in[0]);
    const int down = p->attr[0] != 0;
    for (aotk_i64 r = 0; r < rows; r++) {
        aotk_i64 *at = (aotk_i64 *)p->out[1].data + r * n;
#define AOTK_SORT_ROW(T)                                                                           \
    aotk_sort_##T((const T *)p->in[0].data + r * n, (T *)p->out[0].data + r * n, at, p->work, n, down)
        switch (p->in[0].dtype) {
            case AOTK_f32: AOTK_SORT_ROW(float); break;
            case AOTK_f64: AOTK_SORT_ROW(double); break;
            case AOTK_i32: AOTK_SORT_ROW(aotk_i32); break;
            default: AOTK_SORT_ROW(aotk_i64); break;
        }
    }
    return 0;
}

/* The first place in a sorted row of n elements before which all are less than x, or (right) not greater; NaN comes last. */
#define AOTK_SEARCH(T)                                                                             \
    static aotk_i64 aotk_search_##T(const T *v, const aotk_i64 *order, aotk_i64 n, T x,            \
                                    int right) {                                                   \
        aotk_i64 low = 0, high = n;                                                                \
        while (low < high) {                                                                       \
            aotk_i64 middle = low + (high - low) / 2;                                              \
            T at = v[order ? order[middle] : middle];                                              \
            if (right ? !(at > x) : !(at >= x)) low = middle + 1;                                  \
            else high = middle;                                                                    \
        }                                                                                          \
        return low;                                                                                \
    }
AOTK_SEARCH(float)
AOTK_SEARCH(double)
AOTK_SEARCH(aotk_i32)
AOTK_SEARCH(aotk_i64)

/* in[0]: a row for all of in[1], or one for each row of it; in[2], if given, sorts the rows;
 * out[0]: places; attr[0]: right. */
AOTK_API const char *AOTK_NAME(aotk_search)(const aotk_routine *p) {
    const aotk_operand *a = &p->in[0], *b = &p->in[1], *c = &p->in[2];
    const aotk_i64 n = aotk_last(a), rows = a->rank > 1 ? aotk_rows(a) : 1;
    const aotk_i64 count = aotk_rows(b) * aotk_last(b), each = a->rank > 1 ? aotk_last(b) : count;
    const int right = p->attr[0] != 0;
    aotk_i64 *out = p->out[0].data;
    for (int i = 0; i < a->rank; i++) {
        if (i + 1 < a->rank && a->n[i] != b->n[i]) return "the sorted rows are not as many as the searched ones";
        if (c->data && c->n[i] != a->n[i]) return "the order of the rows is of other sizes than they";
    }
    for (aotk_i64 i = 0; c->data && i < rows * n; i++) {
        aotk_i64 at = ((const aotk_i64 *)c->data)[i];
        if (at < 0 || at >= n) return "an index of the order is outside its row";
    }
    for (aotk_i64 i = 0; i < count; i++) {
        const aotk_i64 row = i / each * n;
        const aotk_i64 *order = c->data ? (const aotk_i64 *)c->data + row : 0;
#define AOTK_SEARCH_ROW(T)                                                                         \
    aotk_search_##T((const T *)a->data + row, order, n, ((const T *)b->data)[i], right)
        switch (a->dtype) {
            case AOTK_f32: out[i] = AOTK_SEARCH_ROW(float); break;
            case AOTK_f64: out[i] = AOTK_SEARCH_ROW(double); break;
            case AOTK_i32: out[i] = AOTK_SEARCH_ROW(aotk_i32); break;
            default: out[i] = AOTK_SEARCH_ROW(aotk_i64); break;
        }
    }
    return 0;
}
