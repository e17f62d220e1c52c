/* choose_tile.c: the loops of one kernel.
 *
 * A contraction gets a register tile: of its output variables some are unrolled so that each value
 * loaded serves many multiplications. Candidates are enumerated; the best has the fewest loads per
 * multiplication among those whose accumulators leave registers for the operands.
 */
#include "choose_parts.h"
#include <string.h>

static const long factors[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12};
enum {
    MAX_TILED = 4,
    MANY_TAPS = 7, /* fewer are unrolled, so that tests at the edges are decided */
    IN_A_ROW = 4, /* terms at a time, where a tile is so small that the loop itself is felt */
    NEAR = 16 * 1024, /* bytes of one operand that stay in the nearest cache */
    LINE = 64         /* bytes */
};
static const double LINE_TIME = 4.5; /* of one from the second cache, in FMAs */

/* --- passes --- */

/* How many values of the first reduction variable a pass takes; 0: all, in one. Passes pay where
 * both operands are as long as the sum: where it is over samples and positions. */
static long pass_of(const Node *n) {
    enum { TERMS = 112, WORTH_PASSES = 512 };
    if (n->reduce != REDUCE_SUM || !n->n_levels || n->component) return 0;
    double terms = 1;
    for (int i = 0; i < n->n_levels; i++) {
        if (n->levels[i].kind != LEVEL_SEQ || n->levels[i].div > 1) return 0;
        terms *= (double)n->levels[i].count;
    }
    const Var *v = n->levels[0].var;
    long step = 1;
    while ((double)step * terms / (double)(v->hi + 1) < TERMS) step *= 2;
    bool samples = false;
    for (int i = 0; i < n->n_levels; i++) samples |= n->levels[i].var->batch;
    bool pays = samples && terms >= WORTH_PASSES && choose_elements_read(n) > SECOND_CACHE / 4;
    return pays && step <= v->hi && step <= PAD ? step : 0;
}

/* --- register tiles --- */

typedef struct Tile {
    const Node *n;
    Var *lane;
    const Target *target;
    int width;
    long room; /* samples that blocks may run over to: tensors have room to a multiple of this */
    Var *var[MAX_TILED]; /* output variables that may be unrolled */
    int n_vars;
    double terms; /* between two uses of what the lanes read */
    bool whole[MAX_TILED]; /* altogether */
    long vectors, best_vectors; /* along the lane */
    bool sharing; /* the lanes: their panels have to be equal, and several */
    long chosen[MAX_TILED], best[MAX_TILED];
    double best_cost;
} Tile;

Var *choose_lane(const Node *n, const Layout *l) {
    if (node_lanes(n)) return node_lanes(n)->var;
    if (l->n == 0) return NULL;
    const struct Piece *inner = &l->piece[l->n - 1];
    Var *v = n->var[inner->axis];
    return v->hi + 1 >= 8 && inner->axis != n->scan ? v : NULL;
}

long choose_accumulators(const Target *t) { return t->registers == 32 ? 24 : 12; }

/* What a tile loads for each of its terms. */
typedef struct Loads {
    const Tile *tile;
    long vectors;
    double all, again; /* the second of elements that the terms just before have loaded */
    double far; /* lines that are new for each term, and too many to stay near */
} Loads;

/* Does each term read an element of its own? Windows that overlap do not. */
static bool is_by_terms(const Expr *read) {
    for (int i = 0; i < read->n; i++)
        if (read->arg[i]->op != OP_VAR && read->arg[i]->op != OP_CONST) return false;
    return true;
}

/* Is v added to a variable of the sum in what e reads? Then the next terms read much the same. */
static bool slides(const Node *n, const Expr *e, const Var *v) {
    bool found = false;
    for (int i = 0; i < e->n; i++)
        for (int k = 0; k < n->n_rvars && e_uses(e->arg[i], v); k++)
            found |= e_uses(e->arg[i], n->rvar[k]);
    return found;
}

static void add_operand(void *context, Expr *e) {
    Loads *x = context;
    const Tile *t = x->tile;
    if (e->op != OP_READ) return;
    bool lanes = t->lane && e_uses(e, t->lane);
    double count = lanes ? (double)x->vectors : 1, first = count;
    for (int i = 0; i < t->n_vars; i++) {
        if (!e_uses(e, t->var[i])) continue;
        count *= (double)t->chosen[i];
        if (!slides(t->n, e, t->var[i])) first *= (double)t->chosen[i];
    }
    x->all += count;
    x->again += count - first;
    double bytes = count * (double)t->width * 4;
    if (lanes && is_by_terms(e) && bytes * t->terms > NEAR) x->far += bytes / LINE;
}

/* Of a term, in FMAs: they take four cycles, and two may start in each. */
static double time_of_term(const Tile *t, long vectors) {
    enum { IN_FLIGHT = 8 };
    Loads x = {.tile = t, .vectors = vectors};
    e_visit(t->n->body, add_operand, &x);
    double time = (double)vectors;
    for (int i = 0; i < t->n_vars; i++) time *= (double)t->chosen[i];
    if (time < IN_FLIGHT) time = IN_FLIGHT;
    if (time < x.all) time = x.all;
    if (time < x.far * LINE_TIME) time = x.far * LINE_TIME;
    /* a sum over samples is over much: only what its last terms loaded is still near */
    return time + 0.3 * x.all - (node_lanes(t->n) ? 0.1 * x.again : 0);
}

/* The time that an FMA takes, in the time of one: of all lanes, the last tile's are fewer. */
static double cost(const Tile *t, long lanes) {
    double fmas = 1, waste = 1;
    for (int i = 0; i < t->n_vars; i++) {
        long extent = t->var[i]->hi + 1, f = t->chosen[i];
        fmas *= (double)f;
        waste *= (double)((extent + f - 1) / f * f) / (double)extent;
    }
    if (fmas * (double)t->vectors > (double)choose_accumulators(t->target)) return 1e30;
    long all = lanes ? (lanes + t->width - 1) / t->width : t->vectors, rest = all % t->vectors;
    double time = (double)(all / t->vectors) * time_of_term(t, t->vectors);
    if (rest) time += time_of_term(t, rest);
    return time * waste / (fmas * (double)all);
}

/* A step over samples divides them, since there is no room to run over, and fits the blocks of PAD
 * that choose_blocks.c may cut them into. */
static bool fits_blocks(long panel, long samples) {
    return samples % panel == 0 && (panel < PAD ? PAD % panel : panel % PAD) == 0;
}

static void search(Tile *t, int i, long lanes) {
    if (i == t->n_vars) {
        double c = cost(t, lanes);
        if (c >= t->best_cost) return;
        t->best_cost = c;
        t->best_vectors = t->vectors;
        memcpy(t->best, t->chosen, sizeof t->best);
        return;
    }
    for (int j = 0; j < COUNT_OF(factors) && factors[j] <= t->var[i]->hi + 1; j++) {
        if (t->whole[i] && factors[j] <= t->var[i]->hi) continue;
        if (t->var[i]->batch && !fits_blocks(factors[j], t->room)) continue;
        t->chosen[i] = factors[j];
        search(t, i + 1, lanes);
    }
    t->chosen[i] = 1;
}

static void add_loop(const Graph *g, NodeSchedule *ns, LoopKind kind, Var *v, long step,
                     bool peel) {
    LoopSpec spec = {.kind = kind, .node = ns->node, .var = v, .step = step, .peel = peel};
    PUSH(g->program->arena, ns->loops, spec);
}

static bool shares_lanes(const Tile *t) {
    enum { TASKS = 4 };
    long count = t->lane->hi + 1, panel = t->vectors * t->width;
    return count % panel == 0 && count / panel >= TASKS;
}

/* lanes: how many lanes there are, where they are results; 0 where each result has all. */
static void find_tile(Tile *t, const Node *n, long lanes, const bool *whole) {
    t->n_vars = 0;
    for (int i = 0; i < n->rank && t->n_vars < MAX_TILED; i++) {
        if (n->var[i] == t->lane || n->var[i]->hi == 0 || i == n->scan) continue;
        t->whole[t->n_vars] = whole && whole[i];
        t->var[t->n_vars++] = n->var[i];
    }
    for (int i = 0; i < t->n_vars; i++) t->chosen[i] = t->best[i] = 1;
    t->best_cost = 1e30;
    if (!lanes) search(t, 0, lanes);
    for (int i = 0; i < COUNT_OF(factors) && lanes; i++) {
        t->vectors = factors[i];
        if (i && (t->vectors - 1) * t->width >= lanes) break;
        if (t->lane->batch && !fits_blocks(t->vectors * t->width, lanes)) continue;
        if (t->sharing && !shares_lanes(t)) continue;
        search(t, 0, lanes);
    }
    t->vectors = t->best_vectors;
}

typedef struct Traffic {
    const Var *lane;
    double weights, other; /* elements that differ by lane, for all samples; that all lanes need */
} Traffic;

static void add_traffic(void *context, Expr *e) {
    Traffic *x = context;
    if (e->op != OP_READ) return;
    double elements = node_elements(e->node);
    if (!e_uses(e, x->lane)) x->other += elements;
    else if (!e->node->batched) x->weights += elements;
}

/* Threads that share samples read all weights, which other threads have written; those that share
 * the lanes keep their weights from one step to the next, and read all samples instead. Is that
 * less? Both the sums that weights are for and those that change them are asked, and agree. */
static bool weights_stay(const Graph *g, const Tile *t) {
    if (!g->n_updates || t->lane->batch) return false;
    Traffic x = {.lane = t->lane};
    e_visit(t->n->body, add_traffic, &x);
    if (!t->n->batched) x.weights = node_elements(t->n);
    return x.other > 0 && x.weights > x.other;
}

/* A tile whose panels of lanes are shared, if it is about as good. */
static bool find_shared_tile(Tile *t, const Node *n, long lanes, const bool *whole) {
    const double WORSE = 1.1;
    Tile shared = *t;
    shared.sharing = true;
    find_tile(&shared, n, lanes, whole);
    if (shared.best_cost > WORSE * t->best_cost) return false;
    *t = shared;
    return true;
}

/* A tile of few samples, if it is about as good: a kernel with one fits into a block of samples
 * with its neighbors (choose_blocks.c). */
static void find_tile_of_block(Tile *t, const Node *n, const bool *whole) {
    const double WORSE = 1.25;
    Tile block = *t;
    find_tile(&block, n, PAD, whole);
    if (block.best_cost <= WORSE * t->best_cost) *t = block;
}

static bool tests_position(const Node *n, const Var *v) {
    return n->guard && e_uses(n->guard, v);
}

/* How well do so many tasks keep 2, 4 or 8 threads busy? */
static double balance(long tasks) {
    double sum = 0;
    for (long threads = 2; threads <= 8; threads *= 2)
        sum += (double)tasks / (double)((tasks + threads - 1) / threads * threads);
    return sum / 3;
}

/* What threads share, if there is anything: that splits well, and has no tests at its edges, which
 * only iterations that are known could decide. */
static double worth_sharing(const Tile *t, const Var *v, long step) {
    if (v->hi + 1 < 2 * step) return 0;
    return balance((v->hi + step) / step) * (tests_position(t->n, v) ? 0.75 : 1);
}

/* The number of the variable; n_vars for the lanes; -1: none. */
static int parallel_var(const Tile *t) {
    int best = -1;
    double most = 0;
    for (int i = 0; i < t->n_vars; i++) {
        double worth = t->whole[i] ? 0 : worth_sharing(t, t->var[i], t->best[i]);
        if (worth > most) best = i, most = worth;
    }
    bool lanes = t->lane && t->lane->batch && t->width > 1;
    if (lanes && worth_sharing(t, t->lane, t->vectors * t->width) > most) best = t->n_vars;
    return best;
}

bool choose_tests_in_tile(const Target *t, const Node *n, bool *whole) {
    long results = t->lanes < PAD ? PAD / t->lanes : 1;
    bool lanes = node_lanes(n), any = false;
    for (int i = 0; i < n->rank; i++) {
        whole[i] = n->var[i]->hi > 0 && tests_position(n, n->var[i]);
        if (whole[i]) results *= n->var[i]->hi + 1;
        any |= whole[i];
    }
    return any && lanes && results <= choose_accumulators(t);
}

/* How many values of v go together: */
typedef struct Together {
    const Schedule *s;
    const Var *v;
    long step;
} Together;

/* the most that lie together in what is read at v; 1: all, or one; */
static void note_run(void *context, Expr *e) {
    Together *x = context;
    if (e->op != OP_READ) return;
    const Layout *l = &schedule_of(x->s, e->node)->layout;
    const struct Piece *inner = l->n ? &l->piece[l->n - 1] : NULL;
    if (!inner || e->arg[inner->axis]->op != OP_VAR || e->arg[inner->axis]->var != x->v) return;
    if (inner->count > x->step && inner->count < e->node->shape[inner->axis])
        x->step = inner->count;
}

/* as many as inline nodes divide v by. */
static void note_divisor(void *context, Expr *e) {
    Together *x = context;
    bool divides = (e->op == OP_IDIV || e->op == OP_IMOD) && e->arg[0]->op == OP_VAR;
    if (divides && e->arg[0]->var == x->v) x->step = (long)e->arg[1]->num;
}

static void note_inline(void *context, Expr *e) {
    Together *x = context;
    if (e->op != OP_READ || e->node->kind != NODE_COMP) return;
    if (schedule_of(x->s, e->node)->place != PLACE_INLINE) return;
    for (int i = 0; i < e->n; i++) {
        if (e->arg[i]->op != OP_VAR || e->arg[i]->var != x->v) continue;
        Together inner = {x->s, e->node->var[i], x->step};
        e_visit(e->node->body, note_divisor, &inner);
        if (e->node->guard) e_visit(e->node->guard, note_divisor, &inner);
        x->step = inner.step;
    }
}

/* Few registers hold a small tile: the loop over its terms takes as long as they do. */
static bool is_felt(const Target *t, const Node *n, const Level *l) {
    return t->registers < 32 && l == &n->levels[n->n_levels - 1] && l->div == 1 &&
           l->count % IN_A_ROW == 0 && !l->var->batch && !tests_position(n, l->var);
}

/* Does what is tested together with v lie in the tile, altogether? */
static bool tests_with_tile(const Tile *t, Expr *guard, const Var *v) {
    const Node *n = t->n;
    if (guard->op == OP_AND)
        return tests_with_tile(t, guard->arg[0], v) && tests_with_tile(t, guard->arg[1], v);
    for (int i = 0; i < n->rank + n->n_rvars && e_uses(guard, v); i++) {
        Var *other = node_var(n, i);
        if (other == v || !e_uses(guard, other)) continue;
        bool in_tile = false;
        for (int k = 0; k < t->n_vars; k++)
            in_tile |= t->var[k] == other && t->best[k] == other->hi + 1;
        if (!in_tile) return false;
    }
    return true;
}

/* Sums in lanes of more registers than one, where registers are few: half of the lanes at a time
 * leave room for a larger tile. */
static bool by_half(const Target *t, const Node *n) {
    const Level *lanes = node_lanes(n);
    if (!lanes || t->registers == 32 || t->lanes == PAD || lanes->count != PAD) return false;
    bool others = false;
    for (int i = 0; i < n->n_levels; i++) others |= n->levels[i].var != lanes->var;
    return others && lanes->var->batch && lanes->var->hi >= PAD;
}

/* Over the terms, one by one. Where all that tests a position but these loops is in the tile, they
 * are peeled: inside, nothing is left to test. */
static void add_term_loops(const Schedule *s, const Graph *g, const Tile *tile, NodeSchedule *ns,
                           bool in_tile) {
    const Node *n = ns->node;
    const Target *t = tile->target;
    Var *several = NULL;
    for (int i = 0; i < n->n_levels; i++) {
        const Level *l = &n->levels[i];
        bool tests = tests_position(n, l->var), last = i == n->n_levels - 1;
        bool taps = last && l->count <= MANY_TAPS && tests;
        if (l->kind != LEVEL_SEQ) continue;
        Together run = {s, l->var, 1};
        if (!taps && l->div == 1) e_visit(n->body, note_run, &run);
        if (run.step > 1) add_loop(g, ns, LOOP_FOR, l->var, run.step, false);
        Together x = {s, l->var, is_felt(t, n, l) ? IN_A_ROW : 1};
        if (in_tile && last && !taps) e_visit(n->body, note_inline, &x);
        if (x.step > 1 && l->count % x.step == 0) several = l->var;
        bool peel = tests && (in_tile || tests_with_tile(tile, n->guard, l->var));
        add_loop(g, ns, taps ? LOOP_UNROLL : LOOP_FOR, l->var, several ? x.step : l->div, peel);
        if (by_half(t, n) && l->var == node_lanes(n)->var)
            add_loop(g, ns, LOOP_FOR, l->var, PAD / 2, true);
    }
    if (several) add_loop(g, ns, LOOP_UNROLL, several, 1, false);
}

void choose_contraction_loops(const Schedule *s, const Graph *g, const Target *target,
                              NodeSchedule *ns, bool parallel, const bool *whole) {
    Node *n = ns->node;
    Var *lane = choose_lane(n, &ns->layout);
    bool tests[MAX_RANK], in_tile = !whole && choose_tests_in_tile(target, n, tests);
    if (in_tile) whole = tests;
    bool lane_is_output = lane != NULL;
    for (int i = 0; i < n->n_rvars; i++) lane_is_output &= n->rvar[i] != lane;
    long width = lane_is_output ? target->lanes : 1;
    Tile t = {.n = n, .lane = lane, .width = (int)width, .target = target};
    long pass = pass_of(n);
    t.terms = node_terms(n);
    if (pass) t.terms *= (double)pass / (double)(n->levels[0].var->hi + 1);
    t.room = PAD;
    for (int i = 0; i < g->n_outputs; i++)
        if (g->output[i].node == n) t.room = g->batch; /* the caller's memory has no more */
    if (lane && !lane_is_output) t.vectors = 16 / (target->lanes < 16 ? target->lanes : 16);
    else t.vectors = 1;
    if (by_half(target, n)) t.vectors /= 2;
    long lanes = !lane_is_output ? 0 : lane->hi + 1;
    if (lane_is_output && lane->batch) lanes = round_up(lanes, PAD);
    find_tile(&t, n, lanes, whole);
    if (parallel && lane_is_output && lane->batch) find_tile_of_block(&t, n, whole);
    bool stay = parallel && lane_is_output && weights_stay(g, &t) &&
                find_shared_tile(&t, n, lanes, whole);
    long panel = t.vectors * width;
    int shared = !parallel ? -1 : stay ? t.n_vars : parallel_var(&t); /* outermost */
    bool lanes_shared = shared == t.n_vars;
    if (shared >= 0 && !lanes_shared)
        add_loop(g, ns, LOOP_PARALLEL, t.var[shared], t.best[shared], false);
    if (lane_is_output)
        add_loop(g, ns, lanes_shared ? LOOP_PARALLEL : LOOP_FOR, lane, panel, false);
    for (int i = 0; i < t.n_vars; i++)
        if (i != shared && !t.whole[i])
            add_loop(g, ns, LOOP_FOR, t.var[i], t.best[i], tests_position(n, t.var[i]));
    add_term_loops(s, g, &t, ns, in_tile);
    for (int i = 0; i < t.n_vars; i++)
        if (t.best[i] > 1) add_loop(g, ns, LOOP_UNROLL, t.var[i], 1, false);
    if (lane) add_loop(g, ns, LOOP_LANE, lane, 1, false);
}

/* --- elementwise nodes --- */

/* The node's variables as they lie in memory, outermost first. */
static int axes_in_order(const NodeSchedule *ns, Var **axis) {
    int n = 0;
    for (int i = 0; i < ns->layout.n; i++) {
        Var *v = ns->node->var[ns->layout.piece[i].axis];
        bool seen = false;
        for (int j = 0; j < n; j++) seen |= axis[j] == v;
        if (!seen) axis[n++] = v;
    }
    return n;
}

static void insert_loop(const Graph *g, NodeSchedule *ns, int at, LoopSpec spec) {
    PUSH(g->program->arena, ns->loops, spec);
    for (int i = ns->loops.n - 1; i > at; i--) ns->loops.at[i] = ns->loops.at[i - 1];
    ns->loops.at[at] = spec;
    for (int i = 0; i < ns->attached.n; i++)
        if (ns->attached.at[i]->depth >= at) ns->attached.at[i]->depth++;
}

static bool is_axis(const Node *n, const Var *v) {
    for (int i = 0; i < n->rank; i++)
        if (n->var[i] == v) return true;
    return false;
}

/* Taking a task costs a fence, and what it reads beside its own, often from far away, should serve
 * several tiles, one after the other: as many as leave so many tasks at most, evenly if that is
 * nearly as many. */
static void widen_tasks(const Graph *g, NodeSchedule *ns, long tasks) {
    if (!ns->loops.n) return;
    LoopSpec tile = ns->loops.at[0];
    long tiles = (tile.var->hi + tile.step) / tile.step, each = tiles / tasks;
    if (tile.kind != LOOP_PARALLEL || tile.var->batch || each < 2) return;
    for (long k = each; 2 * k > each; k--) {
        if (tiles % k) continue;
        each = k;
        break;
    }
    ns->loops.at[0].step *= each;
    tile.kind = LOOP_FOR;
    int at = 1;
    while (at < ns->loops.n && ns->loops.at[at].kind == LOOP_FOR &&
           is_axis(ns->node, ns->loops.at[at].var))
        at++;
    insert_loop(g, ns, at, tile);
}

bool choose_outer_loops(const Graph *g, NodeSchedule *ns, const NodeSchedule *of) {
    enum { TASKS = 32, TASKS_OF_PASSES = 8, FEWEST = 8, WORK_OF_TASK = 300000 };
    long step = pass_of(of->node), tasks = (long)(node_work(of->node) / WORK_OF_TASK);
    if (tasks > TASKS) tasks = TASKS;
    if (tasks < FEWEST) tasks = FEWEST;
    widen_tasks(g, ns, step ? TASKS_OF_PASSES : tasks);
    if (!step) return false;
    LoopSpec spec = {LOOP_FOR, of->node, of->node->levels[0].var, NULL, step, false};
    insert_loop(g, ns, ns->loops.n > 1 && ns->loops.at[0].kind == LOOP_PARALLEL, spec);
    return true;
}

void choose_loops(const Schedule *s, const Graph *g, const Target *t, NodeSchedule *ns,
                  bool parallel, Var *columns) {
    Node *n = ns->node;
    Var *lane = choose_lane(n, &ns->layout);
    if (n->reduce == REDUCE_SUM && n->n_rvars) {
        choose_contraction_loops(s, g, t, ns, parallel, NULL);
        return;
    }
    Var *axis[MAX_RANK];
    int axes = axes_in_order(ns, axis);
    for (int i = 0; i < axes; i++) {
        long step = 1;
        if (axis[i]->hi == 0) continue;
        if (axis[i] == lane) {
            bool blocks = lane->batch && parallel && ns->loops.n == 0;
            if (lane->hi + 1 <= (blocks ? PAD : 4 * PAD)) continue;
            step = lane->batch ? PAD : 4 * PAD;
        }
        if (axis[i] == columns) {
            if (!columns->batch || columns->hi < PAD) continue;
            step = PAD;
        }
        bool p = parallel && ns->loops.n == 0;
        add_loop(g, ns, p ? LOOP_PARALLEL : LOOP_FOR, axis[i], step, false);
    }
    for (int i = 0; i < n->n_rvars; i++) add_loop(g, ns, LOOP_FOR, n->rvar[i], 1, false);
    if (columns) add_loop(g, ns, LOOP_FOR, columns, COLUMNS, false);
    if (lane) add_loop(g, ns, LOOP_LANE, lane, 1, false);
    if (columns) add_loop(g, ns, LOOP_UNROLL, columns, 1, false);
}

/* --- windows --- */

enum {
    TAPS_TESTED = 25, /* unrolled, so that tests at the edges are decided */
    TAPS_UNROLLED = 9 /* where nothing is tested and registers are many: of more taps, compilers
                         hold the loads that they share, and run out of registers after all */
};

static long channels_of_tile(long channels, long room) {
    long best = 1;
    double least = 1e30;
    for (int i = 0; i < COUNT_OF(factors) && factors[i] <= room && factors[i] <= channels; i++) {
        long f = factors[i];
        double waste = (double)((channels + f - 1) / f * f) / (double)channels;
        double worse = waste + 0.6 / (double)(f * f); /* where few share what is loaded */
        if (worse < least) {
            least = worse;
            best = f;
        }
    }
    return best;
}

/* Reductions in their order; the innermost are unrolled, as many as make few enough taps. */
static void add_terms(const Graph *g, const Target *t, NodeSchedule *ns) {
    const Node *n = ns->node;
    int first = n->n_levels;
    long taps = 1, most = n->guard || t->registers < 32 ? TAPS_TESTED : TAPS_UNROLLED;
    while (first > 0 && taps * n->levels[first - 1].count <= most)
        taps *= n->levels[--first].count;
    for (int i = 0; i < n->n_levels; i++)
        add_loop(g, ns, i < first ? LOOP_FOR : LOOP_UNROLL, n->levels[i].var, 1, false);
}

void choose_window_loops(const Graph *g, const Target *t, NodeSchedule *ns, NodeSchedule *host,
                         long size, bool parallel) {
    Node *n = ns->node, *root = host->node;
    /* Where edges are peeled a tile is compiled many times over: out of training, which is little
     * of all the time, it has no more than hides the latency. */
    enum { ENOUGH = 12 };
    long accumulators = choose_accumulators(t);
    if (!g->n_updates && accumulators > ENOUGH) accumulators = ENOUGH;
    long f = channels_of_tile(root->shape[1], accumulators / size > 1 ? accumulators / size : 1);
    add_loop(g, host, parallel ? LOOP_PARALLEL : LOOP_FOR, root->var[0], PAD, false);
    for (int i = 2; i < root->rank; i++)
        add_loop(g, host, LOOP_FOR, root->var[i], 1, tests_position(n, n->var[i]));
    add_loop(g, host, LOOP_FOR, root->var[1], f, false);
    if (t->lanes < PAD) add_loop(g, host, LOOP_FOR, root->var[0], t->lanes, false);
    add_terms(g, t, ns);
    for (int i = 1; i < n->rank; i++) add_loop(g, ns, LOOP_UNROLL, n->var[i], 1, false);
    add_loop(g, ns, LOOP_LANE, n->var[0], 1, false);
}

void choose_unrolled(const Graph *g, NodeSchedule *ns) {
    Node *n = ns->node;
    for (int i = 1; i < n->rank; i++) add_loop(g, ns, LOOP_UNROLL, n->var[i], 1, false);
    for (int i = 0; i < n->n_rvars; i++) add_loop(g, ns, LOOP_UNROLL, n->rvar[i], 1, false);
    add_loop(g, ns, LOOP_LANE, n->var[0], 1, false);
}

void choose_rest(const Graph *g, NodeSchedule *host) {
    Node *n = host->node;
    add_loop(g, host, LOOP_UNROLL, n->var[1], 1, false);
    for (int i = 0; i < n->n_rvars; i++) add_loop(g, host, LOOP_UNROLL, n->rvar[i], 1, false);
    add_loop(g, host, LOOP_LANE, n->var[0], 1, false);
}
