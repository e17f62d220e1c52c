/* rewrite_increasing.c: the maximum of an increasing function is the function of the maximum.
 *
 * Requires: a sorted graph, not yet differentiated. For f elementwise, declared increasing, with no
 * other reader,
 *     y[i] = max(j) f(Z[e(i, j)])    becomes    m[i] = max(j) Z[e(i, j)],  y[i] = f(m[i])
 * and so for min: f is computed once a window, and its derivative's conditions once an output.
 * Where no term is present the two differ, so a guard must be seen to leave one: for some values of
 * the reduction variables it holds everywhere.
 */
#include "passes.h"
#include "rewrite.h"

enum { MAX_TRIES = 1000 };

/* Does the guard hold, whatever the indices, for some values of the reduction variables r on? */
static bool always_some(Pool *p, Node *n, int r, Expr *guard, int *tries) {
    if (is_true(guard)) return true;
    if (is_false(guard) || r == n->n_rvars) return false;
    const Var *v = n->rvar[r];
    for (long x = v->lo; x <= v->hi && !v->batch; x++) {
        if (--*tries < 0) return false;
        if (always_some(p, n, r + 1, e_subst1(p, guard, v, e_int(p, x)), tries)) return true;
    }
    return false;
}

typedef struct Only {
    Expr *read;
    bool other;
} Only;

static void find_read(void *context, Expr *e) {
    Only *o = context;
    if (e->op != OP_READ) return;
    if (o->read && o->read != e) o->other = true;
    o->read = e;
}

/* The one read that the function f is of, or null. */
static Expr *argument_of(const Node *f) {
    Only o = {0};
    if (f->kind != NODE_COMP || !f->increasing || f->reduce != REDUCE_NONE || f->guard) return NULL;
    e_visit(f->body, find_read, &o);
    return o.other ? NULL : o.read;
}

typedef struct Replace {
    Pool *pool;
    Expr *old, *new;         /* f's argument: the maximum */
    Node *old_node, *new_node; /* f itself */
    Expr **index;
} Replace;

static Expr *replace(void *context, Expr *e) {
    Replace *r = context;
    if (e == r->old) return r->new;
    if (e->op == OP_READ && e->node == r->old_node) {
        return e_read(r->pool, r->new_node, r->index, r->new_node->rank);
    }
    return e;
}

/* What e, of f, is at the place of y; null where it depends on its place but by f's argument. */
static Expr *moved(Replace *r, const Node *f, Expr *e) {
    e = e_rewrite(r->pool, e, replace, r);
    for (int i = 0; i < f->rank; i++) {
        if (e_uses(e, f->var[i])) return NULL;
    }
    return e;
}

/* m: the reduction of y, over what f is the function of. */
static Node *add_reduction(Graph *g, const Node *y, const Node *f, Expr *argument) {
    Pool *p = g->program->pool;
    const char *name = arena_printf(g->program->arena, "%s_%s", argument->node->name,
                                    reduce_names[y->reduce]);
    Node *m = graph_comp(g, name, T_F32, y->rank, y->shape, y->batched);
    m->reduce = y->reduce;
    m->rvar = y->rvar;
    m->n_rvars = y->n_rvars;
    m->layer = y->layer;
    m->guard = y->guard;
    m->body = node_expr_at(p, f, argument, y->body->arg);
    Map *map = map_new(g->program->arena);
    for (int i = 0; i < y->rank; i++) map_set(map, y->var[i], e_var(p, m->var[i]));
    node_subst(p, m, map);
    return m;
}

static void move_function(Graph *g, Node *y) {
    Pool *p = g->program->pool;
    Arena *a = g->program->arena;
    int tries = MAX_TRIES;
    if (y->kind != NODE_COMP || (y->reduce != REDUCE_MAX && y->reduce != REDUCE_MIN)) return;
    if (y->body->op != OP_READ || y->component) return;
    Node *f = y->body->node;
    Expr *argument = argument_of(f);
    if (!argument || node_uses(g, f) != 1 || !always_some(p, y, 0, y->guard, &tries)) return;
    Node *m = add_reduction(g, y, f, argument);
    Expr **index = NEW_ARRAY(a, Expr *, y->rank);
    for (int i = 0; i < y->rank; i++) index[i] = e_var(p, y->var[i]);
    Replace r = {p, argument, e_read(p, m, index, y->rank), f, y, index};
    Custom *custom = NEW_ARRAY(a, Custom, f->n_custom);
    Expr *body = moved(&r, f, f->body);
    for (int i = 0; i < f->n_custom && body; i++) {
        custom[i] = (Custom){moved(&r, f, f->custom[i].arg), moved(&r, f, f->custom[i].by)};
        if (!custom[i].arg || !custom[i].by) body = NULL;
    }
    if (!body) return; /* graph_sort drops m */
    y->reduce = REDUCE_NONE;
    y->rvar = NULL;
    y->n_rvars = 0;
    y->guard = NULL;
    y->body = body;
    y->n_custom = f->n_custom;
    y->custom = custom;
    y->increasing = true;
}

void rewrite_increasing(Graph *g) {
    int n = g->nodes.n;
    for (int i = 0; i < n; i++) move_function(g, g->nodes.at[i]);
    graph_sort(g);
}
