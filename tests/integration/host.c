/* SPDX-License-Identifier: MIT */
/* A host over libaotrt that treats artifacts roughly. Built plain, with sanitizers, and with musl.
 *
 *     host threads FILE THREADS RUNS POOL [METHOD ...]   sessions side by side; results as those of a serial run
 *     host cycle FILE COUNT                              opens, runs, closes; memory stays flat
 *     host digest FILE METHOD SIZE [ISA]                 prints a hash of the outputs; all placements agree
 *     host outputs FILE                                  prints name and bytes of every output after a run
 *     host probe FILE INPUT shape A,B,... | dtype CODE BITS | value INDEX VALUE
 *                                                        one wrong input: prints `status N: text`, then runs well
 *
 * METHOD "-" is the default one. Open sizes are SIZE, or the nearest that is permitted. Inputs are pseudo-random. */
#include "aot.h"
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAX_RANK = 16, MAX_PORTS = 32, MAX_THREADS = 64 };

/* Where inputs and outputs lie: in the heap, there at odd addresses, with an end or the start at a page that faults. */
typedef enum Place { PLACE_HEAP, PLACE_ODD, PLACE_END, PLACE_START, PLACE_COUNT } Place;

typedef struct Block {
    void *data, *base;
    size_t bytes, mapped; /* mapped 0: from the heap */
} Block;

typedef struct Run {
    aot_session *session;
    Block in[MAX_PORTS], out[MAX_PORTS];
} Run;

static _Noreturn void die(const char *what, const char *text)
{
    fprintf(stderr, "host: %s: %s\n", what, text);
    exit(1);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static Block block_new(size_t bytes, Place place)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), middle = (bytes + page - 1) / page * page;
    Block b = { .bytes = bytes };
    if (place == PLACE_HEAP || place == PLACE_ODD) {
        b.base = malloc(bytes + 1);
        b.data = (char *)b.base + (place == PLACE_ODD);
    } else {
        b.mapped = middle + 2 * page;
        b.base = mmap(NULL, b.mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (b.base == MAP_FAILED || (middle && mprotect((char *)b.base + page, middle, PROT_READ | PROT_WRITE)))
            die("memory", "cannot be mapped");
        b.data = (char *)b.base + page + (place == PLACE_END ? middle - bytes : 0);
    }
    if (!b.base)
        die("memory", "none is left");
    return b;
}

static void block_free(Block *b)
{
    if (b->mapped)
        munmap(b->base, b->mapped);
    else
        free(b->base);
    *b = (Block){ 0 };
}

/* ---- inputs ---------------------------------------------------------------------------------- */

/* Floats in -1..1, integers in 0..9. */
static void fill(void *data, DLDataType type, size_t bytes, uint64_t seed)
{
    size_t each = type.bits / 8u;
    for (size_t i = 0; i < bytes / each; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t word = type.code == 6 ? seed >> 63 : (seed >> 33) % 10;
        double real = (double)(int64_t)(seed >> 40) / (double)(1 << 23) - 1;
        float single = (float)real;
        const void *number = each == 4 ? (const void *)&single : (const void *)&real;
        const void *from = type.code == 2 ? number : (const void *)&word;
        memcpy((char *)data + i * each, from, each);
    }
}

static int64_t clamped(int64_t size, const aot_dim *dim)
{
    return size < dim->lo ? dim->lo : size > dim->hi ? dim->hi : size;
}

static size_t elements(const int64_t *shape, int32_t rank)
{
    size_t n = 1;
    for (int32_t d = 0; d < rank; d++)
        n *= shape[d] > 0 ? (size_t)shape[d] : 0;
    return n;
}

static aot_status bind_input(Run *r, uint64_t i, const int64_t *shape, int32_t rank, uint64_t seed, Place place)
{
    const aot_port *port = aot_session_method(r->session)->inputs[i];
    block_free(&r->in[i]);
    r->in[i] = block_new(elements(shape, rank) * port->dtype.bits / 8, place);
    fill(r->in[i].data, port->dtype, r->in[i].bytes, seed + i);
    return aot_set_input(r->session, i, r->in[i].data, shape, rank);
}

static void bind_inputs(Run *r, int64_t size, uint64_t seed, Place place)
{
    if (aot_input_count(r->session) > MAX_PORTS || aot_output_count(r->session) > MAX_PORTS)
        die("model", "has too many ports for this program");
    for (uint64_t i = 0; i < aot_input_count(r->session); i++) {
        const aot_port *port = aot_session_method(r->session)->inputs[i];
        int64_t shape[MAX_RANK];
        if (port->constant || port->flags & AOT_NONE)
            continue;
        for (int32_t d = 0; d < port->ndim && d < MAX_RANK; d++)
            shape[d] = clamped(size, &port->dims[d]);
        if (bind_input(r, i, shape, port->ndim, seed, place))
            die("input", aot_session_error(r->session));
    }
}

static void bind_outputs(Run *r, Place place)
{
    if (aot_plan(r->session))
        die("plan", aot_session_error(r->session));
    for (uint64_t i = 0; i < aot_output_count(r->session); i++) {
        uint64_t bytes = aot_session_call(r->session)->output_bytes[i];
        if (bytes == UINT64_MAX)
            continue;
        r->out[i] = block_new(bytes, place);
        if (aot_set_output(r->session, i, r->out[i].data, bytes))
            die("output", aot_session_error(r->session));
    }
}

/* ---- runs ------------------------------------------------------------------------------------ */

static aot_file *open_file(const char *path, const char *isa)
{
    aot_file *file;
    char text[300];
    if (aot_open(path, isa, &file, text, sizeof text))
        die("open", text);
    return file;
}

static Run run_new(aot_file *file, const char *method, uint64_t pool, int64_t size, uint64_t seed, Place place)
{
    Run r = { 0 };
    if (aot_session_new(file, method && strcmp(method, "-") ? method : NULL, pool, &r.session))
        die("session", aot_session_error(NULL));
    bind_inputs(&r, size, seed, place);
    if (place != PLACE_HEAP)
        bind_outputs(&r, place);
    return r;
}

static void run_free(Run *r)
{
    aot_session_free(r->session);
    for (size_t i = 0; i < MAX_PORTS; i++) {
        block_free(&r->in[i]);
        block_free(&r->out[i]);
    }
}

static uint64_t hash(uint64_t h, const void *data, size_t bytes)
{
    for (const unsigned char *p = data, *end = p + bytes; p < end; p++)
        h = (h ^ *p) * 1099511628211u;
    return h;
}

/* Runs once; a hash of the shapes and bits of all outputs. */
static uint64_t run_hash(Run *r)
{
    uint64_t h = 14695981039346656037u;
    if (aot_run(r->session))
        die("run", aot_session_error(r->session));
    for (uint64_t i = 0; i < aot_output_count(r->session); i++) {
        int32_t rank = aot_output_ndim(r->session, i);
        if (rank)
            h = hash(h, aot_output_shape(r->session, i), (size_t)rank * sizeof(int64_t));
        if (!(aot_session_method(r->session)->outputs[i]->flags & AOT_NONE))
            h = hash(h, aot_output_data(r->session, i), aot_output_bytes(r->session, i));
    }
    return h;
}

/* ---- threads --------------------------------------------------------------------------------- */

typedef struct Worker {
    aot_file *file;
    const char *method;
    uint64_t pool, seed, want;
    long runs, wrong;
    int64_t size;
} Worker;

static void *work(void *arg)
{
    Worker *w = arg;
    Run r = run_new(w->file, w->method, w->pool, w->size, w->seed, PLACE_HEAP);
    for (long i = 0; i < w->runs; i++)
        w->wrong += run_hash(&r) != w->want;
    run_free(&r);
    return NULL;
}

static int command_threads(int argc, char **argv)
{
    if (argc < 4)
        die("threads", "FILE THREADS RUNS POOL[:SIZE] [METHOD ...]");
    const char *size = strchr(argv[3], ':');
    int n = atoi(argv[1]), methods = argc - 4;
    aot_file *file = open_file(argv[0], NULL);
    Worker workers[MAX_THREADS];
    pthread_t threads[MAX_THREADS];
    long wrong = 0;
    for (int i = 0; i < n && i < MAX_THREADS; i++) {
        const char *method = methods ? argv[4 + i % methods] : NULL;
        workers[i] = (Worker){ file, method, (uint64_t)atoi(argv[3]), (uint64_t)i, 0, atol(argv[2]), 0,
                                 (size ? atol(size + 1) : 1) + i % 4 };
        Run serial = run_new(file, method, 1, workers[i].size, workers[i].seed, PLACE_HEAP);
        workers[i].want = run_hash(&serial);
        run_free(&serial);
    }
    for (int i = 0; i < n && i < MAX_THREADS; i++)
        if (pthread_create(&threads[i], NULL, work, &workers[i]))
            die("threads", "cannot be started");
    for (int i = 0; i < n && i < MAX_THREADS; i++) {
        pthread_join(threads[i], NULL);
        wrong += workers[i].wrong;
    }
    aot_close(file);
    printf("%d threads, %s runs each, %ld wrong\n", n, argv[2], wrong);
    return wrong != 0;
}

/* ---- open and close -------------------------------------------------------------------------- */

static long resident_kb(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%*s %ld", &pages) != 1)
        die("memory", "/proc/self/statm cannot be read");
    fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static int still_mapped(const char *path)
{
    const char *slash = strrchr(path, '/');
    char line[4096];
    int count = 0;
    FILE *f = fopen("/proc/self/maps", "r");
    while (f && fgets(line, sizeof line, f))
        count += strstr(line, slash ? slash : path) != NULL;
    if (f)
        fclose(f);
    return count;
}

static int command_cycle(int argc, char **argv)
{
    if (argc != 2)
        die("cycle", "FILE COUNT");
    long before = 0, count = atol(argv[1]);
    uint64_t first = 0;
    for (long i = 0; i < count; i++) {
        aot_file *file = open_file(argv[0], NULL);
        Run r = run_new(file, NULL, 1, 2, 1, PLACE_HEAP);
        uint64_t h = run_hash(&r);
        first = i ? first : h;
        if (h != first)
            die("cycle", "other results after another open");
        aot_close(file); /* before its session, as hosts may */
        run_free(&r);
        if (i == count / 4)
            before = resident_kb();
    }
    long grown = resident_kb() - before, permitted = 256;
#ifdef __SANITIZE_ADDRESS__
    permitted = 1 << 20; /* it keeps what was freed */
#endif
    printf("%ld cycles, grown by %ld KiB, %d mappings left\n", count, grown, still_mapped(argv[0]));
    return grown > permitted || still_mapped(argv[0]);
}

/* ---- one run, and a wrong one ---------------------------------------------------------------- */

static int command_digest(int argc, char **argv)
{
    if (argc < 3)
        die("digest", "FILE METHOD SIZE [ISA]");
    aot_file *file = open_file(argv[0], argc > 3 ? argv[3] : NULL);
    uint64_t first = 0;
    for (int place = 0; place < PLACE_COUNT; place++) {
        Run r = run_new(file, argv[1], 1, atoll(argv[2]), 7, (Place)place);
        uint64_t h = run_hash(&r);
        run_free(&r);
        first = place ? first : h;
        if (h != first)
            die("digest", "the results depend on where inputs and outputs lie");
    }
    aot_close(file);
    printf("%016" PRIx64 "\n", first);
    return 0;
}

static int command_outputs(int argc, char **argv)
{
    if (argc != 1)
        die("outputs", "FILE");
    aot_file *file = open_file(argv[0], NULL);
    Run r = run_new(file, NULL, 1, 2, 7, PLACE_HEAP);
    run_hash(&r);
    for (uint64_t i = 0; i < aot_output_count(r.session); i++)
        printf("%s %" PRIu64 "\n", aot_output_name(r.session, i), aot_output_bytes(r.session, i));
    run_free(&r);
    aot_close(file);
    return 0;
}

static aot_status probe_shape(Run *r, uint64_t i, const char *text)
{
    int64_t shape[MAX_RANK];
    int32_t rank = 0;
    for (char *end; *text && rank < MAX_RANK; text = *end ? end + 1 : end)
        shape[rank++] = strtoll(text, &end, 10);
    aot_status status = bind_input(r, i, shape, rank, 7, PLACE_END);
    return status ? status : aot_run(r->session);
}

static aot_status probe_dtype(Run *r, uint64_t i, const char *code, const char *bits)
{
    DLTensor *t = &aot_session_call(r->session)->inputs[i];
    DLDataType right = t->dtype;
    t->dtype = (DLDataType){ (uint8_t)atoi(code), (uint8_t)atoi(bits), 1 };
    aot_status status = aot_run(r->session);
    t->dtype = right;
    return status;
}

static aot_status probe_value(Run *r, uint64_t i, const char *index, const char *value)
{
    int64_t word = strtoll(value, NULL, 0);
    size_t at = (size_t)atoll(index) * sizeof word;
    if (at + sizeof word > r->in[i].bytes)
        die("probe", "INDEX is beyond the input");
    memcpy((char *)r->in[i].data + at, &word, sizeof word);
    return aot_run(r->session);
}

static int command_probe(int argc, char **argv)
{
    if (argc < 4 || (strcmp(argv[2], "shape") && argc < 5))
        die("probe", "FILE INPUT shape A,B,... | dtype CODE BITS | value INDEX VALUE");
    aot_file *file = open_file(argv[0], NULL);
    Run r = run_new(file, NULL, 1, 2, 7, PLACE_END);
    uint64_t want = run_hash(&r), i = (uint64_t)atoi(argv[1]);
    if (i >= aot_input_count(r.session))
        die("probe", "there is no such input");
    aot_status status = !strcmp(argv[2], "shape")   ? probe_shape(&r, i, argv[3])
                        : !strcmp(argv[2], "dtype") ? probe_dtype(&r, i, argv[3], argv[4])
                                                    : probe_value(&r, i, argv[3], argv[4]);
    printf("status %d: %s\n", (int)status, aot_session_error(r.session));
    bind_inputs(&r, 2, 7, PLACE_END);
    if (run_hash(&r) != want)
        die("probe", "the run after the failure gives other results");
    run_free(&r);
    aot_close(file);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = { { "threads", command_threads }, { "cycle", command_cycle },
                     { "digest", command_digest },   { "outputs", command_outputs },
                     { "probe", command_probe } };
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (argc > 1 && !strcmp(argv[1], commands[i].name))
            return commands[i].run(argc - 2, argv + 2);
    die("usage", "host threads|cycle|digest|outputs|probe ...");
}
