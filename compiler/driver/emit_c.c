/* SPDX-License-Identifier: MIT */
/* --emit=c and --emit=obj: one .c and one .h that need nothing else. */
#include "compile.h"

void emit_c_files(Job *job, Compilation *c, const CompileOptions *o, const char *output)
{
    (void)c;
    (void)o;
    usage_error(job, "%s", output);
}
