/* SPDX-License-Identifier: MIT */
/* The folder of objects: what was put comes back, and nothing else does. */
#include "toy.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const uint8_t key[CACHE_KEY] = { 1, 2, 3 }, sweeping[CACHE_KEY] = { 0 };

typedef struct Use {
    const char *folder;
    const uint8_t *key;
    const char *put; /* NULL: get */
    size_t size;
    bool opened, found;
    char got[64];
} Use;

static void use(Job *job, void *arg)
{
    Use *u = arg;
    ObjectCache *c = cache_open(job, u->folder);
    Object o = { "x.o", u->put, u->size };
    u->opened = c != NULL;
    if (c && u->put)
        cache_put(c, u->key, &o);
    else if (c)
        u->found = cache_get(c, u->key, &o);
    if (u->found && CHECK(o.size < sizeof u->got))
        memcpy(u->got, o.bytes, o.size);
}

static int put(const char *folder, const uint8_t *k, const char *text)
{
    Use u = { .folder = folder, .key = k, .put = text, .size = strlen(text) };
    return toy_job(use, &u);
}

static bool get_either(const char *folder, const uint8_t *k, const char *text, const char *other)
{
    Use u = { .folder = folder, .key = k };
    CHECK(toy_job(use, &u) == EXIT_DONE);
    return u.found && (!strcmp(u.got, text) || !strcmp(u.got, other));
}

static bool get(const char *folder, const uint8_t *k, const char *text)
{
    return get_either(folder, k, text, text);
}

static const char *entry(const char *folder, const char *start)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s%0*d.o", folder, start, (int)(64 - strlen(start)), 0);
    return path;
}

static void comes_back(void)
{
    char *folder = toy_path("comes_back");
    CHECK(put(folder, key, "an object") == EXIT_DONE);
    CHECK(get(folder, key, "an object"));
    CHECK(!get(folder, sweeping, "an object"));
    CHECK(put(folder, key, "another one") == EXIT_DONE);
    CHECK(get(folder, key, "another one"));
}

static void nobody_else_writes(void)
{
    struct stat st;
    char *folder = toy_path("trust");
    CHECK(put(folder, key, "mine") == EXIT_DONE);
    CHECK(!stat(folder, &st) && (st.st_mode & 0777) == 0700);
    CHECK(!chmod(folder, 0770));
    CHECK(put(folder, key, "x") == EXIT_RESOURCE);
    CHECK(!chmod(folder, 0700) && !chmod(entry(folder, "010203"), 0666));
    CHECK(!get(folder, key, "mine"));
    CHECK(access(entry(folder, "010203"), F_OK) != 0);
    CHECK(put("/dev/null", key, "x") == EXIT_RESOURCE);
    CHECK(put(toy_path("no/such/place"), key, "x") == EXIT_RESOURCE);
}

static void damage(void)
{
    char *folder = toy_path("damage");
    for (int at = 0; at < 50; at++) {
        CHECK(put(folder, key, "an object") == EXIT_DONE);
        int fd = open(entry(folder, "010203"), O_RDWR);
        struct stat st;
        char c = 0;
        if (!CHECK(fd >= 0 && !fstat(fd, &st)))
            return;
        if (at < st.st_size) {
            CHECK(pread(fd, &c, 1, at) == 1);
            c ^= 4;
            CHECK(pwrite(fd, &c, 1, at) == 1);
        } else {
            CHECK(!ftruncate(fd, at - (int)st.st_size));
        }
        close(fd);
        CHECK(!get(folder, key, "an object"));
    }
    CHECK(put(folder, key, "an object") == EXIT_DONE && get(folder, key, "an object"));
    CHECK(!rename(entry(folder, "010203"), toy_path("damage/elsewhere")) &&
          !symlink(toy_path("damage/elsewhere"), entry(folder, "010203")));
    CHECK(!get(folder, key, "an object")); /* no links are followed */
    CHECK(access(toy_path("damage/elsewhere"), F_OK) == 0);
    CHECK(!unlink(entry(folder, "010203")) && !mkfifo(entry(folder, "010203"), 0600));
    CHECK(!get(folder, key, ""));
}

static void large(const char *folder, const char *start, int days)
{
    int fd = open(entry(folder, start), O_WRONLY | O_CREAT, 0600);
    struct timespec then[2] = { { 1000000000 + days * 86400, 0 }, { 1000000000 + days * 86400, 0 } };
    CHECK(fd >= 0 && !ftruncate(fd, CACHE_BYTES / 4) && !futimens(fd, then));
    close(fd);
}

static void stays_small(void)
{
    char *folder = toy_path("small");
    CHECK(put(folder, key, "an object") == EXIT_DONE);
    for (int i = 1; i < 6; i++)
        large(folder, (char[]){ 'a', (char)('0' + i), 0 }, i);
    large(folder, "b1", 0);
    CHECK(!rename(entry(folder, "b1"), toy_path("small/b1.o.77.part")));
    CHECK(put(folder, sweeping, "the next") == EXIT_DONE);
    CHECK(access(entry(folder, "a1"), F_OK) && access(entry(folder, "a2"), F_OK) && access(entry(folder, "a3"), F_OK));
    CHECK(!access(entry(folder, "a4"), F_OK) && !access(entry(folder, "a5"), F_OK));
    CHECK(access(toy_path("small/b1.o.77.part"), F_OK));
    CHECK(get(folder, key, "an object") && get(folder, sweeping, "the next"));
}

static void side_by_side(void)
{
    char *folder = toy_path("together");
    pid_t pids[8];
    for (int i = 0; i < 8; i++)
        if (!(pids[i] = fork())) {
            bool good = true;
            for (int k = 0; k < 50; k++) {
                good &= put(folder, key, i % 2 ? "odd" : "an even one") == EXIT_DONE;
                good &= get_either(folder, key, "odd", "an even one");
            }
            _exit(!good);
        }
    for (int i = 0; i < 8; i++) {
        int status = -1;
        CHECK(waitpid(pids[i], &status, 0) == pids[i] && status == 0);
    }
}

static void usual_place(void)
{
    Use u = { .key = key, .put = "x", .size = 1 };
    CHECK(!setenv("XDG_CACHE_HOME", toy_path("xdg"), 1));
    CHECK(toy_job(use, &u) == EXIT_DONE && u.opened && !access(toy_path("xdg/aotc"), F_OK));
    CHECK(!chmod(toy_path("xdg/aotc"), 0777));
    CHECK(toy_job(use, &u) == EXIT_DONE && !u.opened); /* nobody asked for it: go without */
    CHECK(!setenv("XDG_CACHE_HOME", "relative", 1) && !setenv("HOME", toy_path("home"), 1));
    CHECK(!mkdir(toy_path("home"), 0755));
    CHECK(toy_job(use, &u) == EXIT_DONE && u.opened && !access(toy_path("home/.cache/aotc"), F_OK));
    CHECK(!unsetenv("XDG_CACHE_HOME") && !unsetenv("HOME"));
    CHECK(toy_job(use, &u) == EXIT_DONE && !u.opened);
}

int main(void)
{
    toy_begin();
    RUN(comes_back);
    RUN(nobody_else_writes);
    RUN(damage);
    RUN(stays_small);
    RUN(side_by_side);
    RUN(usual_place);
    toy_end();
    return check_report();
}
