/* SPDX-License-Identifier: MIT */
/* Text to Graph: what print.c writes, line by line.  Names, words and numbers: words.h. */
#include "words.h"
#include <string.h>

static Value *value(Lex *s, Graph *g)
{
    lex_blanks(s);
    const char *before = s->p;
    Value *v = graph_value(g, lex_name(s));
    if (!v)
        lex_fault_at(s, before, "a value defined above");
    return v;
}

static Sym fresh(Lex *s, Graph *g)
{
    lex_blanks(s);
    const char *before = s->p;
    Sym name = lex_name(s);
    if (graph_value(g, name))
        lex_fault_at(s, before, "a name that no value has yet");
    return name;
}

static Attr attr(Lex *s)
{
    Sym key = lex_name(s);
    lex_need(s, "=");
    lex_blanks(s);
    if (*s->p == '"')
        return attr_text(s->job, key, lex_quoted(s));
    if (*s->p != '[')
        return attr_float(s->job, key, lex_double(s));
    VEC(const Idx *) list = { 0 };
    lex_need(s, "[");
    while (!lex_take(s, "]")) {
        if (list.n)
            lex_need(s, ",");
        *vec_push(s->job, &list) = lex_idx(s);
    }
    return attr_idx(s->job, key, list.at, list.n);
}

static void attributes(Lex *s, Node *n)
{
    if (!lex_take(s, "{"))
        return;
    do {
        lex_blanks(s);
        const char *before = s->p;
        Attr a = attr(s);
        if (node_attr(n, a.name))
            lex_fault_at(s, before, "each attribute once");
        *vec_push(s->job, &n->attrs) = a;
    } while (lex_take(s, ","));
    lex_need(s, "}");
}

static void body(Lex *s, Graph *g, int depth);

static void regions(Lex *s, Node *n, int depth)
{
    VEC(Graph *) list = { 0 };
    while (lex_take(s, "region")) {
        if (depth > 32)
            lex_fault(s, "less nesting");
        Graph *r = graph_new(s->job, lex_name(s));
        lex_end_line(s);
        body(s, r, depth + 1);
        lex_need(s, "end");
        lex_end_line(s);
        *vec_push(s->job, &list) = r;
    }
    n->region = list.at;
    n->region_count = (uint32_t)list.n;
}

static void node(Lex *s, Graph *g, int depth)
{
    VEC(Sym) names = { 0 };
    VEC(Type) types = { 0 };
    VEC(Value *) in = { 0 };
    do {
        lex_blanks(s);
        const char *before = s->p;
        Sym name = fresh(s, g);
        for (size_t i = 0; i < names.n; i++)
            if (names.at[i] == name)
                lex_fault_at(s, before, "a name that no value has yet");
        *vec_push(s->job, &names) = name;
        lex_need(s, ":");
        *vec_push(s->job, &types) = lex_type(s);
    } while (lex_take(s, ","));
    lex_need(s, "=");
    lex_blanks(s);
    const char *before = s->p;
    Op op = op_from_name(lex_name(s));
    if (op == OP_COUNT)
        lex_fault_at(s, before, "an operator");
    lex_need(s, "(");
    while (!lex_take(s, ")")) {
        if (in.n)
            lex_need(s, ",");
        *vec_push(s->job, &in) = value(s, g);
    }
    Build b = { .g = g };
    Node *n = build_node(&b, op, in.at, (uint32_t)in.n, types.at, names.at, (uint32_t)names.n);
    attributes(s, n);
    lex_origin(s, &n->origin);
    lex_end_line(s);
    regions(s, n, depth);
}

static void input(Lex *s, Graph *g)
{
    Sym key = fresh(s, g);
    if (lex_take(s, ":")) {
        graph_input(g, key, lex_type(s));
    } else {
        Port p = { .name = key };
        lex_need(s, "=");
        if (!lex_number_port(s, &p))
            lex_fault(s, "i64, f64, bool or none");
        *vec_push(s->job, &g->inputs) = p;
    }
    lex_port_kind(s, &g->inputs.at[g->inputs.n - 1]);
}

static void output(Lex *s, Graph *g)
{
    Port p = { .name = lex_name(s) };
    lex_need(s, "=");
    if (!lex_number_port(s, &p))
        p = (Port){ .name = p.name, .kind = PORT_TENSOR, .value = value(s, g) };
    lex_port_kind(s, &p);
    *vec_push(s->job, &g->outputs) = p;
}

static void elements(Lex *s, Tensor *t, int64_t count)
{
    size_t size = (size_t)dtype_info[t->dtype].bytes;
    if (dtype_info[t->dtype].kind == DK_C)
        lex_fault(s, "no elements: complex numbers have no text");
    if (count > 65536)
        lex_fault(s, "no elements: at most 65536 are written in a text");
    uint8_t *bytes = job_big(s->job, (size_t)count * size);
    lex_need(s, "[");
    for (int64_t i = 0; i < count; i++) {
        if (i)
            lex_need(s, ",");
        uint64_t bits = dtype_is_float(t->dtype) ? float_to_bits(t->dtype, lex_double(s))
                        : t->dtype == DT_u64     ? lex_unsigned(s)
                                                 : (uint64_t)lex_int(s);
        bits = t->dtype == DT_bool ? bits != 0 : bits;
        memcpy(bytes + (size_t)i * size, &bits, size); /* little-endian: the low bytes */
    }
    lex_need(s, "]");
    Storage *storage = job_alloc(s->job, sizeof *storage);
    *storage = (Storage){ .bytes = bytes, .size = (uint64_t)count * size };
    t->storage = storage;
}

/* A constant, or what a state begins with. */
static void constant(Lex *s, Graph *g, bool state)
{
    Sym key = fresh(s, g);
    lex_need(s, ":");
    lex_blanks(s);
    const char *before = s->p;
    Type t = lex_type(s);
    Tensor *tensor = job_alloc(s->job, sizeof *tensor);
    tensor->dtype = t.dtype;
    tensor->rank = t.rank;
    int64_t step = dtype_info[t.dtype].bytes, count = 1;
    for (int i = t.rank; i-- > 0;) {
        tensor->stride[i] = count;
        bool ok = idx_is_const(t.dim[i], &tensor->size[i]) && tensor->size[i] >= 0;
        int64_t room = tensor->size[i] ? tensor->size[i] : 1;
        if (!ok || !mul_i64(step, room, &step) || !mul_i64(count, tensor->size[i], &count))
            lex_fault_at(s, before, "constant sizes within 64 bits");
    }
    lex_blanks(s);
    if (*s->p == '"')
        tensor->name = lex_quoted(s);
    if (lex_take(s, "="))
        elements(s, tensor, count);
    if (state && !tensor->name)
        lex_fault(s, "the name of the state in quotes");
    state ? graph_state(g, tensor, t, key) : graph_const(g, tensor, t, key);
}

static void effect(Lex *s, Graph *g, bool commit)
{
    lex_blanks(s);
    const char *before = s->p;
    Value *v = value(s, g), *target = v;
    Origin o = { 0 };
    if (commit) {
        if (target->kind != VALUE_INPUT)
            lex_fault_at(s, before, "an input or a state");
        lex_need(s, "=");
        v = value(s, g);
    }
    Sym text = commit ? NULL : lex_quoted(s);
    lex_origin(s, &o);
    if (commit)
        graph_commit(g, target, v);
    else
        graph_check(g, v, text, &o);
}

static void body(Lex *s, Graph *g, int depth)
{
    while (*s->p && !lex_at(s, "end")) {
        if (lex_take(s, "sym")) {
            const Idx *symbol = lex_symbol(s);
            for (size_t i = 0; i < g->symbols.n; i++)
                if (g->symbols.at[i] == symbol)
                    lex_fault(s, "each symbol once");
            *vec_push(s->job, &g->symbols) = symbol;
        } else if (lex_take(s, "input")) {
            input(s, g);
        } else if (lex_take(s, "const")) {
            constant(s, g, false);
        } else if (lex_take(s, "state")) {
            constant(s, g, true);
        } else if (lex_take(s, "check")) {
            effect(s, g, false);
        } else if (lex_take(s, "commit")) {
            effect(s, g, true);
        } else if (lex_take(s, "guard")) {
            *vec_push(s->job, &g->guards) = lex_guard(s);
        } else if (lex_take(s, "output")) {
            output(s, g);
        } else {
            node(s, g, depth);
            continue;
        }
        lex_end_line(s);
    }
}

Graph *graph_parse(Job *job, const char *where, const char *text)
{
    Lex s = { .job = job, .where = where, .p = text, .line = 1 };
    if (*s.p == ';' || *s.p == '\n' || *s.p == ' ')
        lex_end_line(&s);
    lex_need(&s, "graph");
    Graph *g = graph_new(job, lex_name(&s));
    lex_end_line(&s);
    body(&s, g, 0);
    lex_need(&s, "end");
    lex_end_line(&s);
    if (*s.p)
        lex_fault(&s, "the end of the text");
    return g;
}
