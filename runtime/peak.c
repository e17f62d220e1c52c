/* peak.c: what the machine's fma units can do right now, as the measure of a benchmark: chains of
 * fused multiply-adds on registers alone, as many as hide their latency. On some machines vectors
 * of 512 bits reach twice as much as those of 256: what is compiled for the latter is held against
 * them.
 */
#include "internal.h"
#include <string.h>

enum { ROUNDS = 250000 };

#if defined(__x86_64__)
#include <immintrin.h>

#define FMA1(r) "vfmadd213ps %0, %1, %%" r "\n"
#define FMA4(r, a, b, c, d) FMA1(r a) FMA1(r b) FMA1(r c) FMA1(r d)

__attribute__((target("avx512f"))) static void run_avx512(void *context, int task) {
    __m512 b = _mm512_set1_ps(0.5f), c = _mm512_set1_ps(1);
    for (long k = 0; k < ROUNDS; k++)
        __asm__ volatile(FMA4("zmm", "16", "17", "18", "19") FMA4("zmm", "20", "21", "22", "23")
                         FMA4("zmm", "24", "25", "26", "27")
                         FMA4("zmm", "28", "29", "30", "31")::"x"(b), "x"(c)
                         : "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23",
                           "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31");
}

__attribute__((target("avx2,fma"))) static void run_avx2(void *context, int task) {
    __m256 b = _mm256_set1_ps(0.5f), c = _mm256_set1_ps(1);
    for (long k = 0; k < ROUNDS; k++)
        __asm__ volatile(FMA4("ymm", "4", "5", "6", "7") FMA4("ymm", "8", "9", "10", "11")
                         FMA4("ymm", "12", "13", "14", "15")::"x"(b), "x"(c)
                         : "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
                           "xmm12", "xmm13", "xmm14", "xmm15");
}

double netc_fma_peak(netc_pool *pool, const char *target) {
    bool wide = __builtin_cpu_supports("avx512f") && strcmp(target, "x86-64-v3");
    if (!wide && !(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))) return 0;
    int threads = netc_pool_threads(pool);
    double flops = ROUNDS * (wide ? 16.0 * 32 : 12.0 * 16) * threads, best = 0;
    for (int i = 0; i < 4; i++) {
        double t = netc_now();
        netc_pool_run(pool, wide ? run_avx512 : run_avx2, NULL, threads);
        t = netc_now() - t;
        if (flops / t * 1e-9 > best) best = flops / t * 1e-9;
    }
    return best;
}
#else
double netc_fma_peak(netc_pool *pool, const char *target) { return 0; }
#endif
