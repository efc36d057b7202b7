/* SPDX-License-Identifier: MIT */
/* Graphs: building, names, types, and that graph_verify finds the violation of each of its rules.  Texts that the
 * parser refuses are in tests/golden/parse. */
#include "../check.h"
#include "../../compiler/graph/graph.h"
#include "../../compiler/graph/words.h"
#include <math.h>

/* ---- verify: one text a rule ------------------------------------------------------------------------ */

/* Lines of a graph, and what verify says; NULL: nothing. */
static const struct {
    const char *lines, *says;
} rules[] = {
    { "y: f32[4, 6] = relu(x)", NULL },
    { "y: f32[4, 6] = relu(x, x)", "wrong number of operands" },
    { "y: f32[4, 6] = add(x)", "wrong number of operands" },
    { "y: f32[] = cat() {dim=[0]}", "wrong number of operands" },
    { "y: f32[4, 6] = add(x, n)", "different element types" },
    { "y: f32[4, 6] = and(x, x)", "operands of f32" },
    { "y: i64[2] = exp(n)", "operands of i64" },
    { "y: f32[4, 6] = where(x, x, x)", "condition that is not bool" },
    { "y: f32[4] = relu(x)", "not the type of its rule" },
    { "y: f64[4, 6] = relu(x)", "not the type of its rule" },
    { "y: f32[4, 5] = relu(x)", "not the sizes of its rule" },
    { "y: bool[4, 6] = lt(x, x)", NULL },
    { "y: f32[4, 6] = lt(x, x)", "not the type of its rule" },
    { "y: f32[24] = reshape(x)", NULL },
    { "y: f32[23] = reshape(x)", "changes the number of elements" },
    { "y: f32[2, 4, 6] = expand(x)", NULL },
    { "y: f32[2, 4, 7] = expand(x)", "another rank" },
    { "y: f32[6] = expand(x)", "another rank" },
    { "y: f32[-1] = full() {value=0.0}", "negative size" },
    { "y: f32[] = full()", "another attribute value" },
    { "y: f32[] = full() {value=\"x\"}", "another attribute value" },
    { "y: f32[] = full() {value=[1, 2]}", "another attribute value" },
    { "y: i64[2] = index() {expr=[s]}", "another rank" },
    { "y: i64[] = index() {expr=[s, s]}", "another attribute expr" },
    { "y: i64[2, 2] = iota()", "another rank" },
    { "y: f32[4] = sum(x) {dims=[1]}", NULL },
    { "y: f32[4] = sum(x)", "another attribute dims" },
    { "y: f32[4] = sum(x) {dims=[2]}", "another attribute dims" },
    { "y: f32[4] = sum(x) {dims=[-1]}", "another attribute dims" },
    { "y: f32[4] = sum(x) {dims=[1, 1]}", "another attribute dims" },
    { "y: f32[4] = sum(x) {dims=1.0}", "another attribute dims" },
    { "y: f32[4] = sum(x) {dims=[s]}", "another attribute dims" },
    { "y: f32[6, 4] = permute(x) {dims=[1, 0]}", NULL },
    { "y: f32[6, 4] = permute(x) {dims=[1]}", "another attribute dims" },
    { "y: f32[6, 4] = permute(x) {dims=[1, 1]}", "another attribute dims" },
    { "y: f32[6, 4] = permute(x) {dims=[9223372036854775807, 0]}", "another attribute dims" },
    { "y: f32[4, 3] = slice(x) {starts=[0, 1], steps=[1, 2]}", NULL },
    { "y: f32[4, 3] = slice(x) {starts=[0], steps=[1, 2]}", "another attribute starts" },
    { "y: f32[3] = slice(x) {starts=[0, 1], steps=[1, 2]}", "another rank" },
    { "y: f32[6, 8] = pad(x) {low=[1, 1]}", "another attribute value" },
    { "y: f32[4, 5, 2] = window(x) {axes=[1], kernel=[2], stride=[1], dilation=[1], low=[0], value=0.0}", NULL },
    { "y: f32[4, 5, 2] = window(x) {axes=[1], kernel=[2], stride=[0], dilation=[1], low=[0], value=0.0}",
      "attribute stride" },
    { "y: f32[4, 5] = window(x) {axes=[1], kernel=[2], stride=[1], dilation=[1], low=[0], value=0.0}", "another rank" },
    { "y: f32[8, 6] = cat(x, x) {dim=[0]}", NULL },
    { "y: f32[8, 6] = cat(x, x) {dim=[2]}", "another attribute dim" },
    { "y: f32[2, 6] = take(x, n) {axes=[0]}", NULL },
    { "y: f32[4, 6, 6] = take(x, x) {axes=[0]}", "indices that are no integers" },
    { "y: f32[2, 6] = take(x, n) {axes=[2]}", "another attribute axes" },
    { "y: f32[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1] = take(x, r) {axes=[0]}", "another rank" },
    { "y: f32[4, 4] = matmul(x, z) {bias=[2]}", "another attribute bias" },
    { "y: f32[4, 4] = matmul(x, z) {residual=[0]}", "another attribute residual" },
    { "y: f32[1, 8, 3] = conv(a, w)", "another attribute stride" },
    { "y: f32[1, 8, 3] = conv(a, w) {stride=[1], padding=[0], dilation=[1], groups=[1]}", NULL },
    { "y: f32[1, 8, 3] = conv(a, w) {stride=[1], padding=[-1], dilation=[1], groups=[1]}",
      "another attribute padding" },
    { "y: f32[1, 8, 3] = conv(a, w) {stride=[1], padding=[0], dilation=[1], groups=[0]}", "another attribute groups" },
    { "y: f32[4, 4] = linear(x, a)", "another rank" },
    { "y: f32[4, 6] = softmax(x)", "another attribute dim" },
    { "y: f32[4, 6] = layer_norm(x) {axes=[3], eps=0.1}", "another rank" },
    { "y: f32[4, 6] = sdpa(x, a, x) {causal=[0], scale=0.0}", "another rank" },
    { "y: f32[4, 6] = attention(x, x, x) {scale=1.0, causal=[0], zeros=[0], cap=0.0}", NULL },
    { "y: f32[4, 6] = attention(x, x, x, r) {scale=1.0, causal=[0], zeros=[0], cap=0.0}", "another rank" },
    { "y: f32[4, 4] = attention(x, x, z) {scale=1.0, causal=[0], zeros=[0], cap=0.0}", "another rank" },
    { "y: f32[4, 6] = attention(x, x, x) {causal=[0], zeros=[0], cap=0.0}", "another attribute scale" },
    { "y: f32[4, 6] = max_pool(x) {kernel=[2, 2], stride=[1, 1], padding=[0, 0], dilation=[1, 1]}", NULL },
    { "y: f32[4, 6] = max_pool(x) {kernel=[2, 2], stride=[1], padding=[0, 0], dilation=[1, 1]}", "attribute stride" },
    { "y: f32[4, 6] = max_pool(x) {kernel=[2, 2, 2], stride=[1, 1, 1], padding=[0, 0, 0], dilation=[1, 1, 1]}",
      "another rank" },
    { "y: f32[4, 6] = cond(p, x)", "two regions" },
    { "y: f32[4, 6], v: f32[4, 6] = relu(x)", "not one result" },
    { "y: f32[4, 6] = relu(x)\nregion r\nend", "has regions" },
    { "y: f32[4, 6] = cond(p, x)\nregion r\nend\nregion r\nend", "two regions" },
    { "y: f32[4, 6] = cond(x, x)\nregion r\ninput q: f32[4, 6]\noutput 0 = q\nend\nregion t\ninput q: f32[4, "
      "6]\noutput 0 = q\nend",
      "two regions" },
    { "y: f32[4, 6] = cond(p, x)\nregion r\ninput q: f32[4, 6]\noutput 0 = q\nend\nregion t\ninput q: f32[4]\noutput 0 "
      "= q\nend",
      "two regions" },
    { "y: f32[4, 6] = cond(p, x)\nregion r\ninput q: f32[4, 6]\noutput 0 = q\nend\nregion t\ninput q: f32[4, "
      "6]\noutput 0 = q\nend",
      NULL },
    { "y: f32[4, 6] = cond(p, x)\nregion r\ninput q: f32[4, 6]\nbad: f32[1] = relu(q)\noutput 0 = q\nend\n"
      "region t\ninput q: f32[4, 6]\noutput 0 = q\nend",
      "not the type of its rule" },
};

static void rule_body(Job *job, void *arg)
{
    (void)arg;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        const char *text =
            job_printf(job,
                       "graph g\nsym s in 1..8\ninput x: f32[4, 6]\ninput z: f32[6, 4]\ninput n: i64[2]\n"
                       "input p: bool[]\ninput a: f32[1, 4, 5]\nconst w: f32[8, 4, 3]\n"
                       "input r: i64[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n%s\noutput 0 = y\nend\n",
                       rules[i].lines);
        const char *bad = graph_verify(graph_parse(job, "rule", text));
        bool ok = rules[i].says ? CHECK_HAS(bad, rules[i].says) : CHECK(bad == NULL);
        if (!ok)
            fprintf(stderr, "of %s: %s\n", rules[i].lines, bad ? bad : "(nothing)");
    }
}

static void verify_rules(void)
{
    CHECK(job_run(rule_body, NULL, stderr) == 0);
}

/* What no text can say. */
static void broken_body(Job *job, void *arg)
{
    (void)arg;
    Graph *g =
        graph_parse(job, "g", "graph g\ninput x: f32[2]\na: f32[2] = relu(x)\nb: f32[2] = neg(a)\noutput 0 = b\nend\n");
    Graph *other = graph_parse(job, "g", "graph h\ninput x: f32[2]\noutput 0 = x\nend\n");
    Node *a = g->first, *b = g->last;
    CHECK(graph_verify(g) == NULL);
    b->in[0] = graph_value(other, sym(job, "x"));
    CHECK_HAS(graph_verify(g), "another graph");
    b->in[0] = b->out[0];
    CHECK_HAS(graph_verify(g), "not defined before");
    b->in[0] = a->out[0];
    a->out[0]->def = b;
    CHECK_HAS(graph_verify(g), "says otherwise");
    a->out[0]->def = a;
    graph_remove(g, b);
    CHECK_HAS(graph_verify(g), "output 0 is not defined");
}

static void broken(void)
{
    CHECK(job_run(broken_body, NULL, stderr) == 0);
}

/* ---- building -------------------------------------------------------------------------------------- */

static void build_body(Job *job, void *arg)
{
    (void)arg;
    Graph *g = graph_new(job, sym(job, "g"));
    const Idx *dim[2] = { idx_sym(job, sym(job, "s"), 1, 9), idx_const(job, 3) };
    Value *x = graph_input(g, sym(job, "x"), type_make(DT_f32, 2, dim));
    Build b = { .g = g };
    Value *y = build1(&b, OP_relu, x), *z = build1(&b, OP_relu, y);
    CHECK_TEXT(y->name, "relu");
    CHECK_TEXT(z->name, "relu_1");
    CHECK_TEXT(type_text(job, &z->type), "f32[s, 3]");
    CHECK(graph_value(g, sym(job, "relu_1")) == z && !graph_value(g, sym(job, "q")));
    graph_swap_names(g, y, z);
    CHECK(graph_value(g, sym(job, "relu_1")) == y && graph_value(g, sym(job, "relu")) == z);
    CHECK(build_cast(&b, x, DT_f32) == x && build_reshape(&b, x, 2, dim) == x);
    CHECK(build_permute(&b, x, (int[]){ 0, 1 }) == x);
    Value *t = build_permute(&b, x, (int[]){ 1, 0 });
    CHECK_TEXT(type_text(job, &t->type), "f32[3, s]");
    Value *m = build2(&b, OP_matmul, x, t);
    CHECK_TEXT(type_text(job, &m->type), "f32[s, s]");
    Value *r = build_reduce(&b, OP_sum, x, (bool[MAX_RANK]){ false, true }, true);
    CHECK_TEXT(type_text(job, &r->type), "f32[s, 1]");
    Value *c = build2(&b, OP_lt, x, r);
    CHECK_TEXT(type_text(job, &c->type), "bool[s, 3]");
    graph_replace(g, y, x);
    CHECK(z->def->in[0] == x);
    graph_count_uses(g);
    CHECK(y->uses == 0 && x->uses == 6);
    CHECK(graph_verify(g) == NULL);
}

static void building(void)
{
    CHECK(job_run(build_body, NULL, stderr) == 0);
}

static void mismatch_body(Job *job, void *arg)
{
    (void)arg;
    graph_verify(graph_parse(job, "g", "graph g\ninput x: f32[2]\ninput z: f32[3]\na: f32[2] = add(x, z)\nend\n"));
}

static void mismatches(void)
{
    FILE *f = tmpfile();
    char text[200] = "";
    CHECK(job_run(mismatch_body, NULL, f) == EXIT_INPUT);
    rewind(f);
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    CHECK_TEXT(text, "aotc: add: operands f32[2] and f32[3] do not fit together\n");
    fclose(f);
}

/* ---- elements of half types -------------------------------------------------------------------------- */

static void halves(void)
{
    static const struct {
        double v;
        unsigned f16, bf16;
    } table[] = { { 0, 0, 0 },
                  { -0.0, 0x8000, 0x8000 },
                  { 1, 0x3c00, 0x3f80 },
                  { 65504, 0x7bff, 0x4780 },
                  { 65519, 0x7bff, 0x4780 },
                  { 65520, 0x7c00, 0x4780 },
                  { INFINITY, 0x7c00, 0x7f80 },
                  { 6e-8, 1, 0x3381 },
                  { 2e-8, 0, 0x32ac },
                  { 1 + 1 / 2048.0, 0x3c00, 0x3f80 },
                  { 1 + 3 / 2048.0, 0x3c02, 0x3f80 },
                  { 1 + 1 / 256.0, 0x3c04, 0x3f80 },
                  { 1 + 3 / 256.0, 0x3c0c, 0x3f82 },
                  { 0.00006103515625, 0x400, 0x3880 } };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (!CHECK(float_to_bits(DT_f16, table[i].v) == table[i].f16 &&
                   float_to_bits(DT_bf16, table[i].v) == table[i].bf16))
            fprintf(stderr, "of %g: %#llx %#llx\n", table[i].v, (unsigned long long)float_to_bits(DT_f16, table[i].v),
                    (unsigned long long)float_to_bits(DT_bf16, table[i].v));
    for (unsigned h = 0; h < 0x10000; h++)
        for (int d = 0; d < 2; d++) {
            DType t = d ? DT_bf16 : DT_f16;
            double v = float_from_bits(t, h);
            if (!isnan(v))
                CHECK(float_to_bits(t, v) == h);
        }
    CHECK(isnan(float_from_bits(DT_f16, float_to_bits(DT_f16, NAN))));
    CHECK(isnan(float_from_bits(DT_bf16, float_to_bits(DT_bf16, NAN))));
}

int main(void)
{
    RUN(verify_rules);
    RUN(broken);
    RUN(building);
    RUN(mismatches);
    RUN(halves);
    return check_report();
}
