/* SPDX-License-Identifier: MIT */
/* Inside the text of one method: model.c makes its head and tables, bind.c its sizes, run.c its calls. */
#ifndef AOTC_METHOD_H
#define AOTC_METHOD_H
#include "emit.h"

typedef struct Local { /* a buffer and the pointer to it in run, or a variable of a loop */
    const Buffer *b;
    Sym var, name;
    bool moves; /* the pointer changes */
} Local;

typedef struct Emit {
    Text *out;
    const Artifact *a;
    const Program *p;
    const char *m; /* the method's name in C */
    VEC(Local) locals;
    const Items *moved; /* the loops that run together, in their function: what they carry comes in its arguments */
    const int *twins; /* kernel_twins */
    VEC(const Idx *) known; /* symbols that have values at this place of run */
} Emit;

/* model.c */
void emit_idx(Emit *e, const Idx *x);
void emit_i64(Text *out, int64_t v);
/* bind.c: the function that checks the sizes of the inputs and finds those of the outputs */
void emit_bind(Emit *e);
bool size_is_bound(const Idx *const *bound, size_t n, const Idx *s);
/* `emit`: an Emit; fails if the symbol has no value at this place. */
void size_must_be_bound(void *emit, const Idx *s);
/* Whether the sizes of x are all known now; with `first`, that is news since only `before` symbols were known. */
bool size_is_known(Emit *e, const Idx *x, size_t before, bool *first);
/* Checks the guards that say something about the sizes known since only `before` symbols were (-1: all). */
void emit_guards(Emit *e, ptrdiff_t before, int depth);
/* run.c: the two functions of a method */
void emit_plan(Emit *e);
void emit_run(Emit *e);
/* Memory of a size that only the run finds: an output is as large as it is, a work buffer as its bound, if it has
 * one. */
bool buffer_is_late(const Buffer *b);
#endif
