/* SPDX-License-Identifier: MIT */
/* Eigenvalues and eigenvectors of real matrices: to Hessenberg form by reflections, to the real
 * Schur form by QR steps with double shifts, then back substitution (after EISPACK's orthes, hqr2). */
#include "dense.h"

enum { AOTK_QR_STEPS = 300 }; /* for one eigenvalue */

/* a becomes upper Hessenberg, v what transforms it. */
static void aotk_hessenberg(double *a, double *v, double *u, aotk_i64 n) {
    for (aotk_i64 i = 0; i < n * n; i++) v[i] = i / n == i % n;
    for (aotk_i64 m = 1; m + 1 < n; m++) {
        double below = 0;
        for (aotk_i64 i = m + 1; i < n; i++) below += a[i * n + m - 1] * a[i * n + m - 1];
        if (below == 0) continue;
        const double d = a[m * n + m - 1], size = aotk_sqrt(d * d + below), beta = d >= 0 ? -size : size;
        for (aotk_i64 i = m; i < n; i++) u[i] = a[i * n + m - 1];
        u[m] -= beta;
        const double scale = 2 / (u[m] * u[m] + below);
        for (aotk_i64 j = 0; j < n; j++) { /* from the left */
            double w = 0;
            for (aotk_i64 i = m; i < n; i++) w += u[i] * a[i * n + j];
            for (aotk_i64 i = m; i < n; i++) a[i * n + j] -= scale * w * u[i];
        }
        for (aotk_i64 r = 0; r < 2; r++) /* a and v from the right */
            for (aotk_i64 i = 0; i < n; i++) {
                double *row = (r ? v : a) + i * n, w = 0;
                for (aotk_i64 j = m; j < n; j++) w += u[j] * row[j];
                for (aotk_i64 j = m; j < n; j++) row[j] -= scale * w * u[j];
            }
        for (aotk_i64 i = m + 1; i < n; i++) a[i * n + m - 1] = 0;
    }
}

/* The block of two that ends at n1 is made upper triangular where its eigenvalues are real. */
static void aotk_schur_pair(double *h, double *v, aotk_i64 n, aotk_i64 n1, double *re, double *im) {
    const aotk_i64 n0 = n1 - 1;
    const double w = h[n1 * n + n0] * h[n0 * n + n1], x = h[n1 * n + n1];
    double p = (h[n0 * n + n0] - x) / 2, q = p * p + w, z = aotk_sqrt(aotk_abs(q));
    if (q < 0) {
        re[n0] = re[n1] = x + p;
        im[n0] = z;
        im[n1] = -z;
        return;
    }
    z = p >= 0 ? p + z : p - z;
    re[n0] = x + z;
    re[n1] = z != 0 ? x - w / z : re[n0];
    im[n0] = im[n1] = 0;
    const double s0 = h[n1 * n + n0], r = aotk_sqrt(s0 * s0 + z * z), s = s0 / r, c = z / r;
    if (r == 0) return;
    for (aotk_i64 j = n0; j < n; j++) {
        const double a = h[n0 * n + j], b = h[n1 * n + j];
        h[n0 * n + j] = c * a + s * b;
        h[n1 * n + j] = c * b - s * a;
    }
    for (aotk_i64 k = 0; k < 2; k++)
        for (aotk_i64 i = 0; i < (k ? n : n1 + 1); i++) {
            double *row = (k ? v : h) + i * n;
            const double a = row[n0], b = row[n1];
            row[n0] = c * a + s * b;
            row[n1] = c * b - s * a;
        }
    h[n1 * n + n0] = 0;
}

/* One double QR step on rows l .. n1 with the shifts x, y, w. */
static void aotk_schur_step(double *h, double *v, aotk_i64 n, aotk_i64 l, aotk_i64 n1, double x, double y, double w) {
    aotk_i64 m = n1 - 2;
    double p = 0, q = 0, r = 0;
    for (;; m--) { /* two small elements in a row end the step above */
        const double z = h[m * n + m], a = x - z, b = y - z;
        p = (a * b - w) / h[(m + 1) * n + m] + h[m * n + m + 1];
        q = h[(m + 1) * n + m + 1] - z - a - b;
        r = h[(m + 2) * n + m + 1];
        const double s = aotk_abs(p) + aotk_abs(q) + aotk_abs(r);
        p /= s;
        q /= s;
        r /= s;
        if (m == l) break;
        const double low = aotk_abs(h[m * n + m - 1]) * (aotk_abs(q) + aotk_abs(r));
        const double high = aotk_abs(p) * (aotk_abs(h[(m - 1) * n + m - 1]) + aotk_abs(z) + aotk_abs(h[(m + 1) * n + m + 1]));
        if (low < 2.3e-16 * high) break;
    }
    for (aotk_i64 i = m + 2; i <= n1; i++) {
        h[i * n + i - 2] = 0;
        if (i > m + 2) h[i * n + i - 3] = 0;
    }
    for (aotk_i64 k = m; k < n1; k++) {
        const int three = k + 1 < n1;
        double scale = 1;
        if (k != m) {
            p = h[k * n + k - 1];
            q = h[(k + 1) * n + k - 1];
            r = three ? h[(k + 2) * n + k - 1] : 0;
            scale = aotk_abs(p) + aotk_abs(q) + aotk_abs(r);
            if (scale == 0) continue;
            p /= scale;
            q /= scale;
            r /= scale;
        }
        double s = aotk_sqrt(p * p + q * q + r * r);
        s = p < 0 ? -s : s;
        if (s == 0) continue;
        if (k != m)
            h[k * n + k - 1] = -s * scale;
        else if (l != m)
            h[k * n + k - 1] = -h[k * n + k - 1];
        p += s;
        const double ux = p / s, uy = q / s, uz = r / s;
        q /= p;
        r /= p;
        for (aotk_i64 j = k; j < n; j++) {
            double t = h[k * n + j] + q * h[(k + 1) * n + j] + (three ? r * h[(k + 2) * n + j] : 0);
            h[k * n + j] -= t * ux;
            h[(k + 1) * n + j] -= t * uy;
            if (three) h[(k + 2) * n + j] -= t * uz;
        }
        const aotk_i64 end = n1 < k + 3 ? n1 : k + 3;
        for (aotk_i64 c = 0; c < 2; c++)
            for (aotk_i64 i = 0; i < (c ? n : end + 1); i++) {
                double *row = (c ? v : h) + i * n;
                double t = ux * row[k] + uy * row[k + 1] + (three ? uz * row[k + 2] : 0);
                row[k] -= t;
                row[k + 1] -= t * q;
                if (three) row[k + 2] -= t * r;
            }
    }
}

/* h in Hessenberg form becomes quasi-triangular; false: no convergence. */
static int aotk_schur(double *h, double *v, aotk_i64 n, double *re, double *im) {
    double norm = 0, shift = 0;
    for (aotk_i64 i = 0; i < n; i++)
        for (aotk_i64 j = i > 0 ? i - 1 : 0; j < n; j++) norm += aotk_abs(h[i * n + j]);
    int steps = 0;
    for (aotk_i64 n1 = n - 1; n1 >= 0;) {
        aotk_i64 l = n1;
        for (; l > 0; l--) {
            double s = aotk_abs(h[(l - 1) * n + l - 1]) + aotk_abs(h[l * n + l]);
            s = s == 0 ? norm : s;
            if (aotk_abs(h[l * n + l - 1]) < 2.3e-16 * s || s == 0) break;
        }
        if (l == n1) {
            h[n1 * n + n1] += shift;
            re[n1] = h[n1 * n + n1];
            im[n1] = 0;
            n1--;
            steps = 0;
            continue;
        }
        if (l == n1 - 1) {
            h[n1 * n + n1] += shift;
            h[(n1 - 1) * n + n1 - 1] += shift;
            aotk_schur_pair(h, v, n, n1, re, im);
            n1 -= 2;
            steps = 0;
            continue;
        }
        double x = h[n1 * n + n1], y = h[(n1 - 1) * n + n1 - 1], w = h[n1 * n + n1 - 1] * h[(n1 - 1) * n + n1];
        if (steps && steps % 10 == 0) { /* an exceptional shift */
            shift += x;
            for (aotk_i64 i = 0; i <= n1; i++) h[i * n + i] -= x;
            const double s = aotk_abs(h[n1 * n + n1 - 1]) + aotk_abs(h[(n1 - 1) * n + n1 - 2]);
            x = y = 0.75 * s;
            w = -0.4375 * s * s;
        }
        if (++steps > AOTK_QR_STEPS) return 0;
        aotk_schur_step(h, v, n, l, n1, x, y, w);
    }
    return 1;
}

typedef struct aotk_c2 {
    double re, im;
} aotk_c2;

static aotk_c2 aotk_cdiv(double xr, double xi, double yr, double yi) {
    if (aotk_abs(yr) > aotk_abs(yi)) {
        const double r = yi / yr, d = yr + r * yi;
        return (aotk_c2){ (xr + r * xi) / d, (xi - r * xr) / d };
    }
    const double r = yr / yi, d = yi + r * yr;
    return (aotk_c2){ (r * xr + xi) / d, (r * xi - xr) / d };
}

/* The eigenvector of eigenvalue e of the quasi-triangular h, into x (real parts, imaginary parts):
 * it solves (h - lambda) x = 0 upwards from a one; a conjugate pair's first value has im > 0. */
static void aotk_eigenvector(const double *h, aotk_i64 n, const double *re, const double *im, aotk_i64 e, double norm,
                             aotk_c2 *x) {
    const double tiny = 2.3e-16 * norm > 0 ? 2.3e-16 * norm : 2.3e-308;
    aotk_i64 top = e;
    for (aotk_i64 i = 0; i < n; i++) x[i] = (aotk_c2){ 0, 0 };
    x[e] = (aotk_c2){ 1, 0 };
    if (im[e] > 0) { /* rows e, e + 1 are the block: h[e+1][e] x[e] = (lambda - h[e+1][e+1]) x[e+1] */
        x[e + 1] = (aotk_c2){ 1, 0 };
        x[e] = aotk_cdiv(re[e] - h[(e + 1) * n + e + 1], im[e], h[(e + 1) * n + e], 0);
        top = e + 1;
    }
    for (aotk_i64 i = e; i-- > 0;) {
        const int block = i > 0 && im[i] < 0; /* rows i - 1, i */
        aotk_c2 b[2] = { { 0, 0 }, { 0, 0 } };
        for (int k = 0; k <= block; k++)
            for (aotk_i64 j = i + 1; j <= top; j++) {
                b[k].re -= h[(i - k) * n + j] * x[j].re;
                b[k].im -= h[(i - k) * n + j] * x[j].im;
            }
        const double dr = h[i * n + i] - re[e], di = -im[e];
        if (!block) {
            const int zero = aotk_abs(dr) + aotk_abs(di) < tiny;
            x[i] = aotk_cdiv(b[0].re, b[0].im, zero ? tiny : dr, zero ? 0 : di);
            continue;
        }
        const double cr = h[(i - 1) * n + i - 1] - re[e], up = h[(i - 1) * n + i], down = h[i * n + i - 1];
        /* (c, up; down, d) (x[i-1], x[i]) = (b[1], b[0]); both diagonals have the imaginary part di */
        double det_re = cr * dr - di * di - up * down, det_im = (cr + dr) * di;
        if (aotk_abs(det_re) + aotk_abs(det_im) < tiny * tiny) det_re = tiny * tiny, det_im = 0;
        const aotk_c2 u = { dr * b[1].re - di * b[1].im - up * b[0].re, dr * b[1].im + di * b[1].re - up * b[0].im };
        const aotk_c2 w = { cr * b[0].re - di * b[0].im - down * b[1].re, cr * b[0].im + di * b[0].re - down * b[1].im };
        x[i - 1] = aotk_cdiv(u.re, u.im, det_re, det_im);
        x[i] = aotk_cdiv(w.re, w.im, det_re, det_im);
        i--;
    }
}

/* in[0] a: out[0] pairs, its eigenvalues, out[1] pairs, its eigenvectors as columns of length 1. */
AOTK_API const char *AOTK_NAME(aotk_eig)(const aotk_routine *p) {
    const aotk_operand *in = &p->in[0];
    const aotk_i64 n = in->n[in->rank - 1];
    double *a = p->work, *v = a + n * n, *re = v + n * n, *im = re + n, *u = im + n;
    aotk_c2 *x = (aotk_c2 *)(u + n);
    for (aotk_i64 b = 0; b < aotk_matrices(in); b++) {
        double norm = 0;
        aotk_load_matrix(a, in, b, n * n);
        for (aotk_i64 i = 0; i < n * n; i++) norm += aotk_abs(a[i]);
        if (!(norm < 1e300)) return "the matrix holds infinities or NaN";
        aotk_hessenberg(a, v, u, n);
        if (!aotk_schur(a, v, n, re, im)) return "the eigenvalues do not converge";
        for (aotk_i64 e = 0; e < n; e++) {
            aotk_put(&p->out[0], 2 * (b * n + e), re[e]);
            aotk_put(&p->out[0], 2 * (b * n + e) + 1, im[e]);
            if (im[e] >= 0) aotk_eigenvector(a, n, re, im, e, norm, x);
            double size = 0;
            const double sign = im[e] < 0 ? -1 : 1; /* the second of a pair: x is that of the first */
            for (int pass = 0; pass < 2; pass++)
                for (aotk_i64 i = 0; i < n; i++) {
                    aotk_c2 y = { 0, 0 };
                    for (aotk_i64 j = 0; j < n; j++) {
                        y.re += v[i * n + j] * x[j].re;
                        y.im += v[i * n + j] * x[j].im;
                    }
                    size += pass ? 0 : y.re * y.re + y.im * y.im;
                    if (!pass) continue;
                    aotk_put(&p->out[1], 2 * (b * n * n + i * n + e), y.re / aotk_sqrt(size));
                    aotk_put(&p->out[1], 2 * (b * n * n + i * n + e) + 1, sign * y.im / aotk_sqrt(size));
                }
        }
    }
    return 0;
}
