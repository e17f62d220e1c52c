/* rewrite_steps.c: training steps of one sample each become one call for several of them.
 *
 * Requires: a sorted graph of a program whose steps have one sample, differentiated and rewritten.
 * Where all that a step does to each stored tensor is to add a product of factors over different
 * axes, W' = W + a (x) b, a call makes many steps. Samples are then steps: every tensor that varies
 * from step to step has an axis for them. W at step t is W0 + sum(s < t) a[s] (x) b[s], and put
 * into a contraction that reads W this distributes:
 *
 *     sum(j) W[i, j] x[t, j]  =  sum(j) W0[i, j] x[t, j] + sum(s < t) a[s, i] * G[t, s],
 *     G[t, s] = sum(j) b[s, j] x[t, j],    W after all steps = W0 + sum(s) a[s] (x) b[s]
 *
 * What reads no state of the steps before becomes a product of matrices, W is read and written once
 * a call, and what remains is a recurrence over steps of small tensors. A tensor whose change is no
 * product (a bias) may be read anywhere: its value at each step is a tensor. Steps that a call does
 * not make (samples that do not exist) change nothing, as sums over steps run over those that do.
 *
 * Nothing changes where a rule has state of its own, where a change depends on the old value, where
 * a step draws random numbers, where what is added would cost more than the updates saved, and
 * where more than that is left to the recurrence.
 */
#include "passes.h"
#include "rewrite_steps.h"

/* --- the axis of steps --- */

typedef struct Lift {
    Steps *w;
    Expr *step;
    Map *done;
} Lift;

static Expr *lift_new(Lift *l, Expr *e);

static Expr *lift(Lift *l, Expr *e) {
    Expr *new = e ? map_get(l->done, e) : NULL;
    if (e && !new) map_set(l->done, e, new = lift_new(l, e));
    return new;
}

static Expr *lift_new(Lift *l, Expr *e) {
    Steps *w = l->w;
    Pool *p = w->pool;
    if (e->op == OP_HOST && e->host == HOST_COUNT) return e_int(p, 1);
    if (e->op == OP_HOST && e->host == HOST_STEP)
        return e_add(p, e, e_op(p, OP_DOUBLE, l->step, NULL, NULL));
    if (!e->n) {
        bool scalar = e->op == OP_READ && map_get(w->varies, e->node);
        return scalar ? e_read(p, e->node, &l->step, 1) : e;
    }
    Expr **arg = NEW_ARRAY(w->arena, Expr *, e->n + 1);
    int n = 0;
    bool varies = e->op == OP_READ && map_get(w->varies, e->node);
    if (varies) arg[n++] = l->step;
    int from = varies && map_get(w->batched, e->node);
    for (int i = from; i < e->n; i++) arg[n++] = lift(l, e->arg[i]);
    return e->op == OP_READ ? e_read(p, e->node, arg, n) : e_rebuild(p, e, arg);
}

/* e for the step, its variables already right. */
static Expr *lifted(Steps *w, Expr *e, Expr *step) {
    Lift l = {w, step, map_new(w->arena)};
    return lift(&l, e);
}

static void add_axis(Steps *w, Node *n) {
    bool had = n->batched;
    for (int i = n->rank; i > 0 && !had; i--) {
        n->shape[i] = n->shape[i - 1];
        n->var[i] = n->var[i - 1];
    }
    n->rank += !had;
    n->shape[0] = w->many;
    n->batched = true;
    if (n->kind != NODE_COMP) return;
    n->var[0] = var_new(w->pool, "t", w->many);
    n->var[0]->batch = true;
}

static void lift_node(Steps *w, Node *n) {
    if (n->kind != NODE_COMP || steps_is_update(w, n)) return;
    bool varies = map_get(w->varies, n);
    Expr *step = varies ? e_var(w->pool, n->var[0]) : e_int(w->pool, 0);
    n->guard = lifted(w, n->guard, step);
    n->body = lifted(w, n->body, step);
    n->init = lifted(w, n->init, step);
    n->n_custom = 0;
    if (n->n_rvars && n->rvar[0]->batch) {
        n->reduce = REDUCE_NONE;
        n->n_rvars = 0;
    }
}

static void lift_all(Steps *w) {
    Graph *g = w->g;
    g->batch = w->many;
    for (int i = 0; i < g->nodes.n; i++) {
        Node *n = g->nodes.at[i];
        if (map_get(w->varies, n) && !steps_is_update(w, n)) add_axis(w, n);
    }
    for (int i = 0; i < g->nodes.n; i++) lift_node(w, g->nodes.at[i]);
}

/* --- the sides of changes, for all steps --- */

static Var *position(Steps *w, int i, long extent) {
    for (; i < MAX_RANK; i++) {
        if (!w->position[i]) w->position[i] = var_new(w->pool, "p", extent);
        if (w->position[i]->hi + 1 == extent) return w->position[i];
    }
    return var_new(w->pool, "p", extent);
}

/* A tensor of the side's values, shared by changes with equal ones. */
static void make_side(Steps *w, const Change *c, Side *side) {
    Pool *p = w->pool;
    if (!side->value || side->value->op == OP_READ) return;
    long shape[MAX_RANK] = {w->many};
    Map *to_positions = map_new(w->arena), *to_own = map_new(w->arena);
    for (int i = 0; i < side->n; i++) {
        const Var *v = c->next->var[side->axis[i]];
        shape[i + 1] = v->hi + 1;
        map_set(to_positions, v, e_var(p, position(w, i, v->hi + 1)));
    }
    Expr *key = e_subst(p, lifted(w, side->value, e_var(p, w->step)), to_positions);
    side->node = map_get(w->sides, key);
    if (side->node) return;
    const char *name = arena_printf(w->arena, "%s_by_step", c->stored->ident);
    Node *n = graph_comp(w->g, name, T_F32, side->n + 1, shape, true);
    for (int i = 0; i < side->n; i++)
        map_set(to_own, c->next->var[side->axis[i]], e_var(p, n->var[i + 1]));
    n->layer = c->next->layer;
    n->body = e_subst(p, lifted(w, side->value, e_var(p, n->var[0])), to_own);
    map_set(w->sides, key, n);
    side->node = n;
    if (steps_find_in(w, n->body).follows) map_set(w->follows, n, n);
    map_set(w->varies, n, n);
    map_set(w->batched, n, n);
}

/* The side's value at a step and an index of the tensor, or null for 1. */
static Expr *side_at(Steps *w, const Change *c, const Side *side, Expr *step, Expr *const *index) {
    if (!side->value) return NULL;
    if (!side->node) return steps_put_index(w, c, lifted(w, side->value, step), index);
    Expr *arg[MAX_RANK] = {step};
    for (int i = 0; i < side->n; i++) arg[i + 1] = index[side->axis[i]];
    return e_read(w->pool, side->node, arg, side->n + 1);
}

static Expr *times(Pool *p, Expr *a, Expr *b) { return !a ? b : !b ? a : e_mul(p, a, b); }

static Var *earlier(Steps *w, Node *n) {
    Var *s = var_new(w->pool, "s", w->many);
    s->batch = true;
    n->reduce = REDUCE_SUM;
    n->rvar = NEW_ARRAY(w->arena, Var *, 1);
    n->rvar[n->n_rvars++] = s;
    return s;
}

static Expr *is_before(Steps *w, Expr *s, const Node *n) {
    return e_op(w->pool, OP_LT, s, e_var(w->pool, n->var[0]), NULL);
}

/* --- tensors at each step --- */

/* The tensor as it is before each step; for what changes by no product. */
static Node *make_now(Steps *w, Change *c) {
    Pool *p = w->pool;
    if (c->now) return c->now;
    long shape[MAX_RANK] = {w->many};
    for (int i = 0; i < c->next->rank; i++) shape[i + 1] = c->next->shape[i];
    const char *name = arena_printf(w->arena, "%s_now", c->stored->ident);
    Node *n = c->now = graph_comp(w->g, name, T_F32, c->next->rank + 1, shape, true);
    Expr *index[MAX_RANK];
    for (int i = 0; i < c->next->rank; i++) index[i] = e_var(p, n->var[i + 1]);
    Expr *s = e_var(p, earlier(w, n));
    n->layer = c->next->layer;
    n->guard = is_before(w, s, n);
    n->body = side_at(w, c, &c->left, s, index);
    n->init = e_read(p, graph_stored(w->g, c->stored), index, c->next->rank);
    return n;
}

typedef struct Now {
    Steps *w;
    Expr *step;
} Now;

static Expr *read_now(void *context, Expr *e) {
    Now *x = context;
    Steps *w = x->w;
    Change *c = steps_change_of(w, e);
    if (!c) return e;
    Expr *arg[MAX_RANK] = {x->step};
    for (int i = 0; i < e->n; i++) arg[i + 1] = e->arg[i];
    return e_read(w->pool, make_now(w, c), arg, e->n + 1);
}

/* --- corrections --- */

/* What the steps before add to a contraction: outer[t, s, i] * inner[t, s]. */
typedef struct Correction {
    Expr *outer, *inner; /* null: 1 */
} Correction;

typedef struct Corrections {
    VEC(Correction) at;
    Var *s;
} Corrections;

/* inner[t, s]: the sum over what of a correction depends on n's reduction variables. */
static Expr *make_inner(Steps *w, const Node *n, const Var *s, const Factors *f) {
    Pool *p = w->pool;
    long shape[2] = {w->many, w->many};
    const char *name = arena_printf(w->arena, "%s_inner", n->name);
    Node *inner = graph_comp(w->g, name, T_F32, 2, shape, true);
    Map *map = map_new(w->arena);
    inner->var[1]->name = "s";
    map_set(map, n->var[0], e_var(p, inner->var[0]));
    map_set(map, s, e_var(p, inner->var[1]));
    inner->reduce = REDUCE_SUM;
    inner->n_rvars = n->n_rvars;
    inner->rvar = NEW_ARRAY(w->arena, Var *, n->n_rvars);
    for (int i = 0; i < n->n_rvars; i++) {
        inner->rvar[i] = var_range(p, n->rvar[i]->name, n->rvar[i]->lo, n->rvar[i]->hi);
        map_set(map, n->rvar[i], e_var(p, inner->rvar[i]));
    }
    inner->layer = n->layer;
    inner->body = factors_product(p, f);
    inner->guard = n->guard;
    if (steps_find_in(w, inner->body).follows)
        inner->guard = e_and(p, e_op(p, OP_LT, e_var(p, (Var *)s), e_var(p, n->var[0]), NULL),
                             inner->guard);
    node_subst(p, inner, map);
    Expr *index[2] = {e_var(p, n->var[0]), e_var(p, (Var *)s)};
    return e_read(p, inner, index, 2);
}

static void add_correction(Steps *w, Corrections *all, Expr *outer, Expr *inner) {
    for (int i = 0; i < all->at.n; i++) {
        Correction *c = &all->at.at[i];
        if (c->outer != outer || !c->inner == !inner) continue;
        Node *sum = c->inner ? c->inner->node : inner->node;
        if (sum->init) continue;
        sum->init = e_num(w->pool, T_F32, 1);
        if (!c->inner) c->inner = inner;
        return;
    }
    PUSH(w->arena, all->at, ((Correction){outer, inner}));
}

static void correct_factor(Steps *w, Corrections *all, const Node *n, Expr *read, Factors *f) {
    const Change *c = steps_change_of(w, read);
    Expr *s = e_var(w->pool, all->s);
    Expr *side[2] = {side_at(w, c, &c->left, s, read->arg), side_at(w, c, &c->right, s, read->arg)};
    Factors outer = {0}, inner = {0};
    outer.negative = f->negative;
    for (int i = 0; i < 2; i++)
        if (side[i]) PUSH(w->arena, f->at, side[i]);
    for (int i = 0; i < f->at.n; i++) {
        Factors *to = steps_uses_rvar(n, f->at.at[i]) ? &inner : &outer;
        PUSH(w->arena, to->at, f->at.at[i]);
    }
    add_correction(w, all, factors_product(w->pool, &outer),
                   inner.at.n ? make_inner(w, n, all->s, &inner) : NULL);
}

/* Takes the reads that are addends of e as corrections, the rest as they are now. */
static Expr *correct_addends(Steps *w, Corrections *all, const Node *n, Expr *e) {
    Expr *step = e_var(w->pool, n->var[0]);
    Change *c = steps_change_of(w, e);
    if (c) {
        Expr *s = e_var(w->pool, all->s);
        add_correction(w, all, side_at(w, c, &c->left, s, e->arg), NULL);
        return e;
    }
    if (e->op == OP_ADD) {
        Expr *a = correct_addends(w, all, n, e->arg[0]), *b = correct_addends(w, all, n, e->arg[1]);
        return e_add(w->pool, a, b);
    }
    Now now = {w, step};
    return e_rewrite(w->pool, e, read_now, &now);
}

/* n's comprehension moves to a new node, which n reads at its own index. */
static Expr *move_out(Steps *w, Node *n, const char *name) {
    Pool *p = w->pool;
    Node *m = graph_comp(w->g, name, T_F32, n->rank, n->shape, n->batched);
    Expr *index[MAX_RANK];
    Map *map = map_new(w->arena);
    for (int i = 0; i < n->rank; i++) {
        index[i] = e_var(p, n->var[i]);
        map_set(map, n->var[i], e_var(p, m->var[i]));
    }
    m->reduce = n->reduce;
    m->rvar = n->rvar;
    m->n_rvars = n->n_rvars;
    m->guard = n->guard;
    m->body = n->body;
    m->init = n->init;
    m->layer = n->layer;
    node_subst(p, m, map);
    n->rvar = NULL;
    n->n_rvars = 0;
    return e_read(p, m, index, n->rank);
}

static void correct_sum(Steps *w, Node *n, Expr *read, Factors *others) {
    Pool *p = w->pool;
    Corrections all = {.s = var_new(p, "s", w->many)};
    all.s->batch = true;
    correct_factor(w, &all, n, read, others);
    if (n->init) n->init = correct_addends(w, &all, n, n->init);
    for (int i = 0; i < all.at.n; i++) {
        const char *name = arena_printf(w->arena, "%s_before", n->name);
        Expr *before = move_out(w, n, name), *s = e_var(p, earlier(w, n));
        n->guard = is_before(w, s, n);
        n->body = e_subst1(p, times(p, all.at.at[i].outer, all.at.at[i].inner), all.s, s);
        n->init = before;
    }
}

static void correct_node(Steps *w, Node *n) {
    Factors others = {0};
    if (n->kind != NODE_COMP || steps_is_update(w, n) || !steps_find_in_node(w, n).changed) return;
    if (map_get(w->sums, n)) {
        Expr *read = steps_changing_factor(w, n, &others);
        correct_sum(w, n, read, &others);
        return;
    }
    Now now = {w, e_var(w->pool, n->var[0])};
    node_rewrite(w->pool, n, read_now, &now);
}

/* --- the ends of a call --- */

static void update(Steps *w, Change *c) {
    Pool *p = w->pool;
    Node *next = c->next;
    const char *name = arena_printf(w->arena, "%s_change", c->stored->ident);
    Node *sum = graph_comp(w->g, name, T_F32, next->rank, next->shape, false);
    Expr *own[MAX_RANK], *index[MAX_RANK];
    for (int i = 0; i < next->rank; i++) {
        own[i] = e_var(p, next->var[i]);
        index[i] = e_var(p, sum->var[i]);
    }
    Expr *s = e_var(p, earlier(w, sum));
    sum->layer = next->layer;
    sum->body = times(p, side_at(w, c, &c->left, s, index), side_at(w, c, &c->right, s, index));
    Expr *old = e_read(p, graph_stored(w->g, c->stored), own, next->rank);
    next->body = e_add(p, old, e_read(p, sum, own, next->rank));
}

/* A scalar of each step becomes its mean over the steps. */
static void average(Steps *w, struct Output *out) {
    Pool *p = w->pool;
    const Node *n = out->node;
    if (!map_get(w->varies, n)) return;
    const char *sum_name = arena_printf(w->arena, "%s_of_steps", n->name);
    const char *mean_name = arena_printf(w->arena, "mean_%s", n->name);
    Node *sum = graph_comp(w->g, sum_name, T_F32, 0, NULL, false);
    Expr *s = e_var(p, earlier(w, sum));
    sum->body = e_read(p, out->node, &s, 1);
    Node *mean = graph_comp(w->g, mean_name, T_F32, 0, NULL, false);
    Expr *count = e_op(p, OP_DOUBLE, e_host(p, HOST_COUNT), NULL, NULL);
    Expr *share = e_op(p, OP_DIV, e_num(p, T_F64, 1), count, NULL);
    mean->body = e_mul(p, e_read(p, sum, NULL, 0), e_op(p, OP_ROUND, share, NULL, NULL));
    out->node = mean;
}

void rewrite_steps(Graph *g) {
    Steps w = {.g = g, .pool = g->program->pool, .arena = g->program->arena};
    w.varies = map_new(w.arena);
    w.follows = map_new(w.arena);
    w.batched = map_new(w.arena);
    w.sides = map_new(w.arena);
    w.sums = map_new(w.arena);
    if (!steps_find(&w)) return;
    w.step = var_new(w.pool, "t", w.many);
    int n = g->nodes.n;
    lift_all(&w);
    for (int i = 0; i < w.changes.n; i++) {
        make_side(&w, &w.changes.at[i], &w.changes.at[i].left);
        make_side(&w, &w.changes.at[i], &w.changes.at[i].right);
    }
    for (int i = 0; i < n; i++) correct_node(&w, g->nodes.at[i]);
    for (int i = 0; i < w.changes.n; i++) update(&w, &w.changes.at[i]);
    for (int i = 0; i < g->n_outputs; i++) average(&w, &g->output[i]);
    graph_sort(g);
}
