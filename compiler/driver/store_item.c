/* SPDX-License-Identifier: MIT */
/* What is in a store: its versions, their files, and whether these are as they were added. */
#include "store.h"
#include "../archive/zip.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SUMS_MAX = 1 << 20, BLOCK_BYTES = 1 << 20, SHA_TEXT = 64 };

/* ---- files -------------------------------------------------------------------------------------------------- */

static void close_fd(void *fd)
{
    close(*(int *)fd);
}

int *store_open(Job *job, const char *path, bool inside)
{
    struct stat st;
    int *fd = job_alloc(job, sizeof *fd);
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | (inside ? O_NOFOLLOW : 0));
    if (*fd < 0)
        fail(job, EXIT_INPUT, "%s: %s", path, errno == ELOOP ? "is a link, and a store has none" : strerror(errno));
    job_defer(job, close_fd, fd);
    if (fstat(*fd, &st) || !S_ISREG(st.st_mode))
        fail(job, EXIT_INPUT, "%s: is no regular file", path);
    return fd;
}

void store_hash(Job *job, const char *path, bool inside, Output *to, uint8_t sha[SHA_BYTES])
{
    int *fd = store_open(job, path, inside);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
        fail(job, EXIT_RESOURCE, "SHA-256 failed");
    job_defer(job, (void (*)(void *))EVP_MD_CTX_free, ctx);
    uint8_t *block = job_big(job, BLOCK_BYTES);
    uint64_t at = 0;
    for (ssize_t n; (n = read(*fd, block, BLOCK_BYTES)); at += (uint64_t)n) {
        if (n < 0)
            fail(job, EXIT_RESOURCE, "%s: cannot be read; %s", path, strerror(errno));
        EVP_DigestUpdate(ctx, block, (size_t)n);
        if (to)
            output_write(to, at, block, (size_t)n);
    }
    EVP_DigestFinal_ex(ctx, sha, NULL);
    job_release_big(job, block);
    job_undefer(job, fd);
    close(*fd);
}

const char *store_child(Job *job, const char *folder, const char *name)
{
    return job_printf(job, "%s/%s", folder, name);
}

static const uint8_t *map_child(Job *job, const char *folder, const char *name, size_t *size)
{
    return map_file(job, store_child(job, folder, name), size);
}

/* ---- folders ------------------------------------------------------------------------------------------------ */

static void close_folder(void *handle)
{
    closedir(handle);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

Names store_folder(Job *job, const char *path)
{
    Names names = { 0 };
    DIR *dir = opendir(path);
    if (!dir) {
        if (errno != ENOENT && errno != ENOTDIR)
            fail(job, EXIT_RESOURCE, "%s: cannot be read; %s", path, strerror(errno));
        return names;
    }
    job_defer(job, close_folder, dir);
    for (struct dirent *e; (e = readdir(dir));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
            *vec_push(job, &names) = job_copy(job, e->d_name, strlen(e->d_name));
    job_undefer(job, dir);
    closedir(dir);
    if (names.n)
        qsort(names.at, names.n, sizeof *names.at, by_text);
    return names;
}

bool is_store_folder(const char *path)
{
    struct stat st;
    return !lstat(path, &st) && S_ISDIR(st.st_mode);
}

static int by_version(const void *a, const void *b)
{
    const Item *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : compare_versions(x->version, y->version);
}

Item store_item_at(Job *job, const char *store, const char *name, const char *version)
{
    return (Item){ store, name, version, job_printf(job, "%s/%s/v%s", store, name, version) };
}

Items store_items(Job *job, const char *store, const char *only)
{
    Items items = { 0 };
    Names models = store_folder(job, store);
    if (!is_store_folder(store) && !models.n)
        fail(job, EXIT_INPUT, "%s: is no folder", store);
    for (size_t i = 0; i < models.n; i++) {
        const char *name = models.at[i], *folder = store_child(job, store, name);
        if (!is_model_name(name) || (only && strcmp(name, only)) || !is_store_folder(folder))
            continue;
        Names versions = store_folder(job, folder);
        for (size_t k = 0; k < versions.n; k++)
            if (versions.at[k][0] == 'v' && is_model_version(versions.at[k] + 1) &&
                is_store_folder(store_child(job, folder, versions.at[k])))
                *vec_push(job, &items) = store_item_at(job, store, name, versions.at[k] + 1);
    }
    if (items.n)
        qsort(items.at, items.n, sizeof *items.at, by_version);
    return items;
}

Item store_item(Job *job, const char *store, const char *text)
{
    const char *mark = strchr(text, '@');
    const char *name = mark ? job_copy(job, text, (size_t)(mark - text)) : text;
    if (!is_model_name(name))
        usage_error(job, "%s: is no name of a model", text);
    if (mark && !is_model_version(mark + 1))
        usage_error(job, "%s: is not of the form NAME@1.2.3", text);
    Items items = store_items(job, store, name);
    const Item *best = NULL;
    for (size_t i = 0; i < items.n; i++) {
        const Item *at = &items.at[i];
        if (mark ? !strcmp(at->version, mark + 1)
                 : !best || !is_prerelease(at->version) || is_prerelease(best->version))
            best = at;
    }
    if (!best)
        fail(job, EXIT_INPUT, "%s: has no %s", store, text);
    return *best;
}

/* ---- SHA256SUMS --------------------------------------------------------------------------------------------- */

const Sum *store_sum(const Sums *sums, const char *name)
{
    for (size_t i = 0; i < sums->n; i++)
        if (!strcmp(sums->at[i].name, name))
            return &sums->at[i];
    return NULL;
}

const char *store_sums_text(Job *job, const Sums *sums)
{
    Text t;
    text_init(&t, job);
    for (size_t i = 0; i < sums->n; i++)
        text_add(&t, "%s  %s\n", hex_text(job, sums->at[i].sha, SHA_BYTES), sums->at[i].name);
    return t.at;
}

/* Every line must be as store_sums_text writes it. */
static Sums parse_sums(Job *job, const char *path, const char *text, size_t size)
{
    Sums sums = { 0 };
    for (const char *at = text, *end = text + size; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t n = stop ? (size_t)(stop - at) : 0, bytes = 0;
        Sum sum = { .name = n > SHA_TEXT + 2 ? job_copy(job, at + SHA_TEXT + 2, n - SHA_TEXT - 2) : "" };
        bool good = !memchr(at, 0, n) && is_model_name(sum.name) && !memcmp(at + SHA_TEXT, "  ", 2) &&
                    !sodium_hex2bin(sum.sha, sizeof sum.sha, at, SHA_TEXT, NULL, &bytes, NULL) && bytes == SHA_BYTES;
        if (!good || !strcmp(sum.name, STORE_SUMS) || !strcmp(sum.name, STORE_SUMS_SIGNATURE) ||
            store_sum(&sums, sum.name))
            fail(job, EXIT_INPUT, "%s: line %zu is none that aotc writes", path, sums.n + 1);
        *vec_push(job, &sums) = sum;
        at = stop + 1;
    }
    return sums;
}

/* ---- checking ----------------------------------------------------------------------------------------------- */

const char *store_artifact(const Sums *sums)
{
    const Sum *so = store_sum(sums, "model.so"), *jar = store_sum(sums, "model.jar");
    return so && !jar ? so->name : jar && !so ? jar->name : NULL;
}

static void check_hashes(Job *job, const Item *item, const Sums *sums)
{
    uint8_t sha[SHA_BYTES];
    Names files = store_folder(job, item->folder);
    for (size_t i = 0; i < sums->n; i++) {
        const char *path = store_child(job, item->folder, sums->at[i].name);
        store_hash(job, path, true, NULL, sha);
        if (memcmp(sha, sums->at[i].sha, SHA_BYTES))
            fail(job, EXIT_INPUT, "%s: has been changed; its SHA-256 is not the one in %s", path, STORE_SUMS);
    }
    for (size_t i = 0; i < files.n; i++)
        if (strcmp(files.at[i], STORE_SUMS) && strcmp(files.at[i], STORE_SUMS_SIGNATURE) &&
            !store_sum(sums, files.at[i]))
            fail(job, EXIT_INPUT, "%s: is not in %s", store_child(job, item->folder, files.at[i]), STORE_SUMS);
}

const char *store_meta(Job *job, const Json *meta, const char *key)
{
    const Json *v = json_get(meta, key);
    return json_is_string(v) ? json_string(job, v, key) : "";
}

/* The file itself, or its signature. */
static bool is_part(const char *name, const char *file)
{
    size_t n = strlen(file);
    return n && !strncmp(name, file, n) && (!name[n] || !strcmp(name + n, ".sig"));
}

/* metadata.json is what the artifact says, and that is of this name and version. */
static void check_metadata(Job *job, const Item *item, const Sums *sums, const char *artifact)
{
    size_t size, bytes;
    ArtifactFacts facts;
    const char *path = store_child(job, item->folder, STORE_METADATA);
    const char *text = (const char *)map_child(job, item->folder, STORE_METADATA, &size);
    const uint8_t *model = map_child(job, item->folder, artifact, &bytes);
    model_facts(job, store_child(job, item->folder, artifact), model, bytes, &facts);
    if (size != strlen(facts.metadata) + 1 || memcmp(text, facts.metadata, size - 1) || text[size - 1] != '\n')
        fail(job, EXIT_INPUT, "%s: is not what %s says about itself", path, artifact);
    const Json *meta = json_parse(job, path, text, size);
    if (strcmp(store_meta(job, meta, "name"), item->name) || strcmp(store_meta(job, meta, "version"), item->version))
        fail(job, EXIT_INPUT, "%s: is of another model or version than its folder", path);
    const char *beside = store_meta(job, meta, "weights_file");
    if (*beside && !store_sum(sums, beside))
        fail(job, EXIT_INPUT, "%s: names a file of weights that is not there", path);
    for (size_t i = 0; i < sums->n; i++)
        if (!is_part(sums->at[i].name, STORE_METADATA) && !is_part(sums->at[i].name, artifact) &&
            !is_part(sums->at[i].name, beside))
            fail(job, EXIT_INPUT, "%s: is no part of a version", store_child(job, item->folder, sums->at[i].name));
}

Sums store_check(Job *job, const Item *item, const char *public_key)
{
    size_t size;
    uint8_t key[PUBLIC_KEY_BYTES];
    const char *path = store_child(job, item->folder, STORE_SUMS);
    if (public_key)
        read_public_key(job, public_key, key);
    int *fd = store_open(job, path, true);
    struct stat st;
    if (fstat(*fd, &st) || st.st_size > SUMS_MAX)
        fail(job, EXIT_INPUT, "%s: is too large", path);
    char *text = job_alloc(job, SUMS_MAX);
    ssize_t n = read(*fd, text, SUMS_MAX);
    if (n < 0)
        fail(job, EXIT_RESOURCE, "%s: cannot be read; %s", path, strerror(errno));
    size = (size_t)n;
    if (public_key)
        check_signature(job, path, text, size, key);
    Sums sums = parse_sums(job, path, text, size);
    const char *artifact = store_artifact(&sums);
    if (!artifact || !store_sum(&sums, STORE_METADATA))
        fail(job, EXIT_INPUT, "%s: does not name %s and one of model.so and model.jar", path, STORE_METADATA);
    check_hashes(job, item, &sums);
    check_metadata(job, item, &sums, artifact);
    return sums;
}
