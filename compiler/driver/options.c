/* SPDX-License-Identifier: MIT */
/* The table of the command line, and the compile flags, shared by `aotc MODEL.pt2` and by the commands that compile on the way. */
#include "compile.h"
#include <ctype.h>
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

/* ---- the table ------------------------------------------------------------------------------------------- */

const OptionRow option_rows[] = {
#define COMMAND(name, arguments, groups, about) { ROW_COMMAND, name, arguments, groups, about },
#define GROUP(name, about) { ROW_GROUP, name, NULL, "", about },
#define FLAG(names, value, about) { ROW_FLAG, names, value, "", about },
#include "options.def"
#undef COMMAND
#undef GROUP
#undef FLAG
};
const size_t option_row_count = sizeof option_rows / sizeof *option_rows;

const char *option_word(const char *list, const char *between, size_t *n)
{
    if (!*list)
        return NULL;
    const char *end = strstr(list, between);
    *n = end ? (size_t)(end - list) : strlen(list);
    return list;
}

const char *option_next(const char *at, const char *between, size_t n)
{
    return at[n] ? at + n + strlen(between) : at + n;
}

static bool word_in(const char *list, const char *between, const char *word, size_t length)
{
    size_t n;
    for (const char *at = list; (at = option_word(at, between, &n)); at = option_next(at, between, n))
        if (n == length && !memcmp(at, word, n))
            return true;
    return false;
}

bool option_has_words(const OptionRow *row)
{
    for (const char *p = row->value; p && *p; p++)
        if (isupper((unsigned char)*p))
            return false;
    return row->value != NULL;
}

/* The first row of a flag behind `section`, or anywhere when that is NULL. */
static const OptionRow *row_of(const char *section, const char *flag)
{
    bool here = !section;
    for (const OptionRow *r = option_rows; r < option_rows + option_row_count; r++) {
        if (section && r->kind != ROW_FLAG)
            here = !strcmp(r->names, section);
        if (here && r->kind == ROW_FLAG && word_in(r->names, ", ", flag, strlen(flag)))
            return r;
    }
    bug("%s is read, and has no row in options.def", flag);
}

void option_check(Job *job, const char *section, const char *flag, const char *value)
{
    const OptionRow *row = row_of(section, flag);
    if (option_has_words(row) && !word_in(row->value, "|", value, strlen(value)))
        usage_error(job, "%s=%s: is not known; %s are", flag, value, row->value);
}

bool flag_is(const char *word, const char *flag)
{
    return word_in(row_of(NULL, flag)->names, ", ", word, strlen(word));
}

const char *flag_value(Job *job, const char *flag, int argc, char **argv, int *i)
{
    const char *word = argv[*i], *equals = strchr(word, '=');
    size_t n = equals ? (size_t)(equals - word) : strlen(word);
    if (!word_in(row_of(NULL, flag)->names, ", ", word, n))
        return NULL;
    if (equals)
        return equals + 1;
    if (*i + 1 >= argc)
        usage_error(job, "%s: needs a value", word);
    return argv[++*i];
}

/* ---- the flags of a compilation -------------------------------------------------------------------------- */

static bool known(const char *value, const char *const *words)
{
    for (; *words; words++)
        if (!strcmp(value, *words))
            return true;
    return false;
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
    struct {
        const char *name, **to;
    } flags[] = { { "-o", &o->output },       { "--backend", &o->backend }, { "--emit", &o->emit },
                  { "--cpu", &o->cpu },       { "--target", &o->target },   { "--cc", &o->cc },
                  { "--sysroot", &o->sysroot }, { "--model", &o->model },   { "--dump", &o->dump },
                  { "-MF", &o->depfile },     { "--report", &o->report },   { "--meta", &o->meta }, { "--weights", &o->weights },
                  { "--winograd", &o->winograd }, { "--tune", &o->tune }, { "--cache-dir", &o->cache_dir },
                  { "--java-class", &o->java_class }, { "--state-dict", &o->state_dict },
                  { "--keep-intermediates", &o->keep } };
    for (size_t k = 0; k < sizeof flags / sizeof *flags; k++) {
        const char *v = flag_value(job, flags[k].name, argc, argv, i);
        if (!v)
            continue;
        option_check(job, "", flags[k].name, v);
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
    if (flag_is(a, "--verbose")) {
        o->verbose = true;
    } else if (flag_is(a, "--time-passes")) {
        o->time_passes = true;
    } else if (flag_is(a, "--no-cache")) {
        o->no_cache = true;
    } else if (flag_is(a, "-MD")) {
        o->depfile = o->depfile ? o->depfile : "";
    } else if (!strncmp(a, "-j", 2)) {
        v = a[2] ? a + 2 : flag_value(job, "-j", argc, argv, i);
        char *end;
        long n = strtol(v, &end, 10);
        o->jobs = (int)n;
        if (end == v || *end || n < 1 || n > 1024)
            usage_error(job, "-j %s: is not a number from 1 to 1024", v);
    } else if ((v = flag_value(job, "--method", argc, argv, i))) {
        add_method(job, o, v);
    } else if ((v = flag_value(job, "--custom-op", argc, argv, i))) {
        add_custom(job, o, v);
    } else if ((v = flag_value(job, "--dim", argc, argv, i))) {
        add_dim(job, o, v);
    } else {
        return valued_flag(job, o, argc, argv, i);
    }
    return true;
}
