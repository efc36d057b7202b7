/* SPDX-License-Identifier: MIT */
/* One kernel as a C function: comment, signature, loops, expressions with the fewest parentheses. */
#include "emit.h"
#include <ctype.h>
#include <math.h>
#include <string.h>

typedef struct Rename {
    Sym from, to;
} Rename;

typedef struct BufferName {
    const Buffer *b;
    Sym name;
} BufferName;

typedef struct Emit {
    Text *out;
    Job *job;
    const Program *p;
    const char *method; /* its name in C */
    const Kernel *k;
    VEC(Rename) names; /* of loop variables, accumulators and index variables: short inside this kernel */
    VEC(BufferName) buffers;
    int depth;
} Emit;

/* ---- names --------------------------------------------------------------------------------------------------- */

static bool reserved(const char *s)
{
    static const char *const words[] = {
        "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum", "extern", "float",
        "for", "goto", "if", "inline", "int", "long", "register", "restrict", "return", "short", "signed", "sizeof",
        "static", "struct", "switch", "typedef", "union", "unsigned", "void", "volatile", "while", "asm", "typeof",
        "f32", "f64", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "call", "main", "memcpy", "memset", "memmove",
        "memcmp", "NULL", "status", "sizes", "work", "weights", "task", "tasks", "features", "args", "worker", "linux", "unix" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(words[i], s))
            return true;
    return !strncmp(s, "aot_", 4) || !strncmp(s, "AOT", 3) || !strncmp(s, "__", 2);
}

const char *c_name(Job *job, const char *name)
{
    Text t;
    text_init(&t, job);
    if (!isalpha((unsigned char)*name) && *name != '_')
        text_put(&t, "_", 1);
    for (const char *p = name; *p && t.n < 60; p++)
        text_put(&t, isalnum((unsigned char)*p) ? p : "_", 1);
    bool temporary = (t.at[0] == 't' || t.at[0] == 's') && isdigit((unsigned char)t.at[1]);
    if (reserved(t.at) || temporary || t.n == 1)
        text_add(&t, "_");
    return t.at;
}

const char *kernel_c_name(Job *job, const char *method, const Kernel *k, int number)
{
    return job_printf(job, "%s_k%d_%s", method, number, c_name(job, k->name));
}

static bool is_among(const char *name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

const char *const *method_names(const Artifact *a, const char *(*plain)(Job *job, const char *name))
{
    const char **names = job_array(a->job, a->program_count, sizeof *names);
    for (size_t i = 0; i < a->program_count; i++) {
        const char *stem = plain(a->job, a->programs[i]->name);
        names[i] = stem;
        for (int n = 2; is_among(names[i], names, i); n++)
            names[i] = job_printf(a->job, "%s_%d", stem, n);
    }
    return names;
}

static Sym renamed(Emit *e, Sym from)
{
    for (size_t i = e->names.n; i-- > 0;)
        if (e->names.at[i].from == from)
            return e->names.at[i].to;
    return from;
}

static const char *rename_idx(void *ctx, Sym name)
{
    return renamed(ctx, name);
}

/* A short name for a variable: its stem, with a number if that is taken in this kernel. */
static Sym give_name(Emit *e, Sym from)
{
    size_t n = strlen(from);
    while (n && isdigit((unsigned char)from[n - 1]))
        n--;
    for (int i = 1;; i++) {
        Sym to = i == 1 ? sym_n(e->job, from, n) : sym_printf(e->job, "%.*s%d", (int)n, from, i);
        bool taken = false;
        for (size_t j = 0; j < e->names.n; j++)
            taken |= e->names.at[j].to == to;
        if (!taken) {
            *vec_push(e->job, &e->names) = (Rename){ from, to };
            return to;
        }
    }
}

const char *buffer_c_type(const Buffer *b)
{
    return dtype_info[b->dtype].ctype;
}

/* Unique in the kernel: "a.b" and "a_b" are one C name. */
static const char *buffer_name(Emit *e, const Buffer *b)
{
    for (size_t i = 0; i < e->buffers.n; i++)
        if (e->buffers.at[i].b == b)
            return e->buffers.at[i].name;
    Sym plain = sym(e->job, c_name(e->job, b->name)), name = plain;
    for (int k = 2;; k++) {
        bool taken = false;
        for (size_t i = 0; i < e->buffers.n; i++)
            taken |= e->buffers.at[i].name == name;
        if (!taken)
            break;
        name = sym_printf(e->job, "%s_%d", plain, k);
    }
    *vec_push(e->job, &e->buffers) = (BufferName){ b, name };
    return name;
}

/* ---- expressions ---------------------------------------------------------------------------------------------- */

/* Precedence levels: 0 anything, 2 ?:, 4 ||, 5 &&, 9 comparison, 12 additive, 13 multiplicative, 14 unary, 16 atom. */
static void expr(Emit *e, const X *x, int level);

/* The type that a value has in C: halves are computed in f32. */
static const char *value_type(DType d)
{
    return d == DT_f16 || d == DT_bf16 ? "f32" : d == DT_bool ? "i32" : dtype_info[d].ctype;
}

static const char *suffix(DType d)
{
    return d == DT_f16 || d == DT_bf16 ? "f32" : d == DT_bool ? "u8" : dtype_info[d].name;
}

static bool is_half(DType d)
{
    return d == DT_f16 || d == DT_bf16;
}

static void number(Emit *e, const X *x)
{
    double v = x->number;
    if (!dtype_is_float(x->dtype)) {
        if (x->integer == INT64_MIN)
            text_add(e->out, "(-9223372036854775807LL - 1)");
        else if (x->dtype == DT_u64)
            text_add(e->out, "%lluULL", (unsigned long long)x->integer);
        else if (x->integer > INT32_MAX || x->integer < -INT32_MAX)
            text_add(e->out, x->integer < 0 ? "(%lldLL)" : "%lldLL", (long long)x->integer);
        else
            text_add(e->out, x->integer < 0 ? "(%lld)" : "%lld", (long long)x->integer);
        return;
    }
    bool single = x->dtype != DT_f64;
    if (isnan(v) || isinf(v)) {
        text_add(e->out, "(%s%s)", single ? "" : "(f64)", isnan(v) ? "AOT_NAN" : v > 0 ? "AOT_INF" : "-AOT_INF");
        return;
    }
    char s[48];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, v);
        double back = 0;
        sscanf(s, "%lf", &back);
        if (single ? (float)back == (float)v : back == v)
            break;
    }
    const char *dot = strpbrk(s, ".e") ? "" : ".0";
    bool minus = v < 0 || (v == 0 && signbit(v));
    text_add(e->out, minus ? "(%s%s%s)" : "%s%s%s", s, dot, single ? "f" : "");
}

static void call(Emit *e, const char *name, const char *type, const X *x)
{
    text_add(e->out, "aot_%s_%s(", name, type);
    for (uint32_t i = 0; i < x->n; i++) {
        text_add(e->out, i ? ", " : "");
        expr(e, x->arg[i], 0);
    }
    text_add(e->out, ")");
}

static void infix(Emit *e, const X *x, const char *op, int mine, int level)
{
    text_add(e->out, mine < level ? "(" : "");
    expr(e, x->arg[0], mine);
    text_add(e->out, " %s ", op);
    expr(e, x->arg[1], mine + 1);
    text_add(e->out, mine < level ? ")" : "");
}

static void cast(Emit *e, const X *x, int level)
{
    const X *a = x->arg[0];
    if (x->dtype == DT_bool) {
        text_add(e->out, 9 < level ? "(" : "");
        expr(e, a, 10);
        text_add(e->out, " != 0%s", 9 < level ? ")" : "");
        return;
    }
    if (is_half(x->dtype)) {
        text_add(e->out, "aot_round_%s((f32)", dtype_info[x->dtype].name);
        expr(e, a, 14);
        text_add(e->out, ")");
        return;
    }
    bool narrow = !dtype_is_float(x->dtype) && dtype_is_float(a->dtype) && dtype_info[x->dtype].bytes < 4;
    text_add(e->out, 14 < level ? "(" : "");
    text_add(e->out, narrow ? "(%s)(i32)" : "(%s)", value_type(x->dtype));
    expr(e, a, 14);
    text_add(e->out, 14 < level ? ")" : "");
}

static void bitcast(Emit *e, const X *x)
{
    DType to = x->dtype, from = x->arg[0]->dtype;
    const char *t = dtype_info[to].name, *f = dtype_info[from].name;
    if (to == DT_f32 || to == DT_f64)
        text_add(e->out, "aot_from_bits_%s(", t);
    else
        text_add(e->out, is_half(to) ? "aot_%s_to_f32(" : "(%s)(", is_half(to) ? t : dtype_info[to].ctype);
    if (from == DT_f32 || from == DT_f64)
        text_add(e->out, "aot_bits_%s(", f);
    else if (is_half(from))
        text_add(e->out, "aot_f32_to_%s(", f);
    else
        text_add(e->out, "(u%d)(", 8 * dtype_info[from].bytes);
    expr(e, x->arg[0], 0);
    text_add(e->out, "))");
}

static const char *compare_op(Op op)
{
    static const char *const text[] = { "==", "!=", "<", "<=", ">", ">=" };
    return text[op - OP_eq];
}

static void bits(Emit *e, const X *x, int level)
{
    bool b = x->dtype == DT_bool;
    switch (x->op) {
    case OP_and: infix(e, x, b ? "&&" : "&", b ? 5 : 8, level); break;
    case OP_or: infix(e, x, b ? "||" : "|", b ? 4 : 6, level); break;
    default: infix(e, x, b ? "!=" : "^", b ? 9 : 7, level); break;
    }
}

static void op(Emit *e, const X *x, int level)
{
    bool real = dtype_is_float(x->dtype), half = is_half(x->dtype);
    if (half && x->op == OP_nextafter) { /* the next of its own format */
        call(e, "nextafter", dtype_info[x->dtype].name, x);
        return;
    }
    if (half && x->op != OP_cast && x->op != OP_bitcast && x->op != OP_where) {
        text_add(e->out, "aot_round_%s(", dtype_info[x->dtype].name);
        X single = *x;
        single.dtype = DT_f32;
        op(e, &single, 0);
        text_add(e->out, ")");
        return;
    }
    switch (x->op) {
    case OP_cast: cast(e, x, level); return;
    case OP_bitcast: bitcast(e, x); return;
    case OP_eq: case OP_ne: case OP_lt: case OP_le: case OP_gt: case OP_ge:
        infix(e, x, compare_op(x->op), 9, level);
        return;
    case OP_and: case OP_or: case OP_xor: bits(e, x, level); return;
    case OP_not:
        text_add(e->out, x->dtype == DT_bool ? "!" : "(%s)~", value_type(x->dtype));
        expr(e, x->arg[0], 14);
        return;
    case OP_isnan: {
        X twice = { .dtype = DT_bool, .n = 2, .arg = { x->arg[0], x->arg[0] } };
        infix(e, &twice, "!=", 9, level);
        return;
    }
    case OP_add: case OP_sub: case OP_mul: case OP_div:
        if (real) {
            static const char *const text[] = { "+", "-", "*", "/" };
            infix(e, x, text[x->op - OP_add], x->op < OP_mul ? 12 : 13, level);
            return;
        }
        break;
    default: break;
    }
    call(e, op_info[x->op].name, suffix(x->dtype), x);
}

static void index_text(Emit *e, const Idx *idx)
{
    idx_print_c(e->out, idx, false, rename_idx, e);
}

static void load(Emit *e, const X *x)
{
    bool half = is_half(x->dtype);
    if (x->n) {
        text_add(e->out, "(");
        expr(e, x->arg[0], 3);
        text_add(e->out, " ? ");
    }
    if (half)
        text_add(e->out, "aot_%s_to_f32(", dtype_info[x->dtype].name);
    text_add(e->out, "%s[", buffer_name(e, x->buffer));
    index_text(e, x->idx);
    text_add(e->out, half ? "])" : "]");
    if (x->n)
        text_add(e->out, " : 0)");
}

static void expr(Emit *e, const X *x, int level)
{
    if (x->name) {
        text_add(e->out, "%s", x->name);
        return;
    }
    switch (x->kind) {
    case X_NUM: number(e, x); break;
    case X_VAR: text_add(e->out, "%s", renamed(e, x->var)); break;
    case X_IDX: idx_print_c(e->out, x->idx, level > 4, rename_idx, e); break;
    case X_LOAD: load(e, x); break;
    case X_OP: op(e, x, level); break;
    }
}

/* ---- statements ------------------------------------------------------------------------------------------------ */

static void line(Emit *e)
{
    text_add(e->out, "%*s", 4 * e->depth, "");
}

static void store(Emit *e, const Stmt *s)
{
    DType d = s->buffer->dtype;
    X old = { .kind = X_LOAD, .dtype = d, .buffer = s->buffer, .idx = s->idx };
    X both = { .kind = X_OP, .dtype = d, .op = s->op, .n = 2, .arg = { &old, s->x } };
    const X *x = s->update ? &both : s->x;
    line(e);
    text_add(e->out, "%s[", buffer_name(e, s->buffer));
    index_text(e, s->idx);
    text_add(e->out, "] = ");
    if (is_half(d)) {
        text_add(e->out, "aot_f32_to_%s(", dtype_info[d].name);
        expr(e, x, 0);
        text_add(e->out, ");\n");
        return;
    }
    bool narrow = dtype_info[d].bytes < 4;
    if (narrow)
        text_add(e->out, "(%s)", dtype_info[d].ctype);
    expr(e, x, narrow ? 14 : 0);
    text_add(e->out, ";\n");
}

static void update(Emit *e, const Stmt *s)
{
    line(e);
    Sym v = renamed(e, s->var);
    if (s->dtype == DT_bool) {
        text_add(e->out, "%s = %s %s ", v, v, s->op == OP_or || s->op == OP_max ? "|" : "&");
        expr(e, s->x, 14);
        text_add(e->out, ";\n");
    } else if (s->op == OP_xor || (dtype_is_float(s->dtype) && (s->op == OP_add || s->op == OP_mul))) {
        text_add(e->out, "%s %s= ", v, s->op == OP_add ? "+" : s->op == OP_mul ? "*" : "^");
        expr(e, s->x, 0);
        text_add(e->out, ";\n");
    } else {
        text_add(e->out, "%s = aot_%s_%s(%s, ", v, op_info[s->op].name, suffix(s->dtype), v);
        expr(e, s->x, 0);
        text_add(e->out, ");\n");
    }
}

static void call_statement(Emit *e, const Stmt *s)
{
    line(e);
    if (call_may_fail(s))
        text_add(e->out, "const char *const aot_wrong = ");
    bool own = s->text && !strcmp(s->text, "aot_custom"); /* in glue.h, not in a kernel source */
    text_add(e->out, own ? "%s(" : "AOTK_NAME_AT(%s)(", s->var);
    if (s->text)
        text_add(e->out, "&(%s){", s->text);
    size_t column = 0;
    for (size_t i = 0; i < s->fields.n; i++) {
        const Field *f = &s->fields.at[i];
        size_t start = e->out->n;
        if (i)
            text_add(e->out, s->text && column == 0 ? "," : ", ");
        if (s->text && column == 0) {
            text_add(e->out, "\n");
            e->depth++;
            line(e);
            e->depth--;
            start = e->out->n;
        }
        if (e->k->splits && e->depth == 1 && !strcmp(f->name, "tasks")) {
            text_add(e->out, ".task = task, .tasks = tasks");
            continue;
        }
        if (s->text)
            text_add(e->out, ".%s = ", f->name);
        if (f->text) {
            text_add(e->out, "%s", f->text);
        } else if (f->buffer) {
            text_add(e->out, "%s", buffer_name(e, f->buffer));
            if (f->buffer->scratch && e->k->splits) {
                bool one = f->buffer->elements->op == IDX_CONST || f->buffer->elements->op == IDX_SYM;
                text_add(e->out, one ? " + worker * " : " + worker * (");
                index_text(e, f->buffer->elements);
                text_add(e->out, one ? "" : ")");
            }
            if (!idx_is(f->idx, 0)) {
                text_add(e->out, f->idx->op == IDX_SUM && f->idx->coef[0] < 0 ? " + (" : " + ");
                index_text(e, f->idx);
                text_add(e->out, f->idx->op == IDX_SUM && f->idx->coef[0] < 0 ? ")" : "");
            }
        } else {
            index_text(e, f->idx);
        }
        column += e->out->n - start;
        if (column > 84)
            column = 0;
    }
    if (s->text) {
        text_add(e->out, "\n");
        line(e);
        text_add(e->out, "}");
    }
    text_add(e->out, ");\n");
    if (!call_may_fail(s))
        return;
    line(e);
    text_add(e->out, "if (aot_wrong)\n");
    e->depth++;
    line(e);
    e->depth--;
    text_add(e->out, "return aot_failed(call, ");
    emit_string(e->out, e->k->name);
    text_add(e->out, ", aot_wrong);\n");
}

/* Whether all that x loads lies behind each other in the order of var, or is the same for all of it. */
static bool in_order(Emit *e, const X *x, const Idx *var)
{
    int64_t step = 0;
    bool good = x->kind != X_LOAD || (idx_step(e->job, x->idx, var, &step) && (step == 0 || step == 1));
    for (uint32_t i = 0; i < x->n && good; i++)
        good = in_order(e, x->arg[i], var);
    return good;
}

/* An innermost loop with one accumulator, a sum, maximum or minimum of floats: the compiler may take elements in any order.
 * Its update; else NULL.  Of columns of memory, maxima are left to the compiler, which takes several columns at a time. */
static const Stmt *reduces_only(Emit *e, const Stmt *loop)
{
    const Stmt *u = NULL;
    const Idx *var = idx_find(e->job, loop->var);
    for (const Stmt *s = loop->body.first; s; s = s->next) {
        if ((s->op == OP_max || s->op == OP_min) && s->x && !in_order(e, s->x, var))
            return NULL;
        bool reduces = s->kind == S_UPDATE && (s->op == OP_add || s->op == OP_max || s->op == OP_min);
        if (reduces && dtype_is_float(s->dtype) && (!u || (u->var == s->var && u->op == s->op)))
            u = s;
        else if (s->kind != S_LET)
            return NULL;
    }
    return u;
}

static void block(Emit *e, const Block *b);

static void loop(Emit *e, const Stmt *s)
{
    const Stmt *u = reduces_only(e, s);
    if (u) {
        line(e);
        text_add(e->out, "AOT_SIMD_%s(%s)\n", u->op == OP_add ? "SUM" : u->op == OP_max ? "MAX" : "MIN", renamed(e, u->var));
    }
    bool part = e->k->splits && e->depth == 1;
    Sym end = part ? give_name(e, sym(e->job, "end")) : NULL;
    Sym v = give_name(e, s->var);
    line(e);
    if (part) {
        text_add(e->out, "for (i64 %s = aot_part(", v);
        idx_print_c(e->out, s->extent, false, rename_idx, e);
        text_add(e->out, ", task, tasks), %s = aot_part(", end);
        idx_print_c(e->out, s->extent, false, rename_idx, e);
        text_add(e->out, ", task + 1, tasks); %s < %s; %s++) {\n", v, end, v);
    } else {
        text_add(e->out, "for (i64 %s = 0; %s < ", v, v);
        idx_print_c(e->out, s->extent, false, rename_idx, e);
        text_add(e->out, "; %s++) {\n", v);
    }
    e->depth++;
    size_t mark = e->names.n;
    block(e, &s->body);
    e->names.n = mark - 1; /* the variable and what was declared inside are free again */
    e->depth--;
    line(e);
    text_add(e->out, "}\n");
}

static void statement(Emit *e, const Stmt *s)
{
    switch (s->kind) {
    case S_FOR: loop(e, s); return;
    case S_STORE: store(e, s); return;
    case S_UPDATE: update(e, s); return;
    case S_CALL: call_statement(e, s); return;
    case S_LET:
        line(e);
        text_add(e->out, "const %s %s = ", value_type(s->dtype), s->x->dtype == s->dtype && !strncmp(s->var, "at", 2) ? give_name(e, s->var) : s->var);
        expr(e, s->x, 0);
        text_add(e->out, ";\n");
        return;
    case S_ACC:
        line(e);
        text_add(e->out, "%s %s = ", value_type(s->dtype), give_name(e, s->var));
        expr(e, s->x, 0);
        text_add(e->out, ";\n");
        return;
    case S_CHECK:
        if (!s->text)
            return;
        line(e);
        text_add(e->out, "if ((u64)%s >= (u64)(", renamed(e, s->x->var));
        idx_print_c(e->out, s->extent, false, rename_idx, e);
        text_add(e->out, "))\n");
        e->depth++;
        line(e);
        e->depth--;
        text_add(e->out, "return aot_bad_index(call, ");
        emit_string(e->out, s->text);
        text_add(e->out, ", %s, ", renamed(e, s->x->var));
        idx_print_c(e->out, s->extent, false, rename_idx, e);
        text_add(e->out, ");\n");
        return;
    case S_ASSERT:
        line(e);
        text_add(e->out, "if (!");
        expr(e, s->x, 100);
        text_add(e->out, ")\n");
        e->depth++;
        line(e);
        e->depth--;
        text_add(e->out, "return aot_bad_data(call, ");
        emit_string(e->out, s->text);
        text_add(e->out, ");\n");
        return;
    }
}

static void block(Emit *e, const Block *b)
{
    for (const Stmt *s = b->first; s; s = s->next)
        statement(e, s);
}

/* ---- the function ------------------------------------------------------------------------------------------------ */

typedef struct Symbols {
    const Program *p;
    bool *used;
} Symbols;

static void see_symbol(void *ctx, const Idx *s)
{
    Symbols *c = ctx;
    for (size_t i = 0; i < c->p->g->symbols.n; i++)
        if (c->p->g->symbols.at[i] == s)
            c->used[i] = true;
}

static void see_expr(Symbols *c, const X *x)
{
    if (x->name) /* its S_LET is a statement of its own */
        return;
    if (x->idx)
        idx_symbols(x->idx, see_symbol, c);
    for (uint32_t i = 0; i < x->n; i++)
        see_expr(c, x->arg[i]);
}

static void see_block(Symbols *c, const Block *b)
{
    for (const Stmt *s = b->first; s; s = s->next) {
        if (s->extent)
            idx_symbols(s->extent, see_symbol, c);
        if (s->idx)
            idx_symbols(s->idx, see_symbol, c);
        if (s->x)
            see_expr(c, s->x);
        for (size_t i = 0; i < s->fields.n; i++) {
            const Field *f = &s->fields.at[i];
            if (f->idx)
                idx_symbols(f->idx, see_symbol, c);
            if (f->buffer && f->buffer->scratch)
                idx_symbols(f->buffer->elements, see_symbol, c);
        }
        see_block(c, &s->body);
    }
}

void kernel_symbols(const Program *p, const Kernel *k, bool *used)
{
    see_block(&(Symbols){ p, used }, &k->body);
}

static void buffer_comment(Emit *e, const char *what, const Buffer *b, const char *end)
{
    Type t = { .dtype = b->dtype, .rank = b->rank };
    memcpy(t.dim, b->dim, sizeof t.dim);
    text_add(e->out, " * %s %s: %s%s%s", what, buffer_name(e, b), type_text(e->job, &t),
             b->channels_last ? " channels last" : "", b->kind == BUFFER_CONST && b->about ? ", " : "");
    if (b->kind == BUFFER_CONST && b->about)
        text_add(e->out, "%s", c_name(e->job, b->about));
    text_add(e->out, "%s\n", end);
}

/* The kernels that share the function of kernel `n`: the first few of them, and the last. */
static void sharers(Emit *e, int n, const int *twins)
{
    enum { MOST = 4 };
    size_t count = 0, seen = 0;
    for (size_t i = 0; i < e->p->kernels.n; i++)
        count += twins[i] == n && (int)i != n;
    for (size_t i = 0; i < e->p->kernels.n; i++) {
        const Kernel *k = e->p->kernels.at[i];
        if (twins[i] != n || (int)i == n || (++seen >= MOST && seen != count))
            continue;
        text_add(e->out, seen == 1 ? "\n * also k%zu " : seen > MOST ? " ... k%zu " : ", k%zu ", i);
        emit_comment(e->out, k->origin.module ? k->origin.module : k->name);
    }
}

static void comment(Emit *e, int n, const int *twins)
{
    const Kernel *k = e->k;
    text_add(e->out, "/* k%d: ", n);
    emit_comment(e->out, k->about ? k->about : k->name);
    const Origin *o = &k->origin;
    if (o->file || o->module) {
        text_add(e->out, "\n * ");
        emit_comment(e->out, origin_text(e->job, o));
    }
    sharers(e, n, twins);
    size_t count = k->reads.n + k->writes.n;
    text_add(e->out, count ? "\n" : " */\n");
    for (size_t i = 0; i < count; i++) {
        bool read = i < k->reads.n;
        const Buffer *b = read ? k->reads.at[i] : k->writes.at[i - k->reads.n];
        buffer_comment(e, read ? "reads " : "writes", b, i + 1 == count ? " */" : "");
    }
}

/* The next parameter; lines break at 110 columns. */
static void parameter(Emit *e, bool *first, const char *text)
{
    size_t start = e->out->n;
    while (start && e->out->at[start - 1] != '\n')
        start--;
    text_add(e->out, *first ? "" : ",");
    bool wrap = e->out->n - start + strlen(text) > 110;
    text_add(e->out, wrap ? "\n    " : *first ? "" : " ");
    text_add(e->out, "%s", text);
    *first = false;
}

/* What a kernel is given: buffers, sizes, what it may use of the processor. */
static void each_argument(Emit *e, bool *first, void (*see)(Emit *e, bool *first, const char *type, const char *name))
{
    const Kernel *k = e->k;
    bool *used = job_array(e->job, e->p->g->symbols.n + 1, sizeof *used);
    kernel_symbols(e->p, k, used);
    for (int w = 0; w < 2; w++)
        for (size_t i = 0; i < (w ? k->writes.n : k->reads.n); i++) {
            const Buffer *b = w ? k->writes.at[i] : k->reads.at[i];
            see(e, first, job_printf(e->job, "%s%s *", w ? "" : "const ", buffer_c_type(b)), buffer_name(e, b));
        }
    for (size_t i = 0; i < e->p->g->symbols.n; i++)
        if (used[i])
            see(e, first, "i64 ", e->p->g->symbols.at[i]->sym);
    if (k->features)
        see(e, first, "int ", "features");
}

static void as_parameter(Emit *e, bool *first, const char *type, const char *name)
{
    parameter(e, first, job_printf(e->job, "%s%s%s", type, strchr(type, '*') ? "AOT_RESTRICT " : "", name));
}

static void as_member(Emit *e, bool *first, const char *type, const char *name)
{
    (void)first;
    text_add(e->out, "    %s%s;\n", type, name);
}

static void as_argument(Emit *e, bool *first, const char *type, const char *name)
{
    (void)type;
    parameter(e, first, job_printf(e->job, "a->%s", name));
}

/* Whether a worker of the kernel has scratch memory of its own. */
static bool has_scratch(const Kernel *k)
{
    for (size_t i = 0; i < k->writes.n; i++)
        if (k->writes.at[i]->scratch)
            return true;
    return false;
}

/* For a kernel that threads share: its arguments as a struct, and the function that does one task of it. */
static void task_function(Emit *e, int n)
{
    const char *name = kernel_c_name(e->job, e->method, e->k, n);
    bool first = true;
    text_add(e->out, "typedef struct %s_args {\n    i64 tasks;\n", name);
    each_argument(e, &first, as_member);
    text_add(e->out,
             "} %s_args;\n\nstatic void %s_task(void *args, int64_t task, int64_t worker)\n{\n"
             "    const %s_args *a = args;\n%s    %s(",
             name, name, name, has_scratch(e->k) ? "" : "    (void)worker;\n", name);
    each_argument(e, &first, as_argument);
    text_add(e->out, ", task, a->tasks%s);\n}\n\n", has_scratch(e->k) ? ", worker" : "");
}

/* The user's functions that the block calls. */
static void foreign(Text *out, const Block *b)
{
    for (const Stmt *s = b->first; s; s = s->next) {
        const Field *f = call_field(s, "function");
        if (f)
            text_add(out, "AOT_FOREIGN aot_operator %s;\n", f->text);
        foreign(out, &s->body);
    }
}

static void function(Emit *e, const char *name)
{
    const Kernel *k = e->k;
    bool first = true;
    text_add(e->out, "static %s %s(", k->checks ? "aot_status" : "void", name);
    if (k->checks)
        parameter(e, &first, "aot_call *call");
    each_argument(e, &first, as_parameter);
    if (k->splits)
        parameter(e, &first, has_scratch(k) ? "i64 task, i64 tasks, i64 worker" : "i64 task, i64 tasks");
    text_add(e->out, ")\n{\n");
    /* names of buffers and symbols are taken */
    for (int w = 0; w < 2; w++)
        for (size_t i = 0; i < (w ? k->writes.n : k->reads.n); i++)
            *vec_push(e->job, &e->names) = (Rename){ NULL, sym(e->job, buffer_name(e, w ? k->writes.at[i] : k->reads.at[i])) };
    block(e, &k->body);
    if (k->checks)
        text_add(e->out, "    return AOT_OK;\n");
    text_add(e->out, "}\n\n");
}

/* The kernel's function with nothing of its own in it: buffers are named by their places among the parameters. */
static void anonymous(Text *out, Job *job, const Program *p, const Kernel *k)
{
    Emit e = { .out = out, .job = job, .p = p, .k = k, .depth = 1 };
    for (size_t i = 0; i < k->reads.n + k->writes.n; i++) {
        const Buffer *b = i < k->reads.n ? k->reads.at[i] : k->writes.at[i - k->reads.n];
        *vec_push(job, &e.buffers) = (BufferName){ b, sym_printf(job, "aot_%zu", i) };
    }
    foreign(out, &k->body);
    function(&e, "kernel");
}

int *kernel_twins(Job *job, const Program *p)
{
    size_t n = p->kernels.n;
    int *twins = job_array(job, n + 1, sizeof *twins);
    Sym *texts = job_array(job, n + 1, sizeof *texts);
    Text t;
    text_init(&t, job);
    for (size_t i = 0; i < n; i++) {
        t.n = 0;
        anonymous(&t, job, p, p->kernels.at[i]);
        texts[i] = sym_n(job, t.at, t.n);
        while (texts[twins[i]] != texts[i])
            twins[i]++;
    }
    return twins;
}

void emit_kernel(Text *out, Job *job, const Program *p, const char *method, const int *twins, int n)
{
    const Kernel *k = p->kernels.at[n];
    Emit e = { .out = out, .job = job, .p = p, .method = method, .k = k, .depth = 1 };
    foreign(out, &k->body);
    comment(&e, n, twins);
    function(&e, kernel_c_name(job, method, k, n));
    if (k->splits)
        task_function(&e, n);
}
