/* SPDX-License-Identifier: MIT */
/* The rules that a graph obeys at every edge between passes. */
#include "graph.h"
#include <string.h>

typedef struct Check Check;
struct Check {
    Graph *g;
    bool *defined;           /* by value id */
    VEC(const Idx *) late;   /* symbols that have values now */
    const Idx *missing;      /* by see_late: one that has none */
    const Check *outer;      /* a region's */
};

static void see_late(void *ctx, const Idx *s)
{
    Check *c = ctx;
    bool known = !s->late;
    for (const Check *in = c; in && !known; in = in->outer)
        for (size_t i = 0; i < in->late.n && !known; i++)
            known = in->late.at[i] == s;
    if (!known)
        c->missing = s;
}

static const char *say(Graph *g, const Node *n, const char *what)
{
    return job_printf(g->job, "%s (%s): %s", n->out_count ? n->out[0]->name : "?", op_info[n->op].name, what);
}

static const char *check_operands(Check *c, const Node *n)
{
    int want = op_info[n->op].inputs;
    if (want >= 0 ? n->in_count != (uint32_t)want : n->in_count < (uint32_t)-want)
        return say(c->g, n, "has the wrong number of operands");
    for (uint32_t i = 0; i < n->in_count; i++) {
        const Value *v = n->in[i];
        if (v->id >= c->g->values.n || c->g->values.at[v->id] != v)
            return say(c->g, n, "reads a value of another graph");
        if (!c->defined[v->id])
            return say(c->g, n, "reads a value that is not defined before it");
    }
    return NULL;
}

/* Late symbols have values above their uses; `size` gives one to the symbol that it names. */
static const char *check_late(Check *c, const Node *n)
{
    c->missing = NULL;
    const Idx *given = n->op == OP_size ? node_idx(n, "expr", 0) : NULL;
    for (size_t i = 0; i < n->attrs.n; i++)
        for (size_t j = 0; n->attrs.at[i].kind == ATTR_IDX && j < n->attrs.at[i].n && !given; j++)
            idx_symbols(n->attrs.at[i].idx[j], see_late, c);
    for (uint32_t i = 0; i < n->out_count; i++)
        for (int d = 0; d < n->out[i]->type.rank; d++)
            idx_symbols(n->out[i]->type.dim[d], see_late, c);
    if (given)
        idx_symbols(given, see_late, c);
    if (given && c->missing == given) {
        *vec_push(c->g->job, &c->late) = given;
        c->missing = NULL;
        if (given->most)
            idx_symbols(given->most, see_late, c);
    }
    return c->missing ? say(c->g, n, job_printf(c->g->job, "needs the size %s, which has no value yet", c->missing->sym))
                      : NULL;
}

/* ---- attributes -------------------------------------------------------------------------------- */

/* How many values: of operand 0's rank, of its axes behind the first two, of attribute `axes`, of attribute `kernel`. */
enum { ANY = -1, RANK = -2, SPATIAL = -3, AXES = -4, KERNEL = -5 };

/* What an operator must have.  kind: a axes of operand 0, each once; p numbers > 0; n numbers >= 0; i numbers;
 * x sizes; f one number of any kind. */
static const struct Need {
    Op op;
    const char *name;
    char kind;
    int count;
} needs[] = {
    { OP_full, "value", 'f', 1 },          { OP_index, "expr", 'x', 1 },
    { OP_size, "expr", 'x', 1 },
    { OP_mean, "dims", 'a', ANY },         { OP_permute, "dims", 'a', RANK },
    { OP_slice, "starts", 'x', RANK },     { OP_slice, "steps", 'x', RANK },
    { OP_pad, "low", 'x', RANK },          { OP_pad, "value", 'f', 1 },
    { OP_window, "axes", 'a', ANY },       { OP_window, "kernel", 'x', AXES },
    { OP_window, "stride", 'p', AXES },    { OP_window, "dilation", 'p', AXES },
    { OP_window, "low", 'i', AXES },       { OP_window, "value", 'f', 1 },
    { OP_scan, "axis", 'a', 1 },            { OP_put, "axes", 'a', ANY },
    { OP_cat, "dim", 'a', 1 },             { OP_take, "axes", 'a', ANY },
    { OP_conv, "stride", 'p', SPATIAL },   { OP_conv, "padding", 'n', SPATIAL },
    { OP_conv, "dilation", 'p', SPATIAL }, { OP_conv, "groups", 'p', 1 },
    { OP_softmax, "dim", 'a', 1 },         { OP_log_softmax, "dim", 'a', 1 },
    { OP_batch_norm, "eps", 'f', 1 },      { OP_layer_norm, "eps", 'f', 1 },
    { OP_layer_norm, "axes", 'n', 1 },     { OP_sdpa, "causal", 'i', 1 },
    { OP_sdpa, "scale", 'f', 1 },          { OP_attention, "scale", 'f', 1 },
    { OP_attention, "causal", 'i', 1 },    { OP_attention, "zeros", 'i', 1 },
    { OP_attention, "cap", 'f', 1 },
    { OP_max_pool, "kernel", 'p', ANY },
    { OP_max_pool, "stride", 'p', KERNEL },     { OP_max_pool, "padding", 'n', KERNEL },
    { OP_max_pool, "dilation", 'p', KERNEL },   { OP_avg_pool, "kernel", 'p', ANY },
    { OP_avg_pool, "stride", 'p', KERNEL },     { OP_avg_pool, "padding", 'n', KERNEL },
    { OP_avg_pool, "dilation", 'p', KERNEL },   { OP_avg_pool, "divisor", 'i', 1 },
    { OP_avg_pool, "count_pad", 'i', 1 },
};

static bool attr_fits(const Node *n, const struct Need *need, const Attr *a)
{
    int rank = n->in_count ? n->in[0]->type.rank : 0, want = need->count;
    if (need->kind == 'f')
        return a->kind == ATTR_FLOAT || (a->kind == ATTR_INTS && a->n == 1);
    if (a->kind != ATTR_INTS && (a->kind != ATTR_IDX || need->kind != 'x'))
        return false;
    want = want == RANK ? rank : want == SPATIAL ? rank - 2 : want;
    if (want == AXES)
        want = (int)node_attr(n, "axes")->n;
    if (want == KERNEL)
        want = (int)node_attr(n, "kernel")->n;
    if (want != ANY && a->n != (size_t)want)
        return false;
    bool seen[MAX_RANK] = { false };
    for (size_t i = 0; i < a->n; i++) {
        int64_t k = need->kind == 'x' ? 0 : node_int(n, need->name, i);
        if (k < (need->kind == 'p') && need->kind != 'i')
            return false;
        if (need->kind == 'a' && (k >= rank || seen[k]))
            return false;
        if (need->kind == 'a')
            seen[k] = true;
    }
    return true;
}

static bool scan_op_known(const Node *n)
{
    static const Op known[] = { OP_add, OP_mul, OP_max, OP_min, OP_and, OP_or, OP_logaddexp };
    Op op = op_from_name(node_text(n, "op"));
    bool found = false, arithmetic = op == OP_add || op == OP_mul || op == OP_logaddexp;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        found |= known[i] == op;
    DType d = n->in[0]->type.dtype;
    bool bits = op == OP_and || op == OP_or;
    return found && (d == DT_bool ? !arithmetic : !bits) && (op != OP_logaddexp || dtype_is_float(d));
}

static const char *check_attrs(Check *c, const Node *n)
{
    static const struct Need dims = { OP_COUNT, "dims", 'a', ANY };
    const Attr *axes = op_info[n->op].kind == REDUCE ? node_attr(n, "dims") : NULL;
    if (op_info[n->op].kind == REDUCE && (!axes || !attr_fits(n, &dims, axes)))
        return say(c->g, n, "needs another attribute dims");
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
        const Attr *a = needs[i].op == n->op ? node_attr(n, needs[i].name) : NULL;
        if (needs[i].op == n->op && (!a || !attr_fits(n, &needs[i], a)))
            return say(c->g, n, job_printf(c->g->job, "needs another attribute %s", needs[i].name));
    }
    if (n->op == OP_scan && !scan_op_known(n))
        return say(c->g, n, "needs another attribute op");
    for (int i = 0; i < 2 && op_info[n->op].kind == CONTRACT; i++) {
        const char *name = i ? "residual" : "bias";
        const Attr *a = node_attr(n, name);
        int64_t least = n->op == OP_grouped_matmul ? 3 : 2;
        if (a && (a->kind != ATTR_INTS || a->n != 1 || node_int(n, name, 0) < least ||
                  node_int(n, name, 0) >= (int64_t)n->in_count))
            return say(c->g, n, job_printf(c->g->job, "needs another attribute %s", name));
    }
    return NULL;
}

/* ---- shapes -------------------------------------------------------------------------------------- */

static bool may_expand(const Type *in, const Type *out)
{
    bool fits = in->rank <= out->rank;
    for (int i = 0; i < in->rank && fits; i++) {
        const Idx *a = in->dim[i], *b = out->dim[i + out->rank - in->rank];
        fits = idx_is(a, 1) || (a->lo <= b->hi && b->lo <= a->hi);
    }
    return fits;
}

/* One index operand, from `first` on, for each of the axes; what they give has a permitted rank. */
static bool indices_fit(const Node *n, uint32_t first)
{
    int rank = 0, axes = (int)node_attr(n, "axes")->n;
    for (uint32_t i = first; i < n->in_count; i++)
        rank = n->in[i]->type.rank > rank ? n->in[i]->type.rank : rank;
    return n->in_count == first + (uint32_t)axes && n->in[0]->type.rank - axes + rank <= MAX_RANK;
}

static bool may_agree(const Idx *a, const Idx *b)
{
    return a->lo <= b->hi && b->lo <= a->hi;
}

/* q[.., l, e], k[.., s, e], v[.., s, ev], mask[.., s or 1, l or 1]. */
static bool attention_fits(const Node *n)
{
    const Idx *const *end[4] = { 0 }; /* the last two sizes of each */
    for (uint32_t i = 0; i < n->in_count; i++) {
        const Type *t = &n->in[i]->type;
        if (i == 4 || t->rank < 2 || t->dtype != n->in[0]->type.dtype)
            return false;
        end[i] = t->dim + t->rank - 2;
    }
    for (int i = 0; i < 2 && end[3]; i++)
        if (!idx_is(end[3][i], 1) && !may_agree(end[3][i], end[1 - i][0]))
            return false;
    return may_agree(end[0][1], end[1][1]) && may_agree(end[1][0], end[2][0]);
}

/* a[m, k], b[g, k, n], ends[g]. */
static bool groups_fit(const Node *n)
{
    const Type *a = &n->in[0]->type, *b = &n->in[1]->type, *ends = &n->in[2]->type;
    return a->rank == 2 && b->rank == 3 && ends->rank == 1 && may_agree(a->dim[1], b->dim[1]) &&
           may_agree(ends->dim[0], b->dim[0]) && b->dtype == a->dtype && ends->dtype == DT_i64;
}

static bool ranks_fit(const Node *n)
{
    const Type *out = &n->out[0]->type, *a = n->in_count ? &n->in[0]->type : NULL;
    const Type *b = n->in_count > 1 ? &n->in[1]->type : NULL;
    switch (n->op) {
    case OP_iota: return out->rank == 1;
    case OP_index: return out->rank == 0;
    case OP_size: return out->rank == 0 && a->rank == 0 && a->dtype == DT_i64 && out->dtype == DT_i64;
    case OP_slice:
    case OP_pad: return out->rank == a->rank;
    case OP_expand: return may_expand(a, out);
    case OP_window: return out->rank == a->rank + (int)node_attr(n, "axes")->n;
    case OP_take: return indices_fit(n, 1);
    case OP_put: return indices_fit(n, 2);
    case OP_linear: return a->rank >= 1 && b->rank == 2;
    case OP_batch_norm: return a->rank >= 1 && b->rank == 1 && n->in[3]->type.rank == 1;
    case OP_layer_norm: return node_int(n, "axes", 0) <= a->rank;
    case OP_grouped_matmul: return groups_fit(n);
    case OP_attention: return attention_fits(n);
    case OP_sdpa: return a->rank >= 2 && b->rank == a->rank && n->in[2]->type.rank >= 2;
    case OP_max_pool:
    case OP_avg_pool: return a->rank == out->rank && (int)node_attr(n, "kernel")->n <= a->rank &&
                             (int)node_attr(n, "kernel")->n + a->rank <= MAX_RANK;
    default: return true;
    }
}

static bool may_be_same(const Type *a, const Type *b, int behind)
{
    bool fits = a->dtype == b->dtype && a->rank == b->rank - behind;
    for (int i = 0; i < a->rank && fits; i++)
        fits = a->dim[i]->lo <= b->dim[i + behind]->hi && b->dim[i + behind]->lo <= a->dim[i]->hi;
    return fits;
}

static bool is_tensor(const Port *p)
{
    return p->kind == PORT_TENSOR;
}

/* The body's parameters are the operands (of sliced ones a slice) and so are those of the condition; its results are
 * the next values of what is carried, then slices of the other results. */
static const char *check_loop(Check *c, const Node *n)
{
    const Attr *carried = node_attr(n, "carried"), *sliced = node_attr(n, "sliced"), *count = node_attr(n, "count");
    bool fits = carried && carried->kind == ATTR_INTS && carried->n == 1 && sliced && sliced->kind == ATTR_INTS && sliced->n == 1;
    int64_t from = fits ? node_int(n, "carried", 0) : -1, slices = fits ? node_int(n, "sliced", 0) : -1;
    fits = from >= 0 && slices >= 0 && from <= n->in_count && slices <= (int64_t)n->in_count - from && from <= n->out_count;
    const Attr *reverse = node_attr(n, "reverse");
    if (count)
        fits &= (count->kind == ATTR_INTS || count->kind == ATTR_IDX) && count->n == 1 && reverse &&
                reverse->kind == ATTR_INTS && reverse->n == 1 && n->region_count == 1;
    else
        fits &= n->region_count == 2 && slices == 0 && from == n->out_count;
    if (!fits || (count && node_idx(n, "count", 0)->hi < 0))
        return say(c->g, n, "needs other attributes or another number of regions");
    for (uint32_t r = 0; r < n->region_count && fits; r++)
        fits = n->region[r]->inputs.n == n->in_count && n->region[r]->outputs.n == (r ? 1 : n->out_count);
    for (uint32_t i = 0; i < n->in_count && fits; i++)
        for (uint32_t r = 0; r < n->region_count && fits; r++) {
            const Port *p = &n->region[r]->inputs.at[i];
            bool slice = i >= from && i < from + slices;
            fits = is_tensor(p) && may_be_same(&p->value->type, &n->in[i]->type, slice);
        }
    for (uint32_t i = 0; i < n->out_count && fits; i++) {
        const Port *p = &n->region[0]->outputs.at[i];
        fits = is_tensor(p) && may_be_same(&p->value->type, &n->out[i]->type, i >= from) &&
               (i >= from || may_be_same(&n->in[i]->type, &n->out[i]->type, 0));
    }
    if (fits && !count)
        fits = is_tensor(&n->region[1]->outputs.at[0]) &&
               may_be_same(&n->region[1]->outputs.at[0].value->type, &(Type){ .dtype = DT_bool }, 0);
    return fits ? NULL : say(c->g, n, "has not regions with its operands and results");
}

static const char *check_regions(Check *c, const Node *n)
{
    if (n->op == OP_loop)
        return check_loop(c, n);
    if (op_info[n->op].kind == ROUTINE)
        return n->region_count ? say(c->g, n, "has regions") : NULL;
    if (n->op != OP_cond)
        return n->region_count || n->out_count != 1 ? say(c->g, n, "has regions, or not one result") : NULL;
    bool fits = n->region_count == 2 && n->out_count >= 1 && n->in[0]->type.dtype == DT_bool;
    for (uint32_t i = 0; i < n->region_count && fits; i++)
        fits = n->region[i]->inputs.n == n->in_count - 1 && n->region[i]->outputs.n == n->out_count;
    for (uint32_t i = 0; i < n->region_count && fits; i++)
        for (size_t k = 0; k < n->region[i]->inputs.n && fits; k++) {
            const Port *p = &n->region[i]->inputs.at[k];
            fits = p->kind == PORT_TENSOR && p->value->type.dtype == n->in[k + 1]->type.dtype &&
                   p->value->type.rank == n->in[k + 1]->type.rank;
        }
    for (uint32_t i = 0; i < n->region_count && fits; i++)
        for (size_t k = 0; k < n->out_count && fits; k++) {
            const Port *p = &n->region[i]->outputs.at[k];
            fits = is_tensor(p) && may_be_same(&p->value->type, &n->out[k]->type, 0);
        }
    return fits ? NULL : say(c->g, n, "has not two regions with its operands and results");
}

static bool put_fits(Job *job, const Node *n)
{
    static const Op modes[] = { OP_add, OP_mul, OP_max, OP_min, OP_and, OP_or };
    const char *mode = node_text(n, "mode");
    bool known = !strcmp(mode, "set");
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        known |= op_from_name(mode) == modes[i];
    Type want = type_indexed(job, n, 2), got = n->in[1]->type;
    bool fits = known && want.rank == got.rank && want.dtype == got.dtype;
    for (int i = 0; fits && i < want.rank; i++)
        fits = want.dim[i]->lo <= got.dim[i]->hi && got.dim[i]->lo <= want.dim[i]->hi;
    return fits;
}

/* Whether a pointwise or composite operator means anything for the operands' element type. */
static bool dtype_fits(Op op, DType d)
{
    bool integer = dtype_is_int(d), real = dtype_is_float(d);
    if ((op >= OP_sqrt && op <= OP_exponent && op != OP_relu) || (op >= OP_lgamma && op <= OP_legendre))
        return real || dtype_is_complex(d);
    switch (op) {
    case OP_div: return real || dtype_is_complex(d);
    case OP_atan2: case OP_copysign: case OP_logaddexp: case OP_hypot: case OP_nextafter:
    case OP_softmax: case OP_log_softmax: case OP_batch_norm: case OP_layer_norm: case OP_sdpa: return real;
    case OP_attention: return d == DT_f32;
    case OP_grouped_matmul: return d == DT_f32 || d == DT_f16 || d == DT_bf16;
    case OP_gcd: case OP_shl: case OP_shr: case OP_parity: return integer;
    case OP_not: case OP_and: case OP_or: case OP_xor: return integer || d == DT_bool;
    case OP_any: case OP_all: return d == DT_bool;
    default: return true;
    }
}

static bool negative(const Type *t)
{
    for (int i = 0; i < t->rank; i++)
        if (t->dim[i]->hi < 0)
            return true;
    return false;
}

static const char *check_types(Check *c, const Node *n)
{
    for (uint32_t i = 0; i < n->out_count; i++)
        if (negative(&n->out[i]->type))
            return say(c->g, n, "has a negative size");
    if (!ranks_fit(n))
        return say(c->g, n, "has operands or a result of another rank than its rule");
    uint32_t indices = n->op == OP_take ? 1 : n->op == OP_put ? 2 : n->in_count;
    for (uint32_t i = indices; i < n->in_count; i++)
        if (n->in[i]->type.dtype != DT_i64)
            return say(c->g, n, "has indices that are no integers of 64 bits");
    if (n->op == OP_put && !put_fits(c->g->job, n))
        return say(c->g, n, "has another mode, or operands that do not fit together");
    if (n->op == OP_bitcast && dtype_info[n->out[0]->type.dtype].bytes != dtype_info[n->in[0]->type.dtype].bytes)
        return say(c->g, n, "has an operand of another width");
    OpKind kind = op_info[n->op].kind;
    const char *bad = kind == ROUTINE ? routine_check(c->g->job, n) : NULL;
    if (bad)
        return say(c->g, n, bad);
    const Type *t = &n->out[0]->type;
    uint32_t first = n->op == OP_where ? 1 : 0;
    if (kind == POINTWISE)
        for (uint32_t i = first + 1; i < n->in_count; i++)
            if (n->in[i]->type.dtype != n->in[first]->type.dtype)
                return say(c->g, n, "has operands of different element types");
    if (n->in_count && !dtype_fits(n->op, n->in[0]->type.dtype))
        return say(c->g, n, job_printf(c->g->job, "has operands of %s", dtype_info[n->in[0]->type.dtype].name));
    if (n->op == OP_where && n->in[0]->type.dtype != DT_bool)
        return say(c->g, n, "has a condition that is not bool");
    Type inferred;
    if (type_infer(c->g->job, n, &inferred)) {
        if (inferred.rank != t->rank || (n->op != OP_cast && n->op != OP_bitcast && inferred.dtype != t->dtype))
            return say(c->g, n, "has not the type of its rule");
        for (int i = 0; i < t->rank; i++)
            if (inferred.dim[i]->lo > t->dim[i]->hi || t->dim[i]->lo > inferred.dim[i]->hi)
                return say(c->g, n, "has not the sizes of its rule");
    }
    int64_t a, b;
    if (n->op == OP_reshape && type_static(&n->in[0]->type, &a) && type_static(t, &b) && a != b)
        return say(c->g, n, "changes the number of elements");
    return NULL;
}

static const char *check_effects(Check *c)
{
    Graph *g = c->g;
    for (size_t i = 0; i < g->effects.n; i++) {
        const Effect *e = &g->effects.at[i];
        bool check = e->kind == EFFECT_CHECK;
        if (!c->defined[e->value->id])
            return job_printf(g->job, "effect %zu reads a value that is not defined", i);
        if (check && (e->value->type.rank || e->value->type.dtype != DT_bool))
            return job_printf(g->job, "the check of %s is not about one bool", e->value->name);
        if (!check && (e->target->kind != VALUE_INPUT || e->value->type.dtype != e->target->type.dtype ||
                       !may_expand(&e->value->type, &e->target->type)))
            return job_printf(g->job, "the commit of %s is not of its type", e->target->name);
        for (size_t j = 0; j < i && !check; j++)
            if (g->effects.at[j].target == e->target)
                return job_printf(g->job, "%s is committed twice", e->target->name);
    }
    return NULL;
}

static const char *verify(Graph *g, const Check *outer);

static const char *check_region(const Check *c, Graph *region)
{
    for (size_t i = 0; i < region->effects.n; i++)
        if (region->effects.at[i].kind == EFFECT_COMMIT)
            return job_printf(c->g->job, "region %s commits", region->name);
    if (region->states.n)
        return job_printf(c->g->job, "region %s has state", region->name);
    return verify(region, c);
}

static const char *verify(Graph *g, const Check *outer)
{
    Check c = { .g = g, .defined = job_array(g->job, g->values.n + 1, sizeof(bool)), .outer = outer };
    for (size_t i = 0; i < g->inputs.n; i++) {
        const Port *p = &g->inputs.at[i];
        if (p->kind == PORT_TENSOR && negative(&p->value->type))
            return job_printf(g->job, "input %s has a negative size", p->name);
        if (p->kind == PORT_TENSOR)
            c.defined[p->value->id] = true;
        for (int d = 0; p->kind == PORT_TENSOR && d < p->value->type.rank; d++)
            idx_symbols(p->value->type.dim[d], see_late, &c);
        if (c.missing)
            return job_printf(g->job, "input %s has a size known only during the run", p->name);
    }
    for (size_t i = 0; i < g->states.n; i++) {
        int64_t count;
        const Value *v = g->states.at[i];
        if (!type_static(&v->type, &count) || !v->tensor)
            return job_printf(g->job, "state %s has no fixed size or no first contents", v->name);
        c.defined[v->id] = true;
    }
    for (size_t i = 0; i < g->consts.n; i++)
        c.defined[g->consts.at[i]->id] = true;
    for each_node (n, g) {
        const char *bad = check_operands(&c, n);
        bad = bad ? bad : check_regions(&c, n);
        bad = bad ? bad : check_attrs(&c, n);
        bad = bad ? bad : check_types(&c, n);
        bad = bad ? bad : check_late(&c, n);
        for (uint32_t i = 0; i < n->region_count && !bad; i++)
            bad = check_region(&c, n->region[i]);
        if (bad)
            return bad;
        for (uint32_t i = 0; i < n->out_count; i++) {
            if (n->out[i]->def != n)
                return say(g, n, "has a result that says otherwise");
            c.defined[n->out[i]->id] = true;
        }
    }
    for (size_t i = 0; i < g->outputs.n; i++) {
        const Port *p = &g->outputs.at[i];
        if (p->kind == PORT_TENSOR && !c.defined[p->value->id])
            return job_printf(g->job, "output %s is not defined", p->name);
    }
    return check_effects(&c);
}

const char *graph_verify(Graph *g)
{
    return verify(g, NULL);
}
