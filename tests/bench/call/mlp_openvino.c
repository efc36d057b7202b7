/* SPDX-License-Identifier: MIT */
/* mlp_openvino MODEL.xml SECONDS: the same through the C API of OpenVINO. */
#include "least.h"
#include <openvino/c/openvino.h>
#include <stdlib.h>

static void check(ov_status_e status)
{
    if (status != OK)
        fprintf(stderr, "%s\n", ov_get_error_info(status)), exit(1);
}

static void call(void *request)
{
    check(ov_infer_request_infer(request));
}

static const float *result(void *request)
{
    ov_tensor_t *out;
    void *data;
    check(ov_infer_request_get_output_tensor(request, &out));
    check(ov_tensor_data(out, &data));
    return data;
}

int main(int argc, char **argv)
{
    ov_core_t *core;
    ov_model_t *model;
    ov_compiled_model_t *compiled;
    ov_infer_request_t *request;
    ov_shape_t shape;
    ov_tensor_t *in;
    if (argc < 3)
        return fprintf(stderr, "mlp_openvino MODEL.xml SECONDS\n"), 2;
    check(ov_core_create(&core));
    check(ov_core_read_model(core, argv[1], NULL, &model));
    check(ov_core_compile_model(core, model, "CPU", 8, &compiled, "INFERENCE_NUM_THREADS", "1", "NUM_STREAMS", "1",
                                "PERFORMANCE_HINT", "LATENCY", "INFERENCE_PRECISION_HINT", "f32"));
    check(ov_compiled_model_create_infer_request(compiled, &request));
    check(ov_shape_create(2, (int64_t[]){ 1, MLP_INPUTS }, &shape));
    check(ov_tensor_create_from_host_ptr(F32, shape, mlp_input(), &in));
    check(ov_infer_request_set_input_tensor(request, in));
    print_least(call, request, result, atof(argv[2]));
    return 0;
}
