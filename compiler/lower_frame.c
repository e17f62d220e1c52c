/* lower_frame.c: what a node's variables stand for at a point of its loops: the part of each that
 * the loops so far have chosen, and the span still to be looped over. Loops that the schedule
 * leaves out are put in.
 */
#include "lower.h"
#include <string.h>

int var_number(const Node *n, const Var *v) {
    for (int i = 0; i < n->rank; i++)
        if (n->var[i] == v) return i;
    for (int i = 0; i < n->n_rvars; i++)
        if (n->rvar[i] == v) return n->rank + i;
    return -1;
}

int n_vars(const Node *n) {
    return n->rank + n->n_rvars;
}

Frame *frame_new(Lower *L, NodeSchedule *ns, Frame *host) {
    const Node *n = ns->node;
    Frame *f = NEW(L->arena, Frame);
    f->ns = ns;
    f->host = host;
    f->value = NEW_ARRAY(L->arena, Expr *, n_vars(n) + 1);
    f->span = NEW_ARRAY(L->arena, long, n_vars(n) + 1);
    f->base = NEW_ARRAY(L->arena, Expr *, n->rank + 1);
    f->extent = NEW_ARRAY(L->arena, long, n->rank + 1);
    for (int i = 0; i < n_vars(n); i++) {
        f->value[i] = e_int(L->pool, 0);
        f->span[i] = node_var(n, i)->hi + 1;
    }
    return f;
}

static Expr *join(Pool *p, Expr *a, Expr *b) {
    return a ? e_and(p, a, b) : b;
}

/* A pass of a reduction chosen outside: its first and last values decide what happens around it. */
void frame_pass(Lower *L, Frame *f, int var, Expr *value, long span) {
    Pool *p = L->pool;
    long end = f->span[var];
    f->value[var] = value;
    f->span[var] = span;
    Expr *bound = node_var(f->ns->node, var)->batch ? e_host(p, HOST_COUNT) : e_int(p, end);
    f->outer.first = join(p, f->outer.first, e_op(p, OP_EQ, value, e_int(p, 0), NULL));
    f->outer.last = join(p, f->outer.last, e_op(p, OP_LE, bound, e_offset(p, value, span), NULL));
}

void frame_enter_shared(Lower *L, Frame *f) {
    const Node *n = f->ns->node;
    for (int i = 0; i < L->shared.n; i++) {
        const Shared *s = &L->shared.at[i];
        Expr *at = e_scale(L->pool, e_var(L->pool, s->var), s->item->step);
        if (s->item->scan) {
            if (n->scan < 0) die("%s is in a scan but has no step", n->name);
            f->value[n->scan] = at;
            f->span[n->scan] = 1;
            continue;
        }
        for (int k = 0; k < n_vars(n); k++) {
            if (!node_var(n, k)->batch) continue;
            if (k < n->rank) {
                f->value[k] = at;
                f->span[k] = s->item->step;
            } else if (lower_by_block(L, n)) {
                f->value[k] = at;
                f->span[k] = s->item->step;
                f->block = e_var(L->pool, s->var);
                f->mask_samples = !f->ns->attached.n && lower_reads_may_overrun(L, f, k, PAD);
                f->guard_samples = s->partial;
            } else {
                frame_pass(L, f, k, at, s->item->step);
                f->guard_samples = s->partial;
            }
        }
    }
}

/* --- local buffers --- */

Buffer *new_local(Lower *L, const char *name, Type type, int rank, const long *extent,
                  int lane_axis) {
    if (L->width == 1) lane_axis = -1;
    Buffer *b = NEW(L->arena, Buffer);
    b->kind = BUFFER_LOCAL;
    b->name = arena_printf(L->arena, "%s_%d", name, L->n_locals++);
    b->type = type;
    b->narrow = 4;
    b->lanes = lane_axis >= 0 ? L->width : 1;
    Layout *l = &b->layout;
    for (int i = 0; i < rank; i++) {
        long count = i == lane_axis ? round_up(extent[i], L->width) / L->width : extent[i];
        l->piece[l->n++] = (struct Piece){i, i == lane_axis ? L->width : 1, count, 0};
    }
    if (lane_axis >= 0) l->piece[l->n++] = (struct Piece){lane_axis, 1, L->width, 0};
    layout_close(l);
    b->size = l->size;
    Stmt *s = emit(L, STMT_LOCAL);
    s->buffer = b;
    return b;
}

int lane_axis_of(const NodeSchedule *ns, int from_depth) {
    for (int i = from_depth; i < ns->loops.n; i++) {
        const LoopSpec *spec = &ns->loops.at[i];
        if (spec->kind != LOOP_LANE || spec->node != ns->node) continue;
        int k = var_number(ns->node, spec->var);
        return k < ns->node->rank ? k : -1;
    }
    return -1;
}

/* --- loops that the schedule leaves out --- */

static bool is_last_of_var(const NodeSchedule *ns, int i) {
    for (int j = i + 1; j < ns->loops.n; j++)
        if (ns->loops.at[j].var == ns->loops.at[i].var) return false;
    return true;
}

static bool is_finished(const NodeSchedule *ns, const Var *v) {
    for (int i = 0; i < ns->loops.n; i++) {
        const LoopSpec *s = &ns->loops.at[i];
        if (s->skew == v) return true;
        bool to_one = s->kind == LOOP_LANE || (s->step == 1 && !s->skew);
        if (s->var == v && to_one && is_last_of_var(ns, i)) return true;
    }
    return false;
}

static void insert_loop(Lower *L, NodeSchedule *ns, int at, LoopKind kind, Var *v, long step) {
    PUSH(L->arena, ns->loops, ((LoopSpec){.kind = kind, .node = ns->node, .var = v, .step = step}));
    LoopSpec last = ns->loops.at[ns->loops.n - 1];
    memmove(&ns->loops.at[at + 1], &ns->loops.at[at],
            sizeof last * (size_t)(ns->loops.n - 1 - at));
    ns->loops.at[at] = last;
    for (int i = 0; i < ns->attached.n; i++)
        if (ns->attached.at[i]->depth >= at && at < ns->loops.n - 1) ns->attached.at[i]->depth++;
}

static bool has_step(const NodeSchedule *ns, const Var *v, long step) {
    for (int i = 0; i < ns->loops.n; i++)
        if (ns->loops.at[i].var == v && ns->loops.at[i].step == step && !ns->loops.at[i].skew)
            return true;
    return false;
}

/* Loops over reductions follow the levels; those over lanes come last. */
static void complete_levels(Lower *L, NodeSchedule *ns) {
    const Node *n = ns->node;
    for (int lanes = 0; lanes < 2; lanes++) {
        for (int i = 0; i < n->n_levels; i++) {
            const Level *l = &n->levels[i];
            bool blocks = l->div > 1;
            if ((l->kind == LEVEL_LANES) != lanes || (blocks && has_step(ns, l->var, l->div)))
                continue;
            if (!blocks && is_finished(ns, l->var)) continue;
            int at = ns->loops.n;
            while (at > 0 && ns->loops.at[at - 1].kind == LOOP_LANE) at--;
            insert_loop(L, ns, at, lanes ? LOOP_LANE : LOOP_FOR, l->var, l->div);
        }
    }
}

/* Loops that the schedule leaves out: outputs before the reduction begins, reductions last. */
void frame_complete_loops(Lower *L, NodeSchedule *ns) {
    const Node *n = ns->node;
    for (int i = 0; i < n->rank; i++) {
        if (is_finished(ns, n->var[i])) continue;
        int at = 0;
        while (at < ns->loops.n && ns->loops.at[at].kind != LOOP_LANE &&
               !(ns->loops.at[at].node == n && var_number(n, ns->loops.at[at].var) >= n->rank))
            at++;
        insert_loop(L, ns, at, LOOP_FOR, n->var[i], 1);
    }
    complete_levels(L, ns);
}
