/* k0: y
 * reads  x_: f32[4]
 * reads  h_: f32[4]
 * writes out_y: f32[4] */
static void st_k0_y_(const f32 *AOT_RESTRICT x_, const f32 *AOT_RESTRICT h_, f32 *AOT_RESTRICT out_y)
{
    for (i64 i = 0; i < 4; i++) {
        out_y[i] = x_[i] + h_[i];
    }
}

/* k1: m
 * reads  n_: i64[]
 * writes out_c: i64[] */
static void st_k1_m_(const i64 *AOT_RESTRICT n_, i64 *AOT_RESTRICT out_c)
{
    out_c[0] = aot_add_i64(n_[0], 1);
}

/* k2: ok
 * reads  n_: i64[]
 * writes ok: bool[] */
static void st_k2_ok(const i64 *AOT_RESTRICT n_, u8 *AOT_RESTRICT ok)
{
    ok[0] = (u8)(n_[0] < 10);
}

/* k3: check
 * reads  ok: bool[] */
static aot_status st_k3_check(aot_call *call, const u8 *AOT_RESTRICT ok)
{
    if (!ok[0])
        return aot_bad_data(call, "fewer than ten runs");
    return AOT_OK;
}

/* k4: h
 * also k5 x, k6 h, k7 x
 * reads  h_: f32[4]
 * writes h_1: f32[4] */
static void st_k4_h_(const f32 *AOT_RESTRICT h_, f32 *AOT_RESTRICT h_1)
{
    for (i64 i = 0; i < 4; i++) {
        h_1[i] = h_[i];
    }
}

/* k8: m
 * reads  out_c: i64[]
 * writes n_: i64[] */
static void st_k8_m_(const i64 *AOT_RESTRICT out_c, i64 *AOT_RESTRICT n_)
{
    n_[0] = out_c[0];
}
