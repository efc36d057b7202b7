/* SPDX-License-Identifier: MIT */
/* Takes and leaves graphs.  Contractions and composite operators of f16 and bf16 work on f32, and a cast behind them
 * rounds the result: sums are f32 sums, as PyTorch's are.  The rounding moves behind pointwise operators and views that
 * alone read the result, so that a bias or an activation is computed unrounded and all is rounded once; what a
 * contraction reads is rounded before, but for the weights of attention.  Casts of operands to f32 stand before the views of them. */
#include "passes.h"

static bool is_half(DType d)
{
    return d == DT_f16 || d == DT_bf16;
}

static bool moves_elements(Op op)
{
    return op == OP_reshape || op == OP_permute || op == OP_expand || op == OP_slice;
}

/* The same node over other operands, as f32. */
static Value *as_f32(Build *b, const Node *n, Value *const *in)
{
    Type t = n->out[0]->type;
    t.dtype = DT_f32;
    return build(b, n->op, in, n->in_count, &t, n->attrs.at, n->attrs.n);
}

/* v as f32. */
static Value *widened(Build *b, Value *v, int views)
{
    if (!is_half(v->type.dtype))
        return v;
    if (v->kind != VALUE_NODE || !moves_elements(v->def->op) || views == 0)
        return build_cast(b, v, DT_f32);
    Value *in = widened(b, v->def->in[0], views - 1);
    return as_f32(b, v->def, &in);
}

/* Before it was rounded by this pass; NULL: it was not, or others read it too. */
static Value *unrounded(const Value *v)
{
    return v->rounding && v->uses == 1 ? v->def->in[0] : NULL;
}

/* Operators that may be computed from unrounded operands: the result is nearer. */
static bool takes_unrounded(const Node *n)
{
    switch (n->op) {
    case OP_linear: case OP_sdpa: return false;
    case OP_neg: case OP_relu: case OP_tanh: case OP_sigmoid: case OP_silu: case OP_gelu: case OP_gelu_tanh:
    case OP_add: case OP_sub: case OP_mul: case OP_div: case OP_max: case OP_min: return true;
    default: return moves_elements(n->op) || op_info[n->op].kind == COMPOSITE;
    }
}

/* Operand i as f32, if it may stay unrounded; else NULL. */
static Value *unrounded_operand(const Node *n, uint32_t i)
{
    Value *v = unrounded(n->in[i]);
    return v && (takes_unrounded(n) || (n->op == OP_matmul && v->def->op == OP_softmax)) ? v : NULL;
}

/* v is a contraction, or one with a bias or the like: the importer makes some in f32 that round behind it. */
static bool is_product(const Value *v, int depth)
{
    if (v->kind != VALUE_NODE || depth == 0)
        return false;
    const Node *n = v->def;
    bool found = op_info[n->op].kind == CONTRACT, through = n->op == OP_add || n->op == OP_mul || moves_elements(n->op);
    for (uint32_t i = 0; i < n->in_count && through && !found; i++)
        found = is_product(n->in[i], depth - 1);
    return found;
}

static bool is_widened(const Node *n)
{
    OpKind kind = op_info[n->op].kind;
    if (n->out_count != 1 || !is_half(n->out[0]->type.dtype))
        return false;
    bool any = kind == COMPOSITE || kind == CONTRACT;
    for (uint32_t i = 0; i < n->in_count && !any; i++)
        any = unrounded_operand(n, i) != NULL;
    return any;
}

static void widen(Graph *g)
{
    enum { MOST_VIEWS = 8 }; /* of an operand: a graph may share a long chain of them among many */
    graph_count_uses(g);
    for (Node *n = g->first, *next; n; n = next) {
        next = n->next;
        for (uint32_t i = 0; i < n->region_count; i++)
            widen(n->region[i]);
        if (n->op == OP_cast && is_half(n->out[0]->type.dtype) && n->in[0]->type.dtype == DT_f32)
            n->out[0]->rounding = is_product(n->in[0], 4);
        if (!is_widened(n))
            continue;
        Build b = { g, n, n->origin, n->out[0]->name };
        Value **in = job_array(g->job, n->in_count, sizeof *in), *old = n->out[0];
        for (uint32_t i = 0; i < n->in_count; i++) {
            Value *wide = unrounded_operand(n, i);
            in[i] = wide ? wide : widened(&b, n->in[i], MOST_VIEWS);
        }
        Value *rounded = build_cast(&b, as_f32(&b, n, in), old->type.dtype);
        rounded->rounding = true;
        rounded->uses = old->uses;
        graph_replace(g, old, rounded);
        graph_remove(g, n);
    }
}

void pass_widen_halves(Graph *g)
{
    widen(g);
    pass_prune(g); /* what is rounded behind its reader is not rounded before it, too */
}
