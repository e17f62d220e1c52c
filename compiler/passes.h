/* passes.h: the passes over graphs, in the order in which they run. A pass changes the graph in
 * place, and ends with graph_sort. Every rewrite_ can be left out: it changes how a program
 * computes, to within rounding, and never what.
 */
#ifndef NETC_PASSES_H
#define NETC_PASSES_H
#include "graph.h"

void rewrite_views(Graph *g);      /* tensors that rename elements of others are read through */
void rewrite_prepared(Program *p); /* samples that repeat along an axis are stored once */
void rewrite_increasing(Graph *g); /* max of an increasing function: function of the max */
void rewrite_guards(Graph *g);     /* factors that are mostly zero make terms absent */
void rewrite_values(Graph *g);     /* values that a derivative needs again become tensors */
void differentiate(Graph *g);      /* adjoints become comprehensions; stop(x) becomes x */
void solve_guards(Graph *g);       /* equalities in guards become loops that are shorter */
/* again: rewrite_views, rewrite_guards */
void rewrite_factors(Graph *g);    /* factors come out of sums */
void rewrite_select(Graph *g);     /* where one term of a window counts, that term alone */
void rewrite_select_always(Graph *g); /* the same, though it may not pay; for tests */
void rewrite_algebra(Graph *g);    /* identities of single expressions */
void rewrite_common(Graph *g);     /* equal tensors are computed once */
void rewrite_steps(Graph *g);      /* several steps of one sample each become one call */
void rewrite_folds(Graph *g);      /* sums and results that repeat are computed once */
void rewrite_merge(Program *p);    /* parameters read only in sums are stored as those */
void expand(Graph *g);        /* exp, draws and their kin become arithmetic */
void order(Graph *g);         /* every reduction gets its order: the graph is frozen */
#endif
