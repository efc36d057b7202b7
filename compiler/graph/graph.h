/* SPDX-License-Identifier: MIT */
/* The tensor graph: what a model computes, as a list of operators over whole tensors.
 *
 * A Graph is a list of Nodes in execution order over Values.  A Value is defined once: it is an input, a constant, or
 * a result of a node.  Types are a dtype and sizes, which are index expressions (idx.h) over the graph's symbols.
 * There is no aliasing and no mutation: every operator is a function (the importer makes it so).  Views are
 * operators like others; that they cost nothing is the business of lowering.
 *
 * The operators are the rows of ops.def; passes ask for the kind of an operator, seldom for the operator.
 * Text form, grammar and examples: docs/graph-ir.md (graph_print, graph_parse: print(parse(x)) == x). */
#ifndef AOTC_GRAPH_H
#define AOTC_GRAPH_H
#include "../archive/archive.h"
#include "../index/idx.h"
#include "dtype.h"

typedef enum OpKind {
    POINTWISE, CREATE, REDUCE, VIEW, GATHER, SCATTER, CONTRACT, CONTROL, SCAN, ROUTINE, COMPOSITE
} OpKind;

typedef enum Op {
#define OP(name, kind, inputs, doc) OP_##name,
#include "ops.def"
#undef OP
    OP_COUNT
} Op;

typedef struct OpInfo {
    const char *name;
    OpKind kind;
    int inputs;
    const char *doc;
} OpInfo;
extern const OpInfo op_info[OP_COUNT];
Op op_from_name(const char *name); /* OP_COUNT: none */
static inline bool op_is_special(Op op)
{
    return op >= OP_lgamma && op <= OP_philox;
}

typedef struct Type {
    DType dtype;
    int rank;
    const Idx *dim[MAX_RANK];
} Type;

typedef struct Node Node;
typedef struct Graph Graph;

typedef enum ValueKind { VALUE_INPUT, VALUE_CONST, VALUE_NODE } ValueKind;

typedef struct Value {
    Sym name;             /* unique in its graph */
    Type type;
    ValueKind kind;
    Node *def;            /* VALUE_NODE: its node */
    const Tensor *tensor; /* VALUE_CONST: its elements (storage NULL: abstract, in tests of passes); an input that is
                             state: its first contents */
    uint32_t uses;        /* by nodes and outputs of its graph; kept by graph_count_uses */
    uint32_t id;          /* dense in its graph: an index for a pass's own tables */
    bool rounding;        /* widen_halves: a cast that rounds what was computed in f32 */
    int8_t constant;      /* value_is_constant's answer: 0 not asked, 1 yes, -1 no; rewrites keep it true */
    struct Buffer *buffer; /* lowering: where it is materialised */
} Value;

/* An attribute: one of these, told by `kind`. */
typedef enum AttrKind { ATTR_INTS, ATTR_IDX, ATTR_FLOAT, ATTR_TEXT } AttrKind;
typedef struct Attr {
    Sym name;
    AttrKind kind;
    size_t n;
    const Idx *const *idx; /* INTS (all constants; n values), IDX (n expressions) */
    double number;         /* FLOAT */
    Sym text;              /* TEXT */
} Attr;

struct Node {
    Op op;
    uint32_t in_count, out_count, region_count;
    Value **in, **out;
    VEC(Attr) attrs;
    Graph **region;        /* regions see their own parameters (inputs) only */
    Origin origin;         /* never dropped by a rewrite */
    Node *prev, *next;
};

/* An output of a graph, or an input port of a method that is no tensor. */
typedef enum PortKind { PORT_TENSOR, PORT_NUMBER, PORT_NONE } PortKind;
typedef struct Port {
    Sym name;
    PortKind kind;
    Value *value;   /* PORT_TENSOR */
    DType dtype;    /* PORT_NUMBER: i64, f64 or bool: a Python number fixed at export */
    int64_t bits;   /* its 8 bytes */
    bool scalar;    /* a tensor that stands for a Python number */
    bool mutated;   /* an input that the run writes; set by lowering */
    const Origin *kept; /* an output that --keep-intermediates asks for: the node that made it */
    bool pairs;     /* complex to the host: its last axis, of size 2, holds real and imaginary part */
} Port;

/* What a run does besides its outputs: first all checks, then, if they hold, all commits.  So a run that fails leaves
 * everything as it was. */
typedef enum EffectKind { EFFECT_CHECK, EFFECT_COMMIT } EffectKind;
typedef struct Effect {
    EffectKind kind;
    Value *value;  /* CHECK: bool[] that must be true; COMMIT: the new contents */
    Value *target; /* COMMIT: the input or state that gets them; of the same type */
    Sym text;      /* CHECK: what it means, as the model's author would say it */
    Origin origin;
} Effect;

/* A condition on sizes, checked on entry: a REL b. */
typedef enum GuardRel { GUARD_EQ, GUARD_NE, GUARD_LE, GUARD_LT } GuardRel;
typedef struct Guard {
    GuardRel rel;
    const Idx *a, *b;
    Sym text; /* as the model's author would say it */
} Guard;

struct Graph {
    Job *job;
    Sym name;
    /* How Python nests arguments and results, as the archive writes it (pytree, JSON), and the arguments' names
     * ("a,b"); NULL: it does not say.  For hosts; nothing here reads them. */
    Sym in_spec, out_spec, arg_names;
    Node *first, *last;
    VEC(Port) inputs;       /* in signature order; tensors' values are VALUE_INPUT */
    VEC(Port) outputs;
    VEC(Value *) states; /* what lives from run to run: VALUE_INPUT, told apart by the name of their tensor */
    VEC(Effect) effects; /* of a region: checks only */
    VEC(Value *) consts;
    VEC(const Tensor *) fixed; /* replaceable weights whose value a pass has looked at: it is in the code now */
    VEC(const Idx *) symbols; /* dimension symbols in order of appearance */
    VEC(Guard) guards;
    VEC(Value *) values;    /* by id */
    void *names;            /* name table */
};

/* ---- building ---------------------------------------------------------------------------------- */

Graph *graph_new(Job *job, Sym name);
Value *graph_input(Graph *g, Sym name, Type type);       /* also appended to g->inputs */
Value *graph_const(Graph *g, const Tensor *tensor, Type type, Sym name);
/* State whose first contents are `tensor`; methods of one artifact share the states of one tensor name. */
Value *graph_state(Graph *g, const Tensor *tensor, Type type, Sym name);
void graph_check(Graph *g, Value *condition, Sym text, const Origin *origin);
void graph_commit(Graph *g, Value *target, Value *value);
/* A fresh name: `stem` itself if free, else stem_1, stem_2, ... */
Sym graph_name(Graph *g, const char *stem);
Value *graph_value(Graph *g, Sym name); /* by name, or NULL */
/* For a value that takes another's place: it takes its name, too. */
void graph_swap_names(Graph *g, Value *a, Value *b);

/* Inserts a node before `before` (NULL: at the end) with one result.  `name` may be NULL: made from the operator. The
 * result type of operators with a rule is inferred (type_infer); others (see below) take it from `type`. */
typedef struct Build {
    Graph *g;
    Node *before;
    Origin origin;
    Sym stem;       /* names of results start with it; NULL: the operator's name */
} Build;
Value *build(Build *b, Op op, Value *const *in, uint32_t n, const Type *type, const Attr *attrs, size_t attr_count);
Value *build1(Build *b, Op op, Value *a);
Value *build2(Build *b, Op op, Value *x, Value *y);
Value *build3(Build *b, Op op, Value *x, Value *y, Value *z);
Value *build_cast(Build *b, Value *a, DType dtype);                     /* a itself when it has it */
Value *build_full(Build *b, DType dtype, double value);                 /* 0-d */
Value *build_full_int(Build *b, DType dtype, int64_t value);            /* 0-d, exact */
Value *build_index(Build *b, const Idx *e);                             /* 0-d i64 */
void build_size(Build *b, Value *found, const Idx *e);                  /* e is `found`, 0-d i64: binds or checks it */
Value *build_reshape(Build *b, Value *a, int rank, const Idx *const *dim);
Value *build_expand(Build *b, Value *a, int rank, const Idx *const *dim);
Value *build_permute(Build *b, Value *a, const int *dims);
Value *build_reduce(Build *b, Op op, Value *a, const bool *axes, bool keep); /* keep: sizes 1 stay */
Value *build_slice(Build *b, Value *a, int dim, const Idx *start, const Idx *step, const Idx *size);
Node *build_node(Build *b, Op op, Value *const *in, uint32_t n, const Type *types, const Sym *names,
                 uint32_t out_count); /* general form */

Attr attr_ints(Job *job, const char *name, const int64_t *v, size_t n);
Attr attr_int(Job *job, const char *name, int64_t v);
Attr attr_idx(Job *job, const char *name, const Idx *const *v, size_t n);
Attr attr_float(Job *job, const char *name, double v);
Attr attr_text(Job *job, const char *name, const char *v);
const Attr *node_attr(const Node *n, const char *name);                 /* NULL: none */
int64_t node_int(const Node *n, const char *name, size_t i);            /* bug when absent */
const Idx *node_idx(const Node *n, const char *name, size_t i);
double node_float(const Node *n, const char *name);
const char *node_text(const Node *n, const char *name);                 /* "" when absent */
void node_set_attr(Job *job, Node *n, Attr attr);

/* ---- rewriting --------------------------------------------------------------------------------- */

void graph_replace(Graph *g, Value *from, Value *to); /* every use, outputs included */
void graph_remove(Graph *g, Node *n);
void graph_count_uses(Graph *g);
void node_set_in(Job *job, Node *n, Value *const *in, uint32_t count);
#define each_node(n, g) (Node *n = (g)->first; n; n = n->next)

/* ---- types ------------------------------------------------------------------------------------- */

Type type_make(DType dtype, int rank, const Idx *const *dim);
bool type_same(const Type *a, const Type *b);
const Idx *type_count(Job *job, const Type *t);    /* elements */
bool type_static(const Type *t, int64_t *count);   /* all sizes constant */
void type_print(Text *out, const Type *t);         /* "f32[s77, 10]" */
const char *type_text(Job *job, const Type *t);
Type port_type(const Port *p);                     /* of a tensor's port, as the host sees it */
/* The result type by the operator's rule; false: the operator has none (its type is given).  Wrong operands fail at
 * the origin with EXIT_INPUT. */
bool type_infer(Job *job, const Node *n, Type *out);
/* The type of operand 0 at its `axes` indexed by the operands from `first` on: take's result, what put takes. */
Type type_indexed(Job *job, const Node *n, uint32_t first);

/* ---- routines ------------------------------------------------------------------------------------ */

/* An operator of kind ROUTINE is one C function of codegen/kernels over dense operands: a row of routines.def. */
typedef struct Routine {
    Op op;
    uint32_t results;
    const char *attrs; /* "bins low.": the function's attributes, in order; with a dot: a float, else an integer */
    const char *(*types)(Job *job, const Node *n, Type *out); /* NULL, or how the operands do not fit */
    const Idx *(*scratch)(Job *job, const Node *n);           /* bytes of work space; NULL: none */
    bool shared;                                              /* threads take rows each; it cannot fail then */
} Routine;
enum { ROUTINE_MAX = 8 }; /* operands, results, attributes */
const Routine *routine_of(Op op);
/* Attribute i of the routine, or NULL; its kind is checked. */
const Attr *routine_attr(const Node *n, const Routine *r, size_t i);
const char *routine_check(Job *job, const Node *n); /* NULL, or the rule that it breaks */
/* The node with all its results; wrong operands fail at the origin with EXIT_INPUT. */
Node *build_routine(Build *b, Op op, Value *const *in, uint32_t n, const Attr *attrs, size_t attr_count);

/* ---- checking, text ---------------------------------------------------------------------------- */

/* Every rule that a graph obeys; returns NULL or the text of the first violation. */
const char *graph_verify(Graph *g);
void graph_print(Text *out, Graph *g);
/* Parses one graph; EXIT_INPUT with the line on any fault. */
Graph *graph_parse(Job *job, const char *where, const char *text);
#endif
