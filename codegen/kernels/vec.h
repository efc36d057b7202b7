/* SPDX-License-Identifier: MIT */
/* Vectors of AOTK_VL floats, and the elementary functions that epilogues need on them.
 *
 * Everything is written once for all widths. GCC's vector extension gives arithmetic and
 * comparisons; what it lacks (minimum, selection, a cast of the bits that also works for a lone
 * float) are the few functions below, so that AOTK_VL == 1 compiles the same bodies as strict C11.
 * No vector is ever wider than the machine's: GCC would take it apart through memory, 45 times
 * slower. The functions have no branches, no tables and no slow path, which is why they run at
 * several floats a nanosecond with 16 lanes. tests/kernels/test_vec.c holds them to their bounds.
 */
#ifndef AOTK_VEC_H
#define AOTK_VEC_H

#include "aotk.h"

#ifndef AOTK_VL
#if !defined(__GNUC__) || defined(__TINYC__) || defined(__STRICT_ANSI__)
#define AOTK_VL 1
#elif defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512BW__)
#define AOTK_VL 16
#elif defined(__AVX2__) && defined(__FMA__)
#define AOTK_VL 8
#elif defined(__SSE2__) || defined(__aarch64__)
#define AOTK_VL 4
#else
#define AOTK_VL 1
#endif
#endif

#if defined(__GNUC__) && !defined(__TINYC__)
#define AOTK_INLINE static inline __attribute__((always_inline, unused))
#define AOTK_NOINLINE static __attribute__((noinline, unused))
#else
#define AOTK_INLINE static inline AOTK_UNUSED
#define AOTK_NOINLINE static AOTK_UNUSED
#endif

/* Unrolls the loop that follows, whose trip count (at most 32) is constant after inlining: only so
 * does an array of accumulators live in registers at -O2. */
#if defined(__clang__)
#define AOTK_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__) && !defined(__TINYC__)
#define AOTK_UNROLL _Pragma("GCC unroll 32")
#else
#define AOTK_UNROLL
#endif

/* Before a function: instructions of independent chains are mixed before registers are given out, which GCC leaves to the
 * processor at -O2; where it has 64 places for those that wait, three chains of twenty fill them. */
#if defined(__GNUC__) && !defined(__clang__) && !defined(__TINYC__)
#define AOTK_MIXED __attribute__((optimize("schedule-insns")))
#else
#define AOTK_MIXED
#endif

#if AOTK_VL > 1
typedef float aotk_vf __attribute__((vector_size(AOTK_VL * 4)));
typedef int aotk_vi __attribute__((vector_size(AOTK_VL * 4)));
typedef unsigned aotk_vw __attribute__((vector_size(AOTK_VL * 4)));
typedef float aotk_vfu __attribute__((vector_size(AOTK_VL * 4), aligned(4), may_alias));
_Static_assert(sizeof(aotk_vf) == AOTK_VL * 4, "this compiler ignores vector_size");
#define AOTK_PREFETCH(p) __builtin_prefetch((p), 0, 2)
#define AOTK_ALIGNED __attribute__((aligned(64)))
#else
typedef float aotk_vf;
typedef int aotk_vi;
typedef unsigned aotk_vw;
typedef float aotk_vfu;
#define AOTK_PREFETCH(p) ((void)(p))
#define AOTK_ALIGNED
#endif

AOTK_INLINE aotk_vf aotk_load(const float *p) {
    return *(const aotk_vfu *)p;
}

AOTK_INLINE void aotk_store(float *p, aotk_vf x) {
    *(aotk_vfu *)p = x;
}

#if AOTK_VL > 1
AOTK_INLINE aotk_vf aotk_splat(float x) {
    return x - (aotk_vf){0};
}

AOTK_INLINE aotk_vw aotk_bits(aotk_vf x) {
    return (aotk_vw)x;
}

AOTK_INLINE aotk_vf aotk_from_bits(aotk_vw x) {
    return (aotk_vf)x;
}

/* a < b and a != a, as masks of all ones. */
AOTK_INLINE aotk_vw aotk_less(aotk_vf a, aotk_vf b) {
    return (aotk_vw)(a < b);
}

AOTK_INLINE aotk_vw aotk_is_nan(aotk_vf a) {
    return (aotk_vw)(a != a);
}
#else
AOTK_INLINE aotk_vf aotk_splat(float x) {
    return x;
}

AOTK_INLINE aotk_vw aotk_bits(aotk_vf x) {
    union { float f; unsigned w; } u;
    u.f = x;
    return u.w;
}

AOTK_INLINE aotk_vf aotk_from_bits(aotk_vw x) {
    union { float f; unsigned w; } u;
    u.w = x;
    return u.f;
}

AOTK_INLINE aotk_vw aotk_less(aotk_vf a, aotk_vf b) {
    return a < b ? ~0u : 0u;
}

AOTK_INLINE aotk_vw aotk_is_nan(aotk_vf a) {
    return a != a ? ~0u : 0u;
}
#endif

/* sum += a * b. Of the forms that AVX2's multiply-add has GCC takes any, and where a tile fills the sixteen registers, what
 * it then moves about costs up to a third of the time. */
#if AOTK_VL == 8 && defined(__x86_64__)
AOTK_INLINE void aotk_add_product(aotk_vf *sum, aotk_vf a, aotk_vf b) {
    __asm__("vfmadd231ps %2, %1, %0" : "+x"(*sum) : "x"(a), "x"(b));
}
#else
AOTK_INLINE void aotk_add_product(aotk_vf *sum, aotk_vf a, aotk_vf b) {
    *sum += a * b;
}
#endif

AOTK_INLINE aotk_vf aotk_select(aotk_vw mask, aotk_vf yes, aotk_vf no) {
    return aotk_from_bits((aotk_bits(yes) & mask) | (aotk_bits(no) & ~mask));
}

/* The sum of the elements of x; those of four vectors, which become four floats at `sum`. */
#if AOTK_VL > 1 && (defined(__clang__) || __GNUC__ >= 12)
typedef float aotk_v4 __attribute__((vector_size(16)));

AOTK_INLINE aotk_v4 aotk_fold(aotk_vf x) {
#if AOTK_VL == 16
    typedef float v8 __attribute__((vector_size(32)));
    v8 a = __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7);
    a += __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15);
    return __builtin_shufflevector(a, a, 0, 1, 2, 3) + __builtin_shufflevector(a, a, 4, 5, 6, 7);
#elif AOTK_VL == 8
    return __builtin_shufflevector(x, x, 0, 1, 2, 3) + __builtin_shufflevector(x, x, 4, 5, 6, 7);
#else
    return x;
#endif
}

AOTK_INLINE float aotk_across(aotk_vf x) {
    aotk_v4 b = aotk_fold(x);
    b += __builtin_shufflevector(b, b, 2, 3, 2, 3);
    return b[0] + b[1];
}

AOTK_INLINE void aotk_across4(float *sum, aotk_vf x0, aotk_vf x1, aotk_vf x2, aotk_vf x3) {
    typedef float v4u __attribute__((vector_size(16), aligned(4), may_alias));
    aotk_v4 a = aotk_fold(x0), b = aotk_fold(x1), c = aotk_fold(x2), d = aotk_fold(x3);
    aotk_v4 ab = __builtin_shufflevector(a, b, 0, 4, 1, 5) + __builtin_shufflevector(a, b, 2, 6, 3, 7);
    aotk_v4 cd = __builtin_shufflevector(c, d, 0, 4, 1, 5) + __builtin_shufflevector(c, d, 2, 6, 3, 7);
    *(v4u *)sum = __builtin_shufflevector(ab, cd, 0, 1, 4, 5) + __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
}
#else
AOTK_INLINE float aotk_across(aotk_vf x) {
    AOTK_ALIGNED float lane[AOTK_VL];
    aotk_store(lane, x);
    for (int half = AOTK_VL / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; i++)
            lane[i] += lane[i + half];
    }
    return lane[0];
}

AOTK_INLINE void aotk_across4(float *sum, aotk_vf x0, aotk_vf x1, aotk_vf x2, aotk_vf x3) {
    sum[0] = aotk_across(x0);
    sum[1] = aotk_across(x1);
    sum[2] = aotk_across(x2);
    sum[3] = aotk_across(x3);
}
#endif

/* dst[i * ld + j] = src[i + j * ls] for i, j < 4, in registers where there are vectors. */
#if AOTK_VL > 1 && (defined(__clang__) || __GNUC__ >= 12)
AOTK_INLINE void aotk_turn4(float *dst, aotk_i64 ld, const float *src, aotk_i64 ls) {
    typedef float v4 __attribute__((vector_size(16)));
    typedef float v4u __attribute__((vector_size(16), aligned(4), may_alias));
    v4 r0 = *(const v4u *)src, r1 = *(const v4u *)(src + ls);
    v4 r2 = *(const v4u *)(src + 2 * ls), r3 = *(const v4u *)(src + 3 * ls);
    v4 a = __builtin_shufflevector(r0, r1, 0, 4, 1, 5);
    v4 b = __builtin_shufflevector(r2, r3, 0, 4, 1, 5);
    v4 c = __builtin_shufflevector(r0, r1, 2, 6, 3, 7);
    v4 d = __builtin_shufflevector(r2, r3, 2, 6, 3, 7);
    *(v4u *)dst = __builtin_shufflevector(a, b, 0, 1, 4, 5);
    *(v4u *)(dst + ld) = __builtin_shufflevector(a, b, 2, 3, 6, 7);
    *(v4u *)(dst + 2 * ld) = __builtin_shufflevector(c, d, 0, 1, 4, 5);
    *(v4u *)(dst + 3 * ld) = __builtin_shufflevector(c, d, 2, 3, 6, 7);
}
#else
AOTK_INLINE void aotk_turn4(float *dst, aotk_i64 ld, const float *src, aotk_i64 ls) {
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 4; j++) dst[i * ld + j] = src[i + j * ls];
    }
}
#endif

/* dst[i * ld + j] = xj[i] for i < AOTK_VL and j < 4. */
#if AOTK_VL > 1 && (defined(__clang__) || __GNUC__ >= 12)
#if AOTK_VL == 16
#define AOTK_IN_FOURS(x, y, a, b, c, d)                                                            \
    __builtin_shufflevector(x, y, a, b, c, d, a + 4, b + 4, c + 4, d + 4, a + 8, b + 8, c + 8, d + 8, a + 12, b + 12, c + 12, \
                            d + 12)
#elif AOTK_VL == 8
#define AOTK_IN_FOURS(x, y, a, b, c, d) __builtin_shufflevector(x, y, a, b, c, d, a + 4, b + 4, c + 4, d + 4)
#else
#define AOTK_IN_FOURS(x, y, a, b, c, d) __builtin_shufflevector(x, y, a, b, c, d)
#endif

/* dst[4 * q * ld + j] = x[4 * q + j] for j < 4. */
AOTK_INLINE void aotk_store_fours(float *dst, aotk_i64 ld, aotk_vf x) {
    typedef float v4u __attribute__((vector_size(16), aligned(4), may_alias));
    (void)ld;
#if AOTK_VL == 16
    *(v4u *)(dst + 12 * ld) = __builtin_shufflevector(x, x, 12, 13, 14, 15);
    *(v4u *)(dst + 8 * ld) = __builtin_shufflevector(x, x, 8, 9, 10, 11);
#endif
#if AOTK_VL >= 8
    *(v4u *)(dst + 4 * ld) = __builtin_shufflevector(x, x, 4, 5, 6, 7);
#endif
    *(v4u *)dst = __builtin_shufflevector(x, x, 0, 1, 2, 3);
}

AOTK_INLINE void aotk_turn_rows(float *dst, aotk_i64 ld, aotk_vf x0, aotk_vf x1, aotk_vf x2, aotk_vf x3) {
    enum { L = AOTK_VL };
    aotk_vf a = AOTK_IN_FOURS(x0, x1, 0, L, 1, L + 1), b = AOTK_IN_FOURS(x2, x3, 0, L, 1, L + 1);
    aotk_vf c = AOTK_IN_FOURS(x0, x1, 2, L + 2, 3, L + 3), d = AOTK_IN_FOURS(x2, x3, 2, L + 2, 3, L + 3);
    aotk_store_fours(dst, ld, AOTK_IN_FOURS(a, b, 0, 1, L, L + 1));
    aotk_store_fours(dst + ld, ld, AOTK_IN_FOURS(a, b, 2, 3, L + 2, L + 3));
    aotk_store_fours(dst + 2 * ld, ld, AOTK_IN_FOURS(c, d, 0, 1, L, L + 1));
    aotk_store_fours(dst + 3 * ld, ld, AOTK_IN_FOURS(c, d, 2, 3, L + 2, L + 3));
}
#elif AOTK_VL > 1
AOTK_INLINE void aotk_turn_rows(float *dst, aotk_i64 ld, aotk_vf x0, aotk_vf x1, aotk_vf x2, aotk_vf x3) {
    for (int i = 0; i < AOTK_VL; i++) {
        dst[i * ld] = x0[i];
        dst[i * ld + 1] = x1[i];
        dst[i * ld + 2] = x2[i];
        dst[i * ld + 3] = x3[i];
    }
}
#endif

/* max(x, lo) and min(x, hi), but a NaN in x stays: x86's instructions do that for their second
 * operand. */
#if AOTK_VL == 16 && defined(__clang__)
AOTK_INLINE aotk_vf aotk_at_least(aotk_vf x, aotk_vf lo) {
    return __builtin_ia32_maxps512(lo, x, 4);
}
AOTK_INLINE aotk_vf aotk_at_most(aotk_vf x, aotk_vf hi) {
    return __builtin_ia32_minps512(hi, x, 4);
}
#elif AOTK_VL == 16
AOTK_INLINE aotk_vf aotk_at_least(aotk_vf x, aotk_vf lo) {
    return __builtin_ia32_maxps512_mask(lo, x, x, (unsigned short)-1, 4);
}
AOTK_INLINE aotk_vf aotk_at_most(aotk_vf x, aotk_vf hi) {
    return __builtin_ia32_minps512_mask(hi, x, x, (unsigned short)-1, 4);
}
#elif AOTK_VL == 8
AOTK_INLINE aotk_vf aotk_at_least(aotk_vf x, aotk_vf lo) {
    return __builtin_ia32_maxps256(lo, x);
}
AOTK_INLINE aotk_vf aotk_at_most(aotk_vf x, aotk_vf hi) {
    return __builtin_ia32_minps256(hi, x);
}
#else
AOTK_INLINE aotk_vf aotk_at_least(aotk_vf x, aotk_vf lo) {
    return aotk_select(aotk_less(x, lo), lo, x);
}
AOTK_INLINE aotk_vf aotk_at_most(aotk_vf x, aotk_vf hi) {
    return aotk_select(aotk_less(hi, x), hi, x);
}
#endif

AOTK_INLINE aotk_vf aotk_clamp(aotk_vf x, float lo, float hi) {
    return aotk_at_most(aotk_at_least(x, aotk_splat(lo)), aotk_splat(hi));
}

/* e^r - 1 for |r| <= ln 2 / 2. */
AOTK_INLINE aotk_vf aotk_exp_rest(aotk_vf r) {
    aotk_vf p = r * 1.37805939e-3f + 8.37312452e-3f;
    p = p * r + 4.16695364e-2f;
    p = p * r + 1.66664720e-1f;
    p = p * r + 4.99999851e-1f;
    return p * r * r + r;
}

/* e^x for x <= 0, within 1 ulp; 0 where that is less than the smallest normal number. x = n ln 2 + r; adding
 * 1.5 * 2^23 rounds to a whole number that then stands in the low bits, with 127 more the exponent of 2^n. */
AOTK_INLINE aotk_vf aotk_exp_down(aotk_vf x) {
    aotk_vf y = aotk_at_least(x, aotk_splat(-88.02f)); /* from there on the exponent's bits are 0 */
    aotk_vf t = y * 1.44269504f + 12583039.0f, n = t - 12583039.0f;
    aotk_vf r = y - n * 0.693145752f;
    r = r - n * 1.42860677e-6f;
    aotk_vf power = aotk_from_bits(aotk_bits(t) << 23);
    return aotk_exp_rest(r) * power + power;
}

/* x / (1 + e^-v) for v from -93.5, where it is 0, to 20. With v = n ln 2 - r it is x 2^n / (2^n + 1 + (e^r - 1)), a sum
 * that loses nothing at either end. 2^n may be less than the smallest normal number where x 2^n is not, so denominator
 * and 2^n are both 256 times as large. */
AOTK_INLINE aotk_vf aotk_gate(aotk_vf x, aotk_vf v) {
    aotk_vf t = v * 1.44269504f + 12583047.0f, n = t - 12583047.0f;
    aotk_vf r = n * 0.693145752f - v;
    r = r + n * 1.42860677e-6f;
    aotk_vf power = aotk_from_bits(aotk_bits(t) << 23);
    return x / ((aotk_exp_rest(r) * 256.0f + power) + 256.0f) * power;
}

/* Within 2 ulp; 0 where that is less than the smallest normal number. At -inf x times 0 is NaN, as in PyTorch. */
AOTK_INLINE aotk_vf aotk_sigmoid(aotk_vf x) {
    return aotk_gate(aotk_splat(1.0f), aotk_clamp(x, -93.5f, 20.0f));
}

AOTK_INLINE aotk_vf aotk_silu(aotk_vf x) {
    return aotk_gate(x, aotk_clamp(x, -93.5f, 20.0f));
}

/* x / 2 (1 + tanh(v / 2)) = x / (1 + e^-v), v = sqrt(8 / pi) (x + 0.044715 x^3); so 1 + tanh never cancels. */
AOTK_INLINE aotk_vf aotk_gelu_tanh(aotk_vf x) {
    return aotk_gate(x, aotk_clamp(x * (x * x * 0.0713548163f + 1.59576912f), -93.5f, 20.0f));
}

/* tanh and erf are odd rational functions, a multiple of x of which stands alone: that part has no error, and little is
 * left of the quotient's where it is nearly all. Where the arguments are clamped the sum exceeds 1 by several ulp, so that
 * the last clamp gives exactly +-1 from there on. */

/* Within 4 ulp. */
AOTK_INLINE aotk_vf aotk_tanh(aotk_vf x) {
    x = aotk_clamp(x, -9.6f, 9.6f);
    aotk_vf z = x * x;
    aotk_vf p = z * -8.39942160e-8f + -2.04707267e-5f;
    p = p * z + 2.61917943e-4f;
    p = p * z + 7.54319578e-2f;
    p = p * z + 0.875f;
    aotk_vf q = z * 7.79028028e-7f + 3.28853261e-4f;
    q = q * z + 2.58844085e-2f;
    q = q * z + 0.467160195f;
    q = q * z + 1.0f;
    return aotk_clamp(x * 0.125f + x * p / q, -1.0f, 1.0f);
}

/* x / 2 (1 + erf(x / sqrt 2)). Where the sum cancels, for x < 0, the error is that of 4 ulp of erf. */
AOTK_INLINE aotk_vf aotk_gelu_erf(aotk_vf x) {
    aotk_vf half = x * 0.5f, y = aotk_clamp(x, -5.9f, 5.9f), z = y * y;
    aotk_vf p = z * -1.76768140e-7f + -1.12943519e-6f;
    p = p * z + -1.67353755e-5f;
    p = p * z + 3.98062589e-3f;
    p = p * z + 2.05350127e-2f;
    p = p * z + 0.611200094f;
    aotk_vf q = z * 1.18134176e-6f + 7.30546526e-5f;
    q = q * z + 1.88183947e-3f;
    q = q * z + 2.86567509e-2f;
    q = q * z + 0.251797438f;
    q = q * z + 1.0013361f;
    return aotk_clamp(y * 0.1875f + y * p / q, -1.0f, 1.0f) * half + half;
}

/* -------------------------------------------------------------------- numbers of sixteen bits */

#if AOTK_VL > 1
typedef aotk_u16 aotk_vhu __attribute__((vector_size(AOTK_VL * 2), aligned(2), may_alias));
#if AOTK_VL >= 8
typedef short aotk_vh __attribute__((vector_size(AOTK_VL * 2)));
#endif
AOTK_INLINE aotk_vw aotk_load_words(const aotk_u16 *p) {
#if AOTK_VL == 16 && !defined(__clang__) /* GCC 12 makes four instructions of what is one */
    return (aotk_vw)__builtin_ia32_pmovzxwd512_mask((aotk_vh)*(const aotk_vhu *)p, (aotk_vi){0}, (unsigned short)-1);
#elif AOTK_VL == 8 && !defined(__clang__)
    return (aotk_vw)__builtin_ia32_pmovzxwd256((aotk_vh)*(const aotk_vhu *)p);
#else
    return __builtin_convertvector(*(const aotk_vhu *)p, aotk_vw);
#endif
}
#else
AOTK_INLINE aotk_vw aotk_load_words(const aotk_u16 *p) {
    return *p;
}
#endif

AOTK_INLINE aotk_vf aotk_load_bf16(const aotk_u16 *p) {
    return aotk_from_bits(aotk_load_words(p) << 16);
}

/* Whole numbers of eight bits. */
#if AOTK_VL == 16 && !defined(__clang__)
AOTK_INLINE aotk_vf aotk_load_i8(const signed char *p) {
    typedef char v16 __attribute__((vector_size(16)));
    typedef char v16u __attribute__((vector_size(16), aligned(1), may_alias));
    return __builtin_convertvector(__builtin_ia32_pmovsxbd512_mask((v16)*(const v16u *)p, (aotk_vi){0}, (unsigned short)-1),
                                   aotk_vf);
}
#elif AOTK_VL == 8 && !defined(__clang__)
AOTK_INLINE aotk_vf aotk_load_i8(const signed char *p) {
    typedef char v16 __attribute__((vector_size(16)));
    typedef long long v2 __attribute__((vector_size(16)));
    typedef long long word __attribute__((aligned(1), may_alias));
    return __builtin_convertvector((aotk_vi)__builtin_ia32_pmovsxbd256((v16)(v2){*(const word *)p, 0}), aotk_vf);
}
#elif AOTK_VL > 1
AOTK_INLINE aotk_vf aotk_load_i8(const signed char *p) {
    typedef signed char bytes __attribute__((vector_size(AOTK_VL), aligned(1), may_alias));
    return __builtin_convertvector(__builtin_convertvector(*(const bytes *)p, aotk_vi), aotk_vf);
}
#else
AOTK_INLINE aotk_vf aotk_load_i8(const signed char *p) {
    return *p;
}
#endif

/* AOTK_VL pairs of bf16: their first elements, or their second ones. */
AOTK_INLINE aotk_vf aotk_load_pairs(const aotk_u16 *p, int second) {
#if AOTK_VL > 1
    aotk_vw w = aotk_bits(*(const aotk_vfu *)p);
    return aotk_from_bits(second ? w & 0xffff0000u : w << 16);
#else
    return aotk_from_bits((aotk_vw)p[second] << 16);
#endif
}

#if AOTK_VL == 16
AOTK_INLINE aotk_vf aotk_load_f16(const aotk_u16 *p) {
    return __builtin_ia32_vcvtph2ps512_mask((aotk_vh)*(const aotk_vhu *)p, (aotk_vf){0}, (unsigned short)-1, 4);
}
#elif AOTK_VL == 8
AOTK_INLINE aotk_vf aotk_load_f16(const aotk_u16 *p) {
    return __builtin_ia32_vcvtph2ps256((aotk_vh)*(const aotk_vhu *)p);
}
#else
AOTK_INLINE aotk_vf aotk_load_f16(const aotk_u16 *p) {
    aotk_vw h = aotk_load_words(p), rest = h & 0x7fffu;
    aotk_vf x = aotk_from_bits(rest << 13) * 0x1p112f; /* right but for infinities and NaNs, of exponent 31 */
    aotk_vw special = (((rest + 0x400u) >> 15) * 0x7f800000u);
    return aotk_from_bits(aotk_bits(x) | special | (h & 0x8000u) << 16);
}
#endif

/* Rounded to 8 bits of significand, to nearest, ties to even; a NaN stays one. */
AOTK_INLINE aotk_vf aotk_round_bf16(aotk_vf x) {
    aotk_vw w = aotk_bits(x), nan = aotk_is_nan(x);
    aotk_vw r = ((w + 0x7fffu + ((w >> 16) & 1u)) & ~nan) | ((w | 0x400000u) & nan);
    return aotk_from_bits(r & 0xffff0000u);
}

/* Rounded to what an f16 can be. Adding a power of two, that of the magnitude times 2^13 and at least that of the
 * smallest normal, leaves the bits that stay; 65520 and more become infinite. */
AOTK_INLINE aotk_vf aotk_round_f16(aotk_vf x) {
    aotk_vw w = aotk_bits(x), sign = w & 0x80000000u;
    aotk_vf size = aotk_from_bits(w & 0x7fffffffu);
    aotk_vf power = aotk_from_bits(aotk_bits(aotk_clamp(size, 0x1p-14f, 65536.0f)) & 0x7f800000u) * 8192.0f;
    aotk_vf r = (size + power) - power;
    aotk_vw over = aotk_less(aotk_splat(65519.996f), size);
    r = aotk_select(over, size * 0x1p127f, r);
    return aotk_from_bits(aotk_bits(r) | sign);
}

/* ------------------------------------------------------------ activations beyond the registers */

/* What an activation clamps its argument to. */
AOTK_INLINE int aotk_act_clamps(int act) {
    act &= AOTK_ACT_KIND;
    return act == AOTK_ACT_RELU || act == AOTK_ACT_CLAMP;
}

AOTK_INLINE float aotk_act_lo(int act, float lo) {
    return (act & AOTK_ACT_KIND) == AOTK_ACT_RELU ? 0.0f : lo;
}

AOTK_INLINE float aotk_act_hi(int act, float hi) {
    return (act & AOTK_ACT_KIND) == AOTK_ACT_RELU ? 3.402823466e38f * 2.0f : hi; /* infinity */
}

/* A walk over the vectors of `rows` rows of n floats, then of those `on` floats further. */
typedef struct aotk_vectors {
    float *const *x;
    float *row;
    aotk_i64 n, on, j, further;
    int rows, i;
} aotk_vectors;

AOTK_INLINE float *aotk_vectors_next(aotk_vectors *v) {
    float *at = v->row + v->j;
    v->j += AOTK_VL;
    if (v->j == v->n) {
        v->j = 0;
        if (++v->i == v->rows) {
            v->i = 0;
            v->further += v->on;
        }
        v->row = v->x[v->i] + v->further;
    }
    return at;
}

enum { AOTK_ACT_AT_ONCE = 4 };

#define AOTK_ACT_LOOP(f)                                                                           \
    do {                                                                                           \
        aotk_vectors v = {x, x[0], n, on, 0, 0, rows, 0};                                          \
        aotk_i64 left = rows * count * (n / AOTK_VL);                                              \
        for (; left >= AOTK_ACT_AT_ONCE; left -= AOTK_ACT_AT_ONCE) {                               \
            float *at[AOTK_ACT_AT_ONCE];                                                           \
            aotk_vf y[AOTK_ACT_AT_ONCE];                                                           \
            AOTK_UNROLL                                                                            \
            for (int u = 0; u < AOTK_ACT_AT_ONCE; u++) at[u] = aotk_vectors_next(&v);              \
            AOTK_UNROLL                                                                            \
            for (int u = 0; u < AOTK_ACT_AT_ONCE; u++) y[u] = f(aotk_load(at[u]));                 \
            AOTK_UNROLL                                                                            \
            for (int u = 0; u < AOTK_ACT_AT_ONCE; u++) aotk_store(at[u], y[u]);                    \
        }                                                                                          \
        for (; left > 0; left--) {                                                                 \
            float *at = aotk_vectors_next(&v);                                                     \
            aotk_store(at, f(aotk_load(at)));                                                      \
        }                                                                                          \
    } while (0);

/* x[i][t * on + j] = act(x[i][t * on + j]) of `rows` rows, `count` times, rounded as `act` says; j < n, n a multiple of
 * AOTK_VL. Clamping is done before. Much is done in one call, because it loads a dozen constants, and several vectors at
 * once, because each waits for a long chain of instructions: GCC shall mix theirs. */
AOTK_MIXED AOTK_NOINLINE void aotk_act_rows(float *const *x, int rows, aotk_i64 n, aotk_i64 count, aotk_i64 on, int act) {
    switch (act & AOTK_ACT_KIND) {
    case AOTK_ACT_GELU_ERF: AOTK_ACT_LOOP(aotk_gelu_erf) break;
    case AOTK_ACT_GELU_TANH: AOTK_ACT_LOOP(aotk_gelu_tanh) break;
    case AOTK_ACT_SILU: AOTK_ACT_LOOP(aotk_silu) break;
    case AOTK_ACT_SIGMOID: AOTK_ACT_LOOP(aotk_sigmoid) break;
    case AOTK_ACT_TANH: AOTK_ACT_LOOP(aotk_tanh) break;
    default: break;
    }
    if (act & AOTK_ROUND_F16) AOTK_ACT_LOOP(aotk_round_f16)
    if (act & AOTK_ROUND_BF16) AOTK_ACT_LOOP(aotk_round_bf16)
}

AOTK_INLINE void aotk_act_row(float *x, aotk_i64 n, int act) {
    aotk_act_rows(&x, 1, n, 1, 0, act);
}

#endif
