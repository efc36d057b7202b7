/* SPDX-License-Identifier: MIT */
/* Regions: the graphs that higher-order operators own.  See import.h. */
#include "import_parts.h"
#include <string.h>

static Graph *import_region(Call *c, const Json *arg, Value **operands, size_t count)
{
    Import *m = c->m;
    Job *job = m->job;
    if (!tagged(arg, "as_graph"))
        call_refuse(c, "a branch is no graph");
    if (++m->depth > 32)
        fail(job, EXIT_INPUT, "%s: regions are nested deeper than 32", m->where);
    Scope *outer = m->scope, *inner = job_alloc(job, sizeof *inner);
    inner->graph = json_need(job, arg, "graph", m->where);
    inner->g = graph_new(job, sym(job, json_string(job, json_need(job, arg, "name", m->where), m->where)));
    m->scope = inner;
    index_members(m, json_need(job, inner->graph, "tensor_values", m->where), &inner->meta_slot, &inner->meta_size);
    size_t i = 0;
    for (const Json *p = json_first(json_need(job, inner->graph, "inputs", m->where)); p; p = json_next(p), i++) {
        const Json *one = json_first(p);
        if (i == count)
            fail(job, EXIT_INPUT, "%s: a branch of %s takes more operands than it gets", m->where, c->target);
        if (tagged(one, "as_sym_int")) {
            const char *name = json_string(job, json_need(job, one, "as_name", m->where), m->where);
            const Idx *k = read_sym_int(m, json_need(job, json_get(inner->graph, "sym_int_values"), name, m->where));
            if (!k)
                call_refuse(c, "operand %s is a size known only during the run", name);
            entry_new(m, name, ENTRY_INT)->number = k;
            graph_input(inner->g, sym(job, name), operands[i]->type); /* bound, not read */
            continue;
        }
        if (!tagged(one, "as_tensor"))
            call_refuse(c, "a branch takes an operand that is no tensor");
        const char *name = json_string(job, json_need(job, one, "name", m->where), m->where);
        Value *v = graph_input(inner->g, sym(job, name), operands[i]->type);
        if (operands[i]->kind == VALUE_CONST) /* the branch reads the weight itself, so that it can be packed */
            v = graph_const(inner->g, operands[i]->tensor, operands[i]->type, graph_name(inner->g, name));
        entry_tensor(m, name, v, true);
    }
    if (i != count)
        fail(job, EXIT_INPUT, "%s: a branch of %s takes %zu operands and gets %zu", m->where, c->target, i, count);
    import_nodes(m);
    for (const Json *o = json_first(json_need(job, inner->graph, "outputs", m->where)); o; o = json_next(o)) {
        const Json *one = json_first(o);
        Call r = { .m = m, .node = c->node, .target = c->target, .b = { .g = inner->g, .origin = c->b.origin } };
        Value *v = NULL;
        if (tagged(one, "as_tensor"))
            v = named_tensor(&r, json_need(job, one, "name", m->where));
        else if (tagged(one, "as_int") || tagged(one, "as_sym_int"))
            v = build_index(&r.b, idx_of(&r, "result", one));
        else
            call_refuse(c, "a branch returns something that is no tensor");
        *vec_push(job, &inner->g->outputs) = (Port){ .name = v->name, .kind = PORT_TENSOR, .value = v };
    }
    m->scope = outer;
    m->depth--;
    return inner->g;
}

static Value *hop_operand(Call *c, const Json *one)
{
    Job *job = c->m->job;
    if (tagged(one, "as_tensor"))
        return named_tensor(c, json_need(job, one, "name", c->m->where));
    if (tagged(one, "as_bool"))
        return build_full_int(&c->b, DT_bool, json_bool(job, one, c->m->where));
    if (tagged(one, "as_sym_bool")) {
        Entry *e = sym_entry(c, one);
        return e ? e->value : build_full_int(&c->b, DT_bool, json_bool(job, json_get(one, "as_bool"), c->m->where));
    }
    return build_index(&c->b, idx_of(c, "operand", one));
}

void import_cond(Import *m, const Json *node)
{
    Job *job = m->job;
    Call c;
    call_init(m, node, &c);
    const Json *arg[4] = { 0 };
    size_t n = 0;
    for (const Json *a = json_first(json_need(job, node, "inputs", m->where)); a && n < 4; a = json_next(a))
        arg[n++] = json_first(json_get(a, "arg"));
    if (n < 3)
        fail(job, EXIT_INPUT, "%s: cond has %zu arguments", m->where, n);
    VEC(Value *) in = { 0 };
    Value *pred = hop_operand(&c, arg[0]);
    if (pred->type.rank || pred->type.dtype != DT_bool) {
        if (type_count(job, &pred->type) != idx_const(job, 1))
            call_refuse(&c, "the condition has more than one element");
        pred = build_cast(&c.b, build_reshape(&c.b, pred, 0, NULL), DT_bool);
    }
    *vec_push(job, &in) = pred;
    for (const Json *o = json_first(arg[3]); o; o = json_next(o))
        *vec_push(job, &in) = json_is_object(o) && json_get(o, "name") && !json_get(o, "as_name")
                                  ? named_tensor(&c, json_get(o, "name"))
                              : json_get(o, "as_name") ? build_index(&c.b, sym_entry(&c, o)->number)
                                                       : hop_operand(&c, json_first(o));
    Graph *yes = import_region(&c, arg[1], in.at + 1, in.n - 1), *no = import_region(&c, arg[2], in.at + 1, in.n - 1);
    const char *names[64];
    size_t count = result_names(m, node, names, 64);
    if (yes->outputs.n != no->outputs.n || yes->outputs.n != count)
        fail_at(job, EXIT_INPUT, &c.b.origin, "%s: the branches of cond give %zu and %zu results; the node has %zu",
                m->where, yes->outputs.n, no->outputs.n, count);
    Type types[64];
    Sym syms[64];
    for (size_t i = 0; i < count; i++) {
        if (!recorded_type(m, names[i], &types[i]))
            call_refuse(&c, "result %s has a size known only during the run", names[i]);
        syms[i] = graph_name(m->scope->g, names[i]);
    }
    Node *cond = build_node(&c.b, OP_cond, in.at, (uint32_t)in.n, types, syms, (uint32_t)count);
    cond->region_count = 2;
    cond->region = job_array(job, 2, sizeof *cond->region);
    cond->region[0] = yes;
    cond->region[1] = no;
    for (size_t i = 0; i < count; i++)
        entry_tensor(m, names[i], cond->out[i], false);
}
