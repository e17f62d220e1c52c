/* derive.h: derivatives of expressions, for differentiate. */
#ifndef NETC_DERIVE_H
#define NETC_DERIVE_H
#include "graph.h"

/* The derivative by a read, times the seed: `value` where `cond` holds, absent elsewhere. */
typedef struct Slope {
    Expr *read;
    Expr *cond; /* or null */
    Expr *value;
} Slope;
typedef VEC(Slope) Slopes;

/* Adds to `out` the derivatives of e by the reads of nodes among `active`, times `seed`. */
void derive(Pool *p, Expr *e, Expr *cond, Expr *seed, const Map *active, Slopes *out);

typedef VEC(Node *) NodeList;
/* Adds the nodes by whose reads e has a derivative, each once. */
void derivable_reads(Arena *a, Expr *e, NodeList *out);
#endif
