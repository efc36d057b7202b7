/* SPDX-License-Identifier: MIT */
/* Concatenations without copies: what is concatenated is computed where the result has it.
 *
 * Only of images that lie channels-last, along their channels: there strides are all that changes, and every kernel
 * takes strides. Concatenations are looked at from the last to the first, so that one which is itself a beginning of a
 * later one (each layer of a DenseNet reads all before it) is found to be there already. */
#include "lower.h"

enum { CHANNELS = 1 };

/* Somebody else decides about its memory, or changes it. */
static bool *find_taken(Lower *l, const Graph *g)
{
    bool *taken = job_array(l->job, g->values.n + 1, sizeof *taken);
    for (size_t i = 0; i < g->outputs.n; i++)
        if (g->outputs.at[i].value)
            taken[g->outputs.at[i].value->id] = true;
    for (size_t i = 0; i < g->effects.n; i++)
        taken[g->effects.at[i].value->id] = true;
    for each_node (n, g)
        if (n->op == OP_put || op_info[n->op].kind == CONTROL)
            for (uint32_t i = 0; i < n->in_count; i++)
                taken[n->in[i]->id] = true;
    return taken;
}

static bool is_ours(const Lower *l, const bool *taken, const Value *v)
{
    if (v->kind != VALUE_NODE || !l->realize[v->id] || !l->channels_last[v->id] || taken[v->id] || v->def->out_count != 1)
        return false;
    for (int i = 0; i < v->type.rank; i++)
        if (idx_is_late(v->type.dim[i]))
            return false;
    return op_info[v->def->op].kind != CONTROL && op_info[v->def->op].kind != ROUTINE && v->type.rank >= 3;
}

/* Whether all of n's operands lie one behind the other in one later concatenation. */
static bool is_there(Lower *l, const Node *n)
{
    const Join *first = &l->join[n->in[0]->id];
    const Idx *at = first->start;
    for (uint32_t i = 0; i < n->in_count; i++) {
        const Join *j = &l->join[n->in[i]->id];
        if (!first->whole || j->whole != first->whole || j->start != at)
            return false;
        at = idx_add(l->job, at, n->in[i]->type.dim[CHANNELS]);
    }
    return n->in_count > 0;
}

void choose_joins(Lower *l, Graph *g)
{
    bool *taken = find_taken(l, g);
    for (Node *n = g->last; n; n = n->prev) {
        Value *c = n->out_count ? n->out[0] : NULL;
        if (n->op != OP_cat || node_int(n, "dim", 0) != CHANNELS || !is_ours(l, taken, c))
            continue;
        if (is_there(l, n)) {
            const Join *first = &l->join[n->in[0]->id];
            if (!l->join[c->id].whole && l->halo[c->id] <= l->halo[first->whole->id])
                l->join[c->id] = *first;
            continue;
        }
        const Idx *start = idx_const(l->job, 0);
        for (uint32_t i = 0; i < n->in_count; i++) {
            Value *v = n->in[i];
            Join *j = &l->join[v->id];
            if (is_ours(l, taken, v) && !j->whole && l->halo[v->id] <= l->halo[c->id])
                *j = (Join){ c, start, NULL };
            start = idx_add(l->job, start, v->type.dim[CHANNELS]);
        }
    }
}

Buffer *join_buffer(Lower *l, Value *v)
{
    Join *j = &l->join[v->id];
    if (j->buffer || !j->whole)
        return j->buffer;
    Buffer *whole = join_buffer(l, j->whole), *b = j->buffer = job_alloc(l->job, sizeof *b);
    if (!whole)
        whole = l->join[j->whole->id].buffer = buffer_new(l, j->whole, BUFFER_WORK, true, l->halo[j->whole->id]);
    *b = *whole;
    b->name = v->name;
    b->kind = BUFFER_PART;
    b->whole = whole;
    b->start = idx_mul(l->job, j->start, whole->stride[CHANNELS]);
    b->dim[CHANNELS] = v->type.dim[CHANNELS];
    *vec_push(l->job, &l->p->parts) = b;
    *vec_push(l->job, &l->p->fixed) = b;
    return b;
}

bool is_joined(const Buffer *part, const Buffer *whole, const Idx *start, int axis, Job *job)
{
    const Idx *at = idx_const(job, 0), *wanted = idx_mul(job, start, whole->stride[axis]);
    for (; part && part->kind == BUFFER_PART; part = part->whole)
        at = idx_add(job, at, part->start);
    for (; whole->kind == BUFFER_PART; whole = whole->whole)
        wanted = idx_add(job, wanted, whole->start);
    return part == whole && at == wanted;
}
