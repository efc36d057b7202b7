/* SPDX-License-Identifier: MIT */
/* Part of every generated C file: how a model checks its call and says what is wrong.  No libc: texts are put together
 * byte by byte into the caller's buffer, cut to its size.  Each function returns the status that the model returns.
 *
 * An artifact links these functions compiled already (glue.c), which saves the compiler their text in every model: with
 * AOT_GLUE_PREBUILT they are only declared. */

#ifndef AOT_UNUSED
#if defined(__GNUC__) || defined(__TINYC__)
#define AOT_UNUSED __attribute__((unused))
#else
#define AOT_UNUSED
#endif
#endif

#if defined(__GNUC__) || defined(__TINYC__)
#define AOT_FOREIGN extern __attribute__((visibility("hidden")))
#else
#define AOT_FOREIGN extern
#endif

/* What only an error calls is not worth the compiler's time. */
#if defined(AOT_GLUE_PREBUILT)
#define AOT_GLUE AOT_FOREIGN
#define AOT_COLD AOT_FOREIGN
#else
#ifndef AOT_GLUE
#define AOT_GLUE static AOT_UNUSED
#endif
#if defined(__GNUC__) && !defined(__TINYC__)
#define AOT_COLD AOT_GLUE __attribute__((cold, noinline))
#else
#define AOT_COLD AOT_GLUE
#endif
#endif

/* ---- what models call ---- */

AOT_COLD aot_status aot_bad_relation(aot_call *call, const char *input, i64 dim, i64 found, const char *expression,
                                     i64 expected);
AOT_COLD aot_status aot_bad_guard(aot_call *call, const char *condition, i64 a, i64 b);
AOT_COLD aot_status aot_bad_data(aot_call *call, const char *condition);
AOT_COLD aot_status aot_no_state(aot_call *call);
AOT_COLD aot_status aot_no_weights(aot_call *call);
AOT_COLD aot_status aot_bad_index(aot_call *call, const char *tensor, i64 index, i64 size);
AOT_COLD aot_status aot_failed(aot_call *call, const char *kernel, const char *what);
AOT_COLD aot_status aot_bad_late(aot_call *call, const char *where, const char *size, i64 found, i64 lo, i64 hi);
AOT_GLUE aot_status aot_late_output(aot_call *call, i64 i, const char *name, const i64 *sizes, int rank, i64 element,
                                    i64 bytes);
AOT_GLUE aot_status aot_late_work(aot_call *call, const char *name, const i64 *sizes, int rank, i64 element,
                                  i64 bytes, void **memory);
AOT_GLUE aot_status aot_check_inputs(aot_call *call, const aot_port *const *ports, i64 n);
AOT_GLUE aot_status aot_check_room(aot_call *call, const aot_port *const *outputs, i64 n, const u64 *need, u64 work);
AOT_GLUE void aot_parallel(const aot_call *call, i64 worth, void (*body)(void *args, int64_t task, int64_t worker),
                           void *args);
AOT_GLUE void aot_together(const aot_call *call, i64 loops, i64 worth, i64 step,
                           void (*body)(void *args, int64_t task, int64_t worker), void *args);
AOT_GLUE aot_call aot_share(const aot_call *call, i64 tasks);

/* Tells the host that asked for a profile. */
static AOT_UNUSED void aot_event(const aot_call *call, i64 kernel, i64 enter)
{
    if (call->host && call->host->event)
        call->host->event(call->host->ctx, kernel, enter);
}

/* A kernel of the schedule, between the two events of its number. */
#define AOT_STEP(number, ...)                                                                                          \
    do {                                                                                                               \
        aot_event(call, number, 1);                                                                                    \
        __VA_ARGS__;                                                                                                   \
        aot_event(call, number, 0);                                                                                    \
    } while (0)

/* The threads that kernels may be shared among. */
static AOT_UNUSED i64 aot_threads(const aot_call *call)
{
    return call->threads > 1024 ? 1024 : call->threads > 1 ? (i64)call->threads : 1;
}

/* What the host says that kernels may use of the processor. */
static AOT_UNUSED int aot_features(const aot_call *call)
{
    const aot_host *host = call->host;
    int says = host && host->struct_size >= (u64)((const char *)(&host->features + 1) - (const char *)host);
    return says ? (int)(host->features & (AOT_TILES | AOT_DOTS)) : 0;
}

/* Where task `task` of `tasks` begins in 0..n. */
static AOT_UNUSED i64 aot_part(i64 n, i64 task, i64 tasks)
{
    return tasks == 1 ? n * task : n / tasks * task + n % tasks * task / tasks;
}

#ifdef AOTK_H
/* A call of a function that --custom-op names. */
typedef struct aot_custom {
    aot_operator *function;
    aotk_operand in[8];
    aotk_result out[8];
    aot_argument argument[16];
    int in_count, out_count, argument_count;
} aot_custom;

static AOT_UNUSED DLTensor aot_dense(const void *data, const aotk_i64 *n, int rank, int dtype)
{
    static const u8 code[] = { 2, 2, 2, 4, 0, 0, 0, 0, 1, 1, 1, 1, 6, 5, 5 };
    static const u8 bits[] = { 32, 64, 16, 16, 8, 16, 32, 64, 8, 16, 32, 64, 8, 64, 128 };
    DLTensor t = { 0 };
    t.data = (void *)(size_t)data;
    t.device.device_type = 1;
    t.ndim = rank;
    t.dtype.code = code[dtype];
    t.dtype.bits = bits[dtype];
    t.dtype.lanes = 1;
    t.shape = (int64_t *)(size_t)n;
    return t;
}

static AOT_UNUSED const char *aot_call_operator(const aot_custom *p)
{
    DLTensor in[8], out[8];
    int i;
    for (i = 0; i < p->in_count; i++)
        in[i] = aot_dense(p->in[i].data, p->in[i].n, p->in[i].rank, p->in[i].dtype);
    for (i = 0; i < p->out_count; i++)
        out[i] = aot_dense(p->out[i].data, p->out[i].n, p->out[i].rank, p->out[i].dtype);
    return p->function(in, p->in_count, out, p->out_count, p->argument, p->argument_count);
}

#endif

/* ---- how it is done ---- */

#ifndef AOT_GLUE_PREBUILT
typedef struct aot_say {
    char *at;
    u64 room;
} aot_say;

AOT_COLD void aot_put(aot_say *s, const char *text)
{
    for (; *text && s->room > 1; text++, s->room--)
        *s->at++ = *text;
    if (s->room)
        *s->at = 0;
}

AOT_COLD void aot_put_i64(aot_say *s, i64 value)
{
    char digits[24];
    int n = 23;
    u64 rest = value < 0 ? 0 - (u64)value : (u64)value;
    digits[n] = 0;
    do
        digits[--n] = (char)('0' + (int)(rest % 10));
    while ((rest /= 10) != 0);
    if (value < 0)
        digits[--n] = '-';
    aot_put(s, digits + n);
}

AOT_COLD aot_say aot_begin(aot_call *call)
{
    aot_say s;
    s.at = call->error;
    s.room = call->error ? call->error_bytes : 0;
    return s;
}

AOT_COLD void aot_put_dim(aot_say *s, const char *input, i64 dim, i64 found)
{
    aot_put(s, "input ");
    aot_put(s, input);
    aot_put(s, ": dimension ");
    aot_put_i64(s, dim);
    aot_put(s, " is ");
    aot_put_i64(s, found);
}

/* "input x: dimension 0 is 513; it must be in 1..512 (s77)" */
AOT_COLD aot_status aot_bad_size(aot_call *call, const char *input, i64 dim, i64 found, i64 lo, i64 hi,
                                          const char *symbol)
{
    aot_say s = aot_begin(call);
    aot_put_dim(&s, input, dim, found);
    aot_put(&s, lo == hi ? "; it must be " : "; it must be in ");
    aot_put_i64(&s, lo);
    if (lo != hi) {
        aot_put(&s, "..");
        if (hi != 9223372036854775807LL)
            aot_put_i64(&s, hi);
    }
    if (symbol) {
        aot_put(&s, " (");
        aot_put(&s, symbol);
        aot_put(&s, ")");
    }
    return AOT_ESHAPE;
}

/* "input y: dimension 1 is 5; s12 + 1 is 6" */
AOT_COLD aot_status aot_bad_relation(aot_call *call, const char *input, i64 dim, i64 found,
                                              const char *expression, i64 expected)
{
    aot_say s = aot_begin(call);
    aot_put_dim(&s, input, dim, found);
    aot_put(&s, "; it must be ");
    aot_put(&s, expression);
    aot_put(&s, ", which is ");
    aot_put_i64(&s, expected);
    return AOT_ESHAPE;
}

/* A condition of the program on its sizes does not hold. */
AOT_COLD aot_status aot_bad_guard(aot_call *call, const char *condition, i64 a, i64 b)
{
    aot_say s = aot_begin(call);
    aot_put(&s, "the sizes break the condition ");
    aot_put(&s, condition);
    aot_put(&s, "; its sides are ");
    aot_put_i64(&s, a);
    aot_put(&s, " and ");
    aot_put_i64(&s, b);
    return AOT_ESHAPE;
}

AOT_COLD aot_status aot_bad_input(aot_call *call, const char *input, const char *what, aot_status status)
{
    aot_say s = aot_begin(call);
    aot_put(&s, "input ");
    aot_put(&s, input);
    aot_put(&s, ": ");
    aot_put(&s, what);
    return status;
}

/* A check of the model: `condition` does not hold. */
AOT_COLD aot_status aot_bad_data(aot_call *call, const char *condition)
{
    aot_say s = aot_begin(call);
    aot_put(&s, "a check of the model fails: ");
    aot_put(&s, condition);
    return AOT_EDATA;
}

AOT_COLD aot_status aot_no_state(aot_call *call)
{
    aot_say s = aot_begin(call);
    aot_put(&s, "call->state is NULL; the model has state, which init_state fills");
    return AOT_EARG;
}

AOT_COLD aot_status aot_no_weights(aot_call *call)
{
    aot_say s = aot_begin(call);
    aot_put(&s, "call->segments is NULL; the model's weights are in a file that the host maps");
    return AOT_EARG;
}

AOT_COLD aot_status aot_bad_index(aot_call *call, const char *tensor, i64 index, i64 size)
{
    aot_say s = aot_begin(call);
    aot_put(&s, "an index in ");
    aot_put(&s, tensor);
    aot_put(&s, " is ");
    aot_put_i64(&s, index);
    aot_put(&s, "; it must be in 0..");
    aot_put_i64(&s, size - 1);
    return AOT_EDATA;
}

/* "topk: a sort of NaN" of a routine that cannot do with this data. */
AOT_COLD aot_status aot_failed(aot_call *call, const char *kernel, const char *what)
{
    aot_say s = aot_begin(call);
    aot_put(&s, kernel);
    aot_put(&s, ": ");
    aot_put(&s, what);
    return AOT_EDATA;
}

AOT_COLD aot_status aot_no_space(aot_call *call, const char *what, const char *name, u64 have, u64 need)
{
    aot_say s = aot_begin(call);
    aot_put(&s, what);
    aot_put(&s, name);
    aot_put(&s, " has ");
    aot_put_i64(&s, (i64)have);
    aot_put(&s, " bytes; needed are ");
    aot_put_i64(&s, (i64)need);
    return AOT_ESPACE;
}

/* "u0 of model.py:12 x.nonzero() is 7; it must be in 0..5" */
AOT_COLD aot_status aot_bad_late(aot_call *call, const char *where, const char *size, i64 found, i64 lo, i64 hi)
{
    aot_say s = aot_begin(call);
    aot_put(&s, size);
    aot_put(&s, " of ");
    aot_put(&s, where);
    aot_put(&s, " is ");
    aot_put_i64(&s, found);
    aot_put(&s, lo == hi ? "; it must be " : "; it must be in ");
    aot_put_i64(&s, lo);
    if (lo != hi) {
        aot_put(&s, "..");
        aot_put_i64(&s, hi);
    }
    return AOT_EDATA;
}

/* Sizes that the data decided may be anything: negative, or too many for 64 bits. */
AOT_GLUE aot_status aot_check_late(aot_call *call, const char *tensor, const i64 *sizes, int rank, i64 bytes)
{
    f64 total = (f64)bytes;
    int d, bad = 0;
    for (d = 0; d < rank; d++) {
        bad |= sizes[d] < 0;
        total *= (f64)sizes[d];
    }
    if (bad || total > 4e18) {
        aot_say s = aot_begin(call);
        aot_put(&s, tensor);
        aot_put(&s, " has a negative size, or more bytes than there can be");
        return AOT_EDATA;
    }
    return AOT_OK;
}

/* The sizes of output i are known: its shape, and room for it. */
AOT_GLUE aot_status aot_late_output(aot_call *call, i64 i, const char *name, const i64 *sizes, int rank,
                                             i64 element, i64 bytes)
{
    const aot_host *host = call->host;
    int d;
    aot_status status = aot_check_late(call, name, sizes, rank, element);
    if (status != AOT_OK)
        return status;
    for (d = 0; d < rank; d++)
        call->outputs[i].shape[d] = sizes[d];
    if (call->output_bytes[i] < (u64)bytes) {
        u64 room = call->output_bytes[i];
        if (!host || !host->grow) {
            call->output_bytes[i] = (u64)bytes;
            return aot_no_space(call, "", name, room, (u64)bytes);
        }
        call->outputs[i].data = host->grow(host->ctx, i, (u64)bytes);
        if (!call->outputs[i].data) {
            aot_no_space(call, "", name, room, (u64)bytes);
            return AOT_EHOST;
        }
    }
    call->output_bytes[i] = (u64)bytes;
    return AOT_OK;
}

/* Scratch memory of a size that was not bounded at entry. */
AOT_GLUE aot_status aot_late_work(aot_call *call, const char *name, const i64 *sizes, int rank, i64 element,
                                           i64 bytes, void **memory)
{
    const aot_host *host = call->host;
    aot_status status = aot_check_late(call, name, sizes, rank, element);
    if (status != AOT_OK)
        return status;
    if (!host || !host->grow)
        return aot_no_space(call, "a host without aot_host.grow", "", 0, (u64)bytes);
    *memory = host->grow(host->ctx, -1, bytes ? (u64)bytes : 1);
    if (!*memory) {
        aot_no_space(call, "", name, 0, (u64)bytes);
        return AOT_EHOST;
    }
    return AOT_OK;
}

/* "float32", "bool8" */
AOT_COLD void aot_put_dtype(aot_say *s, DLDataType d)
{
    static const char *const kinds[] = { "int", "uint", "float", "handle", "bfloat", "complex", "bool" };
    aot_put(s, d.code < 7 ? kinds[d.code] : "type");
    aot_put_i64(s, d.bits);
}

AOT_COLD aot_status aot_bad_rank(aot_call *call, i64 i, const aot_port *port)
{
    aot_say s = aot_begin(call);
    aot_put(&s, "input ");
    aot_put(&s, port->name);
    aot_put(&s, ": it has ");
    aot_put_i64(&s, call->inputs[i].ndim);
    aot_put(&s, " dimensions; it must have ");
    aot_put_i64(&s, port->ndim);
    return AOT_ESHAPE;
}

AOT_COLD aot_status aot_bad_dtype(aot_call *call, i64 i, const aot_port *port)
{
    aot_say s = aot_begin(call);
    aot_put(&s, "input ");
    aot_put(&s, port->name);
    aot_put(&s, ": its elements are ");
    aot_put_dtype(&s, call->inputs[i].dtype);
    aot_put(&s, "; they must be ");
    aot_put_dtype(&s, port->dtype);
    return AOT_EDTYPE;
}

/* Rank, dtype, sizes and layout of each input against its port: row-major, sizes of 1 may have any stride. */
AOT_GLUE aot_status aot_check_inputs(aot_call *call, const aot_port *const *ports, i64 n)
{
    i64 i;
    int d;
    for (i = 0; i < n; i++) {
        const DLTensor *t = &call->inputs[i];
        const aot_port *port = ports[i];
        u64 step = 1;
        int odd = 0, empty = 0;
        if (port->flags & AOT_NONE)
            continue;
        if (port->constant) { /* a Python number that the export fixed */
            if (t->data && *(const i64 *)t->data != *port->constant)
                return aot_bad_input(call, port->name, "it must be the number that the export fixed", AOT_EDATA);
            continue;
        }
        if (t->ndim != port->ndim)
            return aot_bad_rank(call, i, port);
        if (t->dtype.code != port->dtype.code || t->dtype.bits != port->dtype.bits || t->dtype.lanes != 1)
            return aot_bad_dtype(call, i, port);
        for (d = 0; d < t->ndim; d++) {
            const aot_dim *dim = &port->dims[d];
            if (t->shape[d] < dim->lo || t->shape[d] > dim->hi)
                return aot_bad_size(call, port->name, d, t->shape[d], dim->lo, dim->hi, dim->symbol);
        }
        for (d = t->ndim - 1; t->strides && d >= 0; d--) {
            odd |= t->shape[d] > 1 && (u64)t->strides[d] != step;
            empty |= t->shape[d] == 0;
            step *= (u64)t->shape[d];
        }
        if (odd && !empty)
            return aot_bad_input(call, port->name, "it is not row-major", AOT_ELAYOUT);
    }
    return AOT_OK;
}

/* Whether the room that the caller gave suffices; it learns what is needed.  Of an output that only the run can size, need
 * is a bound: it is told when something else fails. */
AOT_GLUE aot_status aot_check_room(aot_call *call, const aot_port *const *outputs, i64 n, const u64 *need, u64 work)
{
    const u64 room = call->workspace ? call->workspace_bytes : 0;
    aot_status status = room < work ? aot_no_space(call, "the workspace", "", room, work) : AOT_OK;
    i64 i;
    int d, late = 0;
    call->needed_workspace = work;
    for (i = 0; i < n; i++) {
        int unknown = 0;
        for (d = 0; d < outputs[i]->ndim; d++)
            unknown |= outputs[i]->dims[d].unknown != 0;
        late |= unknown;
        if (unknown)
            continue;
        if (call->output_bytes[i] < need[i])
            status = aot_no_space(call, "output ", outputs[i]->name, call->output_bytes[i], need[i]);
        call->output_bytes[i] = need[i];
    }
    for (i = 0; i < n && late && status != AOT_OK; i++)
        call->output_bytes[i] = need[i];
    return status;
}

/* Shares a kernel among the caller's threads, in no more tasks than `worth`: each shall last longer than a thread
 * takes to start. The first member of args is the number of tasks. */
AOT_GLUE void aot_parallel(const aot_call *call, i64 worth, void (*body)(void *args, int64_t task, int64_t worker),
                                    void *args)
{
    i64 tasks = aot_threads(call);
    if (worth < tasks)
        tasks = worth;
    if (tasks < 1 || !call->host || !call->host->parallel_for)
        tasks = 1;
    *(i64 *)args = tasks;
    if (tasks > 1)
        call->host->parallel_for(call->host->ctx, tasks, body, args);
    else
        body(args, 0, 0);
}

/* Runs loops that need nothing of each other: at the same time, each on a thread, or one after the other, each on all
 * threads. The latter for a profile, whose events come from one thread, and where there are more threads than loops and
 * a `step` of a loop is worth several tasks of each. */
AOT_GLUE void aot_together(const aot_call *call, i64 loops, i64 worth, i64 step,
                                    void (*body)(void *args, int64_t task, int64_t worker), void *args)
{
    i64 threads = aot_threads(call);
    int apart = (call->host && call->host->event) || (threads > loops && step > 4 * threads);
    if (worth > loops)
        worth = loops;
    aot_parallel(call, apart ? 1 : worth, body, args);
}

/* The call as a task sees it that is one of several: it is a thread alone. */
AOT_GLUE aot_call aot_share(const aot_call *call, i64 tasks)
{
    aot_call own = { .struct_size = call->struct_size, .inputs = call->inputs, .outputs = call->outputs,
                     .workspace = call->workspace, .state = call->state, .segments = call->segments,
                     .host = call->host, .threads = tasks > 1 ? 1 : call->threads };
    return own;
}
#endif
