/* lower_columns.c: vectors gathered from rows, where neighbors in the rows become vectors beside
 * each other, are loaded row by row and turned in registers.
 *
 * Requires: a routine's body and the list of what it writes. In a loop unrolled over k, a load
 *     from[base + stride * lane + k]
 * takes its lanes from as many rows, one element each, and the next k takes the elements beside
 * them. COLUMNS of these loads are one STMT_COLUMNS before the loop, which reads each row once.
 */
#include "lower.h"

typedef struct Columns {
    Lower *L;
    const Routine *routine;
    const Stmt *loop;
    VEC(Expr *) loads; /* that become registers, */
    VEC(Buffer *) by;  /* these */
} Columns;

/* e, a vector, as stride * lane + base. */
static bool by_lane(Pool *p, Expr *e, long *stride, Expr **base) {
    long stride2;
    Expr *base2;
    *stride = 0;
    switch (e->op) {
    case OP_IOTA:
        *stride = 1;
        *base = e_int(p, 0);
        return true;
    case OP_BROADCAST: *base = e->arg[0]; return true;
    case OP_ADD:
        if (!by_lane(p, e->arg[0], stride, base)) return false;
        if (!by_lane(p, e->arg[1], &stride2, &base2)) return false;
        *stride += stride2;
        *base = e_add(p, *base, base2);
        return true;
    case OP_MUL:
        if (!by_lane(p, e->arg[0], stride, base)) return false;
        if (!by_lane(p, e->arg[1], &stride2, &base2) || stride2 || !is_const(base2)) return false;
        *stride *= (long)base2->num;
        *base = e_scale(p, *base, (long)base2->num);
        return true;
    default: return false;
    }
}

static bool is_written(const Routine *r, const Buffer *b) {
    for (int i = 0; i < r->written.n; i++)
        if (r->written.at[i] == b) return true;
    return false;
}

static void note_load(void *context, Expr *e) {
    Columns *c = context;
    Pool *p = c->L->pool;
    long stride, coef;
    Expr *base;
    if (e->op != OP_LOAD || e->lanes == 1 || e->arg[0]->lanes == 1) return;
    Buffer *b = e->buffer;
    if (b->kind == BUFFER_LOCAL || is_written(c->routine, b)) return;
    if (b->type != T_F32 && (b->type != T_I32 || b->kind != BUFFER_ARENA)) return;
    if (e->n > 1 && (e->arg[1]->op != OP_BROADCAST || e_uses(e->arg[1], c->loop->var))) return;
    if (!by_lane(p, e->arg[0], &stride, &base) || stride < 1) return;
    if (!e_affine(p, base, c->loop->var, &coef, &base) || coef != 1) return;
    PUSH(c->L->arena, c->loads, e);
}

static void insert(Arena *a, Body *body, int at, Stmt *s) {
    PUSH(a, *body, s);
    for (int i = body->n - 1; i > at; i--) body->at[i] = body->at[i - 1];
    body->at[at] = s;
}

static Stmt *statement(Lower *L, Body *to, StmtKind kind, Buffer *b, long offset) {
    Stmt *s = NEW(L->arena, Stmt);
    s->kind = kind;
    s->buffer = b;
    s->offset = e_int(L->pool, offset);
    PUSH(L->arena, *to, s);
    return s;
}

/* The registers that `load` becomes in n passes of the loop, filled by statements added to `to`. */
static Buffer *turn(Lower *L, Expr *load, Var *v, long n, Body *to) {
    Pool *p = L->pool;
    Buffer *b = NEW(L->arena, Buffer);
    *b = (Buffer){.kind = BUFFER_LOCAL, .type = load->type, .narrow = 4, .lanes = L->width,
                  .size = n * L->width};
    b->name = arena_printf(L->arena, "columns_%d", L->n_locals++);
    b->layout = layout_rows(1, &b->size, 1);
    statement(L, to, STMT_LOCAL, b, 0);
    Stmt *where = NULL;
    if (load->n > 1) {
        where = statement(L, to, STMT_IF, NULL, 0);
        where->cond = load->arg[1]->arg[0];
        to = &where->body;
    }
    for (long k = 0; k < n; k += COLUMNS) {
        Stmt *s = statement(L, to, STMT_COLUMNS, b, k * L->width);
        Expr *base;
        s->from = load->buffer;
        if (!by_lane(p, load->arg[0], &s->stride, &base)) die("columns of what is no row");
        s->at = e_subst1(p, base, v, e_int(p, k));
    }
    Expr *zero = v_op(p, OP_BROADCAST, load->type, L->width, e_num(p, load->type, 0), NULL, NULL);
    for (long k = 0; where && k < n; k++)
        statement(L, &where->other, STMT_STORE, b, k * L->width)->value = zero;
    return b;
}

static Expr *read_register(void *context, Expr *e) {
    Columns *c = context;
    for (int i = 0; i < c->loads.n; i++) {
        if (c->loads.at[i] != e) continue;
        Expr *at = e_scale(c->L->pool, e_var(c->L->pool, c->loop->var), c->L->width);
        return v_load(c->L->pool, c->by.at[i], at, NULL, c->L->width);
    }
    return e;
}

/* Puts what fills the registers before the loop at `at`; returns where the loop is now. */
static int turn_loop(Lower *L, const Routine *r, Body *body, int at) {
    Stmt *loop = body->at[at];
    Columns c = {.L = L, .routine = r, .loop = loop};
    Body before = {0};
    if (!is_int(loop->lo, 0) || !is_const(loop->hi)) return at;
    long n = (long)loop->hi->num;
    if (n % COLUMNS) return at;
    for (int i = 0; i < loop->body.n; i++)
        if (loop->body.at[i]->kind == STMT_STORE) e_visit(loop->body.at[i]->value, note_load, &c);
    for (int i = 0; i < c.loads.n; i++)
        PUSH(L->arena, c.by, turn(L, c.loads.at[i], loop->var, n, &before));
    for (int i = 0; i < loop->body.n && c.loads.n; i++) {
        Stmt *s = loop->body.at[i];
        if (s->kind == STMT_STORE) s->value = e_rewrite(L->pool, s->value, read_register, &c);
    }
    for (int i = 0; i < before.n; i++) insert(L->arena, body, at++, before.at[i]);
    return at;
}

void lower_columns(Lower *L, const Routine *r, Body *body) {
    for (int i = 0; i < body->n; i++) {
        if (body->at[i]->kind == STMT_FOR && body->at[i]->unroll) i = turn_loop(L, r, body, i);
        lower_columns(L, r, &body->at[i]->body);
        lower_columns(L, r, &body->at[i]->other);
    }
}
