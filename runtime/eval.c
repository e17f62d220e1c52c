/* eval.c: the commands eval and predict: what saved weights are worth, and what they say. */
#include "internal.h"
#include <errno.h>
#include <stdlib.h>

/* Weights of another tool come without the statistics of the data: then the data set tells. */
static bool find_statistics(netc_session *s, const netc_options *o, netc_error *error) {
    netc_dataset d;
    if (!netc_dataset_open(&d, &s->net->data, o->data, s->net->training.seed, 0,
                           NETC_TRAINING_FILES, error))
        return false;
    s->call.data_mean = d.mean;
    s->call.data_std = d.std;
    netc_dataset_close(&d);
    return true;
}

bool netc_session_load(netc_session *s, const netc_options *o, netc_error *error) {
    char path[300];
    netc_call *call = &s->call;
    snprintf(path, sizeof path, "%s.safetensors", s->net->name);
    if (!netc_load_weights(s->net, call->state, o->weights ? o->weights : path, &call->data_mean,
                           &call->data_std, error)) {
        if (!o->weights)
            netc_fail_more(error, "\n`%s train` writes it; --weights FILE names another.",
                           o->program);
        return false;
    }
    return call->data_mean == call->data_mean || find_statistics(s, o, error);
}

static const char *class_name(const netc_net *net, int c) {
    return c < 0 || c >= net->data.n_classes ? "no class" : net->data.classes[c];
}

/* ---- eval ---- */

static void print_confusion(const netc_net *net, const netc_metrics *m) {
    int width = m->classes + 1, names = 5;
    for (int c = 0; c < m->classes; c++) {
        int n = (int)strlen(class_name(net, c));
        if (n > names) names = n < 16 ? n : 16;
    }
    printf("rows: true class, columns: predicted\n%*s", names + 4, "");
    for (int c = 0; c < m->classes; c++) printf("%6d", c);
    putchar('\n');
    for (int t = 0; t < m->classes; t++) {
        printf("%3d %-*.*s", t, names, names, class_name(net, t));
        for (int p = 0; p < m->classes; p++) printf("%6ld", m->confusion[t * width + p]);
        putchar('\n');
    }
}

static void print_json(const netc_net *net, const netc_metrics *m) {
    const double value[] = {m->loss, m->accuracy, m->precision, m->recall, m->f1};
    static const char *const name[] = {"loss", "accuracy", "precision", "recall", "f1"};
    printf("{\"spec\": ");
    netc_json_string(stdout, net->name);
    printf(", \"samples\": %ld", m->samples);
    for (int i = 0; i < 5; i++) {
        printf(", \"%s\": ", name[i]);
        netc_json_number(stdout, value[i]);
    }
    printf(", \"confusion\": [");
    for (int t = 0; t < m->classes; t++) {
        printf("%s[", t ? ", " : "");
        for (int p = 0; p < m->classes; p++)
            printf("%s%ld", p ? ", " : "", m->confusion[t * (m->classes + 1) + p]);
        putchar(']');
    }
    printf("]}\n");
}

/* What the batch in s came to, a line a sample. */
static void write_batch(FILE *f, const netc_session *s, long first, long n) {
    for (long i = 0; i < n; i++) {
        fprintf(f, "%ld,%d,%d", first + i, (int)s->label[i], (int)s->prediction[i]);
        for (long k = 0; k < s->sample_output; k++)
            fprintf(f, ",%.9g", (double)s->output[i * s->sample_output + k]);
        fputc('\n', f);
    }
}

/* For each test sample its class, the predicted one and the network's output, as CSV. */
static bool write_predictions(netc_session *s, const netc_samples *set, const char *path,
                              netc_error *error) {
    long batch = s->net->eval_batch;
    netc_call call = s->call;
    errno = 0;
    FILE *f = fopen(path, "w");
    if (!f) return netc_fail(error, "%s: cannot be written: %s", path, strerror(errno));
    fputs("sample,label,prediction", f);
    for (long k = 0; k < s->sample_output; k++) fprintf(f, ",output%ld", k);
    fputc('\n', f);
    for (long first = 0; first < set->count; first += batch) {
        long left = set->count - first, count = left < batch ? left : batch;
        netc_gather(s, set, NULL, first, count);
        netc_prepare(s, s->bytes, s->x, count);
        call.count = (int32_t)count;
        s->net->eval(&call);
        write_batch(f, s, first, count);
    }
    bool ok = !ferror(f);
    ok &= !fclose(f);
    return ok || netc_fail(error, "%s: cannot be written: %s", path, strerror(errno));
}

static bool evaluate(netc_session *s, const netc_options *o, netc_error *error) {
    netc_dataset d;
    netc_metrics m;
    if (!netc_session_load(s, o, error)) return false;
    if (!netc_dataset_open(&d, &s->net->data, o->data, s->net->training.seed, o->limit,
                           NETC_TEST_FILES, error))
        return false;
    bool ok = netc_evaluate(s, &d.test, NULL, d.test.count, &m, error);
    if (ok && o->predictions) ok = write_predictions(s, &d.test, o->predictions, error);
    if (ok && o->json) {
        print_json(s->net, &m);
    } else if (ok) {
        printf("%s on %ld samples of %s\n", s->net->name, m.samples, s->net->data.name);
        netc_metrics_text(stdout, &m);
        print_confusion(s->net, &m);
    }
    netc_metrics_free(&m);
    netc_dataset_close(&d);
    return ok;
}

int netc_eval_command(const netc_net *net, const netc_options *o) {
    netc_session s;
    netc_error error = {""};
    if (!netc_session_open(&s, net, o->threads, &error)) return netc_report(o, &error);
    bool ok = evaluate(&s, o, &error);
    netc_session_close(&s);
    return ok ? 0 : netc_report(o, &error);
}

/* ---- predict ---- */

static void print_prediction(netc_session *s, const netc_options *o, const char *file, long i) {
    int c = s->prediction[0];
    const char *name = class_name(s->net, c);
    if (!o->json) {
        printf("%s", file);
        if (i >= 0) printf(" %ld", i);
        printf(": %s\n", name);
        return;
    }
    printf("{\"file\": ");
    netc_json_string(stdout, file);
    if (i >= 0) printf(", \"sample\": %ld", i);
    printf(", \"class\": %d, \"name\": ", c);
    netc_json_string(stdout, name);
    printf(", \"output\": [");
    for (long k = 0; k < s->sample_output; k++) {
        if (k) printf(", ");
        netc_json_number(stdout, (double)s->output[k]);
    }
    printf("]}\n");
}

/* The sample in s->bytes. */
static void predict_one(netc_session *s, const netc_options *o, const char *file, long i) {
    netc_call call = s->call;
    netc_prepare(s, s->bytes, s->x, 1);
    call.count = 1;
    s->net->predict(&call);
    print_prediction(s, o, file, i);
}

static bool predict_idx(netc_session *s, const netc_options *o, const char *file,
                        netc_error *error) {
    netc_idx idx;
    const netc_data *data = &s->net->data;
    if (!netc_idx_read(&idx, file, data->rank, data->shape, o->limit, error)) return false;
    for (long i = 0; i < idx.count; i++) {
        memcpy(s->bytes, idx.bytes + i * s->sample_bytes, (size_t)s->sample_bytes);
        predict_one(s, o, file, i);
    }
    free(idx.bytes);
    return true;
}

static bool is_png(const char *file, bool *png, netc_error *error) {
    uint8_t start[4] = {0};
    FILE *f = fopen(file, "rb");
    if (!f) return netc_fail(error, "%s: %s", file, strerror(errno));
    size_t n = fread(start, 1, sizeof start, f);
    bool ok = !ferror(f);
    fclose(f);
    *png = n == sizeof start && !memcmp(start, "\x89PNG", 4);
    return ok || netc_fail(error, "%s: %s", file, strerror(errno));
}

static bool predict_file(netc_session *s, const netc_options *o, const char *file,
                         netc_error *error) {
    bool png = false;
    if (!is_png(file, &png, error)) return false;
    if (!png) return predict_idx(s, o, file, error);
    if (!netc_read_png(file, &s->net->data, s->bytes, error)) return false;
    predict_one(s, o, file, -1);
    return true;
}

int netc_predict_command(const netc_net *net, const netc_options *o) {
    netc_session s;
    netc_error error = {""};
    if (!netc_session_open(&s, net, o->threads, &error)) return netc_report(o, &error);
    bool ok = netc_session_load(&s, o, &error);
    for (int i = 0; ok && i < o->n_files; i++) ok = predict_file(&s, o, o->file[i], &error);
    netc_session_close(&s);
    return ok ? 0 : netc_report(o, &error);
}
