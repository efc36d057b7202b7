/* SPDX-License-Identifier: MIT */
/* What the files of the importer (import*.c) share; decode functions need import.h alone. */
#ifndef AOTC_IMPORT_PARTS_H
#define AOTC_IMPORT_PARTS_H
#include "import.h"

enum { ENTRY_TABLE = 4096 };

/* One exported graph (a program's or a region's) with its own scope of names. */
typedef struct Scope {
    Graph *g;
    const Json *graph;
    Entry *table[ENTRY_TABLE];
    const Json **meta_slot; /* tensor_values by name */
    size_t meta_size;
    bool autocast;          /* of an autocast region */
    struct Scope *outer;    /* whose names are seen, too; NULL: none */
    size_t found;           /* a region's: how many late sizes had values before it */
} Scope;

typedef struct Symbol {
    Sym name; /* as exported */
    const Idx *size;
} Symbol;

typedef struct Real {
    Sym name;
    Value *value;
    Scope *scope;
} Real;

struct Import {
    Job *job;
    VEC(Symbol) symbols;
    Archive *archive;
    size_t model;
    ImportOptions *options;
    VEC(struct Weight {
        Sym name; /* in the archive */
        const Tensor *tensor;
        Entry *entry;
    }) weights;
    VEC(Memory *) written; /* with a target */
    const Json *ranges;
    Scope *scope;
    Graph *top;
    const char *where;
    int depth;
    const Json *last;         /* of the nodes that an import of one has taken with it; NULL: none */
    bool late;                /* symbols called u that appear now are known only during the run */
    VEC(const Idx *) found;   /* those that a node has given a value */
    VEC(Real) reals;          /* and symbols that are no integers */
};

/* ---- import.c: programs ---- */

void import_nodes(Import *m); /* the nodes of m->scope, in order */
/* One node, or several that belong together; returns the last. */
const Json *import_node(Import *m, const Json *node);
Value *constant_value(Import *m, const char *name, const Tensor *t);

/* ---- import_symbols.c: sizes ---- */

const Expr *parse_expr(Import *m, const Json *as_expr);
const Idx *import_symbol(void *ctx, Sym name); /* an ExprSymbol for expr_idx */
const Idx *read_sym_int(Import *m, const Json *s); /* a SymInt object; NULL: it has no integer form */
/* The recorded type of a tensor; false: it has none or a size that is no integer expression. */
bool recorded_type(Import *m, const char *name, Type *type);
bool recorded_strides(Import *m, const char *name, const Idx **stride, int rank);
const Idx *recorded_offset(Import *m, const char *name); /* NULL: none */
void index_members(Import *m, const Json *object, const Json ***slot, size_t *size);
bool import_symbolic(Import *m, const Json *node); /* false: the node's result is no SymInt, SymFloat or SymBool */
void import_range_guards(Import *m);

/* ---- import_alias.c: names and the memory behind them ---- */

size_t text_hash(const char *s);
Entry *entry_find(Import *m, const char *name);
Entry *entry_new(Import *m, const char *name, EntryKind kind);
/* A tensor with memory of its own; placeholder: what the graph is given. */
Entry *entry_tensor(Import *m, const char *name, Value *value, bool placeholder);
Entry *entry_alias(Import *m, const char *name, const Entry *of); /* the same thing under a new name, in m->scope */
Value *entry_read(Import *m, Entry *e); /* the tensor as it is now */
void entry_write(Call *c, Entry *e, Value *v);

/* ---- import_args.c: arguments ---- */

bool tagged(const Json *arg, const char *tag);
Value *named_tensor(Call *c, const Json *name);
Entry *sym_entry(Call *c, const Json *arg); /* NULL: a number */
const Idx *idx_of(Call *c, const char *name, const Json *a);

/* ---- import_strict.c: unions of known tags ---- */

void check_union(Import *m, const char *what, const Json *v);
void check_node(Import *m, const Json *node);
const Json *need_array(Import *m, const Json *object, const char *key);

/* ---- import_call.c: operators ---- */

const char *short_target(const char *target); /* without "torch.ops." */
void call_init(Import *m, const Json *node, Call *c);
size_t result_names(Import *m, const Json *node, const char **names, size_t room);
void decode(Import *m, const Json *node, Call *c); /* runs the row's decode function; results have the recorded types */
void import_call(Import *m, const Json *node);

/* ---- import_vmap.c ---- */

void import_vmap(Import *m, const Json *node);
void import_stray(Import *m, const Json *node);
void import_nothing(Import *m, const Json *node);

/* ---- import_inline.c: higher-order operators that vanish ---- */

void import_inlined(Import *m, const Json *node);
void import_with_effects(Import *m, const Json *node);

/* ---- import_region.c: higher-order operators with regions ---- */

void import_cond(Import *m, const Json *node);
void import_while(Import *m, const Json *node);
void import_while_stack(Import *m, const Json *node);
void import_scan(Import *m, const Json *node); /* and map */
void import_associative_scan(Import *m, const Json *node);
#endif
