/* SPDX-License-Identifier: MIT */
/* The .h of a model that is emitted as C: figures and sizes as macros, the model part of aot.h, the entry. */
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

static Type type_of(const Port *p)
{
    return p->kind == PORT_TENSOR ? port_type(p) : (Type){ .dtype = p->kind == PORT_NUMBER ? p->dtype : DT_f32 };
}

static const char *port_text(Emit *e, const Port *p)
{
    Type t = type_of(p);
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
    Type type = type_of(p);
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

/* ---- the example of a call ---------------------------------------------------------------------------------- */

/* Sizes for the example: small, and permitted if no guard says otherwise. */
static bool example_size(void *ctx, Sym name, int64_t *out)
{
    const Idx *s = idx_find(ctx, name);
    if (s)
        *out = s->lo > 2 ? s->lo : s->hi < 2 ? s->hi : 2;
    return s != NULL;
}

static const char *c_type(DType d)
{
    static const char *const unsigned_types[] = { "uint8_t", "uint16_t", "uint32_t", "uint64_t" };
    static const char *const signed_types[] = { "int8_t", "int16_t", "int32_t", "int64_t" };
    const DTypeInfo *i = &dtype_info[d];
    int log = i->bytes == 1 ? 0 : i->bytes == 2 ? 1 : i->bytes == 4 ? 2 : 3;
    return d == DT_f32 ? "float" : d == DT_f64 ? "double" : i->kind == DK_I ? signed_types[log] : unsigned_types[log];
}

/* " *     static float in0[24];" and its shape; the element count of what has no size yet is 1. */
static void example_data(Emit *e, const Port *p, const char *what, size_t number)
{
    Type type = type_of(p);
    const Type *t = &type;
    int64_t count = 1, size;
    Text shape;
    text_init(&shape, e->a->job);
    for (int d = 0; d < t->rank; d++) {
        if (!idx_eval(t->dim[d], example_size, e->a->job, &size) || size < 0 || !mul_i64(count, size, &count))
            size = count = 1;
        text_add(&shape, "%s %" PRId64, d ? "," : "", size);
    }
    bool pairs = dtype_is_complex(t->dtype);
    text_add(e->out, " *     static %s %s%zu[%" PRId64 "]%s;", c_type(pairs ? dtype_part(t->dtype) : t->dtype), what, number,
             count ? count : 1, pairs ? "[2]" : "");
    if (t->rank)
        text_add(e->out, "  int64_t %s%zu_shape[] = {%s };", what, number, shape.at);
    text_add(e->out, "\n");
}

static void example_tensors(Emit *e, const Port *at, size_t n, const char *what)
{
    text_add(e->out, " *     DLTensor %s[] = {\n", what);
    for (size_t i = 0; i < n; i++) {
        Type type = type_of(&at[i]);
        const Type *t = &type;
        const DTypeInfo *d = &dtype_info[t->dtype];
        const char *shape = t->rank ? job_printf(e->a->job, "%s%zu_shape", what, i) : "NULL";
        text_add(e->out, " *         { %s%zu, { 1, 0 }, %d, { %d, %d, 1 }, %s, NULL, 0 },\n", what, i, t->rank,
                 d->dlpack_code, d->bytes * 8, shape);
    }
    if (!n)
        text_add(e->out, " *         { NULL, { 1, 0 }, 0, { 2, 32, 1 }, NULL, NULL, 0 }\n");
    text_add(e->out, " *     };\n");
}

static void example(Emit *e)
{
    const Graph *g = e->p->g;
    bool known = e->p->workspace->hi != INT64_MAX, none = e->p->workspace->hi == 0;
    text_add(e->out, " * A call of the first method; the sizes are examples where they may vary:\n *\n");
    for (size_t i = 0; i < g->inputs.n; i++)
        example_data(e, &g->inputs.at[i], "in", i);
    for (size_t i = 0; i < g->outputs.n; i++)
        example_data(e, &g->outputs.at[i], "out", i);
    example_tensors(e, g->inputs.at, g->inputs.n, "in");
    example_tensors(e, g->outputs.at, g->outputs.n, "out");
    text_add(e->out, " *     uint64_t room[] = {");
    for (size_t i = 0; i < g->outputs.n; i++)
        text_add(e->out, "%s sizeof out%zu", i ? "," : "", i);
    text_add(e->out, "%s };\n *     char text[200];\n *     aot_status status;\n", g->outputs.n ? "" : " 0");
    text_add(e->out,
             " *     aot_call call = { .struct_size = sizeof call, .inputs = in, .outputs = out,\n"
             " *                       .output_bytes = room, .error = text, .error_bytes = sizeof text };\n");
    text_add(e->out, " *     const aot_model *model = %s_entry(AOT_ABI, NULL, &status);\n"
                     " *     const aot_method *method = model->methods[0];\n", e->name);
    if (known && !none)
        text_add(e->out, " *     static _Alignas(64) unsigned char work[%s_WORKSPACE_BYTES];\n"
                         " *     call.workspace = work;\n *     call.workspace_bytes = sizeof work;\n", e->name);
    else if (!known)
        text_add(e->out, " *     status = method->plan(&call);                 says call.needed_workspace and room[]\n"
                         " *     call.workspace = ...                          so many bytes, 64-byte aligned\n"
                         " *     call.workspace_bytes = call.needed_workspace;\n");
    text_add(e->out, " *     status = method->run(&call);                  AOT_OK, or text says what is wrong\n");
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
    text_add(e->out, "\n/* RAM: workspace of one call in flight, 64-byte aligned, for all methods and permitted\n"
                     " * sizes.  The call's inputs, outputs and stack come on top. */\n");
    workspace_of_all(e);
    text_add(e->out, "\n/* Flash: constants, 64-byte aligned.  Code and tables come on top; how large they are only\n"
                     " * the C compiler knows: `size` of the object tells it. */\n"
                     "#define %s_WEIGHTS_BYTES %" PRIu64 "%s\n#define %s_FLASH_BYTES %s_WEIGHTS_BYTES\n",
             e->name, e->a->weights->bytes, e->a->weights->bytes > INT32_MAX ? "LL" : "", e->name, e->name);
    for (size_t i = 0; i < e->a->program_count; i++) {
        e->p = e->a->programs[i];
        e->method = job_printf(e->a->job, "%s_%s", e->name, c_name(e->a->job, e->p->name));
        method_macros(e);
    }
}

void emit_header(Text *out, const Artifact *a, const char *name, const char *about)
{
    Emit e = { out, a, name, a->program_count ? a->programs[0] : NULL, NULL };
    text_add(out, "/* SPDX-License-Identifier: MIT */\n/* Model ");
    emit_comment(out, a->name);
    text_add(out, ", written by aotc %s: figures, sizes and the one function %s_entry.\n *\n%s *\n", a->version, name,
             about);
    if (e.p)
        example(&e);
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
                  "#ifdef __cplusplus\n}\n#endif\n#endif\n", name);
}
