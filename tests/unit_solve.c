/* unit_solve.c: guards solved for reduction variables mean what they meant, in fewer variables. */
#include "interpret.h"
#include "nets.h"
#include "passes.h"
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state;

static long pick(long lo, long hi) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return lo + (long)((state >> 33) % (uint64_t)(hi - lo + 1));
}

/* A sum of some of the variables with small coefficients. */
static Expr *some_sum(Expr *const *v, int n) {
    Expr *e = integer(pick(-3, 3));
    for (int i = 0; i < n; i++) {
        if (pick(0, 2)) e = add(e, times(pick(-2, 3), v[i]));
    }
    return e;
}

static Expr *some_index(Expr *const *v, int n, int depth) {
    Expr *e = some_sum(v, n);
    int kind = (int)pick(0, 5);
    if (depth == 0 || kind > 3) return e;
    if (pick(0, 1)) e = add(e, some_index(v, n, depth - 1));
    if (kind == 0) return quotient(e, pick(2, 6));
    if (kind == 1) return remainder_of(e, pick(2, 6));
    if (kind == 2) return remainder_of(quotient(e, pick(2, 4)), pick(2, 4));
    return e;
}

enum { A = 5, B = 4 };
static const long extents[] = {6, 3, 4, 2};
static const char *const names[] = {"p", "q", "r", "s"};

/* out[i, j] = sum or product over four variables, under equalities of i, j and indices of these */
static Node *some_graph(void) {
    Node *data = graph_input(G, "data", T_I32, 1, SHAPE(6), false);
    Node *x = graph_input(G, "x", T_F32, 4, extents, false), *out = tensor("out", A, B);
    Expr *v[4], *index[2] = {var(out, 0), var(out, 1)};
    for (int i = 0; i < 4; i++) v[i] = over(out, names[i], extents[i]);
    int n = (int)pick(1, 4);
    for (int i = 0; i < n; i++) {
        Expr *left = index[pick(0, 1)], *right = some_index(v + pick(0, 2), 2, 2);
        if (pick(0, 3) == 0) left = some_sum(index, 2);
        if (pick(0, 5) == 0) right = add(right, at(data, v[pick(0, 1) ? 0 : 1]));
        if (pick(0, 5) == 0) right = add(right, some_sum(v, 4));
        out->guard = e_and(P, out->guard, equal(left, right));
    }
    if (pick(0, 2) == 0) out->guard = e_and(P, out->guard, op2(OP_LE, v[0], some_sum(v + 1, 3)));
    out->reduce = pick(0, 3) ? REDUCE_SUM : pick(0, 1) ? REDUCE_MAX : REDUCE_PROD;
    out->body = e_read(P, x, v, 4);
    if (out->reduce != REDUCE_MAX && pick(0, 1)) out->init = num(3);
    graph_output(G, "out", out);
    graph_sort(G);
    return out;
}

static double *values_of(Node *out, const char *what) {
    graph_verify(G, what);
    Interp *in = interpret_new(arena, G, true);
    for (int i = 0; i < G->inputs.n; i++) {
        Node *n = G->inputs.at[i];
        long size = n->type == T_I32 ? 6 : 144;
        for (long k = 0; k < size; k++) {
            interpret_values(in, n)[k] = (double)(n->type == T_I32 ? k * 5 % 7 : k * 37 % 101 + 1);
        }
    }
    interpret_run(in);
    return interpret_values(in, out);
}

static long values_of_variables(const Node *n) {
    long values = 1;
    for (int i = 0; i < n->n_rvars; i++) values *= n->rvar[i]->hi - n->rvar[i]->lo + 1;
    return values;
}

START_TEST(random_equalities) {
    state = (uint64_t)_i;
    for (int k = 0; k < 20; k++) {
        nets_begin(2);
        Node *out = some_graph();
        long before = values_of_variables(out);
        double expected[A * B];
        Text text = {.arena = arena};
        graph_print(&text, G);
        memcpy(expected, values_of(out, "build"), sizeof expected);
        solve_guards(G);
        graph_print(&text, G);
        double *found = values_of(out, "solve_guards");
        ck_assert_int_le(values_of_variables(out), before);
        for (int i = 0; i < A * B; i++) {
            ck_assert_msg(fabs(found[i] - expected[i]) <= 1e-12 * fabs(expected[i]) ||
                              found[i] == expected[i], "element %d: %g, %g expected, of\n%s", i,
                          found[i], expected[i], text.at);
        }
        nets_end();
    }
}
END_TEST

static const char *printed(const Node *n) {
    Text t = {.arena = arena};
    graph_print(&t, G);
    char *line = strstr(t.at, arena_printf(arena, "\n%s[", n->name));
    ck_assert_ptr_nonnull(line);
    return arena_strndup(arena, line + 1, strcspn(line + 1, "#") - 3);
}

/* out[i, j] = sum(p, q, r, s) [guard] x[p, q, r, s] with what the test gives. */
static Node *out;
static Expr *i, *j, *v[4];

static void begin(long a, long b) {
    nets_begin(2);
    out = tensor("out", a, b);
    i = var(out, 0);
    j = var(out, 1);
}

static void variables(int n, const long *extent) {
    Node *x = graph_input(G, "x", T_F32, n, extent, false);
    for (int k = 0; k < n; k++) v[k] = over(out, names[k], extent[k]);
    out->body = e_read(P, x, v, n);
}

static void expect(const char *text) {
    graph_output(G, "out", out);
    solve_guards(G);
    graph_verify(G, "solve_guards");
    ck_assert_str_eq(printed(out), text);
    solve_guards(G);
    ck_assert_str_eq(printed(out), text);
    nets_end();
}

START_TEST(alone) {
    begin(6, 4);
    variables(2, SHAPE(6, 4));
    out->guard = e_and(P, equal(i, v[0]), equal(j, v[1]));
    expect("out[i < 6, j < 4] = x[i, j]");
}
END_TEST

START_TEST(a_stride_alone) {
    begin(6, 4);
    variables(2, SHAPE(3, 5));
    out->guard = equal(i, times(2, v[0]));
    expect("out[i < 6, j < 4] = sum(q < 5) [i % 2 == 0] x[i / 2, q]");
}
END_TEST

START_TEST(windows_that_overlap) {
    begin(12, 4);
    variables(2, SHAPE(6, 3));
    out->guard = equal(i, plus(add(times(2, v[0]), v[1]), -1));
    expect("out[i < 12, j < 4] = sum(q < 3) [q <= i + 1 and i <= q + 10 and (i + q + 1) % 2 == 0] "
           "x[(i + 1 - q) / 2, q]");
}
END_TEST

START_TEST(windows_that_do_not) {
    begin(11, 4);
    variables(2, SHAPE(5, 2));
    out->guard = equal(i, add(times(2, v[0]), v[1]));
    expect("out[i < 11, j < 4] = [i < 10] x[i / 2, i % 2]");
}
END_TEST

START_TEST(windows_with_gaps) {
    begin(16, 4);
    variables(2, SHAPE(5, 2));
    out->guard = equal(i, add(times(3, v[0]), v[1]));
    expect("out[i < 16, j < 4] = [i % 3 < 2 and i < 15] x[i / 3, i % 3]");
}
END_TEST

START_TEST(digits_of_a_flat_index) {
    nets_begin(2);
    out = tensor("out", 3, 4, 5);
    variables(1, SHAPE(60));
    Expr *k = v[0];
    out->guard = e_and(P, equal(var(out, 0), quotient(k, 20)),
                       equal(var(out, 1), remainder_of(quotient(k, 5), 4)));
    out->guard = e_and(P, out->guard, equal(var(out, 2), remainder_of(k, 5)));
    expect("out[i < 3, j < 4, k < 5] = x[5*j + 20*i + k]");
}
END_TEST

START_TEST(some_digits_leave_a_loop) {
    begin(4, 5);
    variables(1, SHAPE(60));
    out->guard = e_and(P, equal(i, remainder_of(quotient(v[0], 5), 4)),
                       equal(j, remainder_of(v[0], 5)));
    expect("out[i < 4, j < 5] = sum(q < 3) x[5*i + j + 20*q]");
}
END_TEST

START_TEST(the_winner_of_a_window) {
    begin(6, 4);
    variables(2, SHAPE(3, 2));
    Node *arg = graph_input(G, "arg", T_I32, 2, SHAPE(6, 4), false);
    out->guard = equal(at(arg, i, j), add(times(2, v[0]), v[1]));
    expect("out[i < 6, j < 4] = [0 <= arg[i, j] and arg[i, j] < 6] "
           "x[arg[i, j] / 2, arg[i, j] % 2]");
}
END_TEST

START_TEST(data_inside_stays) {
    begin(6, 4);
    variables(2, SHAPE(6, 4));
    Node *to = graph_input(G, "to", T_I32, 1, SHAPE(6), false);
    out->guard = e_and(P, equal(at(to, v[0]), i), equal(j, v[1]));
    expect("out[i < 6, j < 4] = sum(p < 6) [i == to[p]] x[p, j]");
}
END_TEST

START_TEST(a_bound_that_leaves_one_value) {
    begin(6, 4);
    variables(2, SHAPE(6, 4));
    out->guard = e_and(P, op2(OP_LE, integer(5), v[0]), equal(v[1], j));
    expect("out[i < 6, j < 4] = x[5, j]");
}
END_TEST

int main(void) {
    Suite *s = suite_create("solve");
    TCase *c = tcase_create("solve");
    tcase_add_loop_test(c, random_equalities, 0, 60);
    tcase_add_test(c, alone);
    tcase_add_test(c, a_stride_alone);
    tcase_add_test(c, windows_that_overlap);
    tcase_add_test(c, windows_that_do_not);
    tcase_add_test(c, windows_with_gaps);
    tcase_add_test(c, digits_of_a_flat_index);
    tcase_add_test(c, some_digits_leave_a_loop);
    tcase_add_test(c, the_winner_of_a_window);
    tcase_add_test(c, data_inside_stays);
    tcase_add_test(c, a_bound_that_leaves_one_value);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
