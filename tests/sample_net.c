/* sample_net.c: a network written by hand in the form that the compiler writes, and a small data
 * set for it, so that the runtime is tested by itself. To be included.
 *
 * Softmax regression from 16 bytes to 3 classes, with dropout (draws), a running mean of the input
 * (layer state), momentum along a cosine (optimizer state), and weights in a blocked layout.
 */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include "internal.h"

enum { IN = 16, CLASSES = 3, BATCH = 10, EVAL_BATCH = 32, PREPARE_BATCH = 8, BLOCK = 8 };

typedef struct sample_state {
    _Alignas(64) float W[IN / BLOCK][CLASSES][BLOCK];
    _Alignas(64) float b[16];
    _Alignas(64) float mean[IN];
    _Alignas(64) float mW[CLASSES][IN];
    _Alignas(64) float mb[16];
} sample_state;

typedef struct sample_arena {
    float x[BATCH][IN], gradient[BATCH][CLASSES];
} sample_arena;

static void sample_init(const netc_call *call) {
    sample_state *s = call->state;
    for (uint32_t c = 0; c < CLASSES; c++)
        for (uint32_t i = 0; i < IN; i++) {
            uint32_t word = netc_philox(call->seed, 0, 0, 0, c * IN + i);
            s->W[i / BLOCK][c][i % BLOCK] = (float)(word >> 8) * 0x1p-24f * 0.2f - 0.1f;
        }
}

static void sample_prepare(const netc_call *call) {
    float mean = (float)call->data_mean, scale = (float)(1 / call->data_std);
    for (long i = 0; i < call->count * IN; i++)
        call->x_out[i] = ((float)call->bytes[i] - mean) * scale;
}

static void sample_logits(const sample_state *s, const float *x, float *z) {
    for (int c = 0; c < CLASSES; c++) {
        z[c] = s->b[c];
        for (int i = 0; i < IN; i++) z[c] += s->W[i / BLOCK][c][i % BLOCK] * x[i];
    }
}

/* Returns the loss; p becomes the probabilities. */
static float sample_softmax(const float *z, int label, float *p) {
    double sum = 0, top = z[0];
    for (int c = 1; c < CLASSES; c++) top = z[c] > top ? z[c] : top;
    for (int c = 0; c < CLASSES; c++) sum += netc_exp(z[c] - top);
    for (int c = 0; c < CLASSES; c++) p[c] = (float)(netc_exp(z[c] - top) / sum);
    return (float)(netc_log(sum) + top - z[label]);
}

static double sample_full_rate = 0.02; /* tests raise it to see a training diverge */

static double sample_rate(const netc_call *call) {
    double turn = 3.141592653589793 * (call->step - 1) / call->steps;
    return sample_full_rate / 2 * (1 + netc_cos(turn)) * call->rate_scale;
}

/* One class a task. */
static void sample_update(void *context, int c) {
    const netc_call *call = context;
    sample_state *s = call->state;
    sample_arena *a = call->arena;
    float rate = (float)sample_rate(call), db = 0;
    for (int i = 0; i < IN; i++) {
        float dw = 0;
        for (int n = 0; n < call->count; n++) dw += a->gradient[n][c] * a->x[n][i];
        s->mW[c][i] = 0.9f * s->mW[c][i] + dw;
        s->W[i / BLOCK][c][i % BLOCK] -= rate * s->mW[c][i];
    }
    for (int n = 0; n < call->count; n++) db += a->gradient[n][c];
    s->mb[c] = 0.9f * s->mb[c] + db;
    s->b[c] -= rate * s->mb[c];
}

static void sample_train(const netc_call *call) {
    sample_state *s = call->state;
    sample_arena *a = call->arena;
    float loss = 0;
    for (int n = 0; n < call->count; n++) {
        float z[CLASSES], p[CLASSES];
        for (int i = 0; i < IN; i++) {
            float x = call->x[n * IN + i];
            uint32_t word = netc_philox(call->seed, 1, (uint32_t)call->step, (uint32_t)n,
                                        (uint32_t)i);
            a->x[n][i] = word < 0xe0000000u ? x / 0.875f : 0;
            s->mean[i] = 0.99f * s->mean[i] + 0.01f * x;
        }
        sample_logits(s, a->x[n], z);
        loss += sample_softmax(z, call->label[n], p);
        for (int c = 0; c < CLASSES; c++)
            a->gradient[n][c] = (p[c] - (float)(c == call->label[n])) / (float)call->count;
    }
    netc_parallel(call->pool, sample_update, (void *)call, CLASSES);
    call->loss[0] = loss / (float)call->count;
}

static void sample_forward(const netc_call *call, bool with_loss) {
    for (int n = 0; n < call->count; n++) {
        float p[CLASSES], *z = call->output + n * CLASSES;
        int best = 0;
        sample_logits(call->state, call->x + n * IN, z);
        for (int c = 1; c < CLASSES; c++) best = z[c] > z[best] ? c : best;
        call->prediction[n] = best;
        if (with_loss) call->loss[n] = sample_softmax(z, call->label[n], p);
    }
}
static void sample_eval(const netc_call *call) { sample_forward(call, true); }
static void sample_predict(const netc_call *call) { sample_forward(call, false); }

static const netc_piece sample_blocked[] = {
    {0, 1, CLASSES, BLOCK}, {1, 1, BLOCK, 1}, {1, BLOCK, IN / BLOCK, CLASSES * BLOCK}};
static const netc_piece sample_rows[] = {{0, 1, CLASSES, IN}, {1, 1, IN, 1}};
static const netc_piece sample_line[] = {{0, 1, IN, 1}};
#define AT(member) offsetof(sample_state, member), sizeof(((sample_state *)NULL)->member)
static const netc_tensor sample_tensors[] = {
    {"dense1.W", NETC_PARAM, 2, {CLASSES, IN}, AT(W), 3, sample_blocked},
    {"dense1.b", NETC_PARAM, 1, {CLASSES}, AT(b), 1, sample_line},
    {"center.mean", NETC_STATE, 1, {IN}, AT(mean), 1, sample_line},
    {"dense1.W.m", NETC_OPTIMIZER, 2, {CLASSES, IN}, AT(mW), 2, sample_rows},
    {"dense1.b.m", NETC_OPTIMIZER, 1, {CLASSES}, AT(mb), 1, sample_line},
};
#undef AT
static const netc_layer sample_layers[] = {
    {"flatten", "flatten", 1, {IN}, 0},
    {"dense1", "dense(3)", 1, {CLASSES}, CLASSES * IN + CLASSES},
};
static const char *const sample_classes[] = {"cat", "dog", "a \"quoted\" bird"};

/* Not constant: tests change what its train { } says. */
static netc_net sample_net = {
    .abi = NETC_ABI, .version = "0", .name = "sample", .hash = 0x123456789abcdef0,
    .target = "generic", .flags = "",
    .state_bytes = sizeof(sample_state), .arena_bytes = sizeof(sample_arena),
    .tensor = sample_tensors, .n_tensors = 5, .layer = sample_layers, .n_layers = 2,
    .data = {.name = "tiny", .format = "idx", .folder = "tiny-set",
             .train = {"train-images.gz", "train-labels.gz"},
             .test = {"test-images", "test-labels"}, .package = "dataset-tiny", .rank = 3,
             .shape = {1, 4, 4}, .n_classes = CLASSES, .classes = sample_classes, .use = 1},
    .training = {.batch = BATCH, .epochs = 4, .seed = 1},
    .x_rank = 1, .x_shape = {IN}, .output_rank = 1, .output_shape = {CLASSES},
    .prepare_batch = PREPARE_BATCH, .eval_batch = EVAL_BATCH, .train_steps = 1,
    .train_flops = 6.0 * IN * CLASSES,
    .predict_flops = 2.0 * IN * CLASSES, .init = sample_init, .prepare = sample_prepare,
    .train = sample_train, .eval = sample_eval, .predict = sample_predict, .rate = sample_rate};

/* ---- its data set ---- */

enum { TRAIN_SAMPLES = 203, TEST_SAMPLES = 70 };

static void put_file(const char *path, const void *bytes, size_t n) {
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, n, f) != n || fclose(f)) abort();
}

static void put_gz(const char *path, const void *bytes, size_t n) {
    gzFile f = gzopen(path, "wb");
    if (!f || gzwrite(f, bytes, (unsigned)n) != (int)n || gzclose(f)) abort();
}

/* A noisy pattern per class; label first, then pixels. */
static void sample_pixels(uint32_t site, int n, uint8_t *label, uint8_t *pixel) {
    *label = (uint8_t)(netc_philox(7, site, 0, (uint32_t)n, 99) % CLASSES);
    for (uint32_t i = 0; i < IN; i++) {
        uint32_t noise = netc_philox(7, site, 0, (uint32_t)n, i) >> 25;
        pixel[i] = (uint8_t)(noise + (i % CLASSES == *label ? 30 : 0));
    }
}

static void put_set(const char *folder, const char *const file[2], uint32_t site, int n,
                    void (*put)(const char *, const void *, size_t)) {
    char path[512];
    uint8_t *images = malloc(16 + (size_t)n * IN), *labels = malloc(8 + (size_t)n);
    memcpy(images, (uint8_t[]){0, 0, 8, 3, 0, 0, 0, (uint8_t)n, 0, 0, 0, 4, 0, 0, 0, 4}, 16);
    memcpy(labels, (uint8_t[]){0, 0, 8, 1, 0, 0, 0, (uint8_t)n}, 8);
    for (int i = 0; i < n; i++) sample_pixels(site, i, labels + 8 + i, images + 16 + i * IN);
    snprintf(path, sizeof path, "%s/%s", folder, file[0]);
    put(path, images, 16 + (size_t)n * IN);
    snprintf(path, sizeof path, "%s/%s", folder, file[1]);
    put(path, labels, 8 + (size_t)n);
    free(images);
    free(labels);
}

/* A new temporary folder with the data set; the working folder from then on. */
static char sample_folder[64];
static void sample_enter(void) {
    strcpy(sample_folder, "/tmp/netc-sample-XXXXXX");
    if (!mkdtemp(sample_folder) || chdir(sample_folder)) abort();
    put_set(".", sample_net.data.train, 50, TRAIN_SAMPLES, put_gz);
    put_set(".", sample_net.data.test, 51, TEST_SAMPLES, put_file);
}

static void sample_leave(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", sample_folder);
    if (chdir("/") || system(command)) abort();
}
