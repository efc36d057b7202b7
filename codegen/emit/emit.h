/* SPDX-License-Identifier: MIT */
/* Programs as C text.  One text serves all instruction sets and both compilers: it is compiled once per level with
 * AOT_SUFFIX (_v4), AOT_MODEL (name of its table) and AOT_ISA set; kernels.c of another level is only other flags. */
#ifndef AOTC_EMIT_H
#define AOTC_EMIT_H
#include "../loop/loop.h"

/* What an artifact is made of. */
typedef struct Artifact {
    Job *job;
    Sym name;               /* "resnet18" */
    const Program *const *programs;
    size_t program_count;
    const Weights *weights;
    const char *metadata;   /* JSON */
    const char *version;    /* aotc's */
    const char *about;      /* first members of the metadata, "name" among them; NULL: only the name is known */
    const char *weights_file; /* beside the artifact; NULL: the weights are inside */
    uint8_t layout[32];     /* of weights_file */
} Artifact;

/* The model's own text: memory plans, kernels, methods, tables.  Needs the head (prelude, ABI, kernels' header). */
void emit_model(Text *out, const Artifact *a);
/* The head for compilers without any header or file: prelude, aot.h, aotk.h, glue.h as one text. */
void emit_head(Text *out);
/* aot_entry over the given levels, best first ("v4", "v3"): a text of its own. */
void emit_entry(Text *out, const char *const *levels, size_t count, const char *metadata);
/* Both for a model in one file, behind aot.h and the kernels' sources (AOTK_STATIC): everything is static; aot_weights
 * and the array aot_metadata are defined between head and model.  `name` is the one function that is exported. */
void emit_head_one_file(Text *out, const char *level, const char *isa);
void emit_entry_function(Text *out, const char *name, const char *const *levels, size_t count);
/* A text carried inside the program (below). */
void emit_embedded(Text *out, const char *from, const char *to);
/* JSON for the note and aot_model.metadata; `tools`: also what only tools read, which firmware need not carry. */
const char *artifact_metadata(const Artifact *a, const char *isa_levels, const char *extra, bool tools);
/* The most that a size may be; INT64_MAX: no bound is known. */
int64_t emit_most(Job *job, const Idx *size);
/* A C string literal. */
void emit_string(Text *out, const char *s);
/* Text for the inside of a comment: nothing in it ends the comment or the line. */
void emit_comment(Text *out, const char *s);

/* header.c: the .h of a model that is emitted as C.  All names begin with `name`; `about`: lines " * ..." for its head.
 */
void emit_header(Text *out, const Artifact *a, const char *name, const char *about);
const char *emit_name(Job *job, const char *text); /* a C identifier made of a file's name */
/* header_call.c: the typed call of a method, and an example of it as lines of the head's comment. */
void emit_header_call(Text *out, const Artifact *a, const char *name, size_t number);
void emit_header_example(Text *out, const Artifact *a, const char *name);
/* The type of a port; None and numbers are f32 and 0-d tensors. */
Type header_type(const Port *p);

/* kernel.c */
/* For each kernel the number of the first one whose function it shares: they differ in the buffers only. */
int *kernel_twins(Job *job, const Program *p);
void emit_kernel(Text *out, Job *job, const Program *p, const char *method, const int *twins, int number);
const char *c_name(Job *job, const char *name); /* a C identifier that recalls `name` */
/* `method`: of the kernel's program, from method_names. */
const char *kernel_c_name(Job *job, const char *method, const Kernel *k, int number);
/* A C identifier for each method, no two alike: what `plain` makes of its name, numbered where two clash. */
const char *const *method_names(const Artifact *a, const char *(*plain)(Job *job, const char *name));
/* Dimension symbols that a kernel's text uses, in the graph's order. */
void kernel_symbols(const Program *p, const Kernel *k, bool *used);
const char *buffer_c_type(const Buffer *b);

/* Text carried inside the program (embed.S). */
extern const char embed_prelude[], embed_prelude_end[], embed_special[], embed_special_end[], embed_aot_h[], embed_aot_h_end[], embed_aotk_h[],
    embed_aotk_h_end[], embed_glue[], embed_glue_end[];
#endif
