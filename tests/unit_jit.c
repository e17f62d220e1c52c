/* unit_jit.c: every operator of the loop IR through both printers: the same function as C, compiled
 * by the C compiler, and as LLVM IR, compiled in this process, gives the same bits from the same
 * numbers, for every target that this machine can run. What has no C is left out by name only.
 */
#include "jit_code.h"
#include "netc.h"
#include "print.h"
#include <check.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 64, MAX_ARITY = 3 };

/* --- operators, with the types that they are used with --- */

typedef struct Row {
    Op op;
    Type arg[MAX_ARITY], result;
} Row;

static const Row rows[] = {
    {OP_ADD, {T_F32, T_F32}, T_F32},
    {OP_ADD, {T_U32, T_U32}, T_U32},
    {OP_ADD, {T_I32, T_I32}, T_I32},
    {OP_SUB, {T_F32, T_F32}, T_F32},
    {OP_SUB, {T_U32, T_U32}, T_U32},
    {OP_MUL, {T_F32, T_F32}, T_F32},
    {OP_MUL, {T_U32, T_U32}, T_U32},
    {OP_MUL, {T_I32, T_I32}, T_I32},
    {OP_DIV, {T_F32, T_F32}, T_F32},
    {OP_NEG, {T_F32}, T_F32},
    {OP_FMA, {T_F32, T_F32, T_F32}, T_F32},
    {OP_MIN, {T_F32, T_F32}, T_F32},
    {OP_MIN, {T_I32, T_I32}, T_I32},
    {OP_MAX, {T_F32, T_F32}, T_F32},
    {OP_MAX, {T_I32, T_I32}, T_I32},
    {OP_ABS, {T_F32}, T_F32},
    {OP_SQRT, {T_F32}, T_F32},
    {OP_FLOOR, {T_F32}, T_F32},
    {OP_IDIV, {T_I32, T_I32}, T_I32},
    {OP_IMOD, {T_I32, T_I32}, T_I32},
    {OP_LT, {T_F32, T_F32}, T_BOOL},
    {OP_LT, {T_I32, T_I32}, T_BOOL},
    {OP_LT, {T_U32, T_U32}, T_BOOL},
    {OP_LE, {T_F32, T_F32}, T_BOOL},
    {OP_LE, {T_I32, T_I32}, T_BOOL},
    {OP_LE, {T_U32, T_U32}, T_BOOL},
    {OP_EQ, {T_F32, T_F32}, T_BOOL},
    {OP_EQ, {T_I32, T_I32}, T_BOOL},
    {OP_NE, {T_F32, T_F32}, T_BOOL},
    {OP_NE, {T_I32, T_I32}, T_BOOL},
    {OP_AND, {T_BOOL, T_BOOL}, T_BOOL},
    {OP_OR, {T_BOOL, T_BOOL}, T_BOOL},
    {OP_NOT, {T_BOOL}, T_BOOL},
    {OP_SELECT, {T_BOOL, T_F32, T_F32}, T_F32},
    {OP_SELECT, {T_BOOL, T_I32, T_I32}, T_I32},
    {OP_SELECT, {T_BOOL, T_U32, T_U32}, T_U32},
    {OP_FLOAT, {T_I32}, T_F32},
    {OP_INT, {T_F32}, T_I32},
    {OP_BITS, {T_F32}, T_U32},
    {OP_BITS, {T_I32}, T_U32},
    {OP_FROM_BITS, {T_U32}, T_F32},
    {OP_SIGNED, {T_U32}, T_I32},
    {OP_MULHI, {T_U32, T_U32}, T_U32},
    {OP_XOR, {T_U32, T_U32}, T_U32},
    {OP_BITAND, {T_U32, T_U32}, T_U32},
    {OP_SHL, {T_U32, T_U32}, T_U32},
    {OP_SHR, {T_U32, T_U32}, T_U32},
    {OP_TREE, {T_F32}, T_F32},
    {OP_BROADCAST, {T_F32}, T_F32},
    {OP_BROADCAST, {T_I32}, T_I32},
    {OP_BROADCAST, {T_U32}, T_U32},
    {OP_BROADCAST, {T_BOOL}, T_BOOL},
    {OP_IOTA, {T_I32}, T_I32},
};

/* On doubles: computed once, from what the caller of a step provides. */
static const Row host_rows[] = {
    {OP_ADD, {T_F64, T_F64}, T_F64},
    {OP_SUB, {T_F64, T_F64}, T_F64},
    {OP_MUL, {T_F64, T_F64}, T_F64},
    {OP_DIV, {T_F64, T_F64}, T_F64},
    {OP_NEG, {T_F64}, T_F64},
    {OP_MIN, {T_F64, T_F64}, T_F64},
    {OP_MAX, {T_F64, T_F64}, T_F64},
    {OP_ABS, {T_F64}, T_F64},
    {OP_SQRT, {T_F64}, T_F64},
    {OP_FLOOR, {T_F64}, T_F64},
    {OP_EXP, {T_F64}, T_F64},
    {OP_LOG, {T_F64}, T_F64},
    {OP_TANH, {T_F64}, T_F64},
    {OP_ERF, {T_F64}, T_F64},
    {OP_COS, {T_F64}, T_F64},
    {OP_SIN, {T_F64}, T_F64},
    {OP_POW, {T_F64, T_F64}, T_F64},
    {OP_LT, {T_F64, T_F64}, T_BOOL},
    {OP_SELECT, {T_BOOL, T_F64, T_F64}, T_F64},
    {OP_DOUBLE, {T_I32}, T_F64},
    {OP_WORD, {T_F64}, T_U32},
    {OP_ROUND, {T_F64}, T_F32},
};

/* What all rows use, what another operator stands for, and what no loop IR has any more. */
static const Op elsewhere[] = {OP_CONST, OP_VAR,   OP_HOST, OP_LIN,  OP_LOAD,
                               OP_READ,  OP_DRAW,  OP_FLUSH, OP_STOP};

/* --- a function for a row --- */

static Arena *arena;
static Program *program;

typedef struct Case {
    LoopFunction *function;
    Buffer *floats, *integers, *bytes, *reals, *results; /* in x, label, bytes; out */
} Case;

static Buffer *buffer(Case *c, BufferKind kind, const char *name, Type type, int narrow) {
    Buffer *b = NEW(arena, Buffer);
    *b = (Buffer){.kind = kind, .name = name, .type = type, .narrow = narrow, .size = SIZE,
                  .lanes = 1};
    PUSH(arena, c->function->buffers, b);
    return b;
}

static Case new_case(const Target *target, const char *name) {
    Case c = {.function = NEW(arena, LoopFunction)};
    Graph *g = graph_new(program, name, 1);
    *c.function = (LoopFunction){.name = name, .graph = g, .target = target};
    c.floats = buffer(&c, BUFFER_CALL, "x", T_F32, 4);
    c.integers = buffer(&c, BUFFER_CALL, "label", T_I32, 4);
    c.bytes = buffer(&c, BUFFER_CALL, "bytes", T_I32, 1);
    c.reals = buffer(&c, BUFFER_CALL, "output", T_F32, 4);
    c.results = buffer(&c, BUFFER_CALL, "prediction", T_I32, 4);
    c.function->scalars = buffer(&c, BUFFER_SCALARS, "scalar", T_F32, 4);
    c.function->words = buffer(&c, BUFFER_SCALARS, "word", T_U32, 4);
    return c;
}

static Expr *op(Op op, Type type, int lanes, Expr *a, Expr *b, Expr *c) {
    return v_op(program->pool, op, type, lanes, a, b, c);
}

static Expr *spread(Expr *e, int lanes) {
    return lanes == 1 ? e : op(OP_BROADCAST, e->type, lanes, e, NULL, NULL);
}

/* Argument number k at element i: inputs of the type, each argument from another place. */
static Expr *argument(const Case *c, const Row *row, int k, Expr *i, int lanes) {
    Pool *p = program->pool;
    Type type = row->arg[k];
    bool constant = k == 1 && (row->op == OP_IDIV || row->op == OP_IMOD);
    if (constant) return spread(e_int(p, 7), lanes);
    if (k == 1 && (row->op == OP_SHL || row->op == OP_SHR))
        return spread(e_num(p, T_U32, 9), lanes);
    Expr *at = e_offset(p, i, k * SIZE);
    Expr *x = v_load(p, c->floats, at, NULL, lanes), *n = v_load(p, c->integers, at, NULL, lanes);
    if (type == T_F32) return x;
    if (type == T_I32) return n;
    if (type == T_U32) return op(OP_BITS, T_U32, lanes, x, NULL, NULL);
    return op(OP_LT, T_BOOL, lanes, x, spread(e_num(p, T_F32, 0.5), lanes), NULL);
}

static void store(Body *out, Buffer *b, Expr *offset, Expr *value) {
    Stmt *s = NEW(arena, Stmt);
    *s = (Stmt){.kind = STMT_STORE, .buffer = b, .offset = offset, .value = value};
    PUSH(arena, *out, s);
}

/* A value of any type to where its bits can be seen. */
static void show(const Case *c, Body *out, Expr *i, Expr *e) {
    Pool *p = program->pool;
    int lanes = e->lanes;
    if (e->type == T_U32) e = op(OP_SIGNED, T_I32, lanes, e, NULL, NULL);
    if (e->type == T_BOOL)
        e = op(OP_SELECT, T_I32, lanes, e, spread(e_int(p, 1), lanes), spread(e_int(p, 0), lanes));
    store(out, e->type == T_F32 ? c->reals : c->results, i, e);
}

static Routine *routine(Case *c) {
    Routine *r = NEW(arena, Routine);
    r->name = "all";
    r->comment = "a row";
    for (int i = 0; i < c->function->buffers.n; i++) {
        Buffer *b = c->function->buffers.at[i];
        PUSH(arena, r->buffers, b);
        if (b == c->reals || b == c->results) PUSH(arena, r->written, b);
    }
    PUSH(arena, c->function->routines, r);
    Step *s = NEW(arena, Step);
    s->kind = STEP_CALL;
    s->routine = r;
    PUSH(arena, c->function->steps, s);
    return r;
}

static Stmt *loop(Body *out, int step) {
    Pool *p = program->pool;
    Stmt *s = NEW(arena, Stmt);
    *s = (Stmt){.kind = STMT_FOR, .var = var_new(p, "i", SIZE / step), .lo = e_int(p, 0),
                .hi = e_int(p, SIZE / step)};
    PUSH(arena, *out, s);
    return s;
}

static Expr *value(const Case *c, const Row *row, Expr *i, int lanes) {
    Expr *arg[MAX_ARITY] = {NULL};
    int from = row->op == OP_TREE || row->op == OP_BROADCAST ? c->function->target->lanes : lanes;
    if (row->op == OP_BROADCAST) from = 1;
    for (int k = 0; k < op_info[row->op].arity; k++) arg[k] = argument(c, row, k, i, from);
    return op(row->op, row->result, row->op == OP_TREE ? 1 : lanes, arg[0], arg[1], arg[2]);
}

static LoopFunction *vector_case(const Row *row, const Target *target, int lanes,
                                 const char *name) {
    Pool *p = program->pool;
    Case c = new_case(target, name);
    int step = row->op == OP_TREE ? target->lanes : lanes;
    Stmt *s = loop(&routine(&c)->body, step);
    Expr *i = e_scale(p, e_var(p, s->var), step);
    show(&c, &s->body, i, value(&c, row, i, lanes));
    return c.function;
}

static LoopFunction *host_case(const Row *row, const Target *target, const char *name) {
    static const Host hosts[] = {HOST_STEP, HOST_RATE_SCALE, HOST_DATA_MEAN};
    Pool *p = program->pool;
    Case c = new_case(target, name);
    Expr *arg[MAX_ARITY] = {NULL};
    for (int k = 0; k < op_info[row->op].arity; k++) {
        arg[k] = e_host(p, row->arg[k] == T_I32 ? HOST_COUNT : hosts[k]);
        if (row->arg[k] == T_BOOL)
            arg[k] = op(OP_LT, T_BOOL, 1, arg[k], e_num(p, T_F64, 3), NULL);
    }
    Expr *e = op(row->op, row->result, 1, arg[0], arg[1], arg[2]);
    if (row->result == T_BOOL)
        e = op(OP_SELECT, T_F64, 1, e, e_num(p, T_F64, 5), e_num(p, T_F64, 6));
    if (e->type == T_F64) e = op(OP_ROUND, T_F32, 1, e, NULL, NULL);
    PUSH(arena, c.function->scalar, e);
    Buffer *from = e->type == T_U32 ? c.function->words : c.function->scalars;
    show(&c, &routine(&c)->body, e_int(p, 0), v_load(p, from, e_int(p, 0), NULL, 1));
    return c.function;
}

/* --- loads, locals, loops and conditions --- */

static LoopFunction *loads(const Target *target, int lanes, const char *name) {
    Pool *p = program->pool;
    Case c = new_case(target, name);
    Stmt *s = loop(&routine(&c)->body, 4 * lanes);
    Expr *i = e_scale(p, e_var(p, s->var), 4 * lanes);
    Expr *mask = argument(&c, &(Row){OP_NOT, {T_BOOL}, T_BOOL}, 0, i, lanes);
    Expr *n = v_load(p, c.integers, i, NULL, lanes);
    Expr *at = op(OP_IMOD, T_I32, lanes, n, spread(e_int(p, SIZE), lanes), NULL);
    Expr *where[] = {i, at}, *masks[] = {NULL, mask};
    Buffer *from[] = {c.floats, c.integers, c.bytes};
    for (int k = 0; k < 4; k++)
        for (int b = 0; b < COUNT_OF(from); b++) {
            Expr *to = e_offset(p, i, (k + 4 * (b == 2)) % 4 * lanes);
            Expr *x = v_load(p, from[b], where[k / 2], masks[k % 2], lanes);
            Expr *before = v_load(p, c.results, to, NULL, lanes);
            if (b == 2) x = op(OP_ADD, T_I32, lanes, x, before, NULL);
            show(&c, &s->body, to, x);
        }
    return c.function;
}

static Stmt *declare(Body *out, Buffer *b) {
    Stmt *s = NEW(arena, Stmt);
    *s = (Stmt){.kind = STMT_LOCAL, .buffer = b};
    PUSH(arena, *out, s);
    return s;
}

/* Registers in an unrolled loop, under conditions of which some are known then; the same read in a
 * loop that is too long to unroll. */
static LoopFunction *registers(const Target *target, int lanes, const char *name) {
    Pool *p = program->pool;
    Case c = new_case(target, name);
    Buffer *acc = NEW(arena, Buffer);
    *acc = (Buffer){.kind = BUFFER_LOCAL, .name = "acc", .type = T_F32, .narrow = 4,
                    .size = 4 * lanes, .lanes = lanes};
    Body *body = &routine(&c)->body;
    declare(body, acc);
    Stmt *fill = loop(body, SIZE / 4), *sum = loop(body, SIZE / 3), *read = loop(body, SIZE / 4);
    fill->unroll = read->unroll = true;
    Expr *v = e_var(p, fill->var);
    store(&fill->body, acc, e_scale(p, v, lanes),
          v_load(p, c.floats, e_scale(p, v, lanes), NULL, lanes));
    Stmt *inner = loop(&sum->body, SIZE / 4);
    inner->unroll = true;
    v = e_var(p, inner->var);
    Stmt *when = NEW(arena, Stmt);
    when->kind = STMT_IF;
    when->cond = e_and(p, e_op(p, OP_LE, e_int(p, 1), v, NULL),
                       e_op(p, OP_LT, e_var(p, sum->var), e_int(p, 2), NULL));
    PUSH(arena, inner->body, when);
    Expr *at = e_scale(p, v, lanes);
    Expr *other = v_load(p, c.floats, e_offset(p, e_scale(p, e_var(p, sum->var), lanes), SIZE),
                         NULL, lanes);
    store(&when->body, acc, at,
          op(OP_ADD, T_F32, lanes, other, v_load(p, acc, at, NULL, lanes), NULL));
    v = e_var(p, read->var);
    Expr *x = v_load(p, acc, e_scale(p, v, lanes), NULL, lanes);
    for (int k = 0; k < 70; k++) {
        Expr *factor = spread(e_num(p, T_F32, 0.01 * k), lanes);
        x = op(OP_ADD, T_F32, lanes, x, op(OP_MUL, T_F32, lanes, x, factor, NULL), NULL);
    }
    show(&c, &read->body, e_scale(p, v, lanes), x);
    return c.function;
}

/* --- both ways --- */

typedef struct Call {
    netc_call call;
    float x[4 * SIZE], output[2 * SIZE], arena[SIZE];
    int32_t label[4 * SIZE], prediction[2 * SIZE];
    uint8_t bytes[4 * SIZE];
} Call;

static Call *new_call(double host) {
    static const float odd[] = {0, -0.f, 1, -1, 0.5f, -0.5f, 1e-40f, -1e-40f, 3e38f, -3e38f, 2.5f,
                                -2.5f, 8388609, -8388609, 1e10f, -1e10f, 2147483648.f, 1e-20f};
    Call *c = aligned_alloc(NETC_ALIGN, (sizeof *c + NETC_ALIGN) / NETC_ALIGN * NETC_ALIGN);
    memset(c, 0, sizeof *c);
    uint32_t u = 12345;
    for (int i = 0; i < 4 * SIZE; i++) {
        u = u * 1664525 + 1013904223;
        float bits = netc_from_bits(0) + (float)(int32_t)u / 65536;
        c->x[i] = i % 3 ? bits : odd[u / 65536 % COUNT_OF(odd)];
        if (i % 31 == 30) c->x[i] = (float)(i % 2 ? netc_inf() : netc_nan());
        c->label[i] = (int32_t)(u >> 16) % 2001 - 1000;
        c->bytes[i] = (uint8_t)(u >> 20);
    }
    c->call = (netc_call){.arena = c->arena, .bytes = c->bytes, .x = c->x, .label = c->label,
                          .count = 1, .seed = 77, .step = host, .rate_scale = 0.75 * host - 1,
                          .data_mean = 2.25, .prediction = c->prediction, .output = c->output};
    return c;
}

static bool same_float(float a, float b) { return !memcmp(&a, &b, 4) || (a != a && b != b); }

static void compare(const char *what, const Call *c, const Call *llvm) {
    for (int i = 0; i < 2 * SIZE; i++) {
        ck_assert_msg(same_float(c->output[i], llvm->output[i]), "%s at %d: C %a, LLVM %a", what, i,
                      c->output[i], llvm->output[i]);
        ck_assert_msg(c->prediction[i] == llvm->prediction[i], "%s at %d: C %d, LLVM %d", what, i,
                      c->prediction[i], llvm->prediction[i]);
    }
}

typedef struct Cases {
    VEC(LoopFunction *) at;
    VEC(const char *) what;
} Cases;

static void add(Cases *c, LoopFunction *f, const char *what) {
    PUSH(arena, c->at, f);
    PUSH(arena, c->what, what);
}

static const char *next_name(const Cases *c) { return arena_printf(arena, "case%d", c->at.n); }

static bool fits(const Row *row, const Target *target, int lanes) {
    if (row->op == OP_TREE) return lanes == 1 && target->lanes > 1;
    if (row->op == OP_BROADCAST || row->op == OP_IOTA) return lanes > 1;
    return true;
}

static const char *what(const Row *row, const Target *target, int lanes) {
    return arena_printf(arena, "%s of %s, %s, %d lanes", op_info[row->op].name,
                        type_names[row->arg[0]], target->name, lanes);
}

static Cases all_cases(const Target *target) {
    Cases c = {0};
    for (int i = 0; i < COUNT_OF(host_rows); i++)
        add(&c, host_case(&host_rows[i], target, next_name(&c)), what(&host_rows[i], target, 1));
    for (int i = 0; i < COUNT_OF(rows); i++)
        for (int k = 0; k < 1 + (target->lanes > 1); k++) {
            int lanes = k ? target->lanes : 1;
            if (fits(&rows[i], target, lanes))
                add(&c, vector_case(&rows[i], target, lanes, next_name(&c)),
                    what(&rows[i], target, lanes));
        }
    add(&c, loads(target, 1, next_name(&c)), "loads of scalars");
    add(&c, registers(target, target->lanes, next_name(&c)), "registers");
    if (target->lanes > 1) add(&c, loads(target, target->lanes, next_name(&c)), "loads of vectors");
    return c;
}

static void *compile_c(const Cases *cases, const Target *target) {
    Text t = {.arena = arena};
    if (target->lanes > 1) text_add(&t, "#define NETC_LANES %d\n", target->lanes);
    text_add(&t, "#include \"netc_vector.h\"\ntypedef struct netc_task {\n"
                 "    const netc_call *call;\n    long at[8];\n} netc_task;\n");
    for (int i = 0; i < cases->at.n; i++) {
        print_c_function(&t, cases->at.at[i]);
        text_add(&t, "void run_%s(const netc_call *call) { %s(call); }\n", cases->at.at[i]->name,
                 cases->at.at[i]->name);
    }
    const char *dir = getenv("B") ? getenv("B") : "build";
    const char *path = arena_printf(arena, "%s/tests/jit_%s", dir, target->name);
    FILE *f = fopen(arena_printf(arena, "%s.c", path), "w");
    ck_assert(f && fwrite(t.at, 1, t.n, f) == t.n && !fclose(f));
    const char *cc = getenv("CC");
    int status = system(arena_printf(
        arena, "%s -std=gnu11 -O1 -w -ffp-contract=off -fno-math-errno %s -fPIC -shared -Iruntime "
               "%s.c -o %s.so", cc ? cc : "gcc", target->flags, path, path));
    ck_assert_int_eq(status, 0);
    void *so = dlopen(arena_printf(arena, "%s%s.so", *path == '/' ? "" : "./", path), RTLD_NOW);
    ck_assert_msg(so != NULL, "%s", dlerror());
    return so;
}

static CodeSpace *compile_llvm(const Cases *cases) {
    CodeSpace *space = code_space_new(arena, llvm_symbols, n_llvm_symbols);
    for (int i = 0; i < cases->at.n; i++) {
        LLVMContextRef context = LLVMContextCreate();
        LLVMModuleRef module = print_llvm(context, "llvm", cases->at.at[i], 0, 1, false);
        code_add(space, code_compile(module, i % 2 ? CODE_HOT : CODE_SOME, LLVMObjectFile));
        LLVMDisposeModule(module);
        LLVMContextDispose(context);
    }
    return space;
}

START_TEST(both_printers_agree) {
    const Target *target = &targets[_i];
    if (target->lanes > target_find("native")->lanes) return; /* not for this processor */
    static const double hosts[] = {1, 2.5, -3.75, 1e-3, 700, 5e9};
    Cases cases = all_cases(target);
    void *so = compile_c(&cases, target);
    CodeSpace *space = compile_llvm(&cases);
    for (int i = 0; i < cases.at.n; i++) {
        netc_function *c, *llvm;
        const char *name = cases.at.at[i]->name;
        *(void **)&c = dlsym(so, arena_printf(arena, "run_%s", name));
        *(void **)&llvm = code_find(space, arena_printf(arena, "llvm_%s", name));
        for (int k = 0; k < COUNT_OF(hosts); k++) {
            Call *a = new_call(hosts[k]), *b = new_call(hosts[k]);
            c(&a->call);
            llvm(&b->call);
            compare(cases.what.at[i], a, b);
            free(a);
            free(b);
        }
    }
    code_space_free(space);
    dlclose(so);
}
END_TEST

START_TEST(no_operator_is_left_out) {
    for (int i = 0; i < N_OPS; i++) {
        bool found = false;
        for (int k = 0; k < COUNT_OF(rows); k++) found |= (int)rows[k].op == i;
        for (int k = 0; k < COUNT_OF(host_rows); k++) found |= (int)host_rows[k].op == i;
        for (int k = 0; k < COUNT_OF(elsewhere); k++) found |= (int)elsewhere[k] == i;
        ck_assert_msg(found, "no row tests %s", op_info[i].name);
    }
}
END_TEST

/* --- memory of code --- */

/* With the address sanitizer: what is freed is given back, so that it can be counted. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "quarantine_size_mb=1"; }

static long resident(void) {
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    ck_assert(f && fscanf(f, "%*d %ld", &pages) == 1);
    fclose(f);
    return pages * 4;
}

/* The same functions compiled and dropped again and again take no more memory. */
START_TEST(code_is_freed) {
    long before = 0;
    for (int i = 0; i < 50; i++) {
        if (i == 10) before = resident();
        Arena *keep = arena, *own = arena_new();
        arena = own;
        program = NEW(own, Program);
        *program = (Program){.arena = own, .pool = pool_new(own), .name = "jit"};
        Cases c = {0};
        for (int k = 0; k < 3; k++)
            add(&c, vector_case(&rows[k], &targets[0], 1, next_name(&c)), "");
        CodeSpace *space = compile_llvm(&c);
        ck_assert(code_find(space, "llvm_case0") != NULL);
        code_space_free(space);
        arena = keep;
        arena_free(own);
    }
    long grown = resident() - before;
    ck_assert_msg(grown < 4096, "40 compilations left %ld KB", grown);
}
END_TEST

static void setup(void) {
    code_start();
    arena = arena_new();
    program = NEW(arena, Program);
    *program = (Program){.arena = arena, .pool = pool_new(arena), .name = "jit"};
}

static void teardown(void) { arena_free(arena); }

int main(void) {
    Suite *s = suite_create("jit");
    TCase *t = tcase_create("jit");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, both_printers_agree, 0, n_targets);
    tcase_add_test(t, no_operator_is_left_out);
    tcase_add_test(t, code_is_freed);
    tcase_set_timeout(t, 120);
    suite_add_tcase(s, t);
    SRunner *run = srunner_create(s);
    srunner_run_all(run, CK_NORMAL);
    int failed = srunner_ntests_failed(run);
    srunner_free(run);
    return failed != 0;
}
