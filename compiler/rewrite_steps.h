/* rewrite_steps.h: what the files of the rewrite to several steps a call share: what a step does to
 * the stored tensors, found in rewrite_steps_find.c before anything changes. */
#ifndef NETC_REWRITE_STEPS_H
#define NETC_REWRITE_STEPS_H
#include "rewrite.h"

/* Steps a call, least and most; what updating an element of a tensor at every step costs, in
 * operations, as memory is what limits it; and how much less all must cost to be worth it. */
enum { FEWEST = 16, MOST = 64, UPDATE = 4, WORTH = 2 };

/* A factor of a change over axes `axis` of its tensor, as an expression over next's variables. */
typedef struct Side {
    Expr *value; /* null: 1 */
    int n, axis[MAX_RANK];
    Node *node; /* [step, axes]: the same, once it is a tensor of its own; null: value is a read */
} Side;

/* What a step adds to a stored tensor. */
typedef struct Change {
    Stored *stored;
    Node *next;
    Side left, right; /* right is 1 where the change is no product over different axes */
    Node *now;        /* the tensor at each step, made where something needs it as such */
} Change;

typedef struct Steps {
    Graph *g;
    Pool *pool;
    Arena *arena;
    VEC(Change) changes;
    Map *varies;  /* nodes that differ from step to step, to themselves */
    Map *follows; /* those that depend on a tensor that changes */
    Map *batched; /* those that had a sample axis before */
    Map *sides;   /* from what a side is, in variables of positions, to its node */
    Map *sums;    /* nodes whose sum a correction follows, to themselves */
    Var *step, *position[MAX_RANK];
    long many;             /* steps a call */
    double updated, pairs; /* elements updated; operations for each pair of steps */
} Steps;

/* What the reads of an expression or a node are of. */
typedef struct Finding {
    const Steps *w;
    bool varies, follows, draws, product; /* product: a read of what changes by one */
    int changed;                          /* reads of what changes */
} Finding;

/* Fills changes, varies, follows, batched and sums; false where the graph has to stay. */
bool steps_find(Steps *w);
/* What a stored tensor that e reads changes by; null: e reads no such tensor. */
Change *steps_change_of(const Steps *w, const Expr *e);
Finding steps_find_in(const Steps *w, Expr *e);
Finding steps_find_in_node(const Steps *w, const Node *n);
bool steps_is_update(const Steps *w, const Node *n);
/* The factor of a sum of products that is a read of what changes, if it is the only such read in
 * body and guard; the other factors. */
Expr *steps_changing_factor(Steps *w, const Node *n, Factors *others);
/* e, over the variables of c's tensor, at an index. */
Expr *steps_put_index(Steps *w, const Change *c, Expr *e, Expr *const *index);
bool steps_uses_rvar(const Node *n, Expr *e);
#endif
