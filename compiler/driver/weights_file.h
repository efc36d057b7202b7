/* SPDX-License-Identifier: MIT */
/* The file beside an artifact that was compiled with --weights=file (docs/weights.md). */
#ifndef AOTC_WEIGHTS_FILE_H
#define AOTC_WEIGHTS_FILE_H
#include "compile.h"

/* Which artifacts a file of weights fits: those whose constants were made by this recipe and lie in these places. */
void weights_layout(Job *job, const char *recipe, const Weights *w, uint8_t layout[32]);
/* Writes the constants behind a header; leaves a file alone that holds them already. */
void weights_file_write(Job *job, const char *path, const uint8_t layout[32], const Weights *w);
/* The same for constants in one block. */
void weights_file_replace(Job *job, const char *path, const uint8_t layout[32], const uint8_t *bytes, uint64_t size);
/* The constants of a file, mapped, and how many bytes they are; EXIT_INPUT when it is damaged.  NULL: it is no file of
 * weights.  `contents`: whether they are compared with the header's sum, too. */
const uint8_t *weights_file_read(Job *job, const char *path, bool contents, uint8_t layout[32], uint64_t *size);
/* Where the file of an artifact is; NULL: its weights are inside. */
const char *weights_file_of(Job *job, const char *artifact, const Json *metadata);
#endif
