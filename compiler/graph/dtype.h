/* SPDX-License-Identifier: MIT */
/* Element types, one row each in dtypes.def. */
#ifndef AOTC_DTYPE_H
#define AOTC_DTYPE_H
#include <stdbool.h>
#include <stdint.h>

typedef enum DType {
#define DTYPE(name, bytes, ctype, dlcode, torch, storage, kind) DT_##name,
#include "dtypes.def"
#undef DTYPE
    DT_COUNT,
    DT_NONE = DT_COUNT
} DType;

typedef enum DKind { DK_F, DK_I, DK_U, DK_B, DK_C } DKind;

typedef struct DTypeInfo {
    const char *name;    /* "f32" */
    int bytes;
    const char *ctype;   /* as the generated C spells it */
    int dlpack_code;     /* DLDataTypeCode */
    int torch;           /* ScalarType number of torch.export's JSON */
    const char *storage; /* "Float" of torch.FloatStorage */
    DKind kind;
} DTypeInfo;

extern const DTypeInfo dtype_info[DT_COUNT];

double dtype_lowest(DType t); /* of real numbers; what the greatest of nothing is */
DType dtype_from_torch(int64_t number);       /* DT_NONE: not one we know */
DType dtype_from_name(const char *name);      /* "f32"; DT_NONE */
DType dtype_from_storage(const char *storage); /* "Float"; DT_NONE */
bool dtype_is_float(DType d);
bool dtype_is_int(DType d); /* signed, unsigned; not bool */
bool dtype_is_complex(DType d);
DType dtype_complex(DType part);    /* c64 of f32; DT_NONE: there is none */
DType dtype_part(DType d);          /* f32 of c64; DT_NONE: not complex */
/* PyTorch's promotion of two tensor types of the same category rank (c10::promoteTypes). */
DType dtype_promote(DType a, DType b);
#endif
