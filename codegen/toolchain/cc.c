/* SPDX-License-Identifier: MIT */
/* The C compiler as child processes.
 *
 * Every unit has a folder of its own inside one private temporary folder, and its compiler runs
 * there, so that it only ever sees the unit's plain name.  No shell is involved.  What the compiler
 * prints is read from a pipe, bounded, and shown only when it fails. */
#include "toolchain.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { MAX_MESSAGE = 32 * 1024, POLL_MS = 50 };

/* Before the caller's flags: what every part of an artifact needs, in words that gcc and clang both
 * know. */
static const char *const common_flags[] = {
    "-fPIC",           "-ffreestanding",      "-fvisibility=hidden", "-fno-stack-protector",
    "-fno-common",     "-ffunction-sections", "-fdata-sections",     "-fno-lto",
    "-fno-strict-aliasing", "-ffp-contract=off", "-fdiagnostics-color=never",
};

typedef VEC(const char *) Words;

/* A running or finished compiler. */
typedef struct Child {
    pid_t pid;    /* 0: none or already reaped */
    int pipe;     /* its messages; -1: closed */
    int status;   /* of waitpid */
    size_t unit;
    Text message;
} Child;

typedef struct Build {
    Job *job;
    const char *folder; /* NULL until it exists */
    const char *program;
    Words command; /* words of `cc` */
    char **env;
    const CcUnit *units;
    size_t count;
    ObjectCache *cache; /* may be NULL */
    uint8_t (*keys)[CACHE_KEY];
    bool *known; /* units that the cache had */
    Child *children; /* one per running job */
    int slots;
    bool defers;     /* signals, until the build is closed; their actions before: */
    struct sigaction before[3];
} Build;

/* ---- finding --------------------------------------------------------------------------------- */

static Words split(Job *job, const char *text)
{
    Words words = { 0 };
    while (text && *text) {
        size_t blank = strspn(text, " \t"), n = strcspn(text + blank, " \t");
        if (n)
            *vec_push(job, &words) = job_copy(job, text + blank, n);
        text += blank + n;
    }
    return words;
}

static bool is_program(const char *path)
{
    struct stat st;
    return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK);
}

/* Children run in other folders, so the program is named from the root. */
static const char *absolute(Job *job, const char *path)
{
    char here[PATH_MAX];
    if (*path == '/' || !getcwd(here, sizeof here))
        return path;
    return job_printf(job, "%s/%s", here, path);
}

static const char *find_program(Job *job, const char *word)
{
    if (strchr(word, '/'))
        return is_program(word) ? absolute(job, word) : NULL;
    const char *path = getenv("PATH");
    while (path && *path) {
        size_t n = strcspn(path, ":");
        const char *folder = n ? job_copy(job, path, n) : ".";
        const char *full = job_printf(job, "%s/%s", folder, word);
        if (is_program(full))
            return absolute(job, full);
        path += n + (path[n] == ':');
    }
    return NULL;
}

/* Our environment, but messages in English and the compiler's own temporary files in our folder. */
static char **child_environment(Job *job, const char *folder)
{
    static const char *const dropped[] = { "LC_", "LANG=", "LANGUAGE=", "GCC_COLORS=", "TMPDIR=" };
    VEC(char *) env = { 0 };
    for (char **e = environ; e && *e; e++) {
        bool drop = false;
        for (size_t i = 0; i < sizeof dropped / sizeof *dropped; i++)
            drop |= !strncmp(*e, dropped[i], strlen(dropped[i]));
        if (!drop)
            *vec_push(job, &env) = *e;
    }
    *vec_push(job, &env) = job_copy(job, "LC_ALL=C", 8);
    if (folder)
        *vec_push(job, &env) = job_printf(job, "TMPDIR=%s", folder);
    *vec_push(job, &env) = NULL;
    return env.at;
}

/* ---- starting -------------------------------------------------------------------------------- */

/* Runs `program` with standard input and output at /dev/null and messages at `errors` (-1:
 * /dev/null). Returns 0 or an errno. */
static int start(const char *program, const char *const *argv, char **env, const char *folder,
                 int errors, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, usual;
    int error = posix_spawn_file_actions_init(&actions);
    if (error)
        return error;
    error = posix_spawnattr_init(&attr);
    if (error) {
        posix_spawn_file_actions_destroy(&actions);
        return error;
    }
    sigemptyset(&none);
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &usual);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    error = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (!error)
        error = posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    if (!error && errors >= 0)
        error = posix_spawn_file_actions_adddup2(&actions, errors, 2);
    else if (!error)
        error = posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    if (!error && folder)
        error = posix_spawn_file_actions_addchdir_np(&actions, folder);
    if (!error)
        error = posix_spawn(pid, program, &actions, &attr, (char *const *)(uintptr_t)argv, env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

static int wait_for(pid_t pid, int flags, int *status)
{
    pid_t got;
    do
        got = waitpid(pid, status, flags);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        *status = 127 << 8; /* somebody else took it: counts as failed */
    return got != 0;
}

/* Whether `cc flag... --version` ends well. */
static bool answers(Job *job, const char *cc, const char *const *flags)
{
    Words words = split(job, cc);
    const char *program = words.n ? find_program(job, words.at[0]) : NULL;
    pid_t pid;
    int status = -1;
    if (!program)
        return false;
    for (; *flags; flags++)
        *vec_push(job, &words) = *flags;
    *vec_push(job, &words) = NULL;
    if (start(program, words.at, child_environment(job, NULL), NULL, -1, &pid))
        return false;
    wait_for(pid, 0, &status);
    return status == 0;
}

const char *cc_find(Job *job, const char *wanted)
{
    static const char *const usual[] = { "cc", "gcc", "clang" };
    static const char *const version[] = { "--version", NULL };
    if (wanted && *wanted)
        return answers(job, wanted, version) ? wanted : NULL;
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (answers(job, usual[i], version))
            return usual[i];
    return NULL;
}

bool cc_accepts(Job *job, const char *cc, const char *flag)
{
    const char *flags[] = { flag, "-Werror", "-fsyntax-only", "-x", "c", "/dev/null", NULL };
    return answers(job, cc, flags);
}

/* ---- the temporary folder -------------------------------------------------------------------- */

static void remove_tree(int parent, const char *name, int depth)
{
    if (!unlinkat(parent, name, 0) || depth > 8)
        return;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (struct dirent *e; (e = readdir(dir));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            remove_tree(fd, e->d_name, depth + 1);
    closedir(dir);
    unlinkat(parent, name, AT_REMOVEDIR);
}

/* Kills a compiler driver and the passes that it runs (which the driver would leave behind). */
static void kill_tree(pid_t pid, int depth)
{
    char path[64], list[512];
    snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", (long)pid, (long)pid);
    int fd = depth < 4 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    kill(pid, SIGSTOP); /* it starts no more of them */
    ssize_t n = fd < 0 ? 0 : read(fd, list, sizeof list - 1);
    if (fd >= 0)
        close(fd);
    list[n > 0 ? n : 0] = 0;
    for (char *at = list, *end; *at; at = end) {
        long child = strtol(at, &end, 10);
        if (end == at)
            break;
        if (child > 1)
            kill_tree((pid_t)child, depth + 1);
    }
    kill(pid, SIGKILL);
}

static void close_child(Child *c)
{
    if (c->pid > 0) {
        kill_tree(c->pid, 0);
        wait_for(c->pid, 0, &c->status);
    }
    if (c->pipe >= 0)
        close(c->pipe);
    c->pid = 0;
    c->pipe = -1;
}

/* While a folder exists, a signal that would end the process only notes itself: the build ends, the folder goes, and
 * main raises the signal again. */
static const int ending_signals[] = { SIGINT, SIGTERM, SIGHUP };
enum { ENDING_SIGNALS = sizeof ending_signals / sizeof *ending_signals };
static volatile sig_atomic_t ended_by;

static void note_signal(int number)
{
    ended_by = number;
}

static void defer_signals(Build *b)
{
    struct sigaction note = { .sa_handler = note_signal };
    for (int i = 0; i < ENDING_SIGNALS; i++) {
        sigaction(ending_signals[i], NULL, &b->before[i]);
        if (b->before[i].sa_handler == SIG_DFL)
            sigaction(ending_signals[i], &note, NULL);
    }
    b->defers = true;
}

static void close_build(void *handle)
{
    Build *b = handle;
    for (int i = 0; i < b->slots; i++)
        close_child(&b->children[i]);
    if (b->folder)
        remove_tree(AT_FDCWD, b->folder, 0);
    for (int i = 0; b->defers && i < ENDING_SIGNALS; i++)
        sigaction(ending_signals[i], &b->before[i], NULL);
}

static void end_if_signalled(const Build *b)
{
    if (ended_by)
        fail(b->job, EXIT_TOOLCHAIN, "ended by signal %d", (int)ended_by);
}

int cc_ended_by(void)
{
    return ended_by;
}

static void make_folder(Build *b)
{
    const char *base = getenv("TMPDIR");
    char *path = job_printf(b->job, "%s/aotc-XXXXXX", base && *base ? base : "/tmp");
    path = job_printf(b->job, "%s", absolute(b->job, path));
    if (!mkdtemp(path))
        fail(b->job, EXIT_RESOURCE, "%s: cannot create a temporary folder; %s; set TMPDIR", path,
             strerror(errno));
    b->folder = path;
}

/* ---- one unit -------------------------------------------------------------------------------- */

static const char *unit_folder(const Build *b, size_t unit)
{
    return job_printf(b->job, "%s/%zu", b->folder, unit);
}

static void write_source(const Build *b, size_t unit)
{
    const CcUnit *u = &b->units[unit];
    if (strchr(u->name, '/') || *u->name == '-' || !*u->name)
        bug("a C file cannot be called \"%s\"", u->name);
    const char *folder = unit_folder(b, unit);
    if (mkdir(folder, 0700))
        fail(b->job, EXIT_RESOURCE, "%s: cannot be created; %s", folder, strerror(errno));
    output_file(b->job, job_printf(b->job, "%s/%s", folder, u->name), 0600, u->text,
                strlen(u->text));
}

static bool wants_assembly(const CcUnit *u)
{
    for (const char *const *f = u->flags; f && *f; f++)
        if (!strcmp(*f, "-S"))
            return true;
    return false;
}

static const char *const *unit_command(const Build *b, size_t unit)
{
    const CcUnit *u = &b->units[unit];
    Words words = { 0 };
    for (size_t i = 0; i < b->command.n; i++)
        *vec_push(b->job, &words) = b->command.at[i];
    for (size_t i = 0; i < sizeof common_flags / sizeof *common_flags; i++)
        *vec_push(b->job, &words) = common_flags[i];
    *vec_push(b->job, &words) = job_printf(b->job, "-frandom-seed=%s", u->name);
    *vec_push(b->job, &words) = job_printf(b->job, "-fdebug-prefix-map=%s=.", unit_folder(b, unit));
    for (const char *const *f = u->flags; f && *f; f++)
        *vec_push(b->job, &words) = *f;
    *vec_push(b->job, &words) = wants_assembly(u) ? "-S" : "-c";
    *vec_push(b->job, &words) = "-o";
    *vec_push(b->job, &words) = "out";
    *vec_push(b->job, &words) = u->name;
    *vec_push(b->job, &words) = NULL;
    return words.at;
}

static void start_unit(Build *b, Child *c, size_t unit)
{
    int ends[2];
    write_source(b, unit);
    const char *const *argv = unit_command(b, unit);
    const char *folder = unit_folder(b, unit);
    text_init(&c->message, b->job);
    if (pipe2(ends, O_CLOEXEC))
        fail(b->job, EXIT_RESOURCE, "no pipe for the C compiler; %s", strerror(errno));
    c->unit = unit;
    c->pipe = ends[0];
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    int error = start(b->program, argv, b->env, folder, ends[1], &c->pid);
    close(ends[1]);
    if (error) {
        c->pid = 0;
        fail(b->job, error == ENOMEM || error == EAGAIN ? EXIT_RESOURCE : EXIT_TOOLCHAIN,
             "%s: the C compiler cannot be started; %s", b->program, strerror(error));
    }
}

/* The first line that names an error, else the first that says anything. */
static const char *error_line(Job *job, const char *text)
{
    const char *first = NULL, *found = NULL;
    while (*text && !found) {
        size_t n = strcspn(text, "\n");
        const char *line = job_copy(job, text, n);
        if (strstr(line, "error:") || strstr(line, "Error:"))
            found = line;
        if (!first && n)
            first = line;
        text += n + (text[n] == '\n');
    }
    return found ? found : first ? first : "it says nothing";
}

static _Noreturn void unit_failed(const Build *b, const Child *c)
{
    const char *how = WIFSIGNALED(c->status)
                          ? job_printf(b->job, "was killed by signal %d", WTERMSIG(c->status))
                          : job_printf(b->job, "failed with exit code %d", WEXITSTATUS(c->status));
    fail(b->job, EXIT_TOOLCHAIN, "%s: the C compiler (%s) %s: %s", b->units[c->unit].name,
         b->command.at[0], how, error_line(b->job, c->message.at));
}

static void close_fd(void *fd)
{
    close(*(int *)fd);
}

static void read_object(const Build *b, size_t unit, Object *out)
{
    const char *path = job_printf(b->job, "%s/out", unit_folder(b, unit));
    int *fd = job_alloc(b->job, sizeof *fd);
    struct stat st;
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0)
        fail(b->job, EXIT_TOOLCHAIN, "%s: the C compiler (%s) wrote no output",
             b->units[unit].name, b->command.at[0]);
    job_defer(b->job, close_fd, fd);
    if (fstat(*fd, &st))
        fail(b->job, EXIT_RESOURCE, "%s: cannot be read; %s", path, strerror(errno));
    size_t size = (size_t)st.st_size, at = 0;
    char *bytes = job_alloc(b->job, size + 1);
    while (at < size) {
        ssize_t n = read(*fd, bytes + at, size - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            fail(b->job, EXIT_RESOURCE, "%s: cannot be read; %s", path,
                 n ? strerror(errno) : "it became shorter");
        at += (size_t)n;
    }
    job_undefer(b->job, fd);
    close(*fd);
    *out = (Object){ b->units[unit].name, bytes, size };
}

/* ---- what was compiled before ---------------------------------------------------------------- */

static void hash(EVP_MD_CTX *ctx, const char *text)
{
    EVP_DigestUpdate(ctx, text, strlen(text) + 1);
}

/* A program is taken for the same as long as its file is. */
static void hash_program(Job *job, EVP_MD_CTX *ctx, const char *word)
{
    const char *path = find_program(job, word);
    struct stat st;
    hash(ctx, path ? path : word);
    if (path && !stat(path, &st))
        hash(ctx, job_printf(job, "%lld %lld.%09ld", (long long)st.st_size, (long long)st.st_mtim.tv_sec,
                             (long)st.st_mtim.tv_nsec));
}

/* Everything that an object is made of, but the folder, whose name the flags take out. */
static void unit_key(const Build *b, const CcUnit *u, uint8_t out[CACHE_KEY])
{
    static const char *const moving[] = { "GCC_EXEC_PREFIX", "COMPILER_PATH", "SOURCE_DATE_EPOCH" };
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
        fail(b->job, EXIT_RESOURCE, "SHA-256 failed");
    for (size_t i = 0; i < b->command.n; i++)
        hash_program(b->job, ctx, b->command.at[i]);
    hash_program(b->job, ctx, "as");
    for (size_t i = 0; i < sizeof moving / sizeof *moving; i++)
        hash(ctx, getenv(moving[i]) ? getenv(moving[i]) : "");
    for (size_t i = 0; i < sizeof common_flags / sizeof *common_flags; i++)
        hash(ctx, common_flags[i]);
    for (const char *const *f = u->flags; f && *f; f++)
        hash(ctx, *f);
    hash(ctx, "");
    hash(ctx, u->name);
    hash(ctx, u->text);
    EVP_DigestFinal_ex(ctx, out, NULL);
    EVP_MD_CTX_free(ctx);
}

/* Takes from the cache what it has; returns how many units that is. */
static size_t known_units(Build *b, Object *out)
{
    size_t n = 0;
    for (size_t i = 0; b->cache && i < b->count; i++) {
        out[i].name = b->units[i].name;
        unit_key(b, &b->units[i], b->keys[i]);
        b->known[i] = cache_get(b->cache, b->keys[i], &out[i]);
        n += b->known[i];
    }
    return n;
}

/* ---- all units ------------------------------------------------------------------------------- */

/* Takes what the pipe holds; true at its end. */
static bool drain(Child *c)
{
    char block[4096];
    for (;;) {
        ssize_t n = read(c->pipe, block, sizeof block);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return false;
        if (n <= 0)
            return true;
        size_t room = MAX_MESSAGE - c->message.n;
        text_put(&c->message, block, (size_t)n < room ? (size_t)n : room);
    }
}

/* True when the compiler has ended.  The end of the pipe says so; a helper that it left behind may
 * hold the pipe open, so the process itself is asked as well. */
static bool finished(Child *c)
{
    bool end = drain(c);
    if (!wait_for(c->pid, end ? 0 : WNOHANG, &c->status))
        return false;
    drain(c);
    c->pid = 0;
    close(c->pipe);
    c->pipe = -1;
    return true;
}

static void wait_for_any(const Build *b)
{
    struct pollfd *fds = job_array(b->job, (size_t)b->slots, sizeof *fds);
    for (int i = 0; i < b->slots; i++)
        fds[i] = (struct pollfd){ b->children[i].pipe, POLLIN, 0 };
    poll(fds, (nfds_t)b->slots, POLL_MS);
}

static void run_all(Build *b, size_t done, Object *out)
{
    size_t next = 0;
    while (done < b->count) {
        for (int i = 0; i < b->slots && next < b->count; i++) {
            while (next < b->count && b->known[next])
                next++;
            if (!b->children[i].pid && next < b->count)
                start_unit(b, &b->children[i], next++);
        }
        wait_for_any(b);
        end_if_signalled(b);
        for (int i = 0; i < b->slots; i++) {
            Child *c = &b->children[i];
            if (!c->pid || !finished(c))
                continue;
            if (c->status)
                unit_failed(b, c);
            read_object(b, c->unit, &out[c->unit]);
            if (b->cache)
                cache_put(b->cache, b->keys[c->unit], &out[c->unit]);
            done++;
        }
    }
}

void cc_compile(Job *job, const char *cc, const CcUnit *units, size_t count, int jobs, ObjectCache *cache, Object *out)
{
    Build *b = job_alloc(job, sizeof *b);
    *b = (Build){ .job = job, .command = split(job, cc), .units = units, .count = count, .cache = cache };
    b->keys = job_array(job, count + 1, sizeof *b->keys);
    b->known = job_array(job, count + 1, sizeof *b->known);
    if (!count)
        return;
    b->program = b->command.n ? find_program(job, b->command.at[0]) : NULL;
    if (!b->program)
        fail(job, EXIT_TOOLCHAIN,
             "%s: no such C compiler; name one with --cc, or use --backend=tcc",
             cc && *cc ? cc : "cc");
    size_t known = known_units(b, out);
    if (known == count)
        return;
    b->slots = jobs < 1 ? 1 : (size_t)jobs > count ? (int)count : jobs;
    b->children = job_array(job, (size_t)b->slots, sizeof *b->children);
    for (int i = 0; i < b->slots; i++)
        b->children[i].pipe = -1;
    job_defer(job, close_build, b);
    defer_signals(b);
    make_folder(b);
    b->env = child_environment(job, b->folder);
    run_all(b, known, out);
    job_undefer(job, b);
    close_build(b);
    end_if_signalled(b);
}
