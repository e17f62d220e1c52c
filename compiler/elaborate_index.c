/* elaborate_index.c: expressions as integers (sizes, subscripts, ranges) and as conditions.
 *
 * Here / is floor. What may be read as an integer is told by the text alone: whole literals,
 * sizes, indices, elements of integer tensors, and arithmetic on them.
 */
#include "elaborate_parts.h"
#include <math.h>
#include <string.h>

#define INT_LIMIT 2147483648.0

Expr *var_expr(Comp *c, Var *v) {
    return e_intern(c->e->pool, &(Expr){.op = OP_VAR, .type = T_I32, .var = v});
}

/* --- what kind of thing is it? --- */

typedef bool Classify(Elab *e, Scope *s, Tree *t);

static bool classify_arg(Elab *e, Bind *b, Classify *f) {
    if (b->busy || e->depth >= ELAB_DEPTH) return false;
    b->busy = true;
    e->depth++;
    bool is = f(e, b->in, b->tree);
    e->depth--;
    b->busy = false;
    return is;
}

static bool tensor_type_is(Bind *b, Type type) {
    bool tensor = b->kind == BIND_TENSOR || b->kind == BIND_STATE || b->kind == BIND_ELEMENT;
    return tensor && b->tensor->node && b->tensor->node->type == type;
}

/* The binding of a name that may end in ".flat". */
static Bind *find_name(Elab *e, Scope *s, Tree *t) {
    const char *text = t->name.id.text, *dot = strchr(text, '.');
    if (!dot) return scope_find(s, text);
    return scope_find(s, arena_strndup(e->arena, text, (size_t)(dot - text)));
}

static bool name_is_integral(Elab *e, Scope *s, Tree *t) {
    if (!strcmp(t->name.id.text, host_names[HOST_COUNT])) return true;
    Bind *b = find_name(e, s, t);
    if (!b) return false;
    if (b->kind == BIND_INDEX || b->kind == BIND_SIZE) return true;
    if (b->kind == BIND_ARG && !b->value) return classify_arg(e, b, is_integral);
    if (b->kind == BIND_ARG || b->kind == BIND_VALUE) {
        return b->tree ? classify_arg(e, b, is_integral) : b->value->type == T_I32;
    }
    return tensor_type_is(b, T_I32);
}

static bool args_are_integral(Elab *e, Scope *s, Tree *t) {
    for (int i = 0; i < t->call.args.n; i++) {
        if (!is_integral(e, s, t->call.args.at[i].value)) return false;
    }
    return true;
}

static bool call_is_integral(Elab *e, Scope *s, Tree *t) {
    const char *name = t->call.id.text;
    if (!strcmp(name, "size") || !strcmp(name, "int")) return true;
    if (find_draw(name) == DRAW_INTEGER) return true;
    int op = find_op(name);
    if (op == OP_MIN || op == OP_MAX || op == OP_ABS) return args_are_integral(e, s, t);
    if (!strcmp(name, "inside")) return args_are_integral(e, s, t);
    return false;
}

bool is_integral(Elab *e, Scope *s, Tree *t) {
    if (!elab_work(e, t->span)) return false;
    switch (t->kind) {
    case TREE_NUMBER: return t->num.is_int;
    case TREE_NAME: return name_is_integral(e, s, t);
    case TREE_CALL: return call_is_integral(e, s, t);
    case TREE_UNARY: return t->op.op == TREE_NEG && is_integral(e, s, t->op.a);
    case TREE_BINARY:
        switch (t->op.op) {
        case TREE_ADD: case TREE_SUB: case TREE_MUL: case TREE_DIV: case TREE_MOD: case TREE_POW:
            return is_integral(e, s, t->op.a) && is_integral(e, s, t->op.b);
        default: return false;
        }
    case TREE_COND: return is_integral(e, s, t->cond.yes) && is_integral(e, s, t->cond.no);
    case TREE_REDUCE:
        return t->reduce.kind == TREE_REDUCE_ARGMAX || t->reduce.kind == TREE_REDUCE_ARGMIN;
    default: return false;
    }
}

/* Is there an integer tensor or draw in what the value comes from? */
static bool from_integers(Elab *e, Scope *s, Tree *t) {
    switch (t->kind) {
    case TREE_NAME: {
        Bind *b = find_name(e, s, t);
        return b && tensor_type_is(b, T_I32);
    }
    case TREE_CALL:
        for (int i = 0; i < t->call.args.n; i++) {
            if (from_integers(e, s, t->call.args.at[i].value)) return true;
        }
        return find_draw(t->call.id.text) == DRAW_INTEGER || !strcmp(t->call.id.text, "int");
    case TREE_UNARY: return from_integers(e, s, t->op.a);
    case TREE_BINARY: return from_integers(e, s, t->op.a) || from_integers(e, s, t->op.b);
    case TREE_COND: return from_integers(e, s, t->cond.yes) || from_integers(e, s, t->cond.no);
    case TREE_REDUCE: return true;
    default: return false;
    }
}

bool is_int_valued(Elab *e, Scope *s, Tree *t) {
    return is_integral(e, s, t) && from_integers(e, s, t);
}

bool is_condition(Elab *e, Scope *s, Tree *t) {
    if (!elab_work(e, t->span)) return false;
    switch (t->kind) {
    case TREE_NAME: {
        const char *name = t->name.id.text;
        Bind *b = find_name(e, s, t);
        if (!b) return !strcmp(name, "training") || !strcmp(name, "true") || !strcmp(name, "false");
        if (b->kind == BIND_ARG) return classify_arg(e, b, is_condition);
        return tensor_type_is(b, T_BOOL);
    }
    case TREE_CALL:
        if (find_draw(t->call.id.text) == DRAW_BERNOULLI) return true;
        return !strcmp(t->call.id.text, "inside") && t->call.args.n &&
               is_condition(e, s, t->call.args.at[0].value);
    case TREE_UNARY: return t->op.op == TREE_NOT;
    case TREE_BINARY: return t->op.op == TREE_OR || (t->op.op >= TREE_AND && t->op.op <= TREE_GE);
    case TREE_COND: return is_condition(e, s, t->cond.yes) && is_condition(e, s, t->cond.no);
    default: return false;
    }
}

/* --- integers --- */

static Expr *not_integer(Comp *c, Tree *t) {
    elab_error(c->e, t->span, "this is no integer");
    return NULL;
}

/* Values stay where neither the compiler's arithmetic nor an int32 overflows. */
static Expr *checked(Comp *c, Tree *t, Expr *x) {
    bool big = is_const(x) && !(x->num > -INT_LIMIT && x->num < INT_LIMIT);
    if (x->op == OP_LIN) {
        big |= !((double)x->k > -INT_LIMIT && (double)x->k < INT_LIMIT);
        for (int i = 0; i < x->n; i++) {
            big |= !((double)x->coef[i] > -INT_LIMIT && (double)x->coef[i] < INT_LIMIT);
        }
    }
    long lo, hi;
    if (!big && !c->dry && e_range(x, &lo, &hi)) big = lo <= -INT_LIMIT || hi >= INT_LIMIT;
    if (!big) return x;
    elab_error(c->e, t->span, "this integer is too large: sizes and indices are below 2^31");
    return NULL;
}

static Expr *int_power(Comp *c, Tree *t, Expr *a, Expr *b) {
    if (!is_const(a) || !is_const(b) || b->num < 0) {
        elab_error(c->e, t->span, "a power of integers needs constants");
        return NULL;
    }
    double x = 1;
    long n = b->num < 64 ? (long)b->num : 64 + (long)fmod(b->num, 2); /* for 0, 1 and -1 */
    for (long i = 0; i < n && x < INT_LIMIT && x > -INT_LIMIT; i++) x *= a->num;
    return checked(c, t, e_int(c->e->pool, (long)x));
}

static Expr *int_binary(Comp *c, Scope *s, Tree *t) {
    Pool *p = c->e->pool;
    if (t->op.op <= TREE_GE) return not_integer(c, t);
    Expr *a = index_expr(c, s, t->op.a), *b = index_expr(c, s, t->op.b);
    if (!a || !b) return NULL;
    switch (t->op.op) {
    case TREE_ADD: return checked(c, t, e_add(p, a, b));
    case TREE_SUB: return checked(c, t, e_sub(p, a, b));
    case TREE_MUL: return checked(c, t, e_mul(p, a, b));
    case TREE_POW: return int_power(c, t, a, b);
    default: break;
    }
    if (!is_const(b) || b->num < 1) {
        elab_error(c->e, t->op.b->span, "an integer is divided by a positive constant only");
        return NULL;
    }
    return e_op(p, t->op.op == TREE_DIV ? OP_IDIV : OP_IMOD, a, b, NULL);
}

static Expr *int_size(Comp *c, Scope *s, Tree *t) {
    Tree *of = t->call.args.n == 1 ? t->call.args.at[0].value : NULL;
    Bind *b = of && of->kind == TREE_NAME ? scope_find(s, of->name.id.text) : NULL;
    if (b && b->kind == BIND_BAD) return NULL;
    bool fits = b && (b->kind == BIND_TENSOR || b->kind == BIND_SIZES || b->kind == BIND_STATE ||
                      b->kind == BIND_ELEMENT);
    if (!fits) {
        elab_error(c->e, t->span, "size(...) is of a tensor or of a pack of sizes");
        return NULL;
    }
    long n = 1;
    for (int i = 0; i < b->tensor->rank; i++) n *= b->tensor->shape[i];
    return e_int(c->e->pool, n);
}

/* While ranges are inferred, an integer that depends on data may be any. */
static Expr *unknown_int(Comp *c) {
    return var_expr(c, var_range(c->e->pool, "any", -(1L << 30), 1L << 30));
}

static Expr *int_from_float(Comp *c, Scope *s, Tree *t) {
    if (t->call.args.n != 1) return not_integer(c, t);
    if (c->dry) return unknown_int(c);
    Expr *x = element_expr(c, s, t->call.args.at[0].value);
    return x ? e_op(c->e->pool, OP_INT, x, NULL, NULL) : NULL;
}

/* A function, its arguments read as integers where its text does. */
static Expr *int_function(Comp *c, Scope *s, Tree *t, const Def *d) {
    Frame f;
    Expr *x = NULL;
    Scope *args = scope_of(c->e, d);
    if (!d->value || !bind_args(c->e, args, d, &t->call.args, s, t->span, NULL)) return NULL;
    for (int i = 0; i < args->binds.n; i++) {
        Bind *b = args->binds.at[i];
        if (b->in != s || b->formals || !is_integral(c->e, s, b->tree)) continue;
        b->value = index_expr(c, s, b->tree);
        if (!b->value) return NULL;
    }
    if (!enter(c->e, &f, d, t->span)) return NULL;
    x = index_expr(c, args, d->value);
    leave(c->e, &f);
    return x;
}

static Expr *int_call(Comp *c, Scope *s, Tree *t) {
    const char *name = t->call.id.text;
    int op = find_op(name), draw = find_draw(name);
    if (!strcmp(name, "size")) return int_size(c, s, t);
    if (!strcmp(name, "int")) return int_from_float(c, s, t);
    if (draw == DRAW_INTEGER) return draw_expr(c, s, t, draw);
    if ((op == OP_MIN || op == OP_MAX) && t->call.args.n >= 2) {
        Expr *x = index_expr(c, s, t->call.args.at[0].value);
        for (int i = 1; x && i < t->call.args.n; i++) {
            Expr *y = index_expr(c, s, t->call.args.at[i].value);
            x = y ? e_op(c->e->pool, op, x, y, NULL) : NULL;
        }
        return x;
    }
    if (op == OP_ABS && t->call.args.n == 1) {
        Expr *x = index_expr(c, s, t->call.args.at[0].value);
        return x ? e_op(c->e->pool, OP_ABS, x, NULL, NULL) : NULL;
    }
    if (!strcmp(name, "inside")) {
        if (c->dry) return unknown_int(c);
        Expr *x = val_expr(c, call_value(c, s, t));
        return x && x->type != T_I32 ? not_integer(c, t) : x;
    }
    const Def *d = find_def(c->e, s, SPACE_FUNCTION, name);
    return d ? int_function(c, s, t, d) : not_integer(c, t);
}

static Expr *int_name(Comp *c, Scope *s, Tree *t) {
    Elab *e = c->e;
    Pool *p = e->pool;
    if (!strcmp(t->name.id.text, host_names[HOST_COUNT])) return e_host(p, HOST_COUNT);
    Bind *b = find_name(e, s, t);
    if (!b) {
        unknown_name(e, s, t->name.id);
        return NULL;
    }
    if (b->kind == BIND_BAD) return NULL;
    if (t->name.indexed || b->kind == BIND_TENSOR) {
        if (c->g && tensor_type_is(b, T_I32)) return read_name(c, s, t);
        if (c->g || b->kind != BIND_TENSOR) return not_integer(c, t);
    }
    switch (b->kind) {
    case BIND_SIZE: return e_int(p, b->size);
    case BIND_INDEX:
        if (b->index->pack) {
            elab_error(e, t->span, "`%s` is a pack of indices: write `%s...`", b->name, b->name);
            return NULL;
        }
        return var_expr(c, b->index->var[0]);
    case BIND_VALUE:
        if (b->value->type == T_I32) return b->value;
        break;
    case BIND_ARG: {
        if (b->value && b->value->type == T_I32) return b->value;
        if (b->busy || e->depth >= ELAB_DEPTH) {
            elab_error(e, t->span, "`%s` depends on itself", b->name);
            return NULL;
        }
        b->busy = true;
        e->depth++;
        Expr *x = index_expr(c, b->in, b->tree);
        e->depth--;
        b->busy = false;
        return x;
    }
    default: break;
    }
    elab_error(e, t->span, "`%s` is no integer known to the compiler", b->name);
    return NULL;
}

static Expr *int_cond(Comp *c, Scope *s, Tree *t) {
    Expr *test = cond_expr(c, s, t->cond.test);
    if (!test) return NULL;
    if (is_true(test)) return index_expr(c, s, t->cond.yes);
    if (is_false(test)) return index_expr(c, s, t->cond.no);
    Expr *a = index_expr(c, s, t->cond.yes), *b = index_expr(c, s, t->cond.no);
    return a && b ? e_select(c->e->pool, test, a, b) : NULL;
}

Expr *index_expr(Comp *c, Scope *s, Tree *t) {
    if (!elab_work(c->e, t->span)) return NULL;
    switch (t->kind) {
    case TREE_NUMBER:
        if (!t->num.is_int) return not_integer(c, t);
        if (t->num.x >= INT_LIMIT) return checked(c, t, e_num(c->e->pool, T_I32, INT_LIMIT));
        return e_int(c->e->pool, t->num.i);
    case TREE_NAME: return int_name(c, s, t);
    case TREE_CALL: return int_call(c, s, t);
    case TREE_UNARY: {
        if (t->op.op != TREE_NEG) return not_integer(c, t);
        Expr *a = index_expr(c, s, t->op.a);
        return a ? e_scale(c->e->pool, a, -1) : NULL;
    }
    case TREE_BINARY: return int_binary(c, s, t);
    case TREE_COND: return int_cond(c, s, t);
    case TREE_REDUCE: {
        if (!is_integral(c->e, s, t)) return not_integer(c, t);
        if (c->dry) return unknown_int(c);
        return reduce_index(c, s, t);
    }
    default: return not_integer(c, t);
    }
}

bool const_int(Elab *e, Scope *s, Tree *t, long *value) {
    Comp none = {.e = e, .dry = true};
    Expr *x = index_expr(&none, s, t);
    if (!x) return false;
    if (!is_const(x)) {
        elab_error(e, t->span, "this must be known to the compiler");
        return false;
    }
    *value = (long)x->num;
    return true;
}

bool size_expr(Elab *e, Scope *s, Tree *t, long *size) {
    if (!const_int(e, s, t, size)) return false;
    if (*size >= 1 && *size <= ELAB_ELEMENTS) return true;
    elab_error(e, t->span, "a size is from 1 to 2^31 - 1, and this is %ld", *size);
    return false;
}

/* --- conditions --- */

static Expr *compare(Comp *c, Scope *s, Tree *t) {
    Pool *p = c->e->pool;
    TreeOp op = t->op.op;
    Expr *a, *b;
    if (is_integral(c->e, s, t->op.a) && is_integral(c->e, s, t->op.b)) {
        a = index_expr(c, s, t->op.a);
        b = index_expr(c, s, t->op.b);
        if (!a || !b) return NULL;
    } else {
        a = value_expr(c, s, t->op.a);
        b = value_expr(c, s, t->op.b);
        if (!a || !b) return NULL;
        if (a->type != b->type) {
            a = to_f32(c, a);
            b = to_f32(c, b);
        }
    }
    switch (op) {
    case TREE_EQ: return e_op(p, OP_EQ, a, b, NULL);
    case TREE_NE: return e_op(p, OP_NE, a, b, NULL);
    case TREE_LT: return e_op(p, OP_LT, a, b, NULL);
    case TREE_LE: return e_op(p, OP_LE, a, b, NULL);
    case TREE_GT: return e_op(p, OP_LT, b, a, NULL);
    default: return e_op(p, OP_LE, b, a, NULL);
    }
}

static Expr *cond_name(Comp *c, Scope *s, Tree *t) {
    Elab *e = c->e;
    const char *name = t->name.id.text;
    Bind *b = find_name(e, s, t);
    if (b && b->kind == BIND_BAD) return NULL;
    if (!b && !strcmp(name, "training")) return e_bool(e->pool, e->training);
    if (!b && !strcmp(name, "true")) return e_bool(e->pool, true);
    if (!b && !strcmp(name, "false")) return e_bool(e->pool, false);
    if (!b) {
        unknown_name(e, s, t->name.id);
        return NULL;
    }
    if (b->kind == BIND_ARG && !b->busy && e->depth < ELAB_DEPTH) {
        b->busy = true;
        e->depth++;
        Expr *x = cond_expr(c, b->in, b->tree);
        e->depth--;
        b->busy = false;
        return x;
    }
    if (tensor_type_is(b, T_BOOL) && !c->dry) return read_name(c, s, t);
    elab_error(e, t->span, "`%s` is no condition", name);
    return NULL;
}

static Expr *cond_select(Comp *c, Scope *s, Tree *t) {
    Expr *test = cond_expr(c, s, t->cond.test);
    Expr *a = cond_expr(c, s, t->cond.yes), *b = cond_expr(c, s, t->cond.no);
    return test && a && b ? e_select(c->e->pool, test, a, b) : NULL;
}

Expr *cond_expr(Comp *c, Scope *s, Tree *t) {
    Elab *e = c->e;
    if (!elab_work(e, t->span)) return NULL;
    if (t->kind == TREE_NAME) return cond_name(c, s, t);
    if (t->kind == TREE_COND) return cond_select(c, s, t);
    if (t->kind == TREE_CALL && find_draw(t->call.id.text) == DRAW_BERNOULLI) {
        return draw_expr(c, s, t, DRAW_BERNOULLI);
    }
    if (t->kind == TREE_CALL && is_condition(e, s, t)) return val_expr(c, call_value(c, s, t));
    if (t->kind == TREE_UNARY && t->op.op == TREE_NOT) {
        Expr *a = cond_expr(c, s, t->op.a);
        return a ? e_op(e->pool, OP_NOT, a, NULL, NULL) : NULL;
    }
    if (t->kind == TREE_BINARY && (t->op.op == TREE_AND || t->op.op == TREE_OR)) {
        Expr *a = cond_expr(c, s, t->op.a), *b = cond_expr(c, s, t->op.b);
        return a && b ? e_op(e->pool, t->op.op == TREE_AND ? OP_AND : OP_OR, a, b, NULL) : NULL;
    }
    if (t->kind == TREE_BINARY && t->op.op >= TREE_EQ && t->op.op <= TREE_GE) {
        return compare(c, s, t);
    }
    elab_error(e, t->span, "a condition is expected here: a comparison, `training`, a draw");
    return NULL;
}
