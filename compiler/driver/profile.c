/* SPDX-License-Identifier: MIT */
/* aotc profile: how long each kernel takes, beside the least that it could take on this processor.
 *
 * Every artifact tells its host when a kernel begins and ends (aot_host.event), so nothing is compiled anew. A time is
 * the median of all runs, which first warmed up. Kernels of branches that were not taken, or of loops, count as often as
 * they ran; what is shown for a run is their sum. */
#include "profile.h"
#include "../archive/json.h"
#include "../index/idx.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { WARM = 2, MOST_RUNS = 10000, MOST_EVENTS = 1 << 20 };
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
            const char *done = text_of(p, k, "done");
            *s = (Step){ .name = text_of(p, k, "name"), .about = text_of(p, k, "about"), .line = text_of(p, k, "line"),
                         .flops = number_of(p, text_of(p, k, "flops")),
                         .bytes = number_of(p, text_of(p, k, "bytes")), .number = p->steps.n - 1 };
            s->done = done ? number_of(p, done) : s->flops;
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
    p->whole = median(p->runs.at, p->runs.n);
}

/* The roof of each kernel: what its operations and bytes take at least. */
static void hold_against_peak(Profile *p)
{
    if (!p->peak.flops || !p->peak.read[0]) {
        Peak found;
        peak_measure(p->job, p->runner->model->isa, p->request.threads, &found);
        p->peak.flops = p->peak.flops ? p->peak.flops : found.flops;
        for (int i = 0; i < PEAK_SETS && !p->peak.read[PEAK_SETS - 1]; i++)
            p->peak.read[i] = found.read[i];
    }
    for (size_t i = 0; i < p->steps.n; i++) {
        Step *s = &p->steps.at[i];
        double times = s->calls ? s->calls : 1;
        double least = peak_seconds(&p->peak, s->done, s->bytes, &s->memory) * times;
        p->sum += s->median;
        s->share = s->median > 0 ? least / s->median : 0;
        s->gflops = s->median > 0 ? s->flops * times / s->median * 1e-9 : 0;
        s->gbytes = s->median > 0 ? s->bytes * times / s->median * 1e-9 : 0;
    }
}

static double rate(Job *job, const char *flag, const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value > 0 && value < 1e9))
        usage_error(job, "%s %s: is not a number above 0", flag, text);
    return value * 1e9;
}

/* ---- the trace ---------------------------------------------------------------------------------------- */

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
    const char *page = NULL;
    bool json = false;
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
        } else if ((v = flag_value(job, "--html", argc, argv, &i))) {
            page = v;
        } else if (flag_is(argv[i], "--json")) {
            json = true;
        } else if ((v = flag_value(job, "--peak", argc, argv, &i))) {
            p.peak.flops = rate(job, "--peak", v);
        } else if ((v = flag_value(job, "--bandwidth", argc, argv, &i))) {
            for (int k = 0; k < PEAK_SETS; k++)
                p.peak.read[k] = rate(job, "--bandwidth", v);
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
    hold_against_peak(&p);
    qsort(p.steps.at, p.steps.n, sizeof *p.steps.at, by_median);
    if (json)
        profile_json(&p);
    else
        profile_text(&p);
    if (page)
        profile_page(&p, page);
}
