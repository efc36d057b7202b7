/* SPDX-License-Identifier: MIT */
/* Symbolic expressions as torch.export writes them: the constructor form of torch 2.6 and later ("Add(Symbol('s77',
 * integer=True), Integer(1))") and the infix form of torch 2.5 and of all range constraints ("s77 + 1", "(s0//2)"). */
#ifndef AOTC_EXPR_H
#define AOTC_EXPR_H
#include "../graph/graph.h"

typedef enum ExprKind { EXPR_INT, EXPR_FLOAT, EXPR_SYMBOL, EXPR_BOOL, EXPR_CALL } ExprKind;

typedef struct Expr Expr;
struct Expr {
    ExprKind kind;
    int64_t number;     /* INT, BOOL */
    int64_t denominator; /* INT: 1 but for Rational */
    double real;        /* FLOAT */
    Sym name;           /* SYMBOL; CALL: "Add", "FloorDiv", ... (infix operators under their constructor names) */
    size_t n;
    Expr **arg;
};

/* NULL when the text does not parse. */
Expr *expr_parse(Job *job, const char *text);
/* As an integer; symbol(ctx, name) gives each symbol.  NULL when an operation has no integer form here. */
const Idx *expr_idx(Job *job, const Expr *e, const Idx *(*symbol)(void *ctx, Sym name), void *ctx);
/* As a 0-d tensor (i64, f64 or bool) computed by nodes; value(ctx, name) gives symbols that are no integers.  NULL when
 * an operation is not supported. */
Value *expr_value(Build *b, const Expr *e, const Idx *(*symbol)(void *ctx, Sym name),
                  Value *(*value)(void *ctx, Sym name), void *ctx);
#endif
