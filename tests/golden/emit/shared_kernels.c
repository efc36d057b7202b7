/* k0: c
 * reads  z_: f32[512, 511]
 * writes out_2: f32[512, 511] */
static void layers_k0_c_(const f32 *AOT_RESTRICT z_, f32 *AOT_RESTRICT out_2, i64 task, i64 tasks)
{
    for (i64 i = aot_part(261632, task, tasks), end = aot_part(261632, task + 1, tasks); i < end; i++) {
        out_2[i] = aot_sigmoid_f32(z_[i]);
    }
}

typedef struct layers_k0_c__args {
    i64 tasks;
    const f32 *z_;
    f32 *out_2;
} layers_k0_c__args;

static void layers_k0_c__task(void *args, int64_t task, int64_t worker)
{
    const layers_k0_c__args *a = args;
    (void)worker;
    layers_k0_c_(a->z_, a->out_2, task, a->tasks);
}

/* k1: d
 * also k2 e
 * reads  x_: f32[512, 512]
 * writes out_0: f32[512, 512] */
static void layers_k1_d_(const f32 *AOT_RESTRICT x_, f32 *AOT_RESTRICT out_0, i64 task, i64 tasks)
{
    for (i64 i = aot_part(262144, task, tasks), end = aot_part(262144, task + 1, tasks); i < end; i++) {
        const f32 t0 = x_[i];
        out_0[i] = t0 * aot_sigmoid_f32(t0);
    }
}

typedef struct layers_k1_d__args {
    i64 tasks;
    const f32 *x_;
    f32 *out_0;
} layers_k1_d__args;

static void layers_k1_d__task(void *args, int64_t task, int64_t worker)
{
    const layers_k1_d__args *a = args;
    (void)worker;
    layers_k1_d_(a->x_, a->out_0, task, a->tasks);
}
