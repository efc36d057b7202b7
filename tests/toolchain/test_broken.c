/* SPDX-License-Identifier: MIT */
/* Bytes that are not what they should be: objects for the link and artifacts for the reader.  Each
 * mutation comes from a fixed sequence; what counts is that every one is refused with the right
 * code or accepted. */
#include "toy.h"
#include <unistd.h>

static uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* A few bytes, a word, or a cut; favours the two ends, where the headers are. */
static size_t mutate(uint8_t *bytes, size_t size, uint64_t *state)
{
    static const uint64_t words[] = { 0, 1, 0x7fffffff, 0xffffffff, UINT64_MAX, (uint64_t)1 << 63,
                                      0xfff0, 0xffff, 0x1000000 };
    size_t count = 1 + next_random(state) % 4;
    for (size_t i = 0; i < count; i++) {
        uint64_t r = next_random(state);
        size_t at = r % 3 == 0   ? next_random(state) % (size < 64 ? size : 64)
                    : r % 3 == 1 ? size - 1 - next_random(state) % (size < 1600 ? size : 1600)
                                 : next_random(state) % size;
        size_t width = (size_t)1 << (r >> 8) % 4;
        if (width > size - at)
            width = 1;
        uint64_t value = r >> 16 & 1 ? words[(r >> 20) % 9] : next_random(state) >> (r >> 24) % 60;
        memcpy(bytes + at, &value, width);
    }
    return next_random(state) % 16 ? size : next_random(state) % size;
}

typedef struct Saved {
    Object object[3];
    Machine machine;
} Saved;

static void *keep(const void *bytes, size_t size)
{
    void *copy = malloc(size);
    memcpy(copy, bytes, size);
    return copy;
}

static void make(Job *job, void *arg)
{
    Saved *saved = arg;
    bool tcc = false;
#ifdef AOTC_HAVE_TCC
    tcc = saved->machine == MACHINE_X86_64;
#endif
    const char *cc = saved->machine == MACHINE_X86_64 ? "cc" : "aarch64-linux-gnu-gcc";
    toy_objects(job, cc, tcc, saved->object);
    for (int i = 0; i < 3; i++)
        saved->object[i].bytes = keep(saved->object[i].bytes, saved->object[i].size);
}

static void link_saved(Job *job, void *arg)
{
    const Saved *saved = arg;
    Link link = toy_link(saved->object, 3);
    link.machine = saved->machine;
    link_shared_object(job, &link, "/dev/null");
}

static void mutated_objects(Machine machine, long runs)
{
    Saved good = { .machine = machine };
    if (!CHECK(toy_job(make, &good) == EXIT_DONE))
        return;
    CHECK(toy_job(link_saved, &good) == EXIT_DONE);
    uint64_t state = 1;
    long accepted = 0;
    for (long i = 0; i < runs; i++) {
        Saved bad = good;
        Object *victim = &bad.object[i % 3];
        uint8_t *bytes = keep(victim->bytes, victim->size);
        size_t size = mutate(bytes, victim->size, &state);
        victim->bytes = keep(bytes, size); /* exact, so that ASan sees the end */
        victim->size = size;
        int code = toy_job(link_saved, &bad);
        if (!CHECK(code == EXIT_DONE || code == EXIT_TOOLCHAIN))
            fprintf(stderr, "run %ld: %d %s\n", i, code, toy_message);
        accepted += code == EXIT_DONE;
        free((void *)(uintptr_t)victim->bytes);
        free(bytes);
    }
    fprintf(stderr, "  %ld of %ld objects linked all the same\n", accepted, runs);
    for (int i = 0; i < 3; i++)
        free((void *)(uintptr_t)good.object[i].bytes);
}

/* ---- artifacts ------------------------------------------------------------------------------- */

static void link_to(Job *job, void *arg)
{
    Object objects[3];
    Link link = toy_link(objects, toy_objects(job, "cc", false, objects));
    link_shared_object(job, &link, arg);
}

static void read_facts(Job *job, void *arg)
{
    ArtifactFacts facts;
    artifact_read(job, arg, &facts);
}

static void write_bytes(const char *path, const void *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, size, f) != size || fclose(f))
        abort();
}

static void mutated_artifacts(long runs)
{
    char *path = toy_path("good.so"), *bad = toy_path("bad.so");
    size_t size = 0;
    CHECK(toy_job(link_to, path) == EXIT_DONE && toy_job(read_facts, path) == EXIT_DONE);
    char *good = toy_file(path, &size);
    uint64_t state = 2;
    for (long i = 0; i < runs; i++) {
        uint8_t *bytes = keep(good, size);
        size_t left = mutate(bytes, i & 1 ? size : 1024, &state);
        write_bytes(bad, bytes, i & 1 || left < 1024 ? left : size);
        int code = toy_job(read_facts, bad);
        if (!CHECK(code == EXIT_DONE || code == EXIT_INPUT))
            fprintf(stderr, "run %ld: %d %s\n", i, code, toy_message);
        free(bytes);
    }
    for (size_t cut = 0; cut < size - 8192; cut += 511) { /* what follows the weights may go */
        write_bytes(bad, good, cut);
        int code = toy_job(read_facts, bad);
        CHECK(code == EXIT_INPUT);
    }
    CHECK_HAS(toy_message, "is cut off");
    free(good);
}

static void strangers(void)
{
    char *path = toy_path("stranger");
    CHECK(toy_job(read_facts, toy_path("missing")) == EXIT_INPUT);
    CHECK(toy_job(read_facts, toy_folder) == EXIT_INPUT);
    CHECK(toy_job(read_facts, "/dev/null") == EXIT_INPUT);
    write_bytes(path, "PK\3\4", 4);
    CHECK(toy_job(read_facts, path) == EXIT_INPUT);
    CHECK_HAS(toy_message, "expected a model compiled by aotc");
    CHECK(toy_shell("cc -shared -o %s -x c /dev/null", path) == 0);
    CHECK(toy_job(read_facts, path) == EXIT_INPUT);
    CHECK_HAS(toy_message, "no description of a model");
}

int main(int argc, char **argv)
{
    long runs = argc > 1 ? atol(argv[1]) : 3000;
    toy_begin();
    fprintf(stderr, "mutated_objects\n");
    mutated_objects(MACHINE_X86_64, runs);
    if (toy_have("aarch64-linux-gnu-gcc"))
        mutated_objects(MACHINE_AARCH64, runs);
    fprintf(stderr, "mutated_artifacts\n");
    mutated_artifacts(runs);
    RUN(strangers);
    toy_end();
    return check_report();
}
