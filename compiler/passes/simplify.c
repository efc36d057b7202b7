/* SPDX-License-Identifier: MIT */
/* Takes and leaves core graphs.  Chains of views merge, views that change nothing vanish, equal nodes become one,
 * what nobody reads goes.  Laws: a rewrite keeps values, type and bits; it never makes the graph longer.
 * Cost: one walk; a node's key is its text. */
#include "passes.h"
#include <string.h>


static Value *merged_view(Build *b, Node *n)
{
    if (!n->in_count)
        return NULL;
    Value *x = n->in[0];
    Node *d = x->kind == VALUE_NODE ? x->def : NULL;
    const Type *t = &n->out[0]->type;
    if ((n->op == OP_reshape || n->op == OP_expand || n->op == OP_cast) && type_same(t, &x->type))
        return x;
    if (n->op == OP_reshape && d && d->op == OP_reshape)
        return build_reshape(b, d->in[0], t->rank, t->dim);
    if (n->op == OP_expand && d && d->op == OP_expand)
        return build_expand(b, d->in[0], t->rank, t->dim);
    if (n->op != OP_permute)
        return NULL;
    int dims[MAX_RANK];
    bool same = true;
    for (int i = 0; i < t->rank; i++) {
        dims[i] = (int)node_int(n, "dims", (size_t)i);
        same &= dims[i] == i;
    }
    if (same)
        return x;
    if (!d || d->op != OP_permute)
        return NULL;
    for (int i = 0; i < t->rank; i++)
        dims[i] = (int)node_int(d, "dims", (size_t)dims[i]);
    return build_permute(b, d->in[0], dims);
}

static Sym node_key(Graph *g, const Node *n)
{
    Text t;
    text_init(&t, g->job);
    text_add(&t, "%s ", op_info[n->op].name);
    type_print(&t, &n->out[0]->type);
    for (uint32_t i = 0; i < n->in_count; i++)
        text_add(&t, " %u", n->in[i]->id);
    for (size_t i = 0; i < n->attrs.n; i++) {
        const Attr *a = &n->attrs.at[i];
        text_add(&t, " %s", a->name);
        if (a->kind == ATTR_FLOAT)
            text_add(&t, "=%a", a->number);
        else if (a->kind == ATTR_TEXT)
            text_add(&t, "=%s", a->text);
        else
            for (size_t j = 0; j < a->n; j++)
                text_add(&t, ",#%u", a->idx[j]->id);
    }
    return sym(g->job, t.at);
}

typedef struct Seen {
    Sym *key;
    Value **value;
    size_t size, used;
} Seen;

/* The value of an equal node, or NULL after noting this one. */
static Value *seen_before(Job *job, Seen *s, Sym key, Value *v)
{
    if (s->used * 2 >= s->size) {
        Seen big = { .size = s->size ? s->size * 2 : 256 };
        big.key = job_array(job, big.size, sizeof *big.key);
        big.value = job_array(job, big.size, sizeof *big.value);
        for (size_t i = 0; i < s->size; i++)
            if (s->key[i])
                seen_before(job, &big, s->key[i], s->value[i]);
        *s = big;
    }
    size_t at = ((uintptr_t)key >> 4) * 0x9E3779B97F4A7C15u >> 20 & (s->size - 1);
    for (; s->key[at]; at = (at + 1) & (s->size - 1))
        if (s->key[at] == key)
            return s->value[at];
    s->key[at] = key;
    s->value[at] = v;
    s->used++;
    return NULL;
}

static Value *current(Value **now, size_t count, Value *v)
{
    while (v->id < count && now[v->id])
        v = now[v->id];
    return v;
}

/* Removes nodes whose results nobody reads; uses must be counted. */
static void remove_dead(Graph *g)
{
    graph_count_uses(g);
    for (Node *n = g->last, *prev; n; n = prev) {
        prev = n->prev;
        bool used = n->op == OP_size; /* it gives a symbol its value, or fails */
        for (uint32_t i = 0; i < n->out_count; i++)
            used |= n->out[i]->uses > 0;
        if (used)
            continue;
        for (uint32_t i = 0; i < n->in_count; i++)
            n->in[i]->uses--;
        graph_remove(g, n);
    }
    size_t kept = 0;
    for (size_t i = 0; i < g->consts.n; i++)
        if (g->consts.at[i]->uses)
            g->consts.at[kept++] = g->consts.at[i];
    g->consts.n = kept;
}

static void rewrite(Graph *g, bool merge)
{
    Seen seen = { 0 };
    size_t room = g->values.n * 2 + 64;
    Value **now = job_array(g->job, room, sizeof *now);
    for (Node *n = g->first, *next; n; n = next) {
        next = n->next;
        for (uint32_t i = 0; i < n->in_count; i++)
            n->in[i] = current(now, room, n->in[i]);
        for (uint32_t i = 0; i < n->region_count; i++)
            merge ? pass_simplify(n->region[i]) : pass_prune(n->region[i]);
        if (n->region_count || n->out_count != 1 || n->out[0]->id >= room)
            continue;
        Build b = { g, n, n->origin, n->out[0]->name };
        Value *v = merge ? merged_view(&b, n) : NULL;
        if (v && v->kind == VALUE_NODE && v->def->next == n && v->id < room) { /* a merged view may equal one that stands already */
            Value *same = seen_before(g->job, &seen, node_key(g, v->def), v);
            v = same ? same : v;
        }
        if (!v)
            v = seen_before(g->job, &seen, node_key(g, n), n->out[0]);
        if (v)
            now[n->out[0]->id] = v;
    }
    for (size_t i = 0; i < g->outputs.n; i++)
        if (g->outputs.at[i].value)
            g->outputs.at[i].value = current(now, room, g->outputs.at[i].value);
    size_t kept = 0;
    for (size_t i = 0; i < g->effects.n; i++) {
        Effect e = g->effects.at[i];
        double known = 0;
        e.value = current(now, room, e.value);
        bool idle = e.kind == EFFECT_CHECK ? value_is_full(e.value, &known) && known != 0 : e.value == e.target;
        if (!idle)
            g->effects.at[kept++] = e;
    }
    g->effects.n = kept;
    remove_dead(g);
}

void pass_simplify(Graph *g)
{
    rewrite(g, true);
}

/* Takes and leaves core graphs: the second half of simplify, for what later passes leave behind. */
void pass_prune(Graph *g)
{
    rewrite(g, false);
}
