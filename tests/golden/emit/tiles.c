/* k0: x32
 * reads  x_: bf16[40, 64]
 * writes x32: f32[40, 64] */
static void g__k0_x32(const u16 *AOT_RESTRICT x_, f32 *AOT_RESTRICT x32)
{
    for (i64 i = 0; i < 2560; i++) {
        x32[i] = (f32)aot_bf16_to_f32(x_[i]);
    }
}

/* k1: matmul f32[40, 64] x f32[64, 48]
 * reads  x32: f32[40, 64]
 * reads  w_packed: bf16[3072], w_
 * writes y_pairs: f32[1536]
 * writes out_0: f32[40, 48] */
static void g__k1_y_(const f32 *AOT_RESTRICT x32, const u16 *AOT_RESTRICT w_packed, f32 *AOT_RESTRICT y_pairs,
    f32 *AOT_RESTRICT out_0, int features)
{
    AOTK_NAME_AT(aotk_igemm_pairs)(&(aotk_igemm){
        .a = x32, .b = w_packed, .b_stored = AOTK_STORED_BF16_PAIRS, .work = y_pairs, .features = features,
        .c = out_0, .m0 = 1, .a0 = 0, .c0 = 0, .m1 = 1, .a1 = 0, .c1 = 0, .m2 = 40, .a2 = 64, .c2 = 48,
        .n = 48, .taps_h = 1, .taps_w = 1, .seg = 64, .tasks = 1
    });
}
