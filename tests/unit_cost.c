/* unit_cost.c: what the cost model says of schedules written by hand: operations and bytes that can
 * be counted on paper, and which of two schedules is the slower one where that is beyond doubt;
 * and what is tried to find faster ones.
 */
#include "cost.h"
#include "diag.h"
#include "nets.h"
#include "passes.h"
#include "tune_parts.h"
#include <check.h>
#include <math.h>
#include <stdlib.h>

static const Target *target;

/* x[64, 96] -> z[64, 128] = sum over f of W[u, f] * x[n, f]; nothing else. */
static void product(void) {
    nets_begin(64);
    Node *x = given("x", 64, 96), *W = param("W", 128, 96), *z = samples("z", 64, 128);
    Expr *f = over(z, "f", 96);
    z->body = mul(at(W, var(z, 1), f), at(x, var(z, 0), f));
    graph_output(G, "o0", z);
}

/* y[64, 4096] = x + 1 */
static void sum_with_one(void) {
    nets_begin(64);
    Node *x = given("x", 64, 4096), *y = samples("y", 64, 4096);
    y->body = add(same(y, x), num(1));
    graph_output(G, "o0", y);
}

static void setup(void) { target = target_find("x86-64-v4"); }

/* The cost of the only kernel of the network that `make` makes, by this text. */
static KernelCost cost_by(void (*make)(void), const char *text) {
    make();
    graph_sort(G);
    order(G);
    Layouts *l = layouts_new(program);
    Schedule *parsed[5] = {NULL};
    Diags *d = diags_new(arena);
    Text wrong = {.arena = arena};
    bool good = schedule_parse(program, target, "test", arena_printf(arena, "function train\n%s",
                                                                     text), l, parsed, d);
    diags_print(&wrong, d);
    ck_assert_msg(good, "%s", wrong.at);
    layouts_close(l);
    LoopFunction *f = lower(parsed[2], l);
    plan(f);
    ck_assert_int_eq(f->routines.n, 1);
    KernelCost *k = cost_of(arena, f);
    ck_assert(isfinite(k->seconds) && k->seconds > 0);
    KernelCost copy = *k;
    copy.tile = strdup(k->tile);
    nets_end();
    return copy;
}

static double seconds(void (*make)(void), const char *text) {
    KernelCost k = cost_by(make, text);
    free((void *)k.tile);
    return k.seconds;
}

#define TILE "layout W 1 0\nkernel z { for i 32  for n 8  for f  unroll n  lane i }\n"

START_TEST(operations_of_a_product) {
    KernelCost k = cost_by(product, TILE);
    ck_assert_double_eq(k.executed, 2.0 * 64 * 128 * 96);
    ck_assert_double_eq(k.bytes, 4.0 * (64 * 96 + 128 * 96 + 64 * 128));
    ck_assert_str_eq(k.tile, "n 8, v 2, 16 lanes");
    free((void *)k.tile);
}
END_TEST

START_TEST(operations_of_padding) { /* 128 units in vectors of 48: three are 144 */
    KernelCost k = cost_by(product, "layout W 1 0:144\n"
                                    "kernel z { for n 8  for f  for i  unroll n }\n");
    ck_assert_double_eq(k.executed, 2.0 * 64 * 128 * 96);
    free((void *)k.tile);
}
END_TEST

START_TEST(operations_of_a_sum) {
    KernelCost k = cost_by(sum_with_one, "kernel y { for n  for i  lane i }\n");
    ck_assert_double_eq(k.executed, 64 * 4096);
    ck_assert_double_eq(k.bytes, 2 * 4.0 * 64 * 4096);
    for (int i = 0; i < 1; i++) ck_assert_double_eq(k.moved[i], k.bytes);
    free((void *)k.tile);
}
END_TEST

/* Each pair: the first is faster, by at least the factor. */
typedef struct Pair {
    const char *why;
    void (*make)(void);
    const char *faster, *slower;
    double factor;
} Pair;

static const Pair pairs[] = {
    {"a tile serves each value that is loaded several times", product, TILE,
     "layout W 1 0\nkernel z { for i 16  for n  for f  lane i }\n", 2},
    {"two accumulators wait for each other's sums", product, TILE,
     "layout W 1 0\nkernel z { for i 16  for n 2  for f  unroll n  lane i }\n", 1.3},
    {"sixty-four accumulators are no registers", product, TILE,
     "layout W 1 0\nkernel z { for i 64  for n 16  for f  unroll n  lane i }\n", 1.03},
    {"vectors are gathered from storage in the wrong order", product, TILE,
     "layout W 0 1\nkernel z { for i 32  for n 8  for f  unroll n  lane i }\n", 2},
    {"accumulators that a loop chooses are in memory", product, TILE,
     "layout W 1 0\nkernel z { for i 32  for n 32  for f  for n  lane i }\n", 1.3},
    {"one element at a time", product, TILE,
     "layout W 1 0\nkernel z { for i 32  for n 8  for f  unroll n }\n", 4},
    {"each line comes in for one element", sum_with_one, "kernel y { for n  for i  lane i }\n",
     "kernel y { for n 16  for i  lane n }\n", 2},
};

START_TEST(the_faster_of_two) {
    const Pair *p = &pairs[_i];
    double faster = seconds(p->make, p->faster), slower = seconds(p->make, p->slower);
    ck_assert_msg(slower >= p->factor * faster, "%s: %.3g s and %.3g s", p->why, faster, slower);
}
END_TEST

START_TEST(narrower_vectors_do_no_more) {
    double wide = seconds(product, TILE);
    target = target_find("x86-64-v3");
    double narrow = seconds(product, "layout W 1 0\n"
                                     "kernel z { for i 16  for n 8  for f  unroll n  lane i }\n");
    ck_assert(narrow >= 0.9 * wide && narrow < 2 * wide);
    target = target_find("generic");
    ck_assert(seconds(product, "kernel z { for n 2  for i 2  for f  unroll n  unroll i }\n") >
              4 * narrow);
}
END_TEST

/* --- what --tune tries --- */

START_TEST(neighbors_of_a_schedule) {
    product();
    graph_sort(G);
    order(G);
    Layouts *l = layouts_new(program);
    Schedule *parsed[5] = {NULL};
    Diags *d = diags_new(arena);
    ck_assert(schedule_parse(program, target, "test", "function train\n" TILE, l, parsed, d));
    layouts_close(l);
    Candidates found = {0};
    const Node *z = G->output[0].node;
    uint64_t own = candidate_of(arena, parsed[2], l, z).hash;
    tune_neighbors(arena, parsed[2], l, z, &found);
    ck_assert_int_ge(found.n, 10);
    int itself = 0, other_tiles = 0;
    for (int i = 0; i < found.n; i++) {
        const Candidate *c = &found.at[i];
        loop_verify(c->function, "tune");
        itself += c->hash == own;
        other_tiles += c->schedule->of[z->id]->loops.at[1].step != 8;
        ck_assert(i == 0 || c->predicted >= found.at[i - 1].predicted);
        for (int k = 0; k < i; k++) ck_assert(c->hash != found.at[k].hash);
    }
    ck_assert_int_eq(itself, 1);
    ck_assert_int_ge(other_tiles, 3);
    ck_assert_int_eq(parsed[2]->of[z->id]->loops.at[1].step, 8); /* is as it was */
    nets_end();
}
END_TEST

int main(void) {
    Suite *s = suite_create("cost");
    TCase *t = tcase_create("cost");
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, operations_of_a_product);
    tcase_add_test(t, operations_of_padding);
    tcase_add_test(t, operations_of_a_sum);
    tcase_add_loop_test(t, the_faster_of_two, 0, COUNT_OF(pairs));
    tcase_add_test(t, narrower_vectors_do_no_more);
    tcase_add_test(t, neighbors_of_a_schedule);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
