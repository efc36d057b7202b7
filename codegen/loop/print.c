/* SPDX-License-Identifier: MIT */
/* A Program as text; parse.c reads it back.  The grammar is in docs/loop-ir.md. */
#include "../../compiler/graph/words.h"
#include "loop.h"
#include <inttypes.h>

static void print_x(Text *out, const X *x)
{
    if (x->name) {
        text_add(out, "%s", x->name);
        return;
    }
    switch (x->kind) {
    case X_NUM:
        if (dtype_is_float(x->dtype))
            word_double(out, x->number, false);
        else
            text_add(out, "%" PRId64, x->integer);
        text_add(out, ":%s", dtype_info[x->dtype].name);
        break;
    case X_VAR: text_add(out, "%s", x->var); break;
    case X_IDX:
        text_add(out, "[");
        idx_print(out, x->idx);
        text_add(out, "]");
        break;
    case X_LOAD:
        word_name(out, x->buffer->name);
        text_add(out, "[");
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
    text_add(out, "call %s", s->var);
    if (s->text)
        text_add(out, " %s", s->text);
    text_add(out, "(");
    for (size_t i = 0; i < s->fields.n; i++) {
        const Field *f = &s->fields.at[i];
        text_add(out, "%s%s=", i ? ", " : "", f->name);
        if (f->text) {
            word_quoted(out, f->text);
            continue;
        }
        if (f->buffer) {
            text_add(out, "@");
            word_name(out, f->buffer->name);
            if (idx_is(f->idx, 0))
                continue;
            text_add(out, " + ");
        }
        idx_print(out, f->idx);
    }
    text_add(out, ")\n");
}

static void print_check(Text *out, const Stmt *s)
{
    text_add(out, "%s %s < ", s->text ? "check" : "known", s->x->var);
    idx_print(out, s->extent);
    if (s->text) {
        text_add(out, " ");
        word_quoted(out, s->text);
    }
    text_add(out, "\n");
}

static void print_stmt(Text *out, const Stmt *s, int depth)
{
    word_indent(out, depth);
    switch (s->kind) {
    case S_FOR:
        text_add(out, "for %s < ", s->var);
        idx_print(out, s->extent);
        text_add(out, s->apart ? " apart\n" : "\n");
        print_block(out, &s->body, depth + 1);
        word_indent(out, depth);
        text_add(out, "end\n");
        return;
    case S_LET:
    case S_ACC:
        text_add(out, "%s %s: %s = ", s->kind == S_LET ? "let" : "acc", s->var, dtype_info[s->dtype].name);
        break;
    case S_UPDATE:
        text_add(out, "%s = %s.%s(%s, ", s->var, op_info[s->op].name, dtype_info[s->dtype].name, s->var);
        break;
    case S_STORE:
        word_name(out, s->buffer->name);
        text_add(out, "[");
        idx_print(out, s->idx);
        text_add(out, "] %s= ", s->update ? op_info[s->op].name : "");
        break;
    case S_CHECK: print_check(out, s); return;
    case S_ASSERT:
        text_add(out, "assert ");
        print_x(out, s->x);
        text_add(out, " ");
        word_quoted(out, s->text);
        text_add(out, "\n");
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

/* ---- buffers ----------------------------------------------------------------------------------------------------- */

static void print_sizes(Text *out, const char *what, const Idx *const *at, int n)
{
    text_add(out, "%s[", what);
    for (int i = 0; i < n; i++) {
        text_add(out, i ? ", " : "");
        idx_print(out, at[i]);
    }
    text_add(out, "]");
}

/* " f32[2, 8] strides [8, 1]" and what of the layout is not plain. */
static void print_layout(Text *out, Job *job, const Buffer *b)
{
    const Idx *product = idx_const(job, 1);
    bool halo = false;
    for (int i = 0; i < b->rank; i++) {
        product = idx_mul(job, product, b->dim[i]);
        halo |= b->halo[i] != 0;
    }
    text_add(out, " %s", dtype_info[b->dtype].name);
    print_sizes(out, "", b->dim, b->rank);
    print_sizes(out, " strides ", b->stride, b->rank);
    if (!idx_is(b->offset, 0)) {
        text_add(out, " offset ");
        idx_print(out, b->offset);
    }
    if (b->elements != product) {
        text_add(out, " elements ");
        idx_print(out, b->elements);
    }
    for (int i = 0; halo && i < b->rank; i++)
        text_add(out, "%s%" PRId64 "%s", i ? ", " : " halo [", b->halo[i], i + 1 == b->rank ? "]" : "");
    if (b->channels_last)
        text_add(out, " channels_last");
}

static void print_buffer(Text *out, Job *job, const Buffer *b)
{
    text_add(out, b->kind == BUFFER_CONST ? "  const " : b->kind == BUFFER_STATE ? "  state " : b->scratch ? "  scratch " : "  work ");
    word_name(out, b->name);
    text_add(out, ":");
    print_layout(out, job, b);
    if (b->kind == BUFFER_CONST) {
        text_add(out, " weight %" PRIu64, b->weight);
    } else if (b->kind == BUFFER_STATE) {
        text_add(out, " at %" PRIu64, b->weight);
    } else if (b->first >= 0) {
        text_add(out, " steps %d..%d", b->first, b->last);
        if (b->at) {
            text_add(out, " at ");
            idx_print(out, b->at);
        }
    }
    if (b->about) {
        text_add(out, " ");
        word_quoted(out, b->about);
    }
    text_add(out, "\n");
}

static void print_part(Text *out, Job *job, const Buffer *b, int depth)
{
    word_indent(out, depth);
    text_add(out, "part ");
    word_name(out, b->name);
    text_add(out, ":");
    print_layout(out, job, b);
    text_add(out, " of ");
    word_name(out, b->whole->name);
    text_add(out, " from ");
    idx_print(out, b->start);
    text_add(out, "\n");
}

static void print_port(Text *out, Job *job, const char *what, const Port *p, const Buffer *b)
{
    text_add(out, "  %s ", what);
    word_name(out, p->name);
    text_add(out, " = ");
    if (b) {
        word_name(out, b->name);
        text_add(out, ":");
        print_layout(out, job, b);
    } else {
        word_number_port(out, p);
    }
    text_add(out, "%s%s\n", p->pairs ? " pairs" : p->scalar ? " scalar" : "", p->mutated ? " mutated" : "");
}

/* ---- kernels -------------------------------------------------------------------------------------------------- */

static void print_names(Text *out, const char *what, Buffer *const *at, size_t n, int depth)
{
    if (!n)
        return;
    word_indent(out, depth);
    for (size_t i = 0; i < n; i++) {
        text_add(out, "%s", i ? ", " : what);
        word_name(out, at[i]->name);
    }
    text_add(out, "\n");
}

static void print_kernel(Text *out, const Kernel *k, int depth)
{
    word_indent(out, depth);
    text_add(out, "kernel ");
    word_name(out, k->name);
    if (k->about) {
        text_add(out, " ");
        word_quoted(out, k->about);
    }
    word_origin(out, &k->origin);
    text_add(out, "\n");
    print_names(out, "reads ", k->reads.at, k->reads.n, depth + 1);
    print_names(out, "writes ", k->writes.at, k->writes.n, depth + 1);
    print_block(out, &k->body, depth + 1);
}

static void print_items(Text *out, Job *job, const Items *items, int depth);

static void print_loop(Text *out, Job *job, const Loop *loop, int depth)
{
    word_indent(out, depth);
    if (loop->var) {
        text_add(out, "loop %s < ", loop->var);
        idx_print(out, loop->extent);
        text_add(out, "\n");
    } else {
        text_add(out, "while ");
        word_name(out, loop->condition->name);
        text_add(out, "\n");
        print_items(out, job, &loop->test, depth + 1);
        word_indent(out, depth);
        text_add(out, "do\n");
    }
    for (size_t i = 0; i < loop->parts.n; i++)
        print_part(out, job, loop->parts.at[i], depth + 1);
    for (size_t i = 0; i < loop->carried.n; i++) {
        word_indent(out, depth + 1);
        text_add(out, "carry ");
        word_name(out, loop->carried.at[i].now->name);
        text_add(out, ", ");
        word_name(out, loop->carried.at[i].next->name);
        text_add(out, "\n");
    }
    print_items(out, job, &loop->body, depth + 1);
}

static void print_items(Text *out, Job *job, const Items *items, int depth)
{
    for (const Item *i = items->first; i; i = i->next) {
        if (i->size) {
            word_indent(out, depth);
            text_add(out, "size ");
            idx_print(out, i->size);
            text_add(out, " = ");
            word_name(out, i->found->name);
            if (*i->about) {
                text_add(out, " ");
                word_quoted(out, i->about);
            }
            text_add(out, "\n");
            continue;
        }
        if (i->kernel) {
            print_kernel(out, i->kernel, depth);
        } else if (i->loop) {
            print_loop(out, job, i->loop, depth);
        } else if (i->together.first) {
            word_indent(out, depth);
            text_add(out, "together\n");
            print_items(out, job, &i->together, depth + 1);
        } else {
            word_indent(out, depth);
            text_add(out, "if ");
            word_name(out, i->condition->name);
            text_add(out, "\n");
            print_items(out, job, &i->then, depth + 1);
            word_indent(out, depth);
            text_add(out, "else\n");
            print_items(out, job, &i->otherwise, depth + 1);
        }
        word_indent(out, depth);
        text_add(out, "end\n");
    }
}

void program_print(Text *out, const Program *p)
{
    const Graph *g = p->g;
    text_add(out, "program ");
    word_name(out, p->name);
    text_add(out, "\n");
    for (size_t i = 0; i < g->symbols.n; i++) {
        text_add(out, "  ");
        word_symbol(out, g->symbols.at[i]);
        text_add(out, "\n");
    }
    for (size_t i = 0; i < g->inputs.n; i++)
        print_port(out, p->job, "input", &g->inputs.at[i], p->inputs.at[i]);
    for (size_t i = 0; i < g->outputs.n; i++)
        print_port(out, p->job, "output", &g->outputs.at[i], p->outputs.at[i]);
    for (size_t i = 0; i < g->guards.n; i++) {
        text_add(out, "  ");
        word_guard(out, &g->guards.at[i]);
        text_add(out, "\n");
    }
    for (size_t i = 0; i < p->consts.n; i++)
        print_buffer(out, p->job, p->consts.at[i]);
    for (size_t i = 0; i < p->states.n; i++)
        print_buffer(out, p->job, p->states.at[i]);
    for (size_t i = 0; i < p->works.n; i++)
        print_buffer(out, p->job, p->works.at[i]);
    for (size_t i = 0; i < p->fixed.n; i++)
        print_part(out, p->job, p->fixed.at[i], 1);
    if (p->workspace) {
        text_add(out, "  workspace ");
        idx_print(out, p->workspace);
        if (!idx_is(p->scratch_bytes, 0)) {
            text_add(out, " scratch ");
            idx_print(out, p->scratch_bytes);
        }
        text_add(out, "\n");
    }
    print_items(out, p->job, &p->schedule, 1);
    text_add(out, "end\n");
}
