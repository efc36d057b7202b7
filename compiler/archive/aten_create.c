/* SPDX-License-Identifier: MIT */
/* Tensors made from nothing. */
#include "aten.h"

Value *int_value(Call *c, const Idx *n)
{
    int64_t known;
    return idx_is_const(n, &known) ? build_full_int(&c->b, DT_i64, known) : build_index(&c->b, n);
}

Value *const_ints(Call *c, const int64_t *v, int64_t n)
{
    Job *job = c->b.g->job;
    Tensor *t = job_alloc(job, sizeof *t);
    Storage *s = job_alloc(job, sizeof *s);
    const Idx *dim = k(c, n);
    Sym name = graph_name(c->b.g, job_printf(job, "%s_constant", c->b.stem));
    *s = (Storage){ .size = (uint64_t)n * sizeof *v, .bytes = (const uint8_t *)v };
    *t = (Tensor){ .name = name, .dtype = DT_i64, .rank = 1, .size = { n }, .stride = { 1 }, .storage = s };
    return graph_const(c->b.g, t, type_make(DT_i64, 1, &dim), name);
}

/* Rows and columns of the elements on and below (above: 1) a diagonal, row by row. */
void decode_triangle_indices(Call *c)
{
    Job *job = c->b.g->job;
    int64_t rows = arg_int(c, "row"), columns = arg_int(c, "col"), offset = arg_int(c, "offset");
    const int64_t most = 1 << 22;
    VEC(int64_t) i = { 0 }, j = { 0 };
    if (rows > most || columns > most || offset > most || offset < -most)
        call_refuse(c, "of so many elements");
    for (int64_t r = 0; r < rows; r++) {
        int64_t from = r + offset > 0 && c->row->op ? r + offset : 0, to = c->row->op ? columns : r + offset + 1;
        for (int64_t x = from; x < to && x < columns; x++) {
            *vec_push(job, &i) = r;
            *vec_push(job, &j) = x;
        }
        if (i.n > (size_t)most)
            call_refuse(c, "of so many elements");
    }
    int64_t *both = job_array(job, 2 * i.n + 1, sizeof *both);
    for (size_t x = 0; x < i.n; x++) {
        both[x] = i.at[x];
        both[i.n + x] = j.at[x];
    }
    Value *v =
        build_reshape(&c->b, const_ints(c, both, 2 * (int64_t)i.n), 2, (const Idx *[]){ k(c, 2), k(c, (int64_t)i.n) });
    give(c, build_cast(&c->b, v, c->meta[0].dtype));
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

static Value *iota(Call *c, const Idx *n)
{
    return build(&c->b, OP_iota, NULL, 0, &(Type){ DT_i64, 1, { n } }, NULL, 0);
}

void decode_arange(Call *c) /* start + i step, in f64 or i64 */
{
    const Type *t = &c->meta[0];
    Build *b = &c->b;
    bool number;
    DType d = dtype_is_float(t->dtype) ? DT_f64 : DT_i64;
    Value *i = build_cast(b, iota(c, t->dim[0]), d);
    if (arg_json(c, "step"))
        i = build2(b, OP_mul, i, build_cast(b, arg_operand(c, "step", &number), d));
    if (arg_json(c, "start"))
        i = build2(b, OP_add, i, build_cast(b, arg_operand(c, "start", &number), d));
    give(c, build_cast(b, i, t->dtype));
}

/* n numbers from start to end, the first half counted from start, the second from end. */
Value *linear_steps(Call *c, Value *start, Value *end, const Idx *n, DType t)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    DType step_type = dtype_is_float(t) ? t : DT_f64;
    const Idx *one = k(c, 1);
    Value *gaps = build_cast(b, build_index(b, idx_max(job, idx_addk(job, n, -1), one)), DT_f64);
    Value *step = build2(b, OP_div, build2(b, OP_sub, end, start), gaps), *i = iota(c, n);
    step = build_cast(b, build_cast(b, step, step_type), DT_f64);
    Value *half = build_index(b, idx_max(job, idx_div(job, n, k(c, 2)), one)), *x = build_cast(b, i, DT_f64);
    Value *low = build2(b, OP_add, start, build2(b, OP_mul, step, x));
    Value *high = build2(b, OP_sub, end, build2(b, OP_mul, step, build2(b, OP_sub, gaps, x)));
    return build3(b, OP_where, build2(b, OP_lt, i, half), low, high);
}

void decode_linspace(Call *c) /* and logspace (1): base to them */
{
    Build *b = &c->b;
    bool number;
    const Type *t = &c->meta[0];
    Value *start = build_cast(b, build_cast(b, arg_operand(c, "start", &number), t->dtype), DT_f64);
    Value *end = build_cast(b, build_cast(b, arg_operand(c, "end", &number), t->dtype), DT_f64);
    Value *x = linear_steps(c, start, end, t->dim[0], t->dtype);
    if ((int)c->row->op)
        x = build2(b, OP_pow, build_full(b, DT_f64, arg_float(c, "base")), x);
    give(c, build_cast(b, x, t->dtype));
}

void decode_eye(Call *c)
{
    Build *b = &c->b;
    const Type *t = &c->meta[0];
    Value *rows = build_reshape(b, iota(c, t->dim[0]), 2, (const Idx *[]){ t->dim[0], k(c, 1) });
    give(c, build_cast(b, build2(b, OP_eq, rows, iota(c, t->dim[1])), t->dtype));
}

/* hann, hamming (1), blackman (2): cosines of 2 pi i / n; bartlett (3): a triangle; kaiser (4).  n is the length, less one if
 * the window is not to be repeated. */
void decode_window(Call *c)
{
    Build *b = &c->b;
    int kind = (int)c->row->op;
    double turn = 6.2831853071795862, alpha = arg_json(c, "alpha") ? arg_float(c, "alpha") : kind ? 0.54 : 0.5;
    double beta = arg_json(c, "beta") ? arg_float(c, "beta") : kind == 4 ? 12 : kind ? 0.46 : 0.5;
    const Idx *n = c->meta[0].dim[0];
    if (arg_json(c, "periodic") && !arg_bool(c, "periodic"))
        n = idx_addk(b->g->job, n, -1);
    if (idx_is(c->meta[0].dim[0], 1)) {
        give(c, build_expand(b, build_full_int(b, c->meta[0].dtype, 1), 1, c->meta[0].dim));
        return;
    }
    Value *at = build_cast(b, iota_along(c, &c->meta[0], 0), DT_f64), *one = number_like(c, at, 1), *r, *d;
    at = build2(b, OP_div, at, build_cast(b, build_index(b, n), DT_f64));
    d = build2(b, OP_sub, build2(b, OP_add, at, at), one); /* -1 to 1 */
    Value *cosine = build1(b, OP_cos, build2(b, OP_mul, at, number_like(c, at, turn)));
    if (kind < 2) {
        r = build2(b, OP_sub, number_like(c, at, alpha), build2(b, OP_mul, cosine, number_like(c, at, beta)));
    } else if (kind == 2) {
        Value *twice = build1(b, OP_cos, build2(b, OP_mul, at, number_like(c, at, 2 * turn)));
        r = build2(b, OP_sub, number_like(c, at, 0.42), build2(b, OP_mul, cosine, number_like(c, at, 0.5)));
        r = build2(b, OP_add, r, build2(b, OP_mul, twice, number_like(c, at, 0.08)));
    } else if (kind == 3) {
        r = build2(b, OP_sub, one, build1(b, OP_abs, d));
    } else { /* I0(beta r) / I0(beta), by I0 e^-x */
        r = build2(b, OP_max, build2(b, OP_sub, one, build2(b, OP_mul, d, d)), number_like(c, at, 0));
        r = build2(b, OP_mul, build1(b, OP_sqrt, r), number_like(c, at, beta));
        Value *scale = build1(b, OP_exp, build2(b, OP_sub, r, number_like(c, at, beta)));
        r = build2(b, OP_div, build1(b, OP_i0e, r), build1(b, OP_i0e, number_like(c, at, beta)));
        r = build2(b, OP_mul, r, scale);
    }
    give(c, build_cast(b, r, c->meta[0].dtype));
}

/* Every (columns + 1)th element in row-major order; without `wrap` those of the first square only. */
void decode_fill_diagonal(Call *c)
{
    Build *b = &c->b;
    bool number;
    Value *a = arg_tensor(c, "self");
    const Type *t = &a->type;
    if (t->rank != 2)
        call_refuse(c, "of %d dimensions", t->rank);
    Value *i = iota_along(c, t, 0), *j = iota_along(c, t, 1), *columns = build_index(b, t->dim[1]);
    Value *at = build2(b, OP_add, build2(b, OP_mul, i, columns), j), *one = build_full_int(b, DT_i64, 1);
    Value *on = build2(b, OP_eq, build2(b, OP_rem, at, build2(b, OP_add, columns, one)), build_full_int(b, DT_i64, 0));
    if (!arg_bool(c, "wrap"))
        on = build2(b, OP_and, on, build2(b, OP_lt, i, columns));
    give(c, build3(b, OP_where, on, build_cast(b, arg_operand(c, "fill_value", &number), t->dtype), a));
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
    Value *i = iota(c, rows);
    Value *j = iota(c, columns);
    i = build_reshape(b, i, 2, (const Idx *[]){ rows, k(c, 1) });
    i = build2(b, OP_add, i, build_full_int(b, DT_i64, arg_int(c, "diagonal")));
    Value *kept = build2(b, (int)c->row->op ? OP_ge : OP_le, j, i);
    give(c, build3(b, OP_where, kept, a, build_full_int(b, t->dtype, 0)));
}
