/* SPDX-License-Identifier: MIT */
/* The table of ATen operators (aten.def) and their schemas. */
#include "aten.h"
#include <string.h>

const Row aten_rows[] = {
#define ATEN_GROUP(title) { NULL, NULL, (Op)0, title },
#define ATEN(name, decode, op, flags) { #name, decode_##decode, (Op)(op), flags },
#include "aten.def"
#undef ATEN
#undef ATEN_GROUP
};
const size_t aten_row_count = sizeof aten_rows / sizeof *aten_rows;

const Row *aten_row(const char *target)
{
    const char *name = strncmp(target, "aten.", 5) ? target : target + 5, *dot = strrchr(name, '.');
    size_t n = dot ? (size_t)(dot - name) : strlen(name);
    for (size_t i = 0; i < aten_row_count; i++) {
        const Row *r = &aten_rows[i];
        size_t length = r->name ? strlen(r->name) : 0;
        if (length && !strncmp(name, r->name, length) &&
            (n == length || (n == length + 1 && name[length] == '_' && strchr(r->flags, 'm'))))
            return r;
    }
    return NULL;
}

extern const char embed_aten_schemas[], embed_aten_schemas_end[];
const char *aten_schema(const char *target)
{
    const char *lo = embed_aten_schemas, *hi = embed_aten_schemas_end;
    size_t n = strlen(target);
    while (lo < hi) { /* binary search over lines sorted by bytes */
        const char *mid = lo + (hi - lo) / 2;
        while (mid > lo && mid[-1] != '\n')
            mid--;
        const char *tab = memchr(mid, '\t', (size_t)(hi - mid));
        if (!tab)
            return NULL;
        size_t length = (size_t)(tab - mid), least = n < length ? n : length;
        int order = memcmp(target, mid, least);
        if (!order && n == length)
            return tab + 1;
        if (order < 0 || (!order && n < length)) {
            hi = mid;
        } else {
            const char *end = memchr(mid, '\n', (size_t)(hi - mid));
            lo = end ? end + 1 : hi;
        }
    }
    return NULL;
}
