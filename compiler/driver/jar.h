/* SPDX-License-Identifier: MIT */
/* One jar with a model, its metadata, libaotrt, and a typed class. No JDK is needed. */
#ifndef AOTC_JAR_H
#define AOTC_JAR_H
#include "compile.h"

typedef struct JarMember {
    const char *name; /* "com/acme/Net.class" */
    Text text;
} JarMember;
typedef VEC(JarMember) JavaClasses;

/* "com/acme/Net", from --java-class, else from the output's name. */
const char *java_class_name(Job *job, const char *wanted, const char *output);
/* The class of a model and those of its results. */
JavaClasses java_classes(Job *job, const Compilation *c, const char *class_name);
/* Writes the jar; `so` are the bytes of the linked artifact. */
void write_jar(Job *job, const Compilation *c, const char *java_class, const char *output, const void *so,
               size_t so_bytes);
#endif
