/* SPDX-License-Identifier: MIT */
/* What an artifact keeps of how its constants were made, so that they can be made again of other weights: one JSON
 * text, in a section of its own that no loader reads (docs/weights.md). */
#ifndef AOTC_RECIPE_H
#define AOTC_RECIPE_H
#include "compile.h"

/* The text.  What recipes need besides weights joins the constants, so it is written before their size is used. */
const char *recipe_write(Job *job, Compilation *c);

/* Makes the constants of a model anew: `weights`, `bytes` of them, holds those that the recipe belongs to, and gets those
 * of the state dict.  Returns the new weights_hash, or NULL.  EXIT_INPUT when the state dict or the recipe does not fit, EXIT_UNSUPPORTED when a weight that
 * differs is part of the code. */
const char *recipe_apply(Job *job, const char *where, const char *text, Archive *state_dict, uint8_t *weights,
                         uint64_t bytes);

/* "3 parameters and buffers, 12 constants made of them" for `aotc inspect`. */
const char *recipe_summary(Job *job, const char *where, const char *text);
#endif
