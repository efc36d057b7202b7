/* SPDX-License-Identifier: MIT */
/* check.h: all the test framework there is.
 *
 *     static void adds(void) { CHECK(1 + 1 == 2); CHECK_TEXT(name, "x"); }
 *     int main(void) { RUN(adds); return check_report(); }
 *
 * A failed check prints its place and goes on; the exit status of check_report says the rest.
 * Checks may be made on any thread.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static atomic_int check_made, check_failed;

/* 1 when it holds, so that a test can stop where going on makes no sense. */
#define CHECK(condition) check_that((condition) != 0, __FILE__, __LINE__, #condition)

/* Equal texts; prints both otherwise. */
#define CHECK_TEXT(found, expected) check_text(__FILE__, __LINE__, found, expected)

/* The text contains the part; prints both otherwise. */
#define CHECK_HAS(text, part) check_has(__FILE__, __LINE__, text, part)

#define RUN(test) do { fprintf(stderr, "%s\n", #test); test(); } while (0)

static inline int check_that(int holds, const char *file, int line, const char *text)
{
    atomic_fetch_add(&check_made, 1);
    if (holds)
        return 1;
    atomic_fetch_add(&check_failed, 1);
    fprintf(stderr, "%s:%d: check failed: %s\n", file, line, text);
    return 0;
}

static inline int check_text(const char *file, int line, const char *found, const char *expected)
{
    if (found && !strcmp(found, expected))
        return check_that(1, file, line, "");
    fprintf(stderr, "expected \"%s\"\nfound    \"%s\"\n", expected, found ? found : "(NULL)");
    return check_that(0, file, line, "texts are equal");
}

static inline int check_has(const char *file, int line, const char *text, const char *part)
{
    if (text && strstr(text, part))
        return check_that(1, file, line, "");
    fprintf(stderr, "expected \"...%s...\"\nfound    \"%s\"\n", part, text ? text : "(NULL)");
    return check_that(0, file, line, "text contains");
}

static inline int check_report(void)
{
    fprintf(stderr, "%d checks, %d failed\n", check_made, check_failed);
    return check_failed != 0;
}

#endif
