/* SPDX-License-Identifier: MIT */
/* Where something holds. */
#include "aotk.h"

/* in[0] bool[n]: out[0] the indices of what holds, in order, zeros behind them; out[1] how many. */
AOTK_API const char *AOTK_NAME(aotk_compact)(const aotk_routine *p) {
    const unsigned char *holds = p->in[0].data;
    const aotk_i64 n = p->in[0].n[0];
    aotk_i64 *at = p->out[0].data, count = 0;
    for (aotk_i64 i = 0; i < n; i++) { /* without a branch: what does not hold is overwritten */
        at[count] = i;
        count += holds[i] != 0;
    }
    for (aotk_i64 i = count; i < n; i++) at[i] = 0;
    *(aotk_i64 *)p->out[1].data = count;
    return 0;
}
