/* SPDX-License-Identifier: MIT */
/* Multiply-adds in registers, and reads of blocks: see peak.h.  The best of several tries counts, as other processes
 * only ever take away. */
#include "peak.h"
#include "aot.h"
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define LEVEL_V4 __attribute__((target("avx512f")))
#define LEVEL_V3 __attribute__((target("avx2,fma")))
#endif

enum { CHAINS = 12, /* as many as hide the latency of two units */ SPINS = 1 << 17, SPIN_TRIES = 12 };
enum { READ_BYTES = 48 << 20, READ_TRIES = 3, READ_CHAINS = 8, STEP = 512 };

const uint64_t peak_sets[PEAK_SETS] = { 24 << 10, 384 << 10, 3 << 20, 16 << 20, 96 << 20 };

typedef struct Work {
    float (*spin)(void);
    uint64_t (*read)(const void *at, uint64_t bytes);
    int lanes;
    const char *block;
    uint64_t each, rounds; /* bytes of a worker, and how often it reads them */
    uint64_t sums[64];     /* so that nothing is left out; by worker */
} Work;

/* ---- a level ------------------------------------------------------------------------------------- */

/* clang-format off */
#define SPIN(name, level, Vector, set, multiply_add, store)                                         \
    level static float name(void)                                                                  \
    {                                                                                               \
        Vector sum[CHAINS], a = set(0.999f), b = set(0.001f);                                       \
        float out[sizeof(Vector) / 4];                                                              \
        for (int k = 0; k < CHAINS; k++)                                                            \
            sum[k] = set((float)k);                                                                 \
        for (int i = 0; i < SPINS; i++)                                                             \
            for (int k = 0; k < CHAINS; k++)                                                        \
                sum[k] = multiply_add(sum[k], a, b);                                                \
        for (int k = 1; k < CHAINS; k++)                                                            \
            sum[0] = multiply_add(sum[k], a, sum[0]);                                               \
        store(out, sum[0]);                                                                         \
        return out[0];                                                                              \
    }
#define READ(name, level, vector_bytes)                                                             \
    level static uint64_t name(const void *at, uint64_t bytes)                                     \
    {                                                                                               \
        typedef uint64_t Vector __attribute__((vector_size(vector_bytes)));                         \
        const Vector *from = at;                                                                    \
        Vector sum[READ_CHAINS] = { { 0 } };                                                        \
        for (uint64_t i = 0; i < bytes / vector_bytes; i += READ_CHAINS)                            \
            for (int k = 0; k < READ_CHAINS; k++)                                                   \
                sum[k] += from[i + (uint64_t)k];                                                    \
        for (int k = 1; k < READ_CHAINS; k++)                                                       \
            sum[0] += sum[k];                                                                       \
        return sum[0][0] + sum[0][1];                                                               \
    }
/* clang-format on */

#if defined(__x86_64__)
#define MULTIPLY_ADD(x, y, z) _mm_add_ps(_mm_mul_ps(x, y), z)
SPIN(spin_v4, LEVEL_V4, __m512, _mm512_set1_ps, _mm512_fmadd_ps, _mm512_storeu_ps)
SPIN(spin_v3, LEVEL_V3, __m256, _mm256_set1_ps, _mm256_fmadd_ps, _mm256_storeu_ps)
SPIN(spin_base, , __m128, _mm_set1_ps, MULTIPLY_ADD, _mm_storeu_ps)
READ(read_v4, LEVEL_V4, 64)
READ(read_v3, LEVEL_V3, 32)
READ(read_base, , 16)

static void choose(Work *w, const char *isa)
{
    bool v4 = !strcmp(isa, "x86-64-v4"), v3 = !strcmp(isa, "x86-64-v3");
    w->spin = v4 ? spin_v4 : v3 ? spin_v3 : spin_base;
    w->read = v4 ? read_v4 : v3 ? read_v3 : read_base;
    w->lanes = v4 ? 16 : v3 ? 8 : 4;
}
#else
typedef float Vector4 __attribute__((vector_size(16)));
#define SET(x) ((Vector4){ x, x, x, x })
#define MULTIPLY_ADD(x, y, z) ((x) * (y) + (z))
#define STORE(at, x) memcpy(at, &(x), 16)
SPIN(spin_base, , Vector4, SET, MULTIPLY_ADD, STORE)
READ(read_base, , 16)

static void choose(Work *w, const char *isa)
{
    (void)isa;
    *w = (Work){ .spin = spin_base, .read = read_base, .lanes = 4 };
}
#endif

/* ---- measuring ------------------------------------------------------------------------------------- */

static void do_spin(void *arg, int64_t task, int64_t worker)
{
    Work *w = arg;
    (void)task;
    w->sums[worker & 63] += (uint64_t)w->spin();
}

static void do_read(void *arg, int64_t task, int64_t worker)
{
    Work *w = arg;
    for (uint64_t i = 0; i < w->rounds; i++)
        w->sums[worker & 63] += w->read(w->block + (uint64_t)task * w->each, w->each);
}

/* The least seconds of several tries. */
static double least(aot_pool *pool, uint64_t threads, void (*body)(void *, int64_t, int64_t), Work *w, int tries)
{
    double best = 1e9;
    for (int i = 0; i < tries; i++) {
        double start = seconds_now();
        aot_pool_parallel_for(pool, (int64_t)threads, body, w);
        double taken = seconds_now() - start;
        best = taken < best ? taken : best;
    }
    return best > 1e-9 ? best : 1e-9;
}

static void free_pool(void *pool)
{
    aot_pool_free(pool);
}

void peak_measure(Job *job, const char *isa, uint64_t wanted, Peak *out)
{
    Work *w = job_alloc(job, sizeof *w);
    aot_pool *pool = aot_pool_new(wanted ? wanted : 1);
    if (!pool)
        fail(job, EXIT_RESOURCE, "out of memory");
    job_defer(job, free_pool, pool);
    uint64_t threads = aot_pool_threads(pool);
    choose(w, isa);
    char *block = job_big(job, peak_sets[PEAK_SETS - 1]);
    memset(block, 1, peak_sets[PEAK_SETS - 1]);
    w->block = block;
    double spins = 2.0 * CHAINS * SPINS * w->lanes * (double)threads;
    out->flops = spins / least(pool, threads, do_spin, w, SPIN_TRIES);
    for (int i = 0; i < PEAK_SETS; i++) {
        w->each = peak_sets[i] / threads / STEP * STEP;
        w->rounds = peak_sets[i] < READ_BYTES ? READ_BYTES / peak_sets[i] : 1;
        out->read[i] = (double)(w->each * w->rounds * threads) / least(pool, threads, do_read, w, READ_TRIES);
    }
    for (int i = PEAK_SETS - 1; i-- > 0;) /* what a smaller set does not exceed is noise */
        out->read[i] = out->read[i] > out->read[i + 1] ? out->read[i] : out->read[i + 1];
    job_release_big(job, block);
    job_undefer(job, pool);
    free_pool(pool);
}

double peak_bandwidth(const Peak *p, double bytes)
{
    for (int i = 0; i < PEAK_SETS; i++)
        if (bytes <= (double)peak_sets[i])
            return p->read[i];
    return p->read[PEAK_SETS - 1];
}

double peak_seconds(const Peak *p, double flops, double bytes, bool *memory)
{
    double compute = p->flops > 0 ? flops / p->flops : 0, width = peak_bandwidth(p, bytes);
    double move = width > 0 ? bytes / width : 0;
    *memory = move > compute;
    return *memory ? move : compute;
}
