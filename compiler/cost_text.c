/* cost_text.c: what compilers make of the text of loops before anything else (cost_parts.h): short
 * ones they unroll, and of nests they take another loop for the innermost.
 */
#include "cost_parts.h"
#include <math.h>

/* Compilers stop at 200 instructions, about 8 a statement. */
enum { TEXT_ROUNDS = 16, TEXT_STATEMENTS = 25, TOO_LONG = 1 << 20 };

static void note_operation(void *context, Expr *e) {
    bool none = e->op == OP_CONST || e->op == OP_VAR || e->op == OP_LIN || e->op == OP_BROADCAST;
    *(double *)context += !none;
}

/* A statement as a number of those that add a product to a sum in a register. */
static double weight_of(const Stmt *s) {
    double operations = 0;
    e_visit(s->value, note_operation, &operations);
    if (!is_const(s->offset)) operations += 2;
    return operations > 4 ? operations / 4 : 1;
}

/* Statements of a body, unrolled loops counted as often as they repeat; too many where a loop
 * stays one. */
static double statements(const Body *body) {
    double n = 0;
    for (int i = 0; i < body->n; i++) {
        const Stmt *s = body->at[i];
        double inner = statements(&s->body) + statements(&s->other);
        if (s->kind != STMT_FOR) {
            n += inner + (s->kind == STMT_STORE ? weight_of(s) : 0);
        } else if (is_const(s->lo) && is_const(s->hi)) {
            double trip = s->hi->num - s->lo->num;
            bool text = s->unroll || trip <= 1;
            text |= trip <= TEXT_ROUNDS && trip * inner <= TEXT_STATEMENTS;
            n += text ? inner * trip : TOO_LONG;
        } else {
            n += TOO_LONG;
        }
    }
    return n;
}

bool cost_is_text(const Stmt *s) {
    if (!is_const(s->lo) || !is_const(s->hi)) return false;
    double trip = s->hi->num - s->lo->num;
    if (s->unroll || trip <= 1) return true;
    return trip <= TEXT_ROUNDS && trip * statements(&s->body) <= TEXT_STATEMENTS;
}

bool cost_is_affine(const Expr *offset, const Var *v) {
    for (int i = 0; i < offset->n; i++) {
        const Expr *part = offset->op == OP_LIN ? offset->arg[i] : offset;
        if (part->op != OP_VAR && e_uses((Expr *)part, v)) return false;
    }
    return true;
}

typedef struct Steps {
    const Var *var, *inner; /* inner: of a loop inside, or null */
    double sum;             /* of the distances that an iteration moves by */
    bool vectors, unknown;  /* unknown: not affine */
} Steps;

static void add_step(Steps *s, const Expr *offset) {
    if (!cost_is_affine(offset, s->var)) s->unknown = true;
    for (int i = 0; i < offset->n && offset->op == OP_LIN; i++)
        if (offset->arg[i]->op == OP_VAR && offset->arg[i]->var == s->var)
            s->sum += fabs((double)offset->coef[i]);
    if (offset->op == OP_VAR && offset->var == s->var) s->sum++;
}

static void note_step(void *context, Expr *e) {
    Steps *s = context;
    if (e->lanes > 1) s->vectors = true;
    if (e->op == OP_LOAD) add_step(s, e->arg[0]);
}

/* Where no iteration follows from another, the one that moves through memory in the shortest
 * steps, if they are less than half as long. */
int cost_innermost(Stmt *const *nest, int n) {
    const Body *body = &nest[n - 1]->body;
    int best = n - 1;
    double least = 1e30;
    for (int k = n - 1; k >= 0; k--) {
        Steps s = {.var = nest[k]->var};
        for (int i = 0; i < body->n; i++) {
            const Stmt *x = body->at[i];
            if (x->kind != STMT_STORE || x->buffer->kind == BUFFER_LOCAL) return n - 1;
            if (cost_latency(x) >= 0) return n - 1;
            e_visit(x->value, note_step, &s);
            add_step(&s, x->offset);
        }
        if (s.vectors || s.unknown) return n - 1;
        if (2 * s.sum < least) {
            least = s.sum;
            best = k;
        }
    }
    return best;
}

/* Vectors of what neighbors along s->var load need that side by side, or once for all. */
static void note_beside(void *context, Expr *e) {
    Steps *s = context;
    if (e->lanes > 1) s->vectors = true;
    if (e->op != OP_LOAD) return;
    Steps own = {.var = s->var};
    add_step(&own, e->arg[0]);
    s->unknown |= own.unknown || own.sum > 1 || e->buffer->narrow != 4;
    s->unknown |= s->inner && !cost_is_affine(e->arg[0], s->inner);
}

static bool stores_beside(const Stmt *store, const Var *v) {
    Steps own = {.var = v};
    add_step(&own, store->offset);
    return !own.unknown && own.sum == 1;
}

/* The only statement of a loop over the terms of a sum that is in a register; else null. */
static const Stmt *term_of(const Stmt *m, const Var *j) {
    if (m->body.n != 1 || cost_is_text(m) || e_uses(m->lo, j) || e_uses(m->hi, j)) return NULL;
    const Stmt *term = m->body.at[0];
    bool sums = term->kind == STMT_STORE && term->buffer->kind == BUFFER_LOCAL;
    return sums && is_const(term->offset) ? term : NULL;
}

bool cost_is_lanes(const Stmt *j) {
    Steps s = {.var = j->var};
    int loops = 0, results = 0;
    for (int i = 0; i < j->body.n; i++) {
        const Stmt *x = j->body.at[i];
        if (x->kind == STMT_LOCAL) continue;
        if (x->kind == STMT_FOR) {
            loops++;
            s.inner = x->var;
            x = term_of(x, j->var);
        }
        if (!x || x->kind != STMT_STORE) return false;
        bool single = x->buffer->kind == BUFFER_LOCAL && is_const(x->offset);
        if (!single && !stores_beside(x, j->var)) return false;
        results += x->buffer->kind != BUFFER_LOCAL;
        e_visit(x->value, note_beside, &s);
    }
    return loops == 1 && results && !s.vectors && !s.unknown;
}

/* The sum that j's iterations are, if they are nothing else. */
static Stmt *sum_of(const Stmt *j) {
    const Body *b = &j->body;
    if (cost_is_text(j) || b->n != 4 || b->at[0]->kind != STMT_LOCAL) return NULL;
    Stmt *first = b->at[1], *m = b->at[2], *last = b->at[3];
    if (first->kind != STMT_STORE || m->kind != STMT_FOR || last->kind != STMT_STORE) return NULL;
    if (first->buffer != b->at[0]->buffer || last->value->op != OP_LOAD) return NULL;
    if (last->value->buffer != first->buffer || last->buffer->kind == BUFFER_LOCAL) return NULL;
    if (cost_is_text(m) || m->body.n != 1 || m->body.at[0]->kind != STMT_STORE) return NULL;
    return m->body.at[0]->buffer == first->buffer ? m : NULL;
}

bool cost_exchange(Pool *p, Stmt *j, Stmt **nest, Stmt *term) {
    Stmt *m = sum_of(j);
    if (!m) return false;
    const Expr *add = m->body.at[0]->value;
    Steps own = {.var = m->var}, other = {.var = j->var};
    if (add->op != OP_FMA || add->lanes > 1) return false;
    for (int i = 0; i < 2; i++) {
        e_visit(add->arg[i], note_step, &own);
        e_visit(add->arg[i], note_step, &other);
    }
    if (other.sum >= own.sum) return false;
    *term = *j->body.at[3];
    Expr *sum = v_load(p, term->buffer, term->offset, NULL, 1);
    term->value = v_op(p, OP_FMA, T_F32, 1, add->arg[0], add->arg[1], sum);
    nest[0] = m;
    nest[1] = j;
    return true;
}
