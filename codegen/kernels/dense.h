/* SPDX-License-Identifier: MIT */
/* For routines over matrices of f32 or f64: they compute in double precision, in their work space,
 * one matrix of the batch after the other. */
#ifndef AOTK_DENSE_H
#define AOTK_DENSE_H
#include "aotk.h"

#ifdef AOTK_STATIC
static double aotk_sqrt(double x); /* of rt.c, which is pasted behind this */
#endif

static AOTK_UNUSED double aotk_abs(double x) { return x < 0 ? -x : x; }

/* How many matrices: the product of all sizes but the last two. */
static AOTK_UNUSED aotk_i64 aotk_matrices(const aotk_operand *a) {
    aotk_i64 n = 1;
    for (int i = 0; i + 2 < a->rank; i++) n *= a->n[i];
    return n;
}

static AOTK_UNUSED double aotk_get(const aotk_operand *a, aotk_i64 i) {
    return a->dtype == AOTK_f64 ? ((const double *)a->data)[i] : (double)((const float *)a->data)[i];
}

static AOTK_UNUSED void aotk_put(const aotk_result *a, aotk_i64 i, double v) {
    if (a->dtype == AOTK_f64)
        ((double *)a->data)[i] = v;
    else
        ((float *)a->data)[i] = (float)v;
}

/* The `n` numbers of one matrix. */
static AOTK_UNUSED void aotk_load_matrix(double *x, const aotk_operand *a, aotk_i64 matrix, aotk_i64 n) {
    for (aotk_i64 i = 0; i < n; i++) x[i] = aotk_get(a, matrix * n + i);
}

static AOTK_UNUSED void aotk_store_matrix(const double *x, const aotk_result *a, aotk_i64 matrix, aotk_i64 n) {
    for (aotk_i64 i = 0; i < n; i++) aotk_put(a, matrix * n + i, x[i]);
}

/* A square matrix, transposed in place. */
static AOTK_UNUSED void aotk_flip(double *a, aotk_i64 n) {
    for (aotk_i64 i = 0; i < n; i++)
        for (aotk_i64 j = 0; j < i; j++) {
            double t = a[i * n + j];
            a[i * n + j] = a[j * n + i];
            a[j * n + i] = t;
        }
}
#endif
