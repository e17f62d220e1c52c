/* steps_cases.h: networks of which a call of train makes several steps. */
#ifndef NETC_TESTS_STEPS_CASES_H
#define NETC_TESTS_STEPS_CASES_H

#define STEPS_SHAPE "2, 10, 15" /* of a sample */

static const char steps_defs[] =
    "layer plain(units) on in[F] {\n"
    "  param W[units, F] ~ normal(0, 0.1)\n"
    "  out[u] = sum(f) W[u, f] * in[f]\n"
    "}\n"
    "layer grid on in[F] {\n"
    "  param g[F / 10, 10] = 0.5\n"
    "  out[k] = g[k / 10, k % 10] * in[k]\n"
    "}\n"
    "layer thrice on in[C, H, W] { out[c < 6, y, x] = in[c % 2, y, x] }\n";

static const char *const steps_cases[] = {
    "model flatten -> dense(50) -> relu -> dense(3)  loss softmax_cross_entropy\n"
    "train { optimizer sgd(lr = cosine(0.05))  batch 1 }",
    "model flatten -> plain(50) -> tanh -> dense(40) -> scaled -> dense(3)\n"
    "loss softmax_cross_entropy  train { optimizer sgd(lr = 0.05)  batch 1 }",
    "model flatten -> dense(60) -> layernorm -> sigmoid -> dense(3)  loss softmax_cross_entropy\n"
    "train { optimizer sgd(lr = 0.1)  batch 1 }",
    "y = x -> flatten -> dense(60) -> relu -> dense(3)  model y\n"
    "loss (y, label -> one_hot(3)) -> mean_squared_error\n"
    "train { optimizer sgd(lr = 0.05)  batch 1 }",
    "h = x -> flatten -> dense(50) -> relu  model (h, h -> dense(20)) -> concat -> dense(3)\n"
    "loss softmax_cross_entropy  train { optimizer sgd(lr = 0.05)  batch 1 }",
    "model flatten -> dense(50) -> grid -> dense(3)  loss softmax_cross_entropy\n"
    "train { optimizer sgd(lr = 0.05)  batch 1 }",
    "model thrice -> flatten -> dense(50) -> relu -> dense(3)  loss softmax_cross_entropy\n"
    "train { optimizer sgd(lr = 0.05)  batch 1 }",
};
#endif
