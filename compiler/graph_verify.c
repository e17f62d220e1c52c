/* graph_verify.c: the rules of graph.h, checked; for the driver and the tests, between passes.
 *
 * An expression is checked under what is known where it is evaluated: the node's guard, the parts
 * of a conjunction before it, the condition of a select. From that and the ranges of the variables
 * each index of each read must follow to be inside; an index that depends on data is trusted.
 */
#include "graph.h"
#include <ctype.h>
#include <string.h>

typedef struct Check {
    const Graph *g;
    Pool *pool;
    Arena *arena; /* of this check */
    const char *pass;
    const Node *node;
    Map *names;
    Map *seen;      /* expressions checked under the same knowledge */
    Expr *known;
    bool rvars;     /* may reduction variables occur? */
} Check;

#define broken(c, ...) broken_at(__LINE__, (c), arena_printf((c)->arena, __VA_ARGS__))

static _Noreturn void broken_at(int line, Check *c, const char *what) {
    const char *of = c->node ? c->node->name : "the graph";
    die_at(__FILE__, line, "after %s, %s: %s: %s", c->pass, c->g->name, of, what);
}

static const char *written(Check *c, const Expr *e) {
    Text t = {.arena = c->arena};
    e_print(&t, e);
    return t.at;
}

/* --- expressions --- */

static void check_type(Check *c, const Expr *e) {
    bool same = true;
    int first = e->op == OP_SELECT;
    for (int i = first + 1; i < e->n; i++) same &= e->arg[i]->type == e->arg[first]->type;
    if (e->op == OP_DRAW) return;
    if (!same) broken(c, "types differ in %s", written(c, e));
    Type result = op_info[e->op].type;
    if (result == N_TYPES && e->op >= OP_ADD) result = e->arg[first]->type;
    if (result != N_TYPES && e->type != result) broken(c, "wrong type of %s", written(c, e));
    bool index = e->op == OP_LIN || e->op == OP_IDIV || e->op == OP_IMOD;
    bool logic = e->op == OP_AND || e->op == OP_OR || e->op == OP_NOT;
    if (index && e->n && e->arg[0]->type != T_I32) broken(c, "%s is no index", written(c, e));
    if ((logic || e->op == OP_SELECT) && e->arg[0]->type != T_BOOL) {
        broken(c, "%s is no condition", written(c, e));
    }
}

static void check_var(Check *c, const Var *v) {
    const Node *n = c->node;
    for (int i = 0; i < n->rank; i++) {
        if (n->var[i] == v) return;
    }
    for (int i = 0; i < n->n_rvars && c->rvars; i++) {
        if (n->rvar[i] == v) return;
    }
    broken(c, "%s is not one of its variables", v->name);
}

static void note_data(void *context, Expr *e) {
    if (e->op == OP_READ || e->op == OP_DRAW || e->op == OP_INT || e->op == OP_SIGNED) {
        *(bool *)context = true;
    }
}

static bool depends_on_data(Expr *e) {
    bool found = false;
    e_visit(e, note_data, &found);
    return found;
}

static void check_inside(Check *c, const Expr *read, int axis) {
    Expr *index = read->arg[axis];
    Expr *low = e_op(c->pool, OP_LE, e_int(c->pool, 0), index, NULL);
    Expr *high = e_op(c->pool, OP_LT, index, e_int(c->pool, read->node->shape[axis]), NULL);
    if (is_true(low) && is_true(high)) return;
    if (depends_on_data(index) && !is_false(low) && !is_false(high)) return;
    if (e_implies(c->pool, c->known, low) && e_implies(c->pool, c->known, high)) return;
    broken(c, "axis %d of %s may leave its %ld elements", axis, written(c, read),
           read->node->shape[axis]);
}

static void check_read(Check *c, const Expr *e) {
    const Node *to = e->node, *n = c->node;
    if (to->id < 0 || to->id >= c->g->nodes.n || c->g->nodes.at[to->id] != to) {
        broken(c, "%s is not in the graph", to->name);
    }
    if (to->id >= n->id && !(n->component && to->component == n->component)) {
        broken(c, "reads %s, which comes later", to->name);
    }
    if (e->n != to->rank || e->type != to->type) broken(c, "mistyped read %s", written(c, e));
    for (int i = 0; i < e->n; i++) {
        if (e->arg[i]->type != T_I32) broken(c, "%s: no index", written(c, e));
        check_inside(c, e, i);
    }
}

static void check_expr(Check *c, Expr *e);

/* Checks e where `also` holds besides. */
static void check_under(Check *c, Expr *e, Expr *also) {
    Check inner = *c;
    inner.known = e_and(c->pool, c->known, also);
    inner.seen = map_new(c->arena);
    check_expr(&inner, e);
}

static void check_parts(Check *c, Expr *e) {
    Expr *a = e->n ? e->arg[0] : NULL;
    if (e->op == OP_AND || e->op == OP_OR) {
        check_expr(c, a);
        check_under(c, e->arg[1], e->op == OP_AND ? a : e_op(c->pool, OP_NOT, a, NULL, NULL));
    } else if (e->op == OP_SELECT) {
        check_expr(c, a);
        check_under(c, e->arg[1], a);
        check_under(c, e->arg[2], e_op(c->pool, OP_NOT, a, NULL, NULL));
    } else {
        for (int i = 0; i < e->n; i++) check_expr(c, e->arg[i]);
    }
}

static void check_expr(Check *c, Expr *e) {
    if (map_get(c->seen, e)) return;
    map_set(c->seen, e, e);
    if (e->lanes != 1) broken(c, "a vector: %s", written(c, e));
    if (e->op == OP_LOAD) broken(c, "a load");
    check_parts(c, e);
    check_type(c, e);
    if (e->op == OP_VAR) check_var(c, e->var);
    if (e->op == OP_READ) check_read(c, e);
    if (e->op == OP_DOUBLE && depends_on_data(e)) {
        broken(c, "a double that depends on a tensor: %s", written(c, e));
    }
    bool indexed = e->op == OP_IDIV || e->op == OP_IMOD;
    if (indexed && (!is_const(e->arg[1]) || e->arg[1]->num < 1)) {
        broken(c, "%s: not a positive constant divisor", written(c, e));
    }
}

static void check_root(Check *c, Expr *e, Type type, Expr *known, bool rvars) {
    c->known = known;
    c->rvars = rvars;
    c->seen = map_new(c->arena);
    check_expr(c, e);
    if (e->type != type) broken(c, "%s is not of type %s", written(c, e), type_names[type]);
}

/* --- nodes --- */

static void check_name(Check *c, const Node *n) {
    if (!n->name || !(isalpha((unsigned char)n->name[0]) || n->name[0] == '_')) {
        broken(c, "not a name");
    }
    for (const char *s = n->name; *s; s++) {
        if (!isalnum((unsigned char)*s) && *s != '_') broken(c, "not an identifier");
    }
    if (names_get(c->names, n->name)) broken(c, "its name is not unique");
    names_set(c->names, n->name, (void *)n);
}

static void check_shape(Check *c, const Node *n) {
    if (n->rank < 0 || n->rank > MAX_RANK) broken(c, "rank %d", n->rank);
    for (int i = 0; i < n->rank; i++) {
        if (n->shape[i] < 1) broken(c, "extent %ld", n->shape[i]);
    }
    if (n->batched && (n->rank == 0 || n->shape[0] != c->g->batch)) broken(c, "no sample axis");
    if (n->type == T_F64) broken(c, "a tensor of doubles");
    if (n->bytes && n->type != T_I32) broken(c, "bytes that are not i32");
}

static bool same_shape(int rank, const long *a, int other_rank, const long *b) {
    return rank == other_rank && (rank == 0 || !memcmp(a, b, sizeof *a * (size_t)rank));
}

static void check_leaf(Check *c, const Node *n) {
    bool listed = n->kind != NODE_INPUT;
    for (int i = 0; i < c->g->inputs.n; i++) listed |= c->g->inputs.at[i] == n;
    if (!listed) broken(c, "not among the inputs");
    if (n->kind == NODE_STORED) {
        if (!n->stored || n->type != T_F32 || n->batched) broken(c, "no stored tensor");
        if (!same_shape(n->rank, n->shape, n->stored->rank, n->stored->shape)) {
            broken(c, "not of the shape of %s", n->stored->name);
        }
    }
    if (n->kind == NODE_GRAD) {
        if (!n->of || n->of->type != T_F32) broken(c, "the gradient of no float tensor");
        if (!same_shape(n->rank, n->shape, n->of->rank, n->of->shape)) {
            broken(c, "not of the shape of %s", n->of->name);
        }
    }
}

static void check_vars(Check *c, const Node *n) {
    for (int i = 0; i < n->rank; i++) {
        const Var *v = n->var[i];
        if (!v || v->lo != 0 || v->hi != n->shape[i] - 1) broken(c, "variable %d", i);
        if (v->batch != (n->batched && i == 0)) broken(c, "%s: the wrong axis is batch", v->name);
        for (int j = 0; j < i; j++) {
            if (n->var[j] == v) broken(c, "%s twice", v->name);
        }
    }
    for (int i = 0; i < n->n_rvars; i++) {
        const Var *v = n->rvar[i];
        if (v->lo > v->hi) broken(c, "%s has no values", v->name);
        if (v->batch && (v->lo != 0 || v->hi != c->g->batch - 1)) {
            broken(c, "%s is not the samples", v->name);
        }
        for (int j = 0; j < n->rank; j++) {
            if (n->var[j] == v) broken(c, "%s twice", v->name);
        }
        for (int j = 0; j < i; j++) {
            if (n->rvar[j] == v) broken(c, "%s twice", v->name);
        }
    }
}

static const Level *level_of(const Node *n, const Var *v, long div) {
    for (int l = 0; l < n->n_levels; l++) {
        const Level *level = &n->levels[l];
        if (level->var == v && level->div == div && level->count > 1) return level;
    }
    return NULL;
}

/* The pieces of each reduction variable, from the finest, must follow each other and cover it.
 * Levels of one value are harmless. */
static void check_levels(Check *c, const Node *n) {
    int used = 0, of_one = 0;
    for (int l = 0; l < n->n_levels; l++) {
        int count = n->levels[l].count;
        of_one += count == 1;
        if (count < 1) broken(c, "a level without values");
        if (n->levels[l].kind == LEVEL_LANES && (count & (count - 1))) {
            broken(c, "%d lanes, which no tree halves", count);
        }
    }
    for (int i = 0; i < n->n_rvars; i++) {
        const Var *v = n->rvar[i];
        long covered = 1;
        for (const Level *l; (l = level_of(n, v, covered)); used++) covered *= l->count;
        if (covered < v->hi + 1 || v->lo != 0) broken(c, "its levels do not cover %s", v->name);
    }
    if (used + of_one != n->n_levels) broken(c, "levels over nothing, or twice over one piece");
}

static void check_scan(Check *c, const Node *n) {
    if (!n->component) {
        if (n->scan >= 0) broken(c, "a step's axis outside a recurrence");
        return;
    }
    if (n->scan < 0 || n->scan >= n->rank || (n->scan_step != 1 && n->scan_step != -1)) {
        broken(c, "a recurrence without axis");
    }
}

static void check_comp(Check *c, const Node *n) {
    bool arg = n->reduce == REDUCE_ARGMAX || n->reduce == REDUCE_ARGMIN;
    if (!n->body) broken(c, "no body");
    if (n->reduce == REDUCE_NONE && n->n_rvars) broken(c, "variables without a reduction");
    if (arg && (n->init || n->type != T_I32)) broken(c, "not a plain %s", reduce_names[n->reduce]);
    if (n->reduce != REDUCE_NONE && n->body->type != T_F32 && n->body->type != T_I32) {
        broken(c, "%s of %s", reduce_names[n->reduce], type_names[n->body->type]);
    }
    check_vars(c, n);
    check_scan(c, n);
    if (n->guard) check_root(c, n->guard, T_BOOL, NULL, true);
    if (!is_false(n->guard)) {
        check_root(c, n->body, arg ? n->body->type : n->type, n->guard, true);
    }
    if (n->init) check_root(c, n->init, n->type, NULL, false);
    if (n->n_levels) check_levels(c, n);
}

static void check_node(Check *c, const Node *n, int at) {
    c->node = n;
    if (n->id != at) broken(c, "its id is %d, its place %d", n->id, at);
    check_name(c, n);
    check_shape(c, n);
    if (n->kind == NODE_COMP) {
        check_comp(c, n);
    } else {
        check_leaf(c, n);
    }
}

/* --- the graph --- */

static void check_ends(Check *c) {
    const Graph *g = c->g;
    for (int i = 0; i < g->inputs.n; i++) {
        const Node *n = g->inputs.at[i];
        if (n->kind != NODE_INPUT || g->nodes.at[n->id] != n) broken(c, "input %s", n->name);
    }
    for (int i = 0; i < g->n_outputs; i++) {
        const Node *n = g->output[i].node;
        if (g->nodes.at[n->id] != n) broken(c, "output %s is not in the graph", n->name);
    }
    for (int i = 0; i < g->n_updates; i++) {
        const Node *n = g->update[i].next;
        const Stored *s = g->update[i].stored;
        if (g->nodes.at[n->id] != n) broken(c, "update %s is not in the graph", n->name);
        if (n->batched || n->type != T_F32 ||
            !same_shape(n->rank, n->shape, s->rank, s->shape)) {
            broken(c, "%s does not fit %s", n->name, s->name);
        }
        for (int j = 0; j < i; j++) {
            if (g->update[j].stored == s) broken(c, "two updates of %s", s->name);
        }
    }
}

void graph_verify(const Graph *g, const char *pass) {
    Check c = {.g = g, .pool = g->program->pool, .arena = arena_new(), .pass = pass};
    c.names = names_new(c.arena);
    for (int i = 0; i < g->nodes.n; i++) check_node(&c, g->nodes.at[i], i);
    c.node = NULL;
    check_ends(&c);
    arena_free(c.arena);
}
