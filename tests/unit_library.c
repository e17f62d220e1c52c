/* unit_library.c: the library computes what its formulas say: values against plain C, gradients
 * against finite differences, rules and schedules against their papers. Every definition of the
 * prelude must be in a table here. */
#include "library_cases.h"
#include "numeric.h"
#include "prelude.h"
#include "tree.h"
#include <math.h>

#define ck_program(p) ck_assert_msg((p) != NULL, "%s", said())
#define ck_near(got, want) \
    ck_assert_msg(fabs((got) - (want)) <= 2e-6 * (1 + fabs(want)), "%.9g, not %.9g", \
                  (double)(got), (double)(want))

/* --- gradients --- */

static void ask_gradients(Graph *g) {
    int n = g->nodes.n;
    for (int i = 0; i < n; i++) {
        Node *of = g->nodes.at[i];
        bool param = of->kind == NODE_STORED && of->stored->kind == STORED_PARAM;
        bool input = of->kind == NODE_INPUT && of->type == T_F32;
        if (!param && !input) continue;
        graph_output(g, arena_printf(arena, "grad %s", of->name), graph_grad(g, of));
    }
}

START_TEST(test_gradients) {
    for (int i = 0; i < COUNT_OF(cases); i++) {
        for (long count = 2; count <= 3; count++) {
            Program *p = case_program(i, "sgd", 3);
            ck_program(p);
            verify_all(p);
            ask_gradients(p->train);
            differentiate(p->train);
            graph_verify(p->train, "differentiate");
            Text why = {.arena = arena};
            bool good = numeric_gradients(p->train, 5 + (uint64_t)i, count, 40, &why);
            ck_assert_msg(good, "%s: %s", cases[i].items, why.at);
        }
    }
}
END_TEST

/* --- values against plain C --- */

typedef struct Run {
    Program *p;
    Graph *g;
    Interp *in;
} Run;

static Run run_graph(Program *p, Graph *g, long n) {
    ck_program(p);
    Run r = {p, g, interpret_new(arena, g, true)};
    numeric_fill(r.in, g, 77);
    interpret_host(r.in, HOST_COUNT, (double)n);
    return r;
}

static Run eval_of(const char *shape, const char *model) {
    Program *p = small_net(probe, shape, arena_printf(arena,
        "model scaled -> %s  loss probe  train { optimizer sgd  batch 3 }", model));
    ck_program(p);
    Run r = run_graph(p, p->eval, 3);
    interpret_stored(r.in, stored_named(p, "scaled1.s"))[0] = 1;
    return r;
}

static double *values(const Run *r, const char *name) {
    Node *n = node_named(r->g, name);
    ck_assert_msg(n != NULL, "no node %s", name);
    return interpret_values(r->in, n);
}

static double *output(Run *r) {
    interpret_run(r->in);
    return interpret_values(r->in, graph_find_output(r->g, "output"));
}

START_TEST(test_dense) {
    Run r = eval_of("5", "dense(4)");
    double *out = output(&r), *x = values(&r, "x"), *W = values(&r, "dense1_W");
    double *b = values(&r, "dense1_b");
    for (int n = 0; n < 3; n++) {
        for (int u = 0; u < 4; u++) {
            double want = b[u];
            for (int f = 0; f < 5; f++) want += W[u * 5 + f] * x[n * 5 + f];
            ck_near(out[n * 4 + u], want);
        }
    }
}
END_TEST

START_TEST(test_conv) {
    enum { C = 2, H = 7, W = 6, F = 3, KS = 3, S = 2, P = 2, D = 2 };
    Run r = eval_of("2, 7, 6", "conv(3, 3, stride = 2, pad = 2, dilation = 2)");
    enum { WINDOW = D * (KS - 1) + 1 };
    enum { OH = (H + 2 * P - WINDOW) / S + 1, OW = (W + 2 * P - WINDOW) / S + 1 };
    double *out = output(&r), *x = values(&r, "x"), *K = values(&r, "conv1_K");
    double *b = values(&r, "conv1_b");
    ck_assert_int_eq(node_named(r.g, "conv1")->shape[2], OH);
    ck_assert_int_eq(node_named(r.g, "conv1")->shape[3], OW);
    for (int n = 0; n < 3; n++) {
        for (int k = 0; k < F * OH * OW; k++) {
            int f = k / (OH * OW), y = k / OW % OH, z = k % OW;
            double want = b[f];
            for (int t = 0; t < C * KS * KS; t++) {
                int c = t / (KS * KS), h = y * S + t / KS % KS * D - P, w = z * S + t % KS * D - P;
                if (h < 0 || h >= H || w < 0 || w >= W) continue;
                want += K[f * C * KS * KS + t] * x[((n * C + c) * H + h) * W + w];
            }
            ck_near(out[n * F * OH * OW + k], want);
        }
    }
}
END_TEST

/* A window's maximum or mean; what lies outside does not count. */
static void check_pool(const char *model, int k, int stride, int pad, bool mean) {
    enum { H = 6, W = 5 };
    Run r = eval_of("1, 6, 5", model);
    int oh = (H + 2 * pad - k) / stride + 1, ow = (W + 2 * pad - k) / stride + 1;
    double *out = output(&r), *x = values(&r, "x");
    ck_assert_int_eq(graph_find_output(r.g, "output")->shape[2], oh);
    for (int i = 0; i < 3 * oh * ow; i++) {
        int n = i / (oh * ow), y = i / ow % oh, z = i % ow;
        double best = -INFINITY, sum = 0;
        for (int t = 0; t < k * k; t++) {
            int h = y * stride + t / k - pad, w = z * stride + t % k - pad;
            if (h < 0 || h >= H || w < 0 || w >= W) continue;
            best = fmax(best, x[(n * H + h) * W + w]);
            sum += x[(n * H + h) * W + w];
        }
        ck_near(out[i], mean ? sum / (k * k) : best);
    }
}

START_TEST(test_pools) {
    check_pool("maxpool(2) -> maxpool(1)", 2, 2, 0, false);
    check_pool("maxpool(3, stride = 1, pad = 1)", 3, 1, 1, false);
    check_pool("avgpool(2)", 2, 2, 0, true);
    check_pool("avgpool(3, stride = 2)", 3, 2, 0, true);
}
END_TEST

/* A partial batch counts the samples there are; running means follow. */
START_TEST(test_batchnorm) {
    enum { N = 2, C = 2, S = 4 };
    Program *p = small_net(probe, "2, 2, 2",
                           "model batchnorm  loss probe  train { optimizer sgd  batch 3 }");
    ck_program(p);
    differentiate(p->train);
    Run r = run_graph(p, p->train, N);
    double *x = values(&r, "x"), *gamma = values(&r, "batchnorm1_gamma");
    double *beta = values(&r, "batchnorm1_beta"), *mean = values(&r, "batchnorm1_mean");
    double *var = values(&r, "batchnorm1_variance"), old_mean[C], old_var[C];
    memcpy(old_mean, mean, sizeof old_mean);
    memcpy(old_var, var, sizeof old_var);
    interpret_run(r.in);
    double *out = values(&r, "batchnorm1");
    for (int c = 0; c < C; c++) {
        double m = 0, v = 0;
        for (int i = 0; i < N * S; i++) m += x[(i / S * C + c) * S + i % S] / (N * S);
        for (int i = 0; i < N * S; i++) v += pow(x[(i / S * C + c) * S + i % S] - m, 2) / (N * S);
        for (int i = 0; i < N * S; i++) {
            int at = (i / S * C + c) * S + i % S;
            ck_near(out[at], (x[at] - m) / sqrt(v + 1e-5) * gamma[c] + beta[c]);
        }
        ck_near(values(&r, "batchnorm1_mean_next")[c], 0.9 * old_mean[c] + 0.1 * m);
        ck_near(values(&r, "batchnorm1_variance_next")[c],
                0.9 * old_var[c] + 0.1 * v * N * S / (N * S - 1));
    }
}
END_TEST

START_TEST(test_batchnorm_eval) {
    Run r = eval_of("2, 2, 2", "batchnorm");
    double *var = values(&r, "batchnorm1_variance");
    var[0] = 0.5;
    var[1] = 2;
    double *out = output(&r), *x = values(&r, "x"), *mean = values(&r, "batchnorm1_mean");
    double *gamma = values(&r, "batchnorm1_gamma"), *beta = values(&r, "batchnorm1_beta");
    for (int i = 0; i < 24; i++) {
        int c = i / 4 % 2;
        ck_near(out[i], (x[i] - mean[c]) / sqrt(var[c] + 1e-5) * gamma[c] + beta[c]);
    }
}
END_TEST

START_TEST(test_layernorm) {
    Run r = eval_of("6", "layernorm");
    double *out = output(&r), *x = values(&r, "x");
    double *gamma = values(&r, "layernorm1_gamma"), *beta = values(&r, "layernorm1_beta");
    for (int n = 0; n < 3; n++) {
        double m = 0, v = 0;
        for (int i = 0; i < 6; i++) m += x[n * 6 + i] / 6;
        for (int i = 0; i < 6; i++) v += pow(x[n * 6 + i] - m, 2) / 6;
        for (int i = 0; i < 6; i++) {
            ck_near(out[n * 6 + i], (x[n * 6 + i] - m) / sqrt(v + 1e-5) * gamma[i] + beta[i]);
        }
    }
}
END_TEST

static double sigma(double x) { return 1 / (1 + exp(-x)); }

enum { T = 4, F = 3, U = 2 }; /* steps, features, units */

/* w . x + v . h, row u of gate g */
static double gate(const double *w, const double *x, const double *v, const double *h, int g,
                   int u) {
    double z = 0;
    for (int f = 0; f < F && w; f++) z += w[(g * U + u) * F + f] * x[f];
    for (int k = 0; k < U && v; k++) z += v[(g * U + u) * U + k] * h[k];
    return z;
}

START_TEST(test_rnn) {
    Run r = eval_of("1, 4, 3", "rows -> rnn(2)");
    double *out = output(&r), *x = values(&r, "x"), *Wx = values(&r, "rnn1_Wx");
    double *Wh = values(&r, "rnn1_Wh"), *b = values(&r, "rnn1_b");
    for (int n = 0; n < 3; n++) {
        double h[U] = {0}, next[U];
        for (int t = 0; t < T; t++) {
            for (int u = 0; u < U; u++) {
                next[u] = tanh(b[u] + gate(Wx, x + (n * T + t) * F, Wh, h, 0, u));
                ck_near(out[(n * T + t) * U + u], next[u]);
            }
            memcpy(h, next, sizeof h);
        }
    }
}
END_TEST

START_TEST(test_lstm) {
    Run r = eval_of("1, 4, 3", "rows -> lstm(2)");
    double *out = output(&r), *x = values(&r, "x"), *Wx = values(&r, "lstm1_Wx");
    double *Wh = values(&r, "lstm1_Wh"), *b = values(&r, "lstm1_b");
    for (int n = 0; n < 3; n++) {
        double h[U] = {0}, c[U] = {0}, next[U];
        for (int t = 0; t < T; t++) {
            for (int u = 0; u < U; u++) {
                double z[4];
                for (int g = 0; g < 4; g++) {
                    z[g] = b[g * U + u] + gate(Wx, x + (n * T + t) * F, Wh, h, g, u);
                }
                c[u] = sigma(z[0]) * c[u] + sigma(z[1]) * tanh(z[2]);
                next[u] = sigma(z[3]) * tanh(c[u]);
                ck_near(out[(n * T + t) * U + u], next[u]);
            }
            memcpy(h, next, sizeof h);
        }
    }
}
END_TEST

START_TEST(test_gru) {
    Run r = eval_of("1, 4, 3", "rows -> gru(2)");
    double *out = output(&r), *x = values(&r, "x"), *Wx = values(&r, "gru1_Wx");
    double *Wh = values(&r, "gru1_Wh"), *bx = values(&r, "gru1_bx"), *bh = values(&r, "gru1_bh");
    for (int n = 0; n < 3; n++) {
        double h[U] = {0}, next[U];
        for (int t = 0; t < T; t++) {
            for (int u = 0; u < U; u++) {
                double a[3], s[3];
                for (int g = 0; g < 3; g++) {
                    a[g] = bx[g * U + u] + gate(Wx, x + (n * T + t) * F, NULL, NULL, g, u);
                    s[g] = bh[g * U + u] + gate(NULL, NULL, Wh, h, g, u);
                }
                double reset = sigma(a[0] + s[0]), keep = sigma(a[1] + s[1]);
                next[u] = (1 - keep) * tanh(a[2] + reset * s[2]) + keep * h[u];
                ck_near(out[(n * T + t) * U + u], next[u]);
            }
            memcpy(h, next, sizeof h);
        }
    }
}
END_TEST

START_TEST(test_softmax) {
    Run r = eval_of("5", "softmax");
    double *out = output(&r), *x = values(&r, "x");
    for (int n = 0; n < 3; n++) {
        double sum = 0;
        for (int k = 0; k < 5; k++) sum += exp(x[n * 5 + k]);
        for (int k = 0; k < 5; k++) ck_near(out[n * 5 + k], exp(x[n * 5 + k]) / sum);
    }
}
END_TEST

START_TEST(test_pointwise) {
    static const char *const names[] = {"relu", "leaky_relu(0.2)", "sigmoid", "silu", "gelu",
                                        "softplus", "elu(0.5)", "square"};
    for (int i = 0; i < COUNT_OF(names); i++) {
        Run r = eval_of("6", names[i]);
        double *out = output(&r), *x = values(&r, "x");
        for (int k = 0; k < 18; k++) {
            double v = x[k];
            double want[] = {v > 0 ? v : 0, v > 0 ? v : 0.2 * v, sigma(v), v * sigma(v),
                             0.5 * v * (1 + erf(v / sqrt(2))), log1p(exp(v)),
                             v > 0 ? v : 0.5 * expm1(v), v * v};
            ck_near(out[k], want[i]);
        }
    }
}
END_TEST

START_TEST(test_shapes) {
    Run r = eval_of("1, 4, 3", "rows -> last");
    double *out = output(&r), *x = values(&r, "x");
    for (int i = 0; i < 9; i++) ck_near(out[i], x[i / 3 * 12 + 9 + i % 3]);
    r = eval_of("2, 3, 4", "flatten");
    out = output(&r);
    x = values(&r, "x");
    ck_assert_int_eq(graph_find_output(r.g, "output")->rank, 2);
    for (int i = 0; i < 72; i++) ck_near(out[i], x[i]);
    r = eval_of("2, 2, 2", "global_avgpool");
    out = output(&r);
    x = values(&r, "x");
    for (int i = 0; i < 6; i++) ck_near(out[i], (x[4*i] + x[4*i+1] + x[4*i+2] + x[4*i+3]) / 4);
}
END_TEST

/* Bilinear, as other libraries have it with half-pixel centers. */
static double bilinear(const double *x, int h, int w, double y, double z) {
    y = fmin(fmax(y, 0), h - 1);
    z = fmin(fmax(z, 0), w - 1);
    int y0 = (int)y, z0 = (int)z, y1 = y0 + 1 < h ? y0 + 1 : y0, z1 = z0 + 1 < w ? z0 + 1 : z0;
    double v = y - y0, u = z - z0;
    return (1 - v) * ((1 - u) * x[y0 * w + z0] + u * x[y0 * w + z1]) +
           v * ((1 - u) * x[y1 * w + z0] + u * x[y1 * w + z1]);
}

START_TEST(test_resize) {
    static const int sizes[][2] = {{6, 9}, {3, 4}, {4, 5}, {11, 2}};
    for (int i = 0; i < COUNT_OF(sizes); i++) {
        int h = sizes[i][0], w = sizes[i][1];
        Run r = eval_of("1, 4, 5", arena_printf(arena, "resize(%d, %d) -> replicate(2)", h, w));
        double *out = output(&r), *x = values(&r, "x");
        for (int k = 0; k < 2 * h * w; k++) {
            double y = (k / w % h + 0.5) * 4 / h - 0.5, z = (k % w + 0.5) * 5 / w - 0.5;
            ck_near(out[k], bilinear(x, 4, 5, y, z));
        }
    }
}
END_TEST

START_TEST(test_prepare) {
    Program *p = elaborate_text(
        "data tiny { format idx train \"a\", \"b\" test \"c\", \"d\" shape 1, 2, 2\n"
        "            classes \"p\" }\n"
        "net small { data tiny -> rescale(-1, 3) -> standardize\n"
        "  model flatten -> dense(1)  loss softmax_cross_entropy  train { optimizer sgd } }");
    ck_program(p);
    Run r = run_graph(p, p->prepare, 3);
    interpret_host(r.in, HOST_DATA_MEAN, 51);
    interpret_host(r.in, HOST_DATA_STD, 102);
    interpret_run(r.in);
    double *bytes = values(&r, "bytes"), *x = interpret_values(r.in, graph_find_output(r.g, "x"));
    for (int i = 0; i < 12; i++) ck_near(x[i], (-1 + 4 * bytes[i] / 255 - 0.2) / 0.4);
}
END_TEST

/* --- losses --- */

START_TEST(test_cross_entropy) {
    Program *p = small_net(probe, "3", "model scaled  loss softmax_cross_entropy\n"
                           "train { optimizer sgd  batch 3 }");
    Run r = run_graph(p, p->eval, 3);
    double *label = values(&r, "label"), *out = output(&r);
    double *loss = interpret_values(r.in, graph_find_output(r.g, "loss"));
    double *class = interpret_values(r.in, graph_find_output(r.g, "prediction"));
    for (int n = 0; n < 3; n++) {
        double sum = 0;
        int best = 0;
        for (int k = 0; k < 3; k++) {
            sum += exp(out[n * 3 + k]);
            if (out[n * 3 + k] > out[n * 3 + best]) best = k;
        }
        ck_near(loss[n], log(sum) - out[n * 3 + (int)label[n]]);
        ck_assert_int_eq((int)class[n], best);
    }
}
END_TEST

/* --- rules --- */

static const char lever[] =
    "layer lever on in[K] { param w[K] = 0.5  out = sum(k) w[k] * in[k] }\n"
    "loss itself on in { out = in }\n";

typedef struct Rule {
    double w[2], a[2], b[2]; /* two weights and two states */
} Rule;

/* Three steps of a rule, on gradients that are the inputs; `step` is the reference. */
static void check_rule_text(const char *rule, void (*step)(Rule *r, const double *g, int t)) {
    Program *p = small_net(lever, "2", arena_printf(arena,
        "model lever  loss itself  train { optimizer %s  batch 1 }", rule));
    ck_program(p);
    differentiate(p->train);
    Run r = run_graph(p, p->train, 1);
    Rule want = {.w = {0.5, 0.5}};
    for (int i = 0; i < p->stored.n; i++) {
        double *s = interpret_stored(r.in, p->stored.at[i]);
        for (int k = 0; k < 2; k++) s[k] = i == 0 ? 0.5 : 0;
    }
    for (int t = 1; t <= 3; t++) {
        double g[2] = {t * 0.7, -0.9 / t}, *x = values(&r, "x");
        memcpy(x, g, sizeof g);
        interpret_host(r.in, HOST_STEP, t);
        interpret_host(r.in, HOST_STEPS, 3);
        interpret_run(r.in);
        interpret_update(r.in);
        step(&want, g, t);
        for (int k = 0; k < 2; k++) ck_near(interpret_stored(r.in, p->stored.at[0])[k], want.w[k]);
    }
}

#define EACH for (int k = 0; k < 2; k++)

static void step_plain(Rule *r, const double *g, int t) { EACH r->w[k] -= 0.1 * g[k]; }
static void step_decay(Rule *r, const double *g, int t) {
    EACH r->w[k] -= 0.1 * (g[k] + 0.3 * r->w[k]);
}
static void step_momentum(Rule *r, const double *g, int t) {
    EACH r->a[k] = 0.9 * r->a[k] + g[k];
    EACH r->w[k] -= 0.1 * r->a[k];
}
static void step_nesterov(Rule *r, const double *g, int t) {
    EACH r->a[k] = 0.9 * r->a[k] + g[k];
    EACH r->w[k] -= 0.1 * (g[k] + 0.9 * r->a[k]);
}
static void step_rmsprop(Rule *r, const double *g, int t) {
    EACH r->a[k] = 0.8 * r->a[k] + 0.2 * g[k] * g[k];
    EACH r->w[k] -= 0.01 * g[k] / (sqrt(r->a[k]) + 1e-8);
}
static void step_adam(Rule *r, const double *g, int t) {
    EACH r->a[k] = 0.9 * r->a[k] + 0.1 * g[k];
    EACH r->b[k] = 0.999 * r->b[k] + 0.001 * g[k] * g[k];
    EACH r->w[k] -= 0.01 * (r->a[k] / (1 - pow(0.9, t))) /
                    (sqrt(r->b[k] / (1 - pow(0.999, t))) + 1e-8);
}
static void step_adamw(Rule *r, const double *g, int t) {
    EACH r->w[k] *= 1 - 0.01 * 0.2;
    step_adam(r, g, t);
}
static void step_norm(Rule *r, const double *g, int t) {
    double norm = sqrt(g[0] * g[0] + g[1] * g[1]), by = norm > 1 ? 1 / norm : 1;
    EACH r->w[k] -= 0.1 * by * g[k];
}
static void step_value(Rule *r, const double *g, int t) {
    EACH r->w[k] -= 0.1 * fmax(-0.5, fmin(0.5, g[k]));
}
static void step_cosine(Rule *r, const double *g, int t) {
    EACH r->w[k] -= 0.2 * 0.5 * (1 + cos(M_PI * (t - 1) / 3)) * g[k];
}

START_TEST(test_rules) {
    check_rule_text("sgd(lr = 0.1)", step_plain);
    check_rule_text("sgd(lr = 0.1, decay = 0.3)", step_decay);
    check_rule_text("sgd(lr = 0.1, momentum = 0.9)", step_momentum);
    check_rule_text("sgd(lr = 0.1, momentum = 0.9, nesterov = true)", step_nesterov);
    check_rule_text("rmsprop(lr = 0.01, decay = 0.8)", step_rmsprop);
    check_rule_text("adam(lr = 0.01)", step_adam);
    check_rule_text("adamw(lr = 0.01, decay = 0.2)", step_adamw);
    check_rule_text("clip_norm(1) -> sgd(lr = 0.1)", step_norm);
    check_rule_text("clip_value(0.5) -> sgd(lr = 0.1)", step_value);
    check_rule_text("sgd(lr = cosine(0.2))", step_cosine);
}
END_TEST

/* --- learning rates --- */

static double rate(const char *text, double step, double epoch) {
    Program *p = small_net(lever, "2", arena_printf(arena,
        "model lever  loss itself  train { optimizer sgd(lr = %s)  batch 1 }", text));
    ck_program(p);
    differentiate(p->train);
    Run r = run_graph(p, p->train, 1);
    double *w = interpret_stored(r.in, p->stored.at[0]), *x = values(&r, "x");
    w[0] = w[1] = 0;
    x[0] = x[1] = -1;
    interpret_host(r.in, HOST_STEP, step);
    interpret_host(r.in, HOST_EPOCH, epoch);
    interpret_host(r.in, HOST_STEPS, 100);
    interpret_host(r.in, HOST_RATE_SCALE, 0.5);
    interpret_run(r.in);
    interpret_update(r.in);
    return 2 * w[0];
}

START_TEST(test_schedules) {
    ck_near(rate("cosine(0.2)", 1, 1), 0.2);
    ck_near(rate("cosine(0.2)", 51, 1), 0.1);
    ck_near(rate("cosine(0.2)", 101, 1), 0.0);
    ck_near(rate("exponential_decay(0.2, 0.5)", 1, 1), 0.2);
    ck_near(rate("exponential_decay(0.2, 0.5)", 9, 4), 0.025);
    ck_near(rate("step_decay(0.2, 0.1, 3)", 9, 3), 0.2);
    ck_near(rate("step_decay(0.2, 0.1, 3)", 9, 4), 0.02);
    ck_near(rate("warmup(0.2, 10)", 1, 1), 0.02);
    ck_near(rate("warmup(0.2, 10)", 40, 1), 0.2);
    ck_near(rate("warmup(cosine(0.2), 10)", 51, 1), 0.1);
}
END_TEST

/* --- initial weights --- */

static void check_spread(const char *init, double deviation, double bound) {
    Program *p = small_model("", "40", arena_printf(arena, "dense(60, init = %s)", init));
    ck_program(p);
    Run r = run_graph(p, p->init, 1);
    interpret_seed(r.in, 3);
    interpret_run(r.in);
    double *w = values(&r, "dense1_W"), sum = 0, squares = 0, most = 0;
    for (int i = 0; i < 2400; i++) {
        sum += w[i];
        squares += w[i] * w[i];
        most = fmax(most, fabs(w[i]));
    }
    ck_assert_msg(fabs(sum / 2400) < 4 * deviation / sqrt(2400), "%s: mean %g", init, sum / 2400);
    ck_assert_msg(fabs(sqrt(squares / 2400) / deviation - 1) < 0.07, "%s: deviation %g, not %g",
                  init, sqrt(squares / 2400), deviation);
    ck_assert_msg(most <= bound, "%s: %g", init, most);
}

START_TEST(test_initial_weights) {
    check_spread("he", sqrt(2.0 / 40), 5);
    check_spread("he_uniform", sqrt(2.0 / 40), sqrt(6.0 / 40));
    check_spread("xavier", sqrt(2.0 / 100), 5);
    check_spread("xavier_uniform", sqrt(2.0 / 100), sqrt(6.0 / 100));
    check_spread("normal(0, 0.01)", 0.01, 1);
    check_spread("normal(0, 1 / sqrt(fan_in))", sqrt(1.0 / 40), 5);
}
END_TEST

/* --- all of the prelude --- */

static bool has_word(const char *text, const char *word) {
    size_t n = strlen(word);
    for (const char *s = text; (s = strstr(s, word)); s += n) {
        bool begins = s == text || s[-1] == ' ', ends = s[n] == ' ' || s[n] == 0;
        if (begins && ends) return true;
    }
    return false;
}

START_TEST(test_nothing_is_left_out) {
    static const char elsewhere[] =
        "he_uniform xavier_uniform cosine exponential_decay step_decay warmup "
        "sgd rmsprop adam adamw clip_norm clip_value fashion_mnist mnist";
    for (int i = 0; i < n_prelude_files; i++) {
        File *f = parse_text(arena, diags, prelude_files[i].name, prelude_files[i].text);
        ck_assert_msg(f && !diags_errors(diags), "%s", said());
        for (int k = 0; k < f->defs.n; k++) {
            const char *name = f->defs.at[k]->name.text;
            bool found = has_word(elsewhere, name);
            for (int c = 0; c < COUNT_OF(cases); c++) found |= has_word(cases[c].covers, name);
            ck_assert_msg(found, "%s of %s has no test", name, prelude_files[i].name);
        }
    }
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        test_gradients, test_dense, test_conv, test_pools, test_batchnorm, test_batchnorm_eval,
        test_layernorm, test_rnn, test_lstm, test_gru, test_softmax,
        test_pointwise, test_shapes, test_resize, test_prepare, test_cross_entropy, test_rules,
        test_schedules, test_initial_weights, test_nothing_is_left_out};
    return run_suite("library", tests, COUNT_OF(tests));
}
