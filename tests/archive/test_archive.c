/* SPDX-License-Identifier: MIT */
/* What the tensors of real archives hold: the same model saved by four torch releases, in all
 * three layouts, reads the same; ties, views, subclasses and several programs in one file.
 * usage: test_archive FIXTURES */
#include "../../compiler/archive/archive.h"
#include "../check.h"
#include <stdlib.h>

static const char *fixtures;

static Archive *open_fixture(Job *job, const char *release, const char *name)
{
    return archive_open(job, job_printf(job, "%s/%s/%s/model.pt2", fixtures, release, name));
}

/* The elements of a tensor in row-major order. */
static uint8_t *gather(Job *job, const Tensor *t, size_t *bytes)
{
    int64_t at[MAX_RANK] = { 0 }, count = 1;
    size_t width = (size_t)dtype_info[t->dtype].bytes;
    for (int i = 0; i < t->rank; i++)
        count *= t->size[i];
    *bytes = (size_t)count * width;
    uint8_t *out = job_alloc(job, *bytes);
    for (int64_t k = 0; k < count; k++) {
        int64_t from = t->offset;
        for (int i = 0; i < t->rank; i++)
            from += at[i] * t->stride[i];
        memcpy(out + (size_t)k * width, t->storage->bytes + (size_t)from * width, width);
        for (int i = t->rank; i-- > 0 && ++at[i] == t->size[i];)
            at[i] = 0;
    }
    return out;
}

static void same_tensor(Job *job, Archive *one, Archive *two, const char *name)
{
    const Tensor *a = archive_tensor(one, 0, name), *b = archive_tensor(two, 0, name);
    size_t m, n;
    if (!CHECK(a && b) || !CHECK(a->dtype == b->dtype && a->rank == b->rank))
        return;
    CHECK(!memcmp(a->size, b->size, sizeof a->size));
    CHECK_TEXT(a->name, name);
    const uint8_t *p = gather(job, a, &m), *q = gather(job, b, &n);
    CHECK(m == n && !memcmp(p, q, m));
}

static void read_layouts(Job *job, void *argument)
{
    static const char *const names[] = { "w", "emb.weight", "out.weight", "cl.weight", "cl.bias",
                                         "a", "b", "e", "nil", "h16", "b16", "i8", "mask" };
    static const char *const older[] = { "2.5.1", "2.7.1", "2.8.0" };
    (void)argument;
    Archive *newest = open_fixture(job, "2.13.0", "tied_strided");
    for (size_t r = 0; r < 3; r++) {
        Archive *old = open_fixture(job, older[r], "tied_strided");
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            same_tensor(job, newest, old, names[i]);
        CHECK(archive_tensor(old, 0, "emb.weight")->storage ==
              archive_tensor(old, 0, "out.weight")->storage);
        CHECK(archive_tensor(old, 0, "a")->storage == archive_tensor(old, 0, "b")->storage);
        CHECK(archive_tensor(old, 0, "a")->offset == 4);
        CHECK(archive_tensor(old, 0, "b")->offset == 10);
        CHECK(!archive_tensor(old, 0, "no such name"));
    }
    CHECK_TEXT(archive_schema(newest), "8.20");
    CHECK_HAS(archive_torch(newest), "2.13.0");
    CHECK(archive_tensor(newest, 0, "w")->stride[1] == 6);
    CHECK(archive_tensor(newest, 0, "h16")->dtype == DT_f16);
    CHECK(archive_tensor(newest, 0, "b16")->dtype == DT_bf16);
    CHECK(archive_tensor(newest, 0, "w")->storage->id !=
          archive_tensor(newest, 0, "e")->storage->id);
}

static void layouts(void)
{
    CHECK(job_run(read_layouts, NULL, stderr) == EXIT_DONE);
}

static void read_models(Job *job, void *argument)
{
    const char *release = argument;
    Archive *a = open_fixture(job, release, "multi_model");
    CHECK(archive_model_count(a) == 2);
    CHECK_TEXT(archive_model_name(a, 0), "enc");
    CHECK_TEXT(archive_model_name(a, 1), "dec.v2");
    for (size_t i = 0; i < 2; i++) {
        CHECK(json_get(archive_program(a, i), "graph_module") != NULL);
        CHECK(archive_program(a, i) == archive_program(a, i));
    }
}

static void models(void)
{
    CHECK(job_run(read_models, "2.13.0", stderr) == EXIT_DONE);
    CHECK(job_run(read_models, "2.8.0", stderr) == EXIT_DONE);
}

static void read_subclass(Job *job, void *argument)
{
    (void)argument;
    Archive *a = open_fixture(job, "2.13.0", "pickled_subclass");
    const Tensor *first = archive_inner_tensor(a, 0, "w", "a");
    const Tensor *second = archive_inner_tensor(a, 0, "w", "b");
    if (CHECK(first && second)) {
        CHECK(first->rank == 1 && first->size[0] == 3 && first->dtype == DT_f32);
        CHECK(first->storage != second->storage);
        CHECK_TEXT(first->name, "w.a");
        CHECK(archive_inner_tensor(a, 0, "w", "a") == first);
    }
    CHECK(!archive_inner_tensor(a, 0, "w", "c") && !archive_inner_tensor(a, 0, "w", "a.b"));
    CHECK(!archive_inner_tensor(a, 0, "b", "a") && !archive_inner_tensor(a, 0, "", ""));
    CHECK(archive_tensor(a, 0, "b") != NULL);
    CHECK(archive_copied_tensor(a, 0, "w") == first); /* it holds copies of one tensor */
    archive_tensor(a, 0, "w");
    CHECK(false); /* not reached */
}

static void subclass(void)
{
    char *message;
    size_t size;
    FILE *errors = open_memstream(&message, &size);
    CHECK(job_run(read_subclass, NULL, errors) == EXIT_UNSUPPORTED);
    fclose(errors);
    CHECK_HAS(message, "weight \"w\" is a tensor subclass");
    free(message);
}

static void read_hash(Job *job, void *argument)
{
    Archive *a = open_fixture(job, "2.13.0", "add");
    memcpy(argument, archive_sha256(a), 32);
    CHECK(archive_sha256(a) == archive_sha256(a));
}

static void hash(void)
{
    uint8_t one[32] = { 0 }, two[32] = { 0 };
    CHECK(job_run(read_hash, one, stderr) == EXIT_DONE);
    CHECK(job_run(read_hash, two, stderr) == EXIT_DONE);
    CHECK(!memcmp(one, two, 32) && (one[0] || one[1] || one[2]));
}

int main(int argc, char **argv)
{
    fixtures = argc > 1 ? argv[1] : "tests/fixtures";
    RUN(layouts);
    RUN(models);
    RUN(subclass);
    RUN(hash);
    return check_report();
}
