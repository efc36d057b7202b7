/* SPDX-License-Identifier: MIT */
/* The C compiler as a child: finding it, its messages, its temporary folder, reproducible
 * objects. */
#include "toy.h"
#include <dirent.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

static char *temp; /* TMPDIR of these tests: must be empty after each */

static bool temp_is_empty(void)
{
    size_t n = 0;
    DIR *dir = opendir(temp);
    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n == 2;
}

static void find_all(Job *job, void *arg)
{
    (void)arg;
    CHECK_TEXT(cc_find(job, "cc"), "cc");
    CHECK_TEXT(cc_find(job, "  env   cc "), "  env   cc ");
    CHECK(cc_find(job, NULL) != NULL);
    CHECK(cc_find(job, "no-such-compiler") == NULL);
    CHECK(cc_find(job, "/no/such/compiler") == NULL);
    CHECK(cc_find(job, "false") == NULL);
    CHECK(cc_find(job, "cc; true") == NULL); /* no shell */
    CHECK(cc_find(job, " ") == NULL);
    CHECK(cc_accepts(job, "cc", "-O2"));
    CHECK(!cc_accepts(job, "cc", "-fno-such-flag"));
}

static void find_nothing(Job *job, void *arg)
{
    (void)arg;
    CHECK(cc_find(job, NULL) == NULL);
}

static void finding(void)
{
    CHECK(toy_job(find_all, NULL) == EXIT_DONE);
    char *path = strdup(getenv("PATH"));
    setenv("PATH", "", 1);
    CHECK(toy_job(find_nothing, NULL) == EXIT_DONE);
    unsetenv("PATH");
    CHECK(toy_job(find_nothing, NULL) == EXIT_DONE);
    setenv("PATH", path, 1);
    free(path);
}

typedef struct Compile {
    const char *cc, *text[4], *flag;
    size_t size[4];
    char first[64 * 1024];
} Compile;

static void compile(Job *job, void *arg)
{
    Compile *c = arg;
    CcUnit units[4] = { { 0 } };
    Object objects[4] = { { 0 } };
    const char *flags[] = { c->flag ? c->flag : "-O1", NULL };
    size_t n = 0;
    for (; n < 4 && c->text[n]; n++)
        units[n] = (CcUnit){ "same_name.c", c->text[n], flags };
    cc_compile(job, c->cc, units, n, 2, NULL, objects);
    for (size_t i = 0; i < n; i++)
        c->size[i] = objects[i].size;
    if (CHECK(objects[0].size < sizeof c->first))
        memcpy(c->first, objects[0].bytes, objects[0].size);
}

static Compile result;

static int run(const char *cc, const char *flag, const char *a, const char *b, const char *c)
{
    memset(&result, 0, sizeof result);
    result.cc = cc;
    result.flag = flag;
    result.text[0] = a;
    result.text[1] = b;
    result.text[2] = b ? c : NULL;
    int code = toy_job(compile, &result);
    CHECK(temp_is_empty());
    return code;
}

static void objects(void)
{
    CHECK(run("cc", NULL, "int f;", "int g[99] = {1};", "int h(void) { return 1; }") == EXIT_DONE);
    CHECK(result.size[0] && result.size[1] && result.size[2]);
    CHECK(!memcmp(result.first, "\177ELF", 4));
    CHECK(run("cc", "-S", "int f(void) { return 1; }", NULL, NULL) == EXIT_DONE);
    CHECK_HAS(result.first, "ret");
    CHECK(run("env cc -DX=7", NULL, "int f[X - 6];", NULL, NULL) == EXIT_DONE);
}

/* From another folder, and with debug information: the same bytes. */
static void reproducible(void)
{
    static char before[sizeof result.first];
    const char *text = "static int g(int x) { return x * 3; } int f(int x) { return g(x); }";
    CHECK(chdir("/") == 0);
    CHECK(run("cc", "-O2", text, NULL, NULL) == EXIT_DONE);
    memcpy(before, result.first, sizeof before);
    CHECK(chdir(temp) == 0);
    CHECK(run("cc", "-O2", text, NULL, NULL) == EXIT_DONE);
    CHECK(!memcmp(before, result.first, sizeof before));
    CHECK(run("cc", "-g", text, NULL, NULL) == EXIT_DONE);
    memcpy(before, result.first, sizeof before);
    CHECK(run("cc", "-g", text, NULL, NULL) == EXIT_DONE);
    CHECK(!memcmp(before, result.first, sizeof before));
}

static void failures(void)
{
    CHECK(run("cc", NULL, "int f;", "int g = gone;\n", NULL) == EXIT_TOOLCHAIN);
    CHECK_HAS(toy_message, "same_name.c: the C compiler (cc) failed with exit code 1: ");
    CHECK_HAS(toy_message, "gone");
    CHECK(run("cc", NULL, "#warning first\n#error second\n", NULL, NULL) == EXIT_TOOLCHAIN);
    CHECK_HAS(toy_message, "error: #error second");
    CHECK(run("no-such-cc", NULL, "int f;", NULL, NULL) == EXIT_TOOLCHAIN);
    CHECK_HAS(toy_message, "no-such-cc: no such C compiler");
    CHECK(run("true", NULL, "int f;", NULL, NULL) == EXIT_TOOLCHAIN);
    CHECK_HAS(toy_message, "wrote no output");
    setenv("LC_ALL", "de_DE.UTF-8", 1);
    CHECK(run("cc", NULL, "int g = 1 +;\n", NULL, NULL) == EXIT_TOOLCHAIN);
    CHECK_HAS(toy_message, "expected expression");
    unsetenv("LC_ALL");
}

static char *script(const char *name, const char *text)
{
    char *path = toy_path(name);
    FILE *f = fopen(path, "w");
    fputs(text, f);
    fclose(f);
    chmod(path, 0755);
    return path;
}

/* Compilers that misbehave: endless messages, death by signal, a slow one beside a failing one, a
 * helper that stays behind with the pipe open. */
static void bad_compilers(void)
{
    double start = seconds_now();
    char *flood = script("flood", "#!/bin/sh\nyes 'error: flood' | head -c 30000000 >&2\nexit 1\n");
    CHECK(run(flood, NULL, "int f;", NULL, NULL) == EXIT_TOOLCHAIN);
    CHECK_HAS(toy_message, "error: flood");
    char *dies = script("dies", "#!/bin/sh\nkill -SEGV $$\n");
    CHECK(run(dies, NULL, "int f;", NULL, NULL) == EXIT_TOOLCHAIN);
    CHECK_HAS(toy_message, "was killed by signal 11");
    char *slow = script("slow", "#!/bin/sh\nif grep -q slow same_name.c; then echo $$ > "
                                "\"$AOTC_TEST_PID\"; sleep 600; touch late; fi\nexit 1\n");
    char *pid = toy_path("slow.pid");
    setenv("AOTC_TEST_PID", pid, 1);
    CHECK(run(slow, NULL, "int slow;", "int f;", NULL) == EXIT_TOOLCHAIN);
    CHECK(toy_shell("test -s %s && kill -0 $(cat %s) 2>/dev/null", pid, pid) != 0);
    char *helper = script("helper", "#!/bin/sh\nsleep 240 &\nexit 3\n");
    CHECK(run(helper, NULL, "int f;", NULL, NULL) == EXIT_TOOLCHAIN);
    CHECK_HAS(toy_message, "exit code 3");
    CHECK(seconds_now() - start < 200);
}

static void *in_thread(void *arg)
{
    Compile *c = arg;
    FILE *null = fopen("/dev/null", "w");
    for (int i = 0; i < 3; i++)
        CHECK(job_run(compile, c, null) == EXIT_DONE && c->size[0] > 0);
    fclose(null);
    return NULL;
}

static void threads(void)
{
    static Compile c[4];
    pthread_t t[4];
    for (int i = 0; i < 4; i++) {
        c[i] = (Compile){ .cc = "cc", .text = { "int f(void) { return 1; }" } };
        CHECK(!pthread_create(&t[i], NULL, in_thread, &c[i]));
    }
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    CHECK(temp_is_empty());
}

int main(void)
{
    toy_begin();
    temp = toy_path("tmp");
    CHECK(!mkdir(temp, 0755));
    setenv("TMPDIR", temp, 1);
    RUN(finding);
    RUN(objects);
    RUN(reproducible);
    RUN(failures);
    RUN(bad_compilers);
    RUN(threads);
    toy_end();
    return check_report();
}
