/* SPDX-License-Identifier: MIT */
/* Objects that a C compiler made before, in a folder.
 *
 * A file DIR/KEY.o holds a mark, the SHA-256 of the object and the object.  It is written beside its place and renamed,
 * so that any number of processes may use the folder at once.  What lies there is linked into programs, so nothing is
 * taken from a folder or file that somebody else owns or may write, and nothing whose sum is wrong. */
#include "toolchain.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SUM = CACHE_KEY, HEAD = 8 + SUM, SWEEP_EVERY = 16, TOUCH_AFTER = 3600, ABANDONED_AFTER = 3600 };
static const char mark[8] = "aotcobj1";

struct ObjectCache {
    Job *job;
    int folder;
};

/* ---- the folder ---------------------------------------------------------------------------------------------------- */

/* Why the folder or file cannot be trusted; NULL: it can. */
static const char *distrust(const struct stat *st)
{
    if (st->st_uid != geteuid())
        return "belongs to another user";
    if (st->st_mode & (S_IWGRP | S_IWOTH))
        return "can be written by other users";
    return NULL;
}

static void close_cache(void *handle)
{
    close(((ObjectCache *)handle)->folder);
}

/* $XDG_CACHE_HOME/aotc, else ~/.cache/aotc; made if need be.  NULL: there is no such place. */
static const char *usual_folder(Job *job)
{
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (!base || *base != '/') /* as the XDG specification wants it */
        base = home && *home == '/' ? job_printf(job, "%s/.cache", home) : NULL;
    if (base)
        mkdir(base, 0700);
    return base ? job_printf(job, "%s/aotc", base) : NULL;
}

ObjectCache *cache_open(Job *job, const char *wanted)
{
    const char *path = wanted ? wanted : usual_folder(job), *why = NULL;
    struct stat st;
    if (!path)
        return NULL;
    if (mkdir(path, 0700) && errno != EEXIST)
        why = strerror(errno);
    ObjectCache *c = job_alloc(job, sizeof *c);
    *c = (ObjectCache){ job, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
    if (c->folder < 0)
        why = why ? why : strerror(errno);
    else
        why = fstat(c->folder, &st) ? strerror(errno) : distrust(&st);
    if (why && c->folder >= 0)
        close(c->folder);
    if (why && wanted)
        fail(job, EXIT_RESOURCE, "%s: cannot keep objects; %s", path, why);
    if (why)
        return NULL;
    job_defer(job, close_cache, c);
    return c;
}

/* ---- files --------------------------------------------------------------------------------------------------------- */

static const char *entry_name(Job *job, const uint8_t key[CACHE_KEY])
{
    Text t;
    text_init(&t, job);
    for (int i = 0; i < CACHE_KEY; i++)
        text_add(&t, "%02x", key[i]);
    text_add(&t, ".o");
    return t.at;
}

static bool sum(const void *bytes, size_t size, uint8_t out[SUM])
{
    return EVP_Digest(bytes, size, out, NULL, EVP_sha256(), NULL) == 1;
}

static bool read_all(int fd, char *to, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = read(fd, to + at, size - at);
        if (n <= 0 && !(n < 0 && errno == EINTR))
            return false;
        at += n > 0 ? (size_t)n : 0;
    }
    return true;
}

static bool write_all(int fd, const void *from, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = write(fd, (const char *)from + at, size - at);
        if (n < 0 && errno != EINTR)
            return false;
        at += n > 0 ? (size_t)n : 0;
    }
    return true;
}

bool cache_get(ObjectCache *c, const uint8_t key[CACHE_KEY], Object *out)
{
    const char *name = entry_name(c->job, key);
    struct stat st;
    uint8_t found[SUM];
    int fd = openat(c->folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool good = !fstat(fd, &st) && S_ISREG(st.st_mode) && !distrust(&st) && st.st_size > HEAD && st.st_size <= CACHE_OBJECT_MAX;
    size_t size = good ? (size_t)st.st_size : 0;
    char *bytes = good ? job_alloc(c->job, size) : NULL;
    good = good && read_all(fd, bytes, size) && !memcmp(bytes, mark, sizeof mark) &&
           sum(bytes + HEAD, size - HEAD, found) && !memcmp(bytes + sizeof mark, found, SUM);
    if (good && st.st_mtime < time(NULL) - TOUCH_AFTER)
        futimens(fd, NULL); /* what is used last goes last */
    close(fd);
    if (!good)
        unlinkat(c->folder, name, 0);
    else
        *out = (Object){ out->name, bytes + HEAD, size - HEAD };
    return good;
}

/* ---- keeping it small ---------------------------------------------------------------------------------------------- */

typedef struct Entry {
    const char *name;
    off_t size;
    time_t used;
} Entry;

static int oldest_first(const void *a, const void *b)
{
    const Entry *x = a, *y = b;
    return x->used != y->used ? (x->used < y->used ? -1 : 1) : strcmp(x->name, y->name);
}

/* Removes what was not used for longest until three quarters of the permitted size are left, and what a process that was
 * killed left behind. */
static void sweep(ObjectCache *c)
{
    int fd = openat(c->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    VEC(Entry) all = { 0 };
    off_t total = 0;
    struct stat st;
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (struct dirent *e; (e = readdir(dir));) {
        const char *dot = strrchr(e->d_name, '.');
        if (!dot || (strcmp(dot, ".o") && strcmp(dot, ".part")) || fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) ||
            !S_ISREG(st.st_mode))
            continue;
        if (!strcmp(dot, ".part")) {
            if (st.st_mtime < time(NULL) - ABANDONED_AFTER)
                unlinkat(fd, e->d_name, 0);
            continue;
        }
        *vec_push(c->job, &all) = (Entry){ job_copy(c->job, e->d_name, strlen(e->d_name)), st.st_size, st.st_mtime };
        total += st.st_size;
    }
    if (total > CACHE_BYTES) {
        qsort(all.at, all.n, sizeof *all.at, oldest_first);
        for (size_t i = 0; i < all.n && total > CACHE_BYTES / 4 * 3; i++) {
            unlinkat(fd, all.at[i].name, 0);
            total -= all.at[i].size;
        }
    }
    closedir(dir);
}

void cache_put(ObjectCache *c, const uint8_t key[CACHE_KEY], const Object *o)
{
    uint8_t found[SUM];
    if (!o->size || o->size > CACHE_OBJECT_MAX - HEAD || !sum(o->bytes, o->size, found))
        return;
    const char *name = entry_name(c->job, key);
    const char *part = job_printf(c->job, "%s.%ld.part", name, (long)getpid());
    int fd = openat(c->folder, part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    bool good = write_all(fd, mark, sizeof mark) && write_all(fd, found, SUM) && write_all(fd, o->bytes, o->size);
    good = !close(fd) && good;
    if (!good || renameat(c->folder, part, c->folder, name))
        unlinkat(c->folder, part, 0);
    else if (key[0] % SWEEP_EVERY == 0)
        sweep(c);
}
