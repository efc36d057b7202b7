/* SPDX-License-Identifier: MIT */
/* session.h: what a session is, for session.c and ports.c. */
#ifndef SESSION_H
#define SESSION_H

#include "libaotrt.h"

/* The room at an output's data pointer, which run forgets. */
typedef struct Room {
    void    *data;              /* the host's, or owned */
    uint64_t bytes;
    void    *owned;             /* the session's memory, kept even while the host lends its own */
    uint64_t owned_bytes;
} Room;

/* Header of a scratch block that grow gave out; the block follows, aligned to 64 bytes. */
typedef struct Scratch {
    _Alignas(64) struct Scratch *next;
} Scratch;

struct aot_session {
    aot_call          call;
    aot_host          host;
    aot_file         *file;
    const aot_method *method;
    int64_t          *sizes;    /* of all tensors: shape, then strides */
    Room             *rooms;    /* per output */
    Scratch          *scratch;  /* of the run that is under way */
    void             *own_state;
    aot_pool         *pool;     /* NULL: serial */
    aot_pool         *own_pool; /* the same, if it is ours to free */
    void            (*event)(void *ctx, int64_t kernel, int64_t enter);
    void             *event_ctx;
    char              error[512];
};

static inline Text session_text(aot_session *session)
{
    return (Text){ session->error, sizeof session->error };
}

#endif
