/* SPDX-License-Identifier: MIT */
/* Any bytes through pickle_read; the first bit of the size says whether foreign names are let
 * through. */
#include "../../compiler/archive/pickle.h"
#include "target.h"

static void body(Job *job, void *argument)
{
    const Input *in = argument;
    const PValue *v = pickle_read(job, "t", in->bytes, in->size, in->size & 1);
    pickle_get(v, "w");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_run(body, bytes, size);
    return 0;
}
