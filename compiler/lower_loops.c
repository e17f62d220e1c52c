/* lower_loops.c: the loops of a schedule become loops of the IR.
 *
 * A loop is taken apart into iterations that are lowered alike: whole ones, peeled ones, a shorter
 * last one; over samples as many as there are. Lanes become a lane variable, which expressions turn
 * into vectors. A loop over a reduction around loops over results makes passes: what is summed so
 * far waits in memory from one to the next.
 */
#include "lower.h"

bool is_reduction_loop(const Frame *f, const LoopSpec *spec) {
    const Node *n = f->ns->node;
    return spec->node == n && (spec->skew || var_number(n, spec->var) >= n->rank);
}

void open_loop(Lower *L, LoopKind kind, Var *v, Expr *lo, Expr *hi) {
    Stmt *s = emit(L, STMT_FOR);
    s->var = v;
    s->lo = lo;
    s->hi = hi;
    s->unroll = kind == LOOP_UNROLL;
    L->out = &s->body;
}

/* --- iterations --- */

typedef struct Part { /* iterations lo .. hi - 1 of a loop, each over `span` values */
    long lo, hi, span;
    Expr *dynamic_lo, *dynamic_hi; /* null: lo, hi */
    bool guard_samples, mask_samples;
} Part;

/* Where terms must be tested in the last block of an epoch at most, the text is short instead of
 * fast. */
static bool is_rare(const Lower *L, const Frame *f) {
    return f->guard_samples && L->graph->batch % PAD == 0;
}

Expr *blocks_of_count(Pool *p, long step, bool whole) {
    Expr *count = e_host(p, HOST_COUNT);
    if (!whole) count = e_offset(p, count, step - 1);
    return step == 1 ? count : e_op(p, OP_IDIV, count, e_int(p, step), NULL);
}

/* Iterations over a span in steps: whole ones, the first and the last peeled or not, and a shorter
 * one. */
static int parts_of_span(long span, long step, bool peel, Part *part) {
    long whole = span / step, rest = span % step, lo = 0, hi = whole;
    int n = 0;
    if (peel && hi > 1) part[n++] = (Part){.lo = lo++, .hi = 1, .span = step};
    bool peel_last = peel && hi - lo > 1;
    if (peel_last) hi--;
    if (hi > lo) part[n++] = (Part){.lo = lo, .hi = hi, .span = step};
    if (peel_last) part[n++] = (Part){.lo = hi, .hi = hi + 1, .span = step};
    if (rest) part[n++] = (Part){.lo = whole, .hi = whole + 1, .span = rest};
    return n;
}

/* Over all samples, terms of a reduction: whole blocks as the count has them, and one that must
 * test. */
static int parts_of_count(Lower *L, long extent, long step, Part *part) {
    Expr *end = blocks_of_count(L->pool, step, true);
    part[0] = (Part){.hi = extent / step, .span = step, .dynamic_hi = end};
    if (step == 1) return 1;
    part[1] = (Part){.hi = round_up(extent, step) / step, .span = step, .dynamic_lo = end,
                     .dynamic_hi = blocks_of_count(L->pool, step, false), .guard_samples = true};
    return 2;
}

/* Does the loop at depth step over blocks of samples, those of a block being the lanes of a sum,
 * and is there something to read for those that are not there? */
static bool blocks_of_lanes(Lower *L, const Frame *f, int depth, int k) {
    const LoopSpec *spec = &f->ns->loops.at[depth];
    if (f->lanes_at != depth + 1 || spec->step != PAD || f->ns->attached.n) return false;
    for (int i = 0; i < f->ns->node->n_levels; i++) {
        const Level *l = &f->ns->node->levels[i];
        if (l->kind == LEVEL_LANES && (l->var != spec->var || l->count != PAD)) return false;
    }
    return lower_reads_may_overrun(L, f, k, PAD);
}

/* A loop over all samples goes to the count; results may run over it, and terms that are masked
 * later, others may not. */
static int loop_parts(Lower *L, const Frame *f, int depth, int k, Part *part) {
    const LoopSpec *spec = &f->ns->loops.at[depth];
    Var *v = node_var(f->ns->node, k);
    long span = f->span[k], step = spec->step;
    bool all_samples = v->batch && is_int(f->value[k], 0) && span == v->hi + 1 && span > 1;
    bool masked = all_samples && blocks_of_lanes(L, f, depth, k);
    bool peel = spec->peel && spec->kind != LOOP_PARALLEL && !is_rare(L, f);
    if (!all_samples) return parts_of_span(span, step, peel, part);
    if (k >= f->ns->node->rank && !masked) return parts_of_count(L, span, step, part);
    part[0] = (Part){.hi = round_up(span, step) / step, .span = step, .mask_samples = masked,
                     .dynamic_hi = blocks_of_count(L->pool, step, false)};
    return 1;
}

static int pass_parts(Lower *L, const LoopSpec *spec, Part *part) {
    long extent = spec->var->hi + 1;
    if (spec->var->batch) return parts_of_count(L, extent, spec->step, part);
    return parts_of_span(extent, spec->step, spec->peel, part);
}

/* Opens the loop that a part is, unless it is one iteration; returns the iteration's number. */
static Expr *open_part(Lower *L, LoopKind kind, const LoopSpec *spec, const Part *part) {
    Pool *p = L->pool;
    if (part->hi - part->lo == 1 && !part->dynamic_hi) return e_int(p, part->lo);
    Var *v = var_range(p, spec->var->name, part->lo, part->hi - 1);
    open_loop(L, kind, v, part->dynamic_lo ? part->dynamic_lo : e_int(p, part->lo),
              part->dynamic_hi ? part->dynamic_hi : e_int(p, part->hi));
    return e_var(p, v); /* of one value: the variable is folded away, but not the loop */
}

/* --- loops over results and terms --- */

static void set_skew(Lower *L, Frame *f, const LoopSpec *spec, int k, Expr *sum) {
    int other = var_number(f->ns->node, spec->skew);
    f->skew[f->n_skews++] =
        (struct Skew){k, other, e_add(L->pool, f->value[other], sum), f->value[k]};
    f->span[other] = 1;
}

/* The parameter that stands for the iteration of a parallel loop; one, however often the kernel is
 * lowered. */
static Var *task_var(Lower *L, const LoopSpec *spec, const Part *last) {
    Routine *r = L->routine;
    if (r->vars.n == L->shared.n)
        PUSH(L->arena, r->vars, var_range(L->pool, spec->var->name, 0, last->hi - 1));
    r->parallel_count = last->dynamic_hi;
    return r->vars.at[L->shared.n];
}

/* One part of a loop, in its i-th iteration: the frame moves in, the rest is lowered inside, the
 * frame moves back. */
static void lower_iteration(Lower *L, Frame *f, int depth, const Part *part, Expr *i,
                            PointFn *at, void *context) {
    const LoopSpec *spec = &f->ns->loops.at[depth];
    Pool *p = L->pool;
    int k = var_number(f->ns->node, spec->var);
    Frame saved = *f;
    Expr *value = f->value[k];
    long span = f->span[k];
    int follows = spec->skew ? var_number(f->ns->node, spec->skew) : -1;
    long span_follows = follows >= 0 ? f->span[follows] : 0;
    Expr *value_follows = follows >= 0 ? f->value[follows] : NULL;
    if (spec->skew) {
        set_skew(L, f, spec, k, i);
    } else {
        f->value[k] = e_add(p, value, e_scale(p, i, spec->step));
        f->span[k] = part->span;
        f->guard_samples |= part->guard_samples;
        f->mask_samples |= part->mask_samples;
    }
    lower_at_depth(L, f, depth + 1, at, context);
    f->value[k] = value;
    f->span[k] = span;
    if (follows >= 0) {
        f->span[follows] = span_follows;
        f->value[follows] = value_follows;
    }
    f->n_skews = saved.n_skews;
    f->guard_samples = saved.guard_samples;
    f->mask_samples = saved.mask_samples;
}

static void lower_part(Lower *L, Frame *f, int depth, const Part *part, PointFn *at,
                       void *context) {
    const LoopSpec *spec = &f->ns->loops.at[depth];
    Body *out = L->out;
    Expr *i = open_part(L, is_rare(L, f) ? LOOP_FOR : spec->kind, spec, part);
    lower_iteration(L, f, depth, part, i, at, context);
    L->out = out;
}

/* The iterations are tasks. The last one may be shorter. */
static void lower_tasks(Lower *L, Frame *f, int depth, const Part *part, int n, PointFn *at,
                        void *context) {
    const LoopSpec *spec = &f->ns->loops.at[depth];
    Pool *p = L->pool;
    Expr *task = e_var(p, task_var(L, spec, &part[n - 1]));
    if (n == 1) {
        lower_iteration(L, f, depth, part, task, at, context);
        return;
    }
    Body *out = L->out;
    Stmt *s = emit(L, STMT_IF);
    s->cond = e_op(p, OP_LT, task, e_int(p, part[0].hi), NULL);
    L->out = &s->body;
    lower_iteration(L, f, depth, &part[0], task, at, context);
    L->out = &s->other;
    lower_iteration(L, f, depth, &part[1], e_int(p, part[1].lo), at, context);
    L->out = out;
}

static void lower_for(Lower *L, Frame *f, int depth, PointFn *at, void *context) {
    const LoopSpec *spec = &f->ns->loops.at[depth];
    int k = var_number(f->ns->node, spec->var);
    if (f->span[k] == 1 && !spec->skew && !(spec->kind == LOOP_PARALLEL)) {
        lower_at_depth(L, f, depth + 1, at, context);
        return;
    }
    Part part[5];
    if (spec->skew) {
        long taps = f->span[var_number(f->ns->node, spec->skew)];
        Part all = {.hi = f->span[k] + taps - 1};
        lower_part(L, f, depth, &all, at, context);
        return;
    }
    int n = loop_parts(L, f, depth, k, part);
    if (spec->kind == LOOP_PARALLEL) {
        if (depth > 0) die("%s: a parallel loop is not the outermost", f->ns->node->name);
        lower_tasks(L, f, depth, part, n, at, context);
        return;
    }
    for (int i = 0; i < n; i++) lower_part(L, f, depth, &part[i], at, context);
}

/* --- lanes --- */

static void lower_lanes(Lower *L, Frame *f, int depth, PointFn *at, void *context) {
    const LoopSpec *spec = &f->ns->loops.at[depth];
    Pool *p = L->pool;
    int k = var_number(f->ns->node, spec->var);
    long span = f->span[k], width = L->width;
    Expr *value = f->value[k];
    long vectors = round_up(span, width) / width, rest = span % width;
    if (L->lane) die("%s: two lane loops", f->ns->node->name);
    bool scalar_tail = rest && !lower_may_overrun(L, f, k);
    if (scalar_tail) vectors = span / width;
    Body *out = L->out;
    if (vectors > 0) {
        Expr *u = e_int(p, 0);
        if (vectors > 1) {
            Var *v = var_new(p, "v", vectors);
            u = e_var(p, v);
            open_loop(L, LOOP_UNROLL, v, e_int(p, 0), e_int(p, vectors));
        }
        L->lane = var_new(p, "lane", width);
        f->value[k] = e_add(p, e_add(p, value, e_scale(p, u, width)), e_var(p, L->lane));
        f->span[k] = 1;
        lower_at_depth(L, f, depth + 1, at, context);
        L->lane = NULL;
        L->out = out;
    }
    if (scalar_tail && vectors > 0 && lower_may_repeat(L, f, k)) {
        L->lane = var_new(p, "lane", width);
        f->value[k] = e_add(p, e_offset(p, value, span - width), e_var(p, L->lane));
        lower_at_depth(L, f, depth + 1, at, context);
        L->lane = NULL;
    } else if (scalar_tail) {
        Var *v = var_new(p, spec->var->name, rest);
        if (rest > 1) open_loop(L, LOOP_FOR, v, e_int(p, 0), e_int(p, rest));
        f->value[k] = e_add(p, e_offset(p, value, vectors * width),
                            rest > 1 ? e_var(p, v) : e_int(p, 0));
        f->span[k] = 1;
        lower_at_depth(L, f, depth + 1, at, context);
        L->out = out;
    }
    f->value[k] = value;
    f->span[k] = span;
}

typedef struct Fill {
    PointFn *at;
    void *context;
} Fill;

static void fill_point(Lower *L, Frame *f, void *context) {
    const Fill *fill = context;
    Pool *p = L->pool;
    int k = var_number(f->ns->node, f->inner->var);
    int vectors = f->inner->count / L->width;
    Body *out = L->out;
    Expr *u = e_int(p, 0);
    if (vectors > 1) {
        Var *v = var_new(p, "v", vectors);
        open_loop(L, LOOP_UNROLL, v, e_int(p, 0), e_int(p, vectors));
        u = e_var(p, v);
    }
    f->value[k] = e_scale(p, u, L->width);
    if (L->width > 1) {
        L->lane = var_new(p, "lane", L->width);
        f->value[k] = e_add(p, f->value[k], e_var(p, L->lane));
    }
    fill->at(L, f, fill->context);
    L->lane = NULL;
    L->out = out;
}

void lower_fill_lanes(Lower *L, Frame *f, int depth, PointFn *at, void *context) {
    Fill fill = {at, context};
    lower_loops(L, f, depth, fill_point, &fill);
}

/* --- passes over reductions --- */

/* Opens the loop that a part is, of passes over a reduction; returns where a pass begins. */
static Expr *open_pass(Lower *L, const LoopSpec *spec, const Part *part) {
    return e_scale(L->pool, open_part(L, LOOP_FOR, spec, part), spec->step);
}

/* A loop over the reduction of an attached node: the node is then lowered pass by pass. */
static void lower_foreign(Lower *L, Frame *f, int depth) {
    const LoopSpec *spec = &f->ns->loops.at[depth];
    Body *out = L->out;
    Part part[4];
    int n = pass_parts(L, spec, part);
    for (int i = 0; i < n; i++) {
        Expr *from = open_pass(L, spec, &part[i]);
        Foreign *foreign = NEW(L->arena, Foreign);
        *foreign =
            (Foreign){spec->node, spec->var, from, part[i].span, part[i].guard_samples};
        PUSH(L->arena, L->foreign, foreign);
        lower_at_depth(L, f, depth + 1, NULL, NULL);
        L->foreign.n--;
        L->out = out;
    }
}

bool lower_is_pass(const Lower *L, const Frame *f, int depth) {
    const NodeSchedule *ns = f->ns;
    const Node *n = ns->node;
    const Buffer *m = L->memory[n->id];
    if (depth == ns->loops.n) return false;
    const LoopSpec *spec = &ns->loops.at[depth];
    if (f->host || f->acc || n->reduce != REDUCE_SUM || !m || m->kind != BUFFER_ARENA) return false;
    if (spec->kind != LOOP_FOR || !is_reduction_loop(f, spec)) return false;
    int k = var_number(n, spec->var);
    if (spec->skew || !is_int(f->value[k], 0) || f->span[k] != spec->var->hi + 1) return false;
    if (node_lanes(n)) return false;
    for (int i = depth + 1; i < ns->loops.n; i++)
        if (ns->loops.at[i].kind == LOOP_FOR && !is_reduction_loop(f, &ns->loops.at[i]))
            return true;
    return false;
}

static void lower_passes(Lower *L, Frame *f, int depth) {
    const LoopSpec *spec = &f->ns->loops.at[depth];
    Body *out = L->out;
    Part part[4];
    int n = pass_parts(L, spec, part), k = var_number(f->ns->node, spec->var);
    Frame saved = *f;
    Expr *value = f->value[k];
    long span = f->span[k];
    for (int i = 0; i < n; i++) {
        frame_pass(L, f, k, open_pass(L, spec, &part[i]), part[i].span);
        f->guard_samples |= part[i].guard_samples;
        lower_at_depth(L, f, depth + 1, NULL, NULL);
        *f = saved;
        f->value[k] = value;
        f->span[k] = span;
        L->out = out;
    }
}

void lower_loops(Lower *L, Frame *f, int depth, PointFn *at, void *context) {
    const NodeSchedule *ns = f->ns;
    if (depth == ns->loops.n) {
        if (at) at(L, f, context);
        else if (ns->node->reduce == REDUCE_NONE) lower_point(L, f);
        else lower_term(L, f);
        return;
    }
    const LoopSpec *spec = &ns->loops.at[depth];
    bool foreign = spec->node != ns->node;
    if (at && (foreign || is_reduction_loop(f, spec))) {
        lower_loops(L, f, depth + 1, at, context);
    } else if (foreign) {
        lower_foreign(L, f, depth);
    } else if (!at && lower_is_pass(L, f, depth)) {
        lower_passes(L, f, depth);
    } else if (spec->kind == LOOP_LANE && L->width > 1) {
        lower_lanes(L, f, depth, at, context);
    } else {
        lower_for(L, f, depth, at, context);
    }
}
