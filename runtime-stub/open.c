/* SPDX-License-Identifier: MIT */
/* open.c: an artifact on disk becomes a table in memory: checked, opened, asked for its table. */
#include "libaotrt.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef const aot_model *Entry(uint32_t host_abi, const char *isa, aot_status *status);

struct aot_file {
    atomic_uint      references;    /* the host's, and one per session */
    void            *library;       /* dlopen's */
    const aot_model *model;
    Segments         segments;
};

/* dlsym gives an object pointer; ISO C has no cast from that to a function. */
static Entry *find_entry(void *library)
{
    Entry *entry = NULL;
    void *symbol = dlsym(library, "aot_entry");
    _Static_assert(sizeof entry == sizeof symbol, "POSIX");
    memcpy(&entry, &symbol, sizeof entry);
    return entry;
}

/* ---- The image ----------------------------------------------------------------------------- */

/* dlopen with the file's directory written out: a bare name would be searched for in the library
 * path. detours "./" are put before the file's name. */
static void *open_library(const char *path, int detours)
{
    char spelled[PATH_MAX + 64];
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash - path) + 1 : 0;
    int n = snprintf(spelled, PATH_MAX, "%.*s%s", folder, path, slash ? "" : "./");
    for (int i = 0; i < detours; i++, n += 2)
        memcpy(spelled + n, "./", 3);
    snprintf(spelled + n, sizeof spelled - (size_t)n, "%s", path + folder);
    return dlopen(spelled, RTLD_NOW | RTLD_LOCAL);
}

/* Is what the loader gave us the file that was checked? */
static int same_image(Entry *entry, const Notes *notes)
{
    Dl_info info;
    void *address;
    memcpy(&address, &entry, sizeof address);
    if (!dladdr(address, &info) || !info.dli_fbase)
        return 1;
    return !memcmp((const char *)info.dli_fbase + notes->address, notes->data, notes->bytes);
}

/* The loader knows open files by name: a path whose file was replaced gives it the old image.
 * Another spelling of the same path makes it look at the disk. image: what is mapped, for path. */
static aot_status load(aot_file *file, const char *path, const char *image, const Notes *notes,
                       Entry **entry, Text error)
{
    enum { SPELLINGS = 16 };
    for (int detours = 0; detours < SPELLINGS; detours++) {
        file->library = open_library(image, detours);
        if (!file->library) {
            const char *why = dlerror();
            return aotrt_fail(error, AOT_EHOST, "%s: the loader refuses it: %s", path,
                              why ? why : "no reason given");
        }
        *entry = find_entry(file->library);
        if (!*entry)
            return aotrt_fail(error, AOT_EDATA, "%s: exports no aot_entry", path);
        if (same_image(*entry, notes))
            return AOT_OK;
        dlclose(file->library);
        file->library = NULL;
    }
    return aotrt_fail(error, AOT_EHOST, "%s: %d older versions of this file are still open",
                      path, SPELLINGS);
}

/* ---- The table ----------------------------------------------------------------------------- */

static aot_status explain_refusal(const char *path, const char *isa, aot_status status, Text error)
{
    if (status == AOT_ECPU && isa)
        return aotrt_fail(error, status, "%s: cannot run as %s here", path, isa);
    if (status == AOT_ECPU)
        return aotrt_fail(error, status, "%s: this processor lacks what it was compiled for; "
                          "compile it with a lower --cpu", path);
    if (status == AOT_EABI)
        return aotrt_fail(error, status, "%s: not of ABI version %u, which this host speaks; "
                          "compile it again or use another libaotrt", path, AOT_ABI);
    return aotrt_fail(error, status ? status : AOT_EDATA, "%s: aot_entry refused: %s", path,
                      aot_status_text(status));
}

static aot_status ask_model(aot_file *file, Entry *entry, const char *path, const char *isa,
                            Text error)
{
    aot_status status = AOT_OK;
    const aot_model *model = entry(AOT_ABI, isa, &status);
    if (!model)
        return explain_refusal(path, isa, status, error);
    if (model->struct_size < offsetof(aot_model, reserved) || model->abi != AOT_ABI)
        return explain_refusal(path, isa, AOT_EABI, error);
    if (model->struct_size < offsetof(aot_model, features) || !model->methods || !model->method_count)
        return aotrt_fail(error, AOT_EDATA, "%s: its table is incomplete", path);
    file->model = model;
    return AOT_OK;
}

/* ---- Life ---------------------------------------------------------------------------------- */

static aot_status open_checked(aot_file *file, const char *path, const char *image,
                               const char *isa, const Notes *notes, Text error)
{
    Entry *entry = NULL;
    aot_status status = load(file, path, image, notes, &entry, error);
    if (!status)
        status = ask_model(file, entry, path, isa, error);
    if (!status)
        status = aotrt_map_segments(file->model, path, &file->segments, error);
    return status;
}

/* A path of the open file fd that no library has ever been opened by: the bits of a counter are
 * written into it as "/" and "/./". Else the loader could take another file that had this number. */
static void name_descriptor(char *to, size_t size, int fd)
{
    static atomic_uint count;
    int n = snprintf(to, size, "/proc/self/fd");
    for (unsigned bits = atomic_fetch_add(&count, 1) + 1; bits; bits >>= 1)
        n += snprintf(to + n, size - (size_t)n, bits & 1 ? "/./" : "/");
    snprintf(to + n, size - (size_t)n, "/%d", fd);
}

/* Opens what is behind fd. image: the path the loader gets; path: for messages and side files. */
static aot_status open_image(int fd, const char *path, const char *image, const aot_options *o,
                             aot_file **file, Text error)
{
    Notes notes = { 0 };
    aot_status status = aotrt_check_image(fd, path, &notes, error);
    if (status)
        return status;
    aot_file *made = calloc(1, sizeof *made);
    if (made) {
        atomic_init(&made->references, 1);
        made->segments.public_key = o->public_key;
        made->segments.weights = o->weights;
        status = open_checked(made, path, image, o->isa, &notes, error);
    } else
        status = aotrt_fail(error, AOT_EHOST, "%s: no memory", path);
    free(notes.data);
    if (status) {
        aotrt_file_drop(made);
        return status;
    }
    *file = made;
    return AOT_OK;
}

/* The bytes behind a descriptor without a name. */
static aot_status copy_image(const aot_options *o, const char *path, int *fd, Text error)
{
    const char *from = o->image;
    uint64_t rest = o->image_bytes;
    *fd = memfd_create("aotc", MFD_CLOEXEC);
    while (*fd >= 0 && rest) {
        ssize_t n = write(*fd, from, rest < INT_MAX ? (size_t)rest : INT_MAX);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        from += n;
        rest -= (uint64_t)n;
    }
    if (*fd >= 0 && !rest)
        return AOT_OK;
    aot_status status = aotrt_fail(error, AOT_EHOST, "%s: cannot be copied into memory: %s", path,
                                   strerror(errno));
    if (*fd >= 0)
        close(*fd);
    return status;
}

static aot_status open_copy(int copy, const char *path, const aot_options *o, aot_file **file,
                            Text error)
{
    char image[128];
    name_descriptor(image, sizeof image, copy);
    aot_status status = open_image(copy, path, image, o, file, error);
    close(copy);
    return status;
}

static aot_status open_path(const aot_options *o, aot_file **file, Text error)
{
    const char *path = o->path;
    int copy;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return aotrt_fail(error, AOT_EHOST, "%s: %s", path, strerror(errno));
    aot_status status = o->public_key ? aotrt_signed_copy(fd, path, o->public_key, &copy, error)
                                      : open_image(fd, path, path, o, file, error);
    close(fd);
    return status || !o->public_key ? status : open_copy(copy, path, o, file, error);
}

aot_status aot_open_as(const aot_options *options, aot_file **file, char *error,
                       uint64_t error_bytes)
{
    Text text = { error, (size_t)error_bytes };
    aot_options o = { 0 };
    int copy;
    if (file)
        *file = NULL;
    if (!options || !file || options->struct_size < sizeof options->struct_size)
        return aotrt_fail(text, AOT_EARG, "aot_open: options or file is NULL or empty");
    memcpy(&o, options, options->struct_size < sizeof o ? (size_t)options->struct_size : sizeof o);
    if (!o.path && !o.image)
        return aotrt_fail(text, AOT_EARG, "aot_open: path or file is NULL");
    if ((o.path && strlen(o.path) >= PATH_MAX) || (o.weights && strlen(o.weights) >= PATH_MAX))
        return aotrt_fail(text, AOT_EARG, "aot_open: the path is too long");
    if (!o.image)
        return open_path(&o, file, text);
    if (o.public_key)
        return aotrt_fail(text, AOT_EARG, "aot_open: an image in memory has no PATH.sig; check it with "
                          "aot_check_signature");
    const char *path = o.path ? o.path : "model in memory";
    aot_status status = copy_image(&o, path, &copy, text);
    return status ? status : open_copy(copy, path, &o, file, text);
}

aot_status aot_open(const char *path, const char *isa, aot_file **file, char *error,
                    uint64_t error_bytes)
{
    return aot_open_as(&(aot_options){ .struct_size = sizeof(aot_options), .path = path, .isa = isa },
                       file, error, error_bytes);
}

aot_status aot_open_signed(const char *path, const char *isa, const uint8_t *public_key,
                           aot_file **file, char *error, uint64_t error_bytes)
{
    if (!public_key) {
        if (file)
            *file = NULL;
        return aotrt_fail((Text){ error, (size_t)error_bytes }, AOT_EARG,
                          "aot_open_signed: the key is NULL");
    }
    aot_options o = { .struct_size = sizeof o, .path = path, .isa = isa, .public_key = public_key };
    return aot_open_as(&o, file, error, error_bytes);
}

const aot_model *aot_file_model(const aot_file *file)
{
    return file ? file->model : NULL;
}

const void *const *aotrt_file_segments(const aot_file *file)
{
    return file->segments.base;
}

void aotrt_file_hold(aot_file *file)
{
    atomic_fetch_add(&file->references, 1);
}

void aotrt_file_drop(aot_file *file)
{
    if (!file || atomic_fetch_sub(&file->references, 1) != 1)
        return;
    aotrt_unmap_segments(&file->segments);
    if (file->library)
        dlclose(file->library);
    free(file);
}

void aot_close(aot_file *file)
{
    aotrt_file_drop(file);
}
