/* session.c: a network with its memory, and the batches that go into it.
 *
 * Buffers hold a batch rounded up to what any function of the network may touch: the functions'
 * batches rounded up to 16, and whole chunks of `prepare`.
 */
#include "internal.h"
#include <stdlib.h>
#include <unistd.h>

static long larger(long a, long b) { return a > b ? a : b; }

static long capacity(const netc_net *net) {
    long batch = larger(larger(net->training.batch * net->train_steps, net->eval_batch), 1);
    long chunk = netc_round_up(net->prepare_batch, 16);
    return netc_round_up(netc_round_up(batch, net->prepare_batch), 16) + chunk;
}

static double gigabytes_needed(const netc_session *s, size_t n) {
    double sample = (double)s->sample_bytes + 4 * (double)(s->sample_x + s->sample_output + 3);
    return ((double)s->net->state_bytes + (double)s->net->arena_bytes + (double)n * sample) * 1e-9;
}

/* Systems lend memory that they do not have: what the machine cannot hold is refused at once. */
static bool fits_machine(const netc_session *s, size_t n, netc_error *error) {
    double need = gigabytes_needed(s, n);
    double have = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) * 1e-9;
    return have <= 0 || need <= have ||
           netc_fail(error, "%s needs %.1f GB of memory, and this machine has %.1f GB",
                     s->net->name, need, have);
}

bool netc_session_open(netc_session *s, const netc_net *net, int threads, netc_error *error) {
    *s = (netc_session){.net = net};
    if (net->abi != NETC_ABI)
        return netc_fail(error, "%s was compiled for another version of the runtime (%d, not %d)",
                         net->name, net->abi, NETC_ABI);
    size_t n = (size_t)capacity(net);
    s->sample_bytes = netc_elements(net->data.rank, net->data.shape);
    s->sample_x = netc_elements(net->x_rank, net->x_shape);
    s->sample_output = netc_elements(net->output_rank, net->output_shape);
    if (!fits_machine(s, n, error)) return false;
    s->bytes = netc_alloc(n * (size_t)s->sample_bytes);
    s->x = netc_alloc(n * (size_t)s->sample_x * sizeof *s->x);
    s->output = netc_alloc(n * (size_t)s->sample_output * sizeof *s->output);
    s->loss = netc_alloc(n * sizeof *s->loss);
    s->label = netc_alloc(n * sizeof *s->label);
    s->prediction = netc_alloc(n * sizeof *s->prediction);
    s->call = (netc_call){
        .state = netc_alloc(net->state_bytes), .arena = netc_alloc(net->arena_bytes),
        .pool = netc_pool_new(threads), .bytes = s->bytes, .x = s->x, .label = s->label,
        .seed = net->training.seed, .epochs = (double)net->training.epochs, .rate_scale = 1,
        .data_std = 1, .loss = s->loss, .prediction = s->prediction, .output = s->output};
    if (s->bytes && s->x && s->output && s->loss && s->label && s->prediction && s->call.state &&
        s->call.arena && s->call.pool)
        return true;
    double need = gigabytes_needed(s, n);
    netc_session_close(s);
    return netc_fail(error, "not enough memory: %s needs %.3g GB", net->name, need);
}

void netc_session_close(netc_session *s) {
    netc_pool_free(s->call.pool);
    free(s->call.state);
    free(s->call.arena);
    free(s->bytes);
    free(s->x);
    free(s->output);
    free(s->loss);
    free(s->label);
    free(s->prediction);
    *s = (netc_session){0};
}

/* Rows at random places come from memory: ask for each some rows ahead. */
static void fetch(const uint8_t *at, size_t size) {
    for (size_t k = 0; k < size; k += NETC_ALIGN) __builtin_prefetch(at + k);
}

typedef struct Gather {
    netc_session *s;
    const netc_samples *from;
    const int32_t *index;
    long first, n, each; /* samples a task */
} Gather;

static void gather(void *context, int task) {
    enum { AHEAD = 4 };
    const Gather *g = context;
    netc_session *s = g->s;
    size_t size = (size_t)s->sample_bytes;
    long end = (task + 1) * g->each < g->n ? (task + 1) * g->each : g->n;
    for (long i = task * g->each; i < end; i++) {
        size_t at = (size_t)(g->index ? g->index[i] : g->first + i);
        if (g->index && i + AHEAD < end)
            fetch(g->from->bytes + (size_t)g->index[i + AHEAD] * size, size);
        memcpy(s->bytes + (size_t)i * size, g->from->bytes + at * size, size);
        s->label[i] = g->from->label[at];
    }
}

void netc_gather(netc_session *s, const netc_samples *from, const int32_t *index, long first,
                 long n) {
    enum { TASK = 16384 }; /* bytes: less is not worth another thread */
    Gather g = {s, from, index, first, n, TASK / (s->sample_bytes + 1) + 1};
    netc_pool_run(s->call.pool, gather, &g, (int)((n + g.each - 1) / g.each));
}

void netc_prepare(netc_session *s, const uint8_t *bytes, float *x, long n) {
    netc_call call = s->call;
    for (long first = 0; first < n; first += s->net->prepare_batch) {
        long left = n - first;
        call.count = (int32_t)(left < s->net->prepare_batch ? left : s->net->prepare_batch);
        call.bytes = bytes + first * s->sample_bytes;
        call.x_out = x + first * s->sample_x;
        s->net->prepare(&call);
    }
}

bool netc_settle(const netc_net *net, const netc_call *call, long done, long steps_per_epoch) {
    if (!net->settle) return true;
    bool due = done % net->settle_steps == 0 || done >= steps_per_epoch;
    if (due) net->settle(call);
    return due;
}

bool netc_evaluate(netc_session *s, const netc_samples *set, const int32_t *index, long n,
                   netc_metrics *m, netc_error *error) {
    netc_call call = s->call;
    if (!netc_metrics_start(m, s->net->data.n_classes))
        return netc_fail(error, "not enough memory");
    for (long first = 0; first < n; first += s->net->eval_batch) {
        long count = n - first < s->net->eval_batch ? n - first : s->net->eval_batch;
        netc_gather(s, set, index ? index + first : NULL, first, count);
        netc_prepare(s, s->bytes, s->x, count);
        call.count = (int32_t)count;
        s->net->eval(&call);
        netc_metrics_add(m, count, s->loss, s->prediction, s->label);
    }
    netc_metrics_finish(m);
    return true;
}
