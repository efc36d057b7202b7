/* SPDX-License-Identifier: MIT */
/* Checks that a model does of its sizes and values. */
#include "../passes/passes.h"
#include "aten.h"

/* A 0-d value that the call's sizes decide. */
static bool is_size(Call *c, const Value *v, const Idx **size)
{
    double known;
    const Node *n = v->kind == VALUE_NODE ? v->def : NULL;
    bool number = n && n->op == OP_full && value_is_full(v, &known) && known == (double)(int64_t)known;
    if (!number && !(n && n->op == OP_index))
        return false;
    *size = number ? k(c, (int64_t)known) : node_idx(n, "expr", 0);
    return !idx_is_late(*size);
}

/* A comparison of sizes is a guard, so that a call that breaks it fails before it computes anything; but in a region only
 * when that runs. */
static bool guard(Call *c, const Value *condition, const char *text)
{
    static const GuardRel rel[] = { GUARD_EQ, GUARD_NE, GUARD_LT, GUARD_LE, GUARD_LT, GUARD_LE };
    const Node *n = condition->kind == VALUE_NODE ? condition->def : NULL;
    const Idx *a, *b;
    if (!n || n->op < OP_eq || n->op > OP_ge || !is_size(c, n->in[0], &a) || !is_size(c, n->in[1], &b) || call_in_region(c))
        return false;
    bool swap = n->op == OP_gt || n->op == OP_ge;
    call_guard(c, rel[n->op - OP_eq], swap ? b : a, swap ? a : b, text);
    return true;
}

/* The row's flag t: an operator of functional programs, which hands its last argument on. */
void decode_check(Call *c)
{
    bool number;
    Value *v = arg_operand(c, "self", &number);
    const char *text = arg_text(c, "assert_msg");
    text = *text ? text : "a value is not zero";
    if (!idx_is(type_count(c->b.g->job, &v->type), 1))
        call_refuse(c, "the condition has not one element");
    if (!guard(c, v, text)) {
        v = as_bool(c, build_reshape(&c->b, v, 0, NULL));
        graph_check(c->b.g, v, sym(c->b.g->job, text), &c->b.origin);
    }
    if (flag(c, 't'))
        give(c, arg_tensor(c, "dep_token"));
}

/* Ranges of sizes are in the archive's range_constraints too. */
void decode_constrained(Call *c)
{
    if (flag(c, 't'))
        give(c, arg_tensor(c, "dep_token"));
}
