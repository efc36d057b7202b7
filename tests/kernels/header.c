/* SPDX-License-Identifier: MIT */
/* aotk.h as tcc's glue sees it: no headers of the system, prototypes of two levels. */
#include "aotk.h"

AOTK_DECLARE(_v3)
AOTK_DECLARE(_v4)

int glue(const aotk_igemm *p);

int glue(const aotk_igemm *p) {
    int level = aotk_cpu_level();
    if (level >= 4) aotk_igemm_f32_v4(p);
    else aotk_igemm_f32_v3(p);
    return (int)aotk_packed_size(p->seg, p->n);
}
