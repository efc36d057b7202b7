/* SPDX-License-Identifier: MIT */
/* Text to Program: what print.c writes, line by line; the grammar is in docs/loop-ir.md.  A variable of the text is
 * one expression node; a loop or checked variable is also a symbol of the job, under another name where the job has
 * one of that name already, so that texts of several kernels may all say `i`. */
#include "../../compiler/graph/words.h"
#include "loop.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct Variable {
    Sym name;          /* in the text */
    X *x;              /* X_VAR */
    const Idx *symbol; /* of a loop, or of a checked value; else NULL */
    Stmt *from;
} Variable;

typedef struct Steps { /* as the text says; compared with the schedule at the end */
    Buffer *b;
    int64_t first, last;
    int line;
} Steps;

typedef struct Parser {
    Lex s;
    Program *p;
    Kernel *k;
    VEC(Variable) scope;
    size_t hidden; /* variables at the start of scope that are not seen now */
    VEC(Buffer *) buffers;
    VEC(Steps) steps;
    int depth;
} Parser;

static _Noreturn void fault_at(Parser *t, const char *at, const char *expected)
{
    lex_fault_at(&t->s, at, expected);
}

static const char *here(Parser *t)
{
    lex_blanks(&t->s);
    return t->s.p;
}

static void enter(Parser *t, int limit)
{
    if (++t->depth > limit)
        lex_fault(&t->s, "less nesting");
}

/* ---- buffers ------------------------------------------------------------------------------------------------- */

static Buffer *find_buffer(Parser *t, Sym name)
{
    for (size_t i = t->buffers.n; i-- > 0;)
        if (t->buffers.at[i]->name == name)
            return t->buffers.at[i];
    return NULL;
}

static bool listed(Buffer *const *at, size_t n, const Buffer *b)
{
    for (size_t i = 0; i < n; i++)
        if (at[i] == b)
            return true;
    return false;
}

static Buffer *new_buffer(Parser *t, BufferKind kind)
{
    const char *at = here(t);
    Sym name = lex_name(&t->s);
    if (find_buffer(t, name))
        fault_at(t, at, "a name that no buffer has yet");
    Buffer *b = job_alloc(t->s.job, sizeof *b);
    b->name = name;
    b->kind = kind;
    b->first = b->last = -1;
    *vec_push(t->s.job, &t->buffers) = b;
    lex_need(&t->s, ":");
    return b;
}

static void layout(Parser *t, Buffer *b)
{
    Lex *s = &t->s;
    Type type = lex_type(s);
    b->dtype = type.dtype;
    b->rank = type.rank;
    memcpy(b->dim, type.dim, sizeof type.dim);
    lex_need(s, "strides");
    const char *at = here(t);
    if (lex_idx_list(s, b->stride, MAX_RANK) != b->rank)
        fault_at(t, at, "one stride for each dimension");
    b->offset = lex_take(s, "offset") ? lex_idx(s) : idx_const(s->job, 0);
    b->elements = lex_take(s, "elements") ? lex_idx(s) : type_count(s->job, &type);
    b->bytes = idx_mulk(s->job, b->elements, dtype_info[b->dtype].bytes);
    if (lex_take(s, "halo")) {
        lex_need(s, "[");
        for (int i = 0; i < b->rank; i++) {
            if (i)
                lex_need(s, ",");
            b->halo[i] = lex_int(s);
        }
        lex_need(s, "]");
    }
    b->channels_last = lex_take(s, "channels_last");
}

static void about(Parser *t, Buffer *b)
{
    lex_blanks(&t->s);
    if (*t->s.p == '"')
        b->about = lex_quoted(&t->s);
}

static void constant(Parser *t)
{
    Lex *s = &t->s;
    Buffer *b = new_buffer(t, BUFFER_CONST);
    layout(t, b);
    lex_need(s, "weight");
    const char *at = here(t);
    int64_t offset = lex_int(s), bytes = 0, end = 0;
    if (offset < 0 || !idx_is_const(b->bytes, &bytes) || bytes < 0 || !add_i64(offset, bytes, &end))
        fault_at(t, at, "a place in the weights");
    b->weight = (uint64_t)offset;
    if (t->p->weights->bytes < (uint64_t)end)
        t->p->weights->bytes = (uint64_t)end;
    about(t, b);
    *vec_push(s->job, &t->p->consts) = b;
}

/* State in a text begins with zeros. */
static void state(Parser *t)
{
    Lex *s = &t->s;
    Weights *w = t->p->weights;
    Buffer *b = new_buffer(t, BUFFER_STATE);
    layout(t, b);
    lex_need(s, "at");
    const char *at = here(t);
    int64_t offset = lex_int(s), bytes = 0, end = 0;
    if (offset < 0 || offset % 64 || !idx_is_const(b->bytes, &bytes) || bytes < 0 || !add_i64(offset, bytes, &end))
        fault_at(t, at, "a place in the state");
    b->weight = (uint64_t)offset;
    about(t, b);
    *vec_push(s->job, &w->states) =
        (StateSlot){ b->about ? b->about : b->name, (uint64_t)offset, (uint64_t)bytes, NULL, NO_WEIGHT, NULL, b->dtype };
    if (w->state_bytes < (uint64_t)end)
        w->state_bytes = (uint64_t)end;
    *vec_push(s->job, &t->p->states) = b;
}

static void work(Parser *t, bool scratch)
{
    Lex *s = &t->s;
    Buffer *b = new_buffer(t, BUFFER_WORK);
    b->scratch = scratch;
    layout(t, b);
    if (lex_take(s, "steps")) {
        Steps *steps = vec_push(s->job, &t->steps);
        *steps = (Steps){ .b = b, .line = s->line };
        steps->first = lex_int(s);
        lex_need(s, "..");
        steps->last = lex_int(s);
    }
    if (lex_take(s, "at"))
        b->at = lex_idx(s);
    about(t, b);
    *vec_push(s->job, &t->p->works) = b;
}

static void port(Parser *t, bool input)
{
    Lex *s = &t->s;
    Graph *g = t->p->g;
    Port p = { .name = lex_name(s) };
    Buffer *b = NULL;
    lex_need(s, "=");
    if (!lex_number_port(s, &p)) {
        b = new_buffer(t, input ? BUFFER_INPUT : BUFFER_OUTPUT);
        b->port = (uint32_t)(input ? g->inputs.n : g->outputs.n);
        layout(t, b);
        p.kind = PORT_TENSOR;
        p.value = job_alloc(s->job, sizeof *p.value);
        *p.value =
            (Value){ .name = b->name, .kind = VALUE_INPUT, .type = type_make(b->dtype, b->rank, b->dim), .buffer = b };
    }
    lex_port_kind(s, &p);
    p.mutated = input && b && lex_take(s, "mutated");
    if (input) {
        *vec_push(s->job, &g->inputs) = p;
        *vec_push(s->job, &t->p->inputs) = b;
    } else {
        *vec_push(s->job, &g->outputs) = p;
        *vec_push(s->job, &t->p->outputs) = b;
    }
}

/* A buffer that the kernel declares. */
static Buffer *used_buffer(Parser *t, const char *at, Sym name, bool write)
{
    Buffer *b = find_buffer(t, name);
    if (!b)
        fault_at(t, at, "a buffer");
    bool writes = listed(t->k->writes.at, t->k->writes.n, b);
    if (!writes && (write || !listed(t->k->reads.at, t->k->reads.n, b)))
        fault_at(t, at, write ? "a buffer of the kernel's `writes`" : "a buffer of the kernel's `reads` or `writes`");
    return b;
}

/* ---- variables ------------------------------------------------------------------------------------------------- */

static Variable *find_variable(Parser *t, Sym name)
{
    for (size_t i = t->scope.n; i-- > t->hidden;)
        if (t->scope.at[i].name == name)
            return &t->scope.at[i];
    return NULL;
}

static const Idx *find_symbol(void *ctx, Sym name)
{
    Variable *v = find_variable(ctx, name);
    return v ? v->symbol : NULL;
}

static Sym new_name(Parser *t)
{
    const char *at = here(t);
    Sym name = lex_name(&t->s);
    bool plain = *at != '"' && !isdigit((unsigned char)*name) && !strchr(name, '.');
    if (!plain || find_variable(t, name) || strlen(name) > 60)
        fault_at(t, at, "a name that no variable here has, of letters, digits and _");
    return name;
}

/* The symbol for a variable below `extent`: of that name, unless the job has another one called so. */
static const Idx *new_symbol(Parser *t, Sym name, const Idx *extent)
{
    Job *job = t->s.job;
    const Idx *have = idx_find(job, name);
    bool open = false;
    for (size_t i = 0; i < t->scope.n; i++)
        open |= have && t->scope.at[i].symbol == have;
    if (!have || (have->extent == extent && !open))
        return idx_var(job, name, extent);
    size_t n = strlen(name);
    while (n > 1 && isdigit((unsigned char)name[n - 1]))
        n--;
    return idx_var(job, idx_fresh(job, job_printf(job, "%.*s", (int)n, name)), extent);
}

static void declare(Parser *t, Sym name, DType d, const Idx *symbol, Stmt *from)
{
    X *x = job_alloc(t->s.job, sizeof *x);
    *x = (X){ .kind = X_VAR, .dtype = d, .var = from->var };
    *vec_push(t->s.job, &t->scope) = (Variable){ name, x, symbol, from };
}

/* ---- expressions ----------------------------------------------------------------------------------------------- */

static X *expression(Parser *t);

static X *new_x(Parser *t, XKind kind, DType d)
{
    X *x = job_alloc(t->s.job, sizeof *x);
    x->kind = kind;
    x->dtype = d;
    return x;
}

/* "1.5:f32", "-3:i64", "inf:f64". */
static X *number(Parser *t)
{
    Lex *s = &t->s;
    const char *start = here(t);
    double v = lex_double(s);
    const char *end = s->p;
    lex_need(s, ":");
    X *x = new_x(t, X_NUM, lex_dtype(s));
    const char *after = s->p;
    if (dtype_is_float(x->dtype)) {
        x->number = v;
        return x;
    }
    s->p = start;
    x->integer = lex_int(s);
    if (s->p != end)
        fault_at(t, start, "an integer");
    s->p = after;
    return x;
}

static X *load(Parser *t, const char *at, Sym name)
{
    Lex *s = &t->s;
    Buffer *b = used_buffer(t, at, name, false);
    X *x = new_x(t, X_LOAD, b->dtype);
    x->buffer = b;
    lex_need(s, "[");
    x->idx = lex_idx(s);
    lex_need(s, "]");
    if (lex_take(s, "if")) {
        x->n = 1;
        x->arg[0] = expression(t);
    }
    return x;
}

/* The operator and type of "add.f32(", whose name is read. */
static void operator(Parser *t, const char *at, Sym name, Op *op, DType *d)
{
    const char *dot = strrchr(name, '.');
    *op = dot ? op_from_name(job_copy(t->s.job, name, (size_t)(dot - name))) : OP_COUNT;
    *d = dot ? dtype_from_name(dot + 1) : DT_NONE;
    if (*op == OP_COUNT || op_info[*op].kind != POINTWISE || *d == DT_NONE)
        fault_at(t, at, "a pointwise operator with its type, as add.f32");
    lex_need(&t->s, "(");
}

static X *operation(Parser *t, const char *at, Sym name)
{
    Op op;
    DType d;
    operator(t, at, name, &op, &d);
    X *x = new_x(t, X_OP, d);
    x->op = op;
    t->k->special |= op_is_special(op);
    while (!lex_take(&t->s, ")")) {
        if (x->n)
            lex_need(&t->s, ",");
        if (x->n == (uint32_t)op_info[op].inputs)
            lex_fault(&t->s, "fewer operands");
        x->arg[x->n++] = expression(t);
    }
    if (x->n != (uint32_t)op_info[op].inputs)
        fault_at(t, at, "as many operands as the operator has");
    return x;
}

static X *expression(Parser *t)
{
    Lex *s = &t->s;
    const char *at = here(t);
    X *x;
    enter(t, LEX_DEPTH);
    if (lex_take(s, "[")) {
        x = new_x(t, X_IDX, DT_i64);
        x->idx = lex_idx(s);
        lex_need(s, "]");
        t->depth--;
        return x;
    }
    size_t run = strspn(at, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.");
    bool starts_number = isdigit((unsigned char)*at) || *at == '-' || lex_at(s, "inf") || lex_at(s, "nan");
    if (starts_number && (!run || at[run] != '[')) {
        x = number(t);
    } else {
        Sym name = lex_name(s);
        Variable *v = find_variable(t, name);
        if (*s->p == '(')
            x = operation(t, at, name);
        else if (*s->p == '[')
            x = load(t, at, name);
        else if (v)
            x = v->x;
        else
            fault_at(t, at, "an expression");
    }
    t->depth--;
    return x;
}

/* ---- statements ------------------------------------------------------------------------------------------------- */

static void block(Parser *t, Block *b);

static void loop(Parser *t, Block *b)
{
    Lex *s = &t->s;
    Stmt *st = stmt_add(s->job, b, S_FOR);
    Sym name = new_name(t);
    lex_need(s, "<");
    st->extent = lex_idx(s);
    const Idx *symbol = new_symbol(t, name, st->extent);
    st->var = symbol->sym;
    st->apart = lex_take(s, "apart");
    lex_end_line(s);
    size_t mark = t->scope.n;
    declare(t, name, DT_i64, symbol, st);
    enter(t, 40);
    block(t, &st->body);
    t->depth--;
    t->scope.n = mark;
    lex_need(s, "end");
}

static void definition(Parser *t, Block *b, StmtKind kind)
{
    Lex *s = &t->s;
    Sym name = new_name(t);
    lex_need(s, ":");
    Stmt *st = stmt_add(s->job, b, kind);
    st->var = name;
    st->dtype = lex_dtype(s);
    lex_need(s, "=");
    st->x = expression(t);
    declare(t, name, st->dtype, NULL, st);
}

/* `known`: without the check. */
static void check(Parser *t, Block *b, bool known)
{
    Lex *s = &t->s;
    const char *at = here(t);
    Variable *v = find_variable(t, lex_name(s));
    if (!v || v->from->kind != S_LET || v->symbol)
        fault_at(t, at, "the variable of a let that is not checked yet");
    Stmt *st = stmt_add(s->job, b, S_CHECK);
    lex_need(s, "<");
    st->extent = lex_idx(s);
    st->text = known ? NULL : lex_quoted(s);
    st->x = v->x;
    v->symbol = new_symbol(t, v->name, st->extent);
    v->from->var = v->x->var = v->symbol->sym;
    t->k->checks |= !known;
}

static void assertion(Parser *t, Block *b)
{
    Stmt *st = stmt_add(t->s.job, b, S_ASSERT);
    st->x = expression(t);
    st->text = lex_quoted(&t->s);
    t->k->checks = true;
}

static Sym field_name(Parser *t)
{
    Lex *s = &t->s;
    const char *start = here(t);
    while (isalnum((unsigned char)*s->p) || *s->p == '_')
        s->p++;
    for (const char *end; s->p > start && *s->p == '['; s->p = end) { /* "n[0]", "in[0].data", "in[0].n[1]" */
        end = s->p + 1 + strspn(s->p + 1, "0123456789");
        if (end == s->p + 1 || *end++ != ']')
            break;
        if (*end == '.' && isalpha((unsigned char)end[1]))
            while (isalnum((unsigned char)*++end) || *end == '_')
                ;
    }
    if (s->p == start || isdigit((unsigned char)*start))
        lex_fault(s, "the name of a field");
    return sym_n(s->job, start, (size_t)(s->p - start));
}

static Field field(Parser *t)
{
    Lex *s = &t->s;
    Field f = { .name = field_name(t) };
    lex_need(s, "=");
    lex_blanks(s);
    if (*s->p == '"') {
        f.text = lex_quoted(s);
        return f;
    }
    if (lex_take(s, "@")) {
        const char *at = s->p;
        f.buffer = used_buffer(t, at, lex_name(s), false);
        f.idx = idx_const(s->job, 0);
        if (!lex_take(s, "+"))
            return f;
    }
    f.idx = lex_idx(s);
    return f;
}

static Sym c_word(Parser *t)
{
    const char *at = here(t);
    Sym name = lex_name(&t->s);
    if (*at == '"' || isdigit((unsigned char)*name) || strchr(name, '.'))
        fault_at(t, at, "a name of C");
    return name;
}

static void call(Parser *t, Block *b)
{
    Lex *s = &t->s;
    Stmt *st = stmt_add(s->job, b, S_CALL);
    st->var = c_word(t);
    if (!lex_at(s, "("))
        st->text = c_word(t);
    lex_need(s, "(");
    while (!lex_take(s, ")")) {
        if (st->fields.n)
            lex_need(s, ",");
        *vec_push(s->job, &st->fields) = field(t);
    }
    t->k->checks |= call_may_fail(st);
    t->k->features |= call_asks_features(st);
}

static void store_or_update(Parser *t, Block *b)
{
    Lex *s = &t->s;
    const char *at = here(t);
    Sym name = lex_name(s);
    if (*s->p == '[') {
        Stmt *st = stmt_add(s->job, b, S_STORE);
        st->buffer = used_buffer(t, at, name, true);
        st->dtype = st->buffer->dtype;
        lex_need(s, "[");
        st->idx = lex_idx(s);
        lex_need(s, "]");
        at = here(t);
        st->update = !lex_at(s, "=");
        st->op = st->update ? op_from_name(lex_name(s)) : OP_COUNT;
        if (st->update && (st->op == OP_COUNT || op_info[st->op].kind != POINTWISE || op_info[st->op].inputs != 2))
            fault_at(t, at, "an operator with two operands");
        lex_need(s, "=");
        st->x = expression(t);
        return;
    }
    Variable *v = find_variable(t, name);
    if (!v || v->from->kind != S_ACC)
        fault_at(t, at, "a statement");
    Stmt *st = stmt_add(s->job, b, S_UPDATE);
    st->var = v->x->var;
    lex_need(s, "=");
    at = here(t);
    operator(t, at, lex_name(s), &st->op, &st->dtype);
    if (op_info[st->op].inputs != 2 || st->dtype != v->x->dtype)
        fault_at(t, at, "an operator with two operands and the accumulator's type");
    at = here(t);
    if (lex_name(s) != name)
        fault_at(t, at, "the accumulator again");
    lex_need(s, ",");
    st->x = expression(t);
    lex_need(s, ")");
}

/* The word at the start of a statement; not a variable of that name ("acc = ..."). */
static bool take_word(Parser *t, const char *word)
{
    const char *before = here(t);
    if (!lex_take(&t->s, word))
        return false;
    lex_blanks(&t->s);
    if (*t->s.p != '=')
        return true;
    t->s.p = before;
    return false;
}

static void block(Parser *t, Block *b)
{
    Lex *s = &t->s;
    size_t mark = t->scope.n;
    while (!lex_at(s, "end")) {
        if (take_word(t, "for"))
            loop(t, b);
        else if (take_word(t, "let"))
            definition(t, b, S_LET);
        else if (take_word(t, "acc"))
            definition(t, b, S_ACC);
        else if (take_word(t, "known"))
            check(t, b, true);
        else if (take_word(t, "check"))
            check(t, b, false);
        else if (take_word(t, "assert"))
            assertion(t, b);
        else if (take_word(t, "call"))
            call(t, b);
        else
            store_or_update(t, b);
        lex_end_line(s);
    }
    t->scope.n = mark;
}

/* ---- the schedule ------------------------------------------------------------------------------------------------ */

static void uses(Parser *t, bool write)
{
    do {
        const char *at = here(t);
        Buffer *b = find_buffer(t, lex_name(&t->s));
        if (!b || listed(t->k->reads.at, t->k->reads.n, b) || listed(t->k->writes.at, t->k->writes.n, b))
            fault_at(t, at, "a buffer, each once");
        bool fixed = b->kind == BUFFER_CONST || (b->kind == BUFFER_INPUT && !t->p->g->inputs.at[b->port].mutated);
        if (write && fixed)
            fault_at(t, at, "a buffer that may be written");
        if (write)
            *vec_push(t->s.job, &t->k->writes) = b;
        else
            *vec_push(t->s.job, &t->k->reads) = b;
    } while (lex_take(&t->s, ","));
    lex_end_line(&t->s);
}

static Kernel *kernel(Parser *t)
{
    Lex *s = &t->s;
    Kernel *k = t->k = job_alloc(s->job, sizeof *k);
    k->name = lex_name(s);
    lex_blanks(s);
    if (*s->p == '"')
        k->about = lex_quoted(s);
    lex_origin(s, &k->origin);
    lex_end_line(s);
    if (lex_take(s, "reads"))
        uses(t, false);
    if (lex_take(s, "writes"))
        uses(t, true);
    size_t loops = t->hidden;
    t->hidden = t->scope.n; /* a kernel sees no variable of the schedule */
    block(t, &k->body);
    t->hidden = loops;
    kernel_split(s->job, k);
    *vec_push(s->job, &t->p->kernels) = k;
    return k;
}

static void items(Parser *t, Items *to);

static void condition(Parser *t, Item *item)
{
    Lex *s = &t->s;
    const char *at = here(t);
    item->condition = find_buffer(t, lex_name(s));
    if (!item->condition)
        fault_at(t, at, "a buffer");
    lex_end_line(s);
    enter(t, 32);
    items(t, &item->then);
    lex_need(s, "else");
    lex_end_line(s);
    items(t, &item->otherwise);
    t->depth--;
}

static void together(Parser *t, Item *item)
{
    const char *at = here(t);
    lex_end_line(&t->s);
    enter(t, 32);
    items(t, &item->together);
    if (!may_run_together(t->s.job, &item->together))
        fault_at(t, at, "loops that cannot fail and need nothing of each other");
    t->depth--;
}

static Buffer *carried_buffer(Parser *t)
{
    const char *at = here(t);
    Buffer *b = find_buffer(t, lex_name(&t->s));
    if (!b || b->kind != BUFFER_WORK)
        fault_at(t, at, "a work buffer");
    return b;
}

static Buffer *part(Parser *t)
{
    Lex *s = &t->s;
    Buffer *b = new_buffer(t, BUFFER_PART);
    layout(t, b);
    lex_need(s, "of");
    const char *at = here(t);
    b->whole = find_buffer(t, lex_name(s));
    if (!b->whole || b->whole == b || b->whole->dtype != b->dtype)
        fault_at(t, at, "a buffer of the same type");
    lex_need(s, "from");
    b->start = lex_idx(s);
    *vec_push(s->job, &t->p->parts) = b;
    return b;
}

/* What is only seen in the body of a loop: its variable, which kernels do not see, and its parts. */
static void loop_body(Parser *t, Loop *loop)
{
    Lex *s = &t->s;
    for (;; lex_end_line(s))
        if (lex_take(s, "part")) {
            *vec_push(s->job, &loop->parts) = part(t);
        } else if (lex_take(s, "carry")) {
            Buffer *now = carried_buffer(t);
            lex_need(s, ",");
            *vec_push(s->job, &loop->carried) = (Carry){ now, carried_buffer(t) };
        } else {
            break;
        }
    items(t, &loop->body);
}

static Loop *repetition(Parser *t, bool counted)
{
    Lex *s = &t->s;
    Loop *loop = job_alloc(s->job, sizeof *loop);
    size_t mark = t->scope.n, buffers = t->buffers.n;
    enter(t, 32);
    if (counted) {
        Stmt *from = job_alloc(s->job, sizeof *from);
        Sym name = new_name(t);
        lex_need(s, "<");
        loop->extent = lex_idx(s);
        const Idx *symbol = new_symbol(t, name, loop->extent);
        *from = (Stmt){ .kind = S_FOR, .var = symbol->sym };
        loop->var = symbol->sym;
        declare(t, name, DT_i64, symbol, from);
        lex_end_line(s);
    } else {
        const char *at = here(t);
        loop->condition = find_buffer(t, lex_name(s));
        if (!loop->condition || loop->condition->dtype != DT_bool)
            fault_at(t, at, "a buffer with one bool");
        lex_end_line(s);
        items(t, &loop->test);
        lex_need(s, "do");
        lex_end_line(s);
    }
    loop_body(t, loop);
    t->scope.n = mark;
    t->buffers.n = buffers;
    t->depth--;
    return loop;
}

/* size s0*u0 = count "model.py:3" */
static void size_item(Parser *t, Item *item)
{
    Lex *s = &t->s;
    item->size = lex_idx(s);
    lex_need(s, "=");
    const char *at = here(t);
    item->found = find_buffer(t, lex_name(s));
    if (!item->found || item->found->dtype != DT_i64 || item->found->rank)
        fault_at(t, at, "a buffer of one i64");
    lex_blanks(s);
    item->about = *s->p == '"' ? lex_quoted(s) : sym(s->job, "");
}

static bool begins_item(Lex *s)
{
    static const char *const words[] = { "kernel", "size", "if", "loop", "while", "together" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (lex_at(s, words[i]))
            return true;
    return false;
}

static void items(Parser *t, Items *to)
{
    Lex *s = &t->s;
    while (!lex_at(s, "end") && !lex_at(s, "else") && !lex_at(s, "do")) {
        Item *item = job_alloc(s->job, sizeof *item);
        if (lex_take(s, "kernel"))
            item->kernel = kernel(t);
        else if (lex_take(s, "if"))
            condition(t, item);
        else if (lex_take(s, "loop"))
            item->loop = repetition(t, true);
        else if (lex_take(s, "while"))
            item->loop = repetition(t, false);
        else if (lex_take(s, "together"))
            together(t, item);
        else if (lex_take(s, "size"))
            size_item(t, item);
        else
            lex_fault(s, "kernel, size, if, loop, while, together or end");
        if (!item->size)
            lex_need(s, "end");
        lex_end_line(s);
        *(to->last ? &to->last->next : &to->first) = item;
        to->last = item;
    }
}

/* ---- the program ---------------------------------------------------------------------------------------------- */

static void finish(Parser *t)
{
    Lex *s = &t->s;
    Program *p = t->p;
    number_schedule(p);
    for (size_t i = 0; i < t->steps.n; i++) {
        const Steps *x = &t->steps.at[i];
        if (x->first != x->b->first || x->last != x->b->last)
            fail(s->job, EXIT_INPUT, "%s:%d: expected steps %d..%d of %s by the schedule; found %lld..%lld", s->where,
                 x->line, x->b->first, x->b->last, x->b->name, (long long)x->first, (long long)x->last);
    }
    for (size_t i = 0; i < p->works.n; i++)
        if ((p->workspace && p->works.at[i]->first >= 0 && buffer_room(s->job, p->works.at[i])) !=
            (p->works.at[i]->at != NULL))
            fail(s->job, EXIT_INPUT, "%s:%d: expected a place of %s exactly when there is a workspace; found %s",
                 s->where, s->line, p->works.at[i]->name, p->workspace ? "none" : "one");
}

static void head_line(Parser *t)
{
    Lex *s = &t->s;
    Graph *g = t->p->g;
    if (lex_take(s, "sym"))
        *vec_push(s->job, &g->symbols) = lex_symbol(s);
    else if (lex_take(s, "guard"))
        *vec_push(s->job, &g->guards) = lex_guard(s);
    else if (lex_take(s, "input"))
        port(t, true);
    else if (lex_take(s, "output"))
        port(t, false);
    else if (lex_take(s, "const"))
        constant(t);
    else if (lex_take(s, "work"))
        work(t, false);
    else if (lex_take(s, "scratch"))
        work(t, true);
    else if (lex_take(s, "part"))
        *vec_push(s->job, &t->p->fixed) = part(t);
    else if (lex_take(s, "state"))
        state(t);
    else if (lex_take(s, "workspace")) {
        t->p->workspace = lex_idx(s);
        t->p->scratch_bytes = lex_take(s, "scratch") ? lex_idx(s) : idx_const(s->job, 0);
    }
    else
        lex_fault(s, "sym, guard, input, output, const, state, work, scratch, part, workspace, kernel, size, if, loop, while, together or end");
    lex_end_line(s);
}

Program *program_parse(Job *job, const char *where, const char *text, Weights *weights)
{
    Parser t = { .s = { .job = job, .where = where, .p = text, .line = 1, .find = find_symbol } };
    Lex *s = &t.s;
    s->ctx = &t;
    if (*s->p == ';' || *s->p == '\n' || *s->p == ' ')
        lex_end_line(s);
    lex_need(s, "program");
    Program *p = t.p = job_alloc(job, sizeof *p);
    p->job = job;
    p->name = lex_name(s);
    p->g = graph_new(job, p->name);
    p->weights = weights;
    lex_end_line(s);
    while (!begins_item(s) && !lex_at(s, "end"))
        head_line(&t);
    items(&t, &p->schedule);
    lex_need(s, "end");
    lex_end_line(s);
    if (*s->p)
        lex_fault(s, "the end of the text");
    finish(&t);
    return p;
}
