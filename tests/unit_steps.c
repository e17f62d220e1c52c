/* unit_steps.c: several steps in one call are those steps: tensors and loss after them, in double;
 * and which networks they are for. */
#include "net_text.h"
#include "numeric.h"
#include "steps_cases.h"

static void (*const before[])(Graph *) = {
    rewrite_views, rewrite_increasing, rewrite_guards, rewrite_values, differentiate, solve_guards,
    rewrite_views, rewrite_guards, rewrite_factors, rewrite_algebra, rewrite_common};

static Graph *train_graph(const char *items, bool steps) {
    Program *p = small_net(steps_defs, STEPS_SHAPE, items);
    ck_assert_msg(p != NULL, "%s", said());
    for (int i = 0; i < COUNT_OF(before); i++) before[i](p->train);
    if (steps) {
        rewrite_steps(p->train);
        graph_verify(p->train, "steps");
        rewrite_folds(p->train);
    }
    graph_verify(p->train, "folds");
    return p->train;
}

enum { FIRST_STEP = 17, STEPS = 40 };

static void set_hosts(Interp *in, long step) {
    interpret_host(in, HOST_STEP, (double)step);
    interpret_host(in, HOST_STEPS, STEPS);
    interpret_host(in, HOST_RATE_SCALE, 0.5);
}

/* Sample t of h's inputs becomes g's one sample. */
static void give_sample(Interp *to, const Graph *g, Interp *from, const Graph *h, long t) {
    for (int i = 0; i < g->inputs.n; i++) {
        const Node *x = g->inputs.at[i];
        long size = numeric_size(x);
        double *all = interpret_values(from, h->inputs.at[i]);
        memcpy(interpret_values(to, x), all + t * size, sizeof *all * (size_t)size);
    }
}

static void expect_same(const char *what, const double *a, const double *b, long n) {
    for (long i = 0; i < n; i++)
        ck_assert_msg(numeric_near(a[i], b[i], 1e-10), "%s at %ld: %.17g and %.17g", what, i, a[i],
                      b[i]);
}

static void expect_steps(const char *items, long count) {
    Graph *g = train_graph(items, false), *h = train_graph(items, true);
    ck_assert_msg(h->batch > 1, "%s: still a step a call", items);
    Interp *one = interpret_new(arena, g, true), *many = interpret_new(arena, h, true);
    numeric_fill(one, g, 3);
    numeric_fill(many, h, 3);
    for (int i = 0; i < g->program->stored.n; i++) { /* whether a graph reads it or not */
        const Stored *s = g->program->stored.at[i], *t = h->program->stored.at[i];
        long size = 1;
        for (int k = 0; k < s->rank; k++) size *= s->shape[k];
        memcpy(interpret_stored(many, t), interpret_stored(one, s), sizeof(double) * (size_t)size);
    }
    set_hosts(many, FIRST_STEP);
    interpret_host(many, HOST_COUNT, (double)count);
    double loss = 0;
    for (long t = 0; t < count; t++) {
        give_sample(one, g, many, h, t);
        set_hosts(one, FIRST_STEP + t);
        interpret_run(one);
        loss += interpret_values(one, graph_find_output(g, "loss"))[0];
        interpret_update(one);
    }
    interpret_run(many);
    interpret_update(many);
    loss /= (double)count;
    expect_same("the loss", &loss, interpret_values(many, graph_find_output(h, "loss")), 1);
    for (int i = 0; i < g->program->stored.n; i++) {
        const Stored *s = g->program->stored.at[i];
        long size = 1;
        for (int k = 0; k < s->rank; k++) size *= s->shape[k];
        expect_same(s->name, interpret_stored(one, s),
                    interpret_stored(many, h->program->stored.at[i]), size);
    }
}

START_TEST(as_the_steps_one_by_one) {
    const char *items = steps_cases[_i];
    expect_steps(items, 1);
    expect_steps(items, 5);
    expect_steps(items, 16);
}
END_TEST

static const char *const left[] = {
    "model flatten -> dense(50) -> relu -> dense(3)  loss softmax_cross_entropy\n"
    "train { optimizer sgd(lr = 0.05)  batch 2 }",
    "model flatten -> dense(50) -> relu -> dense(3)  loss softmax_cross_entropy\n"
    "train { optimizer sgd(lr = 0.05, momentum = 0.9)  batch 1 }",
    "model flatten -> dense(50) -> relu -> dense(3)  loss softmax_cross_entropy\n"
    "train { optimizer adam  batch 1 }",
    "model flatten -> dense(50) -> relu -> dense(3)  loss softmax_cross_entropy + l2(0.1)\n"
    "train { optimizer sgd(lr = 0.05)  batch 1 }",
    "model flatten -> dense(50) -> dropout(0.5) -> dense(3)  loss softmax_cross_entropy\n"
    "train { optimizer sgd(lr = 0.05)  batch 1 }",
    /* too much left to the recurrence */
    "model conv(8, 3) -> relu -> flatten -> dense(3)  loss softmax_cross_entropy\n"
    "train { optimizer sgd(lr = 0.05)  batch 1 }",
    /* too little to save */
    "model flatten -> dense(4) -> relu -> dense(3)  loss softmax_cross_entropy\n"
    "train { optimizer sgd(lr = 0.05)  batch 1 }",
};

START_TEST(nothing_changes) {
    Graph *g = train_graph(left[_i], false), *h = train_graph(left[_i], true);
    Text a = {.arena = arena}, b = {.arena = arena};
    graph_print(&a, g);
    graph_print(&b, h);
    ck_assert_str_eq(a.at, b.at);
}
END_TEST

/* Along an axis on which prepared samples do not depend they are stored once. */
START_TEST(prepared_samples_that_repeat) {
    const char *text =
        "data tiny { format idx  train \"a\", \"b\"  test \"c\", \"d\"  shape 1, 4, 5\n"
        "            classes \"p\", \"q\", \"r\" }\n"
        "net t { data tiny -> replicate(3) -> standardize  model flatten -> dense(3)\n"
        "  loss softmax_cross_entropy  train { optimizer sgd(lr = 0.1)  batch 4 } }\n";
    Program *whole = elaborate_text(text), *once = elaborate_text(text);
    Program *const both[] = {whole, once};
    for (int k = 0; k < 2; k++) {
        Graph *all[] = {both[k]->prepare, both[k]->train, both[k]->eval, both[k]->predict};
        for (int i = 0; i < COUNT_OF(all); i++) rewrite_views(all[i]);
    }
    rewrite_prepared(once);
    verify_all(once);
    Node *x = graph_find_output(once->prepare, "x"), *given = once->eval->inputs.at[0];
    ck_assert_int_eq(x->shape[1], 1);
    ck_assert_int_eq(x->shape[2], 4);
    ck_assert_int_eq(given->shape[1], 1);
    Interp *a = interpret_new(arena, whole->eval, true);
    Interp *b = interpret_new(arena, once->eval, true);
    numeric_fill(a, whole->eval, 5);
    numeric_fill(b, once->eval, 5);
    double *from = interpret_values(b, given);
    double *to = interpret_values(a, whole->eval->inputs.at[0]);
    long image = 4 * 5;
    for (long n = 0; n < once->eval->batch; n++)
        for (long k = 0; k < 3 * image; k++) to[n * 3 * image + k] = from[n * image + k % image];
    interpret_run(a);
    interpret_run(b);
    const Node *y = graph_find_output(whole->eval, "output");
    expect_same("output", interpret_values(a, y),
                interpret_values(b, graph_find_output(once->eval, "output")), numeric_size(y));
}
END_TEST

/* --- sums that are stored --- */

static Program *whole_program(const char *items, bool merged) {
    Program *p = small_net(steps_defs, STEPS_SHAPE, items);
    ck_assert_msg(p != NULL, "%s", said());
    Graph *all[] = {p->init, p->train, p->eval, p->predict};
    for (int i = 0; i < COUNT_OF(all); i++) {
        for (int k = 0; k < COUNT_OF(before); k++) before[k](all[i]);
        rewrite_steps(all[i]);
        rewrite_folds(all[i]);
    }
    if (merged) rewrite_merge(p);
    verify_all(p);
    return p;
}

static Interp *interp_of(Graph *g, Interp *state, double step) {
    Interp *in = interpret_new(arena, g, true);
    if (state) interpret_copy_stored(in, state);
    set_hosts(in, (long)step);
    interpret_host(in, HOST_COUNT, (double)(g->batch < 3 ? g->batch : 3));
    return in;
}

static void run_all(Interp *in) {
    interpret_run(in);
    interpret_update(in);
}

static Interp *settled(Program *p, Interp *state, double step) {
    Interp *in = interp_of(p->settle, state, step);
    run_all(in);
    return in;
}

static long elements(const Stored *s) {
    long size = 1;
    for (int k = 0; k < s->rank; k++) size *= s->shape[k];
    return size;
}

static void expect_same_stored(Program *p, Interp *a, Program *q, Interp *b) {
    for (int i = 0; i < p->stored.n; i++)
        expect_same(p->stored.at[i]->name, interpret_stored(a, p->stored.at[i]),
                    interpret_stored(b, q->stored.at[i]), elements(p->stored.at[i]));
}

static void fill_inputs(Interp *in, Graph *g, uint64_t seed) {
    Interp *filled = interpret_new(arena, g, true);
    numeric_fill(filled, g, seed);
    for (int i = 0; i < g->inputs.n; i++) {
        const Node *x = g->inputs.at[i];
        memcpy(interpret_values(in, x), interpret_values(filled, x),
               sizeof(double) * (size_t)numeric_size(x));
    }
}

static void expect_same_outputs(Program *p, Interp *a, Program *q, Interp *b) {
    Interp *x = interp_of(p->eval, a, 1), *y = interp_of(q->eval, b, 1);
    fill_inputs(x, p->eval, 5);
    fill_inputs(y, q->eval, 5);
    interpret_run(x);
    interpret_run(y);
    Node *of = graph_find_output(p->eval, "output");
    expect_same("output", interpret_values(x, of),
                interpret_values(y, graph_find_output(q->eval, "output")),
                3 * numeric_size(of) / p->eval->batch);
}

static const char *const merged_cases[] = {
    "model thrice -> flatten -> dense(50) -> relu -> dense(3)  loss softmax_cross_entropy\n"
    "train { optimizer sgd(lr = 0.05)  batch 1 }",
    "model thrice -> flatten -> dense(50) -> relu -> dense(3)  loss softmax_cross_entropy\n"
    "train { optimizer sgd(lr = cosine(0.05))  batch 6 }",
};

/* From init, from tensors that were given, and through several calls. */
START_TEST(sums_in_place_of_terms) {
    Program *p = whole_program(merged_cases[_i], false), *q = whole_program(merged_cases[_i], true);
    ck_assert_int_eq(p->settle->n_updates, 0);
    ck_assert_int_eq(q->settle->n_updates, 2);
    ck_assert_int_eq(q->stored.n, p->stored.n + 1);
    Interp *a = interp_of(p->init, NULL, 0), *b = interp_of(q->init, NULL, 0);
    for (int given = 0; given < 2; given++) {
        if (given) {
            for (int i = 0; i < p->stored.n; i++)
                for (long k = 0; k < elements(p->stored.at[i]); k++)
                    interpret_stored(a, p->stored.at[i])[k] *= 1.5;
            for (int i = 0; i < p->stored.n; i++)
                memcpy(interpret_stored(b, q->stored.at[i]), interpret_stored(a, p->stored.at[i]),
                       sizeof(double) * (size_t)elements(p->stored.at[i]));
            b = settled(q, b, 0);
        } else {
            run_all(a);
            run_all(b);
        }
        expect_same_stored(p, a, q, b);
        expect_same_outputs(p, a, q, b);
        for (int call = 0; call < 3; call++) {
            Interp *x = interp_of(p->train, a, 1 + call), *y = interp_of(q->train, b, 1 + call);
            fill_inputs(x, p->train, 7 + (uint64_t)call);
            fill_inputs(y, q->train, 7 + (uint64_t)call);
            run_all(a = x);
            run_all(b = y);
        }
        b = settled(q, b, 1);
        expect_same_stored(p, a, q, b);
        expect_same_outputs(p, a, q, b);
    }
}
END_TEST

static const char *const not_merged[] = {
    /* what a step adds depends on the weight, or on a state of its own */
    "model thrice -> flatten -> dense(50) -> relu -> dense(3)  loss softmax_cross_entropy + l2(0.1)"
    "\ntrain { optimizer sgd(lr = 0.05)  batch 6 }",
    "model thrice -> flatten -> dense(50) -> relu -> dense(3)  loss softmax_cross_entropy\n"
    "train { optimizer sgd(lr = 0.05, momentum = 0.9)  batch 6 }",
    /* no two pixels are equal */
    "model flatten -> dense(50) -> relu -> dense(3)  loss softmax_cross_entropy\n"
    "train { optimizer sgd(lr = 0.05)  batch 1 }",
};

START_TEST(terms_that_stay) {
    Program *p = whole_program(not_merged[_i], true);
    ck_assert_int_eq(p->settle->n_updates, 0);
    ck_assert_ptr_nonnull(numeric_node(p->train, "dense1_W"));
}
END_TEST

int main(void) {
    Suite *s = suite_create("steps");
    TCase *t = tcase_create("steps");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, as_the_steps_one_by_one, 0, COUNT_OF(steps_cases));
    tcase_add_loop_test(t, nothing_changes, 0, COUNT_OF(left));
    tcase_add_test(t, prepared_samples_that_repeat);
    tcase_add_loop_test(t, sums_in_place_of_terms, 0, COUNT_OF(merged_cases));
    tcase_add_loop_test(t, terms_that_stay, 0, COUNT_OF(not_merged));
    suite_add_tcase(s, t);
    SRunner *run = srunner_create(s);
    srunner_run_all(run, CK_NORMAL);
    int failed = srunner_ntests_failed(run);
    srunner_free(run);
    return failed != 0;
}
