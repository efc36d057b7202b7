/* k0: head
 * model.py:12 return x.softmax(1) (module head)
 * reads  x_: f32[s, 10]
 * writes y_4: f32[s, 10] */
static void g__k0_head(const f32 *AOT_RESTRICT x_, f32 *AOT_RESTRICT y_4, i64 s, i64 task, i64 tasks)
{
    for (i64 i = aot_part(s, task, tasks), end = aot_part(s, task + 1, tasks); i < end; i++) {
        f32 greatest = (-AOT_INF);
        AOT_SIMD_MAX(greatest)
        for (i64 k = 0; k < 10; k++) {
            greatest = aot_max_f32(greatest, x_[10*i + k]);
        }
        for (i64 j = 0; j < 10; j++) {
            y_4[10*i + j] = aot_exp_f32(x_[10*i + j] - greatest);
        }
    }
}

typedef struct g__k0_head_args {
    i64 tasks;
    const f32 *x_;
    f32 *y_4;
    i64 s;
} g__k0_head_args;

static void g__k0_head_task(void *args, int64_t task, int64_t worker)
{
    const g__k0_head_args *a = args;
    (void)worker;
    g__k0_head(a->x_, a->y_4, a->s, task, a->tasks);
}

/* k1: head
 * model.py:12 return x.softmax(1) (module head)
 * reads  y_4: f32[s, 10]
 * writes out_0: f32[s, 10] */
static void g__k1_head(const f32 *AOT_RESTRICT y_4, f32 *AOT_RESTRICT out_0, i64 s, i64 task, i64 tasks)
{
    for (i64 i = aot_part(s, task, tasks), end = aot_part(s, task + 1, tasks); i < end; i++) {
        f32 sum = 0.0f;
        AOT_SIMD_SUM(sum)
        for (i64 k = 0; k < 10; k++) {
            sum += y_4[10*i + k];
        }
        for (i64 j = 0; j < 10; j++) {
            out_0[10*i + j] = y_4[10*i + j] / sum;
        }
    }
}

typedef struct g__k1_head_args {
    i64 tasks;
    const f32 *y_4;
    f32 *out_0;
    i64 s;
} g__k1_head_args;

static void g__k1_head_task(void *args, int64_t task, int64_t worker)
{
    const g__k1_head_args *a = args;
    (void)worker;
    g__k1_head(a->y_4, a->out_0, a->s, task, a->tasks);
}
