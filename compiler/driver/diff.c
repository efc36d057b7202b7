/* SPDX-License-Identifier: MIT */
/* aotc diff: two programs on the same inputs, layer by layer, to find the first that differs.
 *
 * A layer is an output that --keep-intermediates has added, named "@NODE" after its node in the archive; archives are
 * compiled with it here.  Layers of one name and type belong together; a layer whose name the other program does not
 * have goes with the next one of its module, else of its type, that no name claims.  Instead of the second program
 * there may be a folder with NODE.npy, as another program has recorded them. */
#include "compile.h"
#include "session.h"
#include "../archive/json.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Layer {
    const char *name, *module, *line;
    bool output; /* of the signature */
    Array value;
    struct Layer *other;
    bool taken;
} Layer;

typedef VEC(Layer) Layers;

typedef struct Diff {
    Job *job;
    Request request; /* what both have in common; its file is the first */
    const char *second;
    Layers a, b;
    double rtol, atol;
    bool json;
    uint64_t compared, apart;
    const Layer *first; /* that is beyond the tolerance */
} Diff;

/* ---- layers -------------------------------------------------------------------------------------- */

static const char *text_of(Job *job, const Json *object, const char *key)
{
    const Json *v = json_get(object, key);
    return json_is_string(v) ? json_string(job, v, key) : "";
}

/* What the metadata say of the method's outputs. */
static const Json *outputs_of(Job *job, const Runner *r)
{
    const Json *note = json_parse(job, r->file, r->model->metadata, strlen(r->model->metadata));
    for (const Json *m = json_first(json_get(note, "methods")); m; m = json_next(m))
        if (!strcmp(text_of(job, m, "name"), r->method->name))
            return json_first(json_get(m, "outputs"));
    return NULL;
}

static void add_layers(Diff *d, Runner *r, bool outputs, Layers *to)
{
    const Json *about = outputs_of(d->job, r);
    for (uint64_t i = 0; i < r->method->output_count; i++, about = json_next(about)) {
        const char *name = r->method->outputs[i]->name;
        Layer l = { .name = *name == '@' ? name + 1 : name, .module = text_of(d->job, about, "module"),
                    .line = text_of(d->job, about, "line"), .output = *name != '@' };
        if (l.output == outputs && runner_output(r, i, &l.value))
            *vec_push(d->job, to) = l;
    }
}

static void read_layers(Diff *d, Runner *r, Layers *to)
{
    add_layers(d, r, false, to);
    if (!to->n && is_artifact(d->job, r->file))
        fail(d->job, EXIT_INPUT, "%s: has no intermediate values; compile it with --keep-intermediates='*'", r->file);
    add_layers(d, r, true, to);
}

/* ---- running ------------------------------------------------------------------------------------- */

static bool same_type(const Array *a, const Array *b)
{
    bool same = dtype_same(a->dtype, b->dtype) && a->rank == b->rank;
    for (int32_t i = 0; same && i < a->rank; i++)
        same = a->shape[i] == b->shape[i];
    return same;
}

/* The second gets copies of the first's inputs, which a run may change. */
static void bind_same(Diff *d, const Runner *a, Runner *b)
{
    if (a->method->input_count != b->method->input_count)
        fail(d->job, EXIT_INPUT, "%s: takes %" PRIu64 " inputs; %s takes %" PRIu64, b->file, b->method->input_count, a->file,
             a->method->input_count);
    for (uint64_t i = 0; i < b->method->input_count; i++) {
        Array x = a->inputs[i];
        if (takes_file(a->method->inputs[i]) != takes_file(b->method->inputs[i]))
            fail(d->job, EXIT_INPUT, "%s: input %s is a tensor in one program and fixed in the other", b->file,
                 b->method->inputs[i]->name);
        if (!takes_file(b->method->inputs[i]))
            continue;
        x.data = job_big(d->job, x.bytes);
        memcpy(x.data, a->inputs[i].data, x.bytes);
        runner_set(b, i, &x);
    }
}

/* The request for one of two files: flags of compiling are for the archives among them. */
static Request request_for(Diff *d, const char *file, const char *other)
{
    Request r = d->request;
    r.file = file;
    r.compile.keep = r.compile.keep ? r.compile.keep : "*";
    if (is_artifact(d->job, file) && other && !is_folder(other) && !is_artifact(d->job, other))
        r.compile_flag = NULL;
    return r;
}

static void read_folder(Diff *d)
{
    for (size_t i = 0; i < d->a.n; i++) {
        Layer l = d->a.at[i];
        const char *path = strchr(l.name, '/') ? NULL : job_printf(d->job, "%s/%s.npy", d->second, l.name);
        if (!path || !is_file(path))
            continue;
        npy_read(d->job, path, &l.value);
        if (d->a.at[i].value.dtype.code == 4 && l.value.dtype.code == 1 && l.value.dtype.bits == 16)
            l.value.dtype = d->a.at[i].value.dtype; /* bfloat16 travels as uint16 */
        *vec_push(d->job, &d->b) = l;
    }
    if (!d->b.n)
        fail(d->job, EXIT_INPUT, "%s: has values of no layer; expected %s.npy and the like", d->second, d->a.at[0].name);
}

static void run_both(Diff *d)
{
    Request ra = request_for(d, d->request.file, d->second);
    Runner *a = runner_open(d->job, &ra), *b = NULL;
    runner_inputs(a, &ra);
    if (!is_folder(d->second)) {
        Request rb = request_for(d, d->second, d->request.file);
        b = runner_open(d->job, &rb);
        bind_same(d, a, b);
        runner_run(b);
        read_layers(d, b, &d->b);
    }
    runner_run(a);
    read_layers(d, a, &d->a);
    if (!b)
        read_folder(d);
}

/* ---- which belong together -------------------------------------------------------------------------- */

static void couple(Layer *a, Layer *b)
{
    a->other = b;
    b->taken = true;
}

static void couple_by_name(Diff *d)
{
    for (size_t i = 0; i < d->a.n; i++)
        for (size_t k = 0; k < d->b.n && !d->a.at[i].other; k++) {
            Layer *a = &d->a.at[i], *b = &d->b.at[k];
            bool folder = is_folder(d->second);
            if (!b->taken && a->output == b->output && !strcmp(a->name, b->name) &&
                (folder || a->output || same_type(&a->value, &b->value)))
                couple(a, b);
        }
}

/* The next layer behind `from` that is free, of this type, and of this module if `module`. */
static Layer *next_like(Diff *d, const Layer *a, size_t from, bool module)
{
    for (size_t k = from; k < d->b.n; k++) {
        Layer *b = &d->b.at[k];
        if (!b->taken && a->output == b->output && same_type(&a->value, &b->value) &&
            (!module || !strcmp(a->module, b->module)))
            return b;
    }
    return NULL;
}

static void couple_by_order(Diff *d)
{
    size_t from = 0;
    for (size_t i = 0; i < d->a.n; i++) {
        Layer *a = &d->a.at[i], *b = a->other;
        if (!b)
            b = next_like(d, a, from, true);
        if (!b)
            b = next_like(d, a, from, false);
        if (!b)
            continue;
        if (!a->other)
            couple(a, b);
        from = (size_t)(b - d->b.at) + 1;
    }
}

/* ---- comparing -------------------------------------------------------------------------------------- */

/* The place of a float among all floats of its type; -0 and 0 are one. */
static int64_t place(DLDataType t, const void *data, int64_t i)
{
    uint64_t bits = 0, sign = (uint64_t)1 << (t.bits - 1);
    memcpy(&bits, (const char *)data + (size_t)i * (t.bits / 8u), t.bits / 8u);
    return bits & sign ? -(int64_t)(bits & (sign - 1)) : (int64_t)bits;
}

/* The most floats between two elements; -1: they are no floats. NaNs are compared by array_difference alone. */
static double ulps(const Array *a, const Array *b)
{
    double most = 0;
    if ((a->dtype.code != 2 && a->dtype.code != 4) || a->dtype.bits > 64)
        return -1;
    for (int64_t i = 0; i < a->count; i++) {
        if (isnan(element_value(a->dtype, a->data, i)) || isnan(element_value(b->dtype, b->data, i)))
            continue;
        double off = fabs((double)place(a->dtype, a->data, i) - (double)place(b->dtype, b->data, i));
        most = off > most ? off : most;
    }
    return most;
}

static const char *title(Job *job, const Layer *l)
{
    bool renamed = strcmp(l->name, l->other->name) != 0;
    return job_printf(job, "%s%s%s%s", l->output ? "output " : "", l->name, renamed ? " / " : "",
                      renamed ? l->other->name : "");
}

static void show(Diff *d, Text *json, const Layer *l, const Difference *off, double ulp, bool apart)
{
    const char *shape = job_printf(d->job, "%s%s", dtype_text(l->value.dtype),
                                   shape_text(d->job, l->value.shape, l->value.rank));
    if (!d->json) {
        printf("%c %-36s %-24s ", apart ? d->first == l ? '>' : '*' : ' ', title(d->job, l), shape);
        if (off->unlike)
            printf("%s\n", off->unlike);
        else
            printf(ulp >= 0 ? "%9.2e %9.2e %9.3g\n" : "%9.2e %9.2e\n", off->largest, off->largest / off->scale, ulp);
        return;
    }
    text_add(json, json->n > 1 ? ",{\"name\":" : "{\"name\":");
    text_json(json, l->name);
    text_add(json, ",\"other\":");
    text_json(json, l->other->name);
    text_add(json, ",\"output\":%s,\"module\":", l->output ? "true" : "false");
    text_json(json, l->module);
    text_add(json, ",\"line\":");
    text_json(json, l->line);
    text_add(json, ",\"type\":");
    text_json(json, shape);
    if (!off->unlike && isfinite(off->largest)) /* JSON has no infinity */
        text_add(json, ",\"absolute\":%.9g,\"relative\":%.9g,\"ulp\":%.17g", off->largest, off->largest / off->scale, ulp);
    text_add(json, ",\"apart\":%s}", apart ? "true" : "false");
}

static void compare(Diff *d, Text *json)
{
    for (size_t i = 0; i < d->a.n; i++) {
        const Layer *l = &d->a.at[i];
        if (!l->other)
            continue;
        Difference off = array_difference(d->job, &l->other->value, &l->value, d->rtol, d->atol);
        bool real = l->value.dtype.code != 0 && l->value.dtype.code != 1 && l->value.dtype.code != 6;
        bool apart = off.unlike || (real ? !(off.largest <= d->atol + d->rtol * off.scale) : off.outside > 0);
        d->compared++;
        d->apart += apart;
        if (apart && !d->first)
            d->first = l;
        show(d, json, l, &off, off.unlike ? -1 : ulps(&l->value, &l->other->value), apart);
    }
}

static size_t alone(const Layers *layers, bool second)
{
    size_t n = 0;
    for (size_t i = 0; i < layers->n; i++)
        n += second ? !layers->at[i].taken : !layers->at[i].other;
    return n;
}

/* ---- the command --------------------------------------------------------------------------------------- */

static void parse(Diff *d, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *v;
        bool word = argv[i][0] != '-' || !argv[i][1];
        if ((v = flag_value(d->job, "--rtol", argc, argv, &i)))
            d->rtol = request_tolerance(d->job, "--rtol", v);
        else if ((v = flag_value(d->job, "--atol", argc, argv, &i)))
            d->atol = request_tolerance(d->job, "--atol", v);
        else if (flag_is(argv[i], "--json"))
            d->json = true;
        else if (word && d->request.file && !d->second)
            d->second = argv[i];
        else
            request_word(d->job, &d->request, argc, argv, &i);
    }
    if (!d->request.file || !d->second)
        usage_error(d->job, "diff compares two; expected A.{so,pt2} and B.{so,pt2}, or a folder of NODE.npy");
    if (d->request.compile.output)
        usage_error(d->job, "-o: diff writes no artifact");
}

void command_diff(Job *job, int argc, char **argv)
{
    if (help_wanted(job, argc, argv, "diff"))
        return;
    Diff d = { .job = job, .rtol = 1e-4, .atol = 1e-5 };
    Text list;
    text_init(&list, job);
    text_add(&list, "[");
    d.request.fill_dims = true;
    parse(&d, argc, argv);
    run_both(&d);
    couple_by_name(&d);
    couple_by_order(&d);
    if (!d.json)
        printf("  %-36s %-24s %9s %9s %9s\n", "layer", "type", "absolute", "relative", "ulp");
    compare(&d, &list);
    size_t only_a = alone(&d.a, false), only_b = is_folder(d.second) ? 0 : alone(&d.b, true);
    if (d.json)
        printf("{\"layers\":%s],\"compared\":%" PRIu64 ",\"apart\":%" PRIu64 ",\"only_first\":%zu,\"only_second\":%zu}\n", list.at,
               d.compared, d.apart, only_a, only_b);
    else
        printf("%" PRIu64 " layers compared, %" PRIu64 " out of tolerance (rtol %g of the largest value, atol %g); only in the "
               "first: %zu, only in the second: %zu\n", d.compared, d.apart, d.rtol, d.atol, only_a, only_b);
    fflush(stdout);
    if (!d.compared)
        fail(job, EXIT_INPUT, "%s: has no layer in common with %s", d.second, d.request.file);
    if (d.first)
        fail(job, EXIT_INPUT, "%s: %s is the first layer that differs from %s%s%s", d.second, title(job, d.first),
             d.request.file, *d.first->line ? "; " : "", d.first->line);
}
