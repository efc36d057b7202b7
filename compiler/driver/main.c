/* SPDX-License-Identifier: MIT */
/* aotc: the command line. */
#include "driver.h"
#include "compile.h"
#include "../../codegen/toolchain/toolchain.h"
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: aotc MODEL.pt2 -o MODEL.so [flags]     compile what torch.export.save wrote\n"
    "       aotc run FILE.{so,pt2} --inputs A.npy ... --outputs DIR\n"
    "       aotc inspect FILE [--json]             what an artifact holds, without loading it\n"
    "       aotc check MODEL.pt2                   would it compile? every unsupported operator\n"
    "       aotc bench FILE                        time it\n"
    "       aotc verify FILE --against DIR         compare with recorded outputs\n"
    "       aotc ir FILE.gir [--pass NAME]         one pass over a graph as text\n"
    "flags:\n"
    "  -o FILE            output; by default the model's name here\n"
    "  --backend=gcc|tcc  compile by the C compiler, or by libtcc in this process\n"
    "  --emit=so|obj|c|graph|loops\n"
    "  --cpu=v3,v4        instruction sets in the artifact: any of v3, v4, baseline, native\n"
    "  --target=generic|x86-64|x86-64-v3|x86-64-v4|aarch64   for --emit=c and --emit=obj\n"
    "  --cc CC, --sysroot DIR, -j N\n"
    "  --method NAME=FILE.pt2   one more method, weights shared;  --model NAME   one program of several\n"
    "  --dim NAME=8, --dim NAME=1..64   specialise or narrow a dynamic size\n"
    "  --custom-op NAME=FILE.c  the C function of an operator that PyTorch does not have (aot.h)\n"
    "  -MD -MF FILE       dependencies for make;  --report=FILE.json\n"
    "  -v, --time-passes, --dump=all, --dump=after:PASS, --list-passes, --list-ops, --version\n"
    "exit codes: 0 done, 1 input refused, 2 usage, 3 not supported, 4 toolchain, 5 memory or I/O\n";

typedef struct Args {
    int argc;
    char **argv;
} Args;

static void list_passes(void)
{
    for (size_t i = 0; i < graph_pass_count; i++)
        printf("%-16s %s\n", graph_passes[i].name, graph_passes[i].doc);
    printf("%-16s %s\n", "lower", "the graph becomes kernels over buffers");
    printf("%-16s %s\n", "plan_memory", "buffers get their places in one workspace");
    printf("%-16s %s\n", "emit", "the programs become C");
}

/* The table of README.md: what each group of rows reads; (_) marks an in-place form. */
static void list_ops(void)
{
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
    } commands[] = { { "run", command_run },     { "inspect", command_inspect }, { "bench", command_bench },
                     { "verify", command_verify }, { "check", command_check },
                     { "ir", command_ir } };
    Args *a = arg;
    const char *first = a->argc > 1 ? a->argv[1] : "--help";
    bool alone = !strcmp(first, "--version") || !strncmp(first, "--list-", 7);
    if (alone && a->argc > 2)
        usage_error(job, "%s: takes nothing else", first);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(first, commands[i].name)) {
            commands[i].run(job, a->argc - 1, a->argv + 1);
            return;
        }
    if (!strcmp(first, "--help") || !strcmp(first, "-h"))
        fputs(help, stdout);
    else if (!strcmp(first, "--version"))
        printf("aotc %s\n", AOTC_VERSION);
    else if (!strcmp(first, "--list-passes"))
        list_passes();
    else if (!strcmp(first, "--list-graph-ops"))
        list_graph_ops(stdout);
    else if (!strcmp(first, "--list-ops"))
        list_ops();
    else
        compile(job, a->argc, a->argv);
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
