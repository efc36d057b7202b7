/* SPDX-License-Identifier: MIT */
/* Any bytes through json_parse; what parses is read through every accessor. */
#include "../../compiler/archive/json.h"
#include "target.h"

static void read_value(Job *job, const Json *v)
{
    if (json_is_bool(v))
        json_bool(job, v, "t");
    if (json_is_string(v))
        json_string(job, v, "t");
    if (json_is_number(v) && json_double(job, v, "t") > 1e300)
        json_int(job, v, "t");
    json_get(v, "a");
    for (const Json *e = json_first(v); e; e = json_next(e)) {
        json_key(e);
        read_value(job, e);
    }
}

static void body(Job *job, void *argument)
{
    const Input *in = argument;
    read_value(job, json_parse(job, "t", (const char *)in->bytes, in->size));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_run(body, bytes, size);
    return 0;
}
