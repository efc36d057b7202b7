/* SPDX-License-Identifier: MIT */
/* aotk: the prebuilt kernels of an artifact, and the manual of this folder.
 *
 * The sources are freestanding C: no globals, no allocation, no libc or libm, no helper of the
 * compiler except memcpy and memset, which rt.c brings. One body serves several instruction sets;
 * the build chooses
 *
 *   AOTK_VL       floats in a vector: 16 (x86-64-v4), 8 (x86-64-v3), 4 (SSE2, NEON), 1 (strict C11)
 *   AOTK_SUFFIX   what AOTK_NAME appends to every exported name: _v4, _v3, _generic, _host
 *   AOTK_STATIC   the sources are pasted into one translation unit, in the order of AOTK_SOURCES
 *                 and without their #include lines: all is static, nothing is suffixed
 *
 * This header, without AOTK_VL and AOTK_SUFFIX, is all that a caller needs; tcc can read it. A
 * caller declares the functions of the levels it calls with AOTK_DECLARE(_v3) AOTK_DECLARE(_v4).
 *
 * Conventions. Sizes and strides count elements (floats), never bytes. Pointers need the alignment
 * of a float only, unless said. Structs are read, never written, so calls on several threads may
 * share one; but `task` differs, so each thread has its own copy. A call with `tasks` > 1 does part
 * `task` of the work: 0 <= task < tasks, the parts write disjoint elements, may run at once, in any
 * order, and give the bits that one call with task = 0, tasks = 1 gives. Outputs never overlap
 * inputs, except where said.
 */
#ifndef AOTK_H
#define AOTK_H

typedef long long aotk_i64;
typedef int aotk_i32;
typedef unsigned aotk_u32;
typedef unsigned short aotk_u16;
typedef unsigned long long aotk_u64;
_Static_assert(sizeof(aotk_i64) == 8, "long long has 64 bits");
_Static_assert(sizeof(aotk_i32) == 4 && sizeof(float) == 4, "int and float have 32 bits");
_Static_assert(sizeof(aotk_u16) == 2, "short has 16 bits");

/* ------------------------------------------------------------------------------------- names */

#if defined(__GNUC__) || defined(__TINYC__)
#define AOTK_UNUSED __attribute__((unused))
#else
#define AOTK_UNUSED
#endif

#define AOTK_PASTE_(x, y) x##y
#define AOTK_PASTE(x, y) AOTK_PASTE_(x, y)
#if defined(AOTK_SUFFIX) && !defined(AOTK_STATIC)
#define AOTK_NAME(x) AOTK_PASTE(x, AOTK_SUFFIX)
#else
#define AOTK_NAME(x) x
#endif

#ifdef AOTK_STATIC
#define AOTK_API static AOTK_UNUSED
#else
#define AOTK_API
#endif

/* ------------------------------------------------------------------- packed right-hand sides */

/* B[k][n] is cut into panels of NR columns, and each panel is stored row after row: [panel][k][NR].
 * The last panel is as narrow as its columns allow, a multiple of 16, filled up with zeros. Panel p
 * begins at p * k * NR. Neither NR nor the layout depends on the instruction set. */

/* NR for B[k][n]: n rounded up to 16 if n <= 64, else 64 or 48, whichever leaves no narrow last panel
 * or the wider one. If neither leaves one, 48: its tiles have more rows, so that fewer of them read b.
 * But 64 if k is so short that storing c, best in pairs of lines, is what takes the time; and 64 of
 * `pairs` (AOTK_STORED_BF16_PAIRS), whose tiles have 32 columns. */
static inline AOTK_UNUSED aotk_i64 aotk_panel_nr(aotk_i64 k, aotk_i64 n, int pairs) {
    aotk_i64 r = n > 0 ? (n + 15) / 16 * 16 : 16;
    if (r <= 64) return r;
    if (r % 64 == 0 && (r % 48 || pairs || k < 192)) return 64;
    if (r % 48 == 0) return 48;
    return r % 64 >= r % 48 ? 64 : 48;
}

/* Elements of the packed form of B[k][n]. The buffer should be 64-byte aligned. */
static inline AOTK_UNUSED aotk_i64 aotk_packed_size(aotk_i64 k, aotk_i64 n) {
    return k * ((n + 15) / 16 * 16);
}

/* aotk_pack_f32(dst, src, k, n, sk, sn): packs B[kk][j] = src[kk * sk + j * sn]; fast when sk or sn
 * is 1.
 *
 * aotk_pack_conv_f32(dst, src, n, cin, kh, kw, s_n, s_c, s_h, s_w): packs the convolution weight
 * w[j][c][y][x] = src[j * s_n + c * s_c + y * s_h + x * s_w], its K axis in the order (y, x, c).
 *
 * aotk_pack_stored, with the arguments of aotk_pack_conv_f32: the same for elements of 16 or 8 bits, which `stored`
 * (AOTK_STORED_...) says. For the compiler itself. */

/* -------------------------------------------------------- aotk_igemm_f32: GEMM and convolution
 *
 * aotk_igemm_f16, aotk_igemm_bf16, aotk_igemm_pairs and aotk_igemm_i8: the same where b_stored is something else than F32. */

enum {
    AOTK_ACT_NONE,
    AOTK_ACT_RELU,      /* max(x, 0); a NaN stays */
    AOTK_ACT_CLAMP,     /* min(max(x, lo), hi); a NaN stays */
    AOTK_ACT_GELU_ERF,
    AOTK_ACT_GELU_TANH,
    AOTK_ACT_SILU,
    AOTK_ACT_SIGMOID,
    AOTK_ACT_TANH,
    AOTK_ACT_KIND = 15, /* masks the above */
    AOTK_ROUND_F16 = 16, /* or-ed to it: the result, a float, is rounded to what an f16 or bf16 can be */
    AOTK_ROUND_BF16 = 32
};

/* How the elements of packed weights are stored; sums are of floats. I8: whole numbers. PAIRS: bf16, the steps of k two by
 * two, [k / 2][NR][2], as instructions that multiply pairs read them; `seg` is a multiple of AOTK_PAIRS_STEP then. */
enum { AOTK_STORED_F32, AOTK_STORED_F16, AOTK_STORED_BF16, AOTK_STORED_BF16_PAIRS, AOTK_STORED_I8 };
enum { AOTK_PAIRS_STEP = 32 };

/* Floats of aotk_igemm.work for m rows of k values. */
enum { AOTK_PAIRS_ROWS = 256, AOTK_PAIRS_DEPTH = 1536 };
static inline AOTK_UNUSED aotk_i64 aotk_igemm_work(aotk_i64 m, aotk_i64 k) {
    aotk_i64 rows = m < AOTK_PAIRS_ROWS ? (m + 15) / 16 * 16 : AOTK_PAIRS_ROWS;
    return rows * (k < AOTK_PAIRS_DEPTH ? k : AOTK_PAIRS_DEPTH) / 2;
}

/* c[m][j] = act(bias[j] + sum over k of a[m, k] * b[k][j] + residual[m][j])
 *
 * Row m is the triple (i0, i1, i2), m = (i0 * m1 + i1) * m2 + i2; say batch, output row, output
 * column. It reads a at i0 * a0 + i1 * a1 + i2 * a2 and writes c at i0 * c0 + i1 * c1 + i2 * c2,
 * columns adjacent. Its K values are taps_h * taps_w segments of `seg` adjacent floats, segment (y,
 * x) being displaced by y * tap_h + x * tap_w. Hence
 *
 *   GEMM a[M][K]             m0 = m1 = 1, m2 = M, a2 = lda, c2 = ldc, taps 1 x 1, seg = K
 *   NHWC conv, undilated     taps_h = KH, taps_w = 1, seg = KW * Cin, a2 = stride * Cin, if pixels
 *                            are adjacent
 *   any other NHWC conv      taps_h = KH, taps_w = KW, seg = Cin, tap_w = dilation * pixel stride
 *   grouped                  one call per group, on slices of a, b, c
 *   pixels for which other   taps_h x taps_w from (first_h, first_w) on are the rest, of all_h x all_w
 *   taps meet only padding
 *
 * With `ends`, a call's rows are those of one of `groups` groups: of the m2 rows, m0 and m1 being 1, from ends[group - 1],
 * or the first, up to ends[group]; and behind the last group's what rows there are, with K = 0. Ends are clipped to m2.
 *
 * There is no bounds check on a: the buffer holds its own zero halo. K = 0 leaves bias and
 * residual. The residual may be c itself. Sums begin with bias + residual and run over k in
 * ascending order, one rounding per step where the machine has FMA; only M = 1 and up to six columns
 * use several partial sums. C may hold sums during the call. Strides may be 0 or negative, but rows of C must not
 * overlap. A call takes up to 36 KiB of stack where b has 16 or 8 bits or six columns at most.
 *
 * With `features`, every element of a is a bf16 number, which the caller knows. TILES: the processor has AMX-BF16
 * and the thread may use its tiles; DOTS: it has AVX512-BF16. Then, if b is stored in PAIRS, the level is v4 and
 * M > 1, these multiply, TILES before DOTS: values too small for a normal float count as 0, and sums run over k in
 * pairs. */
enum { AOTK_TILES = 1, AOTK_DOTS = 2 }; /* as in aot_host.features */
typedef struct aotk_igemm {
    const float *a;
    const void *b;                         /* packed, 64-byte aligned */
    const float *bias;                     /* n floats, or NULL */
    const float *residual;                 /* added before the activation, or NULL */
    float *c;
    aotk_i64 m0, m1, m2;                   /* extents of the rows; M = m0 * m1 * m2, may be 0 */
    aotk_i64 a0, a1, a2;                   /* strides of a for i0, i1, i2 */
    aotk_i64 c0, c1, c2;                   /* the same for c */
    aotk_i64 r0, r1, r2;                   /* the same for residual */
    aotk_i64 n;                            /* columns: output channels */
    aotk_i64 taps_h, taps_w, tap_h, tap_w; /* number and displacement of the segments */
    aotk_i64 seg;                          /* floats in a segment; K = taps_h * taps_w * seg */
    aotk_i64 all_h, all_w;                 /* number of the segments in b, if more than are summed; or 0 */
    aotk_i64 first_h, first_w;             /* then which is the first of those, that of a */
    const aotk_i64 *ends;                  /* of groups of rows, or NULL */
    aotk_i64 group, groups;
    float lo, hi;                          /* for AOTK_ACT_CLAMP */
    int act;
    int b_stored;                          /* AOTK_STORED_..., of b */
    aotk_i64 depth;                        /* K beyond one and a half of this is cut, 0: 1024; of floats */
    float *work;                           /* with `features`: of this task, aotk_igemm_work floats, 64-byte aligned */
    int features;
    aotk_i64 task, tasks;
} aotk_igemm;

/* ------------------------------------------------------------------ aotk_pool_f32: NHWC pooling */

enum { AOTK_POOL_MAX, AOTK_POOL_AVG };

/* y[b][oy][ox][ch] = max or mean of x[b][oy * stride_h - pad_h + ky * dil_h][...][ch] over the
 * window, clipped to the image. The output size is the caller's, so that it decides on ceil_mode; a
 * NaN in a window is its maximum. The mean divides by `divisor` if that is not 0, else, with
 * count_include_pad, by the window clipped to the padded image, else by the elements summed
 * (PyTorch's rules). */
typedef struct aotk_pool {
    const float *x;                        /* at pixel (0, 0), inside any halo */
    float *y;
    aotk_i64 n, h, w, c;                   /* of the input; h and w without halo */
    aotk_i64 x_n, x_h, x_w;                /* strides of x; channels are adjacent */
    aotk_i64 oh, ow;
    aotk_i64 y_n, y_h, y_w;                /* strides of y */
    aotk_i64 kh, kw, stride_h, stride_w;
    aotk_i64 pad_h, pad_w, dil_h, dil_w;
    aotk_i64 divisor;                      /* divisor_override, or 0 */
    int op;                                /* AOTK_POOL_... */
    int count_include_pad;
    aotk_i64 task, tasks;
} aotk_pool;

/* -------------------------- aotk_depthwise_f32: NHWC convolution by channel, or by small groups of them */

/* y[b][oy][ox][ch] = act(bias[ch] + residual[b][oy][ox][ch] + sum over (ky, kx, i) of
 * x[.. first + i] * w[(ky * kw + kx) * group + i][ch]), i < group and first = ch - ch % group being the first channel of
 * ch's group. x is read at b * x_n + oy * x_h + ox * x_w + ky * tap_h + kx * tap_w: there is no bounds check, the buffer
 * holds its own zero halo, and a row of w ends with a whole vector of 16. The residual is not y itself: some channels may
 * be computed twice. */
typedef struct aotk_depthwise {
    const float *x;                        /* at the first tap of the first pixel, inside the halo */
    const float *w;                        /* rows of ldw floats, of which c are used */
    const float *bias;                     /* c floats, or NULL */
    const float *residual;                 /* added before the activation, or NULL */
    float *y;
    aotk_i64 n, oh, ow, c;                 /* c: a multiple of group */
    aotk_i64 group;                        /* 1, 2, 4 or 8 */
    aotk_i64 x_n, x_h, x_w;                /* strides of x from one output pixel to the next */
    aotk_i64 y_n, y_h, y_w;                /* strides of y; channels are adjacent */
    aotk_i64 r_n, r_h, r_w;                /* the same for residual */
    aotk_i64 kh, kw, tap_h, tap_w, ldw;
    float lo, hi;                          /* for AOTK_ACT_CLAMP */
    int act;
    aotk_i64 task, tasks;
} aotk_depthwise;

/* -------------- aotk_winograd_f32: NHWC or NDHWC convolution, 3 x 3 across and down, stride 1 */

enum { AOTK_WINOGRAD_TILES = 96 }; /* the most that are worked on at once */

/* How many tiles there are along an axis: a dilation is as many images, pixels % dilation of them a pixel longer than the others. */
static inline AOTK_UNUSED aotk_i64 aotk_winograd_tiles(aotk_i64 pixels, aotk_i64 tile, aotk_i64 dilation) {
    aotk_i64 longer = pixels % dilation, size = pixels / dilation;
    return longer * ((size + tile) / tile) + (dilation - longer) * ((size + tile - 1) / tile);
}

/* How many tiles to work on at once, and the floats of `work` that `block` of them take; depth: planes * cin. */
static inline AOTK_UNUSED aotk_i64 aotk_winograd_block(aotk_i64 tile, aotk_i64 depth) {
    aotk_i64 most = (192 << 10) / ((tile + 2) * (tile + 2) * (depth + 80));
    return most < 16 ? 16 : most > AOTK_WINOGRAD_TILES ? AOTK_WINOGRAD_TILES : most;
}

static inline AOTK_UNUSED aotk_i64 aotk_winograd_work(aotk_i64 tile, aotk_i64 depth, aotk_i64 block) {
    return (tile + 2) * (tile + 2) * (block * (depth + 80) + 32);
}

/* y[b][oy][ox][j] = act(bias[j] + residual[b][oy][ox][j] + sum over (d, ky, kx, ch) of
 * x[b][d * x_d][oy + ky * dilation_h][ox + kx * dilation_w][ch] * w[j][ch][d][ky][kx]), computed in output tiles of
 * `tile` x `tile` pixels, `tile` being 2 or 4, a dilation apart. A volume's b are its planes, and d those of the filter,
 * of which an image's has one. cin and cout are multiples of 16. There is no bounds check on x: the buffer holds its own
 * zero halo. The residual may be y itself. With 4 the error is about twice that of a plain sum, with 2 no larger. */
typedef struct aotk_winograd {
    const float *x;                        /* at the first tap of the first pixel, inside the halo */
    const float *u;                        /* by aotk_pack_winograd_f32, 64-byte aligned */
    const float *bias;                     /* cout floats, or NULL */
    const float *residual;                 /* added before the activation, or NULL */
    float *y;
    float *work;                           /* of this task, 64-byte aligned, undefined at entry */
    aotk_i64 block;                        /* the most tiles that are worked on at once, up to AOTK_WINOGRAD_TILES */
    aotk_i64 n, oh, ow, planes, cin, cout; /* planes: of the filter, at least 1 */
    aotk_i64 x_n, x_d, x_h, x_w;           /* strides of x; x_d: what meets the next plane of the filter */
    aotk_i64 y_n, y_h, y_w;                /* strides of y */
    aotk_i64 r_n, r_h, r_w;                /* strides of residual */
    aotk_i64 tile, dilation_h, dilation_w; /* dilations: at least 1 */
    float lo, hi;                          /* for AOTK_ACT_CLAMP */
    int act;
    aotk_i64 task, tasks;
} aotk_winograd;

/* aotk_pack_winograd_f32(dst, src, tile, n, planes, cin, s_n, s_c, s_d, s_h, s_w): transforms the weight w[j][c][d][y][x]
 * = src[j * s_n + c * s_c + d * s_d + y * s_h + x * s_w] into (tile + 2)^2 * planes * cin * n floats, n a multiple of 16:
 * panels as above, each holding its (tile + 2)^2 matrices (planes * cin) x NR one after another. For the compiler itself. */

/* ----------------------------------------------------- aotk_attention_f32: softmax(q k^T) v */

/* y[b][i] = sum over j of w[i][j] * v[b][j], w[i] being the softmax of s + mask[b][j][i], where s is
 * scale * q[b][i] . k[b][j] or, with a cap, cap * tanh of that; with `causal` only of j <= i. Batches b
 * are triples, of which q, k, v, the mask and y each have strides of their own, 0 where they repeat. No keys at all give 0; a query all of whose
 * scores are -inf gives 0 if `zeros`, else NaN. A NaN or inf among a query's scores makes its row
 * NaN. Scores are summed over e in ascending order, weights over blocks of 256 keys. */
typedef struct aotk_attention {
    const float *q, *k, *v;
    const float *mask;                     /* added to the scores, or NULL */
    float *y;
    float *work;                           /* of this task: aotk_attention_work floats, 64-byte aligned */
    aotk_i64 n0, n1, n2;                   /* extents of the batches */
    aotk_i64 l, s, e, ev;                  /* queries, keys, elements of a key and of a value */
    aotk_i64 q0, q1, q2, q_l, q_e;         /* strides of q along batches, queries and elements */
    aotk_i64 k0, k1, k2, k_s, k_e;
    aotk_i64 v0, v1, v2, v_s, v_e;
    aotk_i64 mask0, mask1, mask2, mask_l, mask_s; /* fast where mask_l is 0 or 1 */
    aotk_i64 y0, y1, y2, y_l;              /* elements are adjacent */
    float scale, cap;                      /* cap: 0 is none */
    int causal, zeros;
    aotk_i64 task, tasks;
} aotk_attention;

/* The floats of `work`. */
static inline AOTK_UNUSED aotk_i64 aotk_attention_work(const aotk_attention *p) {
    aotk_i64 lanes = p->l < 64 ? (p->l + 15) / 16 * 16 : 64, width = (p->ev + 15) / 16 * 16;
    aotk_i64 keys = p->s < 256 ? (p->s + 15) / 16 * 16 : 256;
    aotk_i64 values = p->v_e == 1 && width == p->ev ? 0 : keys * width;
    return lanes * (p->e + keys + width + 3) + values;
}

/* --------------------------------------------------- aotk_copy4_f32, aotk_zero_halo_f32: layout */

/* dst[i0 * d[0] + i1 * d[1] + i2 * d[2] + i3 * d[3]] = src[i0 * s[0] + ...] for all i < n. Any
 * strides; fast when each side has an axis of stride 1, be it the same one (copy) or not
 * (transposition), so NCHW to NHWC, into or out of a halo, is one call. */
typedef struct aotk_copy4 {
    const float *src;
    float *dst;
    aotk_i64 n[4], s[4], d[4];
    aotk_i64 task, tasks;
} aotk_copy4;

/* Zeroes the border of an NHWC buffer, and only the border. */
typedef struct aotk_halo {
    float *x;                              /* the first float of the buffer, halo included */
    aotk_i64 n, h, w, c;                   /* the interior; c floats per pixel are written */
    aotk_i64 top, bottom, left, right;     /* widths of the border, in pixels */
    aotk_i64 x_n, x_h, x_w;                /* strides */
    aotk_i64 task, tasks;
} aotk_halo;

/* --------------------------------------------------------------------------------- routines */

/* An operator that is one function over whole tensors, each dense in row-major order. It returns
 * NULL, or a text that says what is wrong with the data. `attr` and `number` hold its attributes in
 * the order of its row in compiler/graph/routines.def, an integer in attr[i], a float in number[i].
 * `work` is 64-byte aligned, of the size that the row says, and undefined at entry. */
enum {
    AOTK_f32, AOTK_f64, AOTK_f16, AOTK_bf16, AOTK_i8, AOTK_i16, AOTK_i32, AOTK_i64, AOTK_u8, AOTK_u16,
    AOTK_u32, AOTK_u64, AOTK_bool, AOTK_c64, AOTK_c128
};

typedef struct aotk_operand {
    const void *data;
    aotk_i64 n[12];                        /* sizes of its `rank` axes */
    int rank, dtype;
} aotk_operand;

typedef struct aotk_result {
    void *data;
    aotk_i64 n[12];
    int rank, dtype;
} aotk_result;

typedef struct aotk_routine {
    aotk_operand in[8];
    aotk_result out[8];
    void *work;
    aotk_i64 attr[8];
    double number[8];
    aotk_i64 task, tasks;                  /* of one that threads share: it takes its part of the rows; tasks: 0 is 1 */
} aotk_routine;

/* The first of `rows` rows that are not of the tasks before number `task`. */
static inline AOTK_UNUSED aotk_i64 aotk_first_row(const aotk_routine *p, aotk_i64 rows, aotk_i64 task) {
    return p->tasks ? rows * task / p->tasks : rows * task;
}

/* Every routine: X(name, suffix) is aotk_name. */
#define AOTK_ROUTINES(X, suffix)                                                                   \
    X(compact, suffix)                                                                             \
    X(fft, suffix)                                                                                 \
    X(fft_real, suffix)                                                                            \
    X(lu, suffix)                                                                                  \
    X(lu_solve, suffix)                                                                            \
    X(solve, suffix)                                                                               \
    X(triangular, suffix)                                                                          \
    X(permutation, suffix)                                                                         \
    X(cholesky, suffix)                                                                            \
    X(ldl, suffix)                                                                                 \
    X(ldl_solve, suffix)                                                                           \
    X(matrix_exp, suffix)                                                                          \
    X(householder, suffix)                                                                         \
    X(reflections, suffix)                                                                         \
    X(eigh, suffix)                                                                                \
    X(eig, suffix)                                                                                 \
    X(svd, suffix)                                                                                 \
    X(search, suffix)                                                                              \
    X(sort, suffix)                                                                \
    X(sort_rows, suffix)

/* ------------------------------------------------------------------------------- declarations */

#define AOTK_DECLARE_ROUTINE(name, suffix)                                                         \
    const char *AOTK_PASTE(aotk_##name, suffix)(const aotk_routine *p);

/* All kernels of one level, for instance AOTK_DECLARE(_v4). */
#define AOTK_DECLARE(suffix)                                                                       \
    void AOTK_PASTE(aotk_pack_f32, suffix)(float *dst, const float *src, aotk_i64 k, aotk_i64 n,   \
                                           aotk_i64 sk, aotk_i64 sn);                              \
    void AOTK_PASTE(aotk_pack_stored, suffix)(void *dst, const void *src, aotk_i64 n, aotk_i64 cin, \
                                              aotk_i64 kh, aotk_i64 kw, aotk_i64 s_n, aotk_i64 s_c, \
                                              aotk_i64 s_h, aotk_i64 s_w, int stored);             \
    void AOTK_PASTE(aotk_pack_conv_f32, suffix)(float *dst, const float *src, aotk_i64 n,          \
                                                aotk_i64 cin, aotk_i64 kh, aotk_i64 kw,            \
                                                aotk_i64 s_n, aotk_i64 s_c, aotk_i64 s_h,          \
                                                aotk_i64 s_w);                                     \
    void AOTK_PASTE(aotk_pack_winograd_f32, suffix)(float *dst, const float *src, aotk_i64 tile,   \
                                                    aotk_i64 n, aotk_i64 planes, aotk_i64 cin,     \
                                                    aotk_i64 s_n, aotk_i64 s_c, aotk_i64 s_d,      \
                                                    aotk_i64 s_h, aotk_i64 s_w);                   \
    void AOTK_PASTE(aotk_igemm_f32, suffix)(const aotk_igemm *p);                                  \
    void AOTK_PASTE(aotk_igemm_f16, suffix)(const aotk_igemm *p);                                  \
    void AOTK_PASTE(aotk_igemm_bf16, suffix)(const aotk_igemm *p);                                 \
    void AOTK_PASTE(aotk_igemm_pairs, suffix)(const aotk_igemm *p);                                \
    void AOTK_PASTE(aotk_igemm_i8, suffix)(const aotk_igemm *p);                                   \
    void AOTK_PASTE(aotk_pool_f32, suffix)(const aotk_pool *p);                                    \
    void AOTK_PASTE(aotk_depthwise_f32, suffix)(const aotk_depthwise *p);                          \
    void AOTK_PASTE(aotk_winograd_f32, suffix)(const aotk_winograd *p);                            \
    void AOTK_PASTE(aotk_attention_f32, suffix)(const aotk_attention *p);                          \
    void AOTK_PASTE(aotk_copy4_f32, suffix)(const aotk_copy4 *p);                                  \
    void AOTK_PASTE(aotk_zero_halo_f32, suffix)(const aotk_halo *p);                        \
    AOTK_ROUTINES(AOTK_DECLARE_ROUTINE, suffix)

#if defined(AOTK_SUFFIX) && !defined(AOTK_STATIC)
AOTK_DECLARE(AOTK_SUFFIX)
#endif

/* rt.c: one copy per artifact, no suffix, hidden. It also defines memcpy, memmove, memset, memcmp
 * and the conversions __fixunssfdi, __fixunsdfdi, __floatundisf, __floatundidf that tcc's code
 * calls. With AOTK_STATIC those stay out (the compiler in use has its own). */
#ifndef AOTK_STATIC
int aotk_cpu_level(void);                  /* 4: x86-64-v4, 3: x86-64-v3, 0: less, or not an x86 */
float aotk_f16_to_f32(aotk_u16 h);         /* IEEE half precision, exact */
aotk_u16 aotk_f32_to_f16(float x);         /* to nearest, ties to even; NaNs stay NaNs */
float aotk_bf16_to_f32(aotk_u16 h);
aotk_u16 aotk_f32_to_bf16(float x);
float aotk_sqrtf(float x);                 /* correctly rounded, like all below */
double aotk_sqrt(double x);
float aotk_floorf(float x);
float aotk_ceilf(float x);
float aotk_truncf(float x);
float aotk_rintf(float x);                 /* ties to even */
float aotk_fabsf(float x);
float aotk_copysignf(float x, float sign);
float aotk_fmodf(float x, float y);        /* exact, the sign of x */
float aotk_fmaf(float x, float y, float z);
double aotk_floor(double x);
double aotk_ceil(double x);
double aotk_trunc(double x);
double aotk_rint(double x);
double aotk_fabs(double x);
double aotk_copysign(double x, double sign);
double aotk_fmod(double x, double y);
double aotk_fma(double x, double y, double z);
#endif

#endif
