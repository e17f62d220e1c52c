/* random.h: random numbers for tests, the same everywhere (SplitMix64; Steele et al., 2014). */
#ifndef NETC_TESTS_RANDOM_H
#define NETC_TESTS_RANDOM_H
#include <stdint.h>

typedef struct Random {
    uint64_t state;
} Random;

static inline uint64_t random_bits(Random *r) {
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* lo <= random_int <= hi */
static inline long random_int(Random *r, long lo, long hi) {
    return lo + (long)(random_bits(r) % (uint64_t)(hi - lo + 1));
}

static inline int random_flag(Random *r) { return (int)(random_bits(r) >> 63); }

/* In [-1, 1), a multiple of 2^-20, so exact in float. */
static inline double random_unit(Random *r) {
    return (double)random_int(r, -(1 << 20), (1 << 20) - 1) / (1 << 20);
}
#endif
