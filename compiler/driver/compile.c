/* SPDX-License-Identifier: MIT */
/* One compilation from archive to artifact: read, optimise, lower, emit, compile for each level, link. */
#include "compile.h"
#include "embed.h"
#include "jar.h"
#include "recipe.h"
#include "weights_file.h"
#include "../archive/zip.h"
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the front: archives to programs ---------------------------------------------------------------------- */

static void parse_dims(Job *job, const CompileOptions *o, ImportOptions *out)
{
    out->dims = job_array(job, o->dim_count + 1, sizeof *out->dims);
    out->dim_count = o->dim_count;
    for (size_t i = 0; i < o->dim_count; i++) {
        const char *eq = strchr(o->dims[i], '=');
        char *end = NULL;
        struct DimOption *d = &out->dims[i];
        d->name = eq ? job_copy(job, o->dims[i], (size_t)(eq - o->dims[i])) : "";
        d->lo = d->hi = eq ? strtoll(eq + 1, &end, 10) : 0;
        if (end && !strncmp(end, "..", 2))
            d->hi = strtoll(end + 2, &end, 10);
        for (size_t k = 0; k < i; k++)
            if (!strcmp(out->dims[k].name, d->name))
                usage_error(job, "--dim %s: is given twice", d->name);
        if (!eq || end == eq + 1 || *end || d->lo < 0 || d->hi < d->lo || d->hi == INT64_MAX)
            usage_error(job, "--dim %s: not of the form NAME=8 or NAME=1..64", o->dims[i]);
    }
}

static Sym method_name(Job *job, Sym model)
{
    return strcmp(model, "model") ? model : sym(job, "forward");
}

/* The outputs that --keep-intermediates asks for, "@NODE": all that depends on an input, once. */
static void keep_values(Graph *g, const ImportOptions *import)
{
    bool *seen = job_array(g->job, g->values.n + 1, sizeof *seen);
    for (size_t i = 0; i < import->kept.n; i++) {
        Kept *k = &import->kept.at[i];
        if (k->value->kind != VALUE_NODE || value_is_constant(k->value) || seen[k->value->id])
            continue;
        seen[k->value->id] = true;
        Origin *origin = job_alloc(g->job, sizeof *origin);
        *origin = k->origin;
        *vec_push(g->job, &g->outputs) = (Port){ .name = sym_printf(g->job, "@%s", k->name), .kind = PORT_TENSOR,
                                                 .value = k->value, .kept = origin };
    }
}

static Graph *import_graph(Job *job, const ProgramRef *from, Sym name, ImportOptions *import)
{
    Graph *g = import_program(job, from->archive, from->model, name, import);
    keep_values(g, import);
    return g;
}

static void add_graph(Job *job, Compilation *c, const ProgramRef *source, Sym name, const CompileOptions *o,
                      ImportOptions *import)
{
    for (size_t i = 0; i < c->graphs.n; i++)
        if (c->graphs.at[i]->name == name)
            fail(job, EXIT_USAGE, "two methods are called %s; give one another name with --method NAME=FILE", name);
    double start = seconds_now();
    Graph *g = import_graph(job, source, name, import);
    if (o->time_passes)
        fprintf(stderr, "%-16s %8.2f ms\n", "import", (seconds_now() - start) * 1e3);
    *vec_push(job, &c->graphs) = g;
}

static void open_archive(Job *job, Compilation *c, const char *path, const char *as, const CompileOptions *o)
{
    Archive *archive = archive_open(job, path);
    size_t n = archive_model_count(archive);
    *vec_push(job, &c->inputs) = path;
    if (!c->torch) {
        c->torch = archive_torch(archive);
        memcpy(c->archive_sha256, archive_sha256(archive), 32);
    }
    if (as && n > 1)
        fail(job, EXIT_USAGE, "--method %s=%s: the archive holds %zu programs; a method is one", as, path, n);
    bool found = false;
    for (size_t i = 0; i < n; i++) {
        Sym name = archive_model_name(archive, i);
        if (!as && o->model && strcmp(o->model, name))
            continue;
        found = true;
        *vec_push(job, &c->sources) = (ProgramRef){ archive, i };
        *vec_push(job, &c->names) = as ? sym(job, as) : method_name(job, name);
    }
    if (!found)
        fail(job, EXIT_USAGE, "%s: has no program called %s", path, o->model);
}

static Sym artifact_name(Job *job, const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path, *dot = strrchr(base, '.');
    return sym_n(job, base, dot && dot != base ? (size_t)(dot - base) : strlen(base));
}

static void dump_program(Job *job, const CompileOptions *o, const char *stage, const Program *p)
{
    Text t;
    if (!o->dump)
        return;
    text_init(&t, job);
    program_print(&t, p);
    pass_dump(&(PassOptions){ o->dump, false, stderr }, stage, t.at);
}

LowerOptions compile_lower_options(const CompileOptions *o)
{
    bool firmware = o->emit && (!strcmp(o->emit, "c") || !strcmp(o->emit, "obj")); /* flash is dear */
    const char *tile = o->winograd ? o->winograd : firmware ? "off" : "4";
    return (LowerOptions){ .winograd = *tile == 'o' ? 0 : *tile - '0' };
}

static const char *levels_text(Job *job, const CompileOptions *o);

void compile_front(Job *job, Compilation *c, const char *input, const CompileOptions *o, bool graphs_only)
{
    ImportOptions import = { 0 };
    PassOptions show = { o->dump, o->time_passes, stderr };
    parse_dims(job, o, &import);
    import.keep = o->keep;
    for (size_t i = 0; i < o->custom_count; i++) {
        *vec_push(job, &import.customs) = sym(job, o->customs[i].name);
        *vec_push(job, &c->inputs) = o->customs[i].path;
    }
    if (o->meta) {
        c->meta = meta_read(job, o->meta);
        *vec_push(job, &c->inputs) = o->meta;
    }
    evaluator_install(job);
    c->weights = (Weights){ .job = job };
    open_archive(job, c, input, NULL, o);
    for (size_t i = 0; i < o->method_count; i++)
        open_archive(job, c, o->methods[i].path, o->methods[i].name, o);
    if (o->state_dict) {
        state_dict_apply(job, state_dict_open(job, o->state_dict), c->sources.at, c->sources.n);
        *vec_push(job, &c->inputs) = o->state_dict;
    }
    for (size_t i = 0; i < c->sources.n; i++)
        add_graph(job, c, &c->sources.at[i], c->names.at[i], o, &import);
    for (size_t i = 0; i < import.dim_count; i++)
        if (!import.dims[i].used)
            fail(job, EXIT_USAGE, "--dim %s: the model has no such dynamic size", import.dims[i].name);
    if (!graphs_only) { /* before anything is made of the weights: they and what is made need not be in memory together */
        const ParameterList parameters = parameters_of(job, c);
        c->weights_hash = parameters_hash(job, &parameters);
        archive_unload(c->sources.at[0].archive);
    }
    for (size_t i = 0; i < c->graphs.n; i++) {
        Graph **g = &c->graphs.at[i];
        if (import_is_stale(*g, &import)) /* another method writes what is a constant here */
            *g = import_graph(job, &c->sources.at[i], (*g)->name, &import);
        constants_dense(*g);
        passes_run(*g, &show);
        archive_unload(c->sources.at[i].archive);
    }
    LowerOptions options = compile_lower_options(o);
    if (o->tune && !graphs_only)
        options = tune(job, c, o, levels_text(job, o));
    for (size_t i = 0; i < c->graphs.n && !graphs_only; i++) {
        double start = seconds_now();
        Program *p = lower(c->graphs.at[i], &c->weights, options);
        double middle = seconds_now();
        dump_program(job, o, "lower", p);
        plan_memory(p);
        if (o->time_passes)
            fprintf(stderr, "%-16s %8.2f ms\n%-16s %8.2f ms\n", "lower", (middle - start) * 1e3, "plan_memory",
                    (seconds_now() - middle) * 1e3);
        dump_program(job, o, "plan_memory", p);
        *vec_push(job, &c->programs) = p;
    }
    c->artifact = (Artifact){ job, c->meta ? c->meta->name : artifact_name(job, input),
                              (const Program *const *)c->programs.at, c->programs.n, &c->weights, "", AOTC_VERSION,
                              c->meta ? c->meta->members : NULL, NULL, { 0 } };
}

/* ---- the back: text to objects -------------------------------------------------------------------------------- */

typedef struct Level {
    const char *name, *flag, *isa, *march;
} Level;

/* Best first; `flag` names the level in --cpu. */
static const Level x86_levels[] = { { "v4", "v4", "x86-64-v4", "-march=x86-64-v4" },
                                    { "v3", "v3", "x86-64-v3", "-march=x86-64-v3" },
                                    { "generic", "baseline", "x86-64", "-march=x86-64" } };

static const char *native_level(void)
{
    bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
              __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    return v4 ? "v4" : v3 ? "v3" : "baseline";
}

static size_t choose_levels(Job *job, const CompileOptions *o, const Level **out)
{
    enum { COUNT = sizeof x86_levels / sizeof *x86_levels };
    const char *cpu = o->cpu ? o->cpu : "v3,v4";
    bool wanted[COUNT] = { false };
    size_t n = 0;
    char *copy = job_copy(job, cpu, strlen(cpu)), *save = NULL;
    for (char *word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
        const char *name = !strcmp(word, "native") ? native_level() : !strncmp(word, "x86-64-", 7) ? word + 7 : word;
        bool known = false;
        for (size_t i = 0; i < COUNT; i++)
            if (!strcmp(name, x86_levels[i].flag))
                known = wanted[i] = true;
        if (!known)
            usage_error(job, "--cpu=%s: %s is not known; v3, v4, baseline and native are", cpu, word);
    }
    for (size_t i = 0; i < COUNT; i++)
        if (wanted[i])
            out[n++] = &x86_levels[i];
    if (!n)
        usage_error(job, "--cpu=%s: no level is named; v3, v4, baseline and native are known", cpu);
    return n;
}

/* "v4,v3", whatever their order on the command line. */
static const char *levels_text(Job *job, const CompileOptions *o)
{
    const Level *levels[4];
    size_t n = choose_levels(job, o, levels);
    Text names;
    text_init(&names, job);
    for (size_t i = 0; i < n; i++)
        text_add(&names, "%s%s", i ? "," : "", levels[i]->name);
    return names.at;
}

static void add_kernel_objects(Job *job, Object *objects, size_t *n, const Level *const *levels, size_t level_count)
{
    for (const Embedded *e = embedded_objects; e->name; e++) {
        bool wanted = !strcmp(e->name, "rt.o") || !strcmp(e->name, "glue.o");
        for (size_t i = 0; i < level_count; i++)
            wanted |= strstr(e->name, job_printf(job, "_%s.o", levels[i]->name)) != NULL;
        if (wanted)
            objects[(*n)++] = (Object){ e->name, e->from, (size_t)(e->to - e->from) };
    }
}

typedef struct Units {
    const char *head, *model, *entry; /* entry has a head of its own */
} Units;

/* The entry is a dozen lines; libtcc compiles it in no time, whatever compiles the rest. */
static void compile_entry(Job *job, const Units *u, Object *out)
{
    static const char *const none[] = { NULL };
    tcc_compile(job, "entry.c", u->entry, none, out);
}

static void compile_tcc(Job *job, const Units *u, const Level *const *levels, size_t n, Object *out)
{
    for (size_t i = 0; i < n; i++) {
        const char *defines[] = { "AOT_SUFFIX", job_printf(job, "_%s", levels[i]->name), "AOT_MODEL",
                                  job_printf(job, "aot_model_%s", levels[i]->name), "AOT_ISA",
                                  job_printf(job, "\"%s\"", levels[i]->isa), "AOT_GLUE_PREBUILT", "1", NULL };
        tcc_compile(job, "model.c", job_printf(job, "%s%s", u->head, u->model), defines, &out[i]);
    }
    compile_entry(job, u, &out[n]);
}

ObjectCache *compile_cache(Job *job, const CompileOptions *o)
{
    return o->no_cache ? NULL : cache_open(job, o->cache_dir);
}

static void compile_gcc(Job *job, const char *cc, const Units *u, const Level *const *levels, size_t n,
                        const CompileOptions *o, Object *out)
{
    CcUnit *units = job_array(job, n, sizeof *units);
    for (size_t i = 0; i < n; i++) {
        VEC(const char *) flags = { 0 };
        static const char *const common[] = { "-std=gnu11", "-O3", "-fwrapv", "-fno-math-errno", "-fno-trapping-math",
                                              "-fopenmp-simd", "-DAOT_SIMD", "-DAOT_GLUE_PREBUILT", "-Wall", "-Wextra", "-Wno-unused-function",
                                              "-fcf-protection=none",
                                              "-fno-tree-loop-distribute-patterns" /* clang warns, and goes on */ };
        for (size_t k = 0; k < sizeof common / sizeof *common; k++)
            *vec_push(job, &flags) = common[k];
        *vec_push(job, &flags) = levels[i]->march;
        if (!strcmp(levels[i]->name, "v4"))
            *vec_push(job, &flags) = "-mprefer-vector-width=512";
        *vec_push(job, &flags) = job_printf(job, "-DAOT_SUFFIX=_%s", levels[i]->name);
        *vec_push(job, &flags) = job_printf(job, "-DAOT_MODEL=aot_model_%s", levels[i]->name);
        *vec_push(job, &flags) = job_printf(job, "-DAOT_ISA=\"%s\"", levels[i]->isa);
        if (o->sysroot)
            *vec_push(job, &flags) = job_printf(job, "--sysroot=%s", o->sysroot);
        *vec_push(job, &flags) = NULL;
        units[i] = (CcUnit){ job_printf(job, "model_%s.c", levels[i]->name), job_printf(job, "%s%s", u->head, u->model),
                             flags.at };
    }
    cc_compile(job, cc, units, n, o->jobs ? o->jobs : 2, compile_cache(job, o), out);
    compile_entry(job, u, &out[n]);
}

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    if (!strcmp(a, b))
        return true;
    return !stat(a, &x) && !stat(b, &y) && S_ISREG(x.st_mode) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* The user's C file behind the types of aot.h: its own #include of that is blanked, for there is no such file. */
static const char *custom_text(Job *job, const struct CustomOption *custom)
{
    Text t;
    size_t size;
    char *own = read_file(job, custom->path, 16u << 20, &size);
    for (char *at = own; (at = strstr(at, "#include \"aot.h\""));)
        memset(at, ' ', strlen("#include \"aot.h\""));
    text_init(&t, job);
    emit_head(&t);
    text_add(&t, "#line 1 ");
    emit_string(&t, custom->path);
    text_add(&t, "\n%s", own);
    return t.at;
}

/* One object a file, for all levels. */
static size_t compile_customs(Job *job, const char *cc, const CompileOptions *o, Object *out)
{
    static const char *const flags[] = { "-std=gnu11", "-O3", "-march=x86-64", "-w", "-fcf-protection=none", NULL };
    static const char *const none[] = { NULL };
    size_t n = 0;
    for (size_t i = 0; i < o->custom_count; i++) {
        bool again = false; /* a file may hold several functions */
        for (size_t k = 0; k < i && !again; k++)
            again = same_file(o->customs[k].path, o->customs[i].path);
        const char *name = job_printf(job, "custom%zu.c", i), *text = again ? NULL : custom_text(job, &o->customs[i]);
        if (text && cc)
            cc_compile(job, cc, &(CcUnit){ name, text, flags }, 1, 1, NULL, &out[n++]); /* it may #include what changes */
        else if (text)
            tcc_compile(job, name, text, none, &out[n++]);
    }
    return n;
}

static void write_weights(void *ctx, void *sink)
{
    const Weights *w = ctx;
    for (size_t i = 0; i < w->count; i++)
        link_weights(sink, w->parts[i].at, w->parts[i].data, w->parts[i].size);
}

/* SHA-256 over the segment as it lies in the file, gaps included: in the build-id and the metadata. */
static void hash_weights(Job *job, const Weights *w, uint8_t out[32])
{
    static const uint8_t gap[64];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned int n = 0;
    uint64_t at = 0;
    bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1;
    for (size_t i = 0; ok && i < w->count; i++) {
        const struct WeightPart *p = &w->parts[i];
        ok = EVP_DigestUpdate(ctx, gap, p->at - at) == 1 && EVP_DigestUpdate(ctx, p->data, p->size) == 1;
        at = p->at + p->size;
    }
    ok = ok && EVP_DigestFinal_ex(ctx, out, &n) == 1;
    EVP_MD_CTX_free(ctx);
    if (!ok)
        fail(job, EXIT_RESOURCE, "SHA-256 failed");
}

/* `path` with another extension. */
static const char *sibling(Job *job, const char *path, const char *extension)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
    return job_printf(job, "%.*s.%s", dot ? (int)(dot - path) : (int)strlen(path), path, extension);
}

/* The file that --weights asks for, beside the output; NULL: none. */
static const char *weights_path(Job *job, const CompileOptions *o, const char *output)
{
    const char *name = o->weights ? o->weights : "embed", *slash = strrchr(output, '/');
    size_t n = strlen(name);
    if (!strcmp(name, "embed"))
        return NULL;
    if (!strcmp(name, "file"))
        return sibling(job, output, "weights");
    if (n < 9 || strcmp(name + n - 8, ".weights") || strchr(name, '/'))
        usage_error(job, "--weights=%s: expected embed, file, or a name that ends in .weights, without a folder", name);
    return job_printf(job, "%.*s%s", slash ? (int)(slash - output) + 1 : 0, output, name);
}

/* The weights become a file beside the artifact, which then tells nothing of them but how they lie. */
static void place_weights(Job *job, Compilation *c, const CompileOptions *o, const char *recipe, const char *output)
{
    const char *path = weights_path(job, o, output), *slash = strrchr(path, '/');
    c->artifact.weights_file = slash ? slash + 1 : path;
    c->weights_hash = NULL;
    weights_layout(job, recipe, &c->weights, c->artifact.layout);
    weights_file_write(job, path, c->artifact.layout, &c->weights);
}

void compile_link(Job *job, Compilation *c, const CompileOptions *o, const char *output)
{
    const Level *levels[4];
    size_t n = choose_levels(job, o, levels), kernels = 0;
    const char *cc = o->backend && !strcmp(o->backend, "tcc") ? NULL : cc_find(job, o->cc);
    if (!cc && (o->cc || (o->backend && !strcmp(o->backend, "gcc"))) && !(o->backend && !strcmp(o->backend, "tcc")))
        fail(job, EXIT_TOOLCHAIN, "%s: no C compiler answers; install gcc, name one with --cc, or use --backend=tcc",
             o->cc ? o->cc : "cc");
    uint8_t id[32], *weights_id = NULL;
    const char *recipe = recipe_write(job, c);
    if (weights_path(job, o, output) && c->weights.bytes) {
        place_weights(job, c, o, recipe, output);
    } else {
        weights_id = id;
        hash_weights(job, &c->weights, id);
    }
    Text list, head, model, entry;
    text_init(&list, job);
    for (size_t i = 0; i < n; i++)
        text_add(&list, "%s\"%s\"", i ? "," : "", levels[i]->isa);
    const char *from = provenance(job, c, o, "x86-64", cc ? "gcc" : "tcc", weights_id);
    c->artifact.metadata = artifact_metadata(&c->artifact, list.at, from, true);
    text_init(&head, job);
    text_init(&model, job);
    text_init(&entry, job);
    emit_head(&head);
    double t0 = seconds_now();
    emit_model(&model, &c->artifact);
    const char *level_names[4];
    for (size_t i = 0; i < n; i++)
        level_names[i] = levels[i]->name;
    emit_entry(&entry, level_names, n, c->artifact.metadata);
    double t1 = seconds_now();
    pass_dump(&(PassOptions){ o->dump, false, stderr }, "emit", model.at);
    Units u = { head.at, model.at, entry.at };
    Object *objects = job_array(job, 64 + o->custom_count, sizeof *objects);
    if (cc)
        compile_gcc(job, cc, &u, levels, n, o, objects);
    else
        compile_tcc(job, &u, levels, n, objects);
    double t2 = seconds_now();
    size_t count = n + 1;
    count += compile_customs(job, cc, o, objects + count);
    add_kernel_objects(job, objects, &count, levels, n);
    Link link = { .machine = MACHINE_X86_64, .entry = "aot_entry", .soname = NULL, .metadata = c->artifact.metadata,
                  .objects = objects, .object_count = count, .weights_bytes = weights_id ? c->weights.bytes : 0, .weights_id = weights_id,
                  .recipe = recipe,
                  .write_weights = write_weights, .ctx = &c->weights };
    link_shared_object(job, &link, output);
    if (o->time_passes)
        fprintf(stderr, "%-16s %8.2f ms\n%-16s %8.2f ms\n%-16s %8.2f ms\n", "emit", (t1 - t0) * 1e3, cc ? "gcc" : "tcc",
                (t2 - t1) * 1e3, "link", (seconds_now() - t2) * 1e3);
    for (size_t i = 0; i < c->programs.n; i++)
        kernels += c->programs.at[i]->kernels.n;
    if (o->verbose)
        fprintf(stderr, "aotc: %s: %zu kernels, levels %s, %s backend, %.1f MB of weights\n", output, kernels, levels_text(job, o),
                cc ? "gcc" : "tcc", (double)c->weights.bytes / 1e6);
}

/* ---- outputs ---------------------------------------------------------------------------------------------------- */

static void write_text(Job *job, const char *path, const Text *t)
{
    if (!strcmp(path, "-"))
        fwrite(t->at, 1, t->n, stdout);
    else
        output_file(job, path, 0666, t->at, t->n);
}

static void depfile_name(Text *t, const char *s)
{
    for (; *s; s++)
        text_add(t, *s == ' ' || *s == '#' ? "\\%c" : *s == '$' ? "$$" : "%c", *s);
}

static void write_depfile(Job *job, const Compilation *c, const char *depfile, const char *output)
{
    Text t;
    text_init(&t, job);
    depfile_name(&t, output);
    text_add(&t, ":");
    for (size_t i = 0; i < c->inputs.n; i++) {
        text_add(&t, " ");
        depfile_name(&t, c->inputs.at[i]);
    }
    text_add(&t, "\n");
    output_file(job, depfile, 0666, t.at, t.n);
}

static const char *default_output(Job *job, const char *input, const char *emit)
{
    const char *extension = !strcmp(emit, "c") ? "c" : !strcmp(emit, "obj") ? "o" : !strcmp(emit, "graph") ? "gir"
                            : !strcmp(emit, "loops") ? "lir" : !strcmp(emit, "jar") ? "jar" : "so";
    return job_printf(job, "%s.%s", artifact_name(job, input), extension);
}

/* No output may replace an input or another output. */
static void refuse_overwrite(Job *job, const char *input, const CompileOptions *o, const char *emit, const char *output,
                             const char *depfile)
{
    bool text = !strcmp(emit, "graph") || !strcmp(emit, "loops");
    const char *outputs[] = { output, depfile, o->report, weights_path(job, o, output), o->tune };
    if (!strcmp(output, "-") && !text)
        usage_error(job, "-o -: only --emit=graph and --emit=loops go to standard output");
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++) {
        if (!outputs[i] || (i == 0 && !strcmp(output, "-")))
            continue;
        bool clash = same_file(outputs[i], input);
        for (size_t k = 0; k < o->method_count; k++)
            clash |= same_file(outputs[i], o->methods[k].path);
        clash |= o->state_dict && same_file(outputs[i], o->state_dict);
        if (clash)
            usage_error(job, "%s: is an input, and would be overwritten", outputs[i]);
        for (size_t k = 0; k < i; k++)
            if (outputs[k] && same_file(outputs[i], outputs[k]))
                usage_error(job, "%s: is written twice", outputs[i]);
    }
}

static void close_memory(void *fd)
{
    close(*(int *)fd);
}

/* The shared object is linked into memory, and copied into the jar. */
static void link_jar(Job *job, Compilation *c, const CompileOptions *o, const char *output)
{
    int *fd = job_alloc(job, sizeof *fd);
    *fd = memfd_create("model.so", MFD_CLOEXEC);
    if (*fd < 0)
        fail(job, EXIT_RESOURCE, "%s: no memory for the shared object", output);
    job_defer(job, close_memory, fd);
    const char *path = job_printf(job, "/proc/self/fd/%d", *fd);
    size_t size;
    compile_link(job, c, o, path);
    const uint8_t *so = map_file(job, path, &size);
    write_jar(job, c, o->java_class, output, so, size);
}

static const char *default_emit(const CompileOptions *o)
{
    size_t n = o->output ? strlen(o->output) : 0;
    return n > 4 && !strcmp(o->output + n - 4, ".jar") ? "jar" : "so";
}

void compile_archive(Job *job, const char *input, const CompileOptions *o)
{
    Compilation c = { .torch = NULL };
    const char *emit = o->emit ? o->emit : default_emit(o), *output = o->output ? o->output : default_output(job, input, emit);
    double start = seconds_now();
    const char *depfile = o->depfile && !*o->depfile ? sibling(job, output, "d") : o->depfile;
    refuse_overwrite(job, input, o, emit, output, depfile);
    bool graph = !strcmp(emit, "graph"), jar = !strcmp(emit, "jar");
    if (strcmp(emit, "so") && weights_path(job, o, output))
        usage_error(job, "--weights=%s: is for a shared object", o->weights);
    if (o->java_class && !jar)
        usage_error(job, "--java-class=%s: is for --emit=jar", o->java_class);
    if (jar)
        java_class_name(job, o->java_class, output); /* refused before the work, not behind it */
    if (o->target && strcmp(emit, "c") && strcmp(emit, "obj"))
        usage_error(job, "--target=%s: is for --emit=c and --emit=obj; a .so holds the levels of --cpu", o->target);
    if (o->tune && (!strcmp(emit, "c") || !strcmp(emit, "obj")))
        usage_error(job, "--tune=%s: measures what runs on this machine; --emit=%s is for another", o->tune, emit);
    compile_front(job, &c, input, o, graph);
    Text t;
    text_init(&t, job);
    if (graph || !strcmp(emit, "loops")) {
        for (size_t i = 0; i < c.graphs.n; i++)
            graph ? graph_print(&t, c.graphs.at[i]) : program_print(&t, c.programs.at[i]);
        write_text(job, output, &t);
    } else if (!strcmp(emit, "c") || !strcmp(emit, "obj")) {
        emit_c_files(job, &c, o, output);
    } else if (jar) {
        link_jar(job, &c, o, output);
    } else {
        compile_link(job, &c, o, output);
    }
    if (depfile)
        write_depfile(job, &c, depfile, output);
    if (o->report && !graph)
        write_report(job, &c, o->report);
    if (o->verbose)
        fprintf(stderr, "aotc: %s: %.2f s\n", output, seconds_now() - start);
}

/* ---- the cache ---------------------------------------------------------------------------------------------------- */

static void hash_text(EVP_MD_CTX *ctx, const char *s)
{
    EVP_DigestUpdate(ctx, s ? s : "", s ? strlen(s) + 1 : 1);
}

static void hash_archive(EVP_MD_CTX *ctx, Archive *a)
{
    EVP_DigestUpdate(ctx, archive_sha256(a), 32);
}

/* Tells this aotc from another: what one has compiled, another would compile otherwise. */
static const char *own_identity(Job *job)
{
    struct stat s;
    if (stat("/proc/self/exe", &s))
        return "";
    return job_printf(job, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 ".%09" PRIu64, (uint64_t)s.st_dev, (uint64_t)s.st_ino,
                      (uint64_t)s.st_size, (uint64_t)s.st_mtim.tv_sec, (uint64_t)s.st_mtim.tv_nsec);
}

const char *compile_cached(Job *job, const char *input, const CompileOptions *options, const char *cache)
{
    CompileOptions o = *options;
    uint8_t key[32];
    unsigned int n;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
        fail(job, EXIT_RESOURCE, "SHA-256 failed");
    job_defer(job, (void (*)(void *))EVP_MD_CTX_free, ctx);
    const char *texts[] = { AOTC_VERSION, own_identity(job), o.backend, o.cpu, o.cc, o.model, o.sysroot,
                            o.winograd, o.keep, o.tune };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        hash_text(ctx, texts[i]);
    hash_archive(ctx, archive_open(job, input));
    for (size_t i = 0; i < o.method_count; i++) {
        hash_text(ctx, o.methods[i].name);
        hash_archive(ctx, archive_open(job, o.methods[i].path));
    }
    if (o.tune && !access(o.tune, F_OK)) {
        size_t size;
        hash_text(ctx, read_file(job, o.tune, 64u << 20, &size));
    }
    hash_text(ctx, o.state_dict ? "state dict" : "");
    if (o.state_dict)
        hash_archive(ctx, state_dict_open(job, o.state_dict));
    for (size_t i = 0; i < o.dim_count; i++)
        hash_text(ctx, o.dims[i]);
    for (size_t i = 0; i < o.custom_count; i++) {
        size_t size;
        hash_text(ctx, o.customs[i].name);
        hash_text(ctx, read_file(job, o.customs[i].path, 16u << 20, &size));
    }
    hash_text(ctx, o.meta ? meta_read(job, o.meta)->members : NULL);
    EVP_DigestFinal_ex(ctx, key, &n);
    if (mkdir(cache, 0777) && access(cache, W_OK))
        fail(job, EXIT_RESOURCE, "--cache %s: is not a folder that can be written", cache);
    const char *path = job_printf(job, "%s/%s.so", cache, hex_text(job, key, 32));
    o.output = path;
    o.emit = "so";
    if (access(path, R_OK))
        compile_archive(job, input, &o);
    return path;
}
