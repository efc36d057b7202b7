/* SPDX-License-Identifier: MIT */
/* Writing and reading the words of both IR texts: see words.h. */
#include "words.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.';
}

/* ---- elements ---------------------------------------------------------------------------------- */

static double half_to_double(uint32_t h)
{
    int exponent = h >> 10 & 31, fraction = h & 1023;
    double v = exponent == 31 ? (fraction ? NAN : INFINITY)
               : exponent     ? ldexp(fraction + 1024, exponent - 25)
                              : ldexp(fraction, -24);
    return h & 0x8000 ? -v : v;
}

static uint32_t double_to_half(double v)
{
    uint32_t sign = signbit(v) ? 0x8000 : 0;
    double a = fabs(v);
    int exponent = 0;
    if (isnan(v))
        return 0x7e00;
    if (a >= 65520)
        return sign | 0x7c00;
    if (a < ldexp(1, -14)) /* subnormal, or rounded up to the first normal number */
        return sign | (uint32_t)nearbyint(ldexp(a, 24));
    frexp(a, &exponent);
    double whole = nearbyint(ldexp(a, 11 - exponent)); /* 1024..2048: the carry goes into the exponent */
    return sign | (((uint32_t)(exponent + 13) << 10) + (uint32_t)whole);
}

double float_from_bits(DType d, uint64_t bits)
{
    uint32_t low = d == DT_bf16 ? (uint32_t)bits << 16 : (uint32_t)bits;
    double wide;
    float narrow;
    memcpy(&wide, &bits, 8);
    memcpy(&narrow, &low, 4);
    return d == DT_f64 ? wide : d == DT_f16 ? half_to_double(low) : (double)narrow;
}

uint64_t float_to_bits(DType d, double v)
{
    uint64_t bits;
    uint32_t low;
    float narrow = (float)v;
    memcpy(&bits, &v, 8);
    memcpy(&low, &narrow, 4);
    if (d == DT_bf16 && isnan(v))
        return 0x7fc0;
    if (d == DT_bf16)
        return (low + 0x7fff + (low >> 16 & 1)) >> 16;
    return d == DT_f64 ? bits : d == DT_f16 ? double_to_half(v) : low;
}

/* ---- writing ----------------------------------------------------------------------------------- */

void word_indent(Text *out, int depth)
{
    text_add(out, "%*s", depth * 2, "");
}

static bool is_keyword(const char *s)
{
    static const char *const words[] = { "graph",     "program", "sym",    "input",  "output", "const",
                                         "work",      "guard",   "region", "kernel", "reads",  "writes",
                                         "workspace", "for",     "let",    "acc",    "check",  "call",
                                         "if",        "else",    "end",    "none",   "scalar", "in",
                                         "inf",       "nan",     "state",  "commit", "assert", "mutated",
                                         "loop",      "while",   "do",     "part",   "carry",
                                         "pairs",     "scratch" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(words[i], s))
            return true;
    return dtype_from_name(s) != DT_NONE;
}

void word_name(Text *out, const char *s)
{
    bool plain = *s && !is_keyword(s);
    for (const char *p = s; *p; p++)
        plain &= name_char(*p);
    if (plain)
        text_add(out, "%s", s);
    else
        word_quoted(out, s);
}

void word_quoted(Text *out, const char *s)
{
    text_add(out, "\"");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            text_add(out, "\\%c", c);
        else if (c < 32 || c == 127)
            text_add(out, "\\x%02x", c);
        else
            text_put(out, s, 1);
    }
    text_add(out, "\"");
}

void word_double(Text *out, double v, bool single)
{
    if (isnan(v) || isinf(v)) {
        text_add(out, isnan(v) ? "nan" : v > 0 ? "inf" : "-inf");
        return;
    }
    char s[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, v);
        double back = strtod(s, NULL);
        if (single ? (float)back == (float)v : back == v)
            break;
    }
    text_add(out, "%s%s", s, strpbrk(s, ".e") ? "" : ".0");
}

void word_symbol(Text *out, const Idx *s)
{
    text_add(out, "sym %s in %" PRId64 "..", s->sym, s->lo);
    if (s->hi == INT64_MAX)
        text_add(out, "inf");
    else
        text_add(out, "%" PRId64, s->hi);
    text_add(out, s->late ? " late" : "");
    if (s->late && s->most) {
        text_add(out, " <= ");
        idx_print(out, s->most);
    }
}

static const char *const relations[] = { [GUARD_EQ] = "==", [GUARD_NE] = "!=", [GUARD_LE] = "<=", [GUARD_LT] = "<" };

void word_guard(Text *out, const Guard *u)
{
    text_add(out, "guard ");
    idx_print(out, u->a);
    text_add(out, " %s ", relations[u->rel]);
    idx_print(out, u->b);
    text_add(out, " ");
    word_quoted(out, u->text ? u->text : "");
}

void word_number_port(Text *out, const Port *p)
{
    if (p->kind == PORT_NONE) {
        text_add(out, "none");
        return;
    }
    text_add(out, "%s ", dtype_info[p->dtype].name);
    double d;
    memcpy(&d, &p->bits, 8);
    if (p->dtype == DT_f64)
        word_double(out, d, false);
    else
        text_add(out, "%" PRId64, p->bits);
}

void word_origin(Text *out, const Origin *o)
{
    if (!o->file && !o->text && !o->module)
        return;
    text_add(out, "  @");
    if (o->file) {
        text_add(out, " ");
        word_quoted(out, o->file);
        text_add(out, ":%d", o->line);
    }
    if (o->text) {
        text_add(out, o->file ? " " : " = ");
        word_quoted(out, o->text);
    }
    if (o->module) {
        text_add(out, " in ");
        word_quoted(out, o->module);
    }
}

/* ---- reading ----------------------------------------------------------------------------------- */

void lex_fault(Lex *s, const char *expected)
{
    int n = (int)strcspn(s->p, "\n");
    fail(s->job, EXIT_INPUT, "%s:%d: expected %s; found \"%.*s\"", s->where, s->line, expected, n > 30 ? 30 : n, s->p);
}

void lex_fault_at(Lex *s, const char *at, const char *expected)
{
    s->p = at;
    lex_fault(s, expected);
}

void lex_blanks(Lex *s)
{
    while (*s->p == ' ')
        s->p++;
}

bool lex_at(Lex *s, const char *token)
{
    lex_blanks(s);
    size_t n = strlen(token);
    if (strncmp(s->p, token, n))
        return false;
    return !isalnum((unsigned char)token[n - 1]) || !name_char(s->p[n]) || (s->p[n] == '.' && s->p[n + 1] == '.');
}

bool lex_take(Lex *s, const char *token)
{
    bool have = lex_at(s, token);
    if (have)
        s->p += strlen(token);
    return have;
}

void lex_need(Lex *s, const char *token)
{
    if (!lex_take(s, token))
        lex_fault(s, token);
}

void lex_end_line(Lex *s)
{
    lex_blanks(s);
    if (*s->p == ';')
        s->p += strcspn(s->p, "\n");
    if (*s->p && *s->p != '\n')
        lex_fault(s, "the end of the line");
    while (*s->p == '\n' || *s->p == ' ' || *s->p == ';') {
        if (*s->p == ';')
            s->p += strcspn(s->p, "\n");
        if (*s->p == '\n')
            s->line++;
        if (*s->p)
            s->p++;
    }
}

static int hex_digit(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

Sym lex_quoted(Lex *s)
{
    Text t;
    text_init(&t, s->job);
    lex_need(s, "\"");
    while (*s->p && *s->p != '"' && *s->p != '\n') {
        char c = *s->p++;
        if (c == '\\' && (*s->p == '"' || *s->p == '\\')) {
            c = *s->p++;
        } else if (c == '\\') {
            bool two = *s->p == 'x' && hex_digit(s->p[1]) >= 0 && hex_digit(s->p[2]) >= 0;
            c = two ? (char)(hex_digit(s->p[1]) * 16 + hex_digit(s->p[2])) : 0;
            if (!c)
                lex_fault(s, "\\\", \\\\ or \\xHH in a quoted text");
            s->p += 3;
        }
        text_put(&t, &c, 1);
    }
    lex_need(s, "\"");
    return sym(s->job, t.at);
}

Sym lex_name(Lex *s)
{
    lex_blanks(s);
    if (*s->p == '"')
        return lex_quoted(s);
    const char *start = s->p;
    while (name_char(*s->p))
        s->p++;
    if (s->p == start)
        lex_fault(s, "a name");
    return sym_n(s->job, start, (size_t)(s->p - start));
}

int64_t lex_int(Lex *s)
{
    lex_blanks(s);
    char *end;
    errno = 0;
    long long v = strtoll(s->p, &end, 10);
    if (end == s->p || errno == ERANGE || isspace((unsigned char)*s->p))
        lex_fault(s, "an integer of 64 bits");
    s->p = end;
    return v;
}

uint64_t lex_unsigned(Lex *s)
{
    lex_blanks(s);
    char *end;
    errno = 0;
    unsigned long long v = strtoull(s->p, &end, 10);
    if (errno == ERANGE || !isdigit((unsigned char)*s->p))
        lex_fault(s, "an unsigned integer of 64 bits");
    s->p = end;
    return v;
}

double lex_double(Lex *s)
{
    lex_blanks(s);
    char *end;
    double v = strtod(s->p, &end);
    if (end == s->p || isspace((unsigned char)*s->p))
        lex_fault(s, "a number");
    s->p = end;
    return v;
}

static const Idx *find_symbol(void *ctx, Sym name)
{
    Lex *s = ctx;
    const Idx *e = s->find ? s->find(s->ctx, name) : NULL;
    if (e)
        return e;
    e = idx_find(s->job, name);
    return e && !e->extent ? e : NULL; /* a loop variable of another kernel is none here */
}

const Idx *lex_idx(Lex *s)
{
    const Idx *e = idx_parse_in(s->job, &s->p, find_symbol, s);
    if (!e)
        lex_fault(s, "a size");
    return e;
}

int lex_idx_list(Lex *s, const Idx **out, int room)
{
    int n = 0;
    lex_need(s, "[");
    while (!lex_take(s, "]")) {
        if (n)
            lex_need(s, ",");
        if (n == room)
            lex_fault(s, "fewer dimensions");
        out[n++] = lex_idx(s);
    }
    return n;
}

DType lex_dtype(Lex *s)
{
    lex_blanks(s);
    const char *start = s->p;
    while (isalnum((unsigned char)*s->p))
        s->p++;
    DType d = dtype_from_name(sym_n(s->job, start, (size_t)(s->p - start)));
    if (d == DT_NONE)
        lex_fault_at(s, start, "an element type");
    return d;
}

Type lex_type(Lex *s)
{
    Type t = { .dtype = lex_dtype(s) };
    t.rank = lex_idx_list(s, t.dim, MAX_RANK);
    return t;
}

const Idx *lex_symbol(Lex *s)
{
    lex_blanks(s);
    const char *start = s->p;
    Sym name = lex_name(s);
    bool plain = !isdigit((unsigned char)*name) && *start != '"';
    for (const char *p = name; *p; p++)
        plain &= name_char(*p) && *p != '.';
    if (!plain)
        lex_fault_at(s, start, "a name of letters, digits and _");
    lex_need(s, "in");
    int64_t lo = lex_int(s);
    lex_need(s, "..");
    int64_t hi = lex_take(s, "inf") ? INT64_MAX : lex_int(s);
    bool late = lex_take(s, "late"), limited = late && lex_take(s, "<=");
    const Idx *most = limited ? lex_idx(s) : NULL;
    const Idx *e = late ? idx_late(s->job, name, lo, hi) : idx_sym(s->job, name, lo, hi);
    if (hi < lo || e->extent || e->lo != lo || e->hi != hi || e->late != late || (most && idx_uses(most, e)))
        lex_fault_at(s, start, "a new symbol with a range that is not empty");
    if (most)
        idx_limit(e, most);
    return e;
}

Guard lex_guard(Lex *s)
{
    Guard u = { .a = lex_idx(s) };
    for (u.rel = GUARD_EQ; !lex_take(s, relations[u.rel]); u.rel++)
        if (u.rel == GUARD_LT)
            lex_fault(s, "==, !=, <= or <");
    u.b = lex_idx(s);
    u.text = lex_quoted(s);
    return u;
}

bool lex_number_port(Lex *s, Port *p)
{
    static const DType numbers[] = { DT_i64, DT_f64, DT_bool };
    if (lex_take(s, "none")) {
        p->kind = PORT_NONE;
        return true;
    }
    for (int i = 0; i < 3; i++)
        if (lex_take(s, dtype_info[numbers[i]].name)) {
            p->kind = PORT_NUMBER;
            p->dtype = numbers[i];
            if (p->dtype == DT_f64) {
                double d = lex_double(s);
                memcpy(&p->bits, &d, 8);
            } else {
                p->bits = lex_int(s);
            }
            return true;
        }
    return false;
}

void lex_port_kind(Lex *s, Port *p)
{
    p->scalar = lex_take(s, "scalar");
    p->pairs = !p->scalar && lex_take(s, "pairs");
    const Type *t = p->kind == PORT_TENSOR ? &p->value->type : NULL;
    if (p->pairs && (!t || !t->rank || !idx_is(t->dim[t->rank - 1], 2) || dtype_complex(t->dtype) == DT_NONE))
        lex_fault(s, "a tensor of f32 or f64 with a last axis of size 2 before \"pairs\"");
}

void lex_origin(Lex *s, Origin *o)
{
    if (!lex_take(s, "@"))
        return;
    lex_blanks(s);
    if (*s->p == '"') {
        o->file = lex_quoted(s);
        lex_need(s, ":");
        int64_t line = lex_int(s);
        o->line = line > INT32_MAX || line < INT32_MIN ? 0 : (int)line;
    }
    if (lex_take(s, "=") || lex_at(s, "\""))
        o->text = lex_quoted(s);
    if (lex_take(s, "in"))
        o->module = lex_quoted(s);
}
