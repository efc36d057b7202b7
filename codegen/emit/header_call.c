/* SPDX-License-Identifier: MIT */
/* The typed call of a method in the .h of a model: a struct whose members are sizes, inputs and outputs by their names,
 * and an inline function that fills an aot_call from it. */
#include "emit.h"
#include <inttypes.h>
#include <string.h>

/* A dimension of an input that is no polynomial of sizes: the caller says it. */
typedef struct GivenDim {
    const Port *port;
    int dim;
    Sym name;
} GivenDim;

typedef struct Call {
    Text *out;
    Job *job;
    const char *method; /* "net_forward" */
    const Program *p;
    size_t number;  /* of the method in the table */
    VEC(Sym) taken; /* names of members */
    VEC(struct Size {
        const Idx *symbol;
        Sym name;
    })
    sizes;
    VEC(GivenDim) given;
    Sym *inputs, *outputs; /* a name per port */
} Call;

Type header_type(const Port *p)
{
    return p->kind == PORT_TENSOR ? port_type(p) : (Type){ .dtype = p->kind == PORT_NUMBER ? p->dtype : DT_f32 };
}

static const char *c_type(DType d)
{
    static const char *const unsigned_types[] = { "uint8_t", "uint16_t", "uint32_t", "uint64_t" };
    static const char *const signed_types[] = { "int8_t", "int16_t", "int32_t", "int64_t" };
    if (dtype_is_complex(d))
        return c_type(dtype_part(d));
    const DTypeInfo *i = &dtype_info[d];
    int log = i->bytes == 1 ? 0 : i->bytes == 2 ? 1 : i->bytes == 4 ? 2 : 3;
    return d == DT_f32 ? "float" : d == DT_f64 ? "double" : i->kind == DK_I ? signed_types[log] : unsigned_types[log];
}

static bool is_fixed(const Type *t)
{
    for (int d = 0; d < t->rank; d++)
        if (t->dim[d]->op != IDX_CONST)
            return false;
    return true;
}

/* ---- names -------------------------------------------------------------------------------------------------- */

/* Words of C and C++ that a port may be called, and members that are always there. */
static bool is_reserved(const char *name)
{
    static const char *const words[] = { "alignas",
                                         "alignof",
                                         "and",
                                         "asm",
                                         "auto",
                                         "bool",
                                         "break",
                                         "case",
                                         "catch",
                                         "char",
                                         "class",
                                         "compl",
                                         "const",
                                         "constexpr",
                                         "continue",
                                         "decltype",
                                         "default",
                                         "delete",
                                         "do",
                                         "double",
                                         "else",
                                         "enum",
                                         "explicit",
                                         "export",
                                         "extern",
                                         "false",
                                         "float",
                                         "for",
                                         "friend",
                                         "goto",
                                         "if",
                                         "inline",
                                         "int",
                                         "long",
                                         "mutable",
                                         "namespace",
                                         "new",
                                         "noexcept",
                                         "not",
                                         "nullptr",
                                         "operator",
                                         "or",
                                         "private",
                                         "protected",
                                         "public",
                                         "register",
                                         "restrict",
                                         "return",
                                         "short",
                                         "signed",
                                         "sizeof",
                                         "static",
                                         "struct",
                                         "switch",
                                         "template",
                                         "this",
                                         "throw",
                                         "true",
                                         "try",
                                         "typedef",
                                         "typeid",
                                         "typename",
                                         "typeof",
                                         "union",
                                         "unix",
                                         "linux",
                                         "unsigned",
                                         "using",
                                         "virtual",
                                         "void",
                                         "volatile",
                                         "while",
                                         "xor",
                                         "workspace",
                                         "workspace_bytes",
                                         "needed_workspace",
                                         "state",
                                         "host",
                                         "threads",
                                         "error",
                                         "error_bytes" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(words[i], name))
            return true;
    return false;
}

static Sym take(Call *c, const char *text)
{
    const char *stem = emit_name(c->job, text);
    for (int i = is_reserved(stem) ? 2 : 1;; i++) {
        Sym name = i == 1 ? sym(c->job, stem) : sym_printf(c->job, "%s_%d", stem, i);
        bool used = false;
        for (size_t k = 0; k < c->taken.n; k++)
            used |= c->taken.at[k] == name;
        if (used)
            continue;
        *vec_push(c->job, &c->taken) = name;
        return name;
    }
}

static const char *member_of(void *ctx, Sym symbol)
{
    Call *c = ctx;
    for (size_t i = 0; i < c->sizes.n; i++)
        if (c->sizes.at[i].symbol->sym == symbol)
            return job_printf(c->job, "c->%s", c->sizes.at[i].name);
    return symbol;
}

static void add_size(void *ctx, const Idx *s)
{
    Call *c = ctx;
    for (size_t i = 0; i < c->sizes.n; i++)
        if (c->sizes.at[i].symbol == s)
            return;
    *vec_push(c->job, &c->sizes) = (struct Size){ s, take(c, s->sym) };
}

static bool is_polynomial(const Idx *e)
{
    bool good = e->op == IDX_CONST || e->op == IDX_SYM || e->op == IDX_SUM || e->op == IDX_PROD;
    for (uint32_t i = 0; good && i < e->n; i++)
        good = is_polynomial(e->arg[i]);
    return good;
}

static void name_members(Call *c)
{
    const Graph *g = c->p->g;
    for (size_t i = 0; i < g->inputs.n; i++) {
        Type t = header_type(&g->inputs.at[i]);
        for (int d = 0; d < t.rank; d++)
            if (is_polynomial(t.dim[d]))
                idx_symbols(t.dim[d], add_size, c);
    }
    c->inputs = job_array(c->job, g->inputs.n + 1, sizeof *c->inputs);
    c->outputs = job_array(c->job, g->outputs.n + 1, sizeof *c->outputs);
    for (size_t i = 0; i < g->inputs.n; i++) {
        const Port *p = &g->inputs.at[i];
        Type t = header_type(p);
        c->inputs[i] = take(c, p->name);
        for (int d = 0; d < t.rank; d++)
            if (!is_polynomial(t.dim[d]))
                *vec_push(c->job, &c->given) =
                    (GivenDim){ p, d, take(c, job_printf(c->job, "%s_dim%d", c->inputs[i], d)) };
    }
    for (size_t i = 0; i < g->outputs.n; i++) {
        c->outputs[i] = take(c, g->outputs.at[i].name);
        take(c, job_printf(c->job, "%s_bytes", c->outputs[i]));
        take(c, job_printf(c->job, "%s_shape", c->outputs[i]));
    }
}

/* ---- the struct --------------------------------------------------------------------------------------------- */

static void port_comment(Call *c, const Port *p)
{
    Type t = header_type(p);
    text_pad(c->out, 40);
    text_add(c->out, " /* %s%s%s%s */\n", type_text(c->job, &t),
             dtype_is_complex(t.dtype) ? ", real and imaginary parts" : "", p->mutated ? ", written by the run" : "",
             p->kind == PORT_NUMBER ? ", a number" : "");
}

static void size_members(Call *c)
{
    for (size_t i = 0; i < c->sizes.n; i++) {
        const Idx *s = c->sizes.at[i].symbol;
        text_add(c->out, "    int64_t %s;", c->sizes.at[i].name);
        text_pad(c->out, 40);
        text_add(c->out,
                 s->hi == INT64_MAX ? " /* a size, %" PRId64 " or more */\n"
                                    : " /* a size, %" PRId64 "..%" PRId64 " */\n",
                 s->lo, s->hi);
    }
    for (size_t i = 0; i < c->given.n; i++) {
        const GivenDim *d = &c->given.at[i];
        text_add(c->out, "    int64_t %s;", d->name);
        text_pad(c->out, 40);
        text_add(c->out, " /* %s */\n", idx_text(c->job, header_type(d->port).dim[d->dim]));
    }
}

static void call_struct(Call *c)
{
    const Graph *g = c->p->g;
    text_add(c->out, "typedef struct %s_call {\n", c->method);
    size_members(c);
    for (size_t i = 0; i < g->inputs.n; i++) {
        const Port *p = &g->inputs.at[i];
        if (p->kind != PORT_TENSOR)
            continue;
        text_add(c->out, "    %s%s *%s;", p->mutated ? "" : "const ", c_type(header_type(p).dtype), c->inputs[i]);
        port_comment(c, p);
    }
    for (size_t i = 0; i < g->outputs.n; i++) {
        const Port *p = &g->outputs.at[i];
        Type t = header_type(p);
        if (p->kind == PORT_NONE)
            continue;
        text_add(c->out, "    %s *%s;", c_type(t.dtype), c->outputs[i]);
        port_comment(c, p);
        if (is_fixed(&t))
            continue;
        text_add(c->out, "    uint64_t %s_bytes;", c->outputs[i]);
        text_pad(c->out, 40);
        text_add(c->out,
                 " /* in: the room there; out: what is needed, and after the run used */\n    int64_t %s_shape[%d];",
                 c->outputs[i], t.rank);
        text_pad(c->out, 40);
        text_add(c->out, " /* out */\n");
    }
    text_add(c->out,
             "    void *workspace;                      /* 64-byte aligned */\n"
             "    uint64_t workspace_bytes, needed_workspace; /* in; out */\n"
             "    void *state;                          /* of a model with state: see aot.h */\n"
             "    const aot_host *host;                 /* what the program lends; may be NULL */\n"
             "    uint64_t threads, error_bytes;\n"
             "    char *error;                          /* error_bytes of room for a text; may be NULL */\n"
             "} %s_call;\n\n",
             c->method);
}

/* ---- the function ------------------------------------------------------------------------------------------- */

static Sym given_name(const Call *c, const Port *p, int dim)
{
    for (size_t i = 0; i < c->given.n; i++)
        if (c->given.at[i].port == p && c->given.at[i].dim == dim)
            return c->given.at[i].name;
    return NULL;
}

/* "    int64_t in0[] = { 2, 3, c->s53, c->s0 };", or a number's value */
static void input_locals(Call *c, const Port *p, size_t i)
{
    Type t = header_type(p);
    if (p->kind == PORT_NUMBER)
        text_add(c->out,
                 p->bits == INT64_MIN ? "    int64_t value%zu = -INT64_MAX - 1;\n"
                                      : "    int64_t value%zu = %" PRId64 "LL;\n",
                 i, p->bits);
    if (!t.rank)
        return;
    text_add(c->out, "    int64_t in%zu[] = {", i);
    for (int d = 0; d < t.rank; d++) {
        text_add(c->out, "%s ", d ? "," : "");
        if (given_name(c, p, d))
            text_add(c->out, "c->%s", given_name(c, p, d));
        else
            idx_print_c(c->out, t.dim[d], false, member_of, c);
    }
    text_add(c->out, " };\n");
}

static void output_locals(Call *c, const Port *p, size_t i)
{
    Type t = header_type(p);
    if (t.rank && is_fixed(&t))
        text_add(c->out, "    int64_t out%zu[%d];\n", i, t.rank);
}

static void tensor(Call *c, const Port *p, const char *data, const char *shape)
{
    Type t = header_type(p);
    const DTypeInfo *d = &dtype_info[t.dtype];
    text_add(c->out, "        { %s, { 1, 0 }, %d, { %d, %d, 1 }, %s, 0, 0 },\n", p->kind == PORT_NONE ? "0" : data,
             t.rank, d->dlpack_code, d->bytes * 8, t.rank ? shape : "0");
}

static void tensors(Call *c)
{
    const Graph *g = c->p->g;
    text_add(c->out, "    DLTensor in[%zu] = {\n", g->inputs.n ? g->inputs.n : 1);
    for (size_t i = 0; i < g->inputs.n; i++) {
        const Port *p = &g->inputs.at[i];
        const char *data = p->kind == PORT_NUMBER ? job_printf(c->job, "&value%zu", i)
                           : p->mutated           ? job_printf(c->job, "c->%s", c->inputs[i])
                                                  : job_printf(c->job, "(void *)(size_t)c->%s", c->inputs[i]);
        tensor(c, p, data, job_printf(c->job, "in%zu", i));
    }
    text_add(c->out, g->inputs.n ? "    };\n" : "        { 0, { 1, 0 }, 0, { 2, 32, 1 }, 0, 0, 0 },\n    };\n");
    text_add(c->out, "    DLTensor out[%zu] = {\n", g->outputs.n ? g->outputs.n : 1);
    for (size_t i = 0; i < g->outputs.n; i++) {
        const Port *p = &g->outputs.at[i];
        Type t = header_type(p);
        tensor(c, p, job_printf(c->job, "c->%s", c->outputs[i]),
               is_fixed(&t) ? job_printf(c->job, "out%zu", i) : job_printf(c->job, "c->%s_shape", c->outputs[i]));
    }
    text_add(c->out, g->outputs.n ? "    };\n" : "        { 0, { 1, 0 }, 0, { 2, 32, 1 }, 0, 0, 0 },\n    };\n");
    text_add(c->out, "    uint64_t room[] = {");
    for (size_t i = 0; i < g->outputs.n; i++) {
        const Port *p = &g->outputs.at[i];
        Type t = header_type(p);
        text_add(c->out, i ? ", " : " ");
        if (p->kind == PORT_NONE)
            text_add(c->out, "0");
        else if (is_fixed(&t))
            text_add(c->out, "%s_OUTPUT%zu_BYTES", c->method, i);
        else
            text_add(c->out, "c->%s_bytes", c->outputs[i]);
    }
    text_add(c->out, "%s };\n", g->outputs.n ? "" : " 0");
}

static void call_function(Call *c, const char *what, const char *about)
{
    const Graph *g = c->p->g;
    text_add(c->out, "%sstatic inline aot_status %s_%s(const aot_model *model, %s_call *c)\n{\n", about, c->method,
             what, c->method);
    for (size_t i = 0; i < g->inputs.n; i++)
        input_locals(c, &g->inputs.at[i], i);
    for (size_t i = 0; i < g->outputs.n; i++)
        output_locals(c, &g->outputs.at[i], i);
    tensors(c);
    text_add(c->out,
             "    aot_call call = { sizeof call, in, out, room, c->workspace, c->workspace_bytes, 0, c->state, 0,\n"
             "                      c->host, c->threads, c->error, c->error_bytes };\n"
             "    aot_status status = model->methods[%zu]->%s(&call);\n"
             "    c->needed_workspace = call.needed_workspace;\n",
             c->number, what);
    for (size_t i = 0; i < g->outputs.n; i++) {
        Type t = header_type(&g->outputs.at[i]);
        if (!is_fixed(&t)) /* the run may have asked the host for other memory */
            text_add(c->out, "    c->%s = (%s *)out[%zu].data;\n    c->%s_bytes = room[%zu];\n", c->outputs[i],
                     c_type(t.dtype), i, c->outputs[i], i);
    }
    text_add(c->out, "    return status;\n}\n");
}

static Call call_of(Text *out, const Artifact *a, const char *name, size_t number)
{
    const Program *p = a->programs[number];
    Call c = { .out = out,
               .job = a->job,
               .p = p,
               .number = number,
               .method = job_printf(a->job, "%s_%s", name, method_names(a, emit_name)[number]) };
    name_members(&c);
    return c;
}

void emit_header_call(Text *out, const Artifact *a, const char *name, size_t number)
{
    Call c = call_of(out, a, name, number);
    text_add(out, "\n/* ---- a call of ");
    emit_comment(out, c.p->name);
    text_add(out, " ---- */\n\n");
    call_struct(&c);
    call_function(
        &c, "run",
        "/* One inference.  model: what the entry returned.  AOT_OK, or what is wrong, and error says it. */\n");
    bool varies = c.p->workspace->op != IDX_CONST;
    for (size_t i = 0; i < c.p->g->outputs.n; i++) {
        Type t = header_type(&c.p->g->outputs.at[i]);
        varies |= !is_fixed(&t);
    }
    if (varies)
        call_function(&c, "plan",
                      "\n/* Only checks the sizes, and says needed_workspace and the outputs' _bytes and _shape. */\n");
}

/* ---- the example in the head of the file -------------------------------------------------------------------- */

void emit_header_example(Text *out, const Artifact *a, const char *name)
{
    Call c = call_of(out, a, name, 0);
    const Graph *g = c.p->g;
    const Idx *work = c.p->workspace;
    text_add(out, " * A call of the first method:\n *\n");
    if (work->hi && work->hi != INT64_MAX)
        text_add(out, " *     static _Alignas(64) unsigned char work[%s_WORKSPACE_BYTES];\n", c.method);
    text_add(out,
             " *     aot_status status;\n *     char text[200];\n"
             " *     const aot_model *model = %s_entry(AOT_ABI, NULL, &status);       once\n"
             " *     %s_call call = { .error = text, .error_bytes = sizeof text };\n",
             name, c.method);
    for (size_t i = 0; i < c.sizes.n; i++)
        text_add(out, " *     call.%s = ...;\n", c.sizes.at[i].name);
    for (size_t i = 0; i < c.given.n; i++)
        text_add(out, " *     call.%s = ...;\n", c.given.at[i].name);
    for (size_t i = 0; i < g->inputs.n; i++)
        if (g->inputs.at[i].kind == PORT_TENSOR)
            text_add(out, " *     call.%s = ...;\n", c.inputs[i]);
    for (size_t i = 0; i < g->outputs.n; i++) {
        Type t = header_type(&g->outputs.at[i]);
        if (g->outputs.at[i].kind != PORT_NONE)
            text_add(out, is_fixed(&t) ? " *     call.%s = ...;\n" : " *     call.%s = ...; call.%s_bytes = ...;\n",
                     c.outputs[i], c.outputs[i]);
    }
    if (work->hi == INT64_MAX)
        text_add(out,
                 " *     status = %s_plan(model, &call);               says needed_workspace\n"
                 " *     call.workspace = ...; call.workspace_bytes = call.needed_workspace;\n",
                 c.method);
    else if (work->hi)
        text_add(out, " *     call.workspace = work; call.workspace_bytes = sizeof work;\n");
    text_add(out, " *     status = %s_run(model, &call);                AOT_OK, or text says what is wrong\n",
             c.method);
}
