/* SPDX-License-Identifier: MIT */
/* aotc bench: how long opening, planning and running take. */
#include "session.h"
#include <inttypes.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { MAX_RUNS = 1 << 22, PLANS = 1000 };

typedef struct Bench {
    Job *job;
    Request request;
    double seconds;
    Runner *runner;
} Bench;

/* ---- timing ---------------------------------------------------------------------------------- */

typedef struct Times {
    double first, plan, total;
    double megabytes; /* the largest memory of the process, before the times take theirs */
    VEC(double) runs;
} Times;

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(Bench *b, Times *t)
{
    double start = seconds_now();
    struct rusage usage = { 0 };
    for (int i = 0; i < PLANS; i++)
        runner_plan(b->runner);
    t->plan = (seconds_now() - start) / PLANS;
    start = seconds_now();
    runner_run(b->runner);
    t->first = seconds_now() - start;
    getrusage(RUSAGE_SELF, &usage);
    t->megabytes = (double)usage.ru_maxrss / 1024;
    const double begin = seconds_now();
    double end;
    do {
        start = seconds_now();
        runner_run(b->runner);
        end = seconds_now();
        *vec_push(b->job, &t->runs) = end - start;
        t->total += end - start;
    } while (end - begin < b->seconds && t->runs.n < MAX_RUNS);
    qsort(t->runs.at, t->runs.n, sizeof *t->runs.at, by_size);
}

static void print_time(const char *what, double seconds)
{
    printf("  %-10s %12.2f us\n", what, seconds * 1e6);
}

static void report(Bench *b, const Times *t)
{
    const Runner *r = b->runner;
    const uint64_t threads = aot_session_call(r->session)->threads;
    printf("%s  method %s  %s  %" PRIu64 " thread%s\n", r->file, r->method->name, r->model->isa,
           threads ? threads : 1, threads > 1 ? "s" : "");
    for (uint64_t i = 0; i < r->method->input_count; i++) {
        const DLTensor *in = &aot_session_call(r->session)->inputs[i];
        if (takes_file(r->method->inputs[i]))
            printf("  input %s  %s %s\n", r->method->inputs[i]->name, dtype_text(in->dtype),
                   shape_text(b->job, in->shape, in->ndim));
    }
    print_time("open", r->open_seconds);
    print_time("plan", t->plan);
    print_time("first run", t->first);
    print_time("min", t->runs.at[0]);
    print_time("median", t->runs.at[t->runs.n / 2]);
    print_time("mean", t->total / (double)t->runs.n);
    print_time("p99", t->runs.at[t->runs.n - 1 - t->runs.n / 100]);
    printf("  %-10s %12zu\n", "runs", t->runs.n);
    printf("  %-10s %12" PRIu64 " bytes\n", "workspace", aot_session_call(r->session)->needed_workspace);
    printf("  %-10s %12.1f MB%s\n", "peak RSS", t->megabytes,
           r->artifact == r->file ? "" : ", with compiling");
}

/* ---- the command ----------------------------------------------------------------------------- */

void command_bench(Job *job, int argc, char **argv)
{
    if (help_wanted(job, argc, argv, "bench"))
        return;
    Bench b = { .job = job, .seconds = 2 };
    Times times = { 0 };
    b.request.fill_dims = true;
    for (int i = 1; i < argc; i++) {
        const char *text = flag_value(job, "--seconds", argc, argv, &i);
        if (text)
            b.seconds = request_seconds(job, text);
        else
            request_word(job, &b.request, argc, argv, &i);
    }
    b.runner = runner_open(job, &b.request);
    runner_inputs(b.runner, &b.request);
    measure(&b, &times);
    report(&b, &times);
}
