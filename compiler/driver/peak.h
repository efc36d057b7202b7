/* SPDX-License-Identifier: MIT */
/* What this processor does at most, measured: what a kernel's time is held against. */
#ifndef AOTC_PEAK_H
#define AOTC_PEAK_H
#include "../base/job.h"

/* Working sets whose bandwidth is measured, in bytes: from the first cache to memory. */
enum { PEAK_SETS = 5 };
extern const uint64_t peak_sets[PEAK_SETS];

typedef struct Peak {
    double flops;           /* float32 operations a second, a multiply-add being two */
    double read[PEAK_SETS]; /* bytes a second, reading a set of that size again and again */
} Peak;

/* Takes some 50 ms.  isa: the level whose instructions are used, "x86-64-v4"; threads: how many work at once. */
void peak_measure(Job *job, const char *isa, uint64_t threads, Peak *out);
/* Bytes a second for a working set of that size. */
double peak_bandwidth(const Peak *peak, double bytes);
/* The roof, as a time: what so many operations and bytes take at least. *memory: it is the bytes that bound it. */
double peak_seconds(const Peak *peak, double flops, double bytes, bool *memory);
#endif
