/* SPDX-License-Identifier: MIT */
/* aot.h: the contract between a compiled model and whoever runs it.
 *
 * A model is one shared object (or one C file, or one object file) that depends on nothing: no
 * libc, no loader tricks, no constructor. It exports ONE function, aot_entry; all else hangs from
 * the constant table that it returns. Part 1 of this header is that table. Part 2 is libaotrt, a
 * small library for hosts that would rather not fill structs.
 *
 *     AOT_MODEL_ONLY    leaves part 2 out (generated models, microcontrollers)
 *     AOT_NO_INCLUDES   no #include: the few types come from plain C (libtcc has no headers)
 *
 * The laws, which hold for every model:
 *
 *   Memory    The model allocates nothing and owns nothing but its constants. Inputs, outputs,
 *             workspace and state belong to the host, which keeps them alive during a call only.
 *             Nothing the host passes is remembered after plan or run has returned.
 *   Lifetime  The table and all it points to live as long as the shared object stays open.
 *   Threads   No global is ever written. plan and run may be called on any number of threads at
 *             once, each with its own aot_call, workspace, outputs and state. One aot_call serves
 *             one thread at a time. A model starts no threads; see aot_host.parallel_for.
 *   Results   The same inputs give the same bits, whatever the number of threads.
 *   Failure   plan and run return a status, never print, never abort. After a failed run the state
 *             and all mutated inputs are as they were; outputs and workspace are undefined.
 *   Units     Sizes named bytes are bytes; shapes and strides count elements.
 *   Growth    Every struct a side fills starts with its own size, written by that side. A reader
 *             reads no field beyond that size, so later versions append fields without a break.
 *             (aot_dim and DLPack's structs never change, hence they carry no size.)
 *
 * One inference with nothing but this header, for a model of one input and one output:
 *
 *     aot_status status;
 *     const aot_model *model = aot_entry(AOT_ABI, NULL, &status);          once per open
 *     const aot_method *forward = model->methods[0];
 *     int64_t in_shape[] = { 8, 3 }, out_shape[2];
 *     DLTensor in = { x, { 1, 0 }, 2, { 2, 32, 1 }, in_shape, NULL, 0 }, out = in;
 *     out.data = NULL; out.shape = out_shape;
 *     uint64_t out_bytes = 0;
 *     char text[200];
 *     aot_call call = { .struct_size = sizeof call, .inputs = &in, .outputs = &out,
 *                       .output_bytes = &out_bytes, .error = text, .error_bytes = sizeof text };
 *     status = forward->plan(&call);                                       sizes are known now
 *     call.workspace_bytes = (call.needed_workspace + 63) / 64 * 64;
 *     call.workspace = aligned_alloc(64, call.workspace_bytes);
 *     out.data = malloc(out_bytes);
 *     status = forward->run(&call);                                        as often as you like
 *
 * Sizes. A dimension is fixed, or a symbol with a range that the caller's shapes decide, or
 * unknown: decided by the data. plan settles the first two and answers AOT_UNKNOWN (-1) for the
 * third, with a bound in output_bytes if there is one. After run every size is known. A host that
 * has enough room needs no plan at all: run fills shapes too, and AOT_ESPACE tells what more it
 * wants.
 *
 * Static memory. Where all dimensions have upper bounds, aot_method.workspace_max is the workspace
 * that suffices for every call on one thread: reserve it once, plan with the largest sizes for the
 * outputs, and never allocate again. A microcontroller makes both a static array.
 *
 * Workspace. Scratch memory of one call in flight. Two calls at once need two; calls in turn may
 * share one. It may be uninitialised, and holds no result after the call.
 *
 * Several methods. All methods of a model share constants and one state block, so a prefill and a
 * decode step are two aot_calls with the same state pointer, run one after the other.
 *
 * Scalars and None. A Python number of the signature is a tensor of no dimensions, of int64,
 * float64 or bool; None is a port without data. Both keep their place in the order of the
 * signature.
 */
#ifndef AOT_H
#define AOT_H

/* ---- Types ----------------------------------------------------------------------------------- */

#ifndef AOT_NO_INCLUDES
#include <stddef.h>
#include <stdint.h>
#elif !defined(AOT_BASE_TYPES)
/* Define AOT_BASE_TYPES as well if these names exist already. The compiler that reads this must
 * have 8-bit char, 16-bit short, 32-bit int and 64-bit long long, as all targets of a model have.
 * */
#define AOT_BASE_TYPES
typedef signed char int8_t;         typedef unsigned char uint8_t;
typedef short int16_t;              typedef unsigned short uint16_t;
typedef int int32_t;                typedef unsigned int uint32_t;
typedef long long int64_t;          typedef unsigned long long uint64_t;
typedef __SIZE_TYPE__ size_t;
#ifndef NULL
#define NULL ((void *)0)
#endif
#ifndef INT64_MAX
#define INT64_MAX 9223372036854775807LL
#define UINT64_MAX 18446744073709551615ULL
#endif
#endif

/* What is exported in spite of -fvisibility=hidden. Define it empty to link a model statically. */
#ifndef AOT_EXPORT
#if defined(__GNUC__) || defined(__TINYC__)
#define AOT_EXPORT __attribute__((visibility("default")))
#else
#define AOT_EXPORT
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Tensors are DLPack's. These are its structs, unless its own header was included before this one.
 * */
#ifndef DLPACK_DLPACK_H_
/* Always { 1, 0 }: memory of the processor. */
typedef struct { int32_t device_type, device_id; } DLDevice;
/* code: 0 int, 1 uint, 2 float, 4 bfloat, 5 complex, 6 bool. bits: of one element (complex: of both
 * parts together; bool: 8). lanes: always 1. bfloat16 is { 4, 16, 1 } and travels as uint16_t. */
typedef struct { uint8_t code, bits; uint16_t lanes; } DLDataType;
/* data: the first element, at any alignment; byte_offset: always 0, a host adds its own to data.
 * shape: ndim sizes, may be NULL when ndim is 0. strides: in elements; NULL means row-major. */
typedef struct {
    void *data;
    DLDevice device;
    int32_t ndim;
    DLDataType dtype;
    int64_t *shape, *strides;
    uint64_t byte_offset;
} DLTensor;
#endif

/* ==== Part 1: the model ======================================================================= */

/* The major version, raised only when a field moves or a meaning changes. A model and a host of
 * different majors refuse each other (AOT_EABI). */
#define AOT_ABI 1u

/* A size that is known only after the run, as that of nonzero or masked_select. */
#define AOT_UNKNOWN (-1)

/* What plan, run and aot_entry return. Any value but AOT_OK is a failure; a later version may add
 * values, so treat those you do not know as failures of no known kind.
 *
 *   AOT_OK       done
 *   AOT_EARG     a count, index or pointer is wrong: the host's mistake
 *   AOT_EDTYPE   a tensor has another element type than its port
 *   AOT_ESHAPE   a rank, a size out of its range, or a guard the exporter recorded between sizes
 *   AOT_ELAYOUT  the strides are neither row-major nor those the port asks for
 *   AOT_EDATA    the values are wrong: an index out of range, an assertion of the model; libaotrt:
 *                the file is broken or no model
 *   AOT_ESPACE   workspace or an output is too small: needed_workspace and output_bytes say how
 *                much is; give that and call again
 *   AOT_EHOST    the host could not: no memory, a file that cannot be read, grow returned NULL
 *   AOT_ECPU     this processor lacks what the model was compiled for, or the ISA asked for is
 *                absent
 *   AOT_EABI     model and host have different major versions
 *   AOT_ESIGNATURE  libaotrt: no signature, or not one by the key that was asked for */
typedef int32_t aot_status;
enum {
    AOT_OK, AOT_EARG, AOT_EDTYPE, AOT_ESHAPE, AOT_ELAYOUT, AOT_EDATA,
    AOT_ESPACE, AOT_EHOST, AOT_ECPU, AOT_EABI, AOT_ESIGNATURE
};

/* What the host may lend. Any pointer may be NULL; aot_call.host itself may be NULL.
 * All three functions get the same ctx and must not unwind (no longjmp, no C++ exception). */
typedef struct aot_host {
    uint64_t struct_size;
    void *ctx;

    /* Equals  for (int64_t task = 0; task < tasks; task++) body(arg, task, worker);
     * in any order, on any threads. worker < aot_call.threads, and no two bodies that run at the
     * same time have the same worker: it indexes scratch memory. Returns when all tasks are done.
     * NULL: the model runs the loop itself. It never nests one loop in another. Fastest where a task
     * of the same number stays on the same thread: its cache then has what the loop before wrote. */
    void (*parallel_for)(void *ctx, int64_t tasks,
                         void (*body)(void *arg, int64_t task, int64_t worker), void *arg);

    /* Memory for a size that is known only during the run, aligned to 64 bytes, contents undefined.
     * slot: an output's index, when aot_call.output_bytes[slot] is too little: the model stores the
     * result in outputs[slot].data, and the host frees it when it pleases. A second request for the
     * same slot replaces the first. slot -1: scratch, freed by the host after run has returned.
     * Called only by the thread that called run. A NULL result ends the run with AOT_EHOST;
     * grow = NULL ends it with AOT_ESPACE and the need in output_bytes[slot]. */
    void *(*grow)(void *ctx, int64_t slot, uint64_t bytes);

    /* A profile: kernel number, 1 on entry and 0 on leaving, by the thread that called run.
     * The names are in the metadata. NULL costs one branch a kernel. */
    void (*event)(void *ctx, int64_t kernel, int64_t enter);

    /* AOT_TILES, AOT_DOTS, ORed: what the process may use of its processor beyond the model's level
     * (aot_ask_features), which a model cannot ask for. Changes speed, and the last bits of results. */
    uint64_t features;
} aot_host;
enum {
    /* The processor has AMX-TILE and AMX-BF16, and all threads that run the model may use them (Linux:
     * arch_prctl(ARCH_REQ_XCOMP_PERM, 18), once per process). */
    AOT_TILES = 1,
    /* The processor has AVX512-BF16 and the system keeps its registers; used where AOT_TILES is not set. */
    AOT_DOTS = 2
};

/* One dimension of a port. */
typedef struct aot_dim {
    /* Permitted sizes, inclusive. hi = INT64_MAX: no upper bound. */
    int64_t lo, hi;
    /* "batch" or "2*h", as the exporter named it; NULL: fixed, and then lo == hi. Equal text in two
     * dimensions of a method means equal size. */
    const char *symbol;
    /* 1: the size is AOT_UNKNOWN until the run ends. hi still bounds it. */
    uint64_t unknown;
} aot_dim;

/* An input or an output: one flattened leaf of the exported signature, in the order in which
 * torch's pytree flattens arguments and results. */
typedef struct aot_port {
    uint64_t struct_size;
    /* "x", "cache.0.k" */
    const char *name;
    DLDataType dtype;
    int32_t ndim;
    /* ndim of them; NULL when ndim is 0 */
    const aot_dim *dims;
    /* NULL: row-major. Else the strides, in elements, that the exporter recorded: the tensor's
     * strides must be these, all others are AOT_ELAYOUT. (The stride of a dimension of size 1 is
     * free.) */
    const int64_t *fixed_strides;
    /* A Python number that the export fixed: 8 bytes, an int64_t or a double, by dtype. The input
     * must hold this value; hosts point data at it. Else NULL. */
    const int64_t *constant;
    /* AOT_MUTATED and its like, ORed */
    uint64_t flags;
} aot_port;
enum {
    /* the run writes the input, as the Python function did */
    AOT_MUTATED = 1,
    /* a Python number; here a tensor of no dimensions */
    AOT_SCALAR = 2,
    /* Python's None: the tensor is ignored */
    AOT_NONE = 4
};

/* Constants, packed as the kernels want them: for the model's eyes only. Shared by all methods,
 * and by all processes that map them; read lazily, page by page. */
typedef struct aot_segment {
    uint64_t struct_size;
    uint64_t bytes;
    /* A label; for a segment outside the artifact the name of its file, in the artifact's folder.
     * */
    const char *name;
    /* Where it is in the artifact; NULL: the host maps the file, 64-byte aligned, read-only, and
     * passes its address in aot_call.segments. */
    const void *embedded;
    /* Of the contents. The host checks it, for a file that it maps. */
    uint8_t sha256[32];
    /* Not all zeros: the file begins with an aot_weights_header of this layout, which the host checks
     * instead of sha256, so that other weights may take its place. bytes counts the header, and the
     * address that is passed is the file's. */
    uint8_t layout[32];
} aot_segment;

/* The first bytes of a file of weights; the constants follow at AOT_WEIGHTS_HEADER. Little-endian.
 * The host compares magic, version, header_bytes, layout, sum, and bytes with the file's size: what
 * passes never makes a model read outside of the file. contents is for tools. */
#define AOT_WEIGHTS_MAGIC "AOTWGHT"
#define AOT_WEIGHTS_HEADER 4096u
typedef struct aot_weights_header {
    char magic[8];
    uint32_t version, header_bytes;
    uint64_t bytes, reserved;
    uint8_t layout[32];
    /* SHA-256 of the constants; of this struct as far as here */
    uint8_t contents[32], sum[32];
} aot_weights_header;

/* One inference. The host owns it and everything it points to, and may use it again as it is, but
 * for output_bytes, which run overwrites. Fill it with zeros, then set what you need. */
typedef struct aot_call {
    uint64_t struct_size;
    /* One tensor per port, in port order. Host: data, device, ndim, dtype, room for ndim sizes at
     * shape, strides; and the sizes of inputs. Model: the sizes of outputs. No output may overlap
     * an input, another output, workspace or state. */
    DLTensor *inputs, *outputs;
    /* Per output. In: the room at outputs[i].data. Out: the room needed, and after a run the bytes
     * written; UINT64_MAX: no bound is known before the run. */
    uint64_t *output_bytes;
    /* Aligned to 64 bytes; contents are undefined before and after. */
    void *workspace;
    /* In: its size. */
    uint64_t workspace_bytes;
    /* Out: what these sizes and this number of threads need, exactly, without AOT_UNKNOWN ones. */
    uint64_t needed_workspace;
    /* aot_model.state_bytes, aligned to 64 bytes, filled by init_state and then left to the model:
     * what the model remembers between runs. NULL if state_bytes is 0. */
    void *state;
    /* Base addresses in the order of aot_model.segments; NULL if all are embedded. */
    const void *const *segments;
    /* What the host lends; NULL: serial, no growth, no profile. */
    const aot_host *host;
    /* How many workers parallel_for may name; 0 is 1. Changes speed and workspace, never a result.
     * */
    uint64_t threads;
    /* Room for a text that says what failed, in the model's own names: NUL-terminated, written on
     * failure only, cut to error_bytes. May be NULL. */
    char *error;
    uint64_t error_bytes;
} aot_call;

/* One exported program. plan and run are reentrant: any thread, any number at once, one call each.
 * */
typedef struct aot_method {
    uint64_t struct_size;
    /* "forward" */
    const char *name;
    uint64_t input_count, output_count;
    const aot_port *const *inputs, *const *outputs;
    /* The workspace that suffices for all permitted sizes on one thread; UINT64_MAX: no bound. */
    uint64_t workspace_max;
    /* Stack that run needs; 0: not measured. */
    uint64_t stack_max;
    /* 1: some size is known only during the run and has no bound, so that run wants aot_host.grow.
     * */
    uint64_t can_grow;
    /* Reads dtype, shape and strides of the inputs, and threads; fills outputs[].shape,
     * output_bytes and needed_workspace. Reads no data: all data pointers may be NULL. Cost: under
     * a microsecond. */
    aot_status (*plan)(aot_call *call);
    /* Plans by itself, then computes: a caller that has enough room makes this one call only. */
    aot_status (*run)(aot_call *call);
} aot_method;

/* The table that aot_entry returns: everything there is to know. Check abi before anything else,
 * and struct_size before a field that a later minor version added. */
typedef struct aot_model {
    uint64_t struct_size;
    /* the model's AOT_ABI; reserved is 0 */
    uint32_t abi, reserved;
    /* "resnet18"; "x86-64-v4", the level this table was compiled for */
    const char *name, *isa;
    /* JSON, the same text as in the ELF note (owner "aotc", type 1) */
    const char *metadata;
    uint64_t method_count, segment_count, state_bytes;
    const aot_method *const *methods;
    const aot_segment *const *segments;
    /* Writes the first values of all of the state; one block serves all methods.
     * segments as in aot_call. NULL if state_bytes is 0. */
    void (*init_state)(void *state, const void *const *segments);
    /* Those of aot_host.features that make a difference. */
    uint64_t features;
} aot_model;

/* The one exported symbol. (In C and objects that aotc emits it is called NAME_entry, so that two
 * models fit into one program.) There is a table per ISA inside; the best that this processor runs
 * is returned. isa: NULL, or a level's name to force it. NULL result: *status says why (AOT_ECPU,
 * AOT_EABI). Asks the processor what it is, 30 us under a hypervisor: call it once per open. */
AOT_EXPORT const aot_model *aot_entry(uint32_t host_abi, const char *isa, aot_status *status);

/* ---- Operators of one's own ------------------------------------------------------------------ */

/* An argument of an operator that is no tensor, as the exported program gives it; what it leaves out
 * is not there. A list is so many arguments of one name, one after the other. */
typedef struct aot_argument {
    const char *name;
    /* An integer or bool is both; a float without its fraction is integer. */
    int64_t integer;
    double number;
    /* a string, else NULL */
    const char *text;
} aot_argument;

/* The C function of an operator that PyTorch does not have: `aotc --custom-op mylib.bar=bar.c` calls
 *
 *     #include "aot.h"
 *     const char *mylib_bar(const DLTensor *inputs, int32_t input_count, DLTensor *outputs,
 *                           int32_t output_count, const aot_argument *arguments,
 *                           int32_t argument_count);
 *
 * Inputs are the tensors among the operator's arguments, in order; outputs its results, of the types
 * and sizes that the exporter recorded. All are dense in row-major order with strides NULL. The
 * function writes all of every output and nothing else, calls nothing outside its file, and returns
 * NULL, or a text that says why it cannot: the run fails with it. It is called by any thread. */
typedef const char *aot_operator(const DLTensor *inputs, int32_t input_count, DLTensor *outputs,
                                 int32_t output_count, const aot_argument *arguments,
                                 int32_t argument_count);

/* ==== Part 2: libaotrt ======================================================================== */

#ifndef AOT_MODEL_ONLY
/* Flat functions for C, JNA and ctypes. A file is an open artifact; a session owns one aot_call
 * with its tensors, workspace, state, and the outputs that the host did not bring. An inference is
 *
 *     aot_file *file; aot_session *session; char text[300];
 *     if (aot_open("model.so", NULL, &file, text, sizeof text)) return complain(text);
 *     if (aot_session_new(file, NULL, 1, &session)) return complain(aot_session_error(NULL));
 *     aot_set_input(session, 0, x, (int64_t[]){ 8, 3 }, 2);               keeps the pointer
 *     if (aot_run(session)) return complain(aot_session_error(session));  the one call when hot
 *     use(aot_output_data(session, 0), aot_output_shape(session, 0));
 *     aot_session_free(session);
 *     aot_close(file);
 *
 * Threads: open, session_new, session_free and close may be called on any thread at any time; a
 * session serves one thread at a time; sessions of one file run side by side. Whoever makes a
 * session holds the file open meanwhile.
 * Nothing here prints, aborts or installs a handler. Index arguments out of range give NULL, 0 or
 * AOT_EARG. Every function takes NULL for the object and then does nothing. */

typedef struct aot_file aot_file;
typedef struct aot_session aot_session;
typedef struct aot_pool aot_pool;

/* Opens an artifact. Checks before a byte of it is mapped: a regular file, ELF for this machine,
 * whole (a file cut short by a full disk would die of SIGBUS later), compiled by aotc. Opening runs
 * nothing but aot_entry; still it is a shared object, so open only what you would execute.
 * Side files are looked for in the same folder; their size and SHA-256 are checked.
 * isa: NULL or a level to force. error: text on failure, may be NULL. *file is NULL on failure.
 * A path that was replaced since it was first opened gives the new file. */
AOT_EXPORT aot_status aot_open(const char *path, const char *isa, aot_file **file,
                               char *error, uint64_t error_bytes);

/* The same for a file that must be signed: PATH.sig holds 64 bytes, an Ed25519 signature (RFC 8032)
 * of the file's bytes by the owner of public_key (32 bytes). The file is copied into sealed memory,
 * and that copy is checked and then mapped: what changes the file meanwhile changes nothing here.
 * Side files are copied before their SHA-256 is checked. So processes share no memory of it, and
 * opening takes time by the file's size. AOT_ESIGNATURE: there is no signature, or not by this
 * key; nothing of the file has been executed. AOT_EHOST: libsodium, which only these two functions
 * need, cannot be loaded. */
AOT_EXPORT aot_status aot_open_signed(const char *path, const char *isa, const uint8_t *public_key,
                                      aot_file **file, char *error, uint64_t error_bytes);

/* How to open an artifact, for aot_open_as. Fill it with zeros, then set what you need. */
typedef struct aot_options {
    uint64_t struct_size;
    /* The file. With image: what messages call it, and whose folder has side files; may be NULL. */
    const char *path;
    /* The artifact in memory, image_bytes of it; it is copied. NULL: path is read. */
    const void *image;
    uint64_t image_bytes;
    /* as for aot_open and aot_open_signed; a public_key wants a path and no image */
    const char *isa;
    const uint8_t *public_key;
    /* The file of weights, instead of the one beside the artifact that it names itself; NULL: that
     * one. It must be of the layout that the artifact asks for. */
    const char *weights;
} aot_options;

/* Opens as the options say: from a path or from memory, with the artifact's weights or others. With
 * a public_key a file of weights must be signed, too: FILE.sig. No temporary files. */
AOT_EXPORT aot_status aot_open_as(const aot_options *options, aot_file **file, char *error,
                                  uint64_t error_bytes);

/* AOT_OK when signature (64 bytes) is one of public_key (32 bytes) over the data, else
 * AOT_ESIGNATURE: for what the host reads itself. */
AOT_EXPORT aot_status aot_check_signature(const void *data, uint64_t bytes,
                                          const uint8_t *signature, const uint8_t *public_key,
                                          char *error, uint64_t error_bytes);

/* The model's table; lives as long as the file. */
AOT_EXPORT const aot_model *aot_file_model(const aot_file *file);

/* Gives up the host's hold. Sessions hold the file too: it is unmapped when the last is freed, so
 * the order of aot_close and aot_session_free does not matter. */
AOT_EXPORT void aot_close(aot_file *file);

/* A session for one method. method NULL: "forward", else the only one, else AOT_EARG.
 * threads: 0 or 1 serial; more: a pool of min(threads, the process's affinity, its cgroup's quota).
 * On failure *session is NULL and aot_session_error(NULL) has the text. The state is initialised.
 * Cost: microseconds, and memory for the state. */
AOT_EXPORT aot_status aot_session_new(aot_file *file, const char *method, uint64_t threads,
                                      aot_session **session);
/* Frees the session with its outputs, state and threads; not what the host brought. */
AOT_EXPORT void aot_session_free(aot_session *session);

/* The session's own call, at an address that never changes: bindings may write data pointers and
 * sizes of inputs here directly. dtype, ndim, strides and fixed sizes are filled in; sizes that
 * vary are -1 until set. Leave workspace, host, threads and error alone. */
AOT_EXPORT aot_call *aot_session_call(aot_session *session);
/* The method it runs, with names and ranges of all ports; lives as long as the file. */
AOT_EXPORT const aot_method *aot_session_method(const aot_session *session);

/* What the last failure of this session was; "" after a success. session NULL: the calling thread's
 * last failure of aot_session_new. Valid until the next call. */
AOT_EXPORT const char *aot_session_error(const aot_session *session);

/* Ports, for hosts that want no structs. How many: */
AOT_EXPORT uint64_t aot_input_count(const aot_session *session);
AOT_EXPORT uint64_t aot_output_count(const aot_session *session);
/* The name in the signature, as "x" or "cache.0.k": */
AOT_EXPORT const char *aot_input_name(const aot_session *session, uint64_t index);
/* The same for outputs: */
AOT_EXPORT const char *aot_output_name(const aot_session *session, uint64_t index);
/* 256 * code + bits of its DLDataType:
 *     0x008 int8      0x010 int16     0x020 int32     0x040 int64
 *     0x108 uint8     0x210 float16   0x220 float32   0x240 float64
 *     0x410 bfloat16  0x540 complex64 0x580 complex128  0x608 bool */
AOT_EXPORT int32_t aot_input_dtype(const aot_session *session, uint64_t index);
/* The same for outputs: */
AOT_EXPORT int32_t aot_output_dtype(const aot_session *session, uint64_t index);

/* Sets an input: elements of the port's type, row-major or in the port's strides. The data is not
 * copied: it stays the host's and must be there during every run until it is set anew. shape is
 * copied; NULL (with ndim 0) keeps the sizes that are set. Another rank: AOT_ESHAPE. */
AOT_EXPORT aot_status aot_set_input(aot_session *session, uint64_t index, void *data,
                                    const int64_t *shape, int32_t ndim);

/* Lends room for an output. Too little room makes aot_run fail with AOT_ESPACE (and the need in
 * aot_call.output_bytes), unless its size is known only in the run: then the session's own memory
 * takes over, so look at aot_output_data. data NULL: the session brings the memory, as by default.
 * */
AOT_EXPORT aot_status aot_set_output(aot_session *session, uint64_t index, void *data,
                                     uint64_t bytes);

/* Computes the output shapes for the inputs' sizes, without data: aot_output_shape and, in
 * aot_session_call, output_bytes and needed_workspace. Allocates nothing. For a host that wants to
 * bring outputs of the right size; aot_run does not ask for it. */
AOT_EXPORT aot_status aot_plan(aot_session *session);

/* One inference, the only call in a loop. Equals
 *
 *     do status = method->run(call); while (status == AOT_ESPACE && more room was made);
 *
 * Room means the workspace, and the outputs that the host did not bring. It only ever grows and is
 * kept, so that from the second run of a size on nothing is allocated. */
AOT_EXPORT aot_status aot_run(aot_session *session);

/* The outputs of the last successful run, each laid out as its port says. data: the host's memory
 * or the session's; the latter is valid until the next aot_run, aot_set_output or
 * aot_session_free. bytes: what the elements take. */
AOT_EXPORT void *aot_output_data(const aot_session *session, uint64_t index);
AOT_EXPORT const int64_t *aot_output_shape(const aot_session *session, uint64_t index);
AOT_EXPORT int32_t aot_output_ndim(const aot_session *session, uint64_t index);
AOT_EXPORT uint64_t aot_output_bytes(const aot_session *session, uint64_t index);

/* The state block, to save and restore as it is (same model, same ISA, no pointers inside). */
AOT_EXPORT uint64_t aot_state_size(const aot_session *session);
/* The block itself, read and written between runs only; NULL for a model without state. */
AOT_EXPORT void *aot_state(const aot_session *session);
/* Back to the first values. */
AOT_EXPORT void aot_state_reset(aot_session *session);
/* Lets the session work on another block of aot_state_size bytes, aligned to 64: that of another
 * method's session, say, with the same file. Not on two threads at once. NULL: its own again. */
AOT_EXPORT void aot_set_state(aot_session *session, void *state);

/* The thread pool, for hosts that fill aot_host themselves or share one pool between sessions.
 * aot_pool_new starts min(threads, affinity, quota) - 1 threads, or as many as the system gives;
 * the caller of a loop is one more worker. NULL: no memory. A pool of one worker is fine. A loop
 * that is called while the pool is busy with another caller's, from within a task, or in a fork's
 * child runs serially in its caller. */
AOT_EXPORT aot_pool *aot_pool_new(uint64_t threads);
/* How many workers there are, the caller among them: what belongs in aot_call.threads. */
AOT_EXPORT uint64_t aot_pool_threads(const aot_pool *pool);
/* Fits aot_host.parallel_for, with the pool as ctx. */
AOT_EXPORT void aot_pool_parallel_for(void *pool, int64_t tasks,
                                      void (*body)(void *arg, int64_t task, int64_t worker),
                                      void *arg);
/* A run begins, a run has ended: between them the workers wait for the pool's next loop awake, for 10 ms at most, and offer
 * the processor to whoever wants it, as being woken takes far longer than a loop's beginning. aot_run says both by itself;
 * a host that calls aot_method.run with this pool had better say them. Runs may overlap. NULL: nothing happens. */
AOT_EXPORT void aot_pool_begin(aot_pool *pool);
AOT_EXPORT void aot_pool_end(aot_pool *pool);
/* Ends and joins the threads. No loop may be running, no session may still use it. */
AOT_EXPORT void aot_pool_free(aot_pool *pool);
/* Makes a session use this pool, which outlives it, instead of its own; NULL: serial. */
AOT_EXPORT void aot_session_use_pool(aot_session *session, aot_pool *pool);
/* A profile: from now on every run calls event(ctx, kernel, enter) as aot_host.event says; NULL ends it. */
AOT_EXPORT void aot_session_watch(aot_session *session,
                                  void (*event)(void *ctx, int64_t kernel, int64_t enter), void *ctx);

/* What aot_host.features may say, for hosts that fill it themselves: those of `wanted`, which is
 * aot_model.features, that the processor has, the system grants and that are worth it: no AOT_DOTS where
 * there is AMX, as these processors take as long for a dot product as for multiply-adds of f32. The system
 * is asked once per process, and only if AOT_TILES is wanted: threads that use it have signal frames 8 KB
 * larger. A session of libaotrt asks by itself. */
AOT_EXPORT uint64_t aot_ask_features(uint64_t wanted);

/* "shape out of range or guard violated", ...; never NULL. */
AOT_EXPORT const char *aot_status_text(aot_status status);
#endif

#ifdef __cplusplus
}
#endif
#endif
