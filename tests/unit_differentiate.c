/* unit_differentiate.c: adjoints of hand-built graphs against finite differences in double. */
#include "interpret.h"
#include "nets.h"
#include "passes.h"
#include "random_graph.h"
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state;

/* Between -1 and 1. */
static double noise(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(int32_t)(state >> 32) / 2147483648.0;
}

static long size_of(const Node *n) {
    long size = 1;
    for (int i = 0; i < n->rank; i++) size *= n->shape[i];
    return size;
}

/* Leaves are random: floats around `middle`, integers below 3. */
static void fill(Interp *in, double middle) {
    for (int i = 0; i < G->nodes.n; i++) {
        const Node *n = G->nodes.at[i];
        if (n->kind == NODE_COMP) continue;
        double *x = interpret_values(in, n);
        for (long k = 0; k < size_of(n); k++) {
            x[k] = n->type == T_F32 ? middle + noise() : floor((noise() + 1) * 1.5);
        }
    }
}

static double run(Interp *in, const Node *loss) {
    interpret_run(in);
    return *interpret_values(in, loss);
}

/* x's derivative along a random direction, and by one element, against differences. */
static void check_leaf(Interp *in, const Node *x, const Node *d, const Node *loss, long samples) {
    long size = size_of(x), valid = x->batched ? size / G->batch * samples : size;
    double *at = interpret_values(in, x), *slope = interpret_values(in, d), step = 1e-6;
    double *along = NEW_ARRAY(arena, double, size), *start = NEW_ARRAY(arena, double, size);
    memcpy(start, at, sizeof *at * (size_t)size);
    for (int trial = 0; trial < 3; trial++) {
        double expected = 0, length = 0;
        long one = (long)((noise() + 1) / 2 * (double)valid);
        run(in, loss);
        for (long k = 0; k < valid; k++) {
            along[k] = trial == 0 ? noise() : k == one;
            expected += slope[k] * along[k];
            length += fabs(slope[k] * along[k]);
        }
        for (long k = 0; k < size; k++) at[k] = start[k] + step * along[k];
        double up = run(in, loss);
        for (long k = 0; k < size; k++) at[k] = start[k] - step * along[k];
        double found = (up - run(in, loss)) / (2 * step);
        memcpy(at, start, sizeof *at * (size_t)size);
        ck_assert_msg(fabs(found - expected) <= 1e-6 * (length + fabs(up)) + 1e-8,
                      "%s with %ld samples: differences give %.9g, the adjoint %.9g", d->name,
                      samples, found, expected);
    }
}

/* All gradients of the graph as it is, at values around `middle`. */
static void check_gradients_at(double middle) {
    want_gradients();
    graph_verify(G, "build");
    differentiate(G);
    graph_verify(G, "differentiate");
    solve_guards(G);
    graph_verify(G, "solve_guards");
    Interp *in = interpret_new(arena, G, true);
    fill(in, middle);
    const Node *loss = graph_find_output(G, "loss");
    for (long samples = G->batch; samples > 0; samples -= G->batch - 1) {
        interpret_host(in, HOST_COUNT, (double)samples);
        run(in, loss);
        ck_assert_msg(isfinite(*interpret_values(in, loss)), "the loss is not finite");
        for (int i = 1; i < G->n_outputs; i++) {
            const char *name = G->output[i].name + 2;
            for (int j = 0; j < G->nodes.n; j++) {
                const Node *x = G->nodes.at[j];
                if (strcmp(x->name, name)) continue;
                check_leaf(in, x, G->output[i].node, loss, samples);
            }
        }
        if (G->batch == 1) break;
    }
}

static void check_gradients(void) { check_gradients_at(0); }

static void setup(void) {
    state = 42;
    nets_begin(3);
}

static Node *gradient_of(const char *name) {
    Node *n = graph_find_output(G, arena_printf(arena, "d_%s", name));
    ck_assert_ptr_nonnull(n);
    return n;
}

START_TEST(dense_layers) {
    Node *x = given("x", 3, 7);
    cross_entropy(dense(relu(dense(x, "W1", "b1", 6)), "W2", "b2", 3));
    check_gradients();
    ck_assert_int_eq(gradient_of("W1")->n_rvars, 1);
}
END_TEST

/* Kernel, stride, padding, dilation. */
static const Window convolutions[] = {
    {1, 1, 0, 1}, {3, 1, 0, 1}, {3, 1, 1, 1}, {5, 2, 2, 1}, {3, 2, 1, 1}, {2, 2, 0, 1},
    {1, 2, 0, 1}, {3, 1, 2, 2}, {3, 2, 2, 2}, {2, 3, 1, 1}, {3, 3, 2, 3}, {2, 1, 0, 4},
    {7, 1, 0, 1}, {7, 1, 3, 1}, {2, 4, 0, 2}, {2, 2, 1, 3}};

START_TEST(convolutions_of_all_kinds) {
    Window w = convolutions[_i];
    Node *x = given("x", 3, 2, 7, 8), *K = param("K", 2, 2, w.k, w.k), *b = param("b", 2);
    projection(conv(x, K, b, w));
    check_gradients();
    ck_assert_int_eq(gradient_of("K")->n_rvars, w.k == 7 && w.pad == 0 ? 2 : 3);
    ck_assert_int_le(gradient_of("x")->n_rvars, 3);
}
END_TEST

START_TEST(pooling_of_all_kinds) {
    Window w = convolutions[_i / 3];
    static const Reduce reduce[] = {REDUCE_SUM, REDUCE_MAX, REDUCE_MIN};
    Node *x = given("x", 3, 2, 7, 8);
    projection(flatten(pool(x, reduce[_i % 3], w)));
    check_gradients();
    if (w.k <= w.stride && w.dilation == 1) ck_assert_int_eq(gradient_of("x")->n_rvars, 0);
}
END_TEST

START_TEST(batch_norm_reduces_over_samples) {
    Node *x = given("x", 3, 2, 4, 3);
    projection(batch_norm(x, param("gamma", 2), param("beta", 2), 1e-5));
    check_gradients();
}
END_TEST

START_TEST(recurrences) {
    Node *x = given("x", 3, 5, 4);
    Node *h = _i < 2 ? rnn(x, 3, _i) : lstm(x, 3);
    cross_entropy(dense(last(h), "Wo", "bo", 3));
    check_gradients();
    Node *d = NULL;
    for (int i = 0; i < G->nodes.n; i++) {
        if (!strcmp(G->nodes.at[i]->name, "d_before")) d = G->nodes.at[i];
    }
    ck_assert_ptr_nonnull(d);
    ck_assert_int_gt(d->component, 0);
    ck_assert_int_eq(d->scan, 1);
    ck_assert_int_eq(d->scan_step, -1);
}
END_TEST

START_TEST(every_output_of_a_recurrence) {
    Node *x = given("x", 3, 5, 4), *h = rnn(rnn(x, 3, false), 2, true);
    Node *each = samples("sum", 3, 2);
    Expr *t = over(each, "t", 5);
    Expr *y = at(h, var(each, 0), t, var(each, 1));
    each->body = mul(y, y);
    projection(each);
    check_gradients();
}
END_TEST

/* Scalar functions; MIN, MAX and ABS away from where they have no derivative. */
static Expr *function_of(int i, Expr *x, Expr *y) {
    switch (i) {
    case 0: return add(mul(x, y), sub(op1(OP_NEG, x), y));
    case 1: return op2(OP_DIV, x, y);
    case 2: return op2(OP_MIN, x, y);
    case 3: return op2(OP_MAX, mul(x, x), y);
    case 4: return op1(OP_ABS, sub(x, y));
    case 5: return op1(OP_SQRT, add(x, op1(OP_EXP, y)));
    case 6: return op1(OP_LOG, mul(x, y));
    case 7: return op1(OP_TANH, mul(x, op1(OP_ERF, y)));
    case 8: return mul(op1(OP_COS, x), op1(OP_SIN, y));
    case 9: return add(op2(OP_POW, x, num(3)), op2(OP_POW, y, num(2)));
    case 10: return e_select(P, op2(OP_LT, x, y), mul(x, num(0.1)), mul(y, x));
    case 11: return mul(op1(OP_FLOOR, mul(x, num(3))), op1(OP_EXP, y));
    case 12: return mul(op2(OP_POW, x, num(-2)), op2(OP_POW, y, num(1)));
    case 13: return op1(OP_FLUSH, mul(x, y));
    default: return NULL;
    }
}

START_TEST(scalar_functions) {
    Node *x = given("x", 3, 4), *y = given("y", 3, 4), *f = like("f", x);
    f->body = function_of(_i, same(f, x), same(f, y));
    projection(f);
    check_gradients_at(2);
}
END_TEST

START_TEST(products) {
    Node *x = given("x", 3, 4, 5), *w = param("w", 4), *p = samples("p", 3);
    Expr *j = over(p, "j", 4), *k = over(p, "k", 5);
    p->reduce = REDUCE_PROD;
    p->body = add(at(x, var(p, 0), j, k), at(w, j));
    if (_i) p->guard = op2(OP_NE, j, integer(2));
    if (_i) p->init = at(w, integer(2));
    projection(p);
    check_gradients();
}
END_TEST

START_TEST(product_with_a_zero_term) {
    Node *x = given("x", 3, 4), *p = samples("p", 3);
    p->body = at(x, var(p, 0), over(p, "j", 4));
    p->reduce = REDUCE_PROD;
    mean_of(p);
    want_gradients();
    differentiate(G);
    Interp *in = interpret_new(arena, G, true);
    double *v = interpret_values(in, x);
    for (int i = 0; i < 12; i++) v[i] = i == 1 ? 0 : i + 1;
    interpret_run(in);
    double *d = interpret_values(in, gradient_of("x"));
    ck_assert_double_eq(d[0], 0);
    ck_assert_double_eq_tol(d[1], 1 * 3 * 4 / 3.0, 1e-12);
    ck_assert_double_eq_tol(d[5], 5 * 7 * 8 / 3.0, 1e-12);
}
END_TEST

START_TEST(product_over_samples) {
    Node *x = given("x", 3), *p = graph_comp(G, "p", T_F32, 0, NULL, false);
    p->body = at(x, over_batch(p));
    p->reduce = REDUCE_PROD;
    graph_output(G, "loss", p);
    check_gradients_at(2);
}
END_TEST

START_TEST(derivatives_of_their_own) {
    Node *x = given("x", 3, 4), *s = like("s", x);
    s->body = sigmoid_of(same(s, x));
    s->n_custom = 1;
    s->custom = NEW(arena, Custom);
    s->custom->arg = mul(same(s, x), num(1));
    s->custom->by = mul(same(s, s), sub(num(1), same(s, s)));
    projection(s);
    check_gradients();
    for (int i = 0; i < G->nodes.n; i++) ck_assert_int_eq(G->nodes.at[i]->n_custom, 0);
}
END_TEST

START_TEST(stop_has_no_derivative) {
    Node *x = given("x", 3, 4), *f = like("f", x);
    f->body = mul(op1(OP_STOP, same(f, x)), same(f, x));
    Node *total = samples("total", 3);
    total->body = at(f, var(total, 0), over(total, "j", 4));
    mean_of(total);
    want_gradients();
    differentiate(G);
    Interp *in = interpret_new(arena, G, true);
    fill(in, 0);
    interpret_run(in);
    double *v = interpret_values(in, x), *d = interpret_values(in, gradient_of("x"));
    for (int i = 0; i < 12; i++) ck_assert_double_eq_tol(d[i], v[i] / 3, 1e-12);
}
END_TEST

START_TEST(what_the_loss_does_not_need_has_none) {
    Node *x = given("x", 3, 4), *w = param("w", 4), *f = like("f", x);
    f->body = same(f, x);
    projection(f);
    Node *d = graph_grad(G, w);
    graph_update(G, w->stored, d);
    differentiate(G);
    graph_verify(G, "differentiate");
    Interp *in = interpret_new(arena, G, true);
    fill(in, 0);
    interpret_run(in);
    for (int i = 0; i < 4; i++) ck_assert_double_eq(interpret_values(in, d)[i], 0);
}
END_TEST

/* Indices that are data: an embedding, a crop, and a choice among rows of weights. */
START_TEST(indices_that_are_data) {
    Node *index = graph_input(G, "index", T_I32, 2, SHAPE(3, 6), true);
    Node *offset = graph_input(G, "offset", T_I32, 1, SHAPE(3), true);
    Node *E = param("E", 3, 4), *x = given("x", 3, 8), *e = samples("e", 3, 6, 4);
    e->body = at(E, at(index, var(e, 0), var(e, 1)), var(e, 2));
    Node *crop = samples("crop", 3, 6), *f = samples("f", 3, 6);
    crop->body = at(x, var(crop, 0), add(var(crop, 1), at(offset, var(crop, 0))));
    f->init = same(f, crop);
    f->body = mul(at(e, var(f, 0), var(f, 1), over(f, "d", 4)), same(f, crop));
    projection(f);
    check_gradients();
    ck_assert_int_eq(gradient_of("x")->n_rvars, 0);
    ck_assert_int_eq(gradient_of("E")->n_rvars, 2);
}
END_TEST

/* The winner of a maximum over what other tensors are read by, too. */
START_TEST(maximum_of_a_sum) {
    Node *x = given("x", 3, 5), *w = param("w", 4, 3), *m = samples("m", 3, 3);
    m->reduce = REDUCE_MAX;
    Expr *j = over(m, "j", 4), *k = over(m, "k", 2);
    Expr *i = add(j, k);
    m->guard = op2(OP_NE, j, integer(1));
    m->body = mul(at(x, var(m, 0), i), at(w, j, var(m, 1)));
    projection(m);
    check_gradients();
}
END_TEST

/* A tensor read in several ways: sums start from each other and from what needs no sum. */
START_TEST(several_reads) {
    Node *x = given("x", 3, 6), *f = samples("f", 3, 4);
    Expr *i = var(f, 1), *n = var(f, 0), *j = over(f, "j", 6);
    f->body = mul(at(x, n, j), at(x, n, plus(times(-1, j), 5)));
    f->init = mul(at(x, n, i), at(x, n, plus(i, 2)));
    projection(f);
    check_gradients();
}
END_TEST

START_TEST(a_circle_of_indices) {
    Node *x = given("x", 3, 6), *f = like("f", x);
    Expr *shifted = remainder_of(plus(var(f, 1), 2), 6);
    f->body = mul(at(x, var(f, 0), shifted), same(f, x));
    projection(f);
    check_gradients();
    ck_assert_int_eq(gradient_of("x")->n_rvars, 0);
}
END_TEST

START_TEST(conditions_pass_nothing) {
    Node *x = given("x", 3, 6), *f = like("f", x);
    Expr *i = var(f, 1), *y = same(f, x);
    Expr *far = e_select(P, op2(OP_LT, i, integer(4)), at(x, var(f, 0), plus(i, 2)), num(7));
    f->body = mul(e_select(P, op2(OP_LT, y, num(0)), mul(y, y), far), y);
    f->guard = op2(OP_NE, i, integer(3));
    f->init = mul(num(3), y);
    projection(f);
    check_gradients();
}
END_TEST

START_TEST(random_graphs) {
    for (uint64_t seed = 0; seed < 25; seed++) {
        Arena *a = arena_new();
        Text why = {.arena = a};
        Graph *g = random_graph(a, seed + 25 * (uint64_t)_i, 2 + _i, true)->train;
        differentiate(g);
        graph_verify(g, "differentiate");
        for (long samples = g->batch; samples > 0; samples--) {
            bool good = numeric_gradients(g, seed, samples, 6, &why);
            ck_assert_msg(good, "graph %d, %ld samples: %s", (int)seed, samples, why.at);
        }
        arena_free(a);
    }
}
END_TEST

START_TEST(the_gradient_of_a_squared_norm) {
    Node *w = param("w", 4, 3), *l = graph_comp(G, "l", T_F32, 0, NULL, false);
    Expr *i = over(l, "i", 4), *j = over(l, "j", 3);
    l->body = mul(at(w, i, j), at(w, i, j));
    Node *loss = graph_comp(G, "loss", T_F32, 0, NULL, false);
    loss->body = mul(scalar(l), num(0.5));
    graph_output(G, "loss", loss);
    check_gradients();
}
END_TEST

int main(void) {
    Suite *s = suite_create("differentiate");
    TCase *c = tcase_create("differentiate");
    tcase_add_checked_fixture(c, setup, nets_end);
    tcase_add_test(c, dense_layers);
    tcase_add_loop_test(c, convolutions_of_all_kinds, 0, COUNT_OF(convolutions));
    tcase_add_loop_test(c, pooling_of_all_kinds, 0, 3 * COUNT_OF(convolutions));
    tcase_add_test(c, batch_norm_reduces_over_samples);
    tcase_add_loop_test(c, recurrences, 0, 3);
    tcase_add_test(c, every_output_of_a_recurrence);
    tcase_add_loop_test(c, scalar_functions, 0, 14);
    tcase_add_loop_test(c, products, 0, 2);
    tcase_add_test(c, product_with_a_zero_term);
    tcase_add_test(c, product_over_samples);
    tcase_add_test(c, derivatives_of_their_own);
    tcase_add_test(c, stop_has_no_derivative);
    tcase_add_test(c, what_the_loss_does_not_need_has_none);
    tcase_add_test(c, indices_that_are_data);
    tcase_add_test(c, maximum_of_a_sum);
    tcase_add_test(c, several_reads);
    tcase_add_test(c, a_circle_of_indices);
    tcase_add_test(c, conditions_pass_nothing);
    tcase_add_test(c, the_gradient_of_a_squared_norm);
    tcase_add_loop_test(c, random_graphs, 0, 8);
    tcase_set_timeout(c, 60);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
