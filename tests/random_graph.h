/* random_graph.h: random small networks as graphs, for property tests of the passes.
 *
 * Equal seeds give equal graphs: to test a rewrite, make a graph twice and rewrite one. Each is a
 * chain of comprehensions over a few samples of a small input, over parameters and an integer
 * label in 0 .. 2; its outputs are "loss", a scalar that is smooth almost everywhere, the last
 * node, and on request the gradients (see numeric.h). Values stay within a few units.
 */
#ifndef NETC_TESTS_RANDOM_GRAPH_H
#define NETC_TESTS_RANDOM_GRAPH_H
#include "graph.h"
#include "numeric.h"
#include "random.h"

typedef struct RandomGraph {
    Program *program;
    Arena *arena;
    Pool *pool;
    Graph *graph;
    Random r;
    Node *label;
    long wide; /* 1, or a factor for extents, so that loops have something to split */
    VEC(Node *) made; /* floats with a sample axis, that others may read */
} RandomGraph;

/* --- shorthands --- */

static inline Expr *rg_var(RandomGraph *m, Var *v) { return e_var(m->pool, v); }
static inline Expr *rg_num(RandomGraph *m, double x) { return e_num(m->pool, T_F32, x); }
static inline Expr *rg_op(RandomGraph *m, Op op, Expr *a, Expr *b) {
    return e_op(m->pool, op, a, b, NULL);
}

static inline Expr *rg_inside(RandomGraph *m, Expr *e, long extent) {
    return e_and(m->pool, rg_op(m, OP_LE, e_int(m->pool, 0), e),
                 rg_op(m, OP_LT, e, e_int(m->pool, extent)));
}

/* x at index i.. of its axes, 0 on the axes beyond */
static inline Expr *rg_read(RandomGraph *m, Node *x, int n, Expr *const *index) {
    Expr *all[MAX_RANK];
    for (int i = 0; i < x->rank; i++) all[i] = i < n ? index[i] : e_int(m->pool, 0);
    return e_read(m->pool, x, all, x->rank);
}
#define RG_READ(m, x, ...)                                                                \
    rg_read((m), (x), (int)(sizeof((Expr *[]){__VA_ARGS__}) / sizeof(Expr *)),            \
            (Expr *[]){__VA_ARGS__})

/* x at the index variables of n, which has its shape */
static inline Expr *rg_same(RandomGraph *m, Node *n, Node *x) {
    Expr *index[MAX_RANK];
    for (int i = 0; i < x->rank; i++) index[i] = rg_var(m, n->var[i]);
    return e_read(m->pool, x, index, x->rank);
}

static inline Node *rg_param(RandomGraph *m, int rank, const long *shape) {
    Stored *s = NEW(m->arena, Stored);
    s->name = s->ident = arena_printf(m->arena, "W%d", m->program->stored.n);
    s->rank = rank;
    for (int i = 0; i < rank; i++) s->shape[i] = shape[i];
    PUSH(m->arena, m->program->stored, s);
    return graph_stored(m->graph, s);
}

static inline Node *rg_comp(RandomGraph *m, const char *name, int rank, const long *shape) {
    long full[MAX_RANK] = {m->graph->batch};
    for (int i = 0; i < rank; i++) full[i + 1] = shape[i];
    return graph_comp(m->graph, name, T_F32, rank + 1, full, true);
}
#define RG_COMP(m, name, ...)                                                  \
    rg_comp((m), (name), (int)(sizeof((long[]){__VA_ARGS__}) / sizeof(long)), \
            (long[]){__VA_ARGS__})

static inline Var *rg_reduce(RandomGraph *m, Node *n, Reduce how, const char *name, long extent) {
    Var **old = n->rvar;
    n->rvar = NEW_ARRAY(m->arena, Var *, n->n_rvars + 1);
    for (int i = 0; i < n->n_rvars; i++) n->rvar[i] = old[i];
    n->reduce = how;
    return n->rvar[n->n_rvars++] = var_new(m->pool, name, extent);
}

static inline Var *rg_over_batch(RandomGraph *m, Node *n, const char *name) {
    Var *v = rg_reduce(m, n, REDUCE_SUM, name, m->graph->batch);
    v->batch = true;
    return v;
}

/* One of the nodes so far, with at least `rank` axes beside the samples. */
static inline Node *rg_pick(RandomGraph *m, int rank) {
    for (int tries = 0; tries < 4; tries++) { /* the later the likelier */
        long last = m->made.n - 1, first = last > 2 && random_flag(&m->r) ? last - 2 : 0;
        Node *n = m->made.at[random_int(&m->r, first, last)];
        if (n->rank > rank) return n;
    }
    return m->made.at[0];
}

/* --- the comprehensions --- */

/* sum(c, k) W[o, c, k] * x[n, c, s*y + d*k - p]: stride, dilation, padding, overlap. */
static inline Node *rg_convolution(RandomGraph *m) {
    Node *x = rg_pick(m, 2);
    long C = x->shape[1], S = x->shape[2], K = random_int(&m->r, 1, 3);
    long O = random_int(&m->r, 1, 4 * m->wide);
    long stride = random_int(&m->r, 1, 3), dilation = random_int(&m->r, 1, 2);
    long pad = random_int(&m->r, 0, 2), room = S + 2 * pad - dilation * (K - 1) - 1;
    long Y = room < 0 ? 1 : room / stride + 1;
    Node *W = rg_param(m, 3, (long[]){O, C, K}), *n = RG_COMP(m, "convolution", O, Y);
    Expr *c = rg_var(m, rg_reduce(m, n, REDUCE_SUM, "c", C));
    Expr *k = rg_var(m, rg_reduce(m, n, REDUCE_SUM, "k", K));
    Expr *b = rg_var(m, n->var[0]), *o = rg_var(m, n->var[1]), *y = rg_var(m, n->var[2]);
    Expr *at = e_offset(m->pool, e_add(m->pool, e_scale(m->pool, y, stride),
                                       e_scale(m->pool, k, dilation)), -pad);
    n->guard = rg_inside(m, at, S);
    n->body = e_mul(m->pool, RG_READ(m, W, o, c, k), RG_READ(m, x, b, c, at));
    if (random_flag(&m->r)) n->init = RG_READ(m, rg_param(m, 1, (long[]){O}), o);
    return n;
}

/* sum(i, j) W[o, i, j] * x[n, i, j] */
static inline Node *rg_dense(RandomGraph *m) {
    Node *x = rg_pick(m, 1);
    long O = random_int(&m->r, 1, 5 * m->wide), shape[MAX_RANK] = {O};
    for (int i = 1; i < x->rank; i++) shape[i] = x->shape[i];
    Node *W = rg_param(m, x->rank, shape), *n = RG_COMP(m, "dense", O);
    Expr *w[MAX_RANK] = {rg_var(m, n->var[1])}, *a[MAX_RANK] = {rg_var(m, n->var[0])};
    for (int i = 1; i < x->rank; i++) {
        w[i] = a[i] = rg_var(m, rg_reduce(m, n, REDUCE_SUM, "i", x->shape[i]));
    }
    n->body = e_mul(m->pool, rg_read(m, W, x->rank, w), rg_read(m, x, x->rank, a));
    return n;
}

/* max, min or prod over windows, which may overlap, leave gaps or hang over the edge. */
static inline Node *rg_pool(RandomGraph *m) {
    static const Reduce how[] = {REDUCE_MAX, REDUCE_MIN, REDUCE_PROD, REDUCE_SUM};
    Node *x = rg_pick(m, 2);
    long S = x->shape[2], K = random_int(&m->r, 1, 3), stride = random_int(&m->r, 1, 3);
    long pad = random_int(&m->r, 0, K - 1), Y = (S + pad - 1) / stride + 1;
    Node *n = RG_COMP(m, "pool", x->shape[1], Y);
    Var *k = rg_reduce(m, n, how[random_int(&m->r, 0, 3)], "k", K);
    Expr *y = rg_var(m, n->var[2]);
    Expr *at = e_offset(m->pool, e_add(m->pool, e_scale(m->pool, y, stride), rg_var(m, k)), -pad);
    n->guard = rg_inside(m, at, S); /* with pad < K each window has an element */
    n->body = RG_READ(m, x, rg_var(m, n->var[0]), rg_var(m, n->var[1]), at);
    return n;
}

static inline Expr *rg_curve(RandomGraph *m, Expr *x, Expr *y) {
    Pool *p = m->pool;
    Expr *one = rg_num(m, 1), *half = rg_num(m, 0.5), *zero = rg_num(m, 0);
    switch (random_int(&m->r, 0, 8)) {
    case 0: return rg_op(m, OP_TANH, x, NULL);
    case 1: return e_op(p, OP_SELECT, rg_op(m, OP_LE, x, zero), zero, x);
    case 2: return e_mul(p, rg_op(m, OP_TANH, x, NULL), rg_op(m, OP_TANH, y, NULL));
    case 3: {
        Expr *e = rg_op(m, OP_EXP, rg_op(m, OP_NEG, rg_op(m, OP_ABS, x, NULL), NULL), NULL);
        return rg_op(m, OP_DIV, one, e_add(p, one, e));
    }
    case 4: return rg_op(m, OP_SQRT, e_add(p, one, e_mul(p, x, x)), NULL);
    case 5: return rg_op(m, OP_LOG, e_add(p, one, e_mul(p, x, x)), NULL);
    case 6: return rg_op(m, OP_MAX, x, e_mul(p, half, y));
    case 7: return e_mul(p, half, e_sub(p, x, y));
    default: return rg_op(m, OP_ERF, x, NULL);
    }
}

static inline Node *rg_elementwise(RandomGraph *m) {
    Node *x = rg_pick(m, 1), *y = rg_pick(m, 1);
    Node *n = rg_comp(m, "curve", x->rank - 1, x->shape + 1);
    bool same = y->rank == x->rank;
    for (int i = 0; i < x->rank && same; i++) same = x->shape[i] == y->shape[i];
    n->body = rg_curve(m, rg_same(m, n, x), same ? rg_same(m, n, y) : rg_num(m, 0.25));
    return n;
}

/* [n, C, S] to [n, C * S], by division and remainder. */
static inline Node *rg_flatten(RandomGraph *m) {
    Node *x = rg_pick(m, 2), *n = RG_COMP(m, "flat", x->shape[1] * x->shape[2]);
    Expr *i = rg_var(m, n->var[1]), *S = e_int(m->pool, x->shape[2]);
    n->body = RG_READ(m, x, rg_var(m, n->var[0]), rg_op(m, OP_IDIV, i, S), rg_op(m, OP_IMOD, i, S));
    return n;
}

/* [n, M] to [n, M / e rounded up, e], 0 where there is nothing. */
static inline Node *rg_fold(RandomGraph *m) {
    Node *x = rg_pick(m, 1);
    long M = x->shape[1], e = random_int(&m->r, 2, 4);
    Node *n = RG_COMP(m, "folded", (M + e - 1) / e, e);
    Expr *at = e_add(m->pool, e_scale(m->pool, rg_var(m, n->var[1]), e), rg_var(m, n->var[2]));
    n->guard = rg_op(m, OP_LT, at, e_int(m->pool, M));
    n->body = RG_READ(m, x, rg_var(m, n->var[0]), at);
    return n;
}

/* T[label[n], i] * x[n, i], and what only the label's channel gets */
static inline Node *rg_by_label(RandomGraph *m) {
    Node *x = rg_pick(m, 1), *n = RG_COMP(m, "looked_up", x->shape[1]);
    Node *T = rg_param(m, 2, (long[]){3, x->shape[1]});
    Expr *b = rg_var(m, n->var[0]), *i = rg_var(m, n->var[1]);
    Expr *label = e_read(m->pool, m->label, &b, 1);
    n->body = e_mul(m->pool, RG_READ(m, T, label, i), RG_READ(m, x, b, i));
    if (random_flag(&m->r)) {
        n->guard = rg_op(m, random_flag(&m->r) ? OP_EQ : OP_NE, label, i);
        n->init = rg_num(m, 0.5);
    }
    return n;
}

/* i < C ? x[n, i] : y[n, i - C] */
static inline Node *rg_join(RandomGraph *m) {
    Node *x = rg_pick(m, 1), *y = rg_pick(m, 1);
    long C = x->shape[1];
    Node *n = RG_COMP(m, "joined", C + y->shape[1]);
    Expr *b = rg_var(m, n->var[0]), *i = rg_var(m, n->var[1]);
    n->body = e_select(m->pool, rg_op(m, OP_LT, i, e_int(m->pool, C)), RG_READ(m, x, b, i),
                       RG_READ(m, y, b, e_offset(m->pool, i, -C)));
    return n;
}

/* h[n, t, u] = tanh(x[n, t, u] + sum(v) U[u, v] * h[n, t - 1, v]), or from the end. */
static inline Node *rg_scan(RandomGraph *m) {
    Node *x = rg_pick(m, 2);
    long T = x->shape[1], H = x->shape[2], step = random_flag(&m->r) ? 1 : -1;
    Node *U = rg_param(m, 2, (long[]){H, H});
    Node *z = RG_COMP(m, "z", T, H), *h = RG_COMP(m, "h", T, H);
    Expr *v = rg_var(m, rg_reduce(m, z, REDUCE_SUM, "v", H));
    Expr *b = rg_var(m, z->var[0]), *t = rg_var(m, z->var[1]), *u = rg_var(m, z->var[2]);
    Expr *before = e_offset(m->pool, t, -step);
    z->guard = rg_inside(m, before, T);
    z->body = e_mul(m->pool, RG_READ(m, U, u, v), RG_READ(m, h, b, before, v));
    z->init = RG_READ(m, x, b, t, u);
    h->body = rg_op(m, OP_TANH, rg_same(m, h, z), NULL);
    return h;
}

/* x less its mean over samples and positions, which is one number a channel */
static inline Node *rg_centered(RandomGraph *m) {
    Node *x = rg_pick(m, 2);
    Node *sum = graph_comp(m->graph, "sum", T_F32, 1, &x->shape[1], false);
    Node *n = RG_COMP(m, "centered", x->shape[1], x->shape[2]);
    Expr *b = rg_var(m, rg_over_batch(m, sum, "b"));
    Expr *s = rg_var(m, rg_reduce(m, sum, REDUCE_SUM, "s", x->shape[2]));
    sum->body = RG_READ(m, x, b, rg_var(m, sum->var[0]), s);
    Expr *count = rg_op(m, OP_DOUBLE, e_host(m->pool, HOST_COUNT), NULL);
    Expr *all = e_mul(m->pool, count, e_num(m->pool, T_F64, (double)x->shape[2]));
    Expr *mean = rg_op(m, OP_DIV, RG_READ(m, sum, rg_var(m, n->var[1])),
                       rg_op(m, OP_ROUND, all, NULL));
    n->body = e_sub(m->pool, rg_same(m, n, x), mean);
    return n;
}

/* sum(k) [k <= s] x[n, c, k] */
static inline Node *rg_running_sum(RandomGraph *m) {
    Node *x = rg_pick(m, 2), *n = RG_COMP(m, "running", x->shape[1], x->shape[2]);
    Expr *k = rg_var(m, rg_reduce(m, n, REDUCE_SUM, "k", x->shape[2]));
    n->guard = rg_op(m, OP_LE, k, rg_var(m, n->var[2]));
    n->body = RG_READ(m, x, rg_var(m, n->var[0]), rg_var(m, n->var[1]), k);
    return n;
}

/* sum(k) [(s + k) % q == 0, (s + k) / q inside] W[k] * x[n, c, (s + k) / q]: spread out by q */
static inline Node *rg_spread(RandomGraph *m) {
    Node *x = rg_pick(m, 2);
    long q = random_int(&m->r, 2, 3), K = random_int(&m->r, 1, 4), S = x->shape[2];
    Node *n = RG_COMP(m, "spread", x->shape[1], S * q - 1), *W = rg_param(m, 1, &K);
    Expr *k = rg_var(m, rg_reduce(m, n, REDUCE_SUM, "k", K));
    Expr *sum = e_add(m->pool, rg_var(m, n->var[2]), k), *by = e_int(m->pool, q);
    Expr *at = rg_op(m, OP_IDIV, sum, by);
    n->guard = e_and(m->pool, rg_op(m, OP_EQ, rg_op(m, OP_IMOD, sum, by), e_int(m->pool, 0)),
                     rg_op(m, OP_LT, at, e_int(m->pool, S)));
    n->body = e_mul(m->pool, RG_READ(m, W, k),
                    RG_READ(m, x, rg_var(m, n->var[0]), rg_var(m, n->var[1]), at));
    return n;
}

/* x[n, c, argmax(s) x[n, c, s]] by a tensor of integers */
static inline Node *rg_winner(RandomGraph *m) {
    Node *x = rg_pick(m, 2);
    long shape[] = {m->graph->batch, x->shape[1]};
    Node *arg = graph_comp(m->graph, "arg", T_I32, 2, shape, true);
    Reduce how = random_flag(&m->r) ? REDUCE_ARGMAX : REDUCE_ARGMIN;
    Var *s = rg_reduce(m, arg, how, "s", x->shape[2]);
    arg->body = RG_READ(m, x, rg_var(m, arg->var[0]), rg_var(m, arg->var[1]), rg_var(m, s));
    Node *n = RG_COMP(m, "winner", x->shape[1]);
    Expr *b = rg_var(m, n->var[0]), *c = rg_var(m, n->var[1]);
    n->body = RG_READ(m, x, b, c, RG_READ(m, arg, b, c));
    return n;
}

/* x kept or not by chance, the rest scaled up; or with noise added */
static inline Node *rg_noise(RandomGraph *m) {
    Node *x = rg_pick(m, 1), *n = rg_comp(m, "noisy", x->rank - 1, x->shape + 1);
    Expr *element = e_int(m->pool, 0), *same = rg_same(m, n, x);
    for (int i = 1; i < n->rank; i++) {
        element = e_add(m->pool, e_scale(m->pool, element, n->shape[i]), rg_var(m, n->var[i]));
    }
    bool drop = random_flag(&m->r);
    int site = m->program->n_sites++;
    Expr *keep = drop ? e_num(m->pool, T_F64, 0.75) : NULL;
    Expr *draw = e_draw(m->pool, drop ? DRAW_BERNOULLI : DRAW_UNIFORM, site, rg_var(m, n->var[0]),
                        element, keep);
    if (drop) {
        n->body = e_select(m->pool, draw, rg_op(m, OP_DIV, same, rg_num(m, 0.75)), rg_num(m, 0));
    } else {
        n->body = e_add(m->pool, same, draw);
    }
    return n;
}

/* --- the whole --- */

/* x brought back to a few units, by 1 / (the terms of a sum), then bent or not. */
static inline void rg_keep(RandomGraph *m, Node *n) {
    if (n->reduce == REDUCE_SUM && !n->component) {
        double terms = 1;
        for (int i = 0; i < n->n_rvars; i++) terms *= (double)n->rvar[i]->hi + 1;
        Node *scaled = rg_comp(m, "scaled", n->rank - 1, n->shape + 1);
        scaled->body = e_mul(m->pool, rg_same(m, scaled, n), rg_num(m, 1 / sqrt(terms)));
        n = scaled;
    }
    PUSH(m->arena, m->made, n);
}

/* The mean over the samples of sum(i, j) (1 + (i + j) / 4) * (x + x^2 / 2) */
static inline void rg_loss(RandomGraph *m, Node *x) {
    Node *loss = graph_comp(m->graph, "loss", T_F32, 0, NULL, false);
    Pool *p = m->pool;
    Expr *index[MAX_RANK] = {rg_var(m, rg_over_batch(m, loss, "n"))}, *place = e_int(p, 0);
    for (int i = 1; i < x->rank; i++) {
        index[i] = rg_var(m, rg_reduce(m, loss, REDUCE_SUM, "i", x->shape[i]));
        place = e_add(p, place, index[i]);
    }
    Expr *value = e_read(p, x, index, x->rank), *half = e_mul(p, rg_num(m, 0.5), value);
    Expr *square = e_add(p, value, e_mul(p, half, value));
    Expr *quarter = e_mul(p, rg_num(m, 0.25), rg_op(m, OP_FLOAT, place, NULL));
    Expr *count = rg_op(m, OP_DOUBLE, e_host(p, HOST_COUNT), NULL);
    Expr *mean = rg_op(m, OP_ROUND, rg_op(m, OP_DIV, e_num(p, T_F64, 1), count), NULL);
    loss->body = e_mul(p, e_mul(p, e_add(p, rg_num(m, 1), quarter), square), mean);
    graph_output(m->graph, "loss", loss);
}

/* With extents up to `wide` times as large. */
static inline Program *random_wide_graph(Arena *a, uint64_t seed, int nodes, bool gradients,
                                         long wide) {
    static Node *(*const kinds[])(RandomGraph *) = {
        rg_convolution, rg_dense, rg_pool, rg_elementwise, rg_flatten, rg_fold, rg_by_label,
        rg_join, rg_scan, rg_centered, rg_running_sum, rg_spread, rg_winner, rg_noise};
    RandomGraph random = {.arena = a, .r = {seed}, .wide = wide}, *m = &random;
    m->program = NEW(a, Program);
    *m->program = (Program){.arena = a, .pool = pool_new(a), .name = "random"};
    m->pool = m->program->pool;
    long batch = random_int(&m->r, 1, 4 * wide);
    long shape[] = {batch, random_int(&m->r, 1, 3 * wide), random_int(&m->r, 3, 7 * wide)};
    m->graph = m->program->train = graph_new(m->program, "train", batch);
    Node *x = graph_input(m->graph, "x", T_F32, 3, shape, true);
    m->label = graph_input(m->graph, "label", T_I32, 1, shape, true);
    PUSH(a, m->made, x);
    for (int i = 0; i < nodes; i++) rg_keep(m, kinds[random_int(&m->r, 0, COUNT_OF(kinds) - 1)](m));
    Node *last = m->made.at[m->made.n - 1];
    rg_loss(m, last);
    graph_output(m->graph, "last", last);
    graph_sort(m->graph);
    for (int i = 0, n = m->graph->nodes.n; i < n && gradients; i++) {
        Node *of = m->graph->nodes.at[i];
        if (of == x || of->kind == NODE_STORED) numeric_ask(m->graph, of);
    }
    graph_sort(m->graph);
    return m->program;
}

static inline Program *random_graph(Arena *a, uint64_t seed, int nodes, bool gradients) {
    return random_wide_graph(a, seed, nodes, gradients, 1);
}
#endif
