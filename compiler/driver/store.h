/* SPDX-License-Identifier: MIT */
/* A store holds versions of models as plain folders:
 *
 *     STORE/resnet18/v1.2.0/model.so        or model.jar
 *                           *.weights       of an artifact whose weights lie beside it
 *                           metadata.json   what the artifact says about itself
 *                           SHA256SUMS      of all files here, for sha256sum -c
 *                           *.sig           signatures of the artifact and of SHA256SUMS, where one was asked for
 *
 * A version appears whole, by one rename, and never changes.  What a store holds is not trusted: names are checked before
 * they become paths, links are not followed, and a version is what its folders say it is.  What is wrong fails the job. */
#ifndef AOTC_STORE_H
#define AOTC_STORE_H
#include "facts.h"
#include "provenance.h"
#include "sign.h"
#include "../../codegen/toolchain/toolchain.h"
#include "../archive/json.h"

#define STORE_METADATA "metadata.json"
#define STORE_SUMS "SHA256SUMS"
#define STORE_SUMS_SIGNATURE "SHA256SUMS.sig"

enum { SHA_BYTES = 32 };

/* One version of one model. */
typedef struct Item {
    const char *store, *name, *version;
    const char *folder; /* STORE/NAME/vVERSION */
} Item;
typedef VEC(Item) Items;

/* One line of SHA256SUMS: "HEX  NAME". */
typedef struct Sum {
    const char *name;
    uint8_t sha[SHA_BYTES];
} Sum;
typedef VEC(Sum) Sums;

typedef VEC(const char *) Names;

const char *store_child(Job *job, const char *folder, const char *name); /* FOLDER/NAME */
Names store_folder(Job *job, const char *path); /* what is in it, in order; nothing when there is none */
bool is_store_folder(const char *path);         /* a folder, and no link to one */
/* Opens a regular file; within a store it must be no link. The job closes it. */
int *store_open(Job *job, const char *path, bool inside);
/* Hashes a file, and writes to `to`, unless NULL, what it has hashed. */
void store_hash(Job *job, const char *path, bool inside, Output *to, uint8_t sha[SHA_BYTES]);

Item store_item_at(Job *job, const char *store, const char *name, const char *version);
/* All versions, or those of the model `only`, the latest last; what is named neither as a model nor as a version is none. */
Items store_items(Job *job, const char *store, const char *only);
/* What NAME[@VERSION] means: without a version the latest that is no prerelease, else the latest. */
Item store_item(Job *job, const char *store, const char *text);

const Sum *store_sum(const Sums *sums, const char *name); /* NULL: not among them */
const char *store_sums_text(Job *job, const Sums *sums);
const char *store_artifact(const Sums *sums);                          /* "model.so", "model.jar"; NULL: neither or both */
const char *store_meta(Job *job, const Json *meta, const char *key); /* a string of metadata.json, or "" */
/* Fails unless the version is as it was added, and signed by the key in that file (NULL: none is asked for). */
Sums store_check(Job *job, const Item *item, const char *public_key);
#endif
