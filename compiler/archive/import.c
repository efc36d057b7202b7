/* SPDX-License-Identifier: MIT */
/* Reading a program's JSON: placeholders, nodes, regions, outputs, symbols.  See import.h. */
#include "import.h"
#include "../passes/passes.h"
#include <stdlib.h>
#include <string.h>

enum { ENTRY_TABLE = 4096 };

/* One exported graph (a program's or a region's) with its own scope of names. */
typedef struct Scope {
    Graph *g;
    const Json *graph;
    Entry *table[ENTRY_TABLE];
    Type *meta_type; /* parallel to meta */
    const Json **meta_slot;
    size_t meta_size;
    const Json **int_slot;
    size_t int_size;
} Scope;

typedef struct Symbol {
    Sym name; /* as exported */
    const Idx *size;
} Symbol;

struct Import {
    Job *job;
    VEC(Symbol) symbols;
    Archive *archive;
    size_t model;
    const ImportOptions *options;
    const Json *ranges;
    Scope *scope;
    Graph *top;
    const char *where;
    int depth;
};

/* ---- symbols ----------------------------------------------------------------------------------------- */

static void symbol_range(Import *m, Sym name, int64_t *lo, int64_t *hi)
{
    *lo = 0;
    *hi = INT64_MAX;
    for (const Json *r = json_first(m->ranges); r; r = json_next(r))
        if (!strcmp(json_key(r), name)) {
            const Json *min = json_get(r, "min_val"), *max = json_get(r, "max_val");
            if (min && json_is_number(min))
                *lo = json_int(m->job, min, m->where);
            if (max && json_is_number(max))
                *hi = json_int(m->job, max, m->where);
        }
    if (*lo < 0)
        *lo = 0;
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

/* The exporter calls a size s and a number.  Names go into C text, so nothing else is a size: u0 and zuf0 are known only
 * during the run, zf0 is no integer. */
static bool is_size_name(const char *name)
{
    size_t n = strlen(name);
    return n >= 2 && n <= 20 && name[0] == 's' && strspn(name + 1, "0123456789") == n - 1;
}

/* Two programs of one artifact may give one name to sizes of different ranges. */
static const Idx *new_symbol(Import *m, Sym name, int64_t lo, int64_t hi)
{
    const Idx *known = idx_find(m->job, name);
    for (int i = 1; known && (known->extent || known->lo != lo || known->hi != hi); i++)
        known = idx_find(m->job, name = sym_printf(m->job, "%s_%d", name, i));
    return known ? known : idx_sym(m->job, name, lo, hi);
}

static const Idx *import_symbol(void *ctx, Sym name)
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

static const Expr *parse_expr(Import *m, const Json *as_expr)
{
    const char *text = json_string(m->job, json_need(m->job, as_expr, "expr_str", m->where), m->where);
    const Expr *e = expr_parse(m->job, text);
    if (!e)
        fail(m->job, EXIT_INPUT, "%s: the size expression \"%.80s\" cannot be read", m->where, text);
    return e;
}

/* A SymInt object: {"as_int"} or {"as_expr"}; NULL when it has no integer form (unbacked symbol). */
static const Idx *read_sym_int(Import *m, const Json *s)
{
    const Json *n = json_get(s, "as_int"), *e = json_get(s, "as_expr");
    if (n)
        return idx_const(m->job, json_int(m->job, n, m->where));
    if (!e)
        fail(m->job, EXIT_INPUT, "%s: a size is neither as_int nor as_expr", m->where);
    return expr_idx(m->job, parse_expr(m, e), import_symbol, m);
}

/* ---- recorded types ------------------------------------------------------------------------------------ */

static size_t text_hash(const char *s)
{
    size_t h = 1469598103934665603u;
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 1099511628211u;
    return h ^ h >> 31;
}

static void index_members(Import *m, const Json *object, const Json ***slot, size_t *size)
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
static bool recorded_type(Import *m, const char *name, Type *type)
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

/* ---- entries ---------------------------------------------------------------------------------------------- */

static Entry *entry_find(Import *m, const char *name)
{
    for (Entry *e = m->scope->table[text_hash(name) % ENTRY_TABLE]; e; e = e->next)
        if (!strcmp(e->name, name))
            return e;
    return NULL;
}

static Entry *entry_new(Import *m, const char *name, EntryKind kind)
{
    if (entry_find(m, name))
        fail(m->job, EXIT_INPUT, "%s: the name %s is defined twice", m->where, name);
    Entry *e = job_alloc(m->job, sizeof *e), **bucket = &m->scope->table[text_hash(name) % ENTRY_TABLE];
    e->name = sym(m->job, name);
    e->kind = kind;
    e->next = *bucket;
    *bucket = e;
    return e;
}

static Entry *entry_tensor(Import *m, const char *name, Value *value, bool placeholder)
{
    Entry *e = entry_new(m, name, ENTRY_TENSOR);
    e->value = value;
    e->memory = job_alloc(m->job, sizeof *e->memory);
    *e->memory = (Memory){ .value = value, .placeholder = placeholder ? e->name : NULL };
    return e;
}

static void decode(Import *m, const Json *node, Call *c);

/* The tensor as it is now: a view of a base that was written is computed again from the base. */
static Value *entry_read(Import *m, Entry *e)
{
    if (e->version == e->memory->version)
        return e->value;
    if (e->base) {
        Call c;
        decode(m, e->call, &c); /* reads its base through this function */
        e->value = c.result[e->result];
    } else {
        e->value = e->memory->value;
    }
    e->version = e->memory->version;
    return e->value;
}

/* ---- calls: names, arguments -------------------------------------------------------------------------------- */

static bool in_torch(const char *path)
{
    size_t n = strcspn(path, "\"\n");
    static const char *const parts[] = { "torch/", "/torch/", "torch/nn/", "<eval_with_key>" };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const char *at = strstr(path, parts[i]);
        if (at && (size_t)(at - path) < n && (i != 0 || at == path))
            return true;
    }
    return false;
}

static void read_origin(Import *m, const Json *node, Origin *o)
{
    const Json *meta = json_get(node, "metadata"), *outs = json_first(json_get(node, "outputs"));
    const Json *trace = json_get(meta, "stack_trace"), *stack = json_get(meta, "nn_module_stack");
    const Json *name = outs ? json_get(json_first(outs), "name") : NULL;
    *o = (Origin){ .target = NULL };
    if (name && json_is_string(name))
        o->node = sym(m->job, json_string(m->job, name, m->where));
    if (trace && json_is_string(trace)) { /* `File "x.py", line 41, in f` and the line after it, innermost last: the */
        const char *t = json_string(m->job, trace, m->where), *last = NULL; /* innermost frame outside torch itself */
        for (const char *p = t; (p = strstr(p, "File \"")); p++)
            if (!last || !in_torch(p + 6))
                last = p;
        const char *start = last ? last + 6 : NULL, *end = start ? strchr(start, '"') : NULL;
        const char *number = end ? strstr(end, "line ") : NULL, *text = end ? strchr(end, '\n') : NULL;
        if (number) {
            const char *slash = end;
            while (slash > start && slash[-1] != '/')
                slash--;
            o->file = sym_n(m->job, slash, (size_t)(end - slash));
            o->line = atoi(number + 5);
        }
        if (text) {
            text += strspn(text, "\n ");
            o->text = *text ? sym_n(m->job, text, strcspn(text, "\n")) : NULL;
        }
    }
    if (stack && json_is_string(stack)) { /* "key,path,type;key,path,type": the innermost path */
        const char *t = json_string(m->job, stack, m->where), *last = strrchr(t, ';');
        const char *path = strchr(last ? last : t, ',');
        if (path && path[1] && path[1] != ',') {
            size_t n = strcspn(path + 1, ",");
            const char *p = path + 1; /* "L['self'].fc1" of strict export, "fc1" of the other */
            if (n > 9 && !strncmp(p, "L['self'].", 10))
                p += 10, n -= 10;
            if (n && strncmp(p, "L['self']", 9))
                o->module = sym_n(m->job, p, n);
        }
    }
}

_Noreturn void call_refuse(Call *c, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    char why[512];
    vsnprintf(why, sizeof why, format, ap);
    va_end(ap);
    fail_at(c->m->job, EXIT_UNSUPPORTED, &c->b.origin, "operator %s is not supported here; %s", c->target, why);
}

/* The default of an argument, from the schema: text after "name=". */
static const char *schema_default(Call *c, const char *name)
{
    const char *line = aten_schema(c->target), *s = line ? job_copy(c->m->job, line, strcspn(line, "\n")) : NULL;
    size_t n = strlen(name);
    for (const char *p = s; p && (p = strstr(p, name)); p += n)
        if (p[-1] == ' ' && p[n] == '=')
            return p + n + 1;
    return NULL;
}

const Json *arg_json(Call *c, const char *name)
{
    for (const Json *a = json_first(json_get(c->node, "inputs")); a; a = json_next(a)) {
        const Json *n = json_get(a, "name");
        if (n && json_is_string(n) && !strcmp(json_string(c->m->job, n, c->m->where), name)) {
            const Json *arg = json_get(a, "arg"), *one = json_first(arg);
            return one && strcmp(json_key(one), "as_none") ? one : NULL;
        }
    }
    return NULL;
}

bool arg_given(Call *c, const char *name)
{
    if (arg_json(c, name))
        return true;
    for (const Json *a = json_first(json_get(c->node, "inputs")); a; a = json_next(a)) {
        const Json *n = json_get(a, "name");
        if (n && json_is_string(n) && !strcmp(json_string(c->m->job, n, c->m->where), name))
            return false; /* given as None */
    }
    const char *d = schema_default(c, name);
    return d && strncmp(d, "None", 4) != 0;
}

static _Noreturn void bad_arg(Call *c, const char *name, const char *want)
{
    fail_at(c->m->job, EXIT_INPUT, &c->b.origin, "%s: argument %s of %s is not %s", c->m->where, name, c->target, want);
}

static bool tagged(const Json *arg, const char *tag)
{
    return arg && !strcmp(json_key(arg), tag);
}

static Value *constant_value(Import *m, const char *name, const Tensor *t);

static Value *named_tensor(Call *c, const Json *name)
{
    const char *text = json_string(c->m->job, name, c->m->where);
    Entry *e = entry_find(c->m, text);
    if (!e)
        fail_at(c->m->job, EXIT_INPUT, &c->b.origin, "%s: %s reads %s, which is not defined before it", c->m->where,
                c->target, text);
    if (e->kind == ENTRY_TENSOR && dtype_info[e->value->type.dtype].kind == DK_C)
        call_refuse(c, "it reads %s, which is complex", text);
    if (e->kind == ENTRY_TENSOR)
        return entry_read(c->m, e);
    if (e->kind == ENTRY_SCALAR)
        return e->value;
    if (e->kind == ENTRY_INT)
        return build_index(&c->b, e->number);
    if (e->subclass)
        call_refuse(c, "it reads %s, a tensor subclass; quantize or unwrap it before the export", e->subclass);
    call_refuse(c, "it reads %s, which is no tensor", text);
}

Value *arg_inner_tensor(Call *c, const char *name, const char *attribute)
{
    Import *m = c->m;
    const Json *a = arg_json(c, name);
    const char *text = tagged(a, "as_tensor") ? json_string(m->job, json_need(m->job, a, "name", m->where), m->where) : "";
    Entry *e = entry_find(m, text);
    const Tensor *t = e && e->subclass ? archive_inner_tensor(m->archive, m->model, e->subclass, attribute) : NULL;
    if (!t)
        call_refuse(c, "%s has no inner tensor %s", *text ? text : name, attribute);
    return constant_value(m, graph_name(c->b.g, job_printf(m->job, "%s_%s", text, attribute)), t);
}

Value *arg_tensor_or_null(Call *c, const char *name)
{
    const Json *a = arg_json(c, name);
    if (!a)
        return NULL;
    if (!tagged(a, "as_tensor"))
        bad_arg(c, name, "a tensor");
    return named_tensor(c, json_need(c->m->job, a, "name", c->m->where));
}

Value *arg_tensor(Call *c, const char *name)
{
    Value *v = arg_tensor_or_null(c, name);
    if (!v)
        bad_arg(c, name, "given");
    return v;
}

size_t arg_tensors(Call *c, const char *name, Value ***out)
{
    VEC(Value *) list = { 0 };
    const Json *a = arg_json(c, name);
    if (!tagged(a, "as_tensors"))
        bad_arg(c, name, "a list of tensors");
    for (const Json *t = json_first(a); t; t = json_next(t))
        *vec_push(c->m->job, &list) = named_tensor(c, json_need(c->m->job, t, "name", c->m->where));
    *out = list.at;
    return list.n;
}

static Entry *sym_entry(Call *c, const Json *arg)
{
    const Json *name = json_get(arg, "as_name");
    const char *text = name ? json_string(c->m->job, name, c->m->where) : NULL;
    Entry *e = text ? entry_find(c->m, text) : NULL;
    if (text && !e)
        fail_at(c->m->job, EXIT_INPUT, &c->b.origin, "%s: %s reads %s, which is not defined before it", c->m->where,
                c->target, text);
    return e;
}

static const Idx *idx_of(Call *c, const char *name, const Json *a)
{
    Job *job = c->m->job;
    if (tagged(a, "as_int"))
        return idx_const(job, json_int(job, a, c->m->where));
    if (tagged(a, "as_bool"))
        return idx_const(job, json_bool(job, a, c->m->where));
    if (tagged(a, "as_sym_int")) {
        Entry *e = sym_entry(c, a);
        if (e && e->kind == ENTRY_INT)
            return e->number;
        if (e)
            call_refuse(c, "argument %s is a size known only during the run", name);
        return idx_const(job, json_int(job, json_need(job, a, "as_int", c->m->where), c->m->where));
    }
    bad_arg(c, name, "an integer");
}

const Idx *arg_idx(Call *c, const char *name)
{
    const Json *a = arg_json(c, name);
    if (a)
        return idx_of(c, name, a);
    const char *d = schema_default(c, name);
    if (!d || !strncmp(d, "None", 4))
        bad_arg(c, name, "given");
    return idx_const(c->m->job, strtoll(d, NULL, 10));
}

int64_t arg_int(Call *c, const char *name)
{
    int64_t k;
    if (!idx_is_const(arg_idx(c, name), &k))
        call_refuse(c, "argument %s depends on a dynamic size", name);
    return k;
}

double arg_float(Call *c, const char *name)
{
    const Json *a = arg_json(c, name);
    if (tagged(a, "as_float"))
        return json_double(c->m->job, a, c->m->where);
    if (tagged(a, "as_bool"))
        return json_bool(c->m->job, a, c->m->where);
    if (a)
        return (double)arg_int(c, name);
    const char *d = schema_default(c, name);
    if (!d)
        bad_arg(c, name, "given");
    return strtod(d, NULL);
}

bool arg_bool(Call *c, const char *name)
{
    const Json *a = arg_json(c, name);
    if (tagged(a, "as_bool"))
        return json_bool(c->m->job, a, c->m->where);
    if (a)
        bad_arg(c, name, "a bool");
    const char *d = schema_default(c, name);
    return d && !strncmp(d, "True", 4);
}

const char *arg_text(Call *c, const char *name)
{
    const Json *a = arg_json(c, name);
    if (a)
        return json_string(c->m->job, a, c->m->where);
    const char *d = schema_default(c, name);
    if (!d || d[0] != '"')
        return d && d[0] == '\'' ? job_copy(c->m->job, d + 1, strcspn(d + 1, "'")) : "";
    return job_copy(c->m->job, d + 1, strcspn(d + 1, "\""));
}

static size_t default_ints(const char *d, int64_t *out, size_t room)
{
    size_t n = 0;
    bool list = d && *d == '[';
    for (d = list ? d + 1 : d; d && *d && *d != ']' && n < room;) {
        char *end;
        out[n] = strtoll(d, &end, 10);
        if (end == d)
            break;
        n++;
        d = end + strspn(end, ", ");
        if (!list)
            break;
    }
    return n;
}

size_t arg_ints(Call *c, const char *name, int64_t *out, size_t room, size_t want)
{
    const Json *a = arg_json(c, name);
    size_t n = 0;
    if (!a) {
        n = default_ints(schema_default(c, name), out, room);
    } else if (tagged(a, "as_ints")) {
        for (const Json *v = json_first(a); v; v = json_next(v)) {
            if (n == room)
                bad_arg(c, name, "a list as short as expected");
            out[n++] = json_int(c->m->job, v, c->m->where);
        }
    } else if (tagged(a, "as_sym_ints")) {
        call_refuse(c, "argument %s depends on a dynamic size", name);
    } else {
        out[n++] = arg_int(c, name);
    }
    while (n == 1 && want > 1 && n < room) {
        for (; n < want; n++)
            out[n] = out[0];
    }
    if (want && n && n != want)
        bad_arg(c, name, "of the expected length");
    return n;
}

bool arg_is_float_number(Call *c, const char *name)
{
    const Json *a = arg_json(c, name);
    return tagged(a, "as_float");
}

Value *arg_operand(Call *c, const char *name, bool *number)
{
    Job *job = c->m->job;
    const Json *a = arg_json(c, name);
    *number = !tagged(a, "as_tensor");
    if (tagged(a, "as_tensor"))
        return arg_tensor(c, name);
    if (tagged(a, "as_float"))
        return build_full(&c->b, DT_f64, json_double(job, a, c->m->where));
    if (tagged(a, "as_bool"))
        return build_full_int(&c->b, DT_bool, json_bool(job, a, c->m->where));
    if (tagged(a, "as_sym_float") || tagged(a, "as_sym_bool")) {
        Entry *e = sym_entry(c, a);
        const Json *k = json_get(a, "as_float"), *t = json_get(a, "as_bool");
        if (e)
            return e->kind == ENTRY_INT ? build_index(&c->b, e->number) : e->value;
        if (k)
            return build_full(&c->b, DT_f64, json_double(job, k, c->m->where));
        return build_full_int(&c->b, DT_bool, json_bool(job, t, c->m->where));
    }
    if (tagged(a, "as_complex"))
        call_refuse(c, "argument %s is complex", name);
    const Idx *e = arg_idx(c, name);
    int64_t k;
    return idx_is_const(e, &k) ? build_full_int(&c->b, DT_i64, k) : build_index(&c->b, e);
}

int arg_dim(Call *c, const char *name, int rank)
{
    int64_t d = arg_int(c, name), n = rank ? rank : 1;
    if (d < -n || d >= n)
        fail_at(c->m->job, EXIT_INPUT, &c->b.origin, "%s: dim %lld of %s is outside a tensor of %d dimensions",
                c->m->where, (long long)d, c->target, rank);
    return (int)(d < 0 ? d + n : d);
}

/* ---- writes ------------------------------------------------------------------------------------------------ */

/* What the base becomes when the view `y` of `x` (one view node apart) gets the contents `ny`. */
static Value *unview(Call *c, const Node *view, Value *ny)
{
    Build *b = &c->b;
    Value *x = view->in[0];
    if (view->op == OP_reshape)
        return build_reshape(b, ny, x->type.rank, x->type.dim);
    if (view->op == OP_permute) {
        int inverse[MAX_RANK];
        for (int i = 0; i < x->type.rank; i++)
            inverse[node_int(view, "dims", (size_t)i)] = i;
        return build_permute(b, ny, inverse);
    }
    if (view->op == OP_slice) {
        Job *job = c->m->job;
        for (int i = 0; i < x->type.rank; i++)
            if (!idx_is(node_idx(view, "steps", (size_t)i), 1))
                call_refuse(c, "it writes into a slice with a step");
        Attr at[2] = { attr_idx(job, "low", node_attr(view, "starts")->idx, (size_t)x->type.rank),
                       attr_float(job, "value", 0) };
        Type mask = x->type, inner = ny->type;
        mask.dtype = inner.dtype = DT_bool;
        Value *ones = build_expand(b, build_full_int(b, DT_bool, 1), inner.rank, inner.dim);
        Value *where = build(b, OP_pad, &ones, 1, &mask, at, 2);
        return build3(b, OP_where, where, build(b, OP_pad, &ny, 1, &x->type, at, 2), x);
    }
    call_refuse(c, "it writes through a view by %s", op_info[view->op].name);
}

static Value *fit(Call *c, Value *v, const Type *t)
{
    return build_expand(&c->b, build_cast(&c->b, v, t->dtype), t->rank, t->dim);
}

static void entry_write(Call *c, Entry *e, Value *v)
{
    Value *old = entry_read(c->m, e);
    v = fit(c, v, &old->type);
    if (e->memory->placeholder)
        call_refuse(c, "it writes into %s, an input, parameter or buffer of the program: state is not supported",
                    e->memory->placeholder);
    Value *full = v;
    Entry *owner = e;
    for (; owner->base; owner = owner->base) {
        Value *from = entry_read(c->m, owner), *base = entry_read(c->m, owner->base);
        for (Value *y = from; y != base; y = y->def->in[0]) {
            if (y->kind != VALUE_NODE || op_info[y->def->op].kind != VIEW || y->def->in_count != 1)
                call_refuse(c, "it writes through a view that cannot be inverted");
            full = unview(c, y->def, full);
        }
    }
    e->memory->value = full;
    e->memory->version++;
    owner->value = full;
    owner->version = e->memory->version;
    e->value = v;
    e->version = e->memory->version;
}

/* ---- nodes --------------------------------------------------------------------------------------------------- */

static const char *short_target(const char *target)
{
    return !strncmp(target, "torch.ops.", 10) ? target + 10 : target;
}

static void call_init(Import *m, const Json *node, Call *c)
{
    *c = (Call){ .m = m, .node = node };
    c->target = short_target(json_string(m->job, json_need(m->job, node, "target", m->where), m->where));
    c->row = aten_row(c->target);
    c->b = (Build){ .g = m->scope->g };
    read_origin(m, node, &c->b.origin);
    c->b.origin.target = sym(m->job, c->target);
    c->b.stem = c->b.origin.node;
}

/* Names of the tensors a node defines, flattened. */
static size_t result_names(Import *m, const Json *node, const char **names, size_t room)
{
    size_t n = 0;
    for (const Json *o = json_first(json_need(m->job, node, "outputs", m->where)); o; o = json_next(o)) {
        const Json *one = json_first(o);
        if (!one)
            continue;
        if (tagged(one, "as_tensor")) {
            if (n == room)
                fail(m->job, EXIT_UNSUPPORTED, "%s: a node has more than %zu results", m->where, room);
            names[n++] = json_string(m->job, json_need(m->job, one, "name", m->where), m->where);
        } else if (tagged(one, "as_tensors")) {
            for (const Json *t = json_first(one); t; t = json_next(t)) {
                if (n == room)
                    fail(m->job, EXIT_UNSUPPORTED, "%s: a node has more than %zu results", m->where, room);
                names[n++] = json_string(m->job, json_need(m->job, t, "name", m->where), m->where);
            }
        }
    }
    return n;
}

/* ---- strictness: every union has one known tag with a value of the right kind -------------------------------- */

typedef struct Tag {
    const char *name;
    bool (*is)(const Json *);
    bool (*element)(const Json *); /* of an array */
} Tag;

static bool is_anything(const Json *v)
{
    return v != NULL;
}

static bool has_one_member(const Json *v)
{
    return json_is_object(v) && json_count(v) == 1;
}

static bool has_name(const Json *v)
{
    return json_is_object(v) && json_is_string(json_get(v, "name"));
}

static bool is_float(const Json *v)
{
    return json_is_number(v) || json_is_string(v);
}

static const Tag tags[] = {
    { "as_none", is_anything, NULL },
    { "as_tensor", has_name, NULL },
    { "as_tensors", json_is_array, has_name },
    { "as_optional_tensors", json_is_array, has_one_member },
    { "as_optional_tensor", has_one_member, NULL },
    { "as_nested_tensors", json_is_array, json_is_array },
    { "as_int", json_is_number, NULL },
    { "as_ints", json_is_array, json_is_number },
    { "as_int_lists", json_is_array, json_is_array },
    { "as_float", is_float, NULL },
    { "as_floats", json_is_array, is_float },
    { "as_float_lists", json_is_array, json_is_array },
    { "as_bool", json_is_bool, NULL },
    { "as_bools", json_is_array, json_is_bool },
    { "as_string", json_is_string, NULL },
    { "as_strings", json_is_array, json_is_string },
    { "as_sym_int", has_one_member, NULL },
    { "as_sym_ints", json_is_array, has_one_member },
    { "as_sym_float", has_one_member, NULL },
    { "as_sym_floats", json_is_array, has_one_member },
    { "as_sym_bool", has_one_member, NULL },
    { "as_sym_bools", json_is_array, has_one_member },
    { "as_scalar_type", json_is_number, NULL },
    { "as_memory_format", json_is_number, NULL },
    { "as_layout", json_is_number, NULL },
    { "as_device", json_is_object, NULL },
    { "as_complex", json_is_object, NULL },
    { "as_graph", json_is_object, NULL },
    { "as_custom_obj", json_is_object, NULL },
    { "as_operator", json_is_string, NULL },
    { "as_string_to_argument", json_is_object, NULL },
};

static void check_union(Import *m, const char *what, const Json *v)
{
    const Json *one = has_one_member(v) ? json_first(v) : NULL;
    for (size_t i = 0; one && i < sizeof tags / sizeof *tags; i++) {
        if (strcmp(tags[i].name, json_key(one)))
            continue;
        bool good = tags[i].is(one);
        for (const Json *e = tags[i].element ? json_first(one) : NULL; e; e = json_next(e))
            good &= tags[i].element(e);
        if (good)
            return;
        fail(m->job, EXIT_INPUT, "%s: %s: the value of %s is of the wrong kind", m->where, what, json_key(one));
    }
    fail(m->job, EXIT_INPUT, "%s: %s is no argument with one known tag", m->where, what);
}

static const Json *need_array(Import *m, const Json *object, const char *key)
{
    const Json *v = json_need(m->job, object, key, m->where);
    if (!json_is_array(v))
        fail(m->job, EXIT_INPUT, "%s: %s is no array", m->where, key);
    return v;
}

/* Whether the schema has an argument of that name. */
static bool schema_has(const char *schema, const char *name)
{
    size_t n = strlen(name), line = strcspn(schema, "\n");
    for (const char *p = strstr(schema, name); n && p && p < schema + line; p = strstr(p + 1, name))
        if (p > schema && p[-1] == ' ' && strchr(",)=", p[n]))
            return true;
    return false;
}

static void check_node(Import *m, const Json *node)
{
    const char *target = json_string(m->job, json_need(m->job, node, "target", m->where), m->where);
    const char *schema = aten_schema(short_target(target));
    const Json *inputs = need_array(m, node, "inputs");
    for (const Json *a = json_first(inputs); a; a = json_next(a)) {
        const char *name = json_string(m->job, json_need(m->job, a, "name", m->where), m->where);
        check_union(m, job_printf(m->job, "argument %s of %s", name, target), json_need(m->job, a, "arg", m->where));
        if (schema && !schema_has(schema, name))
            fail(m->job, EXIT_INPUT, "%s: %s has no argument %s", m->where, target, name);
        for (const Json *b = json_first(inputs); *name && b != a; b = json_next(b))
            if (!strcmp(json_string(m->job, json_get(b, "name"), m->where), name))
                fail(m->job, EXIT_INPUT, "%s: %s has two arguments %s", m->where, target, name);
    }
    for (const Json *o = json_first(need_array(m, node, "outputs")); o; o = json_next(o))
        check_union(m, job_printf(m->job, "a result of %s", target), o);
}

/* Runs the row's decode function; results have the recorded types. */
static void decode(Import *m, const Json *node, Call *c)
{
    call_init(m, node, c);
    if (!c->row)
        call_refuse(c, "no rule reads it; `aotc check` lists every such operator of the model");
    const char *names[64];
    c->result_count = (uint32_t)result_names(m, node, names, 64);
    if (!c->result_count && !strchr(c->row->flags, 'n'))
        fail_at(m->job, EXIT_INPUT, &c->b.origin, "%s: %s has no result", m->where, c->target);
    for (uint32_t i = 0; i < c->result_count; i++) {
        if (!recorded_type(m, names[i], &c->meta[i]))
            call_refuse(c, "result %s has a size known only during the run", names[i]);
        if (dtype_info[c->meta[i].dtype].kind == DK_C)
            call_refuse(c, "result %s is complex", names[i]);
    }
    c->row->decode(c);
    for (uint32_t i = 0; i < c->result_count; i++) {
        Value *v = c->result[i];
        if (!v) /* a result that nobody computes: unused, else the reader fails by name */
            continue;
        if (v->type.rank != c->meta[i].rank || v->type.dtype != c->meta[i].dtype)
            fail_at(m->job, EXIT_INPUT, &c->b.origin, "%s: %s gives %s; the archive says %s", m->where, c->target,
                    type_text(m->job, &v->type), type_text(m->job, &c->meta[i]));
        for (int d = 0; d < v->type.rank; d++) {
            const Idx *x = v->type.dim[d], *y = c->meta[i].dim[d];
            if (x != y && (x->lo > y->hi || y->lo > x->hi))
                fail_at(m->job, EXIT_INPUT, &c->b.origin, "%s: %s gives %s; the archive says %s", m->where, c->target,
                        type_text(m->job, &v->type), type_text(m->job, &c->meta[i]));
            if (v->kind == VALUE_NODE && v->def->op != OP_reshape)
                v->type.dim[d] = y; /* one spelling of a size in the whole graph */
        }
    }
}

static bool is_in_place(const char *target)
{
    const char *dot = strrchr(target, '.');
    return dot && dot > target && dot[-1] == '_' && strncmp(target, "_operator", 9) != 0;
}

/* The entry that a call's first tensor argument names (self). */
static Entry *self_entry(Call *c)
{
    for (const Json *a = json_first(json_get(c->node, "inputs")); a; a = json_next(a)) {
        const Json *one = json_first(json_get(a, "arg"));
        if (tagged(one, "as_tensor"))
            return entry_find(c->m, json_string(c->m->job, json_need(c->m->job, one, "name", c->m->where), c->m->where));
    }
    return NULL;
}

static void import_call(Import *m, const Json *node)
{
    Call c;
    decode(m, node, &c);
    const char *names[64];
    size_t n = result_names(m, node, names, 64);
    Entry *self = self_entry(&c);
    if (is_in_place(c.target) && self && n == 1 && !strchr(c.row->flags, 'v')) {
        if (self->kind != ENTRY_TENSOR)
            call_refuse(&c, "it writes into something that is no tensor");
        if (!strchr(c.row->flags, 'i'))
            entry_write(&c, self, c.result[0]);
        Entry *e = entry_new(m, names[0], ENTRY_TENSOR); /* the same tensor under a new name */
        *e = (Entry){ .name = e->name, .kind = ENTRY_TENSOR, .next = e->next, .value = self->value,
                      .memory = self->memory, .version = self->version, .base = self->base, .call = self->call,
                      .result = self->result };
        return;
    }
    for (size_t i = 0; i < n; i++) {
        Value *v = c.result[i];
        if (!v) {
            entry_new(m, names[i], ENTRY_NONE); /* who reads it is refused */
            continue;
        }
        bool view = strchr(c.row->flags, 'v') && self && self->kind == ENTRY_TENSOR;
        if (!view && !(strchr(c.row->flags, 'i') && self && v == self->value)) {
            entry_tensor(m, names[i], v, false);
            continue;
        }
        Entry *e = entry_new(m, names[i], ENTRY_TENSOR);
        e->value = v;
        e->memory = self->memory;
        e->version = self->memory->version;
        e->base = self;
        e->call = node;
        e->result = (uint32_t)i;
    }
}

/* A node whose result is a SymInt, SymFloat or SymBool: the archive records the closed form. */
static bool import_symbolic(Import *m, const Json *node)
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
    if (i) {
        const Idx *k = read_sym_int(m, v);
        if (!k)
            call_refuse(&c, "its result %s is known only during the run", name);
        entry_new(m, name, ENTRY_INT)->number = k;
        return true;
    }
    Value *value = NULL;
    if (e)
        value = expr_value(&c.b, parse_expr(m, e), import_symbol, m);
    else if (f)
        value = build_full(&c.b, DT_f64, json_double(m->job, json_need(m->job, v, "as_float", m->where), m->where));
    else
        value = build_full_int(&c.b, DT_bool, json_bool(m->job, json_need(m->job, v, "as_bool", m->where), m->where));
    if (!value)
        call_refuse(&c, "the expression of its result %s is not supported", name);
    entry_new(m, name, ENTRY_SCALAR)->value = f ? build_cast(&c.b, value, DT_f64) : value;
    return true;
}

static void import_nodes(Import *m);

static Graph *import_region(Call *c, const Json *arg, Value **operands, size_t count)
{
    Import *m = c->m;
    Job *job = m->job;
    if (!tagged(arg, "as_graph"))
        call_refuse(c, "a branch is no graph");
    if (++m->depth > 32)
        fail(job, EXIT_INPUT, "%s: regions are nested deeper than 32", m->where);
    Scope *outer = m->scope, *inner = job_alloc(job, sizeof *inner);
    inner->graph = json_need(job, arg, "graph", m->where);
    inner->g = graph_new(job, sym(job, json_string(job, json_need(job, arg, "name", m->where), m->where)));
    m->scope = inner;
    index_members(m, json_need(job, inner->graph, "tensor_values", m->where), &inner->meta_slot, &inner->meta_size);
    size_t i = 0;
    for (const Json *p = json_first(json_need(job, inner->graph, "inputs", m->where)); p; p = json_next(p), i++) {
        const Json *one = json_first(p);
        if (i == count)
            fail(job, EXIT_INPUT, "%s: a branch of %s takes more operands than it gets", m->where, c->target);
        if (tagged(one, "as_sym_int")) {
            const char *name = json_string(job, json_need(job, one, "as_name", m->where), m->where);
            const Idx *k = read_sym_int(m, json_need(job, json_get(inner->graph, "sym_int_values"), name, m->where));
            if (!k)
                call_refuse(c, "operand %s is a size known only during the run", name);
            entry_new(m, name, ENTRY_INT)->number = k;
            graph_input(inner->g, sym(job, name), operands[i]->type); /* bound, not read */
            continue;
        }
        if (!tagged(one, "as_tensor"))
            call_refuse(c, "a branch takes an operand that is no tensor");
        const char *name = json_string(job, json_need(job, one, "name", m->where), m->where);
        Value *v = graph_input(inner->g, sym(job, name), operands[i]->type);
        if (operands[i]->kind == VALUE_CONST) /* the branch reads the weight itself, so that it can be packed */
            v = graph_const(inner->g, operands[i]->tensor, operands[i]->type, graph_name(inner->g, name));
        entry_tensor(m, name, v, true);
    }
    if (i != count)
        fail(job, EXIT_INPUT, "%s: a branch of %s takes %zu operands and gets %zu", m->where, c->target, i, count);
    import_nodes(m);
    for (const Json *o = json_first(json_need(job, inner->graph, "outputs", m->where)); o; o = json_next(o)) {
        const Json *one = json_first(o);
        Call r = { .m = m, .node = c->node, .target = c->target, .b = { .g = inner->g, .origin = c->b.origin } };
        Value *v = NULL;
        if (tagged(one, "as_tensor"))
            v = named_tensor(&r, json_need(job, one, "name", m->where));
        else if (tagged(one, "as_int") || tagged(one, "as_sym_int"))
            v = build_index(&r.b, idx_of(&r, "result", one));
        else
            call_refuse(c, "a branch returns something that is no tensor");
        *vec_push(job, &inner->g->outputs) = (Port){ .name = v->name, .kind = PORT_TENSOR, .value = v };
    }
    m->scope = outer;
    m->depth--;
    return inner->g;
}

static Value *hop_operand(Call *c, const Json *one)
{
    Job *job = c->m->job;
    if (tagged(one, "as_tensor"))
        return named_tensor(c, json_need(job, one, "name", c->m->where));
    if (tagged(one, "as_bool"))
        return build_full_int(&c->b, DT_bool, json_bool(job, one, c->m->where));
    if (tagged(one, "as_sym_bool")) {
        Entry *e = sym_entry(c, one);
        return e ? e->value : build_full_int(&c->b, DT_bool, json_bool(job, json_get(one, "as_bool"), c->m->where));
    }
    return build_index(&c->b, idx_of(c, "operand", one));
}

static void import_cond(Import *m, const Json *node)
{
    Job *job = m->job;
    Call c;
    call_init(m, node, &c);
    const Json *arg[4] = { 0 };
    size_t n = 0;
    for (const Json *a = json_first(json_need(job, node, "inputs", m->where)); a && n < 4; a = json_next(a))
        arg[n++] = json_first(json_get(a, "arg"));
    if (n < 3)
        fail(job, EXIT_INPUT, "%s: cond has %zu arguments", m->where, n);
    VEC(Value *) in = { 0 };
    Value *pred = hop_operand(&c, arg[0]);
    if (pred->type.rank || pred->type.dtype != DT_bool) {
        if (type_count(job, &pred->type) != idx_const(job, 1))
            call_refuse(&c, "the condition has more than one element");
        pred = build_cast(&c.b, build_reshape(&c.b, pred, 0, NULL), DT_bool);
    }
    *vec_push(job, &in) = pred;
    for (const Json *o = json_first(arg[3]); o; o = json_next(o))
        *vec_push(job, &in) = json_is_object(o) && json_get(o, "name") && !json_get(o, "as_name")
                                  ? named_tensor(&c, json_get(o, "name"))
                              : json_get(o, "as_name") ? build_index(&c.b, sym_entry(&c, o)->number)
                                                       : hop_operand(&c, json_first(o));
    Graph *yes = import_region(&c, arg[1], in.at + 1, in.n - 1), *no = import_region(&c, arg[2], in.at + 1, in.n - 1);
    const char *names[64];
    size_t count = result_names(m, node, names, 64);
    if (yes->outputs.n != no->outputs.n || yes->outputs.n != count)
        fail_at(job, EXIT_INPUT, &c.b.origin, "%s: the branches of cond give %zu and %zu results; the node has %zu",
                m->where, yes->outputs.n, no->outputs.n, count);
    Type types[64];
    Sym syms[64];
    for (size_t i = 0; i < count; i++) {
        if (!recorded_type(m, names[i], &types[i]))
            call_refuse(&c, "result %s has a size known only during the run", names[i]);
        syms[i] = graph_name(m->scope->g, names[i]);
    }
    Node *cond = build_node(&c.b, OP_cond, in.at, (uint32_t)in.n, types, syms, (uint32_t)count);
    cond->region_count = 2;
    cond->region = job_array(job, 2, sizeof *cond->region);
    cond->region[0] = yes;
    cond->region[1] = no;
    for (size_t i = 0; i < count; i++)
        entry_tensor(m, names[i], cond->out[i], false);
}

static void import_assert(Import *m, const Json *node)
{
    Call c;
    call_init(m, node, &c);
    const Json *a = arg_json(&c, "self");
    if (tagged(a, "as_bool") || (tagged(a, "as_sym_bool") && json_get(a, "as_bool")))
        return;
    Entry *e = a ? sym_entry(&c, a) : NULL;
    if (e && e->kind == ENTRY_SCALAR) {
        Value *v = e->value;
        Node *n = v->kind == VALUE_NODE ? v->def : NULL;
        double known;
        if (value_is_full(v, &known)) { /* the exporter proved it, or it never holds */
            if (known == 0)
                fail_at(m->job, EXIT_INPUT, &c.b.origin, "%s: an assertion is always false: %s", m->where,
                        arg_text(&c, "assert_msg"));
            return;
        }
        if (n && n->op >= OP_eq && n->op <= OP_ge && n->in[0]->kind == VALUE_NODE && n->in[1]->kind == VALUE_NODE &&
            n->in[0]->def->op == OP_index && n->in[1]->def->op == OP_index) {
            const Idx *x = node_idx(n->in[0]->def, "expr", 0), *y = node_idx(n->in[1]->def, "expr", 0);
            static const GuardRel rel[] = { GUARD_EQ, GUARD_NE, GUARD_LT, GUARD_LE, GUARD_LT, GUARD_LE };
            bool swap = n->op == OP_gt || n->op == OP_ge;
            *vec_push(m->job, &m->top->guards) = (Guard){ .rel = rel[n->op - OP_eq], .a = swap ? y : x,
                                                          .b = swap ? x : y, .text = sym(m->job, arg_text(&c, "assert_msg")) };
            return;
        }
    }
    call_refuse(&c, "the condition is known only during the run");
}

static void import_nodes(Import *m)
{
    for (const Json *n = json_first(need_array(m, m->scope->graph, "nodes")); n; n = json_next(n)) {
        check_node(m, n);
        const char *target = json_string(m->job, json_need(m->job, n, "target", m->where), m->where);
        if (!strcmp(target, "torch.ops.higher_order.cond"))
            import_cond(m, n);
        else if (!strcmp(target, "torch.ops.aten._assert_scalar.default"))
            import_assert(m, n);
        else if (!import_symbolic(m, n))
            import_call(m, n);
    }
}

/* ---- signature ------------------------------------------------------------------------------------------------- */

static const char *arg_name(Import *m, const Json *spec)
{
    return json_string(m->job, json_need(m->job, json_need(m->job, spec, "arg", m->where), "name", m->where), m->where);
}

static Value *constant_value(Import *m, const char *name, const Tensor *t)
{
    const Idx *dim[MAX_RANK];
    for (int i = 0; i < t->rank; i++)
        dim[i] = idx_const(m->job, t->size[i]);
    int64_t count;
    Type type = type_make(t->dtype, t->rank, dim);
    if (!type_static(&type, &count))
        fail(m->job, EXIT_INPUT, "%s: the size of %s overflows", m->where, name);
    return graph_const(m->scope->g, t, type, sym(m->job, name));
}

static void import_weight(Import *m, const char *kind, const Json *spec)
{
    const char *key = !strcmp(kind, "parameter") ? "parameter_name"
                      : !strcmp(kind, "buffer")  ? "buffer_name"
                                                 : "tensor_constant_name";
    const char *fqn = json_string(m->job, json_need(m->job, spec, key, m->where), m->where), *name = arg_name(m, spec);
    if (archive_is_subclass(m->archive, m->model, fqn)) { /* who reads it as a plain tensor is refused */
        entry_new(m, name, ENTRY_NONE)->subclass = sym(m->job, fqn);
        return;
    }
    const Tensor *t = archive_tensor(m->archive, m->model, fqn);
    if (!t)
        fail(m->job, EXIT_INPUT, "%s: %s %s has no data in the archive", m->where, kind, fqn);
    Type recorded;
    if (recorded_type(m, name, &recorded) && (recorded.dtype != t->dtype || recorded.rank != t->rank))
        fail(m->job, EXIT_INPUT, "%s: %s has %d dimensions of %s in the weights; the graph says %s", m->where, fqn,
             t->rank, dtype_info[t->dtype].name, type_text(m->job, &recorded));
    if (entry_find(m, name))
        return; /* strict export of 2.5 and 2.6 may list a tied parameter twice */
    entry_tensor(m, name, constant_value(m, name, t), true);
}

static DType number_of(Import *m, const Json *value, int64_t *bits)
{
    double d;
    if (tagged(value, "as_int")) {
        *bits = json_int(m->job, value, m->where);
        return DT_i64;
    }
    if (tagged(value, "as_bool")) {
        *bits = json_bool(m->job, value, m->where);
        return DT_bool;
    }
    d = json_double(m->job, value, m->where);
    memcpy(bits, &d, 8);
    return DT_f64;
}

static void number_port(Import *m, Port *port, const Json *value)
{
    if (!value || tagged(value, "as_none") || tagged(value, "as_string")) {
        port->kind = PORT_NONE;
        return;
    }
    port->kind = PORT_NUMBER;
    port->dtype = number_of(m, value, &port->bits);
}

static void import_user_input(Import *m, const Json *arg)
{
    const Json *one = json_first(arg);
    if (tagged(one, "as_tensor")) {
        const char *name = json_string(m->job, json_need(m->job, one, "name", m->where), m->where);
        Type t;
        if (!recorded_type(m, name, &t))
            fail(m->job, EXIT_UNSUPPORTED, "%s: input %s has no recorded type", m->where, name);
        entry_tensor(m, name, graph_input(m->scope->g, sym(m->job, name), t), true);
        return;
    }
    if (tagged(one, "as_sym_int"))
        fail(m->job, EXIT_UNSUPPORTED, "%s: an input is a symbolic integer; export it as a tensor", m->where);
    Port port = { .name = sym_printf(m->job, "arg_%zu", m->scope->g->inputs.n) };
    number_port(m, &port, one);
    *vec_push(m->job, &m->scope->g->inputs) = port;
}

static void import_inputs(Import *m, const Json *specs)
{
    for (const Json *s = json_first(specs); s; s = json_next(s)) {
        const Json *one = json_first(s);
        const char *kind = one ? json_key(one) : "";
        if (!strcmp(kind, "parameter") || !strcmp(kind, "buffer") || !strcmp(kind, "tensor_constant"))
            import_weight(m, kind, one);
        else if (!strcmp(kind, "user_input"))
            import_user_input(m, json_need(m->job, one, "arg", m->where));
        else if (!strcmp(kind, "constant_input")) {
            Port port = { .name = sym(m->job, json_string(m->job, json_need(m->job, one, "name", m->where), m->where)) };
            number_port(m, &port, json_first(json_need(m->job, one, "value", m->where)));
            *vec_push(m->job, &m->scope->g->inputs) = port;
        } else {
            fail(m->job, EXIT_UNSUPPORTED, "%s: an input of kind %s is not supported", m->where, kind);
        }
    }
}

/* Key paths of the leaves of a pytree, in order: "a", "b.0", "b.1.0". */
static void leaf_names(Import *m, const Json *spec, const char *path, Sym *out, size_t room, size_t *n)
{
    const Json *children = json_get(spec, "children_spec"), *type = json_get(spec, "type");
    if (!type) {
        if (*n < room)
            out[*n] = sym(m->job, *path ? path : "output");
        ++*n;
        return;
    }
    const Json *context = json_get(spec, "context"), *keys = NULL;
    if (context && json_is_string(context) && strstr(json_string(m->job, type, m->where), "ict")) {
        const char *text = json_string(m->job, context, m->where);
        if (*text == '[')
            keys = json_parse(m->job, "treespec", text, strlen(text));
    }
    const Json *key = json_first(keys);
    int i = 0;
    for (const Json *c = json_first(children); c; c = json_next(c), i++) {
        const char *label = key && json_is_string(key) ? json_string(m->job, key, m->where) : job_printf(m->job, "%d", i);
        leaf_names(m, c, *path ? job_printf(m->job, "%s.%s", path, label) : label, out, room, n);
        key = key ? json_next(key) : NULL;
    }
}

static size_t output_names(Import *m, const Json *module, Sym *out, size_t room)
{
    const Json *entry = json_first(json_get(module, "module_call_graph"));
    const Json *spec = json_get(json_get(entry, "signature"), "out_spec");
    size_t n = 0;
    if (!spec || !json_is_string(spec))
        return 0;
    const char *text = json_string(m->job, spec, m->where);
    const Json *pair = json_parse(m->job, "out_spec", text, strlen(text));
    if (json_count(pair) == 2)
        leaf_names(m, json_next(json_first(pair)), "", out, room, &n);
    return n <= room ? n : 0;
}

static void import_output(Import *m, const Json *arg, Sym name)
{
    Job *job = m->job;
    const Json *one = json_first(arg);
    Port port = { .name = name, .kind = PORT_TENSOR };
    Call c = { .m = m, .target = "output", .b = { .g = m->scope->g, .stem = name } };
    if (tagged(one, "as_tensor")) {
        port.value = named_tensor(&c, json_need(job, one, "name", m->where));
    } else if (tagged(one, "as_sym_int") || tagged(one, "as_sym_float") || tagged(one, "as_sym_bool")) {
        Entry *e = sym_entry(&c, one);
        if (!e) {
            number_port(m, &port, json_first(one));
        } else {
            port.value = e->kind == ENTRY_INT ? build_index(&c.b, e->number) : e->value;
            port.scalar = true;
        }
    } else {
        number_port(m, &port, one);
    }
    *vec_push(job, &m->scope->g->outputs) = port;
}

static void import_outputs(Import *m, const Json *module, const Json *specs)
{
    size_t n = json_count(specs), i = 0;
    Sym *names = job_array(m->job, n + 1, sizeof *names);
    size_t named = output_names(m, module, names, n);
    for (const Json *s = json_first(specs); s; s = json_next(s), i++) {
        const Json *one = json_first(s);
        const char *kind = one ? json_key(one) : "";
        if (strcmp(kind, "user_output"))
            fail(m->job, EXIT_UNSUPPORTED,
                 "%s: the program has an output of kind %s (target aten.copy_); state and mutated inputs are not supported",
                 m->where, kind);
        Sym name = named == n ? names[i] : sym_printf(m->job, "output_%zu", i);
        const Json *arg = json_need(m->job, one, "arg", m->where);
        check_union(m, "an output", arg);
        import_output(m, arg, name);
    }
}

/* Ranges of expressions ("s86 + 1": {...}) are guards. */
static void import_range_guards(Import *m)
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

Graph *import_program(Job *job, Archive *archive, size_t model, Sym name, const ImportOptions *options)
{
    Import m = { .job = job, .archive = archive, .model = model, .options = options };
    m.where = job_printf(job, "%s.json", archive_model_name(archive, model));
    const Json *program = archive_program(archive, model);
    const Json *module = json_need(job, program, "graph_module", m.where);
    const Json *signature = json_need(job, module, "signature", m.where);
    m.ranges = json_get(program, "range_constraints");
    m.scope = job_alloc(job, sizeof *m.scope);
    m.scope->graph = json_need(job, module, "graph", m.where);
    m.scope->g = m.top = graph_new(job, name);
    const Json *values = json_need(job, m.scope->graph, "tensor_values", m.where);
    index_members(&m, values, &m.scope->meta_slot, &m.scope->meta_size);
    import_inputs(&m, need_array(&m, signature, "input_specs"));
    import_nodes(&m);
    import_outputs(&m, module, need_array(&m, signature, "output_specs"));
    import_range_guards(&m);
    return m.top;
}

/* ---- check ---------------------------------------------------------------------------------------------------------- */

static void check_graph(Import *m, const Json *graph, FILE *out, size_t *count)
{
    VEC(Sym) seen = { 0 };
    for (const Json *n = json_first(json_get(graph, "nodes")); n; n = json_next(n)) {
        Call c;
        Scope scope = { .graph = graph };
        m->scope = &scope;
        call_init(m, n, &c);
        for (const Json *a = json_first(json_get(n, "inputs")); a; a = json_next(a)) {
            const Json *one = json_first(json_get(a, "arg"));
            if (tagged(one, "as_graph"))
                check_graph(m, json_get(one, "graph"), out, count);
        }
        bool symbolic = !strncmp(c.target, "_operator.", 10) || !strncmp(c.target, "torch.sym_", 10) ||
                        !strncmp(c.target, "math.", 5) || !strncmp(c.target, "aten.sym_", 9);
        bool known = c.row || symbolic || !strcmp(c.target, "higher_order.cond") ||
                     !strcmp(c.target, "aten._assert_scalar.default");
        Sym name = sym(m->job, c.target);
        for (size_t i = 0; i < seen.n && !known; i++)
            known = seen.at[i] == name;
        if (known)
            continue;
        *vec_push(m->job, &seen) = name;
        fprintf(out, "%s\t%s\n", c.target, origin_text(m->job, &c.b.origin));
        ++*count;
    }
}

size_t import_check(Job *job, Archive *archive, size_t model, FILE *out)
{
    static const ImportOptions none;
    Import m = { .job = job, .archive = archive, .model = model, .options = &none };
    m.where = job_printf(job, "%s.json", archive_model_name(archive, model));
    const Json *program = archive_program(archive, model);
    const Json *module = json_need(job, program, "graph_module", m.where);
    size_t count = 0;
    check_graph(&m, json_need(job, module, "graph", m.where), out, &count);
    return count;
}
