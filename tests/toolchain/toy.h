/* SPDX-License-Identifier: MIT */
/* What the tests of the toolchain share: jobs whose message can be looked at, a folder for files,
 * and a toy model: glue (by gcc or tcc), kernels for two instruction sets, and a few weights. */
#ifndef AOTC_TESTS_TOOLCHAIN_TOY_H
#define AOTC_TESTS_TOOLCHAIN_TOY_H
#include "../../codegen/toolchain/toolchain.h"
#include "../check.h"
#include <stdlib.h>

enum { TOY_FLOATS = 4096, TOY_WEIGHTS = TOY_FLOATS * 4 };

/* Runs a body in a job; returns its code.  The message is valid until the next call. */
int toy_job(void (*body)(Job *job, void *arg), void *arg);
extern char toy_message[4096];

/* A folder of this run, removed by toy_end; "" before toy_begin. */
extern char toy_folder[256];
void toy_begin(void);
void toy_end(void);
char *toy_path(const char *name); /* inside the folder; lives until toy_end */
bool toy_have(const char *program);
int toy_shell(const char *format, ...) PRINTF_LIKE(1, 2); /* exit status */

/* One C or assembler file compiled by `cc`; name ends in .c or .s. */
Object toy_compile(Job *job, const char *cc, const char *name, const char *text, const char *flag);

extern const char toy_glue[], toy_kernels[];
/* The toy's objects: glue by tcc or by `cc`, kernels twice.  Returns how many. */
size_t toy_objects(Job *job, const char *cc, bool tcc, Object *objects);
Link toy_link(const Object *objects, size_t count);
char *toy_file(const char *path, size_t *size); /* malloc */
#endif
