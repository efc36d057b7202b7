/* SPDX-License-Identifier: MIT */
/* What a model says of itself, as JSON: for hosts its methods and ports, for tools (inspect, profile) its kernels,
 * where they come from, what they read and write, and the plans of memory. */
#include "emit.h"
#include <inttypes.h>
#include <string.h>

static void json_text(Text *out, const char *key, const char *value)
{
    if (!value)
        return;
    text_add(out, ",\"%s\":", key);
    text_json(out, value);
}

static void json_port(Text *out, const Port *p)
{
    text_add(out, "{\"name\":");
    text_json(out, p->name);
    if (p->kind == PORT_NONE) {
        text_add(out, ",\"none\":true}");
        return;
    }
    Type t = p->kind == PORT_TENSOR ? port_type(p) : (Type){ .dtype = p->dtype };
    text_add(out, ",\"dtype\":\"%s\",\"dims\":[", dtype_info[t.dtype].name);
    for (int i = 0; i < t.rank; i++) {
        const Idx *e = t.dim[i];
        text_add(out, i ? "," : "");
        if (e->op == IDX_CONST) {
            text_add(out, "%" PRId64, e->k);
            continue;
        }
        text_add(out, "{\"size\":\"");
        idx_print(out, e);
        text_add(out, "\",\"min\":%" PRId64, e->lo < 0 ? 0 : e->lo);
        if (emit_most(out->job, e) != INT64_MAX)
            text_add(out, ",\"max\":%" PRId64, emit_most(out->job, e));
        text_add(out, idx_is_late(e) ? ",\"unknown\":true}" : "}");
    }
    text_add(out, "]");
    double real;
    memcpy(&real, &p->bits, 8);
    if (p->kind == PORT_NUMBER && p->dtype == DT_f64)
        text_add(out, ",\"value\":\"%.17g\"", real);
    else if (p->kind == PORT_NUMBER)
        text_add(out, ",\"value\":\"%" PRId64 "\"", p->bits);
    if (p->kept) {
        text_add(out, ",\"kept\":true");
        json_text(out, "module", p->kept->module);
        json_text(out, "line", origin_text(out->job, p->kept));
    }
    text_add(out, "%s%s}", p->scalar ? ",\"scalar\":true" : "", p->mutated ? ",\"mutated\":true" : "");
}

static void json_ports(Text *out, const Port *at, size_t n)
{
    text_add(out, "[");
    for (size_t i = 0; i < n; i++) {
        text_add(out, i ? "," : "");
        json_port(out, &at[i]);
    }
    text_add(out, "]");
}

static void json_names(Text *out, const char *key, Buffer *const *at, size_t n)
{
    text_add(out, ",\"%s\":[", key);
    for (size_t i = 0; i < n; i++) {
        text_add(out, i ? "," : "");
        text_json(out, at[i]->name);
    }
    text_add(out, "]");
}

static void json_kernel(Text *out, Job *job, const Kernel *k, bool tools)
{
    const Idx *flops = kernel_flops(job, k, false), *done = kernel_flops(job, k, true);
    text_add(out, "{\"name\":");
    text_json(out, k->name);
    text_add(out, ",\"about\":");
    text_json(out, k->about ? k->about : "");
    if (k->origin.file)
        json_text(out, "line", origin_text(job, &k->origin));
    if (!idx_is(flops, 0))
        json_text(out, "flops", idx_text(job, flops));
    if (tools) {
        json_text(out, "done", done == flops ? NULL : idx_text(job, done));
        json_text(out, "module", k->origin.module);
        json_text(out, "bytes", idx_text(job, kernel_bytes(job, k)));
        json_names(out, "reads", k->reads.at, k->reads.n);
        json_names(out, "writes", k->writes.at, k->writes.n);
    }
    text_add(out, "}");
}

static void json_plan(Text *out, Job *job, const Program *p)
{
    json_text(out, "workspace", idx_text(job, p->workspace));
    text_add(out, ",\"steps\":%d,\"buffers\":[", p->positions);
    for (size_t i = 0; i < p->works.n; i++) {
        const Buffer *b = p->works.at[i];
        text_add(out, i ? ",{\"name\":" : "{\"name\":");
        text_json(out, b->name);
        json_text(out, "at", b->at ? idx_text(job, b->at) : NULL);
        json_text(out, "bytes", idx_text(job, b->bytes));
        text_add(out, ",\"first\":%d,\"last\":%d}", b->first, b->last);
    }
    text_add(out, "]");
}

static void json_method(Text *out, Job *job, const Program *p, bool tools)
{
    text_add(out, "{\"name\":");
    text_json(out, p->name);
    text_add(out, ",\"inputs\":");
    json_ports(out, p->g->inputs.at, p->g->inputs.n);
    text_add(out, ",\"outputs\":");
    json_ports(out, p->g->outputs.at, p->g->outputs.n);
    json_text(out, "in_spec", p->g->in_spec);
    json_text(out, "out_spec", p->g->out_spec);
    json_text(out, "arg_names", p->g->arg_names);
    text_add(out, ",\"kernels\":[");
    for (size_t k = 0; k < p->kernels.n; k++) {
        text_add(out, k ? "," : "");
        json_kernel(out, job, p->kernels.at[k], tools);
    }
    text_add(out, "]");
    if (tools)
        json_plan(out, job, p);
    text_add(out, "}");
}

const char *artifact_metadata(const Artifact *a, const char *levels, const char *extra, bool tools)
{
    Text t;
    text_init(&t, a->job);
    text_add(&t, "{\"format\":1,");
    if (a->about) {
        text_add(&t, "%s", a->about);
    } else {
        text_add(&t, "\"name\":");
        text_json(&t, a->name);
    }
    text_add(&t, ",\"compiler\":\"aotc %s\",\"isa\":[%s],\"weights_bytes\":%" PRIu64 ",\"state_bytes\":%" PRIu64 ",\"methods\":[",
             a->version, levels, a->weights->bytes, a->weights->state_bytes);
    for (size_t i = 0; i < a->program_count; i++) {
        text_add(&t, i ? "," : "");
        json_method(&t, a->job, a->programs[i], tools);
    }
    text_add(&t, "]");
    for (size_t i = 0; i < a->weights->count && tools; i++) {
        text_add(&t, i ? ",{\"name\":" : ",\"weights\":[{\"name\":");
        text_json(&t, a->weights->parts[i].name ? a->weights->parts[i].name : "");
        text_add(&t, ",\"at\":%" PRIu64 ",\"bytes\":%" PRIu64 "}%s", a->weights->parts[i].at,
                 a->weights->parts[i].size, i + 1 < a->weights->count ? "" : "]");
    }
    text_add(&t, "%s}", extra);
    return t.at;
}
