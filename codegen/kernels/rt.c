/* SPDX-License-Identifier: MIT */
/* What an artifact would otherwise want from libc, libm and the compiler's library: one object.
 *
 * Compiled with -fno-tree-loop-distribute-patterns, so that the loop in memcpy does not become a
 * call of memcpy. Nothing here is hot: kernels move and convert data with vectors of their own. The
 * arithmetic is exact by construction (whole-number algorithms, or an instruction), never by a
 * table.
 */
#include "aotk.h"

#ifdef __SIZE_TYPE__
typedef __SIZE_TYPE__ aotk_size;
#else
typedef unsigned long aotk_size;
#endif

#ifdef AOTK_STATIC
#define AOTK_RT static AOTK_UNUSED
#elif defined(__GNUC__)
#define AOTK_RT __attribute__((visibility("hidden")))
#else
#define AOTK_RT
#endif

static AOTK_UNUSED aotk_u32 aotk_float_bits(float x) {
    union { float f; aotk_u32 w; } u;
    u.f = x;
    return u.w;
}

static AOTK_UNUSED float aotk_bits_float(aotk_u32 w) {
    union { float f; aotk_u32 w; } u;
    u.w = w;
    return u.f;
}

static AOTK_UNUSED aotk_u64 aotk_double_bits(double x) {
    union { double f; aotk_u64 w; } u;
    u.f = x;
    return u.w;
}

static AOTK_UNUSED double aotk_bits_double(aotk_u64 w) {
    union { double f; aotk_u64 w; } u;
    u.w = w;
    return u.f;
}

/* ------------------------------------------------------------------------------------- memory */

#ifndef AOTK_STATIC
void *memcpy(void *restrict to, const void *restrict from, aotk_size n);
void *memmove(void *to, const void *from, aotk_size n);
void *memset(void *to, int c, aotk_size n);
int memcmp(const void *a, const void *b, aotk_size n);

AOTK_RT void *memcpy(void *restrict to, const void *restrict from, aotk_size n) {
#if defined(__x86_64__) && defined(__GNUC__)
    void *d = to;
    __asm__ volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(n) : : "memory");
#else
    char *d = to;
    const char *s = from;
    while (n--) *d++ = *s++;
#endif
    return to;
}

AOTK_RT void *memmove(void *to, const void *from, aotk_size n) {
    char *d = to;
    const char *s = from;
    if (d <= s || d >= s + n) {
        for (aotk_size i = 0; i < n; i++) d[i] = s[i];
    } else {
        while (n--) d[n] = s[n];
    }
    return to;
}

AOTK_RT void *memset(void *to, int c, aotk_size n) {
#if defined(__x86_64__) && defined(__GNUC__)
    void *d = to;
    __asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
#else
    char *d = to;
    while (n--) *d++ = (char)c;
#endif
    return to;
}

AOTK_RT int memcmp(const void *a, const void *b, aotk_size n) {
    const unsigned char *p = a, *q = b;
    for (aotk_size i = 0; i < n; i++) {
        if (p[i] != q[i]) return p[i] < q[i] ? -1 : 1;
    }
    return 0;
}

/* ---------------------------------------------------- conversions that tcc's code calls by name */

aotk_u64 __fixunssfdi(float x);
aotk_u64 __fixunsdfdi(double x);
float __floatundisf(aotk_u64 x);
double __floatundidf(aotk_u64 x);

/* Out of range they do what gcc's inline code does: below 2^63 a signed conversion decides. */
AOTK_RT aotk_u64 __fixunssfdi(float x) {
    if (!(x >= 0x1p63f)) return (aotk_u64)(aotk_i64)x;
    return (aotk_u64)(aotk_i64)(x - 0x1p63f) ^ 1ull << 63;
}

AOTK_RT aotk_u64 __fixunsdfdi(double x) {
    if (!(x >= 0x1p63)) return (aotk_u64)(aotk_i64)x;
    return (aotk_u64)(aotk_i64)(x - 0x1p63) ^ 1ull << 63;
}

/* Halving keeps the last bit sticky, so that the one rounding is the right one. */
AOTK_RT float __floatundisf(aotk_u64 x) {
    return (aotk_i64)x >= 0 ? (float)(aotk_i64)x : 2 * (float)(aotk_i64)(x >> 1 | (x & 1));
}

AOTK_RT double __floatundidf(aotk_u64 x) {
    return (aotk_i64)x >= 0 ? (double)(aotk_i64)x : 2 * (double)(aotk_i64)(x >> 1 | (x & 1));
}
#endif

/* ------------------------------------------------------------------ half precision and bfloat16 */

AOTK_RT float aotk_f16_to_f32(aotk_u16 h) {
    aotk_u32 sign = (aotk_u32)(h & 0x8000) << 16, rest = h & 0x7fff;
    if (rest >= 0x7c00) return aotk_bits_float(sign | 0x7f800000 | rest << 13);
    if (rest >= 0x400) return aotk_bits_float(sign | (rest + (112 << 10)) << 13);
    float x = (float)(int)rest * 0x1p-24f; /* denormal or zero */
    return sign ? -x : x;
}

AOTK_RT aotk_u16 aotk_f32_to_f16(float x) {
    aotk_u32 w = aotk_float_bits(x), sign = w >> 16 & 0x8000, rest = w & 0x7fffffff;
    if (rest > 0x7f800000) return (aotk_u16)(sign | 0x7e00 | (rest >> 13 & 0x3ff));
    if (rest >= 0x477ff000) return (aotk_u16)(sign | 0x7c00); /* 65520 and more round to infinity */
    if (rest < 0x38800000) {                       /* below 2^-14: count units of 2^-24 */
        float unit = aotk_bits_float(rest) + 0.5f; /* whose last bit is 2^-24 in [0.5, 1) */
        return (aotk_u16)(sign | (aotk_float_bits(unit) - 0x3f000000));
    }
    rest += 0xfff + (rest >> 13 & 1);
    return (aotk_u16)(sign | ((rest >> 13) - (112 << 10)));
}

AOTK_RT float aotk_bf16_to_f32(aotk_u16 h) {
    return aotk_bits_float((aotk_u32)h << 16);
}

AOTK_RT aotk_u16 aotk_f32_to_bf16(float x) {
    aotk_u32 w = aotk_float_bits(x);
    if ((w & 0x7fffffff) > 0x7f800000) return (aotk_u16)(w >> 16 | 0x40);
    return (aotk_u16)((w + 0x7fff + (w >> 16 & 1)) >> 16);
}

/* --------------------------------------------------------------------------- scalar mathematics */

AOTK_RT float aotk_fabsf(float x) {
    return aotk_bits_float(aotk_float_bits(x) & 0x7fffffff);
}

AOTK_RT double aotk_fabs(double x) {
    return aotk_bits_double(aotk_double_bits(x) & ~0ull >> 1);
}

AOTK_RT float aotk_copysignf(float x, float sign) {
    return aotk_bits_float((aotk_float_bits(x) & 0x7fffffff) |
                           (aotk_float_bits(sign) & 0x80000000));
}

AOTK_RT double aotk_copysign(double x, double sign) {
    aotk_u64 mask = 1ull << 63;
    return aotk_bits_double((aotk_double_bits(x) & ~mask) | (aotk_double_bits(sign) & mask));
}

/* From 2^52 on a double is whole; below, the conversion cuts off the fraction. */
AOTK_RT double aotk_trunc(double x) {
    return aotk_fabs(x) < 0x1p52 ? aotk_copysign((double)(aotk_i64)x, x) : x + 0;
}

AOTK_RT double aotk_floor(double x) {
    double t = aotk_trunc(x);
    return t > x ? t - 1 : t;
}

AOTK_RT double aotk_ceil(double x) {
    double t = aotk_trunc(x);
    return t < x ? aotk_copysign(t + 1, x) : t;
}

AOTK_RT double aotk_rint(double x) {
    double t = aotk_trunc(x), rest = aotk_fabs(x - t);
    if (!(rest >= 0.5) || (rest == 0.5 && ((aotk_i64)t & 1) == 0)) return t;
    return t + aotk_copysign(1, x);
}

AOTK_RT float aotk_truncf(float x) {
    return (float)aotk_trunc((double)x);
}

AOTK_RT float aotk_floorf(float x) {
    return (float)aotk_floor((double)x);
}

AOTK_RT float aotk_ceilf(float x) {
    return (float)aotk_ceil((double)x);
}

AOTK_RT float aotk_rintf(float x) {
    return (float)aotk_rint((double)x);
}

/* Correctly rounded. A float's root is the double's, rounded again: with more than twice the digits
 * that is harmless. */
AOTK_RT double aotk_sqrt(double x) {
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__TINYC__) && !defined(AOTK_STRICT)
    double r;
    __asm__("sqrtsd %1, %0" : "=x"(r) : "x"(x));
    return r;
#elif defined(__aarch64__) && defined(__GNUC__) && !defined(__TINYC__) && !defined(AOTK_STRICT)
    double r;
    __asm__("fsqrt %d0, %d1" : "=w"(r) : "w"(x));
    return r;
#else
    /* Digit by digit: x = m * 4^e with m in [2^52, 2^54), root of m * 2^54 to 54 bits. */
    aotk_u64 w = aotk_double_bits(x);
    if (w << 1 == 0 || w == 0x7ffull << 52 || x != x) return x;
    if (w >> 63) return (x - x) / (x - x);
    int e = (int)(w >> 52);
    aotk_u64 m = w & ((1ull << 52) - 1);
    if (e) m |= 1ull << 52;
    else e = 1;
    while (m < 1ull << 52) m <<= 1, e--;
    e -= 1075;
    if (e & 1) m <<= 1, e--;
    aotk_u64 root = 0, rest = 0;
    for (int i = 0; i < 54; i++) {
        aotk_u64 pair = i < 27 ? m >> (52 - 2 * i) & 3 : 0;
        rest = rest << 2 | pair;
        root <<= 1;
        if (rest >= 2 * root + 1) rest -= 2 * root + 1, root++;
    }
    root = (root >> 1) + (root & 1); /* no ties: a root with 54 digits has a square with 107 */
    return (double)(aotk_i64)root * aotk_bits_double((aotk_u64)(e / 2 - 26 + 1023) << 52);
#endif
}

AOTK_RT float aotk_sqrtf(float x) {
    return (float)aotk_sqrt((double)x);
}

/* |x| = result * 2^*e, result in [2^52, 2^53); x is finite and not 0. */
static AOTK_UNUSED aotk_u64 aotk_split(double x, int *e) {
    aotk_u64 w = aotk_double_bits(x) & ~0ull >> 1, m = w & ((1ull << 52) - 1);
    *e = (int)(w >> 52) - 1075;
    if (w >> 52) return m | 1ull << 52;
    for (*e = -1074; m < 1ull << 52; m <<= 1) --*e;
    return m;
}

/* Long division in whole numbers: exact, and as many steps as the exponents differ. */
AOTK_RT double aotk_fmod(double x, double y) {
    aotk_u64 inf = 0x7ffull << 52, top = 1ull << 52, sign = aotk_double_bits(x) & 1ull << 63;
    aotk_u64 a = aotk_double_bits(x) & ~(1ull << 63), b = aotk_double_bits(y) & ~(1ull << 63);
    if (a >= inf || b > inf || b == 0) return (x * y) / (x * y);
    if (a < b) return x;
    int ea, eb;
    a = aotk_split(aotk_bits_double(a), &ea);
    b = aotk_split(aotk_bits_double(b), &eb);
    for (; ea > eb; ea--) {
        if (a >= b) a -= b;
        a <<= 1;
    }
    if (a >= b) a -= b;
    if (a == 0) return aotk_bits_double(sign);
    while (a < top) a <<= 1, ea--;
    if (ea < -1074) return aotk_bits_double(sign | a >> (-1074 - ea));
    return aotk_bits_double(sign | (((aotk_u64)(ea + 1074) << 52) + a));
}

AOTK_RT float aotk_fmodf(float x, float y) {
    return (float)aotk_fmod((double)x, (double)y);
}

/* s + *rest == a + b exactly, unless it overflows. */
static AOTK_UNUSED double aotk_two_sum(double a, double b, double *rest) {
    volatile double s = a + b;
    volatile double bb = s - a;
    volatile double aa = s - bb;
    *rest = (a - aa) + (b - bb);
    return s;
}

/* x * y is exact in double, the sum is rounded to odd: rounding to float is the only one. */
AOTK_RT float aotk_fmaf(float x, float y, float z) {
    double product = (double)x * (double)y, rest, s = aotk_two_sum(product, (double)z, &rest);
    if (!(aotk_fabs(s) < 0x1p1000) || rest == 0) return (float)s;
    aotk_u64 w = aotk_double_bits(s);
    if ((w & 1) == 0) w = (rest > 0) == (s > 0) ? w + 1 : w - 1;
    return (float)aotk_bits_double(w);
}

/* A 128-bit whole number, for the exact product. */
typedef struct aotk_wide {
    aotk_u64 hi, lo;
} aotk_wide;

static AOTK_UNUSED aotk_wide aotk_multiply(aotk_u64 x, aotk_u64 y) {
    aotk_u64 x0 = x & 0xffffffff, x1 = x >> 32, y0 = y & 0xffffffff, y1 = y >> 32;
    aotk_u64 low = x0 * y0, mid = x1 * y0 + (low >> 32), mid2 = x0 * y1 + (mid & 0xffffffff);
    aotk_wide r = {x1 * y1 + (mid >> 32) + (mid2 >> 32), mid2 << 32 | (low & 0xffffffff)};
    return r;
}

static AOTK_UNUSED aotk_wide aotk_shift_left(aotk_wide x, int n) {
    aotk_wide r = {n < 64 ? x.hi << n : x.lo << (n - 64), n < 64 ? x.lo << n : 0};
    if (n > 0 && n < 64) r.hi |= x.lo >> (64 - n);
    return r;
}

/* To the right; what falls off leaves its trace in the last bit. */
static AOTK_UNUSED aotk_wide aotk_shift_right(aotk_wide x, int n) {
    aotk_wide r = {0, (x.hi | x.lo) != 0};
    if (n == 0) return x;
    if (n >= 128) return r;
    aotk_wide back = aotk_shift_left(x, 128 - n);
    r.hi = n < 64 ? x.hi >> n : 0;
    r.lo = n < 64 ? x.lo >> n | x.hi << (64 - n) : x.hi >> (n - 64);
    r.lo |= (back.hi | back.lo) != 0;
    return r;
}

/* m * 2^e to the nearest double, m < 2^63; its last bit may stand for more digits. */
static AOTK_UNUSED double aotk_round_scaled(aotk_u64 m, int e) {
    int cut = 10 + e < -1074 ? -1074 - e : 10;
    if (cut > 63) return 0;
    aotk_u64 half = 1ull << (cut - 1), r = m >> cut, rest = m & (2 * half - 1);
    if (rest > half || (rest == half && (r & 1))) r++;
    aotk_u64 field = (aotk_u64)(e + cut + 1074); /* r has bit 52 unless the result is denormal */
    if (field + (r >> 52) >= 2047) return aotk_bits_double(0x7ffull << 52);
    return aotk_bits_double((field << 52) + r);
}

AOTK_RT double aotk_fma(double x, double y, double z) {
    aotk_u64 inf = 0x7ffull << 52, mask = ~0ull >> 1;
    if ((aotk_double_bits(x) & mask) >= inf || (aotk_double_bits(y) & mask) >= inf)
        return x * y + z;
    if ((aotk_double_bits(z) & mask) >= inf) return z;
    if (x == 0 || y == 0) return x * y + z;
    if (z == 0) return x * y;
    int ex, ey, ez;
    aotk_wide p = aotk_multiply(aotk_split(x, &ex), aotk_split(y, &ey));
    aotk_wide q = {0, aotk_split(z, &ez)};
    p = aotk_shift_left(p, 20); /* both now lie in [2^124, 2^126) */
    q = aotk_shift_left(q, 72);
    int e = ex + ey - 20, d = e - (ez - 72);
    if (d > 0) q = aotk_shift_right(q, d < 128 ? d : 128);
    if (d < 0) p = aotk_shift_right(p, -d < 128 ? -d : 128), e = ez - 72;
    aotk_u64 sign_z = aotk_double_bits(z) >> 63;
    aotk_u64 sign = (aotk_double_bits(x) ^ aotk_double_bits(y)) >> 63;
    aotk_wide r;
    if (sign == sign_z) {
        r.lo = p.lo + q.lo;
        r.hi = p.hi + q.hi + (r.lo < p.lo);
    } else {
        if (p.hi < q.hi || (p.hi == q.hi && p.lo < q.lo)) {
            aotk_wide t = p;
            p = q;
            q = t;
            sign = sign_z;
        }
        r.lo = p.lo - q.lo;
        r.hi = p.hi - q.hi - (p.lo < q.lo);
    }
    if ((r.hi | r.lo) == 0) return 0;
    while (!(r.hi >> 62)) r = aotk_shift_left(r, 1), e--;
    if (r.hi >> 63) r = aotk_shift_right(r, 1), e++;
    double result = aotk_round_scaled(r.hi | (r.lo != 0), e + 64);
    return sign ? -result : result;
}

/* -------------------------------------------------------------------------------- the processor */

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__TINYC__)) && !defined(AOTK_STRICT)
static AOTK_UNUSED void aotk_cpuid(aotk_u32 leaf, aotk_u32 r[4]) {
    aotk_u32 a = leaf, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    r[0] = a;
    r[1] = b;
    r[2] = c;
    r[3] = d;
}

/* The levels of the x86-64 psABI; the system, too, must save the registers (XCR0). */
AOTK_RT int aotk_cpu_level(void) {
    aotk_u32 r[4], lo, hi;
    /* SSE3, SSSE3, FMA, CMPXCHG16B, SSE4.1, SSE4.2, MOVBE, POPCNT, OSXSAVE, AVX, F16C */
    aotk_u32 v3_1 = 1u << 0 | 1u << 9 | 1u << 12 | 1u << 13 | 1u << 19 | 1u << 20 | 1u << 22 |
                    1u << 23 | 1u << 27 | 1u << 28 | 1u << 29;
    /* BMI1, AVX2, BMI2 */
    aotk_u32 v3_7 = 1u << 3 | 1u << 5 | 1u << 8;
    /* AVX-512 F, DQ, CD, BW, VL */
    aotk_u32 v4_7 = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31;
    aotk_cpuid(0, r);
    if (r[0] < 7) return 0;
    aotk_cpuid(1, r);
    if ((r[2] & v3_1) != v3_1) return 0;
    aotk_cpuid(0x80000001u, r);
    if (!(r[2] & 1u << 5)) return 0; /* LZCNT */
    __asm__ volatile(".byte 0x0f, 0x01, 0xd0" : "=a"(lo), "=d"(hi) : "c"(0)); /* xgetbv */
    aotk_cpuid(7, r);
    if ((lo & 6) != 6 || (r[1] & v3_7) != v3_7) return 0;
    return (lo & 0xe6) == 0xe6 && (r[1] & v4_7) == v4_7 ? 4 : 3;
}
#else
AOTK_RT int aotk_cpu_level(void) {
    return 0;
}
#endif
