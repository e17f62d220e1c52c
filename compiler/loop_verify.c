/* loop_verify.c: the rules of loop.h, checked; for the tests, between passes.
 *
 * Every element that is loaded or stored must be inside its buffer: by the ranges of the variables,
 * or by what is known where it happens (conditions, bounds of loops, masks). A vector is taken lane
 * by lane for that, the lane being one more variable; without a mask it may be read over the end by
 * SLACK bytes. An index that depends on data is trusted. A local buffer must be written before it
 * is read, where it is read, as if every loop ran. Tasks must write different places.
 */
#include "loop.h"
#include "loop_points.h"
#include <string.h>

typedef struct Local { /* a local buffer in scope */
    const Buffer *buffer;
    bool written;
    long lo, hi; /* between which elements */
} Local;

typedef struct Check {
    const LoopFunction *f;
    Graph *g;
    Pool *pool;
    Arena *arena; /* of this check */
    const char *pass;
    const Routine *routine;
    Expr *count; /* batch.count, as a variable with a range */
    Expr *lane;  /* of vectors */
    Map *scalar; /* Expr -> the same for one lane */
    Map *seen;   /* expressions whose form was checked */
    Map *data;   /* variables that stand for data */
    Expr *known; /* what holds here */
    Tasks *tasks; /* of the parallel step around the routine, or null */
    VEC(Var *) vars;
    VEC(Local) locals;
} Check;

#define broken(c, ...) broken_at(__LINE__, (c), arena_printf((c)->arena, __VA_ARGS__))

static _Noreturn void broken_at(int line, Check *c, const char *what) {
    die_at(__FILE__, line, "after %s, %s: %s: %s", c->pass, c->f->name,
           c->routine ? c->routine->name : "the function", what);
}

static const char *written(Check *c, const Expr *e) {
    Text t = {.arena = c->arena};
    e_print(&t, e);
    return t.at;
}

/* --- the form of expressions --- */

static bool is_in_scope(const Check *c, const Var *v) {
    for (int i = 0; i < c->vars.n; i++)
        if (c->vars.at[i] == v) return true;
    return false;
}

static Local *local_of(Check *c, const Buffer *b) {
    for (int i = c->locals.n - 1; i >= 0; i--)
        if (c->locals.at[i].buffer == b) return &c->locals.at[i];
    broken(c, "%s is not declared here", b->name);
}

static bool has_buffer(Buffer *const *list, int n, const Buffer *b) {
    for (int i = 0; i < n; i++)
        if (list[i] == b) return true;
    return false;
}

static void check_buffer(Check *c, const Buffer *b, bool write) {
    const Routine *r = c->routine;
    if (b->kind == BUFFER_LOCAL) local_of(c, b);
    else if (!has_buffer(r->buffers.at, r->buffers.n, b)) broken(c, "%s is not passed", b->name);
    else if (write && !has_buffer(r->written.at, r->written.n, b))
        broken(c, "%s is not among what is written", b->name);
}

static void check_lanes(Check *c, const Expr *e) {
    int width = c->f->target->lanes, from = e->op == OP_LOAD ? 1 : 0;
    bool good = e->lanes == 1 || e->lanes == width;
    if (e->op == OP_TREE) good = e->lanes == 1 && e->arg[0]->lanes == width;
    else if (e->op == OP_BROADCAST) good &= e->lanes > 1 && e->arg[0]->lanes == 1;
    else if (e->op == OP_IOTA) good &= e->lanes > 1;
    else
        for (int i = from; i < e->n; i++) good &= e->arg[i]->lanes == e->lanes;
    if (e->op == OP_LOAD) good &= e->arg[0]->lanes == 1 || e->arg[0]->lanes == e->lanes;
    if (!good) broken(c, "lanes differ in %s", written(c, e));
}

static void check_types(Check *c, const Expr *e) {
    int first = e->op == OP_SELECT;
    bool same = true, load = e->op == OP_LOAD;
    for (int i = first + 1; i < e->n && !load; i++) same &= e->arg[i]->type == e->arg[first]->type;
    Type result = op_info[e->op].type;
    if (result == N_TYPES && e->op >= OP_ADD) result = e->arg[first]->type;
    if (!same || (result != N_TYPES && e->type != result) || e->type == T_F64)
        broken(c, "types differ in %s", written(c, e));
    bool condition = e->op == OP_SELECT || e->op == OP_AND || e->op == OP_OR || e->op == OP_NOT;
    if (condition && e->arg[0]->type != T_BOOL) broken(c, "no condition in %s", written(c, e));
    if (!load) return;
    if (e->type != e->buffer->type) broken(c, "%s is of another type", written(c, e));
    if (e->arg[0]->type != T_I32) broken(c, "no offset in %s", written(c, e));
    if (e->n > 1 && e->arg[1]->type != T_BOOL) broken(c, "no mask in %s", written(c, e));
}

static void check_expr(Check *c, Expr *e) {
    if (map_get(c->seen, e)) return;
    map_set(c->seen, e, e);
    for (int i = 0; i < e->n; i++) check_expr(c, e->arg[i]);
    if (e->op == OP_READ || e->op == OP_DRAW) broken(c, "%s in a loop", written(c, e));
    if (e->op == OP_HOST && (e->host != HOST_COUNT || !c->routine->uses_count))
        broken(c, "%s is not passed", written(c, e));
    check_lanes(c, e);
    check_types(c, e);
}

/* --- one lane --- */

static Expr *unknown(Check *c, Type type) {
    long most = type == T_BOOL ? 1 : 1L << 30;
    Var *v = var_range(c->pool, "data", type == T_BOOL ? 0 : -most, most);
    map_set(c->data, v, v);
    Expr *e = e_var(c->pool, v);
    return type == T_BOOL ? e_op(c->pool, OP_EQ, e, e_int(c->pool, 1), NULL) : e;
}

static Expr *one_lane(Check *c, Expr *e);

/* What an integer or a condition is for a lane, count as a variable; what depends on data is some
 * unknown number. */
static Expr *one_lane_of(Check *c, Expr *e) {
    if (e->op == OP_HOST) return c->count;
    if (e->op == OP_IOTA) return c->lane;
    if (e->op == OP_BROADCAST) return one_lane(c, e->arg[0]);
    if (e->n == 0) return e;
    bool whole = e->op != OP_LOAD && (e->type == T_I32 || e->type == T_BOOL);
    for (int i = 0; i < e->n; i++)
        whole &= e->arg[i]->type == T_I32 || e->arg[i]->type == T_BOOL;
    if (!whole) return unknown(c, e->type);
    Expr **arg = NEW_ARRAY(c->arena, Expr *, e->n);
    for (int i = 0; i < e->n; i++) arg[i] = one_lane(c, e->arg[i]);
    if (e->op == OP_LIN) return e_rebuild(c->pool, e, arg);
    return e_op(c->pool, e->op, arg[0], e->n > 1 ? arg[1] : NULL, e->n > 2 ? arg[2] : NULL);
}

static Expr *one_lane(Check *c, Expr *e) {
    Expr *s = map_get(c->scalar, e);
    if (!s) map_set(c->scalar, e, s = one_lane_of(c, e));
    return s;
}

static void note_data(void *context, Expr *e) {
    void **x = context;
    if (e->op == OP_VAR && map_get(x[0], e->var)) x[1] = x[0];
}

static bool depends_on_data(Check *c, Expr *e) {
    void *x[2] = {c->data, NULL};
    e_visit(e, note_data, x);
    return x[1] != NULL;
}

/* --- bounds --- */

static long room_of(const Check *c, const Buffer *b) {
    if (b->kind != BUFFER_CALL || !c->g) return b->size;
    const Node *n = NULL;
    for (int i = 0; i < c->g->inputs.n; i++)
        if (c->g->inputs.at[i]->name == b->name) n = c->g->inputs.at[i];
    for (int i = 0; i < c->g->n_outputs; i++)
        if (c->g->output[i].node->batched && b->size == c->g->output[i].node->shape[0])
            n = c->g->output[i].node;
    for (int i = 0; i < c->g->n_outputs; i++)
        if (!strcmp(c->g->output[i].name, b->name)) n = c->g->output[i].node;
    if (!n || !n->batched) return b->size;
    long samples = n->shape[0]; /* netc.h: room for a multiple of 16 samples */
    return b->size / samples * ((samples + 15) / 16 * 16);
}

static bool follows(Check *c, Expr *known, Op op, Expr *a, long limit) {
    Expr *b = e_int(c->pool, limit);
    return e_implies(c->pool, known, op == OP_LE ? e_op(c->pool, OP_LE, b, a, NULL)
                                                 : e_op(c->pool, OP_LT, a, b, NULL));
}

/* Is 0 <= at < end, always? */
static bool is_inside(Check *c, Expr *known, Expr *at, long end) {
    long lo, hi;
    if (e_range(at, &lo, &hi) && lo >= 0 && hi < end) return true;
    if (follows(c, known, OP_LE, at, 0) && follows(c, known, OP_LT, at, end)) return true;
    return points_inside(c->arena, at, known, end);
}

static void check_bounds(Check *c, const Buffer *b, Expr *offset, int lanes, Expr *mask,
                         bool store) {
    bool gather = offset->lanes > 1;
    Expr *at = one_lane(c, offset);
    Expr *known = mask ? e_and(c->pool, c->known, one_lane(c, mask)) : c->known;
    if (depends_on_data(c, at) || (known && is_false(known))) return;
    long room = room_of(c, b);
    if (lanes > 1 && !gather) {
        long slack = store ? 0 : SLACK / b->narrow;
        Expr *last = e_offset(c->pool, at, lanes - 1);
        if (is_inside(c, c->known, at, room + slack) &&
            is_inside(c, c->known, last, room + slack))
            return;
        if (mask) at = e_add(c->pool, at, c->lane);
    }
    if ((lanes == 1 || gather || mask) && is_inside(c, known, at, room)) return;
    broken(c, "%s[%s] may leave its %ld elements%s%s", b->name, written(c, at), room,
           known ? " where " : "", known ? written(c, known) : "");
}

/* --- local buffers --- */

static void check_whole(Check *c, const Buffer *b, Expr *offset, int lanes) {
    if (b->memory || b->lanes == 1) return;
    Expr *rest = e_op(c->pool, OP_IMOD, offset, e_int(c->pool, b->lanes), NULL);
    if (lanes != b->lanes || offset->lanes != 1 || !is_int(rest, 0))
        broken(c, "%s is registers, but accessed in part, at %s", b->name, written(c, offset));
}

static void check_write(Check *c, const Buffer *b, Expr *offset, int lanes) {
    if (b->kind != BUFFER_LOCAL) return;
    check_whole(c, b, offset, lanes);
    Local *x = local_of(c, b);
    long lo, hi;
    if (!e_range(one_lane(c, offset), &lo, &hi)) broken(c, "%s is written anywhere", b->name);
    x->lo = x->written && x->lo < lo ? x->lo : lo;
    x->hi = x->written && x->hi > hi + lanes - 1 ? x->hi : hi + lanes - 1;
    x->written = true;
}

/* Of a vector the first element counts: its others may be beyond what there is. */
static void check_written(Check *c, const Buffer *b, Expr *offset, int lanes) {
    if (b->kind != BUFFER_LOCAL) return;
    check_whole(c, b, offset, lanes);
    const Local *x = local_of(c, b);
    Expr *at = e_offset(c->pool, one_lane(c, offset), -x->lo);
    if (!x->written || !is_inside(c, c->known, at, x->hi - x->lo + 1))
        broken(c, "%s[%s] is read before it is written", b->name, written(c, offset));
}

static void check_load(void *context, Expr *e) {
    Check *c = context;
    if (e->op != OP_LOAD) return;
    check_buffer(c, e->buffer, false);
    check_bounds(c, e->buffer, e->arg[0], e->lanes, e->n > 1 ? e->arg[1] : NULL, false);
    check_written(c, e->buffer, e->arg[0], e->lanes);
}

static void note_var(void *context, Expr *e) {
    Check *c = context;
    if (e->op == OP_VAR && !is_in_scope(c, e->var)) broken(c, "%s is not in scope", e->var->name);
}

static void check_root(Check *c, Expr *e, Type type) {
    check_expr(c, e);
    if (e->type != type) broken(c, "%s is not of type %s", written(c, e), type_names[type]);
    e_visit(e, note_var, c);
    e_visit(e, check_load, c);
}

/* --- statements --- */

static void check_body(Check *c, const Body *body);

/* A body in which `also` holds besides; what it declares ends with it. */
static void check_inner(Check *c, const Body *body, Expr *also) {
    Expr *known = c->known;
    int locals = c->locals.n;
    c->known = also ? e_and(c->pool, known, also) : known;
    check_body(c, body);
    c->known = known;
    c->locals.n = locals;
}

static void check_for(Check *c, const Stmt *s) {
    Var *v = s->var;
    check_root(c, s->lo, T_I32);
    check_root(c, s->hi, T_I32);
    if (is_in_scope(c, v)) broken(c, "a loop over %s within another", v->name);
    Expr *lo = one_lane(c, s->lo), *hi = one_lane(c, s->hi), *x = e_var(c->pool, v);
    long lo_least, lo_most, hi_least, hi_most;
    if (!e_range(lo, &lo_least, &lo_most) || !e_range(hi, &hi_least, &hi_most) ||
        lo_least < v->lo || hi_most - 1 > v->hi)
        broken(c, "%s goes from %s to %s, beyond %ld .. %ld", v->name, written(c, lo),
               written(c, hi), v->lo, v->hi);
    Expr *from = e_op(c->pool, OP_LE, lo, x, NULL), *to = e_op(c->pool, OP_LT, x, hi, NULL);
    PUSH(c->arena, c->vars, v);
    check_inner(c, &s->body, e_and(c->pool, from, to));
    c->vars.n--;
}

static void check_if(Check *c, const Stmt *s) {
    check_root(c, s->cond, T_BOOL);
    if (s->cond->lanes != 1) broken(c, "a vector decides: %s", written(c, s->cond));
    Expr *cond = one_lane(c, s->cond);
    if (!is_false(cond)) check_inner(c, &s->body, cond);
    if (!is_true(cond)) check_inner(c, &s->other, e_op(c->pool, OP_NOT, cond, NULL, NULL));
}

static void check_store(Check *c, const Stmt *s) {
    const Buffer *b = s->buffer;
    check_root(c, s->offset, T_I32);
    check_root(c, s->value, b->type);
    if (s->offset->lanes != 1) broken(c, "%s is stored to at a vector", b->name);
    check_buffer(c, b, true);
    check_bounds(c, b, s->offset, s->value->lanes, NULL, true);
    check_write(c, b, s->offset, s->value->lanes);
    Expr *at = one_lane(c, s->offset);
    if (!c->tasks || b->kind == BUFFER_LOCAL) return;
    if (depends_on_data(c, at)) broken(c, "a task stores to %s where data say", b->name);
    if (!tasks_store(c->tasks, c->routine, b, at, s->value->lanes, c->known))
        broken(c, "tasks store to the same %s[%s]", b->name, written(c, at));
}

static void check_local(Check *c, const Stmt *s) {
    const Buffer *b = s->buffer;
    if (b->kind != BUFFER_LOCAL) broken(c, "%s is declared, but not local", b->name);
    for (int i = 0; i < c->locals.n; i++)
        if (c->locals.at[i].buffer == b) broken(c, "%s is declared twice", b->name);
    if (b->size < 1 || b->size % b->lanes) broken(c, "%s has %ld elements", b->name, b->size);
    PUSH(c->arena, c->locals, ((Local){.buffer = b}));
}

/* Rows are read element by element: only lanes have room behind what there is. */
static void check_columns(Check *c, const Stmt *s) {
    const Buffer *b = s->buffer;
    int lanes = c->f->target->lanes;
    check_root(c, s->offset, T_I32);
    check_root(c, s->at, T_I32);
    if (b->kind != BUFFER_LOCAL || b->lanes != lanes || b->memory)
        broken(c, "columns in %s, which is not registers", b->name);
    if (s->from->kind == BUFFER_LOCAL || s->from->type != b->type)
        broken(c, "columns of %s", s->from->name);
    check_buffer(c, b, true);
    check_buffer(c, s->from, false);
    Expr *at = e_add(c->pool, one_lane(c, s->at), e_scale(c->pool, c->lane, s->stride));
    for (int k = 0; k < COLUMNS; k++) {
        check_bounds(c, s->from, e_offset(c->pool, at, k), 1, NULL, false);
        check_write(c, b, e_offset(c->pool, s->offset, (long)k * lanes), lanes);
    }
}

static void check_body(Check *c, const Body *body) {
    for (int i = 0; i < body->n; i++) {
        const Stmt *s = body->at[i];
        switch (s->kind) {
        case STMT_FOR: check_for(c, s); break;
        case STMT_IF: check_if(c, s); break;
        case STMT_STORE: check_store(c, s); break;
        case STMT_LOCAL: check_local(c, s); break;
        case STMT_COLUMNS: check_columns(c, s); break;
        case STMT_AHEAD: check_root(c, s->offset, T_I32); break;
        default: break;
        }
    }
}

/* --- the function --- */

static void check_routine(Check *c, const Routine *r, const Step *parallel) {
    c->routine = r;
    c->seen = map_new(c->arena);
    c->scalar = map_new(c->arena);
    c->vars.n = c->locals.n = 0;
    for (int i = 0; i < r->vars.n; i++) PUSH(c->arena, c->vars, r->vars.at[i]);
    c->known = NULL;
    if (parallel) {
        Expr *v = e_var(c->pool, parallel->var);
        c->known = e_op(c->pool, OP_LT, v, one_lane(c, parallel->count), NULL);
    }
    check_body(c, &r->body);
}

/* Every buffer of a called routine has its memory, and is alive. */
static void check_call(Check *c, const Routine *r, int at) {
    for (int i = 0; i < r->buffers.n; i++) {
        const Buffer *b = r->buffers.at[i];
        if (!has_buffer(c->f->buffers.at, c->f->buffers.n, b))
            broken(c, "%s uses %s, which is not in the function", r->name, b->name);
        if (b->first > at || b->last < at)
            broken(c, "%s uses %s at step %d, alive from %d to %d", r->name, b->name, at, b->first,
                   b->last);
    }
}

static void check_step(Check *c, const Step *s, int at, const Step *parallel);

/* What one writes no other touches. */
static void check_apart(Check *c, const Routine *r, const Step *s) {
    for (int i = 0; i < r->written.n && s->kind == STEP_CALL; i++)
        if (has_buffer(s->routine->buffers.at, s->routine->buffers.n, r->written.at[i]))
            broken(c, "%s runs beside %s, which writes %s", s->routine->name, r->name,
                   r->written.at[i]->name);
    for (int i = 0; i < s->steps.n; i++) check_apart(c, r, s->steps.at[i]);
}

static void check_all_apart(Check *c, const Step *a, const Step *b) {
    if (a->kind == STEP_CALL) check_apart(c, a->routine, b);
    for (int i = 0; i < a->steps.n; i++) check_all_apart(c, a->steps.at[i], b);
}

static void check_together(Check *c, const Step *s, int at) {
    for (int i = 0; i < s->steps.n; i++) {
        for (int j = 0; j < s->steps.n; j++)
            if (j != i) check_all_apart(c, s->steps.at[i], s->steps.at[j]);
        check_step(c, s->steps.at[i], at, NULL);
    }
}

static void check_step(Check *c, const Step *s, int at, const Step *parallel) {
    if (s->kind == STEP_CALL) {
        for (int i = 0; i < s->routine->vars.n; i++)
            if (!is_in_scope(c, s->routine->vars.at[i]))
                broken(c, "%s takes %s, which no step around it has", s->routine->name,
                       s->routine->vars.at[i]->name);
        check_call(c, s->routine, at);
        Check inner = *c;
        inner.vars.at = NULL;
        inner.vars.n = inner.vars.cap = 0;
        check_routine(&inner, s->routine, parallel);
        return;
    }
    if ((s->kind == STEP_PARALLEL || s->kind == STEP_TOGETHER) && parallel)
        broken(c, "tasks within tasks");
    if (s->kind == STEP_TOGETHER) {
        check_together(c, s, at);
        return;
    }
    long lo, hi;
    c->scalar = map_new(c->arena);
    if (!e_range(one_lane(c, s->count), &lo, &hi) || s->var->lo > 0 || hi > s->var->hi + 1)
        broken(c, "a step over %s goes beyond %ld", s->var->name, s->var->hi);
    PUSH(c->arena, c->vars, s->var);
    if (s->kind == STEP_PARALLEL) c->tasks = tasks_new(c->arena, s->var);
    for (int i = 0; i < s->steps.n; i++)
        check_step(c, s->steps.at[i], at, s->kind == STEP_PARALLEL ? s : parallel);
    if (s->kind == STEP_PARALLEL) c->tasks = NULL;
    c->vars.n--;
}

static size_t bytes_of(const Buffer *b) {
    return (size_t)b->size * (size_t)b->narrow + SLACK;
}

/* Buffers that are alive together lie apart, or tasks use them in turn, all within the arena. */
static void check_plan(Check *c) {
    const LoopFunction *f = c->f;
    for (int i = 0; i < f->buffers.n; i++) {
        const Buffer *a = f->buffers.at[i];
        if (a->kind != BUFFER_ARENA || a->first < 0) continue;
        bool apart = a->offset >= 4 * (size_t)f->scalar.n;
        if (a->offset % ALIGN || a->offset + bytes_of(a) > f->arena_bytes || !apart)
            broken(c, "%s has no place in the arena", a->name);
        for (int j = 0; j < i; j++) {
            const Buffer *b = f->buffers.at[j];
            bool together = b->kind == BUFFER_ARENA && b->first >= 0 && a->first <= b->last &&
                            b->first <= a->last;
            if (together && a->offset < b->offset + bytes_of(b) &&
                b->offset < a->offset + bytes_of(a) && !plan_in_turn(a, b))
                broken(c, "%s and %s lie in one place", a->name, b->name);
        }
    }
}

void loop_verify(const LoopFunction *f, const char *pass) {
    Check c = {.f = f, .g = f->graph, .pool = f->graph->program->pool, .pass = pass};
    c.arena = arena_new();
    c.data = map_new(c.arena);
    c.count = e_var(c.pool, var_range(c.pool, "count", 1, f->graph->batch));
    c.lane = e_var(c.pool, var_new(c.pool, "lane", f->target->lanes));
    for (int i = 0; i < f->steps.n; i++) check_step(&c, f->steps.at[i], i, NULL);
    if (f->arena_bytes) check_plan(&c);
    arena_free(c.arena);
}
