/* SPDX-License-Identifier: MIT */
/* Constant folding runs the compiler on itself: a graph of constants is lowered and emitted like a model, compiled
 * with libtcc into this process, and called. */
#define AOT_MODEL_ONLY
#include "../../codegen/kernels/aotk.h"
#include "../../runtime-stub/aot.h"
#include "compile.h"
#include <math.h>
#include <string.h>

AOTK_DECLARE(_host)

static const char *call_model(Job *job, Graph *g, const aot_model *model, const void *const *in, void *const *out)
{
    const aot_method *m = model->methods[0];
    DLTensor *inputs = job_array(job, g->inputs.n + 1, sizeof *inputs);
    DLTensor *outputs = job_array(job, g->outputs.n + 1, sizeof *outputs);
    uint64_t *bytes = job_array(job, g->outputs.n + 1, sizeof *bytes);
    char error[256] = "";
    for (size_t i = 0; i < g->inputs.n + g->outputs.n; i++) {
        bool is_in = i < g->inputs.n;
        size_t k = is_in ? i : i - g->inputs.n;
        DLTensor *t = is_in ? &inputs[k] : &outputs[k];
        const aot_port *port = is_in ? m->inputs[k] : m->outputs[k];
        t->data = is_in ? (void *)(uintptr_t)in[k] : out[k];
        t->device.device_type = 1;
        t->ndim = port->ndim;
        t->dtype = port->dtype;
        t->shape = job_array(job, (size_t)port->ndim + 1, sizeof *t->shape);
        for (int d = 0; d < port->ndim; d++)
            t->shape[d] = port->dims[d].lo;
        if (!is_in)
            bytes[k] = UINT64_MAX;
    }
    aot_call call = { .struct_size = sizeof call, .inputs = inputs, .outputs = outputs, .output_bytes = bytes,
                      .error = error, .error_bytes = sizeof error };
    aot_status s = m->plan(&call);
    if (s == AOT_OK) {
        call.workspace = job_big(job, call.needed_workspace);
        call.workspace_bytes = call.needed_workspace;
        for (size_t k = 0; k < g->outputs.n; k++)
            bytes[k] = UINT64_MAX;
        s = m->run(&call);
        job_release_big(job, call.workspace);
    }
    if (s != AOT_OK && s != AOT_EDATA)
        bug("constant folding: status %d: %s", s, error);
    return s == AOT_OK ? NULL : job_printf(job, "%s", error);
}

static const char *evaluate(Job *job, Graph *g, const void *const *in, void *const *out)
{
    static const char *const defines[] = { "AOT_SUFFIX", "_host", "AOT_MODEL", "aot_model_host", "AOT_ISA",
                                           "\"host\"", NULL };
    Weights weights = { .job = job };
    Program *p = lower(g, &weights, (LowerOptions){ 0 });
    plan_memory(p);
    const Program *programs[1] = { p };
    Artifact a = { .job = job, .name = g->name, .programs = programs, .program_count = 1, .weights = &weights, .metadata = "",
                   .version = AOTC_VERSION };
    Text text;
    text_init(&text, job);
    emit_head(&text);
    emit_model(&text, &a);
    char *constants = job_big(job, weights.bytes + 1);
    for (size_t i = 0; i < weights.count; i++)
        memcpy(constants + weights.parts[i].at, weights.parts[i].data, weights.parts[i].size);
    static char no_metadata[1];
    TccSymbol symbols[] = { { "aot_weights", constants },
                            { "aot_metadata", no_metadata },
                            { "aotk_igemm_f32_host", (void *)(uintptr_t)aotk_igemm_f32_host },
                            { "aotk_igemm_f16_host", (void *)(uintptr_t)aotk_igemm_f16_host },
                            { "aotk_igemm_bf16_host", (void *)(uintptr_t)aotk_igemm_bf16_host },
                            { "aotk_igemm_pairs_host", (void *)(uintptr_t)aotk_igemm_pairs_host },
                            { "aotk_igemm_i8_host", (void *)(uintptr_t)aotk_igemm_i8_host },
                            { "aotk_pack_f32_host", (void *)(uintptr_t)aotk_pack_f32_host },
                            { "aotk_copy4_f32_host", (void *)(uintptr_t)aotk_copy4_f32_host },
                            { "aotk_zero_halo_f32_host", (void *)(uintptr_t)aotk_zero_halo_f32_host },
                            { "aotk_pool_f32_host", (void *)(uintptr_t)aotk_pool_f32_host },
                            /* what rt.o gives an artifact (AOT_RT in the prelude) libm gives here */
                            { "aotk_sqrtf", (void *)(uintptr_t)sqrtf },
                            { "aotk_sqrt", (void *)(uintptr_t)sqrt },
                            { "aotk_floorf", (void *)(uintptr_t)floorf },
                            { "aotk_floor", (void *)(uintptr_t)floor },
                            { "aotk_ceilf", (void *)(uintptr_t)ceilf },
                            { "aotk_ceil", (void *)(uintptr_t)ceil },
                            { "aotk_truncf", (void *)(uintptr_t)truncf },
                            { "aotk_trunc", (void *)(uintptr_t)trunc },
                            { "aotk_rintf", (void *)(uintptr_t)rintf },
                            { "aotk_rint", (void *)(uintptr_t)rint },
                            { "aotk_fmod", (void *)(uintptr_t)fmod } };
    const aot_model *model = tcc_load(job, "fold.c", text.at, defines, symbols, sizeof symbols / sizeof *symbols,
                                      "aot_model_host");
    return call_model(job, g, model, in, out);
}

void evaluator_install(Job *job)
{
    Evaluator *e = job_alloc(job, sizeof *e);
    e->run = evaluate;
    *job_slot(job, JOB_SLOT_EVALUATE) = e;
}
