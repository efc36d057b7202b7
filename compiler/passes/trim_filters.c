/* SPDX-License-Identifier: MIT */
/* Takes and leaves core graphs.  Taps of a filter that meet nothing but padding, whatever the size of the input, go:
 * DeepLab's 3x3 filters dilated by 24 see one pixel of an image of 16x16.  As many go on either side of an axis, because
 * padding is the same on both. */
#include "passes.h"

/* How many taps on either side of spatial axis i only meet padding. */
static int64_t idle_taps(const Node *n, int i)
{
    const Idx *size = n->in[0]->type.dim[i + 2];
    int64_t taps, stride = node_int(n, "stride", (size_t)i), pad = node_int(n, "padding", (size_t)i);
    int64_t dilation = node_int(n, "dilation", (size_t)i), idle = 0, most = size->hi;
    if (!idx_is_const(n->in[1]->type.dim[i + 2], &taps) || most > INT32_MAX || taps > INT32_MAX || pad > INT32_MAX ||
        dilation > INT32_MAX)
        return 0;
    int64_t last = (most + 2 * pad - dilation * (taps - 1) - 1) / stride * stride; /* how far the filter is moved */
    for (; 2 * idle + 2 < taps && (idle + 1) * dilation <= pad; idle++) {
        bool first_idle = last - pad + idle * dilation < 0, last_idle = (taps - 1 - idle) * dilation - pad >= most;
        if (!first_idle || !last_idle)
            break;
    }
    return idle;
}

static Value *trimmed(Build *b, Node *n)
{
    int rank = n->out[0]->type.rank;
    int64_t pad[MAX_RANK];
    bool any = false;
    Value *in[2] = { n->in[0], n->in[1] };
    for (int i = 0; i < rank - 2; i++) {
        int64_t idle = idle_taps(n, i), taps = 0;
        pad[i] = node_int(n, "padding", (size_t)i) - idle * node_int(n, "dilation", (size_t)i);
        if (!idle)
            continue;
        Job *job = b->g->job;
        idx_is_const(n->in[1]->type.dim[i + 2], &taps);
        in[1] = build_slice(b, in[1], i + 2, idx_const(job, idle), idx_const(job, 1), idx_const(job, taps - 2 * idle));
        any = true;
    }
    if (!any)
        return NULL;
    Attr *attrs = job_array(b->g->job, n->attrs.n, sizeof *attrs);
    for (size_t i = 0; i < n->attrs.n; i++) {
        bool padding = n->attrs.at[i].name == sym(b->g->job, "padding");
        attrs[i] = padding ? attr_ints(b->g->job, "padding", pad, (size_t)rank - 2) : n->attrs.at[i];
    }
    Value *v = build(b, OP_conv, in, 2, NULL, attrs, n->attrs.n);
    graph_swap_names(b->g, v, n->out[0]);
    return v;
}

void pass_trim_filters(Graph *g)
{
    for (Node *n = g->first, *next; n; n = next) {
        next = n->next;
        for (uint32_t i = 0; i < n->region_count; i++)
            pass_trim_filters(n->region[i]);
        if (n->op != OP_conv)
            continue;
        Build b = { g, n, n->origin, n->out[0]->name };
        Value *v = trimmed(&b, n);
        if (v)
            graph_replace(g, n->out[0], v);
    }
    pass_prune(g);
}
