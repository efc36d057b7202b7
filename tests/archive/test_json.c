/* SPDX-License-Identifier: MIT */
/* JSON: what is accepted, what values it has, what is refused and at which byte. */
#include "../../compiler/archive/json.h"
#include "../check.h"
#include <math.h>
#include <stdlib.h>

typedef struct Try {
    const char *text;
    size_t length;
    void (*look)(Job *job, const Json *v);
} Try;

static void parse(Job *job, void *argument)
{
    const Try *t = argument;
    const Json *v = json_parse(job, "t", t->text, t->length);
    if (t->look)
        t->look(job, v);
}

/* Exit code; *message holds what was printed, to be freed. */
static int try_bytes(const char *text, size_t length, void (*look)(Job *, const Json *),
                     char **message)
{
    size_t size;
    Try t = { text, length, look };
    FILE *errors = open_memstream(message, &size);
    int code = job_run(parse, &t, errors);
    fclose(errors);
    return code;
}

static void accepts(const char *text, void (*look)(Job *, const Json *))
{
    char *message;
    if (!CHECK(try_bytes(text, strlen(text), look, &message) == EXIT_DONE))
        fprintf(stderr, "%s", message);
    free(message);
}

static void refuses_bytes(const char *text, size_t length, void (*look)(Job *, const Json *),
                          const char *part)
{
    char *message;
    CHECK(try_bytes(text, length, look, &message) == EXIT_INPUT);
    CHECK_HAS(message, part);
    const char *end = strchr(message, '\n');
    CHECK(end && !end[1]);
    free(message);
}

static void refuses(const char *text, const char *part)
{
    refuses_bytes(text, strlen(text), NULL, part);
}

static void look_integers(Job *job, const Json *v)
{
    static const int64_t expected[] = { INT64_MAX, INT64_MIN, 9007199254740993, 0, -7,
                                        999999999999999, -1000000000000000 };
    const Json *e = json_first(v);
    for (size_t i = 0; i < 7; i++, e = json_next(e)) {
        CHECK(json_is_number(e));
        CHECK(!json_is_string(e));
        CHECK(json_int(job, e, "t") == expected[i]);
    }
    CHECK(!e);
}

static void integers(void)
{
    accepts("[9223372036854775807,-9223372036854775808,9007199254740993,-0,-7,999999999999999,"
            "-1000000000000000]", look_integers);
}

static void look_floats(Job *job, const Json *v)
{
    const Json *e = json_first(v);
    CHECK(isnan(json_double(job, e, "t")));
    e = json_next(e);
    CHECK(json_double(job, e, "t") == (double)INFINITY);
    e = json_next(e);
    CHECK(json_double(job, e, "t") == -(double)INFINITY);
    e = json_next(e);
    CHECK(json_is_string(e));
    CHECK(json_double(job, e, "t") == -(double)INFINITY);
    e = json_next(e);
    CHECK(json_double(job, e, "t") == 0.1);
    e = json_next(e);
    CHECK(json_double(job, e, "t") == 9223372036854775808.0);
    e = json_next(e);
    CHECK(json_double(job, e, "t") == 1.0 / 3);
    e = json_next(e);
    CHECK(signbit(json_double(job, e, "t")) != 0);
}

static void floats(void)
{
    accepts("[NaN,Infinity,-Infinity,\"-Infinity\",0.1,9223372036854775807,0.33333333333333333333"
            "3333333333333333333333333333333333333333333333333333333333,-0]", look_floats);
}

static void look_members(Job *job, const Json *v)
{
    CHECK(json_int(job, json_get(v, "a"), "t") == 1);
    CHECK(json_int(job, json_get(v, "A"), "t") == 2);
    CHECK(!json_get(v, "n"));
    CHECK(!json_get(v, "z"));
    CHECK(!json_get(NULL, "z"));
    CHECK(!json_get(json_get(v, "a"), "z"));
    CHECK(json_count(v) == 5);
    CHECK_TEXT(json_key(json_first(v)), "a");
    CHECK(json_bool(job, json_get(v, "t"), "t"));
    CHECK_TEXT(json_string(job, json_get(v, "\xc3\xa9"), "t"), "\xf0\x9d\x84\x9e\n");
}

static void members(void)
{
    accepts(" {\"a\":1,\"A\":2,\"n\":null,\"t\":true,\"\\u00e9\":\"\\ud834\\udd1e\\n\"}\n",
            look_members);
    accepts("[]", NULL);
    accepts("\"x\"", NULL);
}

static void look_int(Job *job, const Json *v)
{
    json_int(job, json_first(v), "t");
}

static void look_double(Job *job, const Json *v)
{
    json_double(job, json_first(v), "t");
}

static void look_string(Job *job, const Json *v)
{
    json_string(job, json_first(v), "t");
}

static void look_need(Job *job, const Json *v)
{
    json_need(job, v, "k", "t");
}

static void wrong_kinds(void)
{
    refuses_bytes("[1.5]", 5, look_int, "does not fit");
    refuses_bytes("[9223372036854775808]", 21, look_int, "does not fit");
    refuses_bytes("[\"1\"]", 5, look_int, "expected an integer");
    refuses_bytes("[NaN]", 5, look_int, "does not fit");
    refuses_bytes("[1e999]", 7, look_double, "does not fit");
    refuses_bytes("[\"inf\"]", 7, look_double, "expected a number");
    refuses_bytes("{\"q\":[]}", 8, look_double, "\"q\" is an array; expected a number");
    refuses_bytes("[9223372036854775807]", 21, look_string, "expected a string");
    refuses_bytes("[]", 2, look_string, "nothing; expected a string");
    refuses_bytes("{\"k\":null}", 10, look_need, "the key \"k\" is missing");
    refuses_bytes("[]", 2, look_need, "an object was expected");
}

static void grammar(void)
{
    static const char *const bad[] = {
        "",        "[",       "[1",      "[1,]",     "[,1]",    "{",        "{\"a\"}",
        "{\"a\":}", "{a:1}",  "[01]",    "[1.]",     "[.5]",    "[+1]",     "[-]",
        "[1e]",    "[tru]",   "nul",     "[1] 2",    "[1]]",    "\"a",      "[\"\t\"]",
        "[\"\\x\"]", "[\"\\u12\"]", "[\"\\u0000\"]", "[\"\\ud800\"]", "[\"\\udc00\"]",
        "[\"\\ud800\\u0041\"]", "[Inf]", "[-NaN]", "\xef\xbb\xbf[]", "[\"\xc0\x80\"]",
        "[\"\xed\xa0\x80\"]", "[\"\xf5\x80\x80\x80\"]", "[\"\xe2\x82\"]", "[\"\xffz\"]",
        "[1]/**/", "{\"a\":1 \"b\":2}", "{\"a\":1,}"
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refuses(bad[i], "at byte ");
    refuses_bytes("[1]\0", 4, NULL, "text after its end at byte 3");
    refuses_bytes("[\"a\0b\"]", 7, NULL, "control character in a string at byte 3");
}

static void duplicates(void)
{
    refuses("{\"a\":1,\"a\":2}", "the key \"a\" twice");
    refuses("{\"a\":1,\"\\u0061\":2}", "twice");
    refuses("{\"\\u00e9\":1,\"\xc3\xa9\":2}", "twice");
    refuses("{\"\\ud834\\udd1e\":1,\"\xf0\x9d\x84\x9e\":2}", "twice");
    accepts("{\"a\":{\"a\":1},\"b\":[{\"a\":1},{\"a\":1}]}", NULL);
    char many[2000] = "{", *to = many + 1;
    for (int i = 0; i < 100; i++)
        to += sprintf(to, "\"k%d\":%d,", i, i);
    strcpy(to, "\"x\":0}");
    accepts(many, NULL);
    strcpy(to, "\"k42\":0}");
    refuses(many, "the key \"k42\" twice");
}

static void depth(void)
{
    char text[1000] = { 0 };
    memset(text, '[', 200);
    memset(text + 200, ']', 200);
    accepts(text, NULL);
    memset(text, '[', 201);
    memset(text + 201, ']', 201);
    refuses(text, "more than 200 levels");
}

int main(void)
{
    RUN(integers);
    RUN(floats);
    RUN(members);
    RUN(wrong_kinds);
    RUN(grammar);
    RUN(duplicates);
    RUN(depth);
    return check_report();
}
