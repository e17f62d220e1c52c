/* elaborate_call.c: calls in expressions: operators, draws, inside, stop, and functions of the
 * library or the spec, which are expanded. */
#include "elaborate_parts.h"
#include <string.h>

static const Op ops[] = {OP_EXP, OP_LOG, OP_SQRT, OP_TANH, OP_ERF, OP_COS,  OP_SIN,
                         OP_ABS, OP_MIN, OP_MAX,  OP_FLOOR, OP_FLUSH, OP_STOP};

int find_op(const char *name) {
    for (int i = 0; i < COUNT_OF(ops); i++) {
        if (!strcmp(name, op_info[ops[i]].text)) return ops[i];
    }
    return -1;
}

int find_draw(const char *name) {
    for (int i = 0; i < N_DRAWS; i++) {
        if (!strcmp(name, draw_names[i])) return i;
    }
    return -1;
}

bool is_builtin(const char *name) {
    return find_op(name) >= 0 || find_draw(name) >= 0 || !strcmp(name, "inside") ||
           !strcmp(name, "size") || !strcmp(name, "int") || !strcmp(name, "repeat");
}

static bool count_args(Comp *c, Tree *t, int least, int most) {
    int n = t->call.args.n;
    for (int i = 0; i < n; i++) {
        const Arg *a = &t->call.args.at[i];
        if (!a->name.text) continue;
        elab_error(c->e, a->name.span, "`%s` takes its arguments by position", t->call.id.text);
        return false;
    }
    if (n >= least && n <= most) return true;
    const char *range = least == most ? arena_printf(c->e->arena, "%d", least)
                                      : arena_printf(c->e->arena, "%d to %d", least, most);
    elab_error(c->e, t->span, "`%s` takes %s argument%s, and has %d here", t->call.id.text,
               most < 100 ? range : "two or more", most == 1 ? "" : "s", n);
    return false;
}

static Tree *arg_at(Tree *t, int i) { return t->call.args.at[i].value; }

/* --- operators --- */

static Val op_value(Comp *c, Scope *s, Tree *t, Op op) {
    bool many = op == OP_MIN || op == OP_MAX;
    if (!count_args(c, t, many ? 2 : 1, many ? 100 : 1)) return val(NULL);
    Expr *x = value_expr(c, s, arg_at(t, 0));
    if (!x) return val(NULL);
    if (op == OP_STOP && !c->e->training) return val(x); /* no derivative is taken */
    if (op == OP_FLUSH || op == OP_STOP) x = to_f32(c, x);
    if (!many) return val(float_op(c, op, x, NULL));
    for (int i = 1; i < t->call.args.n; i++) {
        Expr *y = value_expr(c, s, arg_at(t, i));
        if (!y) return val(NULL);
        x = float_op(c, op, x, y);
    }
    return val(x);
}

/* --- random draws --- */

/* The number of the element, row-major over the indices of the comprehension. */
static Expr *element_number(Comp *c) {
    Pool *p = c->e->pool;
    Expr *k = e_int(p, 0);
    for (int i = 0; i < c->vars.n; i++) {
        Var *v = c->vars.at[i];
        if (!v->batch) k = e_add(p, e_scale(p, k, v->hi + 1), var_expr(c, v));
    }
    return k;
}

static Expr *draw(Comp *c, Draw kind, Expr *param) {
    Expr *sample = c->batch ? var_expr(c, c->batch) : NULL;
    return e_draw(c->e->pool, kind, c->e->site++, sample, element_number(c), param);
}

/* at + by * x */
static Expr *scaled(Comp *c, Expr *x, Expr *at, Expr *by) {
    bool one = is_const(by) && by->num == 1, zero = is_const(at) && at->num == 0;
    if (!one) x = float_op(c, OP_MUL, by, x);
    return zero ? x : float_op(c, OP_ADD, at, x);
}

static Expr *draw_float(Comp *c, Scope *s, Tree *t, Draw kind) {
    if (!count_args(c, t, 0, 2)) return NULL;
    if (t->call.args.n == 1) {
        elab_error(c->e, t->span, kind == DRAW_NORMAL ? "normal(mean, deviation)"
                                                      : "uniform(low, high)");
        return NULL;
    }
    Expr *x = draw(c, kind, NULL);
    if (t->call.args.n == 0) return x;
    Expr *a = value_expr(c, s, arg_at(t, 0)), *b = value_expr(c, s, arg_at(t, 1));
    if (!a || !b) return NULL;
    if (kind == DRAW_NORMAL) return scaled(c, x, a, b);
    return scaled(c, x, a, float_op(c, OP_SUB, b, a));
}

Expr *draw_expr(Comp *c, Scope *s, Tree *t, Draw kind) {
    Elab *e = c->e;
    if (kind == DRAW_UNIFORM || kind == DRAW_NORMAL) return draw_float(c, s, t, kind);
    if (!count_args(c, t, 1, 1)) return NULL;
    if (kind == DRAW_BERNOULLI) {
        Expr *p = number_expr(c, s, arg_at(t, 0));
        if (p && is_const(p) && !(p->num >= 0 && p->num <= 1)) {
            elab_error(e, arg_at(t, 0)->span, "a probability is from 0 to 1, and this is %g",
                       p->num);
            return NULL;
        }
        return p ? draw(c, kind, p) : NULL;
    }
    long m;
    if (!size_expr(e, s, arg_at(t, 0), &m)) return NULL;
    if (c->dry) return var_expr(c, var_new(e->pool, "draw", m));
    return draw(c, kind, e_int(e->pool, m));
}

/* --- inside --- */

/* inside(read, else value): the value where the read would leave its tensor */
static Val inside_value(Comp *c, Scope *s, Tree *t) {
    Elab *e = c->e;
    const Args *a = &t->call.args;
    if (a->n != 2 || a->at[0].name.text || !a->at[1].name.text ||
        strcmp(a->at[1].name.text, "else")) {
        elab_error(e, t->span, "inside takes a read and what stands for it outside: "
                   "inside(x[i], else 0)");
        return val(NULL);
    }
    Expr *tests = c->tests;
    bool may_leave = c->may_leave;
    Tree *read = arg_at(t, 0), *other = arg_at(t, 1);
    c->tests = NULL;
    c->may_leave = true;
    bool condition = is_condition(e, s, read), integer = is_int_valued(e, s, read);
    Expr *x = condition ? cond_expr(c, s, read)
              : integer ? index_expr(c, s, read) : element_expr(c, s, read);
    Expr *guard = c->tests;
    c->tests = tests;
    c->may_leave = may_leave;
    Expr *y = condition ? cond_expr(c, s, other)
              : integer ? index_expr(c, s, other) : element_expr(c, s, other);
    if (!x || !y) return val(NULL);
    if (is_true(guard)) return val(x);
    Term *term = term_new(c, REDUCE_NONE, x->type, "inside");
    term->guard = guard;
    term->body = x;
    term->init = y;
    return val_term(term);
}

/* --- functions --- */

/* Arguments given as numbers are evaluated once, where they are written. */
bool bind_values(Comp *c, Scope *args, Scope *from) {
    for (int i = 0; i < args->binds.n; i++) {
        Bind *b = args->binds.at[i];
        if (b->kind != BIND_ARG || b->in != from || b->value || b->formals) continue;
        if (is_condition(c->e, from, b->tree)) continue;
        b->value = value_expr(c, from, b->tree);
        if (!b->value) return false;
    }
    return true;
}

static bool has_element(const Def *d, const Scope *args) {
    for (int i = 0; i < d->derivative.n && i < args->binds.n; i++) {
        Expr *x = args->binds.at[i]->value;
        if (x && x->type == T_F32 && !is_const(x)) return true;
    }
    return false;
}

/* Of one read, everything else a number? */
static bool of_one_read(const Scope *args) {
    for (int i = 0; i < args->binds.n; i++) {
        Expr *x = args->binds.at[i]->value;
        if (i == 0 ? !x || x->op != OP_READ : x && x->type != T_F64) return false;
    }
    return args->binds.n > 0;
}

Val apply_function(Comp *c, const Def *d, Scope *args, Span at) {
    Frame f;
    if (!enter(c->e, &f, d, at)) return val(NULL);
    Expr *body = d->value ? value_expr(c, args, d->value) : NULL;
    leave(c->e, &f);
    if (!body) return val(NULL);
    bool increasing = d->increasing && of_one_read(args);
    bool custom = !c->plain && has_element(d, args);
    if ((!increasing && !custom) || body->type != T_F32) return val(body);
    Term *t = term_new(c, REDUCE_NONE, T_F32, d->name.text);
    t->body = body;
    t->increasing = increasing;
    if (custom) {
        t->custom = d;
        t->scope = args;
    }
    return val_term(t);
}

static Val function_value(Comp *c, Scope *s, Tree *t, const Def *d) {
    Scope *args = scope_of(c->e, d);
    if (!bind_args(c->e, args, d, &t->call.args, s, t->span, NULL)) return val(NULL);
    Expr *tests = c->tests;
    c->tests = NULL;
    bool good = bind_values(c, args, s);
    Val v = good ? apply_function(c, d, args, t->span) : val(NULL);
    if (v.term && v.term->custom) v.term->guard = c->tests;
    if (v.term && v.term->guard) v.term->increasing = false;
    c->tests = e_and(c->e->pool, tests, c->tests);
    if (is_true(c->tests)) c->tests = NULL;
    return v;
}

/* --- arguments that are functions --- */

static Val arg_call(Comp *c, Scope *s, Tree *t, Bind *b);

/* The function, or another such argument, that a tree names; else false. */
static bool names_function(Comp *c, Scope *in, Tree *t, const Def **d, Bind **arg) {
    if (t->kind != TREE_NAME || t->name.indexed) return false;
    *arg = scope_find(in, t->name.id.text);
    if (*arg) return (*arg)->kind == BIND_ARG && (*arg)->formals;
    *d = find_def(c->e, in, SPACE_FUNCTION, t->name.id.text);
    return *d != NULL;
}

/* init(F, units), where init was given as an expression over names for its arguments, or as the
 * name of a function. */
static Val arg_call(Comp *c, Scope *s, Tree *t, Bind *b) {
    Elab *e = c->e;
    const Def *d = NULL;
    Bind *arg = NULL;
    if (b->kind == BIND_BAD) return val(NULL);
    if (b->kind != BIND_ARG || !b->formals) {
        elab_error(e, t->span, "`%s` is no function", b->name);
        return val(NULL);
    }
    if (!count_args(c, t, b->formals->n, b->formals->n)) return val(NULL);
    if (b->busy || e->depth >= ELAB_DEPTH) {
        elab_error(e, t->span, "`%s` depends on itself", b->name);
        return val(NULL);
    }
    b->busy = true;
    e->depth++;
    Val v;
    if (names_function(c, b->in, b->tree, &d, &arg)) {
        v = arg ? arg_call(c, s, t, arg) : function_value(c, s, t, d);
    } else {
        Scope *in = scope_new(e, b->in);
        for (int i = 0; i < b->formals->n; i++) {
            Ident name = b->formals->at[i];
            Bind *x = scope_bind(e, in, BIND_ARG, name.text, name.span);
            x->tree = arg_at(t, i);
            x->in = s;
        }
        v = value_of(c, in, b->tree);
    }
    e->depth--;
    b->busy = false;
    return v;
}

/* --- all of them --- */

Val call_value(Comp *c, Scope *s, Tree *t) {
    Elab *e = c->e;
    const char *name = t->call.id.text;
    int op = find_op(name), draw = find_draw(name);
    if (op >= 0) return op_value(c, s, t, op);
    if (draw >= 0) {
        Expr *x = draw_expr(c, s, t, draw);
        if (x && x->type == T_BOOL) {
            elab_error(e, t->span, "a condition is no number: write `%s(...) ? 1 : 0`", name);
            x = NULL;
        }
        return val(x && x->type == T_I32 ? int_to_float(c, x) : x);
    }
    if (!strcmp(name, "inside")) return inside_value(c, s, t);
    if (!strcmp(name, "size") || !strcmp(name, "int")) {
        Expr *x = index_expr(c, s, t);
        return val(x ? int_to_float(c, x) : NULL);
    }
    Bind *b = scope_find(s, name);
    if (b) return arg_call(c, s, t, b);
    const Def *d = find_def(e, s, SPACE_FUNCTION, name);
    if (d) return function_value(c, s, t, d);
    d = find_def(e, s, SPACE_STAGE, name);
    if (d) {
        elab_error(e, t->span, "`%s` is a %s: it is applied in a pipeline, x -> %s(...)", name,
                   def_kind_names[d->kind], name);
    } else {
        unknown_def(e, s, SPACE_FUNCTION, t->call.id, "function");
    }
    return val(NULL);
}
