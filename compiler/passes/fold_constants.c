/* SPDX-License-Identifier: MIT */
/* Takes and leaves core graphs.  Values that depend on constants only and are read by something that does not are
 * computed now: their nodes form a graph of their own, which the driver's evaluator compiles and runs.  Views of
 * constants stay (lowering reads a weight in any order), `full` stays (a number in the code is cheaper than a load).
 * Limits, because archives may be hostile: a result holds at most 4 times its inputs plus 64 KiB; the elements of all
 * nodes together are at most 64 times the inputs plus 16 M; no loops, no contractions. */
#include "passes.h"

typedef struct Fold {
    Graph *g;
    Evaluator *evaluator;
    VEC(Value *) wanted;
    Value **copy; /* by value id of g: its value in the folded graph */
    Graph *sub;
    VEC(const void *) data;
} Fold;

static int64_t bytes_of(const Value *v)
{
    int64_t n = 0;
    return type_static(&v->type, &n) ? n * dtype_info[v->type.dtype].bytes : INT64_MAX;
}

static int64_t inputs_bytes(const Value *v)
{
    if (v->kind == VALUE_CONST)
        return bytes_of(v);
    int64_t sum = 0;
    for (uint32_t i = 0; i < v->def->in_count; i++)
        sum += inputs_bytes(v->def->in[i]);
    return sum;
}

/* Whether anything is computed: a chain of views down to a constant or to `full` is not worth a copy. */
static bool computes(const Value *v)
{
    if (v->kind != VALUE_NODE || v->def->op == OP_full)
        return false;
    bool work = op_info[v->def->op].kind != VIEW || v->def->op == OP_cat || v->def->op == OP_pad;
    for (uint32_t i = 0; i < v->def->in_count && !work; i++)
        work = computes(v->def->in[i]);
    return work;
}

static bool allowed(const Value *v, int depth)
{
    if (v->kind == VALUE_CONST)
        return v->tensor->storage != NULL;
    OpKind k = op_info[v->def->op].kind;
    if (depth > 200 || k == CONTRACT || k == CONTROL || k == GATHER)
        return false;
    int64_t in = inputs_bytes(v), out = bytes_of(v);
    if (out > 4 * in + 65536)
        return false;
    for (uint32_t i = 0; i < v->def->in_count; i++)
        if (!allowed(v->def->in[i], depth + 1))
            return false;
    return true;
}

static bool wanted(const Value *v)
{
    return v->kind == VALUE_NODE && value_is_constant(v) && computes(v) && allowed(v, 0);
}

static void want(Fold *f, Value *v)
{
    for (size_t i = 0; i < f->wanted.n; i++)
        if (f->wanted.at[i] == v)
            return;
    *vec_push(f->g->job, &f->wanted) = v;
}

static Value *copy_value(Fold *f, Value *v)
{
    if (f->copy[v->id])
        return f->copy[v->id];
    if (v->kind == VALUE_CONST) {
        size_t bytes;
        *vec_push(f->g->job, &f->data) = tensor_dense(f->g->job, v->tensor, &bytes);
        return f->copy[v->id] = graph_input(f->sub, v->name, v->type);
    }
    Node *n = v->def;
    Value **in = job_array(f->g->job, n->in_count + 1, sizeof *in);
    for (uint32_t i = 0; i < n->in_count; i++)
        in[i] = copy_value(f, n->in[i]);
    Build b = { .g = f->sub, .origin = n->origin, .stem = v->name };
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
    return t;
}

static void evaluate(Fold *f)
{
    Job *job = f->g->job;
    f->sub = graph_new(job, sym(job, "fold"));
    f->copy = job_array(job, f->g->values.n, sizeof *f->copy);
    void **out = job_array(job, f->wanted.n, sizeof *out);
    const Tensor **tensors = job_array(job, f->wanted.n, sizeof *tensors);
    for (size_t i = 0; i < f->wanted.n; i++) {
        Value *v = copy_value(f, f->wanted.at[i]);
        *vec_push(job, &f->sub->outputs) = (Port){ .name = v->name, .kind = PORT_TENSOR, .value = v };
        tensors[i] = new_tensor(job, f->wanted.at[i]);
        out[i] = (void *)(uintptr_t)tensors[i]->storage->bytes;
    }
    f->evaluator->run(job, f->sub, f->data.at, out);
    for (size_t i = 0; i < f->data.n; i++)
        job_release_big(job, (void *)(uintptr_t)f->data.at[i]);
    for (size_t i = 0; i < f->wanted.n; i++) {
        Value *v = f->wanted.at[i];
        Sym name = graph_name(f->g, job_printf(job, "folded_%s", v->name));
        graph_replace(f->g, v, graph_const(f->g, tensors[i], v->type, name));
    }
}

void pass_fold_constants(Graph *g)
{
    Fold f = { .g = g, .evaluator = *job_slot(g->job, JOB_SLOT_EVALUATE) };
    for each_node (n, g) {
        for (uint32_t i = 0; i < n->region_count; i++)
            pass_fold_constants(n->region[i]);
        bool constant = n->out_count == 1 && !n->region_count && value_is_constant(n->out[0]) && allowed(n->out[0], 0);
        for (uint32_t i = 0; i < n->in_count && !constant; i++)
            if (wanted(n->in[i]))
                want(&f, n->in[i]);
    }
    if (f.wanted.n && f.evaluator) {
        evaluate(&f);
        pass_prune(g);
    }
}
