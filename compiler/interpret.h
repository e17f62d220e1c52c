/* interpret.h: graphs evaluated naively, one element after the other: what a graph means.
 *
 * It is the oracle of the tests, not a product. In float every operation is the IEEE operation on
 * floats, in the order that a frozen graph gives (a reduction without levels goes through its
 * variables in order, without fma). In double all is double, and exp, log, tanh and erf of F32 are
 * the C library's: near to the exact result of an original or a frozen graph.
 */
#ifndef NETC_INTERPRET_H
#define NETC_INTERPRET_H
#include "graph.h"

typedef struct Interp Interp;

/* g is sorted, and differentiated where it had gradients. It must not change afterwards. */
Interp *interpret_new(Arena *a, Graph *g, bool in_double);
/* The elements of a node, row-major, as doubles whatever their type: to be set before a run for
 * inputs and stored tensors, to be read after it for all. Samples that do not exist are NaN. */
double *interpret_values(Interp *in, const Node *n);
/* The same for a stored tensor, whether the graph reads it or not. */
double *interpret_stored(Interp *in, const Stored *s);
/* All hosts are 1 at first, but COUNT, which is the batch. */
void interpret_host(Interp *in, Host h, double value);
void interpret_seed(Interp *in, uint64_t seed);
void interpret_run(Interp *in);
/* The same, but only what `last` needs; other nodes keep their values. */
void interpret_run_to(Interp *in, const Node *last);
/* The end of a step: stored tensors become what the graph's updates say. */
void interpret_update(Interp *in);
/* to's stored tensors become from's, of another graph of the same program. */
void interpret_copy_stored(Interp *to, Interp *from);
#endif
