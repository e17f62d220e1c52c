/* unit_expr.c: the constructors of expressions: canonical forms, ranges, division, logic. */
#include "expr.h"
#include "graph.h"
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static Arena *arena;
static Pool *P;
static Var *q, *r, *i, *v;

static void setup(void) {
    arena = arena_new();
    P = pool_new(arena);
    q = var_new(P, "q", 10);
    r = var_new(P, "r", 4);
    i = var_new(P, "i", 5);
    v = var_new(P, "v", 784);
    e_var(P, q); /* the order in which sums are written */
    e_var(P, r);
}

static void teardown(void) { arena_free(arena); }

static Expr *V(Var *x) { return e_var(P, x); }
static Expr *N(long x) { return e_int(P, x); }
static Expr *add(Expr *a, Expr *b) { return e_add(P, a, b); }
static Expr *sub(Expr *a, Expr *b) { return e_sub(P, a, b); }
static Expr *mul(long c, Expr *a) { return e_scale(P, a, c); }
static Expr *bin(Op op, Expr *a, Expr *b) { return e_op(P, op, a, b, NULL); }
static Expr *dv(Expr *a, long m) { return bin(OP_IDIV, a, N(m)); }
static Expr *md(Expr *a, long m) { return bin(OP_IMOD, a, N(m)); }
static Expr *lt(Expr *a, Expr *b) { return bin(OP_LT, a, b); }
static Expr *le(Expr *a, Expr *b) { return bin(OP_LE, a, b); }
static Expr *eq(Expr *a, Expr *b) { return bin(OP_EQ, a, b); }

static const char *text(Expr *e) {
    Text t = {.arena = arena};
    e_print(&t, e);
    return t.at;
}
#define says(e, expected) ck_assert_str_eq(text(e), expected)

START_TEST(sums_are_canonical) {
    ck_assert_ptr_eq(add(V(q), V(r)), add(V(r), V(q)));
    ck_assert_ptr_eq(sub(add(mul(3, V(q)), V(r)), mul(3, V(q))), V(r));
    ck_assert_ptr_eq(sub(V(q), V(q)), N(0));
    ck_assert_ptr_eq(e_mul(P, N(2), add(V(q), N(3))), add(add(V(q), N(6)), V(q)));
    ck_assert_ptr_eq(add(V(q), N(0)), V(q));
    ck_assert_int_eq(add(V(q), N(1))->op, OP_LIN);
    ck_assert_ptr_eq(e_op(P, OP_NEG, sub(V(q), N(1)), NULL, NULL), sub(N(1), V(q)));
    says(sub(add(mul(2, V(q)), V(r)), N(1)), "2*q + r - 1");
    says(sub(N(3), V(q)), "3 - q");
}
END_TEST

START_TEST(division_takes_out_multiples) {
    ck_assert_ptr_eq(dv(add(mul(4, V(q)), V(r)), 4), V(q));
    ck_assert_ptr_eq(md(add(mul(4, V(q)), V(r)), 4), V(r));
    ck_assert_ptr_eq(dv(add(mul(4, V(q)), sub(V(r), N(4))), 4), sub(V(q), N(1)));
    ck_assert_ptr_eq(dv(sub(N(3), V(r)), 4), N(0));
    ck_assert_ptr_eq(md(sub(N(3), V(r)), 4), sub(N(3), V(r)));
    ck_assert_ptr_eq(dv(add(mul(6, V(q)), mul(2, V(i))), 4), dv(add(mul(3, V(q)), V(i)), 2));
    ck_assert_ptr_eq(dv(add(mul(8, V(q)), V(r)), 16), dv(V(q), 2));
    ck_assert_ptr_eq(md(add(mul(8, V(q)), V(r)), 16), add(mul(8, md(V(q), 2)), V(r)));
    ck_assert_ptr_eq(dv(V(v), 1), V(v));
    ck_assert_ptr_eq(md(V(v), 1), N(0));
    ck_assert_ptr_eq(dv(V(v), 784), N(0));
    ck_assert_ptr_eq(dv(N(-7), 4), N(-2));
    ck_assert_ptr_eq(md(N(-7), 4), N(1));
}
END_TEST

START_TEST(division_of_divisions) {
    ck_assert_ptr_eq(dv(dv(V(v), 7), 4), dv(V(v), 28));
    ck_assert_ptr_eq(md(md(V(v), 28), 7), md(V(v), 7));
    ck_assert_ptr_eq(dv(md(V(v), 28), 7), md(dv(V(v), 7), 4));
    ck_assert_ptr_eq(add(mul(28, dv(V(v), 28)), md(V(v), 28)), V(v));
    Expr *three = add(add(mul(112, dv(V(v), 112)), mul(28, md(dv(V(v), 28), 4))), md(V(v), 28));
    ck_assert_ptr_eq(three, V(v));
    ck_assert_ptr_eq(sub(V(v), mul(28, dv(V(v), 28))), md(V(v), 28));
    Expr *x = add(add(mul(28, V(q)), mul(4, V(i))), V(r));
    ck_assert_ptr_eq(dv(md(x, 28), 4), V(i));
}
END_TEST

START_TEST(extent_one_is_a_constant) {
    Var *one = var_new(P, "one", 1), *three = var_range(P, "three", 3, 3);
    ck_assert_ptr_eq(V(one), N(0));
    ck_assert_ptr_eq(V(three), N(3));
}
END_TEST

START_TEST(ranges) {
    long lo, hi;
    ck_assert(e_range(sub(add(mul(2, V(q)), V(r)), mul(3, V(i))), &lo, &hi));
    ck_assert_int_eq(lo, -12);
    ck_assert_int_eq(hi, 21);
    ck_assert(e_range(dv(sub(V(q), N(3)), 4), &lo, &hi));
    ck_assert_int_eq(lo, -1);
    ck_assert_int_eq(hi, 1);
    ck_assert(e_range(md(V(v), 5), &lo, &hi));
    ck_assert_int_eq(lo, 0);
    ck_assert_int_eq(hi, 4);
    ck_assert(e_range(e_host(P, HOST_COUNT), &lo, &hi));
    ck_assert_int_eq(lo, 1);
    ck_assert_int_eq(hi, INT32_MAX);
    Node *n = NEW(arena, Node);
    n->type = T_I32;
    n->name = "label";
    ck_assert(!e_range(e_read(P, n, NULL, 0), &lo, &hi));
    Expr *clamped = bin(OP_MIN, bin(OP_MAX, e_read(P, n, NULL, 0), N(0)), N(9));
    ck_assert(e_range(clamped, &lo, &hi));
    ck_assert_int_eq(lo, 0);
    ck_assert_int_eq(hi, 9);
}
END_TEST

START_TEST(comparisons_are_decided) {
    ck_assert(is_true(lt(V(q), N(10))));
    ck_assert(is_false(lt(V(q), N(0))));
    ck_assert(is_true(le(N(0), add(V(q), V(r)))));
    ck_assert(is_true(lt(V(q), add(V(q), N(1)))));
    ck_assert(is_false(eq(add(mul(2, V(q)), N(3)), mul(4, V(r)))));
    ck_assert(is_false(eq(md(add(mul(2, V(q)), N(3)), 2), N(0))));
    ck_assert(is_true(eq(md(add(mul(2, V(q)), N(4)), 2), N(0))));
    ck_assert(is_true(bin(OP_NE, md(V(v), 3), N(3))));
    ck_assert(is_false(eq(V(q), N(10))));
}
END_TEST

START_TEST(comparisons_have_one_form) {
    ck_assert_ptr_eq(lt(V(q), V(r)), le(add(V(q), N(1)), V(r)));
    ck_assert_ptr_eq(le(N(1), add(V(q), V(r))), lt(N(0), add(V(r), V(q))));
    ck_assert_ptr_eq(lt(mul(2, V(q)), N(5)), lt(V(q), N(3)));
    ck_assert_ptr_eq(eq(mul(2, V(q)), mul(2, V(r))), eq(V(r), V(q)));
    ck_assert_ptr_eq(lt(dv(V(v), 28), N(3)), lt(V(v), N(84)));
    ck_assert_ptr_eq(le(N(3), dv(V(v), 28)), le(N(84), V(v)));
    says(lt(sub(add(mul(2, V(q)), V(r)), N(1)), N(20)), "2*q + r < 21");
    says(le(N(0), sub(V(q), N(2))), "2 <= q");
    says(lt(V(q), V(v)), "q < v");
    says(le(V(q), V(v)), "q <= v");
    says(lt(add(V(q), N(4)), V(v)), "q + 4 < v");
}
END_TEST

static bool holds(Expr *e, long a, long b) {
    e = e_subst1(P, e_subst1(P, e, q, N(a)), r, N(b));
    ck_assert(is_true(e) || is_false(e));
    return is_true(e);
}

START_TEST(comparisons_mean_what_they_did) {
    static const Op ops[] = {OP_LT, OP_LE, OP_EQ, OP_NE};
    for (int trial = 0; trial < 2000; trial++) {
        long c[6];
        for (int j = 0; j < 6; j++) c[j] = rand() % 9 - 4;
        Op op = ops[trial % 4];
        Expr *a = add(add(mul(c[0], V(q)), mul(c[1], V(r))), N(c[2]));
        Expr *b = add(add(mul(c[3], V(q)), mul(c[4], V(r))), N(c[5]));
        if (trial & 16) a = dv(a, 3);
        Expr *e = bin(op, a, b), *not = e_op(P, OP_NOT, e, NULL, NULL);
        for (long x = 0; x < 10; x++) {
            for (long y = 0; y < 4; y++) {
                long l = c[0] * x + c[1] * y + c[2], m = c[3] * x + c[4] * y + c[5];
                if (trial & 16) l = (long)floor((double)l / 3);
                bool want = op == OP_LT ? l < m : op == OP_LE ? l <= m : op == OP_EQ ? l == m
                                                                                  : l != m;
                ck_assert_int_eq(holds(e, x, y), want);
                ck_assert_int_eq(holds(not, x, y), !want);
            }
        }
    }
}
END_TEST

/* A random index expression and its value, computed apart. */
typedef struct Both {
    Expr *e;
    long at[10 * 4 * 5];
} Both;

static void random_index(Both *b, int depth) {
    Both x, y;
    long c = rand() % 12 + 1;
    int kind = depth ? rand() % 6 : rand() % 2 + 6, n = COUNT_OF(b->at);
    if (kind < 6) random_index(&x, depth - 1);
    if (kind < 2) random_index(&y, depth - 1);
    switch (kind) {
    case 0: b->e = add(x.e, y.e); break;
    case 1: b->e = sub(x.e, y.e); break;
    case 2: b->e = mul(c - 6, x.e); break;
    case 3: b->e = dv(x.e, c); break;
    case 4: b->e = md(x.e, c); break;
    case 5: b->e = add(x.e, N(c - 6)); break;
    case 6: b->e = V(c % 3 == 0 ? q : c % 3 == 1 ? r : i); break;
    default: b->e = N(c); break;
    }
    for (int j = 0; j < n; j++) {
        long vq = j / 20, vr = j / 5 % 4, vi = j % 5;
        long l = kind < 6 ? x.at[j] : 0, m = kind < 2 ? y.at[j] : 0;
        long f = (long)floor((double)l / (double)c);
        long leaf = c % 3 == 0 ? vq : c % 3 == 1 ? vr : vi;
        long value[] = {l + m, l - m, (c - 6) * l, f, l - c * f, l + c - 6, leaf, c};
        b->at[j] = value[kind];
    }
}

START_TEST(random_indices_keep_their_values) {
    srand(1);
    for (int trial = 0; trial < 800; trial++) {
        Both b;
        random_index(&b, 1 + trial % 5);
        long lo, hi;
        ck_assert(e_range(b.e, &lo, &hi));
        for (int j = 0; j < COUNT_OF(b.at); j++) {
            Map *at = map_new(arena);
            map_set(at, q, N(j / 20));
            map_set(at, r, N(j / 5 % 4));
            map_set(at, i, N(j % 5));
            Expr *e = e_subst(P, b.e, at);
            ck_assert_msg(is_int(e, b.at[j]), "%s", text(b.e));
            ck_assert_msg(lo <= b.at[j] && b.at[j] <= hi, "range of %s", text(b.e));
        }
    }
}
END_TEST

START_TEST(conjunctions) {
    Expr *a = lt(V(q), N(7)), *b = le(N(2), V(q)), *c = eq(V(r), N(1));
    ck_assert_ptr_eq(e_and(P, a, a), a);
    ck_assert_ptr_eq(e_and(P, NULL, a), a);
    ck_assert_ptr_eq(e_and(P, a, e_bool(P, true)), a);
    ck_assert(is_false(e_and(P, a, e_bool(P, false))));
    ck_assert(is_false(e_and(P, a, e_op(P, OP_NOT, a, NULL, NULL))));
    ck_assert_ptr_eq(e_and(P, e_and(P, a, c), e_and(P, c, a)), e_and(P, a, c));
    ck_assert_ptr_eq(e_and(P, a, lt(V(q), N(5))), lt(V(q), N(5)));
    ck_assert_ptr_eq(e_and(P, lt(V(q), N(5)), a), lt(V(q), N(5)));
    ck_assert(is_false(e_and(P, a, le(N(7), V(q)))));
    ck_assert_ptr_eq(e_and(P, a, eq(V(q), N(3))), eq(V(q), N(3)));
    ck_assert(is_false(e_and(P, b, eq(V(q), N(1)))));
    says(e_and(P, a, b), "q < 7 and 2 <= q");
    Expr **part;
    ck_assert_int_eq(e_conjuncts(arena, e_and(P, e_and(P, a, b), c), &part), 3);
    ck_assert_ptr_eq(part[2], c);
    ck_assert_int_eq(e_conjuncts(arena, NULL, &part), 0);
}
END_TEST

START_TEST(disjunctions_and_not) {
    Expr *a = lt(V(q), N(7)), *c = eq(V(r), N(1));
    Expr *not_a = e_op(P, OP_NOT, a, NULL, NULL), *not_c = e_op(P, OP_NOT, c, NULL, NULL);
    ck_assert_ptr_eq(not_a, le(N(7), V(q)));
    ck_assert_int_eq(not_c->op, OP_NE);
    ck_assert_ptr_eq(e_op(P, OP_NOT, not_c, NULL, NULL), c);
    ck_assert(is_true(bin(OP_OR, a, not_a)));
    ck_assert_ptr_eq(bin(OP_OR, a, a), a);
    ck_assert_ptr_eq(bin(OP_OR, e_bool(P, false), a), a);
    ck_assert_ptr_eq(e_op(P, OP_NOT, bin(OP_OR, a, c), NULL, NULL), e_and(P, not_a, not_c));
}
END_TEST

static Expr *f32(double x) { return e_num(P, T_F32, x); }
static Expr *f64(double x) { return e_num(P, T_F64, x); }

START_TEST(floats_fold_only_where_exact) {
    Node *n = NEW(arena, Node);
    n->type = T_F32;
    n->name = "x";
    Expr *x = e_read(P, n, NULL, 0);
    ck_assert_ptr_eq(e_mul(P, x, f32(1)), x);
    ck_assert_ptr_eq(bin(OP_DIV, x, f32(1)), x);
    Expr *neg = e_op(P, OP_NEG, x, NULL, NULL);
    ck_assert_ptr_eq(e_op(P, OP_NEG, neg, NULL, NULL), x);
    ck_assert_int_eq(add(x, f32(0))->op, OP_ADD);
    ck_assert_int_eq(e_mul(P, x, f32(0))->op, OP_MUL);
    ck_assert_int_eq(add(f32(1), f32(2))->op, OP_ADD);
    ck_assert_ptr_eq(add(f64(1), f64(2)), f64(3));
    ck_assert_ptr_eq(e_op(P, OP_ROUND, f64(0.1), NULL, NULL), f32(0.1));
    ck_assert_ptr_eq(e_op(P, OP_FLOAT, N(3), NULL, NULL), f32(3));
    ck_assert_ptr_ne(f64(0.0), f64(-0.0));
    ck_assert_ptr_eq(f64(NAN), f64(NAN));
    Expr *c = lt(x, f32(0)), *not = e_op(P, OP_NOT, c, NULL, NULL);
    ck_assert_int_eq(not->op, OP_NOT); /* of a NaN neither x < 0 nor 0 <= x holds */
    ck_assert_ptr_eq(e_select(P, not, x, neg), e_select(P, c, neg, x));
    ck_assert_ptr_eq(e_select(P, e_bool(P, true), x, neg), x);
    ck_assert_ptr_eq(e_select(P, c, x, x), x);
    says(e_mul(P, add(x, f32(0.1)), neg), "(x + 0.1) * -x");
    says(sub(x, sub(x, f32(2))), "x - (x - 2.0)");
}
END_TEST

START_TEST(substitution_decides) {
    Expr *e = e_select(P, lt(add(V(q), V(r)), N(3)), f32(1), f32(2));
    ck_assert_int_eq(e->op, OP_SELECT);
    ck_assert_ptr_eq(e_subst1(P, e, q, N(5)), f32(2));
    ck_assert_ptr_eq(e_subst1(P, e, i, N(5)), e);
    /* at once, not one after the other */
    Map *swap = map_new(arena);
    map_set(swap, q, V(r));
    map_set(swap, r, V(q));
    ck_assert_ptr_eq(e_subst(P, sub(V(q), V(r)), swap), sub(V(r), V(q)));
    ck_assert_ptr_eq(e_subst1(P, V(q), q, add(V(q), N(1))), add(V(q), N(1)));
}
END_TEST

START_TEST(affine) {
    long c;
    Expr *rest;
    ck_assert(e_affine(P, sub(add(mul(2, V(q)), V(r)), N(1)), q, &c, &rest));
    ck_assert_int_eq(c, 2);
    ck_assert_ptr_eq(rest, sub(V(r), N(1)));
    ck_assert(e_affine(P, dv(V(v), 3), q, &c, &rest));
    ck_assert_int_eq(c, 0);
    ck_assert_ptr_eq(rest, dv(V(v), 3));
    ck_assert(!e_affine(P, add(V(v), dv(V(v), 3)), v, &c, &rest));
    ck_assert(e_uses(dv(V(v), 3), v));
    ck_assert(!e_uses(dv(V(v), 3), q));
}
END_TEST

static void count(void *context, Expr *e) { ++*(int *)context; }

START_TEST(walks_meet_each_part_once) {
    Expr *e = e_op(P, OP_DOUBLE, V(q), NULL, NULL);
    for (int k = 0; k < 200; k++) e = add(e, e_mul(P, e, e)); /* 3^200 paths */
    int n = 0;
    e_visit(e, count, &n);
    ck_assert_int_eq(n, 402);
    Expr *other = e_subst1(P, e, q, V(r));
    ck_assert(e_uses(other, r) && !e_uses(other, q));
}
END_TEST

START_TEST(large_expressions_print_parts_once) {
    Expr *x = e_num(P, T_F64, 3), *e = e_host(P, HOST_STEP);
    for (int i = 0; i < 40; i++) e = e_add(P, e_mul(P, e, e), x);
    const char *shown = text(e);
    ck_assert_uint_lt(strlen(shown), 2500);
    ck_assert_msg(strstr(shown, "$39 * $39 + 3.0\n        where $1 = step * step + 3.0\n") != NULL,
                  "%s", shown);
    Expr *small = e_add(P, e_mul(P, x, e_host(P, HOST_STEP)), e_mul(P, x, e_host(P, HOST_STEP)));
    ck_assert_ptr_null(strchr(text(small), '$'));
}
END_TEST

int main(void) {
    Suite *s = suite_create("expr");
    TCase *t = tcase_create("expr");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, sums_are_canonical);
    tcase_add_test(t, division_takes_out_multiples);
    tcase_add_test(t, division_of_divisions);
    tcase_add_test(t, extent_one_is_a_constant);
    tcase_add_test(t, ranges);
    tcase_add_test(t, comparisons_are_decided);
    tcase_add_test(t, comparisons_have_one_form);
    tcase_add_test(t, comparisons_mean_what_they_did);
    tcase_add_test(t, random_indices_keep_their_values);
    tcase_add_test(t, conjunctions);
    tcase_add_test(t, disjunctions_and_not);
    tcase_add_test(t, floats_fold_only_where_exact);
    tcase_add_test(t, substitution_decides);
    tcase_add_test(t, affine);
    tcase_add_test(t, walks_meet_each_part_once);
    tcase_add_test(t, large_expressions_print_parts_once);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    SRunner *run = srunner_create(s);
    srunner_run_all(run, CK_NORMAL);
    int failed = srunner_ntests_failed(run);
    srunner_free(run);
    return failed != 0;
}
