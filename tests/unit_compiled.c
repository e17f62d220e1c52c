/* unit_compiled.c: what the chosen schedules and the printer make of the library and of scans as
 * users write them, compiled and run, gives the interpreter's bits: all functions of small
 * networks, for every target, with 1, all but one and all samples of a batch.
 */
#include "choose.h"
#include "compile.h"
#include "library_cases.h"
#include "lowered.h"
#include "steps_cases.h"
#include <string.h>

/* --- recurrences that the library does not have --- */

static const char cells[] =
    "layer both_ways(k) on in[T, F] {\n"
    "  param V[k, F] ~ normal(0, 0.5)\n"
    "  scan t {\n"
    "    state h[k] = 0\n"
    "    next h[n] = tanh(h[n] + sum(f) V[n, f] * in[t, f])\n"
    "    mid[t, n] = next h[n]\n"
    "  }\n"
    "  scan t backward {\n"
    "    state g[k] = 0.5\n"
    "    next g[n] = tanh(0.5 * g[n] + mid[t, n])\n"
    "    out[t, n] = next g[n]\n"
    "  }\n"
    "}\n"
    "layer turned(k) on in[T, F] {\n"
    "  param V[k, F] ~ normal(0, 0.5)\n"
    "  scan t {\n"
    "    state h[k] = 0\n"
    "    next h[n] = tanh(h[n] + sum(f) V[n, f] * (in[t, f] - in[T - 1 - t, f]))\n"
    "    out[t, n] = next h[n] + inside(in[t + 1, 0], else 0)\n"
    "  }\n"
    "}\n"
    "layer twice(k) on in[T, F] {\n"
    "  param W[k, k] ~ normal(0, 0.5)\n"
    "  param V[k, F] ~ normal(0, 0.5)\n"
    "  scan t {\n"
    "    state h[k] = 0\n"
    "    z[n] = sum(m) W[n, m] * h[m] + sum(f) V[n, f] * in[t, f]\n"
    "    next h[n] = tanh(z[n] + sum(m, l) W[n, l] * W[l, m] * h[m])\n"
    "    out[t, n] = next h[n] + sum(m) W[m, n] * next h[m]\n"
    "  }\n"
    "}\n"
    "layer by_step(k) on in[T, F] {\n"
    "  param W[T, k, k] ~ normal(0, 0.5)\n"
    "  param h0[k] = 0.3\n"
    "  scan t {\n"
    "    state h[n < k] = h0[n] + in[0, 0]\n"
    "    next h[n] = tanh(sum(m) W[t, n, m] * h[m] + sum(f) in[t, f])\n"
    "    out[t, n] = next h[n]\n"
    "  }\n"
    "}\n"
    "layer choosy(k) on in[T, F] {\n"
    "  param V[k, F] ~ normal(0, 0.5)\n"
    "  scan t {\n"
    "    state h[k] = 0, c[k] = 1\n"
    "    top[n < k] = max(f) (V[n, f] * in[t, f] + h[n])\n"
    "    next c[n] = prod(m < k) (0.5 + c[m] * top[m] / 2)\n"
    "    next h[n] = training ? (bernoulli(0.7) ? tanh(top[n]) : 0) : tanh(next c[n])\n"
    "    out[t, n] = next h[n] * next c[n]\n"
    "  }\n"
    "}\n"
    "layer normalized(k) on in[T, F] {\n"
    "  param V[k, F] ~ normal(0, 0.5)\n"
    "  scan t {\n"
    "    state h[k] = 0\n"
    "    z[n] = h[n] + sum(f) V[n, f] * in[t, f]\n"
    "    m[n < k] = (sum(b in batch) z@b[n]) / batch.count\n"
    "    next h[n] = tanh(z[n] - m[n])\n"
    "    out[t, n] = next h[n]\n"
    "  }\n"
    "}\n";

static const char *const scans[] = {
    "both_ways(3)", "turned(4)", "twice(9)", "by_step(3)", "choosy(3)",
    "normalized(3)", "lstm(17)", "gru(8) -> both_ways(16)",
};

static const char *const rules[] = {
    "sgd(0.1, momentum = 0.9)", "sgd(0.1, momentum = 0.9, nesterov = true, decay = 0.01)",
    "rmsprop", "adam", "adamw", "clip_norm(0.1) -> sgd", "clip_value(0.01) -> adam",
    "sgd(lr = cosine(warmup(0.1, 10)))",
};

/* Layers whose state follows a part of a tensor of the batch. */
static const char partial[] =
    "layer part_of_row on in[N] {\n"
    "  state s[10] = 0\n"
    "  m[i < 20] = sum(n in batch) in@n[i] / batch.count\n"
    "  next s[i < 10] = 0.9 * s[i] + 0.1 * m[i]\n"
    "  out[i] = in[i] + s[i % 10]\n"
    "}\n"
    "layer part_of_square on in[N] {\n"
    "  state s[9, 10] = 0\n"
    "  m[i < 20, j < 20] = sum(n in batch) in@n[i] * in@n[j] / batch.count\n"
    "  next s[i < 9, j < 10] = 0.9 * s[i, j] + 0.1 * m[i, j]\n"
    "  out[i] = in[i] + s[i % 9, i % 10]\n"
    "}\n";

/* --- cases --- */

enum { MOST = 1000 };

static Lowered *compiled[MOST];
static int n_compiled;

static void add_function(const Compiled *x, Graph *g, int function, const char *what) {
    Lowered *c = NEW(arena, Lowered);
    *c = (Lowered){.arena = arena, .graph = g, .layouts = x->layouts, .seed = 7,
                   .function = x->function[function]};
    c->name = arena_printf(arena, "f%d", n_compiled);
    c->what = arena_printf(arena, "%s, %s", what, function_names[function]);
    c->function->name = c->name;
    loop_verify(c->function, "plan");
    lowered_expect(c);
    ck_assert_int_lt(n_compiled, MOST);
    compiled[n_compiled++] = c;
}

static void add_program(Program *p, const char *target, const char *what) {
    ck_assert_msg(p != NULL, "%s: %s", what, said());
    CompileOptions options = {.target = target};
    const Compiled *x = compile(p, &options, diags);
    ck_assert_ptr_nonnull(x);
    Graph *graph[N_FUNCTIONS] = {p->init, p->prepare, p->train, p->eval, p->predict,
                                 p->settle};
    for (int i = 0; i < N_FUNCTIONS; i++)
        if (compiled_has(x, i)) add_function(x, graph[i], i, what);
}

static void run_all(const char *target) {
    char directory[] = "/tmp/netc_compiled_XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(directory));
    char *path = arena_printf(arena, "%s/cases", directory);
    void *so = lowered_compile(path, target_find(target), compiled, n_compiled);
    ck_assert_msg(so != NULL, "%s.c does not compile for %s", path, target);
    for (int i = 0; i < n_compiled; i++) {
        Text why = {.arena = arena};
        bool same = lowered_run(compiled[i], so, &why);
        ck_assert_msg(same, "%s for %s (%s in %s.c): %s", compiled[i]->what, target,
                      compiled[i]->name, path, why.at);
    }
    n_compiled = 0;
    dlclose(so);
    ck_assert_int_eq(system(arena_printf(arena, "rm -r %s", directory)), 0);
}

/* The targets that this machine can run; eight and sixteen lanes have the same text but for that,
 * so the wider stands for both until check-all. */
static bool is_tried(int i) {
    int native = target_find("native")->lanes;
    if (getenv("NETC_TEST_ALL")) return targets[i].lanes <= native;
    return targets[i].lanes == native || targets[i].lanes == 1;
}

/* --- tests --- */

static void small_networks(const char *target, long batch, int from, int step) {
    for (int i = from; i < COUNT_OF(cases); i += step)
        add_program(case_program(i, "sgd", batch), target, cases[i].items);
    run_all(target);
}

START_TEST(test_library_by_samples) {
    if (is_tried(_i)) small_networks(targets[_i].name, 19, 0, 1);
}
END_TEST

START_TEST(test_library_in_small_batches) {
    if (is_tried(_i)) small_networks(targets[_i].name, 3, _i % 3, 3);
}
END_TEST

START_TEST(test_scans) {
    if (!is_tried(_i)) return;
    for (int i = 0; i < COUNT_OF(scans); i++) {
        char *items = arena_printf(arena, "model scaled -> rows -> %s -> last -> dense(3)\n"
                                          "loss softmax_cross_entropy\n"
                                          "train { optimizer sgd  batch 18 }", scans[i]);
        char *defs = arena_printf(arena, "%s%s", cells, probe);
        add_program(small_net(defs, "1, 4, 5", items), targets[_i].name, scans[i]);
    }
    run_all(targets[_i].name);
}
END_TEST

START_TEST(test_optimizers) {
    if (!is_tried(_i)) return;
    for (int i = 0; i < COUNT_OF(rules); i++) {
        char *items = arena_printf(arena, "model dense(9) -> relu -> dense(3)\n"
                                          "loss softmax_cross_entropy + l2(0.1)\n"
                                          "train { optimizer %s  batch 5 }", rules[i]);
        add_program(small_net(probe, "20", items), targets[_i].name, rules[i]);
    }
    run_all(targets[_i].name);
}
END_TEST

START_TEST(test_states_of_parts) {
    static const char *const layers[] = {"part_of_row", "part_of_square"};
    if (!is_tried(_i)) return;
    for (int i = 0; i < COUNT_OF(layers); i++) {
        char *items = arena_printf(arena, "model dense(20) -> %s -> dense(3)\n"
                                          "loss softmax_cross_entropy\n"
                                          "train { optimizer sgd  batch 5 }", layers[i]);
        char *defs = arena_printf(arena, "%s%s", partial, probe);
        add_program(small_net(defs, "6", items), targets[_i].name, layers[i]);
    }
    run_all(targets[_i].name);
}
END_TEST

/* What means something in C, or in the headers of generated code, may be a name in a spec. */
START_TEST(test_names) {
    static const char *const names[] = {"double", "vf", "int", "word", "call", "arena", "vf_load",
                                        "main", "inline", "NETC_LANES", "scalar", "_Bool", "n"};
    if (!is_tried(_i)) return;
    Text items = {.arena = arena};
    const char *last = "x";
    for (int k = 0; k < COUNT_OF(names); k++) {
        text_add(&items, "%s = %s -> dense(%d) -> %s\n", names[k], last, 3 + k % 2,
                 k % 3 ? "softplus" : "softmax");
        last = names[k];
    }
    text_add(&items, "model %s -> dense(3)\nloss softmax_cross_entropy\n"
                     "train { optimizer sgd  batch 5 }", last);
    add_program(small_net(probe, "4", items.at), targets[_i].name, "names of C");
    run_all(targets[_i].name);
}
END_TEST

START_TEST(test_steps_of_one_sample) {
    if (!is_tried(_i)) return;
    for (int i = 0; i < COUNT_OF(steps_cases); i++) {
        Program *p = small_net(steps_defs, STEPS_SHAPE, steps_cases[i]);
        add_program(p, targets[_i].name, steps_cases[i]);
        ck_assert_int_gt(p->train->batch, 1);
    }
    run_all(targets[_i].name);
}
END_TEST

static int buffers_like(const LoopFunction *f, const char *end) {
    int found = 0;
    for (int i = 0; i < f->buffers.n; i++) {
        const char *name = f->buffers.at[i]->name;
        size_t n = strlen(name), m = strlen(end);
        found += n > m && !strcmp(name + n - m, end);
    }
    return found;
}

/* Filters' gradients, a whole number of blocks of samples and not. */
START_TEST(test_sums_by_blocks) {
    static const int batch[] = {32, 41};
    if (!is_tried(_i)) return;
    for (int i = 0; i < COUNT_OF(batch); i++) {
        char *items = arena_printf(arena, "model conv(3, 3) -> relu -> maxpool(2) -> conv(2, 3)\n"
                                          "      -> tanh -> flatten -> dense(3)\n"
                                          "loss softmax_cross_entropy\n"
                                          "train { optimizer adam  batch %d }", batch[i]);
        add_program(small_net(probe, "2, 12, 11", items), targets[_i].name, "two convolutions");
        int sums = 0;
        for (int k = 0; k < n_compiled; k++)
            sums += buffers_like(compiled[k]->function, "_by_block");
        ck_assert_int_eq(sums, 4 * (i + 1)); /* filters and biases */
    }
    run_all(targets[_i].name);
}
END_TEST

int main(void) {
    Suite *s = suite_create("compiled");
    TCase *t = tcase_create("compiled");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, test_library_by_samples, 0, n_targets);
    tcase_add_loop_test(t, test_library_in_small_batches, 0, n_targets);
    tcase_add_loop_test(t, test_scans, 0, n_targets);
    tcase_add_loop_test(t, test_optimizers, 0, n_targets);
    tcase_add_loop_test(t, test_states_of_parts, 0, n_targets);
    tcase_add_loop_test(t, test_names, 0, n_targets);
    tcase_add_loop_test(t, test_steps_of_one_sample, 0, n_targets);
    tcase_add_loop_test(t, test_sums_by_blocks, 0, n_targets);
    tcase_set_timeout(t, 600);
    suite_add_tcase(s, t);
    SRunner *run = srunner_create(s);
    srunner_run_all(run, CK_NORMAL);
    int failed = srunner_ntests_failed(run);
    srunner_free(run);
    return failed != 0;
}
