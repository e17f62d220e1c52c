/* compare.c: models against each other and against figures from elsewhere.
 *
 * Two models are compared on the same test images, an image's seeds kept together (paired_p). That
 * test speaks of the networks that were trained; whether others trained with other seeds would
 * differ as well, the interval of the difference tells, which counts the spread of the seeds too. A
 * difference is called significant where both say so.
 */
#include "study.h"
#include "statistics.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- ranking ---- */

typedef struct Ranked {
    double accuracy;
    int model;
} Ranked;

static int by_accuracy(const void *x, const void *y) {
    const Ranked *a = x, *b = y;
    if (a->accuracy != b->accuracy) return a->accuracy < b->accuracy ? 1 : -1;
    return a->model - b->model;
}

static void add_ranking(json_t *results) {
    const json_t *models = at(results, "models");
    int n = (int)json_array_size(models);
    Ranked r[n + 1];
    json_t *ranking = json_array();
    for (int i = 0; i < n; i++) {
        double accuracy = real(json_array_get(models, (size_t)i), "accuracy.mean");
        r[i] = (Ranked){isnan(accuracy) ? -1 : accuracy, i};
    }
    qsort(r, (size_t)n, sizeof *r, by_accuracy);
    for (int i = 0; i < n; i++) json_array_append_new(ranking, json_integer(r[i].model));
    json_object_set_new(results, "ranking", ranking);
}

json_t *ranked(json_t *results, int rank) {
    json_t *index = json_array_get(at(results, "ranking"), (size_t)rank);
    return json_array_get(at(results, "models"), (size_t)json_integer_value(index));
}

/* ---- pairs ---- */

/* With each seed whether each image was right; null where the run did not end well. */
typedef struct Right {
    const char **seed;
    double *accuracy;
} Right;

static char *right_or_not(Study *s, const Run *r) {
    Predictions p;
    const char *path = arena_printf(s->arena, "%s/predictions.csv", r->folder);
    int classes = (int)json_array_size(at(r->model->summary, "data.classes"));
    if (r->state != DONE || !read_predictions(s->arena, path, classes, &p) ||
        p.n != s->test_count)
        return NULL;
    char *right = arena_alloc(s->arena, (size_t)p.n);
    for (int i = 0; i < p.n; i++) right[i] = p.label[i] == p.guess[i];
    return right;
}

static void read_right(Study *s, const Model *m, Right *right) {
    right->seed = NEW_ARRAY(s->arena, const char *, s->options.seeds);
    right->accuracy = NEW_ARRAY(s->arena, double, s->options.seeds);
    for (int i = 0; i < s->runs.n; i++) {
        const Run *r = s->runs.at[i];
        if (r->model != m) continue;
        const char *is = right->seed[r->seed - 1] = right_or_not(s, r);
        for (long k = 0; is && k < s->test_count; k++)
            right->accuracy[r->seed - 1] += (double)is[k] / (double)s->test_count;
    }
}

typedef struct Paired {
    int a, b; /* ranks */
    int seeds;
    long images, better, worse, total;
    long *tied; /* images with |d| = k */
    double difference, half;
} Paired;

/* The variance of a mean over seeds that the seeds themselves make. */
static double seed_variance(const double *x, int n) {
    double d = deviation_of(x, n);
    return n > 1 ? d * d / n : 0;
}

/* Half of the 95 % interval: variances of images and of seeds added, degrees of freedom after
 * Satterthwaite (Biometrics Bulletin 2, 1946). */
static double half_interval(double images, const double *a, const double *b, int seeds) {
    double va = seed_variance(a, seeds), vb = seed_variance(b, seeds), all = images + va + vb;
    double parts = seeds > 1 ? (va * va + vb * vb) / (seeds - 1) : 0;
    return student_975(parts > 0 ? all * all / parts : INFINITY) * sqrt(all);
}

static Paired pair_up(Study *s, const Right *a, const Right *b) {
    long most = s->options.seeds;
    Paired p = {.images = s->test_count, .tied = NEW_ARRAY(s->arena, long, most + 1)};
    double accuracy[2][most], squares = 0;
    int both[most];
    for (int k = 0; k < most; k++) {
        if (!a->seed[k] || !b->seed[k]) continue;
        accuracy[0][p.seeds] = a->accuracy[k];
        accuracy[1][p.seeds] = b->accuracy[k];
        both[p.seeds++] = k;
    }
    if (!p.seeds) return p;
    for (long i = 0; i < p.images; i++) {
        long d = 0;
        for (int k = 0; k < p.seeds; k++) {
            bool first = a->seed[both[k]][i], second = b->seed[both[k]][i];
            p.better += first && !second;
            p.worse += second && !first;
            d += first - second;
        }
        p.total += d;
        p.tied[labs(d)]++;
        squares += (double)(d * d);
    }
    double n = (double)p.images, mean = (double)p.total / n;
    double images = (squares / n - mean * mean) / (n - 1) / (p.seeds * p.seeds);
    p.difference = mean / p.seeds;
    p.half = half_interval(images, accuracy[0], accuracy[1], p.seeds);
    return p;
}

static json_t *pair_json(json_t *results, const Paired *p, double plain, double corrected) {
    double low = p->difference - p->half, high = p->difference + p->half;
    bool significant = corrected < 0.05 && (low > 0 || high < 0);
    return json_pack("{ss ss si sI sI sf sf sf sf sf sb}", "a",
                     string(ranked(results, p->a), "name"), "b",
                     string(ranked(results, p->b), "name"), "seeds", p->seeds, "only_a",
                     (json_int_t)p->better, "only_b", (json_int_t)p->worse, "difference",
                     p->difference, "low", low, "high", high, "p", plain, "p_holm", corrected,
                     "significant", significant);
}

static void add_pairs(Study *s, json_t *results) {
    int n = s->models.n, n_pairs = 0;
    Right *right = NEW_ARRAY(s->arena, Right, n);
    Paired *paired = NEW_ARRAY(s->arena, Paired, n * n);
    double *plain = NEW_ARRAY(s->arena, double, n * n), *p = NEW_ARRAY(s->arena, double, n * n);
    json_t *pairs = json_array(), *ranking = at(results, "ranking");
    for (int i = 0; i < n; i++) {
        json_int_t model = json_integer_value(json_array_get(ranking, (size_t)i));
        read_right(s, s->models.at[model], &right[i]);
    }
    for (int i = 0; i < n; i++)
        for (int j = i + 1; j < n; j++) {
            Paired *two = &paired[n_pairs];
            *two = pair_up(s, &right[i], &right[j]);
            two->a = i;
            two->b = j;
            if (!two->seeds) continue;
            plain[n_pairs] = paired_p(two->tied, (int)s->options.seeds, two->total);
            p[n_pairs] = plain[n_pairs];
            n_pairs++;
        }
    holm(p, n_pairs);
    for (int k = 0; k < n_pairs; k++)
        json_array_append_new(pairs, pair_json(results, &paired[k], plain[k], p[k]));
    json_object_set_new(results, "pairs", pairs);
}

/* ---- which classes are taken for each other ---- */

static double share(const json_t *model, size_t t, size_t p) {
    const json_t *row = json_array_get(at(model, "confusion"), t);
    double all = 0;
    for (size_t i = 0; i < json_array_size(row); i++)
        all += json_number_value(json_array_get(row, i));
    return all > 0 ? json_number_value(json_array_get(row, p)) / all : 0;
}

static json_t *confusion_of(json_t *results, size_t a, size_t b) {
    double there = 0, back = 0;
    int n = 0;
    for (size_t i = 0; i < json_array_size(at(results, "models")); i++) {
        const json_t *m = json_array_get(at(results, "models"), i);
        if (!at(m, "confusion")) continue;
        there += share(m, a, b);
        back += share(m, b, a);
        n++;
    }
    return json_pack("{si si sf sf sf}", "a", (int)a, "b", (int)b, "a_as_b", there / n, "b_as_a",
                     back / n, "share", (there + back) / (2 * n));
}

static int by_share(const void *x, const void *y) {
    double a = real(*(json_t *const *)x, "share"), b = real(*(json_t *const *)y, "share");
    return a < b ? 1 : a > b ? -1 : 0;
}

static void add_confused(json_t *results) {
    enum { SHOWN = 8 };
    size_t classes = json_array_size(at(results, "data.classes")), n = 0;
    json_t *all[classes * classes + 1], *confused = json_array();
    bool any = false;
    for (size_t i = 0; i < json_array_size(at(results, "models")); i++)
        any |= at(json_array_get(at(results, "models"), i), "confusion") != NULL;
    for (size_t a = 0; any && a < classes; a++)
        for (size_t b = a + 1; b < classes; b++) all[n++] = confusion_of(results, a, b);
    qsort(all, n, sizeof *all, by_share);
    for (size_t i = 0; i < n; i++) {
        if (i < SHOWN) json_array_append(confused, all[i]);
        json_decref(all[i]);
    }
    json_object_set_new(results, "confused", confused);
}

void compare_models(Study *s, json_t *results) {
    add_ranking(results);
    add_pairs(s, results);
    add_confused(results);
}

/* ---- figures from elsewhere ---- */

typedef VEC(char *) Fields;

static void split(Arena *a, char *line, Fields *f) {
    f->n = 0;
    for (char *p = line; p;) {
        char *comma = strchr(p, ',');
        if (comma) *comma = 0;
        PUSH(a, *f, p);
        p = comma ? comma + 1 : NULL;
    }
}

static int column(const Fields *head, const char *name) {
    for (int i = 0; i < head->n; i++)
        if (!strcmp(head->at[i], name)) return i;
    return -1;
}

/* Of the rows of one model, the four scores: name -> [values]. */
static json_t *read_reference(Study *s, Reference *r) {
    Arena *a = s->arena;
    Fields head = {0}, row = {0};
    char *save, *text = read_text(a, r->path), *line;
    if (!text) fail("cannot read %s", r->path);
    json_t *all = json_object();
    line = strtok_r(text, "\r\n", &save);
    split(a, line ? line : "", &head);
    int name = column(&head, "spec") >= 0 ? column(&head, "spec") : column(&head, "model");
    if (name < 0 || column(&head, "accuracy") < 0)
        fail("%s: expected a CSV file whose first line names the columns spec and accuracy, and "
             "perhaps precision, recall and f1", r->path);
    r->of_runs = column(&head, "seed") >= 0;
    while ((line = strtok_r(NULL, "\r\n", &save))) {
        split(a, line, &row);
        if (row.n != head.n)
            fail("%s: a line with %d columns, expected %d", r->path, row.n, head.n);
        json_t *of = json_object_get(all, row.at[name]);
        if (!of) json_object_set_new(all, row.at[name], of = json_object());
        for (int i = 0; i < N_SCORES; i++) {
            int c = column(&head, score_names[i]);
            if (c < 0) continue;
            if (!json_object_get(of, score_names[i]))
                json_object_set_new(of, score_names[i], json_array());
            json_array_append_new(json_object_get(of, score_names[i]),
                                  json_real(strtod(row.at[c], NULL)));
        }
    }
    return all;
}

/* A figure as such is reached by a mean at least as large. Against runs, such as another program's
 * with seeds of its own, two standard errors of the difference are allowed, and 0.7 points, as few
 * seeds tell little about their spread. */
static bool reached(const json_t *ours, const double *x, int n, bool of_runs) {
    double mean = real(ours, "mean"), d = real(ours, "deviation"), runs = real(ours, "runs");
    if (!of_runs) return mean >= mean_of(x, n);
    double theirs = deviation_of(x, n), error = sqrt(d * d / runs + theirs * theirs / n);
    return mean >= mean_of(x, n) - fmax(2 * error, 0.007);
}

static void refer(json_t *model, const Reference *r, const json_t *scores) {
    json_t *to = json_object();
    for (int i = 0; i < N_SCORES; i++) {
        const json_t *list = json_object_get(scores, score_names[i]);
        json_t *ours = json_object_get(model, score_names[i]);
        int n = (int)json_array_size(list);
        double x[n + 1];
        for (int k = 0; k < n; k++) x[k] = json_number_value(json_array_get(list, (size_t)k));
        if (!n) continue;
        json_t *one = json_pack("{sf si}", "mean", mean_of(x, n), "runs", n);
        if (json_is_object(ours))
            json_object_set_new(one, "reached", json_boolean(reached(ours, x, n, r->of_runs)));
        json_object_set_new(to, score_names[i], one);
    }
    json_object_set_new(json_object_get(model, "references"), r->name, to);
}

void compare_references(Study *s, json_t *results) {
    json_t *names = json_array();
    for (size_t i = 0; i < json_array_size(at(results, "models")); i++)
        json_object_set_new(json_array_get(at(results, "models"), i), "references",
                            json_object());
    for (int r = 0; r < s->options.n_references; r++) {
        Reference *reference = &s->options.reference[r];
        json_t *all = read_reference(s, reference);
        json_array_append_new(names, json_string(reference->name));
        for (size_t i = 0; i < json_array_size(at(results, "models")); i++) {
            json_t *m = json_array_get(at(results, "models"), i);
            const json_t *scores = json_object_get(all, string(m, "name"));
            if (scores) refer(m, reference, scores);
        }
        json_decref(all);
    }
    json_object_set_new(results, "references", names);
}
