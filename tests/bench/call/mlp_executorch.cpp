// SPDX-License-Identifier: MIT
// mlp_executorch MODEL.pte SECONDS: the same through the C++ API of ExecuTorch.
#include "least.h"
#include <cstdlib>
#include <executorch/extension/module/module.h>
#include <executorch/extension/tensor/tensor.h>
#include <executorch/extension/threadpool/threadpool_guard.h>

using namespace executorch::extension;

struct Run {
    Module module;
    TensorPtr in;
    const float *out;
};

static void call(void *run)
{
    Run *r = static_cast<Run *>(run);
    auto out = r->module.forward(r->in);
    if (!out.ok()) {
        fprintf(stderr, "forward fails: %d\n", int(out.error()));
        std::exit(1);
    }
    r->out = out->at(0).toTensor().const_data_ptr<float>();
}

static const float *result(void *run)
{
    return static_cast<Run *>(run)->out;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return fprintf(stderr, "mlp_executorch MODEL.pte SECONDS\n"), 2;
    threadpool::NoThreadPoolGuard one_thread;
    Run run{ Module(argv[1]), from_blob(mlp_input(), { 1, MLP_INPUTS }), nullptr };
    print_least(call, &run, result, std::atof(argv[2]));
    return 0;
}
