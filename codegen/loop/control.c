/* SPDX-License-Identifier: MIT */
/* Operators with regions: branches and loops of the schedule, and the lifetimes that follow from it.
 *
 * A region reads its operands' buffers and writes into the buffers that it is given, so nothing is copied to enter or
 * to leave a branch.  A loop reads slices of operands and writes slices of results in place, too: parts, whose start
 * moves with the loop's variable.  What it carries has two buffers, because a body may read all of the old value after
 * it wrote some of the new; they change places behind each iteration. */
#include "lower.h"
#include <string.h>

/* ---- regions ----------------------------------------------------------------------------------------------------- */

static Buffer *operand_buffer(Lower *l, Value *v)
{
    if (v->kind == VALUE_CONST && !v->buffer)
        v->buffer = const_buffer(l, v);
    return v->buffer;
}

static Items lower_region(Lower *l, Graph *region, Buffer **out)
{
    Items items = { 0 };
    Lower inner = { .p = l->p, .job = l->job, .items = &items, .outer = l };
    lower_graph(&inner, region, out);
    return items;
}

static void lower_cond(Lower *l, Node *n, Buffer **out)
{
    Affine pred = value_memory(l, n->in[0], -1);
    for (int b = 0; b < 2; b++)
        for (uint32_t i = 1; i < n->in_count; i++)
            n->region[b]->inputs.at[i - 1].value->buffer = operand_buffer(l, n->in[i]);
    Items then = lower_region(l, n->region[0], out), otherwise = lower_region(l, n->region[1], out);
    item_add(l, (Item){ .condition = pred.buffer, .then = then, .otherwise = otherwise });
}

/* ---- loops ------------------------------------------------------------------------------------------------------- */

/* a[at, ...] as a buffer of its own. */
static Buffer *part_of(Lower *l, Loop *loop, Sym name, const Affine *a, const Type *t, const Idx *at)
{
    Job *job = l->job;
    Buffer *b = job_alloc(job, sizeof *b);
    *b = (Buffer){ .name = name, .kind = BUFFER_PART, .dtype = t->dtype, .rank = t->rank - 1, .whole = a->buffer };
    b->elements = idx_const(job, 1);
    b->offset = idx_const(job, 0);
    b->start = idx_add(job, a->offset, idx_mul(job, at, a->stride[0]));
    b->first = b->last = -1;
    for (int i = 0; i < b->rank; i++) {
        b->dim[i] = t->dim[i + 1];
        b->stride[i] = a->stride[i + 1];
        b->elements = idx_mul(job, b->elements, b->dim[i]);
    }
    b->bytes = idx_mulk(job, b->elements, dtype_info[b->dtype].bytes);
    *vec_push(job, &loop->parts) = b;
    *vec_push(job, &l->p->parts) = b;
    return b;
}

/* Buffers for what goes from one iteration to the next; the first holds the operand. */
static Buffer *carry(Lower *l, Loop *loop, Value *first, const Value *result, Value *inside)
{
    Value v = { .name = inside->name, .type = result->type };
    Buffer *now = buffer_new(l, &v, BUFFER_WORK, false, 0);
    v.name = sym_printf(l->job, "%s_next", inside->name);
    Buffer *next = buffer_new(l, &v, BUFFER_WORK, false, 0);
    store_value(l, first, now);
    *vec_push(l->job, &loop->carried) = (Carry){ now, next };
    inside->buffer = now;
    return next;
}

static void lower_loop(Lower *l, Node *n, Buffer **out)
{
    Job *job = l->job;
    uint32_t carried = (uint32_t)node_int(n, "carried", 0), sliced = (uint32_t)node_int(n, "sliced", 0);
    Graph *body = n->region[0], *test = n->region_count == 2 ? n->region[1] : NULL;
    Loop *loop = job_alloc(job, sizeof *loop);
    Buffer **to = job_array(job, n->out_count, sizeof *to);
    const Idx *at = NULL;
    if (!test) {
        loop->extent = node_idx(n, "count", 0);
        loop->var = idx_fresh(job, "iter");
        at = idx_var(job, loop->var, loop->extent);
        if (node_int(n, "reverse", 0))
            at = idx_sub(job, idx_addk(job, loop->extent, -1), at);
    }
    for (uint32_t i = 0; i < n->in_count; i++) {
        Value *inside = body->inputs.at[i].value;
        if (i < carried) {
            to[i] = carry(l, loop, n->in[i], n->out[i], inside);
        } else if (i < carried + sliced) {
            Affine a = value_memory(l, n->in[i], -1);
            inside->buffer = part_of(l, loop, inside->name, &a, &n->in[i]->type, at);
        } else {
            inside->buffer = operand_buffer(l, n->in[i]);
        }
        if (test)
            test->inputs.at[i].value->buffer = inside->buffer;
    }
    for (uint32_t i = carried; i < n->out_count; i++) {
        if (!n->out[i]->uses)
            continue;
        Affine a = { .buffer = out[i], .offset = out[i]->offset };
        memcpy(a.stride, out[i]->stride, sizeof a.stride);
        to[i] = part_of(l, loop, sym_printf(job, "%s_at", n->out[i]->name), &a, &n->out[i]->type, at);
    }
    if (test) {
        Value go = { .name = test->outputs.at[0].value->name, .type = { .dtype = DT_bool } };
        loop->condition = buffer_new(l, &go, BUFFER_WORK, false, 0);
        loop->test = lower_region(l, test, &loop->condition);
    }
    loop->body = lower_region(l, body, to);
    item_add(l, (Item){ .loop = loop });
    for (uint32_t i = 0; i < carried; i++) {
        if (!n->out[i]->uses)
            continue;
        Value *last = job_alloc(job, sizeof *last);
        *last = (Value){ .name = n->out[i]->name, .type = n->out[i]->type, .buffer = loop->carried.at[i].now };
        store_value(l, last, out[i]);
    }
}

bool reads_memory(const Node *n, uint32_t operand)
{
    return n->op != OP_loop || operand >= node_int(n, "carried", 0) + node_int(n, "sliced", 0);
}

void lower_control(Lower *l, Node *n, Buffer **out)
{
    (n->op == OP_cond ? lower_cond : lower_loop)(l, n, out);
}

/* ---- lifetimes --------------------------------------------------------------------------------------------------- */

static void use(Buffer *b, int position)
{
    while (b->kind == BUFFER_PART)
        b = b->whole;
    if (b->first < 0)
        b->first = position;
    b->last = position;
}

static void number_items(Program *p, const Items *items);

static void number_loop(Program *p, Loop *loop, int start)
{
    number_items(p, &loop->test);
    if (loop->condition)
        use(loop->condition, p->positions - 1);
    number_items(p, &loop->body);
    for (size_t i = 0; i < p->works.n; i++) { /* what comes into the loop is there in its last iteration, too */
        Buffer *b = p->works.at[i];
        if (b->first >= 0 && b->first < start && b->last >= start)
            b->last = p->positions - 1;
    }
    for (size_t i = 0; i < loop->parts.n; i++) { /* and what it makes bit by bit, from its first */
        Buffer *b = loop->parts.at[i];
        while (b->kind == BUFFER_PART)
            b = b->whole;
        if (b->last >= start) {
            b->first = b->first > start ? start : b->first;
            b->last = p->positions - 1;
        }
    }
    for (size_t i = 0; i < loop->carried.n; i++) {
        use(loop->carried.at[i].now, p->positions - 1);
        use(loop->carried.at[i].next, p->positions - 1);
    }
}

/* All that is used in one of them lives as long as all of them. */
static void number_together(Program *p, const Items *items, int start)
{
    number_items(p, items);
    for (size_t i = 0; i < p->works.n; i++) {
        Buffer *b = p->works.at[i];
        if (b->last >= start) {
            b->first = b->first > start ? start : b->first;
            b->last = p->positions - 1;
        }
    }
}

static void number_items(Program *p, const Items *items)
{
    for (Item *i = items->first; i; i = i->next) {
        i->position = p->positions++;
        if (i->loop) {
            number_loop(p, i->loop, i->position);
        } else if (i->together.first) {
            number_together(p, &i->together, i->position);
        } else if (i->size) {
            use(i->found, i->position);
        } else if (!i->kernel) {
            use(i->condition, i->position);
            number_items(p, &i->then);
            number_items(p, &i->otherwise);
        } else {
            for (size_t j = 0; j < i->kernel->reads.n; j++)
                use(i->kernel->reads.at[j], i->position);
            for (size_t j = 0; j < i->kernel->writes.n; j++)
                use(i->kernel->writes.at[j], i->position);
        }
    }
}

/* Either buffer may hold what the other did. */
static void number_carried(const Items *items)
{
    for (const Item *i = items->first; i; i = i->next) {
        number_carried(&i->then);
        number_carried(&i->otherwise);
        number_carried(&i->together);
        if (!i->loop)
            continue;
        number_carried(&i->loop->test);
        number_carried(&i->loop->body);
        for (size_t k = 0; k < i->loop->carried.n; k++) {
            Buffer *a = i->loop->carried.at[k].now, *b = i->loop->carried.at[k].next;
            a->first = b->first = a->first < b->first ? a->first : b->first;
            a->last = b->last = a->last > b->last ? a->last : b->last;
        }
    }
}

void number_schedule(Program *p)
{
    number_items(p, &p->schedule);
    number_carried(&p->schedule);
}
