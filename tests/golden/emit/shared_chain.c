/* k0: b23
 * reads  x_: f32[4, 5]
 * writes b23: f32[4, 5] */
static void g__k0_b23(const f32 *AOT_RESTRICT x_, f32 *AOT_RESTRICT b23)
{
    for (i64 i = 0; i < 4; i++) {
        for (i64 j = 0; j < 5; j++) {
            const f32 t0 = x_[5*i + j];
            const f32 t1 = t0 * t0 + t0;
            const f32 t2 = t1 * t1 + t1;
            const f32 t3 = t2 * t2 + t2;
            const f32 t4 = t3 * t3 + t3;
            const f32 t5 = t4 * t4 + t4;
            const f32 t6 = t5 * t5 + t5;
            const f32 t7 = t6 * t6 + t6;
            const f32 t8 = t7 * t7 + t7;
            const f32 t9 = t8 * t8 + t8;
            const f32 t10 = t9 * t9 + t9;
            const f32 t11 = t10 * t10 + t10;
            const f32 t12 = t11 * t11 + t11;
            const f32 t13 = t12 * t12 + t12;
            const f32 t14 = t13 * t13 + t13;
            const f32 t15 = t14 * t14 + t14;
            const f32 t16 = t15 * t15 + t15;
            const f32 t17 = t16 * t16 + t16;
            const f32 t18 = t17 * t17 + t17;
            const f32 t19 = t18 * t18 + t18;
            const f32 t20 = t19 * t19 + t19;
            const f32 t21 = t20 * t20 + t20;
            const f32 t22 = t21 * t21 + t21;
            const f32 t23 = t22 * t22 + t22;
            b23[5*i + j] = t23 * t23 + t23;
        }
    }
}

/* k1: c2
 * reads  m_: bool[4, 5]
 * writes c2: bool[4, 5] */
static void g__k1_c2(const u8 *AOT_RESTRICT m_, u8 *AOT_RESTRICT c2)
{
    for (i64 i = 0; i < 20; i++) {
        const i32 t0 = m_[i];
        const i32 t1 = t0 && t0;
        c2[i] = (u8)(t1 != (t0 || t1) != (t1 || t1 != (t0 || t1)));
    }
}

/* k2: c3
 * reads  c2: bool[4, 5]
 * reads  m_: bool[4, 5]
 * writes c3: bool[4, 5] */
static void g__k2_c3(const u8 *AOT_RESTRICT c2, const u8 *AOT_RESTRICT m_, u8 *AOT_RESTRICT c3)
{
    for (i64 i = 0; i < 20; i++) {
        const i32 t0 = c2[i];
        const i32 t1 = m_[i];
        c3[i] = (u8)(t0 != ((t1 && t1) != (t1 || t1 && t1) || t0));
    }
}

/* k3: c4
 * also k4 c5, k5 c6, k6 c7 ... k22 c23
 * reads  c3: bool[4, 5]
 * reads  c2: bool[4, 5]
 * writes c4: bool[4, 5] */
static void g__k3_c4(const u8 *AOT_RESTRICT c3, const u8 *AOT_RESTRICT c2, u8 *AOT_RESTRICT c4)
{
    for (i64 i = 0; i < 20; i++) {
        const i32 t0 = c3[i];
        c4[i] = (u8)(t0 != (c2[i] || t0));
    }
}

/* k23: d23
 * also k25 d24
 * reads  c22: bool[4, 5]
 * reads  c23: bool[4, 5]
 * writes d23: bool[4, 5] */
static void g__k23_d23(const u8 *AOT_RESTRICT c22, const u8 *AOT_RESTRICT c23, u8 *AOT_RESTRICT d23)
{
    for (i64 i = 0; i < 20; i++) {
        d23[i] = (u8)(c22[i] || c23[i]);
    }
}

/* k24: c24
 * reads  c23: bool[4, 5]
 * reads  d23: bool[4, 5]
 * writes c24: bool[4, 5] */
static void g__k24_c24(const u8 *AOT_RESTRICT c23, const u8 *AOT_RESTRICT d23, u8 *AOT_RESTRICT c24)
{
    for (i64 i = 0; i < 20; i++) {
        c24[i] = (u8)(c23[i] != d23[i]);
    }
}

/* k26: y
 * reads  c24: bool[4, 5]
 * reads  d24: bool[4, 5]
 * reads  b23: f32[4, 5]
 * reads  x_: f32[4, 5]
 * writes out_0: f32[4, 5] */
static void g__k26_y_(const u8 *AOT_RESTRICT c24, const u8 *AOT_RESTRICT d24, const f32 *AOT_RESTRICT b23,
    const f32 *AOT_RESTRICT x_, f32 *AOT_RESTRICT out_0)
{
    for (i64 i = 0; i < 4; i++) {
        for (i64 j = 0; j < 5; j++) {
            const i32 t0 = c24[5*i + j];
            const i32 t1 = t0 != d24[5*i + j];
            const i32 t2 = t1 != (t0 || t1);
            const i32 t3 = t2 != (t1 || t2);
            const i32 t4 = t3 != (t2 || t3);
            const i32 t5 = t4 != (t3 || t4);
            const i32 t6 = t5 != (t4 || t5);
            const i32 t7 = t6 != (t5 || t6);
            const i32 t8 = t7 != (t6 || t7);
            const i32 t9 = t8 != (t7 || t8);
            const i32 t10 = t9 != (t8 || t9);
            const i32 t11 = t10 != (t9 || t10);
            const i32 t12 = t11 != (t10 || t11);
            const i32 t13 = t12 != (t11 || t12);
            const f32 t14 = b23[5*i + j];
            const f32 t15 = t14 * t14 + t14;
            const f32 t16 = t15 * t15 + t15;
            const f32 t17 = t16 * t16 + t16;
            const f32 t18 = t17 * t17 + t17;
            const f32 t19 = t18 * t18 + t18;
            const f32 t20 = t19 * t19 + t19;
            const f32 t21 = t20 * t20 + t20;
            const f32 t22 = t21 * t21 + t21;
            const f32 t23 = t22 * t22 + t22;
            const f32 t24 = t23 * t23 + t23;
            const f32 t25 = t24 * t24 + t24;
            const f32 t26 = t25 * t25 + t25;
            const f32 t27 = t26 * t26 + t26;
            const f32 t28 = t27 * t27 + t27;
            const f32 t29 = t28 * t28 + t28;
            out_0[5*i + j] = aot_where_f32(t13 != (t12 || t13) != (t13 || t13 != (t12 || t13)), t29 * t29 + t29, x_[5*i + j]);
        }
    }
}
