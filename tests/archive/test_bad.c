/* SPDX-License-Identifier: MIT */
/* Malformed archives: each must end with its exit code and one line that says why.  usage:
 * test_bad FOLDER, which make_bad.py wrote: FOLDER/expected.txt has lines "file<TAB>exit
 * code<TAB>part of the message". */
#include "../check.h"
#include "walk.h"
#include <stdlib.h>

static void read_archive(Job *job, void *argument)
{
    Walk walk = { 0 };
    walk_archive(job, archive_open(job, argument), &walk);
}

static void one(const char *folder, char *line)
{
    char *file = strtok(line, "\t"), *code = strtok(NULL, "\t"), *part = strtok(NULL, "\n");
    char path[4096], *message;
    size_t size;
    if (!CHECK(file && code))
        return;
    snprintf(path, sizeof path, "%s/%s", folder, file);
    FILE *errors = open_memstream(&message, &size);
    int found = job_run(read_archive, path, errors);
    fclose(errors);
    if (!CHECK(found == atoi(code)))
        fprintf(stderr, "%s: exit code %d; expected %s; %s", file, found, code, message);
    CHECK_HAS(message, part ? part : "");
    char *end = strchr(message, '\n');
    CHECK(found ? end && !end[1] : !end);
    free(message);
}

int main(int argc, char **argv)
{
    char path[4096], line[4096];
    snprintf(path, sizeof path, "%s/expected.txt", argc > 1 ? argv[1] : ".");
    FILE *list = fopen(path, "r");
    if (!CHECK(list != NULL))
        return 1;
    while (fgets(line, sizeof line, list))
        one(argc > 1 ? argv[1] : ".", line);
    fclose(list);
    return check_report();
}
