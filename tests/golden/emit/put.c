/* k0: r
 * reads  x_: bf16[10]
 * reads  ids: i64[5]
 * reads  y_: bf16[5]
 * writes out_0: bf16[10] */
static aot_status g__k0_r_(aot_call *call, const u16 *AOT_RESTRICT x_, const i64 *AOT_RESTRICT ids,
    const u16 *AOT_RESTRICT y_, u16 *AOT_RESTRICT out_0)
{
    for (i64 i = 0; i < 10; i++) {
        out_0[i] = aot_f32_to_bf16(aot_bf16_to_f32(x_[i]));
    }
    for (i64 i = 0; i < 5; i++) {
        const i64 at = ids[i];
        if ((u64)at >= (u64)(10))
            return aot_bad_index(call, "ids", at, 10);
        out_0[at] = aot_f32_to_bf16(aot_round_bf16(aot_bf16_to_f32(out_0[at]) + aot_bf16_to_f32(y_[i])));
    }
    return AOT_OK;
}

/* k1: m
 * reads  x_: bf16[10]
 * reads  ids: i64[5]
 * reads  y_: bf16[5]
 * writes out_1: bf16[10] */
static aot_status g__k1_m_(aot_call *call, const u16 *AOT_RESTRICT x_, const i64 *AOT_RESTRICT ids,
    const u16 *AOT_RESTRICT y_, u16 *AOT_RESTRICT out_1)
{
    for (i64 i = 0; i < 10; i++) {
        out_1[i] = aot_f32_to_bf16(aot_bf16_to_f32(x_[i]));
    }
    for (i64 i = 0; i < 5; i++) {
        const i64 at = ids[i];
        if ((u64)at >= (u64)(10))
            return aot_bad_index(call, "ids", at, 10);
        out_1[at] = aot_f32_to_bf16(aot_round_bf16(aot_max_f32(aot_bf16_to_f32(out_1[at]), aot_bf16_to_f32(y_[i]))));
    }
    return AOT_OK;
}
