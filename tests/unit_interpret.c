/* unit_interpret.c: the oracle against loops written by hand, and the makers of random graphs. */
#include "interpret.h"
#include "netc_math.h"
#include "numeric.h"
#include "passes.h"
#include "random_graph.h"
#include <check.h>
#include <float.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static Arena *arena;
static Program *program;
static Pool *P;
static Graph *G;

static void setup(void) {
    arena = arena_new();
    program = NEW(arena, Program);
    *program = (Program){.arena = arena, .pool = pool_new(arena), .name = "test"};
    P = program->pool;
    G = program->train = graph_new(program, "train", 4);
}

static void teardown(void) { arena_free(arena); }

static Expr *V(Var *v) { return e_var(P, v); }
static Expr *N(long x) { return e_int(P, x); }
static Expr *F(double x) { return e_num(P, T_F32, x); }
static Expr *D(double x) { return e_num(P, T_F64, x); }
static Expr *op1(Op op, Expr *a) { return e_op(P, op, a, NULL, NULL); }
static Expr *op2(Op op, Expr *a, Expr *b) { return e_op(P, op, a, b, NULL); }
#define SHAPE(...) ((long[]){__VA_ARGS__})
#define RANK(...) (int)(sizeof(SHAPE(__VA_ARGS__)) / sizeof(long))
#define comp(name, ...) graph_comp(G, name, T_F32, RANK(__VA_ARGS__), SHAPE(__VA_ARGS__), false)
#define given(name, ...) graph_input(G, name, T_F32, RANK(__VA_ARGS__), SHAPE(__VA_ARGS__), false)
#define read(n, ...) \
    e_read(P, n, (Expr *[]){__VA_ARGS__}, (int)(sizeof((Expr *[]){__VA_ARGS__}) / sizeof(Expr *)))

static Var *reduce(Node *n, Reduce how, const char *name, long extent) {
    Var **old = n->rvar;
    n->rvar = NEW_ARRAY(arena, Var *, n->n_rvars + 1);
    for (int i = 0; i < n->n_rvars; i++) n->rvar[i] = old[i];
    n->reduce = how;
    return n->rvar[n->n_rvars++] = var_new(P, name, extent);
}

static Interp *ready(Node *out, bool in_double) {
    graph_output(G, "out", out);
    graph_sort(G);
    graph_verify(G, "test");
    Interp *in = interpret_new(arena, G, in_double);
    numeric_fill(in, G, 7);
    return in;
}

/* A scalar node with the value of e. */
static double value_of(Expr *e, bool in_double) {
    Node *n = graph_comp(G, "value", e->type, 0, NULL, false);
    n->body = e;
    Interp *in = ready(n, in_double);
    interpret_run(in);
    return interpret_values(in, n)[0];
}

/* --- operators --- */

START_TEST(floats_are_ieee_floats) {
    Node *x = given("x", 2);
    Node *n = comp("n", 6);
    Expr *a = read(x, N(0)), *b = read(x, N(1)), *i = V(n->var[0]);
    Expr *e = e_op(P, OP_FMA, a, b, F(0.1));
    Expr *pick[] = {e_add(P, a, b), e_mul(P, a, b), op2(OP_DIV, a, b), op1(OP_SQRT, op1(OP_ABS, a)),
                    e_sub(P, a, b)};
    for (int k = 0; k < 5; k++) e = e_select(P, op2(OP_EQ, i, N(k)), pick[k], e);
    n->body = e;
    Interp *in = ready(n, false);
    float p = 1.1f, q = -3.3f;
    interpret_values(in, x)[0] = p;
    interpret_values(in, x)[1] = q;
    interpret_run(in);
    const double *got = interpret_values(in, n);
    ck_assert(got[0] == p + q);
    ck_assert(got[1] == p * q);
    ck_assert(got[2] == p / q);
    ck_assert(got[3] == sqrtf(p));
    ck_assert(got[4] == p - q);
    ck_assert(got[5] == fmaf(p, q, 0.1f));
}
END_TEST

START_TEST(functions_in_double_are_exact) {
    Expr *x = F(0.75);
    ck_assert(value_of(op1(OP_EXP, x), true) == exp(0.75));
    ck_assert(value_of(op1(OP_TANH, x), true) == tanh(0.75));
    ck_assert(value_of(op1(OP_ERF, x), true) == erf(0.75));
    ck_assert(value_of(op1(OP_LOG, x), false) == (float)log(0.75));
}
END_TEST

START_TEST(maxima_and_flush) {
    Expr *nan = op2(OP_DIV, F(0), F(0));
    ck_assert(isnan(value_of(op2(OP_MAX, nan, F(1)), false))); /* 1 > nan is false */
    ck_assert(value_of(op2(OP_MAX, F(1), nan), false) == 1);
    ck_assert(!signbit(value_of(op2(OP_MAX, F(0), F(-0.0)), false)));
    ck_assert(signbit(value_of(op2(OP_MAX, F(-0.0), F(0)), false)));
    ck_assert(value_of(op1(OP_FLUSH, F(-0x1p-127)), false) == 0);
    ck_assert(value_of(op1(OP_FLUSH, F(-0x1p-126)), false) == -0x1p-126);
}
END_TEST

START_TEST(bits) {
    Node *x = given("x", 1);
    Expr *b = op1(OP_BITS, read(x, N(0)));
    Expr *up = op2(OP_ADD, b, e_num(P, T_U32, 0xffffffff));
    Node *n = comp("n", 1), *high = graph_comp(G, "high", T_U32, 0, NULL, false);
    n->body = op1(OP_FROM_BITS, up);
    high->body = op2(OP_MULHI, b, e_num(P, T_U32, 0x80000001));
    Node *shift = graph_comp(G, "shift", T_I32, 0, NULL, false);
    shift->body = op1(OP_SIGNED, op2(OP_SHL, b, e_num(P, T_U32, 1)));
    graph_output(G, "high", high);
    graph_output(G, "shift", shift);
    Interp *in = ready(n, false);
    interpret_values(in, x)[0] = 1.5;
    interpret_run(in);
    ck_assert(interpret_values(in, n)[0] == nextafterf(1.5f, 0));
    ck_assert(interpret_values(in, high)[0] == (double)(0x3fc00000ull * 0x80000001ull >> 32));
    ck_assert(interpret_values(in, shift)[0] == (double)(0x3fc00000 << 1));
}
END_TEST

START_TEST(host_scalars_are_rounded_once) {
    Node *n = comp("n", 1);
    Expr *step = e_host(P, HOST_STEP);
    n->body = op1(OP_ROUND, e_sub(P, D(1), op2(OP_POW, D(0.999), step)));
    Interp *in = ready(n, false);
    interpret_host(in, HOST_STEP, 17);
    interpret_run(in);
    ck_assert(interpret_values(in, n)[0] == (float)(1 - netc_pow(0.999, 17)));
    interpret_host(in, HOST_STEP, 18);
    interpret_run(in);
    ck_assert(interpret_values(in, n)[0] == (float)(1 - netc_pow(0.999, 18)));
}
END_TEST

/* --- comprehensions --- */

START_TEST(convolution) {
    Node *x = given("x", 2, 6, 5), *W = given("W", 3, 2, 3, 3), *n = comp("n", 3, 3, 3);
    Expr *o = V(n->var[0]), *y = V(n->var[1]), *z = V(n->var[2]);
    Expr *c = V(reduce(n, REDUCE_SUM, "c", 2)), *i = V(reduce(n, REDUCE_SUM, "i", 3));
    Expr *j = V(reduce(n, REDUCE_SUM, "j", 3));
    Expr *a = e_offset(P, e_add(P, e_scale(P, y, 2), i), -1);
    Expr *b = e_offset(P, e_add(P, e_scale(P, z, 2), j), -1);
    n->guard = e_and(P, e_and(P, op2(OP_LE, N(0), a), op2(OP_LT, a, N(6))),
                     e_and(P, op2(OP_LE, N(0), b), op2(OP_LT, b, N(5))));
    n->body = e_mul(P, read(W, o, c, i, j), read(x, c, a, b));
    Interp *in = ready(n, true);
    interpret_run(in);
    const double *px = interpret_values(in, x), *pw = interpret_values(in, W);
    for (int k = 0; k < 27; k++) {
        int oo = k / 9, yy = k / 3 % 3, zz = k % 3;
        double want = 0;
        for (int t = 0; t < 18; t++) {
            int cc = t / 9, ii = t / 3 % 3, jj = t % 3, aa = 2 * yy + ii - 1, bb = 2 * zz + jj - 1;
            if (aa < 0 || aa >= 6 || bb < 0 || bb >= 5) continue;
            want += pw[oo * 18 + t] * px[cc * 30 + aa * 5 + bb];
        }
        ck_assert(interpret_values(in, n)[k] == want);
    }
}
END_TEST

/* Reductions over x[0..4) with a term absent where x is below the threshold. */
static double reduced(Reduce how, const double *values, double threshold) {
    Node *x = given("x", 4);
    bool arg = how == REDUCE_ARGMAX || how == REDUCE_ARGMIN;
    Node *n = graph_comp(G, "n", arg ? T_I32 : T_F32, 0, NULL, false);
    Expr *i = V(reduce(n, how, "i", 4));
    n->body = read(x, i);
    n->guard = op2(OP_LE, F(threshold), n->body);
    Interp *in = ready(n, false);
    memcpy(interpret_values(in, x), values, 4 * sizeof *values);
    interpret_run(in);
    return interpret_values(in, n)[0];
}

START_TEST(reductions) {
    static const double x[] = {2, 3, 1, 3};
    ck_assert(reduced(REDUCE_SUM, x, 2) == 8);
    ck_assert(reduced(REDUCE_PROD, x, 2) == 18);
    ck_assert(reduced(REDUCE_MAX, x, 0) == 3);
    ck_assert(reduced(REDUCE_MIN, x, 2) == 2);
    ck_assert(reduced(REDUCE_ARGMAX, x, 0) == 1);
    ck_assert(reduced(REDUCE_ARGMIN, x, 0) == 2);
    ck_assert(reduced(REDUCE_SUM, x, 9) == 0);
    ck_assert(reduced(REDUCE_PROD, x, 9) == 1);
    ck_assert(reduced(REDUCE_MAX, x, 9) == -INFINITY);
    ck_assert(reduced(REDUCE_MIN, x, 9) == INFINITY);
    ck_assert(reduced(REDUCE_ARGMAX, x, 9) == -1);
}
END_TEST

START_TEST(absent_reads_do_not_happen) {
    Node *x = given("x", 4), *n = comp("n", 6);
    Expr *i = V(n->var[0]);
    n->body = e_select(P, op2(OP_LT, i, N(4)), read(x, i), F(-1));
    Node *m = comp("m", 6);
    i = V(m->var[0]);
    m->guard = op2(OP_LE, N(2), i);
    m->body = read(x, e_offset(P, i, -2));
    m->init = F(5);
    graph_output(G, "m", m);
    Interp *in = ready(n, false);
    interpret_run(in);
    const double *px = interpret_values(in, x);
    for (int k = 0; k < 6; k++) {
        ck_assert(interpret_values(in, n)[k] == (k < 4 ? px[k] : -1));
        ck_assert(interpret_values(in, m)[k] == (k < 2 ? 5 : px[k - 2]));
    }
}
END_TEST

START_TEST(a_needed_read_outside_ends) {
    Node *x = given("x", 4), *n = comp("n", 1), *at = graph_input(G, "at", T_I32, 0, NULL, false);
    n->body = read(x, e_read(P, at, NULL, 0));
    Interp *in = ready(n, false);
    interpret_values(in, at)[0] = 4;
    interpret_run(in);
}
END_TEST

START_TEST(only_samples_that_exist) {
    Node *x = graph_input(G, "x", T_F32, 2, SHAPE(4, 3), true), *n = comp("n", 3);
    Node *each = graph_comp(G, "each", T_F32, 1, SHAPE(4), true);
    Var *b = reduce(n, REDUCE_SUM, "b", 4);
    b->batch = true;
    n->body = read(x, V(b), V(n->var[0]));
    each->body = read(x, V(each->var[0]), N(0));
    graph_output(G, "each", each);
    Interp *in = ready(n, true);
    interpret_host(in, HOST_COUNT, 3);
    interpret_run(in);
    const double *px = interpret_values(in, x);
    for (int k = 0; k < 3; k++) {
        ck_assert(interpret_values(in, n)[k] == px[k] + px[3 + k] + px[6 + k]);
    }
    ck_assert(interpret_values(in, each)[2] == px[6]);
    ck_assert(isnan(interpret_values(in, each)[3]));
}
END_TEST

START_TEST(recurrences) {
    Node *x = given("x", 5, 2), *h = comp("h", 5, 2), *s = comp("s", 5);
    Expr *t = V(h->var[0]), *u = V(h->var[1]), *before = e_offset(P, t, 1);
    Expr *last = op2(OP_LT, before, N(5));
    h->body = e_add(P, read(x, t, u), e_select(P, last, read(s, before), F(0)));
    t = V(s->var[0]);
    Expr *v = V(reduce(s, REDUCE_SUM, "v", 2));
    s->body = e_mul(P, F(0.5), read(h, t, v));
    Interp *in = ready(h, true);
    interpret_run(in);
    const double *px = interpret_values(in, x);
    double carry = 0;
    for (int k = 4; k >= 0; k--) {
        double a = px[2 * k] + carry, b = px[2 * k + 1] + carry;
        ck_assert(interpret_values(in, h)[2 * k] == a);
        ck_assert(interpret_values(in, h)[2 * k + 1] == b);
        carry = 0.5 * a + 0.5 * b;
    }
}
END_TEST

/* --- frozen orders --- */

enum { TERMS = 37 };

/* sum(i < 37) x[i] * w[i], in 16 lanes within steps or the steps within each lane */
static double dot(bool lanes_outside, LevelKind kind, float *x, float *w) {
    Node *a = given("a", TERMS), *b = given("b", TERMS), *n = comp("n", 1);
    Var *i = reduce(n, REDUCE_SUM, "i", TERMS);
    n->body = e_mul(P, read(a, V(i)), read(b, V(i)));
    n->init = F(0.3);
    n->n_levels = 2;
    n->levels = NEW_ARRAY(arena, Level, 2);
    n->levels[!lanes_outside] = (Level){kind, i, 1, 16};
    n->levels[lanes_outside] = (Level){LEVEL_SEQ, i, 16, 3};
    Interp *in = ready(n, false);
    for (int k = 0; k < TERMS; k++) {
        x[k] = (float)(interpret_values(in, a)[k] /= 3);
        w[k] = (float)(interpret_values(in, b)[k] /= 7);
        interpret_values(in, a)[k] = x[k];
        interpret_values(in, b)[k] = w[k];
    }
    interpret_run(in);
    return interpret_values(in, n)[0];
}

static float tree(float *part) {
    for (int half = 8; half; half /= 2) {
        for (int i = 0; i < half; i++) part[i] = part[i] + part[i + half];
    }
    return part[0];
}

START_TEST(lanes_around_steps) {
    float x[TERMS], w[TERMS], part[16] = {0};
    double got = dot(true, LEVEL_LANES, x, w);
    for (int k = 0; k < TERMS; k++) part[k % 16] = fmaf(x[k], w[k], part[k % 16]);
    ck_assert(got == 0.3f + tree(part));
}
END_TEST

START_TEST(steps_around_lanes) {
    float x[TERMS], w[TERMS], acc = 0.3f;
    double got = dot(false, LEVEL_LANES, x, w);
    for (int s = 0; s < TERMS; s += 16) {
        float part[16] = {0};
        for (int k = s; k < s + 16 && k < TERMS; k++) part[k - s] = fmaf(x[k], w[k], 0);
        acc = acc + tree(part);
    }
    ck_assert(got == acc);
}
END_TEST

START_TEST(groups_in_turn) {
    float x[TERMS], w[TERMS], part[16] = {0}, acc = 0.3f;
    double got = dot(true, LEVEL_GROUPS, x, w);
    for (int k = 0; k < TERMS; k++) part[k % 16] = fmaf(x[k], w[k], part[k % 16]);
    for (int k = 0; k < 16; k++) acc = acc + part[k];
    ck_assert(got == acc);
}
END_TEST

START_TEST(without_levels_in_order_and_without_fma) {
    Node *a = given("a", TERMS), *n = comp("n", 1);
    Var *i = reduce(n, REDUCE_SUM, "i", TERMS);
    n->body = e_mul(P, read(a, V(i)), F(0.1));
    Interp *in = ready(n, false);
    interpret_run(in);
    float acc = 0;
    for (int k = 0; k < TERMS; k++) acc = acc + (float)interpret_values(in, a)[k] * 0.1f;
    ck_assert(interpret_values(in, n)[0] == acc);
}
END_TEST

/* --- draws --- */

static double drawn(Draw kind, Expr *param, uint32_t *u) {
    Node *n = graph_comp(G, "n", kind == DRAW_INTEGER ? T_I32 : kind == DRAW_BERNOULLI ? T_BOOL
                                                                                       : T_F32,
                         1, SHAPE(4), true);
    n->body = e_draw(P, kind, 5, V(n->var[0]), N(9), param);
    Interp *in = ready(n, false);
    interpret_seed(in, 0x123456789abcdef);
    interpret_host(in, HOST_STEP, 3);
    interpret_run(in);
    *u = netc_philox(0x123456789abcdef, 5, 3, 2, 9);
    return interpret_values(in, n)[2];
}

START_TEST(draws) {
    uint32_t u;
    ck_assert(drawn(DRAW_UNIFORM, NULL, &u) == (u >> 8) * 0x1p-24);
    ck_assert(drawn(DRAW_INTEGER, N(10), &u) == (double)((uint64_t)u * 10 >> 32));
    ck_assert(drawn(DRAW_BERNOULLI, D(0.5), &u) == (u < 0x80000000u));
    double x = drawn(DRAW_NORMAL, NULL, &u);
    ck_assert_double_eq_tol(erf(x / sqrt(2)), (2.0 * (u >> 8) + 1) * 0x1p-24 - 1, 2e-7);
}
END_TEST

START_TEST(draws_expand_to_arithmetic) {
    static const Type types[N_DRAWS] = {T_F32, T_F32, T_BOOL, T_I32};
    double values[N_DRAWS][2][64];
    for (int expanded = 0; expanded < 2; expanded++) {
        teardown();
        setup();
        Node *n[N_DRAWS];
        Expr *param[N_DRAWS] = {NULL, NULL, D(0.3), N(17)};
        for (int kind = 0; kind < N_DRAWS; kind++) {
            n[kind] = graph_comp(G, draw_names[kind], types[kind], 2, SHAPE(4, 16), true);
            n[kind]->body = e_draw(P, kind, kind, V(n[kind]->var[0]), V(n[kind]->var[1]),
                                   param[kind]);
            graph_output(G, draw_names[kind], n[kind]);
        }
        graph_sort(G);
        if (expanded) expand(G);
        Interp *in = interpret_new(arena, G, false);
        interpret_seed(in, 0xfedcba9876543210);
        interpret_host(in, HOST_STEP, 5);
        interpret_run(in);
        for (int kind = 0; kind < N_DRAWS; kind++) {
            Node *out = graph_find_output(G, draw_names[kind]);
            memcpy(values[kind][expanded], interpret_values(in, out), sizeof values[kind][0]);
        }
    }
    for (int kind = 0; kind < N_DRAWS; kind++) {
        for (int k = 0; k < 64; k++) {
            double a = values[kind][0][k], b = values[kind][1][k];
            ck_assert(kind == DRAW_NORMAL ? numeric_near(a, b, 2e-6) : a == b);
        }
    }
}
END_TEST

START_TEST(updates_take_the_old_values) {
    Stored *s[2];
    for (int k = 0; k < 2; k++) {
        s[k] = NEW(arena, Stored);
        *s[k] = (Stored){.name = k ? "b" : "a", .ident = k ? "b" : "a", .rank = 1, .shape = {2}};
        PUSH(arena, program->stored, s[k]);
    }
    graph_update(G, s[0], graph_stored(G, s[1]));
    graph_update(G, s[1], graph_stored(G, s[0]));
    Interp *in = ready(graph_stored(G, s[0]), true), *other = interpret_new(arena, G, true);
    double a = interpret_stored(in, s[0])[1], b = interpret_stored(in, s[1])[1];
    interpret_run(in);
    interpret_update(in);
    ck_assert(interpret_stored(in, s[0])[1] == b && interpret_stored(in, s[1])[1] == a);
    interpret_copy_stored(other, in);
    ck_assert(interpret_stored(other, s[0])[1] == b);
}
END_TEST

/* --- the tools of other tests --- */

/* loss = sum x^3, with its gradient as it should be, or not. */
static bool cubes(double factor, Text *why) {
    Node *x = given("x", 3), *loss = graph_comp(G, "loss", T_F32, 0, NULL, false);
    Expr *a = read(x, V(reduce(loss, REDUCE_SUM, "i", 3)));
    loss->body = e_mul(P, e_mul(P, a, a), a);
    Node *grad = comp("grad", 3);
    a = read(x, V(grad->var[0]));
    grad->body = e_mul(P, F(factor), e_mul(P, a, a));
    graph_output(G, "loss", loss);
    graph_output(G, "grad x", grad);
    graph_sort(G);
    return numeric_gradients(G, 3, 4, 100, why);
}

START_TEST(differences_find_wrong_gradients) {
    Arena *first = arena;
    Text why = {.arena = arena};
    ck_assert_msg(cubes(3, &why), "%s", why.at);
    setup();
    ck_assert(!cubes(3.001, &why));
    ck_assert_ptr_nonnull(strstr(why.at, "gradient of x"));
    arena_free(first);
}
END_TEST

START_TEST(random_graphs_are_legal_and_equal) {
    for (int seed = 0; seed < 150; seed++) {
        Arena *a = arena_new();
        Graph *g = random_graph(a, seed, 1 + seed % 7, false)->train;
        Graph *h = random_graph(a, seed, 1 + seed % 7, false)->train;
        Text why = {.arena = a};
        graph_verify(g, "random_graph");
        ck_assert_msg(numeric_equal(g, h, seed, g->batch, false, 0, &why), "%s", why.at);
        Interp *in[2] = {interpret_new(a, g, false), interpret_new(a, g, true)};
        double loss[2];
        for (int i = 0; i < 2; i++) {
            numeric_fill(in[i], g, seed);
            interpret_host(in[i], HOST_COUNT, seed % g->batch + 1);
            interpret_run(in[i]);
            loss[i] = interpret_values(in[i], graph_find_output(g, "loss"))[0];
        }
        graph_print(&why, g);
        ck_assert_msg(fabs(loss[0] - loss[1]) <= 1e-4 * (1 + fabs(loss[1])), "%g, %g in\n%s",
                      loss[0], loss[1], why.at);
        arena_free(a);
    }
}
END_TEST

START_TEST(random_graphs_differ) {
    Graph *g = random_graph(arena, 1, 4, false)->train;
    Graph *h = random_graph(arena, 2, 4, false)->train;
    Text s = {.arena = arena}, t = {.arena = arena};
    graph_print(&s, g);
    graph_print(&t, h);
    ck_assert_str_ne(s.at, t.at);
}
END_TEST

int main(void) {
    Suite *s = suite_create("interpret");
    TCase *t = tcase_create("interpret");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, floats_are_ieee_floats);
    tcase_add_test(t, functions_in_double_are_exact);
    tcase_add_test(t, maxima_and_flush);
    tcase_add_test(t, bits);
    tcase_add_test(t, host_scalars_are_rounded_once);
    tcase_add_test(t, convolution);
    tcase_add_test(t, reductions);
    tcase_add_test(t, absent_reads_do_not_happen);
    tcase_add_test_raise_signal(t, a_needed_read_outside_ends, SIGABRT);
    tcase_add_test(t, only_samples_that_exist);
    tcase_add_test(t, recurrences);
    tcase_add_test(t, lanes_around_steps);
    tcase_add_test(t, steps_around_lanes);
    tcase_add_test(t, groups_in_turn);
    tcase_add_test(t, without_levels_in_order_and_without_fma);
    tcase_add_test(t, draws);
    tcase_add_test(t, draws_expand_to_arithmetic);
    tcase_add_test(t, updates_take_the_old_values);
    tcase_add_test(t, differences_find_wrong_gradients);
    tcase_add_test(t, random_graphs_are_legal_and_equal);
    tcase_add_test(t, random_graphs_differ);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    SRunner *run = srunner_create(s);
    srunner_run_all(run, CK_NORMAL);
    int failed = srunner_ntests_failed(run);
    srunner_free(run);
    return failed != 0;
}
