/* SPDX-License-Identifier: MIT */
/* value_at: one element of a graph value as a scalar expression; and the same question about memory: which values
 * are strided views of buffers. */
#include "lower.h"
#include <math.h>
#include <string.h>

const Idx *buffer_at(Job *job, const Buffer *b, const Idx *const *ix)
{
    const Idx *at = b->offset;
    for (int i = 0; i < b->rank; i++)
        at = idx_add(job, at, idx_mul(job, ix[i], b->stride[i]));
    return at;
}

/* ---- loops --------------------------------------------------------------------------------------------- */

const Idx *open_loop(Make *m, const char *stem, const Idx *extent)
{
    Sym name = idx_fresh(m->job, stem);
    Stmt *s = job_alloc(m->job, sizeof *s); /* joins its block when it is closed: what its body hoists comes first */
    s->kind = S_FOR;
    s->var = name;
    s->extent = extent;
    if (m->level + 1 == MAX_LEVEL)
        bug("loops are nested deeper than %d", MAX_LEVEL);
    m->level++;
    m->block[m->level] = &s->body;
    m->var[m->level] = name;
    return idx_var(m->job, name, extent);
}

static Stmt *opened(Make *m)
{
    return (Stmt *)(void *)((char *)m->block[m->level] - offsetof(Stmt, body));
}

const Idx *open_apart(Make *m, const char *stem, const Idx *extent)
{
    const Idx *at = open_loop(m, stem, extent);
    opened(m)->apart = true;
    return at;
}

void close_loop(Make *m)
{
    Stmt *s = opened(m);
    m->level--;
    Block *b = m->block[m->level];
    *(b->last ? &b->last->next : &b->first) = s;
    b->last = s;
}

/* ---- views: index maps --------------------------------------------------------------------------------- */

/* Indices of `in` for indices `ix` of `out`, which has the same elements in row-major order.  Axes are matched in
 * groups of equal products, so that only axes that really merge or split need division. */
static void reshape_index(Job *job, const Type *in, const Type *out, const Idx *const *ix, const Idx **jx)
{
    int i = 0, o = 0;
    const Idx *q;
    while (i < in->rank || o < out->rank) {
        int i0 = i, o0 = o;
        const Idx *pi = idx_const(job, 1), *po = pi;
        if (i < in->rank)
            pi = in->dim[i++];
        if (o < out->rank)
            po = out->dim[o++];
        while (pi != po && (i < in->rank || o < out->rank)) {
            bool grow_out = o < out->rank && (i == in->rank || idx_divisible(job, pi, po, &q));
            if (grow_out)
                po = idx_mul(job, po, out->dim[o++]);
            else if (i < in->rank)
                pi = idx_mul(job, pi, in->dim[i++]);
            else
                po = idx_mul(job, po, out->dim[o++]);
        }
        while (i < in->rank && idx_is(in->dim[i], 1) && o == out->rank)
            i++;
        const Idx *linear = idx_const(job, 0);
        for (int a = o0; a < o; a++)
            linear = idx_add(job, idx_mul(job, linear, out->dim[a]), ix[a]);
        int last = i0;
        for (int a = i0; a < i; a++)
            if (!idx_is(in->dim[a], 1))
                last = a;
        const Idx *rest = linear;
        for (int a = i - 1; a >= i0; a--) {
            if (idx_is(in->dim[a], 1) && a != last) {
                jx[a] = idx_const(job, 0);
                continue;
            }
            bool first = true; /* no axis before it takes a part */
            for (int b = i0; b < a; b++)
                first &= idx_is(in->dim[b], 1);
            jx[a] = first ? rest : idx_mod(job, rest, in->dim[a]->lo > 0 ? in->dim[a] : idx_max(job, in->dim[a], idx_const(job, 1)));
            rest = first ? idx_const(job, 0) : idx_div(job, rest, in->dim[a]->lo > 0 ? in->dim[a] : idx_max(job, in->dim[a], idx_const(job, 1)));
        }
    }
}

static void broadcast_index(Job *job, const Type *in, const Type *out, const Idx *const *ix, const Idx **jx)
{
    for (int i = 0; i < in->rank; i++) {
        int o = i + out->rank - in->rank;
        jx[i] = idx_is(in->dim[i], 1) && !idx_is(out->dim[o], 1) ? idx_const(job, 0) : ix[o];
    }
}

/* Adds a condition to the guard; returns the old one. */
static const X *narrow_guard(Make *m, const X *cond)
{
    const X *old = m->guard;
    if (cond)
        m->guard = old ? x_op(m, OP_and, DT_bool, (const X *[]){ old, cond }, 2) : cond;
    return old;
}

static const X *either(Make *m, const X *cond, const X *yes, const X *no)
{
    return cond ? x_op(m, OP_where, yes->dtype, (const X *[]){ cond, yes, no }, 3) : yes;
}

static const X *and_of(Make *m, const X *a, const X *b)
{
    return !a ? b : !b ? a : x_op(m, OP_and, DT_bool, (const X *[]){ a, b }, 2);
}

static const X *pad_at(Make *m, Node *n, const Idx *const *ix)
{
    const Idx *jx[MAX_RANK];
    const X *in = NULL;
    Value *a = n->in[0];
    for (int i = 0; i < a->type.rank; i++) {
        jx[i] = idx_sub(m->job, ix[i], node_idx(n, "low", (size_t)i));
        in = and_of(m, in, x_in_range(m, jx[i], a->type.dim[i]));
    }
    const X *old = narrow_guard(m, in), *x = value_at(m, a, jx);
    m->guard = old;
    return either(m, in, x, x_num(m, a->type.dtype, node_float(n, "value")));
}

static const X *window_at(Make *m, Node *n, const Idx *const *ix)
{
    const Idx *jx[MAX_RANK];
    const X *in = NULL;
    Value *a = n->in[0];
    const Attr *axes = node_attr(n, "axes");
    memcpy(jx, ix, (size_t)a->type.rank * sizeof *jx);
    for (size_t i = 0; i < axes->n; i++) {
        int64_t axis = node_int(n, "axes", i);
        const Idx *at = idx_mul(m->job, ix[axis], node_idx(n, "stride", i));
        at = idx_add(m->job, at, idx_mul(m->job, ix[a->type.rank + (int)i], node_idx(n, "dilation", i)));
        jx[axis] = idx_sub(m->job, at, node_idx(n, "low", i));
        in = and_of(m, in, x_in_range(m, jx[axis], a->type.dim[axis]));
    }
    const X *old = narrow_guard(m, in), *x = value_at(m, a, jx);
    m->guard = old;
    return either(m, in, x, x_num(m, a->type.dtype, node_float(n, "value")));
}

static const X *cat_at(Make *m, Node *n, const Idx *const *ix)
{
    int dim = (int)node_int(n, "dim", 0);
    const Idx *start = idx_const(m->job, 0), *jx[MAX_RANK];
    const X *value = NULL;
    memcpy(jx, ix, sizeof(const Idx *) * (size_t)n->out[0]->type.rank);
    for (uint32_t i = 0; i < n->in_count; i++) { /* later operands win where they are in range */
        Value *a = n->in[i];
        jx[dim] = idx_sub(m->job, ix[dim], start);
        const X *in = x_in_range(m, jx[dim], a->type.dim[dim]);
        const X *old = narrow_guard(m, in), *x = value_at(m, a, jx);
        m->guard = old;
        value = value && in ? either(m, in, x, value) : x;
        start = idx_add(m->job, start, a->type.dim[dim]);
    }
    return value;
}

static const X *view_at(Make *m, Node *n, const Idx *const *ix)
{
    Job *job = m->job;
    Value *a = n->in[0];
    const Idx *jx[MAX_RANK];
    switch (n->op) {
    case OP_reshape: reshape_index(job, &a->type, &n->out[0]->type, ix, jx); break;
    case OP_expand: broadcast_index(job, &a->type, &n->out[0]->type, ix, jx); break;
    case OP_permute:
        for (int i = 0; i < a->type.rank; i++)
            jx[node_int(n, "dims", (size_t)i)] = ix[i];
        break;
    case OP_slice:
        for (int i = 0; i < a->type.rank; i++)
            jx[i] = idx_add(job, node_idx(n, "starts", (size_t)i),
                            idx_mul(job, ix[i], node_idx(n, "steps", (size_t)i)));
        break;
    case OP_pad: return pad_at(m, n, ix);
    case OP_window: return window_at(m, n, ix);
    case OP_cat: return cat_at(m, n, ix);
    default: bug("view %s", op_info[n->op].name);
    }
    return value_at(m, a, jx);
}

/* ---- pointwise, creation, gather -------------------------------------------------------------------------- */

static const X *pointwise_at(Make *m, Node *n, const Idx *const *ix)
{
    const X *arg[3];
    for (uint32_t i = 0; i < n->in_count; i++) {
        const Idx *jx[MAX_RANK];
        broadcast_index(m->job, &n->in[i]->type, &n->out[0]->type, ix, jx);
        arg[i] = value_at(m, n->in[i], jx);
    }
    return x_op(m, n->op, n->out[0]->type.dtype, arg, n->in_count);
}

static const X *full_at(Make *m, Node *n)
{
    const Attr *a = node_attr(n, "value");
    DType d = n->out[0]->type.dtype;
    if (a->kind == ATTR_FLOAT)
        return x_num(m, d, d == DT_f32 ? (double)(float)a->number : a->number);
    return x_int(m, d, node_int(n, "value", 0));
}

/* Whether x is known to be at least 0 (size NULL), or less than size: what max and min clamp it to says so. */
static bool known_within(Make *m, const X *x, const Idx *size, int depth)
{
    const Idx *known = x_index(m, x);
    if (known)
        return size ? idx_provably_lt(m->job, known, size) : known->lo >= 0;
    if (x->kind != X_OP || (x->op != OP_max && x->op != OP_min) || depth == 0)
        return false;
    bool either = x->op == (size ? OP_min : OP_max);
    bool a = known_within(m, x->arg[0], size, depth - 1);
    return a == either ? a : known_within(m, x->arg[1], size, depth - 1);
}

/* An index into an axis of `size` elements.  Unless it is known to be in range it is bound to a variable at its own
 * level and checked there, once for equal expressions. */
static const Idx *checked_index(Make *m, const X *x, const Idx *size, const char *what)
{
    const Idx *known = x_index(m, x);
    if (known && known->lo >= 0 && idx_provably_lt(m->job, known, size))
        return known;
    for (size_t i = 0; i < m->done.n; i++)
        if (!m->done.at[i].v && m->done.at[i].x == x && m->done.at[i].ix[1] == size)
            return m->done.at[i].ix[0];
    Stmt *let = stmt_add(m->job, m->block[x->level], S_LET);
    Sym name = idx_fresh(m->job, "at");
    let->var = name;
    let->x = x;
    let->dtype = DT_i64;
    enum { DEPTH = 4 };
    bool known_in = known_within(m, x, NULL, DEPTH) && known_within(m, x, size, DEPTH);
    Stmt *check = stmt_add(m->job, m->block[x->level], S_CHECK);
    check->x = x_var(m, DT_i64, name, x->level);
    check->extent = size;
    check->text = known_in ? NULL : sym(m->job, what);
    const Idx *at = idx_var(m->job, name, size);
    *vec_push(m->job, &m->index_vars) = at;
    *vec_push(m->job, &m->index_levels) = x->level;
    *vec_push(m->job, &m->done) = (Done){ .x = x, .ix = { at, size } };
    return at;
}

void indices_at(Make *m, Node *n, uint32_t first, const Idx *const *ix, const Idx **jx)
{
    const Type *a = &n->in[0]->type;
    const Attr *axes = node_attr(n, "axes");
    Type b = { .rank = 0 }, all = type_indexed(m->job, n, first);
    bool gone[MAX_RANK] = { false };
    b.rank = all.rank - a->rank + (int)axes->n;
    for (size_t i = 0; i < axes->n; i++)
        gone[node_int(n, "axes", i)] = true;
    int at = 0, where = 0; /* where the indices' own axes begin */
    for (int d = 0; d < a->rank; d++) {
        if (d == node_int(n, "axes", 0)) {
            where = at;
            at += b.rank;
        }
        if (!gone[d])
            jx[d] = ix[at++];
    }
    memcpy(b.dim, all.dim + where, (size_t)b.rank * sizeof *b.dim);
    for (size_t i = 0; i < axes->n; i++) {
        Value *index = n->in[first + i];
        int64_t axis = node_int(n, "axes", i);
        const Idx *kx[MAX_RANK];
        broadcast_index(m->job, &index->type, &b, ix + where, kx);
        jx[axis] = checked_index(m, value_at(m, index, kx), a->dim[axis], index->name);
    }
}

static const X *take_at(Make *m, Node *n, const Idx *const *ix)
{
    const Idx *jx[MAX_RANK];
    indices_at(m, n, 1, ix, jx);
    return value_at(m, n->in[0], jx);
}

/* ---- reductions -------------------------------------------------------------------------------------------- */

static Op update_op(Op op)
{
    switch (op) {
    case OP_sum: return OP_add;
    case OP_prod: return OP_mul;
    case OP_amax: return OP_max;
    case OP_amin: return OP_min;
    case OP_any: return OP_or;
    case OP_parity: return OP_xor;
    default: return OP_and;
    }
}

const X *identity_of(Make *m, Op op, DType d)
{
    const DTypeInfo *t = &dtype_info[d];
    int unused = 64 - 8 * t->bytes;
    switch (op) {
    case OP_max: return dtype_is_float(d) ? x_num(m, d, -INFINITY) : x_int(m, d, t->kind == DK_I ? INT64_MIN >> unused : 0);
    case OP_min: return dtype_is_float(d) ? x_num(m, d, INFINITY) : x_int(m, d, t->kind == DK_I ? INT64_MAX >> unused : d == DT_bool ? 1 : -1);
    case OP_logaddexp: return x_num(m, d, -INFINITY);
    case OP_mul:
    case OP_and: return x_int(m, d, 1);
    default: return x_int(m, d, 0);
    }
}

/* Opens a new block under the block of level `at`; returns what must be given back to resume(). */
static int suspend(Make *m, int at)
{
    int old = m->level;
    m->level = at;
    return old;
}

typedef struct Saved {
    Block *block[MAX_LEVEL];
    Sym var[MAX_LEVEL];
} Saved;

/* The reduction's loops stand in the block of the innermost variable that its index reads: loops further in see the
 * accumulator as a constant.  `operand` gives the expression to accumulate. */
static const X *accumulate(Make *m, Op op, DType d, int level, const Idx *const *extent, int count,
                           const X *(*operand)(Make *, void *, const Idx *const *), void *ctx)
{
    const X *guard = m->guard;
    if (guard && guard->level > level)
        level = guard->level;
    Saved saved;
    memcpy(saved.block, m->block, sizeof saved.block);
    memcpy(saved.var, m->var, sizeof saved.var);
    int old = suspend(m, level);
    DType acc_type = d == DT_f16 || d == DT_bf16 ? DT_f32 : d;
    Stmt *acc = stmt_add(m->job, m->block[level], S_ACC);
    acc->var = idx_fresh(m->job, op == OP_sum ? "sum" : op == OP_amax ? "greatest" : op == OP_amin ? "least" : "acc");
    acc->dtype = acc_type;
    acc->x = identity_of(m, update_op(op), acc_type);
    const Idx *rx[MAX_RANK];
    for (int i = 0; i < count; i++)
        rx[i] = open_loop(m, "k", extent[i]);
    const X *x = operand(m, ctx, rx);
    Stmt *update = stmt_add(m->job, m->block[m->level], S_UPDATE);
    update->var = acc->var;
    update->op = update_op(op);
    update->dtype = acc_type;
    update->x = x_op(m, OP_cast, acc_type, &x, 1);
    for (int i = 0; i < count; i++)
        close_loop(m);
    const X *r = x_var(m, acc_type, acc->var, level);
    memcpy(m->block, saved.block, sizeof saved.block);
    memcpy(m->var, saved.var, sizeof saved.var);
    m->level = old;
    return x_op(m, OP_cast, d, &r, 1);
}

typedef struct ReduceOperand {
    Node *n;
    const Idx *const *ix;
    const bool *axes;
} ReduceOperand;

static const X *reduce_operand(Make *m, void *ctx, const Idx *const *rx)
{
    ReduceOperand *r = ctx;
    const Idx *jx[MAX_RANK];
    int kept = 0, reduced = 0;
    for (int i = 0; i < r->n->in[0]->type.rank; i++)
        jx[i] = r->axes[i] ? rx[reduced++] : r->ix[kept++];
    return value_at(m, r->n->in[0], jx);
}

static int level_of(Make *m, const Idx *const *ix, int n)
{
    int level = 0;
    for (int i = 0; i < n; i++) {
        int l = idx_level(m, ix[i]);
        level = l > level ? l : level;
    }
    return level;
}

static const X *reduce_at(Make *m, Node *n, const Idx *const *ix)
{
    Value *a = n->in[0], *v = n->out[0];
    for (size_t i = 0; i < m->done.n; i++)
        if (m->done.at[i].v == v && !memcmp(m->done.at[i].ix, ix, sizeof *ix * (size_t)v->type.rank))
            return m->done.at[i].x;
    bool axes[MAX_RANK] = { false };
    const Attr *dims = node_attr(n, "dims");
    const Idx *extent[MAX_RANK];
    int count = 0;
    for (size_t i = 0; i < dims->n; i++)
        axes[node_int(n, "dims", i)] = true;
    for (int i = 0; i < a->type.rank; i++)
        if (axes[i])
            extent[count++] = a->type.dim[i];
    ReduceOperand r = { n, ix, axes };
    const X *x = accumulate(m, n->op, v->type.dtype, level_of(m, ix, v->type.rank), extent, count, reduce_operand, &r);
    vec_push(m->job, &m->done);
    Done *done = &m->done.at[m->done.n - 1];
    done->v = v;
    done->x = x;
    memcpy(done->ix, ix, sizeof *ix * (size_t)v->type.rank);
    return x;
}

/* ---- contractions as plain loops: what the tiled kernels do not take ------------------------------------------ */

typedef struct ProductOperand {
    Node *n;
    const Idx *const *ix;
} ProductOperand;

static const X *times(Make *m, const X *a, const X *b, DType d)
{
    DType t = d == DT_f16 || d == DT_bf16 ? DT_f32 : d; /* products of halves are summed unrounded */
    a = x_op(m, OP_cast, t, &a, 1);
    b = x_op(m, OP_cast, t, &b, 1);
    return x_op(m, OP_mul, t, (const X *[]){ a, b }, 2);
}

static const X *matmul_operand(Make *m, void *ctx, const Idx *const *rx)
{
    ProductOperand *p = ctx;
    const Type *out = &p->n->out[0]->type;
    Value *a = p->n->in[0], *b = p->n->in[1];
    const Idx *ax[MAX_RANK], *bx[MAX_RANK];
    for (int i = 0; i < a->type.rank - 1; i++) {
        int o = i + out->rank - a->type.rank;
        ax[i] = i < a->type.rank - 2 && idx_is(a->type.dim[i], 1) ? idx_const(m->job, 0) : p->ix[o];
    }
    ax[a->type.rank - 1] = rx[0];
    for (int i = 0; i < b->type.rank - 2; i++)
        bx[i] = idx_is(b->type.dim[i], 1) ? idx_const(m->job, 0) : p->ix[i + out->rank - b->type.rank];
    bx[b->type.rank - 2] = rx[0];
    bx[b->type.rank - 1] = p->ix[out->rank - 1];
    return times(m, value_at(m, a, ax), value_at(m, b, bx), out->dtype);
}

static const X *conv_operand(Make *m, void *ctx, const Idx *const *rx)
{
    ProductOperand *p = ctx;
    Node *n = p->n;
    Value *a = n->in[0], *w = n->in[1];
    const Idx *jx[MAX_RANK], *wx[MAX_RANK];
    int64_t groups = node_int(n, "groups", 0);
    const X *in = NULL;
    const Idx *per_group = idx_div(m->job, w->type.dim[0], idx_const(m->job, groups));
    const Idx *group = groups == 1 ? idx_const(m->job, 0) : idx_div(m->job, p->ix[1], per_group);
    jx[0] = p->ix[0];
    jx[1] = idx_add(m->job, idx_mul(m->job, group, w->type.dim[1]), rx[0]);
    wx[0] = p->ix[1];
    wx[1] = rx[0];
    for (int i = 2; i < a->type.rank; i++) {
        size_t s = (size_t)i - 2;
        const Idx *at = idx_mul(m->job, p->ix[i], node_idx(n, "stride", s));
        at = idx_add(m->job, at, idx_mul(m->job, rx[i - 1], node_idx(n, "dilation", s)));
        jx[i] = idx_sub(m->job, at, node_idx(n, "padding", s));
        in = and_of(m, in, x_in_range(m, jx[i], a->type.dim[i]));
        wx[i] = rx[i - 1];
    }
    const X *old = narrow_guard(m, in), *x = value_at(m, a, jx);
    m->guard = old;
    x = either(m, in, x, x_int(m, a->type.dtype, 0));
    return times(m, x, value_at(m, w, wx), n->out[0]->type.dtype);
}

static const X *contract_at(Make *m, Node *n, const Idx *const *ix)
{
    ProductOperand p = { n, ix };
    const Type *out = &n->out[0]->type, *a = &n->in[0]->type, *w = &n->in[1]->type;
    int level = level_of(m, ix, out->rank);
    if (n->op == OP_matmul)
        return accumulate(m, OP_sum, out->dtype, level, &a->dim[a->rank - 1], 1, matmul_operand, &p);
    return accumulate(m, OP_sum, out->dtype, level, &w->dim[1], w->rank - 1, conv_operand, &p);
}

/* ---- the heart ------------------------------------------------------------------------------------------------- */

static size_t memo_hash(const Value *v, const Idx *const *ix, const X *guard)
{
    uint64_t h = (uintptr_t)v * 0x9E3779B97F4A7C15u ^ (guard ? guard->id + 1u : 0);
    for (int i = 0; i < v->type.rank; i++)
        h = (h ^ ix[i]->id) * 0xff51afd7ed558ccdu;
    return (size_t)(h ^ h >> 31);
}

/* The slot of (v, ix, guard): a pointer to it, or to NULL. */
static Done **memo_slot(Make *m, Value *v, const Idx *const *ix)
{
    if (m->memo_used * 2 >= m->memo_size) {
        size_t size = m->memo_size ? m->memo_size * 2 : 64;
        Done **big = job_array(m->job, size, sizeof *big);
        for (size_t i = 0; i < m->memo_size; i++)
            if (m->memo[i]) {
                size_t at = memo_hash(m->memo[i]->v, m->memo[i]->ix, m->memo[i]->guard) & (size - 1);
                while (big[at])
                    at = (at + 1) & (size - 1);
                big[at] = m->memo[i];
            }
        m->memo = big;
        m->memo_size = size;
    }
    size_t at = memo_hash(v, ix, m->guard) & (m->memo_size - 1);
    for (; m->memo[at]; at = (at + 1) & (m->memo_size - 1))
        if (m->memo[at]->v == v && m->memo[at]->guard == m->guard &&
            !memcmp(m->memo[at]->ix, ix, (size_t)v->type.rank * sizeof *ix))
            break;
    return &m->memo[at];
}

static const X *compute_at(Make *m, Node *n, const Idx *const *ix)
{
    switch (op_info[n->op].kind) {
    case POINTWISE: return pointwise_at(m, n, ix);
    case VIEW: return view_at(m, n, ix);
    case REDUCE: return reduce_at(m, n, ix);
    case GATHER: return take_at(m, n, ix);
    case CONTRACT: return contract_at(m, n, ix);
    case CREATE:
        if (n->op == OP_full)
            return full_at(m, n);
        return x_idx(m, n->op == OP_iota ? ix[0] : node_idx(n, "expr", 0));
    default: bug("%s has no buffer", n->out[0]->name);
    }
}

const X *value_at(Make *m, Value *v, const Idx *const *ix)
{
    if (v->kind == VALUE_CONST && !v->buffer)
        v->buffer = const_buffer(m->l, v);
    if (v->buffer)
        return x_load(m, v->buffer, buffer_at(m->job, v->buffer, ix));
    Done **known = memo_slot(m, v, ix);
    if (*known)
        return (*known)->x;
    const X *x = compute_at(m, v->def, ix);
    Done *done = job_alloc(m->job, sizeof *done);
    *done = (Done){ .v = v, .x = x, .guard = m->guard };
    memcpy(done->ix, ix, (size_t)v->type.rank * sizeof *ix);
    known = memo_slot(m, v, ix); /* the table may have grown */
    if (!*known)
        m->memo_used++;
    *known = done;
    return x;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static bool affine_reshape(Job *job, const Type *in, const Type *out, const Affine *a, Affine *r)
{
    int i = in->rank - 1, o = out->rank - 1;
    const Idx *q;
    while (o >= 0) {
        if (idx_is(out->dim[o], 1)) {
            r->stride[o--] = idx_const(job, 0);
            continue;
        }
        while (i >= 0 && idx_is(in->dim[i], 1))
            i--;
        if (i < 0)
            return false;
        const Idx *size = in->dim[i], *stride = a->stride[i], *left = out->dim[o];
        i--;
        while (left != size) { /* out axis o covers several in axes, which must be adjacent */
            if (!idx_divisible(job, left, size, &q)) {
                if (!idx_divisible(job, size, left, &q))
                    return false;
                break;
            }
            while (i >= 0 && idx_is(in->dim[i], 1))
                i--;
            if (i < 0 || a->stride[i] != idx_mul(job, stride, size))
                return false;
            size = idx_mul(job, size, in->dim[i--]);
        }
        const Idx *covered = left;
        r->stride[o--] = stride;
        while (covered != size) { /* an in axis splits into several out axes */
            if (o < 0)
                return false;
            r->stride[o] = idx_mul(job, stride, covered);
            covered = idx_mul(job, covered, out->dim[o]);
            if (covered != size && !idx_divisible(job, size, covered, &q))
                return false;
            o--;
        }
    }
    while (i >= 0 && idx_is(in->dim[i], 1))
        i--;
    return i < 0;
}

bool value_affine(Lower *l, Value *v, Affine *a)
{
    Job *job = l->job;
    if (v->kind == VALUE_CONST && !v->buffer)
        v->buffer = const_buffer(l, v);
    if (v->buffer) {
        a->buffer = v->buffer;
        a->offset = v->buffer->offset;
        memcpy(a->stride, v->buffer->stride, sizeof a->stride);
        return true;
    }
    Node *n = v->def;
    Affine b;
    if (n->in_count != 1 || op_info[n->op].kind != VIEW || !value_affine(l, n->in[0], &b))
        return false;
    const Type *in = &n->in[0]->type, *out = &v->type;
    *a = b;
    switch (n->op) {
    case OP_permute:
        for (int i = 0; i < out->rank; i++)
            a->stride[i] = b.stride[node_int(n, "dims", (size_t)i)];
        return true;
    case OP_expand:
        for (int i = 0; i < out->rank; i++) {
            int j = i - (out->rank - in->rank);
            bool repeats = j < 0 || (idx_is(in->dim[j], 1) && !idx_is(out->dim[i], 1));
            a->stride[i] = repeats ? idx_const(job, 0) : b.stride[j];
        }
        return true;
    case OP_slice:
        for (int i = 0; i < out->rank; i++) {
            a->offset = idx_add(job, a->offset, idx_mul(job, node_idx(n, "starts", (size_t)i), b.stride[i]));
            a->stride[i] = idx_mul(job, b.stride[i], node_idx(n, "steps", (size_t)i));
        }
        return true;
    case OP_reshape: return affine_reshape(job, in, out, &b, a);
    default: return false;
    }
}

Affine value_memory(Lower *l, Value *v, int unit_axis)
{
    Affine a;
    if (value_affine(l, v, &a) &&
        (unit_axis < 0 || idx_is(a.stride[unit_axis], 1) || idx_is(v->type.dim[unit_axis], 1)))
        return a;
    Buffer *b = buffer_new(l, v, BUFFER_WORK, false, 0);
    store_value(l, v, b);
    if (!v->buffer) /* else it has memory in another order, which others read */
        v->buffer = b;
    a.buffer = b;
    a.offset = b->offset;
    memcpy(a.stride, b->stride, sizeof a.stride);
    return a;
}
