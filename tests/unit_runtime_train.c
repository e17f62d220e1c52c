/* unit_runtime_train.c: whole commands of a trained program, on the sample network: training and
 * going on to the same bits, what is saved and logged, failures of the disk, of the numbers and of
 * the user, evaluation, prediction, the library for C programs.
 *
 * A command runs in a process of its own; `output` is then all that it printed.
 */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <png.h>
#include <pty.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "sample_net.c"

static char output[1 << 16];
static long file_limit; /* bytes that a command may write to a file; 0: any number */

#define ck_assert_said(part) \
    ck_assert_msg(strstr(output, part), "expected '%s' in: %s", part, output)

/* `line` is split at spaces. */
static pid_t begin(const char *line) {
    fflush(NULL);
    pid_t child = fork();
    ck_assert_int_ge(child, 0); /* it may be sent signals */
    if (child) return child;
    char *argv[32] = {"sample"}, *copy = strdup(line);
    int argc = 1, out = open("output", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) argv[argc++] = word;
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    if (file_limit) {
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){(rlim_t)file_limit, (rlim_t)file_limit});
    }
    int status = netc_main(&sample_net, argc, argv);
    fflush(stdout);
    _exit(status);
}

static int end(pid_t child) {
    int status;
    waitpid(child, &status, 0);
    FILE *f = fopen("output", "r");
    output[fread(output, 1, sizeof output - 1, f)] = 0;
    fclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int run(const char *line) { return end(begin(line)); }

static size_t read_file(const char *path, uint8_t *to, size_t size) {
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s: %s; %s", path, strerror(errno), output);
    size_t n = fread(to, 1, size, f);
    fclose(f);
    return n;
}

static void ck_assert_same_file(const char *a, const char *b) {
    static uint8_t x[1 << 16], y[1 << 16];
    size_t n = read_file(a, x, sizeof x);
    ck_assert_msg(n == read_file(b, y, sizeof y) && n > 0 && !memcmp(x, y, n), "%s and %s differ",
                  a, b);
}

static void no_part_is_left(void) { ck_assert_int_ne(system("ls | grep -q part"), 0); }

static void setup_plain(void) {
    sample_net.train = sample_train;
    sample_net.train_steps = 1;
    sample_net.init = sample_init;
    sample_net.settle = NULL;
    sample_net.settle_steps = 0;
    sample_net.state_bytes = sizeof(sample_state);
}

/* What train { } says, back as the sample has it. */
static void setup(void) {
    sample_net.training = (netc_training){.batch = BATCH, .epochs = 4, .seed = 1};
    sample_net.data.validation = 0;
    setup_plain();
    sample_full_rate = 0.02;
    file_limit = 0;
    setenv("NETC_DATA", sample_folder, 1);
    unsetenv("NETC_TEST_EPOCHS");
    ck_assert_int_eq(system("rm -f *.safetensors *.jsonl"), 0);
}

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

/* ---- the other commands ---- */

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
    Suite *suite = suite_create("runtime: commands");
    TCase *t = tcase_create("commands");
    sample_enter();
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_set_timeout(t, 60);
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
    tcase_add_test(t, a_failed_write_loses_nothing);
    tcase_add_test(t, full_and_impossible_places);
    tcase_add_test(t, links_are_followed);
    tcase_add_loop_test(t, changed_checkpoints, 0, sizeof changes / sizeof *changes);
    tcase_add_test(t, damaged_checkpoints);
    tcase_add_test(t, weights_of_another_tool);
    tcase_add_test(t, beginning_with_weights);
    tcase_add_test(t, another_compilation);
    tcase_add_test(t, predictions);
    tcase_add_test(t, library);
    tcase_add_test(t, benchmarks);
    tcase_add_test(t, what_no_machine_can_hold_is_refused);
    tcase_add_loop_test(t, command_lines, 0, sizeof lines / sizeof *lines);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    sample_leave();
    return failed != 0;
}
