/* SPDX-License-Identifier: MIT */
/* Sorted rows and the first of them, of all types, both ways, with equal elements and NaN, against an insertion of one
 * element after the other; work space is as large as compiler/graph/routine.c says and not a byte larger. */
#define AOTK_STATIC
#include "sort.c"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long long seed = 1;

static unsigned number(unsigned below)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(seed >> 33) % below;
}

static double element(const void *x, int dtype, aotk_i64 i)
{
    switch (dtype) {
        case AOTK_f32: return (double)((const float *)x)[i];
        case AOTK_f64: return ((const double *)x)[i];
        case AOTK_i32: return ((const aotk_i32 *)x)[i];
        default: return (double)((const aotk_i64 *)x)[i];
    }
}

static void set_element(void *x, int dtype, aotk_i64 i, double to)
{
    switch (dtype) {
        case AOTK_f32: ((float *)x)[i] = (float)to; break;
        case AOTK_f64: ((double *)x)[i] = to; break;
        case AOTK_i32: ((aotk_i32 *)x)[i] = (aotk_i32)to; break;
        default: ((aotk_i64 *)x)[i] = (aotk_i64)to; break;
    }
}

static int before(double a, double b, int down)
{
    if (isnan(a) || isnan(b))
        return down ? isnan(a) && !isnan(b) : isnan(b) && !isnan(a);
    return down ? a > b : a < b;
}

/* Rows of n elements, `kinds` different ones, floats with some NaN; rising: each greater than the one before it. */
static int rows_are_sorted(aotk_i64 n, aotk_i64 count, int dtype, int down, unsigned kinds, int rising)
{
    enum { ROWS = 3 };
    size_t bytes = dtype == AOTK_f32 || dtype == AOTK_i32 ? 4 : 8, whole = (size_t)(ROWS * n);
    aotk_i64 most = n < 2 * count + 16 ? n : 2 * count + 16;
    void *x = malloc(whole * bytes), *values = malloc((size_t)(ROWS * count) * bytes + 1);
    void *work = malloc((size_t)most * (bytes == 4 ? 16 : 32));
    aotk_i64 *at = malloc((size_t)(ROWS * count) * sizeof *at + 1), *want = malloc((size_t)n * sizeof *want);
    for (aotk_i64 i = 0; i < ROWS * n; i++) {
        int nan = dtype != AOTK_i32 && dtype != AOTK_i64 && !number(9);
        set_element(x, dtype, i, nan ? (double)NAN : rising ? (double)i : (double)number(kinds) - 3);
    }
    aotk_routine p = { .in = { { x, { ROWS, n }, 2, dtype } },
                       .out = { { values, { ROWS, count }, 2, dtype }, { at, { ROWS, count }, 2, AOTK_i64 } },
                       .work = work,
                       .attr = { down, count },
                       .tasks = 2 };
    for (; p.task < p.tasks; p.task++)
        AOTK_NAME(aotk_sort)(&p);
    int good = 1;
    for (aotk_i64 r = 0; r < ROWS; r++) {
        for (aotk_i64 i = 0; i < n; i++) {
            aotk_i64 j = i;
            for (; j && before(element(x, dtype, r * n + i), element(x, dtype, r * n + want[j - 1]), down); j--)
                want[j] = want[j - 1];
            want[j] = i;
        }
        for (aotk_i64 i = 0; i < count && good; i++) {
            double a = element(values, dtype, r * count + i), b = element(x, dtype, r * n + want[i]);
            good = at[r * count + i] == want[i] && (a == b || (isnan(a) && isnan(b)));
        }
    }
    free(x);
    free(values);
    free(work);
    free(at);
    free(want);
    if (!good)
        printf("FAIL the first %lld of %lld, type %d, down %d, %u kinds, rising %d\n", (long long)count, (long long)n,
               dtype, down, kinds, rising);
    return good;
}

int main(void)
{
    static const aotk_i64 sizes[] = { 1, 2, 15, 16, 17, 33, 65, 66, 81, 100, 128, 131, 700 };
    static const int types[] = { AOTK_f32, AOTK_f64, AOTK_i32, AOTK_i64 };
    int failures = 0, runs = 0;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const aotk_i64 n = sizes[s], counts[] = { 0, 1, 2, 5, 16, n / 3, n - 1, n };
        for (size_t k = 0; k < sizeof counts / sizeof *counts; k++)
            for (int way = 0; way < 32 && counts[k] <= n; way++, runs++)
                failures += !rows_are_sorted(n, counts[k], types[way & 3], way >> 2 & 1, way & 8 ? 4 : 1000, way >> 4);
    }
    printf("%d sorts, %d failures\n", runs, failures);
    return failures != 0;
}
