/* SPDX-License-Identifier: MIT */
/* Zip members through libzip, in place where possible: see zip.h.
 *
 * libzip does not tell where a member's bytes lie, so the central directory is walked a second
 * time here.  The walk only ever adds an offset to what libzip reports; where the two disagree
 * the member is read through libzip. */
#include "zip.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>
#include <zlib.h>

enum {
    LOCAL_HEADER = 30,
    CENTRAL_HEADER = 46,
    END_RECORD = 22,
    END64_RECORD = 56,
    END64_LOCATOR = 20,
    MAX_NAME = 4096,
    DEFLATE_RATIO = 1032, /* no deflate stream expands more */
    BIG_RATIO = 200       /* nor a big one more than this, here */
};
static const size_t max_members = 200000;
static const uint64_t max_inflated = (uint64_t)8 << 30, big_member = (uint64_t)256 << 20;

struct ZipMember {
    Sym name;
    uint64_t size, packed;
    uint64_t header; /* offset of the local header, UINT64_MAX: not known */
    uint32_t crc;
    uint16_t method, encryption;
    size_t index;
    const uint8_t *bytes; /* once read */
};

struct Zip {
    Job *job;
    const char *where;
    const uint8_t *bytes;
    size_t size;
    zip_t *handle;
    ZipMember *members;
    size_t count;
    size_t *table, table_mask; /* open addressing over names; index + 1 */
    uint64_t own_inflated, *inflated;
};

static uint64_t little(const uint8_t *p, int n)
{
    uint64_t v = 0;
    for (int i = n; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

/* ---- the walk over the central directory ----------------------------------------------------- */

typedef struct Directory {
    uint64_t at, count;
} Directory;

/* Finds the end record whose comment ends the file, and its zip64 form. */
static bool find_directory(const Zip *z, Directory *d)
{
    size_t least = z->size > END_RECORD + 65535 ? z->size - END_RECORD - 65535 : 0;
    size_t at = z->size < END_RECORD ? 0 : z->size - END_RECORD;
    if (z->size < END_RECORD)
        return false;
    for (;; at--) {
        const uint8_t *p = z->bytes + at;
        if (little(p, 4) == 0x06054b50 && little(p + 20, 2) == z->size - at - END_RECORD)
            break;
        if (at == least)
            return false;
    }
    const uint8_t *p = z->bytes + at;
    *d = (Directory){ .at = little(p + 16, 4), .count = little(p + 10, 2) };
    if (d->at != UINT32_MAX && d->count != UINT16_MAX)
        return true;
    if (at < END64_LOCATOR || little(p - END64_LOCATOR, 4) != 0x07064b50)
        return true;
    uint64_t end64 = little(p - END64_LOCATOR + 8, 8);
    if (z->size < END64_RECORD || end64 > z->size - END64_RECORD)
        return false;
    p = z->bytes + end64;
    *d = (Directory){ .at = little(p + 48, 8), .count = little(p + 32, 8) };
    return little(p, 4) == 0x06064b50;
}

/* The zip64 field of an extra block: the values that did not fit, in a fixed order. */
static uint64_t header_offset(const uint8_t *entry, size_t name, size_t extra)
{
    uint64_t offset = little(entry + 42, 4);
    if (offset != UINT32_MAX)
        return offset;
    size_t skip = (little(entry + 24, 4) == UINT32_MAX ? 8u : 0u) +
                  (little(entry + 20, 4) == UINT32_MAX ? 8u : 0u);
    const uint8_t *p = entry + CENTRAL_HEADER + name, *end = p + extra;
    while (end - p >= 4) {
        size_t n = (size_t)little(p + 2, 2);
        if ((size_t)(end - p) - 4 < n)
            break;
        if (little(p, 2) == 1)
            return n >= skip + 8 ? little(p + 4 + skip, 8) : UINT64_MAX;
        p += 4 + n;
    }
    return UINT64_MAX;
}

/* Gives members their header offsets as far as the walk agrees with libzip. */
static void walk_directory(Zip *z)
{
    Directory d;
    if (!find_directory(z, &d) || d.count != z->count)
        return;
    uint64_t at = d.at;
    for (size_t i = 0; i < z->count; i++) {
        ZipMember *m = &z->members[i];
        if (at > z->size || z->size - at < CENTRAL_HEADER)
            return;
        const uint8_t *p = z->bytes + at;
        size_t name = (size_t)little(p + 28, 2), extra = (size_t)little(p + 30, 2);
        size_t whole = CENTRAL_HEADER + name + extra + (size_t)little(p + 32, 2);
        if (little(p, 4) != 0x02014b50 || z->size - at < whole)
            return;
        if (name != strlen(m->name) || memcmp(p + CENTRAL_HEADER, m->name, name) ||
            little(p + 16, 4) != m->crc || little(p + 10, 2) != m->method)
            return;
        m->header = header_offset(p, name, extra);
        at += whole;
    }
}

/* ---- opening --------------------------------------------------------------------------------- */

static bool safe_name(const char *name)
{
    size_t n = strlen(name);
    if (!n || n > MAX_NAME || name[0] == '/' || strchr(name, '\\'))
        return false;
    for (const char *p = name; p; p = strchr(p, '/')) {
        p += *p == '/';
        if (p[0] == '.' && p[1] == '.' && (!p[2] || p[2] == '/'))
            return false;
    }
    return true;
}

static size_t *slot_of(const Zip *z, Sym name)
{
    size_t h = (size_t)(((uint64_t)(uintptr_t)name >> 4) * 0x9E3779B97F4A7C15u >> 20);
    for (;; h++) {
        size_t *slot = &z->table[h & z->table_mask];
        if (!*slot || z->members[*slot - 1].name == name)
            return slot;
    }
}

static void read_member(Zip *z, size_t i)
{
    zip_stat_t st;
    ZipMember *m = &z->members[i];
    const char *name = zip_get_name(z->handle, i, ZIP_FL_ENC_RAW);
    const zip_uint64_t need = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_CRC |
                              ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    zip_stat_init(&st);
    if (!name || zip_stat_index(z->handle, i, 0, &st) || (st.valid & need) != need)
        fail(z->job, EXIT_INPUT, "%s: entry %zu of the zip directory cannot be read; the file is "
             "damaged", z->where, i);
    if (!safe_name(name))
        fail(z->job, EXIT_INPUT, "%s: the zip member name \"%.200s\" is not a plain relative name",
             z->where, name);
    m->name = sym(z->job, name);
    m->size = st.size;
    m->packed = st.comp_size;
    m->crc = st.crc;
    m->method = st.comp_method;
    m->encryption = st.encryption_method;
    m->index = i;
    m->header = UINT64_MAX;
    size_t *slot = slot_of(z, m->name);
    if (*slot)
        fail(z->job, EXIT_INPUT, "%s: the zip member \"%.200s\" stands twice", z->where, name);
    *slot = i + 1;
}

static void discard(void *handle)
{
    zip_discard(handle);
}

static _Noreturn void not_readable(Job *job, const char *where, zip_error_t *error)
{
    const char *why = job_printf(job, "%s", zip_error_strerror(error));
    int code = zip_error_code_zip(error) == ZIP_ER_MEMORY ? EXIT_RESOURCE : EXIT_INPUT;
    zip_error_fini(error);
    fail(job, code, "%s: is a damaged or truncated zip file (%s); copy or export it again", where,
         why);
}

static zip_t *open_handle(Job *job, const char *where, const uint8_t *bytes, size_t size)
{
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *source = zip_source_buffer_create(bytes, size, 0, &error);
    zip_t *handle = source ? zip_open_from_source(source, ZIP_RDONLY, &error) : NULL;
    if (!handle) {
        zip_source_free(source);
        not_readable(job, where, &error);
    }
    zip_error_fini(&error);
    job_defer(job, discard, handle);
    return handle;
}

Zip *zip_read(Job *job, const char *where, const uint8_t *bytes, size_t size, Zip *within)
{
    Zip *z = job_alloc(job, sizeof *z);
    *z = (Zip){ .job = job, .where = where, .bytes = bytes, .size = size };
    z->inflated = within ? within->inflated : &z->own_inflated;
    z->handle = open_handle(job, where, bytes, size);
    zip_int64_t count = zip_get_num_entries(z->handle, 0);
    if (count < 0 || (uint64_t)count > max_members)
        fail(job, EXIT_INPUT, "%s: the zip file has %lld members; at most %zu are read", where,
             (long long)count, max_members);
    z->count = (size_t)count;
    z->members = job_array(job, z->count, sizeof *z->members);
    z->table_mask = 15;
    while (z->table_mask < 2 * z->count)
        z->table_mask = z->table_mask * 2 + 1;
    z->table = job_array(job, z->table_mask + 1, sizeof *z->table);
    for (size_t i = 0; i < z->count; i++)
        read_member(z, i);
    walk_directory(z);
    return z;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The stored bytes inside the mapping; NULL: local header and directory disagree, or the bytes
 * are not all there. */
static const uint8_t *in_place(const Zip *z, const ZipMember *m)
{
    if (m->method != ZIP_CM_STORE || m->size != m->packed || m->header > z->size ||
        z->size - m->header < LOCAL_HEADER)
        return NULL;
    const uint8_t *p = z->bytes + m->header;
    size_t name = (size_t)little(p + 26, 2);
    uint64_t start = m->header + LOCAL_HEADER + name + little(p + 28, 2);
    if (little(p, 4) != 0x04034b50 || little(p + 8, 2) != m->method || little(p + 6, 2) & 1)
        return NULL;
    if (start > z->size || z->size - start < m->size)
        return NULL;
    if (name != strlen(m->name) || memcmp(p + LOCAL_HEADER, m->name, name))
        return NULL;
    return z->bytes + start;
}

/* Before memory is taken for what a member declares. */
static void check_budget(const Zip *z, const ZipMember *m)
{
    if (m->packed > z->size)
        fail(z->job, EXIT_INPUT, "%s: declares %llu packed bytes in a file of %zu; the file is "
             "damaged or truncated", zip_where(z, m), (unsigned long long)m->packed, z->size);
    if (m->method == ZIP_CM_STORE ? m->size != m->packed
                                  : m->size / DEFLATE_RATIO > m->packed)
        fail(z->job, EXIT_INPUT, "%s: declares %llu bytes from %llu packed ones, which cannot be",
             zip_where(z, m), (unsigned long long)m->size, (unsigned long long)m->packed);
    if (m->size > big_member && m->size / BIG_RATIO > m->packed)
        fail(z->job, EXIT_INPUT, "%s: expands %llu-fold to %llu bytes, as a zip bomb does; zip "
             "the archive again without compression if it is yours", zip_where(z, m),
             (unsigned long long)(m->size / (m->packed ? m->packed : 1)),
             (unsigned long long)m->size);
    if (m->size > max_inflated || *z->inflated > max_inflated - m->size)
        fail(z->job, EXIT_INPUT, "%s: with it more than %llu bytes are compressed; zip the archive "
             "again without compression", zip_where(z, m), (unsigned long long)max_inflated);
    *z->inflated += m->size;
}

static const uint8_t *read_out(Zip *z, const ZipMember *m)
{
    check_budget(z, m);
    uint8_t *bytes = job_big(z->job, (size_t)m->size);
    zip_file_t *file = zip_fopen_index(z->handle, m->index, 0);
    uint64_t got = 0;
    zip_int64_t n = 0;
    while (file && got < m->size && (n = zip_fread(file, bytes + got, m->size - got)) > 0)
        got += (uint64_t)n;
    char extra;
    bool longer = file && got == m->size && zip_fread(file, &extra, 1) > 0;
    if (file)
        zip_fclose(file);
    if (got != m->size || longer)
        fail(z->job, EXIT_INPUT, "%s: cannot be unpacked to its %llu bytes; the file is damaged",
             zip_where(z, m), (unsigned long long)m->size);
    return bytes;
}

const uint8_t *zip_bytes(Zip *z, const ZipMember *member)
{
    ZipMember *m = &z->members[member->index];
    if (m->bytes)
        return m->bytes;
    if (m->encryption != ZIP_EM_NONE)
        fail(z->job, EXIT_UNSUPPORTED, "%s: is encrypted", zip_where(z, m));
    if (m->method != ZIP_CM_STORE && m->method != ZIP_CM_DEFLATE)
        fail(z->job, EXIT_UNSUPPORTED, "%s: is packed with zip method %d; expected stored or "
             "deflate", zip_where(z, m), m->method);
    const uint8_t *bytes = in_place(z, m);
    if (!bytes)
        bytes = read_out(z, m);
    if (crc32_z(0, bytes, (size_t)m->size) != m->crc)
        fail(z->job, EXIT_INPUT, "%s: its bytes do not have the CRC the zip directory records; the "
             "file is damaged", zip_where(z, m));
    m->bytes = bytes;
    return bytes;
}

size_t zip_count(const Zip *z)
{
    return z->count;
}

const ZipMember *zip_at(const Zip *z, size_t i)
{
    return &z->members[i];
}

const ZipMember *zip_find(const Zip *z, const char *name)
{
    size_t slot = *slot_of(z, sym(z->job, name));
    return slot ? &z->members[slot - 1] : NULL;
}

Sym zip_name(const ZipMember *m)
{
    return m->name;
}

uint64_t zip_size(const ZipMember *m)
{
    return m->size;
}

const char *zip_where(const Zip *z, const ZipMember *m)
{
    return job_printf(z->job, "%s:%.300s", z->where, m->name);
}

Sym zip_root(const Zip *z)
{
    const char *name = z->count ? z->members[0].name : "", *slash = strchr(name, '/');
    return slash ? sym_n(z->job, name, (size_t)(slash - name) + 1) : "";
}

/* ---- files ----------------------------------------------------------------------------------- */

typedef struct Mapping {
    void *at;
    size_t size;
} Mapping;

static void unmap(void *handle)
{
    Mapping *m = handle;
    munmap(m->at, m->size);
}

const uint8_t *map_file(Job *job, const char *path, size_t *size)
{
    struct stat st;
    Mapping *m = job_alloc(job, sizeof *m);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail(job, EXIT_INPUT, "%s: cannot be read; %s", path, strerror(errno));
    bool known = !fstat(fd, &st);
    m->size = known && S_ISREG(st.st_mode) ? (size_t)st.st_size : 0;
    m->at = m->size ? mmap(NULL, m->size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    close(fd);
    if (!known || !S_ISREG(st.st_mode))
        fail(job, EXIT_INPUT, "%s: is no regular file; expected a .pt2 archive", path);
    if (m->at == MAP_FAILED)
        fail(job, EXIT_RESOURCE, "%s: cannot be mapped; %s", path, strerror(errno));
    if (m->at)
        job_defer(job, unmap, m);
    *size = m->size;
    return m->at;
}
