/* SPDX-License-Identifier: MIT */
/* How long a call takes, for C and C++. */
#ifndef LEAST_H
#define LEAST_H
#include <stdio.h>
#include <time.h>

static inline double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Calls for `seconds`, prints the least and the first number of nanoseconds that one took, and what it gave first. */
static inline void print_least(void (*call)(void *), void *with, const float *(*result)(void *), double seconds)
{
    double start = now_ns(), first = 0, least = 1e300;
    for (double from = start; from < start + seconds * 1e9;) {
        call(with);
        double to = now_ns();
        first = first ? first : to - from;
        least = to - from < least ? to - from : least;
        from = now_ns();
    }
    printf("%.0f %.0f %.9g\n", least, first, (double)result(with)[0]);
}
#endif
