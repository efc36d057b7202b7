/* k0: y
 * reads  x_: f32[4]
 * writes out_0: i32[4] */
static void g__k0_y_(const f32 *AOT_RESTRICT x_, i32 *AOT_RESTRICT out_0)
{
    for (i64 i = 0; i < 4; i++) {
        out_0[i] = (i32)(aot_bits_f32(x_[i]));
    }
}

/* k1: z
 * reads  h_: bf16[4]
 * writes out_1: i16[4] */
static void g__k1_z_(const u16 *AOT_RESTRICT h_, i16 *AOT_RESTRICT out_1)
{
    for (i64 i = 0; i < 4; i++) {
        out_1[i] = (i16)(i16)(aot_f32_to_bf16(aot_bf16_to_f32(h_[i])));
    }
}

/* k2: n
 * reads  out_1: i16[4]
 * writes out_2: bf16[4] */
static void g__k2_n_(const i16 *AOT_RESTRICT out_1, u16 *AOT_RESTRICT out_2)
{
    for (i64 i = 0; i < 4; i++) {
        out_2[i] = aot_f32_to_bf16(aot_round_bf16(aot_neg_f32(aot_bf16_to_f32((u16)(out_1[i])))));
    }
}
