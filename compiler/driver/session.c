/* SPDX-License-Identifier: MIT */
/* Flags, artifacts and inputs of the commands that run models: see session.h. */
#include "session.h"
#include "sign.h"
#include "../../codegen/toolchain/toolchain.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- flags ----------------------------------------------------------------------------------- */

static bool is_flag(const char *word)
{
    return word[0] == '-' && word[1];
}

static uint64_t count_value(Job *job, const char *flag, const char *text)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < 1 || value > 4096)
        usage_error(job, "%s %s: is not a number from 1 to 4096", flag, text);
    return (uint64_t)value;
}

static void take_inputs(Job *job, Request *r, int argc, char **argv, int *i)
{
    const char *word = argv[*i];
    r->inputs_given = true;
    if (word[strlen("--inputs")] == '=')
        *vec_push(job, &r->inputs) = word + strlen("--inputs=");
    while (*i + 1 < argc && !is_flag(argv[*i + 1]))
        *vec_push(job, &r->inputs) = argv[++*i];
}

/* The flags that are about running; the compiler's --method NAME=FILE is not among them. */
static bool take_run_flag(Job *job, Request *r, int argc, char **argv, int *i)
{
    const char *word = argv[*i], *v;
    int at = *i;
    if (!strcmp(word, "--inputs") || !strncmp(word, "--inputs=", 9)) {
        take_inputs(job, r, argc, argv, i);
    } else if ((v = flag_value(job, "--isa", argc, argv, i))) {
        r->isa = v;
    } else if ((v = flag_value(job, "--cache", argc, argv, i))) {
        r->cache = v;
    } else if ((v = flag_value(job, "--require-signature", argc, argv, i))) {
        r->public_key = v;
    } else if ((v = flag_value(job, "--threads", argc, argv, i))) {
        r->threads = count_value(job, "--threads", v);
    } else if (r->fill_dims && (v = flag_value(job, "--dim", argc, argv, i))) {
        *vec_push(job, &r->dims) = v;
    } else if ((v = flag_value(job, "--method", argc, argv, i)) && !strchr(v, '=')) {
        r->method = v;
    } else {
        *i = at;
        return false;
    }
    return true;
}

void request_word(Job *job, Request *r, int argc, char **argv, int *i)
{
    const char *word = argv[*i];
    if (!is_flag(word)) {
        if (r->file)
            usage_error(job, "%s: a second file; inputs are given behind --inputs", word);
        r->file = word;
        return;
    }
    if (take_run_flag(job, r, argc, argv, i))
        return;
    if (!compile_flag(job, &r->compile, argc, argv, i))
        usage_error(job, "%s: is not known", word);
    r->compile_flag = r->compile_flag ? r->compile_flag : word;
}

/* ---- files and folders ----------------------------------------------------------------------- */

static void close_fd(void *handle)
{
    close(*(int *)handle);
}

bool is_artifact(Job *job, const char *path)
{
    char lead[4] = { 0 };
    int *fd = job_alloc(job, sizeof *fd);
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        fail(job, EXIT_INPUT, "%s: cannot be read; %s", path, strerror(errno));
    job_defer(job, close_fd, fd);
    if (read(*fd, lead, 4) < 0)
        fail(job, EXIT_INPUT, "%s: cannot be read; %s", path, strerror(errno));
    job_undefer(job, fd);
    close(*fd);
    return !memcmp(lead, "\177ELF", 4);
}

bool is_folder(const char *path)
{
    struct stat st;
    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

bool is_file(const char *path)
{
    struct stat st;
    return !stat(path, &st) && !S_ISDIR(st.st_mode);
}

const char *numbered(Job *job, const char *folder, const char *prefix, uint64_t number)
{
    return job_printf(job, "%s/%s%03" PRIu64 ".npy", folder, prefix, number);
}

void remove_folder(void *handle)
{
    const char *path = handle;
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
            unlinkat(dirfd(dir), e->d_name, 0);
    if (dir)
        closedir(dir);
    rmdir(path);
}

void remove_private_folder(void *handle)
{
    remove_folder(handle);
    free(handle);
}

char *private_folder(Job *job)
{
    const char *base = getenv("TMPDIR");
    char *path = strdup(job_printf(job, "%s/aotc-XXXXXX", base && *base ? base : "/tmp"));
    if (!path)
        fail(job, EXIT_RESOURCE, "out of memory");
    if (!mkdtemp(path)) {
        const char *text = job_copy(job, path, strlen(path));
        int error = errno;
        free(path);
        fail(job, EXIT_RESOURCE, "%s: cannot be created; %s", text, strerror(error));
    }
    job_defer(job, remove_private_folder, path);
    return path;
}

/* ---- opening --------------------------------------------------------------------------------- */

static int exit_code(aot_status status)
{
    if (status == AOT_EHOST || status == AOT_ESPACE)
        return EXIT_RESOURCE;
    return status == AOT_ECPU || status == AOT_EABI ? EXIT_UNSUPPORTED : EXIT_INPUT;
}

/* The .so to open: the file itself, or what it is compiled to (*folder: in a private folder of its own). */
static const char *artifact_of(Job *job, const Request *r, char **folder)
{
    if (!r->file)
        usage_error(job, "no model is given; expected a .so or .pt2 file");
    if (is_artifact(job, r->file)) {
        if (r->compile_flag)
            usage_error(job, "%s: is for compiling, and %s is compiled already", r->compile_flag, r->file);
        return r->file;
    }
    if (r->public_key)
        usage_error(job, "--require-signature: is for what is compiled, and %s is not", r->file);
    CompileOptions options = r->compile;
    options.cc = options.cc ? options.cc : getenv("CC");
    if (options.emit && strcmp(options.emit, "so"))
        usage_error(job, "--emit=%s: cannot be run; compile it by aotc alone", options.emit);
    if (options.output && r->cache)
        usage_error(job, "-o and --cache: only one of them says where the artifact goes");
    if (r->cache)
        return compile_cached(job, r->file, &options, r->cache);
    if (!options.output) {
        *folder = private_folder(job);
        options.output = job_printf(job, "%s/model.so", *folder);
    }
    compile_archive(job, r->file, &options);
    return options.output;
}

static void close_runner(void *handle)
{
    Runner *r = handle;
    aot_session_free(r->session);
    aot_close(r->open_file);
}

Runner *runner_open(Job *job, const Request *request)
{
    char text[1024] = "";
    uint8_t key[PUBLIC_KEY_BYTES];
    Runner *r = job_alloc(job, sizeof *r);
    *r = (Runner){ .job = job, .file = request->file };
    r->artifact = artifact_of(job, request, &r->folder);
    job_defer(job, close_runner, r);
    if (request->public_key)
        read_public_key(job, request->public_key, key);
    double start = seconds_now();
    aot_status status = request->public_key
                            ? aot_open_signed(r->artifact, request->isa, key, &r->open_file, text, sizeof text)
                            : aot_open(r->artifact, request->isa, &r->open_file, text, sizeof text);
    if (status)
        fail(job, exit_code(status), "%s", text);
    if (aot_session_new(r->open_file, request->method, request->threads, &r->session)) {
        const char *why = aot_session_error(NULL);
        if (request->method)
            usage_error(job, "--method %s: %s", request->method, why);
        fail(job, EXIT_USAGE, "%s: %s; name one with --method", r->file, why);
    }
    r->open_seconds = seconds_now() - start;
    if (r->folder) { /* it is mapped: nothing is left behind, however the process ends */
        job_undefer(job, r->folder);
        remove_private_folder(r->folder);
    }
    r->model = aot_file_model(r->open_file);
    r->method = aot_session_method(r->session);
    r->inputs = job_array(job, r->method->input_count + 1, sizeof *r->inputs);
    return r;
}

/* ---- ports ----------------------------------------------------------------------------------- */

bool takes_file(const aot_port *port)
{
    return !port->constant && !(port->flags & AOT_NONE);
}

uint64_t runner_file_count(const Runner *r)
{
    uint64_t n = 0;
    for (uint64_t i = 0; i < r->method->input_count; i++)
        n += takes_file(r->method->inputs[i]);
    return n;
}

const char *port_text(Job *job, const aot_port *port)
{
    Text t;
    text_init(&t, job);
    text_add(&t, "%s %s[", port->name, dtype_text(port->dtype));
    for (int32_t d = 0; d < port->ndim; d++) {
        const aot_dim *dim = &port->dims[d];
        text_add(&t, d ? ", " : "");
        if (!dim->symbol && dim->lo == dim->hi)
            text_add(&t, "%" PRId64, dim->lo);
        else
            text_add(&t, "%s in %" PRId64 "..", dim->symbol ? dim->symbol : "?", dim->lo);
        if ((dim->symbol || dim->lo != dim->hi) && dim->hi != INT64_MAX)
            text_add(&t, "%" PRId64, dim->hi);
    }
    text_add(&t, "]");
    return t.at;
}

static _Noreturn void wrong_count(const Runner *r, size_t given, const char *where)
{
    Text t;
    uint64_t n = runner_file_count(r);
    text_init(&t, r->job);
    for (uint64_t i = 0; i < r->method->input_count; i++)
        if (takes_file(r->method->inputs[i]))
            text_add(&t, "%s%s", t.n ? ", " : "", port_text(r->job, r->method->inputs[i]));
    fail(r->job, EXIT_INPUT, "%s: %zu input file%s given%s; method %s takes %" PRIu64 "%s%s", r->file, given,
         given == 1 ? " is" : "s are", where, r->method->name, n, n ? ": " : "", t.at);
}

/* Elements between the first and the end of a tensor of these strides. */
static uint64_t extent_of(const int64_t *shape, const int64_t *strides, int32_t rank)
{
    uint64_t last = 0;
    for (int32_t d = 0; d < rank; d++) {
        if (!shape[d])
            return 0;
        last += (uint64_t)((shape[d] - 1) * strides[d]);
    }
    return last + 1;
}

/* Copies between row-major and strided memory. */
static void copy_strided(char *strided, char *rows, const int64_t *shape, const int64_t *strides,
                         int32_t rank, uint64_t size, bool to_rows)
{
    int64_t index[NPY_MAX_RANK] = { 0 }, at = 0, count = 1;
    for (int32_t d = 0; d < rank; d++)
        count *= shape[d];
    for (int64_t i = 0; i < count; i++, rows += size) {
        char *element = strided + (uint64_t)at * size;
        memcpy(to_rows ? rows : element, to_rows ? element : rows, size);
        for (int32_t d = rank - 1; d >= 0; d--) {
            at += strides[d];
            if (++index[d] < shape[d])
                break;
            at -= strides[d] * shape[d];
            index[d] = 0;
        }
    }
}

/* ---- inputs ---------------------------------------------------------------------------------- */

/* What a file holds and the first thing about it that its port does not permit; NULL: it fits. */
static const char *misfit(const Runner *r, uint64_t i)
{
    const aot_port *port = r->method->inputs[i];
    const Array *a = &r->inputs[i];
    if (!a->path)
        return NULL;
    bool wrong =
        !dtype_same(aot_session_call(r->session)->inputs[i].dtype, port->dtype) || a->rank != port->ndim;
    for (int32_t d = 0; !wrong && d < port->ndim; d++)
        wrong = a->shape[d] < port->dims[d].lo || a->shape[d] > port->dims[d].hi;
    if (!wrong)
        return NULL;
    return job_printf(r->job, "%s holds %s%s for input %s", a->path, dtype_text(a->dtype),
                      shape_text(r->job, a->shape, a->rank), port_text(r->job, port));
}

static _Noreturn void refuse_inputs(const Runner *r, aot_status status)
{
    const char *text = aot_session_error(r->session);
    for (uint64_t i = 0; exit_code(status) == EXIT_INPUT && i < r->method->input_count; i++)
        if (misfit(r, i))
            fail(r->job, EXIT_INPUT, "%s: %s; %s", r->inputs[i].path, text, misfit(r, i));
    fail(r->job, exit_code(status), "%s: %s", r->file, text);
}

void runner_set(Runner *r, uint64_t i, Array *a)
{
    const aot_port *port = r->method->inputs[i];
    DLTensor *tensor = &aot_session_call(r->session)->inputs[i];
    bool bits = port->dtype.code == 4 && a->dtype.code == 1 && a->dtype.bits == 16; /* bfloat16 as uint16 */
    void *data = a->data;
    tensor->dtype = bits ? port->dtype : a->dtype;
    if (a->rank != port->ndim)
        fail(r->job, EXIT_INPUT, "%s: has %d dimensions; input %s has %d", a->path ? a->path : r->file,
             a->rank, port_text(r->job, port), port->ndim);
    if (!dtype_same(tensor->dtype, port->dtype))
        fail(r->job, EXIT_INPUT, "%s: is %s; input %s", a->path ? a->path : r->file, dtype_text(a->dtype),
             port_text(r->job, port));
    if (port->fixed_strides) {
        uint64_t size = dtype_bytes(port->dtype),
                 bytes = extent_of(a->shape, port->fixed_strides, a->rank) * size;
        for (int32_t d = 0; d < a->rank;
             d++) /* the strides are of sizes that are fixed; others would not fit them */
            if (a->shape[d] < port->dims[d].lo || a->shape[d] > port->dims[d].hi)
                fail(r->job, EXIT_INPUT, "%s: has sizes %s; input %s", a->path ? a->path : r->file,
                     shape_text(r->job, a->shape, a->rank), port_text(r->job, port));
        data = job_big(r->job, bytes);
        memset(data, 0, bytes);
        copy_strided(data, a->data, a->shape, port->fixed_strides, a->rank, size, false);
    }
    r->inputs[i] = *a;
    if (aot_set_input(r->session, i, data, a->rank ? a->shape : NULL, a->rank))
        refuse_inputs(r, AOT_ESHAPE);
}

/* Gives back what the last binding holds. */
static void release_inputs(Runner *r)
{
    for (uint64_t i = 0; i < r->method->input_count; i++) {
        Array *a = &r->inputs[i];
        void *bound = a->data ? aot_session_call(r->session)->inputs[i].data : NULL;
        if (bound && bound != a->data)
            job_release_big(r->job, bound);
        if (bound)
            aot_session_call(r->session)->inputs[i].data = NULL;
        job_release_big(r->job, a->data);
        *a = (Array){ 0 };
    }
}

void runner_bind(Runner *r, const char *const *files, size_t count)
{
    if (count != runner_file_count(r))
        wrong_count(r, count, "");
    release_inputs(r);
    for (uint64_t i = 0; i < r->method->input_count; i++) {
        Array a;
        if (!takes_file(r->method->inputs[i]))
            continue;
        npy_read(r->job, *files++, &a);
        runner_set(r, i, &a);
    }
}

void runner_bind_request(Runner *r, const Request *request)
{
    VEC(const char *) found = { 0 };
    if (request->inputs.n != 1 || !is_folder(request->inputs.at[0])) {
        runner_bind(r, request->inputs.at, request->inputs.n);
        return;
    }
    const char *folder = request->inputs.at[0], *path;
    while (found.n <= runner_file_count(r) && is_file(path = numbered(r->job, folder, "", found.n)))
        *vec_push(r->job, &found) = path;
    if (found.n != runner_file_count(r))
        wrong_count(r, found.n, job_printf(r->job, " (000.npy, 001.npy, ... in %s)", folder));
    runner_bind(r, found.at, found.n);
}

/* ---- running --------------------------------------------------------------------------------- */

void runner_plan(Runner *r)
{
    aot_status status = aot_plan(r->session);
    if (status)
        refuse_inputs(r, status);
}

void runner_run(Runner *r)
{
    aot_status status = aot_run(r->session);
    if (status)
        refuse_inputs(r, status);
}

/* A tensor of the session as a row-major array. */
static void view_of(Runner *r, const DLTensor *t, Array *view)
{
    if (t->ndim > NPY_MAX_RANK)
        fail(r->job, EXIT_UNSUPPORTED, "%s: a tensor has %d dimensions; at most %d can be shown", r->file,
             t->ndim, NPY_MAX_RANK);
    *view = (Array){ .dtype = t->dtype, .rank = t->ndim, .count = 1, .data = t->data };
    for (int32_t d = 0; d < t->ndim; d++)
        view->count *= view->shape[d] = t->shape[d];
    view->bytes = (uint64_t)view->count * dtype_bytes(t->dtype);
    if (t->strides && view->count) {
        view->data = job_big(r->job, view->bytes);
        copy_strided(t->data, view->data, view->shape, t->strides, t->ndim, dtype_bytes(t->dtype), true);
    }
}

bool runner_output(Runner *r, uint64_t i, Array *view)
{
    const aot_port *port = r->method->outputs[i];
    if (port->flags & AOT_NONE)
        return false;
    view_of(r, &aot_session_call(r->session)->outputs[i], view);
    if (!view->data)
        view->data = (void *)(uintptr_t)port->constant;
    return true;
}

bool runner_input(Runner *r, uint64_t i, Array *view)
{
    if (r->method->inputs[i]->flags & AOT_NONE)
        return false;
    view_of(r, &aot_session_call(r->session)->inputs[i], view);
    return true;
}
