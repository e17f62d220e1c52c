/* unit_runtime_train.c: training and going on to the same bits, what is decided between epochs,
 * what is logged, interruptions, numbers that go wrong.
 */
#include "sample_run.h"
#include <math.h>
#include <pty.h>

/* Everything that is decided between epochs, in play. */
static void decide_between_epochs(void) {
    sample_net.data.validation = 0.2;
    sample_net.training.epochs = 12;
    sample_net.training.patience = 6;
    sample_net.training.plateau_factor = 0.5;
    sample_net.training.plateau_patience = 2;
    sample_net.training.keep_best = 1;
}

/* ---- training ---- */

START_TEST(it_learns_and_saves) {
    ck_assert_int_eq(run("train"), 0);
    ck_assert_said("saving to sample.safetensors");
    ck_assert_said("203 training samples of tiny, batch 10, seed 1");
    ck_assert_said("epoch 4/4: loss 0.4");
    ck_assert_said("saved sample.safetensors");
    ck_assert_int_eq(run("eval --json"), 0);
    ck_assert_said("\"samples\": 70, \"loss\": 0.");
    ck_assert_said("\"accuracy\": 0.8");
    ck_assert_int_eq(run("eval"), 0);
    ck_assert_said("  0 cat  ");
}
END_TEST

/* Of the first epoch: 21 steps of 10, the last of 3. */
START_TEST(each_epoch_takes_all_samples_in_its_order) {
    netc_session s;
    netc_dataset d;
    netc_error e;
    ck_assert(netc_session_open(&s, &sample_net, 1, &e));
    ck_assert(netc_dataset_open(&d, &sample_net.data, NULL, 1, 0, NETC_TRAINING_FILES, &e));
    s.call.data_mean = d.mean;
    s.call.data_std = d.std;
    s.call.steps = 84;
    sample_init(&s.call);
    netc_shuffle(d.index, TRAIN_SAMPLES, 1, 1);
    double loss = 0;
    for (long step = 1; step <= 21; step++) {
        long n = step < 21 ? 10 : 3;
        netc_gather(&s, &d.train, d.index + (step - 1) * 10, 0, n);
        netc_prepare(&s, s.bytes, s.x, n);
        s.call.step = (double)step;
        s.call.count = (int32_t)n;
        sample_train(&s.call);
        loss += (double)s.loss[0] * (double)n;
    }
    ck_assert_int_eq(run("train --steps 21 --save a.safetensors --log a.jsonl"), 0);
    double mean, std;
    sample_state *loaded = netc_alloc(sizeof *loaded), *mine = s.call.state;
    ck_assert(netc_load_weights(&sample_net, loaded, "a.safetensors", &mean, &std, &e));
    ck_assert_mem_eq(loaded->W, mine->W, sizeof mine->W);
    ck_assert_mem_eq(loaded->mean, mine->mean, sizeof mine->mean);
    ck_assert(mean == d.mean && std == d.std);
    char line[64];
    static uint8_t log[4096];
    log[read_file("a.jsonl", log, sizeof log - 1)] = 0;
    snprintf(line, sizeof line, "\"train_loss\": %.9g,", loss / TRAIN_SAMPLES);
    ck_assert_msg(strstr((char *)log, line), "expected %s in %s", line, log);
    free(loaded);
    netc_dataset_close(&d);
    netc_session_close(&s);
}
END_TEST

static const int stops[] = {1, 20, 21, 22, 55, 83};

START_TEST(going_on_gives_the_same_bits) {
    char line[128];
    for (int decisions = 0; decisions < 2; decisions++) {
        if (decisions) decide_between_epochs();
        ck_assert_int_eq(run("train --save whole.safetensors --threads 1"), 0);
        snprintf(line, sizeof line, "train --save part.safetensors --threads 3 --steps %d",
                 stops[_i]);
        ck_assert_int_eq(run(line), 0);
        ck_assert_said("to go on: sample train --resume part.safetensors");
        ck_assert_int_eq(run("train --resume part.safetensors --threads 2"), 0);
        ck_assert_same_file("whole.safetensors", "part.safetensors");
    }
}
END_TEST

/* A network that trains weights of its own, behind the state, and settles them. */
typedef struct Hiding {
    sample_state s;
    float hidden[IN / BLOCK][CLASSES][BLOCK];
} Hiding;

static void hide(Hiding *h) { memcpy(h->hidden, h->s.W, sizeof h->hidden); }

static void init_hidden(const netc_call *call) {
    sample_init(call);
    hide(call->state);
}

static void train_hidden(const netc_call *call) {
    Hiding *h = call->state;
    float given[IN / BLOCK][CLASSES][BLOCK];
    memcpy(given, h->s.W, sizeof given);
    memcpy(h->s.W, h->hidden, sizeof given);
    sample_train(call);
    hide(h);
    memcpy(h->s.W, given, sizeof given);
}

static void settle_hidden(const netc_call *call) {
    Hiding *h = call->state;
    if (call->step > 0) memcpy(h->s.W, h->hidden, sizeof h->hidden);
    hide(h);
}

/* What is saved and evaluated is settled, what is read is too, and what interrupts waits for it. */
START_TEST(weights_that_settle) {
    decide_between_epochs();
    ck_assert_int_eq(run("train --save one.safetensors "), 0);
    sample_net.init = init_hidden;
    sample_net.train = train_hidden;
    sample_net.settle = settle_hidden;
    sample_net.settle_steps = 4;
    sample_net.state_bytes = sizeof(Hiding);
    ck_assert_int_eq(run("train --save many.safetensors"), 0);
    ck_assert_same_file("one.safetensors", "many.safetensors");
    ck_assert_int_eq(run("train --save part.safetensors --steps 6"), 0);
    ck_assert_said("stopped after step 8 (epoch 1 of 12)");
    ck_assert_int_eq(run("train --resume part.safetensors --steps 70"), 0);
    ck_assert_int_eq(run("train --resume part.safetensors"), 0);
    ck_assert_same_file("one.safetensors", "part.safetensors");
    ck_assert_int_eq(run("train --start one.safetensors --save many.safetensors"), 0);
    setup_plain();
    ck_assert_int_eq(run("train --start one.safetensors --save part.safetensors"), 0);
    ck_assert_same_file("part.safetensors", "many.safetensors");
}
END_TEST

/* A network that makes several steps a call, by those of the sample. */
static void train_many(const netc_call *call) {
    long batch = sample_net.training.batch;
    double loss = 0;
    for (long first = 0; first < call->count; first += batch) {
        netc_call one = *call;
        long left = call->count - first;
        one.count = (int32_t)(left < batch ? left : batch);
        one.step += (double)(first / batch);
        one.x += first * IN;
        one.label += first;
        sample_train(&one);
        loss += (double)call->loss[0] * one.count;
    }
    call->loss[0] = (float)(loss / call->count);
}

/* The steps are the same, and are counted; what interrupts waits for the end of a call. */
START_TEST(several_steps_a_call) {
    sample_net.data.validation = 0.2;
    ck_assert_int_eq(run("train --save one.safetensors"), 0);
    sample_net.train = train_many;
    sample_net.train_steps = 4;
    ck_assert_int_eq(run("train --save many.safetensors"), 0);
    ck_assert_same_file("one.safetensors", "many.safetensors");
    ck_assert_int_eq(run("train --save part.safetensors --steps 6"), 0);
    ck_assert_said("stopped after step 8 (epoch 1 of 4)");
    ck_assert_int_eq(run("train --resume part.safetensors --steps 17"), 0);
    ck_assert_said("stopped after step 17 (epoch 1 of 4)");
    ck_assert_int_eq(run("train --resume part.safetensors"), 0);
    ck_assert_same_file("one.safetensors", "part.safetensors");
    /* Of another compilation, with fewer steps a call: to the next multiple at first. */
    sample_net.train_steps = 1;
    ck_assert_int_eq(run("train --save part.safetensors --steps 3"), 0);
    sample_net.train_steps = 4;
    ck_assert_int_eq(run("train --resume part.safetensors --steps 4"), 0);
    ck_assert_said("stopped after step 4 (epoch 1 of 4)");
    ck_assert_int_eq(run("train --resume part.safetensors"), 0);
    ck_assert_same_file("one.safetensors", "part.safetensors");
    sample_full_rate = 1e37;
    ck_assert_int_eq(run("train --save bad.safetensors"), 1);
    ck_assert_said("training diverged: ");
    ck_assert_said("in steps 9 to 12 (epoch 1)");
}
END_TEST

START_TEST(threads_do_not_matter) {
    static const char *const lines[] = {"train --save 1.safetensors --threads 1",
                                        "train --save 2.safetensors --threads 2",
                                        "train --save 3.safetensors --threads 3"};
    for (int i = 0; i < 3; i++) ck_assert_int_eq(run(lines[i]), 0);
    ck_assert_same_file("1.safetensors", "2.safetensors");
    ck_assert_same_file("1.safetensors", "3.safetensors");
}
END_TEST

START_TEST(seeds_matter) {
    ck_assert_int_eq(run("train --save 1.safetensors --seed 1"), 0);
    ck_assert_int_eq(run("train --save 2.safetensors --seed 2"), 0);
    ck_assert_int_eq(system("cmp -s 1.safetensors 2.safetensors"), 256);
    ck_assert_int_eq(run("train --resume 2.safetensors --seed 1"), 1);
    ck_assert_said("trained with seed 2");
}
END_TEST

START_TEST(more_epochs_can_follow) {
    ck_assert_int_eq(run("train --save a.safetensors --epochs 1"), 0);
    ck_assert_int_eq(run("train --resume a.safetensors"), 0);
    ck_assert_said("its training is complete, 1 epochs");
    ck_assert_int_eq(run("train --resume a.safetensors --epochs 3"), 0);
    ck_assert_said("going on after step 21, in epoch 2");
    ck_assert_said("epoch 3/3");
    ck_assert_int_eq(run("train --resume a.safetensors --epochs 2"), 1);
    ck_assert_said("3 epochs are done already");
    ck_assert_int_eq(run("train --resume a.safetensors --epochs 4 --steps 50"), 0);
    ck_assert_said("stopped after step 63 (epoch 3 of 4)");
}
END_TEST

START_TEST(tests_can_cut_epochs) {
    setenv("NETC_TEST_EPOCHS", "1", 1);
    ck_assert_int_eq(run("train"), 0);
    ck_assert_said("epoch 1/1:");
}
END_TEST

/* Validation loss by epoch, from the log. */
static int losses(const char *path, const char *name, double *loss) {
    static uint8_t log[1 << 16];
    log[read_file(path, log, sizeof log - 1)] = 0;
    int n = 0;
    for (const char *at = (char *)log; (at = strstr(at, name)); n++) {
        at += strlen(name);
        loss[n] = strtod(at, NULL);
    }
    return n;
}

START_TEST(decisions_between_epochs) {
    double loss[64], rate[64], test[64];
    decide_between_epochs();
    sample_net.training.epochs = 50;
    ck_assert_int_eq(run("train --log a.jsonl"), 0);
    int n = losses("a.jsonl", "\"val_loss\": ", loss), best = 0, waited = 0;
    ck_assert_int_eq(losses("a.jsonl", "\"learning_rate\": ", rate), n);
    ck_assert_int_eq(losses("a.jsonl", "\"test_loss\": ", test), n);
    ck_assert(n > 6 && n < 50);
    double scale = 1;
    for (int i = 0; i < n; i++) {
        double step = 17 * (i + 1); /* 162 samples train */
        double full = 0.01 * (1 + cos(3.141592653589793 * (step - 1) / (17 * 50)));
        ck_assert_double_eq_tol(rate[i], full * scale, 1e-9);
        if (i == 0 || loss[i] < loss[best]) {
            best = i;
            waited = 0;
        } else if (++waited % 2 == 0) {
            scale *= 0.5;
        }
    }
    ck_assert_int_eq(waited, 6);
    char part[64];
    snprintf(part, sizeof part, "kept: the weights of epoch %d", best + 1);
    ck_assert_said(part);
    ck_assert_int_eq(run("eval --json"), 0); /* of the kept weights */
    snprintf(part, sizeof part, "\"loss\": %.9g,", test[best]);
    ck_assert_said(part);
    ck_assert_int_eq(run("train --resume sample.safetensors"), 0);
    ck_assert_said("is complete");
}
END_TEST

START_TEST(log_lines) {
    static const char *const keys[] = {
        "{\"epoch\": 1, \"train_loss\": ", "\"test_loss\": ", "\"accuracy\": ", "\"precision\": ",
        "\"recall\": ", "\"f1\": ", "\"seconds\": ", "\"samples_per_second\": ",
        "\"learning_rate\": 0.0", "\"val_loss\": ", "\"val_accuracy\": ",
        "\"train_sample_loss\": ", "\"train_sample_accuracy\": "};
    static uint8_t log[1 << 14];
    sample_net.data.validation = 0.2;
    ck_assert_int_eq(run("train --log a.jsonl --epochs 2 --train-samples 9"), 0);
    ck_assert_int_eq(run("train --log a.jsonl --epochs 1 --json"), 0); /* appends */
    log[read_file("a.jsonl", log, sizeof log - 1)] = 0;
    int lines = 0;
    for (const char *at = (char *)log; *at; at++) lines += *at == '\n';
    ck_assert_int_eq(lines, 3);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        ck_assert_msg(strstr((char *)log, keys[i]), "no %s in %s", keys[i], log);
    ck_assert(output[0] == '{' && !strchr(output, '%')); /* --json: the same lines, nothing else */
}
END_TEST

START_TEST(a_terminal_gets_a_progress_line) {
    int terminal, n = 0, status, got;
    fflush(NULL);
    pid_t child = forkpty(&terminal, NULL, NULL, NULL);
    if (!child) _exit(netc_main(&sample_net, 3, (char *[]){"sample", "train", "--epochs=2"}));
    while ((got = (int)read(terminal, output + n, sizeof output - 1 - (size_t)n)) > 0) n += got;
    output[n] = 0;
    waitpid(child, &status, 0);
    ck_assert_int_eq(status, 0);
    ck_assert_said("\r\033[Kepoch 1/2    4 %  loss 1.");
    ck_assert_said(" samples/s  0:00 left\r\033[K");
    ck_assert_int_eq(run("train --epochs 2"), 0);
    ck_assert_ptr_null(strchr(output, '\r'));
}
END_TEST

static void interrupted(int signal, int status) {
    static uint8_t log[1 << 20];
    unlink("a.jsonl");
    pid_t child = begin("train --epochs 1000000 --save a.safetensors --log a.jsonl");
    for (int i = 0; i < 6000; i++) {
        usleep(5000);
        if (!access("a.jsonl", F_OK) && read_file("a.jsonl", log, sizeof log)) break;
    }
    kill(child, signal);
    ck_assert_int_eq(end(child), status);
    ck_assert_said("to go on: sample train --resume a.safetensors --log a.jsonl");
    netc_checkpoint c;
    netc_error e;
    sample_state *state = netc_alloc(sizeof *state), *best = netc_alloc(sizeof *best);
    ck_assert(netc_checkpoint_read(&c, "a.safetensors", &sample_net, state, best, &e));
    char part[64];
    snprintf(part, sizeof part, "stopped after step %ld", c.position.step);
    ck_assert_said(part);
    free(state);
    free(best);
}

START_TEST(interrupting_saves) {
    interrupted(SIGINT, 130);
    interrupted(SIGTERM, 143);
    no_part_is_left();
}
END_TEST

/* ---- numbers that go wrong ---- */

START_TEST(divergence_stops) {
    ck_assert_int_eq(run("train --save a.safetensors --epochs 1"), 0);
    ck_assert_int_eq(system("cp a.safetensors b.safetensors"), 0);
    sample_full_rate = 1e37;
    ck_assert_int_eq(run("train --resume a.safetensors --epochs 3"), 1);
    ck_assert_said("training diverged: ");
    ck_assert_said("step 2");
    ck_assert_said("(epoch 2)");
    ck_assert_said("a.safetensors holds the end of epoch 1 (step 21)");
    ck_assert_same_file("a.safetensors", "b.safetensors");
    ck_assert_int_eq(run("train --save c.safetensors"), 1);
    ck_assert_said("Nothing was saved");
    ck_assert_int_ne(access("c.safetensors", F_OK), 0);
}
END_TEST

/* The loss is finite, the step's result is not: no such thing is written. */
START_TEST(parameters_that_are_not_finite_are_not_saved) {
    sample_full_rate = 1e39;
    ck_assert_int_eq(run("train --save a.safetensors --steps 1"), 1);
    ck_assert_said("is not finite after step 1 (epoch 1)");
    ck_assert_int_ne(access("a.safetensors", F_OK), 0);
}
END_TEST

int main(void) {
    TCase *t = tcase_create("training");
    tcase_add_test(t, it_learns_and_saves);
    tcase_add_test(t, each_epoch_takes_all_samples_in_its_order);
    tcase_add_loop_test(t, going_on_gives_the_same_bits, 0, sizeof stops / sizeof *stops);
    tcase_add_test(t, several_steps_a_call);
    tcase_add_test(t, weights_that_settle);
    tcase_add_test(t, threads_do_not_matter);
    tcase_add_test(t, seeds_matter);
    tcase_add_test(t, more_epochs_can_follow);
    tcase_add_test(t, tests_can_cut_epochs);
    tcase_add_test(t, decisions_between_epochs);
    tcase_add_test(t, log_lines);
    tcase_add_test(t, a_terminal_gets_a_progress_line);
    tcase_add_test(t, interrupting_saves);
    tcase_add_test(t, divergence_stops);
    tcase_add_test(t, parameters_that_are_not_finite_are_not_saved);
    return sample_tests("runtime: training", t);
}
