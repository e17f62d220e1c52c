/* numeric.h: gradients against finite differences, and graphs against graphs, by the interpreter.
 *
 * A test asks for gradients with numeric_ask while it builds the graph, whose output "loss" is a
 * scalar; has it differentiated; and calls numeric_gradients. What it says on failure is in the
 * Text, which may be null.
 */
#ifndef NETC_TESTS_NUMERIC_H
#define NETC_TESTS_NUMERIC_H
#include "graph.h"
#include "interpret.h"
#include "random.h"
#include <math.h>
#include <string.h>

static inline long numeric_size(const Node *n) {
    long size = 1;
    for (int i = 0; i < n->rank; i++) size *= n->shape[i];
    return size;
}

/* Inputs and stored tensors by name and seed, so that equal graphs get equal numbers: floats in
 * [-1, 1), integers in 0 .. 2, bytes in 0 .. 255. */
static inline void numeric_fill(Interp *in, const Graph *g, uint64_t seed) {
    for (int i = 0; i < g->nodes.n; i++) {
        const Node *n = g->nodes.at[i];
        if (n->kind != NODE_INPUT && n->kind != NODE_STORED) continue;
        Random r = {hash_bytes(n->name, strlen(n->name), seed)};
        double *x = interpret_values(in, n);
        for (long k = 0; k < numeric_size(n); k++) {
            bool integer = n->type != T_F32;
            x[k] = integer ? (double)random_int(&r, 0, n->bytes ? 255 : 2) : random_unit(&r);
        }
    }
}

static inline Node *numeric_node(const Graph *g, const char *name) {
    for (int i = 0; i < g->nodes.n; i++) {
        if (!strcmp(g->nodes.at[i]->name, name)) return g->nodes.at[i];
    }
    return NULL;
}

/* Makes the gradient of an input or stored tensor an output, "grad NAME". */
static inline void numeric_ask(Graph *g, Node *of) {
    graph_output(g, arena_printf(g->program->arena, "grad %s", of->name), graph_grad(g, of));
}

static inline bool numeric_near(double a, double b, double tolerance) {
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
    if (a == b) return true;
    double size = fabs(a) > fabs(b) ? fabs(a) : fabs(b);
    return fabs(a - b) <= tolerance * (size > 1 ? size : 1);
}

/* Is `got` the slope of the loss along *x? Central differences, the second time nearer, since the
 * first may span a bend; where the loss bends right there nothing can be said. */
static inline bool numeric_slope(Interp *in, const Node *loss, double *x, double got,
                                 double *want) {
    double keep = *x, at[3], h = 1e-5;
    for (int attempt = 0; attempt < 2; attempt++, h /= 20) {
        for (int i = 0; i < 3; i++) {
            *x = keep + (i - 1) * h;
            interpret_run_to(in, loss);
            at[i] = interpret_values(in, loss)[0];
        }
        *x = keep;
        *want = (at[2] - at[0]) / (2 * h);
        if (numeric_near(got, *want, 2e-6)) return true;
    }
    return fabs(at[0] - 2 * at[1] + at[2]) > 1e-3 * 20 * h * (1 + fabs(got));
}

/* All "grad NAME" outputs of g against differences, at `count` samples; at most `most` elements of
 * each tensor. */
static inline bool numeric_gradients(Graph *g, uint64_t seed, long count, long most, Text *why) {
    Arena *a = arena_new();
    Interp *in = interpret_new(a, g, true);
    Node *loss = graph_find_output(g, "loss");
    Random r = {seed};
    bool good = true;
    numeric_fill(in, g, seed);
    interpret_host(in, HOST_COUNT, (double)count);
    interpret_seed(in, seed);
    for (int o = 0; o < g->n_outputs && good; o++) {
        if (strncmp(g->output[o].name, "grad ", 5)) continue;
        Node *of = numeric_node(g, g->output[o].name + 5), *grad = g->output[o].node;
        if (!of) continue; /* the loss does not depend on it any more */
        long size = numeric_size(grad), exist = of->batched ? size / g->batch * count : size;
        interpret_run_to(in, grad);
        for (long k = 0; k < exist && good; k++) {
            if (exist > most && random_int(&r, 0, exist - 1) >= most) continue;
            double *x = interpret_values(in, of) + k, got = interpret_values(in, grad)[k];
            double want;
            good = numeric_slope(in, loss, x, got, &want);
            if (good || !why) continue;
            text_add(why, "gradient of %s at %ld: %.12g, by differences %.12g", of->name, k, got,
                     want);
        }
    }
    arena_free(a);
    return good;
}

/* The outputs of two graphs with the same inputs, at `count` samples: within `tolerance` (0: the
 * same bits), in double or in float. */
static inline bool numeric_equal(Graph *g, Graph *h, uint64_t seed, long count, bool in_double,
                                 double tolerance, Text *why) {
    Arena *a = arena_new();
    Interp *in[2] = {interpret_new(a, g, in_double), interpret_new(a, h, in_double)};
    for (int i = 0; i < 2; i++) {
        numeric_fill(in[i], i ? h : g, seed);
        interpret_host(in[i], HOST_COUNT, (double)count);
        interpret_seed(in[i], seed);
        interpret_run(in[i]);
    }
    bool good = g->n_outputs == h->n_outputs;
    for (int o = 0; o < g->n_outputs && good; o++) {
        const double *x = interpret_values(in[0], g->output[o].node);
        const double *y = interpret_values(in[1], h->output[o].node);
        for (long k = 0; k < numeric_size(g->output[o].node) && good; k++) {
            bool same = !memcmp(&x[k], &y[k], sizeof *x) || (isnan(x[k]) && isnan(y[k]));
            good = same || (tolerance > 0 && numeric_near(x[k], y[k], tolerance));
            if (good || !why) continue;
            text_add(why, "output %s at %ld: %.17g and %.17g", g->output[o].name, k, x[k], y[k]);
        }
    }
    arena_free(a);
    return good;
}
#endif
