/* unit_schedule.c: schedules as text: what it says, what it leaves out, what is wrong with it. */
#include "diag.h"
#include "nets.h"
#include "passes.h"
#include "random_graph.h"
#include "random_schedule.h"
#include <check.h>
#include <stdlib.h>

/* --- the functions that are scheduled --- */

static Layouts *layouts;
static Schedule *schedule;
static Text messages;

static Node *node(const char *name) { return numeric_node(G, name); }

static NodeSchedule *of(const char *name) { return schedule_of(schedule, node(name)); }

static void ready(void) {
    graph_sort(G);
    order(G);
    graph_verify(G, "test");
    layouts = layouts_new(program);
    layouts_close(layouts);
}

/* x[40, 20] -> z = b1 + W1 x -> h = max(0, z) -> y = b2 + W2 h; d[40, 12], arg and mean of h; W1
 * takes a step along g. */
static void perceptron(void) {
    nets_begin(40);
    Node *x = given("x", 40, 20), *z = dense(x, "W1", "b1", 12), *h = like("h", z);
    h->body = op2(OP_MAX, num(0), same(h, z));
    Node *y = dense(h, "W2", "b2", 10), *W1 = z->body->arg[0]->node;
    y->name = "y";
    Node *d = like("d", h);
    d->body = add(same(d, h), mul(same(d, h), num(0.5)));
    Node *g = tensor("g", 12, 20);
    Expr *m = over_batch(g);
    g->body = mul(at(d, m, var(g, 0)), at(x, m, var(g, 1)));
    Node *next = tensor("next", 12, 20);
    next->body = sub(same(next, W1), same(next, g));
    Node *arg = graph_comp(G, "arg", T_I32, 1, SHAPE(40), true);
    arg->reduce = REDUCE_ARGMAX;
    arg->body = at(h, var(arg, 0), over(arg, "k", 12));
    Node *mean = graph_comp(G, "mean", T_F32, 0, NULL, false);
    Expr *n = over_batch(mean), *i = over(mean, "i", 12);
    mean->body = at(h, n, i);
    graph_output(G, "o0", y);
    graph_output(G, "o1", arg);
    graph_output(G, "o2", mean);
    graph_update(G, W1->stored, next);
    ready();
}

/* h[n, t, u] = tanh(more) over 6 steps; the last one's is the output. */
static void recurrence(void) {
    nets_begin(20);
    Node *h = rnn(given("x", 20, 6, 5), 8, false);
    Node *out = samples("out", 20, 8);
    out->body = at(h, var(out, 0), integer(5), var(out, 1));
    graph_output(G, "o0", out);
    ready();
}

static bool parse(const char *text) {
    Schedule *by_function[5] = {NULL};
    Diags *d = diags_new(arena);
    messages = (Text){.arena = arena};
    const Target *target = target_find("x86-64-v3");
    bool good = schedule_parse(program, target, "s", text, layouts, by_function, d);
    diags_print(&messages, d);
    text_add(&messages, "%s", "");
    schedule = by_function[2];
    ck_assert_int_eq(good, diags_errors(d) == 0);
    return good;
}

static const char *printed(void) {
    Text t = {.arena = arena};
    schedule_print(&t, schedule, layouts);
    return t.at;
}

static void must_parse(const char *text) {
    bool good = parse(text);
    ck_assert_msg(good, "%s", messages.at);
    ck_assert_ptr_nonnull(schedule);
}

/* --- what the text says --- */

START_TEST(a_text_is_read_and_printed) {
    static const char text[] = "function train\n"
                               "layout W1 0/4 1 0%4\n"
                               "layout b1 0:16\n"
                               "layout W2 0 1:16\n"
                               "layout b2 0:16\n"
                               "copy x_t = x for z\n"
                               "layout x_t 0/16 1 0%16\n"
                               "layout z 0 1:24\n"
                               "layout h 1 0:48\n"
                               "inline d\n"
                               "kernel x_t\n"
                               "loop n 8 parallel {\n"
                               "  kernel h {\n"
                               "    for z.f 7 peel\n"
                               "    for i 8\n"
                               "    at z store {\n"
                               "      unroll n 4\n"
                               "      for f\n"
                               "      lane i\n"
                               "    }\n"
                               "    lane i\n"
                               "  }\n"
                               "  kernel y {\n"
                               "    for i+f\n"
                               "    for n\n"
                               "  }\n"
                               "}\n"
                               "kernel arg\n"
                               "kernel mean {\n"
                               "  for m 16\n"
                               "  for i\n"
                               "  lane m\n"
                               "}\n"
                               "kernel next {\n"
                               "  parallel i 3\n"
                               "  at g {\n"
                               "    for m\n"
                               "    lane j\n"
                               "  }\n"
                               "}\n";
    perceptron();
    must_parse(text);
    ck_assert_str_eq(printed(), text);
    NodeSchedule *h = of("h"), *z = of("z");
    ck_assert_int_eq(schedule->items.n, 5);
    ck_assert(schedule->items.at[1]->parallel && schedule->items.at[1]->step == 8);
    ck_assert_int_eq(h->loops.n, 3);
    ck_assert_ptr_eq(h->loops.at[0].node, node("z"));
    ck_assert_ptr_eq(h->loops.at[0].var, node("z")->rvar[0]);
    ck_assert_int_eq(h->loops.at[0].step, 7);
    ck_assert(h->loops.at[0].peel && !h->loops.at[1].peel);
    ck_assert_int_eq(h->loops.at[2].kind, LOOP_LANE);
    ck_assert_ptr_eq(z->host, h);
    ck_assert(z->place == PLACE_ATTACHED && z->depth == 2 && z->stored);
    ck_assert_int_eq(of("d")->place, PLACE_INLINE);
    ck_assert_ptr_eq(of("y")->loops.at[0].skew, node("y")->rvar[0]);
    ck_assert_int_eq(h->layout.piece[0].axis, 1);
    ck_assert_int_eq(h->layout.piece[1].count, 48);
    ck_assert_int_eq(h->layout.size, 12 * 48);
    Layout *w = &layouts->stored[stored_number(program, node("W1")->stored)];
    ck_assert(w->n == 3 && w->piece[0].stride == 80 && w->piece[1].stride == 4);
    /* the copy: z reads it, g still reads x; it is there the second time, and stays what it is */
    ck_assert(node("z")->body->arg[1]->node == node("x_t"));
    ck_assert(node("g")->body->arg[1]->node == node("x"));
    must_parse(text);
    ck_assert_str_eq(printed(), text);
    nets_end();
}
END_TEST

START_TEST(a_copy_for_all_is_read_by_all) {
    perceptron();
    must_parse("function train copy x16 of x\nlayout x16 1 0");
    ck_assert(node("z")->body->arg[1]->node == node("x16"));
    ck_assert(node("g")->body->arg[1]->node == node("x16"));
    ck_assert_ptr_nonnull(strstr(printed(), "copy x16 = x\n"));
    nets_end();
}
END_TEST

START_TEST(what_is_left_out_is_put_in) {
    perceptron();
    must_parse("function train\ninline d");
    const char *text = printed();
    ck_assert_ptr_nonnull(strstr(text, "kernel z\nkernel h\nkernel y\nkernel g\nkernel arg\n"));
    /* the update comes last, behind all that read the old value */
    ck_assert(!strcmp(text + strlen(text) - strlen("kernel next\n"), "kernel next\n"));
    must_parse("function train\nloop n 8 { kernel h kernel y }");
    ck_assert_ptr_nonnull(strstr(printed(), "loop n 8 {\n  kernel z\n  kernel h\n  kernel y\n}"));
    must_parse("function train\nkernel g { at d }");
    ck_assert_ptr_nonnull(strstr(printed(), "\nkernel g {\n  at d\n}\n"));
    nets_end();
}
END_TEST

START_TEST(recurrences_get_scans) {
    recurrence();
    must_parse("function train\ninline before");
    ck_assert_ptr_nonnull(strstr(printed(), "kernel z\nscan t {\n  kernel more\n  kernel h\n}\n"
                                            "kernel out\n"));
    must_parse("function train\ninline before\nloop n 4 { scan t { kernel h } kernel out }");
    ck_assert_ptr_nonnull(strstr(printed(), "loop n 4 {\n  kernel z\n  scan t {\n    kernel more\n"
                                            "    kernel h\n  }\n  kernel out\n}"));
    static const char text[] = "function train\ninline before\nlayout more 0 1%1 2\n"
                               "layout h 0 1%2 2\nscan t {\nkernel more\nkernel h\n}";
    ck_assert(!parse(text)); /* out reads h when its steps are done */
    ck_assert_ptr_nonnull(strstr(messages.at, "storage is used again by then"));
    must_parse("function train\ninline before\nlayout more 0 1%1 2");
    ck_assert_int_eq(of("more")->layout.folded, 2);
    ck_assert_ptr_nonnull(strstr(printed(), "layout more 0 1%1 2\n"));
    nets_end();
}
END_TEST

START_TEST(a_function_not_mentioned_is_left_alone) {
    perceptron();
    ck_assert(parse("layout b1 0"));
    ck_assert_ptr_null(schedule);
    nets_end();
}
END_TEST

/* --- what is wrong --- */

typedef struct Wrong {
    const char *text, *message;
} Wrong;

static const Wrong wrong[] = {
    /* form */
    {"kernel h",
     "s:1:1: error: expected `function` or the layout of a stored tensor, found `kernel`"},
    {"function tain", "s:1:10: error: there is no function `tain`; did you mean `train`?"},
    {"function train function train", "s:1:25: error: train has been given before"},
    {"function train\nkernel", "s:2:7: error: expected a node, found the end"},
    {"function train\nkernel meen", "s:2:8: error: train computes no `meen`; did you mean `mean`?"},
    {"function train\nkernel x", "s:2:8: error: x is given, not computed"},
    {"function train\nkernel h { four i }",
     "expected `for`, `unroll`, `lane`, `parallel`, `at` or `}`"},
    {"function train\nkernel h { for i 0 }", "s:2:18: error: a step must be at least 1"},
    {"function train\nkernel h { for i 99999999999 }", "s:2:18: error: `99999999999` is no number"},
    {"function train\nkernel h { for u }", "s:2:16: error: h has no variable `u`"},
    {"function train\nkernel h { for h.j }", "s:2:16: error: h has no variable `j`"},
    {"function train\nkernel h { for i $ }", "s:2:18: error: no schedule has a `$`"},
    {"function train\nkernel h { lane i 8 }", "a lane loop has no step"},
    {"function train\nkernel h\nkernel h", "s:3:8: error: h has a place already"},
    {"function train\nloop n 4 { }", "there is nothing in this loop"},
    {"function train\nloop n { kernel h }",
     "s:2:8: error: expected a number of samples, found `{`"},
    {"function train\ncopy h = x", "s:2:6: error: h is in the function already"},
    {"function train\ncopy c = y", "nothing reads y"},
    {"function train\ncopy c.d = x", "a name without dots"},
    {"function train\ninline", "expected a node, found the end"},
    /* layouts */
    {"layout W3 0 1", "s:1:8: error: there is no tensor `W3`; did you mean `W1`?"},
    {"layout W1 0", "axis 1 is missing"},
    {"layout W1 0 1 2", "there is no axis 2: the tensor has 2, counted from 0"},
    {"layout W1 0 1 1", "axis 1 is there twice"},
    {"layout W1 0/4 1", "the innermost piece of axis 0, without a /, is missing"},
    {"layout W1 0/8 1 0%4", "the pieces of axis 0 do not meet: one with /4 is missing"},
    {"layout W1 0 1:10", "axis 1 has 20 values; :10 leaves no room for them"},
    {"layout W1 0%4 1", "a stored tensor must have room for all its elements"},
    {"layout W1 0:2000000000 1", "this layout takes more than"},
    {"layout W1 0 1\nlayout W1 1 0", "s:2:8: error: W1 has been given another layout"},
    {"function train\nlayout y 0 1", "its layout is given"},
    {"function train\nlayout x 0 1", "x is an input"},
    {"function train\ninline d\nlayout d 0 1", "d is not in memory"},
    /* places */
    {"function train\ninline z", "z is a reduction: it cannot be inline"},
    {"function train\ninline next", "next is an output or an update: it cannot be inline"},
    {"function train\nscan t { kernel h }", "h is no member of a recurrence"},
    {"function train\nloop n 8 { loop n 4 { kernel h } }", "a loop over samples within another"},
    {"function train\nloop n 8 { kernel next }", "next has no samples"},
    {"function train\nloop n 8 parallel { kernel g }", "g goes through all samples"},
    {"function train\nkernel y { lane i at h }", "s:2:22: error: h is attached inside a lane loop"},
    {"function train\nkernel arg { at h }", "y reads h from outside its kernel: it must be stored"},
    {"function train\nkernel next { at arg store }", "neither reads it nor has its shape"},
    /* loops */
    {"function train\nkernel h { lane i for i }", "must be the innermost of its variable"},
    {"function train\nkernel h { lane i lane n }", "h has two lane loops"},
    {"function train\nkernel y { lane f }", "the order of y has no lanes along f"},
    {"function train\nkernel mean { for m 16 for i lane i }", "mean is summed in lanes over m"},
    {"function train\nkernel mean { for m 8 for i lane m }", "loop over blocks of that many first"},
    {"function train\nkernel mean { for i for m 16 }", "is outside that over i"},
    {"function train\nkernel y { for f parallel i }",
     "only the outermost loop of all can be parallel"},
    {"function train\nkernel y { parallel f }", "threads cannot share a sum"},
    {"function train\nkernel y { for i+n }", "is over an output and a reduction variable"},
    {"function train\nkernel y { for i+f for f }", "f follows from this loop"},
    {"function train\nkernel h { for z.f 4 }", "the node is not attached inside this loop"},
    {"function train\nkernel h { for z.f 4 at z }",
     "z is summed in several passes: it must be stored"},
    {"function train\nkernel h { for z.i at z store }", "z.i is no reduction variable"},
    /* flow */
    {"function train\nkernel y\nkernel h", "y reads h, which is computed later"},
    {"function train\nkernel next\nkernel z",
     "z reads the old W1, which next may have overwritten"},
    {"function train\nloop n 8 { kernel h kernel next }", "next has no samples"},
    {"function train\nkernel y { at h }\nkernel arg\n", "must be stored"},
    {"function train\nkernel mean\nkernel y { at h store }\nkernel d",
     "mean reads h, which is computed"},
    {"function train\nkernel g { at d store at h store }",
     "d reads h, which is not computed before it"},
    /* memory */
    {"function train\nkernel y { for n 16 }",
     "the loops over samples go to 48, and h has room for 40"},
    {"function train\nkernel y { for n 32 }",
     "the loops over samples go to 64, and y has room for 48"},
    {"function train\nloop n 8 { kernel h { for n 3 } }",
     "do not divide the 8 samples around them"},
};

START_TEST(mistakes_are_told) {
    perceptron();
    const Wrong *w = &wrong[_i];
    ck_assert_msg(!parse(w->text), "no fault was found with\n%s", w->text);
    ck_assert_msg(strstr(messages.at, w->message) != NULL, "not `%s` but\n%s", w->message,
                  messages.at);
    nets_end();
}
END_TEST

START_TEST(several_mistakes_are_told_at_once) {
    perceptron();
    ck_assert(!parse("function train\n"
                     "inline dd\n"
                     "kernel h {\n"
                     "  for ii\n"
                     "  wibble\n"
                     "}\n"
                     "layout zz 0\n"));
    ck_assert_ptr_nonnull(strstr(messages.at, "s:2:8: error"));
    ck_assert_ptr_nonnull(strstr(messages.at, "s:4:7: error"));
    ck_assert_ptr_nonnull(strstr(messages.at, "s:5:3: error"));
    ck_assert_ptr_nonnull(strstr(messages.at, "s:7:8: error"));
    ck_assert_ptr_null(strstr(messages.at, "s:6:"));
    nets_end();
}
END_TEST

START_TEST(nesting_has_an_end) {
    perceptron();
    Text t = {.arena = arena};
    text_add(&t, "function train\n");
    for (int i = 0; i < 100000; i++) text_add(&t, "loop n 1 {");
    ck_assert(!parse(t.at));
    ck_assert_ptr_nonnull(strstr(messages.at, "nested too deep"));
    t.n = 0;
    text_add(&t, "function train kernel h {");
    for (int i = 0; i < 100000; i++) text_add(&t, "at nothing {");
    ck_assert(!parse(t.at));
    nets_end();
}
END_TEST

/* --- any schedule, any text --- */

static void random_function(uint64_t seed) {
    arena = arena_new();
    Random r = {seed};
    program = random_wide_graph(arena, seed, (int)random_int(&r, 1, 6), random_flag(&r),
                                random_int(&r, 1, 5));
    P = program->pool;
    G = program->train;
    differentiate(G);
    solve_guards(G);
    order(G);
    layouts = layouts_new(program);
    layouts_close(layouts);
    schedule = random_schedule(G, target_find("x86-64-v3"), layouts, seed, 12 * G->nodes.n);
}

START_TEST(every_schedule_survives_its_text) {
    for (uint64_t seed = 0; seed < 100; seed++) {
        random_function(seed);
        const char *text = printed();
        must_parse(text);
        ck_assert_str_eq(printed(), text);
        arena_free(arena);
    }
}
END_TEST

/* Bytes and words of a text changed, doubled, left out, moved. */
static char *damaged(Random *r, const char *text) {
    static const char *const words[] = {
        "kernel", "{",  "}",      "for",   "at",         "loop n 3",       "scan t", "lane",
        "inline", "/0", "z.f",    "+",     ".",          "%",              ":1",     "\n",
        "layout", "16", "stored", "store", "copy a = b", "function train", "-1",     "\xff"};
    Text t = {.arena = arena};
    size_t n = strlen(text), from = 0;
    for (int k = 0; k < 3; k++) {
        size_t at = (size_t)random_int(r, (long)from, (long)n);
        text_add(&t, "%.*s", (int)(at - from), text + from);
        size_t length = (size_t)random_int(r, 0, 12);
        switch (random_int(r, 0, 3)) {
        case 0: from = at + length < n ? at + length : n; break;
        case 1: from = at; break;
        case 2: from = at > length ? at - length : 0; break;
        default: text_add(&t, " %s ", words[random_int(r, 0, COUNT_OF(words) - 1)]); from = at;
        }
    }
    text_add(&t, "%s", text + from);
    if (random_int(r, 0, 9) == 0) t.at[random_int(r, 0, (long)t.n)] = 0;
    return t.at;
}

START_TEST(damaged_texts_are_survived) {
    Random r = {1};
    int read = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        for (int k = 0; k < 25; k++) {
            random_function(seed);
            const char *text = damaged(&r, printed());
            if (parse(text) && schedule) {
                const char *once = printed();
                must_parse(once);
                ck_assert_str_eq(printed(), once);
                read++;
            }
            arena_free(arena);
        }
    }
    ck_assert_int_gt(read, 20);
}
END_TEST

int main(void) {
    Suite *s = suite_create("schedule");
    TCase *t = tcase_create("text");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_text_is_read_and_printed);
    tcase_add_test(t, a_copy_for_all_is_read_by_all);
    tcase_add_test(t, what_is_left_out_is_put_in);
    tcase_add_test(t, recurrences_get_scans);
    tcase_add_test(t, a_function_not_mentioned_is_left_alone);
    tcase_add_loop_test(t, mistakes_are_told, 0, COUNT_OF(wrong));
    tcase_add_test(t, several_mistakes_are_told_at_once);
    tcase_add_test(t, nesting_has_an_end);
    tcase_add_test(t, every_schedule_survives_its_text);
    tcase_add_test(t, damaged_texts_are_survived);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
