/* schedule_inline.c: the expressions of all nodes, with those of inline nodes put in where they are
 * read. What checks a schedule and what lowers it see the same.
 */
#include "schedule.h"

typedef struct Inline {
    const Schedule *s;
    Pool *pool;
    Arena *arena;
    Parts *part;
    bool *begun; /* by node id */
} Inline;

static bool is_inline(const Inline *x, const Node *n) {
    return n->kind == NODE_COMP && schedule_of(x->s, n)->place == PLACE_INLINE;
}

static Expr *put_in(void *context, Expr *e) {
    Inline *x = context;
    if (e->op != OP_READ || !is_inline(x, e->node)) return e;
    const Node *n = e->node;
    Map *by = map_new(x->arena);
    for (int i = 0; i < n->rank; i++) map_set(by, n->var[i], e->arg[i]);
    const Parts *part = &x->part[n->id];
    Expr *body = e_subst(x->pool, part->body, by);
    if (!part->guard) return body;
    Expr *otherwise = part->init ? e_subst(x->pool, part->init, by) : e_num(x->pool, n->type, 0);
    return e_select(x->pool, e_subst(x->pool, part->guard, by), body, otherwise);
}

/* False where inline nodes read each other in a circle. */
static bool expand(Inline *x, const Node *n) {
    Parts *part = &x->part[n->id];
    if (x->begun[n->id]) return part->body != NULL;
    x->begun[n->id] = true;
    Node **reads;
    int k = node_reads(x->arena, n, &reads);
    for (int i = 0; i < k; i++)
        if (is_inline(x, reads[i]) && !expand(x, reads[i])) return false;
    bool never = is_false(n->guard); /* what it reads may not even exist */
    Expr *body = never ? e_num(x->pool, n->body->type, 0) : n->body;
    part->body = e_rewrite(x->pool, body, put_in, x);
    if (n->guard) part->guard = e_rewrite(x->pool, n->guard, put_in, x);
    if (n->init) part->init = e_rewrite(x->pool, n->init, put_in, x);
    return true;
}

void parts_visit(const Parts *part, void (*f)(void *context, Expr *e), void *context) {
    if (part->body) e_visit(part->body, f, context);
    if (part->guard) e_visit(part->guard, f, context);
    if (part->init) e_visit(part->init, f, context);
}

Parts *schedule_inline(Arena *a, const Schedule *s) {
    Graph *g = s->graph;
    Inline x = {s, g->program->pool, a, NEW_ARRAY(a, Parts, g->nodes.n + 1),
                NEW_ARRAY(a, bool, g->nodes.n + 1)};
    for (int i = 0; i < g->nodes.n; i++)
        if (g->nodes.at[i]->kind == NODE_COMP) expand(&x, g->nodes.at[i]);
    return x.part;
}
