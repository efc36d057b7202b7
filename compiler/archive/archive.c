/* SPDX-License-Identifier: MIT */
/* The archive as a whole: what kind of file it is, its programs, versions and hash.  See
 * archive.h. */
#include "archive.h"
#include "layout.h"
#include <ctype.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { OLDEST_MAJOR = 7, NEWEST_MAJOR = 8, NEWEST_MINOR = 20 };
static const char plain_program[] = "serialized_exported_program.json";

/* ---- what is this file ----------------------------------------------------------------------- */

static _Noreturn void not_ours(const Archive *a, const char *what)
{
    fail(a->job, EXIT_UNSUPPORTED, "%s: %s; expected an archive of torch.export.save", a->path,
         what);
}

/* Files that are no zip. */
static void sniff_bytes(const Archive *a)
{
    const uint8_t *b = a->bytes;
    if (!a->size)
        fail(a->job, EXIT_INPUT, "%s: is empty; expected a .pt2 archive", a->path);
    if (a->size >= 8 && b[4] == 'E' && b[5] == 'T' && isdigit(b[6]) && isdigit(b[7]))
        not_ours(a, "is an ExecuTorch program (.pte)");
    if (a->size >= 2 && b[0] == 0x80 && b[1] >= 2 && b[1] <= 5)
        not_ours(a, "is a pickle, as torch.save wrote before torch 1.6");
    if (a->size >= 4 && !memcmp(b, "\x7f" "ELF", 4))
        not_ours(a, "is a compiled program or library");
    if (a->size < 4 || (memcmp(b, "PK\3\4", 4) && memcmp(b, "PK\5\6", 4)))
        fail(a->job, EXIT_INPUT, "%s: is no zip file; expected a .pt2 archive of torch.export.save",
             a->path);
}

static const ZipMember *rooted(const Archive *a, const char *name)
{
    return zip_find(a->zip, job_printf(a->job, "%s%s", a->root, name));
}

static bool has_prefix(const Archive *a, const char *root, const char *prefix)
{
    size_t m = strlen(root), n = strlen(prefix);
    for (size_t i = 0; i < zip_count(a->zip); i++) {
        Sym name = zip_name(zip_at(a->zip, i));
        if (!strncmp(name, root, m) && !strncmp(name + m, prefix, n))
            return true;
    }
    return false;
}

/* A zip without program: says what it is instead. */
static _Noreturn void sniff_members(const Archive *a)
{
    if (has_prefix(a, a->root, "data/aotinductor/") || has_prefix(a, "", "data/aotinductor/"))
        fail(a->job, EXIT_UNSUPPORTED, "%s: holds only AOTInductor output, no exported program; "
             "save the program with torch.export.save", a->path);
    if (has_prefix(a, a->root, "data/executorch/"))
        not_ours(a, "holds only ExecuTorch programs");
    if (rooted(a, "constants.pkl") || has_prefix(a, a->root, "code/"))
        not_ours(a, "is a TorchScript archive");
    if (zip_find(a->zip, "serialized_state_dict.json"))
        not_ours(a, "was saved by torch 2.4 or older, whose format is not read; export it again "
                    "with torch 2.5 or newer");
    if (rooted(a, "data.pkl"))
        not_ours(a, "is a checkpoint of torch.save, which has weights but no program");
    fail(a->job, EXIT_INPUT, "%s: is a zip file without an exported program; expected "
         "models/<name>.json in it", a->path);
}

/* A small text member, without blanks at its end. */
static const char *text_member(Job *job, Zip *zip, const ZipMember *m)
{
    if (zip_size(m) > 64)
        fail(job, EXIT_INPUT, "%s: has %" PRIu64 " bytes; expected a short text",
             zip_where(zip, m), zip_size(m));
    size_t n = (size_t)zip_size(m);
    char *text = job_copy(job, (const char *)zip_bytes(zip, m), n);
    while (n && isspace((uint8_t)text[n - 1]))
        text[--n] = 0;
    return text;
}

void check_byteorder(Job *job, Zip *zip, Sym root)
{
    const ZipMember *m = zip_find(zip, job_printf(job, "%sbyteorder", root));
    const char *order = m ? text_member(job, zip, m) : "little";
    if (!strcmp(order, "big"))
        fail(job, EXIT_UNSUPPORTED, "%s: the tensors are big-endian; save them on a little-endian "
             "machine", zip_where(zip, m));
    if (strcmp(order, "little"))
        fail(job, EXIT_INPUT, "%s: is \"%s\"; expected little or big", zip_where(zip, m), order);
}

/* ---- versions -------------------------------------------------------------------------------- */

static void check_schema(const Archive *a, int64_t major, int64_t minor)
{
    if (major < OLDEST_MAJOR)
        fail(a->job, EXIT_UNSUPPORTED, "%s: schema %" PRId64 ".%" PRId64 " of torch 2.4 or older; "
             "expected schema 7 or 8; export the model again with torch 2.5 or newer", a->path,
             major, minor);
    if (major > NEWEST_MAJOR)
        fail(a->job, EXIT_UNSUPPORTED, "%s: schema %" PRId64 ".%" PRId64 " is newer than this "
             "compiler; expected schema 7 or 8", a->path, major, minor);
    if (minor < 0)
        fail(a->job, EXIT_INPUT, "%s: negative schema version", a->path);
    if (major == NEWEST_MAJOR && minor > NEWEST_MINOR)
        warn(a->job, "%s: schema %" PRId64 ".%" PRId64 " is newer than the %d.%d known here",
             a->path, major, minor, NEWEST_MAJOR, NEWEST_MINOR);
}

/* "8.2"; the single numbers of the oldest archives mean torch 2.3 or before. */
static void check_plain_version(const Archive *a)
{
    const ZipMember *m = zip_find(a->zip, "version");
    if (!m)
        return;
    const char *text = text_member(a->job, a->zip, m);
    char *dot, *end;
    if (!isdigit((uint8_t)*text))
        fail(a->job, EXIT_INPUT, "%s: is \"%s\"; expected a schema version", zip_where(a->zip, m),
             text);
    int64_t major = strtoll(text, &dot, 10), minor = *dot == '.' ? strtoll(dot + 1, &end, 10) : 0;
    check_schema(a, major, minor);
}

static void note_versions(Archive *a, const Json *program, const char *where)
{
    const Json *version = json_need(a->job, program, "schema_version", where);
    int64_t major = json_int(a->job, json_need(a->job, version, "major", where), where);
    int64_t minor = json_int(a->job, json_need(a->job, version, "minor", where), where);
    check_schema(a, major, minor);
    if (a->schema)
        return;
    const Json *torch = json_get(program, "torch_version");
    a->schema = sym_printf(a->job, "%" PRId64 ".%" PRId64, major, minor);
    a->torch = sym(a->job, torch ? json_string(a->job, torch, where) : "");
}

/* ---- opening --------------------------------------------------------------------------------- */

static void add_model(Archive *a, Sym name, const ZipMember *member)
{
    Model *m = vec_push(a->job, &a->models);
    *m = (Model){ .name = name, .member = member };
}

/* <root>/models/<name>.json, whose name may hold dots but no slash. */
static void find_models(Archive *a)
{
    const char *folder = job_printf(a->job, "%smodels/", a->root);
    size_t n = strlen(folder);
    for (size_t i = 0; i < zip_count(a->zip); i++) {
        const ZipMember *m = zip_at(a->zip, i);
        Sym name = zip_name(m);
        size_t length = strlen(name);
        if (length > n + 5 && !strncmp(name, folder, n) && !strchr(name + n, '/') &&
            !strcmp(name + length - 5, ".json"))
            add_model(a, sym_n(a->job, name + n, length - n - 5), m);
    }
}

static void check_package(Archive *a)
{
    const ZipMember *format = rooted(a, "archive_format"), *version = rooted(a, "archive_version");
    const char *text = format ? text_member(a->job, a->zip, format) : "pt2";
    if (strcmp(text, "pt2"))
        fail(a->job, EXIT_INPUT, "%s: is \"%s\"; expected pt2", zip_where(a->zip, format), text);
    text = version ? text_member(a->job, a->zip, version) : "0";
    if (strcmp(text, "0"))
        fail(a->job, EXIT_UNSUPPORTED, "%s: archive version \"%s\" is not known here; expected 0",
             zip_where(a->zip, version), text);
    check_byteorder(a->job, a->zip, a->root);
}

Archive *archive_read(Job *job, const char *where, const uint8_t *bytes, size_t size)
{
    Archive *a = job_alloc(job, sizeof *a);
    a->job = job;
    a->path = where;
    a->bytes = bytes;
    a->size = size;
    sniff_bytes(a);
    a->zip = zip_read(job, where, bytes, size, NULL);
    const ZipMember *program = zip_find(a->zip, plain_program);
    if (program) {
        a->layout = LAYOUT_PLAIN;
        a->root = sym(job, "");
        check_plain_version(a);
        add_model(a, sym(job, "model"), program);
        return a;
    }
    a->layout = LAYOUT_ROOTED;
    a->root = zip_root(a->zip);
    find_models(a);
    if (!a->models.n)
        sniff_members(a);
    check_package(a);
    return a;
}

Archive *archive_open(Job *job, const char *path)
{
    size_t size;
    const char *where = job_copy(job, path, strlen(path));
    const uint8_t *bytes = map_file(job, path, &size);
    Archive *a = archive_read(job, where, bytes, size);
    a->mapped = true;
    return a;
}

/* ---- programs -------------------------------------------------------------------------------- */

size_t archive_model_count(const Archive *a)
{
    return a->models.n;
}

Sym archive_model_name(const Archive *a, size_t i)
{
    return a->models.at[i].name;
}

const Json *archive_program(Archive *a, size_t i)
{
    Model *m = &a->models.at[i];
    if (m->program)
        return m->program;
    const char *where = zip_where(a->zip, m->member);
    const char *text = (const char *)zip_bytes(a->zip, m->member);
    const Json *program = json_parse(a->job, where, text, (size_t)zip_size(m->member));
    if (!json_is_object(program))
        fail(a->job, EXIT_INPUT, "%s: is no JSON object; expected an exported program", where);
    note_versions(a, program, where);
    m->program = program;
    return program;
}

/* The archive is only ever const to its readers: it reads the first program when none has been
 * read yet. */
const char *archive_schema(const Archive *archive)
{
    Archive *a = (Archive *)(uintptr_t)archive;
    if (!a->schema)
        archive_program(a, 0);
    return a->schema;
}

const char *archive_torch(Archive *a)
{
    archive_schema(a);
    return a->torch;
}

const uint8_t *archive_sha256(Archive *a)
{
    if (!a->hashed && !EVP_Digest(a->bytes, a->size, a->sha256, NULL, EVP_sha256(), NULL))
        fail(a->job, EXIT_RESOURCE, "%s: SHA-256 cannot be computed", a->path);
    a->hashed = true;
    return a->sha256;
}

void archive_unload(const Archive *archive)
{
    if (archive->mapped && archive->size)
        madvise((void *)(uintptr_t)archive->bytes, archive->size, MADV_DONTNEED);
}
