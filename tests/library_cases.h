/* library_cases.h: small networks that cover the layers, functions and losses of the prelude. */
#ifndef NETC_TESTS_LIBRARY_CASES_H
#define NETC_TESTS_LIBRARY_CASES_H
#include "net_text.h"

static const char probe[] =
    "loss probe on in[S...] { out = sum(k) (in.flat[k]^2 + (0.1 * k - 0.3) * in.flat[k]) }\n"
    "layer two_of { out[c < 2, i < 3] = in.flat[3 * c + i] }\n";

/* What is tested, the definitions that it covers, and the shape that it takes. */
static const struct {
    const char *covers, *shape, *items;
} cases[] = {
    {"dense he relu", "6", "model relu -> dense(4)  loss probe"},
    {"conv", "2, 5, 4", "model conv(3, 2)  loss probe"},
    {"conv", "2, 7, 6", "model conv(2, 3, stride = 2, pad = 1)  loss probe"},
    {"conv", "1, 8, 7", "model conv(2, 2, pad = 2, dilation = 3)  loss probe"},
    {"conv", "2, 6, 6", "model conv(2, 1, stride = 3)  loss probe"},
    {"maxpool", "2, 6, 6", "model scaled -> maxpool(2)  loss probe"},
    {"maxpool", "2, 6, 5", "model scaled -> maxpool(3, stride = 2, pad = 1)  loss probe"},
    {"avgpool", "2, 6, 5", "model scaled -> avgpool(2)  loss probe"},
    {"avgpool", "2, 6, 5", "model scaled -> avgpool(3, stride = 1)  loss probe"},
    {"global_avgpool", "2, 3, 4", "model scaled -> global_avgpool  loss probe"},
    {"global_maxpool", "2, 3, 4", "model scaled -> global_maxpool  loss probe"},
    {"batchnorm", "2, 3, 2", "model scaled -> batchnorm  loss probe"},
    {"batchnorm", "5", "model dense(4) -> batchnorm  loss probe"},
    {"layernorm", "2, 3, 2", "model scaled -> layernorm  loss probe"},
    {"dropout", "9", "model scaled -> dropout(0.4)  loss probe"},
    {"flatten", "2, 3, 4", "model scaled -> flatten -> dense(2)  loss probe"},
    {"rows last", "1, 3, 4", "model scaled -> rows -> last  loss probe"},
    {"rnn xavier", "1, 4, 3", "model rows -> rnn(3)  loss probe"},
    {"lstm", "1, 4, 3", "model rows -> lstm(3) -> last  loss probe"},
    {"gru", "1, 4, 3", "model rows -> gru(3)  loss probe"},
    {"softmax", "5", "model scaled -> softmax  loss probe"},
    {"concat", "6", "a = x -> two_of  b = x -> scaled -> two_of -> relu\n"
                    "model (a, b) -> concat -> scaled  loss probe"},
    {"one_hot mean_squared_error", "6",
     "y = x -> dense(3)  model y  loss (y, label -> one_hot(3)) -> mean_squared_error"},
    {"standardize", "6", "model scaled -> standardize  loss probe"},
    {"rescale", "6", "model scaled -> rescale(-1, 1)  loss probe"},
    {"resize mix", "1, 4, 5", "model scaled -> resize(6, 4)  loss probe"},
    {"replicate", "1, 2, 3", "model scaled -> replicate(3)  loss probe"},
    {"leaky_relu", "6", "model scaled -> leaky_relu(0.2)  loss probe"},
    {"sigmoid silu", "6", "model scaled -> sigmoid -> silu  loss probe"},
    {"gelu", "6", "model scaled -> gelu  loss probe"},
    {"softplus", "6", "model scaled -> softplus  loss probe"},
    {"elu", "6", "model scaled -> elu(0.5)  loss probe"},
    {"square", "6", "model scaled -> square -> tanh  loss probe"},
    {"softmax_cross_entropy", "6", "model dense(3)  loss softmax_cross_entropy"},
    {"l2", "6", "model dense(3)  loss softmax_cross_entropy + 0.5 * l2(0.3)"},
};

static inline Program *case_program(int i, const char *optimizer, long batch) {
    return small_net(probe, cases[i].shape,
                     arena_printf(arena, "%s  train { optimizer %s  batch %ld }", cases[i].items,
                                  optimizer, batch));
}
#endif
