/* SPDX-License-Identifier: MIT */
/* The prelude of generated code against the C library in long double, for each way of compiling it:
 * largest errors in units in the last place, special values, and the same bits wherever
 * the compiler fuses no multiply-adds by itself and the prelude fuses its own, or does not.  Arguments: the folders of prelude.h and of this test. */
#include "../check.h"
#include "batch.h"
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#ifdef HAVE_TCC
#include <libtcc.h>
#endif

#define HALF_SQRT2 0.707106781186547524400844362104849039L
#define SQRT_8_PI 1.595769121605730711759784239737402000L
enum { SWEEP = 10000, SPECIAL = 60, N = 3 * SWEEP + SPECIAL };

typedef struct Variant {
    const char *name;
    const Batch *batch;
    int same; /* must give the bits of the first that fuses as it does */
} Variant;

static Variant variant[8];
static int variants;

static long double ref_rem(long double x, long double y)
{
    long double r = fmodl(x, y);
    return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}

static long double exponent_of(long double x)
{
    int e = 0;
    if (isfinite(x))
        frexpl(x, &e);
    return e;
}

#define ONE(F, ref, a, b, lo, hi)                                                                  \
    static long double ref_##F(long double x, long double y) { (void)y; return ref; }
#define TWO(F, ref, a, b) static long double ref2_##F(long double x, long double y) { return ref; }
#include "functions.def"

typedef struct Function {
    const char *name;
    long double (*ref)(long double x, long double y);
    double ulp32, ulp64, lo, hi;
    int two;
} Function;

static const Function function[] = {
#define ONE(F, ref, a, b, lo, hi) { #F, ref_##F, a, b, lo, hi, 0 },
#define TWO(F, ref, a, b) { #F, ref2_##F, a, b, -8, 8, 1 },
#include "functions.def"
};

static uint64_t state;

static uint64_t random_bits(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* Distance in units of the last of `digits` bits of ref, whose exponents end at `least`; infinite
 * where the kinds differ. */
static double ulps(long double got, long double ref, int digits, int least, long double most)
{
    int e;
    if (isnan(ref) || isnan(got))
        return isnan(ref) && isnan(got) ? 0 : INFINITY;
    if (fabsl(ref) > most) /* overflows, or nearly does */
        return isinf(got) && (got > 0) == (ref > 0) ? 0
             : fabsl(ref) < most * (1 + ldexpl(4, -digits)) && fabsl(got) == most ? 1 : INFINITY;
    if (isinf(got)) {
        int near = fabsl(ref) > most * (1 - ldexpl(4, -digits));
        return near && (got > 0) == (ref > 0) ? 1 : INFINITY;
    }
    frexpl(ref, &e);
    if (ref == 0 || e < least)
        e = least;
    return (double)(fabsl(got - ref) / ldexpl(1, e - digits));
}

static const double specials[] = {
    0.0, 1.0, 2.0, 3.0, 0.5, 1.5, 2.5, 0.25, 88.72283, 88.8, 103.97, 104.5, 127.5, 710.0, 745.2,
    1e3, 1e10, 1e30, 3e38, 1e-10, 1e-30, 1e-38, 1e-45, 1.17549435e-38, 8388607.5, 16777216.0,
    4503599627370495.5, INFINITY, NAN, 1e300,
};
_Static_assert(2 * sizeof specials / sizeof *specials == SPECIAL, "both signs");

static float x32[N], y32[N], first32[2][N], got32[N];
static double x64[N], y64[N], first64[2][N], got64[N];
static long double ref32[N], ref64[N];

static void make_arguments(const Function *f)
{
    state = 88172645463325252u; /* the same whichever functions there are */
    for (int i = 0; i < N; i++) {
        uint64_t a = random_bits(), b = random_bits();
        double t = (double)(a >> 11) * 0x1p-53, s = (double)(b >> 11) * 0x1p-53;
        double near = f->lo + (f->hi - f->lo) * t, scale = ldexp(1, (int)(b % 12) - 6);
        uint32_t low = (uint32_t)(a >> 32), low2 = (uint32_t)(b >> 32);
        x64[i] = near, y64[i] = (s - 0.5) * 16, x32[i] = (float)x64[i], y32[i] = (float)y64[i];
        if (i % 3 == 1) { /* all bits */
            memcpy(x64 + i, &a, 8), memcpy(y64 + i, &b, 8);
            memcpy(x32 + i, &low, 4), memcpy(y32 + i, &low2, 4);
        }
        if (i % 3 == 2) { /* around 0 and 1, or with integral exponents */
            x64[i] = f->two || i % 2 ? 1 + (t - 0.5) * scale : (t - 0.5) * scale;
            y64[i] = i % 2 ? floor((s - 0.5) * 40) : (s - 0.5) * 1000;
            x32[i] = (float)x64[i], y32[i] = (float)y64[i];
        }
    }
    for (int i = 0; i < SPECIAL; i++) {
        double v = i % 2 ? -specials[i / 2] : specials[i / 2];
        x64[i] = v, x32[i] = (float)v;
        v = specials[(i / 2 * 7 + (int)(random_bits() % 3)) % (SPECIAL / 2)];
        y64[i] = v, y32[i] = (float)v;
    }
    for (int i = SPECIAL; f->two && i < SPECIAL + SPECIAL * SPECIAL; i++) { /* all pairs */
        int j = i - SPECIAL, k = j / SPECIAL, l = j % SPECIAL;
        x64[i] = k % 2 ? -specials[k / 2] : specials[k / 2];
        y64[i] = l % 2 ? -specials[l / 2] : specials[l / 2];
        x32[i] = (float)x64[i], y32[i] = (float)y64[i];
    }
    for (int i = 0; i < N; i++) {
        ref32[i] = f->ref((long double)x32[i], (long double)y32[i]);
        ref64[i] = f->ref((long double)x64[i], (long double)y64[i]);
    }
}

/* Says so, a few times for a function; returns 0. */
static int report(const char *where, const Function *f, double x, double y, double got,
                  long double ref)
{
    static const Function *last;
    static int said;
    said = f == last ? said + 1 : 0;
    last = f;
    if (said < 6)
        fprintf(stderr, "%s: %s(%a, %a) = %a = %g, not %.17Lg\n", where, f->name, x, y, got, got,
                ref);
    return 0;
}

/* Zeros have the right sign, but where any will do. */
static int wrong_zero(const char *name, double got, long double ref)
{
    if (got != 0 || ref != 0 || !signbit(got) == !signbit(ref))
        return 0;
    return strcmp(name, "max") && strcmp(name, "min") && strcmp(name, "relu")
        && strcmp(name, "sign");
}

static int same_bits(const void *a, const void *b, size_t size, double value, double first)
{
    return !memcmp(a, b, size) || (isnan(value) && isnan(first));
}

static void check_function(int k)
{
    const Function *f = function + k;
    make_arguments(f);
    printf("%-10s", f->name);
    int seen[2] = { 0, 0 };
    for (int v = 0; v < variants; v++) {
        double worst32 = 0, worst64 = 0;
        int fuses = variant[v].batch->fuses, first = variant[v].same && !seen[fuses];
        float *out32 = first ? first32[fuses] : got32;
        double *out64 = first ? first64[fuses] : got64;
        seen[fuses] |= first;
        int good = 1, same = 1;
        variant[v].batch->f[k].one(x32, y32, out32, N);
        variant[v].batch->f[k].two(x64, y64, out64, N);
        for (int i = 0; i < N; i++) {
            double a = ulps((long double)out32[i], ref32[i], 24, -125, 0x1.fffffep127L);
            double b = ulps((long double)out64[i], ref64[i], 53, -1021, 0x1.fffffffffffffp1023L);
            worst32 = a > worst32 ? a : worst32;
            worst64 = b > worst64 ? b : worst64;
            double x = (double)x32[i], y = (double)y32[i], r = (double)out32[i];
            if (a > f->ulp32 || wrong_zero(f->name, r, ref32[i]))
                good = report(variant[v].name, f, x, y, r, ref32[i]);
            if (b > f->ulp64 || wrong_zero(f->name, out64[i], ref64[i]))
                good = report(variant[v].name, f, x64[i], y64[i], out64[i], ref64[i]);
            if (!variant[v].same)
                continue;
            if (!same_bits(out32 + i, first32[fuses] + i, 4, r, (double)first32[fuses][i]))
                same = report(variant[v].name, f, x, y, r, (long double)first32[fuses][i]);
            if (!same_bits(out64 + i, first64[fuses] + i, 8, out64[i], first64[fuses][i]))
                same = report(variant[v].name, f, x64[i], y64[i], out64[i], first64[fuses][i]);
        }
        printf("  %5.2f %5.2f", worst32, worst64);
        CHECK(good);
        CHECK(same);
    }
    printf("\n");
}

static void elementary(void)
{
    printf("%-10s", "max ulp");
    for (int v = 0; v < variants; v++)
        printf("  %11s", variant[v].name);
    printf("\n");
    for (int k = 0; k < F_div_floor; k++)
        check_function(k);
}

/* ---- floor division, as c10 defines it ------------------------------------------------------- */

#define FLOOR_REFERENCE(NAME, T, FMOD, FLOOR, COPYSIGN)                                            \
    static T NAME(T a, T b)                                                                        \
    {                                                                                              \
        T mod, div, whole;                                                                         \
        if (b == 0)                                                                                \
            return a / b;                                                                          \
        mod = FMOD(a, b);                                                                          \
        div = (a - mod) / b;                                                                       \
        if (mod != 0 && (b < 0) != (mod < 0))                                                      \
            div -= 1;                                                                              \
        if (div == 0)                                                                              \
            return COPYSIGN(0, a / b);                                                             \
        whole = FLOOR(div);                                                                        \
        return div - whole > (T)0.5 ? whole + 1 : whole;                                           \
    }
FLOOR_REFERENCE(floor_one, float, fmodf, floorf, copysignf)
FLOOR_REFERENCE(floor_two, double, fmod, floor, copysign)

static void floor_division(void)
{
    make_arguments(function + F_fmod);
    for (int v = 0; v < variants; v++) {
        int wrong = 0;
        variant[v].batch->f[F_div_floor].one(x32, y32, got32, N);
        variant[v].batch->f[F_div_floor].two(x64, y64, got64, N);
        for (int i = 0; i < N; i++) {
            float a = floor_one(x32[i], y32[i]);
            double b = floor_two(x64[i], y64[i]);
            wrong += memcmp(&a, got32 + i, 4) && !(isnan(a) && isnan(got32[i]));
            wrong += memcmp(&b, got64 + i, 8) && !(isnan(b) && isnan(got64[i]));
        }
        CHECK(wrong == 0);
    }
}

/* ---- half types ------------------------------------------------------------------------------ */

/* x rounded to `digits` bits with exponents from `least`, overflowing from `over` on. */
static double round_to(double x, int digits, int least, double over)
{
    int e;
    if (isnan(x) || isinf(x) || x == 0)
        return x;
    frexp(x, &e);
    e = (e < least ? least : e) - digits;
    x = ldexp(nearbyint(ldexp(x, -e)), e);
    return fabs(x) >= over ? copysign(INFINITY, x) : x;
}

static int differs(double a, double b)
{
    return isnan(b) ? !isnan(a) : a != b || !signbit(a) != !signbit(b);
}

static void halves(void)
{
    enum { H = 65536 };
    static unsigned short h[H], back[H];
    static float f[H], g[H];
    for (int v = 0; v < variants; v++) {
        const Batch *b = variant[v].batch;
        int wrong = 0;
        for (int i = 0; i < H; i++)
            h[i] = (unsigned short)i;
        b->from_half(h, f, H);
        b->to_half(f, back, H);
        for (int i = 0; i < H; i++) {
            int e = i >> 10 & 31, m = i & 1023;
            double x = e == 31 ? (m ? NAN : INFINITY) : e ? ldexp(1024 + m, e - 25) : ldexp(m, -24);
            x = i >> 15 ? -x : x;
            wrong += differs((double)f[i], x);
            wrong += isnan(x) ? (back[i] & 0x7fff) <= 0x7c00 : back[i] != h[i];
        }
        CHECK(wrong == 0);
        b->from_bhalf(h, f, H);
        b->to_bhalf(f, back, H);
        for (int i = 0, w; i < H; i++) {
            memcpy(&w, f + i, 4);
            wrong += (unsigned)w != (unsigned)i << 16;
            wrong += isnan(f[i]) ? (back[i] & 0x7fff) <= 0x7f80 : back[i] != h[i];
        }
        CHECK(wrong == 0);
        for (int i = 0; i < H; i++) {
            uint32_t w = (uint32_t)random_bits();
            if (i % 2) /* ties and their neighbours, in the range of f16 */
                w = (w & 0x8fffe000u) + 0x38000000u - (w >> 3 & 0xf800000u) + (0x1000u + w % 3 - 1);
            if (i % 4 == 2)
                w = (w & 0xffff0000u) + 0x8000u + w % 3 - 1;
            memcpy(f + i, &w, 4);
        }
        for (int bf = 0; bf < 2; bf++) {
            (bf ? b->round_bhalf : b->round_half)(f, g, H);
            (bf ? b->to_bhalf : b->to_half)(f, h, H);
            for (int i = 0; i < H; i++) {
                double x = (double)f[i];
                x = bf ? round_to(x, 8, -125, 0x1p128) : round_to(x, 11, -13, 65536.0);
                wrong += differs((double)g[i], x);
            }
            (bf ? b->from_bhalf : b->from_half)(h, f, H);
            for (int i = 0; i < H; i++)
                wrong += isnan(g[i]) ? !isnan(f[i]) : memcmp(f + i, g + i, 4) != 0;
            CHECK(wrong == 0);
            for (int i = 0; i < H; i++) {
                uint32_t w = (uint32_t)random_bits();
                memcpy(f + i, &w, 4);
            }
        }
    }
}

/* ---- integers -------------------------------------------------------------------------------- */

__extension__ typedef __int128 Wide;
static const int int_bits[] = { 8, 16, 32, 64 };

static long long narrow(Wide x, int type)
{
    int bits = int_bits[type % 4];
    unsigned long long u = (unsigned long long)x << (64 - bits);
    return type < 4 ? (long long)u >> (64 - bits) : (long long)(u >> (64 - bits));
}

static Wide ref_power(Wide a, Wide n)
{
    unsigned long long r = 1, x = (unsigned long long)a;
    if (n < 0)
        return a == 1 ? 1 : a == -1 ? (n % 2 ? -1 : 1) : 0;
    for (; n; n /= 2, x *= x)
        r *= n % 2 ? x : 1;
    return (Wide)r;
}

static Wide ref_integer(int op, Wide a, Wide b)
{
    Wide q = b ? a / b : 0, r = b ? a % b : 0;
    int down = r != 0 && (r < 0) != (b < 0);
    switch (op) {
    case INT_ADD: return a + b;
    case INT_SUB: return a - b;
    case INT_MUL: return (Wide)((unsigned long long)a * (unsigned long long)b);
    case INT_NEG: return -a;
    case INT_ABS: return a < 0 ? -a : a;
    case INT_SIGN: return (a > 0) - (a < 0);
    case INT_MAX_: return a > b ? a : b;
    case INT_MIN_: return a < b ? a : b;
    case INT_DIV_TRUNC: return q;
    case INT_FMOD: return r;
    case INT_DIV_FLOOR: return q - down;
    case INT_REM: return down ? r + b : r;
    default: return ref_power(a, b);
    }
}

static int wrong_integer(const Batch *batch, int type, long long a, long long b)
{
    int wrong = 0;
    a = narrow(a, type), b = narrow(b, type);
    Wide x = type == 7 ? (Wide)(unsigned long long)a : a;
    Wide y = type == 7 ? (Wide)(unsigned long long)b : b;
    for (int op = 0; op < INT_COUNT; op++) {
        long long want = narrow(ref_integer(op, x, y), type);
        if (narrow(batch->integer[type](op, a, b), type) == want)
            continue;
        if (!wrong++)
            fprintf(stderr, "type %d, operator %d of %lld, %lld\n", type, op, a, b);
    }
    return wrong;
}

static void integers(void)
{
    static const long long edge[] = {
        0, 1, -1, 2, -2, 3, 7, -7, 127, -128, 32767, -32768, INT32_MAX, INT32_MIN, INT64_MAX,
        INT64_MIN, INT64_MIN + 0x80008080,
    };
    enum { EDGES = sizeof edge / sizeof *edge };
    for (int v = 0; v < variants; v++) {
        int wrong = 0;
        for (int i = 0; i < 65536; i++) {
            wrong += wrong_integer(variant[v].batch, 0, i >> 8, i & 255);
            wrong += i % 4 ? 0 : wrong_integer(variant[v].batch, 4, i >> 8, i & 255);
        }
        for (int type = 0; type < 8; type++) {
            for (int i = 0; i < EDGES * EDGES; i++)
                wrong += wrong_integer(variant[v].batch, type, edge[i / EDGES], edge[i % EDGES]);
            for (int i = 0; i < 2000; i++) {
                long long a = (long long)random_bits() >> random_bits() % 64;
                long long b = (long long)random_bits() >> random_bits() % 64;
                wrong += wrong_integer(variant[v].batch, type, a, b);
            }
        }
        CHECK(wrong == 0);
    }
}

/* What fits is truncated; else the smallest i32 or i64, and narrower types take its low bits. */
static long long ref_convert(int type, double x)
{
    int wide = type == 3 || type >= 6;
    if (type == 7 && x >= 0x1p63)
        return x < 0x1p64 ? (long long)(uint64_t)x : 0;
    if (wide)
        return narrow(x >= -0x1p63 && x < 0x1p63 ? (long long)x : INT64_MIN, type);
    return narrow(x > -0x1.00000002p31 && x < 0x1p31 ? (int)x : INT32_MIN, type);
}

static void conversions(void)
{
    make_arguments(function + F_floor);
    for (int i = 0; i < N / 2; i++) {
        x64[i] = ldexp(x64[i], (int)(random_bits() % 64));
        x32[i] = (float)x64[i];
    }
    x64[0] = -2147483648.5, x64[1] = -2147483649.0, x64[2] = 2147483647.9, x64[3] = 2147483648.0;
    x64[4] = -0x1p63, x64[5] = 0x1p63, x64[6] = 0x1.fffffffffffffp62, x64[7] = 0x1.fffffffffffffp63;
    for (int v = 0; v < variants; v++) {
        int wrong = 0;
        for (int i = 0; i < N; i++)
            for (int type = 0; type < 8; type++) {
                const Batch *b = variant[v].batch;
                wrong += b->convert_one(type, x32[i]) != ref_convert(type, (double)x32[i]);
                wrong += b->convert_two(type, x64[i]) != ref_convert(type, x64[i]);
            }
        CHECK(wrong == 0);
    }
}

/* Reduction of the worst arguments of trigonometric functions. */
static void large_arguments(void)
{
    static const double worst[] = {
        0x1.6ac5b262ca1ffp+849, 0x1p1023, 0x1.921fb54442d18p+20, 1e6, 1e22, 999999.9, -0x1p60,
        0x1.fffffffffffffp1023, 0x1.6ac5b262ca1ffp+20,
    };
    for (int v = 0; v < variants; v++)
        for (size_t i = 0; i < sizeof worst / sizeof *worst; i++) {
            double x = worst[i], r;
            variant[v].batch->f[F_sin].two(&x, &x, &r, 1);
            CHECK(ulps((long double)r, sinl((long double)x), 53, -1021, 1e308L) < 2);
            variant[v].batch->f[F_cos].two(&x, &x, &r, 1);
            CHECK(ulps((long double)r, cosl((long double)x), 53, -1021, 1e308L) < 2);
            variant[v].batch->f[F_tan].two(&x, &x, &r, 1);
            CHECK(ulps((long double)r, tanl((long double)x), 53, -1021, 1e308L) < 4);
        }
}

/* ---- ways of compiling ----------------------------------------------------------------------- */

static void add(const char *name, const Batch *batch, int same)
{
    variant[variants++] = (Variant){ name, batch, same };
}

#ifdef HAVE_TCC
static TCCState *tcc;
static TCCState *states[2]; /* plain, with AOT_RT */

static uint64_t fix_float(float x)
{
    return (uint64_t)x;
}

static uint64_t fix_double(double x)
{
    return (uint64_t)x;
}

static void add_tcc(const char *name, const char *prelude, const char *here, int rt)
{
    char path[4096];
    const Batch *batch;
    tcc = states[rt] = tcc_new();
    tcc_set_options(tcc, "-nostdlib -nostdinc -std=c11 -Wall -Werror");
    tcc_set_lib_path(tcc, "");
    tcc_set_output_type(tcc, TCC_OUTPUT_MEMORY);
    tcc_add_include_path(tcc, prelude);
    tcc_add_include_path(tcc, here);
    tcc_define_symbol(tcc, "BATCH", "batch_tcc");
    tcc_add_symbol(tcc, "__fixunssfdi", (void *)(uintptr_t)fix_float);
    tcc_add_symbol(tcc, "__fixunsdfdi", (void *)(uintptr_t)fix_double);
    if (rt) {
        tcc_define_symbol(tcc, "AOT_RT", "1");
#define RT(f, g) tcc_add_symbol(tcc, "aotk_" #f, (void *)(uintptr_t)g);
        RT(floorf, floorf) RT(ceilf, ceilf) RT(truncf, truncf) RT(rintf, rintf) RT(sqrtf, sqrtf)
        RT(floor, floor) RT(ceil, ceil) RT(trunc, trunc) RT(rint, rint) RT(sqrt, sqrt)
        RT(fmod, fmod)
    }
    snprintf(path, sizeof path, "%s/batch.c", here);
    if (!CHECK(!tcc_add_file(tcc, path)) || !CHECK(tcc_relocate(tcc, TCC_RELOCATE_AUTO) >= 0))
        return;
    batch = tcc_get_symbol(tcc, "batch_tcc");
    if (CHECK(batch))
        add(name, batch, 1);
}
#endif

extern const Batch batch_base, batch_soft, batch_fused;
#ifdef HAVE_LEVELS
extern const Batch batch_v3, batch_v3_fused, batch_v4;
#endif

int main(int argc, char **argv)
{
    add("base", &batch_base, 1);
    add("soft", &batch_soft, 1);
#ifdef HAVE_LEVELS
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        add("v3", &batch_v3, 1);
        add("v3 fused", &batch_v3_fused, 0);
    }
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq"))
        add("v4", &batch_v4, 1);
#else
    add("fused", &batch_fused, 0);
#endif
#ifdef HAVE_TCC
    if (argc > 2) {
        add_tcc("tcc", argv[1], argv[2], 0);
        add_tcc("tcc + rt", argv[1], argv[2], 1);
    }
#endif
    (void)argc, (void)argv;
    elementary();
    RUN(floor_division);
    RUN(large_arguments);
    RUN(halves);
    RUN(integers);
    RUN(conversions);
#ifdef HAVE_TCC
    for (int i = 0; i < 2; i++)
        if (states[i])
            tcc_delete(states[i]);
#endif
    return check_report();
}
