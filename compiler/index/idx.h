/* SPDX-License-Identifier: MIT */
/* Integers that are known at compile time up to symbols: sizes, strides, offsets, loop bounds, workspace sizes.
 *
 * An Idx is immutable and hash-consed in its job: equal value forms are equal pointers, so `a == b` compares.  Every
 * expression is kept in one canonical form, a polynomial
 *       k + c1*m1 + c2*m2 + ...        (integer k, ci; a monomial mi is an atom or a product of atoms)
 * whose atoms are symbols and the four operations that do not distribute: floor division, modulo, min, max.
 * Every Idx carries bounds [lo, hi] that hold for each permitted value of its symbols; INT64_MIN and INT64_MAX stand
 * for "no bound".  What the bounds prove is not checked at run time.
 *
 * Laws of the simplifier (tests/unit/test_idx.c holds the table of before/after pairs):
 *   1. a rewrite keeps the value for every permitted value of the symbols;
 *   2. it never makes the expression dearer; 3. it goes one way only, so it ends. */
#ifndef AOTC_IDX_H
#define AOTC_IDX_H
#include "../base/job.h"

typedef enum IdxOp { IDX_CONST, IDX_SYM, IDX_SUM, IDX_PROD, IDX_DIV, IDX_MOD, IDX_MIN, IDX_MAX } IdxOp;

typedef struct Idx Idx;
struct Idx {
    IdxOp op;
    uint32_t id;          /* creation order: a key for tables; operands are ordered by structure, so texts read back */
    int64_t lo, hi;       /* bounds */
    int64_t k;            /* IDX_CONST: the number; IDX_SUM: the constant term */
    Sym sym;              /* IDX_SYM: its name */
    const Idx *extent;    /* IDX_SYM: a loop variable is < extent; NULL for dimension symbols */
    bool late;            /* IDX_SYM: known only during the run */
    const Idx *most;      /* late: it is <= most, an expression of other symbols; NULL: no such bound */
    uint32_t n;           /* operands: SUM monomials, PROD atoms, 2 for DIV, MOD, MIN, MAX */
    const Idx *const *arg;
    const int64_t *coef;  /* IDX_SUM: one a monomial, never 0 */
};

const Idx *idx_const(Job *job, int64_t k);
/* A dimension symbol with inclusive bounds.  The same name always gives the same symbol: bounds of a later call narrow
 * nothing (the first call decides), so declare symbols before using them. */
const Idx *idx_sym(Job *job, Sym name, int64_t lo, int64_t hi);
/* A symbol that is known only during the run, and what it never exceeds: said once, before anything depends on it. */
const Idx *idx_late(Job *job, Sym name, int64_t lo, int64_t hi);
void idx_limit(const Idx *late, const Idx *most);
/* Whether a late symbol occurs in it. */
bool idx_is_late(const Idx *a);
/* An upper bound of symbols that are known at entry, a itself if it has no others; NULL: none was found. */
const Idx *idx_at_entry(Job *job, const Idx *a);
/* A loop variable: 0 <= var < extent. The name must be fresh. */
const Idx *idx_var(Job *job, Sym name, const Idx *extent);
/* A new name made of `stem`: "i", "i1", "i2"... */
Sym idx_fresh(Job *job, const char *stem);

const Idx *idx_add(Job *job, const Idx *a, const Idx *b);
const Idx *idx_sub(Job *job, const Idx *a, const Idx *b);
const Idx *idx_mul(Job *job, const Idx *a, const Idx *b);
const Idx *idx_div(Job *job, const Idx *a, const Idx *b); /* floor(a / b), b != 0 */
const Idx *idx_mod(Job *job, const Idx *a, const Idx *b); /* a - b * floor(a / b): the sign of b, as in Python */
const Idx *idx_min(Job *job, const Idx *a, const Idx *b);
const Idx *idx_max(Job *job, const Idx *a, const Idx *b);
const Idx *idx_addk(Job *job, const Idx *a, int64_t k);
const Idx *idx_mulk(Job *job, const Idx *a, int64_t k);
const Idx *idx_ceil_to(Job *job, const Idx *a, int64_t k); /* a rounded up to a multiple of k > 0 */

bool idx_is_const(const Idx *a, int64_t *k); /* true, and the number, when it is one */
bool idx_is(const Idx *a, int64_t k);
/* What can be proved; false means "not proved". */
bool idx_provably_lt(Job *job, const Idx *a, const Idx *b);
bool idx_provably_le(Job *job, const Idx *a, const Idx *b);
bool idx_divisible(Job *job, const Idx *a, const Idx *b, const Idx **quotient); /* exact division proved */
/* An upper bound in which no loop variable occurs (i becomes extent - 1 where the expression grows with i); NULL: none
 * was found. */
const Idx *idx_upper(Job *job, const Idx *a);
bool idx_uses(const Idx *a, const Idx *symbol);
/* By how much a grows where the symbol grows by one; false: that is no number. */
bool idx_step(Job *job, const Idx *a, const Idx *symbol, int64_t *step);
/* Whether a loop variable occurs in it. */
bool idx_has_var(const Idx *a);

/* Every symbol s of `a` becomes map(ctx, s) (NULL: stays). */
const Idx *idx_map(Job *job, const Idx *a, const Idx *(*map)(void *ctx, const Idx *symbol), void *ctx);
const Idx *idx_subst(Job *job, const Idx *a, const Idx *symbol, const Idx *value);
/* Value for given symbol values; false on overflow, division by zero or an unknown symbol. */
bool idx_eval(const Idx *a, bool (*value)(void *ctx, Sym name, int64_t *out), void *ctx, int64_t *out);
void idx_symbols(const Idx *a, void (*visit)(void *ctx, const Idx *symbol), void *ctx);

/* Text: "2*s77 + 3", "(h - 3)//2", "i % 4", "max(a, b)"; idx_parse reads it back (symbols must exist already).  In C
 * `//` and `%` of a value that may be negative are calls of aot_floordiv and aot_mod. */
void idx_print(Text *out, const Idx *a);
/* `factor`: text that can stand as an operand of `*`.  `rename` gives other names to symbols; may be NULL. */
void idx_print_c(Text *out, const Idx *a, bool factor, const char *(*rename)(void *ctx, Sym name), void *ctx);
const char *idx_text(Job *job, const Idx *a);
/* Parses up to the end of the longest expression at *cursor, which moves behind it.  NULL: no expression there. */
const Idx *idx_parse(Job *job, const char **cursor);
/* As idx_parse, with symbols looked up by find(ctx, name), which may return NULL. */
const Idx *idx_parse_in(Job *job, const char **cursor, const Idx *(*find)(void *ctx, Sym name), void *ctx);
/* A symbol by name, or NULL. */
const Idx *idx_find(Job *job, Sym name);
#endif
