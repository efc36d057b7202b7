/* SPDX-License-Identifier: MIT */
/* aotc profile: what was measured (profile.c), and how it is shown (profile_show.c). */
#ifndef AOTC_PROFILE_H
#define AOTC_PROFILE_H
#include "compile.h"
#include "peak.h"
#include "session.h"

/* A kernel. */
typedef struct Step {
    const char *name, *about, *line;
    double flops, bytes;   /* of one run of it; 0: unknown or none */
    double done;           /* flops, but of Winograd's algorithm only what it multiplies */
    double entered;        /* when it began, in this run */
    double now;            /* its time in this run */
    int calls;             /* in this run */
    VEC(double) times;     /* of each run */
    double median;         /* seconds */
    double gflops, gbytes; /* per second */
    double share;          /* the least time that its operations or bytes take, as part of its own */
    bool memory;           /* it is the bytes */
    size_t number;
} Step;

typedef struct Event {
    int64_t kernel;
    double begin, end;
} Event;

typedef struct Profile {
    Job *job;
    Request request;
    Runner *runner;
    Peak peak; /* 0: not given, to be measured */
    double seconds;
    const char *trace;
    int64_t top;
    VEC(Step) steps;
    VEC(Event) events; /* of the last run */
    VEC(double) runs;
    double whole, sum; /* median seconds of a run; of its kernels */
} Profile;

/* To standard output. */
void profile_text(const Profile *p);
void profile_json(const Profile *p);
/* A page of HTML: the roofline as a picture, and the table. */
void profile_page(const Profile *p, const char *path);
#endif
