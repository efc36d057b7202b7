/* SPDX-License-Identifier: MIT */
/* Files carried inside the program: prebuilt kernel objects for the link, kernel sources for --emit=c. */
#ifndef AOTC_EMBED_H
#define AOTC_EMBED_H
typedef struct Embedded {
    const char *name, *from, *to; /* a row of nulls ends a table */
} Embedded;
extern const Embedded embedded_objects[]; /* "igemm_f32_v4.o", ..., "rt.o" */
extern const Embedded embedded_sources[]; /* "aotk.h", "vec.h", "igemm_f32.c", ... in the order of pasting */
extern const char embed_libaotrt[], embed_libaotrt_end[]; /* libaotrt.so */
#endif
