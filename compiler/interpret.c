/* interpret.c: see interpret.h. Each comprehension becomes flat programs for its guard, body and
 * init (interpret_code.c), run for each point; a recurrence is run step by step, its nodes in
 * their order within a step.
 */
#include "interpret.h"
#include "interpret_code.h"
#include "netc_math.h"
#include <limits.h>
#include <math.h>
#include <string.h>

struct Interp {
    World world;
    Graph *graph;
    Map *stored; /* Stored to its elements */
};

/* A comprehension being evaluated. */
typedef struct Eval {
    Interp *in;
    const Node *node;
    int n_vars; /* index variables, then reduction variables */
    Var *var[MAX_RANK + 64];
    long at[MAX_RANK + 64];
    Code guard, body, init;
    bool single, frozen, fused; /* fused: body is a product, to be added by fma */
    bool some; /* the term for argmax found so far */
    double best;
    double **part; /* by level: partial results of its lanes */
} Eval;

static long elements(int rank, const long *shape) {
    long n = 1;
    for (int i = 0; i < rank; i++) n *= shape[i];
    return n;
}

/* --- terms --- */

static void set_var(Eval *v, int i, long value) {
    if (v->at[i] == value) return;
    v->at[i] = value;
    code_set(&v->guard, i, (double)value);
    code_set(&v->body, i, (double)value);
    code_set(&v->init, i, (double)value);
}

static bool present(Eval *v) {
    if (!v->node->guard) return true;
    code_run(&v->guard);
    return v->guard.slot[v->guard.root[0]] != 0;
}

static double rounded(const Eval *v, double x) { return v->single ? (float)x : x; }

static double identity(const Node *n) {
    switch (n->reduce) {
    case REDUCE_PROD: return 1;
    case REDUCE_MAX: return n->body->type == T_I32 ? INT32_MIN : -INFINITY;
    case REDUCE_MIN: return n->body->type == T_I32 ? INT32_MAX : INFINITY;
    default: return 0;
    }
}

static double combine(const Eval *v, double a, double b) {
    switch (v->node->reduce) {
    case REDUCE_SUM: return rounded(v, a + b);
    case REDUCE_PROD: return rounded(v, a * b);
    case REDUCE_MAX: return b > a ? b : a;
    case REDUCE_MIN: return b < a ? b : a;
    default: die("no value to combine");
    }
}

static long term_number(const Eval *v) {
    long number = 0;
    for (int i = v->node->rank; i < v->n_vars; i++) {
        number = number * (v->var[i]->hi - v->var[i]->lo + 1) + v->at[i] - v->var[i]->lo;
    }
    return number;
}

static double add_term(Eval *v, double acc) {
    if (!present(v)) return acc;
    code_run(&v->body);
    const double *s = v->body.slot;
    double x = s[v->body.root[0]];
    Reduce reduce = v->node->reduce;
    if (reduce == REDUCE_ARGMAX || reduce == REDUCE_ARGMIN) {
        if (v->some && !(reduce == REDUCE_ARGMAX ? x > v->best : x < v->best)) return acc;
        v->some = true;
        v->best = x;
        return (double)term_number(v);
    }
    if (!v->fused) return combine(v, acc, x);
    return netc_fmaf((float)x, (float)s[v->body.root[1]], (float)acc);
}

/* --- reductions --- */

/* One past the last value of a variable in this step. */
static long end_of(const Eval *v, const Var *var) {
    return var->batch ? (long)v->in->world.host[HOST_COUNT] : var->hi + 1;
}

static double in_order(Eval *v, int var, double acc) {
    if (var == v->n_vars) return add_term(v, acc);
    for (long x = v->var[var]->lo; x < end_of(v, v->var[var]); x++) {
        set_var(v, var, x);
        acc = in_order(v, var + 1, acc);
    }
    return acc;
}

/* piece[i] is the value of reduction variable i, from the levels so far. */
static double by_levels(Eval *v, int level, long *piece, double acc) {
    const Node *n = v->node;
    if (level == n->n_levels) {
        for (int i = 0; i < n->n_rvars; i++) {
            if (piece[i] >= end_of(v, n->rvar[i])) return acc;
        }
        for (int i = 0; i < n->n_rvars; i++) set_var(v, n->rank + i, piece[i]);
        return add_term(v, acc);
    }
    const Level *l = &n->levels[level];
    int r = 0;
    while (n->rvar[r] != l->var) r++;
    long start = piece[r];
    double *part = v->part[level];
    for (int i = 0; i < l->count; i++) {
        piece[r] = start + (long)i * l->div;
        if (l->kind == LEVEL_SEQ) {
            acc = by_levels(v, level + 1, piece, acc);
        } else {
            part[i] = by_levels(v, level + 1, piece, identity(n));
            if (l->kind == LEVEL_GROUPS) acc = combine(v, acc, part[i]);
        }
    }
    piece[r] = start;
    if (l->kind != LEVEL_LANES) return acc;
    for (int half = l->count / 2; half; half /= 2) {
        for (int i = 0; i < half; i++) part[i] = combine(v, part[i], part[i + half]);
    }
    return combine(v, acc, part[0]);
}

static double initial(Eval *v) {
    if (!v->node->init) return identity(v->node);
    code_run(&v->init);
    return v->init.slot[v->init.root[0]];
}

static double element(Eval *v) {
    const Node *n = v->node;
    if (n->reduce == REDUCE_NONE) {
        if (!present(v)) return initial(v);
        code_run(&v->body);
        return v->body.slot[v->body.root[0]];
    }
    if (n->reduce == REDUCE_ARGMAX || n->reduce == REDUCE_ARGMIN) {
        v->some = false;
        return in_order(v, n->rank, -1);
    }
    double acc = initial(v);
    if (!v->frozen) return in_order(v, n->rank, acc);
    long piece[COUNT_OF(v->var)] = {0};
    return by_levels(v, 0, piece, acc);
}

/* --- nodes --- */

/* All elements, but along the axis `fixed`. */
static void elements_from(Eval *v, int axis, int fixed, long offset) {
    const Node *n = v->node;
    if (axis == n->rank) {
        v->in->world.values[n->id][offset] = element(v);
        return;
    }
    if (axis == fixed) {
        elements_from(v, axis + 1, fixed, offset * n->shape[axis] + v->at[axis]);
        return;
    }
    for (long x = 0; x < end_of(v, n->var[axis]); x++) {
        set_var(v, axis, x);
        elements_from(v, axis + 1, fixed, offset * n->shape[axis] + x);
    }
}

static void eval_compile(Eval *v) {
    const Node *n = v->node;
    World *w = &v->in->world;
    v->frozen = n->n_levels > 0 || n->n_rvars == 0; /* no levels: one term, by fma too */
    v->single = !w->in_double && n->type == T_F32;
    v->fused = v->frozen && v->single && n->reduce == REDUCE_SUM && n->body->op == OP_MUL;
    bool absent = is_false(n->guard);
    if (n->guard) code_compile(&v->guard, w, v->var, v->n_vars, (Expr *[]){n->guard}, 1);
    if (!absent && v->fused) code_compile(&v->body, w, v->var, v->n_vars, n->body->arg, 2);
    if (!absent && !v->fused) {
        code_compile(&v->body, w, v->var, v->n_vars, (Expr *[]){n->body}, 1);
    }
    if (n->init) code_compile(&v->init, w, v->var, v->n_vars, (Expr *[]){n->init}, 1);
}

static Eval *eval_new(Interp *in, const Node *n) {
    Arena *a = in->world.arena;
    Eval *v = NEW(a, Eval);
    v->in = in;
    v->node = n;
    v->n_vars = n->rank + n->n_rvars;
    if (v->n_vars > COUNT_OF(v->var)) die("%s has %d variables", n->name, v->n_vars);
    for (int i = 0; i < v->n_vars; i++) v->var[i] = i < n->rank ? n->var[i] : n->rvar[i - n->rank];
    /* for those that the node has not, so that setting a variable needs no question */
    v->guard.slot = v->body.slot = v->init.slot = NEW_ARRAY(a, double, COUNT_OF(v->var));
    eval_compile(v);
    for (int i = 0; i < v->n_vars; i++) v->at[i] = LONG_MIN; /* no value yet */
    v->part = NEW_ARRAY(a, double *, n->n_levels + 1);
    for (int i = 0; i < n->n_levels; i++) v->part[i] = NEW_ARRAY(a, double, n->levels[i].count);
    return v;
}

/* What a node reads has changed since the last time. */
static void refresh(Eval *v) { v->guard.stale = v->body.stale = v->init.stale = 0; }

static void run_recurrence(Interp *in, int first, int n) {
    Node **member = in->graph->nodes.at + first;
    Eval **v = NEW_ARRAY(in->world.arena, Eval *, n);
    long steps = 0;
    for (int i = 0; i < n; i++) {
        v[i] = eval_new(in, member[i]);
        if (member[i]->shape[member[i]->scan] > steps) steps = member[i]->shape[member[i]->scan];
    }
    for (long s = 0; s < steps; s++) {
        for (int i = 0; i < n; i++) {
            int axis = member[i]->scan;
            long t = member[i]->scan_step > 0 ? s : steps - 1 - s;
            if (t >= end_of(v[i], member[i]->var[axis])) continue;
            set_var(v[i], axis, t);
            refresh(v[i]);
            elements_from(v[i], 0, axis, 0);
        }
    }
}

static int members_from(const Graph *g, int first) {
    int n = 1, component = g->nodes.at[first]->component;
    while (component && first + n < g->nodes.n && g->nodes.at[first + n]->component == component) {
        n++;
    }
    return n;
}

static void run_nodes(Interp *in, int first, int n) {
    for (int i = first; i < first + n; i++) {
        const Node *node = in->graph->nodes.at[i];
        long size = elements(node->rank, node->shape);
        for (long k = 0; k < size; k++) in->world.values[i][k] = NAN;
    }
    if (in->graph->nodes.at[first]->component) {
        run_recurrence(in, first, n);
    } else {
        elements_from(eval_new(in, in->graph->nodes.at[first]), 0, -1, 0);
    }
}

static void mark_needed(Arena *a, const Graph *g, const Node *n, bool *needed) {
    Node **reads;
    if (needed[n->id]) return;
    needed[n->id] = true;
    int count = node_reads(a, n, &reads);
    for (int i = 0; i < count; i++) mark_needed(a, g, reads[i], needed);
}

void interpret_run_to(Interp *in, const Node *last) {
    Graph *g = in->graph;
    Arena *own = in->world.arena, *a = in->world.arena = arena_new();
    bool *needed = NEW_ARRAY(a, bool, g->nodes.n + 1);
    if (last) mark_needed(a, g, last, needed);
    for (int i = 0, n; i < g->nodes.n; i += n) {
        Node *node = g->nodes.at[i];
        n = members_from(g, i);
        if ((last && !needed[i]) || node->kind == NODE_INPUT || node->kind == NODE_STORED) continue;
        if (node->kind == NODE_GRAD) die("%s is not differentiated", node->name);
        run_nodes(in, i, n);
    }
    in->world.arena = own;
    arena_free(a);
}

void interpret_run(Interp *in) { interpret_run_to(in, NULL); }

/* --- the rest of the interface --- */

Interp *interpret_new(Arena *a, Graph *g, bool in_double) {
    Interp *in = NEW(a, Interp);
    in->graph = g;
    in->stored = map_new(a);
    in->world = (World){.arena = a, .in_double = in_double};
    in->world.values = NEW_ARRAY(a, double *, g->nodes.n);
    for (int i = 0; i < N_HOSTS; i++) in->world.host[i] = 1;
    in->world.host[HOST_COUNT] = (double)g->batch;
    for (int i = 0; i < g->nodes.n; i++) {
        const Node *n = g->nodes.at[i];
        in->world.values[i] = n->kind == NODE_STORED
                                  ? interpret_stored(in, n->stored)
                                  : NEW_ARRAY(a, double, elements(n->rank, n->shape));
    }
    return in;
}

double *interpret_values(Interp *in, const Node *n) { return in->world.values[n->id]; }

double *interpret_stored(Interp *in, const Stored *s) {
    double *at = map_get(in->stored, s);
    if (at) return at;
    at = NEW_ARRAY(in->world.arena, double, elements(s->rank, s->shape));
    map_set(in->stored, s, at);
    return at;
}

void interpret_host(Interp *in, Host h, double value) { in->world.host[h] = value; }

void interpret_seed(Interp *in, uint64_t seed) { in->world.seed = seed; }

void interpret_update(Interp *in) {
    const Graph *g = in->graph;
    Arena *a = arena_new();
    double **next = NEW_ARRAY(a, double *, g->n_updates + 1);
    for (int i = 0; i < g->n_updates; i++) { /* one may be another's old value */
        const Node *n = g->update[i].next;
        size_t size = sizeof(double) * (size_t)elements(n->rank, n->shape);
        next[i] = arena_alloc(a, size);
        memcpy(next[i], interpret_values(in, n), size);
    }
    for (int i = 0; i < g->n_updates; i++) {
        const Stored *s = g->update[i].stored;
        memcpy(interpret_stored(in, s), next[i],
               sizeof(double) * (size_t)elements(s->rank, s->shape));
    }
    arena_free(a);
}

void interpret_copy_stored(Interp *to, Interp *from) {
    const Program *p = to->graph->program;
    for (int i = 0; i < p->stored.n; i++) {
        const Stored *s = p->stored.at[i];
        memcpy(interpret_stored(to, s), interpret_stored(from, s),
               sizeof(double) * (size_t)elements(s->rank, s->shape));
    }
}
