/* SPDX-License-Identifier: MIT */
/* --report=FILE.json: what a compilation did, for tools: methods, kernels and the lines they come from, the memory
 * plan, the weights. */
#include "compile.h"
#include <inttypes.h>
#include <string.h>

static void field(Text *t, const char *key, const char *value)
{
    text_add(t, "\"%s\": ", key);
    text_json(t, value ? value : "");
}

static void names(Text *t, const char *key, Buffer *const *at, size_t n)
{
    text_add(t, ", \"%s\": [", key);
    for (size_t i = 0; i < n; i++) {
        text_add(t, i ? ", {" : "{");
        field(t, "name", at[i]->name);
        text_add(t, "}");
    }
    text_add(t, "]");
}

static void kernel(Text *t, Job *job, const Kernel *k)
{
    text_add(t, "      {");
    field(t, "name", k->name);
    text_add(t, ", ");
    field(t, "about", k->about);
    text_add(t, ", ");
    field(t, "line", origin_text(job, &k->origin));
    text_add(t, ", ");
    field(t, "operator", k->origin.target);
    names(t, "reads", k->reads.at, k->reads.n);
    names(t, "writes", k->writes.at, k->writes.n);
    text_add(t, "}");
}

static void method(Text *t, Job *job, const Program *p)
{
    text_add(t, "    {");
    field(t, "name", p->name);
    text_add(t, ", ");
    field(t, "workspace", idx_text(job, p->workspace));
    text_add(t, ",\n     \"kernels\": [\n");
    for (size_t i = 0; i < p->kernels.n; i++) {
        kernel(t, job, p->kernels.at[i]);
        text_add(t, i + 1 < p->kernels.n ? ",\n" : "\n");
    }
    text_add(t, "     ],\n     \"buffers\": [\n");
    for (size_t i = 0; i < p->works.n; i++) {
        const Buffer *b = p->works.at[i];
        text_add(t, "      {");
        field(t, "name", b->name);
        text_add(t, ", ");
        field(t, "at", idx_text(job, b->at));
        text_add(t, ", ");
        field(t, "bytes", idx_text(job, b->bytes));
        text_add(t, ", \"first\": %d, \"last\": %d}%s\n", b->first, b->last, i + 1 < p->works.n ? "," : "");
    }
    text_add(t, "     ]}");
}

void write_report(Job *job, const Compilation *c, const char *path)
{
    size_t n = strlen(path);
    Text t;
    if (n < 5 || strcmp(path + n - 5, ".json"))
        usage_error(job, "--report=%s: the name must end in .json", path);
    text_init(&t, job);
    text_add(&t, "{\n  ");
    field(&t, "model", c->artifact.name);
    text_add(&t, ",\n  \"methods\": [\n");
    for (size_t i = 0; i < c->programs.n; i++) {
        method(&t, job, c->programs.at[i]);
        text_add(&t, i + 1 < c->programs.n ? ",\n" : "\n");
    }
    text_add(&t, "  ],\n  \"weights\": [\n");
    for (size_t i = 0; i < c->weights.count; i++) {
        text_add(&t, "    {");
        field(&t, "name", c->weights.parts[i].name);
        text_add(&t, ", \"at\": %" PRIu64 ", \"bytes\": %" PRIu64 "}%s\n", c->weights.parts[i].at, c->weights.parts[i].size,
                 i + 1 < c->weights.count ? "," : "");
    }
    text_add(&t, "  ]\n}\n");
    output_file(job, path, 0666, t.at, t.n);
}
