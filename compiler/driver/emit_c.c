/* SPDX-License-Identifier: MIT */
/* --emit=c and --emit=obj: a model as one .c and one .h that need nothing else, or as one relocatable object.
 *
 * The .c is: target check, the .h, the kernels' sources that the model calls (AOTK_STATIC), prelude, constants, the
 * model, the entry.  All is static but NAME_entry, NAME being made of the output's name.  Constants up to 1 MiB are an
 * array; above that they are a file beside the .c, because initialisers cost a compiler seconds a megabyte: GNU C takes
 * it by .incbin, strict C gets an assembler file that defines NAME_weights.  An object has them inside at any size. */
#include "compile.h"
#include "embed.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ARRAY_MAX = 1 << 20, METADATA_LITERAL_MAX = 4000 };

/* What --target takes.  `level` names the table, `isa` is what a host reads in it. */
typedef struct Target {
    const char *flag, *level, *isa;
    int vector;          /* AOTK_VL: floats in a register */
    const char *march;   /* NULL: what the compiler does by itself */
    const char *checked; /* an #if expression that holds when the compiler aims at the target; NULL: none needed */
} Target;

static const Target targets[] = {
    { "generic", "generic", "generic", 1, NULL, NULL },
    { "x86-64", "x86_64", "x86-64", 4, NULL, "defined(__x86_64__)" },
    { "x86-64-v3", "v3", "x86-64-v3", 8, "-march=x86-64-v3",
      "defined(__AVX2__) && defined(__FMA__) && defined(__F16C__) && defined(__BMI2__)" },
    { "x86-64-v4", "v4", "x86-64-v4", 16, "-march=x86-64-v4",
      "defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)" },
    { "aarch64", "aarch64", "aarch64", 4, NULL, "defined(__aarch64__)" },
};

/* Where the constants are. */
typedef enum Place { PLACE_NONE, PLACE_ARRAY, PLACE_INCBIN, PLACE_EXTERN } Place;

typedef struct Files {
    Job *job;
    const Compilation *c;
    const CompileOptions *o;
    const Target *target;
    Place place;
    const char *stem; /* "out/net" of "out/net.c" */
    const char *base; /* "net" */
    const char *name; /* the C prefix */
    const char *weights; /* what .incbin reads */
} Files;

static bool strict(const Files *f)
{
    return f->target->vector == 1;
}

/* ---- flags -------------------------------------------------------------------------------------------------- */

static const Target *find_target(Job *job, const char *flag)
{
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        if (!strcmp(targets[i].flag, flag ? flag : "generic"))
            return &targets[i];
    usage_error(job, "--target=%s: is not known; generic, x86-64, x86-64-v3, x86-64-v4 and aarch64 are", flag);
}

static void check_flags(Job *job, const CompileOptions *o, bool object)
{
    if (o->cpu)
        usage_error(job, "--cpu=%s: is about a shared object; --emit=%s is for one level, which --target names", o->cpu,
                    object ? "obj" : "c");
    if (o->backend && (!object || !strcmp(o->backend, "tcc")))
        usage_error(job, "--backend=%s: --emit=%s", o->backend,
                    object ? "obj wants a C compiler" : "c runs no compiler");
    if (!object && o->sysroot)
        usage_error(job, "--sysroot: --emit=c runs no compiler");
}

static void name_files(Files *f, const char *output, bool object)
{
    const char *slash = strrchr(output, '/'), *base = slash ? slash + 1 : output, *dot = strrchr(base, '.');
    if (!object && (!dot || dot == base || strcmp(dot, ".c")))
        usage_error(f->job, "-o %s: --emit=c writes a .c and, beside it, a .h; the name must end in .c", output);
    if (!*base || dot == base || !strcmp(base, "-") || strpbrk(base, "\"\\\n") || (dot && !strcmp(dot, ".h")))
        usage_error(f->job, "-o %s: a .h of the same name goes with the output; this name does not allow that", output);
    size_t n = dot ? (size_t)(dot - base) : strlen(base);
    f->base = job_copy(f->job, base, n);
    f->stem = job_copy(f->job, output, (size_t)(base - output) + n);
    f->name = emit_name(f->job, f->base);
}

/* ---- kernels ------------------------------------------------------------------------------------------------ */

static bool defines(const Embedded *e, const char *callee)
{
    size_t n = strlen(callee), room = (size_t)(e->to - e->from);
    for (const char *p = e->from; (p = memmem(p, room, "AOTK_NAME(", 10)); room = (size_t)(e->to - p)) {
        p += 10;
        if ((size_t)(e->to - p) > n && !memcmp(p, callee, n) && p[n] == ')')
            return true;
    }
    return false;
}

/* Marks the sources that define what the block calls; behind them stands that headers are needed. */
static void mark_calls(Job *job, const Block *b, bool *wanted)
{
    for (const Stmt *s = b->first; s; s = s->next) {
        size_t n = 0;
        bool own = s->kind == S_CALL && strncmp(s->var, "aotk_", 5), found = s->kind != S_CALL || own;
        for (; embedded_sources[n].name; n++)
            if (!found && defines(&embedded_sources[n], s->var))
                found = wanted[n] = true;
        wanted[n] |= own; /* in glue.h, which needs the headers */
        if (!found)
            fail(job, EXIT_UNSUPPORTED, "the kernel %s has no source to emit; compile a shared object instead", s->var);
        mark_calls(job, &s->body, wanted);
    }
}

static bool includes(const Embedded *e, const char *header)
{
    char line[80];
    snprintf(line, sizeof line, "#include \"%s\"", header);
    return memmem(e->from, (size_t)(e->to - e->from), line, strlen(line)) != NULL;
}

/* A source without its #include lines. */
static void paste(Text *out, const Embedded *e)
{
    for (const char *p = e->from; p < e->to;) {
        const char *end = memchr(p, '\n', (size_t)(e->to - p));
        size_t n = end ? (size_t)(end - p) + 1 : (size_t)(e->to - p);
        if (n < 10 || memcmp(p, "#include \"", 10) != 0)
            text_put(out, p, n);
        p += n;
    }
    text_add(out, "\n");
}

static void paste_kernels(const Files *f, Text *out)
{
    size_t n = 0;
    while (embedded_sources[n].name)
        n++;
    bool *wanted = job_array(f->job, n + 1, sizeof *wanted), any, said = false;
    bool dense = false; /* its sources call square roots, which rt.c has */
    for (size_t i = 0; i < f->c->programs.n; i++)
        for (size_t k = 0; k < f->c->programs.at[i]->kernels.n; k++)
            mark_calls(f->job, &f->c->programs.at[i]->kernels.at[k]->body, wanted);
    any = wanted[n];
    for (size_t i = 0; i < n; i++)
        any |= wanted[i];
    for (size_t i = n; i-- > 0;) { /* a header lies before those that include it */
        const char *name = embedded_sources[i].name;
        if (!strcmp(name, "aotk.h") || !strcmp(name, "vec.h"))
            wanted[i] = true;
        for (size_t k = i + 1; k < n && !strcmp(strrchr(name, '.'), ".h"); k++)
            wanted[i] |= wanted[k] && includes(&embedded_sources[k], name);
        dense |= wanted[i] && !strcmp(name, "dense.h");
    }
    for (size_t i = 0; i < n; i++)
        if (!strcmp(embedded_sources[i].name, "rt.c"))
            any |= wanted[i] = dense || f->target->march; /* or for aotk_cpu_level */
    for (size_t i = 0; i < n && any; i++) {
        const char *dot = strrchr(embedded_sources[i].name, '.');
        bool heading = !strcmp(dot, ".h");
        if (!wanted[i])
            continue;
        if (!heading && !said) /* inlined and specialised copies cost flash, and gcc warns where it unrolls them */
            text_add(out, "#undef AOTK_API\n#if defined(__GNUC__) && !defined(__clang__) && !defined(__TINYC__)\n"
                          "#define AOTK_API static __attribute__((noinline, noclone, unused))\n"
                          "#else\n#define AOTK_API AOTK_NOINLINE\n#endif\n\n");
        said |= !heading;
        paste(out, &embedded_sources[i]);
    }
}

/* ---- constants ---------------------------------------------------------------------------------------------- */

static void write_weights(const Files *f, const char *path)
{
    const Weights *w = &f->c->weights;
    Output *out = output_open(f->job, path, 0666);
    output_write(out, w->bytes - 1, "", 1); /* the size; gaps are 0 */
    for (size_t i = 0; i < w->count; i++)
        output_write(out, w->parts[i].at, w->parts[i].data, w->parts[i].size);
    output_commit(out);
}

static void weights_array(const Files *f, Text *out)
{
    const Weights *w = &f->c->weights;
    size_t words = (size_t)(w->bytes + 3) / 4;
    uint8_t *all = job_array(f->job, words, 4);
    for (size_t i = 0; i < w->count; i++)
        memcpy(all + w->parts[i].at, w->parts[i].data, w->parts[i].size);
    text_add(out, "#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__\n"
                  "#error \"these constants are for processors that store the low byte first\"\n#endif\n"
                  "static _Alignas(64) const u32 aot_weight_words[] = {");
    for (size_t i = 0; i < words; i++) {
        const uint8_t *b = all + 4 * i;
        uint32_t v = b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
        text_add(out, v < 10 ? "%s%" PRIu32 "," : "%s0x%" PRIx32 ",", i % 8 ? " " : "\n    ", v);
    }
    text_add(out, "\n};\n#define aot_weights ((const u8 *)aot_weight_words)\n\n");
}

static void weights_text(const Files *f, Text *out)
{
    text_add(out, "/* ==== constants: %" PRIu64 " bytes */\n\n", f->c->weights.bytes);
    if (f->place == PLACE_ARRAY) {
        weights_array(f, out);
    } else if (f->place == PLACE_EXTERN) {
        text_add(out, "extern const u8 %s_weights[];\n#define aot_weights %s_weights\n\n", f->name, f->name);
    } else if (f->place == PLACE_INCBIN) {
        text_add(out, "#ifndef %s_WEIGHTS_FILE\n#define %s_WEIGHTS_FILE \"%s\"\n#endif\n", f->name, f->name,
                 f->weights);
        text_add(out,
                 "extern const u8 aot_weights[] __asm__(\"%s_weights\") __attribute__((visibility(\"hidden\")));\n"
                 "__asm__(\".pushsection .rodata\\n\\t.balign 64\\n%s_weights:\\n\\t\"\n"
                 "        \".incbin \\\"\" %s_WEIGHTS_FILE \"\\\"\\n\\t.popsection\\n\");\n\n",
                 f->name, f->name, f->name);
    }
}

static void assembler_file(const Files *f)
{
    const char *n = f->name;
    const char *text = job_printf(
        f->job,
        "/* The constants of %s.c for any ELF target: cc -c %s.weights.s, in the folder of %s. */\n"
        "    .section .rodata\n    .balign 64\n    .globl %s_weights\n    .hidden %s_weights\n"
        "    .type %s_weights, %%object\n%s_weights:\n    .incbin \"%s\"\n    .size %s_weights, . - %s_weights\n"
        "    .section .note.GNU-stack,\"\",%%progbits\n",
        f->base, f->base, f->weights, n, n, n, n, f->weights, n, n);
    output_file(f->job, job_printf(f->job, "%s.weights.s", f->stem), 0666, text, strlen(text));
}

/* ---- the texts ---------------------------------------------------------------------------------------------- */

static void metadata_text(const Files *f, Text *out)
{
    const char *isa = job_printf(f->job, "\"%s\"", f->target->isa);
    const char *from = provenance(f->job, f->c, f->o, f->target->flag, NULL, NULL);
    const char *m = artifact_metadata(&f->c->artifact, isa, from, false);
    size_t n = strlen(m);
    text_add(out, "/* What the model is, in JSON, for hosts that ask; define %s_NO_METADATA to save its %zu bytes. */\n"
                  "#ifdef %s_NO_METADATA\nstatic const char aot_metadata[] = \"{}\";\n#else\n"
                  "static const char aot_metadata[] = ", f->name, n, f->name);
    if (n > METADATA_LITERAL_MAX) { /* C11 promises 4095 characters in a literal, and any number in an array */
        text_add(out, "{");
        for (size_t i = 0; i <= n; i++)
            text_add(out, "%s%d,", i % 20 ? " " : "\n    ", (signed char)m[i]);
        text_add(out, "\n}");
    } else {
        for (size_t i = 0; i < n; i += 80) {
            text_add(out, "\n    ");
            emit_string(out, job_copy(f->job, m + i, n - i < 80 ? n - i : 80));
        }
    }
    text_add(out, ";\n#endif\n\n");
}

static void about_weights(const Files *f, Text *out)
{
    const char *n = f->name;
    if (f->place == PLACE_INCBIN)
        text_add(out, " * The constants are in %s, which the assembler reads (.incbin): compile in its folder, or\n"
                      " * with -D'%s_WEIGHTS_FILE=\"/path/to/it\"'; without -flto.\n", f->weights, n);
    if (f->place == PLACE_EXTERN)
        text_add(out, " * The constants are in %s: %" PRIu64 " bytes that the program provides as\n"
                      " *     extern const unsigned char %s_weights[];      64-byte aligned\n"
                      " * For an ELF target assemble and link %s.weights.s, which does just that.\n",
                 f->weights, f->c->weights.bytes, n, f->base);
}

/* How to compile it: lines for the heads of both files. */
static const char *about(const Files *f)
{
    Text t;
    text_init(&t, f->job);
    const Target *g = f->target;
    if (strict(f))
        text_add(&t, " * Strict C11 for any processor that stores the low byte first:\n"
                     " *     cc -std=c11 -O3 -ffp-contract=off -fno-math-errno -fno-trapping-math -c %s.c\n", f->base);
    else
        text_add(&t, " * GNU C for %s:\n"
                     " *     cc -std=gnu11 -O3 -ffp-contract=off -fno-math-errno -fno-trapping-math%s%s -c %s.c\n",
                 g->isa, g->march ? " " : "", g->march ? g->march : "", f->base);
    text_add(&t, " * It calls nothing: no libc, no allocation.  Compilers may still put memcpy, memmove or memset in\n"
                 " * place of loops, as they do with any C; every freestanding environment has these three.  gcc does\n"
                 " * so less with -fno-tree-loop-distribute-patterns.\n");
    about_weights(f, &t);
    return t.at;
}

/* Kernels may fuse a multiplication with an addition, all else must not: then results do not depend on the compiler. */
static void contraction(const Files *f, Text *out, bool on)
{
    if (strict(f))
        return;
    text_add(out, on ? "#if defined(__clang__)\n#pragma clang fp contract(fast)\n#elif defined(__GNUC__)\n"
                       "#pragma GCC push_options\n#pragma GCC optimize(\"fp-contract=fast\")\n#endif\n\n"
                     : "#if defined(__clang__)\n#pragma clang fp contract(off)\n#elif defined(__GNUC__)\n"
                       "#pragma GCC pop_options\n#endif\n\n");
}

static void model_text(const Files *f, Text *out, const Text *header)
{
    const Target *g = f->target;
    text_add(out, "/* SPDX-License-Identifier: MIT */\n/* Model ");
    emit_comment(out, f->c->artifact.name);
    text_add(out, ", written by aotc %s.\n *\n%s */\n", AOTC_VERSION, about(f));
    text_add(out, "#define AOT_NO_CALLS\n");
    if (header)
        text_put(out, header->at, header->n);
    else
        text_add(out, "#include \"%s.h\"\n", f->base);
    if (g->checked)
        text_add(out, "\n#if !(%s)\n#error \"this file is for %s%s%s\"\n#endif\n", g->checked, g->isa,
                 g->march ? ": compile it with " : "", g->march ? g->march : "");
    text_add(out, "\n#define AOTK_STATIC\n#define AOTK_VL %d\n\n", g->vector);
    contraction(f, out, true);
    paste_kernels(f, out);
    contraction(f, out, false);
    emit_head_one_file(out, g->level, g->isa);
    metadata_text(f, out);
    if (f->place != PLACE_NONE)
        weights_text(f, out);
    emit_model(out, &f->c->artifact);
    const char *levels[] = { g->level };
    emit_entry_function(out, job_printf(f->job, "%s_entry", f->name), levels, 1);
}

/* ---- one object --------------------------------------------------------------------------------------------- */

static const char *object_compiler(const Files *f)
{
    const char *wanted = f->o->cc, *cc;
#if !defined(__aarch64__)
    if (!wanted && !strcmp(f->target->flag, "aarch64"))
        wanted = "aarch64-linux-gnu-gcc";
#endif
    cc = cc_find(f->job, wanted);
    if (!cc)
        fail(f->job, EXIT_TOOLCHAIN, "%s: no C compiler answers; --emit=obj wants one for %s: name it with --cc",
             wanted ? wanted : "cc", f->target->flag);
    return cc;
}

typedef struct Scratch {
    const char *folder, *file;
} Scratch;

static void remove_scratch(void *handle)
{
    Scratch *s = handle;
    unlink(s->file);
    rmdir(s->folder);
}

/* The constants for .incbin, in a private folder that goes with the job. */
static const char *scratch_weights(const Files *f)
{
    const char *tmp = getenv("TMPDIR");
    char here[4096], *folder;
    if (!tmp || *tmp != '/')
        tmp = tmp && *tmp && getcwd(here, sizeof here) ? job_printf(f->job, "%s/%s", here, tmp) : "/tmp";
    folder = job_printf(f->job, "%s/aotc-XXXXXX", tmp);
    if (strpbrk(tmp, "\"\\\n") || !mkdtemp(folder))
        fail(f->job, EXIT_RESOURCE, "%s: cannot create a temporary folder; set TMPDIR", tmp);
    Scratch *s = job_alloc(f->job, sizeof *s);
    *s = (Scratch){ folder, job_printf(f->job, "%s/weights.bin", folder) };
    job_defer(f->job, remove_scratch, s);
    write_weights(f, s->file);
    return s->file;
}

static void compile_object(const Files *f, const Text *text, const char *output)
{
    const char *cc = object_compiler(f);
    VEC(const char *) flags = { 0 };
    const char *const common[] = { strict(f) ? "-std=c11" : "-std=gnu11", "-O3", "-fno-math-errno",
                                   "-fno-trapping-math", "-Wall", "-Wextra" };
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        *vec_push(f->job, &flags) = common[i];
    if (cc_accepts(f->job, cc, "-fno-tree-loop-distribute-patterns"))
        *vec_push(f->job, &flags) = "-fno-tree-loop-distribute-patterns";
    if (f->target->march)
        *vec_push(f->job, &flags) = f->target->march;
    if (f->o->sysroot)
        *vec_push(f->job, &flags) = job_printf(f->job, "--sysroot=%s", f->o->sysroot);
    *vec_push(f->job, &flags) = NULL;
    CcUnit unit = { job_printf(f->job, "%s.c", f->base), text->at, flags.at };
    Object object;
    cc_compile(f->job, cc, &unit, 1, 1, compile_cache(f->job, f->o), &object);
    output_file(f->job, output, 0666, object.bytes, object.size);
}

/* ---- all files ---------------------------------------------------------------------------------------------- */

void emit_c_files(Job *job, Compilation *c, const CompileOptions *o, const char *output)
{
    bool object = o->emit && !strcmp(o->emit, "obj");
    Files f = { .job = job, .c = c, .o = o, .target = find_target(job, o->target) };
    Text header, text;
    struct stat special;
    check_flags(job, o, object);
    name_files(&f, output, object);
    if (!stat(output, &special) && !S_ISREG(special.st_mode))
        usage_error(job, "-o %s: is no regular file; a .h is written beside the output", output);
    bool big = c->weights.bytes > ARRAY_MAX;
    f.weights = job_printf(job, "%s.weights.bin", f.base);
    f.place = !c->weights.bytes      ? PLACE_NONE
              : object               ? PLACE_INCBIN
              : !big                 ? PLACE_ARRAY
              : strict(&f)           ? PLACE_EXTERN
                                     : PLACE_INCBIN;
    if (object && f.place)
        f.weights = scratch_weights(&f);
    text_init(&header, job);
    text_init(&text, job);
    const char *file = output + strlen(f.stem) - strlen(f.base);
    const char *inside = job_printf(job, " * The object %s holds all of it, for %s.\n", file, f.target->isa);
    emit_header(&header, &c->artifact, f.name, object ? inside : about(&f));
    model_text(&f, &text, object ? &header : NULL);
    if (object) {
        compile_object(&f, &text, output);
    } else {
        if (big)
            write_weights(&f, job_printf(job, "%s.weights.bin", f.stem));
        if (f.place == PLACE_EXTERN)
            assembler_file(&f);
        output_file(job, output, 0666, text.at, text.n);
    }
    output_file(job, job_printf(job, "%s.h", f.stem), 0666, header.at, header.n);
    if (o->verbose)
        fprintf(stderr, "aotc: %s: %s, %zu methods, %" PRIu64 " bytes of constants\n", output, f.target->isa,
                c->programs.n, c->weights.bytes);
}
