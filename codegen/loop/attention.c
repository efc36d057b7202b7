/* SPDX-License-Identifier: MIT */
/* Attention as a call of aotk_attention_f32 (codegen/kernels/aotk.h): strides of all operands, scratch memory. */
#include "../kernels/aotk.h"
#include "lower.h"
#include <string.h>

enum { Q, K, V, MASK, Y, SIDES };             /* operands, result */
enum { BATCHES = 3, LANES = 64, KEYS = 256 }; /* aotk_attention_work has the same numbers */

typedef struct Axis { /* of the batch: its size, and the stride of each side */
    const Idx *size, *stride[SIDES];
} Axis;

typedef struct Attention {
    Make *m;
    Node *n;
    Buffer *out;
    Affine at[SIDES];
    const Idx *row[SIDES], *column[SIDES]; /* strides of the last two axes */
    const Idx *queries;
    Axis batch[MAX_RANK];
    int batches;
} Attention;

static const Idx *k(Attention *a, int64_t n)
{
    return idx_const(a->m->job, n);
}

static void number(Attention *a, Stmt *s, const char *name, const Idx *v)
{
    *vec_push(a->m->job, &s->fields) = (Field){ .name = sym(a->m->job, name), .idx = v };
}

static const Value *side(const Attention *a, int i)
{
    return i == Y ? a->n->out[0] : (uint32_t)i < a->n->in_count ? a->n->in[i] : NULL;
}

/* The only node that reads v, which n gives. */
static const Node *only_reader(const Node *n, const Value *v)
{
    for (const Node *r = n->next; r && v->uses == 1; r = r->next)
        for (uint32_t i = 0; i < r->in_count; i++)
            if (r->in[i] == v)
                return r;
    return NULL;
}

/* The result's memory in the order in which its only reader, a permutation, wants its rows: heads beside each other.
 * Before that a reshape may merge groups of heads. */
static void order_result(Lower *l, const Node *n, Buffer *out)
{
    Job *job = l->job;
    const Type *seen = &n->out[0]->type;
    const Node *r = only_reader(n, n->out[0]);
    if (r && r->op == OP_reshape) {
        seen = &r->out[0]->type;
        r = only_reader(r, r->out[0]);
    }
    int last = seen->rank - 1, axis = 0;
    if (out->kind != BUFFER_WORK || !r || r->op != OP_permute || node_int(r, "dims", (size_t)last) != last)
        return;
    const Idx *step = idx_const(job, 1), *wanted[MAX_RANK], *stride[MAX_RANK];
    for (int i = last; i >= 0; i--) {
        int64_t from = node_int(r, "dims", (size_t)i);
        wanted[from] = step;
        step = idx_mul(job, step, seen->dim[from]);
    }
    for (int i = 0; i <= last; i++) { /* axes of the result that axis i consists of */
        const Idx *size = idx_const(job, 1);
        int first = axis;
        while (size != seen->dim[i] && axis < out->rank)
            size = idx_mul(job, size, out->dim[axis++]);
        if (size != seen->dim[i])
            return;
        step = wanted[i];
        for (int d = axis; d-- > first;) {
            stride[d] = step;
            step = idx_mul(job, step, out->dim[d]);
        }
    }
    for (int d = 0; d < axis; d++)
        out->stride[d] = stride[d];
}

/* Strides of axis `d` of the result, on every side. */
static Axis axis_of(Attention *a, int d)
{
    const Type *t = &a->n->out[0]->type;
    Axis x = { .size = t->dim[d] };
    for (int i = 0; i < SIDES; i++) {
        const Value *v = side(a, i);
        int at = v ? d - (t->rank - v->type.rank) : -1;
        x.stride[i] = at < 0 || idx_is(v->type.dim[at], 1) ? k(a, 0) : a->at[i].stride[at];
    }
    return x;
}

/* Adds an axis of the batch; one that goes on where the last one ends becomes part of it. */
static void add_axis(Attention *a, const Axis *x)
{
    Job *job = a->m->job;
    Axis *last = a->batches ? &a->batch[a->batches - 1] : NULL;
    bool merges = last != NULL;
    for (int i = 0; i < SIDES && merges; i++)
        merges = last->stride[i] == idx_mul(job, x->stride[i], x->size);
    if (!merges) {
        a->batch[a->batches++] = *x;
        return;
    }
    last->size = idx_mul(job, last->size, x->size);
    memcpy(last->stride, x->stride, sizeof last->stride);
}

/* Of one query, heads that share keys and values stand as its rows: these are read once for all of them. */
static void group_heads(Attention *a)
{
    if (!idx_is(a->queries, 1) || node_int(a->n, "causal", 0))
        return;
    for (int i = a->batches; i-- > 0;) {
        Axis *x = &a->batch[i];
        if (!idx_is(x->stride[K], 0) || !idx_is(x->stride[V], 0))
            continue;
        a->queries = x->size;
        a->row[Q] = x->stride[Q];
        a->column[MASK] = x->stride[MASK];
        a->row[Y] = x->stride[Y];
        memmove(x, x + 1, sizeof *x * (size_t)(--a->batches - i));
        return;
    }
}

/* What aotk_attention_work says of the scratch memory of a task. */
static Buffer *scratch(Attention *a, const Idx *keys, const Idx *e, const Idx *ev)
{
    Job *job = a->m->job;
    const Idx *lanes = idx_min(job, idx_ceil_to(job, a->queries, 16), k(a, LANES)), *width = idx_ceil_to(job, ev, 16);
    keys = idx_min(job, idx_ceil_to(job, keys, 16), k(a, KEYS));
    const Idx *row = idx_addk(job, idx_add(job, e, idx_add(job, keys, width)), 3);
    const Idx *floats = idx_mul(job, lanes, row);
    if (!idx_is(a->column[V], 1) || width != ev)
        floats = idx_add(job, floats, idx_mul(job, keys, width));
    Value v = { .name = sym_printf(job, "%s_scratch", a->n->out[0]->name), .type = { DT_f32, 1, { floats } } };
    Buffer *b = buffer_new(a->m->l, &v, BUFFER_WORK, false, 0);
    b->scratch = true;
    return b;
}

/* Axes of the batch that the kernel has no loop for: the offset of each side grows with them. */
static int outer_loops(Attention *a, const Idx **offset)
{
    Job *job = a->m->job;
    int loops = 0;
    for (; a->batches - loops > BATCHES; loops++) {
        const Idx *at = open_loop(a->m, "b", a->batch[loops].size);
        for (int i = 0; i < SIDES; i++)
            if (side(a, i))
                offset[i] = idx_add(job, offset[i], idx_mul(job, at, a->batch[loops].stride[i]));
    }
    return loops;
}

static void call(Attention *a, const Idx *keys, const Idx *e, const Idx *ev)
{
    static const char *const names[SIDES] = { "q", "k", "v", "mask", "y" };
    static const char *const rows[SIDES] = { "q_l", "k_s", "v_s", "mask_s", "y_l" };
    static const char *const columns[SIDES] = { "q_e", "k_e", "v_e", "mask_l", NULL };
    Make *m = a->m;
    Job *job = m->job;
    const Idx *offset[SIDES];
    for (int i = 0; i < SIDES; i++)
        offset[i] = a->at[i].offset;
    Buffer *work = scratch(a, keys, e, ev);
    int loops = outer_loops(a, offset);
    Stmt *s = stmt_add(job, m->block[m->level], S_CALL);
    s->var = sym(job, "aotk_attention_f32");
    s->text = sym(job, "aotk_attention");
    for (int i = 0; i < SIDES; i++)
        if (side(a, i))
            *vec_push(job, &s->fields) =
                (Field){ .name = sym(job, names[i]), .idx = offset[i], .buffer = a->at[i].buffer };
    *vec_push(job, &s->fields) = (Field){ .name = sym(job, "work"), .idx = k(a, 0), .buffer = work };
    for (int i = 0; i < BATCHES; i++) {
        int from = a->batches - BATCHES + i;
        const Axis *x = from >= loops ? &a->batch[from] : NULL;
        number(a, s, job_printf(job, "n%d", i), x ? x->size : k(a, 1));
        for (int j = 0; j < SIDES && x; j++)
            if (side(a, j))
                number(a, s, job_printf(job, "%s%d", names[j], i), x->stride[j]);
    }
    number(a, s, "l", a->queries);
    number(a, s, "s", keys);
    number(a, s, "e", e);
    number(a, s, "ev", ev);
    for (int i = 0; i < SIDES; i++) {
        if (side(a, i))
            number(a, s, rows[i], a->row[i]);
        if (side(a, i) && columns[i])
            number(a, s, columns[i], a->column[i]);
    }
    *vec_push(job, &s->fields) =
        (Field){ .name = sym(job, "scale"), .text = float_text(job, node_float(a->n, "scale"), false) };
    if (node_float(a->n, "cap") != 0)
        *vec_push(job, &s->fields) =
            (Field){ .name = sym(job, "cap"), .text = float_text(job, node_float(a->n, "cap"), false) };
    number(a, s, "causal", k(a, node_int(a->n, "causal", 0)));
    number(a, s, "zeros", k(a, node_int(a->n, "zeros", 0)));
    number(a, s, "tasks", k(a, 1));
    for (int i = 0; i < loops; i++)
        close_loop(m);
}

void lower_attention(Lower *l, Node *n, Buffer *out)
{
    const Type *t = &n->out[0]->type;
    Attention a = { .n = n, .out = out };
    for (uint32_t i = 0; i < n->in_count; i++)
        a.at[i] = value_memory(l, n->in[i], i == MASK ? n->in[i]->type.rank - 1 : -1);
    order_result(l, n, out);
    a.at[Y] = (Affine){ .buffer = out, .offset = out->offset };
    memcpy(a.at[Y].stride, out->stride, sizeof out->stride);
    a.m = make_kernel(l, n->out[0]->name, &n->origin);
    a.m->k->about =
        sym_printf(l->job, "attention %s x %s", type_text(l->job, &n->in[Q]->type), type_text(l->job, &n->in[K]->type));
    a.queries = t->dim[t->rank - 2];
    for (int i = 0; i < SIDES; i++) {
        const Value *v = side(&a, i);
        for (int j = 0; j < 2 && v; j++) {
            int axis = v->type.rank - 2 + j;
            *(j ? &a.column[i] : &a.row[i]) =
                i == MASK && idx_is(v->type.dim[axis], 1) ? k(&a, 0) : a.at[i].stride[axis];
        }
    }
    for (int d = 0; d < t->rank - 2; d++) {
        Axis x = axis_of(&a, d);
        if (!idx_is(x.size, 1))
            add_axis(&a, &x);
    }
    group_heads(&a);
    const Type *key = &n->in[K]->type;
    call(&a, key->dim[key->rank - 2], key->dim[key->rank - 1], t->dim[t->rank - 1]);
    finish_kernel(a.m);
}
