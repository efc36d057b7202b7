/* SPDX-License-Identifier: MIT */
/* Result types: one rule a kind of operator.  Operators not named here carry their type explicitly. */
#include "graph.h"

Type type_make(DType dtype, int rank, const Idx *const *dim)
{
    Type t = { .dtype = dtype, .rank = rank };
    for (int i = 0; i < rank; i++)
        t.dim[i] = dim[i];
    return t;
}

bool type_same(const Type *a, const Type *b)
{
    if (a->dtype != b->dtype || a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return true;
}

const Idx *type_count(Job *job, const Type *t)
{
    const Idx *n = idx_const(job, 1);
    for (int i = 0; i < t->rank; i++)
        n = idx_mul(job, n, t->dim[i]);
    return n;
}

bool type_static(const Type *t, int64_t *count)
{
    int64_t k, n = 1;
    for (int i = 0; i < t->rank; i++)
        if (!idx_is_const(t->dim[i], &k) || !mul_i64(n, k, &n))
            return false;
    *count = n;
    return true;
}

void type_print(Text *out, const Type *t)
{
    text_add(out, "%s[", dtype_info[t->dtype].name);
    for (int i = 0; i < t->rank; i++) {
        text_add(out, i ? ", " : "");
        idx_print(out, t->dim[i]);
    }
    text_add(out, "]");
}

const char *type_text(Job *job, const Type *t)
{
    Text text;
    text_init(&text, job);
    type_print(&text, t);
    return text.at;
}

Type port_type(const Port *p)
{
    Type t = p->value->type;
    if (p->pairs) {
        t.dtype = dtype_complex(t.dtype);
        t.rank--;
    }
    return t;
}

static _Noreturn void mismatch(Job *job, const Node *n, const Type *a, const Type *b)
{
    fail_at(job, EXIT_INPUT, &n->origin, "%s: operands %s and %s do not fit together",
            n->origin.target ? n->origin.target : op_info[n->op].name, type_text(job, a), type_text(job, b));
}

/* NumPy's broadcasting of b into *a. */
static void broadcast(Job *job, const Node *n, Type *a, const Type *b)
{
    Type r = *a;
    r.rank = a->rank > b->rank ? a->rank : b->rank;
    for (int i = 1; i <= r.rank; i++) {
        const Idx *x = i <= a->rank ? a->dim[a->rank - i] : NULL, *y = i <= b->rank ? b->dim[b->rank - i] : NULL;
        const Idx *d = !x || (y && idx_is(x, 1)) ? y : x;
        if (x && y && x != y && !idx_is(x, 1) && !idx_is(y, 1)) {
            if (x->lo > y->hi || y->lo > x->hi)
                mismatch(job, n, a, b);
            d = x->op == IDX_CONST ? x : y->op == IDX_CONST ? y : x; /* equal, or the exporter's guard is broken */
        }
        r.dim[r.rank - i] = d;
    }
    *a = r;
}

static bool infer_pointwise(Job *job, const Node *n, Type *out)
{
    bool compare = n->op >= OP_eq && n->op <= OP_ge;
    Type r = n->in[0]->type;
    for (uint32_t i = 1; i < n->in_count; i++)
        broadcast(job, n, &r, &n->in[i]->type);
    if (n->op == OP_where)
        r.dtype = n->in[1]->type.dtype;
    if (compare || n->op == OP_isnan)
        r.dtype = DT_bool;
    if (n->op == OP_complex)
        r.dtype = dtype_complex(r.dtype);
    if (n->op == OP_real || n->op == OP_imag)
        r.dtype = dtype_part(r.dtype);
    *out = r;
    return true;
}

static bool infer_reduce(const Node *n, Type *out)
{
    const Attr *dims = node_attr(n, "dims");
    Type a = n->in[0]->type, r = { .dtype = a.dtype };
    for (int i = 0; i < a.rank; i++) {
        bool gone = false;
        for (size_t j = 0; j < dims->n; j++)
            gone |= idx_is(dims->idx[j], i);
        if (!gone)
            r.dim[r.rank++] = a.dim[i];
    }
    *out = r;
    return true;
}

static bool infer_matmul(Job *job, const Node *n, Type *out)
{
    Type a = n->in[0]->type, b = n->in[1]->type;
    if (a.rank < 2 || b.rank < 2)
        mismatch(job, n, &a, &b);
    const Idx *ka = a.dim[a.rank - 1], *kb = b.dim[b.rank - 2];
    if (ka != kb && (ka->lo > kb->hi || kb->lo > ka->hi))
        mismatch(job, n, &a, &b);
    Type r = a, s = b;
    r.rank -= 2;
    s.rank -= 2;
    broadcast(job, n, &r, &s);
    r.dim[r.rank++] = a.dim[a.rank - 2];
    r.dim[r.rank++] = b.dim[b.rank - 1];
    *out = r;
    return true;
}

static bool infer_grouped_matmul(Job *job, const Node *n, Type *out)
{
    const Type *a = &n->in[0]->type, *b = &n->in[1]->type;
    const Idx *ka = a->dim[1], *kb = b->dim[1];
    if (a->rank != 2 || b->rank != 3 || (ka != kb && (ka->lo > kb->hi || kb->lo > ka->hi)))
        mismatch(job, n, a, b);
    *out = *a;
    out->dim[1] = b->dim[2];
    return true;
}

static bool infer_conv(Job *job, const Node *n, Type *out)
{
    Type a = n->in[0]->type, w = n->in[1]->type, r = a;
    if (a.rank != w.rank || a.rank < 3)
        mismatch(job, n, &a, &w);
    r.dim[1] = w.dim[0];
    for (int i = 2; i < a.rank; i++) {
        int64_t s = node_int(n, "stride", (size_t)i - 2), p = node_int(n, "padding", (size_t)i - 2);
        int64_t d = node_int(n, "dilation", (size_t)i - 2);
        const Idx *span = idx_addk(job, idx_mulk(job, idx_addk(job, w.dim[i], -1), d), 1);
        const Idx *room = idx_sub(job, idx_addk(job, a.dim[i], 2 * p), span);
        r.dim[i] = idx_addk(job, idx_div(job, room, idx_const(job, s)), 1);
    }
    *out = r;
    return true;
}

/* As softmax(a b^T) c: the batch axes of all broadcast. */
static bool infer_attention(Job *job, const Node *n, Type *out)
{
    Type r = n->in[0]->type;
    for (uint32_t i = 1; i < n->in_count; i++) {
        Type t = n->in[i]->type;
        if (r.rank < 2 || t.rank < 2)
            mismatch(job, n, &r, &t);
        r.rank -= 2;
        t.rank -= 2;
        broadcast(job, n, &r, &t);
        r.rank += 2;
    }
    const Type *a = &n->in[0]->type, *c = &n->in[2]->type;
    r.dim[r.rank - 2] = a->dim[a->rank - 2];
    r.dim[r.rank - 1] = c->dim[c->rank - 1];
    *out = r;
    return true;
}

static bool infer_cat(Job *job, const Node *n, Type *out)
{
    Type r = n->in[0]->type;
    int dim = (int)node_int(n, "dim", 0);
    for (uint32_t i = 1; i < n->in_count; i++) {
        if (n->in[i]->type.rank != r.rank)
            mismatch(job, n, &r, &n->in[i]->type);
        r.dim[dim] = idx_add(job, r.dim[dim], n->in[i]->type.dim[dim]);
    }
    *out = r;
    return true;
}

/* What take gives, and what put takes: the indices (operands from `first` on) in place of the first of the axes. */
Type type_indexed(Job *job, const Node *n, uint32_t first)
{
    Type a = n->in[0]->type, i = n->in[first]->type, r = { .dtype = a.dtype };
    const Attr *axes = node_attr(n, "axes");
    bool gone[MAX_RANK] = { false };
    for (size_t x = 0; x < axes->n; x++)
        gone[node_int(n, "axes", x)] = true;
    for (uint32_t x = first + 1; x < n->in_count; x++)
        broadcast(job, n, &i, &n->in[x]->type);
    if (a.rank - (int)axes->n + i.rank > MAX_RANK)
        mismatch(job, n, &a, &i);
    for (int d = 0; d < a.rank; d++) {
        for (int x = 0; d == node_int(n, "axes", 0) && x < i.rank; x++)
            r.dim[r.rank++] = i.dim[x];
        if (!gone[d])
            r.dim[r.rank++] = a.dim[d];
    }
    return r;
}

static bool infer_permute(const Node *n, Type *out)
{
    Type a = n->in[0]->type;
    *out = a;
    for (int i = 0; i < a.rank; i++)
        out->dim[i] = a.dim[node_int(n, "dims", (size_t)i)];
    return true;
}

bool type_infer(Job *job, const Node *n, Type *out)
{
    switch (op_info[n->op].kind) {
    case POINTWISE: return infer_pointwise(job, n, out);
    case REDUCE: return infer_reduce(n, out);
    default: break;
    }
    switch (n->op) {
    case OP_matmul: return infer_matmul(job, n, out);
    case OP_grouped_matmul: return infer_grouped_matmul(job, n, out);
    case OP_conv: return infer_conv(job, n, out);
    case OP_attention: return infer_attention(job, n, out);
    case OP_permute: return infer_permute(n, out);
    case OP_cat: return infer_cat(job, n, out);
    case OP_take: *out = type_indexed(job, n, 1); return true;
    case OP_put: *out = n->in[0]->type; return true;
    case OP_mean: return infer_reduce(n, out);
    case OP_scan:
    case OP_batch_norm:
    case OP_layer_norm:
    case OP_softmax:
    case OP_log_softmax: *out = n->in[0]->type; return true;
    default: return false;
    }
}
