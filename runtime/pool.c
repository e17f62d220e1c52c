/* pool.c: threads that share the tasks of one parallel region at a time.
 *
 * `ticket` holds the region's number and how many tasks nobody has taken; a thread takes one by
 * lowering it with a compare and swap. That succeeds only while the region is open, so what was
 * read of it before is of that region too; a thread that comes late finds another number, or none
 * left, and has changed nothing. So the caller waits for tasks, never for threads, and a thread
 * that the machine does not run just then costs nothing unless it is in the middle of a task.
 * Whoever waits spins for some tens of microseconds, then sleeps.
 */
#define _GNU_SOURCE
#include "internal.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { SPINS = 1000, MAX_THREADS = 1024 };
typedef void task_function(void *context, int task);

struct netc_pool {
    _Atomic uint64_t ticket; /* region << 32 | tasks left */
    _Atomic(task_function *) f;
    _Atomic(void *) context;
    atomic_int tasks;
    char apart[NETC_ALIGN]; /* what every task writes lies on a line of its own */
    atomic_int done;        /* tasks of the region */
    atomic_int asleep;      /* workers */
    atomic_bool waiting;    /* the caller sleeps */
    atomic_bool quit;
    pthread_mutex_t mutex;
    pthread_cond_t work, finished;
    int n_workers;
    pthread_t worker[];
};

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Take tasks of `region` until there are none. */
static void work(netc_pool *p, uint32_t region) {
    uint64_t ticket = atomic_load(&p->ticket);
    while ((uint32_t)(ticket >> 32) == region && (uint32_t)ticket) {
        task_function *f = atomic_load_explicit(&p->f, memory_order_relaxed);
        void *context = atomic_load_explicit(&p->context, memory_order_relaxed);
        int tasks = atomic_load_explicit(&p->tasks, memory_order_relaxed);
        int left = (int)(uint32_t)ticket;
        if (!atomic_compare_exchange_weak(&p->ticket, &ticket, ticket - 1)) continue;
        f(context, tasks - left);
        ticket = atomic_load(&p->ticket);
        if (atomic_fetch_add(&p->done, 1) + 1 == tasks && atomic_load(&p->waiting)) {
            pthread_mutex_lock(&p->mutex);
            pthread_cond_signal(&p->finished);
            pthread_mutex_unlock(&p->mutex);
        }
    }
}

static uint32_t region_of(netc_pool *p) { return (uint32_t)(atomic_load(&p->ticket) >> 32); }

static void wait_for_region(netc_pool *p, uint32_t seen) {
    for (int i = 0; i < SPINS; i++) {
        if (region_of(p) != seen || atomic_load(&p->quit)) return;
        relax();
    }
    pthread_mutex_lock(&p->mutex);
    atomic_fetch_add(&p->asleep, 1);
    while (region_of(p) == seen && !atomic_load(&p->quit)) pthread_cond_wait(&p->work, &p->mutex);
    atomic_fetch_sub(&p->asleep, 1);
    pthread_mutex_unlock(&p->mutex);
}

static void *worker(void *context) {
    netc_pool *p = context;
    uint32_t seen = 0;
    while (!atomic_load(&p->quit)) {
        wait_for_region(p, seen);
        seen = region_of(p);
        work(p, seen);
    }
    return NULL;
}

static void wait_for_tasks(netc_pool *p, int tasks) {
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load(&p->done) == tasks) return;
        relax();
    }
    pthread_mutex_lock(&p->mutex);
    atomic_store(&p->waiting, true);
    while (atomic_load(&p->done) != tasks) pthread_cond_wait(&p->finished, &p->mutex);
    atomic_store(&p->waiting, false);
    pthread_mutex_unlock(&p->mutex);
}

/* No more than can help. */
static void wake(netc_pool *p, int workers) {
    pthread_mutex_lock(&p->mutex);
    if (workers >= p->n_workers) pthread_cond_broadcast(&p->work);
    for (int i = 0; i < workers && workers < p->n_workers; i++) pthread_cond_signal(&p->work);
    pthread_mutex_unlock(&p->mutex);
}

void netc_pool_run(netc_pool *p, task_function *f, void *context, int tasks) {
    if (tasks < 2 || !p->n_workers) {
        for (int i = 0; i < tasks; i++) f(context, i);
        return;
    }
    uint32_t region = region_of(p) + 1;
    atomic_store_explicit(&p->f, f, memory_order_relaxed);
    atomic_store_explicit(&p->context, context, memory_order_relaxed);
    atomic_store_explicit(&p->tasks, tasks, memory_order_relaxed);
    atomic_store(&p->done, 0);
    atomic_store(&p->ticket, (uint64_t)region << 32 | (uint32_t)tasks);
    if (atomic_load(&p->asleep)) wake(p, tasks - 1);
    work(p, region);
    wait_for_tasks(p, tasks);
}

static int processors(void) {
    cpu_set_t set;
    if (!sched_getaffinity(0, sizeof set, &set)) return CPU_COUNT(&set);
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 && n <= MAX_THREADS ? (int)n : 1;
}

netc_pool *netc_pool_new(int threads) {
    if (threads <= 0) threads = processors();
    if (threads > MAX_THREADS) threads = MAX_THREADS;
    size_t bytes = sizeof(netc_pool) + (size_t)threads * sizeof(pthread_t);
    netc_pool *p = netc_alloc(bytes);
    if (!p) return NULL;
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->finished, NULL);
    while (p->n_workers < threads - 1 &&
           !pthread_create(&p->worker[p->n_workers], NULL, worker, p))
        p->n_workers++;
    return p;
}

int netc_pool_threads(const netc_pool *p) { return p->n_workers + 1; }

void netc_pool_free(netc_pool *p) {
    if (!p) return;
    pthread_mutex_lock(&p->mutex);
    atomic_store(&p->quit, true);
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->mutex);
    for (int i = 0; i < p->n_workers; i++) pthread_join(p->worker[i], NULL);
    pthread_cond_destroy(&p->finished);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->mutex);
    free(p);
}
