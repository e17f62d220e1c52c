/* watch.h: something run again whenever a file that it read changes. */
#ifndef NETC_WATCH_H
#define NETC_WATCH_H
#include "support.h"

typedef struct Watched {
    /* Runs in a process of its own, which a change stops by SIGTERM; returns its exit status.
     * Rounds count from 1. */
    int (*run)(void *context, int round);
    /* The files that it depends on, before each round. */
    int (*files)(void *context, Arena *a, const char *const **path);
    void *context;
} Watched;

/* Until Ctrl-C, or SIGTERM; returns the last round's exit status. */
int watch(const Watched *w);
#endif
