/* SPDX-License-Identifier: MIT */
/* Element types: look-ups and PyTorch's promotion lattice. */
#include "dtype.h"
#include <math.h>
#include <string.h>

const DTypeInfo dtype_info[DT_COUNT] = {
#define DTYPE(name, bytes, ctype, dlcode, torch, storage, kind)                                    \
    [DT_##name] = { #name, bytes, ctype, dlcode, torch, storage, DK_##kind },
#include "dtypes.def"
#undef DTYPE
};

double dtype_lowest(DType t)
{
    const DTypeInfo *d = &dtype_info[t];
    return dtype_is_float(t) ? -INFINITY : d->kind == DK_I ? -ldexp(1, 8 * d->bytes - 1) : 0;
}

DType dtype_from_torch(int64_t number)
{
    for (int d = 0; d < DT_COUNT; d++)
        if (dtype_info[d].torch == number)
            return (DType)d;
    return DT_NONE;
}

DType dtype_from_name(const char *name)
{
    for (int d = 0; d < DT_COUNT; d++)
        if (!strcmp(dtype_info[d].name, name))
            return (DType)d;
    return DT_NONE;
}

DType dtype_from_storage(const char *storage)
{
    for (int d = 0; d < DT_COUNT; d++)
        if (!strcmp(dtype_info[d].storage, storage))
            return (DType)d;
    return DT_NONE;
}

bool dtype_is_float(DType d)
{
    return d < DT_COUNT && dtype_info[d].kind == DK_F;
}

bool dtype_is_int(DType d)
{
    return d < DT_COUNT && (dtype_info[d].kind == DK_I || dtype_info[d].kind == DK_U);
}

bool dtype_is_complex(DType d)
{
    return d == DT_c64 || d == DT_c128;
}

DType dtype_complex(DType part)
{
    return part == DT_f32 ? DT_c64 : part == DT_f64 ? DT_c128 : DT_NONE;
}

DType dtype_part(DType d)
{
    return d == DT_c64 ? DT_f32 : d == DT_c128 ? DT_f64 : DT_NONE;
}

/* bool < unsigned, signed < float < complex. */
static int category(DType d)
{
    static const int rank[] = { [DK_B] = 0, [DK_U] = 1, [DK_I] = 1, [DK_F] = 2, [DK_C] = 3 };
    return rank[dtype_info[d].kind];
}

static DType promote_ints(DType a, DType b)
{
    const DTypeInfo *x = &dtype_info[a], *y = &dtype_info[b];
    if (x->kind == y->kind)
        return x->bytes >= y->bytes ? a : b;
    if (x->kind == DK_U)
        return promote_ints(b, a); /* a signed, b unsigned */
    if (x->bytes > y->bytes)
        return a;
    return y->bytes == 1 ? DT_i16 : y->bytes == 2 ? DT_i32 : DT_i64;
}

DType dtype_promote(DType a, DType b)
{
    if (a == b)
        return a;
    if (category(a) != category(b)) {
        DType high = category(a) > category(b) ? a : b, low = high == a ? b : a;
        return high == DT_c64 && low == DT_f64 ? DT_c128 : high;
    }
    switch (category(a)) {
    case 1: return promote_ints(a, b);
    case 2:
        if (dtype_info[a].bytes == dtype_info[b].bytes) /* f16 with bf16 */
            return DT_f32;
        return dtype_info[a].bytes > dtype_info[b].bytes ? a : b;
    default: return DT_c128;
    }
}
