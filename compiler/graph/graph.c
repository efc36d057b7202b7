/* SPDX-License-Identifier: MIT */
/* Building and rewriting graphs: see graph.h. */
#include "graph.h"
#include <string.h>

const OpInfo op_info[OP_COUNT] = {
#define OP(name, kind, inputs, doc) { #name, kind, inputs, doc },
#include "ops.def"
#undef OP
};

Op op_from_name(const char *name)
{
    int op = 0;
    while (op < OP_COUNT && strcmp(op_info[op].name, name))
        op++;
    return (Op)op;
}

/* ---- names: an open hash table from interned name to value ------------------------------------- */

typedef struct Names {
    Value **slot;
    size_t size, used;
} Names;

static size_t name_hash(Sym s)
{
    uintptr_t h = (uintptr_t)s;
    return (size_t)((h >> 4) * 0x9E3779B97F4A7C15u >> 20);
}

static void names_put(Job *job, Names *t, Value *v)
{
    if (t->used * 2 >= t->size) {
        Names big = { .size = t->size ? t->size * 2 : 256 };
        big.slot = job_array(job, big.size, sizeof *big.slot);
        for (size_t i = 0; i < t->size; i++)
            if (t->slot[i])
                names_put(job, &big, t->slot[i]);
        *t = big;
    }
    size_t at = name_hash(v->name) & (t->size - 1);
    while (t->slot[at])
        at = (at + 1) & (t->size - 1);
    t->slot[at] = v;
    t->used++;
}

Value *graph_value(Graph *g, Sym name)
{
    Names *t = g->names;
    if (t->size)
        for (size_t at = name_hash(name) & (t->size - 1); t->slot[at]; at = (at + 1) & (t->size - 1))
            if (t->slot[at]->name == name)
                return t->slot[at];
    return NULL;
}

static Value **name_slot(Names *t, const Value *v)
{
    size_t at = name_hash(v->name) & (t->size - 1);
    while (t->slot[at] != v)
        at = (at + 1) & (t->size - 1);
    return &t->slot[at];
}

void graph_swap_names(Graph *g, Value *a, Value *b)
{
    Value **x = name_slot(g->names, a), **y = name_slot(g->names, b);
    Sym name = a->name;
    a->name = b->name;
    b->name = name;
    *x = b;
    *y = a;
}

Sym graph_name(Graph *g, const char *stem)
{
    Sym s = sym(g->job, stem);
    for (int i = 1; graph_value(g, s); i++)
        s = sym_printf(g->job, "%s_%d", stem, i);
    return s;
}

/* ---- building ------------------------------------------------------------------------------------ */

Graph *graph_new(Job *job, Sym name)
{
    Graph *g = job_alloc(job, sizeof *g);
    g->job = job;
    g->name = name;
    g->names = job_alloc(job, sizeof(Names));
    return g;
}

static Value *new_value(Graph *g, Sym name, Type type, ValueKind kind)
{
    Value *v = job_alloc(g->job, sizeof *v);
    *v = (Value){ .name = name, .type = type, .kind = kind, .id = (uint32_t)g->values.n };
    *vec_push(g->job, &g->values) = v;
    names_put(g->job, g->names, v);
    return v;
}

Value *graph_input(Graph *g, Sym name, Type type)
{
    Value *v = new_value(g, name, type, VALUE_INPUT);
    *vec_push(g->job, &g->inputs) = (Port){ .name = name, .kind = PORT_TENSOR, .value = v };
    return v;
}

Value *graph_state(Graph *g, const Tensor *tensor, Type type, Sym name)
{
    Value *v = new_value(g, name, type, VALUE_INPUT);
    v->tensor = tensor;
    *vec_push(g->job, &g->states) = v;
    return v;
}

void graph_check(Graph *g, Value *condition, Sym text, const Origin *origin)
{
    *vec_push(g->job, &g->effects) = (Effect){ EFFECT_CHECK, .value = condition, .text = text, .origin = *origin };
}

void graph_commit(Graph *g, Value *target, Value *value)
{
    *vec_push(g->job, &g->effects) = (Effect){ EFFECT_COMMIT, .value = value, .target = target };
}

Value *graph_const(Graph *g, const Tensor *tensor, Type type, Sym name)
{
    Value *v = new_value(g, name, type, VALUE_CONST);
    v->tensor = tensor;
    *vec_push(g->job, &g->consts) = v;
    return v;
}

static void link_before(Graph *g, Node *n, Node *before)
{
    n->next = before;
    n->prev = before ? before->prev : g->last;
    *(n->prev ? &n->prev->next : &g->first) = n;
    *(before ? &before->prev : &g->last) = n;
}

Node *build_node(Build *b, Op op, Value *const *in, uint32_t n, const Type *types, const Sym *names,
                 uint32_t out_count)
{
    Graph *g = b->g;
    Node *node = job_alloc(g->job, sizeof *node);
    node->op = op;
    node->origin = b->origin;
    node_set_in(g->job, node, in, n);
    node->out_count = out_count;
    node->out = job_array(g->job, out_count, sizeof *node->out);
    for (uint32_t i = 0; i < out_count; i++) {
        node->out[i] = new_value(g, graph_name(g, names[i]), types ? types[i] : (Type){ 0 }, VALUE_NODE);
        node->out[i]->def = node;
    }
    link_before(g, node, b->before);
    return node;
}

Value *build(Build *b, Op op, Value *const *in, uint32_t n, const Type *type, const Attr *attrs, size_t attr_count)
{
    Sym name = graph_name(b->g, b->stem ? b->stem : op_info[op].name);
    Node *node = build_node(b, op, in, n, type, &name, 1);
    for (size_t i = 0; i < attr_count; i++)
        *vec_push(b->g->job, &node->attrs) = attrs[i];
    Type inferred;
    if (type_infer(b->g->job, node, &inferred)) {
        node->out[0]->type = inferred;
        if (op == OP_cast || op == OP_bitcast)
            node->out[0]->type.dtype = type->dtype;
    } else if (!type) {
        bug("%s needs an explicit type", op_info[op].name);
    }
    return node->out[0];
}

Value *build1(Build *b, Op op, Value *a)
{
    return build(b, op, &a, 1, NULL, NULL, 0);
}

Value *build2(Build *b, Op op, Value *x, Value *y)
{
    return build(b, op, (Value *[]){ x, y }, 2, NULL, NULL, 0);
}

Value *build3(Build *b, Op op, Value *x, Value *y, Value *z)
{
    return build(b, op, (Value *[]){ x, y, z }, 3, NULL, NULL, 0);
}

Value *build_cast(Build *b, Value *a, DType dtype)
{
    if (a->type.dtype == dtype)
        return a;
    return build(b, OP_cast, &a, 1, &(Type){ .dtype = dtype }, NULL, 0);
}

Value *build_full(Build *b, DType dtype, double value)
{
    Attr at = attr_float(b->g->job, "value", value);
    return build(b, OP_full, NULL, 0, &(Type){ .dtype = dtype }, &at, 1);
}

Value *build_full_int(Build *b, DType dtype, int64_t value)
{
    Attr at = attr_int(b->g->job, "value", value);
    return build(b, OP_full, NULL, 0, &(Type){ .dtype = dtype }, &at, 1);
}

Value *build_index(Build *b, const Idx *e)
{
    Attr at = attr_idx(b->g->job, "expr", &e, 1);
    return build(b, OP_index, NULL, 0, &(Type){ .dtype = DT_i64 }, &at, 1);
}

void build_size(Build *b, Value *found, const Idx *e)
{
    Attr at = attr_idx(b->g->job, "expr", &e, 1);
    build(b, OP_size, &found, 1, &(Type){ .dtype = DT_i64 }, &at, 1);
}

Value *build_reshape(Build *b, Value *a, int rank, const Idx *const *dim)
{
    Type t = type_make(a->type.dtype, rank, dim);
    return type_same(&t, &a->type) ? a : build(b, OP_reshape, &a, 1, &t, NULL, 0);
}

Value *build_expand(Build *b, Value *a, int rank, const Idx *const *dim)
{
    Type t = type_make(a->type.dtype, rank, dim);
    return type_same(&t, &a->type) ? a : build(b, OP_expand, &a, 1, &t, NULL, 0);
}

Value *build_permute(Build *b, Value *a, const int *dims)
{
    int64_t d[MAX_RANK];
    bool same = true;
    for (int i = 0; i < a->type.rank; i++) {
        d[i] = dims[i];
        same &= dims[i] == i;
    }
    Attr at = attr_ints(b->g->job, "dims", d, (size_t)a->type.rank);
    return same ? a : build(b, OP_permute, &a, 1, NULL, &at, 1);
}

Value *build_reduce(Build *b, Op op, Value *a, const bool *axes, bool keep)
{
    Job *job = b->g->job;
    int64_t d[MAX_RANK];
    size_t n = 0;
    const Idx *kept[MAX_RANK];
    for (int i = 0; i < a->type.rank; i++) {
        kept[i] = axes[i] ? idx_const(job, 1) : a->type.dim[i];
        if (axes[i])
            d[n++] = i;
    }
    Attr at = attr_ints(job, "dims", d, n);
    Value *r = n || op == OP_mean ? build(b, op, &a, 1, NULL, &at, 1) : a;
    return keep ? build_reshape(b, r, a->type.rank, kept) : r;
}

Value *build_slice(Build *b, Value *a, int dim, const Idx *start, const Idx *step, const Idx *size)
{
    Job *job = b->g->job;
    const Idx *starts[MAX_RANK], *steps[MAX_RANK];
    Type t = a->type;
    for (int i = 0; i < t.rank; i++) {
        starts[i] = i == dim ? start : idx_const(job, 0);
        steps[i] = i == dim ? step : idx_const(job, 1);
    }
    t.dim[dim] = size;
    if (idx_is(start, 0) && idx_is(step, 1) && size == a->type.dim[dim])
        return a;
    Attr at[2] = { attr_idx(job, "starts", starts, (size_t)t.rank), attr_idx(job, "steps", steps, (size_t)t.rank) };
    return build(b, OP_slice, &a, 1, &t, at, 2);
}

/* ---- attributes ---------------------------------------------------------------------------------- */

Attr attr_idx(Job *job, const char *name, const Idx *const *v, size_t n)
{
    const Idx **copy = job_array(job, n + 1, sizeof *copy);
    AttrKind kind = ATTR_INTS;
    for (size_t i = 0; i < n; i++) {
        copy[i] = v[i];
        if (v[i]->op != IDX_CONST)
            kind = ATTR_IDX;
    }
    return (Attr){ .name = sym(job, name), .kind = kind, .n = n, .idx = copy };
}

Attr attr_ints(Job *job, const char *name, const int64_t *v, size_t n)
{
    const Idx **copy = job_array(job, n + 1, sizeof *copy);
    for (size_t i = 0; i < n; i++)
        copy[i] = idx_const(job, v[i]);
    return (Attr){ .name = sym(job, name), .kind = ATTR_INTS, .n = n, .idx = copy };
}

Attr attr_int(Job *job, const char *name, int64_t v)
{
    return attr_ints(job, name, &v, 1);
}

Attr attr_float(Job *job, const char *name, double v)
{
    return (Attr){ .name = sym(job, name), .kind = ATTR_FLOAT, .number = v };
}

Attr attr_text(Job *job, const char *name, const char *v)
{
    return (Attr){ .name = sym(job, name), .kind = ATTR_TEXT, .text = sym(job, v) };
}

const Attr *node_attr(const Node *n, const char *name)
{
    for (size_t i = 0; i < n->attrs.n; i++)
        if (!strcmp(n->attrs.at[i].name, name))
            return &n->attrs.at[i];
    return NULL;
}

static const Attr *need_attr(const Node *n, const char *name)
{
    const Attr *a = node_attr(n, name);
    if (!a)
        bug("%s has no attribute %s", op_info[n->op].name, name);
    return a;
}

const Idx *node_idx(const Node *n, const char *name, size_t i)
{
    const Attr *a = need_attr(n, name);
    if (i >= a->n)
        bug("%s: attribute %s has %zu values", op_info[n->op].name, name, a->n);
    return a->idx[i];
}

int64_t node_int(const Node *n, const char *name, size_t i)
{
    int64_t k;
    if (!idx_is_const(node_idx(n, name, i), &k))
        bug("%s: attribute %s is no number", op_info[n->op].name, name);
    return k;
}

double node_float(const Node *n, const char *name)
{
    const Attr *a = need_attr(n, name);
    return a->kind == ATTR_FLOAT ? a->number : (double)node_int(n, name, 0);
}

const char *node_text(const Node *n, const char *name)
{
    const Attr *a = node_attr(n, name);
    return a && a->kind == ATTR_TEXT ? a->text : "";
}

void node_set_attr(Job *job, Node *n, Attr attr)
{
    for (size_t i = 0; i < n->attrs.n; i++)
        if (n->attrs.at[i].name == attr.name) {
            n->attrs.at[i] = attr;
            return;
        }
    *vec_push(job, &n->attrs) = attr;
}

/* ---- rewriting ----------------------------------------------------------------------------------- */

void node_set_in(Job *job, Node *n, Value *const *in, uint32_t count)
{
    Value **copy = job_array(job, count + 1, sizeof *copy);
    if (count)
        memcpy(copy, in, count * sizeof *copy);
    n->in = copy;
    n->in_count = count;
}

void graph_replace(Graph *g, Value *from, Value *to)
{
    for each_node (n, g)
        for (uint32_t i = 0; i < n->in_count; i++)
            if (n->in[i] == from)
                n->in[i] = to;
    for (size_t i = 0; i < g->outputs.n; i++)
        if (g->outputs.at[i].value == from)
            g->outputs.at[i].value = to;
    for (size_t i = 0; i < g->effects.n; i++)
        if (g->effects.at[i].value == from)
            g->effects.at[i].value = to;
}

void graph_remove(Graph *g, Node *n)
{
    *(n->prev ? &n->prev->next : &g->first) = n->next;
    *(n->next ? &n->next->prev : &g->last) = n->prev;
}

void graph_count_uses(Graph *g)
{
    for (size_t i = 0; i < g->values.n; i++)
        g->values.at[i]->uses = 0;
    for each_node (n, g)
        for (uint32_t i = 0; i < n->in_count; i++)
            n->in[i]->uses++;
    for (size_t i = 0; i < g->outputs.n; i++)
        if (g->outputs.at[i].value)
            g->outputs.at[i].value->uses++;
    for (size_t i = 0; i < g->effects.n; i++)
        g->effects.at[i].value->uses++;
}
