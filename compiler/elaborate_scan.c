/* elaborate_scan.c: definitions in the body of a layer, and scans.
 *
 * A scan is no construct of the graph. Its step is an axis of what it defines; the old value of a
 * state h is a tensor of its own, the next value one step back, and before the first step the
 * initial value.
 */
#include "elaborate_parts.h"
#include <string.h>

static const char *part_name(Elab *e, const char *name) {
    if (!strcmp(name, "out")) return e->instance;
    return arena_printf(e->arena, "%s_%s", e->instance, name);
}

/* --- the left side --- */

typedef struct Left {
    Index *at[MAX_RANK];
    int n;
    bool by_step; /* the scan's step is one of them */
} Left;

static bool is_step(Elab *e, Scope *s, const Axis *a) {
    if (!e->step || a->limit || a->pack) return false;
    Bind *b = scope_find(s, a->name.text);
    return b && b->kind == BIND_INDEX && b->index->var[0] == e->step;
}

static bool left_limit(Elab *e, Scope *s, const Axis *a, Index *i) {
    long size;
    if (!a->limit) return true;
    if (!const_int(e, s, a->limit, &size)) return false;
    if (size < 1 || size > ELAB_ELEMENTS) {
        elab_error(e, a->span, "the range of `%s` is empty: its limit is %ld", i->name, size);
        return false;
    }
    i->extent[0] = size;
    return true;
}

static bool left_side(Elab *e, Scope *s, Scope *in, const Axes *axes, Left *left) {
    for (int k = 0; k < axes->n; k++) {
        const Axis *a = &axes->at[k];
        if (left->n == MAX_RANK) {
            elab_error(e, a->span, "a tensor has at most %d axes", MAX_RANK);
            return false;
        }
        if (!a->name.text) {
            elab_error(e, a->span, "an index is expected here: `i`, `i < n` or `i...`");
            return false;
        }
        if (is_step(e, s, a)) {
            left->by_step = true;
            left->at[left->n++] = scope_find(s, a->name.text)->index;
            continue;
        }
        Index *i = index_new(e, a);
        for (int j = 0; j < left->n; j++) {
            if (strcmp(left->at[j]->name, i->name)) continue;
            elab_error(e, a->span, "the index `%s` stands twice on the left", i->name);
            return false;
        }
        left->at[left->n++] = i;
        if (!left_limit(e, s, a, i)) return false;
        bind_index(e, in, i);
    }
    return true;
}

/* The shape of a state fixes the indices of its next value. */
static bool fit_state(Elab *e, const Stmt *st, const Tensor *state, Left *left) {
    const char *shape = shape_text(e->arena, state->rank, state->shape);
    if (left->n != state->rank || left->by_step) {
        elab_error(e, st->name.span, "the state `%s` has %d axes, %s, and %d here", st->name.text,
                   state->rank, shape, left->n);
        return false;
    }
    for (int k = 0; k < left->n; k++) {
        Index *i = left->at[k];
        if (i->pack) {
            elab_error(e, i->span, "the indices of a state's next value are written one by one");
            return false;
        }
        if (i->written && i->extent[0] != state->shape[k]) {
            elab_error(e, i->span, "shapes differ: the state `%s` is %s, `%s` runs to %ld",
                       st->name.text, shape, i->name, i->extent[0]);
            return false;
        }
        i->extent[0] = state->shape[k];
        i->from[0] = arena_printf(e->arena, "the state `%s` %s", st->name.text, shape);
    }
    return true;
}

/* --- definitions --- */

static void set_left(Comp *c, const Left *left) {
    for (int k = 0; k < left->n; k++) {
        for (int j = 0; j < left->at[k]->n; j++) comp_lhs(c, left->at[k]->var[j]);
    }
}

static Val typed_value(Comp *c, Scope *s, Tree *t, Type *type) {
    *type = T_F32;
    if (is_condition(c->e, s, t)) {
        *type = T_BOOL;
        return val(cond_expr(c, s, t));
    }
    if (is_int_valued(c->e, s, t)) {
        *type = T_I32;
        return val(index_expr(c, s, t));
    }
    return value_of(c, s, t);
}

/* A layer's state takes its next value in training only. */
static void update_state(Elab *e, const Stmt *st, Bind *state, Tensor *t) {
    state->next = t;
    state->defined = true;
    if (!t || !e->training) return;
    if (t->node->batched) {
        elab_error(e, st->span, "a layer's state is the same for all samples: `next %s` must "
                   "reduce over the batch", st->name.text);
        return;
    }
    graph_update(e->g, state->stored, t->node);
}

static Bind *state_of(Elab *e, Scope *s, const Stmt *st) {
    Bind *b = scope_find(s, st->name.text);
    if (b && b->kind == BIND_BAD) return NULL;
    if (!b || b->kind != BIND_STATE) {
        elab_error(e, st->name.span, "`%s` is no state: it has no next value", st->name.text);
        return NULL;
    }
    if (e->step ? !b->next : b->next != NULL || b->defined) {
        elab_error(e, st->name.span, e->step ? "the state `%s` is declared outside the scan"
                                             : "`next %s` is defined twice", st->name.text);
        return NULL;
    }
    if (b->defined) {
        elab_error(e, st->name.span, "`next %s` is defined twice", st->name.text);
        return NULL;
    }
    return b;
}

static void finish(Elab *e, Scope *s, const Stmt *st, Comp *c, Val v, Type type) {
    bool number = !st->indexed && v.e && v.e->type == T_F64;
    if (number && !is_taken(e, s, st->name)) { /* like an argument: its use says what it is */
        Bind *b = scope_bind(e, s, BIND_ARG, st->name.text, st->name.span);
        b->tree = st->value;
        b->in = s;
        b->value = v.e;
    }
    if (number) return;
    bool known = v.e || v.term;
    bind_tensor(e, s, st->name, known ? comp_finish(c, v, type, st->span) : NULL);
}

void define(Elab *e, Scope *s, Scope *outer, const Stmt *st) {
    Scope *in = scope_new(e, s);
    Left left = {.n = 0};
    Bind *state = st->next ? state_of(e, s, st) : NULL;
    bool good = (!st->next || state) && left_side(e, s, in, &st->axes, &left);
    if (good && state) good = fit_state(e, st, state->tensor, &left);
    const char *name = part_name(e, st->name.text);
    if (st->next && !e->step) name = arena_printf(e->arena, "%s_next", name);
    Comp *c = comp_new(e, name, true);
    Index *inferred[MAX_RANK];
    int n = 0;
    for (int k = 0; k < left.n; k++) {
        if (left.at[k]->var[0] != e->step || !e->step) inferred[n++] = left.at[k];
    }
    good = good && infer_ranges(c, in, inferred, n, st->value);
    Type type = T_F32;
    Val v = {0};
    if (good) {
        set_left(c, &left);
        v = typed_value(c, in, st->value, &type);
    }
    if (!st->next) {
        finish(e, left.by_step ? outer : s, st, c, v, type); /* by its step it outlives a scan */
    } else if (state && e->step) {
        state->defined = true;
        if (v.e || v.term) comp_fill(c, state->next->node, v, st->span);
    } else if (state) {
        update_state(e, st, state, v.e || v.term ? comp_finish(c, v, T_F32, st->span) : NULL);
    }
}

/* --- scans --- */

typedef struct Length {
    Elab *e;
    Scope *s;
    const char *step;
    long found;
    Span at;
    const char *from;
} Length;

static bool names(const Tree *t, const char *name) {
    return t->kind == TREE_NAME && !t->name.indexed && !strcmp(t->name.id.text, name);
}

/* The axes that the step is alone in, of tensors from before the scan. */
static void find_length(Length *l, Tree *t) {
    switch (t->kind) {
    case TREE_NAME: {
        Bind *b = t->name.indexed ? scope_find(l->s, t->name.id.text) : NULL;
        for (int i = 0; i < t->name.index.n; i++) {
            Tree *sub = t->name.index.at[i];
            if (sub->kind == TREE_PACK) return;
            find_length(l, sub);
            if (!b || b->kind != BIND_TENSOR || !names(sub, l->step)) continue;
            if (i >= b->tensor->rank) continue;
            long size = b->tensor->shape[i];
            if (l->found > 0 && l->found != size) {
                elab_error(l->e, sub->span, "shapes differ: `%s` has %ld steps by `%s`, %ld by "
                           "`%s`", l->step, l->found, l->from, size, b->name);
            }
            l->found = size;
            l->from = b->name;
        }
        break;
    }
    case TREE_CALL:
        for (int i = 0; i < t->call.args.n; i++) find_length(l, t->call.args.at[i].value);
        break;
    case TREE_UNARY: find_length(l, t->op.a); break;
    case TREE_BINARY:
        find_length(l, t->op.a);
        find_length(l, t->op.b);
        break;
    case TREE_COND:
        find_length(l, t->cond.test);
        find_length(l, t->cond.yes);
        find_length(l, t->cond.no);
        break;
    case TREE_REDUCE: find_length(l, t->reduce.body); break;
    default: break;
    }
}

static long scan_length(Elab *e, Scope *s, const Stmt *scan) {
    Length l = {.e = e, .s = s, .step = scan->name.text};
    for (int i = 0; i < scan->body.n; i++) {
        if (scan->body.at[i]->value) find_length(&l, scan->body.at[i]->value);
    }
    if (!l.found) {
        elab_error(e, scan->name.span, "nothing tells how many steps `%s` has: no tensor from "
                   "before the scan is read at [%s]; `scan %s backward` goes from the last step to "
                   "the first, reading at [%s] too", l.step, l.step, l.step, l.step);
    }
    return l.found;
}

/* The old value: the next value one step back, or the initial value. */
static Tensor *old_value(Elab *e, Scope *in, const Stmt *st, const Tensor *next,
                         const Indices *indices) {
    Pool *p = e->pool;
    const char *name = arena_printf(e->arena, "%s_prev", part_name(e, st->name.text));
    Comp *c = comp_new(e, name, true);
    for (int i = 0; i < indices->n; i++) comp_lhs(c, indices->at[i]->var[0]);
    if (!infer_ranges(c, in, NULL, 0, st->value)) return NULL;
    Expr *init = element_expr(c, in, st->value), *index[MAX_RANK];
    if (!init) return NULL;
    Expr *t = var_expr(c, e->step);
    Expr *first = e_int(p, e->step->lo), *last = e_int(p, e->step->hi);
    Term *term = term_new(c, REDUCE_NONE, T_F32, "prev");
    term->guard = e->backward ? e_op(p, OP_LT, t, last, NULL) : e_op(p, OP_LT, first, t, NULL);
    int n = 0;
    index[n++] = var_expr(c, c->batch);
    index[n++] = e_offset(p, t, e->backward ? 1 : -1);
    for (int i = 0; i < indices->n; i++) index[n++] = var_expr(c, indices->at[i]->var[0]);
    term->body = e_read(p, next->node, index, n);
    term->init = init;
    return comp_finish(c, val_term(term), T_F32, st->span);
}

static void declare_state(Elab *e, Scope *s, const Stmt *st, Var *batch) {
    Tensor *next = NEW(e->arena, Tensor);
    Indices indices = {0};
    Scope *in = scope_new(e, s);
    if (is_taken(e, s, st->name) || is_taken(e, s->up, st->name)) return;
    bool good = shape_of(e, s, in, &st->axes, next, &indices);
    Var *dims[MAX_RANK + 2] = {batch, e->step};
    for (int i = 0; i < indices.n; i++) dims[2 + i] = indices.at[i]->var[0];
    const char *name = part_name(e, st->name.text);
    if (good) next->node = make_node(e, e->g, name, T_F32, dims, 2 + indices.n, st->span);
    if (!next->node) {
        bind_tensor(e, s, st->name, NULL);
        return;
    }
    next->stepped = true;
    Tensor *prev = old_value(e, in, st, next, &indices);
    BindKind kind = prev ? BIND_STATE : BIND_BAD;
    Bind *b = scope_bind(e, s, kind, st->name.text, st->name.span);
    b->tensor = prev;
    b->next = next;
}

static void scan_statement(Elab *e, Scope *s, Scope *outer, const Stmt *st, Var *batch) {
    switch (st->kind) {
    case STMT_STATE: declare_state(e, s, st, batch); break;
    case STMT_DEFINE: define(e, s, outer, st); break;
    case STMT_PARAM:
        elab_error(e, st->name.span, "a parameter is declared outside the scan");
        bind_tensor(e, s, st->name, NULL);
        break;
    default: elab_error(e, st->name.span, "a scan within a scan");
    }
}

void scan_body(Elab *e, Scope *s, const Stmt *scan) {
    Scope *in = scope_new(e, s);
    long steps = scan_length(e, s, scan);
    if (!steps) {
        for (int i = 0; i < scan->body.n; i++) { /* what it would define is known to be missing */
            const Stmt *st = scan->body.at[i];
            if (st->kind == STMT_DEFINE && !st->next) bind_tensor(e, s, st->name, NULL);
        }
        return;
    }
    Index *t = NEW(e->arena, Index);
    *t = (Index){.name = scan->name.text, .span = scan->name.span, .n = 1, .extent = {steps}};
    t->var[0] = var_new(e->pool, t->name, steps);
    bind_index(e, in, t);
    Var *batch = var_new(e->pool, "n", e->g->batch);
    batch->batch = true;
    e->step = t->var[0];
    e->backward = scan->backward;
    for (int i = 0; i < scan->body.n && !e->stopped; i++) {
        scan_statement(e, in, s, scan->body.at[i], batch);
    }
    for (int i = 0; i < in->binds.n; i++) {
        const Bind *b = in->binds.at[i];
        if (b->kind == BIND_STATE && !b->defined) {
            elab_error(e, b->span, "the state `%s` is given no next value", b->name);
        }
    }
    e->step = NULL;
}
