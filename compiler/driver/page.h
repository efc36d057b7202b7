/* SPDX-License-Identifier: MIT */
/* aotc inspect --html: a model as a page, from its metadata alone. */
#ifndef AOTC_PAGE_H
#define AOTC_PAGE_H
#include "../archive/json.h"
#include "html.h"

/* Sizes for which figures are shown: NAME=N, as given. */
typedef struct PageSizes {
    const char *const *dims;
    size_t count;
} PageSizes;

/* A heading and all that the note says: facts, and of each method signature, graph, kernels, memory; the weights.  The
 * note may come from anywhere: what it lacks is left out, and long lists are cut, which the page then says. */
void page_model(Text *page, const char *title, const char *about, const Json *note, const PageSizes *sizes);

/* ---- between page.c and page_graph.c */

/* Strings of a note: "" where there is none. */
const char *page_text(Job *job, const Json *object, const char *key);
/* The method's kernels as a picture, or as a list where there is no dot. */
void page_graph(Text *page, const Json *method);
#endif
