/* SPDX-License-Identifier: MIT */
/* aotk_attention_f32 against the formula: strides, masks, causality, one query and many, rows that see nothing. */
#include "check.h"

enum { ROOM = 1 << 19 };

static float *q, *k, *v, *mask, *work, *got;
static double *want;

static void naive(const aotk_attention *p, const aotk_i64 *b, aotk_i64 i, double *row)
{
    const float *qi = p->q + b[0] * p->q0 + b[1] * p->q1 + b[2] * p->q2 + i * p->q_l;
    const float *kb = p->k + b[0] * p->k0 + b[1] * p->k1 + b[2] * p->k2;
    const float *vb = p->v + b[0] * p->v0 + b[1] * p->v1 + b[2] * p->v2;
    double *score = malloc((size_t)(p->s + 1) * sizeof *score), most = -INFINITY, sum = 0;
    for (aotk_i64 s = 0; s < p->s; s++) {
        double x = 0;
        for (aotk_i64 e = 0; e < p->e; e++)
            x += (double)qi[e * p->q_e] * (double)kb[s * p->k_s + e * p->k_e];
        x *= (double)p->scale;
        x = p->cap != 0.0f ? (double)p->cap * tanh(x) : x;
        if (p->mask)
            x += (double)p->mask[b[0] * p->mask0 + b[1] * p->mask1 + b[2] * p->mask2 + i * p->mask_l + s * p->mask_s];
        score[s] = p->causal && s > i ? -INFINITY : x;
        most = score[s] > most ? score[s] : most;
    }
    for (aotk_i64 s = 0; s < p->s; s++) {
        score[s] = most == -INFINITY ? 0 : exp(score[s] - most);
        sum += score[s];
    }
    for (aotk_i64 j = 0; j < p->ev; j++) {
        row[j] = 0;
        for (aotk_i64 s = 0; s < p->s; s++)
            row[j] += score[s] * (double)vb[s * p->v_s + j * p->v_e];
        row[j] = sum != 0 ? row[j] / sum : p->zeros || p->s == 0 ? 0 : NAN;
    }
    free(score);
}

static void check(aotk_attention *p, aotk_i64 size)
{
    aotk_i64 tasks = p->tasks, b[3];
    float *first = malloc((size_t)size * sizeof *first);
    for (aotk_i64 i = 0; i < size; i++)
        want[i] = (double)canary;
    for (b[0] = 0; b[0] < p->n0; b[0]++)
        for (b[1] = 0; b[1] < p->n1; b[1]++)
            for (b[2] = 0; b[2] < p->n2; b[2]++)
                for (aotk_i64 i = 0; i < p->l; i++)
                    naive(p, b, i, want + 16 + b[0] * p->y0 + b[1] * p->y1 + b[2] * p->y2 + i * p->y_l);
    for (int n = 0; n < LEVELS; n++) {
        if (aotk_cpu_level() < levels[n].needs)
            continue;
        for (int split = 0; split < 2; split++) {
            p->tasks = split ? tasks : 1;
            fill_canary(got, size);
            for (p->task = 0; p->task < p->tasks; p->task++)
                levels[n].attention(p);
            if (!split)
                memcpy(first, got, (size_t)size * sizeof *first);
            else if (memcmp(first, got, (size_t)size * sizeof *first))
                FAIL("attention%s %lldx%lldx%lld: other bits in %lld tasks", levels[n].name, p->l, p->s, p->e, tasks);
        }
        p->tasks = tasks;
        for (aotk_i64 i = 0; i < size; i++) {
            double x = (double)got[i];
            if (fabs(want[i] - x) <= 1e-5 || (want[i] != want[i] && x != x))
                continue;
            FAIL("attention%s l %lld s %lld e %lld ev %lld causal %d mask %lld,%lld: [%lld] %g, not %g", levels[n].name,
                 p->l, p->s, p->e, p->ev, p->causal, p->mask ? p->mask_l : -1, p->mask ? p->mask_s : -1, i, x, want[i]);
            break;
        }
    }
    free(first);
}

/* Strides of [n0][n1][n2][rows][columns] in one of three orders of its axes, 0 where a batch repeats; its size. */
static aotk_i64 strides(const aotk_attention *p, aotk_i64 rows, aotk_i64 columns, aotk_i64 *batch, aotk_i64 *row,
                        aotk_i64 *column)
{
    aotk_i64 order = random_in(0, 3), gap = random_in(0, 3), dense = rows * columns + gap;
    *row = order == 1 ? 1 : columns + gap;
    *column = order == 1 ? rows + gap : 1;
    if (order == 1)
        dense = columns * (rows + gap);
    else
        dense = rows * (columns + gap);
    batch[2] = dense;
    batch[1] = p->n2 * batch[2];
    batch[0] = p->n1 * batch[1];
    if (order == 2) { /* the heads lie between rows and columns */
        batch[2] = columns + gap;
        *row = p->n2 * (columns + gap);
    }
    if (random_in(0, 3) == 0)
        batch[random_in(0, 2)] = 0;
    return p->n0 * p->n1 * p->n2 * dense;
}

static void round_of(int round)
{
    static const aotk_i64 few[] = { 1, 2, 3, 4, 16, 17, 63, 64, 65, 80 };
    aotk_i64 batch[3];
    aotk_attention p = { .q = q + random_in(0, 3),
                         .k = k + random_in(0, 3),
                         .v = v + random_in(0, 3),
                         .y = got + 16,
                         .work = work };
    p.n0 = random_in(1, 2);
    p.n1 = random_in(1, 2);
    p.n2 = random_in(1, 2);
    p.l = round % 3 ? few[random_in(0, 9)] : random_in(0, 90);
    p.s = round % 4 ? random_in(1, 70) : random_in(0, 600);
    p.e = round % 5 ? 16 * random_in(1, 3) : random_in(0, 40);
    p.ev = round % 7 < 4 ? 16 * random_in(1, 6) : random_in(1, 70);
    strides(&p, p.l, p.e, batch, &p.q_l, &p.q_e);
    p.q0 = batch[0], p.q1 = batch[1], p.q2 = batch[2];
    strides(&p, p.s, p.e, batch, &p.k_s, &p.k_e);
    p.k0 = batch[0], p.k1 = batch[1], p.k2 = batch[2];
    strides(&p, p.s, p.ev, batch, &p.v_s, &p.v_e);
    p.v0 = batch[0], p.v1 = batch[1], p.v2 = batch[2];
    if (round % 2) {
        p.mask = mask + random_in(0, 3);
        strides(&p, p.l, p.s, batch, &p.mask_l, &p.mask_s);
        p.mask0 = batch[0], p.mask1 = batch[1], p.mask2 = batch[2];
        if (round % 8 == 1)
            p.mask_l = 0;
    }
    p.y_l = p.ev + random_in(0, 2);
    p.y2 = (p.l + 1) * p.y_l;
    p.y1 = p.n2 * p.y2;
    p.y0 = p.n1 * p.y1;
    p.scale = (float)random_in(1, 8) / 8;
    p.cap = round % 9 < 4 ? (float)random_in(1, 6) / 2 : 0;
    p.causal = round % 6 == 0;
    p.zeros = round % 11 < 6;
    p.tasks = random_in(1, 7);
    check(&p, p.n0 * p.y0 + 32);
}

int main(void)
{
    const aotk_attention most = { .l = 90, .s = 600, .e = 48, .ev = 96, .v_e = 2 };
    q = buffer(ROOM, 0);
    k = buffer(ROOM, 0);
    v = buffer(ROOM, 0);
    mask = buffer(ROOM, 0);
    got = buffer(ROOM, 0);
    work = buffer(aotk_attention_work(&most), 0);
    want = malloc(ROOM * sizeof *want);
    fill_unit(q, ROOM);
    fill_unit(k, ROOM);
    fill_unit(v, ROOM);
    for (aotk_i64 i = 0; i < ROOM; i++) /* long runs of -inf, so that some queries see nothing */
        mask[i] = i / 97 % 3 == 0 || random_in(0, 3) == 0 ? -INFINITY : (float)random_in(-8, 8) / 4;
    for (int round = 0; round < 400; round++)
        round_of(round);
    printf("attention: %d failures\n", failures);
    return failures != 0;
}
