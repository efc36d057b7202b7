/* k0: x
 * reads  x_: f32[1, 4, 8, 8]
 * writes x_nhwc: f32[1, 4, 8, 8] channels last */
static void g__k0_x_(const f32 *AOT_RESTRICT x_, f32 *AOT_RESTRICT x_nhwc)
{
    AOTK_NAME_AT(aotk_zero_halo_f32)(&(aotk_halo){
        .x = x_nhwc, .n = 1, .h = 8, .w = 8, .c = 4, .top = 1, .bottom = 1, .left = 1, .right = 1,
        .x_n = 400, .x_h = 40, .x_w = 4, .tasks = 1
    });
    AOTK_NAME_AT(aotk_copy4_f32)(&(aotk_copy4){
        .src = x_, .dst = x_nhwc + 44, .n[0] = 1, .s[0] = 256, .d[0] = 400, .n[1] = 8, .s[1] = 8,
        .d[1] = 40, .n[2] = 8, .s[2] = 1, .d[2] = 4, .n[3] = 4, .s[3] = 64, .d[3] = 1, .tasks = 1
    });
}

/* k1: conv f32[1, 4, 8, 8] x f32[8, 4, 3, 3]
 * reads  x_nhwc: f32[1, 4, 8, 8] channels last
 * reads  w_packed: f32[576], conv_weight
 * reads  b_: f32[8], conv_bias
 * writes a_: f32[1, 8, 8, 8] channels last */
static void g__k1_a_(const f32 *AOT_RESTRICT x_nhwc, const f32 *AOT_RESTRICT w_packed,
    const f32 *AOT_RESTRICT b_, f32 *AOT_RESTRICT a_)
{
    AOTK_NAME_AT(aotk_igemm_f32)(&(aotk_igemm){
        .a = x_nhwc, .b = w_packed, .c = a_, .m0 = 1, .m1 = 8, .m2 = 8, .a1 = 40, .a2 = 4, .c1 = 64,
        .c2 = 8, .n = 8, .taps_h = 3, .taps_w = 1, .tap_h = 40, .tap_w = 0, .seg = 12, .bias = b_,
        .act = AOTK_ACT_RELU, .tasks = 1
    });
}

/* k2: a
 * reads  a_: f32[1, 8, 8, 8] channels last
 * writes out_0: f32[1, 8, 8, 8] */
static void g__k2_a_(const f32 *AOT_RESTRICT a_, f32 *AOT_RESTRICT out_0)
{
    AOTK_NAME_AT(aotk_copy4_f32)(&(aotk_copy4){
        .src = a_, .dst = out_0, .n[0] = 1, .s[0] = 512, .d[0] = 512, .n[1] = 8, .s[1] = 1, .d[1] = 64,
        .n[2] = 8, .s[2] = 64, .d[2] = 8, .n[3] = 8, .s[3] = 8, .d[3] = 1, .tasks = 1
    });
}
