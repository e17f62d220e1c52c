/* interpret_code.c: expressions compiled to flat programs over slots, and their execution.
 *
 * Everything is computed, also what a select does not choose; a read outside of its tensor gives 0
 * and is noted, and only where its value turns out to be needed the process ends.
 */
#include "interpret_code.h"
#include "netc_math.h"
#include <math.h>
#include <string.h>

/* --- compile --- */

typedef struct Compiler {
    Code *code;
    Map *slot_of; /* Expr to 1 + slot */
    int n_slots;
    double *constant; /* by slot */
    int cap;
    int *level;       /* by slot */
    Var *const *var;
} Compiler;

static int slot_of(Compiler *k, const Expr *e) {
    return (int)(intptr_t)map_get(k->slot_of, e) - 1;
}

static int new_slot(Compiler *k, const Expr *e) {
    if (k->n_slots == k->cap) {
        Arena *a = k->code->world->arena;
        int cap = k->cap * 2;
        double *constant = NEW_ARRAY(a, double, cap);
        int *level = NEW_ARRAY(a, int, cap);
        memcpy(constant, k->constant, sizeof *constant * (size_t)k->cap);
        memcpy(level, k->level, sizeof *level * (size_t)k->cap);
        k->constant = constant;
        k->level = level;
        k->cap = cap;
    }
    map_set(k->slot_of, e, (void *)(intptr_t)(k->n_slots + 1));
    return k->n_slots++;
}

static void compile_var(Compiler *k, const Expr *e) {
    for (int i = 0; i < k->code->n_vars; i++) {
        if (k->var[i] != e->var) continue;
        map_set(k->slot_of, e, (void *)(intptr_t)(i + 1));
        return;
    }
    die("variable %s is not bound", e->var->name);
}

static double host_value(const World *w, Host h) {
    switch (h) {
    case HOST_SEED_LOW: return (uint32_t)w->seed;
    case HOST_SEED_HIGH: return (uint32_t)(w->seed >> 32);
    case HOST_STEP_BITS: return (uint32_t)w->host[HOST_STEP];
    default: return w->host[h];
    }
}

static void compile_expr(void *context, Expr *e) {
    Compiler *k = context;
    if (e->op == OP_VAR) {
        compile_var(k, e);
        return;
    }
    if (slot_of(k, e) >= 0) return;
    if (e->op == OP_CONST || e->op == OP_HOST) {
        double value = e->op == OP_CONST ? e->num : host_value(k->code->world, e->host);
        int slot = new_slot(k, e);
        k->constant[slot] = value;
        return;
    }
    Arena *a = k->code->world->arena;
    Instr in = {.e = e, .arg = NEW_ARRAY(a, int, e->n > 3 ? e->n : 3)};
    bool special = e->op == OP_READ || e->op == OP_DRAW || e->op == OP_LIN;
    if (e->op == OP_LOAD) die("a load in a graph");
    if (!special) in.f = function_of(e, k->code->world->in_double);
    for (int i = 0; i < e->n; i++) {
        in.arg[i] = slot_of(k, e->arg[i]);
        if (k->level[in.arg[i]] > in.level) in.level = k->level[in.arg[i]];
    }
    in.to = new_slot(k, e);
    k->level[in.to] = in.level;
    PUSH(a, k->code->instr, in);
}

static void sort_by_level(Code *c) {
    Arena *a = c->world->arena;
    Instr *sorted = NEW_ARRAY(a, Instr, c->instr.n + 1);
    int n = 0;
    c->start = NEW_ARRAY(a, int, c->n_vars + 2);
    for (int level = 0; level <= c->n_vars; level++) {
        c->start[level] = n;
        for (int i = 0; i < c->instr.n; i++) {
            if (c->instr.at[i].level == level) sorted[n++] = c->instr.at[i];
        }
    }
    c->start[c->n_vars + 1] = n;
    c->instr.at = sorted;
}

void code_compile(Code *c, World *w, Var *const *var, int n_vars, Expr *const *root,
                  int n_roots) {
    *c = (Code){.world = w, .n_vars = n_vars, .n_roots = n_roots};
    Compiler k = {.code = c, .slot_of = map_new(w->arena), .n_slots = n_vars, .var = var,
                  .cap = n_vars + 16};
    k.constant = NEW_ARRAY(w->arena, double, k.cap);
    k.level = NEW_ARRAY(w->arena, int, k.cap);
    for (int i = 0; i < n_vars; i++) k.level[i] = i + 1;
    for (int i = 0; i < n_roots; i++) {
        e_visit(root[i], compile_expr, &k);
        c->root[i] = slot_of(&k, root[i]);
    }
    sort_by_level(c);
    c->slot = k.constant;
    c->n_slots = k.n_slots;
    c->made_by = NEW_ARRAY(w->arena, int, k.n_slots + 1);
    for (int i = 0; i < k.n_slots; i++) c->made_by[i] = -1;
    for (int i = 0; i < c->instr.n; i++) c->made_by[c->instr.at[i].to] = i;
}

/* --- run --- */

void code_set(Code *c, int var, double value) {
    c->slot[var] = value;
    if (var + 1 < c->stale) c->stale = var + 1;
}

static double run_read(Code *c, Instr *in) {
    const Node *n = in->e->node;
    long offset = 0;
    bool outside = false;
    for (int i = 0; i < n->rank; i++) {
        double x = c->slot[in->arg[i]];
        outside |= !(x >= 0 && x < (double)n->shape[i]);
        if (!outside) offset = offset * n->shape[i] + (long)x;
    }
    c->n_outside += outside - in->outside;
    in->outside = outside;
    return outside ? 0 : c->world->values[n->id][offset];
}

static double run_lin(const Code *c, const Instr *in) {
    double x = (double)in->e->k;
    for (int i = 0; i < in->e->n; i++) x += (double)in->e->coef[i] * c->slot[in->arg[i]];
    return x;
}

/* The inverse of erf: the first terms of Giles' approximation (2012), then Newton's method, on
 * erfc where erf is near to 1. */
static double erf_inverse(double x) {
    double a = fabs(x);
    if (!(a < 1)) return a == 1 ? x * INFINITY : NAN;
    double w = -log((1 - a) * (1 + a)), s = sqrt(w);
    double y = w < 5 ? a * (1.50140941 + (w - 2.5) * 0.246640727)
                     : a * (2.83297682 + (s - 3) * 1.00167406);
    for (int i = 0; i < 8; i++) {
        double excess = a < 0.5 ? erf(y) - a : (1 - a) - erfc(y);
        y -= excess * (sqrt(M_PI) / 2) * exp(y * y);
    }
    return copysign(y, x);
}

static double run_draw(const Code *c, const Instr *in) {
    const World *w = c->world;
    uint32_t sample = (uint32_t)(int32_t)c->slot[in->arg[0]];
    uint32_t element = (uint32_t)(int32_t)c->slot[in->arg[1]];
    uint32_t step = (uint32_t)w->host[HOST_STEP];
    uint32_t u = netc_philox(w->seed, (uint32_t)in->e->draw.site, step, sample, element);
    double param = in->e->n > 2 ? c->slot[in->arg[2]] : 0, uniform = (u >> 8) * 0x1p-24;
    switch (in->e->draw.kind) {
    case DRAW_UNIFORM: return uniform;
    case DRAW_BERNOULLI: return u < floor(param * 0x1p32);
    case DRAW_INTEGER: return (double)((uint64_t)u * (uint32_t)param >> 32);
    default: break;
    }
    double x = sqrt(2) * erf_inverse(2 * uniform + 0x1p-24 - 1);
    return w->in_double ? x : (float)x;
}

/* Does the value in `slot` rest on a read that left its tensor? Returns that read. */
static const Instr *find_outside(const Code *c, int slot, bool *seen) {
    if (c->made_by[slot] < 0 || seen[slot]) return NULL;
    seen[slot] = true;
    const Instr *in = &c->instr.at[c->made_by[slot]], *found = NULL;
    double first = in->e->n ? c->slot[in->arg[0]] : 0;
    bool and = in->e->op == OP_AND && first == 0, or = in->e->op == OP_OR && first != 0;
    for (int i = 0; i < in->e->n && !found; i++) {
        if (in->e->op == OP_SELECT && i == (first != 0 ? 2 : 1)) continue;
        if ((and || or) && i == 1) continue;
        found = find_outside(c, in->arg[i], seen);
    }
    return found ? found : in->outside ? in : NULL;
}

static void check_outside(const Code *c) {
    Arena *a = arena_new();
    bool *seen = NEW_ARRAY(a, bool, c->n_slots);
    for (int i = 0; i < c->n_roots; i++) {
        const Instr *in = find_outside(c, c->root[i], seen);
        if (!in) continue;
        Text t = {.arena = a};
        e_print(&t, in->e);
        text_add(&t, ", at");
        for (int j = 0; j < in->e->n; j++) text_add(&t, " %g", c->slot[in->arg[j]]);
        die("a read leaves its tensor: %s", t.at);
    }
    arena_free(a);
}

void code_run(Code *c) {
    double *s = c->slot;
    if (c->stale > c->n_vars) return;
    Instr *in = c->instr.at + c->start[c->stale], *end = c->instr.at + c->instr.n;
    for (; in < end; in++) {
        const int *a = in->arg;
        if (in->f) {
            s[in->to] = in->f(s[a[0]], s[a[1]], s[a[2]]);
        } else if (in->e->op == OP_READ) {
            s[in->to] = run_read(c, in);
        } else if (in->e->op == OP_LIN) {
            s[in->to] = run_lin(c, in);
        } else {
            s[in->to] = run_draw(c, in);
        }
    }
    c->stale = c->n_vars + 1;
    if (c->n_outside) check_outside(c);
}
