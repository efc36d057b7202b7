/* SPDX-License-Identifier: MIT */
/* The compile flags, shared by `aotc MODEL.pt2` and by the commands that compile on the way. */
#include "compile.h"
#include <stdlib.h>
#include <string.h>

_Noreturn void usage_error(Job *job, const char *format, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    fail(job, EXIT_USAGE, "%s; see aotc --help", text);
}

static bool known(const char *value, const char *const *words)
{
    for (; *words; words++)
        if (!strcmp(value, *words))
            return true;
    return false;
}

static void one_of(Job *job, const char *flag, const char *value, const char *const *words)
{
    if (!known(value, words))
        usage_error(job, "%s=%s: is not known", flag, value);
}

static void add_method(Job *job, CompileOptions *o, const char *text)
{
    const char *eq = strchr(text, '=');
    if (!eq || eq == text || !eq[1])
        usage_error(job, "--method %s: not of the form NAME=FILE.pt2", text);
    struct MethodOption *more = job_array(job, o->method_count + 1, sizeof *more);
    if (o->method_count)
        memcpy(more, o->methods, o->method_count * sizeof *more);
    more[o->method_count++] = (struct MethodOption){ job_copy(job, text, (size_t)(eq - text)), eq + 1 };
    o->methods = more;
}

static void add_custom(Job *job, CompileOptions *o, const char *text)
{
    const char *eq = strchr(text, '=');
    if (!eq || eq == text || !eq[1])
        usage_error(job, "--custom-op %s: not of the form NAMESPACE.NAME=FILE.c", text);
    char *name = job_copy(job, text, (size_t)(eq - text)), *colons = strstr(name, "::");
    if (colons) { /* as PyTorch writes it */
        *colons = '.';
        memmove(colons + 1, colons + 2, strlen(colons + 2) + 1);
    }
    struct CustomOption *more = job_array(job, o->custom_count + 1, sizeof *more);
    if (o->custom_count)
        memcpy(more, o->customs, o->custom_count * sizeof *more);
    more[o->custom_count++] = (struct CustomOption){ name, eq + 1 };
    o->customs = more;
}

static void add_dim(Job *job, CompileOptions *o, const char *text)
{
    const char **more = job_array(job, o->dim_count + 1, sizeof *more);
    if (o->dim_count)
        memcpy(more, o->dims, o->dim_count * sizeof *more);
    more[o->dim_count++] = text;
    o->dims = more;
}

/* The value of "--name=value" or "--name value"; NULL: another flag. */
static const char *value_of(Job *job, const char *name, int argc, char **argv, int *i)
{
    size_t n = strlen(name);
    if (strncmp(argv[*i], name, n))
        return NULL;
    if (argv[*i][n] == '=')
        return argv[*i] + n + 1;
    if (argv[*i][n])
        return NULL;
    if (*i + 1 >= argc)
        usage_error(job, "%s: needs a value", name);
    return argv[++*i];
}

/* all, or after:STAGE with a stage of --list-passes or `import`. */
static void check_dump(Job *job, const char *v)
{
    static const char *const stages[] = { "import", "lower", "plan_memory", "emit", NULL };
    const char *stage = !strncmp(v, "after:", 6) ? v + 6 : "";
    bool good = !strcmp(v, "all") || known(stage, stages);
    for (size_t i = 0; i < graph_pass_count; i++)
        good |= !strcmp(stage, graph_passes[i].name);
    if (!good)
        usage_error(job, "--dump=%s: is neither all nor after:PASS with a pass of --list-passes", v);
}

static bool valued_flag(Job *job, CompileOptions *o, int argc, char **argv, int *i)
{
    static const char *const backends[] = { "gcc", "tcc", NULL };
    static const char *const emits[] = { "so", "obj", "c", "graph", "loops", NULL };
    static const char *const targets[] = { "generic", "x86-64", "x86-64-v3", "x86-64-v4", "aarch64", NULL };
    static const char *const places[] = { "embed", NULL };
    const char *place = NULL;
    struct {
        const char *name, **to;
        const char *const *words;
    } flags[] = { { "-o", &o->output, NULL },          { "--backend", &o->backend, backends }, { "--emit", &o->emit, emits },
                  { "--cpu", &o->cpu, NULL },          { "--target", &o->target, targets },    { "--cc", &o->cc, NULL },
                  { "--sysroot", &o->sysroot, NULL },  { "--model", &o->model, NULL },         { "--dump", &o->dump, NULL },
                  { "--report", &o->report, NULL },    { "--weights", &place, places } };
    for (size_t k = 0; k < sizeof flags / sizeof *flags; k++) {
        const char *v = value_of(job, flags[k].name, argc, argv, i);
        if (!v)
            continue;
        if (flags[k].words)
            one_of(job, flags[k].name, v, flags[k].words);
        *flags[k].to = v;
        if (flags[k].to == &o->dump)
            check_dump(job, v);
        return true;
    }
    return false;
}

bool compile_flag(Job *job, CompileOptions *o, int argc, char **argv, int *i)
{
    const char *a = argv[*i], *v;
    if (!strcmp(a, "-v") || !strcmp(a, "--verbose")) {
        o->verbose = true;
    } else if (!strcmp(a, "--time-passes")) {
        o->time_passes = true;
    } else if (!strcmp(a, "-MD")) {
        o->depfile = o->depfile ? o->depfile : "";
    } else if ((v = value_of(job, "-MF", argc, argv, i))) {
        o->depfile = v;
    } else if (!strncmp(a, "-j", 2)) {
        v = a[2] ? a + 2 : value_of(job, "-j", argc, argv, i);
        char *end;
        long n = strtol(v, &end, 10);
        o->jobs = (int)n;
        if (end == v || *end || n < 1 || n > 1024)
            usage_error(job, "-j %s: is not a number from 1 to 1024", v);
    } else if ((v = value_of(job, "--method", argc, argv, i))) {
        add_method(job, o, v);
    } else if ((v = value_of(job, "--custom-op", argc, argv, i))) {
        add_custom(job, o, v);
    } else if ((v = value_of(job, "--dim", argc, argv, i))) {
        add_dim(job, o, v);
    } else {
        return valued_flag(job, o, argc, argv, i);
    }
    return true;
}
