/* SPDX-License-Identifier: MIT */
/* Inside lowering: one kernel under construction.  value_at() is the heart: the scalar expression of one element of a
 * graph value, found by substituting index expressions through views and pointwise operators until a buffer is
 * reached.  Fusing a producer is nothing but not giving it a buffer. */
#ifndef AOTC_LOWER_H
#define AOTC_LOWER_H
#include "../../compiler/passes/passes.h"
#include "loop.h"

enum { MAX_LEVEL = 40 };

typedef struct Join {        /* a value that is made where a concatenation wants it */
    Value *whole;            /* NULL: it has memory of its own */
    const Idx *start;        /* along the axis of the concatenation */
    Buffer *buffer;          /* of the value, once something was made in it or as it */
} Join;

typedef struct Lower {
    Program *p;
    Job *job;
    bool *channels_last;     /* by value id: what choose_layout decided */
    int64_t *halo;           /* by value id: halo that its readers want (same for all spatial axes) */
    bool *realize;           /* by value id: gets a buffer of its own */
    Join *join;              /* by value id */
    bool *inside;            /* by value id: computed in its reader's kernel, though it is a contraction */
    Buffer **conv_form;      /* by value id: the channels-last copy of something that is not */
    Items *items;            /* where kernels go now */
    struct Lower *outer;     /* a region's */
} Lower;

typedef struct Done {        /* a reduction already computed at these indices; an index already checked */
    Value *v;
    const Idx *ix[MAX_RANK];
    const X *x, *guard;
} Done;

typedef struct Make {        /* a kernel being made */
    Lower *l;
    Job *job;
    Kernel *k;
    Block *block[MAX_LEVEL]; /* open blocks: 0 is the kernel's */
    Sym var[MAX_LEVEL];      /* the variable that block i brings */
    int level;               /* of the innermost open block */
    const X *guard;          /* loads happen only where it holds; NULL: always */
    const X **table;         /* hash-consing of expressions */
    size_t table_size, table_used;
    VEC(const Idx *) index_vars; /* variables bound by S_LET for data-dependent indices */
    VEC(int) index_levels;
    Done **memo;             /* hash table: what value_at said */
    size_t memo_size, memo_used;
    VEC(Done) done;          /* reductions and checked indices of this kernel */
    Origin origin;
} Make;

/* expr.c */
const X *x_num(Make *m, DType d, double v);
const X *x_int(Make *m, DType d, int64_t v);
const X *x_idx(Make *m, const Idx *e);
const X *x_load(Make *m, Buffer *b, const Idx *at);
const X *x_op(Make *m, Op op, DType d, const X *const *arg, uint32_t n);
const X *x_var(Make *m, DType d, Sym var, int level);
const Idx *x_index(Make *m, const X *x);                     /* an i64 as an index expression; NULL: it is data */
const X *x_in_range(Make *m, const Idx *e, const Idx *size); /* 0 <= e < size, NULL: always so */
int idx_level(Make *m, const Idx *e);

/* value.c */
const X *value_at(Make *m, Value *v, const Idx *const *ix);
const X *identity_of(Make *m, Op op, DType d); /* what op leaves the other operand as it is with */
/* Indices of operand 0 for indices ix of type_indexed(n, first); data-dependent ones are checked. */
void indices_at(Make *m, Node *n, uint32_t first, const Idx *const *ix, const Idx **jx);
const Idx *buffer_at(Job *job, const Buffer *b, const Idx *const *ix);
const Idx *open_loop(Make *m, const char *stem, const Idx *extent);
const Idx *open_apart(Make *m, const char *stem, const Idx *extent); /* iterations write disjoint elements */
void close_loop(Make *m);

/* A value as strided memory: element ix is buffer[offset + sum(ix*stride)].  false: it is computed, or the map is not
 * affine. */
typedef struct Affine {
    Buffer *buffer;
    const Idx *offset, *stride[MAX_RANK];
} Affine;
bool value_affine(Lower *l, Value *v, Affine *a);
/* As value_affine; what is not affine, or has not stride 1 on `unit_axis` (-1: any), is computed into a buffer first. */
Affine value_memory(Lower *l, Value *v, int unit_axis);

/* lower.c */
Buffer *buffer_new(Lower *l, Value *v, BufferKind kind, bool channels_last, int64_t halo);
Buffer *const_buffer(Lower *l, Value *v);
Make *make_kernel(Lower *l, const char *stem, const Origin *o);
void finish_kernel(Make *m);
/* Adds the call that zeroes the halo of `out`, if it has one: borders are written by every run. */
void lower_zero_halo(Make *m, Buffer *out);
void store_value(Lower *l, Value *v, Buffer *out); /* the kernel that computes v into out */
void lower_graph(Lower *l, Graph *g, Buffer **outputs); /* all of a graph, its outputs into those buffers */
void item_add(Lower *l, Item item);
void forget_packed(const Value *w); /* a folded weight that nothing else reads is not needed any more once it is packed */
/* control.c */
bool reads_memory(const Node *n, uint32_t operand); /* a region reads it as it is: it must have a buffer */
void lower_control(Lower *l, Node *n, Buffer **out);
/* routine.c */
Sym float_text(Job *job, double v, bool wide); /* as C: a float, or a double */
void lower_routine(Lower *l, Node *n, Buffer *const *out);
/* contract.c */
void lower_contract(Lower *l, Node *n, Buffer *out);
bool sums_places(const Node *n); /* of each channel of an image or a line, over all of it */
bool lower_pool(Lower *l, Value *v, Buffer *out);   /* false: not a pooling that the kernel does */
/* conv.c */
bool conv_pair(Node *n); /* a depthwise convolution that runs in one kernel with the pointwise one before it */
int64_t conv_halo(Lower *l, Node *n); /* how many pixels around its input a convolution reads */
/* Pixels of a convolution's result along an axis that meet the same taps of its filter; the others meet padding. */
typedef struct Span {
    int64_t at, size, first, taps;
} Span;
enum { SPANS = 8 };
int conv_spans(const Node *n, size_t axis, Span *span); /* how many along a spatial axis; 0: more than SPANS, or nobody knows */
/* realize.c */
void choose_buffers(Lower *l, Graph *g);
/* join.c */
void choose_joins(Lower *l, Graph *g);
Buffer *join_buffer(Lower *l, Value *v);                  /* where a concatenation wants v; NULL: nowhere */
bool is_joined(const Buffer *part, const Buffer *whole, const Idx *start, int axis, Job *job); /* it is that part */
/* in_place.c */
Buffer *put_in_place(Lower *l, Graph *g, const Node *n); /* the operand's, if nobody needs it any more; else NULL */
/* pack.c: operand 1, a constant, as a kernel wants it; elements of f16 and bf16 stay so, but for the second and third */
Buffer *pack_conv(Lower *l, Node *n, int64_t groups, int64_t *depth); /* *depth: K of one group */
Buffer *pack_winograd(Lower *l, Node *n, int64_t tile);
Buffer *pack_depthwise(Lower *l, Node *n, int64_t *row);              /* *row: floats of a row */
Buffer *pack_matmul(Lower *l, Node *n);                              /* contract_packs */
bool contract_pairs(const Node *n);                                  /* the elements are packed in pairs along K */
/* choose.c */
Way contract_way(Lower *l, Node *n); /* as was measured, else as the cost model says */
/* attention.c */
void lower_attention(Lower *l, Node *n, Buffer *out);
#endif
