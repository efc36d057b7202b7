/* SPDX-License-Identifier: MIT */
/* aotc: the command line. */
#include "driver.h"
#include "compile.h"
#include "../../codegen/toolchain/toolchain.h"
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

typedef struct Args {
    int argc;
    char **argv;
} Args;

static void print_version(Job *job)
{
    (void)job;
    printf("aotc %s\n", AOTC_VERSION);
}

static void list_core_ops(Job *job)
{
    (void)job;
    list_graph_ops(stdout);
}

static void list_passes(Job *job)
{
    (void)job;
    for (size_t i = 0; i < graph_pass_count; i++)
        printf("%-16s %s\n", graph_passes[i].name, graph_passes[i].doc);
    printf("%-16s %s\n", "lower", "the graph becomes kernels over buffers");
    printf("%-16s %s\n", "plan_memory", "buffers get their places in one workspace");
    printf("%-16s %s\n", "emit", "the programs become C");
}

/* The table of README.md: what each group of rows reads; (_) marks an in-place form. */
static void list_ops(Job *job)
{
    (void)job;
    printf("| group | operators of `aten` |\n|---|---|");
    for (size_t i = 0; i < aten_row_count; i++) {
        const Row *r = &aten_rows[i];
        if (!r->name)
            printf("%s\n| %s |", i ? " |" : "", r->flags);
        else
            printf(" `%s`%s", r->name, strchr(r->flags, 'm') ? "(_)" : "");
    }
    printf(" |\n| `torch.ops.higher_order` |");
    for (size_t i = 0; import_special(i); i++)
        if (!strncmp(import_special(i), "higher_order.", 13))
            printf(" `%s`", import_special(i) + 13);
    printf(" |\n");
}

static void compile(Job *job, int argc, char **argv)
{
    CompileOptions o = { .cc = getenv("CC") };
    const char *input = NULL;
    if (help_wanted(job, argc, argv, ""))
        return;
    for (int i = 1; i < argc; i++) {
        if (compile_flag(job, &o, argc, argv, &i))
            continue;
        if (argv[i][0] == '-' && argv[i][1])
            usage_error(job, "%s: is not known", argv[i]);
        if (input)
            usage_error(job, "%s: a second input; further methods are given with --method NAME=FILE", argv[i]);
        input = argv[i];
    }
    if (!input)
        usage_error(job, "no input");
    compile_archive(job, input, &o);
}

static void body(Job *job, void *arg)
{
    static const struct {
        const char *name;
        void (*run)(Job *, int, char **);
    } commands[] = { { "run", command_run },       { "inspect", command_inspect }, { "bench", command_bench },
                     { "profile", command_profile },
                     { "diff", command_diff },       { "weights", command_weights },
                     { "verify", command_verify }, { "check", command_check },     { "ir", command_ir },
                     { "keygen", command_keygen }, { "sign", command_sign },
                     { "store", command_store } };
    static const struct {
        const char *flag;
        void (*print)(Job *);
    } answers[] = { { "--version", print_version },
                    { "--list-passes", list_passes },
                    { "--list-ops", list_ops },
                    { "--list-graph-ops", list_core_ops },
                    { "--man", print_manual } };
    Args *a = arg;
    const char *first = a->argc > 1 ? a->argv[1] : "";
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(first, commands[i].name)) {
            commands[i].run(job, a->argc - 1, a->argv + 1);
            return;
        }
    for (size_t i = 0; i < sizeof answers / sizeof *answers && a->argc > 1; i++)
        if (flag_is(first, answers[i].flag)) {
            if (a->argc > 2)
                usage_error(job, "%s: takes nothing else", first);
            answers[i].print(job);
            return;
        }
    int i = 1;
    const char *shell = a->argc > 1 ? flag_value(job, "--completion", a->argc, a->argv, &i) : NULL;
    if (shell && i + 1 == a->argc)
        print_completion(job, shell);
    else if (a->argc > 1)
        compile(job, a->argc, a->argv);
    else
        print_help(job, "");
}

typedef struct Start {
    Args args;
    int code;
} Start;

static void *start(void *arg)
{
    Start *s = arg;
    s->code = job_run(body, &s->args, stderr);
    return NULL;
}

/* Passes recurse over chains as long as the model's; the stack is as deep as they may become (untouched, it costs
 * nothing). */
int main(int argc, char **argv)
{
    Start s = { { argc, argv }, EXIT_RESOURCE };
    pthread_t thread;
    pthread_attr_t attr;
    signal(SIGCHLD, SIG_DFL); /* if inherited as ignored, exit codes of the C compiler would be lost */
    bool deep = !pthread_attr_init(&attr) && !pthread_attr_setstacksize(&attr, (size_t)1 << 29) &&
                !pthread_create(&thread, &attr, start, &s);
    if (!deep || pthread_join(thread, NULL))
        start(&s);
    if (fflush(stdout) && !s.code)
        s.code = EXIT_RESOURCE;
    if (cc_ended_by())
        raise(cc_ended_by());
    return s.code;
}
