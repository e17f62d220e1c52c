/* rewrite_merge.c: parameters that training reads only in sums are kept as those sums.
 *
 * Requires: sorted graphs, folded. Where each step adds the same to all terms of a sum,
 *
 *     F[v] = sum(r) W[e(v, r)],  W'[e(v, r)] = W[e(v, r)] + u(v)   and so   F' = F + terms * u
 *
 * and training reads W in that sum alone, the sums S are stored beside W, init makes them, and a
 * step updates S and leaves W as it is: there are fewer elements of S, and no sum to make anew. A
 * function `settle` brings W after S from time to time, and S is then what W sums up to, so that
 * W alone is what is saved:
 *
 *     W'[i] = W[i] + (S[v(i)] - F[v(i)]) / terms,    S'[v] = sum(r) W'[e(v, r)]
 *
 * At step 0 it has been given a W, and only makes S. Evaluation reads S too.
 */
#include "passes.h"
#include "rewrite.h"

typedef struct Merge {
    Program *program;
    Pool *pool;
    Arena *arena;
    Stored *stored, *sums;
    Node *next;    /* of stored, in train */
    Node *sum;     /* what train reads of it */
    Expr *read;    /* the term of sum */
    double terms;
    Map *inverse;  /* the variables of sum, over `element` */
    Var *element[MAX_RANK]; /* an index of stored */
} Merge;

/* --- the one sum --- */

static bool reads_stored(Graph *g, const Node *n, const Stored *s) {
    Node **read;
    int count = node_reads(g->program->arena, n, &read);
    for (int i = 0; i < count; i++)
        if (read[i]->kind == NODE_STORED && read[i]->stored == s) return true;
    return false;
}

static bool is_plain_sum(const Node *n) {
    return n->kind == NODE_COMP && n->reduce == REDUCE_SUM && !n->guard && !n->init &&
           !n->batched && !n->component && n->body->op == OP_READ;
}

/* The only node but `next` that reads the tensor, where it sums up elements; or null. */
static Node *find_sum(Graph *g, const Stored *s, const Node *next) {
    Node *found = NULL;
    for (int i = 0; i < g->nodes.n; i++) {
        Node *n = g->nodes.at[i];
        if (n == next || !reads_stored(g, n, s)) continue;
        if (found || !is_plain_sum(n) || n->body->node->stored != s) return NULL;
        found = n;
    }
    return found;
}

static int n_variables(const Node *n) { return n->rank + n->n_rvars; }

static Var *variable(const Node *n, int i) {
    return i < n->rank ? n->var[i] : n->rvar[i - n->rank];
}

/* What e, an index along an axis, counts v by; 0 where it does not, or not plainly. */
static long unit_of(Pool *p, Expr *e, const Var *v) {
    long unit;
    Expr *rest;
    return e_affine(p, e, v, &unit, &rest) && unit > 0 ? unit : 0;
}

/* Is e a number whose digits are variables, every value of the axis once? Notes each by element. */
static bool invert_axis(Merge *m, Expr *e, int axis) {
    long unit = 1, extent = m->stored->shape[axis];
    Expr *left = e, *element = e_var(m->pool, m->element[axis]);
    while (unit < extent) {
        Var *digit = NULL;
        for (int i = 0; i < n_variables(m->sum) && !digit; i++) {
            Var *v = variable(m->sum, i);
            if (v->hi > 0 && unit_of(m->pool, e, v) == unit) digit = v;
        }
        if (!digit || digit->lo || map_get(m->inverse, digit)) return false;
        long count = digit->hi + 1;
        Expr *value = e_op(m->pool, OP_IDIV, element, e_int(m->pool, unit), NULL);
        value = e_op(m->pool, OP_IMOD, value, e_int(m->pool, count), NULL);
        map_set(m->inverse, digit, value);
        left = e_subst1(m->pool, left, digit, e_int(m->pool, 0));
        unit *= count;
    }
    return unit == extent && is_int(left, 0);
}

/* Is each element of the tensor a term of one sum, once? */
static bool invert(Merge *m) {
    m->inverse = map_new(m->arena);
    for (int i = 0; i < m->stored->rank; i++)
        m->element[i] = var_new(m->pool, "i", m->stored->shape[i]);
    for (int i = 0; i < m->stored->rank; i++)
        if (!invert_axis(m, m->read->arg[i], i)) return false;
    m->terms = 1;
    for (int i = 0; i < n_variables(m->sum); i++) {
        Var *v = variable(m->sum, i);
        if (v->lo || (v->hi && !map_get(m->inverse, v))) return false;
        if (!v->hi) map_set(m->inverse, v, e_int(m->pool, 0));
        if (i >= m->sum->rank) m->terms *= (double)v->hi + 1;
    }
    return true;
}

/* --- what a step adds --- */

static bool uses_terms(const Merge *m, Expr *e) {
    bool uses = false;
    for (int i = 0; i < m->sum->n_rvars; i++) uses |= e_uses(e, m->sum->rvar[i]);
    return uses;
}

/* Reads that may be the same for all terms are looked through. */
static Expr *look_through(void *context, Expr *e) {
    Merge *m = context;
    if (e->op != OP_READ || !uses_terms(m, e)) return e;
    const Node *n = e->node;
    if (n->kind != NODE_COMP || n->reduce != REDUCE_NONE || n->guard || n->init || n->component)
        return e;
    return e_rewrite(m->pool, node_expr_at(m->pool, n, n->body, e->arg), look_through, m);
}

/* What is added to every term of the sum; null where that differs or is no sum. */
static Expr *find_added(Merge *m) {
    const Node *n = m->next;
    Pool *p = m->pool;
    if (n->kind != NODE_COMP || n->reduce != REDUCE_NONE || n->guard || n->component) return NULL;
    if (n->body->op != OP_ADD && n->body->op != OP_SUB) return NULL;
    const Expr *old = n->body->arg[0];
    if (old->op != OP_READ || old->node->kind != NODE_STORED || old->node->stored != m->stored)
        return NULL;
    for (int i = 0; i < n->rank; i++)
        if (n->shape[i] > 1 && (old->arg[i]->op != OP_VAR || old->arg[i]->var != n->var[i]))
            return NULL;
    Expr *added = n->body->arg[1];
    if (n->body->op == OP_SUB) added = e_op(p, OP_NEG, added, NULL, NULL);
    added = e_rewrite(p, node_expr_at(p, n, added, m->read->arg), look_through, m);
    return uses_terms(m, added) ? NULL : added;
}

/* --- sums in other graphs --- */

static void copy_rvars(Pool *p, Node *to, const Node *from, Map *map) {
    to->reduce = from->reduce;
    to->rvar = NEW_ARRAY(pool_arena(p), Var *, from->n_rvars);
    for (int i = 0; i < from->n_rvars; i++) {
        const Var *v = from->rvar[i];
        Var *new = to->rvar[to->n_rvars++] = var_range(p, v->name, v->lo, v->hi);
        new->batch = v->batch;
        map_set(map, v, e_var(p, new));
    }
}

/* A node like `sum` over another tensor. */
static Node *sums_of(Merge *m, Graph *g, Node *of, const char *name) {
    const Node *sum = m->sum;
    Node *n = graph_comp(g, name, T_F32, sum->rank, sum->shape, false);
    Map *map = map_new(m->arena);
    for (int i = 0; i < n->rank; i++) map_set(map, sum->var[i], e_var(m->pool, n->var[i]));
    copy_rvars(m->pool, n, sum, map);
    n->layer = sum->layer;
    n->body = e_subst(m->pool, e_read(m->pool, of, m->read->arg, m->stored->rank), map);
    return n;
}

static const char *next_name(Merge *m, const Stored *s) {
    return arena_printf(m->arena, "next_%s", s->ident);
}

static void make_in_init(Merge *m) {
    Graph *g = m->program->init;
    for (int i = 0; i < g->n_updates; i++) {
        if (g->update[i].stored != m->stored) continue;
        graph_update(g, m->sums, sums_of(m, g, g->update[i].next, next_name(m, m->sums)));
        break;
    }
    graph_sort(g);
}

static Expr *at_element(Merge *m, Node *of) {
    Expr *index[MAX_RANK];
    for (int i = 0; i < m->sum->rank; i++) index[i] = map_get(m->inverse, m->sum->var[i]);
    return e_read(m->pool, of, index, m->sum->rank);
}

static void make_settle(Merge *m) {
    Pool *p = m->pool;
    Graph *g = m->program->settle;
    Node *stored = graph_stored(g, m->stored), *sums = graph_stored(g, m->sums);
    Node *before = sums_of(m, g, stored, arena_printf(m->arena, "%s_before", m->sums->ident));
    Node *next = graph_comp(g, next_name(m, m->stored), T_F32, m->stored->rank, m->stored->shape,
                            false);
    Expr *own[MAX_RANK];
    Map *map = map_new(m->arena);
    for (int i = 0; i < next->rank; i++) {
        own[i] = e_var(p, next->var[i]);
        map_set(map, m->element[i], own[i]);
    }
    Expr *change = e_sub(p, at_element(m, sums), at_element(m, before));
    change = e_op(p, OP_DIV, change, e_num(p, T_F32, m->terms), NULL);
    Expr *step = e_op(p, OP_ROUND, e_host(p, HOST_STEP), NULL, NULL);
    Expr *trained = e_op(p, OP_LT, e_num(p, T_F32, 0), step, NULL);
    change = e_select(p, trained, e_subst(p, change, map), e_num(p, T_F32, 0));
    next->body = e_add(p, e_read(p, stored, own, next->rank), change);
    next->layer = m->sum->layer;
    graph_update(g, m->stored, next);
    graph_update(g, m->sums, sums_of(m, g, next, next_name(m, m->sums)));
    graph_sort(g);
}

/* --- train --- */

static void replace(Merge *m, Graph *g, Node *from, Node *to) {
    for (int i = 0; i < g->nodes.n; i++) node_redirect(m->pool, g->nodes.at[i], from, to);
}

typedef struct Move {
    Merge *m;
    Node *next;
} Move;

/* A sum that only this update reads is made in the order of the update's elements. */
static Expr *move_sum(void *context, Expr *e) {
    Move *x = context;
    Merge *m = x->m;
    Graph *g = m->program->train;
    if (e->op != OP_READ || e->node->kind != NODE_COMP) return e;
    Node *old = e->node;
    if (old->reduce != REDUCE_SUM || old->component || old->batched || old->init ||
        node_uses(g, old) != 1)
        return e;
    Node *n = graph_comp(g, old->name, T_F32, x->next->rank, x->next->shape, false);
    Map *map = map_new(m->arena);
    Expr *own[MAX_RANK];
    for (int i = 0; i < n->rank; i++) {
        own[i] = e_var(m->pool, x->next->var[i]);
        map_set(map, x->next->var[i], e_var(m->pool, n->var[i]));
    }
    copy_rvars(m->pool, n, old, map);
    n->layer = old->layer;
    n->body = e_subst(m->pool, node_expr_at(m->pool, old, old->body, e->arg), map);
    n->guard = old->guard ? e_subst(m->pool, node_expr_at(m->pool, old, old->guard, e->arg), map)
                          : NULL;
    return e_read(m->pool, n, own, n->rank);
}

static void update_sums(Merge *m, int update, Expr *added) {
    Pool *p = m->pool;
    Graph *g = m->program->train;
    Node *next = graph_comp(g, next_name(m, m->sums), T_F32, m->sum->rank, m->sum->shape, false);
    Expr *own[MAX_RANK];
    Map *map = map_new(m->arena);
    for (int i = 0; i < next->rank; i++) {
        own[i] = e_var(p, next->var[i]);
        map_set(map, m->sum->var[i], own[i]);
    }
    Node *sums = graph_stored(g, m->sums);
    next->body = e_read(p, sums, own, next->rank);
    Move move = {m, next};
    added = e_rewrite(p, e_subst(p, added, map), move_sum, &move);
    next->body = e_add(p, next->body, e_mul(p, e_num(p, T_F32, m->terms), added));
    next->layer = m->next->layer;
    g->update[update].stored = m->sums;
    g->update[update].next = next;
    replace(m, g, m->sum, sums);
    graph_sort(g);
}

/* --- evaluation --- */

/* Are n's elements those of the sum, over the same tensor? */
static bool is_same_sum(Merge *m, const Node *n) {
    const Node *sum = m->sum;
    if (n->rank != sum->rank || n->n_rvars != sum->n_rvars || !is_plain_sum(n)) return false;
    Map *map = map_new(m->arena);
    for (int i = 0; i < n_variables(n); i++) {
        const Var *v = variable(n, i), *w = variable(sum, i);
        if (v->lo != w->lo || v->hi != w->hi) return false;
        map_set(map, v, e_var(m->pool, (Var *)w));
    }
    const Expr *read = e_subst(m->pool, n->body, map);
    if (read->node->kind != NODE_STORED || read->node->stored != m->stored) return false;
    for (int i = 0; i < read->n; i++)
        if (read->arg[i] != m->read->arg[i]) return false;
    return true;
}

static void read_sums(Merge *m, Graph *g) {
    int n = g->nodes.n;
    for (int i = 0; i < n; i++) {
        Node *node = g->nodes.at[i], old = *node;
        if (!reads_stored(g, node, m->stored)) continue;
        Node *sum = fold_stored(g, node, m->stored);
        if (sum && is_same_sum(m, sum)) replace(m, g, sum, graph_stored(g, m->sums));
        else *node = old;
    }
    graph_sort(g);
}

/* --- all --- */

static Stored *new_sums(Merge *m) {
    Stored *s = NEW(m->arena, Stored);
    *s = (Stored){.name = arena_printf(m->arena, "%s.sums", m->stored->name),
                  .ident = arena_printf(m->arena, "%s_sums", m->stored->ident),
                  .kind = STORED_SUMS, .rank = m->sum->rank};
    for (int i = 0; i < s->rank; i++) s->shape[i] = m->sum->shape[i];
    PUSH(m->arena, m->program->stored, s);
    return s;
}

static void merge(Program *program, int update) {
    Graph *train = program->train;
    Merge m = {.program = program, .pool = program->pool, .arena = program->arena,
               .stored = train->update[update].stored, .next = train->update[update].next};
    m.sum = find_sum(train, m.stored, m.next);
    if (!m.sum) return;
    m.read = m.sum->body;
    Expr *added = invert(&m) ? find_added(&m) : NULL;
    if (!added) return;
    m.sums = new_sums(&m);
    make_in_init(&m);
    make_settle(&m);
    update_sums(&m, update, added);
    read_sums(&m, program->eval);
    read_sums(&m, program->predict);
}

void rewrite_merge(Program *p) {
    for (int i = 0; i < p->train->n_updates; i++) merge(p, i);
}
