/* SPDX-License-Identifier: MIT */
/* Any bytes as a state dict, put in its own place. */
#include "../../compiler/archive/archive.h"
#include "target.h"

static void body(Job *job, void *argument)
{
    const Input *in = argument;
    Archive *dict = state_dict_read(job, "t", in->bytes, in->size);
    ProgramRef self = { dict, 0 }; /* all names are there: every tensor is checked */
    state_dict_apply(job, dict, &self, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_run(body, bytes, size);
    return 0;
}
