/* SPDX-License-Identifier: MIT */
/* The functions that the rows of routines.def name. */
#ifndef AOTC_ROUTINE_H
#define AOTC_ROUTINE_H
#include "graph.h"

typedef const char *RoutineTypes(Job *job, const Node *n, Type *out);
typedef const Idx *RoutineScratch(Job *job, const Node *n);

RoutineTypes lu_types, solve_types, permutation_types, square_types, householder_types, reflections_types, eigh_types,
    eig_types, svd_types;
RoutineScratch matrix_scratch, solve_scratch, two_scratch, three_scratch, svd_scratch, eig_scratch;
#endif
