/* SPDX-License-Identifier: MIT */
/* A Program as text.  The grammar is in docs/loop-ir.md. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "loop.h"

static void indent(Text *out, int depth)
{
    text_add(out, "%*s", depth * 2, "");
}

static void print_number(Text *out, const X *x)
{
    if (!dtype_is_float(x->dtype)) {
        text_add(out, "%" PRId64, x->integer);
        return;
    }
    if (isnan(x->number) || isinf(x->number)) {
        text_add(out, isnan(x->number) ? "nan" : x->number > 0 ? "inf" : "-inf");
        return;
    }
    char s[40];
    for (int digits = 1; digits <= 17; digits++) {
        double back = 0;
        snprintf(s, sizeof s, "%.*g", digits, x->number);
        sscanf(s, "%lf", &back);
        if (back == x->number)
            break;
    }
    text_add(out, "%s%s", s, strpbrk(s, ".e") ? "" : ".0");
}

static void print_x(Text *out, const X *x)
{
    if (x->name) {
        text_add(out, "%s", x->name);
        return;
    }
    switch (x->kind) {
    case X_NUM:
        print_number(out, x);
        text_add(out, ":%s", dtype_info[x->dtype].name);
        break;
    case X_VAR: text_add(out, "%s", x->var); break;
    case X_IDX:
        text_add(out, "[");
        idx_print(out, x->idx);
        text_add(out, "]");
        break;
    case X_LOAD:
        text_add(out, "%s[", x->buffer->name);
        idx_print(out, x->idx);
        text_add(out, "]");
        if (x->n) {
            text_add(out, " if ");
            print_x(out, x->arg[0]);
        }
        break;
    case X_OP:
        text_add(out, "%s.%s(", op_info[x->op].name, dtype_info[x->dtype].name);
        for (uint32_t i = 0; i < x->n; i++) {
            text_add(out, i ? ", " : "");
            print_x(out, x->arg[i]);
        }
        text_add(out, ")");
        break;
    }
}

static void print_block(Text *out, const Block *b, int depth);

static void print_call(Text *out, const Stmt *s)
{
    text_add(out, "call %s %s(", s->var, s->text ? s->text : "-");
    for (size_t i = 0; i < s->fields.n; i++) {
        const Field *f = &s->fields.at[i];
        text_add(out, "%s%s=", i ? ", " : "", f->name);
        if (f->text) {
            text_add(out, "\"%s\"", f->text);
        } else {
            if (f->buffer)
                text_add(out, "@%s + ", f->buffer->name);
            idx_print(out, f->idx);
        }
    }
    text_add(out, ")\n");
}

static void print_stmt(Text *out, const Stmt *s, int depth)
{
    indent(out, depth);
    switch (s->kind) {
    case S_FOR:
        text_add(out, "for %s < ", s->var);
        idx_print(out, s->extent);
        text_add(out, "\n");
        print_block(out, &s->body, depth + 1);
        indent(out, depth);
        text_add(out, "end\n");
        return;
    case S_LET: text_add(out, "let %s: %s = ", s->var, dtype_info[s->dtype].name); break;
    case S_ACC: text_add(out, "acc %s: %s = ", s->var, dtype_info[s->dtype].name); break;
    case S_UPDATE: text_add(out, "%s = %s.%s(%s, ", s->var, op_info[s->op].name, dtype_info[s->dtype].name, s->var); break;
    case S_STORE:
        text_add(out, "%s[", s->buffer->name);
        idx_print(out, s->idx);
        text_add(out, "] = ");
        break;
    case S_CHECK:
        text_add(out, "check %s < ", s->x->var);
        idx_print(out, s->extent);
        text_add(out, " \"%s\"\n", s->text);
        return;
    case S_CALL: print_call(out, s); return;
    }
    print_x(out, s->x);
    text_add(out, s->kind == S_UPDATE ? ")\n" : "\n");
}

static void print_block(Text *out, const Block *b, int depth)
{
    for (const Stmt *s = b->first; s; s = s->next)
        print_stmt(out, s, depth);
}

static void print_buffer(Text *out, const Buffer *b)
{
    static const char *const kinds[] = { "input", "output", "const", "work" };
    text_add(out, "  %s %s: %s[", kinds[b->kind], b->name, dtype_info[b->dtype].name);
    for (int i = 0; i < b->rank; i++) {
        text_add(out, i ? ", " : "");
        idx_print(out, b->dim[i]);
    }
    text_add(out, "] strides [");
    for (int i = 0; i < b->rank; i++) {
        text_add(out, i ? ", " : "");
        idx_print(out, b->stride[i]);
    }
    text_add(out, "] offset ");
    idx_print(out, b->offset);
    if (b->kind == BUFFER_CONST) {
        text_add(out, " weight %" PRIu64, b->weight);
    } else if (b->kind == BUFFER_WORK) {
        text_add(out, " steps %d..%d", b->first, b->last);
        if (b->at) {
            text_add(out, " at ");
            idx_print(out, b->at);
        }
    } else {
        text_add(out, " port %u", b->port);
    }
    text_add(out, "\n");
}

static void print_items(Text *out, const Items *items, int depth)
{
    for (const Item *i = items->first; i; i = i->next) {
        indent(out, depth);
        if (i->kernel) {
            text_add(out, "kernel %s\n", i->kernel->name);
            print_block(out, &i->kernel->body, depth + 1);
        } else {
            text_add(out, "if %s\n", i->condition->name);
            print_items(out, &i->then, depth + 1);
            indent(out, depth);
            text_add(out, "else\n");
            print_items(out, &i->otherwise, depth + 1);
        }
        indent(out, depth);
        text_add(out, "end\n");
    }
}

void program_print(Text *out, const Program *p)
{
    text_add(out, "program %s\n", p->name);
    for (size_t i = 0; i < p->g->symbols.n; i++) {
        const Idx *s = p->g->symbols.at[i];
        text_add(out, "  sym %s in %" PRId64 "..", s->sym, s->lo);
        if (s->hi == INT64_MAX)
            text_add(out, "inf\n");
        else
            text_add(out, "%" PRId64 "\n", s->hi);
    }
    for (size_t i = 0; i < p->inputs.n; i++)
        if (p->inputs.at[i])
            print_buffer(out, p->inputs.at[i]);
    for (size_t i = 0; i < p->outputs.n; i++)
        if (p->outputs.at[i])
            print_buffer(out, p->outputs.at[i]);
    for (size_t i = 0; i < p->consts.n; i++)
        print_buffer(out, p->consts.at[i]);
    for (size_t i = 0; i < p->works.n; i++)
        print_buffer(out, p->works.at[i]);
    print_items(out, &p->schedule, 1);
    text_add(out, "end\n");
}
