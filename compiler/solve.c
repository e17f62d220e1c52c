/* solve.c: guards that determine reduction variables become loops without tests.
 *
 * Requires: a sum (product, maximum, minimum) whose guard has equalities of integers, such as
 * differentiate's a == s*y + d*i - p. Establishes: an equal one with fewer reduction variables, the
 * remaining ones in their order.
 *
 * An equality is taken by the first of these that fits, the surest first:
 *   v alone                      v = rest, or rest / s where rest % s == 0
 *   s*v + small == A             v = A / s and small == A % s, where small spans less than s:
 *                                windows that do not overlap, indices of flattened tensors
 *   x / m == A                   x = m*A + r with a new variable r < m
 *   x % m == A                   v = (A - rest) % m where x = v + rest and v spans at most m,
 *                                else x = m*q + A with a new variable q, where 0 <= A < m
 *   s*v + others == A            v the variable of largest extent, as if it were alone
 * The range of v becomes part of the guard as far as other ranges do not imply it. Where v occurs
 * inside of an index that is data, the equality stays as it is. So do the remainders that the first
 * rule makes, (a + p - i) % s == 0: they are static once a is split by s.
 */
#include "accum.h"
#include "passes.h"
#include <math.h>
#include <stdlib.h>

typedef enum Way {
    WAY_UNIT,
    WAY_ALONE,
    WAY_DIGIT,
    WAY_CIRCLE,
    WAY_QUOTIENT,
    WAY_LARGEST,
    WAY_DATA, /* the others have indices that are data */
    NO_WAY
} Way;

/* How an equality, as sum == 0, may be taken. */
typedef struct Plan {
    Way way;
    Expr *cond, *sum;
    Expr *atom; /* what is to be isolated: a variable, or a quotient or remainder */
    long coef;  /* of it */
    /* CIRCLE, QUOTIENT: the atom is x / m or x % m */
    Expr *x, *known; /* what it equals */
    int place;       /* CIRCLE: the variable's, in x */
    Var *fresh;      /* QUOTIENT: the new variable */
    struct Plan *then; /* how x, with the new variable as if it were known, is taken */
    long before, after; /* values of the variables that go and of those that come */
    bool data;          /* the equality reads */
} Plan;

/* An integer expression as k + sum of coef * atom. */
typedef struct Lin {
    long k;
    int n;
    Expr **atom;
    const long *coef;
    Expr *self[1];
} Lin;

enum { MAX_STEPS = 100, MAX_DEPTH = 4 };

static const long one = 1;

static void lin_of(Lin *l, Expr *e) {
    *l = (Lin){.self = {e}};
    if (e->op == OP_CONST) {
        l->k = (long)e->num;
    } else if (e->op == OP_LIN) {
        *l = (Lin){.k = e->k, .n = e->n, .atom = e->arg, .coef = e->coef};
    } else {
        l->n = 1;
        l->atom = l->self;
        l->coef = &one;
    }
}

static long extent(const Var *v) { return v->hi - v->lo + 1; }

static int rvar_index(const Accum *a, const Expr *e) {
    if (e->op != OP_VAR) return -1;
    for (int i = 0; i < a->rvar.n; i++) {
        if (a->rvar.at[i] == e->var) return i;
    }
    return -1;
}

static bool uses_rvar(const Accum *a, Expr *e) {
    for (int i = 0; i < a->rvar.n; i++) {
        if (e_uses(e, a->rvar.at[i])) return true;
    }
    return false;
}

static void find_data(void *found, Expr *e) {
    if (e->op == OP_READ || e->op == OP_DRAW) *(bool *)found = true;
}

static bool is_data(Expr *e) {
    bool found = false;
    e_visit(e, find_data, &found);
    return found;
}

/* Is atom i a reduction variable that occurs nowhere else in the sum? */
static bool is_free(const Accum *a, const Lin *l, int i) {
    if (rvar_index(a, l->atom[i]) < 0) return false;
    for (int j = 0; j < l->n; j++) {
        if (j != i && e_uses(l->atom[j], l->atom[i]->var)) return false;
    }
    return true;
}

/* Does what the sum has beside the variable of the largest coefficient span less than that? */
static bool is_digit(const Accum *a, const Lin *l, int top) {
    long sign = l->coef[top] < 0 ? -1 : 1, span = 0;
    for (int i = 0; i < l->n; i++) {
        if (i == top || !uses_rvar(a, l->atom[i])) continue;
        if (rvar_index(a, l->atom[i]) < 0 || l->coef[i] * sign < 0) return false;
        span += l->coef[i] * sign * (extent(l->atom[i]->var) - 1);
    }
    return span < l->coef[top] * sign;
}

/* Quotients before remainders, those by more first: what they leave is simpler. */
static bool simpler(const Plan *a, const Plan *b) {
    if (a->atom->op != b->atom->op) return a->atom->op == OP_IDIV;
    return a->atom->arg[1]->num > b->atom->arg[1]->num;
}

/* Is a surer than b? */
static bool surer(const Plan *a, const Plan *b) {
    if (a->way == NO_WAY || b->way == NO_WAY) return a->way < b->way;
    if (a->data != b->data) return b->data;
    if (a->way != WAY_QUOTIENT || b->way != WAY_QUOTIENT) return a->way < b->way;
    return simpler(a, b);
}

static bool larger(const Lin *l, int i, int best) {
    if (best < 0) return true;
    long x = extent(l->atom[i]->var), y = extent(l->atom[best]->var);
    return x > y || (x == y && labs(l->coef[i]) < labs(l->coef[best]));
}

/* The place in x of a variable that its remainder by m determines, or -1. */
static int within_circle(const Accum *a, const Lin *x, Expr *known, long m) {
    for (int i = 0; i < x->n; i++) {
        if (labs(x->coef[i]) != 1 || !is_free(a, x, i)) continue;
        if (extent(x->atom[i]->var) <= m && !e_uses(known, x->atom[i]->var)) return i;
    }
    return -1;
}

static bool only_rvars(const Accum *a, const Lin *l) {
    for (int i = 0; i < l->n; i++) {
        if (!uses_rvar(a, l->atom[i])) return false;
    }
    return true;
}

static Plan plan_equality(const Accum *a, Expr *cond, int depth);

/* The atom of `plan` is a quotient or remainder. */
static Plan plan_quotient(const Accum *a, Plan plan, int depth) {
    static const Plan none = {.way = NO_WAY};
    Pool *p = a->pool;
    bool divides = plan.atom->op == OP_IDIV;
    long m = (long)plan.atom->arg[1]->num, lo, hi;
    if ((plan.coef != 1 && plan.coef != -1) || depth == MAX_DEPTH) return none;
    plan.x = plan.atom->arg[0];
    if (is_data(plan.x) || !e_range(plan.x, &lo, &hi)) return none;
    plan.known = e_sub(p, plan.sum, e_scale(p, plan.atom, plan.coef));
    plan.known = e_scale(p, plan.known, -plan.coef);
    Lin l;
    lin_of(&l, plan.x);
    plan.place = divides ? -1 : within_circle(a, &l, plan.known, m);
    if (plan.place >= 0) {
        plan.way = WAY_CIRCLE;
        plan.before = extent(l.atom[plan.place]->var);
        return plan;
    }
    if (!divides && is_const(plan.known) && !only_rvars(a, &l)) return none;
    plan.way = WAY_QUOTIENT;
    plan.fresh = divides ? var_range(p, "r", 0, m - 1)
                         : var_range(p, "q", lo / m - (lo % m < 0), hi / m - (hi % m < 0));
    Expr *v = e_var(p, plan.fresh), *value = e_scale(p, divides ? plan.known : v, m);
    value = e_add(p, value, divides ? v : plan.known);
    plan.then = NEW(pool_arena(p), Plan);
    *plan.then = plan_equality(a, e_op(p, OP_EQ, plan.x, value, NULL), depth + 1);
    if (plan.then->way == NO_WAY) return none;
    plan.before = plan.then->before;
    plan.after = plan.then->after * extent(plan.fresh);
    return plan.after <= plan.before ? plan : none;
}

static Plan plan_equality(const Accum *a, Expr *cond, int depth) {
    Plan plan = {.way = NO_WAY, .cond = cond, .after = 1}, quotient = plan;
    if (cond->op != OP_EQ || cond->arg[0]->type != T_I32) return plan;
    plan.sum = e_sub(a->pool, cond->arg[0], cond->arg[1]);
    plan.data = is_data(plan.sum);
    Lin l;
    lin_of(&l, plan.sum);
    int bound = 0, top = -1, large = -1;
    bool data = false;
    for (int i = 0; i < l.n; i++) {
        if (!uses_rvar(a, l.atom[i])) continue;
        bound++;
        data |= is_data(l.atom[i]);
        if (l.atom[i]->op == OP_IDIV || l.atom[i]->op == OP_IMOD) {
            Plan found = plan;
            found.atom = l.atom[i];
            found.coef = l.coef[i];
            found = plan_quotient(a, found, depth);
            if (surer(&found, &quotient)) quotient = found;
        }
        if (!is_free(a, &l, i)) continue;
        if (top < 0 || labs(l.coef[i]) > labs(l.coef[top])) top = i;
        if (larger(&l, i, large)) large = i;
    }
    if (large < 0) return data ? plan : quotient;
    int pick = large;
    if (bound == 1) {
        plan.way = labs(l.coef[large]) == 1 ? WAY_UNIT : WAY_ALONE;
    } else if (is_digit(a, &l, top)) {
        plan.way = WAY_DIGIT;
        pick = top;
    } else if (quotient.way != NO_WAY && !data) {
        return quotient;
    } else {
        plan.way = data ? WAY_DATA : WAY_LARGEST;
    }
    plan.atom = l.atom[pick];
    plan.coef = l.coef[pick];
    plan.before = extent(plan.atom->var);
    return plan;
}

/* --- taking an equality --- */

static void require_first(Accum *a, Expr *c) { a->guard = e_and(a->pool, c, a->guard); }

static void require(Accum *a, Expr *c) { a->guard = e_and(a->pool, a->guard, c); }

static Expr *compare(Accum *a, Op op, Expr *x, Expr *y) { return e_op(a->pool, op, x, y, NULL); }

static void drop_condition(Accum *a, Expr *c) {
    Expr **part, *guard = NULL;
    int n = e_conjuncts(pool_arena(a->pool), a->guard, &part);
    for (int i = 0; i < n; i++) {
        if (part[i] != c) guard = e_and(a->pool, guard, part[i]);
    }
    a->guard = guard;
}

static void drop_rvar(Accum *a, const Var *v) {
    int n = 0;
    for (int i = 0; i < a->rvar.n; i++) {
        if (a->rvar.at[i] != v) a->rvar.at[n++] = a->rvar.at[i];
    }
    a->rvar.n = n;
}

/* Replaces v and requires its range. */
static void eliminate(Accum *a, Var *v, Expr *by) {
    Pool *p = a->pool;
    a->guard = e_subst1(p, a->guard, v, by);
    a->body = e_subst1(p, a->body, v, by);
    if (v->batch && !(by->op == OP_VAR && by->var->batch)) {
        require_first(a, compare(a, OP_LT, by, e_host(p, HOST_COUNT)));
    }
    require_first(a, compare(a, OP_LE, by, e_int(p, v->hi)));
    require_first(a, compare(a, OP_LE, e_int(p, v->lo), by));
    drop_rvar(a, v);
}

typedef struct Exact {
    Pool *pool;
    Expr *var;
    long s;
    Expr *multiple; /* s * var */
} Exact;

/* Multiples of s * var in sums become multiples of what that equals: exact, so simpler. */
static Expr *exact_multiple(void *context, Expr *e) {
    Exact *x = context;
    if (e->op != OP_LIN) return e;
    for (int i = 0; i < e->n; i++) {
        if (e->arg[i] != x->var || e->coef[i] % x->s) continue;
        Expr *rest = e_sub(x->pool, e, e_scale(x->pool, x->var, e->coef[i]));
        return e_add(x->pool, rest, e_scale(x->pool, x->multiple, e->coef[i] / x->s));
    }
    return e;
}

/* coef * v + rest == 0 */
static void take_alone(Accum *a, const Plan *plan) {
    Pool *p = a->pool;
    Var *v = plan->atom->var;
    long s = labs(plan->coef);
    Expr *rest = e_sub(p, plan->sum, e_scale(p, plan->atom, plan->coef));
    Expr *multiple = e_scale(p, rest, plan->coef < 0 ? 1 : -1);
    if (s == 1) {
        eliminate(a, v, multiple);
        return;
    }
    Exact x = {.pool = p, .var = plan->atom, .s = s, .multiple = multiple};
    if (a->guard) a->guard = e_rewrite(p, a->guard, exact_multiple, &x);
    a->body = e_rewrite(p, a->body, exact_multiple, &x);
    require_first(a, compare(a, OP_EQ, e_op(p, OP_IMOD, multiple, e_int(p, s), NULL), e_int(p, 0)));
    eliminate(a, v, e_op(p, OP_IDIV, multiple, e_int(p, s), NULL));
}

/* coef * v + small + others == 0 */
static void take_digit(Accum *a, const Plan *plan) {
    Pool *p = a->pool;
    long s = labs(plan->coef), sign = plan->coef < 0 ? -1 : 1, lo = 0;
    Expr *small = e_int(p, 0);
    Lin l;
    lin_of(&l, plan->sum);
    for (int i = 0; i < l.n; i++) {
        if (l.atom[i] == plan->atom || rvar_index(a, l.atom[i]) < 0) continue;
        small = e_add(p, small, e_scale(p, l.atom[i], l.coef[i] * sign));
        lo += l.coef[i] * sign * l.atom[i]->var->lo;
    }
    Expr *known = e_sub(p, e_scale(p, plan->atom, s), e_scale(p, plan->sum, sign));
    known = e_offset(p, e_add(p, known, small), -lo);
    Expr *digit = e_op(p, OP_IMOD, known, e_int(p, s), NULL);
    require(a, compare(a, OP_EQ, e_offset(p, small, -lo), digit));
    eliminate(a, plan->atom->var, e_op(p, OP_IDIV, known, e_int(p, s), NULL));
}

static void take(Accum *a, const Plan *plan);

static void require_digit(Accum *a, Expr *digit, Expr *m) {
    require_first(a, compare(a, OP_LT, digit, m));
    require_first(a, compare(a, OP_LE, e_int(a->pool, 0), digit));
}

/* x % m == known, x = coef * v + rest, coef 1 or -1 */
static void take_circle(Accum *a, const Plan *plan) {
    Pool *p = a->pool;
    Lin l;
    lin_of(&l, plan->x);
    Expr *atom = l.atom[plan->place], *m = plan->atom->arg[1];
    long coef = l.coef[plan->place], lo = atom->var->lo;
    Expr *rest = e_sub(p, plan->x, e_scale(p, atom, coef));
    Expr *turned = e_offset(p, e_scale(p, e_sub(p, plan->known, rest), coef), -lo);
    require_digit(a, plan->known, m);
    eliminate(a, atom->var, e_offset(p, e_op(p, OP_IMOD, turned, m, NULL), lo));
}

/* The new variable stands where the first of x was. */
static void take_quotient(Accum *a, const Plan *plan) {
    int place = 0;
    Var *v = plan->fresh;
    while (!e_uses(plan->x, a->rvar.at[place])) place++;
    if (plan->atom->op == OP_IMOD) require_digit(a, plan->known, plan->atom->arg[1]);
    take(a, plan->then);
    if (v->lo == v->hi) return;
    PUSH(pool_arena(a->pool), a->rvar, v);
    for (int i = a->rvar.n - 1; i > place; i--) a->rvar.at[i] = a->rvar.at[i - 1];
    a->rvar.at[place] = v;
}

static void take(Accum *a, const Plan *plan) {
    switch (plan->way) {
    case WAY_DIGIT: take_digit(a, plan); break;
    case WAY_CIRCLE: take_circle(a, plan); break;
    case WAY_QUOTIENT: take_quotient(a, plan); break;
    default: take_alone(a, plan);
    }
}

static bool step(Accum *a) {
    Expr **part;
    Plan best = {.way = NO_WAY};
    int n = e_conjuncts(pool_arena(a->pool), a->guard, &part);
    for (int i = 0; i < n; i++) {
        Plan plan = plan_equality(a, part[i], 0);
        if (surer(&plan, &best)) best = plan;
    }
    if (best.way == NO_WAY) return false;
    drop_condition(a, best.cond);
    take(a, &best);
    return true;
}

/* --- what is left --- */

/* Bounds on v alone that leave it one value, t <= 0 say, decide it. */
static bool pin(Accum *a, Var *v) {
    Expr **part, *rest;
    long lo = v->lo, hi = v->hi, c;
    int n = e_conjuncts(pool_arena(a->pool), a->guard, &part);
    for (int i = 0; i < n; i++) {
        if (part[i]->op != OP_LT && part[i]->op != OP_LE) continue;
        if (part[i]->arg[0]->type != T_I32) continue;
        Expr *d = e_sub(a->pool, part[i]->arg[1], part[i]->arg[0]); /* not negative */
        if (!e_affine(a->pool, d, v, &c, &rest) || (c != 1 && c != -1) || !is_const(rest)) continue;
        long k = (long)rest->num - (part[i]->op == OP_LT);
        if (c == 1 && -k > lo) lo = -k;
        if (c == -1 && k < hi) hi = k;
    }
    if (lo != hi) return false;
    eliminate(a, v, e_int(a->pool, lo));
    return true;
}

static void drop_constant_rvars(Accum *a) {
    int n = 0;
    for (int i = 0; i < a->rvar.n; i++) {
        if (a->rvar.at[i]->lo < a->rvar.at[i]->hi) a->rvar.at[n++] = a->rvar.at[i];
    }
    a->rvar.n = n;
}

typedef struct Depths {
    Map *of;
    long last;
} Depths;

static void find_depth(void *context, Expr *e) {
    Depths *d = context;
    long deep = 0;
    for (int i = 0; i < e->n; i++) {
        long x = (long)map_get(d->of, e->arg[i]);
        if (x > deep) deep = x;
    }
    d->last = deep + (e->op == OP_READ);
    map_set(d->of, e, (void *)d->last);
}

/* Conditions in order of how many reads their indices go through: what one needs holds before. */
static void order_guard(Accum *a) {
    Expr **part, *guard = NULL;
    int n = e_conjuncts(pool_arena(a->pool), a->guard, &part), done = 0;
    long *depth = NEW_ARRAY(pool_arena(a->pool), long, n);
    for (int i = 0; i < n; i++) {
        Depths d = {.of = map_new(pool_arena(a->pool))};
        e_visit(part[i], find_depth, &d);
        depth[i] = d.last;
    }
    for (long now = 0; done < n; now++) {
        for (int i = 0; i < n; i++) {
            if (depth[i] != now) continue;
            guard = e_and(a->pool, guard, part[i]);
            done++;
        }
    }
    a->guard = guard;
}

static void require_bound(Accum *a, Expr *c) {
    if (!is_true(c) && !e_implies(a->pool, a->guard, c)) require(a, c);
}

/* Reads that always happen are inside of their tensors, if that is not plain to see, by a condition
 * of their own. */
static void require_inside(Accum *a, Map *seen, Expr *e) {
    if (map_get(seen, e)) return;
    map_set(seen, e, e);
    for (int i = 0; i < e->n; i++) {
        if (e->op != OP_SELECT || i == 0) require_inside(a, seen, e->arg[i]);
    }
    for (int i = 0; i < e->n && e->op == OP_READ; i++) {
        if (is_data(e->arg[i])) continue;
        require_bound(a, compare(a, OP_LE, e_int(a->pool, 0), e->arg[i]));
        require_bound(a, compare(a, OP_LT, e->arg[i], e_int(a->pool, e->node->shape[i])));
    }
}

void accum_solve(Accum *a) {
    bool changed = false;
    drop_constant_rvars(a);
    for (int i = 0; i < MAX_STEPS && !is_false(a->guard) && step(a); i++) changed = true;
    for (int i = a->rvar.n - 1; i >= 0; i--) pin(a, a->rvar.at[i]);
    if (is_false(a->guard)) return;
    if (changed) require_inside(a, map_new(pool_arena(a->pool)), a->body);
    order_guard(a);
}

/* --- the pass --- */

/* A reduction whose order of terms means nothing else than rounding. */
static bool is_solvable(const Node *n) {
    return n->kind == NODE_COMP && n->guard && n->reduce != REDUCE_NONE &&
           n->reduce != REDUCE_ARGMAX && n->reduce != REDUCE_ARGMIN;
}

/* A reduction of at most one term, which needs no variables. */
static void make_single(Pool *p, Node *n) {
    bool largest = n->reduce == REDUCE_MAX;
    Expr *init = n->init;
    if (largest || n->reduce == REDUCE_MIN) {
        init = e_num(p, n->type, largest ? -INFINITY : INFINITY);
        n->body = e_op(p, largest ? OP_MAX : OP_MIN, init, n->body, NULL);
    } else if (init) {
        n->body = e_op(p, n->reduce == REDUCE_PROD ? OP_MUL : OP_ADD, init, n->body, NULL);
    } else if (n->reduce == REDUCE_PROD) {
        init = e_num(p, n->type, 1);
    }
    n->init = n->guard ? init : NULL;
    n->reduce = REDUCE_NONE;
}

void solve_guards(Graph *g) {
    Pool *p = g->program->pool;
    for (int i = 0; i < g->nodes.n; i++) {
        Node *n = g->nodes.at[i];
        if (!is_solvable(n)) continue;
        Accum a = {.pool = p, .guard = n->guard, .body = n->body};
        for (int j = 0; j < n->n_rvars; j++) PUSH(pool_arena(p), a.rvar, n->rvar[j]);
        accum_solve(&a);
        n->guard = a.guard;
        n->body = a.body;
        n->rvar = a.rvar.at;
        n->n_rvars = a.rvar.n;
        if (n->n_rvars == 0) make_single(p, n);
    }
    graph_sort(g);
}
