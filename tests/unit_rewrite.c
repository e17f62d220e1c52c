/* unit_rewrite.c: each rewrite on against off, in double; and what each does to small graphs. */
#include "nets.h"
#include "numeric.h"
#include "passes.h"
#include "random_graph.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

typedef struct Rewrite {
    const char *name;
    void (*run)(Graph *g);
    bool before, after; /* differentiate */
} Rewrite;

static const Rewrite rewrites[] = {
    {"views", rewrite_views, true, true},
    {"increasing", rewrite_increasing, true, false},
    {"guards", rewrite_guards, true, true},
    {"values", rewrite_values, true, false},
    {"algebra", rewrite_algebra, true, true},
    {"factors", rewrite_factors, true, true},
    {"select", rewrite_select_always, false, true},
    {"common", rewrite_common, true, true},
    {"folds", rewrite_folds, true, true},
};

/* Which rewrites run: one, or all. */
static void run_rewrites(Graph *g, int which, bool after) {
    for (int i = 0; i < COUNT_OF(rewrites); i++) {
        if (which != i && which != COUNT_OF(rewrites)) continue;
        if (!(after ? rewrites[i].after : rewrites[i].before)) continue;
        rewrites[i].run(g);
        graph_verify(g, rewrites[i].name);
    }
}

enum { BEFORE = 1, AFTER = 2 };

static void pass_through(Graph *g, int which, int when) {
    graph_verify(g, "build");
    if (when & BEFORE) run_rewrites(g, which, false);
    differentiate(g);
    graph_verify(g, "differentiate");
    solve_guards(g);
    if (when & AFTER) run_rewrites(g, which, true);
}

static const char *which_name(int which) {
    return which < COUNT_OF(rewrites) ? rewrites[which].name : "all";
}

static void expect_equal(Graph *g, Graph *h, Arena *a, int which, int what) {
    for (long samples = g->batch; samples > 0; samples--) {
        Text why = {.arena = a};
        bool equal = numeric_equal(g, h, 7, samples, true, 1e-10, &why);
        if (equal) continue;
        graph_print(&why, g);
        graph_print(&why, h);
        ck_abort_msg("%s, graph %d, %ld samples: %s", which_name(which), what, samples, why.at);
    }
}

enum { RANDOM_GRAPHS = 12 };

/* _i: which rewrite, and when. */
START_TEST(random_graphs) {
    int which = _i / 3, when = _i % 3 + 1;
    for (uint64_t seed = 0; seed < RANDOM_GRAPHS; seed++) {
        Arena *a = arena_new();
        Graph *g = random_graph(a, seed + 1000 * (uint64_t)_i, 8, true)->train;
        Graph *h = random_graph(a, seed + 1000 * (uint64_t)_i, 8, true)->train;
        pass_through(g, which, 0);
        pass_through(h, which, when);
        expect_equal(g, h, a, which, (int)seed);
        arena_free(a);
    }
}
END_TEST

/* --- networks --- */

static void net_small_images(void) {
    Window w = {3, 1, 1, 1}, q = {2, 2, 0, 1};
    Node *c = conv(given("x", 3, 2, 6, 7), param("K", 4, 2, 3, 3), param("b", 4), w);
    Node *p = pool(relu(c), REDUCE_MAX, q);
    cross_entropy(dense(flatten(p), "W", "bw", 3));
}

static void net_overlap(void) {
    Window w = {3, 2, 1, 1}, q = {3, 2, 1, 1};
    Node *c = conv(given("x", 3, 2, 9, 8), param("K", 3, 2, 3, 3), NULL, w);
    Node *n = batch_norm(c, param("gamma", 3), param("beta", 3), 1e-3);
    Node *s = like("sigmoid", n);
    s->body = sigmoid_of(same(s, n));
    s->increasing = true;
    s->n_custom = 1;
    s->custom = NEW(arena, Custom);
    s->custom->arg = same(s, n);
    s->custom->by = mul(same(s, s), sub(num(1), same(s, s)));
    projection(flatten(pool(s, REDUCE_MAX, q)));
}

static void net_rnn(void) {
    Node *h = rnn(given("x", 3, 5, 4), 3, true);
    cross_entropy(dense(last(h), "Wo", "bo", 3));
}

static void net_lstm(void) {
    Node *h = lstm(given("x", 3, 5, 4), 3);
    cross_entropy(dense(last(h), "Wo", "bo", 3));
}

/* h[t] = tanh(z[t] + sum(v) U[u, v] * f[t, u] * h[t - 1, v]), the gate f inside of the sum */
static void net_gated(void) {
    Node *x = given("x", 3, 5, 3), *z = steps_dense(x, "Wx", "b", 3);
    Node *f = like("f", z), *h = like("h", z), *U = param("U", 3, 3);
    f->body = sigmoid_of(same(f, z));
    Node *old = before(h, NULL), *sum = like("sum", z);
    Expr *v = over(sum, "v", 3), *gate = same(sum, f);
    Expr *state = at(old, var(sum, 0), var(sum, 1), v);
    sum->body = mul(at(U, var(sum, 2), v), mul(gate, state));
    sum->init = same(sum, z);
    h->body = op1(OP_TANH, same(h, sum));
    Node *g = like("g", z), *more = like("more", z), *k = like("k", z);
    Expr *w = over(more, "v", 3), *t = var(more, 1);
    g->body = mul(same(g, f), same(g, h));
    more->guard = op2(OP_LT, integer(0), t);
    more->body = mul(at(f, var(more, 0), plus(t, -1), var(more, 2)),
                     mul(at(U, var(more, 2), w), at(g, var(more, 0), plus(t, -1), w)));
    k->body = add(same(k, more), same(k, h));
    cross_entropy(dense(last(k), "Wo", "bo", 3));
}

/* Windows behind windows: 3 x 3 of 7 x 8 elements, then 2 x 2; strides, dilation, a border. */
static void net_windows(void) {
    Window w = {3, 1, 1, 1}, q = {3, 3, 0, 1}, v = {2, 1, 1, 2}, u = {2, 2, 0, 1};
    Node *c = conv(given("x", 3, 2, 14, 13), param("K", 3, 2, 3, 3), param("b", 3), w);
    Node *d = conv(pool(relu(c), REDUCE_MAX, q), param("L", 4, 3, 2, 2), NULL, v);
    cross_entropy(dense(flatten(pool(d, REDUCE_MIN, u)), "W", "bw", 3));
}

static void (*const nets[])(void) = {net_small_images, net_overlap, net_rnn,
                                     net_lstm,         net_gated,   net_windows};

START_TEST(networks) {
    int which = _i / 3 % (COUNT_OF(rewrites) + 1), when = _i % 3 + 1;
    int net = _i / 3 / (COUNT_OF(rewrites) + 1);
    nets_begin(3);
    nets[net]();
    want_gradients();
    Graph *g = G;
    Arena *a = arena;
    pass_through(g, which, 0);
    nets_begin(3);
    nets[net]();
    want_gradients();
    pass_through(G, which, when);
    expect_equal(g, G, a, which, net);
    nets_end();
    arena_free(a);
}
END_TEST

/* --- what each does --- */

static const char *line_of(const char *name) {
    Text t = {.arena = arena};
    graph_verify(G, "the rewrite");
    graph_print(&t, G);
    char *line = strstr(t.at, arena_printf(arena, "\n%s[", name));
    if (!line) return "none";
    return arena_strndup(arena, line + 1, strcspn(line + 1, "#") - 3);
}

#define expect(name, text) ck_assert_str_eq(line_of(name), text)

static void setup(void) { nets_begin(3); }

START_TEST(views_are_read_through) {
    Node *x = given("x", 3, 2, 6, 7);
    dense(flatten(x), "W", "b", 5);
    graph_output(G, "z", numeric_node(G, "z"));
    rewrite_views(G);
    expect("flat", "none");
    expect("z", "z[n in batch, i < 5] = b[i] + sum(f0 < 2, f1 < 6, f2 < 7) "
                "W[i, f2 + 7*f1 + 42*f0] * x[n, f0, f1, f2]");
}
END_TEST

START_TEST(views_by_data_stay) {
    Node *x = given("x", 3, 4), *v = samples("v", 3, 4), *y = samples("y", 3, 4);
    Node *to = graph_input(G, "to", T_I32, 1, SHAPE(3), true);
    v->body = at(x, var(v, 0), at(to, var(v, 0)));
    y->body = mul(same(y, v), same(y, v));
    graph_output(G, "y", y);
    rewrite_views(G);
    expect("y", "y[n in batch, i < 4] = v[n, i] * v[n, i]");
}
END_TEST

START_TEST(digits_that_do_not_fit_stay) {
    Node *x = given("x", 3, 4, 4), *y = samples("y", 3);
    Expr *k = over(y, "k", 10);
    y->body = at(x, var(y, 0), quotient(k, 4), remainder_of(k, 4));
    graph_output(G, "y", y);
    rewrite_views(G);
    expect("y", "y[n in batch] = sum(k < 10) x[n, k / 4, k % 4]");
}
END_TEST

START_TEST(a_maximum_before_its_function) {
    Window q = {2, 2, 0, 1};
    Node *x = given("x", 3, 2, 4, 4);
    graph_output(G, "y", pool(relu(x), REDUCE_MAX, q));
    rewrite_increasing(G);
    expect("relu", "none");
    expect("x_max", "x_max[n in batch, i < 2, j < 2, k < 2] = max(ki < 2, kj < 2) "
                    "x[n, i, ki + 2*j, kj + 2*k]");
    expect("pool", "pool[n in batch, i < 2, j < 2, k < 2] = "
                   "select(x_max[n, i, j, k] <= 0.0, 0.0, x_max[n, i, j, k])");
}
END_TEST

START_TEST(equal_terms_are_one) {
    Node *x = given("x", 3, 4), *y = samples("y", 3);
    Expr *c = over(y, "c", 3), *i = over(y, "i", 4);
    (void)c;
    y->body = mul(at(x, var(y, 0), i), at(x, var(y, 0), i));
    graph_output(G, "y", y);
    rewrite_folds(G);
    expect("y_once", "y_once[n in batch] = sum(i < 4) x[n, i] * x[n, i]");
    expect("y", "y[n in batch] = 3.0 * y_once[n]");
}
END_TEST

/* A factor that alone depends on c: only in a graph that trains, and only where it pays. */
START_TEST(a_factor_is_folded) {
    long times = _i == 1 ? 2 : 3;
    Node *x = given("x", 3, 4), *W = param("W", 8, 4 * times), *y = samples("y", 3, 8);
    Expr *c = over(y, "c", times), *j = over(y, "j", 4);
    y->body = mul(at(W, var(y, 1), e_add(P, e_scale(P, c, 4), j)), at(x, var(y, 0), j));
    graph_output(G, "y", y);
    Node *next = graph_comp(G, "next", T_F32, 2, W->shape, false);
    next->body = at(W, var(next, 0), var(next, 1));
    if (_i != 2) graph_update(G, W->stored, next);
    rewrite_folds(G);
    if (_i) {
        expect("W_folded", "none");
    } else {
        expect("W_folded", "W_folded[i < 4, j < 8] = sum(c < 3) W[j, i + 4*c]");
        expect("y", "y[n in batch, i < 8] = sum(j < 4) W_folded[j, i] * x[n, j]");
    }
}
END_TEST

START_TEST(results_that_repeat_are_one) {
    Node *x = given("x", 3, 4, 2), *y = samples("y", 3, 24);
    Expr *n = over(y, "m", 5), *j = var(y, 1);
    y->body = mul(at(x, var(y, 0), remainder_of(quotient(j, 2), 4), remainder_of(j, 2)),
                  op1(OP_FLOAT, n));
    graph_output(G, "y", y);
    rewrite_folds(G);
    expect("y_once", "y_once[n in batch, i < 8] = sum(m < 5) x[n, i / 2, i % 2] * float(m)");
    expect("y", "y[n in batch, i < 24] = y_once[n, i % 8]");
}
END_TEST

/* Where the function has another reader, or a window may be empty. */
START_TEST(a_maximum_that_stays) {
    Window q = {2, 2, 2, 1}, w = {2, 2, 0, 1};
    Node *x = given("x", 3, 2, 4, 4), *r = relu(x);
    graph_output(G, "y", pool(_i ? r : relu(x), REDUCE_MAX, _i ? w : q));
    if (_i) graph_output(G, "r", r);
    rewrite_increasing(G);
    ck_assert_ptr_null(strstr(line_of("pool"), "select"));
}
END_TEST

START_TEST(zeros_become_guards) {
    Node *x = given("x", 3, 5), *W = param("W", 4, 5), *y = samples("y", 3, 4);
    Expr *f = over(y, "f", 5), *shorter = op2(OP_LT, f, integer(3));
    y->body = mul(at(W, var(y, 1), f), e_select(P, shorter, at(x, var(y, 0), f), num(0)));
    graph_output(G, "y", y);
    rewrite_guards(G);
    expect("y", "y[n in batch, i < 4] = sum(f < 5) [f < 3] W[i, f] * x[n, f]");
}
END_TEST

START_TEST(the_state_before_a_step) {
    Node *h = rnn(given("x", 3, 5, 4), 3, _i);
    graph_output(G, "h", h);
    rewrite_guards(G);
    if (_i) {
        expect("before", "before[n in batch, i < 5, j < 3] = [1 <= i] h[n, i - 1, j] else h0[j]");
    } else {
        expect("before", "none");
        expect("more", "more[n in batch, i < 5, j < 3] = z[n, i, j] + sum(v < 3) [1 <= i] "
                       "Wh[j, v] * h[n, i - 1, v]");
    }
}
END_TEST

START_TEST(values_become_tensors) {
    Node *x = given("x", 3, 4), *w = param("w", 4), *y = like("y", x);
    y->body = mul(op1(OP_TANH, same(y, x)), at(w, var(y, 1)));
    Node *total = samples("total", 3);
    total->body = at(y, var(total, 0), over(total, "i", 4));
    mean_of(total);
    want_gradients();
    rewrite_values(G);
    expect("y_tanh", "y_tanh[n in batch, i < 4] = tanh(x[n, i])");
    expect("y", "y[n in batch, i < 4] = y_tanh[n, i] * w[i]");
}
END_TEST

START_TEST(algebra) {
    Node *x = given("x", 3, 4), *y = given("y", 3, 4), *f = like("f", x);
    Expr *a = same(f, x), *b = same(f, y), *minus_a = op1(OP_NEG, a), *minus_b = op1(OP_NEG, b);
    Expr *zero = num(0);
    Expr *const before[] = {add(a, zero), add(zero, a), sub(a, zero), add(a, minus_b),
                            add(minus_a, b), sub(a, minus_b), mul(minus_a, minus_b),
                            mul(minus_a, b), op2(OP_DIV, a, minus_b), op2(OP_DIV, a, num(8)),
                            op2(OP_DIV, minus_a, num(-4)), op2(OP_DIV, a, num(3)), mul(a, zero)};
    Expr *const after[] = {a, a, a, sub(a, b), sub(b, a), add(a, b), mul(a, b),
                           op1(OP_NEG, mul(a, b)), op1(OP_NEG, op2(OP_DIV, a, b)),
                           mul(a, num(0.125)), op1(OP_NEG, mul(a, num(-0.25))),
                           op2(OP_DIV, a, num(3)), mul(a, zero)};
    f->body = before[_i];
    graph_output(G, "f", f);
    rewrite_algebra(G);
    ck_assert_ptr_eq(f->body, after[_i]);
}
END_TEST

START_TEST(factors_come_out) {
    Node *x = given("x", 3, 4), *w = param("w", 3), *y = samples("y", 3);
    Expr *i = over(y, "i", 4);
    y->body = mul(at(w, var(y, 0)), op1(OP_NEG, at(x, var(y, 0), i)));
    y->init = at(w, integer(0));
    graph_output(G, "y", y);
    rewrite_factors(G);
    expect("y_sum", "y_sum[n in batch] = sum(i < 4) x[n, i]");
    expect("y", "y[n in batch] = w[0] + -(w[n] * y_sum[n])");
}
END_TEST

START_TEST(factors_under_a_guard) {
    Node *x = given("x", 3, 4), *w = param("w", 4), *y = samples("y", 3, 4);
    Expr *i = over(y, "i", 4), *j = var(y, 1), *next = plus(_i ? add(j, i) : j, 1);
    y->body = mul(at(w, plus(j, 1)), at(x, var(y, 0), i));
    y->guard = op2(OP_LT, next, integer(4));
    graph_output(G, "y", y);
    rewrite_factors(G);
    if (_i) {
        expect("y_sum", "none");
    } else {
        expect("y", "y[n in batch, i < 4] = select(i < 3, w[i + 1] * y_sum[n, i], 0.0)");
    }
}
END_TEST

/* y = sum of u[v] * f(v), u one element in three by an integer tensor */
static Node *spread(Node *arg, Node *p, long extent) {
    Node *u = samples("u", 3, extent);
    Expr *n = var(u, 0), *v = var(u, 1), *q = quotient(v, 3);
    u->guard = op2(OP_EQ, remainder_of(v, 3), at(arg, n, q));
    u->body = at(p, n, q);
    return u;
}

START_TEST(winners_are_read) {
    Node *arg = graph_input(G, "arg", T_I32, 2, SHAPE(3, 4), true), *p = given("p", 3, 4);
    Node *u = spread(arg, p, 12), *x = given("x", 3, 5, 14), *y = tensor("y", 5, 3);
    Expr *n = over_batch(y), *v = over(y, "v", 12);
    y->body = mul(at(u, n, v), at(x, n, var(y, 0), add(v, var(y, 1))));
    graph_output(G, "y", y);
    rewrite_select_always(G);
    expect("u", "none");
    expect("y", "y[i < 5, j < 3] = sum(m in batch, i2 < 4) [0 <= arg[m, i2] and arg[m, i2] < 3] "
                "p[m, i2] * x[m, i, j + 3*i2 + max(0, arg[m, i2]) % 3]");
}
END_TEST

START_TEST(patches_of_windows) {
    Node *arg = graph_input(G, "arg", T_I32, 2, SHAPE(3, 4), true), *p = given("p", 3, 4);
    Node *u = spread(arg, p, 12), *w = param("w", 5, 4), *y = samples("y", 3, 5, 12);
    Expr *k = over(y, "k", 4), *v = sub(var(y, 2), k);
    y->guard = op2(OP_LE, integer(0), v);
    y->body = mul(at(u, var(y, 0), v), at(w, var(y, 1), k));
    graph_output(G, "y", y);
    rewrite_select_always(G);
    expect("w_bordered", "w_bordered[i < 5, j < 8] = [2 <= j and j < 6] w[i, j - 2]");
    expect("y_patch", "y_patch[n in batch, i < 5, i2 < 4, d < 6] = "
                      "[0 <= arg[n, i2] and arg[n, i2] < 3] "
                      "p[n, i2] * w_bordered[i, d + 2 - (max(0, arg[n, i2]) % 3)]");
    expect("y", "y[n in batch, i < 5, j < 12] = sum(back < 2) [back <= j / 3] "
                "y_patch[n, i, j / 3 - back, 3*back + j % 3]");
}
END_TEST

/* Where it would not pay, where windows overlap, and where results have no lanes. */
START_TEST(spread_tensors_that_stay) {
    Node *arg = graph_input(G, "arg", T_I32, 2, SHAPE(3, 4), true), *p = given("p", 3, 4);
    Node *u = spread(arg, p, 12), *x = given("x", 3, 12, 5), *y = tensor("y", 5);
    Expr *n = over_batch(y), *v = over(y, "v", 12);
    y->body = mul(at(u, n, v), at(x, n, v, var(y, 0)));
    if (_i) u->guard = op2(OP_LE, remainder_of(var(u, 1), 3), at(arg, var(u, 0), integer(1)));
    graph_output(G, "y", y);
    if (_i) rewrite_select_always(G);
    else rewrite_select(G);
    expect("y", "y[i < 5] = sum(m in batch, v < 12) u[m, v] * x[m, v, i]");
}
END_TEST

START_TEST(equal_tensors_are_one) {
    Node *x = given("x", 3, 4), *a = samples("a", 3), *b = samples("b", 3), *c = like("c", x);
    a->body = at(x, var(a, 0), over(a, "i", 4));
    b->body = at(x, var(b, 0), over(b, "another", 4));
    c->body = mul(at(a, var(c, 0)), at(b, var(c, 0)));
    graph_output(G, "c", c);
    graph_output(G, "b", b);
    rewrite_common(G);
    ck_assert_ptr_eq(G->output[1].node, a);
    expect("c", "c[n in batch, i < 4] = a[n] * a[n]");
}
END_TEST

START_TEST(what_differs_stays) {
    Node *x = given("x", 3, 4), *a = samples("a", 3), *b = samples("b", 3);
    a->body = at(x, var(a, 0), over(a, "i", 4));
    b->body = at(x, var(b, 0), over(b, "i", 3));
    if (_i) b->body = at(x, var(b, 0), plus(e_var(P, b->rvar[0]), 1));
    graph_output(G, "a", a);
    graph_output(G, "b", b);
    rewrite_common(G);
    ck_assert_ptr_eq(G->output[1].node, b);
}
END_TEST

int main(void) {
    Suite *s = suite_create("rewrite");
    TCase *c = tcase_create("against the original");
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, random_graphs, 0, 3 * (COUNT_OF(rewrites) + 1));
    tcase_add_loop_test(c, networks, 0, 3 * (COUNT_OF(rewrites) + 1) * COUNT_OF(nets));
    suite_add_tcase(s, c);
    c = tcase_create("what each does");
    tcase_add_checked_fixture(c, setup, nets_end);
    tcase_add_test(c, views_are_read_through);
    tcase_add_test(c, views_by_data_stay);
    tcase_add_test(c, digits_that_do_not_fit_stay);
    tcase_add_test(c, a_maximum_before_its_function);
    tcase_add_loop_test(c, a_maximum_that_stays, 0, 2);
    tcase_add_test(c, zeros_become_guards);
    tcase_add_loop_test(c, the_state_before_a_step, 0, 2);
    tcase_add_test(c, values_become_tensors);
    tcase_add_loop_test(c, algebra, 0, 13);
    tcase_add_test(c, factors_come_out);
    tcase_add_loop_test(c, factors_under_a_guard, 0, 2);
    tcase_add_test(c, winners_are_read);
    tcase_add_test(c, patches_of_windows);
    tcase_add_loop_test(c, spread_tensors_that_stay, 0, 2);
    tcase_add_test(c, equal_tensors_are_one);
    tcase_add_test(c, equal_terms_are_one);
    tcase_add_loop_test(c, a_factor_is_folded, 0, 3);
    tcase_add_test(c, results_that_repeat_are_one);
    tcase_add_loop_test(c, what_differs_stays, 0, 2);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
