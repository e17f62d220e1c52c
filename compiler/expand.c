/* expand.c: operators without an instruction become ones that have: exp, log, tanh, erf, sin, cos,
 * integer powers, flush, and random draws.
 *
 * Requires: graphs ready to be frozen. Establishes: the F32 and BOOL bodies use only + - * / sqrt
 * fma floor, comparisons, selection and integer arithmetic, all exact IEEE or modulo 2^32: the same
 * bits everywhere, and vectors as easily as scalars. Host scalars (F64) keep their operators.
 *
 * exp, log: Cephes expf, logf (Moshier, netlib.org/cephes); exp overflows at 88.376 instead of
 * 88.722, so that 2^n is one float. tanh: minimax rational 13/6; erf: rational on [-4, 4] (both
 * Eigen, MathFunctionsImpl.h). erfinv: Giles, "Approximating the erfinv function", 2010. Random
 * bits: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
 */
#include "passes.h"
#include <math.h>

typedef struct Expr E;

static E *f32(Pool *p, double x) { return e_num(p, T_F32, x); }
static E *u32(Pool *p, uint32_t x) { return e_num(p, T_U32, x); }
static E *op1(Pool *p, Op op, E *a) { return e_op(p, op, a, NULL, NULL); }
static E *op2(Pool *p, Op op, E *a, E *b) { return e_op(p, op, a, b, NULL); }
static E *fma3(Pool *p, E *a, E *b, E *c) { return e_op(p, OP_FMA, a, b, c); }

/* c[0] x^(n-1) + ... + c[n-1], by Horner's rule */
static E *horner(Pool *p, E *x, const double *c, int n) {
    E *y = f32(p, c[0]);
    for (int i = 1; i < n; i++) y = fma3(p, y, x, f32(p, c[i]));
    return y;
}

static E *power_of_two(Pool *p, E *n) { /* 2^n for the whole float n, -126 <= n <= 127 */
    E *biased = e_offset(p, op1(p, OP_INT, n), 127);
    return op1(p, OP_FROM_BITS, op2(p, OP_SHL, op1(p, OP_BITS, biased), u32(p, 23)));
}

static E *expand_exp(Pool *p, E *x) {
    static const double c[] = {1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3,
                               4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1};
    E *n = op1(p, OP_FLOOR, fma3(p, x, f32(p, 1.44269504088896341), f32(p, 0.5)));
    E *r = fma3(p, n, f32(p, -0.693359375), x);
    r = fma3(p, n, f32(p, 2.12194440e-4), r);
    E *y = fma3(p, horner(p, r, c, COUNT_OF(c)), e_mul(p, r, r), e_add(p, r, f32(p, 1)));
    y = e_mul(p, y, power_of_two(p, n));
    y = e_select(p, op2(p, OP_LT, x, f32(p, -87.3)), f32(p, 0), y);
    return e_select(p, op2(p, OP_LT, f32(p, 88.376), x), f32(p, INFINITY), y);
}

static E *expand_log(Pool *p, E *x) {
    static const double c[] = {7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1,
                               -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
                               2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1};
    E *tiny = op2(p, OP_LT, x, f32(p, 0x1p-126));
    E *u = op1(p, OP_BITS, e_select(p, tiny, e_mul(p, x, f32(p, 0x1p23)), x));
    E *exponent = op1(p, OP_SIGNED, op2(p, OP_SHR, u, u32(p, 23)));
    E *e = e_sub(p, op1(p, OP_FLOAT, exponent), e_select(p, tiny, f32(p, 149), f32(p, 126)));
    E *m = op1(p, OP_FROM_BITS, op2(p, OP_XOR, op2(p, OP_BITAND, u, u32(p, 0x7fffff)),
                                    u32(p, 0x3f000000)));
    E *small = op2(p, OP_LT, m, f32(p, 0.707106781186547524));
    e = e_select(p, small, e_sub(p, e, f32(p, 1)), e);
    m = e_sub(p, e_select(p, small, e_add(p, m, m), m), f32(p, 1));
    E *z = e_mul(p, m, m);
    E *y = e_mul(p, e_mul(p, m, z), horner(p, m, c, COUNT_OF(c)));
    y = fma3(p, e, f32(p, -2.12194440e-4), y);
    y = fma3(p, z, f32(p, -0.5), y);
    y = fma3(p, e, f32(p, 0.693359375), e_add(p, m, y));
    E *zero = f32(p, 0), *inf = f32(p, INFINITY);
    y = e_select(p, op2(p, OP_LT, x, inf), y, x); /* infinity, NaN */
    y = e_select(p, op2(p, OP_EQ, x, zero), f32(p, -INFINITY), y);
    return e_select(p, op2(p, OP_LT, x, zero), f32(p, NAN), y);
}

static E *clamp(Pool *p, E *x, double limit) { /* keeps NaN */
    return op2(p, OP_MIN, op2(p, OP_MAX, x, f32(p, -limit)), f32(p, limit));
}

static E *odd_rational(Pool *p, E *x, const double *a, int n, const double *b, int m) {
    E *z = e_mul(p, x, x);
    return op2(p, OP_DIV, e_mul(p, x, horner(p, z, a, n)), horner(p, z, b, m));
}

static E *expand_tanh(Pool *p, E *x) {
    static const double a[] = {-2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11,
                               5.12229709037114e-08,  1.48572235717979e-05, 6.37261928875436e-04,
                               4.89352455891786e-03};
    static const double b[] = {1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03,
                               4.89352518554385e-03};
    return odd_rational(p, clamp(p, x, 7.90531110763549805), a, COUNT_OF(a), b, COUNT_OF(b));
}

static E *expand_erf(Pool *p, E *x) {
    static const double a[] = {-2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06,
                               -5.69250639462346e-05, -7.34990630326855e-04, -2.95459980854025e-03,
                               -1.60960333262415e-02};
    static const double b[] = {-1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03,
                               -7.37332916720468e-03, -1.42647390514189e-02};
    return odd_rational(p, clamp(p, x, 4), a, COUNT_OF(a), b, COUNT_OF(b));
}

/* sin(r + k pi) = (-1)^k sin(r); cos(x) = -sin(x - (k + 1/2) pi) (-1)^k with k = floor(x / pi) */
static E *expand_wave(Pool *p, E *x, bool cosine) {
    static const double c[] = {-2.3889859e-08, 2.7525562e-06, -1.9840874e-04, 8.3333310e-03,
                               -1.6666667e-01};
    E *turns = e_mul(p, x, f32(p, 0.318309886183790672));
    E *k = op1(p, OP_FLOOR, cosine ? turns : e_add(p, turns, f32(p, 0.5)));
    E *by = cosine ? e_add(p, k, f32(p, 0.5)) : k;
    E *r = fma3(p, by, f32(p, -3.140625), x);
    r = fma3(p, by, f32(p, -9.67502593994140625e-4), r);
    r = fma3(p, by, f32(p, -1.509957990978376432e-7), r);
    E *z = e_mul(p, r, r);
    E *y = fma3(p, e_mul(p, r, z), horner(p, z, c, COUNT_OF(c)), r);
    E *half = e_mul(p, k, f32(p, 0.5));
    E *even = op2(p, OP_EQ, op1(p, OP_FLOOR, half), half);
    E *negative = op1(p, OP_NEG, y);
    return cosine ? e_select(p, even, negative, y) : e_select(p, even, y, negative);
}

static E *expand_power(Pool *p, E *x, E *exponent) {
    if (!is_const(exponent)) die("a power of a tensor with an exponent that is no constant");
    double n = exponent->num < 0 ? -exponent->num : exponent->num;
    if (n == 0) return f32(p, 1);
    E *y = NULL;
    for (unsigned long bits = (unsigned long)n; bits; bits >>= 1, x = e_mul(p, x, x)) {
        if (bits & 1) y = y ? e_mul(p, y, x) : x;
        if (bits == 1) break;
    }
    return exponent->num < 0 ? op2(p, OP_DIV, f32(p, 1), y) : y;
}

static E *expand_flush(Pool *p, E *x) {
    E *tiny = op2(p, OP_LT, op1(p, OP_ABS, x), f32(p, 0x1p-126));
    return e_select(p, tiny, f32(p, 0), x);
}

static E *random_bits(Pool *p, const E *e) {
    E *c0 = op1(p, OP_BITS, e->arg[1]), *c1 = op1(p, OP_BITS, e->arg[0]);
    E *c2 = e_host(p, HOST_STEP_BITS), *c3 = u32(p, (uint32_t)e->draw.site);
    E *m0 = u32(p, 0xD2511F53u), *m1 = u32(p, 0xCD9E8D57u);
    for (uint32_t i = 0; i < 10; i++) {
        E *k0 = op2(p, OP_ADD, e_host(p, HOST_SEED_LOW), u32(p, i * 0x9E3779B9u));
        E *k1 = op2(p, OP_ADD, e_host(p, HOST_SEED_HIGH), u32(p, i * 0xBB67AE85u));
        E *high0 = op2(p, OP_MULHI, m0, c0), *low0 = op2(p, OP_MUL, m0, c0);
        E *high1 = op2(p, OP_MULHI, m1, c2), *low1 = op2(p, OP_MUL, m1, c2);
        c0 = op2(p, OP_XOR, op2(p, OP_XOR, high1, c1), k0);
        c1 = low1;
        c2 = op2(p, OP_XOR, op2(p, OP_XOR, high0, c3), k1);
        c3 = low0;
    }
    return c0;
}

static E *expand_normal(Pool *p, E *k) {
    static const double near[] = {2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06,
                                  0.00021858087, -0.00125372503, -0.00417768164, 0.246640727,
                                  1.50140941};
    static const double far[] = {-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844,
                                 0.00573950773, -0.0076224613, 0.00943887047, 1.00167406,
                                 2.83297682};
    E *x = fma3(p, k, f32(p, 0x1p-23), f32(p, 0x1p-24 - 1));
    E *one = f32(p, 1);
    E *w = op1(p, OP_NEG, expand_log(p, e_mul(p, e_sub(p, one, x), e_add(p, one, x))));
    E *a = horner(p, e_sub(p, w, f32(p, 2.5)), near, COUNT_OF(near));
    E *b = horner(p, e_sub(p, op1(p, OP_SQRT, w), f32(p, 3)), far, COUNT_OF(far));
    E *y = e_mul(p, e_select(p, op2(p, OP_LT, w, f32(p, 5)), a, b), x);
    return e_mul(p, y, f32(p, 1.41421356237309505));
}

static E *expand_draw(Pool *p, E *e) {
    E *u = random_bits(p, e);
    E *k = op1(p, OP_FLOAT, op1(p, OP_SIGNED, op2(p, OP_SHR, u, u32(p, 8))));
    switch (e->draw.kind) {
    case DRAW_UNIFORM: return e_mul(p, k, f32(p, 0x1p-24));
    case DRAW_NORMAL: return expand_normal(p, k);
    case DRAW_INTEGER:
        return op1(p, OP_SIGNED, op2(p, OP_MULHI, u, u32(p, (uint32_t)e->arg[2]->num)));
    default: break;
    }
    E *threshold = e_mul(p, e->arg[2], e_num(p, T_F64, 0x1p32));
    if (!is_const(threshold)) return op2(p, OP_LT, u, op1(p, OP_WORD, threshold));
    if (threshold->num >= 0x1p32) return e_bool(p, true);
    return op2(p, OP_LT, u, u32(p, (uint32_t)floor(threshold->num)));
}

static E *expand_one(void *context, E *e) {
    Pool *p = context;
    if (e->op == OP_DRAW) return expand_draw(p, e);
    if (e->type != T_F32) return e;
    switch (e->op) {
    case OP_EXP: return expand_exp(p, e->arg[0]);
    case OP_LOG: return expand_log(p, e->arg[0]);
    case OP_TANH: return expand_tanh(p, e->arg[0]);
    case OP_ERF: return expand_erf(p, e->arg[0]);
    case OP_SIN: return expand_wave(p, e->arg[0], false);
    case OP_COS: return expand_wave(p, e->arg[0], true);
    case OP_POW: return expand_power(p, e->arg[0], e->arg[1]);
    case OP_FLUSH: return expand_flush(p, e->arg[0]);
    default: return e;
    }
}

void expand(Graph *g) {
    Pool *p = g->program->pool;
    for (int i = 0; i < g->nodes.n; i++) {
        Node *n = g->nodes.at[i];
        if (n->kind != NODE_COMP) continue;
        n->body = e_rewrite(p, n->body, expand_one, p);
        if (n->guard) n->guard = e_rewrite(p, n->guard, expand_one, p);
        if (n->init) n->init = e_rewrite(p, n->init, expand_one, p);
    }
}
