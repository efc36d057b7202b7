/* SPDX-License-Identifier: MIT */
/* Complex numbers made of real ones, and back. */
#include "aten.h"

Value *build_complex(Call *c, Value *re, Value *im)
{
    if (dtype_complex(re->type.dtype) == DT_NONE || im->type.dtype != re->type.dtype)
        call_refuse(c, "of %s and %s", dtype_info[re->type.dtype].name, dtype_info[im->type.dtype].name);
    return build2(&c->b, OP_complex, re, im);
}

void decode_complex(Call *c)
{
    Value *re = arg_tensor(c, "real");
    give(c, build_complex(c, re, arg_tensor(c, "imag")));
}

void decode_polar(Call *c)
{
    Build *b = &c->b;
    Value *r = arg_tensor(c, "abs"), *angle = arg_tensor(c, "angle");
    give(c, build_complex(c, build2(b, OP_mul, r, build1(b, OP_cos, angle)), build2(b, OP_mul, r, build1(b, OP_sin, angle))));
}

void decode_part(Call *c) /* real, imag; a real tensor is its own real part */
{
    Value *z = arg_tensor(c, "self");
    if (!dtype_is_complex(z->type.dtype) && c->row->op == OP_imag)
        call_refuse(c, "of a real tensor");
    give(c, dtype_is_complex(z->type.dtype) ? build1(&c->b, c->row->op, z) : z);
}

Value *conjugated(Call *c, Value *z)
{
    Build *b = &c->b;
    return dtype_is_complex(z->type.dtype)
               ? build_complex(c, build1(b, OP_real, z), build1(b, OP_neg, build1(b, OP_imag, z)))
               : z;
}

void decode_conj(Call *c)
{
    give(c, conjugated(c, arg_tensor(c, "self")));
}

void decode_adjoint(Call *c)
{
    Value *z = conjugated(c, arg_tensor(c, "self"));
    give(c, z->type.rank < 2 ? z : transposed(c, z));
}

Value *build_abs(Call *c, Value *z)
{
    Build *b = &c->b;
    return dtype_is_complex(z->type.dtype) ? build2(b, OP_hypot, build1(b, OP_real, z), build1(b, OP_imag, z))
                                           : build1(b, OP_abs, z);
}

void decode_abs(Call *c)
{
    Value *z = arg_tensor(c, "self");
    give(c, build_abs(c, dtype_is_complex(z->type.dtype) ? z : build_cast(&c->b, z, c->meta[0].dtype)));
}

Value *as_real(Call *c, Value *z)
{
    Build *b = &c->b;
    Type t = z->type;
    if (t.rank == MAX_RANK || !dtype_is_complex(t.dtype))
        call_refuse(c, "of %s", type_text(b->g->job, &t));
    t.dtype = dtype_part(t.dtype);
    t.dim[t.rank++] = k(c, 1);
    Value *part[2] = { build_reshape(b, build1(b, OP_real, z), t.rank, t.dim),
                       build_reshape(b, build1(b, OP_imag, z), t.rank, t.dim) };
    Attr at = attr_int(b->g->job, "dim", t.rank - 1);
    return build(b, OP_cat, part, 2, NULL, &at, 1);
}

Value *as_complex(Call *c, Value *pairs)
{
    Type t = pairs->type;
    Type one = { t.dtype, t.rank - 1, { 0 } };
    memcpy(one.dim, t.dim, sizeof t.dim);
    if (t.rank < 1 || !idx_is(t.dim[t.rank - 1], 2) || dtype_complex(t.dtype) == DT_NONE)
        call_refuse(c, "of %s", type_text(c->b.g->job, &t));
    return build_complex(c, pick(c, pairs, t.rank - 1, k(c, 0), &one), pick(c, pairs, t.rank - 1, k(c, 1), &one));
}

void decode_view_as_real(Call *c)
{
    give(c, as_real(c, arg_tensor(c, "self")));
}

void decode_view_as_complex(Call *c)
{
    give(c, as_complex(c, arg_tensor(c, "self")));
}
