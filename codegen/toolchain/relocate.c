/* SPDX-License-Identifier: MIT */
/* Relocations of x86-64 and aarch64.  Two passes over the kept sections: link_scan, before
 * addresses exist, counts slots of the GOT and addresses that the loader must fix; link_relocate
 * writes the fields.  Both ask kind_of, so they cannot disagree. */
#include "link.h"
#include <string.h>

/* What a relocation's field gets: S symbol, A addend, P place, G slot. */
typedef enum Kind {
    KIND_NONE,       /* not supported */
    KIND_ADDRESS64,  /* S + A, which moves with the load address */
    KIND_DISTANCE32, /* S + A - P */
    KIND_DISTANCE64,
    KIND_BRANCH32,   /* as KIND_DISTANCE32, of a call or jump */
    KIND_SLOT32,     /* G + A - P; the instruction may be changed to do without a slot */
    KIND_PAGE21,     /* aarch64 adrp: pages between S + A and P */
    KIND_SLOT_PAGE21,
    KIND_LOW12,      /* aarch64 add, ldr: the lowest 12 bits of S + A, scaled */
    KIND_SLOT_LOW12,
    KIND_BRANCH26    /* aarch64 b, bl */
} Kind;

typedef struct Rule {
    uint32_t type;
    uint8_t kind, bytes, shift;
} Rule;

static const Rule x86_rules[] = {
    { R_X86_64_64, KIND_ADDRESS64, 8, 0 },
    { R_X86_64_PC32, KIND_DISTANCE32, 4, 0 },
    { R_X86_64_PLT32, KIND_BRANCH32, 4, 0 },
    { R_X86_64_PC64, KIND_DISTANCE64, 8, 0 },
    { R_X86_64_GOTPCREL, KIND_SLOT32, 4, 0 },
    { R_X86_64_GOTPCRELX, KIND_SLOT32, 4, 0 },
    { R_X86_64_REX_GOTPCRELX, KIND_SLOT32, 4, 0 },
};

static const Rule aarch64_rules[] = {
    { R_AARCH64_ABS64, KIND_ADDRESS64, 8, 0 },
    { R_AARCH64_PREL32, KIND_DISTANCE32, 4, 0 },
    { R_AARCH64_PREL64, KIND_DISTANCE64, 8, 0 },
    { R_AARCH64_ADR_PREL_PG_HI21, KIND_PAGE21, 4, 0 },
    { R_AARCH64_ADR_PREL_PG_HI21_NC, KIND_PAGE21, 4, 0 },
    { R_AARCH64_ADD_ABS_LO12_NC, KIND_LOW12, 4, 0 },
    { R_AARCH64_LDST8_ABS_LO12_NC, KIND_LOW12, 4, 0 },
    { R_AARCH64_LDST16_ABS_LO12_NC, KIND_LOW12, 4, 1 },
    { R_AARCH64_LDST32_ABS_LO12_NC, KIND_LOW12, 4, 2 },
    { R_AARCH64_LDST64_ABS_LO12_NC, KIND_LOW12, 4, 3 },
    { R_AARCH64_LDST128_ABS_LO12_NC, KIND_LOW12, 4, 4 },
    { R_AARCH64_CALL26, KIND_BRANCH26, 4, 0 },
    { R_AARCH64_JUMP26, KIND_BRANCH26, 4, 0 },
    { R_AARCH64_ADR_GOT_PAGE, KIND_SLOT_PAGE21, 4, 0 },
    { R_AARCH64_LD64_GOT_LO12_NC, KIND_SLOT_LOW12, 4, 3 },
};

static const Rule *rule_of(Machine machine, uint32_t type)
{
    bool x86 = machine == MACHINE_X86_64;
    const Rule *rules = x86 ? x86_rules : aarch64_rules;
    size_t n = x86 ? sizeof x86_rules / sizeof *rules : sizeof aarch64_rules / sizeof *rules;
    for (size_t i = 0; i < n; i++)
        if (rules[i].type == type)
            return &rules[i];
    return NULL;
}

unsigned link_field_size(Machine machine, uint32_t type)
{
    const Rule *rule = rule_of(machine, type);
    return rule ? rule->bytes : 0;
}

/* ---- the GOT --------------------------------------------------------------------------------- */

/* x86-64 instructions that read a slot and have a twin that computes the address. */
typedef enum Relax { RELAX_NO, RELAX_LOAD, RELAX_CALL, RELAX_JUMP } Relax;

static Relax relaxable(const Section *s, const Reloc *r)
{
    if (s->bucket != BUCKET_TEXT || r->at < 2 || r->addend != -4)
        return RELAX_NO;
    uint8_t opcode = s->bytes[r->at - 2], operand = s->bytes[r->at - 1];
    if (opcode == 0x8b && (operand & 0xc7) == 0x05) /* mov slot(%rip), %reg */
        return RELAX_LOAD;
    if (opcode == 0xff && operand == 0x15)
        return RELAX_CALL;
    return opcode == 0xff && operand == 0x25 ? RELAX_JUMP : RELAX_NO;
}

static bool needs_slot(const Section *s, const Reloc *r, Kind kind, const Symbol *to)
{
    if (kind == KIND_SLOT_PAGE21 || kind == KIND_SLOT_LOW12)
        return true;
    return kind == KIND_SLOT32 && (!to->section || relaxable(s, r) == RELAX_NO);
}

static Slot **slots_of(Linker *l, const Symbol *to)
{
    return to->section ? &to->section->slots : &l->weak_slots;
}

static const Slot *find_slot(Linker *l, const Symbol *to)
{
    for (const Slot *slot = *slots_of(l, to); slot; slot = slot->next)
        if (slot->value == to->value)
            return slot;
    return NULL;
}

static void want_slot(Linker *l, const Symbol *to)
{
    if (find_slot(l, to))
        return;
    Slot *slot = job_alloc(l->job, sizeof *slot);
    *slot = (Slot){ *slots_of(l, to), to->section, to->value, l->slots.n };
    *slots_of(l, to) = slot;
    *vec_push(l->job, &l->slots) = slot;
    l->relative_count += to->section != NULL;
}

/* ---- counting -------------------------------------------------------------------------------- */

static const char *title(const Symbol *y)
{
    return *y->name ? y->name : y->section ? y->section->name : "?";
}

/* An FDE of a function that is not kept. */
static bool describes_dropped(const Section *s, const Reloc *r)
{
    const Symbol *y = &s->object->symbols[r->symbol];
    return s->bucket == BUCKET_UNWIND && !(y->section && y->section->live);
}

static void check_weak(Linker *l, const Section *s, const Reloc *r, Kind kind)
{
    if (kind == KIND_ADDRESS64 || kind == KIND_SLOT32 || kind == KIND_SLOT_PAGE21 ||
        kind == KIND_SLOT_LOW12 || kind == KIND_BRANCH32 || kind == KIND_BRANCH26)
        return;
    fail(l->job, EXIT_TOOLCHAIN,
         "%s: section %s: weak symbol %s is defined nowhere, and its address is needed",
         s->object->name, s->name, s->object->symbols[r->symbol].name);
}

void link_scan(Linker *l, Section *s)
{
    for (size_t i = 0; i < s->reloc_count; i++) {
        const Reloc *r = &s->relocs[i];
        if (describes_dropped(s, r))
            continue;
        const Symbol *to = link_resolve(l, s->object, r->symbol);
        Kind kind = rule_of(l->link->machine, r->type)->kind;
        if (!to->section)
            check_weak(l, s, r, kind);
        if (needs_slot(s, r, kind, to))
            want_slot(l, to);
        if (kind != KIND_ADDRESS64 || !to->section)
            continue;
        if (s->bucket != BUCKET_RELRO)
            fail(l->job, EXIT_TOOLCHAIN,
                 "%s: section %s holds the address of %s but is read-only; compile with -fPIC",
                 s->object->name, s->name, title(to));
        l->relative_count++;
    }
}

/* ---- writing --------------------------------------------------------------------------------- */

typedef struct Field {
    Linker *l;
    const Section *section;
    const Reloc *reloc;
    uint64_t at;   /* address of the field, and its place in the image */
    uint64_t to;   /* S + A; 0 + A for what is absent */
    const Symbol *symbol;
} Field;

static _Noreturn void too_far(const Field *f)
{
    fail(f->l->job, EXIT_TOOLCHAIN, "%s: section %s: %s is too far away (relocation type %u)",
         f->section->object->name, f->section->name, title(f->symbol), f->reloc->type);
}

static void put32(const Field *f, uint64_t at, int64_t value)
{
    if (value != (int32_t)value)
        too_far(f);
    int32_t v = (int32_t)value;
    memcpy(f->l->image + at, &v, 4);
}

static void put_relative(Linker *l, uint64_t at, uint64_t value)
{
    bool x86 = l->link->machine == MACHINE_X86_64;
    memcpy(l->image + at, &value, 8);
    *vec_push(l->job, &l->relative) =
        (Elf64_Rela){ at, ELF64_R_INFO(0, x86 ? R_X86_64_RELATIVE : R_AARCH64_RELATIVE),
                      (int64_t)value };
}

static void put_address(const Field *f)
{
    if (f->symbol->section)
        put_relative(f->l, f->at, f->to);
    else
        memcpy(f->l->image + f->at, &f->to, 8);
}

/* A guarded call of a weak function that is defined nowhere: cannot happen, so it traps. */
static void put_trap(const Field *f)
{
    uint8_t *p = f->l->image + f->at;
    memset(p, 0, 4); /* aarch64: udf #0 */
    if (f->l->link->machine == MACHINE_X86_64 && f->reloc->at && (p[-1] == 0xe8 || p[-1] == 0xe9))
        memcpy(p - 1, "\x0f\x0b\x90\x90\x90", 5); /* ud2 */
}

static uint64_t slot_address(const Field *f)
{
    return f->l->got + 8 * find_slot(f->l, f->symbol)->index;
}

static void put_slot32(const Field *f)
{
    uint8_t *p = f->l->image + f->at;
    int64_t distance = (int64_t)(f->to - f->at);
    Relax relax = f->symbol->section ? relaxable(f->section, f->reloc) : RELAX_NO;
    if (relax == RELAX_LOAD) {
        p[-2] = 0x8d; /* lea */
        put32(f, f->at, distance);
    } else if (relax == RELAX_CALL) {
        p[-2] = 0x67; /* a prefix without effect, then call */
        p[-1] = 0xe8;
        put32(f, f->at, distance);
    } else if (relax == RELAX_JUMP) {
        p[-2] = 0xe9; /* jmp, one byte shorter, then nop */
        put32(f, f->at - 1, distance + 1);
        p[3] = 0x90;
    } else {
        put32(f, f->at, (int64_t)(slot_address(f) - f->at) + f->reloc->addend);
    }
}

/* Replaces the bits of `mask` in the instruction. */
static void put_bits(const Field *f, uint32_t mask, uint32_t bits)
{
    uint32_t word;
    memcpy(&word, f->l->image + f->at, 4);
    word = (word & ~mask) | (bits & mask);
    memcpy(f->l->image + f->at, &word, 4);
}

static void put_page21(const Field *f, uint64_t to)
{
    int64_t pages = (int64_t)((to & ~(uint64_t)4095) - (f->at & ~(uint64_t)4095)) / 4096;
    if (pages < -(1 << 20) || pages >= 1 << 20)
        too_far(f);
    uint32_t p = (uint32_t)pages;
    put_bits(f, 3u << 29 | 0x7ffffu << 5, (p & 3) << 29 | (p >> 2 & 0x7ffff) << 5);
}

static void put_low12(const Field *f, uint64_t to, unsigned shift)
{
    if (to & ((1u << shift) - 1))
        fail(f->l->job, EXIT_TOOLCHAIN, "%s: section %s: %s is not aligned as the code says",
             f->section->object->name, f->section->name, title(f->symbol));
    put_bits(f, 0xfffu << 10, (uint32_t)((to & 4095) >> shift) << 10);
}

static void put_branch26(const Field *f)
{
    int64_t distance = (int64_t)(f->to - f->at);
    if (distance & 3 || distance < -(1 << 27) || distance >= 1 << 27)
        too_far(f);
    put_bits(f, 0x3ffffff, (uint32_t)(distance / 4));
}

static void put_field(const Field *f, const Rule *rule)
{
    int64_t distance = (int64_t)(f->to - f->at);
    bool branch = rule->kind == KIND_BRANCH32 || rule->kind == KIND_BRANCH26;
    if (branch && !f->symbol->section) {
        put_trap(f);
        return;
    }
    switch ((Kind)rule->kind) {
    case KIND_ADDRESS64:
        put_address(f);
        break;
    case KIND_DISTANCE32:
    case KIND_BRANCH32:
        put32(f, f->at, distance);
        break;
    case KIND_DISTANCE64:
        memcpy(f->l->image + f->at, &distance, 8);
        break;
    case KIND_SLOT32:
        put_slot32(f);
        break;
    case KIND_PAGE21:
        put_page21(f, f->to);
        break;
    case KIND_SLOT_PAGE21:
        put_page21(f, slot_address(f));
        break;
    case KIND_LOW12:
        put_low12(f, f->to, rule->shift);
        break;
    case KIND_SLOT_LOW12:
        put_low12(f, slot_address(f), rule->shift);
        break;
    case KIND_BRANCH26:
        put_branch26(f);
        break;
    case KIND_NONE:
        bug("relocation type %u passed the reader", rule->type);
    }
}

/* Clears begin and length of an FDE: it then describes no code. */
static void neutralise(Linker *l, const Section *s, const Reloc *r)
{
    uint64_t width = 2 * (uint64_t)link_field_size(l->link->machine, r->type);
    uint64_t left = s->size - r->at;
    memset(l->image + s->address + r->at, 0, width < left ? width : left);
}

void link_relocate(Linker *l, const Section *s)
{
    for (size_t i = 0; i < s->reloc_count; i++) {
        const Reloc *r = &s->relocs[i];
        if (describes_dropped(s, r)) {
            neutralise(l, s, r);
            continue;
        }
        const Symbol *to = link_resolve(l, s->object, r->symbol);
        uint64_t base = to->section ? to->section->address + to->value : 0;
        Field f = { l, s, r, s->address + r->at, base + (uint64_t)r->addend, to };
        put_field(&f, rule_of(l->link->machine, r->type));
    }
}

void link_fill_slots(Linker *l)
{
    for (size_t i = 0; i < l->slots.n; i++) {
        const Slot *slot = l->slots.at[i];
        if (slot->section)
            put_relative(l, l->got + 8 * i, slot->section->address + slot->value);
    }
}
