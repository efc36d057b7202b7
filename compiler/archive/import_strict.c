/* SPDX-License-Identifier: MIT */
/* Strictness: every union has one known tag with a value of the right kind.  See import.h. */
#include "import_parts.h"
#include <string.h>

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

void check_union(Import *m, const char *what, const Json *v)
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

const Json *need_array(Import *m, const Json *object, const char *key)
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

void check_node(Import *m, const Json *node)
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
