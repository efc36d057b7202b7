/* SPDX-License-Identifier: MIT */
/* Takes and leaves core graphs.  Sizes that operators need to agree, and that nothing proves, become guards: an archive
 * says what it likes, and no kernel reads or writes outside of a tensor for it.  Cost: one walk. */
#include "passes.h"
#include <string.h>

typedef struct Guards {
    Graph *top;
    const Node *at;
} Guards;

static void require(Guards *s, const Idx *a, GuardRel rel, const Idx *b)
{
    Job *job = s->top->job;
    if (rel == GUARD_EQ ? a == b : idx_provably_le(job, a, b))
        return;
    for (size_t i = 0; i < s->top->guards.n; i++) {
        const Guard *u = &s->top->guards.at[i];
        if (u->rel == rel && ((u->a == a && u->b == b) || (rel == GUARD_EQ && u->a == b && u->b == a)))
            return;
    }
    const Origin *o = &s->at->origin;
    Sym text = sym_printf(job, "the sizes of %s fit together", o->target ? o->target : op_info[s->at->op].name);
    *vec_push(job, &s->top->guards) = (Guard){ .rel = rel, .a = a, .b = b, .text = text };
}

/* Operands from `first` on broadcast; with `out`, to that type. */
static void agree(Guards *s, Value *const *in, uint32_t n, const Type *out)
{
    for (int d = 1; d <= MAX_RANK; d++) {
        const Idx *size = out && d <= out->rank ? out->dim[out->rank - d] : NULL;
        for (uint32_t i = 0; i < n; i++) {
            const Type *t = &in[i]->type;
            const Idx *x = d <= t->rank ? t->dim[t->rank - d] : NULL;
            if (!x || idx_is(x, 1))
                continue;
            size = size ? size : x;
            require(s, x, GUARD_EQ, size);
        }
    }
}

static void same(Guards *s, const Type *a, const Type *b)
{
    for (int i = 0; i < a->rank && i < b->rank; i++)
        require(s, a->dim[i], GUARD_EQ, b->dim[i]);
}

/* The first and the last element of each axis lie inside, if there are any. */
static void within(Guards *s, const Node *n)
{
    Job *job = s->top->job;
    for (int i = 0; i < n->out[0]->type.rank; i++) {
        const Idx *first = node_idx(n, "starts", (size_t)i), *step = node_idx(n, "steps", (size_t)i);
        const Idx *more = idx_addk(job, n->out[0]->type.dim[i], -1), *last = idx_add(job, first, idx_mul(job, more, step));
        bool down = step->lo < 0;
        require(s, idx_const(job, 0), GUARD_LE, down ? last : first);
        require(s, idx_addk(job, down ? first : last, 1), GUARD_LE, n->in[0]->type.dim[i]);
    }
}

static void contraction(Guards *s, const Node *n)
{
    Job *job = s->top->job;
    const Type *a = &n->in[0]->type, *b = &n->in[1]->type;
    if (n->op == OP_conv) {
        require(s, a->dim[1], GUARD_EQ, idx_mulk(job, b->dim[1], node_int(n, "groups", 0)));
        return;
    }
    require(s, a->dim[a->rank - 1], GUARD_EQ, b->dim[b->rank - 2]);
    for (int d = 3; d <= a->rank && d <= b->rank; d++)
        if (!idx_is(a->dim[a->rank - d], 1) && !idx_is(b->dim[b->rank - d], 1))
            require(s, a->dim[a->rank - d], GUARD_EQ, b->dim[b->rank - d]);
}

static void attention(Guards *s, const Node *n)
{
    const Type *q = &n->in[0]->type, *key = &n->in[1]->type, *v = &n->in[2]->type, *out = &n->out[0]->type;
    require(s, q->dim[q->rank - 1], GUARD_EQ, key->dim[key->rank - 1]);
    require(s, key->dim[key->rank - 2], GUARD_EQ, v->dim[v->rank - 2]);
    const Type *m = n->in_count > 3 ? &n->in[3]->type : NULL;
    if (m && !idx_is(m->dim[m->rank - 2], 1))
        require(s, m->dim[m->rank - 2], GUARD_EQ, key->dim[key->rank - 2]);
    if (m && !idx_is(m->dim[m->rank - 1], 1))
        require(s, m->dim[m->rank - 1], GUARD_EQ, q->dim[q->rank - 2]);
    for (uint32_t i = 0; i < n->in_count; i++) {
        const Type *t = &n->in[i]->type;
        for (int d = 3; d <= t->rank; d++)
            if (!idx_is(t->dim[t->rank - d], 1))
                require(s, t->dim[t->rank - d], GUARD_EQ, out->dim[out->rank - d]);
    }
}

static void guard_graph(Graph *top, Graph *g)
{
    Job *job = top->job;
    for each_node (n, g) {
        Guards s = { top, n };
        const Type *t = &n->out[0]->type;
        OpKind kind = op_info[n->op].kind;
        Type rule;
        if (kind == POINTWISE || n->op == OP_expand)
            agree(&s, n->in, n->in_count, t);
        else if (type_infer(job, n, &rule))
            same(&s, &rule, t);
        if (n->op == OP_reshape)
            require(&s, type_count(job, &n->in[0]->type), GUARD_EQ, type_count(job, t));
        if (n->op == OP_slice)
            within(&s, n);
        if (n->op == OP_attention)
            attention(&s, n);
        else if (kind == CONTRACT)
            contraction(&s, n);
        if (kind == GATHER || kind == SCATTER)
            agree(&s, n->in + n->in_count - node_attr(n, "axes")->n, (uint32_t)node_attr(n, "axes")->n, NULL);
        if (n->op == OP_put) {
            rule = type_indexed(job, n, 2);
            same(&s, &n->in[1]->type, &rule);
        }
        for (uint32_t i = 0; i < n->region_count; i++)
            guard_graph(top, n->region[i]);
        for (uint32_t i = 0; i < n->region_count && n->op == OP_cond; i++)
            for (size_t j = 0; j < n->region[i]->inputs.n + n->out_count; j++) {
                size_t out = j - n->region[i]->inputs.n;
                bool in = j < n->region[i]->inputs.n;
                const Value *v = in ? n->region[i]->inputs.at[j].value : n->region[i]->outputs.at[out].value;
                if (v)
                    same(&s, &v->type, in ? &n->in[j + 1]->type : &n->out[out]->type);
            }
    }
}

void pass_guard_sizes(Graph *g)
{
    guard_graph(g, g);
}
