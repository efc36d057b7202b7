/* SPDX-License-Identifier: MIT */
/* aotc weights swap: other weights for an artifact, made by the functions that made the ones it has. */
#include "provenance.h"
#include "recipe.h"
#include "weights_file.h"
#include "../archive/zip.h"
#include <openssl/evp.h>
#include <string.h>

/* The text of a member of the metadata, which is to become one of the same length; "": there is none. */
static const char *member(Job *job, const char *path, const Json *metadata, const char *key, size_t length)
{
    const Json *v = json_get(metadata, key);
    const char *text = v ? json_string(job, v, path) : "";
    if (*text && strlen(text) != length)
        fail(job, EXIT_INPUT, "%s: its metadata has no proper %s", path, key);
    return text;
}

/* The weights are beside the artifact: only their file is replaced, and whoever opens it next has the new ones. */
static void swap_file(Job *job, const char *path, const ArtifactFacts *facts, const char *beside, const char *file,
                      const char *output)
{
    uint8_t layout[32], new_layout[32];
    uint64_t size, new_size;
    const uint8_t *old = weights_file_read(job, beside, true, layout, &size);
    const uint8_t *given = weights_file_read(job, file, true, new_layout, &new_size);
    if (!old)
        fail(job, EXIT_INPUT, "%s: is no file of weights, but %s has its weights there", beside, path);
    if (given && (new_size != size || memcmp(layout, new_layout, sizeof layout)))
        fail(job, EXIT_INPUT, "%s: is a file of weights for another model, or for other flags", file);
    uint8_t *weights = job_big(job, size + 1);
    memcpy(weights, given ? given : old, size);
    if (!given)
        recipe_apply(job, path, facts->recipe, state_dict_open(job, file), weights, size);
    weights_file_replace(job, output ? output : beside, layout, weights, size);
}

static void swap(Job *job, const char *path, const char *file, const char *output)
{
    ArtifactFacts facts;
    size_t size;
    uint8_t id[32];
    artifact_read(job, path, &facts);
    if (!facts.recipe)
        fail(job, EXIT_UNSUPPORTED, "%s: does not say how its weights were made; compile it with this aotc", path);
    const Json *metadata = json_parse(job, path, facts.metadata, strlen(facts.metadata));
    const char *beside = weights_file_of(job, path, metadata);
    if (beside) {
        swap_file(job, path, &facts, beside, file, output);
        return;
    }
    if (!facts.weights_bytes)
        fail(job, EXIT_INPUT, "%s: has no weights", path);
    const uint8_t *old = map_file(job, path, &size);
    if (facts.weights_bytes > size || facts.weights_at > size - facts.weights_bytes)
        fail(job, EXIT_INPUT, "%s: has changed while it was read", path);
    uint8_t *weights = job_big(job, facts.weights_bytes + 1);
    memcpy(weights, old + facts.weights_at, facts.weights_bytes);
    const char *hash = recipe_apply(job, path, facts.recipe, state_dict_open(job, file), weights, facts.weights_bytes);
    if (!EVP_Digest(weights, facts.weights_bytes, id, NULL, EVP_sha256(), NULL))
        fail(job, EXIT_RESOURCE, "SHA-256 failed");
    const char *whole = member(job, path, metadata, "weights_sha256", 64);
    const char *parameters = member(job, path, metadata, "weights_hash", 16);
    const char *changes[] = { whole, hex_text(job, id, 32), *parameters && hash ? parameters : NULL, hash, NULL };
    artifact_reweigh(job, path, &facts, weights, id, changes, output ? output : path);
}

void command_weights(Job *job, int argc, char **argv)
{
    const char *words[3] = { NULL }, *output = NULL, *v;
    int n = 0;
    if (help_wanted(job, argc, argv, "weights"))
        return;
    for (int i = 1; i < argc; i++) {
        if ((v = flag_value(job, "-o", argc, argv, &i)))
            output = v;
        else if (argv[i][0] == '-' || n == 3)
            usage_error(job, "weights: %s: is not expected", argv[i]);
        else
            words[n++] = argv[i];
    }
    if (n != 3 || strcmp(words[0], "swap"))
        usage_error(job, "weights: expected swap MODEL.so FILE");
    evaluator_install(job);
    swap(job, words[1], words[2], output);
}
