/* order.c: fix the order of every reduction.
 *
 * Requires: differentiated, solved and rewritten graphs. Establishes: node->levels of every
 * reduction; the graph is frozen, and its meaning is now exact to the bit.
 *
 * The order follows from index structure and shapes alone, never from the target or the number of
 * threads. A reduction whose results fill vectors is sequential in index order, but over samples
 * and steps of a recurrence step by step: its lanes are results. One with few results, or over
 * samples and two positions or more (the filters of a convolution, whose operands have the samples
 * innermost), sums in 16 lanes: over samples where there are 16, else over the innermost variable.
 * So does a long product of rows of two computed tensors: both lie along the sum, and neither along
 * any result.
 */
#include "passes.h"
#include "rewrite.h"

enum { LANES = 16, FEW_RESULTS = 8, LONG_ROW = 128 };

static void add_level(Node *n, LevelKind kind, Var *v, int div, int count) {
    n->levels[n->n_levels++] = (Level){kind, v, div, count};
}

static void add_split(Node *n, Var *v, bool lanes_outside) {
    int blocks = (int)((v->hi + LANES) / LANES);
    if (lanes_outside) add_level(n, LEVEL_LANES, v, 1, LANES);
    add_level(n, LEVEL_SEQ, v, LANES, blocks);
    if (!lanes_outside) add_level(n, LEVEL_LANES, v, 1, LANES);
}

static Var *batch_rvar(const Node *n) {
    for (int i = 0; i < n->n_rvars; i++)
        if (n->rvar[i]->batch) return n->rvar[i];
    return NULL;
}

/* Is e a row of a tensor that this function is given or computes, v its index within the row? */
static bool is_row(const Node *n, const Expr *e, const Var *v) {
    if (e->op != OP_READ || e->node->kind == NODE_STORED || !e->n) return false;
    for (int i = 0; i < n->rank; i++)
        if (e_uses(e->arg[e->n - 1], n->var[i])) return false;
    const Expr *last = e->arg[e->n - 1];
    return last->op == OP_VAR && last->var == v;
}

/* The variable along which a sum multiplies rows, or null. */
static Var *row_rvar(const Node *n) {
    if (n->reduce != REDUCE_SUM || !n->n_rvars || n->body->op != OP_MUL) return NULL;
    Var *v = n->rvar[n->n_rvars - 1];
    long terms = 1;
    for (int i = 0; i < n->n_rvars; i++) terms *= n->rvar[i]->hi + 1;
    bool rows = is_row(n, n->body->arg[0], v) && is_row(n, n->body->arg[1], v);
    return rows && !v->batch && v->hi + 1 >= LANES && terms >= LONG_ROW ? v : NULL;
}

static void note_by_data(void *found, Expr *e) {
    for (int i = 0; i < e->n && e->op == OP_READ; i++)
        *(bool *)found |= expr_is_data(e->arg[i]);
}

/* Does n read elements that data choose? They differ from sample to sample: no vectors of those. */
static bool reads_by_data(const Node *n) {
    bool found = false;
    e_visit(n->body, note_by_data, &found);
    return found;
}

static void note_steps(void *context, Expr *e) {
    void **c = context;
    const Node *n = c[0];
    if (e->op != OP_READ || e->node->scan < 0) return;
    for (int i = 0; i < n->n_rvars; i++)
        if (e_uses(e->arg[e->node->scan], n->rvar[i])) c[1] = n->rvar[i];
}

/* What n sums over of the steps of a recurrence, or null. */
static Var *steps_rvar(const Node *n) {
    void *c[2] = {(void *)n, NULL};
    e_visit(n->body, note_steps, c);
    return c[1];
}

static void order_node(Graph *g, Node *n) {
    Var *batch = batch_rvar(n), *split = NULL;
    long results = 1;
    for (int i = n->batched; i < n->rank; i++) results *= n->shape[i];
    bool has_others = n->n_rvars > 1, positions = n->n_rvars > 2;
    if (n->reduce == REDUCE_SUM && batch && batch->hi + 1 >= LANES) {
        if ((positions && !reads_by_data(n)) || results < FEW_RESULTS) split = batch;
    } else if (n->reduce == REDUCE_SUM && n->rank == 0 && n->n_rvars > 0 &&
               n->rvar[n->n_rvars - 1]->hi + 1 >= LANES) {
        split = n->rvar[n->n_rvars - 1];
    } else {
        split = row_rvar(n);
    }
    n->levels = NEW_ARRAY(g->program->arena, Level, n->n_rvars + 1);
    n->n_levels = 0;
    if (split) add_split(n, split, split != batch || !has_others);
    /* A recurrence makes and takes all samples of a step: they lie together, and are summed so. */
    Var *first = batch && !split ? steps_rvar(n) : NULL;
    if (first) add_level(n, LEVEL_SEQ, first, 1, (int)first->hi + 1);
    for (int i = 0; i < n->n_rvars; i++)
        if (n->rvar[i] != split && n->rvar[i] != first)
            add_level(n, LEVEL_SEQ, n->rvar[i], 1, (int)n->rvar[i]->hi + 1);
}

void order(Graph *g) {
    for (int i = 0; i < g->nodes.n; i++) {
        Node *n = g->nodes.at[i];
        if (n->kind == NODE_COMP && n->reduce != REDUCE_NONE) order_node(g, n);
    }
}
