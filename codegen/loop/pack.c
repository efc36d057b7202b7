/* SPDX-License-Identifier: MIT */
/* Constant weights of contractions, packed by the compiler into the weights segment. */
#include "lower.h"
#include "packing.h"

static Buffer *packed_weight(Lower *l, const Value *v, PackKind kind, int64_t n)
{
    Packing *p = job_alloc(l->job, sizeof *p);
    size_t bytes;
    *p = packing_of(v, kind, n);
    void *data = packing_apply(l->job, p, &bytes);
    bool matrix = kind == PACK_MATRIX || kind == PACK_PAIRS;
    const char *name = matrix && p->root->name ? p->root->name : v->name;
    Buffer *b = job_alloc(l->job, sizeof *b);
    *b = (Buffer){ .name = sym_printf(l->job, "%s_packed", name), .kind = BUFFER_CONST, .dtype = packed_dtype(p), .rank = 1,
                   .first = -1, .last = -1 };
    b->dim[0] = b->elements = idx_const(l->job, (int64_t)bytes / dtype_info[b->dtype].bytes);
    b->stride[0] = idx_const(l->job, 1);
    b->offset = idx_const(l->job, 0);
    b->about = p->root->name;
    b->weight = weights_add(l->p->weights, data, bytes, p->root->name, p);
    *vec_push(l->job, &l->p->consts) = b;
    return b;
}

bool contract_pairs(const Node *n)
{
    Tensor t;
    return contract_packs(n, &t) && packs_pairs(t.dtype, t.size[n->op == OP_conv ? 1 : t.rank - 2]);
}

Buffer *pack_conv(Lower *l, Node *n, int64_t groups, int64_t *depth)
{
    const Type *t = &n->in[1]->type;
    *depth = 1;
    for (int i = 1; i < t->rank; i++) {
        int64_t size = 0;
        idx_is_const(t->dim[i], &size);
        *depth *= size;
    }
    return packed_weight(l, n->in[1], contract_pairs(n) ? PACK_CONV_PAIRS : PACK_CONV, groups);
}

Buffer *pack_winograd(Lower *l, Node *n, int64_t tile)
{
    return packed_weight(l, n->in[1], PACK_WINOGRAD, tile);
}

Buffer *pack_depthwise(Lower *l, Node *n, int64_t *row)
{
    int64_t channels = 0;
    idx_is_const(n->in[1]->type.dim[0], &channels);
    *row = packed_row(channels);
    return packed_weight(l, n->in[1], PACK_DEPTHWISE, 0);
}

Buffer *pack_matmul(Lower *l, Node *n)
{
    return packed_weight(l, n->in[1], contract_pairs(n) ? PACK_PAIRS : PACK_MATRIX, 0);
}
