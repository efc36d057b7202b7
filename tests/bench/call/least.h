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

enum { MLP_INPUTS = 784 };

/* The row that every contender's MLP gets; mlp.py has it once more, for Python. */
static inline float *mlp_input(void)
{
    static float x[MLP_INPUTS];
    for (int i = 0; i < MLP_INPUTS; i++)
        x[i] = (float)(i % 13) / 13;
    return x;
}

/* Calls for `seconds`, prints the least number of nanoseconds that one took and the first element of what it gave. */
static inline void print_least(void (*call)(void *), void *with, const float *(*result)(void *), double seconds)
{
    double start = now_ns(), least = 1e300;
    for (double from = start; from < start + seconds * 1e9;) {
        call(with);
        double to = now_ns();
        least = to - from < least ? to - from : least;
        from = now_ns();
    }
    printf("%.0f %.9g\n", least, (double)result(with)[0]);
}
#endif
