/* SPDX-License-Identifier: MIT */
/* einsum: one operand after the other joins the product; a pair is a matmul, or a multiplication if it sums nothing. */
#include "aten.h"
#include <ctype.h>
#include <string.h>

enum { ELLIPSIS = 128, LABELS = ELLIPSIS + MAX_RANK }; /* a label is a letter, or an axis of "..." from the last */

typedef struct Term {
    Value *v;
    int label[MAX_RANK]; /* of each axis */
} Term;

static _Noreturn void bad_equation(Call *c)
{
    fail_at(c->b.g->job, EXIT_INPUT, &c->b.origin, "%s: the equation \"%s\" does not fit the operands", c->target,
            arg_text(c, "equation"));
}

static int find(const Term *t, int label)
{
    for (int i = 0; i < t->v->type.rank; i++)
        if (t->label[i] == label)
            return i;
    return -1;
}

/* Reads one list of labels up to a comma, an arrow or the end; "..." stands for `dots` axes. */
static const char *read_labels(Call *c, const char *p, int dots, int *label, int *count)
{
    *count = 0;
    for (; *p && *p != ',' && *p != '-'; p++) {
        bool many = !strncmp(p, "...", 3);
        if (*p == ' ')
            continue;
        if (!many && !isalpha((unsigned char)*p))
            bad_equation(c);
        for (int i = many ? dots : 1; i > 0; i--) {
            if (*count == MAX_RANK)
                bad_equation(c);
            label[(*count)++] = many ? ELLIPSIS + i - 1 : *p;
        }
        p += many ? 2 : 0;
    }
    return p;
}

static void permute(Call *c, Term *t, const int *dims)
{
    int label[MAX_RANK];
    for (int i = 0; i < t->v->type.rank; i++)
        label[i] = t->label[dims[i]];
    memcpy(t->label, label, sizeof label);
    t->v = build_permute(&c->b, t->v, dims);
}

/* Without axis `at`: of size 1, or summed. */
static void drop(Call *c, Term *t, int at, bool sum)
{
    bool axes[MAX_RANK] = { false };
    const Idx *dim[MAX_RANK];
    int rank = t->v->type.rank;
    axes[at] = true;
    for (int i = 0; i < rank; i++)
        dim[i - (i > at)] = t->v->type.dim[i];
    t->v = sum ? build_reduce(&c->b, OP_sum, t->v, axes, false) : build_reshape(&c->b, t->v, rank - 1, dim);
    memmove(t->label + at, t->label + at + 1, (size_t)(rank - 1 - at) * sizeof *t->label);
}

/* Two axes with one label become their diagonal: in row-major order, every (n + 1)th element. */
static void diagonals(Call *c, Term *t)
{
    for (int j = 1; j < t->v->type.rank; j++)
        for (int i = 0; i < j; i++) {
            int dims[MAX_RANK], rank = t->v->type.rank, n = 0;
            if (t->label[i] != t->label[j])
                continue;
            const Idx *size = t->v->type.dim[i], *dim[MAX_RANK];
            if (size != t->v->type.dim[j])
                bad_equation(c);
            for (int d = 0; d < rank; d++)
                if (d != i && d != j)
                    dims[n++] = d;
            dims[n] = i;
            dims[n + 1] = j;
            permute(c, t, dims);
            memcpy(dim, t->v->type.dim, sizeof dim);
            dim[n] = idx_mul(c->b.g->job, size, size);
            t->v = build_reshape(&c->b, t->v, n + 1, dim);
            t->v = build_slice(&c->b, t->v, n, k(c, 0), idx_addk(c->b.g->job, size, 1), size);
            j = 0; /* from the start: axes have moved */
            break;
        }
}

/* Where an axis goes: shared by both and kept, only in this term, or summed. */
typedef enum Role { BATCH, OWN, SUMMED } Role;

static Role role(const Term *t, int axis, const Term *other, const bool *needed)
{
    return find(other, t->label[axis]) < 0 ? OWN : needed[t->label[axis]] ? BATCH : SUMMED;
}

/* Axes in the order of `roles`; batch and summed axes in the order of `first`. Returns how many of each role. */
static void arrange(Call *c, Term *t, const Term *other, const Term *first, const bool *needed, const Role *roles,
                    int *count)
{
    int dims[MAX_RANK], n = 0;
    for (int r = 0; r < 3; r++) {
        const Term *order = roles[r] == OWN ? t : first;
        count[roles[r]] = n;
        for (int i = 0; i < order->v->type.rank; i++) {
            int at = find(t, order->label[i]);
            if (at >= 0 && role(t, at, other, needed) == roles[r])
                dims[n++] = at;
        }
        count[roles[r]] = n - count[roles[r]];
    }
    permute(c, t, dims);
}

static const Idx *product(Call *c, const Type *t, int from, int n)
{
    const Idx *r = k(c, 1);
    for (int i = from; i < from + n; i++)
        r = idx_mul(c->b.g->job, r, t->dim[i]);
    return r;
}

static void join(Call *c, Term *a, Term *b, const bool *needed)
{
    static const Role left[] = { BATCH, OWN, SUMMED }, right[] = { BATCH, SUMMED, OWN };
    Term *side[2] = { a, b };
    for (int s = 0; s < 2; s++)
        for (int i = side[s]->v->type.rank - 1; i >= 0; i--) {
            int at = find(side[!s], side[s]->label[i]);
            bool repeats = at >= 0 && idx_is(side[s]->v->type.dim[i], 1) && !idx_is(side[!s]->v->type.dim[at], 1);
            if (repeats || (at < 0 && !needed[side[s]->label[i]]))
                drop(c, side[s], i, !repeats);
        }
    for (int i = b->v->type.rank - 1; i >= 0; i--) /* what stood against an axis of size 1 */
        if (find(a, b->label[i]) < 0 && !needed[b->label[i]])
            drop(c, b, i, true);
    for (int i = a->v->type.rank - 1; i >= 0; i--)
        if (find(b, a->label[i]) < 0 && !needed[a->label[i]])
            drop(c, a, i, true);
    int x[3], y[3], rank = 0;
    Term first = *a;
    Term r;
    arrange(c, a, b, &first, needed, left, x);
    arrange(c, b, &first, &first, needed, right, y);
    const Idx *dim[MAX_RANK], *ad[MAX_RANK], *bd[MAX_RANK];
    int own = x[OWN] + y[OWN], batch = x[BATCH];
    if (batch + own > MAX_RANK || batch + 2 > MAX_RANK)
        call_refuse(c, "of more than %d dimensions", MAX_RANK);
    for (int i = 0; i < batch; i++, rank++) {
        dim[rank] = ad[rank] = bd[rank] = a->v->type.dim[i];
        r.label[rank] = a->label[i];
    }
    for (int i = 0; i < own; i++, rank++) {
        bool mine = i < x[OWN];
        const Term *t = mine ? a : b;
        int at = mine ? batch + i : batch + y[SUMMED] + i - x[OWN];
        dim[rank] = t->v->type.dim[at];
        ad[rank] = mine ? dim[rank] : k(c, 1);
        bd[rank] = mine ? k(c, 1) : dim[rank];
        r.label[rank] = t->label[at];
    }
    if (x[SUMMED]) {
        const Idx *sum = product(c, &a->v->type, batch + x[OWN], x[SUMMED]);
        ad[batch] = product(c, &a->v->type, batch, x[OWN]);
        bd[batch + 1] = product(c, &b->v->type, batch + y[SUMMED], y[OWN]);
        ad[batch + 1] = bd[batch] = sum;
    }
    int width = x[SUMMED] ? batch + 2 : rank;
    a->v = build_reshape(&c->b, a->v, width, ad);
    b->v = build_reshape(&c->b, b->v, width, bd);
    r.v = build2(&c->b, x[SUMMED] ? OP_matmul : OP_mul, a->v, b->v);
    r.v = build_reshape(&c->b, r.v, rank, dim);
    *a = r;
}

void decode_einsum(Call *c)
{
    Job *job = c->b.g->job;
    Value **in;
    size_t n = arg_tensors(c, "tensors", &in);
    const char *equation = arg_text(c, "equation"), *p = equation;
    Term *terms = job_array(job, n + 1, sizeof *terms);
    int seen[LABELS] = { 0 }, out[MAX_RANK], count, dots = 0;
    for (size_t i = 0; i < n; i++) {
        const char *start = p;
        int named;
        p = read_labels(c, start, 0, terms[i].label, &named);
        if (in[i]->type.rank < named)
            bad_equation(c);
        int own = in[i]->type.rank - named;
        dots = own > dots ? own : dots;
        read_labels(c, start, own, terms[i].label, &count);
        if (count != in[i]->type.rank || (i + 1 < n) != (*p == ','))
            bad_equation(c);
        p += *p == ',';
        terms[i].v = build_cast(&c->b, in[i], c->meta[0].dtype);
        for (int d = 0; d < count; d++)
            seen[terms[i].label[d]]++;
        diagonals(c, &terms[i]);
    }
    if (!n)
        bad_equation(c);
    if (*p == '-' && p[1] == '>') {
        p = read_labels(c, p + 2, dots, out, &count);
    } else { /* the axes of "..." and what occurs once, in the order of the alphabet */
        count = 0;
        for (int l = LABELS - 1; l >= ELLIPSIS; l--)
            if (seen[l] && count < MAX_RANK)
                out[count++] = l;
        for (int l = 0; l < ELLIPSIS; l++)
            if (seen[l] == 1 && count < MAX_RANK)
                out[count++] = l;
    }
    if (*p || count != c->meta[0].rank)
        bad_equation(c);
    Term acc = terms[0];
    for (size_t i = 1; i < n; i++) {
        bool needed[LABELS] = { false };
        for (int d = 0; d < count; d++)
            needed[out[d]] = true;
        for (size_t j = i + 1; j < n; j++)
            for (int d = 0; d < terms[j].v->type.rank; d++)
                needed[terms[j].label[d]] = true;
        join(c, &acc, &terms[i], needed);
    }
    for (int i = acc.v->type.rank - 1; i >= 0; i--) {
        bool kept = false;
        for (int d = 0; d < count; d++)
            kept |= out[d] == acc.label[i];
        if (!kept)
            drop(c, &acc, i, true);
    }
    int dims[MAX_RANK];
    for (int d = 0; d < count; d++)
        if (acc.v->type.rank != count || (dims[d] = find(&acc, out[d])) < 0)
            bad_equation(c);
    for (int d = 0; d < count; d++)
        for (int e = 0; e < d; e++)
            if (out[d] == out[e])
                bad_equation(c);
    permute(c, &acc, dims);
    give(c, acc.v);
}
