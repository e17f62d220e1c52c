/* rewrite_factors.c: factors that a sum has in all of its terms come out of it.
 *
 * Requires: a sorted graph. For s without reduction variables,
 *     y[i] = init + sum(j) [g] s[i] * t[i, j]   becomes   y_sum[i] = sum(j) [g] t[i, j],
 *                                                         y[i] = init + s[i] * y_sum[i]
 * What remains is often a sum that exists already (the gradient of a bias). It rounds differently:
 * s is multiplied once, which is also nearer to the exact value. Not where nothing but s remains.
 * What g says without j is then the condition of s; a factor that may be read only where g says
 * more stays.
 */
#include "passes.h"
#include "rewrite.h"

static bool uses_rvar(const Node *n, Expr *e) {
    for (int i = 0; i < n->n_rvars; i++) {
        if (e_uses(e, n->rvar[i])) return true;
    }
    return false;
}

/* The part of the guard without reduction variables, or null. */
static Expr *invariant_guard(Pool *p, const Node *n) {
    Expr **part, *guard = NULL;
    int count = e_conjuncts(pool_arena(p), n->guard, &part);
    for (int i = 0; i < count; i++) {
        if (!uses_rvar(n, part[i])) guard = e_and(p, guard, part[i]);
    }
    return guard;
}

static void take_out(Graph *g, Node *n) {
    Pool *p = g->program->pool;
    Arena *a = g->program->arena;
    Factors all = {0}, common = {0}, rest = {0};
    Expr *guard = invariant_guard(p, n), *zero = e_num(p, T_F32, 0);
    if (n->kind != NODE_COMP || n->reduce != REDUCE_SUM || n->type != T_F32) return;
    expr_factors(a, n->body, &all);
    common.negative = all.negative;
    for (int i = 0; i < all.at.n; i++) {
        Expr *e = all.at.at[i];
        Factors *to = uses_rvar(n, e) || !expr_reads_inside(p, guard, e) ? &rest : &common;
        PUSH(a, to->at, e);
    }
    bool varies = false;
    for (int i = 0; i < rest.at.n; i++) varies |= uses_rvar(n, rest.at.at[i]);
    if (!varies || (common.at.n == 0 && (!common.negative || rest.at.n > 1))) return;
    const char *name = arena_printf(a, "%s_sum", n->name);
    Node *sum = graph_comp(g, name, T_F32, n->rank, n->shape, n->batched);
    Map *map = map_new(a);
    Expr **index = NEW_ARRAY(a, Expr *, n->rank);
    for (int i = 0; i < n->rank; i++) {
        index[i] = e_var(p, n->var[i]);
        map_set(map, n->var[i], e_var(p, sum->var[i]));
    }
    sum->reduce = REDUCE_SUM;
    sum->rvar = n->rvar;
    sum->n_rvars = n->n_rvars;
    sum->guard = n->guard;
    sum->body = factors_product(p, &rest);
    sum->layer = n->layer;
    node_subst(p, sum, map);
    PUSH(a, common.at, e_read(p, sum, index, n->rank));
    n->body = factors_product(p, &common);
    if (guard) n->body = e_select(p, guard, n->body, zero);
    if (n->init) n->body = e_add(p, n->init, n->body);
    n->reduce = REDUCE_NONE;
    n->rvar = NULL;
    n->n_rvars = 0;
    n->guard = n->init = NULL;
}

void rewrite_factors(Graph *g) {
    int n = g->nodes.n;
    for (int i = 0; i < n; i++) take_out(g, g->nodes.at[i]);
    graph_sort(g);
}
