/* report_model.c: what the report says of one network. */
#include "study.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *class_at(const json_t *results, size_t c) {
    const char *name = json_string_value(json_array_get(at(results, "data.classes"), c));
    return name ? name : "no class";
}

/* ---- the network ---- */

static void layers(Text *t, json_t *results, int k, const json_t *m) {
    text_add(t, "<details><summary>Layers: ");
    number(t, results, "%.0f", 1, "models.%d.parameters", k);
    text_add(t, " parameters</summary>\n<div class=scroll tabindex=0><table>\n<thead><tr><th>layer"
                "<th class=left>is<th>output<th>parameters<tbody>\n");
    for (size_t i = 0; i < json_array_size(at(m, "layers")); i++) {
        const json_t *layer = json_array_get(at(m, "layers"), i);
        text_add(t, "<tr><td>%s<td class=\"left mono\">", string(layer, "name"));
        html(t, string(layer, "text"));
        text_add(t, "<td>");
        for (size_t d = 0; d < json_array_size(at(layer, "shape")); d++) {
            if (d) text_add(t, " × ");
            number(t, results, "%.0f", 1, "models.%d.layers.%zu.shape.%zu", k, i, d);
        }
        text_add(t, "<td>");
        number(t, results, "%.0f", 1, "models.%d.layers.%zu.parameters", k, i);
        text_add(t, "\n");
    }
    text_add(t, "</table></div></details>\n");
}

static void text_of(Text *t, const json_t *m) {
    text_add(t, "<details><summary>Its text, <code>");
    html(t, string(m, "spec"));
    text_add(t, "</code>");
    for (size_t i = 0; i < json_array_size(at(m, "values")); i++) {
        text_add(t, ", <code>");
        html(t, json_string_value(json_array_get(at(m, "values"), i)));
        text_add(t, "</code>");
    }
    text_add(t, "</summary>\n<pre>");
    html(t, string(m, "text"));
    text_add(t, "</pre>\n");
    const char *path;
    json_t *text;
    json_object_foreach(at(m, "imports"), path, text) {
        text_add(t, "<p class=note>It imports <code>");
        html(t, path);
        text_add(t, "</code>:</p>\n<pre>");
        html(t, json_string_value(text));
        text_add(t, "</pre>\n");
    }
    text_add(t, "</details>\n");
}

/* ---- its runs ---- */

static void runs(Text *t, json_t *results, int k, const json_t *m) {
    static const Column columns[] = {
        {"seed", "%.0f", 1}, {"accuracy", "%.2f", 100}, {"precision", "%.2f", 100},
        {"recall", "%.2f", 100}, {"f1", "%.2f", 100}, {"loss", "%.4f", 1},
        {"epochs", "%.0f", 1}, {"seconds", "%.1f", 1}};
    text_add(t, "<div class=scroll tabindex=0><table>\n<thead><tr><th>seed<th>accuracy, %%"
                "<th>precision<th>recall<th>F1<th>test loss<th>epochs<th>seconds<tbody>\n");
    for (size_t i = 0; i < json_array_size(at(m, "runs")); i++) {
        text_add(t, "<tr>");
        cells(t, results, arena_printf(t->arena, "models.%d.runs.%zu", k, i), columns,
              COUNT_OF(columns));
        text_add(t, "\n");
    }
    text_add(t, "</table></div>\n");
}

/* ---- classes ---- */

static double row_sum(const json_t *row) {
    double sum = 0;
    for (size_t i = 0; i < json_array_size(row); i++)
        sum += json_number_value(json_array_get(row, i));
    return sum;
}

static void confusion(Text *t, json_t *results, int k, const json_t *m) {
    size_t n = json_array_size(at(results, "data.classes"));
    double runs = real(m, "accuracy.runs");
    text_add(t, "<div class=scroll tabindex=0><table class=matrix>\n<caption>Rows: the true class. "
                "Columns: the predicted one. Samples, a mean over the seeds.</caption>\n"
                "<thead><tr><th>");
    for (size_t c = 0; c < n; c++) {
        text_add(t, "<th>");
        breakable(t, class_at(results, c));
    }
    text_add(t, "<tbody>\n");
    for (size_t r = 0; r < n; r++) {
        const json_t *row = json_array_get(at(m, "confusion"), r);
        double all = row_sum(row);
        text_add(t, "<tr><th scope=row>");
        html(t, class_at(results, r));
        for (size_t c = 0; c < n; c++) {
            double x = json_number_value(json_array_get(row, c));
            if (x == 0) {
                text_add(t, "<td class=none>·");
                continue;
            }
            /* small shares of mistakes must be seen beside large shares of hits */
            double share = r == c ? x / all : fmin(1, 3 * x / all);
            text_add(t, "<td%s style=\"--v:%.3f\">", r == c ? "" : " class=wrong", share);
            number(t, results, "%.0f", 1 / runs, "models.%d.confusion.%zu.%zu", k, r, c);
        }
        text_add(t, "\n");
    }
    text_add(t, "</table></div>\n");
}

static void by_class(Text *t, json_t *results, int k) {
    text_add(t, "<div class=scroll tabindex=0><table>\n<thead><tr><th>class<th>precision, %%"
                "<th>recall<th>F1<tbody>\n");
    for (size_t c = 0; c < json_array_size(at(results, "data.classes")); c++) {
        text_add(t, "<tr><td>");
        html(t, class_at(results, c));
        for (int i = 1; i < N_SCORES; i++) {
            text_add(t, "<td>");
            number(t, results, "%.1f", 100, "models.%d.classes.%s.%zu", k, score_names[i], c);
        }
        text_add(t, "\n");
    }
    text_add(t, "</table></div>\n");
}

/* ---- pictures ---- */

static void shot(Text *t, json_t *results, int k, const char *kind, size_t i) {
    const json_t *s = at(results, arena_printf(t->arena, "models.%d.gallery.%s.%zu", k, kind, i));
    bool right = real(s, "label") == real(s, "guess");
    const char *label = class_at(results, (size_t)real(s, "label"));
    const char *guess = class_at(results, (size_t)real(s, "guess"));
    const char *picture = string(results, arena_printf(t->arena, "pictures.%.0f",
                                                       real(s, "sample")));
    text_add(t, "<figure class=\"shot %s\">", right ? "right" : "wrong");
    if (*picture)
        text_add(t, "<img alt=\"test sample %.0f\" src=\"data:image/png;base64,%s\">",
                 real(s, "sample"), picture);
    text_add(t, "<span class=named>True: <b>");
    html(t, label);
    text_add(t, "</b></span> <span class=soft>|</span> <span class=named>Predicted: <b>");
    html(t, guess);
    text_add(t, "</b></span><span class=verdict><b>%s</b> ", right ? "✓ right" : "✗ wrong");
    number(t, results, "%.1f", 100, "models.%d.gallery.%s.%zu.confidence", k, kind, i);
    text_add(t, "&nbsp;%% sure</span></figure>\n");
}

static void shots(Text *t, json_t *results, int k, const char *kind) {
    const json_t *list = at(results, arena_printf(t->arena, "models.%d.gallery.%s", k, kind));
    text_add(t, "<div class=shots>\n");
    for (size_t i = 0; i < json_array_size(list); i++) shot(t, results, k, kind, i);
    text_add(t, "</div>\n");
}

static void gallery(Text *t, json_t *results, int k, const json_t *m) {
    if (!at(m, "gallery")) return;
    text_add(t, "<h3>Test samples, drawn at random</h3>\n<p class=note>Drawn once, before any "
                "result, the same for all networks; as seen with seed ");
    number(t, results, "%.0f", 1, "models.%d.gallery.seed", k);
    text_add(t, ".</p>\n");
    shots(t, results, k, "random");
    if (!json_array_size(at(m, "gallery.mistakes"))) return;
    text_add(t, "<h3>Its most confident mistakes</h3>\n<p class=note>Of all test samples that it "
                "got wrong, those it was surest of.</p>\n");
    shots(t, results, k, "mistakes");
}

static void filters(Text *t, json_t *results, int k, const json_t *m) {
    const json_t *list = at(m, "filters.pictures");
    if (!list) return;
    text_add(t, "<h3>Filters of the first layer</h3>\n<p class=note><code>");
    html(t, string(m, "filters.tensor"));
    text_add(t, "</code>, %s%zu of ", json_array_size(list) < real(m, "filters.all") ? "the first "
                                                                                    : "",
             json_array_size(list));
    number(t, results, "%.0f", 1, "models.%d.filters.all", k);
    text_add(t, ", each scaled to its own largest weight: orange above 0, blue below. Means over "
                "the input's channels.</p>\n<div class=filters>\n");
    for (size_t i = 0; i < json_array_size(list); i++)
        text_add(t, "<img alt=\"filter %zu\" src=\"data:image/png;base64,%s\">\n", i + 1,
                 json_string_value(json_array_get(list, i)));
    text_add(t, "</div>\n");
}

/* ---- the whole ---- */

void report_model(Study *s, Text *t, json_t *results, int rank) {
    json_t *m = ranked(results, rank);
    int k = (int)json_integer_value(json_array_get(at(results, "ranking"), (size_t)rank));
    text_add(t, "<section class=model id=\"");
    html(t, string(m, "name"));
    text_add(t, "\">\n<h2>");
    html(t, string(m, "name"));
    text_add(t, "<a class=back href=\"#summary\">↑ summary</a></h2>\n");
    if (*string(m, "network"))
        text_add(t, "<div class=network tabindex=0>%s</div>\n",
                 figure_network(s, m, arena_printf(s->arena, "net-%d", k)));
    layers(t, results, k, m);
    text_of(t, m);
    runs(t, results, k, m);
    text_add(t, "<ul class=legend><li><i style=\"border-color:var(--c1)\"></i>test"
                "<li><i class=dashed style=\"border-color:var(--c2)\"></i>training samples"
                "<li class=soft>bands: least to most of the seeds</ul>\n<div class=pair>"
                "<figure>%s</figure><figure>%s</figure></div>\n",
             figure_model(s, m, false, arena_printf(s->arena, "acc-%d", k)),
             figure_model(s, m, true, arena_printf(s->arena, "loss-%d", k)));
    if (at(m, "confusion")) {
        text_add(t, "<h3>Classes</h3>\n<div class=beside>\n");
        confusion(t, results, k, m);
        by_class(t, results, k);
        text_add(t, "</div>\n");
    }
    gallery(t, results, k, m);
    filters(t, results, k, m);
    text_add(t, "</section>\n");
}
