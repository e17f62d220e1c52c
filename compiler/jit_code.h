/* jit_code.h: modules of LLVM IR to machine code in memory, for this machine. */
#ifndef NETC_JIT_CODE_H
#define NETC_JIT_CODE_H
#include "print_llvm.h"
#include <llvm-c/TargetMachine.h>

/* How much time the code is worth. */
typedef enum CodeEffort {
    CODE_GLUE, /* a few instructions */
    CODE_ONCE, /* run once */
    CODE_SOME, /* run between epochs */
    CODE_HOT,
    N_CODE_EFFORTS
} CodeEffort;

/* All of LLVM that a process needs; more than once is the same as once. */
void code_start(void);
/* What is run over a module before code is made, which code_compile does itself. */
void code_optimize(LLVMModuleRef module, CodeEffort effort);
/* An object file, or assembly text. */
LLVMMemoryBufferRef code_compile(LLVMModuleRef module, CodeEffort effort,
                                 LLVMCodeGenFileType kind);

/* Where code lies, and what it refers to by name. Any thread may use it. */
typedef struct CodeSpace CodeSpace;
CodeSpace *code_space_new(Arena *a, const LlvmSymbol *symbol, int n);
void code_define(CodeSpace *s, const LlvmSymbol *symbol, int n);
void code_space_free(CodeSpace *s);
void code_add(CodeSpace *s, LLVMMemoryBufferRef object); /* takes the object */
void *code_find(CodeSpace *s, const char *name);
/* The functions of an object. */
typedef VEC(struct CodeName {
    const char *name;
    uint64_t size; /* bytes */
}) CodeNames;
CodeNames *code_names(Arena *a, LLVMMemoryBufferRef object);
#endif
