/* SPDX-License-Identifier: MIT */
/* Orthogonal factors: Householder reflections as LAPACK keeps them, symmetric eigenvalues and
 * singular values by Jacobi's rotations, which give small ones as accurately as great ones. */
#include "dense.h"

enum { AOTK_SWEEPS = 60 };

/* in[0] a: out[0] R and, below it, the vectors of the reflections, out[1] their factors. */
AOTK_API const char *AOTK_NAME(aotk_householder)(const aotk_routine *p) {
    const aotk_operand *in = &p->in[0];
    const aotk_i64 m = in->n[in->rank - 2], n = in->n[in->rank - 1], k = m < n ? m : n;
    for (aotk_i64 b = 0; b < aotk_matrices(in); b++) {
        double *a = p->work;
        aotk_load_matrix(a, in, b, m * n);
        for (aotk_i64 j = 0; j < k; j++) {
            double below = 0, tau = 0, d = a[j * n + j];
            for (aotk_i64 i = j + 1; i < m; i++) below += a[i * n + j] * a[i * n + j];
            if (below != 0) {
                double beta = aotk_sqrt(d * d + below);
                beta = d >= 0 ? -beta : beta;
                tau = (beta - d) / beta;
                for (aotk_i64 i = j + 1; i < m; i++) a[i * n + j] /= d - beta;
                for (aotk_i64 c = j + 1; c < n; c++) {
                    double w = a[j * n + c];
                    for (aotk_i64 i = j + 1; i < m; i++) w += a[i * n + j] * a[i * n + c];
                    a[j * n + c] -= tau * w;
                    for (aotk_i64 i = j + 1; i < m; i++) a[i * n + c] -= tau * w * a[i * n + j];
                }
                a[j * n + j] = beta;
            }
            aotk_put(&p->out[1], b * k + j, tau);
        }
        aotk_store_matrix(a, &p->out[0], b, m * n);
    }
    return 0;
}

/* in[0] a[m][n], in[1] factors[k]: out[0] the first n columns of the product of k reflections. */
AOTK_API const char *AOTK_NAME(aotk_reflections)(const aotk_routine *p) {
    const aotk_operand *in = &p->in[0];
    const aotk_i64 m = in->n[in->rank - 2], n = in->n[in->rank - 1], k = p->in[1].n[p->in[1].rank - 1];
    if (k > n || n > m) return "there are more reflections than columns, or more columns than rows";
    for (aotk_i64 b = 0; b < aotk_matrices(in); b++) {
        double *a = p->work, *q = a + m * n;
        aotk_load_matrix(a, in, b, m * n);
        for (aotk_i64 i = 0; i < m * n; i++) q[i] = i / n == i % n;
        for (aotk_i64 j = k; j-- > 0;) {
            const double tau = aotk_get(&p->in[1], b * k + j);
            for (aotk_i64 c = j; c < n; c++) {
                double w = q[j * n + c];
                for (aotk_i64 i = j + 1; i < m; i++) w += a[i * n + j] * q[i * n + c];
                q[j * n + c] -= tau * w;
                for (aotk_i64 i = j + 1; i < m; i++) q[i * n + c] -= tau * w * a[i * n + j];
            }
        }
        aotk_store_matrix(q, &p->out[0], b, m * n);
    }
    return 0;
}

/* ---- rotations ---------------------------------------------------------------------------------- */

/* Of the rotation that annuls `off` between diagonal elements p and q: tangent, cosine, sine. */
static void aotk_rotation(double p, double q, double off, double *t, double *c, double *s) {
    const double z = (q - p) / (2 * off), r = aotk_abs(z) + aotk_sqrt(1 + z * z);
    *t = z >= 0 ? 1 / r : -1 / r;
    *c = 1 / aotk_sqrt(1 + *t * *t);
    *s = *t * *c;
}

/* Rows i and j of x, n long. */
static void aotk_rotate(double *x, aotk_i64 n, aotk_i64 i, aotk_i64 j, double c, double s) {
    for (aotk_i64 k = 0; k < n; k++) {
        const double u = x[i * n + k], v = x[j * n + k];
        x[i * n + k] = c * u - s * v;
        x[j * n + k] = s * u + c * v;
    }
}

static void aotk_identity(double *v, aotk_i64 n) {
    for (aotk_i64 i = 0; i < n * n; i++) v[i] = i / n == i % n;
}

static double aotk_dot(const double *x, const double *y, aotk_i64 n) {
    double s = 0;
    for (aotk_i64 i = 0; i < n; i++) s += x[i] * y[i];
    return s;
}

/* Symmetric a[n][n] becomes diagonal; rows of v are its eigenvectors. */
static void aotk_jacobi(double *a, double *v, aotk_i64 n) {
    aotk_identity(v, n);
    for (int sweep = 0, turned = 1; turned && sweep < AOTK_SWEEPS; sweep++) {
        turned = 0;
        for (aotk_i64 i = 0; i < n; i++)
            for (aotk_i64 j = i + 1; j < n; j++) {
                double t, c, s, off = a[i * n + j], p = a[i * n + i], q = a[j * n + j];
                if (!(aotk_abs(off) > 1e-17 * (aotk_abs(p) + aotk_abs(q))) || off * off < 1e-300) continue;
                turned = 1;
                aotk_rotation(p, q, off, &t, &c, &s);
                aotk_rotate(a, n, i, j, c, s); /* rows, then columns, which are the rows again */
                for (aotk_i64 k = 0; k < n; k++) {
                    a[k * n + i] = a[i * n + k];
                    a[k * n + j] = a[j * n + k];
                }
                a[i * n + i] = p - t * off;
                a[j * n + j] = q + t * off;
                a[i * n + j] = a[j * n + i] = 0;
                aotk_rotate(v, n, i, j, c, s);
            }
    }
}

/* in[0], of which the lower triangle is read: out[0] eigenvalues in ascending order, out[1] columns. */
AOTK_API const char *AOTK_NAME(aotk_eigh)(const aotk_routine *p) {
    const aotk_operand *in = &p->in[0];
    const aotk_i64 n = in->n[in->rank - 1];
    double *a = p->work, *v = a + n * n;
    for (aotk_i64 b = 0; b < aotk_matrices(in); b++) {
        aotk_load_matrix(a, in, b, n * n);
        for (aotk_i64 i = 0; i < n; i++)
            for (aotk_i64 j = i + 1; j < n; j++) a[i * n + j] = a[j * n + i];
        aotk_jacobi(a, v, n);
        for (aotk_i64 k = 0; k < n; k++) { /* the smallest of the rest goes to place k */
            aotk_i64 least = k;
            for (aotk_i64 i = k + 1; i < n; i++)
                if (a[i * n + i] < a[least * n + least]) least = i;
            const double w = a[least * n + least];
            a[least * n + least] = a[k * n + k];
            a[k * n + k] = w;
            aotk_put(&p->out[0], b * n + k, w);
            for (aotk_i64 i = 0; i < n; i++) {
                const double x = v[least * n + i];
                v[least * n + i] = v[k * n + i];
                v[k * n + i] = x;
                aotk_put(&p->out[1], b * n * n + i * n + k, x);
            }
        }
    }
    return 0;
}

/* Rows k, k + 1, ... of x[rows][n] become unit vectors that stand upright on all rows before. */
static void aotk_complete(double *x, aotk_i64 rows, aotk_i64 n, aotk_i64 k) {
    for (aotk_i64 axis = 0; k < rows && axis < n; axis++) {
        double *y = x + k * n;
        for (aotk_i64 i = 0; i < n; i++) y[i] = i == axis;
        for (int twice = 0; twice < 2; twice++)
            for (aotk_i64 i = 0; i < k; i++) {
                const double d = aotk_dot(x + i * n, y, n);
                for (aotk_i64 j = 0; j < n; j++) y[j] -= d * x[i * n + j];
            }
        const double size = aotk_dot(y, y, n);
        if (size < 0.5 / (double)n) continue;
        for (aotk_i64 i = 0; i < n; i++) y[i] /= aotk_sqrt(size);
        k++;
    }
}

/* Rows of g[k][n] become orthogonal, v[k][k] says how, and both are in descending order of the
 * sizes of the rows, which are s. */
static void aotk_svd_rows(double *g, double *v, double *s, aotk_i64 k, aotk_i64 n) {
    const double upright = 2.3e-16 * (double)(n + 4); /* what rounding leaves of a dot product of 0 */
    aotk_identity(v, k);
    for (int sweep = 0, turned = 1; turned && sweep < AOTK_SWEEPS; sweep++) {
        turned = 0;
        for (aotk_i64 i = 0; i < k; i++)
            for (aotk_i64 j = i + 1; j < k; j++) {
                const double p = aotk_dot(g + i * n, g + i * n, n), q = aotk_dot(g + j * n, g + j * n, n);
                double t, c, sine, off = aotk_dot(g + i * n, g + j * n, n);
                if (!(aotk_abs(off) > upright * aotk_sqrt(p) * aotk_sqrt(q)) || aotk_abs(off) < 1e-300)
                    continue;
                turned = 1;
                aotk_rotation(p, q, off, &t, &c, &sine);
                aotk_rotate(g, n, i, j, c, sine);
                aotk_rotate(v, k, i, j, c, sine);
            }
    }
    for (aotk_i64 i = 0; i < k; i++) s[i] = aotk_sqrt(aotk_dot(g + i * n, g + i * n, n));
    for (aotk_i64 i = 0; i < k; i++) {
        aotk_i64 most = i;
        for (aotk_i64 j = i + 1; j < k; j++)
            if (s[j] > s[most]) most = j;
        if (most == i) continue;
        const double t = s[i];
        s[i] = s[most];
        s[most] = t;
        aotk_rotate(g, n, i, most, 0, 1); /* swaps them, up to signs that both have */
        aotk_rotate(v, k, i, most, 0, 1);
    }
}

/* in[0] a[m][n]: out[0] U, out[1] singular values in descending order, out[2] V'; attr[0]: all rows
 * and columns of both. */
AOTK_API const char *AOTK_NAME(aotk_svd)(const aotk_routine *p) {
    const aotk_operand *in = &p->in[0];
    const aotk_i64 m = in->n[in->rank - 2], n = in->n[in->rank - 1], k = m < n ? m : n, wide = m < n ? n : m;
    const aotk_i64 rows = p->attr[0] ? wide : k; /* of what belongs to the longer side */
    double *g = p->work, *v = g + rows * wide, *s = v + k * k;
    for (aotk_i64 b = 0; b < aotk_matrices(in); b++) {
        for (aotk_i64 i = 0; i < k; i++)
            for (aotk_i64 j = 0; j < wide; j++)
                g[i * wide + j] = aotk_get(in, b * m * n + (m < n ? i * n + j : j * n + i));
        aotk_svd_rows(g, v, s, k, wide);
        aotk_i64 known = 0;
        for (; known < k && s[known] > 1e-16 * s[0]; known++)
            for (aotk_i64 j = 0; j < wide; j++) g[known * wide + j] /= s[known];
        aotk_complete(g, rows, wide, known);
        for (aotk_i64 i = 0; i < k; i++) aotk_put(&p->out[1], b * k + i, s[i]);
        for (aotk_i64 i = 0; i < rows; i++)
            for (aotk_i64 j = 0; j < wide; j++) {
                if (m < n)
                    aotk_put(&p->out[2], b * rows * wide + i * wide + j, g[i * wide + j]);
                else
                    aotk_put(&p->out[0], b * rows * wide + j * rows + i, g[i * wide + j]);
            }
        for (aotk_i64 i = 0; i < k; i++)
            for (aotk_i64 j = 0; j < k; j++) {
                if (m < n)
                    aotk_put(&p->out[0], b * k * k + j * k + i, v[i * k + j]);
                else
                    aotk_put(&p->out[2], b * k * k + i * k + j, v[i * k + j]);
            }
    }
    return 0;
}
