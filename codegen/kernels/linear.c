/* SPDX-License-Identifier: MIT */
/* Factorisations that solve linear systems, and the solving: P L U, Cholesky, L D L'. Pivots count
 * from 1, as LAPACK's do. */
#include "dense.h"

static void aotk_swap_rows(double *a, aotk_i64 n, aotk_i64 i, aotk_i64 j) {
    for (aotk_i64 k = 0; k < n && i != j; k++) {
        double t = a[i * n + k];
        a[i * n + k] = a[j * n + k];
        a[j * n + k] = t;
    }
}

/* a[m][n] in place; the number of the first zero on the diagonal, or 0. */
static aotk_i32 aotk_lu_matrix(double *a, aotk_i64 m, aotk_i64 n, aotk_i32 *pivots, int pivot) {
    aotk_i32 info = 0;
    for (aotk_i64 j = 0; j < m && j < n; j++) {
        aotk_i64 best = j;
        for (aotk_i64 i = j + 1; i < m && pivot; i++)
            if (aotk_abs(a[i * n + j]) > aotk_abs(a[best * n + j])) best = i;
        pivots[j] = (aotk_i32)(best + 1);
        aotk_swap_rows(a, n, j, best);
        if (a[j * n + j] == 0) {
            info = info ? info : (aotk_i32)(j + 1);
            continue;
        }
        for (aotk_i64 i = j + 1; i < m; i++) {
            const double f = a[i * n + j] /= a[j * n + j];
            for (aotk_i64 k = j + 1; k < n; k++) a[i * n + k] -= f * a[j * n + k];
        }
    }
    return info;
}

/* b[n][k] = the solution of t x = b, t being the lower or upper triangle of a[n][n]. */
static void aotk_triangle(const double *a, double *b, aotk_i64 n, aotk_i64 k, int upper, int unit) {
    for (aotk_i64 r = 0; r < n; r++) {
        const aotk_i64 i = upper ? n - 1 - r : r, from = upper ? i + 1 : 0, to = upper ? n : i;
        for (aotk_i64 j = from; j < to; j++)
            for (aotk_i64 c = 0; c < k; c++) b[i * k + c] -= a[i * n + j] * b[j * k + c];
        for (aotk_i64 c = 0; c < k && !unit; c++) b[i * k + c] /= a[i * n + i];
    }
}

/* in[0] a: out[0] its L and U in one, out[1] pivots, out[2] info; attr[0]: with pivoting. */
AOTK_API const char *AOTK_NAME(aotk_lu)(const aotk_routine *p) {
    const aotk_operand *in = &p->in[0];
    const aotk_i64 m = in->n[in->rank - 2], n = in->n[in->rank - 1], least = m < n ? m : n;
    for (aotk_i64 b = 0; b < aotk_matrices(in); b++) {
        aotk_load_matrix(p->work, in, b, m * n);
        aotk_i32 *info = (aotk_i32 *)p->out[2].data + b;
        *info = aotk_lu_matrix(p->work, m, n, (aotk_i32 *)p->out[1].data + b * least, p->attr[0] != 0);
        aotk_store_matrix(p->work, &p->out[0], b, m * n);
    }
    return 0;
}

static int aotk_permute(double *x, aotk_i64 n, aotk_i64 k, const aotk_i32 *pivots, int back) {
    for (aotk_i64 r = 0; r < n; r++) {
        const aotk_i64 i = back ? n - 1 - r : r;
        if (pivots[i] < 1 || pivots[i] > n) return 0;
        aotk_swap_rows(x, k, i, pivots[i] - 1);
    }
    return 1;
}

/* in[0], in[1]: L and U, pivots; in[2] b: out[0] x of a x = b; attr[0]: of a' x = b. */
AOTK_API const char *AOTK_NAME(aotk_lu_solve)(const aotk_routine *p) {
    const aotk_operand *in = &p->in[0];
    const aotk_i64 n = in->n[in->rank - 1], k = p->in[2].n[p->in[2].rank - 1];
    double *a = p->work, *x = a + n * n;
    for (aotk_i64 b = 0; b < aotk_matrices(in); b++) {
        const aotk_i32 *pivots = (const aotk_i32 *)p->in[1].data + b * n;
        const int adjoint = p->attr[0] != 0;
        aotk_load_matrix(a, in, b, n * n);
        aotk_load_matrix(x, &p->in[2], b, n * k);
        if (!adjoint && !aotk_permute(x, n, k, pivots, 0)) return "a pivot is out of range";
        if (adjoint) aotk_flip(a, n);
        aotk_triangle(a, x, n, k, 0, !adjoint);
        aotk_triangle(a, x, n, k, 1, adjoint);
        if (adjoint && !aotk_permute(x, n, k, pivots, 1)) return "a pivot is out of range";
        aotk_store_matrix(x, &p->out[0], b, n * k);
    }
    return 0;
}

/* in[0] a, in[1] b: out[0] x of a x = b, out[1] info. */
AOTK_API const char *AOTK_NAME(aotk_solve)(const aotk_routine *p) {
    const aotk_operand *in = &p->in[0];
    const aotk_i64 n = in->n[in->rank - 1], k = p->in[1].n[p->in[1].rank - 1];
    double *a = p->work, *x = a + n * n;
    aotk_i32 *pivots = (aotk_i32 *)(x + n * k);
    for (aotk_i64 b = 0; b < aotk_matrices(in); b++) {
        aotk_i32 *info = (aotk_i32 *)p->out[1].data + b;
        aotk_load_matrix(a, in, b, n * n);
        aotk_load_matrix(x, &p->in[1], b, n * k);
        *info = aotk_lu_matrix(a, n, n, pivots, 1);
        aotk_permute(x, n, k, pivots, 0);
        aotk_triangle(a, x, n, k, 0, 1);
        aotk_triangle(a, x, n, k, 1, 0);
        aotk_store_matrix(x, &p->out[0], b, n * k);
    }
    return 0;
}

/* in[0] a, in[1] b: out[0] x of t x = b, t being the lower, or attr[0] upper, triangle of a, with
 * attr[1] ones on its diagonal. */
AOTK_API const char *AOTK_NAME(aotk_triangular)(const aotk_routine *p) {
    const aotk_operand *in = &p->in[0];
    const aotk_i64 n = in->n[in->rank - 1], k = p->in[1].n[p->in[1].rank - 1];
    double *a = p->work, *x = a + n * n;
    for (aotk_i64 b = 0; b < aotk_matrices(in); b++) {
        aotk_load_matrix(a, in, b, n * n);
        aotk_load_matrix(x, &p->in[1], b, n * k);
        aotk_triangle(a, x, n, k, p->attr[0] != 0, p->attr[1] != 0);
        aotk_store_matrix(x, &p->out[0], b, n * k);
    }
    return 0;
}

/* in[0]: pivots: out[0] for each of attr[0] rows the row that it comes from. */
AOTK_API const char *AOTK_NAME(aotk_permutation)(const aotk_routine *p) {
    const aotk_operand *in = &p->in[0];
    const aotk_i64 k = in->n[in->rank - 1], m = p->attr[0];
    aotk_i64 batch = 1;
    for (int i = 0; i + 1 < in->rank; i++) batch *= in->n[i];
    for (aotk_i64 b = 0; b < batch; b++) {
        const aotk_i32 *pivots = (const aotk_i32 *)in->data + b * k;
        aotk_i64 *row = (aotk_i64 *)p->out[0].data + b * m;
        for (aotk_i64 i = 0; i < m; i++) row[i] = i;
        for (aotk_i64 i = 0; i < k; i++) {
            const aotk_i64 j = pivots[i] - 1;
            if (j < 0 || j >= m || i >= m) return "a pivot is out of range";
            const aotk_i64 t = row[i];
            row[i] = row[j];
            row[j] = t;
        }
    }
    return 0;
}

/* in[0], of which the lower triangle is read: out[0] L of L L', out[1] info. */
AOTK_API const char *AOTK_NAME(aotk_cholesky)(const aotk_routine *p) {
    const aotk_operand *in = &p->in[0];
    const aotk_i64 n = in->n[in->rank - 1];
    double *a = p->work;
    for (aotk_i64 b = 0; b < aotk_matrices(in); b++) {
        aotk_i32 info = 0;
        aotk_load_matrix(a, in, b, n * n);
        for (aotk_i64 i = 0; i < n; i++)
            for (aotk_i64 j = i + 1; j < n; j++) a[i * n + j] = 0;
        for (aotk_i64 j = 0; j < n && !info; j++)
            for (aotk_i64 i = j; i < n && !info; i++) { /* a column, from the diagonal on */
                double *x = &a[i * n + j];
                for (aotk_i64 k = 0; k < j; k++) *x -= a[i * n + k] * a[j * n + k];
                if (i > j)
                    *x /= a[j * n + j];
                else if (*x > 0)
                    *x = aotk_sqrt(*x);
                else
                    info = (aotk_i32)(j + 1); /* what is behind it stays as it was */
            }
        ((aotk_i32 *)p->out[1].data)[b] = info;
        aotk_store_matrix(a, &p->out[0], b, n * n);
    }
    return 0;
}

/* ---- L D L', D of blocks of one and two (Bunch and Kaufman) ----------------------------------------- */

/* Swaps rows and columns i and j >= i of the symmetric matrix whose lower triangle is a, of which
 * columns before `done` are factors already. */
static void aotk_swap_symmetric(double *a, aotk_i64 n, aotk_i64 first, aotk_i64 i, aotk_i64 j) {
#define AOTK_SWAP(x, y)                                                                            \
    do {                                                                                           \
        double aotk_t = x;                                                                         \
        x = y;                                                                                     \
        y = aotk_t;                                                                                \
    } while (0)
    if (i == j) return;
    for (aotk_i64 k = j + 1; k < n; k++) AOTK_SWAP(a[k * n + i], a[k * n + j]);
    for (aotk_i64 k = i + 1; k < j; k++) AOTK_SWAP(a[k * n + i], a[j * n + k]);
    AOTK_SWAP(a[i * n + i], a[j * n + j]);
    if (i > first) AOTK_SWAP(a[i * n + first], a[j * n + first]); /* the other column of a block of two */
#undef AOTK_SWAP
}

static aotk_i64 aotk_greatest(const double *a, aotk_i64 step, aotk_i64 from, aotk_i64 to) {
    aotk_i64 best = from;
    for (aotk_i64 i = from + 1; i < to; i++)
        if (aotk_abs(a[i * step]) > aotk_abs(a[best * step])) best = i;
    return best;
}

static aotk_i32 aotk_ldl_matrix(double *a, aotk_i64 n, aotk_i32 *pivots) {
    const double alpha = 0.64038820320220756872; /* (1 + sqrt(17)) / 8 */
    aotk_i32 info = 0;
    for (aotk_i64 k = 0, step; k < n; k += step) {
        step = 1;
        aotk_i64 with = k, far = k;
        const double diagonal = aotk_abs(a[k * n + k]);
        double most = 0;
        if (k + 1 < n) {
            far = aotk_greatest(a + k, n, k + 1, n);
            most = aotk_abs(a[far * n + k]);
        }
        if ((diagonal > most ? diagonal : most) == 0 || diagonal != diagonal) {
            info = info ? info : (aotk_i32)(k + 1);
            pivots[k] = (aotk_i32)(k + 1);
            continue;
        }
        if (diagonal < alpha * most) {
            double row = aotk_abs(a[far * n + aotk_greatest(a + far * n, 1, k, far)]);
            if (far + 1 < n) {
                double below = aotk_abs(a[aotk_greatest(a + far, n, far + 1, n) * n + far]);
                row = below > row ? below : row;
            }
            if (diagonal < alpha * most * (most / row)) {
                with = far;
                step = aotk_abs(a[far * n + far]) >= alpha * row ? 1 : 2;
            }
        }
        aotk_swap_symmetric(a, n, k, k + step - 1, with);
        if (step == 1) {
            const double d = 1 / a[k * n + k];
            for (aotk_i64 j = k + 1; j < n; j++) {
                const double f = a[j * n + k] * d;
                for (aotk_i64 i = j; i < n; i++) a[i * n + j] -= a[i * n + k] * f;
            }
            for (aotk_i64 i = k + 1; i < n; i++) a[i * n + k] *= d;
            pivots[k] = (aotk_i32)(with + 1);
            continue;
        }
        const double d21 = a[(k + 1) * n + k], d11 = a[(k + 1) * n + k + 1] / d21, d22 = a[k * n + k] / d21;
        const double t = 1 / (d11 * d22 - 1) / d21;
        for (aotk_i64 j = k + 2; j < n; j++) {
            const double w0 = t * (d11 * a[j * n + k] - a[j * n + k + 1]);
            const double w1 = t * (d22 * a[j * n + k + 1] - a[j * n + k]);
            for (aotk_i64 i = j; i < n; i++) a[i * n + j] -= a[i * n + k] * w0 + a[i * n + k + 1] * w1;
            a[j * n + k] = w0;
            a[j * n + k + 1] = w1;
        }
        pivots[k] = pivots[k + 1] = -(aotk_i32)(with + 1);
    }
    return info;
}

/* in[0], of which the lower triangle is read: out[0] L and D in one, out[1] pivots, out[2] info. */
AOTK_API const char *AOTK_NAME(aotk_ldl)(const aotk_routine *p) {
    const aotk_operand *in = &p->in[0];
    const aotk_i64 n = in->n[in->rank - 1];
    for (aotk_i64 b = 0; b < aotk_matrices(in); b++) {
        double *a = p->work;
        aotk_load_matrix(a, in, b, n * n);
        aotk_i32 info = aotk_ldl_matrix(a, n, (aotk_i32 *)p->out[1].data + b * n);
        for (aotk_i64 i = 0; i < n; i++)
            for (aotk_i64 j = i + 1; j < n; j++) a[i * n + j] = 0;
        ((aotk_i32 *)p->out[2].data)[b] = info;
        aotk_store_matrix(a, &p->out[0], b, n * n);
    }
    return 0;
}

static const char *aotk_ldl_solve_matrix(const double *a, const aotk_i32 *pivots, double *x, aotk_i64 n, aotk_i64 k) {
    for (aotk_i64 i = 0, second = 0; i < n; i++) { /* second: of a block of two */
        const aotk_i64 j = pivots[i] < 0 ? -(aotk_i64)pivots[i] : pivots[i];
        second = !second && pivots[i] < 0;
        if (j < 1 || j > n || (second && i + 1 == n)) return "a pivot is out of range";
    }
    for (aotk_i64 i = 0; i < n; i++) { /* L and D */
        const int two = pivots[i] < 0;
        aotk_swap_rows(x, k, i + two, (two ? -(aotk_i64)pivots[i] : pivots[i]) - 1);
        for (aotk_i64 r = i + 1 + two; r < n; r++)
            for (aotk_i64 c = 0; c < k; c++) {
                x[r * k + c] -= a[r * n + i] * x[i * k + c];
                if (two) x[r * k + c] -= a[r * n + i + 1] * x[(i + 1) * k + c];
            }
        const double off = two ? a[(i + 1) * n + i] : 1, d0 = a[i * n + i] / off, d1 = two ? a[(i + 1) * n + i + 1] / off : 0;
        for (aotk_i64 c = 0; c < k; c++) {
            const double x0 = x[i * k + c] / off, x1 = two ? x[(i + 1) * k + c] / off : 0;
            if (two) {
                x[i * k + c] = (d1 * x0 - x1) / (d0 * d1 - 1);
                x[(i + 1) * k + c] = (d0 * x1 - x0) / (d0 * d1 - 1);
            } else {
                x[i * k + c] = x0 / d0;
            }
        }
        i += two;
    }
    for (aotk_i64 i = n; i-- > 0;) { /* L' */
        const int two = pivots[i] < 0;
        for (aotk_i64 r = i + 1; r < n; r++)
            for (aotk_i64 c = 0; c < k; c++) {
                x[i * k + c] -= a[r * n + i] * x[r * k + c];
                if (two && i > 0) x[(i - 1) * k + c] -= a[r * n + i - 1] * x[r * k + c];
            }
        aotk_swap_rows(x, k, i, (two ? -(aotk_i64)pivots[i] : pivots[i]) - 1);
        i -= two && i > 0;
    }
    return 0;
}

/* in[0], in[1]: L and D, pivots; in[2] b: out[0] x. */
AOTK_API const char *AOTK_NAME(aotk_ldl_solve)(const aotk_routine *p) {
    const aotk_operand *in = &p->in[0];
    const aotk_i64 n = in->n[in->rank - 1], k = p->in[2].n[p->in[2].rank - 1];
    double *a = p->work, *x = a + n * n;
    for (aotk_i64 b = 0; b < aotk_matrices(in); b++) {
        aotk_load_matrix(a, in, b, n * n);
        aotk_load_matrix(x, &p->in[2], b, n * k);
        const char *bad = aotk_ldl_solve_matrix(a, (const aotk_i32 *)p->in[1].data + b * n, x, n, k);
        if (bad) return bad;
        aotk_store_matrix(x, &p->out[0], b, n * k);
    }
    return 0;
}

/* ---- the exponential ----------------------------------------------------------------------------- */

static void aotk_product(double *c, const double *a, const double *b, aotk_i64 n) {
    for (aotk_i64 i = 0; i < n * n; i++) c[i] = 0;
    for (aotk_i64 i = 0; i < n; i++)
        for (aotk_i64 k = 0; k < n; k++)
            for (aotk_i64 j = 0; j < n; j++) c[i * n + j] += a[i * n + k] * b[k * n + j];
}

/* in[0] a: out[0] its exponential: the series of a / 2^s, squared s times. */
AOTK_API const char *AOTK_NAME(aotk_matrix_exp)(const aotk_routine *p) {
    const aotk_operand *in = &p->in[0];
    const aotk_i64 n = in->n[in->rank - 1];
    for (aotk_i64 b = 0; b < aotk_matrices(in); b++) {
        double *a = p->work, *e = a + n * n, *t = e + n * n, norm = 0;
        aotk_load_matrix(a, in, b, n * n);
        for (aotk_i64 i = 0; i < n; i++) {
            double row = 0;
            for (aotk_i64 j = 0; j < n; j++) row += aotk_abs(a[i * n + j]);
            norm = row > norm ? row : norm;
        }
        int squares = 0;
        for (; norm > 0.5 && squares < 1100; squares++) norm /= 2;
        double scale = 1;
        for (int i = 0; i < squares; i++) scale /= 2;
        for (aotk_i64 i = 0; i < n * n; i++) {
            a[i] *= scale;
            e[i] = i / n == i % n;
        }
        for (int k = 18; k > 0; k--) { /* e = 1 + a e / k */
            aotk_product(t, a, e, n);
            for (aotk_i64 i = 0; i < n * n; i++) e[i] = t[i] / k + (i / n == i % n);
        }
        for (; squares > 0; squares--) {
            aotk_product(t, e, e, n);
            for (aotk_i64 i = 0; i < n * n; i++) e[i] = t[i];
        }
        aotk_store_matrix(e, &p->out[0], b, n * n);
    }
    return 0;
}
