/* SPDX-License-Identifier: MIT */
/* ports.c: flat questions about a session, for hosts that want no structs: names, types, tensors
 * and the state block. */
#include "session.h"

#include <string.h>

aot_call *aot_session_call(aot_session *session)
{
    return session ? &session->call : NULL;
}

const aot_method *aot_session_method(const aot_session *session)
{
    return session ? session->method : NULL;
}

/* ---- Ports --------------------------------------------------------------------------------- */

static const aot_port *input_port(const aot_session *session, uint64_t index)
{
    return session && index < session->method->input_count ? session->method->inputs[index] : NULL;
}

static const aot_port *output_port(const aot_session *session, uint64_t index)
{
    return session && index < session->method->output_count ? session->method->outputs[index]
                                                            : NULL;
}

static int32_t packed_dtype(const aot_port *port)
{
    return port ? port->dtype.code * 256 + port->dtype.bits : 0;
}

uint64_t aot_input_count(const aot_session *session)
{
    return session ? session->method->input_count : 0;
}

uint64_t aot_output_count(const aot_session *session)
{
    return session ? session->method->output_count : 0;
}

const char *aot_input_name(const aot_session *session, uint64_t index)
{
    const aot_port *port = input_port(session, index);
    return port ? port->name : NULL;
}

const char *aot_output_name(const aot_session *session, uint64_t index)
{
    const aot_port *port = output_port(session, index);
    return port ? port->name : NULL;
}

int32_t aot_input_dtype(const aot_session *session, uint64_t index)
{
    return packed_dtype(input_port(session, index));
}

int32_t aot_output_dtype(const aot_session *session, uint64_t index)
{
    return packed_dtype(output_port(session, index));
}

/* ---- Inputs -------------------------------------------------------------------------------- */

aot_status aot_set_input(aot_session *session, uint64_t index, void *data, const int64_t *shape,
                         int32_t ndim)
{
    const aot_port *port = input_port(session, index);
    if (!session)
        return AOT_EARG;
    if (!port)
        return aotrt_fail(session_text(session), AOT_EARG, "no input %llu; there are %llu",
                          (unsigned long long)index,
                          (unsigned long long)session->method->input_count);
    DLTensor *input = &session->call.inputs[index];
    if (shape && ndim != port->ndim)
        return aotrt_fail(session_text(session), AOT_ESHAPE, "input %llu (%s) has %d dimensions; "
                          "given: %d", (unsigned long long)index, port->name, port->ndim, ndim);
    if (shape && ndim > 0)
        memcpy(input->shape, shape, (size_t)ndim * sizeof *shape);
    input->data = data;
    return AOT_OK;
}

/* ---- Outputs ------------------------------------------------------------------------------- */

static const DLTensor *output(const aot_session *session, uint64_t index)
{
    return output_port(session, index) ? &session->call.outputs[index] : NULL;
}

aot_status aot_set_output(aot_session *session, uint64_t index, void *data, uint64_t bytes)
{
    if (!output(session, index))
        return AOT_EARG;
    Room *room = &session->rooms[index];
    room->data = data ? data : room->owned;
    room->bytes = data ? bytes : room->owned_bytes;
    session->call.outputs[index].data = room->data;
    session->call.output_bytes[index] = room->bytes;
    return AOT_OK;
}

void *aot_output_data(const aot_session *session, uint64_t index)
{
    const DLTensor *tensor = output(session, index);
    return tensor ? tensor->data : NULL;
}

const int64_t *aot_output_shape(const aot_session *session, uint64_t index)
{
    const DLTensor *tensor = output(session, index);
    return tensor ? tensor->shape : NULL;
}

int32_t aot_output_ndim(const aot_session *session, uint64_t index)
{
    const DLTensor *tensor = output(session, index);
    return tensor ? tensor->ndim : 0;
}

uint64_t aot_output_bytes(const aot_session *session, uint64_t index)
{
    const DLTensor *tensor = output(session, index);
    if (!tensor || (output_port(session, index)->flags & AOT_NONE))
        return 0;
    uint64_t bytes = (tensor->dtype.bits + 7u) / 8u;
    for (int32_t i = 0; i < tensor->ndim; i++)
        bytes = tensor->shape[i] > 0 ? bytes * (uint64_t)tensor->shape[i] : 0;
    return bytes;
}

/* ---- State --------------------------------------------------------------------------------- */

uint64_t aot_state_size(const aot_session *session)
{
    return session ? aot_file_model(session->file)->state_bytes : 0;
}

void *aot_state(const aot_session *session)
{
    return session ? session->call.state : NULL;
}

void aot_state_reset(aot_session *session)
{
    if (!session || !session->call.state)
        return;
    const aot_model *model = aot_file_model(session->file);
    memset(session->call.state, 0, (size_t)model->state_bytes);
    if (model->init_state)
        model->init_state(session->call.state, session->call.segments);
}

void aot_set_state(aot_session *session, void *state)
{
    if (session)
        session->call.state = state ? state : session->own_state;
}
