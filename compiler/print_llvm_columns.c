/* print_llvm_columns.c: columns of rows, turned in registers as netc_vector.h does it. */
#include "print_llvm.h"

static LLVMValueRef shuffle(LlvmPrinter *p, LLVMValueRef a, LLVMValueRef b, const int *from,
                            int n) {
    LLVMValueRef mask[64];
    for (int i = 0; i < n; i++)
        mask[i] = LLVMConstInt(p->i32, (unsigned long long)from[i], false);
    return LLVMBuildShuffleVector(p->builder, a, b, LLVMConstVector(mask, (unsigned)n), "");
}

static LLVMValueRef concat(LlvmPrinter *p, LLVMValueRef a, LLVMValueRef b, int n) {
    int from[64];
    for (int i = 0; i < n; i++) from[i] = i;
    return shuffle(p, a, b, from, n);
}

static LLVMValueRef row(LlvmPrinter *p, const Stmt *s, long number) {
    LLVMTypeRef type = LLVMVectorType(llvm_element(p, s->from), COLUMNS);
    Expr *at = e_offset(p->pool, s->at, number * s->stride);
    LLVMValueRef from = llvm_address(p, s->from, at).v;
    LLVMPositionBuilderAtEnd(p->builder, p->block);
    LLVMValueRef x = LLVMBuildLoad2(p->builder, type, from, "");
    LLVMSetAlignment(x, s->from->narrow == 1 ? 1 : 4);
    LLVMTypeRef wide = LLVMVectorType(s->from->type == T_F32 ? p->f32 : p->i32, COLUMNS);
    return wide == type ? x : LLVMBuildSExt(p->builder, x, wide, "");
}

/* Rows number, number + 4, ... one after another. */
static LLVMValueRef rows(LlvmPrinter *p, const Stmt *s, long number, long step, int lanes) {
    if (lanes == COLUMNS) return row(p, s, number);
    LLVMValueRef a = rows(p, s, number, step, lanes / 2);
    LLVMValueRef b = rows(p, s, number + step * (lanes / 2 / COLUMNS), step, lanes / 2);
    return concat(p, a, b, lanes);
}

/* Elements k of each four of a and b, in turn `size` of the one and the other. */
static LLVMValueRef unpack(LlvmPrinter *p, LLVMValueRef a, LLVMValueRef b, int first, int size,
                           int lanes) {
    int from[64];
    for (int i = 0; i < lanes; i++) {
        int in = i % 4, part = in / size, of = part % 2 ? lanes : 0;
        from[i] = of + i / 4 * 4 + first + part / 2 * size + in % size;
    }
    return shuffle(p, a, b, from, lanes);
}

void llvm_columns(LlvmPrinter *p, const Stmt *s) {
    int lanes = s->buffer->lanes;
    LLVMValueRef x[4], pair[2];
    for (int i = 0; i < 4; i++) x[i] = rows(p, s, i, 4, lanes);
    for (int half = 0; half < 4; half += 2) {
        LLVMPositionBuilderAtEnd(p->builder, p->block);
        for (int i = 0; i < 2; i++) pair[i] = unpack(p, x[2 * i], x[2 * i + 1], half, 1, lanes);
        for (int i = 0; i < 2; i++) {
            LLVMPositionBuilderAtEnd(p->builder, p->block);
            LLVMValueRef column = unpack(p, pair[0], pair[1], 2 * i, 2, lanes);
            if (s->from->type == T_I32 && LLVMTypeOf(column) != llvm_type(p, T_I32, lanes))
                column = LLVMBuildSExt(p->builder, column, llvm_type(p, T_I32, lanes), "");
            Expr *to = e_offset(p->pool, s->offset, (long)(half + i) * lanes);
            llvm_store_value(p, s->buffer, to, value_here(p, column));
        }
    }
}
