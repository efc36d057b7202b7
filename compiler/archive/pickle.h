/* SPDX-License-Identifier: MIT */
/* The part of Python's pickle that torch.save uses for tensors, read as data.  Internal to
 * archive/.
 *
 * Nothing is ever looked up or called: a pickle names functions, and the few that build tensors
 * have a meaning here (pickle.c, `callables`).  Any other name is refused, except inside a
 * tensor subclass, where foreign names become opaque values.  Memo, stack, marks and the number
 * of values are bounded; nothing here recurses. */
#ifndef AOTC_PICKLE_H
#define AOTC_PICKLE_H
#include "archive.h"

typedef enum PKind {
    P_NONE,
    P_BOOL,
    P_INT,
    P_FLOAT,
    P_STRING,
    P_TUPLE,
    P_LIST,
    P_DICT,
    P_GLOBAL,
    P_STORAGE,
    P_TENSOR,
    P_SUBCLASS, /* a tensor subclass: its class and its attributes */
    P_OPAQUE    /* made by a call that was not made */
} PKind;

typedef struct PValue PValue;

typedef struct PStorage {
    Sym type; /* "Float"; "Untyped": count is in bytes */
    Sym key;  /* its bytes are the member data/<key> */
    int64_t count;
} PStorage;

typedef struct PTensor {
    const PStorage *storage; /* NULL: a meta tensor, which has none */
    Sym dtype;               /* "float32", NULL: that of the storage */
    int rank;
    int64_t size[MAX_RANK], stride[MAX_RANK], offset;
    bool lazy; /* conjugated or negated on reading */
} PTensor;

struct PValue {
    PKind kind;
    union {
        int64_t integer; /* also of P_BOOL */
        double real;
        Sym text;        /* P_STRING, P_GLOBAL ("torch._utils._rebuild_tensor_v2") */
        struct {         /* P_TUPLE, P_LIST; P_DICT: key, value, key, value, .. */
            PValue **at;
            size_t n, room;
        } items;
        const PStorage *storage;
        const PTensor *tensor;
        struct {
            Sym class_name;
            const PValue *state; /* P_DICT */
        } sub;
    };
};

/* The value of a pickle; EXIT_INPUT on any fault.  `foreign`: names that are not ours are
 * opaque from the start. */
const PValue *pickle_read(Job *job, const char *where, const uint8_t *bytes, size_t size,
                          bool foreign);
/* Value of a string key of a dict, NULL when there is none or `dict` is no dict. */
const PValue *pickle_get(const PValue *dict, const char *key);
/* torch.export's ScalarType number of a torch dtype's name ("float32"), 0: no such name. */
int torch_dtype_number(const char *name);
/* Its inverse for messages: "float8_e5m2", or "number 99". */
const char *torch_dtype_name(Job *job, int64_t number);
#endif
