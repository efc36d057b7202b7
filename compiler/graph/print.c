/* SPDX-License-Identifier: MIT */
/* Graph as text; parse.c reads it back.  The grammar is in docs/graph-ir.md. */
#include "words.h"
#include <inttypes.h>
#include <string.h>

enum { INLINE_ELEMENTS = 16 }; /* constants of at most so many elements are written with them */

static void print_attrs(Text *out, const Node *n)
{
    for (size_t i = 0; i < n->attrs.n; i++) {
        const Attr *a = &n->attrs.at[i];
        text_add(out, "%s%s=", i ? ", " : " {", a->name);
        if (a->kind == ATTR_FLOAT) {
            word_double(out, a->number, false);
        } else if (a->kind == ATTR_TEXT) {
            word_quoted(out, a->text);
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

static void print_body(Text *out, Graph *g, int depth);

static void print_node(Text *out, const Node *n, int depth)
{
    word_indent(out, depth);
    for (uint32_t i = 0; i < n->out_count; i++) {
        text_add(out, i ? ", " : "");
        word_name(out, n->out[i]->name);
        text_add(out, ": ");
        type_print(out, &n->out[i]->type);
    }
    text_add(out, " = %s(", op_info[n->op].name);
    for (uint32_t i = 0; i < n->in_count; i++) {
        text_add(out, i ? ", " : "");
        word_name(out, n->in[i]->name);
    }
    text_add(out, ")");
    print_attrs(out, n);
    word_origin(out, &n->origin);
    text_add(out, "\n");
    for (uint32_t i = 0; i < n->region_count; i++) {
        word_indent(out, depth);
        text_add(out, "region ");
        word_name(out, n->region[i]->name);
        text_add(out, "\n");
        print_body(out, n->region[i], depth + 1);
        word_indent(out, depth);
        text_add(out, "end\n");
    }
}

static void print_element(Text *out, DType d, const uint8_t *at)
{
    uint64_t bits = 0;
    memcpy(&bits, at, (size_t)dtype_info[d].bytes);
    if (dtype_is_float(d)) {
        word_double(out, float_from_bits(d, bits), d != DT_f64);
    } else if (dtype_info[d].kind == DK_I) {
        int unused = 64 - 8 * dtype_info[d].bytes;
        text_add(out, "%" PRId64, (int64_t)(bits << unused) >> unused);
    } else {
        text_add(out, "%" PRIu64, bits);
    }
}

/* " = [1.0, 2.0]" in row-major order, for small constants that have elements. */
static void print_elements(Text *out, const Tensor *t)
{
    int64_t count = 1, at[MAX_RANK] = { 0 };
    for (int i = 0; i < t->rank; i++)
        count = t->size[i] > INLINE_ELEMENTS ? INT64_MAX : count > INLINE_ELEMENTS ? count : count * t->size[i];
    if (!t->storage || count > INLINE_ELEMENTS || dtype_info[t->dtype].kind == DK_C)
        return;
    text_add(out, " = [");
    for (int64_t done = 0; done < count; done++) {
        int64_t from = t->offset;
        for (int i = 0; i < t->rank; i++)
            from += at[i] * t->stride[i];
        text_add(out, done ? ", " : "");
        print_element(out, t->dtype, t->storage->bytes + from * dtype_info[t->dtype].bytes);
        for (int i = t->rank; i-- > 0 && ++at[i] == t->size[i];)
            at[i] = 0;
    }
    text_add(out, "]");
}

static void print_const(Text *out, const Value *c, const char *what)
{
    text_add(out, "%s ", what);
    word_name(out, c->name);
    text_add(out, ": ");
    type_print(out, &c->type);
    if (c->tensor && c->tensor->name) {
        text_add(out, " ");
        word_quoted(out, c->tensor->name);
    }
    if (c->tensor)
        print_elements(out, c->tensor);
    text_add(out, "\n");
}

static void print_input(Text *out, const Port *p)
{
    text_add(out, "input ");
    word_name(out, p->kind == PORT_TENSOR ? p->value->name : p->name);
    text_add(out, p->kind == PORT_TENSOR ? ": " : " = ");
    if (p->kind == PORT_TENSOR)
        type_print(out, &p->value->type);
    else
        word_number_port(out, p);
    text_add(out, p->pairs ? " pairs\n" : p->scalar ? " scalar\n" : "\n");
}

static void print_output(Text *out, const Port *p)
{
    text_add(out, "output ");
    word_name(out, p->name);
    text_add(out, " = ");
    if (p->kind == PORT_TENSOR)
        word_name(out, p->value->name);
    else
        word_number_port(out, p);
    text_add(out, p->pairs ? " pairs\n" : p->scalar ? " scalar\n" : "\n");
}

static void print_effect(Text *out, const Effect *e)
{
    text_add(out, e->kind == EFFECT_CHECK ? "check " : "commit ");
    if (e->kind == EFFECT_COMMIT) {
        word_name(out, e->target->name);
        text_add(out, " = ");
    }
    word_name(out, e->value->name);
    if (e->kind == EFFECT_CHECK) {
        text_add(out, " ");
        word_quoted(out, e->text);
    }
    word_origin(out, &e->origin);
    text_add(out, "\n");
}

static void print_body(Text *out, Graph *g, int depth)
{
    for (size_t i = 0; i < g->symbols.n; i++) {
        word_indent(out, depth);
        word_symbol(out, g->symbols.at[i]);
        text_add(out, "\n");
    }
    for (size_t i = 0; i < g->inputs.n; i++) {
        word_indent(out, depth);
        print_input(out, &g->inputs.at[i]);
    }
    for (size_t i = 0; i < g->consts.n; i++) {
        word_indent(out, depth);
        print_const(out, g->consts.at[i], "const");
    }
    for (size_t i = 0; i < g->states.n; i++) {
        word_indent(out, depth);
        print_const(out, g->states.at[i], "state");
    }
    for (size_t i = 0; i < g->guards.n; i++) {
        word_indent(out, depth);
        word_guard(out, &g->guards.at[i]);
        text_add(out, "\n");
    }
    for
        each_node(n, g) print_node(out, n, depth);
    for (size_t i = 0; i < g->outputs.n; i++) {
        word_indent(out, depth);
        print_output(out, &g->outputs.at[i]);
    }
    for (size_t i = 0; i < g->effects.n; i++) {
        word_indent(out, depth);
        print_effect(out, &g->effects.at[i]);
    }
}

void graph_print(Text *out, Graph *g)
{
    text_add(out, "graph ");
    word_name(out, g->name);
    text_add(out, "\n");
    print_body(out, g, 1);
    text_add(out, "end\n");
}
