/* logic.c: comparisons of integers, and the logic of conditions.
 *
 * A comparison of integers is one of its difference with 0. Divided by the common factor of its
 * coefficients and written with positive coefficients on both sides it has one form: P < N + c,
 * P < c, c <= N, P == N + c. Conjunctions keep the order in which they were written (a later part
 * may read where only an earlier one allows); of several bounds on one sum the tightest stays.
 */
#include "expr_build.h"

/* sum < 0, <= 0, == 0 or != 0 in the form of the head comment; op is LE, EQ or NE, k is apart. */
static Expr *write_sides(Sum *d, Op op) {
    Pool *p = d->pool;
    Sum pos, neg;
    sum_init(&pos, p);
    sum_init(&neg, p);
    for (int i = 0; i < d->n; i++) {
        Term t = d->term[i];
        if (t.coef > 0) {
            sum_add(&pos, t.atom, t.coef);
        } else {
            sum_add(&neg, t.atom, -t.coef);
        }
    }
    long k = d->k;
    if (op == OP_LE && pos.n && (!neg.n || k >= 1)) {
        op = OP_LT;
        k--;
    }
    if (pos.n && (!neg.n || k <= 0)) {
        neg.k = -k;
    } else {
        pos.k = k;
    }
    return expr_raw(p, op, T_BOOL, 2, (Expr *[]){sum_expr(&pos), sum_expr(&neg)});
}

/* d <= 0, d having coefficients without a common factor */
static Expr *compare_le(Sum *d) {
    Term t = d->term[0];
    if (d->n == 1 && t.atom->op == OP_IDIV && (t.coef == 1 || t.coef == -1)) {
        long m = (long)t.atom->arg[1]->num;
        Sum x;
        sum_init(&x, d->pool); /* y / m <= c: y < (c + 1) m.  -(y / m) <= c: y >= -c m */
        sum_add(&x, t.atom->arg[0], t.coef);
        x.k += t.coef == 1 ? (d->k - 1) * m + 1 : d->k * m;
        return logic_compare(d->pool, OP_LE, sum_expr(&x), e_int(d->pool, 0));
    }
    return write_sides(d, OP_LE);
}

Expr *logic_compare(Pool *p, Op op, Expr *a, Expr *b) {
    Sum d;
    sum_init(&d, p);
    sum_add(&d, a, 1);
    sum_add(&d, b, -1);
    if (op == OP_LT) d.k++;
    Expr *diff = sum_expr(&d); /* simplified, as d itself is not */
    sum_init(&d, p);
    sum_add(&d, diff, 1);
    Range r = sum_range(&d);
    bool equality = op == OP_EQ || op == OP_NE;
    if (!equality && (r.hi <= 0 || r.lo > 0)) return e_bool(p, r.hi <= 0);
    if (equality && (r.lo > 0 || r.hi < 0)) return e_bool(p, op == OP_NE);
    if (equality && r.lo == 0 && r.hi == 0) return e_bool(p, op == OP_EQ);
    long g = 0;
    for (int i = 0; i < d.n; i++) g = gcd_of(g, d.term[i].coef);
    if (equality && d.k % g) return e_bool(p, op == OP_NE);
    if (equality && d.term[0].coef < 0) g = -g;
    for (int i = 0; i < d.n; i++) d.term[i].coef /= g;
    d.k = equality ? d.k / g : -floor_div(-d.k, g);
    return equality ? write_sides(&d, op) : compare_le(&d);
}

/* --- conjunctions --- */

/* What a comparison says of a sum without constant whose first coefficient is positive. */
typedef struct Bound {
    Expr *core; /* null: not of this kind */
    bool differs; /* core != lo; else lo <= core <= hi */
    long lo, hi;
} Bound;

static Bound bound_of(Pool *p, Expr *c) {
    bool order = c->op == OP_LT || c->op == OP_LE;
    if (!(order || c->op == OP_EQ || c->op == OP_NE) || c->arg[0]->type != T_I32) return (Bound){0};
    Sum d;
    sum_init(&d, p);
    sum_add(&d, c->arg[0], 1);
    sum_add(&d, c->arg[1], -1);
    if (d.n == 0) return (Bound){0};
    long k = d.k + (c->op == OP_LT);
    bool negative = d.term[0].coef < 0;
    d.k = 0;
    for (int i = 0; i < d.n && negative; i++) d.term[i].coef = -d.term[i].coef;
    Bound b = {.core = sum_expr(&d), .differs = c->op == OP_NE, .lo = -RANGE_END, .hi = RANGE_END};
    if (negative || !order) b.lo = negative ? k : -k;
    if (!negative || !order) b.hi = negative ? k : -k;
    return b;
}

typedef enum Verdict { APART, IMPLIED, IMPLIES, IMPOSSIBLE } Verdict;

/* How a new condition, b, stands to one that holds already, a. */
static Verdict compare_bounds(Bound a, Bound b) {
    if (!a.core || a.core != b.core) return APART;
    if (a.differs && b.differs) return APART;
    if (b.differs) {
        if (b.lo < a.lo || b.lo > a.hi) return IMPLIED;
        return a.lo == a.hi ? IMPOSSIBLE : APART;
    }
    if (a.differs) {
        if (a.lo < b.lo || a.lo > b.hi) return IMPLIES;
        return b.lo == b.hi ? IMPOSSIBLE : APART;
    }
    if (b.lo > a.hi || b.hi < a.lo) return IMPOSSIBLE;
    if (b.lo <= a.lo && b.hi >= a.hi) return IMPLIED;
    if (b.lo >= a.lo && b.hi <= a.hi) return IMPLIES;
    return APART;
}

typedef VEC(Expr *) Conjuncts;

/* False where the conjunction cannot hold. */
static bool add_conjunct(Pool *p, Conjuncts *v, Expr *c) {
    Bound bound = bound_of(p, c);
    Expr *opposite = c->op == OP_OR ? NULL : logic_not(p, c);
    bool done = false;
    for (int i = 0; i < v->n; i++) {
        if (v->at[i] == c) done = true;
        if (v->at[i] == opposite) return false;
    }
    for (int i = 0; bound.core && i < v->n && !done; i++) {
        Verdict verdict = compare_bounds(bound_of(p, v->at[i]), bound);
        if (verdict == IMPOSSIBLE) return false;
        if (verdict == IMPLIED) done = true;
        if (verdict == IMPLIES) {
            v->at[i] = c;
            done = true;
        }
    }
    if (!done) PUSH(pool_arena(p), *v, c);
    return true;
}

static bool add_conjuncts(Pool *p, Conjuncts *v, Expr *e) {
    if (is_true(e)) return true;
    if (is_false(e)) return false;
    if (e->op != OP_AND) return add_conjunct(p, v, e);
    return add_conjuncts(p, v, e->arg[0]) && add_conjuncts(p, v, e->arg[1]);
}

Expr *logic_and(Pool *p, Expr *a, Expr *b) {
    if (is_true(b) || a == b) return a;
    if (is_true(a)) return b;
    Conjuncts v = {0};
    if (!add_conjuncts(p, &v, a) || !add_conjuncts(p, &v, b)) return e_bool(p, false);
    Expr *e = v.at[0];
    for (int i = 1; i < v.n; i++) {
        if (v.at[i] != e) e = expr_raw(p, OP_AND, T_BOOL, 2, (Expr *[]){e, v.at[i]});
    }
    return e;
}

static void gather(Arena *a, Conjuncts *v, Expr *e) {
    if (is_true(e)) return;
    if (e->op == OP_AND) {
        gather(a, v, e->arg[0]);
        gather(a, v, e->arg[1]);
    } else {
        PUSH(a, *v, e);
    }
}

int e_conjuncts(Arena *a, Expr *e, Expr ***out) {
    Conjuncts v = {0};
    gather(a, &v, e);
    *out = v.at;
    return v.n;
}

static bool has_disjunct(const Expr *e, const Expr *d) {
    return e == d || (e->op == OP_OR && (has_disjunct(e->arg[0], d) || has_disjunct(e->arg[1], d)));
}

Expr *logic_or(Pool *p, Expr *a, Expr *b) {
    if (is_true(a) || is_false(b)) return a;
    if (is_true(b) || is_false(a)) return b;
    if (b->op == OP_OR) return logic_or(p, logic_or(p, a, b->arg[0]), b->arg[1]);
    if (has_disjunct(a, b)) return a;
    if (b->op != OP_AND && has_disjunct(a, logic_not(p, b))) return e_bool(p, true);
    return expr_raw(p, OP_OR, T_BOOL, 2, (Expr *[]){a, b});
}

/* A comparison of floats has no opposite but !=, since of a NaN neither holds. */
Expr *logic_not(Pool *p, Expr *a) {
    bool integer = a->n && a->arg[0]->type == T_I32;
    switch (a->op) {
    case OP_CONST: return e_bool(p, !a->num);
    case OP_NOT: return a->arg[0];
    case OP_EQ: return expr_raw(p, OP_NE, T_BOOL, 2, a->arg);
    case OP_NE: return expr_raw(p, OP_EQ, T_BOOL, 2, a->arg);
    case OP_AND: return logic_or(p, logic_not(p, a->arg[0]), logic_not(p, a->arg[1]));
    case OP_OR: return logic_and(p, logic_not(p, a->arg[0]), logic_not(p, a->arg[1]));
    case OP_LT:
        if (integer) return logic_compare(p, OP_LE, a->arg[1], a->arg[0]);
        break;
    case OP_LE:
        if (integer) return logic_compare(p, OP_LT, a->arg[1], a->arg[0]);
        break;
    default: break;
    }
    return expr_raw(p, OP_NOT, T_BOOL, 1, &a);
}
