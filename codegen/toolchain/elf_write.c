/* SPDX-License-Identifier: MIT */
/* Everything of the shared object that does not come out of an object: headers, notes, the tables
 * of the loader, names for debuggers; then the file itself.  Bytes depend on the link's inputs
 * alone. */
#include "link.h"
#include <openssl/sha.h>
#include <string.h>

enum {
    BUILD_ID_BYTES = 20,
    BUILD_ID_HEAD = 16, /* note header and "GNU" */
    NOTE_HEAD = 20,     /* note header, "aotc" and its padding */
    MAX_PHDRS = 9,
    MAX_SHDRS = 20,
    MAX_DYNAMIC = 16,
    HASH_BYTES = 32 /* .gnu.hash of one symbol */
};

struct Layout {
    uint64_t phdr_count, build_id, note, note_end, hash, dynsym, dynstr, rela, rela_end;
    uint64_t dynamic, dynamic_end;
    uint32_t entry_name, soname; /* in dynstr; soname 0: none */
    Text dynstr_text;
    Elf64_Dyn dyn[MAX_DYNAMIC];
    size_t dyn_count;
    /* behind the weights */
    Elf64_Shdr shdr[MAX_SHDRS];
    size_t shdr_count;
    uint16_t index[BUCKET_COUNT]; /* of the output section; 0: none */
    Text shstr, strtab;
    VEC(Elf64_Sym) symtab;
    uint64_t recipe_at, symtab_at, strtab_at, shstr_at, shdr_at;
};

static uint32_t add_name(Text *table, const char *name)
{
    if (!table->n)
        text_put(table, "", 1);
    size_t at = table->n;
    text_put(table, name, strlen(name) + 1);
    return (uint32_t)at;
}

/* ---- planning -------------------------------------------------------------------------------- */

Layout *link_plan_head(Linker *l, uint64_t *end)
{
    const Link *link = l->link;
    Layout *p = job_alloc(l->job, sizeof *p);
    text_init(&p->dynstr_text, l->job);
    text_init(&p->shstr, l->job);
    text_init(&p->strtab, l->job);
    p->entry_name = add_name(&p->dynstr_text, link->entry);
    p->soname = link->soname ? add_name(&p->dynstr_text, link->soname) : 0;
    p->phdr_count = MAX_PHDRS - !link->weights_bytes - !l->unwind.n;
    p->build_id = sizeof(Elf64_Ehdr) + p->phdr_count * sizeof(Elf64_Phdr);
    p->note = p->build_id + BUILD_ID_HEAD + BUILD_ID_BYTES;
    size_t json = link->metadata ? strlen(link->metadata) : 0;
    if (json > INT32_MAX / 4)
        fail(l->job, EXIT_TOOLCHAIN, "the model's description has %zu bytes; that is too much",
             json);
    p->note_end = p->note + NOTE_HEAD + align_up(json + 1, 4);
    p->hash = align_up(p->note_end, 8);
    p->dynsym = p->hash + HASH_BYTES;
    p->dynstr = p->dynsym + 2 * sizeof(Elf64_Sym);
    p->rela = align_up(p->dynstr + p->dynstr_text.n, 8);
    p->rela_end = p->rela + l->relative_count * sizeof(Elf64_Rela);
    *end = p->rela_end;
    return p;
}

static void add_dynamic(Layout *p, int64_t tag, uint64_t value)
{
    p->dyn[p->dyn_count].d_tag = tag;
    p->dyn[p->dyn_count++].d_un.d_val = value;
}

void link_plan_dynamic(Linker *l, Layout *p, uint64_t at)
{
    if (p->soname)
        add_dynamic(p, DT_SONAME, p->soname);
    add_dynamic(p, DT_GNU_HASH, p->hash);
    add_dynamic(p, DT_STRTAB, p->dynstr);
    add_dynamic(p, DT_SYMTAB, p->dynsym);
    add_dynamic(p, DT_STRSZ, p->dynstr_text.n);
    add_dynamic(p, DT_SYMENT, sizeof(Elf64_Sym));
    if (l->relative_count) {
        add_dynamic(p, DT_RELA, p->rela);
        add_dynamic(p, DT_RELASZ, p->rela_end - p->rela);
        add_dynamic(p, DT_RELAENT, sizeof(Elf64_Rela));
        add_dynamic(p, DT_RELACOUNT, l->relative_count);
    }
    add_dynamic(p, DT_FLAGS, DF_BIND_NOW);
    add_dynamic(p, DT_FLAGS_1, DF_1_NOW);
    add_dynamic(p, DT_NULL, 0);
    p->dynamic = align_up(at, 16);
    p->dynamic_end = p->dynamic + p->dyn_count * sizeof(Elf64_Dyn);
    l->image_size = align_up(p->dynamic_end, l->page);
}

/* ---- the tables of the loader ---------------------------------------------------------------- */

static void put_hash(Linker *l, const Layout *p)
{
    uint32_t h = 5381;
    for (const char *c = l->link->entry; *c; c++)
        h = h * 33 + (uint8_t)*c;
    /* one bucket, first symbol 1, one bloom word, shift 6; bloom; bucket; chain */
    uint32_t table[] = { 1, 1, 1, 6, 0, 0, 1, h | 1 };
    uint64_t bloom = (uint64_t)1 << h % 64 | (uint64_t)1 << (h >> 6) % 64;
    memcpy(table + 4, &bloom, 8);
    _Static_assert(sizeof table == HASH_BYTES, "the plan holds");
    memcpy(l->image + p->hash, table, sizeof table);
}

static void put_notes(Linker *l, const Layout *p)
{
    const char *json = l->link->metadata ? l->link->metadata : "";
    uint32_t id[] = { 4, BUILD_ID_BYTES, NT_GNU_BUILD_ID };
    uint32_t note[] = { 5, (uint32_t)strlen(json) + 1, 1 };
    memcpy(l->image + p->build_id, id, sizeof id);
    memcpy(l->image + p->build_id + sizeof id, "GNU", 4);
    memcpy(l->image + p->note, note, sizeof note);
    memcpy(l->image + p->note + sizeof note, "aotc", 5);
    memcpy(l->image + p->note + NOTE_HEAD, json, strlen(json) + 1);
}

static void put_segments(Linker *l, const Layout *p)
{
    uint64_t ro = l->unwind_end, text = l->begin[BUCKET_TEXT];
    uint64_t text_size = l->end[BUCKET_TEXT] - text, data = l->begin[BUCKET_RELRO];
    uint64_t data_size = l->image_size - data, dyn_size = p->dynamic_end - p->dynamic;
    uint64_t notes = p->build_id, notes_size = p->note_end - notes;
    uint64_t weights = l->weights.address, weights_size = l->weights.size, page = l->page;
    uint64_t unwind = l->unwind_at, unwind_size = l->unwind_end - unwind;
    Elf64_Phdr ph[MAX_PHDRS] = {
        { PT_LOAD, PF_R, 0, 0, 0, ro, ro, page },
        { PT_LOAD, PF_R | PF_X, text, text, text, text_size, text_size, page },
        { PT_LOAD, PF_R | PF_W, data, data, data, data_size, data_size, page },
        { PT_DYNAMIC, PF_R | PF_W, p->dynamic, p->dynamic, p->dynamic, dyn_size, dyn_size, 8 },
        { PT_NOTE, PF_R, notes, notes, notes, notes_size, notes_size, 4 },
        { PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0, 0, 16 },
        { PT_GNU_RELRO, PF_R, data, data, data, data_size, data_size, 1 },
        { PT_GNU_EH_FRAME, PF_R, unwind, unwind, unwind, unwind_size, unwind_size, 4 }, /* last: may be left out */
    };
    if (weights_size) { /* the PT_LOADs stand together, by address */
        memmove(ph + 4, ph + 3, 5 * sizeof *ph);
        ph[3] = (Elf64_Phdr){ PT_LOAD, PF_R, weights, weights, weights, weights_size, weights_size,
                              page };
    }
    memcpy(l->image + sizeof(Elf64_Ehdr), ph, p->phdr_count * sizeof *ph);
}

static void put_header(Linker *l, const Layout *p)
{
    bool x86 = l->link->machine == MACHINE_X86_64;
    Elf64_Ehdr e = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
                                  EV_CURRENT },
                     .e_type = ET_DYN,
                     .e_machine = x86 ? EM_X86_64 : EM_AARCH64,
                     .e_version = EV_CURRENT,
                     .e_phoff = sizeof e,
                     .e_shoff = p->shdr_at,
                     .e_ehsize = sizeof e,
                     .e_phentsize = sizeof(Elf64_Phdr),
                     .e_phnum = (uint16_t)p->phdr_count,
                     .e_shentsize = sizeof(Elf64_Shdr),
                     .e_shnum = (uint16_t)p->shdr_count,
                     .e_shstrndx = (uint16_t)(p->shdr_count - 1) };
    memcpy(l->image, &e, sizeof e);
}

/* ---- for nm, gdb and perf -------------------------------------------------------------------- */

static uint16_t add_section(Layout *p, const char *name, Elf64_Shdr h)
{
    h.sh_name = add_name(&p->shstr, name);
    h.sh_addr = h.sh_flags & SHF_ALLOC ? h.sh_offset : 0;
    p->shdr[p->shdr_count] = h;
    return (uint16_t)p->shdr_count++;
}

/* A section of the image from `at` to `end`; none when it is empty. */
static uint16_t add_range(Layout *p, const char *name, uint32_t type, uint64_t flags, uint64_t at,
                          uint64_t end, uint64_t align)
{
    if (at == end)
        return 0;
    return add_section(p, name,
                       (Elf64_Shdr){ .sh_type = type,
                                     .sh_flags = SHF_ALLOC | flags,
                                     .sh_offset = at,
                                     .sh_size = end - at,
                                     .sh_addralign = align });
}

static void list_sections(Linker *l, Layout *p)
{
    uint64_t dynsym_end = p->dynsym + 2 * sizeof(Elf64_Sym);
    uint64_t dynstr_end = p->dynstr + p->dynstr_text.n;
    const uint64_t *at = l->begin, *end = l->end;
    p->shdr_count = 1;
    add_range(p, ".note.gnu.build-id", SHT_NOTE, 0, p->build_id, p->note, 4);
    add_range(p, ".note.aotc", SHT_NOTE, 0, p->note, p->note_end, 4);
    uint16_t hash = add_range(p, ".gnu.hash", SHT_GNU_HASH, 0, p->hash, p->dynsym, 8);
    uint16_t dynsym = add_range(p, ".dynsym", SHT_DYNSYM, 0, p->dynsym, dynsym_end, 8);
    uint16_t dynstr = add_range(p, ".dynstr", SHT_STRTAB, 0, p->dynstr, dynstr_end, 1);
    uint16_t rela = add_range(p, ".rela.dyn", SHT_RELA, 0, p->rela, p->rela_end, 8);
    p->index[BUCKET_READ_ONLY] = add_range(p, ".rodata", SHT_PROGBITS, 0, at[BUCKET_READ_ONLY],
                                           end[BUCKET_READ_ONLY], 64);
    p->index[BUCKET_UNWIND] = add_range(p, ".eh_frame", SHT_PROGBITS, 0, at[BUCKET_UNWIND],
                                        end[BUCKET_UNWIND], 8);
    add_range(p, ".eh_frame_hdr", SHT_PROGBITS, 0, l->unwind_at, l->unwind_end, 4);
    p->index[BUCKET_TEXT] = add_range(p, ".text", SHT_PROGBITS, SHF_EXECINSTR, at[BUCKET_TEXT],
                                      end[BUCKET_TEXT], 64);
    p->index[BUCKET_RELRO] = add_range(p, ".data.rel.ro", SHT_PROGBITS, SHF_WRITE,
                                       at[BUCKET_RELRO], end[BUCKET_RELRO], 64);
    add_range(p, ".got", SHT_PROGBITS, SHF_WRITE, l->got, l->got + 8 * l->slots.n, 8);
    uint16_t dynamic = add_range(p, ".dynamic", SHT_DYNAMIC, SHF_WRITE, p->dynamic,
                                 p->dynamic_end, 8);
    p->index[BUCKET_WEIGHTS] = add_range(p, ".aotc.weights", SHT_PROGBITS, 0, l->weights.address,
                                         l->weights.address + l->weights.size, l->page);
    p->shdr[hash].sh_link = dynsym;
    p->shdr[dynsym].sh_link = dynstr;
    p->shdr[dynsym].sh_info = 1; /* the first that is not local */
    p->shdr[dynsym].sh_entsize = sizeof(Elf64_Sym);
    p->shdr[dynamic].sh_link = dynstr;
    p->shdr[dynamic].sh_entsize = sizeof(Elf64_Dyn);
    if (rela) {
        p->shdr[rela].sh_link = dynsym;
        p->shdr[rela].sh_entsize = sizeof(Elf64_Rela);
    }
}

static Elf64_Sym out_symbol(const Layout *p, const Symbol *y, unsigned bind, uint32_t name)
{
    return (Elf64_Sym){ .st_name = name,
                        .st_info = ELF64_ST_INFO(bind, y->type),
                        .st_shndx = p->index[y->section->bucket],
                        .st_value = y->section->address + y->value,
                        .st_size = y->size };
}

static void add_local(Linker *l, Layout *p, const Symbol *y)
{
    *vec_push(l->job, &p->symtab) = out_symbol(p, y, STB_LOCAL, add_name(&p->strtab, y->name));
}

static void list_symbols(Linker *l, Layout *p)
{
    *vec_push(l->job, &p->symtab) = (Elf64_Sym){ 0 };
    for (size_t k = 0; k < l->link->object_count; k++)
        for (size_t i = 1; i < l->objects[k].symbol_count; i++) {
            const Symbol *y = &l->objects[k].symbols[i];
            bool thing = y->type == STT_FUNC || y->type == STT_OBJECT;
            bool made_up = !*y->name || !strncmp(y->name, "L.", 2) || !strncmp(y->name, ".L", 2);
            if (y->section && y->section->live && thing && !made_up && y != l->entry)
                add_local(l, p, y);
        }
    if (l->weights.size)
        add_local(l, p, &l->weights_symbol);
    Symbol entry = *l->entry;
    entry.type = STT_FUNC;
    Elf64_Sym global = out_symbol(p, &entry, STB_GLOBAL, p->entry_name);
    memcpy(l->image + p->dynsym + sizeof global, &global, sizeof global);
    global.st_name = add_name(&p->strtab, entry.name);
    *vec_push(l->job, &p->symtab) = global;
}

/* Lays out what lies behind the weights. */
static void plan_tail(Linker *l, Layout *p)
{
    size_t recipe = l->link->recipe ? strlen(l->link->recipe) : 0;
    p->recipe_at = align_up(l->weights.address + l->weights.size, 8);
    p->symtab_at = align_up(p->recipe_at + recipe, 8);
    if (recipe)
        add_section(p, ".aotc.recipe", (Elf64_Shdr){ .sh_type = SHT_PROGBITS, .sh_offset = p->recipe_at, .sh_size = recipe,
                                                     .sh_addralign = 8 });
    p->strtab_at = p->symtab_at + p->symtab.n * sizeof(Elf64_Sym);
    p->shstr_at = p->strtab_at + p->strtab.n;
    uint16_t symtab = add_section(p, ".symtab",
                                  (Elf64_Shdr){ .sh_type = SHT_SYMTAB,
                                                .sh_offset = p->symtab_at,
                                                .sh_size = p->strtab_at - p->symtab_at,
                                                .sh_info = (uint32_t)p->symtab.n - 1,
                                                .sh_entsize = sizeof(Elf64_Sym),
                                                .sh_addralign = 8 });
    Elf64_Shdr strings = { .sh_type = SHT_STRTAB,
                           .sh_offset = p->strtab_at,
                           .sh_size = p->strtab.n,
                           .sh_addralign = 1 };
    p->shdr[symtab].sh_link = add_section(p, ".strtab", strings);
    strings.sh_offset = p->shstr_at;
    uint16_t names = add_section(p, ".shstrtab", strings);
    p->shdr[names].sh_size = p->shstr.n;
    p->shdr_at = align_up(p->shstr_at + p->shstr.n, 8);
}

/* ---- the file -------------------------------------------------------------------------------- */

typedef struct Sink {
    Output *output;
    uint64_t base, size;
} Sink;

void link_weights(void *sink, uint64_t at, const void *bytes, size_t size)
{
    const Sink *s = sink;
    if (at > s->size || size > s->size - at)
        bug("weights at %llu, %zu bytes, do not fit into %llu", (unsigned long long)at, size,
            (unsigned long long)s->size);
    output_write(s->output, s->base + at, bytes, size);
}

void link_build_id(uint8_t *image, uint64_t image_size, uint64_t at, const void *symtab, size_t symtab_size,
                   const void *strtab, size_t strtab_size, const uint8_t *weights_id)
{
    uint8_t part[4][SHA256_DIGEST_LENGTH] = { { 0 } };
    uint8_t whole[SHA256_DIGEST_LENGTH];
    memset(image + at, 0, BUILD_ID_BYTES);
    SHA256(image, image_size, part[0]);
    SHA256(symtab, symtab_size, part[1]);
    SHA256(strtab, strtab_size, part[2]);
    if (weights_id)
        memcpy(part[3], weights_id, sizeof part[3]);
    SHA256(part[0], sizeof part, whole);
    memcpy(image + at, whole, BUILD_ID_BYTES);
}

void link_write(Linker *l, Layout *p, const char *path)
{
    put_hash(l, p);
    put_notes(l, p);
    put_segments(l, p);
    memcpy(l->image + p->dynstr, p->dynstr_text.at, p->dynstr_text.n);
    if (l->relative.n)
        memcpy(l->image + p->rela, l->relative.at, l->relative.n * sizeof *l->relative.at);
    memcpy(l->image + p->dynamic, p->dyn, p->dyn_count * sizeof *p->dyn);
    list_sections(l, p);
    list_symbols(l, p);
    plan_tail(l, p);
    put_header(l, p);
    link_build_id(l->image, l->image_size, p->build_id + BUILD_ID_HEAD, p->symtab.at, p->symtab.n * sizeof(Elf64_Sym),
                  p->strtab.at, p->strtab.n, l->link->weights_id);

    Output *out = output_open(l->job, path, 0777);
    output_write(out, 0, l->image, l->image_size);
    Sink sink = { out, l->weights.address, l->weights.size };
    if (l->link->write_weights && sink.size)
        l->link->write_weights(l->link->ctx, &sink);
    if (l->link->recipe)
        output_write(out, p->recipe_at, l->link->recipe, strlen(l->link->recipe));
    output_write(out, p->symtab_at, p->symtab.at, p->symtab.n * sizeof(Elf64_Sym));
    output_write(out, p->strtab_at, p->strtab.at, p->strtab.n);
    output_write(out, p->shstr_at, p->shstr.at, p->shstr.n);
    output_write(out, p->shdr_at, p->shdr, p->shdr_count * sizeof *p->shdr);
    output_commit(out);
}
