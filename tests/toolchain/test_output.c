/* SPDX-License-Identifier: MIT */
/* Output files: whole or not at all, and never in place of a device. */
#include "toy.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Case {
    const char *path, *text;
    bool commit;
} Case;

static void write_case(Job *job, void *arg)
{
    const Case *c = arg;
    size_t n = strlen(c->text), half = n / 2;
    Output *o = output_open(job, c->path, 0666);
    output_write(o, half, c->text + half, n - half);
    output_write(o, 0, c->text, half);
    if (c->commit)
        output_commit(o);
    else
        fail(job, EXIT_INPUT, "given up");
}

static int put(const char *path, const char *text)
{
    Case c = { path, text, true };
    return toy_job(write_case, &c);
}

static bool holds(const char *path, const char *text)
{
    size_t n = 0;
    char *bytes = toy_file(path, &n);
    bool same = bytes && n == strlen(text) && !memcmp(bytes, text, n);
    free(bytes);
    return same;
}

static void plain(void)
{
    struct stat st;
    char *path = toy_path("plain");
    umask(027);
    CHECK(put(path, "first") == EXIT_DONE);
    CHECK(holds(path, "first"));
    CHECK(!stat(path, &st) && (st.st_mode & 0777) == 0640);
    CHECK(put(path, "second, longer") == EXIT_DONE);
    CHECK(holds(path, "second, longer"));
    umask(022);
    CHECK(chdir(toy_folder) == 0);
    CHECK(put("relative", "here") == EXIT_DONE);
    CHECK(holds(path, "second, longer") && holds("relative", "here"));
    CHECK(put("", "x") == EXIT_RESOURCE);
}

static void failure_leaves_nothing(void)
{
    char *folder = toy_path("empty"), *path = toy_path("empty/file");
    CHECK(!mkdir(folder, 0755));
    Case c = { path, "text", false };
    CHECK(toy_job(write_case, &c) == EXIT_INPUT);
    CHECK(rmdir(folder) == 0);
    CHECK(put(path, "x") == EXIT_RESOURCE);
    CHECK_HAS(toy_message, "No such file or directory");
    CHECK_HAS(toy_message, path);
}

static void symlinks(void)
{
    struct stat st;
    char *dir = toy_path("links"), *target = toy_path("links/target");
    char *link = toy_path("links/link");
    CHECK(!mkdir(dir, 0755) && !symlink("target", link));
    CHECK(put(link, "through a dangling link") == EXIT_DONE);
    CHECK(holds(target, "through a dangling link"));
    CHECK(put(link, "through a link") == EXIT_DONE);
    CHECK(holds(target, "through a link"));
    CHECK(!lstat(link, &st) && S_ISLNK(st.st_mode));
    char *loop = toy_path("links/loop");
    CHECK(!symlink("loop", loop));
    CHECK(put(loop, "x") == EXIT_RESOURCE);
}

static void devices(void)
{
    struct stat st;
    CHECK(put("/dev/null", "gone") == EXIT_DONE);
    CHECK(!stat("/dev/null", &st) && S_ISCHR(st.st_mode));
    if (!access("/dev/full", W_OK)) {
        CHECK(put("/dev/full", "gone") == EXIT_RESOURCE);
        CHECK_HAS(toy_message, "No space left");
    }
    CHECK(put(toy_folder, "x") == EXIT_RESOURCE);
    CHECK_HAS(toy_message, "Is a directory");
}

/* A file that is open but has no name keeps its place. */
static void nameless(void)
{
    char path[64], got[16] = "";
    int fd = memfd_create("nameless", 0);
    CHECK(write(fd, "something longer", 16) == 16);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    CHECK(put(path, "bytes") == EXIT_DONE);
    CHECK(pread(fd, got, sizeof got - 1, 0) == 5);
    CHECK_TEXT(got, "bytes");
    close(fd);
}

static char fifo_got[64];
static void *read_fifo(void *path)
{
    int fd = open(path, O_RDONLY);
    for (ssize_t n, at = 0; (n = read(fd, fifo_got + at, sizeof fifo_got - 1 - (size_t)at)) > 0;)
        at += n;
    close(fd);
    return NULL;
}

static void fifo(void)
{
    struct stat st;
    pthread_t reader;
    char *path = toy_path("fifo");
    CHECK(!mkfifo(path, 0600));
    CHECK(!pthread_create(&reader, NULL, read_fifo, path));
    CHECK(put(path, "in order") == EXIT_DONE);
    pthread_join(reader, NULL);
    CHECK_TEXT(fifo_got, "in order");
    CHECK(!stat(path, &st) && S_ISFIFO(st.st_mode));
}

/* Root may write anywhere, so this needs another user; it runs in a child. */
static void read_only_folder(void)
{
    char *dir = toy_path("ro"), *path = toy_path("ro/file");
    CHECK(!mkdir(dir, 0555) && !chmod(toy_folder, 0755));
    pid_t pid = fork();
    if (!pid) {
        if (!geteuid() && (setgid(65534) || setuid(65534)))
            _exit(9);
        int code = put(path, "x");
        _exit(code == EXIT_RESOURCE && strstr(toy_message, "Permission denied") ? 0 : 1);
    }
    int status = -1;
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(access(path, F_OK) != 0);
}

static void too_big(void)
{
    char *path = toy_path("big"), text[4096];
    struct rlimit old, small = { 1000, 1000 };
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = 0;
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    CHECK(put(path, text) == EXIT_RESOURCE);
    setrlimit(RLIMIT_FSIZE, &old);
    CHECK_HAS(toy_message, "File too large");
    CHECK(access(path, F_OK) != 0);
}

/* A disk of 64 KiB, where the system lets us make one. */
static void full_disk(void)
{
    char *dir = toy_path("disk"), *path = toy_path("disk/file");
    CHECK(!mkdir(dir, 0755));
    if (toy_shell("mount -t tmpfs -o size=64k none %s 2>/dev/null", dir)) {
        fprintf(stderr, "  skipped: no right to mount\n");
        return;
    }
    char *text = malloc(1 << 20);
    memset(text, 'x', 1 << 20);
    text[(1 << 20) - 1] = 0;
    CHECK(put(path, text) == EXIT_RESOURCE);
    CHECK_HAS(toy_message, "No space left");
    CHECK(toy_shell("test -z \"$(ls -A %s)\"", dir) == 0);
    CHECK(toy_shell("umount %s", dir) == 0);
    free(text);
}

/* Ended by SIGINT half-way: the old file is untouched. */
static void interrupt_body(Job *job, void *arg)
{
    Output *o = output_open(job, arg, 0666);
    output_write(o, 0, "half", 4);
    raise(SIGINT);
    output_commit(o);
}

static void interrupted(void)
{
    char *path = toy_path("kept");
    CHECK(put(path, "old") == EXIT_DONE);
    pid_t pid = fork();
    if (!pid) {
        signal(SIGINT, SIG_DFL);
        toy_job(interrupt_body, path);
        _exit(0);
    }
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
    CHECK(holds(path, "old"));
}

/* Pieces behind each other with gaps, around the 2 MiB that are written at once, and some that lie before the end. */
enum { PIECES = 400, LARGEST = 40 << 20 };

typedef struct Model {
    const char *path;
    unsigned char *bytes;
    size_t size;
} Model;

static void write_pieces(Job *job, void *arg)
{
    Model *m = arg;
    Output *o = output_open(job, m->path, 0666);
    unsigned seed = 1;
    for (int i = 0; i < PIECES; i++) {
        seed = seed * 1103515245u + 12345u;
        size_t edge = (size_t)2 << 20, kind = seed >> 16 & 15, n = kind == 0 ? edge * 2 + (seed >> 8 & 255) : seed >> 12 & 0xffff;
        size_t gap = kind == 1 ? edge + 77 : kind == 2 ? edge - m->size % edge : seed >> 20 & 63;
        size_t at = kind == 3 && m->size > n ? (m->size - n) / 2 : m->size + gap;
        if (kind == 4)
            n = edge - at % edge;
        if (at + n > LARGEST)
            break;
        unsigned char *piece = job_alloc(job, n + 1);
        for (size_t j = 0; j < n; j++)
            piece[j] = (unsigned char)(j * 7 + (size_t)i + 1);
        memcpy(m->bytes + at, piece, n);
        m->size = at + n > m->size && n ? at + n : m->size;
        output_write(o, at, piece, n);
    }
    output_commit(o);
}

static void pieces(void)
{
    Model m = { toy_path("pieces"), calloc(LARGEST, 1), 0 };
    CHECK(m.bytes && toy_job(write_pieces, &m) == EXIT_DONE);
    size_t n = 0;
    char *bytes = toy_file(m.path, &n);
    CHECK(m.size > LARGEST / 2 && n == m.size && bytes && !memcmp(bytes, m.bytes, n));
    free(bytes);
    free(m.bytes);
}

int main(void)
{
    toy_begin();
    RUN(plain);
    RUN(failure_leaves_nothing);
    RUN(symlinks);
    RUN(devices);
    RUN(nameless);
    RUN(fifo);
    RUN(read_only_folder);
    RUN(too_big);
    RUN(full_disk);
    RUN(interrupted);
    RUN(pieces);
    toy_end();
    return check_report();
}
