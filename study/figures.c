/* figures.c: gnuplot and graphviz draw, in colors that stand for the page's: rgb(0, 0, k) becomes
 * var(--ck), so that one drawing serves light and dark. 1 .. 6 are the series (the palette of
 * report.css, which the color blind can tell apart), 10 lines, 11 text, 12 the grid.
 */
#include "study.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- from a drawing to a part of the page ---- */

static void replace_all(Arena *a, char **text, const char *from, const char *to) {
    Text t = {.arena = a};
    char *p = *text, *hit;
    while ((hit = strstr(p, from))) {
        *hit = 0;
        text_add(&t, "%s%s", p, to);
        p = hit + strlen(from);
    }
    text_add(&t, "%s", p);
    *text = t.at;
}

/* The three ways in which the two programs write a color. */
static void use_colors(Arena *a, char **svg) {
    for (int k = 1; k <= 12; k++) {
        const char *to = arena_printf(a, "var(--c%d)", k);
        replace_all(a, svg, arena_printf(a, "rgb(  0,   0, %3d)", k), to);
        replace_all(a, svg, arena_printf(a, "rgb(0,0,%d)", k), to);
        replace_all(a, svg, arena_printf(a, "rgb( 0,  0, %2d)", k), to);
        replace_all(a, svg, arena_printf(a, "#%06x", k), to);
    }
}

/* Without what stands before <svg>, with names of its own. */
static char *part_of_page(Arena *a, char *svg, const char *id, const char *what) {
    char *start = strstr(svg, "<svg");
    if (!start) fail("a figure could not be drawn:\n%s", svg);
    use_colors(a, &start);
    char *title = strstr(start, "<title>"), *end = title ? strstr(title, "</desc>") : NULL;
    if (title && end) memmove(title, end + 7, strlen(end + 7) + 1);
    replace_all(a, &start, "gpPt", arena_printf(a, "%s-p", id));
    replace_all(a, &start, "gpDot", arena_printf(a, "%s-dot", id));
    replace_all(a, &start, "id=\"gnuplot_canvas\"", "");
    replace_all(a, &start, "\"gnuplot_plot", arena_printf(a, "\"%s-plot", id));
    replace_all(a, &start, "'textbox'", arena_printf(a, "'%s-box'", id));
    replace_all(a, &start, "'greybox'", arena_printf(a, "'%s-grey'", id));
    replace_all(a, &start, " font-family=\"sans-serif\"", "");
    replace_all(a, &start, "<tspan >", "<tspan>");
    return arena_printf(a, "<svg role=\"img\" aria-label=\"%s\" %s", what, start + 5);
}

static char *draw(Study *s, const char *program, const char *option, const Text *script,
                  const char *id, const char *what) {
    Command c = {0};
    char *svg;
    make_folders(arena_printf(s->arena, "%s/figures", s->options.folder));
    const char *path = arena_printf(s->arena, "%s/figures/%s.txt", s->options.folder, id);
    write_text(s, path, script->at);
    ADD(s->arena, c, program);
    if (option) ADD(s->arena, c, option);
    ADD(s->arena, c, path);
    if (run_command(s->arena, &c, true, &svg)) fail("%s %s:\n%s", program, path, svg);
    return part_of_page(s->arena, svg, id, what);
}

static void plot_head(Text *t, int width, int height) {
    text_add(t, "set terminal svg size %d,%d dynamic font 'sans-serif,13'\n", width, height);
    text_add(t, "set encoding utf8\nunset key\nset border 3 lc rgb '#00000a'\n"
                "set tics nomirror out scale 0.5 textcolor rgb '#00000b'\n"
                "set grid ytics lt 1 lw 1 lc rgb '#00000c'\n"
                "set xlabel textcolor rgb '#00000b'\nset ylabel textcolor rgb '#00000b'\n");
}

/* A label in gnuplot's single quotes, where nothing but a quote means anything. */
static void quoted(Text *t, const char *text) {
    text_add(t, "'");
    for (; *text; text++) text_add(t, *text == '\'' ? "''" : "%c", *text);
    text_add(t, "'");
}

/* ---- learning curves ---- */

typedef struct Span3 {
    double mean, least, most;
} Span3;

/* Over the runs that got as far as the epoch. */
static bool spread(const json_t *model, size_t epoch, const char *key, double times, Span3 *x) {
    int n = 0;
    *x = (Span3){0, INFINITY, -INFINITY};
    for (size_t i = 0; i < json_array_size(at(model, "runs")); i++) {
        const json_t *run = json_array_get(at(model, "runs"), i);
        double y = times * real(json_array_get(at(run, "curve"), epoch), key);
        if (!isfinite(y)) continue;
        n++;
        x->mean += y;
        x->least = fmin(x->least, y);
        x->most = fmax(x->most, y);
    }
    x->mean /= n;
    return n > 0;
}

static size_t longest(const json_t *model) {
    size_t most = 0;
    for (size_t i = 0; i < json_array_size(at(model, "runs")); i++) {
        size_t n = json_array_size(at(json_array_get(at(model, "runs"), i), "curve"));
        if (n > most) most = n;
    }
    return most;
}

/* A block of data "$NAME": epoch, mean, least, most. False where it would be empty. */
static bool curve_data(Text *t, const json_t *model, const char *key, double times,
                       const char *name) {
    Span3 x;
    bool any = false;
    text_add(t, "$%s << END\n", name);
    for (size_t k = 0; k < longest(model); k++) {
        if (!spread(model, k, key, times, &x)) continue;
        text_add(t, "%zu %.6g %.6g %.6g\n", k + 1, x.mean, x.least, x.most);
        any = true;
    }
    text_add(t, "END\n");
    return any;
}

/* Whole epochs, not too many of them. */
static void epoch_tics(Text *t, size_t epochs, bool narrow) {
    static const size_t steps[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000};
    size_t most = narrow ? 8 : 15, step = steps[0];
    for (int i = 0; i < COUNT_OF(steps) && epochs / step > most; i++) step = steps[i];
    text_add(t, "set xtics %zu,%zu\nset xrange [1:%zu]\n", step, step, epochs > 1 ? epochs : 2);
}

int series_color(json_t *results, int k, bool *dashed) {
    bool few = json_array_size(at(results, "models")) <= COLORS;
    *dashed = !few && k % 2;
    return few ? k + 1 : k / 2 % COLORS + 1;
}

/* Where the axis of all models is cut: early epochs of one would press the ends of all together. */
static void cut_axis(Text *t, const json_t *results, bool loss) {
    double worst = NAN;
    Span3 x;
    for (size_t i = 0; i < json_array_size(at(results, "models")); i++) {
        const json_t *m = json_array_get(at(results, "models"), i);
        size_t n = longest(m);
        if (!n || !spread(m, n - 1, loss ? "test_loss" : "accuracy", loss ? 1 : 100, &x)) continue;
        worst = loss ? fmax(worst, x.mean) : fmin(worst, x.mean);
    }
    if (loss && worst > 0) text_add(t, "set yrange [*:*<%g]\n", 1.6 * worst);
    else if (!loss && worst > 10) text_add(t, "set yrange [%g<*:*]\n", worst - 8);
}

static char *curves(Study *s, json_t *results, bool loss, bool narrow) {
    Text t = {.arena = s->arena}, plots = {.arena = s->arena};
    size_t epochs = 1;
    plot_head(&t, narrow ? 400 : 760, narrow ? 280 : 380);
    text_add(&t, "set xlabel 'epoch'\nset ylabel '%s'\n",
             loss ? "test loss" : "test accuracy, %");
    for (int i = 0; i < (int)json_array_size(at(results, "models")); i++) {
        bool dashed;
        int color = series_color(results, i, &dashed);
        const char *name = arena_printf(s->arena, "m%d", i);
        size_t n = longest(json_array_get(at(results, "models"), (size_t)i));
        if (n > epochs) epochs = n;
        if (!curve_data(&t, json_array_get(at(results, "models"), (size_t)i),
                        loss ? "test_loss" : "accuracy", loss ? 1 : 100, name))
            continue;
        text_add(&plots, "%s$%s using 1:2 with lines lw 2 %s lc rgb '#%06x'",
                 plots.at ? ", \\\n  " : "plot ", name, dashed ? "dt (6,4)" : "dt 1", color);
    }
    if (!plots.at) return "";
    epoch_tics(&t, epochs, narrow);
    cut_axis(&t, results, loss);
    text_add(&t, "%s\n", plots.at);
    return draw(s, "gnuplot", NULL, &t,
                arena_printf(s->arena, "curves-%d%d", loss, narrow),
                loss ? "Test loss by epoch, all networks" : "Test accuracy by epoch, all networks");
}

char *figure_accuracy_curves(Study *s, json_t *results, bool narrow) {
    return curves(s, results, false, narrow);
}

char *figure_loss_curves(Study *s, json_t *results, bool narrow) {
    return curves(s, results, true, narrow);
}

/* Train in color 2, test in color 1; the band is from the least to the most of the seeds. */
char *figure_model(Study *s, json_t *model, bool loss, const char *id) {
    Text t = {.arena = s->arena}, plots = {.arena = s->arena};
    const char *key[2] = {loss ? "train_sample_loss" : "train_sample_accuracy",
                          loss ? "test_loss" : "accuracy"};
    plot_head(&t, 460, 280);
    text_add(&t, "set xlabel 'epoch'\nset ylabel '%s'\n", loss ? "loss" : "accuracy, %");
    epoch_tics(&t, longest(model), true);
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "test" : "train";
        int color = i ? 1 : 2;
        if (!curve_data(&t, model, key[i], loss ? 1 : 100, name)) continue;
        text_add(&plots, "%s$%s using 1:3:4 with filledcurves fs solid 0.25 noborder lc rgb "
                         "'#%06x', \\\n  $%s using 1:2 with lines lw 2 dt %s lc rgb '#%06x'",
                 plots.at ? ", \\\n  " : "plot ", name, color, name, i ? "1" : "(6,4)", color);
    }
    if (!plots.at) return "";
    text_add(&t, "%s\n", plots.at);
    return draw(s, "gnuplot", NULL, &t, id, loss ? "Loss by epoch, train and test"
                                                 : "Accuracy by epoch, train and test");
}

/* ---- accuracy and cost ---- */

char *figure_accuracy(Study *s, json_t *results, bool narrow) {
    Text t = {.arena = s->arena}, tics = {.arena = s->arena}, seeds = {.arena = s->arena};
    int n = (int)json_array_size(at(results, "models")), shown = 0;
    text_add(&seeds, "$seeds << END\n");
    text_add(&tics, "$means << END\n");
    Text names = {.arena = s->arena};
    for (int i = 0; i < n; i++) {
        const json_t *m = ranked(results, i);
        if (isnan(real(m, "accuracy.mean"))) continue;
        shown++;
        text_add(&tics, "%.6g %d %.6g %.6g\n", 100 * real(m, "accuracy.mean"), -shown,
                 100 * real(m, "accuracy.low"), 100 * real(m, "accuracy.high"));
        text_add(&names, shown > 1 ? ", " : "");
        quoted(&names, string(m, "name"));
        text_add(&names, " %d", -shown);
        for (size_t k = 0; k < json_array_size(at(m, "runs")); k++) {
            double x = real(json_array_get(at(m, "runs"), k), "accuracy");
            if (isfinite(x)) text_add(&seeds, "%.6g %d\n", 100 * x, -shown);
        }
    }
    if (!shown) return "";
    text_add(&tics, "END\n");
    text_add(&seeds, "END\n");
    plot_head(&t, narrow ? 400 : 760, 80 + (narrow ? 24 : 28) * shown);
    text_add(&t, "%s%sset ytics (%s) noenhanced\nset yrange [%g:-0.4]\n", tics.at, seeds.at,
             names.at, -shown - 0.6);
    text_add(&t, "set grid xtics noytics lt 1 lw 1 lc rgb '#00000c'\nset border 1\n"
                 "set xlabel 'test accuracy, %%'\nset offsets graph 0, graph 0.02\n"
                 "plot $means using 1:2:3:4 with xerrorbars pt 5 ps 0.9 lw 2 lc rgb '#000001', \\\n"
                 "  $seeds using 1:2 with points pt 6 ps 0.7 lw 1 lc rgb '#00000b'\n");
    return draw(s, "gnuplot", NULL, &t, narrow ? "accuracy-1" : "accuracy-0",
                "Test accuracy with 95 % intervals");
}

/* Labels in the order of their height, none on another: each at least `gap` below the one before
 * that it could meet. */
static void cost_data(Text *t, json_t *results, double gap) {
    int n = (int)json_array_size(at(results, "models"));
    double label[n + 1], seconds[n + 1];
    for (int i = 0; i < n; i++) {
        const json_t *m = ranked(results, i);
        double y = 100 * real(m, "accuracy.mean");
        bool dashed;
        label[i] = y;
        seconds[i] = real(m, "seconds.mean");
        if (!(seconds[i] > 0) || isnan(y)) continue;
        for (int k = 0; k < i; k++)
            if (fabs(log(seconds[k] / seconds[i])) < 1.5 && label[i] > label[k] - gap)
                label[i] = label[k] - gap;
        int index = (int)json_integer_value(json_array_get(at(results, "ranking"), (size_t)i));
        text_add(t, "%.6g %.6g %.6g %d ", seconds[i], y, label[i],
                 series_color(results, index, &dashed));
        text_add(t, "\"%s\"\n", string(m, "name"));
    }
}

char *figure_cost(Study *s, json_t *results, bool narrow) {
    Text t = {.arena = s->arena}, data = {.arena = s->arena};
    double best = 100 * real(ranked(results, 0), "accuracy.mean"), worst = best;
    for (int i = 0; i < (int)json_array_size(at(results, "models")); i++)
        worst = fmin(worst, 100 * real(ranked(results, i), "accuracy.mean"));
    cost_data(&data, results, fmax(0.1, best - worst) * (narrow ? 0.055 : 0.05));
    if (!data.at) return "";
    plot_head(&t, narrow ? 400 : 760, narrow ? 340 : 420);
    text_add(&t, "$cost << END\n%sEND\nset logscale x\nset grid xtics\nset rmargin 14\n"
                 "set xlabel 'seconds of training'\nset ylabel 'test accuracy, %%'\n"
                 "set offsets 0, 0, graph 0.05, graph 0.1\nset xtics autofreq\n"
                 "plot $cost using 1:2:4 with points pt 7 ps 0.9 lc rgb variable, \\\n"
                 "  $cost using 1:3:5 with labels left offset 1,0 noenhanced textcolor rgb "
                 "'#00000b' font ',11'\n", data.at);
    return draw(s, "gnuplot", NULL, &t, narrow ? "cost-1" : "cost-0",
                "Accuracy by seconds of training");
}

/* ---- networks ---- */

char *figure_network(Study *s, json_t *model, const char *id) {
    Text t = {.arena = s->arena};
    const char *network = string(model, "network"), *open = strchr(network, '{');
    if (!open) return "";
    text_add(&t, "%.*s\n  graph [bgcolor=transparent rankdir=LR nodesep=0.15 ranksep=0.25 margin=0]"
                 ";\n  node [color=\"#00000a\" fontcolor=\"#00000b\" fontname=\"sans-serif\" "
                 "fontsize=11 height=0.3 margin=\"0.08,0.04\"];\n"
                 "  edge [color=\"#00000a\" arrowsize=0.6];%s",
             (int)(open + 1 - network), network, open + 1);
    char *svg = draw(s, "dot", "-Tsvg", &t, id, "Layers of the network");
    char *width = strstr(svg, "width=\"");
    double points = width ? strtod(width + 7, NULL) : 0;
    if (!(points > 0)) return svg;
    /* As wide as the page, but never so small that nobody can read it. */
    return arena_printf(s->arena, "<svg style=\"width:100%%;max-width:%.0fpt;min-width:%.0fpt\" %s",
                        points, 0.7 * points, svg + 5);
}
