/* SPDX-License-Identifier: MIT */
/* Reading and writing .npy, and the element types: see npy.h.
 *
 * A file is "\x93NUMPY", a version, the header's length, the header (a Python dict of exactly descr,
 * fortran_order and shape, ended by a newline) and the elements. */
#include "npy.h"
#include "../../codegen/toolchain/toolchain.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_HEADER = 65536 };

/* ---- element types --------------------------------------------------------------------------- */

typedef struct Kind {
    DLDataType dtype;
    const char *name, *descr; /* descr: as files spell it, "|" for one byte */
} Kind;

enum { CODE_INT, CODE_UINT, CODE_FLOAT, CODE_BFLOAT = 4, CODE_COMPLEX, CODE_BOOL };

static const Kind kinds[] = {
    { { CODE_FLOAT, 32, 1 }, "float32", "<f4" },     { { CODE_FLOAT, 64, 1 }, "float64", "<f8" },
    { { CODE_FLOAT, 16, 1 }, "float16", "<f2" },     { { CODE_INT, 8, 1 }, "int8", "|i1" },
    { { CODE_INT, 16, 1 }, "int16", "<i2" },         { { CODE_INT, 32, 1 }, "int32", "<i4" },
    { { CODE_INT, 64, 1 }, "int64", "<i8" },         { { CODE_UINT, 8, 1 }, "uint8", "|u1" },
    { { CODE_UINT, 16, 1 }, "uint16", "<u2" },       { { CODE_UINT, 32, 1 }, "uint32", "<u4" },
    { { CODE_UINT, 64, 1 }, "uint64", "<u8" },       { { CODE_BOOL, 8, 1 }, "bool", "|b1" },
    { { CODE_COMPLEX, 64, 1 }, "complex64", "<c8" }, { { CODE_COMPLEX, 128, 1 }, "complex128", "<c16" },
    { { CODE_BFLOAT, 16, 1 }, "bfloat16", "<u2" },
};
enum { KIND_COUNT = sizeof kinds / sizeof *kinds };

uint64_t dtype_bytes(DLDataType dtype)
{
    return (dtype.bits + 7u) / 8u;
}

bool dtype_same(DLDataType a, DLDataType b)
{
    return a.code == b.code && a.bits == b.bits && a.lanes == b.lanes;
}

static const Kind *kind_of(DLDataType dtype)
{
    for (size_t i = 0; i < KIND_COUNT; i++)
        if (dtype_same(kinds[i].dtype, dtype))
            return &kinds[i];
    return NULL;
}

const char *dtype_text(DLDataType dtype)
{
    const Kind *kind = kind_of(dtype);
    return kind ? kind->name : "?";
}

const char *shape_text(Job *job, const int64_t *shape, int32_t rank)
{
    Text t;
    text_init(&t, job);
    text_add(&t, "[");
    for (int32_t i = 0; i < rank; i++)
        text_add(&t, "%s%" PRId64, i ? ", " : "", shape[i]);
    text_add(&t, "]");
    return t.at;
}

/* ---- elements -------------------------------------------------------------------------------- */

static double from_half(uint16_t h)
{
    uint32_t exponent = h >> 10 & 31, bits;
    float f;
    if (exponent == 0) { /* zero and subnormals: a multiple of 2^-24 */
        double value = (double)(h & 1023) / 16777216.0;
        return h >> 15 ? -value : value;
    }
    bits = exponent == 31 ? 0x7f800000u : (exponent + 112) << 23;
    bits |= (uint32_t)(h & 1023) << 13 | (uint32_t)(h >> 15) << 31;
    memcpy(&f, &bits, 4);
    return f;
}

static double real_value(DLDataType dtype, const unsigned char *at)
{
    union {
        uint16_t half;
        uint32_t bits;
        float single;
        double full;
    } u;
    unsigned bits = dtype.code == CODE_COMPLEX ? dtype.bits / 2u : dtype.bits;
    if (bits == 64) {
        memcpy(&u.full, at, 8);
        return u.full;
    }
    if (bits == 32) {
        memcpy(&u.single, at, 4);
        return u.single;
    }
    memcpy(&u.half, at, 2);
    if (dtype.code == CODE_FLOAT)
        return from_half(u.half);
    u.bits = (uint32_t)u.half << 16;
    return u.single;
}

static uint64_t unsigned_value(DLDataType dtype, const unsigned char *at)
{
    uint64_t value = 0;
    memcpy(&value, at, dtype_bytes(dtype)); /* little-endian, as all machines that models run on */
    return value;
}

static int64_t signed_value(DLDataType dtype, const unsigned char *at)
{
    unsigned shift = 64u - dtype.bits;
    return (int64_t)(unsigned_value(dtype, at) << shift) >> shift;
}

double element_value(DLDataType dtype, const void *data, int64_t i)
{
    const unsigned char *at = (const unsigned char *)data + (uint64_t)i * dtype_bytes(dtype);
    if (dtype.code == CODE_INT)
        return (double)signed_value(dtype, at);
    if (dtype.code == CODE_UINT || dtype.code == CODE_BOOL)
        return (double)unsigned_value(dtype, at);
    return real_value(dtype, at);
}

const char *element_text(Job *job, DLDataType dtype, const void *data, int64_t i)
{
    const unsigned char *at = (const unsigned char *)data + (uint64_t)i * dtype_bytes(dtype);
    if (dtype.code == CODE_BOOL)
        return *at ? "true" : "false";
    if (dtype.code == CODE_INT)
        return job_printf(job, "%" PRId64, signed_value(dtype, at));
    if (dtype.code == CODE_UINT)
        return job_printf(job, "%" PRIu64, unsigned_value(dtype, at));
    if (dtype.code != CODE_COMPLEX)
        return job_printf(job, "%.5g", real_value(dtype, at));
    return job_printf(job, "%.4g%+.4gj", real_value(dtype, at), real_value(dtype, at + dtype.bits / 16u));
}

/* ---- the header ------------------------------------------------------------------------------ */

typedef struct Header {
    Job *job;
    Array *array;
    const char *at, *end;
    bool fortran, seen_descr, seen_order, seen_shape;
} Header;

static _Noreturn void refuse(const Header *h, const char *what)
{
    fail(h->job, EXIT_INPUT, "%s: %s; expected a .npy file as numpy.save writes it", h->array->path, what);
}

static void skip_blank(Header *h)
{
    while (h->at < h->end && (*h->at == ' ' || *h->at == '\n' || *h->at == '\t'))
        h->at++;
}

static bool take(Header *h, const char *word)
{
    size_t n = strlen(word);
    skip_blank(h);
    if ((size_t)(h->end - h->at) < n || memcmp(h->at, word, n))
        return false;
    h->at += n;
    return true;
}

static void want(Header *h, const char *word)
{
    if (!take(h, word))
        refuse(h, job_printf(h->job, "its header lacks \"%s\" where it is due", word));
}

/* A string in either kind of quotes, without escapes. */
static const char *take_string(Header *h)
{
    skip_blank(h);
    char quote = h->at < h->end ? *h->at : 0;
    if (quote != '\'' && quote != '"')
        refuse(h, "its header has no text where one is due (a structured array?)");
    const char *from = ++h->at;
    while (h->at < h->end && *h->at != quote && *h->at != '\\' && *h->at >= ' ' && *h->at < 127)
        h->at++;
    if (h->at == h->end || *h->at != quote || h->at - from > 64)
        refuse(h, "a text of its header has no end");
    return job_copy(h->job, from, (size_t)(h->at++ - from));
}

static void take_descr(Header *h)
{
    const char *descr = take_string(h);
    for (size_t i = 0; i < KIND_COUNT; i++) {
        bool one_byte = kinds[i].dtype.bits == 8, order = *descr == '<' || (one_byte && *descr == '|');
        if (order && !strcmp(descr + 1, kinds[i].descr + 1)) {
            h->array->dtype = kinds[i].dtype;
            return;
        }
    }
    if (*descr == '>')
        refuse(h, job_printf(h->job, "its elements '%s' are big-endian", descr));
    if (!strcmp(descr, "|O"))
        refuse(h, "it holds Python objects");
    refuse(h, job_printf(h->job, "its elements '%s' are of no type that models have", descr));
}

static void take_order(Header *h)
{
    h->fortran = take(h, "True");
    if (!h->fortran)
        want(h, "False");
}

static int64_t take_size(Header *h)
{
    int64_t size = 0;
    skip_blank(h);
    if (h->at == h->end || *h->at < '0' || *h->at > '9')
        refuse(h, "its shape is not of numbers");
    for (; h->at < h->end && *h->at >= '0' && *h->at <= '9'; h->at++)
        if (!mul_i64(size, 10, &size) || !add_i64(size, *h->at - '0', &size))
            refuse(h, "a size of its shape is too large");
    take(h, "L"); /* as Python 2 wrote */
    return size;
}

static void take_shape(Header *h)
{
    Array *a = h->array;
    bool comma = false;
    want(h, "(");
    a->rank = 0;
    while (!take(h, ")")) {
        if (a->rank == NPY_MAX_RANK || (a->rank && !comma))
            refuse(h, "its shape is wrong");
        a->shape[a->rank++] = take_size(h);
        comma = take(h, ",");
    }
    if (a->rank == 1 && !comma)
        refuse(h, "its shape is no tuple");
}

static void take_entry(Header *h)
{
    const char *key = take_string(h);
    bool *seen = !strcmp(key, "descr")           ? &h->seen_descr
                 : !strcmp(key, "fortran_order") ? &h->seen_order
                 : !strcmp(key, "shape")         ? &h->seen_shape
                                                 : NULL;
    if (!seen || *seen)
        refuse(h, job_printf(h->job, "its header has '%s' %s", key, seen ? "twice" : "that no .npy has"));
    *seen = true;
    want(h, ":");
    if (seen == &h->seen_descr)
        take_descr(h);
    else if (seen == &h->seen_order)
        take_order(h);
    else
        take_shape(h);
}

static void parse_header(Header *h)
{
    Array *a = h->array;
    bool comma = true;
    want(h, "{");
    while (!take(h, "}")) {
        if (!comma)
            refuse(h, "its header lacks a comma");
        take_entry(h);
        comma = take(h, ",");
    }
    skip_blank(h);
    if (h->at != h->end)
        refuse(h, "its header goes on behind its end");
    if (!h->seen_descr || !h->seen_order || !h->seen_shape)
        refuse(h, "its header lacks descr, fortran_order or shape");
    a->count = 1;
    bool empty = false, fits = true;
    for (int32_t i = 0; i < a->rank; i++)
        empty |= a->shape[i] == 0;
    for (int32_t i = 0; i < a->rank && !empty && fits; i++)
        fits = mul_i64(a->count, a->shape[i], &a->count);
    a->count = empty ? 0 : a->count;
    int64_t bytes = 0;
    if (!fits || !mul_i64(a->count, (int64_t)dtype_bytes(a->dtype), &bytes))
        refuse(h, "its shape is too large");
    a->bytes = (uint64_t)bytes;
}

/* ---- reading --------------------------------------------------------------------------------- */

static void close_file(void *handle)
{
    fclose(handle);
}

static void read_exactly(const Header *h, FILE *file, void *to, size_t bytes, const char *what)
{
    errno = 0;
    if (bytes && fread(to, 1, bytes, file) != bytes) {
        if (ferror(file))
            fail(h->job, EXIT_RESOURCE, "%s: cannot be read; %s", h->array->path, strerror(errno));
        refuse(h, what);
    }
}

/* Elements in Fortran order: those of the transposed array, row-major. */
static void *transpose(Job *job, const Array *a)
{
    size_t size = dtype_bytes(a->dtype);
    char *to = job_big(job, a->bytes);
    int64_t index[NPY_MAX_RANK] = { 0 }, step[NPY_MAX_RANK], from = 0;
    for (int32_t d = 0; d < a->rank; d++)
        step[d] = d ? step[d - 1] * a->shape[d - 1] : 1;
    for (int64_t i = 0; i < a->count; i++) {
        memcpy(to + (size_t)i * size, (const char *)a->data + (size_t)from * size, size);
        for (int32_t d = a->rank - 1; d >= 0; d--) {
            from += step[d];
            if (++index[d] < a->shape[d])
                break;
            from -= step[d] * a->shape[d];
            index[d] = 0;
        }
    }
    return to;
}

static void check_bools(const Header *h)
{
    const Array *a = h->array;
    for (int64_t i = 0; a->dtype.code == CODE_BOOL && i < a->count; i++)
        if (((const unsigned char *)a->data)[i] > 1)
            refuse(h, job_printf(h->job, "its bool number %" PRId64 " is neither 0 nor 1", i));
}

/* Opens the file and parses its header; `*at` is where the elements begin. */
static FILE *open_npy(Header *h, uint64_t *at, uint64_t *file_bytes)
{
    struct stat st;
    unsigned char lead[12];
    const char *path = h->array->path;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "rb");
    if (!file) {
        int error = errno;
        if (fd >= 0)
            close(fd);
        fail(h->job, EXIT_INPUT, "%s: cannot be read; %s", path, strerror(error));
    }
    job_defer(h->job, close_file, file);
    if (fstat(fd, &st) || !S_ISREG(st.st_mode))
        refuse(h, "is not a regular file");
    read_exactly(h, file, lead, 10, "is too short");
    if (memcmp(lead, "\x93NUMPY", 6))
        refuse(h, "is no .npy file");
    if (lead[6] < 1 || lead[6] > 3 || lead[7])
        refuse(h, job_printf(h->job, "is of version %d.%d", lead[6], lead[7]));
    size_t length = lead[8] | (size_t)lead[9] << 8;
    *at = 10;
    if (lead[6] > 1) {
        read_exactly(h, file, lead + 10, 2, "is too short");
        length |= (size_t)lead[10] << 16 | (size_t)lead[11] << 24;
        *at = 12;
    }
    if (length > MAX_HEADER)
        refuse(h, "its header is too long");
    char *text = job_alloc(h->job, length + 1);
    read_exactly(h, file, text, length, "its header is cut off");
    h->at = text;
    h->end = text + length;
    parse_header(h);
    *at += length;
    *file_bytes = (uint64_t)st.st_size;
    return file;
}

void npy_read(Job *job, const char *path, Array *array)
{
    uint64_t at, file_bytes;
    *array = (Array){ .path = path };
    Header h = { .job = job, .array = array };
    FILE *file = open_npy(&h, &at, &file_bytes);
    if (file_bytes < at || file_bytes - at != array->bytes)
        refuse(&h, job_printf(job, "holds %" PRIu64 " bytes of elements, its shape %s needs %" PRIu64,
                              file_bytes < at ? 0 : file_bytes - at,
                              shape_text(job, array->shape, array->rank), array->bytes));
    array->data = job_big(job, array->bytes);
    read_exactly(&h, file, array->data, array->bytes, "its elements are cut off");
    job_undefer(job, file);
    fclose(file);
    check_bools(&h);
    if (h.fortran && array->rank > 1 && array->count > 1) {
        void *data = transpose(job, array);
        job_release_big(job, array->data);
        array->data = data;
    }
}

/* ---- writing --------------------------------------------------------------------------------- */

void npy_write(Job *job, const char *path, DLDataType dtype, int32_t rank, const int64_t *shape,
               const void *data)
{
    enum { LEAD = 10, ALIGN = 64 };
    const Kind *kind = kind_of(dtype);
    if (!kind)
        fail(job, EXIT_UNSUPPORTED, "%s: elements of code %d with %d bits have no .npy type", path,
             dtype.code, dtype.bits);
    Text t;
    text_init(&t, job);
    text_put(&t, "\x93NUMPY\1\0\0\0", LEAD);
    text_add(&t, "{'descr': '%s', 'fortran_order': False, 'shape': (", kind->descr);
    uint64_t bytes = dtype_bytes(dtype);
    for (int32_t i = 0; i < rank; bytes *= (uint64_t)shape[i++])
        text_add(&t, "%s%" PRId64, i ? ", " : "", shape[i]);
    text_add(&t, rank == 1 ? ",), }" : "), }");
    while ((t.n + 1) % ALIGN)
        text_put(&t, " ", 1);
    text_put(&t, "\n", 1);
    t.at[8] = (char)((t.n - LEAD) & 255);
    t.at[9] = (char)((t.n - LEAD) >> 8);
    Output *output = output_open(job, path, 0666);
    output_write(output, 0, t.at, t.n);
    if (bytes)
        output_write(output, t.n, data, bytes);
    output_commit(output);
}
