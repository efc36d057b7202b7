/* SPDX-License-Identifier: MIT */
/* aotc store: add, list, show, verify, get.  What a store is: store.h. */
#include "store.h"
#include "session.h"
#include "driver.h"
#include "../archive/zip.h"
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char unfinished[] = ".add-"; /* begins the name of a folder that is being filled */

/* The words of a command line. */
typedef struct Words {
    const char *store, *second; /* FILE, or NAME[@VERSION]; NULL: not given */
    const char *key, *public_key, *output;
    bool json;
} Words;

static void close_fd(void *fd)
{
    close(*(int *)fd);
}

/* ---- add ---------------------------------------------------------------------------------------------------- */

static void make_folder(Job *job, const char *path)
{
    if (mkdir(path, 0777) && !is_store_folder(path))
        fail(job, EXIT_RESOURCE, "%s: cannot be created; %s", path, strerror(errno));
}

/* One add at a time, so what is unfinished when the lock is held was left by one that was interrupted. */
static void lock_store(Job *job, const char *store)
{
    int *fd = job_alloc(job, sizeof *fd);
    *fd = open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd < 0 || flock(*fd, LOCK_EX))
        fail(job, EXIT_RESOURCE, "%s: cannot be locked; %s", store, strerror(errno));
    job_defer(job, close_fd, fd);
    Names names = store_folder(job, store);
    for (size_t i = 0; i < names.n; i++)
        if (!strncmp(names.at[i], unfinished, strlen(unfinished)))
            remove_folder((void *)(uintptr_t)store_child(job, store, names.at[i]));
}

/* Puts a file that was written into the list. */
static void add_sum(Job *job, Sums *sums, const char *folder, const char *name)
{
    Sum sum = { .name = name };
    store_hash(job, store_child(job, folder, name), true, NULL, sum.sha);
    *vec_push(job, sums) = sum;
}

static void copy_into(Job *job, const char *from, const char *folder, const char *name)
{
    uint8_t sha[SHA_BYTES];
    Output *out = output_open(job, store_child(job, folder, name), 0666);
    store_hash(job, from, false, out, sha);
    output_commit(out);
}

static bool begins_as_zip(Job *job, const char *path)
{
    char lead[4] = { 0 };
    int *fd = store_open(job, path, false);
    return read(*fd, lead, 4) == 4 && !memcmp(lead, "PK\3\4", 4);
}

/* To the disk, before the name is. */
static void sync_folder(Job *job, const char *folder)
{
    Names names = store_folder(job, folder);
    for (size_t i = 0; i <= names.n; i++) {
        const char *path = i < names.n ? store_child(job, folder, names.at[i]) : folder;
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        bool bad = fd < 0 || fsync(fd);
        if (fd >= 0)
            close(fd);
        if (bad)
            fail(job, EXIT_RESOURCE, "%s: cannot be written; %s", path, strerror(errno));
    }
}

/* The signature of a file of the folder, in the list. */
static void add_signature(Job *job, Sums *sums, const char *folder, const char *name, const uint8_t *key)
{
    size_t size;
    const char *path = store_child(job, folder, name);
    const uint8_t *bytes = map_file(job, path, &size);
    write_signature(job, path, bytes, size, key);
    add_sum(job, sums, folder, job_printf(job, "%s.sig", name));
}

/* A file of weights that lies beside the artifact. */
static void copy_beside(Job *job, const char *artifact, const char *folder, const char *name)
{
    const char *slash = strrchr(artifact, '/');
    const char *from = job_printf(job, "%.*s%s", slash ? (int)(slash - artifact) + 1 : 0, artifact, name);
    if (!is_model_name(name) || !access(store_child(job, folder, name), F_OK) ||
        !strncmp(name, STORE_SUMS, strlen(STORE_SUMS)) || !strncmp(name, "model.so", 8) ||
        !strncmp(name, "model.jar", 9))
        fail(job, EXIT_INPUT, "%s: the name of its file of weights is none that a store can have", artifact);
    copy_into(job, from, folder, name);
}

/* Fills the folder; returns what it is. */
static Item fill_folder(Job *job, const Words *w, const char *folder)
{
    const char *artifact = begins_as_zip(job, w->second) ? "model.jar" : "model.so";
    uint8_t key[SECRET_KEY_BYTES];
    ArtifactFacts facts;
    Sums sums = { 0 };
    size_t size;
    copy_into(job, w->second, folder, artifact);
    const uint8_t *bytes = map_file(job, store_child(job, folder, artifact), &size);
    model_facts(job, w->second, bytes, size, &facts);
    const Json *meta = json_parse(job, w->second, facts.metadata, strlen(facts.metadata));
    const char *name = store_meta(job, meta, "name"), *version = store_meta(job, meta, "version");
    if (!*version)
        fail(job, EXIT_INPUT, "%s: has no version; compile it with --meta FILE.json", w->second);
    if (!is_model_name(name) || !is_model_version(version))
        fail(job, EXIT_INPUT, "%s: its name or version cannot be a folder; --meta gives it others", w->second);
    const char *text = job_printf(job, "%s\n", facts.metadata);
    output_file(job, store_child(job, folder, STORE_METADATA), 0666, text, strlen(text));
    add_sum(job, &sums, folder, STORE_METADATA);
    add_sum(job, &sums, folder, artifact);
    const char *beside = store_meta(job, meta, "weights_file");
    if (*beside) {
        copy_beside(job, w->second, folder, beside);
        add_sum(job, &sums, folder, beside);
    }
    if (w->key) {
        read_secret_key(job, w->key, key);
        add_signature(job, &sums, folder, artifact, key);
        if (*beside)
            add_signature(job, &sums, folder, beside, key);
    }
    text = store_sums_text(job, &sums);
    output_file(job, store_child(job, folder, STORE_SUMS), 0666, text, strlen(text));
    if (w->key)
        write_signature(job, store_child(job, folder, STORE_SUMS), text, strlen(text), key);
    sodium_memzero(key, sizeof key);
    return store_item_at(job, w->store, name, version);
}

static void store_add(Job *job, const Words *w)
{
    if (!w->second)
        usage_error(job, "store add: no artifact is given");
    make_folder(job, w->store);
    lock_store(job, w->store);
    char *folder = job_printf(job, "%s/%s%08x", w->store, unfinished, randombytes_random());
    make_folder(job, folder);
    job_defer(job, remove_folder, folder);
    Item item = fill_folder(job, w, folder);
    sync_folder(job, folder);
    make_folder(job, store_child(job, w->store, item.name));
    if (rename(folder, item.folder)) { /* which replaces no folder that holds something */
        if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR)
            fail(job, EXIT_INPUT, "%s: is there already; a version is never replaced", item.folder);
        fail(job, EXIT_RESOURCE, "%s: cannot be created; %s", item.folder, strerror(errno));
    }
    job_undefer(job, folder);
    sync_folder(job, store_child(job, w->store, item.name));
    printf("%s\n", item.folder);
}

/* ---- list, show --------------------------------------------------------------------------------------------- */

static void list_json(Job *job, Text *t, const Item *item, const Json *meta, bool is_signed)
{
    const char *const keys[] = { "description", "weights_hash", "archive_sha256", "torch", "compiler" };
    text_add(t, "{\"name\":");
    text_json(t, item->name);
    text_add(t, ",\"version\":");
    text_json(t, item->version);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (*store_meta(job, meta, keys[i])) {
            text_add(t, ",\"%s\":", keys[i]);
            text_json(t, store_meta(job, meta, keys[i]));
        }
    text_add(t, ",\"signed\":%s}", is_signed ? "true" : "false");
}

typedef struct Row {
    const Item *item;
    bool json, first;
} Row;

static void list_body(Job *job, void *arg)
{
    const Row *row = arg;
    const Item *item = row->item;
    size_t size;
    Text t;
    const char *path = store_child(job, item->folder, STORE_METADATA);
    store_open(job, path, true);
    const char *text = (const char *)map_file(job, path, &size);
    const Json *meta = json_parse(job, path, text, size);
    bool is_signed = !access(store_child(job, item->folder, STORE_SUMS_SIGNATURE), F_OK);
    text_init(&t, job);
    if (row->json) {
        text_add(&t, row->first ? "" : ",\n");
        list_json(job, &t, item, meta, is_signed);
    } else {
        text_add(&t, "%s", item->name);
        text_pad(&t, 24);
        text_add(&t, " %s", item->version);
        text_pad(&t, 40);
        text_add(&t, " %-16s %-6s %s\n", plain_text(job, store_meta(job, meta, "weights_hash")),
                 is_signed ? "signed" : "", plain_text(job, store_meta(job, meta, "description")));
    }
    fputs(t.at, stdout);
}

/* Neither hashes nor signatures are checked: that is for verify. */
static void store_list(Job *job, const Words *w)
{
    size_t bad = 0;
    if (w->second && !is_model_name(w->second))
        usage_error(job, "%s: is no name of a model", w->second);
    Items items = store_items(job, w->store, w->second);
    printf("%s", w->json ? "[" : "");
    for (size_t i = 0; i < items.n; i++) /* in a job of its own, so that one that is damaged hides no other */
        bad += job_run(list_body, &(Row){ &items.at[i], w->json, i == bad }, stderr) != EXIT_DONE;
    printf("%s", w->json ? "]\n" : "");
    if (bad)
        fail(job, EXIT_INPUT, "%s: %zu of %zu versions are damaged", w->store, bad, items.n);
}

static void store_show(Job *job, const Words *w)
{
    if (!w->second)
        usage_error(job, "store show: no model is given; expected NAME or NAME@VERSION");
    Item item = store_item(job, w->store, w->second);
    Sums sums = store_check(job, &item, w->public_key);
    const char *artifact = store_artifact(&sums), *path = store_child(job, item.folder, artifact);
    ArtifactFacts facts;
    size_t size;
    const uint8_t *bytes = map_file(job, path, &size);
    model_facts(job, path, bytes, size, &facts);
    show_facts(job, path, &facts, w->json);
}

/* ---- verify, get -------------------------------------------------------------------------------------------- */

typedef struct Check {
    const Item *item;
    const char *public_key;
} Check;

static void check_body(Job *job, void *arg)
{
    const Check *c = arg;
    store_check(job, c->item, c->public_key);
}

static void store_verify(Job *job, const Words *w)
{
    size_t bad = 0;
    int code = EXIT_DONE;
    Items items = { 0 };
    if (w->second && strchr(w->second, '@'))
        *vec_push(job, &items) = store_item(job, w->store, w->second);
    else
        items = store_items(job, w->store, w->second);
    if (!items.n)
        fail(job, EXIT_INPUT, "%s: has no versions%s%s", w->store, w->second ? " of " : "", w->second ? w->second : "");
    for (size_t i = 0; i < items.n; i++) { /* in a job of its own, so that all are looked at */
        const Item *item = &items.at[i];
        int one = job_run(check_body, &(Check){ item, w->public_key }, stderr);
        printf("%s@%s: %s\n", item->name, item->version,
               one             ? "FAILED"
               : w->public_key ? "ok, signed by the key"
                               : "ok");
        fflush(stdout);
        bad += one != EXIT_DONE;
        code = code ? code : one;
    }
    if (bad)
        fail(job, code, "%s: %zu of %zu versions failed", w->store, bad, items.n);
}

/* Copies what was checked: the bytes are hashed again on their way, and appear only if they are the same. */
static void copy_out(Job *job, const Item *item, const Sum *sum, const char *to)
{
    uint8_t sha[SHA_BYTES];
    const char *from = store_child(job, item->folder, sum->name);
    Output *out = output_open(job, to, 0666);
    store_hash(job, from, true, out, sha);
    if (memcmp(sha, sum->sha, SHA_BYTES))
        fail(job, EXIT_INPUT, "%s: changes while it is read", from);
    output_commit(out);
}

/* A file of weights keeps its name, by which the artifact asks for it; one of another version is not replaced. */
static void copy_out_beside(Job *job, const Item *item, const Sum *sum, const char *artifact)
{
    const char *slash = strrchr(artifact, '/');
    const char *to = job_printf(job, "%.*s%s", slash ? (int)(slash - artifact) + 1 : 0, artifact, sum->name);
    uint8_t sha[SHA_BYTES];
    if (access(to, F_OK)) {
        copy_out(job, item, sum, to);
        return;
    }
    store_hash(job, to, false, NULL, sha);
    if (memcmp(sha, sum->sha, SHA_BYTES))
        fail(job, EXIT_INPUT, "%s: is there already, for another artifact perhaps; name another folder with -o", to);
}

static void store_get(Job *job, const Words *w)
{
    if (!w->second)
        usage_error(job, "store get: no model is given; expected NAME or NAME@VERSION");
    Item item = store_item(job, w->store, w->second);
    Sums sums = store_check(job, &item, w->public_key);
    const char *artifact = store_artifact(&sums);
    const char *to = w->output ? w->output : job_printf(job, "%s%s", item.name, strrchr(artifact, '.'));
    const char *signed_as = job_printf(job, "%s.sig", artifact);
    const Sum *signature = store_sum(&sums, signed_as);
    for (size_t i = 0; i < sums.n; i++) {
        const Sum *sum = &sums.at[i];
        if (strcmp(sum->name, STORE_METADATA) && strcmp(sum->name, artifact) && strcmp(sum->name, signed_as))
            copy_out_beside(job, &item, sum, to);
    }
    if (signature) /* first, so that an artifact is never there with that of another version */
        copy_out(job, &item, signature, job_printf(job, "%s.sig", to));
    copy_out(job, &item, store_sum(&sums, artifact), to);
    printf("%s: %s@%s\n", to, item.name, item.version);
}

/* ---- the command -------------------------------------------------------------------------------------------- */

void command_store(Job *job, int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(Job *, const Words *);
    } commands[] = { { "add", store_add },
                     { "list", store_list },
                     { "show", store_show },
                     { "verify", store_verify },
                     { "get", store_get } };
    Words w = { 0 };
    const char *command = NULL, *value;
    if (help_wanted(job, argc, argv, "store"))
        return;
    for (int i = 1; i < argc; i++) {
        if ((value = flag_value(job, "--key", argc, argv, &i)))
            w.key = value;
        else if ((value = flag_value(job, "--require-signature", argc, argv, &i)))
            w.public_key = value;
        else if ((value = flag_value(job, "-o", argc, argv, &i)))
            w.output = value;
        else if (flag_is(argv[i], "--json"))
            w.json = true;
        else if (argv[i][0] == '-')
            usage_error(job, "%s: is not known to store", argv[i]);
        else if (!command)
            command = argv[i];
        else if (!w.store)
            w.store = argv[i];
        else if (!w.second)
            w.second = argv[i];
        else
            usage_error(job, "%s: is one word too many", argv[i]);
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (command && !strcmp(command, commands[i].name)) {
            if (!w.store)
                usage_error(job, "store %s: no store is given", command);
            if (sodium_init() < 0)
                fail(job, EXIT_RESOURCE, "libsodium does not start");
            commands[i].run(job, &w);
            return;
        }
    usage_error(job, "%s: is not known to store; add, list, show, verify and get are", command ? command : "no word");
}
