/* SPDX-License-Identifier: MIT */
/* aotc bench: how long opening, planning and running take.
 *
 * Inputs are those of --inputs, or made up: floats from -1 to 1 by a fixed seed, integers 0 (an index that is
 * always there), bool true and false in turn.  Their sizes are the smallest from 1 that the model permits;
 * --dim NAME=N sets a symbol. Where the smallest sizes break a condition between sizes, somewhat larger ones
 * are tried. */
#include "session.h"
#include "../index/idx.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { MAX_RUNS = 1 << 22, PLANS = 1000 };

typedef struct Symbol {
    Sym name;
    int64_t lo, hi;
    int64_t value;
    bool given; /* by --dim */
    bool alone; /* some dimension is this symbol and nothing else: its range is known */
} Symbol;

typedef struct Bench {
    Job *job;
    Request request;
    double seconds;
    Runner *runner;
    VEC(Symbol) symbols;
    uint64_t seed;
} Bench;

/* ---- sizes ----------------------------------------------------------------------------------- */

static Symbol *find_symbol(Bench *b, Sym name)
{
    for (size_t i = 0; i < b->symbols.n; i++)
        if (b->symbols.at[i].name == name)
            return &b->symbols.at[i];
    return NULL;
}

static Symbol *add_symbol(Bench *b, const char *name, size_t length)
{
    Sym s = sym_n(b->job, name, length);
    Symbol *found = find_symbol(b, s);
    if (found)
        return found;
    idx_sym(b->job, s, 0, INT64_MAX);
    *vec_push(b->job, &b->symbols) = (Symbol){ .name = s, .hi = INT64_MAX };
    return &b->symbols.at[b->symbols.n - 1];
}

/* The names in "2*s77 + min(h, 3)". */
static void add_symbols(Bench *b, const aot_dim *dim)
{
    for (const char *p = dim->symbol; p && *p;) {
        size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
        bool function = p[n] == '(';
        if (n && !isdigit((unsigned char)*p) && !function) {
            Symbol *s = add_symbol(b, p, n);
            if (p == dim->symbol && !p[n]) {
                s->alone = true;
                s->lo = dim->lo;
                s->hi = dim->hi;
            }
        }
        p += n ? n : 1;
    }
}

static void collect_symbols(Bench *b)
{
    const aot_method *m = b->runner->method;
    for (uint64_t i = 0; i < m->input_count; i++)
        for (int32_t d = 0; d < m->inputs[i]->ndim; d++)
            add_symbols(b, &m->inputs[i]->dims[d]);
}

static void take_dims(Bench *b)
{
    for (size_t i = 0; i < b->request.dims.n; i++) {
        const char *text = b->request.dims.at[i], *eq = strchr(text, '=');
        char *end = NULL;
        errno = 0;
        int64_t value = eq ? strtoll(eq + 1, &end, 10) : -1;
        if (!eq || eq == text || end == eq + 1 || *end || errno || value < 0)
            usage_error(b->job, "--dim %s: is not of the form NAME=8", text);
        Symbol *s = find_symbol(b, sym_n(b->job, text, (size_t)(eq - text)));
        Text names;
        text_init(&names, b->job);
        for (size_t k = 0; !s && k < b->symbols.n; k++)
            text_add(&names, "%s%s", k ? ", " : "; it has ", b->symbols.at[k].name);
        if (!s)
            usage_error(b->job, "--dim %s: the model has no size of that name%s", text, names.at);
        s->value = value;
        s->given = true;
    }
}

static bool value_of(void *ctx, Sym name, int64_t *out)
{
    Symbol *s = find_symbol(ctx, name);
    if (s)
        *out = s->value;
    return s != NULL;
}

static int64_t size_of(Bench *b, const aot_dim *dim)
{
    const char *cursor = dim->symbol;
    const Idx *size = cursor ? idx_parse(b->job, &cursor) : NULL;
    int64_t value = dim->lo;
    if (size && !*cursor && idx_eval(size, value_of, b, &value))
        return value;
    return dim->lo;
}

/* ---- made-up inputs -------------------------------------------------------------------------- */

/* From -1 to 1 (xorshift64*). */
static double next_real(Bench *b)
{
    b->seed ^= b->seed >> 12;
    b->seed ^= b->seed << 25;
    b->seed ^= b->seed >> 27;
    return (double)(int64_t)(b->seed * 2685821657736338717u >> 11) / 4503599627370496.0 - 1;
}

/* The nearest smaller number of 16 bits: bfloat16, or float16 for magnitudes from 2^-14. */
static uint16_t narrow(double value, bool brain)
{
    float f = (float)value;
    uint32_t bits;
    memcpy(&bits, &f, 4);
    if (brain)
        return (uint16_t)(bits >> 16);
    uint32_t exponent = bits >> 23 & 255;
    if (exponent < 113)
        return 0;
    return (uint16_t)((bits >> 16 & 0x8000) | (exponent - 112) << 10 | (bits >> 13 & 1023));
}

static void fill(Bench *b, Array *a)
{
    bool real = a->dtype.code == 2 || a->dtype.code == 5, brain = a->dtype.code == 4;
    unsigned bits = a->dtype.code == 5 ? a->dtype.bits / 2u : a->dtype.bits;
    size_t n = a->bytes * 8 / bits;
    memset(a->data, 0, a->bytes);
    for (size_t i = 0; i < n; i++) {
        if (a->dtype.code == 6)
            ((uint8_t *)a->data)[i] = (i & 1) == 0;
        else if (real && bits == 32)
            ((float *)a->data)[i] = (float)next_real(b);
        else if (real && bits == 64)
            ((double *)a->data)[i] = next_real(b);
        else if (brain || real)
            ((uint16_t *)a->data)[i] = narrow(next_real(b), brain);
    }
}

/* Shapes, without data yet. */
static void set_shapes(Bench *b)
{
    Runner *r = b->runner;
    for (uint64_t i = 0; i < r->method->input_count; i++) {
        const aot_port *port = r->method->inputs[i];
        int64_t shape[NPY_MAX_RANK];
        if (!takes_file(port) || !port->ndim)
            continue;
        if (port->ndim > NPY_MAX_RANK)
            fail(b->job, EXIT_UNSUPPORTED, "%s: input %s has more than %d dimensions", r->file, port->name,
                 NPY_MAX_RANK);
        for (int32_t d = 0; d < port->ndim; d++)
            shape[d] = size_of(b, &port->dims[d]);
        aot_set_input(r->session, i, NULL, shape, port->ndim);
    }
}

/* The smallest sizes that are not 0 first, then such that symbols are at least 2, 3, 4, ... */
static void choose_shapes(Bench *b)
{
    static const int64_t least[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 24, 32, 64, 128, 224, 256, 512 };
    aot_status status = AOT_OK;
    for (size_t k = 0; k < sizeof least / sizeof *least; k++) {
        for (size_t i = 0; i < b->symbols.n; i++) {
            Symbol *s = &b->symbols.at[i];
            int64_t value = s->lo > least[k] ? s->lo : least[k];
            if (!s->given)
                s->value = value < s->hi ? value : s->hi;
        }
        set_shapes(b);
        status = aot_plan(b->runner->session);
        if (status != AOT_ESHAPE || !b->symbols.n)
            break;
    }
    if (status == AOT_ESHAPE)
        fail(b->job, EXIT_INPUT, "%s: %s; give sizes with --dim NAME=N, or --inputs", b->runner->file,
             aot_session_error(b->runner->session));
    if (status)
        runner_plan(b->runner);
}

static void make_inputs(Bench *b)
{
    Runner *r = b->runner;
    collect_symbols(b);
    take_dims(b);
    choose_shapes(b);
    for (uint64_t i = 0; i < r->method->input_count; i++) {
        const DLTensor *t = &aot_session_call(r->session)->inputs[i];
        int64_t bytes = (int64_t)dtype_bytes(t->dtype);
        if (!takes_file(r->method->inputs[i]))
            continue;
        Array a = { .dtype = t->dtype, .rank = t->ndim, .count = 1 };
        bool fits = true;
        for (int32_t d = 0; d < t->ndim; d++) {
            a.shape[d] = t->shape[d];
            fits = fits && mul_i64(bytes, t->shape[d], &bytes);
        }
        if (!fits)
            fail(b->job, EXIT_INPUT, "%s: input %s would have too many elements; give smaller sizes", r->file,
                 port_text(b->job, r->method->inputs[i]));
        a.bytes = (uint64_t)bytes;
        a.count = (int64_t)(a.bytes / dtype_bytes(t->dtype));
        a.data = job_big(b->job, a.bytes);
        fill(b, &a);
        runner_set(r, i, &a);
    }
}

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
    Bench b = { .job = job, .seconds = 2, .seed = 88172645463325252u };
    Times times = { 0 };
    b.request.fill_dims = true;
    for (int i = 1; i < argc; i++) {
        char *end;
        const char *text = flag_value(job, "--seconds", argc, argv, &i);
        if (!text) {
            request_word(job, &b.request, argc, argv, &i);
            continue;
        }
        b.seconds = strtod(text, &end);
        if (end == text || *end || !(b.seconds >= 0 && b.seconds <= 86400))
            usage_error(job, "--seconds %s: is not a number from 0 to 86400", text);
    }
    if (b.request.inputs_given && b.request.dims.n)
        usage_error(job, "--dim and --inputs: the files have their sizes already");
    b.runner = runner_open(job, &b.request);
    if (b.request.inputs_given)
        runner_bind_request(b.runner, &b.request);
    else
        make_inputs(&b);
    measure(&b, &times);
    report(&b, &times);
}
