/* cost.c: what kernels cost, from their loop IR (cost.h).
 *
 * The text of a routine is walked once, with the loops around each statement. An expression is
 * computed in the innermost loop that it depends on, by its variables or by what it loads being
 * stored to there, since compilers take the rest out of loops; unrolled loops repeat it as often as
 * it has different values. What is computed in a loop keeps the units of the machine busy: the one
 * that is busiest says how long (cost_time.c).
 */
#include "cost_parts.h"
#include <math.h>
#include <string.h>

/* A machine as there are many, with AVX2 or AVX-512, at 3 GHz. */
static const Machine machine = {
    .width = 16, .issue = 6, .fma = 2, .arithmetic = 4, .load = 2, .store = 1, .forward = 5,
    .gather = 0.5, .window = 512,
    .cache = {{48 << 10, 1.3, 2, 2, 4.4}, {5 << 18, 2.7, 5, 60, 8}, {16 << 20, 8, 20, 80, 20}},
    .hertz = 3e9,
};

const Machine *machine_of(const Target *t) { return &machine; }

/* --- loops --- */

static Loop *enter(Nest *x, int kind, Var *var, double trip, long lo, long hi) {
    Loop *l = NEW(x->arena, Loop), *up = x->depth ? x->at[x->depth - 1] : NULL;
    if (x->depth == MAX_DEPTH) die("loops nest too deep");
    *l = (Loop){.kind = kind, .var = var, .trip = trip, .lo = lo, .hi = hi, .value = lo, .up = up,
                .depth = x->depth, .routine = x->routine, .beside = 1,
                .runs = up ? up->runs * up->trip : 1};
    l->written = map_new(x->arena);
    l->seen = map_new(x->arena);
    l->held = map_new(x->arena);
    if (up) PUSH(x->arena, up->inner, l);
    x->at[x->depth++] = l;
    return l;
}

static void leave(Nest *x) { x->depth--; }

static void note_written(Loop *l, const Body *body) {
    for (int i = 0; i < body->n; i++) {
        const Stmt *s = body->at[i];
        if (s->kind == STMT_STORE || s->kind == STMT_COLUMNS)
            map_set(l->written, s->buffer, s->buffer);
        note_written(l, &s->body);
        note_written(l, &s->other);
    }
}

/* --- expressions --- */

/* Locals are registers unless a real loop chooses the element, or both vectors and elements are
 * accessed. */
static bool is_register(const Nest *x, const Buffer *b) {
    return b->kind == BUFFER_LOCAL && !map_get(x->chosen, b);
}

static void note_chosen(void *context, Expr *e) {
    Nest *x = context;
    if (e->op == OP_VAR && map_get(x->real, e->var)) x->by_data = true;
}

static bool is_chosen(Nest *x, const Buffer *b, Expr *offset, int lanes) {
    if (b->memory && lanes > 1) return true;
    x->by_data = false;
    e_visit(offset, note_chosen, x);
    return x->by_data;
}

static void settle_load(void *context, Expr *e) {
    Nest *x = context;
    if (e->op != OP_LOAD || e->buffer->kind != BUFFER_LOCAL) return;
    if (map_get(x->chosen, e->buffer)) return;
    if (is_chosen(x, e->buffer, e->arg[0], e->lanes)) map_set(x->chosen, e->buffer, e->buffer);
}

static void settle(Nest *x, const Body *body) {
    for (int i = 0; i < body->n; i++) {
        Stmt *s = body->at[i];
        if (s->kind == STMT_FOR && !cost_is_text(s)) map_set(x->real, s->var, s->var);
        if (s->kind == STMT_STORE) {
            int lanes = s->value->lanes;
            e_visit(s->value, settle_load, x);
            if (s->buffer->kind == BUFFER_LOCAL && is_chosen(x, s->buffer, s->offset, lanes))
                map_set(x->chosen, s->buffer, s->buffer);
        }
        settle(x, &s->body);
        settle(x, &s->other);
    }
}

typedef struct Walk {
    Nest *x;
    Map *bits; /* Expr -> the loops it depends on, and 1 << MAX_DEPTH, so that it is not null */
    Stmt *stmt;
    double fma;   /* of this statement */
    int side;     /* the unrolled loop whose rounds compilers put side by side, or -1: */
    double share; /* vectors of these are such a share of them */
} Walk;

static uint64_t written_in(const Nest *x, const Buffer *b) {
    uint64_t bits = 0;
    for (int i = 0; i < x->depth; i++)
        if (map_get(x->at[i]->written, b)) bits |= (uint64_t)1 << i;
    return bits;
}

/* Indexed and masked loads of vectors are calls to compilers, which stay where they are. */
static bool stays_inside(const Expr *e) {
    return e->op == OP_LOAD && e->lanes > 1 && (e->n > 1 || e->arg[0]->lanes > 1);
}

static uint64_t bits_of(Walk *w, Expr *e) {
    const uint64_t known = (uint64_t)1 << MAX_DEPTH;
    if (e->op == OP_CONST || e->op == OP_HOST || e->op == OP_IOTA) return 0;
    uint64_t bits = (uint64_t)map_get(w->bits, e);
    if (bits) return bits & ~known;
    if (e->op == OP_VAR) bits = cost_vars(w->x, e);
    if (e->op == OP_LOAD) bits = written_in(w->x, e->buffer);
    for (int i = 0; i < e->n; i++) bits |= bits_of(w, e->arg[i]);
    if (stays_inside(e)) bits = known - 1;
    map_set(w->bits, e, (void *)(bits | known));
    return bits;
}

/* The real loop whose iterations compute what depends on `bits`, or the routine. */
static Loop *home_of(const Nest *x, uint64_t bits) {
    for (int i = x->depth - 1; i > x->base; i--)
        if (x->at[i]->kind == LOOP_REAL && bits >> i & 1) return x->at[i];
    return x->at[x->base];
}

/* How often it is computed there: in each iteration, for the unrolled loops inside. */
static double instances(Nest *x, const Loop *home, Expr *e, uint64_t bits) {
    uint64_t over = 0;
    double share = 1;
    for (int i = home->depth + 1; i < x->depth; i++) {
        if (x->at[i]->kind == LOOP_CONDITION) share *= x->at[i]->trip;
        if (x->at[i]->kind == LOOP_TEXT && bits >> i & 1) over |= (uint64_t)1 << i;
    }
    if (e && e->op == OP_LOAD && !is_register(x, e->buffer) && !stays_inside(e)) {
        double n = cost_distinct(x, e->arg[0], over & cost_vars(x, e->arg[0]));
        for (int i = 0; i < x->depth; i++) /* and for what is stored there */
            if ((over & ~cost_vars(x, e->arg[0])) >> i & 1) n *= x->at[i]->trip;
        return n;
    }
    for (int i = 0; i < x->depth; i++)
        if (over >> i & 1) share *= x->at[i]->trip;
    return share;
}

/* Do pieces of `lanes` floats at this offset begin where a vector may be loaded at once? */
static bool is_aligned(Expr *offset, int lanes) {
    long m = lanes;
    if (offset->op == OP_CONST) return (long)offset->num % m == 0;
    if (offset->op != OP_LIN) return true;
    if (offset->k % m) return false;
    for (int i = 0; i < offset->n; i++)
        if (offset->coef[i] % m) return false;
    return true;
}

/* Times a piece must be loaded or stored for all of it. */
static double pieces_of(Nest *x, const Buffer *b, Expr *offset, int lanes) {
    double n = cost_turns(x, b->narrow == 4 ? lanes : 1);
    if (lanes <= 1 || b->narrow != 4 || is_aligned(offset, lanes)) return n;
    return n * (lanes >= 16 ? 2 : 1.5);
}

/* Where compilers look for vectors: loops around none, whose iterations use neighbors. What is
 * loaded from further apart they put together element by element. */
static void note_neighbors(Nest *x, Loop *home, const Buffer *b, Expr *offset, int lanes,
                           double n, bool store) {
    enum { MOST_SPREAD = 4 };
    double stride = fabs(cost_stride(x, offset, home->depth));
    if (lanes > 1 || (store && stride != 1) || b->narrow != 4) home->apart = true;
    if (home->var && !cost_is_affine(offset, home->var)) home->apart = true;
    if (stride > MOST_SPREAD) home->singly += n;
    else if (stride > home->spread) home->spread = stride;
}

static void count_load(Nest *x, Loop *home, const Expr *e, double n) {
    const Machine *m = x->machine;
    const Buffer *b = e->buffer;
    note_neighbors(x, home, b, e->arg[0], e->lanes, n, false);
    if (e->arg[0]->lanes > 1) {
        double slow = e->type == T_F32 ? 1 : 1.5; /* element by element */
        home->port[PORT_LOAD] += n * e->lanes * m->gather * slow;
        home->port[PORT_ISSUE] += n * e->lanes * 2 * slow / m->issue;
        return;
    }
    bool by_lane = e->n > 1 && e->lanes > 1 && e->type != T_F32;
    home->port[PORT_ISSUE] += n * (by_lane ? 4 * e->lanes : 1) / m->issue;
    double pieces = by_lane ? e->lanes : pieces_of(x, b, e->arg[0], e->lanes);
    home->port[PORT_LOAD] += n * pieces / m->load;
}

static void count_units(Nest *x, Loop *home, const Expr *e, double n) {
    const Machine *m = x->machine;
    Units u = cost_units(e);
    double t = cost_turns(x, e->op == OP_TREE ? x->f->target->lanes : e->lanes);
    home->port[PORT_ISSUE] += n * u.issue / m->issue;
    home->port[PORT_FMA] += n * t * u.fma / m->fma;
    home->port[PORT_ARITHMETIC] += n * t * u.arithmetic / m->arithmetic;
    home->port[PORT_DIVIDE] += n * cost_divide(e);
}

/* Counts e in the loop that computes it, once for equal expressions there. */
static void count(void *context, Expr *e) {
    Walk *w = context;
    Nest *x = w->x;
    if (e->op == OP_CONST || e->op == OP_VAR || e->op == OP_HOST || e->op == OP_IOTA) return;
    if (e->op == OP_LOAD && is_register(x, e->buffer)) return;
    uint64_t bits = bits_of(w, e);
    Loop *home = home_of(x, bits), *here = home_of(x, ~(uint64_t)0);
    double n = instances(x, home, e, bits), all = n * home->runs * home->trip;
    bool outside = home != here;
    if (map_get(home->seen, e) && !stays_inside(e)) return;
    map_set(home->seen, e, e);
    double share = w->side > home->depth && bits >> w->side & 1 ? w->share : 1;
    if (e->op == OP_LOAD) {
        cost_access(x, e->buffer, e->arg[0], e->lanes, false);
        count_load(x, home, e, all * share);
        if (outside && e->lanes > 1) here->kept += n;
        return;
    }
    if (e->op == OP_BROADCAST && e->arg[0]->op == OP_LOAD) {
        if (outside) here->kept += n;
        return;
    }
    count_units(x, home, e, all * share);
    if (cost_is_flop(e))
        x->cost[x->routine].executed += all * e->lanes * (e->op == OP_FMA ? 2 : 1);
    if (e->op == OP_FMA) w->fma += all * e->lanes;
}

/* --- chains --- */

static void add_to_chain(Nest *x, Loop *l, const Stmt *s, double carried, double inside) {
    Chain *c = NULL;
    for (int i = 0; i < l->chains.n && !c; i++)
        if (l->chains.at[i].buffer == s->buffer && l->chains.at[i].offset == s->offset)
            c = &l->chains.at[i];
    if (!c) {
        PUSH(x->arena, l->chains, ((Chain){s->buffer, s->offset, 0, 0}));
        c = &l->chains.at[l->chains.n - 1];
    }
    c->carried += carried;
    c->inside += inside;
}

/* Adds to the time that a sum in a register takes from its declaration on. */
static void delay(Nest *x, const Expr *sum, double cycles) {
    double *all = map_get(x->delays, sum);
    if (!all) {
        all = NEW(x->arena, double);
        map_set(x->delays, sum, all);
    }
    *all += cycles;
}

/* A chain takes its time in each loop whose iterations follow from each other, and within an
 * iteration of the innermost one. */
static void count_chain(Walk *w) {
    enum { LATENCY = 4 };
    Nest *x = w->x;
    const Stmt *s = w->stmt;
    const Loop *here = home_of(x, ~(uint64_t)0);
    double l = cost_latency(s);
    Expr *same = v_load(x->f->graph->program->pool, s->buffer, s->offset, NULL, s->value->lanes);
    if (l < 0 && map_get(here->seen, same)) { /* by way of a register, and what it adds up */
        double *sum = map_get(x->delays, s->value);
        l = sum && *sum > LATENCY ? *sum : LATENCY;
    }
    if (l <= 0) return;
    uint64_t vars = cost_vars(x, s->offset);
    bool kept = !(vars >> here->depth & 1) && here->depth > x->base; /* in a register meanwhile */
    if (!is_register(x, s->buffer) && !kept) l += x->machine->forward;
    int declared = (int)(intptr_t)map_get(x->declared, s->buffer);
    for (int i = x->depth - 1; i >= x->base; i--) {
        Loop *loop = x->at[i];
        bool follows = !(vars >> i & 1) && i >= declared;
        if (loop == here) add_to_chain(x, loop, s, 0, l);
        if (loop->kind == LOOP_CONDITION || follows) l *= loop->trip;
        if (loop->kind != LOOP_REAL || !follows || i == x->base) continue;
        loop->apart = true;
        add_to_chain(x, loop, s, l, 0);
    }
    if (is_register(x, s->buffer)) delay(x, same, l);
}

/* --- statements --- */

static const char *tile_of(Nest *x, const Stmt *s, const Loop *home) {
    Text t = {.arena = x->arena};
    uint64_t vars = cost_vars(x, s->offset);
    for (int i = home->depth + 1; i < x->depth; i++)
        if (x->at[i]->kind == LOOP_TEXT && vars >> i & 1 && x->at[i]->trip > 1)
            text_add(&t, "%s%s %.0f", t.n ? ", " : "", x->at[i]->var->name, x->at[i]->trip);
    if (s->value->lanes > 1) text_add(&t, "%s%d lanes", t.n ? ", " : "", s->value->lanes);
    return t.n ? t.at : "";
}

static void hold(void *context, Expr *e) {
    Nest *x = context;
    Loop *home = home_of(x, ~(uint64_t)0);
    if (e->op != OP_LOAD || !is_register(x, e->buffer) || map_get(home->held, e)) return;
    map_set(home->held, e, e);
    uint64_t over = cost_vars(x, e->arg[0]) & ~(((uint64_t)2 << home->depth) - 1);
    home->registers += cost_distinct(x, e->arg[0], over);
}

/* Do the rounds of the loop at `level` load neighbors, or all the same? */
typedef struct Neighbors {
    Nest *x;
    int level;
    bool apart;
} Neighbors;

static void note_apart(void *context, Expr *e) {
    Neighbors *b = context;
    if (e->lanes > 1) b->apart = true;
    if (e->op != OP_LOAD) return;
    double stride = cost_stride(b->x, e->arg[0], b->level);
    b->apart |= stride != 0 && stride != 1;
    b->apart |= e->buffer->narrow != 4 || !cost_is_affine(e->arg[0], b->x->at[b->level]->var);
}

/* So many vectors of 4, 8, ... elements, and single ones, are `trip` elements. */
static double short_vectors(const Nest *x, long trip) {
    long lanes = x->f->target->lanes, n = trip / lanes, rest = trip % lanes;
    for (lanes /= 2; lanes >= 4; lanes /= 2) {
        n += rest / lanes;
        rest %= lanes;
    }
    return (double)(n + rest);
}

/* Compilers make short vectors of the rounds of an unrolled loop that work on neighbors. */
static void find_side(Nest *x, const Stmt *s, Walk *w) {
    enum { LEAST = 4 };
    int i = x->depth - 1;
    const Loop *l = x->at[i];
    w->side = -1;
    if (is_register(x, s->buffer) || s->cond || x->f->target->lanes == 1) return;
    if (l->kind != LOOP_TEXT || l->trip < LEAST || !cost_is_affine(s->offset, l->var)) return;
    if (s->value->lanes > 1 || cost_stride(x, s->offset, i) != 1) return;
    Neighbors b = {x, i, false};
    e_visit(s->value, note_apart, &b);
    if (b.apart) return;
    w->side = i;
    w->share = short_vectors(x, (long)l->trip) / l->trip;
}

static void store(Nest *x, Stmt *s) {
    const Machine *m = x->machine;
    Walk w = {.x = x, .bits = map_new(x->arena), .stmt = s};
    find_side(x, s, &w);
    e_visit(s->value, count, &w);
    e_visit(s->offset, count, &w);
    if (s->cond) e_visit(s->cond, count, &w);
    Loop *home = home_of(x, ~(uint64_t)0);
    e_visit(s->value, hold, x);
    hold(x, v_load(x->f->graph->program->pool, s->buffer, s->offset, NULL, s->value->lanes));
    if (w.fma > x->hottest[x->routine]) {
        x->hottest[x->routine] = w.fma;
        x->cost[x->routine].tile = tile_of(x, s, home);
    }
    count_chain(&w);
    if (is_register(x, s->buffer)) return;
    double n = instances(x, home, NULL, ~(uint64_t)0) * home->runs * home->trip;
    int lanes = s->value->lanes;
    if (w.side > home->depth) n *= w.share;
    home->port[PORT_ISSUE] += n / m->issue;
    home->port[PORT_STORE] += n * pieces_of(x, s->buffer, s->offset, lanes) / m->store;
    cost_access(x, s->buffer, s->offset, lanes, true);
    note_neighbors(x, home, s->buffer, s->offset, lanes, n, true);
}

/* A block is loaded row by row and turned by exchanging halves. */
static void columns(Nest *x, const Stmt *s) {
    const Machine *m = x->machine;
    int lanes = x->f->target->lanes;
    Loop *home = home_of(x, ~(uint64_t)0);
    double n = instances(x, home, NULL, ~(uint64_t)0) * home->runs * home->trip;
    home->apart = true;
    home->port[PORT_LOAD] += n * lanes / m->load;
    home->port[PORT_ARITHMETIC] += n * 2 * lanes / m->arithmetic;
    home->port[PORT_ISSUE] += n * 3 * lanes / m->issue;
    cost_rows(x, s->from, s->at, COLUMNS, lanes, s->stride);
}

static void walk(Nest *x, const Body *body);

/* Compilers rarely take a test out of a loop: where it stands, each part of it is a sum, a
 * comparison and a branch. */
static void walk_if(Nest *x, const Stmt *s) {
    enum { TEST = 3 };
    double share = cost_share(x, s->cond);
    Loop *home = home_of(x, cost_vars(x, s->cond)), *here = home_of(x, ~(uint64_t)0);
    if (home == here) here->apart = true;
    Expr **part;
    double n = instances(x, here, NULL, ~(uint64_t)0) * here->runs * here->trip;
    here->port[PORT_ISSUE] += n * TEST * e_conjuncts(x->arena, s->cond, &part) / x->machine->issue;
    for (int side = 0; side < 2; side++) {
        const Body *b = side ? &s->other : &s->body;
        if (!b->n) continue;
        note_written(enter(x, LOOP_CONDITION, NULL, side ? 1 - share : share, 0, 0), b);
        walk(x, b);
        leave(x);
    }
}

static void walk_nest(Nest *x, Stmt *const *nest, int n, const Body *body) {
    if (!n) {
        walk(x, body);
        return;
    }
    const Stmt *s = nest[0];
    double trip = cost_trip(x, s->lo, s->hi);
    long lo, hi, most;
    if (!e_range(s->lo, &lo, &hi)) lo = 0;
    if (!e_range(s->hi, &hi, &most)) most = lo + (long)trip;
    bool text = cost_is_text(s);
    Loop *l = enter(x, text ? LOOP_TEXT : LOOP_REAL, s->var, trip, lo, most > lo ? most - 1 : lo);
    note_written(l, body);
    if (n == 1 && body == &s->body && trip >= 1 && cost_is_lanes(s))
        l->beside = cost_vectors(x, trip) / trip;
    if (!text) l->port[PORT_ISSUE] += l->runs * l->trip * 2 / x->machine->issue;
    walk_nest(x, nest + 1, n - 1, body);
    leave(x);
}

/* The loop that is all of s's body, if that is one of so many rounds. */
static Stmt *next_in_nest(const Stmt *s) {
    if (s->body.n != 1 || cost_is_text(s)) return NULL;
    Stmt *next = s->body.at[0];
    if (next->kind != STMT_FOR || cost_is_text(next)) return NULL;
    return e_uses(next->lo, s->var) || e_uses(next->hi, s->var) ? NULL : next;
}

static void walk_for(Nest *x, Stmt *s) {
    enum { DEEPEST = 4 };
    Stmt *nest[DEEPEST + 1] = {s}, term, *terms = &term;
    int n = 1;
    while (n < DEEPEST && next_in_nest(nest[n - 1])) nest[n] = next_in_nest(nest[n - 1]), n++;
    if (cost_exchange(x->f->graph->program->pool, nest[n - 1], &nest[n - 1], &term)) {
        walk_nest(x, nest, n + 1, &(Body){&terms, 1, 1});
        return;
    }
    const Body *body = &nest[n - 1]->body;
    int inner = cost_innermost(nest, n);
    Stmt *keep = nest[inner];
    for (int i = inner; i < n - 1; i++) nest[i] = nest[i + 1];
    nest[n - 1] = keep;
    walk_nest(x, nest, n, body);
}

static void walk(Nest *x, const Body *body) {
    for (int i = 0; i < body->n; i++) {
        Stmt *s = body->at[i];
        switch (s->kind) {
        case STMT_FOR: walk_for(x, s); break;
        case STMT_IF: walk_if(x, s); break;
        case STMT_STORE: store(x, s); break;
        case STMT_COLUMNS: columns(x, s); break;
        case STMT_LOCAL: map_set(x->declared, s->buffer, (void *)(intptr_t)x->depth); break;
        default: break;
        }
    }
}

/* --- steps --- */

static int routine_number(const LoopFunction *f, const Routine *r) {
    for (int i = 0; i < f->routines.n; i++)
        if (f->routines.at[i] == r) return i;
    die("%s is no routine of %s", r->name, f->name);
}

static void walk_steps(Nest *x, Step *const *step, int n) {
    enum { CALL = 30 };
    for (int i = 0; i < n; i++) {
        const Step *s = step[i];
        if (s->kind == STEP_CALL) {
            x->routine = routine_number(x->f, s->routine);
            Loop *l = enter(x, LOOP_REAL, NULL, 1, 0, 0);
            x->base = l->depth;
            note_written(l, &s->routine->body);
            x->real = map_new(x->arena);
            settle(x, &s->routine->body);
            l->port[PORT_ISSUE] += l->runs * CALL / x->machine->issue;
            walk(x, &s->routine->body);
            leave(x);
            x->routine = -1;
        } else if (s->kind == STEP_TOGETHER) {
            walk_steps(x, s->steps.at, s->steps.n);
        } else {
            double trip = cost_trip(x, NULL, s->count);
            enter(x, LOOP_REAL, s->var, trip, 0, (long)trip - 1);
            walk_steps(x, s->steps.at, s->steps.n);
            leave(x);
        }
    }
}

KernelCost *cost_of(Arena *a, const LoopFunction *f) {
    Nest x = {.arena = a, .f = f, .machine = machine_of(f->target), .routine = -1};
    x.chosen = map_new(a);
    x.declared = map_new(a);
    x.delays = map_new(a);
    x.cost = NEW_ARRAY(a, KernelCost, f->routines.n + 1);
    x.hottest = NEW_ARRAY(a, double, f->routines.n + 1);
    Loop *root = enter(&x, LOOP_REAL, NULL, 1, 0, 0);
    walk_steps(&x, f->steps.at, f->steps.n);
    cost_times(&x, root);
    cost_traffic(&x, root);
    for (int i = 0; i < f->routines.n; i++) {
        KernelCost *k = &x.cost[i];
        double memory = k->cycles;
        k->cycles = k->busy > memory ? k->busy + memory / 4 : memory + k->busy / 4;
        k->seconds = k->cycles / x.machine->hertz;
        if (!k->tile) k->tile = "";
    }
    return x.cost;
}
