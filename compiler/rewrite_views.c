/* rewrite_views.c: tensors that only rename the elements of others are read through.
 *
 * Requires: a sorted graph. Establishes: no node reads a view, which is a tensor whose element is
 * one element of another at an index that is no data, or a constant; and no reduction variable k is
 * used by its digits k / (h*w), k / w % h, k % w: it is as many variables instead, in their order.
 * Index variables are left alone: a flattened tensor that is wanted stays flat.
 */
#include "passes.h"
#include "rewrite.h"

enum { MAX_SWEEPS = 8 };

typedef struct Views {
    Graph *g;
    Pool *pool;
    Map *is_view; /* nodes to themselves */
} Views;

static bool is_view(const Views *v, const Node *n) {
    if (n->kind != NODE_COMP || n->reduce != REDUCE_NONE || n->guard || n->n_custom) return false;
    if (node_is_target(v->g, n) || node_reads_itself(n)) return false;
    if (is_const(n->body)) return true;
    if (n->body->op != OP_READ) return false;
    for (int i = 0; i < n->body->n; i++) {
        if (expr_is_data(n->body->arg[i])) return false;
    }
    return true;
}

static Expr *read_through(void *context, Expr *e) {
    Views *v = context;
    if (e->op != OP_READ || !map_get(v->is_view, e->node)) return e;
    return node_expr_at(v->pool, e->node, e->node->body, e->arg);
}

/* Reads through the views; a view of a view becomes one of what that reads. */
static bool sweep(Views *v) {
    bool changed = false;
    for (int i = 0; i < v->g->nodes.n; i++) {
        Node *n = v->g->nodes.at[i];
        map_set(v->is_view, n, NULL);
        changed |= node_rewrite(v->pool, n, read_through, v);
        if (is_view(v, n)) map_set(v->is_view, n, n);
    }
    return changed;
}

/* --- digits --- */

typedef struct Digits {
    const Var *var;
    VEC(long) bound; /* the variable is divided by these */
    bool fits;
    Arena *arena;
} Digits;

static void add_bound(Digits *d, long bound) {
    int i = 0;
    while (i < d->bound.n && d->bound.at[i] < bound) i++;
    if (i < d->bound.n && d->bound.at[i] == bound) return;
    PUSH(d->arena, d->bound, bound);
    for (int j = d->bound.n - 1; j > i; j--) d->bound.at[j] = d->bound.at[j - 1];
    d->bound.at[i] = bound;
}

static bool is_var(const Expr *e, const Var *v) { return e->op == OP_VAR && e->var == v; }

static void find_digit(void *context, Expr *e) {
    Digits *d = context;
    if ((e->op != OP_IDIV && e->op != OP_IMOD) || !e_uses(e, d->var)) return;
    Expr *x = e->arg[0];
    long m = (long)e->arg[1]->num;
    if (is_var(x, d->var)) {
        add_bound(d, m);
    } else if (e->op == OP_IMOD && x->op == OP_IDIV && is_var(x->arg[0], d->var)) {
        add_bound(d, (long)x->arg[1]->num * m);
    } else {
        d->fits = false;
    }
}

/* Splits reduction variable r of n where it is used by its digits. */
static bool split_digits(Views *v, Node *n, int r) {
    Var *k = n->rvar[r];
    long extent = k->hi + 1, inner = 1;
    Digits d = {.var = k, .fits = k->lo == 0 && !k->batch, .arena = pool_arena(v->pool)};
    e_visit(n->body, find_digit, &d);
    if (n->guard) e_visit(n->guard, find_digit, &d);
    if (!d.fits || d.bound.n == 0) return false;
    add_bound(&d, extent);
    for (int i = 0; i < d.bound.n; i++) {
        if (d.bound.at[i] % inner || d.bound.at[i] > extent) return false;
        inner = d.bound.at[i];
    }
    int more = d.bound.n;
    Var **rvar = NEW_ARRAY(d.arena, Var *, n->n_rvars + more - 1);
    Expr *value = e_int(v->pool, 0);
    for (int i = 0; i < r; i++) rvar[i] = n->rvar[i];
    for (int i = r + 1; i < n->n_rvars; i++) rvar[i + more - 1] = n->rvar[i];
    inner = 1;
    for (int i = 0; i < more; i++) {
        const char *name = arena_printf(d.arena, "%s%d", k->name, more - 1 - i);
        Var *digit = var_new(v->pool, name, d.bound.at[i] / inner);
        rvar[r + more - 1 - i] = digit;
        value = e_add(v->pool, value, e_scale(v->pool, e_var(v->pool, digit), inner));
        inner = d.bound.at[i];
    }
    n->rvar = rvar;
    n->n_rvars += more - 1;
    n->body = e_subst1(v->pool, n->body, k, value);
    n->guard = e_subst1(v->pool, n->guard, k, value);
    return true;
}

void rewrite_views(Graph *g) {
    Views v = {.g = g, .pool = g->program->pool, .is_view = map_new(g->program->arena)};
    for (int i = 0; i < MAX_SWEEPS && sweep(&v); i++) continue;
    for (int i = 0; i < g->nodes.n; i++) {
        Node *n = g->nodes.at[i];
        for (int r = n->n_rvars - 1; r >= 0; r--) split_digits(&v, n, r);
    }
    graph_sort(g);
}
