/* unit_runtime_math.c: runtime/netc_math.h: accuracy against libm in long double, special values,
 * the same bits from any compiler and flags (a golden hash), exact fma, Philox's known answers.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include "netc_math.h"

enum { SAMPLES = 100000 };

/* A number in [0, 1) by position, the same everywhere. */
static double unit(uint32_t i, uint32_t what) {
    return netc_times(netc_philox(1, what, 0, 0, i), 0x1p-32) +
           netc_times(netc_philox(1, what, 1, 0, i), 0x1p-64);
}

static double within(double lo, double hi, uint32_t i, uint32_t what) {
    return lo + netc_times(hi - lo, unit(i, what));
}

static double ulps(double got, long double want) {
    double w = (double)want;
    if (got == w || (got != got && w != w)) return 0;
    return (double)(fabsl((long double)got - want) / (nextafter(fabs(w), INFINITY) - fabs(w)));
}

typedef struct Case {
    const char *name;
    double (*f)(double);
    long double (*exact)(long double);
    double lo, hi;
    double most; /* ulps */
} Case;

static const Case cases[] = {
    {"exp", netc_exp, expl, -700, 700, 1},
    {"exp near 0", netc_exp, expl, -0.5, 0.5, 1},
    {"log near 1", netc_log, logl, 0.5, 2, 1},
    {"log", netc_log, logl, 1e-300, 1e300, 1},
    {"sin", netc_sin, sinl, -20, 20, 1.2},
    {"sin far", netc_sin, sinl, -1e9, 1e9, 1.2},
    {"cos", netc_cos, cosl, -20, 20, 1.2},
    {"cos far", netc_cos, cosl, -2e9, 2e9, 1.2},
    {"tanh", netc_tanh, tanhl, -25, 25, 1.5},
    {"tanh near 0", netc_tanh, tanhl, -0.7, 0.7, 1.5},
    {"erf", netc_erf, erfl, -7, 7, 1.2},
    {"erf near 0", netc_erf, erfl, -0.9, 0.9, 1.2},
};

START_TEST(accuracy) {
    const Case *c = &cases[_i];
    double worst = 0, where = 0;
    for (uint32_t i = 0; i < SAMPLES; i++) {
        double x = within(c->lo, c->hi, i, 2);
        double u = ulps(c->f(x), c->exact(x));
        if (u > worst) {
            worst = u;
            where = x;
        }
    }
    ck_assert_msg(worst <= c->most, "%s: %g ulps at %.17g", c->name, worst, where);
}
END_TEST

/* Multiples of pi are where a reduction without enough bits of pi shows. */
START_TEST(sine_near_its_zeros) {
    for (int k = 1; k < 100000; k++) {
        double x = k * 3.141592653589793;
        ck_assert_msg(ulps(netc_sin(x), sinl(x)) <= 1.2, "sin(%d pi)", k);
    }
}
END_TEST

START_TEST(the_same_bits_everywhere) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (uint32_t i = 0; i < 20000; i++)
        for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
            double y = cases[k].f(within(cases[k].lo, cases[k].hi, i, 3));
            hash = (hash ^ netc_bits(y)) * 1099511628211u;
        }
    ck_assert_uint_eq(hash, 9430851448806200045u);
}
END_TEST

START_TEST(special_values) {
    double inf = netc_inf(), nan = netc_nan();
    ck_assert(netc_exp(inf) == inf && netc_exp(-inf) == 0 && netc_exp(0) == 1);
    ck_assert(netc_exp(710) == inf && netc_exp(-746) == 0 && netc_exp(-745) > 0);
    ck_assert(netc_log(0) == -inf && netc_log(inf) == inf && netc_log(1) == 0);
    ck_assert(isnan(netc_log(-1)) && netc_log(0x1p-1074) == log(0x1p-1074));
    ck_assert(netc_tanh(inf) == 1 && netc_tanh(-inf) == -1 && signbit(netc_tanh(-0.0)));
    ck_assert(netc_erf(inf) == 1 && netc_erf(-inf) == -1 && signbit(netc_erf(-0.0)));
    ck_assert(isnan(netc_sin(inf)) && isnan(netc_cos(3e9)) && netc_cos(0) == 1);
    double (*const all[])(double) = {netc_exp, netc_log, netc_sin,  netc_cos,
                                     netc_tanh, netc_erf, netc_sqrt, netc_floor};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) ck_assert(isnan(all[i](nan)));
}
END_TEST

START_TEST(floor_is_libm_floor) {
    static const double x[] = {0.0, -0.0, 0.5, -0.5, 1, -1, 1.5, -1.5, 0x1p52, -0x1p52, 0x1p60,
                               4503599627370495.5, -4503599627370495.5, INFINITY, -INFINITY};
    for (size_t i = 0; i < sizeof x / sizeof *x; i++) {
        double y = netc_floor(x[i]);
        ck_assert(y == floor(x[i]) && (y == 0 || !signbit(y) == !signbit(floor(x[i]))));
    }
}
END_TEST

START_TEST(powers) {
    ck_assert(netc_pow(2, 10) == 1024 && netc_pow(2, -2) == 0.25 && netc_pow(-3, 3) == -27);
    ck_assert(netc_pow(0, 0) == 1 && netc_pow(NAN, 0) == 1 && netc_pow(1, NAN) == 1);
    ck_assert(netc_pow(0, 2) == 0 && netc_pow(0, -1) == netc_inf() && isnan(netc_pow(-2, 0.5)));
    ck_assert(netc_pow(0.5, 9007199254740992.0) == 0 && netc_pow(0, 0.5) == 0);
    for (uint32_t i = 0; i < 2000; i++) {
        double x = 4 * unit(i, 4), y = 20 * unit(i, 5) - 10, n = floor(y);
        ck_assert_double_eq_tol(netc_pow(x, y) / pow(x, y), 1, 1e-14);
        ck_assert_double_eq_tol(netc_pow(x, n) / pow(x, n), 1, 1e-14);
    }
    ck_assert_double_eq_tol(netc_pow(0.999, 100000) / pow(0.999, 100000), 1, 1e-11);
}
END_TEST

static float from_word(uint32_t u) {
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static void check_fma(float a, float b, float c) {
    float want = fmaf(a, b, c), exact = netc_fmaf_exact(a, b, c), got = netc_fmaf(a, b, c);
    if (isnan(want)) ck_assert(isnan(exact) && isnan(got));
    else ck_assert_msg(!memcmp(&want, &exact, 4) && !memcmp(&want, &got, 4),
                       "fma(%a, %a, %a) is %a, emulated %a", a, b, c, want, exact);
}

/* Any bits; numbers of one size, where rounding is hard; sums that cancel; denormal results. */
START_TEST(fma_is_exact) {
    for (uint32_t i = 0; i < 150000; i++) {
        uint32_t a = netc_philox(2, 0, 0, 0, i), b = netc_philox(2, 1, 0, 0, i);
        uint32_t c = netc_philox(2, 2, 0, 0, i);
        check_fma(from_word(a), from_word(b), from_word(c));
        float x = from_word((a & 0x80ffffff) | 0x3f000000);
        float y = from_word((b & 0x80ffffff) | 0x3f000000);
        check_fma(x, y, from_word((c & 0x87ffffff) | 0x38000000));
        check_fma(x, y, -(x * y));
        check_fma(x * 0x1p-70f, y * 0x1p-70f, from_word(c & 0x800fffff));
    }
}
END_TEST

/* Random123's known answers for philox4x32-10. */
START_TEST(philox_known_answers) {
    ck_assert_uint_eq(netc_philox(0, 0, 0, 0, 0), 0x6627e8d5);
    ck_assert_uint_eq(netc_philox(UINT64_MAX, ~0u, ~0u, ~0u, ~0u), 0x408f276d);
    ck_assert_uint_eq(
        netc_philox(0x299f31d0a4093822, 0x03707344, 0x13198a2e, 0x85a308d3, 0x243f6a88),
        0xd16cfe09);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("runtime: math");
    TCase *t = tcase_create("math");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, accuracy, 0, sizeof cases / sizeof *cases);
    tcase_add_test(t, sine_near_its_zeros);
    tcase_add_test(t, the_same_bits_everywhere);
    tcase_add_test(t, special_values);
    tcase_add_test(t, floor_is_libm_floor);
    tcase_add_test(t, powers);
    tcase_add_test(t, fma_is_exact);
    tcase_add_test(t, philox_known_answers);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
