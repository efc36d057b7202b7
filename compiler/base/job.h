/* SPDX-License-Identifier: MIT */
/* One compilation: memory, names, diagnostics and the single unwind boundary.
 *
 * A Job owns everything a compilation makes.  Memory comes from its arena and is freed with it, never piecewise.
 * Handles that the arena cannot own (files, mappings, zip archives, a child process, a TCCState) are registered with
 * job_defer at the line that opens them and closed, last first, when the job ends, however it ends.
 *
 * There are three classes of failure and three mechanisms:
 *   - the user's model, files or flags: fail() / fail_at(), which do not return: they unwind to job_run();
 *   - our own bug: bug(), which prints the pass and aborts;
 *   - what may simply not be there: a function that returns NULL and says so.
 * No function of the compiler holds mutable globals; two jobs may live in one process. */
#ifndef AOTC_JOB_H
#define AOTC_JOB_H
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct Job Job;
typedef const char *Sym; /* an interned string: equal text, equal pointer; NULL is no name */

/* Exit codes of the program; fail() takes one. */
enum {
    EXIT_DONE = 0,
    EXIT_INPUT = 1,       /* broken or hostile file, or a guard violated at run time */
    EXIT_USAGE = 2,       /* a flag or argument we do not have */
    EXIT_UNSUPPORTED = 3, /* well-formed, but not ours or not supported */
    EXIT_TOOLCHAIN = 4,   /* the C compiler or the link failed */
    EXIT_RESOURCE = 5     /* out of memory or I/O error */
};

/* Where in the user's model something came from.  Travels through every rewrite; any field may be NULL. */
typedef struct Origin {
    Sym node;   /* the exported node's name, "linear_1" */
    Sym module; /* the module path, "classifier.3" */
    Sym file;   /* the Python file */
    int line;
    Sym text;   /* the Python line, trimmed */
    Sym target; /* the ATen target, "aten.linear.default" */
} Origin;

#if defined(__GNUC__)
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#else
#define PRINTF_LIKE(f, a)
#endif

/* Runs body(job, arg) inside a fresh job and returns an exit code: 0, or the code given to fail().  The error's text
 * goes to `errors` as one line ("aotc: ...").  All deferred handles are closed and all memory is freed on return. */
int job_run(void (*body)(Job *job, void *arg), void *arg, FILE *errors);

/* Refuses the input: unwinds to job_run with exit code `code`.  The text is `where: what; expected/found; what to do`
 * without newline. */
_Noreturn void fail(Job *job, int code, const char *format, ...) PRINTF_LIKE(3, 4);
/* As fail, with the origin's Python line, module and target in front. */
_Noreturn void fail_at(Job *job, int code, const Origin *origin, const char *format, ...)
    PRINTF_LIKE(4, 5);
_Noreturn void fail_va(Job *job, int code, const Origin *origin, const char *format, va_list ap);
/* Prints "aotc: warning: ..." once per distinct text. */
void warn(Job *job, const char *format, ...) PRINTF_LIKE(2, 3);
/* An invariant of ours is broken: prints where and aborts. */
#define bug(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)
_Noreturn void bug_at(const char *file, int line, const char *format, ...) PRINTF_LIKE(3, 4);
/* "model.py:41 x = F.relu(x) (module features.3)"; "" when nothing is known.  Lives in the arena. */
const char *origin_text(Job *job, const Origin *origin);

/* Arena memory, zeroed and 16-byte aligned, freed with the job.  Never NULL: running out is EXIT_RESOURCE. */
void *job_alloc(Job *job, size_t bytes);
/* count * size with the product checked. */
void *job_array(Job *job, size_t count, size_t size);
/* A big block outside the arena's chunks, 64-byte aligned, not zeroed; freed with the job or by job_release_big. */
void *job_big(Job *job, size_t bytes);
void job_release_big(Job *job, void *block);
/* Gives back the memory of a big block whose contents nobody needs any more; the block stays, with anything in it. */
void job_discard(void *block, size_t bytes);
char *job_printf(Job *job, const char *format, ...) PRINTF_LIKE(2, 3);
char *job_copy(Job *job, const char *text, size_t length); /* NUL-terminated copy */

/* Interned strings. */
Sym sym(Job *job, const char *text);
Sym sym_n(Job *job, const char *text, size_t length);
Sym sym_printf(Job *job, const char *format, ...) PRINTF_LIKE(2, 3);

/* Calls close(handle) when the job ends; job_undefer forgets it (the caller has closed it). */
void job_defer(Job *job, void (*close)(void *handle), void *handle);
void job_undefer(Job *job, void *handle);

/* A slot for a module's per-job state (the index table, ...): zeroed pointer per key. */
enum { JOB_SLOT_IDX, JOB_SLOT_EVALUATE, JOB_SLOT_COUNT };
void **job_slot(Job *job, int key);

/* Growing array in the arena: VEC(T) v = {0}; *vec_push(job, &v) = x; v.at[i]; v.n */
#define VEC(T)                                                                                     \
    struct {                                                                                       \
        T *at;                                                                                     \
        size_t n, room;                                                                            \
    }
#define vec_push(job, v)                                                                           \
    ((v)->at = vec_grow_((job), (v)->at, (v)->n, &(v)->room, sizeof *(v)->at), &(v)->at[(v)->n++])
void *vec_grow_(Job *job, void *at, size_t n, size_t *room, size_t size);

/* Growing text; everything that prints uses it. */
typedef struct Text {
    Job *job;
    char *at; /* NUL-terminated, "" when empty */
    size_t n, room;
} Text;
void text_init(Text *text, Job *job);
void text_add(Text *text, const char *format, ...) PRINTF_LIKE(2, 3);
void text_put(Text *text, const char *bytes, size_t length);
void text_json(Text *text, const char *s); /* as a string of JSON, in quotes */
void text_pad(Text *text, size_t column); /* spaces until the current line is `column` long */

/* Integer products that refuse overflow: false, *out untouched. */
bool mul_i64(int64_t a, int64_t b, int64_t *out);
bool add_i64(int64_t a, int64_t b, int64_t *out);

/* Whole files.  read_file fails with EXIT_INPUT when the file cannot be read or is larger than `limit`. */
char *read_file(Job *job, const char *path, size_t limit, size_t *size);
double seconds_now(void); /* monotonic */
#endif
