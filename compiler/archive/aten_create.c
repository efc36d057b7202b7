/* SPDX-License-Identifier: MIT */
/* Tensors made from nothing. */
#include "aten.h"

Value *int_value(Call *c, const Idx *n)
{
    int64_t known;
    return idx_is_const(n, &known) ? build_full_int(&c->b, DT_i64, known) : build_index(&c->b, n);
}

Value *affine_along(Call *c, const Idx *n, const Idx *start, const Idx *step, int axis, int rank)
{
    Build *b = &c->b;
    const Idx *dim[MAX_RANK];
    for (int i = 0; i < rank; i++)
        dim[i] = i == axis ? n : k(c, 1);
    Value *v = build_reshape(b, build(b, OP_iota, NULL, 0, &(Type){ DT_i64, 1, { n } }, NULL, 0), rank, dim);
    if (!idx_is(step, 1))
        v = build2(b, OP_mul, v, int_value(c, step));
    return idx_is(start, 0) ? v : build2(b, OP_add, v, int_value(c, start));
}

void decode_full(Call *c)
{
    bool number;
    const Type *t = &c->meta[0];
    Value *v;
    if (flag(c, '0') || flag(c, '1'))
        v = build_full_int(&c->b, t->dtype, flag(c, '1'));
    else
        v = build_cast(&c->b, arg_operand(c, flag(c, 's') ? "s" : "fill_value", &number), t->dtype);
    give(c, build_expand(&c->b, v, t->rank, t->dim));
}

void decode_arange(Call *c)
{
    const Type *t = &c->meta[0];
    Build *b = &c->b;
    Value *i = build(b, OP_iota, NULL, 0, &(Type){ DT_i64, 1, { t->dim[0] } }, NULL, 0);
    bool number;
    i = build_cast(b, i, t->dtype);
    if (arg_json(c, "step"))
        i = build2(b, OP_mul, i, build_cast(b, arg_operand(c, "step", &number), t->dtype));
    if (arg_json(c, "start"))
        i = build2(b, OP_add, i, build_cast(b, arg_operand(c, "start", &number), t->dtype));
    give(c, i);
}

/* Elements on and below (above) the diagonal; zero elsewhere. */
void decode_triangle(Call *c)
{
    Build *b = &c->b;
    Value *a = arg_tensor(c, "self");
    const Type *t = &a->type;
    if (t->rank < 2)
        call_refuse(c, "of fewer than 2 dimensions");
    const Idx *rows = t->dim[t->rank - 2], *columns = t->dim[t->rank - 1];
    Value *i = build(b, OP_iota, NULL, 0, &(Type){ DT_i64, 1, { rows } }, NULL, 0);
    Value *j = build(b, OP_iota, NULL, 0, &(Type){ DT_i64, 1, { columns } }, NULL, 0);
    i = build_reshape(b, i, 2, (const Idx *[]){ rows, k(c, 1) });
    i = build2(b, OP_add, i, build_full_int(b, DT_i64, arg_int(c, "diagonal")));
    Value *kept = build2(b, (int)c->row->op ? OP_ge : OP_le, j, i);
    give(c, build3(b, OP_where, kept, a, build_full_int(b, t->dtype, 0)));
}
