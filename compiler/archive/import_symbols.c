/* SPDX-License-Identifier: MIT */
/* Sizes: symbols, their ranges, recorded types, nodes that compute and assert sizes.  See import.h. */
#include "import_parts.h"
#include "../passes/passes.h"
#include <string.h>

static void symbol_range(Import *m, Sym name, int64_t *lo, int64_t *hi)
{
    *lo = 0;
    *hi = INT64_MAX;
    bool given = false;
    for (const Json *r = json_first(m->ranges); r; r = json_next(r))
        if (!strcmp(json_key(r), name)) {
            const Json *min = json_get(r, "min_val"), *max = json_get(r, "max_val");
            given = min && json_is_number(min);
            if (given)
                *lo = json_int(m->job, min, m->where);
            if (max && json_is_number(max))
                *hi = json_int(m->job, max, m->where);
        }
    if (name[0] == 'u' && m->late) { /* a number of the model, not only a size; the greatest of all stands for no bound */
        *lo = given ? *lo : INT64_MIN;
        *hi = *hi >= INT64_MAX - 1 ? INT64_MAX : *hi;
    } else if (*lo < 0) {
        *lo = 0;
    }
    if (*hi < *lo)
        fail(m->job, EXIT_INPUT, "%s: range_constraints: %s is in %lld..%lld; the range is empty", m->where, name,
             (long long)*lo, (long long)*hi);
}

/* --dim narrows: the symbol becomes a constant or gets the intersection of both ranges. */
static void apply_option(Import *m, Sym name, int64_t *lo, int64_t *hi)
{
    for (size_t i = 0; i < m->options->dim_count; i++) {
        struct DimOption *d = &m->options->dims[i];
        if (strcmp(d->name, name))
            continue;
        d->used = true;
        if (d->lo < *lo || d->hi > *hi)
            fail(m->job, EXIT_USAGE, "--dim %s: %lld..%lld is asked for; the model allows %lld..%lld", d->name, (long long)d->lo,
                 (long long)d->hi, (long long)*lo, (long long)*hi);
        *lo = d->lo;
        *hi = d->hi;
    }
}

/* The exporter calls a size s and a number, or u and a number if only the run knows it.  Names go into C text, so nothing
 * else is a size: zuf0 and zf0 are no integers. */
static bool is_size_name(const char *name)
{
    size_t n = strlen(name);
    return n >= 2 && n <= 20 && (name[0] == 's' || name[0] == 'u') && strspn(name + 1, "0123456789") == n - 1;
}

/* Two programs of one artifact may give one name to sizes of different ranges. */
static const Idx *new_symbol(Import *m, Sym exported, int64_t lo, int64_t hi)
{
    bool late = exported[0] == 'u' && m->late;
    if (dtype_from_name(exported) != DT_NONE) /* u8 is a type in C text */
        exported = sym_printf(m->job, "%s_", exported);
    Sym name = exported;
    const Idx *known = idx_find(m->job, name);
    for (int i = 1; known && (late || known->late || known->extent || known->lo != lo || known->hi != hi); i++)
        known = idx_find(m->job, name = sym_printf(m->job, "%s_%d", exported, i));
    return known ? known : late ? idx_late(m->job, name, lo, hi) : idx_sym(m->job, name, lo, hi);
}

const Idx *import_symbol(void *ctx, Sym name)
{
    Import *m = ctx;
    int64_t lo, hi;
    if (!is_size_name(name))
        return NULL;
    for (size_t i = 0; i < m->symbols.n; i++)
        if (m->symbols.at[i].name == name)
            return m->symbols.at[i].size;
    symbol_range(m, name, &lo, &hi);
    apply_option(m, name, &lo, &hi);
    const Idx *size = lo == hi ? idx_const(m->job, lo) : new_symbol(m, name, lo, hi);
    *vec_push(m->job, &m->symbols) = (Symbol){ name, size };
    if (lo != hi)
        *vec_push(m->job, &m->top->symbols) = size;
    return size;
}

typedef struct Unfound {
    Import *m;
    const Idx *symbol;
} Unfound;

static void see_unfound(void *ctx, const Idx *s)
{
    Unfound *u = ctx;
    bool found = !s->late;
    for (size_t i = 0; i < u->m->found.n && !found; i++)
        found = u->m->found.at[i] == s;
    if (!found)
        u->symbol = s;
}

/* A late symbol of e that no node has given a value; NULL: none. */
static const Idx *unfound(Import *m, const Idx *e)
{
    Unfound u = { m, NULL };
    idx_symbols(e, see_unfound, &u);
    return u.symbol;
}

void call_size(Call *c, const Idx *size, Value *found, const Idx *most)
{
    Import *m = c->m;
    const Idx *symbol = unfound(m, size);
    if (symbol && symbol != size)
        call_refuse(c, "its size %s does not say what %s is", idx_text(m->job, size), symbol->sym);
    if (symbol && most && unfound(m, most))
        fail_at(m->job, EXIT_INPUT, &c->b.origin, "%s: %s is used before it has a value", m->where,
                unfound(m, most)->sym);
    if (symbol) {
        idx_limit(symbol, most);
        *vec_push(m->job, &m->found) = symbol;
    }
    build_size(&c->b, found, size);
}

const Idx *call_number(Call *c, Value *found, int64_t least, const Idx *most)
{
    Job *job = c->m->job;
    const Idx *symbol = idx_late(job, idx_fresh(job, "found"), least, INT64_MAX);
    *vec_push(job, &c->m->top->symbols) = symbol;
    call_size(c, symbol, found, most);
    return symbol;
}

const Idx *call_new_size(Call *c, const Type *t)
{
    const Idx *late = NULL;
    for (int i = 0; i < t->rank && !late; i++)
        late = unfound(c->m, t->dim[i]);
    return late;
}

const Expr *parse_expr(Import *m, const Json *as_expr)
{
    const char *text = json_string(m->job, json_need(m->job, as_expr, "expr_str", m->where), m->where);
    const Expr *e = expr_parse(m->job, text);
    if (!e)
        fail(m->job, EXIT_INPUT, "%s: the size expression \"%.80s\" cannot be read", m->where, text);
    return e;
}

/* A SymInt object: {"as_int"} or {"as_expr"}; NULL when it has no integer form (unbacked symbol). */
const Idx *read_sym_int(Import *m, const Json *s)
{
    const Json *n = json_get(s, "as_int"), *e = json_get(s, "as_expr");
    if (n)
        return idx_const(m->job, json_int(m->job, n, m->where));
    if (!e)
        fail(m->job, EXIT_INPUT, "%s: a size is neither as_int nor as_expr", m->where);
    return expr_idx(m->job, parse_expr(m, e), import_symbol, m);
}

size_t text_hash(const char *s)
{
    size_t h = 1469598103934665603u;
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 1099511628211u;
    return h ^ h >> 31;
}

void index_members(Import *m, const Json *object, const Json ***slot, size_t *size)
{
    *size = 16;
    while (*size < json_count(object) * 2)
        *size *= 2;
    *slot = job_array(m->job, *size, sizeof **slot);
    for (const Json *v = json_first(object); v; v = json_next(v)) {
        size_t at = text_hash(json_key(v)) & (*size - 1);
        while ((*slot)[at])
            at = (at + 1) & (*size - 1);
        (*slot)[at] = v;
    }
}

static const Json *find_member(const Json **slot, size_t size, const char *name)
{
    for (size_t at = text_hash(name) & (size - 1); slot[at]; at = (at + 1) & (size - 1))
        if (!strcmp(json_key(slot[at]), name))
            return slot[at];
    return NULL;
}

/* The recorded type of a tensor; false: it has none or a size known only during the run. */
bool recorded_type(Import *m, const char *name, Type *type)
{
    const Json *meta = find_member(m->scope->meta_slot, m->scope->meta_size, name);
    if (!meta)
        return false;
    int64_t number = json_int(m->job, json_need(m->job, meta, "dtype", m->where), m->where);
    *type = (Type){ .dtype = dtype_from_torch(number) };
    if (type->dtype == DT_NONE)
        fail(m->job, EXIT_UNSUPPORTED, "%s: tensor %s has element type number %lld, which is not supported", m->where,
             name, (long long)number);
    for (const Json *s = json_first(json_need(m->job, meta, "sizes", m->where)); s; s = json_next(s)) {
        if (type->rank == MAX_RANK)
            fail(m->job, EXIT_UNSUPPORTED, "%s: tensor %s has more than %d dimensions", m->where, name, MAX_RANK);
        const Idx *d = read_sym_int(m, s);
        if (!d)
            return false;
        if (d->op == IDX_CONST && d->k < 0)
            fail(m->job, EXIT_INPUT, "%s: tensor %s has size %lld", m->where, name, (long long)d->k);
        type->dim[type->rank++] = d;
    }
    (void)type_count(m->job, type); /* a product that overflows is refused here */
    return true;
}

/* The strides that the exporter saw; false: they are not recorded, or known only during the run. */
bool recorded_strides(Import *m, const char *name, const Idx **stride, int rank)
{
    const Json *meta = find_member(m->scope->meta_slot, m->scope->meta_size, name), *list = json_get(meta, "strides");
    int n = 0;
    for (const Json *s = list ? json_first(list) : NULL; s && n < rank; s = json_next(s), n++)
        if (!(stride[n] = read_sym_int(m, s)))
            return false;
    return list && n == rank;
}

const Idx *recorded_offset(Import *m, const char *name)
{
    const Json *meta = find_member(m->scope->meta_slot, m->scope->meta_size, name), *s = json_get(meta, "storage_offset");
    return s ? read_sym_int(m, s) : NULL;
}

static Value *import_real(void *ctx, Sym name)
{
    Import *m = ctx;
    for (size_t i = 0; i < m->reals.n; i++)
        if (m->reals.at[i].name == name && m->reals.at[i].scope == m->scope)
            return m->reals.at[i].value;
    return NULL;
}

/* The number inside a tensor: as a size, if it is an integer or bool. */
static void import_item(Call *c, const char *name, const Idx *size, const Json *e)
{
    Import *m = c->m;
    Build *b = &c->b;
    Value *a = arg_tensor(c, "self");
    if (type_count(m->job, &a->type) != idx_const(m->job, 1))
        call_refuse(c, "of more than one element");
    a = build_reshape(b, a, 0, NULL);
    const Expr *x = e ? parse_expr(m, e) : NULL;
    if (dtype_is_float(a->type.dtype)) {
        a = build_cast(b, a, DT_f64);
        entry_new(m, name, ENTRY_SCALAR)->value = a;
        if (x && x->kind == EXPR_SYMBOL)
            *vec_push(m->job, &m->reals) = (Real){ x->name, a, m->scope };
        return;
    }
    Value *found = build_cast(b, a, DT_i64);
    if (size) {
        call_size(c, size, found, NULL);
        entry_new(m, name, ENTRY_INT)->number = size;
        return;
    }
    if (x && x->kind == EXPR_CALL && x->n == 2 && x->arg[0]->kind == EXPR_SYMBOL) { /* Eq(u0, 1): a bool is a number, too */
        const Idx *symbol = import_symbol(m, x->arg[0]->name);
        if (symbol && unfound(m, symbol))
            call_size(c, symbol, found, NULL);
    }
    entry_new(m, name, ENTRY_SCALAR)->value = build_cast(b, a, DT_bool);
}

/* A node whose result is a SymInt, SymFloat or SymBool: the archive records the closed form. */
bool import_symbolic(Import *m, const Json *node)
{
    const Json *one = json_first(json_first(json_get(node, "outputs")));
    bool i = tagged(one, "as_sym_int"), f = tagged(one, "as_sym_float"), b = tagged(one, "as_sym_bool");
    if (!i && !f && !b)
        return false;
    const char *name = json_string(m->job, json_need(m->job, one, "as_name", m->where), m->where);
    const char *table = i ? "sym_int_values" : f ? "sym_float_values" : "sym_bool_values";
    const Json *v = json_get(json_get(m->scope->graph, table), name);
    const Json *e = json_get(v, "as_expr");
    Call c;
    call_init(m, node, &c);
    if (!v)
        call_refuse(&c, "its result %s is not recorded", name);
    bool item = !strncmp(c.target, "aten.item.", 10) || !strncmp(c.target, "aten._local_scalar_dense.", 25);
    if (item && !i) {
        import_item(&c, name, NULL, e);
        return true;
    }
    if (i) {
        const Idx *k = read_sym_int(m, v);
        if (!k)
            call_refuse(&c, "its result %s is known only during the run", name);
        if (item) {
            import_item(&c, name, k, e);
            return true;
        }
        entry_new(m, name, ENTRY_INT)->number = k;
        return true;
    }
    Value *value = NULL;
    if (e)
        value = expr_value(&c.b, parse_expr(m, e), import_symbol, import_real, m);
    else if (f)
        value = build_full(&c.b, DT_f64, json_double(m->job, json_need(m->job, v, "as_float", m->where), m->where));
    else
        value = build_full_int(&c.b, DT_bool, json_bool(m->job, json_need(m->job, v, "as_bool", m->where), m->where));
    if (!value)
        call_refuse(&c, "the expression of its result %s is not supported", name);
    entry_new(m, name, ENTRY_SCALAR)->value = f ? build_cast(&c.b, value, DT_f64) : value;
    return true;
}

/* Ranges of expressions ("s86 + 1": {...}) are guards. */
void import_range_guards(Import *m)
{
    for (const Json *r = json_first(m->ranges); r; r = json_next(r)) {
        const Expr *e = expr_parse(m->job, json_key(r));
        if (!e || e->kind != EXPR_CALL)
            continue;
        const Idx *x = expr_idx(m->job, e, import_symbol, m);
        const Json *min = json_get(r, "min_val"), *max = json_get(r, "max_val");
        if (x && min && json_is_number(min))
            *vec_push(m->job, &m->top->guards) =
                (Guard){ GUARD_LE, idx_const(m->job, json_int(m->job, min, m->where)), x, sym(m->job, json_key(r)) };
        if (x && max && json_is_number(max))
            *vec_push(m->job, &m->top->guards) =
                (Guard){ GUARD_LE, x, idx_const(m->job, json_int(m->job, max, m->where)), sym(m->job, json_key(r)) };
    }
}
