/* SPDX-License-Identifier: MIT */
/* Which values get memory.  All others are computed again where they are read, that is fused. */
#include "lower.h"
#include "packing.h"
#include <string.h>

typedef struct Readers { /* by value id */
    Value **one;
    bool *many; /* more than one */
} Readers;

/* Where the axes of a value are in its reader's kernel: axes of the value with memory, in as many loops. */
enum { UNSEEN = -1, ELSEWHERE = -2 }; /* of no reader yet; in an inner loop, or not always at the same place */
typedef struct Axes {
    signed char at[MAX_RANK];
} Axes;

typedef struct Roots {
    Readers kernels; /* values with memory in whose kernels this one is computed */
    Readers passes;  /* those values, or reductions within their kernels, over whose elements it is computed */
    Axes *axes;
    double *along, *across; /* how often an element is computed for those who read it where they compute, and elsewhere */
    bool *guarded;   /* a pad between them computes it only in places */
} Roots;

static Readers readers_new(Job *job, size_t count)
{
    return (Readers){ job_array(job, count, sizeof(Value *)), job_array(job, count, sizeof(bool)) };
}

static void add_reader(Readers *r, const Value *v, Value *reader)
{
    if (r->one[v->id] && r->one[v->id] != reader)
        r->many[v->id] = true;
    r->one[v->id] = reader;
}

/* Whoever v is computed in reads `in`. */
static void read_through(Readers *r, const Value *in, const Value *v)
{
    if (!r->one[v->id])
        return;
    add_reader(r, in, r->one[v->id]);
    r->many[in->id] |= r->many[v->id];
}

/* Never computed inside another kernel. */
static bool own_kernel(OpKind k)
{
    return k == CONTRACT || k == CONTROL || k == SCAN || k == ROUTINE || k == SCATTER;
}

static bool is_light(Op op)
{
    return (op >= OP_neg && op <= OP_trunc) || op == OP_relu || op == OP_not || op == OP_isnan || op == OP_cast ||
           (op >= OP_add && op <= OP_mul) || (op >= OP_max && op <= OP_xor) || op == OP_where;
}

/* A polynomial or more. */
static bool is_heavy(Op op)
{
    return (op >= OP_exp && op <= OP_exponent && op != OP_relu) || (op >= OP_pow && op <= OP_hypot && op != OP_copysign) ||
           (op >= OP_lgamma && op <= OP_philox);
}

/* Whether computing v again would compute something heavy again. */
static bool repeats_heavy(Lower *l, const Value *v, int depth)
{
    if (v->kind != VALUE_NODE || depth > 6 || (depth && l->realize[v->id]))
        return false;
    OpKind k = op_info[v->def->op].kind;
    if (k != POINTWISE && k != VIEW)
        return false;
    bool heavy = k == POINTWISE && is_heavy(v->def->op);
    for (uint32_t i = 0; i < v->def->in_count && !heavy; i++)
        heavy = repeats_heavy(l, v->def->in[i], depth + 1);
    return heavy;
}

/* Cheap enough to be computed again by each reader: one light operator on memory or numbers. */
static bool is_cheap(Lower *l, const Value *v, int depth)
{
    if (v->kind != VALUE_NODE || l->realize[v->id])
        return true;
    const Node *n = v->def;
    OpKind k = op_info[n->op].kind;
    if (k == CREATE)
        return true;
    if (k == REDUCE || k == GATHER || own_kernel(k) || n->op == OP_cat || depth > 12)
        return false;
    if (k == POINTWISE && !is_light(n->op))
        return false;
    int left = k == POINTWISE && n->op != OP_cast ? depth + 6 : depth + 1;
    for (uint32_t i = 0; i < n->in_count; i++)
        if (!is_cheap(l, n->in[i], left))
            return false;
    return true;
}

/* The axis of `out` that axis `axis` of `in` is behind a reshape: all sizes up to it have to be the same, but for ones. */
static int axis_behind_reshape(const Type *in, const Type *out, int axis)
{
    int at = 0;
    for (int i = 0; i <= axis; i++) {
        if (idx_is(in->dim[i], 1))
            continue;
        while (at < out->rank && idx_is(out->dim[at], 1))
            at++;
        if (at == out->rank || out->dim[at++] != in->dim[i])
            return ELSEWHERE;
    }
    return at - 1;
}

/* The axis of n's result that axis `axis` of its operand `in`, of more than one element, is. */
static int axis_in_result(const Node *n, const Value *in, int axis)
{
    const Type *a = &in->type, *t = &n->out[0]->type;
    const Attr *dims = op_info[n->op].kind == REDUCE ? node_attr(n, "dims") : NULL;
    int at = axis;
    if (op_info[n->op].kind == POINTWISE || n->op == OP_expand)
        return axis + t->rank - a->rank;
    if (n->op == OP_reshape)
        return axis_behind_reshape(a, t, axis);
    for (int i = 0; n->op == OP_permute && i < t->rank; i++)
        if (node_int(n, "dims", (size_t)i) == axis)
            return i;
    for (size_t i = 0; dims && i < dims->n; i++) {
        if (idx_is(dims->idx[i], axis))
            return ELSEWHERE;
        at -= node_int(n, "dims", i) < axis;
    }
    return at < t->rank ? at : ELSEWHERE;
}

/* n reads `in`: notes where in's axes are. */
static void place_axes(Roots *r, const Node *n, const Value *in, bool memory)
{
    for (int i = 0; i < in->type.rank; i++) {
        int at = idx_is(in->type.dim[i], 1) ? i : axis_in_result(n, in, i);
        signed char *seen = &r->axes[in->id].at[i];
        if (at >= 0 && !memory && !idx_is(in->type.dim[i], 1))
            at = r->axes[n->out[0]->id].at[at];
        *seen = *seen == UNSEEN || *seen == at ? (signed char)at : ELSEWHERE;
    }
}

/* A reduction may be computed inside its only reader's kernel when its axes are the reader's outer axes: then it
 * runs once for each of them, and the row it reads is still in cache. */
static bool fits_inside(Lower *l, const Axes *axes, const Value *r, const Value *root)
{
    OpKind k = op_info[root->def->op].kind;
    if (own_kernel(k) || l->channels_last[root->id] || root->def->op == OP_cat)
        return false;
    if (r->type.rank > root->type.rank || (r->type.rank == root->type.rank && k != REDUCE))
        return false;
    for (int i = 0; i < r->type.rank; i++)
        if (r->type.dim[i] != root->type.dim[i] || axes->at[i] != i)
            return false;
    return true;
}

/* How often n reads an element of its operand `in` elsewhere than where the result is computed: as often as sizes that are
 * known say, else once; 0: there. */
static double times_across(const Node *n, const Value *in)
{
    const Type *a = &in->type, *t = &n->out[0]->type;
    bool moves = (op_info[n->op].kind == VIEW && n->op != OP_reshape && n->op != OP_expand && n->op != OP_cat) ||
                 (n->op == OP_take && in == n->in[0]);
    int64_t from, to;
    double times = moves;
    for (int i = 0; moves && i < a->rank && a->rank == t->rank; i++)
        if (n->op != OP_pad && n->op != OP_permute && idx_is_const(a->dim[i], &from) && idx_is_const(t->dim[i], &to) && from > 0)
            times *= (double)to / (double)from;
    return times;
}

static double times_computed(const Roots *r, const Value *v, bool memory)
{
    double times = r->along[v->id] + r->across[v->id];
    return memory || times == 0 ? 1 : times;
}

/* n, which is computed so often, reads `in`. */
static void count_times(Roots *r, const Node *n, const Value *in, double times)
{
    double across = times_across(n, in);
    if (across == 0 && times > r->along[in->id]) /* the same elements as another reader */
        r->along[in->id] = times;
    r->across[in->id] += times * across;
}

static bool wants_memory(Lower *l, Roots *r, const Node *n, const Value *v)
{
    OpKind k = op_info[n->op].kind;
    if (l->realize[v->id] || (own_kernel(k) && !l->inside[v->id]) || n->op == OP_cat)
        return true;
    if (k == REDUCE && sums_places(n) && l->channels_last[n->in[0]->id]) /* the loops would run against the order of memory */
        return true;
    if (k == REDUCE)
        return r->kernels.many[v->id] || !r->kernels.one[v->id] || !fits_inside(l, &r->axes[v->id], v, r->kernels.one[v->id]);
    if (k == GATHER && r->guarded[v->id]) /* indices are checked, all of them */
        return true;
    if (k == CREATE || k == VIEW || v->type.rank == 0)
        return false;
    enum { OFTEN = 2 }; /* more would grow with each step of a chain of stencils, shifts or gathers */
    bool again = r->kernels.many[v->id] || times_computed(r, v, false) > OFTEN;
    return (again && !is_cheap(l, v, 0)) || (r->passes.many[v->id] && repeats_heavy(l, v, 0));
}

/* Axes that were moved beside each other became one. */
static bool is_interleaved(const Value *v)
{
    const Value *in = v->kind == VALUE_NODE && v->def->op == OP_reshape ? v->def->in[0] : NULL;
    return in && in->kind == VALUE_NODE && in->def->op == OP_permute && in->type.rank > v->type.rank;
}

/* Arithmetic for each channel whose result all places of the image v read: done once, not in the innermost loop. */
static bool belongs_to_channels(Lower *l, const Value *in, const Value *v)
{
    bool channels = l->channels_last[v->id] && v->type.rank > 2 && in->type.rank == v->type.rank, repeats = false;
    for (int i = 2; i < v->type.rank && channels; i++) {
        channels = idx_is(in->type.dim[i], 1);
        repeats |= !idx_is(v->type.dim[i], 1);
    }
    const Value *from = in;
    while (from->kind == VALUE_NODE && op_info[from->def->op].kind == VIEW && from->def->in_count == 1)
        from = from->def->in[0];
    return channels && repeats && from->kind == VALUE_NODE && op_info[from->def->op].kind == POINTWISE && !is_cheap(l, in, 0);
}

static bool computed(const Value *v)
{
    return v->kind == VALUE_NODE && op_info[v->def->op].kind != VIEW && op_info[v->def->op].kind != CREATE;
}

/* A long chain of operators is cut every so often: each piece stays a kernel that a person and a compiler can read. */
static void cut_chains(Lower *l, Graph *g)
{
    enum { LONGEST = 48 };
    int *length = job_array(l->job, g->values.n + 1, sizeof *length);
    for each_node (n, g) {
        int longest = 0;
        for (uint32_t i = 0; i < n->in_count; i++)
            longest = length[n->in[i]->id] > longest ? length[n->in[i]->id] : longest;
        bool cut = longest + 1 >= LONGEST && n->out_count == 1 && op_info[n->op].kind != CREATE;
        l->realize[n->out[0]->id] |= cut;
        length[n->out[0]->id] = cut || op_info[n->op].kind == CONTRACT ? 0 : longest + 1;
    }
}

void choose_buffers(Lower *l, Graph *g)
{
    size_t count = g->values.n + 1;
    Roots r = { readers_new(l->job, count), readers_new(l->job, count), job_array(l->job, count, sizeof(Axes)),
                job_array(l->job, count, sizeof(double)), job_array(l->job, count, sizeof(double)),
                job_array(l->job, count, sizeof(bool)) };
    memset(r.axes, UNSEEN, count * sizeof *r.axes);
    for (size_t i = 0; i < g->outputs.n; i++)
        if (g->outputs.at[i].value && g->outputs.at[i].value->kind == VALUE_NODE)
            l->realize[g->outputs.at[i].value->id] = true;
    for (size_t i = 0; i < g->effects.n; i++)
        l->realize[g->effects.at[i].value->id] |= g->effects.at[i].value->kind == VALUE_NODE;
    cut_chains(l, g);
    for (Node *n = g->last; n; n = n->prev) {
        Value *v = n->out[0];
        bool memory = wants_memory(l, &r, n, v);
        double times = times_computed(&r, v, memory);
        for (uint32_t i = 0; i < n->out_count; i++)
            l->realize[n->out[i]->id] = memory;
        for (uint32_t i = 0; i < n->in_count; i++) {
            Value *in = n->in[i];
            OpKind k = op_info[n->op].kind;
            if (n->op == OP_slice && is_interleaved(in)) /* a part of it would divide each index */
                l->realize[in->id] = true;
            if (k == CONTROL && reads_memory(n, i) && in->kind == VALUE_NODE)
                l->realize[in->id] = true;
            l->inside[in->id] = i == 0 && conv_pair(n) && !contract_way(l, n).apart;
            Tensor weight;
            if ((n->op == OP_window || k == CONTRACT || k == ROUTINE) && computed(in) && !l->inside[in->id] &&
                !(i == 1 && contract_packs(n, &weight)))
                l->realize[in->id] = true; /* read more than once an element */
            if (k == POINTWISE && belongs_to_channels(l, in, v))
                l->realize[in->id] = true;
            if (sums_places(n) && l->channels_last[in->id] && computed(in))
                l->realize[in->id] = true; /* for the pooling kernel */
            place_axes(&r, n, in, memory);
            count_times(&r, n, in, times);
            r.guarded[in->id] |= n->op == OP_pad || n->op == OP_window || (!memory && r.guarded[v->id]);
            if (memory)
                add_reader(&r.kernels, in, v);
            else
                read_through(&r.kernels, in, v);
            if (memory || k == REDUCE)
                add_reader(&r.passes, in, v);
            else
                read_through(&r.passes, in, v);
        }
    }
}
