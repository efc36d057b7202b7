/* SPDX-License-Identifier: MIT */
/* Scalar expressions of a kernel, hash-consed, with the few rewrites that lowering itself provokes. */
#include "lower.h"
#include <string.h>

static size_t hash(const X *e)
{
    uint64_t bits, h = (uint64_t)e->kind * 31 + (uint64_t)e->dtype * 7 + (uint64_t)e->op * 131;
    memcpy(&bits, &e->number, 8);
    h = (h ^ bits) * 0x9E3779B97F4A7C15u ^ (uint64_t)e->integer;
    h = (h ^ (e->idx ? e->idx->id + 1 : 0)) * 0x9E3779B97F4A7C15u ^ (uintptr_t)e->buffer ^ (uintptr_t)e->var;
    for (uint32_t i = 0; i < e->n; i++)
        h = (h ^ e->arg[i]->id) * 0xff51afd7ed558ccdu;
    return (size_t)(h ^ h >> 30);
}

static bool same(const X *a, const X *b)
{
    if (a->kind != b->kind || a->dtype != b->dtype || a->op != b->op || a->n != b->n || a->idx != b->idx ||
        a->buffer != b->buffer || a->integer != b->integer || a->var != b->var || memcmp(&a->number, &b->number, 8))
        return false;
    for (uint32_t i = 0; i < a->n; i++)
        if (a->arg[i] != b->arg[i])
            return false;
    return true;
}

static const X *intern(Make *m, const X *e)
{
    if (m->table_used * 2 >= m->table_size) {
        size_t size = m->table_size ? m->table_size * 2 : 64;
        const X **table = job_array(m->job, size, sizeof *table);
        for (size_t i = 0; i < m->table_size; i++)
            if (m->table[i]) {
                size_t at = hash(m->table[i]) & (size - 1);
                while (table[at])
                    at = (at + 1) & (size - 1);
                table[at] = m->table[i];
            }
        m->table = table;
        m->table_size = size;
    }
    size_t at = hash(e) & (m->table_size - 1);
    for (; m->table[at]; at = (at + 1) & (m->table_size - 1))
        if (same(m->table[at], e))
            return m->table[at];
    X *own = job_alloc(m->job, sizeof *own);
    *own = *e;
    own->id = (uint32_t)m->table_used++;
    for (uint32_t i = 0; i < e->n; i++)
        own->level = e->arg[i]->level > own->level ? e->arg[i]->level : own->level;
    int level = e->idx ? idx_level(m, e->idx) : 0;
    own->level = level > own->level ? level : own->level;
    m->table[at] = own;
    return own;
}

typedef struct LevelOf {
    Make *m;
    int level;
} LevelOf;

static void visit_level(void *ctx, const Idx *s)
{
    LevelOf *c = ctx;
    for (int i = c->m->level; i > c->level; i--)
        if (c->m->var[i] == s->sym)
            c->level = i;
    for (size_t i = 0; i < c->m->index_vars.n; i++)
        if (c->m->index_vars.at[i] == s && c->m->index_levels.at[i] > c->level)
            c->level = c->m->index_levels.at[i];
}

int idx_level(Make *m, const Idx *e)
{
    LevelOf c = { m, 0 };
    idx_symbols(e, visit_level, &c);
    return c.level;
}

const X *x_num(Make *m, DType d, double v)
{
    if (!dtype_is_float(d))
        return x_int(m, d, (int64_t)v);
    return intern(m, &(X){ .kind = X_NUM, .dtype = d, .number = v });
}

const X *x_int(Make *m, DType d, int64_t v)
{
    if (dtype_is_float(d))
        return x_num(m, d, (double)v);
    return intern(m, &(X){ .kind = X_NUM, .dtype = d, .integer = d == DT_bool ? v != 0 : v });
}

const X *x_idx(Make *m, const Idx *e)
{
    int64_t k;
    if (idx_is_const(e, &k))
        return x_int(m, DT_i64, k);
    return intern(m, &(X){ .kind = X_IDX, .dtype = DT_i64, .idx = e });
}

const X *x_load(Make *m, Buffer *b, const Idx *at)
{
    X e = { .kind = X_LOAD, .dtype = b->dtype, .buffer = b, .idx = at };
    if (m->guard) {
        e.n = 1;
        e.arg[0] = m->guard;
    }
    return intern(m, &e);
}

const X *x_var(Make *m, DType d, Sym var, int level)
{
    X e = { .kind = X_VAR, .dtype = d, .var = var, .level = level };
    return intern(m, &e);
}

const Idx *x_index(Make *m, const X *x)
{
    return x->kind == X_IDX ? x->idx : x->kind == X_NUM && x->dtype == DT_i64 ? idx_const(m->job, x->integer) : NULL;
}

/* Whether it can take part in arithmetic of index expressions, which fails where a coefficient overflows. */
static bool is_tame(const Idx *e)
{
    const int64_t most = INT64_C(1) << 31;
    bool tame = e->n <= 8 && ((e->op != IDX_CONST && e->op != IDX_SUM) || (e->k < most && e->k > -most));
    for (uint32_t i = 0; i < e->n && tame; i++)
        tame = is_tame(e->arg[i]) && (e->op != IDX_SUM || (e->coef[i] < most && e->coef[i] > -most));
    return tame;
}

/* Integers that are known up to loop variables and sizes stay index expressions: arithmetic on an iota is free. */
static const X *folded_index(Make *m, Op op, const Idx *a, const Idx *b)
{
    Job *job = m->job;
    bool positive = b && b->lo > 0, up = a->lo >= 0 && positive;
    if (!is_tame(a) || (b && !is_tame(b)))
        return NULL;
    switch (op) {
    case OP_neg: return x_idx(m, idx_mulk(job, a, -1));
    case OP_abs: return x_idx(m, a->lo >= 0 ? a : idx_max(job, a, idx_mulk(job, a, -1)));
    case OP_add: return x_idx(m, idx_add(job, a, b));
    case OP_sub: return x_idx(m, idx_sub(job, a, b));
    case OP_mul: return x_idx(m, idx_mul(job, a, b));
    case OP_min: return x_idx(m, idx_min(job, a, b));
    case OP_max: return x_idx(m, idx_max(job, a, b));
    case OP_div_floor: return positive ? x_idx(m, idx_div(job, a, b)) : NULL;
    case OP_rem: return positive ? x_idx(m, idx_mod(job, a, b)) : NULL;
    case OP_div_trunc: return up ? x_idx(m, idx_div(job, a, b)) : NULL;
    case OP_fmod: return up ? x_idx(m, idx_mod(job, a, b)) : NULL;
    case OP_lt: return idx_provably_lt(job, a, b) ? x_int(m, DT_bool, 1) : idx_provably_le(job, b, a) ? x_int(m, DT_bool, 0) : NULL;
    case OP_le: return idx_provably_le(job, a, b) ? x_int(m, DT_bool, 1) : idx_provably_lt(job, b, a) ? x_int(m, DT_bool, 0) : NULL;
    case OP_gt: return folded_index(m, OP_lt, b, a);
    case OP_ge: return folded_index(m, OP_le, b, a);
    default: return NULL;
    }
}

/* Numbers fold where the result is exact in the type: casts, conditions, index arithmetic. */
static const X *folded(Make *m, Op op, DType d, const X *const *arg, uint32_t n)
{
    const X *a = arg[0];
    const Idx *x = x_index(m, a), *y = n > 1 ? x_index(m, arg[1]) : NULL;
    if (x && (n == 1 || (n == 2 && y))) {
        const X *r = folded_index(m, op, x, y);
        if (r)
            return r;
    }
    if (op == OP_where && a->kind == X_NUM)
        return arg[a->integer ? 1 : 2];
    for (uint32_t i = 0; i < 2 && d == DT_bool && (op == OP_and || op == OP_or); i++)
        if (arg[i]->kind == X_NUM)
            return (arg[i]->integer != 0) == (op == OP_and) ? arg[1 - i] : arg[i];
    if (op == OP_cast && a->dtype == d)
        return a;
    if (op == OP_cast && a->kind == X_NUM && (d == DT_f32 || d == DT_f64)) {
        double v = dtype_is_float(a->dtype) ? a->number : (double)a->integer;
        return x_num(m, d, d == DT_f32 ? (double)(float)v : v);
    }
    if (op == OP_cast && a->kind == X_NUM && !dtype_is_float(a->dtype) && d == DT_i64)
        return x_int(m, d, a->integer);
    return NULL;
}

const X *x_op(Make *m, Op op, DType d, const X *const *arg, uint32_t n)
{
    const X *f = folded(m, op, d, arg, n);
    if (f)
        return f;
    m->k->special |= op_is_special(op);
    X e = { .kind = X_OP, .dtype = d, .op = op, .n = n };
    for (uint32_t i = 0; i < n; i++)
        e.arg[i] = arg[i];
    return intern(m, &e);
}

const X *x_in_range(Make *m, const Idx *e, const Idx *size)
{
    const X *low = NULL, *high = NULL;
    if (e->lo < 0)
        low = x_op(m, OP_ge, DT_bool, (const X *[]){ x_idx(m, e), x_int(m, DT_i64, 0) }, 2);
    if (!idx_provably_lt(m->job, e, size))
        high = x_op(m, OP_lt, DT_bool, (const X *[]){ x_idx(m, e), x_idx(m, size) }, 2);
    if (!low || !high)
        return low ? low : high;
    return x_op(m, OP_and, DT_bool, (const X *[]){ low, high }, 2);
}
