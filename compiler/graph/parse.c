/* SPDX-License-Identifier: MIT */
/* Text to Graph: what print.c writes, line by line. */
#include "graph.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct Parser {
    Job *job;
    const char *where, *p;
    int line;
} Parser;

static _Noreturn void fault(Parser *s, const char *expected)
{
    fail(s->job, EXIT_INPUT, "%s:%d: expected %s; found \"%.*s\"", s->where, s->line, expected,
         (int)strcspn(s->p, "\n") > 30 ? 30 : (int)strcspn(s->p, "\n"), s->p);
}

static void blanks(Parser *s)
{
    while (*s->p == ' ')
        s->p++;
}

static bool take(Parser *s, const char *token)
{
    blanks(s);
    size_t n = strlen(token);
    if (strncmp(s->p, token, n))
        return false;
    if (isalnum((unsigned char)token[n - 1]) && (isalnum((unsigned char)s->p[n]) || s->p[n] == '_'))
        return false;
    s->p += n;
    return true;
}

static void need(Parser *s, const char *token)
{
    if (!take(s, token))
        fault(s, token);
}

static bool name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.';
}

static Sym name(Parser *s)
{
    blanks(s);
    const char *start = s->p;
    while (name_char(*s->p))
        s->p++;
    if (s->p == start)
        fault(s, "a name");
    return sym_n(s->job, start, (size_t)(s->p - start));
}

/* To the next line that holds something; comments run from ';' to the end. */
static void end_line(Parser *s)
{
    blanks(s);
    if (*s->p == ';')
        s->p += strcspn(s->p, "\n");
    if (*s->p && *s->p != '\n')
        fault(s, "the end of the line");
    while (*s->p == '\n' || *s->p == ' ' || *s->p == ';') {
        if (*s->p == ';')
            s->p += strcspn(s->p, "\n");
        if (*s->p == '\n')
            s->line++;
        if (*s->p)
            s->p++;
    }
}

static const Idx *idx(Parser *s)
{
    const Idx *e = idx_parse(s->job, &s->p);
    if (!e)
        fault(s, "a size");
    return e;
}

static int64_t bound(Parser *s)
{
    char *end;
    if (take(s, "inf"))
        return INT64_MAX;
    int64_t v = strtoll(s->p, &end, 10);
    if (end == s->p)
        fault(s, "a number");
    s->p = end;
    return v;
}

static Type type(Parser *s)
{
    Sym d = name(s);
    Type t = { .dtype = dtype_from_name(d) };
    if (t.dtype == DT_NONE)
        fault(s, "an element type");
    need(s, "[");
    while (!take(s, "]")) {
        if (t.rank == MAX_RANK)
            fault(s, "fewer dimensions");
        if (t.rank)
            need(s, ",");
        t.dim[t.rank++] = idx(s);
    }
    return t;
}

static Sym quoted(Parser *s)
{
    Text t;
    text_init(&t, s->job);
    need(s, "\"");
    for (; *s->p && *s->p != '"' && *s->p != '\n'; s->p++) {
        if (*s->p == '\\')
            s->p++;
        text_put(&t, s->p, 1);
    }
    need(s, "\"");
    return sym(s->job, t.at);
}

static Attr attr(Parser *s)
{
    Sym key = name(s);
    need(s, "=");
    blanks(s);
    if (*s->p == '"')
        return attr_text(s->job, key, quoted(s));
    if (take(s, "[")) {
        VEC(const Idx *) list = { 0 };
        while (!take(s, "]")) {
            if (list.n)
                need(s, ",");
            *vec_push(s->job, &list) = idx(s);
        }
        return attr_idx(s->job, key, list.at, list.n);
    }
    char *end;
    double v = strtod(s->p, &end);
    if (end == s->p)
        fault(s, "a value");
    s->p = end;
    return attr_float(s->job, key, v);
}

static Value *value(Parser *s, Graph *g)
{
    const char *before = s->p;
    Value *v = graph_value(g, name(s));
    if (!v) {
        s->p = before;
        fault(s, "a value defined above");
    }
    return v;
}

static void body(Parser *s, Graph *g, int depth);

static void node(Parser *s, Graph *g, int depth)
{
    VEC(Sym) names = { 0 };
    VEC(Type) types = { 0 };
    VEC(Value *) in = { 0 };
    do {
        *vec_push(s->job, &names) = name(s);
        if (graph_value(g, names.at[names.n - 1]))
            fault(s, "a fresh name before this");
        need(s, ":");
        *vec_push(s->job, &types) = type(s);
    } while (take(s, ","));
    need(s, "=");
    Op op = op_from_name(name(s));
    if (op == OP_COUNT)
        fault(s, "an operator before this");
    need(s, "(");
    while (!take(s, ")")) {
        if (in.n)
            need(s, ",");
        *vec_push(s->job, &in) = value(s, g);
    }
    Build b = { .g = g };
    Node *n = build_node(&b, op, in.at, (uint32_t)in.n, types.at, names.at, (uint32_t)names.n);
    if (take(s, "{"))
        do
            *vec_push(s->job, &n->attrs) = attr(s);
        while (take(s, ","));
    if (n->attrs.n)
        need(s, "}");
    end_line(s);
    VEC(Graph *) regions = { 0 };
    while (take(s, "region")) {
        if (depth > 32)
            fault(s, "less nesting");
        Graph *r = graph_new(s->job, name(s));
        end_line(s);
        body(s, r, depth + 1);
        need(s, "end");
        end_line(s);
        *vec_push(s->job, &regions) = r;
    }
    n->region = regions.at;
    n->region_count = (uint32_t)regions.n;
}

static Port port(Parser *s, Graph *g, Sym key)
{
    Port p = { .name = key };
    static const DType numbers[] = { DT_i64, DT_f64, DT_bool };
    if (take(s, "none")) {
        p.kind = PORT_NONE;
        return p;
    }
    for (int i = 0; i < 3; i++)
        if (take(s, dtype_info[numbers[i]].name)) {
            p.kind = PORT_NUMBER;
            p.dtype = numbers[i];
            blanks(s);
            char *end;
            double d = strtod(s->p, &end);
            p.bits = strtoll(s->p, NULL, 10);
            if (p.dtype == DT_f64)
                memcpy(&p.bits, &d, 8);
            if (end == s->p)
                fault(s, "a number");
            s->p = end;
            return p;
        }
    p.kind = PORT_TENSOR;
    p.value = value(s, g);
    p.scalar = take(s, "scalar");
    return p;
}

static void input(Parser *s, Graph *g)
{
    Sym key = name(s);
    if (take(s, ":")) {
        graph_input(g, key, type(s));
    } else {
        need(s, "=");
        *vec_push(s->job, &g->inputs) = port(s, g, key);
    }
}

static void constant(Parser *s, Graph *g)
{
    Sym key = name(s);
    need(s, ":");
    Type t = type(s);
    Tensor *tensor = job_alloc(s->job, sizeof *tensor);
    tensor->dtype = t.dtype;
    tensor->rank = t.rank;
    for (int i = t.rank, step = 1; i-- > 0;) {
        if (!idx_is_const(t.dim[i], &tensor->size[i]))
            fault(s, "constant sizes before this");
        tensor->stride[i] = step;
        step *= (int)tensor->size[i];
    }
    blanks(s);
    if (*s->p == '"')
        tensor->name = quoted(s);
    graph_const(g, tensor, t, key);
}

static void guard(Parser *s, Graph *g)
{
    Guard u = { .a = idx(s) };
    u.rel = take(s, "==") ? GUARD_EQ : take(s, "!=") ? GUARD_NE : take(s, "<=") ? GUARD_LE : GUARD_LT;
    if (u.rel == GUARD_LT)
        need(s, "<");
    u.b = idx(s);
    u.text = quoted(s);
    *vec_push(s->job, &g->guards) = u;
}

static void body(Parser *s, Graph *g, int depth)
{
    while (*s->p && strncmp(s->p, "end", 3) != 0) {
        if (take(s, "sym")) {
            Sym key = name(s);
            need(s, "in");
            blanks(s);
            int64_t lo = bound(s);
            need(s, "..");
            *vec_push(s->job, &g->symbols) = idx_sym(s->job, key, lo, bound(s));
        } else if (take(s, "input")) {
            input(s, g);
        } else if (take(s, "const")) {
            constant(s, g);
        } else if (take(s, "guard")) {
            guard(s, g);
        } else if (take(s, "output")) {
            Sym key = name(s);
            need(s, "=");
            *vec_push(s->job, &g->outputs) = port(s, g, key);
        } else {
            node(s, g, depth);
            continue;
        }
        end_line(s);
    }
}

Graph *graph_parse(Job *job, const char *where, const char *text)
{
    Parser s = { .job = job, .where = where, .p = text, .line = 1 };
    if (*s.p == ';' || *s.p == '\n' || *s.p == ' ')
        end_line(&s);
    need(&s, "graph");
    Graph *g = graph_new(job, name(&s));
    end_line(&s);
    body(&s, g, 0);
    need(&s, "end");
    return g;
}
