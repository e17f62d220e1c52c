/* print_llvm_expr.c: expressions of the loop IR as values of LLVM IR.
 *
 * Scalars of type I32 are i64 here, as they are long in C; vectors of them are of i32. Masks are
 * vectors of i1. Nothing branches: a scalar load that does not happen loads from zeros instead.
 */
#include "print_llvm.h"
#include "netc_math.h"
#include "netc.h"
#include <string.h>

/* --- functions of doubles: the runtime's own --- */

static double call_exp(double x) { return netc_exp(x); }
static double call_log(double x) { return netc_log(x); }
static double call_tanh(double x) { return netc_tanh(x); }
static double call_erf(double x) { return netc_erf(x); }
static double call_cos(double x) { return netc_cos(x); }
static double call_sin(double x) { return netc_sin(x); }
static double call_pow(double x, double y) { return netc_pow(x, y); }
static double call_floor(double x) { return netc_floor(x); }
static double call_word(double x) { /* as netc_vector.h: floor, kept within range */
    return x >= 4294967295.0 ? 4294967295.0 : x > 0 ? netc_floor(x) : 0;
}
static void call_parallel(netc_pool *pool, void (*f)(void *, int), void *context, int tasks) {
    netc_parallel(pool, f, context, tasks);
}

const LlvmSymbol llvm_symbols[] = {
    {"netc_exp", (void *)call_exp},     {"netc_log", (void *)call_log},
    {"netc_tanh", (void *)call_tanh},   {"netc_erf", (void *)call_erf},
    {"netc_cos", (void *)call_cos},     {"netc_sin", (void *)call_sin},
    {"netc_pow", (void *)call_pow},     {"netc_floor", (void *)call_floor},
    {"netc_word", (void *)call_word},   {"netc_parallel", (void *)call_parallel},
};
const int n_llvm_symbols = COUNT_OF(llvm_symbols);

static Value call_double(LlvmPrinter *p, const char *name, const Value *arg, int n) {
    LLVMTypeRef types[] = {p->f64, p->f64};
    LLVMTypeRef function = LLVMFunctionType(p->f64, types, (unsigned)n, false);
    LLVMValueRef f = LLVMGetNamedFunction(p->module, name), args[2];
    if (!f) f = LLVMAddFunction(p->module, name, function);
    for (int i = 0; i < n; i++) args[i] = arg[i].v;
    LLVMPositionBuilderAtEnd(p->builder, p->block);
    return value_here(p, LLVMBuildCall2(p->builder, function, f, args, (unsigned)n, ""));
}

/* --- types, constants, variables --- */

LLVMTypeRef llvm_type(LlvmPrinter *p, Type t, int lanes) {
    LLVMTypeRef scalar[N_TYPES] = {p->i1, p->i64, p->i32, p->f32, p->f64};
    if (lanes == 1) return scalar[t];
    return LLVMVectorType(t == T_I32 ? p->i32 : scalar[t], (unsigned)lanes);
}

static Value constant(LlvmPrinter *p, const Expr *e) {
    LLVMTypeRef type = llvm_type(p, e->type, 1);
    if (e->type == T_F32) return value_const(LLVMConstReal(type, (double)(float)e->num));
    if (e->type == T_F64) return value_const(LLVMConstReal(type, e->num));
    return value_const(LLVMConstInt(type, (unsigned long long)(long)e->num, true));
}

void llvm_var(LlvmPrinter *p, const Var *v, Value is) {
    Value *at = NEW(p->arena, Value);
    *at = is;
    map_set(p->vars, v, at);
}

static Value variable(LlvmPrinter *p, const Var *v) {
    Value *is = map_get(p->vars, v);
    if (!is) die("the variable %s has no value here", v->name);
    return *is;
}

static Value member(LlvmPrinter *p, size_t at, LLVMTypeRef type) {
    if (!p->call) die("a host's number within a routine");
    LLVMPositionBuilderAtEnd(p->builder, p->block);
    LLVMValueRef offset = LLVMConstInt(p->i64, at, false);
    LLVMValueRef ptr = LLVMBuildGEP2(p->builder, p->i8, p->call, &offset, 1, "");
    return value_here(p, LLVMBuildLoad2(p->builder, type, ptr, ""));
}

static Value host(LlvmPrinter *p, const Expr *e) {
    static const size_t at[N_HOSTS] = {
        [HOST_STEP] = offsetof(netc_call, step),
        [HOST_EPOCH] = offsetof(netc_call, epoch),
        [HOST_STEPS] = offsetof(netc_call, steps),
        [HOST_EPOCHS] = offsetof(netc_call, epochs),
        [HOST_STEPS_PER_EPOCH] = offsetof(netc_call, steps_per_epoch),
        [HOST_RATE_SCALE] = offsetof(netc_call, rate_scale),
        [HOST_DATA_MEAN] = offsetof(netc_call, data_mean),
        [HOST_DATA_STD] = offsetof(netc_call, data_std),
        [HOST_SEED_LOW] = offsetof(netc_call, seed),
        [HOST_SEED_HIGH] = offsetof(netc_call, seed),
        [HOST_STEP_BITS] = offsetof(netc_call, step),
    };
    if (e->host == HOST_COUNT) return (Value){p->count, 0};
    if (e->host == HOST_SEED_LOW || e->host == HOST_SEED_HIGH) {
        Value seed = member(p, at[e->host], p->i64);
        if (e->host == HOST_SEED_HIGH) seed = value_binary(p, LLVMLShr, seed, value_int(p, 32));
        return value_cast(p, LLVMTrunc, seed, p->i32);
    }
    Value x = member(p, at[e->host], p->f64);
    return e->host == HOST_STEP_BITS ? value_cast(p, LLVMFPToUI, x, p->i32) : x;
}

/* Terms that change further out first, so that their sum is computed there; the constant comes
 * last, where addresses take it for nothing. */
static Value sum(LlvmPrinter *p, Expr *e, long *k) {
    Value term[64];
    if (e->n > COUNT_OF(term)) die("a sum of %d terms", e->n);
    int n = 0;
    *k = e->k;
    for (int i = 0; i < e->n; i++) {
        Value x = llvm_expr(p, e->arg[i]);
        if (LLVMIsAConstantInt(x.v)) {
            *k += e->coef[i] * (long)LLVMConstIntGetSExtValue(x.v);
            continue;
        }
        if (e->coef[i] != 1) x = value_index(p, LLVMMul, x, value_int(p, e->coef[i]));
        int at = n++;
        for (; at && term[at - 1].depth > x.depth; at--) term[at] = term[at - 1];
        term[at] = x;
    }
    Value total = n ? term[0] : value_int(p, 0);
    for (int i = 1; i < n; i++) total = value_index(p, LLVMAdd, total, term[i]);
    return total;
}

/* A scalar index as a value and a constant. */
static Value split(LlvmPrinter *p, Expr *e, long *k) {
    if (e->op == OP_LIN) return sum(p, e, k);
    Value x = llvm_expr(p, e);
    *k = 0;
    if (!LLVMIsAConstantInt(x.v)) return x;
    *k = (long)LLVMConstIntGetSExtValue(x.v);
    return value_int(p, 0);
}

static Value lin(LlvmPrinter *p, Expr *e) {
    long k;
    Value x = sum(p, e, &k);
    return k ? value_index(p, LLVMAdd, x, value_int(p, k)) : x;
}

/* --- memory --- */

static bool is_register(const LlvmPrinter *p, const Buffer *b) {
    return b->kind == BUFFER_LOCAL && !((Memory *)map_get(p->buffers, b))->base;
}

Memory *llvm_memory(LlvmPrinter *p, const Buffer *b) {
    Memory *m = map_get(p->buffers, b);
    if (!m) die("no memory for the buffer %s", b->name);
    return m;
}

LLVMTypeRef llvm_element(LlvmPrinter *p, const Buffer *b) {
    if (b->narrow == 1) return p->i8;
    return b->type == T_I32 ? p->i32 : llvm_type(p, b->type, 1);
}

static LLVMValueRef slot(LlvmPrinter *p, const Buffer *b, Expr *offset) {
    Memory *m = llvm_memory(p, b);
    long k;
    Value rest = split(p, offset, &k);
    if (!LLVMIsAConstantInt(rest.v) || k < 0 || k >= b->size)
        die("the register %s[%ld] does not exist", b->name, k);
    k /= b->lanes;
    if (!m->slot) m->slot = NEW_ARRAY(p->arena, LLVMValueRef, b->size / b->lanes + 1);
    if (m->slot[k]) return m->slot[k];
    LLVMPositionBuilderBefore(p->builder, LLVMGetFirstInstruction(p->entry));
    m->slot[k] = LLVMBuildAlloca(p->builder, llvm_type(p, b->type, b->lanes), "");
    return m->slot[k];
}

Value llvm_address(LlvmPrinter *p, const Buffer *b, Expr *offset) {
    LLVMTypeRef type = llvm_element(p, b);
    long k;
    Value rest = split(p, offset, &k), base = value_const(llvm_memory(p, b)->base);
    if (!LLVMIsAConstantInt(rest.v)) base = value_gep(p, type, base, rest);
    if (!k) return base;
    /* Here, not further out: it costs nothing where it is used. */
    Value arg[] = {base, value_int(p, k)};
    return value_number(p, &(ValueKey){.kind = V_GEP, .type = type}, arg, 2, values_depth(p));
}

/* As far out as a load may go: it must be sure to happen. */
static int outermost(const LlvmPrinter *p, const Memory *m) {
    int depth = values_depth(p);
    if (m->written) return depth;
    while (depth && p->scopes.at[depth].sure) depth--;
    return depth;
}

/* From what memory has to what values are. */
static Value widened(LlvmPrinter *p, const Buffer *b, Value x, int lanes) {
    LLVMTypeRef type = llvm_type(p, b->type, lanes);
    if (LLVMTypeOf(x.v) == type) return x;
    bool bytes = b->narrow == 1 && b->kind == BUFFER_CALL;
    return value_cast(p, bytes ? LLVMZExt : LLVMSExt, x, type);
}

static Value load(LlvmPrinter *p, const Expr *e) {
    const Buffer *b = e->buffer;
    if (is_register(p, b)) {
        LLVMValueRef at = slot(p, b, e->arg[0]);
        LLVMPositionBuilderAtEnd(p->builder, p->block);
        return value_here(
            p, LLVMBuildLoad2(p->builder, llvm_type(p, b->type, b->lanes), at, ""));
    }
    Memory *m = llvm_memory(p, b);
    int n = 0;
    Value arg[VALUE_OPERANDS];
    ValueKey key = {.kind = V_LOAD, .code = m->written ? (int)m->stamp : 0,
                    .type = llvm_element(p, b)};
    bool where = e->n > 1;
    if (e->lanes > 1) key.type = LLVMVectorType(key.type, (unsigned)e->lanes);
    if (e->arg[0]->lanes > 1) {
        key.kind = V_GATHER;
        arg[n++] = value_const(m->base);
        arg[n++] = llvm_expr(p, e->arg[0]);
        LLVMTypeRef mask = LLVMVectorType(p->i1, (unsigned)e->lanes);
        arg[n++] = where ? llvm_expr(p, e->arg[1]) : value_const(LLVMConstAllOnes(mask));
    } else {
        arg[n++] = llvm_address(p, b, e->arg[0]);
        if (where && e->lanes == 1) {
            arg[0] = value_select(p, llvm_expr(p, e->arg[1]), arg[0], value_const(p->zeros));
        } else if (where) {
            key.kind = V_LOAD_WHERE;
            arg[n++] = llvm_expr(p, e->arg[1]);
        }
    }
    return widened(p, b, value_number(p, &key, arg, n, outermost(p, m)), e->lanes);
}

void llvm_store_value(LlvmPrinter *p, Buffer *b, Expr *offset, Value x) {
    if (is_register(p, b)) {
        LLVMValueRef at = slot(p, b, offset);
        LLVMPositionBuilderAtEnd(p->builder, p->block);
        LLVMBuildStore(p->builder, x.v, at);
        return;
    }
    Memory *m = llvm_memory(p, b);
    Value at = llvm_address(p, b, offset);
    LLVMTypeRef type = llvm_element(p, b);
    if (LLVMGetTypeKind(LLVMTypeOf(x.v)) == LLVMVectorTypeKind)
        type = LLVMVectorType(type, LLVMGetVectorSize(LLVMTypeOf(x.v)));
    if (LLVMTypeOf(x.v) != type) x = value_cast(p, LLVMTrunc, x, type);
    LLVMPositionBuilderAtEnd(p->builder, p->block);
    LLVMSetAlignment(LLVMBuildStore(p->builder, x.v, at.v), b->narrow == 1 ? 1 : 4);
    m->stamp = ++p->clock;
}

void llvm_store(LlvmPrinter *p, Buffer *b, Expr *offset, Expr *value) {
    llvm_store_value(p, b, offset, llvm_expr(p, value));
}

/* --- operators --- */

static Value binary(LlvmPrinter *p, const Expr *e, LLVMOpcode integers, LLVMOpcode floats) {
    bool real = e->type == T_F32 || e->type == T_F64;
    return value_binary(p, real ? floats : integers, llvm_expr(p, e->arg[0]),
                        llvm_expr(p, e->arg[1]));
}

static bool is_constant(Value x, bool is) {
    return LLVMIsAConstantInt(x.v) && LLVMConstIntGetZExtValue(x.v) == is;
}

/* What unrolling has decided goes. */
static Value logic(LlvmPrinter *p, const Expr *e) {
    Value a = llvm_expr(p, e->arg[0]), b = llvm_expr(p, e->arg[1]);
    bool neutral = e->op == OP_AND;
    if (e->lanes == 1 && (is_constant(a, neutral) || is_constant(b, !neutral))) return b;
    if (e->lanes == 1 && (is_constant(b, neutral) || is_constant(a, !neutral))) return a;
    return value_binary(p, e->op == OP_AND ? LLVMAnd : LLVMOr, a, b);
}

static Value compare(LlvmPrinter *p, const Expr *e) {
    Value a = llvm_expr(p, e->arg[0]), b = llvm_expr(p, e->arg[1]);
    Type t = e->arg[0]->type;
    static const LLVMRealPredicate real[N_OPS] = {
        [OP_LT] = LLVMRealOLT, [OP_LE] = LLVMRealOLE, [OP_EQ] = LLVMRealOEQ,
        [OP_NE] = LLVMRealUNE};
    static const LLVMIntPredicate is_signed[N_OPS] = {
        [OP_LT] = LLVMIntSLT, [OP_LE] = LLVMIntSLE, [OP_EQ] = LLVMIntEQ, [OP_NE] = LLVMIntNE};
    static const LLVMIntPredicate is_unsigned[N_OPS] = {
        [OP_LT] = LLVMIntULT, [OP_LE] = LLVMIntULE, [OP_EQ] = LLVMIntEQ, [OP_NE] = LLVMIntNE};
    if (t == T_F32 || t == T_F64) return value_fcmp(p, real[e->op], a, b);
    return value_icmp(p, t == T_I32 ? is_signed[e->op] : is_unsigned[e->op], a, b);
}

/* max(a, b) = b > a ? b : a; min(a, b) = b < a ? b : a. */
static Value extreme(LlvmPrinter *p, const Expr *e) {
    Value a = llvm_expr(p, e->arg[0]), b = llvm_expr(p, e->arg[1]);
    bool max = e->op == OP_MAX;
    Value c = e->type == T_I32 ? value_icmp(p, max ? LLVMIntSGT : LLVMIntSLT, b, a)
                               : value_fcmp(p, max ? LLVMRealOGT : LLVMRealOLT, b, a);
    return value_select(p, c, b, a);
}

/* Like a constant: as many lanes as `like` has. */
static Value spread(LlvmPrinter *p, LLVMValueRef v, const Expr *like) {
    return like->lanes == 1 ? value_const(v) : value_splat(p, value_const(v), like->lanes);
}

/* Rounded down; the divisor is a positive constant. */
static Value divide(LlvmPrinter *p, const Expr *e) {
    Value a = llvm_expr(p, e->arg[0]), m = llvm_expr(p, e->arg[1]);
    LLVMTypeRef type = e->lanes == 1 ? p->i64 : p->i32;
    Value zero = spread(p, LLVMConstInt(type, 0, false), e);
    Value rest = value_binary(p, LLVMSRem, a, m);
    Value below = value_icmp(p, LLVMIntSLT, rest, zero);
    long lo, hi;
    bool plain = e->lanes == 1 && e_range(e->arg[0], &lo, &hi) && lo >= 0;
    if (e->op == OP_IMOD)
        return plain ? rest : value_binary(p, LLVMAdd, rest, value_select(p, below, m, zero));
    Value quotient = value_binary(p, LLVMSDiv, a, m);
    if (plain) return quotient;
    Value one = spread(p, LLVMConstInt(type, 1, false), e);
    return value_binary(p, LLVMSub, quotient, value_select(p, below, one, zero));
}

/* Toward zero; what does not fit is the least integer, as processors have it. */
static Value to_int(LlvmPrinter *p, const Expr *e) {
    Value x = llvm_expr(p, e->arg[0]);
    LLVMTypeRef type = e->lanes == 1 ? p->i32 : llvm_type(p, T_I32, e->lanes);
    Value above = value_fcmp(p, LLVMRealOGT, x, spread(p, LLVMConstReal(p->f32, -2147483648.), e));
    Value under = value_fcmp(p, LLVMRealOLT, x, spread(p, LLVMConstReal(p->f32, 2147483648.), e));
    Value least = spread(p, LLVMConstInt(p->i32, 0x80000000u, false), e);
    Value i = value_select(p, value_binary(p, LLVMAnd, above, under),
                           value_cast(p, LLVMFPToSI, x, type), least);
    return e->lanes == 1 ? value_cast(p, LLVMSExt, i, p->i64) : i;
}

static Value to_float(LlvmPrinter *p, const Expr *e) {
    Value x = llvm_expr(p, e->arg[0]);
    bool is_unsigned = e->arg[0]->type == T_U32;
    if (e->lanes == 1 && !is_unsigned) x = value_cast(p, LLVMTrunc, x, p->i32);
    return value_cast(p, is_unsigned ? LLVMUIToFP : LLVMSIToFP, x,
                      llvm_type(p, e->type, e->lanes));
}

/* The upper halves of products: of the even lanes and the odd ones, in vectors of half as many wide
 * lanes. */
static Value mulhi_vector(LlvmPrinter *p, Value a, Value b, int lanes) {
    LLVMTypeRef wide = LLVMVectorType(p->i64, (unsigned)lanes / 2);
    Value half = value_splat(p, value_int(p, 32), lanes / 2);
    Value low = value_splat(p, value_int(p, 0xffffffffl), lanes / 2);
    LLVMTypeRef narrow = LLVMTypeOf(a.v);
    a = value_cast(p, LLVMBitCast, a, wide);
    b = value_cast(p, LLVMBitCast, b, wide);
    Value even = value_binary(p, LLVMMul, value_binary(p, LLVMAnd, a, low),
                              value_binary(p, LLVMAnd, b, low));
    Value odd = value_binary(p, LLVMMul, value_binary(p, LLVMLShr, a, half),
                             value_binary(p, LLVMLShr, b, half));
    Value high = value_binary(p, LLVMShl, low, half);
    Value both = value_binary(p, LLVMOr, value_binary(p, LLVMLShr, even, half),
                              value_binary(p, LLVMAnd, odd, high));
    return value_cast(p, LLVMBitCast, both, narrow);
}

static Value mulhi(LlvmPrinter *p, const Expr *e) {
    Value a = llvm_expr(p, e->arg[0]), b = llvm_expr(p, e->arg[1]);
    if (e->lanes > 1) return mulhi_vector(p, a, b, e->lanes);
    Value product = value_binary(p, LLVMMul, value_cast(p, LLVMZExt, a, p->i64),
                                 value_cast(p, LLVMZExt, b, p->i64));
    return value_cast(p, LLVMTrunc, value_binary(p, LLVMLShr, product, value_int(p, 32)), p->i32);
}

/* part[i] + part[i + n/2], again until one is left. */
static Value tree(LlvmPrinter *p, const Expr *e) {
    Value x = llvm_expr(p, e->arg[0]);
    for (int n = e->arg[0]->lanes; n > 1; n /= 2)
        x = value_binary(p, LLVMFAdd, value_lower(p, x), value_upper(p, x));
    return value_cast(p, LLVMBitCast, x, p->f32);
}

static Value broadcast(LlvmPrinter *p, const Expr *e) {
    Value x = llvm_expr(p, e->arg[0]);
    if (e->type == T_I32) x = value_cast(p, LLVMTrunc, x, p->i32);
    return value_splat(p, x, e->lanes);
}

static Value iota(LlvmPrinter *p, const Expr *e) {
    LLVMValueRef at[64];
    if (e->lanes > COUNT_OF(at)) die("a vector of %d", e->lanes);
    for (int i = 0; i < e->lanes; i++) at[i] = LLVMConstInt(p->i32, (unsigned)i, false);
    return value_const(LLVMConstVector(at, (unsigned)e->lanes));
}

static Value bits(LlvmPrinter *p, const Expr *e) {
    Value x = llvm_expr(p, e->arg[0]);
    if (e->arg[0]->type == T_I32) return e->lanes > 1 ? x : value_cast(p, LLVMTrunc, x, p->i32);
    return value_cast(p, LLVMBitCast, x, llvm_type(p, e->type, e->lanes));
}

/* An operator on floats that is an intrinsic, or on doubles a function of the runtime. */
static Value function(LlvmPrinter *p, const Expr *e, const char *intrinsic, const char *name) {
    Value arg[VALUE_OPERANDS];
    for (int i = 0; i < e->n; i++) arg[i] = llvm_expr(p, e->arg[i]);
    if (name && e->type == T_F64) return call_double(p, name, arg, e->n);
    if (!intrinsic) die("no LLVM IR for the operator %s", op_info[e->op].name);
    return value_call(p, intrinsic, llvm_type(p, e->type, e->lanes), arg, e->n);
}

static Value word(LlvmPrinter *p, const Expr *e) {
    Value x = llvm_expr(p, e->arg[0]);
    return value_cast(p, LLVMFPToUI, call_double(p, "netc_word", &x, 1), p->i32);
}

static Value operation(LlvmPrinter *p, Expr *e) {
    Value a;
    switch (e->op) {
    case OP_CONST: return constant(p, e);
    case OP_VAR: return variable(p, e->var);
    case OP_HOST: return host(p, e);
    case OP_LIN: return lin(p, e);
    case OP_LOAD: return load(p, e);
    case OP_ADD: return binary(p, e, LLVMAdd, LLVMFAdd);
    case OP_SUB: return binary(p, e, LLVMSub, LLVMFSub);
    case OP_MUL: return binary(p, e, LLVMMul, LLVMFMul);
    case OP_DIV: return binary(p, e, LLVMFDiv, LLVMFDiv);
    case OP_AND:
    case OP_OR: return logic(p, e);
    case OP_XOR: return binary(p, e, LLVMXor, LLVMXor);
    case OP_BITAND: return binary(p, e, LLVMAnd, LLVMAnd);
    case OP_SHL: return binary(p, e, LLVMShl, LLVMShl);
    case OP_SHR: return binary(p, e, LLVMLShr, LLVMLShr);
    case OP_NOT:
        a = llvm_expr(p, e->arg[0]);
        return value_binary(p, LLVMXor, a, value_const(LLVMConstAllOnes(LLVMTypeOf(a.v))));
    case OP_NEG:
        a = llvm_expr(p, e->arg[0]);
        return value_number(p, &(ValueKey){.kind = V_NEG}, &a, 1, 0);
    case OP_LT:
    case OP_LE:
    case OP_EQ:
    case OP_NE: return compare(p, e);
    case OP_MIN:
    case OP_MAX: return extreme(p, e);
    case OP_SELECT:
        a = llvm_expr(p, e->arg[0]);
        return value_select(p, a, llvm_expr(p, e->arg[1]), llvm_expr(p, e->arg[2]));
    case OP_IDIV:
    case OP_IMOD: return divide(p, e);
    case OP_FMA: return function(p, e, "llvm.fma", NULL);
    case OP_ABS: return function(p, e, "llvm.fabs", NULL);
    case OP_SQRT: return function(p, e, "llvm.sqrt", NULL);
    case OP_FLOOR: return function(p, e, "llvm.floor", "netc_floor");
    case OP_EXP: return function(p, e, NULL, "netc_exp");
    case OP_LOG: return function(p, e, NULL, "netc_log");
    case OP_TANH: return function(p, e, NULL, "netc_tanh");
    case OP_ERF: return function(p, e, NULL, "netc_erf");
    case OP_COS: return function(p, e, NULL, "netc_cos");
    case OP_SIN: return function(p, e, NULL, "netc_sin");
    case OP_POW: return function(p, e, NULL, "netc_pow");
    case OP_ROUND: return value_cast(p, LLVMFPTrunc, llvm_expr(p, e->arg[0]), p->f32);
    case OP_DOUBLE: return to_float(p, e);
    case OP_FLOAT: return to_float(p, e);
    case OP_INT: return to_int(p, e);
    case OP_BITS: return bits(p, e);
    case OP_FROM_BITS:
        return value_cast(p, LLVMBitCast, llvm_expr(p, e->arg[0]),
                          llvm_type(p, T_F32, e->lanes));
    case OP_SIGNED:
        a = llvm_expr(p, e->arg[0]);
        return e->lanes > 1 ? a : value_cast(p, LLVMSExt, a, p->i64);
    case OP_WORD: return word(p, e);
    case OP_MULHI: return mulhi(p, e);
    case OP_BROADCAST: return broadcast(p, e);
    case OP_IOTA: return iota(p, e);
    case OP_TREE: return tree(p, e);
    default: die("no LLVM IR for the operator %s", op_info[e->op].name);
    }
}

/* --- each expression once a statement --- */

void llvm_statement(LlvmPrinter *p) { p->statement++; }

static void make_room(LlvmPrinter *p, unsigned id) {
    unsigned n = id + id / 2 + 1024;
    Memo *at = NEW_ARRAY(p->arena, Memo, n);
    if (p->memo.n) memcpy(at, p->memo.at, p->memo.n * sizeof *at);
    p->memo.at = at;
    p->memo.n = n;
}

Value llvm_expr(LlvmPrinter *p, Expr *e) {
    if (e->id >= p->memo.n) make_room(p, e->id);
    if (p->memo.at[e->id].statement == p->statement) return p->memo.at[e->id].value;
    Value x = operation(p, e);
    p->memo.at[e->id] = (Memo){p->statement, x};
    return x;
}
