/* SPDX-License-Identifier: MIT */
/* The unpickler on its own: values, and every kind of refusal. */
#include "../../compiler/archive/pickle.h"
#include "../check.h"
#include <stdlib.h>

typedef struct Case {
    const char *bytes;
    size_t length;
    int code;
    const char *message;
} Case;

#define CASE(bytes, code, message) { bytes, sizeof bytes - 1, code, message }
#define STORAGE "(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0" "0X\3\0\0\0cpuK\4tQ"
#define REBUILD "ctorch._utils\n_rebuild_tensor_v2\n("

static const Case cases[] = {
    CASE("}.", 0, ""),
    CASE("\x80\2}q\0.", 0, ""),
    CASE("\x80\4\x95\7\0\0\0\0\0\0\0}\x94\x8c\1aK\1s.", 0, ""),
    CASE("\x8a\1\xff.", 0, ""),
    CASE("\x8a\x09\1\1\1\1\1\1\1\1\1.", 1, "more than 64 bits"),
    CASE(REBUILD STORAGE "K\0K\4\x85K\1\x85\x89}tR.", 0, ""),
    CASE(REBUILD STORAGE "K\0K\4\x85)\x89}tR.", 1, "more sizes than strides"),
    CASE(REBUILD STORAGE "K\0N)\x89}tR.", 1, "wrong argument 2"),
    CASE(REBUILD "tR.", 1, "wrong argument 0"),
    CASE("cposix\nsystem\n(X\4\0\0\0echotR.", 1, "names the global posix.system"),
    CASE("\x80\4\x8c\2os\x8c\6system\x93.", 1, "names the global os.system"),
    CASE("c__builtin__\neval\n.", 1, "names the global __builtin__.eval"),
    CASE("ctorch\nfloat32\n)R.", 1, "calls torch.float32"),
    CASE("ctorch\nload\n.", 1, "names the global torch.load"),
    CASE("", 1, "an end inside"),
    CASE("}", 1, "an end inside"),
    CASE(".", 1, "more or less than one value"),
    CASE("}}.", 1, "more or less than one value"),
    CASE("(}.", 1, "more or less than one value"),
    CASE("}.}", 1, "more or less than one value"),
    CASE("0.", 1, "empty stack"),
    CASE("I1\n.", 1, "opcode 0x49"),
    CASE("\x80\x06}.", 1, "protocol above 5"),
    CASE("t.", 1, "without its mark"),
    CASE("s.", 1, "empty stack"),
    CASE("K\1(K\2\x86.", 1, "empty stack"),
    CASE("h\0.", 1, "memo slot read before"),
    CASE("}r\xff\xff\xff\xff.", 1, "memo slot out of range"),
    CASE("]q\0h\0a.", 1, "holds itself"),
    CASE("]q\0(h\0e.", 1, "holds itself"),
    CASE("]q\0]q\1h\0aa.", 0, ""), /* a cycle through two lists is data like any other */
    CASE("}(K\1u.", 1, "key without its value"),
    CASE("K\1K\2a.", 1, "what is no list"),
    CASE("]K\2K\1s.", 1, "what is no dict"),
    CASE("X\xff\xff\xff\xff" "a.", 1, "an end inside"),
    CASE("X\3\0\0\0a\0b.", 1, "string with a NUL"),
    CASE("cabc", 1, "malformed global"),
    CASE("K\1Q.", 1, "persistent id"),
    CASE("\x95\xff\xff\xff\xff\xff\xff\xff\xff}.", 1, "frame longer"),
    CASE("]}b.", 0, ""),
    CASE("]}X\1\0\0\0aK\1sb.", 1, "attributes set"),
    CASE("K\1)\x81.", 1, "object that is no tensor"),
};

static void read_case(Job *job, void *argument)
{
    const Case *c = argument;
    pickle_read(job, "t", (const uint8_t *)c->bytes, c->length, false);
}

static void table(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Case c = cases[i];
        char *message;
        size_t size;
        FILE *errors = open_memstream(&message, &size);
        int code = job_run(read_case, &c, errors);
        fclose(errors);
        if (!CHECK(code == c.code))
            fprintf(stderr, "case %zu: code %d, %s\n", i, code, message);
        CHECK_HAS(message, c.message);
        free(message);
    }
}

static void look(Job *job, void *argument)
{
    static const char text[] =
        "\x80\2}q\0(X\1\0\0\0aJ\xfe\xff\xff\xffX\1\0\0\0bG\x3f\xe0\0\0\0\0\0\0X\1\0\0\0t"
        REBUILD STORAGE "K\1K\1K\3\x86K\3K\1\x86\x89}}X\4\0\0\0conj\x88stRu.";
    (void)argument;
    const PValue *v = pickle_read(job, "t", (const uint8_t *)text, sizeof text - 1, false);
    CHECK(v->kind == P_DICT && v->items.n == 6);
    CHECK(pickle_get(v, "a")->integer == -2);
    CHECK(pickle_get(v, "b")->real == 0.5);
    CHECK(!pickle_get(v, "c"));
    const PTensor *t = pickle_get(v, "t")->tensor;
    CHECK(t->rank == 2 && t->size[1] == 3 && t->stride[0] == 3 && t->offset == 1 && t->lazy);
    CHECK_TEXT(t->storage->type, "Float");
    CHECK_TEXT(t->storage->key, "0");
    CHECK(t->storage->count == 4);
}

static void values(void)
{
    CHECK(job_run(look, NULL, stderr) == EXIT_DONE);
}

int main(void)
{
    RUN(table);
    RUN(values);
    return check_report();
}
