/* SPDX-License-Identifier: MIT */
/* Idx as text, for people, for C and back.  Precedence: sums 1, products and // and % 2, atoms 3. */
#include "idx.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct Style {
    bool c;
    const char *(*rename)(void *ctx, Sym name); /* NULL: names as they are */
    void *ctx;
} Style;

static void print(Text *out, const Idx *a, int level, const Style *c);

static void print_number(Text *out, int64_t k, bool c)
{
    if (k == INT64_MIN)
        text_add(out, c ? "(-9223372036854775807LL - 1)" : "-9223372036854775808");
    else
        text_add(out, c && (k > INT32_MAX || k < -INT32_MAX) ? "%lldLL" : "%lld", (long long)k);
}

static void print_sum(Text *out, const Idx *a, int level, const Style *c)
{
    bool paren = level > 2 || (level > 1 && (a->n > 1 || a->k || a->coef[0] == -1));
    if (paren)
        text_add(out, "(");
    for (uint32_t i = 0; i < a->n; i++) {
        int64_t k = a->coef[i];
        bool minus = k < 0 && k != INT64_MIN;
        text_add(out, i ? (minus ? " - " : " + ") : minus ? "-" : "");
        if (k != 1 && k != -1) {
            print_number(out, minus ? -k : k, c->c);
            text_add(out, "*");
        }
        /* a - b//c needs no parentheses, but 2*(a//c) does */
        print(out, a->arg[i], k == 1 ? 1 : k == -1 ? 2 : 3, c);
    }
    if (a->k) {
        text_add(out, a->k < 0 && a->k != INT64_MIN ? " - " : " + ");
        print_number(out, a->k < 0 && a->k != INT64_MIN ? -a->k : a->k, c->c);
    }
    if (paren)
        text_add(out, ")");
}

static void print_call(Text *out, const char *name, const Idx *a, const Style *c)
{
    text_add(out, "%s(", name);
    print(out, a->arg[0], 0, c);
    text_add(out, ", ");
    print(out, a->arg[1], 0, c);
    text_add(out, ")");
}

static void print_div(Text *out, const Idx *a, int level, const Style *c)
{
    bool div = a->op == IDX_DIV;
    if (c->c && !(a->arg[0]->lo >= 0 && a->arg[1]->lo > 0)) {
        print_call(out, div ? "aot_floordiv" : "aot_mod", a, c);
        return;
    }
    text_add(out, level > 1 ? "(" : "");
    print(out, a->arg[0], 3, c);
    text_add(out, c->c ? (div ? " / " : " %% ") : div ? "//" : " %% ");
    print(out, a->arg[1], 3, c);
    text_add(out, level > 1 ? ")" : "");
}

static void print(Text *out, const Idx *a, int level, const Style *c)
{
    switch (a->op) {
    case IDX_CONST:
        if (a->k < 0 && level > 1 && !c->c)
            text_add(out, "(%lld)", (long long)a->k);
        else
            print_number(out, a->k, c->c);
        break;
    case IDX_SYM: text_add(out, "%s", c->rename ? c->rename(c->ctx, a->sym) : a->sym); break;
    case IDX_SUM: print_sum(out, a, level, c); break;
    case IDX_PROD:
        text_add(out, level > 2 ? "(" : "");
        for (uint32_t i = 0; i < a->n; i++) {
            text_add(out, i ? "*" : "");
            print(out, a->arg[i], 3, c);
        }
        text_add(out, level > 2 ? ")" : "");
        break;
    case IDX_DIV:
    case IDX_MOD: print_div(out, a, level, c); break;
    case IDX_MIN: print_call(out, c->c ? "aot_min" : "min", a, c); break;
    case IDX_MAX: print_call(out, c->c ? "aot_max" : "max", a, c); break;
    }
}

void idx_print(Text *out, const Idx *a)
{
    print(out, a, 0, &(Style){ .c = false });
}

void idx_print_c(Text *out, const Idx *a, bool factor, const char *(*rename)(void *, Sym), void *ctx)
{
    print(out, a, factor ? 3 : 0, &(Style){ true, rename, ctx });
}

const char *idx_text(Job *job, const Idx *a)
{
    Text t;
    text_init(&t, job);
    idx_print(&t, a);
    return t.at;
}

/* ---- parsing ------------------------------------------------------------------------------------- */

typedef struct Parser {
    Job *job;
    const char *p;
    const Idx *(*find)(void *ctx, Sym name);
    void *ctx;
    int depth;
    bool bad;
} Parser;

static const Idx *parse_sum(Parser *s);

static void blanks(Parser *s)
{
    while (*s->p == ' ')
        s->p++;
}

static bool take(Parser *s, const char *token)
{
    blanks(s);
    size_t n = strlen(token);
    if (strncmp(s->p, token, n))
        return false;
    s->p += n;
    return true;
}

static const Idx *reject(Parser *s)
{
    s->bad = true;
    return idx_const(s->job, 0);
}

static const Idx *parse_name(Parser *s)
{
    const char *start = s->p;
    while (isalnum((unsigned char)*s->p) || *s->p == '_')
        s->p++;
    size_t n = (size_t)(s->p - start);
    bool is_min = n == 3 && !strncmp(start, "min", 3), is_max = n == 3 && !strncmp(start, "max", 3);
    if ((is_min || is_max) && take(s, "(")) {
        const Idx *a = parse_sum(s);
        if (!take(s, ","))
            return reject(s);
        const Idx *b = parse_sum(s);
        if (!take(s, ")"))
            return reject(s);
        return is_min ? idx_min(s->job, a, b) : idx_max(s->job, a, b);
    }
    const Idx *e = s->find(s->ctx, sym_n(s->job, start, n));
    return e ? e : reject(s);
}

static const Idx *parse_number(Parser *s)
{
    char *end;
    errno = 0;
    long long k = strtoll(s->p, &end, 10);
    if (errno == ERANGE)
        return reject(s);
    s->p = end;
    return idx_const(s->job, k);
}

static const Idx *parse_atom(Parser *s)
{
    blanks(s);
    if (++s->depth > 200)
        return reject(s);
    const Idx *r;
    if (take(s, "(")) {
        r = parse_sum(s);
        if (!take(s, ")"))
            r = reject(s);
    } else if (isdigit((unsigned char)*s->p) || (*s->p == '-' && isdigit((unsigned char)s->p[1]))) {
        r = parse_number(s);
    } else if (take(s, "-")) {
        r = parse_atom(s);
        r = s->bad ? r : idx_mulk(s->job, r, -1);
    } else if (isalpha((unsigned char)*s->p) || *s->p == '_') {
        r = parse_name(s);
    } else {
        r = reject(s);
    }
    s->depth--;
    return r;
}

static const Idx *parse_product(Parser *s)
{
    const Idx *a = parse_atom(s);
    while (!s->bad) {
        bool div = take(s, "//"), mod = !div && take(s, "%"), mul = !div && !mod && take(s, "*");
        if (!div && !mod && !mul)
            break;
        const Idx *b = parse_atom(s);
        if (!mul && idx_is(b, 0))
            return reject(s);
        a = div ? idx_div(s->job, a, b) : mod ? idx_mod(s->job, a, b) : idx_mul(s->job, a, b);
    }
    return a;
}

static const Idx *parse_sum(Parser *s)
{
    const Idx *a = parse_product(s);
    while (!s->bad) {
        bool plus = take(s, "+"), minus = !plus && take(s, "-");
        if (!plus && !minus)
            break;
        const Idx *b = parse_product(s);
        a = plus ? idx_add(s->job, a, b) : idx_sub(s->job, a, b);
    }
    return a;
}

static const Idx *find_any(void *ctx, Sym name)
{
    return idx_find(ctx, name);
}

const Idx *idx_parse(Job *job, const char **cursor)
{
    return idx_parse_in(job, cursor, find_any, job);
}

const Idx *idx_parse_in(Job *job, const char **cursor, const Idx *(*find)(void *, Sym), void *ctx)
{
    Parser s = { .job = job, .p = *cursor, .find = find, .ctx = ctx };
    const Idx *r = parse_sum(&s);
    if (s.bad)
        return NULL;
    *cursor = s.p;
    return r;
}
