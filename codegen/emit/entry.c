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

/* Last in both heads: sums and extremes of an innermost loop, whose elements the compiler may take in any order.  NaN stays
 * as in aot_max_f32, which OpenMP's own max does not say. */
static void reduction_macros(Text *out)
{
    text_add(out,
             "#if defined(__GNUC__) && !defined(__TINYC__) && defined(AOT_SIMD)\n"
             "#define AOT_PRAGMA(x) _Pragma(#x)\n#define AOT_SIMD_SUM(v) AOT_PRAGMA(omp simd reduction(+ : v))\n"
             "#pragma omp declare reduction(aot_max : f32, f64 : omp_out = (omp_out > omp_in) | (omp_out != omp_out) ? omp_out : omp_in) "
             "initializer(omp_priv = -AOT_INF)\n"
             "#pragma omp declare reduction(aot_min : f32, f64 : omp_out = (omp_out < omp_in) | (omp_out != omp_out) ? omp_out : omp_in) "
             "initializer(omp_priv = AOT_INF)\n"
             "#define AOT_SIMD_MAX(v) AOT_PRAGMA(omp simd reduction(aot_max : v))\n"
             "#define AOT_SIMD_MIN(v) AOT_PRAGMA(omp simd reduction(aot_min : v))\n"
             "#else\n#define AOT_SIMD_SUM(v)\n#define AOT_SIMD_MAX(v)\n#define AOT_SIMD_MIN(v)\n#endif\n\n");
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
    reduction_macros(out);
}

void emit_head_one_file(Text *out, const char *level, const char *isa)
{
    emit_embedded(out, embed_prelude, embed_prelude_end);
    emit_embedded(out, embed_glue, embed_glue_end);
    text_add(out,
             "#define AOT_TABLE static\n#define AOT_METADATA aot_metadata\n#define AOT_MODEL aot_model_%s\n"
             "#define AOT_ISA \"%s\"\n#define AOTK_NAME_AT(x) x\n",
             level, isa);
    reduction_macros(out);
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
