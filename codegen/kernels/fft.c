/* SPDX-License-Identifier: MIT */
/* Fourier transforms of rows of complex numbers, of any length, computed in double precision.
 *
 * A length is split into its prime factors, four first, and each factor is a pass over the row from one
 * buffer to the other (Stockham's order: what a pass leaves needs no sorting). Rows are transformed as
 * many at once as a vector has lanes, element by element beside each other; a row alone from its second
 * pass on, when elements that are treated alike lie together. A length with a large prime factor becomes
 * a convolution with a chirp (Bluestein), which two transforms of a power of two compute. Roots of unity
 * come from one table a transform. Real and imaginary parts lie apart. */
#include "vec.h"

enum { AOTK_FFT_PRIME = 61 };  /* the greatest factor that is joined directly */

#if AOTK_VL > 1
enum { AOTK_FFT_LANES = AOTK_VL / 2 };
typedef double aotk_vd __attribute__((vector_size(AOTK_VL * 4)));
typedef double aotk_vdu __attribute__((vector_size(AOTK_VL * 4), aligned(8), may_alias));
#else
enum { AOTK_FFT_LANES = 1 };
typedef double aotk_vd, aotk_vdu;
#endif

/* Complex numbers, `re` and `im` apart. */
typedef struct aotk_cd {
    double re, im;
} aotk_cd;

typedef struct aotk_cds {
    double *re, *im;
} aotk_cds;

static aotk_cds aotk_cds_at(void *work, aotk_i64 at, aotk_i64 n) {
    return (aotk_cds){ (double *)work + 2 * at, (double *)work + 2 * at + n };
}

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

/* One pass. Of n = radix * m elements that are left to transform, `s` times beside each other, x[(k + m j) s + q] for all j
 * become y[(radix k + i) s + q] for all i: their small transform, times exp(+-2 pi i k i / n). Of `all` roots those for n are
 * `turn` apart. */
typedef struct aotk_fft_pass {
    aotk_cds x, y, root;
    aotk_i64 radix, m, s, turn, all;
    int backward;
} aotk_fft_pass;

#define AOTK_FFT_PASS(NAME, V, VU, LANES)                                                          \
    typedef struct aotk_c##NAME {                                                                  \
        V re, im;                                                                                  \
    } aotk_c##NAME;                                                                                \
    AOTK_INLINE aotk_c##NAME aotk_cget_##NAME(const aotk_cds *x, aotk_i64 at) {                    \
        return (aotk_c##NAME){ *(const VU *)(x->re + at), *(const VU *)(x->im + at) };             \
    }                                                                                              \
    AOTK_INLINE aotk_c##NAME aotk_cturn_##NAME(aotk_c##NAME a, aotk_cd w) {                        \
        return (aotk_c##NAME){ a.re * w.re - a.im * w.im, a.re * w.im + a.im * w.re };             \
    }                                                                                              \
    AOTK_INLINE void aotk_cput_##NAME(const aotk_cds *y, aotk_i64 at, aotk_c##NAME a, aotk_cd w) { \
        a = aotk_cturn_##NAME(a, w);                                                               \
        *(VU *)(y->re + at) = a.re;                                                                \
        *(VU *)(y->im + at) = a.im;                                                                \
    }                                                                                              \
    AOTK_INLINE aotk_c##NAME aotk_cadd_##NAME(aotk_c##NAME a, aotk_c##NAME b) {                    \
        return (aotk_c##NAME){ a.re + b.re, a.im + b.im };                                         \
    }                                                                                              \
    AOTK_INLINE aotk_c##NAME aotk_csub_##NAME(aotk_c##NAME a, aotk_c##NAME b) {                    \
        return (aotk_c##NAME){ a.re - b.re, a.im - b.im };                                         \
    }                                                                                              \
    AOTK_NOINLINE void aotk_fft_four_##NAME(const aotk_fft_pass *p) {                              \
        const aotk_i64 s = p->s, far = p->m * s;                                                   \
        const double sign = p->backward ? 1 : -1;                                                  \
        for (aotk_i64 k = 0; k < p->m; k++) {                                                      \
            const aotk_cd w1 = aotk_fft_root(p, k), w2 = aotk_fft_root(p, 2 * k), w3 = aotk_fft_root(p, 3 * k); \
            for (aotk_i64 q = 0, x = k * s, y = 4 * k * s; q < s; q += LANES, x += LANES, y += LANES) { \
                aotk_c##NAME a = aotk_cget_##NAME(&p->x, x), b = aotk_cget_##NAME(&p->x, x + far); \
                aotk_c##NAME c = aotk_cget_##NAME(&p->x, x + 2 * far), d = aotk_cget_##NAME(&p->x, x + 3 * far); \
                aotk_c##NAME ac = aotk_cadd_##NAME(a, c), bd = aotk_cadd_##NAME(b, d);             \
                a = aotk_csub_##NAME(a, c);                                                        \
                b = aotk_csub_##NAME(b, d);                                                        \
                b = (aotk_c##NAME){ -sign * b.im, sign * b.re };                                   \
                aotk_cput_##NAME(&p->y, y, aotk_cadd_##NAME(ac, bd), (aotk_cd){ 1, 0 });           \
                aotk_cput_##NAME(&p->y, y + s, aotk_cadd_##NAME(a, b), w1);                        \
                aotk_cput_##NAME(&p->y, y + 2 * s, aotk_csub_##NAME(ac, bd), w2);                  \
                aotk_cput_##NAME(&p->y, y + 3 * s, aotk_csub_##NAME(a, b), w3);                    \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
    AOTK_NOINLINE void aotk_fft_any_##NAME(const aotk_fft_pass *p) {                               \
        const aotk_i64 s = p->s, far = p->m * s, r = p->radix;                                     \
        for (aotk_i64 k = 0; k < p->m; k++)                                                        \
            for (aotk_i64 i = 0; i < r; i++) {                                                     \
                const aotk_cd w = aotk_fft_root(p, k * i);                                         \
                for (aotk_i64 q = 0; q < s; q += LANES) {                                          \
                    aotk_i64 at = 0; /* i j all / r modulo all */                                  \
                    aotk_c##NAME sum = aotk_cget_##NAME(&p->x, k * s + q);                         \
                    for (aotk_i64 j = 1; j < r; j++) {                                             \
                        at += i * (p->all / r);                                                    \
                        at -= at >= p->all ? p->all : 0;                                           \
                        aotk_c##NAME a = aotk_cget_##NAME(&p->x, k * s + q + j * far);             \
                        sum = aotk_cadd_##NAME(sum, aotk_cturn_##NAME(a, (aotk_cd){ p->root.re[at], p->root.im[at] })); \
                    }                                                                              \
                    aotk_cput_##NAME(&p->y, (r * k + i) * s + q, sum, w);                          \
                }                                                                                  \
            }                                                                                      \
    }                                                                                              \
    AOTK_INLINE void aotk_fft_pass_##NAME(const aotk_fft_pass *p) {                                \
        if (p->radix == 4) aotk_fft_four_##NAME(p);                                                \
        else aotk_fft_any_##NAME(p);                                                               \
    }

AOTK_INLINE aotk_cd aotk_fft_root(const aotk_fft_pass *p, aotk_i64 k) {
    return (aotk_cd){ p->root.re[k * p->turn], p->root.im[k * p->turn] };
}

AOTK_FFT_PASS(lanes, aotk_vd, aotk_vdu, AOTK_FFT_LANES)
#if AOTK_VL > 2
AOTK_FFT_PASS(alone, double, double, 1)
#else
#define aotk_fft_pass_alone aotk_fft_pass_lanes
#endif

/* Transforms x, of n elements `rows` times beside each other, with room for as many at y; returns which of them has the
 * result. */
static aotk_cds aotk_fft_run(aotk_cds x, aotk_cds y, aotk_i64 n, aotk_i64 rows, aotk_cds root, int backward) {
    aotk_fft_pass p = { .x = x, .y = y, .root = root, .s = rows, .turn = 1, .all = n, .backward = backward };
    for (aotk_i64 left = n; left > 1; left = p.m) {
        p.radix = aotk_fft_factor(left);
        p.m = left / p.radix;
        if (p.s % AOTK_FFT_LANES == 0) aotk_fft_pass_lanes(&p);
        else aotk_fft_pass_alone(&p);
        p.s *= p.radix;
        p.turn *= p.radix;
        aotk_cds other = p.x;
        p.x = p.y;
        p.y = other;
    }
    return p.x;
}

/* Products of two roots each, of which there are about 2 sqrt(n): one is near 0, one is a multiple of `near`. */
static void aotk_fft_table(aotk_cds root, aotk_i64 n, int backward) {
    aotk_i64 near = 1;
    while (near * near < n) near++;
    for (aotk_i64 i = 0; i < near && i < n; i++) {
        aotk_cd r = aotk_unit_root(i, n);
        root.re[i] = r.re;
        root.im[i] = backward ? r.im : -r.im;
    }
    for (aotk_i64 k = near; k < n; k += near) {
        aotk_cd r = aotk_unit_root(k, n);
        if (!backward) r.im = -r.im;
        for (aotk_i64 i = 0; i < near && k + i < n; i++) {
            aotk_cd z = aotk_cmul(r, (aotk_cd){ root.re[i], root.im[i] });
            root.re[k + i] = z.re;
            root.im[k + i] = z.im;
        }
    }
}

/* A transform of `rows` rows of length n at once. Its memory: two buffers of that size and the roots; or, with a length m of the
 * convolution, two buffers for that, its roots, the transform of the chirp, the chirp. */
typedef struct aotk_fft_plan {
    aotk_i64 n, m, rows;
    int backward;
    aotk_cds x, y, root, filter, chirp;
} aotk_fft_plan;

static aotk_fft_plan aotk_fft_make(aotk_i64 n, aotk_i64 rows, int backward, void *work) {
    aotk_fft_plan p = { .n = n, .rows = rows, .backward = backward };
    aotk_i64 m = n;
    if (!aotk_fft_smooth(n))
        for (m = 1; m < 2 * n - 1;) m *= 2;
    p.x = aotk_cds_at(work, 0, m * rows);
    p.y = aotk_cds_at(work, m * rows, m * rows);
    p.root = aotk_cds_at(work, 2 * m * rows, m);
    aotk_fft_table(p.root, m, m == n && backward);
    if (m == n) return p;
    p.m = m;
    p.filter = aotk_cds_at(work, 2 * m * rows + m, m);
    p.chirp = aotk_cds_at(work, 2 * m * rows + 2 * m, n);
    for (aotk_i64 k = 0; k < n; k++) {
        aotk_cd r = aotk_unit_root(k * k % (2 * n), 2 * n);
        p.chirp.re[k] = r.re;
        p.chirp.im[k] = backward ? -r.im : r.im;
    }
    for (aotk_i64 k = 0; k < m; k++) {
        aotk_i64 d = k < n ? k : m - k;
        p.x.re[k] = d < n ? p.chirp.re[d] : 0;
        p.x.im[k] = d < n ? p.chirp.im[d] : 0;
    }
    const aotk_cds z = aotk_fft_run(p.x, p.y, m, 1, p.root, 0);
    for (aotk_i64 k = 0; k < m; k++) {
        p.filter.re[k] = z.re[k];
        p.filter.im[k] = z.im[k];
    }
    return p;
}

/* Transforms what lies in p->x; returns where the result is. */
static aotk_cds aotk_fft_rows(const aotk_fft_plan *p) {
    const aotk_i64 w = p->rows;
    if (!p->m) return aotk_fft_run(p->x, p->y, p->n, w, p->root, p->backward);
    for (aotk_i64 k = 0; k < p->m; k++)
        for (aotk_i64 at = k * w; at < (k + 1) * w; at++) {
            aotk_cd z = { 0, 0 };
            if (k < p->n) z = aotk_cmul((aotk_cd){ p->x.re[at], p->x.im[at] }, (aotk_cd){ p->chirp.re[k], -p->chirp.im[k] });
            p->x.re[at] = z.re;
            p->x.im[at] = z.im;
        }
    aotk_cds a = aotk_fft_run(p->x, p->y, p->m, w, p->root, 0);
    for (aotk_i64 k = 0; k < p->m; k++) /* conjugated: the way back is a way forth */
        for (aotk_i64 at = k * w; at < (k + 1) * w; at++) {
            aotk_cd z = aotk_cmul((aotk_cd){ a.re[at], a.im[at] }, (aotk_cd){ p->filter.re[k], p->filter.im[k] });
            a.re[at] = z.re;
            a.im[at] = -z.im;
        }
    a = aotk_fft_run(a, a.re == p->x.re ? p->y : p->x, p->m, w, p->root, 0);
    const double scale = 1.0 / (double)p->m;
    for (aotk_i64 k = 0; k < p->n; k++)
        for (aotk_i64 at = k * w; at < (k + 1) * w; at++) {
            aotk_cd z = aotk_cmul((aotk_cd){ a.re[at] * scale, -a.im[at] * scale }, (aotk_cd){ p->chirp.re[k], -p->chirp.im[k] });
            a.re[at] = z.re;
            a.im[at] = z.im;
        }
    return a;
}

/* `count` numbers, two apart in memory and `to`'s `apart`. */
static void aotk_fft_get(double *to, aotk_i64 apart, const aotk_operand *a, aotk_i64 at, aotk_i64 count) {
    const double *d = (const double *)a->data + at;
    const float *f = (const float *)a->data + at;
    if (a->dtype == AOTK_f64)
        for (aotk_i64 k = 0; k < count; k++) to[k * apart] = d[2 * k];
    else
        for (aotk_i64 k = 0; k < count; k++) to[k * apart] = (double)f[2 * k];
}

static void aotk_fft_put(const aotk_result *a, aotk_i64 at, aotk_i64 step, const double *from, aotk_i64 apart, aotk_i64 count) {
    double *d = (double *)a->data + at;
    float *f = (float *)a->data + at;
    if (a->dtype == AOTK_f64)
        for (aotk_i64 k = 0; k < count; k++) d[step * k] = from[k * apart];
    else
        for (aotk_i64 k = 0; k < count; k++) f[step * k] = (float)from[k * apart];
}

static aotk_i64 aotk_fft_count(const aotk_operand *a) {
    aotk_i64 rows = 1;
    for (int i = 0; i + 2 < a->rank; i++) rows *= a->n[i];
    return rows;
}

/* Row r of in[0], its first `given` pairs, to lane `lane` of the plan's. */
typedef void aotk_fft_load(const aotk_routine *p, const aotk_fft_plan *plan, aotk_i64 r, aotk_i64 lane);
typedef void aotk_fft_store(const aotk_routine *p, const aotk_fft_plan *plan, aotk_cds y, aotk_i64 r, aotk_i64 lane);

/* The rows of a task, of length n. */
AOTK_INLINE void aotk_fft_task(const aotk_routine *p, aotk_i64 n, int backward, aotk_fft_load *load, aotk_fft_store *store) {
    const aotk_i64 rows = aotk_fft_count(&p->in[0]);
    const aotk_i64 begin = aotk_first_row(p, rows, p->task), end = aotk_first_row(p, rows, p->task + 1);
    if (n == 0 || begin == end) return;
    aotk_i64 lanes = end - begin < AOTK_FFT_LANES ? 1 : AOTK_FFT_LANES;
    const aotk_fft_plan plan = aotk_fft_make(n, lanes, backward, p->work);
    for (aotk_i64 r = begin; r < end;) {
        if (r + lanes > end) r = end - lanes; /* some once more */
        for (aotk_i64 l = 0; l < lanes; l++) load(p, &plan, r + l, l);
        const aotk_cds y = aotk_fft_rows(&plan);
        for (aotk_i64 l = 0; l < lanes; l++) store(p, &plan, y, r + l, l);
        r += lanes;
    }
}

static void aotk_fft_load_pairs(const aotk_routine *p, const aotk_fft_plan *plan, aotk_i64 r, aotk_i64 lane) {
    aotk_fft_get(plan->x.re + lane, plan->rows, &p->in[0], 2 * r * plan->n, plan->n);
    aotk_fft_get(plan->x.im + lane, plan->rows, &p->in[0], 2 * r * plan->n + 1, plan->n);
}

static void aotk_fft_store_pairs(const aotk_routine *p, const aotk_fft_plan *plan, aotk_cds y, aotk_i64 r, aotk_i64 lane) {
    aotk_fft_put(&p->out[0], 2 * r * plan->n, 2, y.re + lane, plan->rows, plan->n);
    aotk_fft_put(&p->out[0], 2 * r * plan->n + 1, 2, y.im + lane, plan->rows, plan->n);
}

/* in[0] and out[0]: pairs along the last axis, transformed along the one before it; attr[0]: with
 * the positive exponent. */
AOTK_API const char *AOTK_NAME(aotk_fft)(const aotk_routine *p) {
    aotk_fft_task(p, p->in[0].n[p->in[0].rank - 2], p->attr[0] != 0, aotk_fft_load_pairs, aotk_fft_store_pairs);
    return 0;
}

static void aotk_fft_load_half(const aotk_routine *p, const aotk_fft_plan *plan, aotk_i64 r, aotk_i64 lane) {
    const aotk_i64 n = plan->n, w = plan->rows, half = p->in[0].n[p->in[0].rank - 2], given = half < n / 2 + 1 ? half : n / 2 + 1;
    double *re = plan->x.re + lane, *im = plan->x.im + lane;
    aotk_fft_get(re, w, &p->in[0], 2 * r * half, given);
    aotk_fft_get(im, w, &p->in[0], 2 * r * half + 1, given);
    for (aotk_i64 k = 0; k <= n / 2; k++) {
        if (k >= given) re[k * w] = 0;
        if (k >= given || k == 0 || 2 * k == n) im[k * w] = 0;
        if (k == 0) continue;
        re[(n - k) * w] = re[k * w];
        im[(n - k) * w] = -im[k * w];
    }
}

static void aotk_fft_store_reals(const aotk_routine *p, const aotk_fft_plan *plan, aotk_cds y, aotk_i64 r, aotk_i64 lane) {
    aotk_fft_put(&p->out[0], r * plan->n, 1, y.re + lane, plan->rows, plan->n);
}

/* in[0]: pairs, the first half of rows that are symmetric up to conjugation; out[0]: what they are
 * the transform of, times the length; attr[0]: the length. Frequencies that are left out are 0. */
AOTK_API const char *AOTK_NAME(aotk_fft_real)(const aotk_routine *p) {
    aotk_fft_task(p, p->attr[0], 1, aotk_fft_load_half, aotk_fft_store_reals);
    return 0;
}
