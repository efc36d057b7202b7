/* SPDX-License-Identifier: MIT */
/* From C text to a shared object: the C compiler as a child process, libtcc in this process, and
 * aotc's own link. Objects are byte strings in memory throughout; the only file written is the
 * output, beside its target and renamed. */
#ifndef AOTC_TOOLCHAIN_H
#define AOTC_TOOLCHAIN_H
#include "../../compiler/base/job.h"

typedef struct Object {
    const char *name; /* for messages: "model v4", "igemm_f32_v4.o" */
    const void *bytes;
    size_t size;
} Object;

/* ---- the C compiler -------------------------------------------------------------------------- */

/* The C compiler to use: `wanted` (--cc or $CC; may hold words: "ccache gcc"), else cc, gcc, clang,
 * the first that answers `--version`.  NULL: none. */
const char *cc_find(Job *job, const char *wanted);
/* Whether the compiler takes a flag without complaint (gcc and clang differ); runs it once. */
bool cc_accepts(Job *job, const char *cc, const char *flag);

/* One translation unit: `cc flags... -c -o TEMP source.c`. */
typedef struct CcUnit {
    const char *name;         /* for messages and as the file's name: "model.c" */
    const char *text;         /* the C source */
    const char *const *flags; /* NULL-terminated, after the common ones */
} CcUnit;

/* Objects from earlier compilations. `folder`: where they are kept; it fails the job (EXIT_RESOURCE)
 * when it cannot be made, or belongs to or can be written by another user. NULL: the usual place,
 * $XDG_CACHE_HOME/aotc or ~/.cache/aotc; the result is NULL when that cannot be used. The folder is
 * kept below about CACHE_BYTES; what was not used for longest is removed. */
typedef struct ObjectCache ObjectCache;
enum { CACHE_KEY = 32, CACHE_BYTES = 512 << 20, CACHE_OBJECT_MAX = 32 << 20 };
ObjectCache *cache_open(Job *job, const char *folder);
/* Whether an object with this key is there; out gets all but its name. */
bool cache_get(ObjectCache *cache, const uint8_t key[CACHE_KEY], Object *out);
/* Keeps an object; does nothing when that fails. */
void cache_put(ObjectCache *cache, const uint8_t key[CACHE_KEY], const Object *object);

/* Compiles the units, `jobs` at a time, in a private temporary folder that is always removed.  Each
 * unit is compiled in a folder of its own under its plain name, so objects do not depend on where
 * that is; paths among the flags must be absolute.  The common flags are -fPIC -ffreestanding
 * -fvisibility=hidden -fno-stack-protector -fno-common -ffunction-sections -fdata-sections -fno-lto
 * -fno-strict-aliasing -ffp-contract=off; a unit's own come later and win.  A name in .s is
 * assembled.  A failure is EXIT_TOOLCHAIN with the compiler's first error line.  A unit with -S
 * among its flags gives assembly text instead of an object.  `cache` (may be NULL) answers for units
 * that were compiled before: with this name, text and flags, by this compiler file and assembler. */
void cc_compile(Job *job, const char *cc, const CcUnit *units, size_t count, int jobs, ObjectCache *cache, Object *out);
/* The SIGINT, SIGTERM or SIGHUP that ended cc_compile, which then failed the job; 0: none did. */
int cc_ended_by(void);

/* ---- libtcc ---------------------------------------------------------------------------------- */

/* Compiles freestanding C with libtcc in this process; no headers, libraries or files are used.
 * `defines`: pairs name, value, ended by NULL.  Errors are EXIT_TOOLCHAIN with tcc's text (that is
 * a bug of the emitter). */
void tcc_compile(Job *job, const char *name, const char *text, const char *const *defines,
                 Object *out);

/* The same, loaded into this process to be called: for constant folding. `symbols`: what the text
 * may call. */
typedef struct TccSymbol {
    const char *name;
    void *address;
} TccSymbol;
void *tcc_load(Job *job, const char *name, const char *text, const char *const *defines,
               const TccSymbol *symbols, size_t symbol_count, const char *wanted);

/* ---- output files ---------------------------------------------------------------------------- */

/* A file that appears whole or not at all: written beside `path` (same folder, unpredictable name,
 * O_EXCL) and renamed by output_commit; removed when the job ends without commit.  A path that
 * names something else than a regular file (device, pipe, socket) is never replaced: output_commit
 * then copies the bytes into it in order (a folder is refused). Errors are EXIT_RESOURCE, naming
 * the path and errno. mode as for open(2). */
typedef struct Output Output;
Output *output_open(Job *job, const char *path, int mode);
void output_write(Output *output, uint64_t at, const void *bytes, size_t size); /* any order */
void output_commit(Output *output);
/* For small text files: open, write, commit. */
void output_file(Job *job, const char *path, int mode, const void *bytes, size_t size);

/* ---- the link -------------------------------------------------------------------------------- */

typedef enum Machine { MACHINE_X86_64, MACHINE_AARCH64 } Machine;

/* Merges relocatable objects and a block of weights into a shared object that depends on nothing:
 * no NEEDED, no text relocation, nothing writable after relocation (RELRO), no exec stack, one
 * exported symbol.  Only sections reachable from `entry` are kept; all else is resolved here; what
 * is left for the loader is RELATIVE.  A non-empty .bss or .data of C code, COMMON, an undefined
 * symbol, TLS or an unknown relocation is EXIT_TOOLCHAIN naming it. */
typedef struct Link {
    Machine machine;
    const char *entry;         /* the exported symbol: "aot_entry" */
    const char *soname;        /* DT_SONAME and build-id take no path; may be NULL */
    const char *metadata;      /* JSON for the note, owner "aotc", type 1 */
    const Object *objects;
    size_t object_count;
    uint64_t weights_bytes;    /* the last segment; symbol aot_weights is its start, page-aligned */
    const uint8_t *weights_id; /* 32 bytes that identify the weights: they go into the build-id */
    const char *recipe;        /* how the weights were made: section .aotc.recipe, not loaded; may be NULL */
    /* Called once while writing: calls link_weights(sink, offset, bytes, size) for all parts, any
     * order, gaps are 0. */
    void (*write_weights)(void *ctx, void *sink);
    void *ctx;
} Link;
void link_weights(void *sink, uint64_t at, const void *bytes, size_t size);
void link_shared_object(Job *job, const Link *link, const char *path);

/* Reads the JSON of an artifact's note through libelf, without loading it; EXIT_INPUT when the file
 * is none of ours. Also what it exports and needs: for `aotc inspect` and the tests. */
typedef struct ArtifactFacts {
    const char *metadata;      /* the note's JSON text */
    const char *const *exported; /* names of defined dynamic symbols */
    size_t exported_count;
    const char *const *needed; /* DT_NEEDED names */
    size_t needed_count;
    bool text_relocations, executable_stack;
    uint64_t weights_bytes, weights_at, file_bytes; /* weights_at: in the file */
    char build_id[41];
    const char *recipe;        /* of section .aotc.recipe; NULL: there is none */
} ArtifactFacts;
void artifact_read(Job *job, const char *path, ArtifactFacts *facts);
/* The same of bytes in memory that outlive the call: a member of a jar.  `where` names them in messages. */
void artifact_read_bytes(Job *job, const char *where, const void *bytes, size_t size, ArtifactFacts *facts);

/* Writes the artifact at `path`, whose facts were read, to `output` with other weights of the same size: build-id and,
 * wherever they stand, the texts of `changes` (pairs old, new of equal length, ended by NULL) change with them. */
void artifact_reweigh(Job *job, const char *path, const ArtifactFacts *facts, const uint8_t *weights,
                      const uint8_t weights_id[32], const char *const *changes, const char *output);
#endif
