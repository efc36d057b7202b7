/* SPDX-License-Identifier: MIT */
/* Higher-order operators that compute just what their graph computes, or the operator that they wrap: grad mode,
 * autocast, checkpoints, hints, calls of a shared graph; effects in order of a token.  See import.h. */
#include "import_parts.h"
#include <string.h>

/* ---- graphs ---------------------------------------------------------------------------------------------- */

typedef struct Operand { /* a tensor's or symbol's entry; NULL: a number or None, which the graph has itself */
    Entry *entry;
} Operand;

static const char *name_of(const Json *v)
{
    const Json *name = json_is_object(v) ? json_get(v, "name") : NULL;
    name = name ? name : json_is_object(v) ? json_get(v, "as_name") : NULL;
    return name && json_is_string(name) ? json_string(NULL, name, "") : NULL;
}

static Entry *named_entry(Call *c, const char *name)
{
    Entry *e = name ? entry_find(c->m, name) : NULL;
    if (name && !e)
        fail_at(c->m->job, EXIT_INPUT, &c->b.origin, "%s: %s reads %s, which is not defined before it", c->m->where,
                c->target, name);
    return e;
}

/* Operands: every argument behind the graph, lists flattened. */
static size_t operands(Call *c, const Json *arg, Operand *out, size_t room)
{
    size_t n = 0;
    for (; arg; arg = json_next(arg)) {
        const Json *one = json_first(json_get(arg, "arg"));
        bool list = one && json_is_array(one);
        if (tagged(one, "as_string") || tagged(one, "as_string_to_argument"))
            continue; /* hints and the name of a shared graph */
        for (const Json *v = list ? json_first(one) : one; v; v = list ? json_next(v) : NULL) {
            if (n == room)
                call_refuse(c, "it has more than %zu operands", room);
            out[n++].entry = named_entry(c, name_of(list && !name_of(v) ? json_first(v) : v));
        }
    }
    return n;
}

static void bind_parameters(Call *c, const Scope *inner, const Operand *in, size_t count)
{
    Import *m = c->m;
    size_t i = 0;
    for (const Json *p = json_first(need_array(m, inner->graph, "inputs")); p; p = json_next(p), i++) {
        const char *name = name_of(json_first(p));
        if (i == count)
            fail_at(m->job, EXIT_INPUT, &c->b.origin, "%s: the graph of %s takes more operands than it gets", m->where,
                    c->target);
        if (name && in[i].entry)
            entry_alias(m, name, in[i].entry);
        else if (name)
            call_refuse(c, "operand %zu of its graph is a number there", i);
    }
}

/* What the graph returns under the names of the node's results. */
static void give_results(Call *c, Scope *inner, Scope *outer)
{
    Import *m = c->m;
    const Json *from = json_first(need_array(m, inner->graph, "outputs"));
    for (const Json *o = json_first(json_get(c->node, "outputs")); o; o = json_next(o)) {
        const Json *one = json_first(o);
        bool list = one && json_is_array(one);
        for (const Json *v = list ? json_first(one) : one; v; v = list ? json_next(v) : NULL) {
            const Json *result = json_first(from);
            from = from ? json_next(from) : NULL;
            if (!name_of(v))
                continue;
            m->scope = inner;
            Entry *e = named_entry(c, name_of(result));
            m->scope = outer;
            if (!e)
                call_refuse(c, "its graph returns something that is no tensor for %s", name_of(v));
            entry_alias(m, name_of(v), e);
        }
    }
}

static bool bool_at(Import *m, const Json *arg, int at)
{
    while (at-- && arg)
        arg = json_next(arg);
    const Json *one = json_first(json_get(arg, "arg"));
    return tagged(one, "as_bool") && json_bool(m->job, one, m->where);
}

void import_inlined(Import *m, const Json *node)
{
    enum { OPERANDS = 4096 };
    Job *job = m->job;
    Call c;
    call_init(m, node, &c);
    const Json *arg = json_first(json_get(node, "inputs"));
    while (arg && !tagged(json_first(json_get(arg, "arg")), "as_graph"))
        arg = json_next(arg);
    if (!arg)
        call_refuse(&c, "none of its arguments is a graph");
    if (++m->depth > 32)
        fail(job, EXIT_INPUT, "%s: regions are nested deeper than 32", m->where);
    Operand *in = job_array(job, OPERANDS, sizeof *in);
    size_t count = operands(&c, json_next(arg), in, OPERANDS);
    Scope *outer = m->scope, *inner = job_alloc(job, sizeof *inner);
    inner->graph = json_need(job, json_first(json_get(arg, "arg")), "graph", m->where);
    inner->g = outer->g;
    inner->autocast = outer->autocast;
    if (!strcmp(c.target, "higher_order.wrap_with_autocast")) /* device, type, enabled */
        inner->autocast = bool_at(m, c.args, 2);
    index_members(m, json_need(job, inner->graph, "tensor_values", m->where), &inner->meta_slot, &inner->meta_size);
    m->scope = inner;
    bind_parameters(&c, inner, in, count);
    import_nodes(m);
    give_results(&c, inner, outer);
    m->scope = outer;
    m->depth--;
}

/* ---- operators ------------------------------------------------------------------------------------------- */

/* with_effects(token, operator, arguments...): the operator's results behind a token. */
void import_with_effects(Import *m, const Json *node)
{
    Call c;
    call_init(m, node, &c);
    const Json *token = json_first(json_get(node, "outputs"));
    const char *name = name_of(json_first(token));
    if (!name)
        fail_at(m->job, EXIT_INPUT, &c.b.origin, "%s: %s gives no token", m->where, c.target);
    entry_new(m, name, ENTRY_NONE);
    import_call(m, node);
}
