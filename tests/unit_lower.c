/* unit_lower.c: random graphs, through random legal schedules, compiled and run, give the
 * interpreter's bits, for every target. The schedules go through their text on the way.
 *
 * NETC_TEST_ROUNDS: how many times (1; 10 in check-all), NETC_TEST_SEED: where to begin,
 * NETC_TEST_CASES: graphs a round. A failure names its seed, so NETC_TEST_CASES=1 NETC_TEST_SEED=N
 * repeats it.
 */
#include "choose.h"
#include "diag.h"
#include "lowered.h"
#include "nets.h"
#include "passes.h"
#include "random_graph.h"
#include "random_schedule.h"
#include <check.h>

#ifdef __SANITIZE_ADDRESS__ /* the others are run by the program without sanitizers */
enum { CASES = 6, MOST = 200 };
#else
enum { CASES = 12, MOST = 200 };
#endif

static const char *current = ""; /* what is being made, should the compiler die */

static void tell_current(int signal) {
    ssize_t n = write(2, current, strlen(current));
    (void)n;
    _exit(1);
}

/* --- graphs --- */

/* Parameters take a step along their gradients, which leave in_place by an update. */
static void descend(Graph *g) {
    Pool *p = g->program->pool;
    for (int i = 0; i < g->n_outputs; i++) {
        Node *grad = g->output[i].node;
        if (grad->kind != NODE_GRAD || grad->of->kind != NODE_STORED) continue;
        Node *of = grad->of, *next = graph_comp(g, "next", T_F32, of->rank, of->shape, false);
        Expr *index[MAX_RANK];
        for (int k = 0; k < of->rank; k++) index[k] = e_var(p, next->var[k]);
        next->body = e_sub(p, e_read(p, of, index, of->rank),
                           e_mul(p, e_num(p, T_F32, 0.125), e_read(p, grad, index, of->rank)));
        graph_update(g, of->stored, next);
        g->output[i--] = g->output[--g->n_outputs];
    }
    graph_sort(g);
}

/* Small networks of the usual layers, by nets.h. */
static Graph *usual_net(Random *r) {
    static const long batches[] = {5, 16, 20, 32, 33};
    nets_begin(batches[random_int(r, 0, COUNT_OF(batches) - 1)]);
    long B = G->batch;
    if (random_int(r, 0, 2) == 0) {
        long F = random_int(r, 3, 20), U = random_int(r, 2, 18);
        Node *x = given("x", B, random_int(r, 2, 4), F);
        Node *h = random_flag(r) ? rnn(x, U, true) : lstm(x, U);
        cross_entropy(dense(last(h), "W", "c", 5));
    } else {
        Window w = {random_int(r, 1, 3), random_int(r, 1, 2), random_int(r, 0, 1), 1};
        Node *x = given("x", B, random_int(r, 1, 3), 8, 8);
        Node *K = param("K", random_int(r, 2, 18), x->shape[1], w.k, w.k);
        Node *h = conv(x, K, random_flag(r) ? param("bias", K->shape[0]) : NULL, w);
        if (random_flag(r))
            h = batch_norm(h, param("gamma", h->shape[1]), param("beta", h->shape[1]), 1e-5);
        h = relu(h);
        if (h->shape[2] > 2) h = pool(h, REDUCE_MAX, (Window){2, 2, 0, 1});
        if (h->shape[2] > 2 && random_flag(r)) {
            Node *more = param("more", random_int(r, 2, 20), h->shape[1], 2, 2);
            h = pool(conv(h, more, NULL, (Window){2, 1, 1, 1}), REDUCE_MAX, (Window){2, 2, 0, 1});
        }
        cross_entropy(dense(flatten(h), "W", "b", random_int(r, 3, 18)));
    }
    for (int i = 0, n = G->nodes.n; i < n; i++) {
        Node *x = G->nodes.at[i];
        bool wanted = x->kind == NODE_STORED || (x->kind == NODE_INPUT && x->type == T_F32);
        if (wanted) numeric_ask(G, x);
    }
    graph_sort(G);
    return G;
}

enum { WINNERS = 500000 }; /* from this seed on: behind windows, as chosen */

/* Convolutions behind windows, with channels enough for vectors. */
static Graph *windows_net(Random *r) {
    static const long batches[] = {3, 16, 20, 33};
    nets_begin(batches[random_int(r, 0, COUNT_OF(batches) - 1)]);
    long side = random_int(r, 6, 9), k = random_int(r, 2, 3), pad = random_int(r, 0, 1);
    Node *x = given("x", G->batch, random_int(r, 9, 35), side, side + 1);
    Node *K = param("K", random_int(r, 2, 18), x->shape[1], k, k);
    Node *h = relu(conv(x, K, param("bias", K->shape[0]), (Window){k, 1, pad, 1}));
    long q = random_int(r, 2, 3);
    cross_entropy(dense(flatten(pool(h, REDUCE_MAX, (Window){q, q, 0, 1})), "W", "b", 4));
    for (int i = 0, n = G->nodes.n; i < n; i++) {
        Node *y = G->nodes.at[i];
        bool wanted = y->kind == NODE_STORED || (y->kind == NODE_INPUT && y->type == T_F32);
        if (wanted) numeric_ask(G, y);
    }
    graph_sort(G);
    return G;
}

static Graph *random_net(Random *r, uint64_t seed) {
    Graph *g;
    if (seed >= WINNERS) {
        g = windows_net(r);
    } else if (random_int(r, 0, 3)) {
        long wide = random_int(r, 1, 6);
        int nodes = (int)random_int(r, 1, 6);
        g = random_wide_graph(arena_new(), seed, nodes, random_flag(r), wide)->train;
    } else {
        g = usual_net(r);
    }
    if (random_flag(r)) descend(g);
    return g;
}

/* Output i is called oI: members of a struct have to be identifiers. */
static void freeze(Graph *g, bool select) {
    differentiate(g);
    solve_guards(g);
    if (select) rewrite_select_always(g);
    materialise(g);
    expand(g);
    order(g);
    graph_verify(g, "order");
    for (int i = 0; i < g->n_outputs; i++)
        g->output[i].name = arena_printf(g->program->arena, "o%d", i);
}

/* --- cases --- */

static void must_not_report(void *context, const NodeSchedule *ns, int loop, const char *message) {
    Text *t = context;
    text_add(t, "%s[%d]: %s\n", ns ? ns->node->name : "?", loop, message);
}

/* The schedule that its text says, which must say the same again. */
static Schedule *through_text(Graph *g, Schedule *s, Layouts *l, const Target *target,
                              const char **text) {
    Arena *a = g->program->arena;
    Text t = {.arena = a}, again = {.arena = a}, wrong = {.arena = a};
    schedule_print(&t, s, l);
    *text = t.at;
    Diags *d = diags_new(a);
    Schedule *parsed[5] = {NULL};
    if (!schedule_parse(g->program, target, "schedule", t.at, l, parsed, d)) {
        diags_print(&wrong, d);
        ck_abort_msg("%s\n%s", t.at, wrong.at);
    }
    layouts_close(l);
    schedule_print(&again, parsed[2], l);
    ck_assert_msg(!strcmp(t.at, again.at), "%s\nreads as\n%s", t.at, again.at);
    return parsed[2];
}

static Lowered *make_case(uint64_t seed, const Target *target, const char *name) {
    Random r = {seed};
    Graph *g = random_net(&r, seed);
    Arena *a = g->program->arena;
    freeze(g, random_flag(&r) || seed >= WINNERS);
    Lowered *c = NEW(a, Lowered);
    *c = (Lowered){.arena = a, .graph = g, .seed = seed, .name = arena_strdup(a, name)};
    lowered_expect(c);
    Layouts *l = c->layouts = layouts_new(g->program);
    layouts_close(l);
    Schedule *s;
    const char *text;
    bool chosen = random_int(&r, 0, 7) == 0 || seed >= WINNERS;
    current = arena_printf(a, "seed %lu, %s\n", (unsigned long)seed, target->name);
    if (chosen) {
        choose_layouts(g->program, l);
        s = choose(g, target, l);
        Text wrong = {.arena = a};
        ck_assert_msg(schedule_check(s, l, must_not_report, &wrong), "seed %lu: %s",
                      (unsigned long)seed, wrong.at);
    } else {
        s = random_schedule(g, target, l, random_bits(&r), (int)random_int(&r, 0, 20 * g->nodes.n));
    }
    s = through_text(g, s, l, target, &text);
    Text graph = {.arena = a};
    graph_print(&graph, g);
    current = c->what = arena_printf(a, "seed %lu, %s%s\n%s\n%s\n", (unsigned long)seed,
                                     target->name, chosen ? ", chosen" : "", graph.at, text);
    g->name = c->name;
    c->function = lower(s, l);
    sections(c->function);
    plan(c->function);
    loop_verify(c->function, "plan");
    current = "";
    return c;
}

static long from_environment(const char *name, long otherwise) {
    const char *s = getenv(name);
    return s && *s ? atol(s) : otherwise;
}

static bool can_run(const Target *t) {
    const Target *native = target_find("native");
    return t->lanes <= native->lanes;
}

static void run_cases(const Target *t, uint64_t seed, int n) {
    Lowered *cases[MOST] = {NULL};
    char directory[] = "/tmp/netc_lower_XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(directory));
    for (int i = 0; i < n; i++) {
        char name[32];
        snprintf(name, sizeof name, "f%d", i);
        cases[i] = make_case(seed + (uint64_t)i, t, name);
    }
    char path[64];
    snprintf(path, sizeof path, "%s/cases", directory);
    void *so = lowered_compile(path, t, cases, n);
    ck_assert_msg(so != NULL, "%s.c does not compile for %s", path, t->name);
    int failed = 0;
    for (int i = 0; i < n; i++) {
        Text why = {.arena = cases[i]->arena};
        if (lowered_run(cases[i], so, &why)) continue;
        if (!failed++) printf("%s\n%s\n%s.c: %s\n", why.at, cases[i]->what, path, cases[i]->name);
        else printf("seed %lu %s: %s\n", (unsigned long)cases[i]->seed, t->name, why.at);
    }
    dlclose(so);
    ck_assert_msg(!failed, "%d of %d cases differ from the interpreter", failed, n);
    for (int i = 0; i < n; i++) arena_free(cases[i]->arena);
    snprintf(path, sizeof path, "rm -r %s", directory);
    ck_assert_int_eq(system(path), 0);
}

START_TEST(random_schedules_keep_every_bit) {
    long rounds = from_environment("NETC_TEST_ROUNDS", getenv("NETC_TEST_ALL") ? 10 : 1);
    uint64_t seed = (uint64_t)from_environment("NETC_TEST_SEED", 1000);
    int cases = (int)from_environment("NETC_TEST_CASES", CASES);
    if (cases > MOST) cases = MOST;
    for (long round = 0; round < rounds; round++)
        if (can_run(&targets[_i])) run_cases(&targets[_i], seed + (uint64_t)(round * cases), cases);
}
END_TEST

START_TEST(chosen_schedules_behind_windows) {
    int cases = (int)from_environment("NETC_TEST_CASES", CASES < 10 ? CASES : 10);
    if (can_run(&targets[_i])) run_cases(&targets[_i], WINNERS, cases < MOST ? cases : MOST);
}
END_TEST

int main(void) {
    Suite *s = suite_create("lower");
    TCase *t = tcase_create("schedules");
    tcase_set_timeout(t, 0);
    tcase_add_loop_test(t, random_schedules_keep_every_bit, 0, n_targets);
    tcase_add_loop_test(t, chosen_schedules_behind_windows, 0, n_targets);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_set_fork_status(r, CK_NOFORK);
    signal(SIGABRT, tell_current);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
