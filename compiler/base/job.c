/* SPDX-License-Identifier: MIT */
/* Arena, interning, diagnostics, cleanup list: see job.h. */
#include "job.h"
#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 256 * 1024, ALIGN = 16 };

typedef struct Chunk {
    struct Chunk *next;
    size_t used, room;
    _Alignas(ALIGN) char bytes[];
} Chunk;

typedef struct Deferred {
    struct Deferred *next;
    void (*close)(void *);
    void *handle;
} Deferred;

typedef struct SymNode {
    struct SymNode *next;
    uint32_t hash;
    size_t length;
    char text[];
} SymNode;

struct Job {
    jmp_buf unwind;
    int code;
    FILE *errors;
    Chunk *chunks;
    Deferred *deferred;
    SymNode **table;
    size_t table_size, table_used;
    void *slots[JOB_SLOT_COUNT];
    VEC(Sym) warned;
};

static _Noreturn void out_of_memory(Job *job, size_t bytes)
{
    fprintf(job->errors, "aotc: out of memory; %zu bytes were asked for\n", bytes);
    job->code = EXIT_RESOURCE;
    longjmp(job->unwind, 1);
}

void *job_alloc(Job *job, size_t bytes)
{
    if (bytes > SIZE_MAX / 2)
        out_of_memory(job, bytes);
    bytes = (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    Chunk *c = job->chunks;
    if (!c || c->room - c->used < bytes) {
        size_t room = bytes > CHUNK / 4 ? bytes : CHUNK;
        Chunk *fresh = calloc(1, sizeof *fresh + room);
        if (!fresh)
            out_of_memory(job, bytes);
        fresh->room = room;
        if (c && room != CHUNK) { /* a large block does not end the current chunk */
            fresh->next = c->next;
            c->next = fresh;
        } else {
            fresh->next = c;
            job->chunks = fresh;
        }
        c = fresh;
    }
    void *p = c->bytes + c->used;
    c->used += bytes;
    return p;
}

void *job_array(Job *job, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / 2 / size)
        out_of_memory(job, SIZE_MAX);
    return job_alloc(job, count * size);
}

void *job_big(Job *job, size_t bytes)
{
    void *p = NULL;
    if (posix_memalign(&p, 64, bytes ? bytes : 1))
        out_of_memory(job, bytes);
    job_defer(job, free, p);
    return p;
}

void job_release_big(Job *job, void *block)
{
    if (!block)
        return;
    job_undefer(job, block);
    free(block);
}

void job_discard(void *block, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), skip = (page - (uintptr_t)block % page) % page;
    if (bytes > skip && bytes - skip >= page)
        madvise((char *)block + skip, (bytes - skip) / page * page, MADV_DONTNEED);
}

char *job_copy(Job *job, const char *text, size_t length)
{
    char *p = job_alloc(job, length + 1);
    if (length)
        memcpy(p, text, length);
    return p;
}

static char *vprintf_in(Job *job, const char *format, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *p = job_alloc(job, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, format, ap);
    return p;
}

char *job_printf(Job *job, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    char *p = vprintf_in(job, format, ap);
    va_end(ap);
    return p;
}

/* ---- interned strings ------------------------------------------------------------------------ */

static uint32_t hash_bytes(const char *s, size_t n)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < n; i++)
        h = (h ^ (uint8_t)s[i]) * 16777619u;
    return h;
}

static void grow_table(Job *job)
{
    size_t size = job->table_size ? job->table_size * 2 : 1024;
    SymNode **table = job_array(job, size, sizeof *table);
    for (size_t i = 0; i < job->table_size; i++)
        for (SymNode *n = job->table[i], *next; n; n = next) {
            next = n->next;
            n->next = table[n->hash & (size - 1)];
            table[n->hash & (size - 1)] = n;
        }
    job->table = table;
    job->table_size = size;
}

Sym sym_n(Job *job, const char *text, size_t length)
{
    if (job->table_used * 2 >= job->table_size)
        grow_table(job);
    uint32_t h = hash_bytes(text, length);
    SymNode **bucket = &job->table[h & (job->table_size - 1)];
    for (SymNode *n = *bucket; n; n = n->next)
        if (n->hash == h && n->length == length && !memcmp(n->text, text, length))
            return n->text;
    SymNode *n = job_alloc(job, sizeof *n + length + 1);
    n->hash = h;
    n->length = length;
    memcpy(n->text, text, length);
    n->next = *bucket;
    *bucket = n;
    job->table_used++;
    return n->text;
}

Sym sym(Job *job, const char *text)
{
    return sym_n(job, text, strlen(text));
}

Sym sym_printf(Job *job, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    char *p = vprintf_in(job, format, ap);
    va_end(ap);
    return sym(job, p);
}

/* ---- diagnostics ----------------------------------------------------------------------------- */

const char *origin_text(Job *job, const Origin *o)
{
    if (!o)
        return "";
    Text t;
    text_init(&t, job);
    if (o->file)
        text_add(&t, "%s:%d", o->file, o->line);
    if (o->text)
        text_add(&t, "%s%s", t.n ? " " : "", o->text);
    if (o->module)
        text_add(&t, "%s(module %s)", t.n ? " " : "", o->module);
    return t.at;
}

/* One line, printable: what an archive says must not reach a terminal as control characters. */
static void print_line(FILE *out, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        fputc(*p == '\n' || *p == '\t' ? ' ' : *p < 32 || *p == 127 ? '?' : *p, out);
    fputc('\n', out);
}

_Noreturn void fail_va(Job *job, int code, const Origin *origin, const char *format, va_list ap)
{
    const char *what = vprintf_in(job, format, ap);
    const char *where = origin_text(job, origin);
    fputs("aotc: ", job->errors);
    print_line(job->errors, *where ? job_printf(job, "%s: %s", where, what) : what);
    fflush(job->errors);
    job->code = code;
    longjmp(job->unwind, 1);
}

_Noreturn void fail(Job *job, int code, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    fail_va(job, code, NULL, format, ap);
}

_Noreturn void fail_at(Job *job, int code, const Origin *origin, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    fail_va(job, code, origin, format, ap);
}

void warn(Job *job, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    Sym text = sym(job, vprintf_in(job, format, ap));
    va_end(ap);
    for (size_t i = 0; i < job->warned.n; i++)
        if (job->warned.at[i] == text)
            return;
    *vec_push(job, &job->warned) = text;
    fputs("aotc: warning: ", job->errors);
    print_line(job->errors, text);
}

_Noreturn void bug_at(const char *file, int line, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    fprintf(stderr, "aotc: bug in aotc at %s:%d: ", file, line);
    vfprintf(stderr, format, ap);
    fputc('\n', stderr);
    va_end(ap);
    abort();
}

/* ---- life ------------------------------------------------------------------------------------ */

void job_defer(Job *job, void (*close)(void *), void *handle)
{
    Deferred *d = calloc(1, sizeof *d);
    if (!d) {
        close(handle);
        out_of_memory(job, sizeof *d);
    }
    *d = (Deferred){ job->deferred, close, handle };
    job->deferred = d;
}

void job_undefer(Job *job, void *handle)
{
    for (Deferred **d = &job->deferred; *d; d = &(*d)->next)
        if ((*d)->handle == handle) {
            Deferred *gone = *d;
            *d = gone->next;
            free(gone);
            return;
        }
}

void **job_slot(Job *job, int key)
{
    return &job->slots[key];
}

static void job_end(Job *job)
{
    while (job->deferred) {
        Deferred *d = job->deferred;
        job->deferred = d->next;
        d->close(d->handle);
        free(d);
    }
    while (job->chunks) {
        Chunk *c = job->chunks;
        job->chunks = c->next;
        free(c);
    }
}

int job_run(void (*body)(Job *, void *), void *arg, FILE *errors)
{
    Job *job = calloc(1, sizeof *job);
    if (!job) {
        fputs("aotc: out of memory\n", errors);
        return EXIT_RESOURCE;
    }
    job->errors = errors;
    if (!setjmp(job->unwind))
        body(job, arg);
    int code = job->code;
    job_end(job);
    free(job);
    return code;
}

/* ---- growing things -------------------------------------------------------------------------- */

void *vec_grow_(Job *job, void *at, size_t n, size_t *room, size_t size)
{
    if (n < *room)
        return at;
    size_t more = *room ? *room * 2 : 8;
    void *fresh = job_array(job, more, size);
    if (n)
        memcpy(fresh, at, n * size);
    *room = more;
    return fresh;
}

void text_init(Text *text, Job *job)
{
    *text = (Text){ .job = job, .at = job_alloc(job, 64), .room = 64 };
}

void text_put(Text *text, const char *bytes, size_t length)
{
    if (text->room - text->n <= length) {
        size_t room = (text->n + length + 1) * 2;
        char *fresh = job_alloc(text->job, room);
        memcpy(fresh, text->at, text->n);
        text->at = fresh;
        text->room = room;
    }
    if (length)
        memcpy(text->at + text->n, bytes, length);
    text->n += length;
    text->at[text->n] = 0;
}

void text_add(Text *text, const char *format, ...)
{
    char small[512];
    va_list ap, again;
    va_start(ap, format);
    va_copy(again, ap);
    int n = vsnprintf(small, sizeof small, format, ap);
    va_end(ap);
    if ((size_t)n < sizeof small)
        text_put(text, small, (size_t)n);
    else
        text_put(text, vprintf_in(text->job, format, again), (size_t)n);
    va_end(again);
}

void text_json(Text *text, const char *s)
{
    text_add(text, "\"");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            text_add(text, "\\%c", c);
        else if (c < 32 || c == 127)
            text_add(text, "\\u%04x", c);
        else
            text_put(text, s, 1);
    }
    text_add(text, "\"");
}

void text_pad(Text *text, size_t column)
{
    size_t start = text->n;
    while (start && text->at[start - 1] != '\n')
        start--;
    while (text->n - start < column)
        text_put(text, " ", 1);
}

bool mul_i64(int64_t a, int64_t b, int64_t *out)
{
    int64_t r;
    if (__builtin_mul_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}

bool add_i64(int64_t a, int64_t b, int64_t *out)
{
    int64_t r;
    if (__builtin_add_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}

static void close_file(void *f)
{
    fclose(f);
}

char *read_file(Job *job, const char *path, size_t limit, size_t *size)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        fail(job, EXIT_INPUT, "%s: cannot be read; %s", path, strerror(errno));
    job_defer(job, close_file, f);
    Text t;
    text_init(&t, job);
    char buffer[65536];
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, f)) > 0;) {
        if (t.n + n > limit)
            fail(job, EXIT_INPUT, "%s: is larger than the %zu bytes allowed here", path, limit);
        text_put(&t, buffer, n);
    }
    if (ferror(f))
        fail(job, EXIT_INPUT, "%s: cannot be read; %s", path, strerror(errno));
    job_undefer(job, f);
    fclose(f);
    *size = t.n;
    return t.at;
}

double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
