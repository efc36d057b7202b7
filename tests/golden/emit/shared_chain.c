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

/* k4: c5
 * reads  c4: bool[4, 5]
 * reads  c3: bool[4, 5]
 * writes c5: bool[4, 5] */
static void g__k4_c5(const u8 *AOT_RESTRICT c4, const u8 *AOT_RESTRICT c3, u8 *AOT_RESTRICT c5)
{
    for (i64 i = 0; i < 20; i++) {
        const i32 t0 = c4[i];
        c5[i] = (u8)(t0 != (c3[i] || t0));
    }
}

/* k5: c6
 * reads  c5: bool[4, 5]
 * reads  c4: bool[4, 5]
 * writes c6: bool[4, 5] */
static void g__k5_c6(const u8 *AOT_RESTRICT c5, const u8 *AOT_RESTRICT c4, u8 *AOT_RESTRICT c6)
{
    for (i64 i = 0; i < 20; i++) {
        const i32 t0 = c5[i];
        c6[i] = (u8)(t0 != (c4[i] || t0));
    }
}

/* k6: c7
 * reads  c6: bool[4, 5]
 * reads  c5: bool[4, 5]
 * writes c7: bool[4, 5] */
static void g__k6_c7(const u8 *AOT_RESTRICT c6, const u8 *AOT_RESTRICT c5, u8 *AOT_RESTRICT c7)
{
    for (i64 i = 0; i < 20; i++) {
        const i32 t0 = c6[i];
        c7[i] = (u8)(t0 != (c5[i] || t0));
    }
}

/* k7: c8
 * reads  c7: bool[4, 5]
 * reads  c6: bool[4, 5]
 * writes c8: bool[4, 5] */
static void g__k7_c8(const u8 *AOT_RESTRICT c7, const u8 *AOT_RESTRICT c6, u8 *AOT_RESTRICT c8)
{
    for (i64 i = 0; i < 20; i++) {
        const i32 t0 = c7[i];
        c8[i] = (u8)(t0 != (c6[i] || t0));
    }
}

/* k8: c9
 * reads  c8: bool[4, 5]
 * reads  c7: bool[4, 5]
 * writes c9: bool[4, 5] */
static void g__k8_c9(const u8 *AOT_RESTRICT c8, const u8 *AOT_RESTRICT c7, u8 *AOT_RESTRICT c9)
{
    for (i64 i = 0; i < 20; i++) {
        const i32 t0 = c8[i];
        c9[i] = (u8)(t0 != (c7[i] || t0));
    }
}

/* k9: c10
 * reads  c9: bool[4, 5]
 * reads  c8: bool[4, 5]
 * writes c10: bool[4, 5] */
static void g__k9_c10(const u8 *AOT_RESTRICT c9, const u8 *AOT_RESTRICT c8, u8 *AOT_RESTRICT c10)
{
    for (i64 i = 0; i < 20; i++) {
        const i32 t0 = c9[i];
        c10[i] = (u8)(t0 != (c8[i] || t0));
    }
}

/* k10: c11
 * reads  c10: bool[4, 5]
 * reads  c9: bool[4, 5]
 * writes c11: bool[4, 5] */
static void g__k10_c11(const u8 *AOT_RESTRICT c10, const u8 *AOT_RESTRICT c9, u8 *AOT_RESTRICT c11)
{
    for (i64 i = 0; i < 20; i++) {
        const i32 t0 = c10[i];
        c11[i] = (u8)(t0 != (c9[i] || t0));
    }
}

/* k11: c12
 * reads  c11: bool[4, 5]
 * reads  c10: bool[4, 5]
 * writes c12: bool[4, 5] */
static void g__k11_c12(const u8 *AOT_RESTRICT c11, const u8 *AOT_RESTRICT c10, u8 *AOT_RESTRICT c12)
{
    for (i64 i = 0; i < 20; i++) {
        const i32 t0 = c11[i];
        c12[i] = (u8)(t0 != (c10[i] || t0));
    }
}

/* k12: c13
 * reads  c12: bool[4, 5]
 * reads  c11: bool[4, 5]
 * writes c13: bool[4, 5] */
static void g__k12_c13(const u8 *AOT_RESTRICT c12, const u8 *AOT_RESTRICT c11, u8 *AOT_RESTRICT c13)
{
    for (i64 i = 0; i < 20; i++) {
        const i32 t0 = c12[i];
        c13[i] = (u8)(t0 != (c11[i] || t0));
    }
}

/* k13: c14
 * reads  c13: bool[4, 5]
 * reads  c12: bool[4, 5]
 * writes c14: bool[4, 5] */
static void g__k13_c14(const u8 *AOT_RESTRICT c13, const u8 *AOT_RESTRICT c12, u8 *AOT_RESTRICT c14)
{
    for (i64 i = 0; i < 20; i++) {
        const i32 t0 = c13[i];
        c14[i] = (u8)(t0 != (c12[i] || t0));
    }
}

/* k14: c15
 * reads  c14: bool[4, 5]
 * reads  c13: bool[4, 5]
 * writes c15: bool[4, 5] */
static void g__k14_c15(const u8 *AOT_RESTRICT c14, const u8 *AOT_RESTRICT c13, u8 *AOT_RESTRICT c15)
{
    for (i64 i = 0; i < 20; i++) {
        const i32 t0 = c14[i];
        c15[i] = (u8)(t0 != (c13[i] || t0));
    }
}

/* k15: c16
 * reads  c15: bool[4, 5]
 * reads  c14: bool[4, 5]
 * writes c16: bool[4, 5] */
static void g__k15_c16(const u8 *AOT_RESTRICT c15, const u8 *AOT_RESTRICT c14, u8 *AOT_RESTRICT c16)
{
    for (i64 i = 0; i < 20; i++) {
        const i32 t0 = c15[i];
        c16[i] = (u8)(t0 != (c14[i] || t0));
    }
}

/* k16: c17
 * reads  c16: bool[4, 5]
 * reads  c15: bool[4, 5]
 * writes c17: bool[4, 5] */
static void g__k16_c17(const u8 *AOT_RESTRICT c16, const u8 *AOT_RESTRICT c15, u8 *AOT_RESTRICT c17)
{
    for (i64 i = 0; i < 20; i++) {
        const i32 t0 = c16[i];
        c17[i] = (u8)(t0 != (c15[i] || t0));
    }
}

/* k17: c18
 * reads  c17: bool[4, 5]
 * reads  c16: bool[4, 5]
 * writes c18: bool[4, 5] */
static void g__k17_c18(const u8 *AOT_RESTRICT c17, const u8 *AOT_RESTRICT c16, u8 *AOT_RESTRICT c18)
{
    for (i64 i = 0; i < 20; i++) {
        const i32 t0 = c17[i];
        c18[i] = (u8)(t0 != (c16[i] || t0));
    }
}

/* k18: c19
 * reads  c18: bool[4, 5]
 * reads  c17: bool[4, 5]
 * writes c19: bool[4, 5] */
static void g__k18_c19(const u8 *AOT_RESTRICT c18, const u8 *AOT_RESTRICT c17, u8 *AOT_RESTRICT c19)
{
    for (i64 i = 0; i < 20; i++) {
        const i32 t0 = c18[i];
        c19[i] = (u8)(t0 != (c17[i] || t0));
    }
}

/* k19: c20
 * reads  c19: bool[4, 5]
 * reads  c18: bool[4, 5]
 * writes c20: bool[4, 5] */
static void g__k19_c20(const u8 *AOT_RESTRICT c19, const u8 *AOT_RESTRICT c18, u8 *AOT_RESTRICT c20)
{
    for (i64 i = 0; i < 20; i++) {
        const i32 t0 = c19[i];
        c20[i] = (u8)(t0 != (c18[i] || t0));
    }
}

/* k20: c21
 * reads  c20: bool[4, 5]
 * reads  c19: bool[4, 5]
 * writes c21: bool[4, 5] */
static void g__k20_c21(const u8 *AOT_RESTRICT c20, const u8 *AOT_RESTRICT c19, u8 *AOT_RESTRICT c21)
{
    for (i64 i = 0; i < 20; i++) {
        const i32 t0 = c20[i];
        c21[i] = (u8)(t0 != (c19[i] || t0));
    }
}

/* k21: c22
 * reads  c21: bool[4, 5]
 * reads  c20: bool[4, 5]
 * writes c22: bool[4, 5] */
static void g__k21_c22(const u8 *AOT_RESTRICT c21, const u8 *AOT_RESTRICT c20, u8 *AOT_RESTRICT c22)
{
    for (i64 i = 0; i < 20; i++) {
        const i32 t0 = c21[i];
        c22[i] = (u8)(t0 != (c20[i] || t0));
    }
}

/* k22: c23
 * reads  c22: bool[4, 5]
 * reads  c21: bool[4, 5]
 * writes c23: bool[4, 5] */
static void g__k22_c23(const u8 *AOT_RESTRICT c22, const u8 *AOT_RESTRICT c21, u8 *AOT_RESTRICT c23)
{
    for (i64 i = 0; i < 20; i++) {
        const i32 t0 = c22[i];
        c23[i] = (u8)(t0 != (c21[i] || t0));
    }
}

/* k23: d23
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

/* k25: d24
 * reads  c23: bool[4, 5]
 * reads  c24: bool[4, 5]
 * writes d24: bool[4, 5] */
static void g__k25_d24(const u8 *AOT_RESTRICT c23, const u8 *AOT_RESTRICT c24, u8 *AOT_RESTRICT d24)
{
    for (i64 i = 0; i < 20; i++) {
        d24[i] = (u8)(c23[i] || c24[i]);
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
            out_0[5*i + j] = t13 != (t12 || t13) != (t13 || t13 != (t12 || t13)) ? t29 * t29 + t29 : x_[5*i + j];
        }
    }
}
