/* operator.c: e_op, the constructor of every operator, and the simplifications that are exact.
 *
 * Integers go to index.c, conditions to logic.c. Of floats nothing is reassociated; constants of
 * F64 fold by the runtime's arithmetic, so that the compiler's numbers are the program's.
 */
#include "expr_build.h"
#include "netc_math.h"
#include <string.h>

static bool is_num(const Expr *e, double x) { return e->op == OP_CONST && e->num == x; }

static bool is_float(Type t) { return t == T_F32 || t == T_F64; }

static Expr *raw(Pool *p, Op op, Expr *a, Expr *b, Expr *c) {
    Expr *arg[3] = {a, b, c};
    Type type = op_info[op].type;
    if (type == N_TYPES) type = op == OP_SELECT ? b->type : a->type;
    return expr_raw(p, op, type, op_info[op].arity, arg);
}

Expr *e_add(Pool *p, Expr *a, Expr *b) { return e_op(p, OP_ADD, a, b, NULL); }

Expr *e_sub(Pool *p, Expr *a, Expr *b) { return e_op(p, OP_SUB, a, b, NULL); }

Expr *e_mul(Pool *p, Expr *a, Expr *b) { return e_op(p, OP_MUL, a, b, NULL); }

Expr *e_and(Pool *p, Expr *a, Expr *b) { return logic_and(p, a, b); }

Expr *e_select(Pool *p, Expr *c, Expr *a, Expr *b) { return e_op(p, OP_SELECT, c, a, b); }

/* --- integers --- */

static Expr *int_sum(Pool *p, Expr *a, Expr *b, long by) {
    Sum s;
    sum_init(&s, p);
    sum_add(&s, a, 1);
    sum_add(&s, b, by);
    return sum_expr(&s);
}

static Expr *int_minmax(Pool *p, Op op, Expr *a, Expr *b) {
    Range d = expr_range(int_sum(p, a, b, -1));
    if (d.lo >= 0) return op == OP_MAX ? a : b;
    if (d.hi <= 0) return op == OP_MAX ? b : a;
    return a->id < b->id ? raw(p, op, a, b, NULL) : raw(p, op, b, a, NULL);
}

static Expr *int_op(Pool *p, Op op, Expr *a, Expr *b, Expr *c) {
    switch (op) {
    case OP_ADD: return int_sum(p, a, b, 1);
    case OP_SUB: return int_sum(p, a, b, -1);
    case OP_NEG: return e_scale(p, a, -1);
    case OP_MUL:
        if (is_const(a)) return e_scale(p, b, (long)a->num);
        if (is_const(b)) return e_scale(p, a, (long)b->num);
        return a->id < b->id ? raw(p, op, a, b, NULL) : raw(p, op, b, a, NULL);
    case OP_MIN:
    case OP_MAX: return int_minmax(p, op, a, b);
    case OP_ABS:
        if (expr_range(a).lo >= 0) return a;
        if (expr_range(a).hi <= 0) return e_scale(p, a, -1);
        return raw(p, op, a, NULL, NULL);
    case OP_IDIV:
    case OP_IMOD:
        if (!is_const(b) || b->num < 1) die("the divisor of an index is no positive constant");
        if (op == OP_IDIV) return index_div(p, a, (long)b->num);
        return index_mod(p, a, (long)b->num);
    case OP_LT:
    case OP_LE:
    case OP_EQ:
    case OP_NE: return logic_compare(p, op, a, b);
    case OP_FLOAT:
        if (is_const(a)) return e_num(p, T_F32, (float)a->num);
        return raw(p, op, a, NULL, NULL);
    case OP_DOUBLE:
        if (is_const(a)) return e_num(p, T_F64, a->num);
        return raw(p, op, a, NULL, NULL);
    case OP_BITS:
        if (is_const(a)) return e_num(p, T_U32, (uint32_t)(int32_t)a->num);
        return raw(p, op, a, NULL, NULL);
    default: die("%s of integers", op_info[op].name);
    }
}

/* --- random bits --- */

static Expr *bits_op(Pool *p, Op op, Expr *a, Expr *b, Expr *c) {
    if (!is_const(a) || (b && !is_const(b))) return raw(p, op, a, b, c);
    uint32_t x = (uint32_t)a->num, y = b ? (uint32_t)b->num : 0, z;
    switch (op) {
    case OP_ADD: z = x + y; break;
    case OP_SUB: z = x - y; break;
    case OP_MUL: z = x * y; break;
    case OP_MULHI: z = (uint32_t)((uint64_t)x * y >> 32); break;
    case OP_XOR: z = x ^ y; break;
    case OP_BITAND: z = x & y; break;
    case OP_SHL: z = y > 31 ? 0 : x << y; break;
    case OP_SHR: z = y > 31 ? 0 : x >> y; break;
    case OP_LT: return e_bool(p, x < y);
    case OP_LE: return e_bool(p, x <= y);
    case OP_EQ: return e_bool(p, x == y);
    case OP_NE: return e_bool(p, x != y);
    case OP_FLOAT: return e_num(p, T_F32, (float)x);
    case OP_SIGNED: return e_int(p, (int32_t)x);
    default: return raw(p, op, a, b, c);
    }
    return e_num(p, T_U32, z);
}

/* --- floats --- */

static double fold2(Op op, double x, double y) {
    switch (op) {
    case OP_ADD: return x + y;
    case OP_SUB: return x - y;
    case OP_MUL: return x * y;
    case OP_DIV: return x / y;
    case OP_MIN: return y < x ? y : x;
    case OP_MAX: return y > x ? y : x;
    case OP_POW: return netc_pow(x, y);
    default: die("%s of F64 constants", op_info[op].name);
    }
}

static double fold1(Op op, double x) {
    switch (op) {
    case OP_NEG: return -x;
    case OP_ABS: return netc_abs(x);
    case OP_SQRT: return netc_sqrt(x);
    case OP_FLOOR: return netc_floor(x);
    case OP_EXP: return netc_exp(x);
    case OP_LOG: return netc_log(x);
    case OP_TANH: return netc_tanh(x);
    case OP_ERF: return netc_erf(x);
    case OP_COS: return netc_cos(x);
    case OP_SIN: return netc_sin(x);
    default: die("%s of an F64 constant", op_info[op].name);
    }
}

static bool is_comparison(Op op) {
    return op == OP_LT || op == OP_LE || op == OP_EQ || op == OP_NE;
}

static Expr *fold_comparison(Pool *p, Op op, double x, double y) {
    if (op == OP_LT) return e_bool(p, x < y);
    if (op == OP_LE) return e_bool(p, x <= y);
    return e_bool(p, op == OP_EQ ? x == y : x != y);
}

/* The result of constants a and perhaps b, or null where it is not to be folded. */
static Expr *fold_floats(Pool *p, Op op, Expr *a, Expr *b) {
    double x = a->num;
    if (is_comparison(op)) return fold_comparison(p, op, x, b->num);
    if (op == OP_ROUND) return e_num(p, T_F32, (float)x);
    if (op == OP_WORD) return e_num(p, T_U32, x >= UINT32_MAX ? UINT32_MAX : x >= 0 ? x : 0);
    if (op == OP_BITS) {
        float f = (float)x;
        uint32_t u;
        memcpy(&u, &f, sizeof u);
        return e_num(p, T_U32, u);
    }
    if (a->type != T_F64 || op == OP_FLUSH) return NULL;
    return e_num(p, T_F64, b ? fold2(op, x, b->num) : fold1(op, x));
}

static Expr *float_op(Pool *p, Op op, Expr *a, Expr *b, Expr *c) {
    bool known = is_const(a) && (!b || is_const(b)) && !c;
    Expr *folded = known ? fold_floats(p, op, a, b) : NULL;
    if (folded) return folded;
    switch (op) {
    case OP_NEG:
        if (a->op == OP_NEG) return a->arg[0];
        if (is_const(a)) return e_num(p, a->type, -a->num);
        break;
    case OP_MUL:
        if (is_num(a, 1)) return b;
        if (is_num(b, 1)) return a;
        break;
    case OP_DIV:
        if (is_num(b, 1)) return a;
        break;
    default: break;
    }
    return raw(p, op, a, b, c);
}

/* --- the constructor --- */

static Expr *select_op(Pool *p, Expr *c, Expr *a, Expr *b) {
    if (is_const(c)) return c->num ? a : b;
    if (a == b) return a;
    if (c->op == OP_NOT) return raw(p, OP_SELECT, c->arg[0], b, a);
    return raw(p, OP_SELECT, c, a, b);
}

static void check(Op op, Expr *a, Expr *b, Expr *c) {
    int n = op_info[op].arity;
    if (op < OP_ADD || n < 1) die("e_op does not make %s", op_info[op].name);
    if (!a || (n > 1 && !b) || (n > 2 && !c)) die("%s lacks an argument", op_info[op].name);
    if (op == OP_SELECT ? a->type != T_BOOL || b->type != c->type
                        : (n > 1 && a->type != b->type) || (n > 2 && a->type != c->type)) {
        die("%s of %s and %s", op_info[op].name, type_names[a->type], type_names[b->type]);
    }
}

Expr *e_op(Pool *p, Op op, Expr *a, Expr *b, Expr *c) {
    check(op, a, b, c);
    if (op_info[op].arity < 3) c = NULL;
    if (op_info[op].arity < 2) b = NULL;
    if (op == OP_SELECT) return select_op(p, a, b, c);
    if (op == OP_AND) return logic_and(p, a, b);
    if (op == OP_OR) return logic_or(p, a, b);
    if (op == OP_NOT) return logic_not(p, a);
    if (a->type == T_I32) return int_op(p, op, a, b, c);
    if (a->type == T_U32) return bits_op(p, op, a, b, c);
    if (is_float(a->type)) return float_op(p, op, a, b, c);
    return raw(p, op, a, b, c); /* comparisons of conditions */
}

static Expr *rebuild_lin(Pool *p, Expr *e, Expr **arg) {
    Sum s;
    sum_init(&s, p);
    s.k = e->k;
    for (int i = 0; i < e->n; i++) sum_add(&s, arg[i], e->coef[i]);
    return sum_expr(&s);
}

Expr *e_rebuild(Pool *p, Expr *e, Expr **arg) {
    bool changed = false;
    for (int i = 0; i < e->n; i++) changed |= arg[i] != e->arg[i];
    if (!changed) return e;
    switch (e->op) {
    case OP_LIN: return rebuild_lin(p, e, arg);
    case OP_READ: return e_read(p, e->node, arg, e->n);
    case OP_DRAW:
        return e_draw(p, e->draw.kind, e->draw.site, arg[0], arg[1], e->n > 2 ? arg[2] : NULL);
    case OP_LOAD: {
        Expr key = *e;
        key.arg = arg;
        return e_intern(p, &key);
    }
    default: return e_op(p, e->op, arg[0], e->n > 1 ? arg[1] : NULL, e->n > 2 ? arg[2] : NULL);
    }
}
