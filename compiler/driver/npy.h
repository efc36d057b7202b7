/* SPDX-License-Identifier: MIT */
/* NumPy's .npy files, versions 1 to 3, little-endian: the plain numbers, no objects, no structures.
 * The reader believes nothing: the header is bounded, and the file must be exactly as long as its shape says.
 */
#ifndef AOTC_NPY_H
#define AOTC_NPY_H
#include "../base/job.h"
#include "aot.h"

enum { NPY_MAX_RANK = 64 };

/* An array in memory, row-major. */
typedef struct Array {
    const char *path; /* where it came from; for messages */
    DLDataType dtype;
    int32_t rank;
    int64_t shape[NPY_MAX_RANK];
    int64_t count;  /* elements */
    uint64_t bytes; /* of all elements */
    void *data;     /* job_big: aligned to 64 bytes, the reader's own copy; never NULL */
} Array;

/* Reads a whole file; Fortran order is turned into row-major.  Anything wrong is EXIT_INPUT. */
void npy_read(Job *job, const char *path, Array *array);
/* Writes row-major elements, as a whole or not at all.  bfloat16 is written as uint16.  EXIT_RESOURCE. */
void npy_write(Job *job, const char *path, DLDataType dtype, int32_t rank, const int64_t *shape,
               const void *data);

uint64_t dtype_bytes(DLDataType dtype);
bool dtype_same(DLDataType a, DLDataType b);
/* "float32", "bfloat16", "bool"; "?" when unknown. */
const char *dtype_text(DLDataType dtype);
/* "[2, 3]", "[]" */
const char *shape_text(Job *job, const int64_t *shape, int32_t rank);
/* Element i as a number; the real part of a complex one. */
double element_value(DLDataType dtype, const void *data, int64_t i);
/* Element i as text, as short as is useful: "0.1234", "-3", "true". */
const char *element_text(Job *job, DLDataType dtype, const void *data, int64_t i);
#endif
