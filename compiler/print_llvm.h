/* print_llvm.h: the back end that makes LLVM IR, in memory; the same loop IR as print_c.h's.
 *
 * A function of the network becomes a few modules that can be compiled on several threads, each
 * with its context: the first holds the function and its tasks, and all share out the routines. The
 * bits are those of the printed C: every operator is the exact IEEE operation, nothing is
 * contracted or reassociated; functions of doubles are netc_math.h's, called by name.
 */
#ifndef NETC_PRINT_LLVM_H
#define NETC_PRINT_LLVM_H
#include "loop.h"
#include <llvm-c/Core.h>

/* What modules refer to by name, and where it is in this process. */
typedef struct LlvmSymbol {
    const char *name;
    void *address;
} LlvmSymbol;
extern const LlvmSymbol llvm_symbols[];
extern const int n_llvm_symbols;

/* Functions are named PREFIX_FUNCTION, routines PREFIX_FUNCTION_ROUTINE. Loops are unrolled where
 * the loop IR asks for it, unless `rolled`, where only what lives in registers needs it. */
LLVMModuleRef print_llvm(LLVMContextRef context, const char *prefix, const LoopFunction *f,
                         int part, int parts, bool rolled);
/* For each function PREFIX_stub_FUNCTION, which asks netc_await(waiter, number) for the function
 * and calls that; and PREFIX_rate, the learning rate, where there is one. */
LLVMModuleRef print_llvm_stubs(LLVMContextRef context, const char *prefix,
                               LoopFunction *const *function, int n, void *waiter);

/* --- for the files of the printer --- */

/* A value and the scope from which on it is there: 0 all of the function, n inside n loops. */
typedef struct Value {
    LLVMValueRef v;
    int depth;
} Value;

enum { VALUE_OPERANDS = 3 };
typedef struct ValueKey {
    enum { V_BINARY, V_INDEX, V_CAST, V_ICMP, V_FCMP, V_SELECT, V_GEP, V_CALL, V_SPLAT, V_SHUFFLE,
           V_LOAD, V_LOAD_WHERE, V_GATHER, V_NEG } kind;
    int code; /* BINARY, INDEX, CAST: LLVM's opcode; ICMP, FCMP: predicate; CALL: intrinsic;
                 SHUFFLE: how; loads: when, for memory that is written */
    LLVMTypeRef type; /* CAST, loads: of the result; GEP: of an element; CALL: what it is for */
    LLVMValueRef arg[VALUE_OPERANDS];
} ValueKey;

typedef struct Known Known;

typedef struct Scope {
    LLVMValueRef branch; /* into it: what is computed outside of it goes before */
    bool sure;           /* it runs at least once where the one around it runs */
    VEC(Known *) known;
} Scope;

typedef struct Memo {
    unsigned statement;
    Value value;
} Memo;

typedef struct LlvmPrinter {
    Arena *arena;
    Pool *pool;
    const char *prefix;
    const LoopFunction *function;
    LLVMContextRef context;
    LLVMModuleRef module;
    LLVMBuilderRef builder;
    LLVMTypeRef i1, i8, i32, i64, f32, f64, ptr, none;
    bool rolled;
    /* the LLVM function in progress */
    LLVMValueRef in;
    LLVMBasicBlockRef block, entry;
    Map *vars;    /* Var -> Value, */
    Map *buffers; /* Buffer -> its Memory */
    Map *arrays;  /* local buffers that registers can't be */
    Map *loops;   /* statements that are to be unrolled, but are not: how */
    const Routine *routine;
    LLVMValueRef count, call; /* batch.count; netc_call, where hosts are known */
    LLVMValueRef zeros;       /* 8 bytes: where loads that do not happen go */
    VEC(Scope) scopes;
    struct {
        LLVMValueRef condition; /* of the if whose body may go on, or null */
        LLVMBasicBlockRef after;
    } open;
    Known **bucket;
    unsigned clock, statement;
    struct {
        Memo *at; /* by Expr.id */
        unsigned n;
    } memo;
    Map *intrinsics;
} LlvmPrinter;

/* A buffer as the function in progress has it. */
typedef struct Memory {
    LLVMValueRef base;       /* pointer */
    LLVMValueRef *slot;      /* registers: an alloca each, made when first used */
    LLVMValueRef copy;       /* of registers, for loops that need one, when `base` is set to it */
    bool written;
    unsigned stamp;          /* when it was last written */
} Memory;

/* print_llvm_value.c: values, each computed once, as far out of the loops as it can be. */
void values_begin(LlvmPrinter *p); /* a function: p->in, p->block */
int values_depth(const LlvmPrinter *p);
/* What is printed from here on is inside of `branch`, the last instruction so far. */
void values_open(LlvmPrinter *p, LLVMValueRef branch, bool sure);
void values_close(LlvmPrinter *p);
Value value_number(LlvmPrinter *p, const ValueKey *key, const Value *arg, int n, int least_depth);
Value value_const(LLVMValueRef v);
Value value_here(const LlvmPrinter *p, LLVMValueRef v);
Value value_int(LlvmPrinter *p, long k);
Value value_binary(LlvmPrinter *p, LLVMOpcode op, Value a, Value b);
Value value_index(LlvmPrinter *p, LLVMOpcode op, Value a, Value b); /* add, mul: no overflow */
Value value_cast(LlvmPrinter *p, LLVMOpcode op, Value a, LLVMTypeRef type);
Value value_icmp(LlvmPrinter *p, LLVMIntPredicate predicate, Value a, Value b);
Value value_fcmp(LlvmPrinter *p, LLVMRealPredicate predicate, Value a, Value b);
Value value_select(LlvmPrinter *p, Value c, Value a, Value b);
Value value_gep(LlvmPrinter *p, LLVMTypeRef element, Value base, Value index);
Value value_call(LlvmPrinter *p, const char *intrinsic, LLVMTypeRef type, const Value *arg, int n);
Value value_splat(LlvmPrinter *p, Value a, int lanes);
Value value_upper(LlvmPrinter *p, Value a); /* half of a vector's lanes */
Value value_lower(LlvmPrinter *p, Value a);
LLVMValueRef llvm_intrinsic(LlvmPrinter *p, const char *name, LLVMTypeRef *type, int n,
                            LLVMTypeRef *function);

/* print_llvm_expr.c */
Value llvm_expr(LlvmPrinter *p, Expr *e);
void llvm_store(LlvmPrinter *p, Buffer *b, Expr *offset, Expr *value);
void llvm_store_value(LlvmPrinter *p, Buffer *b, Expr *offset, Value x);
Value llvm_address(LlvmPrinter *p, const Buffer *b, Expr *offset);
LLVMTypeRef llvm_element(LlvmPrinter *p, const Buffer *b); /* what one takes in memory */
Memory *llvm_memory(LlvmPrinter *p, const Buffer *b);
LLVMTypeRef llvm_type(LlvmPrinter *p, Type t, int lanes); /* of values */
void llvm_var(LlvmPrinter *p, const Var *v, Value is);
/* A new statement: what was remembered of expressions is forgotten. */
void llvm_statement(LlvmPrinter *p);

/* print_llvm_columns.c */
void llvm_columns(LlvmPrinter *p, const Stmt *s);

/* print_llvm_body.c: the statements of the routine in progress */
void llvm_body(LlvmPrinter *p, const Body *body);
/* Which local buffers can be registers, given which loops are unrolled. */
void llvm_locals(LlvmPrinter *p, const Body *body);
#endif
