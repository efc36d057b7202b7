/* SPDX-License-Identifier: MIT */
/* Takes and leaves core graphs.  Activations that a model writes out become one operator, which contractions then do
 * in registers: x * 0.5 * (1 + erf(x / sqrt(2))) is gelu, the formula with tanh gelu_tanh, x * sigmoid(x) silu; in any
 * order of their factors.  Cost: one walk. */
#include "passes.h"
#include <math.h>

enum { MOST_FACTORS = 4, DEEPEST = 8 };

typedef struct Product {
    double number;
    Value *factor[MOST_FACTORS];
    int n;
    bool fits;
} Product;

static void multiply(Product *p, Value *v, int depth)
{
    double x;
    const Node *n = v->kind == VALUE_NODE ? v->def : NULL;
    if (value_is_full(v, &x)) {
        p->number *= x;
    } else if (n && n->op == OP_mul && depth < DEEPEST) {
        multiply(p, n->in[0], depth + 1);
        multiply(p, n->in[1], depth + 1);
    } else if (n && n->op == OP_div && depth < DEEPEST && value_is_full(n->in[1], &x) && x != 0) {
        p->number /= x;
        multiply(p, n->in[0], depth + 1);
    } else if (p->n < MOST_FACTORS) {
        p->factor[p->n++] = v;
    } else {
        p->fits = false;
    }
}

/* v as a number times at most four factors. */
static Product product_of(Value *v)
{
    Product p = { .number = 1, .fits = true };
    multiply(&p, v, 0);
    return p;
}

static bool is_about(double x, double want)
{
    return fabs(x - want) <= 1e-6 * want;
}

/* `number` times x, `power` times. */
static bool is_power(Value *v, double number, const Value *x, int power)
{
    Product p = product_of(v);
    bool all = p.fits && p.n == power && is_about(p.number, number);
    for (int i = 0; i < p.n; i++)
        all &= p.factor[i] == x;
    return all;
}

/* v = a + b: each operand in turn as a, the other in *b. */
static Value *addend(Value *v, int which, Value **b)
{
    const Node *n = v->kind == VALUE_NODE && v->def->op == OP_add ? v->def : NULL;
    *b = n ? n->in[1 - which] : NULL;
    return n ? n->in[which] : NULL;
}

/* sqrt(2 / pi) * (x + 0.044715 * x^3), where x may be a factor of the whole. */
static bool is_tanh_argument(Value *v, const Value *x)
{
    Product p = product_of(v);
    Value *cubic;
    double one;
    for (int i = 0; p.fits && p.n && p.n <= 2 && is_about(p.number, 0.7978845608028654) && i < p.n; i++)
        for (int side = 0; side < 2; side++) {
            Value *a = addend(p.factor[i], side, &cubic);
            if (p.n == 1 && a == x && is_power(cubic, 0.044715, x, 3))
                return true;
            if (p.n == 2 && p.factor[1 - i] == x && a && value_is_full(a, &one) && one == 1 &&
                is_power(cubic, 0.044715, x, 2))
                return true;
        }
    return false;
}

static Op activation(const Product *p, const Value *x, const Value *y)
{
    const Node *n = y->kind == VALUE_NODE && y->uses == 1 ? y->def : NULL;
    if (n && p->number == 1 && n->op == OP_sigmoid && n->in[0] == x)
        return OP_silu;
    for (int side = 0; n && n->op == OP_add && p->number == 0.5 && side < 2; side++) {
        double one;
        const Value *f = n->in[side];
        const Node *of = f->kind == VALUE_NODE && f->uses == 1 ? f->def : NULL;
        if (!of || !value_is_full(n->in[1 - side], &one) || one != 1)
            continue;
        if (of->op == OP_erf && is_power(of->in[0], 0.7071067811865476, x, 1))
            return OP_gelu;
        if (of->op == OP_tanh && is_tanh_argument(of->in[0], x))
            return OP_gelu_tanh;
    }
    return OP_COUNT;
}

void pass_fuse_activation(Graph *g)
{
    graph_count_uses(g);
    for (Node *n = g->first, *next; n; n = next) {
        next = n->next;
        for (uint32_t i = 0; i < n->region_count; i++)
            pass_fuse_activation(n->region[i]);
        if (n->op != OP_mul || n->out[0]->type.dtype != DT_f32)
            continue;
        Product p = product_of(n->out[0]);
        for (int i = 0; i < 2 && p.fits && p.n == 2; i++) {
            Op op = activation(&p, p.factor[i], p.factor[1 - i]);
            if (op == OP_COUNT || !type_same(&p.factor[i]->type, &n->out[0]->type))
                continue;
            Build b = { g, n, n->origin, n->out[0]->name };
            Value *v = build1(&b, op, p.factor[i]);
            graph_swap_names(g, v, n->out[0]);
            graph_replace(g, n->out[0], v);
            graph_remove(g, n);
            break;
        }
    }
}
