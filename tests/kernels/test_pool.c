/* SPDX-License-Identifier: MIT */
/* aotk_pool_f32 against the definition, with clipping, dilation, ceil sizes and NaNs. */
#include "check.h"

enum { ROOM = 1 << 17 };

static float *x, *got, *want;

static aotk_i64 smaller(aotk_i64 a, aotk_i64 b) {
    return a < b ? a : b;
}

static float naive(const aotk_pool *p, aotk_i64 b, aotk_i64 oy, aotk_i64 ox, aotk_i64 c) {
    aotk_i64 y0 = oy * p->stride_h - p->pad_h, x0 = ox * p->stride_w - p->pad_w, count = 0;
    double sum = 0;
    float best = -INFINITY;
    for (aotk_i64 ky = 0; ky < p->kh; ky++) {
        for (aotk_i64 kx = 0; kx < p->kw; kx++) {
            aotk_i64 iy = y0 + ky * p->dil_h, ix = x0 + kx * p->dil_w;
            if (iy < 0 || iy >= p->h || ix < 0 || ix >= p->w) continue;
            float e = p->x[b * p->x_n + iy * p->x_h + ix * p->x_w + c];
            sum += (double)e;
            count++;
            if (e != e || e > best) best = best != best ? best : e;
        }
    }
    if (p->op == AOTK_POOL_MAX) return best;
    if (p->count_include_pad)
        count = (smaller(y0 + p->kh, p->h + p->pad_h) - y0) *
                (smaller(x0 + p->kw, p->w + p->pad_w) - x0);
    return (float)sum / (float)(p->divisor ? p->divisor : count);
}

static void check(aotk_pool *p, aotk_i64 size) {
    aotk_i64 tasks = p->tasks;
    fill_canary(want, size);
    for (aotk_i64 b = 0; b < p->n; b++)
        for (aotk_i64 oy = 0; oy < p->oh; oy++)
            for (aotk_i64 ox = 0; ox < p->ow; ox++)
                for (aotk_i64 c = 0; c < p->c; c++)
                    want[16 + b * p->y_n + oy * p->y_h + ox * p->y_w + c] = naive(p, b, oy, ox, c);
    for (int i = 0; i < LEVELS; i++) {
        if (aotk_cpu_level() < levels[i].needs) continue;
        fill_canary(got, size);
        for (p->task = 0; p->task < tasks; p->task++) levels[i].pool(p);
        for (aotk_i64 j = 0; j < size; j++) {
            if (same(want[j], got[j])) continue;
            FAIL("pool%s op %d %lldx%lldx%lld k %lldx%lld: [%lld] %g, not %g", levels[i].name,
                 p->op, p->h, p->w, p->c, p->kh, p->kw, j, (double)got[j], (double)want[j]);
            break;
        }
    }
}

int main(void) {
    float *end = buffer_end(ROOM);
    x = buffer(ROOM, 0);
    got = buffer(ROOM, 0);
    want = buffer(ROOM, 0);
    for (int round = 0; round < 1500; round++) {
        fill_whole(x, ROOM / 8);
        if (round % 4 == 0) {
            for (int i = 0; i < 200; i++) x[random_in(0, ROOM / 8 - 1)] = NAN;
        }
        aotk_i64 kh = random_in(1, 4), kw = random_in(1, 4), c = random_in(1, round % 3 ? 140 : 9);
        aotk_pool p = {
            .x = x + random_in(0, 3),
            .y = got + 16,
            .n = random_in(1, 2),
            .h = random_in(kh, 8),
            .w = random_in(kw, 8),
            .c = c,
            .kh = kh,
            .kw = kw,
            .stride_h = random_in(1, 3),
            .stride_w = random_in(1, 3),
            .pad_h = random_in(0, kh / 2),
            .pad_w = random_in(0, kw / 2),
            .dil_h = 1,
            .dil_w = 1,
            .op = round % 2,
            .count_include_pad = round % 3 == 0,
            .divisor = round % 5 ? 0 : random_in(1, 6),
            .tasks = random_in(1, 4),
        };
        if (p.op == AOTK_POOL_MAX && round % 4 == 2) {
            p.dil_h = p.h > (kh - 1) * 2 ? 2 : 1;
            p.dil_w = p.w > (kw - 1) * 2 ? 2 : 1;
        }
        aotk_i64 ceil = random_in(0, 1); /* one more output where it begins inside the image */
        p.oh =
            (p.h + 2 * p.pad_h - p.dil_h * (kh - 1) - 1 + ceil * (p.stride_h - 1)) / p.stride_h + 1;
        p.ow =
            (p.w + 2 * p.pad_w - p.dil_w * (kw - 1) - 1 + ceil * (p.stride_w - 1)) / p.stride_w + 1;
        if ((p.oh - 1) * p.stride_h >= p.h + p.pad_h) p.oh--;
        if ((p.ow - 1) * p.stride_w >= p.w + p.pad_w) p.ow--;
        p.x_w = c + random_in(0, 2);
        p.x_h = p.w * p.x_w + random_in(0, 5);
        p.x_n = p.h * p.x_h;
        p.y_w = c + random_in(0, 2);
        p.y_h = (p.ow + 1) * p.y_w;
        p.y_n = p.oh * p.y_h;
        aotk_i64 size = (p.n - 1) * p.x_n + (p.h - 1) * p.x_h + (p.w - 1) * p.x_w + c;
        if (round % 2) p.x = at_end(end, p.x, size);
        check(&p, p.n * p.y_n + 32);
    }
    printf("pool: %d failures\n", failures);
    return failures != 0;
}
