/* print_llvm_body.c: statements of the loop IR as LLVM IR. Loops that are to be unrolled are, here;
 * what registers hold goes through allocas, one for each, which LLVM makes into values. */
#include "print_llvm.h"

static bool bounds(const Stmt *s, long *lo, long *hi) {
    if (!is_const(s->lo) || !is_const(s->hi)) return false;
    *lo = (long)s->lo->num;
    *hi = (long)s->hi->num;
    return true;
}

static bool is_unrolled(const LlvmPrinter *p, const Stmt *s, long *lo, long *hi) {
    if (!bounds(s, lo, hi)) return false;
    return *hi - *lo <= 1 || (s->unroll && !map_get(p->loops, s));
}

/* --- which loops stay, and which local buffers are registers --- */

typedef VEC(Buffer *) Buffers;

static bool has(const Buffers *list, const Buffer *b) {
    for (int i = 0; i < list->n; i++)
        if (list->at[i] == b) return true;
    return false;
}

/* A loop that stays though it was to be unrolled. The registers that it reads by its variable are
 * copied to memory first, and read from there. */
typedef struct Loop {
    Buffers copied;
} Loop;

typedef struct Weight {
    Arena *arena;
    const Var *v;
    Buffers read, written; /* registers: read by v, written at all */
    bool keeps;            /* registers are written by v */
    long n;                /* expressions */
} Weight;

static bool in_register(const Buffer *b) { return b->kind == BUFFER_LOCAL && !b->memory; }

static void weigh_expr(void *context, Expr *e) {
    Weight *w = context;
    w->n++;
    if (e->op != OP_LOAD || !in_register(e->buffer) || has(&w->read, e->buffer)) return;
    if (e_uses(e->arg[0], w->v)) PUSH(w->arena, w->read, e->buffer);
}

static void weigh(Weight *w, const Body *body) {
    for (int i = 0; i < body->n; i++) {
        const Stmt *s = body->at[i];
        if (s->value) e_visit(s->value, weigh_expr, w);
        if ((s->kind == STMT_STORE || s->kind == STMT_COLUMNS) && in_register(s->buffer)) {
            PUSH(w->arena, w->written, s->buffer);
            w->keeps |= e_uses(s->offset, w->v);
        }
        weigh(w, &s->body);
        weigh(w, &s->other);
    }
}

/* Unrolling is for what registers hold from one pass to the next, and for short bodies. */
static Loop *stays(LlvmPrinter *p, const Stmt *s) {
    enum { LONG_BODY = 60 };
    Weight w = {.arena = p->arena, .v = s->var};
    weigh(&w, &s->body);
    if (w.keeps || (!p->rolled && w.n <= LONG_BODY)) return NULL;
    for (int i = 0; i < w.written.n; i++)
        if (has(&w.read, w.written.at[i])) return NULL;
    Loop *loop = NEW(p->arena, Loop);
    loop->copied = w.read;
    return loop;
}

typedef struct Rolled {
    LlvmPrinter *p;
    VEC(Var *) vars; /* of loops around that stay loops */
    Buffers copied;  /* by them */
} Rolled;

static void settle(Rolled *r, Buffer *b, Expr *offset) {
    if (b->kind != BUFFER_LOCAL || has(&r->copied, b)) return;
    for (int i = 0; i < r->vars.n; i++)
        if (e_uses(offset, r->vars.at[i])) map_set(r->p->arrays, b, b);
}

static void settle_load(void *context, Expr *e) {
    if (e->op == OP_LOAD) settle(context, e->buffer, e->arg[0]);
}

static void settle_body(Rolled *r, const Body *body);

static void settle_loop(Rolled *r, Stmt *s) {
    Arena *a = r->p->arena;
    Loop *loop = s->unroll ? stays(r->p, s) : NULL;
    int vars = r->vars.n, copied = r->copied.n;
    long lo, hi;
    map_set(r->p->loops, s, loop);
    if (!is_unrolled(r->p, s, &lo, &hi)) PUSH(a, r->vars, s->var);
    for (int i = 0; loop && i < loop->copied.n; i++) PUSH(a, r->copied, loop->copied.at[i]);
    settle_body(r, &s->body);
    r->vars.n = vars;
    r->copied.n = copied;
}

static void settle_body(Rolled *r, const Body *body) {
    for (int i = 0; i < body->n; i++) {
        Stmt *s = body->at[i];
        Expr *part[] = {s->cond, s->value, s->offset};
        for (int j = 0; j < COUNT_OF(part); j++)
            if (part[j]) e_visit(part[j], settle_load, r);
        if (s->kind == STMT_STORE) settle(r, s->buffer, s->offset);
        if (s->kind == STMT_FOR) {
            settle_loop(r, s);
        } else {
            settle_body(r, &s->body);
            settle_body(r, &s->other);
        }
    }
}

void llvm_locals(LlvmPrinter *p, const Body *body) {
    Rolled r = {.p = p};
    settle_body(&r, body);
}

/* --- statements --- */

static void statements(LlvmPrinter *p, const Body *body);

static LLVMValueRef array(LlvmPrinter *p, const Buffer *b) {
    LLVMTypeRef element = b->type == T_I32 ? p->i32 : llvm_type(p, b->type, 1);
    long slack = p->function->target->lanes; /* vectors may be read over the end */
    LLVMPositionBuilderBefore(p->builder, LLVMGetFirstInstruction(p->entry));
    LLVMValueRef at = LLVMBuildAlloca(
        p->builder, LLVMArrayType2(element, (unsigned long long)(b->size + slack)), b->name);
    LLVMSetAlignment(at, ALIGN);
    return at;
}

static void local(LlvmPrinter *p, Buffer *b) {
    if (map_get(p->buffers, b)) return;
    Memory *m = NEW(p->arena, Memory);
    map_set(p->buffers, b, m);
    m->written = true;
    if (!b->memory && !map_get(p->arrays, b)) return;
    m->base = array(p, b);
}

static LLVMBasicBlockRef new_block(LlvmPrinter *p) {
    return LLVMAppendBasicBlockInContext(p->context, p->in, "");
}

static void enter(LlvmPrinter *p, LLVMBasicBlockRef block) {
    p->block = block;
    LLVMPositionBuilderAtEnd(p->builder, block);
}

static void leave_if(LlvmPrinter *p, LLVMBasicBlockRef after) {
    LLVMPositionBuilderAtEnd(p->builder, p->block);
    LLVMBuildBr(p->builder, after);
    values_close(p);
}

/* Unrolling makes rows of statements under one condition: an if without an else is left open after
 * its body, in case the next statement has the same condition. */
static void close_if(LlvmPrinter *p) {
    if (!p->open.condition) return;
    LLVMBasicBlockRef after = p->open.after;
    p->open.condition = NULL;
    leave_if(p, after);
    enter(p, after);
}

static void unrolled(LlvmPrinter *p, const Stmt *s, long lo, long hi) {
    for (long k = lo; k < hi; k++) {
        llvm_var(p, s->var, value_int(p, k));
        statements(p, &s->body);
    }
}

/* From registers to memory, for a loop that stays; loops around may have done it. */
static Buffers copy(LlvmPrinter *p, const Loop *loop) {
    Buffers made = {0};
    for (int i = 0; i < loop->copied.n; i++) {
        Buffer *b = loop->copied.at[i];
        Memory *m = llvm_memory(p, b);
        if (m->base) continue;
        LLVMValueRef to = m->copy ? m->copy : array(p, b);
        for (long k = 0; k < b->size / b->lanes; k++) {
            if (!m->slot || !m->slot[k]) continue;
            LLVMPositionBuilderAtEnd(p->builder, p->block);
            LLVMValueRef x = LLVMBuildLoad2(p->builder, llvm_type(p, b->type, b->lanes),
                                            m->slot[k], "");
            if (b->type == T_I32 && b->lanes == 1) x = LLVMBuildTrunc(p->builder, x, p->i32, "");
            LLVMValueRef at = LLVMConstInt(p->i64, (unsigned long long)(k * b->lanes), false);
            LLVMTypeRef element = b->type == T_I32 ? p->i32 : llvm_type(p, b->type, 1);
            LLVMBuildStore(p->builder, x, LLVMBuildGEP2(p->builder, element, to, &at, 1, ""));
        }
        m->base = m->copy = to;
        m->stamp = ++p->clock;
        PUSH(p->arena, made, b);
    }
    return made;
}

/* The test is at the end; where the first pass is not sure, another stands before. */
static void loop(LlvmPrinter *p, const Stmt *s) {
    close_if(p);
    llvm_statement(p);
    Value lo = llvm_expr(p, s->lo), hi = llvm_expr(p, s->hi);
    Value any = value_icmp(p, LLVMIntSLT, lo, hi);
    bool sure = LLVMIsAConstantInt(any.v);
    if (sure && !LLVMConstIntGetZExtValue(any.v)) return;
    LLVMBasicBlockRef before = p->block, body = new_block(p), after = new_block(p);
    LLVMPositionBuilderAtEnd(p->builder, before);
    LLVMValueRef branch = sure ? LLVMBuildBr(p->builder, body)
                               : LLVMBuildCondBr(p->builder, any.v, body, after);
    enter(p, body);
    values_open(p, branch, sure);
    LLVMValueRef v = LLVMBuildPhi(p->builder, p->i64, "");
    LLVMAddIncoming(v, &lo.v, &before, 1);
    llvm_var(p, s->var, value_here(p, v));
    statements(p, &s->body);
    close_if(p);
    LLVMPositionBuilderAtEnd(p->builder, p->block);
    LLVMValueRef one = LLVMConstInt(p->i64, 1, false);
    LLVMValueRef next = LLVMBuildNSWAdd(p->builder, v, one, "");
    LLVMValueRef again = LLVMBuildICmp(p->builder, LLVMIntSLT, next, hi.v, "");
    LLVMBuildCondBr(p->builder, again, body, after);
    LLVMAddIncoming(v, &next, &p->block, 1);
    values_close(p);
    enter(p, after);
}

static void kept_loop(LlvmPrinter *p, const Stmt *s, const Loop *as) {
    close_if(p);
    Buffers copied = copy(p, as);
    loop(p, s);
    for (int i = 0; i < copied.n; i++) llvm_memory(p, copied.at[i])->base = NULL;
}

static void enter_if(LlvmPrinter *p, LLVMValueRef branch, LLVMBasicBlockRef block,
                     const Body *body) {
    enter(p, block);
    values_open(p, branch, false);
    statements(p, body);
    close_if(p);
}

static void go_on_in_if(LlvmPrinter *p, const Body *body) {
    LLVMValueRef condition = p->open.condition;
    LLVMBasicBlockRef after = p->open.after;
    p->open.condition = NULL;
    statements(p, body);
    close_if(p);
    p->open.condition = condition;
    p->open.after = after;
}

static void condition(LlvmPrinter *p, const Stmt *s) {
    Value c = llvm_expr(p, s->cond);
    if (LLVMIsAConstantInt(c.v)) {
        statements(p, LLVMConstIntGetZExtValue(c.v) ? &s->body : &s->other);
        return;
    }
    if (p->open.condition == c.v && !s->other.n) {
        go_on_in_if(p, &s->body);
        return;
    }
    close_if(p);
    llvm_statement(p);
    c = llvm_expr(p, s->cond);
    LLVMBasicBlockRef body = new_block(p), other = s->other.n ? new_block(p) : NULL;
    LLVMBasicBlockRef after = new_block(p);
    LLVMPositionBuilderAtEnd(p->builder, p->block);
    LLVMValueRef branch = LLVMBuildCondBr(p->builder, c.v, body, other ? other : after);
    enter_if(p, branch, body, &s->body);
    if (!other) {
        p->open.condition = c.v;
        p->open.after = after;
        return;
    }
    leave_if(p, after);
    enter_if(p, branch, other, &s->other);
    leave_if(p, after);
    enter(p, after);
}

static void ahead(LlvmPrinter *p, const Stmt *s) {
    enum { NEAREST = 3, DATA = 1 };
    LLVMValueRef at = llvm_address(p, s->buffer, s->offset).v;
    LLVMTypeRef type = LLVMTypeOf(at), function;
    LLVMValueRef prefetch = llvm_intrinsic(p, "llvm.prefetch", &type, 1, &function);
    LLVMValueRef arg[] = {at, LLVMConstInt(p->i32, s->write, false),
                          LLVMConstInt(p->i32, NEAREST, false),
                          LLVMConstInt(p->i32, DATA, false)};
    LLVMPositionBuilderAtEnd(p->builder, p->block);
    LLVMBuildCall2(p->builder, function, prefetch, arg, COUNT_OF(arg), "");
}

static void statements(LlvmPrinter *p, const Body *body) {
    for (int i = 0; i < body->n; i++) {
        const Stmt *s = body->at[i];
        long lo, hi;
        switch (s->kind) {
        case STMT_FOR:
            if (is_unrolled(p, s, &lo, &hi)) unrolled(p, s, lo, hi);
            else if (map_get(p->loops, s)) kept_loop(p, s, map_get(p->loops, s));
            else loop(p, s);
            break;
        case STMT_IF:
            llvm_statement(p);
            condition(p, s);
            break;
        case STMT_STORE:
            if (s->cond) die("a store under a mask");
            close_if(p);
            llvm_statement(p);
            llvm_store(p, s->buffer, s->offset, s->value);
            break;
        case STMT_LOCAL: local(p, s->buffer); break;
        case STMT_COLUMNS:
            close_if(p);
            llvm_statement(p);
            llvm_columns(p, s);
            break;
        case STMT_AHEAD:
            close_if(p);
            llvm_statement(p);
            ahead(p, s);
            break;
        default: die("a statement of kind %d", s->kind);
        }
    }
}

void llvm_body(LlvmPrinter *p, const Body *body) {
    statements(p, body);
    close_if(p);
}
