/* expr_walk.c: walks over expressions as the DAGs they are: each part is met once. */
#include "expr_build.h"
#include <stdlib.h>
#include <string.h>

/* What a walk has found so far: from an expression to what became of it. */
typedef struct Memo {
    Expr **key, **value;
    unsigned n, cap;
    Expr *few[2 * 64];
} Memo;

static void memo_init(Memo *m) {
    m->n = 0;
    m->cap = 64;
    m->key = m->few;
    m->value = m->few + 64;
    memset(m->few, 0, sizeof m->few);
}

static void memo_free(Memo *m) {
    if (m->key != m->few) free(m->key);
}

static unsigned slot(const Memo *m, const Expr *e) {
    unsigned i = e->id * 2654435769u & (m->cap - 1);
    while (m->key[i] && m->key[i] != e) i = (i + 1) & (m->cap - 1);
    return i;
}

static void memo_grow(Memo *m) {
    Memo old = *m;
    m->cap = old.cap * 4;
    m->key = calloc(m->cap * 2, sizeof *m->key);
    if (!m->key) die("out of memory");
    m->value = m->key + m->cap;
    for (unsigned i = 0; i < old.cap; i++) {
        if (!old.key[i]) continue;
        unsigned j = slot(m, old.key[i]);
        m->key[j] = old.key[i];
        m->value[j] = old.value[i];
    }
    if (old.key != m->few) free(old.key);
}

static Expr *memo_get(const Memo *m, const Expr *e) { return m->value[slot(m, e)]; }

static void memo_set(Memo *m, Expr *e, Expr *value) {
    if (m->n * 2 >= m->cap) memo_grow(m);
    unsigned i = slot(m, e);
    if (!m->key[i]) m->n++;
    m->key[i] = e;
    m->value[i] = value;
}

/* --- visit --- */

static void visit(Memo *seen, Expr *e, void (*f)(void *, Expr *), void *context) {
    if (memo_get(seen, e)) return;
    memo_set(seen, e, e);
    for (int i = 0; i < e->n; i++) visit(seen, e->arg[i], f, context);
    f(context, e);
}

void e_visit(Expr *e, void (*f)(void *context, Expr *e), void *context) {
    Memo seen;
    memo_init(&seen);
    visit(&seen, e, f, context);
    memo_free(&seen);
}

static bool uses(Memo *seen, Expr *e, const Var *v) {
    if (e->op == OP_VAR) return e->var == v;
    if (e->n == 0 || memo_get(seen, e)) return false;
    memo_set(seen, e, e);
    for (int i = 0; i < e->n; i++) {
        if (uses(seen, e->arg[i], v)) return true;
    }
    return false;
}

bool e_uses(Expr *e, const Var *v) {
    Memo seen;
    memo_init(&seen);
    bool found = uses(&seen, e, v);
    memo_free(&seen);
    return found;
}

/* --- rewrite --- */

typedef struct Rewrite {
    Pool *pool;
    Memo memo;
    Expr *(*f)(void *context, Expr *e);
    void *context;
} Rewrite;

static Expr *rewrite(Rewrite *r, Expr *e) {
    Expr *done = memo_get(&r->memo, e);
    if (done) return done;
    Expr *few[8], **arg = few;
    if (e->n > COUNT_OF(few)) arg = NEW_ARRAY(pool_arena(r->pool), Expr *, e->n);
    for (int i = 0; i < e->n; i++) arg[i] = rewrite(r, e->arg[i]);
    done = r->f(r->context, e_rebuild(r->pool, e, arg));
    memo_set(&r->memo, e, done);
    return done;
}

Expr *e_rewrite(Pool *p, Expr *e, Expr *(*f)(void *context, Expr *e), void *context) {
    Rewrite r = {.pool = p, .f = f, .context = context};
    memo_init(&r.memo);
    Expr *done = rewrite(&r, e);
    memo_free(&r.memo);
    return done;
}

/* Not by e_rewrite: what stands in for a variable is not substituted into again. */
typedef struct Subst {
    const Map *map;
    const Var *var;
    Expr *by;
} Subst;

static Expr *subst_leaf(void *context, Expr *e) {
    Subst *s = context;
    if (e->op != OP_VAR) return e;
    Expr *by = s->map ? map_get(s->map, e->var) : e->var == s->var ? s->by : NULL;
    return by ? by : e;
}

static Expr *subst(Rewrite *r, Expr *e) {
    if (e->n == 0) return r->f(r->context, e);
    Expr *done = memo_get(&r->memo, e);
    if (done) return done;
    Expr *few[8], **arg = few;
    if (e->n > COUNT_OF(few)) arg = NEW_ARRAY(pool_arena(r->pool), Expr *, e->n);
    for (int i = 0; i < e->n; i++) arg[i] = subst(r, e->arg[i]);
    done = e_rebuild(r->pool, e, arg);
    memo_set(&r->memo, e, done);
    return done;
}

static Expr *substitute(Pool *p, Expr *e, Subst s) {
    Rewrite r = {.pool = p, .f = subst_leaf, .context = &s};
    memo_init(&r.memo);
    Expr *done = subst(&r, e);
    memo_free(&r.memo);
    return done;
}

Expr *e_subst(Pool *p, Expr *e, const Map *var_to_expr) {
    return e ? substitute(p, e, (Subst){.map = var_to_expr}) : NULL;
}

Expr *e_subst1(Pool *p, Expr *e, const Var *v, Expr *by) {
    return e ? substitute(p, e, (Subst){.var = v, .by = by}) : NULL;
}
