/* SPDX-License-Identifier: MIT */
/* A whole model as C: memory plans, kernels, the two functions of each method, the tables of aot.h. */
#include "emit.h"
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

typedef struct Local { /* a buffer and the pointer to it in run, or a variable of a loop */
    const Buffer *b;
    Sym var, name;
    bool moves; /* the pointer changes */
} Local;

typedef struct Emit {
    Text *out;
    const Artifact *a;
    const Program *p;
    const char *m; /* the method's name in C */
    VEC(Local) locals;
    const int *twins; /* kernel_twins */
    VEC(const Idx *) known; /* symbols that have values at this place of run */
} Emit;

static void idx(Emit *e, const Idx *x)
{
    idx_print_c(e->out, x, false, NULL, NULL);
}

static void i64_text(Text *out, int64_t v)
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
        i64_text(e->out, d->lo < 0 ? 0 : d->lo);
        text_add(e->out, ", ");
        i64_text(e->out, emit_most(e->a->job, d));
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
        i64_text(e->out, port->bits);
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

/* ---- bind: sizes in, sizes out --------------------------------------------------------------------------------------- */

static bool is_bound(const Idx *const *bound, size_t n, const Idx *s)
{
    for (size_t i = 0; i < n; i++)
        if (bound[i] == s)
            return true;
    return false;
}

typedef struct AllBound {
    const Idx *const *bound;
    size_t n;
    const Idx *missing;
    int missing_count;
} AllBound;

static void see(void *ctx, const Idx *s)
{
    AllBound *a = ctx;
    if (!is_bound(a->bound, a->n, s) && a->missing != s) {
        a->missing = s;
        a->missing_count++;
    }
}

static AllBound missing(const Idx *e, const Idx *const *bound, size_t n)
{
    AllBound a = { bound, n, NULL, 0 };
    idx_symbols(e, see, &a);
    return a;
}

/* Pass 0 binds symbols that stand alone; pass 1 solves c*s + k; pass 2 checks all else.  Ranges are the port's. */
static void bind_dim(Emit *e, const Port *port, size_t i, int d, int pass, const Idx **bound, size_t *n)
{
    const Idx *size = port->value->type.dim[d];
    const char *at = job_printf(e->a->job, "call->inputs[%zu].shape[%d]", i, d);
    AllBound m = missing(size, bound, *n);
    if (size->op == IDX_CONST)
        return;
    if (pass == 0 && size->op == IDX_SYM && m.missing == size) {
        text_add(e->out, "    const i64 %s = %s;\n", size->sym, at);
        bound[(*n)++] = size;
        return;
    }
    bool linear = size->op == IDX_SUM && size->n == 1 && size->arg[0] == m.missing && size->coef[0] > 0;
    if (pass == 1 && linear) {
        text_add(e->out, "    const i64 %s = aot_floordiv(%s - (", m.missing->sym, at);
        i64_text(e->out, size->k);
        text_add(e->out, "), %" PRId64 "); /* from %s */\n", size->coef[0], idx_text(e->a->job, size));
        bound[(*n)++] = m.missing;
    }
    if (pass == 2) {
        if (m.missing_count)
            fail(e->a->job, EXIT_UNSUPPORTED, "input %s: dimension %d is %s; the symbol %s cannot be found from the inputs",
                 port->name, d, idx_text(e->a->job, size), m.missing->sym);
        text_add(e->out, "    if (%s != ", at);
        idx(e, size);
        text_add(e->out, ")\n        return aot_bad_relation(call, ");
        emit_string(e->out, port->name);
        text_add(e->out, ", %d, %s, ", d, at);
        emit_string(e->out, idx_text(e->a->job, size));
        text_add(e->out, ", ");
        idx(e, size);
        text_add(e->out, ");\n");
    }
}

static void bind_inputs(Emit *e, const Idx **bound, size_t *n)
{
    const Graph *g = e->p->g;
    if (g->inputs.n)
        text_add(e->out,
                 "    const aot_status status = aot_check_inputs(call, %s_ins, %zu);\n    if (status != AOT_OK)\n"
                 "        return status;\n",
                 e->m, g->inputs.n);
    for (int pass = 0; pass < 3; pass++)
        for (size_t i = 0; i < g->inputs.n; i++) {
            const Port *port = &g->inputs.at[i];
            for (int d = 0; port->kind == PORT_TENSOR && d < port_type(port).rank; d++) {
                /* the dimension that bound a symbol needs no check of its own */
                const Idx *size = port->value->type.dim[d];
                bool binder = false;
                if (pass == 2 && size->op == IDX_SYM) {
                    binder = true;
                    for (size_t j = 0; j <= i && binder; j++)
                        for (int f = 0; g->inputs.at[j].kind == PORT_TENSOR && f < g->inputs.at[j].value->type.rank; f++)
                            if (g->inputs.at[j].value->type.dim[f] == size && (j < i || f < d))
                                binder = false;
                }
                if (!binder)
                    bind_dim(e, port, i, d, pass, bound, n);
            }
        }
}

/* Whether the sizes of x are all known now; with `first`, that is news since only `before` symbols were known. */
static bool is_known(Emit *e, const Idx *x, size_t before, bool *first)
{
    *first |= missing(x, e->known.at, before).missing_count > 0;
    return !missing(x, e->known.at, e->known.n).missing_count;
}

/* Checks the guards that say something about the sizes known since only `before` symbols were (-1: all). */
static void guards(Emit *e, ptrdiff_t before, int depth)
{
    static const char *const fails_when[] = { "!=", "==", ">", ">=" };
    const Graph *g = e->p->g;
    for (size_t i = 0; i < g->guards.n; i++) {
        const Guard *u = &g->guards.at[i];
        bool le = u->rel == GUARD_LE && u->a->hi <= u->b->lo, lt = u->rel == GUARD_LT && u->a->hi < u->b->lo;
        bool first = before < 0;
        size_t old = before < 0 ? 0 : (size_t)before;
        if (le || lt || !is_known(e, u->a, old, &first) || !is_known(e, u->b, old, &first) || !first)
            continue; /* proved by the ranges; or about sizes that no input has, or not yet */
        text_add(e->out, "%*sif (", depth * 4, "");
        idx(e, u->a);
        text_add(e->out, " %s ", fails_when[u->rel]);
        idx(e, u->b);
        text_add(e->out, ")\n%*sreturn aot_bad_guard(call, ", depth * 4 + 4, "");
        emit_string(e->out, u->text);
        text_add(e->out, ", ");
        idx(e, u->a);
        text_add(e->out, ", ");
        idx(e, u->b);
        text_add(e->out, ");\n");
    }
}

static void output_sizes(Emit *e)
{
    const Graph *g = e->p->g;
    for (size_t i = 0; i < g->outputs.n; i++) {
        const Port *p = &g->outputs.at[i];
        for (int d = 0; p->kind == PORT_TENSOR && d < port_type(p).rank; d++) {
            text_add(e->out, "    call->outputs[%zu].shape[%d] = ", i, d);
            if (idx_is_late(p->value->type.dim[d]))
                text_add(e->out, "AOT_UNKNOWN");
            else
                idx(e, p->value->type.dim[d]);
            text_add(e->out, ";\n");
        }
    }
    for (size_t i = 0; i < g->outputs.n; i++) {
        const Port *p = &g->outputs.at[i];
        text_add(e->out, "    need->output[%zu] = ", i);
        if (p->kind == PORT_TENSOR) {
            const Idx *room = buffer_room(e->a->job, e->p->outputs.at[i]);
            text_add(e->out, room ? "(u64)(" : "UINT64_MAX;\n");
            if (room) {
                idx(e, room);
                text_add(e->out, ");\n");
            }
        } else {
            text_add(e->out, p->kind == PORT_NUMBER ? "8;\n" : "0;\n");
        }
    }
}

static void see_unbound(void *ctx, const Idx *s)
{
    Emit *e = ctx;
    if (!s->late && !is_bound(e->known.at, e->known.n, s))
        fail(e->a->job, EXIT_UNSUPPORTED, "%s: the symbol %s cannot be found from the inputs", e->p->name, s->sym);
}

static void bind(Emit *e)
{
    const Graph *g = e->p->g;
    size_t n = 0, outputs = g->outputs.n ? g->outputs.n : 1;
    const Idx **bound = job_array(e->a->job, g->symbols.n + 1, sizeof *bound);
    text_add(e->out, "/* What a call of %s needs, once its sizes are checked. */\n", e->m);
    text_add(e->out, "typedef struct %s_need {\n    u64 output[%zu], work;\n", e->m, outputs);
    for (size_t i = 0; i < g->symbols.n; i++)
        if (!g->symbols.at[i]->late)
            text_add(e->out, "    i64 %s;\n", g->symbols.at[i]->sym);
    text_add(e->out, "} %s_need;\n\n", e->m);
    text_add(e->out, "static aot_status %s_bind(aot_call *call, %s_need *need)\n{\n", e->m, e->m);
    bind_inputs(e, bound, &n);
    for (size_t i = 0; i < n; i++)
        *vec_push(e->a->job, &e->known) = bound[i];
    guards(e, -1, 1);
    for (size_t i = 0; i < g->outputs.n; i++)
        for (int d = 0; g->outputs.at[i].kind == PORT_TENSOR && d < g->outputs.at[i].value->type.rank; d++)
            idx_symbols(g->outputs.at[i].value->type.dim[d], see_unbound, e);
    for (size_t i = 0; i < g->symbols.n; i++)
        if (g->symbols.at[i]->most)
            idx_symbols(g->symbols.at[i]->most, see_unbound, e);
    idx_symbols(e->p->workspace, see_unbound, e); /* and so of scratch_bytes */
    for (size_t i = 0; i < g->guards.n; i++) {
        idx_symbols(g->guards.at[i].a, see_unbound, e);
        idx_symbols(g->guards.at[i].b, see_unbound, e);
    }
    bool *used = job_array(e->a->job, g->symbols.n + 1, sizeof *used);
    for (size_t i = 0; i < e->p->kernels.n; i++)
        kernel_symbols(e->p, e->p->kernels.at[i], used);
    for (size_t i = 0; i < g->symbols.n; i++)
        if (used[i])
            see_unbound(e, g->symbols.at[i]);
    output_sizes(e);
    text_add(e->out, "    need->work = (u64)(");
    idx(e, e->p->workspace);
    text_add(e->out, ");\n");
    if (!idx_is(e->p->scratch_bytes, 0)) {
        text_add(e->out, "    need->work += (u64)(");
        idx(e, e->p->scratch_bytes);
        text_add(e->out, ") * (u64)(aot_threads(call) - 1); /* scratch */\n");
    }
    for (size_t i = 0; i < g->symbols.n; i++)
        if (!g->symbols.at[i]->late)
            text_add(e->out, is_bound(bound, n, g->symbols.at[i]) ? "    need->%s = %s;\n" : "    need->%s = 0;\n",
                     g->symbols.at[i]->sym, g->symbols.at[i]->sym);
    text_add(e->out, "    return AOT_OK;\n}\n\n");
}

/* ---- plan and run --------------------------------------------------------------------------------------------------------- */

static void plan(Emit *e)
{
    size_t outputs = e->p->g->outputs.n;
    text_add(e->out,
             "static aot_status %s_plan(aot_call *call)\n{\n    %s_need need = { .work = 0 };\n"
             "    aot_status status = %s_bind(call, &need);\n    if (status != AOT_OK)\n        return status;\n",
             e->m, e->m, e->m);
    if (outputs)
        text_add(e->out,
                 "    for (i64 i = 0; i < %zu; i++)\n        call->output_bytes[i] = need.output[i];\n", outputs);
    text_add(e->out, "    call->needed_workspace = need.work;\n    return AOT_OK;\n}\n\n");
}

/* ---- buffers as local pointers of run --------------------------------------------------------------------- */

static const char *variable_name(void *ctx, Sym var)
{
    Emit *e = ctx;
    for (size_t i = 0; i < e->locals.n; i++)
        if (!e->locals.at[i].b && e->locals.at[i].var == var)
            return e->locals.at[i].name;
    return var;
}

static void new_local(Emit *e, const Buffer *b, Sym var)
{
    const char *plain = c_name(e->a->job, b ? b->name : var);
    Sym name = sym(e->a->job, plain);
    for (int k = 2; k < 1000000; k++) { /* two regions may use one name */
        bool taken = false;
        for (size_t i = 0; i < e->locals.n; i++)
            taken |= e->locals.at[i].name == name;
        for (size_t i = 0; i < e->p->g->symbols.n; i++)
            taken |= e->p->g->symbols.at[i]->sym == name;
        if (!taken && strcmp(name, "need") && strcmp(name, "room"))
            break;
        name = sym_printf(e->a->job, "%s_%d", plain, k);
    }
    *vec_push(e->a->job, &e->locals) = (Local){ b, var, name, false };
}

static Local *find_local(Emit *e, const Buffer *b)
{
    for (size_t i = 0; i < e->locals.n; i++)
        if (e->locals.at[i].b == b)
            return &e->locals.at[i];
    return NULL;
}

static Local *see_buffer(Emit *e, const Buffer *b)
{
    if (!find_local(e, b))
        new_local(e, b, NULL);
    return find_local(e, b);
}

static void see_items(Emit *e, const Items *items);

static void see_loop(Emit *e, const Loop *loop)
{
    if (loop->var)
        new_local(e, NULL, loop->var);
    see_items(e, &loop->test);
    see_items(e, &loop->body);
    if (loop->condition)
        see_buffer(e, loop->condition);
    for (size_t i = loop->parts.n; i-- > 0;)
        if (find_local(e, loop->parts.at[i])) /* else nothing in the body uses it */
            see_buffer(e, loop->parts.at[i]->whole);
    for (size_t i = 0; i < loop->carried.n; i++) {
        see_buffer(e, loop->carried.at[i].now)->moves = true;
        see_buffer(e, loop->carried.at[i].next)->moves = true;
    }
}

static void see_items(Emit *e, const Items *items)
{
    for (const Item *i = items->first; i; i = i->next) {
        for (size_t k = 0; i->kernel && k < i->kernel->reads.n; k++)
            see_buffer(e, i->kernel->reads.at[k]);
        for (size_t k = 0; i->kernel && k < i->kernel->writes.n; k++)
            see_buffer(e, i->kernel->writes.at[k]);
        if (i->condition)
            see_buffer(e, i->condition);
        if (i->found)
            see_buffer(e, i->found);
        if (i->loop)
            see_loop(e, i->loop);
        see_items(e, &i->then);
        see_items(e, &i->otherwise);
    }
}

static Sym local_name(Emit *e, const Buffer *b)
{
    const Local *l = find_local(e, b);
    if (!l)
        bug("buffer %s has no pointer", b->name);
    return l->name;
}

/* Memory of a size that only the run finds: an output is as large as it is, a work buffer as its bound, if it has one. */
static bool is_late(const Buffer *b)
{
    bool late = b->kind == BUFFER_WORK && !b->at;
    for (int d = 0; b->kind == BUFFER_OUTPUT && d < b->rank; d++)
        late |= idx_is_late(b->dim[d]);
    return late;
}

static void local_pointer(Emit *e, const Local *l, int depth)
{
    const Buffer *b = l->b, *root = b;
    while (root->kind == BUFFER_PART)
        root = root->whole;
    if (is_late(b)) {
        text_add(e->out, "%*s%s *%s = 0; /* when its size is known */\n", 4 * depth, "", buffer_c_type(b), l->name);
        return;
    }
    bool constant = root->kind == BUFFER_CONST || (root->kind == BUFFER_INPUT && !e->p->g->inputs.at[root->port].mutated);
    text_add(e->out, "%*s%s%s *%s%s = ", 4 * depth, "", constant ? "const " : "", buffer_c_type(b),
             l->moves ? "" : "const ", l->name);
    switch (b->kind) {
    case BUFFER_INPUT: text_add(e->out, "call->inputs[%u].data;\n", b->port); break;
    case BUFFER_OUTPUT: text_add(e->out, "call->outputs[%u].data;\n", b->port); break;
    case BUFFER_CONST: text_add(e->out, "(const void *)(aot_weights + %" PRIu64 ");\n", b->weight); break;
    case BUFFER_STATE: text_add(e->out, "(void *)((char *)call->state + %" PRIu64 ");\n", b->weight); break;
    case BUFFER_WORK:
        text_add(e->out, "(void *)(work + ");
        idx_print_c(e->out, b->at, true, NULL, NULL);
        text_add(e->out, ");\n");
        break;
    case BUFFER_PART:
        text_add(e->out, "%s + ", local_name(e, b->whole));
        idx_print_c(e->out, b->start, true, variable_name, e);
        text_add(e->out, ";\n");
        break;
    }
}

/* Breaks a list of words at 110 columns. */
static void wrapped(Emit *e, const char *word, bool first, int depth)
{
    size_t start = e->out->n;
    while (start && e->out->at[start - 1] != '\n')
        start--;
    text_add(e->out, first ? "" : ",");
    if (e->out->n - start + strlen(word) > 110)
        text_add(e->out, "\n%*s", 4 * depth + 4, "");
    else if (!first)
        text_add(e->out, " ");
    text_add(e->out, "%s", word);
}

static int kernel_number(const Program *p, const Kernel *k)
{
    for (size_t i = 0; i < p->kernels.n; i++)
        if (p->kernels.at[i] == k)
            return (int)i;
    bug("kernel %s is not in its program", k->name);
}

static void kernel_call(Emit *e, const Item *item, int depth)
{
    const Kernel *k = item->kernel;
    const Graph *g = e->p->g;
    bool *used = job_array(e->a->job, g->symbols.n + 1, sizeof *used), first = true;
    int64_t work;
    int number = kernel_number(e->p, k), n = e->twins[number];
    const char *name = kernel_c_name(e->a->job, e->m, e->p->kernels.at[n], n);
    text_add(e->out, "%*sAOT_STEP(%d, ", 4 * depth, "", number);
    if (k->splits) {
        text_add(e->out, "aot_parallel(call, ");
        if (idx_is_const(k->work, &work)) {
            text_add(e->out, "%" PRId64, work / SPLIT_WORK);
        } else {
            text_add(e->out, "(");
            idx(e, k->work);
            text_add(e->out, ") / %d", SPLIT_WORK);
        }
        text_add(e->out, ", %s_task,\n%*s&(%s_args){ 0", name, 4 * depth + 4, "", name);
        first = false;
    } else {
        text_add(e->out, "%s%s(", k->checks ? "status = " : "", name);
    }
    if (k->checks) {
        wrapped(e, "call", true, depth);
        first = false;
    }
    for (int w = 0; w < 2; w++)
        for (size_t i = 0; i < (w ? k->writes.n : k->reads.n); i++, first = false)
            wrapped(e, local_name(e, w ? k->writes.at[i] : k->reads.at[i]), first, depth);
    kernel_symbols(e->p, k, used);
    for (size_t i = 0; i < g->symbols.n; i++)
        if (used[i]) {
            wrapped(e, g->symbols.at[i]->sym, first, depth);
            first = false;
        }
    if (k->tiles)
        wrapped(e, "aot_tiles(call)", first, depth);
    text_add(e->out, "%s)); /* step %d */\n", k->splits ? " }" : "", item->position);
    if (k->checks)
        text_add(e->out, "%*sif (status != AOT_OK)\n%*sreturn status;\n", 4 * depth, "", 4 * depth + 4, "");
}

static void items(Emit *e, const Items *list, int depth);

static void loop(Emit *e, const Item *item, int depth)
{
    const Loop *l = item->loop;
    int in = 4 * depth + 4;
    size_t known = e->known.n; /* a size found in an iteration is known there */
    if (l->var) {
        const char *v = variable_name(e, l->var);
        idx_symbols(l->extent, see_unbound, e);
        text_add(e->out, "%*sfor (i64 %s = 0; %s < ", 4 * depth, "", v, v);
        idx_print_c(e->out, l->extent, false, variable_name, e);
        text_add(e->out, "; %s++) { /* step %d */\n", v, item->position);
    } else {
        text_add(e->out, "%*sfor (;;) { /* step %d */\n", 4 * depth, "", item->position);
        items(e, &l->test, depth + 1);
        text_add(e->out, "%*sif (!*%s)\n%*sbreak;\n", in, "", local_name(e, l->condition), in + 4, "");
    }
    for (size_t i = 0; i < l->parts.n; i++)
        if (find_local(e, l->parts.at[i]))
            local_pointer(e, find_local(e, l->parts.at[i]), depth + 1);
    items(e, &l->body, depth + 1);
    e->known.n = known;
    for (size_t i = 0; i < l->carried.n; i++) {
        Sym now = local_name(e, l->carried.at[i].now), next = local_name(e, l->carried.at[i].next);
        text_add(e->out, "%*s{ void *const aot_was = %s; %s = %s; %s = aot_was; }\n", in, "", now, now, next, next);
    }
    text_add(e->out, "%*s}\n", 4 * depth, "");
}

static bool sizes_a_late_buffer(Emit *e, const Idx *symbol)
{
    bool any = false;
    for (size_t i = 0; i < e->p->works.n + e->p->outputs.n; i++) {
        const Buffer *b = i < e->p->works.n ? e->p->works.at[i] : e->p->outputs.at[i - e->p->works.n];
        for (int d = 0; b && is_late(b) && d < b->rank; d++)
            any |= idx_uses(b->dim[d], symbol);
    }
    return any;
}

/* Memory for a buffer whose sizes are known now. */
static void late_memory(Emit *e, const Buffer *b, int depth)
{
    int in = depth * 4;
    text_add(e->out, "%*s{\n%*sconst i64 sizes[] = { ", in, "", in + 4, "");
    for (int d = 0; d < b->rank; d++) {
        text_add(e->out, d ? ", " : "");
        idx(e, b->dim[d]);
    }
    text_add(e->out, " };\n%*s", in + 4, "");
    int bytes = dtype_info[b->dtype].bytes;
    if (b->kind == BUFFER_OUTPUT) {
        text_add(e->out, "status = aot_late_output(call, %u, ", b->port);
        emit_string(e->out, job_printf(e->a->job, "output %s", e->p->g->outputs.at[b->port].name));
        text_add(e->out, ", sizes, %d, %d, ", b->rank, bytes);
    } else {
        text_add(e->out, "void *memory = 0;\n%*sstatus = aot_late_work(call, ", in + 4, "");
        emit_string(e->out, b->name);
        text_add(e->out, ", sizes, %d, %d, ", b->rank, bytes);
    }
    idx(e, b->bytes);
    text_add(e->out, b->kind == BUFFER_OUTPUT ? ");\n" : ", &memory);\n");
    text_add(e->out, "%*sif (status != AOT_OK)\n%*sreturn status;\n", in + 4, "", in + 8, "");
    for (size_t i = 0; i < e->locals.n; i++)
        if (e->locals.at[i].b == b && b->kind == BUFFER_OUTPUT)
            text_add(e->out, "%*s%s = call->outputs[%u].data;\n", in + 4, "", e->locals.at[i].name, b->port);
        else if (e->locals.at[i].b == b)
            text_add(e->out, "%*s%s = memory;\n", in + 4, "", e->locals.at[i].name);
    text_add(e->out, "%*s}\n", in, "");
}

/* A size that the run has found: a symbol of its own, or one more relation between sizes. */
static void found_size(Emit *e, const Item *item, int depth)
{
    const Idx *s = item->size;
    size_t before = e->known.n;
    int in = depth * 4;
    Sym found = local_name(e, item->found);
    if (s->late && !is_bound(e->known.at, before, s)) {
        const Idx *most = s->most ? s->most : idx_const(e->a->job, sizes_a_late_buffer(e, s) ? INT32_MAX : INT64_MAX);
        most = idx_min(e->a->job, most, idx_const(e->a->job, s->hi));
        text_add(e->out, "%*sconst i64 %s = *%s; /* step %d */\n%*sif (", in, "", s->sym, found, item->position, in, "");
        text_add(e->out, "%s < ", s->sym);
        i64_text(e->out, s->lo);
        text_add(e->out, " || %s > ", s->sym);
        idx(e, most);
        text_add(e->out, ")\n%*sreturn aot_bad_late(call, ", in + 4, "");
        emit_string(e->out, *item->about ? item->about : s->sym);
        text_add(e->out, ", \"%s\", %s, ", s->sym, s->sym);
        i64_text(e->out, s->lo);
        text_add(e->out, ", ");
        idx(e, most);
        *vec_push(e->a->job, &e->known) = s;
    } else {
        text_add(e->out, "%*sif (*%s != ", in, "", found);
        idx(e, s);
        text_add(e->out, ") /* step %d */\n%*sreturn aot_bad_late(call, ", item->position, in + 4, "");
        emit_string(e->out, *item->about ? item->about : found);
        text_add(e->out, ", ");
        emit_string(e->out, idx_text(e->a->job, s));
        text_add(e->out, ", *%s, ", found);
        idx(e, s);
        text_add(e->out, ", ");
        idx(e, s);
    }
    text_add(e->out, ");\n");
    if (e->known.n == before)
        return;
    guards(e, (ptrdiff_t)before, depth);
    for (size_t i = 0; i < e->p->works.n + e->p->outputs.n; i++) {
        const Buffer *b = i < e->p->works.n ? e->p->works.at[i] : e->p->outputs.at[i - e->p->works.n];
        bool first = false, known = b && is_late(b);
        for (int d = 0; known && d < b->rank; d++)
            known = is_known(e, b->dim[d], before, &first);
        if (known && first)
            late_memory(e, b, depth);
    }
}

static void items(Emit *e, const Items *list, int depth)
{
    for (const Item *i = list->first; i; i = i->next) {
        if (i->size) {
            found_size(e, i, depth);
            continue;
        }
        if (i->kernel) {
            kernel_call(e, i, depth);
            continue;
        }
        if (i->loop) {
            loop(e, i, depth);
            continue;
        }
        text_add(e->out, "%*sif (*", 4 * depth, "");
        text_add(e->out, "%s", local_name(e, i->condition));
        text_add(e->out, ") { /* step %d */\n", i->position);
        size_t known = e->known.n; /* a size found in a branch is known there */
        items(e, &i->then, depth + 1);
        e->known.n = known;
        text_add(e->out, "%*s} else {\n", 4 * depth, "");
        items(e, &i->otherwise, depth + 1);
        e->known.n = known;
        text_add(e->out, "%*s}\n", 4 * depth, "");
    }
}

static void run(Emit *e)
{
    const Graph *g = e->p->g;
    bool work = false;
    for (size_t i = 0; i < e->p->works.n; i++)
        work |= e->p->works.at[i]->at != NULL;
    text_add(e->out,
             "static aot_status %s_run(aot_call *call)\n{\n    %s_need need = { .work = 0 };\n"
             "    aot_status status = %s_bind(call, &need);\n    if (status != AOT_OK)\n        return status;\n",
             e->m, e->m, e->m);
    text_add(e->out, g->outputs.n ? "    status = aot_check_room(call, %s_outs, %zu, need.output, need.work);\n"
                                  : "    status = aot_check_room(call, 0, 0, need.output, need.work);\n",
             e->m, g->outputs.n);
    if (e->p->states.n)
        text_add(e->out, "    if (status == AOT_OK && !call->state)\n        status = aot_no_state(call);\n");
    text_add(e->out, "    if (status != AOT_OK)\n        return status;\n");
    if (e->a->weights_file)
        text_add(e->out, "    if (!call->segments || !call->segments[0])\n        return aot_no_weights(call);\n"
                         "    const u8 *const aot_weights = (const u8 *)call->segments[0] + AOT_WEIGHTS_HEADER;\n"
                         "    (void)aot_weights;\n");
    for (size_t i = 0; i < g->symbols.n; i++)
        if (!g->symbols.at[i]->late)
            text_add(e->out, "    const i64 %s = need.%s;\n    (void)%s;\n", g->symbols.at[i]->sym, g->symbols.at[i]->sym,
                 g->symbols.at[i]->sym);
    if (work)
        text_add(e->out, "    char *const work = call->workspace;\n");
    for (size_t i = 0; i < g->outputs.n; i++)
        if (g->outputs.at[i].kind == PORT_NUMBER)
            text_add(e->out, "    *(i64 *)call->outputs[%zu].data = %s_out%zu_value;\n", i, e->m, i);
    see_items(e, &e->p->schedule);
    for (size_t i = e->p->fixed.n; i-- > 0;)
        if (find_local(e, e->p->fixed.at[i]))
            see_buffer(e, e->p->fixed.at[i]->whole);
    for (size_t i = 0; i < e->locals.n; i++)
        if (e->locals.at[i].b && e->locals.at[i].b->kind != BUFFER_PART)
            local_pointer(e, &e->locals.at[i], 1);
    for (size_t i = 0; i < e->p->fixed.n; i++)
        if (find_local(e, e->p->fixed.at[i]))
            local_pointer(e, find_local(e, e->p->fixed.at[i]), 1);
    items(e, &e->p->schedule, 1);
    text_add(e->out, "    return AOT_OK;\n}\n\n");
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
    bind(&e);
    plan(&e);
    run(&e);
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
        grows |= b && is_late(b) && !buffer_room(a->job, b);
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

static bool calls_special(const Artifact *a)
{
    bool found = false;
    for (size_t i = 0; i < a->program_count; i++)
        for (size_t n = 0; n < a->programs[i]->kernels.n; n++)
            found |= a->programs[i]->kernels.at[n]->special;
    return found;
}

static bool asks_tiles(const Artifact *a)
{
    bool found = false;
    for (size_t i = 0; i < a->program_count; i++)
        for (size_t n = 0; n < a->programs[i]->kernels.n; n++)
            found |= a->programs[i]->kernels.at[n]->tiles;
    return found;
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
    if (calls_special(a))
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
             a->weights->state_bytes ? "aot_init_state" : "0", asks_tiles(a) ? "AOT_TILES" : "0");
}
