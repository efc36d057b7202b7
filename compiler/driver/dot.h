/* SPDX-License-Identifier: MIT */
/* Graphviz as a child process. */
#ifndef AOTC_DOT_H
#define AOTC_DOT_H
#include "../base/job.h"

/* What `dot -Tsvg` makes of a graph: the <svg> element as text; NULL: there is no dot, or it fails or takes longer than
 * DOT_SECONDS.  No shell and no file is involved. */
enum { DOT_SECONDS = 20 };
const char *dot_picture(Job *job, const char *graph);
/* A quoted string of the language: the text alone, no escape in it means anything. */
void dot_string(Text *t, const char *text);
#endif
