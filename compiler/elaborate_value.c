/* elaborate_value.c: expressions as numbers.
 *
 * A number is F64 as long as it depends on no tensor, index or draw: literals, sizes, parameters,
 * the step. It is rounded to F32 once, where it meets an element. Here / divides.
 */
#include "elaborate_parts.h"
#include <string.h>

Val val(Expr *e) { return (Val){.e = e}; }

/* --- types --- */

static void note_element(void *context, Expr *e) {
    if (e->op == OP_VAR || e->op == OP_READ || e->op == OP_DRAW) *(bool *)context = true;
}

static bool is_host(Expr *e) {
    bool element = false;
    e_visit(e, note_element, &element);
    return !element;
}

Expr *int_to_float(Comp *c, Expr *e) {
    return e_op(c->e->pool, is_host(e) ? OP_DOUBLE : OP_FLOAT, e, NULL, NULL);
}

Expr *to_f32(Comp *c, Expr *e) {
    return e->type == T_F64 ? e_op(c->e->pool, OP_ROUND, e, NULL, NULL) : e;
}

Expr *float_op(Comp *c, Op op, Expr *a, Expr *b) {
    if (b && a->type != b->type) {
        a = to_f32(c, a);
        b = to_f32(c, b);
    }
    return e_op(c->e->pool, op, a, b, NULL);
}

static Expr *as_number(Comp *c, Expr *e, Span at) {
    if (!e) return NULL;
    if (e->type == T_I32) return int_to_float(c, e);
    if (e->type != T_BOOL) return e;
    elab_error(c->e, at, "a condition is no number: write `condition ? 1 : 0`");
    return NULL;
}

Expr *value_expr(Comp *c, Scope *s, Tree *t) {
    return as_number(c, val_expr(c, value_of(c, s, t)), t->span);
}

Expr *element_expr(Comp *c, Scope *s, Tree *t) {
    Expr *e = value_expr(c, s, t);
    return e ? to_f32(c, e) : NULL;
}

Expr *number_expr(Comp *c, Scope *s, Tree *t) {
    Expr *e = value_expr(c, s, t);
    if (!e || e->type == T_F64) return e;
    elab_error(c->e, t->span, "a number that depends on no tensor is expected here");
    return NULL;
}

/* --- names --- */

static Expr *host_value(Comp *c, const char *name) {
    Pool *p = c->e->pool;
    for (int h = 0; h < N_HOSTS; h++) {
        if (strcmp(name, host_names[h])) continue;
        Expr *e = e_host(p, h);
        if (h == HOST_COUNT) return e_op(p, OP_DOUBLE, e, NULL, NULL);
        bool of_bytes = h == HOST_DATA_MEAN || h == HOST_DATA_STD;
        return of_bytes ? e_op(p, OP_DIV, e, e_num(p, T_F64, 255), NULL) : e;
    }
    return NULL;
}

static Val arg_value(Comp *c, Tree *t, Bind *b) {
    Elab *e = c->e;
    if (b->value) return val(b->value);
    if (b->busy || e->depth >= ELAB_DEPTH) {
        elab_error(e, t->span, "`%s` depends on itself", b->name);
        return val(NULL);
    }
    b->busy = true;
    e->depth++;
    Val v = value_of(c, b->in, b->tree);
    e->depth--;
    b->busy = false;
    return v;
}

static Val name_value(Comp *c, Scope *s, Tree *t) {
    Elab *e = c->e;
    const char *name = t->name.id.text;
    Bind *b = scope_find(s, name);
    if (!b && !strchr(name, '.') && (!strcmp(name, "training") || !strcmp(name, "true") ||
                                     !strcmp(name, "false"))) {
        return val(as_number(c, e_bool(e->pool, true), t->span));
    }
    Expr *host = b ? NULL : host_value(c, name);
    if (host) return val(host);
    if (!b && !strchr(name, '.')) {
        const Def *d = find_def(e, s, SPACE_STAGE, name);
        if (d || find_op(name) >= 0) {
            elab_error(e, t->span, "`%s` is a %s: its arguments are missing", name,
                       d ? def_kind_names[d->kind] : "function");
        } else {
            unknown_name(e, s, t->name.id);
        }
        return val(NULL);
    }
    switch (b ? b->kind : BIND_TENSOR) {
    case BIND_BAD: return val(NULL);
    case BIND_ARG:
        if (t->name.indexed) break;
        return arg_value(c, t, b);
    case BIND_VALUE: return val(as_number(c, b->value, t->span));
    case BIND_SIZE: return val(e_num(e->pool, T_F64, (double)b->size));
    case BIND_INDEX: return val(as_number(c, index_expr(c, s, t), t->span));
    default: break;
    }
    return val(as_number(c, read_name(c, s, t), t->span));
}

/* --- operators --- */

static Expr *power(Comp *c, Tree *t, Expr *a, Expr *b) {
    Pool *p = c->e->pool;
    if (a->type == T_F64 && b->type == T_F64) return e_op(p, OP_POW, a, b, NULL);
    if (!is_const(b) || b->type != T_F64) {
        Expr *log = e_op(p, OP_LOG, to_f32(c, a), NULL, NULL);
        return e_op(p, OP_EXP, e_mul(p, log, to_f32(c, b)), NULL, NULL);
    }
    double n = b->num;
    if (n == 0.5) return e_op(p, OP_SQRT, a, NULL, NULL);
    if (n != (double)(long)n || n > 64 || n < -64) {
        elab_error(c->e, t->op.b->span, "the power of an element is a whole number up to 64, or "
                   "0.5");
        return NULL;
    }
    if (n == 0) return e_num(p, T_F32, 1);
    Expr *x = e_op(p, OP_POW, a, e_num(p, T_F32, n < 0 ? -n : n), NULL);
    if (n == 1 || n == -1) x = a;
    return n < 0 ? e_op(p, OP_DIV, e_num(p, T_F32, 1), x, NULL) : x;
}

static Val binary_value(Comp *c, Scope *s, Tree *t) {
    if (t->op.op <= TREE_GE) {
        elab_error(c->e, t->span, "a condition is no number: write `condition ? 1 : 0`");
        return val(NULL);
    }
    if (t->op.op == TREE_MOD) {
        Expr *e = index_expr(c, s, t);
        return val(e ? int_to_float(c, e) : NULL);
    }
    if (t->op.op == TREE_ADD) {
        Val a = value_of(c, s, t->op.a);
        if (!a.e && !a.term) return val(NULL);
        return val_add(c, a, value_of(c, s, t->op.b));
    }
    Expr *a = value_expr(c, s, t->op.a), *b = value_expr(c, s, t->op.b);
    if (!a || !b) return val(NULL);
    switch (t->op.op) {
    case TREE_SUB: return val(float_op(c, OP_SUB, a, b));
    case TREE_MUL: return val(float_op(c, OP_MUL, a, b));
    case TREE_DIV: return val(float_op(c, OP_DIV, a, b));
    default: return val(power(c, t, a, b));
    }
}

bool depends_on_training(Elab *e, Scope *s, Tree *t) {
    if (!elab_work(e, t->span)) return false;
    switch (t->kind) {
    case TREE_NAME: {
        Bind *b = scope_find(s, t->name.id.text);
        if (!b) return !strcmp(t->name.id.text, "training");
        if (b->kind != BIND_ARG || b->busy || e->depth >= ELAB_DEPTH) return false;
        b->busy = true;
        e->depth++;
        bool is = depends_on_training(e, b->in, b->tree);
        e->depth--;
        b->busy = false;
        return is;
    }
    case TREE_UNARY: return depends_on_training(e, s, t->op.a);
    case TREE_BINARY:
        return depends_on_training(e, s, t->op.a) || depends_on_training(e, s, t->op.b);
    case TREE_COND:
        return depends_on_training(e, s, t->cond.test) || depends_on_training(e, s, t->cond.yes) ||
               depends_on_training(e, s, t->cond.no);
    default: return false;
    }
}

/* A branch that is not taken in this graph still counts its draws, for those of another graph to
 * get the same sites. */
static void skip_branch(Comp *c, Scope *s, Tree *t) {
    Expr *tests = c->tests;
    if (is_condition(c->e, s, t)) {
        cond_expr(c, s, t);
    } else {
        value_of(c, s, t);
    }
    c->tests = tests;
}

static Val cond_value(Comp *c, Scope *s, Tree *t) {
    Expr *test = cond_expr(c, s, t->cond.test);
    if (!test) return val(NULL);
    if (is_const(test)) {
        bool yes = is_true(test), both = depends_on_training(c->e, s, t->cond.test);
        if (both && !yes) skip_branch(c, s, t->cond.yes);
        Val v = value_of(c, s, yes ? t->cond.yes : t->cond.no);
        if (both && yes) skip_branch(c, s, t->cond.no);
        return v;
    }
    Expr *a = value_expr(c, s, t->cond.yes), *b = value_expr(c, s, t->cond.no);
    if (!a || !b) return val(NULL);
    if (a->type != b->type || !is_host(test)) {
        a = to_f32(c, a);
        b = to_f32(c, b);
    }
    return val(e_select(c->e->pool, test, a, b));
}

/* --- reductions --- */

static bool bind_reduction(Comp *c, Scope *s, Tree *t, Vars *rvars) {
    Elab *e = c->e;
    long terms = 1;
    for (int k = 0; k < t->reduce.over.n; k++) {
        Index *i = map_get(c->indices, &t->reduce.over.at[k]);
        if (!i) {
            elab_error(e, t->span, "a reduction cannot stand here");
            return false;
        }
        scope_bind(e, s, BIND_INDEX, i->name, i->span)->index = i;
        for (int j = 0; j < i->n; j++) {
            PUSH(e->arena, *rvars, i->var[j]);
            PUSH(e->arena, c->vars, i->var[j]);
            if (!__builtin_mul_overflow(terms, i->var[j]->hi + 1, &terms) &&
                terms <= ELAB_ELEMENTS)
                continue;
            elab_error(e, t->span, "this reduction has more than 2^31 - 1 terms");
            return false;
        }
    }
    return true;
}

static const Reduce reduce_of[N_TREE_REDUCES] = {REDUCE_SUM, REDUCE_PROD,   REDUCE_MAX,
                                                 REDUCE_MIN, REDUCE_ARGMAX, REDUCE_ARGMIN};

static Term *reduction(Comp *c, Scope *s, Tree *t) {
    Reduce kind = reduce_of[t->reduce.kind];
    bool arg = kind == REDUCE_ARGMAX || kind == REDUCE_ARGMIN;
    Term *r = term_new(c, kind, arg ? T_I32 : T_F32, tree_reduce_text[t->reduce.kind]);
    Scope *inner = scope_new(c->e, s);
    Expr *tests = c->tests;
    bool may_leave = c->may_leave;
    int depth = c->vars.n;
    r->span = t->span;
    if (!bind_reduction(c, inner, t, &r->rvars)) {
        c->vars.n = depth;
        return NULL;
    }
    c->tests = NULL;
    c->may_leave = true;
    Expr *guard = t->reduce.guard ? cond_expr(c, inner, t->reduce.guard) : NULL;
    r->body = guard || !t->reduce.guard ? element_expr(c, inner, t->reduce.body) : NULL;
    r->guard = e_and(c->e->pool, c->tests, guard); /* the guard may read under the tests */
    if (is_true(r->guard)) r->guard = NULL;
    if (r->rvars.n == 0) r->reduce = REDUCE_NONE;
    c->tests = tests;
    c->may_leave = may_leave;
    c->vars.n = depth;
    return r->body ? r : NULL;
}

static Val reduce_value(Comp *c, Scope *s, Tree *t) {
    if (c->dry) return val(e_num(c->e->pool, T_F32, 1));
    if (is_optimizer_sum(s, t)) return optimizer_sum(c, s, t);
    Term *r = reduction(c, s, t);
    return r ? val_term(r) : val(NULL);
}

Expr *reduce_index(Comp *c, Scope *s, Tree *t) {
    Term *r = reduction(c, s, t);
    if (r && r->reduce == REDUCE_NONE) return e_int(c->e->pool, 0);
    return r ? val_expr(c, val_term(r)) : NULL;
}

Val value_of(Comp *c, Scope *s, Tree *t) {
    if (!elab_work(c->e, t->span)) return val(NULL);
    switch (t->kind) {
    case TREE_NUMBER: return val(e_num(c->e->pool, T_F64, t->num.x));
    case TREE_NAME: return name_value(c, s, t);
    case TREE_CALL: return call_value(c, s, t);
    case TREE_UNARY: {
        if (t->op.op == TREE_NOT) break;
        Expr *a = value_expr(c, s, t->op.a);
        return val(a ? float_op(c, OP_NEG, a, NULL) : NULL);
    }
    case TREE_BINARY: return binary_value(c, s, t);
    case TREE_COND: return cond_value(c, s, t);
    case TREE_REDUCE: return reduce_value(c, s, t);
    default: break;
    }
    elab_error(c->e, t->span, "a number is expected here");
    return val(NULL);
}
