/* unit_elaborate.c: what nets become: shapes, names, normal forms, draws, and what extends, -D and
 * import do. That the library's layers compute what they should is unit_library.c's. */
#include "net_text.h"

static const char *graph_text(const Graph *g) {
    Text t = {.arena = arena};
    graph_print(&t, g);
    return t.at;
}

static bool has(const Graph *g, const char *part) { return strstr(graph_text(g), part) != NULL; }

static int count(const char *text, const char *part) {
    int n = 0;
    for (const char *s = text; (s = strstr(s, part)); s += strlen(part)) n++;
    return n;
}

#define ck_has(g, part) \
    ck_assert_msg(has(g, part), "no \"%s\" in:\n%s", part, graph_text(g))
#define ck_program(p) ck_assert_msg((p) != NULL, "%s", said())

/* --- the twelve --- */

static long parameters(const Program *p) {
    long sum = 0;
    for (int i = 0; i < p->n_layers; i++) sum += p->layer[i].parameters;
    return sum;
}

START_TEST(test_specs) {
    static const struct {
        const char *name;
        long parameters, batch, epochs;
    } specs[] = {{"mlp_baseline", 109386, 64, 10},   {"mlp_tuned", 242762, 64, 20},
                 {"alexnet_baseline", 394634, 1, 5}, {"alexnet_tuned", 394634, 1, 15},
                 {"cnn_baseline", 6610, 128, 10},    {"cnn_tuned", 241050, 64, 15},
                 {"lenet_baseline", 44426, 64, 10},  {"lenet_tuned", 463486, 128, 15},
                 {"rnn_baseline", 21386, 256, 10},   {"rnn_tuned", 75530, 64, 15},
                 {"lstm_baseline", 81674, 64, 10},   {"lstm_tuned", 171658, 64, 15}};
    for (int i = 0; i < COUNT_OF(specs); i++) {
        Program *p = elaborate_file(arena_printf(arena, "specs/%s.net", specs[i].name));
        ck_program(p);
        verify_all(p);
        ck_assert_str_eq(p->name, specs[i].name);
        ck_assert_int_eq(parameters(p), specs[i].parameters);
        ck_assert_int_eq(p->training.batch, specs[i].batch);
        ck_assert_int_eq(p->training.epochs, specs[i].epochs);
        ck_assert_ptr_nonnull(p->training.rate);
        Node *out = graph_find_output(p->predict, "output");
        ck_assert_int_eq(out->rank, 2);
        ck_assert_int_eq(out->shape[1], 10);
        Node *loss = graph_find_output(p->train, "loss");
        ck_assert_int_eq(loss->rank, 0);
        ck_assert_int_eq(graph_find_output(p->eval, "loss")->rank, 1);
        ck_assert_int_eq(graph_find_output(p->eval, "prediction")->type, T_I32);
        ck_assert_int_eq(p->train->n_updates, p->init->n_updates);
        ck_assert_int_eq(p->init->n_updates, p->stored.n);
    }
}
END_TEST

START_TEST(test_examples) {
    static const char *const names[] = {"autoencoder", "cnn_8x8", "own_data", "own_layer",
                                        "own_optimizer", "residual"};
    for (int i = 0; i < COUNT_OF(names); i++) {
        Program *p = elaborate_file(arena_printf(arena, "examples/%s.net", names[i]));
        ck_program(p);
        verify_all(p);
        ck_assert_str_eq(p->name, names[i]);
    }
}
END_TEST

/* --- normal forms --- */

START_TEST(test_bias_starts_the_sum) {
    Program *p = small_model("", "1, 6, 6", "conv(2, 3, pad = 1)");
    ck_program(p);
    ck_has(p->train, "= conv1_b[f] + sum(c < 1, i < 3, j < 3) [1 <= i + y and i + y < 7 and "
                     "1 <= j + x and j + x < 7] conv1_K[f, 0, i, j] * scaled1");
    Node *n = node_named(p->train, "conv1");
    ck_assert_int_eq(n->reduce, REDUCE_SUM);
    ck_assert_int_eq(n->rank, 4);
    ck_assert_int_eq(n->shape[0], 3);
    ck_assert_int_eq(n->shape[2], 6);
    ck_assert_ptr_nonnull(n->init);
}
END_TEST

START_TEST(test_guards_only_where_needed) {
    Program *p = small_model("", "1, 6, 6", "conv(2, 3)");
    ck_program(p);
    ck_assert_ptr_null(node_named(p->train, "conv1")->guard);
}
END_TEST

START_TEST(test_chain_of_sums) {
    Program *p = small_model("layer two on in[K] {\n"
                             "  param A[3, K] = 1  param B[3, K] = 1  param b[3] = 0\n"
                             "  out[u] = b[u] + sum(k) A[u, k] * in[k] + sum(k) B[u, k] * in[k]\n"
                             "}", "4", "two");
    ck_program(p);
    ck_has(p->train, "two1_sum[n in batch, u < 3] = two1_b[u] + sum(k < 4)");
    ck_has(p->train, "two1[n in batch, u < 3] = two1_sum[n, u] + sum(k < 4)");
}
END_TEST

/* b depends on more than the sum: it is computed once for all. */
START_TEST(test_sum_is_not_repeated) {
    Program *p = small_model("layer spread on in[K] { param b[5] = 0\n"
                             "  out[u] = b[u] + sum(k) in[k] }", "4", "spread");
    ck_program(p);
    ck_has(p->train, "spread1_sum[n in batch] = sum(k < 4)");
    ck_has(p->train, "spread1[n in batch, u < 5] = spread1_b[u] + spread1_sum[n]");
}
END_TEST

START_TEST(test_functions) {
    Program *p = small_model("function twice(x) = 2 * x", "4", "twice -> sigmoid -> relu");
    ck_program(p);
    ck_has(p->train, "twice1[n in batch, i < 4] = 2.0 * scaled1[n, i]");
    Node *s = node_named(p->train, "sigmoid1"), *r = node_named(p->train, "relu1");
    ck_assert_int_eq(s->n_custom, 1);
    ck_assert(s->increasing && r->increasing);
    ck_assert(!node_named(p->train, "twice1")->increasing);
    ck_assert_int_eq(r->n_custom, 0);
    ck_assert_int_eq(node_named(p->eval, "sigmoid1")->n_custom, 0);
}
END_TEST

START_TEST(test_inside) {
    Program *p = small_model("layer right on in[K] { out[k < 4] = in[k] + inside(in[k + 1], "
                             "else -1) }", "4", "right");
    ck_program(p);
    ck_has(p->train, "[k < 3] scaled1[n, k + 1] else -1.0");
}
END_TEST

START_TEST(test_scan) {
    Program *p = small_model("", "1, 5, 3", "rows -> rnn(4) -> last");
    ck_program(p);
    ck_has(p->train, "rnn1_h_prev[n in batch, t < 5, i < 4] = [1 <= t] rnn1_h[n, t - 1, i] else "
                     "0.0");
    Node *h = node_named(p->train, "rnn1_h");
    ck_assert(h->component != 0);
    ck_assert_int_eq(h->scan, 1);
    ck_assert_int_eq(h->scan_step, 1);
    ck_assert_int_eq(node_named(p->train, "rnn1_h_sum")->component, 0);
}
END_TEST

START_TEST(test_scan_backward) {
    Program *p = small_model("layer back on in[T, F] { scan t backward {\n"
                             "  state h[u < F] = u + 1\n"
                             "  next h[u] = in[t, u] + 0.5 * h[u]\n"
                             "  out[u, t] = next h[u] } }", "1, 5, 3", "rows -> back");
    ck_program(p);
    ck_has(p->train, "[t < 4] back1_h[n, t + 1, u] else float(u) + 1.0");
    ck_has(p->train, "back1[n in batch, u < 3, t < 5] = back1_h[n, t, u]");
    ck_assert_int_eq(node_named(p->train, "back1_h")->scan_step, -1);
}
END_TEST

START_TEST(test_once_a_batch) {
    Program *p = small_model("", "2, 3, 3", "batchnorm");
    ck_program(p);
    Node *m = node_named(p->train, "batchnorm1_m");
    ck_assert(m && !m->batched && m->rank == 1);
    ck_assert_ptr_null(node_named(p->eval, "batchnorm1_m"));
    ck_assert_int_eq(stored_named(p, "batchnorm1.mean")->kind, STORED_STATE);
    ck_assert_int_eq(p->stored.at[p->stored.n - 1]->kind, STORED_STATE);
}
END_TEST

/* With one sample a batch is still a batch. */
START_TEST(test_batch_of_one) {
    Program *p = small_net("", "2, 3, 3", "model batchnorm -> flatten -> dense(3)\n"
                           "loss softmax_cross_entropy  train { optimizer sgd  batch 1 }");
    ck_program(p);
    verify_all(p);
    ck_assert(node_named(p->train, "batchnorm1")->batched);
    ck_assert(!node_named(p->train, "batchnorm1_m")->batched);
    ck_assert(node_named(p->predict, "dense1")->batched);
}
END_TEST

/* --- ranges --- */

START_TEST(test_largest_range) {
    Program *p = small_model("layer taps on in[K] { out[y] = sum(i < 3) in[2*y + 3*i + 1] }\n"
                             "layer half on in[K] { out[y] = in[y / 2] }", "20", "taps -> half");
    ck_program(p);
    ck_assert_int_eq(node_named(p->train, "taps1")->shape[1], 7);  /* 2*6 + 6 + 1 = 19 */
    ck_assert_int_eq(node_named(p->train, "half1")->shape[1], 14); /* 13 / 2 = 6 */
}
END_TEST

START_TEST(test_constant_condition) {
    Program *p = small_model("layer choose(wide) on in[K] {\n"
                             "  out[y] = wide ? in[y] : in[y + 2] }", "9",
                             "choose(true) -> choose(false)");
    ck_program(p);
    ck_assert_int_eq(node_named(p->train, "scaled1")->shape[1], 9);
    ck_assert_ptr_null(node_named(p->train, "choose1")); /* a copy is no tensor of its own */
    ck_assert_int_eq(node_named(p->train, "choose2")->shape[1], 7);
}
END_TEST

START_TEST(test_division) {
    Program *p = small_model("layer parts(k) on in[K] { out[y < K / 2] = in[K / 2 + y] * (1 / k) }",
                             "5", "parts(2)");
    ck_program(p);
    ck_has(p->train, "parts1[n in batch, y < 2] = scaled1[n, y + 2] * 0.5");
}
END_TEST

/* --- draws --- */

START_TEST(test_sites) {
    const char *model = "flatten -> dense(4) -> dropout(0.5) -> dense(3) -> dropout(0.25)";
    Program *p = small_model("", "2, 3", model);
    ck_program(p);
    ck_assert_int_eq(p->n_sites, 4);
    ck_has(p->init, "normal@0(0, 6*i + j)");
    ck_has(p->train, "bernoulli@1(n, i, 0.5)");
    ck_has(p->init, "normal@2(0, 4*i + j)");
    ck_has(p->train, "bernoulli@3(n, i, 0.75)");
    ck_assert_ptr_null(node_named(p->eval, "dropout1"));
    ck_assert_ptr_null(node_named(p->predict, "dropout1"));
}
END_TEST

/* Draws outside training have the same sites in all graphs. */
START_TEST(test_sites_agree) {
    Program *p = small_model("layer noise { out[i...] = in[i...] + normal(0, 1) }", "6",
                             "dropout(0.5) -> noise -> dense(3)");
    ck_program(p);
    ck_has(p->train, "normal@1(n, ");
    ck_has(p->eval, "normal@1(n, ");
    ck_has(p->predict, "normal@1(0, ");
}
END_TEST

/* --- the net as text --- */

static const char base[] =
    "const wide = 4\n"
    "data tiny { format idx train \"a\", \"b\" test \"c\", \"d\" shape 6 classes \"p\", \"q\" }\n"
    "net base { data tiny  default init = normal(0, 2)\n"
    "  model dense(wide) -> relu -> dense(2)\n"
    "  loss softmax_cross_entropy  train { optimizer sgd(lr = 0.5)  batch 8  epochs 3 } }\n";

START_TEST(test_define) {
    Program *p = elaborate_with("t.net", base, "wide=7");
    ck_program(p);
    ck_assert_int_eq(stored_named(p, "dense1.W")->shape[0], 7);
    ck_assert_ptr_null(elaborate_with("t.net", base, "wid=7"));
    ck_assert_ptr_nonnull(strstr(said(), "no constant `wid` to define; did you mean `wide`?"));
}
END_TEST

START_TEST(test_default) {
    Program *p = elaborate_text(base);
    ck_program(p);
    ck_has(p->init, "dense1_W[i < 4, j < 6] = 2.0 * normal@0");
    ck_assert_ptr_null(elaborate_text(arena_printf(arena, "%snet x extends base { default q = 1 }",
                                                   base)));
    ck_assert_ptr_nonnull(strstr(said(), "leaves a parameter `q` open"));
}
END_TEST

START_TEST(test_extends) {
    Program *p = elaborate_text(arena_printf(arena,
        "%s net later extends base { default init = normal(0, 3)\n"
        "  train { epochs 9  optimizer adam }  model dense(5) -> dense(2, init = xavier) }", base));
    ck_program(p);
    ck_assert_str_eq(p->name, "later");
    ck_assert_int_eq(p->training.batch, 8);
    ck_assert_int_eq(p->training.epochs, 9);
    ck_assert_int_eq(stored_named(p, "dense1.W")->shape[0], 5);
    ck_assert_ptr_nonnull(stored_named(p, "dense2.b.m"));
    ck_has(p->init, "= 3.0 * normal@0");
    ck_assert_int_eq(count(graph_text(p->init), "3.0 * normal"), 1);
}
END_TEST

START_TEST(test_blocks) {
    Program *p = elaborate_text(arena_printf(arena,
        "%s block twice(n, act(x) = relu) { dense(n) -> relu -> dense(n) -> relu }\n"
        "block join(n) { a = in -> dense(n)  b = in -> dense(n)  out = (a + b) -> relu }\n"
        "net blocks extends base { model repeat(2, twice(3)) -> join(2) }", base));
    ck_program(p);
    ck_assert_ptr_nonnull(stored_named(p, "dense6.W"));
    ck_assert_ptr_null(stored_named(p, "dense7.W"));
    ck_has(p->train, "sum1[n in batch, i < 2] = dense5[n, i] + dense6[n, i]");
    ck_assert_str_eq(p->layer[0].text, "dense(3)");
}
END_TEST

START_TEST(test_losses) {
    Program *p = small_net("loss other on a[K], b[K] { out = sum(k) a[k] * b[k] }", "6",
        "a = x -> dense(3)  b = a -> relu  model b\n"
        "loss softmax_cross_entropy + 0.5 * ((a, b) -> other) + l2(0.1)\n"
        "train { optimizer sgd }");
    ck_program(p);
    ck_has(p->train, "product1[n in batch] = 0.5 * other1[n]");
    ck_has(p->train, "loss = loss_sum * round(1.0 / double(batch.count)) + l21");
    ck_assert_ptr_null(node_named(p->eval, "l21"));
}
END_TEST

/* A loss may have parameters; they are trained. */
START_TEST(test_loss_parameters) {
    Program *p = small_net("loss near on in[K] { param c[3, K] = 1  param unused = 0\n"
                           "  out = sum(k) (in[k] - c[label, k])^2 }", "6",
                           "model dense(4)  loss near  train { optimizer sgd }");
    ck_program(p);
    verify_all(p);
    ck_assert_int_eq(p->stored.n, 4);
    ck_assert_int_eq(p->train->n_updates, 4);
}
END_TEST

START_TEST(test_unused_value) {
    Program *p = small_net("", "6", "side = x -> dense(2)  model dense(3)\n"
                           "loss softmax_cross_entropy  train { optimizer sgd }");
    ck_program(p);
    ck_assert_ptr_nonnull(strstr(said(), "warning: neither the model nor the loss uses `side`"));
}
END_TEST

/* A read in a guard is itself guarded by its bounds. */
START_TEST(test_guard_reads) {
    Program *p = small_model("layer near on in[K] {\n"
                             "  out[y < 4] = sum(i < 3) [in[y + i - 1] > 0] in[y + i - 1] }", "4",
                             "near");
    ck_program(p);
    verify_all(p);
    ck_has(p->train, "[1 <= i + y and i + y < 5 and 0.0 < scaled1[n, i + y - 1]]");
}
END_TEST

/* A named number is a size where it is used as one. */
START_TEST(test_named_numbers) {
    Program *p = small_model("layer halves on in[K] { half = K / 2\n"
                             "  out[y < half] = in[y + half] * half }", "5", "halves");
    ck_program(p);
    ck_has(p->train, "halves1[n in batch, y < 2] = scaled1[n, y + 2] * 2.5");
}
END_TEST

START_TEST(test_unneeded_state) {
    Program *p = small_net("", "6", "model dense(3)  loss softmax_cross_entropy\n"
                           "train { optimizer sgd(lr = 0.1) }");
    ck_program(p);
    ck_assert_int_eq(p->stored.n, 2);
    p = small_net("", "6", "model dense(3)  loss softmax_cross_entropy\n"
                  "train { optimizer sgd(lr = 0.1, momentum = 0.9) }");
    ck_program(p);
    ck_assert_int_eq(p->stored.n, 4);
    ck_assert_ptr_eq(stored_named(p, "dense1.W.v")->param, stored_named(p, "dense1.W"));
}
END_TEST

START_TEST(test_settings) {
    Program *p = small_net("", "6", "model dense(3)  loss softmax_cross_entropy\n"
        "train { optimizer sgd  seed 7  validation 0.25  use 0.5  keep best  patience 4\n"
        "        plateau 0.5, 2 }");
    ck_program(p);
    ck_assert_int_eq(p->training.seed, 7);
    ck_assert(p->data.validation == 0.25 && p->data.use == 0.5 && p->training.keep_best);
    ck_assert_int_eq(p->training.patience, 4);
    ck_assert(p->training.plateau_factor == 0.5);
    ck_assert_int_eq(p->training.plateau_patience, 2);
}
END_TEST

/* The same text twice gives the same graphs. */
START_TEST(test_deterministic) {
    Program *p = elaborate_file("specs/lstm_tuned.net");
    Program *q = elaborate_file("specs/lstm_tuned.net");
    ck_program(p);
    ck_program(q);
    ck_assert_str_eq(graph_text(p->train), graph_text(q->train));
    ck_assert_str_eq(graph_text(p->init), graph_text(q->init));
}
END_TEST

/* Text that would expand without end, or nearly so, is refused soon. */
START_TEST(test_bombs) {
    Text t = {.arena = arena};
    text_add(&t, "function f0(x) = x + x\n");
    for (int i = 1; i < 60; i++) {
        text_add(&t, "function f%d(x) = f%d(x) + f%d(x + 1)\n", i, i - 1, i - 1);
    }
    ck_assert_ptr_null(small_model(t.at, "3", "f59"));
    ck_assert_ptr_nonnull(strstr(said(), "expands to too much text"));
    t = (Text){.arena = arena};
    text_add(&t, "block b0 { relu -> relu }\n");
    for (int i = 1; i < 60; i++) text_add(&t, "block b%d { b%d -> b%d }\n", i, i - 1, i - 1);
    diags = diags_new(arena);
    ck_assert_ptr_null(small_model(t.at, "3", "b59"));
    ck_assert_ptr_nonnull(strstr(said(), "more than 5,000 layers"));
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        test_specs, test_examples, test_bias_starts_the_sum, test_guards_only_where_needed,
        test_chain_of_sums, test_sum_is_not_repeated, test_functions, test_inside, test_scan,
        test_scan_backward, test_once_a_batch, test_batch_of_one, test_largest_range,
        test_constant_condition, test_division, test_sites, test_sites_agree, test_define,
        test_default, test_extends, test_blocks, test_losses, test_loss_parameters,
        test_unused_value, test_guard_reads, test_named_numbers, test_unneeded_state, test_settings,
        test_deterministic, test_bombs};
    return run_suite("elaborate", tests, COUNT_OF(tests));
}
