/* SPDX-License-Identifier: MIT */
/* Sorting of rows, in stable order, every value with its index; and search in sorted rows. */
#include "vec.h"

static AOTK_UNUSED aotk_i64 aotk_last(const aotk_operand *a) {
    return a->rank ? a->n[a->rank - 1] : 1;
}

/* Product of all sizes but the last. */
static AOTK_UNUSED aotk_i64 aotk_rows(const aotk_operand *a) {
    aotk_i64 n = 1;
    for (int i = 0; i + 1 < a->rank; i++) n *= a->n[i];
    return n;
}

enum {
    AOTK_SORT_RUN = 16,   /* shorter runs are sorted by insertion */
    AOTK_SORT_SPARE = 16, /* how many more than twice those wanted are kept before the rest is dropped */
    AOTK_SORT_LOOK = 16   /* elements that are compared with the last of those wanted before one is looked at */
};

/* What is sorted: integers in the order of the elements, equal where they are equal (0 and -0, any two NaN), with the
 * index of each. Of 32 bits both fit into one number, which is different for each element. */
typedef struct aotk_entry {
    aotk_i64 key, at;
} aotk_entry;

AOTK_INLINE aotk_i32 aotk_key_i32(aotk_i32 x, int down) {
    return down ? ~x : x;
}
AOTK_INLINE aotk_i64 aotk_key_i64(aotk_i64 x, int down) {
    return down ? ~x : x;
}
AOTK_INLINE aotk_i32 aotk_key_f32(float x, int down) {
    union { float x; aotk_i32 bits; } u = { x + 0.0f };
    aotk_i32 key = u.bits ^ (u.bits < 0 ? 0x7fffffff : 0);
    return aotk_key_i32(x != x ? 0x7fffffff : key, down);
}
AOTK_INLINE aotk_i64 aotk_key_f64(double x, int down) {
    union { double x; aotk_i64 bits; } u = { x + 0.0 };
    aotk_i64 key = u.bits ^ (u.bits < 0 ? 0x7fffffffffffffff : 0);
    return aotk_key_i64(x != x ? 0x7fffffffffffffff : key, down);
}

AOTK_INLINE aotk_i64 aotk_entry_32(aotk_i32 key, aotk_i64 at) {
    return key * ((aotk_i64)1 << 32) + at;
}
AOTK_INLINE aotk_i64 aotk_at_32(aotk_i64 e) {
    return e & 0xffffffff;
}
AOTK_INLINE int aotk_less_32(aotk_i64 a, aotk_i64 b) {
    return a < b;
}
AOTK_INLINE aotk_entry aotk_entry_64(aotk_i64 key, aotk_i64 at) {
    return (aotk_entry){ key, at };
}
AOTK_INLINE aotk_i64 aotk_at_64(aotk_entry e) {
    return e.at;
}
AOTK_INLINE int aotk_less_64(aotk_entry a, aotk_entry b) {
    return a.key < b.key;
}

/* Entries of type E in order, in place, `bits` of each key. Merges runs into `w`, n entries too, and back. */
#define AOTK_SORT(E, bits)                                                                         \
    static void aotk_runs_##bits(E *v, aotk_i64 n) {                                               \
        for (aotk_i64 first = 0; first < n; first += AOTK_SORT_RUN) {                              \
            aotk_i64 end = first + AOTK_SORT_RUN < n ? first + AOTK_SORT_RUN : n;                  \
            for (aotk_i64 i = first; i < end; i++) {                                               \
                E x = v[i];                                                                        \
                aotk_i64 j = i;                                                                    \
                for (; j > first && aotk_less_##bits(x, v[j - 1]); j--) v[j] = v[j - 1];           \
                v[j] = x;                                                                          \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    static void aotk_merge_##bits(const E *v, E *w, aotk_i64 half, aotk_i64 n) {                   \
        for (aotk_i64 first = 0; first < n; first += 2 * half) {                                   \
            aotk_i64 i = first, middle = first + half < n ? first + half : n;                      \
            aotk_i64 j = middle, end = first + 2 * half < n ? first + 2 * half : n, k = first;     \
            for (; i < middle && j < end; k++) { /* no branch depends on the entries */            \
                const int right = aotk_less_##bits(v[j], v[i]);                                    \
                w[k] = v[right ? j : i];                                                           \
                j += right;                                                                        \
                i += !right;                                                                       \
            }                                                                                      \
            for (; k < end; k++) w[k] = v[i < middle ? i++ : j++];                                 \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    static void aotk_sort_##bits(E *v, E *w, aotk_i64 n) {                                         \
        E *result = v;                                                                             \
        aotk_runs_##bits(v, n);                                                                    \
        for (aotk_i64 half = AOTK_SORT_RUN; half < n; half *= 2) {                                 \
            aotk_merge_##bits(v, w, half, n);                                                      \
            E *t = v;                                                                              \
            v = w;                                                                                 \
            w = t;                                                                                 \
        }                                                                                          \
        for (aotk_i64 i = 0; i < n && v != result; i++) result[i] = v[i];                          \
    }
AOTK_SORT(aotk_i64, 32)
AOTK_SORT(aotk_entry, 64)

/* The first `count` > 0 of the row x of n elements of type T, keys of type K and entries of type E. Entries that may be
 * among them are kept, in the order in which they are met; when there is room for no more, all but the first are
 * dropped, and from then on only what comes before the last of those is kept: of a row in no order about
 * count * ln(n / count) entries. */
#define AOTK_SORT_ROW(T, K, E, name, bits)                                                         \
    AOTK_INLINE void aotk_first_##name(const T *x, T *out, aotk_i64 *out_at, void *work, aotk_i64 n, \
                                       aotk_i64 count, int down) {                                 \
        const aotk_i64 some = 2 * count + AOTK_SORT_SPARE, most = n < some ? n : some;             \
        E *v = work, *w = v + most;                                                                \
        aotk_i64 kept = count;                                                                     \
        for (aotk_i64 i = 0; i < most; i++) v[i] = aotk_entry_##bits(aotk_key_##name(x[i], down), i); \
        aotk_sort_##bits(v, w, most);                                                              \
        K last = aotk_key_##name(x[aotk_at_##bits(v[count - 1])], down);                           \
        for (aotk_i64 i = most; i < n; i += AOTK_SORT_LOOK) {                                      \
            int before = n - i < AOTK_SORT_LOOK;                                                   \
            if (!before)                                                                           \
                for (int j = 0; j < AOTK_SORT_LOOK; j++) before |= aotk_key_##name(x[i + j], down) < last; \
            for (aotk_i64 j = i; before && j < i + AOTK_SORT_LOOK && j < n; j++) {                 \
                const K key = aotk_key_##name(x[j], down);                                         \
                if (key >= last) continue;                                                         \
                v[kept++] = aotk_entry_##bits(key, j);                                             \
                if (kept < most) continue;                                                         \
                aotk_sort_##bits(v, w, kept);                                                      \
                last = aotk_key_##name(x[aotk_at_##bits(v[count - 1])], down);                     \
                kept = count;                                                                      \
            }                                                                                      \
        }                                                                                          \
        if (kept > count) aotk_sort_##bits(v, w, kept);                                            \
        for (aotk_i64 i = 0; i < count; i++) {                                                     \
            out_at[i] = aotk_at_##bits(v[i]);                                                      \
            out[i] = x[out_at[i]];                                                                 \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    static void aotk_sort_##name(const T *x, T *out, aotk_i64 *out_at, void *work, aotk_i64 n,     \
                                 aotk_i64 count, int down) {                                       \
        if (down) aotk_first_##name(x, out, out_at, work, n, count, 1);                            \
        else aotk_first_##name(x, out, out_at, work, n, count, 0);                                 \
    }
AOTK_SORT_ROW(float, aotk_i32, aotk_i64, f32, 32)
AOTK_SORT_ROW(double, aotk_i64, aotk_entry, f64, 64)
AOTK_SORT_ROW(aotk_i32, aotk_i32, aotk_i64, i32, 32)
AOTK_SORT_ROW(aotk_i64, aotk_i64, aotk_entry, i64, 64)

/* in[0] along its last axis, of less than 2^32 elements: out[0] values, out[1] indices, attr[1] of them; attr[0]:
 * descending. */
AOTK_API const char *AOTK_NAME(aotk_sort)(const aotk_routine *p) {
    const aotk_i64 n = aotk_last(&p->in[0]), rows = aotk_rows(&p->in[0]), count = p->attr[1];
    const aotk_i64 end = count > 0 && count <= n ? aotk_first_row(p, rows, p->task + 1) : 0;
    const int down = p->attr[0] != 0;
    for (aotk_i64 r = aotk_first_row(p, rows, p->task); r < end; r++) {
#define AOTK_SORT_CASE(T, name)                                                                    \
    aotk_sort_##name((const T *)p->in[0].data + r * n, (T *)p->out[0].data + r * count,            \
                     (aotk_i64 *)p->out[1].data + r * count, p->work, n, count, down)
        switch (p->in[0].dtype) {
            case AOTK_f32: AOTK_SORT_CASE(float, f32); break;
            case AOTK_f64: AOTK_SORT_CASE(double, f64); break;
            case AOTK_i32: AOTK_SORT_CASE(aotk_i32, i32); break;
            default: AOTK_SORT_CASE(aotk_i64, i64); break;
        }
    }
    return 0;
}

/* The first place in a sorted row of n elements before which all are less than x, or (right) not greater; NaN comes last. */
#define AOTK_SEARCH(T)                                                                             \
    static aotk_i64 aotk_search_##T(const T *v, const aotk_i64 *order, aotk_i64 n, T x,            \
                                    int right) {                                                   \
        aotk_i64 low = 0, high = n;                                                                \
        while (low < high) {                                                                       \
            aotk_i64 middle = low + (high - low) / 2;                                              \
            T at = v[order ? order[middle] : middle];                                              \
            if (right ? !(at > x) : !(at >= x)) low = middle + 1;                                  \
            else high = middle;                                                                    \
        }                                                                                          \
        return low;                                                                                \
    }
AOTK_SEARCH(float)
AOTK_SEARCH(double)
AOTK_SEARCH(aotk_i32)
AOTK_SEARCH(aotk_i64)

/* in[0]: a row for all of in[1], or one for each row of it; in[2], if given, sorts the rows;
 * out[0]: places; attr[0]: right. */
AOTK_API const char *AOTK_NAME(aotk_search)(const aotk_routine *p) {
    const aotk_operand *a = &p->in[0], *b = &p->in[1], *c = &p->in[2];
    const aotk_i64 n = aotk_last(a), rows = a->rank > 1 ? aotk_rows(a) : 1;
    const aotk_i64 count = aotk_rows(b) * aotk_last(b), each = a->rank > 1 ? aotk_last(b) : count;
    const int right = p->attr[0] != 0;
    aotk_i64 *out = p->out[0].data;
    for (int i = 0; i < a->rank; i++) {
        if (i + 1 < a->rank && a->n[i] != b->n[i]) return "the sorted rows are not as many as the searched ones";
        if (c->data && c->n[i] != a->n[i]) return "the order of the rows is of other sizes than they";
    }
    for (aotk_i64 i = 0; c->data && i < rows * n; i++) {
        aotk_i64 at = ((const aotk_i64 *)c->data)[i];
        if (at < 0 || at >= n) return "an index of the order is outside its row";
    }
    for (aotk_i64 i = 0; i < count; i++) {
        const aotk_i64 row = i / each * n;
        const aotk_i64 *order = c->data ? (const aotk_i64 *)c->data + row : 0;
#define AOTK_SEARCH_ROW(T)                                                                         \
    aotk_search_##T((const T *)a->data + row, order, n, ((const T *)b->data)[i], right)
        switch (a->dtype) {
            case AOTK_f32: out[i] = AOTK_SEARCH_ROW(float); break;
            case AOTK_f64: out[i] = AOTK_SEARCH_ROW(double); break;
            case AOTK_i32: out[i] = AOTK_SEARCH_ROW(aotk_i32); break;
            default: out[i] = AOTK_SEARCH_ROW(aotk_i64); break;
        }
    }
    return 0;
}
