/* SPDX-License-Identifier: MIT */
/* How near the contractions come to the machine: GFLOP/s and percent of the measured FMA peak.
 *
 *   bench_igemm [level [word]]     level _v4, _v3, _generic, _strict; only shapes whose name has
 *   the word
 *
 * Times are the minimum of many runs, 0.25 s for each shape; the percentage is of the best peak
 * measured between those runs, because clocks and neighbours change, by as many multiply-adds as
 * the shape has, because a clock that a microsecond reaches does not last. Buffers stay warm as far as
 * the caches allow. M <= 8 also shows GB/s of weights read and its share of reading them alone, in turns with
 * the product as the peak is; where B is 64 MB that is the bandwidth of memory. f16, bf16: weights are stored
 * so. "tiles", "dots": bf16, in the tiles of AMX, by dot products, where the processor has them. "cold" uses a
 * new copy of B in every run, as the layers of a model do.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <time.h>

#include "check.h"
#include "multiply.h"

enum { COPIES = 24 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Twelve chains of multiply-adds that never leave the registers. */
#define CHAINS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define START(i) vec c##i = (vec){0} + (float)i;
#define STEP(i) c##i = c##i * a + b; __asm__ volatile("" : "+v"(c##i));
#define PEAK(name, bytes, isa)                                                                     \
    __attribute__((target(isa), noinline)) static void name(long n) {                              \
        typedef float vec __attribute__((vector_size(bytes)));                                     \
        vec a = (vec){0} + 0.999f, b = (vec){0} + 0.001f;                                          \
        CHAINS(START)                                                                              \
        while (n--) { CHAINS(STEP) }                                                               \
    }
#if defined(__x86_64__)
PEAK(chains16, 64, "avx512f,fma")
PEAK(chains8, 32, "avx2,fma")

#define READ(i) c##i += *(const vec *)(b + 8 * i);
#define USE(i) __asm__ volatile("" ::"x"(c##i));
__attribute__((target("avx2"), noinline)) static void read_floats(const float *b, aotk_i64 n) {
    typedef float vec __attribute__((vector_size(32), aligned(4), may_alias));
    CHAINS(START)
    for (const float *end = b + n - n % 96; b < end; b += 96) { CHAINS(READ) }
    CHAINS(USE)
}

/* Seconds for `flops` floating point operations at full rate, at least 10^6 of them. */
static double peak_time(const level *l, double flops) {
    int step = 12 * 2 * (l->needs == 4 ? 16 : 8);
    long n = (long)((flops < 1e6 ? 1e6 : flops) / step);
    double t = now();
    l->needs == 4 ? chains16(n) : chains8(n);
    return (now() - t) * flops / ((double)n * step);
}
#else
static void read_floats(const float *b, aotk_i64 n) {
    static volatile float sink;
    float sum = 0;
    for (aotk_i64 i = 0; i < n; i++) sum += b[i];
    sink = sum;
}

static double peak_time(const level *l, double flops) {
    (void)l;
    return flops * 1e-6;
}
#endif

typedef struct {
    double seconds, percent, bytes, read; /* bytes of weights, percent of reading them; 0: not measured */
} speed;

/* One call of a kernel, the n-th of a shape. */
typedef void run(const level *l, void *call, int n);

/* The least time over many runs, and its share of the best peak seen between those runs. */
static speed measure(const level *l, double flops, run *kernel, void *call) {
    double best = 1e9, top = 1e9, stop = now() + 0.25;
    for (int n = 0; n < 5 || now() < stop; n++) {
        double t = peak_time(l, flops);
        if (t < top) top = t;
        t = now();
        kernel(l, call, n);
        t = now() - t;
        if (t < best) best = t;
    }
    return (speed){.seconds = best, .percent = 100 * top / best};
}

/* Each run takes the next of `copies` packed weights, which lie `size` floats apart. */
typedef struct {
    aotk_igemm p;
    aotk_i64 size;
    int copies;
} igemm_call;

static void run_igemm(const level *l, void *call, int n) {
    const igemm_call *c = call;
    aotk_igemm p = c->p;
    p.b = (const float *)p.b + n % c->copies * c->size;
    l->igemm[p.b_stored](&p);
}

typedef struct {
    aotk_winograd p;
    aotk_i64 size;
    int copies;
} winograd_call;

/* Seconds to read the weights of one copy and nothing else. */
static double read_time(const igemm_call *c, int n) {
    double t = now();
    read_floats((const float *)c->p.b + n % c->copies * c->size, c->size);
    return now() - t;
}

/* The same as measure, and what share it is of reading all weights, in turns with it. */
static speed measure_stream(const level *l, double flops, igemm_call *c) {
    double best = 1e9, least = 1e9, stop = now() + 0.5;
    for (int n = 0; n < 10 || now() < stop; n += 2) {
        double t = read_time(c, n);
        if (t < least) least = t;
        t = now();
        run_igemm(l, c, n + 1);
        t = now() - t;
        if (t < best) best = t;
    }
    speed s = measure(l, flops, run_igemm, c);
    return (speed){best, s.percent * s.seconds / best, 4.0 * (double)c->size, 100 * least / best};
}

static void run_winograd(const level *l, void *call, int n) {
    const winograd_call *c = call;
    aotk_winograd p = c->p;
    p.u += n % c->copies * c->size;
    l->winograd(&p);
}

static void run_depthwise(const level *l, void *call, int n) {
    (void)n;
    l->depthwise(call);
}

static void report(const char *name, speed s, double flops) {
    printf("%-34s %9.1f us %7.1f GFLOP/s %5.1f %%", name, s.seconds * 1e6, flops / s.seconds * 1e-9,
           s.percent);
    if (s.bytes > 0) printf(" %6.1f GB/s %5.1f %% of reading", s.bytes / s.seconds * 1e-9, s.read);
    putchar('\n');
    fflush(stdout);
}

typedef struct {
    aotk_i64 m, n, k;
    int copies, act;
} product;

static const product products[] = {
    {128, 128, 128, 1, 0},       {512, 512, 512, 1, 0},
    {1024, 1024, 1024, 1, 0},    {128, 768, 768, 1, 0},
    {128, 768, 768, COPIES, 0},  {128, 3072, 768, 1, 0},
    {128, 3072, 768, COPIES, 0}, {128, 3072, 768, 1, AOTK_ACT_GELU_ERF},
    {128, 768, 3072, 1, 0},      {128, 768, 3072, COPIES, 0},
    {512, 768, 768, 1, 0},       {197, 768, 768, 1, 0},
    {49, 512, 2048, 1, 0},       {16, 3072, 768, 1, 0},
    {16, 3072, 768, COPIES, 0},  {384, 1024, 4096, 1, 0},
    {2048, 2048, 2048, 1, 0},    {8, 3072, 768, 1, 0},
    {8, 3072, 768, COPIES, 0},   {4, 3072, 768, 1, 0},
    {4, 3072, 768, COPIES, 0},   {2, 3072, 768, 1, 0},
    {2, 3072, 768, COPIES, 0},   {2, 4096, 4096, 4, 0},
    {4, 4096, 4096, 4, 0},       {8, 4096, 4096, 4, 0},
    {1, 3072, 768, 1, 0},        {1, 3072, 768, COPIES, 0},
    {1, 4096, 4096, 1, 0},       {1, 4096, 4096, 4, 0},
    {1, 1000, 2048, 1, 0},       {1, 1000, 2048, COPIES, 0},
    {128, 10, 512, 1, 0},        {1, 10, 512, 1, 0},
    {1, 64, 64, 1, 0},           {32, 32, 32, 1, 0},
    {64, 64, 64, 1, 0},          {8, 512, 128, 1, 0},
    {480, 1024, 100, 1, 0},      {1024, 256, 256, 1, 0},
    {16, 256, 2048, 1, 0},       {16, 256, 2048, COPIES, 0},
    {64, 128, 1024, 1, 0},       {256, 64, 512, 1, 0},
    {24, 3072, 768, COPIES, 0},  {32, 3072, 768, COPIES, 0},
    {64, 3072, 768, COPIES, 0},
};

/* How weights are stored, what multiplies them, how results are rounded, bytes of a weight. */
typedef struct {
    const char *name;
    int stored, features, round, bytes;
} way;

static const way ways[] = {
    {"", AOTK_STORED_F32, 0, 0, 4},
    {" f16", AOTK_STORED_F16, 0, AOTK_ROUND_F16, 2},
    {" bf16", AOTK_STORED_BF16, 0, AOTK_ROUND_BF16, 2},
    {" bf16 pairs", AOTK_STORED_BF16_PAIRS, 0, AOTK_ROUND_BF16, 2},
    {" bf16 tiles", AOTK_STORED_BF16_PAIRS, AOTK_TILES, AOTK_ROUND_BF16, 2},
    {" bf16 dots", AOTK_STORED_BF16_PAIRS, AOTK_DOTS, AOTK_ROUND_BF16, 2},
    {" i8", AOTK_STORED_I8, 0, 0, 1},
};

static void bench_product(const level *l, const product *s, const way *w, const char *word) {
    if (w->stored == AOTK_STORED_BF16_PAIRS && s->k % AOTK_PAIRS_STEP) return;
    if (w->features && (l->needs < 4 || !(w->features & features_here()))) return;
    char name[80];
    snprintf(name, sizeof name, "gemm %lldx%lldx%lld%s%s%s", s->m, s->n, s->k,
             s->copies > 1 ? " cold" : "", s->act ? " gelu" : "", w->name);
    if (word && !strstr(name, word)) return;
    aotk_i64 b_size = (aotk_packed_size(s->k, s->n) * w->bytes / 4 + 15) / 16 * 16;
    float *a = buffer(s->m * s->k, 0), *c = buffer(s->m * s->n, 0),
          *b = buffer(b_size * s->copies, 0), *work = buffer(aotk_igemm_work(s->m, s->k), 0);
    fill_unit(a, s->m * s->k);
    fill_unit(b, b_size * s->copies);
    aotk_igemm p = {
        .a = a,
        .b = b,
        .c = c,
        .bias = a,
        .m0 = 1,
        .m1 = 1,
        .m2 = s->m,
        .a2 = s->k,
        .c2 = s->n,
        .n = s->n,
        .taps_h = 1,
        .taps_w = 1,
        .seg = s->k,
        .act = s->act | w->round,
        .b_stored = w->stored,
        .work = work,
        .features = w->features,
        .tasks = 1,
    };
    double flops = 2.0 * (double)(s->m * s->n * s->k);
    igemm_call call = {p, b_size, s->copies};
    report(name, s->m <= 8 ? measure_stream(l, flops, &call) : measure(l, flops, run_igemm, &call), flops);
    free(a), free(b), free(c), free(work);
}

typedef struct {
    aotk_i64 out, cin, n, kernel, stride; /* out x out pixels */
} conv;

static const conv convs[] = {
    {56, 64, 64, 3, 1}, {28, 128, 128, 3, 1}, {14, 256, 256, 3, 1}, {7, 512, 512, 3, 1},
    {56, 64, 256, 1, 1}, {56, 256, 64, 1, 1}, {28, 512, 128, 1, 1}, {28, 128, 512, 1, 1},
    {14, 1024, 256, 1, 1}, {14, 256, 1024, 1, 1}, {7, 2048, 512, 1, 1}, {7, 512, 2048, 1, 1},
    {28, 128, 128, 3, 2}, {112, 3, 64, 7, 2}, {112, 3, 32, 3, 2},
};

static void bench_conv(const level *l, const conv *s, int copies, const char *word) {
    char name[80];
    snprintf(name, sizeof name, "conv %lld^2 %lld->%lld %lldx%lld s%lld%s", s->out, s->cin, s->n,
             s->kernel, s->kernel, s->stride, copies > 1 ? " cold" : "");
    if (word && !strstr(name, word)) return;
    aotk_i64 w = (s->out - 1) * s->stride + s->kernel, k = s->kernel * s->kernel * s->cin;
    aotk_i64 b_size = aotk_packed_size(k, s->n);
    float *a = buffer(w * w * s->cin, 0), *b = buffer(b_size * copies, 0),
          *c = buffer(s->out * s->out * s->n, 0);
    fill_unit(a, w * w * s->cin);
    fill_unit(b, b_size * copies);
    aotk_igemm p = {
        .a = a,
        .b = b,
        .c = c,
        .bias = a,
        .m0 = 1,
        .m1 = s->out,
        .m2 = s->out,
        .a1 = s->stride * w * s->cin,
        .a2 = s->stride * s->cin,
        .c1 = s->out * s->n,
        .c2 = s->n,
        .n = s->n,
        .taps_h = s->kernel,
        .taps_w = 1,
        .tap_h = w * s->cin,
        .seg = s->kernel * s->cin,
        .act = AOTK_ACT_RELU,
        .tasks = 1,
    };
    double flops = 2.0 * (double)(s->out * s->out * s->n * k);
    report(name, measure(l, flops, run_igemm, &(igemm_call){p, b_size, copies}), flops);
    free(a), free(b), free(c);
}

/* The same by Winograd's algorithm; GFLOP/s are those of the definition, so they may exceed the peak. "cold": as above. */
static void bench_winograd(const level *l, const conv *s, const char *word) {
    aotk_i64 w = s->out + 2, all = w * w * s->cin;
    for (int i = 0; i < 4; i++) {
        char name[80];
        int tile = i % 2 ? 2 : 4, copies = i < 2 ? 1 : 12;
        snprintf(name, sizeof name, "winograd F%d %lld^2 %lld->%lld%s", tile, s->out, s->cin, s->n, copies > 1 ? " cold" : "");
        if (word && !strstr(name, word)) continue;
        aotk_i64 u_size = (tile + 2) * (tile + 2) * s->cin * s->n;
        float *x = buffer(all, 0), *u = buffer(u_size * copies, 0), *y = buffer(s->out * s->out * s->n, 0);
        fill_unit(x, all);
        fill_unit(u, u_size * copies);
        aotk_winograd p = {.x = x, .u = u, .bias = x, .y = y, .block = aotk_winograd_block(tile, s->cin),
                           .n = 1, .oh = s->out, .ow = s->out, .planes = 1, .cin = s->cin, .cout = s->n,
                           .x_h = w * s->cin, .x_w = s->cin, .y_h = s->out * s->n, .y_w = s->n,
                           .tile = tile, .dilation_h = 1, .dilation_w = 1, .act = AOTK_ACT_RELU, .tasks = 1};
        p.work = buffer(aotk_winograd_work(tile, s->cin, p.block), 0);
        double flops = 18.0 * (double)(s->out * s->out * s->n * s->cin);
        report(name, measure(l, flops, run_winograd, &(winograd_call){p, u_size, copies}), flops);
        free(x), free(u), free(y), free(p.work);
    }
}

static const conv depthwise[] = { /* cin and n are one number */
    {112, 32, 32, 3, 1}, {56, 144, 144, 3, 1}, {28, 240, 240, 5, 1}, {14, 480, 480, 3, 1},
    {14, 672, 672, 5, 1}, {7, 1152, 1152, 5, 1}, {14, 384, 384, 7, 1}, {28, 192, 192, 3, 2},
    {14, 512, 512, 3, 1}, {7, 1024, 1024, 3, 1},
    {28, 240, 240, 5, 2}, {14, 240, 240, 5, 2},
};

static void bench_depthwise(const level *l, const conv *s, int group, int act, const char *word) {
    char name[80], groups[32] = "";
    if (group > 1) snprintf(groups, sizeof groups, " groups of %d", group);
    snprintf(name, sizeof name, "depthwise %lld^2 %lld %lldx%lld s%lld%s%s", s->out, s->n, s->kernel, s->kernel, s->stride,
             groups, act == AOTK_ACT_SILU ? " silu" : "");
    if (word && !strstr(name, word)) return;
    aotk_i64 w = (s->out - 1) * s->stride + s->kernel;
    float *x = buffer(w * w * s->n, 0), *f = buffer(s->kernel * s->kernel * group * s->n, 0), *y = buffer(s->out * s->out * s->n, 0);
    fill_unit(x, w * w * s->n);
    fill_unit(f, s->kernel * s->kernel * group * s->n);
    aotk_depthwise p = {.x = x, .w = f, .bias = x, .y = y, .n = 1, .oh = s->out, .ow = s->out, .c = s->n, .group = group,
                        .x_h = s->stride * w * s->n, .x_w = s->stride * s->n, .y_h = s->out * s->n, .y_w = s->n,
                        .kh = s->kernel, .kw = s->kernel, .tap_h = w * s->n, .tap_w = s->n, .ldw = s->n, .act = act, .tasks = 1};
    double flops = 2.0 * (double)(s->out * s->out * s->n * s->kernel * s->kernel * group);
    report(name, measure(l, flops, run_depthwise, &p), flops);
    free(x), free(f), free(y);
}

static const conv grouped[] = { /* ResNeXt's 32 groups: of 4, 8 and 16 channels; cin is the channels of a group */
    {56, 4, 128, 3, 1}, {28, 8, 256, 3, 1}, {14, 16, 512, 3, 1},
};

static void bench_pack(const level *l) {
    aotk_i64 k = 4096, n = 6400;
    float *src = buffer(k * n, 0), *dst = buffer(k * n, 0);
    fill_unit(src, k * n);
    for (int turned = 0; turned < 2; turned++) {
        double best = 1e9;
        for (int i = 0; i < 5; i++) {
            double t = now();
            l->pack(dst, src, k, n, turned ? 1 : n, turned ? k : 1);
            t = now() - t;
            if (t < best) best = t;
        }
        printf("pack %s 105 MB %29.1f ms\n", turned ? "n x k" : "k x n", best * 1e3);
    }
    double best = 1e9;
    for (int i = 0; i < 200; i++) {
        double t = now();
        l->pack(dst, src, 64, 512, 1, 64);
        t = now() - t;
        if (t < best) best = t;
    }
    printf("pack 512 keys of 64, turned %24.1f us\n", best * 1e6);
    for (int back = 0; back < 2; back++) {
        static const aotk_i64 sizes[][2] = {{3, 224}, {64, 56}, {512, 7}};
        for (int s = 0; s < 3; s++) {
            aotk_i64 c = sizes[s][0], w = sizes[s][1];
            aotk_copy4 p = {.src = src, .dst = dst, .n = {1, c, w, w}, .s = {0, w * w, w, 1},
                            .d = {0, 1, (w + 2) * c, c}, .tasks = 1};
            if (back) {
                memcpy(p.d, p.s, sizeof p.d);
                memcpy(p.s, (aotk_i64[4]){0, 1, (w + 2) * c, c}, sizeof p.s);
            }
            best = 1e9;
            for (int i = 0; i < 200; i++) {
                double t = now();
                l->copy4(&p);
                t = now() - t;
                if (t < best) best = t;
            }
            printf("%s %lld channels %lld^2 %*.1f us\n", back ? "NHWC to NCHW" : "NCHW to NHWC", c,
                   w, 20, best * 1e6);
        }
    }
    aotk_pool pool = {.x = src,
                      .y = dst,
                      .n = 1,
                      .h = 112,
                      .w = 112,
                      .c = 64,
                      .x_h = 112 * 64,
                      .x_w = 64,
                      .oh = 56,
                      .ow = 56,
                      .y_h = 56 * 64,
                      .y_w = 64,
                      .kh = 3,
                      .kw = 3,
                      .stride_h = 2,
                      .stride_w = 2,
                      .pad_h = 1,
                      .pad_w = 1,
                      .dil_h = 1,
                      .dil_w = 1,
                      .tasks = 1};
    best = 1e9;
    for (int i = 0; i < 200; i++) {
        double t = now();
        l->pool(&pool);
        t = now() - t;
        if (t < best) best = t;
    }
    printf("max pool 3x3 s2 112^2 x 64 %25.1f us\n", best * 1e6);
}

int main(int argc, char **argv) {
    const char *word = argc > 2 ? argv[2] : NULL;
    for (int i = LEVELS; i-- > 0;) {
        const level *l = &levels[i];
        if (argc > 1 ? strcmp(argv[1], l->name) != 0 : l->needs < 3) continue;
        if (aotk_cpu_level() < l->needs) continue;
        double least = 1;
        for (int n = 0; n < 10000; n++) {
            double t = peak_time(l, 1e6);
            if (t < least) least = t;
        }
        printf("level %s, FMA peak %.1f GFLOP/s for some microseconds\n", l->name, 1e-3 / least);
        for (size_t s = 0; s < sizeof products / sizeof *products; s++)
            for (size_t w = 0; w < sizeof ways / sizeof *ways; w++)
                bench_product(l, &products[s], &ways[w], word);
        for (size_t s = 0; s < sizeof convs / sizeof *convs; s++) {
            bench_conv(l, &convs[s], 1, word);
            if (convs[s].kernel != 3 || convs[s].stride != 1) continue;
            bench_conv(l, &convs[s], 12, word);
            bench_winograd(l, &convs[s], word);
        }
        for (size_t s = 0; s < sizeof depthwise / sizeof *depthwise; s++) {
            bench_depthwise(l, &depthwise[s], 1, AOTK_ACT_NONE, word);
            bench_depthwise(l, &depthwise[s], 1, AOTK_ACT_SILU, word);
        }
        for (size_t s = 0; s < sizeof grouped / sizeof *grouped; s++)
            bench_depthwise(l, &grouped[s], (int)grouped[s].cin, AOTK_ACT_NONE, word);
        if (!word || strstr("pack", word)) bench_pack(l);
    }
    return 0;
}
