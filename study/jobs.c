/* jobs.c: the runs, several at a time, until all are over.
 *
 * A small network trains faster on one thread beside others than on all threads alone; a large one
 * may not. So each is measured both ways first. The networks that are better side by side go first,
 * the longest ones leading, one thread each; once there are fewer left than processors they share
 * those that are free. The others follow one after the other on all threads, or on those that a
 * long run leaves free. How many threads a run has changes no bit of its result, so all this
 * decides about time only.
 */
#define _GNU_SOURCE
#include "study.h"
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stop_signal;
static void on_signal(int signal) { stop_signal = signal; }

int runs_in(const Study *s, RunState from, RunState to) {
    int n = 0;
    for (int i = 0; i < s->runs.n; i++)
        n += s->runs.at[i]->state >= from && s->runs.at[i]->state <= to;
    return n;
}

/* ---- speed ---- */

static void common_options(Study *s, Command *c, long threads, long limit) {
    Arena *a = s->arena;
    ADD(a, *c, "--threads", arena_printf(a, "%ld", threads));
    if (limit) ADD(a, *c, "--limit", arena_printf(a, "%ld", limit));
    if (s->options.data) ADD(a, *c, "--data", s->options.data);
}

/* Samples a second of so many programs at once, together. */
static double bench(Study *s, Model *m, int programs, int threads) {
    enum { SAMPLES = 8192 }; /* reading more takes longer than measuring */
    long limit = s->options.limit && s->options.limit < SAMPLES ? s->options.limit : SAMPLES;
    double sum = 0;
    for (int i = 0; i < programs; i++) {
        Command c = {0};
        const char *out = arena_printf(s->arena, "%s/bench-%d.json", m->folder, i);
        remove(out);
        ADD(s->arena, c, m->program, "bench", "--json", "--seconds", "0.2");
        common_options(s, &c, threads, limit);
        start(s->arena, &c, out);
    }
    while (wait(NULL) > 0 || errno == EINTR) {}
    for (int i = 0; i < programs; i++) {
        const char *out = arena_printf(s->arena, "%s/bench-%d.json", m->folder, i);
        json_t *j = read_json(out);
        double rate = real(j, "samples_per_second");
        sum += isfinite(rate) ? rate : 0;
        json_decref(j);
        remove(out);
    }
    return sum;
}

static void measure_model(Study *s, Model *m) {
    const char *path = arena_printf(s->arena, "%s/speed.json", m->folder);
    const char *stamp = read_text(s->arena, arena_printf(s->arena, "%s/stamp", m->folder));
    json_t *known = read_json(path);
    bool fits = stamp && !strcmp(string(known, "stamp"), stamp) &&
                (int)real(known, "processors") == s->processors;
    m->alone = fits ? real(known, "alone") : bench(s, m, 1, s->processors);
    m->side_by_side = fits ? real(known, "side_by_side")
                      : s->processors > 1 ? bench(s, m, s->processors, 1) : m->alone;
    m->wide = m->alone > 1.05 * m->side_by_side; /* what is nearer is the measurement's chance */
    json_decref(known);
    if (!fits && m->alone > 0 && !stop_signal)
        write_json(s, path, json_pack("{ss si sf sf}", "stamp", stamp, "processors", s->processors,
                                      "alone", m->alone, "side_by_side", m->side_by_side));
}

static void catch_signals(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

void measure_speed(Study *s) {
    catch_signals();
    printf("measuring their speed\n");
    fflush(stdout);
    for (int i = 0; i < s->models.n && !stop_signal; i++)
        if (!s->models.at[i]->fault) measure_model(s, s->models.at[i]);
}

/* ---- starting a run ---- */

static const char *in_run(Study *s, const Run *r, const char *name) {
    return arena_printf(s->arena, "%s/%s", r->folder, name);
}

/* What a killed program left half written: its temporary files, the log's last line. */
static void tidy(Study *s, const Run *r) {
    glob_t found;
    if (!glob(in_run(s, r, "*.part*"), 0, NULL, &found)) {
        for (size_t i = 0; i < found.gl_pathc; i++) remove(found.gl_pathv[i]);
        globfree(&found);
    }
    const char *log = in_run(s, r, "log.jsonl");
    char *text = read_text(s->arena, log), *end = text ? strrchr(text, '\n') : NULL;
    if (text && truncate(log, end ? end + 1 - text : 0)) fail("cannot write %s", log);
}

static long lines_in(const char *path) {
    FILE *f = fopen(path, "r");
    long lines = 0;
    for (int c; f && (c = getc(f)) != EOF;) lines += c == '\n';
    if (f) fclose(f);
    return lines;
}

static void start_training(Study *s, Run *r) {
    Arena *a = s->arena;
    Command c = {0};
    const char *weights = in_run(s, r, "weights.safetensors"), *log = in_run(s, r, "log.jsonl");
    tidy(s, r);
    ADD(a, c, r->model->program, "train", "--seed", arena_printf(a, "%ld", r->seed), "--save",
        weights, "--log", log, "--train-samples", "10000");
    common_options(s, &c, r->threads, s->options.limit);
    if (file_exists(weights)) { /* which knows the number of epochs */
        ADD(a, c, "--resume", weights);
    } else {
        remove(log);
        if (s->options.epochs) ADD(a, c, "--epochs", arena_printf(a, "%ld", s->options.epochs));
    }
    remove(in_run(s, r, "output.txt"));
    r->process = start(a, &c, in_run(s, r, "output.txt"));
    r->state = TRAINING;
    r->began = r->last_epoch = now();
    r->epochs_before = r->epochs_done = lines_in(log);
}

static void start_testing(Study *s, Run *r) {
    Command c = {0};
    ADD(s->arena, c, r->model->program, "eval", "--json", "--weights",
        in_run(s, r, "weights.safetensors"), "--predictions", in_run(s, r, "predictions.csv.part"));
    common_options(s, &c, r->threads, s->options.limit);
    remove(in_run(s, r, "eval.txt"));
    r->process = start(s->arena, &c, in_run(s, r, "eval.txt"));
    r->state = TESTING;
}

/* ---- how a run ends ---- */

static void write_done(Study *s, const Run *r, const char *status, json_t *eval) {
    json_t *done = json_pack("{ss ss si so}", "status", status, "message",
                             r->message ? r->message : "", "threads", r->threads, "eval",
                             eval ? eval : json_null());
    write_json(s, in_run(s, r, "done.json"), done);
}

/* Of a text its last line. */
static char *line_of(Arena *a, char *text) {
    size_t n = strlen(text);
    while (n && text[n - 1] == '\n') text[--n] = 0;
    char *line = strrchr(text, '\n');
    return arena_strdup(a, line ? line + 1 : text);
}

/* Its numbers ran away: the same would happen again, so this run is over. Everything else, such as
 * a full disk, is tried again the next time. */
static void end_badly(Study *s, Run *r, const char *output) {
    static const char diverged[] = "training diverged: ";
    char *text = read_text(s->arena, in_run(s, r, output)), *found;
    r->state = FAILED;
    size_t name = strlen(r->model->program);
    r->message = text && *text ? line_of(s->arena, text) : "it ended without a word";
    if (!strncmp(r->message, r->model->program, name) && r->message[name] == ':')
        r->message += name + 2;
    if (!text || r->state == TESTING || !(found = strstr(text, diverged))) return;
    r->state = DIVERGED;
    found += strlen(diverged);
    r->message = arena_strndup(s->arena, found, strcspn(found, "\n"));
    write_done(s, r, "diverged", NULL);
}

static void end_testing(Study *s, Run *r) {
    json_t *eval = read_json(in_run(s, r, "eval.txt"));
    if (!eval ||
        rename(in_run(s, r, "predictions.csv.part"), in_run(s, r, "predictions.csv"))) {
        json_decref(eval);
        r->state = FAILED;
        r->message = "its test left no predictions";
        return;
    }
    r->state = DONE;
    write_done(s, r, "done", eval);
}

static void add_session(Study *s);

static void child_ended(Study *s, Display *d, pid_t child, int status) {
    for (int i = 0; i < s->runs.n; i++) {
        Run *r = s->runs.at[i];
        if (r->process != child) continue;
        r->process = 0;
        if (stop_signal && (r->state == TRAINING || status)) r->state = WAITING;
        else if (status) end_badly(s, r, r->state == TRAINING ? "output.txt" : "eval.txt");
        else if (r->state == TRAINING) start_testing(s, r);
        else end_testing(s, r);
        if (r->state < DONE) continue;
        display_ended(d, r);
        add_session(s);
    }
}

/* ---- which run is next ---- */

/* By what was measured before. */
static double seconds_for(const Study *s, const Run *r, long epochs) {
    double rate = r->model->wide ? r->model->alone : r->model->side_by_side / s->processors;
    double use = real(r->model->summary, "data.use") *
                 (1 - real(r->model->summary, "data.validation"));
    double samples = (double)epochs * use * (double)s->train_count;
    return rate > 0 ? samples / rate : 0;
}

static double seconds_of(const Study *s, const Run *r) {
    return seconds_for(s, r, r->epochs - r->epochs_done);
}

/* Side by side before wide, long before short. */
static int by_length(const void *x, const void *y, void *study) {
    const Run *a = *(Run *const *)x, *b = *(Run *const *)y;
    if (a->model->wide != b->model->wide) return a->model->wide - b->model->wide;
    double d = seconds_of(study, b) - seconds_of(study, a);
    return d > 0 ? 1 : d < 0 ? -1 : 0;
}

/* Are all processors free before a run, on those that are free now, would be half over? */
static bool worth_waiting(const Study *s, const Run *r, int free, double until_all) {
    double share = (double)free / s->processors;
    return 2 * until_all < seconds_of(s, r) * r->model->alone / (r->model->side_by_side * share);
}

static void start_runs(Study *s) {
    int used = 0, side_by_side = 0;
    double until_all = 0;
    for (int i = 0; i < s->runs.n; i++) {
        const Run *r = s->runs.at[i];
        if (r->state == TRAINING || r->state == TESTING) used += r->threads;
        if (r->state == TRAINING && seconds_of(s, r) > until_all) until_all = seconds_of(s, r);
        side_by_side += r->state == WAITING && !r->model->wide;
    }
    for (int i = 0; i < s->runs.n && used < s->processors; i++) {
        Run *r = s->runs.at[i];
        int free = s->processors - used;
        if (r->state != WAITING) continue;
        if (r->model->wide && used && worth_waiting(s, r, free, until_all)) return;
        r->threads = r->model->wide ? free : (free + side_by_side - 1) / side_by_side;
        used += r->threads;
        side_by_side -= !r->model->wide;
        start_training(s, r);
    }
}

/* ---- the loop ---- */

static void count_epochs(Study *s, bool all) {
    for (int i = 0; i < s->runs.n; i++) {
        Run *r = s->runs.at[i];
        if (r->state != TRAINING && !(all && r->state == WAITING)) continue;
        long lines = lines_in(in_run(s, r, "log.jsonl")), before = r->epochs_done;
        r->epochs_done = lines < r->epochs ? lines : r->epochs;
        if (r->epochs_done != before) r->last_epoch = now();
    }
}

/* What was measured before, corrected by how long the epochs under way have taken. */
static double seconds_left(const Study *s) {
    double narrow = 0, wide = 0, foreseen = 0, taken = 0;
    for (int i = 0; i < s->runs.n; i++) {
        const Run *r = s->runs.at[i];
        if (r->state > TRAINING) continue;
        if (r->model->wide) wide += seconds_of(s, r);
        else narrow += seconds_of(s, r);
        if (r->state != TRAINING || r->epochs_done <= r->epochs_before) continue;
        foreseen += seconds_for(s, r, r->epochs_done - r->epochs_before);
        taken += r->last_epoch - r->began;
    }
    return (narrow / s->processors + wide) * (foreseen > 0 ? taken / foreseen : 1);
}

/* In the manifest: how long we have been at work. */
static void add_session(Study *s) {
    json_t *session = json_array_get(at(s->manifest, "sessions"),
                                     json_array_size(at(s->manifest, "sessions")) - 1);
    json_object_set_new(session, "seconds", json_real(now() - s->began));
    json_object_set_new(session, "runs_over", json_integer(runs_in(s, DONE, FAILED)));
    write_json(s, arena_printf(s->arena, "%s/manifest.json", s->options.folder),
               json_incref(s->manifest));
}

static void stop_children(Study *s) {
    for (int i = 0; i < s->runs.n; i++)
        if (s->runs.at[i]->process > 0) kill(s->runs.at[i]->process, SIGTERM);
}

bool run_jobs(Study *s) {
    Display d = {.terminal = isatty(STDOUT_FILENO)};
    bool told = false;
    double counted = 0;
    catch_signals();
    qsort_r(s->runs.at, (size_t)s->runs.n, sizeof *s->runs.at, by_length, s);
    while (true) {
        int status;
        pid_t child;
        while ((child = waitpid(-1, &status, WNOHANG)) > 0) child_ended(s, &d, child, status);
        if (!stop_signal) start_runs(s);
        if (stop_signal && !told) stop_children(s);
        told |= stop_signal;
        if (!runs_in(s, TRAINING, TESTING)) break;
        if (now() - counted > 1) {
            count_epochs(s, !counted);
            counted = now();
        }
        display_update(&d, s, seconds_left(s));
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
    display_clear(&d);
    return !stop_signal;
}
