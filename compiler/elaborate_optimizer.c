/* elaborate_optimizer.c: the rule of training, for each element of each parameter.
 *
 * The stages of a rule run one after another, each over all parameters: those before the last
 * change the gradients, the last makes the new values. Within a stage w, grad and the states stand
 * for one element. A state that nothing needs (momentum of zero) is not kept.
 */
#include "elaborate_parts.h"
#include <string.h>

/* --- sums over elements --- */

bool is_optimizer_sum(Scope *s, Tree *t) {
    if (t->reduce.over.n != 1) return false;
    const Axis *a = &t->reduce.over.at[0];
    if (!a->name.text || a->limit || a->pack || a->set.text) return false;
    Bind *b = scope_find(s, a->name.text);
    return b && (b->kind == BIND_ALL || b->kind == BIND_ELEMENT);
}

/* Variables over the elements of a stored tensor. */
static Var **element_vars(Elab *e, const Stored *p) {
    static const char *const names[MAX_RANK] = {"i", "j", "k", "l", "p", "q", "r", "s"};
    Var **v = NEW_ARRAY(e->arena, Var *, MAX_RANK);
    for (int i = 0; i < p->rank; i++) v[i] = var_new(e->pool, names[i], p->shape[i]);
    return v;
}

static Bind *bind_element(Elab *e, Scope *s, Ident name, Node *node, Var **at) {
    Bind *b = scope_bind(e, s, BIND_ELEMENT, name.text, name.span);
    b->tensor = tensor_of(e, node);
    b->at = at;
    return b;
}

static Term *sum_of(Comp *c, Scope *s, Tree *t, Var **over, int n) {
    static const Reduce kinds[N_TREE_REDUCES] = {[TREE_REDUCE_SUM] = REDUCE_SUM,
                                                 [TREE_REDUCE_PROD] = REDUCE_PROD,
                                                 [TREE_REDUCE_MAX] = REDUCE_MAX,
                                                 [TREE_REDUCE_MIN] = REDUCE_MIN};
    if (t->reduce.kind == TREE_REDUCE_ARGMAX || t->reduce.kind == TREE_REDUCE_ARGMIN) {
        elab_error(c->e, t->span, "over the elements of parameters there is sum, prod, max, min");
        return NULL;
    }
    Expr *body = element_expr(c, s, t->reduce.body);
    Expr *guard = t->reduce.guard ? cond_expr(c, s, t->reduce.guard) : NULL;
    if (!body || (t->reduce.guard && !guard)) return NULL;
    Term *r = term_new(c, kinds[t->reduce.kind], T_F32, tree_reduce_text[t->reduce.kind]);
    Map *map = map_new(c->e->arena);
    for (int i = 0; i < n; i++) {
        Var *v = var_new(c->e->pool, over[i]->name, over[i]->hi + 1);
        map_set(map, over[i], var_expr(c, v));
        PUSH(c->e->arena, r->rvars, v);
    }
    r->body = e_subst(c->e->pool, body, map);
    r->guard = guard ? e_subst(c->e->pool, guard, map) : NULL;
    if (n == 0) r->reduce = REDUCE_NONE;
    return r;
}

/* sum(all): one number a parameter, then their sum. */
static Expr *over_all(Comp *c, Scope *s, Tree *t) {
    static const Op joins[N_TREE_REDUCES] = {OP_ADD, OP_MUL, OP_MAX, OP_MIN, OP_ADD, OP_ADD};
    Elab *e = c->e;
    Expr *total = NULL;
    for (int i = 0; i < e->n_params; i++) {
        Comp *part = comp_new(e, e->param[i]->ident, false);
        Var **v = element_vars(e, e->param[i]);
        Scope *in = scope_new(e, s);
        for (int k = 0; k < e->param[i]->rank; k++) PUSH(e->arena, part->vars, v[k]);
        Ident w = {"w", t->span}, grad = {"grad", t->span};
        bind_element(e, in, w, graph_stored(e->g, e->param[i]), v);
        if (e->grad) bind_element(e, in, grad, e->grad[i], v);
        Term *r = sum_of(part, in, t, v, e->param[i]->rank);
        Expr *x = r ? val_expr(part, val_term(r)) : NULL;
        if (!x) return NULL;
        if (x->op != OP_READ || x->n) {
            elab_error(e, t->span, "a reduction over all parameters reads w and grad alone");
            return NULL;
        }
        total = total ? e_op(e->pool, joins[t->reduce.kind], total, x, NULL) : x;
    }
    if (!total) return e_num(e->pool, T_F32, 0);
    Comp *whole = comp_new(e, arena_printf(e->arena, "all_%s", tree_reduce_text[t->reduce.kind]),
                           false);
    Tensor *sum = comp_finish(whole, val(total), T_F32, t->span);
    return sum ? e_read(e->pool, sum->node, NULL, 0) : NULL;
}

/* What is the same for all parameters is elaborated once: by its text, and by its node. */
static void share(Elab *e, const void *text, Expr *x) {
    map_set(e->sums, text, x);
    if (x->op == OP_READ) map_set(e->sums, x->node, x);
}

Val optimizer_sum(Comp *c, Scope *s, Tree *t) {
    Bind *b = scope_find(s, t->reduce.over.at[0].name.text);
    if (b->kind == BIND_ELEMENT) {
        Term *r = sum_of(c, s, t, b->at, b->tensor->rank);
        return r ? val_term(r) : val(NULL);
    }
    Elab *e = c->e;
    Expr *known = e->sums ? map_get(e->sums, t) : NULL;
    if (!known) known = over_all(c, s, t);
    if (e->sums && known) share(e, t, known);
    return val(known);
}

/* --- a stage, for one parameter --- */

typedef struct Rule {
    Elab *e;
    const Def *def;
    Scope *args;     /* the stage's arguments */
    bool last;
    int at;          /* which parameter */
    Stored *param;
    Scope *scope;
    Var **var;
    Binds states;
} Rule;

static void rule_state(Rule *r, const Stmt *st) {
    Elab *e = r->e;
    if (st->indexed) {
        elab_error(e, st->span, "an optimizer's state has the parameter's shape");
        return;
    }
    if (is_taken(e, r->scope, st->name)) return;
    const char *name = arena_printf(e->arena, "%s.%s", r->param->name, st->name.text);
    if (names_get(e->stored, name)) {
        elab_error(e, st->name.span, "two states `%s`, of two stages of the rule", st->name.text);
        return;
    }
    Stored *s = declare(e, STORED_OPTIMIZER, name, r->param->rank, r->param->shape);
    s->param = r->param;
    Bind *b = bind_element(e, r->scope, st->name, graph_stored(e->g, s), r->var);
    b->stored = s;
    b->tree = st->value;
    PUSH(e->arena, r->states, b);
}

static Comp *rule_comp(Rule *r, const char *name) {
    Comp *c = comp_new(r->e, name, false);
    for (int i = 0; i < r->param->rank; i++) comp_lhs(c, r->var[i]);
    return c;
}

static void note_any(void *context, Expr *e) {
    if (e->op == OP_VAR || e->op == OP_DRAW) *(bool *)context = true;
}

typedef struct Shared {
    Elab *e;
    bool shared;
} Shared;

static void note_shared(void *context, Expr *e) {
    Shared *s = context;
    if (e->op == OP_VAR || e->op == OP_DRAW) s->shared = false;
    if (e->op == OP_READ && !map_get(s->e->sums, e->node)) s->shared = false;
}

/* A named value: a number, one number for all elements, or one for each. */
static void rule_local(Rule *r, const Stmt *st) {
    Elab *e = r->e;
    if (is_taken(e, r->scope, st->name)) return;
    Expr *x = map_get(e->sums, st);
    Comp *c = rule_comp(r, arena_printf(e->arena, "%s_%s", r->def->name.text, st->name.text));
    bool each = false;
    if (!x) {
        x = value_expr(c, r->scope, st->value);
        if (x) e_visit(x, note_any, &each);
    }
    Bind *b = scope_bind(e, r->scope, x ? BIND_VALUE : BIND_BAD, st->name.text, st->name.span);
    Shared all = {e, x != NULL};
    if (x) e_visit(x, note_shared, &all);
    if (x && !each && x->type == T_F32 && x->op != OP_READ) {
        Comp *one = comp_new(e, c->name, false);
        Tensor *t = comp_finish(one, val(x), T_F32, st->span);
        x = t ? e_read(e->pool, t->node, NULL, 0) : x;
    }
    if (all.shared) share(e, st, x);
    b->value = x;
}

static Node *rule_value(Rule *r, const Stmt *st, const char *name) {
    Comp *c = rule_comp(r, name);
    Val v = value_of(c, r->scope, st->value);
    Tensor *t = v.e || v.term ? comp_finish(c, v, T_F32, st->span) : NULL;
    return t ? t->node : NULL;
}

static void rule_next(Rule *r, const Stmt *st) {
    Elab *e = r->e;
    const char *name = st->name.text;
    bool w = !strcmp(name, "w"), grad = !strcmp(name, "grad");
    Bind *b = scope_find(r->scope, name);
    if (!w && !grad && (!b || b->kind != BIND_ELEMENT)) {
        if (!b || b->kind != BIND_BAD) {
            elab_error(e, st->name.span, "`%s` is no state: a rule defines the next w, grad or "
                       "states", name);
        }
        return;
    }
    if ((w && !r->last) || (grad && r->last)) {
        elab_error(e, st->name.span, w ? "only the last stage of a rule defines next w"
                                       : "the last stage of a rule defines next w");
        return;
    }
    if (b->defined) {
        elab_error(e, st->name.span, "`next %s` is defined twice", name);
        return;
    }
    const char *of = w || grad ? r->param->ident : b->stored->ident;
    Node *n = rule_value(r, st, arena_printf(e->arena, "%s_%s", w ? "next" : grad ? "grad" : "next",
                                             of));
    b->defined = true;
    b->next = n ? tensor_of(e, n) : NULL;
    b->stored = w || grad ? r->param : b->stored;
    if (w || grad) e->changed[r->at] = n;
}

/* --- which states are needed --- */

static void reach(Elab *e, Node *n, Map *seen) {
    Node **read;
    if (!n || map_get(seen, n)) return;
    map_set(seen, n, n);
    if (n->kind != NODE_COMP) return;
    int count = node_reads(e->arena, n, &read);
    for (int i = 0; i < count; i++) reach(e, read[i], seen);
}

static void start_state(Rule *r, const Bind *b) {
    Indices indices = {0};
    for (int i = 0; i < r->param->rank; i++) {
        Index *x = NEW(r->e->arena, Index);
        *x = (Index){.name = r->var[i]->name, .n = 1, .written = true};
        x->var[0] = var_new(r->e->pool, x->name, r->param->shape[i]);
        PUSH(r->e->arena, indices, x);
    }
    initialize(r->e, r->args, b->tree, b->stored, &indices);
}

static void keep_states(Rule *r) {
    Elab *e = r->e;
    Map *seen = map_new(e->arena);
    bool *kept = NEW_ARRAY(e->arena, bool, r->states.n + 1), more = true;
    reach(e, e->changed[r->at], seen);
    while (more) {
        more = false;
        for (int i = 0; i < r->states.n; i++) {
            Bind *b = r->states.at[i];
            if (kept[i] || !b->next || !map_get(seen, b->tensor->node)) continue;
            kept[i] = more = true;
            reach(e, b->next->node, seen);
        }
    }
    for (int i = 0; i < r->states.n; i++) {
        Bind *b = r->states.at[i];
        if (!kept[i]) continue;
        PUSH(e->arena, e->program->stored, b->stored);
        start_state(r, b);
        graph_update(e->g, b->stored, b->next->node);
    }
}

static void rule_param(Rule *r) {
    Elab *e = r->e;
    r->param = e->param[r->at];
    r->scope = scope_new(e, r->args);
    r->var = element_vars(e, r->param);
    r->states = (Binds){0};
    Ident w = {"w", r->def->name.span}, grad = {"grad", r->def->name.span};
    bind_element(e, r->scope, w, graph_stored(e->g, r->param), r->var);
    bind_element(e, r->scope, grad, e->grad[r->at], r->var);
    for (int i = 0; i < r->def->body.n && !e->stopped; i++) {
        const Stmt *st = r->def->body.at[i];
        if (st->kind == STMT_STATE) {
            rule_state(r, st);
        } else if (st->kind != STMT_DEFINE) {
            elab_error(e, st->span, "an optimizer has states and definitions only");
        } else if (st->indexed) {
            elab_error(e, st->span, "a rule is for each element: no indices");
        } else if (st->next) {
            rule_next(r, st);
        } else {
            rule_local(r, st);
        }
    }
    for (int i = 0; i < r->states.n; i++) {
        Bind *b = r->states.at[i];
        if (!b->defined) elab_error(e, b->span, "the state `%s` is given no next value", b->name);
    }
    if (!e->changed[r->at]) return;
    keep_states(r);
    if (r->last) graph_update(e->g, r->param, e->changed[r->at]);
}

/* --- the stages --- */

/* The learning rate, by which the rule and the log agree: what is given, times what reduction on
 * a plateau has made of it. */
static void bind_rate(Rule *r) {
    Elab *e = r->e;
    Bind *b = scope_find(r->args, "lr");
    if (!r->last || !b || b->kind != BIND_ARG) return;
    Comp *c = comp_new(e, "lr", false);
    Tree name = {.kind = TREE_NAME, .span = b->tree->span, .name = {.id = {"lr", b->span}}};
    Expr *rate = number_expr(c, r->args, &name);
    if (!rate) return;
    b->value = e_mul(e->pool, rate, e_host(e->pool, HOST_RATE_SCALE));
    e->program->training.rate = b->value;
}

static const Def *find_rule(Elab *e, Scope *s, Tree *t) {
    bool named = t->kind == TREE_NAME && !t->name.indexed && !t->name.next;
    if (!named && t->kind != TREE_CALL) {
        elab_error(e, t->span, "an optimizer is expected here");
        return NULL;
    }
    Ident name = named ? t->name.id : t->call.id;
    const Def *d = find_def(e, s, SPACE_OPTIMIZER, name.text);
    if (!d) unknown_def(e, s, SPACE_OPTIMIZER, name, "optimizer");
    return d;
}

static int count_stages(const Tree *rule) { return rule->kind == TREE_PIPE ? rule->list.n : 1; }

static Tree *stage_at(Tree *rule, int i) {
    return rule->kind == TREE_PIPE ? rule->list.at[i] : rule;
}

void check_rule(Elab *e, Scope *s, Tree *rule) {
    for (int i = 0; i < count_stages(rule); i++) find_rule(e, s, stage_at(rule, i));
}

static void stage(Elab *e, Scope *s, Tree *t, bool last) {
    Rule r = {.e = e, .last = last, .def = find_rule(e, s, t)};
    const Args *args = t->kind == TREE_CALL ? &t->call.args : NULL;
    Frame f;
    if (!r.def) return;
    r.args = scope_of(e, r.def);
    if (!bind_args(e, r.args, r.def, args, s, t->span, NULL)) return;
    if (!enter(e, &f, r.def, t->span)) return;
    scope_bind(e, r.args, BIND_ALL, "all", r.def->span);
    e->sums = map_new(e->arena);
    e->changed = NEW_ARRAY(e->arena, Node *, e->n_params + 1);
    bind_rate(&r);
    int before = diags_errors(e->diags);
    for (r.at = 0; r.at < e->n_params && !e->stopped; r.at++) {
        rule_param(&r);
        if (!e->changed[r.at] && diags_errors(e->diags) == before) {
            elab_error(e, r.def->name.span, "`%s` defines no next %s", r.def->name.text,
                       last ? "w" : "grad");
        }
        if (diags_errors(e->diags) > before) break;
    }
    leave(e, &f);
    e->grad = e->changed;
}

void optimize(Elab *e, Scope *s, Tree *rule) {
    e->grad = NEW_ARRAY(e->arena, Node *, e->n_params + 1);
    for (int i = 0; i < e->n_params; i++) {
        e->grad[i] = graph_grad(e->g, graph_stored(e->g, e->param[i]));
    }
    int n = count_stages(rule), before = diags_errors(e->diags);
    for (int i = 0; i < n && diags_errors(e->diags) == before; i++) {
        stage(e, s, stage_at(rule, i), i == n - 1);
    }
}
