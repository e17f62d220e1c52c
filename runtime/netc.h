/* netc.h: the one header that generated code includes: how a compiled network describes itself to
 * the runtime, and what it may call. Freestanding of the compiler.
 *
 * A compiled network is a `netc_net`: constants, tables, and functions that work on memory that the
 * caller provides. It has no state of its own and allocates nothing: any number of them may run at
 * once, each with its state block and arena.
 */
#ifndef NETC_H
#define NETC_H
#include <stddef.h>
#include <stdint.h>
#include "netc_math.h"

enum { NETC_MAX_RANK = 8, NETC_ABI = 4, NETC_ALIGN = 64 };

/* One tensor of the state block. Element i lies `sum over pieces (i[axis] / div % count) * stride`
 * floats after `offset`; the pieces of all axes together tell the layout that the compiler chose.
 */
typedef struct netc_piece {
    int axis;
    long div, count, stride;
} netc_piece;

typedef enum { NETC_PARAM, NETC_STATE, NETC_OPTIMIZER } netc_kind;

typedef struct netc_tensor {
    const char *name; /* as saved: "dense1.W" */
    netc_kind kind;
    int rank;
    long shape[NETC_MAX_RANK];
    size_t offset; /* bytes into the state block, a multiple of NETC_ALIGN */
    size_t bytes;  /* that it occupies there, padding included */
    int n_pieces;
    const netc_piece *piece;
} netc_tensor;

typedef struct netc_layer { /* a row of the table of layers */
    const char *name, *text;
    int rank;
    long shape[NETC_MAX_RANK]; /* of its output, for one sample */
    long parameters;
} netc_layer;

typedef struct netc_data { /* the data set as the spec declares it */
    const char *name, *format, *folder;
    const char *train[2], *test[2]; /* files: images, labels */
    const char *package;            /* the Debian package that has them, or null */
    int rank;
    long shape[NETC_MAX_RANK]; /* of a sample, in bytes */
    int n_classes;
    const char *const *classes;
    double validation, use;
} netc_data;

typedef struct netc_training { /* what train { } says, but the rule */
    long batch, epochs;
    uint64_t seed;
    long patience;
    double plateau_factor;
    long plateau_patience;
    int keep_best;
} netc_training;

typedef struct netc_pool netc_pool;

/* Everything a function of a compiled network is given. Pointers that a function does not use may
 * be null. Arrays over samples must have room for the function's batch rounded up to 16, and 64
 * bytes more: what stands after the first `count` is read and written, but never matters. Labels
 * there must be classes all the same. */
typedef struct netc_call {
    void *state;     /* net->state_bytes, aligned to NETC_ALIGN */
    void *arena;     /* net->arena_bytes, aligned to NETC_ALIGN, zeroed once before its first use */
    netc_pool *pool; /* null: one thread */
    const uint8_t *bytes; /* [n, data shape] */
    const float *x;       /* [n, prepared shape], row-major */
    const int32_t *label; /* [n] */
    int32_t count;        /* samples, 1 .. batch; train's: 1 .. batch * train_steps */
    uint64_t seed;
    double step, epoch, steps, epochs, steps_per_epoch, rate_scale, data_mean, data_std;
    float *x_out;         /* prepare: [n, prepared shape] */
    float *loss;          /* train: [1], mean over the samples of all steps; eval: [n] */
    int32_t *prediction;  /* eval, predict: [n] */
    float *output;        /* eval, predict: [n, output shape], row-major */
} netc_call;

typedef void netc_function(const netc_call *call);

/* A kernel of a network that was compiled with --profile: what it took over all calls and threads.
 */
typedef struct netc_kernel {
    const char *function, *name, *what;
    double flops; /* useful ones, whenever the function runs on a whole batch */
    uint64_t calls, nanoseconds;
} netc_kernel;

typedef struct netc_net {
    int abi; /* NETC_ABI */
    const char *version; /* of the netc that compiled it, or null */
    const char *name;
    uint64_t hash; /* of the frozen graph: equal hashes, equal bits */
    const char *target, *flags;
    size_t state_bytes, arena_bytes;
    const netc_tensor *tensor;
    int n_tensors;
    const netc_layer *layer;
    int n_layers;
    netc_data data;
    netc_training training;
    int x_rank;
    long x_shape[NETC_MAX_RANK]; /* of a prepared sample */
    int output_rank;
    long output_shape[NETC_MAX_RANK];
    long prepare_batch, eval_batch; /* predict's is 1 */
    long train_steps; /* that a call of train makes, of training.batch samples each; call->step is
                         the first. Calls begin at multiples of it within an epoch. */
    double train_flops, predict_flops; /* useful operations a sample */
    netc_function *init;    /* fills the state block from call->seed */
    netc_function *prepare; /* bytes -> x_out */
    netc_function *train;
    netc_function *eval;
    netc_function *predict;
    /* Null, or what brings tensors of the state block up to date that train leaves behind: after
     * training, before anything but train reads the state; and with a step of 0 after tensors were
     * written by others than init. What training goes on to depends on when, to within rounding:
     * within an epoch at multiples of settle_steps, and at its end. */
    netc_function *settle;
    long settle_steps; /* a multiple of train_steps; 0 without settle */
    double (*rate)(const netc_call *call); /* the learning rate at call's step; or null */
    netc_kernel *kernel; /* compiled with --profile, else null: written by every call */
    int n_kernels;
    /* Null, or waits until nothing is compiled any more beside the program; takes `compiler`. */
    void (*await_compiler)(void *compiler);
    void *compiler;
} netc_net;

/* Run f(context, 0 .. tasks - 1), in any order, on the pool's threads; returns when all are done.
 * What one task writes no other touches. */
void netc_pool_run(netc_pool *pool, void (*f)(void *context, int task), void *context, int tasks);

static inline void netc_parallel(netc_pool *pool, void (*f)(void *, int), void *context,
                                 int tasks) {
    if (pool) {
        netc_pool_run(pool, f, context, tasks);
    } else {
        for (int i = 0; i < tasks; i++) f(context, i);
    }
}

/* Tasks of several kinds in one region, tasks[i] of kind i: first half of each kind, then the other
 * half, so that each of two threads is given half of everything. Returns the kind of a task, and
 * makes its number the one among its kind; -1: there are no more. */
static inline int netc_part(const int *tasks, int kinds, int *task) {
    for (int half = 0; half < 2; half++) {
        for (int i = 0; i < kinds; i++) {
            int n = half ? tasks[i] - tasks[i] / 2 : tasks[i] / 2;
            if (*task < n) {
                *task += half ? tasks[i] / 2 : 0;
                return i;
            }
            *task -= n;
        }
    }
    return -1;
}

/* Around a call of a kernel, where kernels are measured. */
uint64_t netc_kernel_begin(void);
void netc_kernel_end(netc_kernel *kernel, uint64_t begun);

/* The whole program of a trained network: train | eval | predict | bench | summary. */
int netc_main(const netc_net *net, int argc, char **argv);
#endif
