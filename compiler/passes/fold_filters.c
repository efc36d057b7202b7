/* SPDX-License-Identifier: MIT */
/* Takes and leaves core graphs.  What is linear around a convolution moves into its filter, whose arithmetic on constants
 * fold_constants does.
 *
 * conv(x, w) * s, with s constant per channel or for all, becomes conv(x, w * s); a shift between, (conv + b) * s, becomes
 * conv' + b * s: a batch norm behind a convolution.  Jacob et al., arXiv:1712.05877, section 3.2.
 *
 * Convolutions of one tensor whose results are added become one, with the sum of their filters: a smaller filter stands in
 * the middle of a larger one, and the tensor itself, scaled by constants per channel, is a filter of 1x1.  Networks have such
 * branches for training: RepVGG (Ding et al., arXiv:2101.03697), MobileOne (Vasu et al., arXiv:2206.04040).  Constants
 * per channel are added first, what else is added comes last. */
#include "passes.h"

enum { TERMS = 16, DIAGONAL = 1 << 19 }; /* of a sum; floats of a filter that scales */

/* Which axis of v is axis 1 of a tensor of `rank` axes; -1: none. */
static int channel_axis(const Value *v, int rank)
{
    return v->type.rank < rank - 1 ? -1 : v->type.rank - rank + 1;
}

/* v is constant and varies along axis 1 of a tensor of `rank` axes only, or not at all. */
static bool per_channel(const Value *v, int rank)
{
    if (!value_is_constant(v) || v->type.rank > rank)
        return false;
    for (int i = 0; i < v->type.rank; i++)
        if (i != channel_axis(v, rank) && !idx_is(v->type.dim[i], 1))
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

/* Constants per channel shaped [C, 1, ...], or [1, 1, ...], as the first axis of a filter of `rank` axes has them. */
static Value *by_filter(Build *b, Value *c, int rank)
{
    int axis = channel_axis(c, rank);
    const Idx *one = idx_const(b->g->job, 1), *dim[MAX_RANK] = { axis < 0 ? one : c->type.dim[axis] };
    for (int i = 1; i < rank; i++)
        dim[i] = one;
    return build_reshape(b, c, rank, dim);
}

/* ---- what scales a convolution ---- */

static Value *scaled_conv(Build *b, const Node *conv, Value *c)
{
    Value *w = conv->in[1], *in[2] = { conv->in[0], build2(b, OP_mul, w, by_filter(b, c, w->type.rank)) };
    Build at = *b;
    at.origin = conv->origin;
    Value *v = build(&at, OP_conv, in, 2, NULL, conv->attrs.at, conv->attrs.n);
    graph_swap_names(b->g, v, conv->out[0]);
    return v;
}

static Value *scaled(Build *b, const Node *mul)
{
    Value *x, *c, *y, *d;
    if (!split(mul, &x, &c))
        return NULL;
    Node *conv = only_use_of(x, OP_conv), *add = only_use_of(x, OP_add);
    if (conv)
        return value_is_constant(conv->in[1]) ? scaled_conv(b, conv, c) : NULL;
    if (!add || !split(add, &y, &d))
        return NULL;
    conv = only_use_of(y, OP_conv);
    return conv && value_is_constant(conv->in[1]) ? build2(b, OP_add, scaled_conv(b, conv, c), build2(b, OP_mul, d, c)) : NULL;
}

/* ---- convolutions that are added ---- */

/* A sum, its terms, and what those are that are convolutions nobody else reads. */
typedef struct Sum {
    Build b;
    const Type *type;
    int n;
    Value *term[TERMS];
    const Node *conv[TERMS];
} Sum;

/* False: there are too many terms. */
static bool collect(Sum *s, Value *v)
{
    const Node *add = only_use_of(v, OP_add);
    if (add && type_same(&v->type, s->type))
        return collect(s, add->in[0]) && collect(s, add->in[1]);
    if (s->n == TERMS)
        return false;
    const Node *conv = only_use_of(v, OP_conv);
    s->conv[s->n] = conv && value_is_constant(conv->in[1]) && type_same(&v->type, s->type) ? conv : NULL;
    s->term[s->n++] = v;
    return true;
}

/* A filter that meets the pixels of `outer` from tap `at` on, along each spatial axis. */
typedef struct Inner {
    Value *w;
    int64_t at[MAX_RANK];
} Inner;

static bool same_numbers(const Node *a, const Node *b, const char *name)
{
    const Attr *x = node_attr(a, name);
    for (size_t i = 0; i < x->n; i++)
        if (node_int(a, name, i) != node_int(b, name, i))
            return false;
    return true;
}

static bool conv_inside(const Node *outer, const Node *conv, Inner *in)
{
    const Type *o = &outer->in[1]->type, *w = &conv->in[1]->type;
    in->w = conv->in[1];
    if (conv->in[0] != outer->in[0] || o->rank != w->rank || o->dim[0] != w->dim[0] || o->dim[1] != w->dim[1] ||
        !same_numbers(outer, conv, "stride") || !same_numbers(outer, conv, "dilation") || !same_numbers(outer, conv, "groups"))
        return false;
    for (int i = 2; i < o->rank; i++) {
        size_t k = (size_t)i - 2;
        int64_t many, few, dilation = node_int(outer, "dilation", k);
        int64_t more = node_int(outer, "padding", k) - node_int(conv, "padding", k);
        in->at[i] = more / dilation;
        if (!idx_is_const(o->dim[i], &many) || !idx_is_const(w->dim[i], &few) || more < 0 || more % dilation ||
            many != few + 2 * in->at[i])
            return false;
    }
    return true;
}

/* The tensor that `outer` reads, times constants per channel, as a filter of as many channels: its diagonal. */
static bool scale_inside(Sum *s, const Node *outer, Value *term, Inner *in)
{
    Build *b = &s->b;
    Value *x, *c, *w = outer->in[1];
    const Node *mul = only_use_of(term, OP_mul);
    int64_t all, own, groups = node_int(outer, "groups", 0);
    if (!mul || !split(mul, &x, &c) || x != outer->in[0] || !type_same(&x->type, s->type) ||
        !idx_is_const(w->type.dim[0], &all) || !idx_is_const(w->type.dim[1], &own) || own * groups != all || all > DIAGONAL / own)
        return false;
    for (int i = 2; i < w->type.rank; i++) {
        size_t k = (size_t)i - 2;
        int64_t taps;
        in->at[i] = node_int(outer, "padding", k) / node_int(outer, "dilation", k);
        if (!idx_is_const(w->type.dim[i], &taps) || node_int(outer, "stride", k) != 1 || taps != 2 * in->at[i] + 1)
            return false;
    }
    Job *job = b->g->job;
    const Idx *dim[MAX_RANK] = { w->type.dim[0], w->type.dim[1] };
    for (int i = 2; i < w->type.rank; i++)
        dim[i] = idx_const(job, 1);
    Value *out = build(b, OP_iota, NULL, 0, &(Type){ DT_i64, 1, { dim[0] } }, NULL, 0);
    Value *from = build(b, OP_iota, NULL, 0, &(Type){ DT_i64, 1, { dim[1] } }, NULL, 0);
    out = build2(b, OP_rem, out, build_full_int(b, DT_i64, own));
    Value *met = build2(b, OP_eq, build_reshape(b, out, 2, (const Idx *[]){ dim[0], idx_const(job, 1) }), from);
    met = build_reshape(b, met, w->type.rank, dim);
    in->w = build3(b, OP_where, met, by_filter(b, c, w->type.rank), build_full(b, c->type.dtype, 0));
    return true;
}

/* w with the inner filter added to its taps, from axis `axis` on. */
static Value *added(Build *b, Value *w, const Inner *in, int axis)
{
    Job *job = b->g->job;
    if (axis == w->type.rank)
        return build2(b, OP_add, w, in->w);
    if (!in->at[axis])
        return added(b, w, in, axis + 1);
    const Idx *at = idx_const(job, in->at[axis]), *size = in->w->type.dim[axis], *step = idx_const(job, 1);
    Value *part[3] = { build_slice(b, w, axis, idx_const(job, 0), step, at),
                       added(b, build_slice(b, w, axis, at, step, size), in, axis + 1),
                       build_slice(b, w, axis, idx_add(job, at, size), step, at) };
    Attr dim = attr_int(job, "dim", axis);
    return build(b, OP_cat, part, 3, NULL, &dim, 1);
}

/* Term i takes in term j, if it can. */
static bool merge(Sum *s, int i, int j)
{
    const Node *conv = s->conv[i];
    Inner in = { 0 };
    if (i == j || !conv || !(s->conv[j] ? conv_inside(conv, s->conv[j], &in) : scale_inside(s, conv, s->term[j], &in)))
        return false;
    Value *operands[2] = { conv->in[0], added(&s->b, conv->in[1], &in, 2) };
    Value *v = build(&s->b, OP_conv, operands, 2, NULL, conv->attrs.at, conv->attrs.n);
    graph_swap_names(s->b.g, v, conv->out[0]);
    s->term[i] = v;
    s->conv[i] = v->def;
    s->n--;
    for (; j < s->n; j++) {
        s->term[j] = s->term[j + 1];
        s->conv[j] = s->conv[j + 1];
    }
    return true;
}

static bool merge_any(Sum *s)
{
    for (int i = 0; i < s->n; i++)
        for (int j = 0; j < s->n; j++)
            if (merge(s, i, j))
                return true;
    return false;
}

/* Whether constants can be added to each other instead of to a convolution. */
static bool shifts(const Sum *s)
{
    int convs = 0, constants = 0;
    for (int i = 0; i < s->n; i++) {
        convs += s->conv[i] != NULL;
        constants += per_channel(s->term[i], s->type->rank);
    }
    return convs && constants > 1;
}

static Value *plus(Build *b, Value *sum, Value *v)
{
    return sum ? build2(b, OP_add, sum, v) : v;
}

static Value *summed(Build *b, Node *add)
{
    Sum s = { .b = *b, .type = &add->out[0]->type };
    if (!collect(&s, add->in[0]) || !collect(&s, add->in[1]))
        return NULL;
    bool any = shifts(&s);
    while (merge_any(&s))
        any = true;
    if (!any)
        return NULL;
    Value *v = NULL, *shift = NULL;
    for (int i = 0; i < s.n; i++)
        if (s.conv[i])
            v = plus(b, v, s.term[i]);
        else if (per_channel(s.term[i], s.type->rank))
            shift = plus(b, shift, s.term[i]);
    v = shift ? plus(b, v, shift) : v;
    for (int i = 0; i < s.n; i++)
        if (!s.conv[i] && !per_channel(s.term[i], s.type->rank))
            v = plus(b, v, s.term[i]);
    if (v->def->op == OP_add)
        graph_swap_names(b->g, v, add->out[0]);
    return v;
}

/* Takes away n, which nobody reads, and what only it has read: uses are those of what remains. */
static void drop(Graph *g, Node *n)
{
    graph_remove(g, n);
    for (uint32_t i = 0; i < n->in_count; i++)
        if (--n->in[i]->uses == 0 && n->in[i]->kind == VALUE_NODE && n->in[i]->def->out_count == 1)
            drop(g, n->in[i]->def);
}

void pass_fold_filters(Graph *g)
{
    graph_count_uses(g);
    for (Node *n = g->first, *next; n; n = next) {
        next = n->next;
        for (uint32_t i = 0; i < n->region_count; i++)
            pass_fold_filters(n->region[i]);
        if (n->op != OP_mul && n->op != OP_add)
            continue;
        Build b = { g, n, n->origin, n->out[0]->name };
        Value *v = n->op == OP_mul ? scaled(&b, n) : summed(&b, n);
        if (!v)
            continue;
        graph_replace(g, n->out[0], v);
        graph_count_uses(g);
        drop(g, n);
    }
    pass_prune(g);
}
