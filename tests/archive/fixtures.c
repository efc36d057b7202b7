/* SPDX-License-Identifier: MIT */
/* Reads whole archives: every program parses, and every parameter, buffer and constant that a
 * signature names is in the payload.  usage: fixtures FILE.pt2..; prints one line per archive,
 * exits non-zero on the first that fails.  An argument "-N" sets the exit code that is expected
 * of the archives after it. */
#include "walk.h"
#include <stdlib.h>

static void read_archive(Job *job, void *argument)
{
    const char *path = argument;
    Walk walk = { 0 };
    Archive *archive = archive_open(job, path);
    walk_archive(job, archive, &walk);
    const uint8_t *hash = archive_sha256(archive);
    printf("%s: schema %s, torch \"%s\", %zu programs, %zu tensors, %zu subclasses, %02x%02x..\n",
           path, archive_schema(archive), archive_torch(archive), walk.programs, walk.tensors,
           walk.inner, hash[0], hash[1]);
}

int main(int argc, char **argv)
{
    int expected = 0;
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-') {
            expected = atoi(argv[i] + 1);
            continue;
        }
        int code = job_run(read_archive, argv[i], stderr);
        if (code != expected) {
            fprintf(stderr, "%s: exit code %d; expected %d\n", argv[i], code, expected);
            return 1;
        }
    }
    return 0;
}
