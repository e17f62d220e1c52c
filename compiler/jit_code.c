/* jit_code.c: modules of LLVM IR to machine code in memory.
 *
 * The printer leaves little to improve: values are numbered and placed, loops unrolled. So all that
 * is run before instructions are selected makes values of the allocas.
 */
#include "jit_code.h"
#include <llvm-c/LLJIT.h>
#include <llvm-c/Object.h>
#include <llvm-c/Orc.h>
#include <llvm-c/Target.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <stdlib.h>
#include <string.h>

struct CodeSpace {
    LLVMOrcLLJITRef jit;
};

static void check(LLVMErrorRef e) {
    if (!e) return;
    char *message = LLVMGetErrorMessage(e);
    die("LLVM: %s", message);
}

void code_start(void) {
    LLVMInitializeNativeTarget();
    LLVMInitializeNativeAsmPrinter();
}

static LLVMTargetMachineRef machine(CodeEffort effort) {
    static const LLVMCodeGenOptLevel levels[N_CODE_EFFORTS] = {
        LLVMCodeGenLevelNone, LLVMCodeGenLevelLess, LLVMCodeGenLevelLess,
        LLVMCodeGenLevelDefault};
    char *triple = LLVMGetDefaultTargetTriple(), *cpu = LLVMGetHostCPUName();
    char *features = LLVMGetHostCPUFeatures(), *message = NULL;
    LLVMTargetRef target;
    if (LLVMGetTargetFromTriple(triple, &target, &message)) die("LLVM: %s", message);
    LLVMTargetMachineRef m = LLVMCreateTargetMachine(target, triple, cpu, features, levels[effort],
                                                     LLVMRelocPIC, LLVMCodeModelSmall);
    LLVMDisposeMessage(triple);
    LLVMDisposeMessage(cpu);
    LLVMDisposeMessage(features);
    return m;
}

void code_optimize(LLVMModuleRef module, CodeEffort effort) {
    if (effort == CODE_GLUE) return;
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    check(LLVMRunPasses(module, "function(mem2reg)", NULL, options));
    LLVMDisposePassBuilderOptions(options);
}

LLVMMemoryBufferRef code_compile(LLVMModuleRef module, CodeEffort effort,
                                 LLVMCodeGenFileType kind) {
    LLVMTargetMachineRef m = machine(effort);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(m);
    char *triple = LLVMGetTargetMachineTriple(m), *message = NULL;
    LLVMSetModuleDataLayout(module, layout);
    LLVMSetTarget(module, triple);
    LLVMDisposeMessage(triple);
    LLVMDisposeTargetData(layout);
    code_optimize(module, effort);
    LLVMMemoryBufferRef code;
    if (LLVMTargetMachineEmitToMemoryBuffer(m, module, kind, &message, &code))
        die("LLVM: %s", message);
    LLVMDisposeTargetMachine(m);
    return code;
}

/* --- where it lies --- */

static LLVMOrcJITDylibRef library(CodeSpace *s) { return LLVMOrcLLJITGetMainJITDylib(s->jit); }

void code_define(CodeSpace *s, const LlvmSymbol *symbol, int n) {
    LLVMOrcCSymbolMapPair *pair = calloc((size_t)n, sizeof *pair);
    if (!pair) die("no memory");
    for (int i = 0; i < n; i++) {
        pair[i].Name = LLVMOrcLLJITMangleAndIntern(s->jit, symbol[i].name);
        pair[i].Sym.Address = (LLVMOrcExecutorAddress)(uintptr_t)symbol[i].address;
        pair[i].Sym.Flags.GenericFlags = LLVMJITSymbolGenericFlagsExported;
    }
    check(LLVMOrcJITDylibDefine(library(s), LLVMOrcAbsoluteSymbols(pair, (size_t)n)));
    free(pair);
}

CodeSpace *code_space_new(Arena *a, const LlvmSymbol *symbol, int n) {
    CodeSpace *s = NEW(a, CodeSpace);
    check(LLVMOrcCreateLLJIT(&s->jit, NULL));
    code_define(s, symbol, n);
    LLVMOrcDefinitionGeneratorRef process; /* memcpy and the like */
    check(LLVMOrcCreateDynamicLibrarySearchGeneratorForProcess(
        &process, LLVMOrcLLJITGetGlobalPrefix(s->jit), NULL, NULL));
    LLVMOrcJITDylibAddGenerator(library(s), process);
    return s;
}

void code_space_free(CodeSpace *s) { check(LLVMOrcDisposeLLJIT(s->jit)); }

void code_add(CodeSpace *s, LLVMMemoryBufferRef object) {
    check(LLVMOrcLLJITAddObjectFile(s->jit, library(s), object));
}

void *code_find(CodeSpace *s, const char *name) {
    LLVMOrcExecutorAddress at = 0;
    check(LLVMOrcLLJITLookup(s->jit, &at, name));
    return (void *)(uintptr_t)at;
}

CodeNames *code_names(Arena *a, LLVMMemoryBufferRef object) {
    CodeNames *names = NEW(a, CodeNames);
    char *message = NULL;
    LLVMBinaryRef binary = LLVMCreateBinary(object, NULL, &message);
    if (!binary) die("LLVM: %s", message);
    LLVMSymbolIteratorRef i = LLVMObjectFileCopySymbolIterator(binary);
    for (; !LLVMObjectFileIsSymbolIteratorAtEnd(binary, i); LLVMMoveToNextSymbol(i)) {
        const char *name = LLVMGetSymbolName(i);
        struct CodeName one = {arena_strdup(a, name), LLVMGetSymbolSize(i)};
        if (strchr(name, '_') && one.size) PUSH(a, *names, one);
    }
    LLVMDisposeSymbolIterator(i);
    LLVMDisposeBinary(binary);
    return names;
}
