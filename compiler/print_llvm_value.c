/* print_llvm_value.c: values of the LLVM IR under construction, numbered: what was computed from
 * the same operands is not computed again, and each value is computed in the outermost scope that
 * has its operands. So what the printer makes needs neither common subexpressions removed nor
 * invariant code moved, which would cost more time than making it.
 */
#include "print_llvm.h"
#include <string.h>

enum { BUCKETS = 1 << 12 };

struct Known {
    ValueKey key;
    Value value;
    bool gone; /* its scope is closed */
    Known *next;
};

void values_begin(LlvmPrinter *p) {
    p->scopes.n = 0;
    PUSH(p->arena, p->scopes, ((Scope){NULL, true, {0}}));
    if (!p->bucket) p->bucket = NEW_ARRAY(p->arena, Known *, BUCKETS);
    memset(p->bucket, 0, BUCKETS * sizeof *p->bucket);
    p->clock++;
}

int values_depth(const LlvmPrinter *p) { return p->scopes.n - 1; }

void values_open(LlvmPrinter *p, LLVMValueRef branch, bool sure) {
    PUSH(p->arena, p->scopes, ((Scope){branch, sure, {0}}));
    p->clock++;
}

void values_close(LlvmPrinter *p) {
    Scope *s = &p->scopes.at[--p->scopes.n];
    for (int i = 0; i < s->known.n; i++) s->known.at[i]->gone = true;
    p->clock++;
}

Value value_const(LLVMValueRef v) { return (Value){v, 0}; }
Value value_here(const LlvmPrinter *p, LLVMValueRef v) { return (Value){v, values_depth(p)}; }
Value value_int(LlvmPrinter *p, long k) {
    return value_const(LLVMConstInt(p->i64, (unsigned long long)k, true));
}

LLVMValueRef llvm_intrinsic(LlvmPrinter *p, const char *name, LLVMTypeRef *type, int n,
                            LLVMTypeRef *function) {
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    *function = LLVMIntrinsicGetType(p->context, id, type, (size_t)n);
    return LLVMGetIntrinsicDeclaration(p->module, id, type, (size_t)n);
}

static LLVMValueRef halves(LlvmPrinter *p, LLVMValueRef a, int from) {
    int half = (int)LLVMGetVectorSize(LLVMTypeOf(a)) / 2;
    LLVMValueRef at[64];
    for (int i = 0; i < half; i++)
        at[i] = LLVMConstInt(p->i32, (unsigned)(from ? half + i : i), false);
    return LLVMBuildShuffleVector(p->builder, a, LLVMGetPoison(LLVMTypeOf(a)),
                                  LLVMConstVector(at, (unsigned)half), "");
}

static LLVMValueRef splat(LlvmPrinter *p, LLVMValueRef a, int lanes) {
    LLVMTypeRef type = LLVMVectorType(LLVMTypeOf(a), (unsigned)lanes);
    LLVMTypeRef mask = LLVMVectorType(p->i32, (unsigned)lanes);
    LLVMValueRef none = LLVMGetPoison(type), zero = LLVMConstInt(p->i32, 0, false);
    LLVMValueRef first = LLVMBuildInsertElement(p->builder, none, a, zero, "");
    return LLVMBuildShuffleVector(p->builder, first, none, LLVMConstNull(mask), "");
}

static LLVMValueRef load(LlvmPrinter *p, const ValueKey *k) {
    LLVMValueRef v = LLVMBuildLoad2(p->builder, k->type, k->arg[0], "");
    bool bytes = k->type == p->i8 || (LLVMGetTypeKind(k->type) == LLVMVectorTypeKind &&
                                      LLVMGetElementType(k->type) == p->i8);
    LLVMSetAlignment(v, bytes ? 1 : 4);
    return v;
}

/* Of a vector from arg[0] on, or of the elements arg[0][arg[1]]; where the last argument says. */
static LLVMValueRef load_where(LlvmPrinter *p, const ValueKey *k) {
    bool gather = k->kind == V_GATHER;
    LLVMTypeRef function, element = LLVMGetElementType(k->type);
    LLVMValueRef at = k->arg[0], index = k->arg[1];
    if (gather) at = LLVMBuildGEP2(p->builder, element, at, &index, 1, "");
    LLVMTypeRef types[] = {k->type, LLVMTypeOf(at)};
    LLVMValueRef f = llvm_intrinsic(p, gather ? "llvm.masked.gather" : "llvm.masked.load", types,
                                    2, &function);
    LLVMValueRef align = LLVMConstInt(p->i32, element == p->i8 ? 1 : 4, false);
    LLVMValueRef arg[] = {at, align, k->arg[gather ? 2 : 1], LLVMConstNull(k->type)};
    return LLVMBuildCall2(p->builder, function, f, arg, 4, "");
}

/* Of indices, which stay far inside of their type. */
static LLVMValueRef index_sum(LlvmPrinter *p, const ValueKey *k) {
    if (k->code == LLVMAdd) return LLVMBuildNSWAdd(p->builder, k->arg[0], k->arg[1], "");
    return LLVMBuildNSWMul(p->builder, k->arg[0], k->arg[1], "");
}

static LLVMValueRef call(LlvmPrinter *p, const ValueKey *k, int n) {
    LLVMTypeRef type[1] = {k->type}, function;
    char name[64];
    size_t length;
    const char *base = LLVMIntrinsicGetName((unsigned)k->code, &length);
    if (length >= sizeof name) die("the intrinsic %s", base);
    memcpy(name, base, length);
    name[length] = 0;
    LLVMValueRef f = llvm_intrinsic(p, name, type, 1, &function), arg[VALUE_OPERANDS];
    memcpy(arg, k->arg, sizeof arg);
    return LLVMBuildCall2(p->builder, function, f, arg, (unsigned)n, "");
}

static LLVMValueRef build(LlvmPrinter *p, const ValueKey *k, int n) {
    LLVMBuilderRef b = p->builder;
    LLVMValueRef arg[VALUE_OPERANDS];
    memcpy(arg, k->arg, sizeof arg);
    switch (k->kind) {
    case V_BINARY: return LLVMBuildBinOp(b, (LLVMOpcode)k->code, arg[0], arg[1], "");
    case V_INDEX: return index_sum(p, k);
    case V_CAST: return LLVMBuildCast(b, (LLVMOpcode)k->code, arg[0], k->type, "");
    case V_ICMP: return LLVMBuildICmp(b, (LLVMIntPredicate)k->code, arg[0], arg[1], "");
    case V_FCMP: return LLVMBuildFCmp(b, (LLVMRealPredicate)k->code, arg[0], arg[1], "");
    case V_SELECT: return LLVMBuildSelect(b, arg[0], arg[1], arg[2], "");
    case V_GEP: return LLVMBuildGEP2(b, k->type, arg[0], &arg[1], 1, "");
    case V_CALL: return call(p, k, n);
    case V_SPLAT: return splat(p, arg[0], k->code);
    case V_SHUFFLE: return halves(p, arg[0], k->code);
    case V_LOAD: return load(p, k);
    case V_LOAD_WHERE:
    case V_GATHER: return load_where(p, k);
    case V_NEG: return LLVMBuildFNeg(b, arg[0], "");
    }
    die("a value of kind %d", k->kind);
}

static bool same_key(const ValueKey *a, const ValueKey *b) {
    return a->kind == b->kind && a->code == b->code && a->type == b->type &&
           !memcmp(a->arg, b->arg, sizeof a->arg);
}

static Known **bucket_of(LlvmPrinter *p, const ValueKey *k) {
    uint64_t h = (uint64_t)k->kind * 31 + (uint64_t)k->code;
    h = h * 0x9E3779B97F4A7C15u + (uintptr_t)k->type;
    for (int i = 0; i < VALUE_OPERANDS; i++)
        h = (h ^ (uintptr_t)k->arg[i]) * 0x9E3779B97F4A7C15u;
    return &p->bucket[h >> 52 & (BUCKETS - 1)];
}

static Known *find(Known **bucket, const ValueKey *k) {
    while (*bucket) {
        Known *at = *bucket;
        if (at->gone) {
            *bucket = at->next;
            continue;
        }
        if (same_key(&at->key, k)) return at;
        bucket = &at->next;
    }
    return NULL;
}

static void place(LlvmPrinter *p, int depth) {
    if (depth == values_depth(p)) LLVMPositionBuilderAtEnd(p->builder, p->block);
    else LLVMPositionBuilderBefore(p->builder, p->scopes.at[depth + 1].branch);
}

Value value_number(LlvmPrinter *p, const ValueKey *key, const Value *arg, int n,
                   int least_depth) {
    ValueKey k = *key;
    int depth = least_depth;
    for (int i = 0; i < n; i++) {
        k.arg[i] = arg[i].v;
        if (arg[i].depth > depth) depth = arg[i].depth;
    }
    Known **bucket = bucket_of(p, &k), *known = find(bucket, &k);
    if (known) return known->value;
    place(p, depth);
    LLVMValueRef v = build(p, &k, n);
    if (LLVMIsConstant(v)) return value_const(v);
    known = NEW(p->arena, Known);
    *known = (Known){k, {v, depth}, false, *bucket};
    *bucket = known;
    PUSH(p->arena, p->scopes.at[depth].known, known);
    return known->value;
}

static Value number(LlvmPrinter *p, int kind, int code, LLVMTypeRef type, const Value *arg,
                    int n) {
    return value_number(p, &(ValueKey){kind, code, type, {NULL}}, arg, n, 0);
}

Value value_binary(LlvmPrinter *p, LLVMOpcode op, Value a, Value b) {
    return number(p, V_BINARY, (int)op, NULL, (Value[]){a, b}, 2);
}

Value value_index(LlvmPrinter *p, LLVMOpcode op, Value a, Value b) {
    return number(p, V_INDEX, (int)op, NULL, (Value[]){a, b}, 2);
}

Value value_cast(LlvmPrinter *p, LLVMOpcode op, Value a, LLVMTypeRef type) {
    if (op == LLVMBitCast && LLVMTypeOf(a.v) == type) return a;
    return number(p, V_CAST, (int)op, type, &a, 1);
}

Value value_icmp(LlvmPrinter *p, LLVMIntPredicate predicate, Value a, Value b) {
    return number(p, V_ICMP, (int)predicate, NULL, (Value[]){a, b}, 2);
}

Value value_fcmp(LlvmPrinter *p, LLVMRealPredicate predicate, Value a, Value b) {
    return number(p, V_FCMP, (int)predicate, NULL, (Value[]){a, b}, 2);
}

Value value_select(LlvmPrinter *p, Value c, Value a, Value b) {
    return number(p, V_SELECT, 0, NULL, (Value[]){c, a, b}, 3);
}

Value value_gep(LlvmPrinter *p, LLVMTypeRef element, Value base, Value index) {
    return number(p, V_GEP, 0, element, (Value[]){base, index}, 2);
}

Value value_call(LlvmPrinter *p, const char *intrinsic, LLVMTypeRef type, const Value *arg,
                 int n) {
    unsigned id = LLVMLookupIntrinsicID(intrinsic, strlen(intrinsic));
    if (!id) die("no intrinsic %s", intrinsic);
    return number(p, V_CALL, (int)id, type, arg, n);
}

Value value_splat(LlvmPrinter *p, Value a, int lanes) {
    return number(p, V_SPLAT, lanes, NULL, &a, 1);
}

Value value_upper(LlvmPrinter *p, Value a) { return number(p, V_SHUFFLE, 1, NULL, &a, 1); }
Value value_lower(LlvmPrinter *p, Value a) { return number(p, V_SHUFFLE, 0, NULL, &a, 1); }
