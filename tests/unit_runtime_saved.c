/* unit_runtime_saved.c: what training saves and reads: disks that fail, checkpoints that are
 * damaged or of others, weights to begin with.
 */
#include "sample_run.h"

/* ---- disks that fail ---- */

START_TEST(a_failed_write_loses_nothing) {
    ck_assert_int_eq(run("train --save a.safetensors --epochs 1"), 0);
    ck_assert_int_eq(system("cp a.safetensors b.safetensors"), 0);
    file_limit = 1000;
    ck_assert_int_eq(run("train --resume a.safetensors --epochs 3"), 1);
    ck_assert_said("a.safetensors: cannot be written: File too large; what it held before is "
                   "intact");
    ck_assert_said("a.safetensors holds the end of epoch 1 (step 21)");
    ck_assert_same_file("a.safetensors", "b.safetensors");
    no_part_is_left();
}
END_TEST

START_TEST(full_and_impossible_places) {
    ck_assert_int_eq(run("train --save /dev/full"), 1);
    ck_assert_said("/dev/full: cannot be written: No space left on device");
    ck_assert_said("Nothing was saved");
    ck_assert_int_eq(run("train --save /dev/null"), 0);
    ck_assert(!access("/dev/full", W_OK) && !access("/dev/null", W_OK));
    ck_assert_int_eq(run("train --save nowhere/a.safetensors"), 1);
    ck_assert_said("nowhere/a.safetensors: cannot be written: No such file");
    ck_assert_int_eq(run("train --save /"), 1);
    ck_assert_said("it is a folder");
    ck_assert_int_eq(run("train --log /dev/full"), 1);
    ck_assert_said("/dev/full: cannot be written: No space");
    ck_assert_said("sample.safetensors holds the end of epoch 1");
    ck_assert_int_eq(run("train --log nowhere/a.jsonl"), 1);
    ck_assert_said("nowhere/a.jsonl: cannot be written");
}
END_TEST

START_TEST(links_are_followed) {
    ck_assert_int_eq(symlink("target.safetensors", "link.safetensors"), 0);
    ck_assert_int_eq(run("train --save target.safetensors --epochs 1"), 0);
    ck_assert_int_eq(run("train --save link.safetensors --epochs 1 --seed 9"), 0);
    ck_assert_same_file("link.safetensors", "target.safetensors");
    struct stat status;
    ck_assert(!lstat("link.safetensors", &status) && S_ISLNK(status.st_mode));
}
END_TEST

/* ---- checkpoints of others, and damaged ones ---- */

static uint8_t file[1 << 16];

/* The file with `from` replaced by `to`, of equal length, in its header. */
static void change(const char *path, const char *from, const char *to) {
    size_t n = read_file(path, file, sizeof file);
    uint8_t *at = memmem(file, n, from, strlen(from));
    ck_assert_msg(at && strlen(from) == strlen(to), "%s", from);
    memcpy(at, to, strlen(to));
    put_file("bad.safetensors", file, n);
}

static const struct {
    const char *from, *to, *says;
    bool weights; /* is it as bad for eval? */
} changes[] = {
    {"\"dense1.W\"", "\"dense2.W\"", "has no tensor 'dense1.W': it is another network's", true},
    {"\"dense1.W.m\"", "\"dense1.W.v\"", "has no tensor 'dense1.W.m': it holds weights", false},
    {"\"shape\":[3,16]", "\"shape\":[16,3]", "[16, 3], but sample's has [3, 16]", true},
    {"\"shape\":[3,16]", "\"shape\":[3,17]", "do not fit its shape", true},
    {"\"batch\":\"10\"", "\"batch\":\"11\"", "contradicts itself", false},
    {"\"batch\":\"10\"", "\"batch\":\"-1\"", "no valid batch", false},
    {"\"step\":\"84\"", "\"step\":\"99\"", "contradicts itself", false},
    {"\"step\":\"84\"", "\"stop\":\"84\"", "no valid step", false},
    {"\"samples\":\"203\"", "\"samples\":\"202\"", "trained on 202 samples, here are 203", false},
    {"\"rate_scale\":\"1\"", "\"rate_scale\":\"x\"", "no valid rate_scale", false},
    {"\"format\":\"netc 1\"", "\"format\":\"netc 9\"", "not a training to go on with", false},
    {"\"data_mean\":\"7", "\"data_mean\":\"6", "trained on other samples", false},
};

START_TEST(changed_checkpoints) {
    ck_assert_int_eq(run("train --save good.safetensors"), 0);
    change("good.safetensors", changes[_i].from, changes[_i].to);
    ck_assert_int_eq(run("train --resume bad.safetensors --save new.safetensors"), 1);
    ck_assert_said(changes[_i].says);
    ck_assert_said("bad.safetensors: ");
    ck_assert_int_ne(access("new.safetensors", F_OK), 0);
    ck_assert_int_eq(run("eval --weights bad.safetensors"), changes[_i].weights);
}
END_TEST

START_TEST(damaged_checkpoints) {
    ck_assert_int_eq(run("train --save good.safetensors --epochs 1"), 0);
    netc_error e;
    double mean, std;
    sample_state *state = netc_alloc(sizeof *state), *zero = netc_alloc(sizeof *zero);
    size_t n = read_file("good.safetensors", file, sizeof file);
    for (size_t k = 0; k < n; k++) {
        put_file("bad.safetensors", file, k);
        ck_assert(!netc_load_weights(&sample_net, state, "bad.safetensors", &mean, &std, &e));
    }
    put_file("bad.safetensors", file, n + 1);
    ck_assert(!netc_load_weights(&sample_net, state, "bad.safetensors", &mean, &std, &e));
    memcpy(file + n - 260, (uint32_t[]){0x7fc00000}, 4); /* center.mean */
    put_file("bad.safetensors", file, n);
    ck_assert(!netc_load_weights(&sample_net, state, "bad.safetensors", &mean, &std, &e));
    ck_assert_msg(strstr(e.text, "'center.mean' has an element that is not"), "%s", e.text);
    ck_assert_mem_eq(state, zero, sizeof *state); /* nothing was taken of any */
    free(state);
    free(zero);
}
END_TEST

/* Weights from another tool: no metadata, no optimizer state; the data set tells its statistics. */
START_TEST(weights_of_another_tool) {
    static const char header[] =
        "{\"dense1.b\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[192,204]},"
        "\"dense1.W\":{\"dtype\":\"F32\",\"shape\":[3,16],\"data_offsets\":[0,192]},"
        "\"center.mean\":{\"dtype\":\"F32\",\"shape\":[16],\"data_offsets\":[204,268]}}";
    memset(file, 0, sizeof file);
    file[0] = sizeof header - 1;
    memcpy(file + 8, header, sizeof header - 1);
    memcpy(file + 8 + sizeof header - 1 + 196, (float[]){9}, 4); /* always class 1 */
    put_file("other.safetensors", file, 8 + sizeof header - 1 + 268);
    ck_assert_int_eq(run("eval --json --weights other.safetensors"), 0);
    ck_assert_said("\"confusion\": [[0, 20, 0], [0, 31, 0], [0, 19, 0]]");
    ck_assert_int_eq(run("train --resume other.safetensors"), 1);
    ck_assert_said("it holds weights, not a training to go on with");
}
END_TEST

/* Another training's weights, as far as names and shapes fit; nothing else of it. */
START_TEST(beginning_with_weights) {
    ck_assert_int_eq(run("train --save a.safetensors --epochs 1 --seed 5"), 0);
    ck_assert_int_eq(run("train --save now.safetensors --start a.safetensors --epochs 1"), 0);
    ck_assert_said("beginning with 3 of 3 tensors from a.safetensors");
    ck_assert_said("epoch 1/1");
    change("a.safetensors", "dense1.W", "dense2.W");
    ck_assert_int_eq(run("train --save now.safetensors --start bad.safetensors --epochs 1"), 0);
    ck_assert_said("beginning with 2 of 3 tensors from bad.safetensors");
    ck_assert_int_eq(run("train --start a.safetensors --resume a.safetensors"), 1);
    ck_assert_said("--start and --resume exclude each other");
    ck_assert_int_eq(run("train --start nowhere.safetensors"), 1);
    ck_assert_said("nowhere.safetensors: No such file");
}
END_TEST

START_TEST(another_compilation) {
    ck_assert_int_eq(run("train --save a.safetensors --epochs 1"), 0);
    change("a.safetensors", "123456789abcdef0", "123456789abcdef1");
    ck_assert_int_eq(run("train --resume bad.safetensors --epochs 2"), 0);
    ck_assert_said("not to the same bits");
    sample_net.training.batch = 5;
    ck_assert_int_eq(run("train --resume a.safetensors --epochs 2"), 1);
    ck_assert_said("a.safetensors: trained with batch 10, sample has 5");
}
END_TEST

int main(void) {
    TCase *t = tcase_create("files");
    tcase_add_test(t, a_failed_write_loses_nothing);
    tcase_add_test(t, full_and_impossible_places);
    tcase_add_test(t, links_are_followed);
    tcase_add_loop_test(t, changed_checkpoints, 0, sizeof changes / sizeof *changes);
    tcase_add_test(t, damaged_checkpoints);
    tcase_add_test(t, weights_of_another_tool);
    tcase_add_test(t, beginning_with_weights);
    tcase_add_test(t, another_compilation);
    return sample_tests("runtime: files", t);
}
