/* cost_value.c: index expressions as numbers (cost_parts.h): values, trip counts, shares. */
#include "cost_parts.h"

enum { MOST_POINTS = 4096, SOME = 6 };

static long floor_div(long a, long m) {
    return m ? a / m - (a % m < 0) : 0;
}

static long value_of_var(const Nest *x, const Var *v) {
    for (int i = x->depth - 1; i >= 0; i--)
        if (x->at[i]->var == v) return x->at[i]->value;
    return v->lo;
}

static long value_of_op(Nest *x, const Expr *e) {
    long a[3] = {0};
    for (int i = 0; i < e->n && i < 3; i++) a[i] = cost_value(x, e->arg[i]);
    switch (e->op) {
    case OP_ADD: return a[0] + a[1];
    case OP_SUB: return a[0] - a[1];
    case OP_MUL: return a[0] * a[1];
    case OP_MIN: return a[1] < a[0] ? a[1] : a[0];
    case OP_MAX: return a[1] > a[0] ? a[1] : a[0];
    case OP_IDIV: return floor_div(a[0], a[1]);
    case OP_IMOD: return a[0] - floor_div(a[0], a[1]) * a[1];
    case OP_LT: return a[0] < a[1];
    case OP_LE: return a[0] <= a[1];
    case OP_EQ: return a[0] == a[1];
    case OP_NE: return a[0] != a[1];
    case OP_AND: return a[0] && a[1];
    case OP_OR: return a[0] || a[1];
    case OP_NOT: return !a[0];
    case OP_SELECT: return a[0] ? a[1] : a[2];
    case OP_BROADCAST: return a[0];
    default: x->by_data = true; return 0;
    }
}

long cost_value(Nest *x, const Expr *e) {
    long sum;
    switch (e->op) {
    case OP_CONST: return (long)e->num;
    case OP_VAR: return value_of_var(x, e->var);
    case OP_IOTA: return x->lane;
    case OP_LIN:
        sum = e->k;
        for (int i = 0; i < e->n; i++) sum += e->coef[i] * cost_value(x, e->arg[i]);
        return sum;
    case OP_HOST:
        if (e->host == HOST_COUNT) return x->f->graph->batch;
        x->by_data = true;
        return 0;
    case OP_LOAD: x->by_data = true; return 0;
    default: return value_of_op(x, e);
    }
}

typedef struct Vars {
    const Nest *x;
    uint64_t bits;
} Vars;

static void note_var(void *context, Expr *e) {
    Vars *v = context;
    if (e->op != OP_VAR) return;
    for (int i = 0; i < v->x->depth; i++)
        if (v->x->at[i]->var == e->var) v->bits |= (uint64_t)1 << i;
}

uint64_t cost_vars(Nest *x, Expr *e) {
    Vars v = {x, 0};
    if (e->op != OP_CONST) e_visit(e, note_var, &v);
    return v.bits;
}

/* f at the values of the loops in `over`, or at some of them where they are many. */
static void all_points(Nest *x, uint64_t over, void (*f)(Nest *x, void *context), void *context) {
    double points = 1;
    for (int i = 0; i < x->depth; i++)
        if (over >> i & 1) points *= (double)(x->at[i]->hi - x->at[i]->lo + 1);
    int i = 0;
    while (i < x->depth && !(over >> i & 1)) i++;
    if (i == x->depth) {
        f(x, context);
        return;
    }
    Loop *l = x->at[i];
    long keep = l->value, extent = l->hi - l->lo, step = 1;
    if (points > MOST_POINTS && extent >= SOME) step = extent / (SOME - 1);
    for (long v = l->lo; v <= l->hi; v += step) {
        l->value = v;
        all_points(x, over & ~((uint64_t)1 << i), f, context);
    }
    l->value = keep;
}

typedef struct Mean {
    const Expr *lo, *e;
    double sum, n;
} Mean;

static void add_point(Nest *x, void *context) {
    Mean *m = context;
    long value = cost_value(x, m->e);
    long d = m->lo ? value - cost_value(x, m->lo) : value;
    m->sum += d > 0 ? (double)d : 0;
    m->n++;
}

static double mean_of(Nest *x, Expr *lo, Expr *e, double otherwise) {
    Mean m = {lo, e, 0, 0};
    x->by_data = false;
    all_points(x, cost_vars(x, e) | (lo ? cost_vars(x, lo) : 0), add_point, &m);
    return x->by_data ? otherwise : m.sum / m.n;
}

double cost_trip(Nest *x, Expr *lo, Expr *hi) {
    long least, most;
    double otherwise = e_range(hi, &least, &most) ? (double)most / 2 : 1;
    return mean_of(x, lo, hi, otherwise);
}

/* Conditions on the same variables are taken together, others as independent. */
double cost_share(Nest *x, Expr *cond) {
    Pool *p = x->f->graph->program->pool;
    Expr **part;
    int n = e_conjuncts(x->arena, cond, &part);
    double share = 1;
    for (int i = 0; i < n; i++) {
        uint64_t vars = cost_vars(x, part[i]);
        Expr *all = part[i];
        for (int j = i + 1; j < n; j++) {
            if (cost_vars(x, part[j]) != vars) continue;
            all = e_and(p, all, part[j]);
            part[j--] = part[--n];
        }
        share *= mean_of(x, NULL, all, 0.5);
    }
    return share;
}

double cost_stride(Nest *x, const Expr *offset, int level) {
    Loop *l = x->at[level];
    long keep = l->value;
    if (l->hi <= l->lo) return 0;
    l->value = l->lo;
    long first = cost_value(x, offset);
    l->value = l->hi;
    long last = cost_value(x, offset);
    l->value = keep;
    return (double)(last - first) / (double)(l->hi - l->lo);
}

typedef struct Values {
    const Expr *e;
    long value[256];
    int n;
    double beyond;
} Values;

static void add_value(Nest *x, void *context) {
    Values *v = context;
    long value = cost_value(x, v->e);
    int i = 0;
    while (i < v->n && v->value[i] != value) i++;
    if (i < v->n) return;
    if (v->n < COUNT_OF(v->value)) v->value[v->n++] = value;
    else v->beyond++;
}

double cost_distinct(Nest *x, Expr *e, uint64_t over) {
    Values v = {.e = e};
    double points = 1;
    int vars = 0;
    for (int i = 0; i < x->depth; i++)
        if (over >> i & 1) points *= x->at[i]->trip, vars++;
    if (vars < 2 || points > MOST_POINTS) return points;
    x->by_data = false;
    all_points(x, over, add_value, &v);
    return x->by_data ? points : v.n + v.beyond;
}
