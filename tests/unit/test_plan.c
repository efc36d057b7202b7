/* SPDX-License-Identifier: MIT */
/* The memory plan of every committed model: buffers that live at once never share a byte, whatever the sizes are, and
 * the workspace is within a tenth of the largest sum of live buffers. */
#include "../../compiler/driver/compile.h"
#include "../check.h"

static const int64_t values[] = { 16, 200, 1, 3, 5000 };
enum { VALUES = sizeof values / sizeof *values, CLOSE = 2 /* where the tenth is asked for */, ALIGNMENT = 64 };

typedef struct Sizes {
    Job *job;
    int64_t value;
} Sizes;

static bool size_of(void *ctx, Sym name, int64_t *out)
{
    const Sizes *sizes = ctx;
    const Idx *s = idx_find(sizes->job, name);
    if (s)
        *out = sizes->value < s->lo ? s->lo : sizes->value > s->hi ? s->hi : sizes->value;
    return s != NULL;
}

static int64_t number(Sizes *sizes, const Idx *x)
{
    int64_t n = -1;
    CHECK(idx_eval(x, size_of, sizes, &n) && n >= 0);
    return n;
}

static int64_t rounded(int64_t n)
{
    return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void check_plan(Job *job, const Program *p, int64_t value, bool close)
{
    Sizes sizes = { job, value };
    int64_t least = 0, whole = number(&sizes, p->workspace) - number(&sizes, p->scratch_bytes);
    for (size_t i = 0; i < p->works.n; i++) {
        const Buffer *x = p->works.at[i];
        if (!x->at || x->scratch)
            continue;
        int64_t at = number(&sizes, x->at), end = at + number(&sizes, buffer_room(job, x)), live = 0;
        CHECK(at % ALIGNMENT == 0 && end <= whole);
        for (size_t k = 0; k < p->works.n; k++) {
            const Buffer *y = p->works.at[k];
            if (!y->at || y->scratch || y->first > x->last || x->first > y->last)
                continue;
            int64_t other = number(&sizes, y->at), room = number(&sizes, buffer_room(job, y));
            CHECK(x == y || end <= other || other + room <= at);
            if (y->first <= x->first)
                live += rounded(room);
        }
        least = live > least ? live : least;
    }
    if (close && !CHECK((double)whole <= 1.1 * (double)least))
        fprintf(stderr, "%s: %lld bytes for %lld\n", p->name, (long long)whole, (long long)least);
}

static void check_model(Job *job, void *arg)
{
    Compilation c = { .torch = NULL };
    compile_front(job, &c, arg, &(CompileOptions){ .output = NULL }, false);
    for (size_t i = 0; i < c.programs.n; i++)
        for (size_t k = 0; k < VALUES; k++)
            check_plan(job, c.programs.at[i], values[k], k < CLOSE);
}

int main(int argc, char **argv)
{
    FILE *sink = fopen("/dev/null", "w");
    int planned = 0;
    for (int i = 1; i < argc; i++) {
        int failed = atomic_load(&check_failed), code = job_run(check_model, argv[i], sink);
        CHECK(code == 0 || code == EXIT_UNSUPPORTED || code == EXIT_INPUT);
        planned += code == 0;
        if (atomic_load(&check_failed) > failed)
            fprintf(stderr, "in %s\n", argv[i]);
    }
    CHECK(argc == 1 || planned > 0);
    fclose(sink);
    return check_report();
}
