/* SPDX-License-Identifier: MIT */
/* .eh_frame_hdr: the functions of .eh_frame by address.  gdb, perf and unwinders in the process find the callers of a
 * function of a loaded object through this table and no other way; its form is the LSB's. */
#include "link.h"
#include <stdlib.h>
#include <string.h>

enum { VERSION = 1, PCREL_I32 = 0x1b, U32 = 0x03, DATAREL_I32 = 0x3b, HEAD_BYTES = 12, ROW_BYTES = 8 };

static uint32_t word_at(const Section *s, uint64_t at)
{
    uint32_t word;
    memcpy(&word, s->bytes + at, sizeof word);
    return word;
}

/* The relocation of the field at `at`. Assemblers write them in order, so that `*next` goes through them once. */
static const Reloc *reloc_at(const Section *s, uint64_t at, size_t *next)
{
    while (*next < s->reloc_count && s->relocs[*next].at < at)
        ++*next;
    return *next < s->reloc_count && s->relocs[*next].at == at ? &s->relocs[*next] : NULL;
}

/* The records of one section that tell of kept functions. */
static void list_records(Linker *l, const Section *s)
{
    size_t next = 0;
    for (uint64_t at = 0, size; at + 8 <= s->size; at += size) {
        uint32_t length = word_at(s, at);
        size = (uint64_t)length + 4;
        if (!length)
            return; /* the end mark */
        if (length == UINT32_MAX || length < 4 || size > s->size - at)
            fail(l->job, EXIT_TOOLCHAIN, "%s: .eh_frame has a record that does not fit", s->object->name);
        const Reloc *r = word_at(s, at + 4) ? reloc_at(s, at + 8, &next) : NULL; /* 0: a CIE */
        const Symbol *to = r ? &s->object->symbols[r->symbol] : NULL;
        if (to && to->section && to->section->live)
            *vec_push(l->job, &l->unwind) = (Unwind){ s, r, at };
    }
}

void link_list_unwind(Linker *l)
{
    for (size_t i = 0; i < l->sections.n; i++)
        if (l->sections.at[i]->live && l->sections.at[i]->bucket == BUCKET_UNWIND)
            list_records(l, l->sections.at[i]);
}

uint64_t link_unwind_bytes(const Linker *l)
{
    return l->unwind.n ? HEAD_BYTES + ROW_BYTES * l->unwind.n : 0;
}

typedef struct Row {
    int32_t function, record; /* relative to the table */
} Row;

static int by_function(const void *a, const void *b)
{
    const Row *x = a, *y = b;
    return (x->function > y->function) - (x->function < y->function);
}

/* Addresses lie within MAX_IMAGE, so differences fit. */
static int32_t distance(uint64_t to, uint64_t from)
{
    return (int32_t)((int64_t)to - (int64_t)from);
}

void link_fill_unwind(Linker *l)
{
    uint64_t at = l->unwind_at;
    uint8_t head[HEAD_BYTES] = { VERSION, PCREL_I32, U32, DATAREL_I32 };
    int32_t frames = distance(l->begin[BUCKET_UNWIND], at + 4);
    uint32_t count = (uint32_t)l->unwind.n;
    if (!count)
        return;
    Row *rows = job_array(l->job, count, sizeof *rows);
    for (size_t i = 0; i < count; i++) {
        const Unwind *u = &l->unwind.at[i];
        const Symbol *function = &u->section->object->symbols[u->function->symbol];
        uint64_t address = function->section->address + function->value + (uint64_t)u->function->addend;
        rows[i] = (Row){ distance(address, at), distance(u->section->address + u->at, at) };
    }
    qsort(rows, count, sizeof *rows, by_function);
    memcpy(head + 4, &frames, 4);
    memcpy(head + 8, &count, 4);
    memcpy(l->image + at, head, HEAD_BYTES);
    _Static_assert(sizeof *rows == ROW_BYTES, "the plan holds");
    memcpy(l->image + at + HEAD_BYTES, rows, count * sizeof *rows);
}
