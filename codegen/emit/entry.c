/* SPDX-License-Identifier: MIT */
/* What stands around a model's own text: the head that it needs, the function that is exported, the metadata. */
#include "emit.h"
#include <inttypes.h>
#include <string.h>

void emit_embedded(Text *out, const char *from, const char *to)
{
    text_put(out, from, (size_t)(to - from));
    text_add(out, "\n");
}

/* ---- head and entry -------------------------------------------------------------------------------------------------------------- */

/* Last in both heads: sums of an innermost loop, which the compiler may add in any order. */
static void sums_macro(Text *out)
{
    text_add(out,
             "#if defined(__GNUC__) && !defined(__TINYC__) && defined(AOT_SIMD)\n"
             "#define AOT_PRAGMA(x) _Pragma(#x)\n#define AOT_SIMD_SUM(v) AOT_PRAGMA(omp simd reduction(+ : v))\n"
             "#else\n#define AOT_SIMD_SUM(v)\n#endif\n\n");
}

static void hidden_macro(Text *out)
{
    text_add(out, "#define AOT_HIDDEN __attribute__((visibility(\"hidden\")))\n");
}

void emit_head(Text *out)
{
    text_add(out, "#define AOT_NO_INCLUDES\n#define AOT_MODEL_ONLY\n#if defined(__TINYC__)\n#define AOT_RT\n#endif\n");
    emit_embedded(out, embed_prelude, embed_prelude_end);
    emit_embedded(out, embed_aot_h, embed_aot_h_end);
    emit_embedded(out, embed_aotk_h, embed_aotk_h_end);
    emit_embedded(out, embed_glue, embed_glue_end);
    hidden_macro(out);
    text_add(out,
             "#define AOT_TABLE AOT_HIDDEN\n"
             "extern AOT_HIDDEN const u8 aot_weights[];\nextern AOT_HIDDEN const char aot_metadata[];\n"
             "#define AOT_METADATA aot_metadata\n"
             "#ifdef AOT_SUFFIX\nAOTK_DECLARE(AOT_SUFFIX)\n"
             "#define AOTK_NAME_AT(x) AOTK_PASTE(x, AOT_SUFFIX)\n#endif\n");
    sums_macro(out);
}

void emit_head_one_file(Text *out, const char *level, const char *isa)
{
    emit_embedded(out, embed_prelude, embed_prelude_end);
    emit_embedded(out, embed_glue, embed_glue_end);
    text_add(out,
             "#define AOT_TABLE static\n#define AOT_METADATA aot_metadata\n#define AOT_MODEL aot_model_%s\n"
             "#define AOT_ISA \"%s\"\n#define AOTK_NAME_AT(x) x\n",
             level, isa);
    sums_macro(out);
}

static void metadata_text(Text *out, const char *metadata)
{
    text_add(out, "AOT_HIDDEN const char aot_metadata[] =");
    for (size_t n = strlen(metadata), i = 0; i < n; i += 80) { /* pieces: compilers limit a literal's line */
        char piece[81];
        size_t k = n - i < 80 ? n - i : 80;
        memcpy(piece, metadata + i, k);
        piece[k] = 0;
        text_add(out, "\n    ");
        emit_string(out, piece);
    }
    text_add(out, ";\n\n");
}

/* The least that aotk_cpu_level must say; 0: the level is what every processor of the machine has. */
static int cpu_needed(const char *level)
{
    return !strcmp(level, "v4") ? 4 : !strcmp(level, "v3") ? 3 : 0;
}

void emit_entry_function(Text *out, const char *name, const char *const *levels, size_t count)
{
    bool asks = false;
    for (size_t i = 0; i < count; i++)
        asks |= cpu_needed(levels[i]) > 0;
    text_add(out,
             "\nstatic int aot_same(const char *a, const char *b)\n{\n    while (*a && *a == *b) {\n        a++;\n"
             "        b++;\n    }\n    return *a == *b;\n}\n\n"
             "const aot_model *%s(uint32_t host_abi, const char *isa, aot_status *status)\n{\n%s"
             "    *status = AOT_OK;\n"
             "    if (host_abi != AOT_ABI) {\n        *status = AOT_EABI;\n        return 0;\n    }\n",
             name, asks ? "    const int cpu = aotk_cpu_level();\n" : "");
    for (size_t i = 0; i < count; i++) {
        text_add(out, "    if (");
        if (cpu_needed(levels[i]))
            text_add(out, "cpu >= %d && (", cpu_needed(levels[i]));
        text_add(out, "!isa || aot_same(isa, aot_model_%s.isa)%s)\n        return &aot_model_%s;\n", levels[i],
                 cpu_needed(levels[i]) ? ")" : "", levels[i]);
    }
    text_add(out, "    *status = AOT_ECPU;\n    return 0;\n}\n");
}

void emit_entry(Text *out, const char *const *levels, size_t count, const char *metadata)
{
    text_add(out, "#define AOT_NO_INCLUDES\n#define AOT_MODEL_ONLY\n");
    emit_embedded(out, embed_aot_h, embed_aot_h_end);
    hidden_macro(out);
    text_add(out, "extern int aotk_cpu_level(void);\n\n");
    metadata_text(out, metadata);
    for (size_t i = 0; i < count; i++)
        text_add(out, "extern AOT_HIDDEN const aot_model aot_model_%s;\n", levels[i]);
    emit_entry_function(out, "aot_entry", levels, count);
}

int64_t emit_most(Job *job, const Idx *d)
{
    const Idx *bound = idx_at_entry(job, d);
    return bound && bound->hi < d->hi ? bound->hi : d->hi;
}

/* ---- metadata ----------------------------------------------------------------------------------------------------------------------- */

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

static void json_text(Text *out, const char *key, const char *value)
{
    if (!value)
        return;
    text_add(out, ",\"%s\":", key);
    text_json(out, value);
}

const char *artifact_metadata(const Artifact *a, const char *levels, const char *extra)
{
    Text t;
    text_init(&t, a->job);
    text_add(&t, "{\"format\":1,\"name\":");
    text_json(&t, a->name);
    text_add(&t, ",\"compiler\":\"aotc %s\",\"isa\":[%s],\"weights_bytes\":%" PRIu64 ",\"state_bytes\":%" PRIu64 ",\"methods\":[",
             a->version, levels, a->weights->bytes, a->weights->state_bytes);
    for (size_t i = 0; i < a->program_count; i++) {
        const Program *p = a->programs[i];
        text_add(&t, "%s{\"name\":", i ? "," : "");
        text_json(&t, p->name);
        text_add(&t, ",\"inputs\":");
        json_ports(&t, p->g->inputs.at, p->g->inputs.n);
        text_add(&t, ",\"outputs\":");
        json_ports(&t, p->g->outputs.at, p->g->outputs.n);
        json_text(&t, "in_spec", p->g->in_spec);
        json_text(&t, "out_spec", p->g->out_spec);
        json_text(&t, "arg_names", p->g->arg_names);
        text_add(&t, ",\"kernels\":[");
        for (size_t k = 0; k < p->kernels.n; k++) {
            const Kernel *at = p->kernels.at[k];
            const Idx *flops = kernel_flops(a->job, at);
            text_add(&t, k ? ",{\"name\":" : "{\"name\":");
            text_json(&t, at->name);
            text_add(&t, ",\"about\":");
            text_json(&t, at->about ? at->about : "");
            if (at->origin.file) {
                text_add(&t, ",\"line\":");
                text_json(&t, origin_text(a->job, &at->origin));
            }
            if (!idx_is(flops, 0)) {
                text_add(&t, ",\"flops\":");
                text_json(&t, idx_text(a->job, flops));
            }
            text_add(&t, "}");
        }
        text_add(&t, "]}");
    }
    text_add(&t, "]%s}", extra);
    return t.at;
}
