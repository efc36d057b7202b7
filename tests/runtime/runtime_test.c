/* SPDX-License-Identifier: MIT */
/* runtime_test.c: libaotrt over the toy model: opening, running, growing, state, threads.
 *
 *     runtime_test FOLDER      holds the artifacts toy*.so; a scratch folder is made in it
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../check.h"
#include "aot.h"

#include <dlfcn.h>
#include <elf.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *folder;
static char scratch_folder[3000];
static char text[600];

/* ---- Files ----------------------------------------------------------------------------------- */

static const char *in(const char *where, const char *name)
{
    static char path[2][4096];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", where, name);
    return path[turn];
}

static char *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    static char data[1 << 20];
    *size = f ? fread(data, 1, sizeof data, f) : 0;
    if (f)
        fclose(f);
    return data;
}

static void write_file(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    CHECK(f && fwrite(data, 1, size, f) == size);
    if (f)
        fclose(f);
}

static aot_file *open_toy(void)
{
    aot_file *file;
    text[0] = 0;
    CHECK(aot_open(in(folder, "toy.so"), NULL, &file, text, sizeof text) == AOT_OK);
    CHECK_TEXT(text, "");
    return file;
}

static aot_session *new_session(aot_file *file, const char *method, uint64_t threads)
{
    aot_session *session;
    CHECK(aot_session_new(file, method, threads, &session) == AOT_OK);
    return session;
}

static void refused(const char *path, aot_status status, const char *part)
{
    aot_file *file = (aot_file *)&file;
    text[0] = 0;
    aot_status found = aot_open(path, NULL, &file, text, sizeof text);
    if (!CHECK(found == status && !file))
        fprintf(stderr, "status %d: %s\n", found, text);
    CHECK_HAS(text, part);
}

/* ---- Opening --------------------------------------------------------------------------------- */

static void open_refuses_what_is_no_model(void)
{
    refused(in(folder, "absent.so"), AOT_EHOST, "No such file");
    refused(folder, AOT_EHOST, "not a regular file but a directory");
    refused("/dev/null", AOT_EHOST, "not a regular file");
    write_file(in(scratch_folder, "text.so"), "import torch\n", 13);
    refused(in(scratch_folder, "text.so"), AOT_EDATA, "found other data");
    write_file(in(scratch_folder, "empty.so"), "", 0);
    refused(in(scratch_folder, "empty.so"), AOT_EDATA, "found no data");
    refused(in(folder, "toy_no_note.so"), AOT_EDATA, "not written by aotc");
    refused(in(folder, "toy_no_entry.so"), AOT_EDATA, "exports no aot_entry");
    refused("/proc/self/exe", AOT_EDATA, "");
    refused(NULL, AOT_EARG, "NULL");
    CHECK(aot_open("x", NULL, NULL, text, sizeof text) == AOT_EARG);
    CHECK(aot_open("/absent", NULL, &(aot_file *){ NULL }, NULL, 0) == AOT_EHOST);
}

static void open_refuses_other_versions(void)
{
    refused(in(folder, "toy_abi.so"), AOT_EABI, "ABI version 1");
    refused(in(folder, "toy_refuse.so"), AOT_EABI, "ABI version 1");
}

static void open_refuses_other_machines(void)
{
    size_t size;
    char *data = read_file(in(folder, "toy.so"), &size);
    Elf64_Ehdr *header = (Elf64_Ehdr *)data, kept = *header;
    const char *path = in(scratch_folder, "foreign.so");
    header->e_machine = EM_SPARCV9;
    write_file(path, data, size);
    refused(path, AOT_ECPU, "another machine");
    *header = kept;
    header->e_ident[EI_CLASS] = ELFCLASS32;
    write_file(path, data, size);
    refused(path, AOT_ECPU, "32-bit");
    *header = kept;
    header->e_type = ET_REL;
    write_file(path, data, size);
    refused(path, AOT_EDATA, "not a shared object");
    *header = kept;
    header->e_phoff = UINT64_MAX - 8;
    write_file(path, data, size);
    refused(path, AOT_EDATA, "cut short");
}

/* Every length either opens, because only section headers are missing, or is refused in words. */
static void open_survives_truncation(void)
{
    size_t size;
    char *data = read_file(in(folder, "toy.so"), &size);
    size_t opened = 0, cut = 0, step = 61;
    for (size_t length = 0; length < size; length += step) {
        char name[40];
        aot_file *file;
        snprintf(name, sizeof name, "cut%zu.so", length);
        const char *path = in(scratch_folder, name);
        write_file(path, data, length);
        aot_status status = aot_open(path, NULL, &file, text, sizeof text);
        if (status) {
            cut++;
            CHECK(status == AOT_EDATA && strlen(text) > 20);
        } else {
            opened++;
            aot_close(file);
        }
        unlink(path);
    }
    CHECK(cut > 100 && opened > 0);
}

static void open_forces_an_isa(void)
{
    aot_file *file;
    CHECK(aot_open(in(folder, "toy.so"), "baseline", &file, text, sizeof text) == AOT_OK);
    CHECK_TEXT(aot_file_model(file)->isa, "baseline");
    aot_close(file);
    CHECK(aot_open(in(folder, "toy.so"), "x86-64-v9", &file, text, sizeof text) == AOT_ECPU);
    CHECK_HAS(text, "x86-64-v9");
}

static void open_takes_a_bare_name(void)
{
    char before[4096];
    aot_file *file;
    CHECK(getcwd(before, sizeof before) && !chdir(folder));
    CHECK(aot_open("toy.so", NULL, &file, text, sizeof text) == AOT_OK);
    aot_close(file);
    CHECK(!chdir(before));
}

static void open_twice_and_two_models(void)
{
    aot_file *one = open_toy(), *two = open_toy(), *other;
    CHECK(aot_file_model(one) == aot_file_model(two));
    CHECK(!aot_open(in(folder, "toy_second.so"), NULL, &other, text, sizeof text));
    CHECK_TEXT(aot_file_model(other)->name, "second");
    aot_close(one);
    CHECK_TEXT(aot_file_model(two)->name, "toy");
    aot_close(two);
    aot_close(other);
}

static void open_sees_a_replaced_file(void)
{
    size_t size;
    char path[4096];
    snprintf(path, sizeof path, "%s", in(scratch_folder, "live.so"));
    aot_file *old, *new;
    char *data = read_file(in(folder, "toy.so"), &size);
    write_file(path, data, size);
    CHECK(!aot_open(path, NULL, &old, text, sizeof text));
    data = read_file(in(folder, "toy_second.so"), &size);
    write_file(in(scratch_folder, "live.tmp"), data, size);
    CHECK(!rename(in(scratch_folder, "live.tmp"), path));
    CHECK(!aot_open(path, NULL, &new, text, sizeof text));
    CHECK_TEXT(aot_file_model(old)->name, "toy");
    CHECK_TEXT(aot_file_model(new)->name, "second");
    aot_close(old);
    aot_close(new);
}

static void open_maps_side_files(void)
{
    size_t size;
    static char million[1000000];
    char path[4096], abc[4096];
    snprintf(path, sizeof path, "%s", in(scratch_folder, "side.so"));
    snprintf(abc, sizeof abc, "%s", in(scratch_folder, "toy.abc"));
    char *data = read_file(in(folder, "toy_side.so"), &size);
    write_file(path, data, size);
    refused(path, AOT_EHOST, "No such file");
    write_file(abc, "abcd", 4);
    refused(path, AOT_EHOST, "another size");
    write_file(abc, "abd", 3);
    refused(path, AOT_EDATA, "SHA-256");
    write_file(abc, "abc", 3);
    memset(million, 'a', sizeof million);
    write_file(in(scratch_folder, "toy.million"), million, sizeof million);
    aot_file *file;
    CHECK(!aot_open(path, NULL, &file, text, sizeof text));
    aot_session *session = new_session(file, NULL, 1);
    CHECK(!memcmp(aot_session_call(session)->segments[0], "abc", 3));
    aot_session_free(session);
    aot_close(file);
}

/* ---- Running --------------------------------------------------------------------------------- */

static void run_forward(aot_session *session, int64_t batch, float base)
{
    float x[64 * 4];
    for (int i = 0; i < 4 * batch; i++)
        x[i] = base + (float)i;
    CHECK(!aot_set_input(session, 0, x, (int64_t[]){ batch, 4 }, 2));
    if (!CHECK(!aot_run(session)))
        return;
    const float *y = aot_output_data(session, 0), *scores = aot_output_data(session, 1);
    CHECK(aot_output_ndim(session, 0) == 2 && aot_output_ndim(session, 1) == 1);
    CHECK(aot_output_shape(session, 0)[0] == batch && aot_output_shape(session, 0)[1] == 4);
    CHECK(aot_output_bytes(session, 0) == (uint64_t)batch * 16);
    int right = 1;
    for (int i = 0; i < 4 * batch; i++)
        right &= y[i] == 2 * x[i] + 1;
    for (int row = 0; row < batch; row++)
        right &= scores[row] == y[4 * row] + y[4 * row + 1] + y[4 * row + 2] + y[4 * row + 3];
    CHECK(right);
}

static void runs_with_many_sizes(void)
{
    aot_file *file = open_toy();
    aot_session *session = new_session(file, NULL, 1);
    CHECK_TEXT(aot_session_method(session)->name, "forward");
    CHECK_TEXT(aot_input_name(session, 0), "x");
    CHECK_TEXT(aot_output_name(session, 1), "scores");
    CHECK(aot_input_dtype(session, 0) == 0x220 && aot_output_count(session) == 2);
    static const int64_t sizes[] = { 3, 1, 64, 64, 2, 33 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        run_forward(session, sizes[i], (float)i);
    aot_session_free(session);
    aot_close(file);
}

static void keeps_memory_between_runs(void)
{
    aot_file *file = open_toy();
    aot_session *session = new_session(file, NULL, 1);
    run_forward(session, 60, 0);
    const void *workspace = aot_session_call(session)->workspace;
    const void *y = aot_output_data(session, 0);
    run_forward(session, 7, 1);
    run_forward(session, 60, 2);
    CHECK(workspace == aot_session_call(session)->workspace);
    CHECK(y == aot_output_data(session, 0));
    CHECK((uintptr_t)workspace % 64 == 0 && (uintptr_t)y % 64 == 0);
    aot_session_free(session);
    aot_close(file);
}

static void plans_without_data(void)
{
    aot_file *file = open_toy();
    aot_session *session = new_session(file, NULL, 1);
    CHECK(aot_plan(session) == AOT_ESHAPE);
    CHECK_TEXT(aot_session_error(session), "batch (dimension 0 of x) is -1; expected 1..64");
    CHECK(!aot_set_input(session, 0, NULL, (int64_t[]){ 5, 4 }, 2));
    CHECK(!aot_plan(session));
    CHECK_TEXT(aot_session_error(session), "");
    CHECK(aot_output_shape(session, 0)[0] == 5);
    CHECK(aot_session_call(session)->output_bytes[1] == 20);
    CHECK(aot_session_call(session)->needed_workspace == 80);
    CHECK(aot_run(session) == AOT_EARG);
    CHECK_TEXT(aot_session_error(session), "input 0 (x) was never set");
    aot_session_free(session);
    aot_close(file);
}

static void works_in_the_hosts_outputs(void)
{
    aot_file *file = open_toy();
    aot_session *session = new_session(file, NULL, 1);
    float x[32] = { 1 }, y[32] = { 0 }, later[32] = { 0 };
    CHECK(!aot_set_output(session, 0, y, 4 * 16));
    aot_set_input(session, 0, x, (int64_t[]){ 8, 4 }, 2);
    CHECK(aot_run(session) == AOT_ESPACE);
    CHECK(aot_session_call(session)->output_bytes[0] == 8 * 16);
    aot_set_input(session, 0, x, (int64_t[]){ 2, 4 }, 2);
    CHECK(!aot_run(session) && y[0] == 3 && y[7] == 1 && y[8] == 0);
    aot_set_input(session, 0, x, (int64_t[]){ 4, 4 }, 2);       /* the room was not forgotten */
    CHECK(!aot_run(session) && y[15] == 1);
    aot_call *call = aot_session_call(session);                 /* the way of bindings */
    call->outputs[0].data = later;
    call->output_bytes[0] = sizeof later;
    aot_set_input(session, 0, x, (int64_t[]){ 8, 4 }, 2);
    CHECK(!aot_run(session) && later[0] == 3 && later[31] == 1 && y[16] == 0);
    CHECK(!aot_set_output(session, 0, NULL, 0));
    CHECK(!aot_run(session) && aot_output_data(session, 0) != later);
    aot_session_free(session);
    aot_close(file);
}

static void explains_failures(void)
{
    aot_file *file = open_toy();
    aot_session *session = new_session(file, "halves", 1);
    float x[6] = { 1, 2, 3, 4, 5, 6 };
    CHECK(!aot_set_input(session, 0, x, (int64_t[]){ 3 }, 1));
    CHECK(aot_run(session) == AOT_ESHAPE);
    CHECK_TEXT(aot_session_error(session),
               "2*h (dimension 0 of x) is 3; expected an even size from 2");
    CHECK(aot_set_input(session, 0, x, (int64_t[]){ 3, 1 }, 2) == AOT_ESHAPE);
    CHECK_HAS(aot_session_error(session), "input 0 (x) has 1 dimensions");
    CHECK(aot_set_input(session, 1, x, NULL, 0) == AOT_EARG);
    CHECK_HAS(aot_session_error(session), "there are 1");
    CHECK(!aot_set_input(session, 0, x, (int64_t[]){ 6 }, 1));
    aot_session_call(session)->inputs[0].dtype.bits = 64;
    CHECK(aot_run(session) == AOT_EDTYPE);
    aot_session_call(session)->inputs[0].dtype.bits = 32;
    CHECK(!aot_run(session) && ((float *)aot_output_data(session, 0))[2] == 11);
    CHECK_TEXT(aot_session_error(session), "");
    CHECK(!aot_output_data(session, 1) && !aot_output_name(session, 9));
    aot_session_free(session);
    CHECK(aot_session_new(file, "backward", 1, &session) == AOT_EARG && !session);
    CHECK_HAS(aot_session_error(NULL), "it has: forward, accumulate, nonzero, positives, halves");
    aot_close(file);
    CHECK(!aot_open(in(folder, "toy_no_forward.so"), NULL, &file, text, sizeof text));
    CHECK(aot_session_new(file, NULL, 1, &session) == AOT_EARG);
    CHECK_HAS(aot_session_error(NULL), "name one of: accumulate, ");
    aot_close(file);
    CHECK_TEXT(aot_status_text(AOT_OK), "done");
    CHECK_HAS(aot_status_text(99), "unknown");
    CHECK_HAS(aot_status_text(-1), "unknown");
}

static void grows_what_is_unknown(void)
{
    aot_file *file = open_toy();
    aot_session *session = new_session(file, "nonzero", 1);
    static float x[10000];
    for (int round = 0; round < 3; round++) {
        int64_t n = round == 1 ? 10000 : 10;
        for (int64_t i = 0; i < n; i++)
            x[i] = (float)(i % 3);
        aot_set_input(session, 0, x, &n, 1);
        CHECK(!aot_run(session));
        CHECK(aot_output_shape(session, 0)[0] == (n == 10 ? 6 : 6666));
        CHECK(((int64_t *)aot_output_data(session, 0))[2] == 4);
        CHECK(aot_output_bytes(session, 0) == 8 * (uint64_t)aot_output_shape(session, 0)[0]);
    }
    int64_t little[1];      /* the host's room is too small: the session's takes over */
    aot_set_output(session, 0, little, sizeof little);
    CHECK(!aot_run(session) && aot_output_data(session, 0) != little);
    aot_set_input(session, 0, NULL, (int64_t[]){ 0 }, 1);
    CHECK(!aot_run(session) && aot_output_shape(session, 0)[0] == 0);
    aot_session_free(session);

    session = new_session(file, "positives", 1);
    aot_set_input(session, 0, x, (int64_t[]){ 6 }, 1);
    CHECK(!aot_run(session) && aot_output_shape(session, 0)[0] == 4);
    aot_set_input(session, 0, x, (int64_t[]){ 64 }, 1);
    CHECK(!aot_run(session) && aot_output_shape(session, 0)[0] == 42);
    aot_session_free(session);
    aot_close(file);
}

static void remembers_state(void)
{
    aot_file *file = open_toy();
    aot_session *one = new_session(file, "accumulate", 1);
    aot_session *two = new_session(file, "accumulate", 1);
    float x[4] = { 1, 2, 3, 4 }, bad[4] = { -1, 1, 1, 1 }, saved[4];
    aot_set_input(one, 0, x, NULL, 0);
    CHECK(aot_state_size(one) == 16 && ((float *)aot_state(one))[3] == 100);
    CHECK(!aot_run(one) && !aot_run(one));
    CHECK(((float *)aot_output_data(one, 0))[3] == 108);
    aot_set_input(one, 0, bad, NULL, 0);
    CHECK(aot_run(one) == AOT_EDATA && ((float *)aot_state(one))[3] == 108);
    CHECK_HAS(aot_session_error(one), "assertion x[0] >= 0");
    memcpy(saved, aot_state(one), sizeof saved);
    memcpy(aot_state(two), saved, sizeof saved);
    aot_set_input(two, 0, x, NULL, 0);
    CHECK(!aot_run(two) && ((float *)aot_output_data(two, 0))[0] == 103);
    aot_set_state(two, aot_state(one));
    CHECK(!aot_run(two) && ((float *)aot_state(one))[0] == 103);
    aot_set_state(two, NULL);
    aot_state_reset(two);
    CHECK(((float *)aot_state(two))[0] == 100 && ((float *)aot_state(one))[0] == 103);
    aot_session_free(one);
    aot_session_free(two);
    aot_close(file);
}

static void close_waits_for_sessions(void)
{
    aot_file *file = open_toy();
    aot_session *session = new_session(file, NULL, 1);
    aot_close(file);
    run_forward(session, 9, 0);
    aot_session_free(session);
    aot_session_free(NULL);
    aot_close(NULL);
    CHECK(aot_run(NULL) == AOT_EARG && aot_plan(NULL) == AOT_EARG && !aot_state(NULL));
    CHECK(aot_session_new(NULL, NULL, 1, &session) == AOT_EARG && !session);
}

/* ---- The bare table, without a session ------------------------------------------------------- */

static void table_without_grow_says_the_need(void)
{
    aot_file *file = open_toy();
    const aot_method *nonzero = aot_file_model(file)->methods[2];
    CHECK(nonzero->can_grow && nonzero->outputs[0]->dims[0].unknown);
    float x[5] = { 0, 1, 0, 2, 3 };
    int64_t shape = 5, found = 0, index[3];
    uint64_t bytes = 8;
    DLTensor input = { x, { 1, 0 }, 1, { 2, 32, 1 }, &shape, NULL, 0 };
    DLTensor output = { index, { 1, 0 }, 1, { 0, 64, 1 }, &found, NULL, 0 };
    aot_call call = { .struct_size = sizeof call, .inputs = &input, .outputs = &output,
                      .output_bytes = &bytes };
    CHECK(!nonzero->plan(&call) && found == AOT_UNKNOWN && bytes == UINT64_MAX);
    bytes = 8;
    CHECK(nonzero->run(&call) == AOT_ESPACE && bytes == 24);
    CHECK(!nonzero->run(&call) && found == 3 && index[2] == 4);
    aot_close(file);
}

/* ---- Threads --------------------------------------------------------------------------------- */

static void *run_many(void *file)
{
    for (int i = 0; i < 5; i++) {
        aot_session *session = new_session(file, NULL, i % 2 ? 2 : 1);
        for (int64_t n = 1; n < 20; n++)
            run_forward(session, n * 3, (float)i);
        aot_session_free(session);
    }
    return NULL;
}

static void runs_on_eight_threads(void)
{
    aot_file *file = open_toy();
    pthread_t thread[8];
    for (int i = 0; i < 8; i++)
        CHECK(!pthread_create(&thread[i], NULL, run_many, file));
    for (int i = 0; i < 8; i++)
        pthread_join(thread[i], NULL);
    aot_close(file);
}

static void *run_shared(void *session)
{
    for (int i = 0; i < 300; i++)
        run_forward(session, 1 + i % 64, (float)i);
    return NULL;
}

static void sessions_share_a_pool(void)
{
    aot_file *file = open_toy();
    aot_pool *pool = aot_pool_new(4);
    aot_session *session[4];
    pthread_t thread[4];
    for (int i = 0; i < 4; i++) {
        session[i] = new_session(file, NULL, 1);
        aot_session_use_pool(session[i], pool);
        CHECK(aot_session_call(session[i])->threads == aot_pool_threads(pool));
        CHECK(!pthread_create(&thread[i], NULL, run_shared, session[i]));
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(thread[i], NULL);
        aot_session_free(session[i]);
    }
    aot_pool_free(pool);
    aot_close(file);
}

static void count_event(void *ctx, int64_t kernel, int64_t enter)
{
    int64_t *counts = ctx;
    CHECK(kernel == 0 && counts[enter] == (enter ? counts[0] : counts[1] - 1));
    counts[enter]++;
}

static void sends_events(void)
{
    int64_t counts[2] = { 0, 0 };
    aot_file *file = open_toy();
    aot_session *session = new_session(file, NULL, 1);
    run_forward(session, 3, 1);
    aot_session_watch(session, count_event, counts);
    run_forward(session, 3, 1);
    run_forward(session, 5, 1);
    CHECK(counts[0] == 2 && counts[1] == 2);
    aot_session_watch(session, NULL, NULL);
    run_forward(session, 3, 1);
    CHECK(counts[0] == 2 && counts[1] == 2);
    aot_session_free(session);
    aot_close(file);
}

static void open_close_many_times(void)
{
    for (int i = 0; i < 300; i++) {
        aot_file *file = open_toy();
        aot_session *session = new_session(file, NULL, 1);
        aot_session_free(session);
        aot_close(file);
    }
}

int main(int argc, char **argv)
{
    folder = argc > 1 ? argv[1] : ".";
    snprintf(scratch_folder, sizeof scratch_folder, "%s/scratch-%ld", folder, (long)getpid());
    CHECK(!mkdir(scratch_folder, 0777));
    RUN(open_refuses_what_is_no_model);
    RUN(open_refuses_other_versions);
    RUN(open_refuses_other_machines);
    RUN(open_survives_truncation);
    RUN(open_forces_an_isa);
    RUN(open_takes_a_bare_name);
    RUN(open_twice_and_two_models);
    RUN(open_sees_a_replaced_file);
    RUN(open_maps_side_files);
    RUN(runs_with_many_sizes);
    RUN(keeps_memory_between_runs);
    RUN(plans_without_data);
    RUN(works_in_the_hosts_outputs);
    RUN(explains_failures);
    RUN(grows_what_is_unknown);
    RUN(remembers_state);
    RUN(close_waits_for_sessions);
    RUN(table_without_grow_says_the_need);
    RUN(runs_on_eight_threads);
    RUN(sessions_share_a_pool);
    RUN(sends_events);
    RUN(open_close_many_times);
    static const char *const left[] = { "text.so", "empty.so", "foreign.so", "live.so", "side.so",
                                        "toy.abc", "toy.million" };
    for (size_t i = 0; i < sizeof left / sizeof *left; i++)
        unlink(in(scratch_folder, left[i]));
    CHECK(!rmdir(scratch_folder));
    return check_report();
}
