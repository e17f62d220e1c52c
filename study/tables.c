/* tables.c: results.csv, timings.csv and results.md, from results.json.
 *
 * results.csv has a line a run and nothing that differs between two studies of the same networks:
 * what hangs on the machine and the moment is in timings.csv.
 */
#include "study.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- CSV ---- */

static void csv_text(Text *t, const char *s) {
    if (!strpbrk(s, ",\"\n")) {
        text_add(t, "%s", s);
        return;
    }
    text_add(t, "\"");
    for (; *s; s++) text_add(t, *s == '"' ? "\"\"" : "%c", *s);
    text_add(t, "\"");
}

static void csv_number(Text *t, const char *format, double x) {
    text_add(t, ",");
    if (isfinite(x)) text_add(t, format, x);
}

static void add_run(Text *results, Text *timings, const json_t *model, const json_t *run) {
    csv_text(results, string(model, "name"));
    text_add(results, ",%.0f,%s", real(run, "seed"), string(run, "status"));
    for (int i = 0; i < N_SCORES; i++) csv_number(results, "%.6f", real(run, score_names[i]));
    csv_number(results, "%.6f", real(run, "loss"));
    csv_number(results, "%.0f", real(run, "epochs"));
    csv_number(results, "%.0f", real(run, "test_samples"));
    text_add(results, ",%.0f,%s\n", real(model, "parameters"), string(model, "hash"));
    csv_text(timings, string(model, "name"));
    text_add(timings, ",%.0f", real(run, "seed"));
    static const char *const times[] = {"threads", "seconds", "seconds_per_epoch",
                                        "to_80.epochs", "to_80.seconds", "to_85.epochs",
                                        "to_85.seconds"};
    for (int i = 0; i < COUNT_OF(times); i++) csv_number(timings, "%.6g", real(run, times[i]));
    csv_number(timings, "%.6g", real(model, "speed.alone"));
    csv_number(timings, "%.6g", real(model, "speed.side_by_side"));
    text_add(timings, "\n");
}

/* ---- Markdown ---- */

static const char *percent(Arena *a, double x) {
    return isfinite(x) ? arena_printf(a, "%.2f", 100 * x) : "";
}

static const char *minutes(Arena *a, double seconds) {
    if (!isfinite(seconds)) return "";
    if (seconds < 100) return arena_printf(a, "%.3g s", seconds);
    return arena_printf(a, "%.0f min", seconds / 60);
}

static void md_score(Arena *a, Text *t, const json_t *results, const json_t *model,
                     const char *score, double best) {
    double mean = real(json_object_get(model, score), "mean");
    double d = real(json_object_get(model, score), "deviation");
    const char *bold = mean == best ? "**" : "";
    text_add(t, " %s%s%s", bold, percent(a, mean), bold);
    if (!strcmp(score, "accuracy") && real(model, "accuracy.runs") > 1)
        text_add(t, " ± %.2f", 100 * d);
    text_add(t, " |");
    for (size_t i = 0; i < json_array_size(at(results, "references")); i++) {
        const char *name = json_string_value(json_array_get(at(results, "references"), i));
        const json_t *of = json_object_get(json_object_get(at(model, "references"), name), score);
        bool missed = json_is_false(json_object_get(of, "reached"));
        text_add(t, " %s%s |", percent(a, real(of, "mean")), missed ? " (not reached)" : "");
    }
}

static void md_scores(Arena *a, Text *t, json_t *results) {
    static const char *const title[N_SCORES] = {"accuracy", "precision", "recall", "F1"};
    size_t n_references = json_array_size(at(results, "references"));
    size_t n = json_array_size(at(results, "models"));
    double best[N_SCORES];
    text_add(t, "| model |");
    for (int i = 0; i < N_SCORES; i++) {
        best[i] = -1;
        text_add(t, " %s |", title[i]);
        for (size_t k = 0; k < n_references; k++)
            text_add(t, " %s |",
                     json_string_value(json_array_get(at(results, "references"), k)));
        for (size_t k = 0; k < n; k++) {
            json_t *of = json_object_get(ranked(results, (int)k), score_names[i]);
            best[i] = fmax(best[i], real(of, "mean"));
        }
    }
    text_add(t, "\n|---|");
    for (size_t i = 0; i < N_SCORES * (1 + n_references); i++) text_add(t, "--:|");
    text_add(t, "\n");
    for (size_t k = 0; k < n; k++) {
        const json_t *m = ranked(results, (int)k);
        text_add(t, "| %s |", string(m, "name"));
        for (int i = 0; i < N_SCORES; i++) md_score(a, t, results, m, score_names[i], best[i]);
        text_add(t, "\n");
    }
}

static void md_costs(Arena *a, Text *t, json_t *results) {
    text_add(t, "| model | parameters | kFLOP a sample | epochs | seconds an epoch | training "
                "| to 80 %% | to 85 %% | samples/s |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n");
    for (size_t i = 0; i < json_array_size(at(results, "models")); i++) {
        const json_t *m = ranked(results, (int)i);
        double rate = fmax(real(m, "speed.alone"), real(m, "speed.side_by_side"));
        double each = real(m, "seconds_per_epoch.mean");
        text_add(t, "| %s | %.0f | %.0f |", string(m, "name"), real(m, "parameters"),
                 real(m, "train_flops") / 1000);
        text_add(t, isfinite(each) ? " %.0f | %.3g |" : " | |", real(m, "epochs.mean"), each);
        text_add(t, " %s |", minutes(a, real(m, "seconds.mean")));
        text_add(t, " %s |", minutes(a, real(m, "to_80.mean")));
        text_add(t, " %s | ", minutes(a, real(m, "to_85.mean")));
        text_add(t, isfinite(rate) ? "%.0f |\n" : "|\n", rate);
    }
}

static const char *p_text(Arena *a, double p) {
    return p < 1e-4 ? "< 0.0001" : arena_printf(a, "%.4f", p);
}

static void md_pairs(Arena *a, Text *t, json_t *results) {
    text_add(t, "| better | worse | difference, points | 95 %% | p | significant |\n"
                "|---|---|--:|---|--:|---|\n");
    for (size_t i = 0; i < json_array_size(at(results, "pairs")); i++) {
        const json_t *p = json_array_get(at(results, "pairs"), i);
        text_add(t, "| %s | %s | %.2f | %.2f to %.2f | %s | %s |\n", string(p, "a"),
                 string(p, "b"), 100 * real(p, "difference"), 100 * real(p, "low"),
                 100 * real(p, "high"), p_text(a, real(p, "p_holm")),
                 json_is_true(at(p, "significant")) ? "yes" : "no");
    }
}

static void md_failures(Text *t, json_t *results) {
    for (size_t i = 0; i < json_array_size(at(results, "models")); i++) {
        const json_t *m = ranked(results, (int)i);
        if (*string(m, "fault")) text_add(t, "- %s cannot be trained.\n", string(m, "name"));
        for (size_t k = 0; k < json_array_size(at(m, "runs")); k++) {
            const json_t *r = json_array_get(at(m, "runs"), k);
            if (!strcmp(string(r, "status"), "done")) continue;
            text_add(t, "- %s, seed %.0f: %s. %s\n", string(m, "name"), real(r, "seed"),
                     string(r, "status"), string(r, "message"));
        }
    }
}

static char *markdown(Arena *a, json_t *results) {
    Text t = {.arena = a}, failures = {.arena = a};
    size_t seeds = json_array_size(at(results, "study.seeds"));
    text_add(&t, "# Results\n\n%zu networks, %zu seed%s each, on %s: %.0f test images. %s, %s, ",
             json_array_size(at(results, "models")), seeds, seeds == 1 ? "" : "s",
             string(results, "data.name"), real(results, "data.test_samples"),
             string(results, "study.date"), string(results, "study.processor"));
    text_add(&t, "%.0f processor%s, %s. Written by `netc study`.\n\n",
             real(results, "study.processors"),
             real(results, "study.processors") > 1 ? "s" : "", string(results, "study.compiler"));
    text_add(&t, "Percent of the test images, means over the seeds; ± is the standard deviation "
                 "over the seeds. Precision,\nrecall and F1 are means over the classes.\n\n");
    md_scores(a, &t, results);
    md_failures(&failures, results);
    if (failures.at) text_add(&t, "\n## Not trained to the end\n\n%s", failures.at);
    text_add(&t, "\n## Cost\n\nTimes are of training, as the runs went, %s.\n\n",
             "several networks at a time where that is faster");
    md_costs(a, &t, results);
    text_add(&t, "\n## Differences\n\n"
                 "p: exact test on the same test images, seeds kept together (McNemar's for one "
                 "seed), corrected for the\nnumber of comparisons (Holm). The interval counts "
                 "images and seeds. Significant: both say so.\n\n");
    md_pairs(a, &t, results);
    return t.at;
}

void write_tables(Study *s, json_t *results) {
    Text runs = {.arena = s->arena}, timings = {.arena = s->arena};
    const char *folder = s->options.folder;
    text_add(&runs, "model,seed,status,accuracy,precision,recall,f1,loss,epochs,test_samples,"
                    "parameters,graph\n");
    text_add(&timings, "model,seed,threads,seconds,seconds_per_epoch,epochs_to_80,seconds_to_80,"
                       "epochs_to_85,seconds_to_85,samples_per_second_alone,"
                       "samples_per_second_side_by_side\n");
    for (size_t i = 0; i < json_array_size(at(results, "models")); i++) {
        const json_t *m = json_array_get(at(results, "models"), i);
        for (size_t k = 0; k < json_array_size(at(m, "runs")); k++)
            add_run(&runs, &timings, m, json_array_get(at(m, "runs"), k));
    }
    write_text(s, arena_printf(s->arena, "%s/results.csv", folder), runs.at);
    write_text(s, arena_printf(s->arena, "%s/timings.csv", folder), timings.at);
    write_text(s, arena_printf(s->arena, "%s/results.md", folder), markdown(s->arena, results));
}
