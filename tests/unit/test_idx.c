/* SPDX-License-Identifier: MIT */
/* Index expressions: the table of the simplifier's laws, what can be proved, texts, and random expressions against a
 * naive evaluator.
 * Symbols of all tests: s in 2..inf, t in 0..100, u in 1..8, z in -5..5; loop variables i < 4, j < s, k < 10, l < u. */
#include "../check.h"
#include "../../compiler/index/idx.h"
#include <stdlib.h>

enum { SYMBOLS = 8 };
static const char *const names[SYMBOLS] = { "s", "t", "u", "z", "i", "j", "k", "l" };

typedef struct World {
    Job *job;
    const Idx *symbol[SYMBOLS];
    int64_t value[SYMBOLS];
} World;

static World world(Job *job)
{
    World w = { .job = job };
    w.symbol[0] = idx_sym(job, sym(job, "s"), 2, INT64_MAX);
    w.symbol[1] = idx_sym(job, sym(job, "t"), 0, 100);
    w.symbol[2] = idx_sym(job, sym(job, "u"), 1, 8);
    w.symbol[3] = idx_sym(job, sym(job, "z"), -5, 5);
    w.symbol[4] = idx_var(job, sym(job, "i"), idx_const(job, 4));
    w.symbol[5] = idx_var(job, sym(job, "j"), w.symbol[0]);
    w.symbol[6] = idx_var(job, sym(job, "k"), idx_const(job, 10));
    w.symbol[7] = idx_var(job, sym(job, "l"), w.symbol[2]);
    return w;
}

static const Idx *parse(Job *job, const char *text)
{
    const char *p = text;
    const Idx *e = idx_parse(job, &p);
    return e && !*p ? e : NULL;
}

/* ---- the laws ------------------------------------------------------------------------------------- */

static const struct {
    const char *before, *after;
} laws[] = {
    /* sums and products are one polynomial */
    { "s + s", "2*s" },
    { "s - s", "0" },
    { "3*(s + 2) - s", "2*s + 6" },
    { "(s + 1)*(s - 1)", "s*s - 1" },
    { "t*s - s*t", "0" },
    { "2*s*3*t", "6*(s*t)" },
    { "i + 4*j + 0*k", "i + 4*j" },
    { "k + j + i", "i + j + k" },
    /* what the divisor divides leaves the division */
    { "(4*j + i)//4", "j" },
    { "(4*j + i) % 4", "i" },
    { "(4*j + i + 7)//4", "(i + 3)//4 + j + 1" },
    { "(6*j)//4", "(2*j)//4 + j" },
    { "(s*j + t)//s", "t//s + j" },
    { "(s*i + j)//s", "i" },
    { "(s*i + j) % s", "j" },
    { "(10*(s*i + j) + k)//10", "i*s + j" },
    { "(10*(s*i + j) + k) % (10*s)", "10*j + k" },
    { "(10*(s*i + j) + k)//(10*s)", "i" },
    { "(s + 3)//(s + 3)", "1" },
    { "(2*s + 6)//(s + 3)", "2" },
    { "(2*s + 7) % (s + 3)", "1" },
    { "(t//4)//8", "t//32" },
    { "(t//4)//s", "(t//4)//s" },
    { "i//4", "0" },
    { "i % 4", "i" },
    { "i//3", "i//3" },
    { "(0 - 1)//4", "-1" },
    { "(0 - 1) % 4", "3" },
    { "7//(0 - 2)", "-4" },
    /* a quotient and its remainder make the whole again */
    { "4*(t//4) + t % 4", "t" },
    { "12*(t//12) + 4*((t//4) % 3) + t % 4", "t" },
    { "8*(t//4) + 2*(t % 4) + 3", "2*t + 3" },
    { "s*(t//s) + t % s", "t" },
    { "7*((z + 2)//7) + (z + 2) % 7", "z + 2" },
    { "4*(t//4) + t % 3", "4*(t//4) + t % 3" },
    { "5*(t//4) + t % 4", "5*(t//4) + t % 4" },
    { "s//1", "s" },
    { "s % 1", "0" },
    { "t//(2*s)", "t//(2*s)" }, /* not t//2*s */
    { "t % (2*s)", "t % (2*s)" },
    { "z//(0 - 1)", "z//(-1)" },
    { "z//3", "z//3" },
    /* the smaller and the greater of what is proved */
    { "min(i, 3)", "i" },
    { "min(i, 2)", "min(i, 2)" },
    { "max(s, 1)", "s" },
    { "max(s, 2)", "s" },
    { "min(s, s + 1)", "s" },
    { "max(i, s + 3)", "s + 3" },
    { "max(j, s)", "s" },
    { "min(t, s)", "min(s, t)" },
    { "max(z, 0)", "max(z, 0)" },
};

static void law_body(Job *job, void *arg)
{
    (void)arg;
    world(job);
    for (size_t i = 0; i < sizeof laws / sizeof *laws; i++) {
        const Idx *before = parse(job, laws[i].before), *after = parse(job, laws[i].after);
        if (!CHECK(before && after))
            continue;
        if (!CHECK_TEXT(idx_text(job, before), laws[i].after))
            fprintf(stderr, "of %s\n", laws[i].before);
        CHECK(before == after);
    }
}

static void simplifies(void)
{
    CHECK(job_run(law_body, NULL, stderr) == 0);
}

/* ---- what can be proved ------------------------------------------------------------------------------ */

static const struct {
    const char *a, *b;
    bool le, lt, divisible;
} facts[] = {
    { "i", "4", true, true, false },
    { "i", "3", true, false, false },
    { "j", "s", true, true, false },
    { "4*j + i", "4*s", true, true, false },
    { "4*j + k", "4*s", false, false, false },
    { "s*i + j", "4*s", true, true, false },
    { "10*s*i + 10*j + k", "40*s", true, true, false },
    { "12*s", "4", false, false, true },
    { "12*s + 2", "4", false, false, false },
    { "s*t*6", "3*t", false, false, false }, /* t may be 0 */
    { "s*u*6", "3*u", false, false, true },
    { "0", "s", true, true, true },
    { "l", "8", true, true, false },
    { "l + 1", "u", true, false, false },
    { "0 - s", "0", true, true, false },
};

static void fact_body(Job *job, void *arg)
{
    (void)arg;
    world(job);
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        const Idx *a = parse(job, facts[i].a), *b = parse(job, facts[i].b), *q;
        bool ok = CHECK(idx_provably_le(job, a, b) == facts[i].le);
        ok &= CHECK(idx_provably_lt(job, a, b) == facts[i].lt);
        ok &= CHECK(idx_divisible(job, a, b, &q) == facts[i].divisible);
        if (!ok)
            fprintf(stderr, "of %s and %s\n", facts[i].a, facts[i].b);
    }
    const Idx *q;
    CHECK(idx_divisible(job, parse(job, "12*s*t"), parse(job, "4*s"), &q) && q == parse(job, "3*t"));
    CHECK_TEXT(idx_text(job, idx_upper(job, parse(job, "s*i + j"))), "4*s - 1");
    CHECK_TEXT(idx_text(job, idx_upper(job, parse(job, "s*i - j"))), "3*s");
    CHECK_TEXT(idx_text(job, idx_ceil_to(job, parse(job, "s"), 16)), "16*((s + 15)//16)");
    CHECK(idx_ceil_to(job, parse(job, "32*s"), 16) == parse(job, "32*s"));
    const Idx *u = idx_late(job, sym(job, "u0"), 0, INT64_MAX), *v = idx_late(job, sym(job, "v0"), 0, 7);
    idx_late(job, sym(job, "w0"), 0, INT64_MAX);
    idx_limit(u, parse(job, "s*t"));
    CHECK(idx_is_late(parse(job, "s + 2*u0")) && !idx_is_late(parse(job, "s")) && v->late);
    CHECK(idx_at_entry(job, parse(job, "4*u0 + s")) == parse(job, "4*s*t + s"));
    CHECK(idx_at_entry(job, parse(job, "(u0 + 3)//2 - v0")) == parse(job, "(s*t + 3)//2"));
    CHECK(idx_at_entry(job, parse(job, "u0*w0")) == NULL && idx_at_entry(job, parse(job, "s")) == parse(job, "s"));
    CHECK(idx_has_var(parse(job, "s*i")) && !idx_has_var(parse(job, "s*t")));
    CHECK(idx_subst(job, parse(job, "(s*i + j)//t"), parse(job, "i"), parse(job, "0")) == parse(job, "j//t"));
}

static void proves(void)
{
    CHECK(job_run(fact_body, NULL, stderr) == 0);
}

/* ---- texts --------------------------------------------------------------------------------------------- */

static void text_body(Job *job, void *arg)
{
    (void)arg;
    world(job);
    static const char *const bad[] = { "",
                                       "+",
                                       "s +",
                                       "(s",
                                       "s)",
                                       "s//0",
                                       "s % 0",
                                       "max(s)",
                                       "max(s, t",
                                       "q",
                                       "9223372036854775808",
                                       "99999999999999999999999",
                                       "s t",
                                       "1.5",
                                       "- ",
                                       "min" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (!CHECK(!parse(job, bad[i])))
            fprintf(stderr, "of \"%s\"\n", bad[i]);
    static const char *const good[] = { "-9223372036854775808",
                                        "9223372036854775807",
                                        "-s",
                                        "-(s + 1)",
                                        "s - -3",
                                        "((s))",
                                        "- 5",
                                        "2 * s // 3",
                                        "s//t//u",
                                        "-z//3",
                                        "s*s*s*t" };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        const Idx *e = parse(job, good[i]);
        if (CHECK(e != NULL))
            CHECK(parse(job, idx_text(job, e)) == e);
    }
    Text t;
    text_init(&t, job);
    idx_print_c(&t, parse(job, "z//3 + t//4 + 5000000000*s"), false, NULL, NULL);
    CHECK_TEXT(t.at, "t / 4 + aot_floordiv(z, 3) + 5000000000LL*s");
}

static void order_body(Job *job, void *arg)
{
    char *out = arg; /* the symbols in another order of creation */
    for (int i = SYMBOLS; i-- > 0;)
        idx_sym(job, sym(job, names[i]), -5, 5);
    snprintf(out, 200, "%s", idx_text(job, parse(job, "s + t*s + i*2 + j + max(t, s)//7 + k*s*t")));
}

static void order_again(Job *job, void *arg)
{
    for (int i = 0; i < SYMBOLS; i++)
        idx_sym(job, sym(job, names[i]), -5, 5);
    CHECK_TEXT(idx_text(job, parse(job, "k*s*t + max(s, t)//7 + j + 2*i + s + s*t")), arg);
}

static void texts(void)
{
    char text[200];
    CHECK(job_run(text_body, NULL, stderr) == 0);
    CHECK(job_run(order_body, text, stderr) == 0);
    CHECK(job_run(order_again, text, stderr) == 0);
}

/* ---- overflow is refused, not wrapped --------------------------------------------------------------------- */

static void overflow_body(Job *job, void *arg)
{
    world(job);
    parse(job, arg);
}

static void overflow(void)
{
    FILE *sink = fopen("/dev/null", "w");
    static const char *const texts[] = {
        "9223372036854775807 + 1",        "4611686018427387904*2",
        "4611686018427387904*s*2",        "9223372036854775807*s + 9223372036854775807*s",
        "-9223372036854775808 - 1",       "-9223372036854775808//(0 - 1)",
        "-9223372036854775808 % (0 - 1)", "-(-9223372036854775808)",
        "(s + 9223372036854775807)*2",    "(z - 9223372036854775808)//(0 - 1)"
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int code = job_run(overflow_body, (void *)(uintptr_t)texts[i], sink);
        CHECK(code == EXIT_INPUT || code == 0);
    }
    char power[4000] = "(s + t + u + z + i + j + k + l)";
    for (int i = 0; i < 60; i++)
        strcat(power, "*(s + t + u + z + i + j + k + l)");
    CHECK(job_run(overflow_body, power, sink) == EXIT_INPUT);
    fclose(sink);
}

/* ---- random expressions ------------------------------------------------------------------------------------- */

typedef struct Tree {
    int op; /* 0 number, 1 symbol, else "+-*%/<>" */
    int64_t k;
    struct Tree *a, *b;
} Tree;

static uint64_t state = 7;

static int64_t pick(int64_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((state >> 33) % (uint64_t)n);
}

static Tree *grow(Tree *room, int *used, int depth)
{
    Tree *t = &room[(*used)++];
    if (depth == 0 || pick(4) == 0) {
        bool number = pick(3) == 0;
        *t = (Tree){ number ? 0 : 1, number ? pick(12) - 3 : pick(SYMBOLS), NULL, NULL };
        return t;
    }
    static const char ops[] = "++-**//%<>";
    *t = (Tree){ .op = ops[pick(sizeof ops - 1)] };
    t->a = grow(room, used, depth - 1);
    t->b = grow(room, used, depth - 1);
    if ((t->op == '/' || t->op == '%') && pick(2))
        *t->b = (Tree){ 0, pick(9) + 1, NULL, NULL };
    return t;
}

/* Textbook semantics on small numbers; false: a division by zero. */
static bool naive(const World *w, const Tree *t, int64_t *out)
{
    int64_t a, b, q;
    if (t->op < 2) {
        *out = t->op ? w->value[t->k] : t->k;
        return true;
    }
    if (!naive(w, t->a, &a) || !naive(w, t->b, &b))
        return false;
    if (llabs(a) > INT32_MAX || llabs(b) > INT32_MAX || ((t->op == '/' || t->op == '%') && !b))
        return false;
    q = b ? a / b - (a % b != 0 && (a < 0) != (b < 0)) : 0;
    *out = t->op == '+'   ? a + b
           : t->op == '-' ? a - b
           : t->op == '*' ? a * b
           : t->op == '/' ? q
           : t->op == '%' ? a - q * b
           : t->op == '<' ? (a < b ? a : b)
                          : (a > b ? a : b);
    return true;
}

static const Idx *build(const World *w, const Tree *t)
{
    Job *job = w->job;
    if (t->op < 2)
        return t->op ? w->symbol[t->k] : idx_const(job, t->k);
    const Idx *a = build(w, t->a), *b = build(w, t->b);
    if (!a || !b || ((t->op == '/' || t->op == '%') && idx_is(b, 0)))
        return NULL;
    switch (t->op) {
    case '+': return idx_add(job, a, b);
    case '-': return idx_sub(job, a, b);
    case '*': return idx_mul(job, a, b);
    case '/': return idx_div(job, a, b);
    case '%': return idx_mod(job, a, b);
    case '<': return idx_min(job, a, b);
    default: return idx_max(job, a, b);
    }
}

static bool value_of(void *ctx, Sym name, int64_t *out)
{
    const World *w = ctx;
    for (int i = 0; i < SYMBOLS; i++)
        if (w->symbol[i]->sym == name) {
            *out = w->value[i];
            return true;
        }
    return false;
}

static void assign(World *w)
{
    w->value[0] = 2 + pick(12);
    w->value[1] = pick(101);
    w->value[2] = 1 + pick(8);
    w->value[3] = pick(11) - 5;
    w->value[4] = pick(4);
    w->value[5] = pick(w->value[0]);
    w->value[6] = pick(10);
    w->value[7] = pick(w->value[2]);
}

static bool agrees(World *w, const Tree *tree, const Idx *e, const Idx *upper)
{
    int64_t want, found = 0, most = 0;
    if (!naive(w, tree, &want))
        return true;
    bool ok = CHECK(idx_eval(e, value_of, w, &found) && found == want);
    ok &= CHECK(e->lo <= want && want <= e->hi);
    if (upper && idx_eval(upper, value_of, w, &most))
        ok &= CHECK(want <= most && !idx_has_var(upper));
    return ok;
}

static void compare_pair(World *w, const Idx *a, const Idx *b)
{
    int64_t x, y;
    bool le = idx_provably_le(w->job, a, b), lt = idx_provably_lt(w->job, a, b);
    const Idx *q = NULL;
    bool divisible = idx_divisible(w->job, a, b, &q);
    for (int n = 0; n < 4; n++) {
        assign(w);
        if (!idx_eval(a, value_of, w, &x) || !idx_eval(b, value_of, w, &y))
            continue;
        bool ok = CHECK(!le || x <= y) & CHECK(!lt || x < y);
        int64_t z = 0;
        if (divisible && idx_eval(q, value_of, w, &z))
            ok &= CHECK(y * z == x);
        if (!ok)
            fprintf(stderr, "of %s = %lld and %s = %lld\n", idx_text(w->job, a), (long long)x, idx_text(w->job, b),
                    (long long)y);
    }
}

static void random_body(Job *job, void *arg)
{
    World w = world(job);
    const Idx *last = idx_const(job, 1);
    state = *(uint64_t *)arg;
    for (int round = 0; round < 2000; round++) {
        Tree room[64];
        int used = 0;
        Tree *tree = grow(room, &used, 4);
        const Idx *e = build(&w, tree);
        if (!e)
            continue;
        const Idx *upper = idx_upper(job, e);
        bool ok = CHECK(parse(job, idx_text(job, e)) == e);
        for (int n = 0; n < 8 && ok; n++) {
            assign(&w);
            ok = agrees(&w, tree, e, upper);
        }
        if (!ok)
            fprintf(stderr, "of %s, at most %s\n", idx_text(job, e), upper ? idx_text(job, upper) : "?");
        compare_pair(&w, e, last);
        last = e;
    }
}

static void random_expressions(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++)
        CHECK(job_run(random_body, &seed, stderr) == 0);
}

int main(void)
{
    RUN(simplifies);
    RUN(proves);
    RUN(texts);
    RUN(overflow);
    RUN(random_expressions);
    return check_report();
}
