/* SPDX-License-Identifier: MIT */
/* Takes and leaves core graphs.  conv(x, w) * s, with s constant per channel, becomes conv(x, w * s); a shift between
 * (conv + b) * s becomes conv' + b * s, and (conv + b) + c becomes conv + (b + c).  So a batch norm behind a
 * convolution is arithmetic on constants, which fold_constants does.  Jacob et al., arXiv:1712.05877, section 3.2. */
#include "passes.h"

/* v is constant and varies along axis 1 of a tensor of `rank` dimensions only. */
static bool per_channel(const Value *v, int rank)
{
    const Type *t = &v->type;
    if (!value_is_constant(v) || t->rank < rank - 1 || t->rank > rank)
        return false;
    for (int i = 0; i < t->rank; i++)
        if (i != t->rank - rank + 1 && !idx_is(t->dim[i], 1))
            return false;
    return true;
}

/* The operand of n (add or mul) that is per channel, and the other. */
static bool split(const Node *n, Value **x, Value **c)
{
    for (int i = 0; i < 2; i++)
        if (per_channel(n->in[1 - i], n->out[0]->type.rank) && !value_is_constant(n->in[i])) {
            *x = n->in[i];
            *c = n->in[1 - i];
            return true;
        }
    return false;
}

static Node *only_use_of(Value *v, Op op)
{
    return v->kind == VALUE_NODE && v->def->op == op && v->uses == 1 ? v->def : NULL;
}

/* The channel values [C] shaped [C, 1, 1, ...] to scale a weight's first axis. */
static Value *scale_weight(Build *b, Value *w, Value *c)
{
    const Idx *dim[MAX_RANK] = { w->type.dim[0] };
    for (int i = 1; i < w->type.rank; i++)
        dim[i] = idx_const(b->g->job, 1);
    return build2(b, OP_mul, w, build_reshape(b, c, w->type.rank, dim));
}

static Value *scaled_conv(Build *b, const Node *conv, Value *c)
{
    Value *in[2] = { conv->in[0], scale_weight(b, conv->in[1], c) };
    Build at = *b;
    at.origin = conv->origin;
    Value *v = build(&at, OP_conv, in, 2, NULL, conv->attrs.at, conv->attrs.n);
    graph_swap_names(b->g, v, conv->out[0]);
    return v;
}

static Value *folded(Build *b, Node *n)
{
    Value *x, *c, *y, *d;
    if ((n->op != OP_mul && n->op != OP_add) || !split(n, &x, &c))
        return NULL;
    Node *conv = only_use_of(x, OP_conv), *add = only_use_of(x, OP_add);
    if (n->op == OP_mul && conv && value_is_constant(conv->in[1]))
        return scaled_conv(b, conv, c);
    if (!add || !split(add, &y, &d))
        return NULL;
    Node *base = only_use_of(y, OP_conv);
    if (n->op == OP_add)
        return base ? build2(b, OP_add, y, build2(b, OP_add, d, c)) : NULL;
    if (!base || !value_is_constant(base->in[1]))
        return NULL;
    return build2(b, OP_add, scaled_conv(b, base, c), build2(b, OP_mul, d, c));
}

void pass_fold_scale(Graph *g)
{
    for (Node *n = g->first, *next; n; n = next) {
        next = n->next;
        for (uint32_t i = 0; i < n->region_count; i++)
            pass_fold_scale(n->region[i]);
        if (n->out_count != 1)
            continue;
        graph_count_uses(g);
        Build b = { g, n, n->origin, n->out[0]->name };
        Value *v = folded(&b, n);
        if (v)
            graph_replace(g, n->out[0], v);
    }
    pass_prune(g);
}
