/* derive.c: derivatives of expressions, by reverse accumulation over the DAG.
 *
 * Each subexpression on the way to an active read is given its adjoint: the sum of what the
 * expressions that use it pass down. An adjoint is a value and a condition, so that below a
 * select the derivative is absent where the other branch is taken, rather than zero times something
 * that may be infinite. Integers, draws, conditions and stop(x) have no adjoint.
 */
#include "derive.h"

typedef struct Adjoint {
    Expr *cond, *value; /* value null: none yet */
    bool wanted; /* an active read is below */
} Adjoint;

typedef struct Walk {
    Pool *pool;
    const Map *active;
    Map *adjoint;
    VEC(Expr *) order; /* arguments first */
} Walk;

/* The arguments from which an operator takes a derivative: a mask. */
static unsigned derivable_args(const Expr *e) {
    switch (e->op) {
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
    case OP_DIV:
    case OP_MIN:
    case OP_MAX: return e->type == T_F32 ? 3 : 0;
    case OP_NEG:
    case OP_ABS:
    case OP_SQRT:
    case OP_EXP:
    case OP_LOG:
    case OP_TANH:
    case OP_ERF:
    case OP_COS:
    case OP_SIN:
    case OP_POW:
    case OP_FLUSH: return e->type == T_F32 ? 1 : 0;
    case OP_SELECT: return e->type == T_F32 ? 6 : 0;
    default: return 0;
    }
}

static void visit(void *context, Expr *e) {
    Walk *w = context;
    Arena *a = pool_arena(w->pool);
    Adjoint *x = NEW(a, Adjoint);
    unsigned args = derivable_args(e);
    x->wanted = e->op == OP_READ && e->type == T_F32 && map_get(w->active, e->node);
    for (int i = 0; i < e->n; i++) {
        if (args >> i & 1) x->wanted |= ((Adjoint *)map_get(w->adjoint, e->arg[i]))->wanted;
    }
    map_set(w->adjoint, e, x);
    PUSH(a, w->order, e);
}

static Expr *op2(Walk *w, Op op, Expr *a, Expr *b) { return e_op(w->pool, op, a, b, NULL); }

static Expr *op1(Walk *w, Op op, Expr *a) { return e_op(w->pool, op, a, NULL, NULL); }

static Expr *num(Walk *w, double x) { return e_num(w->pool, T_F32, x); }

static Expr *negate(Pool *p, Expr *c) { return e_op(p, OP_NOT, c, NULL, NULL); }

static Expr *alone(Pool *p, Expr *cond, Expr *value) {
    return cond ? e_select(p, cond, value, e_num(p, T_F32, 0)) : value;
}

static void add(Pool *p, Expr **cond, Expr **value, Expr *c, Expr *v) {
    if (!*value) {
        *cond = c;
        *value = v;
    } else if (*cond == c) {
        *value = e_add(p, *value, v);
    } else if (*cond && c && negate(p, *cond) == c) {
        *value = e_select(p, *cond, *value, v);
        *cond = NULL;
    } else {
        *value = e_add(p, alone(p, *cond, *value), alone(p, c, v));
        *cond = NULL;
    }
}

static void pass(Walk *w, Expr *arg, Expr *cond, Expr *value) {
    Adjoint *x = map_get(w->adjoint, arg);
    if (x->wanted && !is_false(cond)) add(w->pool, &x->cond, &x->value, cond, value);
}

static void pass_product(Walk *w, Expr *e, Adjoint x) {
    if (e->arg[0] == e->arg[1]) {
        Expr *twice = op2(w, OP_MUL, num(w, 2), x.value);
        pass(w, e->arg[0], x.cond, op2(w, OP_MUL, twice, e->arg[0]));
        return;
    }
    pass(w, e->arg[0], x.cond, op2(w, OP_MUL, x.value, e->arg[1]));
    pass(w, e->arg[1], x.cond, op2(w, OP_MUL, x.value, e->arg[0]));
}

static void pass_quotient(Walk *w, Expr *e, Adjoint x) {
    Expr *by = op2(w, OP_DIV, x.value, e->arg[1]);
    pass(w, e->arg[0], x.cond, by);
    pass(w, e->arg[1], x.cond, op1(w, OP_NEG, op2(w, OP_MUL, by, e)));
}

static void pass_choice(Walk *w, Adjoint x, Expr *which, Expr *yes, Expr *no) {
    pass(w, yes, e_and(w->pool, x.cond, which), x.value);
    pass(w, no, e_and(w->pool, x.cond, negate(w->pool, which)), x.value);
}

static void pass_abs(Walk *w, Expr *e, Adjoint x) {
    Expr *a = e->arg[0], *zero = num(w, 0);
    pass(w, a, e_and(w->pool, x.cond, op2(w, OP_LT, zero, a)), x.value);
    pass(w, a, e_and(w->pool, x.cond, op2(w, OP_LT, a, zero)), op1(w, OP_NEG, x.value));
}

static void pass_power(Walk *w, Expr *e, Adjoint x) {
    if (!is_const(e->arg[1])) die("a power whose exponent is no constant");
    double n = e->arg[1]->num;
    if (n == 0) return;
    Expr *rest = n == 2 ? e->arg[0] : op2(w, OP_POW, e->arg[0], e_num(w->pool, T_F32, n - 1));
    if (n == 1) rest = num(w, 1);
    pass(w, e->arg[0], x.cond, op2(w, OP_MUL, x.value, op2(w, OP_MUL, num(w, n), rest)));
}

/* The derivative of a function of one argument at e->arg[0], e being its value. */
static Expr *slope_of(Walk *w, Expr *e) {
    Expr *a = e->arg[0];
    switch (e->op) {
    case OP_EXP: return e;
    case OP_TANH: return op2(w, OP_SUB, num(w, 1), op2(w, OP_MUL, e, e));
    case OP_ERF: { /* 2 / sqrt(pi) * exp(-a^2) */
        Expr *bell = op1(w, OP_EXP, op1(w, OP_NEG, op2(w, OP_MUL, a, a)));
        return op2(w, OP_MUL, num(w, 1.1283791670955126), bell);
    }
    case OP_SIN: return op1(w, OP_COS, a);
    case OP_COS: return op1(w, OP_NEG, op1(w, OP_SIN, a));
    default: die("no derivative of %s", op_info[e->op].name);
    }
}

static void pass_sqrt(Walk *w, Expr *e, Adjoint x) {
    pass(w, e->arg[0], x.cond, op2(w, OP_DIV, op2(w, OP_MUL, num(w, 0.5), x.value), e));
}

static void pass_down(Walk *w, Expr *e, Adjoint x) {
    Expr *a = e->n > 0 ? e->arg[0] : NULL, *b = e->n > 1 ? e->arg[1] : NULL;
    switch (e->op) {
    case OP_READ: return;
    case OP_ADD:
        pass(w, a, x.cond, x.value);
        pass(w, b, x.cond, x.value);
        return;
    case OP_SUB:
        pass(w, a, x.cond, x.value);
        pass(w, b, x.cond, op1(w, OP_NEG, x.value));
        return;
    case OP_MUL: pass_product(w, e, x); return;
    case OP_DIV: pass_quotient(w, e, x); return;
    case OP_NEG: pass(w, a, x.cond, op1(w, OP_NEG, x.value)); return;
    case OP_MIN: pass_choice(w, x, op2(w, OP_LT, b, a), b, a); return;
    case OP_MAX: pass_choice(w, x, op2(w, OP_LT, a, b), b, a); return;
    case OP_SELECT: pass_choice(w, x, a, b, e->arg[2]); return;
    case OP_ABS: pass_abs(w, e, x); return;
    case OP_SQRT: pass_sqrt(w, e, x); return;
    case OP_POW: pass_power(w, e, x); return;
    case OP_FLUSH: pass(w, a, x.cond, x.value); return;
    case OP_LOG: pass(w, a, x.cond, op2(w, OP_DIV, x.value, a)); return;
    default: pass(w, a, x.cond, op2(w, OP_MUL, x.value, slope_of(w, e)));
    }
}

static void collect(Walk *w, Expr *read, Adjoint x, Slopes *out) {
    for (int i = 0; i < out->n; i++) {
        Slope *s = &out->at[i];
        if (s->read == read) {
            add(w->pool, &s->cond, &s->value, x.cond, x.value);
            return;
        }
    }
    PUSH(pool_arena(w->pool), *out, ((Slope){read, x.cond, x.value}));
}

void derive(Pool *p, Expr *e, Expr *cond, Expr *seed, const Map *active, Slopes *out) {
    Walk w = {.pool = p, .active = active, .adjoint = map_new(pool_arena(p))};
    e_visit(e, visit, &w);
    pass(&w, e, cond, seed);
    for (int i = w.order.n - 1; i >= 0; i--) {
        Adjoint *x = map_get(w.adjoint, w.order.at[i]);
        if (x->value) pass_down(&w, w.order.at[i], *x);
    }
    for (int i = 0; i < w.order.n; i++) { /* in the order of the text */
        Adjoint *x = map_get(w.adjoint, w.order.at[i]);
        if (x->value && w.order.at[i]->op == OP_READ) collect(&w, w.order.at[i], *x, out);
    }
}

static void find_reads(Arena *a, Map *seen, Expr *e, NodeList *out) {
    if (map_get(seen, e)) return;
    map_set(seen, e, e);
    if (e->op == OP_READ && e->type == T_F32 && !map_get(seen, e->node)) {
        map_set(seen, e->node, e->node);
        PUSH(a, *out, e->node);
    }
    unsigned args = derivable_args(e);
    for (int i = 0; i < e->n; i++) {
        if (args >> i & 1) find_reads(a, seen, e->arg[i], out);
    }
}

void derivable_reads(Arena *a, Expr *e, NodeList *out) {
    Map *seen = map_new(a);
    for (int i = 0; i < out->n; i++) map_set(seen, out->at[i], out->at[i]);
    find_reads(a, seen, e, out);
}
