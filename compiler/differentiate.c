/* differentiate.c: adjoints as comprehensions.
 *
 * Requires: a graph whose output "loss" is a scalar, where it has nodes of kind GRAD. Establishes:
 * those are computed nodes; no stop(x), and no derivative of its own, is left.
 *
 * The adjoint of a tensor X is a sum over the reads of X. One in the term of a comprehension over
 * (i, j), X[e(i, j)] under the guard g, adds to it
 *     dX[a] += sum(i, j) [a == e(i, j) and g] dOut[i] * dTerm / dRead
 * which solve.c makes a loop without the equalities; one in an initial value has no j. A maximum
 * passes its adjoint to its first winner, a product multiplies by the products of the terms before
 * and behind. Terms that need no reduction become one expression, from which the first of the
 * reductions starts; each further one starts from the one before.
 *
 * Adjoints are made on demand, a node's after those of its readers. Those of a recurrence need each
 * other: all are created, then each is filled, and they are a recurrence the other way.
 */
#include "accum.h"
#include "derive.h"
#include "passes.h"
#include <string.h>

typedef struct Info { /* of a node on the way from a wanted tensor to the loss */
    NodeList readers; /* that are on it too */
    Node *adjoint, *target; /* target: the node of kind GRAD */
    bool created, zero, derived;
    Slopes term, init;
    Node *winner; /* of a maximum or minimum */
} Info;

typedef struct Diff {
    Graph *g;
    Pool *pool;
    Arena *arena;
    Node *loss;
    Map *active; /* from node to Info */
} Diff;

static Info *info_of(const Diff *d, const Node *n) { return map_get(d->active, n); }

static Expr *self_read(const Diff *d, Node *of, const Node *by) {
    return e_read(d->pool, of, vars_index(d->pool, by->var, by->rank), by->rank);
}

/* --- which tensors have an adjoint --- */

/* The tensors of which n has derivatives. */
static NodeList arguments(const Diff *d, const Node *n) {
    NodeList list = {0};
    if (n->kind != NODE_COMP || n->type != T_F32) return list;
    for (int i = 0; i < n->n_custom; i++) derivable_reads(d->arena, n->custom[i].arg, &list);
    if (n->n_custom == 0) derivable_reads(d->arena, n->body, &list);
    if (n->init) derivable_reads(d->arena, n->init, &list);
    return list;
}

/* Marks what depends on a tensor whose adjoint is wanted. */
static Map *find_dependent(const Diff *d, NodeList *args) {
    Map *dependent = map_new(d->arena);
    bool changed = true;
    for (int i = 0; i < d->g->nodes.n; i++) {
        Node *n = d->g->nodes.at[i];
        if (n->kind == NODE_GRAD) map_set(dependent, n->of, n->of);
    }
    while (changed) { /* a second time for recurrences only */
        changed = false;
        for (int i = 0; i < d->g->nodes.n; i++) {
            Node *n = d->g->nodes.at[i];
            for (int j = 0; j < args[i].n && !map_get(dependent, n); j++) {
                if (!map_get(dependent, args[i].at[j])) continue;
                map_set(dependent, n, n);
                changed = true;
            }
        }
    }
    return dependent;
}

static void activate(Diff *d, Node *n, const Map *dependent) {
    if (info_of(d, n) || !map_get(dependent, n)) return;
    map_set(d->active, n, NEW(d->arena, Info));
    NodeList args = arguments(d, n);
    for (int i = 0; i < args.n; i++) {
        activate(d, args.at[i], dependent);
        Info *x = info_of(d, args.at[i]);
        if (x) PUSH(d->arena, x->readers, n);
    }
}

static void find_active(Diff *d) {
    NodeList *args = NEW_ARRAY(d->arena, NodeList, d->g->nodes.n);
    for (int i = 0; i < d->g->nodes.n; i++) args[i] = arguments(d, d->g->nodes.at[i]);
    d->active = map_new(d->arena);
    activate(d, d->loss, find_dependent(d, args));
}

/* --- the derivatives by the reads of one node --- */

/* The first winner of a maximum or minimum: its number, by the same terms. */
static Node *winner_of(Diff *d, Node *n) {
    Info *x = info_of(d, n);
    if (x->winner) return x->winner;
    const char *name = arena_printf(d->arena, "%s_arg", n->name);
    Node *w = x->winner = graph_comp(d->g, name, T_I32, n->rank, n->shape, n->batched);
    Map *map = map_new(d->arena);
    w->reduce = n->reduce == REDUCE_MAX ? REDUCE_ARGMAX : REDUCE_ARGMIN;
    w->n_rvars = n->n_rvars;
    w->rvar = NEW_ARRAY(d->arena, Var *, n->n_rvars);
    w->layer = n->layer;
    vars_rename(d->pool, n->rvar, n->n_rvars, w->rvar, map);
    for (int i = 0; i < n->rank; i++) map_set(map, n->var[i], e_var(d->pool, w->var[i]));
    w->guard = e_subst(d->pool, n->guard, map);
    w->body = e_subst(d->pool, n->body, map);
    return w;
}

static void derive_extremum(Diff *d, Node *n, Expr *seed) {
    Expr *winner = self_read(d, winner_of(d, n), n);
    Expr *number = vars_number(d->pool, n->rvar, n->n_rvars);
    Expr *cond = e_op(d->pool, OP_EQ, number, winner, NULL);
    derive(d->pool, n->body, cond, seed, d->active, &info_of(d, n)->term);
}

/* The tensor over n's variables and one more, the number of a term, of extent `terms`. */
static Node *over_terms(Diff *d, Node *n, const char *suffix, long terms) {
    long shape[MAX_RANK + 1];
    if (n->rank == MAX_RANK) die("the derivative of %s needs an axis more", n->name);
    for (int i = 0; i < n->rank; i++) shape[i] = n->shape[i];
    shape[n->rank] = terms;
    const char *name = arena_printf(d->arena, "%s_%s", n->name, suffix);
    Node *t = graph_comp(d->g, name, n->type, n->rank + 1, shape, n->batched);
    t->layer = n->layer;
    return t;
}

/* The terms of a product as a tensor, 1 where absent. */
static Node *terms_of(Diff *d, Node *n, long terms) {
    Pool *p = d->pool;
    Node *t = over_terms(d, n, "terms", terms);
    Map *map = map_new(d->arena);
    Expr *number = e_var(p, t->var[n->rank]), *exists = NULL;
    long stride = terms;
    for (int i = 0; i < n->rank; i++) map_set(map, n->var[i], e_var(p, t->var[i]));
    for (int i = 0; i < n->n_rvars; i++) {
        Var *v = n->rvar[i];
        long extent = v->hi - v->lo + 1;
        stride /= extent;
        Expr *digit = e_op(p, OP_IDIV, number, e_int(p, stride), NULL);
        digit = e_offset(p, e_op(p, OP_IMOD, digit, e_int(p, extent), NULL), v->lo);
        map_set(map, v, digit);
        if (v->batch) exists = e_op(p, OP_LT, digit, e_host(p, HOST_COUNT), NULL);
    }
    t->guard = e_and(p, exists, e_subst(p, n->guard, map));
    t->body = e_subst(p, n->body, map);
    t->init = e_num(p, T_F32, 1);
    return t;
}

/* The product of `first` and the terms before (step 1) or behind (step -1) each. */
static Node *products_of(Diff *d, Node *n, Node *terms, int step, Expr *first) {
    Pool *p = d->pool;
    Node *t = over_terms(d, n, step > 0 ? "before" : "behind", terms->shape[n->rank]);
    Expr *at = e_var(p, t->var[n->rank]), **index = vars_index(p, t->var, t->rank);
    Map *map = map_new(d->arena);
    for (int i = 0; i < n->rank; i++) map_set(map, n->var[i], e_var(p, t->var[i]));
    index[n->rank] = e_offset(p, at, -step);
    t->guard = step > 0 ? e_op(p, OP_LT, e_int(p, 0), at, NULL)
                        : e_op(p, OP_LT, at, e_int(p, t->shape[n->rank] - 1), NULL);
    t->body = e_mul(p, e_read(p, t, index, t->rank), e_read(p, terms, index, t->rank));
    t->init = e_subst(p, first, map);
    return t;
}

static Expr *read_term(Diff *d, Node *n, Node *terms, Expr *number) {
    Expr **index = NEW_ARRAY(d->arena, Expr *, n->rank + 1);
    for (int i = 0; i < n->rank; i++) index[i] = e_var(d->pool, n->var[i]);
    index[n->rank] = number;
    return e_read(d->pool, terms, index, n->rank + 1);
}

static void derive_product(Diff *d, Node *n, Expr *seed) {
    Pool *p = d->pool;
    Info *x = info_of(d, n);
    long count = 1;
    for (int i = 0; i < n->n_rvars; i++) count *= n->rvar[i]->hi - n->rvar[i]->lo + 1;
    Expr *one = e_num(p, T_F32, 1), *number = vars_number(p, n->rvar, n->n_rvars);
    Node *terms = terms_of(d, n, count);
    Node *before = products_of(d, n, terms, 1, n->init ? n->init : one);
    Node *behind = products_of(d, n, terms, -1, one);
    Expr *others = e_mul(p, read_term(d, n, before, number), read_term(d, n, behind, number));
    derive(p, n->body, NULL, e_mul(p, seed, others), d->active, &x->term);
    if (!n->init) return;
    Expr *first = e_int(p, 0);
    Expr *all = e_mul(p, read_term(d, n, terms, first), read_term(d, n, behind, first));
    derive(p, n->init, NULL, e_mul(p, seed, all), d->active, &x->init);
}

typedef struct Reuse {
    Expr *value, *by;
} Reuse;

static Expr *reuse(void *context, Expr *e) {
    Reuse *r = context;
    return e == r->value ? r->by : e;
}

/* What took long to compute, and is the node's value, is read rather than computed again. */
static void derive_elementwise(Diff *d, Node *n, Expr *seed) {
    Pool *p = d->pool;
    Info *x = info_of(d, n);
    for (int i = 0; i < n->n_custom; i++) {
        Expr *by = e_mul(p, seed, n->custom[i].by);
        derive(p, n->custom[i].arg, NULL, by, d->active, &x->term);
    }
    if (n->n_custom == 0) derive(p, n->body, NULL, seed, d->active, &x->term);
    if (n->init && n->guard) {
        Expr *otherwise = e_op(p, OP_NOT, n->guard, NULL, NULL);
        derive(p, n->init, otherwise, seed, d->active, &x->init);
    }
    Op op = n->body->op;
    if (op != OP_EXP && op != OP_TANH && op != OP_SQRT && op != OP_DIV) return;
    Reuse r = {n->body, self_read(d, n, n)};
    for (int i = 0; i < x->term.n; i++) {
        x->term.at[i].value = e_rewrite(p, x->term.at[i].value, reuse, &r);
    }
}

static Node *adjoint_of(Diff *d, Node *n);

static void derive_node(Diff *d, Node *n) {
    Info *x = info_of(d, n);
    Node *adjoint = n == d->loss ? NULL : adjoint_of(d, n);
    if (x->derived) return;
    x->derived = true;
    if (x->zero) return;
    Expr *seed = adjoint ? self_read(d, adjoint, n) : e_num(d->pool, T_F32, 1);
    switch (n->reduce) {
    case REDUCE_NONE: derive_elementwise(d, n, seed); break;
    case REDUCE_SUM:
        derive(d->pool, n->body, NULL, seed, d->active, &x->term);
        if (n->init) derive(d->pool, n->init, NULL, seed, d->active, &x->init);
        break;
    case REDUCE_PROD: derive_product(d, n, seed); break;
    case REDUCE_MAX:
    case REDUCE_MIN: derive_extremum(d, n, seed); break;
    default: die("%s has no derivative", n->name);
    }
}

/* --- the sum over the reads --- */

typedef VEC(Accum) Accums;

static void find_float(void *found, Expr *e) {
    if (e->op == OP_READ && e->type == T_F32) *(bool *)found = true;
}

/* Conditions on tensors of floats stay in the term: a guard has loops to decide. */
static void require(Accum *a, Expr *cond) {
    Expr **part, *here = NULL;
    int n = e_conjuncts(pool_arena(a->pool), cond, &part);
    for (int i = 0; i < n; i++) {
        bool is_float = false;
        e_visit(part[i], find_float, &is_float);
        if (is_float) {
            here = e_and(a->pool, here, part[i]);
        } else {
            a->guard = e_and(a->pool, a->guard, part[i]);
        }
    }
    if (here) a->body = e_select(a->pool, here, a->body, e_num(a->pool, T_F32, 0));
}

/* What a read of `n`, which has the index variables a, adds to its adjoint. */
static void add_slope(Diff *d, Node *reader, const Slope *s, bool is_init, Node *a, Accums *out) {
    Pool *p = d->pool;
    Accum acc = {.pool = p};
    Map *map = map_new(d->arena);
    int inner = is_init ? 0 : reader->n_rvars;
    Var **var = NEW_ARRAY(d->arena, Var *, reader->rank + inner);
    vars_rename(p, reader->var, reader->rank, var, map);
    vars_rename(p, reader->rvar, inner, var + reader->rank, map);
    for (int i = 0; i < reader->rank + inner; i++) PUSH(d->arena, acc.rvar, var[i]);
    for (int i = 0; i < a->rank; i++) {
        Expr *index = e_subst(p, s->read->arg[i], map);
        acc.guard = e_and(p, acc.guard, e_op(p, OP_EQ, e_var(p, a->var[i]), index, NULL));
    }
    acc.body = e_subst(p, s->value, map);
    if (!is_init) acc.guard = e_and(p, acc.guard, e_subst(p, reader->guard, map));
    if (s->cond) require(&acc, e_subst(p, s->cond, map));
    accum_solve(&acc);
    if (!is_false(acc.guard)) PUSH(d->arena, *out, acc);
}

static void add_slopes(Diff *d, Node *n, Node *reader, Node *a, Accums *out) {
    derive_node(d, reader);
    const Info *x = info_of(d, reader);
    for (int i = 0; i < x->term.n; i++) {
        if (x->term.at[i].read->node == n) add_slope(d, reader, &x->term.at[i], false, a, out);
    }
    for (int i = 0; i < x->init.n; i++) {
        if (x->init.at[i].read->node == n) add_slope(d, reader, &x->init.at[i], true, a, out);
    }
}

static bool apart(const Accum *a, const Accum *b) {
    return is_false(e_and(a->pool, a->guard, b->guard));
}

/* The sum of accumulations that are one term each, those of which only one can be present as a
 * choice. */
static Expr *sum_of_terms(Diff *d, const Accums *flat) {
    Expr *sum = NULL, *zero = e_num(d->pool, T_F32, 0);
    bool *done = NEW_ARRAY(d->arena, bool, flat->n);
    for (int i = 0; i < flat->n; i++) {
        if (done[i]) continue;
        Accums choice = {0};
        for (int j = i; j < flat->n; j++) {
            bool fits = !done[j];
            for (int k = 0; k < choice.n && fits; k++) fits = apart(&choice.at[k], &flat->at[j]);
            if (!fits) continue;
            done[j] = true;
            PUSH(d->arena, choice, flat->at[j]);
        }
        Expr *e = zero;
        for (int k = choice.n - 1; k >= 0; k--) {
            const Accum *a = &choice.at[k];
            e = is_true(a->guard) ? a->body : e_select(d->pool, a->guard, a->body, e);
        }
        sum = sum ? e_add(d->pool, sum, e) : e;
    }
    return sum;
}

static bool has_name(Var *const *v, int n, const char *name) {
    for (int i = 0; i < n; i++) {
        if (!strcmp(v[i]->name, name)) return true;
    }
    return false;
}

/* Names for people: i, i2, i3. */
static void name_rvars(Diff *d, Node *n) {
    for (int i = 0; i < n->n_rvars; i++) {
        const char *base = n->rvar[i]->name, *name = base;
        for (int k = 2; has_name(n->var, n->rank, name) || has_name(n->rvar, i, name); k++) {
            name = arena_printf(d->arena, "%s%d", base, k);
        }
        n->rvar[i]->name = name;
    }
}

/* Makes n the sum over a from init on; `map` takes their index variables to n's. */
static void set_sum(Diff *d, Node *n, const Accum *a, Expr *init, const Map *map) {
    n->reduce = REDUCE_SUM;
    n->rvar = a->rvar.at;
    n->n_rvars = a->rvar.n;
    name_rvars(d, n);
    n->guard = e_subst(d->pool, a->guard, map);
    n->body = e_subst(d->pool, a->body, map);
    n->init = e_subst(d->pool, init, map);
}

static Map *to_vars_of(Diff *d, const Node *n, const Node *like) {
    Map *map = map_new(d->arena);
    for (int i = 0; i < n->rank; i++) map_set(map, like->var[i], e_var(d->pool, n->var[i]));
    return map;
}

static Node *partial_sum(Diff *d, const Node *like) {
    Node *n = graph_comp(d->g, like->name, T_F32, like->rank, like->shape, like->batched);
    n->layer = like->layer;
    return n;
}

/* The axis of dx, not the samples', that the guard of `a` fixes to a constant, or -1. */
static int fixed_axis(Diff *d, const Node *dx, const Accum *a, Expr **cond, Expr **value) {
    Expr **part, *rest;
    long coef;
    int n = e_conjuncts(d->arena, a->guard, &part);
    for (int i = 0; i < n; i++) {
        if (part[i]->op != OP_EQ || part[i]->arg[0]->type != T_I32) continue;
        Expr *sum = e_sub(d->pool, part[i]->arg[0], part[i]->arg[1]);
        for (int m = dx->batched; m < dx->rank; m++) {
            if (!e_affine(d->pool, sum, dx->var[m], &coef, &rest)) continue;
            if ((coef != 1 && coef != -1) || !is_const(rest)) continue;
            *cond = part[i];
            *value = e_scale(d->pool, rest, -coef);
            return m;
        }
    }
    return -1;
}

/* A sum that is there for one value of an axis of dx only, t == T - 1 say, is made a tensor without
 * that axis, and so a term. */
static Accum without_axis(Diff *d, const Node *dx, Accum a) {
    Expr *cond, *value, **index = NEW_ARRAY(d->arena, Expr *, dx->rank);
    long shape[MAX_RANK];
    int axis = a.rvar.n ? fixed_axis(d, dx, &a, &cond, &value) : -1, rank = 0;
    if (axis < 0) return a;
    for (int i = 0; i < dx->rank; i++) {
        if (i == axis) continue;
        index[rank] = e_var(d->pool, dx->var[i]);
        shape[rank++] = dx->shape[i];
    }
    Node *part = graph_comp(d->g, dx->name, T_F32, rank, shape, dx->batched);
    Map *map = map_new(d->arena);
    for (int i = 0, k = 0; i < dx->rank; i++) {
        map_set(map, dx->var[i], i == axis ? value : e_var(d->pool, part->var[k++]));
    }
    part->layer = dx->layer;
    set_sum(d, part, &a, NULL, map);
    return (Accum){.pool = d->pool, .guard = cond, .body = e_read(d->pool, part, index, rank)};
}

/* Makes dx the sum of all accumulations. */
static void set_adjoint(Diff *d, Node *dx, const Accums *all) {
    Accums flat = {0}, sums = {0};
    for (int i = 0; i < all->n; i++) {
        Accum a = without_axis(d, dx, all->at[i]);
        if (a.rvar.n) {
            PUSH(d->arena, sums, a);
        } else {
            PUSH(d->arena, flat, a);
        }
    }
    if (sums.n == 0 && flat.n == 1) {
        dx->guard = is_true(flat.at[0].guard) ? NULL : flat.at[0].guard;
        dx->body = flat.at[0].body;
        return;
    }
    Expr *here = sum_of_terms(d, &flat);
    for (int i = 0; i < sums.n; i++) {
        Node *n = i == sums.n - 1 ? dx : partial_sum(d, dx);
        set_sum(d, n, &sums.at[i], here, to_vars_of(d, n, dx));
        here = self_read(d, n, dx);
    }
    if (sums.n == 0) dx->body = here ? here : e_num(d->pool, T_F32, 0);
}

/* --- adjoints on demand --- */

static void become_comp(Diff *d, Node *n) {
    n->kind = NODE_COMP;
    graph_vars(d->g, n);
}

static void create_adjoint(Diff *d, Node *n) {
    Info *x = info_of(d, n);
    x->created = true;
    if (x->target) {
        x->adjoint = x->target;
        become_comp(d, x->target);
    } else {
        const char *name = arena_printf(d->arena, "d_%s", n->name);
        x->adjoint = graph_comp(d->g, name, T_F32, n->rank, n->shape, n->batched);
    }
    x->adjoint->layer = n->layer;
}

static void fill_adjoint(Diff *d, Node *n) {
    Info *x = info_of(d, n);
    Accums all = {0};
    if (n == d->loss) {
        Accum seed = {.pool = d->pool, .body = e_num(d->pool, T_F32, 1)};
        PUSH(d->arena, all, seed);
    }
    for (int inside = 0; inside < 2; inside++) { /* what comes from outside goes first */
        for (int i = 0; i < x->readers.n; i++) {
            Node *reader = x->readers.at[i];
            bool is_inside = n->component && reader->component == n->component;
            if (is_inside == inside) add_slopes(d, n, reader, x->adjoint, &all);
        }
    }
    set_adjoint(d, x->adjoint, &all);
    x->zero = all.n == 0;
}

static Node *adjoint_of(Diff *d, Node *n) {
    Info *x = info_of(d, n);
    if (x->created) return x->adjoint;
    int component = node_component(d->g, n);
    NodeList members = {0};
    for (int i = 0; component && i < d->g->nodes.n; i++) {
        Node *m = d->g->nodes.at[i];
        if (info_of(d, m) && node_component(d->g, m) == component) PUSH(d->arena, members, m);
    }
    if (!component) PUSH(d->arena, members, n);
    for (int i = 0; i < members.n; i++) create_adjoint(d, members.at[i]);
    for (int i = members.n - 1; i >= 0; i--) fill_adjoint(d, members.at[i]);
    return x->adjoint;
}

/* --- the pass --- */

/* The targets' adjoints; a tensor without way to the loss has a derivative of 0. */
static void fill_targets(Diff *d, const NodeList *targets) {
    for (int i = 0; i < targets->n; i++) {
        Info *x = info_of(d, targets->at[i]->of);
        if (x) x->target = targets->at[i];
    }
    for (int i = 0; i < targets->n; i++) {
        Node *t = targets->at[i];
        if (info_of(d, t->of)) {
            adjoint_of(d, t->of);
        } else {
            become_comp(d, t);
            t->body = e_num(d->pool, T_F32, 0);
        }
    }
}

static Expr *drop_stop(void *context, Expr *e) { return e->op == OP_STOP ? e->arg[0] : e; }

static void finish(Diff *d) {
    for (int i = 0; i < d->g->nodes.n; i++) {
        Node *n = d->g->nodes.at[i];
        if (n->kind != NODE_COMP) continue;
        n->n_custom = 0;
        n->body = e_rewrite(d->pool, n->body, drop_stop, NULL);
        if (n->guard) n->guard = e_rewrite(d->pool, n->guard, drop_stop, NULL);
        if (n->init) n->init = e_rewrite(d->pool, n->init, drop_stop, NULL);
    }
}

void differentiate(Graph *g) {
    Diff d = {.g = g, .pool = g->program->pool, .arena = g->program->arena};
    NodeList targets = {0};
    for (int i = 0; i < g->nodes.n; i++) {
        if (g->nodes.at[i]->kind == NODE_GRAD) PUSH(d.arena, targets, g->nodes.at[i]);
    }
    if (targets.n) {
        d.loss = graph_find_output(g, "loss");
        if (!d.loss || d.loss->rank) die("%s has no scalar loss to differentiate", g->name);
        find_active(&d);
        fill_targets(&d, &targets);
    }
    finish(&d);
    graph_sort(g);
}
