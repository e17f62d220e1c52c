/* netc_math.h: scalar arithmetic with the same bits from every compiler: no libm, no tables.
 *
 * The functions of doubles serve host expressions (schedules, bias corrections) and are within
 * about an ulp or two of the exact value. Their coefficients and reductions are those of fdlibm
 * (Sun Microsystems, 1993: e_exp.c, e_log.c, k_sin.c, k_cos.c, s_erf.c; "permission to use, copy,
 * modify, and distribute this software is freely granted") and, for tanh, of Cephes (S. L. Moshier,
 * tanh.c).
 * A product that feeds a sum goes through netc_times, so that a compiler that is allowed to
 * contract the two into one fma still cannot: the result does not hang on its flags.
 */
#ifndef NETC_MATH_H
#define NETC_MATH_H
#include <stdint.h>
#include <string.h>

#ifdef __FAST_MATH__
#error "netc needs IEEE arithmetic: compile without -ffast-math and -Ofast"
#endif
#if defined(__FLT_EVAL_METHOD__) && (__FLT_EVAL_METHOD__ == 1 || __FLT_EVAL_METHOD__ == 2)
#error "netc needs arithmetic without excess precision (on i386: -msse2 -mfpmath=sse)"
#endif

static inline uint64_t netc_bits(double x) {
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline double netc_from_bits(uint64_t u) {
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static inline double netc_inf(void) { return netc_from_bits((uint64_t)0x7ff << 52); }
static inline double netc_nan(void) { return netc_from_bits((uint64_t)0x7ff8 << 48); }
static inline double netc_abs(double x) { return netc_from_bits(netc_bits(x) << 1 >> 1); }

/* a * b rounded, out of the reach of contraction. */
static inline double netc_times(double a, double b) {
    double p = a * b;
    __asm__("" : "+m"(p));
    return p;
}

/* c[0] + c[1] x + ... + c[n - 1] x^(n - 1), by Horner. */
static inline double netc_poly(double x, const double *c, int n) {
    double r = c[n - 1];
    for (int i = n - 2; i >= 0; i--) r = netc_times(r, x) + c[i];
    return r;
}

/* x * 2^k for -2044 <= k <= 2046, rounded once where the result is normal. */
static inline double netc_scale(double x, int k) {
    int first = k / 2, second = k - first;
    return x * netc_from_bits((uint64_t)(1023 + first) << 52) *
           netc_from_bits((uint64_t)(1023 + second) << 52);
}

/* Correctly rounded. The instruction by name: for __builtin_sqrt compilers may call libm, to set
 * errno where x is negative. */
static inline double netc_sqrt(double x) {
#ifdef __SSE2__
    __asm__("sqrtsd %0, %0" : "+x"(x));
    return x;
#else
    return __builtin_sqrt(x);
#endif
}

static inline double netc_floor(double x) {
    if (!(netc_abs(x) < 4503599627370496.0) || x == 0) return x; /* 2^52: whole; or NaN; or -0 */
    double t = (double)(int64_t)x;
    return t > x ? t - 1 : t;
}

#define NETC_LN2_HI 6.93147180369123816490e-01
#define NETC_LN2_LO 1.90821492927058770002e-10

/* exp(r) = 1 + 2r / (R - r), R = r (exp(r) + 1) / (exp(r) - 1) = 2 + P1 r^2 + ... */
static inline double netc_exp(double x) {
    static const double p[] = {1.66666666666666019037e-01, -2.77777777770155933842e-03,
                               6.61375632143793436117e-05, -1.65339022054652515390e-06,
                               4.13813679705723846039e-08};
    if (x != x) return x;
    if (x > 709.782712893383973096) return netc_inf();
    if (x < -745.13321910194110842) return 0;
    double k = netc_floor(netc_times(x, 1.44269504088896338700) + 0.5);
    double hi = x - netc_times(k, NETC_LN2_HI), lo = netc_times(k, NETC_LN2_LO), r = hi - lo;
    double t = r * r, c = r - netc_times(t, netc_poly(t, p, 5));
    return netc_scale(1 - ((lo - netc_times(r, c) / (2 - c)) - hi), (int)k);
}

/* x = 2^k (1 + f), sqrt(2)/2 < 1 + f < sqrt(2); log(1 + f) = f - f^2/2 + s (f^2/2 + R(s^2)). */
static inline double netc_log(double x) {
    static const double p[] = {6.666666666666735130e-01, 3.999999999940941908e-01,
                               2.857142874366239149e-01, 2.222219843214978396e-01,
                               1.818357216161805012e-01, 1.531383769920937332e-01,
                               1.479819860511658591e-01};
    if (x != x || x == netc_inf()) return x;
    if (x == 0) return -netc_inf();
    if (x < 0) return netc_nan();
    int k = 0;
    if (x < 2.2250738585072014e-308) {
        x *= 18014398509481984.0; /* 2^54: out of the denormals */
        k = -54;
    }
    uint64_t u = netc_bits(x) + ((uint64_t)(0x3ff00000 - 0x3fe6a09e) << 32);
    k += (int)(u >> 52) - 1023;
    u = (u & 0xfffffffffffffu) + ((uint64_t)0x3fe6a09e << 32);
    double f = netc_from_bits(u) - 1, half = netc_times(0.5 * f, f), s = f / (2 + f), z = s * s;
    double r = netc_times(z, netc_poly(z, p, 7));
    return netc_times(s, half + r) + netc_times(k, NETC_LN2_LO) - half + f +
           netc_times(k, NETC_LN2_HI);
}

/* a * b = hi + lo exactly (Dekker, with Veltkamp's split). */
static inline double netc_two_times(double a, double b, double *lo) {
    double p = netc_times(a, b), s = netc_times(a, 134217729.0), t = netc_times(b, 134217729.0);
    double ah = s - (s - a), al = a - ah, bh = t - (t - b), bl = b - bh;
    *lo = netc_times(al, bl) -
          (((p - netc_times(ah, bh)) - netc_times(al, bh)) - netc_times(ah, bl));
    return p;
}

/* a + b = sum + lo exactly (Knuth). */
static inline double netc_two_plus(double a, double b, double *lo) {
    double s = a + b, t = s - a;
    *lo = (a - (s - t)) + (b - t);
    return s;
}

/* x = n pi/2 + r + tail, |r| <= pi/4 or a little more; returns r. pi/2 is the sum of three
 * doubles, n times the first two exact, so that r keeps its bits up to |x| = 2^31. */
static inline double netc_reduce(double x, int *quadrant, double *tail) {
    const double pi1 = 1.5707963267948966, pi2 = 6.123233995736766e-17;
    const double pi3 = -1.4973849048591833e-33;
    double n = netc_floor(netc_times(x, 0.63661977236758134) + 0.5), l1, l2, e1, e2, e3;
    double h1 = netc_two_times(n, pi1, &l1), h2 = netc_two_times(n, pi2, &l2);
    double r = netc_two_plus(x - h1, -l1, &e1);
    r = netc_two_plus(r, -h2, &e2);
    r = netc_two_plus(r, e1 + (e2 - (l2 + netc_times(n, pi3))), &e3);
    *quadrant = (int)(n - 4 * netc_floor(n / 4));
    *tail = e3;
    return r;
}

/* sin(r + tail) for |r| <= pi/4. */
static inline double netc_sin_kernel(double r, double tail) {
    static const double p[] = {8.33333333332248946124e-03, -1.98412698298579493134e-04,
                               2.75573137070700676789e-06, -2.50507602534068634195e-08,
                               1.58969099521155010221e-10};
    double z = r * r, v = z * r, q = netc_poly(z, p, 5);
    double inner = netc_times(z, netc_times(0.5, tail) - netc_times(v, q)) - tail;
    return r - (inner - netc_times(v, -1.66666666666666324348e-01));
}

/* cos(r + tail) for |r| <= pi/4. */
static inline double netc_cos_kernel(double r, double tail) {
    static const double p[] = {4.16666666666666019037e-02, -1.38888888888741095749e-03,
                               2.48015872894767294178e-05, -2.75573143513906633035e-07,
                               2.08757232129817482790e-09, -1.13596475577881948265e-11};
    double z = r * r, half = netc_times(0.5, z), w = 1 - half;
    double q = netc_times(netc_times(z, z), netc_poly(z, p, 6)) - netc_times(r, tail);
    return w + (((1 - w) - half) + q);
}

/* sin(x + quarter pi/2); NaN beyond 2^31, where the number of quarters gets inexact. */
static inline double netc_circular(double x, int quarter) {
    int quadrant;
    double tail, r;
    if (!(netc_abs(x) <= 2147483648.0)) return netc_nan();
    r = netc_reduce(x, &quadrant, &tail);
    quadrant = (quadrant + quarter) & 3;
    double y = quadrant & 1 ? netc_cos_kernel(r, tail) : netc_sin_kernel(r, tail);
    return quadrant & 2 ? -y : y;
}

static inline double netc_sin(double x) { return netc_circular(x, 0); }
static inline double netc_cos(double x) { return netc_circular(x, 1); }

/* By repeated squaring where y is whole, else exp(y log x): NaN for negative x. */
static inline double netc_pow(double x, double y) {
    if (y == 0 || x == 1) return 1;
    if (x != x || y != y) return netc_nan();
    if (netc_floor(y) == y && netc_abs(y) <= 9007199254740992.0) {
        double r = 1, square = x;
        for (uint64_t n = (uint64_t)netc_abs(y); n; n >>= 1, square *= square)
            if (n & 1) r *= square;
        return y < 0 ? 1 / r : r;
    }
    if (x == 0) return y < 0 ? netc_inf() : 0;
    return netc_exp(netc_times(y, netc_log(x)));
}

static inline double netc_tanh(double x) {
    static const double p[] = {-1.61468768441708447952e3, -9.92877231001918586564e1,
                               -9.64399179425052238628e-1};
    static const double q[] = {4.84406305325125486048e3, 2.23548839060100448583e3,
                               1.12811678491632931402e2, 1};
    double a = netc_abs(x), z = x * x;
    if (x == 0) return x;
    if (a < 0.625) return x + netc_times(x, netc_times(z, netc_poly(z, p, 3) / netc_poly(z, q, 4)));
    if (x != x) return x;
    double y = a > 22 ? 1 : 1 - 2 / (netc_exp(2 * a) + 1);
    return x < 0 ? -y : y;
}

/* exp(-x^2 - 0.5625 + R/S) / x, for erf beyond 1.25: x^2 in two exact parts. */
static inline double netc_erf_tail(double x, double ratio) {
    double z = netc_from_bits(netc_bits(x) & 0xffffffff00000000u);
    return netc_exp(netc_times(-z, z) - 0.5625) *
           netc_exp(netc_times(z - x, z + x) + ratio) / x;
}

static inline double netc_erf(double x) {
    static const double pp[] = {1.28379167095512558561e-01, -3.25042107247001499370e-01,
                                -2.84817495755985104766e-02, -5.77027029648944159157e-03,
                                -2.37630166566501626084e-05};
    static const double qq[] = {1, 3.97917223959155352819e-01, 6.50222499887672944485e-02,
                                5.08130628187576562776e-03, 1.32494738004321644526e-04,
                                -3.96022827877536812320e-06};
    static const double pa[] = {-2.36211856075265944077e-03, 4.14856118683748331666e-01,
                                -3.72207876035701323847e-01, 3.18346619901161753674e-01,
                                -1.10894694282396677476e-01, 3.54783043256182359371e-02,
                                -2.16637559486879084300e-03};
    static const double qa[] = {1, 1.06420880400844228286e-01, 5.40397917702171048937e-01,
                                7.18286544141962662868e-02, 1.26171219808761642112e-01,
                                1.36370839120290507362e-02, 1.19844998467991074170e-02};
    static const double ra[] = {-9.86494403484714822705e-03, -6.93858572707181764372e-01,
                                -1.05586262253232909814e+01, -6.23753324503260060396e+01,
                                -1.62396669462573470355e+02, -1.84605092906711035994e+02,
                                -8.12874355063065934246e+01, -9.81432934416914548592e+00};
    static const double sa[] = {1, 1.96512716674392571292e+01, 1.37657754143519042600e+02,
                                4.34565877475229228821e+02, 6.45387271733267880336e+02,
                                4.29008140027567833386e+02, 1.08635005541779435134e+02,
                                6.57024977031928170135e+00, -6.04244152148580987438e-02};
    static const double rb[] = {-9.86494292470009928597e-03, -7.99283237680523006574e-01,
                                -1.77579549177547519889e+01, -1.60636384855821916062e+02,
                                -6.37566443368389627722e+02, -1.02509513161107724954e+03,
                                -4.83519191608651397019e+02};
    static const double sb[] = {1, 3.03380607434824582924e+01, 3.25792512996573918826e+02,
                                1.53672958608443695994e+03, 3.19985821950859553908e+03,
                                2.55305040643316442583e+03, 4.74528541206955367215e+02,
                                -2.24409524465858183362e+01};
    double a = netc_abs(x), y;
    if (x != x) return x;
    if (a < 0.84375) {
        double z = x * x;
        return x + netc_times(x, netc_poly(z, pp, 5) / netc_poly(z, qq, 6));
    }
    if (a < 1.25) {
        double s = a - 1;
        y = 8.45062911510467529297e-01 + netc_poly(s, pa, 7) / netc_poly(s, qa, 7);
    } else if (a >= 6) {
        y = 1;
    } else {
        double s = 1 / (a * a);
        y = 1 - netc_erf_tail(a, a < 1 / 0.35 ? netc_poly(s, ra, 8) / netc_poly(s, sa, 9)
                                              : netc_poly(s, rb, 7) / netc_poly(s, sb, 8));
    }
    return x < 0 ? -y : y;
}

/* a * b + c, rounded once, without hardware for it: the product is exact in double, the sum is
 * rounded to odd (its error nudges an even last bit), which makes the second rounding harmless
 * (Boldo and Melquiond, Emulation of FMA and correctly rounded sums, 2008). */
static inline float netc_fmaf_exact(float a, float b, float c) {
    double p = (double)a * b, e, s = netc_two_plus(p, c, &e);
    uint64_t u = netc_bits(s);
    if (s - s == 0 && e != 0 && !(u & 1)) u += (e > 0) == (s > 0) ? 1 : -1;
    return (float)netc_from_bits(u);
}

static inline float netc_fmaf(float a, float b, float c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA) || defined(__FP_FAST_FMAF)
    return __builtin_fmaf(a, b, c);
#else
    return netc_fmaf_exact(a, b, c);
#endif
}

/* The first word of Philox 4x32-10 (Salmon, Moraes, Dror, Shaw, SC 2011) at counter (element,
 * sample, step, site), keyed by the seed. */
static inline uint32_t netc_philox(uint64_t seed, uint32_t site, uint32_t step, uint32_t sample,
                                   uint32_t element) {
    uint32_t c0 = element, c1 = sample, c2 = step, c3 = site;
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return c0;
}
#endif
