/* report.c: report.html: the whole of results.json as one page that needs nothing else.
 *
 * Every number of the page names the path in results.json that it shows (data-p, and data-t where
 * it is shown times something), so it can be traced, and is in a test.
 */
#include "study.h"
#include <cmark.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

extern const char report_css[];

static void html_char(Text *t, char c) {
    if (c == '<') text_add(t, "&lt;");
    else if (c == '>') text_add(t, "&gt;");
    else if (c == '&') text_add(t, "&amp;");
    else if (c == '"') text_add(t, "&quot;");
    else text_add(t, "%c", c);
}

void html(Text *t, const char *s) {
    for (; s && *s; s++) html_char(t, *s);
}

void breakable(Text *t, const char *s) {
    for (; s && *s; s++) {
        html_char(t, *s);
        if (strchr("_/=,", *s)) text_add(t, "<wbr>");
    }
}

/* 60000 as 60,000. */
static void grouped(Text *t, const char *digits) {
    size_t whole = strcspn(digits, ".");
    for (size_t i = 0; digits[i]; i++) {
        if (i && i < whole && (whole - i) % 3 == 0) text_add(t, ",");
        text_add(t, "%c", digits[i]);
    }
}

void number(Text *t, json_t *results, const char *format, double times, const char *path, ...) {
    char where[256];
    va_list args;
    va_start(args, path);
    vsnprintf(where, sizeof where, path, args);
    va_end(args);
    double x = real(results, where) * times;
    if (!isfinite(x)) {
        text_add(t, "<span class=soft>–</span>");
        return;
    }
    text_add(t, "<span data-p=\"%s\"", where);
    if (times != 1) text_add(t, " data-t=\"%.17g\"", times);
    text_add(t, ">");
    if (x < 0) text_add(t, "−"); /* a minus as wide as a plus */
    grouped(t, arena_printf(t->arena, format, fabs(x)));
    text_add(t, "</span>");
}

void cells(Text *t, json_t *results, const char *row, const Column *column, int n) {
    for (int i = 0; i < n; i++) {
        text_add(t, "<td>");
        number(t, results, column[i].format, column[i].times, "%s.%s", row, column[i].path);
    }
}

static int n_models(const json_t *results) { return (int)json_array_size(at(results, "models")); }

static int model_at(const json_t *results, int rank) {
    return (int)json_integer_value(json_array_get(at(results, "ranking"), (size_t)rank));
}

static void link_to(Text *t, const char *name) {
    text_add(t, "<a href=\"#");
    html(t, name);
    text_add(t, "\">");
    html(t, name);
    text_add(t, "</a>");
}

static const char *scroll = "<div class=scroll tabindex=0>";

/* A figure drawn twice: for a wide page and for a phone. */
typedef char *Figure(Study *s, json_t *results, bool narrow);
static void both_widths(Study *s, Text *t, json_t *results, Figure *figure, const char *caption) {
    text_add(t, "<figure><div class=broad>%s</div><div class=slim>%s</div>",
             figure(s, results, false), figure(s, results, true));
    if (caption) text_add(t, "<figcaption>%s</figcaption>", caption);
    text_add(t, "</figure>\n");
}

/* ---- the head of the page ---- */

static void head(Text *t, json_t *results) {
    int n = n_models(results);
    text_add(t, "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n<meta name=viewport "
                "content=\"width=device-width, initial-scale=1\">\n<meta name=color-scheme "
                "content=\"light dark\">\n<title>%d networks on %s</title>\n<style>\n%s</style>\n",
             n, string(results, "data.name"), report_css);
    text_add(t, "<header>\n<h1>%d network%s on %s</h1>\n<p>", n, n == 1 ? "" : "s",
             string(results, "data.name"));
    text_add(t, "Each trained with %zu seed%s", json_array_size(at(results, "study.seeds")),
             json_array_size(at(results, "study.seeds")) == 1 ? "" : "s");
    text_add(t, " on ");
    number(t, results, "%.0f", 1, "data.train_samples");
    text_add(t, " samples and tested on ");
    number(t, results, "%.0f", 1, "data.test_samples");
    text_add(t, " others. <span class=whole>%s</span>, ", string(results, "study.date"));
    html(t, string(results, "study.processor"));
    text_add(t, ", %.0f processor%s. netc %s, ", real(results, "study.processors"),
             real(results, "study.processors") == 1 ? "" : "s", string(results, "study.netc"));
    html(t, string(results, "study.compiler"));
    text_add(t, ".</p>\n</header>\n");
}

static void navigation(Text *t, json_t *results, bool conclusions) {
    text_add(t, "<nav aria-label=Contents><ul>\n<li><a href=\"#summary\">Summary</a>\n"
                "%s<li><a href=\"#curves\">Learning curves</a>\n"
                "<li><a href=\"#differences\">Differences</a>\n"
                "<li><a href=\"#confused\">Confused classes</a>\n"
                "<li><a href=\"#cost\">Cost</a>\n",
             json_array_size(at(results, "references"))
                 ? "<li><a href=\"#references\">Other figures</a>\n" : "");
    for (int i = 0; i < n_models(results); i++) {
        text_add(t, "<li>");
        link_to(t, string(ranked(results, i), "name"));
        text_add(t, "\n");
    }
    text_add(t, "<li><a href=\"#method\">Method</a>\n%s</ul></nav>\n",
             conclusions ? "<li><a href=\"#conclusions\">Conclusions</a>\n" : "");
}

/* ---- summary ---- */

/* Those that the first is not significantly better than. */
static void rivals(Text *t, json_t *results) {
    const char *best = string(ranked(results, 0), "name");
    int n = 0, pairs = 0;
    for (size_t i = 0; i < json_array_size(at(results, "pairs")); i++) {
        const json_t *p = json_array_get(at(results, "pairs"), i);
        if (strcmp(string(p, "a"), best)) continue;
        pairs++;
        if (json_is_true(at(p, "significant"))) continue;
        text_add(t, n++ ? ", " : "Not significantly behind it: ");
        link_to(t, string(p, "b"));
    }
    if (n) text_add(t, ". ");
    else if (pairs) text_add(t, "It is significantly ahead of all others. ");
}

static void failures(Text *t, json_t *results) {
    Text list = {.arena = t->arena};
    for (int i = 0; i < n_models(results); i++) {
        const json_t *m = ranked(results, i);
        if (*string(m, "fault")) {
            text_add(&list, "<li>");
            html(&list, string(m, "name"));
            text_add(&list, " could not be compiled:<pre>");
            html(&list, string(m, "fault"));
            text_add(&list, "</pre>\n");
        }
        for (size_t k = 0; k < json_array_size(at(m, "runs")); k++) {
            const json_t *r = json_array_get(at(m, "runs"), k);
            if (!strcmp(string(r, "status"), "done")) continue;
            text_add(&list, "<li>");
            html(&list, string(m, "name"));
            text_add(&list, ", seed %.0f, %s: ", real(r, "seed"), string(r, "status"));
            html(&list, string(r, "message"));
            text_add(&list, "\n");
        }
    }
    if (list.at)
        text_add(t, "<h3 class=missed>Not trained to the end</h3>\n<ul>\n%s</ul>\n", list.at);
}

static double best_mean(json_t *results, const char *score) {
    double best = -1;
    for (int i = 0; i < n_models(results); i++)
        best = fmax(best, real(json_object_get(ranked(results, i), score), "mean"));
    return best;
}

static void score_cell(Text *t, json_t *results, int k, const char *score) {
    const json_t *m = json_array_get(at(results, "models"), (size_t)k);
    double mean = real(json_object_get(m, score), "mean");
    text_add(t, "<td%s>", mean == best_mean(results, score) ? " class=best" : "");
    number(t, results, "%.2f", 100, "models.%d.%s.mean", k, score);
    if (real(json_object_get(m, score), "runs") > 1) {
        text_add(t, " <span class=soft>± ");
        number(t, results, "%.2f", 100, "models.%d.%s.deviation", k, score);
        text_add(t, "</span>");
    }
}

static void ranking_table(Text *t, json_t *results) {
    static const Column columns[] = {
        {"parameters", "%.0f", 1}, {"epochs.mean", "%.0f", 1}, {"seconds.mean", "%.1f", 1}};
    text_add(t, "%s<table class=sticky>\n<thead><tr><th>model<th>accuracy, %%<th>95&nbsp;%%"
                "<th>precision<th>recall<th>F1<th>parameters<th>epochs<th>seconds<tbody>\n",
             scroll);
    for (int i = 0; i < n_models(results); i++) {
        int k = model_at(results, i);
        text_add(t, "<tr><th scope=row>%d. ", i + 1);
        link_to(t, string(ranked(results, i), "name"));
        for (int c = 0; c < N_SCORES; c++) {
            score_cell(t, results, k, score_names[c]);
            if (c) continue;
            text_add(t, "<td>");
            number(t, results, "%.2f", 100, "models.%d.accuracy.low", k);
            if (!at(ranked(results, i), "accuracy.mean")) continue;
            text_add(t, " to ");
            number(t, results, "%.2f", 100, "models.%d.accuracy.high", k);
        }
        cells(t, results, arena_printf(t->arena, "models.%d", k), columns, COUNT_OF(columns));
        text_add(t, "\n");
    }
    text_add(t, "</table></div>\n<p class=note>Means over the seeds, ± their standard deviation. "
                "95&nbsp;%%: Wilson's interval for so many test samples. Precision, recall and "
                "F1 are "
                "means over the classes. Bold: the best of a column. Seconds are of training.</p>"
                "\n");
}

static void summary(Study *s, Text *t, json_t *results) {
    text_add(t, "<section id=summary>\n<h2>Summary</h2>\n");
    if (n_models(results) && !isnan(real(ranked(results, 0), "accuracy.mean"))) {
        int k = model_at(results, 0);
        text_add(t, "<p class=lead>The best is ");
        link_to(t, string(ranked(results, 0), "name"));
        text_add(t, " with ");
        number(t, results, "%.2f", 100, "models.%d.accuracy.mean", k);
        text_add(t, "&nbsp;%% of the test samples right. ");
        rivals(t, results);
        text_add(t, "</p>\n");
    }
    failures(t, results);
    ranking_table(t, results);
    both_widths(s, t, results, figure_accuracy,
                "Accuracy on the test samples with 95&nbsp;% intervals; circles are the seeds.");
    text_add(t, "</section>\n");
}

/* ---- figures from elsewhere ---- */

static void reference_cells(Text *t, json_t *results, int k, const char *score) {
    text_add(t, "<td class=first>");
    number(t, results, "%.2f", 100, "models.%d.%s.mean", k, score);
    for (size_t i = 0; i < json_array_size(at(results, "references")); i++) {
        const char *name = json_string_value(json_array_get(at(results, "references"), i));
        const char *path = arena_printf(t->arena, "models.%d.references.%s.%s", k, name, score);
        json_t *is = at(results, arena_printf(t->arena, "%s.reached", path));
        text_add(t, "<td>");
        number(t, results, "%.2f", 100, "%s.mean", path);
        if (is)
            text_add(t, json_is_true(is) ? " <span class=reached title=reached>✓</span>"
                                         : " <span class=missed title=\"not reached\">✗</span>");
    }
}

static void references(Text *t, json_t *results) {
    static const char *const title[N_SCORES] = {"accuracy, %", "precision", "recall", "F1"};
    size_t n = json_array_size(at(results, "references"));
    if (!n) return;
    text_add(t, "<section id=references>\n<h2>Beside other figures</h2>\n%s<table "
                "class=\"sticky groups\">\n<thead><tr><th>", scroll);
    for (int i = 0; i < N_SCORES; i++) text_add(t, "<th class=first colspan=%zu>%s", n + 1,
                                                title[i]);
    text_add(t, "<tr><th>model");
    for (int i = 0; i < N_SCORES; i++) {
        text_add(t, "<th class=first>here");
        for (size_t k = 0; k < n; k++) {
            text_add(t, "<th>");
            html(t, json_string_value(json_array_get(at(results, "references"), k)));
        }
    }
    text_add(t, "<tbody>\n");
    for (int i = 0; i < n_models(results); i++) {
        text_add(t, "<tr><th scope=row>");
        link_to(t, string(ranked(results, i), "name"));
        for (int c = 0; c < N_SCORES; c++)
            reference_cells(t, results, model_at(results, i), score_names[c]);
        text_add(t, "\n");
    }
    text_add(t, "</table></div>\n<p class=note>✓: the mean here is at least as good, ✗: it is "
                "not. Where the other figure is a mean of runs itself, two standard errors of "
                "the difference are allowed, or 0.7&nbsp;points.</p>\n</section>\n");
}

/* ---- learning curves ---- */

static void legend(Text *t, json_t *results) {
    text_add(t, "<ul class=legend>\n");
    for (int i = 0; i < n_models(results); i++) {
        bool dashed;
        int color = series_color(results, i, &dashed);
        text_add(t, "<li><i%s style=\"border-color:var(--c%d)\"></i>",
                 dashed ? " class=dashed" : "", color);
        html(t, string(json_array_get(at(results, "models"), (size_t)i), "name"));
        text_add(t, "\n");
    }
    text_add(t, "</ul>\n");
}

static void curves(Study *s, Text *t, json_t *results) {
    text_add(t, "<section id=curves>\n<h2>Learning curves</h2>\n<p>Means over the seeds; each "
                "network's own section has its training samples and its spread as well. The axes "
                "are cut where only beginnings are: in the sections they are whole.</p>\n");
    legend(t, results);
    both_widths(s, t, results, figure_accuracy_curves, NULL);
    both_widths(s, t, results, figure_loss_curves, NULL);
    text_add(t, "</section>\n");
}

/* ---- differences ---- */

static void p_value(Text *t, json_t *results, const char *path) {
    double p = real(results, path);
    if (p < 1e-4) text_add(t, "<span data-p=\"%s\">&lt; 0.0001</span>", path);
    else number(t, results, "%.4f", 1, "%s", path);
}

static void pair_rows(Text *t, json_t *results) {
    static const Column only[] = {{"only_a", "%.0f", 1}, {"only_b", "%.0f", 1}};
    text_add(t, "%s<table>\n<thead><tr><th>better<th class=left>worse<th>points<th>95&nbsp;%%<th>"
                "only "
                "the first right<th>only the second<th>p<th>p, corrected<th>significant<tbody>\n",
             scroll);
    for (size_t i = 0; i < json_array_size(at(results, "pairs")); i++) {
        const json_t *p = json_array_get(at(results, "pairs"), i);
        text_add(t, "<tr><td>");
        html(t, string(p, "a"));
        text_add(t, "<td class=left>");
        html(t, string(p, "b"));
        text_add(t, "<td>");
        number(t, results, "%.2f", 100, "pairs.%zu.difference", i);
        text_add(t, "<td>");
        number(t, results, "%.2f", 100, "pairs.%zu.low", i);
        text_add(t, " to ");
        number(t, results, "%.2f", 100, "pairs.%zu.high", i);
        cells(t, results, arena_printf(t->arena, "pairs.%zu", i), only, COUNT_OF(only));
        text_add(t, "<td>");
        p_value(t, results, arena_printf(t->arena, "pairs.%zu.p", i));
        text_add(t, "<td>");
        p_value(t, results, arena_printf(t->arena, "pairs.%zu.p_holm", i));
        text_add(t, "<td>%s\n", json_is_true(at(p, "significant")) ? "yes" : "no");
    }
    text_add(t, "</table></div>\n");
}

static void versus(Text *t, json_t *results) {
    int n = 0; /* those without results come last in the ranking */
    while (n < n_models(results) && !isnan(real(ranked(results, n), "accuracy.mean"))) n++;
    text_add(t, "%s<table class=\"matrix versus\">\n<thead><tr><th>", scroll);
    for (int j = 1; j < n; j++) {
        text_add(t, "<th>");
        breakable(t, string(ranked(results, j), "name"));
    }
    text_add(t, "<tbody>\n");
    for (int i = 0; i + 1 < n; i++) {
        const char *a = string(ranked(results, i), "name");
        text_add(t, "<tr><th scope=row>");
        html(t, a);
        for (int j = 1; j < n; j++) {
            const char *b = string(ranked(results, j), "name");
            bool found = false;
            for (size_t k = 0; k < json_array_size(at(results, "pairs")) && !found; k++) {
                const json_t *p = json_array_get(at(results, "pairs"), k);
                if (strcmp(string(p, "a"), a) || strcmp(string(p, "b"), b)) continue;
                found = true;
                text_add(t, "<td%s>", json_is_true(at(p, "significant")) ? " class=yes" : "");
                number(t, results, "%.2f", 100, "pairs.%zu.difference", k);
            }
            if (!found) text_add(t, "<td class=none>");
        }
        text_add(t, "\n");
    }
    text_add(t, "</table></div>\n");
}

static void differences(Text *t, json_t *results) {
    if (!json_array_size(at(results, "pairs"))) return;
    text_add(t, "<section id=differences>\n<h2>Differences</h2>\n<p>By how many points of accuracy "
                "the model of a row is ahead of that of a column. Bold on blue: significant, which "
                "is to say that chance in the choice of test samples explains it in less than 5"
                "&nbsp;%% of cases, after correction for the number of comparisons, and that the "
                "95&nbsp;%% "
                "interval, which counts the spread of the seeds too, is all on one side.</p>\n");
    versus(t, results);
    text_add(t, "<details><summary>All pairs with intervals and p</summary>\n");
    pair_rows(t, results);
    text_add(t, "</details>\n</section>\n");
}

/* ---- classes that are taken for each other ---- */

static void class_name(Text *t, json_t *results, double c) {
    html(t, json_string_value(json_array_get(at(results, "data.classes"), (size_t)c)));
}

static void confused(Text *t, json_t *results) {
    static const Column shares[] = {
        {"a_as_b", "%.1f", 100}, {"b_as_a", "%.1f", 100}, {"share", "%.1f", 100}};
    if (!json_array_size(at(results, "confused"))) return;
    text_add(t, "<section id=confused>\n<h2>Confused classes</h2>\n<p>The classes that are most "
                "often taken for each other, over all models: percent of the samples of the one "
                "that are taken for the other.</p>\n%s<table>\n<thead><tr><th>classes<th>first as "
                "second<th>second as first<th>both<tbody>\n", scroll);
    for (size_t i = 0; i < json_array_size(at(results, "confused")); i++) {
        const json_t *c = json_array_get(at(results, "confused"), i);
        text_add(t, "<tr><td>");
        class_name(t, results, real(c, "a"));
        text_add(t, ", ");
        class_name(t, results, real(c, "b"));
        cells(t, results, arena_printf(t->arena, "confused.%zu", i), shares, COUNT_OF(shares));
        text_add(t, "\n");
    }
    text_add(t, "</table></div>\n</section>\n");
}

/* ---- cost ---- */

static void cost_row(Text *t, json_t *results, int rank) {
    static const Column columns[] = {
        {"parameters", "%.0f", 1},
        {"predict_flops", "%.0f", 1e-3},
        {"train_flops", "%.0f", 1e-3},
        {"epochs.mean", "%.0f", 1},
        {"threads.mean", "%.3g", 1},
        {"seconds_per_epoch.mean", "%.2f", 1},
        {"seconds.mean", "%.1f", 1},
        {"to_80.mean", "%.1f", 1},
        {"to_85.mean", "%.1f", 1},
        {"speed.side_by_side", "%.0f", 1},
        {"speed.alone", "%.0f", 1},
    };
    text_add(t, "<tr><th scope=row>");
    link_to(t, string(ranked(results, rank), "name"));
    cells(t, results, arena_printf(t->arena, "models.%d", model_at(results, rank)), columns,
          COUNT_OF(columns));
    text_add(t, "\n");
}

static void cost(Study *s, Text *t, json_t *results) {
    text_add(t, "<section id=cost>\n<h2>Cost</h2>\n%s<table class=sticky>\n<thead><tr><th>model"
                "<th>parameters<th>kFLOP<br>to predict<th>kFLOP<br>to train<th>epochs<th>threads"
                "<th>seconds<br>an epoch<th>seconds<br>in all<th>seconds<br>to 80&nbsp;%%<th>"
                "seconds<br>"
                "to 85&nbsp;%%<th>samples/s<br>side by side<th>samples/s<br>alone<tbody>"
                "\n", scroll);
    for (int i = 0; i < n_models(results); i++) cost_row(t, results, i);
    text_add(t, "</table></div>\n<p class=note>kFLOP: useful operations a sample, in thousands. "
                "Seconds are of training alone, without tests, as the runs went, means over the "
                "seeds; to 80&nbsp;%% and 85&nbsp;%%: of the test samples right, over the seeds "
                "that got "
                "there. Samples/s were measured apart, before: as many programs as processors on "
                "one thread each, taken together, and one program on all. The whole study took ");
    number(t, results, "%.1f", 1.0 / 60, "study.seconds");
    text_add(t, " minutes.</p>\n");
    both_widths(s, t, results, figure_cost,
                "Accuracy by seconds of training; the scale of seconds is logarithmic.");
    text_add(t, "</section>\n");
}

/* ---- method and conclusions ---- */

static void method(Text *t, json_t *results) {
    text_add(t,
        "<section id=method>\n<h2>Method</h2>\n<ul>\n"
        "<li>Every network was compiled by netc from the text that its section shows and trained "
        "by the program that came out, with the seeds 1 to %zu. The same seed gives the same bits "
        "again, on any number of threads.\n"
        "<li>Scores are of the test samples with the weights of the last epoch, or of the epoch "
        "that the network's text says is to be kept, which no test sample decides.\n"
        "<li>Precision, recall and F1 are computed by class and averaged; a class that is never "
        "predicted has precision 0.\n"
        "<li>The interval of an accuracy is Wilson's score interval (1927).\n"
        "<li>Two networks are compared on the same test samples: for each sample the seeds with "
        "which the first was right minus those with which the second was; were there no "
        "difference, every such number would be as likely as its negative. That is tested exactly; "
        "with one seed it is McNemar's test (1947). p is corrected for the number of comparisons "
        "after Holm (1979).\n"
        "<li>The interval of a difference adds the variances of samples and of seeds (Student's "
        "distribution with Satterthwaite's degrees of freedom).\n"
        "<li>Confidence is the network's output for the class that it chose, where outputs are "
        "shares of 1, else that of the softmax of its outputs.\n"
        "<li>Data: %s, SHA-256 of its bytes <code>%.16s…</code>\n</ul>\n</section>\n",
        json_array_size(at(results, "study.seeds")), string(results, "data.name"),
        string(results, "data.sha256"));
}

static void conclusions(Study *s, Text *t) {
    char *text = read_text(s->arena, s->options.conclusions);
    if (!text) fail("cannot read %s", s->options.conclusions);
    char *page = cmark_markdown_to_html(text, strlen(text), CMARK_OPT_SMART);
    text_add(t, "<section id=conclusions class=hand>\n<h2>Conclusions</h2>\n<p class=note>Written "
                "by hand from the numbers above.</p>\n%s</section>\n", page ? page : "");
    free(page);
}

void write_report(Study *s, json_t *results) {
    Text t = {.arena = s->arena};
    bool by_hand = s->options.conclusions != NULL;
    head(&t, results);
    navigation(&t, results, by_hand);
    text_add(&t, "<main>\n");
    summary(s, &t, results);
    references(&t, results);
    curves(s, &t, results);
    differences(&t, results);
    confused(&t, results);
    cost(s, &t, results);
    for (int i = 0; i < n_models(results); i++) report_model(s, &t, results, i);
    method(&t, results);
    if (by_hand) conclusions(s, &t);
    text_add(&t, "</main>\n<footer>Written by netc %s from results.json, which has every number "
                 "of this page.</footer>\n", string(results, "study.netc"));
    write_text(s, arena_printf(s->arena, "%s/report.html", s->options.folder), t.at);
}
