/* SPDX-License-Identifier: MIT */
/* run_model.c: runs one inference with libaotrt and prints the outputs.
 *
 *     run_model [-d SIZE] [-t THREADS] [-m METHOD] MODEL.so [INPUT.bin ...]
 *
 * INPUT.bin holds the raw elements of one input, row-major; inputs without a file are zeros. Sizes
 * that the model leaves open are SIZE (default: the least that is permitted). */
#include "aot.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int complain(const char *what)
{
    return fprintf(stderr, "run_model: %s\n", what), 1;
}

/* The elements of an input, from the file or zeros, to be freed. NULL: the file is short. */
static void *read_input(const char *file, size_t bytes)
{
    void *data = calloc(bytes ? bytes : 1, 1);
    FILE *f = file ? fopen(file, "rb") : NULL;
    if (data && file && (!f || fread(data, 1, bytes, f) != bytes))
        free(data), data = NULL;
    if (f)
        fclose(f);
    return data;
}

/* Chooses the open sizes within their ranges and sets the input. */
static int set_input(aot_session *session, uint64_t i, const char *file, int64_t size, void **data)
{
    const aot_port *port = aot_session_method(session)->inputs[i];
    size_t bytes = (port->dtype.bits + 7u) / 8u;
    int64_t shape[64];
    if (port->constant || port->flags & AOT_NONE || port->ndim > 64)
        return 1;                               /* fixed at export: the session has filled it in */
    for (int32_t d = 0; d < port->ndim; d++) {
        const aot_dim *dim = &port->dims[d];
        shape[d] = size < dim->lo ? dim->lo : size > dim->hi ? dim->hi : size;
        bytes *= (size_t)shape[d];
    }
    *data = read_input(file, bytes);
    /* The session keeps the pointer, so the data must live until after the run. */
    return *data && !aot_set_input(session, i, *data, shape, port->ndim);
}

static void print_element(const DLTensor *t, int64_t i)
{
    if (t->dtype.code == 2 && t->dtype.bits == 32)
        printf(" %g", (double)((const float *)t->data)[i]);
    else if (t->dtype.code == 2 && t->dtype.bits == 64)
        printf(" %g", ((const double *)t->data)[i]);
    else if (t->dtype.code == 0 && t->dtype.bits == 64)
        printf(" %" PRId64, ((const int64_t *)t->data)[i]);
    else                                        /* others: the first byte, as stored */
        printf(" %02x", ((const unsigned char *)t->data)[i * (t->dtype.bits / 8)]);
}

static void print_output(const aot_session *session, uint64_t i, const DLTensor *t)
{
    int64_t count = 1;
    printf("%s [", aot_output_name(session, i));
    for (int32_t d = 0; d < t->ndim; count *= t->shape[d++])
        printf("%s%" PRId64, d ? ", " : "", t->shape[d]);
    printf("]:");
    for (int64_t k = 0; k < count && k < 10; k++)
        print_element(t, k);
    printf("%s\n", count > 10 ? " ..." : "");
}

/* Fills the inputs, runs, prints the outputs. */
static int run(aot_session *session, int64_t size, char **files, int file_count)
{
    uint64_t inputs = aot_input_count(session);
    void **data = calloc(inputs + 1, sizeof *data);
    int bad = !data;
    for (uint64_t i = 0; !bad && i < inputs; i++)
        bad = !set_input(session, i, (int64_t)i < file_count ? files[i] : NULL, size, &data[i]);
    if (bad)
        complain("an input file is missing or too short");
    else if (aot_run(session))
        bad = complain(aot_session_error(session));
    for (uint64_t i = 0; !bad && i < aot_output_count(session); i++)
        print_output(session, i, &aot_session_call(session)->outputs[i]);
    for (uint64_t i = 0; data && i < inputs; i++)
        free(data[i]);
    free(data);
    return bad;
}

int main(int argc, char **argv)
{
    const char *method = NULL;                  /* the default one */
    int64_t size = 0, threads = 1;
    for (int option; (option = getopt(argc, argv, "d:t:m:")) != -1;) {
        if (option == '?') return 2;
        else if (option == 'd') size = strtoll(optarg, NULL, 10);
        else if (option == 't') threads = strtoll(optarg, NULL, 10);
        else method = optarg;
    }
    if (optind == argc)
        return complain("usage: [-d SIZE] [-t THREADS] [-m METHOD] MODEL.so [INPUT.bin ...]");

    aot_file *file;
    aot_session *session;
    char text[500];
    if (aot_open(argv[optind], NULL, &file, text, sizeof text))
        return complain(text);
    int bad = aot_session_new(file, method, (uint64_t)threads, &session);
    aot_close(file);                            /* the session keeps the model open */
    bad = bad ? complain(aot_session_error(NULL))
              : run(session, size, argv + optind + 1, argc - optind - 1);
    aot_session_free(session);                  /* and with it the model */
    return bad;
}
