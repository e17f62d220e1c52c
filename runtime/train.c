/* train.c: the training loop, and what is decided between epochs.
 *
 * A training is its state block and its netc_position, nothing else: the order of samples and all
 * draws follow from the seed, the epoch and the step. So what is saved at any step goes on to the
 * same bits. A network may make several steps a call: calls begin at the same steps of an epoch
 * whatever happened before, and so it is settled, where it needs that. What interrupts takes effect
 * at a call's end, and once the network is settled.
 */
#include "internal.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

typedef enum { GO_ON, PAUSED, FAILED } Outcome;

typedef struct Training {
    const netc_net *net;
    const netc_options *o;
    netc_session s;
    netc_dataset d;
    netc_position p;
    netc_progress progress;
    void *best; /* the kept state block, once p.best_epoch is not 0 */
    bool has_best;
    int32_t *order; /* the epoch's */
    float *work;
    long steps_per_epoch;
    bool settled; /* the state can be read */
    char default_save[300];
    const char *save;
    long saved_step; /* of what the file holds; -1: nothing of this training */
    FILE *log;
    netc_epoch last;
} Training;

static volatile sig_atomic_t stop_signal;
static void on_signal(int signal) { stop_signal = signal; }

static void catch_signals(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    stop_signal = 0;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* ---- saving ---- */

static bool save(Training *t, netc_error *error) {
    const netc_tensor *bad = netc_not_finite(t->net, t->s.call.state, t->work);
    if (bad)
        return netc_fail(error, "training diverged: '%s' is not finite after step %ld (epoch %ld)",
                         bad->name, t->p.step, (t->p.step - 1) / t->steps_per_epoch + 1);
    if (!netc_checkpoint_write(t->save, t->net, t->s.call.state, t->has_best ? t->best : NULL,
                               &t->p, error))
        return false;
    t->saved_step = t->p.step;
    return true;
}

/* What is left of the work so far, for the user whose training failed. */
static void tell_what_is_saved(Training *t, netc_error *error) {
    long epoch = t->saved_step / t->steps_per_epoch;
    if (t->saved_step < 0)
        netc_fail_more(error, "\nNothing was saved.");
    else if (t->saved_step % t->steps_per_epoch)
        netc_fail_more(error, "\n%s holds step %ld, in epoch %ld.", t->save, t->saved_step,
                       epoch + 1);
    else
        netc_fail_more(error, "\n%s holds the end of epoch %ld (step %ld).", t->save, epoch,
                       t->saved_step);
}

/* ---- one epoch ---- */

static netc_call step_call(const Training *t, long step) {
    netc_call call = t->s.call;
    call.step = (double)step;
    call.epoch = (double)((step - 1) / t->steps_per_epoch + 1);
    call.rate_scale = t->p.rate_scale;
    return call;
}

static bool diverged(const Training *t, float loss, long from, netc_error *error) {
    char steps[64];
    snprintf(steps, sizeof steps, from < t->p.step ? "in steps %ld to %ld" : "at step %ld", from,
             t->p.step);
    return netc_fail(error, "training diverged: the loss is %s %s (epoch %ld)",
                     loss != loss ? "not a number" : "infinite", steps, t->p.epoch + 1);
}

/* The steps of one call: up to the next multiple of train_steps. */
static bool train_steps(Training *t, netc_error *error) {
    long done = t->p.step - t->p.epoch * t->steps_per_epoch, first = done * t->p.batch;
    long steps = t->net->train_steps - done % t->net->train_steps;
    long left = t->p.samples - first;
    long count = left < steps * t->p.batch ? left : steps * t->p.batch;
    netc_gather(&t->s, &t->d.train, t->order + first, 0, count);
    netc_prepare(&t->s, t->s.bytes, t->s.x, count);
    netc_call call = step_call(t, t->p.step + 1);
    call.count = (int32_t)count;
    t->net->train(&call);
    float loss = t->s.loss[0];
    long from = t->p.step + 1;
    t->p.step += (count + t->p.batch - 1) / t->p.batch;
    t->p.loss_sum += (double)loss * (double)count;
    t->settled = netc_settle(t->net, &call, t->p.step - t->p.epoch * t->steps_per_epoch,
                             t->steps_per_epoch);
    return loss - loss == 0 || diverged(t, loss, from, error);
}

static bool should_stop(const Training *t) {
    return stop_signal || (t->o->steps > 0 && t->p.step >= t->o->steps);
}

/* The rest of the epoch that p stands in. */
static Outcome run_epoch(Training *t, netc_error *error) {
    long end = (t->p.epoch + 1) * t->steps_per_epoch;
    double begun = netc_now();
    long first = t->p.step;
    memcpy(t->order, t->d.index, (size_t)t->p.samples * sizeof *t->order);
    netc_shuffle(t->order, t->p.samples, t->p.seed, (uint32_t)t->p.epoch + 1);
    t->progress.begun = begun;
    t->progress.first_step = first;
    while (t->p.step < end) {
        if (!train_steps(t, error)) return FAILED;
        netc_progress_step(&t->progress, &t->p);
        if (t->p.step < end && t->settled && should_stop(t))
            return save(t, error) ? PAUSED : FAILED;
    }
    t->last.seconds = netc_now() - begun;
    t->last.samples = t->p.samples - (first - t->p.epoch * t->steps_per_epoch) * t->p.batch;
    return GO_ON;
}

/* Early stopping, reduction on plateau, kept weights: by the validation loss, or where nothing was
 * split off by the training loss; never by test samples. */
static void decide(Training *t, double loss) {
    const netc_training *rule = &t->net->training;
    if (loss < t->p.best_loss) {
        t->p.best_loss = loss;
        t->p.best_epoch = t->p.epoch;
        t->p.waited = t->p.plateau_waited = 0;
        if (rule->keep_best) {
            memcpy(t->best, t->s.call.state, t->net->state_bytes);
            t->has_best = true;
        }
        return;
    }
    t->p.waited++;
    t->p.plateau_waited++;
    if (rule->plateau_factor > 0 && t->p.plateau_waited >= rule->plateau_patience) {
        t->p.rate_scale *= rule->plateau_factor;
        t->p.plateau_waited = 0;
    }
    if (rule->patience > 0 && t->p.waited >= rule->patience) t->p.stopped = 1;
}

static bool write_log(Training *t, netc_error *error) {
    if (!t->log) return true;
    errno = 0;
    netc_epoch_json(t->log, &t->last);
    return !ferror(t->log) ||
           netc_fail(error, "%s: cannot be written: %s", t->o->log, strerror(errno));
}

static bool evaluate_test(Training *t, netc_error *error) {
    netc_metrics_free(&t->last.test);
    return netc_evaluate(&t->s, &t->d.test, NULL, t->d.test.count, &t->last.test, error);
}

/* Of the training samples that --train-samples says, the first ones. */
static bool evaluate_train(Training *t, netc_error *error) {
    long n = t->o->train_samples < t->d.n_train ? t->o->train_samples : t->d.n_train;
    netc_metrics_free(&t->last.train);
    return netc_evaluate(&t->s, &t->d.train, t->d.index, n, &t->last.train, error);
}

/* Measure, decide, log, save, tell: in that order, so that what is saved knows what was decided,
 * and no epoch that was saved is missing in the log: one that was not is there a second time when
 * the training goes on. */
static bool end_epoch(Training *t, netc_error *error) {
    double begun = netc_now();
    netc_call call = step_call(t, t->p.step);
    t->last.train_loss = t->p.loss_sum / (double)t->p.samples;
    t->last.learning_rate = t->net->rate ? t->net->rate(&call) : netc_nan();
    t->p.epoch++;
    t->p.loss_sum = 0;
    netc_metrics_free(&t->last.validation);
    if (!evaluate_test(t, error) || !evaluate_train(t, error) ||
        !netc_evaluate(&t->s, &t->d.train, t->d.index + t->d.n_train, t->d.n_validation,
                       &t->last.validation, error))
        return false;
    decide(t, t->d.n_validation ? t->last.validation.loss : t->last.train_loss);
    netc_error unsaved;
    bool logged = write_log(t, error);
    if (!save(t, logged ? error : &unsaved) || !logged) return false;
    netc_progress_clear(&t->progress);
    if (t->o->json) netc_epoch_json(stdout, &t->last);
    else netc_epoch_text(stdout, &t->last);
    t->progress.between = netc_now() - begun;
    return true;
}

/* ---- beginning ---- */

/* A test's cut: no more epochs than NETC_TEST_EPOCHS says. */
static long cut_epochs(long epochs) {
    const char *text = getenv("NETC_TEST_EPOCHS");
    long cut = text ? atol(text) : 0;
    return cut > 0 && cut < epochs ? cut : epochs;
}

static void start_fresh(Training *t) {
    const netc_training *rule = &t->net->training;
    t->p = (netc_position){.seed = t->o->has_seed ? t->o->seed : rule->seed,
                           .batch = rule->batch,
                           .epochs = cut_epochs(t->o->epochs ? t->o->epochs : rule->epochs),
                           .rate_scale = 1,
                           .best_loss = netc_inf()};
    t->saved_step = -1;
}

static bool start_resumed(Training *t, netc_error *error) {
    netc_checkpoint c;
    if (!netc_checkpoint_read(&c, t->o->resume, t->net, t->s.call.state, t->best, error))
        return false;
    t->p = c.position;
    t->has_best = c.has_best && t->net->training.keep_best;
    t->saved_step = t->p.step;
    if (t->p.batch != t->net->training.batch)
        return netc_fail(error, "%s: trained with batch %ld, %s has %ld", t->o->resume, t->p.batch,
                         t->net->name, t->net->training.batch);
    if (t->o->has_seed && t->o->seed != t->p.seed)
        return netc_fail(error, "%s: trained with seed %llu; go on without --seed", t->o->resume,
                         (unsigned long long)t->p.seed);
    if (t->o->epochs) {
        if (t->o->epochs < t->p.epoch)
            return netc_fail(error, "%s: %ld epochs are done already", t->o->resume, t->p.epoch);
        t->p.epochs = t->o->epochs;
        if (t->p.stopped) t->p.stopped = t->p.waited = 0;
    }
    if (!c.same_hash)
        fprintf(stderr,
                "%s: written by another compilation of %s: going on from its tensors, but not to "
                "the same bits\n",
                t->o->resume, t->net->name);
    return true;
}

static bool open_data(Training *t, netc_error *error) {
    if (!netc_dataset_open(&t->d, &t->net->data, t->o->data, t->p.seed, t->o->limit,
                           NETC_TRAINING_FILES | NETC_TEST_FILES, error))
        return false;
    if (t->o->resume && t->p.samples != t->d.n_train)
        return netc_fail(error, "%s: trained on %ld samples, here are %ld (--limit, --data?)",
                         t->o->resume, t->p.samples, t->d.n_train);
    if (t->o->resume && (t->p.data_mean != t->d.mean || t->p.data_std != t->d.std))
        return netc_fail(error, "%s: trained on other samples than these (--limit, --data?)",
                         t->o->resume);
    t->p.samples = t->d.n_train;
    t->p.data_mean = t->d.mean;
    t->p.data_std = t->d.std;
    t->steps_per_epoch = (t->p.samples + t->p.batch - 1) / t->p.batch;
    t->progress.steps_per_epoch = t->steps_per_epoch;
    t->order = malloc((size_t)t->p.samples * sizeof *t->order);
    return t->order || netc_fail(error, "not enough memory");
}

static void set_call(Training *t) {
    netc_call *call = &t->s.call;
    call->seed = t->p.seed;
    call->epochs = (double)t->p.epochs;
    call->steps_per_epoch = (double)t->steps_per_epoch;
    call->steps = (double)(t->steps_per_epoch * t->p.epochs);
    call->data_mean = t->p.data_mean;
    call->data_std = t->p.data_std;
}

static bool open_files(Training *t, netc_error *error) {
    snprintf(t->default_save, sizeof t->default_save, "%s.safetensors", t->net->name);
    t->save = t->o->save ? t->o->save : t->o->resume ? t->o->resume : t->default_save;
    if (!t->o->resume || strcmp(t->o->resume, t->save)) t->saved_step = -1;
    if (!netc_checkpoint_probe(t->save, error)) return false;
    if (!t->o->log) return true;
    t->log = fopen(t->o->log, "a");
    return t->log || netc_fail(error, "%s: cannot be written: %s", t->o->log, strerror(errno));
}

/* Weights of another training, which may have been of another network. */
static bool begin_with(Training *t, netc_error *error) {
    int n, all = 0;
    if (t->o->resume) return netc_fail(error, "--start and --resume exclude each other");
    if (!netc_checkpoint_begin(t->o->start, t->net, t->s.call.state, &n, error)) return false;
    for (int i = 0; i < t->net->n_tensors; i++) all += t->net->tensor[i].kind != NETC_OPTIMIZER;
    if (!t->o->json) printf("beginning with %d of %d tensors from %s\n", n, all, t->o->start);
    return true;
}

static bool start(Training *t, netc_error *error) {
    if (!netc_session_open(&t->s, t->net, t->o->threads, error)) return false;
    t->work = netc_alloc((size_t)netc_largest_tensor(t->net) * sizeof *t->work);
    t->best = netc_alloc(t->net->state_bytes);
    if (!t->work || !t->best) return netc_fail(error, "not enough memory");
    if (t->o->resume) {
        if (!start_resumed(t, error)) return false;
    } else {
        start_fresh(t);
    }
    if (!open_data(t, error) || !open_files(t, error)) return false;
    set_call(t);
    if (!t->o->resume) t->net->init(&t->s.call);
    if (t->o->start && !begin_with(t, error)) return false;
    t->last.position = &t->p;
    t->progress.terminal = !t->o->json && isatty(STDOUT_FILENO);
    return true;
}

static void introduce(const Training *t) {
    int threads = netc_pool_threads(t->s.call.pool);
    if (t->o->json) return;
    printf("%s: %ld training samples of %s, ", t->net->name, t->p.samples, t->net->data.name);
    if (t->d.n_validation) printf("%ld for validation, ", t->d.n_validation);
    printf("batch %ld, seed %llu, %d thread%s\n", t->p.batch, (unsigned long long)t->p.seed,
           threads, threads == 1 ? "" : "s");
    if (t->p.step) printf("going on after step %ld, in epoch %ld\n", t->p.step, t->p.epoch + 1);
    if (t->save == t->default_save) printf("saving to %s (--save FILE for another)\n", t->save);
    fflush(stdout);
}

/* ---- ending ---- */

static void tell_how_to_go_on(const Training *t) {
    fprintf(stderr, "stopped after step %ld (epoch %ld of %ld); saved %s\n", t->p.step,
            (t->p.step - 1) / t->steps_per_epoch + 1, t->p.epochs, t->save);
    fprintf(stderr, "to go on: %s train --resume %s", t->o->program, t->save);
    if (t->o->data) fprintf(stderr, " --data %s", t->o->data);
    if (t->o->limit) fprintf(stderr, " --limit %ld", t->o->limit);
    if (t->o->log) fprintf(stderr, " --log %s", t->o->log);
    fputc('\n', stderr);
}

/* The weights that are kept may be an earlier epoch's: theirs are the metrics that count. */
static bool conclude(Training *t, netc_error *error) {
    if (t->has_best && t->p.best_epoch != t->p.epoch) {
        memcpy(t->s.call.state, t->best, t->net->state_bytes);
        if (!evaluate_test(t, error)) return false;
    }
    if (t->o->json) return true;
    if (t->p.stopped) printf("stopped early: epoch %ld was the best\n", t->p.best_epoch);
    if (t->has_best) printf("kept: the weights of epoch %ld\n", t->p.best_epoch);
    if (t->last.test.samples) netc_metrics_text(stdout, &t->last.test);
    printf("saved %s\n", t->save);
    return true;
}

static bool is_over(const Training *t) { return t->p.epoch >= t->p.epochs || t->p.stopped; }

static Outcome run(Training *t, netc_error *error) {
    if (is_over(t)) {
        fprintf(stderr, "%s: its training is complete, %ld epochs; to go on: --epochs N\n",
                t->o->resume, t->p.epoch);
        return GO_ON;
    }
    while (!is_over(t)) {
        if (should_stop(t)) return t->saved_step == t->p.step || save(t, error) ? PAUSED : FAILED;
        Outcome outcome = run_epoch(t, error);
        if (outcome != GO_ON) return outcome;
        if (!end_epoch(t, error)) return FAILED;
    }
    return conclude(t, error) ? GO_ON : FAILED;
}

static void finish(Training *t) {
    netc_progress_clear(&t->progress);
    netc_metrics_free(&t->last.test);
    netc_metrics_free(&t->last.validation);
    netc_metrics_free(&t->last.train);
    netc_dataset_close(&t->d);
    netc_session_close(&t->s);
    if (t->log) fclose(t->log);
    free(t->order);
    free(t->work);
    free(t->best);
}

int netc_train_command(const netc_net *net, const netc_options *o) {
    Training t = {.net = net, .o = o};
    netc_error error = {""};
    Outcome outcome = FAILED;
    int status = 1;
    if (start(&t, &error)) {
        introduce(&t);
        catch_signals();
        outcome = run(&t, &error);
        if (outcome == FAILED) tell_what_is_saved(&t, &error);
        netc_progress_clear(&t.progress);
    }
    if (outcome == FAILED) netc_report(o, &error);
    if (outcome == PAUSED) tell_how_to_go_on(&t);
    if (outcome == GO_ON) status = 0;
    if (outcome == PAUSED) status = stop_signal ? 128 + stop_signal : 0;
    finish(&t);
    return status;
}
