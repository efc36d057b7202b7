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

/* The result keeps its sizes. */
static void trim(Build *b, Node *n)
{
    int rank = n->out[0]->type.rank;
    int64_t pad[MAX_RANK];
    Value *in[2] = { n->in[0], n->in[1] };
    for (int i = 0; i < rank - 2; i++) {
        int64_t idle = idle_taps(n, i), taps = 0;
        pad[i] = node_int(n, "padding", (size_t)i) - idle * node_int(n, "dilation", (size_t)i);
        if (!idle)
            continue;
        Job *job = b->g->job;
        idx_is_const(n->in[1]->type.dim[i + 2], &taps);
        in[1] = build_slice(b, in[1], i + 2, idx_const(job, idle), idx_const(job, 1), idx_const(job, taps - 2 * idle));
    }
    if (in[1] == n->in[1])
        return;
    node_set_in(b->g->job, n, in, 2);
    node_set_attr(b->g->job, n, attr_ints(b->g->job, "padding", pad, (size_t)rank - 2));
}

void pass_trim_filters(Graph *g)
{
    for each_node (n, g) {
        for (uint32_t i = 0; i < n->region_count; i++)
            pass_trim_filters(n->region[i]);
        if (n->op != OP_conv)
            continue;
        Build b = { g, n, n->origin, n->out[0]->name };
        trim(&b, n);
    }
}
