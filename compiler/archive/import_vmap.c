/* SPDX-License-Identifier: MIT */
/* torch.vmap as undecomposed graphs hold it: the nodes between two markers compute one element of a batch.  They are
 * imported once for each, and what they give is stacked.  See import.h. */
#include "aten.h"
#include "import_parts.h"

enum { MOST_NODES = 100000 };

typedef struct Stacked { /* a result of the batch */
    const char *name;
    int64_t dim;
    Value **part;
} Stacked;

static const Json *argument(Call *c, size_t at, const char *tag)
{
    const Json *a = c->args;
    while (at-- && a)
        a = json_next(a);
    const Json *one = json_first(json_get(a, "arg"));
    if (!tagged(one, tag))
        call_refuse(c, "an argument is not %s", tag);
    return one;
}

static int64_t number(Call *c, size_t at)
{
    return json_int(c->m->job, argument(c, at, "as_int"), c->m->where);
}

static Value *operand(Call *c)
{
    return named_tensor(c, json_need(c->m->job, argument(c, 0, "as_tensor"), "name", c->m->where));
}

static const char *result(Call *c)
{
    const char *names[1] = { "" };
    if (result_names(c->m, c->node, names, 1) != 1)
        call_refuse(c, "it has not one result");
    return names[0];
}

static int dim_of(Call *c, int64_t dim, int rank)
{
    if (dim < -rank || dim >= rank)
        fail_at(c->m->job, EXIT_INPUT, &c->b.origin, "%s: %s: there is no dimension %lld", c->m->where, c->target,
                (long long)dim);
    return (int)(dim < 0 ? dim + rank : dim);
}

static void add_batch_dim(Call *c, int64_t lane, int64_t lanes)
{
    Value *x = operand(c);
    Type t;
    int dim = dim_of(c, number(c, 1), x->type.rank);
    if (!recorded_type(c->m, result(c), &t) || t.rank != x->type.rank - 1 || t.dtype != x->type.dtype)
        fail_at(c->m->job, EXIT_INPUT, &c->b.origin, "%s: %s has another type than its operand", c->m->where, result(c));
    call_guard(c, GUARD_EQ, x->type.dim[dim], k(c, lanes), "the size of the batch");
    entry_tensor(c->m, result(c), pick(c, x, dim, k(c, lane), &t), false)->memory->fixed = true;
}

static Value *stack(Call *c, const Stacked *s, int64_t lanes)
{
    Type t = s->part[0]->type;
    int dim = dim_of(c, s->dim, t.rank + 1);
    if (t.rank == MAX_RANK)
        call_refuse(c, "a result has too many dimensions");
    for (int i = t.rank++; i > dim; i--)
        t.dim[i] = t.dim[i - 1];
    t.dim[dim] = k(c, 1);
    for (int64_t i = 0; i < lanes; i++)
        s->part[i] = build_reshape(&c->b, s->part[i], t.rank, t.dim);
    Attr at = attr_int(c->m->job, "dim", dim);
    return build(&c->b, OP_cat, s->part, (uint32_t)lanes, NULL, &at, 1);
}

static bool is(Call *c, const char *what)
{
    return !strcmp(c->target + strlen("torch._functorch.predispatch."), what);
}

/* From behind the marker to its counterpart, which becomes m->last. */
static size_t import_lane(Import *m, const Json *n, int64_t lane, int64_t lanes, Stacked *out, size_t room)
{
    size_t count = 0;
    for (; n; n = json_next(n)) {
        Call c;
        call_init(m, n, &c);
        bool batch = !strncmp(c.target, "torch._functorch.predispatch.", 29);
        if (batch && is(&c, "_vmap_decrement_nesting")) {
            m->last = n;
            return count;
        }
        if (batch && is(&c, "_add_batch_dim")) {
            add_batch_dim(&c, lane, lanes);
        } else if (batch && is(&c, "_remove_batch_dim")) {
            if (count == room)
                call_refuse(&c, "the batch has more than %zu results", room);
            Stacked *s = &out[count++];
            s->name = result(&c);
            s->dim = number(&c, 3);
            s->part = s->part ? s->part : job_array(m->job, (size_t)lanes, sizeof *s->part);
            s->part[lane] = operand(&c);
        } else {
            n = import_node(m, n);
        }
    }
    fail(m->job, EXIT_INPUT, "%s: a vmap does not end", m->where);
}

void import_vmap(Import *m, const Json *node)
{
    Call c;
    call_init(m, node, &c);
    Stacked out[64] = { { 0 } };
    Scope *outer = m->scope;
    const Json *last = NULL;
    int64_t lanes = number(&c, 0), nodes = (int64_t)json_count(json_get(outer->graph, "nodes"));
    size_t count = 0;
    if (lanes < 1 || lanes > MOST_NODES / (nodes + 1))
        call_refuse(&c, "a batch of %lld is too much to unroll; run_decompositions() before the export", (long long)lanes);
    if (++m->depth > 32)
        fail(m->job, EXIT_INPUT, "%s: regions are nested deeper than 32", m->where);
    for (int64_t i = 0; i < lanes; i++) {
        Scope *inner = m->scope = job_alloc(m->job, sizeof *inner);
        *inner = *outer;
        memset(inner->table, 0, sizeof inner->table);
        inner->outer = outer;
        count = import_lane(m, json_next(node), i, lanes, out, 64);
        last = m->last;
    }
    m->scope = outer;
    m->depth--;
    for (size_t i = 0; i < count; i++)
        entry_tensor(m, out[i].name, stack(&c, &out[i], lanes), false);
    m->last = last;
}

/* What import_lane reads, outside of a batch. */
void import_stray(Import *m, const Json *node)
{
    Call c;
    call_init(m, node, &c);
    call_refuse(&c, "it stands outside of a vmap");
}

/* Markers that say nothing here. */
void import_nothing(Import *m, const Json *node)
{
    (void)m;
    (void)node;
}
