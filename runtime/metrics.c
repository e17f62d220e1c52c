/* metrics.c: loss, accuracy, and macro averages of precision, recall and F1 by class.
 *
 * A class that was never predicted has precision 0, one that never occurs recall 0, and both count
 * in the averages, as in scikit-learn's zero_division = 0 with all classes listed.
 */
#include "internal.h"
#include <stdlib.h>

bool netc_metrics_start(netc_metrics *m, int classes) {
    *m = (netc_metrics){.classes = classes};
    m->confusion = calloc((size_t)classes * (classes + 1) + 1, sizeof *m->confusion);
    return m->confusion;
}

void netc_metrics_add(netc_metrics *m, long n, const float *loss, const int32_t *prediction,
                      const int32_t *label) {
    for (long i = 0; i < n; i++) {
        int32_t t = label[i], p = prediction[i];
        m->loss += (double)loss[i];
        m->correct += t == p;
        if (p < 0 || p >= m->classes) p = m->classes;
        if (t >= 0 && t < m->classes) m->confusion[(long)t * (m->classes + 1) + p]++;
    }
    m->samples += n;
}

static double ratio(long a, long b) { return b ? (double)a / (double)b : 0; }

void netc_metrics_finish(netc_metrics *m) {
    long width = m->classes + 1;
    for (int c = 0; c < m->classes; c++) {
        long hit = m->confusion[c * width + c], predicted = 0, true_ones = 0;
        for (int t = 0; t < m->classes; t++) predicted += m->confusion[t * width + c];
        for (int p = 0; p <= m->classes; p++) true_ones += m->confusion[c * width + p];
        m->precision += ratio(hit, predicted) / m->classes;
        m->recall += ratio(hit, true_ones) / m->classes;
        m->f1 += ratio(2 * hit, predicted + true_ones) / m->classes;
    }
    m->loss = m->samples ? m->loss / (double)m->samples : 0;
    m->accuracy = ratio(m->correct, m->samples);
}

void netc_metrics_free(netc_metrics *m) {
    free(m->confusion);
    *m = (netc_metrics){0};
}
