/* rewrite_prepared.c: a prepared sample is stored once along axes on which it does not depend.
 *
 * Requires: sorted graphs, views read through. Where `prepare` computes the same value for every
 * index along an axis (a grey image replicated into channels), it computes the first, the axis has
 * an extent of 1, and the functions that are given samples read index 0. What they compute stays.
 */
#include "passes.h"
#include "rewrite.h"
#include <string.h>

typedef struct Axis {
    Pool *pool;
    Node *node;
    int axis;
} Axis;

static Expr *read_first(void *context, Expr *e) {
    const Axis *x = context;
    if (e->op != OP_READ || e->node != x->node) return e;
    Expr *index[MAX_RANK];
    for (int i = 0; i < e->n; i++) index[i] = i == x->axis ? e_int(x->pool, 0) : e->arg[i];
    return e_read(x->pool, e->node, index, e->n);
}

static bool depends_on(const Node *n, const Var *v) {
    return e_uses(n->body, v) || (n->guard && e_uses(n->guard, v)) ||
           (n->init && e_uses(n->init, v));
}

static void shorten(Graph *g, const char *name, int axis) {
    Pool *p = g->program->pool;
    for (int i = 0; i < g->inputs.n; i++) {
        Axis x = {p, g->inputs.at[i], axis};
        if (strcmp(x.node->name, name)) continue;
        for (int k = 0; k < g->nodes.n; k++) node_rewrite(p, g->nodes.at[k], read_first, &x);
        x.node->shape[axis] = 1;
    }
}

void rewrite_prepared(Program *program) {
    Node *x = graph_find_output(program->prepare, "x");
    Graph *const given[] = {program->train, program->eval, program->predict};
    if (!x || x->kind != NODE_COMP || node_uses(program->prepare, x) != 1) return;
    for (int axis = 1; axis < x->rank; axis++) {
        if (x->shape[axis] == 1 || depends_on(x, x->var[axis])) continue;
        for (int i = 0; i < COUNT_OF(given); i++) shorten(given[i], "x", axis);
        x->shape[axis] = 1;
        x->var[axis] = var_new(program->pool, x->var[axis]->name, 1);
    }
    for (int i = 0; i < COUNT_OF(given); i++) graph_sort(given[i]);
}
