/* SPDX-License-Identifier: MIT */
/* image.c: looks at an artifact before the loader maps it.
 *
 * dlopen trusts its file: it maps what the program headers say, and a file that a full disk cut
 * short opens well and dies of SIGBUS in the middle of an inference. So the headers are read with
 * pread and compared with the size of the file first. This guards against accidents (a truncated
 * copy, a text file, another machine's artifact), not against malice: an artifact is code.
 */
#include "libaotrt.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__x86_64__)
enum { MACHINE = EM_X86_64 };
#elif defined(__aarch64__)
enum { MACHINE = EM_AARCH64 };
#elif defined(__riscv) && __riscv_xlen == 64
enum { MACHINE = EM_RISCV };
#else
#error "libaotrt knows x86-64, aarch64 and riscv64"
#endif

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
enum { BYTE_ORDER_HERE = ELFDATA2LSB };
#else
enum { BYTE_ORDER_HERE = ELFDATA2MSB };
#endif

enum {
    MAX_HEADERS = 64,           /* aotc writes 8 */
    MAX_NOTES = 64 << 20,       /* bytes of metadata that are believed */
    NOTE_TYPE = 1
};

typedef struct Image {
    int         fd;
    const char *path;
    uint64_t    size;           /* of the file */
    Text        error;
    Elf64_Ehdr  header;
    Elf64_Phdr  segment[MAX_HEADERS];
} Image;

/* Reads all of [offset, offset + bytes), which the caller knows to be inside the file. */
static int read_at(const Image *image, void *to, uint64_t offset, uint64_t bytes)
{
    char *at = to;
    while (bytes) {
        ssize_t n = pread(image->fd, at, bytes, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return 0;
        at += n;
        offset += (uint64_t)n;
        bytes -= (uint64_t)n;
    }
    return 1;
}

static int inside(const Image *image, uint64_t offset, uint64_t bytes)
{
    return bytes <= image->size && offset <= image->size - bytes;
}

static aot_status check_file(Image *image)
{
    struct stat s;
    if (fstat(image->fd, &s))
        return aotrt_fail(image->error, AOT_EHOST, "%s: %s", image->path, strerror(errno));
    if (!S_ISREG(s.st_mode))
        return aotrt_fail(image->error, AOT_EHOST, "%s: not a regular file%s", image->path,
                          S_ISDIR(s.st_mode) ? " but a directory" : "");
    image->size = (uint64_t)s.st_size;
    return AOT_OK;
}

static aot_status check_header(Image *image)
{
    Elf64_Ehdr *h = &image->header;
    uint64_t bytes = image->size < sizeof *h ? image->size : sizeof *h;
    memset(h, 0, sizeof *h);
    if (!read_at(image, h, 0, bytes))
        return aotrt_fail(image->error, AOT_EHOST, "%s: cannot be read", image->path);
    if (memcmp(h->e_ident, ELFMAG, SELFMAG))
        return aotrt_fail(image->error, AOT_EDATA, "%s: not a shared object; expected what aotc "
                          "writes, found %s", image->path, image->size ? "other data" : "no data");
    if (bytes < sizeof *h)
        return aotrt_fail(image->error, AOT_EDATA, "%s: cut short: %llu bytes do not hold the ELF "
                          "header", image->path, (unsigned long long)image->size);
    if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != BYTE_ORDER_HERE
        || h->e_machine != MACHINE)
        return aotrt_fail(image->error, AOT_ECPU, "%s: compiled for another machine; expected "
                          "64-bit ELF machine %d, found %s-bit machine %d", image->path, MACHINE,
                          h->e_ident[EI_CLASS] == ELFCLASS32 ? "32" : "64", h->e_machine);
    if (h->e_type != ET_DYN || h->e_phentsize != sizeof(Elf64_Phdr))
        return aotrt_fail(image->error, AOT_EDATA, "%s: ELF, but not a shared object", image->path);
    return AOT_OK;
}

/* Reads the program headers and compares them with the file's size. */
static aot_status check_segments(Image *image)
{
    const Elf64_Ehdr *h = &image->header;
    uint64_t bytes = h->e_phnum * sizeof(Elf64_Phdr);
    if (h->e_phnum == 0 || h->e_phnum > MAX_HEADERS)
        return aotrt_fail(image->error, AOT_EDATA, "%s: %d program headers; expected 1 to %d",
                          image->path, h->e_phnum, MAX_HEADERS);
    if (!inside(image, h->e_phoff, bytes) || !read_at(image, image->segment, h->e_phoff, bytes))
        return aotrt_fail(image->error, AOT_EDATA, "%s: cut short: the program headers are not in "
                          "the file", image->path);
    for (int i = 0; i < h->e_phnum; i++) {
        const Elf64_Phdr *p = &image->segment[i];
        if (p->p_type == PT_INTERP)
            return aotrt_fail(image->error, AOT_EDATA, "%s: a program, not a model", image->path);
        if (!inside(image, p->p_offset, p->p_filesz))
            return aotrt_fail(image->error, AOT_EDATA, "%s: cut short: segment %d ends at byte "
                              "%llu, the file at %llu; copy or compile it again", image->path, i,
                              (unsigned long long)(p->p_offset + p->p_filesz),
                              (unsigned long long)image->size);
        if (p->p_type == PT_LOAD && p->p_memsz < p->p_filesz)
            return aotrt_fail(image->error, AOT_EDATA, "%s: segment %d is damaged", image->path, i);
    }
    return AOT_OK;
}

/* Is there a note of owner "aotc" and type 1 whose text is an object? Notes are 4-aligned. */
static int has_aotc_note(const char *notes, uint64_t bytes)
{
    while (bytes >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr n;
        memcpy(&n, notes, sizeof n);
        uint64_t text = sizeof n + ((uint64_t)n.n_namesz + 3) / 4 * 4;
        uint64_t next = text + ((uint64_t)n.n_descsz + 3) / 4 * 4;
        if (text + n.n_descsz > bytes)
            return 0;
        if (n.n_type == NOTE_TYPE && n.n_namesz == 5 && !memcmp(notes + sizeof n, "aotc", 5))
            return n.n_descsz > 0 && notes[text] == '{';
        if (next >= bytes)
            return 0;
        notes += next;
        bytes -= next;
    }
    return 0;
}

/* Will the loader map the note where the headers say? And does the image begin at address 0, as it
 * does when aotc or ld wrote it? */
static int is_mapped(const Image *image, const Elf64_Phdr *note)
{
    int mapped = 0, from_zero = 0;
    for (int i = 0; i < image->header.e_phnum; i++) {
        const Elf64_Phdr *p = &image->segment[i];
        if (p->p_type != PT_LOAD || !(p->p_flags & PF_R))
            continue;
        from_zero |= p->p_vaddr == 0;
        mapped |= note->p_vaddr >= p->p_vaddr && note->p_filesz <= p->p_filesz
               && note->p_vaddr - p->p_vaddr <= p->p_filesz - note->p_filesz;
    }
    return mapped && from_zero;
}

static aot_status find_note(Image *image, Notes *notes)
{
    for (int i = 0; i < image->header.e_phnum; i++) {
        const Elf64_Phdr *p = &image->segment[i];
        if (p->p_type != PT_NOTE || p->p_filesz == 0 || p->p_filesz > MAX_NOTES
            || !is_mapped(image, p))
            continue;
        *notes = (Notes){ p->p_vaddr, p->p_filesz, malloc((size_t)p->p_filesz) };
        if (!notes->data)
            return aotrt_fail(image->error, AOT_EHOST, "%s: no memory", image->path);
        if (read_at(image, notes->data, p->p_offset, p->p_filesz)
            && has_aotc_note(notes->data, p->p_filesz))
            return AOT_OK;
        free(notes->data);
    }
    return aotrt_fail(image->error, AOT_EDATA, "%s: a shared object, but not written by aotc (no "
                      "note of owner \"aotc\")", image->path);
}

aot_status aotrt_check_image(int fd, const char *path, Notes *notes, Text error)
{
    Image image = { .fd = fd, .path = path, .error = error };
    aot_status status = check_file(&image);
    if (!status)
        status = check_header(&image);
    if (!status)
        status = check_segments(&image);
    return status ? status : find_note(&image, notes);
}
