/* SPDX-License-Identifier: MIT */
/* rt.c against libm and the compiler: all half floats, random bit patterns, special values. */
#include "check.h"

#ifdef AOTK_STATIC /* the portable forms, which a machine without special instructions gets */
#include "rt.c"
#endif

static double special[] = {0.0,
                           -0.0,
                           0.5,
                           -0.5,
                           1.5,
                           2.5,
                           -2.5,
                           1.0,
                           -1.0,
                           0x1p-1074,
                           0x1.8p-1060,
                           0x1p-1022,
                           -0x1p-1022,
                           0x1.fffffffffffffp1023,
                           0x1p52,
                           0x1p53,
                           -0x1.8p51,
                           3.0,
                           1e300,
                           -1e-300,
                           0x1.fffffep127,
                           0x1p-149,
                           4503599627370495.5,
                           INFINITY,
                           -INFINITY,
                           NAN};
enum { SPECIAL = sizeof special / sizeof *special };

static double random_double(void) {
    union {
        unsigned long long w;
        double d;
    } u = {(unsigned long long)random_u32() << 32 | random_u32()};
    unsigned pick = random_u32() % 8;
    if (pick == 0) return special[random_u32() % SPECIAL];
    if (pick < 4)
        u.w = (u.w & ~(0x7ffull << 52)) | (unsigned long long)(1000 + random_u32() % 80) << 52;
    if (pick == 4) u.w &= ~0ull << 40;
    return u.d;
}

static float random_float(void) {
    union { unsigned w; float f; } u = {random_u32()};
    unsigned pick = random_u32() % 8;
    if (pick == 0) return (float)special[random_u32() % SPECIAL];
    if (pick < 4) u.w = (u.w & 0x807fffff) | (100 + random_u32() % 50) << 23;
    return u.f;
}

/* Equal bits, or both NaN. */
static int equal(double x, double y) {
    return x != x ? y != y : memcmp(&x, &y, sizeof x) == 0;
}

static void expect(const char *f, double x, double y, double got, double want) {
    if (!equal(got, want)) FAIL("%s(%a, %a) = %a, not %a", f, x, y, got, want);
}

#define ONE(f, x) expect(#f, (double)(x), 0, (double)aotk_##f(x), (double)f(x))
#define TWO(f, x, y) expect(#f, (double)(x), (double)(y), (double)aotk_##f(x, y), (double)f(x, y))

static void test_mathematics(void) {
    for (int i = 0; i < 300000; i++) {
        double x = random_double(), y = random_double(), z = random_double();
        float a = random_float(), b = random_float(), c = random_float();
        ONE(floor, x); ONE(ceil, x); ONE(trunc, x); ONE(rint, x); ONE(fabs, x); ONE(sqrt, x);
        ONE(floorf, a); ONE(ceilf, a); ONE(truncf, a); ONE(rintf, a); ONE(fabsf, a); ONE(sqrtf, a);
        TWO(copysign, x, y); TWO(copysignf, a, b); TWO(fmodf, a, b);
        if (i % 8 == 0) TWO(fmod, x, y);
        if (i % 3 == 0) z = -x * y * (1 + random_in(-2, 2) * 0x1p-52); /* cancellation */
        if (i % 5 == 0) c = -a * b;
        if (!equal(aotk_fma(x, y, z), fma(x, y, z)))
            FAIL("fma(%a, %a, %a) = %a, not %a", x, y, z, aotk_fma(x, y, z), fma(x, y, z));
        if (!equal((double)aotk_fmaf(a, b, c), (double)fmaf(a, b, c)))
            FAIL("fmaf(%a, %a, %a) = %a, not %a", (double)a, (double)b, (double)c,
                 (double)aotk_fmaf(a, b, c), (double)fmaf(a, b, c));
    }
}

/* The nearest half by search: halves are ordered as their bits are. */
static aotk_u16 nearest_half(float x) {
    float size = fabsf(x);
    int sign = signbit(x) ? 0x8000 : 0, lo = 0, hi = 0x7c00;
    if (size >= 65520) return (aotk_u16)(sign | 0x7c00);
    while (hi - lo > 1) {
        int mid = (lo + hi) / 2;
        if (aotk_f16_to_f32((aotk_u16)mid) <= size) lo = mid;
        else hi = mid;
    }
    double below = (double)size - (double)aotk_f16_to_f32((aotk_u16)lo);
    double above = (hi == 0x7c00 ? 65536.0 : (double)aotk_f16_to_f32((aotk_u16)hi)) - (double)size;
    return (aotk_u16)(sign | (below < above || (below == above && lo % 2 == 0) ? lo : hi));
}

static void test_halves(void) {
    for (int h = 0; h < 65536; h++) {
        int e = h >> 10 & 31, m = h & 1023;
        double want = e == 31 ? (m ? NAN : INFINITY) : e ? ldexp(1024 + m, e - 25) : ldexp(m, -24);
        float got = aotk_f16_to_f32((aotk_u16)h);
        if (h & 0x8000) want = -want;
        if (!equal((double)got, want)) FAIL("f16_to_f32(%x) = %a, not %a", h, (double)got, want);
        aotk_u16 back = aotk_f32_to_f16(got);
        if (want == want ? back != h : (back & 0x7fff) <= 0x7c00)
            FAIL("f32_to_f16 of %x = %x", h, back);
        float wide = aotk_bf16_to_f32((aotk_u16)h);
        back = aotk_f32_to_bf16(wide);
        if (wide == wide ? back != h : (back & 0x7fff) <= 0x7f80)
            FAIL("f32_to_bf16 of %x = %x", h, back);
    }
    for (int i = 0; i < 200000; i++) {
        float x = random_float();
        if (x == x && aotk_f32_to_f16(x) != nearest_half(x))
            FAIL("f32_to_f16(%a) = %x, not %x", (double)x, aotk_f32_to_f16(x), nearest_half(x));
        float down = aotk_bf16_to_f32((aotk_u16)(aotk_f32_to_bf16(x)));
        if (isfinite(x) && isfinite(down) && fabsf(down - x) > fabsf(x) * 0x1p-8f + 0x1p-134f)
            FAIL("f32_to_bf16(%a) = %a", (double)x, (double)down);
    }
    if (aotk_f32_to_bf16(0x1.01p0f) != 0x3f80 || aotk_f32_to_bf16(0x1.03p0f) != 0x3f82)
        FAIL("bf16 ties");
}

#ifndef AOTK_STATIC
unsigned long long __fixunssfdi(float x);
unsigned long long __fixunsdfdi(double x);
float __floatundisf(unsigned long long x);
double __floatundidf(unsigned long long x);

static void test_conversions(void) {
    for (int i = 0; i < 300000; i++) {
        unsigned long long w =
            ((unsigned long long)random_u32() << 32 | random_u32()) >> random_u32() % 64;
        if (i % 4 == 0) w |= 1ull << 63;
        volatile float f = (float)w;
        volatile double d = (double)w;
        if (__floatundisf(w) != f || __floatundidf(w) != d) FAIL("float of %llu", w);
        if (f < 0x1p64f && __fixunssfdi(f) != (unsigned long long)f)
            FAIL("whole number of %a", (double)f);
        if (d < 0x1p64 && __fixunsdfdi(d) != (unsigned long long)d) FAIL("whole number of %a", d);
    }
}

static void test_memory(void) {
    char a[100], b[100];
    for (int i = 0; i < 20000; i++) {
        size_t from = random_u32() % 50, to = random_u32() % 50, n = random_u32() % 51;
        for (int j = 0; j < 100; j++) a[j] = b[j] = (char)random_u32();
        memmove(a + to, a + from, n);
        for (size_t j = 0; j < 100; j++) {
            char want = j >= to && j < to + n ? b[j - to + from] : b[j];
            if (a[j] != want) FAIL("memmove(%zu, %zu, %zu)", to, from, n);
        }
        memcpy(b, a, 100);
        if (memcmp(a, b, 100)) FAIL("memcpy");
        memset(b + to, 7, n);
        for (size_t j = 0; j < 100; j++)
            if (b[j] != (j >= to && j < to + n ? 7 : a[j])) FAIL("memset");
        b[from] = (char)(a[from] ^ 0x80);
        int less = (unsigned char)a[from] < (unsigned char)b[from];
        if ((memcmp(a + from, b + from, 1) < 0) != less) FAIL("memcmp");
    }
}

#endif

int main(void) {
    test_mathematics();
    test_halves();
#ifndef AOTK_STATIC
    test_conversions();
    test_memory();
#endif
    printf("rt: cpu level %d, %d failures\n", aotk_cpu_level(), failures);
    return failures != 0;
}
