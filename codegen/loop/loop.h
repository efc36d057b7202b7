/* SPDX-License-Identifier: MIT */
/* The loop IR: how a model computes.
 *
 * A Program is a schedule of Kernels over Buffers.  A Buffer is memory with a logical shape and a physical layout
 * (strides, offset, a zero halo around some axes).  A Kernel is a tree of loops over scalars: stores of expressions,
 * accumulators, checks of data-dependent indices, calls of tiled kernels (codegen/kernels).  Expressions are pure and
 * shared inside their kernel; what is used twice, or does not change in an inner loop, gets a name where the text is
 * made (names.c), so producers of the IR need not care.
 * Text form and grammar: docs/loop-ir.md (program_print, program_parse). */
#ifndef AOTC_LOOP_H
#define AOTC_LOOP_H
#include "../../compiler/graph/graph.h"

typedef enum BufferKind { BUFFER_INPUT, BUFFER_OUTPUT, BUFFER_CONST, BUFFER_WORK, BUFFER_STATE, BUFFER_PART } BufferKind;

typedef struct Buffer {
    Sym name;
    BufferKind kind;
    DType dtype;
    int rank;
    const Idx *dim[MAX_RANK];    /* logical sizes */
    const Idx *stride[MAX_RANK]; /* elements */
    const Idx *offset;           /* of the logical origin; behind the halo */
    const Idx *elements;         /* all of it, halo included */
    int64_t halo[MAX_RANK];      /* zero elements before and after each axis, part of the buffer */
    bool channels_last;
    uint32_t port;               /* INPUT, OUTPUT: number of the port */
    uint64_t weight;             /* CONST, STATE: byte offset in the weights segment, in the state block */
    bool scratch;                /* WORK: of a kernel; each worker has its own, side by side from `at` on */
    int first, last;             /* WORK: schedule positions of the first write and the last access */
    const Idx *at;               /* WORK: byte offset in the workspace, by plan_memory */
    const Idx *bytes;
    struct Buffer *whole;        /* PART: the elements of another buffer from `start` on */
    const Idx *start;            /* PART: may read the variables of the loops around it */
    Sym about;                   /* for people: "packed weight of layer1.0.conv1" */
} Buffer;

typedef enum ExprKindL { X_NUM, X_IDX, X_LOAD, X_OP, X_VAR } XKind;

typedef struct X X; /* a scalar expression */
struct X {
    XKind kind;
    DType dtype;         /* of the value; f16 and bf16 values are f32 rounded after each operation */
    Op op;               /* X_OP: a POINTWISE operator */
    uint32_t n;
    const X *arg[3];     /* X_OP; X_LOAD: arg[0] is the guard (0 where false), if n is 1 */
    const Idx *idx;      /* X_IDX: the value; X_LOAD: element index */
    Buffer *buffer;      /* X_LOAD */
    double number;       /* X_NUM of floats */
    int64_t integer;     /* X_NUM of integers and bool */
    Sym var;             /* X_VAR */
    int level;           /* of the innermost block whose variables it reads: 0 is the kernel's own */
    uint32_t id;         /* expr.c: number in the kernel */
    uint32_t uses, walk; /* names.c */
    Sym name;            /* names.c: the variable that holds it, once defined */
};

typedef struct Stmt Stmt;
typedef struct Block {
    Stmt *first, *last;
} Block;

typedef enum StmtKind { S_FOR, S_LET, S_ACC, S_UPDATE, S_STORE, S_CHECK, S_ASSERT, S_CALL } StmtKind;

/* An argument of a call: a field of the callee's parameter struct. */
typedef struct Field {
    Sym name;
    const Idx *idx;      /* an integer; with buffer: element offset of the pointer */
    Buffer *buffer;
    Sym text;            /* else: C text (an enum constant, a float) */
} Field;

struct Stmt {
    StmtKind kind;
    Stmt *next;
    Sym var;             /* FOR: loop variable; LET, ACC, UPDATE: variable; CALL: callee ("aotk_igemm_f32") */
    const Idx *extent;   /* FOR; CHECK: value must be in [0, extent) */
    Block body;          /* FOR */
    bool apart;          /* FOR: its iterations write disjoint elements and need nothing of each other */
    const X *x;          /* LET, ACC (first value), UPDATE (operand), STORE (value), CHECK (value), ASSERT (must hold) */
    Op op;               /* UPDATE: accumulator = op(accumulator, x) */
    DType dtype;         /* ACC */
    Buffer *buffer;      /* STORE */
    const Idx *idx;      /* STORE: element index */
    bool update;         /* STORE: buffer[idx] = op(buffer[idx], x), op being pointwise */
    Sym text;            /* CHECK: what is indexed, NULL: it is known to be in range, nothing is checked; ASSERT: what holds; CALL: type of the parameter struct, NULL: positional
                            arguments */
    VEC(Field) fields;   /* CALL */
};

typedef struct Kernel {
    Sym name;
    Block body;
    Origin origin;
    Sym about;              /* "conv 3x3 -> f32[B, 64, 56, 56], bias, relu" */
    VEC(Buffer *) reads;    /* in order of first use */
    VEC(Buffer *) writes;
    bool checks;            /* has S_CHECK that checks or S_ASSERT: may fail at run time */
    bool special;           /* calls what only special.h defines (op_is_special) */
    bool features;          /* asks what it may use of the processor: a call has the field `features` */
    bool splits;            /* several threads may each do a part, and it is worth it (split.c) */
    const Idx *work;        /* in scalar operators, roughly */
} Kernel;

typedef struct Item Item;
typedef struct Loop Loop;
typedef struct Items {
    Item *first, *last;
} Items;
struct Item { /* of the schedule: one of */
    Item *next;
    Kernel *kernel;      /* a kernel, */
    Loop *loop;          /* a loop, */
    const Idx *size;     /* a size that is *found: a late symbol gets its value, anything else is compared, */
    Buffer *found;
    Sym about;           /* the line of the model that made it */
    Items together;      /* loops that need nothing of each other: threads may run them at the same time, */
    Buffer *condition;   /* or: if (*condition) then else otherwise */
    Items then, otherwise;
    int position;        /* in the whole schedule, for lifetimes */
};

/* What one iteration leaves to the next: the body reads `now` and writes `next`; behind it they change places. */
typedef struct Carry {
    Buffer *now, *next;
} Carry;

struct Loop {
    Sym var;             /* for var < extent; NULL: while the items of `test` leave true in `condition` */
    const Idx *extent;
    Buffer *condition;
    Items test, body;
    VEC(Buffer *) parts; /* of buffers, this iteration's: seen in the body only */
    VEC(Carry) carried;
};

typedef struct Weights Weights;

/* What was measured: the fastest way for a contraction (codegen/loop/choose.c). */
typedef struct Tuned {
    const char *key, *way;
} Tuned;

/* Choices that are the user's. */
typedef struct LowerOptions {
    int winograd; /* the largest tile of Winograd convolutions: 4, 2, or 0 for none */
    const Tuned *tuned;
    size_t tuned_count;
} LowerOptions;

/* One way to compute a contraction. */
typedef struct Way {
    int tile;   /* Winograd's: 4 or 2; 0: a plain sum */
    int depth;  /* of a sum before it starts anew; 0: by default */
    bool apart; /* a depthwise convolution and the pointwise one before it: one kernel each */
    bool parts; /* a plain sum for pixels that meet the same taps at once: its input needs no halo */
} Way;

/* The ways that a contraction can be computed, the first of which the cost model takes. */
typedef struct Choice {
    Text key;    /* one line: operator, types, sizes */
    Text sample; /* a graph that holds it alone (docs/graph-ir.md), for measuring */
    Way way[8];
    int count;
} Choice;

/* false: there is but one way. */
bool contract_choice(Job *job, const LowerOptions *options, Node *n, Choice *choice);
const char *way_name(Job *job, const Way *way);

typedef struct Program {
    Job *job;
    LowerOptions options;
    Graph *g;
    Sym name;                 /* method */
    VEC(Buffer *) inputs;     /* per input port; NULL: no tensor */
    VEC(Buffer *) outputs;
    VEC(Buffer *) consts;
    VEC(Buffer *) works;
    VEC(Buffer *) states;
    VEC(Buffer *) parts;
    VEC(Buffer *) fixed;      /* those of the parts that are the same in all of the run, each behind the one it is part of */
    Items schedule;
    int positions;
    VEC(Kernel *) kernels;
    const Idx *workspace;     /* bytes on one thread, by plan_memory */
    const Idx *scratch_bytes; /* its end: the scratch of one thread; every further thread needs as much again */
    Weights *weights;
} Program;


/* Lowers a graph that went through all passes.  Packed constants and states go to `weights`, shared between methods. */
Program *lower(Graph *g, Weights *weights, LowerOptions options);
/* Positions in the schedule, and from them the lifetimes of buffers. */
void number_schedule(Program *p);
/* Puts loops that need nothing of each other together (together.c), and kernels in the order of the schedule.  Before the schedule is numbered. */
void find_together(Program *p);
/* Whether the items of one `together` may run at the same time: loops, none of which can fail. */
bool may_run_together(Job *job, const Items *items);
/* Places WORK buffers in one workspace by lifetime.  What has late sizes without bounds stays without a place: the run
 * asks the host for it. */
void plan_memory(Program *p);
/* The bytes that `b` never exceeds, as far as that is known at entry; NULL: it is not. */
const Idx *buffer_room(Job *job, const Buffer *b);
void program_print(Text *out, const Program *p);
/* Reads what program_print writes (docs/loop-ir.md); EXIT_INPUT with the line on any fault.  The constants keep the
 * places that the text gives them: weights->bytes grows to hold them, the elements are not in the text.  The program
 * can be planned and emitted; its graph holds symbols, ports and guards only. */
Program *program_parse(Job *job, const char *where, const char *text, Weights *weights);

/* ---- weights: one segment for all methods, equal contents once; the state block that all methods share ---- */

typedef struct StateSlot {
    Sym name;          /* as in the archive: slots of equal name are one */
    uint64_t at, size; /* bytes, in the state block */
    const void *first; /* contents */
    uint64_t weight;   /* where the weights hold them; NO_WEIGHT: they are zeros */
    const struct Packing *packing; /* as in WeightPart */
    DType dtype;
} StateSlot;
#define NO_WEIGHT UINT64_MAX

struct Weights {
    Job *job;
    uint64_t bytes;
    struct WeightPart {
        uint64_t at, size, hash;
        const void *data;
        Sym name, key;                 /* packing_key; NULL: cannot be replaced */
        const struct Packing *packing; /* packing.h: where the bytes are from; NULL: what they are is all that is known */
    } *parts;
    size_t count, room;
    Sym twofold; /* a weight that two methods have with different elements; NULL: there is none */
    uint64_t state_bytes;
    VEC(StateSlot) states;
};
/* Adds a block (kept by reference) at a 64-byte boundary, or finds one that is and remains equal: packed alike of the
 * same weight, or neither can be replaced.  Returns its offset. */
uint64_t weights_add(Weights *w, const void *data, uint64_t size, Sym name, const struct Packing *packing);
/* The offset of a state slot with these first contents, made when no slot has the name; fails if one differs. */
uint64_t weights_add_state(Weights *w, Sym name, DType dtype, const void *first, uint64_t size,
                           const struct Packing *packing);

/* ---- statements -------------------------------------------------------------------------------------------- */

Stmt *stmt_add(Job *job, Block *b, StmtKind kind);
/* Puts loops into the order of memory (nest.c).  Once per kernel, before names are given. */
void kernel_nest(Job *job, Kernel *k);
/* Gives names to shared and loop-invariant expressions: inserts S_LET.  Once per kernel, before printing. */
void kernel_name_values(Job *job, Kernel *k);
const Field *call_field(const Stmt *s, const char *name); /* NULL: s is no call or has none of that name */
/* A call of a routine: it answers with NULL or with what is wrong, which fails the run. What threads share cannot. */
bool call_may_fail(const Stmt *s);
bool call_asks_features(const Stmt *s); /* Kernel.features */
/* Orders loops, names values, fills reads, writes, checks, splits. */
void kernel_finish(Job *job, Kernel *k);
/* What a task of a kernel that threads share should at least be, in units of Kernel.work: some four microseconds. */
enum { SPLIT_WORK = 16384 };
void kernel_split(Job *job, Kernel *k);
/* Floating point operations of a kernel's contractions, two for a multiply-add; 0: it has none.  done: Winograd's
 * algorithm counts as what it multiplies, else as the convolution that it stands for. */
const Idx *kernel_flops(Job *job, const Kernel *k, bool done);
/* The bytes of buffers that a kernel reads and writes, each element counted once; not its scratch. */
const Idx *kernel_bytes(Job *job, const Kernel *k);
#endif
