/* fuzz_readers.c: every file reader of the runtime on damaged files: bytes changed, cut, repeated,
 * from good files, by a fixed seed. A reader may take a file or refuse it with a message that names
 * it, and must leave what it was to fill alone when it refuses; a sanitizer sees the rest.
 *
 *     fuzz_readers [ROUNDS [SEED]]
 */
#include <png.h>
#include "sample_net.c"

enum { LARGEST = 1 << 16, KEPT = 4096 };

typedef struct Good {
    const char *name;
    uint8_t bytes[LARGEST];
    size_t n;
} Good;

static uint64_t seed = 1;
static uint32_t drawn;
static uint32_t draw(uint32_t below) {
    return (uint32_t)((uint64_t)netc_philox(seed, 0, 0, 0, drawn++) * below >> 32);
}

/* ---- the readers: true where what they did is right ---- */

static bool refused(const netc_error *error, const char *path) {
    return strstr(error->text, path) != NULL;
}

static bool try_idx(const char *path) {
    netc_idx idx;
    netc_error error = {""};
    static const long shape[] = {1, 4, 4};
    if (!netc_idx_read(&idx, path, 3, shape, 0, &error))
        return refused(&error, path) && !idx.bytes;
    uint32_t sum = 0;
    for (long i = 0; i < idx.count * IN; i++) sum += idx.bytes[i]; /* all of it is there */
    free(idx.bytes);
    return idx.count == idx.total && sum < UINT32_MAX;
}

static bool try_png(const char *path) {
    netc_error error = {""};
    uint8_t pixel[IN];
    return netc_read_png(path, &sample_net.data, pixel, &error) || refused(&error, path);
}

static bool is_zero(const void *at, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (((const uint8_t *)at)[i]) return false;
    return true;
}

static bool try_checkpoint(const char *path) {
    netc_checkpoint c;
    netc_error error = {""};
    static sample_state state, best;
    double mean, std;
    memset(&state, 0, sizeof state);
    memset(&best, 0, sizeof best);
    bool whole = netc_checkpoint_read(&c, path, &sample_net, &state, &best, &error);
    if (!whole && !(refused(&error, path) && is_zero(&state, sizeof state) &&
                    is_zero(&best, sizeof best)))
        return false;
    float work[CLASSES * IN];
    if (whole && netc_not_finite(&sample_net, &state, work)) return false;
    memset(&state, 0, sizeof state);
    bool weights = netc_load_weights(&sample_net, &state, path, &mean, &std, &error);
    return weights ? !netc_not_finite(&sample_net, &state, work)
                   : refused(&error, path) && is_zero(&state, sizeof state) && !whole;
}

/* ---- good files ---- */

static void make_png(void) {
    uint8_t rgba[IN * 4];
    for (int i = 0; i < IN * 4; i++) rgba[i] = (uint8_t)(i * 31);
    png_image image = {.version = PNG_IMAGE_VERSION, .width = 4, .height = 4,
                       .format = PNG_FORMAT_RGBA};
    if (!png_image_write_to_file(&image, "rgba.png", 0, rgba, 0, NULL)) abort();
    image.format = PNG_FORMAT_GRAY;
    if (!png_image_write_to_file(&image, "grey.png", 0, rgba, 0, NULL)) abort();
}

static void make_checkpoints(void) {
    netc_position p = {.batch = BATCH, .samples = 203, .epochs = 4, .epoch = 2, .step = 50,
                       .rate_scale = 1, .best_loss = netc_inf()};
    static sample_state state, best;
    netc_error error;
    sample_init(&(netc_call){.state = &state, .seed = 1});
    sample_init(&(netc_call){.state = &best, .seed = 2});
    if (!netc_checkpoint_write("a.safetensors", &sample_net, &state, NULL, &p, &error) ||
        !netc_checkpoint_write("b.safetensors", &sample_net, &state, &best, &p, &error))
        abort();
}

static const struct {
    const char *name;
    bool (*try)(const char *path);
    size_t header; /* where a change matters most */
} targets[] = {
    {"train-images.gz", try_idx, 64}, {"test-images", try_idx, 16},
    {"grey.png", try_png, 60},        {"rgba.png", try_png, 60},
    {"a.safetensors", try_checkpoint, 900}, {"b.safetensors", try_checkpoint, 1100},
};
enum { N_TARGETS = sizeof targets / sizeof *targets };
static Good good[N_TARGETS];

static void load(int k) {
    FILE *f = fopen(targets[k].name, "rb");
    if (!f) abort();
    good[k].n = fread(good[k].bytes, 1, LARGEST, f);
    fclose(f);
}

/* ---- damage ---- */

static size_t place(int k, size_t n) {
    size_t within = draw(4) && targets[k].header < n ? targets[k].header : n;
    return within ? draw((uint32_t)within) : 0;
}

static size_t damage(int k, uint8_t *bytes) {
    static const char *const tokens[] = {"0", "9999999999999999999", "-1", "[", "]", "{", "}", "\"",
                                         ",", "\\u0000", "nan", "inf", "null", "1e9"};
    size_t n = good[k].n;
    memcpy(bytes, good[k].bytes, n);
    for (uint32_t changes = 1 + draw(3); changes; changes--) {
        size_t at = place(k, n), length;
        const char *token = tokens[draw(sizeof tokens / sizeof *tokens)];
        switch (draw(6)) {
        case 0: /* a bit */
            if (n) bytes[at] ^= (uint8_t)(1u << draw(8));
            break;
        case 1: /* a byte */
            if (n) bytes[at] = (uint8_t)(draw(3) ? draw(256) : 255);
            break;
        case 2: /* the rest is missing */
            n = at;
            break;
        case 3: /* a piece is missing */
            length = n - at < 8 ? n - at : 1 + draw(8);
            memmove(bytes + at, bytes + at + length, n - at - length);
            n -= length;
            break;
        case 4: /* something comes twice */
            length = n - at < 16 ? n - at : 1 + draw(16);
            memmove(bytes + at + length, bytes + at, n - at);
            n += length;
            break;
        default: /* a token stands where it should not */
            length = strlen(token) < n - at ? strlen(token) : n - at;
            memcpy(bytes + at, token, length);
        }
    }
    return n;
}

int main(int argc, char **argv) {
    long rounds = argc > 1 ? atol(argv[1]) : 3000, failed = 0;
    static uint8_t bytes[LARGEST + KEPT];
    if (argc > 2) seed = strtoull(argv[2], NULL, 10);
    sample_enter();
    make_png();
    make_checkpoints();
    for (int k = 0; k < N_TARGETS; k++) load(k);
    for (int k = 0; k < N_TARGETS; k++)
        if (!targets[k].try(targets[k].name)) {
            printf("%s, undamaged: failed\n", targets[k].name);
            failed++;
        }
    for (long i = 0; i < rounds; i++) {
        int k = (int)(i % N_TARGETS);
        drawn = (uint32_t)i * 64;
        put_file("damaged", bytes, damage(k, bytes));
        if (targets[k].try("damaged")) continue;
        printf("round %ld, seed %llu, from %s: failed\n", i, (unsigned long long)seed,
               targets[k].name);
        failed++;
    }
    sample_leave();
    printf("%ld passed, %ld failed\n", rounds + N_TARGETS - failed, failed);
    return failed != 0;
}
