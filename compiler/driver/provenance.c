/* SPDX-License-Identifier: MIT */
/* What an artifact carries about itself beside its signature: --meta, hashes of what it was made of, flags.  No dates and
 * no paths: the same input gives the same bytes. */
#include "provenance.h"
#include "compile.h"
#include "npy.h"
#include "../archive/zip.h"
#include <math.h>
#include <openssl/evp.h>
#include <string.h>

enum { META_MAX = 1 << 20, BLOCK = 4096 };

const char *hex_text(Job *job, const uint8_t *bytes, size_t n)
{
    Text t;
    text_init(&t, job);
    for (size_t i = 0; i < n; i++)
        text_add(&t, "%02x", bytes[i]);
    return t.at;
}

/* ---- --meta ----------------------------------------------------------------------------------------------- */

/* Everything but numbers that JSON does not have. */
static void check_values(Job *job, const char *path, const char *key, const Json *v)
{
    if (json_is_number(v) && !isfinite(json_double(job, v, path)))
        fail(job, EXIT_INPUT, "%s: key \"%s\" holds NaN or an infinity, which JSON does not have", path, key);
    for (const Json *at = json_first(v); at; at = json_next(at))
        check_values(job, path, key, at);
}

static Sym need_text(Job *job, const char *path, const Json *v, const char *key, bool good(const char *),
                     const char *expected)
{
    const Json *member = json_get(v, key);
    const char *text = json_is_string(member) ? json_string(job, member, path) : NULL;
    if (!member)
        fail(job, EXIT_INPUT, "%s: key \"%s\" is missing; expected %s", path, key, expected);
    if (!text || !good(text))
        fail(job, EXIT_INPUT, "%s: key \"%s\" is wrong; expected %s", path, key, expected);
    return sym(job, text);
}

static void check_member(Job *job, const char *path, const Json *v)
{
    const char *key = json_key(v);
    bool config = !strcmp(key, "config"), metrics = !strcmp(key, "metrics"), text = !strcmp(key, "description");
    if (!config && !metrics && !text && strcmp(key, "name") && strcmp(key, "version"))
        fail(job, EXIT_INPUT, "%s: key \"%.100s\" is not known; name, version, description, config and metrics are",
             path, key);
    if (text && !json_is_string(v))
        fail(job, EXIT_INPUT, "%s: key \"description\" is wrong; expected a string", path);
    if ((config || metrics) && !json_is_object(v))
        fail(job, EXIT_INPUT, "%s: key \"%s\" is wrong; expected an object", path, key);
    check_values(job, path, key, v);
    for (const Json *m = metrics ? json_first(v) : NULL; m; m = json_next(m))
        if (!json_is_number(m))
            fail(job, EXIT_INPUT, "%s: key \"metrics.%.100s\" is wrong; expected a number", path, json_key(m));
}

/* The members of the object: its text without the braces, and without white space outside of strings. */
static const char *members_text(Job *job, const char *text, size_t size)
{
    char *to = job_alloc(job, size + 1), *at = to;
    bool inside = false;
    for (size_t i = 0; i < size; i++) {
        if (!inside && strchr(" \t\r\n", text[i]))
            continue;
        *at++ = text[i];
        if (inside && text[i] == '\\')
            *at++ = text[++i];
        else if (text[i] == '"')
            inside = !inside;
    }
    at[-1] = 0;
    return to + 1;
}

const Meta *meta_read(Job *job, const char *path)
{
    size_t size;
    const char *text = read_file(job, path, META_MAX, &size);
    const Json *v = json_parse(job, path, text, size);
    Meta *meta = job_alloc(job, sizeof *meta);
    if (!json_is_object(v))
        fail(job, EXIT_INPUT, "%s: is no JSON object", path);
    for (const Json *m = json_first(v); m; m = json_next(m))
        check_member(job, path, m);
    meta->name =
        need_text(job, path, v, "name", is_model_name,
                  "a string of at most 100 letters, digits, \".\", \"_\" and \"-\" that begins with a letter or digit");
    need_text(job, path, v, "version", is_model_version, "a string such as \"1.2.0\" or \"1.2.0-rc.1\"");
    meta->members = members_text(job, text, size);
    return meta;
}

/* ---- the parameters --------------------------------------------------------------------------------------- */

typedef struct Parameters {
    Job *job;
    EVP_MD_CTX *sha;
    VEC(const Tensor *) seen;
} Parameters;

static bool is_seen(const Parameters *p, const Tensor *t)
{
    for (size_t i = 0; i < p->seen.n; i++) {
        const Tensor *s = p->seen.at[i];
        if (s->storage == t->storage && s->offset == t->offset && s->rank == t->rank && s->dtype == t->dtype &&
            !memcmp(s->size, t->size, (size_t)t->rank * sizeof *t->size) &&
            !memcmp(s->stride, t->stride, (size_t)t->rank * sizeof *t->stride))
            return true;
    }
    return false;
}

/* The tensor's elements in row-major order, as float32. */
static void hash_elements(Parameters *p, const Tensor *t)
{
    const DTypeInfo *d = &dtype_info[t->dtype];
    DLDataType type = { (uint8_t)d->dlpack_code, (uint8_t)(8 * d->bytes), 1 };
    int64_t count = 1, step = 1, index[MAX_RANK] = { 0 }, at = t->offset;
    bool dense = t->dtype == DT_f32;
    for (int i = t->rank - 1; i >= 0; i--) {
        dense &= t->size[i] == 1 || t->stride[i] == step;
        step *= t->size[i];
        count *= t->size[i];
    }
    if (dense) {
        EVP_DigestUpdate(p->sha, t->storage->bytes + 4 * t->offset, 4 * (size_t)count);
        return;
    }
    float block[BLOCK];
    size_t n = 0;
    for (int64_t i = 0; i < count; i++) {
        block[n++] = (float)element_value(type, t->storage->bytes, at);
        if (n == BLOCK || i == count - 1) {
            EVP_DigestUpdate(p->sha, block, n * sizeof *block);
            n = 0;
        }
        for (int k = t->rank - 1; k >= 0; k--) {
            at += t->stride[k];
            if (++index[k] < t->size[k])
                break;
            at -= t->stride[k] * t->size[k];
            index[k] = 0;
        }
    }
}

/* NULL among them: no plain tensor. */
static void add_parameters(ParameterList *list, Job *job, const ProgramRef *source)
{
    const Json *module = json_get(archive_program(source->archive, source->model), "graph_module");
    const Json *specs = json_get(json_get(module, "signature"), "input_specs");
    for (const Json *s = json_first(specs); s; s = json_next(s)) {
        const Json *name = json_get(json_get(s, "parameter"), "parameter_name");
        if (!name)
            continue;
        const char *text = json_string(job, name, "signature");
        bool plain = !archive_is_subclass(source->archive, source->model, text);
        *vec_push(job, list) = plain ? archive_tensor(source->archive, source->model, text) : NULL;
    }
}

ParameterList parameters_of(Job *job, const Compilation *c)
{
    ParameterList list = { 0 };
    for (size_t i = 0; i < c->sources.n; i++)
        if (c->sources.at[i].archive == c->sources.at[0].archive)
            add_parameters(&list, job, &c->sources.at[i]);
    return list;
}

const char *parameters_hash(Job *job, const ParameterList *list)
{
    Parameters p = { .job = job, .sha = EVP_MD_CTX_new() };
    uint8_t digest[32];
    if (!p.sha || EVP_DigestInit_ex(p.sha, EVP_sha256(), NULL) != 1)
        fail(job, EXIT_RESOURCE, "SHA-256 failed");
    job_defer(job, (void (*)(void *))EVP_MD_CTX_free, p.sha);
    for (size_t i = 0; i < list->n; i++) {
        const Tensor *t = list->at[i];
        if (!t || !dtype_is_float(t->dtype))
            return NULL;
        if (!is_seen(&p, t))
            hash_elements(&p, t);
        *vec_push(job, &p.seen) = t;
    }
    EVP_DigestFinal_ex(p.sha, digest, NULL);
    return hex_text(job, digest, 8);
}

/* ---- all of it -------------------------------------------------------------------------------------------- */

/* A string of the list; a file is known by its contents. Either may be NULL. */
static void add_flag(Job *job, Text *t, const char *flag, const char *name, const char *file)
{
    uint8_t digest[32];
    size_t size;
    if (file) {
        const uint8_t *bytes = map_file(job, file, &size);
        EVP_Digest(bytes, size, digest, NULL, EVP_sha256(), NULL);
        name = job_printf(job, "%s%ssha256:%s", name ? name : "", name ? "=" : "", hex_text(job, digest, 32));
    }
    text_add(t, t->n && t->at[t->n - 1] != '[' ? "," : "");
    text_json(t, job_printf(job, "%s=%s", flag, name));
}

/* The flags that the code depends on, each in one spelling; of the weights the hashes tell, wherever they came from. */
static void add_flags(Job *job, Text *t, const CompileOptions *o)
{
    const struct {
        const char *flag, *value;
    } values[] = { { "--cpu", o->cpu },
                   { "--model", o->model },
                   { "--winograd", o->winograd },
                   { "--keep-intermediates", o->keep } };
    text_add(t, ",\"flags\":[");
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (values[i].value)
            add_flag(job, t, values[i].flag, values[i].value, NULL);
    for (size_t i = 0; i < o->dim_count; i++)
        add_flag(job, t, "--dim", o->dims[i], NULL);
    for (size_t i = 0; i < o->method_count; i++)
        add_flag(job, t, "--method", o->methods[i].name, o->methods[i].path);
    for (size_t i = 0; i < o->custom_count; i++)
        add_flag(job, t, "--custom-op", o->customs[i].name, o->customs[i].path);
    text_add(t, "]");
}

const char *provenance(Job *job, const Compilation *c, const CompileOptions *o, const char *target, const char *backend,
                       const uint8_t *weights)
{
    const char *hash = c->weights_hash;
    Text t;
    text_init(&t, job);
    text_add(&t, ",\"torch\":");
    text_json(&t, c->torch);
    text_add(&t, ",\"archive_sha256\":\"%s\"", hex_text(job, c->archive_sha256, 32));
    if (weights)
        text_add(&t, ",\"weights_sha256\":\"%s\"", hex_text(job, weights, 32));
    if (c->artifact.weights_file) {
        text_add(&t, ",\"weights_file\":");
        text_json(&t, c->artifact.weights_file);
        text_add(&t, ",\"weights_layout\":\"%s\"", hex_text(job, c->artifact.layout, 32));
    }
    if (hash)
        text_add(&t, ",\"weights_hash\":\"%s\"", hash);
    text_add(&t, ",\"target\":\"%s\"", target);
    if (backend)
        text_add(&t, ",\"backend\":\"%s\"", backend);
    add_flags(job, &t, o);
    return t.at;
}
