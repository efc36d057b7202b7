/* SPDX-License-Identifier: MIT */
/* libaotrt.h: what the files of libaotrt share. Its public face is part 2 of aot.h.
 *
 *   open.c        an artifact: checked, opened, counted references
 *   image.c       the checks of the file before the loader sees it
 *   segments.c    constants in side files: mapped, checked by SHA-256
 *   signature.c   Ed25519 by libsodium; copies in sealed memory
 *   session.c     one aot_call with all that it needs
 *   ports.c       flat questions about a session: names, types, shapes
 *   pool.c        the thread pool
 *   processors.c  how many threads make sense
 *   features.c    what the system must be asked for before it is used
 *   text.c        status texts, formatted errors
 */
#ifndef LIBAOTRT_H
#define LIBAOTRT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "aot.h"

/* Where an error text goes; data may be NULL. */
typedef struct Text {
    char  *data;
    size_t size;
} Text;

/* Writes a formatted text and returns status, so that a failure is one return statement. */
__attribute__((format(printf, 3, 4)))
aot_status aotrt_fail(Text to, aot_status status, const char *format, ...);

/* The PT_NOTE bytes of an artifact: they hold the build-id, hence tell two artifacts apart. */
typedef struct Notes {
    uint64_t address;           /* in the image, relative to its base */
    uint64_t bytes;
    void    *data;              /* malloc */
} Notes;

/* Checks that the open file fd is a whole artifact for this machine. On success the caller frees
 * notes->data. */
aot_status aotrt_check_image(int fd, const char *path, Notes *notes, Text error);

/* All of the open file fd in memory without a name, sealed: nobody changes it any more. On success
 * *copy is its descriptor, for the caller to close. */
aot_status aotrt_sealed_copy(int fd, const char *path, int *copy, Text error);
/* The same, and checks that PATH.sig is a signature of it by public_key. */
aot_status aotrt_signed_copy(int fd, const char *path, const uint8_t *public_key, int *copy,
                             Text error);

/* One mapped side file per segment; base is the address to pass, embedded or mapped. */
typedef struct Segments {
    uint64_t     count;
    const void **base;
    uint64_t    *mapped;        /* bytes to unmap, 0: embedded */
    const uint8_t *public_key;  /* not NULL: files are copied into memory of our own, lest they change
                                   behind the check, and those with a header are signed by it */
    const char  *weights;       /* the file of the segment with a header, NULL: as it is named */
} Segments;

aot_status aotrt_map_segments(const aot_model *model, const char *path, Segments *segments,
                              Text error);
void aotrt_unmap_segments(Segments *segments);

/* References to an open artifact; the last one closes it. */
void aotrt_file_hold(aot_file *file);
void aotrt_file_drop(aot_file *file);
/* What belongs in aot_call.segments. */
const void *const *aotrt_file_segments(const aot_file *file);

/* Memory aligned to 64 bytes, for free(); NULL when there is none or bytes is absurd. */
void *aotrt_alloc(uint64_t bytes);

/* aot_model.features; 0 of a model from before there were any. */
static inline uint64_t aotrt_features(const aot_model *model)
{
    return model->struct_size >= offsetof(aot_model, features) + sizeof model->features ? model->features : 0;
}

/* Affinity and cgroup quota, at least 1. */
int64_t aotrt_processors(void);

#endif
