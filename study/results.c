/* results.c: what the runs left behind, as one JSON object: results.json.
 *
 * {"study": about it all, "data": ..., "models": [{... "runs": [...]}], and what compare.c and
 *  exhibits.c add}. A model's scores are means over its runs that ended well.
 */
#include "study.h"
#include "statistics.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const char *const score_names[N_SCORES] = {"accuracy", "precision", "recall", "f1"};

/* ---- one run ---- */

static const char *field(const char *p) {
    p = p ? strchr(p, ',') : NULL;
    return p ? p + 1 : NULL;
}

/* The output as it stands where it is a distribution, else through the softmax. */
static double confidence(const char *outputs, int guess) {
    double x[256], sum = 0, top = -INFINITY, norm = 0;
    bool distribution = true;
    int n = 0;
    for (const char *p = outputs; p && n < COUNT_OF(x); p = field(p), n++) {
        x[n] = strtod(p, NULL);
        sum += x[n];
        top = fmax(top, x[n]);
        distribution &= x[n] >= 0;
    }
    if (guess < 0 || guess >= n) return 0;
    if (distribution && fabs(sum - 1) < 1e-3) return x[guess];
    for (int i = 0; i < n; i++) norm += exp(x[i] - top);
    return exp(x[guess] - top) / norm;
}

static int lines(const char *text) {
    int n = 0;
    for (; *text; text++) n += *text == '\n';
    return n;
}

bool read_predictions(Arena *a, const char *path, int classes, Predictions *p) {
    char *text = read_text(a, path);
    if (!text) return false;
    int room = lines(text);
    *p = (Predictions){.classes = classes, .label = NEW_ARRAY(a, int, room),
                       .guess = NEW_ARRAY(a, int, room), .confidence = NEW_ARRAY(a, double, room)};
    char *save, *line = strtok_r(text, "\n", &save); /* the head */
    while (line && (line = strtok_r(NULL, "\n", &save))) {
        const char *label = field(line), *guess = field(label);
        if (!guess) return false;
        int g = atoi(guess), l = atoi(label);
        if (l < 0 || l >= classes) return false;
        p->label[p->n] = l;
        p->guess[p->n] = g >= 0 && g < classes ? g : -1;
        p->confidence[p->n++] = confidence(field(guess), g);
    }
    return p->n > 0;
}

static json_t *numbers(const double *x, int n) {
    json_t *list = json_array();
    for (int i = 0; i < n; i++) json_array_append_new(list, json_real(x[i]));
    return list;
}

static json_t *matrix(const long *counts, int classes) {
    json_t *rows = json_array();
    for (int t = 0; t < classes; t++) {
        json_t *row = json_array();
        for (int p = 0; p <= classes; p++)
            json_array_append_new(row, json_integer(counts[t * (classes + 1) + p]));
        json_array_append_new(rows, row);
    }
    return rows;
}

static void add_scores(json_t *run, const Predictions *p) {
    long counts[(p->classes + 1) * p->classes], right = 0;
    double each[3][p->classes];
    memset(counts, 0, sizeof counts);
    for (int i = 0; i < p->n; i++) {
        int g = p->guess[i] < 0 ? p->classes : p->guess[i];
        counts[p->label[i] * (p->classes + 1) + g]++;
        right += p->label[i] == g;
    }
    class_scores(counts, p->classes, each[0], each[1], each[2]);
    json_object_set_new(run, "accuracy", json_real((double)right / p->n));
    for (int i = 0; i < 3; i++)
        json_object_set_new(run, score_names[i + 1], json_real(mean_of(each[i], p->classes)));
    json_t *by_class = json_object();
    for (int i = 0; i < 3; i++)
        json_object_set_new(by_class, score_names[i + 1], numbers(each[i], p->classes));
    json_object_set_new(run, "classes", by_class);
    json_object_set_new(run, "confusion", matrix(counts, p->classes));
}

/* Epochs in order; of one that is there twice the last, which is what was gone on from. */
static json_t *read_curve(Study *s, const Run *r) {
    json_t *curve = json_array();
    char *save, *text = read_text(s->arena, arena_printf(s->arena, "%s/log.jsonl", r->folder));
    char *line = text ? strtok_r(text, "\n", &save) : NULL;
    for (; line; line = strtok_r(NULL, "\n", &save)) {
        json_t *epoch = json_loads(line, 0, NULL);
        long number = (long)real(epoch, "epoch"), have = (long)json_array_size(curve);
        if (epoch && number >= 1 && number <= have)
            json_array_set_new(curve, (size_t)number - 1, epoch);
        else if (epoch && number == have + 1) json_array_append_new(curve, epoch);
        else json_decref(epoch);
    }
    return curve;
}

/* Seconds of training until the test accuracy reached a share; null where it did not. */
static void add_time_to(json_t *run, const json_t *curve, double share, const char *name) {
    double seconds = 0;
    for (size_t i = 0; i < json_array_size(curve); i++) {
        const json_t *epoch = json_array_get(curve, i);
        seconds += real(epoch, "seconds");
        if (real(epoch, "accuracy") < share) continue;
        json_object_set_new(run, name, json_pack("{si sf}", "epochs", (int)i + 1, "seconds",
                                                 seconds));
        return;
    }
    json_object_set_new(run, name, json_null());
}

/* An epoch that was interrupted has the seconds of its rest only: its rate tells of the whole. */
static void whole_epochs(json_t *curve, double samples) {
    for (size_t i = 0; i < json_array_size(curve); i++) {
        json_t *epoch = json_array_get(curve, i);
        double rate = real(epoch, "samples_per_second");
        if (rate > 0) json_object_set_new(epoch, "seconds", json_real(samples / rate));
    }
}

static const char *status_name(const Run *r) {
    return r->state == DONE ? "done" : r->state == DIVERGED ? "diverged"
           : r->state == FAILED ? "failed" : "unfinished";
}

static json_t *collect_run(Study *s, const Run *r) {
    const json_t *m = r->model->summary;
    json_t *run = json_pack("{sI ss ss}", "seed", (json_int_t)r->seed, "status", status_name(r),
                            "message", r->message ? r->message : "");
    json_t *curve = read_curve(s, r);
    json_t *done = read_json(arena_printf(s->arena, "%s/done.json", r->folder));
    double used = round(real(m, "data.use") * (double)s->train_count);
    whole_epochs(curve, used - round(used * real(m, "data.validation")));
    Predictions p;
    if (r->state == DONE &&
        read_predictions(s->arena, arena_printf(s->arena, "%s/predictions.csv", r->folder),
                         (int)json_array_size(at(m, "data.classes")), &p)) {
        json_object_set_new(run, "test_samples", json_integer(p.n));
        json_object_set(run, "loss", at(done, "eval.loss"));
        add_scores(run, &p);
    }
    json_object_set(run, "threads", at(done, "threads"));
    double seconds = 0, epochs = (double)json_array_size(curve);
    for (int i = 0; i < (int)epochs; i++)
        seconds += real(json_array_get(curve, (size_t)i), "seconds");
    json_object_set_new(run, "epochs", json_real(epochs));
    json_object_set_new(run, "seconds", json_real(seconds));
    json_object_set_new(run, "seconds_per_epoch", rounded(seconds / epochs));
    add_time_to(run, curve, 0.80, "to_80");
    add_time_to(run, curve, 0.85, "to_85");
    json_object_set_new(run, "curve", curve);
    json_decref(done);
    return run;
}

/* ---- one model ---- */

/* Mean, deviation, least and largest over the runs that have the number. */
static void summarize(json_t *model, const char *path, const char *name) {
    const json_t *runs = at(model, "runs");
    double x[json_array_size(runs) + 1];
    int n = 0;
    for (size_t i = 0; i < json_array_size(runs); i++) {
        double value = real(json_array_get(runs, i), path);
        if (isfinite(value)) x[n++] = value;
    }
    if (!n) {
        json_object_set_new(model, name, json_null());
        return;
    }
    double least = x[0], most = x[0];
    for (int i = 1; i < n; i++) {
        least = fmin(least, x[i]);
        most = fmax(most, x[i]);
    }
    json_object_set_new(model, name,
                        json_pack("{sf sf sf sf si}", "mean", mean_of(x, n), "deviation",
                                  deviation_of(x, n), "least", least, "most", most, "runs", n));
}

/* Over the runs that ended well: counts of the confusion matrix added up, the classes' scores as
 * means. */
static void add_classes(json_t *model, int classes) {
    const json_t *runs = at(model, "runs");
    if (!classes) return;
    long counts[classes * (classes + 1)];
    double score[3][classes];
    int n = 0;
    memset(counts, 0, sizeof counts);
    memset(score, 0, sizeof score);
    for (size_t r = 0; r < json_array_size(runs); r++) {
        const json_t *run = json_array_get(runs, r), *rows = at(run, "confusion");
        if (!rows) continue;
        n++;
        for (int i = 0; i < classes * (classes + 1); i++)
            counts[i] += json_integer_value(json_array_get(
                json_array_get(rows, (size_t)(i / (classes + 1))), (size_t)(i % (classes + 1))));
        for (int i = 0; i < 3; i++)
            for (int c = 0; c < classes; c++)
                score[i][c] += json_number_value(json_array_get(
                    json_object_get(at(run, "classes"), score_names[i + 1]), (size_t)c));
    }
    if (!n) return;
    json_t *by_class = json_object();
    for (int i = 0; i < 3; i++) {
        for (int c = 0; c < classes; c++) score[i][c] /= n;
        json_object_set_new(by_class, score_names[i + 1], numbers(score[i], classes));
    }
    json_object_set_new(model, "classes", by_class);
    json_object_set_new(model, "confusion", matrix(counts, classes));
}

static void add_interval(json_t *model) {
    double mean = real(model, "accuracy.mean");
    if (isnan(mean)) return;
    Interval i = wilson(mean, (long)real(model, "test_samples.mean"));
    json_object_set_new(at(model, "accuracy"), "low", json_real(i.low));
    json_object_set_new(at(model, "accuracy"), "high", json_real(i.high));
}

static json_t *about_model(const Model *m) {
    json_t *values = json_array();
    for (int i = 0; i < m->values.n; i++)
        json_array_append_new(values, json_string(m->values.at[i]));
    json_t *model = json_pack("{ss ss so ss ss}", "name", m->key, "spec", m->spec, "values", values,
                              "text", m->text, "fault", m->fault ? m->fault : "");
    static const char *const kept[] = {"hash", "training", "layers", "parameters", "input",
                                       "train_flops", "predict_flops"};
    for (int i = 0; i < COUNT_OF(kept); i++)
        json_object_set(model, kept[i], json_object_get(m->summary, kept[i]));
    if (m->imports) json_object_set(model, "imports", m->imports);
    json_object_set_new(model, "network", json_string(m->network ? m->network : ""));
    if (m->alone > 0)
        json_object_set_new(model, "speed", json_pack("{sf sf sb}", "alone", m->alone,
                                                      "side_by_side", m->side_by_side, "wide",
                                                      m->wide));
    return model;
}

static json_t *collect_model(Study *s, const Model *m) {
    static const char *const numbers[] = {"loss", "seconds", "seconds_per_epoch", "epochs",
                                          "test_samples", "threads"};
    json_t *model = about_model(m), *runs = json_array();
    for (long seed = 1; seed <= s->options.seeds; seed++)
        for (int i = 0; i < s->runs.n; i++)
            if (s->runs.at[i]->model == m && s->runs.at[i]->seed == seed)
                json_array_append_new(runs, collect_run(s, s->runs.at[i]));
    json_object_set_new(model, "runs", runs);
    for (int i = 0; i < N_SCORES; i++) summarize(model, score_names[i], score_names[i]);
    for (int i = 0; i < COUNT_OF(numbers); i++) summarize(model, numbers[i], numbers[i]);
    summarize(model, "to_80.seconds", "to_80");
    summarize(model, "to_85.seconds", "to_85");
    add_classes(model, (int)json_array_size(at(m->summary, "data.classes")));
    add_interval(model);
    return model;
}

/* ---- the whole ---- */

/* The value of the first line that begins so, in /proc. */
static const char *proc_line(Study *s, const char *path, const char *name) {
    FILE *f = fopen(path, "r");
    char line[512];
    const char *found = "";
    while (f && !*found && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, name, strlen(name)) || !colon) continue;
        colon += 1 + strspn(colon + 1, " \t");
        found = arena_strndup(s->arena, colon, strcspn(colon, "\n"));
    }
    if (f) fclose(f);
    return found;
}

static const char *compiler_version(Study *s) {
    Command c = {0};
    char *output;
    ADD(s->arena, c, arena_strndup(s->arena, s->cc, strcspn(s->cc, " ")), "--version");
    if (run_command(s->arena, &c, true, &output)) return s->cc;
    output[strcspn(output, "\n")] = 0;
    return output;
}

static json_t *about_study(Study *s) {
    char date[32];
    time_t t = time(NULL);
    double seconds = 0;
    json_t *sessions = at(s->manifest, "sessions"), *seeds = json_array();
    strftime(date, sizeof date, "%Y-%m-%d", localtime(&t));
    for (size_t i = 0; i < json_array_size(sessions); i++) {
        double part = real(json_array_get(sessions, i), "seconds");
        if (isfinite(part)) seconds += part;
    }
    for (long i = 1; i <= s->options.seeds; i++) json_array_append_new(seeds, json_integer(i));
    return json_pack("{ss ss ss si sf ss ss so sI sI sf}", "date", date, "processor",
                     proc_line(s, "/proc/cpuinfo", "model name"), "memory",
                     proc_line(s, "/proc/meminfo", "MemTotal"), "processors", s->processors,
                     "processors_online", (double)sysconf(_SC_NPROCESSORS_ONLN), "netc",
                     NETC_VERSION, "compiler", compiler_version(s), "seeds", seeds, "epochs",
                     (json_int_t)s->options.epochs, "limit", (json_int_t)s->options.limit,
                     "seconds", seconds);
}

json_t *collect(Study *s) {
    json_t *models = json_array(), *classes = NULL;
    for (int i = 0; i < s->models.n; i++) {
        json_array_append_new(models, collect_model(s, s->models.at[i]));
        if (!classes) classes = at(s->models.at[i]->summary, "data.classes");
    }
    json_t *data = json_pack("{ss ss sI sI sO}", "name", s->data_name, "sha256", s->data_hash,
                             "train_samples", (json_int_t)s->train_count, "test_samples",
                             (json_int_t)s->test_count, "classes", classes);
    return json_pack("{so so so}", "study", about_study(s), "data", data, "models", models);
}
