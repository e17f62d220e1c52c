/* index.c: integer arithmetic in canonical form: sums, floor division and remainder, ranges.
 *
 * A sum is k + coef * atom + ..., an atom anything that is no sum itself. Division by m takes out
 * of a sum what m divides; what is left may lie within one multiple of m by the ranges of its
 * variables, and then it is gone. The same for the part of a sum below a common factor g of m and
 * other coefficients. Remainders are kept with coefficients reduced to [0, m).
 */
#include "expr_build.h"
#include <string.h>

long floor_div(long a, long m) { return a / m - (a % m < 0); }

long floor_mod(long a, long m) { return a % m + (a % m < 0 ? m : 0); }

long gcd_of(long a, long b) {
    a = a < 0 ? -a : a;
    b = b < 0 ? -b : b;
    while (b) {
        long r = a % b;
        a = b;
        b = r;
    }
    return a;
}

/* --- sums --- */

void sum_init(Sum *s, Pool *p) {
    s->pool = p;
    s->k = 0;
    s->n = 0;
    s->cap = COUNT_OF(s->few);
    s->term = s->few;
}

static void sum_reserve(Sum *s, int n) {
    if (n <= s->cap) return;
    Term *term = NEW_ARRAY(pool_arena(s->pool), Term, n * 2);
    memcpy(term, s->term, sizeof *term * (size_t)s->n);
    s->term = term;
    s->cap = n * 2;
}

void sum_copy(Sum *to, const Sum *from) {
    sum_init(to, from->pool);
    sum_reserve(to, from->n);
    memcpy(to->term, from->term, sizeof *to->term * (size_t)from->n);
    to->n = from->n;
    to->k = from->k;
}

static void sum_add_atom(Sum *s, Expr *atom, long by) {
    int i = s->n;
    while (i > 0 && s->term[i - 1].atom->id > atom->id) i--;
    if (i > 0 && s->term[i - 1].atom == atom) {
        Term *t = &s->term[i - 1];
        t->coef += by;
        if (t->coef == 0) memmove(t, t + 1, sizeof *t * (size_t)(s->n-- - i));
        return;
    }
    sum_reserve(s, s->n + 1);
    memmove(&s->term[i + 1], &s->term[i], sizeof *s->term * (size_t)(s->n - i));
    s->term[i] = (Term){atom, by};
    s->n++;
}

void sum_add(Sum *s, Expr *e, long by) {
    if (by == 0) return;
    if (e->op == OP_CONST) {
        s->k += by * (long)e->num;
    } else if (e->op == OP_LIN) {
        s->k += by * e->k;
        for (int i = 0; i < e->n; i++) sum_add_atom(s, e->arg[i], by * e->coef[i]);
    } else {
        sum_add_atom(s, e, by);
    }
}

static long sum_coef(const Sum *s, const Expr *atom) {
    for (int i = 0; i < s->n; i++) {
        if (s->term[i].atom == atom) return s->term[i].coef;
    }
    return 0;
}

/* Is every coefficient of a - b, and its constant, a multiple of m? */
static bool congruent(Pool *p, Expr *a, Expr *b, long m) {
    Sum d;
    sum_init(&d, p);
    sum_add(&d, a, 1);
    sum_add(&d, b, -1);
    if (d.k % m) return false;
    for (int i = 0; i < d.n; i++) {
        if (d.term[i].coef % m) return false;
    }
    return true;
}

/* c * m * (x / m) + c * (x % m) = c * x, for the remainder in term i; false without a match */
static bool recombine(Sum *s, int i) {
    Expr *mod = s->term[i].atom;
    long c = s->term[i].coef, m = (long)mod->arg[1]->num;
    Expr *x = mod->arg[0], *div = index_div(s->pool, x, m);
    if (div->op == OP_LIN || div->op == OP_CONST || sum_coef(s, div) != c * m) {
        div = NULL;
        for (int j = 0; j < s->n && !div; j++) {
            Expr *d = s->term[j].atom;
            if (d->op != OP_IDIV || s->term[j].coef != c * m || !is_int(d->arg[1], m)) continue;
            if (congruent(s->pool, d->arg[0], x, m)) {
                div = d;
                x = d->arg[0];
            }
        }
    }
    if (!div) return false;
    sum_add(s, mod, -c);
    sum_add(s, div, -c * m);
    sum_add(s, x, c);
    return true;
}

/* c * x - c * m * (x / m) = c * (x % m), for the quotient in term i */
static bool to_remainder(Sum *s, int i) {
    Expr *div = s->term[i].atom, *x = div->arg[0];
    long m = (long)div->arg[1]->num, e = s->term[i].coef;
    if (e % m) return false;
    long c = -e / m;
    Sum part;
    sum_init(&part, s->pool);
    sum_add(&part, x, c);
    for (int j = 0; j < part.n; j++) {
        if (sum_coef(s, part.term[j].atom) != part.term[j].coef) return false;
    }
    sum_add(s, x, -c);
    sum_add(s, div, -e);
    sum_add(s, index_mod(s->pool, x, m), c);
    return true;
}

static bool sum_simplify(Sum *s) {
    for (int i = 0; i < s->n; i++) {
        if (s->term[i].atom->op == OP_IMOD && recombine(s, i)) return true;
        if (s->term[i].atom->op == OP_IDIV && to_remainder(s, i)) return true;
    }
    return false;
}

Expr *sum_expr(Sum *s) {
    while (s->n > 1 && sum_simplify(s)) continue;
    if (s->n == 0) return e_int(s->pool, s->k);
    if (s->n == 1 && s->k == 0 && s->term[0].coef == 1) return s->term[0].atom;
    Expr *few[COUNT_OF(s->few)], **arg = few;
    long few_coef[COUNT_OF(s->few)], *coef = few_coef;
    if (s->n > COUNT_OF(few)) {
        arg = NEW_ARRAY(pool_arena(s->pool), Expr *, s->n);
        coef = NEW_ARRAY(pool_arena(s->pool), long, s->n);
    }
    Expr key = {.op = OP_LIN, .type = T_I32, .n = s->n, .lanes = 1, .arg = arg, .coef = coef,
                .k = s->k};
    for (int i = 0; i < s->n; i++) {
        arg[i] = s->term[i].atom;
        coef[i] = s->term[i].coef;
        if (arg[i]->lanes > key.lanes) key.lanes = arg[i]->lanes;
    }
    return e_intern(s->pool, &key);
}

/* --- ranges --- */

static long clamp(__int128 x) {
    return x <= -RANGE_END ? -RANGE_END : x >= RANGE_END ? RANGE_END : (long)x;
}

static bool open_end(long x) { return x <= -RANGE_END || x >= RANGE_END; }

static Range range_scale(Range r, long by) {
    long a = clamp((__int128)r.lo * by), b = clamp((__int128)r.hi * by);
    return by < 0 ? (Range){b, a} : (Range){a, b};
}

static Range range_sum(Range a, Range b) {
    Range r = {clamp((__int128)a.lo + b.lo), clamp((__int128)a.hi + b.hi)};
    if (open_end(a.lo) || open_end(b.lo)) r.lo = -RANGE_END;
    if (open_end(a.hi) || open_end(b.hi)) r.hi = RANGE_END;
    return r;
}

static Range range_product(Range a, Range b) {
    Range r = {RANGE_END, -RANGE_END};
    long x[2] = {a.lo, a.hi}, y[2] = {b.lo, b.hi};
    for (int i = 0; i < 4; i++) {
        long z = clamp((__int128)x[i / 2] * y[i % 2]);
        if (z < r.lo) r.lo = z;
        if (z > r.hi) r.hi = z;
    }
    return r;
}

static Range range_div(Range r, long m) {
    return (Range){open_end(r.lo) ? r.lo : floor_div(r.lo, m),
                   open_end(r.hi) ? r.hi : floor_div(r.hi, m)};
}

static Range range_mod(Range r, long m) {
    if (!open_end(r.lo) && !open_end(r.hi) && floor_div(r.lo, m) == floor_div(r.hi, m)) {
        return (Range){floor_mod(r.lo, m), floor_mod(r.hi, m)};
    }
    return (Range){0, m - 1};
}

static long least(long a, long b) { return a < b ? a : b; }

static long most(long a, long b) { return a > b ? a : b; }

Range sum_range(const Sum *s) {
    Range r = {s->k, s->k};
    for (int i = 0; i < s->n; i++) {
        r = range_sum(r, range_scale(expr_range(s->term[i].atom), s->term[i].coef));
    }
    return r;
}

static Range lin_range(const Expr *e) {
    Range r = {e->k, e->k};
    for (int i = 0; i < e->n; i++) {
        r = range_sum(r, range_scale(expr_range(e->arg[i]), e->coef[i]));
    }
    return r;
}

Range expr_range(const Expr *e) {
    Range none = {-RANGE_END, RANGE_END};
    if (e->type != T_I32) return none;
    Range a = none, b = none;
    if (e->op == OP_MIN || e->op == OP_MAX || e->op == OP_MUL) {
        a = expr_range(e->arg[0]);
        b = expr_range(e->arg[1]);
    }
    switch (e->op) {
    case OP_CONST: return (Range){(long)e->num, (long)e->num};
    case OP_VAR: return (Range){e->var->lo, e->var->hi};
    case OP_HOST: return (Range){1, INT32_MAX};
    case OP_LIN: return lin_range(e);
    case OP_IDIV: return range_div(expr_range(e->arg[0]), (long)e->arg[1]->num);
    case OP_IMOD: return range_mod(expr_range(e->arg[0]), (long)e->arg[1]->num);
    case OP_MIN: return (Range){least(a.lo, b.lo), least(a.hi, b.hi)};
    case OP_MAX: return (Range){most(a.lo, b.lo), most(a.hi, b.hi)};
    case OP_MUL: return range_product(a, b);
    case OP_ABS:
        a = expr_range(e->arg[0]);
        if (a.lo >= 0) return a;
        return (Range){a.hi <= 0 ? -a.hi : 0, most(-a.lo, a.hi)};
    case OP_SELECT:
        a = expr_range(e->arg[1]);
        b = expr_range(e->arg[2]);
        return (Range){least(a.lo, b.lo), most(a.hi, b.hi)};
    case OP_DRAW:
        if (e->n < 3 || e->arg[2]->op != OP_CONST) return none;
        return (Range){0, (long)e->arg[2]->num - 1};
    default: return none;
    }
}

bool e_range(const Expr *e, long *lo, long *hi) {
    Range r = expr_range(e);
    *lo = r.lo;
    *hi = r.hi;
    return !open_end(r.lo) && !open_end(r.hi);
}

/* Do all values of r lie in [q * m, (q + 1) * m) for one q? */
static bool one_block(Range r, long m, long *q) {
    if (open_end(r.lo) || open_end(r.hi)) return false;
    *q = floor_div(r.lo, m);
    return *q == floor_div(r.hi, m);
}

/* --- division --- */

/* Ways to take multiples of m out of a coefficient; the rest keeps its sign, is in [0, m), or is
 * the nearest to 0. */
typedef enum Way { WAY_SIGN, WAY_FLOOR, WAY_NEAR, N_WAYS } Way;

static long rest_of(long c, long m, Way way) {
    if (way == WAY_SIGN) return c % m;
    long r = floor_mod(c, m);
    return way == WAY_NEAR && r > m / 2 ? r - m : r;
}

/* x = m * quot + rest, the constant of rest in [0, m). */
static void split(Pool *p, Expr *x, long m, Way way, Sum *quot, Sum *rest) {
    Sum s;
    sum_init(&s, p);
    sum_add(&s, x, 1);
    sum_init(quot, p);
    sum_init(rest, p);
    quot->k = floor_div(s.k, m);
    rest->k = floor_mod(s.k, m);
    for (int i = 0; i < s.n; i++) {
        long r = rest_of(s.term[i].coef, m, way);
        sum_add(quot, s.term[i].atom, (s.term[i].coef - r) / m);
        sum_add(rest, s.term[i].atom, r);
    }
}

/* s = g * high + low, low within [0, g): for a factor g of m that some coefficients share. */
static bool split_low(const Sum *s, long m, Sum *high, Sum *low, long *factor) {
    for (int t = 0; t < s->n; t++) {
        long g = gcd_of(s->term[t].coef, m), q;
        if (g <= 1) continue;
        sum_init(high, s->pool);
        sum_init(low, s->pool);
        for (int i = 0; i < s->n; i++) {
            Term x = s->term[i];
            if (x.coef % g == 0) {
                sum_add(high, x.atom, x.coef / g);
            } else {
                sum_add(low, x.atom, x.coef);
            }
        }
        high->k = floor_div(s->k, g);
        low->k = floor_mod(s->k, g);
        if (!one_block(sum_range(low), g, &q)) continue;
        high->k += q;
        low->k -= q * g;
        *factor = g;
        return true;
    }
    return false;
}

/* The quotient inside y / a + k, or null. */
static Expr *inner_div(Expr *x, long *k) {
    *k = 0;
    if (x->op == OP_IDIV) return x;
    if (x->op != OP_LIN || x->n != 1 || x->coef[0] != 1 || x->arg[0]->op != OP_IDIV) return NULL;
    *k = x->k;
    return x->arg[0];
}

Expr *index_div(Pool *p, Expr *x, long m) {
    long q, k, g;
    if (m == 1) return x;
    if (one_block(expr_range(x), m, &q)) return e_int(p, q);
    Expr *inner = inner_div(x, &k);
    if (inner) {
        long a = (long)inner->arg[1]->num;
        return index_div(p, e_offset(p, inner->arg[0], a * k), a * m);
    }
    if (x->op == OP_IMOD && (long)x->arg[1]->num % m == 0) {
        return index_mod(p, index_div(p, x->arg[0], m), (long)x->arg[1]->num / m);
    }
    Sum quot, rest, high, low;
    for (Way way = N_WAYS; way-- > 0;) { /* ends with the one that is kept */
        split(p, x, m, way, &quot, &rest);
        if (one_block(sum_range(&rest), m, &q)) {
            quot.k += q;
            return sum_expr(&quot);
        }
    }
    if (split_low(&rest, m, &high, &low, &g)) {
        sum_add(&quot, index_div(p, sum_expr(&high), m / g), 1);
        return sum_expr(&quot);
    }
    if (quot.n || quot.k) {
        sum_add(&quot, index_div(p, sum_expr(&rest), m), 1);
        return sum_expr(&quot);
    }
    return expr_raw(p, OP_IDIV, T_I32, 2, (Expr *[]){x, e_int(p, m)});
}

/* c * (y % M) is c * y modulo m where m divides c * M. */
static Expr *drop_inner_mods(Pool *p, Expr *x, long m) {
    Sum s, t;
    sum_init(&s, p);
    sum_add(&s, x, 1);
    sum_init(&t, p);
    t.k = s.k;
    for (int i = 0; i < s.n; i++) {
        Expr *a = s.term[i].atom;
        long c = s.term[i].coef;
        bool drop = a->op == OP_IMOD && c * (long)a->arg[1]->num % m == 0;
        sum_add(&t, drop ? a->arg[0] : a, c);
    }
    return sum_expr(&t);
}

Expr *index_mod(Pool *p, Expr *x, long m) {
    long q, g;
    if (m == 1) return e_int(p, 0);
    if (one_block(expr_range(x), m, &q)) return e_offset(p, x, -q * m);
    Expr *y = drop_inner_mods(p, x, m);
    if (y != x) return index_mod(p, y, m);
    Sum quot, rest, high, low;
    static const Way ways[] = {WAY_SIGN, WAY_NEAR, WAY_FLOOR};
    for (int i = 0; i < COUNT_OF(ways); i++) {
        split(p, x, m, ways[i], &quot, &rest);
        if (one_block(sum_range(&rest), m, &q)) {
            rest.k -= q * m;
            return sum_expr(&rest);
        }
    }
    if (split_low(&rest, m, &high, &low, &g)) {
        sum_add(&low, index_mod(p, sum_expr(&high), m / g), g);
        return sum_expr(&low);
    }
    y = sum_expr(&rest);
    if (y != x) return index_mod(p, y, m);
    return expr_raw(p, OP_IMOD, T_I32, 2, (Expr *[]){x, e_int(p, m)});
}

Expr *e_scale(Pool *p, Expr *a, long by) {
    Sum s;
    sum_init(&s, p);
    sum_add(&s, a, by);
    return sum_expr(&s);
}

Expr *e_offset(Pool *p, Expr *a, long by) {
    Sum s;
    if (by == 0) return a;
    sum_init(&s, p);
    sum_add(&s, a, 1);
    s.k += by;
    return sum_expr(&s);
}

bool e_affine(Pool *p, Expr *e, const Var *v, long *c, Expr **rest) {
    Sum s;
    *c = 0;
    sum_init(&s, p);
    sum_add(&s, e, 1);
    for (int i = 0; i < s.n; i++) {
        Expr *a = s.term[i].atom;
        if (a->op == OP_VAR && a->var == v) {
            *c = s.term[i].coef;
        } else if (e_uses(a, v)) {
            return false;
        }
    }
    if (*c) sum_add(&s, e_var(p, (Var *)v), -*c);
    *rest = *c ? sum_expr(&s) : e;
    return true;
}
