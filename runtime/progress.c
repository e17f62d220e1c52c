/* progress.c: what a training tells: a line with rate and time left on a terminal, a line an epoch
 * in any case, and the same as JSON for the log.
 */
#include "internal.h"

static void duration(char *to, size_t size, double seconds) {
    long s = seconds < 1e7 ? (long)(seconds + 0.5) : 10000000;
    if (s < 3600) snprintf(to, size, "%ld:%02ld", s / 60, s % 60);
    else snprintf(to, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
}

void netc_progress_step(netc_progress *g, const netc_position *p) {
    if (!g->terminal) return;
    double now = netc_now();
    if (now - g->shown < 0.1) return;
    g->shown = now;
    long done = p->step - p->epoch * g->steps_per_epoch;
    long left = p->epochs * g->steps_per_epoch - p->step;
    double each = (now - g->begun) / (double)(p->step - g->first_step);
    long seen = done * p->batch;
    char eta[32];
    duration(eta, sizeof eta, (double)left * each + (double)(p->epochs - p->epoch) * g->between);
    printf("\r\033[Kepoch %ld/%ld  %3ld %%  loss %.4f  %.0f samples/s  %s left", p->epoch + 1,
           p->epochs, 100 * done / g->steps_per_epoch, p->loss_sum / (double)seen,
           (double)p->batch / each, eta);
    fflush(stdout);
}

void netc_progress_clear(netc_progress *g) {
    if (!g->terminal) return;
    fputs("\r\033[K", stdout);
    fflush(stdout);
    g->shown = 0;
}

void netc_epoch_text(FILE *f, const netc_epoch *e) {
    fprintf(f, "epoch %ld/%ld: loss %.4f", e->position->epoch, e->position->epochs, e->train_loss);
    if (e->validation.samples)
        fprintf(f, ", validation %.4f (%.2f %%)", e->validation.loss, 100 * e->validation.accuracy);
    fprintf(f, ", test %.4f (%.2f %%), %.1f s, %.0f samples/s\n", e->test.loss,
            100 * e->test.accuracy, e->seconds, (double)e->samples / e->seconds);
    fflush(f);
}

static void member(FILE *f, const char *name, double x) {
    fprintf(f, ", \"%s\": ", name);
    netc_json_number(f, x);
}

void netc_epoch_json(FILE *f, const netc_epoch *e) {
    fprintf(f, "{\"epoch\": %ld", e->position->epoch);
    member(f, "train_loss", e->train_loss);
    member(f, "test_loss", e->test.loss);
    member(f, "accuracy", e->test.accuracy);
    member(f, "precision", e->test.precision);
    member(f, "recall", e->test.recall);
    member(f, "f1", e->test.f1);
    member(f, "seconds", e->seconds);
    member(f, "samples_per_second", (double)e->samples / e->seconds);
    member(f, "learning_rate", e->learning_rate);
    if (e->train.samples) {
        member(f, "train_sample_loss", e->train.loss);
        member(f, "train_sample_accuracy", e->train.accuracy);
    }
    if (e->validation.samples) {
        member(f, "val_loss", e->validation.loss);
        member(f, "val_accuracy", e->validation.accuracy);
    }
    fputs("}\n", f);
    fflush(f);
}

void netc_metrics_text(FILE *f, const netc_metrics *m) {
    fprintf(f, "test: loss %.4f, accuracy %.4f, precision %.4f, recall %.4f, F1 %.4f\n", m->loss,
            m->accuracy, m->precision, m->recall, m->f1);
}
