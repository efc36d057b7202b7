/* SPDX-License-Identifier: MIT */
/* The link: definitions by name, the sections that the entry reaches, and where everything goes.
 *
 *   LOAD  R    headers, notes, .gnu.hash, .dynsym, .dynstr, .rela.dyn, .rodata, .eh_frame, .eh_frame_hdr
 *   LOAD  R X  .text
 *   LOAD  RW   .data.rel.ro, .got, .dynamic: read-only once the loader is done (RELRO)
 *   LOAD  R    the weights, last, so that code and constants stay within 2 GiB whatever their size
 *   -          .symtab and its names, section headers: for nm, gdb and perf only */
#include "link.h"
#include <libelf.h>
#include <string.h>

#define MAX_IMAGE ((uint64_t)1 << 30)   /* all but the weights */
#define MAX_WEIGHTS ((uint64_t)1 << 44) /* far beyond any file, and no sum of addresses overflows */

/* ---- names ----------------------------------------------------------------------------------- */

static size_t hash_text(const char *text)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (; *text; text++)
        h = (h ^ (uint8_t)*text) * 1099511628211u;
    return (size_t)(h ^ h >> 32);
}

/* Where `text` is, or the free place where it belongs. */
static size_t names_find(const Names *names, const char *text)
{
    size_t i = hash_text(text) & (names->room - 1);
    while (names->key[i] && strcmp(names->key[i], text) != 0)
        i = (i + 1) & (names->room - 1);
    return i;
}

static void names_grow(Job *job, Names *names)
{
    Names old = *names;
    names->room = old.room ? old.room * 2 : 256;
    names->key = job_array(job, names->room, sizeof *names->key);
    names->value = job_array(job, names->room, sizeof *names->value);
    for (size_t i = 0; i < old.room; i++)
        if (old.key[i]) {
            size_t to = names_find(names, old.key[i]);
            names->key[to] = old.key[i];
            names->value[to] = old.value[i];
        }
}

/* The value of `text`, for reading and writing; NULL inside when it is new. */
static void **names_at(Job *job, Names *names, const char *text)
{
    if (names->used * 2 >= names->room)
        names_grow(job, names);
    size_t i = names_find(names, text);
    names->used += !names->key[i];
    names->key[i] = text;
    return &names->value[i];
}

bool link_first_of_group(Linker *l, const char *signature)
{
    void **seen = names_at(l->job, &l->groups, signature);
    bool first = !*seen;
    *seen = l;
    return first;
}

static void define(Linker *l, const char *object, Symbol *symbol)
{
    void **place = names_at(l->job, &l->globals, symbol->name);
    Symbol *old = *place;
    if (old && old->bind != STB_WEAK && symbol->bind != STB_WEAK)
        fail(l->job, EXIT_TOOLCHAIN, "%s: %s is defined twice; first in %s", object, symbol->name,
             old->section->object ? old->section->object->name : "the link itself");
    if (!old || (old->bind == STB_WEAK && symbol->bind != STB_WEAK))
        *place = symbol;
}

static void define_globals(Linker *l, ObjectFile *o)
{
    for (size_t i = 1; i < o->symbol_count; i++) {
        Symbol *y = &o->symbols[i];
        if (y->bind != STB_LOCAL && y->place == PLACE_SECTION && *y->name)
            define(l, o->name, y);
    }
}

static const Symbol *look_up(Linker *l, const ObjectFile *o, const Symbol *y)
{
    bool global = y->bind != STB_LOCAL && *y->name;
    if (!global && y->place == PLACE_SECTION)
        return y;
    if (y->place == PLACE_ABSOLUTE)
        fail(l->job, EXIT_TOOLCHAIN, "%s: %s is an absolute symbol; a model may be loaded anywhere",
             o->name, *y->name ? y->name : "symbol 0");
    const Symbol *found = global ? *names_at(l->job, &l->globals, y->name) : NULL;
    if (found)
        return found;
    if (y->place == PLACE_UNDEFINED && y->bind == STB_WEAK)
        return &l->absent;
    if (y->place == PLACE_UNDEFINED)
        fail(l->job, EXIT_TOOLCHAIN, "%s: undefined symbol %s; a model depends on no library",
             o->name, y->name);
    fail(l->job, EXIT_TOOLCHAIN, "%s: a relocation needs a section that is not kept", o->name);
}

const Symbol *link_resolve(Linker *l, const ObjectFile *object, uint32_t index)
{
    Symbol *y = &object->symbols[index];
    if (!y->meaning)
        y->meaning = look_up(l, object, y);
    return y->meaning;
}

/* ---- what stays ------------------------------------------------------------------------------ */

typedef VEC(Section *) Queue;

static void reach(Linker *l, Queue *queue, Section *s)
{
    if (!s || s->live)
        return;
    s->live = true;
    *vec_push(l->job, queue) = s;
}

static void keep_reachable(Linker *l, Section *start)
{
    Queue queue = { 0 };
    reach(l, &queue, start);
    for (size_t i = 0; i < queue.n; i++) {
        Section *s = queue.at[i];
        for (size_t k = 0; k < s->reloc_count; k++)
            reach(l, &queue, link_resolve(l, s->object, s->relocs[k].symbol)->section);
    }
}

/* Unwind tables describe sections rather than being reached: kept where they describe a kept
 * one. */
static void keep_unwind(Linker *l)
{
    for (size_t i = 0; i < l->sections.n; i++) {
        Section *s = l->sections.at[i];
        if (s->bucket != BUCKET_UNWIND)
            continue;
        s->live = false;
        for (size_t k = 0; k < s->reloc_count && !s->live; k++) {
            const Symbol *y = &s->object->symbols[s->relocs[k].symbol];
            s->live = y->section && y->section->live && y->section->bucket == BUCKET_TEXT;
        }
    }
}

/* ---- where it goes --------------------------------------------------------------------------- */

static uint64_t place(Linker *l, Bucket bucket, uint64_t at)
{
    at = align_up(at, bucket == BUCKET_UNWIND ? 8 : 64);
    l->begin[bucket] = at;
    for (size_t i = 0; i < l->sections.n; i++) {
        Section *s = l->sections.at[i];
        if (!s->live || s->bucket != bucket)
            continue;
        s->address = at = align_up(at, s->align);
        at += s->size;
        if (at > MAX_IMAGE)
            fail(l->job, EXIT_TOOLCHAIN, "%s: the model's code and constants exceed %llu MiB",
                 s->object->name, (unsigned long long)(MAX_IMAGE >> 20));
    }
    l->end[bucket] = at;
    return at;
}

static Layout *lay_out(Linker *l)
{
    uint64_t at;
    Layout *layout = link_plan_head(l, &at);
    at = place(l, BUCKET_READ_ONLY, at);
    at = place(l, BUCKET_UNWIND, at);
    if (l->end[BUCKET_UNWIND] > l->begin[BUCKET_UNWIND])
        at = l->end[BUCKET_UNWIND] += 4; /* the end mark: a record of length 0 */
    l->unwind_at = align_up(at, 4);
    at = l->unwind_end = l->unwind_at + link_unwind_bytes(l);
    at = place(l, BUCKET_TEXT, align_up(at, l->page));
    at = place(l, BUCKET_RELRO, align_up(at, l->page));
    l->got = align_up(at, 8);
    link_plan_dynamic(l, layout, l->got + 8 * l->slots.n);
    l->weights.address = l->image_size;
    return layout;
}

static void fill_image(Linker *l)
{
    l->image = job_big(l->job, l->image_size);
    memset(l->image, 0, l->image_size);
    if (l->link->machine == MACHINE_X86_64) /* a stray jump between functions traps */
        memset(l->image + l->begin[BUCKET_TEXT], 0xcc, l->end[BUCKET_TEXT] - l->begin[BUCKET_TEXT]);
    for (size_t i = 0; i < l->sections.n; i++)
        if (l->sections.at[i]->live)
            memcpy(l->image + l->sections.at[i]->address, l->sections.at[i]->bytes,
                   l->sections.at[i]->size);
    for (size_t i = 0; i < l->sections.n; i++)
        if (l->sections.at[i]->live)
            link_relocate(l, l->sections.at[i]);
    link_fill_slots(l);
    link_fill_unwind(l);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void start(Linker *l)
{
    const Link *link = l->link;
    if (elf_version(EV_CURRENT) == EV_NONE)
        fail(l->job, EXIT_TOOLCHAIN, "libelf is older than its header; install a matching one");
    if (!link->entry || !*link->entry)
        bug("a link without entry");
    if (link->weights_bytes > MAX_WEIGHTS)
        fail(l->job, EXIT_TOOLCHAIN, "the weights have %llu bytes; that is more than a file holds",
             (unsigned long long)link->weights_bytes);
    l->page = link->machine == MACHINE_AARCH64 ? 65536 : 4096;
    l->weights = (Section){ .name = ".aotc.weights",
                            .size = link->weights_bytes,
                            .align = l->page,
                            .bucket = BUCKET_WEIGHTS,
                            .live = true };
    l->weights_symbol = (Symbol){ .name = "aot_weights",
                                  .section = &l->weights,
                                  .size = link->weights_bytes,
                                  .bind = STB_GLOBAL,
                                  .type = STT_OBJECT,
                                  .place = PLACE_SECTION };
    l->absent = (Symbol){ .name = "", .place = PLACE_UNDEFINED };
    define(l, "link", &l->weights_symbol);
}

static Section *entry_section(Linker *l)
{
    const Symbol *entry = *names_at(l->job, &l->globals, l->link->entry);
    if (!entry)
        fail(l->job, EXIT_TOOLCHAIN, "the entry %s is defined in no object", l->link->entry);
    if (entry->section->bucket != BUCKET_TEXT)
        fail(l->job, EXIT_TOOLCHAIN, "%s: the entry %s is not a function",
             entry->section->object ? entry->section->object->name : "link", l->link->entry);
    l->entry = entry;
    return entry->section;
}

void link_shared_object(Job *job, const Link *link, const char *path)
{
    Linker *l = job_alloc(job, sizeof *l);
    l->job = job;
    l->link = link;
    start(l);
    l->objects = job_array(job, link->object_count, sizeof *l->objects);
    for (size_t i = 0; i < link->object_count; i++)
        link_read_object(l, &link->objects[i], &l->objects[i]);
    for (size_t i = 0; i < link->object_count; i++)
        define_globals(l, &l->objects[i]);
    keep_reachable(l, entry_section(l));
    keep_unwind(l);
    link_list_unwind(l);
    for (size_t i = 0; i < l->sections.n; i++)
        if (l->sections.at[i]->live)
            link_scan(l, l->sections.at[i]);
    Layout *layout = lay_out(l);
    fill_image(l);
    if (l->relative.n != l->relative_count)
        bug("%zu relative relocations, planned %llu", l->relative.n,
            (unsigned long long)l->relative_count);
    link_write(l, layout, path);
    job_release_big(job, l->image);
}
