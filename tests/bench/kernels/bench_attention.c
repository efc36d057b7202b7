/* SPDX-License-Identifier: MIT */
/* Speed of aotk_attention_f32: GFLOP/s of its two products, GB/s of keys and values read.
 *
 *   bench_attention [level]     _v4, _v3, _generic, _strict; by default all that this processor runs
 *
 * Times are the least of many runs, half a second for each shape, on one thread. q, k, v and the result lie as a linear
 * layer leaves them, [rows, heads, elements]; of one query, k and v as a cache does, [heads, rows, elements]. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <time.h>

#include "check.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void bench(const level *l, aotk_i64 heads, aotk_i64 rows, aotk_i64 keys, aotk_i64 e)
{
    aotk_attention
        p = { .n0 = 1, .n1 = 1, .n2 = heads, .l = rows, .s = keys, .e = e, .ev = e, .scale = 0.125f, .tasks = 1 };
    float *q = buffer(heads * rows * e, 0), *y = buffer(heads * rows * e, 0);
    float *k = buffer(heads * keys * e, 0), *v = buffer(heads * keys * e, 0);
    const int cache = rows == 1;
    p.q_e = p.k_e = p.v_e = 1;
    p.q2 = p.y2 = e;
    p.q_l = p.y_l = heads * e;
    p.k2 = p.v2 = cache ? keys * e : e;
    p.k_s = p.v_s = cache ? e : heads * e;
    float *work = buffer(aotk_attention_work(&p), 0);
    fill_unit(q, heads * rows * e);
    fill_unit(k, heads * keys * e);
    fill_unit(v, heads * keys * e);
    p.q = q, p.k = k, p.v = v, p.y = y, p.work = work;
    double best = 1e9;
    for (double end = now() + 0.5; now() < end;) {
        double t = now();
        l->attention(&p);
        t = now() - t;
        best = t < best ? t : best;
    }
    double size = (double)(heads * keys * e);
    printf("%-9s %3lld heads %5lld x %5lld x %3lld  %10.1f us %7.1f GFLOP/s %7.1f GB/s\n", l->name, heads, rows, keys,
           e, best * 1e6, 4e-9 * size * (double)rows / best, 8e-9 * size / best);
    free(q), free(k), free(v), free(y), free(work);
}

int main(int count, char **arguments)
{
    static const aotk_i64 shapes[][4] = { { 8, 16, 16, 64 },   { 8, 64, 64, 64 },    { 8, 128, 128, 64 },
                                          { 3, 197, 197, 64 }, { 12, 512, 512, 64 }, { 4, 2048, 2048, 64 },
                                          { 8, 1, 256, 64 },   { 8, 1, 2048, 64 },   { 8, 128, 128, 128 } };
    for (int i = 0; i < LEVELS; i++) {
        if (aotk_cpu_level() < levels[i].needs || (count > 1 && strcmp(arguments[1], levels[i].name)))
            continue;
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            bench(&levels[i], shapes[s][0], shapes[s][1], shapes[s][2], shapes[s][3]);
    }
    return 0;
}
