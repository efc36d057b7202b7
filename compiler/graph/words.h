/* SPDX-License-Identifier: MIT */
/* The words that both IR texts are made of (docs/graph-ir.md, section "Words"): names, quoted texts, numbers, sizes,
 * types and origins, written and read back.  What word_* writes, lex_* reads as the same value.
 * A reader fails with EXIT_INPUT and `where:line: expected ...; found ...`; no text makes it do anything else. */
#ifndef AOTC_WORDS_H
#define AOTC_WORDS_H
#include "graph.h"

enum { LEX_DEPTH = 200 }; /* nesting of anything */

/* Elements of float types as numbers and back, rounded to nearest even. */
double float_from_bits(DType d, uint64_t bits);
uint64_t float_to_bits(DType d, double v);

/* ---- writing ----------------------------------------------------------------------------------- */

void word_indent(Text *out, int depth);
/* A name as it is, or quoted when it holds other characters than letters, digits, `_` and `.` or is a keyword. */
void word_name(Text *out, const char *s);
void word_quoted(Text *out, const char *s);
/* The shortest text that reads back as v (as (float)v when `single`); "inf", "-inf", "nan". */
void word_double(Text *out, double v, bool single);
void word_symbol(Text *out, const Idx *symbol);  /* "sym s77 in 2..inf" */
void word_guard(Text *out, const Guard *u);      /* "guard s77 <= 8 \"text\"" */
void word_number_port(Text *out, const Port *p); /* "i64 5", "none" */
void word_origin(Text *out, const Origin *o);    /* "  @ \"model.py\":41 \"x = f(x)\" in \"features.3\"", or nothing */

/* ---- reading ----------------------------------------------------------------------------------- */

typedef struct Lex {
    Job *job;
    const char *where, *p;
    int line;
    /* Loop variables: looked up before the job's symbols; NULL: there are none. */
    const Idx *(*find)(void *ctx, Sym name);
    void *ctx;
} Lex;

_Noreturn void lex_fault(Lex *s, const char *expected);
/* As lex_fault, after going back to `at`, which is on the same line. */
_Noreturn void lex_fault_at(Lex *s, const char *at, const char *expected);
void lex_blanks(Lex *s);
bool lex_take(Lex *s, const char *token); /* whole words only */
void lex_need(Lex *s, const char *token);
bool lex_at(Lex *s, const char *token); /* as lex_take, without taking */
void lex_end_line(Lex *s);              /* comments run from ';' to the end; empty lines are skipped */
Sym lex_name(Lex *s);
Sym lex_quoted(Lex *s);
int64_t lex_int(Lex *s);
uint64_t lex_unsigned(Lex *s);
double lex_double(Lex *s);
const Idx *lex_idx(Lex *s);
/* "[a, b]"; returns how many; more than `room` is a fault. */
int lex_idx_list(Lex *s, const Idx **out, int room);
DType lex_dtype(Lex *s);
Type lex_type(Lex *s);
const Idx *lex_symbol(Lex *s);         /* behind "sym" */
Guard lex_guard(Lex *s);               /* behind "guard" */
bool lex_number_port(Lex *s, Port *p); /* false: neither a number nor none */
void lex_port_kind(Lex *s, Port *p);   /* "scalar" or "pairs" behind it */
void lex_origin(Lex *s, Origin *o);    /* if there is one */
#endif
