/* SPDX-License-Identifier: MIT */
/* In which of several ways a contraction is computed: as the cost model says, or as was measured (--tune). */
#include "../kernels/aotk.h"
#include "lower.h"
#include <string.h>

enum { DEPTH = 1024 }; /* of what aotk_igemm_f32 sums before it starts anew, unless told */

static int64_t number(const Idx *e)
{
    int64_t n = 0;
    idx_is_const(e, &n);
    return n;
}

/* A size that stands for all that a dimension can have; of a batch the smallest. */
static int64_t typical(const Type *t, int axis)
{
    const Idx *d = t->dim[axis];
    if (axis == 0 && t->rank > 2)
        return d->lo > 1 ? d->lo : 1;
    return d->hi < 64 ? d->hi : d->lo > 64 ? d->lo : 64;
}

/* ---- 3x3 across and down, stride 1: Winograd or a plain sum ---- */

static bool fits_winograd(const Node *n)
{
    const Type *w = &n->in[1]->type;
    if (n->op != OP_conv || w->rank < 4 || node_int(n, "groups", 0) != 1)
        return false;
    for (int i = w->rank - 2; i < w->rank; i++)
        if (number(w->dim[i]) != 3 || node_int(n, "stride", (size_t)i - 2) != 1)
            return false;
    return number(w->dim[0]) % 16 == 0 && number(w->dim[1]) % 16 == 0;
}

static double tiles_along(const Node *n, int axis, int tile)
{
    return (double)aotk_winograd_tiles(typical(&n->out[0]->type, axis), tile, node_int(n, "dilation", (size_t)axis - 2));
}

enum { STREAM = 6, PARTS = 32 }; /* multiply-adds in the time of reading a weight; the most parts of a convolution */

/* The time of a plain sum whose pixels are done in parts that meet the same taps, in parts of the time of one over all taps;
 * 1: it is none that gains by that. */
static double part_time(const Node *n)
{
    const Type *w = &n->in[1]->type, *out = &n->out[0]->type;
    double met = (double)typical(out, 0), all = met, read = STREAM, taps = 1;
    int parts = 1;
    if (n->op != OP_conv || w->rank > 4 || node_int(n, "groups", 0) != 1)
        return 1;
    for (int i = 0; i < w->rank - 2; i++) {
        Span span[SPANS];
        int count = conv_spans(n, (size_t)i, span);
        double sums = 0, reads = 0;
        for (int k = 0; k < count; k++) {
            sums += (double)span[k].size * (double)span[k].taps;
            reads += (double)span[k].taps;
        }
        if (!count || (parts *= count) > PARTS)
            return 1;
        met *= sums;
        read *= reads;
        all *= (double)number(out->dim[i + 2]);
        taps *= (double)number(w->dim[i + 2]);
    }
    double time = (met + read) / (taps * (all + STREAM));
    return time < 0.8 ? time : 1;
}

/* The output tile that is fastest: 4, 2, or 0 for a plain sum.  The unit is a multiply-add at full rate, two of them a
 * flop pair; a float that is transformed costs as much as 25 of them, and so does a weight that is read, because the
 * transformed weights hardly ever lie in the cache: measured, docs/measurements.md. */
static int winograd_tile(const Node *node, int most)
{
    enum { TOUCH = 25 };
    const Type *out = &node->out[0]->type;
    if (!fits_winograd(node))
        return 0;
    const Type *filter = &node->in[1]->type;
    double depth = (double)number(filter->dim[1]), cout = (double)number(filter->dim[0]), n = (double)typical(out, 0);
    double h = (double)typical(out, out->rank - 2), w = (double)typical(out, out->rank - 1);
    for (int i = 2; i < out->rank - 2; i++) { /* of a volume, planes are as images of a batch, and as channels */
        n *= (double)typical(out, i);
        depth *= (double)number(filter->dim[i]);
    }
    double matrix = depth * cout, best = 9 * matrix * (n * h * w * 1.03 + STREAM) * part_time(node);
    int tile = 0;
    for (int t = 2; t <= most; t += 2) {
        double tiles = n * tiles_along(node, out->rank - 2, t) * tiles_along(node, out->rank - 1, t), all = (t + 2) * (t + 2);
        double cost = all * (matrix * (tiles + TOUCH) + TOUCH * tiles * (depth + cout));
        if (cost < best) {
            best = cost;
            tile = t;
        }
    }
    return tile;
}

/* ---- choices ---- */

static void print_type(Text *t, DType d, const Type *type)
{
    text_add(t, "%s[", dtype_info[d].name);
    for (int i = 0; i < type->rank; i++)
        text_add(t, "%s%lld", i ? ", " : "", (long long)typical(type, i));
    text_add(t, "]");
}

static void print_numbers(Text *t, const Node *n, const char *name, const char *end)
{
    const Attr *a = node_attr(n, name);
    text_add(t, "%s=[", name);
    for (size_t i = 0; i < a->n; i++)
        text_add(t, "%s%lld", i ? ", " : "", (long long)node_int(n, name, i));
    text_add(t, "]%s", end);
}

/* The size of the result along a spatial axis, for the typical size of the operand. */
static int64_t conv_size(const Node *n, int axis, int64_t in)
{
    size_t i = (size_t)axis - 2;
    int64_t span = (number(n->in[1]->type.dim[axis]) - 1) * node_int(n, "dilation", i) + 1;
    return (in + 2 * node_int(n, "padding", i) - span) / node_int(n, "stride", i) + 1;
}

/* The type of a contraction's result, if its first operand has these sizes. */
static Type result_type(Job *job, const Node *n, const Type *in)
{
    const Type *w = &n->in[1]->type;
    Type t = *in;
    if (n->op == OP_conv) {
        for (int i = 2; i < t.rank; i++)
            t.dim[i] = idx_const(job, conv_size(n, i, number(in->dim[i])));
        t.dim[1] = w->dim[0];
        return t;
    }
    t.rank = n->out[0]->type.rank;
    for (int i = 0; i < t.rank; i++) {
        int at = i - (t.rank - in->rank), own = i - (t.rank - w->rank);
        bool repeats = at < 0 || (own >= 0 && i < t.rank - 2 && idx_is(in->dim[at], 1));
        t.dim[i] = repeats || i == t.rank - 1 ? w->dim[own] : in->dim[at];
    }
    return t;
}

/* Adds one contraction of what is called `x` to the key and to the sample, which calls its weight and itself `y`. */
static Type describe(Choice *c, Node *n, const Type *in, const char *x, const char *y)
{
    Tensor weight;
    contract_packs(n, &weight);
    bool half = weight.dtype != DT_f32;
    Text *s = &c->sample, *key = &c->key, number_text;
    text_init(&number_text, key->job);
    Type out = result_type(key->job, n, in);
    if (n->op == OP_conv) {
        text_add(&number_text, " {");
        print_numbers(&number_text, n, "stride", ", ");
        print_numbers(&number_text, n, "padding", ", ");
        print_numbers(&number_text, n, "dilation", ", ");
        print_numbers(&number_text, n, "groups", "}");
    }
    text_add(key, "%s ", op_info[n->op].name);
    print_type(key, DT_f32, in);
    text_add(key, " x ");
    print_type(key, weight.dtype, &n->in[1]->type);
    text_add(key, "%s", number_text.at);
    text_add(s, "  const %s_weight: ", y);
    print_type(s, weight.dtype, &n->in[1]->type);
    if (half) {
        text_add(s, "\n  %s_wide: ", y);
        print_type(s, DT_f32, &n->in[1]->type);
        text_add(s, " = cast(%s_weight)", y);
    }
    text_add(s, "\n  %s: ", y);
    print_type(s, DT_f32, &out);
    text_add(s, " = %s(%s, %s_%s)%s\n", op_info[n->op].name, x, y, half ? "wide" : "weight", number_text.at);
    return out;
}

static void add_way(Choice *c, Way way, const Way *first)
{
    bool same = way.tile == first->tile && way.depth == first->depth && way.apart == first->apart;
    if (c->count == 0 || !same)
        c->way[c->count++] = way;
}

const char *way_name(Job *job, const Way *w)
{
    if (w->tile)
        return job_printf(job, "winograd %d", w->tile);
    return w->depth == 0 ? w->apart ? "apart" : "together" : job_printf(job, "depth %d", w->depth);
}

/* Multiply-adds behind each other in one element of the result. */
static int64_t depth_of(const Node *n)
{
    const Type *w = &n->in[1]->type;
    int64_t depth = 1;
    if (n->op == OP_matmul)
        return number(w->dim[w->rank - 2]);
    for (int i = 1; i < w->rank; i++)
        depth *= number(w->dim[i]);
    return depth;
}

bool contract_choice(Job *job, const LowerOptions *o, Node *n, Choice *c)
{
    static const int depths[] = { DEPTH, DEPTH / 2, DEPTH * 2 };
    Tensor weight;
    c->count = 0;
    if (n->op == OP_grouped_matmul || !contract_packs(n, &weight)) /* the rows of a group are not known */
        return false;
    if (conv_pair(n)) {
        add_way(c, (Way){ .apart = false }, &(Way){ .apart = true });
        add_way(c, (Way){ .apart = true }, &c->way[0]);
    } else if (n->op == OP_matmul || !conv_lanes(n)) {
        Way best = { .tile = winograd_tile(n, o->winograd) };
        best.depth = best.tile ? 0 : DEPTH;
        add_way(c, best, &best);
        for (int tile = 4; tile >= 2 && fits_winograd(n); tile -= 2)
            if (tile <= o->winograd)
                add_way(c, (Way){ .tile = tile }, &best);
        for (size_t i = 0; i < sizeof depths / sizeof *depths; i++)
            if (i == 0 || (weight.dtype == DT_f32 && depth_of(n) > (i == 1 ? depths[1] : DEPTH) * 3 / 2))
                add_way(c, (Way){ .depth = depths[i] }, &best);
    }
    if (c->count < 2)
        return false;
    Node *first = conv_pair(n) ? n->in[0]->def : n;
    Type in = first->in[0]->type;
    for (int i = 0; i < in.rank; i++)
        in.dim[i] = idx_const(job, typical(&first->in[0]->type, i));
    text_init(&c->key, job);
    text_init(&c->sample, job);
    text_add(&c->sample, "graph sample\n  input x: ");
    print_type(&c->sample, DT_f32, &in);
    text_add(&c->sample, "\n");
    Type between = describe(c, first, &in, "x", "y");
    if (first != n) {
        text_add(&c->key, " then ");
        describe(c, n, &between, "y", "z");
    }
    if (fits_winograd(n) && o->winograd != 4)
        text_add(&c->key, " winograd<=%d", o->winograd);
    text_add(&c->sample, "  output 0 = %s\nend\n", first != n ? "z" : "y");
    return true;
}

Way contract_way(Lower *l, Node *n)
{
    const LowerOptions *o = &l->p->options;
    Choice c;
    Way w = { .tile = winograd_tile(n, o->winograd) };
    bool measured = o->tuned_count && contract_choice(l->job, o, n, &c);
    for (size_t i = 0; measured && i < o->tuned_count; i++) {
        if (strcmp(o->tuned[i].key, c.key.at))
            continue;
        int k = 0;
        while (k < c.count && strcmp(way_name(l->job, &c.way[k]), o->tuned[i].way))
            k++;
        if (k == c.count)
            fail(l->job, EXIT_INPUT, "--tune: \"%s\" is no way to compute %s", o->tuned[i].way, o->tuned[i].key);
        w = c.way[k];
        w.depth = w.depth == DEPTH ? 0 : w.depth; /* as without being asked: the same text */
    }
    w.parts = !w.tile && part_time(n) < 1;
    return w;
}
