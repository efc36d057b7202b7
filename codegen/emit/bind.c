/* SPDX-License-Identifier: MIT */
/* Sizes in, sizes out: the function of a method that run and plan begin with. */
#include "method.h"
#include <inttypes.h>

bool size_is_bound(const Idx *const *bound, size_t n, const Idx *s)
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
    if (!size_is_bound(a->bound, a->n, s) && a->missing != s) {
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
        emit_i64(e->out, size->k);
        text_add(e->out, "), %" PRId64 "); /* from %s */\n", size->coef[0], idx_text(e->a->job, size));
        bound[(*n)++] = m.missing;
    }
    if (pass == 2) {
        if (m.missing_count)
            fail(e->a->job, EXIT_UNSUPPORTED, "input %s: dimension %d is %s; the symbol %s cannot be found from the inputs",
                 port->name, d, idx_text(e->a->job, size), m.missing->sym);
        text_add(e->out, "    if (%s != ", at);
        emit_idx(e, size);
        text_add(e->out, ")\n        return aot_bad_relation(call, ");
        emit_string(e->out, port->name);
        text_add(e->out, ", %d, %s, ", d, at);
        emit_string(e->out, idx_text(e->a->job, size));
        text_add(e->out, ", ");
        emit_idx(e, size);
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

bool size_is_known(Emit *e, const Idx *x, size_t before, bool *first)
{
    *first |= missing(x, e->known.at, before).missing_count > 0;
    return !missing(x, e->known.at, e->known.n).missing_count;
}

void emit_guards(Emit *e, ptrdiff_t before, int depth)
{
    static const char *const fails_when[] = { "!=", "==", ">", ">=" };
    const Graph *g = e->p->g;
    for (size_t i = 0; i < g->guards.n; i++) {
        const Guard *u = &g->guards.at[i];
        bool le = u->rel == GUARD_LE && u->a->hi <= u->b->lo, lt = u->rel == GUARD_LT && u->a->hi < u->b->lo;
        bool first = before < 0;
        size_t old = before < 0 ? 0 : (size_t)before;
        if (le || lt || !size_is_known(e, u->a, old, &first) || !size_is_known(e, u->b, old, &first) || !first)
            continue; /* proved by the ranges; or about sizes that no input has, or not yet */
        text_add(e->out, "%*sif (", depth * 4, "");
        emit_idx(e, u->a);
        text_add(e->out, " %s ", fails_when[u->rel]);
        emit_idx(e, u->b);
        text_add(e->out, ")\n%*sreturn aot_bad_guard(call, ", depth * 4 + 4, "");
        emit_string(e->out, u->text);
        text_add(e->out, ", ");
        emit_idx(e, u->a);
        text_add(e->out, ", ");
        emit_idx(e, u->b);
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
                emit_idx(e, p->value->type.dim[d]);
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
                emit_idx(e, room);
                text_add(e->out, ");\n");
            }
        } else {
            text_add(e->out, p->kind == PORT_NUMBER ? "8;\n" : "0;\n");
        }
    }
}

void size_must_be_bound(void *emit, const Idx *s)
{
    Emit *e = emit;
    if (!s->late && !size_is_bound(e->known.at, e->known.n, s))
        fail(e->a->job, EXIT_UNSUPPORTED, "%s: the symbol %s cannot be found from the inputs", e->p->name, s->sym);
}

void emit_bind(Emit *e)
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
    emit_guards(e, -1, 1);
    for (size_t i = 0; i < g->outputs.n; i++)
        for (int d = 0; g->outputs.at[i].kind == PORT_TENSOR && d < g->outputs.at[i].value->type.rank; d++)
            idx_symbols(g->outputs.at[i].value->type.dim[d], size_must_be_bound, e);
    for (size_t i = 0; i < g->symbols.n; i++)
        if (g->symbols.at[i]->most)
            idx_symbols(g->symbols.at[i]->most, size_must_be_bound, e);
    idx_symbols(e->p->workspace, size_must_be_bound, e); /* and so of scratch_bytes */
    for (size_t i = 0; i < g->guards.n; i++) {
        idx_symbols(g->guards.at[i].a, size_must_be_bound, e);
        idx_symbols(g->guards.at[i].b, size_must_be_bound, e);
    }
    bool *used = job_array(e->a->job, g->symbols.n + 1, sizeof *used);
    for (size_t i = 0; i < e->p->kernels.n; i++)
        kernel_symbols(e->p, e->p->kernels.at[i], used);
    for (size_t i = 0; i < g->symbols.n; i++)
        if (used[i])
            size_must_be_bound(e, g->symbols.at[i]);
    output_sizes(e);
    text_add(e->out, "    need->work = (u64)(");
    emit_idx(e, e->p->workspace);
    text_add(e->out, ");\n");
    if (!idx_is(e->p->scratch_bytes, 0)) {
        text_add(e->out, "    need->work += (u64)(");
        emit_idx(e, e->p->scratch_bytes);
        text_add(e->out, ") * (u64)(aot_threads(call) - 1); /* scratch */\n");
    }
    for (size_t i = 0; i < g->symbols.n; i++)
        if (!g->symbols.at[i]->late)
            text_add(e->out, size_is_bound(bound, n, g->symbols.at[i]) ? "    need->%s = %s;\n" : "    need->%s = 0;\n",
                     g->symbols.at[i]->sym, g->symbols.at[i]->sym);
    text_add(e->out, "    return AOT_OK;\n}\n\n");
}
