/* SPDX-License-Identifier: MIT */
/* Special functions, for the code below that uses one: like the prelude, which they need, plain C11 that calls no
 * library.  They are computed in f64 and are functions with branches; polynomials are Chebyshev interpolants computed
 * for this file (45 digits), in a variable that runs from -1 to 1. */

AOT_OUTLINE f64 aot_poly(const f64 *c, i32 n, f64 t) /* from the highest power */
{
    f64 r = c[0];
    for (i32 i = 1; i < n; i++)
        r = r * t + c[i];
    return r;
}
#define AOT_POLY(c, t) aot_poly(c, (i32)(sizeof(c) / sizeof *(c)), t)
#define AOT_SINGLE(NAME) \
    AOT_INLINE f32 aot_##NAME##_f32(f32 x) { return (f32)aot_##NAME##_f64((f64)x); }
#define AOT_SINGLE2(NAME) \
    AOT_INLINE f32 aot_##NAME##_f32(f32 x, f32 y) { return (f32)aot_##NAME##_f64((f64)x, (f64)y); }

#define AOT_PI 3.1415926535897931

/* sin(pi x), cos(pi x): exact zeros at integers. */
AOT_OUTLINE f64 aot_sin_turns(f64 x)
{
    f64 n = aot_round_f64(x), s = aot_sin_f64(AOT_PI * (x - n));
    return aot_floor_f64(0.5 * n) * 2.0 == n ? s : -s;
}

/* ---- random bits ----------------------------------------------------------------------------- */

/* Philox4x32-10 (Salmon and others, 2011): two of its four words, for the counter (at, run). */
AOT_OUTLINE i64 aot_philox_i64(i64 key, i64 run, i64 at)
{
    u32 k0 = (u32)key, k1 = (u32)((u64)key >> 32), c[4];
    c[0] = (u32)at, c[1] = (u32)((u64)at >> 32), c[2] = (u32)run, c[3] = (u32)((u64)run >> 32);
    for (i32 i = 0; i < 10; i++, k0 += 0x9e3779b9u, k1 += 0xbb67ae85u) {
        u64 p = (u64)c[0] * 0xd2511f53u, q = (u64)c[2] * 0xcd9e8d57u;
        c[0] = (u32)(q >> 32) ^ c[1] ^ k0;
        c[1] = (u32)q;
        c[2] = (u32)(p >> 32) ^ c[3] ^ k1;
        c[3] = (u32)p;
    }
    return (i64)((u64)c[1] << 32 | c[0]);
}

/* ---- gamma and its kin ----------------------------------------------------------------------- */

/* log |gamma(x)|: moved into [1.5, 2.5] by the recurrence or, beyond 12, by Stirling's series. */
AOT_OUTLINE f64 aot_lgamma_f64(f64 x)
{
    static const f64 near[] = {
        2.0962059060600024e-12, -8.867306165956492e-12, 2.8206946487921987e-11, -1.2050236137952312e-10,
        5.350164231426595e-10, -2.3086641882572558e-09, 1.0012704932493954e-08, -4.38708276994606e-08,
        1.94253158049944e-07, -8.716991307145595e-07, 3.981793122286463e-06, -1.8636779703098573e-05,
        9.03284478395594e-05, -0.00046159693930847154, 0.0025726010534729226, -0.016838075263298908,
        0.1612335167120566, 0.42278433509846713,
    };
    f64 product = 1.0, y = x, z;
    if (x != x || aot_abs_f64(x) == (f64)AOT_INF)
        return x * x;
    if (x < 0.0 && aot_floor_f64(x) != x)
        return aot_log_f64(AOT_PI / aot_abs_f64(aot_sin_turns(x))) - aot_lgamma_f64(1.0 - x);
    if (x <= 0.0)
        return (f64)AOT_INF;
    if (x > 12.0) {
        y = 1.0 / x;
        z = y * y;
        z = AOT_H4(-0.0019175269175269176, z, 0.00084175084175084171, -0.00059523809523809529,
                   0.00079365079365079365, -0.0027777777777777779) * z + 0.083333333333333329;
        return (x - 0.5) * aot_log_f64(x) - x + (0.91893853320467278 + z * y);
    }
    if (x < 0.5)
        return aot_lgamma_f64(x + 2.0) - aot_log_f64(x * (x + 1.0));
    if (x < 1.5)
        return aot_lgamma_f64(x + 1.0) - aot_log1p_f64(x - 1.0);
    for (; y > 2.5; product *= y)
        y -= 1.0;
    z = y - 2.0;
    return aot_log_f64(product) + z * AOT_POLY(near, 2.0 * z);
}
AOT_SINGLE(lgamma)

/* The logarithm's derivative: reflected, moved to 10 and beyond, there the asymptotic series. */
AOT_OUTLINE f64 aot_digamma_f64(f64 x)
{
    f64 r = 0.0, z;
    if (x == 0.0)
        return aot_copysign_f64((f64)AOT_INF, -x);
    if (x < 0.0) {
        z = x - aot_trunc_f64(x);
        if (z == 0.0 || x == (f64)-AOT_INF)
            return (f64)AOT_NAN;
        return aot_digamma_f64(1.0 - x) - AOT_PI / aot_tan_f64(AOT_PI * z);
    }
    for (; x < 10.0; x += 1.0)
        r -= 1.0 / x;
    z = 1.0 / (x * x);
    z *= AOT_H2(AOT_H4(0.083333333333333329, z, -0.021092796092796094, 0.0075757575757575756,
                       -0.0041666666666666666, 0.003968253968253968),
                z, -0.0083333333333333332, 0.083333333333333329);
    return r + aot_log_f64(x) - 0.5 / x - z;
}
AOT_SINGLE(digamma)

/* digamma's derivative, with PyTorch's rounding: its values at negative integers come from that. */
#define AOT_TRIGAMMA(T)                                                                            \
    AOT_OUTLINE T aot_trigamma_##T(T x)                                                            \
    {                                                                                              \
        T sign = 1, r = 0, z;                                                                      \
        if (x < (T)0.5) {                                                                          \
            z = aot_sin_##T((T)3.1415926535897931 * x);                                            \
            sign = -1;                                                                             \
            r -= (T)9.869604401089358 / (z * z);                                                   \
            x = 1 - x;                                                                             \
        }                                                                                          \
        for (i32 i = 0; i < 6; i++, x += 1)                                                        \
            r += 1 / (x * x);                                                                      \
        z = 1 / (x * x);                                                                           \
        z *= (T)(1. / 6) - z * ((T)(1. / 30) - z * (T)(1. / 42));                                  \
        return sign * (r + (1 + 1 / (2 * x) + z) / x);                                             \
    }
AOT_TRIGAMMA(f32)
AOT_TRIGAMMA(f64)

/* The sum of (q + k)^-x: ten terms or up to 9, then Euler's and Maclaurin's formula. */
AOT_OUTLINE f64 aot_zeta_f64(f64 x, f64 q)
{
    static const f64 bernoulli[12] = { /* (2k)! / B2k */
        12.0, -720.0, 30240.0, -1209600.0, 47900160.0, -1307674368000.0 / 691.0, 74724249600.0,
        -10670622842880000.0 / 3617.0, 5109094217170944000.0 / 43867.0,
        -802857662698291200000.0 / 174611.0, 14101100039391805440000.0 / 77683.0,
        -1693824136731743669452800000.0 / 236364091.0,
    };
    f64 s, a = q, b = 0.0, k = 0.0, f = 1.0;
    if (x == 1.0)
        return (f64)AOT_INF;
    if (x < 1.0 || (q <= 0.0 && aot_floor_f64(q) != q && aot_floor_f64(x) != x))
        return (f64)AOT_NAN;
    if (q <= 0.0 && aot_floor_f64(q) == q)
        return (f64)AOT_INF;
    s = aot_pow_f64(q, -x);
    for (i32 i = 0; i < 9 || a <= 9.0;) {
        i++;
        a += 1.0;
        b = aot_pow_f64(a, -x);
        s += b;
        if (aot_abs_f64(b / s) < 0x1p-53)
            return s;
    }
    s += b * a / (x - 1.0) - 0.5 * b;
    for (i32 i = 0; i < 12; i++) {
        f64 t;
        f *= x + k;
        b /= a;
        t = f * b / bernoulli[i];
        s += t;
        if (aot_abs_f64(t / s) < 0x1p-53)
            return s;
        k += 1.0;
        f *= x + k;
        b /= a;
        k += 1.0;
    }
    return s;
}
AOT_SINGLE2(zeta)

/* x^a e^-x / gamma(a + 1), a > 0; for large a from the distance of x and a. */
AOT_OUTLINE f64 aot_gamma_term(f64 a, f64 x)
{
    f64 d = (x - a) / a, z = 1.0 / a, s;
    if (a < 12.0)
        return aot_exp_f64(a * aot_log_f64(x) - x - aot_lgamma_f64(a + 1.0));
    s = z * z;
    s = AOT_H4(0.00084175084175084171, s, -0.00059523809523809529, 0.00079365079365079365, -0.0027777777777777779,
               0.083333333333333329) * z;
    return aot_exp_f64(a * (aot_log1p_f64(d) - d) - s) / aot_sqrt_f64(2.0 * AOT_PI * a);
}

/* The regularised incomplete gamma functions: lower from its series up to max(1, a), beyond upper
 * from its continued fraction; the other is what is left of 1. */
AOT_OUTLINE f64 aot_gamma_part(f64 a, f64 x, i32 upper)
{
    f64 r, t = 1.0, s = 1.0, inf = (f64)AOT_INF, nan = (f64)AOT_NAN, edge = 2.0;
    if (x < 0.0 || a < 0.0)
        return nan;
    if (a == 0.0 || x == 0.0)
        edge = a != 0.0 ? 0.0 : x > 0.0 ? 1.0 : nan;
    else if (a == inf || x == inf)
        edge = a != inf ? 1.0 : x == inf ? nan : 0.0;
    else if (x != x || a != a)
        edge = nan;
    if (edge != 2.0)
        return upper ? 1.0 - edge : edge;
    if (x <= 1.0 || x <= a) {
        for (i32 i = 1; i < 500000 && t > s * 0x1p-54; i++) {
            t *= x / (a + i);
            s += t;
        }
        r = s * aot_gamma_term(a, x);
        return upper ? 1.0 - r : r;
    }
    f64 b = x + 1.0 - a, c = 1e300, d = 1.0 / b, h = d, step = 2.0;
    for (i32 i = 1; i < 500000 && aot_abs_f64(step - 1.0) > 0x1p-53; i++) { /* Lentz's method */
        f64 n = -(f64)i * ((f64)i - a);
        b += 2.0;
        d = n * d + b;
        c = b + n / c;
        d = 1.0 / (aot_abs_f64(d) < 1e-300 ? 1e-300 : d);
        c = aot_abs_f64(c) < 1e-300 ? 1e-300 : c;
        step = d * c;
        h *= step;
    }
    r = aot_gamma_term(a, x) * a * h;
    return upper ? r : 1.0 - r;
}
AOT_INLINE f64 aot_igamma_f64(f64 a, f64 x) { return aot_gamma_part(a, x, 0); }
AOT_INLINE f64 aot_igammac_f64(f64 a, f64 x) { return aot_gamma_part(a, x, 1); }
AOT_SINGLE2(igamma)
AOT_SINGLE2(igammac)

/* ---- error function: scaled, inverse --------------------------------------------------------- */

AOT_OUTLINE f64 aot_erfcx_f64(f64 x) /* erfc(x) e^(x^2) */
{
    f64 a = aot_abs_f64(x), z = 1.0 / (a * a), r = aot_erfcp_f64(a), square, lo;
    if (a > 26.0)
        r = (AOT_H4(-29.53125, z, 6.5625, -1.875, 0.75, -0.5) * z + 1.0) / a * 0.56418958354775628;
    if (x >= 0.0 || x != x)
        return r;
    square = aot_mul2_f64(x, 0.0, x, 0.0, &lo);
    return x < -27.0 ? (f64)AOT_INF : aot_expx_f64(square, lo, 2.0) - r;
}
AOT_SINGLE(erfcx)

/* y with erfc(y) = q, 0 < q <= 1: a first guess, then Halley's method. */
AOT_OUTLINE f64 aot_erfcinv_f64(f64 q)
{
    f64 l = aot_log_f64(q) + aot_log1p_f64(1.0 - q), t = 4.3307467508138 + 0.5 * l;
    f64 y = aot_sqrt_f64(aot_sqrt_f64(aot_abs_f64(t * t - l / 0.147)) - t);
    for (i32 i = 0; i < 3; i++) {
        f64 f = (aot_erfc_f64(y) - q) / (-1.1283791670955126 * aot_exp_f64(-y * y));
        y -= f / (1.0 + f * y);
    }
    return y;
}

AOT_OUTLINE f64 aot_erfinv_f64(f64 x)
{
    f64 a = aot_abs_f64(x), y = 0.88622692545275805 * a;
    if (!(a < 1.0))
        return a == 1.0 ? aot_copysign_f64((f64)AOT_INF, x) : (f64)AOT_NAN;
    if (a > 0.5)
        return aot_copysign_f64(aot_erfcinv_f64(1.0 - a), x);
    for (i32 i = 0; i < 4 && a > 0.0; i++) {
        f64 f = (aot_erf_f64(y) - a) / (1.1283791670955126 * aot_exp_f64(-y * y));
        y -= f / (1.0 + f * y);
    }
    return aot_copysign_f64(y, x);
}
AOT_SINGLE(erfinv)

AOT_OUTLINE f64 aot_ndtri_f64(f64 p)
{
    if (!(p > 0.0 && p < 1.0))
        return p == 0.0 ? (f64)-AOT_INF : p == 1.0 ? (f64)AOT_INF : (f64)AOT_NAN;
    if (p > 0.5)
        return 1.4142135623730951 * aot_erfcinv_f64(2.0 * (1.0 - p));
    return -1.4142135623730951 * aot_erfcinv_f64(2.0 * p);
}
AOT_SINGLE(ndtri)

/* ---- Bessel functions ------------------------------------------------------------------------ */

AOT_OUTLINE f64 aot_i0e_f64(f64 x) /* I0(x) e^-|x| */
{
    static const f64 near[] = {
        4.394426308340083e-09, -1.631130691668671e-08, 2.679771004975793e-08, -8.594601526025913e-08,
        3.659216730162776e-07, -1.1419495259048662e-06, 3.232396382443255e-06, -9.183910794736519e-06,
        2.5198651465609148e-05, -6.55678677969644e-05, 0.0001624084559061418, -0.0003828654139905961,
        0.0008563135177565376, -0.0018119029764120445, 0.0036171271654272855, -0.006792394821044967,
        0.011960077703464203, -0.019682655784004566, 0.03017791206221918, -0.04298594929673067, 0.05677703201501785,
        -0.06954119563154397, 0.07927522590752974, -0.08496338091542556, 0.08734341617550884, -0.08904344136077733,
        0.09451562853995125, -0.11300432688620536, 0.2070019212239867,
    };
    static const f64 far[] = {
        -7.06893851181878e-11, -1.9216763724933513e-11, 5.181936971288284e-10, 1.4672236659214398e-10,
        -1.7789375042917173e-09, -5.562201990080394e-10, 3.881151253996067e-09, 1.497880830187091e-09,
        -6.188265090497361e-09, -3.4857887470034955e-09, 7.58022133915272e-09, 7.540601378890834e-09,
        -5.4685974495866e-09, -1.3404241991980871e-08, -6.729724111923548e-09, 7.553516470355896e-09,
        2.1545177650836005e-08, 3.932602459703109e-08, 8.87225351128584e-08, 2.973598432479169e-07,
        1.4838475473607391e-06, 1.1143033791556743e-05, 0.00013621607439232746, 0.003360551983667854,
        0.4021765094450081,
    };
    f64 a = aot_abs_f64(x);
    if (a <= 8.0)
        return AOT_POLY(near, 0.25 * a - 1.0);
    return AOT_POLY(far, 16.0 / a - 1.0) / aot_sqrt_f64(a);
}
AOT_SINGLE(i0e)

AOT_OUTLINE f64 aot_i1e_f64(f64 x)
{
    static const f64 near[] = {
        -1.3931836382589292e-09, 5.211654337723065e-09, -9.144761049555143e-09, 2.9883402742599985e-08,
        -1.2376686539665326e-07, 3.9091632529126733e-07, -1.133551346432692e-06, 3.2758896983910484e-06,
        -9.135581253751598e-06, 2.4248618918164148e-05, -6.142435066991627e-05, 0.0001484126353082137,
        -0.00034117562574038554, 0.0007445158546973146, -0.0015388747130763492, 0.003005761422600446,
        -0.0055345678088487725, 0.009583962342948091, -0.015571309250544394, 0.023686016933733296,
        -0.03367135552039122, 0.04467457262304859, -0.05528003922703299, 0.06376740371333725, -0.06848260620582576,
        0.06805759990951267, -0.06112433802966629, 0.04468770987560883,
    };
    static const f64 far[] = {
        7.347992441734663e-11, 1.7502497778701306e-11, -5.388285995923524e-10, -1.342266320082222e-10,
        1.8513716745511988e-09, 5.146498826087142e-10, -4.047785403711858e-09, -1.4171698018664596e-09,
        6.4870195719816896e-09, 3.406636130196794e-09, -8.044231276166508e-09, -7.630751970065577e-09,
        6.040877342160988e-09, 1.4029693589852716e-08, 6.715795128085017e-09, -8.426622829598154e-09,
        -2.337059627111857e-08, -4.312935369971356e-08, -1.0001323461066435e-07, -3.483855609009937e-07,
        -1.8349101134666435e-06, -1.5038547201176271e-05, -0.00021923576383430274, -0.009749577193235728,
        0.38939845902587233,
    };
    f64 a = aot_abs_f64(x);
    if (a <= 8.0)
        return x * AOT_POLY(near, 0.25 * a - 1.0);
    return aot_copysign_f64(AOT_POLY(far, 16.0 / a - 1.0) / aot_sqrt_f64(a), x);
}
AOT_SINGLE(i1e)

AOT_OUTLINE f64 aot_k0e_f64(f64 x) /* K0(x) e^x */
{
    static const f64 near[] = {
        3.518611978846953e-14, 5.4525646625978115e-12, 6.623013277190278e-10, 6.093361894172149e-08,
        4.0545066199495615e-06, 0.0001828055582791554, 0.005053392643196092, 0.07177701034240509, 0.3404973210133806,
        -0.30362077291575545,
    };
    static const f64 far[] = {
        -6.183509185741941e-11, 1.0806290149518295e-10, 1.7977981899954878e-10, -3.0539020868001565e-10,
        -4.506683106759898e-10, 7.977983533091815e-10, 3.233433692180319e-11, 6.837018659348517e-11,
        -1.8006773523392004e-09, 3.791192703615846e-09, -7.3618275080282515e-09, 1.7056674605334674e-08,
        -4.131061283701578e-08, 1.0295120376495239e-07, -2.689135887009184e-07, 7.427807838466459e-07,
        -2.1911767539401716e-06, 7.002245564109627e-06, -2.473520464665274e-05, 9.956054742546008e-05,
        -0.0004797690567629981, 0.0030328918102751935, -0.031071461824889554, 1.2185953385133905,
    };
    if (!(x > 0.0))
        return x == 0.0 ? (f64)AOT_INF : (f64)AOT_NAN;
    if (x > 2.0)
        return AOT_POLY(far, 4.0 / x - 1.0) / aot_sqrt_f64(x);
    f64 e = aot_exp_f64(x);
    return (AOT_POLY(near, 0.5 * x * x - 1.0) - aot_log_f64(0.5 * x) * aot_i0e_f64(x) * e) * e;
}
AOT_SINGLE(k0e)

AOT_OUTLINE f64 aot_k1e_f64(f64 x)
{
    static const f64 near[] = {
        -6.21422926654518e-13, -8.53363416816121e-11, -9.032127511269602e-09, -7.081133691517491e-07,
        -3.891869064370918e-05, -0.001383168846618116, -0.027854235219771845, -0.2438385288677433,
        -0.3322409552403131, 0.8850882877295894,
    };
    static const f64 far[] = {
        6.73716173849808e-11, -1.1801191034535537e-10, -1.948680720152238e-10, 3.3153918291421876e-10,
        4.921710202548386e-10, -8.740019154894709e-10, -2.104015257574649e-11, -1.0584430289297026e-10,
        2.0346220468711174e-09, -4.313336112817399e-09, 8.49114322410236e-09, -1.9827457966367164e-08,
        4.843094038201199e-08, -1.220284967173793e-07, 3.2298873862640425e-07, -9.067094776630646e-07,
        2.730040312895642e-06, -8.961207299463647e-06, 3.284386565057862e-05, -0.00013959021956830856,
        0.0007357241549046456, -0.005566729880074451, 0.10334973775386527, 1.363151890371342,
    };
    if (!(x > 0.0))
        return x == 0.0 ? (f64)AOT_INF : (f64)AOT_NAN;
    if (x > 2.0)
        return AOT_POLY(far, 4.0 / x - 1.0) / aot_sqrt_f64(x);
    f64 e = aot_exp_f64(x);
    return (AOT_POLY(near, 0.5 * x * x - 1.0) / x + aot_log_f64(0.5 * x) * aot_i1e_f64(x) * e) * e;
}
AOT_SINGLE(k1e)

/* Beyond 5, sqrt(2 / (pi x)) (p cos(chi) - q sin(chi)), or with the other signs for the second kind,
 * chi being x - pi / 4, or x - 3 pi / 4 for order 1; p and q / x are polynomials in 1 / x^2.  They follow PyTorch, whose q
 * is off by some 1e-6 just beyond 5. */
AOT_OUTLINE f64 aot_bessel_far(f64 x, f64 p, f64 q, i32 order, i32 second)
{
    f64 s = aot_sin_f64(x), c = aot_cos_f64(x), cosine = order ? s - c : c + s, sine = order ? -s - c : s - c;
    q /= x;
    p = second ? p * sine + q * cosine : p * cosine - q * sine;
    return p * aot_sqrt_f64(1.0 / (AOT_PI * x));
}

AOT_OUTLINE f64 aot_bessel0_far(f64 x, i32 second)
{
    static const f64 p[] = {
        -1.9478675875908425e-12, 3.5307889706864607e-12, 2.2206971652021624e-12, -3.4108769856356375e-12,
        -1.1608170321796837e-11, 2.4288454658603246e-11, -3.719406580080732e-11, 9.769601356616422e-11,
        -2.8428104990521916e-10, 8.560252748688805e-10, -2.8707874526344766e-09, 1.1058352263490748e-08,
        -5.086429070778112e-08, 2.9759009587438733e-07, -2.45996332303897e-06, 3.491730581106478e-05,
        -0.0013274931272003955, 0.9986347659091991,
    };
    static const f64 q[] = {
        4.5914285887643966e-11, -6.753383738695718e-11, -2.109013014427817e-10, 3.11269655102669e-10,
        4.713312426660632e-10, -6.942584505445957e-10, -6.136499476703053e-10, 9.09660847526845e-10,
        5.17306510522381e-10, -7.505202208876356e-10, -3.663379763790169e-10, 5.783516477164036e-10,
        -1.2572149744574753e-10, 2.486591549054492e-10, -6.758841580796532e-10, 7.788877514067668e-10,
        -1.401972598189246e-10, -2.352216631390717e-09, 8.009683101204216e-09, -1.0717160577639195e-08,
        -3.9906994067886084e-08, 3.5309843652390295e-07, -1.4047795910658632e-06, 4.312848904548002e-06,
        -6.571308620642901e-05, 0.0013129857600062903, -0.12361520918626474,
    };
    f64 t = 50.0 / (x * x) - 1.0;
    return aot_bessel_far(x, AOT_POLY(p, t), AOT_POLY(q, t), 0, second);
}

AOT_OUTLINE f64 aot_bessel1_far(f64 x, i32 second)
{
    static const f64 p[] = {
        -1.2658187336095253e-12, 2.257374921971109e-12, 1.9208111426149444e-12, -3.1453707555332248e-12,
        -7.0077870586615616e-12, 1.383431865820181e-11, -1.5428555030080418e-11, 3.903870393790774e-11,
        -1.126398101701684e-10, 3.115240629387592e-10, -9.398654360393392e-10, 3.18500490675699e-09,
        -1.2403165671246898e-08, 5.791667799327005e-08, -3.46671869225998e-07, 2.9786211043240812e-06,
        -4.578280653115243e-05, 0.00224146321391724, 1.0022906462560661,
    };
    static const f64 q[] = {
        1.222815071346459e-10, -1.7982412825501382e-10, -5.314880109340538e-10, 7.853444177926324e-10,
        1.127792715195308e-09, -1.660959958343467e-09, -1.3877629254103088e-09, 2.0652757872359356e-09,
        1.0591488499508149e-09, -1.516900284960118e-09, -8.532066671858821e-10, 1.3798421493435368e-09,
        -6.691409934724598e-10, 1.0211871852192664e-09, -1.5272856375890237e-09, 7.63719565048401e-11,
        6.290321627437716e-09, -2.210448341219214e-08, 4.069246037727947e-08, 2.7067048048172043e-08,
        -5.691160850267607e-07, 2.2097654472908403e-06, -2.9271697150480776e-06, 8.426667980019314e-05,
        -0.0018620805072473543, 0.3730479841519242,
    };
    f64 t = 50.0 / (x * x) - 1.0;
    return aot_bessel_far(x, AOT_POLY(p, t), AOT_POLY(q, t), 1, second);
}

AOT_OUTLINE f64 aot_bessel_j0_f64(f64 x)
{
    static const f64 near[] = {
        -1.2430166156640003e-11, 3.3794624520643e-10, -7.91533375368561e-09, 1.595584886623164e-07,
        -2.717749207626176e-06, 3.8473200057927604e-05, -0.0004435459224433769, 0.00405807898810883,
        -0.028472718610877044, 0.14598884856785535, -0.507468045847101, 1.0383794611436883, -0.8080888076696872,
        -0.6484692830871821, 0.9303012472958572, 0.045829664859813754,
    };
    f64 a = aot_abs_f64(x);
    return a <= 5.0 ? AOT_POLY(near, a * a * 0.03125 - 1.0) : aot_bessel0_far(a, 0);
}
AOT_SINGLE(bessel_j0)

AOT_OUTLINE f64 aot_bessel_j1_f64(f64 x)
{
    static const f64 near[] = {
        -4.0037632815796753e-13, 1.1658971884036515e-11, -2.943016833829492e-10, 6.43119017895857e-09,
        -1.196708182234105e-07, 1.8684526037182737e-06, -2.404574866003479e-05, 0.00024949458135972767,
        -0.0020290394945704573, 0.012456814392263375, -0.05474581821284725, 0.15858376432721838, -0.2595948652859303,
        0.15151665143806636, 0.08105866038589796, -0.05814382795599107,
    };
    f64 a = aot_abs_f64(x), r;
    if (a <= 5.0)
        return x * AOT_POLY(near, a * a * 0.03125 - 1.0);
    r = aot_bessel1_far(a, 0);
    return x < 0.0 ? -r : r;
}
AOT_SINGLE(bessel_j1)

AOT_OUTLINE f64 aot_bessel_y0_f64(f64 x)
{
    static const f64 near[] = {
        -8.838468394309022e-13, 2.6926937109987802e-11, -7.130468040126112e-10, 1.6390875017619395e-08,
        -3.218507833909702e-07, 5.321318810394401e-06, -7.279541882544516e-05, 0.00080615860596164,
        -0.007025741057270546, 0.046367047681375125, -0.2189574709617164, 0.6721770783431679, -1.0775477338215995,
        0.14412632369302475, 1.6470964788745466, -0.8284358903604587, -0.382250654459425,
    };
    if (!(x > 0.0))
        return x == 0.0 ? (f64)-AOT_INF : (f64)AOT_NAN;
    if (x > 5.0)
        return aot_bessel0_far(x, 1);
    return AOT_POLY(near, x * x * 0.03125 - 1.0) + 0.63661977236758138 * aot_log_f64(x) * aot_bessel_j0_f64(x);
}
AOT_SINGLE(bessel_y0)

AOT_OUTLINE f64 aot_bessel_y1_f64(f64 x)
{
    static const f64 near[] = {
        8.758166378734063e-13, -2.4995314348224963e-11, 6.169694909376002e-10, -1.3153147370992129e-08,
        2.3804930317310604e-07, -3.6010000225850992e-06, 4.4674330127252e-05, -0.00044381734344201836,
        0.0034224907399185273, -0.01962875683311711, 0.07854786922242538, -0.19639839859930203, 0.23507209206669755,
        0.02336757172099348, -0.24337743079193114, 0.07075985882118005,
    };
    if (!(x > 0.0))
        return x == 0.0 ? (f64)-AOT_INF : (f64)AOT_NAN;
    if (x > 5.0)
        return aot_bessel1_far(x, 1);
    f64 logarithm = aot_log_f64(x) * aot_bessel_j1_f64(x) - 1.0 / x;
    return x * AOT_POLY(near, x * x * 0.03125 - 1.0) + 0.63661977236758138 * logarithm;
}
AOT_SINGLE(bessel_y1)

/* Ai(x): decays on the right of 2, oscillates on the left of -5, with zeta = 2/3 |x|^(3/2). */
AOT_OUTLINE f64 aot_airy_ai_f64(f64 x)
{
    static const f64 middle[] = {
        -2.5190076422686643e-08, 3.6480344029581664e-07, -5.819030463250795e-07, -3.703332128315727e-06,
        1.31808930365681e-05, 2.6985195093355496e-06, -9.637335506537834e-05, 0.0001885733916720203,
        0.00017477659153347397, -0.0014761286230066497, 0.002162694330990774, 0.0033469415377224802,
        -0.017509315376489674, 0.018037451378177204, 0.04375325467214544, -0.15277749775244015, 0.0944106209486676,
        0.3894706232258188, -0.9234688602304324, 0.20316989901733976, 2.2672020105518325, -3.551454603702558,
        -0.6596168807606648, 7.9664851883100605, -7.519716387823055, -4.915047123507121, 14.616202352503436,
        -6.36377520002006, -9.14698561415796, 10.397775816796134, 0.0034023237962916026, -4.265357308067736,
        1.0821543852084365, 0.4642565777488694,
    };
    static const f64 right[] = {
        -4.843286683941047e-11, 8.319202972661437e-11, 1.459568246434664e-10, -2.4438044698817276e-10,
        -3.50073421904526e-10, 6.070149495604203e-10, 8.099243227482072e-11, -5.857081685429259e-11,
        -1.1719183348888062e-09, 2.4027096157916705e-09, -4.396488383518083e-09, 9.99234762282201e-09,
        -2.379735386015867e-08, 5.801773667635132e-08, -1.4812636113155263e-07, 3.997093524096636e-07,
        -1.1510252662494373e-06, 3.587832900669974e-06, -1.2354390756678582e-05, 4.8463340538145154e-05,
        -0.00022785221368840485, 0.0014132014717028515, -0.014613458724023247, 0.983679282828043,
    };
    static const f64 p[] = {
        5.073345562522206e-14, -1.5157742095231196e-13, 3.2594631862896106e-13, -1.2557928974984706e-12,
        5.596218200653986e-12, -2.7051302811089654e-11, 1.5522606344762052e-10, -1.1119340507406296e-09,
        1.0673425833297427e-08, -1.5421120343966444e-07, 4.128666158362536e-06, -0.0003254319872640165,
        0.9996702731603566,
    };
    static const f64 q[] = {
        -2.9644034436208375e-14, 7.01268851212148e-14, -5.5428812931951043e-14, 1.754431707414479e-13,
        -7.689539662413537e-13, 2.452339560701946e-12, -8.387642996782981e-12, 3.2729537103117715e-11,
        -1.4458159440430413e-10, 7.433294476101042e-10, -4.63645655525784e-09, 3.72253324142335e-08,
        -4.2157419627017694e-07, 7.854002446823361e-06, -0.0003247868744479723, 0.06911133919898425,
    };
    f64 a = aot_abs_f64(x), root = aot_sqrt_f64(a), zeta = 0.66666666666666663 * a * root, t, s, c;
    if (a == (f64)AOT_INF)
        return (f64)AOT_NAN;
    if (x > 2.0) {
        t = AOT_POLY(right, 3.7712361663282534 / zeta - 1.0);
        return aot_exp_f64(-zeta) * 0.28209479177387814 * t / aot_sqrt_f64(root);
    }
    if (!(x < -5.0))
        return AOT_POLY(middle, (x + 1.5) * 0.2857142857142857);
    t = 111.11111111111111 / (zeta * zeta) - 1.0;
    s = aot_sin_f64(zeta);
    c = aot_cos_f64(zeta);
    t = (s + c) * AOT_POLY(p, t) - (c - s) * AOT_POLY(q, t) / zeta;
    return t * 0.3989422804014327 / aot_sqrt_f64(root);
}
AOT_SINGLE(airy_ai)

/* sin(x) / x, its series near 0. */
AOT_OUTLINE f64 aot_spherical_j0_f64(f64 x)
{
    f64 z = x * x;
    if (aot_abs_f64(x) < 0.5)
        return AOT_H4(1.0 / 6227020800.0, z, -1.0 / 39916800.0, 1.0 / 362880.0, -1.0 / 5040.0, 1.0 / 120.0) * z * z -
               z / 6.0 + 1.0;
    return aot_abs_f64(x) == (f64)AOT_INF ? 0.0 : aot_sin_f64(x) / x;
}
AOT_SINGLE(spherical_j0)

/* ---- orthogonal polynomials ------------------------------------------------------------------ */

/* Of degree n without its fraction; 0 if that is negative.  Between -1 and 1 large degrees of those of Chebyshev are
 * cosines and sines; the others follow their recurrences.  As in PyTorch, what leaves the format (`most`) on the way
 * becomes infinite, and then NaN. */
AOT_OUTLINE f64 aot_bounded(f64 r, f64 most)
{
    return r > most ? (f64)AOT_INF : r < -most ? (f64)-AOT_INF : r;
}

AOT_OUTLINE f64 aot_chebyshev(f64 x, f64 degree, i32 kind, f64 most) /* kind 1 to 4: T, U, V, W */
{
    i64 n = aot_to_i64_f64(degree);
    f64 p = 1.0, q, r, a, m = (f64)n + 0.5, sign = n % 2 ? -1.0 : 1.0;
    if (n < 1)
        return n == 0;
    if (x == 1.0)
        return kind == 2 ? (f64)n + 1.0 : kind == 4 ? 2.0 * (f64)n + 1.0 : 1.0;
    if (x == -1.0)
        return sign * (kind == 2 ? (f64)n + 1.0 : kind == 3 ? 2.0 * (f64)n + 1.0 : 1.0);
    if (n > 6 && x > -1.0 && x < 1.0) {
        a = aot_acos_f64(x);
        return kind == 1   ? aot_cos_f64((f64)n * a)
               : kind == 2 ? aot_sin_f64(((f64)n + 1.0) * a) / aot_sin_f64(a)
               : kind == 3 ? aot_cos_f64(m * a) / aot_cos_f64(0.5 * a)
                           : aot_sin_f64(m * a) / aot_sin_f64(0.5 * a);
    }
    q = kind == 1 ? x : kind == 2 ? x + x : kind == 3 ? x + x - 1.0 : x + x + 1.0;
    for (i64 k = 2; k <= n && q == q; k++) {
        r = aot_bounded((x + x) * q - p, most);
        p = q;
        q = r;
    }
    return q;
}

AOT_OUTLINE f64 aot_hermite(f64 x, f64 degree, f64 two, f64 most) /* two: 2, or 1 for He */
{
    i64 n = aot_to_i64_f64(degree);
    f64 p = 1.0, q = two * x, r;
    if (n < 1)
        return n == 0;
    if (n > (most < 1e300 ? 128 : 512))
        return (f64)AOT_NAN;
    for (i64 k = 1; k < n; k++) {
        r = aot_bounded(two * x * q - two * (f64)k * p, most);
        p = q;
        q = r;
    }
    return q;
}

AOT_OUTLINE f64 aot_laguerre(f64 x, f64 degree, f64 most)
{
    i64 n = aot_to_i64_f64(degree);
    f64 p = 1.0, q = 1.0 - x, r;
    if (n < 1 || x == 0.0)
        return n >= 0;
    for (i64 k = 1; k < n && q == q; k++) {
        r = aot_bounded((((f64)(k + k) + (1.0 - x)) * q - (f64)k * p) / (f64)(k + 1), most);
        p = q;
        q = r;
    }
    return q;
}

AOT_OUTLINE f64 aot_legendre(f64 x, f64 degree, f64 most)
{
    i64 n = aot_to_i64_f64(degree);
    f64 p = 1.0, q = x, r;
    if (n < 1)
        return n == 0;
    if (x == 1.0 || x == -1.0)
        return n % 2 ? x : 1.0;
    for (i64 k = 1; k < n && q == q; k++) {
        r = aot_bounded(((f64)(k + k + 1) * x * q - (f64)k * p) / (f64)(k + 1), most);
        p = q;
        q = r;
    }
    return q;
}

#define AOT_POLYNOMIALS(T, MOST)                                                                   \
    AOT_INLINE T aot_chebyshev_t_##T(T x, T n) { return (T)aot_chebyshev((f64)x, (f64)n, 1, MOST); } \
    AOT_INLINE T aot_chebyshev_u_##T(T x, T n) { return (T)aot_chebyshev((f64)x, (f64)n, 2, MOST); } \
    AOT_INLINE T aot_chebyshev_v_##T(T x, T n) { return (T)aot_chebyshev((f64)x, (f64)n, 3, MOST); } \
    AOT_INLINE T aot_chebyshev_w_##T(T x, T n) { return (T)aot_chebyshev((f64)x, (f64)n, 4, MOST); } \
    AOT_INLINE T aot_hermite_h_##T(T x, T n) { return (T)aot_hermite((f64)x, (f64)n, 2.0, MOST); } \
    AOT_INLINE T aot_hermite_he_##T(T x, T n) { return (T)aot_hermite((f64)x, (f64)n, 1.0, MOST); } \
    AOT_INLINE T aot_laguerre_##T(T x, T n) { return (T)aot_laguerre((f64)x, (f64)n, MOST); }      \
    AOT_INLINE T aot_legendre_##T(T x, T n) { return (T)aot_legendre((f64)x, (f64)n, MOST); }
AOT_POLYNOMIALS(f32, 0x1.fffffep127)
AOT_POLYNOMIALS(f64, 0x1.fffffffffffffp1023)
