/* SPDX-License-Identifier: MIT */
/* How the elements of a weight become the bytes that a kernel reads: the one way, when a model is compiled and when
 * its weights are replaced later. */
#ifndef AOTC_PACKING_H
#define AOTC_PACKING_H
#include "../../compiler/passes/passes.h"

typedef enum PackKind {
    PACK_PLAIN,     /* row-major */
    PACK_MATRIX,    /* panels of the right-hand side of a matmul, one matrix of a batch behind the other */
    PACK_CONV,      /* panels of a convolution, one group behind the other */
    PACK_DEPTHWISE, /* taps by channels of a group by channels, in whole vectors */
    PACK_WINOGRAD,  /* transformed 3x3 filters */
    PACK_PAIRS,     /* as MATRIX, of bf16 in pairs along K */
    PACK_CONV_PAIRS,
    PACK_COUNT
} PackKind;
extern const char *const pack_names[PACK_COUNT]; /* "plain", ... */

typedef struct Packing {
    PackKind kind;
    int64_t n;          /* CONV...: groups; WINOGRAD: edge of the tile */
    Tensor view;        /* the elements, in the storage of the root */
    const Tensor *root; /* the constant that they are a view of */
} Packing;

/* The view of a constant that `v` is (const_view holds). */
Packing packing_of(const Value *v, PackKind kind, int64_t n);
/* Whether the panels of a weight of `depth` values of K that lie together are in pairs: AOTK_STORED_BF16_PAIRS. */
bool packs_pairs(DType dtype, int64_t depth);
/* How panels hold elements of a type: as AOTK_STORED_..., by that name, and which kernel multiplies them. */
typedef struct Stored {
    int as;
    const char *name, *kernel;
} Stored;
Stored stored_as(DType dtype, bool pairs);
/* What the packed elements are: weights of f16, bf16 and i8 stay so in panels, other kernels read floats. */
DType packed_dtype(const Packing *p);
/* Elements from one packed matrix to the next along each leading axis of PACK_MATRIX, 0 where they repeat; returns how
 * many there are in all. */
int64_t packed_steps(const Tensor *view, int64_t *step);
/* Channels of PACK_DEPTHWISE in whole vectors: what one tap of one channel of a group takes. */
int64_t packed_row(int64_t channels);
/* The packed bytes: a big block of the job; and how many they are. */
void *packing_apply(Job *job, const Packing *p, size_t *bytes);
size_t packing_bytes(const Packing *p);
/* Text that is equal for what is packed alike of the same replaceable weight; NULL: the root is none. */
Sym packing_key(Job *job, const Packing *p);
/* What is wrong with a packing that was read from a file: its view reaches out of `count` elements, or the kind wants
 * other sizes.  NULL: nothing. */
const char *packing_fault(const Packing *p, int64_t count);
#endif
