/* SPDX-License-Identifier: MIT */
/* Weights that come from a file of their own: what torch.save wrote of a state dict, or safetensors
 * (https://github.com/huggingface/safetensors: the length of a JSON header, the header, the elements).  The file is a
 * table of weights like an archive's; where names, sizes and types agree, its entries take the place of the archive's. */
#include "layout.h"
#include <inttypes.h>
#include <string.h>

enum { SHOWN = 8 }; /* names of one kind in a message */
static const uint64_t max_header = 100u << 20;

/* ---- reading ------------------------------------------------------------------------------------ */

static DType safe_dtype(const char *name)
{
    static const struct {
        const char *name;
        DType dtype;
    } types[] = { { "F32", DT_f32 }, { "F64", DT_f64 }, { "F16", DT_f16 }, { "BF16", DT_bf16 }, { "I8", DT_i8 },
                  { "I16", DT_i16 }, { "I32", DT_i32 }, { "I64", DT_i64 }, { "U8", DT_u8 },     { "U16", DT_u16 },
                  { "U32", DT_u32 }, { "U64", DT_u64 }, { "BOOL", DT_bool }, { "C64", DT_c64 } };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!strcmp(types[i].name, name))
            return types[i].dtype;
    return DT_NONE;
}

/* {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}; `data` bytes at `from` lie behind the header. */
static void read_safe(Archive *a, const Json *entry, const uint8_t *from, uint64_t data)
{
    Job *job = a->job;
    Model *m = &a->models.at[0];
    Weight *w = weight_add(a, m, sym(job, json_key(entry)), a->path);
    Tensor *t = &w->tensor;
    const char *type = json_string(job, json_need(job, entry, "dtype", a->path), a->path);
    const Json *shape = json_need(job, entry, "shape", a->path), *at = json_need(job, entry, "data_offsets", a->path);
    if (!json_is_array(shape) || !json_is_array(at) || json_count(at) != 2)
        fail(job, EXIT_INPUT, "%s: weight \"%.200s\" has no proper shape and data_offsets", a->path, t->name);
    for (const Json *v = json_first(shape); v; v = json_next(v)) {
        if (t->rank == MAX_RANK)
            fail(job, EXIT_UNSUPPORTED, "%s: weight \"%.200s\" has more than %d dimensions", a->path, t->name, MAX_RANK);
        t->size[t->rank++] = json_int(job, v, a->path);
    }
    int64_t begin = json_int(job, json_first(at), a->path), end = json_int(job, json_next(json_first(at)), a->path);
    int64_t bytes = 1;
    t->dtype = safe_dtype(type);
    if (t->dtype == DT_NONE) {
        weight_postpone(w, EXIT_UNSUPPORTED, job_printf(job, "has the element type %.40s, which is not supported", type));
        return;
    }
    for (int i = t->rank; i-- > 0;) {
        t->stride[i] = bytes;
        if (t->size[i] < 0 || !mul_i64(bytes, t->size[i], &bytes))
            fail(job, EXIT_INPUT, "%s: weight \"%.200s\" has sizes out of range", a->path, t->name);
    }
    if (begin < 0 || end < begin || (uint64_t)end > data || !mul_i64(bytes, dtype_info[t->dtype].bytes, &bytes) ||
        bytes != end - begin)
        fail(job, EXIT_INPUT, "%s: weight \"%.200s\" does not lie in the file as its shape says; the file is damaged",
             a->path, t->name);
    w->store = job_alloc(job, sizeof *w->store);
    *w->store = (Store){ .shared = { from + begin, (uint64_t)bytes, a->next_store++, false }, .where = a->path };
}

static void load_safe(Archive *a)
{
    Model *m = &a->models.at[0];
    uint64_t header = 0;
    for (int i = 8; i-- > 0;)
        header = header << 8 | a->bytes[i];
    if (header > max_header || header > a->size - 8)
        fail(a->job, EXIT_INPUT, "%s: is neither a state dict of torch.save nor safetensors", a->path);
    const Json *json = json_parse(a->job, a->path, (const char *)a->bytes + 8, (size_t)header);
    if (!json_is_object(json))
        fail(a->job, EXIT_INPUT, "%s: its header is no object", a->path);
    m->loaded = true;
    for (const Json *e = json_first(json); e; e = json_next(e))
        if (strcmp(json_key(e), "__metadata__"))
            read_safe(a, e, a->bytes + 8 + header, a->size - 8 - header);
}

static void load_zip(Archive *a)
{
    a->zip = zip_read(a->job, a->path, a->bytes, a->size, NULL);
    Sym root = zip_root(a->zip);
    const char *scripted = job_printf(a->job, "%sconstants.pkl", root);
    if (!zip_find(a->zip, job_printf(a->job, "%sdata.pkl", root)))
        fail(a->job, EXIT_UNSUPPORTED, "%s: is a zip file without a state dict; expected what torch.save writes of "
             "model.state_dict(), or safetensors", a->path);
    if (zip_find(a->zip, scripted))
        fail(a->job, EXIT_UNSUPPORTED, "%s: is a TorchScript archive; save model.state_dict() instead", a->path);
    weights_load_zip(a, &a->models.at[0], a->zip, a->path);
}

Archive *state_dict_read(Job *job, const char *where, const uint8_t *bytes, size_t size)
{
    Archive *a = job_alloc(job, sizeof *a);
    *a = (Archive){ .job = job, .path = where, .bytes = bytes, .size = size };
    *vec_push(job, &a->models) = (Model){ .name = sym(job, "") };
    if (size < 8)
        fail(job, EXIT_INPUT, "%s: has %zu bytes; expected a state dict of torch.save, or safetensors", where, size);
    if (bytes[0] == 0x80 && bytes[1] >= 2 && bytes[1] <= 5)
        fail(job, EXIT_UNSUPPORTED, "%s: is in the legacy format of torch.save, a pickle and no zip file; load it with "
             "torch.load and save it again", where);
    if (!memcmp(bytes, "PK\3\4", 4) || !memcmp(bytes, "PK\5\6", 4))
        load_zip(a);
    else
        load_safe(a);
    return a;
}

Archive *state_dict_open(Job *job, const char *path)
{
    size_t size;
    const uint8_t *bytes = map_file(job, path, &size);
    Archive *a = state_dict_read(job, job_copy(job, path, strlen(path)), bytes, size);
    a->mapped = true;
    return a;
}

/* ---- comparing ---------------------------------------------------------------------------------- */

typedef struct Fault { /* names of one kind */
    Text names;
    size_t count;
} Fault;

typedef struct Match {
    Job *job;
    Archive *dict;
    Fault missing, unexpected, wrong;
    VEC(Sym) absent; /* all that are missing */
} Match;

static const char *type_words(Job *job, const Tensor *t)
{
    Text words;
    text_init(&words, job);
    text_add(&words, "%s[", dtype_info[t->dtype].name);
    for (int i = 0; i < t->rank; i++)
        text_add(&words, i ? ", %" PRId64 : "%" PRId64, t->size[i]);
    text_add(&words, "]");
    return words.at;
}

static void blame(Match *m, Fault *f, const char *name, const char *more)
{
    if (!f->count)
        text_init(&f->names, m->job);
    if (f->count++ < SHOWN)
        text_add(&f->names, "%s\"%.200s\"%s", f->count > 1 ? ", " : " ", name, more);
}

static bool same_type(const Tensor *a, const Tensor *b)
{
    bool same = a->dtype == b->dtype && a->rank == b->rank;
    for (int i = 0; i < a->rank && same; i++)
        same = a->size[i] == b->size[i];
    return same;
}

static bool same_view(const Tensor *a, const Tensor *b)
{
    bool same = same_type(a, b) && a->offset == b->offset;
    for (int i = 0; i < a->rank && same; i++)
        same = a->stride[i] == b->stride[i];
    return same;
}

/* Finds out which weights of a program are one tensor. */
static Model *tie_weights(Archive *a, size_t model)
{
    Model *m = weights_of(a, model);
    for (size_t i = 0; i < m->replaceable.n; i++) {
        Weight *w = weight_find(a, model, m->replaceable.at[i]->tensor.name);
        if (w->tie)
            continue;
        w->tie = w;
        if (!w->store)
            continue;
        for (Weight *x = w->store->first; x; x = x->next)
            if (same_view(&x->tensor, &w->tensor))
                w->tie = x->tie;
        w->next = w->store->first;
        w->store->first = w;
    }
    return m;
}

size_t archive_weight_count(Archive *a, size_t model)
{
    return weights_of(a, model)->replaceable.n;
}

const Tensor *archive_weight(Archive *a, size_t model, size_t i, Sym *name, Sym *tie)
{
    const Weight *w = tie_weights(a, model)->replaceable.at[i];
    *name = w->tensor.name;
    *tie = w->tie->tensor.name;
    return w->sub || (w->refusal && w->refusal != weight_absent) ? NULL : &w->tensor;
}

Archive *archive_of_weights(Job *job, const char *where, const Tensor *weights, const Sym *ties, size_t count)
{
    Archive *a = job_alloc(job, sizeof *a);
    *a = (Archive){ .job = job, .path = where };
    *vec_push(job, &a->models) = (Model){ .name = sym(job, ""), .loaded = true };
    Model *m = &a->models.at[0];
    for (size_t i = 0; i < count; i++) {
        Weight *w = weight_add(a, m, weights[i].name, where), *first = weight_find(a, 0, ties[i]);
        w->tensor = weights[i];
        w->tensor.replaceable = true;
        w->tie = first ? first->tie : w;
        if (!w->tie)
            w->tie = w;
        weight_postpone(w, EXIT_INPUT, weight_absent);
    }
    return a;
}

/* The entry of the weight's own name, if there is one that fits. */
static void look_up(Match *m, Weight *w)
{
    Weight *d = weight_find(m->dict, 0, w->tensor.name);
    if (!d)
        return;
    d->used = true;
    if (w->sub) {
        blame(m, &m->wrong, w->tensor.name, " is a tensor subclass in the model");
        return;
    }
    const Tensor *t = weight_tensor(m->dict, d);
    if (same_type(t, &w->tensor))
        w->given = t;
    else
        blame(m, &m->wrong, w->tensor.name,
              job_printf(m->job, " is %s, in the model %s", type_words(m->job, t), type_words(m->job, &w->tensor)));
}

static bool is_wrong(const Match *m, const Weight *w)
{
    return weight_find(m->dict, 0, w->tensor.name) && !w->given;
}

static void match_program(Match *m, const ProgramRef *p)
{
    const Model *model = tie_weights(p->archive, p->model);
    for (size_t i = 0; i < model->replaceable.n; i++) {
        Weight *w = model->replaceable.at[i];
        look_up(m, w);
        if (w->given && !w->tie->given)
            w->tie->given = w->given; /* one name stands for all */
    }
    for (size_t i = 0; i < model->replaceable.n; i++) {
        Weight *w = model->replaceable.at[i];
        if (w->given && w->given != w->tie->given && !tensors_equal(w->given, w->tie->given))
            blame(m, &m->wrong, w->tensor.name, job_printf(m->job, " is another tensor than %.200s, in the model the same",
                                                           w->tie->tensor.name));
        else if (!is_wrong(m, w))
            w->given = w->tie->given;
        if (w->given || is_wrong(m, w))
            continue;
        blame(m, &m->missing, w->tensor.name, "");
        *vec_push(m->job, &m->absent) = w->tensor.name;
    }
}

/* What the file has are the missing names behind a prefix: what to do about it; else "". */
static const char *prefix_hint(const Match *m)
{
    const Model *d = &m->dict->models.at[0];
    size_t cut = 0;
    Sym prefix = NULL;
    for (size_t i = 0; i < d->replaceable.n; i++) {
        const Weight *w = d->replaceable.at[i];
        Sym name = w->tensor.name;
        for (size_t k = 0; k < m->absent.n && !prefix && !w->used; k++) {
            size_t length = strlen(name), n = strlen(m->absent.at[k]);
            cut = length > n && !strcmp(name + length - n, m->absent.at[k]) ? length - n : 0;
            prefix = cut ? name : NULL;
        }
        if (!w->used && (!prefix || strncmp(name, prefix, cut)))
            return "";
    }
    return !prefix ? "" : job_printf(m->job, "; they stand behind the prefix \"%.*s\": save the state dict of the module "
                                     "inside, or cut it off the names", (int)(cut < 200 ? cut : 200), prefix);
}

static const char *fault_text(Match *m, const Fault *f, const char *kind)
{
    if (!f->count)
        return "";
    const char *more = f->count > SHOWN ? job_printf(m->job, " and %zu more", f->count - SHOWN) : "";
    return job_printf(m->job, "; %zu %s:%s%s", f->count, kind, f->names.at, more);
}

/* What the archive does not tie has a storage of its own here, whatever the file does. */
static void give(Archive *a, Weight *w)
{
    if (w->refusal && w->refusal != weight_absent)
        return; /* refused by whoever reads it */
    Sym name = w->tensor.name;
    if (w->tie == w) {
        Storage *own = job_alloc(a->job, sizeof *own);
        w->tensor = *w->given;
        *own = *w->given->storage;
        own->id = a->next_store++;
        w->tensor.storage = own;
    } else {
        w->tensor = w->tie->tensor;
    }
    w->tensor.name = name;
    w->tensor.replaceable = w->ready = true;
}

void state_dict_apply(Job *job, Archive *dict, const ProgramRef *programs, size_t count)
{
    Match m = { .job = job, .dict = dict };
    const Model *names = &dict->models.at[0];
    for (size_t i = 0; i < count; i++)
        match_program(&m, &programs[i]);
    for (size_t i = 0; i < names->replaceable.n; i++)
        if (!names->replaceable.at[i]->used)
            blame(&m, &m.unexpected, names->replaceable.at[i]->tensor.name, "");
    if (m.missing.count || m.unexpected.count || m.wrong.count)
        fail(job, EXIT_INPUT, "%s: is no state dict of this model%s%s%s%s", dict->path, fault_text(&m, &m.missing, "missing"),
             fault_text(&m, &m.unexpected, "unexpected"), fault_text(&m, &m.wrong, "of another kind"), prefix_hint(&m));
    for (size_t i = 0; i < count; i++) {
        const Model *model = weights_of(programs[i].archive, programs[i].model);
        for (size_t k = 0; k < model->replaceable.n; k++)
            if (model->replaceable.at[k]->tie == model->replaceable.at[k])
                give(programs[i].archive, model->replaceable.at[k]);
        for (size_t k = 0; k < model->replaceable.n; k++)
            if (model->replaceable.at[k]->tie != model->replaceable.at[k])
                give(programs[i].archive, model->replaceable.at[k]);
    }
}
