/* SPDX-License-Identifier: MIT */
/* Offsets of the work buffers in one workspace, by lifetime.
 *
 * Takes a program with lifetimes; leaves Buffer.at and Program.workspace.  When every size is a constant times one
 * common factor (all constant; or all proportional to the batch), the classic greedy by size places each buffer, the
 * largest first, at the lowest offset free during its life (Pisarchyk and Lee, arXiv:2001.03288), in units of the
 * factor.  Else buffers share slots: each takes the free slot last used by an equal size, or a new one; a slot is as
 * large as the largest of its buffers.  All offsets are multiples of 64 bytes.  Cost: quadratic in the buffers.
 * Behind them lies what kernels need for scratch, all at one place: they run one after another. */
#include "loop.h"
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

typedef struct Placed {
    Buffer *b;
    int64_t size, at; /* in units of the factor */
    size_t order;
} Placed;

static bool overlap(const Buffer *a, const Buffer *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* size = coefficient * factor + constant?  Only pure products are taken. */
static bool split_factor(Job *job, const Idx *size, const Idx **factor, int64_t *k)
{
    if (size->op == IDX_CONST) {
        *factor = idx_const(job, 1);
        *k = size->k;
        return true;
    }
    if (size->op == IDX_SUM && (size->n != 1 || size->k))
        return false;
    *factor = size->op == IDX_SUM ? size->arg[0] : size;
    *k = size->op == IDX_SUM ? size->coef[0] : 1;
    return *k > 0;
}

static int by_size(const void *a, const void *b)
{
    const Placed *x = a, *y = b;
    if (x->size != y->size)
        return x->size < y->size ? 1 : -1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static int64_t lowest_free(const Placed *all, size_t done, const Placed *p)
{
    int64_t at = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < done; i++)
            if (overlap(all[i].b, p->b) && at < all[i].at + all[i].size && all[i].at < at + p->size) {
                at = all[i].at + all[i].size;
                moved = true;
            }
    }
    return at;
}

static void place_by_size(Program *p, Placed *all, size_t n, const Idx *factor)
{
    int64_t total = 0;
    qsort(all, n, sizeof *all, by_size);
    for (size_t i = 0; i < n; i++) {
        all[i].at = lowest_free(all, i, &all[i]);
        if (!add_i64(all[i].at, all[i].size, &total) || total > INT64_MAX / 4)
            fail(p->job, EXIT_INPUT, "%s: the work memory overflows 64 bits; the model's sizes are out of range",
                 p->name);
    }
    total = 0;
    for (size_t i = 0; i < n; i++) {
        all[i].b->at = idx_mulk(p->job, factor, all[i].at);
        total = all[i].at + all[i].size > total ? all[i].at + all[i].size : total;
    }
    p->workspace = idx_mulk(p->job, factor, total);
}

const Idx *buffer_room(Job *job, const Buffer *b)
{
    const Idx *room = idx_at_entry(job, b->bytes);
    return room && room->op == IDX_CONST && room->k > INT64_MAX / 4 && idx_is_late(b->bytes) ? NULL : room;
}

typedef struct Slot {
    const Idx *size;
    int free_after;
    VEC(Buffer *) users;
} Slot;

static void place_in_slots(Program *p, Buffer **all, size_t n)
{
    VEC(Slot) slots = { 0 };
    for (size_t i = 0; i < n; i++) {
        Buffer *b = all[i];
        const Idx *size = idx_ceil_to(p->job, buffer_room(p->job, b), ALIGNMENT);
        Slot *best = NULL;
        for (size_t j = 0; j < slots.n; j++) {
            Slot *s = &slots.at[j];
            if (s->free_after < b->first && (!best || (s->size == size && best->size != size)))
                best = s;
        }
        if (!best) {
            best = vec_push(p->job, &slots);
            *best = (Slot){ .size = size };
        }
        best->size = idx_max(p->job, best->size, size);
        best->free_after = b->last;
        *vec_push(p->job, &best->users) = b;
    }
    p->workspace = idx_const(p->job, 0);
    for (size_t j = 0; j < slots.n; j++) {
        for (size_t i = 0; i < slots.at[j].users.n; i++)
            slots.at[j].users.at[i]->at = p->workspace;
        p->workspace = idx_add(p->job, p->workspace, slots.at[j].size);
    }
}

static int by_first(const void *a, const void *b)
{
    const Buffer *x = *(Buffer *const *)a, *y = *(Buffer *const *)b;
    return x->first < y->first ? -1 : x->first > y->first;
}

void plan_memory(Program *p)
{
    size_t n = 0;
    Buffer **all = job_array(p->job, p->works.n + 1, sizeof *all);
    for (size_t i = 0; i < p->works.n; i++)
        if (p->works.at[i]->first >= 0 && !p->works.at[i]->task && buffer_room(p->job, p->works.at[i]))
            all[n++] = p->works.at[i];
    Placed *placed = job_array(p->job, n + 1, sizeof *placed);
    const Idx *common = NULL, *factor = NULL;
    bool proportional = true;
    for (size_t i = 0; i < n && proportional; i++) {
        placed[i] = (Placed){ .b = all[i], .order = i };
        proportional = split_factor(p->job, buffer_room(p->job, all[i]), &factor, &placed[i].size) && (!common || common == factor);
        common = factor;
        if (proportional && placed[i].size > INT64_MAX / 4)
            fail(p->job, EXIT_INPUT, "%s: the work memory overflows 64 bits; the model's sizes are out of range",
                 p->name);
        placed[i].size = (placed[i].size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
    if (!n) {
        p->workspace = idx_const(p->job, 0);
    } else if (proportional) {
        place_by_size(p, placed, n, common);
    } else {
        qsort(all, n, sizeof *all, by_first);
        place_in_slots(p, all, n);
    }
    p->task_bytes = idx_const(p->job, 0);
    size_t kept = 0; /* buffers nobody uses are gone */
    for (size_t i = 0; i < p->works.n; i++) {
        Buffer *b = p->works.at[i];
        if (b->first < 0)
            continue;
        p->works.at[kept++] = b;
        if (b->task) {
            b->at = p->workspace;
            p->task_bytes = idx_max(p->job, p->task_bytes, idx_ceil_to(p->job, buffer_room(p->job, b), ALIGNMENT));
        }
    }
    p->works.n = kept;
    p->workspace = idx_add(p->job, p->workspace, p->task_bytes);
}
