/* SPDX-License-Identifier: MIT */
/* A safe unpickler for tensors: see pickle.h. */
#include "pickle.h"
#include <inttypes.h>
#include <string.h>

enum { MAX_MARKS = 1000, MAX_LINE = 512 };
static const size_t max_pickle = (size_t)512 << 20, max_values = (size_t)8 << 20;
static const size_t max_memo = (size_t)4 << 20, max_stack = (size_t)1 << 20;

typedef struct Reader {
    Job *job;
    const char *where;
    const uint8_t *bytes;
    size_t size, at, values;
    bool foreign, stopped;
    VEC(PValue *) stack, memo;
    VEC(size_t) marks; /* heights of the stack */
} Reader;

static _Noreturn void refuse(Reader *r, const char *what)
{
    fail(r->job, EXIT_INPUT, "%s: pickle has %s at byte %zu", r->where, what, r->at);
}

/* ---- dtypes ---------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int number;
} torch_dtypes[] = {
    { "uint8", 1 },           { "int8", 2 },         { "int16", 3 },
    { "int32", 4 },           { "int64", 5 },        { "float16", 6 },
    { "float32", 7 },         { "float64", 8 },      { "complex32", 9 },
    { "complex64", 10 },      { "complex128", 11 },  { "bool", 12 },
    { "bfloat16", 13 },       { "uint16", 28 },      { "float8_e4m3fn", 29 },
    { "float8_e5m2", 30 },    { "float8_e4m3fnuz", 31 }, { "float8_e5m2fnuz", 32 },
    { "float8_e8m0fnu", 33 }, { "uint32", 34 },      { "uint64", 35 },
};
enum { DTYPES = sizeof torch_dtypes / sizeof *torch_dtypes };

int torch_dtype_number(const char *name)
{
    for (int i = 0; i < DTYPES; i++)
        if (!strcmp(torch_dtypes[i].name, name))
            return torch_dtypes[i].number;
    return 0;
}

const char *torch_dtype_name(Job *job, int64_t number)
{
    for (int i = 0; i < DTYPES; i++)
        if (torch_dtypes[i].number == number)
            return torch_dtypes[i].name;
    return job_printf(job, "number %" PRId64, number);
}

/* ---- bytes, stack, memo ---------------------------------------------------------------------- */

static const uint8_t *bytes(Reader *r, uint64_t n)
{
    if (n > r->size - r->at)
        refuse(r, "an end inside an operand");
    const uint8_t *p = r->bytes + r->at;
    r->at += (size_t)n;
    return p;
}

static uint64_t little(Reader *r, int n)
{
    const uint8_t *p = bytes(r, (uint64_t)n);
    uint64_t v = 0;
    for (int i = n; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

static PValue *make(Reader *r, PKind kind)
{
    if (++r->values > max_values)
        refuse(r, "more than 8388608 values");
    PValue *v = job_alloc(r->job, sizeof *v);
    v->kind = kind;
    return v;
}

static void push(Reader *r, PValue *v)
{
    if (r->stack.n >= max_stack)
        refuse(r, "more than 1048576 values on its stack");
    *vec_push(r->job, &r->stack) = v;
}

static size_t floor_of(const Reader *r)
{
    return r->marks.n ? r->marks.at[r->marks.n - 1] : 0;
}

static PValue *top(Reader *r)
{
    if (r->stack.n <= floor_of(r))
        refuse(r, "an operation on an empty stack");
    return r->stack.at[r->stack.n - 1];
}

static PValue *pop(Reader *r)
{
    PValue *v = top(r);
    r->stack.n--;
    return v;
}

/* Takes everything above the last mark off the stack; valid until the next push. */
static PValue **pop_marked(Reader *r, size_t *n)
{
    if (!r->marks.n)
        refuse(r, "an operation without its mark");
    size_t from = r->marks.at[--r->marks.n];
    *n = r->stack.n - from;
    r->stack.n = from;
    return r->stack.at ? r->stack.at + from : NULL;
}

static void memo_put(Reader *r, size_t i)
{
    PValue *v = top(r);
    if (i >= max_memo || i > 2 * r->values + 64)
        refuse(r, "a memo slot out of range");
    while (r->memo.n <= i)
        *vec_push(r->job, &r->memo) = NULL;
    r->memo.at[i] = v;
}

static void memo_get(Reader *r, size_t i)
{
    if (i >= r->memo.n || !r->memo.at[i])
        refuse(r, "a memo slot read before it is written");
    push(r, r->memo.at[i]);
}

static void add_item(Reader *r, PValue *list, PValue *v)
{
    if (v == list)
        refuse(r, "a container that holds itself");
    if (list->items.n >= max_values)
        refuse(r, "a container of more than 8388608 values");
    *vec_push(r->job, &list->items) = v;
}

static void push_int(Reader *r, int64_t i)
{
    PValue *v = make(r, P_INT);
    v->integer = i;
    push(r, v);
}

static void push_string(Reader *r, uint64_t n)
{
    const char *text = (const char *)bytes(r, n);
    if (memchr(text, 0, (size_t)n))
        refuse(r, "a string with a NUL");
    PValue *v = make(r, P_STRING);
    v->text = sym_n(r->job, text, (size_t)n);
    push(r, v);
}

static void push_tuple(Reader *r, PValue **items, size_t n)
{
    PValue *v = make(r, P_TUPLE);
    v->items.at = job_array(r->job, n, sizeof *v->items.at);
    v->items.n = v->items.room = n;
    if (n)
        memcpy(v->items.at, items, n * sizeof *items);
    push(r, v);
}

static void push_short_tuple(Reader *r, size_t n)
{
    PValue *items[3];
    for (size_t i = n; i-- > 0;)
        items[i] = pop(r);
    push_tuple(r, items, n);
}

/* ---- what the calls mean --------------------------------------------------------------------- */

typedef struct Call {
    PValue **at; /* arguments */
    size_t n;
    const char *name;
} Call;

static PValue *argument(Reader *r, const Call *c, size_t i, PKind kind)
{
    if (i >= c->n || c->at[i]->kind != kind)
        fail(r->job, EXIT_INPUT, "%s: pickle calls %s with a wrong argument %zu before byte %zu",
             r->where, c->name, i, r->at);
    return c->at[i];
}

static int read_ints(Reader *r, const Call *c, size_t i, int64_t *out)
{
    const PValue *tuple = argument(r, c, i, P_TUPLE);
    if (tuple->items.n > MAX_RANK)
        fail(r->job, EXIT_UNSUPPORTED, "%s: pickle holds a tensor of %zu dimensions; at most %d "
             "are supported", r->where, tuple->items.n, MAX_RANK);
    Call items = { tuple->items.at, tuple->items.n, c->name };
    for (size_t k = 0; k < items.n; k++)
        out[k] = argument(r, &items, k, P_INT)->integer;
    return (int)items.n;
}

static void read_shape(Reader *r, const Call *c, size_t first, PTensor *t)
{
    t->rank = read_ints(r, c, first, t->size);
    if (read_ints(r, c, first + 1, t->stride) != t->rank)
        refuse(r, "a tensor with more sizes than strides or fewer");
}

static PValue *push_tensor(Reader *r, const PTensor *t)
{
    PValue *v = make(r, P_TENSOR);
    v->tensor = t;
    return v;
}

/* {"conj": true, "neg": true}: any true entry changes what the storage means. */
static bool flags_set(const PValue *flags)
{
    if (flags->kind == P_NONE)
        return false;
    if (flags->kind != P_DICT)
        return true;
    for (size_t i = 1; i < flags->items.n; i += 2)
        if (flags->items.at[i]->kind != P_BOOL || flags->items.at[i]->integer)
            return true;
    return false;
}

static PValue *rebuild(Reader *r, const Call *c, size_t flags)
{
    PTensor *t = job_alloc(r->job, sizeof *t);
    t->storage = argument(r, c, 0, P_STORAGE)->storage;
    t->offset = argument(r, c, 1, P_INT)->integer;
    read_shape(r, c, 2, t);
    if (flags == 7) {
        Sym dtype = argument(r, c, 6, P_GLOBAL)->text;
        if (strncmp(dtype, "torch.", 6) || !torch_dtype_number(dtype + 6))
            refuse(r, "a tensor of an unknown dtype");
        t->dtype = dtype + 6;
    }
    t->lazy = c->n > flags && flags_set(c->at[flags]);
    return push_tensor(r, t);
}

static PValue *call_tensor_v2(Reader *r, const Call *c)
{
    return rebuild(r, c, 6);
}

static PValue *call_tensor_v3(Reader *r, const Call *c)
{
    return rebuild(r, c, 7);
}

static PValue *call_parameter(Reader *r, const Call *c)
{
    if (c->n && c->at[0]->kind == P_SUBCLASS)
        return c->at[0];
    return argument(r, c, 0, P_TENSOR);
}

static PValue *call_meta(Reader *r, const Call *c)
{
    PTensor *t = job_alloc(r->job, sizeof *t);
    Sym dtype = argument(r, c, 0, P_GLOBAL)->text;
    t->dtype = strncmp(dtype, "torch.", 6) ? dtype : dtype + 6;
    read_shape(r, c, 1, t);
    return push_tensor(r, t);
}

static PValue *call_ordered_dict(Reader *r, const Call *c)
{
    if (c->n)
        refuse(r, "an OrderedDict made from a list");
    return make(r, P_DICT);
}

static PValue *call_opaque(Reader *r, const Call *c)
{
    (void)c;
    return make(r, P_OPAQUE);
}

/* (function, class, arguments, state): the state alone says what the tensor is made of. */
static PValue *call_subclass(Reader *r, const Call *c)
{
    PValue *v = make(r, P_SUBCLASS);
    argument(r, c, 0, P_GLOBAL);
    v->sub.class_name = argument(r, c, 1, P_GLOBAL)->text;
    argument(r, c, 2, P_TUPLE);
    const PValue *state = c->n > 3 ? c->at[3] : NULL;
    if (state && state->kind == P_TUPLE && state->items.n) /* (attributes, slots) */
        state = state->items.at[0];
    v->sub.state = state && state->kind == P_DICT ? state : make(r, P_DICT);
    return v;
}

static const struct Callable {
    const char *name;
    PValue *(*call)(Reader *r, const Call *c);
} callables[] = {
    { "torch._utils._rebuild_tensor_v2", call_tensor_v2 },
    { "torch._utils._rebuild_tensor_v3", call_tensor_v3 },
    { "torch._utils._rebuild_parameter", call_parameter },
    { "torch._utils._rebuild_parameter_with_state", call_parameter },
    { "torch._utils._rebuild_meta_tensor_no_storage", call_meta },
    { "collections.OrderedDict", call_ordered_dict },
    { "torch._tensor._rebuild_from_type_v2", call_subclass },
    { "torch._utils._rebuild_wrapper_subclass", call_opaque },
    { "torch.serialization._get_layout", call_opaque },
    { "torch.device", call_opaque },
    { "torch.Size", call_opaque },
};

static const struct Callable *callable(Sym name)
{
    for (size_t i = 0; i < sizeof callables / sizeof *callables; i++)
        if (!strcmp(callables[i].name, name))
            return &callables[i];
    return NULL;
}

/* "Float" for torch.FloatStorage, NULL when the name is no storage's. */
static Sym storage_type(Reader *r, Sym name)
{
    static const char *const types[] = { "Float", "Double", "Half",         "BFloat16",
                                         "Char",  "Byte",   "Short",        "Int",
                                         "Long",  "Bool",   "ComplexFloat", "ComplexDouble" };
    if (!strcmp(name, "torch.storage.UntypedStorage"))
        return sym(r->job, "Untyped");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        size_t n = strlen(types[i]);
        if (!strncmp(name, "torch.", 6) && !strncmp(name + 6, types[i], n) &&
            !strcmp(name + 6 + n, "Storage"))
            return sym(r->job, types[i]);
    }
    return NULL;
}

static void push_global(Reader *r, Sym name)
{
    bool known = callable(name) || storage_type(r, name) ||
                 (!strncmp(name, "torch.", 6) && torch_dtype_number(name + 6));
    if (!known && !r->foreign)
        fail(r->job, EXIT_INPUT, "%s: pickle names the global %.200s; only tensors are read, "
             "nothing is ever imported or run", r->where, name);
    if (!strcmp(name, "torch._tensor._rebuild_from_type_v2"))
        r->foreign = true;
    PValue *v = make(r, P_GLOBAL);
    v->text = name;
    push(r, v);
}

/* ---- the opcodes ----------------------------------------------------------------------------- */

static void op_proto(Reader *r)
{
    if (little(r, 1) > 5)
        refuse(r, "a protocol above 5");
}

static void op_frame(Reader *r)
{
    if (little(r, 8) > r->size - r->at)
        refuse(r, "a frame longer than the pickle");
}

static void op_stop(Reader *r)
{
    r->stopped = true;
}

static void op_mark(Reader *r)
{
    if (r->marks.n >= MAX_MARKS)
        refuse(r, "more than 1000 open marks");
    *vec_push(r->job, &r->marks) = r->stack.n;
}

static void op_none(Reader *r)
{
    push(r, make(r, P_NONE));
}

static void op_true(Reader *r)
{
    PValue *v = make(r, P_BOOL);
    v->integer = 1;
    push(r, v);
}

static void op_false(Reader *r)
{
    push(r, make(r, P_BOOL));
}

static void op_int1(Reader *r)
{
    push_int(r, (int64_t)little(r, 1));
}

static void op_int2(Reader *r)
{
    push_int(r, (int64_t)little(r, 2));
}

static void op_int4(Reader *r)
{
    push_int(r, (int32_t)(uint32_t)little(r, 4));
}

static void op_long1(Reader *r)
{
    int n = (int)little(r, 1);
    if (n > 8)
        refuse(r, "an integer of more than 64 bits");
    uint64_t v = little(r, n);
    if (n && n < 8 && v >> (8 * n - 1))
        v |= ~(uint64_t)0 << (8 * n);
    push_int(r, (int64_t)v);
}

static void op_float(Reader *r)
{
    const uint8_t *p = bytes(r, 8);
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | p[i];
    PValue *v = make(r, P_FLOAT);
    memcpy(&v->real, &bits, sizeof bits);
    push(r, v);
}

static void op_string1(Reader *r)
{
    push_string(r, little(r, 1));
}

static void op_string4(Reader *r)
{
    push_string(r, little(r, 4));
}

static void op_string8(Reader *r)
{
    push_string(r, little(r, 8));
}

static void op_pop(Reader *r)
{
    if (r->marks.n && r->marks.at[r->marks.n - 1] == r->stack.n)
        r->marks.n--; /* pickle's own reader takes a mark off */
    else
        pop(r);
}

static void op_pop_mark(Reader *r)
{
    size_t n;
    pop_marked(r, &n);
}

static void op_dup(Reader *r)
{
    push(r, top(r));
}

static void op_empty_tuple(Reader *r)
{
    push_short_tuple(r, 0);
}

static void op_tuple1(Reader *r)
{
    push_short_tuple(r, 1);
}

static void op_tuple2(Reader *r)
{
    push_short_tuple(r, 2);
}

static void op_tuple3(Reader *r)
{
    push_short_tuple(r, 3);
}

static void op_tuple(Reader *r)
{
    size_t n;
    PValue **items = pop_marked(r, &n);
    push_tuple(r, items, n);
}

static void op_empty_list(Reader *r)
{
    push(r, make(r, P_LIST));
}

static void op_empty_dict(Reader *r)
{
    push(r, make(r, P_DICT));
}

static PValue *top_of(Reader *r, PKind kind)
{
    PValue *v = top(r);
    if (v->kind != kind && v->kind != P_OPAQUE)
        refuse(r, kind == P_LIST ? "items added to what is no list"
                                 : "members set on what is no dict");
    return v->kind == kind ? v : NULL;
}

static void add_items(Reader *r, PKind kind)
{
    size_t n;
    PValue **items = pop_marked(r, &n), *to = top_of(r, kind);
    if (kind == P_DICT && n % 2)
        refuse(r, "a key without its value");
    for (size_t i = 0; to && i < n; i++)
        add_item(r, to, items[i]);
}

static void op_append(Reader *r)
{
    PValue *v = pop(r), *to = top_of(r, P_LIST);
    if (to)
        add_item(r, to, v);
}

static void op_appends(Reader *r)
{
    add_items(r, P_LIST);
}

static void op_setitem(Reader *r)
{
    PValue *v = pop(r), *key = pop(r), *to = top_of(r, P_DICT);
    if (to) {
        add_item(r, to, key);
        add_item(r, to, v);
    }
}

static void op_setitems(Reader *r)
{
    add_items(r, P_DICT);
}

static void op_put1(Reader *r)
{
    memo_put(r, (size_t)little(r, 1));
}

static void op_put4(Reader *r)
{
    memo_put(r, (size_t)little(r, 4));
}

static void op_memoize(Reader *r)
{
    memo_put(r, r->memo.n);
}

static void op_get1(Reader *r)
{
    memo_get(r, (size_t)little(r, 1));
}

static void op_get4(Reader *r)
{
    memo_get(r, (size_t)little(r, 4));
}

static const char *line(Reader *r, size_t *n)
{
    const uint8_t *from = r->bytes + r->at;
    size_t left = r->size - r->at;
    const uint8_t *end = memchr(from, '\n', left < MAX_LINE ? left : MAX_LINE);
    if (!end || memchr(from, 0, (size_t)(end - from)))
        refuse(r, "a malformed global name");
    *n = (size_t)(end - from);
    r->at += *n + 1;
    return (const char *)from;
}

static void op_global(Reader *r)
{
    size_t m, n;
    const char *module = line(r, &m), *name = line(r, &n);
    push_global(r, sym_printf(r->job, "%.*s.%.*s", (int)m, module, (int)n, name));
}

static void op_stack_global(Reader *r)
{
    PValue *name = pop(r), *module = pop(r);
    if (name->kind != P_STRING || module->kind != P_STRING)
        refuse(r, "a global whose name is no string");
    push_global(r, sym_printf(r->job, "%.512s.%.512s", module->text, name->text));
}

static void op_reduce(Reader *r)
{
    PValue *arguments = pop(r), *function = pop(r);
    if (arguments->kind != P_TUPLE || (function->kind != P_GLOBAL && function->kind != P_OPAQUE))
        refuse(r, "a call of what is no function");
    const struct Callable *c = function->kind == P_GLOBAL ? callable(function->text) : NULL;
    if (!c && !r->foreign)
        fail(r->job, EXIT_INPUT, "%s: pickle calls %.200s, which is no function of a tensor's",
             r->where, function->kind == P_GLOBAL ? function->text : "a value");
    Call call = { arguments->items.at, arguments->items.n, c ? c->name : "" };
    push(r, c ? c->call(r, &call) : call_opaque(r, &call));
}

static void op_new_object(Reader *r) /* class.__new__(*arguments): only foreign classes have it */
{
    PValue *arguments = pop(r), *class = pop(r);
    if (!r->foreign || arguments->kind != P_TUPLE || class->kind != P_GLOBAL)
        refuse(r, "an object that is no tensor");
    push(r, make(r, P_OPAQUE));
}

static void op_persistent(Reader *r)
{
    PValue *id = pop(r);
    bool tuple = id->kind == P_TUPLE && id->items.n == 5;
    Call c = { id->items.at, tuple ? 5 : 0, "a storage" };
    if (!tuple || strcmp(argument(r, &c, 0, P_STRING)->text, "storage"))
        refuse(r, "a persistent id that is no storage's");
    PStorage *s = job_alloc(r->job, sizeof *s);
    s->type = storage_type(r, argument(r, &c, 1, P_GLOBAL)->text);
    s->key = argument(r, &c, 2, P_STRING)->text;
    argument(r, &c, 3, P_STRING);
    s->count = argument(r, &c, 4, P_INT)->integer;
    if (!s->type || s->count < 0)
        refuse(r, "a storage of unknown type or negative size");
    PValue *v = make(r, P_STORAGE);
    v->storage = s;
    push(r, v);
}

/* Attributes set on an object: those of a dict (a state dict's _metadata) or of a foreign
 * object do not matter. */
static void op_build(Reader *r)
{
    PValue *state = pop(r), *v = top(r);
    bool none = state->kind == P_NONE || (state->kind == P_DICT && !state->items.n);
    if (!none && v->kind != P_DICT && v->kind != P_OPAQUE && v->kind != P_SUBCLASS)
        refuse(r, "attributes set on what is no dict");
}

static void (*const opcodes[256])(Reader *r) = {
    [0x80] = op_proto,       [0x95] = op_frame,     ['.'] = op_stop,
    ['('] = op_mark,         ['N'] = op_none,       [0x88] = op_true,
    [0x89] = op_false,       ['K'] = op_int1,       ['M'] = op_int2,
    ['J'] = op_int4,         [0x8a] = op_long1,     ['G'] = op_float,
    [0x8c] = op_string1,     ['X'] = op_string4,    [')'] = op_empty_tuple,
    [0x85] = op_tuple1,      [0x86] = op_tuple2,    [0x87] = op_tuple3,
    ['t'] = op_tuple,        [']'] = op_empty_list, ['}'] = op_empty_dict,
    ['a'] = op_append,       ['e'] = op_appends,    ['s'] = op_setitem,
    ['u'] = op_setitems,     ['q'] = op_put1,       ['r'] = op_put4,
    [0x94] = op_memoize,     ['h'] = op_get1,       ['j'] = op_get4,
    ['c'] = op_global,       [0x93] = op_stack_global, ['R'] = op_reduce,
    [0x8d] = op_string8,     ['0'] = op_pop,        ['1'] = op_pop_mark,
    ['2'] = op_dup,          [0x81] = op_new_object,  ['Q'] = op_persistent, ['b'] = op_build,
};

const PValue *pickle_read(Job *job, const char *where, const uint8_t *in, size_t size, bool foreign)
{
    Reader r = { .job = job, .where = where, .bytes = in, .size = size, .foreign = foreign };
    if (size > max_pickle)
        fail(job, EXIT_INPUT, "%s: pickle of %zu bytes; at most %zu are read", where, size,
             max_pickle);
    while (!r.stopped) {
        uint8_t op = *bytes(&r, 1);
        if (!opcodes[op])
            fail(job, EXIT_INPUT, "%s: pickle has the opcode 0x%02x at byte %zu; only tensors are "
                 "read", where, op, r.at - 1);
        opcodes[op](&r);
    }
    if (r.stack.n != 1 || r.marks.n || r.at != size)
        refuse(&r, "more or less than one value");
    return r.stack.at[0];
}

const PValue *pickle_get(const PValue *dict, const char *key)
{
    for (size_t i = 0; dict && dict->kind == P_DICT && i + 1 < dict->items.n; i += 2)
        if (dict->items.at[i]->kind == P_STRING && !strcmp(dict->items.at[i]->text, key))
            return dict->items.at[i + 1];
    return NULL;
}
