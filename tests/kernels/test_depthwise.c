/* SPDX-License-Identifier: MIT */
/* aotk_depthwise_f32 against the definition: strides, dilation, residual, activations, few and many channels, groups. */
#include "check.h"

enum { ROOM = 1 << 20, ENDS = 3 };

/* Memory whose end nothing follows. */
static float *ends[ENDS];

static float *x, *w, *bias, *residual, *got, *want;

static double activated(const aotk_depthwise *p, double v)
{
    switch (p->act) {
    case AOTK_ACT_RELU: return v < 0 ? 0 : v;
    case AOTK_ACT_CLAMP: return v < (double)p->lo ? (double)p->lo : v > (double)p->hi ? (double)p->hi : v;
    case AOTK_ACT_SILU: return v / (1 + exp(-v));
    case AOTK_ACT_GELU_ERF: return 0.5 * v * (1 + erf(v * sqrt(0.5)));
    default: return v;
    }
}

static float naive(const aotk_depthwise *p, aotk_i64 b, aotk_i64 oy, aotk_i64 ox, aotk_i64 c)
{
    double sum = p->bias ? (double)p->bias[c] : 0;
    if (p->residual)
        sum += (double)p->residual[b * p->r_n + oy * p->r_h + ox * p->r_w + c];
    for (aotk_i64 ky = 0; ky < p->kh; ky++)
        for (aotk_i64 kx = 0; kx < p->kw; kx++)
            for (aotk_i64 i = 0; i < p->group; i++)
                sum += (double)p->x[b * p->x_n + oy * p->x_h + ox * p->x_w + ky * p->tap_h + kx * p->tap_w + c - c % p->group + i] *
                       (double)p->w[((ky * p->kw + kx) * p->group + i) * p->ldw + c];
    return (float)activated(p, sum);
}

static void check(aotk_depthwise *p, aotk_i64 size)
{
    aotk_i64 tasks = p->tasks;
    fill_canary(want, size);
    for (aotk_i64 b = 0; b < p->n; b++)
        for (aotk_i64 oy = 0; oy < p->oh; oy++)
            for (aotk_i64 ox = 0; ox < p->ow; ox++)
                for (aotk_i64 c = 0; c < p->c; c++)
                    want[16 + b * p->y_n + oy * p->y_h + ox * p->y_w + c] = naive(p, b, oy, ox, c);
    for (int i = 0; i < LEVELS; i++) {
        if (aotk_cpu_level() < levels[i].needs)
            continue;
        fill_canary(got, size);
        for (p->task = 0; p->task < tasks; p->task++)
            levels[i].depthwise(p);
        for (aotk_i64 j = 0; j < size; j++) {
            double distance = fabs((double)want[j] - (double)got[j]);
            if (p->act > AOTK_ACT_CLAMP ? distance <= 1e-5 * (1 + fabs((double)want[j])) : same(want[j], got[j]))
                continue;
            FAIL("depthwise%s %lldx%lldx%lld k %lldx%lld act %d: [%lld] %g, not %g", levels[i].name, p->oh, p->ow, p->c,
                 p->kh, p->kw, p->act, j, (double)got[j], (double)want[j]);
            break;
        }
    }
}

/* Pixels that lie a power of 2 apart share sets of the L1 cache, so that the kernel copies; filters and strides around what
 * it copies. */
static void check_shared_sets(int round)
{
    static const aotk_i64 kernels[] = { 3, 5, 7 };
    aotk_i64 stride = random_in(1, 2), dilation = round % 5 ? 1 : 2, apart = 128ll << random_in(0, 3);
    aotk_depthwise p = { .x = x, .w = w, .bias = bias, .y = got + 16 };
    p.residual = round % 4 ? NULL : residual;
    p.n = random_in(1, 2);
    p.oh = random_in(1, 16);
    p.ow = random_in(1, 15);
    p.group = 1;
    p.c = round % 3 ? 8 * random_in(1, 6) : random_in(8, 48);
    p.kh = round % 7 ? kernels[random_in(0, 2)] : random_in(1, 9);
    p.kw = kernels[random_in(0, 2)];
    p.ldw = p.c;
    p.tap_w = dilation * apart;
    p.x_w = stride * p.tap_w;
    p.tap_h = ((p.ow - 1) * stride + p.kw) * p.tap_w;
    p.x_h = (round % 6 ? stride : 3) * p.tap_h;
    p.x_n = 2 * p.tap_h;
    p.y_w = p.c + random_in(0, 2);
    p.y_h = p.ow * p.y_w;
    p.y_n = p.oh * p.y_h;
    p.r_w = p.c;
    p.r_h = p.ow * p.c;
    p.r_n = p.oh * p.r_h;
    aotk_i64 last = (p.n - 1) * p.x_n + (p.oh - 1) * p.x_h + (p.ow - 1) * p.x_w;
    last += (p.kh - 1) * p.tap_h + (p.kw - 1) * p.tap_w + p.c;
    if (last > ROOM)
        return;
    p.x = at_end(ends[0], x, last);
    p.act = round % 2 ? AOTK_ACT_NONE : AOTK_ACT_RELU;
    p.tasks = random_in(1, 3);
    check(&p, p.n * p.y_n + 32);
}

int main(void)
{
    static const int acts[] = { AOTK_ACT_NONE, AOTK_ACT_RELU, AOTK_ACT_CLAMP, AOTK_ACT_SILU, AOTK_ACT_GELU_ERF };
    for (int i = 0; i < ENDS; i++)
        ends[i] = buffer_end(ROOM);
    x = buffer(ROOM, 0);
    w = buffer(ROOM, 0);
    bias = buffer(ROOM, 0);
    residual = buffer(ROOM, 0);
    got = buffer(ROOM, 0);
    want = buffer(ROOM, 0);
    fill_whole(x, ROOM);
    fill_whole(w, ROOM);
    fill_whole(bias, ROOM);
    fill_whole(residual, ROOM);
    for (int round = 0; round < 1500; round++) {
        aotk_i64 stride = random_in(1, 2), dilation = random_in(1, 2), wide = random_in(0, 2);
        aotk_depthwise p = { .x = x + random_in(0, 3), .w = w + random_in(0, 3), .y = got + 16 };
        p.bias = round % 3 ? bias + 1 : NULL;
        p.residual = round % 4 ? NULL : residual + 2;
        int large = round % 500 == 0; /* for the L2 cache */
        p.n = large ? 1 : random_in(1, 2);
        p.oh = large ? random_in(68, 71) : random_in(1, 4);
        p.ow = large ? random_in(68, 71) : random_in(1, 19);
        p.c = large ? random_in(57, 61) : random_in(1, round % 3 ? 60 : 15);
        p.group = round % 2 ? 1 : 1 << random_in(1, 3);
        p.c = (p.c + p.group - 1) / p.group * p.group;
        stride = large ? 1 : stride;
        p.kh = random_in(1, 5);
        p.kw = random_in(1, 7);
        p.ldw = (p.c + 15) / 16 * 16;
        p.tap_w = dilation * (p.c + wide);
        p.x_w = stride * (p.c + wide);
        aotk_i64 line = ((p.ow - 1) * stride + (p.kw - 1) * dilation + 1) * (p.c + wide);
        p.tap_h = dilation * line;
        p.x_h = stride * line;
        p.x_n = 2 * line;
        p.y_w = p.c + random_in(0, 2);
        p.y_h = (p.ow + 1) * p.y_w;
        p.y_n = p.oh * p.y_h;
        p.r_w = p.c;
        p.r_h = p.ow * p.c;
        p.r_n = p.oh * p.r_h;
        if (round % 2) {
            aotk_i64 last = (p.n - 1) * p.x_n + (p.oh - 1) * p.x_h + (p.ow - 1) * p.x_w;
            p.x = at_end(ends[0], p.x, last + (p.kh - 1) * p.tap_h + (p.kw - 1) * p.tap_w + p.c);
            p.bias = p.bias ? at_end(ends[1], p.bias, p.c) : NULL;
            p.residual = p.residual ? at_end(ends[2], p.residual, p.n * p.r_n) : NULL;
        }
        p.act = acts[random_in(0, 4)];
        p.lo = -2;
        p.hi = 6;
        p.tasks = random_in(1, 4);
        check(&p, p.n * p.y_n + 32);
    }
    for (int round = 0; round < 400; round++)
        check_shared_sets(round);
    printf("depthwise: %d failures\n", failures);
    return failures != 0;
}
