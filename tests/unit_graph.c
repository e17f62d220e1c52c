/* unit_graph.c: graphs: names, order, recurrences, printing, and what the verifier refuses. */
#include "graph.h"
#include <check.h>
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
    program->arena = arena;
    program->pool = P = pool_new(arena);
    program->name = "test";
    G = program->train = graph_new(program, "train", 8);
}

static void teardown(void) { arena_free(arena); }

static Expr *V(Var *v) { return e_var(P, v); }
static Expr *N(long x) { return e_int(P, x); }
static Expr *F(double x) { return e_num(P, T_F32, x); }
static Expr *add(Expr *a, Expr *b) { return e_add(P, a, b); }
static Expr *mul(Expr *a, Expr *b) { return e_mul(P, a, b); }
static Expr *lt(Expr *a, Expr *b) { return e_op(P, OP_LT, a, b, NULL); }
static Expr *le(Expr *a, Expr *b) { return e_op(P, OP_LE, a, b, NULL); }
#define SHAPE(...) ((long[]){__VA_ARGS__})
#define RANK(...) (int)(sizeof(SHAPE(__VA_ARGS__)) / sizeof(long))
#define comp(name, ...) graph_comp(G, name, T_F32, RANK(__VA_ARGS__), SHAPE(__VA_ARGS__), false)
#define read(n, ...) \
    e_read(P, n, (Expr *[]){__VA_ARGS__}, (int)(sizeof((Expr *[]){__VA_ARGS__}) / sizeof(Expr *)))

static Node *input(const char *name, long extent) {
    return graph_input(G, name, T_F32, 1, SHAPE(extent), false);
}

/* out[i] = body(read of x at i) */
static Node *copy_of(const char *name, Node *x) {
    Node *n = comp(name, x->shape[0]);
    n->body = add(read(x, V(n->var[0])), F(1));
    return n;
}

static const char *printed(void) {
    Text t = {.arena = arena};
    graph_print(&t, G);
    return t.at;
}

START_TEST(names_are_unique_identifiers) {
    ck_assert_str_eq(input("x", 3)->name, "x");
    ck_assert_str_eq(input("x", 3)->name, "x_2");
    ck_assert_str_eq(input("x", 3)->name, "x_3");
    ck_assert_str_eq(input("x_2", 3)->name, "x_2_2");
    ck_assert_str_eq(input("a.b c", 3)->name, "a_b_c");
    ck_assert_str_eq(input("3d", 3)->name, "_3d");
    ck_assert_str_eq(input("float", 3)->name, "float_");
}
END_TEST

START_TEST(reads_are_found_once) {
    Node *x = input("x", 3), *y = input("y", 3), *n = comp("n", 3);
    Expr *i = V(n->var[0]);
    n->body = add(read(x, i), mul(read(x, i), read(y, i)));
    n->guard = lt(N(0), i);
    n->init = read(y, N(1));
    Node **reads;
    ck_assert_int_eq(node_reads(arena, n, &reads), 2);
    ck_assert_ptr_eq(reads[0], x);
    ck_assert_ptr_eq(reads[1], y);
}
END_TEST

START_TEST(sort_orders_and_drops) {
    Node *x = input("x", 3), *b = comp("b", 3), *a = copy_of("a", x);
    Node *dead = copy_of("dead", a);
    b->body = read(a, V(b->var[0]));
    graph_output(G, "out", b);
    graph_sort(G);
    ck_assert_int_eq(G->nodes.n, 3);
    ck_assert_ptr_eq(G->nodes.at[0], x);
    ck_assert_ptr_eq(G->nodes.at[1], a);
    ck_assert_ptr_eq(G->nodes.at[2], b);
    ck_assert_int_eq(b->id, 2);
    ck_assert_int_eq(b->scan, -1);
    ck_assert_ptr_ne(dead, NULL);
    graph_verify(G, "test");
}
END_TEST

START_TEST(sort_is_stable) {
    Node *x = input("x", 3), *made[20];
    for (int i = 0; i < 20; i++) made[i] = copy_of("n", i % 3 && i > 3 ? made[i - 3] : x);
    for (int i = 0; i < 20; i++) graph_output(G, "out", made[19 - i]);
    graph_sort(G);
    for (int i = 0; i < 20; i++) ck_assert_ptr_eq(G->nodes.at[i + 1], made[i]);
}
END_TEST

/* h[n, t, u] = z[n, t, u], z[n, t, u] = x[n, t, u] + sum(v) W[u, v] h[n, t - step, v] */
static void recurrence(int step, Node **h, Node **z) {
    long shape[] = {8, 5, 4};
    Node *x = graph_input(G, "x", T_F32, 3, shape, true);
    Stored *s = NEW(arena, Stored);
    *s = (Stored){.name = "W", .ident = "W", .rank = 2, .shape = {4, 4}};
    Node *W = graph_stored(G, s);
    ck_assert_ptr_eq(graph_stored(G, s), W);
    *h = graph_comp(G, "h", T_F32, 3, shape, true);
    *z = graph_comp(G, "z", T_F32, 3, shape, true);
    Expr *a = V((*h)->var[0]), *b = V((*h)->var[1]), *c = V((*h)->var[2]);
    (*h)->body = e_op(P, OP_TANH, read(*z, a, b, c), NULL, NULL);
    a = V((*z)->var[0]), b = V((*z)->var[1]), c = V((*z)->var[2]);
    Var *v = var_new(P, "v", 4);
    (*z)->reduce = REDUCE_SUM;
    (*z)->n_rvars = 1;
    (*z)->rvar = NEW(arena, Var *);
    (*z)->rvar[0] = v;
    Expr *past = e_offset(P, b, -step);
    (*z)->body = mul(read(W, c, V(v)), read(*h, a, past, V(v)));
    (*z)->guard = e_and(P, le(N(0), past), lt(past, N(5)));
    (*z)->init = read(x, a, b, c);
    graph_output(G, "out", *h);
    graph_sort(G);
    graph_verify(G, "test");
}

START_TEST(recurrence_forward) {
    Node *h, *z;
    recurrence(1, &h, &z);
    ck_assert_int_ne(h->component, 0);
    ck_assert_int_eq(node_component(G, z), h->component);
    ck_assert_int_eq(h->scan, 1);
    ck_assert_int_eq(z->scan, 1);
    ck_assert_int_eq(z->scan_step, 1);
    ck_assert_int_lt(z->id, h->id); /* h reads z at the same step */
}
END_TEST

START_TEST(recurrence_backward) {
    Node *h, *z;
    recurrence(-1, &h, &z);
    ck_assert_int_eq(h->scan, 1);
    ck_assert_int_eq(h->scan_step, -1);
    ck_assert_int_lt(z->id, h->id);
}
END_TEST

/* Two recurrences, one over the result of the other, with their steps on different axes. */
START_TEST(recurrences_are_kept_apart) {
    Node *a = comp("a", 6, 3), *b = comp("b", 3, 6);
    Expr *t = V(a->var[0]), *u = V(a->var[1]);
    a->guard = lt(N(0), t);
    a->body = add(read(a, e_offset(P, t, -1), u), F(1));
    a->init = F(0);
    u = V(b->var[0]), t = V(b->var[1]);
    b->guard = lt(N(1), t);
    b->body = add(read(b, u, e_offset(P, t, -2)), read(a, t, u));
    graph_output(G, "out", b);
    graph_sort(G);
    graph_verify(G, "test");
    ck_assert_int_eq(a->scan, 0);
    ck_assert_int_eq(b->scan, 1);
    ck_assert_int_ne(a->component, b->component);
}
END_TEST

START_TEST(cycles_without_an_axis_end) {
    Node *a = comp("a", 3), *b = copy_of("b", a);
    a->body = read(b, V(a->var[0]));
    graph_output(G, "out", b);
    graph_sort(G);
}
END_TEST

START_TEST(custom_derivatives_are_no_recurrence) {
    Node *x = input("x", 3), *y = copy_of("y", x);
    Expr *i = V(y->var[0]);
    y->n_custom = 1;
    y->custom = NEW(arena, Custom);
    y->custom[0] = (Custom){read(x, i), read(y, i)};
    graph_output(G, "out", y);
    graph_sort(G);
    ck_assert_int_eq(y->component, 0);
    graph_verify(G, "test");
}
END_TEST

START_TEST(prints_near_to_the_language) {
    Node *h, *z;
    recurrence(1, &h, &z);
    h->layer = "cell1";
    ck_assert_str_eq(printed(),
                     "graph train, batch 8\n"
                     "x[batch, 5, 4] is input   # f32\n"
                     "W[4, 4] is param \"W\"   # f32\n"
                     "z[n in batch, i < 5, j < 4] = x[n, i, j] + sum(v < 4) [1 <= i] W[j, v] * "
                     "h[n, i - 1, v]   # f32, recurrence 1 over i forward\n"
                     "h[n in batch, i < 5, j < 4] = tanh(z[n, i, j])"
                     "   # f32, recurrence 1 over i forward, cell1\n"
                     "output out = h\n");
}
END_TEST

/* --- what follows from what --- */

START_TEST(implications) {
    Var *y = var_new(P, "y", 10), *i = var_new(P, "i", 3), *a = var_new(P, "a", 40);
    Expr *pos = e_offset(P, add(e_scale(P, V(y), 2), V(i)), -1);
    Expr *inside = e_and(P, le(N(0), pos), lt(pos, N(19)));
    ck_assert(e_implies(P, inside, lt(pos, N(19))));
    ck_assert(e_implies(P, inside, le(N(-2), pos)));
    ck_assert(!e_implies(P, inside, lt(pos, N(18))));
    ck_assert(!e_implies(P, NULL, le(N(0), pos)));
    /* a = 2 y + i - 1 puts a below 19 once y is below 9 */
    Expr *same = e_op(P, OP_EQ, V(a), pos, NULL);
    ck_assert(e_implies(P, e_and(P, same, lt(V(y), N(9))), lt(V(a), N(19))));
    ck_assert(!e_implies(P, e_and(P, same, lt(V(y), N(9))), lt(V(a), N(17))));
    /* quotients */
    Expr *half = e_op(P, OP_IDIV, V(a), N(2), NULL);
    ck_assert(e_implies(P, lt(V(a), N(19)), lt(half, N(10))));
    ck_assert(e_implies(P, lt(half, V(y)), lt(V(a), e_scale(P, V(y), 2))));
    ck_assert(e_implies(P, lt(V(y), V(i)), e_op(P, OP_NE, V(i), N(0), NULL)));
    ck_assert(e_implies(P, e_bool(P, false), lt(V(y), N(0))));
}
END_TEST

/* --- the verifier --- */

static Node *wrong(void) {
    Node *x = input("x", 3), *n = comp("n", 3);
    n->body = read(x, V(n->var[0]));
    graph_output(G, "out", n);
    return n;
}

static void verify(void) {
    graph_sort(G);
    graph_verify(G, "test");
}

START_TEST(verifier_accepts_guarded_reads) {
    Node *n = wrong(), *x = G->inputs.at[0];
    Expr *i = V(n->var[0]), *past = e_offset(P, i, -1);
    n->body = e_select(P, lt(N(0), i), read(x, past), F(0));
    verify();
    n->body = e_select(P, le(i, N(0)), F(0), read(x, past));
    verify();
    n->body = read(x, e_offset(P, e_scale(P, i, 2), -1));
    n->guard = e_and(P, lt(N(0), i), lt(i, N(2)));
    verify();
    Node *label = graph_input(G, "label", T_I32, 0, NULL, false);
    n->guard = NULL;
    n->body = read(x, e_read(P, label, NULL, 0));
    verify();
}
END_TEST

enum Fault {
    OUT_OF_BOUNDS, BELOW, OTHER_ARM, GUARD_AFTER, FOREIGN_VARIABLE, RVAR_IN_INIT, WRONG_TYPE,
    NO_BODY, NOT_BATCHED, LEVELS, STALE_ID, LATER, SHAPE_OF_UPDATE, DOUBLE_OF_TENSOR, N_FAULTS
};

START_TEST(verifier_refuses) {
    Node *n = wrong(), *x = G->inputs.at[0];
    Expr *i = V(n->var[0]), *past = e_offset(P, i, -1);
    Stored *s = NEW(arena, Stored);
    *s = (Stored){.name = "W", .ident = "W", .rank = 1, .shape = {4}};
    verify();
    switch (_i) {
    case OUT_OF_BOUNDS: n->body = read(x, e_offset(P, i, 1)); break;
    case BELOW: n->body = read(x, past); break;
    case OTHER_ARM: n->body = e_select(P, lt(N(0), i), F(0), read(x, past)); break;
    case GUARD_AFTER:
        n->guard = e_and(P, lt(read(x, past), F(0)), lt(N(0), i));
        break;
    case FOREIGN_VARIABLE: n->body = read(x, V(var_new(P, "v", 3))); break;
    case RVAR_IN_INIT:
        n->reduce = REDUCE_SUM;
        n->n_rvars = 1;
        n->rvar = NEW(arena, Var *);
        n->rvar[0] = var_new(P, "v", 3);
        n->init = read(x, V(n->rvar[0]));
        break;
    case WRONG_TYPE: n->body = i; break;
    case NO_BODY: n->body = NULL; break;
    case NOT_BATCHED: n->batched = true; break;
    case LEVELS:
        n->reduce = REDUCE_SUM;
        n->n_rvars = n->n_levels = 1;
        n->rvar = NEW(arena, Var *);
        n->rvar[0] = var_new(P, "v", 3);
        n->levels = NEW(arena, Level);
        n->levels[0] = (Level){LEVEL_SEQ, n->rvar[0], 1, 2};
        break;
    case STALE_ID: n->id = 0; break;
    case LATER:
        G->nodes.at[0] = n;
        G->nodes.at[1] = x;
        n->id = 0;
        x->id = 1;
        break;
    case SHAPE_OF_UPDATE: graph_update(G, s, n); break;
    case DOUBLE_OF_TENSOR: {
        Node *label = graph_input(G, "label", T_I32, 0, NULL, false);
        Expr *d = e_op(P, OP_DOUBLE, e_read(P, label, NULL, 0), NULL, NULL);
        n->body = e_op(P, OP_ROUND, d, NULL, NULL);
        graph_sort(G);
        break;
    }
    }
    graph_verify(G, "test");
}
END_TEST

START_TEST(prints_programs) {
    wrong();
    verify();
    Text t = {.arena = arena};
    program_print(&t, program);
    ck_assert_ptr_nonnull(strstr(t.at, "program test\n"));
    ck_assert_ptr_nonnull(strstr(t.at, "n[i < 3] = x[i]   # f32\n"));
}
END_TEST

int main(void) {
    Suite *s = suite_create("graph");
    TCase *t = tcase_create("graph");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, names_are_unique_identifiers);
    tcase_add_test(t, reads_are_found_once);
    tcase_add_test(t, sort_orders_and_drops);
    tcase_add_test(t, sort_is_stable);
    tcase_add_test(t, recurrence_forward);
    tcase_add_test(t, recurrence_backward);
    tcase_add_test(t, recurrences_are_kept_apart);
    tcase_add_test_raise_signal(t, cycles_without_an_axis_end, SIGABRT);
    tcase_add_test(t, custom_derivatives_are_no_recurrence);
    tcase_add_test(t, prints_near_to_the_language);
    tcase_add_test(t, prints_programs);
    tcase_add_test(t, implications);
    tcase_add_test(t, verifier_accepts_guarded_reads);
    tcase_add_loop_test_raise_signal(t, verifier_refuses, SIGABRT, 0, N_FAULTS);
    suite_add_tcase(s, t);
    SRunner *run = srunner_create(s);
    srunner_run_all(run, CK_NORMAL);
    int failed = srunner_ntests_failed(run);
    srunner_free(run);
    return failed != 0;
}
