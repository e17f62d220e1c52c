/* statistics.h: what a study computes of predictions: pure functions, tested against worked cases.
 */
#ifndef NETC_STATISTICS_H
#define NETC_STATISTICS_H

typedef struct Interval {
    double low, high;
} Interval;

double mean_of(const double *x, int n);
double deviation_of(const double *x, int n); /* of a sample, by n - 1; 0 for one value */

/* 95 % for a share of n trials: the score interval of E. B. Wilson, "Probable inference, the law of
 * succession, and statistical inference", J. Am. Stat. Assoc. 22 (1927). */
Interval wilson(double share, long n);

/* x with P(T <= x) = 0.975 for Student's T with so many degrees of freedom, which may be a fraction
 * or infinite. */
double student_975(double freedom);

/* Two models on the same images. For each image let d be the number of seeds with which the first
 * was right, minus that of the second. tied[k] is the number of images with |d| = k, k = 1 .. most,
 * and `total` the sum of all d. Where the models do not differ, each d is as likely as -d: the
 * result is the probability, two-sided and exact, that the sum is at least this far from 0.
 *
 * For one seed it is McNemar's test (Psychometrika 12, 1947) in its exact form; for more it keeps
 * an image's seeds together, as do the tests for clustered pairs (Eliasziw and Donner, Stat. Med.
 * 10, 1991; Durkalski et al., Stat. Med. 22, 2003), instead of counting an image several times. */
double paired_p(const long *tied, int most, long total);

/* Each p corrected for n comparisons: S. Holm, Scand. J. Stat. 6 (1979). */
void holm(double *p, int n);

/* Of a matrix of counts [true, predicted], with a last column for predictions of no class. A class
 * that was never predicted has precision 0, one that never occurs recall 0; 2 hits / (predicted +
 * true) is F1, 0 for neither. Each array has room for the classes, or is null. */
void class_scores(const long *confusion, int classes, double *precision, double *recall,
                  double *f1);
#endif
