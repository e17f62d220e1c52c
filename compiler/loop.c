/* loop.c: constructors of the loop IR, and what its local buffers turn out to be. */
#include "loop.h"
#include "expr_build.h"

Expr *v_op(Pool *p, Op op, Type type, int lanes, Expr *a, Expr *b, Expr *c) {
    Expr *arg[3] = {a, b, c};
    int n = a ? b ? c ? 3 : 2 : 1 : 0;
    return e_intern(p, &(Expr){.op = op, .type = type, .n = n, .lanes = lanes, .arg = arg});
}

Expr *v_load(Pool *p, Buffer *b, Expr *offset, Expr *mask, int lanes) {
    Expr *arg[2] = {offset, mask};
    return e_intern(p, &(Expr){.op = OP_LOAD, .type = b->type, .n = mask ? 2 : 1, .lanes = lanes,
                               .arg = arg, .buffer = b});
}

static bool fits_register(Pool *p, const Buffer *b, Expr *offset, int lanes) {
    if (b->lanes == 1) return lanes == 1;
    return lanes == b->lanes && offset->lanes == 1 &&
           is_int(e_op(p, OP_IMOD, offset, e_int(p, b->lanes), NULL), 0);
}

static void settle_load(void *context, Expr *e) {
    Pool *p = context;
    if (e->op != OP_LOAD || e->buffer->kind != BUFFER_LOCAL) return;
    if (e->n > 1 || !fits_register(p, e->buffer, e->arg[0], e->lanes)) e->buffer->memory = true;
}

/* A local buffer is registers when every access is to whole ones. */
void loop_settle_locals(Pool *p, const Routine *r, const Body *body) {
    for (int i = 0; i < body->n; i++) {
        const Stmt *s = body->at[i];
        Expr *part[] = {s->cond, s->value, s->offset};
        for (int j = 0; j < COUNT_OF(part); j++)
            if (part[j]) e_visit(part[j], settle_load, p);
        if (s->kind == STMT_STORE && s->buffer->kind == BUFFER_LOCAL &&
            !fits_register(p, s->buffer, s->offset, s->value->lanes))
            s->buffer->memory = true;
        loop_settle_locals(p, r, &s->body);
        loop_settle_locals(p, r, &s->other);
    }
}

double loop_text_size(const Body *body) {
    double n = 0;
    for (int i = 0; i < body->n; i++) {
        const Stmt *s = body->at[i];
        double inner = 1 + loop_text_size(&s->body) + loop_text_size(&s->other);
        bool repeats = s->kind == STMT_FOR && s->unroll && is_const(s->lo) && is_const(s->hi);
        n += repeats ? inner * (s->hi->num - s->lo->num) : inner;
    }
    return n;
}

static void print_body(Text *t, const Body *body, int indent) {
    for (int i = 0; i < body->n; i++) {
        const Stmt *s = body->at[i];
        text_add(t, "%*s", indent, "");
        switch (s->kind) {
        case STMT_FOR:
            text_add(t, "%s %s = ", s->unroll ? "unroll" : "for", s->var->name);
            e_print(t, s->lo);
            text_add(t, " to ");
            e_print(t, s->hi);
            text_add(t, "\n");
            break;
        case STMT_IF:
            text_add(t, "if ");
            e_print(t, s->cond);
            text_add(t, "\n");
            break;
        case STMT_STORE:
            text_add(t, "%s[", s->buffer->name);
            e_print(t, s->offset);
            text_add(t, "] = ");
            e_print(t, s->value);
            text_add(t, "\n");
            break;
        case STMT_AHEAD:
            text_add(t, "ahead %s[", s->buffer->name);
            e_print(t, s->offset);
            text_add(t, "]%s\n", s->write ? " to write" : "");
            break;
        case STMT_LOCAL:
            text_add(t, "local %s: %s x %ld%s\n", s->buffer->name, type_names[s->buffer->type],
                     s->buffer->size, s->buffer->memory ? " in memory" : "");
            break;
        case STMT_COLUMNS:
            text_add(t, "%s[", s->buffer->name);
            e_print(t, s->offset);
            text_add(t, "] = columns of %s[", s->from->name);
            e_print(t, s->at);
            text_add(t, "], rows %ld apart\n", s->stride);
            break;
        default: break;
        }
        print_body(t, &s->body, indent + 2);
        if (s->other.n) {
            text_add(t, "%*selse\n", indent, "");
            print_body(t, &s->other, indent + 2);
        }
    }
}

static void print_step(Text *t, const Step *s, int indent) {
    text_add(t, "%*s", indent, "");
    if (s->kind == STEP_CALL) {
        text_add(t, "call %s\n", s->routine->name);
        return;
    }
    if (s->kind == STEP_TOGETHER) {
        text_add(t, "together\n");
        for (int i = 0; i < s->steps.n; i++) print_step(t, s->steps.at[i], indent + 2);
        return;
    }
    text_add(t, "%s %s%s to ", s->kind == STEP_LOOP ? "for" : "parallel", s->var->name,
             s->down ? " down" : "");
    e_print(t, s->count);
    text_add(t, "\n");
    for (int i = 0; i < s->steps.n; i++) print_step(t, s->steps.at[i], indent + 2);
}

void loop_print(Text *t, const LoopFunction *f) {
    text_add(t, "function %s\n", f->name);
    for (int i = 0; i < f->buffers.n; i++) {
        const Buffer *b = f->buffers.at[i];
        if (b->first < 0) continue;
        text_add(t, "  buffer %s: %s x %ld at %zu, steps %d to %d\n", b->name,
                 type_names[b->type], b->size, b->offset, b->first, b->last);
    }
    for (int i = 0; i < f->steps.n; i++) print_step(t, f->steps.at[i], 2);
    for (int i = 0; i < f->routines.n; i++) {
        text_add(t, "  routine %s  # %s\n", f->routines.at[i]->name, f->routines.at[i]->comment);
        print_body(t, &f->routines.at[i]->body, 4);
    }
}
