/* imply.c: whether some comparisons of integers imply another: for bounds checks and guards.
 *
 * Everything is an inequality `sum >= 0`. The goal holds when its range says so; else a fact is
 * subtracted from it, scaled so that one atom cancels, and what remains is tried again, a few
 * facts deep (Fourier-Motzkin, aimed at the goal). Quotients bring facts of their own:
 * 0 <= x - m * (x / m) < m, and constant bounds of x divided by m.
 */
#include "expr_build.h"

enum { DEPTH = 3 };

typedef VEC(Sum *) Facts;

static Sum *new_sum(Pool *p) {
    Sum *s = NEW(pool_arena(p), Sum);
    sum_init(s, p);
    return s;
}

/* a - b - less >= 0 */
static void add_fact(Facts *f, Pool *p, Expr *a, Expr *b, long less) {
    Sum *s = new_sum(p);
    sum_add(s, a, 1);
    sum_add(s, b, -1);
    s->k -= less;
    PUSH(pool_arena(p), *f, s);
}

/* A fact that bounds x by a constant bounds d = x / m by an integer. */
static void rounded_fact(Facts *f, Pool *p, Expr *d, const Sum *fact) {
    long m = (long)d->arg[1]->num;
    for (int sign = -1; sign <= 1; sign += 2) {
        Sum rest;
        sum_copy(&rest, fact);
        sum_add(&rest, d->arg[0], sign);
        if (rest.n) continue;
        Expr *bound = e_int(p, floor_div(sign * rest.k, m));
        add_fact(f, p, sign > 0 ? bound : d, sign > 0 ? d : bound, 0);
    }
}

static void quotient_facts(Facts *f, Pool *p, const Sum *s) {
    int given = f->n;
    for (int i = 0; i < s->n; i++) {
        Expr *d = s->term[i].atom;
        if (d->op != OP_IDIV) continue;
        long m = (long)d->arg[1]->num;
        for (int j = 0; j < given; j++) rounded_fact(f, p, d, f->at[j]);
        add_fact(f, p, d->arg[0], e_scale(p, d, m), 0);
        add_fact(f, p, e_scale(p, d, m), d->arg[0], 1 - m);
    }
}

/* Of g * x + rest >= 0, x >= -(most of rest) / g, rounded up. */
static void divided_fact(Facts *f, Pool *p, const Sum *fact, long g) {
    Sum *s = new_sum(p);
    Sum rest;
    sum_init(&rest, p);
    rest.k = fact->k;
    for (int i = 0; i < fact->n; i++) {
        Term t = fact->term[i];
        if (t.coef % g == 0) {
            sum_add(s, t.atom, t.coef / g);
        } else {
            sum_add(&rest, t.atom, t.coef);
        }
    }
    Range r = sum_range(&rest);
    if (rest.n == 0 || r.hi >= RANGE_END) return;
    s->k = floor_div(r.hi, g);
    PUSH(pool_arena(p), *f, s);
}

static void divided_facts(Facts *f, Pool *p) {
    for (int i = 0, end = f->n; i < end; i++) {
        long done = 1;
        for (int j = 0; j < f->at[i]->n; j++) {
            long c = f->at[i]->term[j].coef, g = c < 0 ? -c : c;
            if (g == 1 || g == done) continue;
            divided_fact(f, p, f->at[i], g);
            done = g;
        }
    }
}

static void given_facts(Facts *f, Pool *p, Expr *given) {
    Expr **part;
    int n = e_conjuncts(pool_arena(p), given, &part);
    for (int i = 0; i < n; i++) {
        Expr *e = part[i];
        if (!e->n || e->arg[0]->type != T_I32) continue;
        if (e->op == OP_LT) add_fact(f, p, e->arg[1], e->arg[0], 1);
        if (e->op == OP_LE || e->op == OP_EQ) add_fact(f, p, e->arg[1], e->arg[0], 0);
        if (e->op == OP_EQ) add_fact(f, p, e->arg[0], e->arg[1], 0);
    }
    for (int i = 0, end = f->n; i < end; i++) quotient_facts(f, p, f->at[i]);
    divided_facts(f, p);
}

/* |b| * s - |a| * fact, in which the atom with coefficients a and b is no more */
static bool eliminate(const Sum *s, const Sum *fact, const Expr *atom, Sum *out) {
    long a = 0, b = 0;
    for (int i = 0; i < s->n; i++) {
        if (s->term[i].atom == atom) a = s->term[i].coef;
    }
    for (int i = 0; i < fact->n; i++) {
        if (fact->term[i].atom == atom) b = fact->term[i].coef;
    }
    if (a == 0 || (a > 0) != (b > 0) || b == 0) return false;
    long g = gcd_of(a, b), by = (b < 0 ? -b : b) / g, less = (a < 0 ? -a : a) / g;
    if (by > INT32_MAX || less > INT32_MAX) return false;
    sum_init(out, s->pool);
    for (int i = 0; i < s->n; i++) sum_add(out, s->term[i].atom, s->term[i].coef * by);
    for (int i = 0; i < fact->n; i++) sum_add(out, fact->term[i].atom, -fact->term[i].coef * less);
    out->k = s->k * by - fact->k * less;
    return true;
}

static bool nonnegative(const Sum *s, const Facts *f, int depth) {
    if (sum_range(s).lo >= 0) return true;
    if (depth == 0) return false;
    for (int i = 0; i < f->n; i++) {
        const Sum *fact = f->at[i];
        for (int j = 0; j < fact->n; j++) {
            Sum rest;
            if (!eliminate(s, fact, fact->term[j].atom, &rest)) continue;
            if (nonnegative(&rest, f, depth - 1)) return true;
        }
    }
    return false;
}

/* b - a - less >= 0 */
static bool follows(Pool *p, Facts f, Expr *a, Expr *b, long less) {
    Sum s;
    sum_init(&s, p);
    sum_add(&s, b, 1);
    sum_add(&s, a, -1);
    s.k -= less;
    quotient_facts(&f, p, &s);
    return nonnegative(&s, &f, DEPTH);
}

bool e_implies(Pool *p, Expr *given, Expr *goal) {
    if (is_true(goal) || is_false(given)) return true;
    if (goal->n != 2 || goal->arg[0]->type != T_I32) return false;
    Facts f = {0};
    given_facts(&f, p, given);
    Expr *a = goal->arg[0], *b = goal->arg[1];
    switch (goal->op) {
    case OP_LT: return follows(p, f, a, b, 1);
    case OP_LE: return follows(p, f, a, b, 0);
    case OP_EQ: return follows(p, f, a, b, 0) && follows(p, f, b, a, 0);
    case OP_NE: return follows(p, f, a, b, 1) || follows(p, f, b, a, 1);
    default: return false;
    }
}
