/* k0: y
 * reads  ids: i64[5]
 * reads  table: f32[10, 4], emb_weight
 * writes out_0: f32[5, 4] */
static aot_status g__k0_y_(aot_call *call, const i64 *AOT_RESTRICT ids, const f32 *AOT_RESTRICT table,
    f32 *AOT_RESTRICT out_0)
{
    for (i64 i = 0; i < 5; i++) {
        const i64 at = ids[i];
        if ((u64)at >= (u64)(10))
            return aot_bad_index(call, "ids", at, 10);
        for (i64 j = 0; j < 4; j++) {
            out_0[4*i + j] = table[4*at + j];
        }
    }
    return AOT_OK;
}
