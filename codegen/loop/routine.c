/* SPDX-License-Identifier: MIT */
/* Operators of kind ROUTINE: one kernel that is nothing but the call of a C function (aotk_routine in
 * codegen/kernels/aotk.h).  Operands and results are dense in row-major order, work space is a work buffer. */
#include "../kernels/aotk.h"
#include "lower.h"
#include <ctype.h>
#include <math.h>
#include <string.h>

_Static_assert(MAX_RANK == sizeof((aotk_operand *)0)->n / sizeof(aotk_i64), "routines know the sizes of every axis");
_Static_assert((int)ROUTINE_MAX == sizeof((aotk_routine *)0)->in / sizeof(aotk_operand), "and all operands");

Sym float_text(Job *job, double v, bool wide)
{
    const char *cast = wide ? "(double)" : "";
    if (isinf(v))
        return sym_printf(job, v > 0 ? "%sAOT_INF" : "-%sAOT_INF", cast);
    return isnan(v) ? sym_printf(job, "%sAOT_NAN", cast) : sym_printf(job, wide ? "%.17e" : "%.9ef", v);
}

/* The operand dense; what is strided or computed gets a buffer of its own first. */
static Affine dense(Lower *l, Value *v)
{
    Affine a;
    if (value_affine(l, v, &a)) {
        const Idx *step = idx_const(l->job, 1);
        bool is = true;
        for (int i = v->type.rank; i-- > 0; step = idx_mul(l->job, step, v->type.dim[i]))
            is &= a.stride[i] == step || idx_is(v->type.dim[i], 1);
        if (is)
            return a;
    }
    Buffer *b = buffer_new(l, v, BUFFER_WORK, false, 0);
    store_value(l, v, b);
    if (!v->buffer)
        v->buffer = b;
    return (Affine){ .buffer = b, .offset = b->offset };
}

static void array(Make *m, Stmt *s, const char *name, const Type *t, Buffer *b, const Idx *offset)
{
    Job *job = m->job;
    *vec_push(job, &s->fields) = (Field){ .name = sym_printf(job, "%s.data", name), .idx = offset, .buffer = b };
    *vec_push(job, &s->fields) = (Field){ .name = sym_printf(job, "%s.rank", name), .idx = idx_const(job, t->rank) };
    Sym dtype = sym_printf(job, "AOTK_%s", dtype_info[t->dtype].name);
    *vec_push(job, &s->fields) = (Field){ .name = sym_printf(job, "%s.dtype", name), .text = dtype };
    for (int i = 0; i < t->rank; i++)
        *vec_push(job, &s->fields) = (Field){ .name = sym_printf(job, "%s.n[%d]", name, i), .idx = t->dim[i] };
}

/* The name of an operator as that of a C function. */
Sym custom_function(Job *job, const char *operator)
{
    char *name = job_copy(job, operator, strlen(operator));
    for (char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p))
            *p = '_';
    return sym(job, name);
}

static void argument_field(Make *m, Stmt *s, int64_t i, const char *field, Field f)
{
    f.name = sym_printf(m->job, "argument[%lld].%s", (long long)i, field);
    *vec_push(m->job, &s->fields) = f;
}

static Field quoted(Job *job, const char *text)
{
    return (Field){ .text = sym_printf(job, "\"%s\"", text) };
}

/* The importer has seen to it that names and texts need no escapes, and to how many there are. */
static void custom_arguments(Make *m, Stmt *s, const Node *n)
{
    Job *job = m->job;
    int64_t count = 0;
    for (size_t i = 0; i < n->attrs.n; i++) {
        const Attr *a = &n->attrs.at[i];
        size_t several = a->kind == ATTR_INTS || a->kind == ATTR_IDX ? a->n : 1;
        for (size_t k = 0; k < several && strcmp(a->name, "operator"); k++, count++) {
            bool whole = a->kind == ATTR_FLOAT && fabs(a->number) < 9e18;
            argument_field(m, s, count, "name", quoted(job, a->name));
            if (a->kind == ATTR_TEXT)
                argument_field(m, s, count, "text", quoted(job, a->text));
            if (a->kind == ATTR_INTS || a->kind == ATTR_IDX || whole)
                argument_field(m, s, count, "integer",
                               (Field){ .idx = whole ? idx_const(job, (int64_t)a->number) : a->idx[k] });
            if (a->kind == ATTR_FLOAT)
                argument_field(m, s, count, "number", (Field){ .text = float_text(job, a->number, true) });
            else if (a->kind != ATTR_TEXT)
                argument_field(m, s, count, "number", (Field){ .idx = a->idx[k] });
        }
    }
    const int64_t counts[3] = { n->in_count, n->out_count, count };
    static const char *const names[] = { "in_count", "out_count", "argument_count" };
    for (int i = 0; i < 3; i++)
        *vec_push(job, &s->fields) = (Field){ .name = sym(job, names[i]), .idx = idx_const(job, counts[i]) };
    Sym function = custom_function(job, node_text(n, "operator"));
    *vec_push(job, &s->fields) = (Field){ .name = sym(job, "function"), .text = function };
}

void lower_routine(Lower *l, Node *n, Buffer *const *out)
{
    const Routine *r = routine_of(n->op);
    Job *job = l->job;
    bool custom = n->op == OP_custom;
    Affine in[ROUTINE_MAX];
    for (uint32_t i = 0; i < n->in_count; i++)
        in[i] = dense(l, n->in[i]);
    Make *m = make_kernel(l, n->out[0]->name, &n->origin);
    m->k->about = sym_printf(job, "%s of %s", op_info[n->op].name, type_text(job, &n->in[0]->type));
    Stmt *s = stmt_add(job, m->block[0], S_CALL);
    s->var = custom ? sym(job, "aot_call_operator") : sym_printf(job, "aotk_%s", op_info[n->op].name);
    s->text = sym(job, custom ? "aot_custom" : "aotk_routine");
    for (uint32_t i = 0; i < n->in_count; i++)
        array(m, s, job_printf(job, "in[%u]", i), &n->in[i]->type, in[i].buffer, in[i].offset);
    for (uint32_t i = 0; i < n->out_count; i++)
        array(m, s, job_printf(job, "out[%u]", i), &n->out[i]->type, out[i], out[i]->offset);
    const Attr *a;
    for (int i = 0; i < ROUTINE_MAX && (a = routine_attr(n, r, (size_t)i)); i++) {
        Field f = { .name = sym_printf(job, a->kind == ATTR_FLOAT ? "number[%d]" : "attr[%d]", i) };
        if (a->kind == ATTR_FLOAT)
            f.text = float_text(job, a->number, true);
        else
            f.idx = a->idx[0];
        *vec_push(job, &s->fields) = f;
    }
    if (custom)
        custom_arguments(m, s, n);
    const Idx *room = r->scratch ? r->scratch(job, n) : NULL;
    bool shared = r->shared && !(room && idx_is_late(room)); /* memory that the run asks for is one task's */
    if (room) {
        Value v = { .name = sym_printf(job, "%s_scratch", n->out[0]->name), .type = { DT_u8, 1, { room } } };
        Buffer *work = buffer_new(l, &v, BUFFER_WORK, false, 0);
        work->scratch = shared;
        *vec_push(job, &s->fields) = (Field){ .name = sym(job, "work"), .idx = idx_const(job, 0), .buffer = work };
    }
    if (shared)
        *vec_push(job, &s->fields) = (Field){ .name = sym(job, "tasks"), .idx = idx_const(job, 1) };
    finish_kernel(m);
}
