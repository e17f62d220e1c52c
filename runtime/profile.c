/* profile.c: the time of each kernel, in programs that netc --profile wrote.
 *
 * A kernel's calls are timed one by one, on all threads. What reading the clock takes itself is
 * found out first, and left out.
 */
#include "internal.h"
#include <stdlib.h>
#include <time.h>

uint64_t netc_kernel_begin(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void netc_kernel_end(netc_kernel *k, uint64_t begun) {
    __atomic_fetch_add(&k->nanoseconds, netc_kernel_begin() - begun, __ATOMIC_RELAXED);
    __atomic_fetch_add(&k->calls, 1, __ATOMIC_RELAXED);
}

void netc_profile_clear(const netc_net *net) {
    for (int i = 0; i < net->n_kernels; i++) net->kernel[i].calls = net->kernel[i].nanoseconds = 0;
}

/* Nanoseconds that a call of nothing seems to take: the least of many. */
static double clock_time(void) {
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < 1000; i++) {
        netc_kernel k = {.function = ""};
        netc_kernel_end(&k, netc_kernel_begin());
        if (k.nanoseconds < least) least = k.nanoseconds;
    }
    return (double)least;
}

typedef struct Row {
    const netc_kernel *kernel;
    double seconds; /* over all calls */
} Row;

static int longest_first(const void *a, const void *b) {
    double x = ((const Row *)a)->seconds, y = ((const Row *)b)->seconds;
    return (x < y) - (x > y);
}

static void print_row(const Row *r, long steps, double total, double peak, bool json) {
    const netc_kernel *k = r->kernel;
    double ms = r->seconds * 1e3 / (double)steps, calls = (double)k->calls / (double)steps;
    double gflops = r->seconds > 0 ? k->flops * 1e-9 * (double)steps / r->seconds : 0;
    double share = total > 0 ? 100 * r->seconds / total : 0;
    double of = peak > 0 ? 100 * gflops / peak : 0;
    if (json)
        printf("{\"function\": \"%s\", \"kernel\": \"%s\", \"calls\": %.6g, \"ms\": %.6g, "
               "\"percent\": %.4g, \"gflops\": %.5g, \"peak_percent\": %.4g}\n",
               k->function, k->name, calls, ms, share, gflops, of);
    else
        printf("%-9s%-34.34s %8.0f %9.4f %6.1f %8.1f %6.1f  %s\n", k->function, k->name, calls, ms,
               share, gflops, of, k->what);
}

void netc_profile_print(const netc_net *net, long steps, int threads, double peak, bool json) {
    double each = clock_time() * 1e-9, total = 0;
    Row *row = calloc((size_t)net->n_kernels, sizeof *row);
    int n = 0;
    for (int i = 0; i < net->n_kernels && row; i++) {
        const netc_kernel *k = &net->kernel[i];
        double seconds = (double)k->nanoseconds * 1e-9 - each * (double)k->calls;
        if (k->calls) row[n++] = (Row){k, seconds > 0 ? seconds : 0};
        if (k->calls) total += row[n - 1].seconds;
    }
    if (row) qsort(row, (size_t)n, sizeof *row, longest_first);
    if (!json)
        printf("%-9s%-34s %8s %9s %6s %8s %6s  %s\n", "function", "kernel", "calls", "ms a step",
               "%", "GFLOP/s", "% peak", "what");
    for (int i = 0; i < n; i++)
        print_row(&row[i], steps, total, peak / (double)threads, json);
    if (!json) printf("%-52s %9.4f  on %d thread%s\n", "all", total * 1e3 / (double)steps, threads,
                      threads == 1 ? "" : "s");
    free(row);
}
