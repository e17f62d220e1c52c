/* lower_kernel.c: one kernel: the node it is named for, and the nodes attached inside.
 *
 * Before the loop at each depth come the nodes that are attached there, computed for the region
 * that their consumers need (lower_region.c); then the loop, or the reduction that begins here.
 */
#include "lower.h"

/* --- points --- */

/* What keeps a point of an attached node from lying outside its tensor, where the region does: what
 * readers need under a guard, and only for memory of its own. */
Expr *lower_inside(Lower *L, const Frame *f) {
    const Node *n = f->ns->node;
    Pool *p = L->pool;
    Expr *guard = NULL;
    for (int i = 0; i < n->rank && f->host; i++) {
        if (n->var[i]->batch) continue;
        long lo, hi;
        bool known = e_range(f->base[i], &lo, &hi);
        Expr *low = e_op(p, OP_LE, e_int(p, 0), f->value[i], NULL);
        Expr *high = e_op(p, OP_LT, f->value[i], e_int(p, n->shape[i]), NULL);
        if (!known || lo < 0) guard = e_and(p, guard, low);
        if (!known || hi + f->extent[i] > n->shape[i]) guard = e_and(p, guard, high);
    }
    return guard;
}

static void store_value(Lower *L, Frame *f, Expr *value) {
    const Node *n = f->ns->node;
    if (f->local)
        emit_store(L, f->local, local_offset(L, f->local, f->value, f->base, n->rank), value);
    Buffer *m = L->memory[n->id];
    if (m && (f->ns->stored || !f->host))
        emit_store(L, m, layout_offset(L->pool, &m->layout, f->value), value);
}

void lower_point(Lower *L, Frame *f) {
    const Node *n = f->ns->node;
    Pool *p = L->pool;
    Expr *inside = lower_inside(L, f);
    const Parts *part = &L->part[n->id];
    Expr *guard = part->guard ? lower_expr(L, f, part->guard, inside) : NULL;
    Expr *value = lower_expr(L, f, part->body, e_and(p, inside, guard));
    if (!is_true(guard)) {
        Expr *otherwise = part->init ? lower_expr(L, f, part->init, inside) : e_num(p, n->type, 0);
        value = e_select(p, guard, value, otherwise);
    }
    store_value(L, f, value);
}

/* --- attached nodes --- */

static void lower_attached(Lower *L, Frame *host, NodeSchedule *ns) {
    const Node *n = ns->node;
    frame_complete_loops(L, ns);
    Frame *f = frame_new(L, ns, host);
    lower_region(L, f);
    for (int i = 0; i < n->rank; i++) {
        f->value[i] = f->base[i];
        f->span[i] = f->extent[i];
    }
    for (int i = 0; i < L->foreign.n; i++) {
        const Foreign *x = L->foreign.at[i];
        if (x->node != n) continue;
        frame_pass(L, f, var_number(n, x->var), x->value, x->span);
        f->guard_samples |= x->guard_samples;
    }
    for (int i = 0; i < L->shared.n && n->n_rvars; i++)
        for (int k = n->rank; k < n_vars(n) && !L->shared.at[i].item->scan; k++)
            if (node_var(n, k)->batch)
                die("%s reduces over samples inside a block of them", n->name);
    f->local = new_local(L, n->name, n->type, n->rank, f->extent, lane_axis_of(ns, 0));
    lower_at_depth(L, f, 0, NULL, NULL);
    PUSH(L->arena, L->live, f);
    if (!f->outer.last || is_true(f->outer.last)) return;
    Stmt *s = emit(L, STMT_IF); /* what follows needs the whole sum */
    s->cond = f->outer.last;
    L->out = &s->body;
}

void lower_at_depth(Lower *L, Frame *f, int depth, PointFn *at, void *context) {
    Body *out = L->out;
    int live = L->live.n;
    if (!at) {
        for (int i = 0; i < f->ns->attached.n; i++)
            if (f->ns->attached.at[i]->depth == depth) lower_attached(L, f, f->ns->attached.at[i]);
        bool last_pass_only = L->out != out && is_false(L->live.at[L->live.n - 1]->outer.last);
        if (!last_pass_only) {
            const NodeSchedule *ns = f->ns;
            bool begins = ns->node->reduce != REDUCE_NONE && !f->acc &&
                          !lower_is_pass(L, f, depth) &&
                          (depth == ns->loops.n || is_reduction_loop(f, &ns->loops.at[depth]));
            if (begins) lower_reduction(L, f, depth);
            else if (f->acc && f->lanes_at == depth) lower_lanes_of_sum(L, f, depth);
            else if (!lower_tile(L, f, depth)) lower_loops(L, f, depth, NULL, NULL);
        }
    } else {
        lower_loops(L, f, depth, at, context);
    }
    L->live.n = live;
    L->out = out;
}

void lower_kernel(Lower *L, NodeSchedule *ns) {
    frame_complete_loops(L, ns);
    Frame *f = frame_new(L, ns, NULL);
    frame_enter_shared(L, f);
    for (int i = 0; i < ns->node->rank; i++) {
        f->base[i] = f->value[i];
        f->extent[i] = f->span[i];
    }
    L->live.n = 0;
    lower_at_depth(L, f, 0, NULL, NULL);
}
