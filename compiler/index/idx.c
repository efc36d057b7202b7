/* SPDX-License-Identifier: MIT */
/* Hash-consed polynomials over symbols with bounds; the laws are in idx.h.  The canonical sum of monomials makes
 * equality, linear simplification and divisibility structural; division and modulo pull out the terms that the
 * divisor divides, and vanish when the rest is proved to lie in [0, divisor). */
#include "idx.h"
#include <string.h>

typedef struct Table {
    const Idx **slot;
    size_t size, used;
    uint32_t next_id;
    VEC(const Idx *) symbols;
    VEC(Sym) fresh;
} Table;

static Table *table_of(Job *job)
{
    void **slot = job_slot(job, JOB_SLOT_IDX);
    if (!*slot)
        *slot = job_alloc(job, sizeof(Table));
    return *slot;
}

/* ---- bounds, saturating ------------------------------------------------------------------------ */

static int64_t sat_add(int64_t a, int64_t b, bool upper)
{
    int64_t inf = upper ? INT64_MAX : INT64_MIN, r;
    if (a == inf || b == inf)
        return inf;
    if (__builtin_add_overflow(a, b, &r))
        return inf;
    return r;
}

static int64_t sat_mul(int64_t a, int64_t b)
{
    int64_t r;
    if (a == 0 || b == 0)
        return 0;
    bool infinite = a == INT64_MAX || a == INT64_MIN || b == INT64_MAX || b == INT64_MIN;
    if (infinite || __builtin_mul_overflow(a, b, &r))
        return (a < 0) == (b < 0) ? INT64_MAX : INT64_MIN;
    return r;
}

static void range_mul(int64_t alo, int64_t ahi, int64_t blo, int64_t bhi, int64_t *lo, int64_t *hi)
{
    int64_t c[4] = { sat_mul(alo, blo), sat_mul(alo, bhi), sat_mul(ahi, blo), sat_mul(ahi, bhi) };
    *lo = *hi = c[0];
    for (int i = 1; i < 4; i++) {
        *lo = c[i] < *lo ? c[i] : *lo;
        *hi = c[i] > *hi ? c[i] : *hi;
    }
}

static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}

static int64_t bound_div(int64_t a, int64_t b) /* b > 0 */
{
    return a == INT64_MAX || a == INT64_MIN ? a : floor_div(a, b);
}

static void set_bounds(Idx *e)
{
    const Idx *a = e->n ? e->arg[0] : NULL, *b = e->n > 1 ? e->arg[1] : NULL;
    switch (e->op) {
    case IDX_CONST: e->lo = e->hi = e->k; break;
    case IDX_SYM: break;
    case IDX_SUM:
        e->lo = e->hi = e->k;
        for (uint32_t i = 0; i < e->n; i++) {
            int64_t lo, hi;
            range_mul(e->arg[i]->lo, e->arg[i]->hi, e->coef[i], e->coef[i], &lo, &hi);
            e->lo = sat_add(e->lo, lo, false);
            e->hi = sat_add(e->hi, hi, true);
        }
        break;
    case IDX_PROD:
        e->lo = a->lo;
        e->hi = a->hi;
        for (uint32_t i = 1; i < e->n; i++)
            range_mul(e->lo, e->hi, e->arg[i]->lo, e->arg[i]->hi, &e->lo, &e->hi);
        break;
    case IDX_DIV:
        e->lo = INT64_MIN;
        e->hi = INT64_MAX;
        if (b->lo > 0) {
            e->lo = bound_div(a->lo, a->lo < 0 ? b->lo : b->hi == INT64_MAX ? INT64_MAX : b->hi);
            e->hi = bound_div(a->hi, a->hi < 0 ? b->hi : b->lo);
        }
        break;
    case IDX_MOD:
        e->lo = b->lo > 0 ? 0 : INT64_MIN;
        e->hi = b->lo > 0 ? sat_add(b->hi, b->hi == INT64_MAX ? 0 : -1, true) : INT64_MAX;
        if (b->lo > 0 && a->lo >= 0 && a->hi < e->hi)
            e->hi = a->hi;
        break;
    case IDX_MIN:
        e->lo = a->lo < b->lo ? a->lo : b->lo;
        e->hi = a->hi < b->hi ? a->hi : b->hi;
        break;
    case IDX_MAX:
        e->lo = a->lo > b->lo ? a->lo : b->lo;
        e->hi = a->hi > b->hi ? a->hi : b->hi;
        break;
    }
}

/* ---- hash-consing -------------------------------------------------------------------------------- */

static size_t hash_idx(const Idx *e)
{
    uint64_t h = (uint64_t)e->op * 0x9E3779B97F4A7C15u ^ (uint64_t)e->k;
    h = (h ^ (uintptr_t)e->sym) * 0x9E3779B97F4A7C15u;
    for (uint32_t i = 0; i < e->n; i++) {
        h = (h ^ e->arg[i]->id) * 0x9E3779B97F4A7C15u;
        if (e->coef)
            h = (h ^ (uint64_t)e->coef[i]) * 0xff51afd7ed558ccdu;
        h ^= h >> 29;
    }
    return (size_t)(h ^ h >> 32);
}

static bool same(const Idx *a, const Idx *b)
{
    if (a->op != b->op || a->k != b->k || a->sym != b->sym || a->n != b->n)
        return false;
    for (uint32_t i = 0; i < a->n; i++)
        if (a->arg[i] != b->arg[i] || (a->coef && a->coef[i] != b->coef[i]))
            return false;
    return true;
}

static void grow(Job *job, Table *t)
{
    size_t size = t->size ? t->size * 2 : 1024;
    const Idx **slot = job_array(job, size, sizeof *slot);
    for (size_t i = 0; i < t->size; i++)
        if (t->slot[i]) {
            size_t at = hash_idx(t->slot[i]) & (size - 1);
            while (slot[at])
                at = (at + 1) & (size - 1);
            slot[at] = t->slot[i];
        }
    t->slot = slot;
    t->size = size;
}

/* The unique copy of *e; operands must be unique already. */
static const Idx *intern(Job *job, const Idx *e)
{
    Table *t = table_of(job);
    if (t->used * 2 >= t->size)
        grow(job, t);
    size_t at = hash_idx(e) & (t->size - 1);
    for (; t->slot[at]; at = (at + 1) & (t->size - 1))
        if (same(t->slot[at], e))
            return t->slot[at];
    Idx *own = job_alloc(job, sizeof *own);
    *own = *e;
    own->id = t->next_id++;
    if (e->n) {
        const Idx **arg = job_array(job, e->n, sizeof *arg);
        memcpy(arg, e->arg, e->n * sizeof *arg);
        own->arg = arg;
        if (e->coef) {
            int64_t *coef = job_array(job, e->n, sizeof *coef);
            memcpy(coef, e->coef, e->n * sizeof *coef);
            own->coef = coef;
        }
    }
    set_bounds(own);
    t->slot[at] = own;
    t->used++;
    if (own->op == IDX_SYM)
        *vec_push(job, &t->symbols) = own;
    return own;
}

const Idx *idx_const(Job *job, int64_t k)
{
    return intern(job, &(Idx){ .op = IDX_CONST, .k = k });
}

const Idx *idx_find(Job *job, Sym name)
{
    Table *t = table_of(job);
    for (size_t i = 0; i < t->symbols.n; i++)
        if (t->symbols.at[i]->sym == name)
            return t->symbols.at[i];
    return NULL;
}

const Idx *idx_sym(Job *job, Sym name, int64_t lo, int64_t hi)
{
    return intern(job, &(Idx){ .op = IDX_SYM, .sym = name, .lo = lo, .hi = hi });
}

const Idx *idx_late(Job *job, Sym name, int64_t lo, int64_t hi)
{
    return intern(job, &(Idx){ .op = IDX_SYM, .sym = name, .lo = lo, .hi = hi, .late = true });
}

void idx_limit(const Idx *late, const Idx *most)
{
    ((Idx *)(uintptr_t)late)->most = most;
}

const Idx *idx_var(Job *job, Sym name, const Idx *extent)
{
    int64_t hi = extent->hi == INT64_MAX ? INT64_MAX : extent->hi - 1;
    return intern(job, &(Idx){ .op = IDX_SYM, .sym = name, .lo = 0, .hi = hi < 0 ? 0 : hi, .extent = extent });
}

Sym idx_fresh(Job *job, const char *stem)
{
    Table *t = table_of(job);
    for (int i = 0;; i++) {
        Sym s = i ? sym_printf(job, "%s%d", stem, i) : sym(job, stem);
        bool used = idx_find(job, s) != NULL;
        for (size_t j = 0; !used && j < t->fresh.n; j++)
            used = t->fresh.at[j] == s;
        if (!used) {
            *vec_push(job, &t->fresh) = s;
            return s;
        }
    }
}

/* ---- the order of operands ---------------------------------------------------------------------------- */

/* "i" < "i2" < "i10" < "j": digits count as numbers. */
static int compare_names(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    size_t n = strspn(a, "0123456789"), m = strspn(b, "0123456789");
    if (n != m)
        return n < m ? -1 : 1;
    return (unsigned char)*a - (unsigned char)*b;
}

/* Total, and by structure alone: the same expression prints the same in every job, whatever was made before it.
 * Products lead, the longest first, as the outer strides of an index do. */
static int compare(const Idx *a, const Idx *b)
{
    static const int rank[] = { [IDX_PROD] = 0, [IDX_DIV] = 1, [IDX_MOD] = 2, [IDX_MIN] = 3,
                                [IDX_MAX] = 4,  [IDX_SYM] = 5, [IDX_SUM] = 6, [IDX_CONST] = 7 };
    if (a == b)
        return 0;
    if (a->op != b->op)
        return rank[a->op] - rank[b->op];
    if (a->op == IDX_SYM)
        return compare_names(a->sym, b->sym);
    if (a->n != b->n)
        return a->n > b->n ? -1 : 1;
    for (uint32_t i = 0; i < a->n; i++) {
        int c = compare(a->arg[i], b->arg[i]);
        if (c)
            return c;
        if (a->coef && a->coef[i] != b->coef[i])
            return a->coef[i] > b->coef[i] ? -1 : 1;
    }
    return a->k < b->k ? -1 : a->k > b->k;
}

/* ---- polynomials ----------------------------------------------------------------------------------- */

enum { MAX_TERMS = 1024 };

typedef struct Poly {
    Job *job;
    int64_t k;
    VEC(const Idx *) mono;
    VEC(int64_t) coef;
} Poly;

static int64_t checked(Job *job, bool ok, int64_t r)
{
    if (!ok)
        fail(job, EXIT_INPUT, "a size overflows 64 bits; the model's sizes are out of range");
    return r;
}

static void poly_remove(Poly *p, size_t i)
{
    memmove(p->mono.at + i, p->mono.at + i + 1, (--p->mono.n - i) * sizeof *p->mono.at);
    memmove(p->coef.at + i, p->coef.at + i + 1, (--p->coef.n - i) * sizeof *p->coef.at);
}

static void poly_add(Poly *p, const Idx *mono, int64_t coef)
{
    int64_t r = 0;
    if (!coef)
        return;
    if (!mono) {
        bool ok = add_i64(p->k, coef, &r);
        p->k = checked(p->job, ok, r);
        return;
    }
    size_t i = 0;
    while (i < p->mono.n && compare(p->mono.at[i], mono) < 0)
        i++;
    if (i < p->mono.n && p->mono.at[i] == mono) {
        bool ok = add_i64(p->coef.at[i], coef, &r);
        p->coef.at[i] = checked(p->job, ok, r);
        if (r)
            return;
        poly_remove(p, i);
        return;
    }
    if (p->mono.n == MAX_TERMS)
        fail(p->job, EXIT_INPUT, "a size has more than %d terms; the model's sizes are out of range", MAX_TERMS);
    (void)*vec_push(p->job, &p->mono);
    (void)*vec_push(p->job, &p->coef);
    memmove(p->mono.at + i + 1, p->mono.at + i, (p->mono.n - 1 - i) * sizeof *p->mono.at);
    memmove(p->coef.at + i + 1, p->coef.at + i, (p->coef.n - 1 - i) * sizeof *p->coef.at);
    p->mono.at[i] = mono;
    p->coef.at[i] = coef;
}

static void poly_add_scaled(Poly *p, const Idx *a, int64_t scale)
{
    int64_t r = 0;
    if (a->op == IDX_CONST || a->op == IDX_SUM) {
        bool ok = mul_i64(a->k, scale, &r);
        poly_add(p, NULL, checked(p->job, ok, r));
    } else {
        poly_add(p, a, scale);
    }
    if (a->op == IDX_SUM)
        for (uint32_t i = 0; i < a->n; i++) {
            bool ok = mul_i64(a->coef[i], scale, &r);
            poly_add(p, a->arg[i], checked(p->job, ok, r));
        }
}

/* d*(x//d) + x % d is x, for each remainder that has its quotient in the sum; false: none has. */
static bool poly_rejoin(Poly *p)
{
    for (size_t i = 0; i < p->mono.n; i++) {
        const Idx *rest = p->mono.at[i];
        int64_t coef = p->coef.at[i], whole = coef;
        if (rest->op != IDX_MOD || p->mono.n == 1)
            continue;
        const Idx *x = rest->arg[0], *d = rest->arg[1], *q = idx_div(p->job, x, d);
        if (q->op == IDX_SUM || q->op == IDX_CONST || (d->op == IDX_CONST && !mul_i64(coef, d->k, &whole)))
            continue;
        q = d->op == IDX_CONST ? q : idx_mul(p->job, q, d);
        size_t at = 0;
        while (at < p->mono.n && (p->mono.at[at] != q || p->coef.at[at] != whole))
            at++;
        if (at == p->mono.n)
            continue;
        poly_remove(p, at > i ? at : i);
        poly_remove(p, at > i ? i : at);
        poly_add_scaled(p, x, coef);
        return true;
    }
    return false;
}

static const Idx *poly_done(Poly *p)
{
    while (poly_rejoin(p))
        ;
    if (!p->mono.n)
        return idx_const(p->job, p->k);
    if (p->mono.n == 1 && !p->k && p->coef.at[0] == 1)
        return p->mono.at[0];
    return intern(p->job, &(Idx){ .op = IDX_SUM, .k = p->k, .n = (uint32_t)p->mono.n,
                                  .arg = p->mono.at, .coef = p->coef.at });
}

const Idx *idx_add(Job *job, const Idx *a, const Idx *b)
{
    Poly p = { .job = job };
    poly_add_scaled(&p, a, 1);
    poly_add_scaled(&p, b, 1);
    return poly_done(&p);
}

const Idx *idx_sub(Job *job, const Idx *a, const Idx *b)
{
    Poly p = { .job = job };
    poly_add_scaled(&p, a, 1);
    poly_add_scaled(&p, b, -1);
    return poly_done(&p);
}

const Idx *idx_addk(Job *job, const Idx *a, int64_t k)
{
    return idx_add(job, a, idx_const(job, k));
}

const Idx *idx_mulk(Job *job, const Idx *a, int64_t k)
{
    Poly p = { .job = job };
    poly_add_scaled(&p, a, k);
    return poly_done(&p);
}

/* Atoms of a monomial: a PROD's operands, or the atom itself. */
static uint32_t atoms_of(const Idx *const *mono, const Idx *const **out)
{
    if ((*mono)->op == IDX_PROD) {
        *out = (*mono)->arg;
        return (*mono)->n;
    }
    *out = mono;
    return 1;
}

static const Idx *mono_mul(Job *job, const Idx *a, const Idx *b)
{
    const Idx *const *x, *const *y;
    uint32_t n = atoms_of(&a, &x), m = atoms_of(&b, &y), i = 0, j = 0, t = 0;
    const Idx **all = job_array(job, n + m, sizeof *all);
    while (i < n || j < m)
        all[t++] = j == m || (i < n && compare(x[i], y[j]) <= 0) ? x[i++] : y[j++];
    return intern(job, &(Idx){ .op = IDX_PROD, .n = t, .arg = all });
}

const Idx *idx_mul(Job *job, const Idx *a, const Idx *b)
{
    if (b->op == IDX_CONST)
        return idx_mulk(job, a, b->k);
    if (a->op == IDX_CONST)
        return idx_mulk(job, b, a->k);
    static const int64_t one = 1;
    uint32_t n = a->op == IDX_SUM ? a->n : 1, m = b->op == IDX_SUM ? b->n : 1;
    const Idx *const *x = a->op == IDX_SUM ? a->arg : &a, *const *y = b->op == IDX_SUM ? b->arg : &b;
    const int64_t *cx = a->op == IDX_SUM ? a->coef : &one, *cy = b->op == IDX_SUM ? b->coef : &one;
    Poly p = { .job = job };
    int64_t r = 0;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < m; j++) {
            bool ok = mul_i64(cx[i], cy[j], &r);
            poly_add(&p, mono_mul(job, x[i], y[j]), checked(job, ok, r));
        }
    if (a->op == IDX_SUM && a->k)
        poly_add_scaled(&p, b, a->k);
    if (b->op == IDX_SUM && b->k) {
        poly_add_scaled(&p, a, b->k);
        if (a->op == IDX_SUM && a->k) { /* a's constant was counted twice */
            bool ok = mul_i64(a->k, b->k, &r);
            poly_add(&p, NULL, -checked(job, ok, r));
        }
    }
    return poly_done(&p);
}

/* mono / d when d (a monomial) divides it: NULL if not; *one: the quotient is 1. */
static const Idx *mono_div(Job *job, const Idx *mono, const Idx *d, bool *one)
{
    const Idx *const *x, *const *y;
    uint32_t n = atoms_of(&mono, &x), m = atoms_of(&d, &y), t = 0, j = 0;
    const Idx **rest = job_array(job, n, sizeof *rest);
    for (uint32_t i = 0; i < n; i++)
        if (j < m && x[i] == y[j])
            j++;
        else
            rest[t++] = x[i];
    *one = t == 0 && j == m;
    if (j != m || t == 0)
        return NULL;
    return t == 1 ? rest[0] : intern(job, &(Idx){ .op = IDX_PROD, .n = t, .arg = rest });
}

/* a = d * quotient + rest, where quotient takes all terms that d (one monomial with a coefficient) divides. */
static void split(Job *job, const Idx *a, const Idx *d, const Idx **quotient, const Idx **rest)
{
    int64_t dc = 1;
    const Idx *dm = d;
    Poly q = { .job = job }, r = { .job = job };
    if (d->op == IDX_CONST)
        dc = d->k, dm = NULL;
    else if (d->op == IDX_SUM) {
        if (d->n != 1 || d->k) { /* a true sum divides itself (times a constant) only */
            *quotient = idx_const(job, 0);
            *rest = a;
            for (uint32_t i = 0; a->op == IDX_SUM && a->n == d->n && i < 1; i++)
                if (a->coef[0] % d->coef[0] == 0) {
                    int64_t f = a->coef[0] / d->coef[0];
                    const Idx *left = idx_sub(job, a, idx_mulk(job, d, f));
                    if (left->op == IDX_CONST)
                        *quotient = idx_const(job, f), *rest = left;
                }
            return;
        }
        dc = d->coef[0], dm = d->arg[0];
    }
    bool sum = a->op == IDX_SUM;
    int64_t k = sum || a->op == IDX_CONST ? a->k : 0;
    if (!dm) {
        int64_t qk = floor_div(k, dc);
        poly_add(&q, NULL, qk);
        poly_add(&r, NULL, k - qk * dc);
    } else {
        poly_add(&r, NULL, k);
    }
    for (uint32_t i = 0; i < (sum ? a->n : a->op == IDX_CONST ? 0 : 1); i++) {
        const Idx *m = sum ? a->arg[i] : a;
        int64_t c = sum ? a->coef[i] : 1, qc = floor_div(c, dc);
        bool one = false;
        const Idx *left = dm ? mono_div(job, m, dm, &one) : m;
        if ((!left && !one) || (qc == 0)) {
            poly_add(&r, m, c);
            continue;
        }
        if (c % dc) { /* only whole multiples go: the rest stays */
            poly_add(&r, m, c - qc * dc);
        }
        poly_add(&q, left, qc);
    }
    *quotient = poly_done(&q);
    *rest = poly_done(&r);
}

static bool in_unit(Job *job, const Idx *r, const Idx *d)
{
    return r->lo >= 0 && idx_provably_lt(job, r, d);
}

const Idx *idx_div(Job *job, const Idx *a, const Idx *b)
{
    if (b->op == IDX_CONST && b->k == 1)
        return a;
    if (a->op == IDX_CONST && b->op == IDX_CONST && b->k)
        return b->k == -1 ? idx_mulk(job, a, -1) : idx_const(job, floor_div(a->k, b->k));
    if (a == b && b->lo > 0)
        return idx_const(job, 1);
    if (b->lo <= 0)
        return intern(job, &(Idx){ .op = IDX_DIV, .n = 2, .arg = (const Idx *[]){ a, b } });
    const Idx *q, *r;
    split(job, a, b, &q, &r);
    if (in_unit(job, r, b))
        return q;
    if (r->op == IDX_DIV && b->op == IDX_CONST && r->arg[1]->op == IDX_CONST && r->arg[1]->k > 0) {
        int64_t k; /* (x // c) // d == x // (c*d) */
        if (mul_i64(r->arg[1]->k, b->k, &k))
            return idx_add(job, q, idx_div(job, r->arg[0], idx_const(job, k)));
    }
    const Idx *d = intern(job, &(Idx){ .op = IDX_DIV, .n = 2, .arg = (const Idx *[]){ r, b } });
    return idx_add(job, q, d);
}

const Idx *idx_mod(Job *job, const Idx *a, const Idx *b)
{
    if (b->op == IDX_CONST && b->k == 1)
        return idx_const(job, 0);
    if (a->op == IDX_CONST && b->op == IDX_CONST && b->k)
        return idx_const(job, b->k == -1 ? 0 : a->k - b->k * floor_div(a->k, b->k));
    if (b->lo <= 0)
        return intern(job, &(Idx){ .op = IDX_MOD, .n = 2, .arg = (const Idx *[]){ a, b } });
    const Idx *q, *r;
    split(job, a, b, &q, &r);
    if (in_unit(job, r, b) || (r->op == IDX_CONST && r->k == 0))
        return r;
    return intern(job, &(Idx){ .op = IDX_MOD, .n = 2, .arg = (const Idx *[]){ r, b } });
}

static const Idx *pick(Job *job, IdxOp op, const Idx *a, const Idx *b)
{
    if (a == b)
        return a;
    bool a_le_b = idx_provably_le(job, a, b), b_le_a = !a_le_b && idx_provably_le(job, b, a);
    if (a_le_b)
        return op == IDX_MIN ? a : b;
    if (b_le_a)
        return op == IDX_MIN ? b : a;
    const Idx *x = compare(a, b) < 0 ? a : b, *y = x == a ? b : a;
    return intern(job, &(Idx){ .op = op, .n = 2, .arg = (const Idx *[]){ x, y } });
}

const Idx *idx_min(Job *job, const Idx *a, const Idx *b)
{
    return pick(job, IDX_MIN, a, b);
}

const Idx *idx_max(Job *job, const Idx *a, const Idx *b)
{
    return pick(job, IDX_MAX, a, b);
}

const Idx *idx_ceil_to(Job *job, const Idx *a, int64_t k)
{
    const Idx *up = idx_div(job, idx_addk(job, a, k - 1), idx_const(job, k));
    return idx_mulk(job, up, k);
}

/* ---- questions --------------------------------------------------------------------------------------- */

bool idx_is_const(const Idx *a, int64_t *k)
{
    if (a->op != IDX_CONST)
        return false;
    *k = a->k;
    return true;
}

bool idx_is(const Idx *a, int64_t k)
{
    return a->op == IDX_CONST && a->k == k;
}

bool idx_has_var(const Idx *a)
{
    if (a->op == IDX_SYM)
        return a->extent != NULL;
    for (uint32_t i = 0; i < a->n; i++)
        if (idx_has_var(a->arg[i]))
            return true;
    return false;
}

bool idx_uses(const Idx *a, const Idx *symbol)
{
    if (a == symbol)
        return true;
    for (uint32_t i = 0; i < a->n; i++)
        if (idx_uses(a->arg[i], symbol))
            return true;
    return false;
}

bool idx_is_late(const Idx *a)
{
    if (a->late)
        return true;
    for (uint32_t i = 0; i < a->n; i++)
        if (idx_is_late(a->arg[i]))
            return true;
    return false;
}

/* What a bound is to be free of: loop variables, late symbols. */
typedef bool (*Unwanted)(const Idx *a);
static const Idx *bound(Job *job, const Idx *a, bool upper, Unwanted has);

/* The bound of an atom, or of anything with something unwanted in it.  Division by what is positive and free of
 * that, min and max grow with their operands; a modulo does not, but stays below its divisor. */
static const Idx *atom_bound(Job *job, const Idx *a, bool upper, Unwanted has)
{
    const Idx *x, *y;
    int64_t k = upper ? a->hi : a->lo;
    if (!has(a))
        return a;
    if (a->late) {
        x = upper && a->most ? bound(job, a->most, true, has) : NULL;
        return x ? x : k != INT64_MAX && k != INT64_MIN ? idx_const(job, k) : NULL;
    }
    if (a->op == IDX_SYM) {
        x = upper ? bound(job, a->extent, true, has) : NULL;
        return !upper ? idx_const(job, 0) : x ? idx_addk(job, x, -1) : NULL;
    }
    if (k != INT64_MAX && k != INT64_MIN)
        return idx_const(job, k);
    switch (a->op) {
    case IDX_DIV:
        x = a->arg[1]->lo > 0 && !has(a->arg[1]) ? bound(job, a->arg[0], upper, has) : NULL;
        return x ? idx_div(job, x, a->arg[1]) : NULL;
    case IDX_MOD:
        x = upper && a->arg[1]->lo > 0 ? bound(job, a->arg[1], true, has) : NULL;
        return x ? idx_addk(job, x, -1) : NULL;
    case IDX_MIN:
    case IDX_MAX:
        x = bound(job, a->arg[0], upper, has);
        y = x ? bound(job, a->arg[1], upper, has) : NULL;
        return !y ? NULL : a->op == IDX_MIN ? idx_min(job, x, y) : idx_max(job, x, y);
    default: return NULL;
    }
}

/* A product of what is never negative grows with each factor. */
static const Idx *product_bound(Job *job, const Idx *a, bool upper, Unwanted has)
{
    const Idx *r = idx_const(job, 1);
    if (a->op != IDX_PROD || !has(a))
        return atom_bound(job, a, upper, has);
    for (uint32_t i = 0; i < a->n; i++) {
        const Idx *x = a->arg[i]->lo >= 0 ? atom_bound(job, a->arg[i], upper, has) : NULL;
        if (!x || x->lo < 0) { /* e.g. an extent that may be 0: the last value would be -1 */
            int64_t k = upper ? a->hi : a->lo;
            return k == INT64_MAX || k == INT64_MIN ? NULL : idx_const(job, k);
        }
        r = idx_mul(job, r, x);
    }
    return r;
}

/* An expression without what is unwanted that a never exceeds (upper) or never falls below; NULL: none was found. */
static const Idx *bound(Job *job, const Idx *a, bool upper, Unwanted has)
{
    if (!has(a))
        return a;
    if (a->op != IDX_SUM)
        return product_bound(job, a, upper, has);
    Poly p = { .job = job };
    poly_add(&p, NULL, a->k);
    for (uint32_t i = 0; i < a->n; i++) {
        const Idx *x = product_bound(job, a->arg[i], (a->coef[i] > 0) == upper, has);
        if (!x)
            return NULL;
        poly_add_scaled(&p, x, a->coef[i]);
    }
    return poly_done(&p);
}

const Idx *idx_upper(Job *job, const Idx *a)
{
    return bound(job, a, true, idx_has_var);
}

const Idx *idx_at_entry(Job *job, const Idx *a)
{
    return bound(job, a, true, idx_is_late);
}

bool idx_provably_le(Job *job, const Idx *a, const Idx *b)
{
    if (a->hi <= b->lo)
        return true;
    const Idx *d = idx_sub(job, a, b);
    if (d->hi <= 0)
        return true;
    if (!idx_has_var(d))
        return false;
    d = idx_upper(job, d);
    return d && d->hi <= 0;
}

bool idx_provably_lt(Job *job, const Idx *a, const Idx *b)
{
    return idx_provably_le(job, idx_addk(job, a, 1), b);
}

bool idx_divisible(Job *job, const Idx *a, const Idx *b, const Idx **quotient)
{
    if (b->op == IDX_CONST && b->k == 0)
        return false;
    const Idx *q, *r;
    split(job, a, b, &q, &r);
    if (!idx_is(r, 0) || b->lo <= 0)
        return false;
    *quotient = q;
    return true;
}

/* ---- walks ------------------------------------------------------------------------------------------- */

const Idx *idx_map(Job *job, const Idx *a, const Idx *(*map)(void *, const Idx *), void *ctx)
{
    const Idx *r, *x;
    switch (a->op) {
    case IDX_CONST: return a;
    case IDX_SYM: x = map(ctx, a); return x ? x : a;
    case IDX_SUM:
        r = idx_const(job, a->k);
        for (uint32_t i = 0; i < a->n; i++)
            r = idx_add(job, r, idx_mulk(job, idx_map(job, a->arg[i], map, ctx), a->coef[i]));
        return r;
    case IDX_PROD:
        r = idx_map(job, a->arg[0], map, ctx);
        for (uint32_t i = 1; i < a->n; i++)
            r = idx_mul(job, r, idx_map(job, a->arg[i], map, ctx));
        return r;
    default: break;
    }
    r = idx_map(job, a->arg[0], map, ctx);
    x = idx_map(job, a->arg[1], map, ctx);
    switch (a->op) {
    case IDX_DIV: return idx_div(job, r, x);
    case IDX_MOD: return idx_mod(job, r, x);
    case IDX_MIN: return idx_min(job, r, x);
    default: return idx_max(job, r, x);
    }
}

typedef struct Subst {
    const Idx *from, *to;
} Subst;

static const Idx *subst_one(void *ctx, const Idx *symbol)
{
    Subst *s = ctx;
    return symbol == s->from ? s->to : NULL;
}

const Idx *idx_subst(Job *job, const Idx *a, const Idx *symbol, const Idx *value)
{
    return idx_map(job, a, subst_one, &(Subst){ symbol, value });
}

bool idx_step(Job *job, const Idx *a, const Idx *symbol, int64_t *step)
{
    return idx_is_const(idx_sub(job, idx_subst(job, a, symbol, idx_addk(job, symbol, 1)), a), step);
}

void idx_symbols(const Idx *a, void (*visit)(void *, const Idx *), void *ctx)
{
    if (a->op == IDX_SYM)
        visit(ctx, a);
    for (uint32_t i = 0; i < a->n; i++)
        idx_symbols(a->arg[i], visit, ctx);
}

bool idx_eval(const Idx *a, bool (*value)(void *, Sym, int64_t *), void *ctx, int64_t *out)
{
    int64_t r, x, y;
    switch (a->op) {
    case IDX_CONST: *out = a->k; return true;
    case IDX_SYM: return value(ctx, a->sym, out);
    case IDX_SUM:
        r = a->k;
        for (uint32_t i = 0; i < a->n; i++)
            if (!idx_eval(a->arg[i], value, ctx, &x) || !mul_i64(x, a->coef[i], &y) || !add_i64(r, y, &r))
                return false;
        *out = r;
        return true;
    case IDX_PROD:
        r = 1;
        for (uint32_t i = 0; i < a->n; i++)
            if (!idx_eval(a->arg[i], value, ctx, &x) || !mul_i64(r, x, &r))
                return false;
        *out = r;
        return true;
    default: break;
    }
    if (!idx_eval(a->arg[0], value, ctx, &x) || !idx_eval(a->arg[1], value, ctx, &y))
        return false;
    if ((a->op == IDX_DIV || a->op == IDX_MOD) && (y == 0 || (y == -1 && x == INT64_MIN)))
        return false;
    *out = a->op == IDX_DIV   ? floor_div(x, y)
           : a->op == IDX_MOD ? x - y * floor_div(x, y)
           : a->op == IDX_MIN ? (x < y ? x : y)
                              : (x > y ? x : y);
    return true;
}
