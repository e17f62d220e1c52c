/* rewrite.h: what the rewrites of graphs share. */
#ifndef NETC_REWRITE_H
#define NETC_REWRITE_H
#include "graph.h"

/* Applies e_rewrite to every expression of a node; true where something changed. */
bool node_rewrite(Pool *p, Node *n, Expr *(*f)(void *context, Expr *e), void *context);
/* n reads `to` where it reads `from`. */
void node_redirect(Pool *p, Node *n, const Node *from, Node *to);
/* Puts `by` for variables in every expression of a node. */
void node_subst(Pool *p, Node *n, const Map *var_to_expr);
/* Does n read itself? */
bool node_reads_itself(const Node *n);
/* The number of nodes that read n, and of outputs and updates that it is. */
int node_uses(const Graph *g, const Node *n);
/* Is n the tensor of which some node is the gradient? */
bool node_is_target(const Graph *g, const Node *n);
/* e, which belongs to n, for the element of n at `index`. */
Expr *node_expr_at(Pool *p, const Node *n, Expr *e, Expr **index);
/* Does e depend on data: reads or draws? */
bool expr_is_data(Expr *e);
/* Are all reads of e, but those by data, plainly inside of their tensors under the guard? */
bool expr_reads_inside(Pool *p, Expr *guard, Expr *e);
/* The factors of a product, in order: of a * b those of a and those of b, of -a those of a with one
 * sign turned. */
typedef struct Factors {
    VEC(Expr *) at;
    bool negative;
} Factors;
void expr_factors(Arena *a, Expr *e, Factors *out);
/* Their product from the left, or null for none. */
Expr *factors_product(Pool *p, const Factors *f);
/* rewrite_folds.c: makes the read of a stored tensor in a sum of products, where some variables
 * occur nowhere else, one of sums over those; returns the node of these sums, or null. */
Node *fold_stored(Graph *g, Node *n, const Stored *s);
#endif
