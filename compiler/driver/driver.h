/* SPDX-License-Identifier: MIT */
/* The program aotc: flags, compilation, and the commands that run and look at artifacts. */
#ifndef AOTC_DRIVER_H
#define AOTC_DRIVER_H
#include "../base/job.h"

#define AOTC_VERSION "0.1.0"

/* What a compilation is asked for; zero is the default of each. */
typedef struct CompileOptions {
    const char *output;          /* -o; NULL: the input's name with another extension, here */
    const char *backend;         /* "gcc", "tcc"; NULL: gcc where a C compiler answers, else tcc */
    const char *emit;            /* "so" (default), "jar" (default for an output so named), "obj", "c", "graph", "loops" */
    const char *java_class;      /* --java-class=com.acme.Net */
    const char *cpu;             /* --cpu: "v3,v4" (default), "v3", "v4", "baseline", "native" */
    const char *target;          /* --target: "generic", "x86-64[-v3|-v4]", "aarch64"; for c and obj */
    const char *cc, *sysroot;
    const char *cache_dir;       /* --cache-dir: where objects are kept; NULL: the usual place */
    bool no_cache;
    const char *model;           /* --model: which program of an archive that holds several; NULL: all */
    const char *depfile;         /* -MD -MF */
    const char *meta;            /* --meta=FILE.json */
    const char *report;          /* --report=FILE.json */
    const char *dump;            /* --dump=all, after:PASS */
    const char *weights;         /* "embed" (default), "file" */
    const char *state_dict;      /* --state-dict: a file whose weights take the place of the archives' */
    const char *keep;            /* --keep-intermediates: a pattern for nodes or modules; NULL: none */
    const char *tune;            /* --tune: the file of what was measured */
    const char *winograd;        /* "4", "2", "off"; NULL: 4 in a .so, else off */
    int jobs;                    /* -j */
    bool verbose, time_passes;
    struct MethodOption {
        const char *name, *path; /* --method NAME=FILE.pt2 */
    } *methods;
    size_t method_count;
    struct CustomOption {
        const char *name, *path; /* --custom-op NAME=FILE.c */
    } *customs;
    size_t custom_count;
    const char *const *dims;     /* --dim NAME=8, NAME=1..64, as given */
    size_t dim_count;
} CompileOptions;

/* Compiles the archive `input` to options->output.  Fails through the job. */
void compile_archive(Job *job, const char *input, const CompileOptions *options);
/* Compiles it into the folder `cache` under a name made of the contents of all inputs and of the options, unless it is
 * there already, and returns the path of the .so (design: found again by content). */
const char *compile_cached(Job *job, const char *input, const CompileOptions *options, const char *cache);
/* Reads the compile flags from argv[*i] on: true when argv[*i] (and what follows it) was one, *i moved to its end. */
bool compile_flag(Job *job, CompileOptions *options, int argc, char **argv, int *i);
/* EXIT_USAGE with the text and a hint at --help. */
_Noreturn void usage_error(Job *job, const char *format, ...) PRINTF_LIKE(2, 3);

/* ---- the table of the command line: options.def, options.c; what is made of it: usage.c */

typedef struct OptionRow {
    enum { ROW_COMMAND, ROW_GROUP, ROW_FLAG } kind;
    const char *names;  /* "run"; "-v, --verbose" */
    const char *value;  /* a flag's value, a command's arguments; NULL: none */
    const char *groups; /* of a command: the groups whose flags it takes */
    const char *about;
} OptionRow;
extern const OptionRow option_rows[];
extern const size_t option_row_count;

/* Walks over a list such as "a, b": the first word of `list` and its length, NULL behind the last; and what follows. */
const char *option_word(const char *list, const char *between, size_t *n);
const char *option_next(const char *at, const char *between, size_t n);
/* Whether the words of `value` are all that the flag takes. */
bool option_has_words(const OptionRow *row);
/* EXIT_USAGE when the flag of that command ("" for compiling) takes other words only. */
void option_check(Job *job, const char *section, const char *flag, const char *value);
/* Whether `word` is one of the spellings of `flag`, which has a row. */
bool flag_is(const char *word, const char *flag);
/* The value of "--flag VALUE" or "--flag=VALUE", *i moved to its end; NULL: argv[*i] is another word. */
const char *flag_value(Job *job, const char *flag, int argc, char **argv, int *i);
/* Prints the help of the command ("": of aotc) when -h or --help is among the words. */
bool help_wanted(Job *job, int argc, char **argv, const char *command);
/* To standard output: all of the help; the manual page; the completions for bash or zsh. */
void print_help(Job *job, const char *command);
void print_manual(Job *job);
void print_completion(Job *job, const char *shell);

/* The commands: `aotc run ...`, argv[0] is the command's name. */
void command_run(Job *job, int argc, char **argv);
void command_inspect(Job *job, int argc, char **argv);
void command_bench(Job *job, int argc, char **argv);
void command_profile(Job *job, int argc, char **argv);
void command_verify(Job *job, int argc, char **argv);
void command_diff(Job *job, int argc, char **argv);
void command_weights(Job *job, int argc, char **argv);
void command_check(Job *job, int argc, char **argv);
void command_keygen(Job *job, int argc, char **argv);
void command_store(Job *job, int argc, char **argv);
void command_sign(Job *job, int argc, char **argv);
void command_ir(Job *job, int argc, char **argv); /* texts of the IRs: ir.c; list_graph_ops: the table of docs/graph-ir.md */
void list_graph_ops(FILE *out);
#endif
