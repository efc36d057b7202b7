/* SPDX-License-Identifier: MIT */
/* Fourier transforms: one axis after the other, by the routine fft on pairs. */
#include "aten.h"
#include <math.h>

typedef struct Transform {
    Call *c;
    bool backward;   /* the exponent is positive */
    int norm;        /* 0 none, 1 by the root of the size, 2 by the size */
    int count, dim[MAX_RANK];
} Transform;

/* ---- parts ------------------------------------------------------------------------------------------------- */

/* The number by which a transform of `size` elements is multiplied, 0-d; NULL: 1. */
static Value *norm_factor(const Transform *t, const Idx *size, DType part)
{
    Build *b = &t->c->b;
    if (!t->norm)
        return NULL;
    Value *n = build_cast(b, build_index(b, size), DT_f64);
    n = t->norm == 1 ? build1(b, OP_sqrt, n) : n;
    return build_cast(b, build2(b, OP_div, build_full(b, DT_f64, 1), n), part);
}

/* The axis becomes the last one; or what was so, gets its place back. */
static Value *to_last(Call *c, Value *v, int dim, bool back)
{
    int dims[MAX_RANK], rank = v->type.rank;
    for (int i = 0; i < rank; i++)
        dims[i] = back ? (i == dim ? rank - 1 : i - (i > dim)) : (i == rank - 1 ? dim : i + (i >= dim));
    return build_permute(&c->b, v, dims);
}

static Value *along(const Transform *t, Value *z, int dim)
{
    Call *c = t->c;
    Attr at = attr_int(c->b.g->job, "positive", t->backward);
    Value *pairs = as_real(c, to_last(c, z, dim, false));
    Value *factor = norm_factor(t, z->type.dim[dim], pairs->type.dtype);
    pairs = build_routine(&c->b, OP_fft, &pairs, 1, &at, 1)->out[0];
    pairs = factor ? build2(&c->b, OP_mul, pairs, factor) : pairs;
    return to_last(c, as_complex(c, pairs), dim, true);
}

/* All axes of the transform but the last `but`. */
static Value *transformed(const Transform *t, Value *z, int but)
{
    for (int i = t->count - but; i-- > 0;)
        z = along(t, z, t->dim[i]);
    return z;
}

static Value *complexed(Call *c, Value *v)
{
    if (dtype_is_complex(v->type.dtype))
        return v;
    DType part = v->type.dtype == DT_f64 ? DT_f64 : DT_f32;
    return build_cast(&c->b, v, dtype_complex(part));
}

static Value *last_to_reals(const Transform *t, Value *z, const Idx *size)
{
    Call *c = t->c;
    int dim = t->dim[t->count - 1];
    Attr at = attr_idx(c->b.g->job, "n", &size, 1);
    Value *pairs = as_real(c, to_last(c, z, dim, false)), *factor = norm_factor(t, size, pairs->type.dtype);
    Value *r = build_routine(&c->b, OP_fft_real, &pairs, 1, &at, 1)->out[0];
    return to_last(c, factor ? build2(&c->b, OP_mul, r, factor) : r, dim, true);
}

/* The frequencies 0 .. size / 2 of the last axis. */
static Value *first_half(const Transform *t, Value *z)
{
    Call *c = t->c;
    int dim = t->dim[t->count - 1];
    const Idx *half = idx_addk(c->b.g->job, idx_div(c->b.g->job, z->type.dim[dim], k(c, 2)), 1);
    return build_slice(&c->b, z, dim, k(c, 0), k(c, 1), half);
}

/* Cut at the end, or zeros there. */
static Value *resized(Call *c, Value *v, int dim, const Idx *size)
{
    Job *job = c->b.g->job;
    const Idx *low[MAX_RANK];
    if (v->type.dim[dim] == size)
        return v;
    const Idx *kept = idx_min(job, v->type.dim[dim], size);
    v = build_slice(&c->b, v, dim, k(c, 0), k(c, 1), kept);
    Type t = v->type;
    t.dim[dim] = size;
    for (int i = 0; i < t.rank; i++)
        low[i] = k(c, 0);
    Attr at[2] = { attr_idx(job, "low", low, (size_t)t.rank), attr_float(job, "value", 0) };
    return kept == size ? v : build(&c->b, OP_pad, &v, 1, &t, at, 2);
}

/* ---- aten._fft_* --------------------------------------------------------------------------------------------- */

static void read_axes(Transform *t, const Value *v)
{
    int64_t d[MAX_RANK];
    int rank = v->type.rank;
    size_t n = arg_ints(t->c, "dim", d, MAX_RANK, 0);
    for (size_t i = 0; i < n; i++) {
        if (d[i] < -rank || d[i] >= rank)
            fail_at(t->c->b.g->job, EXIT_INPUT, &t->c->b.origin, "%s: dim %lld is out of range", t->c->target,
                    (long long)d[i]);
        t->dim[t->count++] = (int)(d[i] < 0 ? d[i] + rank : d[i]);
    }
}

void decode_fft_core(Call *c) /* _fft_c2c, _fft_r2c (r), _fft_c2r (h) */
{
    Value *v = arg_tensor(c, "self");
    Transform t = { .c = c, .norm = (int)arg_int(c, "normalization") };
    read_axes(&t, v);
    t.backward = flag(c, 'h') || (!flag(c, 'r') && !arg_bool(c, "forward"));
    if (!t.count || t.norm < 0 || t.norm > 2)
        call_refuse(c, "over no axis, or with normalization %d", t.norm);
    if (flag(c, 'h')) {
        give(c, last_to_reals(&t, transformed(&t, complexed(c, v), 1), arg_idx(c, "last_dim_size")));
        return;
    }
    Value *z = complexed(c, v);
    if (flag(c, 'r') && arg_bool(c, "onesided")) { /* the other half of the last axis follows from this one */
        z = first_half(&t, along(&t, z, t.dim[t.count - 1]));
        t.count--;
    }
    give(c, transformed(&t, z, 0));
}

/* ---- aten.fft_* ---------------------------------------------------------------------------------------------- */

/* fft_fft, fft_fft2, fft_fftn and their kin: sizes, axes, normalization. */
static Transform read_transform(Call *c, const Value *v, bool backward)
{
    Transform t = { .c = c, .backward = backward };
    const char *norm = arg_given(c, "norm") ? arg_text(c, "norm") : "backward";
    int rank = v->type.rank;
    t.norm = !strcmp(norm, "ortho") ? 1 : !strcmp(norm, backward ? "backward" : "forward") ? 2 : 0;
    if (arg_given(c, "dim")) {
        read_axes(&t, v);
    } else {
        const Json *s = arg_json(c, "s");
        t.count = s ? (int)json_count(s) : rank;
        for (int i = 0; i < t.count && t.count <= rank; i++)
            t.dim[i] = rank - t.count + i;
    }
    if (t.count > rank || !t.count)
        call_refuse(c, "over %d of %d axes", t.count, rank);
    return t;
}

/* The size asked for along the last axis of the transform; else `absent`. */
static const Idx *last_size(const Transform *t, const Idx *absent)
{
    Call *c = t->c;
    const Idx *sizes[MAX_RANK];
    if (arg_json(c, "n"))
        return arg_idx(c, "n");
    if (!arg_json(c, "s"))
        return absent;
    size_t n = arg_sizes(c, "s", sizes, MAX_RANK);
    return n && !idx_is(sizes[n - 1], -1) ? sizes[n - 1] : absent;
}

/* op: r reals to half a transform, h the way back, none complex numbers to such; b: backward.  Of the Hermitian forms
 * (c) what is read or given is conjugated. */
void decode_fft(Call *c)
{
    Value *v = arg_tensor(c, "self");
    bool from = flag(c, 'r'), to = flag(c, 'h'), hermitian = flag(c, 'c');
    Transform t = read_transform(c, v, flag(c, 'b'));
    const Type *meta = &c->meta[0];
    int last = t.dim[t.count - 1];
    if (meta->rank != v->type.rank)
        call_refuse(c, "with another number of dimensions");
    for (int i = 0; i + (from || to) < t.count; i++)
        v = resized(c, v, t.dim[i], meta->dim[t.dim[i]]);
    Job *job = c->b.g->job;
    if (to) {
        const Idx *n = meta->dim[last], *half = idx_addk(job, idx_div(job, n, k(c, 2)), 1);
        Value *z = transformed(&t, resized(c, complexed(c, v), last, half), 1);
        if (hermitian)
            z = conjugated(c, z);
        give(c, last_to_reals(&t, z, n));
        return;
    }
    if (from)
        v = resized(c, v, last, last_size(&t, v->type.dim[last]));
    Value *z = complexed(c, v);
    if (from) {
        Transform one = t;
        one.backward = t.backward && !hermitian;
        z = first_half(&t, along(&one, z, last));
        t.count--;
        z = hermitian ? conjugated(c, z) : z;
    }
    give(c, transformed(&t, z, 0));
}

/* Each axis begins in its middle, or where that went to (1). */
void decode_fft_shift(Call *c)
{
    Job *job = c->b.g->job;
    Value *v = arg_tensor(c, "self");
    bool axes[MAX_RANK];
    axes_of(c, v->type.rank, axes);
    for (int i = 0; i < v->type.rank; i++) {
        const Idx *n = v->type.dim[i], *at = idx_div(job, idx_addk(job, n, (int)c->row->op ? 0 : 1), k(c, 2));
        if (!axes[i])
            continue;
        Value *part[2] = { build_slice(&c->b, v, i, at, k(c, 1), idx_sub(job, n, at)),
                           build_slice(&c->b, v, i, k(c, 0), k(c, 1), at) };
        Attr dim = attr_int(job, "dim", i);
        Type t = v->type;
        v = build(&c->b, OP_cat, part, 2, &t, &dim, 1);
    }
    give(c, v);
}

/* 0, 1, ..., and, but for the real form (1), the negative ones, over n d. */
void decode_fft_frequencies(Call *c)
{
    Build *b = &c->b;
    const Type *t = &c->meta[0];
    int64_t n = arg_int(c, "n");
    if (!dtype_is_float(t->dtype) || t->rank != 1 || n < 1)
        call_refuse(c, "as %s", type_text(b->g->job, t));
    Value *i = build(b, OP_iota, NULL, 0, &(Type){ DT_i64, 1, { t->dim[0] } }, NULL, 0);
    if (!(int)c->row->op) {
        Value *minus = build2(b, OP_sub, i, build_full_int(b, DT_i64, n));
        i = build3(b, OP_where, build2(b, OP_lt, i, build_full_int(b, DT_i64, (n + 1) / 2)), i, minus);
    }
    i = build_cast(b, i, t->dtype);
    give(c, build2(b, OP_mul, i, number_like(c, i, 1 / ((double)n * arg_float(c, "d")))));
}

/* ---- of windows ---------------------------------------------------------------------------------------------- */

/* Frames of n_fft samples, hop_length apart, weighted by the window, transformed. */
void decode_stft(Call *c)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    Value *x = arg_tensor(c, "self"), *window = arg_tensor_or_null(c, "window");
    int64_t n = arg_int(c, "n_fft"), hop = arg_json(c, "hop_length") ? arg_int(c, "hop_length") : n / 4;
    int64_t wide = arg_json(c, "win_length") ? arg_int(c, "win_length") : n;
    int rank = x->type.rank;
    if (rank < 1 || rank > 2 || n < 1 || hop < 1 || wide < 1 || wide > n)
        call_refuse(c, "with these sizes of frames");
    if (strstr(c->target, "stft.center") && arg_bool(c, "center"))
        call_refuse(c, "with centered frames");
    bool real = !dtype_is_complex(x->type.dtype);
    bool half = arg_json(c, "onesided") ? arg_bool(c, "onesided") : real;
    const Idx *frames = idx_addk(job, idx_div(job, idx_addk(job, x->type.dim[rank - 1], -n), k(c, hop)), 1);
    Type t = x->type;
    t.dim[rank - 1] = frames;
    t.dim[t.rank++] = k(c, n);
    int64_t axis = rank - 1, one = 1, zero = 0;
    const Idx *size = k(c, n);
    Attr at[6] = { attr_ints(job, "axes", &axis, 1),     attr_idx(job, "kernel", &size, 1),
                   attr_ints(job, "stride", &hop, 1),    attr_ints(job, "dilation", &one, 1),
                   attr_ints(job, "low", &zero, 1),      attr_float(job, "value", 0) };
    Value *f = build(b, OP_window, &x, 1, &t, at, 6);
    DType d = c->meta[0].dtype, part = dtype_is_complex(d) ? dtype_part(d) : d;
    if (window && (window->type.rank != 1 || window->type.dim[0] != k(c, wide)))
        call_refuse(c, "with a window of %s", type_text(job, &window->type));
    if (window || wide < n) {
        Value *w = window ? build_cast(b, window, dtype_is_complex(window->type.dtype) ? d : part)
                          : build_expand(b, build_full(b, part, 1), 1, (const Idx *[]){ k(c, wide) });
        const Idx *low = k(c, (n - wide) / 2), *whole[1] = { k(c, n) };
        Attr pad[2] = { attr_idx(job, "low", &low, 1), attr_float(job, "value", 0) };
        Type padded = type_make(w->type.dtype, 1, whole);
        w = wide < n ? build(b, OP_pad, &w, 1, &padded, pad, 2) : w;
        DType to = dtype_promote(f->type.dtype, w->type.dtype);
        f = build2(b, OP_mul, build_cast(b, f, to), build_cast(b, w, to));
    }
    Transform tr = { .c = c, .norm = arg_bool(c, "normalized") ? 1 : 0, .count = 1, .dim = { rank } };
    Value *z = along(&tr, complexed(c, f), rank);
    z = half ? first_half(&tr, z) : z;
    int dims[MAX_RANK] = { 0, 2, 1 };
    z = build_permute(b, z, rank == 2 ? dims : (int[]){ 1, 0 });
    give(c, dtype_is_complex(d) ? z : as_real(c, z));
}

/* Of a signal that frames `of` make, `hop` apart, added where they overlap. */
static Value *overlapped(Call *c, Value *of, int64_t hop, const Idx *size)
{
    Build *b = &c->b;
    const Type *t = &of->type;
    const Idx *sizes[2] = { t->dim[0], size };
    Value *start = build2(b, OP_mul, iota_along(c, t, 1), build_full_int(b, DT_i64, hop));
    Value *index = build2(b, OP_add, start, iota_along(c, t, 2));
    return put(c, build_expand(b, build_full(b, t->dtype, 0), 2, sizes), of, index, 1, "add");
}

/* The inverse of stft: frames are transformed back, weighted, added up and divided by the sum of the squared windows. */
void decode_istft(Call *c)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    Value *z = arg_tensor(c, "self"), *w = arg_tensor_or_null(c, "window");
    int64_t n = arg_int(c, "n_fft"), hop = arg_json(c, "hop_length") ? arg_int(c, "hop_length") : n / 4;
    int rank = z->type.rank;
    if (!dtype_is_complex(z->type.dtype) || rank < 2 || rank > 3 || n < 1 || hop < 1 || arg_bool(c, "return_complex"))
        call_refuse(c, "of %s", type_text(job, &z->type));
    if (!c->meta[0].rank)
        call_refuse(c, "to a number");
    DType part = dtype_part(z->type.dtype);
    bool half = arg_json(c, "onesided") ? arg_bool(c, "onesided") : true;
    if ((arg_json(c, "win_length") && arg_int(c, "win_length") != n) || !half ||
        (w && (w->type.rank != 1 || w->type.dim[0] != k(c, n) || w->type.dtype != part)))
        call_refuse(c, "with a window of another length, or of both sides");
    const Idx *frames = z->type.dim[rank - 1], *batch = rank == 3 ? z->type.dim[0] : k(c, 1);
    z = build_reshape(b, z, 3, (const Idx *[]){ batch, z->type.dim[rank - 2], frames });
    Transform t = { .c = c, .backward = true, .norm = arg_bool(c, "normalized") ? 1 : 2, .count = 1, .dim = { 2 } };
    Value *x = last_to_reals(&t, build_permute(b, z, (int[]){ 0, 2, 1 }), k(c, n));
    w = w ? w : build_expand(b, build_full(b, part, 1), 1, (const Idx *[]){ k(c, n) });
    const Idx *whole = idx_addk(job, idx_mulk(job, idx_addk(job, frames, -1), hop), n), *one[3] = { k(c, 1), frames, k(c, n) };
    x = overlapped(c, build2(b, OP_mul, x, w), hop, whole);
    Value *weight = overlapped(c, build_expand(b, build2(b, OP_mul, w, w), 3, one), hop, whole);
    const Idx *start = k(c, arg_bool(c, "center") ? n / 2 : 0), *size = c->meta[0].dim[c->meta[0].rank - 1];
    const Idx *kept = idx_min(job, size, idx_sub(job, whole, start));
    x = build_slice(b, x, 1, start, k(c, 1), kept);
    weight = build_slice(b, weight, 1, start, k(c, 1), kept);
    bool all[MAX_RANK] = { true, true };
    Value *good = build2(b, OP_gt, weight, build_full(b, part, 1e-11));
    graph_check(b->g, build_reduce(b, OP_all, good, all, false), sym(job, "istft: the windows overlap everywhere"), &b->origin);
    x = resized(c, build2(b, OP_div, x, weight), 1, size);
    give(c, build_reshape(b, x, c->meta[0].rank, c->meta[0].dim));
}
