/* SPDX-License-Identifier: MIT */
#include "weights_file.h"
#include "../archive/zip.h"
#include <inttypes.h>
#include <openssl/evp.h>
#include <string.h>
#include <unistd.h>
#define AOT_MODEL_ONLY
#include "../../runtime-stub/aot.h"

static const uint8_t gap[64];

static EVP_MD_CTX *begin(Job *job)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
        fail(job, EXIT_RESOURCE, "SHA-256 failed");
    job_defer(job, (void (*)(void *))EVP_MD_CTX_free, ctx);
    return ctx;
}

void weights_layout(Job *job, const char *recipe, const Weights *w, uint8_t layout[32])
{
    EVP_MD_CTX *ctx = begin(job);
    EVP_DigestUpdate(ctx, recipe, strlen(recipe));
    for (size_t i = 0; i < w->count; i++) {
        uint64_t place[2] = { w->parts[i].at, w->parts[i].size };
        EVP_DigestUpdate(ctx, place, sizeof place);
    }
    EVP_DigestFinal_ex(ctx, layout, NULL);
}

static aot_weights_header header_of(const uint8_t layout[32], uint64_t size)
{
    aot_weights_header h = { .magic = AOT_WEIGHTS_MAGIC, .version = 1, .header_bytes = AOT_WEIGHTS_HEADER, .bytes = size };
    memcpy(h.layout, layout, sizeof h.layout);
    return h;
}

static void seal(Job *job, aot_weights_header *h)
{
    if (!EVP_Digest(h, offsetof(aot_weights_header, sum), h->sum, NULL, EVP_sha256(), NULL))
        fail(job, EXIT_RESOURCE, "SHA-256 failed");
}

static bool is_there(Job *job, const char *path, const aot_weights_header *h)
{
    size_t size;
    if (access(path, R_OK))
        return false;
    const uint8_t *old = map_file(job, path, &size);
    return size == AOT_WEIGHTS_HEADER + h->bytes && !memcmp(old, h, sizeof *h);
}

void weights_file_write(Job *job, const char *path, const uint8_t layout[32], const Weights *w)
{
    aot_weights_header h = header_of(layout, w->bytes);
    EVP_MD_CTX *ctx = begin(job);
    uint64_t at = 0;
    for (size_t i = 0; i < w->count; i++) {
        const struct WeightPart *p = &w->parts[i];
        EVP_DigestUpdate(ctx, gap, p->at - at);
        EVP_DigestUpdate(ctx, p->data, p->size);
        at = p->at + p->size;
    }
    EVP_DigestFinal_ex(ctx, h.contents, NULL);
    seal(job, &h);
    if (is_there(job, path, &h))
        return; /* who has it mapped shares it with who maps it now */
    Output *out = output_open(job, path, 0666);
    output_write(out, 0, &h, sizeof h);
    output_write(out, AOT_WEIGHTS_HEADER - 1, "", 1); /* gaps are 0 */
    for (size_t i = 0; i < w->count; i++)
        output_write(out, AOT_WEIGHTS_HEADER + w->parts[i].at, w->parts[i].data, w->parts[i].size);
    output_commit(out);
}

void weights_file_replace(Job *job, const char *path, const uint8_t layout[32], const uint8_t *bytes, uint64_t size)
{
    struct WeightPart all = { .size = size, .data = bytes };
    weights_file_write(job, path, layout, &(Weights){ .job = job, .bytes = size, .parts = &all, .count = 1 });
}

const uint8_t *weights_file_read(Job *job, const char *path, bool contents, uint8_t layout[32], uint64_t *size)
{
    size_t length;
    aot_weights_header h, sealed;
    uint8_t digest[32];
    const uint8_t *bytes = map_file(job, path, &length);
    if (length < sizeof h || memcmp(bytes, AOT_WEIGHTS_MAGIC, sizeof h.magic))
        return NULL;
    memcpy(&h, bytes, sizeof h);
    sealed = h;
    seal(job, &sealed);
    if (h.version != 1 || h.header_bytes != AOT_WEIGHTS_HEADER)
        fail(job, EXIT_UNSUPPORTED, "%s: weights of format %" PRIu32 ", which this aotc does not know", path, h.version);
    if (memcmp(sealed.sum, h.sum, sizeof h.sum) || length < AOT_WEIGHTS_HEADER || h.bytes != length - AOT_WEIGHTS_HEADER)
        fail(job, EXIT_INPUT, "%s: is cut short, or its header is damaged", path);
    bytes += AOT_WEIGHTS_HEADER;
    if (contents && (!EVP_Digest(bytes, h.bytes, digest, NULL, EVP_sha256(), NULL) || memcmp(digest, h.contents, 32)))
        fail(job, EXIT_INPUT, "%s: its elements are not those that its header tells of; the file is damaged", path);
    memcpy(layout, h.layout, sizeof h.layout);
    *size = h.bytes;
    return bytes;
}

const char *weights_file_of(Job *job, const char *artifact, const Json *metadata)
{
    const Json *v = json_get(metadata, "weights_file");
    const char *name = v ? json_string(job, v, artifact) : NULL, *slash = strrchr(artifact, '/');
    if (!name)
        return NULL;
    if (!*name || strchr(name, '/'))
        fail(job, EXIT_INPUT, "%s: names no file beside it for its weights", artifact);
    return job_printf(job, "%.*s%s", slash ? (int)(slash - artifact) + 1 : 0, artifact, name);
}
