/* SPDX-License-Identifier: MIT */
/* The special functions against values of many digits: relative errors in f64, half a last place and a bit in f32. */
#include "../check.h"
#include "prelude.h"
#include "special.h"
#include <math.h>

static void near(const char *name, double x, double got, double want, double allowed)
{
    double error = fabs(got - want) / (fabs(want) > 1e-2 ? fabs(want) : 1e-2); /* near zeros the absolute error */
    if (!(error <= allowed))
        printf("%s(%g): %.17g, not %.17g\n", name, x, got, want);
    CHECK(error <= allowed);
}

static double allowed(const char *name) /* trigamma has PyTorch's few terms */
{
    return !strcmp(name, "trigamma") ? 1e-8 : 1e-13;
}

int main(void)
{
#define ONE(F, x, want)                                                                                                \
    near(#F, x, aot_##F##_f64(x), want, allowed(#F) * (fabs(x) > 1000 ? 100 : 1));                                     \
    if (fabs(want) < 1e30 && (f64)(f32)(x) == (x))                                                                     \
        near(#F, x, (f64)aot_##F##_f32((f32)(x)), want, 1e-6);
#define TWO(F, x, y, want)                                                                                             \
    near(#F, x, aot_##F##_f64(x, y), want, 50 * allowed(#F));                                                          \
    if ((f64)(f32)(x) == (x) && (f64)(f32)(y) == (y))                                                                  \
        near(#F, x, (f64)aot_##F##_f32((f32)(x), (f32)(y)), want, 1e-6);
#include "special.def"
    CHECK(aot_lgamma_f64(-3.0) == (f64)AOT_INF && isnan(aot_digamma_f64(-2.0)));
    CHECK(aot_erfinv_f64(1.0) == (f64)AOT_INF && aot_ndtri_f64(0.0) == (f64)-AOT_INF && isnan(aot_ndtri_f64(1.5)));
    CHECK(aot_bessel_y0_f64(0.0) == (f64)-AOT_INF && isnan(aot_bessel_y1_f64(-1.0)));
    CHECK(aot_zeta_f64(1.0, 2.0) == (f64)AOT_INF && isnan(aot_zeta_f64(0.5, 2.0)) && isnan(aot_zeta_f64(2.5, -0.5)));
    CHECK(isnan(aot_igamma_f64(0.0, 0.0)) && aot_igamma_f64(2.0, (f64)AOT_INF) == 1.0 &&
          aot_igammac_f64(2.0, 0.0) == 1.0);
    CHECK(aot_chebyshev_t_f64(0.5, -1.0) == 0.0 && aot_hermite_h_f32(3.0f, 100.0f) != aot_hermite_h_f32(3.0f, 100.0f));
    CHECK(aot_philox_i64(0, 0, 0) == (i64)0xe169c58d6627e8d5u); /* known answers of its authors */
    CHECK(aot_philox_i64(-1, -1, -1) == (i64)0x41c83b0e408f276du);
    return check_report();
}
