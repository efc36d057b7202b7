/* SPDX-License-Identifier: MIT */
/* Loops that need nothing of each other, together: the two directions of a recurrent layer.
 *
 * A step of such a loop is short, and threads that share it wait for each other after each of its kernels.  A thread for
 * each loop waits once.  What stands between two loops of the schedule goes before both of them, unless it needs the
 * first: then it goes behind both.  The run decides by the number of its threads and by the sizes that it meets whether
 * loops that stand together also run so. */
#include "loop.h"

typedef struct Access {
    const Buffer *root;
    bool write;
} Access;

typedef struct Accesses {
    Job *job;
    VEC(Access) list;
    bool all; /* a size that the run finds: what follows may depend on it */
} Accesses;

static void add_access(Accesses *a, const Buffer *b, bool write)
{
    while (b->kind == BUFFER_PART)
        b = b->whole;
    if (b->kind != BUFFER_CONST)
        *vec_push(a->job, &a->list) = (Access){ b, write };
}

static void add_accesses(Accesses *a, const Items *items);

static void add_item(Accesses *a, const Item *i)
{
    const Loop *loop = i->loop;
    for (size_t k = 0; i->kernel && k < i->kernel->reads.n; k++)
        add_access(a, i->kernel->reads.at[k], false);
    for (size_t k = 0; i->kernel && k < i->kernel->writes.n; k++)
        add_access(a, i->kernel->writes.at[k], true);
    for (size_t k = 0; loop && k < loop->carried.n; k++) {
        add_access(a, loop->carried.at[k].now, true);
        add_access(a, loop->carried.at[k].next, true);
    }
    if (loop) {
        add_accesses(a, &loop->test);
        add_accesses(a, &loop->body);
    }
    if (i->condition)
        add_access(a, i->condition, false);
    a->all |= i->size != NULL;
    add_accesses(a, &i->then);
    add_accesses(a, &i->otherwise);
    add_accesses(a, &i->together);
}

static void add_accesses(Accesses *a, const Items *items)
{
    for (const Item *i = items->first; i; i = i->next)
        add_item(a, i);
}

/* Whether the order of the two matters. */
static bool depend(const Accesses *a, const Accesses *b)
{
    for (size_t i = 0; i < a->list.n; i++)
        for (size_t k = 0; k < b->list.n; k++)
            if (a->list.at[i].root == b->list.at[k].root && (a->list.at[i].write || b->list.at[k].write))
                return true;
    return a->all || b->all;
}

/* ---- what may run at the same time --------------------------------------------------------------------------- */

static bool is_anywhere(const Buffer *b)
{
    bool late = b->scratch;
    for (int d = 0; d < b->rank; d++)
        late |= idx_is_late(b->dim[d]);
    return !late;
}

/* Whether any thread may run all of it: it cannot fail, and wants no memory of the host or of the thread's own. */
static bool runs_anywhere(const Items *items)
{
    bool all = true;
    for (const Item *i = items->first; i; i = i->next) {
        const Kernel *k = i->kernel;
        all &= k ? !k->checks && !k->features : i->loop && i->loop->var && runs_anywhere(&i->loop->body);
        for (size_t j = 0; k && j < k->reads.n; j++)
            all &= is_anywhere(k->reads.at[j]);
        for (size_t j = 0; k && j < k->writes.n; j++)
            all &= is_anywhere(k->writes.at[j]);
    }
    return all;
}

static bool is_free_loop(const Item *i)
{
    return i->loop && i->loop->var && !idx_is_late(i->loop->extent) && runs_anywhere(&i->loop->body);
}

bool may_run_together(Job *job, const Items *items)
{
    Accesses before = { .job = job };
    for (const Item *i = items->first; i; i = i->next) {
        Accesses own = { .job = job };
        add_item(&own, i);
        if (!is_free_loop(i) || depend(&before, &own))
            return false;
        add_item(&before, i);
    }
    return items->first && items->first->next;
}

/* ---- bringing them together ------------------------------------------------------------------------------------ */

enum { BEFORE, MEMBER, BEHIND };

typedef struct Order { /* of items of a schedule, the first of which is a loop */
    Item *item;
    int place;
} Order;

typedef VEC(Order) Orders;

/* Finds loops that the first item can stand together with; returns how many items there are as far as the last one. */
static size_t find_members(Job *job, Item *first, Orders *orders)
{
    Accesses held = { .job = job }; /* by the loops, and by all that stays behind them */
    size_t end = 0;
    add_item(&held, first);
    *vec_push(job, orders) = (Order){ first, MEMBER };
    for (Item *i = first->next; i; i = i->next) {
        Accesses own = { .job = job };
        add_item(&own, i);
        bool apart = !depend(&held, &own), member = apart && is_free_loop(i);
        if (!apart && i->loop)
            break;
        if (!apart || member)
            add_item(&held, i);
        *vec_push(job, orders) = (Order){ i, member ? MEMBER : apart ? BEFORE : BEHIND };
        if (member)
            end = orders->n;
    }
    return end;
}

static void append(Items *to, Item *i)
{
    *(to->last ? &to->last->next : &to->first) = i;
    to->last = i;
    i->next = NULL;
}

static void append_placed(Items *to, const Orders *orders, size_t n, int place)
{
    for (size_t i = 0; i < n; i++)
        if (orders->at[i].place == place)
            append(to, orders->at[i].item);
}

static void find_in(Job *job, Items *items)
{
    for (Item *i = items->first; i; i = i->next) {
        find_in(job, &i->then);
        find_in(job, &i->otherwise);
        if (i->loop)
            find_in(job, &i->loop->body);
    }
    Items all = { 0 };
    for (Item *i = items->first, *next; i; i = next) {
        Orders orders = { 0 };
        size_t n = is_free_loop(i) ? find_members(job, i, &orders) : 0;
        next = n ? orders.at[n - 1].item->next : i->next;
        if (n) {
            Item *group = job_alloc(job, sizeof *group);
            append_placed(&group->together, &orders, n, MEMBER);
            append_placed(&all, &orders, n, BEFORE);
            append(&all, group);
            append_placed(&all, &orders, n, BEHIND);
        } else {
            append(&all, i);
        }
    }
    *items = all;
}

static void number_kernels(Program *p, const Items *items)
{
    for (const Item *i = items->first; i; i = i->next) {
        if (i->kernel)
            *vec_push(p->job, &p->kernels) = i->kernel;
        if (i->loop) {
            number_kernels(p, &i->loop->test);
            number_kernels(p, &i->loop->body);
        }
        number_kernels(p, &i->then);
        number_kernels(p, &i->otherwise);
        number_kernels(p, &i->together);
    }
}

void find_together(Program *p)
{
    find_in(p->job, &p->schedule);
    p->kernels.n = 0;
    number_kernels(p, &p->schedule);
}
