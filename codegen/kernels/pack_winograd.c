/* SPDX-License-Identifier: MIT */
/* Packing of 3x3 filters, and of volumes' d x 3 x 3, for aotk_winograd_f32; by the compiler only, an artifact has them packed. */
#include "aotk.h"

/* G of F(4x4, 3x3) for the points 0, +-a, +-b and infinity, a = 11/16 and b = 3/2: a point p has the row (1, p, p^2)
 * over the product of its distances to the others. G of F(2x2, 3x3). */
#define A2 (121.0 / 256)
#define B2 2.25
#define ROW(p, n) {1 / (n), (p) / (n), (p) * (p) / (n)}
static const double aotk_g4[6][3] = {ROW(0, A2 * B2),
                                     ROW(0.6875, 2 * A2 * (A2 - B2)),
                                     ROW(-0.6875, 2 * A2 * (A2 - B2)),
                                     ROW(1.5, 2 * B2 * (B2 - A2)),
                                     ROW(-1.5, 2 * B2 * (B2 - A2)),
                                     {0, 0, 1}};
static const double aotk_g2[4][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};

/* u[e] = G w G', e < (tile + 2)^2. */
static void aotk_winograd_filter(double *u, const float *w, aotk_i64 tile, aotk_i64 s_h, aotk_i64 s_w) {
    const double(*g)[3] = tile == 4 ? aotk_g4 : aotk_g2;
    double half[6][3];
    for (int i = 0; i < tile + 2; i++) {
        for (int x = 0; x < 3; x++) {
            half[i][x] = g[i][0] * (double)w[x * s_w] + g[i][1] * (double)w[s_h + x * s_w] +
                         g[i][2] * (double)w[2 * s_h + x * s_w];
        }
    }
    for (int i = 0; i < tile + 2; i++) {
        for (int j = 0; j < tile + 2; j++) {
            *u++ = half[i][0] * g[j][0] + half[i][1] * g[j][1] + half[i][2] * g[j][2];
        }
    }
}

AOTK_API void AOTK_NAME(aotk_pack_winograd_f32)(float *dst, const float *src, aotk_i64 tile, aotk_i64 n,
                                                aotk_i64 planes, aotk_i64 cin, aotk_i64 s_n, aotk_i64 s_c,
                                                aotk_i64 s_d, aotk_i64 s_h, aotk_i64 s_w) {
    aotk_i64 depth = planes * cin, nr = aotk_panel_nr(depth, n, 0), all = (tile + 2) * (tile + 2);
    for (aotk_i64 j = 0; j < n; j++) {
        aotk_i64 col = j / nr * nr, width = n - col < nr ? n - col : nr;
        for (aotk_i64 i = 0; i < depth; i++) {
            double u[36];
            float *to = dst + col * depth * all + i * width + (j - col);
            aotk_winograd_filter(u, src + j * s_n + i % cin * s_c + i / cin * s_d, tile, s_h, s_w);
            for (aotk_i64 e = 0; e < all; e++) to[e * depth * width] = (float)u[e];
        }
    }
}
