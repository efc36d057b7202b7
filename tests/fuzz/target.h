/* SPDX-License-Identifier: MIT */
/* What the fuzz targets share: runs `body` over the input in a job of its own.  Wrong is only
 * what the sanitizers, a bug() or an exit code outside the reader's say. */
#ifndef AOTC_FUZZ_TARGET_H
#define AOTC_FUZZ_TARGET_H
#include "../../compiler/base/job.h"
#include <stdlib.h>
#include <string.h>

typedef struct Input {
    const uint8_t *bytes;
    size_t size;
} Input;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* The job's bytes are an exact heap copy, so that a read past the end is seen. */
static inline void fuzz_run(void (*body)(Job *job, void *input), const uint8_t *bytes, size_t size)
{
    char *message = NULL;
    size_t length = 0;
    uint8_t *copy = malloc(size ? size : 1);
    FILE *errors = open_memstream(&message, &length);
    if (!copy || !errors)
        abort();
    if (size)
        memcpy(copy, bytes, size);
    Input input = { copy, size };
    int code = job_run(body, &input, errors);
    fclose(errors);
    bool said = length && message[length - 1] == '\n';
    if ((code != EXIT_DONE && code != EXIT_INPUT && code != EXIT_UNSUPPORTED) ||
        (code != EXIT_DONE && !said))
        abort();
    free(message);
    free(copy);
}
#endif
