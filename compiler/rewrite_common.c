/* rewrite_common.c: equal tensors are computed once.
 *
 * Requires: a sorted graph. Two computed nodes are equal when their comprehensions are, up to the
 * names of variables: both are written with the same variables, those of a position and a range,
 * and then compared as what they are, hash-consed expressions. Nodes of recurrences stay.
 */
#include "passes.h"
#include "rewrite.h"

typedef struct Known { /* a node and its comprehension in shared variables */
    Node *node;
    Expr *guard, *body, *init;
} Known;

typedef struct Common {
    Graph *g;
    Pool *pool;
    Arena *arena;
    VEC(Var *) var; /* the variables that all comprehensions are written with */
    Map *same;      /* from a node to the one that stands for it */
    VEC(Known) known;
} Common;

/* The shared variable for v at a position of a comprehension. */
static Var *shared_var(Common *c, const Var *v, int *from) {
    for (int i = *from; i < c->var.n; i++) {
        const Var *s = c->var.at[i];
        if (s->lo != v->lo || s->hi != v->hi || s->batch != v->batch) continue;
        *from = i + 1;
        return c->var.at[i];
    }
    Var *s = var_range(c->pool, v->name, v->lo, v->hi);
    s->batch = v->batch;
    PUSH(c->arena, c->var, s);
    *from = c->var.n;
    return s;
}

static bool same_range(const Var *a, const Var *b) {
    return a->lo == b->lo && a->hi == b->hi && a->batch == b->batch;
}

static bool same_shape(const Node *a, const Node *b) {
    if (a->type != b->type || a->reduce != b->reduce || a->batched != b->batched) return false;
    if (a->rank != b->rank || a->n_rvars != b->n_rvars) return false;
    for (int i = 0; i < a->rank; i++) {
        if (a->shape[i] != b->shape[i]) return false;
    }
    for (int i = 0; i < a->n_rvars; i++) {
        if (!same_range(a->rvar[i], b->rvar[i])) return false;
    }
    return true;
}

static Expr *read_same(void *context, Expr *e) {
    Common *c = context;
    Node *n = e->op == OP_READ ? map_get(c->same, e->node) : NULL;
    return n ? e_read(c->pool, n, e->arg, e->n) : e;
}

static Known written(Common *c, Node *n) {
    Map *map = map_new(c->arena);
    int from = 0;
    for (int i = 0; i < n->rank; i++) {
        map_set(map, n->var[i], e_var(c->pool, shared_var(c, n->var[i], &from)));
    }
    for (int i = 0; i < n->n_rvars; i++) {
        map_set(map, n->rvar[i], e_var(c->pool, shared_var(c, n->rvar[i], &from)));
    }
    return (Known){n, e_subst(c->pool, n->guard, map), e_subst(c->pool, n->body, map),
                   e_subst(c->pool, n->init, map)};
}

static Node *find_equal(Common *c, Node *n) {
    if (n->kind != NODE_COMP || n->component || n->n_custom || node_is_target(c->g, n)) return NULL;
    Known k = written(c, n);
    for (int i = 0; i < c->known.n; i++) {
        const Known *old = &c->known.at[i];
        if (old->body != k.body || old->guard != k.guard || old->init != k.init) continue;
        if (same_shape(old->node, n)) return old->node;
    }
    PUSH(c->arena, c->known, k);
    return NULL;
}

void rewrite_common(Graph *g) {
    Common c = {.g = g, .pool = g->program->pool, .arena = g->program->arena};
    c.same = map_new(c.arena);
    for (int i = 0; i < g->nodes.n; i++) {
        Node *n = g->nodes.at[i];
        node_rewrite(c.pool, n, read_same, &c);
        Node *equal = find_equal(&c, n);
        if (equal) map_set(c.same, n, equal);
    }
    for (int i = 0; i < g->n_outputs; i++) {
        Node *n = map_get(c.same, g->output[i].node);
        if (n) g->output[i].node = n;
    }
    for (int i = 0; i < g->n_updates; i++) {
        Node *n = map_get(c.same, g->update[i].next);
        if (n) g->update[i].next = n;
    }
    graph_sort(g);
}
