/* nets.h: small networks built by hand as graphs, for the tests of passes over graphs. */
#ifndef NETC_TESTS_NETS_H
#define NETC_TESTS_NETS_H
#include "graph.h"

/* The graph that the functions below add to. */
static Arena *arena;
static Program *program;
static Pool *P;
static Graph *G;

static inline void nets_begin(long batch) {
    arena = arena_new();
    program = NEW(arena, Program);
    program->arena = arena;
    program->pool = P = pool_new(arena);
    program->name = "test";
    G = program->train = graph_new(program, "train", batch);
}

static inline void nets_end(void) { arena_free(arena); }

/* --- expressions --- */

static inline Expr *num(double x) { return e_num(P, T_F32, x); }
static inline Expr *add(Expr *a, Expr *b) { return e_add(P, a, b); }
static inline Expr *sub(Expr *a, Expr *b) { return e_sub(P, a, b); }
static inline Expr *mul(Expr *a, Expr *b) { return e_mul(P, a, b); }
static inline Expr *op1(Op op, Expr *a) { return e_op(P, op, a, NULL, NULL); }
static inline Expr *op2(Op op, Expr *a, Expr *b) { return e_op(P, op, a, b, NULL); }
static inline Expr *integer(long x) { return e_int(P, x); }
static inline Expr *times(long c, Expr *a) { return e_scale(P, a, c); }
static inline Expr *plus(Expr *a, long c) { return e_offset(P, a, c); }
static inline Expr *quotient(Expr *a, long m) { return op2(OP_IDIV, a, integer(m)); }
static inline Expr *remainder_of(Expr *a, long m) { return op2(OP_IMOD, a, integer(m)); }
static inline Expr *equal(Expr *a, Expr *b) { return op2(OP_EQ, a, b); }
static inline Expr *inside(Expr *index, long extent) {
    return e_and(P, op2(OP_LE, integer(0), index), op2(OP_LT, index, integer(extent)));
}

#define SHAPE(...) ((long[]){__VA_ARGS__})
#define RANK(...) (int)(sizeof(SHAPE(__VA_ARGS__)) / sizeof(long))
#define at(node, ...)                        \
    e_read(P, node, (Expr *[]){__VA_ARGS__}, \
           (int)(sizeof((Expr *[]){__VA_ARGS__}) / sizeof(Expr *)))
#define scalar(node) e_read(P, node, NULL, 0)

/* --- nodes --- */

#define tensor(name, ...) \
    graph_comp(G, name, T_F32, RANK(__VA_ARGS__), SHAPE(__VA_ARGS__), false)
#define samples(name, ...) \
    graph_comp(G, name, T_F32, RANK(__VA_ARGS__), SHAPE(__VA_ARGS__), true)
#define given(name, ...) \
    graph_input(G, name, T_F32, RANK(__VA_ARGS__), SHAPE(__VA_ARGS__), true)
#define param(name, ...) param_of(name, RANK(__VA_ARGS__), SHAPE(__VA_ARGS__))

static inline Node *param_of(const char *name, int rank, const long *shape) {
    Stored *s = NEW(arena, Stored);
    *s = (Stored){.name = name, .ident = name, .kind = STORED_PARAM, .rank = rank};
    for (int i = 0; i < rank; i++) s->shape[i] = shape[i];
    PUSH(arena, program->stored, s);
    return graph_stored(G, s);
}

static inline Expr *var(const Node *n, int i) { return e_var(P, n->var[i]); }

/* One more reduction variable of n. */
static inline Expr *over(Node *n, const char *name, long extent) {
    Var **old = n->rvar;
    n->rvar = NEW_ARRAY(arena, Var *, n->n_rvars + 1);
    for (int i = 0; i < n->n_rvars; i++) n->rvar[i] = old[i];
    Var *v = n->rvar[n->n_rvars++] = var_new(P, name, extent);
    if (n->reduce == REDUCE_NONE) n->reduce = REDUCE_SUM;
    return e_var(P, v);
}

static inline Expr *over_batch(Node *n) {
    Expr *e = over(n, "m", G->batch);
    n->rvar[n->n_rvars - 1]->batch = true;
    return e;
}

static inline Expr *count(void) { return op1(OP_FLOAT, e_host(P, HOST_COUNT)); }

/* The elements of x by n's variables, from the first on. */
static inline Expr *same(const Node *n, Node *x) {
    Expr *index[MAX_RANK];
    for (int i = 0; i < x->rank; i++) index[i] = var(n, i);
    return e_read(P, x, index, x->rank);
}

static inline Node *like(const char *name, const Node *x) {
    return graph_comp(G, name, T_F32, x->rank, x->shape, x->batched);
}

/* --- layers --- */

static inline Node *dense(Node *x, const char *w, const char *b, long units) {
    Node *W = param(w, units, x->shape[1]), *B = param(b, units);
    Node *z = samples("z", G->batch, units);
    Expr *f = over(z, "f", x->shape[1]);
    z->body = mul(at(W, var(z, 1), f), at(x, var(z, 0), f));
    z->init = at(B, var(z, 1));
    return z;
}

static inline Node *relu(Node *x) {
    Node *r = like("relu", x);
    r->body = e_select(P, op2(OP_LE, same(r, x), num(0)), num(0), same(r, x));
    r->increasing = true;
    return r;
}

typedef struct Window {
    long k, stride, pad, dilation;
} Window;

static inline long windows(long extent, Window w) {
    return (extent + 2 * w.pad - w.dilation * (w.k - 1) - 1) / w.stride + 1;
}

/* Position i of window o, and in *guard that it is inside. */
static inline Expr *within(Expr *o, Expr *i, Window w, long extent, Expr **guard) {
    Expr *p = plus(add(times(w.stride, o), times(w.dilation, i)), -w.pad);
    *guard = e_and(P, *guard, inside(p, extent));
    return p;
}

static inline Node *conv(Node *x, Node *K, Node *b, Window w) {
    long H = x->shape[2], W = x->shape[3];
    Node *o = samples("conv", G->batch, K->shape[0], windows(H, w), windows(W, w));
    Expr *c = over(o, "c", x->shape[1]), *i = over(o, "ki", w.k), *j = over(o, "kj", w.k);
    Expr *y = within(var(o, 2), i, w, H, &o->guard), *z = within(var(o, 3), j, w, W, &o->guard);
    o->body = mul(at(K, var(o, 1), c, i, j), at(x, var(o, 0), c, y, z));
    if (b) o->init = at(b, var(o, 1));
    return o;
}

static inline Node *pool(Node *x, Reduce reduce, Window w) {
    long H = x->shape[2], W = x->shape[3];
    Node *o = samples("pool", G->batch, x->shape[1], windows(H, w), windows(W, w));
    o->reduce = reduce;
    Expr *i = over(o, "ki", w.k), *j = over(o, "kj", w.k);
    Expr *y = within(var(o, 2), i, w, H, &o->guard), *z = within(var(o, 3), j, w, W, &o->guard);
    o->body = at(x, var(o, 0), var(o, 1), y, z);
    return o;
}

static inline Node *flatten(Node *x) {
    long H = x->shape[2], W = x->shape[3], C = x->shape[1];
    Node *o = samples("flat", G->batch, C * H * W);
    Expr *k = var(o, 1);
    o->body = at(x, var(o, 0), quotient(k, H * W), remainder_of(quotient(k, W), H),
                 remainder_of(k, W));
    return o;
}

/* For each channel of x[n, c, ...], by the batch. */
static inline Node *batch_norm(Node *x, Node *gamma, Node *beta, double eps) {
    long C = x->shape[1], H = x->shape[2], W = x->shape[3];
    Node *m = tensor("mean_sum", C), *mean = tensor("mean", C);
    Node *v = tensor("var_sum", C), *scale = tensor("scale", C), *out = like("norm", x);
    Expr *n = over_batch(m), *y = over(m, "y", H), *z = over(m, "x", W);
    Expr *size = mul(count(), num((double)(H * W)));
    m->body = at(x, n, var(m, 0), y, z);
    mean->body = op2(OP_DIV, at(m, var(mean, 0)), size);
    n = over_batch(v), y = over(v, "y", H), z = over(v, "x", W);
    Expr *d = sub(at(x, n, var(v, 0), y, z), at(mean, var(v, 0)));
    v->body = mul(d, d);
    Expr *variance = op2(OP_DIV, at(v, var(scale, 0)), size);
    scale->body = op2(OP_DIV, at(gamma, var(scale, 0)), op1(OP_SQRT, add(variance, num(eps))));
    Expr *c = var(out, 1);
    out->body = add(mul(sub(same(out, x), at(mean, c)), at(scale, c)), at(beta, c));
    return out;
}

/* --- recurrences over axis 1 of x[n, t, f] --- */

/* What h was a step before, `first` (or 0) at the first one. */
static inline Node *before(Node *h, Node *first) {
    Node *p = like("before", h);
    Expr *t = var(p, 1);
    p->guard = op2(OP_LT, integer(0), t);
    p->body = at(h, var(p, 0), plus(t, -1), var(p, 2));
    if (first) p->init = at(first, var(p, 2));
    return p;
}

/* b + W x for each step */
static inline Node *steps_dense(Node *x, const char *w, const char *b, long units) {
    Node *W = param(w, units, x->shape[2]), *B = param(b, units);
    Node *z = samples("z", G->batch, x->shape[1], units);
    Expr *f = over(z, "f", x->shape[2]);
    z->body = mul(at(W, var(z, 2), f), at(x, var(z, 0), var(z, 1), f));
    z->init = at(B, var(z, 2));
    return z;
}

/* init + W h */
static inline Node *steps_more(Node *init, Node *h, const char *w) {
    Node *W = param(w, init->shape[2], h->shape[2]), *z = like("more", init);
    Expr *v = over(z, "v", h->shape[2]);
    z->body = mul(at(W, var(z, 2), v), at(h, var(z, 0), var(z, 1), v));
    z->init = same(z, init);
    return z;
}

static inline Node *rnn(Node *x, long units, bool learn_first) {
    Node *zx = steps_dense(x, "Wx", "b", units);
    Node *h = samples("h", G->batch, x->shape[1], units);
    Node *first = learn_first ? param("h0", units) : NULL;
    Node *z = steps_more(zx, before(h, first), "Wh");
    h->body = op1(OP_TANH, same(h, z));
    return h;
}

static inline Expr *sigmoid_of(Expr *x) {
    return op2(OP_DIV, num(1), add(num(1), op1(OP_EXP, op1(OP_NEG, x))));
}

/* 1 / (1 + exp(-z)) of the gate-th part of z, with a derivative of its own. */
static inline Node *sigmoid(const char *name, Node *z, long gate, long units) {
    Node *s = samples(name, G->batch, z->shape[1], units);
    Expr *x = at(z, var(s, 0), var(s, 1), plus(var(s, 2), gate * units));
    s->body = sigmoid_of(x);
    s->n_custom = 1;
    s->custom = NEW(arena, Custom);
    s->custom->arg = x;
    s->custom->by = mul(same(s, s), sub(num(1), same(s, s)));
    return s;
}

static inline Node *lstm(Node *x, long units) {
    Node *zx = steps_dense(x, "Wx", "b", 4 * units);
    Node *h = samples("h", G->batch, x->shape[1], units), *c = like("c", h);
    Node *z = steps_more(zx, before(h, NULL), "Wh"), *old = before(c, NULL);
    Node *f = sigmoid("forget", z, 0, units), *i = sigmoid("input", z, 1, units);
    Node *o = sigmoid("output", z, 3, units);
    Expr *g = op1(OP_TANH, at(z, var(c, 0), var(c, 1), plus(var(c, 2), 2 * units)));
    c->body = add(mul(same(c, f), same(c, old)), mul(same(c, i), g));
    h->body = mul(same(h, o), op1(OP_TANH, same(h, c)));
    return h;
}

static inline Node *last(Node *h) {
    Node *o = samples("last", G->batch, h->shape[2]);
    o->body = at(h, var(o, 0), integer(h->shape[1] - 1), var(o, 1));
    return o;
}

/* --- losses: each makes the output "loss" --- */

static inline Node *mean_of(Node *each) {
    Node *total = graph_comp(G, "total", T_F32, 0, NULL, false);
    Node *loss = graph_comp(G, "loss", T_F32, 0, NULL, false);
    total->body = at(each, over_batch(total));
    loss->body = op2(OP_DIV, scalar(total), count());
    graph_output(G, "loss", loss);
    return loss;
}

/* Softmax cross-entropy by reductions; the labels are the input "label". */
static inline Node *cross_entropy(Node *z) {
    Node *label = graph_input(G, "label", T_I32, 1, SHAPE(G->batch), true);
    Node *top = samples("top", G->batch), *s = samples("s", G->batch);
    Node *each = samples("each", G->batch);
    top->reduce = REDUCE_MAX;
    top->body = at(z, var(top, 0), over(top, "k", z->shape[1]));
    Expr *k = over(s, "k", z->shape[1]);
    s->body = op1(OP_EXP, sub(at(z, var(s, 0), k), op1(OP_STOP, same(s, top))));
    Expr *right = at(z, var(each, 0), at(label, var(each, 0)));
    each->body = sub(add(op1(OP_LOG, same(each, s)), op1(OP_STOP, same(each, top))), right);
    return mean_of(each);
}

/* The sum of x * target over all but the samples, which makes the adjoint of x the target's. */
static inline Node *projection(Node *x) {
    Node *target = graph_input(G, "target", T_F32, x->rank, x->shape, true);
    Node *each = samples("each", G->batch);
    Expr *index[MAX_RANK] = {var(each, 0)};
    for (int i = 1; i < x->rank; i++) index[i] = over(each, "k", x->shape[i]);
    each->body = mul(e_read(P, x, index, x->rank), e_read(P, target, index, x->rank));
    return mean_of(each);
}

/* The gradients of all parameters and float inputs become outputs, d_NAME. */
static inline void want_gradients(void) {
    int n = G->nodes.n;
    for (int i = 0; i < n; i++) {
        Node *x = G->nodes.at[i];
        if ((x->kind != NODE_STORED && x->kind != NODE_INPUT) || x->type != T_F32) continue;
        Node *d = graph_grad(G, x);
        graph_output(G, d->name, d);
    }
    graph_sort(G);
}
#endif
