/* SPDX-License-Identifier: MIT */
/* pool_test.c: the thread pool alone: every task once, worker numbers, nesting, concurrency, fork.
 * Linked without processors.c, so that there are many workers on every machine. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../check.h"
#include "libaotrt.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TASKS = 1000 };

int64_t aotrt_processors(void)
{
    return 8;
}

typedef struct Job {
    aot_pool  *pool;
    atomic_int times[TASKS];    /* how often each task ran */
    atomic_int inside[64];      /* how many tasks each worker is in just now */
    atomic_int wrong;
} Job;

static void count_task(void *arg, int64_t task, int64_t worker)
{
    Job *job = arg;
    if (worker < 0 || worker >= (int64_t)aot_pool_threads(job->pool)
        || atomic_fetch_add(&job->inside[worker], 1) != 0)
        atomic_store(&job->wrong, 1);
    atomic_fetch_add(&job->times[task], 1);
    for (volatile int i = 0; i < 50; i++)
        ;
    atomic_fetch_sub(&job->inside[worker], 1);
}

static void check_job(aot_pool *pool, int64_t tasks)
{
    static _Thread_local Job job;
    memset(&job, 0, sizeof job);
    job.pool = pool;
    aot_pool_parallel_for(pool, tasks, count_task, &job);
    int once = 1;
    for (int64_t i = 0; i < TASKS; i++)
        once &= job.times[i] == (i < tasks);
    CHECK(once && !job.wrong);
}

static void every_task_runs_once(void)
{
    for (uint64_t threads = 0; threads < 10; threads++) {
        aot_pool *pool = aot_pool_new(threads);
        CHECK(aot_pool_threads(pool) == (threads == 0 ? 1 : threads > 8 ? 8 : threads));
        for (int i = 0; i < 50; i++) {
            static const int64_t tasks[] = { 0, 1, 2, 7, TASKS };
            check_job(pool, tasks[i % 5]);
            if (i % 10 == 0)
                usleep(1000);           /* lets the workers fall asleep */
        }
        aot_pool_free(pool);
    }
    aot_pool_free(NULL);
    CHECK(aot_pool_threads(NULL) == 1);
}

typedef struct Meeting {
    atomic_int here;            /* tasks that have begun */
    atomic_int wrong;
    int        tasks;
} Meeting;

/* Returns when all tasks have begun, hence each on a worker of its own. */
static void meet_task(void *arg, int64_t task, int64_t worker)
{
    Meeting *meeting = arg;
    if (task != worker)
        atomic_store(&meeting->wrong, 1);
    atomic_fetch_add(&meeting->here, 1);
    while (atomic_load(&meeting->here) < meeting->tasks)
        sched_yield();
}

static void check_meetings(uint64_t threads, int tasks, void (*body)(void *, int64_t, int64_t))
{
    aot_pool *pool = aot_pool_new(threads);
    for (int round = 0; round < 200; round++) {
        Meeting meeting = { .tasks = tasks };
        aot_pool_parallel_for(pool, tasks, body, &meeting);
        CHECK(meeting.here == tasks && !meeting.wrong);
    }
    aot_pool_free(pool);
}

static void a_worker_does_its_own_task_first(void)
{
    check_meetings(4, 4, meet_task);
}

/* Worker 0 waits until the others have done its second task too. */
static void late_task(void *arg, int64_t task, int64_t worker)
{
    Meeting *meeting = arg;
    (void)worker;
    atomic_fetch_add(&meeting->here, 1);
    while (task == 0 && atomic_load(&meeting->here) < meeting->tasks)
        sched_yield();
}

static void tasks_of_a_late_worker_are_taken(void)
{
    check_meetings(2, 7, late_task);
}

static void loops_with_long_gaps_in_runs(void)
{
    aot_pool *pool = aot_pool_new(4);
    aot_pool_begin(NULL);
    aot_pool_end(NULL);
    for (int round = 0; round < 20; round++) {
        aot_pool_begin(pool);
        check_job(pool, 100);
        usleep(500);            /* workers wait awake */
        check_job(pool, 3);
        if (round % 10 == 0)
            usleep(100000);     /* but not for ever */
        aot_pool_begin(pool);
        check_job(pool, 5);
        aot_pool_end(pool);
        check_job(pool, TASKS);
        aot_pool_end(pool);
        usleep(300);
    }
    aot_pool_free(pool);
}

static void sum_task(void *arg, int64_t task, int64_t worker)
{
    (void)worker;
    ((int64_t *)arg)[task] = task * task;
}

static void writes_are_seen_by_the_caller(void)
{
    aot_pool *pool = aot_pool_new(4);
    static int64_t square[TASKS];
    for (int round = 0; round < 200; round++) {
        memset(square, 0, sizeof square);
        aot_pool_parallel_for(pool, TASKS, sum_task, square);
        int64_t sum = 0;
        for (int i = 0; i < TASKS; i++)
            sum += square[i];
        CHECK(sum == 332833500);
    }
    aot_pool_free(pool);
}

typedef struct Outer {
    Job        inner;
    atomic_int wrong;
} Outer;

static void inner_task(void *arg, int64_t task, int64_t worker)
{
    int64_t *expected = arg;
    (void)task;
    if (worker != expected[0])
        expected[1] = 1;
}

static void outer_task(void *arg, int64_t task, int64_t worker)
{
    Outer *outer = arg;
    int64_t numbers[2] = { worker, 0 };
    (void)task;
    aot_pool_parallel_for(outer->inner.pool, 10, inner_task, numbers);
    if (numbers[1])
        atomic_store(&outer->wrong, 1);
}

static void nested_loops_keep_their_worker(void)
{
    static Outer outer;
    outer.inner.pool = aot_pool_new(3);
    for (int i = 0; i < 20; i++)
        aot_pool_parallel_for(outer.inner.pool, 40, outer_task, &outer);
    CHECK(!outer.wrong);
    aot_pool_free(outer.inner.pool);
}

static void *call_often(void *pool)
{
    for (int i = 0; i < 100; i++)
        check_job(pool, 100 + i);
    return NULL;
}

static void concurrent_callers_run_serially(void)
{
    aot_pool *pool = aot_pool_new(4);
    pthread_t thread[6];
    for (int i = 0; i < 6; i++)
        CHECK(!pthread_create(&thread[i], NULL, call_often, pool));
    for (int i = 0; i < 6; i++)
        pthread_join(thread[i], NULL);
    aot_pool_free(pool);
}

static void a_forked_child_runs_alone(void)
{
    aot_pool *pool = aot_pool_new(4);
    check_job(pool, 100);
    pid_t child = fork();
    if (child == 0) {
        static int64_t square[TASKS];
        alarm(20);
        aot_pool_parallel_for(pool, TASKS, sum_task, square);
        aot_pool_free(pool);
        _exit(square[TASKS - 1] == 998001 ? 0 : 1);
    }
    int status = -1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    check_job(pool, 100);
    aot_pool_free(pool);
}

static void many_pools_come_and_go(void)
{
    for (int i = 0; i < 200; i++) {
        aot_pool *pool = aot_pool_new(1 + (uint64_t)i % 4);
        if (i % 3)
            check_job(pool, 20);
        aot_pool_free(pool);
    }
}

int main(void)
{
    RUN(every_task_runs_once);
    RUN(a_worker_does_its_own_task_first);
    RUN(tasks_of_a_late_worker_are_taken);
    RUN(loops_with_long_gaps_in_runs);
    RUN(writes_are_seen_by_the_caller);
    RUN(nested_loops_keep_their_worker);
    RUN(concurrent_callers_run_serially);
    RUN(a_forked_child_runs_alone);
    RUN(many_pools_come_and_go);
    return check_report();
}
