/* inference.c: bench --inference: the time of one sample's prediction, and of many at once.
 *
 * Prepared samples lie in memory. One sample is the function `predict`, whose time is the median
 * over slices of the mean within each; many are `eval`, in batches of its own size.
 */
#include "internal.h"
#include <stdlib.h>

enum { SAMPLES = 64, SLICES = 31 };

/* Images like most: two pixels in five are zero. */
static void make_samples(const netc_session *s, float *x, long n) {
    uint32_t random = 1;
    for (long i = 0; i < n * s->sample_x; i++) {
        random = random * 1664525u + 1013904223u;
        x[i] = random >> 24 < 102 ? 0 : (float)(random >> 8) * 0x1p-24f;
    }
}

static double time_of_one(const netc_session *s, const float *x, double seconds) {
    double slice[SLICES], begun = netc_now(), each;
    netc_call call = s->call;
    call.count = 1;
    long n = 0;
    for (; n == 0 || netc_now() - begun < 0.1; n++) {
        call.x = x + n % SAMPLES * s->sample_x;
        s->net->predict(&call);
    }
    each = (netc_now() - begun) / (double)n;
    n = (long)(seconds / SLICES / each) + 1;
    for (int i = 0; i < SLICES; i++) {
        begun = netc_now();
        for (long k = 0; k < n; k++) {
            call.x = x + k % SAMPLES * s->sample_x;
            s->net->predict(&call);
        }
        slice[i] = (netc_now() - begun) / (double)n;
    }
    return netc_median(slice, SLICES);
}

static double time_of_batch(const netc_session *s, const float *x, double seconds) {
    double slice[SLICES], begun = netc_now(), each;
    netc_call call = s->call;
    call.count = (int32_t)s->net->eval_batch;
    call.x = x;
    long n = 0;
    for (; n == 0 || netc_now() - begun < 0.1; n++) s->net->eval(&call);
    each = (netc_now() - begun) / (double)n;
    n = (long)(seconds / SLICES / each) + 1;
    for (int i = 0; i < SLICES; i++) {
        begun = netc_now();
        for (long k = 0; k < n; k++) s->net->eval(&call);
        slice[i] = (netc_now() - begun) / (double)n;
    }
    return netc_median(slice, SLICES);
}

int netc_bench_inference(const netc_net *net, const netc_options *o) {
    netc_session s;
    netc_error error = {""};
    if (!netc_session_open(&s, net, (int)o->threads, &error)) return netc_report(o, &error);
    long room = netc_round_up(net->eval_batch > SAMPLES ? net->eval_batch : SAMPLES, 16) + 16;
    float *x = netc_alloc((size_t)(room * s.sample_x) * sizeof *x);
    if (!x) {
        netc_session_close(&s);
        netc_fail(&error, "not enough memory");
        return netc_report(o, &error);
    }
    double seconds = o->seconds > 0 ? o->seconds : 3;
    net->init(&s.call);
    make_samples(&s, x, room);
    netc_profile_clear(net);
    double one = time_of_one(&s, x, seconds / 2) * 1e6;
    double many = (double)net->eval_batch / time_of_batch(&s, x, seconds / 2);
    int threads = netc_pool_threads(s.call.pool);
    if (o->json)
        printf("{\"spec\": \"%s\", \"threads\": %d, \"predict_microseconds\": %.5g, "
               "\"eval_batch\": %ld, \"eval_samples_per_second\": %.6g}\n",
               net->name, threads, one, net->eval_batch, many);
    else
        printf("%s: %d thread%s, %.1f us for one sample, %.0f samples/s in batches of %ld\n",
               net->name, threads, threads == 1 ? "" : "s", one, many, net->eval_batch);
    free(x);
    netc_session_close(&s);
    return 0;
}
