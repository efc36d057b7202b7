/* SPDX-License-Identifier: MIT */
/* toy_model.c: a model written by hand, as the compiler would write it, small enough to predict.
 *
 *   forward      x f32[batch in 1..64, 4] -> y f32[batch, 4] = 2 x + 1, scores f32[batch] = sums
 *                works through a copy in the workspace, splits its rows among the workers
 *   accumulate   x f32[4] -> total f32[4]; the state remembers the total; x[0] < 0 fails late
 *   nonzero      x f32[n in 0..] -> index i64[u]; u has no bound: the output grows, with scratch
 *   positives    x f32[n in 0..64] -> index i64[u]; u is bounded by n
 *   halves       x f32[n, even] -> y f32[n/2], sums of pairs; odd n violates a guard
 *
 * Built with -nostdlib, so it may call nothing. ABI_VERSION, REFUSE_ABI, NO_NOTE, NO_ENTRY,
 * NO_FORWARD, SIDE_FILES and VARIANT make the other artifacts that the tests need.
 */
#define AOT_MODEL_ONLY
#include "aot.h"

#ifndef ABI_VERSION
#define ABI_VERSION AOT_ABI
#endif
#ifndef VARIANT
#define VARIANT "toy"
#endif
#define METADATA "{\"name\":\"" VARIANT "\",\"kernels\":[\"twice\",\"sum\"]}"
#define COUNT(array) (sizeof(array) / sizeof *(array))
#define F32 { 2, 32, 1 }
#define I64 { 0, 64, 1 }

/* The ELF note: owner "aotc", type 1, the metadata. */
#ifndef NO_NOTE
__attribute__((section(".note.aotc"), used, aligned(4)))
static const struct {
    uint32_t owner_bytes, text_bytes, type;
    char owner[8];
    char text[(sizeof METADATA + 3) / 4 * 4];
} note = { 5, sizeof METADATA, 1, "aotc", METADATA };
#endif

/* gcc may make calls of these from loops and struct copies. */
__attribute__((optimize("no-tree-loop-distribute-patterns")))
void *memset(void *to, int value, size_t bytes)
{
    char *at = to;
    while (bytes--)
        *at++ = (char)value;
    return to;
}

/* ---- Checks that every method makes ---------------------------------------------------------- */

/* Text without a C library: appends to call->error. */
static void say(aot_call *call, uint64_t *at, const char *text)
{
    if (!call->error || !call->error_bytes)
        return;
    while (*text && *at + 1 < call->error_bytes)
        call->error[(*at)++] = *text++;
    call->error[*at] = 0;
}

static void say_number(aot_call *call, uint64_t *at, int64_t number)
{
    char digits[24];
    int i = 23;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    digits[i] = 0;
    do
        digits[--i] = (char)('0' + rest % 10);
    while (rest /= 10);
    if (number < 0)
        digits[--i] = '-';
    say(call, at, digits + i);
}

static aot_status fail(aot_call *call, aot_status status, const char *what, int64_t found,
                       const char *expected)
{
    uint64_t at = 0;
    say(call, &at, what);
    say(call, &at, " is ");
    say_number(call, &at, found);
    say(call, &at, "; expected ");
    say(call, &at, expected);
    return status;
}

static aot_status check_input(aot_call *call, int32_t ndim)
{
    const DLTensor *x = &call->inputs[0];
    if (x->dtype.code != 2 || x->dtype.bits != 32)
        return fail(call, AOT_EDTYPE, "x: code", x->dtype.code, "float32");
    if (x->ndim != ndim)
        return fail(call, AOT_ESHAPE, "x: number of dimensions", x->ndim, ndim == 1 ? "1" : "2");
    if (x->strides && x->shape[ndim - 1] > 1 && x->strides[ndim - 1] != 1)
        return fail(call, AOT_ELAYOUT, "x: last stride", x->strides[ndim - 1], "1");
    return AOT_OK;
}

/* Enough room for output i? If not and the host can grow it, grows it. */
static aot_status want_output(aot_call *call, uint64_t i, uint64_t bytes)
{
    const aot_host *host = call->host;
    uint64_t room = call->output_bytes[i];
    call->output_bytes[i] = bytes;
    if (bytes <= room)
        return AOT_OK;
    if (!host || !host->grow)
        return fail(call, AOT_ESPACE, "output", (int64_t)i, "more room");
    call->outputs[i].data = host->grow(host->ctx, (int64_t)i, bytes);
    return call->outputs[i].data ? AOT_OK : AOT_EHOST;
}

/* ---- forward --------------------------------------------------------------------------------- */

static aot_status forward_plan(aot_call *call)
{
    aot_status status = check_input(call, 2);
    if (status)
        return status;
    int64_t batch = call->inputs[0].shape[0];
    if (batch < 1 || batch > 64)
        return fail(call, AOT_ESHAPE, "batch (dimension 0 of x)", batch, "1..64");
    if (call->inputs[0].shape[1] != 4)
        return fail(call, AOT_ESHAPE, "dimension 1 of x", call->inputs[0].shape[1], "4");
    call->outputs[0].shape[0] = call->outputs[1].shape[0] = batch;
    call->outputs[0].shape[1] = 4;
    call->output_bytes[0] = 16 * (uint64_t)batch;
    call->output_bytes[1] = 4 * (uint64_t)batch;
    call->needed_workspace = 16 * (uint64_t)batch;
    return AOT_OK;
}

static void forward_row(void *arg, int64_t row, int64_t worker)
{
    const aot_call *call = arg;
    const float *x = (const float *)call->inputs[0].data + 4 * row;
    float *twice = (float *)call->workspace + 4 * row;
    float *y = (float *)call->outputs[0].data + 4 * row, sum = 0;
    (void)worker;
    for (int i = 0; i < 4; i++)
        twice[i] = 2 * x[i];
    for (int i = 0; i < 4; i++)
        sum += y[i] = twice[i] + 1;
    ((float *)call->outputs[1].data)[row] = sum;
}

static aot_status forward_run(aot_call *call)
{
    uint64_t room0 = call->output_bytes[0], room1 = call->output_bytes[1];
    aot_status status = forward_plan(call);
    if (status)
        return status;
    if (room0 < call->output_bytes[0] || room1 < call->output_bytes[1])
        return fail(call, AOT_ESPACE, "room of output 0", (int64_t)room0, "16 bytes a row");
    if (call->workspace_bytes < call->needed_workspace)
        return fail(call, AOT_ESPACE, "workspace", (int64_t)call->workspace_bytes, "more");
    int64_t batch = call->inputs[0].shape[0];
    const aot_host *host = call->host;
    if (host && host->event)
        host->event(host->ctx, 0, 1);
    if (host && host->parallel_for)
        host->parallel_for(host->ctx, batch, forward_row, call);
    else
        for (int64_t row = 0; row < batch; row++)
            forward_row(call, row, 0);
    if (host && host->event)
        host->event(host->ctx, 0, 0);
    return AOT_OK;
}

/* ---- accumulate ------------------------------------------------------------------------------ */

static aot_status accumulate_plan(aot_call *call)
{
    aot_status status = check_input(call, 1);
    if (!status && call->inputs[0].shape[0] != 4)
        status = fail(call, AOT_ESHAPE, "dimension 0 of x", call->inputs[0].shape[0], "4");
    if (status)
        return status;
    call->outputs[0].shape[0] = 4;
    call->output_bytes[0] = 16;
    call->needed_workspace = 0;
    return AOT_OK;
}

static aot_status accumulate_run(aot_call *call)
{
    uint64_t room = call->output_bytes[0];
    const float *x = call->inputs[0].data;
    float *total = call->state, *y;
    aot_status status = accumulate_plan(call);
    if (!status)
        call->output_bytes[0] = room, status = want_output(call, 0, 16);
    if (status)
        return status;
    y = call->outputs[0].data;
    for (int i = 0; i < 4; i++)
        y[i] = total[i] + x[i];
    if (x[0] < 0)
        return fail(call, AOT_EDATA, "assertion x[0] >= 0: x[0]", (int64_t)x[0], "at least 0");
    for (int i = 0; i < 4; i++)
        total[i] = y[i];
    return AOT_OK;
}

static void init_state(void *state, const void *const *bases)
{
    (void)bases;
    for (int i = 0; i < 4; i++)
        ((float *)state)[i] = 100;
}

/* ---- nonzero, positives ---------------------------------------------------------------------- */

static aot_status indices_plan(aot_call *call, int64_t most)
{
    aot_status status = check_input(call, 1);
    int64_t n = status ? 0 : call->inputs[0].shape[0];
    if (!status && (n < 0 || n > most))
        status = fail(call, AOT_ESHAPE, "n (dimension 0 of x)", n, most == 64 ? "0..64" : "0..");
    if (status)
        return status;
    call->outputs[0].shape[0] = AOT_UNKNOWN;
    call->output_bytes[0] = most == 64 ? 8 * (uint64_t)n : UINT64_MAX;
    call->needed_workspace = 0;
    return AOT_OK;
}

/* Writes the indices, or with index NULL only counts them. */
static int64_t find(const DLTensor *x, int64_t *index, int positive)
{
    const float *data = x->data;
    int64_t found = 0;
    for (int64_t i = 0; i < x->shape[0]; i++) {
        if (positive ? !(data[i] > 0) : data[i] == 0)
            continue;
        if (index)
            index[found] = i;
        found++;
    }
    return found;
}

static aot_status nonzero_plan(aot_call *call)
{
    return indices_plan(call, INT64_MAX);
}

static aot_status nonzero_run(aot_call *call)
{
    uint64_t room = call->output_bytes[0];
    aot_status status = indices_plan(call, INT64_MAX);
    if (status)
        return status;
    const aot_host *host = call->host;
    int64_t found = find(&call->inputs[0], NULL, 0);
    if (host && host->grow) {                       /* exercises scratch */
        char *scratch = host->grow(host->ctx, -1, 100);
        if (!scratch)
            return AOT_EHOST;
        for (int i = 0; i < 100; i++)
            scratch[i] = 1;
    }
    call->output_bytes[0] = room;
    status = want_output(call, 0, 8 * (uint64_t)found);
    if (!status)
        call->outputs[0].shape[0] = find(&call->inputs[0], call->outputs[0].data, 0);
    return status;
}

static aot_status positives_plan(aot_call *call)
{
    return indices_plan(call, 64);
}

static aot_status positives_run(aot_call *call)
{
    uint64_t room = call->output_bytes[0];
    aot_status status = indices_plan(call, 64);
    if (status)
        return status;
    if (room < call->output_bytes[0])
        return fail(call, AOT_ESPACE, "room of output 0", (int64_t)room, "8 bytes an element");
    int64_t found = find(&call->inputs[0], call->outputs[0].data, 1);
    call->outputs[0].shape[0] = found;
    call->output_bytes[0] = 8 * (uint64_t)found;
    return AOT_OK;
}

/* ---- halves ---------------------------------------------------------------------------------- */

static aot_status halves_plan(aot_call *call)
{
    aot_status status = check_input(call, 1);
    int64_t n = status ? 0 : call->inputs[0].shape[0];
    if (!status && (n < 2 || n % 2))
        status = fail(call, AOT_ESHAPE, "2*h (dimension 0 of x)", n, "an even size from 2");
    if (status)
        return status;
    call->outputs[0].shape[0] = n / 2;
    call->output_bytes[0] = 2 * (uint64_t)n;
    call->needed_workspace = 0;
    return AOT_OK;
}

static aot_status halves_run(aot_call *call)
{
    uint64_t room = call->output_bytes[0];
    aot_status status = halves_plan(call);
    if (status)
        return status;
    if (room < call->output_bytes[0])
        return fail(call, AOT_ESPACE, "room of output 0", (int64_t)room, "2 bytes an element");
    const float *x = call->inputs[0].data;
    float *y = call->outputs[0].data;
    for (int64_t i = 0; i < call->outputs[0].shape[0]; i++)
        y[i] = x[2 * i] + x[2 * i + 1];
    return AOT_OK;
}

/* ---- Tables ---------------------------------------------------------------------------------- */

static const aot_dim batch_4[] = { { 1, 64, "batch", 0 }, { 4, 4, NULL, 0 } };
static const aot_dim batch_1[] = { { 1, 64, "batch", 0 } };
static const aot_dim four[] = { { 4, 4, NULL, 0 } };
static const aot_dim any[] = { { 0, INT64_MAX, "n", 0 } };
static const aot_dim few[] = { { 0, 64, "n", 0 } };
static const aot_dim even[] = { { 2, INT64_MAX, "2*h", 0 } };
static const aot_dim half[] = { { 1, INT64_MAX, "h", 0 } };
static const aot_dim unknown[] = { { 0, INT64_MAX, "u0", 1 } };
static const aot_dim unknown_few[] = { { 0, 64, "u0", 1 } };

#define PORT(id, text, type, rank, dims) \
    static const aot_port id = { sizeof(aot_port), text, type, rank, dims, NULL, NULL, 0 }
PORT(forward_x, "x", F32, 2, batch_4);
PORT(forward_y, "y", F32, 2, batch_4);
PORT(forward_scores, "scores", F32, 1, batch_1);
PORT(accumulate_x, "x", F32, 1, four);
PORT(accumulate_total, "total", F32, 1, four);
PORT(nonzero_x, "x", F32, 1, any);
PORT(nonzero_index, "index", I64, 1, unknown);
PORT(positives_x, "x", F32, 1, few);
PORT(positives_index, "index", I64, 1, unknown_few);
PORT(halves_x, "x", F32, 1, even);
PORT(halves_y, "y", F32, 1, half);

#define METHOD(id, workspace, grows, ...) \
    static const aot_port *const id##_outputs[] = { __VA_ARGS__ }; \
    static const aot_port *const id##_inputs[] = { &id##_x }; \
    static const aot_method id = { sizeof(aot_method), #id, 1, COUNT(id##_outputs), id##_inputs, \
                                   id##_outputs, workspace, 0, grows, id##_plan, id##_run }
METHOD(forward, 1024, 0, &forward_y, &forward_scores);
METHOD(accumulate, 0, 0, &accumulate_total);
METHOD(nonzero, 0, 1, &nonzero_index);
METHOD(positives, 0, 0, &positives_index);
METHOD(halves, 0, 0, &halves_y);

static const aot_method *const methods[] = {
#ifndef NO_FORWARD
    &forward,
#endif
    &accumulate, &nonzero, &positives, &halves
};

#ifdef SIDE_FILES
/* Two files beside the artifact, the vectors of FIPS 180: "abc" and a million times "a". */
/* As the first version of aot.h had them: without layout. */
static const aot_segment abc = { 64, 3, "toy.abc", NULL, {
    0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
    0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad
}, { 0 } };
static const aot_segment million = { 64, 1000000, "toy.million", NULL, {
    0xcd, 0xc7, 0x6e, 0x5c, 0x99, 0x14, 0xfb, 0x92, 0x81, 0xa1, 0xc7, 0xe2, 0x84, 0xd7, 0x3e, 0x67,
    0xf1, 0x80, 0x9a, 0x48, 0xa4, 0x97, 0x20, 0x0e, 0x04, 0x6d, 0x39, 0xcc, 0xc7, 0x11, 0x2c, 0xd0
}, { 0 } };
static const aot_segment *const segments[] = { &abc, &million };
enum { SEGMENT_COUNT = 2 };
#else
static const aot_segment *const *const segments = NULL;
enum { SEGMENT_COUNT = 0 };
#endif

static const aot_model model = {
    sizeof model, ABI_VERSION, 0, VARIANT, "baseline", METADATA, COUNT(methods), SEGMENT_COUNT, 16,
    methods, segments, init_state, 0
};

#ifndef NO_ENTRY
__attribute__((visibility("default")))
const aot_model *aot_entry(uint32_t host_abi, const char *isa, aot_status *status)
{
    *status = AOT_OK;
    if (isa && (isa[0] != 'b' || isa[1] != 'a')) {
        *status = AOT_ECPU;
        return NULL;
    }
#ifdef REFUSE_ABI
    if (host_abi != ABI_VERSION) {
        *status = AOT_EABI;
        return NULL;
    }
#else
    (void)host_abi;
#endif
    return &model;
}
#endif
