/* rewrite_values.c: values that a derivative will need again become tensors.
 *
 * Requires: a sorted graph, not yet differentiated. exp, tanh and sqrt have derivatives that are
 * functions of their values; where one stands inside of a larger expression of an elementwise node,
 * it becomes a node of its own, which the adjoint reads. What the loss does not depend on is left
 * alone, and so is a graph without gradients, and what a select may leave out.
 */
#include "passes.h"
#include "rewrite.h"

typedef struct Values {
    Graph *g;
    Pool *pool;
    Node *node;
    Map *value; /* from expression to what reads it */
} Values;

static bool is_slow(const Expr *e) {
    return e->type == T_F32 && (e->op == OP_EXP || e->op == OP_TANH || e->op == OP_SQRT);
}

static void find_float(void *found, Expr *e) {
    if (e->op == OP_READ && e->type == T_F32) *(bool *)found = true;
}

static Expr *make_node(Values *v, Expr *e) {
    Pool *p = v->pool;
    const Node *n = v->node;
    bool varies = false;
    e_visit(e, find_float, &varies);
    if (!varies) return e;
    const char *name = arena_printf(v->g->program->arena, "%s_%s", n->name, op_info[e->op].text);
    Node *value = graph_comp(v->g, name, T_F32, n->rank, n->shape, n->batched);
    Expr **index = NEW_ARRAY(pool_arena(p), Expr *, n->rank), **inner;
    inner = NEW_ARRAY(pool_arena(p), Expr *, n->rank);
    for (int i = 0; i < n->rank; i++) {
        index[i] = e_var(p, n->var[i]);
        inner[i] = e_var(p, value->var[i]);
    }
    value->layer = n->layer;
    value->body = node_expr_at(p, n, e, inner);
    if (n->guard) value->guard = node_expr_at(p, n, n->guard, inner);
    return e_read(p, value, index, n->rank);
}

/* e with its slow parts read from new nodes. */
static Expr *split(Values *v, Expr *e) {
    Expr *done = map_get(v->value, e), *few[3], **arg = few;
    if (done) return done;
    done = e;
    bool follow = e->n > 0 && e->op != OP_READ && e->op != OP_LIN && e->op != OP_DRAW;
    if (follow && e->type == T_F32) {
        for (int i = 0; i < e->n; i++) {
            arg[i] = e->op == OP_SELECT && i ? e->arg[i] : split(v, e->arg[i]);
        }
        done = e_rebuild(v->pool, e, arg);
        if (is_slow(done)) done = make_node(v, done);
    }
    map_set(v->value, e, done);
    return done;
}

static void split_node(Graph *g, Node *n) {
    if (n->kind != NODE_COMP || n->reduce != REDUCE_NONE || n->n_custom || n->type != T_F32) return;
    Values v = {.g = g, .pool = g->program->pool, .node = n, .value = map_new(g->program->arena)};
    Expr *body = n->body;
    if (!is_slow(body)) {
        n->body = split(&v, body);
        return;
    }
    Expr *arg = split(&v, body->arg[0]);
    n->body = e_rebuild(v.pool, body, &arg);
}

static void mark(Graph *g, Node *n, Map *needed) {
    Node **read;
    if (map_get(needed, n)) return;
    map_set(needed, n, n);
    int count = node_reads(g->program->arena, n, &read);
    for (int i = 0; i < count; i++) mark(g, read[i], needed);
}

void rewrite_values(Graph *g) {
    int n = g->nodes.n;
    bool wanted = false;
    Map *needed = map_new(g->program->arena);
    Node *loss = graph_find_output(g, "loss");
    for (int i = 0; i < n; i++) wanted |= g->nodes.at[i]->kind == NODE_GRAD;
    if (!wanted || !loss) return;
    mark(g, loss, needed);
    for (int i = 0; i < n; i++) {
        if (map_get(needed, g->nodes.at[i])) split_node(g, g->nodes.at[i]);
    }
    graph_sort(g);
}
