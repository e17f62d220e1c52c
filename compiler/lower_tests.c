/* lower_tests.c: conditions leave the loops that they do not depend on.
 *
 * Requires: a routine's body as the kernels made it, a test around each term that has one.
 * Establishes: where all of a loop is under a condition, the part of it that is the same in every
 * round stands around the loop, and a bound of the loop's own variable is the loop's bound:
 *     for t = 0 to 28 { for k { if 1 <= t and c { s } } }
 *     if c { for t = 1 to 28 { for k { s } } }
 * Both back ends then find straight loops, whether or not they would have found this themselves.
 */
#include "lower.h"

static void note_load(void *context, Expr *e) {
    if (e->op == OP_LOAD) *(bool *)context = true;
}

/* What the loop's own stores may change stays inside. */
static bool has_load(Expr *e) {
    bool load = false;
    e_visit(e, note_load, &load);
    return load;
}

/* Makes 0 <= v + rest, or 0 <= -v + rest, the loop's bound. */
static bool tighten(Lower *L, Stmt *loop, Expr *test) {
    Pool *p = L->pool;
    long c;
    Expr *rest;
    if ((test->op != OP_LE && test->op != OP_LT) || loop->unroll || !is_const(loop->lo) ||
        !is_const(loop->hi))
        return false;
    Expr *room = e_offset(p, e_sub(p, test->arg[1], test->arg[0]), test->op == OP_LT ? -1 : 0);
    if (!e_affine(p, room, loop->var, &c, &rest) || (c != 1 && c != -1) || !is_const(rest))
        return false;
    long lo = (long)loop->lo->num, hi = (long)loop->hi->num, at = (long)rest->num;
    if (c == 1 && -at > lo) lo = -at;
    if (c == -1 && at + 1 < hi) hi = at + 1;
    if (lo >= hi) return false;
    loop->lo = e_int(p, lo);
    loop->hi = e_int(p, hi);
    return true;
}

/* The loop, or what stands around it now. */
static Stmt *leave(Lower *L, Stmt *loop) {
    Pool *p = L->pool;
    Stmt *inner = loop->body.at[0];
    Expr **part, *around = NULL, *within = NULL;
    int n = e_conjuncts(L->arena, inner->cond, &part);
    for (int i = 0; i < n; i++) {
        if (has_load(part[i])) within = e_and(p, within, part[i]);
        else if (!e_uses(part[i], loop->var)) around = e_and(p, around, part[i]);
        else if (!tighten(L, loop, part[i])) within = e_and(p, within, part[i]);
    }
    if (is_true(within)) loop->body = inner->body;
    else inner->cond = within;
    if (is_true(around)) return loop;
    Stmt *test = is_true(within) ? inner : NEW(L->arena, Stmt);
    *test = (Stmt){.kind = STMT_IF, .cond = around};
    PUSH(L->arena, test->body, loop);
    return test;
}

void lower_tests(Lower *L, Body *body) {
    for (int i = 0; i < body->n; i++) {
        Stmt *s = body->at[i];
        lower_tests(L, &s->body);
        lower_tests(L, &s->other);
        if (s->kind == STMT_FOR && s->body.n == 1 && s->body.at[0]->kind == STMT_IF &&
            !s->body.at[0]->other.n)
            body->at[i] = leave(L, s);
    }
}
