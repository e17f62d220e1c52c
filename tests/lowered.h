/* lowered.h: functions of the loop IR compiled, run, and compared with the interpreter bit for bit.
 *
 * Many functions go into one C file for each target, since a compiler run costs more than they do.
 * What the interpreter computed is kept beside each, for several counts of samples. Memory that a
 * function is given is full of NaN but for its inputs, and guarded behind its end.
 */
#ifndef NETC_TESTS_LOWERED_H
#define NETC_TESTS_LOWERED_H
#include "interpret.h"
#include "numeric.h"
#include "netc.h"
#include "print.h"
#include <dlfcn.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COUNTS = 3, GUARD = 256 }; /* bytes; counts: 1, all but one, all */

typedef struct Expected {
    long count;
    double **output;  /* of the graph's output i */
    double **updated; /* of the graph's update i */
    double **stored;  /* of the program's stored tensor i, before */
} Expected;

typedef struct Lowered {
    Arena *arena;
    Graph *graph;
    Layouts *layouts;
    LoopFunction *function;
    uint64_t seed;
    Expected expected[COUNTS];
    const char *what; /* for messages: the schedule and where it comes from */
    const char *name; /* of the C function */
} Lowered;

static inline long lowered_size(int rank, const long *shape) {
    long size = 1;
    for (int i = 0; i < rank; i++) size *= shape[i];
    return size;
}

/* --- what is expected --- */

static inline double *lowered_keep(Arena *a, const double *x, long n) {
    double *copy = NEW_ARRAY(a, double, n);
    memcpy(copy, x, sizeof *x * (size_t)n);
    return copy;
}

static inline double *lowered_stored(Interp *in, const Lowered *c, const Stored *s) {
    return lowered_keep(c->arena, interpret_stored(in, s), lowered_size(s->rank, s->shape));
}

/* What rules keep may be a mean of squares, of which they take the root. */
static inline void lowered_squares(Interp *in, const Program *p) {
    for (int i = 0; i < p->stored.n; i++) {
        const Stored *s = p->stored.at[i];
        double *x = interpret_stored(in, s);
        for (long k = 0; s->kind == STORED_OPTIMIZER && k < lowered_size(s->rank, s->shape); k++)
            x[k] = fabs(x[k]);
    }
}

/* Runs the frozen graph; before anything is added to it. */
static inline void lowered_expect(Lowered *c) {
    const Graph *g = c->graph;
    const Program *p = g->program;
    long counts[COUNTS] = {1, g->batch > 1 ? g->batch - 1 : 1, g->batch};
    for (int k = 0; k < COUNTS; k++) {
        Arena *a = arena_new();
        Interp *in = interpret_new(a, c->graph, false);
        Expected *e = &c->expected[k];
        e->count = counts[k];
        numeric_fill(in, g, c->seed);
        lowered_squares(in, p);
        interpret_host(in, HOST_COUNT, (double)counts[k]);
        interpret_seed(in, c->seed);
        e->stored = NEW_ARRAY(c->arena, double *, p->stored.n + 1);
        for (int i = 0; i < p->stored.n; i++)
            e->stored[i] = lowered_stored(in, c, p->stored.at[i]);
        interpret_run(in);
        e->output = NEW_ARRAY(c->arena, double *, g->n_outputs + 1);
        for (int i = 0; i < g->n_outputs; i++) {
            const Node *n = g->output[i].node;
            e->output[i] = lowered_keep(c->arena, interpret_values(in, n), numeric_size(n));
        }
        interpret_update(in);
        e->updated = NEW_ARRAY(c->arena, double *, g->n_updates + 1);
        for (int i = 0; i < g->n_updates; i++)
            e->updated[i] = lowered_stored(in, c, g->update[i].stored);
        arena_free(a);
    }
}

/* --- the C file --- */

static const char *const lowered_hosts[] = {"step",  "epoch",      "steps",
                                            "epochs", "steps_per_epoch", "rate_scale",
                                            "data_mean", "data_std"};

static inline const char *lowered_type(const Buffer *b) {
    if (b->narrow == 1) return "uint8_t";
    return b->type == T_F32 ? "float" : b->type == T_U32 ? "uint32_t" : "int32_t";
}

/* The call has a member for each output and input, as netc_call has for those of networks. */
static inline void lowered_print(Text *t, const Lowered *c) {
    const LoopFunction *f = c->function;
    text_add(t, "\ntypedef struct %s_call {\n    void *state, *arena;\n    netc_pool *pool;\n"
                "    int32_t count;\n    uint64_t seed;\n    double step", c->name);
    for (int i = 1; i < COUNT_OF(lowered_hosts); i++) text_add(t, ", %s", lowered_hosts[i]);
    text_add(t, ";\n");
    for (int i = 0; i < f->buffers.n; i++) {
        const Buffer *b = f->buffers.at[i];
        if (b->kind == BUFFER_CALL) text_add(t, "    %s *%s;\n", lowered_type(b), b->name);
    }
    text_add(t, "} %s_call;\n#define netc_call %s_call\n#define netc_task %s_task\n"
                "typedef struct netc_task {\n    const netc_call *call;\n    long at[8];\n"
                "} netc_task;\n", c->name, c->name, c->name);
    print_c_function(t, f);
    text_add(t, "#undef netc_call\n#undef netc_task\nvoid %s_run(void *state, void *arena, "
                "netc_pool *pool, int count, uint64_t seed, void **at) {\n"
                "    %s_call call = {state, arena, pool, count, seed", c->name, c->name);
    for (int i = 0; i < COUNT_OF(lowered_hosts); i++) text_add(t, ", 1");
    text_add(t, "};\n");
    for (int i = 0; i < f->buffers.n; i++)
        if (f->buffers.at[i]->kind == BUFFER_CALL)
            text_add(t, "    call.%s = at[%d];\n", f->buffers.at[i]->name, i);
    text_add(t, "    %s(&call);\n}\n", c->name);
}

/* Compiles the cases for one target to `path` (without .c or .so) and loads them; null: failed.
 * Tasks run in the order that a pool might take them in, which is any. */
static inline void *lowered_compile(const char *path, const Target *target, Lowered *const *cases,
                                    int n) {
    Arena *a = arena_new();
    Text t = {.arena = a};
    if (target->lanes > 1) text_add(&t, "#define NETC_LANES %d\n", target->lanes);
    text_add(&t, "#include \"netc_vector.h\"\n\nvoid netc_pool_run(netc_pool *pool, "
                 "void (*f)(void *, int), void *context, int tasks) {\n"
                 "    for (int i = tasks - 1; i >= 0; i--) f(context, i);\n}\n");
    for (int i = 0; i < n; i++) lowered_print(&t, cases[i]);
    FILE *f = fopen(arena_printf(a, "%s.c", path), "w");
    bool good = f && fwrite(t.at, 1, t.n, f) == t.n;
    if (f) good &= fclose(f) == 0;
    const char *cc = getenv("CC");
    char *command = arena_printf(a, "%s -std=gnu11 -O0 -w -ffp-contract=off -fno-math-errno %s "
                                    "-fPIC -shared -Wl,-Bsymbolic -Iruntime %s.c -o %s.so",
                                 cc ? cc : "gcc", target->flags, path, path);
    good = good && system(command) == 0;
    void *so = good ? dlopen(arena_printf(a, "%s.so", path), RTLD_NOW | RTLD_LOCAL) : NULL;
    arena_free(a);
    return so;
}

/* --- running --- */

static inline void *lowered_memory(size_t bytes) {
    size_t all = (bytes + GUARD + NETC_ALIGN - 1) / NETC_ALIGN * NETC_ALIGN;
    void *at = aligned_alloc(NETC_ALIGN, all);
    if (!at) abort();
    memset(at, 0xff, all);
    return at;
}

static inline bool lowered_guarded(const void *at, size_t bytes) {
    const unsigned char *end = (const unsigned char *)at + bytes;
    for (int i = 0; i < GUARD; i++)
        if (end[i] != 0xff) return false;
    return true;
}

static inline long lowered_place(const Layout *l, const long *index) {
    long at = 0;
    for (int i = 0; i < l->n; i++)
        at += index[l->piece[i].axis] / l->piece[i].div % l->piece[i].count * l->piece[i].stride;
    return at;
}

static inline void lowered_index(int rank, const long *shape, long k, long *index) {
    for (int i = rank - 1; i >= 0; i--) {
        index[i] = k % shape[i];
        k /= shape[i];
    }
}

static inline const Node *lowered_node(const Lowered *c, const Buffer *b, int *output) {
    const Graph *g = c->graph;
    *output = -1;
    for (int i = 0; i < g->n_outputs; i++) {
        const char *name = g->output[i].name;
        if (!strcmp(!strcmp(name, "x") ? "x_out" : name, b->name)) { /* netc.h */
            *output = i;
            return g->output[i].node;
        }
    }
    for (int i = 0; i < g->inputs.n; i++)
        if (!strcmp(g->inputs.at[i]->name, b->name)) return g->inputs.at[i];
    return NULL;
}

/* Elements of an array that the caller gives: samples to a multiple of 16 (netc.h). */
static inline long lowered_room(const Node *n) {
    long size = numeric_size(n);
    return n->batched ? size / n->shape[0] * ((n->shape[0] + 15) / 16 * 16) : size;
}

/* An input as the caller gives it: readable to a multiple of 16 samples, and any garbage in those
 * that do not exist, but for integers, which are some that would do. */
static inline void *lowered_input(const Lowered *c, const Node *n, long count) {
    long size = numeric_size(n), room = lowered_room(n);
    size_t width = n->bytes ? 1 : 4;
    char *at = lowered_memory((size_t)room * width);
    Random r = {hash_bytes(n->name, strlen(n->name), c->seed)};
    long exist = n->batched ? size / n->shape[0] * count : size;
    for (long k = 0; k < room; k++) {
        bool integer = n->type != T_F32, there = k < exist;
        double x = integer ? (double)random_int(&r, 0, n->bytes ? 255 : 2) : random_unit(&r);
        if (n->bytes) ((uint8_t *)at)[k] = there ? (uint8_t)x : 0;
        else if (integer) ((int32_t *)at)[k] = there ? (int32_t)x : 0;
        else ((float *)at)[k] = there ? (float)x : NAN;
    }
    return at;
}

static inline bool lowered_same(double want, const void *at, Type type) {
    if (type != T_F32) return (double)*(const int32_t *)at == want;
    float x = *(const float *)at, w = (float)want;
    return memcmp(&x, &w, sizeof x) == 0 || (isnan(x) && isnan(w));
}

static sigjmp_buf lowered_jump;

static inline void lowered_fault(int signal) { siglongjmp(lowered_jump, signal); }

static inline bool lowered_output(const Lowered *c, const Expected *e, int output, const void *at,
                                  Text *why) {
    const Node *n = c->graph->output[output].node;
    long size = numeric_size(n), exist = n->batched ? size / n->shape[0] * e->count : size;
    for (long k = 0; k < exist; k++) {
        const char *got = (const char *)at + 4 * k;
        if (lowered_same(e->output[output][k], got, n->type)) continue;
        text_add(why, "output %s (%s) at %ld: %.9g, not %.9g", c->graph->output[output].name,
                 n->name, k, n->type == T_F32 ? *(const float *)got : *(const int32_t *)got,
                 e->output[output][k]);
        return false;
    }
    if (lowered_guarded(at, 4 * (size_t)lowered_room(n))) return true;
    text_add(why, "output %s is written over its end", c->graph->output[output].name);
    return false;
}

static inline bool lowered_state(const Lowered *c, const Expected *e, const char *state,
                                 Text *why) {
    const Program *p = c->graph->program;
    for (int i = 0; i < p->stored.n; i++) {
        const Stored *s = p->stored.at[i];
        const double *want = e->stored[i];
        for (int u = 0; u < c->graph->n_updates; u++)
            if (c->graph->update[u].stored == s) want = e->updated[u];
        for (long k = 0; k < lowered_size(s->rank, s->shape); k++) {
            long index[MAX_RANK];
            lowered_index(s->rank, s->shape, k, index);
            const char *got = state + c->layouts->offset[i] +
                              4 * lowered_place(&c->layouts->stored[i], index);
            if (lowered_same(want[k], got, T_F32)) continue;
            text_add(why, "stored %s at %ld: %.9g, not %.9g", s->name, k, *(const float *)got,
                     want[k]);
            return false;
        }
    }
    return true;
}

static inline char *lowered_fill_state(const Lowered *c, const Expected *e) {
    const Program *p = c->graph->program;
    char *state = lowered_memory(c->layouts->bytes);
    for (int i = 0; i < p->stored.n; i++) {
        const Stored *s = p->stored.at[i];
        for (long k = 0; k < lowered_size(s->rank, s->shape); k++) {
            long index[MAX_RANK];
            lowered_index(s->rank, s->shape, k, index);
            long at = lowered_place(&c->layouts->stored[i], index);
            ((float *)(state + c->layouts->offset[i]))[at] = (float)e->stored[i][k];
        }
    }
    return state;
}

typedef void LoweredRun(void *, void *, netc_pool *, int, uint64_t, void **);

static inline bool lowered_run_at(const Lowered *c, const Expected *e, LoweredRun *run, Text *why) {
    const LoopFunction *f = c->function;
    char *state = lowered_fill_state(c, e), *arena = lowered_memory(f->arena_bytes);
    void *at[256];
    int output;
    bool good = f->buffers.n <= COUNT_OF(at);
    for (int i = 0; i < f->buffers.n && good; i++) {
        const Buffer *b = f->buffers.at[i];
        at[i] = NULL;
        if (b->kind != BUFFER_CALL) continue;
        const Node *n = lowered_node(c, b, &output);
        at[i] = output >= 0 ? lowered_memory(4 * (size_t)lowered_room(n))
                            : lowered_input(c, n, e->count);
    }
    struct sigaction catch = {.sa_handler = lowered_fault}, old[3];
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL};
    for (int i = 0; i < COUNT_OF(signals); i++) sigaction(signals[i], &catch, &old[i]);
    int signal = sigsetjmp(lowered_jump, 1);
    if (!signal && good) run(state, arena, (netc_pool *)state, (int)e->count, c->seed, at);
    for (int i = 0; i < COUNT_OF(signals); i++) sigaction(signals[i], &old[i], NULL);
    if (signal) text_add(why, "%s", strsignal(signal));
    good = good && !signal;
    for (int i = 0; i < f->buffers.n && good; i++) {
        if (f->buffers.at[i]->kind != BUFFER_CALL) continue;
        lowered_node(c, f->buffers.at[i], &output);
        if (output >= 0) good = lowered_output(c, e, output, at[i], why);
    }
    good = good && lowered_state(c, e, state, why);
    if (good && !(lowered_guarded(arena, f->arena_bytes) &&
                  lowered_guarded(state, c->layouts->bytes))) {
        text_add(why, "memory is written over its end");
        good = false;
    }
    for (int i = 0; i < f->buffers.n; i++)
        if (f->buffers.at[i]->kind == BUFFER_CALL) free(at[i]);
    free(state);
    free(arena);
    return good;
}

/* One case, at all its counts of samples. */
static inline bool lowered_run(const Lowered *c, void *so, Text *why) {
    LoweredRun *run;
    *(void **)&run = dlsym(so, arena_printf(c->arena, "%s_run", c->name));
    for (int k = 0; k < COUNTS; k++) {
        if (lowered_run_at(c, &c->expected[k], run, why)) continue;
        text_add(why, " (with %ld of %ld samples)", c->expected[k].count, c->graph->batch);
        return false;
    }
    return true;
}
#endif
