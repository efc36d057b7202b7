/* SPDX-License-Identifier: MIT */
/* Reads an artifact's facts without loading it, from what the loader itself reads (program headers
 * and the dynamic table), so that it works after strip.  The file may be hostile: libelf reads it
 * by pread (or from memory that is there), every piece is bounded by the file's size, and nothing is followed without end. */
#include "link.h"
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_NOTES = 64 << 20, MAX_TABLE = 16 << 20, MAX_NAME = 4096, MAX_NAMES = 4096, MAX_RECIPE = 256 << 20 };

typedef struct Artifact {
    Job *job;
    const char *path;
    int fd;
    Elf *elf;
    size_t segment_count;
    uint64_t relro_end;
    ArtifactFacts *facts;
    VEC(const char *) exported, needed;
} Artifact;

static void close_artifact(void *handle)
{
    Artifact *a = handle;
    if (a->elf)
        elf_end(a->elf);
    if (a->fd >= 0)
        close(a->fd);
}

static _Noreturn void refuse(const Artifact *a, const char *what)
{
    fail(a->job, EXIT_INPUT, "%s: %s; expected a model compiled by aotc", a->path, what);
}

static void open_file(Artifact *a)
{
    struct stat st;
    a->fd = open(a->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (a->fd < 0 || fstat(a->fd, &st))
        fail(a->job, EXIT_INPUT, "%s: cannot be read; %s", a->path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        refuse(a, "is not a regular file");
    a->facts->file_bytes = (uint64_t)st.st_size;
    a->elf = elf_begin(a->fd, ELF_C_READ, NULL);
}

static void check_head(Artifact *a)
{
    GElf_Ehdr e;
    if (!a->elf || elf_kind(a->elf) != ELF_K_ELF || !gelf_getehdr(a->elf, &e))
        refuse(a, "is not a shared object");
    if (e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_ident[EI_DATA] != ELFDATA2LSB ||
        e.e_type != ET_DYN || elf_getphdrnum(a->elf, &a->segment_count))
        refuse(a, "is not a 64-bit shared object");
}

/* `size` bytes of the file; NULL: not there. */
static const uint8_t *bytes_at(const Artifact *a, uint64_t offset, uint64_t size)
{
    uint64_t file = a->facts->file_bytes;
    if (!size || offset > file || size > file - offset)
        return NULL;
    Elf_Data *data = elf_getdata_rawchunk(a->elf, (int64_t)offset, size, ELF_T_BYTE);
    return data && data->d_size >= size ? data->d_buf : NULL;
}

/* The same by address; all of it lies in one segment. */
static const uint8_t *bytes_of(const Artifact *a, uint64_t address, uint64_t size)
{
    for (size_t i = 0; i < a->segment_count; i++) {
        GElf_Phdr p;
        if (gelf_getphdr(a->elf, (int)i, &p) && p.p_type == PT_LOAD && address >= p.p_vaddr &&
            address - p.p_vaddr <= p.p_filesz && size <= p.p_filesz - (address - p.p_vaddr))
            return bytes_at(a, p.p_offset + (address - p.p_vaddr), size);
    }
    return NULL;
}

/* ---- notes ----------------------------------------------------------------------------------- */

static void read_note(Artifact *a, const GElf_Nhdr *note, const char *name, const uint8_t *desc)
{
    if (note->n_namesz == 5 && !memcmp(name, "aotc", 5) && note->n_type == 1) {
        size_t n = strnlen((const char *)desc, note->n_descsz);
        a->facts->metadata = job_copy(a->job, (const char *)desc, n);
    }
    if (note->n_namesz == 4 && !memcmp(name, "GNU", 4) && note->n_type == NT_GNU_BUILD_ID &&
        note->n_descsz == 20)
        for (int i = 0; i < 20; i++)
            snprintf(a->facts->build_id + 2 * i, 3, "%02x", desc[i]);
}

static void read_notes(Artifact *a, const GElf_Phdr *p)
{
    if (p->p_filesz > MAX_NOTES || !bytes_at(a, p->p_offset, p->p_filesz))
        refuse(a, "its notes cannot be read");
    Elf_Type type = p->p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR;
    Elf_Data *d = elf_getdata_rawchunk(a->elf, (int64_t)p->p_offset, p->p_filesz, type);
    GElf_Nhdr note;
    size_t name, desc;
    for (size_t at = 0; d && (at = gelf_getnote(d, at, &note, &name, &desc)) > 0;)
        read_note(a, &note, (const char *)d->d_buf + name, (const uint8_t *)d->d_buf + desc);
}

/* ---- the dynamic table ----------------------------------------------------------------------- */

typedef struct Dynamic {
    uint64_t strings, strings_size, symbols, hash;
    VEC(uint64_t) needed; /* in the strings */
} Dynamic;

static const char *dynamic_string(const Artifact *a, const Dynamic *d, uint64_t offset)
{
    if (d->strings_size > MAX_TABLE || offset >= d->strings_size)
        refuse(a, "a name lies outside of its table");
    const uint8_t *table = bytes_of(a, d->strings, d->strings_size);
    if (!table || !memchr(table + offset, 0, d->strings_size - offset))
        refuse(a, "its names cannot be read");
    const char *text = (const char *)table + offset;
    if (strlen(text) > MAX_NAME)
        refuse(a, "a name is too long");
    return job_copy(a->job, text, strlen(text));
}

static void take_dynamic(Artifact *a, Dynamic *d, const Elf64_Dyn *entry)
{
    uint64_t value = entry->d_un.d_val;
    switch (entry->d_tag) {
    case DT_STRTAB: d->strings = value; break;
    case DT_STRSZ: d->strings_size = value; break;
    case DT_SYMTAB: d->symbols = value; break;
    case DT_GNU_HASH: d->hash = value; break;
    case DT_NEEDED: *vec_push(a->job, &d->needed) = value; break;
    case DT_TEXTREL: a->facts->text_relocations = true; break;
    case DT_FLAGS:
        if (value & DF_TEXTREL)
            a->facts->text_relocations = true;
        break;
    default: break;
    }
}

static void read_dynamic(Artifact *a, const GElf_Phdr *p, Dynamic *d)
{
    uint64_t size = p->p_filesz;
    const uint8_t *bytes = size > MAX_TABLE ? NULL : bytes_at(a, p->p_offset, size);
    if (!bytes)
        refuse(a, "its dynamic table cannot be read");
    for (uint64_t at = 0; at + sizeof(Elf64_Dyn) <= size; at += sizeof(Elf64_Dyn)) {
        Elf64_Dyn entry;
        memcpy(&entry, bytes + at, sizeof entry);
        if (entry.d_tag == DT_NULL)
            return;
        take_dynamic(a, d, &entry);
    }
}

static uint32_t word_of(const Artifact *a, uint64_t address)
{
    uint32_t word;
    const uint8_t *bytes = bytes_of(a, address, sizeof word);
    if (!bytes)
        refuse(a, "its table of symbols cannot be read");
    memcpy(&word, bytes, sizeof word);
    return word;
}

static void take_symbol(Artifact *a, const Dynamic *d, uint64_t index)
{
    Elf64_Sym y;
    const uint8_t *bytes = bytes_of(a, d->symbols + index * sizeof y, sizeof y);
    if (!bytes)
        refuse(a, "its symbols cannot be read");
    memcpy(&y, bytes, sizeof y);
    if (y.st_shndx != SHN_UNDEF && ELF64_ST_BIND(y.st_info) != STB_LOCAL)
        *vec_push(a->job, &a->exported) = dynamic_string(a, d, y.st_name);
}

/* Defined symbols are those of .gnu.hash: from its first one to the end of the last bucket's
 * chain. */
static void read_exports(Artifact *a, const Dynamic *d)
{
    if (!d->hash)
        refuse(a, "has no table of symbols");
    uint32_t buckets = word_of(a, d->hash), first = word_of(a, d->hash + 4);
    uint64_t chain, bucket = d->hash + 16 + 8 * (uint64_t)word_of(a, d->hash + 8);
    if (buckets > MAX_NAMES)
        refuse(a, "exports more than a model does");
    chain = bucket + 4 * (uint64_t)buckets;
    uint32_t last = 0;
    for (uint32_t i = 0; i < buckets; i++) {
        uint32_t start = word_of(a, bucket + 4 * (uint64_t)i);
        last = start > last ? start : last;
    }
    if (last < first)
        return; /* exports nothing */
    for (uint64_t i = first;; i++) {
        if (i - first > MAX_NAMES)
            refuse(a, "exports more than a model does");
        take_symbol(a, d, i);
        if (i >= last && (word_of(a, chain + 4 * (i - first)) & 1))
            return;
    }
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void check_segment(Artifact *a, const GElf_Phdr *p)
{
    ArtifactFacts *f = a->facts;
    if (p->p_offset > f->file_bytes || p->p_filesz > f->file_bytes - p->p_offset)
        refuse(a, "is cut off");
    if (p->p_type == PT_GNU_STACK)
        f->executable_stack = (p->p_flags & PF_X) != 0;
    if (p->p_type == PT_GNU_RELRO)
        a->relro_end = p->p_vaddr + p->p_memsz;
}

/* The weights are the segment behind the one that the loader writes. */
static void take_weights(Artifact *a, const GElf_Phdr *p)
{
    if (p->p_type != PT_LOAD || p->p_flags != PF_R || !a->relro_end || p->p_vaddr < a->relro_end)
        return;
    a->facts->weights_bytes = p->p_filesz;
    a->facts->weights_at = p->p_offset;
}

/* The section of that name; false: there is none. */
static bool find_section(const Artifact *a, const char *wanted, GElf_Shdr *h)
{
    size_t names;
    if (elf_getshdrstrndx(a->elf, &names))
        return false;
    for (Elf_Scn *s = NULL; (s = elf_nextscn(a->elf, s));) {
        const char *name = gelf_getshdr(s, h) ? elf_strptr(a->elf, names, h->sh_name) : NULL;
        if (name && !strcmp(name, wanted))
            return true;
    }
    return false;
}

static void read_recipe(Artifact *a)
{
    GElf_Shdr h;
    const uint8_t *bytes = NULL;
    if (find_section(a, ".aotc.recipe", &h) && h.sh_type == SHT_PROGBITS && h.sh_size <= MAX_RECIPE)
        bytes = bytes_at(a, h.sh_offset, h.sh_size);
    if (bytes)
        a->facts->recipe = job_copy(a->job, (const char *)bytes, strnlen((const char *)bytes, h.sh_size));
}

static Artifact *artifact_new(Job *job, const char *path, ArtifactFacts *facts)
{
    Artifact *a = job_alloc(job, sizeof *a);
    *a = (Artifact){ .job = job, .path = path, .fd = -1, .facts = facts };
    *facts = (ArtifactFacts){ .executable_stack = true }; /* so it is without PT_GNU_STACK */
    if (elf_version(EV_CURRENT) == EV_NONE)
        fail(job, EXIT_RESOURCE, "libelf is older than its header; install a matching one");
    job_defer(job, close_artifact, a);
    return a;
}

static void read_facts(Artifact *a)
{
    ArtifactFacts *facts = a->facts;
    Dynamic dynamic = { 0 };
    GElf_Phdr p;
    check_head(a);
    for (size_t i = 0; i < a->segment_count; i++)
        if (gelf_getphdr(a->elf, (int)i, &p))
            check_segment(a, &p);
    for (size_t i = 0; i < a->segment_count; i++) {
        if (!gelf_getphdr(a->elf, (int)i, &p))
            refuse(a, "its segments cannot be read");
        take_weights(a, &p);
        if (p.p_type == PT_NOTE)
            read_notes(a, &p);
        if (p.p_type == PT_DYNAMIC)
            read_dynamic(a, &p, &dynamic);
    }
    if (!facts->metadata)
        refuse(a, "carries no description of a model");
    read_exports(a, &dynamic);
    read_recipe(a);
    if (dynamic.needed.n > MAX_NAMES)
        refuse(a, "needs more than a model does");
    for (size_t i = 0; i < dynamic.needed.n; i++)
        *vec_push(a->job, &a->needed) = dynamic_string(a, &dynamic, dynamic.needed.at[i]);
    facts->exported = a->exported.at;
    facts->exported_count = a->exported.n;
    facts->needed = a->needed.at;
    facts->needed_count = a->needed.n;
    job_undefer(a->job, a);
    close_artifact(a);
}

void artifact_read(Job *job, const char *path, ArtifactFacts *facts)
{
    Artifact *a = artifact_new(job, path, facts);
    open_file(a);
    read_facts(a);
}

void artifact_read_bytes(Job *job, const char *where, const void *bytes, size_t size, ArtifactFacts *facts)
{
    Artifact *a = artifact_new(job, where, facts);
    facts->file_bytes = size;
    a->elf = elf_memory((char *)(uintptr_t)bytes, size); /* only read */
    read_facts(a);
}

/* ---- other weights --------------------------------------------------------------------------- */

typedef struct Old {
    uint8_t *bytes;
    size_t size;
} Old;

static void unmap_old(void *handle)
{
    const Old *o = handle;
    munmap(o->bytes, o->size);
}

static const uint8_t *map_old(Artifact *a)
{
    Old *o = job_alloc(a->job, sizeof *o);
    o->size = (size_t)a->facts->file_bytes;
    o->bytes = mmap(NULL, o->size, PROT_READ, MAP_PRIVATE, a->fd, 0);
    if (o->bytes == MAP_FAILED)
        fail(a->job, EXIT_RESOURCE, "%s: cannot be mapped; %s", a->path, strerror(errno));
    job_defer(a->job, unmap_old, o);
    return o->bytes;
}

/* In place of `from`, wherever it stands, `to` of the same length. */
static void change_text(uint8_t *image, size_t size, const char *from, const char *to)
{
    size_t n = strlen(from);
    for (uint8_t *at = image; (at = memmem(at, size - (size_t)(at - image), from, n)); at += n)
        memcpy(at, to, n);
}

static uint64_t build_id_at(const Artifact *a)
{
    GElf_Shdr h;
    if (!find_section(a, ".note.gnu.build-id", &h) || h.sh_size != 36 || h.sh_offset > a->facts->weights_at - 36)
        refuse(a, "has no build-id");
    return h.sh_offset + 16;
}

void artifact_reweigh(Job *job, const char *path, const ArtifactFacts *facts, const uint8_t *weights,
                      const uint8_t weights_id[32], const char *const *changes, const char *output)
{
    ArtifactFacts again;
    Artifact *a = artifact_new(job, path, &again);
    GElf_Shdr symtab, strtab;
    struct stat st;
    open_file(a);
    again.weights_at = facts->weights_at;
    if (again.file_bytes != facts->file_bytes || fstat(a->fd, &st) || !facts->weights_bytes || facts->weights_at < 64)
        refuse(a, "has changed");
    if (!find_section(a, ".symtab", &symtab) || !find_section(a, ".strtab", &strtab))
        fail(job, EXIT_UNSUPPORTED, "%s: is stripped; weights are replaced in what aotc has written", path);
    const uint8_t *old = map_old(a), *symbols = bytes_at(a, symtab.sh_offset, symtab.sh_size),
                  *names = bytes_at(a, strtab.sh_offset, strtab.sh_size);
    if (!symbols || !names)
        refuse(a, "is cut off");
    uint8_t *image = memcpy(job_big(job, facts->weights_at), old, facts->weights_at);
    for (; *changes; changes += 2)
        change_text(image, facts->weights_at, changes[0], changes[1]);
    link_build_id(image, facts->weights_at, build_id_at(a), symbols, symtab.sh_size, names, strtab.sh_size, weights_id);
    uint64_t tail = facts->weights_at + facts->weights_bytes;
    Output *out = output_open(job, output, st.st_mode & 0777);
    output_write(out, 0, image, facts->weights_at);
    output_write(out, facts->weights_at, weights, facts->weights_bytes);
    output_write(out, tail, old + tail, facts->file_bytes - tail);
    output_commit(out);
}
