/* SPDX-License-Identifier: MIT */
/* mlp_aotc MODEL.so SECONDS: calls of a model with one input and one output through libaotrt. */
#include "../../../runtime-stub/aot.h"
#include "least.h"
#include <stdlib.h>

static void call(void *session)
{
    if (aot_run(session))
        exit(1);
}

static const float *result(void *session)
{
    return aot_session_call(session)->outputs[0].data;
}

int main(int argc, char **argv)
{
    char error[300];
    aot_file *file;
    aot_session *session;
    if (argc < 3)
        return fprintf(stderr, "mlp_aotc MODEL.so SECONDS\n"), 2;
    if (aot_open(argv[1], NULL, &file, error, sizeof error))
        return fprintf(stderr, "%s\n", error), 1;
    if (aot_session_new(file, NULL, 1, &session))
        return fprintf(stderr, "%s\n", aot_session_error(NULL)), 1;
    aot_session_call(session)->inputs[0].data = mlp_input();
    aot_session_call(session)->inputs[0].shape[0] = 1;
    aot_session_call(session)->inputs[0].shape[1] = MLP_INPUTS;
    print_least(call, session, result, atof(argv[2]));
    aot_session_free(session);
    aot_close(file);
    return 0;
}
