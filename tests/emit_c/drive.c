/* SPDX-License-Identifier: MIT */
/* Runs a model that was emitted as C, through its header only, on arrays from .npy files, and compares.
 *
 *     drive METHOD INPUT.npy... = EXPECTED.npy...        "-" for a port without a file
 *
 * model_under_test.h, which the script beside this file writes, includes the model's header and says ENTRY,
 * WEIGHTS_BYTES and, where there is a bound, WORKSPACE_BYTES. */
#include "model_under_test.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef DRIVE
#define DRIVE main
#endif

enum { MAX_PORTS = 16, MAX_DIMS = 8 };

static _Noreturn void stop(const char *what, const char *detail)
{
    fprintf(stderr, "drive: %s: %s\n", what, detail);
    exit(1);
}

static void *room(uint64_t bytes)
{
    void *p = aligned_alloc(64, (size_t)(bytes + 64) / 64 * 64);
    if (!p)
        stop("memory", "is exhausted");
    return p;
}

/* The shape from "'shape': (2, 3), }", -1 in *rank when there is none. */
static void parse_shape(const char *header, int64_t *shape, int32_t *rank)
{
    const char *p = strstr(header, "'shape': (");
    *rank = -1;
    if (!p)
        return;
    *rank = 0;
    for (p += 10; *p && *p != ')' && *rank < MAX_DIMS; p += strspn(p, ", ")) {
        char *end;
        shape[(*rank)++] = strtoll(p, &end, 10);
        p = end;
    }
}

/* A row-major .npy of format 1; the type is believed to be the port's. */
static void read_npy(const char *path, const aot_port *port, DLTensor *t, int64_t *shape)
{
    unsigned char head[10];
    static char text[65536];
    FILE *f = fopen(path, "rb");
    if (!f || fread(head, 1, 10, f) != 10 || memcmp(head, "\x93NUMPY\x01", 7) != 0)
        stop(path, "is no .npy file of format 1");
    size_t n = head[8] + 256u * head[9];
    if (fread(text, 1, n, f) != n)
        stop(path, "ends too early");
    text[n] = 0;
    *t = (DLTensor){ NULL, { 1, 0 }, 0, port->dtype, shape, NULL, 0 };
    parse_shape(text, shape, &t->ndim);
    if (t->ndim < 0 || strstr(text, "'fortran_order': True"))
        stop(path, "has a header that this test does not read");
    uint64_t bytes = port->dtype.bits / 8;
    for (int d = 0; d < t->ndim; d++)
        bytes *= (uint64_t)shape[d];
    t->data = room(bytes);
    if (fread(t->data, 1, bytes, f) != bytes || fgetc(f) != EOF)
        stop(path, "is not as long as its shape says");
    fclose(f);
}

static double element(const DLTensor *t, uint64_t i)
{
    if (t->dtype.code == 2 && t->dtype.bits == 32)
        return (double)((const float *)t->data)[i];
    if (t->dtype.code == 2 && t->dtype.bits == 64)
        return ((const double *)t->data)[i];
    if (t->dtype.code == 0 && t->dtype.bits == 64)
        return (double)((const int64_t *)t->data)[i];
    if (t->dtype.bits == 8)
        return ((const unsigned char *)t->data)[i];
    stop("an output", "has a type that this test does not compare");
}

/* Within 1e-4 of the largest magnitude. */
static void compare(const DLTensor *got, const DLTensor *want, const char *path)
{
    uint64_t n = 1;
    double scale = 0, off = 0;
    if (got->ndim != want->ndim)
        stop(path, "has another rank");
    for (int d = 0; d < got->ndim; d++) {
        if (got->shape[d] != want->shape[d])
            stop(path, "has another shape");
        n *= (uint64_t)got->shape[d];
    }
    for (uint64_t i = 0; i < n; i++) {
        scale = fmax(scale, fabs(element(want, i)));
        double difference = fabs(element(got, i) - element(want, i));
        off = difference <= off ? off : difference; /* a NaN is not <= */
    }
    if (!(off <= 1e-6 + 1e-4 * scale)) {
        fprintf(stderr, "drive: %s: off by %g at a scale of %g\n", path, off, scale);
        exit(1);
    }
}

static const aot_method *find(const aot_model *model, const char *name)
{
    for (uint64_t i = 0; i < model->method_count; i++)
        if (!strcmp(model->methods[i]->name, name))
            return model->methods[i];
    stop(name, "is no method of the model");
}

/* The entry refuses what it should; the figures of the header are those of the table. */
static const aot_model *enter(void)
{
    aot_status status = -1;
    if (ENTRY(AOT_ABI + 1, NULL, &status) || status != AOT_EABI)
        stop("entry", "takes another ABI");
    if (ENTRY(AOT_ABI, "vax", &status) || status != AOT_ECPU)
        stop("entry", "takes another instruction set");
    const aot_model *model = ENTRY(AOT_ABI, NULL, &status);
    if (!model || status != AOT_OK)
        stop("entry", "returns no model");
    if (ENTRY(AOT_ABI, model->isa, &status) != model)
        stop("entry", "does not take its own instruction set");
    uint64_t weights = model->segment_count ? model->segments[0]->bytes : 0;
    if (weights != WEIGHTS_BYTES || (weights && (uintptr_t)model->segments[0]->embedded % 64 != 0))
        stop("the constants", "are not what the header says, or not aligned");
    return model;
}

static void plan(const aot_method *method, aot_call *call, int64_t (*shapes)[MAX_DIMS], const char *text)
{
    for (uint64_t i = 0; i < method->output_count; i++)
        call->outputs[i] = (DLTensor){ .device = { 1, 0 }, .ndim = method->outputs[i]->ndim,
                                       .dtype = method->outputs[i]->dtype, .shape = shapes[i] };
    if (method->plan(call) != AOT_OK)
        stop("plan", text);
#ifdef WORKSPACE_BYTES
    if (call->needed_workspace > WORKSPACE_BYTES)
        stop("the workspace", "is larger than the header's bound");
#endif
    call->workspace_bytes = call->needed_workspace;
    call->workspace = room(call->workspace_bytes);
    memset(call->workspace, 0xff, call->workspace_bytes);
    for (uint64_t i = 0; i < method->output_count; i++) {
        call->outputs[i].data = room(call->output_bytes[i]);
        memset(call->outputs[i].data, 0xff, call->output_bytes[i]);
    }
}

int DRIVE(int argc, char **argv)
{
    static DLTensor in[MAX_PORTS], out[MAX_PORTS], want;
    static int64_t in_shape[MAX_PORTS][MAX_DIMS], out_shape[MAX_PORTS][MAX_DIMS], want_shape[MAX_DIMS];
    static uint64_t out_bytes[MAX_PORTS];
    char text[200] = "";
    if (argc < 3)
        stop("usage", "drive METHOD INPUT.npy... = EXPECTED.npy...");
    const aot_method *method = find(enter(), argv[1]);
    uint64_t inputs = 0, i = 2;
    if (method->input_count > MAX_PORTS || method->output_count > MAX_PORTS)
        stop("the method", "has more ports than this test");
    for (; i < (uint64_t)argc && strcmp(argv[i], "=") != 0; i++, inputs++) {
        const aot_port *port = inputs < method->input_count ? method->inputs[inputs] : NULL;
        if (!port)
            stop(argv[i], "is one input too many");
        if (strcmp(argv[i], "-") != 0)
            read_npy(argv[i], port, &in[inputs], in_shape[inputs]);
        else
            in[inputs] = (DLTensor){ (void *)(uintptr_t)port->constant, { 1, 0 }, 0, port->dtype, NULL, NULL, 0 };
    }
    aot_call call = { .struct_size = sizeof call, .inputs = in, .outputs = out, .output_bytes = out_bytes,
                      .error = text, .error_bytes = sizeof text };
    if (inputs != method->input_count || (uint64_t)argc - i - 1 != method->output_count)
        stop("the model", "has another number of ports");
    plan(method, &call, out_shape, text);
    if (method->run(&call) != AOT_OK)
        stop("run", text);
    for (uint64_t o = 0; o < method->output_count; o++) {
        const char *path = argv[i + 1 + o];
        if (!strcmp(path, "-"))
            continue;
        read_npy(path, method->outputs[o], &want, want_shape);
        compare(&out[o], &want, path);
    }
    return 0;
}
