/* SPDX-License-Identifier: MIT */
/* The job: arena, interned strings, the unwind boundary, handles, texts. */
#include "../check.h"
#include "../../compiler/base/job.h"
#include <stdlib.h>

static void arena_body(Job *job, void *arg)
{
    (void)arg;
    char *last = NULL;
    for (size_t n = 0; n < 2000; n++) {
        char *p = job_alloc(job, n * 7 % 500 + (n % 100 == 0) * 200000);
        CHECK(((uintptr_t)p & 15) == 0);
        CHECK(p != last);
        for (size_t i = 0; i < n * 7 % 500; i++)
            if (p[i])
                CHECK(!"memory is zeroed");
        memset(p, 0xff, n * 7 % 500);
        last = p;
    }
    CHECK(job_alloc(job, 0) != NULL);
    char *big = job_big(job, 100);
    CHECK(((uintptr_t)big & 63) == 0);
    job_release_big(job, big);
    job_release_big(job, NULL);
    job_big(job, 0);
}

static void too_much(Job *job, void *arg)
{
    (void)arg;
    job_array(job, SIZE_MAX / 4, 8);
}

static void arena(void)
{
    CHECK(job_run(arena_body, NULL, stderr) == 0);
    CHECK(job_run(too_much, NULL, stderr) == EXIT_RESOURCE);
}

static void intern_body(Job *job, void *arg)
{
    (void)arg;
    Sym a = sym(job, "conv1"), many[3000];
    CHECK(a == sym_n(job, "conv1.weight", 5));
    CHECK(a == sym_printf(job, "conv%d", 1));
    CHECK(a != sym(job, "conv2"));
    CHECK(sym(job, "") == sym_n(job, "x", 0));
    for (int i = 0; i < 3000; i++)
        many[i] = sym_printf(job, "name%d", i);
    for (int i = 0; i < 3000; i++)
        CHECK(many[i] == sym_printf(job, "name%d", i));
    CHECK_TEXT(a, "conv1");
}

static void interning(void)
{
    CHECK(job_run(intern_body, NULL, stderr) == 0);
}

/* ---- failing ---------------------------------------------------------------------------------------- */

static char closed[16];

static void close_handle(void *handle)
{
    strcat(closed, handle);
}

static void deep_fail(Job *job, int depth)
{
    if (depth > 0)
        deep_fail(job, depth - 1);
    if (depth == 0)
        fail_at(job, EXIT_UNSUPPORTED, &(Origin){ .file = "m.py", .line = 41, .text = "x = f(x)", .module = "a.0" },
                "no\x1bthing\nhere %d", 7);
    CHECK(!"fail does not return");
}

static void fail_body(Job *job, void *arg)
{
    job_defer(job, close_handle, "1");
    job_defer(job, close_handle, "2");
    job_defer(job, close_handle, "3");
    job_undefer(job, "2");
    warn(job, "once");
    warn(job, "once");
    if (arg)
        deep_fail(job, 20);
}

static void run_and_read(void *arg, int code, const char *text)
{
    char out[512] = "";
    FILE *f = tmpfile();
    closed[0] = 0;
    CHECK(job_run(fail_body, arg, f) == code);
    CHECK_TEXT(closed, "31");
    rewind(f);
    out[fread(out, 1, sizeof out - 1, f)] = 0;
    CHECK_TEXT(out, text);
    fclose(f);
}

static void unwinding(void)
{
    run_and_read(NULL, 0, "aotc: warning: once\n");
    run_and_read("x", EXIT_UNSUPPORTED, "aotc: warning: once\naotc: m.py:41 x = f(x) (module a.0): no?thing here 7\n");
    run_and_read(NULL, 0, "aotc: warning: once\n"); /* nothing is left of the failed one */
}

static void inner(Job *job, void *arg)
{
    *(Sym *)arg = sym(job, "inner");
    fail(job, EXIT_USAGE, "inner");
}

static void outer(Job *job, void *arg)
{
    Sym mine = sym(job, "inner"), other = NULL;
    (void)arg;
    FILE *sink = fopen("/dev/null", "w");
    CHECK(job_run(inner, &other, sink) == EXIT_USAGE);
    fclose(sink);
    CHECK(other != mine);
    CHECK(mine == sym(job, "inner"));
    *job_slot(job, JOB_SLOT_IDX) = &other;
    CHECK(*job_slot(job, JOB_SLOT_IDX) == &other);
}

static void two_jobs(void)
{
    CHECK(job_run(outer, NULL, stderr) == 0);
    CHECK(job_run(outer, NULL, stderr) == 0);
}

/* ---- texts and vectors ---------------------------------------------------------------------------------- */

static void text_body(Job *job, void *arg)
{
    (void)arg;
    Text t;
    text_init(&t, job);
    CHECK_TEXT(t.at, "");
    for (int i = 0; i < 1000; i++)
        text_add(&t, "%03d,", i);
    CHECK(t.n == 4000 && strlen(t.at) == 4000);
    CHECK_HAS(t.at, "998,999,");
    text_init(&t, job);
    text_add(&t, "%0700d\nab", 1);
    CHECK(t.n == 703);
    text_pad(&t, 5);
    text_put(&t, "|", 1);
    CHECK_HAS(t.at, "\nab   |");
    VEC(int) v = { 0 };
    for (int i = 0; i < 100; i++)
        *vec_push(job, &v) = i;
    CHECK(v.n == 100 && v.at[0] == 0 && v.at[99] == 99);
    CHECK_TEXT(job_copy(job, "abc", 2), "ab");
    int64_t r = 5;
    CHECK(!mul_i64(INT64_MAX, 2, &r) && r == 5 && mul_i64(-3, 4, &r) && r == -12);
    CHECK(!add_i64(INT64_MAX, 1, &r) && r == -12 && add_i64(INT64_MAX, -1, &r) && r == INT64_MAX - 1);
}

static void missing_file(Job *job, void *arg)
{
    size_t n;
    read_file(job, arg, 10, &n);
}

static void texts(void)
{
    FILE *sink = fopen("/dev/null", "w");
    CHECK(job_run(text_body, NULL, stderr) == 0);
    CHECK(job_run(missing_file, "/nonexistent/file", sink) == EXIT_INPUT);
    CHECK(job_run(missing_file, "/dev/zero", sink) == EXIT_INPUT);
    CHECK(job_run(missing_file, "/dev/null", sink) == 0);
    fclose(sink);
}

int main(void)
{
    RUN(arena);
    RUN(interning);
    RUN(unwinding);
    RUN(two_jobs);
    RUN(texts);
    return check_report();
}
