/* SPDX-License-Identifier: MIT */
/* Asks an archive for everything that its programs name, as the importer would. */
#ifndef AOTC_TESTS_WALK_H
#define AOTC_TESTS_WALK_H
#include "../../compiler/archive/archive.h"

typedef struct Walk {
    size_t programs, tensors, inner; /* inner: tensor subclasses of which a part was read */
    uint64_t sum;                    /* of the first and last byte of every storage */
} Walk;

static void walk_tensor(Job *job, Archive *archive, size_t model, const char *name, Walk *walk)
{
    const Tensor *t = archive_inner_tensor(archive, model, name, "a");
    if (!t)
        t = archive_inner_tensor(archive, model, name, "qdata");
    if (t)
        walk->inner++;
    else if ((t = archive_tensor(archive, model, name)))
        walk->tensors++;
    else
        fail(job, EXIT_INPUT, "the payload has no tensor \"%s\"", name);
    if (t->storage->size)
        walk->sum += (uint64_t)t->storage->bytes[0] + t->storage->bytes[t->storage->size - 1];
}

static void walk_archive(Job *job, Archive *archive, Walk *walk)
{
    static const char *const kinds[][2] = { { "parameter", "parameter_name" },
                                            { "buffer", "buffer_name" },
                                            { "tensor_constant", "tensor_constant_name" } };
    for (size_t i = 0; i < archive_model_count(archive); i++, walk->programs++) {
        const char *where = archive_model_name(archive, i);
        const Json *program = archive_program(archive, i);
        const Json *module = json_need(job, program, "graph_module", where);
        const Json *signature = json_need(job, module, "signature", where);
        const Json *spec = json_first(json_need(job, signature, "input_specs", where));
        for (; spec; spec = json_next(spec))
            for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
                const Json *of_kind = json_get(spec, kinds[k][0]);
                if (!of_kind)
                    continue;
                const Json *name = json_need(job, of_kind, kinds[k][1], where);
                walk_tensor(job, archive, i, json_string(job, name, where), walk);
            }
    }
}
#endif
