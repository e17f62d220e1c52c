/* runtime.h: the runtime as a library, for C programs that run a compiled network themselves.
 *
 *     #include "lenet.h"                  the network: `extern const netc_net lenet;`
 *     netc_model m;
 *     netc_error error;
 *     if (!netc_model_open(&m, &lenet, "lenet.safetensors", &error)) puts(error.text);
 *     if (!netc_read_png("shirt.png", &lenet.data, m.bytes, &error)) puts(error.text);
 *     puts(lenet.data.classes[netc_model_classify(&m)]);
 *
 * What can fail returns false and says why in `error`; nothing ends the process or prints.
 */
#ifndef NETC_RUNTIME_H
#define NETC_RUNTIME_H
#include <stdbool.h>
#include "netc.h"

typedef struct netc_error {
    char text[2048];
} netc_error;

/* Zeroed and aligned to NETC_ALIGN, for free(); null where there is no memory. */
void *netc_alloc(size_t bytes);
long netc_elements(int rank, const long *shape);

/* A tensor of the state block to and from row-major order. */
void netc_tensor_get(const netc_tensor *t, const void *state, float *to);
void netc_tensor_set(const netc_tensor *t, void *state, const float *from);

/* Threads for the functions of a network: `threads` in all, the caller's among them; 0 for as many
 * as there are processors for this process. Null where there is no memory. A pool serves one
 * caller at a time, and no task may use the pool that runs it. */
netc_pool *netc_pool_new(int threads);
int netc_pool_threads(const netc_pool *pool);
void netc_pool_free(netc_pool *pool);

/* Parameters and layers' state from a safetensors file into a state block of net->state_bytes; the
 * mean and standard deviation of the bytes that it was trained on, NaN where the file has none. The
 * state is untouched on failure. */
bool netc_load_weights(const netc_net *net, void *state, const char *path, double *data_mean,
                       double *data_std, netc_error *error);

/* A PNG file as one sample of `data`, [H, W], [1, H, W] or [3, H, W] bytes. The size must be the
 * sample's. Color becomes grey as (299 R + 587 G + 114 B + 500) / 1000; grey stays what it is;
 * what is transparent is put on black. */
bool netc_read_png(const char *path, const netc_data *data, uint8_t *bytes, netc_error *error);

/* A network with its memory, for one sample at a time. */
typedef struct netc_model {
    const netc_net *net;
    uint8_t *bytes; /* the sample to classify */
    float *x;       /* the same, prepared */
    float *output;  /* of the last netc_model_classify */
    netc_call call;
} netc_model;
bool netc_model_open(netc_model *m, const netc_net *net, const char *weights, netc_error *error);
int netc_model_classify(netc_model *m); /* the class of m->bytes */
void netc_model_close(netc_model *m);
#endif
