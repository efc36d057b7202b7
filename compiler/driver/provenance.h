/* SPDX-License-Identifier: MIT */
/* Where an artifact comes from: what its author says (--meta), what it was made of, and how. */
#ifndef AOTC_PROVENANCE_H
#define AOTC_PROVENANCE_H
#include "../archive/archive.h"
#include "driver.h"

struct Compilation;

/* A metadata.json: checked, without white space. */
typedef struct Meta {
    Sym name;            /* "resnet18" */
    const char *members; /* of its object, as text: "\"name\":\"resnet18\",..." */
} Meta;

/* EXIT_INPUT names the key that is missing, not known, or of another kind than it must be. */
const Meta *meta_read(Job *job, const char *path);

/* Members for artifact_metadata, each behind a comma: torch, target, flags and hashes. `target`: "x86-64", "generic".
 * `backend`: "gcc", "tcc"; NULL: neither.  `weights`: SHA-256 of the packed weights; NULL: there are none by themselves. */
const char *provenance(Job *job, const struct Compilation *c, const CompileOptions *o, const char *target,
                       const char *backend, const uint8_t *weights);

/* The parameters of the first archive's programs in the order of module.parameters(); NULL: one that is no plain tensor. */
typedef VEC(const Tensor *) ParameterList;
ParameterList parameters_of(Job *job, const struct Compilation *c);
/* The first 16 hexadecimal digits of the SHA-256 over their float32 bytes, each tensor once; NULL: one has none. */
const char *parameters_hash(Job *job, const ParameterList *list);

const char *hex_text(Job *job, const uint8_t *bytes, size_t n);

/* Names and versions become folders of a store, so they hold nothing that is more than a name there.  A name: letters,
 * digits and ".", "_", "-", the first a letter or digit, at most 100.  A version: "1.2.3" or "1.2.3-rc.1+build" as
 * semver.org has it. */
bool is_model_name(const char *text);
bool is_model_version(const char *text);
/* Precedence as semver.org has it; what differs in the build alone is in the order of its text. */
int compare_versions(const char *a, const char *b);
bool is_prerelease(const char *version);
#endif
