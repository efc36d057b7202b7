/* SPDX-License-Identifier: MIT */
/* Which kernels several threads may share, and how much work a kernel is: operators, flops, bytes.
 *
 * A kernel splits when each statement of its outermost block does: a loop whose iterations are apart does a range of
 * them, a call that takes `task` and `tasks` does its part, and values that were hoisted are computed by every task.
 * Parts write disjoint elements, and an element is computed the same way whatever the number of tasks, so results do
 * not depend on it. */
#include "loop.h"
#include <string.h>

enum { MOST_LOOPS = 64 };

typedef struct Work {
    Job *job;
    Sym loop[MOST_LOOPS]; /* variables of the loops around */
    int depth, inside;    /* inside: the size that is looked at names one of them */
} Work;

static void see_symbol(void *ctx, const Idx *s)
{
    Work *w = ctx;
    for (int i = 0; i < w->depth; i++)
        w->inside |= w->loop[i] == s->sym;
}

/* A size as the model's symbols say it; its bound where it depends on a loop. */
static const Idx *outside(Work *w, const Idx *size)
{
    w->inside = 0;
    idx_symbols(size, see_symbol, w);
    return w->inside ? idx_const(w->job, size->hi) : size;
}

static int64_t operators(const X *x)
{
    int64_t n = 0;
    if (x->kind == X_OP)
        n = x->op == OP_div || x->op == OP_sqrt || x->op == OP_rsqrt ? 4 : x->op >= OP_exp && x->op <= OP_erfc ? 12 : 1;
    if (x->kind == X_LOAD)
        n = 1;
    for (uint32_t i = 0; i < x->n; i++)
        n += x->arg[i]->name ? 0 : operators(x->arg[i]);
    return n;
}

static const Idx *field(const Stmt *s, const char *name)
{
    const Field *f = call_field(s, name);
    return f ? f->idx : NULL;
}

/* What is counted: scalar operators for `work`, floating point operations of contractions for `flops`; DONE: the same,
 * but Winograd's algorithm as it computes, not as the convolution that it stands for. */
typedef enum Count { WORK, FLOPS, DONE } Count;

static const Idx *sizes_product(Work *w, const Stmt *s, const char *const *size)
{
    const Idx *product = idx_const(w->job, 1);
    for (; *size; size++)
        product = idx_mul(w->job, product, outside(w, field(s, *size)));
    return product;
}

enum { READ = 2 }; /* floats of weights that are read in the time of one scalar operator */

/* The sizes whose product is a call's work, how many of its steps take the time of one scalar operator, the floating
 * point operations of a step, and the sizes of the weights: with few rows, reading them is the work. */
static const Idx *call_count(Work *w, const Stmt *s, Count what)
{
    static const struct {
        const char *type, *size[8];
        int steps, flops;
        const char *weights[5];
    } calls[] = { { "aotk_igemm", { "m0", "m1", "m2", "n", "taps_h", "taps_w", "seg" }, 12, 2, { "n", "taps_h", "taps_w", "seg" } },
                  { "aotk_winograd", { "n", "oh", "ow", "planes", "cin", "cout" }, 3, 18, { NULL } },
                  { "aotk_attention", { "n0", "n1", "n2", "l", "s", "e" }, 6, 4, { NULL } },
                  { "aotk_depthwise", { "n", "oh", "ow", "c", "group", "kh", "kw" }, 4, 2, { NULL } },
                  { "aotk_pool", { "n", "oh", "ow", "c", "kh", "kw" }, 4, 0, { NULL } },
                  { "aotk_copy4", { "n[0]", "n[1]", "n[2]", "n[3]" }, 1, 0, { NULL } } };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (!s->text || strcmp(calls[i].type, s->text) != 0)
            continue;
        const Idx *work = sizes_product(w, s, calls[i].size);
        if (field(s, "groups")) /* a call's are some of the rows */
            work = idx_div(w->job, work, field(s, "groups"));
        int64_t tile = 0;
        if (what == DONE && !strcmp(s->text, "aotk_winograd") && idx_is_const(field(s, "tile"), &tile))
            return idx_div(w->job, idx_mulk(w->job, work, 2 * (tile + 2) * (tile + 2)), idx_const(w->job, tile * tile));
        if (what != WORK)
            return idx_mulk(w->job, work, calls[i].flops);
        work = idx_div(w->job, work, idx_const(w->job, calls[i].steps));
        if (calls[i].weights[0])
            work = idx_add(w->job, work, idx_div(w->job, sizes_product(w, s, calls[i].weights), idx_const(w->job, READ)));
        return work;
    }
    enum { STEPS = 12 }; /* of sorting and of Fourier transforms, for each element */
    const Idx *work = idx_const(w->job, what == WORK && field(s, "tasks") ? STEPS : 0);
    for (size_t i = 0; i < s->fields.n; i++)
        if (s->fields.at[i].idx && !strncmp(s->fields.at[i].name, "in[0].n", strlen("in[0].n")))
            work = idx_mul(w->job, work, outside(w, s->fields.at[i].idx));
    return work;
}

static const Idx *block_count(Work *w, const Block *b, Count what)
{
    const Idx *sum = idx_const(w->job, 0);
    for (const Stmt *s = b->first; s; s = s->next) {
        const Idx *one = idx_const(w->job, what == WORK && s->x ? (s->x->name ? 0 : operators(s->x)) + 1 : 0);
        if (s->kind == S_CALL)
            one = call_count(w, s, what);
        if (s->kind == S_FOR && w->depth < MOST_LOOPS) {
            const Idx *times = outside(w, s->extent);
            w->loop[w->depth++] = s->var;
            one = idx_mul(w->job, times, block_count(w, &s->body, what));
            w->depth--;
        }
        sum = idx_add(w->job, sum, one);
    }
    return sum;
}

const Idx *kernel_flops(Job *job, const Kernel *k, bool done)
{
    return block_count(&(Work){ .job = job }, &k->body, done ? DONE : FLOPS);
}

/* ---- bytes ----------------------------------------------------------------------------------------------- */

typedef struct Traffic {
    Work work;
    VEC(struct Touched {
        const Buffer *buffer;
        const Idx *times;
    }) buffers;
} Traffic;

/* `times` accesses of a buffer; NULL: all of it. */
static void touch(Traffic *t, const Buffer *b, const Idx *times)
{
    Job *job = t->work.job;
    size_t i = 0;
    if (b->scratch)
        return;
    while (i < t->buffers.n && t->buffers.at[i].buffer != b)
        i++;
    if (i == t->buffers.n)
        *vec_push(job, &t->buffers) = (struct Touched){ b, idx_const(job, 0) };
    const Idx **sum = &t->buffers.at[i].times;
    *sum = *sum == b->elements || !times ? b->elements : idx_min(job, idx_add(job, *sum, times), b->elements);
}

static void touch_loads(Traffic *t, const X *x, const Idx *times)
{
    if (x->kind == X_LOAD)
        touch(t, x->buffer, times);
    for (uint32_t i = 0; i < x->n; i++)
        if (!x->arg[i]->name)
            touch_loads(t, x->arg[i], times);
}

static void touch_block(Traffic *t, const Block *b, const Idx *times)
{
    for (const Stmt *s = b->first; s; s = s->next) {
        if (s->x && (s->kind == S_LET || !s->x->name))
            touch_loads(t, s->x, times);
        if (s->kind == S_STORE)
            touch(t, s->buffer, times);
        for (size_t i = 0; s->kind == S_CALL && i < s->fields.n; i++)
            if (s->fields.at[i].buffer)
                touch(t, s->fields.at[i].buffer, NULL);
        if (s->kind == S_FOR && t->work.depth < MOST_LOOPS) {
            const Idx *extent = outside(&t->work, s->extent);
            t->work.loop[t->work.depth++] = s->var;
            touch_block(t, &s->body, times && extent->hi != INT64_MAX ? idx_mul(t->work.job, times, extent) : NULL);
            t->work.depth--;
        }
    }
}

const Idx *kernel_bytes(Job *job, const Kernel *k)
{
    Traffic t = { .work = { .job = job } };
    const Idx *sum = idx_const(job, 0);
    touch_block(&t, &k->body, idx_const(job, 1));
    for (size_t i = 0; i < t.buffers.n; i++)
        sum = idx_add(job, sum,
                      idx_mulk(job, t.buffers.at[i].times, dtype_info[t.buffers.at[i].buffer->dtype].bytes));
    return sum;
}

/* ---- sharing --------------------------------------------------------------------------------------------- */

void kernel_split(Job *job, Kernel *k)
{
    enum { LEAST = 2 * SPLIT_WORK };
    bool any = false, all = !k->checks;
    for (const Stmt *s = k->body.first; s && all; s = s->next) {
        bool part = s->kind == S_FOR ? s->apart : s->kind == S_CALL && field(s, "tasks");
        all = part || s->kind == S_LET;
        any |= part;
    }
    Work w = { .job = job };
    k->work = block_count(&w, &k->body, WORK);
    k->splits = all && any && k->work->hi >= LEAST;
}
