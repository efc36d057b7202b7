/* SPDX-License-Identifier: MIT */
/* A whole model as C: the head of each method with its memory plan, kernels, ports, the tables of aot.h. */
#include "method.h"
#include <inttypes.h>
#include <string.h>

void emit_string(Text *out, const char *s)
{
    text_add(out, "\"");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\' || (c == '?' && s[1] == '?')) /* strict C11 has trigraphs */
            text_add(out, "\\%c", c);
        else if (c < 32 || c > 126)
            text_add(out, "\\%03o", c);
        else
            text_put(out, s, 1);
    }
    text_add(out, "\"");
}

void emit_comment(Text *out, const char *s)
{
    for (; *s; s++)
        if ((s[0] == '*' && s[1] == '/') || (s[0] == '/' && s[1] == '*') || (s[0] == '?' && s[1] == '?'))
            text_put(out, " ", 1);
        else
            text_put(out, (unsigned char)*s < 32 || (unsigned char)*s == 127 || *s == '\\' ? " " : s, 1);
}

/* ---- small pieces ------------------------------------------------------------------------------------------- */

void emit_idx(Emit *e, const Idx *x)
{
    idx_print_c(e->out, x, false, NULL, NULL);
}

void emit_i64(Text *out, int64_t v)
{
    if (v == INT64_MIN)
        text_add(out, "(-9223372036854775807LL - 1)");
    else
        text_add(out, v > INT32_MAX || v < INT32_MIN ? "%" PRId64 "LL" : "%" PRId64, v);
}

static const char *port_text(Emit *e, const Port *p)
{
    Type t = p->kind == PORT_TENSOR ? port_type(p) : (Type){ 0 };
    return p->kind == PORT_TENSOR ? type_text(e->a->job, &t)
           : p->kind == PORT_NONE ? "None"
                                  : dtype_info[p->dtype].name;
}

/* ---- the head of a method: signature and memory plan ----------------------------------------------------------- */

static void plan_table(Emit *e)
{
    const Program *p = e->p;
    text_add(e->out, " *\n * Work memory: ");
    idx_print(e->out, p->workspace);
    text_add(e->out, " bytes");
    if (!idx_is(p->scratch_bytes, 0)) {
        text_add(e->out, ", and ");
        idx_print(e->out, p->scratch_bytes);
        text_add(e->out, " of scratch for every further thread");
    }
    text_add(e->out, ".  A buffer lives from its first to its last step:\n");
    for (size_t i = 0; i < p->works.n; i++) {
        const Buffer *b = p->works.at[i];
        size_t start = e->out->n;
        text_add(e->out, b->at ? " *   at " : " *   from the host");
        if (b->at)
            idx_print(e->out, b->at);
        text_pad(e->out, 24);
        text_add(e->out, " steps %d..%d", b->first, b->last);
        text_pad(e->out, 42);
        Type t = { .dtype = b->dtype, .rank = b->rank };
        memcpy(t.dim, b->dim, sizeof t.dim);
        text_add(e->out, " %s %s%s\n", c_name(e->a->job, b->name), type_text(e->a->job, &t), b->channels_last ? " channels last" : "");
        (void)start;
    }
}

static void method_comment(Emit *e)
{
    const Graph *g = e->p->g;
    text_add(e->out, "/* ==== method ");
    emit_comment(e->out, e->p->name);
    text_add(e->out, "\n");
    for (size_t i = 0; i < g->inputs.n + g->outputs.n; i++) {
        const Port *p = i < g->inputs.n ? &g->inputs.at[i] : &g->outputs.at[i - g->inputs.n];
        text_add(e->out, i < g->inputs.n ? " *   input  " : " *   output ");
        emit_comment(e->out, p->name);
        text_add(e->out, ": %s\n", port_text(e, p));
    }
    for (size_t i = 0; i < g->symbols.n; i++) {
        const Idx *s = g->symbols.at[i];
        text_add(e->out, " *   size   %s", s->sym);
        for (size_t k = 0, found = 0; k < g->inputs.n && !found; k++) /* the first dimension that is it */
            for (int d = 0; g->inputs.at[k].kind == PORT_TENSOR && d < g->inputs.at[k].value->type.rank && !found; d++)
                if (g->inputs.at[k].value->type.dim[d] == s) {
                    text_add(e->out, " = %s.shape[%d]", g->inputs.at[k].name, d);
                    found = 1;
                }
        text_add(e->out, " in %" PRId64 "..", s->lo);
        text_add(e->out, s->hi == INT64_MAX ? "\n" : "%" PRId64 "\n", s->hi);
    }
    plan_table(e);
    text_add(e->out, " */\n\n");
}

/* ---- ports -------------------------------------------------------------------------------------------------------- */

static void dims_table(Emit *e, const char *name, const Type *t)
{
    if (!t->rank)
        return;
    text_add(e->out, "static const aot_dim %s[] = {", name);
    for (int i = 0; i < t->rank; i++) {
        const Idx *d = t->dim[i];
        text_add(e->out, "%s{ ", i ? ", " : " ");
        emit_i64(e->out, d->lo < 0 ? 0 : d->lo);
        text_add(e->out, ", ");
        emit_i64(e->out, emit_most(e->a->job, d));
        if (d->op == IDX_CONST) {
            text_add(e->out, ", 0, 0 }");
            continue;
        }
        text_add(e->out, ", ");
        emit_string(e->out, idx_text(e->a->job, d));
        text_add(e->out, ", %d }", idx_is_late(d));
    }
    text_add(e->out, " };\n");
}

static void port_table(Emit *e, const Port *port, const char *name)
{
    Type t = { .dtype = port->kind == PORT_NUMBER ? port->dtype : DT_f32 };
    if (port->kind == PORT_TENSOR)
        t = port_type(port);
    const char *dims = job_printf(e->a->job, "%s_dims", name);
    dims_table(e, dims, &t);
    if (port->kind == PORT_NUMBER) {
        text_add(e->out, "static const int64_t %s_value = ", name);
        emit_i64(e->out, port->bits);
        text_add(e->out, ";\n");
    }
    const DTypeInfo *d = &dtype_info[t.dtype];
    int flags = (port->mutated ? 1 : 0) | (port->kind == PORT_NUMBER || port->scalar ? 2 : 0) |
                (port->kind == PORT_NONE ? 4 : 0);
    text_add(e->out, "static const aot_port %s = { sizeof(aot_port), ", name);
    emit_string(e->out, port->name);
    text_add(e->out, ", { %d, %d, 1 }, %d, %s, 0, ", d->dlpack_code, d->bytes * 8, t.rank, t.rank ? dims : "0");
    text_add(e->out, port->kind == PORT_NUMBER ? "&%s_value" : "0", name);
    text_add(e->out, ", %d };\n", flags);
}

static void ports(Emit *e, const Port *at, size_t n, const char *what)
{
    Job *job = e->a->job;
    for (size_t i = 0; i < n; i++)
        port_table(e, &at[i], job_printf(job, "%s_%s%zu", e->m, what, i));
    if (!n)
        return;
    text_add(e->out, "static const aot_port *const %s_%ss[] = {", e->m, what);
    for (size_t i = 0; i < n; i++)
        text_add(e->out, "%s &%s_%s%zu", i ? "," : "", e->m, what, i);
    text_add(e->out, " };\n");
}

/* ---- tables ------------------------------------------------------------------------------------------------------------------ */

static const Idx *workspace_bound(Job *job, const Program *p)
{
    return idx_const(job, p->workspace->hi);
}

static void method(Text *out, const Artifact *a, const Program *p, const char *name)
{
    Emit e = { .out = out, .a = a, .p = p, .m = name };
    const Graph *g = p->g;
    method_comment(&e);
    e.twins = kernel_twins(a->job, p);
    for (size_t i = 0; i < p->kernels.n; i++)
        if (e.twins[i] == (int)i)
            emit_kernel(out, a->job, p, e.m, e.twins, (int)i);
    ports(&e, g->inputs.at, g->inputs.n, "in");
    ports(&e, g->outputs.at, g->outputs.n, "out");
    text_add(out, "\n");
    emit_bind(&e);
    emit_plan(&e);
    emit_run(&e);
    text_add(out, "static const aot_method %s_method = {\n    sizeof(aot_method), ", e.m);
    emit_string(out, p->name);
    text_add(out, ", %zu, %zu, ", g->inputs.n, g->outputs.n);
    text_add(out, g->inputs.n ? "%s_ins, " : "0, ", e.m);
    text_add(out, g->outputs.n ? "%s_outs,\n    " : "0,\n    ", e.m);
    const Idx *most = workspace_bound(a->job, p);
    if (most->k == INT64_MAX)
        text_add(out, "UINT64_MAX");
    else
        text_add(out, "%" PRId64 "ULL", most->k);
    bool grows = false;
    for (size_t i = 0; i < p->works.n + p->outputs.n; i++) {
        const Buffer *b = i < p->works.n ? p->works.at[i] : p->outputs.at[i - p->works.n];
        grows |= b && buffer_is_late(b) && !buffer_room(a->job, b);
    }
    text_add(out, ", 0, %d, %s_plan, %s_run\n};\n\n", grows, e.m, e.m);
}

/* The first values of all states: zeros, and what the weights hold. */
static void init_state(Text *out, const Artifact *a)
{
    const Weights *w = a->weights;
    text_add(out,
             "static void aot_init_state(void *state, const void *const *segments)\n{\n    u8 *to = state;\n"
             "    (void)segments;\n    for (u64 i = 0; i < %" PRIu64 "; i++)\n        to[i] = 0;\n",
             w->state_bytes);
    if (a->weights_file)
        text_add(out, "    if (!segments || !segments[0])\n        return;\n"
                      "    const u8 *const aot_weights = (const u8 *)segments[0] + AOT_WEIGHTS_HEADER;\n    (void)aot_weights;\n");
    for (size_t i = 0; i < w->states.n; i++) {
        const StateSlot *s = &w->states.at[i];
        if (s->weight == NO_WEIGHT)
            continue;
        text_add(out, "    for (u64 i = 0; i < %" PRIu64 "; i++) /* ", s->size);
        emit_comment(out, s->name);
        text_add(out, " */\n        to[%" PRIu64 " + i] = aot_weights[%" PRIu64 " + i];\n", s->at, s->weight);
    }
    text_add(out, "}\n\n");
}

/* What kernels need beyond the prelude: functions of special.h, instructions that multiply pairs. */
typedef struct Needs {
    bool special, features;
} Needs;

static Needs kernel_needs(const Artifact *a)
{
    Needs needs = { false, false };
    for (size_t i = 0; i < a->program_count; i++)
        for (size_t n = 0; n < a->programs[i]->kernels.n; n++) {
            needs.special |= a->programs[i]->kernels.at[n]->special;
            needs.features |= a->programs[i]->kernels.at[n]->features;
        }
    return needs;
}

static void segment(Text *out, const Artifact *a)
{
    text_add(out, "static const aot_segment aot_segment0 = { sizeof(aot_segment), %" PRIu64 "ULL%s, ", a->weights->bytes,
             a->weights_file ? " + AOT_WEIGHTS_HEADER" : "");
    emit_string(out, a->weights_file ? a->weights_file : "weights");
    text_add(out, ", %s, { 0 }, {", a->weights_file ? "0" : "aot_weights");
    for (size_t i = 0; i < (a->weights_file ? sizeof a->layout : 1); i++)
        text_add(out, i ? ", %d" : " %d", a->weights_file ? a->layout[i] : 0);
    text_add(out, " } };\nstatic const aot_segment *const aot_segments[] = { &aot_segment0 };\n\n");
}

void emit_model(Text *out, const Artifact *a)
{
    const char *const *names = method_names(a, c_name);
    Needs needs = kernel_needs(a);
    if (needs.special)
        emit_embedded(out, embed_special, embed_special_end);
    text_add(out, "/* Model ");
    emit_comment(out, a->name);
    text_add(out, ", written by aotc %s.\n * Public types: aot.h; kernels that are called: aotk.h. */\n\n", a->version);
    text_add(out, "_Static_assert(sizeof(f32) == 4 && sizeof(i64) == 8, \"the types of the prelude\");\n\n");
    for (size_t i = 0; i < a->program_count; i++)
        method(out, a, a->programs[i], names[i]);
    text_add(out, "static const aot_method *const aot_methods[] = {");
    for (size_t i = 0; i < a->program_count; i++)
        text_add(out, "%s &%s_method", i ? "," : "", names[i]);
    text_add(out, " };\n\n");
    if (a->weights->bytes)
        segment(out, a);
    if (a->weights->state_bytes)
        init_state(out, a);
    text_add(out, "AOT_TABLE const aot_model AOT_MODEL = {\n    sizeof(aot_model), AOT_ABI, 0, ");
    emit_string(out, a->name);
    text_add(out, ", AOT_ISA, AOT_METADATA,\n    %zu, %d, %" PRIu64 ", aot_methods, %s, %s, %s\n};\n", a->program_count,
             a->weights->bytes ? 1 : 0, a->weights->state_bytes, a->weights->bytes ? "aot_segments" : "0",
             a->weights->state_bytes ? "aot_init_state" : "0", needs.features ? "AOT_TILES | AOT_DOTS" : "0");
}
