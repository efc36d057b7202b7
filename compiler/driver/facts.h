/* SPDX-License-Identifier: MIT */
/* What an artifact says about itself, and how aotc inspect prints it. */
#ifndef AOTC_FACTS_H
#define AOTC_FACTS_H
#include "../../codegen/toolchain/toolchain.h"

/* Of a .so, or of a jar with one model, in memory; EXIT_INPUT when the bytes are neither. */
void model_facts(Job *job, const char *where, const uint8_t *bytes, size_t size, ArtifactFacts *facts);
void show_facts(Job *job, const char *path, const ArtifactFacts *facts, bool json);
/* Text of a file, fit for a terminal. */
const char *plain_text(Job *job, const char *text);
#endif
