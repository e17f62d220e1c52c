/* exhibits.c: what a reader can look at: test images with what each model said, and the filters of
 * its first layer.
 *
 * The images are chosen by two rules that no result can bend: some at random, drawn once and the
 * same for all models; and of each model the mistakes that it was most confident of.
 */
#include "dataset.h"
#include "netc_math.h"
#include <math.h>
#include <stdlib.h>

enum { RANDOM = 12, MISTAKES = 12, FILTERS = 32 };

/* ---- test images ---- */

static long is_chosen(const long *sample, int n, long which) {
    for (int i = 0; i < n; i++)
        if (sample[i] == which) return true;
    return false;
}

/* Different ones, by Philox with key 1. */
static int choose_random(long all, long sample[RANDOM]) {
    int n = 0;
    for (uint32_t draw = 0; n < RANDOM && n < all; draw++) {
        long which = (long)((uint64_t)netc_philox(1, 0, 0, 0, draw) * (uint64_t)all >> 32);
        if (!is_chosen(sample, n, which)) sample[n++] = which;
    }
    return n;
}

static int choose_mistakes(const Predictions *p, long sample[MISTAKES]) {
    int n = 0;
    while (n < MISTAKES) {
        long best = -1;
        for (int i = 0; i < p->n; i++)
            if (p->label[i] != p->guess[i] && !is_chosen(sample, n, i) &&
                (best < 0 || p->confidence[i] > p->confidence[best]))
                best = i;
        if (best < 0) break;
        sample[n++] = best;
    }
    return n;
}

static bool is_picture(const netc_data *d, int *channels, int *height, int *width) {
    *channels = d->rank == 3 ? (int)d->shape[0] : 1;
    *height = d->rank >= 2 ? (int)d->shape[d->rank - 2] : 0;
    *width = d->rank >= 2 ? (int)d->shape[d->rank - 1] : 0;
    return (d->rank == 2 || d->rank == 3) && (*channels == 1 || *channels == 3);
}

/* Planes to pixels. */
static char *sample_picture(Study *s, const netc_dataset *d, long sample) {
    int channels, height, width;
    if (!is_picture(d->spec, &channels, &height, &width)) return NULL;
    const uint8_t *from = d->test.bytes + sample * d->sample_bytes;
    uint8_t *pixels = arena_alloc(s->arena, (size_t)d->sample_bytes);
    for (int i = 0; i < height * width; i++)
        for (int c = 0; c < channels; c++)
            pixels[i * channels + c] = from[c * height * width + i];
    return png_base64(s->arena, pixels, width, height, channels);
}

static json_t *exhibits(Study *s, const netc_dataset *d, json_t *pictures, const Predictions *p,
                        const long *sample, int n) {
    json_t *list = json_array();
    for (int i = 0; i < n; i++) {
        long k = sample[i];
        const char *key = arena_printf(s->arena, "%ld", k);
        if (!json_object_get(pictures, key)) {
            char *picture = sample_picture(s, d, k);
            json_object_set_new(pictures, key, picture ? json_string(picture) : json_null());
        }
        json_array_append_new(list, json_pack("{sI si si sf}", "sample", (json_int_t)k, "label",
                                              p->label[k], "guess", p->guess[k], "confidence",
                                              p->confidence[k]));
    }
    return list;
}

static void add_gallery(Study *s, const netc_dataset *d, json_t *results, json_t *model,
                        const Run *r) {
    Predictions p;
    long random[RANDOM], mistakes[MISTAKES];
    const char *path = arena_printf(s->arena, "%s/predictions.csv", r->folder);
    if (!read_predictions(s->arena, path, d->spec->n_classes, &p) || p.n != d->test.count) return;
    json_t *pictures = at(results, "pictures");
    int n = choose_random(p.n, random), m = choose_mistakes(&p, mistakes);
    json_object_set_new(model, "gallery",
                        json_pack("{sI so so}", "seed", (json_int_t)r->seed, "random",
                                  exhibits(s, d, pictures, &p, random, n), "mistakes",
                                  exhibits(s, d, pictures, &p, mistakes, m)));
}

/* ---- filters ---- */

/* A weight as a color: 0 is light, orange above, blue below, for the color blind too. */
static void color(double x, uint8_t rgb[3]) {
    static const double zero[3] = {247, 247, 245}, up[3] = {179, 88, 6}, down[3] = {33, 102, 172};
    const double *end = x > 0 ? up : down;
    double share = fmin(1, fabs(x));
    for (int i = 0; i < 3; i++) rgb[i] = (uint8_t)(zero[i] + share * (end[i] - zero[i]) + 0.5);
}

/* A filter over `channels` planes as one picture, the mean over the planes, scaled to its own
 * largest weight. */
static char *filter_picture(Study *s, const float *w, long channels, int height, int width) {
    int n = height * width;
    double *mean = NEW_ARRAY(s->arena, double, n), most = 1e-30;
    uint8_t *pixels = arena_alloc(s->arena, (size_t)n * 3);
    for (int i = 0; i < n; i++) {
        for (long c = 0; c < channels; c++) mean[i] += (double)w[c * n + i];
        most = fmax(most, fabs(mean[i]));
    }
    for (int i = 0; i < n; i++) color(mean[i] / most, pixels + 3 * i);
    return png_base64(s->arena, pixels, width, height, 3);
}

/* The shape of one filter where it is a picture: [n, channels, h, w] of few channels, or [n, all]
 * where all are the pixels of the network's input. */
static bool filter_shape(const netc_entry *e, const json_t *input, long *channels, int *height,
                         int *width) {
    long x[3] = {1, 0, 0};
    int rank = (int)json_array_size(input);
    for (int i = 0; i < rank && rank <= 3; i++)
        x[3 - rank + i] = (long)json_integer_value(json_array_get(input, (size_t)i));
    bool picture = (rank == 2 || rank == 3) && (x[0] == 1 || x[0] == 3);
    if (e->rank == 4 && (e->shape[1] == 1 || e->shape[1] == 3)) {
        x[0] = e->shape[1];
        x[1] = e->shape[2];
        x[2] = e->shape[3];
        picture = x[1] > 1 && x[2] > 1;
    } else if (e->rank != 2 || e->shape[1] != x[0] * x[1] * x[2]) {
        picture = false;
    }
    *channels = x[0];
    *height = (int)x[1];
    *width = (int)x[2];
    return picture;
}

static void filters_of(Study *s, json_t *model, const netc_safetensors *file,
                       const netc_entry *e) {
    long channels;
    int height, width;
    if (!filter_shape(e, at(model, "input"), &channels, &height, &width)) return;
    const float *w = (const float *)(file->data + e->begin);
    json_t *list = json_array();
    for (long i = 0; i < e->shape[0] && i < FILTERS; i++)
        json_array_append_new(list, json_string(filter_picture(
                                        s, w + i * channels * height * width, channels, height,
                                        width)));
    json_object_set_new(model, "filters",
                        json_pack("{ss sI si si so}", "tensor", e->name, "all",
                                  (json_int_t)e->shape[0], "height", height, "width", width,
                                  "pictures", list));
}

/* Those of the first layer that has parameters, where they mean something. */
static void add_filters(Study *s, json_t *model, const Run *r) {
    netc_safetensors file;
    netc_error error;
    const char *first = NULL;
    for (size_t i = 0; i < json_array_size(at(model, "layers")) && !first; i++) {
        const json_t *layer = json_array_get(at(model, "layers"), i);
        if (real(layer, "parameters") > 0) first = string(layer, "name");
    }
    if (!first || !netc_safetensors_read(&file, arena_printf(s->arena, "%s/weights.safetensors",
                                                             r->folder), &error))
        return;
    size_t n = strlen(first);
    for (long i = 0; i < file.n_entries && !at(model, "filters"); i++)
        if (!strncmp(file.entry[i].name, first, n) && file.entry[i].name[n] == '.')
            filters_of(s, model, &file, &file.entry[i]);
    netc_safetensors_free(&file);
}

void add_exhibits(Study *s, json_t *results) {
    netc_dataset d;
    netc_data spec;
    const json_t *summary = NULL;
    json_object_set_new(results, "pictures", json_object());
    for (int i = 0; i < s->models.n && !summary; i++) summary = s->models.at[i]->summary;
    open_dataset(s, summary, NETC_TEST_FILES, &d, &spec);
    for (int i = 0; i < s->models.n; i++) {
        json_t *model = json_array_get(at(results, "models"), (size_t)i);
        const Run *first = NULL;
        for (int k = 0; k < s->runs.n; k++) {
            const Run *r = s->runs.at[k];
            if (r->model == s->models.at[i] && r->state == DONE &&
                (!first || r->seed < first->seed))
                first = r;
        }
        if (!first) continue;
        add_gallery(s, &d, results, model, first);
        add_filters(s, model, first);
    }
    netc_dataset_close(&d);
}
