/* SPDX-License-Identifier: MIT */
/* A .pt2 archive as torch.export.save wrote it (torch 2.5 to 2.13, three layouts): its programs as JSON and its
 * tensors as views of raw storages.  Nothing here interprets the graph.  Everything that the file says is checked
 * where it is read: member names, sizes, methods, CRCs, extents of tensors, pickles.  Wrong is EXIT_INPUT, well-formed
 * but not ours (TorchScript, .pte, AOTInductor only, torch <= 2.4, a plain checkpoint) is EXIT_UNSUPPORTED. */
#ifndef AOTC_ARCHIVE_H
#define AOTC_ARCHIVE_H
#include "../base/job.h"
#include "../graph/dtype.h"
#include "json.h"

enum { MAX_RANK = 12 };

/* Raw bytes of one torch storage; several tensors may share it. Mapped or in the heap until the job ends. */
typedef struct Storage {
    const uint8_t *bytes; /* 16-byte aligned where the archive allows, else any alignment */
    uint64_t size;        /* in bytes */
    uint32_t id;          /* distinct within the archive: equal ids are one storage */
    bool made;            /* by a pass, for one constant: a big block of the job */
} Storage;

/* A tensor of the archive: element i0,i1,.. is at offset + sum(i*stride), counted in elements; extents are checked. */
typedef struct Tensor {
    Sym name; /* fully qualified: "features.0.weight" */
    DType dtype;
    int rank;
    int64_t size[MAX_RANK], stride[MAX_RANK], offset;
    const Storage *storage;
    bool replaceable; /* a parameter or persistent buffer: other elements may take its place */
    const struct Recipe *recipe; /* passes.h: how it was computed from replaceable ones; NULL: it was not */
    uint32_t result;             /* which output of the recipe it is */
} Tensor;

typedef struct Archive Archive;

/* Opens and sniffs the file.  Keeps nothing of the file unmapped. */
Archive *archive_open(Job *job, const char *path);
/* The names of the programs in it, in archive order ("model"; or "enc", "dec.v2"); at least one. */
size_t archive_model_count(const Archive *archive);
Sym archive_model_name(const Archive *archive, size_t i);
/* The ExportedProgram object of one program. */
const Json *archive_program(Archive *archive, size_t i);
/* Tensor of one program by its *_name in the signature: parameters and persistent buffers (weights), non-persistent
 * buffers and constants.  NULL: the archive has none of that name.  A tensor subclass, sparse or "absent" (fake)
 * weight that is asked for is refused by name. */
const Tensor *archive_tensor(Archive *archive, size_t model, const char *name);
/* Schema version "8.20" and torch version ("2.13.0"; "" when not recorded), for messages and metadata. */
const char *archive_schema(const Archive *archive);
/* SHA-256 of the archive file, computed on first use. */
const uint8_t *archive_sha256(Archive *archive);
/* Lets go of the memory that reading has filled; what is read again comes from the file. */
void archive_unload(const Archive *archive);
/* Torch version of the first program read: "2.13.0"; "" when not recorded. */
const char *archive_torch(Archive *archive);
/* A tensor inside a tensor subclass: attribute "qdata", or "impl.scale" through a nested subclass.  NULL: the weight
 * is not there, is no subclass, or has no such tensor. */
const Tensor *archive_inner_tensor(Archive *archive, size_t model, const char *name,
                                   const char *attribute);
/* The tensor that a tensor subclass holds several copies of and no other, so that it stands for it; NULL: it holds
 * others, or one alone. */
const Tensor *archive_copied_tensor(Archive *archive, size_t model, const char *name);
/* Whether the weight is a pickled tensor subclass, which archive_tensor refuses. */
bool archive_is_subclass(Archive *archive, size_t model, const char *name);
/* A state dict: what torch.save wrote of model.state_dict(), or safetensors.  An archive without programs: all that can
 * be done with it is the function below. */
Archive *state_dict_open(Job *job, const char *path);
Archive *state_dict_read(Job *job, const char *where, const uint8_t *bytes, size_t size);
/* One program of an archive. */
typedef struct ProgramRef {
    Archive *archive;
    size_t model;
} ProgramRef;
/* The parameters and persistent buffers of a program, in the archive's order. */
size_t archive_weight_count(Archive *archive, size_t model);
/* One of them: name, type and sizes, whether or not it has elements; *tie is the name of the first that is the same
 * tensor.  NULL: it is no plain tensor, only *name is known. */
const Tensor *archive_weight(Archive *archive, size_t model, size_t i, Sym *name, Sym *tie);
/* An archive of one program with these weights, which have no elements yet: for state_dict_apply.  ties: as above. */
Archive *archive_of_weights(Job *job, const char *where, const Tensor *weights, const Sym *ties, size_t count);
/* Gives all parameters and persistent buffers of the programs the elements that the state dict has under their names,
 * before any of them is read.  Names, sizes and element types must be the programs': else EXIT_INPUT with a list.
 * What is one tensor in the archive must be so in the state dict, or stand there once. */
void state_dict_apply(Job *job, Archive *dict, const ProgramRef *programs, size_t count);
/* archive_open over bytes in memory that outlive the job; `where` names them in messages. */
Archive *archive_read(Job *job, const char *where, const uint8_t *bytes, size_t size);
#endif
