/* k0: b
 * reads  x_: bf16[8]
 * reads  y_: bf16[8]
 * writes out_0: bf16[8] */
static void g__k0_b_(const u16 *AOT_RESTRICT x_, const u16 *AOT_RESTRICT y_, u16 *AOT_RESTRICT out_0)
{
    for (i64 i = 0; i < 8; i++) {
        out_0[i] = aot_f32_to_bf16(aot_round_bf16(aot_sigmoid_f32(aot_round_bf16(aot_bf16_to_f32(x_[i]) * aot_bf16_to_f32(y_[i])))));
    }
}
