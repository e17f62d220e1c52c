/* lower_hoist.c: where data say an address, it is computed once before the loops that unroll around
 * its uses.
 *
 * Requires: a routine's body and the list of what it writes. An offset such as
 *     192*k + 16*l + 384*j + 192*(winner[...] / 2 % 2)      in loops unrolled over k and l
 * has a part that depends on data but not on these loops: all of it that does not becomes a local
 * integer, of which the C compiler makes a pointer, and the rest are constants beside it.
 */
#include "lower.h"

typedef struct Hoist {
    Lower *L;
    const Routine *routine;
    Map *bound;   /* the variables of the loops inside the place */
    Map *local;   /* parts of offsets -> the buffers that hold them */
    VEC(Expr *) parts;
    Map *done;    /* expressions -> what became of them */
} Hoist;

typedef struct Part {
    const Hoist *hoist;
    bool data, fixed; /* does it load, and only what stays as it is? */
} Part;

static void note_part(void *context, Expr *e) {
    Part *x = context;
    const Routine *r = x->hoist->routine;
    if (e->op == OP_VAR && map_get(x->hoist->bound, e->var)) x->fixed = false;
    if (e->lanes > 1) x->fixed = false;
    if (e->op != OP_LOAD) return;
    x->data = true;
    if (e->buffer->kind == BUFFER_LOCAL || e->n > 1) x->fixed = false;
    for (int i = 0; i < r->written.n; i++)
        if (r->written.at[i] == e->buffer) x->fixed = false;
}

static bool is_fixed(const Hoist *h, Expr *e, bool *data) {
    Part x = {h, false, true};
    e_visit(e, note_part, &x);
    *data |= x.data && x.fixed;
    return x.fixed;
}

static Expr *part_local(Hoist *h, Expr *part) {
    Pool *p = h->L->pool;
    Buffer *b = map_get(h->local, part);
    if (!b) {
        b = NEW(h->L->arena, Buffer);
        *b = (Buffer){.kind = BUFFER_LOCAL, .type = T_I32, .narrow = 4, .size = 1, .lanes = 1};
        b->name = arena_printf(h->L->arena, "place_%d", h->L->n_locals++);
        b->layout = layout_rows(0, NULL, 1);
        map_set(h->local, part, b);
        PUSH(h->L->arena, h->parts, part);
    }
    return v_load(p, b, e_int(p, 0), NULL, 1);
}

static Expr *hoist_sum(Hoist *h, Expr *e) {
    Pool *p = h->L->pool;
    Expr *part = e_int(p, 0), *rest = e_int(p, e->k);
    bool data = false;
    for (int i = 0; i < e->n; i++) {
        Expr **to = is_fixed(h, e->arg[i], &data) ? &part : &rest;
        *to = e_add(p, *to, e_scale(p, e->arg[i], e->coef[i]));
    }
    return data ? e_add(p, rest, part_local(h, part)) : e;
}

static Expr *hoist_expr(Hoist *h, Expr *e) {
    Expr *new = map_get(h->done, e);
    if (new) return new;
    new = e;
    if (e->op == OP_LIN && e->lanes == 1) {
        new = hoist_sum(h, e);
    } else if (e->n) {
        Expr like = *e;
        like.arg = NEW_ARRAY(h->L->arena, Expr *, e->n);
        bool changed = false;
        for (int i = 0; i < e->n; i++) {
            like.arg[i] = hoist_expr(h, e->arg[i]);
            changed |= like.arg[i] != e->arg[i];
        }
        if (changed) new = e_intern(h->L->pool, &like);
    }
    map_set(h->done, e, new);
    return new;
}

static void bind(Hoist *h, const Body *body) {
    for (int i = 0; i < body->n; i++) {
        Stmt *s = body->at[i];
        if (s->kind == STMT_FOR) map_set(h->bound, s->var, s->var);
        bind(h, &s->body);
        bind(h, &s->other);
    }
}

/* What is under a condition stays there: where it does not hold, there may be nothing to load. */
static void hoist_from(Hoist *h, Body *body) {
    for (int i = 0; i < body->n; i++) {
        Stmt *s = body->at[i];
        if (s->kind == STMT_FOR && s->unroll) hoist_from(h, &s->body);
        if (s->kind != STMT_STORE) continue;
        s->offset = hoist_expr(h, s->offset);
        s->value = hoist_expr(h, s->value);
    }
}

static void insert(Arena *a, Body *body, int at, Stmt *s) {
    PUSH(a, *body, s);
    for (int i = body->n - 1; i > at; i--) body->at[i] = body->at[i - 1];
    body->at[at] = s;
}

/* Hoists out of the unrolled loop at `at`; returns where it is now. */
static int hoist_loop(Lower *L, const Routine *r, Body *body, int at) {
    Stmt *loop = body->at[at];
    Hoist h = {.L = L, .routine = r, .bound = map_new(L->arena), .local = map_new(L->arena),
               .done = map_new(L->arena)};
    map_set(h.bound, loop->var, loop->var);
    bind(&h, &loop->body);
    hoist_from(&h, &loop->body);
    for (int i = 0; i < h.parts.n; i++) {
        Stmt *declare = NEW(L->arena, Stmt), *set = NEW(L->arena, Stmt);
        declare->kind = STMT_LOCAL;
        declare->buffer = map_get(h.local, h.parts.at[i]);
        *set = (Stmt){.kind = STMT_STORE, .buffer = declare->buffer, .value = h.parts.at[i],
                      .offset = e_int(L->pool, 0)};
        insert(L->arena, body, at++, declare);
        insert(L->arena, body, at++, set);
    }
    return at;
}

void lower_hoist(Lower *L, const Routine *r, Body *body) {
    for (int i = 0; i < body->n; i++) {
        if (body->at[i]->kind == STMT_FOR && body->at[i]->unroll) i = hoist_loop(L, r, body, i);
        lower_hoist(L, r, &body->at[i]->body);
        lower_hoist(L, r, &body->at[i]->other);
    }
}
