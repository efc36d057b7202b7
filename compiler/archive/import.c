/* SPDX-License-Identifier: MIT */
/* Reading a program's JSON: signature, nodes in order, outputs.  See import.h. */
#include "import_parts.h"
#include <string.h>

/* Targets that no row of aten.def reads. */
static const struct Special {
    const char *target;
    void (*import)(Import *m, const Json *node);
} specials[] = {
    { "higher_order.cond", import_cond },
    { "higher_order.while_loop", import_while },
    { "higher_order.while_loop_stack_output", import_while_stack },
    { "higher_order.scan", import_scan },
    { "higher_order.map_impl", import_scan },
    { "higher_order.associative_scan", import_associative_scan },
    { "higher_order.with_effects", import_with_effects },
    { "higher_order.wrap_with_set_grad_enabled", import_inlined },
    { "higher_order.wrap_with_autocast", import_inlined },
    { "higher_order.invoke_subgraph", import_inlined },
    { "higher_order.tag_activation_checkpoint", import_inlined },
    { "higher_order.wrap_activation_checkpoint", import_inlined },
    { "higher_order.wrap", import_inlined },
    { "higher_order.hints_wrapper", import_inlined },
    { "higher_order.strict_mode", import_inlined },
    { "higher_order.run_const_graph", import_inlined },
    { "higher_order.invoke_quant", import_inlined },
    { "higher_order.invoke_quant_packed", import_inlined },
    { "torch._functorch.predispatch.lazy_load_decompositions", import_nothing },
    { "torch._functorch.predispatch._vmap_increment_nesting", import_vmap },
    { "torch._functorch.predispatch._add_batch_dim", import_stray },
    { "torch._functorch.predispatch._remove_batch_dim", import_stray },
    { "torch._functorch.predispatch._vmap_decrement_nesting", import_stray },
};

const char *import_special(size_t i)
{
    return i < sizeof specials / sizeof *specials ? specials[i].target : NULL;
}

static const struct Special *special(const char *target)
{
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++)
        if (!strcmp(specials[i].target, target))
            return &specials[i];
    return NULL;
}

const Json *import_node(Import *m, const Json *n)
{
    check_node(m, n);
    const char *target = json_string(m->job, json_need(m->job, n, "target", m->where), m->where);
    const struct Special *s = special(short_target(target));
    m->last = NULL;
    if (s)
        s->import(m, n);
    else if (!import_symbolic(m, n))
        import_call(m, n);
    const Json *last = m->last;
    m->last = NULL;
    return last ? last : n;
}

void import_nodes(Import *m)
{
    for (const Json *n = json_first(need_array(m, m->scope->graph, "nodes")); n; n = json_next(n))
        n = import_node(m, n);
}

static const char *arg_name(Import *m, const Json *spec)
{
    return json_string(m->job, json_need(m->job, json_need(m->job, spec, "arg", m->where), "name", m->where), m->where);
}

static Type tensor_type(Import *m, const char *name, const Tensor *t)
{
    const Idx *dim[MAX_RANK];
    for (int i = 0; i < t->rank; i++)
        dim[i] = idx_const(m->job, t->size[i]);
    int64_t count;
    Type type = type_make(t->dtype, t->rank, dim);
    if (!type_static(&type, &count))
        fail(m->job, EXIT_INPUT, "%s: the size of %s overflows", m->where, name);
    return type;
}

Value *constant_value(Import *m, const char *name, const Tensor *t)
{
    return graph_const(m->scope->g, t, tensor_type(m, name, t), sym(m->job, name));
}

static bool same_memory(const Tensor *a, const Tensor *b)
{
    bool same = a->storage->id == b->storage->id && a->storage->size && a->dtype == b->dtype && a->rank == b->rank &&
                a->offset == b->offset;
    for (int i = 0; i < a->rank && same; i++)
        same = a->size[i] == b->size[i] && a->stride[i] == b->stride[i];
    return same;
}

static bool is_state(const Import *m, Sym weight)
{
    for (size_t i = 0; i < m->options->states.n; i++)
        if (m->options->states.at[i] == weight)
            return true;
    return false;
}

/* Tied weights are one memory, under the name of the first. */
static void weight_entry(Import *m, const char *name, Sym weight, const Tensor *t)
{
    Entry *e = NULL;
    for (size_t i = 0; i < m->weights.n && !e; i++)
        if (same_memory(m->weights.at[i].tensor, t))
            e = entry_alias(m, name, m->weights.at[i].entry);
    if (!e) {
        Value *v = is_state(m, weight) ? graph_state(m->top, t, tensor_type(m, name, t), sym(m->job, name))
                                       : constant_value(m, name, t);
        e = entry_tensor(m, name, v, true);
        e->memory->weight = weight;
    }
    *vec_push(m->job, &m->weights) = (struct Weight){ weight, t, e };
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
    weight_entry(m, name, sym(m->job, fqn), t);
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
        } else if (!strcmp(kind, "token") || !strcmp(kind, "custom_obj")) {
            entry_new(m, arg_name(m, one), ENTRY_NONE); /* tokens order effects; who reads an object is refused */
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

static Sym text_of(Import *m, const Json *v)
{
    return v && json_is_string(v) ? sym(m->job, json_string(m->job, v, m->where)) : NULL;
}

/* What the archive says of the signature in Python, for hosts. */
static void import_signature(Import *m, const Json *module)
{
    const Json *signature = json_get(json_first(json_get(module, "module_call_graph")), "signature");
    const Json *names = json_get(signature, "forward_arg_names");
    Text t;
    m->top->in_spec = text_of(m, json_get(signature, "in_spec"));
    m->top->out_spec = text_of(m, json_get(signature, "out_spec"));
    text_init(&t, m->job);
    for (const Json *n = json_first(names); n; n = json_next(n))
        text_add(&t, "%s%s", n == json_first(names) ? "" : ",", json_is_string(n) ? text_of(m, n) : "");
    m->top->arg_names = t.n ? sym(m->job, t.at) : NULL;
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

/* Which output of the signature is what: the key of its name, NULL for other kinds. */
static const char *mutation_key(const char *kind)
{
    return !strcmp(kind, "buffer_mutation")       ? "buffer_name"
           : !strcmp(kind, "parameter_mutation")  ? "parameter_name"
           : !strcmp(kind, "user_input_mutation") ? "user_input_name"
                                                  : NULL;
}

/* What a functional program says at its end a non-functional one says by writing. */
static void import_mutation(Import *m, const char *key, const Json *one)
{
    const char *name = json_string(m->job, json_need(m->job, one, key, m->where), m->where);
    Entry *e = !strcmp(key, "user_input_name") ? entry_find(m, name) : NULL;
    for (size_t i = 0; i < m->weights.n && !e; i++)
        if (!strcmp(m->weights.at[i].name, name))
            e = m->weights.at[i].entry;
    Call c = { .m = m, .target = "output", .b = { .g = m->scope->g, .stem = sym(m->job, name) } };
    if (!e || e->kind != ENTRY_TENSOR || !e->memory->target)
        fail(m->job, EXIT_INPUT, "%s: %s, which an output replaces, is no input of the program", m->where, name);
    const Type *t = &e->memory->target->type;
    Value *v = named_tensor(&c, json_need(m->job, json_need(m->job, one, "arg", m->where), "name", m->where));
    if (v->type.dtype != t->dtype || v->type.rank != t->rank)
        fail(m->job, EXIT_INPUT, "%s: %s is replaced by %s; it is %s", m->where, name, type_text(m->job, &v->type),
             type_text(m->job, t));
    for (size_t i = 0; i < m->top->effects.n; i++)
        if (m->top->effects.at[i].target == e->memory->target)
            return; /* a tied weight, said twice */
    graph_commit(m->top, e->memory->target, v);
}

static const char *spec_kind(const Json *spec)
{
    return json_first(spec) ? json_key(json_first(spec)) : "";
}

/* Weights that outputs replace are state. */
static void find_states(Import *m, const Json *specs)
{
    for (const Json *s = json_first(specs); s; s = json_next(s)) {
        const char *key = mutation_key(spec_kind(s));
        if (!key || !strcmp(key, "user_input_name"))
            continue;
        Sym name = sym(m->job, json_string(m->job, json_need(m->job, json_first(s), key, m->where), m->where));
        if (!is_state(m, name))
            *vec_push(m->job, &m->options->states) = name;
    }
}

static void import_outputs(Import *m, const Json *module, const Json *specs)
{
    size_t n = 0, i = 0;
    for (const Json *s = json_first(specs); s; s = json_next(s))
        n += !strcmp(spec_kind(s), "user_output");
    Sym *names = job_array(m->job, n + 1, sizeof *names);
    size_t named = output_names(m, module, names, n);
    for (const Json *s = json_first(specs); s; s = json_next(s)) {
        const Json *one = json_first(s);
        const char *kind = spec_kind(s);
        if (mutation_key(kind)) {
            import_mutation(m, mutation_key(kind), one);
        } else if (!strcmp(kind, "user_output")) {
            const Json *arg = json_need(m->job, one, "arg", m->where);
            check_union(m, "an output", arg);
            import_output(m, arg, named == n ? names[i] : sym_printf(m->job, "output_%zu", i));
            i++;
        } else if (strcmp(kind, "token")) {
            fail(m->job, EXIT_UNSUPPORTED, "%s: an output of kind %s is not supported", m->where, kind);
        }
    }
    for (i = 0; i < m->written.n; i++)
        graph_commit(m->top, m->written.at[i]->target, m->written.at[i]->value);
}

bool import_is_stale(const Graph *g, const ImportOptions *options)
{
    for (size_t i = 0; i < g->consts.n; i++)
        for (size_t k = 0; k < options->states.n; k++)
            if (g->consts.at[i]->tensor->name == options->states.at[k])
                return true;
    return false;
}

Graph *import_program(Job *job, Archive *archive, size_t model, Sym name, ImportOptions *options)
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
    size_t states = options->states.n;
    options->kept.n = 0;
    find_states(&m, need_array(&m, signature, "output_specs"));
    import_inputs(&m, need_array(&m, signature, "input_specs"));
    m.late = true;
    import_nodes(&m);
    import_signature(&m, module);
    import_outputs(&m, module, need_array(&m, signature, "output_specs"));
    import_range_guards(&m);
    return options->states.n > states && import_is_stale(m.top, options)
               ? import_program(job, archive, model, name, options)
               : m.top;
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
        bool known = c.row || symbolic || special(c.target);
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
    ImportOptions none = { 0 };
    Import m = { .job = job, .archive = archive, .model = model, .options = &none };
    m.where = job_printf(job, "%s.json", archive_model_name(archive, model));
    const Json *program = archive_program(archive, model);
    const Json *module = json_need(job, program, "graph_module", m.where);
    size_t count = 0;
    check_graph(&m, json_need(job, module, "graph", m.where), out, &count);
    return count;
}
