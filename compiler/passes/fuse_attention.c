/* SPDX-License-Identifier: MIT */
/* Takes and leaves imported graphs.  matmul(softmax(matmul(q, k^T) * scale + mask), v) becomes `attention`, where
 * nobody else reads what lies between: the tiled kernel never stores the scores as a whole.  The scale may stand on q
 * or k, or be a tensor that is the same for all keys, with which q is multiplied then; masks may be added or chosen by
 * (where), each of them to the scores in other batch axes (windows of images: all of them, heads, then both); the
 * operator gets the most axes that occur, and the sum of the masks.  Before masks are added the scores may be bounded,
 * cap * tanh(scores / cap), as Gemma 2 has it.  decompose makes attention of `sdpa`, too.  Cost: one walk. */
#include "passes.h"
#include <math.h>
#include <string.h>

/* ---- the operator ------------------------------------------------------------------------------------- */

static Value *turned(Build *b, Value *v)
{
    int dims[MAX_RANK], rank = v->type.rank;
    for (int i = 0; i < rank; i++)
        dims[i] = i < rank - 2 ? i : 2 * rank - 3 - i;
    return build_permute(b, v, dims);
}

/* What v repeats. */
static Value *unexpanded(Value *v)
{
    while (v->kind == VALUE_NODE && v->def->op == OP_expand)
        v = v->def->in[0];
    return v;
}

/* A mask as the operator takes it: f32, added, a row for each key. */
static Value *mask_operand(Build *b, Value *mask)
{
    mask = unexpanded(mask);
    const Idx *one = idx_const(b->g->job, 1), *dim[2] = { one, mask->type.rank == 1 ? mask->type.dim[0] : one };
    if (mask->type.rank < 2)
        mask = build_reshape(b, mask, 2, dim);
    if (mask->type.dtype == DT_bool)
        mask = build3(b, OP_where, mask, build_full(b, DT_f32, 0), build_full(b, DT_f32, -INFINITY));
    return turned(b, mask);
}

/* Each axis of t is 1 or as long as the other's, from the last backwards; `skip` axes are not looked at. */
static bool spreads_to(const Type *t, const Type *to, int skip)
{
    for (int i = 1 + skip; i <= t->rank; i++)
        if (!idx_is(t->dim[t->rank - i], 1) && (i > to->rank || t->dim[t->rank - i] != to->dim[to->rank - i]))
            return false;
    return true;
}

Value *build_attention(Build *b, Value *const *qkv, Value *mask, const AttentionKind *kind)
{
    Value *in[4] = { qkv[0], qkv[1], qkv[2], mask };
    Type scores = { .dtype = DT_f32 }; /* the batch axes of all, queries, keys */
    for (int i = 0; i < 3; i++)
        if (in[i]->type.rank < 2 || in[i]->type.dtype != DT_f32)
            return NULL;
    for (int i = 0; i < 3; i++)
        scores.rank = in[i]->type.rank > scores.rank ? in[i]->type.rank : scores.rank;
    for (int d = 0; d < scores.rank; d++) {
        scores.dim[d] = idx_const(b->g->job, 1);
        for (int i = 0; i < 3; i++) {
            int at = d - (scores.rank - in[i]->type.rank);
            if (at >= 0 && !idx_is(in[i]->type.dim[at], 1))
                scores.dim[d] = in[i]->type.dim[at];
        }
    }
    const Type *q = &in[0]->type, *k = &in[1]->type, *v = &in[2]->type;
    scores.dim[scores.rank - 2] = q->dim[q->rank - 2];
    scores.dim[scores.rank - 1] = k->dim[k->rank - 2];
    for (int i = 0; i < 3; i++)
        if (!spreads_to(&in[i]->type, &scores, 2))
            return NULL;
    if (q->dim[q->rank - 1]->op != IDX_CONST || v->dim[v->rank - 1]->op != IDX_CONST) /* scratch memory is planned */
        return NULL;
    if (q->dim[q->rank - 1] != k->dim[k->rank - 1] || k->dim[k->rank - 2] != v->dim[v->rank - 2])
        return NULL;
    if (mask && ((mask->type.dtype != DT_bool && mask->type.dtype != DT_f32) || !spreads_to(&mask->type, &scores, 0)))
        return NULL;
    if (mask)
        in[3] = mask_operand(b, mask);
    Job *job = b->g->job;
    Attr at[4] = { attr_int(job, "causal", kind->causal), attr_float(job, "scale", kind->scale),
                   attr_int(job, "zeros", kind->zeros), attr_float(job, "cap", kind->cap) };
    return build(b, OP_attention, in, mask ? 4 : 3, NULL, at, 4);
}

/* ---- the pattern -------------------------------------------------------------------------------------- */

/* The node that makes v, if it is of this kind and nobody else reads v. */
static Node *only(const Value *v, Op op)
{
    return v->kind == VALUE_NODE && v->uses == 1 && v->def->op == op ? v->def : NULL;
}

/* A 0-d or broadcast number, or a constant of one element. */
static bool is_number(Graph *g, const Value *v, double *x)
{
    int64_t count;
    if (value_is_full(v, x))
        return true;
    const Tensor *t = v->kind == VALUE_CONST ? v->tensor : NULL;
    if (!t || !t->storage || t->dtype != DT_f32 || !type_static(&v->type, &count) || count != 1)
        return false;
    float one;
    memcpy(&one, t->storage->bytes + (size_t)t->offset * sizeof one, sizeof one);
    *x = (double)one;
    if (t->replaceable)
        *vec_push(g->job, &g->fixed) = t;
    return true;
}

/* v is x times a number: x, and the number in *scale; else NULL. */
static Value *unscaled(Graph *g, Value *v, double *scale)
{
    double x;
    Node *mul = only(v, OP_mul), *div = only(v, OP_div);
    for (uint32_t i = 0; mul && i < 2; i++)
        if (is_number(g, mul->in[1 - i], &x) && type_same(&mul->in[i]->type, &v->type) && isfinite(x)) {
            *scale *= x;
            return mul->in[i];
        }
    if (!div || !is_number(g, div->in[1], &x) || !type_same(&div->in[0]->type, &v->type) || x == 0 || !isfinite(1 / x))
        return NULL;
    *scale /= x;
    return div->in[0];
}

/* An operand whose scale stands before views of it: the views then read the unscaled value. */
static Value *without_scale(Build *b, Value *v, double *scale)
{
    Value *x = unscaled(b->g, v, scale);
    if (x)
        return x;
    Node *n = v->kind == VALUE_NODE && v->uses == 1 ? v->def : NULL;
    if (!n || (n->op != OP_reshape && n->op != OP_permute && n->op != OP_expand))
        return v;
    x = without_scale(b, n->in[0], scale);
    return x == n->in[0] ? v : build(b, n->op, &x, 1, &v->type, n->attrs.at, n->attrs.n);
}

enum { DEPTH = 8 };

typedef struct Part { /* a value that broadcasts to scores of this type */
    Value *v;
    Type scores;
} Part;

typedef struct Match {
    Value *q, *k;              /* of the first product, k turned */
    Type product;              /* its type */
    Type most;                 /* of the scores, where they have the most axes */
    Part mask[DEPTH], factor[DEPTH]; /* what is added to the scores and what they are multiplied with; f32 */
    int masks, factors;
    double scale, cap;
    bool scaled; /* on the way to it: a mask below would be scaled too */
    int depth;
} Match;

/* The same matrices in other batch axes: what v was reshaped from. */
static Value *unbatched(Value *v)
{
    for (Node *n; (n = only(v, OP_reshape)); v = n->in[0]) {
        const Type *in = &n->in[0]->type, *out = &v->type;
        if (in->rank < 2 || out->rank < 2 || in->dim[in->rank - 1] != out->dim[out->rank - 1] ||
            in->dim[in->rank - 2] != out->dim[out->rank - 2])
            break;
    }
    return v;
}

static void see_axes(Match *m, const Type *scores)
{
    if (scores->rank > m->most.rank)
        m->most = *scores;
}

static Part mask_part(Build *b, Value *mask, const Value *scores)
{
    mask = unexpanded(mask);
    return (Part){ mask->type.dtype == DT_f32 ? mask : build_cast(b, mask, DT_f32), scores->type };
}

/* v is scores times what is the same for all keys: the scores, and that in *factor. */
static Value *unmultiplied(Value *v, Part *factor)
{
    Node *mul = v->type.dtype == DT_f32 ? only(v, OP_mul) : NULL;
    for (uint32_t i = 0; mul && i < 2; i++) {
        Value *other = unexpanded(mul->in[1 - i]);
        int rank = other->type.rank;
        if (type_same(&mul->in[i]->type, &v->type) && (rank == 0 || idx_is(other->type.dim[rank - 1], 1))) {
            *factor = (Part){ other, v->type };
            return mul->in[i];
        }
    }
    return NULL;
}

static bool match_scores(Build *b, Value *v, Match *m);

/* Tries another way; a failure leaves no trace. */
static bool try_scores(Build *b, Value *v, Match *m)
{
    Match before = *m;
    bool matched = match_scores(b, v, m);
    if (!matched)
        *m = before;
    return matched;
}

/* From masked scores down to their product.  What `where` gives instead of a score must be so low that nothing is left
 * of a score that is added to it. */
static bool match_scores(Build *b, Value *v, Match *m)
{
    double low;
    see_axes(m, &v->type);
    v = unbatched(v);
    see_axes(m, &v->type);
    Node *product = only(v, OP_matmul), *add = only(v, OP_add), *where = only(v, OP_where);
    if (product) {
        m->q = product->in[0];
        m->k = product->in[1];
        m->product = v->type;
        return product->in_count == 2;
    }
    if (++m->depth > DEPTH)
        return false;
    double scale = 1;
    Value *x = unscaled(b->g, v, &scale);
    Value *y = x ? NULL : unmultiplied(v, &m->factor[m->factors]);
    if (x || y) {
        m->scaled = true;
        m->scale *= scale;
        m->factors += y != NULL;
        return match_scores(b, x ? x : y, m);
    }
    Node *bounded = m->cap == 0 && !m->factors ? only(v, OP_tanh) : NULL;
    if (bounded) {
        m->cap = m->scale;
        m->scale = 1;
        m->scaled = true;
        return match_scores(b, bounded->in[0], m);
    }
    for (uint32_t i = 0; add && !m->scaled && i < 2; i++)
        if (type_same(&add->in[i]->type, &v->type) && try_scores(b, add->in[i], m)) {
            m->mask[m->masks++] = mask_part(b, add->in[1 - i], v);
            return true;
        }
    for (uint32_t i = 1; where && !m->scaled && i < 3; i++)
        if (is_number(b->g, where->in[3 - i], &low) && low <= -1e30 && type_same(&where->in[i]->type, &v->type) &&
            try_scores(b, where->in[i], m)) {
            Value *zero = build_full(b, DT_f32, 0), *least = build_full(b, DT_f32, low);
            m->mask[m->masks++] = (Part){ build3(b, OP_where, unexpanded(where->in[0]), i == 1 ? zero : least,
                                                 i == 1 ? least : zero), v->type };
            return true;
        }
    return false;
}

/* Axis i of v as if it had `rank` axes. */
static const Idx *axis_of(Job *job, const Value *v, int i, int rank)
{
    i -= rank - v->type.rank;
    return i < 0 ? idx_const(job, 1) : v->type.dim[i];
}

/* v, whose matrices broadcast to from's batch axes, for to's, which are from's apart or together.  NULL: it repeats some
 * of the axes that become one. */
static Value *rebatched(Build *b, Value *v, const Type *from, const Type *to)
{
    Job *job = b->g->job;
    const Idx *dim[MAX_RANK], *one = idx_const(job, 1), *q;
    int f = 0, t = 0, froms = from->rank - 2, tos = to->rank - 2;
    bool same = froms == tos;
    for (int i = 0; i < tos && same; i++)
        same = from->dim[i] == to->dim[i];
    if (same)
        return v;
    while (f < froms || t < tos) { /* axes of equal products */
        int f0 = f, t0 = t;
        const Idx *pf = f < froms ? from->dim[f++] : one, *pt = t < tos ? to->dim[t++] : one;
        while (pf != pt) {
            if (t < tos && (f == froms || idx_divisible(job, pf, pt, &q)))
                pt = idx_mul(job, pt, to->dim[t++]);
            else if (f < froms)
                pf = idx_mul(job, pf, from->dim[f++]);
            else
                return NULL;
        }
        bool whole = true, repeats = true;
        for (; f0 < f; f0++) {
            const Idx *size = axis_of(job, v, f0, from->rank);
            whole = whole && size == from->dim[f0];
            repeats = repeats && size == one;
        }
        if (!whole && !repeats)
            return NULL;
        for (; t0 < t; t0++)
            dim[t0] = whole ? to->dim[t0] : one;
    }
    for (int i = 0; i < 2; i++)
        dim[tos + i] = axis_of(job, v, froms + i, from->rank);
    return build_reshape(b, v, to->rank, dim);
}

/* The sum (or product) of all parts for the axes of m->most; *fits: each of them has such. */
static Value *joined(Build *b, Op op, Value *sum, const Part *part, int parts, const Match *m, bool *fits)
{
    for (int i = 0; i < parts && *fits; i++) {
        Value *v = rebatched(b, part[i].v, &part[i].scores, &m->most);
        *fits = v != NULL;
        sum = sum && v ? build2(b, op, sum, v) : v;
    }
    return sum;
}

/* where(the greatest score is -inf, 0, softmax): what safe softmax is read as. */
static Value *safe_softmax(Graph *g, Value *v)
{
    double zero;
    Node *where = only(v, OP_where);
    if (!where || !is_number(g, where->in[1], &zero) || zero != 0 || !type_same(&where->in[2]->type, &v->type))
        return NULL;
    Node *eq = only(where->in[0], OP_eq), *shape = eq ? only(eq->in[0], OP_reshape) : NULL;
    Node *most = shape ? only(shape->in[0], OP_amax) : NULL;
    Node *soft = only(where->in[2], OP_softmax);
    double none;
    bool fits = most && soft && is_number(g, eq->in[1], &none) && none == -INFINITY && most->in[0] == soft->in[0] &&
                node_attr(most, "dims")->n == 1 && node_int(most, "dims", 0) == node_int(soft, "dim", 0);
    return fits && most->in[0]->uses == 2 ? where->in[2] : NULL;
}

static Value *match_attention(Build *b, Node *n)
{
    Value *weights = unbatched(n->in[0]), *safe = safe_softmax(b->g, weights);
    Node *soft = only(safe ? safe : weights, OP_softmax);
    if (n->in_count != 2 || n->out[0]->type.dtype != DT_f32 || !soft ||
        node_int(soft, "dim", 0) != soft->out[0]->type.rank - 1)
        return NULL;
    Match m = { .scale = 1, .most = soft->out[0]->type };
    Value *scores = soft->in[0];
    if (safe)
        scores->uses--; /* its maximum goes with it */
    bool matched = scores->type.rank >= 2 && match_scores(b, scores, &m);
    if (safe)
        scores->uses++;
    if (!matched)
        return NULL;
    see_axes(&m, &n->in[0]->type);
    Value *q = rebatched(b, without_scale(b, m.q, &m.scale), &m.product, &m.most);
    Value *k = rebatched(b, without_scale(b, turned(b, m.k), &m.scale), &m.product, &m.most);
    Value *v = rebatched(b, n->in[1], &n->in[0]->type, &m.most), *mask = NULL;
    bool fits = q && k && v;
    if (fits) {
        q = joined(b, OP_mul, q, m.factor, m.factors, &m, &fits);
        mask = joined(b, OP_add, NULL, m.mask, m.masks, &m, &fits);
    }
    const AttentionKind kind = { .scale = m.scale, .cap = m.cap, .zeros = safe };
    Value *r = fits ? build_attention(b, (Value *[]){ q, k, v }, mask, &kind) : NULL;
    if (!r)
        return NULL;
    Type whole = n->out[0]->type;
    fits = r->type.rank == m.most.rank && r->type.dim[r->type.rank - 1] == whole.dim[whole.rank - 1];
    for (int i = 0; fits && i < r->type.rank - 1; i++)
        fits = r->type.dim[i] == m.most.dim[i];
    return fits ? build_reshape(b, r, whole.rank, whole.dim) : NULL;
}

/* The scale of q and k becomes part of sdpa's own. */
static void take_scales(Build *b, Node *n)
{
    int64_t e;
    const Type *q = &n->in[0]->type;
    double scale = node_float(n, "scale");
    if (q->dtype != DT_f32 || (scale == 0 && !idx_is_const(q->dim[q->rank - 1], &e)))
        return;
    scale = scale == 0 ? 1 / sqrt((double)e) : scale;
    double whole = scale;
    Value **in = job_array(b->g->job, n->in_count, sizeof *in);
    memcpy(in, n->in, n->in_count * sizeof *in);
    for (int i = 0; i < 2; i++)
        in[i] = without_scale(b, in[i], &whole);
    if (whole == scale || whole == 0 || !isfinite(whole))
        return;
    node_set_in(b->g->job, n, in, n->in_count);
    node_set_attr(b->g->job, n, attr_float(b->g->job, "scale", whole));
}

void pass_fuse_attention(Graph *g)
{
    graph_count_uses(g);
    for (Node *n = g->first, *next; n; n = next) {
        next = n->next;
        for (uint32_t i = 0; i < n->region_count; i++)
            pass_fuse_attention(n->region[i]);
        Build b = { g, n, n->origin, n->out[0]->name };
        if (n->op == OP_sdpa)
            take_scales(&b, n);
        Value *v = n->op == OP_matmul ? match_attention(&b, n) : NULL;
        if (!v)
            continue;
        graph_swap_names(g, v, n->out[0]);
        graph_replace(g, n->out[0], v);
        graph_remove(g, n);
        graph_count_uses(g);
    }
}
