/* SPDX-License-Identifier: MIT */
/* The class of a model for Java: a method per exported program, arrays in and arrays out.
 *
 *     public final class Net extends org.aotc.CompiledModel {
 *         public Net();                       the caller's thread alone
 *         public Net(org.aotc.Pool pool);
 *         public float[][] forward(float[] x, int xDim0);
 *     }
 *
 * Tensors go in as flat row-major arrays, numbers as numbers; every distinct size that varies is an int behind them.
 * One output comes back as nested arrays, several as an object of a nested class with a field each. The methods only
 * pass their arguments on to CompiledModel.call, so they are made of instructions without branches. */
#include "class_file.h"
#include "jar.h"
#include <ctype.h>
#include <string.h>

#define BASE "org/aotc/CompiledModel"

typedef struct Param {
    Sym name;
    char type;     /* of a descriptor: 'F' */
    bool is_array; /* of these */
    bool is_size;
} Param;
typedef VEC(Param) Params;

/* ---- names -------------------------------------------------------------------------------------------------- */

static bool is_reserved(const char *name)
{
    static const char words[] =
        " abstract assert boolean break byte case catch char class const continue default do double else enum extends "
        "false final finally float for goto if implements import instanceof int interface long native new null package "
        "private protected public return short static strictfp super switch synchronized this throw throws transient "
        "true try void volatile while _ close reset model getClass hashCode equals toString notify notifyAll wait "
        "clone finalize ";
    char spaced[32];
    return strlen(name) < sizeof spaced - 2 && (snprintf(spaced, sizeof spaced, " %s ", name), strstr(words, spaced));
}

/* "parts.1.0" becomes parts_1_0; what begins with a digit gets `stem` in front. */
static Sym java_name(Job *job, const char *text, const char *stem)
{
    Text t;
    text_init(&t, job);
    if (!isalpha((unsigned char)*text) && *text != '_')
        text_add(&t, "%s", stem);
    for (; *text; text++)
        text_add(&t, "%c", isascii(*text) && isalnum((unsigned char)*text) ? *text : '_');
    if (is_reserved(t.at))
        text_add(&t, "_");
    return sym(job, t.at);
}

static bool has_name(const Params *params, Sym name)
{
    for (size_t i = 0; i < params->n; i++)
        if (params->at[i].name == name)
            return true;
    return false;
}

static void add_param(Job *job, Params *params, Sym name, char type, bool is_array, bool is_size)
{
    Sym unique = name;
    for (int i = 2; has_name(params, unique); i++)
        unique = sym_printf(job, "%s_%d", name, i);
    *vec_push(job, params) = (Param){ unique, type, is_array, is_size };
}

/* "my_net" becomes MyNet. */
static const char *camel(Job *job, const char *text)
{
    Text t;
    text_init(&t, job);
    bool up = true;
    if (!isalpha((unsigned char)*text))
        text_add(&t, "M");
    for (; *text; text++) {
        bool letter = isascii(*text) && isalnum((unsigned char)*text);
        if (letter)
            text_add(&t, "%c", up ? toupper((unsigned char)*text) : *text);
        up = !letter;
    }
    return t.at;
}

const char *java_class_name(Job *job, const char *wanted, const char *output)
{
    const char *slash = strrchr(output, '/'), *base = slash ? slash + 1 : output, *dot = strrchr(base, '.');
    if (!wanted)
        return job_printf(job, "org/aotc/models/%s",
                          camel(job, job_copy(job, base, dot && dot != base ? (size_t)(dot - base) : strlen(base))));
    char *name = job_copy(job, wanted, strlen(wanted));
    bool first = true;
    for (char *at = name; *at; at++) {
        if (first ? !isascii(*at) || !isalpha((unsigned char)*at)
                  : *at != '.' && *at != '_' && !isalnum((unsigned char)*at))
            usage_error(job, "--java-class=%s: not of the form com.acme.Net", wanted);
        first = *at == '.';
        *at = (char)(first ? '/' : *at);
    }
    if (first)
        usage_error(job, "--java-class=%s: not of the form com.acme.Net", wanted);
    return name;
}

/* ---- types -------------------------------------------------------------------------------------------------- */

static char element(DType d)
{
    const DTypeInfo *i = &dtype_info[d];
    if (i->kind == DK_B)
        return 'Z';
    if (i->kind == DK_I || i->kind == DK_U)
        return i->bytes == 1 ? 'B' : i->bytes == 2 ? 'S' : i->bytes == 4 ? 'I' : 'J';
    return d == DT_f64 || d == DT_c128 ? 'D' : 'F';
}

/* The class of a number that travels as an object, its method, the type. */
static const char *box(char type)
{
    switch (type) {
    case 'Z': return "java/lang/Boolean";
    case 'B': return "java/lang/Byte";
    case 'S': return "java/lang/Short";
    case 'I': return "java/lang/Integer";
    case 'J': return "java/lang/Long";
    case 'D': return "java/lang/Double";
    default: return "java/lang/Float";
    }
}

static const char *unbox(char type)
{
    switch (type) {
    case 'Z': return "booleanValue";
    case 'B': return "byteValue";
    case 'S': return "shortValue";
    case 'I': return "intValue";
    case 'J': return "longValue";
    case 'D': return "doubleValue";
    default: return "floatValue";
    }
}

static int slots(char type, bool is_array)
{
    return !is_array && (type == 'J' || type == 'D') ? 2 : 1;
}

/* "[[F"; "J" for a number */
static const char *output_type(Job *job, const Port *p)
{
    Type t = header_type(p);
    Text text;
    text_init(&text, job);
    for (int i = dtype_is_complex(t.dtype) ? -1 : 0; i < t.rank; i++)
        text_add(&text, "[");
    text_add(&text, "%c", element(t.dtype));
    return text.at;
}

static Params input_params(Job *job, const Graph *g)
{
    Params params = { 0 };
    VEC(const Idx *) seen = { 0 };
    for (size_t i = 0; i < g->inputs.n; i++) {
        Type t = header_type(&g->inputs.at[i]);
        if (g->inputs.at[i].kind == PORT_TENSOR)
            add_param(job, &params, java_name(job, g->inputs.at[i].name, "x"), element(t.dtype),
                      t.rank > 0 || dtype_is_complex(t.dtype), false);
    }
    for (size_t i = 0; i < g->inputs.n; i++) {
        const Port *p = &g->inputs.at[i];
        Type t = header_type(p);
        for (int d = 0; p->kind == PORT_TENSOR && d < t.rank; d++) {
            bool known = t.dim[d]->op == IDX_CONST;
            for (size_t k = 0; k < seen.n && !known; k++)
                known = seen.at[k] == t.dim[d];
            if (known)
                continue;
            *vec_push(job, &seen) = t.dim[d];
            add_param(job, &params, sym_printf(job, "%sDim%d", java_name(job, p->name, "x"), d), 'I', false, true);
        }
    }
    return params;
}

static Params output_params(Job *job, const Graph *g)
{
    Params params = { 0 };
    for (size_t i = 0; i < g->outputs.n; i++)
        if (g->outputs.at[i].kind != PORT_NONE)
            add_param(job, &params, java_name(job, g->outputs.at[i].name, "output"), 'F', false, false);
    return params;
}

/* ---- code --------------------------------------------------------------------------------------------------- */

static void load(Class *c, const Param *p, int local)
{
    int op = p->is_array      ? OP_ALOAD
             : p->type == 'J' ? OP_LLOAD
             : p->type == 'F' ? OP_FLOAD
             : p->type == 'D' ? OP_DLOAD
                              : OP_ILOAD;
    class_op1(c, op, local);
}

/* result: on the stack an Object[]; takes its element i as the output's type */
static void element_of(Class *c, Job *job, const char *type, int i)
{
    class_op2(c, OP_SIPUSH_S, i);
    class_op(c, OP_AALOAD);
    class_op2(c, OP_CHECKCAST_S, class_ref(c, *type == '[' ? type : box(*type)));
    if (*type != '[')
        class_op2(c, OP_VIRTUAL_S, class_method_ref(c, box(*type), unbox(*type), job_printf(job, "()%c", *type)));
}

/* The nested class of a method with several results: Net$ForwardResult. */
static Text result_class(Job *job, const char *name, const char *outer, const char *simple, const Graph *g)
{
    Class *c = class_new(job, name, "java/lang/Object");
    Params fields = output_params(job, g);
    class_nested(c, name, outer, simple);
    class_method(c, 0, "<init>", "([Ljava/lang/Object;)V", NULL, 0);
    class_op1(c, OP_ALOAD, 0);
    class_op2(c, OP_SPECIAL_S, class_method_ref(c, "java/lang/Object", "<init>", "()V"));
    for (size_t i = 0, n = 0; i < g->outputs.n; i++) {
        const Port *p = &g->outputs.at[i];
        if (p->kind == PORT_NONE)
            continue;
        const char *type = output_type(job, p), *field = fields.at[n].name;
        class_field(c, ACC_PUBLIC | ACC_FINAL, field, type);
        class_op1(c, OP_ALOAD, 0);
        class_op1(c, OP_ALOAD, 1);
        element_of(c, job, type, (int)n++);
        class_op2(c, OP_PUTFIELD_S, class_field_ref(c, name, field, type));
    }
    class_op(c, OP_RETURN);
    class_method_end(c, 4, 2);
    return class_bytes(c);
}

/* Leaves the Object[] of CompiledModel.call(number, inputs, sizes) on the stack. */
static void call_base(Class *c, Job *job, const Params *params, int number)
{
    int sizes = 0, local = 1, k = 0;
    for (size_t i = 0; i < params->n; i++)
        sizes += params->at[i].is_size;
    class_op1(c, OP_ALOAD, 0);
    class_op2(c, OP_SIPUSH_S, number);
    class_op2(c, OP_SIPUSH_S, (int)params->n - sizes);
    class_op2(c, OP_ANEWARRAY_S, class_ref(c, "java/lang/Object"));
    for (size_t i = 0; i < params->n; i++) {
        const Param *p = &params->at[i];
        if (p->is_size && (i == 0 || !params->at[i - 1].is_size)) {
            class_op2(c, OP_SIPUSH_S, sizes);
            class_op1(c, OP_NEWARRAY, LONG_ARRAY);
            k = 0;
        }
        class_op(c, OP_DUP);
        class_op2(c, OP_SIPUSH_S, k++);
        load(c, p, local);
        if (p->is_size)
            class_op(c, OP_I2L);
        else if (!p->is_array)
            class_op2(c, OP_STATIC_S,
                      class_method_ref(c, box(p->type), "valueOf", job_printf(job, "(%c)L%s;", p->type, box(p->type))));
        class_op(c, p->is_size ? OP_LASTORE : OP_AASTORE);
        local += slots(p->type, p->is_array);
    }
    if (!sizes) {
        class_op2(c, OP_SIPUSH_S, 0);
        class_op1(c, OP_NEWARRAY, LONG_ARRAY);
    }
    class_op2(c, OP_VIRTUAL_S, class_method_ref(c, BASE, "call", "(I[Ljava/lang/Object;[J)[Ljava/lang/Object;"));
}

static int return_op(const char *type)
{
    return *type == '['   ? OP_ARETURN
           : *type == 'J' ? OP_LRETURN
           : *type == 'F' ? OP_FRETURN
           : *type == 'D' ? OP_DRETURN
                          : OP_IRETURN;
}

static void add_method(Job *job, JavaClasses *out, Class *c, const char *class_name, Sym method, const Graph *g,
                       int number)
{
    Params params = input_params(job, g);
    size_t results = output_params(job, g).n;
    const Sym *names = NULL;
    int locals = 1;
    Text descriptor;
    text_init(&descriptor, job);
    text_add(&descriptor, "(");
    if (params.n) {
        Sym *list = job_array(job, params.n, sizeof *list);
        for (size_t i = 0; i < params.n; i++) {
            list[i] = params.at[i].name;
            text_add(&descriptor, "%s%c", params.at[i].is_array ? "[" : "", params.at[i].type);
            locals += slots(params.at[i].type, params.at[i].is_array);
        }
        names = list;
    }
    if (locals > 255) {
        warn(job, "method %s has more inputs than a method of Java can have; its class leaves it out, sessions run it",
             g->name);
        return;
    }
    const char *nested = job_printf(job, "%c%sResult", toupper((unsigned char)*method), method + 1);
    const char *result = job_printf(job, "%s$%s", class_name, nested), *type = "V";
    for (size_t i = 0; i < g->outputs.n && results == 1; i++)
        if (g->outputs.at[i].kind != PORT_NONE)
            type = output_type(job, &g->outputs.at[i]);
    text_add(&descriptor, results > 1 ? ")L%s;" : ")%s", results > 1 ? result : type);
    class_method(c, ACC_PUBLIC, method, descriptor.at, names, params.n);
    if (results > 1) {
        class_op2(c, OP_NEW_S, class_ref(c, result));
        class_op(c, OP_DUP);
        class_nested(c, result, class_name, nested);
        *vec_push(job, out) = (JarMember){ job_printf(job, "%s.class", result), { 0 } };
        out->at[out->n - 1].text = result_class(job, result, class_name, nested, g);
    }
    call_base(c, job, &params, number);
    if (results > 1) {
        class_op2(c, OP_SPECIAL_S, class_method_ref(c, result, "<init>", "([Ljava/lang/Object;)V"));
        class_op(c, OP_ARETURN);
    } else if (results == 1) {
        element_of(c, job, type, 0);
        class_op(c, return_op(type));
    } else {
        class_op(c, OP_POP);
        class_op(c, OP_RETURN);
    }
    class_method_end(c, 12, locals);
}

static void add_constructor(Class *c, const char *class_name, const char *pool)
{
    static const char *const names[] = { "pool" };
    class_method(c, ACC_PUBLIC, "<init>", *pool ? "(Lorg/aotc/Pool;)V" : "()V", names, *pool ? 1 : 0);
    class_op1(c, OP_ALOAD, 0);
    class_op2(c, OP_LDC_S, class_ref(c, class_name));
    if (*pool)
        class_op1(c, OP_ALOAD, 1);
    class_op2(
        c, OP_SPECIAL_S,
        class_method_ref(c, BASE, "<init>", *pool ? "(Ljava/lang/Class;Lorg/aotc/Pool;)V" : "(Ljava/lang/Class;)V"));
    class_op(c, OP_RETURN);
    class_method_end(c, 3, 2);
}

JavaClasses java_classes(Job *job, const Compilation *comp, const char *class_name)
{
    JavaClasses out = { 0 };
    Params methods = { 0 };
    Class *c = class_new(job, class_name, BASE);
    add_constructor(c, class_name, "");
    add_constructor(c, class_name, "pool");
    for (size_t i = 0; i < comp->graphs.n; i++) {
        const Graph *g = comp->graphs.at[i];
        add_param(job, &methods, java_name(job, g->name, "run"), 'V', false, false);
        add_method(job, &out, c, class_name, methods.at[i].name, g, (int)i);
    }
    *vec_push(job, &out) = (JarMember){ job_printf(job, "%s.class", class_name), { 0 } };
    out.at[out.n - 1].text = class_bytes(c);
    return out;
}
