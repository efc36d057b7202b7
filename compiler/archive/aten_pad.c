/* SPDX-License-Identifier: MIT */
/* Padding: by a value, or by what is inside. */
#include "aten.h"

typedef enum PadMode { PAD_CONSTANT, PAD_REFLECT, PAD_REPLICATE, PAD_CIRCULAR } PadMode;

static PadMode pad_mode(Call *c)
{
    static const char *const names[] = { "constant", "reflect", "replicate", "circular" };
    const char *word = arg_json(c, "mode") && !strcmp(json_key(arg_json(c, "mode")), "as_string") ? arg_text(c, "mode") : NULL;
    if (!word) /* at::padding_mode: reflect, replicate, circular, constant */
        return arg_json(c, "mode") ? (PadMode)((uint64_t)(arg_int(c, "mode") + 1) % 4) : (PadMode)c->row->op;
    for (int i = 0; i < 4; i++)
        if (!strcmp(word, names[i]))
            return (PadMode)i;
    call_refuse(c, "mode %s", word);
}

/* Where element i of the padded axis comes from: i - low, brought into [0, n). */
static Value *pad_source(Call *c, PadMode mode, const Idx *n, const Idx *low, const Idx *size)
{
    Build *b = &c->b;
    Job *job = b->g->job;
    const Idx *last = idx_addk(job, n, -1), *zero = k(c, 0);
    Value *i = affine_along(c, size, idx_mulk(job, low, -1), k(c, 1), 0, 1), *end = int_value(c, last);
    if (mode == PAD_CIRCULAR) { /* what negative padding leaves goes around */
        const Idx *high = idx_sub(job, idx_sub(job, size, n), low), *cut = idx_max(job, idx_mulk(job, low, -1), zero);
        const Idx *period = idx_add(job, idx_sub(job, n, cut), idx_min(job, high, zero));
        i = affine_along(c, size, idx_mulk(job, idx_max(job, low, zero), -1), k(c, 1), 0, 1);
        i = build2(b, OP_rem, i, int_value(c, idx_max(job, period, k(c, 1))));
        return build2(b, OP_add, i, int_value(c, cut));
    }
    if (mode == PAD_REPLICATE)
        return build2(b, OP_max, build2(b, OP_min, i, end), build_full_int(b, DT_i64, 0));
    Value *mirrored = build2(b, OP_sub, end, build1(b, OP_abs, i));
    return build2(b, OP_sub, end, build1(b, OP_abs, mirrored));
}

void decode_pad(Call *c)
{
    Job *job = c->b.g->job;
    Value *a = arg_tensor(c, "self");
    const Idx *p[2 * MAX_RANK], *low[MAX_RANK];
    PadMode mode = pad_mode(c);
    size_t n = arg_sizes(c, arg_json(c, "padding") ? "padding" : "pad", p, 2 * MAX_RANK);
    if (n > 2 * (size_t)a->type.rank)
        fail_at(job, EXIT_INPUT, &c->b.origin, "%s: more padding than dimensions", c->target);
    Type t = a->type;
    bool moves = false; /* as many cut at one end as added at the other: the size stays */
    for (int i = 0; i < t.rank; i++) {
        size_t j = 2 * (size_t)(t.rank - 1 - i);
        low[i] = j + 1 < n ? p[j] : k(c, 0);
        moves |= !idx_is(low[i], 0);
        if (j + 1 < n)
            t.dim[i] = idx_add(job, t.dim[i], idx_add(job, p[j], p[j + 1]));
    }
    for (int i = 0; i < t.rank && mode != PAD_CONSTANT; i++)
        if (t.dim[i] != a->type.dim[i] || !idx_is(low[i], 0))
            a = take(c, a, pad_source(c, mode, a->type.dim[i], low[i], t.dim[i]), i);
    if (mode == PAD_CONSTANT && (moves || !type_same(&t, &a->type))) {
        double value = arg_given(c, "value") ? arg_float(c, "value") : 0;
        Attr at[2] = { attr_idx(job, "low", low, (size_t)t.rank), attr_float(job, "value", value) };
        a = build(&c->b, OP_pad, &a, 1, &t, at, 2);
    }
    give(c, a);
}
