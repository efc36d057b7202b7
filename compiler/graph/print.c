/* SPDX-License-Identifier: MIT */
/* Graph as text; parse.c reads it back.  The grammar is in docs/graph-ir.md. */
#include "graph.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

static void indent(Text *out, int depth)
{
    text_add(out, "%*s", depth * 2, "");
}

/* A double that reads back as itself; "inf", "-inf", "nan" for the specials. */
static void print_double(Text *out, double v)
{
    if (isnan(v) || isinf(v)) {
        text_add(out, isnan(v) ? "nan" : v > 0 ? "inf" : "-inf");
        return;
    }
    char s[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, v);
        double back;
        if (sscanf(s, "%lf", &back) == 1 && back == v)
            break;
    }
    text_add(out, "%s%s", s, strpbrk(s, ".en") ? "" : ".0");
}

static void print_quoted(Text *out, const char *s)
{
    text_add(out, "\"");
    for (; *s; s++)
        if (*s == '"' || *s == '\\')
            text_add(out, "\\%c", *s);
        else
            text_put(out, (unsigned char)*s < 32 ? " " : s, 1);
    text_add(out, "\"");
}

static void print_attrs(Text *out, const Node *n)
{
    for (size_t i = 0; i < n->attrs.n; i++) {
        const Attr *a = &n->attrs.at[i];
        text_add(out, "%s%s=", i ? ", " : " {", a->name);
        if (a->kind == ATTR_FLOAT) {
            print_double(out, a->number);
        } else if (a->kind == ATTR_TEXT) {
            print_quoted(out, a->text);
        } else {
            text_add(out, "[");
            for (size_t j = 0; j < a->n; j++) {
                text_add(out, j ? ", " : "");
                idx_print(out, a->idx[j]);
            }
            text_add(out, "]");
        }
    }
    if (n->attrs.n)
        text_add(out, "}");
}

static void print_origin(Text *out, const Origin *o)
{
    if (!o->file && !o->module)
        return;
    text_add(out, "  ;");
    if (o->file)
        text_add(out, " %s:%d", o->file, o->line);
    if (o->text) {
        text_add(out, " ");
        for (const char *p = o->text; *p; p++)
            text_put(out, (unsigned char)*p < 32 ? " " : p, 1);
    }
    if (o->module)
        text_add(out, " (%s)", o->module);
}

static void print_body(Text *out, Graph *g, int depth);

static void print_node(Text *out, const Node *n, int depth)
{
    indent(out, depth);
    for (uint32_t i = 0; i < n->out_count; i++) {
        text_add(out, "%s%s: ", i ? ", " : "", n->out[i]->name);
        type_print(out, &n->out[i]->type);
    }
    text_add(out, " = %s(", op_info[n->op].name);
    for (uint32_t i = 0; i < n->in_count; i++)
        text_add(out, "%s%s", i ? ", " : "", n->in[i]->name);
    text_add(out, ")");
    print_attrs(out, n);
    print_origin(out, &n->origin);
    text_add(out, "\n");
    for (uint32_t i = 0; i < n->region_count; i++) {
        indent(out, depth);
        text_add(out, "region %s\n", n->region[i]->name);
        print_body(out, n->region[i], depth + 1);
        indent(out, depth);
        text_add(out, "end\n");
    }
}

static void print_bound(Text *out, int64_t v)
{
    if (v == INT64_MAX)
        text_add(out, "inf");
    else
        text_add(out, "%" PRId64, v);
}

static void print_port(Text *out, const Port *p)
{
    if (p->kind == PORT_TENSOR) {
        text_add(out, "%s%s", p->value->name, p->scalar ? " scalar" : "");
    } else if (p->kind == PORT_NONE) {
        text_add(out, "none");
    } else {
        text_add(out, "%s ", dtype_info[p->dtype].name);
        double d;
        memcpy(&d, &p->bits, 8);
        if (p->dtype == DT_f64)
            print_double(out, d);
        else
            text_add(out, "%" PRId64, p->bits);
    }
}

static void print_body(Text *out, Graph *g, int depth)
{
    static const char *const rel[] = { "==", "!=", "<=", "<" };
    for (size_t i = 0; i < g->symbols.n; i++) {
        const Idx *s = g->symbols.at[i];
        indent(out, depth);
        text_add(out, "sym %s in ", s->sym);
        print_bound(out, s->lo);
        text_add(out, "..");
        print_bound(out, s->hi);
        text_add(out, "\n");
    }
    for (size_t i = 0; i < g->inputs.n; i++) {
        const Port *p = &g->inputs.at[i];
        indent(out, depth);
        if (p->kind == PORT_TENSOR) {
            text_add(out, "input %s: ", p->value->name);
            type_print(out, &p->value->type);
        } else {
            text_add(out, "input %s = ", p->name);
            print_port(out, p);
        }
        text_add(out, "\n");
    }
    for (size_t i = 0; i < g->consts.n; i++) {
        Value *c = g->consts.at[i];
        indent(out, depth);
        text_add(out, "const %s: ", c->name);
        type_print(out, &c->type);
        if (c->tensor && c->tensor->name) {
            text_add(out, " ");
            print_quoted(out, c->tensor->name);
        }
        text_add(out, "\n");
    }
    for (size_t i = 0; i < g->guards.n; i++) {
        const Guard *u = &g->guards.at[i];
        indent(out, depth);
        text_add(out, "guard ");
        idx_print(out, u->a);
        text_add(out, " %s ", rel[u->rel]);
        idx_print(out, u->b);
        text_add(out, " ");
        print_quoted(out, u->text);
        text_add(out, "\n");
    }
    for each_node (n, g)
        print_node(out, n, depth);
    for (size_t i = 0; i < g->outputs.n; i++) {
        indent(out, depth);
        text_add(out, "output %s = ", g->outputs.at[i].name);
        print_port(out, &g->outputs.at[i]);
        text_add(out, "\n");
    }
}

void graph_print(Text *out, Graph *g)
{
    text_add(out, "graph %s\n", g->name);
    print_body(out, g, 1);
    text_add(out, "end\n");
}
