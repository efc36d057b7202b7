/* SPDX-License-Identifier: MIT */
/* libtcc: objects, messages, code in this process; with no programs, headers or writable folder
 * around. */
#include "toy.h"
#include <pthread.h>
#include <unistd.h>

typedef struct Compile {
    const char *text;
    const char *const *defines;
    size_t size;
    char bytes[64 * 1024];
} Compile;

static void compile(Job *job, void *arg)
{
    Compile *c = arg;
    Object object;
    tcc_compile(job, "glue.c", c->text, c->defines, &object);
    if (CHECK(object.size < sizeof c->bytes))
        memcpy(c->bytes, object.bytes, object.size);
    c->size = object.size;
}

static Compile result;

static int run(const char *text)
{
    memset(&result, 0, sizeof result);
    result.text = text;
    return toy_job(compile, &result);
}

static void objects(void)
{
    static Compile before;
    CHECK(run(toy_glue) == EXIT_DONE);
    CHECK(result.size > 64 && !memcmp(result.bytes, "\177ELF", 4));
    before = result;
    char *path = strdup(getenv("PATH"));
    setenv("PATH", "", 1);
    setenv("TMPDIR", "/nonexistent", 1);
    CHECK(run(toy_glue) == EXIT_DONE);
    CHECK(result.size == before.size && !memcmp(result.bytes, before.bytes, before.size));
    setenv("PATH", path, 1);
    unsetenv("TMPDIR");
    free(path);
    static const char *const defines[] = { "N", "3", "FLAG", "1", NULL };
    result = (Compile){ .text = "_Static_assert(N == 3 && FLAG, \"\"); int f(void) { return N; }",
                        .defines = defines };
    CHECK(toy_job(compile, &result) == EXIT_DONE);
}

static void messages(void)
{
    CHECK(run("int f(void)\n{\n    return gone;\n}\n") == EXIT_TOOLCHAIN);
    CHECK_HAS(toy_message, "glue.c: tcc cannot compile this code: glue.c:3: error: 'gone'");
    CHECK(run("int f(float x) { return __builtin_fabsf(x); }") == EXIT_TOOLCHAIN);
    CHECK_HAS(toy_message, "implicit declaration");
    CHECK(run("#include <stddef.h>\n") == EXIT_TOOLCHAIN);
    CHECK(run("int f(void) { return 1; }") == EXIT_DONE); /* its lock is free again */
}

static int twice(int x)
{
    return 2 * x;
}

typedef struct Load {
    const char *text, *wanted;
    long long got;
} Load;

static void load(Job *job, void *arg)
{
    Load *l = arg;
    const TccSymbol symbols[] = { { "twice", (void *)(uintptr_t)twice } };
    long long (*f)(int) = (long long (*)(int))(uintptr_t)tcc_load(job, "fold.c", l->text, NULL,
                                                                  symbols, 1, l->wanted);
    l->got = f(21);
}

static void loading(void)
{
    Load l = { "int twice(int); long long f(int x) { return twice(x); }", "f", 0 };
    CHECK(toy_job(load, &l) == EXIT_DONE && l.got == 42);
    l.wanted = "g";
    CHECK(toy_job(load, &l) == EXIT_TOOLCHAIN);
    CHECK_HAS(toy_message, "it defines no g");
    l = (Load){ "int nowhere_at_all(int);\n"
                "long long f(int x) { return nowhere_at_all(x); }",
                "f", 0 };
    CHECK(toy_job(load, &l) == EXIT_TOOLCHAIN);
    CHECK_HAS(toy_message, "nowhere_at_all");
    l.text = "int getpid(void); long long f(int x) { return getpid() + x; }";
    CHECK(toy_job(load, &l) == EXIT_TOOLCHAIN);
    l = (Load){ "typedef unsigned long long u64; struct S { char b[300]; };\n"
                "long long f(int x) { struct S s = { { 1 } }, t = s; double d = x; float g = x;\n"
                "u64 a = d, b = g; long long c = (double)a, e = (float)b;\n"
                "return t.b[0] + t.b[1] + c + e; }",
                "f", 0 };
    CHECK(toy_job(load, &l) == EXIT_DONE && l.got == 43);
}

static void *in_thread(void *arg)
{
    static const char *const texts[] = { "int f(void) { return 1; }", "int f(void) { return x; }" };
    FILE *null = fopen("/dev/null", "w");
    for (int i = 0; i < 50; i++) {
        Compile *c = arg;
        c->text = texts[i % 2];
        CHECK(job_run(compile, c, null) == (i % 2 ? EXIT_TOOLCHAIN : EXIT_DONE));
    }
    fclose(null);
    return NULL;
}

static void threads(void)
{
    static Compile c[4];
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        CHECK(!pthread_create(&t[i], NULL, in_thread, &c[i]));
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
}

int main(void)
{
    toy_begin();
    RUN(objects);
    RUN(messages);
    RUN(loading);
    RUN(threads);
    toy_end();
    return check_report();
}
