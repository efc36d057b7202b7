/* SPDX-License-Identifier: MIT */
/* A Java class as bytes, for code without branches: what a generated class needs, and no JDK. Class files of Java 8
 * (version 52): code without branches carries no stack maps. */
#ifndef AOTC_CLASS_FILE_H
#define AOTC_CLASS_FILE_H
#include "../base/job.h"

enum { ACC_PUBLIC = 0x1, ACC_STATIC = 0x8, ACC_FINAL = 0x10, ACC_SUPER = 0x20 };

/* The instructions that are used; those that end in _S have a big-endian operand of two bytes. */
enum {
    OP_SIPUSH_S = 0x11,
    OP_LDC_S = 0x13,
    OP_ILOAD = 0x15,
    OP_LLOAD,
    OP_FLOAD,
    OP_DLOAD,
    OP_ALOAD,
    OP_AALOAD = 0x32,
    OP_ASTORE = 0x3a,
    OP_LASTORE = 0x50,
    OP_AASTORE = 0x53,
    OP_POP = 0x57,
    OP_DUP = 0x59,
    OP_I2L = 0x85,
    OP_IRETURN = 0xac,
    OP_LRETURN,
    OP_FRETURN,
    OP_DRETURN,
    OP_ARETURN,
    OP_RETURN,
    OP_PUTFIELD_S = 0xb5,
    OP_VIRTUAL_S,
    OP_SPECIAL_S,
    OP_STATIC_S,
    OP_NEW_S = 0xbb,
    OP_NEWARRAY = 0xbc,
    OP_ANEWARRAY_S,
    OP_CHECKCAST_S = 0xc0,
    LONG_ARRAY = 11
};

typedef struct Class Class;

/* `name` and `super` with slashes: "com/acme/Net". A nested class says so by `outer` and its simple name, in itself and
 * in its outer class (class_nested). */
Class *class_new(Job *job, const char *name, const char *super);
void class_nested(Class *c, const char *name, const char *outer, const char *simple);
void class_field(Class *c, int access, const char *name, const char *descriptor);

/* Entries of the constant pool. */
int class_ref(Class *c, const char *name);
int class_method_ref(Class *c, const char *owner, const char *name, const char *descriptor);
int class_field_ref(Class *c, const char *owner, const char *name, const char *descriptor);

/* A method: begin, instructions, end. `parameters`: their names. */
void class_method(Class *c, int access, const char *name, const char *descriptor, const char *const *parameters,
                  size_t count);
void class_op(Class *c, int op);               /* no operand */
void class_op1(Class *c, int op, int operand); /* a byte; a local variable beyond 255 is written wide */
void class_op2(Class *c, int op, int operand);
void class_method_end(Class *c, int max_stack, int max_locals);

/* The whole file. */
Text class_bytes(Class *c);
#endif
