/* expr.c: the pool of expressions, the constructors of leaves, and questions about one expression.
 *
 * A Pool is a hash table of every expression made in a compile: intern() returns the one that is
 * there already. Arithmetic on indices is in index.c, logic in logic.c, the other operators in
 * operator.c, walks in expr_walk.c.
 */
#include "expr_build.h"
#include "graph.h"
#include <string.h>

const char *const type_names[N_TYPES] = {"bool", "i32", "u32", "f32", "f64"};

const OpInfo op_info[N_OPS] = {
#define X(name, arity, type, text) {#name, arity, type, text},
    OPS(X)
#undef X
};

const char *const host_names[N_HOSTS] = {
#define X(name, text) text,
    HOSTS(X)
#undef X
};

const char *const draw_names[N_DRAWS] = {"uniform", "normal", "bernoulli", "integer"};

struct Pool {
    Arena *arena;
    Expr **bucket;
    unsigned n, cap; /* cap is a power of two */
    int n_vars;
};

Pool *pool_new(Arena *a) {
    Pool *p = NEW(a, Pool);
    p->arena = a;
    p->cap = 1024;
    p->bucket = NEW_ARRAY(a, Expr *, p->cap);
    return p;
}

Arena *pool_arena(Pool *p) { return p->arena; }

static uint64_t mix(uint64_t h, uint64_t x) {
    h = (h ^ x) * 0x9e3779b97f4a7c15u;
    return h ^ (h >> 29);
}

/* What tells two expressions of one operator apart beside their arguments. */
static uint64_t payload(const Expr *e) {
    uint64_t bits = 0;
    switch (e->op) {
    case OP_CONST: memcpy(&bits, &e->num, sizeof bits); break;
    case OP_VAR: bits = (uintptr_t)e->var; break;
    case OP_HOST: bits = e->host; break;
    case OP_LIN: bits = (uint64_t)e->k; break;
    case OP_READ: bits = (uintptr_t)e->node; break;
    case OP_LOAD: bits = (uintptr_t)e->buffer; break;
    case OP_DRAW: bits = (uint64_t)e->draw.kind << 32 | (uint32_t)e->draw.site; break;
    default: break;
    }
    return bits;
}

static uint64_t expr_hash(const Expr *e) {
    uint64_t h = mix(mix(e->op, (uint64_t)e->type << 32 | (uint32_t)e->lanes), payload(e));
    for (int i = 0; i < e->n; i++) {
        h = mix(h, e->arg[i]->id);
        if (e->op == OP_LIN) h = mix(h, (uint64_t)e->coef[i]);
    }
    return h;
}

static bool same(const Expr *a, const Expr *b) {
    if (a->hash != b->hash || a->op != b->op || a->type != b->type || a->n != b->n) return false;
    if (a->lanes != b->lanes || payload(a) != payload(b)) return false;
    for (int i = 0; i < a->n; i++) {
        if (a->arg[i] != b->arg[i]) return false;
        if (a->op == OP_LIN && a->coef[i] != b->coef[i]) return false;
    }
    return true;
}

static void grow(Pool *p) {
    unsigned cap = p->cap * 2;
    Expr **bucket = NEW_ARRAY(p->arena, Expr *, cap);
    for (unsigned i = 0; i < p->cap; i++) {
        for (Expr *e = p->bucket[i], *next; e; e = next) {
            next = e->next;
            e->next = bucket[e->hash & (cap - 1)];
            bucket[e->hash & (cap - 1)] = e;
        }
    }
    p->bucket = bucket;
    p->cap = cap;
}

Expr *e_intern(Pool *p, const Expr *like) {
    Expr key = *like;
    if (key.lanes == 0) key.lanes = 1;
    key.hash = expr_hash(&key);
    for (Expr *e = p->bucket[key.hash & (p->cap - 1)]; e; e = e->next) {
        if (same(e, &key)) return e;
    }
    if (p->n >= p->cap) grow(p);
    Expr *e = NEW(p->arena, Expr);
    *e = key;
    e->id = p->n++;
    if (key.n) {
        e->arg = NEW_ARRAY(p->arena, Expr *, key.n);
        memcpy(e->arg, key.arg, sizeof *e->arg * (size_t)key.n);
    }
    if (key.n && key.op == OP_LIN) {
        e->coef = NEW_ARRAY(p->arena, long, key.n);
        memcpy(e->coef, key.coef, sizeof *e->coef * (size_t)key.n);
    }
    e->next = p->bucket[e->hash & (p->cap - 1)];
    p->bucket[e->hash & (p->cap - 1)] = e;
    return e;
}

Expr *expr_raw(Pool *p, Op op, Type type, int n, Expr *const *arg) {
    Expr key = {.op = op, .type = type, .n = n, .lanes = 1, .arg = (Expr **)arg};
    for (int i = 0; i < n; i++) {
        if (arg[i]->lanes > key.lanes) key.lanes = arg[i]->lanes;
    }
    return e_intern(p, &key);
}

Var *var_range(Pool *p, const char *name, long lo, long hi) {
    if (lo > hi) die("variable %s has no values: %ld to %ld", name, lo, hi);
    Var *v = NEW(p->arena, Var);
    *v = (Var){.name = arena_strdup(p->arena, name), .lo = lo, .hi = hi, .id = p->n_vars++};
    return v;
}

Var *var_new(Pool *p, const char *name, long extent) {
    return var_range(p, name, 0, extent - 1);
}

Expr *e_num(Pool *p, Type t, double x) {
    if (t == T_F32) x = (float)x;
    if (t == T_I32 || t == T_U32) x = (double)(long)x; /* no -0 */
    if (t == T_BOOL) x = x != 0;
    return e_intern(p, &(Expr){.op = OP_CONST, .type = t, .num = x});
}

Expr *e_int(Pool *p, long x) { return e_num(p, T_I32, (double)x); }

Expr *e_bool(Pool *p, bool x) { return e_num(p, T_BOOL, x); }

Expr *e_var(Pool *p, Var *v) {
    if (v->lo == v->hi) return e_int(p, v->lo);
    return e_intern(p, &(Expr){.op = OP_VAR, .type = T_I32, .var = v});
}

Expr *e_host(Pool *p, Host h) {
    bool word = h == HOST_SEED_LOW || h == HOST_SEED_HIGH || h == HOST_STEP_BITS;
    Type type = h == HOST_COUNT ? T_I32 : word ? T_U32 : T_F64;
    return e_intern(p, &(Expr){.op = OP_HOST, .type = type, .host = h});
}

Expr *e_read(Pool *p, Node *n, Expr **index, int rank) {
    if (rank != n->rank) die("%s has rank %d, read with %d indices", n->name, n->rank, rank);
    Expr key = {.op = OP_READ, .type = n->type, .n = rank, .lanes = 1, .arg = index, .node = n};
    for (int i = 0; i < rank; i++) {
        if (index[i]->type != T_I32) die("index %d of %s is no integer", i, n->name);
        if (index[i]->lanes > key.lanes) key.lanes = index[i]->lanes;
    }
    return e_intern(p, &key);
}

Expr *e_draw(Pool *p, Draw kind, int site, Expr *sample, Expr *element, Expr *param) {
    static const Type types[N_DRAWS] = {T_F32, T_F32, T_BOOL, T_I32};
    Expr *arg[3] = {sample ? sample : e_int(p, 0), element ? element : e_int(p, 0), param};
    Expr key = {.op = OP_DRAW, .type = types[kind], .n = param ? 3 : 2, .arg = arg,
                .draw = {kind, site}};
    return e_intern(p, &key);
}

bool is_const(const Expr *e) { return e->op == OP_CONST; }

bool is_int(const Expr *e, long x) {
    return e->op == OP_CONST && e->type == T_I32 && e->num == (double)x;
}

bool is_true(const Expr *e) {
    return !e || (e->op == OP_CONST && e->type == T_BOOL && e->num != 0);
}

bool is_false(const Expr *e) {
    return e && e->op == OP_CONST && e->type == T_BOOL && e->num == 0;
}
