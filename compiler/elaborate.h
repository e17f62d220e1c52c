/* elaborate.h: from the syntax tree to the five graphs of a program. */
#ifndef NETC_ELABORATE_H
#define NETC_ELABORATE_H
#include "front.h"
#include "graph.h"

typedef struct ElabOptions {
    const char *const *defines; /* "name=value", from -D */
    int n_defines;
    /* The bytes of an imported file, in the arena and followed by a zero; null where there is none
     * to be read. path is relative to where the compiler runs. */
    const char *(*read)(void *context, Arena *a, const char *path, size_t *n);
    void *context;
} ElabOptions;

/* The program of the last net that `main` defines: every block expanded, every shape known, the
 * five graphs built, sorted, and without mistakes; NODE_GRAD stands for what differentiate makes.
 * Null where there was an error, which is then in d. */
Program *elaborate(Arena *a, Diags *d, File *main, const ElabOptions *options);
#endif
