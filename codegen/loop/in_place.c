/* SPDX-License-Identifier: MIT */
/* Where `put` may write into its operand's memory instead of a copy: a cache that every layer of a decoder changes is
 * then copied once, not once a layer. */
#include "lower.h"

static bool reads_any(const bool *set, const Node *n, uint32_t first)
{
    bool any = false;
    for (uint32_t i = first; i < n->in_count; i++)
        any |= set[n->in[i]->id];
    return any;
}

/* Whether something reads `base` behind n, or n itself other than to change it.  A value without memory is read where
 * its readers are. */
static bool is_read_later(Lower *l, Graph *g, const Node *n, const Value *base)
{
    bool *set = job_array(l->job, g->values.n + 1, sizeof *set), behind = false;
    set[base->id] = true;
    for each_node (m, g) {
        bool memory = l->realize[m->out[0]->id];
        if (reads_any(set, m, m == n) && (m == n || (memory && behind)))
            return true;
        behind |= m == n;
        for (uint32_t i = 0; i < m->out_count && m != n && !memory && reads_any(set, m, 0); i++)
            set[m->out[i]->id] = true;
    }
    for (size_t i = 0; i < g->outputs.n; i++)
        if (g->outputs.at[i].value && set[g->outputs.at[i].value->id])
            return true;
    for (size_t i = 0; i < g->effects.n; i++)
        if (set[g->effects.at[i].value->id])
            return true;
    return false;
}

Buffer *put_in_place(Lower *l, Graph *g, const Node *n)
{
    if (n->op != OP_put)
        return NULL;
    const Value *base = n->in[0], *v = n->out[0];
    Buffer *b = base->kind == VALUE_NODE && op_info[base->def->op].kind != CONTROL ? base->buffer : NULL;
    if (!b || b->kind != BUFFER_WORK || b->channels_last != l->channels_last[v->id] || l->halo[v->id])
        return NULL;
    for (int i = 0; i < b->rank; i++)
        if (b->halo[i])
            return NULL;
    for (size_t i = 0; i < g->outputs.n; i++)
        if (g->outputs.at[i].value == v)
            return NULL;
    return is_read_later(l, g, n, base) ? NULL : b;
}
