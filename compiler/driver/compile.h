/* SPDX-License-Identifier: MIT */
/* Inside the driver: the stages of one compilation. */
#ifndef AOTC_COMPILE_H
#define AOTC_COMPILE_H
#include "../../codegen/emit/emit.h"
#include "../../codegen/toolchain/toolchain.h"
#include "../archive/import.h"
#include "../passes/passes.h"
#include "driver.h"
#include "provenance.h"

/* The programs of all methods of an artifact, lowered, with their shared weights. */
typedef struct Compilation {
    Artifact artifact;
    Weights weights;
    VEC(Program *) programs;
    VEC(Graph *) graphs;
    VEC(ProgramRef) sources; /* of graphs */
    VEC(Sym) names;          /* of methods */
    VEC(const char *) inputs; /* every file read: for the depfile and the cache key */
    const char *weights_hash; /* of the parameters; NULL: they have none */
    const char *torch;        /* version of the first archive */
    uint8_t archive_sha256[32];
    const Meta *meta;         /* of --meta; NULL: none was given */
} Compilation;

/* Reads, optimises and lowers; stops after the graphs when `graphs_only`. */
void compile_front(Job *job, Compilation *c, const char *input, const CompileOptions *o, bool graphs_only);
/* The choices of lowering that the flags make; those of --tune are added by tune. */
LowerOptions compile_lower_options(const CompileOptions *o);
/* Emits, compiles and links the programs of `c` into a shared object. */
void compile_link(Job *job, Compilation *c, const CompileOptions *o, const char *output);
/* --tune: measures what o->tune does not say of the contractions of all graphs and adds it to that file.  `levels`: those
 * of the artifact. */
LowerOptions tune(Job *job, Compilation *c, const CompileOptions *o, const char *levels);
/* Zeros for constants that a graph's text gives no elements; too many are EXIT_INPUT. */
void graph_fill_constants(Job *job, const char *path, Graph *g);
/* Installs the evaluator that fold_constants uses: libtcc in this process. */
void evaluator_install(Job *job);
/* Where the C compiler's objects are kept, as the flags say; NULL: nowhere. */
ObjectCache *compile_cache(Job *job, const CompileOptions *o);
/* --emit=c and --emit=obj. */
void emit_c_files(Job *job, Compilation *c, const CompileOptions *o, const char *output);
/* --report=FILE.json: methods, kernels with their lines, memory plan, weights. */
void write_report(Job *job, const Compilation *c, const char *path);
#endif
