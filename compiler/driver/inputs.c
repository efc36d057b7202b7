/* SPDX-License-Identifier: MIT */
/* Inputs that no file gives: floats from -1 to 1 by a fixed seed, integers 0 (an index that is always there), bool true
 * and false in turn.  Their sizes are the smallest from 1 that the model permits; --dim NAME=N sets a symbol. Where the
 * smallest sizes break a condition between sizes, somewhat larger ones are tried. */
#include "session.h"
#include "../index/idx.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Symbol {
    Sym name;
    int64_t lo, hi;
    int64_t value;
    bool given; /* by --dim */
    bool alone; /* some dimension is this symbol and nothing else: its range is known */
} Symbol;

typedef struct Maker {
    Job *job;
    const Request *request;
    Runner *runner;
    VEC(Symbol) symbols;
    uint64_t seed;
} Maker;

/* ---- sizes ----------------------------------------------------------------------------------- */

static Symbol *find_symbol(Maker *m, Sym name)
{
    for (size_t i = 0; i < m->symbols.n; i++)
        if (m->symbols.at[i].name == name)
            return &m->symbols.at[i];
    return NULL;
}

static Symbol *add_symbol(Maker *m, const char *name, size_t length)
{
    Sym s = sym_n(m->job, name, length);
    Symbol *found = find_symbol(m, s);
    if (found)
        return found;
    idx_sym(m->job, s, 0, INT64_MAX);
    *vec_push(m->job, &m->symbols) = (Symbol){ .name = s, .hi = INT64_MAX };
    return &m->symbols.at[m->symbols.n - 1];
}

/* The names in "2*s77 + min(h, 3)". */
static void add_symbols(Maker *m, const aot_dim *dim)
{
    for (const char *p = dim->symbol; p && *p;) {
        size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
        bool function = p[n] == '(';
        if (n && !isdigit((unsigned char)*p) && !function) {
            Symbol *s = add_symbol(m, p, n);
            if (p == dim->symbol && !p[n]) {
                s->alone = true;
                s->lo = dim->lo;
                s->hi = dim->hi;
            }
        }
        p += n ? n : 1;
    }
}

static void collect_symbols(Maker *m)
{
    const aot_method *method = m->runner->method;
    for (uint64_t i = 0; i < method->input_count; i++)
        for (int32_t d = 0; d < method->inputs[i]->ndim; d++)
            add_symbols(m, &method->inputs[i]->dims[d]);
}

static void take_dims(Maker *m)
{
    for (size_t i = 0; i < m->request->dims.n; i++) {
        const char *text = m->request->dims.at[i], *eq = strchr(text, '=');
        char *end = NULL;
        errno = 0;
        int64_t value = eq ? strtoll(eq + 1, &end, 10) : -1;
        if (!eq || eq == text || end == eq + 1 || *end || errno || value < 0)
            usage_error(m->job, "--dim %s: is not of the form NAME=8", text);
        Symbol *s = find_symbol(m, sym_n(m->job, text, (size_t)(eq - text)));
        Text names;
        text_init(&names, m->job);
        for (size_t k = 0; !s && k < m->symbols.n; k++)
            text_add(&names, "%s%s", k ? ", " : "; it has ", m->symbols.at[k].name);
        if (!s)
            usage_error(m->job, "--dim %s: the model has no size of that name%s", text, names.at);
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

static int64_t size_of(Maker *m, const aot_dim *dim)
{
    const char *cursor = dim->symbol;
    const Idx *size = cursor ? idx_parse(m->job, &cursor) : NULL;
    int64_t value = dim->lo;
    if (size && !*cursor && idx_eval(size, value_of, m, &value))
        return value;
    return dim->lo;
}

/* ---- made-up inputs -------------------------------------------------------------------------- */

/* From -1 to 1 (xorshift64*). */
static double next_real(Maker *m)
{
    m->seed ^= m->seed >> 12;
    m->seed ^= m->seed << 25;
    m->seed ^= m->seed >> 27;
    return (double)(int64_t)(m->seed * 2685821657736338717u >> 11) / 4503599627370496.0 - 1;
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

static void fill(Maker *m, Array *a)
{
    bool real = a->dtype.code == 2 || a->dtype.code == 5, brain = a->dtype.code == 4;
    unsigned bits = a->dtype.code == 5 ? a->dtype.bits / 2u : a->dtype.bits;
    size_t n = a->bytes * 8 / bits;
    memset(a->data, 0, a->bytes);
    for (size_t i = 0; i < n; i++) {
        if (a->dtype.code == 6)
            ((uint8_t *)a->data)[i] = (i & 1) == 0;
        else if (real && bits == 32)
            ((float *)a->data)[i] = (float)next_real(m);
        else if (real && bits == 64)
            ((double *)a->data)[i] = next_real(m);
        else if (brain || real)
            ((uint16_t *)a->data)[i] = narrow(next_real(m), brain);
    }
}

/* Shapes, without data yet. */
static void set_shapes(Maker *m)
{
    Runner *r = m->runner;
    for (uint64_t i = 0; i < r->method->input_count; i++) {
        const aot_port *port = r->method->inputs[i];
        int64_t shape[NPY_MAX_RANK];
        if (!takes_file(port) || !port->ndim)
            continue;
        if (port->ndim > NPY_MAX_RANK)
            fail(m->job, EXIT_UNSUPPORTED, "%s: input %s has more than %d dimensions", r->file, port->name,
                 NPY_MAX_RANK);
        for (int32_t d = 0; d < port->ndim; d++)
            shape[d] = size_of(m, &port->dims[d]);
        aot_set_input(r->session, i, NULL, shape, port->ndim);
    }
}

/* The smallest sizes that are not 0 first, then such that symbols are at least 2, 3, 4, ... */
static void choose_shapes(Maker *m)
{
    static const int64_t least[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 24, 32, 64, 128, 224, 256, 512 };
    aot_status status = AOT_OK;
    for (size_t k = 0; k < sizeof least / sizeof *least; k++) {
        for (size_t i = 0; i < m->symbols.n; i++) {
            Symbol *s = &m->symbols.at[i];
            int64_t value = s->lo > least[k] ? s->lo : least[k];
            if (!s->given)
                s->value = value < s->hi ? value : s->hi;
        }
        set_shapes(m);
        status = aot_plan(m->runner->session);
        if (status != AOT_ESHAPE || !m->symbols.n)
            break;
    }
    if (status == AOT_ESHAPE)
        fail(m->job, EXIT_INPUT, "%s: %s; give sizes with --dim NAME=N, or --inputs", m->runner->file,
             aot_session_error(m->runner->session));
    if (status)
        runner_plan(m->runner);
}

static void make_inputs(Runner *r, const Request *request)
{
    Maker made = { .job = r->job, .request = request, .runner = r, .seed = 88172645463325252u }, *m = &made;
    collect_symbols(m);
    take_dims(m);
    choose_shapes(m);
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
            fail(m->job, EXIT_INPUT, "%s: input %s would have too many elements; give smaller sizes", r->file,
                 port_text(m->job, r->method->inputs[i]));
        a.bytes = (uint64_t)bytes;
        a.count = (int64_t)(a.bytes / dtype_bytes(t->dtype));
        a.data = job_big(m->job, a.bytes);
        fill(m, &a);
        runner_set(r, i, &a);
    }
}

void runner_inputs(Runner *r, const Request *request)
{
    if (request->inputs_given && request->dims.n)
        usage_error(r->job, "--dim and --inputs: the files have their sizes already");
    if (request->inputs_given)
        runner_bind_request(r, request);
    else
        make_inputs(r, request);
}

double request_seconds(Job *job, const char *text)
{
    char *end;
    double seconds = strtod(text, &end);
    if (end == text || *end || !(seconds >= 0 && seconds <= 86400))
        usage_error(job, "--seconds %s: is not a number from 0 to 86400", text);
    return seconds;
}

double request_tolerance(Job *job, const char *flag, const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= 0) || !isfinite(value))
        usage_error(job, "%s %s: is not a number from 0", flag, text);
    return value;
}
