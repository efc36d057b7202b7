/* SPDX-License-Identifier: MIT */
/* segments.c: constants that are not inside the artifact: a file beside it, mapped read-only and
 * shared between processes, whose size and SHA-256, or header, must be as the artifact recorded. */
#include "libaotrt.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- SHA-256, FIPS 180-4 ------------------------------------------------------------------- */

static const uint32_t round_constant[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static uint32_t load_big(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void sha256_block(uint32_t hash[8], const unsigned char *block)
{
    uint32_t w[64], v[8];
    for (int i = 0; i < 16; i++)
        w[i] = load_big(block + 4 * i);
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3)
             + w[i - 7] + (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
    memcpy(v, hash, sizeof v);
    for (int i = 0; i < 64; i++) {
        uint32_t e = v[4], a = v[0];
        uint32_t t = v[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25))
                   + ((e & v[5]) ^ (~e & v[6])) + round_constant[i] + w[i];
        uint32_t u = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22))
                   + ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += t;
        v[0] = t + u;
    }
    for (int i = 0; i < 8; i++)
        hash[i] += v[i];
}

static void sha256(const unsigned char *data, uint64_t bytes, uint8_t digest[32])
{
    uint32_t hash[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
    unsigned char last[128] = { 0 };
    uint64_t whole = bytes / 64, rest = bytes % 64, end = rest < 56 ? 64 : 128;
    for (uint64_t i = 0; i < whole; i++)
        sha256_block(hash, data + 64 * i);
    if (rest)
        memcpy(last, data + 64 * whole, rest);
    last[rest] = 0x80;
    for (int i = 0; i < 8; i++)
        last[end - 1 - (uint64_t)i] = (unsigned char)(bytes * 8 >> 8 * i);
    for (uint64_t at = 0; at < end; at += 64)
        sha256_block(hash, last + at);
    for (int i = 0; i < 32; i++)
        digest[i] = (uint8_t)(hash[i / 4] >> (24 - 8 * (i % 4)));
}

/* ---- Side files ---------------------------------------------------------------------------- */

static int has_header(const aot_segment *segment)
{
    static const uint8_t none[32];
    return segment->struct_size >= offsetof(aot_segment, layout) + sizeof segment->layout
        && memcmp(segment->layout, none, sizeof none) != 0;
}

/* Opens the file, or a copy of it in sealed memory where a key is given. */
static aot_status open_file(const char *file, const aot_segment *segment, const uint8_t *public_key,
                            int *fd, Text error)
{
    *fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return aotrt_fail(error, AOT_EHOST, "%s: the model's constants: %s", file, strerror(errno));
    if (!public_key)
        return AOT_OK;
    int plain = *fd;
    aot_status status = has_header(segment)
        ? aotrt_signed_copy(plain, file, public_key, fd, error)
        : aotrt_sealed_copy(plain, file, fd, error); /* the artifact's signature covers its SHA-256 */
    close(plain);
    return status;
}

/* Maps the whole of a file that must have so many bytes. */
static aot_status map_file(const char *file, const aot_segment *segment, const uint8_t *public_key,
                           const void **base, Text error)
{
    struct stat s;
    int fd;
    aot_status status = open_file(file, segment, public_key, &fd, error);
    if (status)
        return status;
    if (fstat(fd, &s) || !S_ISREG(s.st_mode) || (uint64_t)s.st_size != segment->bytes)
        status = aotrt_fail(error, AOT_EHOST, "%s: the model's constants: has another size than the "
                            "model recorded", file);
    void *mapped = status ? MAP_FAILED
                          : mmap(NULL, (size_t)segment->bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (!status && mapped == MAP_FAILED)
        status = aotrt_fail(error, AOT_EHOST, "%s: %s", file, strerror(errno));
    close(fd);
    *base = status ? NULL : mapped;
    return status;
}

/* Whether the file begins as one of weights for this segment does. */
static int header_fits(const aot_segment *segment, const void *base)
{
    aot_weights_header h;
    uint8_t sum[32];
    if (segment->bytes < AOT_WEIGHTS_HEADER)
        return 0;
    memcpy(&h, base, sizeof h);
    sha256(base, offsetof(aot_weights_header, sum), sum);
    return !memcmp(h.magic, AOT_WEIGHTS_MAGIC, sizeof h.magic) && h.version == 1
        && h.header_bytes == AOT_WEIGHTS_HEADER && h.bytes == segment->bytes - AOT_WEIGHTS_HEADER
        && !memcmp(h.layout, segment->layout, sizeof h.layout) && !memcmp(h.sum, sum, sizeof sum);
}

/* The segment's file in the artifact's folder. 0: the name leads elsewhere or is too long. */
static int side_path(char *to, size_t size, const char *artifact, const char *name)
{
    const char *slash = strrchr(artifact, '/');
    int folder = slash ? (int)(slash - artifact) + 1 : 0;
    if (!name || !name[0] || strchr(name, '/'))
        return 0;
    int n = snprintf(to, size, "%.*s%s", folder, artifact, name);
    return n > 0 && (size_t)n < size;
}

static aot_status map_segment(const aot_segment *segment, const char *artifact, Segments *to,
                              uint64_t i, Text error)
{
    char beside[PATH_MAX];
    const char *file = beside;
    uint8_t digest[32];
    to->base[i] = segment->embedded;
    if (segment->embedded || segment->bytes == 0)
        return AOT_OK;
    if (has_header(segment) && to->weights)
        file = to->weights;
    else if (!side_path(beside, sizeof beside, artifact, segment->name))
        return aotrt_fail(error, AOT_EDATA, "%s: names no side file for its constants", artifact);
    aot_status status = map_file(file, segment, to->public_key, &to->base[i], error);
    if (status)
        return status;
    to->mapped[i] = segment->bytes;
    if (has_header(segment))
        return header_fits(segment, to->base[i]) ? AOT_OK
            : aotrt_fail(error, AOT_EDATA, "%s: not a file of weights that %s can use (its header "
                         "is of another layout, or damaged)", file, artifact);
    sha256(to->base[i], segment->bytes, digest);
    if (memcmp(digest, segment->sha256, sizeof digest))
        return aotrt_fail(error, AOT_EDATA, "%s: not the constants that %s was compiled with "
                          "(SHA-256 differs)", file, artifact);
    return AOT_OK;
}

aot_status aotrt_map_segments(const aot_model *model, const char *path, Segments *segments,
                              Text error)
{
    uint64_t count = model->segment_count;
    if (!count)
        return AOT_OK;
    segments->base = calloc((size_t)count, sizeof *segments->base);
    segments->mapped = calloc((size_t)count, sizeof *segments->mapped);
    if (!segments->base || !segments->mapped)
        return aotrt_fail(error, AOT_EHOST, "%s: no memory", path);
    segments->count = count;
    for (uint64_t i = 0; i < count; i++) {
        aot_status status = map_segment(model->segments[i], path, segments, i, error);
        if (status)
            return status;
    }
    return AOT_OK;
}

void aotrt_unmap_segments(Segments *segments)
{
    for (uint64_t i = 0; i < segments->count; i++)
        if (segments->mapped[i])
            munmap((void *)(uintptr_t)segments->base[i], (size_t)segments->mapped[i]);
    free(segments->base);
    free(segments->mapped);
}
