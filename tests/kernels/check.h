/* SPDX-License-Identifier: MIT */
/* Buffers, random numbers and complaints for the kernel tests. */
#ifndef CHECK_H
#define CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "levels.h"

static AOTK_UNUSED int failures;

#define FAIL(...)                                                                                  \
    do {                                                                                           \
        if (failures++ < 20) fprintf(stderr, __VA_ARGS__), fputc('\n', stderr);                    \
    } while (0)

static AOTK_UNUSED unsigned long long seed = 88172645463325252ull;

static inline unsigned random_u32(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 16);
}

static inline aotk_i64 random_in(aotk_i64 lo, aotk_i64 hi) {
    return lo + random_u32() % (hi - lo + 1);
}

/* 64-byte aligned and displaced by `shift` floats; never freed, the tests are short. */
static inline float *buffer(aotk_i64 floats, int shift) {
    float *p = aligned_alloc(64, ((size_t)floats + 64 + 63) / 16 * 64);
    if (!p) abort();
    return p + shift;
}

/* Where a buffer of so many floats ends, behind which nothing may be read or written. */
static inline float *buffer_end(aotk_i64 floats) {
    enum { PAGE = 65536 };
    size_t size = ((size_t)floats * sizeof(float) + PAGE - 1) / PAGE * PAGE;
    char *p = mmap(NULL, size + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || mprotect(p + size, PAGE, PROT_NONE)) abort();
    return (float *)(void *)(p + size);
}

/* The same numbers where nothing follows them. */
static inline const float *at_end(float *end, const float *from, aotk_i64 floats) {
    return memcpy(end - floats, from, (size_t)floats * sizeof *from);
}

/* Small whole numbers, so that sums of products are exact and results can be compared bit by bit.
 * */
static inline void fill_whole(float *p, aotk_i64 n) {
    for (aotk_i64 i = 0; i < n; i++) p[i] = (float)random_in(-3, 3);
}

static inline void fill_unit(float *p, aotk_i64 n) {
    for (aotk_i64 i = 0; i < n; i++) p[i] = (float)(random_u32() % 65536) / 32768.0f - 1.0f;
}

static AOTK_UNUSED const float canary = -1234567.0f;

static inline void fill_canary(float *p, aotk_i64 n) {
    for (aotk_i64 i = 0; i < n; i++) p[i] = canary;
}

static inline int same(float x, float y) {
    return x == y || (x != x && y != y);
}

#endif
