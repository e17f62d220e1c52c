/* unit_runtime_commands.c: what a trained program does beside training: evaluation, prediction,
 * benchmarks, the library for C programs; and what it says to a wrong command line.
 */
#include "sample_run.h"
#include <png.h>

START_TEST(predictions) {
    uint8_t label, pixel[IN];
    int right = 0;
    sample_pixels(51, 0, &label, pixel);
    png_image image = {.version = PNG_IMAGE_VERSION, .width = 4, .height = 4,
                       .format = PNG_FORMAT_GRAY};
    ck_assert(png_image_write_to_file(&image, "0.png", 0, pixel, 0, NULL));
    ck_assert_int_eq(run("train"), 0);
    ck_assert_int_eq(run("predict test-images --json"), 0);
    const char *at = output;
    for (int i = 0; i < TEST_SAMPLES; i++, at++) {
        sample_pixels(51, i, &label, pixel);
        at = strstr(at, "\"class\": ");
        ck_assert(at != NULL);
        right += at[9] - '0' == label;
    }
    char part[64], name[32];
    ck_assert_int_eq(run("eval --json"), 0);
    snprintf(part, sizeof part, "\"accuracy\": %.9g,", right / (double)TEST_SAMPLES);
    ck_assert_said(part);
    ck_assert_int_eq(run("predict test-images --limit 1"), 0);
    ck_assert_int_eq(sscanf(output, "test-images 0: %31[^\n]", name), 1);
    snprintf(part, sizeof part, "0.png: %s\n", name);
    ck_assert_int_eq(run("predict 0.png test-images --limit 1"), 0);
    ck_assert_said(part);
    ck_assert_int_eq(run("predict test-labels"), 1);
    ck_assert_said("test-labels: its samples have the shape [], expected [1, 4, 4]");
    ck_assert_int_eq(run("predict nowhere.png"), 1);
    ck_assert_said("nowhere.png: No such file");
}
END_TEST

/* The user's own program: the same class, from the same weights. */
START_TEST(library) {
    netc_model m;
    netc_error e;
    uint8_t label;
    ck_assert(!netc_model_open(&m, &sample_net, "nowhere.safetensors", &e));
    ck_assert_ptr_nonnull(strstr(e.text, "nowhere.safetensors: No such file"));
    ck_assert_int_eq(run("train"), 0);
    ck_assert_msg(netc_model_open(&m, &sample_net, "sample.safetensors", &e), "%s", e.text);
    ck_assert_int_eq(run("predict test-images --json"), 0);
    const char *at = output;
    for (int i = 0; i < TEST_SAMPLES; i++) {
        sample_pixels(51, i, &label, m.bytes);
        at = strstr(at, "\"class\": ") + 9;
        ck_assert_int_eq(netc_model_classify(&m), *at - '0');
    }
    netc_model_close(&m);
    netc_net old = sample_net;
    old.abi = 0;
    ck_assert(!netc_model_open(&m, &old, "sample.safetensors", &e));
}
END_TEST

START_TEST(what_no_machine_can_hold_is_refused) {
    netc_net large = sample_net;
    netc_session s;
    netc_error e;
    large.arena_bytes = (size_t)1 << 50;
    ck_assert(!netc_session_open(&s, &large, 1, &e));
    ck_assert_ptr_nonnull(strstr(e.text, "sample needs 1125899.9 GB of memory, and this machine"));
}
END_TEST

START_TEST(benchmarks) {
    ck_assert_int_eq(run("bench --seconds 0.05 --json --threads 2"), 0);
    ck_assert_said("{\"spec\": \"sample\", \"threads\": 2, \"samples_per_second\": ");
    ck_assert_said("\"resident\": false, \"peak_gflops\": ");
    ck_assert_said(", \"startup_seconds\": ");
    ck_assert_int_eq(run("bench --seconds 0.05 --resident --threads 1"), 0);
    ck_assert_said("sample, resident images: 1 thread, ");
    ck_assert_int_eq(run("summary"), 0);
    ck_assert_said("dense1   dense(3)  [3]                        51");
    ck_assert_said("parameters: 51");
    ck_assert_int_eq(run("summary --json"), 0);
    ck_assert_said("\"shape\": [16], \"parameters\": 0}");
}
END_TEST

static const struct {
    const char *line;
    int status;
    const char *says;
} lines[] = {
    {"", 2, "usage: sample COMMAND"},
    {"--help", 0, "usage: sample COMMAND"},
    {"--version", 0, "graph 123456789abcdef0"},
    {"train --help", 0, "--resume FILE"},
    {"predict --help", 0, "usage: sample predict [OPTION]... FILE..."},
    {"fly", 2, "unknown command 'fly'"},
    {"--fly", 2, "unknown option '--fly'"},
    {"train --fly", 2, "unknown option '--fly'"},
    {"train --weights x", 2, "unknown option '--weights'"},
    {"train x", 2, "unexpected argument 'x'"},
    {"train --epochs", 2, "--epochs needs a value"},
    {"train --epochs 0", 2, "impossible value '0' for --epochs"},
    {"train --epochs -1", 2, "impossible value '-1' for --epochs"},
    {"train --epochs 1e3", 2, "impossible value '1e3'"},
    {"train --epochs=9999999999999999999999", 2, "impossible value"},
    {"train --seed -1", 2, "impossible value '-1' for --seed"},
    {"train --seed 18446744073709551616", 2, "impossible value"},
    {"train --threads 2000", 2, "impossible value '2000' for --threads"},
    {"train --save=", 2, "impossible value '' for --save"},
    {"train --json=1", 2, "--json takes no value"},
    {"bench --seconds nan", 2, "impossible value 'nan' for --seconds"},
    {"bench --seconds 0", 2, "impossible value '0' for --seconds"},
    {"predict", 2, "no file to classify"},
    {"eval", 1, "sample.safetensors: No such file"},
    {"eval --weights test-images", 1, "test-images: not a safetensors file"},
    {"train --data nowhere", 1, "cannot find train-images.gz"},
    {"train --resume nowhere.safetensors", 1, "nowhere.safetensors: No such file"},
    {"train --limit 25 --epochs=1", 0, "25 training samples"},
};

START_TEST(command_lines) {
    ck_assert_msg(run(lines[_i].line) == lines[_i].status, "%s: %s", lines[_i].line, output);
    ck_assert_said(lines[_i].says);
    if (lines[_i].status == 2 && *lines[_i].line) ck_assert_said("--help`.");
}
END_TEST

int main(void) {
    TCase *t = tcase_create("commands");
    tcase_add_test(t, predictions);
    tcase_add_test(t, library);
    tcase_add_test(t, benchmarks);
    tcase_add_test(t, what_no_machine_can_hold_is_refused);
    tcase_add_loop_test(t, command_lines, 0, sizeof lines / sizeof *lines);
    return sample_tests("runtime: commands", t);
}
