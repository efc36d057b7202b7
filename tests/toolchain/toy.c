/* SPDX-License-Identifier: MIT */
#include "toy.h"
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

char toy_message[4096], toy_folder[256];

int toy_job(void (*body)(Job *job, void *arg), void *arg)
{
    FILE *f = fmemopen(toy_message, sizeof toy_message, "w");
    memset(toy_message, 0, sizeof toy_message);
    int code = job_run(body, arg, f);
    fclose(f);
    return code;
}

void toy_begin(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(toy_folder, sizeof toy_folder, "%s/aotc-test-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(toy_folder))
        abort();
}

typedef struct Path {
    struct Path *next;
    char text[];
} Path;
static Path *paths;

void toy_end(void)
{
    toy_shell("rm -rf %s", toy_folder);
    for (Path *p = paths, *next; p; p = next) {
        next = p->next;
        free(p);
    }
}

char *toy_path(const char *name)
{
    size_t size = strlen(toy_folder) + strlen(name) + 2;
    Path *p = malloc(sizeof *p + size);
    snprintf(p->text, size, "%s/%s", toy_folder, name);
    p->next = paths;
    paths = p;
    return p->text;
}

int toy_shell(const char *format, ...)
{
    char command[4096];
    va_list ap;
    va_start(ap, format);
    vsnprintf(command, sizeof command, format, ap);
    va_end(ap);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool toy_have(const char *program)
{
    bool have = toy_shell("command -v %s >/dev/null 2>&1", program) == 0;
    if (!have)
        fprintf(stderr, "  skipped: no %s\n", program);
    return have;
}

char *toy_file(const char *path, size_t *size)
{
    struct stat st;
    FILE *f = fopen(path, "rb");
    if (!f || fstat(fileno(f), &st))
        return NULL;
    char *bytes = malloc((size_t)st.st_size + 1);
    *size = fread(bytes, 1, (size_t)st.st_size, f);
    fclose(f);
    return bytes;
}

Object toy_compile(Job *job, const char *cc, const char *name, const char *text, const char *flag)
{
    const char *flags[] = { "-O2", flag, NULL };
    CcUnit unit = { name, text, flags };
    Object object;
    cc_compile(job, cc, &unit, 1, 1, NULL, &object);
    return object;
}

const char toy_glue[] =
    "typedef struct Method Method;\n"
    "struct Method { const char *name; int (*run)(const float *x, float *y, int n); };\n"
    "extern const unsigned char aot_weights[];\n"
    "void scale_a(const float *x, const float *w, float *y, int n);\n"
    "void scale_b(const float *x, const float *w, float *y, int n);\n"
    "int pick(int i);\n"
    "static int run_a(const float *x, float *y, int n)\n"
    "{ scale_a(x, (const float *)aot_weights, y, n); return pick(n % 8); }\n"
    "static int run_b(const float *x, float *y, int n)\n"
    "{ scale_b(x, (const float *)aot_weights, y, n); return pick(n % 8); }\n"
    "static const Method a[] = { { \"scale a\", run_a }, { 0, 0 } };\n"
    "static const Method b[] = { { \"scale b\", run_b }, { 0, 0 } };\n"
    "const Method *const sets[] = { a, b };\n"
    "const Method *aot_entry(int set) { return sets[set]; }\n";

const char toy_kernels[] =
    "#define PASTE_(x, y) x##y\n"
    "#define PASTE(x, y) PASTE_(x, y)\n"
    "void dead_callee(void);\n"
    "const int dead_table[] = { 1, 2, 3, 4 };\n"
    "const int *PASTE(dead, SUFFIX)(void) { dead_callee(); return dead_table + !SET; }\n"
    "void PASTE(scale, SUFFIX)(const float *x, const float *w, float *y, int n)\n"
    "{ for (int i = 0; i < n; i++) y[i] = 2 * x[i] + w[i]; }\n"
    "#if SET == 0\n"
    "static int f0(void) { return 3; } static int f1(void) { return 1; }\n"
    "static int f2(void) { return 4; } static int f3(void) { return 15; }\n"
    "static int (*const table[])(void) = { f0, f1, f2, f3, f3, f2, f1, f0 };\n"
    "int pick(int i) { return table[i](); }\n"
    "#else\n"
    "#define dead_table dead_table_b\n"
    "#endif\n";

size_t toy_objects(Job *job, const char *cc, bool tcc, Object *objects)
{
    const char *a[] = { "-O3", "-DSUFFIX=_a", "-DSET=0", NULL };
    const char *b[] = { "-O3", "-DSUFFIX=_b", "-DSET=1", "-Ddead_table=other_table", NULL };
    /* by the other compilers, the glue goes through the GOT */
    const char *glue[] = { "-O1", strcmp(cc, "cc") ? "-fvisibility=default" : NULL, NULL };
    CcUnit units[] = { { "kernels.c", toy_kernels, a },
                       { "kernels.c", toy_kernels, b },
                       { "glue.c", toy_glue, glue } };
    cc_compile(job, cc, units, tcc ? 2 : 3, 2, NULL, objects);
    if (tcc)
        tcc_compile(job, "glue.c", toy_glue, NULL, &objects[2]);
    return 3;
}

static void write_toy_weights(void *ctx, void *sink)
{
    static float w[TOY_FLOATS];
    (void)ctx;
    for (int i = 0; i < TOY_FLOATS; i++)
        w[i] = 0.5f * (float)i;
    link_weights(sink, TOY_WEIGHTS / 2, w + TOY_FLOATS / 2, TOY_WEIGHTS / 2); /* any order */
    link_weights(sink, 0, w, TOY_WEIGHTS / 2);
}

Link toy_link(const Object *objects, size_t count)
{
    static const uint8_t id[32] = { 1, 2, 3 };
    return (Link){ .machine = MACHINE_X86_64,
                   .entry = "aot_entry",
                   .soname = "toy.so",
                   .metadata = "{\"toy\": true}",
                   .objects = objects,
                   .object_count = count,
                   .weights_bytes = TOY_WEIGHTS,
                   .weights_id = id,
                   .write_weights = write_toy_weights };
}
