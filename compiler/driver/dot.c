/* SPDX-License-Identifier: MIT */
/* Graphviz as a child process: see dot.h.  Its input and output are nameless files, so nobody waits for a pipe. */
#include "dot.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

typedef struct Dot {
    int in, out;
    pid_t child; /* 0: none, or it has ended */
} Dot;

enum { PICTURE_MAX = 64 << 20 };

static void close_dot(void *handle)
{
    Dot *d = handle;
    if (d->child > 0) {
        kill(d->child, SIGKILL);
        while (waitpid(d->child, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    if (d->in >= 0)
        close(d->in);
    if (d->out >= 0)
        close(d->out);
}

static bool write_all(int fd, const char *bytes, size_t size)
{
    while (size) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        size -= (size_t)n;
    }
    return lseek(fd, 0, SEEK_SET) == 0;
}

static bool start(Dot *d)
{
    static const char *const words[] = { "dot", "-Tsvg", NULL };
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions))
        return false;
    bool good = !posix_spawn_file_actions_adddup2(&actions, d->in, 0) &&
                !posix_spawn_file_actions_adddup2(&actions, d->out, 1) &&
                !posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0) &&
                !posix_spawnp(&d->child, "dot", &actions, NULL, (char *const *)(uintptr_t)words, environ);
    posix_spawn_file_actions_destroy(&actions);
    d->child = good ? d->child : 0;
    return good;
}

/* Whether it ends well in time. */
static bool ends(Dot *d)
{
    double limit = seconds_now() + DOT_SECONDS;
    for (;;) {
        int status = 0;
        pid_t got = waitpid(d->child, &status, WNOHANG);
        if (got && (got > 0 || errno != EINTR)) {
            d->child = 0;
            return got > 0 && WIFEXITED(status) && !WEXITSTATUS(status);
        }
        if (seconds_now() > limit)
            return false;
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
    }
}

/* The <svg> element in the output: a prolog stands before it. */
static const char *element(Job *job, const Dot *d)
{
    struct stat st;
    if (fstat(d->out, &st) || st.st_size <= 0 || st.st_size > PICTURE_MAX)
        return NULL;
    size_t n = (size_t)st.st_size, got = 0;
    char *text = job_alloc(job, n + 1);
    while (got < n) {
        ssize_t more = pread(d->out, text + got, n - got, (off_t)got);
        if (more < 0 && errno == EINTR)
            continue;
        if (more <= 0)
            return NULL;
        got += (size_t)more;
    }
    char *from = strstr(text, "<svg"), *to = from ? strstr(from, "</svg>") : NULL;
    if (!to)
        return NULL;
    to[strlen("</svg>")] = 0;
    return from;
}

const char *dot_picture(Job *job, const char *graph)
{
    Dot *d = job_alloc(job, sizeof *d);
    *d = (Dot){ memfd_create("graph.dot", MFD_CLOEXEC), memfd_create("graph.svg", MFD_CLOEXEC), 0 };
    job_defer(job, close_dot, d);
    bool good = d->in >= 0 && d->out >= 0 && write_all(d->in, graph, strlen(graph)) && start(d) && ends(d);
    const char *picture = good ? element(job, d) : NULL;
    job_undefer(job, d);
    close_dot(d);
    return picture;
}

void dot_string(Text *t, const char *text)
{
    text_add(t, "\"");
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            text_add(t, "\\%c", c);
        else if (c == '\n')
            text_add(t, "\\n");
        else if (c == '&') /* or it would read entities */
            text_add(t, "&amp;");
        else
            text_add(t, "%c", c < 32 || c == 127 ? '?' : c);
    }
    text_add(t, "\"");
}
