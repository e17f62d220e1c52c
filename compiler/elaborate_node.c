/* elaborate_node.c: comprehensions become nodes.
 *
 * A reduction, a guarded read, and the application of a function with its own derivative are nodes
 * each: while an expression is built they are terms, and become nodes when something else than an
 * addition uses them. a + sum(...) is one reduction that starts from a, where a needs no more
 * variables than the sum. A term that is the whole of a definition becomes the defined tensor.
 *
 * A part of a comprehension has those of its variables as axes that it uses, in the order samples,
 * step of the scan, left side, reductions around.
 */
#include "elaborate_parts.h"
#include <string.h>

Comp *comp_new(Elab *e, const char *name, bool samples) {
    Comp *c = NEW(e->arena, Comp);
    c->e = e;
    c->g = e->g;
    c->name = name;
    c->indices = map_new(e->arena);
    if (samples) {
        c->batch = var_new(e->pool, "n", e->g->batch);
        c->batch->batch = true;
        PUSH(e->arena, c->vars, c->batch);
    }
    c->step = e->step;
    c->backward = e->backward;
    if (c->step) PUSH(e->arena, c->vars, c->step);
    return c;
}

void comp_lhs(Comp *c, Var *v) {
    PUSH(c->e->arena, c->lhs, v);
    if (v != c->step) PUSH(c->e->arena, c->vars, v);
}

Term *term_new(Comp *c, Reduce reduce, Type type, const char *name) {
    Term *t = NEW(c->e->arena, Term);
    t->reduce = reduce;
    t->type = type;
    t->name = name;
    return t;
}

Val val_term(Term *t) { return (Val){.term = t}; }

/* --- variables that a term uses --- */

typedef struct Uses {
    Comp *c;
    bool *used;
} Uses;

static void note_var(void *context, Expr *e) {
    Uses *u = context;
    for (int i = 0; e->op == OP_VAR && i < u->c->vars.n; i++) {
        u->used[i] |= u->c->vars.at[i] == e->var;
    }
}

static void note_vars(Uses *u, Expr *e) {
    if (e) e_visit(e, note_var, u);
}

static void term_uses(Comp *c, const Term *t, bool *used) {
    Uses u = {c, used};
    memset(used, 0, sizeof *used * (size_t)(c->vars.n + 1));
    note_vars(&u, t->guard);
    note_vars(&u, t->body);
    note_vars(&u, t->init);
    for (int i = 0; t->scope && i < t->scope->binds.n; i++) {
        note_vars(&u, t->scope->binds.at[i]->value);
    }
}

static bool *used_new(Comp *c) { return NEW_ARRAY(c->e->arena, bool, c->vars.n + 1); }

/* --- nodes --- */

Node *make_node(Elab *e, Graph *g, const char *name, Type type, Var *const *dims, int n, Span at) {
    long shape[MAX_RANK] = {0}, size = 1;
    if (n > MAX_RANK) {
        elab_error(e, at, "`%s` would have %d axes, samples and steps included; %d is the most",
                   name, n, MAX_RANK);
        return NULL;
    }
    for (int i = 0; i < n; i++) {
        shape[i] = dims[i]->hi + 1;
        if (__builtin_mul_overflow(size, shape[i], &size) || size > ELAB_ELEMENTS) {
            elab_error(e, at, "`%s` would have more than 2^31 - 1 elements", name);
            return NULL;
        }
        if (i > 0 && dims[i]->batch) {
            elab_error(e, at, "`%s` pairs each sample with another's: reduce over the batch first",
                       name);
            return NULL;
        }
    }
    if (g->nodes.n >= ELAB_NODES) {
        elab_stop(e, at, "this net needs more than 100,000 tensors");
        return NULL;
    }
    Node *node = graph_comp(g, name, type, n, shape, n && dims[0]->batch);
    node->layer = e->where;
    return node;
}

static Expr *subst(Comp *c, Expr *e, const Map *map) {
    return e ? e_subst(c->e->pool, e, map) : NULL;
}

/* The adjoints that a function's `derivative` clause gives, by argument. */
static void add_custom(Comp *c, Node *node, const Term *t, Var *const *dims, const Map *map) {
    Elab *e = c->e;
    Expr *index[MAX_RANK];
    for (int i = 0; i < node->rank; i++) index[i] = var_expr(c, dims[i]);
    Scope *s = scope_new(e, t->scope);
    scope_bind(e, s, BIND_VALUE, "out", t->custom->span)->value =
        e_read(e->pool, node, index, node->rank);
    node->custom = NEW_ARRAY(e->arena, Custom, t->custom->derivative.n);
    bool plain = c->plain;
    c->plain = true;
    for (int i = 0; i < t->custom->derivative.n && i < t->custom->params.n; i++) {
        Expr *arg = t->scope->binds.at[i]->value;
        if (!arg || arg->type != T_F32 || is_const(arg)) continue;
        Expr *by = element_expr(c, s, t->custom->derivative.at[i]);
        if (!by) continue;
        node->custom[node->n_custom++] = (Custom){subst(c, arg, map), subst(c, by, map)};
    }
    c->plain = plain;
}

/* The derivative of a product is over its terms too: differentiate.c. */
static void check_product(Elab *e, const Node *n, Span at) {
    long size = 1;
    bool fits = n->rank < MAX_RANK;
    for (int i = 0; i < n->rank && fits; i++) size *= n->shape[i];
    for (int i = 0; i < n->n_rvars && fits; i++)
        fits = !__builtin_mul_overflow(size, n->rvar[i]->hi + 1, &size) && size <= ELAB_ELEMENTS;
    if (n->rank == MAX_RANK)
        elab_error(e, at, "the derivative of this product needs one axis more than the %d that "
                   "there are, samples and steps included: give it fewer", MAX_RANK);
    else if (!fits)
        elab_error(e, at, "the derivative of this product needs a tensor of all its terms, which "
                   "would have more than 2^31 - 1 elements");
}

/* Fills a node over dims with a term over c's variables. */
static void fill(Comp *c, Node *node, Var *const *dims, const Term *t) {
    Map *map = map_new(c->e->arena);
    for (int i = 0; i < node->rank; i++) {
        node->var[i]->name = dims[i]->name;
        map_set(map, dims[i], e_var(c->e->pool, node->var[i]));
        if (dims[i] == c->step) {
            node->scan = i;
            node->scan_step = c->backward ? -1 : 1;
        }
    }
    for (int i = 0; i < t->rvars.n; i++) {
        map_set(map, t->rvars.at[i], e_var(c->e->pool, t->rvars.at[i]));
    }
    node->reduce = t->reduce;
    node->n_rvars = t->rvars.n;
    node->rvar = t->rvars.at;
    node->guard = subst(c, t->guard, map);
    node->body = subst(c, t->body, map);
    node->init = subst(c, t->init, map);
    node->increasing = t->increasing;
    if (is_true(node->guard)) node->guard = NULL;
    if (t->reduce == REDUCE_PROD && c->e->training) check_product(c->e, node, t->span);
    if (t->custom && c->e->training) add_custom(c, node, t, dims, map);
}

/* --- terms within expressions --- */

static bool is_plain(const Term *t) {
    return t->reduce == REDUCE_NONE && !t->guard && !t->custom;
}

Expr *val_expr(Comp *c, Val v) {
    Elab *e = c->e;
    if (v.e || !v.term) return v.e;
    Term *t = v.term;
    if (is_plain(t)) return t->body;
    if (c->dry) return e_num(e->pool, t->type, 1);
    Var **dims = NEW_ARRAY(e->arena, Var *, c->vars.n + 1);
    bool *used = used_new(c);
    int n = 0;
    term_uses(c, t, used);
    for (int i = 0; i < c->vars.n; i++) {
        if (used[i]) dims[n++] = c->vars.at[i];
    }
    const char *name = arena_printf(e->arena, "%s_%s", c->name, t->name);
    Span at = e->frame ? e->frame->span : (Span){0};
    Node *node = make_node(e, c->g, name, t->type, dims, n, at);
    if (!node) return NULL;
    fill(c, node, dims, t);
    Expr *index[MAX_RANK];
    for (int i = 0; i < n; i++) index[i] = var_expr(c, dims[i]);
    return e_read(e->pool, node, index, n);
}

/* Does t use every variable that e does? */
static bool covers(Comp *c, const Term *t, Expr *e) {
    bool *of_t = used_new(c), *of_e = used_new(c);
    Term one = {.body = e};
    term_uses(c, t, of_t);
    term_uses(c, &one, of_e);
    for (int i = 0; i < c->vars.n; i++) {
        if (of_e[i] && !of_t[i]) return false;
    }
    return true;
}

static bool can_start(Val v) {
    return !v.e && v.term && v.term->reduce == REDUCE_SUM && !v.term->init;
}

Val val_add(Comp *c, Val a, Val b) {
    if ((!a.e && !a.term) || (!b.e && !b.term)) return val(NULL);
    if (!can_start(b) && can_start(a)) {
        Val swap = a;
        a = b;
        b = swap;
    }
    Expr *x = val_expr(c, a);
    if (!x) return val(NULL);
    if (x->type == T_I32) x = int_to_float(c, x);
    /* a read that tests around guard must stay where they are */
    if (can_start(b) && !c->dry && !c->tests && x->type != T_BOOL && covers(c, b.term, x)) {
        b.term->init = to_f32(c, x);
        return b;
    }
    Expr *y = val_expr(c, b);
    if (!y) return val(NULL);
    if (y->type == T_I32) y = int_to_float(c, y);
    if (x->type == T_BOOL || y->type == T_BOOL) {
        Span at = c->e->frame ? c->e->frame->span : (Span){0};
        elab_error(c->e, at, "a condition is no number: write `condition ? 1 : 0`");
        return val(NULL);
    }
    return val(float_op(c, OP_ADD, x, y));
}

/* --- definitions --- */

typedef struct Dims {
    Var *at[72];
    int n;
    bool stepped;
} Dims;

/* The axes of a tensor with c's left side: the samples and the step where it depends on them. */
static Dims tensor_dims(Comp *c, const Term *t) {
    Dims d = {.n = 0};
    bool *used = used_new(c), in_lhs = false;
    term_uses(c, t, used);
    for (int i = 0; i < c->lhs.n; i++) in_lhs |= c->lhs.at[i] == c->step;
    for (int i = 0; i < c->vars.n; i++) {
        Var *v = c->vars.at[i];
        if (!used[i] || (v != c->batch && (v != c->step || in_lhs))) continue;
        d.stepped |= v == c->step;
        d.at[d.n++] = v;
    }
    for (int i = 0; i < c->lhs.n && d.n < COUNT_OF(d.at); i++) d.at[d.n++] = c->lhs.at[i];
    return d;
}

/* A whole definition may be the term itself, if it uses all of the left side. */
static bool spans_lhs(Comp *c, const Term *t) {
    bool *used = used_new(c);
    term_uses(c, t, used);
    for (int i = 0; i < c->vars.n; i++) {
        Var *v = c->vars.at[i];
        for (int k = 0; k < c->lhs.n; k++) {
            if (c->lhs.at[k] == v && !used[i] && v->hi > 0) return false;
        }
    }
    return true;
}

/* A definition as one term: never null unless there was an error. */
static Term *whole(Comp *c, Val v, Type type, Span at) {
    if (!v.e && v.term && v.term->type == type && spans_lhs(c, v.term)) return v.term;
    Expr *e = val_expr(c, v);
    if (!e) return NULL;
    if (type == T_F32) {
        if (e->type == T_I32) e = int_to_float(c, e);
        e = to_f32(c, e);
    }
    if (e->type != type) {
        elab_error(c->e, at, "`%s` is no %s", c->name, type == T_BOOL ? "condition" : "number");
        return NULL;
    }
    Term *t = term_new(c, REDUCE_NONE, type, NULL);
    t->body = e;
    return t;
}

/* The node that t is nothing but a copy of; or null. */
static Node *copied(Comp *c, const Term *t, const Dims *d) {
    if (!is_plain(t) || t->increasing || t->body->op != OP_READ || t->body->n != d->n) return NULL;
    Node *n = t->body->node;
    for (int i = 0; i < d->n; i++) {
        bool same = t->body->arg[i] == var_expr(c, d->at[i]) && n->shape[i] == d->at[i]->hi + 1;
        if (!same || (n->batched && i == 0) != d->at[i]->batch) return NULL;
    }
    return n;
}

Tensor *comp_finish(Comp *c, Val v, Type type, Span at) {
    if (c->e->stopped) return NULL;
    Term *t = whole(c, v, type, at);
    if (!t) return NULL;
    Dims d = tensor_dims(c, t);
    Node *node = copied(c, t, &d);
    if (!node) {
        node = make_node(c->e, c->g, c->name, type, d.at, d.n, at);
        if (!node) return NULL;
        fill(c, node, d.at, t);
    }
    Tensor *x = NEW(c->e->arena, Tensor);
    x->node = node;
    x->stepped = d.stepped;
    for (int i = 0; i < c->lhs.n; i++) x->shape[x->rank++] = c->lhs.at[i]->hi + 1;
    return x;
}

void comp_fill(Comp *c, Node *n, Val v, Span at) {
    Var *dims[MAX_RANK];
    int rank = 0;
    Term *t = whole(c, v, n->type, at);
    if (!t) return;
    if (n->batched) dims[rank++] = c->batch;
    if (rank + c->lhs.n < n->rank) dims[rank++] = c->step;
    for (int i = 0; i < c->lhs.n; i++) dims[rank++] = c->lhs.at[i];
    if (rank != n->rank) die("%s has rank %d, not %d", n->name, n->rank, rank);
    fill(c, n, dims, t);
}

Tensor *tensor_of(Elab *e, Node *n) {
    Tensor *t = NEW(e->arena, Tensor);
    t->node = n;
    t->rank = n->rank - n->batched;
    for (int i = 0; i < t->rank; i++) t->shape[i] = n->shape[i + n->batched];
    return t;
}
