/* bench.c: the command bench.
 *
 * Equal slices of training with the fma peak measured between them, because a shared machine's
 * speed drifts: the share of the peak is the median of (a slice's rate / the mean of the peaks
 * right before and right after it).
 */
#include "internal.h"
#include <stdlib.h>

enum { RESIDENT = 4096, MIN_SLICES = 5, MAX_SLICES = 25 };

typedef struct Bench {
    netc_session s;
    netc_dataset d;
    int32_t *order;
    float *images;        /* resident: prepared, in order */
    int32_t *labels;
    long batch;           /* samples a call: those of all its steps */
    long samples, call;   /* of an epoch; calls done */
    long calls;           /* that were measured */
    double rate, percent, peak;
    double startup; /* seconds until the first step was done */
} Bench;

static double samples_of(const Bench *b, long first) {
    long left = b->samples - first;
    return (double)(left < b->batch ? left : b->batch);
}

/* Returns how many samples the call took. */
static double train(Bench *b, bool resident) {
    netc_session *s = &b->s;
    long calls = (b->samples + b->batch - 1) / b->batch, total = calls * (long)s->call.epochs;
    long done = b->call++ % total, epoch = done / calls, first = done % calls * b->batch;
    double count = samples_of(b, first);
    netc_call call = s->call;
    call.count = (int32_t)count;
    call.step = (double)epoch * call.steps_per_epoch;
    call.step += (double)(first / s->net->training.batch + 1);
    call.epoch = (double)(epoch + 1);
    if (resident) {
        call.x = b->images + first * s->sample_x;
        call.label = b->labels + first;
    } else {
        if (!first) netc_shuffle(b->order, b->samples, s->call.seed, (uint32_t)epoch + 1);
        netc_gather(s, &b->d.train, b->order + first, 0, (long)count);
        netc_prepare(s, s->bytes, s->x, (long)count);
    }
    s->net->train(&call);
    long steps = (first + (long)count) / s->net->training.batch;
    netc_settle(s->net, &call, steps, (long)call.steps_per_epoch);
    return count;
}

/* Whole batches of prepared images, in order: RESIDENT of them, or a batch where that is more. */
static bool make_resident(Bench *b, netc_error *error) {
    netc_session *s = &b->s;
    long n = RESIDENT / b->batch * b->batch;
    b->samples = n ? n : b->batch;
    size_t room = (size_t)(b->samples + netc_round_up(b->batch, 16));
    b->images = netc_alloc(room * (size_t)s->sample_x * sizeof *b->images);
    b->labels = netc_alloc(room * sizeof *b->labels);
    if (!b->images || !b->labels) return netc_fail(error, "not enough memory");
    for (long i = 0; i < b->samples; i++) {
        int32_t from = (int32_t)(i % b->d.n_train);
        netc_gather(s, &b->d.train, b->d.index + from, 0, 1);
        netc_prepare(s, s->bytes, s->x, 1);
        memcpy(b->images + i * s->sample_x, s->x, (size_t)s->sample_x * sizeof *s->x);
        b->labels[i] = s->label[0];
    }
    return true;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double netc_median(double *x, int n) {
    qsort(x, (size_t)n, sizeof *x, ascending);
    return x[n / 2];
}

static double seconds_a_call(Bench *b, bool resident) {
    double each = 0;
    for (int warm = 0; warm < 2; warm++) {
        double begun = netc_now();
        long n = 0;
        for (; n == 0 || netc_now() - begun < 0.1; n++) train(b, resident);
        each = (netc_now() - begun) / (double)n;
    }
    return each;
}

static void measure(Bench *b, bool resident, double seconds) {
    double rate[MAX_SLICES], percent[MAX_SLICES], peaks[MAX_SLICES];
    double each = seconds_a_call(b, resident), flops = b->s.net->train_flops;
    long n = (long)(seconds / MAX_SLICES / each + 0.5);
    if (n < 1) n = 1;
    double fit = seconds / ((double)n * each);
    int slices = fit < MIN_SLICES ? MIN_SLICES : fit > MAX_SLICES ? MAX_SLICES : (int)fit;
    netc_profile_clear(b->s.net);
    double before = netc_fma_peak(b->s.call.pool, b->s.net->target);
    for (int i = 0; i < slices; i++) {
        double begun = netc_now(), samples = 0;
        for (long k = 0; k < n; k++) samples += train(b, resident);
        rate[i] = samples / (netc_now() - begun);
        double after = netc_fma_peak(b->s.call.pool, b->s.net->target);
        peaks[i] = (before + after) / 2;
        percent[i] = peaks[i] > 0 ? 100 * rate[i] * flops * 1e-9 / peaks[i] : 0;
        before = after;
    }
    b->calls = n * slices;
    b->rate = netc_median(rate, slices);
    b->percent = netc_median(percent, slices);
    b->peak = netc_median(peaks, slices);
}

static void print_result(const Bench *b, const netc_options *o) {
    const netc_net *net = b->s.net;
    int threads = netc_pool_threads(b->s.call.pool);
    double gflops = b->rate * net->train_flops * 1e-9;
    if (!o->json) {
        printf("%s%s: %d thread%s, %.0f samples/s, %.1f GFLOP/s", net->name,
               o->resident ? ", resident images" : "", threads, threads == 1 ? "" : "s", b->rate,
               gflops);
        if (b->peak > 0) printf(", %.1f %% of the fma peak of %.1f", b->percent, b->peak);
        putchar('\n');
        return;
    }
    printf("{\"spec\": ");
    netc_json_string(stdout, net->name);
    printf(", \"threads\": %d, \"samples_per_second\": %.6g, \"gflops\": %.6g", threads, b->rate,
           gflops);
    printf(", \"resident\": %s, \"peak_gflops\": ", o->resident ? "true" : "false");
    netc_json_number(stdout, b->peak > 0 ? b->peak : netc_nan());
    printf(", \"peak_percent\": ");
    netc_json_number(stdout, b->peak > 0 ? b->percent : netc_nan());
    printf(", \"startup_seconds\": ");
    netc_json_number(stdout, b->startup);
    printf("}\n");
}

static bool start(Bench *b, const netc_net *net, const netc_options *o, netc_error *error) {
    if (o->profile && !net->n_kernels)
        return netc_fail(error, "the program does not measure its kernels: compile it with "
                                "netc --profile (make profile SPEC=%s)", net->name);
    uint64_t seed = o->has_seed ? o->seed : net->training.seed;
    if (!netc_session_open(&b->s, net, o->threads, error) ||
        !netc_dataset_open(&b->d, &net->data, o->data, seed, o->limit, NETC_TRAINING_FILES, error))
        return false;
    netc_call *call = &b->s.call;
    call->seed = seed;
    call->data_mean = b->d.mean;
    call->data_std = b->d.std;
    b->batch = net->training.batch * net->train_steps;
    b->samples = b->d.n_train;
    b->order = malloc((size_t)b->d.n_train * sizeof *b->order);
    if (!b->order) return netc_fail(error, "not enough memory");
    memcpy(b->order, b->d.index, (size_t)b->d.n_train * sizeof *b->order);
    if (o->resident && !make_resident(b, error)) return false;
    long batch = net->training.batch;
    call->steps_per_epoch = (double)((b->samples + batch - 1) / batch);
    call->steps = call->steps_per_epoch * call->epochs;
    net->init(call);
    train(b, o->resident);
    b->startup = netc_process_seconds();
    if (net->await_compiler) net->await_compiler(net->compiler);
    return true;
}

int netc_bench_command(const netc_net *net, const netc_options *o) {
    Bench b = {0};
    netc_error error = {""};
    if (o->inference) return netc_bench_inference(net, o);
    bool ok = start(&b, net, o, &error);
    if (ok) {
        measure(&b, o->resident, o->seconds > 0 ? o->seconds : 5);
        print_result(&b, o);
        if (o->profile)
            netc_profile_print(net, b.calls * net->train_steps,
                               netc_pool_threads(b.s.call.pool), b.peak, o->json);
    }
    netc_dataset_close(&b.d);
    netc_session_close(&b.s);
    free(b.order);
    free(b.images);
    free(b.labels);
    return ok ? 0 : netc_report(o, &error);
}
