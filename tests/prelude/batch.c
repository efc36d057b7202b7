/* SPDX-License-Identifier: MIT */
/* Every function of the prelude over arrays.  Compiled once per compiler, machine and option; BATCH
 * is the name of the table that test_prelude.c looks at. */
#include "prelude.h"
#include "batch.h"

#define TWO(F, ref, u32, u64)                                                                      \
    static void F##_one(const f32 *AOT_RESTRICT x, const f32 *AOT_RESTRICT y, f32 *AOT_RESTRICT r, \
                        long long n)                                                               \
    {                                                                                              \
        for (i64 i = 0; i < n; i++)                                                                \
            r[i] = aot_##F##_f32(x[i], y[i]);                                                      \
    }                                                                                              \
    static void F##_two(const f64 *AOT_RESTRICT x, const f64 *AOT_RESTRICT y, f64 *AOT_RESTRICT r, \
                        long long n)                                                               \
    {                                                                                              \
        for (i64 i = 0; i < n; i++)                                                                \
            r[i] = aot_##F##_f64(x[i], y[i]);                                                      \
    }
#define ONE(F, ref, u32, u64, lo, hi)                                                              \
    static void F##_one(const f32 *AOT_RESTRICT x, const f32 *AOT_RESTRICT y, f32 *AOT_RESTRICT r, \
                        long long n)                                                               \
    {                                                                                              \
        (void)y;                                                                                   \
        for (i64 i = 0; i < n; i++)                                                                \
            r[i] = aot_##F##_f32(x[i]);                                                            \
    }                                                                                              \
    static void F##_two(const f64 *AOT_RESTRICT x, const f64 *AOT_RESTRICT y, f64 *AOT_RESTRICT r, \
                        long long n)                                                               \
    {                                                                                              \
        (void)y;                                                                                   \
        for (i64 i = 0; i < n; i++)                                                                \
            r[i] = aot_##F##_f64(x[i]);                                                            \
    }
#include "functions.def"

static void div_floor_one(const f32 *x, const f32 *y, f32 *r, long long n)
{
    for (i64 i = 0; i < n; i++)
        r[i] = aot_div_floor_f32(x[i], y[i]);
}

static void div_floor_two(const f64 *x, const f64 *y, f64 *r, long long n)
{
    for (i64 i = 0; i < n; i++)
        r[i] = aot_div_floor_f64(x[i], y[i]);
}

static void to_half(const f32 *AOT_RESTRICT x, u16 *AOT_RESTRICT h, long long n)
{
    for (i64 i = 0; i < n; i++)
        h[i] = aot_f32_to_f16(x[i]);
}

static void to_bhalf(const f32 *AOT_RESTRICT x, u16 *AOT_RESTRICT h, long long n)
{
    for (i64 i = 0; i < n; i++)
        h[i] = aot_f32_to_bf16(x[i]);
}

static void from_half(const u16 *AOT_RESTRICT h, f32 *AOT_RESTRICT x, long long n)
{
    for (i64 i = 0; i < n; i++)
        x[i] = aot_f16_to_f32(h[i]);
}

static void from_bhalf(const u16 *AOT_RESTRICT h, f32 *AOT_RESTRICT x, long long n)
{
    for (i64 i = 0; i < n; i++)
        x[i] = aot_bf16_to_f32(h[i]);
}

static void round_half(const f32 *AOT_RESTRICT x, f32 *AOT_RESTRICT y, long long n)
{
    for (i64 i = 0; i < n; i++)
        y[i] = aot_round_f16(x[i]);
}

static void round_bhalf(const f32 *AOT_RESTRICT x, f32 *AOT_RESTRICT y, long long n)
{
    for (i64 i = 0; i < n; i++)
        y[i] = aot_round_bf16(x[i]);
}

/* Operators in the order of IntegerOp. */
#define OPERATOR(T)                                                                                \
    static long long int_##T(int op, long long x, long long y)                                     \
    {                                                                                              \
        T a = (T)x, b = (T)y;                                                                      \
        switch (op) {                                                                              \
        case INT_ADD: return (i64)aot_add_##T(a, b);                                               \
        case INT_SUB: return (i64)aot_sub_##T(a, b);                                               \
        case INT_MUL: return (i64)aot_mul_##T(a, b);                                               \
        case INT_NEG: return (i64)aot_neg_##T(a);                                                  \
        case INT_ABS: return (i64)aot_abs_##T(a);                                                  \
        case INT_SIGN: return (i64)aot_sign_##T(a);                                                \
        case INT_MAX_: return (i64)aot_max_##T(a, b);                                              \
        case INT_MIN_: return (i64)aot_min_##T(a, b);                                              \
        case INT_DIV_TRUNC: return (i64)aot_div_trunc_##T(a, b);                                   \
        case INT_FMOD: return (i64)aot_fmod_##T(a, b);                                             \
        case INT_DIV_FLOOR: return (i64)aot_div_floor_##T(a, b);                                   \
        case INT_REM: return (i64)aot_rem_##T(a, b);                                               \
        default: return (i64)aot_pow_##T(a, b);                                                    \
        }                                                                                          \
    }
OPERATOR(i8)
OPERATOR(i16)
OPERATOR(i32)
OPERATOR(i64)
OPERATOR(u8)
OPERATOR(u16)
OPERATOR(u32)
OPERATOR(u64)

static long long convert_one(int type, float x)
{
    switch (type) {
    case 0: return aot_to_i8_f32(x);
    case 1: return aot_to_i16_f32(x);
    case 2: return aot_to_i32_f32(x);
    case 3: return aot_to_i64_f32(x);
    case 4: return aot_to_u8_f32(x);
    case 5: return aot_to_u16_f32(x);
    case 6: return aot_to_u32_f32(x);
    default: return (i64)aot_to_u64_f32(x);
    }
}

static long long convert_two(int type, double x)
{
    switch (type) {
    case 0: return aot_to_i8_f64(x);
    case 1: return aot_to_i16_f64(x);
    case 2: return aot_to_i32_f64(x);
    case 3: return aot_to_i64_f64(x);
    case 4: return aot_to_u8_f64(x);
    case 5: return aot_to_u16_f64(x);
    case 6: return aot_to_u32_f64(x);
    default: return (i64)aot_to_u64_f64(x);
    }
}

extern const Batch BATCH;
const Batch BATCH = {
    {
#define ONE(F, ref, u32, u64, lo, hi) { F##_one, F##_two },
#define TWO(F, ref, u32, u64) { F##_one, F##_two },
#include "functions.def"
        { div_floor_one, div_floor_two },
    },
    to_half, to_bhalf, from_half, from_bhalf, round_half, round_bhalf,
    { int_i8, int_i16, int_i32, int_i64, int_u8, int_u16, int_u32, int_u64 },
    convert_one, convert_two, AOT_FUSES,
};
