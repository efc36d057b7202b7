/* SPDX-License-Identifier: MIT */
/* aotc check MODEL.pt2: would it compile?  Every operator that no rule reads, each once, with its source line. */
#include "compile.h"
#include <string.h>

void command_check(Job *job, int argc, char **argv)
{
    CompileOptions o = { 0 };
    const char *input = NULL;
    if (help_wanted(job, argc, argv, "check"))
        return;
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-' && !input)
            input = argv[i];
        else if (!compile_flag(job, &o, argc, argv, &i))
            usage_error(job, "check: %s: is not known", argv[i]);
    }
    if (o.output || o.emit || o.depfile || o.report || o.cpu || o.target)
        usage_error(job, "check: takes no flag that is about outputs");
    if (!input)
        usage_error(job, "check: no archive is given");
    Archive *a = archive_open(job, input);
    size_t missing = 0;
    for (size_t i = 0; i < archive_model_count(a); i++)
        missing += import_check(job, a, i, stdout);
    if (missing)
        fail(job, EXIT_UNSUPPORTED, "%s: %zu operator%s not supported", input, missing, missing == 1 ? " is" : "s are");
    Compilation c = { .torch = NULL };
    compile_front(job, &c, input, &o, false);
    printf("%s: compiles, %zu method%s\n", input, c.programs.n, c.programs.n == 1 ? "" : "s");
}
