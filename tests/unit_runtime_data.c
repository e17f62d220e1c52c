/* unit_runtime_data.c: the runtime's readers and what is computed of data: IDX, PNG and safetensors
 * files good and bad, where data sets are found, statistics, splits, shuffles, metrics, layouts.
 */
#include <check.h>
#include <math.h>
#include <png.h>
#include "sample_net.c"

#define ck_assert_says(error, part) \
    ck_assert_msg(strstr((error).text, part), "expected '%s' in: %s", part, (error).text)

static const long shape44[] = {4, 4}, shape144[] = {1, 4, 4};

/* ---- IDX ---- */

START_TEST(idx_plain_and_compressed) {
    netc_error e;
    netc_idx a;
    uint8_t label, pixel[IN];
    ck_assert_msg(netc_idx_read(&a, "train-images.gz", 3, shape144, 0, &e), "%s", e.text);
    ck_assert(a.count == TRAIN_SAMPLES && a.total == TRAIN_SAMPLES);
    sample_pixels(50, 202, &label, pixel);
    ck_assert_mem_eq(a.bytes + 202 * IN, pixel, IN);
    free(a.bytes);
    ck_assert(netc_idx_read(&a, "test-images", 2, shape44, 0, &e));
    ck_assert(a.count == TEST_SAMPLES);
    free(a.bytes);
    ck_assert(netc_idx_read(&a, "test-images", 2, shape44, 5, &e));
    ck_assert(a.count == 5 && a.total == TEST_SAMPLES);
    free(a.bytes);
}
END_TEST

/* A header of a file of 4x4 pictures, and how many bytes follow; what is said of it. */
static const struct {
    uint8_t header[20];
    int header_bytes, body;
    const char *says;
} bad_idx[] = {
    {{0}, 0, 0, "ends within its first four bytes"},
    {{0, 0, 8, 3, 0, 0}, 6, 0, "ends within its header"},
    {{0, 0, 9, 3}, 4, 100, "not an IDX file of bytes: it begins 00 00 09 03"},
    {{'P', 'K', 3, 4}, 4, 100, "not an IDX file"},
    {{0, 0, 8, 0}, 4, 100, "not an IDX file"},
    {{0, 0, 8, 200}, 4, 100, "not an IDX file"},
    {{0, 0, 8, 1, 0, 0, 0, 2}, 8, 32, "have the shape [], expected [4, 4]"},
    {{0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 5}, 16, 40, "[4, 5], expected [4, 4]"},
    {{0, 0, 8, 3, 0, 0, 0, 2, 255, 255, 255, 255, 255, 255, 255, 255}, 16, 40, "expected [4, 4]"},
    {{0, 0, 8, 3, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 4}, 16, 0, "it claims 0 samples"},
    {{0, 0, 8, 3, 255, 255, 255, 255, 0, 0, 0, 4, 0, 0, 0, 4}, 16, 99, "claims 4294967295 samples"},
    {{0, 0, 8, 3, 63, 255, 255, 255, 0, 0, 0, 4, 0, 0, 0, 4}, 16, 99, "too short: 6 samples of"},
    {{0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 4}, 16, 31, "too short: 1 samples of 2"},
    {{0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 4}, 16, 33, "longer than the 2 samples"},
};

START_TEST(idx_hostile) {
    netc_error e = {""};
    netc_idx idx;
    uint8_t bytes[200] = {0};
    memcpy(bytes, bad_idx[_i].header, (size_t)bad_idx[_i].header_bytes);
    size_t n = (size_t)(bad_idx[_i].header_bytes + bad_idx[_i].body);
    void (*const put[])(const char *, const void *, size_t) = {put_file, put_gz};
    for (int k = 0; k < 2; k++) {
        put[k]("bad", bytes, n);
        ck_assert(!netc_idx_read(&idx, "bad", 2, shape44, 0, &e));
        ck_assert_says(e, bad_idx[_i].says);
        ck_assert_says(e, "bad: ");
        ck_assert_ptr_null(idx.bytes);
    }
}
END_TEST

START_TEST(idx_damaged_compression) {
    netc_error e;
    netc_idx idx;
    uint8_t bytes[8192];
    FILE *f = fopen("train-images.gz", "rb");
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    ck_assert(n > 100 && n < sizeof bytes);
    put_file("bad.gz", bytes, n / 2);
    ck_assert(!netc_idx_read(&idx, "bad.gz", 2, shape44, 0, &e));
    bytes[n - 6] ^= 1; /* the checksum */
    put_file("bad.gz", bytes, n);
    ck_assert(!netc_idx_read(&idx, "bad.gz", 2, shape44, 0, &e));
    ck_assert_says(e, "cannot be read");
}
END_TEST

START_TEST(idx_not_a_file) {
    netc_error e;
    netc_idx idx;
    ck_assert(!netc_idx_read(&idx, "nowhere", 2, shape44, 0, &e));
    ck_assert_says(e, "nowhere: No such file");
    ck_assert(!netc_idx_read(&idx, ".", 2, shape44, 0, &e));
    ck_assert_says(e, "not a regular file");
}
END_TEST

/* ---- data sets ---- */

static bool open_sample(netc_dataset *d, const char *folder, netc_error *e) {
    return netc_dataset_open(d, &sample_net.data, folder, 1, 0,
                             NETC_TRAINING_FILES | NETC_TEST_FILES, e);
}

START_TEST(data_is_found) {
    netc_error e;
    netc_dataset d;
    unsetenv("NETC_DATA");
    ck_assert(open_sample(&d, ".", &e)); /* the test files have no .gz in the spec either way */
    ck_assert(d.train.count == TRAIN_SAMPLES && d.test.count == TEST_SAMPLES);
    ck_assert(d.n_train == TRAIN_SAMPLES && !d.n_validation && d.index[7] == 7);
    netc_dataset_close(&d);
    setenv("NETC_DATA", sample_folder, 1);
    ck_assert(open_sample(&d, NULL, &e));
    netc_dataset_close(&d);
    ck_assert(!open_sample(&d, "/nowhere", &e)); /* --data decides, whatever NETC_DATA says */
    unsetenv("NETC_DATA");
    mkdir("root", 0777);
    mkdir("root/tiny-set", 0777);
    put_set("root/tiny-set", (const char *const[]){"train-images", "train-labels"}, 50, 20,
            put_file); /* named .gz in the spec */
    put_set("root/tiny-set", sample_net.data.test, 50, 20, put_gz);
    ck_assert_msg(open_sample(&d, "root", &e), "%s", e.text);
    ck_assert(d.train.count == 20);
    netc_dataset_close(&d);
}
END_TEST

START_TEST(data_is_missing) {
    netc_error e;
    netc_dataset d;
    unsetenv("NETC_DATA");
    ck_assert(!open_sample(&d, NULL, &e));
    ck_assert_says(e, "cannot find train-images.gz");
    ck_assert_says(e, "/usr/share/datasets/tiny-set");
    ck_assert_says(e, "make deps");
    ck_assert_says(e, "dataset-tiny");
}
END_TEST

START_TEST(labels_must_fit) {
    netc_error e;
    netc_dataset d;
    uint8_t labels[8 + TEST_SAMPLES] = {0, 0, 8, 1, 0, 0, 0, TEST_SAMPLES};
    labels[8 + 41] = 3;
    put_file("test-labels", labels, sizeof labels);
    ck_assert(!open_sample(&d, ".", &e));
    ck_assert_says(e, "test-labels: label 41 is 3, expected 0 to 2");
    labels[7] = TEST_SAMPLES - 1;
    put_file("test-labels", labels, sizeof labels - 1);
    ck_assert(!open_sample(&d, ".", &e));
    ck_assert_says(e, "has 70 samples, but");
    ck_assert_says(e, "has 69 labels");
    put_set(".", sample_net.data.test, 51, TEST_SAMPLES, put_file);
}
END_TEST

START_TEST(statistics_of_training_bytes) {
    netc_error e;
    netc_dataset d;
    double sum = 0, squares = 0, n = TRAIN_SAMPLES * IN;
    ck_assert(open_sample(&d, ".", &e));
    for (int i = 0; i < TRAIN_SAMPLES * IN; i++) sum += d.train.bytes[i];
    for (int i = 0; i < TRAIN_SAMPLES * IN; i++)
        squares += (d.train.bytes[i] - sum / n) * (d.train.bytes[i] - sum / n);
    ck_assert(d.mean == sum / n);
    ck_assert_double_eq_tol(d.std, sqrt(squares / n), 1e-12);
    netc_dataset_close(&d);
}
END_TEST

START_TEST(splits) {
    netc_error e;
    netc_dataset d, same, other;
    netc_data data = sample_net.data;
    bool seen[TRAIN_SAMPLES] = {false};
    data.use = 0.8;
    data.validation = 0.25;
    ck_assert(netc_dataset_open(&d, &data, ".", 1, 0, NETC_TRAINING_FILES, &e));
    ck_assert(netc_dataset_open(&same, &data, ".", 1, 0, NETC_TRAINING_FILES, &e));
    ck_assert(netc_dataset_open(&other, &data, ".", 2, 0, NETC_TRAINING_FILES, &e));
    ck_assert_int_eq(d.n_train + d.n_validation, 162);
    ck_assert_int_eq(d.n_validation, 41);
    for (int i = 0; i < 162; i++) {
        ck_assert(!seen[d.index[i]]);
        seen[d.index[i]] = true;
        ck_assert(i == 0 || i == d.n_train || d.index[i - 1] < d.index[i]);
    }
    ck_assert(!memcmp(d.index, same.index, 162 * sizeof *d.index));
    ck_assert(memcmp(d.index, other.index, 162 * sizeof *d.index));
    netc_dataset_close(&d);
    netc_dataset_close(&same);
    netc_dataset_close(&other);
    data.use = 0.001;
    ck_assert(!netc_dataset_open(&d, &data, ".", 1, 0, NETC_TRAINING_FILES, &e));
    ck_assert_says(e, "no training samples");
}
END_TEST

START_TEST(shuffles) {
    enum { N = 1000 };
    int32_t a[N], b[N], c[N];
    long sum = 0, fixed = 0;
    for (int i = 0; i < N; i++) a[i] = b[i] = c[i] = i;
    netc_shuffle(a, N, 1, 1);
    netc_shuffle(b, N, 1, 1);
    netc_shuffle(c, N, 1, 2);
    ck_assert_mem_eq(a, b, sizeof a);
    ck_assert_mem_ne(a, c, sizeof a);
    for (int i = 0; i < N; i++) {
        sum += a[i];
        fixed += a[i] == i;
    }
    ck_assert(sum == N * (N - 1) / 2 && fixed < 10);
}
END_TEST

/* ---- metrics ---- */

/* Worked by hand: class 0 occurs 3 times, 1 twice, 2 once, 3 never; one sample has no class.
 *   true 0 0 0 1 1 2     predicted 0 0 1 1 -1 1 */
START_TEST(metrics_by_hand) {
    static const int32_t label[] = {0, 0, 0, 1, 1, 2}, predicted[] = {0, 0, 1, 1, -1, 1};
    static const float loss[] = {1, 2, 3, 4, 5, 0.5};
    netc_metrics m;
    ck_assert(netc_metrics_start(&m, 4));
    netc_metrics_add(&m, 4, loss, predicted, label);
    netc_metrics_add(&m, 2, loss + 4, predicted + 4, label + 4);
    netc_metrics_finish(&m);
    ck_assert(m.samples == 6 && m.loss == 15.5 / 6 && m.accuracy == 0.5);
    ck_assert_double_eq_tol(m.precision, (1.0 + 1.0 / 3 + 0 + 0) / 4, 1e-15);
    ck_assert_double_eq_tol(m.recall, (2.0 / 3 + 0.5 + 0 + 0) / 4, 1e-15);
    ck_assert_double_eq_tol(m.f1, (0.8 + 0.4 + 0 + 0) / 4, 1e-15);
    static const long confusion[] = {2, 1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0};
    ck_assert_mem_eq(m.confusion, confusion, sizeof confusion);
    netc_metrics_free(&m);
}
END_TEST

/* ---- layouts ---- */

START_TEST(layouts_are_undone) {
    static sample_state s;
    float flat[CLASSES * IN], back[CLASSES * IN];
    for (int i = 0; i < CLASSES * IN; i++) flat[i] = (float)i;
    netc_tensor_set(&sample_tensors[0], &s, flat);
    ck_assert(s.W[0][2][7] == 2 * IN + 7 && s.W[1][0][0] == 8 && s.W[1][2][3] == 2 * IN + 11);
    netc_tensor_get(&sample_tensors[0], &s, back);
    ck_assert_mem_eq(flat, back, sizeof flat);
    static const netc_tensor scalar = {.name = "x", .offset = 64, .bytes = 64};
    netc_tensor_set(&scalar, &s, (float[]){5});
    netc_tensor_get(&scalar, &s, back);
    ck_assert(back[0] == 5 && ((float *)&s)[16] == 5);
}
END_TEST

/* ---- PNG ---- */

static void put_png(const char *path, int width, int height, int format, const uint8_t *pixels) {
    png_image image = {.version = PNG_IMAGE_VERSION, .width = (png_uint_32)width,
                       .height = (png_uint_32)height, .format = (png_uint_32)format};
    if (!png_image_write_to_file(&image, path, 0, pixels, 0, NULL)) abort();
}

START_TEST(png_grey_and_color) {
    netc_error e;
    uint8_t grey[IN], rgba[IN * 4], got[3 * IN];
    netc_data color = sample_net.data;
    color.shape[0] = 3;
    for (int i = 0; i < IN; i++) {
        grey[i] = (uint8_t)(i * 17);
        memcpy(rgba + 4 * i, (uint8_t[]){(uint8_t)(i * 3), 100, 200, 255}, 4);
    }
    rgba[3] = 0; /* the first is transparent */
    put_png("grey.png", 4, 4, PNG_FORMAT_GRAY, grey);
    ck_assert_msg(netc_read_png("grey.png", &sample_net.data, got, &e), "%s", e.text);
    ck_assert_mem_eq(got, grey, IN);
    ck_assert(netc_read_png("grey.png", &color, got, &e));
    ck_assert_mem_eq(got + 2 * IN, grey, IN);
    put_png("color.png", 4, 4, PNG_FORMAT_RGBA, rgba);
    ck_assert(netc_read_png("color.png", &color, got, &e));
    ck_assert(got[0] == 0 && got[5] == 15 && got[IN + 5] == 100 && got[2 * IN + 5] == 200);
    ck_assert(netc_read_png("color.png", &sample_net.data, got, &e));
    ck_assert(got[0] == 0 && got[5] == (299 * 15 + 587 * 100 + 114 * 200 + 500) / 1000);
}
END_TEST

START_TEST(png_hostile) {
    netc_error e;
    uint8_t grey[64] = {0}, bytes[4096], got[IN];
    netc_data row = sample_net.data;
    row.rank = 1;
    put_png("big.png", 8, 8, PNG_FORMAT_GRAY, grey);
    ck_assert(!netc_read_png("big.png", &sample_net.data, got, &e));
    ck_assert_says(e, "the picture is 8x8, expected 4x4");
    ck_assert(!netc_read_png("nowhere.png", &sample_net.data, got, &e));
    ck_assert_says(e, "No such file");
    ck_assert(!netc_read_png("test-images", &sample_net.data, got, &e));
    ck_assert_says(e, "not a PNG");
    for (int i = 0; i < IN; i++) grey[i] = (uint8_t)(i * 97);
    put_png("small.png", 4, 4, PNG_FORMAT_GRAY, grey);
    ck_assert(!netc_read_png("small.png", &row, got, &e));
    ck_assert_says(e, "are no pictures");
    FILE *f = fopen("small.png", "rb");
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    for (size_t k = 0; k < n - 12; k++) { /* all but the end chunk is needed */
        put_file("cut.png", bytes, k);
        ck_assert(!netc_read_png("cut.png", &sample_net.data, got, &e));
    }
}
END_TEST

/* ---- safetensors headers ---- */

#define T(name, shape, at) \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" at "}"
static const struct {
    const char *header;
    int data;
    const char *says; /* null: it is good */
} headers[] = {
    {"{}", 0, NULL},
    {" { } ", 0, NULL},
    {"{" T("a", "[2]", "[0,8]") "}", 8, NULL},
    {"{" T("a", "[]", "[0,4]") "}   ", 4, NULL},
    {"{" T("b", "[1,1]", "[8,12]") "," T("a", "[2]", "[0,8]") "}", 12, NULL},
    {"{\"a\" : {\"data_offsets\" : [0, 8], \"shape\" : [ 2 ] , \"dtype\" : \"F32\"}}", 8, NULL},
    {"{\"__metadata__\":{\"k\":\"\\u00e9\\n\\ud83d\\ude00\"}," T("a", "[0]", "[0,0]") "}", 0, NULL},
    {"", 0, "expected '{'"},
    {"[]", 0, "expected '{'"},
    {"{", 0, "expected a string"},
    {"{}x", 0, "expected the end"},
    {"{" T("a", "[2]", "[0,8]") ",}", 8, "expected a string"},
    {"{" T("a", "[2]", "[0,8]"), 8, "expected '}'"},
    {"{\"a\":{}}", 0, "expected a string"},
    {"{\"a\":{\"dtype\":\"F32\"}}", 0, "expected dtype, shape and data_offsets"},
    {"{\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "type F32"},
    {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 4, "each key once"},
    {"{\"a\":{\"shape\":[2],\"shape\":[2]}}", 4, "each key once"},
    {"{\"a\":{\"size\":1}}", 4, "expected dtype, shape or"},
    {"{" T("a", "[-1]", "[0,8]") "}", 8, "a whole number"},
    {"{" T("a", "[02]", "[0,8]") "}", 8, "a whole number"},
    {"{" T("a", "[2.0]", "[0,8]") "}", 8, "expected ']'"},
    {"{" T("a", "[1,1,1,1,1,1,1,1,2]", "[0,8]") "}", 8, "fewer dimensions"},
    {"{" T("a", "[99999999999999999999]", "[0,8]") "}", 8, "a smaller number"},
    {"{" T("a", "[4611686018427387,4611686018427387]", "[0,8]") "}", 8, "do not fit its shape"},
    {"{" T("a", "[3]", "[0,8]") "}", 8, "do not fit its shape"},
    {"{" T("a", "[2]", "[8,0]") "}", 8, "do not fit its shape"},
    {"{" T("a", "[2]", "[4,12]") "}", 12, "begins at byte 4, expected 0"},
    {"{" T("a", "[2]", "[0,8]") "," T("b", "[2]", "[4,12]") "}", 12, "at byte 4, expected 8"},
    {"{" T("a", "[2]", "[0,8]") "}", 9, "take 8 bytes, but it holds 9"},
    {"{" T("a", "[2]", "[0,8]") "}", 4, "take 8 bytes, but it holds 4"},
    {"{" T("a", "[1]", "[0,4]") "," T("a", "[1]", "[4,8]") "}", 8, "'a' twice"},
    {"{\"__metadata__\":{\"k\":1}}", 0, "a string"},
    {"{\"__metadata__\":{\"k\":\"v\"},\"__metadata__\":{\"k\":\"v\"}}", 0, "metadata once"},
    {"{\"a", 0, "the end of a string"},
    {"{\"a\n\":1}", 0, "the end of a string"},
    {"{\"\\x\":1}", 0, "an escape"},
    {"{\"\\u12g4\":1}", 0, "four hexadecimal digits"},
    {"{\"\\u0000\":1}", 0, "a character"},
    {"{\"\\ud800x\":1}", 0, "a low surrogate"},
    {"{\"\\ud800\\u0041\":1}", 0, "a low surrogate"},
};

START_TEST(safetensors_headers) {
    netc_error e = {""};
    netc_safetensors s = {.header = strdup(headers[_i].header),
                          .data_bytes = (size_t)headers[_i].data};
    bool ok = netc_safetensors_header(&s, &e);
    ck_assert_msg(ok == !headers[_i].says, "%s: %s", headers[_i].header, e.text);
    if (!ok) ck_assert_says(e, headers[_i].says);
    netc_safetensors_free(&s);
}
END_TEST

START_TEST(safetensors_strings) {
    netc_error e = {""};
    netc_safetensors s = {
        .header = strdup("{\"__metadata__\":{\"a\\\"b\":\"\\u00e9\\t\\/\\ud83d\\ude00\"}}")};
    ck_assert(netc_safetensors_header(&s, &e));
    ck_assert_str_eq(netc_safetensors_meta(&s, "a\"b"), "\xc3\xa9\t/\xf0\x9f\x98\x80");
    ck_assert_ptr_null(netc_safetensors_meta(&s, "a"));
    netc_safetensors_free(&s);
}
END_TEST

START_TEST(safetensors_sizes) {
    netc_error e;
    netc_safetensors s;
    static const uint8_t bytes[] = {2, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
    static const uint8_t huge[] = {255, 255, 255, 255, 255, 255, 255, 255, '{', '}'};
    put_file("s", bytes, sizeof bytes);
    ck_assert(netc_safetensors_read(&s, "s", &e));
    netc_safetensors_free(&s);
    put_file("s", bytes, 7);
    ck_assert(!netc_safetensors_read(&s, "s", &e));
    ck_assert_says(e, "too short");
    put_file("s", bytes, 9);
    ck_assert(!netc_safetensors_read(&s, "s", &e));
    ck_assert_says(e, "header is said to have 2 bytes");
    put_file("s", huge, sizeof huge);
    ck_assert(!netc_safetensors_read(&s, "s", &e));
    ck_assert_says(e, "header is said to have 18446744073709551615 bytes");
    ck_assert(!netc_safetensors_read(&s, "/dev/zero", &e));
    ck_assert_says(e, "not a regular file");
}
END_TEST

/* ---- threads ---- */

typedef struct Count {
    int hits[300];
} Count;
static void hit(void *context, int task) { ((Count *)context)->hits[task]++; }

START_TEST(pool_runs_each_task_once) {
    static const int sizes[] = {0, 1, 2, 3, 7, 64, 300};
    netc_pool *pool = netc_pool_new(_i);
    ck_assert_int_eq(netc_pool_threads(pool), _i);
    for (int round = 0; round < 3000; round++) {
        static Count c;
        int n = sizes[round % 7];
        memset(&c, 0, sizeof c);
        if (round % 500 == 0) usleep(2000); /* let the workers fall asleep */
        netc_pool_run(pool, hit, &c, n);
        int wrong = 0;
        for (int i = 0; i < 300; i++) wrong += c.hits[i] != (i < n);
        ck_assert_int_eq(wrong, 0);
    }
    netc_pool_free(pool);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("runtime: data");
    TCase *t = tcase_create("data");
    sample_enter();
    tcase_set_timeout(t, 60);
    tcase_add_test(t, idx_plain_and_compressed);
    tcase_add_loop_test(t, idx_hostile, 0, sizeof bad_idx / sizeof *bad_idx);
    tcase_add_test(t, idx_damaged_compression);
    tcase_add_test(t, idx_not_a_file);
    tcase_add_test(t, data_is_found);
    tcase_add_test(t, data_is_missing);
    tcase_add_test(t, labels_must_fit);
    tcase_add_test(t, statistics_of_training_bytes);
    tcase_add_test(t, splits);
    tcase_add_test(t, shuffles);
    tcase_add_test(t, metrics_by_hand);
    tcase_add_test(t, layouts_are_undone);
    tcase_add_test(t, png_grey_and_color);
    tcase_add_test(t, png_hostile);
    tcase_add_loop_test(t, safetensors_headers, 0, sizeof headers / sizeof *headers);
    tcase_add_test(t, safetensors_strings);
    tcase_add_test(t, safetensors_sizes);
    tcase_add_loop_test(t, pool_runs_each_task_once, 1, 6);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    sample_leave();
    return failed != 0;
}
