/* SPDX-License-Identifier: MIT */
/* What archive.c (the file and its programs) and weights.c (the tensors) share.  Internal to
 * archive/. */
#ifndef AOTC_LAYOUT_H
#define AOTC_LAYOUT_H
#include "archive.h"
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

typedef struct Model {
    Sym name;
    const ZipMember *member; /* the program's JSON */
    const Json *program;     /* NULL until asked for */
    SymMap weights;          /* Weight by name, once loaded */
    bool loaded;
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

/* Refuses a `byteorder` member other than "little". */
void check_byteorder(Job *job, Zip *zip, Sym root);
#endif
