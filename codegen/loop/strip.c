/* SPDX-License-Identifier: MIT */
/* Strip mining: an innermost loop over axes that a reshape made one, for k < 784 with k // 28 and k % 28 in its indices,
 * becomes two, for k < 28 and l < 28 with 28*k + l for k.  Then addresses move by constant steps, which vectors can
 * follow, and divisions disappear.  Order and results stay. */
#include "loop.h"
#include <ctype.h>
#include <string.h>

enum { SHORTEST = 8 }; /* iterations of the inner loop: fewer would cost more than the divisions */

typedef struct Mapped { /* an expression that changes in the loop; to: NULL as long as the length is not known */
    const X *from, *to;
} Mapped;

typedef struct Strip {
    Job *job;
    const Idx *var, *extent;          /* of the loop */
    const Idx *length;                /* of the inner loop; NULL: none was found */
    const Idx *outer, *inner, *value; /* the new variables, and what the old one is */
    int level;                        /* of the loop's block */
    VEC(Mapped) mapped;
} Strip;

/* ---- which length ------------------------------------------------------------------------------------------ */

static void see_idx(Strip *s, const Idx *a)
{
    const Idx *rows, *c = a->op == IDX_DIV || a->op == IDX_MOD ? a->arg[1] : NULL;
    if (c && a->arg[0] == s->var && c != s->extent && c->hi >= SHORTEST && (!s->length || c->hi < s->length->hi) &&
        idx_divisible(s->job, s->extent, c, &rows))
        s->length = c;
    for (uint32_t i = 0; i < a->n; i++)
        see_idx(s, a->arg[i]);
}

static size_t place_of(const Strip *s, const X *x)
{
    size_t i = 0;
    while (i < s->mapped.n && s->mapped.at[i].from != x)
        i++;
    return i;
}

static void see_x(Strip *s, const X *x)
{
    if (x->level < s->level || place_of(s, x) < s->mapped.n)
        return;
    *vec_push(s->job, &s->mapped) = (Mapped){ x, NULL };
    if (x->idx)
        see_idx(s, x->idx);
    for (uint32_t i = 0; i < x->n; i++)
        see_x(s, x->arg[i]);
}

/* ---- the new loops ----------------------------------------------------------------------------------------- */

static const Idx *new_idx(const Strip *s, const Idx *a)
{
    return idx_subst(s->job, a, s->var, s->value);
}

static const X *new_x(Strip *s, const X *x)
{
    if (x->level < s->level)
        return x;
    size_t at = place_of(s, x);
    if (s->mapped.at[at].to)
        return s->mapped.at[at].to;
    X *to = job_alloc(s->job, sizeof *to);
    *to = *x;
    to->level = s->level;
    if (x->idx) {
        to->idx = new_idx(s, x->idx);
        to->level += idx_uses(to->idx, s->inner);
    }
    for (uint32_t i = 0; i < x->n; i++) {
        to->arg[i] = new_x(s, x->arg[i]);
        to->level = to->arg[i]->level > to->level ? to->arg[i]->level : to->level;
    }
    return s->mapped.at[at].to = to;
}

static const Idx *new_var(Strip *s, const Idx *extent)
{
    size_t n = 0;
    while (isalpha((unsigned char)s->var->sym[n]))
        n++;
    return idx_var(s->job, idx_fresh(s->job, job_copy(s->job, s->var->sym, n)), extent);
}

static void strip_loop(Job *job, Stmt *loop, int level)
{
    Strip s = { .job = job, .var = idx_find(job, loop->var), .extent = loop->extent, .level = level };
    const Idx *rows;
    for (const Stmt *i = loop->body.first; i; i = i->next) {
        if (i->kind != S_STORE && i->kind != S_UPDATE)
            return;
        see_x(&s, i->x);
        if (i->kind == S_STORE)
            see_idx(&s, i->idx);
    }
    if (!s.length)
        return;
    if (!idx_divisible(job, loop->extent, s.length, &rows))
        bug("a loop of other rows than were found");
    s.outer = new_var(&s, rows);
    s.inner = new_var(&s, s.length);
    s.value = idx_add(job, idx_mul(job, s.outer, s.length), s.inner);
    Stmt *inner = job_alloc(job, sizeof *inner);
    *inner = *loop;
    inner->next = NULL;
    inner->var = s.inner->sym;
    inner->extent = s.length;
    for (Stmt *i = inner->body.first; i; i = i->next) {
        i->x = new_x(&s, i->x);
        if (i->kind == S_STORE)
            i->idx = new_idx(&s, i->idx);
    }
    loop->var = s.outer->sym;
    loop->extent = rows;
    loop->body = (Block){ inner, inner };
}

static bool strip_block(Job *job, Block *b, int level)
{
    bool loops = false;
    for (Stmt *s = b->first; s; s = s->next) {
        if (s->kind != S_FOR)
            continue;
        loops = true;
        if (!strip_block(job, &s->body, level + 1))
            strip_loop(job, s, level + 1);
    }
    return loops;
}

void kernel_strip(Job *job, Kernel *k)
{
    strip_block(job, &k->body, 0);
}
