// SPDX-License-Identifier: MIT
// mlp_aoti MODEL.pt2 SECONDS: the same through the C++ API of AOTInductor.
#include "least.h"
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <cstdlib>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

struct Run {
    torch::inductor::AOTIModelPackageLoader loader;
    std::vector<at::Tensor> in, out;
};

static void call(void *run)
{
    Run *r = static_cast<Run *>(run);
    r->out = r->loader.run(r->in);
}

static const float *result(void *run)
{
    return static_cast<Run *>(run)->out[0].data_ptr<float>();
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return fprintf(stderr, "mlp_aoti MODEL.pt2 SECONDS\n"), 2;
    at::set_num_threads(1);
    c10::InferenceMode inference;
    Run run{ torch::inductor::AOTIModelPackageLoader(argv[1], "model", true), { at::from_blob(mlp_input(), { 1, MLP_INPUTS }) }, {} };
    print_least(call, &run, result, std::atof(argv[2]));
    return 0;
}
