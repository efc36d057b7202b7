/* SPDX-License-Identifier: MIT */
/* The passes over graphs: one file each, one signature, talking through the graph alone.  passes_run verifies after
 * each, dumps and times them as asked. */
#ifndef AOTC_PASSES_H
#define AOTC_PASSES_H
#include "../graph/graph.h"

#define GRAPH_PASS(name, doc) void pass_##name(Graph *g);
#include "pipeline.def"
#undef GRAPH_PASS

typedef struct PassInfo {
    const char *name, *doc;
    void (*run)(Graph *g);
} PassInfo;
extern const PassInfo graph_passes[];
extern const size_t graph_pass_count;

/* What to show while passes run. */
typedef struct PassOptions {
    const char *dump;  /* NULL: nothing; "all"; "after:NAME" */
    bool time;         /* one line a pass */
    FILE *out;
} PassOptions;

/* Runs all passes; a graph that breaks a rule after one is a bug, named with the pass. */
void passes_run(Graph *g, const PassOptions *options);
/* Runs one pass by name; false: none has it. */
bool passes_run_one(Graph *g, const char *name);
/* Prints "== NAME" and the text, when `options` asks for a dump of that stage. */
void pass_dump(const PassOptions *options, const char *stage, const char *text);

/* How fold_constants computes: runs a graph without dynamic sizes on row-major data.  NULL: done; else what is wrong with
 * the data (an index is out of range).  Installed by the driver in JOB_SLOT_EVALUATE, so that compiler/ does not include
 * codegen/.  NULL there: nothing is folded. */
typedef const char *(*Evaluate)(Job *job, Graph *g, const void *const *in, void *const *out);
typedef struct Evaluator {
    Evaluate run;
    int64_t steps; /* that fold_constants has spent on large results and products */
} Evaluator;

/* How fold_constants made constants of weights that may be replaced: a graph whose inputs they are, to be evaluated
 * again when they are. */
typedef struct Recipe {
    Graph *graph;
    VEC(const Tensor *) inputs; /* of the graph, in order: replaceable, made by other recipes, or of the archive alone */
    const Sym *keys;            /* per output: a text that is equal for equal formulas over equal names */
} Recipe;

/* ---- shared by passes and lowering ------------------------------------------------------------------ */

/* The value is a constant or computed from constants only. */
bool value_is_constant(const Value *v);
/* A 0-d or broadcast `full`: its number. */
bool value_is_full(const Value *v, double *number);
/* Row-major copy of a constant's elements, `type_static` many; 64-byte aligned; cached per tensor by the caller. */
void *tensor_dense(Job *job, const Tensor *t, size_t *bytes);
/* Lays out replaceable constants row-major, so that what is made of them does not depend on where a file has their
 * elements. */
void constants_dense(Graph *g);
/* Weights of contractions keep this type where they are packed; kernels widen them to f32. */
bool dtype_is_stored(DType d);
/* A constant seen through views as strided elements of its storage; false: it is none, or the views merge axes.  Through
 * casts of f16, bf16 and i8 to f32, too: the tensor has the constant's type. */
bool const_view(const Value *v, Tensor *out);
typedef struct AttentionKind { /* the attributes of `attention` */
    double scale, cap;
    bool causal, zeros;
} AttentionKind;

/* Attention of q, k and v with a mask or NULL, bool or added, that broadcasts to the scores; NULL: their types or sizes
 * are none that the tiled kernel knows. */
Value *build_attention(Build *b, Value *const *qkv, Value *mask, const AttentionKind *kind);
/* Whether a CONTRACT node runs as tiled kernels (f32, constant convolution weights); else lowering makes loops. */
bool contract_is_tiled(const Node *n);
/* Whether operand 1 of a contraction is a constant that the compiler packs for tiled kernels; then what it is a view of. */
bool contract_packs(const Node *n, Tensor *weight);
/* The channels of a group, 1, 2, 4 or 8, as many out as in, where vectors take several groups at once (1: depthwise);
 * 0: any other convolution. */
int64_t conv_lanes(const Node *n);
/* Operands of a CONTRACT node after fuse_epilogue; NULL: none. */
/* Whether the second operand of a contraction holds matrices, behind axes of a batch or of groups. */
bool contract_multiplies(const Node *n);
Value *contract_bias(const Node *n);
Value *contract_residual(const Node *n);
#endif
