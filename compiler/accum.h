/* accum.h: accumulations: what differentiate makes of a read, and solve turns into loops.
 *
 *     for each value of (rvar0, rvar1, ...) in turn, where the guard holds: the term `body`
 *
 * A part of the guard may read only where the parts before it hold.
 */
#ifndef NETC_ACCUM_H
#define NETC_ACCUM_H
#include "graph.h"

typedef struct Accum {
    Pool *pool;
    VEC(Var *) rvar;
    Expr *guard; /* or null */
    Expr *body;
} Accum;

/* Removes the reduction variables that equalities of the guard determine. */
void accum_solve(Accum *a);

/* A variable like v, of the same range. */
Var *var_like(Pool *p, const Var *v);
/* Fresh variables like v[0..n), put into `to`; `map` takes each old one to its new self. */
void vars_rename(Pool *p, Var *const *v, int n, Var **to, Map *map);
/* An index for each variable: its value. */
Expr **vars_index(Pool *p, Var *const *v, int n);
/* The row-major number of the values of v[0..n). */
Expr *vars_number(Pool *p, Var *const *v, int n);
#endif
