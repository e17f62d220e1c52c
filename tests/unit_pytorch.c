/* unit_pytorch.c: values and gradients of 200 random layers against PyTorch's, which
 * pytorch/make_cases.py stored; as they are and after all rewrites. Run in the root of the tree. */
#include "interpret.h"
#include "nets.h"
#include "passes.h"
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CASES "tests/pytorch/cases.txt"

static double noise(uint64_t number, uint64_t tensor, uint64_t i) {
    uint64_t z = ((number << 40) + (tensor << 32) + i) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z = (z ^ (z >> 31)) >> 43;
    return (double)z / (1 << 20) - 1;
}

typedef struct Case {
    char kind[16];
    long samples, channels, height, width, filters;
    Window window;
} Case;

static bool read_case(FILE *f, Case *c) {
    Window *w = &c->window;
    return fscanf(f, "%15s %ld %ld %ld %ld %ld %ld %ld %ld %ld", c->kind, &c->samples, &c->channels,
                  &c->height, &c->width, &c->filters, &w->k, &w->stride, &w->pad,
                  &w->dilation) == 10;
}

static Node *layer(const Case *c) {
    long C = c->channels, k = c->window.k;
    Node *x = given("x", c->samples, C, c->height, c->width);
    if (!strcmp(c->kind, "conv")) {
        return conv(x, param("K", c->filters, C, k, k), param("b", c->filters), c->window);
    }
    if (!strcmp(c->kind, "maxpool")) return pool(x, REDUCE_MAX, c->window);
    if (!strcmp(c->kind, "avgpool")) {
        Node *sum = pool(x, REDUCE_SUM, c->window), *mean = like("mean", sum);
        mean->body = op2(OP_DIV, same(mean, sum), num((double)(k * k)));
        return mean;
    }
    return batch_norm(x, param("gamma", C), param("beta", C), 1e-5);
}

static long size_of(const Node *n) {
    long size = 1;
    for (int i = 0; i < n->rank; i++) size *= n->shape[i];
    return size;
}

static void rewrite_before(Graph *g) {
    rewrite_views(g);
    rewrite_increasing(g);
    rewrite_guards(g);
    rewrite_values(g);
}

static void rewrite_after(Graph *g) {
    rewrite_views(g);
    rewrite_guards(g);
    rewrite_factors(g);
    rewrite_algebra(g);
    rewrite_common(g);
}

static Interp *evaluate(int number, bool rewrite) {
    want_gradients();
    if (rewrite) rewrite_before(G);
    differentiate(G);
    solve_guards(G);
    if (rewrite) rewrite_after(G);
    graph_verify(G, "the passes");
    Interp *in = interpret_new(arena, G, true);
    for (int i = 0; i < G->nodes.n; i++) {
        const Node *n = G->nodes.at[i];
        if (n->kind == NODE_COMP) continue;
        bool second = !strcmp(n->name, "b") || !strcmp(n->name, "beta");
        uint64_t tensor = !strcmp(n->name, "x") ? 0 : !strcmp(n->name, "target") ? 9 : 1 + second;
        double *at = interpret_values(in, n);
        for (long k = 0; k < size_of(n); k++) at[k] = noise((uint64_t)number, tensor, (uint64_t)k);
    }
    interpret_run(in);
    return in;
}

static void compare(const char *what, int number, double found, double expected) {
    ck_assert_msg(fabs(found - expected) <= 1e-8 * (1 + fabs(expected)),
                  "case %d, %s: %.12g, PyTorch has %.12g", number, what, found, expected);
}

/* The rest of the line of a tensor against what the graph has for it. */
static void check_tensor(FILE *f, Interp *in, const char *name, int number) {
    long size;
    double expected, total = 0;
    Node *n = graph_find_output(G, name);
    ck_assert_msg(n != NULL, "case %d: no %s", number, name);
    ck_assert_int_eq(fscanf(f, "%ld", &size), 1);
    ck_assert_int_eq(size, size_of(n));
    const double *at = interpret_values(in, n);
    for (long k = 0; k < size; k += (size + 15) / 16) {
        ck_assert_int_eq(fscanf(f, "%lf", &expected), 1);
        compare(name, number, at[k], expected);
    }
    for (long k = 0; k < size; k++) total += at[k] * noise((uint64_t)number, 99, (uint64_t)k);
    ck_assert_int_eq(fscanf(f, "%lf", &expected), 1);
    compare(name, number, total, expected);
}

/* _i: without and with rewrites */
START_TEST(layers_are_those_of_pytorch) {
    FILE *f = fopen(CASES, "r");
    ck_assert_msg(f != NULL, "cannot open " CASES);
    int number = 0;
    for (Case c; read_case(f, &c); number++) {
        static const char *const leaves[][3] = {
            {"d_x", "d_K", "d_b"}, {"d_x", "d_gamma", "d_beta"}};
        bool norm = !strcmp(c.kind, "batchnorm"), pools = strstr(c.kind, "pool") != NULL;
        char name[16];
        nets_begin(c.samples);
        Node *out = layer(&c);
        graph_output(G, "out", out);
        projection(out);
        Interp *in = evaluate(number, _i);
        ck_assert_int_eq(fscanf(f, "%15s", name), 1);
        check_tensor(f, in, "out", number);
        for (int i = 0; i < (pools ? 1 : 3); i++) {
            ck_assert_int_eq(fscanf(f, "%15s", name), 1);
            ck_assert_str_eq(name, leaves[norm][i]);
            check_tensor(f, in, name, number);
        }
        nets_end();
    }
    ck_assert_int_eq(number, 200);
    fclose(f);
}
END_TEST

int main(void) {
    Suite *s = suite_create("pytorch");
    TCase *c = tcase_create("pytorch");
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, layers_are_those_of_pytorch, 0, 2);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
