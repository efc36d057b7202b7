/* SPDX-License-Identifier: MIT */
/* pool.c: the small thread pool behind aot_host.parallel_for.
 *
 * Workers sleep on a generation number. A loop is published by writing its description, opening the
 * gate and raising the generation. Workers that come in time enter the gate. Everyone, the caller
 * too, has a share of the tasks, does that first, and then takes from the shares of those who are
 * late: task by task the same worker, hence the same cache, in each loop of as many tasks. When all
 * are taken the caller closes the gate and waits only for those inside: a worker that wakes late
 * finds it closed and costs nothing.
 *
 * Waiting is a bounded spin, while a run is under way also a time of offering the processor to others,
 * then a futex: being woken costs far more than the spin, up to milliseconds on a shared machine whose
 * idle processors are lent to others, and a run's next loop is near. An idle pool burns no processor
 * time, and more threads than processors slow nothing down for long. Every fork's child, every caller that finds the pool
 * busy and every task that calls in turn runs its loop alone.
 */
#include "libaotrt.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    SPIN = 2000,                /* pauses of a wait before anything else: some 50 microseconds */
    YIELDS = 20000,             /* sched_yield after them, in a run: some 10 milliseconds if nobody else wants to run */
    FUTEX_WAIT_PRIVATE = 128,   /* linux/futex.h, which musl does not bring */
    FUTEX_WAKE_PRIVATE = 129
};
#define OPEN 0x80000000u        /* gate: this bit, and the number of workers inside below it */

typedef void (*Body)(void *arg, int64_t task, int64_t worker);

typedef struct Worker {
    aot_pool *pool;
    int64_t   number;
    pthread_t thread;
} Worker;

/* A worker's share of the loop: tasks [next, end) of it are left. */
typedef struct Share {
    atomic_llong next;
    int64_t      end;
} Share;

struct aot_pool {
    pid_t   owner;              /* a fork's child has another pid and none of the threads */
    int64_t count;              /* workers, the caller among them */
    Worker *workers;            /* count - 1 of them, numbered from 1 */
    Share  *shares;             /* count of them */

    /* The loop; written only while the gate is closed and nobody is inside. */
    Body    body;
    void   *arg;

    /* Each on a cache line of its own. */
    _Alignas(64) atomic_flag  busy;         /* a caller has the pool */
    _Alignas(64) atomic_uint  gate;
    _Alignas(64) atomic_uint  generation;   /* raised to wake the workers */
    atomic_uint sleepers;                   /* workers that may be in the futex */
    _Alignas(64) atomic_int runs;           /* under way: their next loop is near */
    atomic_int  stop;
};

/* Which worker of which pool the calling thread is just now. */
static _Thread_local struct { const aot_pool *pool; int64_t number; } self;

/* ---- Waiting ------------------------------------------------------------------------------- */

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __asm__ volatile("pause");
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void futex(atomic_uint *word, int operation, unsigned value)
{
    syscall(SYS_futex, word, operation, value, NULL, NULL, 0);
}

/* Whether *word differs from old within the time that a wait may stay awake; *now is its value. */
static int changes_soon(const aot_pool *pool, atomic_uint *word, unsigned old, unsigned *now)
{
    for (int i = 0; i < SPIN; i++) {
        if ((*now = atomic_load_explicit(word, memory_order_acquire)) != old)
            return 1;
        relax();
    }
    for (int i = 0; i < YIELDS && atomic_load_explicit(&pool->runs, memory_order_relaxed) > 0; i++) {
        if ((*now = atomic_load_explicit(word, memory_order_acquire)) != old)
            return 1;
        sched_yield();
    }
    return 0;
}

/* Returns the value of *word once it differs from old. */
static unsigned wait_change(const aot_pool *pool, atomic_uint *word, unsigned old, atomic_uint *sleepers)
{
    unsigned now;
    if (changes_soon(pool, word, old, &now))
        return now;
    if (sleepers)
        atomic_fetch_add(sleepers, 1);
    while ((now = atomic_load(word)) == old)
        futex(word, FUTEX_WAIT_PRIVATE, old);
    if (sleepers)
        atomic_fetch_sub(sleepers, 1);
    return now;
}

void aot_pool_begin(aot_pool *pool)
{
    if (pool)
        atomic_fetch_add_explicit(&pool->runs, 1, memory_order_relaxed);
}

void aot_pool_end(aot_pool *pool)
{
    if (pool)
        atomic_fetch_sub_explicit(&pool->runs, 1, memory_order_relaxed);
}

static void wake_workers(aot_pool *pool)
{
    atomic_fetch_add(&pool->generation, 1);
    if (atomic_load(&pool->sleepers) > 0)
        futex(&pool->generation, FUTEX_WAKE_PRIVATE, INT_MAX);
}

/* ---- The loop ------------------------------------------------------------------------------ */

static void share_out(aot_pool *pool, int64_t tasks)
{
    int64_t each = tasks / pool->count, more = tasks % pool->count, begin = 0;
    for (int64_t i = 0; i < pool->count; i++) {
        Share *share = &pool->shares[i];
        share->end = begin + each + (i < more);
        atomic_store_explicit(&share->next, begin, memory_order_relaxed);
        begin = share->end;
    }
}

static void run_tasks(aot_pool *pool, int64_t worker)
{
    for (int64_t i = 0; i < pool->count; i++) {
        Share *share = &pool->shares[(worker + i) % pool->count];
        int64_t task;
        while (atomic_load_explicit(&share->next, memory_order_relaxed) < share->end
               && (task = atomic_fetch_add_explicit(&share->next, 1, memory_order_relaxed)) < share->end)
            pool->body(pool->arg, task, worker);
    }
}

/* False: the loop is over already. */
static int enter(aot_pool *pool)
{
    unsigned gate = atomic_load_explicit(&pool->gate, memory_order_relaxed);
    while (gate & OPEN)
        if (atomic_compare_exchange_weak(&pool->gate, &gate, gate + 1))
            return 1;
    return 0;
}

static void leave(aot_pool *pool)
{
    if (atomic_fetch_sub(&pool->gate, 1) == 1)      /* closed, and the last one out */
        futex(&pool->gate, FUTEX_WAKE_PRIVATE, 1);
}

static void close_gate(aot_pool *pool)
{
    unsigned inside = atomic_fetch_and(&pool->gate, ~OPEN) & ~OPEN;
    while (inside)
        inside = wait_change(pool, &pool->gate, inside, NULL);
}

static void *work(void *arg)
{
    Worker *worker = arg;
    aot_pool *pool = worker->pool;
    unsigned seen = 0;
    self.pool = pool;
    self.number = worker->number;
    for (;;) {
        seen = wait_change(pool, &pool->generation, seen, &pool->sleepers);
        if (atomic_load(&pool->stop))
            return NULL;
        if (!enter(pool))
            continue;
        run_tasks(pool, worker->number);
        leave(pool);
    }
}

static void run_alone(const aot_pool *pool, int64_t tasks, Body body, void *arg)
{
    int64_t worker = self.pool == pool ? self.number : 0;
    for (int64_t task = 0; task < tasks; task++)
        body(arg, task, worker);
}

void aot_pool_parallel_for(void *ctx, int64_t tasks, Body body, void *arg)
{
    aot_pool *pool = ctx;
    if (!pool || pool->count < 2 || tasks < 2 || getpid() != pool->owner
        || atomic_flag_test_and_set_explicit(&pool->busy, memory_order_acquire)) {
        run_alone(pool, tasks, body, arg);
        return;
    }
    const aot_pool *outer = self.pool;
    int64_t outer_number = self.number;
    self.pool = pool;
    self.number = 0;

    pool->body = body;
    pool->arg = arg;
    share_out(pool, tasks);
    atomic_store(&pool->gate, OPEN);
    wake_workers(pool);
    run_tasks(pool, 0);
    close_gate(pool);

    self.pool = outer;
    self.number = outer_number;
    atomic_flag_clear_explicit(&pool->busy, memory_order_release);
}

/* ---- Life ---------------------------------------------------------------------------------- */

/* Starts as many threads as the system gives; count says how many workers there are. */
static void start_threads(aot_pool *pool, int64_t wanted)
{
    pool->count = 1;
    while (pool->count < wanted) {
        Worker *worker = &pool->workers[pool->count - 1];
        worker->pool = pool;
        worker->number = pool->count;
        if (pthread_create(&worker->thread, NULL, work, worker))
            break;
        pool->count++;
    }
}

aot_pool *aot_pool_new(uint64_t threads)
{
    int64_t wanted = aotrt_processors();
    if (threads < (uint64_t)wanted)
        wanted = threads ? (int64_t)threads : 1;
    aot_pool *pool = aligned_alloc(64, sizeof *pool);
    if (!pool)
        return NULL;
    *pool = (aot_pool){ .owner = getpid(), .busy = ATOMIC_FLAG_INIT };
    pool->workers = calloc((size_t)wanted, sizeof *pool->workers);
    pool->shares = aligned_alloc(64, ((size_t)wanted * sizeof *pool->shares + 63) / 64 * 64);
    if (!pool->workers || !pool->shares) {
        free(pool->workers);
        free(pool->shares);
        free(pool);
        return NULL;
    }
    start_threads(pool, wanted);
    return pool;
}

uint64_t aot_pool_threads(const aot_pool *pool)
{
    return pool ? (uint64_t)pool->count : 1;
}

void aot_pool_free(aot_pool *pool)
{
    if (!pool)
        return;
    if (getpid() == pool->owner) {
        atomic_store(&pool->stop, 1);
        wake_workers(pool);
        for (int64_t i = 0; i < pool->count - 1; i++)
            pthread_join(pool->workers[i].thread, NULL);
    }
    free(pool->workers);
    free(pool->shares);
    free(pool);
}
