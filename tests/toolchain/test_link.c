/* SPDX-License-Identifier: MIT */
/* The link: the toy by both compilers, what must be refused, and the rarer relocations. */
#include "toy.h"
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *source_folder;

typedef struct Toy {
    const char *path, *cc;
    bool tcc;
    Machine machine;
} Toy;

static void link_toy(Job *job, void *arg)
{
    const Toy *toy = arg;
    Object objects[3];
    Link link = toy_link(objects, toy_objects(job, toy->cc, toy->tcc, objects));
    link.machine = toy->machine;
    link_shared_object(job, &link, toy->path);
}

static void check_facts(Job *job, void *arg)
{
    ArtifactFacts f;
    artifact_read(job, arg, &f);
    CHECK_TEXT(f.metadata, "{\"toy\": true}");
    CHECK(f.needed_count == 0);
    if (CHECK(f.exported_count == 1))
        CHECK_TEXT(f.exported[0], "aot_entry");
    CHECK(!f.text_relocations && !f.executable_stack);
    CHECK(f.weights_bytes == TOY_WEIGHTS);
    CHECK(strlen(f.build_id) == 40);
}

/* Segments as the loader sees them: nothing is both written and run, RELRO covers all that is
 * written. */
static void check_segments(const char *path, uint64_t page)
{
    size_t size = 0;
    char *bytes = toy_file(path, &size);
    if (!CHECK(bytes && size > sizeof(Elf64_Ehdr)))
        return;
    const Elf64_Ehdr *e = (const Elf64_Ehdr *)bytes;
    const Elf64_Phdr *p = (const Elf64_Phdr *)(bytes + e->e_phoff), *relro = NULL;
    const uint32_t flags[] = { PF_R, PF_R | PF_X, PF_R | PF_W, PF_R };
    size_t loads = 0;
    for (int i = 0; i < e->e_phnum; i++)
        if (p[i].p_type == PT_GNU_RELRO)
            relro = &p[i];
    CHECK(relro != NULL);
    for (int i = 0; i < e->e_phnum; i++) {
        if (p[i].p_type == PT_GNU_STACK)
            CHECK(p[i].p_flags == (PF_R | PF_W));
        if (p[i].p_type != PT_LOAD)
            continue;
        CHECK(loads < 4 && p[i].p_flags == flags[loads]);
        CHECK(p[i].p_align == page && p[i].p_offset == p[i].p_vaddr && p[i].p_offset % page == 0);
        if ((p[i].p_flags & PF_W) && relro)
            CHECK(relro->p_vaddr == p[i].p_vaddr && relro->p_memsz == p[i].p_memsz);
        loads++;
    }
    CHECK(loads == 4);
    free(bytes);
}

static void check_dropped(const char *path)
{
    CHECK(toy_shell("readelf -sW %s 2>&1 | grep -q scale_a", path) == 0);
    CHECK(toy_shell("readelf -sW %s 2>&1 | grep -q dead", path) == 1);
    CHECK(toy_shell("readelf -rW %s | grep R_ | grep -qv _RELATIVE", path) == 1);
    CHECK(toy_shell("readelf -aW %s 2>&1 >/dev/null | grep -q .", path) == 1);
}

static void check_runs(const char *cc, const char *run, const char *path)
{
    char *host = toy_path("host");
    if (CHECK(toy_shell("%s -O1 -o %s %s/host.c -ldl", cc, host, source_folder) == 0))
        CHECK(toy_shell("%s %s %s", run, host, path) == 0);
}

static void check_lint(const char *path)
{
    if (!toy_have("eu-elflint"))
        return;
    CHECK(toy_shell("eu-elflint --gnu-ld %s 2>&1 | grep -v 'unknown object file note type' | "
                    "grep -qv '^No errors'",
                    path) == 1);
}

static void toy_by(bool tcc)
{
    char *path = toy_path("toy.so"), *again = toy_path("sub/other-name.so");
    Toy toy = { path, "cc", tcc, MACHINE_X86_64 };
    if (!CHECK(toy_job(link_toy, &toy) == EXIT_DONE))
        fprintf(stderr, "%s", toy_message);
    CHECK(toy_job(check_facts, path) == EXIT_DONE);
    check_segments(path, 4096);
    check_dropped(path);
    check_lint(path);
    check_runs("cc", "", path);
    if (toy_have("musl-gcc"))
        check_runs("musl-gcc", "", path);
    mkdir(toy_path("sub"), 0755);
    toy.path = again;
    CHECK(chdir(toy_path("sub")) == 0);
    CHECK(toy_job(link_toy, &toy) == EXIT_DONE);
    CHECK(toy_shell("cmp %s %s", path, again) == 0);
    if (toy_have("strip")) {
        CHECK(toy_shell("strip %s", again) == 0);
        CHECK(toy_job(check_facts, again) == EXIT_DONE);
        check_runs("cc", "", again);
    }
}

static void by_gcc(void)
{
    toy_by(false);
}

static void by_tcc(void)
{
    toy_by(true);
}

/* What gdb, perf and libgcc need to find the callers of a function. */
struct dwarf_eh_bases {
    void *text, *data, *function;
};
extern const void *_Unwind_Find_FDE(void *pc, struct dwarf_eh_bases *bases);

static void unwind(void)
{
    Toy toy = { toy_path("unwind.so"), "cc", false, MACHINE_X86_64 };
    struct dwarf_eh_bases bases = { 0 };
    CHECK(toy_job(link_toy, &toy) == EXIT_DONE);
    CHECK(toy_shell("readelf -lW %s | grep -q GNU_EH_FRAME", toy.path) == 0);
    void *lib = dlopen(toy.path, RTLD_NOW), *entry = lib ? dlsym(lib, "aot_entry") : NULL;
    if (!CHECK(entry != NULL))
        return;
    CHECK(_Unwind_Find_FDE((char *)entry + 1, &bases) != NULL);
    CHECK(bases.function == entry);
    dlclose(lib);
}

static void by_clang(void)
{
    Toy toy = { toy_path("clang.so"), "clang", false, MACHINE_X86_64 };
    if (!toy_have("clang"))
        return;
    CHECK(toy_job(link_toy, &toy) == EXIT_DONE);
    CHECK_TEXT(toy_message, "");
    check_runs("cc", "", toy.path);
}

static void aarch64(void)
{
    Toy toy = { toy_path("arm.so"), "aarch64-linux-gnu-gcc", false, MACHINE_AARCH64 };
    if (!toy_have("aarch64-linux-gnu-gcc"))
        return;
    CHECK(toy_job(link_toy, &toy) == EXIT_DONE);
    CHECK_TEXT(toy_message, "");
    CHECK(toy_job(check_facts, (void *)(uintptr_t)toy.path) == EXIT_DONE);
    check_segments(toy.path, 65536);
    CHECK(toy_shell("readelf -SW %s | grep -q '\\.got '", toy.path) == 0);
    CHECK(toy_shell("readelf -lW %s | grep -q GNU_EH_FRAME", toy.path) == 0);
    check_lint(toy.path);
    if (toy_have("qemu-aarch64"))
        check_runs(toy.cc, "qemu-aarch64 -L /usr/aarch64-linux-gnu", toy.path);
}

/* ---- small pieces ---------------------------------------------------------------------------- */

typedef struct Piece {
    const char *name[3], *text[3]; /* files */
    const char *flag;
    const char *message; /* of the refusal; NULL: links, and aot_entry returns `result` */
    int result;
    const char *needs; /* what readelf -SW must show; NULL: nothing */
} Piece;

static char piece_path[300];

static void link_piece(Job *job, void *arg)
{
    const Piece *p = arg;
    Object objects[3];
    size_t n = 0;
    for (; n < 3 && p->name[n]; n++)
        objects[n] = toy_compile(job, "cc", p->name[n], p->text[n], p->flag);
    Link link = toy_link(objects, n);
    link_shared_object(job, &link, piece_path);
}

static void try_piece(const Piece *p)
{
    static int count;
    snprintf(piece_path, sizeof piece_path, "%s/piece%d.so", toy_folder, count++);
    int code = toy_job(link_piece, (void *)(uintptr_t)p);
    if (p->message) {
        CHECK(code == EXIT_TOOLCHAIN);
        CHECK_HAS(toy_message, p->message);
        CHECK(access(piece_path, F_OK) != 0);
        return;
    }
    CHECK_TEXT(toy_message, "");
    void *lib = dlopen(piece_path, RTLD_NOW);
    if (!CHECK(lib != NULL))
        return;
    int (*entry)(void) = (int (*)(void))(uintptr_t)dlsym(lib, "aot_entry");
    if (CHECK(entry != NULL))
        CHECK(entry() == p->result);
    dlclose(lib);
    if (p->needs)
        CHECK(toy_shell("readelf -SW %s | grep -q '%s'", piece_path, p->needs) == 0);
}

static void refusals(void)
{
#define ONE(text_, flag_, message_) { { "m.c" }, { text_ }, flag_, message_, 0, NULL }
    static const Piece pieces[] = {
        ONE("int gone(void); int aot_entry(void) { return gone(); }", NULL,
            "undefined symbol gone"),
        ONE("static int count; int aot_entry(void) { return count++; }", NULL,
            ".bss.count (count)"),
        ONE("static int c = 7; int aot_entry(void) { return c++; }", NULL, ".data.c (c)"),
        ONE("int common[9]; int aot_entry(void) { return common[0]; }", "-fcommon",
            "common is a common symbol"),
        ONE("_Thread_local int t = 3; int aot_entry(void) { return t; }", NULL,
            "(t): thread-local"),
        ONE("extern _Thread_local int u; int aot_entry(void) { return u; }", NULL,
            "u is thread-local"),
        ONE("int f(void) { return 1; } int g(void) { return 2; }\n"
            "int (*const t[])(void) = { f, g };\n"
            "int aot_entry(int i) { return t[i](); }",
            "-fno-pic", "compile with -fPIC"),
        ONE("int other(void) { return 1; }", NULL, "aot_entry is defined in no object"),
        ONE("int aot_entry = 1;", NULL, ".data.aot_entry"),
        ONE("const int aot_entry = 1;", NULL, "aot_entry is not a function"),
        ONE("__attribute__((constructor)) void c(void) { __asm__(\"\"); }\n"
            "int aot_entry(void) { return 1; }",
            NULL,
            ".init_array"),
        ONE("int aot_entry(void) { return 1; } const char aot_weights[1] = { 1 };", NULL,
            "aot_weights is defined twice"),
        { { "a.c", "b.c" },
          { "int f(void) { return 1; } int aot_entry(void) { return f(); }",
            "int f(void) { return 2; }" },
          NULL, "b.c: f is defined twice; first in a.c", 0, NULL },
        { { "m.s" },
          { ".text\n.globl aot_entry\naot_entry: mov aot_entry@gottpoff(%rip), %rax\nret\n" },
          NULL, "thread-local", 0, NULL },
        { { "m.s" },
          { ".section .rodata\nt: .quad aot_entry\n.text\n.globl aot_entry\n"
            "aot_entry: lea t(%rip), %rax\nret\n" },
          NULL, ".rodata holds the address of", 0, NULL },
        { { "m.s" },
          { ".text\n.globl aot_entry\naot_entry: mov $aot_entry, %eax\nret\n" },
          NULL, "relocation type 10 against aot_entry is not supported", 0, NULL },
    };
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        try_piece(&pieces[i]);
}

static void slots(void)
{
    static const Piece pieces[] = {
        /* an opcode without a twin: the slot stays */
        { { "m.s", "f.c" },
          { ".text\n.globl aot_entry\naot_entry:\n xor %eax, %eax\n add f@GOTPCREL(%rip), %rax\n"
            " add f@GOTPCREL(%rip), %rax\n sub f@GOTPCREL(%rip), %rax\n jmp *%rax\n",
            "int f(void) { return 41; }" },
          NULL, NULL, 41, "\\.got " },
        { { "m.s", "f.c" }, /* the three that are changed */
          { ".text\n.globl aot_entry\naot_entry:\n sub $8, %rsp\n mov f@GOTPCREL(%rip), %r11\n"
            " call *%r11\n call *f@GOTPCREL(%rip)\n add $8, %rsp\n jmp *f@GOTPCREL(%rip)\n",
            "int f(void) { return 42; }" },
          NULL, NULL, 42, NULL },
        { { "m.c" }, /* a weak function that is nowhere */
          { "__attribute__((weak, visibility(\"default\"))) int f(void);\n"
            "__attribute__((weak)) extern const int v;\n"
            "const int *const t[] = { &v };\n"
            "int aot_entry(void) { return t[0] ? 1 : f ? f() : 43; }" },
          NULL, NULL, 43, NULL },
        { { "m.c", "w.c", "s.c" }, /* a strong definition beats a weak one */
          { "int f(void); int aot_entry(void) { return f(); }",
            "__attribute__((weak)) int f(void) { return 1; }", "int f(void) { return 44; }" },
          NULL, NULL, 44, NULL },
        { { "m.c", "a.s", "b.s" }, /* equal COMDAT groups */
          { "int f(void); int g(void); int aot_entry(void) { return f() + g(); }",
            ".section .text.f,\"axG\",@progbits,f,comdat\n.weak f\nf: mov $22, %eax\n ret\n",
            ".section .text.f,\"axG\",@progbits,f,comdat\n.weak f\nf: mov $22, %eax\n ret\n"
            ".text\n.globl g\ng: jmp f\n" },
          NULL, NULL, 44, NULL },
        { { "m.c" }, /* unwind tables: the dead function's entry is cleared */
          { "int dead(int *p) { int b[9]; b[*p] = *p; return b[*p + 1]; }\n"
            "int aot_entry(void) { return 45; }" },
          NULL, NULL, 45, "eh_frame" },
    };
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        try_piece(&pieces[i]);
}

/* ---- big weights ----------------------------------------------------------------------------- */

#define HUGE_WEIGHTS ((uint64_t)3 << 30)

static void write_last(void *ctx, void *sink)
{
    (void)ctx;
    link_weights(sink, HUGE_WEIGHTS - 4, "end", 4);
}

static void link_huge(Job *job, void *arg)
{
    Object object =
        toy_compile(job, "cc", "m.c",
                    "extern const char aot_weights[];\n"
                    "const char *aot_entry(void) { return aot_weights; }",
                    NULL);
    Link link = toy_link(&object, 1);
    link.weights_bytes = HUGE_WEIGHTS;
    link.write_weights = write_last;
    link_shared_object(job, &link, arg);
}

static void huge(void)
{
    char *path = toy_path("huge.so");
    struct stat st;
    CHECK(toy_job(link_huge, path) == EXIT_DONE);
    CHECK(!stat(path, &st) && st.st_size > (off_t)HUGE_WEIGHTS && st.st_blocks < 4096);
    void *lib = dlopen(path, RTLD_NOW);
    if (CHECK(lib != NULL)) {
        const char *(*entry)(void) = (const char *(*)(void))(uintptr_t)dlsym(lib, "aot_entry");
        CHECK_TEXT(entry() + (HUGE_WEIGHTS - 4), "end");
        CHECK((uintptr_t)entry() % 4096 == 0);
        dlclose(lib);
    }
    unlink(path);
}

static void link_without_weights(Job *job, void *arg)
{
    Object object = toy_compile(job, "cc", "m.c", "int aot_entry(void) { return 46; }", NULL);
    Link link = toy_link(&object, 1);
    link.weights_bytes = 0;
    link.soname = NULL;
    link.weights_id = NULL;
    link_shared_object(job, &link, arg);
}

static void no_weights(void)
{
    char *path = toy_path("none.so");
    CHECK(toy_job(link_without_weights, path) == EXIT_DONE);
    void *lib = dlopen(path, RTLD_NOW);
    if (CHECK(lib != NULL)) {
        CHECK(((int (*)(void))(uintptr_t)dlsym(lib, "aot_entry"))() == 46);
        dlclose(lib);
    }
    check_lint(path);
}

/* The build-id follows code, description and weights, and nothing else. */
typedef struct Ids {
    uint8_t weights[32];
    const char *text, *path;
    char id[41];
} Ids;

static void link_id(Job *job, void *arg)
{
    Ids *ids = arg;
    ArtifactFacts facts;
    Object object = toy_compile(job, "cc", "m.c", ids->text, NULL);
    Link link = toy_link(&object, 1);
    link.weights_id = ids->weights;
    link_shared_object(job, &link, ids->path);
    artifact_read(job, ids->path, &facts);
    memcpy(ids->id, facts.build_id, sizeof ids->id);
}

static void build_ids(void)
{
    Ids a = { { 1 }, "int aot_entry(void) { return 1; }", toy_path("a.so"), "" };
    Ids b = a, c = a, d = a;
    b.path = toy_path("b.so");
    c.weights[31] = 1;
    d.text = "int aot_entry(void) { return 2; }";
    CHECK(!toy_job(link_id, &a) && !toy_job(link_id, &b) && !toy_job(link_id, &c) &&
          !toy_job(link_id, &d));
    CHECK_TEXT(a.id, b.id);
    CHECK(strcmp(a.id, c.id) != 0 && strcmp(a.id, d.id) != 0);
}

int main(int argc, char **argv)
{
    source_folder = argc > 1 ? argv[1] : ".";
    toy_begin();
    RUN(by_gcc);
#ifdef AOTC_HAVE_TCC
    RUN(by_tcc);
#else
    (void)by_tcc;
#endif
    RUN(unwind);
    RUN(by_clang);
    RUN(aarch64);
    RUN(refusals);
    RUN(slots);
    RUN(huge);
    RUN(no_weights);
    RUN(build_ids);
    toy_end();
    return check_report();
}
