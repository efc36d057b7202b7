/* SPDX-License-Identifier: MIT */
/* Fourier transforms of rows of complex numbers, of any length, computed in double precision.
 *
 * A length is split into its prime factors, four first. A row is transformed by recursion: the
 * elements of each residue, then for each index the small transform that joins them. A length with
 * a large prime factor becomes a convolution with a chirp (Bluestein), which two transforms of a
 * power of two compute. Roots of unity come from one table a transform. */
#include "aotk.h"

typedef struct aotk_cd {
    double re, im;
} aotk_cd;

enum { AOTK_FFT_PRIME = 61 };  /* the greatest factor that is joined directly */

static aotk_cd aotk_cmul(aotk_cd a, aotk_cd b) {
    return (aotk_cd){ a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re };
}

/* exp(2 pi i k / n), 0 <= k < n: by octants, so that the series has a small argument. */
static aotk_cd aotk_unit_root(aotk_i64 k, aotk_i64 n) {
    aotk_i64 quarter = 4 * k / n, rest = 4 * k - quarter * n; /* rest / n of a quarter turn */
    int swap = 2 * rest > n;
    double x = 1.57079632679489661923 * (double)(swap ? n - rest : rest) / (double)n, z = x * x;
    double s = 1.0, c = 1.0;
    for (int i = 18; i > 0; i -= 2) {
        s = 1.0 - s * z / (double)(i * (i + 1));
        c = 1.0 - c * z / (double)(i * (i - 1));
    }
    s *= x;
    aotk_cd r = swap ? (aotk_cd){ s, c } : (aotk_cd){ c, s };
    switch (quarter) {
        case 0: return r;
        case 1: return (aotk_cd){ -r.im, r.re };
        case 2: return (aotk_cd){ -r.re, -r.im };
        default: return (aotk_cd){ r.im, -r.re };
    }
}

static int aotk_fft_factor(aotk_i64 n) {
    if (n % 4 == 0) return 4;
    for (int p = 2; p <= AOTK_FFT_PRIME; p++)
        if (n % p == 0) return p;
    return 0;
}

static int aotk_fft_smooth(aotk_i64 n) {
    for (int p; n > 1; n /= p)
        if (!(p = aotk_fft_factor(n))) return 0;
    return 1;
}

/* y = transform of x[0], x[step], ...; root[k * turn] = exp(+-2 pi i k / n). */
static void aotk_fft_run(const aotk_cd *x, aotk_i64 step, aotk_cd *y, aotk_i64 n, const aotk_cd *root,
                         aotk_i64 turn) {
    if (n == 1) {
        y[0] = x[0];
        return;
    }
    const aotk_i64 p = aotk_fft_factor(n), m = n / p;
    for (aotk_i64 q = 0; q < p; q++) aotk_fft_run(x + q * step, step * p, y + q * m, m, root, turn * p);
    aotk_cd t[AOTK_FFT_PRIME];
    for (aotk_i64 k = 0; k < m; k++) {
        for (aotk_i64 q = 0; q < p; q++) t[q] = aotk_cmul(y[q * m + k], root[q * k * turn]);
        for (aotk_i64 r = 0; r < p; r++) {
            aotk_cd sum = t[0];
            aotk_i64 at = 0; /* q r m modulo n */
            for (aotk_i64 q = 1; q < p; q++) {
                at = at + r * m < n ? at + r * m : at + r * m - n;
                aotk_cd z = aotk_cmul(t[q], root[at * turn]);
                sum.re += z.re;
                sum.im += z.im;
            }
            y[r * m + k] = sum;
        }
    }
}

static void aotk_fft_table(aotk_cd *root, aotk_i64 n, int backward) {
    for (aotk_i64 k = 0; k < n; k++) {
        root[k] = aotk_unit_root(k, n);
        if (!backward) root[k].im = -root[k].im;
    }
}

/* What a transform of length n needs: 2 n numbers for a row and its result, then the roots; or,
 * with a length m of the convolution, chirp, its transform, a row, its result, roots. */
typedef struct aotk_fft_plan {
    aotk_i64 n, m;
    aotk_cd *x, *y, *root, *chirp, *filter, *a, *b;
} aotk_fft_plan;

static aotk_fft_plan aotk_fft_make(aotk_i64 n, int backward, void *work) {
    aotk_fft_plan p = { .n = n, .x = work, .y = (aotk_cd *)work + n, .root = (aotk_cd *)work + 2 * n };
    if (aotk_fft_smooth(n)) {
        aotk_fft_table(p.root, n, backward);
        return p;
    }
    for (p.m = 1; p.m < 2 * n - 1;) p.m *= 2;
    p.chirp = p.root + p.m;
    p.filter = p.chirp + n;
    p.a = p.filter + p.m;
    p.b = p.a + p.m;
    aotk_fft_table(p.root, p.m, 0);
    for (aotk_i64 k = 0; k < n; k++) {
        p.chirp[k] = aotk_unit_root(k * k % (2 * n), 2 * n);
        if (backward) p.chirp[k].im = -p.chirp[k].im;
    }
    for (aotk_i64 k = 0; k < p.m; k++) {
        aotk_i64 d = k < n ? k : p.m - k;
        p.a[k] = d < n ? p.chirp[d] : (aotk_cd){ 0, 0 };
    }
    aotk_fft_run(p.a, 1, p.filter, p.m, p.root, 1);
    return p;
}

/* From p->x to p->y. */
static void aotk_fft_row(const aotk_fft_plan *p) {
    if (!p->m) {
        aotk_fft_run(p->x, 1, p->y, p->n, p->root, 1);
        return;
    }
    for (aotk_i64 k = 0; k < p->m; k++) {
        aotk_cd w = { 0, 0 };
        if (k < p->n) w = aotk_cmul(p->x[k], (aotk_cd){ p->chirp[k].re, -p->chirp[k].im });
        p->a[k] = w;
    }
    aotk_fft_run(p->a, 1, p->b, p->m, p->root, 1);
    for (aotk_i64 k = 0; k < p->m; k++) { /* conjugated: the way back is a way forth */
        aotk_cd z = aotk_cmul(p->b[k], p->filter[k]);
        p->a[k] = (aotk_cd){ z.re, -z.im };
    }
    aotk_fft_run(p->a, 1, p->b, p->m, p->root, 1);
    const double scale = 1.0 / (double)p->m;
    for (aotk_i64 k = 0; k < p->n; k++) {
        aotk_cd z = { p->b[k].re * scale, -p->b[k].im * scale };
        p->y[k] = aotk_cmul(z, (aotk_cd){ p->chirp[k].re, -p->chirp[k].im });
    }
}

static double aotk_fft_get(const aotk_operand *a, aotk_i64 i) {
    return a->dtype == AOTK_f64 ? ((const double *)a->data)[i] : (double)((const float *)a->data)[i];
}

static void aotk_fft_put(const aotk_result *a, aotk_i64 i, double v) {
    if (a->dtype == AOTK_f64)
        ((double *)a->data)[i] = v;
    else
        ((float *)a->data)[i] = (float)v;
}

static aotk_i64 aotk_fft_rows(const aotk_operand *a) {
    aotk_i64 rows = 1;
    for (int i = 0; i + 2 < a->rank; i++) rows *= a->n[i];
    return rows;
}

/* in[0] and out[0]: pairs along the last axis, transformed along the one before it; attr[0]: with
 * the positive exponent. */
AOTK_API const char *AOTK_NAME(aotk_fft)(const aotk_routine *p) {
    const aotk_operand *in = &p->in[0];
    const aotk_i64 n = in->n[in->rank - 2], rows = aotk_fft_rows(in);
    const aotk_i64 begin = aotk_first_row(p, rows, p->task), end = aotk_first_row(p, rows, p->task + 1);
    if (n == 0 || begin == end) return 0;
    const aotk_fft_plan plan = aotk_fft_make(n, p->attr[0] != 0, p->work);
    for (aotk_i64 r = begin; r < end; r++) {
        for (aotk_i64 k = 0; k < n; k++)
            plan.x[k] = (aotk_cd){ aotk_fft_get(in, 2 * (r * n + k)), aotk_fft_get(in, 2 * (r * n + k) + 1) };
        aotk_fft_row(&plan);
        for (aotk_i64 k = 0; k < n; k++) {
            aotk_fft_put(&p->out[0], 2 * (r * n + k), plan.y[k].re);
            aotk_fft_put(&p->out[0], 2 * (r * n + k) + 1, plan.y[k].im);
        }
    }
    return 0;
}

/* in[0]: pairs, the first half of rows that are symmetric up to conjugation; out[0]: what they are
 * the transform of, times the length; attr[0]: the length. Frequencies that are left out are 0. */
AOTK_API const char *AOTK_NAME(aotk_fft_real)(const aotk_routine *p) {
    const aotk_operand *in = &p->in[0];
    const aotk_i64 n = p->attr[0], half = in->n[in->rank - 2], rows = aotk_fft_rows(in);
    const aotk_i64 begin = aotk_first_row(p, rows, p->task), end = aotk_first_row(p, rows, p->task + 1);
    if (n == 0 || begin == end) return 0;
    const aotk_fft_plan plan = aotk_fft_make(n, 1, p->work);
    for (aotk_i64 r = begin; r < end; r++) {
        for (aotk_i64 k = 0; k <= n / 2; k++) {
            aotk_cd z = { 0, 0 };
            if (k < half)
                z = (aotk_cd){ aotk_fft_get(in, 2 * (r * half + k)), aotk_fft_get(in, 2 * (r * half + k) + 1) };
            if (k == 0 || 2 * k == n) z.im = 0;
            plan.x[k] = z;
            if (k) plan.x[n - k] = (aotk_cd){ z.re, -z.im };
        }
        aotk_fft_row(&plan);
        for (aotk_i64 k = 0; k < n; k++) aotk_fft_put(&p->out[0], r * n + k, plan.y[k].re);
    }
    return 0;
}
