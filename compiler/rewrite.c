/* rewrite.c: see rewrite.h. */
#include "rewrite.h"

bool node_rewrite(Pool *p, Node *n, Expr *(*f)(void *context, Expr *e), void *context) {
    if (n->kind != NODE_COMP) return false;
    Expr *body = n->body, *guard = n->guard, *init = n->init;
    n->body = e_rewrite(p, body, f, context);
    if (guard) n->guard = e_rewrite(p, guard, f, context);
    if (init) n->init = e_rewrite(p, init, f, context);
    if (is_true(n->guard)) n->guard = NULL;
    for (int i = 0; i < n->n_custom; i++) {
        n->custom[i].arg = e_rewrite(p, n->custom[i].arg, f, context);
        n->custom[i].by = e_rewrite(p, n->custom[i].by, f, context);
    }
    return n->body != body || n->guard != guard || n->init != init;
}

typedef struct Redirect {
    Pool *pool;
    const Node *from;
    Node *to;
} Redirect;

static Expr *redirect(void *context, Expr *e) {
    const Redirect *r = context;
    return e->op == OP_READ && e->node == r->from ? e_read(r->pool, r->to, e->arg, e->n) : e;
}

void node_redirect(Pool *p, Node *n, const Node *from, Node *to) {
    Redirect r = {p, from, to};
    node_rewrite(p, n, redirect, &r);
}

void node_subst(Pool *p, Node *n, const Map *var_to_expr) {
    n->body = e_subst(p, n->body, var_to_expr);
    n->guard = e_subst(p, n->guard, var_to_expr);
    n->init = e_subst(p, n->init, var_to_expr);
    for (int i = 0; i < n->n_custom; i++) {
        n->custom[i].arg = e_subst(p, n->custom[i].arg, var_to_expr);
        n->custom[i].by = e_subst(p, n->custom[i].by, var_to_expr);
    }
}

typedef struct Search {
    const Node *node;
    bool found;
} Search;

static void find_node(void *context, Expr *e) {
    Search *s = context;
    s->found |= e->op == OP_READ && e->node == s->node;
}

static bool reads(const Node *n, const Node *what) {
    Search s = {.node = what};
    if (n->kind != NODE_COMP) return false;
    node_visit(n, find_node, &s);
    for (int i = 0; i < n->n_custom; i++) {
        e_visit(n->custom[i].arg, find_node, &s);
        if (n != what) e_visit(n->custom[i].by, find_node, &s);
    }
    return s.found;
}

bool node_reads_itself(const Node *n) { return reads(n, n); }

int node_uses(const Graph *g, const Node *n) {
    int uses = node_is_target(g, n);
    for (int i = 0; i < g->nodes.n; i++) uses += g->nodes.at[i] != n && reads(g->nodes.at[i], n);
    for (int i = 0; i < g->n_outputs; i++) uses += g->output[i].node == n;
    for (int i = 0; i < g->n_updates; i++) uses += g->update[i].next == n;
    return uses;
}

bool node_is_target(const Graph *g, const Node *n) {
    for (int i = 0; i < g->nodes.n; i++) {
        const Node *m = g->nodes.at[i];
        if (m->kind == NODE_GRAD && m->of == n) return true;
    }
    return false;
}

Expr *node_expr_at(Pool *p, const Node *n, Expr *e, Expr **index) {
    Map *map = map_new(pool_arena(p));
    for (int i = 0; i < n->rank; i++) map_set(map, n->var[i], index[i]);
    return e_subst(p, e, map);
}

static void find_data(void *found, Expr *e) {
    if (e->op == OP_READ || e->op == OP_DRAW) *(bool *)found = true;
}

bool expr_is_data(Expr *e) {
    bool found = false;
    e_visit(e, find_data, &found);
    return found;
}

typedef struct Inside {
    Pool *pool;
    Expr *guard;
    bool holds;
} Inside;

static void check_inside(void *context, Expr *e) {
    Inside *x = context;
    for (int i = 0; i < e->n && e->op == OP_READ && x->holds; i++) {
        if (expr_is_data(e->arg[i])) continue;
        Expr *extent = e_int(x->pool, e->node->shape[i]), *zero = e_int(x->pool, 0);
        x->holds = e_implies(x->pool, x->guard, e_op(x->pool, OP_LE, zero, e->arg[i], NULL)) &&
                   e_implies(x->pool, x->guard, e_op(x->pool, OP_LT, e->arg[i], extent, NULL));
    }
}

bool expr_reads_inside(Pool *p, Expr *guard, Expr *e) {
    Inside x = {p, guard, true};
    e_visit(e, check_inside, &x);
    return x.holds;
}

void expr_factors(Arena *a, Expr *e, Factors *out) {
    if (e->op == OP_MUL && e->type == T_F32) {
        expr_factors(a, e->arg[0], out);
        expr_factors(a, e->arg[1], out);
    } else if (e->op == OP_NEG && e->type == T_F32) {
        out->negative = !out->negative;
        expr_factors(a, e->arg[0], out);
    } else {
        PUSH(a, out->at, e);
    }
}

Expr *factors_product(Pool *p, const Factors *f) {
    Expr *product = NULL;
    for (int i = 0; i < f->at.n; i++) {
        product = product ? e_mul(p, product, f->at.at[i]) : f->at.at[i];
    }
    return product && f->negative ? e_op(p, OP_NEG, product, NULL, NULL) : product;
}
