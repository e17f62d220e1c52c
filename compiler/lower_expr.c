/* lower_expr.c: expressions of the graph become expressions of the loop IR: reads become loads,
 * and inside a lane loop everything that depends on the lane becomes a vector. */
#include "lower.h"

Stmt *emit(Lower *L, StmtKind kind) {
    Stmt *s = NEW(L->arena, Stmt);
    s->kind = kind;
    PUSH(L->arena, *L->out, s);
    return s;
}

/* --- reads --- */

Expr *lower_subst(Lower *L, const Frame *f, Expr *e) {
    const Node *n = f->ns->node;
    Map *by = map_new(L->arena);
    for (int i = 0; i < n->rank; i++) map_set(by, n->var[i], f->value[i]);
    for (int i = 0; i < n->n_rvars; i++) map_set(by, n->rvar[i], f->value[n->rank + i]);
    return e_subst(L->pool, e, by);
}

Expr *local_offset(Lower *L, const Buffer *b, Expr *const *index, Expr *const *base, int rank) {
    Expr *at[MAX_RANK];
    for (int i = 0; i < rank; i++) at[i] = e_sub(L->pool, index[i], base[i]);
    return layout_offset(L->pool, &b->layout, at);
}

typedef struct Reads {
    Lower *L;
    Expr *mask;
    Map *done;
} Reads;

static Buffer *memory_of(Lower *L, const Node *n) {
    Buffer *b = L->memory[n->id];
    if (!b) die("%s is read but never stored", n->name);
    return b;
}

static int scalar_slot(Lower *L, Expr *e) {
    LoopFunction *f = L->function;
    for (int i = 0; i < f->scalar.n; i++)
        if (f->scalar.at[i] == e) return i;
    PUSH(L->arena, f->scalar, e);
    return f->scalar.n - 1;
}

/* --- scalars of the host that depend on an index: a table, in slots side by side --- */

static void note_var(void *context, Expr *e) {
    Var **v = context;
    if (e->op != OP_VAR) return;
    if (*v && *v != e->var) die("a scalar that depends on two indices");
    *v = e->var;
}

static int table_slot(Lower *L, Expr *e, const Var *v) {
    LoopFunction *f = L->function;
    int n = (int)(v->hi - v->lo) + 1, first = 0, found = 0;
    for (; first + n <= f->scalar.n; first++) {
        for (found = 0; found < n; found++) {
            Expr *at = e_subst1(L->pool, e, v, e_int(L->pool, v->lo + found));
            if (f->scalar.at[first + found] != at) break;
        }
        if (found == n) return first;
    }
    first = f->scalar.n;
    for (long x = v->lo; x <= v->hi; x++)
        PUSH(L->arena, f->scalar, e_subst1(L->pool, e, v, e_int(L->pool, x)));
    return first;
}

static Expr *tabulate(void *context, Expr *e) {
    Lower *L = context;
    Var *v = NULL;
    if (e->op != OP_ROUND) return e;
    e_visit(e, note_var, &v);
    if (!v) return e;
    Expr *slot = e_offset(L->pool, e_var(L->pool, v), table_slot(L, e, v) - v->lo);
    return v_load(L->pool, L->function->scalars, slot, NULL, 1);
}

static bool is_index_only(Expr *e) {
    if (e->op == OP_READ || e->op == OP_LOAD) return false;
    for (int i = 0; i < e->n; i++)
        if (!is_index_only(e->arg[i])) return false;
    return true;
}

static Expr *translate(Reads *r, Expr *e);

/* Can every element that the index may name be loaded, whatever the condition is? Of stored
 * tensors that the function does not change. */
static bool is_always_there(const Lower *L, const Node *n, Expr *const *index) {
    if (n->kind != NODE_STORED) return false;
    for (int i = 0; i < L->graph->n_updates; i++)
        if (L->graph->update[i].stored == n->stored) return false;
    for (int i = 0; i < n->rank; i++) {
        long lo, hi;
        if (!e_range(index[i], &lo, &hi) || lo < 0 || hi >= n->shape[i]) return false;
    }
    return true;
}

static Expr *translate_read(Reads *r, Expr *e, Expr **index) {
    Lower *L = r->L;
    for (int i = L->live.n - 1; i >= 0; i--) {
        Frame *f = L->live.at[i];
        if (f->ns->node != e->node || !f->local) continue;
        if (f->ns->node->scan >= 0 && index[e->node->scan] != f->base[e->node->scan]) continue;
        Expr *offset = local_offset(L, f->local, index, f->base, e->node->rank);
        return v_load(L->pool, f->local, offset, NULL, 1);
    }
    Buffer *b = memory_of(L, e->node);
    if (r->mask && is_false(r->mask)) return e_num(L->pool, e->type, 0);
    bool whole = is_true(r->mask) || is_always_there(L, e->node, index);
    Expr *mask = whole ? NULL : r->mask;
    return v_load(L->pool, b, layout_offset(L->pool, &b->layout, index), mask, 1);
}

/* What of a condition is index arithmetic, or null. */
static Expr *index_part(Reads *r, Expr *cond) {
    Expr **part, *known = NULL;
    int n = e_conjuncts(r->L->arena, cond, &part);
    for (int i = 0; i < n; i++)
        if (is_index_only(part[i])) known = e_and(r->L->pool, known, translate(r, part[i]));
    return known;
}

/* e where `known` holds: index arithmetic, which keeps loads from happening outside. */
static Expr *translate_where(Reads *r, Expr *e, Expr *known) {
    if (is_true(known)) return translate(r, e);
    Reads inner = {r->L, e_and(r->L->pool, r->mask, known), map_new(r->L->arena)};
    return translate(&inner, e);
}

static Expr *translate_select(Reads *r, Expr *e) {
    Pool *p = r->L->pool;
    Expr *c = translate(r, e->arg[0]), *not = NULL;
    if (is_index_only(e->arg[0])) not = e_op(p, OP_NOT, c, NULL, NULL);
    Expr *a = translate_where(r, e->arg[1], index_part(r, e->arg[0]));
    return e_select(p, c, a, translate_where(r, e->arg[2], not));
}

static Expr *translate_and(Reads *r, Expr *e) {
    Expr *b = translate_where(r, e->arg[1], index_part(r, e->arg[0]));
    return e_and(r->L->pool, translate(r, e->arg[0]), b);
}

static Expr *translate_new(Reads *r, Expr *e) {
    Lower *L = r->L;
    if (e->op == OP_SELECT) return translate_select(r, e);
    if (e->op == OP_AND) return translate_and(r, e);
    if (e->op == OP_ROUND || (e->op == OP_HOST && e->type == T_U32))
        return v_load(L->pool, e->type == T_U32 ? L->function->words : L->function->scalars,
                      e_int(L->pool, scalar_slot(L, e)), NULL, 1);
    if (e->n == 0 && e->op != OP_READ) return e;
    Expr **arg = NEW_ARRAY(L->arena, Expr *, e->n);
    for (int i = 0; i < e->n; i++) arg[i] = translate(r, e->arg[i]);
    return e->op == OP_READ ? translate_read(r, e, arg) : e_rebuild(L->pool, e, arg);
}

static Expr *translate(Reads *r, Expr *e) {
    Expr *t = map_get(r->done, e);
    if (!t) map_set(r->done, e, t = translate_new(r, e));
    return t;
}

Expr *lower_expr(Lower *L, const Frame *f, Expr *e, Expr *mask) {
    Reads r = {L, mask, map_new(L->arena)};
    return translate(&r, lower_subst(L, f, e_rewrite(L->pool, e, tabulate, L)));
}

/* --- vectors --- */

typedef struct Vectors {
    Lower *L;
    int width;
    Map *done;
} Vectors;

static Expr *vector(Vectors *v, Expr *e);

static Expr *broadcast(Vectors *v, Expr *e) {
    if (e->lanes == v->width) return e;
    return v_op(v->L->pool, OP_BROADCAST, e->type, v->width, e, NULL, NULL);
}

static Expr *vector_sum(Vectors *v, Expr *e) {
    Pool *p = v->L->pool;
    Expr *rest = e_int(p, e->k), *sum = NULL;
    for (int i = 0; i < e->n; i++) {
        Expr *atom = vector(v, e->arg[i]);
        if (atom->lanes == 1) {
            rest = e_add(p, rest, e_scale(p, atom, e->coef[i]));
            continue;
        }
        if (e->coef[i] != 1)
            atom = v_op(p, OP_MUL, T_I32, v->width, atom, broadcast(v, e_int(p, e->coef[i])),
                        NULL);
        sum = sum ? v_op(p, OP_ADD, T_I32, v->width, sum, atom, NULL) : atom;
    }
    if (is_int(rest, 0)) return sum;
    return v_op(p, OP_ADD, T_I32, v->width, sum, broadcast(v, rest), NULL);
}

static Expr *vector_load(Vectors *v, Expr *e) {
    Pool *p = v->L->pool;
    long c;
    Expr *rest;
    Expr *mask = e->n > 1 ? broadcast(v, vector(v, e->arg[1])) : NULL;
    if (e_affine(p, e->arg[0], v->L->lane, &c, &rest) && c == 1)
        return v_load(p, e->buffer, rest, mask, v->width);
    return v_load(p, e->buffer, broadcast(v, vector(v, e->arg[0])), mask, v->width);
}

static Expr *vector_new(Vectors *v, Expr *e) {
    if (!e_uses(e, v->L->lane)) return e;
    if (e->op == OP_VAR) return v_op(v->L->pool, OP_IOTA, T_I32, v->width, NULL, NULL, NULL);
    if (e->op == OP_LIN) return vector_sum(v, e);
    if (e->op == OP_LOAD) return vector_load(v, e);
    Expr *arg[3] = {NULL, NULL, NULL};
    if (e->n > 3) die("operator %s in a vector", op_info[e->op].name);
    for (int i = 0; i < e->n; i++) arg[i] = broadcast(v, vector(v, e->arg[i]));
    return v_op(v->L->pool, e->op, e->type, v->width, arg[0], arg[1], arg[2]);
}

static Expr *vector(Vectors *v, Expr *e) {
    Expr *t = map_get(v->done, e);
    if (!t) map_set(v->done, e, t = vector_new(v, e));
    return t;
}

/* --- stores --- */

/* Each lane by itself, through memory: the elements of a vector do not lie beside each other. */
static void store_scattered(Lower *L, Buffer *b, Expr *offset, Expr *value) {
    Pool *p = L->pool;
    long width = L->width;
    Buffer *row = new_local(L, "row", b->type, 1, &width, 0);
    Stmt *s = emit(L, STMT_STORE);
    s->buffer = row;
    s->offset = e_int(p, 0);
    s->value = value;
    Stmt *loop = emit(L, STMT_FOR);
    loop->var = var_new(p, "l", width);
    loop->lo = e_int(p, 0);
    loop->hi = e_int(p, width);
    loop->unroll = true;
    Body *out = L->out;
    L->out = &loop->body;
    Stmt *one = emit(L, STMT_STORE);
    one->buffer = b;
    one->offset = e_subst1(p, offset, L->lane, e_var(p, loop->var));
    one->value = v_load(p, row, e_var(p, loop->var), NULL, 1);
    L->out = out;
    row->memory = true;
}

void emit_store(Lower *L, Buffer *b, Expr *offset, Expr *value) {
    Pool *p = L->pool;
    if (L->lane) {
        Vectors v = {L, L->width, map_new(L->arena)};
        value = broadcast(&v, vector(&v, value));
        long c;
        Expr *rest;
        if (!e_affine(p, offset, L->lane, &c, &rest) || c != 1) {
            store_scattered(L, b, offset, value);
            return;
        }
        offset = rest;
    }
    Stmt *s = emit(L, STMT_STORE);
    s->buffer = b;
    s->offset = offset;
    s->value = value;
}
