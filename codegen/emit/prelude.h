/* SPDX-License-Identifier: MIT */
/* The arithmetic of the code below: plain C11, no header, no library, no state.
 *
 * Every function is static inline and gives the same bits with every compiler that neither fuses
 * multiply-adds nor reorders floating point (-ffp-contract=off, no -ffast-math), for machines that
 * have fused multiply-adds and for those that have not: the elementary functions say where they
 * are.  Names end in the type they compute in.  All but integer powers, fmod, rem, div_floor and sin, cos, tan in f64 are
 * free of branches, so that a compiler vectorises loops over them; for that, gcc wants -O3
 * -fno-math-errno -fno-trapping-math.
 * All coefficients are minimax polynomials computed for this file (Remez, 50 digits). */

typedef float f32;
typedef double f64;
typedef signed char i8;
typedef short i16;
typedef int i32;
typedef long long i64;
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
_Static_assert(sizeof(f32) == 4 && sizeof(f64) == 8, "float and double are IEEE single and double");
_Static_assert(sizeof(i8) == 1 && sizeof(u8) == 1, "char has 8 bits");
_Static_assert(sizeof(i16) == 2 && sizeof(u16) == 2, "short has 16 bits");
_Static_assert(sizeof(i32) == 4 && sizeof(u32) == 4, "int has 32 bits");
_Static_assert(sizeof(i64) == 8 && sizeof(u64) == 8, "long long has 64 bits");

#define AOT_RESTRICT restrict
#if defined(__GNUC__) && !defined(__TINYC__)
#define AOT_INLINE static inline __attribute__((always_inline, unused))
#define AOT_OUTLINE static __attribute__((noinline, unused)) /* loops, for rare arguments */
#define AOT_INF __builtin_inff()
#define AOT_NAN __builtin_nanf("")
#ifndef AOT_SOFT
#define AOT_HARD /* rounds and takes roots by instructions, if there are any */
#endif
#else
#define AOT_INLINE static inline
#define AOT_OUTLINE static inline
#define AOT_INF (1.0f / 0.0f)
#define AOT_NAN (0.0f / 0.0f)
#endif

/* ---- bits ------------------------------------------------------------------------------------ */

AOT_INLINE u32 aot_bits_f32(f32 x) { union { f32 f; u32 u; } c; c.f = x; return c.u; }
AOT_INLINE f32 aot_from_bits_f32(u32 x) { union { f32 f; u32 u; } c; c.u = x; return c.f; }
AOT_INLINE u64 aot_bits_f64(f64 x) { union { f64 f; u64 u; } c; c.f = x; return c.u; }
AOT_INLINE f64 aot_from_bits_f64(u64 x) { union { f64 f; u64 u; } c; c.u = x; return c.f; }

/* ---- choice ---------------------------------------------------------------------------------- */

/* c ? a : b by bits, so that both values are loaded whatever the condition: of loads under a loaded
 * condition, in loops that it unrolls, gcc 12 makes wrong code for AVX2 and AVX-512 at -O3. */
#define AOT_WHERE(T, W)                                                                            \
    AOT_INLINE T aot_where_##T(i32 c, T a, T b)                                                    \
    {                                                                                              \
        W mask = (W)((W)0 - (W)(c != 0));                                                          \
        return (T)(((W)a & mask) | ((W)b & (W)~mask));                                             \
    }
AOT_WHERE(i8, u8) AOT_WHERE(i16, u16) AOT_WHERE(i32, u32) AOT_WHERE(i64, u64)
AOT_WHERE(u8, u8) AOT_WHERE(u16, u16) AOT_WHERE(u32, u32) AOT_WHERE(u64, u64)
AOT_INLINE f32 aot_where_f32(i32 c, f32 a, f32 b)
{
    return aot_from_bits_f32(aot_where_u32(c, aot_bits_f32(a), aot_bits_f32(b)));
}
AOT_INLINE f64 aot_where_f64(i32 c, f64 a, f64 b)
{
    return aot_from_bits_f64(aot_where_u64(c, aot_bits_f64(a), aot_bits_f64(b)));
}

/* ---- integers -------------------------------------------------------------------------------- */

/* Results wrap around, W being an unsigned type wide enough that no promotion makes it signed.
 * Division by zero gives 0 and never traps; the minimum divided by -1 wraps. */
#define AOT_INTEGER(T, W)                                                                          \
    AOT_INLINE T aot_add_##T(T a, T b) { return (T)((W)a + (W)b); }                                \
    AOT_INLINE T aot_sub_##T(T a, T b) { return (T)((W)a - (W)b); }                                \
    AOT_INLINE T aot_mul_##T(T a, T b) { return (T)((W)a * (W)b); }                                \
    AOT_INLINE T aot_neg_##T(T a) { return (T)((W)0 - (W)a); }                                     \
    AOT_INLINE T aot_max_##T(T a, T b) { return a > b ? a : b; }                                   \
    AOT_INLINE T aot_min_##T(T a, T b) { return a < b ? a : b; }                                   \
    AOT_INLINE T aot_relu_##T(T a) { return a > 0 ? a : 0; }                                       \
    AOT_INLINE T aot_power_##T(T a, T n) /* n >= 0 */                                              \
    {                                                                                              \
        W r = 1, x = (W)a;                                                                         \
        for (; n > 0; n = (T)(n / 2), x *= x)                                                      \
            if (n % 2)                                                                             \
                r *= x;                                                                            \
        return (T)r;                                                                               \
    }

/* div_trunc and fmod round towards zero as C does, div_floor and rem downwards as Python does. */
#define AOT_SIGNED(T, W)                                                                           \
    AOT_INTEGER(T, W)                                                                              \
    AOT_INLINE T aot_abs_##T(T a) { return a < 0 ? aot_neg_##T(a) : a; }                           \
    AOT_INLINE T aot_sign_##T(T a) { return (T)((a > 0) - (a < 0)); }                              \
    AOT_INLINE T aot_div_trunc_##T(T a, T b)                                                       \
    {                                                                                              \
        T q = (T)(a / (b == 0 || b == -1 ? 1 : b));                                                \
        return b == 0 ? 0 : b == -1 ? aot_neg_##T(a) : q;                                          \
    }                                                                                              \
    AOT_INLINE T aot_fmod_##T(T a, T b) { return (T)(a % (b == 0 || b == -1 ? 1 : b)); }           \
    AOT_INLINE T aot_rem_##T(T a, T b)                                                             \
    {                                                                                              \
        T r = aot_fmod_##T(a, b);                                                                  \
        return (T)(r != 0 && (r < 0) != (b < 0) ? r + b : r);                                      \
    }                                                                                              \
    AOT_INLINE T aot_div_floor_##T(T a, T b)                                                       \
    {                                                                                              \
        T r = aot_fmod_##T(a, b);                                                                  \
        return aot_sub_##T(aot_div_trunc_##T(a, b), r != 0 && (r < 0) != (b < 0));                 \
    }                                                                                              \
    AOT_INLINE T aot_pow_##T(T a, T n) /* n < 0: the reciprocal, rounded to zero; of 0, 0 */       \
    {                                                                                              \
        if (n < 0)                                                                                 \
            return (T)(a == 1 ? 1 : a == -1 ? (n % 2 ? -1 : 1) : 0);                               \
        return aot_power_##T(a, n);                                                                \
    }

#define AOT_UNSIGNED(T, W)                                                                         \
    AOT_INTEGER(T, W)                                                                              \
    AOT_INLINE T aot_abs_##T(T a) { return a; }                                                    \
    AOT_INLINE T aot_sign_##T(T a) { return a > 0; }                                               \
    AOT_INLINE T aot_div_trunc_##T(T a, T b) { return (T)(b == 0 ? 0 : a / (b == 0 ? 1 : b)); }    \
    AOT_INLINE T aot_fmod_##T(T a, T b) { return (T)(a % (b == 0 ? 1 : b)); }                      \
    AOT_INLINE T aot_rem_##T(T a, T b) { return aot_fmod_##T(a, b); }                              \
    AOT_INLINE T aot_div_floor_##T(T a, T b) { return aot_div_trunc_##T(a, b); }                   \
    AOT_INLINE T aot_pow_##T(T a, T n) { return aot_power_##T(a, n); }

AOT_SIGNED(i8, u32)
AOT_SIGNED(i16, u32)
AOT_SIGNED(i32, u32)
AOT_SIGNED(i64, u64)
AOT_UNSIGNED(u8, u32)
AOT_UNSIGNED(u16, u32)
AOT_UNSIGNED(u32, u32)
AOT_UNSIGNED(u64, u64)

/* A shift by fewer than 0 or by all bits shifts everything out. */
#define AOT_BITWISE(T, W, U)                                                                       \
    AOT_INLINE T aot_shl_##T(T a, T b)                                                             \
    {                                                                                              \
        return (T)((U)b < 8 * sizeof(T) ? (W)a << ((U)b & 63u) : 0);                               \
    }                                                                                              \
    AOT_INLINE T aot_shr_##T(T a, T b)                                                             \
    {                                                                                              \
        T most = 8 * sizeof(T) - 1;                                                                \
        return (T)((a >> ((U)b < 8 * sizeof(T) ? b : most)) & ((U)b > (U)most && a > 0 ? 0 : -1)); \
    }                                                                                              \
    AOT_INLINE T aot_gcd_##T(T a, T b)                                                             \
    {                                                                                              \
        for (a = aot_abs_##T(a), b = aot_abs_##T(b); b != 0;) {                                    \
            T r = aot_fmod_##T(a, b);                                                              \
            a = b;                                                                                 \
            b = r;                                                                                 \
        }                                                                                          \
        return a;                                                                                  \
    }
AOT_BITWISE(i8, u32, u8)
AOT_BITWISE(i16, u32, u16)
AOT_BITWISE(i32, u32, u32)
AOT_BITWISE(i64, u64, u64)
AOT_BITWISE(u8, u32, u8)
AOT_BITWISE(u16, u32, u16)
AOT_BITWISE(u32, u32, u32)
AOT_BITWISE(u64, u64, u64)

/* Of indices. */
AOT_INLINE i64 aot_floordiv(i64 a, i64 b) { return aot_div_floor_i64(a, b); }
AOT_INLINE i64 aot_mod(i64 a, i64 b) { return aot_rem_i64(a, b); }
AOT_INLINE i64 aot_min(i64 a, i64 b) { return a < b ? a : b; }
AOT_INLINE i64 aot_max(i64 a, i64 b) { return a > b ? a : b; }

/* ---- floats: signs, order, rounding to integers ---------------------------------------------- */

/* Signs are a matter of bits, so NaNs have them, too; max and min are NaN if either is; the sign of
 * a NaN is 0.  pick, least and most are mask ? a : b, max and min, done such that compilers do
 * not duplicate what follows for each outcome; for them a NaN x stays. */
#define AOT_FLOAT(T, U, SIGN)                                                                      \
    AOT_INLINE T aot_abs_##T(T x) { return aot_from_bits_##T(aot_bits_##T(x) & ~SIGN); }           \
    AOT_INLINE T aot_neg_##T(T x) { return aot_from_bits_##T(aot_bits_##T(x) ^ SIGN); }            \
    AOT_INLINE U aot_signbit_##T(T x) { return aot_bits_##T(x) & SIGN; }                           \
    AOT_INLINE T aot_copysign_##T(T x, T sign)                                                     \
    {                                                                                              \
        return aot_from_bits_##T((aot_bits_##T(x) & ~SIGN) | aot_signbit_##T(sign));               \
    }                                                                                              \
    AOT_INLINE T aot_max_##T(T a, T b) { return ((a > b) | (a != a)) ? a : b; }                    \
    AOT_INLINE T aot_min_##T(T a, T b) { return ((a < b) | (a != a)) ? a : b; }                    \
    AOT_INLINE T aot_relu_##T(T x) { return x < 0 ? 0 : x; }                                       \
    AOT_INLINE T aot_reciprocal_##T(T x) { return 1 / x; }                                         \
    AOT_INLINE T aot_pick_##T(U mask, T a, T b)                                                    \
    {                                                                                              \
        return aot_from_bits_##T((aot_bits_##T(a) & mask) | (aot_bits_##T(b) & ~mask));            \
    }                                                                                              \
    AOT_INLINE T aot_least_##T(T x, T lo) { return aot_pick_##T(x < lo ? ~(U)0 : 0, lo, x); }      \
    AOT_INLINE T aot_most_##T(T x, T hi) { return aot_pick_##T(x > hi ? ~(U)0 : 0, hi, x); }       \
    AOT_INLINE T aot_sign_##T(T x) { return (T)((x > 0) - (x < 0)); }
AOT_FLOAT(f32, u32, 0x80000000u)
AOT_FLOAT(f64, u64, 0x8000000000000000ull)

#if defined(AOT_RT)
extern float aotk_floorf(float), aotk_ceilf(float), aotk_truncf(float), aotk_rintf(float);
extern double aotk_floor(double), aotk_ceil(double), aotk_trunc(double), aotk_rint(double);
extern float aotk_sqrtf(float);
extern double aotk_sqrt(double), aotk_fmod(double, double);
#define AOT_CALL(function) aotk_##function
#elif defined(AOT_HARD) && (defined(__SSE4_1__) || defined(__aarch64__))
#define AOT_CALL(function) __builtin_##function
#endif

#if defined(AOT_CALL)
AOT_INLINE f32 aot_floor_f32(f32 x) { return AOT_CALL(floorf)(x); }
AOT_INLINE f32 aot_ceil_f32(f32 x) { return AOT_CALL(ceilf)(x); }
AOT_INLINE f32 aot_trunc_f32(f32 x) { return AOT_CALL(truncf)(x); }
AOT_INLINE f32 aot_round_f32(f32 x) { return AOT_CALL(rintf)(x); }
AOT_INLINE f64 aot_floor_f64(f64 x) { return AOT_CALL(floor)(x); }
AOT_INLINE f64 aot_ceil_f64(f64 x) { return AOT_CALL(ceil)(x); }
AOT_INLINE f64 aot_trunc_f64(f64 x) { return AOT_CALL(trunc)(x); }
AOT_INLINE f64 aot_round_f64(f64 x) { return AOT_CALL(rint)(x); }
#else
/* Adding BIG, beyond which all floats are integers, rounds to the nearest, ties to even. */
#define AOT_ROUNDING(T, BIG)                                                                       \
    AOT_INLINE T aot_round_##T(T x)                                                                \
    {                                                                                              \
        T a = aot_abs_##T(x), r = a + BIG - BIG;                                                   \
        return a < BIG ? aot_copysign_##T(r, x) : x;                                               \
    }                                                                                              \
    AOT_INLINE T aot_floor_##T(T x)                                                                \
    {                                                                                              \
        T r = aot_round_##T(x), down = r - 1;                                                      \
        return aot_copysign_##T(r > x ? down : r, x);                                              \
    }                                                                                              \
    AOT_INLINE T aot_ceil_##T(T x)                                                                 \
    {                                                                                              \
        T r = aot_round_##T(x), up = r + 1;                                                        \
        return aot_copysign_##T(r < x ? up : r, x);                                                \
    }                                                                                              \
    AOT_INLINE T aot_trunc_##T(T x) { return aot_copysign_##T(aot_floor_##T(aot_abs_##T(x)), x); }
AOT_ROUNDING(f32, 8388608.0f)
AOT_ROUNDING(f64, 4503599627370496.0)
#endif

/* ---- square root, correctly rounded ---------------------------------------------------------- */

#if defined(AOT_RT)
AOT_INLINE f32 aot_sqrt_f32(f32 x) { return aotk_sqrtf(x); }
AOT_INLINE f64 aot_sqrt_f64(f64 x) { return aotk_sqrt(x); }
#elif defined(AOT_HARD) && defined(__NO_MATH_ERRNO__) &&                                           \
    (defined(__SSE2_MATH__) || defined(__aarch64__))
AOT_INLINE f32 aot_sqrt_f32(f32 x) { return __builtin_sqrtf(x); }
AOT_INLINE f64 aot_sqrt_f64(f64 x) { return __builtin_sqrt(x); }
#elif defined(AOT_HARD) && defined(__SSE2_MATH__) /* without calls that set errno */
AOT_INLINE f32 aot_sqrt_f32(f32 x) { __asm__("sqrtss %0, %0" : "+x"(x)); return x; }
AOT_INLINE f64 aot_sqrt_f64(f64 x) { __asm__("sqrtsd %0, %0" : "+x"(x)); return x; }
#elif defined(AOT_HARD) && defined(__aarch64__)
AOT_INLINE f32 aot_sqrt_f32(f32 x) { __asm__("fsqrt %s0, %s0" : "+w"(x)); return x; }
AOT_INLINE f64 aot_sqrt_f64(f64 x) { __asm__("fsqrt %d0, %d0" : "+w"(x)); return x; }
#else
/* One bit after the other, as on paper. */
AOT_OUTLINE f64 aot_sqrt_f64(f64 x)
{
    u64 scaled = aot_bits_f64(x < 0x1p-1022 ? x * 0x1p54 : x), m, q = 0, s = 0, bit;
    i32 e = (i32)(scaled >> 52) - 1023 - (x < 0x1p-1022 ? 54 : 0);
    if (x == 0 || !(x < (f64)AOT_INF))
        return x;
    if (x < 0)
        return (f64)AOT_NAN;
    m = (scaled & 0xfffffffffffffull) | 0x10000000000000ull;
    m <<= 1 + (e & 1);
    for (bit = 1ull << 53; bit; bit >>= 1, m <<= 1)
        if (s + bit <= m) {
            m -= s + bit;
            s += 2 * bit;
            q += bit;
        }
    return aot_from_bits_f64(((u64)((e - (e & 1)) / 2 + 1022) << 52) + (q >> 1) + (q & 1));
}
#if defined(AOT_HARD) && defined(__ARM_FP) && defined(__NO_MATH_ERRNO__)
AOT_INLINE f32 aot_sqrt_f32(f32 x) { return __builtin_sqrtf(x); }
#else
AOT_INLINE f32 aot_sqrt_f32(f32 x) { return (f32)aot_sqrt_f64((f64)x); }
#endif
#endif
AOT_INLINE f32 aot_rsqrt_f32(f32 x) { return 1.0f / aot_sqrt_f32(x); }
AOT_INLINE f64 aot_rsqrt_f64(f64 x) { return 1.0 / aot_sqrt_f64(x); }

/* The larger side times sqrt(1 + r r), r <= 1 being their ratio; an infinite side wins over NaN. */
AOT_INLINE f64 aot_hypot_f64(f64 x, f64 y)
{
    f64 a = aot_abs_f64(x), b = aot_abs_f64(y), most = aot_max_f64(a, b);
    f64 r = aot_min_f64(a, b) / most, h = most == 0.0 ? 0.0 : most * aot_sqrt_f64(1.0 + r * r);
    return a == (f64)AOT_INF || b == (f64)AOT_INF ? (f64)AOT_INF : h;
}
AOT_INLINE f32 aot_hypot_f32(f32 x, f32 y) { return (f32)aot_hypot_f64((f64)x, (f64)y); }

/* n where |x| = m 2^n, 1/2 <= m < 1; of 0, infinities and NaN 0. */
AOT_INLINE f64 aot_exponent_f64(f64 x)
{
    f64 a = aot_abs_f64(x), big = a * 0x1p54, normal = a < 0x1p-1022 ? big : a;
    i32 e = (i32)(aot_bits_f64(normal) >> 52) - (a < 0x1p-1022 ? 1076 : 1022);
    return (f64)(((a > 0.0) & (a < (f64)AOT_INF)) ? e : 0);
}
AOT_INLINE f32 aot_exponent_f32(f32 x) { return (f32)aot_exponent_f64((f64)x); }

/* ---- division with a remainder --------------------------------------------------------------- */

#if defined(AOT_RT)
AOT_INLINE f64 aot_fmod_f64(f64 x, f64 y) { return aotk_fmod(x, y); }
#else
/* Exact: the remainder of the significands, shifted by 11 bits at a time. */
AOT_OUTLINE f64 aot_fmod_f64(f64 x, f64 y)
{
    f64 ax = aot_abs_f64(x), ay = aot_abs_f64(y);
    u64 mx = aot_bits_f64(ax), my = aot_bits_f64(ay), ex = mx >> 52, ey = my >> 52;
    if (!(ax < (f64)AOT_INF) || !(ay > 0))
        return (f64)AOT_NAN;
    if (ax < ay)
        return x;
    mx = ex ? (mx & 0xfffffffffffffull) | 1ull << 52 : mx;
    my = ey ? (my & 0xfffffffffffffull) | 1ull << 52 : my;
    ex += !ex;
    ey += !ey;
    mx %= my;
    while (ex > ey && mx) {
        u64 step = ex - ey < 11 ? ex - ey : 11;
        mx = (mx << step) % my;
        ex -= step;
    }
    ax = (f64)(i64)mx * aot_from_bits_f64(ey > 52 ? (ey - 52) << 52 : 1ull << (ey - 1));
    return aot_copysign_f64(ax, x);
}
#endif
AOT_INLINE f32 aot_fmod_f32(f32 x, f32 y) { return (f32)aot_fmod_f64((f64)x, (f64)y); }

/* As PyTorch: rem has the sign of b; div_floor comes from the exact remainder, not the quotient. */
#define AOT_DIVISION(T)                                                                            \
    AOT_INLINE T aot_div_trunc_##T(T a, T b) { return aot_trunc_##T(a / b); }                      \
    AOT_INLINE T aot_rem_##T(T a, T b)                                                             \
    {                                                                                              \
        T r = aot_fmod_##T(a, b);                                                                  \
        return r != 0 && (r < 0) != (b < 0) ? r + b : r;                                           \
    }                                                                                              \
    AOT_INLINE T aot_div_floor_##T(T a, T b)                                                       \
    {                                                                                              \
        T r = aot_fmod_##T(a, b), q = (a - r) / b, whole;                                          \
        if (b == 0)                                                                                \
            return a / b;                                                                          \
        q -= (T)(r != 0 && (r < 0) != (b < 0));                                                    \
        whole = aot_floor_##T(q);                                                                  \
        return q == 0 ? aot_copysign_##T(0, a / b) : q - whole > (T)0.5 ? whole + 1 : whole;       \
    }
AOT_DIVISION(f32)
AOT_DIVISION(f64)

/* ---- floats to integers ---------------------------------------------------------------------- */

/* Without undefined behaviour, as x86 converts: NaN and what does not fit 32 (64) bits become the
 * smallest i32 (i64); narrower types take the low bits of that. */
#define AOT_TO_INTEGERS(T)                                                                         \
    AOT_INLINE i32 aot_to_i32_##T(T x)                                                             \
    {                                                                                              \
        i32 fits = (x > (T)-2147483649.0) & (x < (T)2147483648.0);                                 \
        i32 r = (i32)(fits ? x : 0);                                                               \
        return fits ? r : -2147483647 - 1;                                                         \
    }                                                                                              \
    AOT_INLINE i64 aot_to_i64_##T(T x)                                                             \
    {                                                                                              \
        i32 fits = (x >= (T)-0x1p63) & (x < (T)0x1p63);                                            \
        i64 r = (i64)(fits ? x : 0);                                                               \
        return fits ? r : -9223372036854775807ll - 1;                                              \
    }                                                                                              \
    AOT_INLINE u64 aot_to_u64_##T(T x)                                                             \
    {                                                                                              \
        u64 high = aot_to_i64_##T(x - (T)0x1p63) ^ 1ull << 63;                                     \
        return x >= (T)0x1p63 ? high : (u64)aot_to_i64_##T(x);                                     \
    }                                                                                              \
    AOT_INLINE i8 aot_to_i8_##T(T x) { return (i8)aot_to_i32_##T(x); }                             \
    AOT_INLINE i16 aot_to_i16_##T(T x) { return (i16)aot_to_i32_##T(x); }                          \
    AOT_INLINE u8 aot_to_u8_##T(T x) { return (u8)aot_to_i32_##T(x); }                             \
    AOT_INLINE u16 aot_to_u16_##T(T x) { return (u16)aot_to_i32_##T(x); }                          \
    AOT_INLINE u32 aot_to_u32_##T(T x) { return (u32)aot_to_i64_##T(x); }
AOT_TO_INTEGERS(f32)
AOT_TO_INTEGERS(f64)

/* ---- half precision -------------------------------------------------------------------------- */

/* Values of f16 and bf16 live in f32 variables, rounded after each operation to the nearest, ties
 * to even.  Adding 0.5 puts a float's last bit where a denormal f16 has its own. */
AOT_INLINE f32 aot_f16_to_f32(u16 h)
{
    u32 b = (u32)h & 0x7fffu, special = b > 0x7bffu ? 0x7f800000u : 0u;
    f32 x = aot_from_bits_f32(b << 13) * 0x1p112f;
    return aot_from_bits_f32(aot_bits_f32(x) | special | ((u32)h & 0x8000u) << 16);
}

AOT_INLINE u16 aot_f32_to_f16(f32 x)
{
    u32 b = aot_bits_f32(x), a = b & 0x7fffffffu;
    u32 normal = (a + 0xfffu + (a >> 13 & 1u) - (112u << 23)) >> 13;
    u32 small = aot_bits_f32(aot_from_bits_f32(a) + 0.5f) - 0x3f000000u;
    u32 r = a < 0x38800000u ? small : normal;
    r = a >= 0x477ff000u ? 0x7c00u : r;
    r = a > 0x7f800000u ? 0x7e00u | (a >> 13 & 0x3ffu) : r;
    return (u16)(r | (b >> 16 & 0x8000u));
}

AOT_INLINE f32 aot_round_f16(f32 x) { return aot_f16_to_f32(aot_f32_to_f16(x)); }
AOT_INLINE f32 aot_bf16_to_f32(u16 h) { return aot_from_bits_f32((u32)h << 16); }

AOT_INLINE f32 aot_round_bf16(f32 x)
{
    u32 b = aot_bits_f32(x), r = b + 0x7fffu + (b >> 16 & 1u);
    r = (b & 0x7fffffffu) > 0x7f800000u ? b | 0x400000u : r;
    return aot_from_bits_f32(r & 0xffff0000u);
}

AOT_INLINE u16 aot_f32_to_bf16(f32 x) { return (u16)(aot_bits_f32(aot_round_bf16(x)) >> 16); }

/* The next number of the format after x in the direction of y: its bits are the next integer. */
#define AOT_NEXTAFTER(NAME, T, U, BITS, FROM, SIGN)                                                \
    AOT_INLINE T aot_nextafter_##NAME(T x, T y)                                                    \
    {                                                                                              \
        U b = BITS(x), step = (y > x) == (x > 0) ? 1 : (U)-1;                                      \
        T r = FROM(x == 0 ? (U)((y < 0 ? SIGN : 0) + 1) : (U)(b + step));                          \
        r = x == y ? y : r;                                                                        \
        return ((x != x) | (y != y)) ? x + y : r;                                                  \
    }
AOT_NEXTAFTER(f32, f32, u32, aot_bits_f32, aot_from_bits_f32, 0x80000000u)
AOT_NEXTAFTER(f64, f64, u64, aot_bits_f64, aot_from_bits_f64, 0x8000000000000000ull)
AOT_NEXTAFTER(f16, f32, u16, aot_f32_to_f16, aot_f16_to_f32, 0x8000u)
AOT_NEXTAFTER(bf16, f32, u16, aot_f32_to_bf16, aot_bf16_to_f32, 0x8000u)

/* ---- building blocks of the elementary functions --------------------------------------------- */

/* a * b + c, rounded once where that is one instruction. */
#if defined(AOT_HARD) && (defined(__FP_FAST_FMAF) || defined(__FMA__) || defined(__aarch64__))
#define AOT_FUSES 1
AOT_INLINE f32 aot_muladd_f32(f32 a, f32 b, f32 c) { return __builtin_fmaf(a, b, c); }
AOT_INLINE f64 aot_muladd_f64(f64 a, f64 b, f64 c) { return __builtin_fma(a, b, c); }
#else
#define AOT_FUSES 0
AOT_INLINE f32 aot_muladd_f32(f32 a, f32 b, f32 c) { return a * b + c; }
AOT_INLINE f64 aot_muladd_f64(f64 a, f64 b, f64 c) { return a * b + c; }
#endif

/* p * z^n + ... : n more steps of Horner's rule. */
#define AOT_H1(p, z, a) _Generic((z), f32: aot_muladd_f32, f64: aot_muladd_f64)(p, z, a)
#define AOT_H2(p, z, a, b) AOT_H1(AOT_H1(p, z, a), z, b)
#define AOT_H4(p, z, a, b, c, d) AOT_H2(AOT_H2(p, z, a, b), z, c, d)

/* (a + al) * (b + bl) to twice the precision: returns the sum, *lo its rounding error.  The product
 * of the upper halves is exact, so that fused multiply-adds change nothing. */
AOT_INLINE f64 aot_mul2_f64(f64 a, f64 al, f64 b, f64 bl, f64 *lo)
{
    f64 ah = aot_from_bits_f64(aot_bits_f64(a) & 0xfffffffff8000000ull), at = a - ah + al;
    f64 bh = aot_from_bits_f64(aot_bits_f64(b) & 0xfffffffff8000000ull), bt = b - bh + bl;
    f64 h = ah * bh, t = ah * bt + at * bh + at * bt, s = h + t;
    *lo = t - (s - h);
    return s;
}

/* (e^r - 1 - r) / r^2 for |r| <= ln(2) / 2. */
AOT_INLINE f32 aot_expq_f32(f32 r)
{
    return AOT_H4(1.39465333e-3f, r, 8.3666314e-3f, 4.1666281e-2f, 0.166665427f, 0.500000006f);
}

AOT_INLINE f64 aot_expq_f64(f64 r)
{
    f64 p = AOT_H2(2.5114543282596886e-8, r, 2.7626407649584237e-7, 2.7557227764115037e-6);
    p = AOT_H2(p, r, 2.4801504272545056e-5, 1.984126990320006e-4);
    p = AOT_H4(p, r, 1.3888888932489543e-3, 8.3333333333145373e-3, 4.1666666666573437e-2,
               0.16666666666666686);
    return AOT_H1(p, r, 0.50000000000000055);
}

/* ---- exponentials ---------------------------------------------------------------------------- */

/* scale: p * 2^n in two factors, because n may lie beyond the exponents; only the last one rounds.
 * expx: m * e^(x + lo) for tiny lo, x being n ln 2 + r.  Adding ROUND rounds to an integer and
 * leaves it in the low bits.
 * exp2: 2^n e^((x - n) ln 2).
 * expm1: 2 (2^(n-1) (e^r - 1) + (2^(n-1) - 1/2)). */
#define AOT_EXPONENTIALS(T, U, BIAS, BITS, LEAST, MOST, MOST1, LN2_HIGH, LN2_LOW, ROUND)           \
    AOT_INLINE T aot_scale_##T(T p, U n)                                                           \
    {                                                                                              \
        U e = n + (4 * BIAS + 4), half = e >> 1;                                                   \
        p *= aot_from_bits_##T((half - (BIAS + 2)) << BITS);                                       \
        return p * aot_from_bits_##T((e - half - (BIAS + 2)) << BITS);                             \
    }                                                                                              \
    AOT_INLINE T aot_expx_##T(T x, T lo, T m)                                                      \
    {                                                                                              \
        T c = aot_most_##T(aot_least_##T(x, LEAST), MOST);                                         \
        T t = aot_muladd_##T(c, (T)1.4426950408889634, ROUND), n = t - ROUND;                      \
        T r = aot_muladd_##T(n, -LN2_LOW, aot_muladd_##T(n, -LN2_HIGH, c)) + lo;                   \
        T p = (aot_muladd_##T(r * r, aot_expq_##T(r), r) + 1) * m;                                 \
        return aot_scale_##T(p, aot_bits_##T(t) - aot_bits_##T(ROUND));                            \
    }                                                                                              \
    AOT_INLINE T aot_exp_##T(T x) { return aot_expx_##T(x, 0, 1); }                                \
    AOT_INLINE T aot_exp2_##T(T x)                                                                 \
    {                                                                                              \
        T least = -(T)(BIAS + 60), most = BIAS + 2;                                                \
        T c = aot_most_##T(aot_least_##T(x, least), most);                                         \
        T t = c + ROUND, r = (c - (t - ROUND)) * (T)0.69314718055994531;                           \
        T p = aot_muladd_##T(r * r, aot_expq_##T(r), r) + 1;                                       \
        return aot_scale_##T(p, aot_bits_##T(t) - aot_bits_##T(ROUND));                            \
    }                                                                                              \
    AOT_INLINE T aot_expm1_##T(T x)                                                                \
    {                                                                                              \
        T c = aot_most_##T(aot_least_##T(x, -40), MOST1);                                          \
        T t = aot_muladd_##T(c, (T)1.4426950408889634, ROUND), n = t - ROUND;                      \
        T r = aot_muladd_##T(n, -LN2_LOW, aot_muladd_##T(n, -LN2_HIGH, c));                        \
        U s = (aot_bits_##T(t) - aot_bits_##T(ROUND) + (BIAS - 1)) << BITS;                        \
        T half = aot_from_bits_##T(s), p = aot_muladd_##T(r * r, aot_expq_##T(r), r);              \
        p = aot_muladd_##T(p, half, half - (T)0.5) * 2;                                            \
        return aot_abs_##T(x) < (T)0x1p-60 ? x : p;                                                \
    }
AOT_EXPONENTIALS(f32, u32, 127, 23, -110.0f, 89.0f, 89.0f, 0.693145752f, 1.42860682e-6f,
                 12582912.0f)
AOT_EXPONENTIALS(f64, u64, 1023, 52, -760.0, 711.0, 710.0, 0.69314718036912382,
                 1.9082149292705878e-10, 6755399441055744.0)

/* ---- logarithms ------------------------------------------------------------------------------ */

/* x = 2^k (1 + f) with 1 + f between the roots of 1/2 and 2. */
AOT_INLINE f32 aot_log_f32(f32 x)
{
    f32 big = x * 8388608.0f, normal = x < 0x1p-126f ? big : x;
    f32 shift = x < 0x1p-126f ? 23.0f : 0.0f;
    u32 b = aot_bits_f32(normal);
    i32 e = (i32)(b - 0x3f3504f3u) >> 23;
    f32 k = (f32)e - shift, f = aot_from_bits_f32(b - ((u32)e << 23)) - 1.0f, z = f * f;
    f32 p = AOT_H4(-0.0763448625f, f, 0.127615643f, -0.131601809f, 0.142017602f, -0.166233578f);
    p = AOT_H1(AOT_H2(p, f, 0.200012268f, -0.25000821f), f, 0.333333317f);
    p = AOT_H1(p * f, z, -0.5f * z);
    f32 r = AOT_H1(0.693359375f, k, f + AOT_H1(-2.12194440e-4f, k, p));
    r = x == 0.0f ? -AOT_INF : x < AOT_INF ? r : x;
    return x < 0.0f ? AOT_NAN : r;
}

/* The logarithm of 1 + f, and k as *exponent; x > 0. */
AOT_INLINE f64 aot_logm_f64(f64 x, f64 *exponent)
{
    f64 big = x * 0x1p54, normal = x < 0x1p-1022 ? big : x, shift = x < 0x1p-1022 ? 54.0 : 0.0;
    u64 b = aot_bits_f64(normal), e = (b - 0x3fe6a09e667f3bcdull + (1024ull << 52)) >> 52;
    *exponent = aot_from_bits_f64(e | 0x4330000000000000ull) - (0x1p52 + 1024.0) - shift;
    return aot_from_bits_f64(b - ((e - 1024u) << 52));
}

/* log(1 + f) = 2s + s R(s^2), s = f / (2 + f). */
AOT_INLINE f64 aot_log1pf_f64(f64 f)
{
    f64 s = f / (2.0 + f), z = s * s, h = 0.5 * f * f;
    f64 p = AOT_H2(0.14795308082321644, z, 0.15314121276683338, 0.18183561242772871);
    p = AOT_H4(p, z, 0.22222198640419121, 0.28571428741627395, 0.39999999999418797,
               0.66666666666667336);
    return f - (h - s * (h + p * z));
}

AOT_INLINE f64 aot_log_ends_f64(f64 x, f64 r)
{
    r = x == 0.0 ? (f64)-AOT_INF : x < (f64)AOT_INF ? r : x;
    return x < 0.0 ? (f64)AOT_NAN : r;
}

/* In the base whose logarithm is 1 / SCALE; that of 2 is HIGH + LOW. */
#define AOT_LOG(NAME, SCALE, HIGH, LOW)                                                            \
    AOT_INLINE f64 aot_##NAME##_f64(f64 x)                                                         \
    {                                                                                              \
        f64 k, r = aot_log1pf_f64(aot_logm_f64(x, &k) - 1.0);                                      \
        return aot_log_ends_f64(x, k * HIGH + (r * SCALE + k * LOW));                              \
    }
AOT_LOG(log, 1.0, 0.69314718036912382, 1.9082149292705878e-10)
AOT_LOG(log2, 1.4426950408889634, 1.0, 0.0)
AOT_LOG(log10, 0.43429448190325183, 0.30102999554947019, 1.1451100898021839e-10)
AOT_INLINE f32 aot_log2_f32(f32 x) { return (f32)aot_log2_f64((f64)x); }
AOT_INLINE f32 aot_log10_f32(f32 x) { return (f32)aot_log10_f64((f64)x); }

/* log(1 + x) = log(s) + c / s, where s + c is 1 + x exactly. */
#define AOT_LOG1P(T)                                                                               \
    AOT_INLINE T aot_log1p_##T(T x)                                                                \
    {                                                                                              \
        T s = 1 + x, t = s - 1, c = (1 - (s - t)) + (x - t), r = aot_log_##T(s), y = r + c / s;    \
        y = ((s > 0) & (x < (T)AOT_INF)) ? y : r;                                                  \
        return x == 0 ? x : y;                                                                     \
    }
AOT_LOG1P(f32)
AOT_LOG1P(f64)

/* ---- powers ---------------------------------------------------------------------------------- */

/* Makes x^y of r = |x|^y. */
AOT_INLINE f64 aot_pow_ends_f64(f64 x, f64 y, f64 r)
{
    f64 half = 0.5 * y, n;
    i32 whole = aot_floor_f64(y) == y, odd = whole & (aot_floor_f64(half) != half);
    n = aot_neg_f64(r);
    r = ((aot_signbit_f64(x) != 0) & odd & (aot_abs_f64(y) < 0x1p53)) ? n : r;
    r = ((x < 0.0) & (x > (f64)-AOT_INF) & !whole) ? (f64)AOT_NAN : r;
    r = ((x != x) | (y != y)) ? x + y : r;
    r = ((x == -1.0) & (aot_abs_f64(y) == (f64)AOT_INF)) ? 1.0 : r;
    return ((x == 1.0) | (y == 0.0)) ? 1.0 : r;
}

AOT_INLINE f32 aot_pow_f32(f32 x, f32 y)
{
    f64 r = aot_exp_f64((f64)y * aot_log_f64((f64)aot_abs_f32(x)));
    return (f32)aot_pow_ends_f64((f64)x, (f64)y, r);
}

/* log |x| to 2^-64 of itself: log(1 + f) = 2s + 2/3 s^3 + s^5 Q(s^2), all but Q in two parts. */
AOT_INLINE f64 aot_log2part_f64(f64 x, f64 *lo)
{
    f64 k, f = aot_logm_f64(x, &k) - 1.0, d = 2.0 + f, dl = f - (d - 2.0), s = f / d;
    f64 sh = aot_from_bits_f64(aot_bits_f64(s) & 0xfffffffff8000000ull);
    f64 dh = aot_from_bits_f64(aot_bits_f64(d) & 0xfffffffff8000000ull);
    f64 sl = (f - sh * dh - sh * (d - dh) - (s - sh) * d - s * dl) / d;
    f64 zl, cl, tl, z = aot_mul2_f64(s, sl, s, sl, &zl), c = aot_mul2_f64(z, zl, s, sl, &cl);
    f64 t = aot_mul2_f64(c, cl, 0.66666666666666663, 3.7007434154171885e-17, &tl);
    f64 q = AOT_H4(0.10907865385766551, z, 0.10437981500248094, 0.11767765528052879,
                   0.13333270344855745, 0.15384616169460224);
    q = AOT_H4(q, z, 0.18181818176086736, 0.22222222222244501, 0.28571428571428535, 0.4);
    f64 kh = k * 0.69314718036912382, h = kh + 2.0 * s, r = h + t;
    f64 rest = (2.0 * s - (h - kh)) + (t - (r - h)) + k * 1.9082149292705878e-10;
    rest += 2.0 * sl + tl + c * z * q;
    s = r + rest;
    *lo = rest - (s - r);
    return s;
}

AOT_INLINE f64 aot_pow_f64(f64 x, f64 y)
{
    f64 a = aot_abs_f64(x), lo, tl, h = aot_log2part_f64(a, &lo), l = aot_log_ends_f64(a, h);
    f64 t = aot_mul2_f64(h, lo, y, 0.0, &tl), plain = l * y;
    i32 common = (aot_abs_f64(plain) < 800.0) & (a > 0.0);
    t = common ? t : plain;
    tl = common ? tl : 0.0;
    return aot_pow_ends_f64(x, y, aot_expx_f64(t, tl, 1.0));
}

/* ---- trigonometric functions ----------------------------------------------------------------- */

/* sin and cos for |r| <= pi / 4. */
AOT_INLINE f64 aot_sinq_f64(f64 r)
{
    f64 z = r * r, p = AOT_H2(1.5896524368276249e-10, z, -2.5050753638850199e-8,
                              2.7557313664783854e-6);
    p = AOT_H2(p, z, -1.9841269829734437e-4, 8.3333333333223293e-3) * z - 0.16666666666666632;
    return r == 0.0 ? r : r + r * z * p;
}

AOT_INLINE f64 aot_cosq_f64(f64 r)
{
    f64 z = r * r, h = 0.5 * z, w = 1.0 - h;
    f64 p = AOT_H2(-1.1359544877689631e-11, z, 2.0875721589215182e-9, -2.7557314342572665e-7);
    p = AOT_H2(p, z, 2.4801587289459458e-5, -1.388888888887411e-3) * z + 4.16666666666666e-2;
    return w + ((1.0 - w - h) + z * z * p);
}

/* x - q pi / 2 for any f32.  h, m, l are 27, 27 and 53 bits of 2 / pi; for x of 2^41 and more those
 * after the first 16, and so on, as bits before would add multiples of 4 to q. */
#define AOT_BITS(BOUND, H, M, L)                                                                   \
    h = a < BOUND ? h : H;                                                                         \
    m = a < BOUND ? m : M;                                                                         \
    l = a < BOUND ? l : L

AOT_INLINE f64 aot_reduce_f32(f32 x, u32 *q)
{
    f64 h = 0x1.45f306cp-1, m = 0x1.c9c8828p-29, l = 0x1.29fc2757d1f53p-56;
    f64 y = (f64)x, a = aot_abs_f64(y), n, k;
    AOT_BITS(0x1p41, 0x1.06dc9c8p-17, 0x1.054a7fp-46, 0x1.3abe8fa9a6eep-75);
    AOT_BITS(0x1p57, 0x1.3910548p-34, 0x1.3f84ea8p-61, 0x1.e8fa9a6ee06dbp-87);
    AOT_BITS(0x1p73, 0x1.529fc2p-52, 0x1.d5f47dp-78, 0x1.34ddc0db6295ap-104);
    AOT_BITS(0x1p89, 0x1.f84eaf8p-65, 0x1.1f534dcp-92, 0x1.c0db6295993c4p-120);
    AOT_BITS(0x1p105, 0x1.5f47d48p-82, 0x1.4ddc0d8p-108, 0x1.b14acc9e21c82p-135);
    AOT_BITS(0x1p121, 0x1.ea69bb8p-97, 0x1.b6c528p-129, 0x1.993c439041fe5p-152);
    h *= y;
    n = h + 6755399441055744.0;
    m = y * m + (h - (n - 6755399441055744.0));
    k = m + 6755399441055744.0;
    *q = (u32)(aot_bits_f64(n) + aot_bits_f64(k));
    return (m - (k - 6755399441055744.0) + y * l) * 1.5707963267948966;
}

AOT_INLINE f32 aot_sincos_f32(f32 x, u32 turn)
{
    u32 q;
    f32 r = (f32)aot_reduce_f32(x, &q), z = r * r;
    f32 s = AOT_H1(AOT_H2(-1.95166847e-4f, z, 8.33217381e-3f, -0.166666549f) * z, r, r);
    f32 c = AOT_H2(2.44378318e-5f, z, -1.38873625e-3f, 4.16666468e-2f) * z;
    c = AOT_H1(c, z, -0.5f * z) + 1.0f;
    s = r == 0.0f ? r : s;
    q += turn;
    return aot_from_bits_f32(aot_bits_f32(q & 1u ? c : s) ^ (q & 2u) << 30);
}

AOT_INLINE f32 aot_sin_f32(f32 x) { return aot_sincos_f32(x, 0); }
AOT_INLINE f32 aot_cos_f32(f32 x) { return aot_sincos_f32(x, 1); }

AOT_INLINE f32 aot_tan_f32(f32 x)
{
    u32 q;
    f64 r = aot_reduce_f32(x, &q), s = aot_sinq_f64(r), c = aot_cosq_f64(r);
    f64 over = q & 1u ? -c : s, under = q & 1u ? s : c;
    return (f32)(over / under);
}

/* The same for large f64: the significand times 192 bits of 2 / pi, modulo 4. */
AOT_OUTLINE f64 aot_reduce_large_f64(f64 x, u64 *q)
{
    static const u32 two_over_pi[39] = {
        0, 0, 0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab,
        0xdebbc561, 0xb7246e3a, 0x424dd2e0, 0x06492eea, 0x09d1921c, 0xfe1deb1c, 0xb129a73e,
        0xe88235f5, 0x2ebb4484, 0xe99c7026, 0xb45f7e41, 0x3991d639, 0x835339f4, 0x9c845f8b,
        0xbdf9283b, 0x1ff897ff, 0xde05980f, 0xef2f118b, 0x5a0a6d1f, 0x6d367ecf, 0x27cb09b7,
        0x4f463f66, 0x9e5fea2d, 0x7527bac7, 0xebe5f17b, 0x3d0739f7, 0x8a5292ea, 0x6bfb5fb1,
        0x1f8d5d08, 0x56033046,
    };
    u64 b = aot_bits_f64(x), m = (b & 0xfffffffffffffull) | 1ull << 52, carry = 0, high, low;
    u64 at = (b >> 52 & 2047u) - 1075u + 62u, p[6];
    *q = 0;
    if (!(aot_abs_f64(x) < (f64)AOT_INF))
        return x - x;
    for (i32 i = 5; i >= 0; i--) {
        u64 word = (u64)two_over_pi[at / 32 + (u64)i] << 32 | two_over_pi[at / 32 + (u64)i + 1];
        p[i] = word << at % 32 >> 32;
    }
    for (i32 i = 5; i >= 0; i--) { /* p *= m */
        u64 t = p[i] * (m & 0xffffffffu) + (carry & 0xffffffffu);
        carry = (carry >> 32) + (t >> 32) + p[i] * (m >> 32);
        p[i] = t & 0xffffffffu;
    }
    high = p[0] << 34 | p[1] << 2 | p[2] >> 30;
    low = p[2] << 34 | p[3] << 2 | p[4] >> 30;
    *q = (p[0] >> 30) + (high >> 63);
    x = (f64)(i64)high * 0x1p-64 + (f64)(i64)(low >> 1) * 0x1p-127;
    *q = b >> 63 ? 0 - *q : *q;
    return (b >> 63 ? -x : x) * 1.5707963267948966;
}

AOT_INLINE f64 aot_reduce_f64(f64 x, u64 *q)
{
    f64 t = x * 0.63661977236758134 + 6755399441055744.0, n = t - 6755399441055744.0;
    *q = aot_bits_f64(t);
    if (!(aot_abs_f64(x) < 1e6))
        return aot_reduce_large_f64(x, q);
    t = x - n * 1.5707963267341256 - n * 6.077100506303966e-11; /* 33 bits each */
    return t - n * 2.0222662487111665e-21 - n * 8.4784276603688996e-32;
}

AOT_INLINE f64 aot_sincos_f64(f64 x, u64 turn)
{
    u64 q;
    f64 r = aot_reduce_f64(x, &q), s = aot_sinq_f64(r), c = aot_cosq_f64(r);
    q += turn;
    return aot_from_bits_f64(aot_bits_f64(q & 1u ? c : s) ^ (q & 2u) << 62);
}

AOT_INLINE f64 aot_sin_f64(f64 x) { return aot_sincos_f64(x, 0); }
AOT_INLINE f64 aot_cos_f64(f64 x) { return aot_sincos_f64(x, 1); }

AOT_INLINE f64 aot_tan_f64(f64 x)
{
    u64 q;
    f64 r = aot_reduce_f64(x, &q), s = aot_sinq_f64(r), c = aot_cosq_f64(r);
    return q & 1u ? -c / s : s / c;
}

/* ---- inverse trigonometric functions --------------------------------------------------------- */

/* asin of s, whose square is z <= 1/4. */
AOT_INLINE f64 aot_asinq_f64(f64 s, f64 z)
{
    f64 p = AOT_H2(0.031964746897776099, z, -0.01630041672055116, 0.019576443050483028);
    p = AOT_H4(p, z, 6.5105561692528742e-3, 0.012173178569421219, 0.013884644434700381,
               0.017359762684752772);
    p = AOT_H4(p, z, 0.022371754395338473, 0.030381959277777869, 0.044642856825354084,
               0.07500000000339727);
    return (p * z + 0.16666666666665405) * z * s + s;
}

AOT_INLINE f64 aot_asin_f64(f64 x)
{
    f64 a = aot_abs_f64(x), h = 0.5 - 0.5 * a, root = aot_sqrt_f64(h);
    f64 p = aot_asinq_f64(a > 0.5 ? root : a, a > 0.5 ? h : a * a);
    f64 rest = 1.5707963267948966 - (2.0 * p - 6.123233995736766e-17);
    return aot_copysign_f64(a > 0.5 ? rest : p, x);
}

AOT_INLINE f64 aot_acos_f64(f64 x)
{
    f64 a = aot_abs_f64(x), h = 0.5 - 0.5 * a, root = aot_sqrt_f64(h);
    f64 p = aot_asinq_f64(a > 0.5 ? root : a, a > 0.5 ? h : a * a);
    f64 left = 3.1415926535897931 - (2.0 * p - 1.2246467991473532e-16), right = 2.0 * p;
    f64 middle = 1.5707963267948966 - (aot_copysign_f64(p, x) - 6.123233995736766e-17);
    return a > 0.5 ? (x < 0.0 ? left : right) : middle;
}

/* The angle of the point (a, b) in the first quadrant, from that with the nearest of the axes and
 * the diagonal, whose tangent is below sqrt(2) - 1. */
AOT_INLINE f64 aot_angle_f64(f64 b, f64 a)
{
    f64 scale = ((a > 1e300) | (b > 1e300)) ? 0x1p-600 : 1.0;
    i32 both = (a == b) & ((a == 0.0) | (a == (f64)AOT_INF)), low, high;
    f64 over, under, z, p;
    b = both ? (a == 0.0 ? 0.0 : 1.0) : b * scale;
    a = both ? 1.0 : a * scale;
    low = b < 0.41421356237309503 * a;
    high = b > 2.4142135623730949 * a;
    over = low ? b : high ? -a : b - a;
    under = low ? a : high ? b : b + a;
    over = over / under;
    z = over * over;
    p = AOT_H2(-0.017928777088599173, z, 0.038084756768611471, -0.050401218035762191);
    p = AOT_H4(p, z, 0.058480762558633142, -0.066631306337192022, 0.076920626465840871,
               -0.090908979008811105);
    p = AOT_H4(p, z, 0.11111110788731062, -0.14285714280310214, 0.19999999999954843,
               -0.33333333333333203) * z * over;
    z = low ? 0.0 : high ? 6.123233995736766e-17 : 3.061616997868383e-17;
    p = over + (p + z);
    return low ? p : p + (high ? 1.5707963267948966 : 0.78539816339744828);
}

AOT_INLINE f64 aot_atan_f64(f64 x)
{
    return aot_copysign_f64(aot_angle_f64(aot_abs_f64(x), 1.0), x);
}

AOT_INLINE f64 aot_atan2_f64(f64 y, f64 x)
{
    f64 r = aot_angle_f64(aot_abs_f64(y), aot_abs_f64(x));
    f64 left = 3.1415926535897931 - (r - 1.2246467991473532e-16);
    return aot_copysign_f64(aot_signbit_f64(x) ? left : r, y);
}

AOT_INLINE f32 aot_asin_f32(f32 x) { return (f32)aot_asin_f64((f64)x); }
AOT_INLINE f32 aot_acos_f32(f32 x) { return (f32)aot_acos_f64((f64)x); }
AOT_INLINE f32 aot_atan_f32(f32 x) { return (f32)aot_atan_f64((f64)x); }
AOT_INLINE f32 aot_atan2_f32(f32 y, f32 x) { return (f32)aot_atan2_f64((f64)y, (f64)x); }

/* max + log1p(e^-|x - y|); infinities of one sign have no difference. */
AOT_INLINE f64 aot_logaddexp_f64(f64 x, f64 y)
{
    f64 d = x == y ? 0.0 : -aot_abs_f64(x - y);
    return aot_max_f64(x, y) + aot_log1p_f64(aot_exp_f64(d));
}
AOT_INLINE f32 aot_logaddexp_f32(f32 x, f32 y) { return (f32)aot_logaddexp_f64((f64)x, (f64)y); }

/* ---- hyperbolic functions -------------------------------------------------------------------- */

AOT_INLINE f64 aot_sinh_f64(f64 x)
{
    f64 a = aot_abs_f64(x), e = aot_expm1_f64(a), large = aot_expx_f64(a, 0.0, 0.5);
    f64 small = 0.5 * (e + e / (e + 1.0));
    return aot_copysign_f64(a > 20.0 ? large : small, x);
}

AOT_INLINE f64 aot_cosh_f64(f64 x)
{
    f64 h = aot_expx_f64(aot_abs_f64(x), 0.0, 0.5);
    return h + 0.25 / h;
}

AOT_INLINE f32 aot_sinh_f32(f32 x) { return (f32)aot_sinh_f64((f64)x); }
AOT_INLINE f32 aot_cosh_f32(f32 x) { return (f32)aot_cosh_f64((f64)x); }

/* e / (e + 2), e = e^2|x| - 1 = 2^n (e^r - 1) + (2^n - 1), which from |x| = BIG on does not matter. */
#define AOT_TANH(T, BIG, BIAS, BITS, LN2_HIGH, LN2_LOW, ROUND)                                     \
    AOT_INLINE T aot_tanh_##T(T x)                                                                 \
    {                                                                                              \
        T c = 2 * aot_most_##T(aot_abs_##T(x), BIG);                                               \
        T t = aot_muladd_##T(c, (T)1.4426950408889634, ROUND), n = t - ROUND;                      \
        T r = aot_muladd_##T(n, -LN2_LOW, aot_muladd_##T(n, -LN2_HIGH, c));                        \
        T s = aot_from_bits_##T((aot_bits_##T(t) - aot_bits_##T(ROUND) + BIAS) << BITS);           \
        T e = aot_muladd_##T(aot_muladd_##T(r * r, aot_expq_##T(r), r), s, s - 1);                 \
        return aot_copysign_##T(e / (e + 2), x);                                                   \
    }
AOT_TANH(f32, 10.0f, 127, 23, 0.693145752f, 1.42860682e-6f, 12582912.0f)
AOT_TANH(f64, 20.0, 1023, 52, 0.69314718036912382, 1.9082149292705878e-10, 6755399441055744.0)

/* From the square root and the logarithm of 1 + x; far out the logarithm of 2|x|. */
AOT_INLINE f64 aot_asinh_f64(f64 x)
{
    f64 a = aot_abs_f64(x), c = aot_most_f64(a, 0x1p30), z = c * c;
    f64 near = aot_log1p_f64(c + z / (1.0 + aot_sqrt_f64(1.0 + z)));
    f64 far = aot_log_f64(a) + 0.69314718055994531;
    return aot_copysign_f64(a > 0x1p28 ? far : near, x);
}

AOT_INLINE f64 aot_acosh_f64(f64 x)
{
    f64 t = aot_most_f64(x, 0x1p30) - 1.0, near = aot_log1p_f64(t + aot_sqrt_f64(t * (t + 2.0)));
    f64 far = aot_log_f64(x) + 0.69314718055994531;
    return x < 1.0 ? (f64)AOT_NAN : x > 0x1p28 ? far : near;
}

AOT_INLINE f64 aot_atanh_f64(f64 x)
{
    f64 a = aot_abs_f64(x);
    return aot_copysign_f64(0.5 * aot_log1p_f64(2.0 * a / (1.0 - a)), x);
}

AOT_INLINE f32 aot_asinh_f32(f32 x) { return (f32)aot_asinh_f64((f64)x); }
AOT_INLINE f32 aot_acosh_f32(f32 x) { return (f32)aot_acosh_f64((f64)x); }
AOT_INLINE f32 aot_atanh_f32(f32 x) { return (f32)aot_atanh_f64((f64)x); }

/* ---- error function -------------------------------------------------------------------------- */

/* erf for |x| < 0.93. */
AOT_INLINE f32 aot_erfq_f32(f32 x)
{
    f32 z = x * x, p = AOT_H4(-6.02180879e-4f, z, 4.99960212e-3f, -2.67712842e-2f, 0.112819549f,
                              -0.376125082f);
    return AOT_H1(AOT_H1(p, z, 0.128379152f), x, x);
}

/* From there on 1 - e^q, q = log(erfc(x)) being nearly a polynomial. */
AOT_INLINE f32 aot_erf_f32(f32 x)
{
    f32 a = aot_abs_f32(x), c = aot_most_f32(a, 4.0f);
    f32 q = AOT_H4(2.14593694e-4f, c, -3.21996625e-3f, 2.29060063e-2f, -0.105286822f,
                   -0.635699389f);
    f32 far = 1.0f - aot_expx_f32(AOT_H1(q, c, -1.12851995f) * c, 0.0f, 1.0f);
    return aot_copysign_f32(a < 0.92f ? aot_erfq_f32(a) : far, x);
}

/* erfc(z) e^(z^2) for 0 <= z <= 30: times 1 + 2z it is a polynomial in (z - 4) / (z + 4). */
AOT_INLINE f64 aot_erfcp_f64(f64 z)
{
    f64 u = (z - 4.0) / (z + 4.0);
    f64 p = AOT_H4(-1.7177544003913783e-9, u, -1.3386641949098927e-8, -7.778838888997335e-9,
                   1.1456237624283502e-7, 6.2389582470878805e-8);
    p = AOT_H4(p, u, -8.3424167551016631e-7, 3.0195555081002562e-7, 5.7172960879982001e-6,
               -1.1225282373365789e-5);
    p = AOT_H4(p, u, -2.4402941846993181e-5, 1.5062247127282814e-4, -1.992555611751236e-4,
               -7.5777340477974169e-4);
    p = AOT_H4(p, u, 5.0319697635540946e-3, -1.6197734048438201e-2, 3.7167515561854265e-2,
               -6.6330365812562567e-2);
    p = AOT_H4(p, u, 9.3732834996823696e-2, -0.10103906603630122, 6.8097054254736605e-2,
               1.5379652102619765e-2);
    return AOT_H2(p, u, -0.13962111684056289, 1.2329951186255525) / (2.0 * z + 1.0);
}

/* m erfc(z + lo) for z >= 0. */
AOT_INLINE f64 aot_erfcm_f64(f64 z, f64 lo, f64 m)
{
    z = aot_most_f64(z, 30.0);
    f64 h = aot_from_bits_f64(aot_bits_f64(z) & 0xfffffffff8000000ull), p = aot_erfcp_f64(z);
    return aot_expx_f64(-h * h, -((z - h) * (z + h) + 2.0 * z * lo), p * m);
}

/* erf for |x| < 1. */
AOT_INLINE f64 aot_erfq_f64(f64 x)
{
    f64 z = x * x;
    f64 p = AOT_H4(-7.8011889874131477e-10, z, 1.372297597471211e-8, -1.6209175749589099e-7,
                   1.6447517642377853e-6, -1.4924744659133547e-5);
    p = AOT_H4(p, z, 1.2055295320198352e-4, -8.548325989684064e-4, 5.2239776074231429e-3,
               -2.6866170643276172e-2);
    p = AOT_H2(p, z, 0.11283791670945253, -0.37612638903183547) * z + 0.12837916709551257;
    return p * x + x;
}

AOT_INLINE f64 aot_erfc_f64(f64 x)
{
    f64 a = aot_abs_f64(x), r = aot_erfcm_f64(a, 0.0, 1.0), left = 2.0 - r;
    f64 near = 1.0 - aot_erfq_f64(x);
    return a < 0.5 ? near : x < 0.0 ? left : r;
}

AOT_INLINE f64 aot_erf_f64(f64 x)
{
    f64 a = aot_abs_f64(x), near = aot_erfq_f64(a), far = 1.0 - aot_erfcm_f64(a, 0.0, 1.0);
    return aot_copysign_f64(a < 1.0 ? near : far, x);
}

AOT_INLINE f32 aot_erfc_f32(f32 x) { return (f32)aot_erfc_f64((f64)x); }

/* ---- activations ----------------------------------------------------------------------------- */

/* gate: x / (1 + e^-(v + lo)) for tiny lo.  With v = n ln 2 - r that is x 2^n / (2^n + 1 + (e^r - 1)), whose sum loses
 * nothing at either end; at -inf the limit, -0. */
#define AOT_SIGMOID(T, U, LEAST, MOST, LN2_HIGH, LN2_LOW, ROUND)                                   \
    AOT_INLINE T aot_gate_##T(T x, T v, T lo)                                                      \
    {                                                                                              \
        T c = aot_most_##T(aot_least_##T(v, LEAST), MOST);                                         \
        T t = aot_muladd_##T(c, (T)1.4426950408889634, ROUND), n = t - ROUND;                      \
        T r = aot_muladd_##T(n, LN2_LOW, aot_muladd_##T(n, LN2_HIGH, -c)) - lo;                    \
        T e = aot_muladd_##T(r * r, aot_expq_##T(r), r);                                           \
        U whole = aot_bits_##T(t) - aot_bits_##T(ROUND);                                           \
        T p = aot_least_##T(x, LEAST) / (aot_scale_##T(1, whole) + e + 1);                         \
        return aot_scale_##T(p, whole);                                                            \
    }                                                                                              \
    AOT_INLINE T aot_sigmoid_##T(T x) { return aot_gate_##T(1, x, 0); }                            \
    AOT_INLINE T aot_silu_##T(T x) { return aot_gate_##T(x, x, 0); }
AOT_SIGMOID(f32, u32, -110.0f, 20.0f, 0.693145752f, 1.42860682e-6f, 12582912.0f)
AOT_SIGMOID(f64, u64, -760.0, 40.0, 0.69314718036912382, 1.9082149292705878e-10,
            6755399441055744.0)

/* x Phi(x), where Phi(-a) e^(a^2 / 2) (1 + 0.8 a) is a polynomial in (a - 4) / (a + 4). */
AOT_INLINE f32 aot_gelu_f32(f32 x)
{
    f32 a = aot_abs_f32(x), c = aot_most_f32(a, 16.0f), u = (c - 4.0f) / (c + 4.0f), q;
    f32 h = aot_from_bits_f32(aot_bits_f32(c) & 0xfffff000u);
    f32 p = AOT_H4(-5.66391536e-5f, u, -6.1566547e-5f, 0.00051858015f, -0.000112365774f,
                   -0.00390180837f);
    p = AOT_H4(p, u, 0.012653095f, -0.0195849617f, 0.00853855783f, 0.0360755361f);
    p = AOT_H2(p, u, -0.111442319f, 0.396524694f) / AOT_H1(0.8f, c, 1.0f);
    q = aot_expx_f32(-0.5f * h * h, -0.5f * ((c - h) * (c + h)), x < 0.0f ? -c * p : p);
    p = 0.5f * x * (1.0f + aot_erfq_f32(0.707106781f * x));
    u = x * (1.0f - q);
    return a < 0.7f ? p : x < 0.0f ? q : u;
}

AOT_INLINE f64 aot_gelu_f64(f64 x)
{
    f64 a = aot_abs_f64(x), c = aot_most_f64(a, 40.0), lo, far, right, near;
    f64 z = aot_mul2_f64(c, 0.0, 0.70710678118654757, -4.8336466567264567e-17, &lo);
    far = aot_erfcm_f64(z, lo, x < 0.0 ? -0.5 * c : 0.5);
    right = x * (1.0 - far);
    near = 0.5 * x * (1.0 + aot_erfq_f64(0.70710678118654757 * x));
    return a < 0.7 ? near : x < 0.0 ? far : right;
}

/* x / 2 (1 + tanh(v / 2)) = x / (1 + e^-v), v = sqrt(8 / pi) (x + 0.044715 x^3). */
AOT_INLINE f32 aot_gelu_tanh_f32(f32 x)
{
    f64 c = (f64)aot_most_f32(aot_least_f32(x, -20.0f), 20.0f);
    f64 v = c * (c * c * 0.071354816272600248 + 1.5957691216057308);
    f32 h = (f32)v;
    return aot_gate_f32(x, h, (f32)(v - (f64)h));
}

AOT_INLINE f64 aot_gelu_tanh_f64(f64 x)
{
    f64 c = aot_most_f64(aot_least_f64(x, -40.0), 40.0), zl, tl, vl;
    f64 z = aot_mul2_f64(c, 0.0, c, 0.0, &zl);
    f64 t = aot_mul2_f64(z, zl, 0.071354816272600248, -6.1751499181553155e-19, &tl);
    f64 s = t + 1.5957691216057308, b = s - t; /* s + tl is the sum, exactly */
    tl += (t - (s - b)) + (1.5957691216057308 - b) - 9.9693088091109203e-17;
    z = aot_mul2_f64(s, tl, c, 0.0, &vl);
    return aot_gate_f64(x, z, vl);
}
