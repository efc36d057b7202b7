/* SPDX-License-Identifier: MIT */
/* The routines over matrices: what their results must multiply to, for all small sizes; work space is as large as
 * compiler/graph/routine_linear.c says and not a byte larger, for sanitizers to see. */
#define AOTK_STATIC
#include "linear.c"
#include "orthogonal.c"
#include "eigen.c"
#include "fft.c"
#include "rt.c"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static int failures;
static unsigned long long seed = 1;

static double number(void)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (double)(seed >> 11) / 4503599627370496.0 - 1;
}

static double *array(aotk_i64 n)
{
    double *x = malloc((size_t)(n ? n : 1) * sizeof *x);
    for (aotk_i64 i = 0; i < n; i++)
        x[i] = number();
    return x;
}

static aotk_operand in(const void *data, aotk_i64 m, aotk_i64 n)
{
    return (aotk_operand){ data, { m, n }, 2, AOTK_f64 };
}

static aotk_result out(void *data, aotk_i64 m, aotk_i64 n)
{
    return (aotk_result){ data, { m, n }, 2, AOTK_f64 };
}

/* The routine with as many numbers of work space as the compiler gives it. */
static const char *run(const char *(*routine)(const aotk_routine *p), aotk_routine *p, aotk_i64 room)
{
    double *work = array(room);
    p->work = work;
    const char *bad = routine(p);
    free(work);
    return bad;
}

/* c[m][n] = a[m][k] b[k][n]; ta, tb: transposed as they lie. */
static double *product(const double *a, const double *b, aotk_i64 m, aotk_i64 k, aotk_i64 n, int ta, int tb)
{
    double *c = array(m * n);
    for (aotk_i64 i = 0; i < m; i++)
        for (aotk_i64 j = 0; j < n; j++) {
            c[i * n + j] = 0;
            for (aotk_i64 l = 0; l < k; l++)
                c[i * n + j] += (ta ? a[l * m + i] : a[i * k + l]) * (tb ? b[j * k + l] : b[l * n + j]);
        }
    return c;
}

static void close_to(const char *what, const double *got, const double *want, aotk_i64 count, aotk_i64 m, aotk_i64 n)
{
    for (aotk_i64 i = 0; i < count; i++)
        if (!(fabs(got[i] - want[i]) <= 1e-9 * (1 + fabs(want[i])))) {
            printf("%s %lldx%lld: [%lld] %g, not %g\n", what, m, n, i, got[i], want[i]);
            failures++;
            return;
        }
}

static void orthogonal(const char *what, const double *q, aotk_i64 m, aotk_i64 n)
{
    double *qq = product(q, q, n, m, n, 1, 0), *one = array(n * n);
    for (aotk_i64 i = 0; i < n * n; i++)
        one[i] = i / n == i % n;
    close_to(what, qq, one, n * n, m, n);
    free(qq);
    free(one);
}

static void check_svd(const double *a, aotk_i64 m, aotk_i64 n, int full)
{
    aotk_i64 k = m < n ? m : n, wide = m < n ? n : m, uc = full ? m : k, vr = full ? n : k;
    double *u = array(m * uc), *s = array(k), *v = array(vr * n), *work = array((full ? wide : k) * wide + k * k + k);
    aotk_routine p = { .in = { in(a, m, n) }, .out = { out(u, m, uc), out(s, 1, k), out(v, vr, n) }, .work = work, .attr = { full } };
    aotk_svd(&p);
    double *us = array(m * k), *vk = array(k * n);
    for (aotk_i64 i = 0; i < m * k; i++)
        us[i] = u[i / k * uc + i % k] * s[i % k];
    for (aotk_i64 i = 0; i < k * n; i++)
        vk[i] = v[i];
    double *r = product(us, vk, m, k, n, 0, 0), *vt = array(n * vr);
    for (aotk_i64 i = 0; i < n * vr; i++)
        vt[i] = v[i % vr * n + i / vr];
    close_to("svd", r, a, m * n, m, n);
    orthogonal("svd U", u, m, uc);
    orthogonal("svd V", vt, n, vr);
    for (aotk_i64 i = 1; i < k; i++)
        failures += s[i] > s[i - 1];
    free(u), free(s), free(v), free(work), free(us), free(vk), free(r), free(vt);
}

static void check_qr(const double *a, aotk_i64 m, aotk_i64 n)
{
    aotk_i64 k = m < n ? m : n;
    double *h = array(m * n), *tau = array(k), *work = array(m * n), *hk = array(m * k), *q = array(m * k), *r = array(k * n);
    aotk_routine p = { .in = { in(a, m, n) }, .out = { out(h, m, n), out(tau, 1, k) }, .work = work };
    aotk_householder(&p);
    for (aotk_i64 i = 0; i < m * k; i++)
        hk[i] = h[i / k * n + i % k];
    for (aotk_i64 i = 0; i < k * n; i++)
        r[i] = i / n <= i % n ? h[i] : 0;
    free(work);
    work = array(2 * m * k);
    p = (aotk_routine){ .in = { in(hk, m, k), in(tau, 1, k) }, .out = { out(q, m, k) }, .work = work };
    aotk_reflections(&p);
    double *qr = product(q, r, m, k, n, 0, 0);
    close_to("qr", qr, a, m * n, m, n);
    orthogonal("qr Q", q, m, k);
    free(h), free(tau), free(work), free(hk), free(q), free(r), free(qr);
}

static void check_square(const double *a, aotk_i64 n)
{
    aotk_i64 k = 3;
    aotk_i32 info[1], *pivots = malloc((size_t)n * 4 + 4);
    double *b = array(n * k), *x = array(n * k), *f = array(n * n), *sym = array(n * n);
    double *w = array(2 * n), *v = array(2 * n * n);
    aotk_routine p = { .in = { in(a, n, n), in(b, n, k) }, .out = { out(x, n, k), { .data = info } } };
    run(aotk_solve, &p, n * n + n * k + n);
    double *ax = product(a, x, n, n, k, 0, 0);
    if (!*info)
        close_to("solve", ax, b, n * k, n, k);
    p = (aotk_routine){ .in = { in(a, n, n) }, .out = { out(f, n, n), { .data = pivots }, { .data = info } }, .attr = { 1 } };
    run(aotk_lu, &p, n * n);
    for (int turn = 0; turn < 2 && !*info; turn++) {
        p = (aotk_routine){ .in = { in(f, n, n), { .data = pivots }, in(b, n, k) }, .out = { out(x, n, k) }, .attr = { turn } };
        run(aotk_lu_solve, &p, n * n + n * k + n);
        double *ay = product(a, x, n, n, k, turn, 0);
        close_to("lu_solve", ay, b, n * k, n, k);
        free(ay);
    }
    for (aotk_i64 i = 0; i < n * n; i++)
        sym[i] = a[i] + a[i % n * n + i / n];
    p = (aotk_routine){ .in = { in(sym, n, n) }, .out = { out(f, n, n), { .data = pivots }, { .data = info } } };
    run(aotk_ldl, &p, n * n);
    p = (aotk_routine){ .in = { in(f, n, n), { .data = pivots }, in(b, n, k) }, .out = { out(x, n, k) } };
    if (run(aotk_ldl_solve, &p, n * n + n * k + n))
        failures++, printf("ldl_solve refuses pivots of ldl\n");
    double *sx = product(sym, x, n, n, k, 0, 0);
    if (!*info)
        close_to("ldl_solve", sx, b, n * k, n, k);
    p = (aotk_routine){ .in = { in(sym, n, n) }, .out = { out(w, 1, n), out(f, n, n) } };
    run(aotk_eigh, &p, 2 * n * n);
    double *sv = product(sym, f, n, n, n, 0, 0);
    for (aotk_i64 i = 0; i < n * n; i++)
        f[i] *= w[i % n];
    close_to("eigh", sv, f, n * n, n, n);
    p = (aotk_routine){ .in = { in(a, n, n) }, .out = { out(w, n, 2), out(v, n * n, 2) } };
    if (run(aotk_eig, &p, 2 * n * n + 5 * n))
        failures++, printf("eig %lld does not converge\n", n);
    for (aotk_i64 i = 0; i < n * n; i++) { /* a v = v w, of complex numbers */
        double re = 0, im = 0, *u = v + 2 * i, *z = w + 2 * (i % n);
        for (aotk_i64 j = 0; j < n; j++) {
            re += a[i / n * n + j] * v[2 * (j * n + i % n)];
            im += a[i / n * n + j] * v[2 * (j * n + i % n) + 1];
        }
        close_to("eig", (double[]){ re, im }, (double[]){ u[0] * z[0] - u[1] * z[1], u[0] * z[1] + u[1] * z[0] }, 2, n, i);
    }
    double *gram = product(a, a, n, n, n, 0, 1);
    for (aotk_i64 i = 0; i < n; i++)
        gram[i * n + i] += 1;
    p = (aotk_routine){ .in = { in(gram, n, n) }, .out = { out(f, n, n), { .data = info } } };
    run(aotk_cholesky, &p, n * n);
    double *ll = product(f, f, n, n, n, 0, 1);
    close_to("cholesky", ll, gram, n * n, n, n);
    failures += *info != 0;
    free(pivots), free(b), free(x), free(f), free(sym), free(w), free(v), free(ax), free(sx), free(sv), free(gram), free(ll);
}

static void check_fft(aotk_i64 n)
{
    aotk_i64 most = 0;
    for (aotk_i64 p = 2, left = n; left > 1; p++)
        for (; left % p == 0; left /= p)
            most = p;
    aotk_i64 room = most <= 61 ? 3 * n : 19 * n;
    double *x = array(2 * n), *y = array(2 * n), *z = array(2 * n), *work = array(2 * room), *r = array(n);
    aotk_routine p = { .in = { in(x, n, 2) }, .out = { out(y, n, 2) }, .work = work };
    aotk_fft(&p);
    for (aotk_i64 k = 0; k < n; k += n / 7 + 1) {
        double re = 0, im = 0;
        for (aotk_i64 j = 0; j < n; j++) {
            double angle = -2 * 3.14159265358979323846 * (double)(j * k % n) / (double)n;
            re += x[2 * j] * cos(angle) - x[2 * j + 1] * sin(angle);
            im += x[2 * j] * sin(angle) + x[2 * j + 1] * cos(angle);
        }
        close_to("fft", y + 2 * k, (double[]){ re, im }, 2, n, k);
    }
    p = (aotk_routine){ .in = { in(y, n, 2) }, .out = { out(z, n, 2) }, .work = work, .attr = { 1 } };
    aotk_fft(&p);
    for (aotk_i64 i = 0; i < 2 * n; i++)
        z[i] /= (double)n;
    close_to("fft back", z, x, 2 * n, n, 2);
    for (aotk_i64 i = 0; i < n; i++)
        x[2 * i + 1] = 0;
    p = (aotk_routine){ .in = { in(x, n, 2) }, .out = { out(y, n, 2) }, .work = work };
    aotk_fft(&p);
    p = (aotk_routine){ .in = { in(y, n / 2 + 1, 2) }, .out = { out(r, 1, n) }, .work = work, .attr = { n } };
    aotk_fft_real(&p);
    for (aotk_i64 i = 0; i < n; i++)
        close_to("fft_real", &(double){ r[i] / (double)n }, &x[2 * i], 1, n, i);
    free(x), free(y), free(z), free(work), free(r);
}

/* Rows side by side are what each is alone, in doubles and in floats, whatever the number of tasks. */
static void check_fft_rows(aotk_i64 n, aotk_i64 rows)
{
    const aotk_i64 half = n / 2 + 1;
    double *x = array(2 * n * rows), *y = array(2 * n * rows), *z = array(2 * n * rows), *r = array(n * rows), *s = array(n);
    double *work = array(2 * n * (4 * (2 * 8 + 2) + 1));
    float *xf = malloc((size_t)(2 * n * rows) * sizeof *xf), *zf = malloc((size_t)(2 * n * rows) * sizeof *zf);
    for (aotk_i64 i = 0; i < 2 * n * rows; i++)
        xf[i] = (float)(x[i] = (double)(float)x[i]);
    aotk_operand all = { x, { rows, n, 2 }, 3, AOTK_f64 }, floats = { xf, { rows, n, 2 }, 3, AOTK_f32 };
    for (aotk_i64 task = 0; task < 2; task++) {
        aotk_routine p = { .in = { all }, .out = { { z, { rows, n, 2 }, 3, AOTK_f64 } }, .work = work, .task = task, .tasks = 2 };
        aotk_fft(&p);
        p.in[0] = floats;
        p.out[0] = (aotk_result){ zf, { rows, n, 2 }, 3, AOTK_f32 };
        aotk_fft(&p);
        p.in[0] = (aotk_operand){ x, { rows, half, 2 }, 3, AOTK_f64 };
        p.out[0] = (aotk_result){ r, { rows, n }, 2, AOTK_f64 };
        p.attr[0] = n;
        aotk_fft_real(&p);
    }
    for (aotk_i64 i = 0; i < rows; i++) {
        aotk_routine p = { .in = { in(x + 2 * n * i, n, 2) }, .out = { out(y + 2 * n * i, n, 2) }, .work = work };
        aotk_fft(&p);
        close_to("fft of rows", z + 2 * n * i, y + 2 * n * i, 2 * n, n, i);
        for (aotk_i64 k = 0; k < 2 * n; k++)
            failures += !(fabs((double)zf[2 * n * i + k] - y[2 * n * i + k]) <= 2e-7 * (double)n);
        p = (aotk_routine){ .in = { in(x + 2 * half * i, half, 2) }, .out = { out(s, 1, n) }, .work = work, .attr = { n } };
        aotk_fft_real(&p);
        close_to("fft_real of rows", r + n * i, s, n, n, i);
    }
    free(x), free(y), free(z), free(r), free(s), free(work), free(xf), free(zf);
}

int main(void)
{
#ifdef __AVX2__
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return 77; /* not for this processor */
#endif
    static const aotk_i64 sizes[] = { 0, 1, 2, 3, 4, 5, 8, 17, 40 };
    enum { COUNT = sizeof sizes / sizeof *sizes };
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; j < COUNT; j++)
            for (int poor = 0; poor < 2; poor++) {
                aotk_i64 m = sizes[i], n = sizes[j];
                double *a = array(m * n);
                for (aotk_i64 k = 0; k < m * n && poor; k++) /* rank 2 */
                    a[k] = (double)(k / n) - 0.5 * (double)(k % n);
                check_svd(a, m, n, 0);
                check_svd(a, m, n, 1);
                check_qr(a, m, n);
                if (m == n && !poor)
                    check_square(a, n);
                free(a);
            }
    for (aotk_i64 n = 1; n < 140; n++)
        check_fft(n);
    for (aotk_i64 n = 1; n < 70; n++)
        check_fft_rows(n, n % 13 + 1);
    check_fft_rows(768, 19);
    check_fft(1009);
    check_fft(1 << 12);
    printf("%d failures\n", failures);
    return failures != 0;
}
