/* SPDX-License-Identifier: MIT */
/* The elementary functions of vec.h against the C library in double, whose errors are far below a float's ulp: one
 * float of a thousand, and more where the functions are neither 0 nor saturated. Results below 2^-116 count as that
 * large, below 2^-126 they may be 0. */
#include "check.h"

typedef void row(float *y, const float *x, aotk_i64 n);
#define LEVELS_OF(f) row aotk_row_##f##_strict, aotk_row_##f##_generic, aotk_row_##f##_v3, aotk_row_##f##_v4;
LEVELS_OF(exp_down) LEVELS_OF(sigmoid) LEVELS_OF(silu) LEVELS_OF(tanh) LEVELS_OF(gelu_erf) LEVELS_OF(gelu_tanh)

static double ref_exp_down(double x) { return exp(x); }
static double ref_sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double ref_silu(double x) { return x < -800 ? x * 0 : x / (1 + exp(-x)); }
static double ref_tanh(double x) { return tanh(x); }
static double ref_gelu_erf(double x) { return x < -40 ? x * 0 : x / 2 * erfc(x * -0.70710678118654752); }
static double ref_gelu_tanh(double x) {
    return x < -40 ? x * 0 : x / (1 + exp(-1.5957691216057308 * (x + 0.044715 * x * x * x)));
}

#if defined(__x86_64__)
#define ROWS(f) {aotk_row_##f##_strict, aotk_row_##f##_generic, aotk_row_##f##_v3, aotk_row_##f##_v4}
#else
#define ROWS(f) {aotk_row_##f##_strict, aotk_row_##f##_generic}
#endif
#define FUNCTION(f, ulps, cancels) {#f, ref_##f, ulps, cancels, ROWS(f)}

/* `cancels`: GELU is x / 2 (1 + erf), a sum that loses digits for x < 0. There as many ulp are allowed of erf,
 * next to -1: ulps * 2^-24 |x / 2|. */
static const struct {
    const char *name;
    double (*ref)(double);
    double ulps;
    int cancels;
    row *level[LEVELS];
} functions[] = {
    FUNCTION(exp_down, 1, 0), FUNCTION(sigmoid, 2, 0),  FUNCTION(silu, 2, 0),
    FUNCTION(tanh, 4, 0),     FUNCTION(gelu_erf, 4, 1), FUNCTION(gelu_tanh, 4, 1),
};
enum { FUNCTIONS = sizeof functions / sizeof *functions, BLOCK = 4096 };

static float argument[BLOCK], result[BLOCK];
static double want[BLOCK];
static double worst[FUNCTIONS][LEVELS];

/* In units of the last place of a float as large as `ref`. */
static double ulps_off(double got, double ref) {
    int e;
    if (isnan(ref) || isinf(ref)) return isnan(ref) ? !isnan(got) * 1e30 : got == ref ? 0 : 1e30;
    if (isnan(got) || isinf(got)) return 1e30;
    if (fabs(ref) < 0x1p-126 && fabs(got) < 0x1p-126) return 0;
    frexp(ref, &e);
    return fabs(got - ref) / ldexp(1, (e < -116 || ref == 0 ? -116 : e) - 24);
}

static void check_block(int f) {
    for (int i = 0; i < BLOCK; i++) want[i] = functions[f].ref(argument[i]);
    for (int l = 0; l < LEVELS; l++) {
        if (aotk_cpu_level() < levels[l].needs) continue;
        functions[f].level[l](result, argument, BLOCK);
        for (int i = 0; i < BLOCK; i++) {
            double x = argument[i], off = ulps_off(result[i], want[i]);
            if (functions[f].cancels && x < 0 && off < 1e30) {
                double of_erf = fabs(result[i] - want[i]) / (0x1p-25 * -x);
                off = of_erf < off ? of_erf : off;
            }
            if (off > worst[f][l]) worst[f][l] = off;
            if (off > functions[f].ulps)
                FAIL("%s%s(%a) = %a, not %a: %g ulp", functions[f].name, levels[l].name, x, (double)result[i], want[i], off);
        }
    }
}

/* Floats whose bits are from, from + step, ... below `to`. */
static void check_bits(int f, unsigned long long from, unsigned long long to, unsigned step) {
    while (from < to) {
        for (int i = 0; i < BLOCK; i++, from += step) {
            unsigned bits = from < to ? (unsigned)from : 0;
            memcpy(argument + i, &bits, sizeof bits);
        }
        check_block(f);
    }
}

int main(void) {
    for (int f = 0; f < FUNCTIONS; f++) {
        unsigned long long half = 1ull << 31;
        int down = f == 0; /* of negative arguments only */
        check_bits(f, down ? half : 0, 2 * half, 1021);
        for (unsigned long long sign = down ? half : 0; sign < 2 * half; sign += half)
            check_bits(f, sign + 0x3b000000u, sign + 0x43000000u, 127); /* 2^-9 to 128 */
        printf("%-10s", functions[f].name);
        for (int l = 0; l < LEVELS; l++) printf("  %5.2f", worst[f][l]);
        printf("\n");
    }
    return failures != 0;
}
