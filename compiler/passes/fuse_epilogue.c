/* SPDX-License-Identifier: MIT */
/* Takes and leaves core graphs.  Behind a tiled contraction with one reader, an added bias, an added tensor of the
 * same type (residual) and an activation become operands and the attribute `act` of the contraction, in this order:
 * the kernel does them in registers.  Operand numbers stand in the attributes `bias` and `residual`.  The rounding of
 * halves is the last of it: `round` names the type, and the result stays f32. */
#include "passes.h"

static Node *single_reader(Graph *g, Value *v)
{
    if (v->uses != 1)
        return NULL;
    for (Node *n = v->def->next; n; n = n->next)
        for (uint32_t i = 0; i < n->in_count; i++)
            if (n->in[i] == v)
                return n;
    (void)g;
    return NULL;
}

/* `v` varies along the columns of the contraction only: [N], or [C, 1, 1] behind a convolution. */
static bool is_bias(const Node *n, const Value *v)
{
    const Type *t = &v->type, *out = &n->out[0]->type;
    int axis = n->op == OP_conv ? 1 : out->rank - 1;
    for (int i = 1; i <= t->rank; i++)
        if (out->rank - i != axis && !idx_is(t->dim[t->rank - i], 1))
            return false;
    return t->rank >= out->rank - axis && t->rank <= out->rank && t->dim[t->rank - out->rank + axis] == out->dim[axis];
}

static void attach(Graph *g, Node *c, const char *name, Value *v)
{
    VEC(Value *) in = { 0 };
    for (uint32_t i = 0; i < c->in_count; i++)
        *vec_push(g->job, &in) = c->in[i];
    *vec_push(g->job, &in) = v;
    node_set_in(g->job, c, in.at, (uint32_t)in.n);
    node_set_attr(g->job, c, attr_int(g->job, name, (int64_t)in.n - 1));
}

/* Moves c to where `at` stands and lets it define at's result. */
static void absorb(Graph *g, Node *c, Node *at)
{
    Value *old = c->out[0];
    graph_remove(g, c);
    c->prev = at->prev;
    c->next = at;
    *(at->prev ? &at->prev->next : &g->first) = c;
    at->prev = c;
    graph_replace(g, at->out[0], old);
    old->type = at->out[0]->type;
    graph_remove(g, at);
    c->origin = c->origin.file ? c->origin : at->origin;
    graph_count_uses(g);
}

static bool fuse_add(Graph *g, Node *c, Node *add)
{
    bool first = add->in[0] == c->out[0];
    Value *other = add->in[first ? 1 : 0];
    if (other == c->out[0] || !type_same(&add->out[0]->type, &c->out[0]->type))
        return false;
    if (is_bias(c, other) && !contract_bias(c) && !contract_residual(c)) {
        Build b = { g, add, add->origin, other->name };
        const Idx *n = c->out[0]->type.dim[c->op == OP_conv ? 1 : c->out[0]->type.rank - 1];
        attach(g, c, "bias", build_reshape(&b, other, 1, &n));
        absorb(g, c, add);
        return true;
    }
    if (!type_same(&other->type, &c->out[0]->type) || contract_residual(c))
        return false;
    attach(g, c, "residual", other);
    absorb(g, c, add);
    return true;
}

static const char *act_of(const Node *n)
{
    switch (n->op) {
    case OP_relu: return "relu";
    case OP_gelu: return "gelu";
    case OP_gelu_tanh: return "gelu_tanh";
    case OP_silu: return "silu";
    case OP_sigmoid: return "sigmoid";
    case OP_tanh: return "tanh";
    default: return NULL;
    }
}

/* min(max(x, lo), hi) with numbers lo and hi. */
static bool fuse_clamp(Graph *g, Node *c, Node *max)
{
    double lo, hi;
    Node *min = max->op == OP_max ? single_reader(g, max->out[0]) : NULL;
    if (!min || min->op != OP_min || !value_is_full(max->in[1], &lo) || !value_is_full(min->in[1], &hi))
        return false;
    if (!type_same(&min->out[0]->type, &c->out[0]->type))
        return false;
    absorb(g, c, max);
    absorb(g, c, min);
    node_set_attr(g->job, c, attr_text(g->job, "act", "clamp"));
    node_set_attr(g->job, c, attr_float(g->job, "lo", lo));
    node_set_attr(g->job, c, attr_float(g->job, "hi", hi));
    return true;
}

/* A reshape between a product and what is added to it moves behind the sum. */
static bool sink_reshape(Graph *g, Node *c, Node *view)
{
    Node *n = single_reader(g, view->out[0]);
    const Type *t = &c->out[0]->type, *seen = &view->out[0]->type;
    if (!contract_multiplies(c) || !n || n->op != OP_add || n->in[0] == n->in[1] || !type_same(&n->out[0]->type, seen))
        return false;
    Build b = { g, n, n->origin, n->out[0]->name };
    Value *other = n->in[n->in[0] == view->out[0] ? 1 : 0];
    const Idx *last = t->dim[t->rank - 1];
    bool along = other->type.rank == 1 && other->type.dim[0] == last && seen->dim[seen->rank - 1] == last;
    if (!along && !type_same(&other->type, seen))
        return false;
    Value *v = build2(&b, OP_add, c->out[0], along ? other : build_reshape(&b, other, t->rank, t->dim));
    v = build_reshape(&b, v, seen->rank, seen->dim);
    graph_swap_names(g, v, n->out[0]);
    graph_replace(g, n->out[0], v);
    graph_remove(g, n);
    graph_remove(g, view);
    graph_count_uses(g);
    return true;
}

/* An activation behind views that keep at least half of the elements, each read once: it may as well come before. */
static bool fuse_behind_views(Graph *g, Node *c, Node *view)
{
    Node *n = view;
    while (n && (n->op == OP_reshape || n->op == OP_permute || n->op == OP_slice))
        n = single_reader(g, n->out[0]);
    const char *act = n ? act_of(n) : NULL;
    Value *seen = act ? n->in[0] : NULL;
    if (!act || !idx_provably_le(g->job, type_count(g->job, &c->out[0]->type), idx_mulk(g->job, type_count(g->job, &seen->type), 2)))
        return false;
    graph_swap_names(g, seen, n->out[0]);
    graph_replace(g, n->out[0], seen);
    graph_remove(g, n);
    graph_count_uses(g);
    node_set_attr(g->job, c, attr_text(g->job, "act", act));
    return true;
}

/* A cast to f16 or bf16, whose result is read as f32 again: the contraction rounds, and is read instead. */
static void fuse_rounding(Graph *g, Node *c)
{
    Node *cast = single_reader(g, c->out[0]);
    if (!cast || cast->op != OP_cast || (cast->out[0]->type.dtype != DT_f16 && cast->out[0]->type.dtype != DT_bf16))
        return;
    VEC(Node *) wide = { 0 };
    for (Node *n = cast->next; n; n = n->next)
        if (n->op == OP_cast && n->in[0] == cast->out[0] && n->out[0]->type.dtype == DT_f32)
            *vec_push(g->job, &wide) = n;
    if (!wide.n)
        return;
    node_set_attr(g->job, c, attr_text(g->job, "round", dtype_info[cast->out[0]->type.dtype].name));
    for (size_t i = 0; i < wide.n; i++) {
        graph_replace(g, wide.at[i]->out[0], c->out[0]);
        graph_remove(g, wide.at[i]);
    }
    graph_count_uses(g);
}

static void fuse(Graph *g, Node *c)
{
    for (Node *next; (next = single_reader(g, c->out[0]));) {
        if (next->op == OP_reshape && sink_reshape(g, c, next))
            continue;
        if (next->op == OP_add && fuse_add(g, c, next))
            continue;
        const char *act = act_of(next);
        if (act) {
            absorb(g, c, next);
            node_set_attr(g->job, c, attr_text(g->job, "act", act));
        } else if (!fuse_behind_views(g, c, next)) {
            fuse_clamp(g, c, next);
        }
        return;
    }
}

void pass_fuse_epilogue(Graph *g)
{
    graph_count_uses(g);
    VEC(Node *) todo = { 0 };
    for each_node (n, g) {
        for (uint32_t i = 0; i < n->region_count; i++)
            pass_fuse_epilogue(n->region[i]);
        if ((contract_multiplies(n) || n->op == OP_conv) && contract_is_tiled(n))
            *vec_push(g->job, &todo) = n;
    }
    for (size_t i = todo.n; i-- > 0;) { /* last first: of two convolutions that are added, the later one takes the sum */
        fuse(g, todo.at[i]);
        fuse_rounding(g, todo.at[i]);
    }
}
