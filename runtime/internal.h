/* internal.h: what the files of the runtime share among themselves. */
#ifndef NETC_INTERNAL_H
#define NETC_INTERNAL_H
#include <limits.h>
#include <stdio.h>
#include "runtime.h"

#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
enum { NETC_PATH = 4096 };

/* ---- util.c ---- */
bool netc_fail(netc_error *error, const char *format, ...) PRINTF_LIKE(2, 3); /* false */
void netc_fail_more(netc_error *error, const char *format, ...) PRINTF_LIKE(2, 3); /* appends */
double netc_now(void); /* seconds of a steady clock */
double netc_process_seconds(void); /* since this process began; NaN where that is not known */
long netc_round_up(long n, long to);
void netc_shape_text(char *to, size_t size, int rank, const long *shape); /* "[1, 28, 28]" */
void netc_json_string(FILE *f, const char *s);
void netc_json_number(FILE *f, double x); /* null where it is not finite */
void *netc_grow(void *at, long *capacity, long needed, size_t size); /* null: no memory */

/* ---- idx.c: files of bytes in the format of MNIST, plain or compressed ---- */
typedef struct netc_idx {
    long count; /* samples read */
    long total; /* samples in the file, by its header */
    uint8_t *bytes;
} netc_idx;
/* The first `limit` samples (all for 0) of the shape, which axes of one do not change. */
bool netc_idx_read(netc_idx *idx, const char *path, int rank, const long *shape, long limit,
                   netc_error *error);

/* ---- data.c: the data set that a spec names ---- */
typedef struct netc_samples {
    long count;
    uint8_t *bytes, *label;
} netc_samples;

enum { NETC_TRAINING_FILES = 1, NETC_TEST_FILES = 2 };
typedef struct netc_dataset {
    const netc_data *spec;
    long sample_bytes;
    netc_samples train, test;
    int32_t *index; /* the training samples in use: those that train, then those that validate */
    long n_train, n_validation;
    double mean, std; /* of the bytes of those that train */
} netc_dataset;
bool netc_dataset_open(netc_dataset *d, const netc_data *spec, const char *folder, uint64_t seed,
                       long limit, int which, netc_error *error);
void netc_dataset_close(netc_dataset *d);
/* A permutation of index[0..n) by the seed and the epoch (Fisher and Yates, keyed by Philox). */
void netc_shuffle(int32_t *index, long n, uint64_t seed, uint32_t epoch);

/* ---- metrics.c ---- */
typedef struct netc_metrics {
    long samples, correct;
    int classes;
    long *confusion; /* [true class, predicted class, the last column for none] */
    double loss, accuracy, precision, recall, f1; /* the last three macro averages */
} netc_metrics;
bool netc_metrics_start(netc_metrics *m, int classes);
void netc_metrics_add(netc_metrics *m, long n, const float *loss, const int32_t *prediction,
                      const int32_t *label);
void netc_metrics_finish(netc_metrics *m);
void netc_metrics_free(netc_metrics *m);

/* ---- session.c: a network with its memory, and batches on their way into it ---- */
typedef struct netc_session {
    const netc_net *net;
    long sample_bytes, sample_x, sample_output; /* elements */
    netc_call call; /* what stays the same from call to call; state and arena are ours */
    uint8_t *bytes;
    float *x, *loss, *output;
    int32_t *label, *prediction;
} netc_session;
bool netc_session_open(netc_session *s, const netc_net *net, int threads, netc_error *error);
void netc_session_close(netc_session *s);
/* Samples index[0..n) (or, where index is null, first .. first + n - 1) to s->bytes, s->label. */
void netc_gather(netc_session *s, const netc_samples *from, const int32_t *index, long first,
                 long n);
/* After the call of train that made an epoch's first `done` steps: settle where it is time. False
 * where the state cannot be read yet. */
bool netc_settle(const netc_net *net, const netc_call *call, long done, long steps_per_epoch);
void netc_prepare(netc_session *s, const uint8_t *bytes, float *x, long n);
/* Loss and metrics over n samples of a set, as in netc_gather; m is started here. */
bool netc_evaluate(netc_session *s, const netc_samples *set, const int32_t *index, long n,
                   netc_metrics *m, netc_error *error);

/* ---- tensor.c ---- */
long netc_largest_tensor(const netc_net *net); /* elements */
/* The first tensor of the state with an element that is not finite, or null; `work` has room for
 * the largest. */
const netc_tensor *netc_not_finite(const netc_net *net, const void *state, float *work);

/* ---- safetensors.c: the file format ---- */
typedef struct netc_entry {
    const char *name; /* read: into the file's header */
    int rank;
    long shape[NETC_MAX_RANK];
    size_t begin, end; /* bytes within the data */
} netc_entry;
typedef struct netc_meta {
    const char *key, *value;
} netc_meta;
typedef struct netc_safetensors {
    char *header;
    uint8_t *data;
    size_t data_bytes;
    netc_entry *entry; /* sorted by name */
    long n_entries, entry_capacity;
    netc_meta *meta;
    long n_meta, meta_capacity;
} netc_safetensors;
bool netc_safetensors_read(netc_safetensors *s, const char *path, netc_error *error);
const netc_entry *netc_safetensors_find(const netc_safetensors *s, const char *name);
const char *netc_safetensors_meta(const netc_safetensors *s, const char *key);
void netc_safetensors_free(netc_safetensors *s);
bool netc_safetensors_header(netc_safetensors *s, netc_error *error); /* parses s->header */

/* ---- checkpoint.c: a training on disk ---- */
/* All of a training but its tensors. X(type, name, what): type in U64, LONG, DOUBLE. */
#define NETC_POSITION(X)                                                                      \
    X(U64, seed, "of initial weights, order of samples and draws")                            \
    X(LONG, batch, "samples a step")                                                          \
    X(LONG, samples, "that train")                                                            \
    X(LONG, epochs, "of the whole training")                                                  \
    X(LONG, epoch, "epochs done")                                                             \
    X(LONG, step, "steps done over all: with the seed, the position of the draws")            \
    X(DOUBLE, loss_sum, "of the samples since the epoch began")                               \
    X(DOUBLE, rate_scale, "what reduce on plateau has made of 1")                             \
    X(DOUBLE, best_loss, "the lowest watched loss, infinite before the first")                \
    X(LONG, best_epoch, "when that was, 0 for never")                                         \
    X(LONG, waited, "epochs since")                                                           \
    X(LONG, plateau_waited, "epochs since, or since the rate was last reduced")               \
    X(LONG, stopped, "1: by early stopping")                                                  \
    X(DOUBLE, data_mean, "of the training bytes")                                             \
    X(DOUBLE, data_std, "")
#define NETC_TYPE_U64 uint64_t
#define NETC_TYPE_LONG long
#define NETC_TYPE_DOUBLE double
typedef struct netc_position {
#define X(type, name, what) NETC_TYPE_##type name;
    NETC_POSITION(X)
#undef X
} netc_position;

/* Weights are saved under their names; where `best` is given those are the best, and the current
 * ones are "last/NAME". Written beside, synced, renamed: a failure leaves what was there. */
bool netc_checkpoint_write(const char *path, const netc_net *net, const void *state,
                           const void *best, const netc_position *position, netc_error *error);
typedef struct netc_checkpoint {
    netc_position position;
    bool has_best;  /* `best` was filled */
    bool same_hash; /* written by the same compiled network */
} netc_checkpoint;
/* Everything, to go on from; state and best are untouched on failure. */
bool netc_checkpoint_read(netc_checkpoint *c, const char *path, const netc_net *net, void *state,
                          void *best, netc_error *error);
/* Parameters and layers' state whose names and shapes fit, to begin with; how many to *n. */
bool netc_checkpoint_begin(const char *path, const netc_net *net, void *state, int *n,
                           netc_error *error);
/* Could a file be written there? Found out before the work rather than after. */
bool netc_checkpoint_probe(const char *path, netc_error *error);

/* ---- progress.c: what a training tells ---- */
typedef struct netc_epoch { /* one that is done */
    const netc_position *position;
    double train_loss, seconds, learning_rate; /* NaN: the network does not say */
    long samples;                              /* that the seconds were spent on */
    netc_metrics test, validation, train; /* train: of --train-samples, after the epoch */
} netc_epoch;
typedef struct netc_progress {
    bool terminal;
    double shown;       /* when the line was last written */
    double begun;       /* the epoch, or its rest */
    long first_step;    /* the step before */
    double between;     /* seconds from the last step of an epoch to the first of the next */
    long steps_per_epoch;
} netc_progress;
/* The line on a terminal, at most ten times a second. */
void netc_progress_step(netc_progress *g, const netc_position *p);
void netc_progress_clear(netc_progress *g);
void netc_epoch_text(FILE *f, const netc_epoch *e);
void netc_epoch_json(FILE *f, const netc_epoch *e); /* one line */
void netc_metrics_text(FILE *f, const netc_metrics *m);

/* ---- the commands: each returns the exit status ---- */
typedef struct netc_options {
    const char *program, *command;
    const char *data, *save, *resume, *start, *log, *weights, *predictions;
    long epochs, limit, steps, threads, train_samples;
    uint64_t seed;
    bool has_seed, json, resident, profile, inference;
    double seconds;
    char **file;
    int n_files;
} netc_options;
int netc_train_command(const netc_net *net, const netc_options *o);
int netc_eval_command(const netc_net *net, const netc_options *o);
int netc_predict_command(const netc_net *net, const netc_options *o);
int netc_bench_command(const netc_net *net, const netc_options *o);
int netc_summary_command(const netc_net *net, const netc_options *o);
/* Weights from o->weights (or NAME.safetensors), and the statistics that go with them. */
bool netc_session_load(netc_session *s, const netc_options *o, netc_error *error);
int netc_report(const netc_options *o, const netc_error *error); /* prints, returns 1 */

/* ---- profile.c ---- */
void netc_profile_clear(const netc_net *net);
/* A table of the kernels that ran since, over `steps` steps, on `threads` threads of which all
 * together can do `peak` GFLOP/s; 0: unknown. */
void netc_profile_print(const netc_net *net, long steps, int threads, double peak, bool json);

/* ---- inference.c ---- */
int netc_bench_inference(const netc_net *net, const netc_options *o);
double netc_median(double *x, int n); /* sorts x */

/* ---- peak.c ---- */
/* What this machine can do now in float fma, in vectors of the target's width, on all threads of
 * the pool, in GFLOP/s; 0: unknown. */
double netc_fma_peak(netc_pool *pool, const char *target);
#endif
