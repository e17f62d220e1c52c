/* schedule_check_loops.c: the loops of one node: are they of a form that can be lowered, and do
 * they enumerate a reduction in the order that the graph fixes?
 *
 * The order of the loops over outputs is free, for each output sees its terms in the same order
 * whatever they are. Loops over reduction variables, those outside the node included, must
 * enumerate the levels of graph.h. Within sixteen lanes the terms of each lane must be in order;
 * lanes among each other need not.
 */
#include "schedule_text.h"

static bool is_output_var(const Node *n, const Var *v) {
    for (int i = 0; i < n->rank; i++)
        if (n->var[i] == v) return true;
    return false;
}

static bool is_reduction_var(const Node *n, const Var *v) {
    for (int i = 0; i < n->n_rvars; i++)
        if (n->rvar[i] == v) return true;
    return false;
}

/* --- single loops --- */

static void check_lane(ScheduleCheck *c, const NodeSchedule *ns, int i) {
    const LoopSpec *x = &ns->loops.at[i];
    const Node *n = ns->node;
    const Level *lanes = node_lanes(n);
    for (int j = 0; j < ns->loops.n; j++) {
        const LoopSpec *y = &ns->loops.at[j];
        if (j < i && y->kind == LOOP_LANE)
            schedule_fault(c, ns, i, "%s has two lane loops", n->name);
        if (j > i && (y->var == x->var || y->skew == x->var))
            schedule_fault(c, ns, i, "a lane loop must be the innermost of its variable");
    }
    if (lanes && x->var != lanes->var)
        schedule_fault(c, ns, i, "%s is summed in lanes over %s: vectors must lie along it",
                       n->name, lanes->var->name);
    else if (!lanes && is_reduction_var(n, x->var))
        schedule_fault(c, ns, i, "the order of %s has no lanes along %s", n->name, x->var->name);
}

static void check_parallel(ScheduleCheck *c, const NodeSchedule *ns, int i) {
    const LoopSpec *x = &ns->loops.at[i];
    const struct Where *at = &c->where[ns->node->id];
    bool within = false;
    for (int j = 0; j < at->loops.n; j++) within |= at->loops.at[j]->parallel;
    if (at->root != ns || i || within)
        schedule_fault(c, ns, i, "only the outermost loop of all can be parallel");
    else if (!is_output_var(ns->node, x->var))
        schedule_fault(c, ns, i, "threads cannot share a sum");
}

static void check_skew(ScheduleCheck *c, const NodeSchedule *ns, int i) {
    const LoopSpec *x = &ns->loops.at[i];
    if (x->node != ns->node || !is_output_var(ns->node, x->var) ||
        !is_reduction_var(ns->node, x->skew) || x->var->batch || x->skew->batch) {
        schedule_fault(c, ns, i, "a loop over a sum is over an output and a reduction variable");
        return;
    }
    if (x->kind != LOOP_FOR && x->kind != LOOP_UNROLL)
        schedule_fault(c, ns, i, "a loop over a sum is `for` or `unroll`");
    if (x->step != 1 || x->peel) schedule_fault(c, ns, i, "a loop over a sum has no step");
    for (int j = 0; j < ns->loops.n; j++) {
        const LoopSpec *y = &ns->loops.at[j];
        if (j != i && (y->var == x->skew || y->skew == x->skew))
            schedule_fault(c, ns, i, "%s follows from this loop: it has no others", x->skew->name);
        if (j < i && y->skew && y->var == x->var)
            schedule_fault(c, ns, i, "there is a loop over a sum with %s already", x->var->name);
    }
}

/* The attached node in ns whose place is inside its loop i, or null. */
static const NodeSchedule *attached_inside(const NodeSchedule *ns, int i, const Node *n) {
    for (int j = 0; j < ns->attached.n; j++) {
        const NodeSchedule *x = ns->attached.at[j];
        if (x->depth <= i) continue;
        if (x->node == n) return x;
        const NodeSchedule *y = attached_inside(x, -1, n);
        if (y) return y;
    }
    return NULL;
}

/* A loop over the reduction of an attached node: its sums so far wait in memory. */
static void check_foreign(ScheduleCheck *c, const NodeSchedule *ns, int i) {
    const LoopSpec *x = &ns->loops.at[i];
    const char *name = x->node->name;
    const NodeSchedule *of = attached_inside(ns, i, x->node);
    if (!of || !is_reduction_var(x->node, x->var)) {
        schedule_fault(c, ns, i, of ? "%s.%s is no reduction variable"
                                    : "%s.%s: the node is not attached inside this loop",
                       name, x->var->name);
        return;
    }
    bool arg = x->node->reduce == REDUCE_ARGMAX || x->node->reduce == REDUCE_ARGMIN;
    if (x->skew || x->kind != LOOP_FOR)
        schedule_fault(c, ns, i, "a loop over another node's reduction must be a plain `for`");
    else if (x->step <= x->var->hi && (arg || !of->stored))
        schedule_fault(c, ns, i, arg ? "%s cannot be split outside its node"
                                     : "%s is summed in several passes: it must be stored", name);
    for (int j = 0; j < i; j++) {
        const LoopSpec *y = &ns->loops.at[j];
        if (y->node == ns->node) continue;
        if (y->node != x->node || y->var == x->var)
            schedule_fault(c, ns, i, "one loop outside a node splits a sum, once");
    }
}

static void check_loop(ScheduleCheck *c, const NodeSchedule *ns, int i) {
    const LoopSpec *x = &ns->loops.at[i];
    if (x->step < 1) die("%s: a step of %ld", ns->node->name, x->step);
    if (x->node != ns->node) {
        check_foreign(c, ns, i);
        return;
    }
    if (!is_output_var(ns->node, x->var) && !is_reduction_var(ns->node, x->var))
        die("%s: a loop over %s", ns->node->name, x->var->name);
    if (x->skew) check_skew(c, ns, i);
    if (x->kind == LOOP_LANE) check_lane(c, ns, i);
    if (x->kind == LOOP_PARALLEL) check_parallel(c, ns, i);
}

/* --- where it is attached --- */

static bool reads_in(ScheduleCheck *c, const NodeSchedule *ns, const Node *n);

static void check_attached(ScheduleCheck *c, const NodeSchedule *ns) {
    const NodeSchedule *host = ns->host;
    const Node *n = ns->node;
    for (int i = 0; i < ns->depth; i++)
        if (host->loops.at[i].kind == LOOP_LANE)
            schedule_fault(c, ns, -1, "%s is attached inside a lane loop", n->name);
    bool same = n->rank == host->node->rank;
    for (int i = 0; same && i < n->rank; i++) same = n->shape[i] == host->node->shape[i];
    if (!same && !reads_in(c, host, n))
        schedule_fault(c, ns, -1, "%s is attached to %s, which neither reads it nor has its shape",
                       n->name, host->node->name);
}

typedef struct Finding {
    const Node *node;
    bool found;
} Finding;

static void find_read(void *context, Expr *e) {
    Finding *f = context;
    f->found |= e->op == OP_READ && e->node == f->node;
}

static bool reads_in(ScheduleCheck *c, const NodeSchedule *ns, const Node *n) {
    Finding f = {n, false};
    parts_visit(&c->part[ns->node->id], find_read, &f);
    for (int i = 0; i < ns->attached.n && !f.found; i++)
        f.found = reads_in(c, ns->attached.at[i], n);
    return f.found;
}

/* --- the order of a reduction --- */

/* One loop of several iterations over a reduction variable. */
typedef struct Pass {
    const Var *v;
    long step, span;
    int loop;   /* of the node itself; -1: outside, or added when lowered */
    bool outer; /* outside the node */
} Pass;

typedef struct Order {
    ScheduleCheck *c;
    const NodeSchedule *ns;
    const Level *lanes;
    Map *span; /* Var -> what is left, as a pointer */
    VEC(Pass) passes;
} Order;

static void add_pass(Order *o, const Var *v, long step, int loop, bool outer) {
    long span = (long)(intptr_t)map_get(o->span, v);
    if (!span) span = v->hi + 1;
    if (span <= step) return;
    PUSH(o->c->arena, o->passes, ((Pass){v, step, span, loop, outer}));
    map_set(o->span, v, (void *)(intptr_t)step);
}

static void add_outer_passes(Order *o, const NodeSchedule *host) {
    if (!host) return;
    add_outer_passes(o, host->host);
    for (int i = 0; i < host->loops.n; i++)
        if (host->loops.at[i].node == o->ns->node)
            add_pass(o, host->loops.at[i].var, host->loops.at[i].step, -1, true);
}

static void collect_passes(Order *o) {
    const Node *n = o->ns->node;
    const struct Where *at = &o->c->where[n->id];
    for (int i = 0; i < at->loops.n; i++)
        for (int j = 0; j < n->n_rvars && !at->loops.at[i]->scan; j++)
            if (n->rvar[j]->batch) add_pass(o, n->rvar[j], at->loops.at[i]->step, -1, true);
    add_outer_passes(o, o->ns->host);
    for (int i = 0; i < o->ns->loops.n; i++) {
        const LoopSpec *x = &o->ns->loops.at[i];
        const Var *v = x->skew ? x->skew : x->var;
        if (x->node != n || !is_reduction_var(n, v)) continue;
        if (x->kind == LOOP_LANE && o->lanes) add_pass(o, v, o->lanes->count, i, false);
        add_pass(o, v, x->kind == LOOP_LANE ? 1 : x->step, i, false);
    }
    for (int lanes = 0; lanes < 2; lanes++) /* what lower adds */
        for (int i = 0; i < n->n_levels; i++)
            if ((n->levels[i].kind == LEVEL_LANES) == lanes)
                add_pass(o, n->levels[i].var, n->levels[i].div, -1, false);
}

static int level_of(const Node *n, const Var *v) {
    for (int i = 0; i < n->n_levels; i++)
        if (n->levels[i].var == v) return i;
    for (int i = 0; i < n->n_rvars; i++)
        if (n->rvar[i] == v) return i;
    return -1;
}

/* Is this a pass over whole blocks of lanes, or over something that has none? */
static bool steps_over_blocks(const Order *o, const Pass *x) {
    return !o->lanes || x->v != o->lanes->var || x->step >= o->lanes->count;
}

static void check_sequence(Order *o) {
    const Node *n = o->ns->node;
    const Pass *last = NULL;
    for (int i = 0; i < o->passes.n; i++) {
        const Pass *x = &o->passes.at[i];
        if (!steps_over_blocks(o, x)) continue;
        if (last && level_of(n, x->v) < level_of(n, last->v))
            schedule_fault(o->c, o->ns, x->loop >= 0 ? x->loop : last->loop,
                           "the terms of %s are added in the order of the graph, in which the loop "
                           "over %s is outside that over %s",
                           n->name, x->v->name, last->v->name);
        last = x;
    }
}

static void check_lanes(Order *o) {
    const Node *n = o->ns->node;
    const Level *lanes = o->lanes;
    bool outside = lanes == &n->levels[0]; /* the lanes' partial sums live through all terms */
    for (int i = 0; i < o->passes.n; i++) {
        const Pass *x = &o->passes.at[i];
        bool along = x->v == lanes->var;
        if (x->outer && (outside || !along || x->step < lanes->count))
            schedule_fault(o->c, o->ns, x->loop,
                           "the sum of %s in lanes cannot be split outside the node", n->name);
        bool whole = !along || (x->step >= lanes->count ? x->step % lanes->count == 0
                                                        : x->span <= lanes->count);
        if (!whole)
            schedule_fault(o->c, o->ns, x->loop,
                           "%s is summed in lanes of %d: loop over blocks of that many first",
                           n->name, lanes->count);
        /* the lane loop itself went over blocks */
        bool twice = i && x->loop >= 0 && x->loop == x[-1].loop;
        if (twice && along && !outside)
            schedule_fault(o->c, o->ns, x->loop,
                           "%s is summed in lanes of %d: loop over blocks of that many first",
                           n->name, lanes->count);
    }
}

static void check_order(ScheduleCheck *c, const NodeSchedule *ns) {
    Order o = {.c = c, .ns = ns, .lanes = node_lanes(ns->node), .span = map_new(c->arena)};
    for (int i = 0; i < ns->node->n_levels; i++)
        if (ns->node->levels[i].kind == LEVEL_GROUPS)
            schedule_fault(c, ns, -1, "%s is summed in groups, which no loops can do",
                           ns->node->name);
    collect_passes(&o);
    check_sequence(&o);
    if (o.lanes) check_lanes(&o);
}

void schedule_check_loops(ScheduleCheck *c, const NodeSchedule *ns) {
    for (int i = 0; i < ns->loops.n; i++) check_loop(c, ns, i);
    if (ns->host) check_attached(c, ns);
    if (c->good && ns->node->n_rvars) check_order(c, ns);
}
