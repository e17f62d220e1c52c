/* loop_points.c: offsets evaluated at points of loops (loop_points.h). Where there are too many
 * points, each variable takes only some of its values, the first and last among them. */
#include "loop_points.h"
#include <stdlib.h>

enum { FEW = 1 << 16, MOST = 1 << 20, MOST_VARS = 16 };

typedef struct Points Points;
typedef bool PointFn(Points *p, long at);

struct Points {
    Arena *arena;
    const Routine *routine; /* whose parameters but `task` are the same at all points; or null */
    const Var *task;
    VEC(Var *) vars;
    VEC(Expr *) conditions;
    Expr *e;
    long value[MOST_VARS];
    PointFn *f;
    void *context;
};

static bool is_fixed(const Points *p, const Var *v) {
    for (int i = 0; p->routine && i < p->routine->vars.n; i++)
        if (p->routine->vars.at[i] == v) return v != p->task;
    return false;
}

/* --- values --- */

static long floor_div(long a, long m) {
    return a / m - (a % m < 0);
}

static bool value_of_var(const Points *p, const Var *v, long *x) {
    for (int i = 0; i < p->vars.n; i++) {
        if (p->vars.at[i] != v) continue;
        *x = p->value[i];
        return true;
    }
    *x = v->lo;
    return is_fixed(p, v);
}

static bool value_of_op(Op op, const long *a, long *x) {
    switch (op) {
    case OP_ADD: *x = a[0] + a[1]; return true;
    case OP_MUL: *x = a[0] * a[1]; return true;
    case OP_MIN: *x = a[1] < a[0] ? a[1] : a[0]; return true;
    case OP_MAX: *x = a[1] > a[0] ? a[1] : a[0]; return true;
    case OP_IDIV: *x = floor_div(a[0], a[1]); return true;
    case OP_IMOD: *x = a[0] - floor_div(a[0], a[1]) * a[1]; return true;
    case OP_LT: *x = a[0] < a[1]; return true;
    case OP_LE: *x = a[0] <= a[1]; return true;
    case OP_EQ: *x = a[0] == a[1]; return true;
    case OP_NE: *x = a[0] != a[1]; return true;
    case OP_AND: *x = a[0] && a[1]; return true;
    case OP_OR: *x = a[0] || a[1]; return true;
    case OP_NOT: *x = !a[0]; return true;
    case OP_SELECT: *x = a[0] ? a[1] : a[2]; return true;
    default: return false;
    }
}

/* false: it depends on something that has no value here */
static bool value_of(const Points *p, const Expr *e, long *x) {
    long a[3] = {0};
    if (e->op == OP_VAR) return value_of_var(p, e->var, x);
    if (e->op == OP_CONST) *x = (long)e->num;
    if (e->op == OP_CONST) return true;
    if (e->op == OP_LIN) {
        *x = e->k;
        for (int i = 0; i < e->n; i++) {
            if (!value_of(p, e->arg[i], &a[0])) return false;
            *x += e->coef[i] * a[0];
        }
        return true;
    }
    if (e->n < 1 || e->n > 3) return false;
    for (int i = 0; i < e->n; i++)
        if (!value_of(p, e->arg[i], &a[i])) return false;
    return value_of_op(e->op, a, x);
}

/* --- points --- */

static void note_var(void *context, Expr *e) {
    Points *p = context;
    if (e->op != OP_VAR || is_fixed(p, e->var)) return;
    for (int i = 0; i < p->vars.n; i++)
        if (p->vars.at[i] == e->var) return;
    PUSH(p->arena, p->vars, e->var);
}

static bool shares_var(const Points *p, Expr *e, int n) {
    for (int i = 0; i < n; i++)
        if (e_uses(e, p->vars.at[i])) return true;
    return false;
}

/* The conditions about e's variables: with others of theirs, or only those without. */
static void add_conditions(Points *p, Expr *known, bool others) {
    Expr **part;
    int n = e_conjuncts(p->arena, known, &part), own = p->vars.n;
    for (int i = 0; i < n; i++) {
        int before = p->vars.n;
        if (!shares_var(p, part[i], own)) continue;
        e_visit(part[i], note_var, p);
        if ((!others && p->vars.n > own) || p->vars.n > MOST_VARS) p->vars.n = before;
        else PUSH(p->arena, p->conditions, part[i]);
    }
}

static double points_of(const Points *p) {
    double points = 1;
    for (int i = 0; i < p->vars.n; i++)
        points *= (double)(p->vars.at[i]->hi - p->vars.at[i]->lo + 1);
    return points;
}

/* Conditions that cannot be told hold. */
static bool happens(const Points *p) {
    long x;
    for (int i = 0; i < p->conditions.n; i++)
        if (value_of(p, p->conditions.at[i], &x) && !x) return false;
    return true;
}

static bool try_points(Points *p, int i, long share) {
    long at;
    if (i == p->vars.n) return !happens(p) || (value_of(p, p->e, &at) && p->f(p, at));
    const Var *v = p->vars.at[i];
    long extent = v->hi - v->lo + 1, step = extent > share ? extent / share : 1;
    for (long x = v->lo; x <= v->hi;) {
        p->value[i] = x;
        if (!try_points(p, i + 1, share)) return false;
        x = x < v->hi && x + step > v->hi ? v->hi : x + step;
    }
    return true;
}

/* f(point, value of e) at points where the conditions hold, until it is false. */
static bool all_points(Points *p) {
    long share = 1L << 30;
    if (points_of(p) > MOST)
        for (share = 2; share < 64; share++) {
            double points = 1;
            for (int i = 0; i < p->vars.n; i++) points *= (double)(share + 1);
            if (points > MOST) break;
        }
    return try_points(p, 0, share);
}

/* --- bounds --- */

static bool is_inside(Points *p, long at) {
    return at >= 0 && at < *(long *)p->context;
}

bool points_inside(Arena *a, Expr *e, Expr *known, long end) {
    Points p = {.arena = a, .e = e, .f = is_inside, .context = &end};
    e_visit(e, note_var, &p);
    if (p.vars.n > MOST_VARS) return false;
    add_conditions(&p, known, true);
    return all_points(&p);
}

/* --- tasks --- */

typedef struct Owned { /* who stores to the elements of a buffer */
    const Buffer *buffer;
    int32_t *task; /* by element: 1 + its number, or 0 */
} Owned;

struct Tasks {
    Arena *arena;
    const Var *var;
    VEC(Owned) owned;
    Owned *now;
    int lanes;
};

Tasks *tasks_new(Arena *a, const Var *v) {
    Tasks *t = NEW(a, Tasks);
    t->arena = a;
    t->var = v;
    return t;
}

typedef struct Term {
    long coef, reach;
    bool task;
} Term;

static int by_stride(const void *x, const void *y) {
    const Term *a = x, *b = y;
    return (a->coef > b->coef) - (a->coef < b->coef);
}

/* Is e a number in a mixed base, of which the task is a digit or several? */
static bool has_own_stride(const Points *p, Expr *e, int lanes) {
    Term term[MOST_VARS];
    int n = 0;
    bool lin = e->op == OP_LIN, found = false;
    for (int i = 0; i < (lin ? e->n : 1); i++) {
        Expr *atom = lin ? e->arg[i] : e;
        long lo, hi;
        bool task = atom->op == OP_VAR && atom->var == p->task;
        if (atom->op == OP_VAR && is_fixed(p, atom->var)) continue;
        if (n == MOST_VARS || !e_range(atom, &lo, &hi)) return false;
        if (!task && e_uses(atom, p->task)) return false;
        term[n++] = (Term){labs(lin ? e->coef[i] : 1), hi - lo, task};
    }
    qsort(term, (size_t)n, sizeof *term, by_stride);
    long reach = lanes - 1;
    for (int i = 0; i < n; i++) {
        found |= term[i].task;
        if (found && term[i].coef <= reach) return false;
        reach += term[i].coef * term[i].reach;
    }
    return found;
}

static bool is_own(Points *p, long at) {
    Tasks *t = p->context;
    int32_t own = (int32_t)(1 + p->value[0]);
    for (long i = at; i < at + t->lanes; i++) {
        if (i < 0 || i >= t->now->buffer->size) continue;
        if (t->now->task[i] && t->now->task[i] != own) return false;
        t->now->task[i] = own;
    }
    return true;
}

static Owned *owned_of(Tasks *t, const Buffer *b) {
    for (int i = 0; i < t->owned.n; i++)
        if (t->owned.at[i].buffer == b) return &t->owned.at[i];
    PUSH(t->arena, t->owned, ((Owned){b, NEW_ARRAY(t->arena, int32_t, b->size)}));
    return &t->owned.at[t->owned.n - 1];
}

bool tasks_store(Tasks *t, const Routine *r, const Buffer *b, Expr *offset, int lanes,
                 Expr *known) {
    Points p = {.arena = t->arena, .routine = r, .task = t->var, .e = offset, .f = is_own,
                .context = t};
    PUSH(t->arena, p.vars, (Var *)t->var); /* the first */
    e_visit(offset, note_var, &p);
    if (p.vars.n > MOST_VARS) return has_own_stride(&p, offset, lanes);
    add_conditions(&p, known, false);
    if (points_of(&p) > FEW && has_own_stride(&p, offset, lanes)) return true;
    t->now = owned_of(t, b);
    t->lanes = lanes;
    return all_points(&p);
}
