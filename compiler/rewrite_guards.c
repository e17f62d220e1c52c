/* rewrite_guards.c: what is zero for most of a loop becomes a shorter loop.
 *
 * Requires: a sorted graph. A factor of a summed product that is 0 where a condition on indices
 * fails, select(c, x, 0), makes the term absent there: c joins the guard of the sum. A tensor that
 * is one element of another where its guard on indices holds, and 0 (or a constant, or an element
 * of a third) elsewhere, such as the state of a recurrence before its first step, is read through:
 * as a guard in a sum that it is a factor of, as a select elsewhere. Where it is the factor of a
 * sum and not 0 outside of its guard, it stays.
 */
#include "passes.h"
#include "rewrite.h"

typedef struct Guards {
    Graph *g;
    Pool *pool;
    Map *shift; /* the tensors to read through: nodes to themselves */
    Node *node; /* the one being rewritten */
} Guards;

static bool is_zero(const Expr *e) { return !e || (is_const(e) && e->num == 0); }

/* A constant, or an element at an index that is no data. */
static bool is_element(Expr *e) {
    if (is_const(e)) return true;
    if (e->op != OP_READ) return false;
    for (int i = 0; i < e->n; i++) {
        if (expr_is_data(e->arg[i])) return false;
    }
    return true;
}

static bool is_shift(const Guards *w, Node *n) {
    if (n->kind != NODE_COMP || n->reduce != REDUCE_NONE || !n->guard || n->n_custom) return false;
    if (node_is_target(w->g, n) || node_reads_itself(n) || n->type != T_F32) return false;
    return !expr_is_data(n->guard) && is_element(n->body) && (!n->init || is_element(n->init));
}

static bool is_shift_read(const Guards *w, const Expr *e) {
    return e->op == OP_READ && map_get(w->shift, e->node);
}

/* The value of factor e where it is not 0; the condition for that goes to *guard. */
static Expr *where_present(Guards *w, Expr *e, Expr **guard) {
    Pool *p = w->pool;
    if (is_shift_read(w, e) && is_zero(e->node->init)) {
        *guard = e_and(p, *guard, node_expr_at(p, e->node, e->node->guard, e->arg));
        return where_present(w, node_expr_at(p, e->node, e->node->body, e->arg), guard);
    }
    if (e->op != OP_SELECT || e->type != T_F32 || expr_is_data(e->arg[0])) return e;
    if (is_zero(e->arg[2])) {
        *guard = e_and(p, *guard, e->arg[0]);
        return where_present(w, e->arg[1], guard);
    }
    if (is_zero(e->arg[1])) {
        *guard = e_and(p, *guard, e_op(p, OP_NOT, e->arg[0], NULL, NULL));
        return where_present(w, e->arg[2], guard);
    }
    return e;
}

static bool has_disjunction(Expr *guard, Arena *a) {
    Expr **part;
    int n = e_conjuncts(a, guard, &part);
    for (int i = 0; i < n; i++) {
        if (part[i]->op == OP_OR) return true;
    }
    return false;
}

/* e is a product, or one factor. */
static Expr *factors_present(Guards *w, Expr *e, Expr **guard) {
    Pool *p = w->pool;
    if (e->op == OP_MUL) {
        Expr *a = factors_present(w, e->arg[0], guard), *b = factors_present(w, e->arg[1], guard);
        return e_mul(p, a, b);
    }
    if (e->op == OP_NEG) return e_op(p, OP_NEG, factors_present(w, e->arg[0], guard), NULL, NULL);
    Expr *more = *guard, *value = where_present(w, e, &more);
    if (has_disjunction(more, pool_arena(p))) return e;
    *guard = more;
    return value;
}

static Expr *read_shift(void *context, Expr *e) {
    Guards *w = context;
    Pool *p = w->pool;
    if (!is_shift_read(w, e)) return e;
    const Node *n = e->node;
    Expr *guard = node_expr_at(p, n, n->guard, e->arg), *zero = e_num(p, T_F32, 0);
    Expr *other = n->init ? node_expr_at(p, n, n->init, e->arg) : zero;
    return e_select(p, guard, node_expr_at(p, n, n->body, e->arg), other);
}

static void rewrite_node(Guards *w, Node *n) {
    if (n->kind != NODE_COMP) return;
    if (n->reduce == REDUCE_SUM) {
        n->body = factors_present(w, n->body, &n->guard);
        if (n->init) n->init = e_rewrite(w->pool, n->init, read_shift, w);
    } else if (n->reduce == REDUCE_NONE) {
        node_rewrite(w->pool, n, read_shift, w);
    }
}

void rewrite_guards(Graph *g) {
    Guards w = {.g = g, .pool = g->program->pool, .shift = map_new(g->program->arena)};
    for (int i = 0; i < g->nodes.n; i++) {
        Node *n = g->nodes.at[i];
        rewrite_node(&w, n);
        if (is_shift(&w, n)) map_set(w.shift, n, n);
    }
    for (int i = 0; i < g->nodes.n; i++) { /* recurrences read what comes later, too */
        Node *n = g->nodes.at[i];
        if (n->component && !map_get(w.shift, n)) rewrite_node(&w, n);
    }
    graph_sort(g);
}
