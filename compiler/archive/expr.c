/* SPDX-License-Identifier: MIT */
/* Parsing of torch's symbolic expressions and their two uses: as index expressions, as 0-d tensors. */
#include "expr.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Parser {
    Job *job;
    const char *p;
    int depth, operators;
    bool bad;
} Parser;

static Expr *parse_compare(Parser *s);

static Expr *node(Parser *s, ExprKind kind)
{
    Expr *e = job_alloc(s->job, sizeof *e);
    e->kind = kind;
    e->denominator = 1;
    return e;
}

static Expr *reject(Parser *s)
{
    s->bad = true;
    return node(s, EXPR_INT);
}

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

enum { MAX_OPERATORS = 1000 }; /* of one expression: walks recurse over chains */

static Expr *call(Parser *s, const char *name, Expr *a, Expr *b)
{
    if (++s->operators > MAX_OPERATORS)
        return reject(s);
    Expr *e = node(s, EXPR_CALL);
    e->name = sym(s->job, name);
    e->arg = job_array(s->job, 2, sizeof *e->arg);
    e->n = b ? 2 : 1;
    e->arg[0] = a;
    e->arg[1] = b;
    return e;
}

/* Keyword arguments ("integer=True", "precision=53") say nothing here. */
static void skip_keywords(Parser *s)
{
    while (take(s, ",")) {
        blanks(s);
        while (isalnum((unsigned char)*s->p) || *s->p == '_' || *s->p == '=')
            s->p++;
    }
}

static Expr *quoted(Parser *s, bool symbol)
{
    blanks(s);
    char quote = *s->p;
    if (quote != '\'' && quote != '"')
        return reject(s);
    const char *start = ++s->p;
    while (*s->p && *s->p != quote)
        s->p++;
    if (!*s->p)
        return reject(s);
    Expr *e = node(s, symbol ? EXPR_SYMBOL : EXPR_FLOAT);
    if (symbol)
        e->name = sym_n(s->job, start, (size_t)(s->p - start));
    else
        e->real = strtod(job_copy(s->job, start, (size_t)(s->p - start)), NULL);
    s->p++;
    skip_keywords(s);
    return take(s, ")") ? e : reject(s);
}

static Expr *integer(Parser *s, bool rational)
{
    Expr *a = parse_compare(s);
    if (rational && take(s, ",")) {
        Expr *b = parse_compare(s);
        if (a->kind != EXPR_INT || b->kind != EXPR_INT || b->number <= 0)
            return reject(s);
        a->denominator = b->number;
    }
    return take(s, ")") ? a : reject(s);
}

static Expr *arguments(Parser *s, Sym name)
{
    Expr *e = node(s, EXPR_CALL);
    VEC(Expr *) args = { 0 };
    e->name = name;
    while (!s->bad && !take(s, ")")) {
        if (args.n && !take(s, ","))
            return reject(s);
        *vec_push(s->job, &args) = parse_compare(s);
    }
    e->arg = args.at;
    e->n = args.n;
    return e;
}

static Expr *parse_name(Parser *s)
{
    const char *start = s->p;
    while (isalnum((unsigned char)*s->p) || *s->p == '_')
        s->p++;
    Sym name = sym_n(s->job, start, (size_t)(s->p - start));
    if (!strcmp(name, "true") || !strcmp(name, "false") || !strcmp(name, "True") || !strcmp(name, "False")) {
        Expr *e = node(s, EXPR_BOOL);
        e->number = name[0] == 't' || name[0] == 'T';
        return e;
    }
    if (!strcmp(name, "oo") || !strcmp(name, "int_oo")) {
        Expr *e = node(s, EXPR_INT);
        e->number = INT64_MAX;
        return e;
    }
    if (!take(s, "(")) {
        Expr *e = node(s, EXPR_SYMBOL);
        e->name = name;
        return e;
    }
    if (!strcmp(name, "Symbol"))
        return quoted(s, true);
    if (!strcmp(name, "Float"))
        return quoted(s, false);
    if (!strcmp(name, "Integer") || !strcmp(name, "Rational"))
        return integer(s, name[0] == 'R');
    return arguments(s, name);
}

static Expr *parse_atom(Parser *s)
{
    blanks(s);
    if (++s->depth > 200 || s->bad)
        return reject(s);
    Expr *e;
    if (take(s, "(")) {
        e = parse_compare(s);
        if (!take(s, ")"))
            e = reject(s);
    } else if (take(s, "-")) {
        e = parse_atom(s);
        if (e->kind == EXPR_INT) {
            e->number = e->number == INT64_MAX ? INT64_MIN : e->number == INT64_MIN ? INT64_MAX : -e->number;
        } else {
            Expr *minus = node(s, EXPR_INT);
            minus->number = -1;
            e = call(s, "Mul", minus, e);
        }
    } else if (isdigit((unsigned char)*s->p)) {
        char *end, *float_end;
        e = node(s, EXPR_INT);
        e->number = strtoll(s->p, &end, 10);
        double real = strtod(s->p, &float_end);
        if (float_end > end) {
            e->kind = EXPR_FLOAT;
            e->real = real;
            end = float_end;
        }
        s->p = end;
    } else if (isalpha((unsigned char)*s->p) || *s->p == '_') {
        e = parse_name(s);
    } else {
        e = reject(s);
    }
    s->depth--;
    return e;
}

static Expr *parse_power(Parser *s)
{
    Expr *a = parse_atom(s);
    if (s->bad || !take(s, "**"))
        return a;
    if (++s->depth > 200)
        return reject(s);
    a = call(s, "Pow", a, parse_power(s));
    s->depth--;
    return a;
}

static Expr *parse_product(Parser *s)
{
    Expr *a = parse_power(s);
    while (!s->bad) {
        const char *op = take(s, "//") ? "FloorDiv" : take(s, "/") ? "IntTrueDiv" : take(s, "%") ? "Mod" : NULL;
        if (!op && take(s, "*"))
            op = "Mul";
        if (!op)
            break;
        a = call(s, op, a, parse_power(s));
    }
    return a;
}

static Expr *parse_sum(Parser *s)
{
    Expr *a = parse_product(s);
    while (!s->bad) {
        bool plus = take(s, "+"), minus = !plus && take(s, "-");
        if (!plus && !minus)
            break;
        Expr *b = parse_product(s);
        if (minus) {
            Expr *one = node(s, EXPR_INT);
            one->number = -1;
            b = call(s, "Mul", one, b);
        }
        a = call(s, "Add", a, b);
    }
    return a;
}

static Expr *parse_compare(Parser *s)
{
    static const char *const table[][2] = { { ">=", "GreaterThan" }, { "<=", "LessThan" }, { "==", "Equality" },
                                            { "!=", "Unequality" },  { ">", "StrictGreaterThan" },
                                            { "<", "StrictLessThan" } };
    Expr *a = parse_sum(s);
    for (size_t i = 0; !s->bad && i < sizeof table / sizeof *table; i++)
        if (take(s, table[i][0]))
            return call(s, table[i][1], a, parse_sum(s));
    return a;
}

Expr *expr_parse(Job *job, const char *text)
{
    Parser s = { .job = job, .p = text };
    Expr *e = parse_compare(&s);
    blanks(&s);
    return s.bad || *s.p ? NULL : e;
}

/* ---- as an index expression ---------------------------------------------------------------------- */

typedef struct Eval {
    Job *job;
    const Idx *(*symbol)(void *, Sym);
    void *ctx;
    Build *b;
    Value *(*value)(void *, Sym);
} Eval;

static bool named(const Expr *e, const char *name)
{
    return !strcmp(e->name, name);
}

static const Idx *as_idx(Eval *v, const Expr *e);

/* A product may hold rationals: multiply first, divide exactly last. */
static const Idx *product(Eval *v, const Expr *e)
{
    const Idx *r = idx_const(v->job, 1);
    int64_t den = 1;
    for (size_t i = 0; i < e->n; i++) {
        Expr whole = *e->arg[i];
        if (whole.kind == EXPR_INT && whole.denominator != 1) {
            if (!mul_i64(den, whole.denominator, &den))
                return NULL;
            whole.denominator = 1;
        }
        const Idx *x = as_idx(v, &whole);
        if (!x)
            return NULL;
        r = idx_mul(v->job, r, x);
    }
    return idx_div(v->job, r, idx_const(v->job, den));
}

static const Idx *power(Eval *v, const Expr *e)
{
    int64_t k;
    const Idx *a = as_idx(v, e->arg[0]), *x = as_idx(v, e->arg[1]), *r = idx_const(v->job, 1);
    if (!a || !x || !idx_is_const(x, &k) || k < 0 || k > 16)
        return NULL;
    while (k--)
        r = idx_mul(v->job, r, a);
    return r;
}

/* p / q = f, or so near to it that f * n rounds to p * n / q wherever that is an integer. */
static bool as_fraction(double f, int64_t *p, int64_t *q)
{
    for (*q = 1; *q <= 4096 && f > 0 && f < 4096; ++*q) {
        double whole = round(f * (double)*q), off = fma(f, (double)*q, -whole) / whole;
        *p = (int64_t)whole;
        if (whole > 0 && off >= -0x1p-54 && off <= 0x1p-53)
            return true;
    }
    return false;
}

/* A product of a size and a float, or a quotient of integers, as num / den; false: it is something else. */
static bool as_ratio(Eval *v, const Expr *e, const Idx **num, int64_t *den)
{
    int64_t p = 1;
    *den = 1;
    if (e->kind != EXPR_CALL || e->n > 2 || !e->n)
        return false;
    if (named(e, "ToFloat"))
        return (*num = as_idx(v, e->arg[0])) != NULL;
    if (named(e, "Mul") && e->n == 2) {
        const Expr *f = e->arg[e->arg[1]->kind == EXPR_FLOAT], *x = e->arg[e->arg[1]->kind != EXPR_FLOAT];
        if (f->kind != EXPR_FLOAT || x->kind != EXPR_CALL || !named(x, "ToFloat") || !as_fraction(f->real, &p, den))
            return false;
        *num = as_idx(v, x->arg[0]);
        *num = *num ? idx_mulk(v->job, *num, p) : NULL;
        return *num != NULL;
    }
    const Idx *b = named(e, "IntTrueDiv") && e->n == 2 ? as_idx(v, e->arg[1]) : NULL;
    *num = b ? as_idx(v, e->arg[0]) : NULL;
    return *num && idx_is_const(b, den) && *den > 0;
}

/* A float that is made an integer: floor(0.5 * n) is n // 2. */
static const Idx *rounded(Eval *v, const Expr *e)
{
    const Idx *num;
    int64_t den;
    bool up = named(e, "CeilToInt"), down = named(e, "FloorToInt") || named(e, "TruncToInt");
    if ((!up && !down) || !as_ratio(v, e->arg[0], &num, &den) || (num->lo < 0 && named(e, "TruncToInt")))
        return NULL;
    return idx_div(v->job, up ? idx_addk(v->job, num, den - 1) : num, idx_const(v->job, den));
}

static const Idx *binary(Eval *v, const Expr *e)
{
    Job *job = v->job;
    if (e->n == 1 && e->arg[0]->kind == EXPR_CALL) {
        const Idx *r = rounded(v, e);
        if (r)
            return r;
    }
    const Idx *a = as_idx(v, e->arg[0]), *b = e->n > 1 ? as_idx(v, e->arg[1]) : NULL;
    if (!a || (e->n > 1 && !b))
        return NULL;
    if (e->n == 1) /* of an integer */
        return named(e, "Identity") || named(e, "TruncToInt") || named(e, "CeilToInt") || named(e, "FloorToInt") ||
               named(e, "RoundToInt") || named(e, "floor") || named(e, "ceiling") ? a : NULL;
    bool zero = b->lo <= 0 && b->hi >= 0;
    if (named(e, "FloorDiv") || named(e, "CleanDiv"))
        return idx_is(b, 0) ? NULL : idx_div(job, a, b);
    if (named(e, "Mod") || named(e, "PythonMod"))
        return idx_is(b, 0) ? NULL : idx_mod(job, a, b);
    if (named(e, "CeilDiv"))
        return zero ? NULL : idx_div(job, idx_addk(job, idx_add(job, a, b), -1), b);
    if (named(e, "ModularIndexing") && e->n == 3) {
        const Idx *m = as_idx(v, e->arg[2]);
        return m && !zero && !idx_is(m, 0) ? idx_mod(job, idx_div(job, a, b), m) : NULL;
    }
    return NULL;
}

static const Idx *fold(Eval *v, const Expr *e, const Idx *(*op)(Job *, const Idx *, const Idx *))
{
    const Idx *r = e->n ? as_idx(v, e->arg[0]) : NULL;
    for (size_t i = 1; r && i < e->n; i++) {
        const Idx *x = as_idx(v, e->arg[i]);
        r = x ? op(v->job, r, x) : NULL;
    }
    return r;
}

static const Idx *as_idx(Eval *v, const Expr *e)
{
    if (e->kind == EXPR_INT)
        return e->denominator == 1 ? idx_const(v->job, e->number) : NULL;
    if (e->kind == EXPR_SYMBOL)
        return v->symbol(v->ctx, e->name);
    if (e->kind != EXPR_CALL || !e->n)
        return NULL;
    if (named(e, "Add"))
        return fold(v, e, idx_add);
    if (named(e, "Mul"))
        return product(v, e);
    if (named(e, "Max"))
        return fold(v, e, idx_max);
    if (named(e, "Min"))
        return fold(v, e, idx_min);
    if ((named(e, "Pow") || named(e, "PowByNatural")) && e->n == 2)
        return power(v, e);
    return binary(v, e);
}

const Idx *expr_idx(Job *job, const Expr *e, const Idx *(*symbol)(void *, Sym), void *ctx)
{
    return as_idx(&(Eval){ job, symbol, ctx, NULL, NULL }, e);
}

/* ---- as a 0-d tensor ------------------------------------------------------------------------------- */

static Value *as_value(Eval *v, const Expr *e);

static Value *as_f64(Eval *v, const Expr *e)
{
    Value *x = as_value(v, e);
    return x ? build_cast(v->b, x, DT_f64) : NULL;
}

static Value *fold_value(Eval *v, const Expr *e, Op op, bool boolean)
{
    Value *r = NULL;
    for (size_t i = 0; i < e->n; i++) {
        Value *x = boolean ? as_value(v, e->arg[i]) : as_f64(v, e->arg[i]);
        if (!x || (boolean && x->type.dtype != DT_bool))
            return NULL;
        r = r ? build2(v->b, op, r, x) : x;
    }
    return r;
}

/* What the ranges of the symbols say: 1 or 0; -1: they do not. */
static int decided(Job *job, Op op, const Idx *a, const Idx *b)
{
    bool less = idx_provably_lt(job, a, b), more = idx_provably_lt(job, b, a);
    switch (op) {
    case OP_eq: return a == b ? 1 : less || more ? 0 : -1;
    case OP_ne: return a == b ? 0 : less || more ? 1 : -1;
    case OP_lt: return less ? 1 : idx_provably_le(job, b, a) ? 0 : -1;
    case OP_le: return more ? 0 : idx_provably_le(job, a, b) ? 1 : -1;
    case OP_gt: return more ? 1 : idx_provably_le(job, a, b) ? 0 : -1;
    default: return less ? 0 : idx_provably_le(job, b, a) ? 1 : -1;
    }
}

static Value *compare(Eval *v, const Expr *e, Op op)
{
    const Idx *x = e->n == 2 ? as_idx(v, e->arg[0]) : NULL, *y = x ? as_idx(v, e->arg[1]) : NULL;
    int known = y ? decided(v->job, op, x, y) : -1;
    if (known >= 0)
        return build_full_int(v->b, DT_bool, known);
    Value *a = e->n == 2 ? as_value(v, e->arg[0]) : NULL, *b = a ? as_value(v, e->arg[1]) : NULL;
    if (!a || !b)
        return NULL;
    DType t = dtype_promote(a->type.dtype, b->type.dtype);
    return build2(v->b, op, build_cast(v->b, a, t), build_cast(v->b, b, t));
}

static Value *as_value(Eval *v, const Expr *e)
{
    static const struct {
        const char *name;
        Op op;
    } compares[] = { { "Equality", OP_eq },         { "Unequality", OP_ne },  { "StrictLessThan", OP_lt },
                     { "LessThan", OP_le },         { "StrictGreaterThan", OP_gt }, { "GreaterThan", OP_ge },
                     { "Eq", OP_eq },               { "Ne", OP_ne } },
      floats[] = { { "Add", OP_add }, { "Mul", OP_mul }, { "Max", OP_max }, { "Min", OP_min }, { "Pow", OP_pow },
                   { "FloatPow", OP_pow }, { "FloatTrueDiv", OP_div }, { "IntTrueDiv", OP_div } },
      unary[] = { { "OpaqueUnaryFn_sqrt", OP_sqrt }, { "OpaqueUnaryFn_sin", OP_sin }, { "OpaqueUnaryFn_cos", OP_cos },
                  { "OpaqueUnaryFn_exp", OP_exp },   { "OpaqueUnaryFn_log", OP_log }, { "FloorToInt", OP_floor } };
    const Idx *whole = expr_idx(v->job, e, v->symbol, v->ctx);
    if (whole)
        return build_index(v->b, whole);
    if (e->kind == EXPR_FLOAT || e->kind == EXPR_INT)
        return build_full(v->b, DT_f64, e->kind == EXPR_FLOAT ? e->real : (double)e->number / (double)e->denominator);
    if (e->kind == EXPR_SYMBOL)
        return v->value(v->ctx, e->name);
    if (e->kind == EXPR_BOOL)
        return build_full_int(v->b, DT_bool, e->number);
    if (e->kind != EXPR_CALL)
        return NULL;
    if (named(e, "ToFloat") && e->n == 1)
        return as_f64(v, e->arg[0]);
    if (named(e, "And") || named(e, "Or"))
        return fold_value(v, e, named(e, "And") ? OP_and : OP_or, true);
    if (named(e, "Not") && e->n == 1) {
        Value *x = as_value(v, e->arg[0]);
        return x && x->type.dtype == DT_bool ? build1(v->b, OP_not, x) : NULL;
    }
    for (size_t i = 0; i < sizeof compares / sizeof *compares; i++)
        if (named(e, compares[i].name))
            return compare(v, e, compares[i].op);
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++)
        if (named(e, floats[i].name))
            return fold_value(v, e, floats[i].op, false);
    for (size_t i = 0; i < sizeof unary / sizeof *unary; i++)
        if (named(e, unary[i].name) && e->n == 1) {
            Value *x = as_f64(v, e->arg[0]);
            return x ? build1(v->b, unary[i].op, x) : NULL;
        }
    return NULL;
}

Value *expr_value(Build *b, const Expr *e, const Idx *(*symbol)(void *, Sym), Value *(*value)(void *, Sym), void *ctx)
{
    return as_value(&(Eval){ b->g->job, symbol, ctx, b, value }, e);
}
