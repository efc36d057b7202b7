/* SPDX-License-Identifier: MIT */
/* From the archive's JSON to a Graph.
 *
 * The importer reads a program's nodes in order.  A name of the exported graph is an Entry: a tensor, an integer (an
 * index expression), a list of tensors, or nothing.  Tensor entries know their storage, so that in-place operators
 * become functions: writing to a view rebuilds the base it views, and reading any other view of that base replays its
 * call on the new version.  ATen overloads are rows of aten.def; a row names a decode function, which reads arguments
 * by their schema names (missing ones have the schema's default) and builds graph nodes. */
#ifndef AOTC_IMPORT_H
#define AOTC_IMPORT_H
#include "../graph/graph.h"
#include "expr.h"

/* A tensor between input and output that somebody wants to see. */
typedef struct Kept {
    Sym name; /* in the archive */
    Value *value;
    Origin origin;
} Kept;

/* What the driver asks of the importer. */
typedef struct ImportOptions {
    /* --dim NAME=8 or NAME=1..64: narrows a symbol; NAME is the symbol or input.dim ("x.0"). */
    struct DimOption {
        const char *name;
        int64_t lo, hi;
        bool used;
    } *dims;
    size_t dim_count;
    /* Weights that some program of the artifact writes, by their names in the archive: they are state.  Imports add what
     * they find. */
    VEC(Sym) states;
    const char *keep; /* --keep-intermediates: a pattern for nodes or modules; NULL: none */
    VEC(Kept) kept;   /* the tensors of such nodes that the last import has found, in order */
    VEC(Sym) customs; /* operators that the user gives a C function for: "mylib.bar" */
} ImportOptions;

/* Reads program `model` of the archive as a graph called `name`. */
Graph *import_program(Job *job, Archive *archive, size_t model, Sym name, ImportOptions *options);
/* Whether the graph reads a weight as a constant that turned out to be state: import it again. */
bool import_is_stale(const Graph *g, const ImportOptions *options);

/* The targets that no row of aten.def reads, by number; NULL behind the last. */
const char *import_special(size_t i);

/* `aotc check`: every operator of the program that has no row, each once with its first source line.  Returns how
 * many; prints one line each. */
size_t import_check(Job *job, Archive *archive, size_t model, FILE *out);

/* ---- for the decode functions (aten_*.c) --------------------------------------------------------------- */

typedef enum EntryKind { ENTRY_NONE, ENTRY_TENSOR, ENTRY_INT, ENTRY_SCALAR /* 0-d tensor: SymFloat, SymBool */ } EntryKind;

typedef struct Memory {  /* what in-place operators write: one per distinct storage */
    Value *value;        /* its current contents, as the tensor that owns it */
    uint32_t version;
    Value *target;       /* an input or state of the program, which gets the last contents; else NULL */
    Sym weight;          /* a parameter or buffer: its name in the archive; else NULL */
    bool fixed;          /* an operand of a region: cannot be written */
} Memory;

typedef struct Entry Entry;
struct Entry {
    Sym name;
    EntryKind kind;
    const Idx *number;      /* INT */
    Value *value;           /* TENSOR, SCALAR: valid for `version` of the memory */
    Memory *memory;         /* TENSOR */
    uint32_t version;
    Entry *base;            /* a view: of which entry, by which call */
    const Json *call;
    uint32_t result;        /* which result of the call */
    struct Scope *scope;    /* of the names in the call */
    Sym subclass;           /* NONE: a weight that is a tensor subclass, by its name in the archive */
    Entry *next;            /* hash chain */
};

typedef struct Import Import;
typedef struct Row Row;

/* One call of an operator while it is decoded. */
typedef struct Call {
    Import *m;
    const Json *node;
    const Json *args;       /* the first argument: behind those of an operator that wraps this one */
    const char *target;     /* "aten.add.Tensor" */
    bool casts;             /* operands become floats of type `cast` where they are read */
    DType cast;
    const Row *row;
    Build b;
    Type meta[64];          /* types recorded for the results */
    uint32_t result_count;
    Value *result[64];      /* the decode function's product */
} Call;

struct Row {
    const char *name;       /* "add": every overload, and with a trailing underscore the in-place form */
    void (*decode)(Call *c);
    Op op;                  /* for decode functions that serve several rows */
    const char *flags;      /* v: the result views `self`; b: it views the storage of self; i: it may be self itself; m: has an in-place form; n: no result;
                               z: of complex numbers, too; o: the recorded sizes may be wrong; others are the decode function's own */
};
const Row *aten_row(const char *target);  /* NULL: none */
/* "(Tensor self, ...) -> Tensor", up to the end of its line; NULL: no such target. */
const char *aten_schema(const char *target);
extern const Row aten_rows[]; /* a row without name starts a group: its title is in flags */
extern const size_t aten_row_count;

const Json *arg_json(Call *c, const char *name);              /* the Argument union; NULL: left out or None */
bool arg_given(Call *c, const char *name);                    /* neither left out with default None nor None */
Value *arg_tensor(Call *c, const char *name);
Value *arg_tensor_or_null(Call *c, const char *name);
/* The tensor inside a tensor subclass. */
Value *arg_inner_tensor(Call *c, const char *name, const char *attribute);
size_t arg_tensors(Call *c, const char *name, Value ***out);
size_t arg_optional_tensors(Call *c, const char *name, Value ***out); /* NULL stands for None */
/* The elements of the storage that a tensor argument views, 1-d and as they lie in memory. */
Value *arg_storage(Call *c, const char *name);
const Idx *arg_storage_offset(Call *c, const char *name);     /* where in it the tensor begins */
/* A Scalar, SymInt or Tensor operand as a tensor: Python numbers become 0-d constants. *number: it was one. */
Value *arg_operand(Call *c, const char *name, bool *number);
const Idx *arg_idx(Call *c, const char *name);
int64_t arg_int(Call *c, const char *name);
double arg_float(Call *c, const char *name);
bool arg_bool(Call *c, const char *name);
const char *arg_text(Call *c, const char *name);              /* strings; "" when None */
/* Integer list; a single number stands for `want` equal ones (want 0: as many as there are).  Returns the count. */
size_t arg_ints(Call *c, const char *name, int64_t *out, size_t room, size_t want);
/* Sizes, which may be dynamic.  Returns the count. */
size_t arg_sizes(Call *c, const char *name, const Idx **out, size_t room);
DType arg_dtype(Call *c, const char *name);                   /* DT_NONE: left out, or one that is not supported */
bool arg_is_float_number(Call *c, const char *name);
size_t arg_floats(Call *c, const char *name, double *out, size_t room);
int arg_dim(Call *c, const char *name, int rank);             /* negative from the end, checked */
int dim_within(Call *c, int64_t dim, int rank);               /* the same for a number of a list */
/* The tensor that argument `name` names becomes v: for operators that write into arguments other than self. */
void arg_write(Call *c, const char *name, Value *v);
/* a REL b must hold of the sizes: checked when they are known, where it is not proved. */
bool call_in_region(const Call *c);
void call_guard(Call *c, GuardRel rel, const Idx *a, const Idx *b, const char *text);
/* What base becomes when `view`, made of it by nodes of kind VIEW and take, gets other contents. */
Value *view_write(Call *c, Value *view, Value *base, Value *contents);
/* The run finds that `size` is the number `found`, 0-d i64, which is at most `most` (NULL: no bound). */
void call_size(Call *c, const Idx *size, Value *found, const Idx *most);
/* A late symbol among the sizes that has no value yet; NULL: none. */
const Idx *call_new_size(Call *c, const Type *t);
/* call_size for a number >= least that no size of the archive is: a symbol of its own. */
const Idx *call_number(Call *c, Value *found, int64_t least, const Idx *most);
/* Refuses the call: exit 3 with operator, line and reason. */
_Noreturn void call_refuse(Call *c, const char *format, ...) PRINTF_LIKE(2, 3);
#endif
