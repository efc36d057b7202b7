/* SPDX-License-Identifier: MIT */
/* `aotc ir FILE`: a text of either IR through as much of the compiler as is asked for.
 *
 *     aotc ir FILE.gir [--pass NAME]... [--lower] [--plan] [--emit=graph|loops|c]
 *
 * Reads a graph (docs/graph-ir.md), verifies it, runs the named passes in the order given ("all": the whole pipeline)
 * and prints the graph; with --lower or --emit=loops the program (docs/loop-ir.md), planned with --plan; with --emit=c
 * the model's C text.  A file that starts with `program` is read as a loop text: no passes, no --lower.
 * Constants without elements are zeros for lowering, and for nothing else. */
#include "compile.h"
#include <stdlib.h>
#include <string.h>

enum { TEXT_LIMIT = 64 << 20, ZERO_LIMIT = 1 << 30 };

typedef struct Ir {
    Job *job;
    const char *path, *emit;
    VEC(const char *) passes;
    bool lower, plan;
    Weights weights;
} Ir;

void list_graph_ops(FILE *out)
{
    static const char *const kinds[] = { "pointwise", "create",   "reduce",  "view",
                                         "gather",    "scatter",  "contract", "control",
                                         "scan",      "routine",  "composite" };
    _Static_assert(sizeof kinds / sizeof *kinds == COMPOSITE + 1, "a name for each kind");
    fprintf(out, "| operator | kind | operands | result |\n|---|---|---|---|\n");
    for (int i = 0; i < OP_COUNT; i++) {
        const OpInfo *o = &op_info[i];
        fprintf(out, "| `%s` | %s | ", o->name, kinds[o->kind]);
        fprintf(out, o->inputs < 0 ? "%d or more | " : "%d | ", abs(o->inputs));
        for (const char *p = o->doc; *p; p++)
            fprintf(out, *p == '|' ? "\\|" : "%c", *p);
        fprintf(out, " |\n");
    }
}

static void arguments(Ir *a, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *v;
        if ((v = flag_value(a->job, "--pass", argc, argv, &i))) {
            *vec_push(a->job, &a->passes) = v;
        } else if (flag_is(argv[i], "--lower")) {
            a->lower = true;
        } else if (flag_is(argv[i], "--plan")) {
            a->lower = a->plan = true;
        } else if ((v = flag_value(a->job, "--emit", argc, argv, &i))) {
            option_check(a->job, "ir", "--emit", v);
            a->emit = v;
        } else if (argv[i][0] == '-' || a->path) {
            usage_error(a->job, "ir: %s: is not known", argv[i]);
        } else {
            a->path = argv[i];
        }
    }
    if (!a->path)
        usage_error(a->job, "ir: no file");
    a->emit = a->emit ? a->emit : a->lower ? "loops" : "graph";
    bool loops = !strcmp(a->emit, "loops"), c = !strcmp(a->emit, "c");
    a->lower |= loops || c;
    a->plan |= c;
}

void graph_fill_constants(Job *job, const char *path, Graph *g)
{
    int64_t total = 0;
    for (size_t i = 0; i < g->consts.n + g->states.n; i++) {
        Value *v = i < g->consts.n ? g->consts.at[i] : g->states.at[i - g->consts.n];
        int64_t count = 0, bytes = 0;
        if (v->tensor->storage)
            continue;
        if (!type_static(&v->type, &count) || !mul_i64(count, dtype_info[v->type.dtype].bytes, &bytes) ||
            !add_i64(total, bytes, &total) || total > ZERO_LIMIT)
            fail(job, EXIT_INPUT,
                 "%s: the constants without elements are more than %d MiB of zeros; give fewer or smaller "
                 "ones",
                 path, ZERO_LIMIT >> 20);
        void *zeros = job_big(job, (size_t)bytes);
        memset(zeros, 0, (size_t)bytes);
        Storage *s = job_alloc(job, sizeof *s);
        *s = (Storage){ .bytes = zeros, .size = (uint64_t)bytes };
        Tensor *t = job_alloc(job, sizeof *t);
        *t = *v->tensor;
        t->storage = s;
        v->tensor = t;
    }
    for
        each_node(n, g) for (uint32_t i = 0; i < n->region_count; i++) graph_fill_constants(job, path, n->region[i]);
}

static void refuse_composites(Ir *a, Graph *g)
{
    for
        each_node(n, g)
        {
            if (op_info[n->op].kind == COMPOSITE)
                fail(a->job, EXIT_INPUT,
                     "%s: %s is a composite operator, which lowering does not know; add --pass decompose", a->path,
                     op_info[n->op].name);
            if (n->out_count && dtype_is_complex(n->out[0]->type.dtype))
                fail(a->job, EXIT_INPUT, "%s: %s is complex, which lowering does not know; add --pass split_complex", a->path,
                     n->out[0]->name);
            for (uint32_t i = 0; i < n->region_count; i++)
                refuse_composites(a, n->region[i]);
        }
}

static void check(Ir *a, Graph *g)
{
    const char *bad = graph_verify(g);
    if (bad)
        fail(a->job, EXIT_INPUT, "%s: the graph is not well-formed: %s", a->path, bad);
}

static Program *program_of(Ir *a, const char *text)
{
    Graph *g = graph_parse(a->job, a->path, text);
    check(a, g);
    for (size_t i = 0; i < a->passes.n; i++) {
        if (!strcmp(a->passes.at[i], "all"))
            passes_run(g, &(PassOptions){ NULL, false, stderr });
        else if (!passes_run_one(g, a->passes.at[i]))
            usage_error(a->job, "ir: --pass %s: is not known", a->passes.at[i]);
    }
    if (a->lower) {
        refuse_composites(a, g);
        graph_fill_constants(a->job, a->path, g);
        return lower(g, &a->weights, (LowerOptions){ .winograd = 4 });
    }
    Text t;
    text_init(&t, a->job);
    graph_print(&t, g);
    fputs(t.at, stdout);
    return NULL;
}

void command_ir(Job *job, int argc, char **argv)
{
    Ir a = { .job = job, .weights = { .job = job } };
    if (help_wanted(job, argc, argv, "ir"))
        return;
    arguments(&a, argc, argv);
    evaluator_install(job);
    size_t size;
    const char *text = read_file(job, a.path, TEXT_LIMIT, &size), *start = text;
    while (*start == ' ' || *start == '\n' || *start == ';')
        start += *start == ';' ? strcspn(start, "\n") : 1;
    bool loops = !strncmp(start, "program", 7);
    if (loops && a.passes.n)
        usage_error(job, "ir: --pass: %s holds a program, on which no pass runs", a.path);
    Program *p = loops ? program_parse(job, a.path, text, &a.weights) : program_of(&a, text);
    if (!p)
        return;
    if (a.plan && !p->workspace)
        plan_memory(p);
    Text t;
    text_init(&t, job);
    if (!strcmp(a.emit, "c")) {
        const Program *programs[1] = { p };
        Artifact artifact = { .job = job, .name = sym(job, "sample"), .programs = programs, .program_count = 1,
                              .weights = &a.weights, .metadata = "", .version = AOTC_VERSION };
        emit_model(&t, &artifact);
    } else {
        program_print(&t, p);
    }
    fputs(t.at, stdout);
}
