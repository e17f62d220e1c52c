/* interpret_ops.c: what each operator does, by type: F32 as floats or as doubles, F64, I32, U32. */
#include "interpret_code.h"
#include "netc_math.h"
#include <math.h>

#define UNARY(name, x) \
    static double name(double a, double b, double c) { return (x); }
#define BINARY(name, x) UNARY(name, x)

/* --- floats; f_ of F32, d_ of F32 in double, h_ of F64 by the runtime's arithmetic --- */

BINARY(f_add, (float)a + (float)b)
BINARY(f_sub, (float)a - (float)b)
BINARY(f_mul, (float)a *(float)b)
BINARY(f_div, (float)a / (float)b)
UNARY(f_fma, netc_fmaf((float)a, (float)b, (float)c))
UNARY(f_sqrt, sqrtf((float)a))
UNARY(f_exp, (float)exp(a))
UNARY(f_log, (float)log(a))
UNARY(f_tanh, (float)tanh(a))
UNARY(f_erf, (float)erf(a))
UNARY(f_cos, (float)cos(a))
UNARY(f_sin, (float)sin(a))
BINARY(f_pow, (float)netc_pow(a, b))
UNARY(f_round, (float)a)

BINARY(d_add, a + b)
BINARY(d_sub, a - b)
BINARY(d_mul, a *b)
BINARY(d_div, a / b)
UNARY(d_neg, -a)
UNARY(d_fma, fma(a, b, c))
BINARY(d_min, b < a ? b : a)
BINARY(d_max, b > a ? b : a)
UNARY(d_abs, fabs(a))
UNARY(d_sqrt, sqrt(a))
UNARY(d_floor, floor(a))
UNARY(d_exp, exp(a))
UNARY(d_log, log(a))
UNARY(d_tanh, tanh(a))
UNARY(d_erf, erf(a))
UNARY(d_cos, cos(a))
UNARY(d_sin, sin(a))
BINARY(d_pow, pow(a, b))
UNARY(d_flush, fabs(a) < 0x1p-126 ? 0 : a)
UNARY(d_same, a)

UNARY(h_exp, netc_exp(a))
UNARY(h_log, netc_log(a))
UNARY(h_tanh, netc_tanh(a))
UNARY(h_erf, netc_erf(a))
UNARY(h_cos, netc_cos(a))
UNARY(h_sin, netc_sin(a))
BINARY(h_pow, netc_pow(a, b))

/* --- integers --- */

static double to_i32(double x) {
    return x != x ? 0 : x > INT32_MAX ? INT32_MAX : x < INT32_MIN ? INT32_MIN : trunc(x);
}

static uint32_t u(double x) { return (uint32_t)(int64_t)to_i32(x - 2147483648.0) + 0x80000000u; }

static uint32_t float_bits(double x) {
    float f = (float)x;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static double float_of_bits(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

BINARY(i_div, floor(a / b))
BINARY(i_mod, a - b * floor(a / b))
UNARY(i_float, (float)a)
UNARY(i_int, to_i32(a))
UNARY(i_bits, (uint32_t)(int32_t)to_i32(a))
UNARY(f_bits, float_bits(a))
BINARY(u_add, u(a) + u(b))
BINARY(u_sub, u(a) - u(b))
BINARY(u_mul, u(a) * u(b))
BINARY(u_mulhi, (uint32_t)((uint64_t)u(a) * u(b) >> 32))
BINARY(u_xor, u(a) ^ u(b))
BINARY(u_and, u(a) & u(b))
BINARY(u_shl, b > 31 ? 0 : u(a) << u(b))
BINARY(u_shr, b > 31 ? 0 : u(a) >> u(b))
UNARY(u_from_bits, float_of_bits(u(a)))
UNARY(u_signed, (int32_t)u(a))
UNARY(u_word, a >= 4294967295 ? 4294967295 : a >= 0 ? floor(a) : 0)

/* --- conditions --- */

BINARY(c_lt, a < b)
BINARY(c_le, a <= b)
BINARY(c_eq, a == b)
BINARY(c_ne, a != b)
BINARY(c_and, a != 0 && b != 0)
BINARY(c_or, a != 0 || b != 0)
UNARY(c_not, a == 0)
UNARY(c_select, a != 0 ? b : c)

static Function *const any_type[N_OPS] = {
    [OP_LT] = c_lt, [OP_LE] = c_le, [OP_EQ] = c_eq, [OP_NE] = c_ne, [OP_AND] = c_and,
    [OP_OR] = c_or, [OP_NOT] = c_not, [OP_SELECT] = c_select, [OP_MIN] = d_min, [OP_MAX] = d_max,
    [OP_NEG] = d_neg, [OP_ABS] = d_abs, [OP_FLOOR] = d_floor, [OP_FLUSH] = d_flush,
    [OP_IDIV] = i_div, [OP_IMOD] = i_mod, [OP_DOUBLE] = d_same, [OP_INT] = i_int,
    [OP_FROM_BITS] = u_from_bits, [OP_SIGNED] = u_signed, [OP_MULHI] = u_mulhi, [OP_XOR] = u_xor,
    [OP_BITAND] = u_and, [OP_SHL] = u_shl, [OP_SHR] = u_shr,
    [OP_WORD] = u_word,
};
static Function *const single[N_OPS] = {
    [OP_ADD] = f_add, [OP_SUB] = f_sub, [OP_MUL] = f_mul, [OP_DIV] = f_div, [OP_FMA] = f_fma,
    [OP_SQRT] = f_sqrt, [OP_EXP] = f_exp, [OP_LOG] = f_log, [OP_TANH] = f_tanh, [OP_ERF] = f_erf,
    [OP_COS] = f_cos, [OP_SIN] = f_sin, [OP_POW] = f_pow, [OP_BITS] = f_bits,
};
static Function *const twice[N_OPS] = {
    [OP_ADD] = d_add, [OP_SUB] = d_sub, [OP_MUL] = d_mul, [OP_DIV] = d_div, [OP_FMA] = d_fma,
    [OP_SQRT] = d_sqrt, [OP_EXP] = d_exp, [OP_LOG] = d_log, [OP_TANH] = d_tanh, [OP_ERF] = d_erf,
    [OP_COS] = d_cos, [OP_SIN] = d_sin, [OP_POW] = d_pow, [OP_BITS] = f_bits,
};
static Function *const host[N_OPS] = {
    [OP_ADD] = d_add, [OP_SUB] = d_sub, [OP_MUL] = d_mul, [OP_DIV] = d_div, [OP_SQRT] = d_sqrt,
    [OP_EXP] = h_exp, [OP_LOG] = h_log, [OP_TANH] = h_tanh, [OP_ERF] = h_erf, [OP_COS] = h_cos,
    [OP_SIN] = h_sin, [OP_POW] = h_pow,
};
static Function *const integer[N_OPS] = {
    [OP_ADD] = d_add, [OP_SUB] = d_sub, [OP_MUL] = d_mul, [OP_BITS] = i_bits,
};
static Function *const bits[N_OPS] = {[OP_ADD] = u_add, [OP_SUB] = u_sub, [OP_MUL] = u_mul};

Function *function_of(const Expr *e, bool in_double) {
    if (e->op == OP_ROUND) return in_double ? d_same : f_round;
    if (e->op == OP_FLOAT) return in_double ? d_same : i_float;
    if (any_type[e->op]) return any_type[e->op];
    Function *const *table = NULL;
    switch (e->arg[0]->type) {
    case T_F32: table = in_double ? twice : single; break;
    case T_F64: table = host; break;
    case T_I32: table = integer; break;
    case T_U32: table = bits; break;
    default: break;
    }
    if (!table || !table[e->op]) {
        die("%s of %s", op_info[e->op].name, type_names[e->arg[0]->type]);
    }
    return table[e->op];
}
