/* SPDX-License-Identifier: MIT */
/* aotc verify: a model against recorded inputs and outputs, and the comparison of arrays.
 *
 * The folder holds inputs/000.npy, ... and outputs/000.npy, ..., or any number of cases side by side:
 * NAME_in_0.npy, ... and NAME_out_0.npy, ...  Outputs are numbered as in the signature; inputs by order.
 * Cases are run in the order of their names, in one session: a state is carried from case to case. */
#include "session.h"
#include "sign.h"
#include "../archive/zip.h"
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- comparison ------------------------------------------------------------------------------ */

static const char *unlike(Job *job, const Array *found, const Array *expected)
{
    bool same = dtype_same(found->dtype, expected->dtype) && found->rank == expected->rank;
    for (int32_t d = 0; same && d < found->rank; d++)
        same = found->shape[d] == expected->shape[d];
    if (same)
        return NULL;
    return job_printf(job, "holds %s%s, but the output is %s%s", dtype_text(expected->dtype),
                      shape_text(job, expected->shape, expected->rank), dtype_text(found->dtype),
                      shape_text(job, found->shape, found->rank));
}

/* A complex number counts as two elements. */
static Array real_parts(const Array *a)
{
    Array parts = *a;
    if (a->dtype.code != 5)
        return parts;
    parts.dtype = (DLDataType){ 2, (uint8_t)(a->dtype.bits / 2), 1 };
    parts.count *= 2;
    return parts;
}

static double absolute_difference(double found, double expected)
{
    if (found == expected || (isnan(found) && isnan(expected)))
        return 0;
    double off = fabs(found - expected);
    return isnan(off) ? INFINITY : off;
}

Difference array_difference(Job *job, const Array *found, const Array *expected, double rtol, double atol)
{
    Difference d = { .scale = 0 };
    Array want = *expected;
    if (found->dtype.code == 4 && want.dtype.code == 1 && want.dtype.bits == 16)
        want.dtype = found->dtype; /* bfloat16 travels as uint16 */
    if ((d.unlike = unlike(job, found, &want)))
        return d;
    Array a = real_parts(found), b = real_parts(&want);
    bool real = a.dtype.code == 2 || a.dtype.code == 4;
    size_t size = dtype_bytes(a.dtype);
    for (int64_t i = 0; i < a.count; i++) {
        double x = element_value(a.dtype, a.data, i), y = element_value(b.dtype, b.data, i);
        double off = absolute_difference(x, y);
        bool same = real
                        ? off <= atol + rtol * (isfinite(y) ? fabs(y) : 0)
                        : !memcmp((char *)a.data + (size_t)i * size, (char *)b.data + (size_t)i * size, size);
        off = !same && !real && off == 0 ? 1 : off; /* integers that differ beyond what a double holds */
        d.outside += !same;
        d.scale = isfinite(y) && fabs(y) > d.scale ? fabs(y) : d.scale;
        if (off > d.largest) {
            d.largest = off;
            d.at = i * found->count / a.count;
        }
    }
    d.scale = d.scale > 0 ? d.scale : 1;
    return d;
}

/* ---- the recorded cases ---------------------------------------------------------------------- */

typedef VEC(const char *) Paths;

typedef struct Case {
    const char *name;             /* "case0"; "" for the form with two folders */
    const char *inputs, *outputs; /* what precedes the number of a file */
    int digits;
} Case;

typedef struct Verify {
    Request request;
    const char *against;
    double rtol, atol;
    Runner *runner;
    VEC(Case) cases;
    uint64_t outputs, failed;
} Verify;

static const char *case_file(Job *job, const char *stem, int digits, uint64_t number)
{
    return job_printf(job, "%s%0*" PRIu64 ".npy", stem, digits, number);
}

static int by_name(const void *a, const void *b)
{
    return strverscmp(((const Case *)a)->name, ((const Case *)b)->name);
}

static bool is_other_method(const Runner *r, const char *name)
{
    for (uint64_t i = 0; i < r->model->method_count; i++)
        if (!strcmp(r->model->methods[i]->name, name))
            return r->model->methods[i] != r->method;
    return false;
}

/* Adds the case of a file "NAME_out_0.npy", once. */
static void add_case(Job *job, Verify *v, const char *file)
{
    const char *mark = strstr(file, "_out_");
    for (const char *next = mark; next; next = strstr(next + 1, "_out_"))
        mark = next;
    size_t digits = mark ? strspn(mark + 5, "0123456789") : 0;
    if (!digits || strcmp(mark + 5 + digits, ".npy"))
        return;
    const char *name = job_copy(job, file, (size_t)(mark - file));
    for (size_t i = 0; i < v->cases.n; i++)
        if (!strcmp(v->cases.at[i].name, name))
            return;
    if (is_other_method(v->runner, name))
        return;
    *vec_push(job, &v->cases) = (Case){ name, job_printf(job, "%s/%s_in_", v->against, name),
                                        job_printf(job, "%s/%s_out_", v->against, name), 1 };
}

static void close_folder(void *handle)
{
    closedir(handle);
}

static void find_cases(Job *job, Verify *v)
{
    const char *outputs = job_printf(job, "%s/outputs", v->against);
    if (is_folder(outputs)) {
        *vec_push(job, &v->cases) =
            (Case){ "", job_printf(job, "%s/inputs/", v->against), job_printf(job, "%s/", outputs), 3 };
        return;
    }
    DIR *dir = opendir(v->against);
    if (!dir)
        fail(job, EXIT_INPUT, "%s: cannot be read; %s", v->against, strerror(errno));
    job_defer(job, close_folder, dir);
    for (struct dirent *e; (e = readdir(dir));)
        add_case(job, v, e->d_name);
    job_undefer(job, dir);
    closedir(dir);
    if (!v->cases.n)
        fail(job, EXIT_INPUT, "%s: has no recorded outputs; expected outputs/000.npy or NAME_out_0.npy",
             v->against);
    qsort(v->cases.at, v->cases.n, sizeof *v->cases.at, by_name);
}

/* ---- one case -------------------------------------------------------------------------------- */

/* The inputs in the order of their numbers; leaves without a file may leave gaps. */
static void bind_case(Job *job, Verify *v, const Case *c)
{
    Paths files = { 0 };
    for (uint64_t i = 0; i < v->runner->method->input_count; i++) {
        const char *path = case_file(job, c->inputs, c->digits, i);
        if (is_file(path))
            *vec_push(job, &files) = path;
    }
    runner_bind(v->runner, files.at, files.n);
}

static void verify_output(Job *job, Verify *v, const Case *c, uint64_t i)
{
    Array found, expected;
    const aot_port *port = v->runner->method->outputs[i];
    const char *path = case_file(job, c->outputs, c->digits, i);
    if (!runner_output(v->runner, i, &found) ||
        ((port->constant || port->flags & AOT_SCALAR) && !is_file(path)))
        return;
    npy_read(job, path, &expected);
    Difference d = array_difference(job, &found, &expected, v->rtol, v->atol);
    bool bad = d.unlike || d.outside;
    expected.dtype = d.unlike ? expected.dtype : found.dtype; /* bfloat16 travels as uint16 */
    v->outputs++;
    v->failed += bad;
    printf("%-8s %-24s %-10s %-16s ", c->name, port->name, dtype_text(found.dtype),
           shape_text(job, found.shape, found.rank));
    if (d.unlike)
        printf("%s: %s\n", path, d.unlike);
    else if (bad)
        printf("%8.2e  %" PRId64 " of %" PRId64 " elements differ, most element %" PRId64
               ": %s, expected %s\n",
               d.largest / d.scale, d.outside, found.count, d.at,
               element_text(job, found.dtype, found.data, d.at),
               element_text(job, expected.dtype, expected.data, d.at));
    else
        printf("%8.2e  ok\n", d.largest / d.scale);
    job_release_big(job, expected.data);
}

/* ---- the command ----------------------------------------------------------------------------- */

static void parse(Job *job, Verify *v, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *text;
        if ((text = flag_value(job, "--against", argc, argv, &i)))
            v->against = text;
        else if ((text = flag_value(job, "--rtol", argc, argv, &i)))
            v->rtol = request_tolerance(job, "--rtol", text);
        else if ((text = flag_value(job, "--atol", argc, argv, &i)))
            v->atol = request_tolerance(job, "--atol", text);
        else
            request_word(job, &v->request, argc, argv, &i);
    }
    if (v->request.inputs_given)
        usage_error(job, "--inputs: verify takes its inputs from the folder of --against");
    if (!v->against && !v->request.public_key)
        usage_error(job, "verify needs --against DIR or --require-signature KEY");
}

/* Of any file: a jar, an archive. */
static void verify_signature(Job *job, const Request *r)
{
    uint8_t key[PUBLIC_KEY_BYTES];
    size_t size;
    if (!r->file)
        usage_error(job, "no file is given");
    read_public_key(job, r->public_key, key);
    const uint8_t *bytes = map_file(job, r->file, &size);
    check_signature(job, r->file, bytes, size, key);
    printf("%s: signed by the key of %s\n", r->file, r->public_key);
}

void command_verify(Job *job, int argc, char **argv)
{
    if (help_wanted(job, argc, argv, "verify"))
        return;
    Verify v = { .rtol = 1e-4, .atol = 1e-5 };
    parse(job, &v, argc, argv);
    if (!v.against) {
        verify_signature(job, &v.request);
        return;
    }
    v.runner = runner_open(job, &v.request);
    find_cases(job, &v);
    printf("%-8s %-24s %-10s %-16s largest difference, as part of the largest value\n", "case", "output",
           "dtype", "shape");
    for (size_t i = 0; i < v.cases.n; i++) {
        bind_case(job, &v, &v.cases.at[i]);
        runner_run(v.runner);
        for (uint64_t k = 0; k < v.runner->method->output_count; k++)
            verify_output(job, &v, &v.cases.at[i], k);
    }
    printf("%zu case%s, %" PRIu64 " outputs, %" PRIu64 " out of tolerance (rtol %g, atol %g)\n", v.cases.n,
           v.cases.n == 1 ? "" : "s", v.outputs, v.failed, v.rtol, v.atol);
    fflush(stdout);
    if (!v.outputs)
        fail(job, EXIT_INPUT, "%s: nothing was compared", v.against);
    if (v.failed)
        fail(job, EXIT_INPUT,
             "%s: %" PRIu64 " of %" PRIu64 " outputs differ from %s by more than the tolerance",
             v.request.file, v.failed, v.outputs, v.against);
}
