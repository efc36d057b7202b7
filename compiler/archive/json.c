/* SPDX-License-Identifier: MIT */
/* JSON: a strict scanning pass over the bytes, then cJSON.  See json.h.
 *
 * The scan knows the whole grammar, so what reaches cJSON is well-formed, bounded and free of
 * the things cJSON reads differently from us.  It records which tokens cJSON would damage;
 * those are rewritten as strings that begin with the byte 0xFF, which no valid UTF-8 text
 * holds, so an archive cannot forge one. */
#include "json.h"
#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_DEPTH = 200,
    MAX_NUMBER = 4096,  /* characters of one number */
    EXACT_DIGITS = 15,  /* every integer this short is exact as a double */
    CJSON_NUMBER = 60,  /* cJSON reads at most 63 characters of a number */
    MARK = 0xFF,
    FEW_KEYS = 16       /* up to here duplicate keys are looked for pairwise */
};
static const size_t max_text = (size_t)512 << 20, max_nodes = (size_t)8 << 20;

typedef struct Key {
    uint64_t hash; /* of the decoded key: equal keys always collide */
    size_t at;
} Key;

typedef struct Token {
    size_t at, length;
} Token;

/* A growing array that gives its old block back: millions of entries pass through these. */
typedef struct Pile {
    void *at;
    size_t n, room;
} Pile;

typedef struct Scan {
    Job *job;
    const char *where;
    const uint8_t *text;
    size_t length, at, nodes;
    Pile keys;  /* Key: of all objects that are open, innermost last */
    Pile marks; /* Token: to be rewritten, ascending */
} Scan;

static void *pile_push(Job *job, Pile *p, size_t size)
{
    if (p->n == p->room) {
        size_t room = p->room ? p->room * 2 : 256;
        void *fresh = job_big(job, room * size);
        if (p->n)
            memcpy(fresh, p->at, p->n * size);
        job_release_big(job, p->at);
        p->at = fresh;
        p->room = room;
    }
    return (char *)p->at + size * p->n++;
}

static _Noreturn void refuse(Scan *s, size_t at, const char *what)
{
    fail(s->job, EXIT_INPUT, "%s: JSON has %s at byte %zu", s->where, what, at);
}

/* ---- strings --------------------------------------------------------------------------------- */

/* Bytes of the valid UTF-8 sequence at p, 0 when there is none: no overlong forms, no
 * surrogates. */
static size_t utf8_sequence(const uint8_t *p, size_t left)
{
    size_t n = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC2 || p[0] > 0xF4 || left < n)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
        (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
        return 0;
    return n;
}

static uint64_t mix(uint64_t hash, unsigned byte)
{
    return (hash ^ byte) * 1099511628211u; /* FNV-1a */
}

static uint64_t mix_code_point(uint64_t hash, uint32_t c)
{
    if (c < 0x80)
        return mix(hash, c);
    if (c < 0x800)
        return mix(mix(hash, 0xC0 | c >> 6), 0x80 | (c & 63));
    if (c < 0x10000)
        hash = mix(hash, 0xE0 | c >> 12);
    else
        hash = mix(mix(hash, 0xF0 | c >> 18), 0x80 | (c >> 12 & 63));
    return mix(mix(hash, 0x80 | (c >> 6 & 63)), 0x80 | (c & 63));
}

/* The four digits at `at`; fails when they are not there. */
static uint32_t hex4(Scan *s, size_t at)
{
    uint32_t v = 0;
    for (size_t i = at; i < at + 4; i++) {
        int c = i < s->length ? s->text[i] : 0;
        int low = c | 32;
        if (c >= '0' && c <= '9')
            v = v << 4 | (uint32_t)(c - '0');
        else if (low >= 'a' && low <= 'f')
            v = v << 4 | (uint32_t)(low - 'a' + 10);
        else
            refuse(s, at, "a \\u escape without four hexadecimal digits");
    }
    return v;
}

/* After "\u": the code point, with the second half of a surrogate pair. */
static uint32_t scan_unicode(Scan *s)
{
    size_t at = s->at;
    uint32_t c = hex4(s, at);
    s->at += 4;
    if (!c)
        refuse(s, at, "the character \\u0000, which no name of ours may hold,");
    if (c < 0xD800 || c > 0xDFFF)
        return c;
    bool pair = c < 0xDC00 && s->length - s->at >= 6 && s->text[s->at] == '\\' &&
                s->text[s->at + 1] == 'u';
    uint32_t low = pair ? hex4(s, s->at + 2) : 0;
    if (low < 0xDC00 || low > 0xDFFF)
        refuse(s, at, "half of a surrogate pair");
    s->at += 6;
    return 0x10000 + ((c & 0x3FF) << 10) + (low & 0x3FF);
}

static uint32_t scan_escape(Scan *s)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    size_t at = s->at++;
    int c = at < s->length ? s->text[at] : 0;
    if (c == 'u')
        return scan_unicode(s);
    const char *found = c ? strchr(from, c) : NULL;
    if (!found)
        refuse(s, at, "an unknown escape");
    return (uint8_t)to[found - from];
}

/* Skips, eight at a time, bytes that are neither a quote, a backslash, a control nor beyond
 * ASCII. */
static size_t skip_plain(const uint8_t *text, size_t at, size_t length)
{
    const uint64_t ones = 0x0101010101010101u, high = ones << 7;
    for (; length - at >= 8; at += 8) {
        uint64_t w;
        memcpy(&w, text + at, 8);
        uint64_t quote = w ^ ones * '"', slash = w ^ ones * '\\';
        if (((w - ones * 0x20) | (quote - ones) | (slash - ones) | w) & high)
            break;
    }
    return at;
}

/* From after the opening quote to after the closing one; *hash, if asked for, covers the
 * decoded bytes. */
static void scan_string(Scan *s, uint64_t *hash)
{
    size_t start = s->at;
    for (;;) {
        if (!hash)
            s->at = skip_plain(s->text, s->at, s->length);
        if (s->at >= s->length)
            refuse(s, start, "a string without end");
        uint8_t c = s->text[s->at];
        if (c == '"') {
            s->at++;
            return;
        }
        if (c == '\\') {
            s->at++;
            uint32_t point = scan_escape(s);
            if (hash)
                *hash = mix_code_point(*hash, point);
            continue;
        }
        if (c < 0x20)
            refuse(s, s->at, "a control character in a string");
        size_t n = c < 0x80 ? 1 : utf8_sequence(s->text + s->at, s->length - s->at);
        if (!n)
            refuse(s, s->at, "invalid UTF-8");
        for (size_t i = 0; hash && i < n; i++)
            *hash = mix(*hash, s->text[s->at + i]);
        s->at += n;
    }
}

/* ---- numbers and words ----------------------------------------------------------------------- */

static size_t digits(Scan *s)
{
    size_t from = s->at;
    while (s->at < s->length && s->text[s->at] >= '0' && s->text[s->at] <= '9')
        s->at++;
    return s->at - from;
}

static bool take(Scan *s, const char *word)
{
    size_t n = strlen(word);
    if (s->length - s->at < n || memcmp(s->text + s->at, word, n))
        return false;
    s->at += n;
    return true;
}

static void mark(Scan *s, size_t from)
{
    *(Token *)pile_push(s->job, &s->marks, sizeof(Token)) = (Token){ from, s->at - from };
}

static void scan_number(Scan *s)
{
    size_t from = s->at;
    take(s, "-");
    if (take(s, "Infinity")) {
        mark(s, from);
        return;
    }
    size_t first = s->at, whole = digits(s);
    bool integer = true;
    if (!whole || (whole > 1 && s->text[first] == '0'))
        refuse(s, from, "a malformed number");
    if (take(s, ".")) {
        integer = false;
        if (!digits(s))
            refuse(s, from, "a malformed number");
    }
    if (take(s, "e") || take(s, "E")) {
        integer = false;
        if (!take(s, "+"))
            take(s, "-");
        if (!digits(s))
            refuse(s, from, "a malformed number");
    }
    if (s->at - from > MAX_NUMBER)
        refuse(s, from, "a number of more than 4096 characters");
    if ((integer && whole > EXACT_DIGITS) || s->at - from > CJSON_NUMBER)
        mark(s, from);
}

/* ---- structure ------------------------------------------------------------------------------- */

static void skip_blank(Scan *s)
{
    while (s->at < s->length && (s->text[s->at] == ' ' || s->text[s->at] == '\n' ||
                                 s->text[s->at] == '\t' || s->text[s->at] == '\r'))
        s->at++;
}

static int by_hash(const void *a, const void *b)
{
    const Key *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static _Noreturn void refuse_twice(Scan *s, const Key *key)
{
    int n = 0;
    while (n < 60 && s->text[key->at + (size_t)n] != '"')
        n++;
    fail(s->job, EXIT_INPUT, "%s: JSON has the key \"%.*s\" twice in one object, again at byte %zu",
         s->where, n, (const char *)s->text + key->at, key->at);
}

static void check_keys(Scan *s, size_t base)
{
    Key *k = (Key *)s->keys.at + base;
    size_t n = s->keys.n - base;
    if (n > FEW_KEYS) {
        qsort(k, n, sizeof *k, by_hash);
        for (size_t i = 1; i < n; i++)
            if (k[i].hash == k[i - 1].hash)
                refuse_twice(s, &k[i]);
        return;
    }
    for (size_t i = 1; i < n; i++)
        for (size_t j = 0; j < i; j++)
            if (k[i].hash == k[j].hash)
                refuse_twice(s, &k[i]);
}

static void scan_value(Scan *s, int depth);

static void scan_key(Scan *s)
{
    skip_blank(s);
    if (!take(s, "\""))
        refuse(s, s->at, "no key where one must stand");
    Key key = { 14695981039346656037u, s->at };
    scan_string(s, &key.hash);
    *(Key *)pile_push(s->job, &s->keys, sizeof key) = key;
    skip_blank(s);
    if (!take(s, ":"))
        refuse(s, s->at, "no colon after a key");
}

/* After the opening bracket. */
static void scan_members(Scan *s, int depth, bool object)
{
    size_t base = s->keys.n;
    const char *end = object ? "}" : "]";
    skip_blank(s);
    if (take(s, end))
        return;
    do {
        if (object)
            scan_key(s);
        scan_value(s, depth);
        skip_blank(s);
    } while (take(s, ","));
    if (!take(s, end))
        refuse(s, s->at, object ? "no , or } after a member" : "no , or ] after an element");
    if (object && s->keys.n > base) {
        check_keys(s, base);
        s->keys.n = base;
    }
}

static void scan_value(Scan *s, int depth)
{
    skip_blank(s);
    if (depth > MAX_DEPTH)
        refuse(s, s->at, "more than 200 levels of nesting");
    if (++s->nodes > max_nodes)
        refuse(s, s->at, "more than 8388608 values");
    if (s->at >= s->length)
        refuse(s, s->at, "an end where a value must stand");
    size_t from = s->at;
    uint8_t c = s->text[s->at];
    if (take(s, "{") || take(s, "["))
        scan_members(s, depth + 1, c == '{');
    else if (take(s, "\""))
        scan_string(s, NULL);
    else if (c == '-' || c == 'I' || (c >= '0' && c <= '9'))
        scan_number(s);
    else if (take(s, "NaN"))
        mark(s, from);
    else if (!take(s, "true") && !take(s, "false") && !take(s, "null"))
        refuse(s, s->at, "no value where one must stand");
}

/* The text with every marked token as a string; the text itself when there is none. */
static const char *rewrite(Scan *s, size_t *length)
{
    if (!s->marks.n)
        return (const char *)s->text;
    uint8_t *out = job_big(s->job, s->length + 3 * s->marks.n), *to = out;
    const Token *t = s->marks.at;
    size_t from = 0;
    for (size_t i = 0; i < s->marks.n; i++) {
        memcpy(to, s->text + from, t[i].at - from);
        to += t[i].at - from;
        *to++ = '"';
        *to++ = MARK;
        memcpy(to, s->text + t[i].at, t[i].length);
        to += t[i].length;
        *to++ = '"';
        from = t[i].at + t[i].length;
    }
    memcpy(to, s->text + from, s->length - from);
    *length = (size_t)(to - out) + s->length - from;
    return (const char *)out;
}

static void delete_tree(void *tree)
{
    cJSON_Delete(tree);
}

const Json *json_parse(Job *job, const char *where, const char *text, size_t length)
{
    Scan s = { .job = job, .where = where, .text = (const uint8_t *)text, .length = length };
    if (length > max_text)
        fail(job, EXIT_INPUT, "%s: JSON of %zu bytes; at most %zu are read", where, length,
             max_text);
    scan_value(&s, 1);
    skip_blank(&s);
    if (s.at != s.length)
        refuse(&s, s.at, "text after its end");
    const char *clean = rewrite(&s, &length), *end = NULL;
    cJSON *tree = cJSON_ParseWithLengthOpts(clean, length, &end, false);
    if (!tree) /* the scan accepted it: what is left is memory */
        fail(job, EXIT_RESOURCE, "%s: no memory for JSON of %zu bytes", where, length);
    job_defer(job, delete_tree, tree);
    while (end < clean + length && strchr(" \t\r\n", *end))
        end++;
    if (end != clean + length)
        fail(job, EXIT_INPUT, "%s: JSON has text after its end", where);
    if (clean != text)
        job_release_big(job, (void *)(uintptr_t)clean);
    job_release_big(job, s.keys.at);
    job_release_big(job, s.marks.at);
    return tree;
}

/* ---- accessors ------------------------------------------------------------------------------- */

/* The token behind the mark, NULL when v is no marked string. */
static const char *marked(const Json *v)
{
    return cJSON_IsString(v) && (uint8_t)v->valuestring[0] == MARK ? v->valuestring + 1 : NULL;
}

const Json *json_get(const Json *object, const char *key)
{
    if (!cJSON_IsObject(object))
        return NULL;
    const Json *v = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNull(v) ? NULL : v;
}

const Json *json_need(Job *job, const Json *object, const char *key, const char *where)
{
    const Json *v = json_get(object, key);
    if (!v)
        fail(job, EXIT_INPUT, "%s: the key \"%s\" is missing%s", where, key,
             json_is_object(object) ? "" : "; an object was expected here");
    return v;
}

const Json *json_first(const Json *v)
{
    return cJSON_IsArray(v) || cJSON_IsObject(v) ? v->child : NULL;
}

const Json *json_next(const Json *element)
{
    return element ? element->next : NULL;
}

const char *json_key(const Json *member)
{
    return member && member->string ? member->string : "";
}

size_t json_count(const Json *v)
{
    size_t n = 0;
    for (const Json *e = json_first(v); e; e = e->next)
        n++;
    return n;
}

bool json_is_object(const Json *v)
{
    return cJSON_IsObject(v);
}

bool json_is_array(const Json *v)
{
    return cJSON_IsArray(v);
}

bool json_is_string(const Json *v)
{
    return cJSON_IsString(v) && !marked(v);
}

bool json_is_number(const Json *v)
{
    return cJSON_IsNumber(v) || marked(v);
}

bool json_is_bool(const Json *v)
{
    return cJSON_IsBool(v);
}

static const char *kind_name(const Json *v)
{
    if (!v)
        return "nothing";
    if (json_is_number(v))
        return "a number";
    if (json_is_string(v))
        return "a string";
    if (cJSON_IsNull(v))
        return "null";
    return cJSON_IsBool(v) ? "a boolean" : cJSON_IsArray(v) ? "an array" : "an object";
}

static _Noreturn void wrong_kind(Job *job, const Json *v, const char *where, const char *expected)
{
    const char *key = json_key(v);
    fail(job, EXIT_INPUT, "%s: %s%s%sis %s; expected %s", where, *key ? "\"" : "", key,
         *key ? "\" " : "a value ", kind_name(v), expected);
}

static _Noreturn void out_of_range(Job *job, const char *token, const char *where, const char *type)
{
    fail(job, EXIT_INPUT, "%s: the number %.40s%s does not fit; expected %s", where, token,
         strlen(token) > 40 ? ".." : "", type);
}

int64_t json_int(Job *job, const Json *v, const char *where)
{
    const char *token = marked(v), *type = "an integer of 64 bits";
    if (token) {
        char *end = NULL;
        errno = 0;
        long long i = strtoll(token, &end, 10);
        if (*end || errno)
            out_of_range(job, token, where, type);
        return i;
    }
    if (!cJSON_IsNumber(v))
        wrong_kind(job, v, where, type);
    double d = v->valuedouble;
    if (!(fabs(d) < 9007199254740992.0) || d != (double)(int64_t)d)
        out_of_range(job, job_printf(job, "%.17g", d), where, type);
    return (int64_t)d;
}

double json_double(Job *job, const Json *v, const char *where)
{
    const char *token = marked(v);
    if (!token && json_is_string(v))
        token = v->valuestring;
    else if (!token && !cJSON_IsNumber(v))
        wrong_kind(job, v, where, "a number");
    if (token && !strcmp(token, "NaN"))
        return (double)NAN;
    if (token && !strcmp(token, "Infinity"))
        return (double)INFINITY;
    if (token && !strcmp(token, "-Infinity"))
        return -(double)INFINITY;
    if (token && !marked(v))
        wrong_kind(job, v, where, "a number, \"NaN\", \"Infinity\" or \"-Infinity\"");
    double d = token ? strtod(token, NULL) : v->valuedouble;
    if (!isfinite(d))
        out_of_range(job, token ? token : "given", where, "a double");
    return d;
}

const char *json_string(Job *job, const Json *v, const char *where)
{
    if (!json_is_string(v))
        wrong_kind(job, v, where, "a string");
    return v->valuestring;
}

bool json_bool(Job *job, const Json *v, const char *where)
{
    if (!cJSON_IsBool(v))
        wrong_kind(job, v, where, "true or false");
    return cJSON_IsTrue(v);
}
