/* SPDX-License-Identifier: MIT */
/* The parts of the link, in the order in which the data passes through them:
 *
 *   elf_read.c    object bytes -> Section, Symbol, Reloc; everything in them is checked
 *   link.c        names -> definitions; what the entry reaches stays; addresses are given out
 *   relocate.c    the fields of the kept sections are filled in
 *   unwind.c      the table of functions for debuggers
 *   elf_write.c   headers, tables, notes, names and weights become the file
 *
 * An object may come from a broken compiler, so whatever is wrong with one is EXIT_TOOLCHAIN with
 * its name. In the output file offset and address are the same number, up to the end of the
 * weights. */
#ifndef AOTC_TOOLCHAIN_LINK_H
#define AOTC_TOOLCHAIN_LINK_H
#include "toolchain.h"
#include <elf.h>

/* Where a section goes, in the order of the file.  READ_ONLY and UNWIND share a segment. */
typedef enum Bucket {
    BUCKET_READ_ONLY,
    BUCKET_UNWIND, /* .eh_frame: debuggers need it to walk through kernels that realign the stack */
    BUCKET_TEXT,
    BUCKET_RELRO, /* written by the loader, then read-only */
    BUCKET_WEIGHTS,
    BUCKET_COUNT
} Bucket;

typedef struct Section Section;
typedef struct ObjectFile ObjectFile;

typedef struct Reloc {
    uint64_t at; /* in its section; the whole field lies inside */
    int64_t addend;
    uint32_t type, symbol; /* symbol: a valid index */
} Reloc;

typedef enum Place {
    PLACE_UNDEFINED,
    PLACE_SECTION,
    PLACE_DROPPED, /* in a section that no link keeps: debug information, a second COMDAT copy */
    PLACE_ABSOLUTE
} Place;

typedef struct Symbol {
    const char *name; /* "" for a section's own symbol */
    Section *section; /* of PLACE_SECTION */
    uint64_t value, size;
    const struct Symbol *meaning; /* the definition, once looked up */
    uint8_t bind, type, place;
} Symbol;

/* A slot of the GOT: holds the address section + value.  section NULL: holds 0 (weak,
 * undefined). */
typedef struct Slot {
    struct Slot *next; /* of the same section */
    Section *section;
    uint64_t value, index;
} Slot;

struct Section {
    const char *name;
    const uint8_t *bytes;
    uint64_t size, align, address;
    Reloc *relocs;
    size_t reloc_count;
    ObjectFile *object; /* NULL for the weights */
    Slot *slots;        /* that point into this section */
    Bucket bucket;
    bool live;
};

struct ObjectFile {
    const char *name;
    const uint8_t *bytes;
    uint64_t size;
    Section **section; /* by index; NULL for those that no link keeps */
    size_t section_count;
    Symbol *symbols;
    size_t symbol_count;
    bool from_compiler; /* by gcc or clang, not by tcc, whose .data holds constants */
};

/* A record of .eh_frame about a function that is kept. */
typedef struct Unwind {
    const Section *section;
    const Reloc *function;
    uint64_t at; /* in the section */
} Unwind;

/* Text -> pointer, open addressing; grows. */
typedef struct Names {
    const char **key; /* NULL: free */
    void **value;
    size_t used, room; /* room: a power of two */
} Names;

typedef struct Linker {
    Job *job;
    const Link *link;
    uint64_t page;
    ObjectFile *objects;
    VEC(Section *) sections; /* in the order of the objects; the weights are not among them */
    Section weights;
    const Symbol *entry;
    Symbol weights_symbol, absent; /* absent: what a weak undefined symbol means */
    Names globals, groups; /* name -> definition; COMDAT signatures seen */
    Slot *weak_slots;
    VEC(Slot *) slots;
    VEC(Elf64_Rela) relative;
    uint64_t relative_count; /* as counted before the layout */
    VEC(Unwind) unwind;

    uint8_t *image; /* all up to the weights */
    uint64_t got, image_size;
    uint64_t unwind_at, unwind_end; /* .eh_frame_hdr, the end of the first segment */
    uint64_t begin[BUCKET_COUNT], end[BUCKET_COUNT];
} Linker;

static inline uint64_t align_up(uint64_t x, uint64_t a)
{
    return a > 1 ? (x + a - 1) / a * a : x;
}

/* elf_read.c */
void link_read_object(Linker *l, const Object *from, ObjectFile *to);

/* link.c */
/* What a symbol of an object stands for: never NULL; &l->absent for a weak one without
 * definition. */
const Symbol *link_resolve(Linker *l, const ObjectFile *object, uint32_t index);
/* True the first time a COMDAT signature is met. */
bool link_first_of_group(Linker *l, const char *signature);

/* relocate.c */
/* How many bytes a relocation's field has; 0: the type is not supported. */
unsigned link_field_size(Machine machine, uint32_t type);
/* Counts what a live section needs of the GOT and of .rela.dyn; refuses what cannot be linked. */
void link_scan(Linker *l, Section *s);
void link_relocate(Linker *l, const Section *s);
void link_fill_slots(Linker *l);

/* unwind.c */
void link_list_unwind(Linker *l); /* once it is known what stays */
uint64_t link_unwind_bytes(const Linker *l);
void link_fill_unwind(Linker *l);

/* elf_write.c */
typedef struct Layout Layout;
Layout *link_plan_head(Linker *l, uint64_t *end);              /* all before .rodata */
void link_plan_dynamic(Linker *l, Layout *layout, uint64_t at); /* .dynamic, end of the image */
void link_write(Linker *l, Layout *layout, const char *path);
/* Writes the build-id's 20 bytes at image + at. It identifies code, names and weights; hashing the weights themselves
 * would cost more than the whole link, so their known digest stands for them. */
void link_build_id(uint8_t *image, uint64_t image_size, uint64_t at, const void *symtab, size_t symtab_size,
                   const void *strtab, size_t strtab_size, const uint8_t *weights_id);
#endif
