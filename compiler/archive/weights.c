/* SPDX-License-Identifier: MIT */
/* The tensors of an archive: payload configs over raw storages (torch 2.9 on), pickled dicts
 * (2.5 to 2.8), pickled tensor subclasses.  Names are read when the first tensor of a model is
 * asked for, a tensor's own record when it is asked for itself; that is also when its extent is
 * checked. */
#include "archive.h"
#include "layout.h"
#include "pickle.h"
#include <inttypes.h>
#include <string.h>

/* Bytes a tensor may stand for, expanded ones included. */
static const int64_t max_tensor = (int64_t)1 << 40;

/* ---- maps ------------------------------------------------------------------------------------ */

static struct SymPair *pair_of(const SymMap *map, Sym key)
{
    size_t h = (size_t)(((uint64_t)(uintptr_t)key >> 4) * 0x9E3779B97F4A7C15u >> 20);
    for (;; h++) {
        struct SymPair *p = &map->at[h & (map->room - 1)];
        if (!p->key || p->key == key)
            return p;
    }
}

void *symmap_get(const SymMap *map, Sym key)
{
    return map->room ? pair_of(map, key)->value : NULL;
}

void symmap_put(Job *job, SymMap *map, Sym key, void *value)
{
    if (2 * map->n >= map->room) {
        SymMap wide = { .n = map->n, .room = map->room ? map->room * 2 : 16 };
        wide.at = job_array(job, wide.room, sizeof *wide.at);
        for (size_t i = 0; i < map->room; i++)
            if (map->at[i].key)
                *pair_of(&wide, map->at[i].key) = map->at[i];
        *map = wide;
    }
    *pair_of(map, key) = (struct SymPair){ key, value };
    map->n++;
}

/* ---- refusals -------------------------------------------------------------------------------- */

static _Noreturn void refuse(Archive *a, const Weight *w, int code, const char *what)
{
    fail(a->job, code, "%s: weight \"%.200s\" %s", w->where, w->tensor.name, what);
}

const char weight_absent[] = "is absent: the archive holds its shape but no values, as a program "
                             "exported under FakeTensorMode does; export it with real weights";

void weight_postpone(Weight *w, int code, const char *refusal)
{
    w->code = code;
    w->refusal = refusal;
}

static void set_dtype(Archive *a, Weight *w, int64_t number)
{
    w->tensor.dtype = dtype_from_torch(number);
    if (w->tensor.dtype == DT_NONE)
        weight_postpone(w, EXIT_UNSUPPORTED, job_printf(a->job, "has the element type %s, which is not "
                                                 "supported", torch_dtype_name(a->job, number)));
}

static Store *store_of(Archive *a, Zip *zip, const ZipMember *m)
{
    Sym key = sym(a->job, zip_where(zip, m));
    Store *s = symmap_get(&a->stores, key);
    if (s)
        return s;
    s = job_alloc(a->job, sizeof *s);
    *s = (Store){ .zip = zip, .member = m, .where = key };
    s->shared.size = zip_size(m);
    s->shared.id = a->next_store++;
    symmap_put(a->job, &a->stores, key, s);
    return s;
}

/* ---- extents --------------------------------------------------------------------------------- */

/* The count of elements the tensor reaches over, 0 when it has none; fails on anything that
 * makes no sense. */
static int64_t reach(Archive *a, const Weight *w)
{
    const Tensor *t = &w->tensor;
    int64_t last = t->offset, bytes = dtype_info[t->dtype].bytes, step;
    bool none = false;
    if (t->offset < 0)
        refuse(a, w, EXIT_INPUT, "has a negative storage offset");
    for (int i = 0; i < t->rank; i++) {
        if (t->size[i] < 0 || t->stride[i] < 0)
            refuse(a, w, EXIT_INPUT, job_printf(a->job, "has a negative %s in dimension %d",
                                                t->size[i] < 0 ? "size" : "stride", i));
        none |= !t->size[i];
    }
    for (int i = 0; i < t->rank && !none; i++)
        if (!mul_i64(bytes, t->size[i], &bytes) || bytes > max_tensor ||
            !mul_i64(t->size[i] - 1, t->stride[i], &step) || !add_i64(last, step, &last))
            refuse(a, w, EXIT_INPUT, "has sizes or strides whose product is over 1 TiB");
    if (!none && !add_i64(last, 1, &last))
        refuse(a, w, EXIT_INPUT, "has an offset that is out of range");
    return none ? 0 : last;
}

static void check_extent(Archive *a, const Weight *w)
{
    int64_t count = reach(a, w), need;
    uint64_t held = w->store->shared.size;
    if (!count)
        return;
    if (!held)
        refuse(a, w, EXIT_INPUT, weight_absent);
    if (!mul_i64(count, dtype_info[w->tensor.dtype].bytes, &need) || (uint64_t)need > held)
        refuse(a, w, EXIT_INPUT, job_printf(a->job, "reaches over %" PRId64 " elements of %d bytes "
               "but its storage %s has %" PRIu64 " bytes; the file is damaged", count,
               dtype_info[w->tensor.dtype].bytes, w->store->where, held));
}

/* ---- payload configs ------------------------------------------------------------------------- */

static int64_t plain_int(Archive *a, const Json *v, const char *where)
{
    return json_int(a->job, json_need(a->job, v, "as_int", where), where);
}

static int plain_ints(Archive *a, const Json *list, const char *where, int64_t *out)
{
    int n = 0;
    if (!json_is_array(list))
        fail(a->job, EXIT_INPUT, "%s: sizes or strides are no array", where);
    for (const Json *v = json_first(list); v; v = json_next(v)) {
        if (n == MAX_RANK)
            fail(a->job, EXIT_UNSUPPORTED, "%s: a tensor has more than %d dimensions", where,
                 MAX_RANK);
        out[n++] = plain_int(a, v, where);
    }
    return n;
}

static void read_meta(Archive *a, Weight *w, const Json *meta, const char *where)
{
    Job *job = a->job;
    Tensor *t = &w->tensor;
    const Json *layout = json_get(meta, "layout"), *offset = json_get(meta, "storage_offset");
    t->rank = plain_ints(a, json_need(job, meta, "sizes", where), where, t->size);
    if (plain_ints(a, json_need(job, meta, "strides", where), where, t->stride) != t->rank)
        refuse(a, w, EXIT_INPUT, "has more sizes than strides or fewer");
    t->offset = offset ? plain_int(a, offset, where) : 0;
    set_dtype(a, w, json_int(job, json_need(job, meta, "dtype", where), where));
    if (layout && json_int(job, layout, where) != 7)
        weight_postpone(w, EXIT_UNSUPPORTED, "is sparse; only strided tensors are supported");
}

static Weight *add_weight(Archive *a, SymMap *to, Sym name, const char *where)
{
    Weight *w = job_alloc(a->job, sizeof *w);
    w->tensor.name = name;
    w->where = where;
    if (!symmap_get(to, name)) /* a name among the weights hides one among the constants */
        symmap_put(a->job, to, name, w);
    return w;
}

Weight *weight_add(Archive *a, Model *m, Sym name, const char *where)
{
    Weight *w = add_weight(a, &m->weights, name, where);
    w->tensor.replaceable = !m->constants && symmap_get(&m->weights, name) == w;
    if (w->tensor.replaceable)
        *vec_push(a->job, &m->replaceable) = w;
    return w;
}

static void read_entry(Archive *a, Model *m, const Json *entry, const char *folder,
                       const char *where)
{
    Job *job = a->job;
    Weight *w = weight_add(a, m, sym(job, json_key(entry)), where);
    const char *path = json_string(job, json_need(job, entry, "path_name", where), where);
    const Json *pickled = json_get(entry, "use_pickle"), *meta = json_get(entry, "tensor_meta");
    const ZipMember *record = zip_find(a->zip, job_printf(job, "%s%s%s", a->root, folder, path));
    bool pickle = pickled && json_bool(job, pickled, where);
    if (!record)
        weight_postpone(w, EXIT_INPUT, job_printf(job, "is in the record %.200s%.200s, which the archive "
                                           "does not hold", folder, path));
    else if (!meta)
        weight_postpone(w, EXIT_UNSUPPORTED, "is no tensor but a pickled object");
    else if (pickle)
        w->record = record;
    else {
        read_meta(a, w, meta, where);
        w->store = store_of(a, a->zip, record);
    }
}

/* False: there is no such config. */
static bool load_config(Archive *a, Model *m, const char *folder, const char *suffix)
{
    const ZipMember *member = zip_find(
        a->zip, job_printf(a->job, "%s%s%s%s", a->root, folder, m->name, suffix));
    if (!member)
        return false;
    const char *where = zip_where(a->zip, member);
    const Json *config = json_parse(a->job, where, (const char *)zip_bytes(a->zip, member),
                                    (size_t)zip_size(member));
    config = json_need(a->job, config, "config", where);
    if (!json_is_object(config))
        fail(a->job, EXIT_INPUT, "%s: its config is no object", where);
    for (const Json *e = json_first(config); e; e = json_next(e))
        read_entry(a, m, e, folder, where);
    return true;
}

/* ---- pickles --------------------------------------------------------------------------------- */

/* The value of a torch.save zip. */
static const PValue *read_saved(Archive *a, Zip *zip, const char *where, bool foreign)
{
    Sym root = zip_root(zip);
    const ZipMember *data = zip_find(zip, job_printf(a->job, "%sdata.pkl", root));
    if (!data)
        fail(a->job, EXIT_INPUT, "%s: has no member data.pkl; expected what torch.save writes",
             where);
    check_byteorder(a->job, zip, root);
    return pickle_read(a->job, zip_where(zip, data), zip_bytes(zip, data), (size_t)zip_size(data),
                       foreign);
}

/* The value of a member that is a torch.save zip and, in *zip, its members.  NULL: it is empty. */
static const PValue *read_pickle(Archive *a, const ZipMember *member, bool foreign, Zip **zip)
{
    const char *where = zip_where(a->zip, member);
    *zip = NULL;
    if (!zip_size(member))
        return NULL;
    *zip = zip_read(a->job, where, zip_bytes(a->zip, member), (size_t)zip_size(member), a->zip);
    return read_saved(a, *zip, where, foreign);
}

static void read_storage(Archive *a, Weight *w, Zip *zip, const PStorage *s)
{
    const ZipMember *m =
        zip_find(zip, job_printf(a->job, "%sdata/%s", zip_root(zip), s->key));
    DType type = dtype_from_storage(s->type);
    int64_t bytes;
    if (!m) {
        weight_postpone(w, EXIT_INPUT, job_printf(a->job, "is in the storage data/%.200s, which the "
                                           "archive does not hold", s->key));
        return;
    }
    w->store = store_of(a, zip, m);
    if (!mul_i64(s->count, type == DT_NONE ? 1 : dtype_info[type].bytes, &bytes) ||
        (uint64_t)bytes > zip_size(m))
        weight_postpone(w, EXIT_INPUT, zip_size(m) ? "has a storage shorter than declared; the file is "
                                              "damaged" : weight_absent);
}

static void read_tensor(Archive *a, Weight *w, Zip *zip, const PTensor *p)
{
    Tensor *t = &w->tensor;
    t->rank = p->rank;
    t->offset = p->offset;
    memcpy(t->size, p->size, sizeof t->size);
    memcpy(t->stride, p->stride, sizeof t->stride);
    if (p->dtype)
        set_dtype(a, w, torch_dtype_number(p->dtype));
    if (!p->storage) {
        weight_postpone(w, EXIT_INPUT, weight_absent);
        return;
    }
    if (!p->dtype && (t->dtype = dtype_from_storage(p->storage->type)) == DT_NONE)
        weight_postpone(w, EXIT_INPUT, "has a storage without element type");
    if (p->lazy)
        weight_postpone(w, EXIT_UNSUPPORTED, "is lazily conjugated or negated; save a resolved copy");
    if (!w->refusal)
        read_storage(a, w, zip, p->storage);
}

static void read_value(Archive *a, Weight *w, Zip *zip, const PValue *v)
{
    w->pickled = zip;
    if (v->kind == P_TENSOR)
        read_tensor(a, w, zip, v->tensor);
    else if (v->kind == P_SUBCLASS)
        w->sub = v;
    else
        weight_postpone(w, EXIT_UNSUPPORTED, "is no tensor but a pickled object");
    if (w->sub)
        weight_postpone(w, EXIT_UNSUPPORTED, job_printf(a->job, "is a tensor subclass, %.200s; only plain "
                                                 "tensors are supported", v->sub.class_name));
}

static void load_dict(Archive *a, Model *m, Zip *zip, const PValue *dict, const char *where)
{
    SymMap seen = { 0 };
    if (dict->kind != P_DICT)
        fail(a->job, EXIT_INPUT, "%s: pickle is no dict; expected names and tensors", where);
    for (size_t i = 0; i + 1 < dict->items.n; i += 2) {
        const PValue *key = dict->items.at[i];
        if (key->kind != P_STRING)
            fail(a->job, EXIT_INPUT, "%s: pickle has a key that is no string", where);
        if (symmap_get(&seen, key->text))
            fail(a->job, EXIT_INPUT, "%s: pickle has the key \"%.200s\" twice", where, key->text);
        symmap_put(a->job, &seen, key->text, dict->items.at[i + 1]);
        read_value(a, weight_add(a, m, key->text, where), zip, dict->items.at[i + 1]);
    }
}

/* A dict of name -> tensor; false when there is no such member. */
static bool load_pickle(Archive *a, Model *m, const char *name)
{
    const ZipMember *member = zip_find(a->zip, name);
    if (!member)
        return false;
    Zip *zip;
    const PValue *dict = read_pickle(a, member, false, &zip);
    if (dict)
        load_dict(a, m, zip, dict, zip_where(a->zip, member));
    return true;
}

void weights_load_zip(Archive *a, Model *m, Zip *zip, const char *where)
{
    const PValue *dict = read_saved(a, zip, where, false);
    m->loaded = true;
    for (size_t i = 0; dict->kind == P_DICT && i + 1 < dict->items.n; i += 2) {
        const PValue *key = dict->items.at[i], *v = dict->items.at[i + 1];
        if (key->kind == P_STRING && v->kind == P_DICT && v->items.n > 1 && v->items.at[1]->kind == P_TENSOR)
            fail(a->job, EXIT_INPUT, "%s: is a checkpoint that holds a state dict under \"%.200s\"; save that alone",
                 where, key->text);
    }
    load_dict(a, m, zip, dict, where);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static void load(Archive *a, Model *m)
{
    Job *job = a->job;
    m->loaded = true;
    if (a->layout == LAYOUT_PLAIN) {
        load_pickle(a, m, "serialized_state_dict.pt");
        m->constants = true;
        load_pickle(a, m, "serialized_constants.pt");
        return;
    }
    if (!load_config(a, m, "data/weights/", "_weights_config.json"))
        load_pickle(a, m, job_printf(job, "%sdata/weights/%s.pt", a->root, m->name));
    m->constants = true;
    if (!load_config(a, m, "data/constants/", "_constants_config.json"))
        load_pickle(a, m, job_printf(job, "%sdata/constants/%s.pt", a->root, m->name));
}

Model *weights_of(Archive *a, size_t model)
{
    Model *m = &a->models.at[model];
    if (!m->loaded)
        load(a, m);
    return m;
}

Weight *weight_find(Archive *a, size_t model, const char *name)
{
    Weight *w = symmap_get(&weights_of(a, model)->weights, sym(a->job, name));
    if (w && w->record) { /* a pickled record is opened once it is asked for */
        Zip *zip;
        const PValue *v = read_pickle(a, w->record, true, &zip);
        w->record = NULL;
        if (v)
            read_value(a, w, zip, v);
        else
            weight_postpone(w, EXIT_INPUT, weight_absent);
    }
    return w;
}

const Tensor *weight_tensor(Archive *a, Weight *w)
{
    if (w->ready)
        return &w->tensor;
    if (w->refusal)
        refuse(a, w, w->code, w->refusal);
    check_extent(a, w);
    Storage *s = &w->store->shared;
    if (!s->bytes)
        s->bytes = zip_bytes(w->store->zip, w->store->member);
    w->tensor.storage = s;
    w->ready = true;
    return &w->tensor;
}

const Tensor *archive_tensor(Archive *a, size_t model, const char *name)
{
    Weight *w = weight_find(a, model, name);
    return w ? weight_tensor(a, w) : NULL;
}

bool archive_is_subclass(Archive *a, size_t model, const char *name)
{
    const Weight *w = weight_find(a, model, name);
    return w && w->sub;
}

const Tensor *archive_inner_tensor(Archive *a, size_t model, const char *name,
                                   const char *attribute)
{
    Weight *w = weight_find(a, model, name);
    const PValue *v = w ? w->sub : NULL;
    for (const char *at = attribute, *dot; v && at; at = dot ? dot + 1 : NULL) {
        dot = strchr(at, '.');
        const char *part = job_copy(a->job, at, dot ? (size_t)(dot - at) : strlen(at));
        v = v->kind == P_SUBCLASS ? pickle_get(v->sub.state, part) : NULL;
    }
    if (!v || v->kind != P_TENSOR)
        return NULL;
    Sym key = sym(a->job, attribute);
    Weight *inner = symmap_get(&w->inner, key);
    if (!inner) {
        inner = add_weight(a, &w->inner, key, w->where);
        inner->tensor.name = sym_printf(a->job, "%s.%s", name, attribute);
        read_value(a, inner, w->pickled, v);
    }
    return weight_tensor(a, inner);
}

bool tensors_equal(const Tensor *a, const Tensor *b)
{
    int64_t size = dtype_info[a->dtype].bytes, reach = 1;
    bool same = a->dtype == b->dtype && a->rank == b->rank;
    for (int i = 0; i < a->rank && same; i++) {
        same = a->size[i] == b->size[i] && a->stride[i] == b->stride[i] && a->size[i] > 0;
        reach += same ? (a->size[i] - 1) * a->stride[i] : 0; /* within the storage: that was checked */
    }
    return same && !memcmp(a->storage->bytes + a->offset * size, b->storage->bytes + b->offset * size,
                           (size_t)(reach * size));
}

const Tensor *archive_copied_tensor(Archive *a, size_t model, const char *name)
{
    const Weight *w = weight_find(a, model, name);
    const PValue *state = w && w->sub && w->sub->kind == P_SUBCLASS ? w->sub->sub.state : NULL;
    const Tensor *first = NULL;
    int copies = 0;
    for (size_t i = 0; state && state->kind == P_DICT && i + 1 < state->items.n; i += 2) {
        const PValue *key = state->items.at[i], *v = state->items.at[i + 1];
        if (v->kind == P_SUBCLASS)
            return NULL;
        const Tensor *t = v->kind == P_TENSOR && key->kind == P_STRING ? archive_inner_tensor(a, model, name, key->text) : NULL;
        if (t && first && !tensors_equal(t, first))
            return NULL;
        first = first ? first : t;
        copies += t != NULL;
    }
    return copies > 1 ? first : NULL; /* a lone one may be any encoding */
}
