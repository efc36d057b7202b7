/* k0: x
 * reads  x_: f32[b, 64, 24, 20]
 * writes x_nhwc: f32[b, 64, 24, 20] channels last */
static void g__k0_x_(const f32 *AOT_RESTRICT x_, f32 *AOT_RESTRICT x_nhwc, i64 b, i64 task, i64 tasks)
{
    AOTK_NAME_AT(aotk_zero_halo_f32)(&(aotk_halo){
        .x = x_nhwc, .n = b, .h = 24, .w = 20, .c = 64, .top = 1, .bottom = 1, .left = 1, .right = 1,
        .x_n = 36608, .x_h = 1408, .x_w = 64, .task = task, .tasks = tasks
    });
    AOTK_NAME_AT(aotk_copy4_f32)(&(aotk_copy4){
        .src = x_, .dst = x_nhwc + 1472, .n[0] = b, .s[0] = 30720, .d[0] = 36608, .n[1] = 24, .s[1] = 20,
        .d[1] = 1408, .n[2] = 20, .s[2] = 1, .d[2] = 64, .n[3] = 64, .s[3] = 480, .d[3] = 1, .task = task, .tasks = tasks
    });
}

typedef struct g__k0_x__args {
    i64 tasks;
    const f32 *x_;
    f32 *x_nhwc;
    i64 b;
} g__k0_x__args;

static void g__k0_x__task(void *args, int64_t task, int64_t worker)
{
    const g__k0_x__args *a = args;
    (void)worker;
    g__k0_x_(a->x_, a->x_nhwc, a->b, task, a->tasks);
}

/* k1: conv f32[b, 64, 24, 20] x f32[48, 64, 3, 3]
 * reads  x_nhwc: f32[b, 64, 24, 20] channels last
 * reads  w_packed: f32[110592]
 * writes a_: f32[b, 48, 24, 20] channels last
 * writes a_work: f32[192960] */
static void g__k1_a_(const f32 *AOT_RESTRICT x_nhwc, const f32 *AOT_RESTRICT w_packed, f32 *AOT_RESTRICT a_,
    f32 *AOT_RESTRICT a_work, i64 b, i64 task, i64 tasks, i64 worker)
{
    AOTK_NAME_AT(aotk_winograd_f32)(&(aotk_winograd){
        .x = x_nhwc, .y = a_ + 1104, .n = b, .oh = 24, .ow = 20, .x_n = 36608, .x_h = 1408, .x_w = 64,
        .y_n = 27456, .y_h = 1056, .y_w = 48, .task = task, .tasks = tasks, .u = w_packed, .work = a_work + worker * 192960,
        .planes = 1, .cin = 64, .cout = 48, .tile = 4, .dilation_h = 1, .dilation_w = 1, .block = 37
    });
    AOTK_NAME_AT(aotk_zero_halo_f32)(&(aotk_halo){
        .x = a_, .n = b, .h = 24, .w = 20, .c = 48, .top = 1, .bottom = 1, .left = 1, .right = 1,
        .x_n = 27456, .x_h = 1056, .x_w = 48, .task = task, .tasks = tasks
    });
}

typedef struct g__k1_a__args {
    i64 tasks;
    const f32 *x_nhwc;
    const f32 *w_packed;
    f32 *a_;
    f32 *a_work;
    i64 b;
} g__k1_a__args;

static void g__k1_a__task(void *args, int64_t task, int64_t worker)
{
    const g__k1_a__args *a = args;
    g__k1_a_(a->x_nhwc, a->w_packed, a->a_, a->a_work, a->b, task, a->tasks, worker);
}

/* k2: conv f32[b, 48, 24, 20] x f32[64, 48, 3, 3]
 * reads  a_: f32[b, 48, 24, 20] channels last
 * reads  v_packed: f32[110592]
 * writes c_: f32[b, 64, 24, 20] channels last
 * writes c_work: f32[194688] */
static void g__k2_c_(const f32 *AOT_RESTRICT a_, const f32 *AOT_RESTRICT v_packed, f32 *AOT_RESTRICT c_,
    f32 *AOT_RESTRICT c_work, i64 b, i64 task, i64 tasks, i64 worker)
{
    AOTK_NAME_AT(aotk_winograd_f32)(&(aotk_winograd){
        .x = a_, .y = c_, .n = b, .oh = 24, .ow = 20, .x_n = 27456, .x_h = 1056, .x_w = 48, .y_n = 30720,
        .y_h = 1280, .y_w = 64, .task = task, .tasks = tasks, .u = v_packed, .work = c_work + worker * 194688, .planes = 1, .cin = 48,
        .cout = 64, .tile = 4, .dilation_h = 1, .dilation_w = 1, .block = 42
    });
}

typedef struct g__k2_c__args {
    i64 tasks;
    const f32 *a_;
    const f32 *v_packed;
    f32 *c_;
    f32 *c_work;
    i64 b;
} g__k2_c__args;

static void g__k2_c__task(void *args, int64_t task, int64_t worker)
{
    const g__k2_c__args *a = args;
    g__k2_c_(a->a_, a->v_packed, a->c_, a->c_work, a->b, task, a->tasks, worker);
}

/* k3: c
 * reads  c_: f32[b, 64, 24, 20] channels last
 * writes out_0: f32[b, 64, 24, 20] */
static void g__k3_c_(const f32 *AOT_RESTRICT c_, f32 *AOT_RESTRICT out_0, i64 b, i64 task, i64 tasks)
{
    AOTK_NAME_AT(aotk_copy4_f32)(&(aotk_copy4){
        .src = c_, .dst = out_0, .n[0] = b, .s[0] = 30720, .d[0] = 30720, .n[1] = 64, .s[1] = 1,
        .d[1] = 480, .n[2] = 24, .s[2] = 1280, .d[2] = 20, .n[3] = 20, .s[3] = 64, .d[3] = 1, .task = task, .tasks = tasks
    });
}

typedef struct g__k3_c__args {
    i64 tasks;
    const f32 *c_;
    f32 *out_0;
    i64 b;
} g__k3_c__args;

static void g__k3_c__task(void *args, int64_t task, int64_t worker)
{
    const g__k3_c__args *a = args;
    (void)worker;
    g__k3_c_(a->c_, a->out_0, a->b, task, a->tasks);
}
