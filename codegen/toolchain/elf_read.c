/* SPDX-License-Identifier: MIT */
/* Reads relocatable objects.  libelf finds the headers; contents are taken from the object's own
 * bytes, and every offset, size, index and string is checked against them before anything else sees
 * it. */
#include "link.h"
#include <gelf.h>
#include <libelf.h>
#include <string.h>

enum { MAX_SECTIONS = 60000, MAX_ALIGN = 4096 };

typedef struct Reader {
    Linker *l;
    Job *job;
    ObjectFile *object;
    Elf *elf;
    GElf_Shdr *headers; /* by index; only those inside the object */
    GElf_Shdr names;    /* of the sections */
    size_t symtab;      /* index; 0: none */
    uint64_t taken;     /* bytes of the object seen as contents: more than it has means overlaps */
} Reader;

static void close_elf(void *elf)
{
    elf_end(elf);
}

static _Noreturn void broken(const Reader *r, const char *what)
{
    fail(r->job, EXIT_TOOLCHAIN, "%s: broken object: %s; was it made by a working compiler?",
         r->object->name, what);
}

static void take(Reader *r, uint64_t bytes)
{
    r->taken += bytes;
    if (r->taken > r->object->size)
        broken(r, "its sections overlap");
}

/* The text at `offset` of a string table, which must end inside it. */
static const char *string_at(const Reader *r, const GElf_Shdr *table, uint64_t offset)
{
    if (table->sh_type != SHT_STRTAB)
        broken(r, "names are not in a string table");
    const char *text = (const char *)r->object->bytes + table->sh_offset + offset;
    if (offset >= table->sh_size || !memchr(text, 0, table->sh_size - offset))
        broken(r, "a name lies outside of its table");
    return text;
}

static void check_header(const Reader *r, const GElf_Ehdr *e)
{
    bool x86 = r->l->link->machine == MACHINE_X86_64;
    if (e->e_ident[EI_CLASS] != ELFCLASS64 || e->e_ident[EI_DATA] != ELFDATA2LSB ||
        e->e_type != ET_REL || e->e_machine != (x86 ? EM_X86_64 : EM_AARCH64))
        fail(r->job, EXIT_TOOLCHAIN,
             "%s: is not a relocatable object for %s; "
             "the compiler and its flags must suit the target",
             r->object->name, x86 ? "x86-64" : "aarch64");
}

static void read_headers(Reader *r)
{
    ObjectFile *o = r->object;
    GElf_Ehdr e;
    size_t count = 0, names = 0;
    if (!r->elf || elf_kind(r->elf) != ELF_K_ELF || !gelf_getehdr(r->elf, &e))
        broken(r, "it is no ELF file");
    check_header(r, &e);
    if (elf_getshdrnum(r->elf, &count) || elf_getshdrstrndx(r->elf, &names) || !count)
        broken(r, "its section table cannot be read");
    if (count > MAX_SECTIONS)
        broken(r, "it has too many sections");
    if (names >= count)
        broken(r, "it has no section names");
    r->headers = job_array(r->job, count, sizeof *r->headers);
    o->section_count = count;
    o->section = job_array(r->job, count, sizeof *o->section);
    for (size_t i = 1; i < count; i++) {
        GElf_Shdr *h = &r->headers[i];
        Elf_Scn *scn = elf_getscn(r->elf, i);
        if (!scn || !gelf_getshdr(scn, h))
            broken(r, "a section header cannot be read");
        if (h->sh_type != SHT_NOBITS && h->sh_type != SHT_NULL &&
            (h->sh_offset > o->size || h->sh_size > o->size - h->sh_offset))
            broken(r, "a section lies outside of the file");
        if (h->sh_type == SHT_SYMTAB && r->symtab)
            broken(r, "it has two symbol tables");
        if (h->sh_type == SHT_SYMTAB)
            r->symtab = i;
    }
    r->names = r->headers[names];
}

/* ---- sections -------------------------------------------------------------------------------- */

/* The first symbol that is defined in section `index`, for a message. */
static const char *someone_in(const Reader *r, size_t index)
{
    if (!r->symtab || r->headers[r->symtab].sh_link >= r->object->section_count)
        return "?";
    const GElf_Shdr *h = &r->headers[r->symtab];
    const GElf_Shdr *strings = &r->headers[h->sh_link];
    for (uint64_t i = 1; i < h->sh_size / sizeof(Elf64_Sym); i++) {
        Elf64_Sym y;
        memcpy(&y, r->object->bytes + h->sh_offset + i * sizeof y, sizeof y);
        if (y.st_shndx == index && ELF64_ST_TYPE(y.st_info) != STT_SECTION && y.st_name)
            return string_at(r, strings, y.st_name);
    }
    return "?";
}

static _Noreturn void refuse_section(const Reader *r, size_t index, const char *name,
                                     const char *why)
{
    fail(r->job, EXIT_TOOLCHAIN, "%s: section %s (%s): %s", r->object->name, name,
         someone_in(r, index), why);
}

/* A model has constants and code, nothing that runs before main and nothing that is written. */
static void check_section(const Reader *r, size_t index, const char *name)
{
    const GElf_Shdr *h = &r->headers[index];
    if (h->sh_flags & SHF_TLS)
        refuse_section(r, index, name, "thread-local variables cannot be in a model");
    if (h->sh_type == SHT_NOBITS)
        refuse_section(r, index, name, "a model has no written globals");
    if (h->sh_type != SHT_PROGBITS && h->sh_type != SHT_X86_64_UNWIND)
        refuse_section(r, index, name, "sections of this type cannot be in a model");
    if (!strncmp(name, ".ctors", 6) || !strncmp(name, ".dtors", 6))
        refuse_section(r, index, name, "a model has no constructors");
    if (h->sh_flags & SHF_COMPRESSED)
        refuse_section(r, index, name, "it is compressed");
    if ((h->sh_flags & SHF_WRITE) && (h->sh_flags & SHF_EXECINSTR))
        refuse_section(r, index, name, "it is both code and written");
    if (r->object->from_compiler && (h->sh_flags & SHF_WRITE) &&
        strncmp(name, ".data.rel.ro", 12) != 0)
        refuse_section(r, index, name, "a model has no written globals");
    uint64_t a = h->sh_addralign;
    if ((a & (a - 1)) || a > MAX_ALIGN)
        refuse_section(r, index, name, "its alignment is not supported");
}

static Bucket bucket_of(const GElf_Shdr *h, const char *name)
{
    if (!strcmp(name, ".eh_frame"))
        return BUCKET_UNWIND;
    if (h->sh_flags & SHF_EXECINSTR)
        return BUCKET_TEXT;
    return h->sh_flags & SHF_WRITE ? BUCKET_RELRO : BUCKET_READ_ONLY;
}

static void add_section(Reader *r, size_t index)
{
    const GElf_Shdr *h = &r->headers[index];
    const char *name = string_at(r, &r->names, h->sh_name);
    check_section(r, index, name);
    take(r, h->sh_size);
    Section *s = job_alloc(r->job, sizeof *s);
    *s = (Section){ .name = name,
                    .bytes = r->object->bytes + h->sh_offset,
                    .size = h->sh_size,
                    .align = h->sh_addralign ? h->sh_addralign : 1,
                    .object = r->object,
                    .bucket = bucket_of(h, name) };
    if (s->bucket == BUCKET_UNWIND) {
        s->align = 4; /* padding between two of them would be read as the end mark */
        if (s->size % 4)
            broken(r, ".eh_frame ends within a record");
    }
    r->object->section[index] = s;
    *vec_push(r->job, &r->l->sections) = s;
}

/* gcc and clang mark the stack in every object and put constants elsewhere than in .data. */
static void find_maker(Reader *r)
{
    for (size_t i = 1; i < r->object->section_count; i++) {
        const GElf_Shdr *h = &r->headers[i];
        if (h->sh_type != SHT_PROGBITS || (h->sh_flags & SHF_ALLOC))
            continue;
        const char *name = string_at(r, &r->names, h->sh_name);
        bool stack = !strcmp(name, ".note.GNU-stack");
        if (stack && (h->sh_flags & SHF_EXECINSTR))
            refuse_section(r, i, name, "it asks for an executable stack");
        r->object->from_compiler |= stack || !strcmp(name, ".comment");
    }
}

/* Of equal COMDAT groups the first stays: marks the sections of the others. */
static void read_groups(Reader *r, bool *second)
{
    for (size_t i = 1; i < r->object->section_count; i++) {
        const GElf_Shdr *h = &r->headers[i];
        if (h->sh_type != SHT_GROUP)
            continue;
        const GElf_Shdr *t = &r->headers[r->symtab];
        if (!r->symtab || h->sh_link != r->symtab || h->sh_size < 4 ||
            h->sh_info >= t->sh_size / sizeof(Elf64_Sym) || t->sh_link >= r->object->section_count)
            broken(r, "a section group cannot be read");
        Elf64_Sym y;
        memcpy(&y, r->object->bytes + t->sh_offset + h->sh_info * sizeof y, sizeof y);
        uint32_t word;
        memcpy(&word, r->object->bytes + h->sh_offset, 4);
        const char *signature = string_at(r, &r->headers[t->sh_link], y.st_name);
        if (!(word & GRP_COMDAT) || link_first_of_group(r->l, signature))
            continue;
        for (uint64_t k = 4; k + 4 <= h->sh_size; k += 4) {
            memcpy(&word, r->object->bytes + h->sh_offset + k, 4);
            if (word < r->object->section_count)
                second[word] = true;
        }
    }
}

static void read_sections(Reader *r)
{
    bool *second = job_array(r->job, r->object->section_count, sizeof *second);
    find_maker(r);
    read_groups(r, second);
    for (size_t i = 1; i < r->object->section_count; i++) {
        const GElf_Shdr *h = &r->headers[i];
        if ((h->sh_flags & SHF_ALLOC) && h->sh_size && h->sh_type != SHT_NOTE && !second[i])
            add_section(r, i);
    }
}

/* ---- symbols and relocations ----------------------------------------------------------------- */

static void read_symbol(Reader *r, const Elf64_Sym *y, Symbol *to)
{
    const GElf_Shdr *strings = &r->headers[r->headers[r->symtab].sh_link];
    *to = (Symbol){ .name = string_at(r, strings, y->st_name),
                    .value = y->st_value,
                    .size = y->st_size,
                    .bind = ELF64_ST_BIND(y->st_info),
                    .type = ELF64_ST_TYPE(y->st_info),
                    .place = PLACE_UNDEFINED };
    const char *object = r->object->name;
    if (y->st_shndx == SHN_COMMON || to->type == STT_COMMON)
        fail(r->job, EXIT_TOOLCHAIN,
             "%s: %s is a common symbol; a model has no written globals (-fno-common)", object,
             to->name);
    if (to->type == STT_TLS)
        fail(r->job, EXIT_TOOLCHAIN, "%s: %s is thread-local; that cannot be in a model", object,
             to->name);
    if (to->type == STT_GNU_IFUNC)
        fail(r->job, EXIT_TOOLCHAIN, "%s: %s is an indirect function; that cannot be in a model",
             object, to->name);
    if (y->st_shndx == SHN_UNDEF)
        return;
    if (y->st_shndx == SHN_ABS) {
        to->place = PLACE_ABSOLUTE;
        return;
    }
    if (y->st_shndx >= r->object->section_count)
        broken(r, "a symbol is in no section");
    Section *s = r->object->section[y->st_shndx];
    to->place = s ? PLACE_SECTION : PLACE_DROPPED;
    to->section = s;
    if (s && to->value > s->size)
        broken(r, "a symbol lies outside of its section");
    if (s && to->size > s->size - to->value)
        to->size = s->size - to->value;
}

static void read_symbols(Reader *r)
{
    if (!r->symtab)
        return;
    const GElf_Shdr *h = &r->headers[r->symtab];
    if (h->sh_link >= r->object->section_count)
        broken(r, "its symbols have no names");
    size_t count = h->sh_size / sizeof(Elf64_Sym);
    r->object->symbols = job_array(r->job, count, sizeof *r->object->symbols);
    r->object->symbol_count = count;
    for (size_t i = 0; i < count; i++) {
        Elf64_Sym y;
        memcpy(&y, r->object->bytes + h->sh_offset + i * sizeof y, sizeof y);
        if (i)
            read_symbol(r, &y, &r->object->symbols[i]);
        else
            r->object->symbols[0] = (Symbol){ .name = "", .place = PLACE_ABSOLUTE };
    }
}

static const char *symbol_title(const Symbol *y)
{
    return *y->name ? y->name : y->section ? y->section->name : "a dropped section";
}

static void read_reloc(Reader *r, const Section *s, const Elf64_Rela *from, Reloc *to)
{
    Machine machine = r->l->link->machine;
    *to = (Reloc){ from->r_offset, from->r_addend, (uint32_t)ELF64_R_TYPE(from->r_info),
                   (uint32_t)ELF64_R_SYM(from->r_info) };
    if (to->symbol >= r->object->symbol_count)
        broken(r, "a relocation names a symbol that does not exist");
    unsigned width = link_field_size(machine, to->type);
    if (!width)
        fail(r->job, EXIT_TOOLCHAIN,
             "%s: section %s: relocation type %u against %s is not supported; "
             "compile with -fPIC and hidden visibility",
             r->object->name, s->name, to->type, symbol_title(&r->object->symbols[to->symbol]));
    if (to->at > s->size || width > s->size - to->at)
        broken(r, "a relocation lies outside of its section");
    if (to->addend > INT64_MAX / 4 || to->addend < INT64_MIN / 4)
        broken(r, "a relocation has an absurd addend");
}

static void read_relocs(Reader *r, const GElf_Shdr *h)
{
    if (h->sh_info >= r->object->section_count)
        broken(r, "relocations are for a section that does not exist");
    Section *s = r->object->section[h->sh_info];
    if (!s)
        return;
    if (h->sh_type == SHT_REL)
        broken(r, "it has relocations without addends");
    if (h->sh_link != r->symtab || !r->symtab)
        broken(r, "relocations have no symbols");
    if (s->relocs)
        broken(r, "a section has two tables of relocations");
    take(r, h->sh_size);
    size_t count = h->sh_size / sizeof(Elf64_Rela);
    s->relocs = job_array(r->job, count, sizeof *s->relocs);
    for (size_t i = 0; i < count; i++) {
        Elf64_Rela rela;
        memcpy(&rela, r->object->bytes + h->sh_offset + i * sizeof rela, sizeof rela);
        if (ELF64_R_TYPE(rela.r_info)) /* type 0 is NONE on both machines */
            read_reloc(r, s, &rela, &s->relocs[s->reloc_count++]);
    }
}

void link_read_object(Linker *l, const Object *from, ObjectFile *to)
{
    Reader r = { .l = l, .job = l->job, .object = to };
    *to = (ObjectFile){ .name = from->name, .bytes = from->bytes, .size = from->size };
    if (!from->bytes || from->size < sizeof(Elf64_Ehdr))
        broken(&r, "it is empty");
    r.elf = elf_memory((char *)(uintptr_t)from->bytes, from->size); /* only reads */
    if (r.elf)
        job_defer(l->job, close_elf, r.elf);
    read_headers(&r);
    read_sections(&r);
    read_symbols(&r);
    for (size_t i = 1; i < to->section_count; i++)
        if (r.headers[i].sh_type == SHT_RELA || r.headers[i].sh_type == SHT_REL)
            read_relocs(&r, &r.headers[i]);
    job_undefer(l->job, r.elf);
    elf_end(r.elf);
}
