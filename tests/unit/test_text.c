/* SPDX-License-Identifier: MIT */
/* Both IRs as text: print(parse(print(x))) == print(x), and a program that was read plans and emits as the one that
 * was written.  Arguments: model.pt2 files, each of which is imported, printed, run through all passes, lowered and
 * planned, and every text is read back, in the same job and in a fresh one; and .gir and .lir files, which are mutated:
 * what comes out is refused, or goes through the whole compiler. */
#include "../check.h"
#include "../../compiler/driver/compile.h"
#include <unistd.h>

static const char *text_of_graph(Job *job, Graph *g)
{
    Text t;
    text_init(&t, job);
    graph_print(&t, g);
    return t.at;
}

static const char *text_of_program(Job *job, const Program *p)
{
    Text t;
    text_init(&t, job);
    program_print(&t, p);
    return t.at;
}

static const char *c_of(Job *job, const Program *p, const Weights *weights)
{
    Artifact a = { .job = job, .name = sym(job, "sample"), .programs = &p, .program_count = 1, .weights = weights,
                   .metadata = "", .version = "0" };
    Text t;
    text_init(&t, job);
    emit_model(&t, &a);
    return t.at;
}

/* ---- in a fresh job ------------------------------------------------------------------------------ */

typedef struct Again {
    const char *text, *c; /* c: what emission must give, or NULL */
    uint64_t weights;
    bool program, plan, same;
} Again;

static void again(Job *job, void *arg)
{
    Again *a = arg;
    if (!a->program) {
        Graph *g = graph_parse(job, "text", a->text);
        CHECK(graph_verify(g) == NULL);
        a->same = CHECK_TEXT(text_of_graph(job, g), a->text);
        return;
    }
    Weights weights = { .job = job };
    Program *p = program_parse(job, "text", a->text, &weights);
    a->same = CHECK_TEXT(text_of_program(job, p), a->text);
    if (a->plan)
        plan_memory(p);
    weights.bytes = a->weights; /* shared with other methods */
    if (a->c)
        a->same &= CHECK_TEXT(c_of(job, p, &weights), a->c);
}

static void read_again(const char *where, Again a)
{
    if (!CHECK(job_run(again, &a, stderr) == 0 && a.same))
        fprintf(stderr, "in %s\n", where);
}

/* ---- a model --------------------------------------------------------------------------------------- */

static void graph_text(Job *job, const char *where, Graph *g)
{
    const char *text = text_of_graph(job, g);
    CHECK_TEXT(text_of_graph(job, graph_parse(job, where, text)), text);
    read_again(where, (Again){ .text = text });
}

static void program_text(Job *job, const char *where, Graph *g, Weights *weights)
{
    Program *p = lower(g, weights, (LowerOptions){ .winograd = 4 });
    const char *loops = text_of_program(job, p);
    plan_memory(p);
    const char *planned = text_of_program(job, p), *c = c_of(job, p, weights);
    uint64_t bytes = weights->bytes;
    Weights same = { .job = job };
    CHECK_TEXT(text_of_program(job, program_parse(job, where, loops, &same)), loops);
    CHECK(same.bytes <= bytes);
    read_again(where, (Again){ .text = loops, .c = c, .weights = bytes, .program = true, .plan = true });
    read_again(where, (Again){ .text = planned, .c = c, .weights = bytes, .program = true });
}

static void model(Job *job, void *arg)
{
    const char *path = arg;
    evaluator_install(job);
    Archive *archive = archive_open(job, path);
    ImportOptions import = { 0 };
    Weights weights = { .job = job };
    for (size_t i = 0; i < archive_model_count(archive); i++) {
        Graph *g = import_program(job, archive, i, sym(job, "forward"), &import);
        graph_text(job, path, g);
        for (size_t k = 0; k < graph_pass_count; k++) {
            CHECK(passes_run_one(g, graph_passes[k].name));
            graph_text(job, path, g);
        }
        program_text(job, path, g, &weights);
    }
}

/* ---- texts by hand ------------------------------------------------------------------------------------ */

static const char *const graphs[] = {
    "graph empty\nend\n",
    "graph \"a graph\"\n"
    "  sym s0 in 2..inf\n  sym s1 in -3..7\n"
    "  input \"input\": f32[s0, 3*s0 + 1] scalar\n  input n = i64 -5\n  input r = f64 inf\n  input z = f64 -0.0\n"
    "  input t = bool 1\n  input none.1 = none\n"
    "  const w: f32[2] \"lin.\\\"w\\\\\" = [0.1, -inf]\n  const h: f16[3] = [65504.0, 5.9604645e-08, nan]\n"
    "  const b: bf16[] = [3.0]\n  const i: i8[2, 2] = [-128, 127, 0, 1]\n  const u: u64[] = [18446744073709551615]\n"
    "  const e: f64[0] = []\n  const big: f32[1000, 1000]\n"
    "  guard s0 <= 8 \"a \\x0a b\"\n  guard s0*s1 != 3 \"\"\n"
    "  \"end\": f32[s0, 3*s0 + 1] = relu(\"input\")  @ \"m.py\":3 \"x = \\\"f\\\"(x)\" in \"a.0\"\n"
    "  f: f64[] = full() {value=1e-300}  @ = \"x\"\n  g: i64[] = full() {value=[-9223372036854775808]}  @ in \"m\"\n"
    "  output \"the end\" = \"end\" scalar\n  output n = i64 3\n  output q = none\nend\n",
    "graph nested\n  input p: bool[]\n  input x: f32[2]\n"
    "  y: f32[2] = cond(p, x)\n"
    "  region yes\n    input x: f32[2]\n    output x = x\n  end\n"
    "  region no\n    input x: f32[2]\n    n: f32[2] = neg(x)\n    output n = n\n  end\n"
    "  output y = y\nend\n",
};

static const char *const programs[] = {
    "program empty\n  workspace 0\nend\n",
    "program hand\n  sym s0 in 1..64\n"
    "  input x = x: f32[s0, 4] strides [4, 1]\n  input k = i64 7\n  output y = out_y: f32[s0] strides [1]\n"
    "  guard s0 < 100 \"small\"\n"
    "  const table: f32[8, 4] strides [4, 1] weight 64 \"emb.weight\"\n  const ids: i32[s0 - s0 + 4] strides [1] "
    "weight 0\n"
    "  work \"for\": f32[s0, 1, 2] strides [8, 1, 2] offset 2 elements 8*s0 halo [0, 0, 1] channels_last steps 0..1 at "
    "0 \"w\"\n"
    "  workspace 64*((s0 + 1)//2)\n"
    "  kernel \"odd name!\" \"what it does\"  @ \"m.py\":1 \"y\" in \"m\"\n    reads x, ids, table\n    writes "
    "\"for\"\n"
    "    call aotk_zero_halo_f32 aotk_halo(x=@\"for\" + 2, n=s0, act=\"AOTK_ACT_RELU\", s[0]=1)\n"
    "    call aotk_pack_f32(dst=@\"for\", k=-1)\n"
    "    for i < s0\n"
    "      let at: i64 = cast.i64(ids[i] if lt.bool([i], 4:i64))\n      check at < 8 \"ids\"\n"
    "      acc sum: f32 = -0.0:f32\n"
    "      for j < 4\n"
    "        sum = add.f32(sum, mul.f32(x[4*i + j], table[4*at + j]))\n"
    "      end\n"
    "      \"for\"[8*i + 2] = where.f32(ge.bool(sum, nan:f32), sum, -inf:f32)\n"
    "    end\n  end\n"
    "  kernel copy\n    reads \"for\"\n    writes out_y\n    for i < 1\n      out_y[i] = \"for\"[8*i + 2]\n    end\n  "
    "end\nend\n",
    "program branch\n  input p = p: bool[] strides []\n  output o = out_o: u8[] strides []\n"
    "  if p\n    kernel one\n      writes out_o\n      out_o[0] = 255:u8\n    end\n"
    "  else\n    kernel two\n      writes out_o\n      out_o[0] = not.u8(0:u8)\n    end\n  end\nend\n",
};

static void by_hand(void)
{
    for (size_t i = 0; i < sizeof graphs / sizeof *graphs; i++)
        read_again("a text by hand", (Again){ .text = graphs[i] });
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        if (i == 1) /* written for people, not by the printer: sizes fold, variables repeat */
            continue;
        read_again("a text by hand", (Again){ .text = programs[i], .program = true });
    }
}

/* A text written by hand reads as its own canonical form. */
static void settles(Job *job, void *arg)
{
    Weights weights = { .job = job };
    const char *once = text_of_program(job, program_parse(job, "text", arg, &weights));
    CHECK_HAS(once, "for i1 < 1\n      out_y[i1] = \"for\"[8*i1 + 2]");
    CHECK_HAS(once, "const ids: i32[4] strides [1] weight 0\n");
    CHECK_HAS(once, "let at: i64 = cast.i64(ids[i] if lt.bool([i], 4:i64))\n      check at < 8 \"ids\"\n");
    CHECK(weights.bytes == 64 + 8 * 4 * 4);
    read_again("a text by hand", (Again){ .text = once, .program = true });
}

static void canonical(void)
{
    CHECK(job_run(settles, (void *)(uintptr_t)programs[1], stderr) == 0);
}

/* ---- hostile texts --------------------------------------------------------------------------------------- */

static bool has_elements(const Graph *g)
{
    bool all = true;
    for (size_t i = 0; i < g->consts.n + g->states.n; i++)
        all &= (i < g->consts.n ? g->consts.at[i] : g->states.at[i - g->consts.n])->tensor->storage != NULL;
    for
        each_node(n, g) for (uint32_t i = 0; i < n->region_count; i++) all &= has_elements(n->region[i]);
    return all;
}

/* What verify lets through, passes and lowering take. */
static void through_passes(Job *job, Graph *g, Weights *weights)
{
    passes_run(g, &(PassOptions){ NULL, false, stderr });
    if (!has_elements(g))
        return;
    Program *p = lower(g, weights, (LowerOptions){ .winograd = 4 });
    plan_memory(p);
    c_of(job, p, weights);
}

static void parse_any(Job *job, void *arg)
{
    const char *text = arg;
    Weights weights = { .job = job };
    if (!strncmp(text, "graph", 5)) {
        Graph *g = graph_parse(job, "text", text);
        if (graph_verify(g) == NULL)
            through_passes(job, g, &weights);
    } else {
        Program *p = program_parse(job, "text", text, &weights);
        text_of_program(job, p);
        if (!p->workspace)
            plan_memory(p);
        c_of(job, p, &weights);
    }
}

static uint64_t next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* Cuts, overwrites pieces; what comes out is refused or read, and never does anything else. */
static void mutated(const char *const *texts, size_t count, int rounds)
{
    static const char *const pieces[] = { "[",    "]",   "(",        "\"",   "\\",  "9223372036854775807",
                                          "-",    "{",   "end\n",    "s0",   "//0", "0",
                                          "nan",  "\n",  ";",        "@",    "=",   "*s0",
                                          "% s0", "if ", "min(s0, ", "f32[", "," };
    FILE *sink = fopen("/dev/null", "w");
    uint64_t state = 1;
    char buffer[16384];
    int read = 0;
    for (int i = 0; i < rounds; i++) {
        const char *from = texts[next(&state) % count];
        size_t n = strlen(from);
        memcpy(buffer, from, n + 1);
        for (uint64_t k = next(&state) % 3 + 1; k-- > 0;) {
            size_t at = next(&state) % (n + 1);
            const char *piece = pieces[next(&state) % (sizeof pieces / sizeof *pieces)];
            size_t gone = next(&state) % 4 * (next(&state) % 8), put = next(&state) % 4 ? strlen(piece) : 0;
            gone = gone > n - at ? n - at : gone;
            memmove(buffer + at + put, buffer + at + gone, n - at - gone + 1);
            memcpy(buffer + at, piece, put);
            n = n - gone + put;
        }
        int code = job_run(parse_any, buffer, sink);
        CHECK(code == 0 || code == EXIT_INPUT || code == EXIT_UNSUPPORTED);
        read += code == 0;
    }
    fclose(sink);
    fprintf(stderr, "%d of %d mutated texts were read\n", read, rounds);
}

static void hostile(void)
{
    mutated(graphs, sizeof graphs / sizeof *graphs, 40000);
    mutated(programs, sizeof programs / sizeof *programs, 40000);
}

static void deep(void)
{
    static const char *const open[] = {
        "graph g\n  sym s in 1..2\n  input x: f32[",
        "program p\n  output y = y: f32[] strides []\n  kernel k\n    writes y\n    y[0] = ",
        "program p\n  input c = c: bool[] strides []\n"
    };
    static const char *const more[] = { "(", "neg.f32(", "  if c\n" };
    static char text[2000000];
    for (int i = 0; i < 3; i++) {
        char *p = text + sprintf(text, "%s", open[i]);
        for (int k = 0; k < 200000; k++)
            p += sprintf(p, "%s", more[i]);
        CHECK(job_run(parse_any, text, stderr) == EXIT_INPUT);
    }
}

/* The golden tests' own texts, mutated. */
static void text_file(Job *job, void *arg)
{
    size_t n;
    const char *text = read_file(job, arg, 8000, &n), *start = text;
    while (*start == ';')
        start += strcspn(start, "\n") + 1;
    mutated(&start, 1, 500);
}

int main(int argc, char **argv)
{
    RUN(by_hand);
    RUN(canonical);
    RUN(deep);
    RUN(hostile);
    for (int i = 1; i < argc; i++) {
        fprintf(stderr, "%s\n", argv[i]);
        bool text = strstr(argv[i], ".gir") || strstr(argv[i], ".lir");
        int code = job_run(text ? text_file : model, argv[i], stderr);
        CHECK(code == 0 || code == EXIT_UNSUPPORTED);
        if (code)
            fprintf(stderr, "skipped: not for this compiler (%d)\n", code);
    }
    return check_report();
}
