/* SPDX-License-Identifier: MIT */
/* Graph to Program.  Three decisions first, for the whole graph: which values lie channels-last (choose_layout), what
 * halo their readers want, and which values get memory (choose_buffers, realize.c).  Then one kernel for each value with memory, in graph order. */
#include "lower.h"
#include "packing.h"
#include <string.h>

/* ---- buffers ------------------------------------------------------------------------------------------------ */

static Buffer *buffer_alloc(Lower *l, Sym name, BufferKind kind, const Type *t)
{
    Buffer *b = job_alloc(l->job, sizeof *b);
    b->name = name;
    b->kind = kind;
    b->dtype = t->dtype;
    b->rank = t->rank;
    b->first = b->last = -1;
    for (int i = 0; i < t->rank; i++)
        b->dim[i] = t->dim[i];
    return b;
}

/* Strides and size from dims, axis order and halo. */
static void lay_out(Job *job, Buffer *b)
{
    int order[MAX_RANK], n = 0; /* slowest first */
    for (int i = 0; i < b->rank; i++)
        if (!b->channels_last || i != 1)
            order[n++] = i;
    if (b->channels_last)
        order[n++] = 1;
    const Idx *step = idx_const(job, 1);
    b->offset = idx_const(job, 0);
    for (int i = n; i-- > 0;) {
        int a = order[i];
        b->stride[a] = step;
        b->offset = idx_add(job, b->offset, idx_mulk(job, step, b->halo[a]));
        step = idx_mul(job, step, idx_addk(job, b->dim[a], 2 * b->halo[a]));
    }
    b->elements = step;
    b->bytes = idx_mulk(job, step, dtype_info[b->dtype].bytes);
}

Buffer *buffer_new(Lower *l, Value *v, BufferKind kind, bool channels_last, int64_t halo)
{
    Buffer *b = buffer_alloc(l, v->name, kind, &v->type);
    b->channels_last = channels_last && v->type.rank >= 3;
    for (int i = 2; b->channels_last && i < b->rank; i++)
        b->halo[i] = halo;
    lay_out(l->job, b);
    if (kind == BUFFER_WORK)
        *vec_push(l->job, &l->p->works) = b;
    return b;
}

uint64_t weights_add(Weights *w, const void *data, uint64_t size, Sym name, const Packing *packing)
{
    Sym key = packing ? packing_key(w->job, packing) : NULL;
    uint64_t h = 14695981039346656037u;
    const unsigned char *bytes = data;
    for (uint64_t i = 0; i + 8 <= size; i += 8) {
        uint64_t x;
        memcpy(&x, bytes + i, 8);
        h = (h ^ x) * 0x9E3779B97F4A7C15u;
        h ^= h >> 29;
    }
    for (size_t i = 0; i < w->count; i++) {
        const struct WeightPart *p = &w->parts[i];
        bool same = p->hash == h && p->size == size && !memcmp(p->data, data, size);
        if (same && p->key == key)
            return p->at;
        if (!same && key && p->key == key)
            w->twofold = packing->root->name;
    }
    if (w->count == w->room) {
        size_t room = w->room ? w->room * 2 : 64;
        struct WeightPart *more = job_array(w->job, room, sizeof *more);
        if (w->count)
            memcpy(more, w->parts, w->count * sizeof *more);
        w->parts = more;
        w->room = room;
    }
    uint64_t at = (w->bytes + 63) & ~(uint64_t)63;
    w->parts[w->count++] = (struct WeightPart){ at, size, h, data, name, key, packing };
    w->bytes = at + size;
    return at;
}

uint64_t weights_add_state(Weights *w, Sym name, DType dtype, const void *first, uint64_t size, const Packing *packing)
{
    for (size_t i = 0; i < w->states.n; i++) {
        const StateSlot *s = &w->states.at[i];
        if (s->name != name)
            continue;
        if (s->size != size || s->dtype != dtype || memcmp(s->first, first, size))
            fail(w->job, EXIT_INPUT, "state %s has another type or first value in two methods, which would share it",
                 name);
        return s->at;
    }
    const unsigned char *bytes = first;
    uint64_t zeros = 0, at = (w->state_bytes + 63) & ~(uint64_t)63;
    while (zeros < size && !bytes[zeros])
        zeros++;
    uint64_t weight = zeros == size ? NO_WEIGHT : weights_add(w, first, size, name, packing);
    *vec_push(w->job, &w->states) = (StateSlot){ name, at, size, first, weight, packing, dtype };
    w->state_bytes = at + size;
    return at;
}

/* All elements of a constant, or of the first contents of a state. */
static const Packing *plain_packing(Job *job, const Value *v)
{
    Packing *p = job_alloc(job, sizeof *p);
    *p = (Packing){ .kind = PACK_PLAIN, .view = *v->tensor, .root = v->tensor };
    return p;
}

static Buffer *state_buffer(Lower *l, Value *v)
{
    Buffer *b = buffer_alloc(l, v->name, BUFFER_STATE, &v->type);
    size_t bytes;
    const Packing *p = plain_packing(l->job, v);
    void *first = packing_apply(l->job, p, &bytes);
    lay_out(l->job, b);
    b->weight = weights_add_state(l->p->weights, v->tensor->name, b->dtype, first, bytes, p);
    b->about = v->tensor->name;
    *vec_push(l->job, &l->p->states) = b;
    return b;
}

Buffer *const_buffer(Lower *l, Value *v)
{
    Buffer *b = buffer_alloc(l, v->name, BUFFER_CONST, &v->type);
    size_t bytes;
    const Packing *p = plain_packing(l->job, v);
    void *data = packing_apply(l->job, p, &bytes);
    lay_out(l->job, b);
    b->weight = weights_add(l->p->weights, data, bytes, v->tensor->name, p);
    b->about = v->tensor->name;
    *vec_push(l->job, &l->p->consts) = b;
    return b;
}

/* ---- kernels ------------------------------------------------------------------------------------------------- */

Stmt *stmt_add(Job *job, Block *b, StmtKind kind)
{
    Stmt *s = job_alloc(job, sizeof *s);
    s->kind = kind;
    *(b->last ? &b->last->next : &b->first) = s;
    b->last = s;
    return s;
}

void item_add(Lower *l, Item item)
{
    Item *own = job_alloc(l->job, sizeof *own);
    *own = item;
    *(l->items->last ? &l->items->last->next : &l->items->first) = own;
    l->items->last = own;
}

Make *make_kernel(Lower *l, const char *stem, const Origin *o)
{
    Make *m = job_alloc(l->job, sizeof *m);
    m->l = l;
    m->job = l->job;
    m->k = job_alloc(l->job, sizeof *m->k);
    m->k->name = o && o->module ? o->module : sym(l->job, stem);
    if (o)
        m->k->origin = *o;
    m->block[0] = &m->k->body;
    return m;
}

/* The border of n images of h x w pixels in `out`, `apart` elements from one to the next: `edge` lines and columns. */
static void zero_border(Make *m, Buffer *out, const Idx *n, const Idx *apart, const Idx *h, const Idx *line, const Idx *w,
                        int64_t lines, int64_t columns)
{
    Job *job = m->job;
    Stmt *s = stmt_add(job, m->block[0], S_CALL);
    s->var = sym(job, "aotk_zero_halo_f32");
    s->text = sym(job, "aotk_halo");
    struct {
        const char *name;
        const Idx *v;
    } f[] = { { "n", n }, { "h", h }, { "w", w }, { "c", out->dim[1] },
              { "top", idx_const(job, lines) }, { "bottom", idx_const(job, lines) }, { "left", idx_const(job, columns) },
              { "right", idx_const(job, columns) }, { "x_n", apart }, { "x_h", line }, { "x_w", out->stride[out->rank - 1] },
              { "tasks", idx_const(job, 1) } };
    *vec_push(job, &s->fields) = (Field){ .name = sym(job, "x"), .idx = idx_const(job, 0), .buffer = out };
    for (size_t i = 0; i < sizeof f / sizeof *f; i++)
        *vec_push(job, &s->fields) = (Field){ .name = sym(job, f[i].name), .idx = f[i].v };
}

void lower_zero_halo(Make *m, Buffer *out)
{
    Job *job = m->job;
    bool any = false;
    for (int i = 0; i < out->rank; i++)
        any |= out->halo[i] != 0;
    if (!any || out->dtype != DT_f32)
        return;
    int r = out->rank;
    const Idx *one = idx_const(job, 1), *whole[MAX_RANK]; /* with the halo */
    for (int i = 0; i < r; i++)
        whole[i] = idx_addk(job, out->dim[i], 2 * out->halo[i]);
    if (r == 3) /* [n, c, w]: one row */
        zero_border(m, out, out->dim[0], out->stride[0], one, out->stride[0], out->dim[2], 0, out->halo[2]);
    if (r == 4)
        zero_border(m, out, out->dim[0], out->stride[0], out->dim[2], out->stride[2], out->dim[3], out->halo[2], out->halo[3]);
    if (r == 5) { /* whole planes, as lines of a volume; then the border of each plane */
        zero_border(m, out, out->dim[0], out->stride[0], out->dim[2], out->stride[2], idx_mul(job, whole[3], whole[4]), out->halo[2], 0);
        zero_border(m, out, idx_mul(job, out->dim[0], whole[2]), out->stride[2], out->dim[3], out->stride[3], out->dim[4],
                    out->halo[3], out->halo[4]);
    }
}

void finish_kernel(Make *m)
{
    kernel_finish(m->job, m->k);
    *vec_push(m->job, &m->l->p->kernels) = m->k;
    item_add(m->l, (Item){ .kernel = m->k });
}

/* ---- stores ---------------------------------------------------------------------------------------------------- */

/* Where a value goes: memory, and the layout that it has there. */
typedef struct Target {
    Buffer *buffer;
    const Buffer *layout; /* the same, or another shape of it */
} Target;

/* Pointwise operators over memory of one layout: element i of each operand makes element i of the result. */
static bool is_flat(const Value *v, const Buffer *out, int *budget)
{
    double number;
    if (--*budget < 0) /* a graph may share values so much that the walk never ends */
        return false;
    if (v->buffer) {
        for (int i = 0; i < out->rank; i++)
            if (v->buffer->rank != out->rank || v->buffer->stride[i] != out->stride[i] || v->buffer->halo[i])
                return false;
        return v->buffer->dim[0] == out->dim[0];
    }
    if (value_is_full(v, &number) && v->type.rank == 0)
        return true;
    if (v->kind != VALUE_NODE || op_info[v->def->op].kind != POINTWISE || v->type.rank != out->rank)
        return false;
    for (uint32_t i = 0; i < v->def->in_count; i++)
        if (!is_flat(v->def->in[i], out, budget))
            return false;
    return true;
}

static bool store_flat(Make *m, Value *v, Target to)
{
    const Buffer *out = to.layout;
    const Idx *ix[MAX_RANK];
    int unit = -1, budget = 1000;
    for (int i = 0; i < out->rank; i++) {
        ix[i] = idx_const(m->job, 0);
        if (out->halo[i])
            return false;
        if (idx_is(out->stride[i], 1) && !idx_is(out->dim[i], 1))
            unit = i;
    }
    if (out->elements != type_count(m->job, &v->type)) /* part of something */
        return false;
    if (out->rank < 2 || unit < 0 || v->kind != VALUE_NODE || v->buffer || !is_flat(v, out, &budget))
        return false;
    ix[unit] = open_apart(m, "i", type_count(m->job, &v->type));
    const X *x = value_at(m, v, ix);
    Stmt *s = stmt_add(m->job, m->block[m->level], S_STORE);
    s->buffer = to.buffer;
    s->idx = buffer_at(m->job, out, ix);
    s->x = x;
    s->dtype = out->dtype;
    close_loop(m);
    return true;
}

/* Loops over v in out's physical order that store value_at. `dim`/`start`: only that part of the axis (cat).  `put`: at
 * the indices of that node, in its mode and in row-major order. */
static void store_loops(Make *m, Value *v, Target target, int dim, const Idx *start, Node *put)
{
    static const char *const stems[] = { "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t" };
    const Buffer *out = target.layout;
    const Idx *ix[MAX_RANK], *to[MAX_RANK];
    int opened = 0;
    if (idx_is(type_count(m->job, &v->type), 0)) /* no index is checked either */
        return;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < v->type.rank; i++) {
            bool last = out->channels_last && i == 1 && !put;
            if (last != (pass == 1))
                continue;
            bool one = idx_is(v->type.dim[i], 1);
            ix[i] = one ? idx_const(m->job, 0) : open_apart(m, stems[i], v->type.dim[i]);
            opened += !one;
            to[i] = i == dim ? idx_add(m->job, ix[i], start) : ix[i];
        }
    if (put)
        indices_at(m, put, 2, ix, to);
    const X *x = value_at(m, v, ix);
    Stmt *s = stmt_add(m->job, m->block[m->level], S_STORE);
    s->buffer = target.buffer;
    s->idx = buffer_at(m->job, out, to);
    s->x = x;
    s->dtype = out->dtype;
    s->op = put ? op_from_name(node_text(put, "mode")) : OP_COUNT;
    s->update = s->op != OP_COUNT;
    while (opened--)
        close_loop(m);
}

/* A line along the axis has one accumulator, which is stored after each step. */
static void store_scan(Make *m, Node *n, Buffer *out)
{
    Job *job = m->job;
    Value *a = n->in[0];
    Op op = op_from_name(node_text(n, "op"));
    DType d = out->dtype, wide = d == DT_f16 || d == DT_bf16 ? DT_f32 : d;
    if (wide == DT_f32 && (op == OP_add || op == OP_mul))
        wide = DT_f64;
    int axis = (int)node_int(n, "axis", 0);
    const Idx *ix[MAX_RANK];
    for (int i = 0; i < a->type.rank; i++)
        if (i != axis)
            ix[i] = open_apart(m, "i", a->type.dim[i]);
    Stmt *acc = stmt_add(job, m->block[m->level], S_ACC);
    acc->var = idx_fresh(job, "total");
    acc->dtype = wide;
    acc->x = identity_of(m, op, wide);
    ix[axis] = open_loop(m, "k", a->type.dim[axis]);
    const X *x = value_at(m, a, ix);
    Stmt *update = stmt_add(job, m->block[m->level], S_UPDATE);
    update->var = acc->var;
    update->op = op;
    update->dtype = wide;
    update->x = x_op(m, OP_cast, wide, &x, 1);
    const X *total = x_var(m, wide, acc->var, m->level);
    Stmt *s = stmt_add(job, m->block[m->level], S_STORE);
    s->buffer = out;
    s->idx = buffer_at(job, out, ix);
    s->x = x_op(m, OP_cast, d, &total, 1);
    s->dtype = d;
    while (m->level)
        close_loop(m);
}

/* A strided copy of floats as a call: of a part of a concatenation, which begins at `start` of axis `dim`, or (dim -1)
 * of a whole whose sides disagree about the innermost axis, for the transposing kernel. */
static bool store_by_copy(Make *m, Value *v, Target to, int dim, const Idx *start)
{
    const Buffer *out = to.layout;
    Affine a;
    Job *job = m->job;
    if (v->type.dtype != DT_f32 || v->type.rank > 4 || v->type.rank < 2 || !value_affine(m->l, v, &a))
        return false;
    bool same = dim < 0; /* the axis of stride 1 is the same: a plain loop is as good, but more text than a call */
    for (int i = 0; i < v->type.rank; i++)
        same &= idx_is(a.stride[i], 1) == idx_is(out->stride[i], 1) || idx_is(v->type.dim[i], 1);
    if (same)
        return false;
    const Idx *first = dim < 0 ? out->offset : idx_add(job, out->offset, idx_mul(job, out->stride[dim], start));
    Stmt *s = stmt_add(job, m->block[0], S_CALL);
    s->var = sym(job, "aotk_copy4_f32");
    s->text = sym(job, "aotk_copy4");
    *vec_push(job, &s->fields) = (Field){ .name = sym(job, "src"), .idx = a.offset, .buffer = a.buffer };
    *vec_push(job, &s->fields) = (Field){ .name = sym(job, "dst"), .idx = first, .buffer = to.buffer };
    for (int i = 0; i < 4; i++) {
        int axis = i - (4 - v->type.rank);
        if (out->channels_last && axis > 0) /* as they lie in memory: threads share the first one that is long enough */
            axis = axis + 1 < v->type.rank ? axis + 1 : 1;
        const Idx *one = idx_const(job, 1), *zero = idx_const(job, 0);
        *vec_push(job, &s->fields) = (Field){ .name = sym_printf(job, "n[%d]", i), .idx = axis < 0 ? one : v->type.dim[axis] };
        *vec_push(job, &s->fields) = (Field){ .name = sym_printf(job, "s[%d]", i), .idx = axis < 0 ? zero : a.stride[axis] };
        *vec_push(job, &s->fields) = (Field){ .name = sym_printf(job, "d[%d]", i), .idx = axis < 0 ? zero : out->stride[axis] };
    }
    *vec_push(job, &s->fields) = (Field){ .name = sym(job, "tasks"), .idx = idx_const(job, 1) };
    return true;
}

static const Origin *origin_of(const Value *v)
{
    return v->kind == VALUE_NODE ? &v->def->origin : NULL;
}

static bool is_row_major(const Buffer *b, Job *job)
{
    const Idx *step = idx_const(job, 1);
    for (int i = b->rank; i-- > 0;) {
        if (b->halo[i] || (b->stride[i] != step && !idx_is(b->dim[i], 1)))
            return false;
        step = idx_mul(job, step, b->dim[i]);
    }
    return true;
}

/* Whether the elements of v, in row-major order, lie in memory in another order, or apart. */
static bool is_scattered(Job *job, const Value *v, int *budget)
{
    if (--*budget < 0 || v->kind != VALUE_NODE)
        return v->buffer && !is_row_major(v->buffer, job);
    if (v->buffer)
        return !is_row_major(v->buffer, job);
    OpKind kind = op_info[v->def->op].kind;
    bool any = kind == VIEW && v->def->op != OP_reshape;
    for (uint32_t i = 0; i < v->def->in_count && (kind == POINTWISE || v->def->op == OP_reshape); i++)
        any |= v->def->in[i]->type.rank > 1 && is_scattered(job, v->def->in[i], budget);
    return any;
}

/* A reshape of what does not lie in row-major order is stored as what it reshapes, in loops over that one's axes: so
 * no index is divided. */
static Value *unshaped(Make *m, Value *v, Target *to)
{
    int budget = 1000;
    while (v->kind == VALUE_NODE && !v->buffer && v->def->op == OP_reshape && is_row_major(to->layout, m->job) &&
           is_scattered(m->job, v->def->in[0], &budget)) {
        v = v->def->in[0];
        Buffer *other = job_alloc(m->job, sizeof *other);
        *other = (Buffer){ .dtype = to->layout->dtype, .rank = v->type.rank };
        memcpy(other->dim, v->type.dim, sizeof other->dim);
        lay_out(m->job, other);
        other->offset = to->layout->offset;
        to->layout = other;
    }
    return v;
}

/* The operands of a concatenation that are not where they belong yet; true: there are some. */
static bool to_copy(Lower *l, const Node *n, const Buffer *out, bool *copy)
{
    const Idx *start = idx_const(l->job, 0);
    int dim = (int)node_int(n, "dim", 0);
    bool any = false;
    for (uint32_t i = 0; i < n->in_count; i++) {
        any |= copy[i] = !is_joined(n->in[i]->buffer, out, start, dim, l->job);
        start = idx_add(l->job, start, n->in[i]->type.dim[dim]);
    }
    return any;
}

void store_value(Lower *l, Value *v, Buffer *out)
{
    bool *copy = NULL;
    if (v->kind == VALUE_NODE && !v->buffer && v->def->op == OP_cat) {
        copy = job_array(l->job, v->def->in_count + 1, sizeof *copy);
        if (!to_copy(l, v->def, out, copy))
            return;
    }
    if (lower_pool(l, v, out))
        return;
    Make *m = make_kernel(l, v->name, origin_of(v));
    Target to = { out, out };
    lower_zero_halo(m, out);
    Node *n = v->kind == VALUE_NODE && !v->buffer ? v->def : NULL;
    if (n && n->op == OP_scan) {
        store_scan(m, n, out);
    } else if (n && n->op == OP_cat) {
        const Idx *start = idx_const(l->job, 0);
        int dim = (int)node_int(n, "dim", 0);
        for (uint32_t i = 0; i < n->in_count; i++) {
            if (copy[i] && !store_by_copy(m, n->in[i], to, dim, start))
                store_loops(m, n->in[i], to, dim, start, NULL);
            start = idx_add(l->job, start, n->in[i]->type.dim[dim]);
        }
    } else if (n && n->op == OP_put) {
        if (out != n->in[0]->buffer)
            store_loops(m, n->in[0], to, -1, NULL, NULL);
        store_loops(m, n->in[1], to, -1, NULL, n);
    } else {
        v = unshaped(m, v, &to);
        if (!store_by_copy(m, v, to, -1, NULL) && !store_flat(m, v, to))
            store_loops(m, v, to, -1, NULL, NULL);
    }
    finish_kernel(m);
}

/* ---- layouts -------------------------------------------------------------------------------------------------- */

static bool mark(bool *set, const Value *v, bool *changed)
{
    if (!set[v->id])
        *changed = set[v->id] = true;
    return true;
}

/* What writes its result in rows, whoever reads it. */
static bool has_rows(Op op)
{
    return op_info[op].kind == ROUTINE || op == OP_loop || op == OP_matmul || op == OP_grouped_matmul || op == OP_attention;
}

/* Channels-last for all that convolutions read and write, and for all of the same rank that hangs together with it
 * by pointwise operators, pooling, padding and concatenation: one layout for the whole convolutional part. */
static void choose_layout(Lower *l, Graph *g)
{
    bool changed = true;
    bool *set = l->channels_last;
    while (changed) {
        changed = false;
        for each_node (n, g) {
            Value *out = n->out_count ? n->out[0] : NULL;
            if (n->op == OP_conv && contract_is_tiled(n)) {
                mark(set, n->in[0], &changed);
                mark(set, out, &changed);
                if (contract_residual(n))
                    mark(set, contract_residual(n), &changed);
                int64_t p = conv_halo(l, n);
                l->halo[n->in[0]->id] = p > l->halo[n->in[0]->id] ? p : l->halo[n->in[0]->id];
                continue;
            }
            bool pool = (n->op == OP_amax || n->op == OP_sum) && n->in[0]->kind == VALUE_NODE && n->in[0]->def->op == OP_window;
            Value *first = pool ? n->in[0]->def->in[0] : NULL;
            if (pool && (set[out->id] || set[first->id])) {
                mark(set, out, &changed);
                mark(set, first, &changed);
            }
            bool through = op_info[n->op].kind == POINTWISE || n->op == OP_cat || n->op == OP_pad;
            if (n->op == OP_take && set[n->in[0]->id] && n->in[0]->type.rank == out->type.rank)
                mark(set, out, &changed); /* an image made larger: places are looked up once for all channels */
            bool any = through && set[out->id];
            for (uint32_t i = 0; through && i < n->in_count; i++)
                any |= set[n->in[i]->id] && n->in[i]->type.rank == out->type.rank;
            if (!any)
                continue;
            mark(set, out, &changed);
            for (uint32_t i = 0; i < n->in_count; i++)
                if (n->in[i]->type.rank == out->type.rank)
                    mark(set, n->in[i], &changed);
        }
    }
    for each_node (n, g)
        for (uint32_t i = 0; i < n->out_count && has_rows(n->op); i++)
            set[n->out[i]->id] = false;
}

/* ---- the schedule ------------------------------------------------------------------------------------------------- */

static void lower_size(Lower *l, Node *n)
{
    Affine a = value_memory(l, n->in[0], -1);
    item_add(l, (Item){ .size = node_idx(n, "expr", 0), .found = a.buffer,
                        .about = sym(l->job, origin_text(l->job, &n->origin)) });
    n->out[0]->buffer = a.buffer;
}

static Buffer *result_buffer(Lower *l, Graph *g, Value *v, Buffer **outputs)
{
    for (size_t i = 0; i < g->outputs.n; i++)
        if (g->outputs.at[i].value == v && outputs[i]) {
            bool first = true; /* the same value twice: the second is a copy */
            for (size_t j = 0; j < i; j++)
                first &= g->outputs.at[j].value != v;
            bool channels_last = l->channels_last[v->id] && v->type.rank >= 3;
            if (first && outputs[i]->channels_last == channels_last)
                return outputs[i];
        }
    Buffer *joined = join_buffer(l, v);
    return joined ? joined : buffer_new(l, v, BUFFER_WORK, l->channels_last[v->id], l->halo[v->id]);
}

void forget_packed(const Value *w)
{
    if (w->kind == VALUE_CONST && w->uses == 1 && w->tensor->storage && w->tensor->storage->made)
        job_discard((void *)(uintptr_t)w->tensor->storage->bytes, (size_t)w->tensor->storage->size);
}

static void lower_node(Lower *l, Graph *g, Node *n, Buffer **outputs)
{
    if (n->op == OP_size) {
        lower_size(l, n);
        return;
    }
    if (!l->realize[n->out[0]->id] || (n->out_count == 1 && n->out[0]->buffer))
        return;
    Buffer **out = job_array(l->job, n->out_count, sizeof *out);
    for (uint32_t i = 0; i < n->out_count; i++)
        out[i] = i ? NULL : put_in_place(l, g, n);
    for (uint32_t i = 0; i < n->out_count; i++)
        out[i] = out[i] ? out[i] : result_buffer(l, g, n->out[i], outputs);
    if (op_info[n->op].kind == CONTROL)
        lower_control(l, n, out);
    else if (op_info[n->op].kind == ROUTINE)
        lower_routine(l, n, out);
    else if (op_info[n->op].kind == CONTRACT && contract_is_tiled(n))
        lower_contract(l, n, out[0]);
    else
        store_value(l, n->out[0], out[0]);
    if (n->op == OP_conv && contract_is_tiled(n))
        forget_packed(n->in[1]);
    for (uint32_t i = 0; i < n->out_count; i++)
        n->out[i]->buffer = out[i];
}

static void lower_check(Lower *l, const Effect *e)
{
    Make *m = make_kernel(l, "check", &e->origin);
    const X *x = value_at(m, e->value, NULL);
    Stmt *s = stmt_add(l->job, &m->k->body, S_ASSERT);
    s->x = x;
    s->text = e->text;
    finish_kernel(m);
}

static bool is_target(const Graph *g, const Value *v)
{
    for (size_t i = 0; i < g->effects.n; i++)
        if (g->effects.at[i].target == v)
            return true;
    return false;
}

/* Behind everything that reads old contents or may fail.  New contents that are the old ones of another target are
 * kept aside first. */
static void lower_commits(Lower *l, Graph *g)
{
    Value **from = job_array(l->job, g->effects.n + 1, sizeof *from);
    for (size_t i = 0; i < g->effects.n; i++) {
        from[i] = g->effects.at[i].value;
        if (g->effects.at[i].kind != EFFECT_COMMIT || !is_target(g, from[i]))
            continue;
        Buffer *aside = buffer_new(l, from[i], BUFFER_WORK, false, 0);
        store_value(l, from[i], aside);
        from[i] = job_alloc(l->job, sizeof *from[i]);
        *from[i] = *g->effects.at[i].value;
        from[i]->buffer = aside;
    }
    for (size_t i = 0; i < g->effects.n; i++)
        if (g->effects.at[i].kind == EFFECT_COMMIT)
            store_value(l, from[i], g->effects.at[i].target->buffer);
}

void lower_graph(Lower *l, Graph *g, Buffer **outputs)
{
    size_t room = g->values.n + 16;
    l->channels_last = job_array(l->job, room, sizeof *l->channels_last);
    l->halo = job_array(l->job, room, sizeof *l->halo);
    l->realize = job_array(l->job, room, sizeof *l->realize);
    l->join = job_array(l->job, room, sizeof *l->join);
    l->inside = job_array(l->job, room, sizeof *l->inside);
    l->conv_form = job_array(l->job, room, sizeof *l->conv_form);
    graph_count_uses(g);
    choose_layout(l, g);
    choose_buffers(l, g);
    choose_joins(l, g);
    for each_node (n, g)
        lower_node(l, g, n, outputs);
    for (size_t i = 0; i < g->outputs.n; i++) {
        Value *v = g->outputs.at[i].value;
        if (outputs[i] && v && v->buffer != outputs[i])
            store_value(l, v, outputs[i]);
    }
    for (size_t i = 0; i < g->effects.n; i++)
        if (g->effects.at[i].kind == EFFECT_CHECK)
            lower_check(l, &g->effects.at[i]);
    lower_commits(l, g);
}

/* A kernel may read and write two buffers of one value, and the text of a program tells buffers by name. */
static void unique_names(Program *p)
{
    VEC(Buffer *) all = { 0 };
    for (size_t i = 0; i < p->inputs.n + p->outputs.n; i++) {
        Buffer *b = i < p->inputs.n ? p->inputs.at[i] : p->outputs.at[i - p->inputs.n];
        if (b)
            *vec_push(p->job, &all) = b;
    }
    for (size_t i = 0; i < p->consts.n; i++)
        *vec_push(p->job, &all) = p->consts.at[i];
    for (size_t i = 0; i < p->states.n; i++)
        *vec_push(p->job, &all) = p->states.at[i];
    for (size_t i = 0; i < p->works.n; i++)
        *vec_push(p->job, &all) = p->works.at[i];
    for (size_t i = 0; i < p->parts.n; i++)
        *vec_push(p->job, &all) = p->parts.at[i];
    for (size_t i = 0; i < all.n; i++) {
        Sym stem = all.at[i]->name;
        bool taken = true;
        for (int n = 1; taken; n++) {
            taken = false;
            for (size_t j = 0; j < i && !taken; j++)
                taken = all.at[j]->name == all.at[i]->name;
            if (taken)
                all.at[i]->name = sym_printf(p->job, "%s_%d", stem, n);
        }
    }
}

Program *lower(Graph *g, Weights *weights, LowerOptions options)
{
    Program *p = job_alloc(g->job, sizeof *p);
    Lower l = { .p = p, .job = g->job, .items = &p->schedule };
    p->job = g->job;
    p->g = g;
    p->name = g->name;
    p->weights = weights;
    p->options = options;
    for (size_t i = 0; i < g->inputs.n; i++) {
        Port *port = &g->inputs.at[i];
        Buffer *b = port->kind == PORT_TENSOR ? buffer_new(&l, port->value, BUFFER_INPUT, false, 0) : NULL;
        if (b)
            b->port = (uint32_t)i;
        if (b)
            port->value->buffer = b;
        *vec_push(p->job, &p->inputs) = b;
    }
    for (size_t i = 0; i < g->outputs.n; i++) {
        Port *port = &g->outputs.at[i];
        Buffer *b = port->kind == PORT_TENSOR ? buffer_new(&l, port->value, BUFFER_OUTPUT, false, 0) : NULL;
        if (b) {
            b->name = sym_printf(p->job, "out_%s", port->name);
            b->port = (uint32_t)i;
        }
        *vec_push(p->job, &p->outputs) = b;
    }
    for (size_t i = 0; i < g->states.n; i++)
        g->states.at[i]->buffer = state_buffer(&l, g->states.at[i]);
    for (size_t i = 0; i < g->effects.n; i++) {
        const Effect *e = &g->effects.at[i];
        const Buffer *b = e->kind == EFFECT_COMMIT ? e->target->buffer : NULL;
        if (b && b->kind == BUFFER_INPUT)
            g->inputs.at[b->port].mutated = true;
    }
    lower_graph(&l, g, p->outputs.at);
    find_together(p);
    number_schedule(p);
    unique_names(p);
    return p;
}
