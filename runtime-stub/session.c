/* SPDX-License-Identifier: MIT */
/* session.c: one aot_call with all that it needs, and aot_run, the one call of an inference.
 *
 * aot_run is optimistic: it calls the method's run at once, which plans by itself. Only when that
 * says AOT_ESPACE is room made and the run repeated; a failed run has changed nothing. What was
 * made is kept, so the second run of a size allocates nothing.
 */
#include "session.h"

#include <stdlib.h>
#include <string.h>

/* The text of this thread's last failure of aot_session_new. */
static _Thread_local char creation_error[512];

/* ---- What the session lends the model ------------------------------------------------------ */

static void lend_loop(void *ctx, int64_t tasks, void (*body)(void *, int64_t, int64_t), void *arg)
{
    const aot_session *session = ctx;
    aot_pool_parallel_for(session->pool, tasks, body, arg);
}

/* Gives the output memory of the session's own, of at least so many bytes. */
static void *own_output(aot_session *session, uint64_t index, uint64_t bytes)
{
    Room *room = &session->rooms[index];
    if (!room->owned || room->owned_bytes < bytes) {
        free(room->owned);
        room->owned = aotrt_alloc(bytes);
        room->owned_bytes = room->owned ? bytes : 0;
    }
    room->data = room->owned;
    room->bytes = room->owned_bytes;
    session->call.outputs[index].data = room->data;
    session->call.output_bytes[index] = room->bytes;
    return room->data;
}

static void *own_scratch(aot_session *session, uint64_t bytes)
{
    if (bytes > UINT64_MAX - sizeof(Scratch))
        return NULL;
    Scratch *scratch = aotrt_alloc(sizeof *scratch + bytes);
    if (!scratch)
        return NULL;
    scratch->next = session->scratch;
    session->scratch = scratch;
    return scratch + 1;
}

static void *grow(void *ctx, int64_t slot, uint64_t bytes)
{
    aot_session *session = ctx;
    if (slot == -1)
        return own_scratch(session, bytes);
    if (slot < 0 || (uint64_t)slot >= session->method->output_count)
        return NULL;
    return own_output(session, (uint64_t)slot, bytes);
}

static void free_scratch(aot_session *session)
{
    while (session->scratch) {
        Scratch *next = session->scratch->next;
        free(session->scratch);
        session->scratch = next;
    }
}

void aot_session_use_pool(aot_session *session, aot_pool *pool)
{
    if (!session)
        return;
    if (session->own_pool != pool) {
        aot_pool_free(session->own_pool);
        session->own_pool = NULL;
    }
    session->pool = pool;
    session->call.threads = aot_pool_threads(pool);
    session->host.parallel_for = session->call.threads > 1 ? lend_loop : NULL;
}

static void lend_event(void *ctx, int64_t kernel, int64_t enter)
{
    const aot_session *session = ctx;
    session->event(session->event_ctx, kernel, enter);
}

void aot_session_watch(aot_session *session, void (*event)(void *ctx, int64_t kernel, int64_t enter), void *ctx)
{
    if (!session)
        return;
    session->event = event;
    session->event_ctx = ctx;
    session->host.event = event ? lend_event : NULL;
}

/* ---- Run ----------------------------------------------------------------------------------- */

/* The model's text, or the status's if it wrote none. */
static aot_status finish(aot_session *session, aot_status status)
{
    if (status && !session->error[0])
        aotrt_fail(session_text(session), status, "%s", aot_status_text(status));
    return status;
}

static int is_empty(const DLTensor *tensor)
{
    for (int32_t i = 0; i < tensor->ndim; i++)
        if (tensor->shape[i] == 0)
            return 1;
    return 0;
}

static aot_status check_inputs(aot_session *session)
{
    const aot_method *method = session->method;
    for (uint64_t i = 0; i < method->input_count; i++) {
        const DLTensor *input = &session->call.inputs[i];
        const aot_port *port = method->inputs[i];
        if (!input->data && !(port->flags & AOT_NONE) && !is_empty(input))
            return aotrt_fail(session_text(session), AOT_EARG, "input %llu (%s) was never set",
                              (unsigned long long)i, port->name);
    }
    return AOT_OK;
}

/* run overwrites output_bytes with needs; this writes the room again. A pointer that the host put
 * into the call by itself counts with the bytes it put there. */
static void state_rooms(aot_session *session)
{
    aot_call *call = &session->call;
    for (uint64_t i = 0; i < session->method->output_count; i++) {
        Room *room = &session->rooms[i];
        if (call->outputs[i].data != room->data) {
            room->data = call->outputs[i].data;
            room->bytes = room->data ? call->output_bytes[i] : 0;
        }
        call->output_bytes[i] = room->bytes;
    }
}

/* After AOT_ESPACE: AOT_OK when something was made larger, so that another try makes sense. */
static aot_status make_room(aot_session *session)
{
    aot_call *call = &session->call;
    int larger = 0;
    if (call->needed_workspace > call->workspace_bytes) {
        free(call->workspace);
        call->workspace = aotrt_alloc(call->needed_workspace);
        call->workspace_bytes = call->workspace ? call->needed_workspace : 0;
        if (!call->workspace)
            return aotrt_fail(session_text(session), AOT_EHOST, "no memory for a workspace of "
                              "%llu bytes", (unsigned long long)call->needed_workspace);
        larger = 1;
    }
    for (uint64_t i = 0; i < session->method->output_count; i++) {
        Room *room = &session->rooms[i];
        uint64_t need = call->output_bytes[i];
        int lent = room->data && room->data != room->owned;
        if (lent || need == UINT64_MAX || need <= room->bytes)
            continue;
        if (!own_output(session, i, need))
            return aotrt_fail(session_text(session), AOT_EHOST, "no memory for output %llu of "
                              "%llu bytes", (unsigned long long)i, (unsigned long long)need);
        larger = 1;
    }
    return larger ? AOT_OK : AOT_ESPACE;
}

aot_status aot_plan(aot_session *session)
{
    if (!session)
        return AOT_EARG;
    state_rooms(session);
    session->error[0] = 0;
    return finish(session, session->method->plan(&session->call));
}

aot_status aot_run(aot_session *session)
{
    enum { TRIES = 8 };     /* the workspace, the outputs, then sizes known only in the run */
    if (!session)
        return AOT_EARG;
    session->error[0] = 0;
    aot_status status = check_inputs(session);
    for (int i = 0; !status && i < TRIES; i++) {
        state_rooms(session);
        aot_pool_begin(session->pool);
        status = session->method->run(&session->call);
        aot_pool_end(session->pool);
        free_scratch(session);
        if (status != AOT_ESPACE)
            break;
        status = make_room(session);
        if (!status)
            session->error[0] = 0;
    }
    return finish(session, status);
}

/* ---- Making a session ---------------------------------------------------------------------- */

static const aot_method *method_named(const aot_model *model, const char *name)
{
    for (uint64_t i = 0; i < model->method_count; i++)
        if (!strcmp(model->methods[i]->name, name))
            return model->methods[i];
    return NULL;
}

static const aot_method *choose_method(const aot_model *model, const char *name)
{
    if (name)
        return method_named(model, name);
    const aot_method *forward = method_named(model, "forward");
    return forward || model->method_count > 1 ? forward : model->methods[0];
}

static aot_status no_such_method(const aot_model *model, const char *name)
{
    char names[400] = "";
    for (uint64_t i = 0, at = 0; i < model->method_count && at < sizeof names - 1; i++) {
        aotrt_fail((Text){ names + at, sizeof names - at }, AOT_OK, "%s%s", i ? ", " : "",
                   model->methods[i]->name);
        at += strlen(names + at);
    }
    Text text = { creation_error, sizeof creation_error };
    if (!name)
        return aotrt_fail(text, AOT_EARG, "%s has no default method; name one of: %s",
                          model->name, names);
    return aotrt_fail(text, AOT_EARG, "%s has no method \"%s\"; it has: %s", model->name, name,
                      names);
}

/* Fills what the port knows. sizes: room for ndim sizes, then for ndim strides. */
static void prepare_tensor(DLTensor *tensor, const aot_port *port, int64_t *sizes)
{
    int64_t *strides = sizes + port->ndim;
    *tensor = (DLTensor){ .device = { 1, 0 }, .ndim = port->ndim, .dtype = port->dtype,
                          .shape = sizes, .strides = port->fixed_strides ? strides : NULL };
    for (int32_t i = 0; i < port->ndim; i++) {
        const aot_dim *dim = &port->dims[i];
        sizes[i] = dim->lo == dim->hi && !dim->unknown ? dim->lo : -1;
        strides[i] = port->fixed_strides ? port->fixed_strides[i] : 0;
    }
}

static uint64_t count_sizes(const aot_port *const *ports, uint64_t count)
{
    uint64_t sizes = 0;
    for (uint64_t i = 0; i < count; i++)
        sizes += 2 * (uint64_t)ports[i]->ndim;
    return sizes;
}

static int64_t *prepare_tensors(DLTensor *tensors, const aot_port *const *ports, uint64_t count,
                                int64_t *sizes)
{
    for (uint64_t i = 0; i < count; i++) {
        prepare_tensor(&tensors[i], ports[i], sizes);
        sizes += 2 * ports[i]->ndim;
    }
    return sizes;
}

/* calloc of at least one element, so that NULL always means no memory. */
static void *zeros(uint64_t count, size_t size)
{
    return calloc(count ? (size_t)count : 1, size);
}

static int prepare_call(aot_session *session)
{
    const aot_method *method = session->method;
    aot_call *call = &session->call;
    uint64_t in = method->input_count, out = method->output_count;
    call->inputs = zeros(in, sizeof *call->inputs);
    call->outputs = zeros(out, sizeof *call->outputs);
    call->output_bytes = zeros(out, sizeof *call->output_bytes);
    session->rooms = zeros(out, sizeof *session->rooms);
    session->sizes = zeros(count_sizes(method->inputs, in) + count_sizes(method->outputs, out),
                           sizeof *session->sizes);
    if (!call->inputs || !call->outputs || !call->output_bytes || !session->rooms
        || !session->sizes)
        return 0;
    int64_t *rest = prepare_tensors(call->inputs, method->inputs, in, session->sizes);
    prepare_tensors(call->outputs, method->outputs, out, rest);
    for (uint64_t i = 0; i < in; i++)
        call->inputs[i].data = (void *)(uintptr_t)method->inputs[i]->constant;
    call->struct_size = sizeof *call;
    call->segments = aotrt_file_segments(session->file);
    call->host = &session->host;
    call->error = session->error;
    call->error_bytes = sizeof session->error;
    session->host = (aot_host){ .struct_size = sizeof session->host, .ctx = session, .grow = grow };
    session->host.features = aot_ask_features(aotrt_features(aot_file_model(session->file)));
    return 1;
}

static int prepare_state(aot_session *session)
{
    uint64_t bytes = aot_file_model(session->file)->state_bytes;
    if (!bytes)
        return 1;
    session->own_state = aotrt_alloc(bytes);
    if (!session->own_state)
        return 0;
    session->call.state = session->own_state;
    aot_state_reset(session);
    return 1;
}

static int prepare_pool(aot_session *session, uint64_t threads)
{
    aot_pool *pool = threads > 1 ? aot_pool_new(threads) : NULL;
    if (threads > 1 && !pool)
        return 0;
    aot_session_use_pool(session, pool);
    session->own_pool = pool;
    return 1;
}

aot_status aot_session_new(aot_file *file, const char *name, uint64_t threads,
                           aot_session **session)
{
    Text text = { creation_error, sizeof creation_error };
    creation_error[0] = 0;
    if (session)
        *session = NULL;
    if (!file || !session)
        return aotrt_fail(text, AOT_EARG, "aot_session_new: file or session is NULL");
    const aot_model *model = aot_file_model(file);
    const aot_method *method = choose_method(model, name);
    if (!method)
        return no_such_method(model, name);
    aot_session *made = calloc(1, sizeof *made);
    if (!made)
        return aotrt_fail(text, AOT_EHOST, "no memory for a session");
    aotrt_file_hold(file);
    made->file = file;
    made->method = method;
    if (!prepare_call(made) || !prepare_state(made) || !prepare_pool(made, threads)) {
        aot_session_free(made);
        return aotrt_fail(text, AOT_EHOST, "no memory for a session of %s", model->name);
    }
    *session = made;
    return AOT_OK;
}

void aot_session_free(aot_session *session)
{
    if (!session)
        return;
    for (uint64_t i = 0; session->rooms && i < session->method->output_count; i++)
        free(session->rooms[i].owned);
    aot_pool_free(session->own_pool);
    free(session->rooms);
    free(session->sizes);
    free(session->own_state);
    free(session->call.workspace);
    free(session->call.output_bytes);
    free(session->call.outputs);
    free(session->call.inputs);
    aotrt_file_drop(session->file);
    free(session);
}

const char *aot_session_error(const aot_session *session)
{
    return session ? session->error : creation_error;
}
