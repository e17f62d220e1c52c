/* pool.c: threads that share the tasks of one parallel region at a time.
 *
 * Each thread has a share of a region's tasks, neighbors in order, the same for the same number of
 * tasks: what a task leaves in the caches is likely to be where the next region's wants it. A
 * thread takes from the front of its own share; when that is empty, from the back of the others'.
 * A share holds the region's number beside its tasks, and a thread takes one by a compare and swap.
 * That succeeds only while the region is open, so what was read of it before is of that region too;
 * a thread that comes late finds another number, or nothing left, and has changed nothing. So the
 * caller waits for tasks, never for threads, and a thread that the machine does not run just then
 * costs nothing unless it is in the middle of a task. Whoever waits spins for some tens of
 * microseconds, then sleeps: not longer, because the one it waits for may want its processor.
 *
 * Where other programs want the processors too, the machine stops a thread when its time is over,
 * be it in the middle of a task, and all wait until it goes on. So once a thread of the pool has
 * been stopped, workers give their processor up of their own accord for some time, between regions
 * and before their time is over: the others share what they would have done.
 *
 * A worker that is woken on the processor of another thread of the pool would run only when that
 * one does not, and between short sleeps the machine sees no reason to move it. So it moves itself
 * to where none of them was last, and is bound to nothing afterwards.
 */
#define _GNU_SOURCE
#include "internal.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    TURNS = 16, /* of spinning between two looks at the clock */
    MAX_THREADS = 1024,
    SHARE_BITS = 18, /* of a share's first task, and of its end; above them the region */
    APART = 128 /* bytes: processors fetch lines in pairs */
};
static const double longest_spin = 50e-6; /* seconds */
/* Linux gives a thread about 3 ms at a time (sched(7): EEVDF). */
static const double turn = 2e-3, nap = 0.2e-3, polite_for = 0.3;
static const double between_looks = 1e-3, felt = 1e-3; /* a stop that others wait for */
static const uint32_t largest = (1u << SHARE_BITS) - 1;
typedef void task_function(void *context, int task);

typedef struct Share { /* on lines of its own */
    _Atomic uint64_t left;
    atomic_int processor; /* where its thread was last seen to begin */
    char apart[APART - sizeof(uint64_t) - sizeof(int)];
} Share;

typedef struct Pressure { /* on a thread of the pool, when it was last looked at */
    double looked, ran; /* seconds */
    long stops, sleeps; /* so far */
} Pressure;

typedef struct Worker {
    netc_pool *pool;
    int number;
    Pressure pressure;
    double begun; /* its turn */
    pthread_t thread;
} Worker;

struct netc_pool {
    _Atomic uint32_t region;
    _Atomic(task_function *) f;
    _Atomic(void *) context;
    atomic_int tasks, unit; /* tasks that are taken at once */
    char apart[APART]; /* what every thread writes lies on lines of its own */
    atomic_int done;       /* units of the region */
    atomic_int asleep;     /* workers */
    atomic_bool waiting;   /* the caller sleeps */
    atomic_bool quit;
    _Atomic double polite_until; /* workers give up their processors now and then */
    Pressure pressure; /* on the caller */
    pthread_mutex_t mutex;
    pthread_cond_t work, finished;
    int n_workers;
    Share *share; /* of the caller, then of the workers */
    Worker worker[];
};

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

typedef struct Spin {
    int turns;
    double begun; /* about */
} Spin;

/* A pause between two looks at what is waited for; false: it has been long enough. By the clock,
 * because a pause takes some processors ten times as long as others. */
static bool spin(Spin *s) {
    relax();
    if (++s->turns % TURNS) return true;
    double now = netc_now();
    if (s->turns == TURNS) s->begun = now;
    return now - s->begun < longest_spin;
}

static double seconds(struct timeval t) { return (double)t.tv_sec + 1e-6 * (double)t.tv_usec; }

static Pressure pressure_now(double now) {
    struct rusage use = {0};
    getrusage(RUSAGE_THREAD, &use);
    return (Pressure){now, seconds(use.ru_utime) + seconds(use.ru_stime), use.ru_nivcsw,
                      use.ru_nvcsw};
}

/* Has the machine stopped this thread since the last look, and for long? Where it has slept of its
 * own accord, and not looked since, nobody can tell. */
static void look(netc_pool *p, Pressure *x, double now) {
    if (now - x->looked < between_looks) return;
    Pressure is = pressure_now(now);
    bool stopped = is.stops != x->stops && is.sleeps == x->sleeps;
    if (stopped && now - x->looked - (is.ran - x->ran) > felt)
        atomic_store(&p->polite_until, now + polite_for);
    *x = is;
}

static void begin_turn(Worker *w) {
    w->begun = netc_now();
    w->pressure = pressure_now(w->begun);
}

/* A worker between two regions. */
static void make_room(netc_pool *p, Worker *w) {
    double now = netc_now();
    look(p, &w->pressure, now);
    if (now > atomic_load(&p->polite_until)) {
        w->begun = now;
    } else if (now - w->begun > turn) {
        nanosleep(&(struct timespec){.tv_nsec = (long)(nap * 1e9)}, NULL);
        begin_turn(w);
    }
}

static uint64_t share_of(uint32_t region, uint32_t first, uint32_t end) {
    return (uint64_t)region << (2 * SHARE_BITS) | (uint64_t)first << SHARE_BITS | end;
}

/* A unit of the share, the first or the last; -1: there is none, or it is of another region. */
static int take(Share *s, uint32_t region, bool own) {
    uint64_t left = atomic_load(&s->left);
    for (;;) {
        uint32_t first = (uint32_t)(left >> SHARE_BITS) & largest, end = (uint32_t)left & largest;
        if (left != share_of(region, first, end) || first >= end) return -1;
        uint64_t rest = own ? share_of(region, first + 1, end) : share_of(region, first, end - 1);
        if (atomic_compare_exchange_weak(&s->left, &left, rest))
            return (int)(own ? first : end - 1);
    }
}

static int units(int tasks, int unit) { return (tasks + unit - 1) / unit; }

/* Take units of a share until there are none; returns whether there were any. */
static bool work_on(netc_pool *p, uint32_t region, Share *s, bool own) {
    task_function *f = atomic_load_explicit(&p->f, memory_order_relaxed);
    void *context = atomic_load_explicit(&p->context, memory_order_relaxed);
    int tasks = atomic_load_explicit(&p->tasks, memory_order_relaxed);
    int unit = atomic_load_explicit(&p->unit, memory_order_relaxed), done = 0;
    for (int u; (u = take(s, region, own)) >= 0; done++)
        for (int i = u * unit; i < (u + 1) * unit && i < tasks; i++) f(context, i);
    if (!done || atomic_fetch_add(&p->done, done) + done != units(tasks, unit)) return done > 0;
    if (atomic_load(&p->waiting)) {
        pthread_mutex_lock(&p->mutex);
        pthread_cond_signal(&p->finished);
        pthread_mutex_unlock(&p->mutex);
    }
    return true;
}

static void work(netc_pool *p, uint32_t region, int number) {
    int threads = p->n_workers + 1;
    for (int i = 0; i < threads; i++)
        work_on(p, region, &p->share[(number + i) % threads], i == 0);
}

/* Returns whether it slept. */
static bool wait_for_region(netc_pool *p, uint32_t seen) {
    Spin s = {0};
    do {
        if (atomic_load(&p->region) != seen || atomic_load(&p->quit)) return false;
    } while (spin(&s));
    pthread_mutex_lock(&p->mutex);
    atomic_fetch_add(&p->asleep, 1);
    while (atomic_load(&p->region) == seen && !atomic_load(&p->quit))
        pthread_cond_wait(&p->work, &p->mutex);
    atomic_fetch_sub(&p->asleep, 1);
    pthread_mutex_unlock(&p->mutex);
    return true;
}

/* Away from the processors of the threads before this one, if it is on one of them. */
static void keep_apart(netc_pool *p, int number) {
    cpu_set_t all, others;
    int own = sched_getcpu();
    bool meets = false;
    for (int i = 0; i < number; i++) meets |= atomic_load(&p->share[i].processor) == own;
    atomic_store(&p->share[number].processor, own);
    if (own < 0 || !meets || sched_getaffinity(0, sizeof all, &all)) return;
    others = all;
    for (int i = 0; i < number; i++) {
        int taken = atomic_load(&p->share[i].processor);
        if (taken >= 0 && taken < CPU_SETSIZE) CPU_CLR(taken, &others);
    }
    if (!CPU_COUNT(&others) || sched_setaffinity(0, sizeof others, &others)) return;
    atomic_store(&p->share[number].processor, sched_getcpu());
    sched_setaffinity(0, sizeof all, &all);
}

static void *worker(void *context) {
    Worker *w = context;
    netc_pool *p = w->pool;
    uint32_t seen = 0;
    begin_turn(w);
    while (!atomic_load(&p->quit)) {
        if (wait_for_region(p, seen)) {
            keep_apart(p, w->number);
            begin_turn(w);
        }
        seen = atomic_load(&p->region);
        work(p, seen, w->number);
        make_room(p, w);
    }
    return NULL;
}

static void wait_for_units(netc_pool *p, int units) {
    Spin s = {0};
    do {
        if (atomic_load(&p->done) == units) return;
    } while (spin(&s));
    pthread_mutex_lock(&p->mutex);
    atomic_store(&p->waiting, true);
    while (atomic_load(&p->done) != units) pthread_cond_wait(&p->finished, &p->mutex);
    atomic_store(&p->waiting, false);
    pthread_mutex_unlock(&p->mutex);
    p->pressure = pressure_now(netc_now());
}

/* No more than can help. */
static void wake(netc_pool *p, int workers) {
    atomic_store(&p->share[0].processor, sched_getcpu());
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
    int unit = tasks / (int)largest + 1, all = units(tasks, unit), threads = p->n_workers + 1;
    uint32_t region = (atomic_load(&p->region) + 1) & (UINT32_MAX >> (2 * SHARE_BITS - 32));
    atomic_store_explicit(&p->f, f, memory_order_relaxed);
    atomic_store_explicit(&p->context, context, memory_order_relaxed);
    atomic_store_explicit(&p->tasks, tasks, memory_order_relaxed);
    atomic_store_explicit(&p->unit, unit, memory_order_relaxed);
    atomic_store_explicit(&p->done, 0, memory_order_relaxed);
    for (int i = 0; i < threads; i++) {
        uint32_t first = (uint32_t)((long)all * i / threads);
        uint32_t end = (uint32_t)((long)all * (i + 1) / threads);
        atomic_store_explicit(&p->share[i].left, share_of(region, first, end),
                              memory_order_release);
    }
    atomic_store(&p->region, region);
    if (atomic_load(&p->asleep)) wake(p, all - 1);
    work(p, region, 0);
    wait_for_units(p, all);
    look(p, &p->pressure, netc_now());
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
    size_t bytes = sizeof(netc_pool) + (size_t)threads * sizeof(Worker);
    netc_pool *p = netc_alloc(bytes);
    Share *share = netc_alloc((size_t)threads * sizeof(Share));
    if (!p || !share) {
        free(p);
        free(share);
        return NULL;
    }
    p->share = share;
    p->pressure = pressure_now(netc_now());
    for (int i = 0; i < threads; i++) atomic_init(&share[i].processor, -1);
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->finished, NULL);
    for (; p->n_workers < threads - 1; p->n_workers++) {
        Worker *w = &p->worker[p->n_workers];
        *w = (Worker){.pool = p, .number = p->n_workers + 1};
        if (pthread_create(&w->thread, NULL, worker, w)) break;
    }
    return p;
}

int netc_pool_threads(const netc_pool *p) { return p->n_workers + 1; }

void netc_pool_free(netc_pool *p) {
    if (!p) return;
    pthread_mutex_lock(&p->mutex);
    atomic_store(&p->quit, true);
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->mutex);
    for (int i = 0; i < p->n_workers; i++) pthread_join(p->worker[i].thread, NULL);
    pthread_cond_destroy(&p->finished);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->mutex);
    free(p->share);
    free(p);
}
