/* SPDX-License-Identifier: MIT */
/* text.c: status texts, formatted errors, and the one allocator of libaotrt. */
#include "libaotrt.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const status_texts[] = {
    [AOT_OK]      = "done",
    [AOT_EARG]    = "wrong argument",
    [AOT_EDTYPE]  = "wrong element type",
    [AOT_ESHAPE]  = "rank, size or guard violated",
    [AOT_ELAYOUT] = "wrong strides",
    [AOT_EDATA]   = "wrong data",
    [AOT_ESPACE]  = "workspace or output too small",
    [AOT_EHOST]   = "the host could not: memory or file",
    [AOT_ECPU]    = "not for this processor",
    [AOT_EABI]    = "model and host have different ABI versions",
    [AOT_ESIGNATURE] = "not signed by the key that was asked for",
};

const char *aot_status_text(aot_status status)
{
    if (status < 0 || (size_t)status >= sizeof status_texts / sizeof *status_texts)
        return "unknown status of a later version";
    return status_texts[status];
}

aot_status aotrt_fail(Text to, aot_status status, const char *format, ...)
{
    if (to.data && to.size) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(to.data, to.size, format, arguments);
        va_end(arguments);
    }
    return status;
}

void *aotrt_alloc(uint64_t bytes)
{
    if (bytes > PTRDIFF_MAX - 64)
        return NULL;
    return aligned_alloc(64, bytes ? (size_t)(bytes + 63) / 64 * 64 : 64);
}
