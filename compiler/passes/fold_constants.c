/* SPDX-License-Identifier: MIT */
/* Takes and leaves core graphs.  Values that depend on constants only and are read by something that does not are
 * computed now: their nodes form a graph of their own, which the driver's evaluator compiles and runs.  Views of
 * constants stay (lowering reads a weight in any order), and so do f16, bf16 and i8 weights of contractions (their kernels
 * widen them).  What is made of numbers alone stays in the code as long as it is arithmetic on sizes, indices and `full`
 * (cheaper than a load); behind a scatter, a reduction or a product it is computed too.
 * Limits, because archives may be hostile: a result holds at most 4 times its inputs plus 64 KiB, or up to LARGEST
 * bytes while the steps of the whole compilation last: one for each byte, one for four multiply-adds of a product, or for
 * PRODUCTS of one that a kernel computes.  No convolution, no routine, no region.  Where an index is out of range nothing
 * behind a gather or scatter is folded: the run shall say so. */
#include "passes.h"

enum { FEW = 65536, LARGEST = 8 << 20, STEPS = 256 << 20, PRODUCTS = 64 };

typedef struct Fold {
    Graph *g;
    Evaluator *evaluator;
    bool indexes;     /* gathers and scatters may be folded */
    VEC(Value *) wanted;
    int64_t *inputs;  /* by value id: bytes of the constants that a constant value is computed from, with repeats */
    bool *computes;   /* something is computed: a chain of views down to a constant or `full` is not worth a copy */
    bool *allowed;    /* within the limits */
    bool *replaceable; /* computed from weights that may be replaced */
    Recipe *recipe;   /* of the graph that is being made; NULL: nothing in it can be replaced */
    Sym *key;         /* by value id */
    Value **copy;     /* by value id of g: its value in the folded graph */
    Graph *sub;
    VEC(const void *) data, copies; /* of the constants, in order; those that are not the archive's own */
} Fold;

static int64_t bytes_of(const Value *v)
{
    int64_t n = 0, bytes;
    return type_static(&v->type, &n) && mul_i64(n, dtype_info[v->type.dtype].bytes, &bytes) ? bytes : INT64_MAX / 8;
}

static bool is_foldable(const Fold *f, const Node *n)
{
    switch (op_info[n->op].kind) {
    case CONTRACT: return n->op == OP_matmul;
    case GATHER:
    case SCATTER: return f->indexes;
    case CONTROL:
    case ROUTINE: return false;
    default: return true;
    }
}

static bool pay(Fold *f, int64_t steps)
{
    bool enough = steps <= STEPS - f->evaluator->steps;
    f->evaluator->steps += enough ? steps : 0;
    return enough;
}

/* Within the limits, for a result of constants of `in` bytes.  Views of what stays in the code take no steps. */
static bool affordable(Fold *f, const Node *n, int64_t in)
{
    const Value *v = n->out[0];
    OpKind k = op_info[n->op].kind;
    bool idle = (k == VIEW || k == CREATE) && !f->computes[v->id];
    int64_t bytes = bytes_of(v), depth = 0, steps = 0;
    if (n->op == OP_matmul) {
        if (!idx_is_const(n->in[0]->type.dim[n->in[0]->type.rank - 1], &depth) || !mul_i64(bytes / 4, depth, &steps))
            return false;
        steps /= contract_is_tiled(n) ? PRODUCTS : 4;
    }
    bool few = bytes / 4 <= in + FEW / 4;
    return (few || bytes <= LARGEST) && pay(f, few || idle ? steps : steps + bytes);
}

/* Whether a node costs more than to load its result, for operands that cost no more. */
static bool is_work(const Fold *f, const Node *n, bool numbers)
{
    Tensor t;
    switch (op_info[n->op].kind) {
    case POINTWISE: return !numbers;
    case CREATE: return false;
    case GATHER: /* at indices that are arithmetic it is a view */
        for (uint32_t i = 1; i < n->in_count; i++)
            if (f->inputs[n->in[i]->id])
                return true;
        return false;
    case VIEW: /* a reshape that moves elements: once, not in each run */
        return !numbers && (n->op == OP_cat || n->op == OP_pad ||
                            (n->op == OP_reshape && const_view(n->in[0], &t) && !const_view(n->out[0], &t)));
    default: return true;
    }
}

/* One walk in order: operands are known before their readers. */
static void measure(Fold *f)
{
    Graph *g = f->g;
    f->inputs = job_array(g->job, g->values.n + 1, sizeof *f->inputs);
    f->computes = job_array(g->job, g->values.n + 1, sizeof *f->computes);
    f->allowed = job_array(g->job, g->values.n + 1, sizeof *f->allowed);
    f->replaceable = job_array(g->job, g->values.n + 1, sizeof *f->replaceable);
    for (size_t i = 0; i < g->consts.n; i++) {
        const Value *c = g->consts.at[i];
        f->inputs[c->id] = bytes_of(c);
        f->allowed[c->id] = c->tensor->storage != NULL;
        f->replaceable[c->id] = c->tensor->replaceable || c->tensor->recipe;
    }
    for each_node (n, g) {
        const Value *v = n->out[0];
        bool allowed = value_is_constant(v) && is_foldable(f, n), work = false;
        int64_t in = 0;
        for (uint32_t i = 0; i < n->in_count; i++) {
            const Value *x = n->in[i];
            allowed &= f->allowed[x->id];
            work |= f->computes[x->id];
            f->replaceable[v->id] |= f->replaceable[x->id];
            in = in > INT64_MAX / 4 - f->inputs[x->id] ? INT64_MAX / 4 : in + f->inputs[x->id];
        }
        f->inputs[v->id] = in;
        f->computes[v->id] = work || is_work(f, n, in == 0);
        f->allowed[v->id] = allowed && affordable(f, n, in);
    }
}

static bool wanted(const Fold *f, const Value *v)
{
    return v->kind == VALUE_NODE && value_is_constant(v) && f->computes[v->id] && f->allowed[v->id];
}

static void want(Fold *f, Value *v)
{
    for (size_t i = 0; i < f->wanted.n; i++)
        if (f->wanted.at[i] == v)
            return;
    *vec_push(f->g->job, &f->wanted) = v;
}

/* The elements where the archive has them; NULL: not one after the other there, or not aligned. */
static const void *in_place(const Tensor *t)
{
    int64_t step = 1;
    for (int i = t->rank; i-- > 0; step *= t->size[i])
        if (t->size[i] != 1 && t->stride[i] != step)
            return NULL;
    const uint8_t *at = t->storage ? t->storage->bytes + t->offset * dtype_info[t->dtype].bytes : NULL;
    return (uintptr_t)at % 16 ? NULL : at;
}

static Value *copy_value(Fold *f, Value *v)
{
    if (f->copy[v->id])
        return f->copy[v->id];
    if (v->kind == VALUE_CONST) {
        size_t bytes;
        const void *data = in_place(v->tensor);
        if (!data)
            *vec_push(f->g->job, &f->copies) = data = tensor_dense(f->g->job, v->tensor, &bytes);
        *vec_push(f->g->job, &f->data) = data;
        if (f->recipe)
            *vec_push(f->g->job, &f->recipe->inputs) = v->tensor;
        return f->copy[v->id] = graph_input(f->sub, v->name, v->type);
    }
    Node *n = v->def;
    Value **in = job_array(f->g->job, n->in_count + 1, sizeof *in);
    for (uint32_t i = 0; i < n->in_count; i++)
        in[i] = copy_value(f, n->in[i]);
    Build b = { .g = f->sub, .stem = v->name };
    return f->copy[v->id] = build(&b, n->op, in, n->in_count, &v->type, n->attrs.at, n->attrs.n);
}

static Tensor *new_tensor(Job *job, const Value *v)
{
    Tensor *t = job_alloc(job, sizeof *t);
    Storage *s = job_alloc(job, sizeof *s);
    t->name = v->name;
    t->dtype = v->type.dtype;
    t->rank = v->type.rank;
    t->storage = s;
    int64_t step = 1;
    for (int i = t->rank; i-- > 0; step *= t->size[i]) {
        idx_is_const(v->type.dim[i], &t->size[i]);
        t->stride[i] = step;
    }
    s->size = (uint64_t)bytes_of(v);
    s->bytes = job_big(job, s->size);
    s->made = true;
    return t;
}

/* Equal for equal formulas over constants of equal names: sizes and names are interned. */
static Sym formula(Fold *f, const Value *v)
{
    Job *job = f->g->job;
    if (f->key[v->id])
        return f->key[v->id];
    if (v->kind == VALUE_CONST) {
        const Tensor *t = v->tensor;
        return f->key[v->id] = t->recipe        ? t->recipe->keys[t->result]
                               : t->replaceable ? sym_printf(job, "weight %s", t->name)
                                                : sym_printf(job, "constant %p", (const void *)t);
    }
    const Node *n = v->def;
    Text t;
    text_init(&t, job);
    text_add(&t, "%s %d", op_info[n->op].name, v->type.dtype);
    for (int i = 0; i < v->type.rank; i++)
        text_add(&t, " %p", (const void *)v->type.dim[i]);
    for (size_t i = 0; i < n->attrs.n; i++) {
        const Attr *a = &n->attrs.at[i];
        text_add(&t, " %s %a %s", a->name, a->kind == ATTR_FLOAT ? a->number : 0, a->kind == ATTR_TEXT ? a->text : "");
        for (size_t k = 0; a->kind != ATTR_FLOAT && a->kind != ATTR_TEXT && k < a->n; k++)
            text_add(&t, " %p", (const void *)a->idx[k]);
    }
    for (uint32_t i = 0; i < n->in_count; i++)
        text_add(&t, " (%p", (const void *)formula(f, n->in[i]));
    return f->key[v->id] = sym(job, t.at);
}

/* Of what is wanted, what may be replaced later, or all else, each as a graph of its own.  False: it cannot be
 * computed, and the graph is as it was. */
static bool evaluate(Fold *f, bool replaceable)
{
    Job *job = f->g->job;
    VEC(Value *) now = { 0 };
    for (size_t i = 0; i < f->wanted.n; i++)
        if (f->replaceable[f->wanted.at[i]->id] == replaceable)
            *vec_push(job, &now) = f->wanted.at[i];
    if (!now.n)
        return true;
    f->sub = graph_new(job, sym(job, "fold"));
    f->copy = job_array(job, f->g->values.n, sizeof *f->copy);
    f->key = job_array(job, f->g->values.n, sizeof *f->key);
    f->recipe = replaceable ? job_alloc(job, sizeof *f->recipe) : NULL;
    f->data.n = f->copies.n = 0;
    Sym *keys = job_array(job, now.n, sizeof *keys);
    void **out = job_array(job, now.n, sizeof *out);
    const Tensor **tensors = job_array(job, now.n, sizeof *tensors);
    for (size_t i = 0; i < now.n; i++) {
        Value *v = copy_value(f, now.at[i]);
        *vec_push(job, &f->sub->outputs) = (Port){ .name = v->name, .kind = PORT_TENSOR, .value = v };
        Tensor *t = new_tensor(job, now.at[i]);
        keys[i] = formula(f, now.at[i]);
        t->recipe = f->recipe;
        t->result = (uint32_t)i;
        tensors[i] = t;
        out[i] = (void *)(uintptr_t)t->storage->bytes;
    }
    if (f->recipe) {
        f->recipe->graph = f->sub;
        f->recipe->keys = keys;
    }
    const char *fault = f->evaluator->run(job, f->sub, f->data.at, out);
    for (size_t i = 0; i < f->copies.n; i++)
        job_release_big(job, (void *)(uintptr_t)f->copies.at[i]);
    for (size_t i = 0; i < now.n && !fault; i++) {
        Value *v = now.at[i];
        Sym name = graph_name(f->g, job_printf(job, "folded_%s", v->name));
        graph_replace(f->g, v, graph_const(f->g, tensors[i], v->type, name));
    }
    return !fault;
}

static bool fold(Graph *g, bool indexes)
{
    Fold f = { .g = g, .evaluator = *job_slot(g->job, JOB_SLOT_EVALUATE), .indexes = indexes };
    if (!f.evaluator)
        return true;
    measure(&f);
    for each_node (n, g) {
        bool constant = n->out_count == 1 && !n->region_count && f.allowed[n->out[0]->id];
        Tensor weight;
        for (uint32_t i = 0; i < n->in_count && !constant; i++)
            if (wanted(&f, n->in[i]) && !(i == 1 && contract_packs(n, &weight)))
                want(&f, n->in[i]);
    }
    bool done = evaluate(&f, true) && evaluate(&f, false);
    if (f.wanted.n)
        pass_prune(g);
    return done;
}

void pass_fold_constants(Graph *g)
{
    for each_node (n, g)
        for (uint32_t i = 0; i < n->region_count; i++)
            pass_fold_constants(n->region[i]);
    if (!fold(g, true) && !fold(g, false))
        bug("constants cannot be folded");
}
