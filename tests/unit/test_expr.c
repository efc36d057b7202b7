/* SPDX-License-Identifier: MIT */
/* Symbolic expressions of torch.export: both forms, malformed texts, and texts meant to exhaust the stack. */
#include "../check.h"
#include "../../compiler/archive/expr.h"
#include <stdlib.h>

static const Idx *find(void *ctx, Sym name)
{
    const Idx *e = idx_find(ctx, name);
    return e ? e : idx_sym(ctx, name, 2, 1000);
}

static const char *read_text(Job *job, const char *text)
{
    const Expr *e = expr_parse(job, text);
    if (!e)
        return "no expression";
    const Idx *x = expr_idx(job, e, find, job);
    return x ? idx_text(job, x) : "no integer";
}

static const struct {
    const char *text, *means;
} table[] = {
    /* torch 2.6 and later */
    { "Integer(7)", "7" },
    { "Symbol('s77', integer=True)", "s77" },
    { "Symbol(\"s77\", positive=True, integer=True)", "s77" },
    { "Add(Symbol('s77', integer=True), Integer(1))", "s77 + 1" },
    { "Add(Symbol('a'), Symbol('b'), Symbol('c'))", "a + b + c" },
    { "Mul(Integer(-1), Symbol('a'))", "-a" },
    { "Mul(Rational(1, 2), Symbol('a'))", "a//2" },
    { "Mul(Integer(4), Rational(1, 2), Symbol('a'))", "2*a" },
    { "FloorDiv(Symbol('a'), Integer(2))", "a//2" },
    { "CleanDiv(Symbol('a'), Integer(2))", "a//2" },
    { "Mod(Symbol('a'), Integer(8))", "a % 8" },
    { "PythonMod(Add(Symbol('a'), Integer(8)), Integer(8))", "a % 8" },
    { "CeilDiv(Symbol('a'), Integer(4))", "(a + 3)//4" },
    { "Max(Integer(1), Symbol('a'))", "a" },
    { "Min(Symbol('a'), Symbol('b'))", "min(a, b)" },
    { "Pow(Symbol('a'), Integer(2))", "a*a" },
    { "PowByNatural(Symbol('a'), Integer(3))", "a*a*a" },
    { "ModularIndexing(Symbol('a'), Integer(4), Integer(8))", "(a//4) % 8" },
    { "Identity(Symbol('a'))", "a" },
    { "TruncToInt(Symbol('a'))", "a" },
    /* infix: torch 2.5, range constraints */
    { "s0", "s0" },
    { "s77 + 1", "s77 + 1" },
    { "2*s0 - 3", "2*s0 - 3" },
    { "(s0//2)", "s0//2" },
    { "((s0 - 1)//2) + 1", "(s0 + 1)//2" },
    { "s0**2", "s0*s0" },
    { "Max(1, s0 % 4)", "max(s0 % 4, 1)" },
    { "-s0", "-s0" },
    { "-3 + s0", "s0 - 3" },
    { "--oo", "9223372036854775807" },
    { "s0*s1*2", "2*(s0*s1)" },
    /* read, but no integers */
    { "ToFloat(Symbol('a'))", "no integer" },
    { "Float('0.5', precision=53)", "no integer" },
    { "s0 > 3", "no integer" },
    { "True", "no integer" },
    { "s0/2", "no integer" },
    { "s0//0", "no integer" },
    { "Mod(Symbol('a'), Integer(0))", "no integer" },
    { "s0**(-1)", "no integer" },
    { "s0**1000000", "no integer" },
    { "Unheard(Symbol('a'))", "no integer" },
    { "Unheard(Symbol('a'), Symbol('b'), Symbol('c'), Symbol('d'))", "no integer" },
    { "FloorDiv()", "no integer" },
    { "Pow(Symbol('a'))", "no integer" },
    { "ModularIndexing(Symbol('a'), Integer(4))", "no integer" },
    /* not read */
    { "", "no expression" },
    { "Add(", "no expression" },
    { "Add(Integer(1)", "no expression" },
    { "Add(Integer(1) Integer(2))", "no expression" },
    { "Symbol('a", "no expression" },
    { "Symbol(a)", "no expression" },
    { "Integer()", "no expression" },
    { "Rational(1, 0)", "no expression" },
    { "1 +", "no expression" },
    { "(s0", "no expression" },
    { "s0)", "no expression" },
    { "s0 s1", "no expression" },
    { "s0 + + s1", "no expression" },
    { "$", "no expression" },
};

static void table_body(Job *job, void *arg)
{
    (void)arg;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (!CHECK_TEXT(read_text(job, table[i].text), table[i].means))
            fprintf(stderr, "of %s\n", table[i].text);
}

static void meanings(void)
{
    CHECK(job_run(table_body, NULL, stderr) == 0);
}

/* ---- as tensors ------------------------------------------------------------------------------------------ */

static void value_body(Job *job, void *arg)
{
    (void)arg;
    Graph *g = graph_new(job, sym(job, "g"));
    Build b = { .g = g };
    static const struct {
        const char *text;
        DType dtype;
    } values[] = { { "Symbol('a')", DT_i64 },
                   { "Float('0.5')", DT_f64 },
                   { "IntTrueDiv(Symbol('a'), Integer(2))", DT_f64 },
                   { "s0 > 3", DT_bool },
                   { "And(s0 > 3, Not(Eq(s0, 4)))", DT_bool },
                   { "True", DT_bool },
                   { "OpaqueUnaryFn_sqrt(ToFloat(Symbol('a')))", DT_f64 },
                   { "And(s0, s1)", DT_NONE },
                   { "Unheard(s0)", DT_NONE },
                   { "Not(Float('1'))", DT_NONE },
                   { "Add()", DT_NONE } };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        Value *v = expr_value(&b, expr_parse(job, values[i].text), find, NULL, job);
        if (!CHECK((v ? v->type.dtype : DT_NONE) == values[i].dtype))
            fprintf(stderr, "of %s\n", values[i].text);
    }
}

static void values(void)
{
    CHECK(job_run(value_body, NULL, stderr) == 0);
}

/* ---- long and deep ------------------------------------------------------------------------------------------ */

static void any_body(Job *job, void *arg)
{
    const Expr *e = expr_parse(job, arg);
    if (!e)
        return;
    Build b = { .g = graph_new(job, sym(job, "g")) };
    expr_idx(job, e, find, job);
    expr_value(&b, e, find, NULL, job);
}

/* `head`, then `piece` so many times, then `tail` as often. */
static void repeated(const char *head, const char *piece, const char *tail, int times)
{
    char *text = malloc(strlen(head) + (size_t)times * (strlen(piece) + strlen(tail)) + 1), *p = text;
    p += sprintf(p, "%s", head);
    for (int i = 0; i < times; i++)
        p += sprintf(p, "%s", piece);
    for (int i = 0; *tail && i < times; i++)
        p += sprintf(p, "%s", tail);
    FILE *sink = fopen("/dev/null", "w");
    int code = job_run(any_body, text, sink);
    CHECK(code == 0 || code == EXIT_INPUT);
    fclose(sink);
    free(text);
}

static void long_and_deep(void)
{
    repeated("s0", " + s0", "", 200000);
    repeated("s0", " + s0*s0", "", 200000);
    repeated("s0", " - 1", "", 200000);
    repeated("s0", "*1", "", 200000);
    repeated("s0", "//1", "", 200000);
    repeated("s0", " % 7", "", 200000);
    repeated("s0", "**1", "", 200000);
    repeated("", "-", "", 200000);
    repeated("", "(", ")", 200000);
    repeated("", "Add(", ")", 200000);
    repeated("Add(s0", ", s0", "", 200000);
    repeated("0.5", " + 0.5", "", 200000);
}

int main(void)
{
    RUN(meanings);
    RUN(values);
    RUN(long_and_deep);
    return check_report();
}
