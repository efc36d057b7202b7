/* SPDX-License-Identifier: MIT */
/* Calls three models, each through the inline call of its header: app INPUT EXPECTED of each, raw floats. */
#include "classifier.h"
#include "2-hybrid.h"
#include "large.h"
#include "large_strict.h"
#include "custom.h"
#include <math.h>
#include <stdio.h>

enum { MOST = 3 * 32 * 32 };
static float x[MOST], expected[MOST], y[MOST];
static _Alignas(64) unsigned char work[1 << 22];

static size_t read_floats(const char *path, float *to)
{
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(to, sizeof *to, MOST, f) : 0;
    if (f)
        fclose(f);
    return n;
}

static int differs(const char *name, aot_status status, size_t n)
{
    float most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmaxf(most, fabsf(y[i] - expected[i]));
    printf("%s: status %d, %zu floats, largest difference %g\n", name, status, n, (double)most);
    return status != AOT_OK || !n || !(most < 1e-3f);
}

int main(int argc, char **argv)
{
    char text[200] = "";
    aot_status status;
    int bad = argc != 7;
    for (int i = 0; i < 3 && !bad; i++) {
        size_t in = read_floats(argv[2 * i + 1], x), out = read_floats(argv[2 * i + 2], expected);
        if (i == 0) {
            const aot_model *model = classifier_entry(AOT_ABI, NULL, &status);
            classifier_forward_call call = { .s77 = (int64_t)(in / MOST), .x = x, .output = y, .output_bytes = sizeof y,
                                             .workspace = work, .workspace_bytes = sizeof work, .error = text,
                                             .error_bytes = sizeof text };
            bad |= classifier_forward_plan(model, &call) || call.needed_workspace > sizeof work;
            bad |= differs("classifier", classifier_forward_run(model, &call), out);
            call.s77 = classifier_forward_SIZE_s77_MAX + 1;
            bad |= classifier_forward_run(model, &call) != AOT_ESHAPE || !*text;
        } else if (i == 1) {
            const aot_model *model = m2_hybrid_entry(AOT_ABI, NULL, &status);
            float code[16];
            m2_hybrid_encode_call encode = { .s77 = 1, .x = x, .output = code, .output_bytes = sizeof code,
                                             .workspace = work, .workspace_bytes = sizeof work };
            m2_hybrid_decode_call decode = { .s68 = 1, .z = code, .output = y, .output_bytes = sizeof y,
                                             .workspace = work, .workspace_bytes = sizeof work };
            status = m2_hybrid_encode_run(model, &encode);
            bad |= differs("2-hybrid", status ? status : m2_hybrid_decode_run(model, &decode), out);
        } else {
            large_forward_call call = { .s77 = 1, .x = x, .output = y, .output_bytes = sizeof y,
                                        .workspace = work, .workspace_bytes = sizeof work };
            large_strict_forward_call strict = { .s77 = 1, .x = x, .output = y, .output_bytes = sizeof y,
                                                 .workspace = work, .workspace_bytes = sizeof work };
            bad |= differs("large", large_forward_run(large_entry(AOT_ABI, NULL, &status), &call), out);
            y[0] = 7;
            status = large_strict_forward_run(large_strict_entry(AOT_ABI, NULL, &status), &strict);
            bad |= differs("large_strict", status, out);
        }
    }
    float a[6] = { 1, 2, 3, 4, 5, 6 }, b[6] = { 1, 1, 1, 1, 1, 10 }, c[6];
    custom_forward_call call = { .x = a, .y = b, .output = c, .workspace = work, .workspace_bytes = sizeof work };
    bad |= custom_forward_run(custom_entry(AOT_ABI, NULL, &status), &call) || c[0] != 3 || c[5] != 26;
    puts(bad ? "app failed" : "app done");
    return bad;
}
