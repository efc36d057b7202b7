/* SPDX-License-Identifier: MIT */
/* Output files: whole or not at all.  See toolchain.h for the rules.
 *
 * The bytes go to a new file in the target's folder and the target's name moves to it at the end,
 * so an artifact that is in use keeps its old bytes.  Devices, pipes and files without a name get
 * the bytes from an unnamed temporary file. */
#include "toolchain.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COPY_BYTES = 1 << 20, BLOCK = 2 << 20, MAX_LINKS = 40 };

struct Output {
    Job *job;
    const char *path;   /* as the user said, for messages */
    const char *target; /* what gets replaced: `path`, symlinks followed; NULL: copied into it */
    const char *temp;   /* NULL: has no name */
    uint64_t size, limit;
    int fd;
    char *block;        /* BLOCK bytes that lie at block_at, a multiple of that; [from, to) of them are still to be written */
    uint64_t block_at;
    size_t from, to;
};

static _Noreturn void io_fail(const Output *o, const char *what, int error)
{
    fail(o->job, EXIT_RESOURCE, "%s: %s; %s", o->path, what, strerror(error));
}

static void discard(void *handle)
{
    Output *o = handle;
    if (o->fd >= 0)
        close(o->fd);
    if (o->temp)
        unlink(o->temp);
    o->fd = -1;
    o->temp = NULL;
}

/* ---- where to -------------------------------------------------------------------------------- */

static const char *folder_of(Job *job, const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? job_copy(job, path, (size_t)(slash - path) + 1) : "";
}

/* Follows symlinks to a file that need not exist, as open(2) with O_CREAT would. */
static const char *follow(Output *o)
{
    const char *path = o->path;
    for (int i = 0; i < MAX_LINKS; i++) {
        char text[PATH_MAX];
        ssize_t n = readlink(path, text, sizeof text - 1);
        if (n < 0)
            return path;
        text[n] = 0;
        const char *folder = *text == '/' ? "" : folder_of(o->job, path);
        path = job_printf(o->job, "%s%s", folder, text);
    }
    io_fail(o, "cannot be written", ELOOP);
}

/* Sets `target`; refuses folders and what we may not write. */
static void find_target(Output *o)
{
    struct stat st;
    bool exists = stat(o->path, &st) == 0;
    if (!exists && errno != ENOENT)
        io_fail(o, "cannot be written", errno);
    if (exists && S_ISDIR(st.st_mode))
        io_fail(o, "cannot be written", EISDIR);
    if (exists && !S_ISREG(st.st_mode))
        return;
    if (exists && access(o->path, W_OK))
        io_fail(o, "cannot be replaced", errno);
    o->target = follow(o);
    struct stat again;
    if (exists && (stat(o->target, &again) || again.st_dev != st.st_dev ||
                   again.st_ino != st.st_ino)) {
        o->target = NULL; /* open but without a name: /proc/self/fd/9 of a deleted file */
        return;
    }
    const char *name = strrchr(o->target, '/');
    if (!*o->target || (name && !name[1]))
        io_fail(o, "cannot be written", *o->target ? EISDIR : ENOENT);
}

static uint64_t random_word(const Output *o)
{
    uint64_t word = 0;
    if (getrandom(&word, sizeof word, 0) != sizeof word)
        io_fail(o, "no unpredictable name for a temporary file", errno);
    return word;
}

/* A new file beside the target. */
static void create_beside(Output *o, int mode)
{
    const char *folder = folder_of(o->job, o->target);
    for (int i = 0; i < 100; i++) {
        char *name = job_printf(o->job, "%s.aotc-%016llx.tmp", folder,
                                (unsigned long long)random_word(o));
        o->fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
        if (o->fd >= 0) {
            o->temp = name;
            return;
        }
        if (errno != EEXIST)
            break;
    }
    io_fail(o, "cannot create a file in its folder", errno);
}

/* A file without a name, for what will be copied into a device or a pipe. */
static void create_unnamed(Output *o)
{
    const char *folder = getenv("TMPDIR");
    char *name = job_printf(o->job, "%s/aotc-XXXXXX", folder && *folder ? folder : "/tmp");
    o->fd = mkostemp(name, O_CLOEXEC);
    if (o->fd < 0)
        io_fail(o, job_printf(o->job, "cannot create the temporary file %s", name), errno);
    unlink(name);
}

Output *output_open(Job *job, const char *path, int mode)
{
    Output *o = job_alloc(job, sizeof *o);
    *o = (Output){ .job = job, .path = job_copy(job, path, strlen(path)), .fd = -1 };
    struct rlimit limit;
    o->limit = getrlimit(RLIMIT_FSIZE, &limit) || limit.rlim_cur == RLIM_INFINITY
                   ? INT64_MAX
                   : (uint64_t)limit.rlim_cur;
    find_target(o);
    job_defer(job, discard, o);
    if (o->target)
        create_beside(o, mode);
    else
        create_unnamed(o);
    return o;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void write_at(const Output *o, uint64_t at, const char *from, size_t size)
{
    while (size) {
        ssize_t n = pwrite(o->fd, from, size < SSIZE_MAX / 4 ? size : SSIZE_MAX / 4, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            io_fail(o, "cannot be written", n ? errno : ENOSPC);
        from += n;
        at += (uint64_t)n;
        size -= (size_t)n;
    }
}

static void flush(Output *o)
{
    write_at(o, o->block_at + o->from, o->block + o->from, o->to - o->from);
    o->from = o->to;
}

/* What follows the file's end, `at` not before it. Blocks are written whole: the page cache keeps a whole aligned block in one
 * piece of memory and maps it with one entry, so that the first run of a model faults once for each, and not for every
 * few pages. */
static void append(Output *o, uint64_t at, const char *bytes, size_t size)
{
    if (o->from < o->to && at >= o->block_at + BLOCK)
        flush(o);
    if (o->from < o->to) {
        size_t place = (size_t)(at - o->block_at);
        memset(o->block + o->to, 0, place - o->to);
        o->to = place;
    } else {
        o->block_at = at / BLOCK * BLOCK;
        o->from = o->to = (size_t)(at % BLOCK);
    }
    while (size) {
        size_t n = size < BLOCK - o->to ? size : BLOCK - o->to;
        if (n == BLOCK) {
            n = size / BLOCK * BLOCK;
            write_at(o, o->block_at, bytes, n);
            o->block_at += n;
        } else {
            memcpy(o->block + o->to, bytes, n);
            o->to += n;
        }
        if (o->to == BLOCK) {
            flush(o);
            o->block_at += BLOCK;
            o->from = o->to = 0;
        }
        bytes += n;
        size -= n;
    }
}

void output_write(Output *o, uint64_t at, const void *bytes, size_t size)
{
    if (!size)
        return;
    if (at > o->limit || size > o->limit - at) /* the system would raise SIGXFSZ */
        io_fail(o, "cannot be written", EFBIG);
    if (!o->block)
        o->block = job_big(o->job, BLOCK);
    if (at < o->size) {
        flush(o);
        write_at(o, at, bytes, size);
    } else {
        append(o, at, bytes, size);
    }
    if (at + size > o->size)
        o->size = at + size;
}

static void write_all(const Output *o, int fd, const char *from, size_t size)
{
    while (size) {
        ssize_t n = write(fd, from, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            io_fail(o, "cannot be written", n ? errno : ENOSPC);
        from += n;
        size -= (size_t)n;
    }
}

static void close_fd(void *fd)
{
    close(*(int *)fd);
}

/* Copies the bytes, in order, into something that cannot be replaced. */
static void copy_into(Output *o)
{
    int *to = job_alloc(o->job, sizeof *to);
    *to = open(o->path, O_WRONLY | O_TRUNC | O_NOCTTY | O_CLOEXEC);
    if (*to < 0)
        io_fail(o, "cannot be opened for writing", errno);
    job_defer(o->job, close_fd, to);
    char *block = job_big(o->job, COPY_BYTES);
    for (uint64_t at = 0; at < o->size;) {
        ssize_t n = pread(o->fd, block, COPY_BYTES, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            io_fail(o, "its temporary file cannot be read", n ? errno : EIO);
        write_all(o, *to, block, (size_t)n);
        at += (uint64_t)n;
    }
    job_release_big(o->job, block);
    job_undefer(o->job, to);
    if (close(*to))
        io_fail(o, "cannot be written", errno);
}

void output_commit(Output *o)
{
    if (o->block)
        flush(o);
    if (!o->target) {
        copy_into(o);
    } else {
        int fd = o->fd;
        o->fd = -1;
        if (close(fd)) /* the last word of quotas and network file systems */
            io_fail(o, "cannot be written", errno);
        if (rename(o->temp, o->target))
            io_fail(o, "cannot be replaced", errno);
        o->temp = NULL;
    }
    job_undefer(o->job, o);
    discard(o);
    if (o->block)
        job_release_big(o->job, o->block);
    o->block = NULL;
}

void output_file(Job *job, const char *path, int mode, const void *bytes, size_t size)
{
    Output *o = output_open(job, path, mode);
    output_write(o, 0, bytes, size);
    output_commit(o);
}
