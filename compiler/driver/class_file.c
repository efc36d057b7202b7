/* SPDX-License-Identifier: MIT */
#include "class_file.h"
#include <string.h>

enum {
    TAG_UTF8 = 1,
    TAG_CLASS = 7,
    TAG_FIELD = 9,
    TAG_METHOD = 10,
    TAG_NAME_AND_TYPE = 12,
    JAVA_8 = 52,
    WIDE = 0xc4,
    MOST = 65535
};

struct Class {
    Job *job;
    int self, super;
    VEC(Sym) pool; /* what tells each entry from the others */
    Text entries, fields, methods, nested, code, parameters;
    int field_count, method_count, nested_count, parameter_count;
    int access, name, descriptor; /* of the method under way */
};

static void u1(Text *t, int v)
{
    char byte = (char)v;
    text_put(t, &byte, 1);
}

static void u2(Text *t, int v)
{
    u1(t, v >> 8);
    u1(t, v);
}

static void u4(Text *t, size_t v)
{
    u2(t, (int)(v >> 16));
    u2(t, (int)(v & MOST));
}

/* The entry's number; `key` tells it from others. */
static int entry(Class *c, const char *key, const char *bytes, size_t size)
{
    Sym k = sym(c->job, key);
    for (size_t i = 0; i < c->pool.n; i++)
        if (c->pool.at[i] == k)
            return (int)i + 1;
    if (c->pool.n + 1 >= MOST)
        fail(c->job, EXIT_UNSUPPORTED, "a Java class cannot hold so many names");
    *vec_push(c->job, &c->pool) = k;
    text_put(&c->entries, bytes, size);
    return (int)c->pool.n;
}

/* Names are ASCII, which Java's modified UTF-8 leaves as it is. */
static int utf8(Class *c, const char *text)
{
    Text t;
    size_t n = strlen(text);
    if (n > MOST)
        fail(c->job, EXIT_UNSUPPORTED, "a Java class cannot hold a name of %zu bytes", n);
    text_init(&t, c->job);
    u1(&t, TAG_UTF8);
    u2(&t, (int)n);
    text_put(&t, text, n);
    return entry(c, job_printf(c->job, "%d %s", TAG_UTF8, text), t.at, t.n);
}

static int pair(Class *c, int tag, int a, int b)
{
    Text t;
    text_init(&t, c->job);
    u1(&t, tag);
    u2(&t, a);
    if (tag != TAG_CLASS)
        u2(&t, b);
    return entry(c, job_printf(c->job, "%d %d %d", tag, a, b), t.at, t.n);
}

int class_ref(Class *c, const char *name)
{
    return pair(c, TAG_CLASS, utf8(c, name), 0);
}

static int member_ref(Class *c, int tag, const char *owner, const char *name, const char *descriptor)
{
    return pair(c, tag, class_ref(c, owner), pair(c, TAG_NAME_AND_TYPE, utf8(c, name), utf8(c, descriptor)));
}

int class_method_ref(Class *c, const char *owner, const char *name, const char *descriptor)
{
    return member_ref(c, TAG_METHOD, owner, name, descriptor);
}

int class_field_ref(Class *c, const char *owner, const char *name, const char *descriptor)
{
    return member_ref(c, TAG_FIELD, owner, name, descriptor);
}

Class *class_new(Job *job, const char *name, const char *super)
{
    Class *c = job_alloc(job, sizeof *c);
    c->job = job;
    Text *texts[] = { &c->entries, &c->fields, &c->methods, &c->nested, &c->code, &c->parameters };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        text_init(texts[i], job);
    c->self = class_ref(c, name);
    c->super = class_ref(c, super);
    return c;
}

void class_nested(Class *c, const char *name, const char *outer, const char *simple)
{
    u2(&c->nested, class_ref(c, name));
    u2(&c->nested, class_ref(c, outer));
    u2(&c->nested, utf8(c, simple));
    u2(&c->nested, ACC_PUBLIC | ACC_STATIC | ACC_FINAL);
    c->nested_count++;
}

void class_field(Class *c, int access, const char *name, const char *descriptor)
{
    u2(&c->fields, access);
    u2(&c->fields, utf8(c, name));
    u2(&c->fields, utf8(c, descriptor));
    u2(&c->fields, 0);
    c->field_count++;
}

/* ---- methods -------------------------------------------------------------------------------------------------- */

void class_method(Class *c, int access, const char *name, const char *descriptor, const char *const *parameters,
                  size_t count)
{
    text_init(&c->code, c->job);
    text_init(&c->parameters, c->job);
    c->access = access;
    c->name = utf8(c, name);
    c->descriptor = utf8(c, descriptor);
    c->parameter_count = (int)count;
    for (size_t i = 0; i < count; i++) {
        u2(&c->parameters, utf8(c, parameters[i]));
        u2(&c->parameters, 0);
    }
}

void class_op(Class *c, int op)
{
    u1(&c->code, op);
}

void class_op1(Class *c, int op, int operand)
{
    if (operand > 255) {
        u1(&c->code, WIDE);
        class_op2(c, op, operand);
        return;
    }
    u1(&c->code, op);
    u1(&c->code, operand);
}

void class_op2(Class *c, int op, int operand)
{
    u1(&c->code, op);
    u2(&c->code, operand);
}

void class_method_end(Class *c, int max_stack, int max_locals)
{
    Text *m = &c->methods;
    if (c->code.n >= MOST)
        fail(c->job, EXIT_UNSUPPORTED, "a Java method cannot have so many inputs or outputs");
    u2(m, c->access);
    u2(m, c->name);
    u2(m, c->descriptor);
    u2(m, c->parameter_count ? 2 : 1); /* attributes */
    u2(m, utf8(c, "Code"));
    u4(m, c->code.n + 12);
    u2(m, max_stack);
    u2(m, max_locals);
    u4(m, c->code.n);
    text_put(m, c->code.at, c->code.n);
    u4(m, 0); /* no handlers, no attributes */
    if (c->parameter_count) {
        u2(m, utf8(c, "MethodParameters"));
        u4(m, c->parameters.n + 1);
        u1(m, c->parameter_count);
        text_put(m, c->parameters.at, c->parameters.n);
    }
    c->method_count++;
}

Text class_bytes(Class *c)
{
    Text t;
    int nested = c->nested_count ? utf8(c, "InnerClasses") : 0;
    text_init(&t, c->job);
    u4(&t, 0xcafebabe);
    u4(&t, JAVA_8);
    u2(&t, (int)c->pool.n + 1);
    text_put(&t, c->entries.at, c->entries.n);
    u2(&t, ACC_PUBLIC | ACC_FINAL | ACC_SUPER);
    u2(&t, c->self);
    u2(&t, c->super);
    u2(&t, 0); /* interfaces */
    u2(&t, c->field_count);
    text_put(&t, c->fields.at, c->fields.n);
    u2(&t, c->method_count);
    text_put(&t, c->methods.at, c->methods.n);
    u2(&t, nested ? 1 : 0);
    if (nested) {
        u2(&t, nested);
        u4(&t, c->nested.n + 2);
        u2(&t, c->nested_count);
        text_put(&t, c->nested.at, c->nested.n);
    }
    return t;
}
