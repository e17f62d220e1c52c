/* schedule_check_memory.c: does what a schedule computes fit the memory that it gives? Layouts hold
 * every element; blocks of samples that run over the batch find room; storage that steps use in
 * turn is not overwritten before its last reader.
 */
#include "schedule_text.h"

/* --- layouts --- */

static bool is_outermost(const Layout *l, int i) {
    for (int j = 0; j < l->n; j++)
        if (l->piece[j].axis == l->piece[i].axis && l->piece[j].div > l->piece[i].div) return false;
    return true;
}

static const struct Piece *piece_at(const Layout *l, int axis, long div, int *found) {
    const struct Piece *x = NULL;
    *found = 0;
    for (int i = 0; i < l->n; i++) {
        if (l->piece[i].axis != axis || l->piece[i].div != div) continue;
        x = &l->piece[i];
        ++*found;
    }
    return x;
}

/* The pieces of an axis from the finest on must follow each other and cover it. */
static const char *axis_fault(Arena *a, const Layout *l, int axis, long extent) {
    int found, pieces = 0;
    long div = 1;
    for (int i = 0; i < l->n; i++) pieces += l->piece[i].axis == axis;
    if (!pieces) return arena_printf(a, "axis %d is missing", axis);
    for (; pieces; pieces--) {
        const struct Piece *x = piece_at(l, axis, div, &found);
        if (found > 1)
            return arena_printf(a, "axis %d is there twice%s", axis,
                                div > 1 ? arena_printf(a, " from /%ld on", div) : "");
        if (!x && div == 1)
            return arena_printf(a, "the innermost piece of axis %d, without a /, is missing", axis);
        if (!x)
            return arena_printf(a, "the pieces of axis %d do not meet: one with /%ld is missing",
                                axis, div);
        bool last = is_outermost(l, (int)(x - l->piece));
        if (!last && x->count * div >= 2 * extent && extent > 1)
            return arena_printf(a, "a piece of axis %d is larger than its %ld values", axis,
                                extent);
        div *= x->count;
    }
    if (div < extent && l->folded != axis + 1)
        return arena_printf(a, "axis %d has %ld values, its pieces hold %ld", axis, extent, div);
    return NULL;
}

const char *schedule_layout_fault(Arena *a, int rank, const long *shape, const Layout *l) {
    for (int i = 0; i < l->n; i++)
        if (l->piece[i].axis >= rank)
            return arena_printf(a, "there is no axis %d", l->piece[i].axis);
    for (int i = 0; i < rank; i++) {
        const char *fault = axis_fault(a, l, i, shape[i]);
        if (fault) return fault;
    }
    return NULL;
}

/* --- storage used in turn --- */

typedef struct Turn {
    ScheduleCheck *c;
    const NodeSchedule *of, *reader;
    long period;
} Turn;

static bool is_same_loop(const Turn *t, bool scan) {
    const struct Where *a = &t->c->where[t->of->node->id], *b = &t->c->where[t->reader->node->id];
    for (int i = 0; i < a->loops.n && i < b->loops.n && a->loops.at[i] == b->loops.at[i]; i++)
        if (a->loops.at[i]->scan == scan) return true;
    return false;
}

static void check_turn_read(void *context, Expr *e) {
    Turn *t = context;
    const Node *n = t->of->node;
    if (e->op != OP_READ || e->node != n) return;
    int axis = t->of->layout.folded - 1;
    long coef, lag = 0;
    Expr *rest;
    bool scan = axis == n->scan, good = is_same_loop(t, scan);
    const Node *reader = t->reader->node;
    if (good && scan) {
        good = reader->scan >= 0 &&
               e_affine(t->c->pool, e->arg[axis], reader->var[reader->scan], &coef, &rest) &&
               coef == 1 && is_const(rest);
        if (good) lag = rest->num < 0 ? -(long)rest->num : (long)rest->num;
    }
    if (!good || lag >= t->period)
        schedule_fault(t->c, t->of, -1,
                       "%s reads elements of %s whose storage is used again by then",
                       reader->name, n->name);
}

static void check_turns(ScheduleCheck *c, const NodeSchedule *ns) {
    const Node *n = ns->node;
    int axis = ns->layout.folded - 1;
    const struct Where *at = &c->where[n->id];
    const Item *loop = NULL;
    bool parallel = false;
    for (int i = 0; i < at->loops.n; i++) {
        bool along = at->loops.at[i]->scan ? axis == n->scan : axis == 0 && n->batched;
        if (along) loop = at->loops.at[i];
        parallel |= at->loops.at[i]->parallel;
    }
    long period = layout_room(&ns->layout, axis);
    if (!loop || parallel || period % loop->step) {
        schedule_fault(c, ns, -1, "storage of %s can be used in turn only by the steps of a loop%s",
                       n->name, parallel ? " that is not parallel" : " around its kernel");
        return;
    }
    Turn t = {c, ns, NULL, period};
    for (int i = 0; i < c->g->nodes.n; i++) {
        t.reader = c->s->of[i];
        if (c->where[i].root) parts_visit(&c->part[i], check_turn_read, &t);
    }
}

/* --- samples --- */

/* The samples that one loop body before `depth` is for; *reach: how far they go in all. Sums over
 * samples test whether they exist, so theirs count only for what is computed inside. */
static long samples_at(ScheduleCheck *c, const NodeSchedule *ns, int depth, bool sums,
                       long *reach) {
    const struct Where *at = &c->where[ns->node->id];
    long batch = c->g->batch, span = batch;
    *reach = batch;
    if (ns->host) {
        span = samples_at(c, ns->host, ns->depth, true, reach);
    } else if (sums || ns->node->batched) {
        for (int i = 0; i < at->loops.n; i++) {
            if (at->loops.at[i]->scan) continue;
            span = at->loops.at[i]->step;
            *reach = round_up(batch, span);
        }
    }
    for (int i = 0; i < depth; i++) {
        const LoopSpec *x = &ns->loops.at[i];
        if (!x->var->batch || x->node != ns->node || x->kind == LOOP_LANE) continue;
        if (!sums && x->var != ns->node->var[0]) continue;
        bool first = span == batch && *reach == batch && !ns->host;
        if (first) *reach = round_up(batch, x->step);
        else if (x->step > 1 && (x->step > span || span % x->step))
            schedule_fault(c, ns, i, "steps of %ld do not divide the %ld samples around them",
                           x->step, span);
        span = x->step;
    }
    return span;
}

typedef struct Room {
    ScheduleCheck *c;
    const NodeSchedule *ns;
    long reach;
} Room;

static long room_for_samples(ScheduleCheck *c, const Node *n) {
    /* inputs and outputs: netc.h; what updates stored tensors has no samples */
    if (n->kind == NODE_INPUT || graph_is_result(c->g, n))
        return round_up(n->shape[0], PAD);
    const Layout *l = &c->s->of[n->id]->layout;
    return l->folded == 1 ? c->g->batch * 2 : layout_room(l, 0);
}

static void check_room(Room *r, const Node *n) {
    if (!n->batched || room_for_samples(r->c, n) >= r->reach) return;
    schedule_fault(r->c, r->ns, -1,
                   "the loops over samples go to %ld, and %s has room for %ld: let its layout pad "
                   "axis 0, or take a step that divides the batch",
                   r->reach, n->name, room_for_samples(r->c, n));
}

static void check_room_read(void *context, Expr *e) {
    Room *r = context;
    if (e->op != OP_READ || (e->node->kind == NODE_COMP && !r->c->s->of[e->node->id]->stored))
        return;
    bool own = e->node->batched && e->arg[0]->op == OP_VAR && e->arg[0]->var->batch;
    if (own) check_room(r, e->node);
}

static void check_samples(ScheduleCheck *c, const NodeSchedule *ns) {
    const Node *n = ns->node;
    const struct Where *at = &c->where[n->id];
    bool sums = false;
    for (int i = 0; i < n->n_rvars; i++) sums |= n->rvar[i]->batch;
    for (int i = 0; i < at->loops.n; i++) {
        const Item *x = at->loops.at[i];
        if (x->scan) continue;
        bool arg = n->reduce == REDUCE_ARGMAX || n->reduce == REDUCE_ARGMIN;
        bool by_block = x->parallel && at->loops.n == 1 && node_sums_blocks(n, x->step);
        if (sums && (n->batched || ns->host || (x->parallel && !by_block) || arg))
            schedule_fault(c, ns, -1, "%s goes through all samples: not in %s loop over blocks",
                           n->name, x->parallel ? "a parallel" : "a");
        else if (!ns->host && !n->batched && !sums)
            schedule_fault(c, ns, -1, "%s has no samples: it cannot be in a loop over them",
                           n->name);
    }
    Room r = {.c = c, .ns = ns};
    samples_at(c, ns, ns->loops.n, false, &r.reach);
    if (ns->stored) check_room(&r, n);
    parts_visit(&c->part[n->id], check_room_read, &r);
}

void schedule_check_memory(ScheduleCheck *c) {
    for (int i = 0; i < c->g->nodes.n; i++) {
        const NodeSchedule *ns = c->s->of[i];
        const Node *n = ns->node;
        if (!c->where[i].root) continue;
        check_samples(c, ns);
        if (!ns->stored || graph_is_result(c->g, n)) continue;
        const char *fault = schedule_layout_fault(c->arena, n->rank, n->shape, &ns->layout);
        if (fault) schedule_fault(c, ns, -1, "the layout of %s: %s", n->name, fault);
        else if (ns->layout.folded) check_turns(c, ns);
    }
}
