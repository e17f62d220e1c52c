/* print_c.c: functions of the loop IR as C11.
 *
 * Requires: planned loop functions. Each routine becomes a static C function whose buffers are
 * restrict parameters, so that compilers may keep what it loads; each function of the network calls
 * them with pointers into the caller's state and arena.
 */
#include "print.h"
#include <ctype.h>
#include <string.h>

const char *const function_names[N_FUNCTIONS] = {"init", "prepare", "train", "eval", "predict",
                                                 "settle"};

/* --- routines --- */

static void print_body(Printer *p, const Body *body);

static void print_local(Printer *p, const Buffer *b) {
    const char *name = c_name(p, b, b->name);
    bool elements = b->memory || b->lanes == 1;
    long slack = b->memory ? p->function->target->lanes : 0; /* vectors may be read over the end */
    if (elements)
        c_line(p, "%s %s[%ld] __attribute__((aligned(64)));", c_type(b->type, 1, 4), name,
               b->size + slack);
    else c_line(p, "%s %s[%ld];", c_type(b->type, b->lanes, 4), name, b->size / b->lanes);
}

static const char *text_of(Printer *p, Expr *e) {
    Text t = {.arena = p->arena};
    c_expr(p, &t, e);
    bool outer = e->op == OP_LIN || (t.at[0] == '(' && (e->op == OP_LT || e->op == OP_LE));
    if (!outer) return t.at;
    t.at[t.n - 1] = 0;
    return t.at + 1;
}

static void print_store(Printer *p, const Stmt *s) {
    Buffer *b = s->buffer;
    Expr *parts[2] = {s->value, s->offset};
    c_share(p, parts, 2);
    const char *name = c_name(p, b, b->name), *value = text_of(p, s->value);
    bool registers = b->kind == BUFFER_LOCAL && !b->memory && b->lanes > 1;
    if (s->value->lanes == 1) {
        c_line(p, "%s[%s] = %s;", name, text_of(p, s->offset), value);
    } else if (registers) {
        Expr *at = e_op(p->pool, OP_IDIV, s->offset, e_int(p->pool, b->lanes), NULL);
        c_line(p, "%s[%s] = %s;", name, text_of(p, at), value);
    } else {
        c_line(p, "%s_store%s(%s + %s, %s);", c_type(s->value->type, s->value->lanes, 4),
               b->narrow == 1 ? "8" : "", name, text_of(p, s->offset), value);
    }
    p->temps = map_new(p->arena);
}

static void print_columns(Printer *p, const Stmt *s) {
    Expr *to = e_op(p->pool, OP_IDIV, s->offset, e_int(p->pool, s->buffer->lanes), NULL);
    const char *name = c_name(p, s->buffer, s->buffer->name);
    const char *from = c_name(p, s->from, s->from->name);
    bool start = is_int(to, 0);
    c_line(p, "%s_columns%s(%s%s%s, %s + %s, %ld);", s->from->type == T_F32 ? "vf" : "vi",
           s->from->narrow == 1 ? "8" : "", name, start ? "" : " + ", start ? "" : text_of(p, to),
           from, text_of(p, s->at), s->stride);
}

static void print_for(Printer *p, const Stmt *s) {
    if (s->unroll && is_const(s->lo) && is_const(s->hi))
        c_line(p, "#pragma GCC unroll %ld", (long)s->hi->num - (long)s->lo->num);
    const char *lo = text_of(p, s->lo), *hi = text_of(p, s->hi);
    const char *v = c_name(p, s->var, s->var->name);
    c_line(p, "for (long %s = %s; %s < %s; %s++) {", v, lo, v, hi, v);
    p->indent++;
    print_body(p, &s->body);
    p->indent--;
    c_line(p, "}");
    names_set(p->taken, v, NULL);
}

/* Is all of the text in one pair of parentheses? Compilers warn of `if ((a == b))`. */
static bool has_parentheses(const char *text) {
    int open = 0;
    if (*text != '(') return false;
    for (; *text; text++) {
        open += (*text == '(') - (*text == ')');
        if (!open) return !text[1];
    }
    return false;
}

static void print_if(Printer *p, const Stmt *s) {
    if (is_false(s->cond)) {
        print_body(p, &s->other);
        return;
    }
    const char *condition = text_of(p, s->cond);
    c_line(p, has_parentheses(condition) ? "if %s {" : "if (%s) {", condition);
    p->indent++;
    print_body(p, &s->body);
    p->indent--;
    if (s->other.n) {
        c_line(p, "} else {");
        p->indent++;
        print_body(p, &s->other);
        p->indent--;
    }
    c_line(p, "}");
}

static void print_body(Printer *p, const Body *body) {
    for (int i = 0; i < body->n; i++) {
        const Stmt *s = body->at[i];
        switch (s->kind) {
        case STMT_FOR: print_for(p, s); break;
        case STMT_IF: print_if(p, s); break;
        case STMT_STORE: print_store(p, s); break;
        case STMT_LOCAL: print_local(p, s->buffer); break;
        case STMT_COLUMNS: print_columns(p, s); break;
        case STMT_AHEAD:
            c_line(p, "__builtin_prefetch(%s + %s, %d);", c_name(p, s->buffer, s->buffer->name),
                   text_of(p, s->offset), s->write);
            break;
        default: break;
        }
    }
}

static bool is_written(const Routine *r, const Buffer *b) {
    for (int i = 0; i < r->written.n; i++)
        if (r->written.at[i] == b) return true;
    return false;
}

static const char *buffer_type(const Buffer *b) {
    if (b->kind == BUFFER_CALL && b->narrow == 1) return "uint8_t";
    return c_type(b->type, 1, b->narrow);
}

static void print_routine(Printer *p, const Routine *r) {
    p->names = map_new(p->arena);
    p->taken = names_new(p->arena);
    p->temps = map_new(p->arena);
    p->n_temps = 0;
    names_set(p->taken, "count", p);
    names_set(p->taken, "call", p);
    Text t = {.arena = p->arena};
    text_add(&t, "static __attribute__((noinline)) void %s_%s(", p->function->name, r->name);
    const char *comma = "";
    for (int i = 0; i < r->buffers.n; i++, comma = ", ") {
        Buffer *b = r->buffers.at[i];
        text_add(&t, "%s%s%s *restrict %s", comma, is_written(r, b) ? "" : "const ",
                 buffer_type(b), c_name(p, b, b->name));
    }
    for (int i = 0; i < r->vars.n; i++, comma = ", ")
        text_add(&t, "%slong %s", comma, c_name(p, r->vars.at[i], r->vars.at[i]->name));
    if (r->uses_count) text_add(&t, "%slong count", comma), comma = ", ";
    text_add(&t, "%s) {", *comma ? "" : "void");
    c_line(p, "%s", "");
    c_line(p, "/* %s */", r->comment);
    c_line(p, "%s", t.at);
    p->indent++;
    print_body(p, &r->body);
    p->indent--;
    c_line(p, "}");
}

/* --- functions --- */

static const char *argument(Printer *p, const Buffer *b) {
    switch (b->kind) {
    case BUFFER_CALL: return arena_printf(p->arena, "call->%s", b->name);
    case BUFFER_STATE: return arena_printf(p->arena, "(float *)(state + %zu)", b->offset);
    case BUFFER_SCALARS:
        return arena_printf(p->arena, "(%s *)arena", c_type(b->type, 1, 4));
    default:
        return arena_printf(p->arena, "(%s *)(arena + %zu)", buffer_type(b), b->offset);
    }
}

static void print_call(Printer *p, const Routine *r) {
    Text t = {.arena = p->arena};
    text_add(&t, "%s_%s(", p->function->name, r->name);
    const char *comma = "";
    for (int i = 0; i < r->buffers.n; i++, comma = ", ")
        text_add(&t, "%s%s", comma, argument(p, r->buffers.at[i]));
    for (int i = 0; i < r->vars.n; i++, comma = ", ")
        text_add(&t, "%s%s", comma, c_name(p, r->vars.at[i], r->vars.at[i]->name));
    if (r->uses_count) text_add(&t, "%scount", comma);
    if (p->profile) c_line(p, "begun = netc_kernel_begin();");
    c_line(p, "%s);", t.at);
    if (!p->profile) return;
    int number = p->first_kernel;
    while (p->function->routines.at[number - p->first_kernel] != r) number++;
    c_line(p, "netc_kernel_end(&kernels[%d], begun);", number);
}

static void print_memory(Printer *p) {
    c_line(p, "char *state = call->state, *arena = call->arena;");
    c_line(p, "long count = call->count;");
    c_line(p, "(void)state, (void)arena, (void)count;");
    if (p->profile) c_line(p, "uint64_t begun = 0;");
    if (p->profile) c_line(p, "(void)begun;");
}

typedef VEC(Var *) Vars;

static void print_steps(Printer *p, Step *const *step, int n);

static void begin_task(Printer *p, Step *s, const Vars *around) {
    s->number = p->n_tasks++;
    p->names = map_new(p->arena);
    p->taken = names_new(p->arena);
    p->temps = map_new(p->arena);
    c_line(p, "%s", "");
    c_line(p, "static void %s_task%d(void *context, int task) {", p->function->name, s->number);
    p->indent++;
    c_line(p, "const netc_task *around = context;");
    c_line(p, "const netc_call *call = around->call;");
    print_memory(p);
    for (int i = 0; i < around->n; i++)
        c_line(p, "long %s = around->at[%d];", c_name(p, around->at[i], around->at[i]->name), i);
}

static void end_block(Printer *p) {
    p->indent--;
    c_line(p, "}");
}

static void print_task(Printer *p, const Step *s) {
    c_line(p, "long %s = task;", c_name(p, s->var, s->var->name));
    print_steps(p, s->steps.at, s->steps.n);
}

/* Steps that run together: which of them a task is of, and its number there. */
static void print_together(Printer *p, Step *s) {
    Text tasks = {.arena = p->arena};
    for (int i = 0; i < s->steps.n; i++) {
        const Step *part = s->steps.at[i];
        text_add(&tasks, "%s%s", i ? ", " : "",
                 part->kind == STEP_PARALLEL ? text_of(p, part->count) : "1");
    }
    c_line(p, "switch (netc_part((const int[]){%s}, %d, &task)) {", tasks.at, s->steps.n);
    for (int i = 0; i < s->steps.n; i++) {
        c_line(p, "case %d: {", i);
        p->indent++;
        if (s->steps.at[i]->kind == STEP_PARALLEL) print_task(p, s->steps.at[i]);
        else print_steps(p, &s->steps.at[i], 1);
        c_line(p, "break;");
        end_block(p);
    }
    c_line(p, "}");
}

/* Tasks are numbered in the order of the text; inner ones come first. */
static void print_tasks(Printer *p, Step *s, Vars *around) {
    if (s->kind == STEP_CALL) return;
    if (s->kind == STEP_TOGETHER) {
        begin_task(p, s, around);
        print_together(p, s);
        end_block(p);
        return;
    }
    PUSH(p->arena, *around, s->var);
    for (int i = 0; i < s->steps.n; i++) print_tasks(p, s->steps.at[i], around);
    around->n--;
    if (s->kind != STEP_PARALLEL) return;
    begin_task(p, s, around);
    print_task(p, s);
    end_block(p);
}

static const char *tasks_of(Printer *p, const Step *s) {
    if (s->kind == STEP_PARALLEL) return text_of(p, s->count);
    Text t = {.arena = p->arena};
    long single = 0;
    for (int i = 0; i < s->steps.n; i++) {
        const Step *part = s->steps.at[i];
        if (part->kind == STEP_PARALLEL) text_add(&t, "%s + ", text_of(p, part->count));
        else single++;
    }
    text_add(&t, "%ld", single);
    return t.at;
}

static void print_parallel(Printer *p, const Step *s) {
    Text t = {.arena = p->arena};
    for (int i = 0; i < p->around.n; i++)
        text_add(&t, ", %s", c_name(p, p->around.at[i], p->around.at[i]->name));
    c_line(p, "netc_parallel(call->pool, %s_task%d, &(netc_task){call, {%s}}, (int)(%s));",
           p->function->name, s->number, t.n ? t.at + 2 : "0", tasks_of(p, s));
}

static void print_steps(Printer *p, Step *const *step, int n) {
    for (int i = 0; i < n; i++) {
        Step *s = step[i];
        if (s->kind == STEP_CALL) {
            print_call(p, s->routine);
        } else if (s->kind == STEP_PARALLEL || s->kind == STEP_TOGETHER) {
            print_parallel(p, s);
        } else {
            const char *v = c_name(p, s->var, s->var->name), *count = text_of(p, s->count);
            if (s->down) c_line(p, "for (long %s = %s - 1; %s >= 0; %s--) {", v, count, v, v);
            else c_line(p, "for (long %s = 0; %s < %s; %s++) {", v, v, count, v);
            p->indent++;
            PUSH(p->arena, p->around, s->var);
            print_steps(p, s->steps.at, s->steps.n);
            p->around.n--;
            p->indent--;
            c_line(p, "}");
        }
    }
}

static void print_scalars(Printer *p, const LoopFunction *f) {
    if (!f->scalar.n) return;
    c_line(p, "float *scalar = (float *)arena;");
    c_line(p, "uint32_t *word = (uint32_t *)arena;");
    c_line(p, "(void)scalar, (void)word;");
    for (int i = 0; i < f->scalar.n; i++) {
        Expr *e = f->scalar.at[i];
        c_share(p, &e, 1);
        c_line(p, "%s[%d] = %s;", e->type == T_U32 ? "word" : "scalar", i, text_of(p, e));
    }
}

static void print_function(Printer *p, const LoopFunction *f) {
    p->function = f;
    p->n_tasks = 0;
    for (int i = 0; i < f->routines.n; i++) print_routine(p, f->routines.at[i]);
    Vars around = {0};
    for (int i = 0; i < f->steps.n; i++) print_tasks(p, f->steps.at[i], &around);
    p->names = map_new(p->arena);
    p->taken = names_new(p->arena);
    p->temps = map_new(p->arena);
    p->around.n = 0;
    c_line(p, "%s", "");
    c_line(p, "static void %s(const netc_call *call) {", f->name);
    p->indent++;
    print_memory(p);
    print_scalars(p, f);
    print_steps(p, f->steps.at, f->steps.n);
    p->indent--;
    c_line(p, "}");
}

void print_c_function(Text *t, const LoopFunction *f) {
    const Program *program = f->graph->program;
    Printer p = {.out = t, .arena = program->arena, .pool = program->pool, .net = program->name};
    print_function(&p, f);
}

/* --- files --- */

static void print_shape(Text *t, int rank, const long *shape) {
    for (int i = 0; i < rank; i++) text_add(t, "%s%ld", i ? "x" : "", shape[i]);
}

static void print_head(Printer *p, const Compiled *x) {
    const Program *program = x->program;
    Text *t = p->out;
    text_add(t, "/* %s: written by netc for %s (%s).\n *\n", program->name, x->target->name,
             *x->target->flags ? x->target->flags : "any flags");
    for (int i = 0; i < program->n_layers; i++) {
        const struct LayerRow *r = &program->layer[i];
        Text s = {.arena = p->arena};
        print_shape(&s, r->rank, r->shape);
        text_add(t, " * %-16s %-40s %12s %9ld\n", r->name, r->text, s.n ? s.at : "", r->parameters);
    }
    text_add(t, " *\n * Compile with -std=gnu11 -O3 -ffp-contract=off -fno-math-errno, "
                "no -ffast-math.\n");
    text_add(t, " */\n");
}

void print_c(Text *c, Text *h, const Compiled *x) {
    Program *program = x->program;
    Printer p = {.out = c, .arena = program->arena, .pool = program->pool, .net = program->name};
    print_head(&p, x);
    if (x->target->lanes > 1) text_add(c, "#define NETC_LANES %d\n", x->target->lanes);
    text_add(c, "#include \"%s.h\"\n#include \"netc_vector.h\"\n", program->name);
    text_add(c, "\ntypedef struct netc_task {\n    const netc_call *call;\n    long at[8];\n"
                "} netc_task;\n");
    p.profile = x->profile;
    if (x->profile) c_kernels(&p, x);
    for (int i = 0; i < N_FUNCTIONS; i++) {
        if (compiled_has(x, i)) print_function(&p, x->function[i]);
        p.first_kernel += x->function[i]->routines.n;
    }
    c_descriptor(&p, x);
    text_add(h, "/* %s.h: written by netc. */\n#ifndef NETC_NET_%s\n#define NETC_NET_%s\n"
                "#include \"netc.h\"\n\nextern const netc_net %s;\n#endif\n",
             program->name, program->name, program->name, program->name);
}
