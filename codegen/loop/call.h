/* SPDX-License-Identifier: MIT */
/* The call of a tiled kernel under construction: contract.c and conv.c fill the fields of its parameters by name. */
#ifndef AOTC_CALL_H
#define AOTC_CALL_H
#include "lower.h"

/* contract.c */
void field_number(Make *m, Stmt *s, const char *name, const Idx *v);
void field_pointer(Make *m, Stmt *s, const char *name, Buffer *b, const Idx *offset);
void field_text(Make *m, Stmt *s, const char *name, const char *text);
/* Bias, activation and rounding of n; `bias_at`: the first column. */
void field_epilogue(Make *m, Stmt *s, Node *n, const Idx *bias_at);
/* The packed weights of n, and how they are stored if not as f32; `rows` of `depth` values are multiplied. */
void field_weights(Make *m, Stmt *s, const Node *n, Buffer *b, const Idx *offset, const Idx *rows, const Idx *depth);
/* Where sums start anew, if that was measured to be better elsewhere than by default. */
void field_depth(Make *m, Stmt *s, const Way *way);
/* Work memory of a kernel. */
Buffer *call_scratch(Lower *l, const char *name, const Idx *floats);
/* conv.c */
void lower_conv(Lower *l, Node *n, Buffer *out);
#endif
