/* SPDX-License-Identifier: MIT */
/* Any bytes as an archive, asked for everything its programs name. */
#include "../archive/walk.h"
#include "target.h"

static void body(Job *job, void *argument)
{
    const Input *in = argument;
    Walk walk = { 0 };
    Archive *archive = archive_read(job, "t", in->bytes, in->size);
    walk_archive(job, archive, &walk);
    archive_sha256(archive);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_run(body, bytes, size);
    return 0;
}
