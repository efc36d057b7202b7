/* SPDX-License-Identifier: MIT */
/* Writing and following recipes.  A recipe names
 *
 *     weights   all parameters and persistent buffers: name, dtype, shape, the name that it is tied to
 *     graphs    what fold_constants computed of them, as text, and what goes in
 *     parts     the constants: where they are, which weight or result they are, and how it is packed
 *     zeros     states whose first value is zero and therefore not stored
 *     parameters   names in the order that weights_hash has them (provenance.h)
 *     fixed     weights whose value is in the code, by their SHA-256
 *     refused   why the weights cannot be replaced at all; absent else
 *
 * A weight is referred to by name, a result by the numbers of its graph and output.  The format's number changes with
 * what recipes say and with how weights are packed, as kernels in artifacts read the layout of their time. */
#include "recipe.h"
#include "provenance.h"
#include "../../codegen/loop/packing.h"
#include <inttypes.h>
#include <openssl/evp.h>
#include <string.h>

enum { RECIPE_FORMAT = 2 }; /* 1: panels of 64 columns where 48 fit as well */

/* ---- writing -------------------------------------------------------------------------------------------- */

typedef struct Writer {
    Job *job;
    Compilation *c;
    VEC(const Recipe *) recipes; /* in order: what one needs comes before it */
    Text parts, zeros, graphs;
} Writer;

static void write_ints(Text *t, const char *key, const int64_t *at, int n)
{
    text_add(t, ",\"%s\":[", key);
    for (int i = 0; i < n; i++)
        text_add(t, i ? ",%" PRId64 : "%" PRId64, at[i]);
    text_add(t, "]");
}

static size_t recipe_number(Writer *w, const Recipe *r);

/* A weight, a result, or bytes of the constants. */
static void write_source(Writer *w, Text *t, const Tensor *root)
{
    if (root->recipe) {
        text_add(t, "\"graph\":%zu,\"result\":%" PRIu32, recipe_number(w, root->recipe), root->result);
    } else if (root->replaceable) {
        text_add(t, "\"weight\":");
        text_json(t, root->name);
    } else {
        size_t bytes;
        void *data = tensor_dense(w->job, root, &bytes);
        text_add(t, "\"at\":%" PRIu64 ",\"bytes\":%zu", weights_add(&w->c->weights, data, bytes, root->name, NULL), bytes);
    }
}

static size_t recipe_number(Writer *w, const Recipe *r)
{
    for (size_t i = 0; i < w->recipes.n; i++)
        if (w->recipes.at[i] == r)
            return i;
    Text graph, in;
    text_init(&graph, w->job);
    text_init(&in, w->job);
    for (size_t i = 0; i < r->inputs.n; i++) {
        text_add(&in, i ? ",{" : "{");
        write_source(w, &in, r->inputs.at[i]);
        text_add(&in, "}");
    }
    graph_print(&graph, r->graph);
    text_add(&w->graphs, w->recipes.n ? ",{\"text\":" : "{\"text\":");
    text_json(&w->graphs, graph.at);
    text_add(&w->graphs, ",\"inputs\":[%s]}", in.at);
    *vec_push(w->job, &w->recipes) = r;
    return w->recipes.n - 1;
}

static bool can_change(const Packing *p)
{
    return p && (p->root->replaceable || p->root->recipe);
}

static void write_part(Writer *w, Text *t, const Packing *p)
{
    write_source(w, t, p->root);
    text_add(t, ",\"pack\":\"%s\",\"n\":%" PRId64 ",\"offset\":%" PRId64, pack_names[p->kind], p->n,
             p->kind == PACK_PLAIN ? 0 : p->view.offset - p->root->offset);
    int64_t stride[MAX_RANK], step = 1;
    for (int i = p->view.rank; i-- > 0; step *= p->view.size[i])
        stride[i] = p->kind == PACK_PLAIN ? step : p->view.stride[i]; /* of the row-major elements */
    write_ints(t, "shape", p->view.size, p->view.rank);
    write_ints(t, "stride", stride, p->view.rank);
}

static const char *dense_sha256(Job *job, const Tensor *t)
{
    uint8_t digest[32];
    size_t bytes;
    void *data = tensor_dense(job, t, &bytes);
    if (!EVP_Digest(data, bytes, digest, NULL, EVP_sha256(), NULL))
        fail(job, EXIT_RESOURCE, "SHA-256 failed");
    job_release_big(job, data);
    return hex_text(job, digest, sizeof digest);
}

static void write_fixed(Job *job, Text *t, const Graph *g)
{
    for each_node (n, g)
        for (uint32_t i = 0; i < n->region_count; i++)
            write_fixed(job, t, n->region[i]);
    for (size_t i = 0; i < g->fixed.n; i++) {
        text_add(t, t->at[t->n - 1] == '[' ? "{\"weight\":" : ",{\"weight\":");
        text_json(t, g->fixed.at[i]->name);
        text_add(t, ",\"sha256\":\"%s\"}", dense_sha256(job, g->fixed.at[i]));
    }
}

/* Every name once; NULL, or a name that stands for two kinds of weights. */
static Sym write_weights(Job *job, Text *t, const Compilation *c)
{
    VEC(const Tensor *) seen = { 0 };
    for (size_t i = 0; i < c->sources.n; i++) {
        Archive *a = c->sources.at[i].archive;
        size_t model = c->sources.at[i].model, known = seen.n;
        for (size_t k = 0; k < archive_weight_count(a, model); k++) {
            Sym name, tie;
            const Tensor *w = archive_weight(a, model, k, &name, &tie);
            size_t at = 0;
            while (at < known && seen.at[at]->name != name)
                at++;
            bool same = at < known && w && w->rank == seen.at[at]->rank && w->dtype == seen.at[at]->dtype &&
                        !memcmp(w->size, seen.at[at]->size, (size_t)w->rank * sizeof *w->size);
            if (at < known && !same)
                return name;
            if (at < known || !w)
                continue;
            text_add(t, seen.n ? ",{\"name\":" : "{\"name\":");
            text_json(t, name);
            text_add(t, ",\"dtype\":\"%s\"", dtype_info[w->dtype].name);
            write_ints(t, "shape", w->size, w->rank);
            if (tie != name) {
                text_add(t, ",\"tied\":");
                text_json(t, tie);
            }
            text_add(t, "}");
            *vec_push(job, &seen) = w;
        }
    }
    return NULL;
}

const char *recipe_write(Job *job, Compilation *c)
{
    Writer w = { .job = job, .c = c };
    Text t;
    text_init(&w.parts, job);
    text_init(&w.zeros, job);
    text_init(&w.graphs, job);
    text_init(&t, job);
    text_add(&t, "{\"format\":%d,\"weights\":[", RECIPE_FORMAT);
    Sym twofold = write_weights(job, &t, c);
    for (size_t i = 0, n = c->weights.count; i < n; i++) {
        struct WeightPart part = c->weights.parts[i];
        if (!can_change(part.packing))
            continue;
        text_add(&w.parts, "%s{\"to\":%" PRIu64 ",\"room\":%" PRIu64 ",", w.parts.n ? "," : "", part.at, part.size);
        write_part(&w, &w.parts, part.packing);
        text_add(&w.parts, "}");
    }
    for (size_t i = 0; i < c->weights.states.n; i++) {
        const StateSlot *s = &c->weights.states.at[i];
        if (s->weight != NO_WEIGHT || !can_change(s->packing))
            continue;
        text_add(&w.zeros, w.zeros.n ? ",{\"room\":%" PRIu64 "," : "{\"room\":%" PRIu64 ",", s->size);
        write_part(&w, &w.zeros, s->packing);
        text_add(&w.zeros, "}");
    }
    text_add(&t, "],\"graphs\":[%s],\"parts\":[%s],\"zeros\":[%s],\"fixed\":[", w.graphs.at, w.parts.at, w.zeros.at);
    for (size_t i = 0; i < c->graphs.n; i++)
        write_fixed(job, &t, c->graphs.at[i]);
    text_add(&t, "],\"parameters\":[");
    const ParameterList parameters = parameters_of(job, c);
    for (size_t i = 0; i < parameters.n && c->weights_hash; i++) {
        text_add(&t, i ? "," : "");
        text_json(&t, parameters.at[i]->name);
    }
    text_add(&t, "]");
    twofold = twofold ? twofold : c->weights.twofold;
    if (twofold) {
        text_add(&t, ",\"refused\":");
        text_json(&t, job_printf(job, "two methods have different weights called %s", twofold));
    }
    text_add(&t, "}");
    return t.at;
}

/* ---- following ------------------------------------------------------------------------------------------ */

typedef struct Reader {
    Job *job;
    const char *where;
    Archive *weights; /* the names that the recipe lists, with their new elements */
    uint8_t *constants;
    uint64_t bytes;
    struct Made {
        Tensor *results;
        size_t n;
    } *made; /* by graph */
    size_t made_count;
} Reader;

static _Noreturn void refuse(const Reader *r, const char *what)
{
    fail(r->job, EXIT_INPUT, "%s: its recipe %s; the file is damaged", r->where, what);
}

static int read_sizes(const Reader *r, const Json *entry, const char *key, int64_t *out)
{
    int n = 0;
    const Json *list = json_need(r->job, entry, key, r->where);
    for (const Json *v = json_first(list); v; v = json_next(v)) {
        if (n == MAX_RANK)
            refuse(r, "has too many dimensions");
        out[n++] = json_int(r->job, v, r->where);
    }
    return n;
}

/* Name, type and sizes; elements row-major. */
static Tensor read_type(const Reader *r, const Json *entry, const char *name)
{
    Tensor t = { .name = sym(r->job, name) };
    int64_t step = 1;
    t.dtype = dtype_from_name(json_string(r->job, json_need(r->job, entry, "dtype", r->where), r->where));
    if (t.dtype == DT_NONE)
        refuse(r, "names no type");
    t.rank = read_sizes(r, entry, "shape", t.size);
    for (int i = t.rank; i-- > 0;) {
        t.stride[i] = step;
        if (t.size[i] < 0 || !mul_i64(step, t.size[i], &step) || step > INT64_MAX / 64)
            refuse(r, "has sizes out of range");
    }
    return t;
}

static int64_t count_of(const Tensor *t)
{
    int64_t count = 1;
    for (int i = 0; i < t->rank; i++)
        count *= t->size[i];
    return count;
}

static Archive *read_weights(const Reader *r, const Json *list)
{
    size_t n = json_count(list), i = 0;
    Tensor *weights = job_array(r->job, n + 1, sizeof *weights);
    Sym *ties = job_array(r->job, n + 1, sizeof *ties);
    for (const Json *e = json_first(list); e; e = json_next(e), i++) {
        weights[i] = read_type(r, e, json_string(r->job, json_need(r->job, e, "name", r->where), r->where));
        const Json *tie = json_get(e, "tied");
        ties[i] = tie ? sym(r->job, json_string(r->job, tie, r->where)) : weights[i].name;
    }
    return archive_of_weights(r->job, r->where, weights, ties, n);
}

static size_t number(const Reader *r, const Json *entry, const char *key, uint64_t limit)
{
    int64_t n = json_int(r->job, json_need(r->job, entry, key, r->where), r->where);
    if (n < 0 || (uint64_t)n >= limit)
        refuse(r, "counts what is not there");
    return (size_t)n;
}

/* A row-major tensor with all of its elements: a weight, or a result. */
static Tensor read_root(const Reader *r, const Json *entry)
{
    const Json *name = json_get(entry, "weight");
    if (!name) {
        const struct Made *m = &r->made[number(r, entry, "graph", r->made_count)];
        return m->results[number(r, entry, "result", m->n)];
    }
    const Tensor *given = archive_tensor(r->weights, 0, json_string(r->job, name, r->where));
    if (!given)
        refuse(r, "reads a weight that it does not list");
    Tensor t = *given;
    Storage *s = job_alloc(r->job, sizeof *s);
    size_t bytes;
    int64_t step = 1;
    s->bytes = tensor_dense(r->job, given, &bytes);
    s->size = bytes;
    t.storage = s;
    t.offset = 0;
    for (int i = t.rank; i-- > 0; step *= t.size[i])
        t.stride[i] = step;
    return t;
}

static Tensor result_of(const Reader *r, const Value *v)
{
    Tensor t = { .name = v->name, .dtype = v->type.dtype, .rank = v->type.rank };
    Storage *s = job_alloc(r->job, sizeof *s);
    int64_t count, bytes, step = 1;
    if (!type_static(&v->type, &count) || !mul_i64(count, dtype_info[t.dtype].bytes, &bytes) || bytes > INT32_MAX * 64LL)
        refuse(r, "has a result of no proper size");
    for (int i = t.rank; i-- > 0; step *= t.size[i]) {
        idx_is_const(v->type.dim[i], &t.size[i]);
        t.stride[i] = step;
    }
    s->size = (uint64_t)bytes;
    s->bytes = job_big(r->job, s->size);
    t.storage = s;
    return t;
}

/* Whether the value has the type and sizes of the tensor. */
static bool fits(const Value *v, const Tensor *t)
{
    bool same = v && v->type.dtype == t->dtype && v->type.rank == t->rank;
    for (int i = 0; same && i < t->rank; i++)
        same = idx_is(v->type.dim[i], t->size[i]);
    return same;
}

static void evaluate_graph(Reader *r, const Json *entry, struct Made *m)
{
    Job *job = r->job;
    Evaluator *evaluator = *job_slot(job, JOB_SLOT_EVALUATE);
    const Json *inputs = json_need(job, entry, "inputs", r->where), *e = json_first(inputs);
    Graph *g = graph_parse(job, r->where, json_string(job, json_need(job, entry, "text", r->where), r->where));
    const char *fault = graph_verify(g);
    if (fault || g->inputs.n != json_count(inputs) || g->symbols.n || g->states.n || g->consts.n)
        refuse(r, "has a graph that makes no sense");
    const void **in = job_array(job, g->inputs.n + 1, sizeof *in);
    void **out = job_array(job, g->outputs.n + 1, sizeof *out);
    for (size_t i = 0; i < g->inputs.n; i++, e = json_next(e)) {
        const Value *v = g->inputs.at[i].kind == PORT_TENSOR ? g->inputs.at[i].value : NULL;
        if (json_get(e, "at")) {
            int64_t count, bytes;
            size_t at = number(r, e, "at", r->bytes + 1), room = number(r, e, "bytes", r->bytes - at + 1);
            if (!v || !type_static(&v->type, &count) || !mul_i64(count, dtype_info[v->type.dtype].bytes, &bytes) ||
                (uint64_t)bytes != room)
                refuse(r, "has a graph of other sizes");
            in[i] = memcpy(job_big(job, room), r->constants + at, room);
        } else {
            Tensor t = read_root(r, e);
            if (!fits(v, &t))
                refuse(r, "has a graph of other sizes");
            in[i] = t.storage->bytes;
        }
    }
    m->n = g->outputs.n;
    m->results = job_array(job, m->n + 1, sizeof *m->results);
    for (size_t i = 0; i < m->n; i++) {
        if (g->outputs.at[i].kind != PORT_TENSOR)
            refuse(r, "has a result that is no tensor");
        m->results[i] = result_of(r, g->outputs.at[i].value);
        out[i] = (void *)(uintptr_t)m->results[i].storage->bytes;
    }
    const char *wrong = evaluator->run(job, g, in, out);
    if (wrong)
        fail(job, EXIT_INPUT, "%s: what the code holds of the weights cannot be computed of these: %s", r->where, wrong);
}

/* The packed bytes of a part, `room` of them. */
static void *make_part(const Reader *r, const Json *entry, size_t room)
{
    Tensor root = read_root(r, entry);
    Packing p = { .root = &root, .view = root, .n = json_int(r->job, json_need(r->job, entry, "n", r->where), r->where) };
    const char *kind = json_string(r->job, json_need(r->job, entry, "pack", r->where), r->where);
    while (p.kind < PACK_COUNT && strcmp(pack_names[p.kind], kind))
        p.kind++;
    if (p.kind == PACK_COUNT)
        fail(r->job, EXIT_UNSUPPORTED, "%s: packs a weight as \"%.40s\", which this aotc does not know", r->where, kind);
    p.view.offset = json_int(r->job, json_need(r->job, entry, "offset", r->where), r->where);
    p.view.rank = read_sizes(r, entry, "shape", p.view.size);
    if (read_sizes(r, entry, "stride", p.view.stride) != p.view.rank)
        refuse(r, "has more sizes than strides or fewer");
    const char *fault = count_of(&root) || p.kind != PACK_PLAIN ? packing_fault(&p, count_of(&root)) : NULL;
    if (fault)
        refuse(r, fault);
    size_t bytes = 0;
    if (packing_bytes(&p) != room)
        refuse(r, "has a part of another size");
    return packing_apply(r->job, &p, &bytes);
}

static void check_refused(const Reader *r, const Json *recipe)
{
    const Json *why = json_get(recipe, "refused");
    int64_t format = json_int(r->job, json_need(r->job, recipe, "format", r->where), r->where);
    if (format != RECIPE_FORMAT)
        fail(r->job, EXIT_UNSUPPORTED, "%s: its recipe has format %" PRId64 ", and this aotc follows format %d; use the aotc that "
             "compiled it, or compile it again with --state-dict", r->where, format, RECIPE_FORMAT);
    if (why)
        fail(r->job, EXIT_UNSUPPORTED, "%s: its weights cannot be replaced: %.300s; compile it again with --state-dict",
             r->where, json_string(r->job, why, r->where));
}

static void check_fixed(const Reader *r, const Json *list)
{
    for (const Json *e = json_first(list); e; e = json_next(e)) {
        Tensor t = read_root(r, e);
        const char *was = json_string(r->job, json_need(r->job, e, "sha256", r->where), r->where);
        if (strcmp(dense_sha256(r->job, &t), was))
            fail(r->job, EXIT_UNSUPPORTED, "%s: weight \"%.200s\" is another number now, and it is part of the code; compile "
                 "the model again with --state-dict", r->where, t.name);
    }
}

static void check_zeros(const Reader *r, const Json *list)
{
    for (const Json *e = json_first(list); e; e = json_next(e)) {
        size_t room = number(r, e, "room", SIZE_MAX), at = 0;
        const char *first = make_part(r, e, room);
        while (at < room && !first[at])
            at++;
        if (at < room)
            fail(r->job, EXIT_UNSUPPORTED, "%s: the first value of state \"%.200s\" is zero in the code, and other than that "
                 "in the state dict; compile the model again with --state-dict", r->where, read_root(r, e).name);
    }
}

/* NULL: the parameters are not all numbers that are hashed. */
static const char *new_hash(const Reader *r, const Json *names)
{
    ParameterList list = { 0 };
    for (const Json *e = json_first(names); e; e = json_next(e))
        *vec_push(r->job, &list) = archive_tensor(r->weights, 0, json_string(r->job, e, r->where));
    return list.n ? parameters_hash(r->job, &list) : NULL;
}

const char *recipe_apply(Job *job, const char *where, const char *text, Archive *state_dict, uint8_t *constants,
                         uint64_t bytes)
{
    Reader r = { .job = job, .where = where, .constants = constants, .bytes = bytes };
    const Json *recipe = json_parse(job, where, text, strlen(text));
    check_refused(&r, recipe);
    r.weights = read_weights(&r, json_need(job, recipe, "weights", where));
    state_dict_apply(job, state_dict, &(ProgramRef){ r.weights, 0 }, 1);
    const Json *graphs = json_need(job, recipe, "graphs", where), *parts = json_need(job, recipe, "parts", where);
    r.made = job_array(job, json_count(graphs) + 1, sizeof *r.made);
    for (const Json *e = json_first(graphs); e; e = json_next(e))
        evaluate_graph(&r, e, &r.made[r.made_count]), r.made_count++;
    check_fixed(&r, json_need(job, recipe, "fixed", where));
    check_zeros(&r, json_need(job, recipe, "zeros", where));
    for (const Json *e = json_first(parts); e; e = json_next(e)) {
        size_t to = number(&r, e, "to", bytes + 1), room = number(&r, e, "room", bytes - to + 1);
        void *made = make_part(&r, e, room);
        memcpy(constants + to, made, room);
        job_release_big(job, made);
    }
    return new_hash(&r, json_need(job, recipe, "parameters", where));
}

const char *recipe_summary(Job *job, const char *where, const char *text)
{
    const Json *recipe = json_parse(job, where, text, strlen(text));
    return job_printf(job, json_get(recipe, "refused") ? "%zu parameters and buffers, which cannot be replaced"
                                                       : "%zu parameters and buffers, in %zu constants",
                      json_count(json_get(recipe, "weights")), json_count(json_get(recipe, "parts")));
}
