/* SPDX-License-Identifier: MIT */
/* --tune=FILE.json: the ways to compute a contraction are measured on this machine, and the fastest is kept in a file.
 *
 * The file is an object: {"aotc": "tune", "fastest": {KEY: {"way": WAY, "us": {WAY: TIME, ...}}, ...}}.  A key begins with
 * the version and the levels, so one file serves many targets.  What it has is taken and not measured again: the same
 * archive and file give the same bytes.  What is measured is added, behind the rest. */
#include "compile.h"
#include "../archive/json.h"
#include "session.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_WAYS = 8, TUNE_LIMIT = 64 << 20, COLD = 32 << 20, LEAST_ROUNDS = 5, MOST_ROUNDS = 60 };

typedef struct Record {
    const char *key, *way; /* of all targets */
    double us[MAX_WAYS];
    const char *name[MAX_WAYS];
    int count;
} Record;

typedef struct Tune {
    Job *job;
    const CompileOptions *options;
    const char *prefix;
    VEC(Record) entries;
    VEC(Tuned) tuned; /* those of this target */
    bool changed;
} Tune;

/* ---- the file ---- */

static void take(Tune *t, Record e)
{
    *vec_push(t->job, &t->entries) = e;
    size_t n = strlen(t->prefix);
    if (!strncmp(e.key, t->prefix, n))
        *vec_push(t->job, &t->tuned) = (Tuned){ e.key + n, e.way };
}

static const char *winner(const Tune *t, const char *key)
{
    for (size_t i = 0; i < t->tuned.n; i++)
        if (!strcmp(t->tuned.at[i].key, key))
            return t->tuned.at[i].way;
    return NULL;
}

static void read_entries(Tune *t, const char *path)
{
    Job *job = t->job;
    size_t size;
    if (access(path, F_OK))
        return;
    const char *text = read_file(job, path, TUNE_LIMIT, &size);
    const Json *root = json_parse(job, path, text, size), *kind = json_get(root, "aotc");
    if (!kind || !json_is_string(kind) || strcmp(json_string(job, kind, path), "tune"))
        fail(job, EXIT_INPUT, "%s: is no file of --tune; give another name, or remove it", path);
    const Json *all = json_need(job, root, "fastest", path);
    if (!json_is_object(all))
        fail(job, EXIT_INPUT, "%s: \"fastest\" is no object", path);
    for (const Json *m = json_first(all); m; m = json_next(m)) {
        Record e = { .key = json_key(m), .way = json_string(job, json_need(job, m, "way", path), path) };
        const Json *us = json_get(m, "us");
        for (const Json *x = us ? json_first(us) : NULL; x && e.count < MAX_WAYS; x = json_next(x)) {
            e.name[e.count] = json_key(x);
            e.us[e.count++] = json_double(job, x, path);
        }
        take(t, e);
    }
}

static void write_entries(const Tune *t, const char *path)
{
    Text out;
    text_init(&out, t->job);
    text_add(&out, "{\n \"aotc\": \"tune\",\n \"fastest\": {");
    for (size_t i = 0; i < t->entries.n; i++) {
        const Record *e = &t->entries.at[i];
        text_add(&out, "%s\n  ", i ? "," : "");
        text_json(&out, e->key);
        text_add(&out, ": {\"way\": ");
        text_json(&out, e->way);
        text_add(&out, ", \"us\": {");
        for (int k = 0; k < e->count; k++) {
            text_add(&out, "%s", k ? ", " : "");
            text_json(&out, e->name[k]);
            text_add(&out, ": %.1f", e->us[k]);
        }
        text_add(&out, "}}");
    }
    text_add(&out, "\n }\n}\n");
    output_file(t->job, path, 0666, out.at, out.n);
}

/* ---- measuring ---- */

typedef struct Trial {
    const Tune *tune;
    const Choice *choice;
    const char *way[MAX_WAYS];
    double seconds[MAX_WAYS];
} Trial;

/* The sample, computed in one way, as an open artifact. */
static Runner *open_sample(Job *job, const Trial *t, int way)
{
    const CompileOptions *o = t->tune->options;
    const Tuned tuned = { t->choice->key.at, t->way[way] };
    LowerOptions options = compile_lower_options(o);
    options.tuned = &tuned;
    options.tuned_count = 1;
    Compilation c = { .torch = "", .weights = { .job = job } };
    Graph *g = graph_parse(job, "sample", t->choice->sample.at);
    graph_fill_constants(job, "sample", g);
    passes_run_one(g, "prune");
    Program *p = lower(g, &c.weights, options);
    plan_memory(p);
    *vec_push(job, &c.programs) = p;
    c.artifact = (Artifact){ .job = job, .name = g->name, .programs = (const Program *const *)c.programs.at, .program_count = 1,
                             .weights = &c.weights, .metadata = "", .version = AOTC_VERSION };
    char *folder = private_folder(job);
    CompileOptions own = { .backend = "tcc", .cpu = o->cpu };
    Request *request = job_alloc(job, sizeof *request);
    request->file = job_printf(job, "%s/sample.so", folder);
    compile_link(job, &c, &own, request->file);
    Runner *r = runner_open(job, request);
    job_undefer(job, folder);
    remove_private_folder(folder);
    runner_inputs(r, request);
    return r;
}

/* In turns, each time with caches full of other data: in a model the weights are not there either. */
static void measure(Job *job, void *arg)
{
    Trial *t = arg;
    Runner *r[MAX_WAYS];
    unsigned char *cold = job_big(job, COLD);
    memset(cold, 1, COLD);
    for (int k = 0; k < t->choice->count; k++) {
        r[k] = open_sample(job, t, k);
        runner_run(r[k]);
        t->seconds[k] = 1e9;
    }
    double end = seconds_now() + 0.15 * t->choice->count;
    for (int round = 0; round < LEAST_ROUNDS || (round < MOST_ROUNDS && seconds_now() < end); round++)
        for (int k = 0; k < t->choice->count; k++) {
            for (size_t i = 0; i < COLD; i += 64)
                cold[i]++;
            double start = seconds_now();
            runner_run(r[k]);
            start = seconds_now() - start;
            t->seconds[k] = start < t->seconds[k] ? start : t->seconds[k];
        }
}

static void tune_node(Tune *t, Node *n)
{
    Job *job = t->job;
    Choice choice;
    LowerOptions options = compile_lower_options(t->options);
    if (op_info[n->op].kind != CONTRACT || !contract_choice(job, &options, n, &choice) || winner(t, choice.key.at))
        return;
    Trial trial = { .tune = t, .choice = &choice };
    for (int k = 0; k < choice.count; k++)
        trial.way[k] = way_name(job, &choice.way[k]);
    int code = job_run(measure, &trial, stderr);
    if (code)
        fail(job, code, "--tune: %s could not be measured", choice.key.at);
    Record e = { .key = job_printf(job, "%s%s", t->prefix, choice.key.at), .count = choice.count };
    int best = 0;
    for (int k = 0; k < choice.count; k++) {
        e.name[k] = trial.way[k];
        e.us[k] = trial.seconds[k] * 1e6;
        if (e.us[k] < e.us[best] && e.us[k] < 0.98 * e.us[0]) /* what is no better than noise is not taken */
            best = k;
    }
    e.way = e.name[best];
    take(t, e);
    t->changed = true;
    if (t->options->verbose)
        fprintf(stderr, "aotc: %s: %s\n", choice.key.at, e.way);
}

static void tune_graph(Tune *t, Graph *g)
{
    graph_count_uses(g);
    for each_node (n, g) {
        for (uint32_t i = 0; i < n->region_count; i++)
            tune_graph(t, n->region[i]);
        tune_node(t, n);
    }
}

LowerOptions tune(Job *job, Compilation *c, const CompileOptions *o, const char *levels)
{
    Tune t = { .job = job, .options = o, .prefix = job_printf(job, "aotc %s %s: ", AOTC_VERSION, levels) };
    read_entries(&t, o->tune);
    for (size_t i = 0; i < c->graphs.n; i++)
        tune_graph(&t, c->graphs.at[i]);
    if (t.changed)
        write_entries(&t, o->tune);
    *vec_push(job, &c->inputs) = o->tune;
    LowerOptions options = compile_lower_options(o);
    options.tuned = t.tuned.at;
    options.tuned_count = t.tuned.n;
    return options;
}
