/* SPDX-License-Identifier: MIT */
/* aotc run: one inference on .npy files.  With --outputs the results are files and nothing is printed;
 * without, or with
 * --expect, they are shown as a table, beside what was expected. */
#include "session.h"
#include "../../codegen/toolchain/toolchain.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

enum { SHOWN_ROWS = 4, SHOWN_COLUMNS = 10 };
static const double permitted = 1e-4; /* of the scale of an output, for --expect */

typedef struct RunCommand {
    Request request;
    const char *outputs, *expect, *state;
} RunCommand;

/* ---- results as files ------------------------------------------------------------------------ */

/* mkdir -p */
static void make_folder(Job *job, const char *path)
{
    char *text = job_copy(job, path, strlen(path));
    for (char *slash = text; *slash && (slash = strchr(slash + 1, '/'));) {
        *slash = 0;
        if (mkdir(text, 0777) && errno != EEXIST)
            break; /* the last mkdir says why */
        *slash = '/';
    }
    if (mkdir(path, 0777) && !is_folder(path))
        fail(job, EXIT_RESOURCE, "%s: cannot be created; %s", path, strerror(errno));
}

static void write_outputs(Runner *r, const char *folder)
{
    Array a;
    make_folder(r->job, folder);
    for (uint64_t i = 0; i < r->method->output_count; i++)
        if (runner_output(r, i, &a))
            npy_write(r->job, numbered(r->job, folder, "", i), a.dtype, a.rank, a.shape, a.data);
    for (uint64_t i = 0; i < r->method->input_count; i++)
        if (r->method->inputs[i]->flags & AOT_MUTATED && runner_input(r, i, &a))
            npy_write(r->job, numbered(r->job, folder, "in-", i), a.dtype, a.rank, a.shape, a.data);
}

/* ---- the state ------------------------------------------------------------------------------- */

static void load_state(const Runner *r, const char *path)
{
    uint64_t bytes = aot_state_size(r->session);
    struct stat st;
    size_t n;
    if (!path || (stat(path, &st) && errno == ENOENT))
        return;
    const char *block = read_file(r->job, path, SIZE_MAX / 4, &n);
    if (n != bytes)
        fail(r->job, EXIT_INPUT, "%s: holds %zu bytes; the state of %s has %" PRIu64, path, n, r->file,
             bytes);
    if (n)
        memcpy(aot_state(r->session), block, n);
}

static void save_state(const Runner *r, const char *path)
{
    if (path)
        output_file(r->job, path, 0666, aot_state(r->session), aot_state_size(r->session));
}

/* ---- results as a table ---------------------------------------------------------------------- */

static void print_row(Job *job, const char *head, const Array *a, int64_t from, int64_t count, bool more)
{
    printf(*head ? "    %-9s" : "   %s", head);
    for (int64_t i = 0; i < count; i++)
        printf(" %11s", element_text(job, a->dtype, a->data, from + i));
    printf("%s\n", more ? " ..." : "");
}

/* The first values; rows of a matrix that is narrow are rows here.  `expected` may be NULL. */
static void print_values(Job *job, const Array *a, const Array *expected)
{
    int64_t columns = a->rank > 1 && a->shape[a->rank - 1] > 0 ? a->shape[a->rank - 1] : a->count;
    int64_t rows = columns ? a->count / columns : 0,
            shown = columns < SHOWN_COLUMNS ? columns : SHOWN_COLUMNS;
    for (int64_t row = 0; row < rows && row < SHOWN_ROWS; row++) {
        print_row(job, expected ? "aotc" : "", a, row * columns, shown, shown < columns);
        if (expected)
            print_row(job, "expected", expected, row * columns, shown, shown < columns);
    }
    if (rows > SHOWN_ROWS)
        printf("    ... %" PRId64 " more rows\n", rows - SHOWN_ROWS);
}

/* Shows an output, and how far it is from what was expected; returns that, as part of the scale. */
static double show_output(Runner *r, uint64_t i, const char *expect)
{
    const char *name = r->method->outputs[i]->name;
    Array a, expected;
    if (!runner_output(r, i, &a)) {
        printf("output %" PRIu64 "  %s  None\n", i, name);
        return 0;
    }
    printf("output %" PRIu64 "  %s  %s %s\n", i, name, dtype_text(a.dtype),
           shape_text(r->job, a.shape, a.rank));
    if (!expect) {
        print_values(r->job, &a, NULL);
        return 0;
    }
    npy_read(r->job, numbered(r->job, expect, "", i), &expected);
    Difference d = array_difference(r->job, &a, &expected, 0, 0);
    if (!d.unlike)
        expected.dtype = a.dtype; /* bfloat16 travels as uint16 */
    print_values(r->job, &a, d.unlike ? NULL : &expected);
    fflush(stdout);
    if (d.unlike)
        fail(r->job, EXIT_INPUT, "%s: %s", expected.path, d.unlike);
    printf("    largest difference %.3g, which is %.3g of the largest value\n", d.largest,
           d.largest / d.scale);
    job_release_big(r->job, expected.data);
    return d.largest / d.scale;
}

static void show_outputs(Runner *r, const RunCommand *c, double run_seconds)
{
    double worst = 0;
    uint64_t at = 0;
    printf("%s  method %s  %s\n", r->file, r->method->name, r->model->isa);
    for (uint64_t i = 0; i < r->method->output_count; i++) {
        double off = show_output(r, i, c->expect);
        if (off > worst) {
            worst = off;
            at = i;
        }
    }
    printf("open %.0f us, run %.0f us\n", r->open_seconds * 1e6, run_seconds * 1e6);
    fflush(stdout);
    if (worst > permitted)
        fail(r->job, EXIT_INPUT,
             "%s: output %s differs from %s by %.3g of its largest value; at most %g is permitted", r->file,
             r->method->outputs[at]->name, numbered(r->job, c->expect, "", at), worst, permitted);
}

/* ---- the command ----------------------------------------------------------------------------- */

static void parse(Job *job, RunCommand *c, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *v;
        if ((v = flag_value(job, "--outputs", argc, argv, &i)))
            c->outputs = v;
        else if ((v = flag_value(job, "--expect", argc, argv, &i)))
            c->expect = v;
        else if ((v = flag_value(job, "--state", argc, argv, &i)))
            c->state = v;
        else
            request_word(job, &c->request, argc, argv, &i);
    }
    if (c->expect && !is_folder(c->expect))
        fail(job, EXIT_INPUT, "%s: is no folder; expected one with 000.npy, 001.npy, ...", c->expect);
}

void command_run(Job *job, int argc, char **argv)
{
    if (help_wanted(job, argc, argv, "run"))
        return;
    RunCommand c = { 0 };
    parse(job, &c, argc, argv);
    Runner *r = runner_open(job, &c.request);
    runner_bind_request(r, &c.request);
    load_state(r, c.state);
    double start = seconds_now();
    runner_run(r);
    double run_seconds = seconds_now() - start;
    if (c.outputs)
        write_outputs(r, c.outputs);
    save_state(r, c.state);
    if (!c.outputs || c.expect)
        show_outputs(r, &c, run_seconds);
}
