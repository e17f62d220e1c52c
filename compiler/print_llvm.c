/* print_llvm.c: functions of the loop IR as modules of LLVM IR.
 *
 * Requires: planned loop functions. As in the printed C, each routine is a function whose buffers
 * are parameters that do not alias, called with pointers into the caller's state and arena.
 */
#include "print_llvm.h"
#include "netc.h"
#include <string.h>

/* What the tasks of a parallel step are given. */
typedef struct Around {
    const netc_call *call;
    long at[8];
} Around;

/* --- LLVM functions --- */

static LLVMValueRef declare(LlvmPrinter *p, const char *name, LLVMTypeRef result,
                            LLVMTypeRef *param, int n) {
    LLVMValueRef f = LLVMGetNamedFunction(p->module, name);
    if (f) return f;
    f = LLVMAddFunction(p->module, name, LLVMFunctionType(result, param, (unsigned)n, false));
    return f;
}

static void attribute(LlvmPrinter *p, LLVMValueRef f, unsigned at, const char *name) {
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    LLVMAddAttributeAtIndex(f, at, LLVMCreateEnumAttribute(p->context, kind, 0));
}

static void property(LlvmPrinter *p, LLVMValueRef f, const char *name, const char *value) {
    LLVMAddAttributeAtIndex(f, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                            LLVMCreateStringAttribute(p->context, name, (unsigned)strlen(name),
                                                      value, (unsigned)strlen(value)));
}

/* Two blocks: what is declared and known throughout, and the rest. */
static void begin(LlvmPrinter *p, LLVMValueRef f) {
    p->in = f;
    p->entry = LLVMAppendBasicBlockInContext(p->context, f, "entry");
    p->block = LLVMAppendBasicBlockInContext(p->context, f, "");
    LLVMPositionBuilderAtEnd(p->builder, p->entry);
    LLVMBuildBr(p->builder, p->block);
    p->vars = map_new(p->arena);
    p->buffers = map_new(p->arena);
    p->arrays = map_new(p->arena);
    p->loops = map_new(p->arena);
    p->call = p->count = NULL;
    attribute(p, f, (unsigned)LLVMAttributeFunctionIndex, "nounwind");
    const char *width = arena_printf(p->arena, "%d", 32 * p->function->target->lanes);
    property(p, f, "prefer-vector-width", width);
    property(p, f, "min-legal-vector-width", width);
    values_begin(p);
    llvm_statement(p);
}

static void end(LlvmPrinter *p, LLVMValueRef result) {
    LLVMPositionBuilderAtEnd(p->builder, p->block);
    if (result) LLVMBuildRet(p->builder, result);
    else LLVMBuildRetVoid(p->builder);
}

/* --- routines --- */

static LLVMValueRef declare_routine(LlvmPrinter *p, const Routine *r) {
    const char *name = arena_printf(p->arena, "%s_%s_%s", p->prefix, p->function->name, r->name);
    int n = 0;
    LLVMTypeRef *param = NEW_ARRAY(p->arena, LLVMTypeRef, r->buffers.n + r->vars.n + 1);
    for (int i = 0; i < r->buffers.n; i++) param[n++] = p->ptr;
    for (int i = 0; i < r->vars.n; i++) param[n++] = p->i64;
    if (r->uses_count) param[n++] = p->i64;
    return declare(p, name, p->none, param, n);
}

static bool is_written(const Routine *r, const Buffer *b) {
    for (int i = 0; i < r->written.n; i++)
        if (r->written.at[i] == b) return true;
    return false;
}

static void parameters(LlvmPrinter *p, LLVMValueRef f, const Routine *r) {
    unsigned n = 0;
    for (int i = 0; i < r->buffers.n; i++, n++) {
        const Buffer *b = r->buffers.at[i];
        Memory *m = NEW(p->arena, Memory);
        m->base = LLVMGetParam(f, n);
        m->written = is_written(r, b);
        map_set(p->buffers, b, m);
        LLVMSetValueName2(m->base, b->name, strlen(b->name));
        attribute(p, f, n + 1, "noalias");
        if (!m->written) attribute(p, f, n + 1, "readonly");
    }
    for (int i = 0; i < r->vars.n; i++, n++) {
        const Var *v = r->vars.at[i];
        LLVMValueRef x = LLVMGetParam(f, n);
        LLVMSetValueName2(x, v->name, strlen(v->name));
        llvm_var(p, v, value_const(x));
    }
    if (r->uses_count) p->count = LLVMGetParam(f, n);
}

static void routine(LlvmPrinter *p, const Routine *r) {
    LLVMValueRef f = declare_routine(p, r);
    begin(p, f);
    parameters(p, f, r);
    llvm_locals(p, &r->body);
    llvm_body(p, &r->body);
    end(p, NULL);
}

/* --- functions --- */

static LLVMValueRef field(LlvmPrinter *p, size_t at, LLVMTypeRef type) {
    LLVMValueRef offset = LLVMConstInt(p->i64, at, false);
    LLVMValueRef ptr = LLVMBuildGEP2(p->builder, p->i8, p->call, &offset, 1, "");
    return LLVMBuildLoad2(p->builder, type, ptr, "");
}

static LLVMValueRef bytes_from(LlvmPrinter *p, LLVMValueRef base, size_t at) {
    LLVMValueRef offset = LLVMConstInt(p->i64, at, false);
    return LLVMBuildGEP2(p->builder, p->i8, base, &offset, 1, "");
}

static size_t member_of_call(const char *name) {
    static const struct {
        const char *name;
        size_t at;
    } members[] = {
        {"bytes", offsetof(netc_call, bytes)}, {"x", offsetof(netc_call, x)},
        {"label", offsetof(netc_call, label)}, {"x_out", offsetof(netc_call, x_out)},
        {"loss", offsetof(netc_call, loss)},   {"prediction", offsetof(netc_call, prediction)},
        {"output", offsetof(netc_call, output)},
    };
    for (int i = 0; i < COUNT_OF(members); i++)
        if (!strcmp(members[i].name, name)) return members[i].at;
    die("a call has no member %s", name);
}

static LLVMValueRef argument(LlvmPrinter *p, const Buffer *b) {
    if (b->kind == BUFFER_CALL) return field(p, member_of_call(b->name), p->ptr);
    bool state = b->kind == BUFFER_STATE;
    LLVMValueRef base = field(p, state ? offsetof(netc_call, state) : offsetof(netc_call, arena),
                              p->ptr);
    return bytes_from(p, base, b->kind == BUFFER_SCALARS ? 0 : b->offset);
}

static void call_routine(LlvmPrinter *p, const Routine *r) {
    LLVMValueRef f = declare_routine(p, r);
    LLVMValueRef *arg = NEW_ARRAY(p->arena, LLVMValueRef, r->buffers.n + r->vars.n + 1);
    unsigned n = 0;
    LLVMPositionBuilderAtEnd(p->builder, p->block);
    for (int i = 0; i < r->buffers.n; i++) arg[n++] = argument(p, r->buffers.at[i]);
    for (int i = 0; i < r->vars.n; i++)
        arg[n++] = ((Value *)map_get(p->vars, r->vars.at[i]))->v;
    if (r->uses_count) arg[n++] = p->count;
    LLVMBuildCall2(p->builder, LLVMGlobalGetValueType(f), f, arg, n, "");
}

static void know_call(LlvmPrinter *p, LLVMValueRef call) {
    p->call = call;
    LLVMPositionBuilderBefore(p->builder, LLVMGetBasicBlockTerminator(p->entry));
    LLVMValueRef count = field(p, offsetof(netc_call, count), p->i32);
    p->count = LLVMBuildSExt(p->builder, count, p->i64, "");
    LLVMPositionBuilderAtEnd(p->builder, p->block);
}

typedef struct Vars {
    VEC(Var *) at;
} Vars;

static void steps(LlvmPrinter *p, Step *const *step, int n, Vars *around);

static const char *task_name(LlvmPrinter *p, const Step *s) {
    return arena_printf(p->arena, "%s_%s_task%d", p->prefix, p->function->name, s->number);
}

static LLVMValueRef declare_task(LlvmPrinter *p, const Step *s) {
    LLVMTypeRef param[] = {p->ptr, p->i32};
    return declare(p, task_name(p, s), p->none, param, 2);
}

/* How many tasks a step makes of its own. */
static Value tasks_of(LlvmPrinter *p, const Step *s) {
    return s->kind == STEP_PARALLEL ? llvm_expr(p, s->count) : value_int(p, 1);
}

static Value all_tasks_of(LlvmPrinter *p, const Step *s) {
    llvm_statement(p);
    if (s->kind != STEP_TOGETHER) return tasks_of(p, s);
    Value sum = value_int(p, 0);
    for (int i = 0; i < s->steps.n; i++)
        sum = value_index(p, LLVMAdd, sum, tasks_of(p, s->steps.at[i]));
    return sum;
}

static void parallel(LlvmPrinter *p, const Step *s, const Vars *around) {
    Value count = value_cast(p, LLVMTrunc, all_tasks_of(p, s), p->i32);
    LLVMPositionBuilderBefore(p->builder, LLVMGetBasicBlockTerminator(p->entry));
    LLVMValueRef room = LLVMBuildAlloca(
        p->builder, LLVMArrayType2(p->i64, sizeof(Around) / sizeof(long)), "");
    LLVMPositionBuilderAtEnd(p->builder, p->block);
    LLVMBuildStore(p->builder, p->call, bytes_from(p, room, offsetof(Around, call)));
    if (around->at.n > COUNT_OF(((Around *)0)->at)) die("%d loops in each other", around->at.n);
    for (int i = 0; i < around->at.n; i++) {
        Value *v = map_get(p->vars, around->at.at[i]);
        size_t at = offsetof(Around, at) + sizeof(long) * (size_t)i;
        LLVMBuildStore(p->builder, v->v, bytes_from(p, room, at));
    }
    LLVMTypeRef param[] = {p->ptr, p->ptr, p->ptr, p->i32};
    LLVMValueRef f = declare(p, "netc_parallel", p->none, param, 4);
    LLVMValueRef arg[] = {field(p, offsetof(netc_call, pool), p->ptr), declare_task(p, s), room,
                          count.v};
    LLVMBuildCall2(p->builder, LLVMGlobalGetValueType(f), f, arg, 4, "");
}

/* From 0 to count - 1, or downward. */
static void repeat(LlvmPrinter *p, const Step *s, Vars *around) {
    llvm_statement(p);
    LLVMValueRef zero = LLVMConstInt(p->i64, 0, false), one = LLVMConstInt(p->i64, 1, false);
    Value count = llvm_expr(p, s->count);
    LLVMBasicBlockRef before = p->block;
    LLVMBasicBlockRef body = LLVMAppendBasicBlockInContext(p->context, p->in, "");
    LLVMBasicBlockRef after = LLVMAppendBasicBlockInContext(p->context, p->in, "");
    LLVMPositionBuilderAtEnd(p->builder, before);
    LLVMValueRef any = LLVMBuildICmp(p->builder, LLVMIntSGT, count.v, zero, "");
    LLVMValueRef branch = LLVMBuildCondBr(p->builder, any, body, after);
    p->block = body;
    LLVMPositionBuilderAtEnd(p->builder, body);
    values_open(p, branch, false);
    LLVMValueRef i = LLVMBuildPhi(p->builder, p->i64, ""), v = i;
    LLVMAddIncoming(i, &zero, &before, 1);
    LLVMValueRef next = LLVMBuildNSWAdd(p->builder, i, one, "");
    if (s->down) v = LLVMBuildSub(p->builder, count.v, next, "");
    llvm_var(p, s->var, value_here(p, v));
    PUSH(p->arena, around->at, s->var);
    steps(p, s->steps.at, s->steps.n, around);
    around->at.n--;
    LLVMPositionBuilderAtEnd(p->builder, p->block);
    LLVMValueRef again = LLVMBuildICmp(p->builder, LLVMIntSLT, next, count.v, "");
    LLVMBuildCondBr(p->builder, again, body, after);
    LLVMAddIncoming(i, &next, &p->block, 1);
    values_close(p);
    p->block = after;
}

static void steps(LlvmPrinter *p, Step *const *step, int n, Vars *around) {
    for (int i = 0; i < n; i++) {
        if (step[i]->kind == STEP_CALL) call_routine(p, step[i]->routine);
        else if (step[i]->kind != STEP_LOOP) parallel(p, step[i], around);
        else repeat(p, step[i], around);
    }
}

/* A task's function; returns its number. */
static Value begin_task(LlvmPrinter *p, const Step *s, const Vars *around) {
    LLVMValueRef f = declare_task(p, s), context = LLVMGetParam(f, 0);
    begin(p, f);
    LLVMPositionBuilderBefore(p->builder, LLVMGetBasicBlockTerminator(p->entry));
    know_call(p, LLVMBuildLoad2(p->builder, p->ptr,
                                bytes_from(p, context, offsetof(Around, call)), ""));
    LLVMPositionBuilderBefore(p->builder, LLVMGetBasicBlockTerminator(p->entry));
    for (int i = 0; i < around->at.n; i++) {
        size_t at = offsetof(Around, at) + sizeof(long) * (size_t)i;
        llvm_var(p, around->at.at[i],
                 value_const(LLVMBuildLoad2(p->builder, p->i64, bytes_from(p, context, at), "")));
    }
    return value_const(LLVMBuildSExt(p->builder, LLVMGetParam(f, 1), p->i64, ""));
}

static void task(LlvmPrinter *p, const Step *s, Value number, Vars *around) {
    llvm_var(p, s->var, number);
    PUSH(p->arena, around->at, s->var);
    steps(p, s->steps.at, s->steps.n, around);
    around->at.n--;
}

/* Steps that run together: the tasks of each, one after the other. */
static void together(LlvmPrinter *p, const Step *s, Value number, Vars *around) {
    for (int i = 0; i < s->steps.n; i++) {
        Step *part = s->steps.at[i];
        llvm_statement(p);
        Value count = tasks_of(p, part), is_its = value_icmp(p, LLVMIntULT, number, count);
        Value own = number;
        number = value_binary(p, LLVMSub, number, count);
        LLVMBasicBlockRef body = LLVMAppendBasicBlockInContext(p->context, p->in, "");
        LLVMBasicBlockRef after = LLVMAppendBasicBlockInContext(p->context, p->in, "");
        LLVMPositionBuilderAtEnd(p->builder, p->block);
        LLVMValueRef branch = LLVMBuildCondBr(p->builder, is_its.v, body, after);
        p->block = body;
        values_open(p, branch, false);
        if (part->kind == STEP_PARALLEL) task(p, part, own, around);
        else steps(p, &part, 1, around);
        LLVMPositionBuilderAtEnd(p->builder, p->block);
        LLVMBuildBr(p->builder, after);
        values_close(p);
        p->block = after;
    }
}

/* Numbered in the order of the steps, inner ones first. */
static void tasks(LlvmPrinter *p, Step *s, Vars *around, int *n) {
    if (s->kind == STEP_CALL) return;
    if (s->kind != STEP_TOGETHER) {
        PUSH(p->arena, around->at, s->var);
        for (int i = 0; i < s->steps.n; i++) tasks(p, s->steps.at[i], around, n);
        around->at.n--;
    }
    if (s->kind == STEP_LOOP) return;
    s->number = (*n)++;
    Value number = begin_task(p, s, around);
    if (s->kind == STEP_PARALLEL) task(p, s, number, around);
    else together(p, s, number, around);
    end(p, NULL);
}

static void scalars(LlvmPrinter *p, const LoopFunction *f) {
    LLVMValueRef arena = field(p, offsetof(netc_call, arena), p->ptr);
    for (int i = 0; i < f->scalar.n; i++) {
        llvm_statement(p);
        Value x = llvm_expr(p, f->scalar.at[i]);
        LLVMPositionBuilderAtEnd(p->builder, p->block);
        LLVMBuildStore(p->builder, x.v, bytes_from(p, arena, 4 * (size_t)i));
    }
}

static void function(LlvmPrinter *p, const LoopFunction *f) {
    Vars around = {0};
    int n = 0;
    for (int i = 0; i < f->steps.n; i++) tasks(p, f->steps.at[i], &around, &n);
    LLVMValueRef value = declare(p, arena_printf(p->arena, "%s_%s", p->prefix, f->name), p->none,
                                 &p->ptr, 1);
    begin(p, value);
    know_call(p, LLVMGetParam(value, 0));
    scalars(p, f);
    steps(p, f->steps.at, f->steps.n, &around);
    end(p, NULL);
}

/* --- modules --- */

static LlvmPrinter *printer_new(LLVMContextRef context, const char *prefix, Program *program,
                                const LoopFunction *f) {
    LlvmPrinter *p = NEW(program->arena, LlvmPrinter);
    *p = (LlvmPrinter){.arena = program->arena, .pool = program->pool, .prefix = prefix,
                       .function = f, .context = context,
                       .module = LLVMModuleCreateWithNameInContext(prefix, context),
                       .builder = LLVMCreateBuilderInContext(context),
                       .i1 = LLVMInt1TypeInContext(context),
                       .i8 = LLVMInt8TypeInContext(context),
                       .i32 = LLVMInt32TypeInContext(context),
                       .i64 = LLVMInt64TypeInContext(context),
                       .f32 = LLVMFloatTypeInContext(context),
                       .f64 = LLVMDoubleTypeInContext(context),
                       .ptr = LLVMPointerTypeInContext(context, 0),
                       .none = LLVMVoidTypeInContext(context)};
    p->zeros = LLVMAddGlobal(p->module, p->i64, "zeros");
    LLVMSetInitializer(p->zeros, LLVMConstInt(p->i64, 0, false));
    LLVMSetLinkage(p->zeros, LLVMInternalLinkage);
    LLVMSetGlobalConstant(p->zeros, true);
    return p;
}

static LLVMModuleRef finish(LlvmPrinter *p) {
    LLVMDisposeBuilder(p->builder);
    return p->module;
}

LLVMModuleRef print_llvm(LLVMContextRef context, const char *prefix, const LoopFunction *f,
                         int part, int parts, bool rolled) {
    LlvmPrinter *p = printer_new(context, prefix, f->graph->program, f);
    p->rolled = rolled;
    for (int i = part; i < f->routines.n; i += parts) routine(p, f->routines.at[i]);
    if (!part) function(p, f);
    return finish(p);
}

static void stub(LlvmPrinter *p, int number, void *waiter) {
    const char *name = arena_printf(p->arena, "%s_stub_%s", p->prefix, p->function->name);
    LLVMValueRef value = declare(p, name, p->none, &p->ptr, 1), call = LLVMGetParam(value, 0);
    begin(p, value);
    LLVMTypeRef param[] = {p->i64, p->i32};
    LLVMValueRef await = declare(p, "netc_await", p->ptr, param, 2);
    LLVMValueRef arg[] = {LLVMConstInt(p->i64, (uintptr_t)waiter, false),
                          LLVMConstInt(p->i32, (unsigned)number, false)};
    LLVMPositionBuilderAtEnd(p->builder, p->block);
    LLVMValueRef f = LLVMBuildCall2(p->builder, LLVMGlobalGetValueType(await), await, arg, 2, "");
    LLVMBuildCall2(p->builder, LLVMGlobalGetValueType(value), f, &call, 1, "");
    end(p, NULL);
}

static void rate(LlvmPrinter *p, Expr *e) {
    LLVMValueRef value = declare(p, arena_printf(p->arena, "%s_rate", p->prefix), p->f64, &p->ptr,
                                 1);
    begin(p, value);
    know_call(p, LLVMGetParam(value, 0));
    end(p, llvm_expr(p, e).v);
}

LLVMModuleRef print_llvm_stubs(LLVMContextRef context, const char *prefix,
                               LoopFunction *const *function, int n, void *waiter) {
    Program *program = function[0]->graph->program;
    LlvmPrinter *p = printer_new(context, prefix, program, function[0]);
    for (int i = 0; i < n; i++) {
        p->function = function[i];
        stub(p, i, waiter);
    }
    if (program->training.rate) rate(p, program->training.rate);
    return finish(p);
}
