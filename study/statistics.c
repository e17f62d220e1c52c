/* statistics.c: see statistics.h. */
#include "statistics.h"
#include <math.h>
#include <stdlib.h>

static const double normal_975 = 1.959963984540054;

double mean_of(const double *x, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += x[i];
    return n ? sum / n : 0;
}

double deviation_of(const double *x, int n) {
    double mean = mean_of(x, n), squares = 0;
    for (int i = 0; i < n; i++) squares += (x[i] - mean) * (x[i] - mean);
    return n > 1 ? sqrt(squares / (n - 1)) : 0;
}

Interval wilson(double share, long n) {
    if (!n) return (Interval){0, 1};
    double z2 = normal_975 * normal_975, count = (double)n;
    double center = (share + z2 / (2 * count)) / (1 + z2 / count);
    double half = normal_975 / (1 + z2 / count) *
                  sqrt(share * (1 - share) / count + z2 / (4 * count * count));
    return (Interval){fmax(0, center - half), fmin(1, center + half)};
}

/* ---- Student's distribution ---- */

/* The continued fraction of the incomplete beta function, by the method of Lentz and Thompson
 * (Abramowitz and Stegun 26.5.8). */
static double beta_fraction(double a, double b, double x) {
    enum { TERMS = 1000 };
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double product = d;
    for (int m = 1; m < TERMS; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        double term[2] = {even, odd}, factor = 1;
        for (int i = 0; i < 2; i++) {
            d = 1 + term[i] * d;
            c = 1 + term[i] / c;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = fabs(c) < tiny ? tiny : c;
            factor = c * d;
            product *= factor;
        }
        if (fabs(factor - 1) < 1e-15) break;
    }
    return product;
}

static double incomplete_beta(double a, double b, double x) {
    if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

/* P(T > x) for x >= 0. */
static double student_above(double x, double freedom) {
    return 0.5 * incomplete_beta(freedom / 2, 0.5, freedom / (freedom + x * x));
}

double student_975(double freedom) {
    if (!(freedom < 1e6)) return normal_975;
    double low = 0, high = 1;
    while (student_above(high, freedom) > 0.025) high *= 2;
    for (int i = 0; i < 100; i++) {
        double middle = (low + high) / 2;
        if (student_above(middle, freedom) > 0.025) low = middle;
        else high = middle;
    }
    return (low + high) / 2;
}

/* ---- the paired test ---- */

static double binomial_half(long n, long k) {
    double count = (double)n, chosen = (double)k;
    return exp(lgamma(count + 1) - lgamma(chosen + 1) - lgamma(count - chosen + 1) -
               count * log(2));
}

/* The distribution of Y = sum of k * (how many of tied[k] fair coins fell on heads): share[y], and
 * its largest value. Null where there is no memory. */
static double *heads(const long *tied, int most, long *largest) {
    long room = 0, top = 0;
    for (int k = 1; k <= most; k++) room += k * tied[k];
    double *share = calloc((size_t)room + 1, sizeof *share);
    double *next = calloc((size_t)room + 1, sizeof *next);
    if (share) share[0] = 1;
    for (int k = 1; share && next && k <= most; k++) {
        for (long y = 0; y <= top + k * tied[k]; y++) next[y] = 0;
        for (long j = 0; j <= tied[k]; j++) {
            double p = binomial_half(tied[k], j);
            for (long y = 0; p > 0 && y <= top; y++) next[y + k * j] += p * share[y];
        }
        top += k * tied[k];
        double *swap = share;
        share = next;
        next = swap;
    }
    *largest = top;
    if (!next) {
        free(share);
        share = NULL;
    }
    free(next);
    return share;
}

double paired_p(const long *tied, int most, long total) {
    long largest, distance = labs(total);
    double *share = heads(tied, most, &largest), p = 0;
    if (!share) return NAN;
    for (long y = 0; y <= largest; y++) /* the sum of all d is 2 y - largest */
        if (labs(2 * y - largest) >= distance) p += share[y];
    free(share);
    return p < 1 ? p : 1;
}

void holm(double *p, int n) {
    double before = 0;
    char *done = calloc((size_t)n + 1, 1);
    for (int rank = 0; done && rank < n; rank++) {
        int least = -1;
        for (int i = 0; i < n; i++)
            if (!done[i] && (least < 0 || p[i] < p[least])) least = i;
        done[least] = 1;
        before = fmax(before, fmin(1, p[least] * (n - rank)));
        p[least] = before;
    }
    free(done);
}

void class_scores(const long *confusion, int classes, double *precision, double *recall,
                  double *f1) {
    for (int c = 0; c < classes; c++) {
        long predicted = 0, actual = 0, width = classes + 1, hits = confusion[c * width + c];
        for (int t = 0; t < classes; t++) predicted += confusion[t * width + c];
        for (int p = 0; p <= classes; p++) actual += confusion[c * width + p];
        if (precision) precision[c] = predicted ? (double)hits / (double)predicted : 0;
        if (recall) recall[c] = actual ? (double)hits / (double)actual : 0;
        if (f1) f1[c] = predicted + actual ? 2.0 * (double)hits / (double)(predicted + actual) : 0;
    }
}
