/* SPDX-License-Identifier: MIT */
/* Operators of kind ROUTINE: the types of their results, the work space they want.  What the checks here let through,
 * the C functions rely on: they know no bounds but the sizes they are given. */
#include "routine.h"
#include <string.h>

/* ---- rules of rows ------------------------------------------------------------------------------------------- */

static const Idx *last_size(Job *job, const Type *t)
{
    return t->rank ? t->dim[t->rank - 1] : idx_const(job, 1);
}

static bool sortable(DType d)
{
    return d == DT_f32 || d == DT_f64 || d == DT_i32 || d == DT_i64;
}

static const Idx *sort_count(const Node *n)
{
    return node_attr(n, "count")->idx[0];
}

static const char *sort_types(Job *job, const Node *n, Type *out)
{
    const Type *a = &n->in[0]->type;
    const Idx *count = sort_count(n);
    out[0] = *a;
    if (a->rank)
        out[0].dim[a->rank - 1] = count;
    out[1] = out[0];
    out[1].dtype = DT_i64;
    if (idx_provably_lt(job, count, idx_const(job, 0)) || (!a->rank && !idx_is(count, 1)))
        return "gives fewer elements of the last axis than none, or of a number another count than one";
    return sortable(a->dtype) ? NULL : "sorts f32, f64, i32 and i64";
}

/* Entries of 16 bytes: those that may be among the first, and as many to merge into. */
static const Idx *sort_scratch(Job *job, const Node *n)
{
    const Idx *kept = idx_addk(job, idx_mulk(job, sort_count(n), 2), 16);
    return idx_mulk(job, idx_min(job, last_size(job, &n->in[0]->type), kept), 32);
}

static const char *sort_rows_types(Job *job, const Node *n, Type *out)
{
    const Type *a = &n->in[0]->type;
    (void)job;
    out[0] = (Type){ DT_i64, 1, { a->dim[0] } };
    bool known = a->dtype == DT_f32 || a->dtype == DT_f64 || a->dtype == DT_i64;
    return a->rank == 2 && known ? NULL : "sorts rows of f32, f64 and i64";
}

static const Idx *sort_rows_scratch(Job *job, const Node *n)
{
    return idx_mulk(job, n->in[0]->type.dim[0], 8);
}

static const char *compact_types(Job *job, const Node *n, Type *out)
{
    const Type *a = &n->in[0]->type;
    (void)job;
    out[0] = *a;
    out[0].dtype = DT_i64;
    out[1] = (Type){ .dtype = DT_i64 };
    return a->rank == 1 && a->dtype == DT_bool ? NULL : "compacts bool[n]";
}

/* One row for all, or a row for each row of b: the function compares the sizes. */
static const char *search_types(Job *job, const Node *n, Type *out)
{
    (void)job;
    const Type *row = &n->in[0]->type, *v = &n->in[1]->type, *order = n->in_count > 2 ? &n->in[2]->type : NULL;
    out[0] = *v;
    out[0].dtype = DT_i64;
    if (!sortable(row->dtype) || v->dtype != row->dtype)
        return "searches f32, f64, i32 and i64";
    if (row->rank < 1 || (row->rank > 1 && v->rank != row->rank))
        return "has rows that do not go with what is searched";
    return order && (order->dtype != DT_i64 || order->rank != row->rank) ? "has an order that does not go with its rows" : NULL;
}

static const char *fft_types(Job *job, const Node *n, Type *out)
{
    (void)job;
    const Type *a = &n->in[0]->type;
    out[0] = *a;
    bool pairs = a->rank >= 2 && idx_is(a->dim[a->rank - 1], 2) && (a->dtype == DT_f32 || a->dtype == DT_f64);
    return pairs ? NULL : "transforms pairs of f32 or f64";
}

static const char *fft_real_types(Job *job, const Node *n, Type *out)
{
    const char *bad = fft_types(job, n, out);
    const Attr *length = node_attr(n, "n");
    if (bad || !length || length->n != 1)
        return bad ? bad : "needs a length";
    out[0].rank--;
    out[0].dim[out[0].rank - 1] = idx_max(job, length->idx[0], idx_const(job, 0));
    return out[0].dim[out[0].rank - 1] == length->idx[0] ? NULL : "needs a length that is not negative";
}

/* Complex doubles: what codegen/kernels/fft.c says of lengths without and with large prime factors, for as many rows as it
 * transforms at once. */
enum { FFT_LANES = 8 }; /* the most doubles of a vector */

static const Idx *fft_scratch(Job *job, const Node *n)
{
    const Type *a = &n->in[0]->type;
    const Idx *length = n->op == OP_fft ? a->dim[a->rank - 2] : node_idx(n, "n", 0), *rows = idx_const(job, 1);
    int64_t k;
    for (int i = 0; i + 2 < a->rank; i++)
        rows = idx_mul(job, rows, a->dim[i]);
    rows = idx_mulk(job, idx_max(job, idx_min(job, rows, idx_const(job, FFT_LANES)), idx_const(job, 1)), 2);
    if (idx_is_const(length, &k)) {
        for (int64_t p = 2; p <= 61; p++)
            while (k > 1 && k % p == 0)
                k /= p;
        if (k <= 1)
            return idx_mulk(job, idx_mul(job, length, idx_addk(job, rows, 1)), 16);
    }
    rows = idx_addk(job, idx_mulk(job, idx_addk(job, rows, 2), 4), 1); /* a power of 2 below 4 n */
    return idx_mulk(job, idx_mul(job, length, rows), 16);
}

/* ---- the table ------------------------------------------------------------------------------------------------ */

static const Routine routines[] = {
#define ROUTINE(op, results, attrs, types, scratch, shared) { OP_##op, results, attrs, types, scratch, shared },
#include "routines.def"
#undef ROUTINE
};

const Routine *routine_of(Op op)
{
    for (size_t i = 0; i < sizeof routines / sizeof *routines; i++)
        if (routines[i].op == op)
            return &routines[i];
    bug("%s has no row in routines.def", op_info[op].name);
}

const Attr *routine_attr(const Node *n, const Routine *r, size_t i)
{
    const char *word = r->attrs;
    for (; i; i--) {
        word += strcspn(word, " ");
        word += *word == ' ';
    }
    char name[32];
    size_t size = strcspn(word, " ."), at = 0;
    if (!size || size >= sizeof name)
        return NULL;
    for (; at < size; at++)
        name[at] = word[at];
    name[at] = 0;
    const Attr *a = node_attr(n, name);
    bool real = word[size] == '.';
    bool fits = a && (real ? a->kind == ATTR_FLOAT : (a->kind == ATTR_INTS || a->kind == ATTR_IDX) && a->n == 1);
    return fits ? a : NULL;
}

static size_t attr_count_of(const Routine *r)
{
    size_t n = *r->attrs != 0;
    for (const char *p = r->attrs; *p; p++)
        n += *p == ' ';
    return n;
}

const char *routine_check(Job *job, const Node *n)
{
    const Routine *r = routine_of(n->op);
    Type types[ROUTINE_MAX];
    for (size_t i = 0; i < attr_count_of(r); i++)
        if (!routine_attr(n, r, i))
            return job_printf(job, "needs the attributes %s", r->attrs);
    if (!r->types) {
        bool fits = n->in_count && n->in_count <= ROUTINE_MAX && n->out_count && n->out_count <= ROUTINE_MAX;
        return fits && *node_text(n, "operator") ? NULL : "needs 1 to 8 operands and results, and the attribute operator";
    }
    if (!n->in_count || n->in_count > ROUTINE_MAX || n->out_count != r->results)
        return job_printf(job, "needs 1 to %d operands and has %u results", ROUTINE_MAX, r->results);
    const char *bad = r->types(job, n, types);
    for (uint32_t i = 0; i < r->results && !bad; i++)
        if (!type_same(&types[i], &n->out[i]->type))
            bad = job_printf(job, "has not the type of its rule, %s", type_text(job, &types[i]));
    return bad;
}

Node *build_routine(Build *b, Op op, Value *const *in, uint32_t n, const Attr *attrs, size_t attr_count)
{
    const Routine *r = routine_of(op);
    Type types[ROUTINE_MAX];
    Sym names[ROUTINE_MAX];
    Job *job = b->g->job;
    Node probe = { .op = op, .in_count = n, .in = (Value **)(uintptr_t)in, .origin = b->origin };
    for (size_t i = 0; i < attr_count; i++)
        *vec_push(job, &probe.attrs) = attrs[i];
    const char *bad = r->types(job, &probe, types);
    if (bad)
        fail_at(job, EXIT_INPUT, &b->origin, "%s: %s", op_info[op].name, bad);
    for (uint32_t i = 0; i < r->results; i++)
        names[i] = graph_name(b->g, b->stem ? b->stem : op_info[op].name);
    Node *node = build_node(b, op, in, n, types, names, r->results);
    node->attrs = probe.attrs;
    return node;
}
