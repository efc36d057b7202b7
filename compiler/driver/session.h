/* SPDX-License-Identifier: MIT */
/* What run, bench and verify share: their flags, an artifact opened through libaotrt, its inputs read from
 * files.
 *
 *     Request request = { 0 };           flags, from request_word
 *     Runner *r = runner_open(job, &request);
 *     runner_bind(r, files, count);      one .npy per input that takes one, in the order of the signature
 *     runner_run(r);
 *     Array view;
 *     if (runner_output(r, 0, &view)) ...
 *
 * Nothing here returns an error: what is wrong unwinds through fail(). */
#ifndef AOTC_SESSION_H
#define AOTC_SESSION_H
#include "driver.h"
#include "npy.h"

/* The part of a command line that the commands have in common. */
typedef struct Request {
    const char *file;         /* the .so or .pt2 */
    const char *method, *isa; /* NULL: the model's choice */
    const char *cache;        /* --cache: where compiled archives are kept */
    uint64_t threads;         /* 0: serial */
    const char *public_key;   /* --require-signature: a file; NULL: none is asked for */
    bool fill_dims;           /* set by bench: --dim is its own flag, not the compiler's */
    CompileOptions compile;   /* for a .pt2 */
    const char *compile_flag; /* the first of these that was given; NULL: none */
    VEC(const char *) inputs; /* --inputs: files, or one folder */
    bool inputs_given;
    VEC(const char *) dims; /* NAME=N */
} Request;

/* Takes argv[*i] when it is FILE or a flag that all commands have; *i moves to its end.  A word that is none
 * is EXIT_USAGE. */
void request_word(Job *job, Request *request, int argc, char **argv, int *i);

/* An open artifact with one session. */
typedef struct Runner {
    Job *job;
    const char *file;     /* as the user named it */
    const char *artifact; /* the .so that is open: the same, or what the .pt2 became */
    char *folder;         /* of the .so, until it is open; NULL: it was there before */
    aot_file *open_file;
    aot_session *session;
    const aot_model *model;
    const aot_method *method;
    double open_seconds; /* of aot_open and aot_session_new; compiling is not counted */
    Array *inputs;       /* one per port; those that no file gave have path NULL */
} Runner;

/* Compiles if need be, opens, makes the session.  All is closed when the job ends. */
Runner *runner_open(Job *job, const Request *request);

/* A folder of our own for a model.so, under $TMPDIR; it goes when the job ends, or by
 * remove_private_folder (undefer it then). */
char *private_folder(Job *job);
void remove_private_folder(void *folder);
void remove_folder(void *path); /* one with nothing but files in it */

/* Whether the file begins as an ELF file does.  EXIT_INPUT when it cannot be read. */
bool is_artifact(Job *job, const char *path);
bool is_folder(const char *path);
bool is_file(const char *path);
/* "DIR/PREFIX007.npy" */
const char *numbered(Job *job, const char *folder, const char *prefix, uint64_t number);

/* How many inputs take a file: all but None and the numbers that the export fixed. */
bool takes_file(const aot_port *port);
uint64_t runner_file_count(const Runner *runner);
/* "x float32[batch in 1..64, 4]" */
const char *port_text(Job *job, const aot_port *port);

/* Reads the files and sets the inputs, which must be as many as take one; frees what was bound before. */
void runner_bind(Runner *runner, const char *const *files, size_t count);
/* The files that --inputs names: a folder is replaced by what it holds. */
void runner_bind_request(Runner *runner, const Request *request);
/* Sets one input from memory; array->data is copied only where the port wants a layout of its own. */
void runner_set(Runner *runner, uint64_t port, Array *array);
/* Binds the request's files; without any fills all inputs with made-up numbers, the request's dims being sizes
 * (inputs.c says how). */
void runner_inputs(Runner *runner, const Request *request);
/* The value of --seconds; EXIT_USAGE when it is none. */
double request_seconds(Job *job, const char *text);
/* The value of --rtol or --atol. */
double request_tolerance(Job *job, const char *flag, const char *text);
/* Settles all sizes; EXIT_INPUT with the model's text, in which the file at fault is named. */
void runner_plan(Runner *runner);
/* One inference; EXIT_INPUT with the model's text, EXIT_RESOURCE without memory. */
void runner_run(Runner *runner);
/* An output of the last run, row-major; false for None.  Lives until the next run. */
bool runner_output(Runner *runner, uint64_t port, Array *view);
/* An input as the last run left it, row-major: of interest for AOT_MUTATED ones. */
bool runner_input(Runner *runner, uint64_t port, Array *view);

/* How far an output is from what was expected. */
typedef struct Difference {
    const char *unlike; /* another dtype or shape, in words; NULL: the values were compared */
    double largest;     /* the largest absolute difference; INFINITY where only one is NaN or infinite */
    double scale;       /* the largest finite magnitude that was expected; 1 when all are 0 */
    int64_t at;         /* the element of the largest difference */
    int64_t outside; /* elements outside of atol + rtol * |expected|; any difference, for integers and bool */
} Difference;
Difference array_difference(Job *job, const Array *found, const Array *expected, double rtol, double atol);
#endif
