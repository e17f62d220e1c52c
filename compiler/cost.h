/* cost.h: what kernels cost, predicted from their loop IR: the cycles that they keep the units of a
 * machine busy, the bytes that they move, and from these the time that they take on one thread.
 *
 * A prediction ranks schedules of one kernel; as a time it is rough. It decides no bit of a result.
 */
#ifndef NETC_COST_H
#define NETC_COST_H
#include "loop.h"

enum { N_CACHES = 3 };

/* What a prediction is for. Numbers of operations are what can begin in a cycle. */
typedef struct Machine {
    int width;    /* floats that a unit takes at once: wider vectors take several turns */
    double issue; /* instructions */
    double fma, arithmetic, load, store; /* of up to `width` floats */
    double forward; /* cycles until what was stored can be loaded */
    double gather;  /* cycles an element of an indexed load */
    double window;  /* instructions in flight: what these reach over runs side by side */
    struct Cache {
        double bytes;  /* its size */
        /* cycles for a line from what is behind it: where lines follow each other, where they do
         * not, in indexed loads, and where what does not follow is stored to */
        double line, stride, gather, store;
    } cache[N_CACHES];
    double hertz;
} Machine;
const Machine *machine_of(const Target *t);

/* Of all calls of a kernel in one run of its function on a whole batch. */
typedef struct KernelCost {
    double executed; /* floating-point operations: two an fma; padding and repetition included */
    double bytes;    /* of memory that it touches, by whole cache lines, each once */
    double moved[N_CACHES]; /* bytes into each cache from what is behind it */
    double busy;     /* cycles, were all its data in the first cache */
    double cycles, seconds;
    const char *tile; /* what its hottest statement keeps in registers: "n 8, 16 lanes", or "" */
} KernelCost;

/* By position in f->routines. */
KernelCost *cost_of(Arena *a, const LoopFunction *f);

/* cost_print.c: the costs of s, of which f was made, as comments that may follow its text. Beside
 * them what bench --profile --json has written, where `measured` is that and not null. */
void cost_print(Text *t, const Schedule *s, const LoopFunction *f, const char *measured);
#endif
