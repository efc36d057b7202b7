/* SPDX-License-Identifier: MIT */
/* Loops in the order of memory; what is computed stays.
 *
 * Strip mining: an innermost loop over axes that a reshape made one, for k < 784 with k // 28 and k % 28 in its indices,
 * becomes two, for k < 28 and l < 28 with 28*k + l for k.  Then addresses move by constant steps, which vectors can
 * follow, and divisions disappear.
 *
 * Interchange: the reduction of rows, for each of j columns a sum over k that moves by whole rows, becomes for each k
 * the sum of a row and of the results so far, in blocks of columns: threads share those. */
#include "loop.h"
#include <ctype.h>
#include <string.h>

enum {
    SHORTEST = 8,      /* iterations of an inner loop: fewer would cost more than what they save */
    LONGEST = 1 << 16, /* numbers that are added one after the other: rounding adds up */
    MOST_LOOPS = 8     /* of a reduction */
};

typedef struct Mapped { /* an expression that changes; to: NULL as long as it is only seen */
    const X *from, *to;
} Mapped;

/* How expressions change with the loops around them: those of lower levels do not. */
typedef struct Nest {
    Job *job;
    int level;                    /* of the block of the outermost loop that changes */
    const Idx *var, *value;       /* a variable, and what it becomes */
    const Idx *at[MOST_LOOPS + 2]; /* the new variables, */
    int levels[MOST_LOOPS + 2];   /* and of which blocks they are */
    int vars;
    VEC(Mapped) mapped;
} Nest;

static size_t place_of(const Nest *s, const X *x)
{
    size_t i = 0;
    while (i < s->mapped.n && s->mapped.at[i].from != x)
        i++;
    return i;
}

/* Whether x changes in the loops and was not seen yet; it is now. */
static bool see_first(Nest *s, const X *x)
{
    if (x->level < s->level || place_of(s, x) < s->mapped.n)
        return false;
    *vec_push(s->job, &s->mapped) = (Mapped){ x, NULL };
    return true;
}

static const Idx *new_idx(const Nest *s, const Idx *a)
{
    return s->value ? idx_subst(s->job, a, s->var, s->value) : a;
}

static const X *new_x(Nest *s, const X *x)
{
    if (x->level < s->level)
        return x;
    size_t at = place_of(s, x);
    if (s->mapped.at[at].to)
        return s->mapped.at[at].to;
    X *to = job_alloc(s->job, sizeof *to);
    *to = *x;
    to->level = s->level;
    to->idx = x->idx ? new_idx(s, x->idx) : NULL;
    for (int i = 0; i < s->vars && x->idx; i++)
        if (s->levels[i] > to->level && idx_uses(to->idx, s->at[i]))
            to->level = s->levels[i];
    for (uint32_t i = 0; i < x->n; i++) {
        to->arg[i] = new_x(s, x->arg[i]);
        to->level = to->arg[i]->level > to->level ? to->arg[i]->level : to->level;
    }
    return s->mapped.at[at].to = to;
}

static const Idx *new_var(Nest *s, Sym like, const Idx *extent)
{
    size_t n = 0;
    while (isalpha((unsigned char)like[n]))
        n++;
    return idx_var(s->job, idx_fresh(s->job, job_copy(s->job, like, n)), extent);
}

static void add_var(Nest *s, const Idx *var, int level)
{
    s->at[s->vars] = var;
    s->levels[s->vars++] = level;
}

/* A loop with one statement as its body, or none yet. */
static Stmt *new_loop(Job *job, const Idx *var, bool apart, Stmt *body)
{
    Stmt *s = job_alloc(job, sizeof *s);
    *s = (Stmt){ .kind = S_FOR, .var = var->sym, .extent = var->extent, .apart = apart, .body = { body, body } };
    return s;
}

/* ---- strip mining ------------------------------------------------------------------------------------------ */

/* Whether an inner loop of c iterations is better than one of `other`, or than none: the shortest that is worth it, else
 * one so short, and known, that the compiler unrolls it. */
static bool is_better(const Idx *c, const Idx *other)
{
    bool worth = c->hi >= SHORTEST, before = other && other->hi >= SHORTEST;
    if (!worth && (c->op != IDX_CONST || c->k < 2))
        return false;
    return !other || worth > before || (worth == before && c->hi < other->hi);
}

/* The best divisor of `var` in a; *length: the best so far. */
static void find_length(Job *job, const Idx *var, const Idx *a, const Idx **length)
{
    const Idx *rows, *c = a->op == IDX_DIV || a->op == IDX_MOD ? a->arg[1] : NULL;
    if (c && a->arg[0] == var && c != var->extent && is_better(c, *length) && idx_divisible(job, var->extent, c, &rows))
        *length = c;
    for (uint32_t i = 0; i < a->n; i++)
        find_length(job, var, a->arg[i], length);
}

static void find_length_x(Nest *s, const X *x, const Idx **length)
{
    if (!see_first(s, x))
        return;
    if (x->idx)
        find_length(s->job, s->var, x->idx, length);
    for (uint32_t i = 0; i < x->n; i++)
        find_length_x(s, x->arg[i], length);
}

static void strip(Job *job, Stmt *loop, int level)
{
    Nest s = { .job = job, .level = level, .var = idx_find(job, loop->var) };
    const Idx *rows, *length = NULL;
    for (const Stmt *i = loop->body.first; i; i = i->next) {
        if (i->kind != S_STORE && i->kind != S_UPDATE)
            return;
        find_length_x(&s, i->x, &length);
        if (i->kind == S_STORE)
            find_length(job, s.var, i->idx, &length);
    }
    if (!length || !idx_divisible(job, loop->extent, length, &rows))
        return;
    const Idx *outer = new_var(&s, loop->var, rows), *inner = new_var(&s, loop->var, length);
    s.value = idx_add(job, idx_mul(job, outer, length), inner);
    add_var(&s, inner, level + 1);
    Stmt *inside = new_loop(job, inner, loop->apart, NULL);
    inside->body = loop->body;
    for (Stmt *i = inside->body.first; i; i = i->next) {
        i->x = new_x(&s, i->x);
        if (i->kind == S_STORE)
            i->idx = new_idx(&s, i->idx);
    }
    loop->var = outer->sym;
    loop->extent = rows;
    loop->body = (Block){ inside, inside };
}

/* ---- interchange ------------------------------------------------------------------------------------------- */

/* for column: acc = start; for each of `loop`: acc = op(acc, x); buffer[idx] = acc */
typedef struct Reduction {
    Stmt *acc, *update, *store;
    const Idx *loop[MOST_LOOPS]; /* their variables, the outermost first */
    int loops;
} Reduction;

static bool match_reduction(Job *job, const Stmt *column, Reduction *r)
{
    Stmt *s = column->body.first;
    *r = (Reduction){ .acc = s };
    if (!s || s->kind != S_ACC || s->x->kind != X_NUM || !s->next || s->next->kind != S_FOR)
        return false;
    r->store = s->next->next;
    int64_t times = 1;
    for (s = s->next; s && s->kind == S_FOR; s = s->body.first) {
        if (r->loops == MOST_LOOPS || s->body.first != s->body.last || !mul_i64(times, s->extent->hi, &times) || times > LONGEST)
            return false;
        r->loop[r->loops++] = idx_find(job, s->var);
    }
    r->update = s;
    const Stmt *to = r->store;
    return s && s->kind == S_UPDATE && s->var == r->acc->var && to && to->kind == S_STORE && !to->next && !to->update &&
           to->x->kind == X_VAR && to->x->var == r->acc->var && to->buffer->dtype == r->acc->dtype && s->x->dtype == r->acc->dtype;
}

typedef struct Steps {
    bool adjacent, apart, other; /* loads step by one with the column; by a row with the loop inside; neither */
} Steps;

static void see_steps(Nest *s, const X *x, const Idx *column, const Idx *inside, Steps *steps)
{
    int64_t by, row;
    if (!see_first(s, x))
        return;
    if (x->kind == X_LOAD) {
        bool known = idx_step(s->job, x->idx, column, &by) && (by == 0 || by == 1);
        steps->other |= !known;
        steps->adjacent |= known && by == 1;
        steps->apart |= known && by == 1 && (!idx_step(s->job, x->idx, inside, &row) || row > 1 || row < -1);
    }
    for (uint32_t i = 0; i < x->n; i++)
        see_steps(s, x->arg[i], column, inside, steps);
}

/* The longest of some lengths that divides the columns into several blocks; NULL: none does. */
static const Idx *block_length(Job *job, const Idx *columns)
{
    const Idx *blocks;
    for (int64_t n = 256; n >= 32; n /= 2)
        if (columns->lo > n && idx_divisible(job, columns, idx_const(job, n), &blocks))
            return idx_const(job, n);
    return NULL;
}

/* Turns `column`, a loop whose block is of `level`, into the loops of blocks of columns, if there are, of the reduction
 * and of columns. */
static void interchange(Job *job, Stmt *column, int level)
{
    Reduction r;
    Steps steps = { 0 };
    Nest s = { .job = job, .level = level, .var = idx_find(job, column->var) };
    if (!column->apart || column->extent->hi < 2 * SHORTEST || !match_reduction(job, column, &r))
        return;
    see_steps(&s, r.update->x, s.var, r.loop[r.loops - 1], &steps);
    const Idx *length = block_length(job, column->extent), *blocks = NULL, *block = NULL;
    int64_t by;
    if (steps.other || !steps.adjacent || !steps.apart || !idx_step(job, r.store->idx, s.var, &by) || by != 1 ||
        (!length && level == 1)) /* threads would have nothing to share */
        return;
    if (length && idx_divisible(job, column->extent, length, &blocks)) {
        block = new_var(&s, column->var, blocks);
        add_var(&s, block, level);
    } else {
        length = column->extent;
    }
    const Idx *first = new_var(&s, column->var, length), *j = new_var(&s, column->var, length);
    const Idx *begin = block ? idx_mul(job, block, length) : idx_const(job, 0);
    int depth = block ? level + 1 : level;
    for (int i = 0; i < r.loops; i++)
        add_var(&s, r.loop[i], depth + i);
    add_var(&s, j, depth + r.loops);
    s.value = idx_add(job, begin, j);

    Stmt *start = job_alloc(job, sizeof *start), *sum = job_alloc(job, sizeof *sum);
    *start = *r.store;
    start->idx = idx_subst(job, r.store->idx, s.var, idx_add(job, begin, first));
    start->x = r.acc->x;
    *sum = *r.store;
    sum->idx = new_idx(&s, r.store->idx);
    sum->x = new_x(&s, r.update->x);
    sum->op = r.update->op;
    sum->update = true;
    Stmt *inside = new_loop(job, j, true, sum);
    for (int i = r.loops; i-- > 0;)
        inside = new_loop(job, r.loop[i], false, inside);
    Stmt *starts = new_loop(job, first, true, start);
    starts->next = inside;
    if (block) {
        column->var = block->sym;
        column->extent = blocks;
        column->body = (Block){ starts, inside };
    } else {
        inside->next = column->next;
        column->var = starts->var;
        column->extent = starts->extent;
        column->body = starts->body;
        column->next = inside;
    }
}

static bool nest_block(Job *job, Block *b, int level)
{
    bool loops = false;
    for (Stmt *s = b->first; s; s = s->next) {
        if (s->kind != S_FOR)
            continue;
        loops = true;
        if (!nest_block(job, &s->body, level + 1))
            strip(job, s, level + 1);
        else
            interchange(job, s, level + 1);
        while (b->last->next)
            b->last = b->last->next;
    }
    return loops;
}

void kernel_nest(Job *job, Kernel *k)
{
    nest_block(job, &k->body, 0);
}
