/* rewrite_select.c: a sum over windows of which one element counts reads that element.
 *
 * Requires: sorted graphs, differentiated and solved. A tensor that is not 0 at one element of each
 * window of m, the one whose number within the window is in an integer tensor,
 *     U[v] = [v % m == arg[v / m]] P[v / m]
 * (the adjoint of a maximum over windows side by side) is m times too much work in a sum:
 *     y = sum(v) U[v] * f(v)    becomes    y = sum(q) P[q] * f(m*q + arg[q])
 * Where U is read at a sum of variables, as the adjoint of a convolution reads it, one of them is
 * replaced by the element's place first. f may then be read outside of its tensor, where the guard
 * forbids it: tensors read at an index by data get a border of zeros instead. (A border's 0 times a
 * gradient that is not finite is not 0; but then nothing of that step is finite.)
 *
 * Where the place of a result, too, is tied to the window,
 *     y[i] = sum(q, f) P[f, q] * W[f, i - m*q - arg[f, q]]
 * all windows would be tried for each result, most in vain. There
 *     patch[q, d] = sum(f) P[f, q] * W[f, d - arg[f, q]]      for the few d that W reaches,
 *     y[i] = sum(q) patch[q, i - m*q]
 * The index structure alone decides where this is possible, and a cost model for the reference
 * machine where it pays: vectors must lie along an index of the result that is not by data.
 */
#include "passes.h"
#include "rewrite.h"
#include <string.h>

enum {
    MAX_DIGITS = 4,
    LANES = 16,    /* of the reference machine */
    MOVE = 10,     /* multiplications in the time in which an element changes its storage order */
    MOST_PADDED = 2 /* times the size that a tensor may grow to by a border */
};
static const double LOADS = 1.3; /* a term is a load more than one of a tiled product */

typedef struct Select {
    Graph *g;
    Pool *pool;
    Arena *arena;
    bool always; /* whatever it costs */
} Select;

/* A sum on its way: what it will be. */
typedef struct Term {
    Node *node;
    VEC(Var *) rvar;
    Expr *guard;
    Factors factors;
} Term;

/* --- tensors with one element a window --- */

/* n as terms with variables: coefficients of VARs and of one READ. */
typedef struct Choice {
    Expr *winner; /* the read of an integer tensor: */
    int n;        /* it equals the sum of unit * digit */
    Var *digit[MAX_DIGITS];
    long unit[MAX_DIGITS];
} Choice;

static bool is_zero(const Expr *e) { return !e || (is_const(e) && e->num == 0); }

static bool is_integer_read(const Expr *e) { return e->op == OP_READ && e->type == T_I32; }

/* An equality between a sum and an element of an integer tensor that is no data itself. */
static Expr *read_of_equality(Pool *p, Expr *e) {
    if (e->op != OP_EQ || e->arg[0]->type != T_I32) return NULL;
    Expr *d = e_sub(p, e->arg[0], e->arg[1]), *read = NULL;
    for (int i = 0; d->op == OP_LIN && i < d->n; i++) {
        if (!expr_is_data(d->arg[i])) continue;
        if (read || !is_integer_read(d->arg[i])) return NULL;
        if (d->coef[i] != 1 && d->coef[i] != -1) return NULL;
        read = d->arg[i];
    }
    for (int i = 0; read && i < read->n; i++) {
        if (expr_is_data(read->arg[i])) return NULL;
    }
    return read;
}

/* The one condition by data of a conjunction, if it is such an equality; or null. */
static Expr *choice_in(Select *s, Expr *guard) {
    Expr **part, *found = NULL;
    int n = e_conjuncts(s->arena, guard, &part);
    for (int i = 0; i < n; i++) {
        if (!expr_is_data(part[i])) continue;
        if (found || !read_of_equality(s->pool, part[i])) return NULL;
        found = part[i];
    }
    return found;
}

static bool is_spread(Select *s, const Node *n) {
    if (n->kind != NODE_COMP || n->reduce != REDUCE_NONE || n->type != T_F32) return false;
    if (n->n_custom || n->component || !is_zero(n->init)) return false;
    return choice_in(s, n->guard) != NULL;
}

/* By what an index variable is divided: one number, or 0 where it is not, or -1 where it can't be
 * seen. */
typedef struct Period {
    const Var *var;
    long m;
} Period;

static void note_period(void *context, Expr *e) {
    Period *x = context;
    if ((e->op != OP_IDIV && e->op != OP_IMOD) || !e_uses(e, x->var)) return;
    long m = (long)e->arg[1]->num;
    bool plain = e->arg[0]->op == OP_VAR && (x->m == 0 || x->m == m);
    x->m = plain ? m : -1;
}

static long period_of(const Node *u, int axis) {
    Period x = {.var = u->var[axis]};
    e_visit(u->guard, note_period, &x);
    if (x.m >= 0) e_visit(u->body, note_period, &x);
    return x.m;
}

/* --- from elements to windows --- */

static Expr *between(Pool *p, Expr *lo, Expr *x, Expr *end) {
    return e_and(p, e_op(p, OP_LE, lo, x, NULL), e_op(p, OP_LT, x, end, NULL));
}

static void subst_term(Select *s, Term *t, const Map *map) {
    t->guard = e_subst(s->pool, t->guard, map);
    for (int i = 0; i < t->factors.at.n; i++)
        t->factors.at.at[i] = e_subst(s->pool, t->factors.at.at[i], map);
}

/* A reduction variable that `index` moves with, one to one, and that is not taken yet; or null. */
static Var *moving_var(Select *s, const Term *t, Expr *index, long *coef, Expr **rest) {
    for (int i = 0; i < t->rvar.n; i++) {
        Var *v = t->rvar.at[i];
        if (v->batch || v->lo != 0) continue;
        if (e_affine(s->pool, index, v, coef, rest) && (*coef == 1 || *coef == -1)) return v;
    }
    return NULL;
}

static void replace_rvar(Select *s, Term *t, const Var *old, Var *by) {
    for (int i = 0; i < t->rvar.n; i++)
        if (t->rvar.at[i] == old) t->rvar.at[i] = by;
}

/* How many elements there are along an axis of u, from the first window to the last. */
static long extent_in_windows(Select *s, const Node *u, int axis, long m) {
    long extent = u->shape[axis], whole = extent - extent % m;
    Expr *inside = e_op(s->pool, OP_LT, e_var(s->pool, u->var[axis]), e_int(s->pool, whole), NULL);
    return whole && e_implies(s->pool, u->guard, inside) ? whole : extent;
}

/* The variable that moves along an axis of u, in windows of m: m * q + w instead, q among the
 * reduction variables, w returned to be chosen. */
static Var *split_axis(Select *s, Term *t, int factor, int axis, long m) {
    Pool *p = s->pool;
    const Node *u = t->factors.at.at[factor]->node;
    long coef, extent = extent_in_windows(s, u, axis, m);
    Expr *rest, *index = t->factors.at.at[factor]->arg[axis];
    Var *old = moving_var(s, t, index, &coef, &rest);
    if (!old) return NULL;
    Var *q = var_new(p, u->var[axis]->name, (extent + m - 1) / m), *w = var_new(p, "w", m);
    Expr *place = e_add(p, e_scale(p, e_var(p, q), m), e_var(p, w));
    Expr *value = e_scale(p, e_sub(p, place, rest), coef);
    Map *map = map_new(s->arena);
    map_set(map, old, value);
    subst_term(s, t, map);
    t->guard = e_and(p, t->guard, between(p, e_int(p, old->lo), value, e_int(p, old->hi + 1)));
    t->guard = e_and(p, t->guard, e_op(p, OP_LT, place, e_int(p, extent), NULL));
    replace_rvar(s, t, old, q);
    return w;
}

/* winner == sum of unit * digit, where the units are those of a number in mixed radix. */
static bool digits_of(Select *s, Expr *equality, Choice *c, Var *const *w, int n) {
    Pool *p = s->pool;
    c->winner = read_of_equality(p, equality);
    if (!c->winner) return false;
    Expr *d = e_sub(p, equality->arg[0], equality->arg[1]);
    long sign = 0, unit = 1, rest = d->k;
    for (int i = 0; i < d->n; i++)
        if (d->arg[i] == c->winner) sign = -d->coef[i];
    for (int found = 0; found < n; found++, unit *= c->digit[found - 1]->hi + 1) {
        Var *v = NULL;
        for (int i = 0; i < d->n && !v; i++)
            if (d->arg[i]->op == OP_VAR && d->coef[i] * sign == unit) v = d->arg[i]->var;
        bool known = false;
        for (int i = 0; i < n; i++) known |= v == w[i];
        if (!v || !known || v->hi == 0 || e_uses(c->winner, v)) return false;
        c->digit[found] = v;
        c->unit[found] = unit;
        c->n = found + 1;
    }
    return rest == 0 && d->n == n + 1;
}

/* What is known of the winner: it is one of a window's, if the window has any. */
static Expr *winner_exists(Select *s, const Choice *c) {
    Pool *p = s->pool;
    const Node *n = c->winner->node;
    long window = 1, terms = 1;
    for (int i = 0; i < c->n; i++) window *= c->digit[i]->hi + 1;
    bool arg = n->kind == NODE_COMP && (n->reduce == REDUCE_ARGMAX || n->reduce == REDUCE_ARGMIN);
    bool some = arg && !n->guard;
    for (int i = 0; arg && i < n->n_rvars; i++) {
        terms *= n->rvar[i]->hi - n->rvar[i]->lo + 1;
        some &= !n->rvar[i]->batch;
    }
    Expr *exists = NULL;
    if (!some) exists = e_op(p, OP_LE, e_int(p, 0), c->winner, NULL);
    if (!arg || terms > window)
        exists = e_and(p, exists, e_op(p, OP_LT, c->winner, e_int(p, window), NULL));
    return exists;
}

/* Puts the digits of the winner, which is none below 0, for those of the window. */
static void choose_digits(Select *s, Term *t, const Choice *c) {
    Pool *p = s->pool;
    Map *map = map_new(s->arena);
    Expr *winner = e_op(p, OP_MAX, c->winner, e_int(p, 0), NULL);
    for (int i = 0; i < c->n; i++) {
        Expr *digit = e_op(p, OP_IDIV, winner, e_int(p, c->unit[i]), NULL);
        digit = e_op(p, OP_IMOD, digit, e_int(p, c->digit[i]->hi + 1), NULL);
        map_set(map, c->digit[i], digit);
    }
    subst_term(s, t, map);
}

/* Factor `factor` of t, a read of a spread tensor, becomes one of its windows' winners. */
static bool choose_winner(Select *s, Term *t, int factor) {
    Pool *p = s->pool;
    const Node *u = t->factors.at.at[factor]->node;
    Var *w[MAX_DIGITS];
    int n = 0;
    for (int i = 0; i < u->rank; i++) {
        long m = period_of(u, i);
        if (m < 0 || (m > 0 && n == MAX_DIGITS)) return false;
        if (m > 0 && !(w[n++] = split_axis(s, t, factor, i, m))) return false;
    }
    if (n == 0) return false;
    Expr **at = t->factors.at.at[factor]->arg, **part;
    Expr *guard = node_expr_at(p, u, u->guard, at);
    Choice c = {0};
    Expr *equality = choice_in(s, guard);
    if (!equality || !digits_of(s, equality, &c, w, n)) return false;
    int parts = e_conjuncts(s->arena, guard, &part);
    Expr *first = NULL; /* before anything reads the winner */
    for (int i = 0; i < parts; i++)
        if (part[i] != equality) first = e_and(p, first, part[i]);
    t->guard = e_and(p, first, t->guard);
    t->factors.at.at[factor] = node_expr_at(p, u, u->body, at);
    choose_digits(s, t, &c);
    t->guard = e_and(p, t->guard, winner_exists(s, &c));
    return true;
}

/* --- borders --- */

/* How far the indices of a read by data go beyond its tensor. */
typedef struct Border {
    long before[MAX_RANK], behind[MAX_RANK];
    bool any;
} Border;

static bool border_of(const Expr *read, Border *b) {
    const Node *n = read->node;
    *b = (Border){.any = false};
    for (int i = 0; i < read->n; i++) {
        long lo, hi;
        if (!expr_is_data(read->arg[i])) continue;
        if (!e_range(read->arg[i], &lo, &hi)) return false;
        b->before[i] = lo < 0 ? -lo : 0;
        b->behind[i] = hi >= n->shape[i] ? hi - n->shape[i] + 1 : 0;
        b->any |= b->before[i] || b->behind[i];
    }
    return true;
}

static bool is_small(const Node *n, const Border *b) {
    double old = 1, padded = 1;
    for (int i = 0; i < n->rank; i++) {
        if (b->before[i] + b->behind[i] == 0) continue;
        old *= (double)n->shape[i];
        padded *= (double)(n->shape[i] + b->before[i] + b->behind[i]);
        if (b->before[i] + b->behind[i] > MOST_PADDED * n->shape[i]) return false;
    }
    return true;
}

static Node *add_border(Select *s, Node *of, const Border *b) {
    Pool *p = s->pool;
    long shape[MAX_RANK];
    for (int i = 0; i < of->rank; i++) shape[i] = of->shape[i] + b->before[i] + b->behind[i];
    const char *name = arena_printf(s->arena, "%s_bordered", of->name);
    Node *n = graph_comp(s->g, name, of->type, of->rank, shape, of->batched);
    n->layer = of->layer;
    Expr **index = NEW_ARRAY(s->arena, Expr *, of->rank);
    for (int i = 0; i < of->rank; i++) {
        index[i] = e_offset(p, e_var(p, n->var[i]), -b->before[i]);
        n->guard = e_and(p, n->guard, between(p, e_int(p, 0), index[i], e_int(p, of->shape[i])));
    }
    n->body = e_read(p, of, index, of->rank);
    return n;
}

/* The conditions that keep the read inside of its tensor. */
static Expr *inside_of(Pool *p, const Expr *read) {
    Expr *inside = NULL;
    for (int i = 0; i < read->n; i++) {
        if (!expr_is_data(read->arg[i])) continue;
        inside = e_and(p, inside, between(p, e_int(p, 0), read->arg[i],
                                          e_int(p, read->node->shape[i])));
    }
    return inside;
}

/* Borders for the factors that need them; what they make 0 leaves the guard. */
static bool add_borders(Select *s, Term *t) {
    Pool *p = s->pool;
    Expr *inside = NULL;
    for (int i = 0; i < t->factors.at.n; i++) {
        Expr *e = t->factors.at.at[i];
        Border b;
        if (e->op != OP_READ) continue;
        if (!border_of(e, &b) || !is_small(e->node, &b)) return false;
        if (!b.any) continue;
        inside = e_and(p, inside, inside_of(p, e));
        Node *bordered = add_border(s, e->node, &b);
        Expr **index = NEW_ARRAY(s->arena, Expr *, e->n);
        for (int k = 0; k < e->n; k++) index[k] = e_offset(p, e->arg[k], b.before[k]);
        t->factors.at.at[i] = e_read(p, bordered, index, e->n);
    }
    Expr **part, *guard = NULL;
    int n = e_conjuncts(s->arena, t->guard, &part);
    for (int i = 0; i < n; i++)
        if (!expr_is_data(part[i]) || !e_implies(p, inside, part[i]))
            guard = e_and(p, guard, part[i]);
    t->guard = guard;
    return true;
}

/* --- patches --- */

/* An axis of the result that is tied to the window: the index of a read is var - m * q + k + data,
 * the data between least and most. */
typedef struct Tie {
    Var *var, *q;
    long m, k, least, most;
    long extent; /* of the tensor read along that axis */
    Var *d;      /* the patch's: var - m * q + k + most */
} Tie;

static bool is_output_var(const Node *n, const Var *v) {
    for (int i = 0; i < n->rank; i++)
        if (n->var[i] == v) return true;
    return false;
}

static bool tie_of(const Node *n, Expr *index, long extent, Tie *tie) {
    *tie = (Tie){.extent = extent};
    if (index->op != OP_LIN) return false;
    tie->k = index->k;
    for (int i = 0; i < index->n; i++) {
        Expr *a = index->arg[i];
        long lo, hi, c = index->coef[i];
        if (a->op == OP_VAR && is_output_var(n, a->var)) {
            if (tie->var || c != 1 || a->var->batch) return false;
            tie->var = a->var;
        } else if (a->op == OP_VAR) {
            if (tie->q || c >= 0 || a->var->batch) return false;
            tie->q = a->var;
            tie->m = -c;
        } else {
            if (!expr_is_data(a) || !e_range(a, &lo, &hi)) return false;
            tie->least += c < 0 ? c * hi : c * lo;
            tie->most += c < 0 ? c * lo : c * hi;
        }
    }
    return tie->var && tie->q;
}

/* The axes on which borders would be too large, as ties; -1 where one is of another form. */
static int find_ties(const Term *t, Tie *tie) {
    int n = 0;
    for (int i = 0; i < t->factors.at.n; i++) {
        const Expr *e = t->factors.at.at[i];
        Border b;
        if (e->op != OP_READ) continue;
        if (!border_of(e, &b)) return -1;
        if (is_small(e->node, &b)) continue;
        for (int k = 0; k < e->n; k++) {
            if (b.before[k] + b.behind[k] == 0) continue;
            if (n == MAX_RANK || !tie_of(t->node, e->arg[k], e->node->shape[k], &tie[n])) return -1;
            for (int j = 0; j < n; j++)
                if (tie[j].var == tie[n].var || tie[j].q == tie[n].q) return -1;
            n++;
        }
    }
    return n;
}

static bool is_tied(const Tie *tie, int n, const Var *v) {
    for (int i = 0; i < n; i++)
        if (tie[i].var == v || tie[i].q == v) return true;
    return false;
}

/* The patches: over the result's other axes, the windows and the places in a patch. */
static Node *add_patches(Select *s, Term *t, Tie *tie, int n) {
    Pool *p = s->pool;
    const Node *of = t->node;
    long shape[2 * MAX_RANK];
    int rank = 0, kept = 0;
    for (int i = 0; i < of->rank; i++)
        if (!is_tied(tie, n, of->var[i])) shape[rank++] = of->shape[i];
    for (int i = 0; i < n; i++) shape[rank++] = tie[i].q->hi + 1;
    for (int i = 0; i < n; i++) shape[rank++] = tie[i].extent + tie[i].most - tie[i].least;
    if (rank > MAX_RANK) return NULL;
    const char *name = arena_printf(s->arena, "%s_patch", of->name);
    Node *patch = graph_comp(s->g, name, of->type, rank, shape, of->batched);
    patch->layer = of->layer;
    Map *map = map_new(s->arena);
    rank = 0;
    for (int i = 0; i < of->rank; i++)
        if (!is_tied(tie, n, of->var[i])) map_set(map, of->var[i], e_var(p, patch->var[rank++]));
    for (int i = 0; i < n; i++) {
        Expr *q = e_var(p, patch->var[rank + i]), *d = e_var(p, patch->var[rank + n + i]);
        patch->var[rank + i]->name = tie[i].q->name;
        patch->var[rank + n + i]->name = "d";
        map_set(map, tie[i].q, q);
        Expr *at = e_add(p, d, e_scale(p, q, tie[i].m));
        map_set(map, tie[i].var, e_offset(p, at, -tie[i].k - tie[i].most));
    }
    subst_term(s, t, map);
    for (int i = 0; i < t->rvar.n; i++)
        if (!is_tied(tie, n, t->rvar.at[i])) t->rvar.at[kept++] = t->rvar.at[i];
    t->rvar.n = kept;
    t->node = patch;
    return patch;
}

/* The result: for each tied axis the few windows whose patches reach it. */
static void sum_patches(Select *s, Node *n, const Node *patch, const Tie *tie, int ties) {
    Pool *p = s->pool;
    Expr **index = NEW_ARRAY(s->arena, Expr *, patch->rank);
    int rank = 0;
    n->guard = NULL;
    n->rvar = NEW_ARRAY(s->arena, Var *, ties);
    n->n_rvars = ties;
    for (int i = 0; i < n->rank; i++)
        if (!is_tied(tie, ties, n->var[i])) index[rank++] = e_var(p, n->var[i]);
    for (int i = 0; i < ties; i++) {
        const Tie *x = &tie[i];
        long extent = patch->shape[rank + ties + i];
        Var *back = n->rvar[i] = var_new(p, "back", (extent + x->m - 1) / x->m);
        Expr *m = e_int(p, x->m), *b = e_var(p, back);
        Expr *u = e_offset(p, e_var(p, x->var), x->k + x->most);
        Expr *q = e_sub(p, e_op(p, OP_IDIV, u, m, NULL), b);
        Expr *d = e_add(p, e_op(p, OP_IMOD, u, m, NULL), e_scale(p, b, x->m));
        n->guard = e_and(p, n->guard, between(p, e_int(p, 0), q, e_int(p, x->q->hi + 1)));
        n->guard = e_and(p, n->guard, e_op(p, OP_LT, d, e_int(p, extent), NULL));
        index[rank + i] = q;
        index[rank + ties + i] = d;
    }
    if (is_true(n->guard)) n->guard = NULL;
    n->body = e_read(p, (Node *)patch, index, patch->rank);
}

/* --- what it costs --- */

static double extent_of(const Var *v) { return (double)(v->hi - v->lo + 1); }

static double elements(const Node *n) {
    double size = 1;
    for (int i = 0; i < n->rank; i++) size *= (double)n->shape[i];
    return size;
}

static bool is_by_data(const Expr *read) {
    for (int i = 0; i < read->n && read->op == OP_READ; i++)
        if (expr_is_data(read->arg[i])) return true;
    return false;
}

/* Do vectors lie along v: where a factor depends on it, it is plainly an index? */
static bool may_be_lane(const Term *t, const Var *v) {
    bool used = false;
    for (int i = 0; i < t->factors.at.n; i++) {
        Expr *e = t->factors.at.at[i];
        if (!e_uses(e, v)) continue;
        int axes = 0;
        for (int k = 0; k < e->n && e->op == OP_READ; k++) {
            if (!e_uses(e->arg[k], v)) continue;
            if (e->arg[k]->op != OP_VAR) return false;
            axes++;
        }
        if (axes != 1) return false;
        used = true;
    }
    return used && !v->batch && (!t->guard || !e_uses(t->guard, v));
}

/* The part of each vector that is results. */
static double filled_lanes(const Term *t) {
    double best = 0;
    for (int i = 0; i < t->node->rank; i++) {
        const Var *v = t->node->var[i];
        if (!may_be_lane(t, v)) continue;
        double vectors = (double)((v->hi + LANES) / LANES);
        double filled = extent_of(v) / (vectors * LANES);
        if (filled > best) best = filled;
    }
    return best;
}

static double terms_of(const Node *n, Var *const *rvar, int n_rvars) {
    double terms = elements(n);
    for (int i = 0; i < n_rvars; i++) terms *= extent_of(rvar[i]);
    return terms;
}

static bool is_any_by_data(const Term *t) {
    bool by_data = t->guard && expr_is_data(t->guard);
    for (int i = 0; i < t->factors.at.n; i++) by_data |= is_by_data(t->factors.at.at[i]);
    return by_data;
}

static bool pays(const Term *t, const Node *result, double dense) {
    if (!is_any_by_data(t)) return true;
    double filled = filled_lanes(t), moved = result->batched ? elements(result) : 0;
    for (int i = 0; i < t->factors.at.n; i++) {
        const Expr *e = t->factors.at.at[i];
        if (e->op != OP_READ) return false;
        if (e->node->batched) moved += elements(e->node) * (is_by_data(e) ? 1 : 2);
    }
    if (filled == 0) return false;
    double sparse = terms_of(t->node, t->rvar.at, t->rvar.n) * LOADS / filled;
    return sparse + MOVE * moved < dense;
}

/* --- the pass --- */

static int find_spread(Select *s, const Factors *f) {
    for (int i = 0; i < f->at.n; i++)
        if (f->at.at[i]->op == OP_READ && is_spread(s, f->at.at[i]->node)) return i;
    return -1;
}

static void finish(Select *s, const Term *t) {
    Node *n = t->node;
    n->reduce = t->rvar.n || n->init ? REDUCE_SUM : REDUCE_NONE;
    n->rvar = t->rvar.at;
    n->n_rvars = t->rvar.n;
    n->guard = is_true(t->guard) ? NULL : t->guard;
    n->body = factors_product(s->pool, &t->factors);
}

static void rewrite_sum(Select *s, Node *n) {
    if (n->kind != NODE_COMP || n->reduce != REDUCE_SUM || n->type != T_F32 || n->component) return;
    Term t = {.node = n, .guard = n->guard};
    Tie tie[MAX_RANK];
    expr_factors(s->arena, n->body, &t.factors);
    int factor = find_spread(s, &t.factors);
    if (factor < 0) return;
    double dense = terms_of(n, n->rvar, n->n_rvars);
    for (int i = 0; i < n->n_rvars; i++) PUSH(s->arena, t.rvar, n->rvar[i]);
    if (!choose_winner(s, &t, factor)) return;
    int ties = find_ties(&t, tie);
    if (ties < 0) return;
    Node *patch = ties ? add_patches(s, &t, tie, ties) : NULL;
    if ((ties && !patch) || !add_borders(s, &t)) return;
    if (!s->always && !pays(&t, n, dense)) return;
    finish(s, &t);
    if (patch) sum_patches(s, n, patch, tie, ties);
}

static void rewrite_all(Graph *g, bool always) {
    Select s = {g, g->program->pool, g->program->arena, always};
    int n = g->nodes.n;
    for (int i = 0; i < n; i++) rewrite_sum(&s, g->nodes.at[i]);
    graph_sort(g);
}

void rewrite_select(Graph *g) { rewrite_all(g, false); }

void rewrite_select_always(Graph *g) { rewrite_all(g, true); }
