/* SPDX-License-Identifier: MIT */
/* Offsets of the work buffers in one workspace, by lifetime.
 *
 * Takes a program with lifetimes; leaves Buffer.at, Program.workspace and scratch_bytes.  The least that any plan needs is
 * the largest sum of buffers that live at once.  Buffers are placed one after the other where they fit first or best
 * (Pisarchyk and Lee, arXiv:2001.03288), in several orders, and the arrangement that comes nearest to the least is kept.
 * Sizes that are no constants are looked at for a few values of their symbols.  What is kept of an arrangement is who
 * lies above whom: the offsets are the longest ways up to a buffer, maximums of sums of sizes, hence right for all values.
 * All offsets are multiples of 64 bytes.  Cost: quadratic in the buffers.
 * Behind them lies what kernels need for scratch, all at one place: they run one after another. */
#include "loop.h"
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64, POINTS = 3, ORDERS = 4, REPAIRS = 100, MOST_TERMS = 12, MOST_WORK = 50 * 1000 * 1000 };
static const int64_t point_values[POINTS] = { 64, 8, 1000 }; /* of every symbol, as far as its range permits */
#define HUGE_SIZE (INT64_MAX / 4)
#define NEAR 1.002 /* good enough */

typedef struct Place {
    Buffer *b;
    const Idx *raw, *size;   /* bytes, and rounded up to the alignment */
    int64_t bytes[POINTS];
    int64_t at, end;         /* in the arrangement at hand, at its point */
    int64_t ends[POINTS];
    int64_t live[POINTS];    /* bytes that live when it begins to */
    double key, second;      /* of the order at hand, the greatest first */
    size_t index;
} Place;

typedef struct Plan {
    Program *p;
    Place **all; /* in the order at hand */
    size_t n;
    int points;
    int64_t least[POINTS]; /* the largest sum of live buffers */
    Place **best;  /* the arrangement so far */
    double ratio;  /* of what it needs to the least */
    double work;   /* spent on finding it */
} Plan;

static bool overlap(const Place *x, const Place *y)
{
    return x->b->first <= y->b->last && y->b->first <= x->b->last;
}

const Idx *buffer_room(Job *job, const Buffer *b)
{
    const Idx *room = idx_at_entry(job, b->bytes);
    return room && room->op == IDX_CONST && room->k > INT64_MAX / 4 && idx_is_late(b->bytes) ? NULL : room;
}

/* ---- sizes at points -------------------------------------------------------------------------------------- */

typedef struct Point {
    Job *job;
    int64_t value;
} Point;

static bool value_at(void *ctx, Sym name, int64_t *out)
{
    const Point *point = ctx;
    const Idx *s = idx_find(point->job, name);
    if (!s)
        return false;
    *out = point->value < s->lo ? s->lo : point->value > s->hi ? s->hi : point->value;
    return true;
}

static void measure(Plan *m, Place *x)
{
    for (int k = 0; k < m->points; k++) {
        Point point = { m->p->job, point_values[k] };
        if (!idx_eval(x->size, value_at, &point, &x->bytes[k]) || x->bytes[k] > HUGE_SIZE)
            x->bytes[k] = HUGE_SIZE;
        if (x->bytes[k] < 0)
            x->bytes[k] = 0;
        if (x->size->op == IDX_CONST && x->bytes[k] == HUGE_SIZE)
            fail(m->p->job, EXIT_INPUT, "%s: the work memory overflows 64 bits; the model's sizes are out of range",
                 m->p->name);
    }
}

static int64_t sum_of(int64_t a, int64_t b)
{
    int64_t sum;
    return !add_i64(a, b, &sum) || sum > HUGE_SIZE ? HUGE_SIZE : sum;
}

/* Whether x begins while y lives. */
static bool begins_in(const Place *x, const Place *y)
{
    return y->b->first <= x->b->first && x->b->first <= y->b->last;
}

static void sum_live(Plan *m)
{
    for (size_t i = 0; i < m->n; i++)
        for (int k = 0; k < m->points; k++) {
            Place *x = m->all[i];
            for (size_t j = 0; j < m->n; j++)
                if (begins_in(x, m->all[j]))
                    x->live[k] = sum_of(x->live[k], m->all[j]->bytes[k]);
            m->least[k] = x->live[k] > m->least[k] ? x->live[k] : m->least[k];
        }
}

/* ---- one arrangement ------------------------------------------------------------------------------------------ */

static int by_key(const void *a, const void *b)
{
    const Place *x = *(Place *const *)a, *y = *(Place *const *)b;
    if (x->key != y->key)
        return x->key < y->key ? 1 : -1;
    if (x->second != y->second)
        return x->second < y->second ? 1 : -1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* The largest first; or those of the fullest step; or by size times life; or as they come. */
static void sort_by(Plan *m, int order, int point)
{
    for (size_t i = 0; i < m->n; i++) {
        Place *x = m->all[i];
        int64_t fullest = 0;
        for (size_t k = 0; order == 1 && k < m->n; k++)
            if (m->all[k]->live[point] > fullest && begins_in(m->all[k], x))
                fullest = m->all[k]->live[point];
        double size = (double)x->bytes[point], life = x->b->last - x->b->first + 1;
        x->key = order == 0 ? size : order == 1 ? (double)fullest : order == 2 ? size * life : -x->b->first;
        x->second = size;
    }
    qsort(m->all, m->n, sizeof *m->all, by_key);
}

/* Places each into the first gap, or into the smallest one, among those that live at the same time. */
static void place(Plan *m, int point, bool smallest)
{
    Place **placed = job_array(m->p->job, m->n, sizeof *placed);
    for (size_t i = 0; i < m->n; i++) {
        Place *x = m->all[i];
        int64_t size = x->bytes[point], free_from = 0, best = INT64_MAX;
        x->at = -1;
        size_t slot = i;
        for (size_t k = 0; k < i; k++) {
            const Place *y = placed[k];
            if (!overlap(x, y))
                continue;
            if (y->at - free_from >= size && y->at - free_from < best && (x->at < 0 || smallest)) {
                x->at = free_from;
                best = y->at - free_from;
            }
            free_from = y->end > free_from ? y->end : free_from;
        }
        x->at = x->at < 0 ? free_from : x->at;
        x->end = sum_of(x->at, size);
        for (; slot && placed[slot - 1]->at > x->at; slot--)
            placed[slot] = placed[slot - 1];
        placed[slot] = x;
    }
    memcpy(m->all, placed, m->n * sizeof *placed);
}

/* How far an arrangement, sorted by place, is from the least where that is worst. */
static double quality(Plan *m)
{
    double worst = 1;
    for (int k = 0; k < m->points; k++) {
        int64_t total = 0;
        for (size_t i = 0; i < m->n; i++) {
            int64_t at = 0;
            for (size_t j = 0; j < i; j++)
                if (m->all[j]->ends[k] > at && overlap(m->all[i], m->all[j]))
                    at = m->all[j]->ends[k];
            m->all[i]->ends[k] = sum_of(at, m->all[i]->bytes[k]);
            total = m->all[i]->ends[k] > total ? m->all[i]->ends[k] : total;
        }
        double ratio = m->least[k] ? (double)total / (double)m->least[k] : 1;
        worst = ratio > worst ? ratio : worst;
    }
    return worst;
}

/* Places everything in the order at hand and keeps the arrangement if it is the best.  False: enough was tried. */
static bool attempt(Plan *m, int point, bool smallest)
{
    place(m, point, smallest);
    double ratio = quality(m);
    if (ratio < m->ratio) {
        m->ratio = ratio;
        memcpy(m->best, m->all, m->n * sizeof *m->best);
    }
    m->work += (double)m->n * (double)m->n * (m->points + 1);
    return m->ratio > NEAR && m->work < MOST_WORK;
}

/* Leaves the best arrangement that was found in m->all, sorted by place.  Each order is repaired for a while: what reaches
 * the top is placed first the next time. */
static void arrange(Plan *m)
{
    Place **order = job_array(m->p->job, m->n, sizeof *order);
    bool more = true;
    m->best = job_array(m->p->job, m->n, sizeof *m->best);
    m->ratio = 1e300;
    for (int try = 0; try < 2 * ORDERS * m->points && more; try++) {
        int point = try / (2 * ORDERS);
        sort_by(m, try / 2 % ORDERS, point);
        memcpy(order, m->all, m->n * sizeof *order);
        more = attempt(m, point, try % 2);
        for (int k = 0; k < REPAIRS && more; k++) {
            size_t top = 0;
            for (size_t i = 1; i < m->n; i++)
                if (order[i]->end > order[top]->end)
                    top = i;
            Place *first = order[top];
            memmove(order + 1, order, top * sizeof *order);
            order[0] = first;
            memcpy(m->all, order, m->n * sizeof *order);
            more = attempt(m, point, try % 2);
        }
    }
    memcpy(m->all, m->best, m->n * sizeof *m->all);
}

/* ---- offsets for all sizes ---------------------------------------------------------------------------------------- */

/* A sum of sizes, and what it is at least and at most without divisions, which proofs cannot see through. */
typedef struct Term {
    const Idx *sum, *least, *most;
} Term;

typedef VEC(Term) Terms; /* their maximum */

static void add_term(Job *job, Terms *t, Term x)
{
    size_t kept = 0;
    for (size_t i = 0; i < t->n; i++)
        if (idx_provably_le(job, x.most, t->at[i].least) || idx_provably_le(job, x.sum, t->at[i].sum))
            return;
    for (size_t i = 0; i < t->n; i++)
        if (!idx_provably_le(job, t->at[i].most, x.least) && !idx_provably_le(job, t->at[i].sum, x.sum))
            t->at[kept++] = t->at[i];
    t->n = kept;
    *vec_push(job, t) = x;
}

static const Idx *greatest(Job *job, const Terms *t)
{
    const Idx *at = t->at[0].sum;
    for (size_t i = 1; i < t->n; i++)
        at = idx_max(job, at, t->at[i].sum);
    return at;
}

/* Adds the ways to the end of x, given those to its start. */
static void add_ends(Job *job, Terms *to, const Terms *start, const Place *x)
{
    int64_t slack = x->size == x->raw ? 0 : ALIGNMENT - 1;
    for (size_t i = 0; i < start->n; i++) {
        Term t = start->at[i];
        add_term(job, to, (Term){ idx_add(job, t.sum, x->size), idx_add(job, t.least, x->raw),
                                  idx_addk(job, idx_add(job, t.most, x->raw), slack) });
    }
}

/* Whether what lies at x's end reaches y only through another one. */
static bool is_between(const Plan *m, size_t x, size_t y)
{
    for (size_t i = x + 1; i < y; i++)
        if (overlap(m->all[i], m->all[x]) && overlap(m->all[i], m->all[y]))
            return true;
    return false;
}

static void offsets(Plan *m)
{
    Job *job = m->p->job;
    const Idx *zero = idx_const(job, 0);
    Terms *starts = job_array(job, m->n, sizeof *starts), whole = { 0 };
    add_term(job, &whole, (Term){ zero, zero, zero });
    for (size_t i = 0; i < m->n; i++) {
        add_term(job, &starts[i], (Term){ zero, zero, zero });
        for (size_t k = i; k-- > 0;)
            if (overlap(m->all[i], m->all[k]) && !is_between(m, k, i))
                add_ends(job, &starts[i], &starts[k], m->all[k]);
        m->all[i]->b->at = greatest(job, &starts[i]);
        if (starts[i].n > MOST_TERMS) { /* one term from here on */
            starts[i].n = 1;
            starts[i].at[0] = (Term){ m->all[i]->b->at, m->all[i]->b->at, m->all[i]->b->at };
        }
        add_ends(job, &whole, &starts[i], m->all[i]);
    }
    m->p->workspace = greatest(job, &whole);
    if (m->p->workspace->op == IDX_CONST && m->p->workspace->k > HUGE_SIZE)
        fail(job, EXIT_INPUT, "%s: the work memory overflows 64 bits; the model's sizes are out of range", m->p->name);
}

void plan_memory(Program *p)
{
    Plan m = { .p = p, .points = 1 };
    m.all = job_array(p->job, p->works.n + 1, sizeof *m.all);
    for (size_t i = 0; i < p->works.n; i++) {
        Buffer *b = p->works.at[i];
        const Idx *room = b->first >= 0 && !b->scratch ? buffer_room(p->job, b) : NULL;
        if (!room)
            continue;
        Place *x = m.all[m.n] = job_alloc(p->job, sizeof *x);
        *x = (Place){ .b = b, .raw = room, .size = idx_ceil_to(p->job, room, ALIGNMENT), .index = m.n };
        m.n++;
        if (room->op != IDX_CONST)
            m.points = POINTS;
    }
    for (size_t i = 0; i < m.n; i++)
        measure(&m, m.all[i]);
    sum_live(&m);
    if (m.n)
        arrange(&m);
    offsets(&m);
    p->scratch_bytes = idx_const(p->job, 0);
    size_t kept = 0; /* buffers nobody uses are gone */
    for (size_t i = 0; i < p->works.n; i++) {
        Buffer *b = p->works.at[i];
        if (b->first < 0)
            continue;
        p->works.at[kept++] = b;
        if (b->scratch) {
            b->at = p->workspace;
            p->scratch_bytes = idx_max(p->job, p->scratch_bytes, idx_ceil_to(p->job, buffer_room(p->job, b), ALIGNMENT));
        }
    }
    p->works.n = kept;
    p->workspace = idx_add(p->job, p->workspace, p->scratch_bytes);
}
