/* SPDX-License-Identifier: MIT */
/* libtcc: C to an object, or to code in this process, without files, headers or a child process.
 *
 * libtcc's state is global behind a lock of its own that is held while it compiles: nothing may
 * unwind out of its error callback.  The callback notes the first line; fail() comes after the
 * state is deleted. */
#include "toolchain.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef AOTC_HAVE_TCC
#include <libtcc.h>

typedef struct Tcc {
    Job *job;
    const char *name;
    TCCState *state; /* NULL: deleted */
    int fd;          /* the object; -1: none */
    const char *file; /* its name, when it had to have one */
    char error[512];
} Tcc;

static void note_error(void *ctx, const char *message)
{
    Tcc *t = ctx;
    if (*t->error && (strstr(t->error, "error") || !strstr(message, "error")))
        return; /* the first error says most; any error says more than a warning */
    size_t n = strcspn(message, "\n");
    if (n >= sizeof t->error)
        n = sizeof t->error - 1;
    memcpy(t->error, message, n);
    t->error[n] = 0;
}

static void close_tcc(void *handle)
{
    Tcc *t = handle;
    if (t->state)
        tcc_delete(t->state);
    if (t->fd >= 0)
        close(t->fd);
    if (t->file)
        unlink(t->file);
    t->state = NULL;
    t->fd = -1;
    t->file = NULL;
}

static _Noreturn void tcc_failed(Tcc *t, const char *what)
{
    close_tcc(t);
    fail(t->job, EXIT_TOOLCHAIN, "%s: tcc cannot %s this code: %s", t->name, what,
         *t->error ? t->error : "it says nothing");
}

/* A name that can stand in a #line directive. */
static const char *quotable(Job *job, const char *name)
{
    char *copy = job_copy(job, name, strlen(name));
    for (char *c = copy; *c; c++)
        if (*c == '"' || *c == '\\' || (unsigned char)*c < 32)
            *c = '_';
    return copy;
}

static Tcc *tcc_start(Job *job, const char *name, int output_type)
{
    Tcc *t = job_alloc(job, sizeof *t);
    *t = (Tcc){ .job = job, .name = name, .fd = -1 };
    t->state = tcc_new();
    if (!t->state)
        fail(job, EXIT_RESOURCE, "%s: no memory for tcc", name);
    job_defer(job, close_tcc, t);
    tcc_set_error_func(t->state, t, note_error);
    tcc_set_options(t->state, "-nostdlib -nostdinc -std=c11 -Wall -Werror");
    tcc_set_lib_path(t->state, "");
    tcc_set_output_type(t->state, output_type);
    return t;
}

static void tcc_translate(Tcc *t, const char *text, const char *const *defines)
{
    for (; defines && defines[0]; defines += 2)
        tcc_define_symbol(t->state, defines[0], defines[1]);
    const char *name = quotable(t->job, t->name);
    const char *whole = job_printf(t->job, "#line 1 \"%s\"\n%s", name, text);
    if (tcc_compile_string(t->state, whole))
        tcc_failed(t, "compile");
}

/* ---- objects --------------------------------------------------------------------------------- */

/* A file that tcc can open by name: in memory, or a temporary one where /proc is missing. */
static const char *open_output(Tcc *t)
{
    t->fd = memfd_create("aotc", MFD_CLOEXEC);
    const char *path = job_printf(t->job, "/proc/self/fd/%d", t->fd);
    if (t->fd >= 0 && !access(path, W_OK))
        return path;
    if (t->fd >= 0)
        close(t->fd);
    const char *folder = getenv("TMPDIR");
    char *name = job_printf(t->job, "%s/aotc-XXXXXX", folder && *folder ? folder : "/tmp");
    t->fd = mkostemp(name, O_CLOEXEC);
    if (t->fd < 0)
        fail(t->job, EXIT_RESOURCE, "%s: cannot be created; %s; set TMPDIR", name, strerror(errno));
    t->file = name;
    return name;
}

/* tcc opens the name anew, and may have replaced the file. */
static void read_output(Tcc *t, const char *path, Object *out)
{
    struct stat st;
    if (t->file) {
        close(t->fd);
        t->fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (t->fd < 0 || fstat(t->fd, &st))
        fail(t->job, EXIT_RESOURCE, "%s: tcc's object cannot be read; %s", t->name,
             strerror(errno));
    size_t size = (size_t)st.st_size, at = 0;
    char *bytes = job_alloc(t->job, size + 1);
    while (at < size) {
        ssize_t n = pread(t->fd, bytes + at, size - at, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            fail(t->job, EXIT_RESOURCE, "%s: tcc's object cannot be read; %s", t->name,
                 n ? strerror(errno) : "it became shorter");
        at += (size_t)n;
    }
    *out = (Object){ t->name, bytes, size };
}

void tcc_compile(Job *job, const char *name, const char *text, const char *const *defines,
                 Object *out)
{
    Tcc *t = tcc_start(job, name, TCC_OUTPUT_OBJ);
    tcc_translate(t, text, defines);
    const char *path = open_output(t);
    if (tcc_output_file(t->state, path))
        tcc_failed(t, "write an object for");
    read_output(t, path, out);
    job_undefer(job, t);
    close_tcc(t);
}

/* ---- code in this process -------------------------------------------------------------------- */

/* What tcc's code calls for conversions that it does not do inline.  As in an artifact: in range as
 * C says, out of range as the processor's signed conversion. */
static uint64_t fix_float(float x)
{
    return x < 0x1p63f ? (uint64_t)(int64_t)x : (uint64_t)(int64_t)(x - 0x1p63f) + (1ull << 63);
}

static uint64_t fix_double(double x)
{
    return x < 0x1p63 ? (uint64_t)(int64_t)x : (uint64_t)(int64_t)(x - 0x1p63) + (1ull << 63);
}

static float float_from(uint64_t x)
{
    return (float)x;
}

static double double_from(uint64_t x)
{
    return (double)x;
}

static void add_helpers(Tcc *t, const TccSymbol *symbols, size_t count)
{
    const TccSymbol helpers[] = {
        { "memcpy", (void *)(uintptr_t)memcpy },
        { "memmove", (void *)(uintptr_t)memmove },
        { "memset", (void *)(uintptr_t)memset },
        { "__fixunssfdi", (void *)(uintptr_t)fix_float },
        { "__fixunsdfdi", (void *)(uintptr_t)fix_double },
        { "__floatundisf", (void *)(uintptr_t)float_from },
        { "__floatundidf", (void *)(uintptr_t)double_from },
    };
    for (size_t i = 0; i < sizeof helpers / sizeof *helpers; i++) {
        bool given = false;
        for (size_t k = 0; k < count; k++)
            given |= !strcmp(symbols[k].name, helpers[i].name);
        if (!given)
            tcc_add_symbol(t->state, helpers[i].name, helpers[i].address);
    }
}

void *tcc_load(Job *job, const char *name, const char *text, const char *const *defines,
               const TccSymbol *symbols, size_t symbol_count, const char *wanted)
{
    Tcc *t = tcc_start(job, name, TCC_OUTPUT_MEMORY);
    tcc_translate(t, text, defines);
    for (size_t i = 0; i < symbol_count; i++)
        tcc_add_symbol(t->state, symbols[i].name, symbols[i].address);
    add_helpers(t, symbols, symbol_count);
    if (tcc_relocate(t->state, TCC_RELOCATE_AUTO) < 0)
        tcc_failed(t, "load");
    void *found = tcc_get_symbol(t->state, wanted);
    if (!found) {
        snprintf(t->error, sizeof t->error, "it defines no %s", wanted);
        tcc_failed(t, "load");
    }
    return found; /* lives as long as the job */
}

#else

static _Noreturn void no_tcc(Job *job, const char *name)
{
    fail(job, EXIT_UNSUPPORTED, "%s: this aotc was built without libtcc; use --backend=gcc", name);
}

void tcc_compile(Job *job, const char *name, const char *text, const char *const *defines,
                 Object *out)
{
    (void)text, (void)defines, (void)out;
    no_tcc(job, name);
}

void *tcc_load(Job *job, const char *name, const char *text, const char *const *defines,
               const TccSymbol *symbols, size_t symbol_count, const char *wanted)
{
    (void)text, (void)defines, (void)symbols, (void)symbol_count, (void)wanted;
    no_tcc(job, name);
}
#endif
