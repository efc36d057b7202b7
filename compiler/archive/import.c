/* SPDX-License-Identifier: MIT */
/* Reading a program's JSON: signature, nodes in order, outputs.  See import.h. */
#include "import_parts.h"
#include <string.h>

void import_nodes(Import *m)
{
    for (const Json *n = json_first(need_array(m, m->scope->graph, "nodes")); n; n = json_next(n)) {
        check_node(m, n);
        const char *target = json_string(m->job, json_need(m->job, n, "target", m->where), m->where);
        if (!strcmp(target, "torch.ops.higher_order.cond"))
            import_cond(m, n);
        else if (!strcmp(target, "torch.ops.aten._assert_scalar.default"))
            import_assert(m, n);
        else if (!import_symbolic(m, n))
            import_call(m, n);
    }
}

static const char *arg_name(Import *m, const Json *spec)
{
    return json_string(m->job, json_need(m->job, json_need(m->job, spec, "arg", m->where), "name", m->where), m->where);
}

Value *constant_value(Import *m, const char *name, const Tensor *t)
{
    const Idx *dim[MAX_RANK];
    for (int i = 0; i < t->rank; i++)
        dim[i] = idx_const(m->job, t->size[i]);
    int64_t count;
    Type type = type_make(t->dtype, t->rank, dim);
    if (!type_static(&type, &count))
        fail(m->job, EXIT_INPUT, "%s: the size of %s overflows", m->where, name);
    return graph_const(m->scope->g, t, type, sym(m->job, name));
}

static void import_weight(Import *m, const char *kind, const Json *spec)
{
    const char *key = !strcmp(kind, "parameter") ? "parameter_name"
                      : !strcmp(kind, "buffer")  ? "buffer_name"
                                                 : "tensor_constant_name";
    const char *fqn = json_string(m->job, json_need(m->job, spec, key, m->where), m->where), *name = arg_name(m, spec);
    if (archive_is_subclass(m->archive, m->model, fqn)) { /* who reads it as a plain tensor is refused */
        entry_new(m, name, ENTRY_NONE)->subclass = sym(m->job, fqn);
        return;
    }
    const Tensor *t = archive_tensor(m->archive, m->model, fqn);
    if (!t)
        fail(m->job, EXIT_INPUT, "%s: %s %s has no data in the archive", m->where, kind, fqn);
    Type recorded;
    if (recorded_type(m, name, &recorded) && (recorded.dtype != t->dtype || recorded.rank != t->rank))
        fail(m->job, EXIT_INPUT, "%s: %s has %d dimensions of %s in the weights; the graph says %s", m->where, fqn,
             t->rank, dtype_info[t->dtype].name, type_text(m->job, &recorded));
    if (entry_find(m, name))
        return; /* strict export of 2.5 and 2.6 may list a tied parameter twice */
    entry_tensor(m, name, constant_value(m, name, t), true);
}

static DType number_of(Import *m, const Json *value, int64_t *bits)
{
    double d;
    if (tagged(value, "as_int")) {
        *bits = json_int(m->job, value, m->where);
        return DT_i64;
    }
    if (tagged(value, "as_bool")) {
        *bits = json_bool(m->job, value, m->where);
        return DT_bool;
    }
    d = json_double(m->job, value, m->where);
    memcpy(bits, &d, 8);
    return DT_f64;
}

static void number_port(Import *m, Port *port, const Json *value)
{
    if (!value || tagged(value, "as_none") || tagged(value, "as_string")) {
        port->kind = PORT_NONE;
        return;
    }
    port->kind = PORT_NUMBER;
    port->dtype = number_of(m, value, &port->bits);
}

static void import_user_input(Import *m, const Json *arg)
{
    const Json *one = json_first(arg);
    if (tagged(one, "as_tensor")) {
        const char *name = json_string(m->job, json_need(m->job, one, "name", m->where), m->where);
        Type t;
        if (!recorded_type(m, name, &t))
            fail(m->job, EXIT_UNSUPPORTED, "%s: input %s has no recorded type", m->where, name);
        entry_tensor(m, name, graph_input(m->scope->g, sym(m->job, name), t), true);
        return;
    }
    if (tagged(one, "as_sym_int"))
        fail(m->job, EXIT_UNSUPPORTED, "%s: an input is a symbolic integer; export it as a tensor", m->where);
    Port port = { .name = sym_printf(m->job, "arg_%zu", m->scope->g->inputs.n) };
    number_port(m, &port, one);
    *vec_push(m->job, &m->scope->g->inputs) = port;
}

static void import_inputs(Import *m, const Json *specs)
{
    for (const Json *s = json_first(specs); s; s = json_next(s)) {
        const Json *one = json_first(s);
        const char *kind = one ? json_key(one) : "";
        if (!strcmp(kind, "parameter") || !strcmp(kind, "buffer") || !strcmp(kind, "tensor_constant"))
            import_weight(m, kind, one);
        else if (!strcmp(kind, "user_input"))
            import_user_input(m, json_need(m->job, one, "arg", m->where));
        else if (!strcmp(kind, "constant_input")) {
            Port port = { .name = sym(m->job, json_string(m->job, json_need(m->job, one, "name", m->where), m->where)) };
            number_port(m, &port, json_first(json_need(m->job, one, "value", m->where)));
            *vec_push(m->job, &m->scope->g->inputs) = port;
        } else {
            fail(m->job, EXIT_UNSUPPORTED, "%s: an input of kind %s is not supported", m->where, kind);
        }
    }
}

/* Key paths of the leaves of a pytree, in order: "a", "b.0", "b.1.0". */
static void leaf_names(Import *m, const Json *spec, const char *path, Sym *out, size_t room, size_t *n)
{
    const Json *children = json_get(spec, "children_spec"), *type = json_get(spec, "type");
    if (!type) {
        if (*n < room)
            out[*n] = sym(m->job, *path ? path : "output");
        ++*n;
        return;
    }
    const Json *context = json_get(spec, "context"), *keys = NULL;
    if (context && json_is_string(context) && strstr(json_string(m->job, type, m->where), "ict")) {
        const char *text = json_string(m->job, context, m->where);
        if (*text == '[')
            keys = json_parse(m->job, "treespec", text, strlen(text));
    }
    const Json *key = json_first(keys);
    int i = 0;
    for (const Json *c = json_first(children); c; c = json_next(c), i++) {
        const char *label = key && json_is_string(key) ? json_string(m->job, key, m->where) : job_printf(m->job, "%d", i);
        leaf_names(m, c, *path ? job_printf(m->job, "%s.%s", path, label) : label, out, room, n);
        key = key ? json_next(key) : NULL;
    }
}

static size_t output_names(Import *m, const Json *module, Sym *out, size_t room)
{
    const Json *entry = json_first(json_get(module, "module_call_graph"));
    const Json *spec = json_get(json_get(entry, "signature"), "out_spec");
    size_t n = 0;
    if (!spec || !json_is_string(spec))
        return 0;
    const char *text = json_string(m->job, spec, m->where);
    const Json *pair = json_parse(m->job, "out_spec", text, strlen(text));
    if (json_count(pair) == 2)
        leaf_names(m, json_next(json_first(pair)), "", out, room, &n);
    return n <= room ? n : 0;
}

static void import_output(Import *m, const Json *arg, Sym name)
{
    Job *job = m->job;
    const Json *one = json_first(arg);
    Port port = { .name = name, .kind = PORT_TENSOR };
    Call c = { .m = m, .target = "output", .b = { .g = m->scope->g, .stem = name } };
    if (tagged(one, "as_tensor")) {
        port.value = named_tensor(&c, json_need(job, one, "name", m->where));
    } else if (tagged(one, "as_sym_int") || tagged(one, "as_sym_float") || tagged(one, "as_sym_bool")) {
        Entry *e = sym_entry(&c, one);
        if (!e) {
            number_port(m, &port, json_first(one));
        } else {
            port.value = e->kind == ENTRY_INT ? build_index(&c.b, e->number) : e->value;
            port.scalar = true;
        }
    } else {
        number_port(m, &port, one);
    }
    *vec_push(job, &m->scope->g->outputs) = port;
}

static void import_outputs(Import *m, const Json *module, const Json *specs)
{
    size_t n = json_count(specs), i = 0;
    Sym *names = job_array(m->job, n + 1, sizeof *names);
    size_t named = output_names(m, module, names, n);
    for (const Json *s = json_first(specs); s; s = json_next(s), i++) {
        const Json *one = json_first(s);
        const char *kind = one ? json_key(one) : "";
        if (strcmp(kind, "user_output")) {
            Entry *e = json_get(one, "arg") ? entry_find(m, arg_name(m, one)) : NULL;
            const Value *v = e ? e->value : NULL;
            fail(m->job, EXIT_UNSUPPORTED,
                 "%s: the program has an output of kind %s (target %s); state and mutated inputs are not supported", m->where,
                 kind, v && v->kind == VALUE_NODE && v->def->origin.target ? v->def->origin.target : "aten.copy_");
        }
        Sym name = named == n ? names[i] : sym_printf(m->job, "output_%zu", i);
        const Json *arg = json_need(m->job, one, "arg", m->where);
        check_union(m, "an output", arg);
        import_output(m, arg, name);
    }
}

Graph *import_program(Job *job, Archive *archive, size_t model, Sym name, const ImportOptions *options)
{
    Import m = { .job = job, .archive = archive, .model = model, .options = options };
    m.where = job_printf(job, "%s.json", archive_model_name(archive, model));
    const Json *program = archive_program(archive, model);
    const Json *module = json_need(job, program, "graph_module", m.where);
    const Json *signature = json_need(job, module, "signature", m.where);
    m.ranges = json_get(program, "range_constraints");
    m.scope = job_alloc(job, sizeof *m.scope);
    m.scope->graph = json_need(job, module, "graph", m.where);
    m.scope->g = m.top = graph_new(job, name);
    const Json *values = json_need(job, m.scope->graph, "tensor_values", m.where);
    index_members(&m, values, &m.scope->meta_slot, &m.scope->meta_size);
    import_inputs(&m, need_array(&m, signature, "input_specs"));
    import_nodes(&m);
    import_outputs(&m, module, need_array(&m, signature, "output_specs"));
    import_range_guards(&m);
    return m.top;
}

/* ---- check ---------------------------------------------------------------------------------------------------------- */

static void check_graph(Import *m, const Json *graph, FILE *out, size_t *count)
{
    VEC(Sym) seen = { 0 };
    for (const Json *n = json_first(json_get(graph, "nodes")); n; n = json_next(n)) {
        Call c;
        Scope scope = { .graph = graph };
        m->scope = &scope;
        call_init(m, n, &c);
        for (const Json *a = json_first(json_get(n, "inputs")); a; a = json_next(a)) {
            const Json *one = json_first(json_get(a, "arg"));
            if (tagged(one, "as_graph"))
                check_graph(m, json_get(one, "graph"), out, count);
        }
        bool symbolic = !strncmp(c.target, "_operator.", 10) || !strncmp(c.target, "torch.sym_", 10) ||
                        !strncmp(c.target, "math.", 5) || !strncmp(c.target, "aten.sym_", 9);
        bool known = c.row || symbolic || !strcmp(c.target, "higher_order.cond") ||
                     !strcmp(c.target, "aten._assert_scalar.default");
        Sym name = sym(m->job, c.target);
        for (size_t i = 0; i < seen.n && !known; i++)
            known = seen.at[i] == name;
        if (known)
            continue;
        *vec_push(m->job, &seen) = name;
        fprintf(out, "%s\t%s\n", c.target, origin_text(m->job, &c.b.origin));
        ++*count;
    }
}

size_t import_check(Job *job, Archive *archive, size_t model, FILE *out)
{
    static const ImportOptions none;
    Import m = { .job = job, .archive = archive, .model = model, .options = &none };
    m.where = job_printf(job, "%s.json", archive_model_name(archive, model));
    const Json *program = archive_program(archive, model);
    const Json *module = json_need(job, program, "graph_module", m.where);
    size_t count = 0;
    check_graph(&m, json_need(job, module, "graph", m.where), out, &count);
    return count;
}
