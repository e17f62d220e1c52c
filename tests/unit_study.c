/* unit_study.c: the numbers of a study: scores, intervals, tests and corrections against worked
 * cases and tables, and the hash of its manifests.
 */
#include "statistics.h"
#include "study.h"
#include <check.h>
#include <math.h>
#include <string.h>

#define ck_near(x, y, tolerance) \
    ck_assert_msg(fabs((x) - (y)) <= (tolerance), #x " is %.17g, expected %.17g", (double)(x), \
                  (double)(y))

START_TEST(means_and_deviations) {
    const double x[] = {2, 4, 4, 4, 5, 5, 7, 9};
    ck_near(mean_of(x, 8), 5, 1e-15);
    ck_near(deviation_of(x, 8), sqrt(32.0 / 7), 1e-15);
    ck_near(deviation_of(x, 1), 0, 0);
}
END_TEST

/* R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Stat. Med. 17 (1998),
 * table I, method 3. */
START_TEST(wilson_as_published) {
    static const struct { long right, n; double low, high; } row[] = {
        {81, 263, .2553, .3662}, {15, 148, .0624, .1605}, {0, 20, .0000, .1611},
        {1, 29, .0061, .1718}, {29, 29, .8830, 1.0000}};
    for (int i = 0; i < COUNT_OF(row); i++) {
        Interval got = wilson((double)row[i].right / (double)row[i].n, row[i].n);
        ck_near(got.low, row[i].low, 5e-5);
        ck_near(got.high, row[i].high, 5e-5);
    }
    ck_near(wilson(0, 0).high, 1, 0);
}
END_TEST

/* The usual table of Student's distribution, 97.5 %. */
START_TEST(student_as_tabled) {
    static const double table[][2] = {{1, 12.706}, {2, 4.303}, {3, 3.182}, {4, 2.776}, {5, 2.571},
                                      {10, 2.228}, {30, 2.042}, {120, 1.980}};
    for (int i = 0; i < COUNT_OF(table); i++)
        ck_near(student_975(table[i][0]), table[i][1], 6e-4);
    ck_near(student_975(1), tan(0.475 * acos(-1)), 1e-9); /* Cauchy's, in closed form */
    ck_near(student_975(2), 0.95 / sqrt(2 * 0.975 * 0.025), 1e-9);
    ck_near(student_975(INFINITY), 1.959964, 1e-6);
}
END_TEST

/* One seed: the exact test of McNemar, a binomial one of the images that only one got right. */
START_TEST(one_seed_is_mcnemar) {
    long tied[] = {0, 10};
    ck_near(paired_p(tied, 1, 10), 2 / 1024.0, 1e-12);              /* 10 to 0 */
    ck_near(paired_p(tied, 1, -8), 2 * 11 / 1024.0, 1e-12);         /* 1 to 9 */
    ck_near(paired_p(tied, 1, 4), 2 * (1 + 10 + 45 + 120) / 1024.0, 1e-12); /* 7 to 3 */
    ck_near(paired_p(tied, 1, 0), 1, 1e-12);
    tied[1] = 0;
    ck_near(paired_p(tied, 1, 0), 1, 0); /* no image tells them apart */
}
END_TEST

/* Against all ways to give the images their signs. */
START_TEST(several_seeds_by_enumeration) {
    static const int size[] = {3, 3, 2, 2, 2, 1, 1, 1, 1, 2};
    const int n = COUNT_OF(size);
    long tied[] = {0, 4, 4, 2};
    for (long total = 0; total <= 18; total++) {
        long far = 0;
        for (long signs = 0; signs < 1 << n; signs++) {
            long sum = 0;
            for (int i = 0; i < n; i++) sum += signs >> i & 1 ? size[i] : -size[i];
            far += labs(sum) >= total;
        }
        ck_near(paired_p(tied, 3, total), (double)far / (1 << n), 1e-12);
        ck_near(paired_p(tied, 3, -total), (double)far / (1 << n), 1e-12);
    }
}
END_TEST

/* As many images as a study has: near the normal distribution. */
START_TEST(many_images) {
    long tied[] = {0, 900, 500, 200};
    double sigma = sqrt(900 + 4 * 500 + 9 * 200.0);
    for (long total = 0; total < 300; total += 38) { /* sums are even, so steps are 2 wide */
        double z = ((double)total - 1) / sigma;
        ck_near(paired_p(tied, 3, total), fmin(1, erfc(z / sqrt(2))), 2e-3);
    }
    ck_assert_double_gt(paired_p(tied, 3, 400), 0);
    ck_assert_double_lt(paired_p(tied, 3, 3500), 1e-300);
}
END_TEST

/* By hand: .01 x 4, .02 x 3, .03 x 2 and .04, each at least the one before. */
START_TEST(holm_by_hand) {
    double p[] = {.04, .01, .03, .02}, q[] = {.6, .01, .5};
    holm(p, 4);
    ck_near(p[1], .04, 1e-15);
    ck_near(p[3], .06, 1e-15);
    ck_near(p[2], .06, 1e-15);
    ck_near(p[0], .06, 1e-15);
    holm(q, 3);
    ck_near(q[1], .03, 1e-15);
    ck_near(q[2], 1, 0);
    ck_near(q[0], 1, 0);
}
END_TEST

/* Class 2 never occurs, class 1 is never predicted, one sample gets no class. */
START_TEST(scores_with_empty_classes) {
    static const long confusion[] = {4, 0, 1, 0,
                                     3, 0, 0, 1,
                                     0, 0, 0, 0};
    double precision[3], recall[3], f1[3];
    class_scores(confusion, 3, precision, recall, f1);
    ck_near(precision[0], 4 / 7.0, 1e-15);
    ck_near(precision[1], 0, 0);
    ck_near(precision[2], 0, 0);
    ck_near(recall[0], 4 / 5.0, 1e-15);
    ck_near(recall[1], 0, 0);
    ck_near(recall[2], 0, 0);
    ck_near(f1[0], 8 / 12.0, 1e-15);
    ck_near(f1[1], 0, 0);
    ck_near(f1[2], 0, 0);
}
END_TEST

START_TEST(scores_of_three_classes) { /* of 10, 10 and 20 samples */
    static const long confusion[] = {8, 1, 1, 0,
                                     2, 6, 2, 0,
                                     0, 5, 15, 0};
    double precision[3], recall[3], f1[3];
    class_scores(confusion, 3, precision, recall, f1);
    ck_near(mean_of(precision, 3), (8 / 10.0 + 6 / 12.0 + 15 / 18.0) / 3, 1e-15);
    ck_near(mean_of(recall, 3), (.8 + .6 + .75) / 3, 1e-15);
    ck_near(mean_of(f1, 3), (16 / 20.0 + 12 / 22.0 + 30 / 38.0) / 3, 1e-15);
}
END_TEST

/* The examples of FIPS 180-4 and of its predecessors. */
START_TEST(sha256_as_the_standard_says) {
    char hex[65];
    static char many[1000000];
    sha256_text(hex, "abc", 3);
    ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_text(hex, "", 0);
    ck_assert_str_eq(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    const char *two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    sha256_text(hex, two, strlen(two));
    ck_assert_str_eq(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    memset(many, 'a', sizeof many);
    sha256_text(hex, many, sizeof many);
    ck_assert_str_eq(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}
END_TEST

int main(void) {
    Suite *s = suite_create("study");
    TCase *c = tcase_create("study");
    tcase_add_test(c, means_and_deviations);
    tcase_add_test(c, wilson_as_published);
    tcase_add_test(c, student_as_tabled);
    tcase_add_test(c, one_seed_is_mcnemar);
    tcase_add_test(c, several_seeds_by_enumeration);
    tcase_add_test(c, many_images);
    tcase_add_test(c, holm_by_hand);
    tcase_add_test(c, scores_with_empty_classes);
    tcase_add_test(c, scores_of_three_classes);
    tcase_add_test(c, sha256_as_the_standard_says);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
