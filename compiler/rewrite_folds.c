/* rewrite_folds.c: sums and results that repeat along an axis are computed once.
 *
 * Requires: a sorted graph. For sums of products:
 *
 *     sum(c, j) W[i, c, j] * x[n, j]  =  sum(j) F[j, i] * x[n, j],  F[j, i] = sum(c) W[i, c, j]
 *     sum(c < 3, j) x[n, j] * y[n, j] =  3 * sum(j) x[n, j] * y[n, j]
 *     y[i, k] = sum(n) d[n, i] * x[n, k % m]  is  z[i, k % m],
 *                                                z[i, j < m] = sum(n) d[n, i] * x[n, j]
 *
 * The first where that saves more multiplications than F takes additions: x has the same values
 * for every c, such as an image replicated into channels. That depends on the number of samples, on
 * which results of evaluation must not depend: it is for graphs that update tensors.
 */
#include "passes.h"
#include "rewrite.h"

static double extent(const Var *v) { return (double)(v->hi - v->lo + 1); }

static bool is_sum(const Node *n) {
    return n->kind == NODE_COMP && n->reduce == REDUCE_SUM && n->type == T_F32 && !n->component;
}

static void drop_rvar(Node *n, int i) {
    for (n->n_rvars--; i < n->n_rvars; i++) n->rvar[i] = n->rvar[i + 1];
}

/* n's comprehension in a new node; n's variables become index. */
static Node *moved(Graph *g, const Node *n, const char *name, const long *shape) {
    Pool *p = g->program->pool;
    Arena *a = g->program->arena;
    Node *m = graph_comp(g, name, T_F32, n->rank, shape, n->batched);
    Map *map = map_new(a);
    for (int i = 0; i < n->rank; i++) map_set(map, n->var[i], e_var(p, m->var[i]));
    m->reduce = n->reduce;
    m->n_rvars = n->n_rvars;
    m->rvar = NEW_ARRAY(a, Var *, n->n_rvars + 1);
    for (int i = 0; i < n->n_rvars; i++) m->rvar[i] = n->rvar[i];
    m->guard = n->guard;
    m->body = n->body;
    m->layer = n->layer;
    node_subst(p, m, map);
    return m;
}

static void become(Pool *p, Node *n, Expr *value) {
    n->body = n->init ? e_add(p, n->init, value) : value;
    n->reduce = REDUCE_NONE;
    n->rvar = NULL;
    n->n_rvars = 0;
    n->guard = n->init = NULL;
}

/* --- reduction variables that no term uses --- */

static void fold_equal_terms(Graph *g, Node *n) {
    Pool *p = g->program->pool;
    double times = 1;
    bool unused[64] = {false};
    int left = n->n_rvars;
    for (int i = 0; i < n->n_rvars && i < COUNT_OF(unused); i++) {
        Var *v = n->rvar[i];
        unused[i] = !v->batch && !e_uses(n->body, v) && !(n->guard && e_uses(n->guard, v));
        left -= unused[i];
        if (unused[i]) times *= extent(v);
    }
    if (!left || times == 1) return;
    const char *name = arena_printf(g->program->arena, "%s_once", n->name);
    Node *sum = moved(g, n, name, n->shape);
    for (int i = n->n_rvars - 1; i >= 0; i--)
        if (i < COUNT_OF(unused) && unused[i]) drop_rvar(sum, i);
    Expr *index[MAX_RANK];
    for (int i = 0; i < n->rank; i++) index[i] = e_var(p, n->var[i]);
    become(p, n, e_mul(p, e_num(p, T_F32, times), e_read(p, sum, index, n->rank)));
}

/* --- factors that alone depend on some reduction variables --- */

/* Which reduction variables does only this factor use? */
static int only_of(const Node *n, const Factors *f, int factor, bool *only) {
    int count = 0;
    for (int i = 0; i < n->n_rvars; i++) {
        Var *v = n->rvar[i];
        only[i] = !v->batch && e_uses(f->at.at[factor], v) && !(n->guard && e_uses(n->guard, v));
        for (int j = 0; j < f->at.n; j++) only[i] &= j == factor || !e_uses(f->at.at[j], v);
        count += only[i];
    }
    return count;
}

typedef struct Axes { /* of a folded factor */
    int n;
    Var *var[MAX_RANK];
    long shape[MAX_RANK];
} Axes;

static void add_axis(Axes *axes, Var *v, Expr *of) {
    if (!e_uses(of, v)) return;
    if (axes->n < MAX_RANK) {
        axes->var[axes->n] = v;
        axes->shape[axes->n] = v->hi + 1;
    }
    axes->n++;
}

/* The sum of the factor over those variables; what remains of them is summed over by n, so results
 * come last: along them vectors lie. */
static Expr *folded(Graph *g, const Node *n, Expr *factor, const bool *only, const Axes *axes) {
    Pool *p = g->program->pool;
    Arena *a = g->program->arena;
    const char *name = arena_printf(a, "%s_folded", factor->op == OP_READ ? factor->node->name
                                                                          : n->name);
    Node *f = graph_comp(g, name, T_F32, axes->n, axes->shape, false);
    Map *map = map_new(a);
    Expr *index[MAX_RANK];
    for (int i = 0; i < axes->n; i++) {
        map_set(map, axes->var[i], e_var(p, f->var[i]));
        index[i] = e_var(p, axes->var[i]);
    }
    f->reduce = REDUCE_SUM;
    f->rvar = NEW_ARRAY(a, Var *, n->n_rvars);
    f->body = factor;
    f->layer = n->layer;
    for (int i = 0; i < n->n_rvars; i++) {
        if (!only[i]) continue;
        Var *v = f->rvar[f->n_rvars++] = var_range(p, n->rvar[i]->name, 0, n->rvar[i]->hi);
        map_set(map, n->rvar[i], e_var(p, v));
    }
    node_subst(p, f, map);
    return e_read(p, f, index, axes->n);
}

/* With `always`, whether it pays or not. The node of the factor's sums; null: stays as it is. */
static Node *fold_factor(Graph *g, Node *n, Factors *f, int factor, bool always) {
    Pool *p = g->program->pool;
    Expr *e = f->at.at[factor];
    bool only[64] = {false};
    if (n->n_rvars > COUNT_OF(only) || !only_of(n, f, factor, only)) return NULL;
    Axes axes = {0};
    double products = 1, kept = 1, additions = 1;
    for (int i = 0; i < n->n_rvars; i++) {
        if (n->rvar[i]->lo) return NULL;
        if (!only[i]) add_axis(&axes, n->rvar[i], e);
        products *= extent(n->rvar[i]);
        if (!only[i]) kept *= extent(n->rvar[i]);
        if (e_uses(e, n->rvar[i])) additions *= extent(n->rvar[i]);
    }
    for (int i = 0; i < n->rank; i++) {
        add_axis(&axes, n->var[i], e);
        products *= (double)n->shape[i];
        kept *= (double)n->shape[i];
        if (e_uses(e, n->var[i])) additions *= (double)n->shape[i];
    }
    bool samples = n->batched && e_uses(e, n->var[0]);
    for (int i = 0; i < axes.n && i < MAX_RANK; i++) samples |= axes.var[i]->batch;
    if (samples || axes.n > MAX_RANK || !expr_reads_inside(p, NULL, e)) return NULL;
    if (!always && products - kept < 2 * additions) return NULL;
    Expr *read = f->at.at[factor] = folded(g, n, e, only, &axes);
    n->body = factors_product(p, f);
    for (int i = n->n_rvars - 1; i >= 0; i--)
        if (only[i]) drop_rvar(n, i);
    return read->node;
}

/* n's factors, and a list of reduction variables of its own. */
static Factors separate(Graph *g, Node *n) {
    Factors f = {0};
    expr_factors(g->program->arena, n->body, &f);
    Var **own = NEW_ARRAY(g->program->arena, Var *, n->n_rvars + 1);
    for (int i = 0; i < n->n_rvars; i++) own[i] = n->rvar[i];
    n->rvar = own;
    return f;
}

static void fold_factors(Graph *g, Node *n) {
    Factors f = separate(g, n);
    if (f.at.n < 2) return;
    for (int i = 0; i < f.at.n && n->n_rvars > 1; i++) fold_factor(g, n, &f, i, false);
}

Node *fold_stored(Graph *g, Node *n, const Stored *s) {
    if (!is_sum(n)) return NULL;
    Factors f = separate(g, n);
    for (int i = 0; i < f.at.n && f.at.n > 1; i++) {
        const Expr *e = f.at.at[i];
        if (e->op == OP_READ && e->node->kind == NODE_STORED && e->node->stored == s)
            return fold_factor(g, n, &f, i, true);
    }
    return NULL;
}

/* --- results that repeat --- */

typedef struct Period {
    const Var *var;
    long longest;
} Period;

static void find_period(void *context, Expr *e) {
    Period *d = context;
    if (e->op != OP_IMOD || !e_uses(e, d->var)) return;
    const Expr *x = e->arg[0];
    long period = (long)e->arg[1]->num;
    if (x->op == OP_IDIV) {
        period *= (long)x->arg[1]->num;
        x = x->arg[0];
    }
    if (x->op == OP_VAR && x->var == d->var && period > d->longest) d->longest = period;
}

/* Is e the same for v and v + period? */
static bool repeats(Pool *p, Expr *e, const Var *v, long period) {
    if (!e) return true;
    Var *low = var_new(p, "low", period), *high = var_new(p, "high", (v->hi + 1) / period);
    Expr *sum = e_add(p, e_var(p, low), e_scale(p, e_var(p, high), period));
    return !e_uses(e_subst1(p, e, v, sum), high);
}

static void fold_results(Graph *g, Node *n, int axis) {
    Pool *p = g->program->pool;
    Var *v = n->var[axis];
    Period d = {.var = v};
    e_visit(n->body, find_period, &d);
    if (!d.longest || d.longest > v->hi || (v->hi + 1) % d.longest || n->init) return;
    if (!repeats(p, n->body, v, d.longest) || !repeats(p, n->guard, v, d.longest)) return;
    long shape[MAX_RANK];
    Expr *index[MAX_RANK];
    for (int i = 0; i < n->rank; i++) {
        shape[i] = i == axis ? d.longest : n->shape[i];
        index[i] = e_var(p, n->var[i]);
    }
    const char *name = arena_printf(g->program->arena, "%s_once", n->name);
    Node *once = moved(g, n, name, shape);
    index[axis] = e_op(p, OP_IMOD, index[axis], e_int(p, d.longest), NULL);
    become(p, n, e_read(p, once, index, n->rank));
}

void rewrite_folds(Graph *g) {
    int n = g->nodes.n;
    bool trains = g->n_updates > 0;
    for (int i = 0; i < n; i++) {
        Node *node = g->nodes.at[i];
        if (is_sum(node)) fold_equal_terms(g, node);
        if (is_sum(node) && trains) fold_factors(g, node);
        for (int axis = node->batched; axis < node->rank && is_sum(node); axis++)
            fold_results(g, node, axis);
    }
    graph_sort(g);
}
