/* SPDX-License-Identifier: MIT */
/* What archive.c (the file and its programs) and weights.c (the tensors) share.  Internal to
 * archive/. */
#ifndef AOTC_LAYOUT_H
#define AOTC_LAYOUT_H
#include "archive.h"
#include "pickle.h"
#include "zip.h"

typedef enum Layout {
    LAYOUT_PLAIN, /* torch 2.5 to 2.7: members without root folder, one program */
    LAYOUT_ROOTED /* torch 2.8 on: <root>/models/, <root>/data/; weights pickled or, 2.9 on, raw */
} Layout;

/* A hash map from interned strings to anything. */
typedef struct SymMap {
    struct SymPair {
        Sym key;
        void *value;
    } *at;
    size_t n, room; /* room: a power of two, or 0 */
} SymMap;
void *symmap_get(const SymMap *map, Sym key); /* NULL: not there */
void symmap_put(Job *job, SymMap *map, Sym key, void *value); /* key must not be there */

/* The bytes of one storage, where they come from. */
typedef struct Store {
    Storage shared; /* bytes NULL until read */
    Zip *zip;
    const ZipMember *member;
    const char *where;
    struct Weight *first; /* of the program's replaceable ones */
} Store;

/* One name of a table, in one of these states: ready; a tensor to be checked (store); a
 * pickled record to be opened (record); a subclass; refused (refusal). */
typedef struct Weight {
    Tensor tensor;
    const char *where;
    Store *store;
    const ZipMember *record;
    Zip *pickled;       /* the nested zip that holds the storages of a subclass */
    const PValue *sub;  /* P_SUBCLASS */
    SymMap inner;       /* Weight by attribute, of a subclass */
    int code;
    const char *refusal; /* follows "where: weight "name" " */
    bool ready;
    /* state_dict.c */
    bool used;           /* in a state dict: some program has the name */
    const Tensor *given; /* what takes its place */
    struct Weight *next; /* of the program in this store */
    struct Weight *tie;  /* the first of the program that is the same tensor, itself perhaps; NULL: not asked for */
} Weight;

typedef struct Model {
    Sym name;
    const ZipMember *member; /* the program's JSON */
    const Json *program;     /* NULL until asked for */
    SymMap weights;          /* Weight by name, once loaded */
    VEC(Weight *) replaceable; /* parameters and persistent buffers, in the archive's order */
    bool loaded, constants;  /* constants: what is read now is not replaceable */
} Model;

struct Archive {
    Job *job;
    const char *path;
    const uint8_t *bytes;
    size_t size;
    Zip *zip;
    Layout layout;
    Sym root; /* "model/" or "" */
    VEC(Model) models;
    SymMap stores; /* Store by "path:member" */
    uint32_t next_store;
    Sym schema, torch; /* NULL until a program is read */
    uint8_t sha256[32];
    bool hashed, mapped;
};

/* One program's table, read on first use; a weight in it, NULL: none of that name; its tensor, or its refusal. */
Model *weights_of(Archive *a, size_t model);
Weight *weight_find(Archive *a, size_t model, const char *name);
const Tensor *weight_tensor(Archive *a, Weight *w);
/* For tables that come from elsewhere: adds a name; refuses it once it is asked for; reads what torch.save wrote. */
Weight *weight_add(Archive *a, Model *m, Sym name, const char *where);
/* Whether both lie in memory alike, with equal elements. */
bool tensors_equal(const Tensor *a, const Tensor *b);
extern const char weight_absent[]; /* the refusal of what has a shape and no values */
void weight_postpone(Weight *w, int code, const char *refusal);
void weights_load_zip(Archive *a, Model *m, Zip *zip, const char *where);
/* Refuses a `byteorder` member other than "little". */
void check_byteorder(Job *job, Zip *zip, Sym root);
#endif
