/* model.c: a network with its memory, for a C program of the user's own (runtime.h). */
#include "internal.h"
#include <stdlib.h>

bool netc_model_open(netc_model *m, const netc_net *net, const char *weights, netc_error *error) {
    size_t bytes = (size_t)netc_elements(net->data.rank, net->data.shape);
    size_t x = (size_t)netc_elements(net->x_rank, net->x_shape);
    size_t output = (size_t)netc_elements(net->output_rank, net->output_shape);
    size_t prepared = (size_t)netc_round_up(net->prepare_batch, 16);
    *m = (netc_model){.net = net,
                      .bytes = netc_alloc(prepared * bytes),
                      .x = netc_alloc(prepared * x * sizeof(float)),
                      .output = netc_alloc(16 * output * sizeof(float))};
    netc_call *call = &m->call;
    call->state = netc_alloc(net->state_bytes);
    call->arena = netc_alloc(net->arena_bytes);
    call->prediction = netc_alloc(16 * sizeof *call->prediction);
    call->bytes = m->bytes;
    call->x = call->x_out = m->x;
    call->output = m->output;
    call->count = 1;
    call->rate_scale = 1;
    bool ok = true;
    if (net->abi != NETC_ABI)
        ok = netc_fail(error, "%s was compiled for another version of the runtime", net->name);
    else if (!m->bytes || !m->x || !m->output || !call->state || !call->arena || !call->prediction)
        ok = netc_fail(error, "not enough memory");
    else
        ok = netc_load_weights(net, call->state, weights, &call->data_mean, &call->data_std, error);
    if (!ok) netc_model_close(m);
    return ok;
}

int netc_model_classify(netc_model *m) {
    m->net->prepare(&m->call);
    m->net->predict(&m->call);
    return m->call.prediction[0];
}

void netc_model_close(netc_model *m) {
    free(m->bytes);
    free(m->x);
    free(m->output);
    free(m->call.state);
    free(m->call.arena);
    free(m->call.prediction);
    *m = (netc_model){0};
}
