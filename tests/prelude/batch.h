/* SPDX-License-Identifier: MIT */
/* What batch.c offers to test_prelude.c, without the types of the prelude. */
enum {
#define ONE(F, ref, u32, u64, lo, hi) F_##F,
#define TWO(F, ref, u32, u64) F_##F,
#include "functions.def"
    F_div_floor,
    F_COUNT
};

typedef enum IntegerOp {
    INT_ADD, INT_SUB, INT_MUL, INT_NEG, INT_ABS, INT_SIGN, INT_MAX_, INT_MIN_, INT_DIV_TRUNC,
    INT_FMOD, INT_DIV_FLOOR, INT_REM, INT_POW, INT_COUNT
} IntegerOp;

typedef struct Batch {
    struct {
        void (*one)(const float *x, const float *y, float *r, long long n);
        void (*two)(const double *x, const double *y, double *r, long long n);
    } f[F_COUNT];
    void (*to_half)(const float *x, unsigned short *h, long long n);
    void (*to_bhalf)(const float *x, unsigned short *h, long long n);
    void (*from_half)(const unsigned short *h, float *x, long long n);
    void (*from_bhalf)(const unsigned short *h, float *x, long long n);
    void (*round_half)(const float *x, float *y, long long n);
    void (*round_bhalf)(const float *x, float *y, long long n);
    long long (*integer[8])(int op, long long a, long long b); /* i8 i16 i32 i64 u8 u16 u32 u64 */
    long long (*convert_one)(int type, float x);
    long long (*convert_two)(int type, double x);
    int fuses; /* multiply-adds, where the prelude says so */
} Batch;
