/* SPDX-License-Identifier: MIT */
/* ports_model.c: a model written by hand that has every kind of port, for the tests of the commands.
 *
 *   copy      an input of [n in 0..8, 3] for each element type, and the same as output
 *   forward   x f32[2, 3] in columns -> y f32[2, 3] in columns = x * times; k is fixed to 7, in and out;
 *             opt is None, in and out; m f32[3] is mutated: m += 1; total is a Python float, the sum of m as
 *             it came
 */
#define AOT_MODEL_ONLY
#include "aot.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
/* clang-format off */
#define METADATA                                                                                     \
    "{\"format\":1,\"name\":\"ports\",\"compiler\":\"hand\",\"isa\":[\"baseline\"],\"methods\":["   \
    "{\"name\":\"forward\",\"inputs\":[{\"name\":\"x\",\"dtype\":\"f32\",\"dims\":[2,3]},"           \
    "{\"name\":\"k\",\"dtype\":\"i64\",\"dims\":[],\"value\":\"7\"},{\"name\":\"opt\",\"none\":true}," \
    "{\"name\":\"times\",\"dtype\":\"i64\",\"dims\":[],\"scalar\":true}],\"outputs\":[],"            \
    "\"kernels\":[\"all\"]},{\"name\":\"copy\\u0007\",\"inputs\":[{\"name\":\"a\",\"dtype\":\"f16\"," \
    "\"dims\":[{\"size\":\"n\",\"min\":0,\"max\":8},3]}],\"outputs\":[],\"kernels\":[]}]}"
/* clang-format on */

/* The ELF note: owner "aotc", type 1, the metadata. */
__attribute__((section(".note.aotc"), used, aligned(4))) static const struct {
    uint32_t owner_bytes, text_bytes, type;
    char owner[8];
    char text[(sizeof METADATA + 3) / 4 * 4];
} note = { 5, sizeof METADATA, 1, "aotc", METADATA };

static void copy_bytes(volatile char *to, const char *from, uint64_t bytes)
{
    while (bytes--)
        *to++ = *from++;
}

static aot_status fail(aot_call *call, aot_status status, const char *text)
{
    if (call->error && call->error_bytes)
        for (uint64_t i = 0; i + 1 < call->error_bytes && (call->error[i] = text[i]); i++)
            call->error[i + 1] = 0;
    return status;
}

/* ---- copy ------------------------------------------------------------------------------------ */

static const aot_dim rows[] = { { 0, 8, "n", 0 }, { 3, 3, NULL, 0 } };
#define ROWS(id, code, bits)                                                                                 \
    static const aot_port id = { sizeof(aot_port), #id, { code, bits, 1 }, 2, rows, NULL, NULL, 0 }
ROWS(a_f2, 2, 16);
ROWS(a_f4, 2, 32);
ROWS(a_f8, 2, 64);
ROWS(a_i1, 0, 8);
ROWS(a_i2, 0, 16);
ROWS(a_i4, 0, 32);
ROWS(a_i8, 0, 64);
ROWS(a_u1, 1, 8);
ROWS(a_u2, 1, 16);
ROWS(a_u4, 1, 32);
ROWS(a_u8, 1, 64);
ROWS(a_b1, 6, 8);
ROWS(a_c8, 5, 64);
ROWS(a_c16, 5, 128);
ROWS(a_bf, 4, 16);
static const aot_port *const copied[] = { &a_f2, &a_f4, &a_f8, &a_i1, &a_i2, &a_i4,  &a_i8, &a_u1,
                                          &a_u2, &a_u4, &a_u8, &a_b1, &a_c8, &a_c16, &a_bf };

static aot_status copy_plan(aot_call *call)
{
    int64_t n = call->inputs[0].shape[0];
    for (uint64_t i = 0; i < COUNT(copied); i++) {
        const DLTensor *t = &call->inputs[i];
        if (t->dtype.code != copied[i]->dtype.code || t->dtype.bits != copied[i]->dtype.bits)
            return fail(call, AOT_EDTYPE, "another dtype");
        if (t->shape[0] != n || t->shape[1] != 3 || n < 0 || n > 8)
            return fail(call, AOT_ESHAPE, "n or 3 is not held");
        call->outputs[i].shape[0] = n;
        call->outputs[i].shape[1] = 3;
        call->output_bytes[i] = (uint64_t)n * 3 * (t->dtype.bits / 8);
    }
    call->needed_workspace = 0;
    return AOT_OK;
}

static aot_status copy_run(aot_call *call)
{
    uint64_t room[COUNT(copied)];
    for (uint64_t i = 0; i < COUNT(copied); i++)
        room[i] = call->output_bytes[i];
    aot_status status = copy_plan(call);
    for (uint64_t i = 0; !status && i < COUNT(copied); i++)
        if (room[i] < call->output_bytes[i])
            status = AOT_ESPACE;
    for (uint64_t i = 0; !status && i < COUNT(copied); i++)
        copy_bytes(call->outputs[i].data, call->inputs[i].data, call->output_bytes[i]);
    return status;
}

/* ---- forward --------------------------------------------------------------------------------- */

static const aot_dim two_three[] = { { 2, 2, NULL, 0 }, { 3, 3, NULL, 0 } };
static const aot_dim three[] = { { 3, 3, NULL, 0 } };
static const int64_t columns[] = { 1, 2 }, seven = 7;
static const aot_port x = { sizeof x, "x", { 2, 32, 1 }, 2, two_three, columns, NULL, 0 };
static const aot_port k = { sizeof k, "k", { 0, 64, 1 }, 0, NULL, NULL, &seven, AOT_SCALAR };
static const aot_port opt = { sizeof opt, "opt", { 2, 32, 1 }, 0, NULL, NULL, NULL, AOT_NONE };
static const aot_port times = { sizeof times, "times", { 0, 64, 1 }, 0, NULL, NULL, NULL, AOT_SCALAR };
static const aot_port m = { sizeof m, "m", { 2, 32, 1 }, 1, three, NULL, NULL, AOT_MUTATED };
static const aot_port total = { sizeof total, "total", { 2, 64, 1 }, 0, NULL, NULL, NULL, AOT_SCALAR };
static const aot_port *const ins[] = { &x, &k, &opt, &times, &m };
static const aot_port *const outs[] = { &x, &k, &opt, &total };

static aot_status forward_plan(aot_call *call)
{
    static const uint64_t bytes[] = { 24, 8, 0, 8 };
    const DLTensor *t = &call->inputs[0];
    if (t->shape[0] != 2 || t->shape[1] != 3 || call->inputs[4].shape[0] != 3)
        return fail(call, AOT_ESHAPE, "x is [2, 3], m is [3]");
    if (!t->strides || t->strides[0] != 1 || t->strides[1] != 2)
        return fail(call, AOT_ELAYOUT, "x is in columns");
    call->outputs[0].shape[0] = 2;
    call->outputs[0].shape[1] = 3;
    for (uint64_t i = 0; i < COUNT(bytes); i++)
        call->output_bytes[i] = bytes[i];
    call->needed_workspace = 0;
    return AOT_OK;
}

static aot_status forward_run(aot_call *call)
{
    uint64_t room[COUNT(outs)];
    for (uint64_t i = 0; i < COUNT(outs); i++)
        room[i] = call->output_bytes[i];
    aot_status status = forward_plan(call);
    for (uint64_t i = 0; !status && i < COUNT(outs); i++)
        if (room[i] < call->output_bytes[i])
            status = AOT_ESPACE;
    if (status)
        return status;
    int64_t factor = *(const int64_t *)call->inputs[3].data;
    if (factor < 0)
        return fail(call, AOT_EDATA, "times is negative");
    for (int i = 0; i < 6; i++)
        ((float *)call->outputs[0].data)[i] = ((const float *)call->inputs[0].data)[i] * (float)factor;
    *(int64_t *)call->outputs[1].data = *(const int64_t *)call->inputs[1].data;
    double sum = 0;
    for (int i = 0; i < 3; i++)
        sum += ((float *)call->inputs[4].data)[i]++;
    *(double *)call->outputs[3].data = sum;
    return AOT_OK;
}

/* ---- the table ------------------------------------------------------------------------------- */

static const aot_method forward = { sizeof forward, "forward",  COUNT(ins), COUNT(outs), ins, outs, 0, 0, 0,
                                    forward_plan,   forward_run };
static const aot_method copy = { sizeof copy, "copy", COUNT(copied), COUNT(copied), copied, copied, 0,
                                 0,           0,      copy_plan,     copy_run };
static const aot_method *const methods[] = { &forward, &copy };
static const aot_model model = { sizeof model,   AOT_ABI, 0, "ports", "baseline", METADATA,
                                 COUNT(methods), 0,       0, methods, NULL,       NULL, 0 };

__attribute__((visibility("default"))) const aot_model *aot_entry(uint32_t host_abi, const char *isa,
                                                                  aot_status *status)
{
    (void)isa;
    *status = host_abi == AOT_ABI ? AOT_OK : AOT_EABI;
    return host_abi == AOT_ABI ? &model : NULL;
}
