/* SPDX-License-Identifier: MIT */
/* glue.h as an object that artifacts link, compiled as they are: no header, no library. */
#define AOT_NO_INCLUDES
#define AOT_MODEL_ONLY
#define AOT_GLUE __attribute__((visibility("hidden")))
#include "prelude.h"
#include "../../runtime-stub/aot.h"
#include "glue.h"
