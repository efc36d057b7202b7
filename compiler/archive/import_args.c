/* SPDX-License-Identifier: MIT */
/* Arguments of a call by their schema names.  See import.h. */
#include "import_parts.h"
#include <stdlib.h>
#include <string.h>

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

/* The schema's name of the argument number `at`. */
static bool schema_names(Call *c, size_t at, const char *name)
{
    const char *p = aten_schema(c->target);
    size_t n = strlen(name);
    p = p ? strchr(p, '(') + 1 : "";
    for (int depth = 0; at && *p && *p != '\n'; p++) {
        depth += (*p == '[' || *p == '(') - (*p == ']' || *p == ')');
        if (*p == ',' && !depth && strncmp(p, ", *", 3))
            at--;
    }
    const char *end = p + strcspn(p, ",=)\n");
    return !at && (size_t)(end - p) > n && end[-(ptrdiff_t)n - 1] == ' ' && !strncmp(end - n, name, n);
}

/* What the call gives for an argument, as a union; NULL: it is left out. */
static const Json *given(Call *c, const char *name)
{
    size_t at = 0;
    for (const Json *a = c->args; a; a = json_next(a), at++) {
        const Json *n = json_get(a, "name");
        const char *text = n && json_is_string(n) ? json_string(c->m->job, n, c->m->where) : "";
        if (*text ? !strcmp(text, name) : schema_names(c, at, name)) /* a wrapped operator's come without names */
            return json_get(a, "arg");
    }
    return NULL;
}

const Json *arg_json(Call *c, const char *name)
{
    const Json *one = json_first(given(c, name));
    return one && strcmp(json_key(one), "as_none") ? one : NULL;
}

bool arg_given(Call *c, const char *name)
{
    if (given(c, name))
        return arg_json(c, name) != NULL;
    const char *d = schema_default(c, name);
    return d && strncmp(d, "None", 4) != 0;
}

static _Noreturn void bad_arg(Call *c, const char *name, const char *want)
{
    fail_at(c->m->job, EXIT_INPUT, &c->b.origin, "%s: argument %s of %s is not %s", c->m->where, name, c->target, want);
}

bool tagged(const Json *arg, const char *tag)
{
    return arg && !strcmp(json_key(arg), tag);
}

Value *named_tensor(Call *c, const Json *name)
{
    const char *text = json_string(c->m->job, name, c->m->where);
    Entry *e = entry_find(c->m, text);
    if (!e)
        fail_at(c->m->job, EXIT_INPUT, &c->b.origin, "%s: %s reads %s, which is not defined before it", c->m->where,
                c->target, text);
    if (e->kind == ENTRY_TENSOR && dtype_is_complex(e->value->type.dtype) && c->row && !strchr(c->row->flags, 'z'))
        call_refuse(c, "it reads %s, which is complex", text);
    if (e->kind == ENTRY_TENSOR) {
        Value *v = entry_read(c->m, e);
        return c->casts && dtype_is_float(v->type.dtype) ? build_cast(&c->b, v, c->cast) : v;
    }
    if (e->kind == ENTRY_SCALAR)
        return e->value;
    if (e->kind == ENTRY_INT)
        return build_index(&c->b, e->number);
    const Tensor *plain = e->subclass ? archive_copied_tensor(c->m->archive, c->m->model, e->subclass) : NULL;
    Type t;
    if (plain && recorded_type(c->m, text, &t) && t.dtype == plain->dtype && t.rank == plain->rank)
        return constant_value(c->m, graph_name(c->b.g, text), plain);
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

size_t arg_optional_tensors(Call *c, const char *name, Value ***out)
{
    VEC(Value *) list = { 0 };
    const Json *a = arg_json(c, name);
    if (tagged(a, "as_tensors"))
        return arg_tensors(c, name, out);
    if (!tagged(a, "as_optional_tensors"))
        bad_arg(c, name, "a list of tensors");
    for (const Json *t = json_first(a); t; t = json_next(t)) {
        const Json *one = json_first(t);
        if (!tagged(one, "as_tensor") && !tagged(one, "as_none"))
            bad_arg(c, name, "a list of tensors and None");
        *vec_push(c->m->job, &list) =
            tagged(one, "as_tensor") ? named_tensor(c, json_need(c->m->job, one, "name", c->m->where)) : NULL;
    }
    *out = list.at;
    return list.n;
}

void arg_write(Call *c, const char *name, Value *v)
{
    const Json *a = arg_json(c, name);
    Job *job = c->m->job;
    Entry *e = tagged(a, "as_tensor")
                   ? entry_find(c->m, json_string(job, json_need(job, a, "name", c->m->where), c->m->where))
                   : NULL;
    if (!e || e->kind != ENTRY_TENSOR)
        call_refuse(c, "it writes into %s, which is no tensor", name);
    entry_write(c, e, v);
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

Entry *sym_entry(Call *c, const Json *arg)
{
    const Json *name = json_get(arg, "as_name");
    const char *text = name ? json_string(c->m->job, name, c->m->where) : NULL;
    Entry *e = text ? entry_find(c->m, text) : NULL;
    if (text && !e)
        fail_at(c->m->job, EXIT_INPUT, &c->b.origin, "%s: %s reads %s, which is not defined before it", c->m->where,
                c->target, text);
    return e;
}

/* The object of as_sym_int, or an element of as_sym_ints. */
static const Idx *sym_idx(Call *c, const char *name, const Json *a)
{
    Job *job = c->m->job;
    Entry *e = sym_entry(c, a);
    if (e && e->kind == ENTRY_INT)
        return e->number;
    if (e)
        call_refuse(c, "argument %s is a size known only during the run", name);
    return idx_const(job, json_int(job, json_need(job, a, "as_int", c->m->where), c->m->where));
}

const Idx *idx_of(Call *c, const char *name, const Json *a)
{
    Job *job = c->m->job;
    if (tagged(a, "as_int"))
        return idx_const(job, json_int(job, a, c->m->where));
    if (tagged(a, "as_bool"))
        return idx_const(job, json_bool(job, a, c->m->where));
    if (tagged(a, "as_sym_int"))
        return sym_idx(c, name, a);
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

size_t arg_sizes(Call *c, const char *name, const Idx **out, size_t room)
{
    const Json *a = arg_json(c, name);
    int64_t number[MAX_RANK * 2];
    size_t n = 0;
    if (!tagged(a, "as_sym_ints")) {
        n = arg_ints(c, name, number, room < MAX_RANK * 2 ? room : MAX_RANK * 2, 0);
        for (size_t i = 0; i < n; i++)
            out[i] = idx_const(c->m->job, number[i]);
        return n;
    }
    for (const Json *v = json_first(a); v; v = json_next(v), n++) {
        if (n == room)
            bad_arg(c, name, "a list as short as expected");
        out[n] = sym_idx(c, name, v);
    }
    return n;
}

size_t arg_floats(Call *c, const char *name, double *out, size_t room)
{
    const Json *a = arg_json(c, name);
    size_t n = 0;
    if (a && !tagged(a, "as_floats") && !tagged(a, "as_ints"))
        bad_arg(c, name, "a list of numbers");
    for (const Json *v = json_first(a); v; v = json_next(v)) {
        if (n == room)
            bad_arg(c, name, "a list as short as expected");
        out[n++] = json_double(c->m->job, v, c->m->where);
    }
    return n;
}

int dim_within(Call *c, int64_t d, int rank)
{
    int64_t n = rank ? rank : 1;
    if (d < -n || d >= n)
        fail_at(c->m->job, EXIT_INPUT, &c->b.origin, "%s: dim %lld of %s is outside a tensor of %d dimensions",
                c->m->where, (long long)d, c->target, rank);
    return (int)(d < 0 ? d + n : d);
}

DType arg_dtype(Call *c, const char *name)
{
    const Json *a = arg_json(c, name);
    return tagged(a, "as_scalar_type") ? dtype_from_torch(json_int(c->m->job, a, c->m->where)) : DT_NONE;
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
    if (tagged(a, "as_complex") && strchr(c->row->flags, 'z')) {
        Value *re = build_full(&c->b, DT_f64, json_double(job, json_need(job, a, "real", c->m->where), c->m->where));
        Value *im = build_full(&c->b, DT_f64, json_double(job, json_need(job, a, "imag", c->m->where), c->m->where));
        return build2(&c->b, OP_complex, re, im);
    }
    if (tagged(a, "as_complex"))
        call_refuse(c, "argument %s is complex", name);
    const Idx *e = arg_idx(c, name);
    int64_t k;
    return idx_is_const(e, &k) ? build_full_int(&c->b, DT_i64, k) : build_index(&c->b, e);
}

int arg_dim(Call *c, const char *name, int rank)
{
    return dim_within(c, arg_int(c, name), rank);
}
