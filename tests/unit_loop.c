/* unit_loop.c: what the verifier of the loop IR lets pass, and what it does not; requests ahead;
 * conditions that leave loops. */
#include "diag.h"
#include "lower.h"
#include "nets.h"
#include "numeric.h"
#include "passes.h"
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static LoopFunction *f;

/* y[n, u] = sum(f) W[u, f] * x[n, f], h = max(y, 0) */
static void lower_dense(long samples, long features, long units, const char *text,
                        const char *target_name) {
    nets_begin(samples);
    Node *y = dense(given("x", samples, features), "W", "b", units), *h = like("h", y);
    h->body = op2(OP_MAX, num(0), same(h, y));
    graph_output(G, "o0", h);
    graph_sort(G);
    order(G);
    Layouts *l = layouts_new(program);
    Schedule *s[5] = {NULL};
    Diags *d = diags_new(arena);
    const Target *target = target_find(target_name);
    if (!schedule_parse(program, target, "s", text, l, s, d)) {
        diags_write(stderr, d);
        abort();
    }
    layouts_close(l);
    f = lower(s[2], l);
    sections(f);
    plan(f);
}

static void setup(void) {
    lower_dense(20, 24, 32,
                "function train\n"
                "copy xt = x\n"
                "layout xt 1 0:24\n"
                "layout z 0 1:64\n"
                "kernel xt { for i 4  lane n  unroll i }\n"
                "kernel z { parallel n 4 for i 16 for f 6 unroll n lane i }\n"
                "kernel h { for n 5 lane i }\n",
                "x86-64-v3");
}

static void teardown(void) { nets_end(); }

static const Routine *routine(const char *name) {
    for (int i = 0; i < f->routines.n; i++)
        if (!strcmp(f->routines.at[i]->name, name)) return f->routines.at[i];
    abort();
}

/* The first statement of a kind, in the order of the text. */
static Stmt *find(const Body *body, StmtKind kind, BufferKind to) {
    for (int i = 0; i < body->n; i++) {
        Stmt *s = body->at[i];
        if (s->kind == kind && (kind != STMT_STORE || s->buffer->kind == to)) return s;
        Stmt *inner = find(&s->body, kind, to);
        if (inner) return inner;
    }
    return NULL;
}

static Stmt *store_to(const char *name, BufferKind kind) {
    return find(&routine(name)->body, STMT_STORE, kind);
}

START_TEST(what_lower_makes_passes) {
    loop_verify(f, "test");
    ck_assert_int_eq(f->routines.n, 3);
}
END_TEST

/* --- requests ahead --- */

/* The first request, for a product with so many terms. */
static const Stmt *request(long samples, long terms, const char *target) {
    lower_dense(samples, terms, 512,
                "function train\n"
                "kernel z { for n 4 for i 32 for f unroll n lane i }\n"
                "kernel h { for n lane i }\n",
                target);
    loop_verify(f, "test");
    return find(&routine("z")->body, STMT_AHEAD, 0);
}

START_TEST(a_long_sum_asks_for_what_comes_after_it) {
    const Stmt *s = request(128, 96, "x86-64-v3");
    ck_assert(s && s->write);
    ck_assert_str_eq(s->buffer->name, "z");
    /* one line in four terms: the tile's rows of z, four of four vectors */
    Text t = {.arena = arena};
    loop_print(&t, f);
    ck_assert_msg(strstr(t.at, "if f % 4 == 0\n") != NULL, "%s", t.at);
    ck_assert_msg(strstr(t.at, "if f < 64\n") != NULL, "%s", t.at);
    nets_end();
}
END_TEST

START_TEST(what_is_near_is_not_asked_for) {
    static const struct {
        long samples, terms;
        const char *target;
    } none[] = {{16, 96, "x86-64-v3"}, {128, 24, "x86-64-v3"}, {128, 96, "generic"}};
    ck_assert(!request(none[_i].samples, none[_i].terms, none[_i].target));
    nets_end();
}
END_TEST

/* --- conditions leave loops --- */

static Stmt *loop_of(Var *v, bool unroll, Stmt *inner) {
    Stmt *s = NEW(arena, Stmt);
    *s = (Stmt){.kind = STMT_FOR, .var = v, .lo = e_int(P, 0), .hi = e_int(P, v->hi + 1),
                .unroll = unroll};
    PUSH(arena, s->body, inner);
    return s;
}

/* for t = 0 to 28 { unroll k = 0 to 4 { if test { store } } } */
START_TEST(conditions_leave_loops) {
    nets_begin(4);
    Var *t = var_new(P, "t", 28), *k = var_new(P, "k", 4);
    Expr *at_t = e_var(P, t), *at_k = e_var(P, k), *count = e_host(P, HOST_COUNT);
    Expr *from_1 = e_op(P, OP_LE, e_int(P, 1), at_t, NULL);
    Expr *to_20 = e_op(P, OP_LT, at_t, e_int(P, 20), NULL);
    Expr *inside = e_op(P, OP_LT, e_int(P, 2), count, NULL);
    Expr *both = e_op(P, OP_LT, e_add(P, at_t, at_k), count, NULL);
    struct {
        Expr *test;
        int lo, hi;
        StmtKind first, last; /* of the three levels; a loop's test may be gone */
    } of[] = {
        {from_1, 1, 28, STMT_FOR, STMT_STORE},
        {e_and(P, from_1, to_20), 1, 20, STMT_FOR, STMT_STORE},
        {e_and(P, inside, from_1), 1, 28, STMT_IF, STMT_STORE},
        {e_and(P, both, from_1), 1, 28, STMT_FOR, STMT_IF},
    };
    for (int i = 0; i < (int)COUNT_OF(of); i++) {
        Stmt *store = NEW(arena, Stmt), *test = NEW(arena, Stmt);
        store->kind = STMT_STORE;
        *test = (Stmt){.kind = STMT_IF, .cond = of[i].test};
        PUSH(arena, test->body, store);
        Body body = {0};
        PUSH(arena, body, loop_of(t, false, loop_of(k, true, test)));
        Lower l = {.pool = P, .arena = arena};
        lower_tests(&l, &body);
        Stmt *first = body.at[0], *outer = first->kind == STMT_IF ? first->body.at[0] : first;
        ck_assert_int_eq(first->kind, of[i].first);
        ck_assert(is_int(outer->lo, of[i].lo) && is_int(outer->hi, of[i].hi));
        Stmt *unrolled = outer->body.at[0];
        ck_assert(unrolled->unroll && is_int(unrolled->lo, 0) && is_int(unrolled->hi, 4));
        ck_assert_int_eq(unrolled->body.at[0]->kind, of[i].last);
    }
    nets_end();
}
END_TEST

/* --- what breaks a rule each --- */

static void a_store_beyond_the_end(void) {
    Stmt *s = store_to("z", BUFFER_ARENA);
    s->offset = plus(s->offset, 64);
}

static void a_store_before_the_beginning(void) {
    Stmt *s = store_to("z", BUFFER_ARENA);
    s->offset = plus(s->offset, -1);
}

static Expr *further(void *context, Expr *e) {
    if (e->op != OP_LOAD || e->buffer->kind != *(BufferKind *)context) return e;
    return v_load(P, e->buffer, plus(e->arg[0], 24 * 32), NULL, e->lanes);
}

static void a_load_beyond_the_end(void) {
    BufferKind kind = BUFFER_STATE;
    Stmt *s = find(&find(&routine("z")->body, STMT_FOR, 0)->body, STMT_FOR, 0);
    while (find(&s->body, STMT_FOR, 0)) s = find(&s->body, STMT_FOR, 0);
    s = find(&s->body, STMT_STORE, BUFFER_LOCAL);
    s->value = e_rewrite(P, s->value, further, &kind);
}

static void a_loop_beyond_its_variable(void) {
    Stmt *s = find(&routine("h")->body, STMT_FOR, 0);
    s->hi = plus(s->hi, 1);
}

static void lanes_that_differ(void) {
    Stmt *s = store_to("h", BUFFER_CALL);
    s->value = v_op(P, OP_ADD, T_F32, 8, s->value, num(1), NULL);
}

static void vectors_that_the_target_has_not(void) {
    Stmt *s = store_to("h", BUFFER_CALL);
    s->value = v_op(P, OP_BROADCAST, T_F32, 4, num(1), NULL, NULL);
}

static void a_value_of_another_type(void) {
    store_to("h", BUFFER_CALL)->value = integer(1);
}

static void a_load_of_another_type(void) {
    Stmt *s = store_to("h", BUFFER_CALL);
    Expr *at = integer(0), load = *v_load(P, routine("h")->buffers.at[0], at, NULL, 1);
    load.type = T_I32;
    s->value = op1(OP_FLOAT, e_intern(P, &load));
}

static void a_variable_out_of_scope(void) {
    Stmt *s = store_to("h", BUFFER_CALL);
    s->offset = e_var(P, var_new(P, "stray", 2));
}

static void a_buffer_that_is_not_passed(void) {
    ((Routine *)routine("h"))->buffers.n = 0;
}

static void a_store_to_what_is_only_read(void) {
    ((Routine *)routine("h"))->written.n = 0;
}

static void a_local_that_is_not_declared(void) {
    static Buffer other; /* is declared in its place */
    Stmt *s = find(&routine("z")->body, STMT_LOCAL, 0);
    other = *s->buffer;
    s->buffer = &other;
}

static void a_local_that_is_read_first(void) {
    Stmt *s = store_to("z", BUFFER_LOCAL);
    s->value = v_load(P, s->buffer, s->offset, NULL, s->value->lanes);
}

static void a_part_of_a_register(void) {
    Stmt *s = store_to("z", BUFFER_LOCAL);
    s->value = num(1);
}

static void tasks_that_write_one_place(void) {
    Stmt *s = store_to("z", BUFFER_ARENA);
    s->offset = e_subst1(P, s->offset, routine("z")->vars.at[0], integer(0));
}

static void tasks_that_overlap(void) {
    Stmt *s = store_to("z", BUFFER_ARENA);
    Expr *task = e_var(P, routine("z")->vars.at[0]);
    s->offset = sub(s->offset, times(64, task)); /* the next task's first row is this one's last */
}

static void a_parameter_that_no_step_has(void) {
    for (int i = 0; i < f->steps.n; i++)
        if (f->steps.at[i]->kind == STEP_PARALLEL) f->steps.at[i] = f->steps.at[i]->steps.at[0];
}

static void a_buffer_without_a_place(void) {
    f->arena_bytes -= 64;
}

static void a_buffer_that_dies_too_soon(void) {
    for (int i = 0; i < f->buffers.n; i++)
        if (f->buffers.at[i]->kind == BUFFER_ARENA) f->buffers.at[i]->last = 0;
}

static Stmt *columns(void) { return find(&routine("xt")->body, STMT_COLUMNS, 0); }

static void columns_beyond_the_end(void) { columns()->at = plus(columns()->at, 32 * 24 - 23); }

static void columns_of_rows_too_far_apart(void) { columns()->stride = 96; }

static void columns_beyond_the_registers(void) { columns()->buffer = columns()->from; }

typedef struct Broken {
    void (*by)(void);
    const char *message;
} Broken;

static const Broken broken[] = {
    {a_store_beyond_the_end, "may leave its 1280 elements"},
    {a_store_before_the_beginning, "may leave its 1280 elements"},
    {a_load_beyond_the_end, "may leave its"},
    {a_loop_beyond_its_variable, "beyond 0 .."},
    {lanes_that_differ, "lanes differ in"},
    {vectors_that_the_target_has_not, "lanes differ in"},
    {a_value_of_another_type, "is not of type f32"},
    {a_load_of_another_type, "is of another type"},
    {a_variable_out_of_scope, "stray is not in scope"},
    {a_buffer_that_is_not_passed, "is not passed"},
    {a_store_to_what_is_only_read, "is not among what is written"},
    {a_local_that_is_not_declared, "is not declared here"},
    {a_local_that_is_read_first, "is read before it is written"},
    {a_part_of_a_register, "is registers, but accessed in part"},
    {columns_beyond_the_end, "745] may leave its 768 elements"},
    {columns_of_rows_too_far_apart, "may leave its 768 elements"},
    {columns_beyond_the_registers, "columns in x, which is not registers"},
    {tasks_that_write_one_place, "tasks store to the same z"},
    {tasks_that_overlap, "tasks store to the same z"},
    {a_parameter_that_no_step_has, "which no step around it has"},
    {a_buffer_without_a_place, "has no place in the arena"},
    {a_buffer_that_dies_too_soon, "alive from 0 to 0"},
};

/* What the process says that checks the broken function, and dies of it. */
START_TEST(what_is_broken_is_found) {
    int pipes[2], status;
    ck_assert_int_eq(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(pipes[1], 2);
        close(pipes[0]);
        signal(SIGABRT, SIG_DFL);
        broken[_i].by();
        loop_verify(f, "test");
        _exit(0);
    }
    close(pipes[1]);
    char said[2000] = "";
    for (size_t n = 0; n + 1 < sizeof said;) {
        ssize_t more = read(pipes[0], said + n, sizeof said - 1 - n);
        if (more <= 0) break;
        n += (size_t)more;
    }
    close(pipes[0]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "it is taken for right");
    ck_assert_msg(strstr(said, "after test, train: ") != NULL, "%s", said);
    ck_assert_msg(strstr(said, broken[_i].message) != NULL, "%s", said);
}
END_TEST

int main(void) {
    Suite *s = suite_create("loop");
    TCase *t = tcase_create("verifier");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, what_lower_makes_passes);
    tcase_add_loop_test(t, what_is_broken_is_found, 0, COUNT_OF(broken));
    suite_add_tcase(s, t);
    TCase *ahead = tcase_create("ahead");
    tcase_add_test(ahead, a_long_sum_asks_for_what_comes_after_it);
    tcase_add_loop_test(ahead, what_is_near_is_not_asked_for, 0, 3);
    tcase_add_test(ahead, conditions_leave_loops);
    suite_add_tcase(s, ahead);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
