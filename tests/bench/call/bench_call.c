/* SPDX-License-Identifier: MIT */
/* What a call costs before any kernel runs: bench_call MODEL.so [ROUNDS]
 *
 * Runs a model with small inputs back to back, by aot_run and by the method's own run and plan, in turns; prints the
 * least mean of 1000 calls each, in nanoseconds. A model of a few elements has next to no work of its own. */
#include "../../../runtime-stub/aot.h"
#include "least.h"
#include <stdlib.h>

int main(int argc, char **argv)
{
    enum { CALLS = 1000, WAYS = 3 };
    static const char *const names[WAYS] = { "aot_run", "method->run", "method->plan" };
    double least[WAYS] = { 1e300, 1e300, 1e300 };
    char error[300];
    aot_file *file;
    aot_session *session;
    if (argc < 2)
        return fprintf(stderr, "bench_call MODEL.so [ROUNDS]\n"), 2;
    if (aot_open(argv[1], NULL, &file, error, sizeof error))
        return fprintf(stderr, "%s\n", error), 1;
    if (aot_session_new(file, NULL, 1, &session))
        return fprintf(stderr, "%s\n", aot_session_error(NULL)), 1;
    aot_call *call = aot_session_call(session);
    const aot_method *method = aot_session_method(session);
    for (uint64_t i = 0; i < method->input_count; i++) {
        size_t bytes = method->inputs[i]->dtype.bits / 8;
        for (int d = 0; d < method->inputs[i]->ndim; d++) {
            call->inputs[i].shape[d] = method->inputs[i]->dims[d].lo;
            bytes *= (size_t)call->inputs[i].shape[d];
        }
        call->inputs[i].data = calloc(1, bytes + 1);
    }
    if (aot_run(session))
        return fprintf(stderr, "%s\n", aot_session_error(session)), 1;
    for (int round = argc > 2 ? atoi(argv[2]) : 2000; round-- > 0;)
        for (int way = 0; way < WAYS; way++) {
            double begun = now_ns();
            for (int i = 0; i < CALLS; i++)
                if (way == 0 ? aot_run(session) : way == 1 ? method->run(call) : method->plan(call))
                    return fprintf(stderr, "failed\n"), 1;
            double taken = (now_ns() - begun) / CALLS;
            least[way] = taken < least[way] ? taken : least[way];
        }
    for (int way = 0; way < WAYS; way++)
        printf("%-12s %7.1f ns\n", names[way], least[way]);
    for (uint64_t i = 0; i < method->input_count; i++)
        free(call->inputs[i].data);
    aot_session_free(session);
    aot_close(file);
    return 0;
}
