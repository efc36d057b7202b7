/* SPDX-License-Identifier: MIT */
/* The table of operators: every name has one row, and its in-place form no other. */
#include "../check.h"
#include "../../compiler/archive/import.h"

static void one_row_a_name(void)
{
    for (size_t i = 0; i < aten_row_count; i++) {
        const Row *r = &aten_rows[i];
        char target[128];
        snprintf(target, sizeof target, "%s.default", r->name ? r->name : "");
        if (r->name && !CHECK(aten_row(target) == r))
            fprintf(stderr, "a second row of %s\n", r->name);
    }
}

int main(void)
{
    RUN(one_row_a_name);
    return check_report();
}
