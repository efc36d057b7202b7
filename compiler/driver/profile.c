/* SPDX-License-Identifier: MIT */
/* aotc profile: how long each kernel takes, beside what this processor could do at most.
 *
 * Every artifact tells its host when a kernel begins and ends (aot_host.event), so nothing is compiled anew. A time is
 * the median of all runs, which first warmed up. Kernels of branches that were not taken, or of loops, count as often as
 * they ran; what is shown for a run is their sum. */
#include "compile.h"
#include "session.h"
#include "../archive/json.h"
#include "../index/idx.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { WARM = 2, MOST_RUNS = 10000, MOST_EVENTS = 1 << 20 };

typedef struct Step {
    const char *name, *about, *line;
    double flops;       /* of one run of it; 0: unknown or none */
    double entered;     /* when it began, in this run */
    double now;         /* its time in this run */
    int calls;          /* in this run */
    VEC(double) times;  /* of each run */
    double median;
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
    double seconds;
    const char *trace;
    int64_t top;
    VEC(Step) steps;
    VEC(Event) events; /* of the last run */
    VEC(double) runs;
} Profile;

/* ---- what the metadata say ---------------------------------------------------------------------- */

/* A symbol's value: a dimension of an input that is nothing but it. */
static bool symbol_value(void *ctx, Sym name, int64_t *out)
{
    const Runner *r = ((Profile *)ctx)->runner;
    for (uint64_t i = 0; i < r->method->input_count; i++)
        for (int32_t d = 0; d < r->method->inputs[i]->ndim; d++) {
            const char *symbol = r->method->inputs[i]->dims[d].symbol;
            if (!symbol || strcmp(symbol, name))
                continue;
            *out = aot_session_call(r->session)->inputs[i].shape[d];
            return true;
        }
    return false;
}

/* The names in an expression become symbols, or idx_parse would not know them. */
static void declare_symbols(Profile *p)
{
    const aot_method *m = p->runner->method;
    for (uint64_t i = 0; i < m->input_count; i++)
        for (int32_t d = 0; d < m->inputs[i]->ndim; d++) {
            const char *s = m->inputs[i]->dims[d].symbol;
            if (s && s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789")] == 0)
                idx_sym(p->job, sym(p->job, s), 0, INT64_MAX);
        }
}

static double number_of(Profile *p, const char *text)
{
    int64_t value = 0;
    const char *cursor = text;
    const Idx *x = text ? idx_parse(p->job, &cursor) : NULL;
    return x && !*cursor && idx_eval(x, symbol_value, p, &value) ? (double)value : 0;
}

static const char *text_of(Profile *p, const Json *kernel, const char *key)
{
    const Json *v = json_get(kernel, key);
    return v ? json_string(p->job, v, key) : NULL;
}

static void read_steps(Profile *p)
{
    const char *text = p->runner->model->metadata;
    const Json *note = json_parse(p->job, "the metadata", text, strlen(text));
    declare_symbols(p);
    for (const Json *m = json_first(json_get(note, "methods")); m; m = json_next(m)) {
        const char *name = text_of(p, m, "name");
        if (!name || strcmp(name, p->runner->method->name))
            continue;
        for (const Json *k = json_first(json_get(m, "kernels")); k; k = json_next(k)) {
            Step *s = vec_push(p->job, &p->steps);
            *s = (Step){ .name = text_of(p, k, "name"), .about = text_of(p, k, "about"), .line = text_of(p, k, "line"),
                         .flops = number_of(p, text_of(p, k, "flops")), .number = p->steps.n - 1 };
        }
    }
    if (!p->steps.n)
        fail(p->job, EXIT_INPUT, "%s: the metadata name no kernels of method %s", p->runner->file, p->runner->method->name);
}

/* ---- measuring ---------------------------------------------------------------------------------- */

static void on_event(void *ctx, int64_t kernel, int64_t enter)
{
    Profile *p = ctx;
    double t = seconds_now();
    if (kernel < 0 || (uint64_t)kernel >= p->steps.n)
        return;
    Step *s = &p->steps.at[kernel];
    if (enter) {
        s->entered = t;
        return;
    }
    s->now += t - s->entered;
    s->calls++;
    if (p->trace && p->events.n < MOST_EVENTS)
        *vec_push(p->job, &p->events) = (Event){ kernel, s->entered, t };
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int by_median(const void *a, const void *b)
{
    const Step *x = a, *y = b;
    return x->median != y->median ? (x->median < y->median) - (x->median > y->median) : x->number < y->number ? -1 : 1;
}

static double median(double *at, size_t n)
{
    qsort(at, n, sizeof *at, by_value);
    return n ? at[n / 2] : 0;
}

static void measure(Profile *p)
{
    for (int i = 0; i < WARM; i++)
        runner_run(p->runner);
    aot_session_watch(p->runner->session, on_event, p);
    double begin = seconds_now();
    do {
        p->events.n = 0;
        for (size_t i = 0; i < p->steps.n; i++) {
            p->steps.at[i].now = 0;
            p->steps.at[i].calls = 0;
        }
        double start = seconds_now();
        runner_run(p->runner);
        *vec_push(p->job, &p->runs) = seconds_now() - start;
        for (size_t i = 0; i < p->steps.n; i++)
            *vec_push(p->job, &p->steps.at[i].times) = p->steps.at[i].now;
    } while (seconds_now() - begin < p->seconds && p->runs.n < MOST_RUNS);
    aot_session_watch(p->runner->session, NULL, NULL);
    for (size_t i = 0; i < p->steps.n; i++)
        p->steps.at[i].median = median(p->steps.at[i].times.at, p->steps.at[i].times.n);
}

/* ---- what is shown ------------------------------------------------------------------------------ */

static void report(Profile *p)
{
    double whole = median(p->runs.at, p->runs.n), sum = 0;
    size_t shown = 0;
    for (size_t i = 0; i < p->steps.n; i++)
        sum += p->steps.at[i].median;
    printf("%s  method %s  %s\n%zu runs, median %.1f us; %.1f us of it in %zu kernels\n\n", p->runner->file,
           p->runner->method->name, p->runner->model->isa, p->runs.n, whole * 1e6, sum * 1e6, p->steps.n);
    printf("%10s %6s %9s  %s\n", "us", "%", "GFLOP/s", "kernel");
    for (size_t i = 0; i < p->steps.n; i++) {
        const Step *s = &p->steps.at[i];
        if (p->top ? (int64_t)i >= p->top : s->median < 0.01 * sum)
            break;
        printf("%10.1f %6.1f ", s->median * 1e6, sum > 0 ? 100 * s->median / sum : 0);
        if (s->flops > 0 && s->median > 0)
            printf("%9.1f", s->flops * (s->calls ? s->calls : 1) / s->median * 1e-9);
        else
            printf("%9s", "");
        printf("  k%zu %s", s->number, s->name ? s->name : "?");
        if (s->about && *s->about)
            printf("  %s", s->about);
        printf("\n");
        if (s->line && *s->line)
            printf("%29s %s\n", "", s->line);
        shown++;
    }
    if (shown < p->steps.n)
        printf("%10s        and %zu more\n", "", p->steps.n - shown);
}

/* The Trace Event Format: complete events, in microseconds. */
static void write_trace(Profile *p)
{
    Text t;
    text_init(&t, p->job);
    text_add(&t, "{\"traceEvents\":[");
    for (size_t i = 0; i < p->events.n; i++) {
        const Event *e = &p->events.at[i];
        const Step *s = &p->steps.at[e->kernel]; /* not sorted yet */
        text_add(&t, i ? ",\n" : "\n");
        text_add(&t, "{\"ph\":\"X\",\"pid\":1,\"tid\":1,\"ts\":%.3f,\"dur\":%.3f,\"name\":",
                 (e->begin - p->events.at[0].begin) * 1e6, (e->end - e->begin) * 1e6);
        text_json(&t, s->name ? s->name : "?");
        text_add(&t, ",\"args\":{\"kernel\":%" PRId64 ",\"about\":", e->kernel);
        text_json(&t, s->about ? s->about : "");
        text_add(&t, ",\"line\":");
        text_json(&t, s->line ? s->line : "");
        text_add(&t, "}}");
    }
    text_add(&t, "\n]}\n");
    output_file(p->job, p->trace, 0666, t.at, t.n);
}

/* ---- the command -------------------------------------------------------------------------------- */

void command_profile(Job *job, int argc, char **argv)
{
    if (help_wanted(job, argc, argv, "profile"))
        return;
    Profile p = { .job = job, .seconds = 2 };
    p.request.fill_dims = true;
    for (int i = 1; i < argc; i++) {
        const char *v;
        char *end;
        if ((v = flag_value(job, "--seconds", argc, argv, &i))) {
            p.seconds = request_seconds(job, v);
        } else if ((v = flag_value(job, "--top", argc, argv, &i))) {
            p.top = strtoll(v, &end, 10);
            if (end == v || *end || p.top < 1)
                usage_error(job, "--top %s: is not a number from 1", v);
        } else if ((v = flag_value(job, "--trace", argc, argv, &i))) {
            p.trace = v;
        } else {
            request_word(job, &p.request, argc, argv, &i);
        }
    }
    p.runner = runner_open(job, &p.request);
    runner_inputs(p.runner, &p.request);
    runner_plan(p.runner);
    read_steps(&p);
    measure(&p);
    if (p.trace)
        write_trace(&p);
    qsort(p.steps.at, p.steps.n, sizeof *p.steps.at, by_median);
    report(&p);
}
