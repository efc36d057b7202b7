/* SPDX-License-Identifier: MIT */
/* Last touches on a kernel: which buffers it uses, and which expressions get a variable.  An expression is named when
 * it is read more than once, when it does not change in an inner loop that reads it, or when it would make a line
 * too long; its S_LET stands in the block of its own level, just before the first statement that needs it. */
#include "loop.h"
#include <string.h>

enum { LONG_EXPRESSION = 10 }; /* operators in one C expression */

typedef struct Namer {
    Job *job;
    int count;
    uint32_t walk; /* number of the walk that looks for names: an expression is looked at once in each */
} Namer;

static X *mutable(const X *x)
{
    return (X *)(uintptr_t)x;
}

static void count_uses(const X *x)
{
    if (mutable(x)->uses++)
        return;
    for (uint32_t i = 0; i < x->n; i++)
        count_uses(x->arg[i]);
}

static void count_block(const Block *b)
{
    for (const Stmt *s = b->first; s; s = s->next) {
        if (s->x)
            count_uses(s->x);
        count_block(&s->body);
    }
}

static int size_of(const X *x)
{
    int n = x->kind == X_OP;
    if (x->name)
        return 0;
    for (uint32_t i = 0; i < x->n; i++)
        n += size_of(x->arg[i]);
    return n;
}

static bool worth_a_name(const X *x, int level, bool inner)
{
    if (x->name || x->kind == X_NUM || x->kind == X_VAR || x->level != level)
        return false;
    if (x->kind == X_IDX)
        return inner && x->idx->op != IDX_SYM;
    if (inner || size_of(x) >= LONG_EXPRESSION)
        return true;
    bool guard = x->dtype == DT_bool && x->kind == X_OP && x->uses < 3; /* reads better in place */
    return x->uses > 1 && !guard;
}

/* Before statement *at of a block of `level`: names what x needs. */
static void name_in(Namer *n, const X *x, int level, bool inner, Stmt ***at)
{
    if (x->name || x->level < level || x->walk == n->walk)
        return;
    mutable(x)->walk = n->walk;
    for (uint32_t i = 0; i < x->n; i++)
        name_in(n, x->arg[i], level, inner, at);
    if (!worth_a_name(x, level, inner))
        return;
    Stmt *let = job_alloc(n->job, sizeof *let);
    let->kind = S_LET;
    let->x = x;
    let->dtype = x->dtype;
    let->var = sym_printf(n->job, "t%d", n->count++);
    let->next = **at;
    **at = let;
    *at = &let->next;
    /* the let prints the expression itself: the name counts from the next statement on */
    X *copy = job_alloc(n->job, sizeof *copy);
    *copy = *x;
    let->x = copy;
    mutable(x)->name = let->var;
}

static void name_statement(Namer *n, const Stmt *s, int level, bool inner, Stmt ***at)
{
    n->walk += !inner;
    if (s->x)
        name_in(n, s->x, level, inner, at);
    n->walk += !inner;
    for (const Stmt *i = s->body.first; i; i = i->next)
        name_statement(n, i, level, true, at);
}

static void name_block(Namer *n, Block *b, int level)
{
    for (Stmt **at = &b->first; *at; at = &(*at)->next) {
        name_statement(n, *at, level, false, &at);
        if ((*at)->kind == S_FOR)
            name_block(n, &(*at)->body, level + 1);
    }
}

void kernel_name_values(Job *job, Kernel *k)
{
    Namer n = { job, 0, 0 };
    count_block(&k->body);
    name_block(&n, &k->body, 0);
}

/* ---- reads and writes --------------------------------------------------------------------------------------- */

typedef struct Finish {
    Job *job;
    Kernel *k;
} Finish;

static void note(Finish *f, Buffer *b, bool write)
{
    for (size_t i = 0; i < f->k->writes.n; i++)
        if (f->k->writes.at[i] == b)
            return;
    if (write) {
        size_t kept = 0;
        for (size_t i = 0; i < f->k->reads.n; i++)
            if (f->k->reads.at[i] != b)
                f->k->reads.at[kept++] = f->k->reads.at[i];
        f->k->reads.n = kept;
        *vec_push(f->job, &f->k->writes) = b;
        return;
    }
    for (size_t i = 0; i < f->k->reads.n; i++)
        if (f->k->reads.at[i] == b)
            return;
    *vec_push(f->job, &f->k->reads) = b;
}

static void note_expr(Finish *f, const X *x)
{
    if (x->name) /* its S_LET is a statement of its own */
        return;
    if (x->kind == X_LOAD)
        note(f, x->buffer, false);
    for (uint32_t i = 0; i < x->n; i++)
        note_expr(f, x->arg[i]);
}

const Field *call_field(const Stmt *s, const char *name)
{
    for (size_t i = 0; s->kind == S_CALL && i < s->fields.n; i++)
        if (!strcmp(s->fields.at[i].name, name))
            return &s->fields.at[i];
    return NULL;
}

bool call_may_fail(const Stmt *s)
{
    bool routine = s->kind == S_CALL && s->text && (!strcmp(s->text, "aotk_routine") || !strcmp(s->text, "aot_custom"));
    return routine && !call_field(s, "tasks");
}

bool call_asks_features(const Stmt *s)
{
    return call_field(s, "features") != NULL;
}

static bool written_field(Sym name)
{
    return !strncmp(name, "out[", 4) || !strcmp(name, "work") || !strcmp(name, "c") || !strcmp(name, "y") || !strcmp(name, "dst");
}

static void note_block(Finish *f, const Block *b)
{
    for (const Stmt *s = b->first; s; s = s->next) {
        if (s->x)
            note_expr(f, s->x);
        if (s->kind == S_STORE)
            note(f, s->buffer, true);
        f->k->checks |= (s->kind == S_CHECK && s->text) || s->kind == S_ASSERT || call_may_fail(s);
        f->k->features |= call_asks_features(s);
        bool halo = s->kind == S_CALL && !strcmp(s->var, "aotk_zero_halo_f32");
        for (size_t i = 0; i < s->fields.n; i++)
            if (s->fields.at[i].buffer)
                note(f, s->fields.at[i].buffer, halo || written_field(s->fields.at[i].name));
        note_block(f, &s->body);
    }
}

void kernel_finish(Job *job, Kernel *k)
{
    kernel_nest(job, k);
    kernel_name_values(job, k);
    note_block(&(Finish){ job, k }, &k->body);
    kernel_split(job, k);
}
