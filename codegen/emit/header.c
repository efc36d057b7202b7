/* SPDX-License-Identifier: MIT */
/* The .h of a model that is emitted as C: figures and sizes as macros, the model part of aot.h, the entry; the typed
 * calls are in header_call.c. */
#include "emit.h"
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

typedef struct Emit {
    Text *out;
    const Artifact *a;
    const char *name;   /* what all names begin with */
    const Program *p;
    const char *method; /* "net_forward": what the method's macros begin with */
} Emit;

const char *emit_name(Job *job, const char *text)
{
    Text t;
    text_init(&t, job);
    if (!isalpha((unsigned char)*text))
        text_add(&t, "m");
    for (; *text; text++)
        text_add(&t, "%c", isascii(*text) && isalnum((unsigned char)*text) ? *text : '_');
    return t.at;
}

/* ---- bounds ------------------------------------------------------------------------------------------------- */

typedef struct Unbounded {
    Text *out;
    Text seen;
} Unbounded;

static void see(void *ctx, const Idx *s)
{
    Unbounded *u = ctx;
    const char *word = job_printf(u->out->job, " %s ", s->sym);
    if (s->hi != INT64_MAX || strstr(u->seen.at, word))
        return;
    text_add(u->out, "%s%s (give it one with --dim %s=1..64)", u->seen.n ? ", " : "", s->sym, s->sym);
    text_add(&u->seen, "%s", word);
}

/* "#define NAME_WHAT 123", or why there is no such number. */
static void bound(Emit *e, const char *prefix, const char *what, const Idx *bytes)
{
    if (bytes->hi != INT64_MAX) {
        text_add(e->out, "#define %s_%s %" PRId64 "%s\n", prefix, what, bytes->hi, bytes->hi > INT32_MAX ? "LL" : "");
        return;
    }
    Unbounded u = { .out = e->out };
    text_init(&u.seen, e->out->job);
    text_add(e->out, "/* %s_%s is not defined: without an upper bound are ", prefix, what);
    idx_symbols(bytes, see, &u);
    text_add(e->out, "%s */\n", u.seen.n ? "" : "none of the sizes, but it is beyond 63 bits");
}

static void workspace_of_all(Emit *e)
{
    int64_t most = 0;
    for (size_t i = 0; i < e->a->program_count; i++) {
        const Idx *w = e->a->programs[i]->workspace;
        if (w->hi == INT64_MAX) {
            bound(e, e->name, "WORKSPACE_BYTES", w);
            return;
        }
        most = w->hi > most ? w->hi : most;
    }
    bound(e, e->name, "WORKSPACE_BYTES", idx_const(e->a->job, most));
}

/* ---- ports -------------------------------------------------------------------------------------------------- */

static const char *port_text(Emit *e, const Port *p)
{
    Type t = header_type(p);
    return p->kind == PORT_TENSOR ? type_text(e->a->job, &t)
           : p->kind == PORT_NONE ? "None"
                                  : job_printf(e->a->job, "%s, fixed by the export", dtype_info[p->dtype].name);
}

/* What e never exceeds, of sizes that are known at entry. */
static const Idx *at_most(Job *job, const Idx *e)
{
    const Idx *most = idx_at_entry(job, e);
    return most ? most : e;
}

static void dims(Emit *e, const char *port, const char *what, const Type *t, bool high)
{
    text_add(e->out, "#define %s_%s {", port, what);
    for (int d = 0; d < t->rank; d++) {
        int64_t size = high ? at_most(e->a->job, t->dim[d])->hi : t->dim[d]->lo < 0 ? 0 : t->dim[d]->lo;
        text_add(e->out, "%s %" PRId64, d ? "," : "", size == INT64_MAX ? -1 : size);
    }
    text_add(e->out, " }\n");
}

static void port_macros(Emit *e, const Port *p, const char *what, size_t number)
{
    Type type = header_type(p);
    const Type *t = &type;
    const char *name = job_printf(e->a->job, "%s_%s%zu", e->method, what, number);
    text_add(e->out, "/* ");
    emit_comment(e->out, p->name);
    text_add(e->out, ": %s */\n#define %s_RANK %d\n", port_text(e, p), name, t->rank);
    bool fixed = true;
    for (int d = 0; d < t->rank; d++)
        fixed &= t->dim[d]->op == IDX_CONST;
    if (t->rank && fixed) {
        dims(e, name, "DIMS", t, true);
    } else if (t->rank) {
        dims(e, name, "DIMS_MIN", t, false);
        dims(e, name, "DIMS_MAX", t, true);
    }
    if (p->kind != PORT_NONE)
        bound(e, name, "BYTES",
              at_most(e->a->job, idx_mulk(e->a->job, type_count(e->a->job, t), dtype_info[t->dtype].bytes)));
}

static void method_macros(Emit *e)
{
    const Graph *g = e->p->g;
    text_add(e->out, "\n/* ---- method ");
    emit_comment(e->out, e->p->name);
    text_add(e->out, " ---- */\n\n#define %s_INPUTS %zu\n#define %s_OUTPUTS %zu\n", e->method, g->inputs.n, e->method,
             g->outputs.n);
    bound(e, e->method, "WORKSPACE_BYTES", e->p->workspace);
    for (size_t i = 0; i < g->symbols.n; i++) {
        const Idx *s = g->symbols.at[i];
        if (s->late)
            continue;
        text_add(e->out, "#define %s_SIZE_%s_MIN %" PRId64 "\n", e->method, s->sym, s->lo);
        if (s->hi == INT64_MAX)
            text_add(e->out, "/* %s_SIZE_%s_MAX is not defined: no upper bound */\n", e->method, s->sym);
        else
            text_add(e->out, "#define %s_SIZE_%s_MAX %" PRId64 "%s\n", e->method, s->sym, s->hi,
                     s->hi > INT32_MAX ? "LL" : "");
    }
    for (size_t i = 0; i < g->inputs.n; i++)
        port_macros(e, &g->inputs.at[i], "INPUT", i);
    for (size_t i = 0; i < g->outputs.n; i++)
        port_macros(e, &g->outputs.at[i], "OUTPUT", i);
}

/* ---- the file ----------------------------------------------------------------------------------------------- */

/* aot.h without its part 2, which is about shared objects. */
static void model_part_of_aot_h(Text *out)
{
    Text t;
    text_init(&t, out->job);
    text_put(&t, embed_aot_h, (size_t)(embed_aot_h_end - embed_aot_h));
    const char *part2 = strstr(t.at, "/* ==== Part 2"), *tail = NULL;
    for (const char *p = part2; p && (p = strstr(p, "#ifdef __cplusplus")); p++)
        tail = p;
    if (!tail)
        bug("aot.h has no part 2 to leave out");
    text_put(out, t.at, (size_t)(part2 - t.at));
    text_put(out, tail, strlen(tail));
}

static void figures(Emit *e)
{
    const char *const *names = method_names(e->a, emit_name);
    text_add(e->out, "\n/* RAM: workspace of one call in flight, 64-byte aligned, for all methods and permitted\n"
                     " * sizes.  The call's inputs, outputs and stack come on top. */\n");
    workspace_of_all(e);
    text_add(e->out, "\n/* Flash: constants, 64-byte aligned.  Code and tables come on top; how large they are only\n"
                     " * the C compiler knows: `size` of the object tells it. */\n"
                     "#define %s_WEIGHTS_BYTES %" PRIu64 "%s\n#define %s_FLASH_BYTES %s_WEIGHTS_BYTES\n",
             e->name, e->a->weights->bytes, e->a->weights->bytes > INT32_MAX ? "LL" : "", e->name, e->name);
    for (size_t i = 0; i < e->a->program_count; i++) {
        e->p = e->a->programs[i];
        e->method = job_printf(e->a->job, "%s_%s", e->name, names[i]);
        method_macros(e);
    }
}

void emit_header(Text *out, const Artifact *a, const char *name, const char *about)
{
    Emit e = { out, a, name, a->program_count ? a->programs[0] : NULL, NULL };
    text_add(out, "/* SPDX-License-Identifier: MIT */\n/* Model ");
    emit_comment(out, a->name);
    text_add(out, ", written by aotc %s: figures, sizes, the one function %s_entry and typed calls.\n *\n%s *\n", a->version, name,
             about);
    if (e.p)
        emit_header_example(out, a, name);
    text_add(out, " *\n * A program that uses libaotrt as well includes its aot.h before this header. */\n"
                  "#ifndef %s_INCLUDED\n#define %s_INCLUDED\n", name, name);
    figures(&e);
    text_add(out, "\n/* ==== aot.h: the types, and the rules of a call "
                  "========================================================== */\n\n");
    model_part_of_aot_h(out);
    text_add(out, "\n/* ==== the model "
                  "========================================================================================== */\n\n"
                  "#ifdef __cplusplus\nextern \"C\" {\n#endif\n"
                  "/* host_abi: AOT_ABI.  isa: NULL.  NULL result: *status says why. */\n"
                  "AOT_EXPORT const aot_model *%s_entry(uint32_t host_abi, const char *isa, aot_status *status);\n"
                  "#ifdef __cplusplus\n}\n#endif\n", name);
    text_add(out, "\n/* ==== typed calls; AOT_NO_CALLS leaves them out "
                  "========================================================= */\n\n#ifndef AOT_NO_CALLS\n");
    for (size_t i = 0; i < a->program_count; i++)
        emit_header_call(out, a, name, i);
    text_add(out, "#endif\n#endif\n");
}
