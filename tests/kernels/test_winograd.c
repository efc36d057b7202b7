/* SPDX-License-Identifier: MIT */
/* aotk_winograd_f32 against the definition: both tiles, edges that no tile ends at, dilations, planes of volumes, residual,
 * activations, tasks. */
#include "check.h"
#include <stdbool.h>

enum { ROOM = 1 << 18 };

static float *x, *w, *u, *bias, *residual, *got, *first, *work;
static double *want;

void aotk_pack_winograd_f32_host(float *dst, const float *src, aotk_i64 tile, aotk_i64 n, aotk_i64 planes, aotk_i64 cin,
                                 aotk_i64 s_n, aotk_i64 s_c, aotk_i64 s_d, aotk_i64 s_h, aotk_i64 s_w);

static double activated(const aotk_winograd *p, double v)
{
    switch (p->act) {
    case AOTK_ACT_RELU: return v < 0 ? 0 : v;
    case AOTK_ACT_CLAMP: return v < (double)p->lo ? (double)p->lo : v > (double)p->hi ? (double)p->hi : v;
    case AOTK_ACT_SILU: return v / (1 + exp(-v));
    default: return v;
    }
}

static double naive(const aotk_winograd *p, aotk_i64 b, aotk_i64 oy, aotk_i64 ox, aotk_i64 j)
{
    double sum = p->bias ? (double)p->bias[j] : 0;
    if (p->residual)
        sum += (double)p->residual[b * p->r_n + oy * p->r_h + ox * p->r_w + j];
    for (aotk_i64 d = 0; d < p->planes; d++)
        for (aotk_i64 tap = 0; tap < 9; tap++)
            for (aotk_i64 c = 0; c < p->cin; c++)
                sum += (double)p->x[b * p->x_n + d * p->x_d + (oy + tap / 3 * p->dilation_h) * p->x_h +
                                     (ox + tap % 3 * p->dilation_w) * p->x_w + c] *
                       (double)w[((j * p->cin + c) * p->planes + d) * 9 + tap];
    return activated(p, sum);
}

static void compare(const aotk_winograd *p, const char *level, aotk_i64 size)
{
    double most = p->act == AOTK_ACT_CLAMP ? 20 : 0; /* what was clamped was larger */
    for (aotk_i64 i = 0; i < size; i++)
        most = want[i] == (double)canary || fabs(want[i]) < most ? most : fabs(want[i]);
    for (aotk_i64 i = 0; i < size; i++) {
        bool outside = want[i] == (double)canary;
        if (outside ? got[i] == canary : fabs(want[i] - (double)got[i]) <= 1e-5 * most)
            continue;
        FAIL("winograd%s tile %lld %lldx%lldx%lldx%lldx%lld -> %lld dilated %lldx%lld act %d: [%lld] %g, not %g", level,
             p->tile, p->n, p->oh, p->ow, p->planes, p->cin, p->cout, p->dilation_h, p->dilation_w, p->act, i, (double)got[i], want[i]);
        return;
    }
}

static void check(aotk_winograd *p, aotk_i64 size)
{
    aotk_i64 tasks = p->tasks, room = aotk_winograd_work(p->tile, p->planes * p->cin, p->block);
    for (aotk_i64 i = 0; i < size; i++)
        want[i] = (double)canary;
    for (aotk_i64 b = 0; b < p->n; b++)
        for (aotk_i64 oy = 0; oy < p->oh; oy++)
            for (aotk_i64 ox = 0; ox < p->ow; ox++)
                for (aotk_i64 j = 0; j < p->cout; j++)
                    want[16 + b * p->y_n + oy * p->y_h + ox * p->y_w + j] = naive(p, b, oy, ox, j);
    for (int i = 0; i < LEVELS; i++) {
        if (aotk_cpu_level() < levels[i].needs)
            continue;
        fill_canary(first, size);
        p->y = first + 16;
        p->task = 0;
        p->tasks = 1;
        fill_canary(work, room + 16);
        levels[i].winograd(p);
        if (work[room] != canary)
            FAIL("winograd%s writes beyond its scratch", levels[i].name);
        fill_canary(got, size);
        p->y = got + 16;
        p->tasks = tasks;
        for (p->task = 0; p->task < tasks; p->task++)
            levels[i].winograd(p);
        if (memcmp(got, first, (size_t)size * sizeof *got) != 0)
            FAIL("winograd%s: %lld tasks give other bits than one", levels[i].name, tasks);
        compare(p, levels[i].name, size);
    }
}

int main(void)
{
    static const int acts[] = { AOTK_ACT_NONE, AOTK_ACT_RELU, AOTK_ACT_CLAMP, AOTK_ACT_SILU };
    x = buffer(ROOM, 0);
    w = buffer(ROOM, 0);
    u = buffer(3 * ROOM, 0);
    bias = buffer(ROOM, 0);
    residual = buffer(ROOM, 0);
    got = buffer(ROOM, 0);
    first = buffer(ROOM, 0);
    work = buffer(4 * ROOM, 0);
    want = calloc(ROOM, sizeof *want);
    fill_unit(x, ROOM);
    fill_unit(w, ROOM);
    fill_unit(bias, ROOM);
    fill_unit(residual, ROOM);
    for (int round = 0; round < 250; round++) {
        aotk_i64 wide = random_in(0, 2);
        aotk_winograd p = { .x = x + random_in(0, 3), .u = u, .work = work, .tile = round % 2 ? 2 : 4 };
        p.bias = round % 3 ? bias + 1 : NULL;
        p.residual = round % 4 ? NULL : residual + 2;
        p.n = random_in(1, 3);
        p.oh = random_in(1, 13);
        p.ow = random_in(1, round % 10 ? 11 : 40);
        p.cin = 16 * random_in(1, 3);
        p.cout = 16 * random_in(1, 7);
        p.planes = round % 3 ? 1 : random_in(1, 3);
        aotk_pack_winograd_f32_host(u, w, p.tile, p.cout, p.planes, p.cin, 9 * p.planes * p.cin, 9 * p.planes, 9, 3, 1);
        p.x_w = p.cin + wide;
        p.dilation_h = round % 4 == 1 ? random_in(1, 5) : 1;
        p.dilation_w = round % 4 == 1 ? random_in(1, 4) : 1;
        p.x_h = (p.ow + 2 * p.dilation_w) * p.x_w;
        p.x_n = (p.oh + 2 * p.dilation_h) * p.x_h;
        p.x_d = p.x_n * random_in(1, 2);
        p.y_w = p.cout + random_in(0, 2);
        p.y_h = (p.ow + 1) * p.y_w;
        p.y_n = p.oh * p.y_h;
        p.r_w = p.cout;
        p.r_h = p.ow * p.cout;
        p.r_n = p.oh * p.r_h;
        p.act = acts[random_in(0, 3)];
        p.block = round % 5 ? random_in(1, 30) : aotk_winograd_block(p.tile, p.planes * p.cin);
        p.lo = -2;
        p.hi = 6;
        p.tasks = random_in(1, 4);
        if (p.n * p.x_n + (p.planes - 1) * p.x_d + 4 < ROOM && p.n * p.y_n + 32 < ROOM && p.n * p.r_n + 2 < ROOM)
            check(&p, p.n * p.y_n + 32);
    }
    printf("winograd: %d failures\n", failures);
    return failures != 0;
}
