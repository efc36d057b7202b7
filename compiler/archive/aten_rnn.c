/* SPDX-License-Identifier: MIT */
/* Recurrent layers: what the input gives to the gates is one contraction for all times, the rest a loop over time. */
#include "aten.h"
#include <string.h>

enum { LSTM, GRU }; /* what the row's operator says; else it is the activation of a plain cell */

/* One layer in one direction. */
typedef struct Cell {
    int kind;
    Value *w_ih, *w_hh, *b_ih, *b_hh, *w_hr; /* biases, projection: may be NULL */
    Value *state[2];                         /* h; c of an LSTM */
    int states;
} Cell;

static int gates_of(int kind)
{
    return kind == LSTM ? 4 : kind == GRU ? 3 : 1;
}

static Value *linear(Build *b, Value *x, Value *w, Value *bias)
{
    Type t = x->type;
    t.dim[t.rank - 1] = w->type.dim[0];
    return build(b, OP_linear, (Value *[]){ x, w, bias }, bias ? 3 : 2, &t, NULL, 0);
}

/* Part i of the last axis, as large as `like`'s. */
static Value *part(Build *b, Value *v, int i, const Value *like)
{
    const Idx *size = like->type.dim[like->type.rank - 1], *one = idx_const(b->g->job, 1);
    return build_slice(b, v, v->type.rank - 1, idx_mulk(b->g->job, size, i), one, size);
}

/* The states after one time; `x` is what the input gives to the gates, its bias included. */
static void step(Build *b, const Cell *c, Value *x, Value **next)
{
    Value *h = c->state[0], *hidden = linear(b, h, c->w_hh, c->b_hh);
    if (c->kind == GRU) {
        Value *r = build1(b, OP_sigmoid, build2(b, OP_add, part(b, x, 0, h), part(b, hidden, 0, h)));
        Value *z = build1(b, OP_sigmoid, build2(b, OP_add, part(b, x, 1, h), part(b, hidden, 1, h)));
        Value *n = build2(b, OP_add, part(b, x, 2, h), build2(b, OP_mul, r, part(b, hidden, 2, h)));
        n = build1(b, OP_tanh, n);
        next[0] = build2(b, OP_add, n, build2(b, OP_mul, z, build2(b, OP_sub, h, n)));
        return;
    }
    Value *g = build2(b, OP_add, x, hidden), *m = c->state[1];
    if (c->kind != LSTM) {
        next[0] = build1(b, (Op)c->kind, g);
        return;
    }
    Value *in = build2(b, OP_mul, build1(b, OP_sigmoid, part(b, g, 0, m)), build1(b, OP_tanh, part(b, g, 2, m)));
    next[1] = build2(b, OP_add, build2(b, OP_mul, build1(b, OP_sigmoid, part(b, g, 1, m)), m), in);
    next[0] = build2(b, OP_mul, build1(b, OP_sigmoid, part(b, g, 3, m)), build1(b, OP_tanh, next[1]));
    if (c->w_hr)
        next[0] = linear(b, next[0], c->w_hr, NULL);
}

/* Sizes that `part` relies on. */
static void check_cell(Call *c, const Cell *cell)
{
    Job *job = c->b.g->job;
    const Value *last = cell->state[cell->states - 1];
    if (last->type.rank != 2 || cell->state[0]->type.rank != 2 || cell->w_ih->type.rank != 2 ||
        cell->w_hh->type.rank != 2)
        call_refuse(c, "of weights or states that have not two dimensions");
    const Idx *gates = idx_mulk(job, last->type.dim[1], gates_of(cell->kind));
    call_guard(c, GUARD_EQ, cell->w_ih->type.dim[0], gates, "the input's weight must have a row for each gate");
    call_guard(c, GUARD_EQ, cell->w_hh->type.dim[0], gates, "the state's weight must have a row for each gate");
}

/* v as the region sees it: constants themselves, so that they can be packed; others as one more operand. */
static Value *into_region(Graph *region, Value *v, Value **in, uint32_t *n)
{
    if (!v)
        return NULL;
    if (v->kind == VALUE_CONST)
        return graph_const(region, v->tensor, v->type, graph_name(region, v->name));
    in[(*n)++] = v;
    return graph_input(region, graph_name(region, v->name), v->type);
}

/* Runs over x [time, batch, features]; the states become the last ones.  Returns h of every time. */
static Value *run_layer(Call *c, Cell *cell, Value *x, bool reverse)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    check_cell(c, cell);
    Graph *body = graph_new(job, sym(job, "step"));
    Build inner = { .g = body, .origin = b->origin };
    Cell now = *cell;
    Value *in[8], *next[2];
    Type types[3];
    Sym names[3];
    uint32_t n = 0, states = (uint32_t)cell->states;
    for (uint32_t i = 0; i < states; i++) {
        in[n++] = cell->state[i];
        now.state[i] = graph_input(body, graph_name(body, "state"), cell->state[i]->type);
        types[i] = cell->state[i]->type;
        names[i] = graph_name(b->g, i ? "cell" : "hidden");
    }
    Value *gates = linear(b, x, cell->w_ih, cell->b_ih);
    Type slice = { gates->type.dtype, 2, { gates->type.dim[1], gates->type.dim[2] } };
    in[n++] = gates;
    Value *one = graph_input(body, sym(job, "gates"), slice);
    now.w_hh = into_region(body, cell->w_hh, in, &n);
    now.b_hh = into_region(body, cell->b_hh, in, &n);
    now.w_hr = into_region(body, cell->w_hr, in, &n);
    step(&inner, &now, one, next);
    for (uint32_t i = 0; i <= states; i++) {
        Value *v = next[i % states];
        *vec_push(job, &body->outputs) = (Port){ .name = v->name, .kind = PORT_TENSOR, .value = v };
    }
    const Idx *time = x->type.dim[0];
    types[states] = (Type){ types[0].dtype, 3, { time, types[0].dim[0], types[0].dim[1] } };
    names[states] = graph_name(b->g, "over_time");
    Node *loop = build_node(b, OP_loop, in, n, types, names, states + 1);
    node_set_attr(job, loop, attr_int(job, "carried", states));
    node_set_attr(job, loop, attr_int(job, "sliced", 1));
    node_set_attr(job, loop, attr_idx(job, "count", &time, 1));
    node_set_attr(job, loop, attr_int(job, "reverse", reverse));
    loop->region_count = 1;
    loop->region = job_array(job, 1, sizeof *loop->region);
    loop->region[0] = body;
    for (uint32_t i = 0; i < states; i++)
        cell->state[i] = loop->out[i];
    return loop->out[states];
}

/* Values of one type along a new first axis (stack) or along the last one. */
static Value *joined(Call *c, Value **v, uint32_t n, bool stack)
{
    Type t = v[0]->type;
    for (uint32_t i = 0; i < n && stack; i++)
        v[i] = build_reshape(&c->b, v[i], t.rank + 1, (const Idx *[]){ k(c, 1), t.dim[0], t.dim[1] });
    Attr at = attr_int(c->b.g->job, "dim", stack ? 0 : t.rank - 1);
    return n == 1 ? v[0] : build(&c->b, OP_cat, v, n, NULL, &at, 1);
}

static Value *layer_state(Call *c, Value *all, int64_t i)
{
    const Type *t = &all->type;
    if (t->rank != 3)
        call_refuse(c, "of states %s", type_text(c->b.g->job, t));
    call_guard(c, GUARD_LT, k(c, i), t->dim[0], "there must be a state for each layer");
    return pick(c, all, 0, k(c, i), &(Type){ t->dtype, 2, { t->dim[1], t->dim[2] } });
}

void decode_rnn(Call *c)
{
    Build *b = &c->b;
    int kind = (int)c->row->op, states = kind == LSTM ? 2 : 1;
    if (arg_json(c, "batch_sizes"))
        call_refuse(c, "of a packed sequence");
    if (arg_bool(c, "train") && arg_float(c, "dropout") != 0)
        call_refuse(c, "it drops at random (train=True); export the model in eval mode");
    Value *x = arg_tensor(c, "input"), *hx[2] = { NULL, NULL }, **params, **given;
    int64_t layers = arg_int(c, "num_layers"), directions = arg_bool(c, "bidirectional") ? 2 : 1;
    bool biases = arg_bool(c, "has_biases"), batch_first = arg_bool(c, "batch_first");
    if (kind != LSTM)
        hx[0] = arg_tensor(c, "hx");
    else if (arg_tensors(c, "hx", &given) == 2)
        memcpy(hx, given, sizeof hx);
    if (!hx[0] || x->type.rank != 3 || hx[0]->type.rank != 3 || layers < 1 || layers > 1 << 10)
        call_refuse(c, "of operands of these ranks");
    bool projects = kind == LSTM && hx[1]->type.rank == 3 && hx[0]->type.dim[2] != hx[1]->type.dim[2];
    size_t each = 2u + (biases ? 2 : 0) + (projects ? 1 : 0);
    if (arg_tensors(c, "params", &params) != each * (size_t)(layers * directions))
        fail_at(b->g->job, EXIT_INPUT, &b->origin, "%s: not %zu parameters a layer", c->target, each);
    x = batch_first ? build_permute(b, x, (int[]){ 1, 0, 2 }) : x;
    uint32_t count = (uint32_t)(layers * directions);
    Value **last[2];
    for (int s = 0; s < 2; s++)
        last[s] = job_array(b->g->job, count, sizeof(Value *));
    for (uint32_t i = 0; i < count; i += (uint32_t)directions) {
        Value *out[2];
        for (uint32_t d = 0; d < directions; d++) {
            Value **p = params + each * (i + d);
            Cell cell = { .kind = kind, .w_ih = p[0], .w_hh = p[1], .states = states };
            if (biases) {
                cell.b_ih = p[2];
                cell.b_hh = p[3];
            }
            cell.w_hr = projects ? p[each - 1] : NULL;
            for (int s = 0; s < states; s++)
                cell.state[s] = layer_state(c, hx[s], i + d);
            out[d] = run_layer(c, &cell, x, d == 1);
            for (int s = 0; s < states; s++)
                last[s][i + d] = cell.state[s];
        }
        x = joined(c, out, (uint32_t)directions, false);
    }
    give(c, batch_first ? build_permute(b, x, (int[]){ 1, 0, 2 }) : x);
    for (int s = 0; s < states; s++)
        c->result[1 + s] = joined(c, last[s], count, true);
}

void decode_rnn_cell(Call *c)
{
    Build *b = &c->b;
    Value *x = arg_tensor(c, "input"), **given;
    Cell cell = { .kind = (int)c->row->op,
                  .w_ih = arg_tensor(c, "w_ih"),
                  .w_hh = arg_tensor(c, "w_hh"),
                  .states = 1,
                  .b_ih = arg_tensor_or_null(c, "b_ih"),
                  .b_hh = arg_tensor_or_null(c, "b_hh") };
    if (cell.kind != LSTM)
        cell.state[0] = arg_tensor(c, "hx");
    else if (arg_tensors(c, "hx", &given) == 2)
        memcpy(cell.state, given, sizeof cell.state);
    else
        call_refuse(c, "without two states");
    cell.states = cell.kind == LSTM ? 2 : 1;
    check_cell(c, &cell);
    if (x->type.rank != 2)
        call_refuse(c, "of an input %s", type_text(b->g->job, &x->type));
    step(b, &cell, linear(b, x, cell.w_ih, cell.b_ih), c->result);
}
