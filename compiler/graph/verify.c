/* SPDX-License-Identifier: MIT */
/* The rules that a graph obeys at every edge between passes. */
#include "graph.h"
#include <string.h>

typedef struct Check {
    Graph *g;
    bool *defined; /* by value id */
} Check;

static const char *say(Graph *g, const Node *n, const char *what)
{
    return job_printf(g->job, "%s (%s): %s", n->out_count ? n->out[0]->name : "?", op_info[n->op].name, what);
}

static const char *check_operands(Check *c, const Node *n)
{
    int want = op_info[n->op].inputs;
    if (want >= 0 ? n->in_count != (uint32_t)want : n->in_count < (uint32_t)-want)
        return say(c->g, n, "has the wrong number of operands");
    for (uint32_t i = 0; i < n->in_count; i++) {
        const Value *v = n->in[i];
        if (v->id >= c->g->values.n || c->g->values.at[v->id] != v)
            return say(c->g, n, "reads a value of another graph");
        if (!c->defined[v->id])
            return say(c->g, n, "reads a value that is not defined before it");
    }
    return NULL;
}

static const char *check_types(Check *c, const Node *n)
{
    OpKind kind = op_info[n->op].kind;
    const Type *t = &n->out[0]->type;
    uint32_t first = n->op == OP_where ? 1 : 0;
    if (kind == POINTWISE)
        for (uint32_t i = first + 1; i < n->in_count; i++)
            if (n->in[i]->type.dtype != n->in[first]->type.dtype)
                return say(c->g, n, "has operands of different element types");
    if (n->op == OP_where && n->in[0]->type.dtype != DT_bool)
        return say(c->g, n, "has a condition that is not bool");
    Type inferred;
    if (type_infer(c->g->job, n, &inferred)) {
        if (inferred.rank != t->rank || (n->op != OP_cast && inferred.dtype != t->dtype))
            return say(c->g, n, "has not the type of its rule");
        for (int i = 0; i < t->rank; i++)
            if (inferred.dim[i]->lo > t->dim[i]->hi || t->dim[i]->lo > inferred.dim[i]->hi)
                return say(c->g, n, "has not the sizes of its rule");
    }
    int64_t a, b;
    if (n->op == OP_reshape && type_static(&n->in[0]->type, &a) && type_static(t, &b) && a != b)
        return say(c->g, n, "changes the number of elements");
    return NULL;
}

const char *graph_verify(Graph *g)
{
    Check c = { g, job_array(g->job, g->values.n + 1, sizeof(bool)) };
    for (size_t i = 0; i < g->inputs.n; i++)
        if (g->inputs.at[i].kind == PORT_TENSOR)
            c.defined[g->inputs.at[i].value->id] = true;
    for (size_t i = 0; i < g->consts.n; i++)
        c.defined[g->consts.at[i]->id] = true;
    for each_node (n, g) {
        const char *bad = check_operands(&c, n);
        if (!bad && n->out_count == 1)
            bad = check_types(&c, n);
        for (uint32_t i = 0; i < n->region_count && !bad; i++)
            bad = graph_verify(n->region[i]);
        if (bad)
            return bad;
        for (uint32_t i = 0; i < n->out_count; i++) {
            if (n->out[i]->def != n)
                return say(g, n, "has a result that says otherwise");
            c.defined[n->out[i]->id] = true;
        }
    }
    for (size_t i = 0; i < g->outputs.n; i++) {
        const Port *p = &g->outputs.at[i];
        if (p->kind == PORT_TENSOR && !c.defined[p->value->id])
            return job_printf(g->job, "output %s is not defined", p->name);
    }
    return NULL;
}
