/* SPDX-License-Identifier: MIT */
/* A node that calls an operator: where it comes from, its row, its results.  See import.h. */
#include "aten.h"
#include "import_parts.h"
#include <stdlib.h>
#include <fnmatch.h>
#include <string.h>

static bool in_torch(const char *path)
{
    size_t n = strcspn(path, "\"\n");
    static const char *const parts[] = { "torch/", "/torch/", "torch/nn/", "<eval_with_key>" };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const char *at = strstr(path, parts[i]);
        if (at && (size_t)(at - path) < n && (i != 0 || at == path))
            return true;
    }
    return false;
}

static void read_origin(Import *m, const Json *node, Origin *o)
{
    const Json *meta = json_get(node, "metadata"), *outs = json_first(json_get(node, "outputs"));
    const Json *trace = json_get(meta, "stack_trace"), *stack = json_get(meta, "nn_module_stack");
    const Json *name = outs ? json_get(json_first(outs), "name") : NULL;
    *o = (Origin){ .target = NULL };
    if (name && json_is_string(name))
        o->node = sym(m->job, json_string(m->job, name, m->where));
    if (trace && json_is_string(trace)) { /* `File "x.py", line 41, in f` and the line after it, innermost last: the */
        const char *t = json_string(m->job, trace, m->where), *last = NULL; /* innermost frame outside torch itself */
        for (const char *p = t; (p = strstr(p, "File \"")); p++)
            if (!last || !in_torch(p + 6))
                last = p;
        const char *start = last ? last + 6 : NULL, *end = start ? strchr(start, '"') : NULL;
        const char *number = end ? strstr(end, "line ") : NULL, *text = end ? strchr(end, '\n') : NULL;
        if (number) {
            const char *slash = end;
            while (slash > start && slash[-1] != '/')
                slash--;
            o->file = sym_n(m->job, slash, (size_t)(end - slash));
            o->line = atoi(number + 5);
        }
        if (text) {
            text += strspn(text, "\n ");
            o->text = *text ? sym_n(m->job, text, strcspn(text, "\n")) : NULL;
        }
    }
    if (stack && json_is_string(stack)) { /* "key,path,type;key,path,type": the innermost path */
        const char *t = json_string(m->job, stack, m->where), *last = strrchr(t, ';');
        const char *path = strchr(last ? last : t, ',');
        if (path && path[1] && path[1] != ',') {
            size_t n = strcspn(path + 1, ",");
            const char *p = path + 1; /* "L['self'].fc1" of strict export, "fc1" of the other */
            if (n > 9 && !strncmp(p, "L['self'].", 10))
                p += 10, n -= 10;
            if (n && strncmp(p, "L['self']", 9))
                o->module = sym_n(m->job, p, n);
        }
    }
}

bool call_in_region(const Call *c)
{
    return c->m->scope->g != c->m->top;
}

void call_guard(Call *c, GuardRel rel, const Idx *a, const Idx *b, const char *text)
{
    Job *job = c->m->job;
    bool apart = idx_provably_lt(job, a, b) || idx_provably_lt(job, b, a);
    bool holds = rel == GUARD_EQ ? a == b : rel == GUARD_NE ? apart : rel == GUARD_LE ? idx_provably_le(job, a, b) : idx_provably_lt(job, a, b);
    bool fails = rel == GUARD_EQ ? apart : rel == GUARD_NE ? a == b : rel == GUARD_LE ? idx_provably_lt(job, b, a) : idx_provably_le(job, b, a);
    if (fails)
        fail_at(job, EXIT_INPUT, &c->b.origin, "%s: %s; sizes are %s and %s", c->target, text, idx_text(job, a),
                idx_text(job, b));
    if (!holds)
        *vec_push(job, &c->m->top->guards) = (Guard){ .rel = rel, .a = a, .b = b, .text = sym(job, text) };
}

_Noreturn void call_refuse(Call *c, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    char why[512];
    vsnprintf(why, sizeof why, format, ap);
    va_end(ap);
    fail_at(c->m->job, EXIT_UNSUPPORTED, &c->b.origin, "operator %s is not supported here; %s", c->target, why);
}

const char *short_target(const char *target)
{
    return !strncmp(target, "torch.ops.", 10) ? target + 10 : target;
}

/* How many arguments of an operator that calls the one they name come before that one's. */
static size_t wrapper_arguments(const char *target)
{
    return !strcmp(target, "higher_order.with_effects") ? 2 : !strncmp(target, "higher_order.auto_functionalized", 32) ? 1 : 0;
}

/* A custom operator's name without the overload `default`; NULL: the user gives no function for it. */
static Sym custom_name(const Call *c)
{
    const ImportOptions *o = c->m->options;
    const char *dot = strrchr(c->target, '.');
    for (size_t i = 0; i < o->customs.n; i++) {
        const char *name = o->customs.at[i];
        bool without = dot && !strcmp(dot, ".default") && strlen(name) == (size_t)(dot - c->target) &&
                       !strncmp(name, c->target, strlen(name));
        if (without || !strcmp(name, c->target))
            return o->customs.at[i];
    }
    return NULL;
}

static bool plain_text(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 32 || (unsigned char)*s > 126 || *s == '"' || *s == '\\' || *s == '?')
            return false;
    return true;
}

/* An argument that is no tensor. */
static Attr custom_attr(Call *c, const char *name, const Json *one)
{
    Job *job = c->m->job;
    const Idx *list[16];
    size_t n = 0;
    if (tagged(one, "as_float"))
        return attr_float(job, name, json_double(job, one, c->m->where));
    if (tagged(one, "as_string") && plain_text(json_string(job, one, c->m->where)))
        return attr_text(job, name, json_string(job, one, c->m->where));
    if (tagged(one, "as_ints") || tagged(one, "as_sym_ints"))
        n = arg_sizes(c, name, list, 16);
    else if (tagged(one, "as_int") || tagged(one, "as_bool") || tagged(one, "as_sym_int"))
        list[n++] = arg_idx(c, name);
    else
        call_refuse(c, "its argument %s is of a kind that a C function does not get", name);
    return attr_idx(job, name, list, n);
}

static void decode_custom(Call *c)
{
    Job *job = c->m->job;
    VEC(Value *) in = { 0 };
    VEC(Attr) attrs = { 0 };
    Sym names[ROUTINE_MAX];
    size_t count = 0;
    if (strcmp(short_target(json_string(job, json_need(job, c->node, "target", c->m->where), c->m->where)), c->target))
        call_refuse(c, "it is wrapped, as operators are that write into their arguments");
    *vec_push(job, &attrs) = attr_text(job, "operator", custom_name(c));
    for (const Json *a = c->args; a; a = json_next(a)) {
        const char *name = json_string(job, json_need(job, a, "name", c->m->where), c->m->where);
        const Json *one = json_first(json_get(a, "arg"));
        Value **list;
        if (tagged(one, "as_tensor")) {
            *vec_push(job, &in) = arg_tensor(c, name);
        } else if (tagged(one, "as_tensors")) {
            for (size_t i = 0, n = arg_tensors(c, name, &list); i < n; i++)
                *vec_push(job, &in) = list[i];
        } else if (!tagged(one, "as_none")) {
            if (!*name || strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != strlen(name) ||
                !strcmp(name, "operator"))
                call_refuse(c, "an argument has no name in C");
            Attr attr = custom_attr(c, name, one);
            count += attr.kind == ATTR_IDX || attr.kind == ATTR_INTS ? attr.n : 1;
            *vec_push(job, &attrs) = attr;
        }
    }
    if (!in.n || in.n > ROUTINE_MAX || c->result_count > ROUTINE_MAX || count > 16)
        call_refuse(c, "it has %zu tensors, %u results and %zu numbers; 1 to %d tensors and results and 16 numbers are the most",
                    in.n, c->result_count, count, ROUTINE_MAX);
    for (uint32_t i = 0; i < c->result_count; i++)
        names[i] = graph_name(c->b.g, c->b.stem ? c->b.stem : "custom");
    Node *n = build_node(&c->b, OP_custom, in.at, (uint32_t)in.n, c->meta, names, c->result_count);
    for (size_t i = 0; i < attrs.n; i++)
        node_set_attr(job, n, attrs.at[i]);
    for (uint32_t i = 0; i < c->result_count; i++)
        c->result[i] = n->out[i];
}

static const Row custom_row = { "custom", decode_custom, OP_custom, "" };

void call_init(Import *m, const Json *node, Call *c)
{
    *c = (Call){ .m = m, .node = node };
    c->target = short_target(json_string(m->job, json_need(m->job, node, "target", m->where), m->where));
    c->args = json_first(json_get(node, "inputs"));
    size_t own = wrapper_arguments(c->target);
    const Json *op = c->args && own ? json_first(json_get(json_next(c->args), "arg")) : NULL;
    op = own == 1 ? json_first(json_get(c->args, "arg")) : op;
    if (tagged(op, "as_operator")) {
        c->target = short_target(json_string(m->job, op, m->where));
        while (own-- && c->args)
            c->args = json_next(c->args);
    }
    c->row = aten_row(c->target);
    if (!c->row && custom_name(c))
        c->row = &custom_row;
    c->b = (Build){ .g = m->scope->g };
    read_origin(m, node, &c->b.origin);
    c->b.origin.target = sym(m->job, c->target);
    c->b.stem = c->b.origin.node;
}

/* Names of the tensors a node defines, flattened. */
size_t result_names(Import *m, const Json *node, const char **names, size_t room)
{
    size_t n = 0;
    const Json *o = json_first(json_need(m->job, node, "outputs", m->where));
    const char *target = json_string(m->job, json_need(m->job, node, "target", m->where), m->where);
    if (o && !strcmp(target, "torch.ops.higher_order.with_effects"))
        o = json_next(o); /* the token */
    for (; o; o = json_next(o)) {
        const Json *one = json_first(o);
        if (!one)
            continue;
        if (tagged(one, "as_tensor")) {
            if (n == room)
                fail(m->job, EXIT_UNSUPPORTED, "%s: a node has more than %zu results", m->where, room);
            names[n++] = json_string(m->job, json_need(m->job, one, "name", m->where), m->where);
        } else if (tagged(one, "as_tensors")) {
            for (const Json *t = json_first(one); t; t = json_next(t)) {
                if (n == room)
                    fail(m->job, EXIT_UNSUPPORTED, "%s: a node has more than %zu results", m->where, room);
                names[n++] = json_string(m->job, json_need(m->job, t, "name", m->where), m->where);
            }
        }
    }
    return n;
}

/* The schema says so: a name may end in "_" and write nothing, as __and__ does. */
static bool is_in_place(const char *target)
{
    static const char self[] = "(Tensor(a!) self";
    const char *schema = aten_schema(target);
    return schema && !strncmp(schema, self, sizeof self - 1);
}

/* In an autocast region the archive has no casts: an operator whose result is of another float type than its operands
 * promote to takes them in the result's type. */
static bool autocast_casts(Call *c)
{
    Import *m = c->m;
    DType want = c->result_count ? c->meta[0].dtype : DT_NONE;
    Promotion p = { DT_NONE, DT_NONE, DT_NONE };
    if (!m->scope->autocast || want == DT_NONE || !dtype_is_float(want) || strchr(c->row->flags, 'v') ||
        is_in_place(c->target))
        return false;
    for (const Json *a = c->args; a; a = json_next(a)) {
        const Json *one = json_first(json_get(a, "arg"));
        bool list = tagged(one, "as_tensors");
        for (const Json *t = list ? json_first(one) : tagged(one, "as_tensor") ? one : NULL; t; t = list ? json_next(t) : NULL) {
            const Json *name = json_get(t, "name");
            Entry *e = name ? entry_find(m, json_string(m->job, name, m->where)) : NULL;
            if (e && e->kind == ENTRY_TENSOR && dtype_is_float(e->value->type.dtype))
                promote_operand(&p, e->value, false);
        }
    }
    return (p.tensor != DT_NONE || p.scalar_tensor != DT_NONE) && promoted(&p) != want;
}

/* Runs the row's decode function; results have the recorded types. */
void decode(Import *m, const Json *node, Call *c)
{
    call_init(m, node, c);
    if (!c->row)
        call_refuse(c, strncmp(c->target, "aten.", 5) && strncmp(c->target, "higher_order.", 13)
                           ? "no rule reads it; --custom-op gives it a C function (see aot.h)"
                           : "no rule reads it; `aotc check` lists every such operator of the model");
    const char *names[64];
    c->result_count = (uint32_t)result_names(m, node, names, 64);
    if (!c->result_count && !strchr(c->row->flags, 'n'))
        fail_at(m->job, EXIT_INPUT, &c->b.origin, "%s: %s has no result", m->where, c->target);
    for (uint32_t i = 0; i < c->result_count; i++) {
        if (!recorded_type(m, names[i], &c->meta[i]))
            call_refuse(c, "result %s has a size known only during the run", names[i]);
        if (dtype_is_complex(c->meta[i].dtype) && !strchr(c->row->flags, 'z'))
            call_refuse(c, "result %s is complex", names[i]);
        for (int d = c->meta[i].rank; d < MAX_RANK; d++) /* a size that is asked for before the check below */
            c->meta[i].dim[d] = idx_const(m->job, 1);
    }
    c->casts = autocast_casts(c);
    c->cast = c->result_count ? c->meta[0].dtype : DT_NONE;
    c->row->decode(c);
    for (uint32_t i = 0; i < c->result_count; i++) {
        Value *v = c->result[i];
        if (!v) /* a result that nobody computes: unused, else the reader fails by name */
            continue;
        bool own = strchr(c->row->flags, 'o');
        if ((v->type.rank != c->meta[i].rank && !own) || v->type.dtype != c->meta[i].dtype)
            fail_at(m->job, EXIT_INPUT, &c->b.origin, "%s: %s gives %s; the archive says %s", m->where, c->target,
                    type_text(m->job, &v->type), type_text(m->job, &c->meta[i]));
        for (int d = 0; d < v->type.rank && !own; d++) {
            const Idx *x = v->type.dim[d], *y = c->meta[i].dim[d];
            if (x != y && (x->lo > y->hi || y->lo > x->hi))
                fail_at(m->job, EXIT_INPUT, &c->b.origin, "%s: %s gives %s; the archive says %s", m->where, c->target,
                        type_text(m->job, &v->type), type_text(m->job, &c->meta[i]));
            if (v->kind == VALUE_NODE && v->def->op != OP_reshape)
                v->type.dim[d] = y; /* one spelling of a size in the whole graph */
        }
    }
}

/* The entry that a call's first tensor argument names (self). */
static Entry *self_entry(Call *c)
{
    for (const Json *a = c->args; a; a = json_next(a)) {
        const Json *one = json_first(json_get(a, "arg"));
        if (tagged(one, "as_tensor"))
            return entry_find(c->m, json_string(c->m->job, json_need(c->m->job, one, "name", c->m->where), c->m->where));
    }
    return NULL;
}

/* Notes what --keep-intermediates asks for. */
static void keep_results(Import *m, const Call *c, const char *const *names, size_t n)
{
    const char *keep = m->options->keep, *module = c->b.origin.module;
    for (size_t i = 0; i < n && keep && m->scope->g == m->top; i++)
        if (c->result[i] && (!fnmatch(keep, names[i], 0) || (module && !fnmatch(keep, module, 0))))
            *vec_push(m->job, &m->options->kept) = (Kept){ sym(m->job, names[i]), c->result[i], c->b.origin };
}

void import_call(Import *m, const Json *node)
{
    Call c;
    decode(m, node, &c);
    const char *names[64];
    size_t n = result_names(m, node, names, 64);
    keep_results(m, &c, names, n);
    Entry *self = self_entry(&c);
    if (is_in_place(c.target) && self && n == 1 && !strchr(c.row->flags, 'v')) {
        if (self->kind != ENTRY_TENSOR)
            call_refuse(&c, "it writes into something that is no tensor");
        if (!strchr(c.row->flags, 'i') || c.result[0] != self->value)
            entry_write(&c, self, c.result[0]);
        entry_alias(m, names[0], self);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        Value *v = c.result[i];
        if (!v) {
            entry_new(m, names[i], ENTRY_NONE); /* who reads it is refused */
            continue;
        }
        bool view = strchr(c.row->flags, 'v') && self && self->kind == ENTRY_TENSOR;
        if (!view && !(strchr(c.row->flags, 'i') && self && v == self->value)) {
            entry_tensor(m, names[i], v, false);
            continue;
        }
        Entry *e = entry_new(m, names[i], ENTRY_TENSOR);
        while (strchr(c.row->flags, 'b') && self->base)
            self = self->base;
        e->value = v;
        e->memory = self->memory;
        e->version = self->memory->version;
        e->base = self;
        e->call = node;
        e->result = (uint32_t)i;
    }
}
