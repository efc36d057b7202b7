/* SPDX-License-Identifier: MIT */
/* Storage: which names share memory, and what a write to one does to the others.  See import.h. */
#include "import_parts.h"
#include <string.h>

Entry *entry_find(Import *m, const char *name)
{
    for (Entry *e = m->scope->table[text_hash(name) % ENTRY_TABLE]; e; e = e->next)
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
    e->next = *bucket;
    *bucket = e;
    return e;
}

Entry *entry_tensor(Import *m, const char *name, Value *value, bool placeholder)
{
    Entry *e = entry_new(m, name, ENTRY_TENSOR);
    e->value = value;
    e->memory = job_alloc(m->job, sizeof *e->memory);
    *e->memory = (Memory){ .value = value, .placeholder = placeholder ? e->name : NULL };
    return e;
}

/* The tensor as it is now: a view of a base that was written is computed again from the base. */
Value *entry_read(Import *m, Entry *e)
{
    if (e->version == e->memory->version)
        return e->value;
    if (e->base) {
        Call c;
        decode(m, e->call, &c); /* reads its base through this function */
        e->value = c.result[e->result];
    } else {
        e->value = e->memory->value;
    }
    e->version = e->memory->version;
    return e->value;
}

/* What the base becomes when the view `y` of `x` (one view node apart) gets the contents `ny`. */
static Value *unview(Call *c, const Node *view, Value *ny)
{
    Build *b = &c->b;
    Value *x = view->in[0];
    if (view->op == OP_reshape)
        return build_reshape(b, ny, x->type.rank, x->type.dim);
    if (view->op == OP_permute) {
        int inverse[MAX_RANK];
        for (int i = 0; i < x->type.rank; i++)
            inverse[node_int(view, "dims", (size_t)i)] = i;
        return build_permute(b, ny, inverse);
    }
    if (view->op == OP_slice) {
        Job *job = c->m->job;
        for (int i = 0; i < x->type.rank; i++)
            if (!idx_is(node_idx(view, "steps", (size_t)i), 1))
                call_refuse(c, "it writes into a slice with a step");
        Attr at[2] = { attr_idx(job, "low", node_attr(view, "starts")->idx, (size_t)x->type.rank),
                       attr_float(job, "value", 0) };
        Type mask = x->type, inner = ny->type;
        mask.dtype = inner.dtype = DT_bool;
        Value *ones = build_expand(b, build_full_int(b, DT_bool, 1), inner.rank, inner.dim);
        Value *where = build(b, OP_pad, &ones, 1, &mask, at, 2);
        return build3(b, OP_where, where, build(b, OP_pad, &ny, 1, &x->type, at, 2), x);
    }
    call_refuse(c, "it writes through a view by %s", op_info[view->op].name);
}

static Value *fit(Call *c, Value *v, const Type *t)
{
    return build_expand(&c->b, build_cast(&c->b, v, t->dtype), t->rank, t->dim);
}

void entry_write(Call *c, Entry *e, Value *v)
{
    Value *old = entry_read(c->m, e);
    v = fit(c, v, &old->type);
    if (e->memory->placeholder)
        call_refuse(c, "it writes into %s, an input, parameter or buffer of the program: state is not supported",
                    e->memory->placeholder);
    Value *full = v;
    Entry *owner = e;
    for (; owner->base; owner = owner->base) {
        Value *from = entry_read(c->m, owner), *base = entry_read(c->m, owner->base);
        for (Value *y = from; y != base; y = y->def->in[0]) {
            if (y->kind != VALUE_NODE || op_info[y->def->op].kind != VIEW || y->def->in_count != 1)
                call_refuse(c, "it writes through a view that cannot be inverted");
            full = unview(c, y->def, full);
        }
    }
    e->memory->value = full;
    e->memory->version++;
    owner->value = full;
    owner->version = e->memory->version;
    e->value = v;
    e->version = e->memory->version;
}
