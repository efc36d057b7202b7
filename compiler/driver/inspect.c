/* SPDX-License-Identifier: MIT */
/* aotc inspect: what an artifact says about itself in its note, and what its ELF tables say; nothing is
 * loaded.  Of a jar: the same for the models in it.  Of an archive: its programs and who wrote it.  The file is not trusted: what it says is printed
 * without control characters, and what its description lacks is left out. */
#include "compile.h"
#include "facts.h"
#include "page.h"
#include "session.h"
#include "provenance.h"
#include "recipe.h"
#include "weights_file.h"
#include "../../codegen/toolchain/toolchain.h"
#include "../archive/archive.h"
#include "../archive/zip.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- pieces ---------------------------------------------------------------------------------- */

const char *plain_text(Job *job, const char *text)
{
    char *copy = job_copy(job, text, strlen(text));
    for (char *p = copy; *p; p++)
        if ((unsigned char)*p < 32 || *p == 127)
            *p = '?';
    return copy;
}

/* A string or a number of the note as text; NULL: neither. */
static const char *scalar(Job *job, const Json *v)
{
    if (json_is_string(v))
        return plain_text(job, json_string(job, v, "the note"));
    if (json_is_number(v))
        return job_printf(job, "%" PRId64, json_int(job, v, "the note"));
    return NULL;
}

static void quote_list(Text *out, const char *key, const char *const *at, size_t n)
{
    text_add(out, "\"%s\":[", key);
    for (size_t i = 0; i < n; i++) {
        text_add(out, i ? "," : "");
        text_json(out, at[i]);
    }
    text_add(out, "]");
}

static void line(const char *key, const char *value)
{
    if (value)
        printf("  %-10s %s\n", key, value);
}

static const char *byte_text(Job *job, uint64_t bytes)
{
    if (bytes < 10000)
        return job_printf(job, "%" PRIu64 " bytes", bytes);
    double mega = (double)bytes / 1e6;
    return job_printf(job, mega < 1 ? "%.3f MB (%" PRIu64 " bytes)" : "%.1f MB (%" PRIu64 " bytes)", mega,
                      bytes);
}

/* "a, b"; `none` when there is none. */
static const char *names_text(Job *job, const char *const *at, size_t n, const char *none)
{
    Text t;
    text_init(&t, job);
    for (size_t i = 0; i < n; i++)
        text_add(&t, "%s%s", i ? ", " : "", plain_text(job, at[i]));
    return n ? t.at : none;
}

/* ---- the note's methods ---------------------------------------------------------------------- */

/* "4", "batch in 1..512" */
static const char *dim_text(Job *job, const Json *dim)
{
    if (!json_is_object(dim))
        return scalar(job, dim) ? scalar(job, dim) : "?";
    const char *size = scalar(job, json_get(dim, "size")), *min = scalar(job, json_get(dim, "min"));
    const char *max = scalar(job, json_get(dim, "max"));
    return job_printf(job, "%s in %s..%s", size ? size : "?", min ? min : "0", max ? max : "");
}

static void print_port(Job *job, const char *kind, const Json *port)
{
    Text t;
    const char *name = scalar(job, json_get(port, "name")), *dtype = scalar(job, json_get(port, "dtype"));
    const char *value = scalar(job, json_get(port, "value"));
    const Json *dims = json_get(port, "dims"), *scalar_flag = json_get(port, "scalar");
    text_init(&t, job);
    text_add(&t, "  %-10s %s", kind, name ? name : "?");
    text_pad(&t, 37);
    if (json_get(port, "none")) {
        printf("%s None\n", t.at);
        return;
    }
    text_add(&t, " %-6s", dtype ? dtype : "?");
    if (json_count(dims) || !(value || scalar_flag)) {
        text_add(&t, " [");
        for (const Json *d = json_first(dims); d; d = json_next(d))
            text_add(&t, "%s%s", d == json_first(dims) ? "" : ", ", dim_text(job, d));
        text_add(&t, "]");
    } else {
        text_add(&t, value ? " = %s" : " a number", value);
    }
    printf("%s\n", t.at);
}

static void print_method(Job *job, const Json *method)
{
    const char *name = scalar(job, json_get(method, "name"));
    const Json *inputs = json_get(method, "inputs"), *outputs = json_get(method, "outputs");
    const size_t kernels = json_count(json_get(method, "kernels"));
    printf("method %s, %zu kernel%s\n", name ? name : "?", kernels, kernels == 1 ? "" : "s");
    for (const Json *p = json_first(inputs); p; p = json_next(p))
        print_port(job, "input", p);
    for (const Json *p = json_first(outputs); p; p = json_next(p))
        print_port(job, "output", p);
}

static const char *list_text(Job *job, const Json *list)
{
    VEC(const char *) words = { 0 };
    for (const Json *v = json_first(list); v; v = json_next(v))
        if (scalar(job, v))
            *vec_push(job, &words) = scalar(job, v);
    return words.n ? names_text(job, words.at, words.n, NULL) : NULL;
}

/* ---- what the author says -------------------------------------------------------------------- */

/* Any value on one line. */
static void value_text(Job *job, Text *t, const Json *v)
{
    bool array = json_is_array(v);
    if (json_is_string(v)) {
        text_add(t, "%s", plain_text(job, json_string(job, v, "the note")));
    } else if (json_is_number(v)) {
        text_add(t, "%.15g", json_double(job, v, "the note"));
    } else if (json_is_bool(v)) {
        text_add(t, json_bool(job, v, "the note") ? "true" : "false");
    } else if (array || json_is_object(v)) {
        text_add(t, array ? "[" : "{");
        for (const Json *at = json_first(v); at; at = json_next(at)) {
            text_add(t, "%s", at == json_first(v) ? "" : ", ");
            if (!array)
                text_add(t, "%s: ", plain_text(job, json_key(at)));
            value_text(job, t, at);
        }
        text_add(t, array ? "]" : "}");
    } else {
        text_add(t, "null");
    }
}

static void print_value(Job *job, const char *key, const Json *v)
{
    Text t;
    text_init(&t, job);
    if (!json_count(v) && !json_is_string(v))
        return;
    value_text(job, &t, v);
    line(key, t.at);
}

/* ---- artifacts ------------------------------------------------------------------------------- */

/* How much, and where: inside, or in a file that is there or is not. */
static const char *weights_text(Job *job, const char *path, const ArtifactFacts *f, const Json *note)
{
    uint8_t layout[32];
    uint64_t size;
    const char *beside = weights_file_of(job, path, note);
    if (!beside)
        return byte_text(job, f->weights_bytes);
    if (access(beside, R_OK))
        return job_printf(job, "in %s, which is not there", plain_text(job, beside));
    if (!weights_file_read(job, beside, false, layout, &size))
        return job_printf(job, "in %s, which is no file of weights", plain_text(job, beside));
    const char *wanted = scalar(job, json_get(note, "weights_layout"));
    bool fits = wanted && !strcmp(wanted, hex_text(job, layout, sizeof layout));
    return job_printf(job, "%s in %s%s", byte_text(job, size), plain_text(job, beside), fits ? "" : ", which does not fit");
}

static void print_artifact(Job *job, const char *path, const ArtifactFacts *f, const Json *note)
{
    printf("%s\n", path);
    line("name", scalar(job, json_get(note, "name")));
    line("version", scalar(job, json_get(note, "version")));
    print_value(job, "about", json_get(note, "description"));
    print_value(job, "config", json_get(note, "config"));
    print_value(job, "metrics", json_get(note, "metrics"));
    line("compiler", scalar(job, json_get(note, "compiler")));
    line("backend", scalar(job, json_get(note, "backend")));
    line("torch", scalar(job, json_get(note, "torch")));
    line("target", scalar(job, json_get(note, "target")));
    line("isa", list_text(job, json_get(note, "isa")));
    line("flags", list_text(job, json_get(note, "flags")));
    line("archive", scalar(job, json_get(note, "archive_sha256")));
    line("hash", scalar(job, json_get(note, "weights_hash")));
    line("weights", weights_text(job, path, f, note));
    if (f->recipe)
        line("", recipe_summary(job, path, f->recipe));
    line("file", byte_text(job, f->file_bytes));
    line("exports", names_text(job, f->exported, f->exported_count, "nothing"));
    line("needs", names_text(job, f->needed, f->needed_count, "nothing"));
    line("build id", *f->build_id ? f->build_id : "none");
    if (f->text_relocations)
        line("warning", "has text relocations");
    if (f->executable_stack)
        line("warning", "asks for an executable stack");
    const Json *methods = json_get(note, "methods");
    for (const Json *m = json_first(methods); m; m = json_next(m))
        print_method(job, m);
}

/* The note's object with one more member, "artifact". */
static void print_artifact_json(Job *job, const ArtifactFacts *f, const Json *note)
{
    Text t;
    size_t n = strlen(f->metadata);
    while (n && f->metadata[n - 1] != '}')
        n--;
    text_init(&t, job);
    text_put(&t, f->metadata, n ? n - 1 : 0);
    text_add(&t,
             "%s\"artifact\":{\"file_bytes\":%" PRIu64 ",\"weights_bytes\":%" PRIu64 ",\"build_id\":\"%s\",",
             json_count(note) ? "," : "", f->file_bytes, f->weights_bytes, f->build_id);
    quote_list(&t, "exports", f->exported, f->exported_count);
    text_add(&t, ",");
    quote_list(&t, "needs", f->needed, f->needed_count);
    text_add(&t, ",\"text_relocations\":%s,\"executable_stack\":%s}}", f->text_relocations ? "true" : "false",
             f->executable_stack ? "true" : "false");
    puts(t.at);
}

/* The description that it carries. */
static const Json *note_of(Job *job, const char *path, const ArtifactFacts *facts)
{
    const char *where = job_printf(job, "%s: its note", path);
    const Json *note = json_parse(job, where, facts->metadata, strlen(facts->metadata));
    if (!json_is_object(note) || json_get(note, "artifact"))
        fail(job, EXIT_INPUT, "%s: is no description of a model; expected a JSON object as aotc writes it",
             where);
    return note;
}

void show_facts(Job *job, const char *path, const ArtifactFacts *facts, bool json)
{
    const Json *note = note_of(job, path, facts);
    if (json)
        print_artifact_json(job, facts, note);
    else
        print_artifact(job, path, facts, note);
}

/* What is asked for. */
typedef struct Look {
    Job *job;
    bool json;
    const char *path;       /* the file */
    const char *html;       /* a page goes there; NULL: text or JSON to standard output */
    Text page;
    CompileOptions compile; /* for the page of a .pt2 */
    PageSizes sizes;
} Look;

/* What an artifact has of its own, as a line of the page. */
static const char *facts_text(Job *job, const ArtifactFacts *f)
{
    return job_printf(job, "%s, of it %s of weights; exports %s; needs %s; build id %s", byte_text(job, f->file_bytes),
                      byte_text(job, f->weights_bytes), names_text(job, f->exported, f->exported_count, "nothing"),
                      names_text(job, f->needed, f->needed_count, "nothing"), *f->build_id ? f->build_id : "none");
}

static void show_model(Look *look, const char *path, const ArtifactFacts *facts)
{
    if (look->html)
        page_model(&look->page, strcmp(path, look->path) ? path : "Facts", facts_text(look->job, facts),
                   note_of(look->job, path, facts), &look->sizes);
    if (look->json || !look->html)
        show_facts(look->job, path, facts, look->json);
}

/* ---- jars ------------------------------------------------------------------------------------ */

/* The shared object of a model, "com/acme/linux-x86-64/Net.so" beside com/acme/Net.class; NULL: another member. */
static const char *class_of_model(Job *job, const char *name)
{
    size_t n = strlen(name);
    const char *file = strrchr(name, '/'), *folder = file;
    if (!file || n < 4 || strcmp(name + n - 3, ".so") || !strncmp(name, "org/aotc/natives/", 17))
        return NULL;
    while (folder > name && folder[-1] != '/')
        folder--;
    return job_printf(job, "%.*s%.*s", (int)(folder - name), name, (int)(n - 3 - (size_t)(file + 1 - name)), file + 1);
}

/* The next model from member *i on, *i moved behind it; NULL: there is no other, else what messages call it. */
static const char *next_model(Job *job, Zip *zip, size_t *i, ArtifactFacts *facts)
{
    while (*i < zip_count(zip)) {
        const ZipMember *m = zip_at(zip, (*i)++), *text;
        const char *class = class_of_model(job, zip_name(m)), *where = zip_where(zip, m);
        if (!class)
            continue;
        if (!zip_find(zip, job_printf(job, "%s.class", class)))
            fail(job, EXIT_INPUT, "%s: has no class beside it; expected %s.class", where, class);
        artifact_read_bytes(job, where, zip_bytes(zip, m), (size_t)zip_size(m), facts);
        text = zip_find(zip, job_printf(job, "%s.json", class));
        if (!text || zip_size(text) != strlen(facts->metadata) ||
            memcmp(zip_bytes(zip, text), facts->metadata, strlen(facts->metadata)))
            fail(job, EXIT_INPUT, "%s: is not described by %s.json; the jar is not as aotc wrote it", where, class);
        return where;
    }
    return NULL;
}

static _Noreturn void no_model(Job *job, const char *path)
{
    fail(job, EXIT_INPUT, "%s: is a jar without a model; expected one that aotc wrote", path);
}

static void inspect_jar(Look *look, const char *path, Zip *zip)
{
    ArtifactFacts facts;
    size_t i = 0, models = 0;
    for (const char *where; (where = next_model(look->job, zip, &i, &facts)); models++)
        show_model(look, where, &facts);
    if (!models)
        no_model(look->job, path);
}

static bool is_zip(const uint8_t *bytes, size_t size)
{
    return size > 4 && !memcmp(bytes, "PK\3\4", 4);
}

void model_facts(Job *job, const char *where, const uint8_t *bytes, size_t size, ArtifactFacts *facts)
{
    size_t i = 0;
    if (!is_zip(bytes, size))
        artifact_read_bytes(job, where, bytes, size, facts);
    else if (!next_model(job, zip_read(job, where, bytes, size, NULL), &i, facts))
        no_model(job, where);
}

/* ---- archives -------------------------------------------------------------------------------- */

static size_t node_count(Archive *a, size_t i)
{
    const Json *graph = json_get(json_get(archive_program(a, i), "graph_module"), "graph");
    return json_count(json_get(graph, "nodes"));
}

static void print_archive(Job *job, const char *path, Archive *a)
{
    const char *torch = archive_torch(a);
    printf("%s\n", path);
    line("archive", "torch.export");
    line("torch", *torch ? plain_text(job, torch) : "not recorded");
    line("schema", plain_text(job, archive_schema(a)));
    for (size_t i = 0; i < archive_model_count(a); i++)
        printf("program %s, %zu node%s\n", plain_text(job, archive_model_name(a, i)), node_count(a, i),
               node_count(a, i) == 1 ? "" : "s");
    printf("its inputs and outputs: compile it, and inspect the .so\n");
}

static void print_archive_json(Job *job, Archive *a)
{
    Text t;
    text_init(&t, job);
    text_add(&t, "{\"torch\":");
    text_json(&t, archive_torch(a));
    text_add(&t, ",\"schema\":");
    text_json(&t, archive_schema(a));
    text_add(&t, ",\"sha256\":\"");
    for (int i = 0; i < 32; i++)
        text_add(&t, "%02x", archive_sha256(a)[i]);
    text_add(&t, "\",\"programs\":[");
    for (size_t i = 0; i < archive_model_count(a); i++) {
        text_add(&t, i ? ",{\"name\":" : "{\"name\":");
        text_json(&t, archive_model_name(a, i));
        text_add(&t, ",\"nodes\":%zu}", node_count(a, i));
    }
    text_add(&t, "]}");
    puts(t.at);
}

/* The page of a .pt2 shows what compiling makes of it. */
static void page_of_archive(Look *look, const char *path)
{
    Job *job = look->job;
    Compilation c = { .torch = NULL };
    Text torch;
    compile_front(job, &c, path, &look->compile, false);
    text_init(&torch, job);
    text_json(&torch, c.torch);
    const char *text = artifact_metadata(&c.artifact, "", job_printf(job, ",\"torch\":%s", torch.at), true);
    page_model(&look->page, "Facts", "an archive of torch.export; kernels and memory as aotc compiles it",
               json_parse(job, path, text, strlen(text)), &look->sizes);
}

static void inspect_archive(Look *look, const char *path)
{
    Archive *archive = archive_open(look->job, path);
    if (look->html)
        page_of_archive(look, path);
    if (look->json)
        print_archive_json(look->job, archive);
    else if (!look->html)
        print_archive(look->job, path, archive);
}

/* ---- the command ----------------------------------------------------------------------------- */

static void inspect_file(Look *look, const char *path)
{
    Job *job = look->job;
    if (is_artifact(job, path)) {
        ArtifactFacts facts;
        artifact_read(job, path, &facts);
        show_model(look, path, &facts);
        return;
    }
    size_t size;
    const uint8_t *bytes = map_file(job, path, &size);
    Zip *zip = is_zip(bytes, size) ? zip_read(job, path, bytes, size, NULL) : NULL;
    if (zip && zip_find(zip, "META-INF/MANIFEST.MF"))
        inspect_jar(look, path, zip);
    else
        inspect_archive(look, path);
}

/* Sizes of the page's figures; compiling a .pt2 takes ranges, too, and checks the names. */
static void check_sizes(const Look *look)
{
    for (size_t i = 0; i < look->compile.dim_count; i++) {
        const char *text = look->compile.dims[i], *eq = strchr(text, '=');
        char *end = NULL;
        if (!eq || eq == text || strtoll(eq + 1, &end, 10) < 0 || end == eq + 1 || (*end && strncmp(end, "..", 2)))
            usage_error(look->job, "--dim %s: is not of the form NAME=8", text);
    }
}

void command_inspect(Job *job, int argc, char **argv)
{
    if (help_wanted(job, argc, argv, "inspect"))
        return;
    const char *path = NULL, *compile = NULL;
    Look look = { .job = job };
    for (int i = 1; i < argc; i++) {
        const char *v, *word = argv[i];
        bool size = !strcmp(word, "--dim") || !strncmp(word, "--dim=", 6);
        if (flag_is(word, "--json"))
            look.json = true;
        else if ((v = flag_value(job, "--html", argc, argv, &i)))
            look.html = v;
        else if (word[0] == '-' && word[1] && !compile_flag(job, &look.compile, argc, argv, &i))
            usage_error(job, "%s: is not known to inspect", word);
        else if (word[0] == '-' && word[1])
            compile = compile || size ? compile : word;
        else if (path)
            usage_error(job, "%s: a second file; inspect looks at one", word);
        else
            path = word;
    }
    if (!path)
        usage_error(job, "no file is given; expected a .so, .jar or .pt2 file");
    if ((compile || look.compile.dim_count) && !look.html)
        usage_error(job, "%s: is for the page of --html", compile ? compile : "--dim");
    if (compile && is_artifact(job, path))
        usage_error(job, "%s: is for compiling, and %s is compiled already", compile, path);
    if (look.compile.output)
        usage_error(job, "-o: inspect writes no artifact; --html names its page");
    check_sizes(&look);
    look.path = path;
    look.sizes = (PageSizes){ look.compile.dims, look.compile.dim_count };
    text_init(&look.page, job);
    if (look.html)
        html_open(&look.page, path);
    inspect_file(&look, path);
    if (!look.html)
        return;
    html_close(&look.page);
    output_file(job, look.html, 0666, look.page.at, look.page.n);
}
