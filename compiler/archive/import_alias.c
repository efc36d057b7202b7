/* SPDX-License-Identifier: MIT */
/* Storage: which names share memory, and what a write to one does to the others.  See import.h. */
#include "aten.h"
#include "import_parts.h"
#include <string.h>

Entry *entry_find(Import *m, const char *name)
{
    size_t at = text_hash(name) % ENTRY_TABLE;
    for (const Scope *s = m->scope; s; s = s->outer)
        for (Entry *e = s->table[at]; e; e = e->next)
            if (!strcmp(e->name, name))
                return e;
    return NULL;
}

Entry *entry_new(Import *m, const char *name, EntryKind kind)
{
    if (entry_find(m, name))
        fail(m->job, EXIT_INPUT, "%s: the name %s is defined twice", m->where, name);
    Entry *e = job_alloc(m->job, sizeof *e), **bucket = &m->scope->table[text_hash(name) % ENTRY_TABLE];
    e->name = sym(m->job, name);
    e->kind = kind;
    e->scope = m->scope;
    e->next = *bucket;
    *bucket = e;
    return e;
}

Entry *entry_tensor(Import *m, const char *name, Value *value, bool placeholder)
{
    Entry *e = entry_new(m, name, ENTRY_TENSOR);
    e->value = value;
    e->memory = job_alloc(m->job, sizeof *e->memory);
    *e->memory = (Memory){ .value = value, .fixed = placeholder && m->scope->g != m->top };
    if (placeholder && value->kind == VALUE_INPUT && !e->memory->fixed)
        e->memory->target = value;
    return e;
}

Entry *entry_alias(Import *m, const char *name, const Entry *of)
{
    Entry *e = entry_new(m, name, of->kind), *next = e->next;
    Sym own = e->name;
    *e = *of;
    e->name = own;
    e->next = next;
    return e;
}

/* The call that made a view once more: nodes from what its base holds now to the view. */
static Value *replay(Import *m, const Entry *e)
{
    Call c;
    Scope *scope = m->scope;
    m->scope = e->scope;
    decode(m, e->call, &c); /* reads its base through entry_read */
    m->scope = scope;
    return c.result[e->result];
}

/* The tensor as it is now: a view of a base that was written is computed again from the base. */
Value *entry_read(Import *m, Entry *e)
{
    if (e->version == e->memory->version)
        return e->value;
    e->value = e->base ? replay(m, e) : e->memory->value;
    e->version = e->memory->version;
    return e->value;
}

static Entry *arg_entry(Call *c, const char *name)
{
    Import *m = c->m;
    const Json *a = arg_json(c, name), *text = tagged(a, "as_tensor") ? json_need(m->job, a, "name", m->where) : NULL;
    Entry *e = text ? entry_find(m, json_string(m->job, text, m->where)) : NULL;
    if (!e || e->kind != ENTRY_TENSOR)
        call_refuse(c, "argument %s is no tensor of this graph", name);
    return e;
}

const Idx *arg_storage_offset(Call *c, const char *name)
{
    Entry *e = arg_entry(c, name);
    const Idx *at = e->base ? recorded_offset(c->m, e->name) : idx_const(c->m->job, 0);
    if (!at)
        call_refuse(c, "where %s begins in memory is not recorded", e->name);
    if (call_new_size(c, &(Type){ DT_i64, 1, { at } }))
        call_refuse(c, "where %s begins in memory is known only during the run", e->name);
    return at;
}

/* Its axes go to the order that they have in memory, slowest first. */
Value *arg_storage(Call *c, const char *name)
{
    Import *m = c->m;
    Entry *e = arg_entry(c, name);
    while (e->base)
        e = e->base;
    Value *v = entry_read(m, e);
    const Idx *stride[MAX_RANK], *step = idx_const(m->job, 1);
    int rank = v->type.rank, order[MAX_RANK];
    bool dense = recorded_strides(m, e->name, stride, rank), taken[MAX_RANK] = { false };
    for (int at = rank; at-- > 0 && dense;) { /* the axis whose stride is the product of the sizes behind it */
        int next = -1;
        for (int i = rank; i-- > 0 && next < 0;)
            if (!taken[i] && (stride[i] == step || idx_is(v->type.dim[i], 1)))
                next = i;
        dense = next >= 0;
        if (!dense)
            break;
        taken[next] = true;
        order[at] = next;
        step = idx_mul(m->job, step, v->type.dim[next]);
    }
    if (!dense && !idx_is(type_count(m->job, &v->type), 0))
        call_refuse(c, "the memory of %s has gaps", e->name);
    v = dense ? build_permute(&c->b, v, order) : v;
    return build_reshape(&c->b, v, 1, (const Idx *[]){ type_count(m->job, &v->type) });
}

/* ---- writes through views --------------------------------------------------------------------------------- */

/* Contents put at the indices of a take, or where a slice reads: sizes agree, no element is named twice. */
static Value *put_back(Call *c, const Node *view, Value *contents)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    Value *x = view->in[0], *in[MAX_RANK + 2] = { x, contents };
    int rank = contents->type.rank;
    uint32_t n = 2;
    VEC(Attr) at = { 0 };
    *vec_push(job, &at) = attr_text(job, "mode", "set");
    if (view->op == OP_take) {
        for (uint32_t i = 1; i < view->in_count; i++)
            in[n++] = view->in[i];
        *vec_push(job, &at) = *node_attr(view, "axes");
        return build(b, OP_put, in, n, NULL, at.at, at.n);
    }
    int64_t axes[MAX_RANK];
    for (int i = 0; i < rank; i++) {
        Value *ix = affine_along(c, contents->type.dim[i], node_idx(view, "starts", (size_t)i),
                                 node_idx(view, "steps", (size_t)i), i, rank);
        axes[i] = i;
        in[n++] = ix;
    }
    *vec_push(job, &at) = attr_ints(job, "axes", axes, (size_t)rank);
    return build(b, OP_put, in, n, NULL, at.at, at.n);
}

/* What the base of one view node becomes when the view gets other contents. */
static Value *unview(Call *c, const Node *view, Value *contents)
{
    Build *b = &c->b;
    Value *x = view->in[0];
    int inverse[MAX_RANK];
    switch (view->op) {
    case OP_reshape: return build_reshape(b, contents, x->type.rank, x->type.dim);
    case OP_permute:
        for (int i = 0; i < x->type.rank; i++)
            inverse[node_int(view, "dims", (size_t)i)] = i;
        return build_permute(b, contents, inverse);
    case OP_bitcast: return build(b, OP_bitcast, &contents, 1, &x->type, NULL, 0);
    case OP_slice:
    case OP_take: return put_back(c, view, contents);
    default: call_refuse(c, "it writes through a view by %s", op_info[view->op].name);
    }
}

Value *view_write(Call *c, Value *view, Value *base, Value *contents)
{
    for (Value *y = view; y != base; y = y->def->in[0]) {
        if (y->kind != VALUE_NODE || !y->def->in_count)
            call_refuse(c, "it writes through a view that cannot be inverted");
        contents = unview(c, y->def, contents);
    }
    return contents;
}

static Value *fit(Call *c, Value *v, const Type *t)
{
    return build_expand(&c->b, build_cast(&c->b, v, t->dtype), t->rank, t->dim);
}

/* A parameter or buffer that is written is state; where it is not known as such, the program is imported again. */
static void note_write(Call *c, Memory *memory)
{
    Import *m = c->m;
    if (memory->fixed)
        call_refuse(c, "it writes into an operand of a region");
    if (memory->target && !memory->version)
        *vec_push(m->job, &m->written) = memory;
    for (size_t i = 0; memory->weight && !memory->target && i < m->options->states.n; i++)
        if (m->options->states.at[i] == memory->weight)
            return;
    if (!memory->weight || memory->target)
        return;
    const Tensor *t = memory->value->tensor;
    for (size_t i = 0; t && i < m->weights.n; i++)
        if (m->weights.at[i].entry->memory != memory && m->weights.at[i].tensor->storage->id == t->storage->id)
            call_refuse(c, "it writes into %s, which shares its memory with %s", memory->weight, m->weights.at[i].name);
    *vec_push(m->job, &m->options->states) = memory->weight;
}

void entry_write(Call *c, Entry *e, Value *v)
{
    Value *old = entry_read(c->m, e);
    v = fit(c, v, &old->type);
    note_write(c, e->memory);
    Value *full = v;
    Entry *owner = e;
    for (; owner->base; owner = owner->base) {
        Value *from = replay(c->m, owner); /* its value may be what was written to it before */
        full = view_write(c, from, entry_read(c->m, owner->base), full);
    }
    e->memory->value = full;
    e->memory->version++;
    owner->value = full;
    owner->version = e->memory->version;
    e->value = v;
    e->version = e->memory->version;
}
