/* SPDX-License-Identifier: MIT */
/* Running the pass table, and what passes share. */
#include "passes.h"
#include <string.h>

const PassInfo graph_passes[] = {
#define GRAPH_PASS(name, doc) { #name, doc, pass_##name },
#include "pipeline.def"
#undef GRAPH_PASS
};
const size_t graph_pass_count = sizeof graph_passes / sizeof *graph_passes;

void pass_dump(const PassOptions *o, const char *stage, const char *text)
{
    if (!o->dump || (strcmp(o->dump, "all") && (strncmp(o->dump, "after:", 6) || strcmp(o->dump + 6, stage))))
        return;
    fprintf(o->out, "== %s\n%s", stage, text);
}

static void dump_graph(const PassOptions *o, const char *stage, Graph *g, const char **last)
{
    if (!o->dump)
        return;
    Text t;
    text_init(&t, g->job);
    graph_print(&t, g);
    pass_dump(o, stage, *last && !strcmp(*last, t.at) ? "unchanged\n" : t.at);
    *last = t.at;
}

static void check(Graph *g, const char *pass)
{
    const char *bad = graph_verify(g);
    if (!bad)
        return;
    Text t;
    text_init(&t, g->job);
    graph_print(&t, g);
    fputs(t.at, stderr);
    bug("after pass %s: %s", pass, bad);
}

void passes_run(Graph *g, const PassOptions *o)
{
    const char *last = NULL;
    const char *bad = graph_verify(g);
    if (bad)
        fail(g->job, EXIT_INPUT, "%s: the graph is not well-formed: %s", g->name, bad);
    dump_graph(o, "import", g, &last);
    for (size_t i = 0; i < graph_pass_count; i++) {
        double start = seconds_now();
        graph_passes[i].run(g);
        if (o->time)
            fprintf(o->out, "%-16s %8.2f ms\n", graph_passes[i].name, (seconds_now() - start) * 1e3);
        check(g, graph_passes[i].name);
        dump_graph(o, graph_passes[i].name, g, &last);
    }
}

bool passes_run_one(Graph *g, const char *name)
{
    for (size_t i = 0; i < graph_pass_count; i++)
        if (!strcmp(graph_passes[i].name, name)) {
            graph_passes[i].run(g);
            check(g, name);
            return true;
        }
    return false;
}

static bool node_is_constant(const Value *v)
{
    const Node *n = v->def;
    if (op_info[n->op].kind == CONTROL || n->op == OP_index)
        return false;
    for (int i = 0; i < v->type.rank; i++)
        if (v->type.dim[i]->op != IDX_CONST)
            return false;
    for (uint32_t i = 0; i < n->in_count; i++)
        if (!value_is_constant(n->in[i]))
            return false;
    return true;
}

bool value_is_constant(const Value *v)
{
    if (v->kind != VALUE_NODE)
        return v->kind == VALUE_CONST;
    if (!v->constant) /* kept: a graph may share values so much that asking again each time takes for ever */
        ((Value *)(uintptr_t)v)->constant = node_is_constant(v) ? 1 : -1;
    return v->constant > 0;
}

bool value_is_full(const Value *v, double *number)
{
    if (v->kind != VALUE_NODE)
        return false;
    const Node *n = v->def;
    if (n->op == OP_expand || n->op == OP_reshape)
        return value_is_full(n->in[0], number);
    if (n->op == OP_cast && dtype_is_float(v->type.dtype) && value_is_full(n->in[0], number)) {
        *number = v->type.dtype == DT_f64 ? *number : (double)(float)*number;
        return v->type.dtype == DT_f64 || v->type.dtype == DT_f32;
    }
    if (n->op != OP_full)
        return false;
    *number = node_float(n, "value");
    return true;
}

void *tensor_dense(Job *job, const Tensor *t, size_t *bytes)
{
    size_t size = (size_t)dtype_info[t->dtype].bytes, count = 1;
    for (int i = 0; i < t->rank; i++)
        count *= (size_t)t->size[i];
    *bytes = count * size;
    if (!t->storage)
        bug("constant %s has no elements", t->name);
    if (count > (1u << 24) && count * size / 16 > t->storage->size)
        fail(job, EXIT_INPUT, "%s: %zu elements expanded from %llu bytes; too much to store", t->name, count,
             (unsigned long long)t->storage->size);
    char *out = job_big(job, *bytes);
    const uint8_t *base = t->storage->bytes + (size_t)t->offset * size;
    int inner = t->rank; /* the axes behind `inner` are contiguous: copied at once */
    size_t run = 1;
    while (inner > 0 && (t->stride[inner - 1] == (int64_t)run || t->size[inner - 1] == 1))
        run *= (size_t)t->size[--inner];
    int64_t at[MAX_RANK] = { 0 };
    for (size_t done = 0; done < count; done += run) {
        int64_t from = 0;
        for (int i = 0; i < inner; i++)
            from += at[i] * t->stride[i];
        memcpy(out + done * size, base + (size_t)from * size, run * size);
        for (int i = inner; i-- > 0 && ++at[i] == t->size[i];)
            at[i] = 0;
    }
    return out;
}

static bool is_dense(const Tensor *t)
{
    int64_t step = 1;
    for (int i = t->rank; i-- > 0; step *= t->size[i])
        if (t->size[i] != 1 && t->stride[i] != step)
            return false;
    return true;
}

static void make_dense(Job *job, Value *v)
{
    const Tensor *t = v->tensor;
    if (!t || !t->storage || !t->replaceable || is_dense(t))
        return;
    Tensor *dense = job_alloc(job, sizeof *dense);
    Storage *s = job_alloc(job, sizeof *s);
    size_t bytes;
    int64_t step = 1;
    *dense = *t;
    s->bytes = tensor_dense(job, t, &bytes);
    s->size = bytes;
    dense->storage = s;
    dense->offset = 0;
    for (int i = t->rank; i-- > 0; step *= t->size[i])
        dense->stride[i] = step;
    v->tensor = dense;
}

void constants_dense(Graph *g)
{
    for each_node (n, g)
        for (uint32_t i = 0; i < n->region_count; i++)
            constants_dense(n->region[i]);
    for (size_t i = 0; i < g->consts.n; i++)
        make_dense(g->job, g->consts.at[i]);
    for (size_t i = 0; i < g->states.n; i++)
        make_dense(g->job, g->states.at[i]);
}

/* ---- contractions ------------------------------------------------------------------------------------ */

static Value *extra(const Node *n, const char *flag)
{
    const Attr *a = node_attr(n, flag);
    return a ? n->in[node_int(n, flag, 0)] : NULL;
}

Value *contract_bias(const Node *n)
{
    return extra(n, "bias");
}

Value *contract_residual(const Node *n)
{
    return extra(n, "residual");
}

static int64_t number(const Idx *e)
{
    int64_t k = 0;
    idx_is_const(e, &k);
    return k;
}

static bool const_reshape(const Value *v, const Tensor *in, Tensor *out)
{
    int64_t step = 1;
    for (int i = in->rank; i-- > 0; step *= in->size[i]) /* only of contiguous elements */
        if (in->size[i] != 1 && in->stride[i] != step)
            return false;
    step = 1;
    for (int i = v->type.rank; i-- > 0; step *= out->size[i]) {
        out->size[i] = number(v->type.dim[i]);
        out->stride[i] = step;
    }
    return true;
}

bool dtype_is_stored(DType d)
{
    return d == DT_f16 || d == DT_bf16 || d == DT_i8;
}

bool const_view(const Value *v, Tensor *out)
{
    Tensor in;
    if (v->kind == VALUE_CONST) {
        *out = *v->tensor;
        return true;
    }
    const Node *n = v->kind == VALUE_NODE ? v->def : NULL;
    int64_t count;
    if (n && n->op == OP_cast && v->type.dtype == DT_f32 && dtype_is_stored(n->in[0]->type.dtype))
        return const_view(n->in[0], out);
    if (!n || op_info[n->op].kind != VIEW || n->in_count != 1 || !type_static(&v->type, &count) ||
        !const_view(n->in[0], &in))
        return false;
    *out = in;
    out->rank = v->type.rank;
    if (n->op == OP_reshape)
        return const_reshape(v, &in, out);
    for (int i = 0; i < out->rank; i++) {
        int from = n->op == OP_permute ? (int)node_int(n, "dims", (size_t)i) : i - (out->rank - in.rank);
        bool repeat = n->op == OP_expand && (from < 0 || in.size[from] != number(v->type.dim[i]));
        out->size[i] = number(v->type.dim[i]);
        out->stride[i] = repeat ? 0 : in.stride[from];
        if (n->op == OP_slice) {
            out->offset += number(node_idx(n, "starts", (size_t)i)) * in.stride[i];
            out->stride[i] *= number(node_idx(n, "steps", (size_t)i));
        }
    }
    return n->op == OP_permute || n->op == OP_expand || n->op == OP_slice;
}

bool contract_multiplies(const Node *n)
{
    return n->op == OP_matmul || n->op == OP_grouped_matmul;
}

bool contract_packs(const Node *n, Tensor *weight)
{
    if ((!contract_multiplies(n) && n->op != OP_conv) || !contract_is_tiled(n) || !const_view(n->in[1], weight))
        return false;
    int64_t matrices = 1;
    for (int i = 0; contract_multiplies(n) && i < weight->rank - 2; i++)
        matrices *= weight->stride[i] ? weight->size[i] : 1;
    /* panels are 16 columns wide or more: many matrices shall take twice the memory at most */
    return matrices == 1 || (matrices > 1 && weight->size[weight->rank - 1] >= 8);
}

int64_t conv_lanes(const Node *n)
{
    const Type *w = &n->in[1]->type;
    int64_t groups = node_int(n, "groups", 0), cin = 0;
    bool small = groups > 1 && w->rank <= 4 && idx_is_const(w->dim[1], &cin) && cin <= 8 && (cin & (cin - 1)) == 0;
    return small && idx_is(w->dim[0], groups * cin) ? cin : 0;
}

bool contract_is_tiled(const Node *n)
{
    int64_t cin, cout, groups;
    if (n->out[0]->type.dtype != DT_f32)
        return false;
    if (contract_multiplies(n) || n->op == OP_attention)
        return true;
    const Type *w = &n->in[1]->type;
    groups = node_int(n, "groups", 0);
    Tensor t;
    if (!const_view(n->in[1], &t) || w->rank > 5 || !idx_is_const(w->dim[1], &cin) || !idx_is_const(w->dim[0], &cout))
        return false;
    if (w->rank == 5) /* a row of the filter is one piece of memory */
        return groups == 1 && (node_int(n, "dilation", 2) == 1 || idx_is(w->dim[4], 1));
    return groups == 1 || (cin >= 4 && cout / groups >= 8) || conv_lanes(n);
}
