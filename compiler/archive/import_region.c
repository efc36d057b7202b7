/* SPDX-License-Identifier: MIT */
/* Higher-order operators whose graphs become regions of cond and loop nodes.  See import.h. */
#include "import_parts.h"
#include <string.h>

enum { MAX_ARGS = 64, MAX_RESULTS = 64 };

/* ---- operands ---------------------------------------------------------------------------------------------------- */

typedef struct Operands {
    VEC(Value *) at;
} Operands;

static void add_operand(Call *c, Operands *in, Value *v)
{
    *vec_push(c->m->job, &in->at) = v;
}

/* The value of a SymInt, SymFloat or SymBool that has a name; NULL: it is a number. */
static Value *named_scalar(Call *c, const Json *s)
{
    Entry *e = sym_entry(c, s);
    if (e && e->kind != ENTRY_INT && e->kind != ENTRY_SCALAR)
        call_refuse(c, "it reads %s, which is no number", e->name);
    return !e ? NULL : e->kind == ENTRY_INT ? build_index(&c->b, e->number) : e->value;
}

static Value *sym_number(Call *c, const Json *s, const char *kind)
{
    Import *m = c->m;
    Value *v = named_scalar(c, s);
    if (v)
        return v;
    if (!strncmp(kind, "as_sym_bool", 11))
        return build_full_int(&c->b, DT_bool, json_bool(m->job, json_need(m->job, s, "as_bool", m->where), m->where));
    if (!strncmp(kind, "as_sym_float", 12))
        return build_full(&c->b, DT_f64, json_double(m->job, json_need(m->job, s, "as_float", m->where), m->where));
    return build_index(&c->b, idx_const(m->job, json_int(m->job, json_need(m->job, s, "as_int", m->where), m->where)));
}

/* One argument: a tensor, a number, or a list of them. */
static void add_argument(Call *c, Operands *in, const Json *arg)
{
    Job *job = c->m->job;
    const char *where = c->m->where;
    bool list = json_is_array(arg);
    for (const Json *one = list ? json_first(arg) : arg; one; one = list ? json_next(one) : NULL) {
        if (tagged(arg, "as_tensor") || tagged(arg, "as_tensors"))
            add_operand(c, in, named_tensor(c, json_need(job, one, "name", where)));
        else if (tagged(arg, "as_optional_tensors"))
            add_argument(c, in, json_first(one));
        else if (tagged(arg, "as_int") || tagged(arg, "as_ints"))
            add_operand(c, in, build_full_int(&c->b, DT_i64, json_int(job, one, where)));
        else if (tagged(arg, "as_float") || tagged(arg, "as_floats"))
            add_operand(c, in, build_full(&c->b, DT_f64, json_double(job, one, where)));
        else if (tagged(arg, "as_bool") || tagged(arg, "as_bools"))
            add_operand(c, in, build_full_int(&c->b, DT_bool, json_bool(job, one, where)));
        else if (!strncmp(json_key(arg), "as_sym_", 7))
            add_operand(c, in, sym_number(c, one, json_key(arg)));
        else
            call_refuse(c, "an operand is of kind %s", json_key(arg));
    }
}

/* ---- the graphs of a call ---------------------------------------------------------------------------------------- */

typedef struct Hop {
    Call c;
    const Json *graph[2];      /* in order of the arguments */
    const Json *arg[MAX_ARGS]; /* the other positional ones */
    size_t graphs, args;
    const char *name[MAX_RESULTS]; /* of the results; NULL: None */
    const Json *result[MAX_RESULTS];
    size_t results;
} Hop;

static Hop *read_hop(Import *m, const Json *node)
{
    Job *job = m->job;
    Hop *h = job_alloc(job, sizeof *h);
    call_init(m, node, &h->c);
    for (const Json *a = json_first(json_need(job, node, "inputs", m->where)); a; a = json_next(a)) {
        const Json *one = json_first(json_get(a, "arg")), *name = json_get(a, "name");
        if (name && json_is_string(name) && *json_string(job, name, m->where))
            continue; /* keywords do not change what is computed */
        bool graph = tagged(one, "as_graph");
        if (graph ? h->graphs == 2 : h->args == MAX_ARGS)
            call_refuse(&h->c, "it has more arguments than known");
        if (graph)
            h->graph[h->graphs++] = one;
        else
            h->arg[h->args++] = one;
    }
    for (const Json *o = json_first(json_need(job, node, "outputs", m->where)); o; o = json_next(o)) {
        const Json *one = json_first(o);
        bool list = tagged(one, "as_tensors");
        for (const Json *t = list ? json_first(one) : one; t; t = list ? json_next(t) : NULL) {
            if (h->results == MAX_RESULTS)
                call_refuse(&h->c, "it has more than %d results", MAX_RESULTS);
            if (list || tagged(one, "as_tensor"))
                h->name[h->results] = json_string(job, json_need(job, t, "name", m->where), m->where);
            h->result[h->results++] = one;
        }
    }
    return h;
}

static void need_arguments(Hop *h, size_t graphs, size_t args)
{
    if (h->graphs != graphs || h->args < args)
        fail_at(h->c.m->job, EXIT_INPUT, &h->c.b.origin, "%s: %s has %zu graphs and %zu other arguments", h->c.m->where,
                h->c.target, h->graphs, h->args);
}

/* Enters the scope of a graph whose nodes go to g. */
static Scope *enter_graph(Call *c, const Json *arg, Graph *g)
{
    Import *m = c->m;
    if (++m->depth > 32)
        fail(m->job, EXIT_INPUT, "%s: regions are nested deeper than 32", m->where);
    Scope *outer = m->scope, *inner = job_alloc(m->job, sizeof *inner);
    inner->found = m->found.n;
    inner->graph = json_need(m->job, arg, "graph", m->where);
    inner->g = g;
    inner->autocast = outer->autocast;
    m->scope = inner;
    index_members(m, json_need(m->job, inner->graph, "tensor_values", m->where), &inner->meta_slot, &inner->meta_size);
    return outer;
}

static void leave_graph(Import *m, Scope *outer)
{
    m->found.n = m->scope->found; /* another graph may give these sizes other values */
    m->scope = outer;
    m->depth--;
}

/* What the entered graph returns; NULL stands for None. */
static size_t graph_results(Call *c, Value **out)
{
    Import *m = c->m;
    size_t n = 0;
    Call r = *c;
    r.b.g = m->scope->g;
    for (const Json *o = json_first(need_array(m, m->scope->graph, "outputs")); o; o = json_next(o)) {
        const Json *one = json_first(o);
        Operands v = { .at = { 0 } };
        if (n == MAX_RESULTS)
            call_refuse(c, "a graph has more than %d results", MAX_RESULTS);
        check_union(m, "a result of a graph", o);
        if (!tagged(one, "as_none"))
            add_argument(&r, &v, one);
        out[n++] = v.at.n ? v.at.at[0] : NULL;
    }
    return n;
}

static const char *parameter_name(Call *c, const Json *one)
{
    const char *key = tagged(one, "as_tensor") ? "name" : "as_name";
    if (!tagged(one, "as_tensor") && !tagged(one, "as_sym_int"))
        call_refuse(c, "a graph takes an operand of kind %s", one ? json_key(one) : "none");
    return json_string(c->m->job, json_need(c->m->job, one, key, c->m->where), c->m->where);
}

/* The recorded size of a name: a number of the graph that is entered, a symbol that only the run knows, or NULL. */
static const Idx *recorded_number(Import *m, const char *name)
{
    return read_sym_int(m, json_need(m->job, json_get(m->scope->graph, "sym_int_values"), name, m->where));
}

/* The name is an integer of that value from here on. */
static void bind_number(Call *c, const char *name, Value *v)
{
    const Idx *k = recorded_number(c->m, name);
    if (!k)
        call_refuse(c, "%s is no integer expression of sizes", name);
    if (idx_is_late(k))
        call_size(c, k, v, NULL);
    entry_new(c->m, name, ENTRY_INT)->number = k;
}

/* A parameter of the entered graph stands for that value. */
static void bind_parameter(Call *c, const Json *one, Value *v)
{
    const char *name = parameter_name(c, one);
    Call inside = *c;
    inside.b.g = c->m->scope->g;
    if (tagged(one, "as_tensor"))
        entry_tensor(c->m, name, v, true);
    else
        bind_number(&inside, name, v);
}

/* ---- regions ----------------------------------------------------------------------------------------------------- */

/* The first `carried` operands change from iteration to iteration; of the `sliced` next ones the region gets slices. */
static Graph *import_region(Call *c, const Json *arg, Value *const *in, size_t n, size_t carried, size_t sliced)
{
    Import *m = c->m;
    Job *job = m->job;
    Graph *g = graph_new(job, sym(job, json_string(job, json_need(job, arg, "name", m->where), m->where)));
    Scope *outer = enter_graph(c, arg, g);
    size_t i = 0;
    for (const Json *p = json_first(need_array(m, m->scope->graph, "inputs")); p; p = json_next(p), i++) {
        if (i == n)
            break;
        const char *name = parameter_name(c, json_first(p));
        Type t = in[i]->type;
        if (i >= carried && i < carried + sliced)
            t = type_make(t.dtype, t.rank - 1, t.dim + 1);
        Value *v = graph_input(g, sym(job, name), t);
        if (in[i]->kind == VALUE_CONST && i >= carried + sliced) /* it reads the weight itself, so that it can be packed */
            v = graph_const(g, in[i]->tensor, t, graph_name(g, name));
        bind_parameter(c, json_first(p), v);
    }
    if (i != n || json_count(need_array(m, m->scope->graph, "inputs")) != n)
        fail(job, EXIT_INPUT, "%s: a graph of %s takes %zu operands and gets %zu", m->where, c->target,
             json_count(need_array(m, m->scope->graph, "inputs")), n);
    import_nodes(m);
    Value *out[MAX_RESULTS];
    size_t count = graph_results(c, out);
    for (i = 0; i < count; i++) {
        if (!out[i])
            call_refuse(c, "a graph returns None");
        *vec_push(job, &g->outputs) = (Port){ .name = out[i]->name, .kind = PORT_TENSOR, .value = out[i] };
    }
    leave_graph(m, outer);
    return g;
}

/* A region writes its result where a value of type t is wanted, so that the types must be one. */
static void same_type(Call *c, const Type *found, const Type *t)
{
    bool fits = found->dtype == t->dtype && found->rank == t->rank;
    for (int i = 0; i < found->rank && fits; i++) {
        const Idx *x = found->dim[i], *y = t->dim[i];
        if (x != y && x->lo <= y->hi && y->lo <= x->hi)
            call_refuse(c, "its graphs give %s where %s is wanted", type_text(c->m->job, found), type_text(c->m->job, t));
        fits = x == y;
    }
    if (!fits)
        fail_at(c->m->job, EXIT_INPUT, &c->b.origin, "%s: a graph of %s gives %s; the archive says %s", c->m->where,
                c->target, type_text(c->m->job, found), type_text(c->m->job, t));
}

static void give_result(Hop *h, size_t i, Value *v)
{
    Call *c = &h->c;
    const Json *one = h->result[i];
    Type t;
    if (tagged(one, "as_none"))
        return;
    if (h->name[i]) {
        if (!recorded_type(c->m, h->name[i], &t))
            call_refuse(c, "result %s has a size known only during the run", h->name[i]);
        same_type(c, &v->type, &t);
        entry_tensor(c->m, h->name[i], v, false);
        return;
    }
    bool integer = tagged(one, "as_sym_int"), truth = tagged(one, "as_sym_bool"), real = tagged(one, "as_sym_float");
    if (!integer && !truth && !real)
        call_refuse(c, "a result is of kind %s", json_key(one));
    same_type(c, &v->type, &(Type){ .dtype = integer ? DT_i64 : truth ? DT_bool : DT_f64 });
    const char *name = json_string(c->m->job, json_need(c->m->job, one, "as_name", c->m->where), c->m->where);
    if (integer)
        bind_number(c, name, v);
    else
        entry_new(c->m, name, ENTRY_SCALAR)->value = v;
}

static void give_results(Hop *h, Value *const *out, size_t count)
{
    if (h->results != count)
        fail_at(h->c.m->job, EXIT_INPUT, &h->c.b.origin, "%s: the graphs of %s give %zu results; the node has %zu",
                h->c.m->where, h->c.target, count, h->results);
    for (size_t i = 0; i < count; i++)
        give_result(h, i, out[i]);
}

/* The first outputs once more, behind the others. */
static void repeat_outputs(Graph *g, size_t n)
{
    for (size_t i = 0; i < n && i < g->outputs.n; i++) {
        Port again = g->outputs.at[i];
        *vec_push(g->job, &g->outputs) = again;
    }
}

static Node *region_node(Hop *h, Op op, const Operands *in, const Type *types, size_t count, Graph *first, Graph *second)
{
    Job *job = h->c.m->job;
    Sym names[MAX_RESULTS];
    for (size_t i = 0; i < count; i++)
        names[i] = graph_name(h->c.b.g, i < h->results && h->name[i] ? h->name[i] : h->c.b.stem ? h->c.b.stem : op_info[op].name);
    Node *n = build_node(&h->c.b, op, in->at.at, (uint32_t)in->at.n, types, names, (uint32_t)count);
    n->region_count = second ? 2 : 1;
    n->region = job_array(job, 2, sizeof *n->region);
    n->region[0] = first;
    n->region[1] = second;
    return n;
}

/* ---- cond -------------------------------------------------------------------------------------------------------- */

void import_cond(Import *m, const Json *node)
{
    Hop *h = read_hop(m, node);
    Call *c = &h->c;
    Job *job = c->m->job;
    Operands in = { .at = { 0 } };
    need_arguments(h, 2, 1);
    add_argument(c, &in, h->arg[0]);
    if (in.at.n != 1 || type_count(job, &in.at.at[0]->type) != idx_const(job, 1))
        call_refuse(c, "the condition has more than one element");
    in.at.at[0] = build_cast(&c->b, build_reshape(&c->b, in.at.at[0], 0, NULL), DT_bool);
    for (size_t i = 1; i < h->args; i++)
        add_argument(c, &in, h->arg[i]);
    Graph *yes = import_region(c, h->graph[0], in.at.at + 1, in.at.n - 1, 0, 0);
    Graph *no = import_region(c, h->graph[1], in.at.at + 1, in.at.n - 1, 0, 0);
    Type types[MAX_RESULTS];
    size_t count = yes->outputs.n;
    if (no->outputs.n != count || !count)
        fail_at(job, EXIT_INPUT, &c->b.origin, "%s: the branches of cond give %zu and %zu results", c->m->where, count,
                no->outputs.n);
    for (size_t i = 0; i < count; i++) {
        types[i] = yes->outputs.at[i].value->type;
        same_type(c, &no->outputs.at[i].value->type, &types[i]);
    }
    give_results(h, region_node(h, OP_cond, &in, types, count, yes, no)->out, count);
}

/* ---- loops ------------------------------------------------------------------------------------------------------- */

/* The node of a loop; without a count it runs as long as `test` gives true. */
static Node *make_loop(Hop *h, const Operands *in, size_t carried, size_t sliced, Graph *body, Graph *test,
                       const Idx *count)
{
    Call *c = &h->c;
    Job *job = c->m->job;
    Type types[MAX_RESULTS];
    size_t results = body->outputs.n;
    if (results < carried || !results || results > MAX_RESULTS || (test && (results != carried || test->outputs.n != 1)))
        fail_at(job, EXIT_INPUT, &c->b.origin, "%s: %s carries %zu values; its graphs give others", c->m->where,
                c->target, carried);
    for (size_t i = 0; i < results; i++) {
        types[i] = body->outputs.at[i].value->type;
        if (i < carried) {
            same_type(c, &types[i], &in->at.at[i]->type);
            continue;
        }
        if (types[i].rank == MAX_RANK)
            call_refuse(c, "a result has more than %d dimensions", MAX_RANK);
        memmove(types[i].dim + 1, types[i].dim, (size_t)types[i].rank++ * sizeof *types[i].dim);
        types[i].dim[0] = count;
    }
    if (test)
        same_type(c, &test->outputs.at[0].value->type, &(Type){ .dtype = DT_bool });
    Node *n = region_node(h, OP_loop, in, types, results, body, test);
    node_set_attr(job, n, attr_int(job, "carried", (int64_t)carried));
    node_set_attr(job, n, attr_int(job, "sliced", (int64_t)sliced));
    if (count) {
        node_set_attr(job, n, attr_idx(job, "count", &count, 1));
        node_set_attr(job, n, attr_int(job, "reverse", 0));
    }
    return n;
}

/* The first graph once for each slice.  all: every value that it carries is a result, too. */
static Node *loop_over_slices(Hop *h, const Operands *in, size_t carried, size_t sliced, bool all)
{
    Call *c = &h->c;
    const Idx *count = NULL;
    for (size_t i = carried; i < carried + sliced; i++) {
        const Type *t = &in->at.at[i]->type;
        if (!t->rank || (count && t->dim[0] != count))
            call_refuse(c, "what it iterates over is not of one length");
        count = t->dim[0];
    }
    if (!count)
        call_refuse(c, "it iterates over nothing");
    Graph *body = import_region(c, h->graph[0], in->at.at, in->at.n, carried, sliced);
    if (all)
        repeat_outputs(body, carried);
    return make_loop(h, in, carried, sliced, body, NULL, count);
}

static size_t while_operands(Hop *h, Operands *in)
{
    need_arguments(h, 2, 1);
    add_argument(&h->c, in, h->arg[0]);
    size_t carried = in->at.n;
    for (size_t i = 1; i < h->args; i++)
        add_argument(&h->c, in, h->arg[i]);
    if (!carried)
        call_refuse(&h->c, "it carries nothing");
    return carried;
}

void import_while(Import *m, const Json *node)
{
    Hop *h = read_hop(m, node);
    Operands in = { .at = { 0 } };
    size_t carried = while_operands(h, &in);
    Graph *test = import_region(&h->c, h->graph[0], in.at.at, in.at.n, carried, 0);
    Graph *body = import_region(&h->c, h->graph[1], in.at.at, in.at.n, carried, 0);
    Node *n = make_loop(h, &in, carried, 0, body, test, NULL);
    give_results(h, n->out, n->out_count);
}

/* A parameter more, at that place. */
static Value *insert_parameter(Graph *g, size_t at, Type t)
{
    Value *v = graph_input(g, graph_name(g, "more"), t);
    Port own = g->inputs.at[g->inputs.n - 1];
    memmove(g->inputs.at + at + 1, g->inputs.at + at, (g->inputs.n - 1 - at) * sizeof own);
    g->inputs.at[at] = own;
    return v;
}

/* How often a while_loop runs: the same loop with a counter. */
static Value *count_iterations(Hop *h, const Operands *in, size_t carried)
{
    Call *c = &h->c;
    Graph *test = import_region(c, h->graph[0], in->at.at, in->at.n, carried, 0);
    Graph *body = import_region(c, h->graph[1], in->at.at, in->at.n, carried, 0);
    Operands with = { .at = { 0 } };
    Build b = { .g = body, .origin = c->b.origin };
    Type t = { .dtype = DT_i64 };
    for (size_t i = 0; i <= in->at.n; i++)
        add_operand(c, &with, i == carried ? build_full_int(&c->b, DT_i64, 0) : in->at.at[i - (i > carried)]);
    insert_parameter(test, carried, t);
    Value *next = build2(&b, OP_add, insert_parameter(body, carried, t), build_full_int(&b, DT_i64, 1));
    *vec_push(c->m->job, &body->outputs) = (Port){ .name = next->name, .kind = PORT_TENSOR, .value = next };
    return make_loop(h, &with, carried + 1, 0, body, test, NULL)->out[carried];
}

/* Every value that was carried, stacked; the first one alone, where the loop does not run at all.  One loop finds how
 * often it runs, which sizes the results; another one makes them. */
void import_while_stack(Import *m, const Json *node)
{
    Hop *h = read_hop(m, node);
    Call *c = &h->c;
    Operands in = { .at = { 0 } };
    size_t carried = while_operands(h, &in);
    Value *count = count_iterations(h, &in, carried);
    Type t;
    if (!h->results || !h->name[0] || !recorded_type(m, h->name[0], &t) || !t.rank)
        call_refuse(c, "how often it runs is not recorded");
    call_size(c, t.dim[0], build2(&c->b, OP_max, count, build_full_int(&c->b, DT_i64, 1)), NULL);
    Graph *body = import_region(c, h->graph[1], in.at.at, in.at.n, carried, 0);
    Value *ran = graph_input(body, graph_name(body, "ran"), (Type){ .dtype = DT_bool });
    Build b = { .g = body, .origin = c->b.origin };
    for (size_t i = 0; i < carried && i < body->outputs.n; i++) {
        Port *p = &body->outputs.at[i];
        same_type(c, &p->value->type, &in.at.at[i]->type);
        p->value = build3(&b, OP_where, ran, p->value, body->inputs.at[i].value);
    }
    repeat_outputs(body, carried);
    add_operand(c, &in, build2(&c->b, OP_gt, count, build_full_int(&c->b, DT_i64, 0)));
    Node *n = make_loop(h, &in, carried, 0, body, NULL, t.dim[0]);
    give_results(h, n->out + carried, n->out_count - carried);
}

/* scan(graph, first values, iterated, others); map_impl(graph, iterated, others) */
void import_scan(Import *m, const Json *node)
{
    Hop *h = read_hop(m, node);
    Operands in = { .at = { 0 } };
    size_t map = !strcmp(h->c.target, "higher_order.scan") ? 0 : 1;
    need_arguments(h, 1, 2 - map);
    if (!map)
        add_argument(&h->c, &in, h->arg[0]);
    size_t carried = in.at.n;
    add_argument(&h->c, &in, h->arg[1 - map]);
    size_t sliced = in.at.n - carried;
    for (size_t i = 2 - map; i < h->args; i++)
        add_argument(&h->c, &in, h->arg[i]);
    Node *n = loop_over_slices(h, &in, carried, sliced, false);
    give_results(h, n->out, n->out_count);
}

/* associative_scan(graph, iterated, others): y[0] = x[0], y[i] = graph(y[i - 1], x[i]), one after the other. */
void import_associative_scan(Import *m, const Json *node)
{
    Hop *h = read_hop(m, node);
    Call *c = &h->c;
    Build *b = &c->b;
    Operands x = { .at = { 0 } }, in = { .at = { 0 } };
    const Idx *zero = idx_const(c->m->job, 0), *one = idx_const(c->m->job, 1);
    need_arguments(h, 1, 1);
    add_argument(c, &x, h->arg[0]);
    size_t n = x.at.n;
    if (!n || n > MAX_RESULTS)
        call_refuse(c, "it iterates over %zu tensors", n);
    Value *first[MAX_RESULTS], *out[MAX_RESULTS];
    for (size_t i = 0; i < n; i++) {
        Value *v = x.at.at[i];
        if (!v->type.rank || v->type.dim[0]->lo < 1)
            call_refuse(c, "what it iterates over may be empty");
        first[i] = build_slice(b, v, 0, zero, one, one);
        add_operand(c, &in, build_reshape(b, first[i], v->type.rank - 1, v->type.dim + 1));
    }
    for (size_t i = 0; i < n; i++)
        add_operand(c, &in, build_slice(b, x.at.at[i], 0, one, one, idx_addk(c->m->job, x.at.at[i]->type.dim[0], -1)));
    for (size_t i = 1; i < h->args; i++)
        add_argument(c, &in, h->arg[i]);
    Node *loop = loop_over_slices(h, &in, n, n, true);
    if (loop->out_count != 2 * n)
        fail_at(c->m->job, EXIT_INPUT, &b->origin, "%s: %s has %zu operands; its graph gives others", c->m->where, c->target, n);
    Attr dim = attr_int(c->m->job, "dim", 0);
    for (size_t i = 0; i < n; i++) {
        out[i] = build(b, OP_cat, (Value *[]){ first[i], loop->out[n + i] }, 2, NULL, &dim, 1);
        out[i]->type = x.at.at[i]->type;
    }
    give_results(h, out, n);
}
