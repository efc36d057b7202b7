/* SPDX-License-Identifier: MIT */
/* aotk_igemm_f32 and the packing against a naive sum in double, at every level this processor runs.
 *
 * Operands are small whole numbers, so every order of summation is exact and results are compared
 * bit by bit, together with every float around C. Only the transcendental activations get a
 * tolerance. Each case also runs with weights stored as f16 and bf16, its result rounded to the same; where
 * the steps of k can be paired also so, in the tiles of AMX and by dot products, where the processor has them.
 */
#include "check.h"
#include "multiply.h"

enum { ROOM = 1 << 20 };

static float *a_room, *b_room, *c_room, *want_room, *plain, *bias_room, *res_room, *work_room;
static int features; /* that multiply pairs here: AOTK_TILES, AOTK_DOTS */
static aotk_u16 *plain_16;

static double act(double x, const aotk_igemm *p) {
    switch (p->act & AOTK_ACT_KIND) {
    case AOTK_ACT_RELU: return x < 0 ? 0 : x;
    case AOTK_ACT_CLAMP: return x < p->lo ? p->lo : x > p->hi ? p->hi : x;
    case AOTK_ACT_GELU_ERF: return 0.5 * x * (1 + erf(x * sqrt(0.5)));
    case AOTK_ACT_GELU_TANH:
        return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
    case AOTK_ACT_SILU: return x / (1 + exp(-x));
    case AOTK_ACT_SIGMOID: return 1 / (1 + exp(-x));
    case AOTK_ACT_TANH: return tanh(x);
    default: return x;
    }
}

static float rounded(float x, int act) {
    if (act & AOTK_ROUND_F16) return aotk_f16_to_f32(aotk_f32_to_f16(x));
    return act & AOTK_ROUND_BF16 ? aotk_bf16_to_f32(aotk_f32_to_bf16(x)) : x;
}

/* Steps of k that B has. */
static aotk_i64 depth_of(const aotk_igemm *p) {
    return (p->all_h ? p->all_h * p->all_w : p->taps_h * p->taps_w) * p->seg;
}

/* How row m of those groups is computed: 1 as the others, 0 not by this call, -1 as the sum of nothing. */
static int in_group(const aotk_igemm *p, aotk_i64 m) {
    aotk_i64 group = 0;
    if (!p->ends) return 1;
    while (group < p->groups && m >= p->ends[group]) group++;
    return group == p->group ? 1 : group == p->groups && p->group == p->groups - 1 ? -1 : 0;
}

/* plain is B as [k][n], K in the order of the taps. */
static void reference(const aotk_igemm *p, float *c) {
    for (aotk_i64 m = 0; m < p->m0 * p->m1 * p->m2; m++) {
        aotk_i64 i2 = m % p->m2, i1 = m / p->m2 % p->m1, i0 = m / p->m2 / p->m1;
        const float *a = p->a + i0 * p->a0 + i1 * p->a1 + i2 * p->a2;
        int part = in_group(p, m);
        if (!part) continue;
        for (aotk_i64 j = 0; j < p->n; j++) {
            aotk_i64 wide = p->all_h ? p->all_w : p->taps_w;
            double s = p->bias ? p->bias[j] : 0;
            for (aotk_i64 y = 0; y < p->taps_h && part > 0; y++)
                for (aotk_i64 x = 0; x < p->taps_w; x++) {
                    const float *b = plain + ((p->first_h + y) * wide + p->first_w + x) * p->seg * p->n + j;
                    for (aotk_i64 k = 0; k < p->seg; k++, b += p->n)
                        s += (double)a[y * p->tap_h + x * p->tap_w + k] * *b;
                }
            if (p->residual) s += p->residual[i0 * p->r0 + i1 * p->r1 + i2 * p->r2 + j];
            c[i0 * p->c0 + i1 * p->c1 + i2 * p->c2 + j] = rounded((float)act(s, p), p->act);
        }
    }
}

static void compare(const level *l, const aotk_igemm *p, const float *want, const float *got,
                    aotk_i64 size) {
    float tolerance = (p->act & AOTK_ACT_KIND) <= AOTK_ACT_CLAMP ? 0
                      : p->act & AOTK_ROUND_BF16                 ? 0x1p-8f
                      : p->act & AOTK_ROUND_F16                  ? 0x1p-11f
                                                                 : 1e-6f;
    for (aotk_i64 i = 0; i < size; i++) {
        if (same(want[i], got[i])) continue;
        if (fabsf(want[i] - got[i]) <= tolerance * (1 + fabsf(want[i]))) continue;
        FAIL("igemm%s m %lldx%lldx%lld n %lld taps %lldx%lld from %lld,%lld of %lldx%lld seg %lld act %d stored %d features %d task %lld/%lld: "
             "[%lld] %g, not %g",
             l->name, p->m0, p->m1, p->m2, p->n, p->taps_h, p->taps_w, p->first_h, p->first_w, p->all_h, p->all_w, p->seg, p->act, p->b_stored, p->features, p->task,
             p->tasks, i, (double)got[i], (double)want[i]);
        return;
    }
}

/* plain, packed as level l does or, to 16 bits, as the compiler does. */
static void pack(const level *l, aotk_i64 k, aotk_i64 n, int stored) {
    if (stored == AOTK_STORED_F32) {
        l->pack(b_room, plain, k, n, n, 1);
        return;
    }
    signed char *bytes = (signed char *)plain_16;
    for (aotk_i64 i = 0; i < k * n; i++) {
        if (stored == AOTK_STORED_I8) bytes[i] = (signed char)plain[i];
        else plain_16[i] = stored == AOTK_STORED_F16 ? aotk_f32_to_f16(plain[i]) : aotk_f32_to_bf16(plain[i]);
    }
    aotk_pack_stored_host(b_room, plain_16, n, k, 1, 1, 1, n, 0, 0, stored);
}

static void check_stored(aotk_igemm *p, aotk_i64 c_size) {
    aotk_i64 k = depth_of(p), tasks = p->tasks;
    float *c = p->c;
    aotk_i64 offset = c - c_room, size = offset + c_size + 64;
    aotk_i64 m = p->m0 * p->m1 * p->m2, work = aotk_igemm_work(m, k);
    if (size > ROOM || k * p->n > ROOM || work + 64 > ROOM) abort();
    fill_canary(want_room, size);
    reference(p, want_room + offset);
    for (int i = 0; i < LEVELS; i++) {
        const level *l = &levels[i];
        if (aotk_cpu_level() < l->needs) continue;
        pack(l, k, p->n, p->b_stored);
        p->b = b_room;
        fill_canary(c_room, size);
        fill_canary(work_room, work + 64);
        for (p->task = 0; p->task < tasks; p->task++) l->igemm[p->b_stored](p);
        compare(l, p, want_room, c_room, size);
        for (int j = 0; j < 64; j++) {
            if (!same(work_room[work + j], canary)) FAIL("igemm%s m %lld k %lld writes behind its work", l->name, m, k);
        }
    }
}

/* c_size: floats from p->c on that belong to C and its surroundings; 64 canaries lie before p->c.
 * */
static void check(aotk_igemm *p, aotk_i64 c_size) {
    static const struct {
        int stored, round, features;
    } ways[] = {
        {AOTK_STORED_BF16_PAIRS, AOTK_ROUND_BF16, AOTK_TILES}, {AOTK_STORED_BF16_PAIRS, AOTK_ROUND_BF16, AOTK_DOTS},
        {AOTK_STORED_BF16_PAIRS, AOTK_ROUND_BF16, 0},          {AOTK_STORED_F16, AOTK_ROUND_F16, 0},
        {AOTK_STORED_BF16, AOTK_ROUND_BF16, 0},                {AOTK_STORED_I8, 0, 0},
        {AOTK_STORED_F32, 0, 0},
    };
    int kind = p->act;
    for (int i = 0; i < 7; i++) {
        if (ways[i].stored == AOTK_STORED_BF16_PAIRS && p->seg % AOTK_PAIRS_STEP) continue;
        if (ways[i].features & ~features) continue;
        p->b_stored = ways[i].stored;
        p->act = kind | ways[i].round;
        p->features = ways[i].features;
        p->work = work_room;
        check_stored(p, c_size);
    }
    p->features = 0;
}

static aotk_igemm gemm(aotk_i64 m, aotk_i64 n, aotk_i64 k) {
    aotk_igemm p = {
        .a = a_room, .c = c_room + 64, .m0 = 1, .m1 = 1, .m2 = m, .a2 = k, .c2 = n, .n = n,
        .taps_h = 1, .taps_w = 1, .seg = k, .tasks = 1,
    };
    return p;
}

static void test_shapes(void) {
    static const aotk_i64 more[] = {144, 160, 191, 192, 208, 255, 256, 1000};
    static const aotk_i64 depths[] = {0, 1, 2, 3, 5, 8, 17, 33, 70};
    for (aotk_i64 m = 1; m <= 20; m++) {
        for (aotk_i64 n = 1; n <= 138; n++) {
            aotk_i64 wide = n <= 130 ? n : more[n - 131];
            aotk_i64 k = depths[(m + n) % 9];
            aotk_igemm p = gemm(m, wide, k);
            p.bias = (m + n) % 3 ? bias_room + n % 2 : NULL;
            p.act = n % 5 == 0 ? AOTK_ACT_RELU : AOTK_ACT_NONE;
            p.c += m % 3;
            check(&p, m * wide);
        }
    }
    for (aotk_i64 k = 0; k <= 70; k++) {
        for (aotk_i64 m = 1; m <= 3; m++) {
            aotk_igemm p = gemm(m, 30 * m, k);
            check(&p, m * p.n);
        }
    }
    for (aotk_i64 m = 21; m < 200; m += 13) {
        aotk_igemm p = gemm(m, 96 + m % 5 * 8, 300);
        check(&p, m * p.n);
    }
    for (aotk_i64 m = 1; m <= 9; m++) { /* few rows: K in pieces */
        for (aotk_i64 n = 40; n <= 140; n += 7) {
            aotk_igemm p = gemm(m, n, 380 + m * n);
            p.bias = bias_room;
            p.act = n % 2 ? AOTK_ACT_RELU : AOTK_ACT_NONE;
            p.tasks = 1 + n % 4;
            if (n % 3 == 0) p.residual = res_room, p.r2 = n;
            check(&p, m * n);
        }
    }
    aotk_igemm none = gemm(0, 20, 5);
    check(&none, 0);
}

/* Pairs of k: all numbers of rows and columns around the edges of tiles, K in one piece and in several. */
static void test_pairs(void) {
    static const aotk_i64 depths[] = {0, 32, 64, 96, 160, 768, 1536, 1568, 3104};
    static const aotk_i64 rows[] = {1, 2, 3, 7, 15, 16, 17, 31, 32, 33, 47, 49, 64, 70};
    for (int i = 0; i < 14; i++) {
        aotk_i64 m = rows[i];
        for (aotk_i64 n = 1; n <= 140; n += n % 16 > 13 ? 1 : 5) {
            aotk_igemm p = gemm(m, n, depths[(m + n) % 5]);
            p.act = n % 3 ? AOTK_ACT_NONE : AOTK_ACT_CLAMP;
            p.lo = -9;
            p.hi = 30;
            p.c += n % 2;
            p.tasks = 1 + n % 3;
            if (m % 2) p.bias = bias_room;
            if (n % 4 == 0) p.residual = res_room, p.r2 = n;
            check(&p, m * n);
        }
    }
    for (int i = 0; i < 24; i++) {
        aotk_igemm p = gemm(i % 3 ? random_in(1, 40) : random_in(250, 300), random_in(1, 150), depths[4 + i % 5]);
        p.tasks = random_in(1, 4);
        p.residual = res_room;
        p.r2 = p.n;
        check(&p, p.m2 * p.n);
    }
    for (int i = 0; i < 30; i++) { /* taps */
        aotk_i64 kh = random_in(1, 3), kw = random_in(1, 3), seg = 32 * random_in(1, i % 5 ? 3 : 20), w = random_in(3, 9);
        aotk_igemm p = gemm(w, random_in(1, 70), seg);
        p.m0 = random_in(1, 2), p.m1 = random_in(1, 5);
        p.a2 = seg, p.a1 = (w + 2) * seg, p.a0 = 7 * p.a1;
        p.c1 = w * p.n, p.c0 = p.m1 * p.c1;
        p.taps_h = kh, p.tap_h = p.a1, p.taps_w = kw, p.tap_w = seg;
        p.bias = bias_room;
        p.tasks = random_in(1, 3);
        check(&p, p.m0 * p.c0);
    }
}

/* Random convolutions: batches, strides, dilation, halos, padded pixels, residuals, tasks. */
static void test_convolutions(void) {
    for (int round = 0; round < 400; round++) {
        aotk_i64 kh = random_in(1, 4), kw = random_in(1, 4), stride = random_in(1, 2),
                 dil = random_in(1, 2);
        aotk_i64 cin = random_in(1, 9), pixel = cin + (random_u32() % 2 ? 0 : random_in(1, 3));
        aotk_i64 oh = random_in(1, 7), ow = random_in(1, 11), batch = random_in(1, 3);
        aotk_i64 w = (ow - 1) * stride + (kw - 1) * dil + 1,
                 h = (oh - 1) * stride + (kh - 1) * dil + 1;
        aotk_i64 n = random_in(1, 100), c_pixel = n + random_in(0, 3),
                 r_pixel = n + random_in(0, 2);
        int joined = dil == 1 && pixel == cin;
        aotk_igemm p = {
            .a = a_room + random_in(0, 5), .c = c_room + 64 + random_in(0, 5),
            .bias = round % 2 ? bias_room + 1 : NULL, .residual = round % 3 ? NULL : res_room + 3,
            .m0 = batch, .m1 = oh, .m2 = ow,
            .a0 = h * w * pixel, .a1 = stride * w * pixel, .a2 = stride * pixel,
            .c0 = (oh + 1) * (ow + 2) * c_pixel, .c1 = (ow + 2) * c_pixel, .c2 = c_pixel,
            .r0 = oh * ow * r_pixel, .r1 = ow * r_pixel, .r2 = r_pixel, .n = n,
            .taps_h = kh, .taps_w = joined ? 1 : kw, .tap_h = dil * w * pixel, .tap_w = dil * pixel,
            .seg = joined ? kw * cin : cin, .lo = -3, .hi = 5, .act = (int)random_in(0, 2),
            .tasks = random_in(1, 5),
        };
        check(&p, batch * p.c0);
    }
}

/* Sums over some of the taps that B has: K in one piece and in several, none at all. */
static void test_some_taps(void) {
    for (int i = 0; i < 300; i++) {
        aotk_i64 all_h = random_in(1, 4), all_w = random_in(1, 4), seg = i % 3 ? random_in(1, 20) : 32 * random_in(1, i % 4 ? 3 : 20);
        aotk_igemm p = gemm(random_in(1, 30), random_in(1, 120), seg);
        p.all_h = all_h, p.all_w = all_w;
        p.first_h = random_in(0, all_h - 1), p.first_w = random_in(0, all_w - 1);
        p.taps_h = random_in(0, all_h - p.first_h), p.taps_w = random_in(0, all_w - p.first_w);
        p.tap_w = seg + random_in(0, 2);
        p.tap_h = all_w * p.tap_w;
        p.bias = i % 2 ? bias_room : NULL;
        p.act = (int)random_in(0, 2);
        p.lo = -9;
        p.hi = 30;
        p.tasks = random_in(1, 4);
        p.depth = i % 4 ? 0 : random_in(1, 100);
        if (i % 5 == 0) p.residual = res_room, p.r2 = p.n;
        check(&p, p.m2 * p.n);
    }
}

/* K so long that it is summed in pieces: cut within a segment, between taps, between lines of taps.
 * */
static void test_long_sums(void) {
    static const aotk_i64 taps[][3] = {{1, 1, 1536}, {1, 1, 1537}, {1, 1, 4099}, {2, 2, 1025},
                                       {3, 3, 400},  {3, 3, 200},  {3, 1, 600},  {5, 1, 777},
                                       {1, 4, 1023}, {2, 3, 1600}};
    for (int i = 0; i < 40; i++) {
        const aotk_i64 *tap = taps[i % 10];
        aotk_i64 k = tap[0] * tap[1] * tap[2], n = random_in(1, ROOM / k < 112 ? ROOM / k / 16 * 16 : 100);
        aotk_igemm p = gemm(random_in(1, 11), n, k);
        p.taps_h = tap[0];
        p.taps_w = tap[1];
        p.seg = tap[2];
        p.tap_w = p.seg + 3;
        p.tap_h = p.taps_w * p.tap_w + 1;
        p.a2 = random_in(1, 20) * 7;
        p.act = i % (AOTK_ACT_GELU_ERF + 1);
        p.lo = -20;
        p.hi = 9;
        p.tasks = random_in(1, 3);
        p.depth = i % 4 ? 0 : random_in(1, 2000);
        if (i % 3 == 0) p.bias = bias_room;
        if (i % 2 == 0) p.residual = res_room;
        p.r2 = n + 1;
        check(&p, p.m2 * n);
    }
}

/* Groups of rows: empty ones, one row, many; rows that belong to none; ends that make no sense. */
static void test_groups(void) {
    static const aotk_i64 ends[][4] = { { 0, 3, 3, 9 }, { 1, 2, 40, 61 }, { 0, 0, 0, 0 }, { 61, 61, 61, 61 }, { 5, 17, 17, 70 } };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        for (aotk_i64 group = 0; group < 4; group++) {
            aotk_igemm p = gemm(61, 37, 64);
            p.ends = ends[i];
            p.group = group;
            p.groups = 4;
            p.bias = group & 1 ? bias_room : NULL;
            if (group >= 2) {
                p.residual = res_room;
                p.r2 = p.c2;
            }
            p.act = group == 3 ? AOTK_ACT_RELU : AOTK_ACT_NONE;
            check(&p, 61 * p.c2);
        }
    }
}

/* Where the rows of C lie, epilogue and tasks of the i-th case, whose extents are set. */
static void vary(aotk_igemm *p, int i, int residual) {
    p->c2 = p->n + i / 2 % 3, p->c1 = p->m2 * p->c2, p->c0 = p->m1 * p->c1;
    p->bias = i % 3 ? bias_room : NULL;
    p->act = (int)random_in(0, AOTK_ACT_TANH);
    p->lo = -9;
    p->hi = 30;
    p->tasks = random_in(1, 6);
    if (residual) p->residual = res_room, p->r2 = p->n, p->r1 = p->m2 * p->n, p->r0 = p->m1 * p->r1;
}

/* Few columns: sums along K, whose segments end anywhere; what lies between them is no number. */
static void test_narrow(void) {
    float *a = buffer(ROOM, 0);
    for (int i = 0; i < 500; i++) {
        aotk_i64 seg = random_in(4, i % 5 ? 40 : 200), pixel = seg + random_in(0, 3), kh = random_in(1, 3), kw = random_in(1, 3);
        aotk_igemm p = gemm(random_in(1, 40), random_in(1, 8), seg);
        fill_whole(a, ROOM);
        for (aotk_i64 k = 0; k < ROOM; k++)
            if (k % pixel >= seg) a[k] = NAN;
        p.a = a;
        p.m1 = random_in(1, 3);
        p.m0 = random_in(1, 2);
        p.taps_h = kh, p.taps_w = kw, p.tap_w = pixel, p.tap_h = p.a1 = (p.m2 + 3) * pixel;
        p.a2 = pixel, p.a0 = 6 * p.a1;
        vary(&p, i, i % 4 == 0);
        if (i % 7 == 0) p.all_h = kh + 1, p.all_w = kw + 2, p.first_h = 1, p.first_w = random_in(0, 2);
        check(&p, p.m0 * p.c0);
    }
    fill_whole(a, 4000); /* an infinity that is read twice counts once */
    a[61] = INFINITY;
    aotk_igemm p = gemm(40, 3, 66);
    p.a = a;
    check(&p, 40 * p.n);
    free(a);
}

/* Rows that lie one float apart, as in a convolution of one channel: lines of any length, tasks that end within them. */
static void test_wide(void) {
    float *end = buffer_end(ROOM);
    for (int i = 0; i < 500; i++) {
        aotk_i64 seg = random_in(1, 6), kh = random_in(1, 4), kw = random_in(1, 2);
        aotk_igemm p = gemm(random_in(1, i % 9 ? 50 : 300), random_in(1, i % 4 ? 20 : 140), seg);
        p.m1 = random_in(1, 4);
        p.m0 = random_in(1, 2);
        p.taps_h = kh, p.taps_w = kw, p.tap_w = seg + 2, p.tap_h = p.a1 = p.m2 + 20;
        p.a2 = 1, p.a0 = 8 * p.a1;
        vary(&p, i, i % 5 == 0);
        p.a = at_end(end, p.a, (p.m0 - 1) * p.a0 + (p.m1 - 1 + kh - 1) * p.a1 + (kw - 1) * p.tap_w + p.m2 - 1 + seg);
        check(&p, p.m0 * p.c0);
    }
}

static void test_activations(void) {
    for (int kind = AOTK_ACT_NONE; kind <= AOTK_ACT_TANH; kind++) {
        for (aotk_i64 n = 1; n <= 130; n += 43) {
            for (aotk_i64 m = 1; m <= 9; m += 4) {
                aotk_igemm p = gemm(m, n, 3);
                p.act = kind;
                p.lo = -2;
                p.hi = 2;
                p.residual = res_room;
                p.r2 = n;
                p.bias = bias_room;
                check(&p, m * n);
            }
        }
    }
}

/* Each activation on a fine grid from -12 to 12: K = 0, so that the bias is the argument. */
static void test_activation_values(void) {
    float *grid = buffer(2401, 0);
    for (int i = 0; i < 2401; i++) grid[i] = (float)(i - 1200) / 100.0f;
    for (int kind = AOTK_ACT_NONE; kind <= AOTK_ACT_TANH; kind++) {
        aotk_igemm p = gemm(1, 2401, 0);
        p.bias = grid;
        p.act = kind;
        p.lo = -5;
        p.hi = 6;
        check(&p, 2401);
    }
    free(grid);
}

/* A NaN or an infinity in A reaches its row of C, and no other, through every activation. */
static void test_special_values(void) {
    for (int kind = AOTK_ACT_NONE; kind <= AOTK_ACT_TANH; kind++) {
        for (aotk_i64 n = 10; n <= 64; n += 54) {
            enum { K = 32 };
            aotk_igemm p = gemm(5, n, K);
            float *a = buffer(5 * K, 0), keep = plain[0];
            fill_whole(a, 5 * K);
            a[2 * K] = NAN;
            a[K] = 0x1p100f;
            a[3 * K] = -INFINITY;
            for (aotk_i64 j = 0; j < n; j++) plain[j] = j % 2 ? 1.0f : -1.0f;
            p.a = a;
            p.act = kind;
            p.lo = -1;
            p.hi = 1;
            check(&p, 5 * n);
            plain[0] = keep;
            free(a);
        }
    }
}

static void test_in_place_residual(void) {
    aotk_igemm p = gemm(13, 50, 20);
    p.residual = p.c;
    p.r2 = p.c2;
    for (int i = 0; i < LEVELS; i++) {
        if (aotk_cpu_level() < levels[i].needs) continue;
        fill_canary(want_room, 700);
        reference(&(aotk_igemm){.a = p.a,
                                .residual = want_room,
                                .m0 = 1,
                                .m1 = 1,
                                .m2 = 13,
                                .a2 = 20,
                                .c2 = 50,
                                .r2 = 50,
                                .n = 50,
                                .taps_h = 1,
                                .taps_w = 1,
                                .seg = 20},
                  want_room);
        levels[i].pack(b_room, plain, 20, 50, 50, 1);
        fill_canary(p.c, 700);
        p.b = b_room;
        levels[i].igemm[p.b_stored](&p);
        compare(&levels[i], &p, want_room, p.c, 700);
    }
}

/* Every f16 and bf16 as a weight, times one; every kind of float rounded to them. */
static void test_every_half(void) {
    enum { ALL = 65536 };
    aotk_u16 *all = (aotk_u16 *)buffer(ALL / 2, 0), *b = (aotk_u16 *)buffer(ALL / 2, 0);
    float one[2] = {1, 1}, *c = buffer(2 * ALL, 0), *bias = buffer(ALL, 0);
    for (int i = 0; i < ALL; i++) {
        static const float edges[] = {65504, 65519.996f, 65520, 0x1p-24f, 0x1p-25f, 0x1.8p-25f, 0x1p-14f, 0x1.ffep-15f,
                                      0x1.ffffp-15f, 0x1p-149f, 3.4028235e38f, 0x1.fep127f, INFINITY, NAN, 0};
        all[i] = (aotk_u16)i;
        unsigned word = random_u32() << 16 | (i % 4 ? random_u32() & 0xffff : i % 8 ? 0x8000 : 0x1000);
        memcpy(&bias[i], &word, 4);
        if (i < 30) bias[i] = i % 2 ? edges[i / 2] : -edges[i / 2];
    }
    aotk_pack_stored_host(b, all, ALL, 1, 1, 1, 1, 0, 0, 0, AOTK_STORED_F16);
    for (int i = 0; i < 2 * 3 * LEVELS; i++) {
        const level *l = &levels[i % LEVELS];
        if (aotk_cpu_level() < l->needs) continue;
        int f16 = i / LEVELS % 2, round = i / LEVELS / 2 == 2, rows = i / LEVELS / 2 + 1;
        aotk_igemm p = gemm(round ? 1 : rows, ALL, round ? 0 : 1);
        p.a = one;
        p.b = b;
        p.c = c;
        p.b_stored = f16 ? AOTK_STORED_F16 : AOTK_STORED_BF16;
        if (round) p.bias = bias, p.act = f16 ? AOTK_ROUND_F16 : AOTK_ROUND_BF16;
        l->igemm[p.b_stored](&p);
        for (int j = 0; j < ALL * (round ? 1 : rows); j++) {
            aotk_u16 h = (aotk_u16)j;
            float want = round ? rounded(bias[j], p.act) : f16 ? aotk_f16_to_f32(h) : aotk_bf16_to_f32(h);
            if (!same(c[j], want)) {
                FAIL("igemm%s %s %s [%d]: %a, not %a", l->name, f16 ? "f16" : "bf16", round ? "round" : "load", j,
                     (double)c[j], (double)want);
                break;
            }
        }
    }
    free(all), free(b), free(c), free(bias);
}

/* Every whole number of eight bits as a weight. */
static void test_bytes(void) {
    enum { ALL = 256 };
    signed char all[ALL];
    for (int i = 0; i < ALL; i++) all[i] = (signed char)(i - 128);
    aotk_pack_stored_host(b_room, all, ALL, 1, 1, 1, 1, 0, 0, 0, AOTK_STORED_I8);
    for (int i = 0; i < LEVELS * 3; i++) {
        const level *l = &levels[i / 3];
        if (aotk_cpu_level() < l->needs) continue;
        aotk_igemm p = gemm(1 + i % 3, ALL, 1);
        const float ones[3] = {1, 1, 1};
        p.a = ones;
        p.b = b_room;
        p.b_stored = AOTK_STORED_I8;
        l->igemm[p.b_stored](&p);
        for (int j = 0; j < ALL * (1 + i % 3); j++)
            if (c_room[64 + j] != (float)all[j % ALL]) FAIL("igemm%s byte %d: %g", l->name, all[j % ALL], (double)c_room[64 + j]);
    }
}

/* The split into tasks changes no bit, also where sums round. */
static void test_tasks(void) {
    static const aotk_i64 sizes[][3] = {{1, 300, 257}, {3, 100, 99}, {50, 130, 64}, {97, 64, 333}, {300, 200, 1600},
                                        {2, 200, 500}, {4, 300, 900},  {8, 150, 1700}, {70, 3, 500}};
    fill_unit(a_room, ROOM);
    fill_unit(plain, ROOM);
    for (int s = 0; s < 9; s++) {
        aotk_igemm p = gemm(sizes[s][0], sizes[s][1], sizes[s][2]);
        int pairs = p.seg % AOTK_PAIRS_STEP == 0;
        p.work = work_room;
        aotk_i64 size = p.m2 * p.n;
        for (int j = 0; j < 3 * LEVELS; j++) {
            int i = j / 3;
            if (aotk_cpu_level() < levels[i].needs) continue;
            p.features = features & (j % 3 == 1 ? AOTK_DOTS : AOTK_TILES);
            p.b_stored = j % 3 == 2 ? AOTK_STORED_F32 : pairs ? AOTK_STORED_BF16_PAIRS : AOTK_STORED_BF16;
            pack(&levels[i], p.seg, p.n, p.b_stored);
            p.b = b_room;
            p.c = want_room;
            p.task = 0;
            p.tasks = 1;
            levels[i].igemm[p.b_stored](&p);
            p.c = c_room;
            for (p.tasks = 2; p.tasks <= 9; p.tasks++) {
                fill_canary(c_room, size);
                for (p.task = p.tasks; p.task-- > 0;) levels[i].igemm[p.b_stored](&p);
                compare(&levels[i], &p, want_room, c_room, size);
            }
        }
    }
}

static void test_pack(void) {
    for (int round = 0; round < 300; round++) {
        aotk_i64 n = random_in(1, 200), cin = random_in(1, 40), kh = random_in(1, 3),
                 kw = random_in(1, 3);
        aotk_i64 k = cin * kh * kw, nr = aotk_panel_nr(k, n, 0), size = aotk_packed_size(k, n);
        fill_canary(want_room, size + 16);
        for (aotk_i64 col = 0; col < n; col += nr) {
            aotk_i64 width = n - col < nr ? (n - col + 15) / 16 * 16 : nr;
            for (aotk_i64 y = 0; y < kh; y++)
                for (aotk_i64 x = 0; x < kw; x++)
                    for (aotk_i64 c = 0; c < cin; c++)
                        for (aotk_i64 j = 0; j < width; j++)
                            want_room[col * k + ((y * kw + x) * cin + c) * width + j] =
                                col + j < n ? a_room[(((col + j) * cin + c) * kh + y) * kw + x] : 0;
        }
        aotk_u16 *from = plain_16, *to = (aotk_u16 *)c_room;
        for (aotk_i64 i = 0; i < n * k; i++) from[i] = aotk_f32_to_bf16(a_room[i]);
        aotk_pack_stored_host(to, from, n, cin, kh, kw, k, kh * kw, kw, 1, AOTK_STORED_BF16);
        for (aotk_i64 i = 0; i < size; i++) {
            if (aotk_bf16_to_f32(to[i]) == want_room[i]) continue;
            FAIL("pack_stored %lldx%lldx%lldx%lld", n, cin, kh, kw);
            break;
        }
        for (int i = 0; i < LEVELS; i++) {
            if (aotk_cpu_level() < levels[i].needs) continue;
            fill_canary(c_room, size + 16);
            levels[i].pack_conv(c_room, a_room, n, cin, kh, kw, k, kh * kw, kw, 1);
            if (memcmp(want_room, c_room, (size_t)(size + 16) * 4))
                FAIL("pack_conv%s %lldx%lldx%lldx%lld", levels[i].name, n, cin, kh, kw);
            fill_canary(c_room, size + 16);
            if (kh * kw > 1) continue;
            levels[i].pack(c_room, a_room, k, n, 1, k);
            if (memcmp(want_room, c_room, (size_t)(size + 16) * 4))
                FAIL("pack%s %lldx%lld transposed", levels[i].name, k, n);
        }
    }
}

int main(void) {
    a_room = buffer(ROOM, 0);
    b_room = buffer(ROOM, 0);
    c_room = buffer(ROOM, 0);
    want_room = buffer(ROOM, 0);
    plain = buffer(ROOM, 0);
    plain_16 = (aotk_u16 *)buffer(ROOM / 2, 0);
    bias_room = buffer(2048, 1);
    res_room = buffer(ROOM, 0);
    work_room = buffer(ROOM, 0);
    features = features_here();
    if (!(features & AOTK_TILES)) printf("igemm: no AMX here, its tiles are not tested\n");
    if (!(features & AOTK_DOTS)) printf("igemm: no AVX512-BF16 here, its dot products are not tested\n");
    fill_whole(a_room, ROOM);
    fill_whole(plain, ROOM);
    fill_whole(bias_room, 2048);
    fill_whole(res_room, ROOM);
    test_shapes();
    test_pairs();
    test_convolutions();
    test_some_taps();
    test_long_sums();
    test_groups();
    test_narrow();
    test_wide();
    test_activations();
    test_activation_values();
    test_special_values();
    test_in_place_residual();
    test_every_half();
    test_pack();
    test_bytes();
    test_tasks();
    printf("igemm: %d failures\n", failures);
    return failures != 0;
}
