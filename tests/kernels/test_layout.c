/* SPDX-License-Identifier: MIT */
/* aotk_copy4_f32 for every order of axes on both sides, and aotk_zero_halo_f32. */
#include "check.h"

enum { ROOM = 1 << 17 };

static float *src, *got, *want;

static void compare(const char *what, const char *name, aotk_i64 size) {
    for (aotk_i64 i = 0; i < size; i++) {
        if (want[i] == got[i]) continue;
        FAIL("%s%s: [%lld] %g, not %g", what, name, i, (double)got[i], (double)want[i]);
        return;
    }
}

/* Strides for the axes in a random order, with gaps between rows at times; returns the size. */
static aotk_i64 random_strides(aotk_i64 *stride, const aotk_i64 *n) {
    int order[4] = {0, 1, 2, 3};
    aotk_i64 size = random_u32() % 8 == 0 ? 2 : 1;
    for (int i = 3; i >= 0; i--) {
        int j = (int)random_in(0, i), axis = order[j];
        order[j] = order[i];
        stride[axis] = size;
        size *= n[axis] + (random_u32() % 3 == 0 ? random_in(1, 2) : 0);
    }
    return size;
}

static void test_copies(void) {
    for (int round = 0; round < 3000; round++) {
        aotk_copy4 p = {.src = src + random_in(0, 3), .dst = got + 16};
        for (int i = 0; i < 4; i++) p.n[i] = random_u32() % 4 ? random_in(1, 9) : 1;
        if (round % 3 == 0) p.n[random_in(0, 3)] = random_in(10, 50);
        if (round % 7 == 0) p.n[random_in(0, 3)] = 3;
        if (round % 50 == 0) p.n[random_in(0, 3)] = 0;
        if (round % 11 == 0)
            p.n[0] = 1, p.n[1] = 1, p.n[2] = random_in(1, 70), p.n[3] = random_in(1, 70);
        aotk_i64 size = random_strides(p.d, p.n) + 32;
        if (random_strides(p.s, p.n) > ROOM - 8 || size > ROOM) continue;
        if (round % 13 == 0) p.s[random_in(0, 3)] = 0; /* a broadcast */
        fill_canary(want, size);
        for (aotk_i64 i = 0; i < p.n[0] * p.n[1] * p.n[2] * p.n[3]; i++) {
            aotk_i64 rest = i, s = 0, d = 16;
            for (int a = 3; a >= 0; a--) {
                s += rest % p.n[a] * p.s[a];
                d += rest % p.n[a] * p.d[a];
                rest /= p.n[a];
            }
            want[d] = p.src[s];
        }
        for (int i = 0; i < LEVELS; i++) {
            if (aotk_cpu_level() < levels[i].needs) continue;
            fill_canary(got, size);
            p.tasks = 1 + round % 5;
            for (p.task = 0; p.task < p.tasks; p.task++) levels[i].copy4(&p);
            compare("copy4", levels[i].name, size);
        }
    }
}

static void test_halos(void) {
    for (int round = 0; round < 500; round++) {
        aotk_halo p = {
            .x = got + 16, .n = random_in(1, 3), .h = random_in(1, 6), .w = random_in(1, 6),
            .c = random_in(1, 40), .top = random_in(0, 3), .bottom = random_in(0, 3),
            .left = random_in(0, 3), .right = random_in(0, 3), .tasks = random_in(1, 4),
        };
        aotk_i64 height = p.top + p.h + p.bottom, width = p.left + p.w + p.right;
        p.x_w = p.c + round % 2 * 3;
        p.x_h = width * p.x_w;
        p.x_n = height * p.x_h;
        aotk_i64 size = 32 + p.n * p.x_n;
        fill_canary(want, size);
        for (aotk_i64 i = 0; i < p.n * height * width; i++) {
            aotk_i64 col = i % width, row = i / width % height;
            int inside = row >= p.top && row < p.top + p.h && col >= p.left && col < p.left + p.w;
            for (aotk_i64 c = 0; c < p.c && !inside; c++) want[16 + i * p.x_w + c] = 0;
        }
        for (int i = 0; i < LEVELS; i++) {
            if (aotk_cpu_level() < levels[i].needs) continue;
            fill_canary(got, size);
            for (p.task = 0; p.task < p.tasks; p.task++) levels[i].zero_halo(&p);
            compare("zero_halo", levels[i].name, size);
        }
    }
}

int main(void) {
    src = buffer(ROOM, 0);
    got = buffer(ROOM, 0);
    want = buffer(ROOM, 0);
    for (aotk_i64 i = 0; i < ROOM; i++) src[i] = (float)i;
    test_copies();
    test_halos();
    printf("layout: %d failures\n", failures);
    return failures != 0;
}
