/* lower_reduce.c: reductions: accumulators before the first reduction loop, terms inside, results
 * after the last.
 *
 * A sum in lanes has two rings of accumulators. The outer one is what graph.h's R(levels, acc)
 * passes through the levels outside the lanes; the inner one, sixteen to a result, begins at the
 * identity where the lanes begin, and a tree adds it to the outer one where they end.
 */
#include "lower.h"
#include <math.h>

static bool is_arg(const Node *n) {
    return n->reduce == REDUCE_ARGMAX || n->reduce == REDUCE_ARGMIN;
}

static Expr *identity(Lower *L, const Node *n, Type type) {
    switch (n->reduce) {
    case REDUCE_PROD: return e_num(L->pool, type, 1);
    case REDUCE_MAX:
    case REDUCE_ARGMAX: return e_num(L->pool, type, type == T_F32 ? -INFINITY : INT32_MIN);
    case REDUCE_MIN:
    case REDUCE_ARGMIN: return e_num(L->pool, type, type == T_F32 ? INFINITY : INT32_MAX);
    default: return e_num(L->pool, type, 0);
    }
}

static Expr *acc_offset(Lower *L, const Frame *f, const Buffer *b) {
    const Node *n = f->ns->node;
    Expr *at[MAX_RANK + 1];
    for (int i = 0; i < n->rank; i++) at[i] = e_sub(L->pool, f->value[i], f->acc_base[i]);
    if (f->inner) {
        Expr *lane = f->value[var_number(n, f->inner->var)];
        at[n->rank] = e_op(L->pool, OP_IMOD, lane, e_int(L->pool, f->inner->count), NULL);
    }
    return layout_offset(L->pool, &b->layout, at);
}

static void open_if(Lower *L, Expr *cond) {
    Stmt *s = emit(L, STMT_IF);
    s->cond = cond;
    L->out = &s->body;
}

/* --- terms --- */

static Expr *both(Lower *L, Expr *guard, Op op, Expr *a, Expr *b) {
    return e_and(L->pool, guard, e_op(L->pool, op, a, b, NULL));
}

/* What must hold for a term to be there: the node's guard, and that regions and loops did not run
 * over. */
static Expr *term_guard(Lower *L, Frame *f) {
    const Node *n = f->ns->node;
    Pool *p = L->pool;
    Expr *guard = lower_inside(L, f);
    for (int i = 0; i < f->n_skews; i++) {
        const struct Skew *s = &f->skew[i];
        Expr *v = e_sub(p, s->sum, e_sub(p, f->value[s->var], s->from));
        f->value[s->follows] = v;
        guard = both(L, guard, OP_LE, e_int(p, 0), v);
        guard = both(L, guard, OP_LT, v, e_int(p, n->rvar[s->follows - n->rank]->hi + 1));
    }
    for (int i = 0; i < n->n_rvars; i++) {
        Expr *v = f->value[n->rank + i];
        long lo, hi;
        if (n->rvar[i]->batch) {
            if (f->guard_samples) guard = both(L, guard, OP_LT, v, e_host(p, HOST_COUNT));
        } else if (e_range(v, &lo, &hi) && hi > n->rvar[i]->hi) {
            guard = both(L, guard, OP_LE, v, e_int(p, n->rvar[i]->hi));
        }
    }
    Expr *own = L->part[n->id].guard;
    return own ? e_and(p, guard, lower_expr(L, f, own, guard)) : guard;
}

static Expr *combine(Lower *L, const Node *n, Expr *acc, Expr *term) {
    Pool *p = L->pool;
    /* the frozen body decides: a product that an inlined node brings is rounded by itself */
    bool product = n->body->op == OP_MUL && term->op == OP_MUL && term->type == T_F32;
    if (n->reduce == REDUCE_SUM && product)
        return e_op(p, OP_FMA, term->arg[0], term->arg[1], acc);
    static const Op op[N_REDUCES] = {[REDUCE_SUM] = OP_ADD, [REDUCE_PROD] = OP_MUL,
                                     [REDUCE_MAX] = OP_MAX, [REDUCE_MIN] = OP_MIN};
    return e_op(p, op[n->reduce], acc, term, NULL);
}

static Expr *term_number(Lower *L, const Frame *f) {
    const Node *n = f->ns->node;
    Expr *e = e_int(L->pool, 0);
    for (int i = 0; i < n->n_rvars; i++)
        e = e_add(L->pool, e_scale(L->pool, e, n->rvar[i]->hi + 1), f->value[n->rank + i]);
    return e;
}

/* The same where no term is ever absent: term 0 is the first, the others only have to beat the best
 * so far. */
static void add_sure_candidate(Lower *L, Frame *f, Expr *offset, Expr *term) {
    Pool *p = L->pool;
    Expr *best = v_load(p, f->acc, offset, NULL, 1), *number = term_number(L, f);
    Expr *at = acc_offset(L, f, f->acc_index), *index = v_load(p, f->acc_index, at, NULL, 1);
    bool max = f->ns->node->reduce == REDUCE_ARGMAX;
    Expr *wins = max ? e_op(p, OP_LT, best, term, NULL) : e_op(p, OP_LT, term, best, NULL);
    Stmt *s = emit(L, STMT_IF);
    s->cond = e_op(p, OP_EQ, number, e_int(p, 0), NULL);
    Body *out = L->out;
    L->out = &s->body;
    emit_store(L, f->acc_index, at, number);
    emit_store(L, f->acc, offset, term);
    L->out = &s->other;
    emit_store(L, f->acc_index, at, e_select(p, wins, number, index));
    emit_store(L, f->acc, offset, e_op(p, max ? OP_MAX : OP_MIN, best, term, NULL));
    L->out = out;
}

/* argmax, argmin: the first term, or one that beats the best so far. */
static void add_candidate(Lower *L, Frame *f, Expr *offset, Expr *term, Expr *keep) {
    Pool *p = L->pool;
    if (!keep && !L->part[f->ns->node->id].guard) {
        add_sure_candidate(L, f, offset, term);
        return;
    }
    Expr *best = v_load(p, f->acc, offset, NULL, 1);
    Expr *at = acc_offset(L, f, f->acc_index), *index = v_load(p, f->acc_index, at, NULL, 1);
    bool max = f->ns->node->reduce == REDUCE_ARGMAX;
    Expr *wins = max ? e_op(p, OP_LT, best, term, NULL) : e_op(p, OP_LT, term, best, NULL);
    wins = e_op(p, OP_OR, wins, e_op(p, OP_LT, index, e_int(p, 0), NULL), NULL);
    wins = e_and(p, keep, wins);
    Expr *number = term_number(L, f);
    emit_store(L, f->acc_index, at, e_select(p, wins, number, index));
    Expr *won = e_op(p, OP_EQ, index, number, NULL); /* the index now: numbers are unique */
    emit_store(L, f->acc, offset, e_select(p, won, term, best));
}

void lower_term(Lower *L, Frame *f) {
    const Node *n = f->ns->node;
    Pool *p = L->pool;
    Body *out = L->out;
    Expr *guard = term_guard(L, f);
    if (guard && is_false(guard)) return;
    Expr *mask = NULL;
    if (!is_true(guard)) {
        if (L->lane && e_uses(guard, L->lane)) mask = guard;
        else open_if(L, guard);
    }
    Expr *term = lower_expr(L, f, L->part[n->id].body, mask);
    Expr *offset = acc_offset(L, f, f->acc);
    if (is_arg(n)) {
        add_candidate(L, f, offset, term, mask);
    } else {
        Expr *acc = v_load(p, f->acc, offset, NULL, 1);
        Expr *next = combine(L, n, acc, term);
        emit_store(L, f->acc, offset, mask ? e_select(p, mask, next, acc) : next);
    }
    L->out = out;
}

/* --- around the terms --- */

static void start_point(Lower *L, Frame *f, void *context) {
    const Node *n = f->ns->node;
    bool fresh = context != NULL;
    Expr *value;
    if (!fresh) {
        Buffer *m = L->memory[n->id];
        if (!m) die("the partial sums of %s have no memory", n->name);
        value = v_load(L->pool, m, layout_offset(L->pool, &m->layout, f->value), NULL, 1);
    } else if (n->init && !f->inner) {
        value = lower_expr(L, f, L->part[n->id].init, lower_inside(L, f));
    } else {
        value = identity(L, n, f->acc->type);
    }
    emit_store(L, f->acc, acc_offset(L, f, f->acc), value);
    if (f->acc_index)
        emit_store(L, f->acc_index, acc_offset(L, f, f->acc_index), e_int(L->pool, -1));
}

static void start(Lower *L, Frame *f, int depth) {
    Expr *first = f->outer.first;
    Body *out = L->out;
    int yes = 1;
    if (!first || is_true(first)) {
        lower_loops(L, f, depth, start_point, &yes);
    } else if (is_false(first)) {
        lower_loops(L, f, depth, start_point, NULL);
    } else {
        Stmt *s = emit(L, STMT_IF);
        s->cond = first;
        L->out = &s->body;
        lower_loops(L, f, depth, start_point, &yes);
        L->out = &s->other;
        lower_loops(L, f, depth, start_point, NULL);
        L->out = out;
    }
}

/* Results go where the node's readers look: to its local buffer, unless they accumulated there, to
 * memory where it is stored or where a later pass goes on from them. */
static void finish_point(Lower *L, Frame *f, void *context) {
    const Node *n = f->ns->node;
    Buffer *from = is_arg(n) ? f->acc_index : f->acc;
    Expr *value = v_load(L->pool, from, acc_offset(L, f, from), NULL, 1);
    if (f->local && f->local != from)
        emit_store(L, f->local, local_offset(L, f->local, f->value, f->base, n->rank), value);
    if (f->block) {
        lower_block_sum(L, f, value);
        return;
    }
    Buffer *m = L->memory[n->id];
    bool to_memory = m && (!f->host || f->ns->stored || (f->outer.last && !is_true(f->outer.last)));
    if (to_memory) emit_store(L, m, layout_offset(L->pool, &m->layout, f->value), value);
}

static Expr *tree_of(Lower *L, const Frame *f, Expr *offset) {
    Pool *p = L->pool;
    Expr *part[16];
    int n = f->inner->count / L->width;
    for (int i = 0; i < n; i++)
        part[i] = v_load(p, f->acc, e_offset(p, offset, (long)i * L->width), NULL, L->width);
    for (; n > 1; n /= 2)
        for (int i = 0; i < n / 2; i++)
            part[i] = v_op(p, OP_ADD, T_F32, L->width, part[i], part[i + n / 2], NULL);
    return L->width > 1 ? v_op(p, OP_TREE, T_F32, 1, part[0], NULL, NULL) : part[0];
}

typedef struct Ring {
    Buffer *acc;
    Expr **base;
} Ring;

static void join_point(Lower *L, Frame *f, void *context) {
    const Ring *outer = context;
    const Level *level = f->inner;
    Expr *lane = f->value[var_number(f->ns->node, level->var)];
    f->value[var_number(f->ns->node, level->var)] = e_int(L->pool, 0);
    Expr *tree = tree_of(L, f, acc_offset(L, f, f->acc));
    f->value[var_number(f->ns->node, level->var)] = lane;
    Expr *offset = local_offset(L, outer->acc, f->value, outer->base, f->ns->node->rank);
    Expr *acc = v_load(L->pool, outer->acc, offset, NULL, 1);
    emit_store(L, outer->acc, offset, e_op(L->pool, OP_ADD, acc, tree, NULL));
}

static Expr **values_now(Lower *L, const Frame *f) {
    const Node *n = f->ns->node;
    Expr **base = NEW_ARRAY(L->arena, Expr *, n->rank + 1);
    for (int i = 0; i < n->rank; i++)
        base[i] = L->lane ? e_subst1(L->pool, f->value[i], L->lane, e_int(L->pool, 0))
                          : f->value[i];
    return base;
}

/* The axis that the lanes around this point run along, or -1. */
static int open_lane_axis(const Lower *L, const Frame *f) {
    for (int i = 0; i < f->ns->node->rank; i++)
        if (L->lane && e_uses(f->value[i], L->lane)) return i;
    return -1;
}

/* The sums of samples that are not there are none. */
static void mask_point(Lower *L, Frame *f, void *context) {
    Pool *p = L->pool;
    Expr *offset = acc_offset(L, f, f->acc), *acc = v_load(p, f->acc, offset, NULL, 1);
    Expr *first = context, *lane = f->value[var_number(f->ns->node, f->inner->var)];
    Expr *there = e_op(p, OP_LT, e_add(p, first, lane), e_host(p, HOST_COUNT), NULL);
    emit_store(L, f->acc, offset, e_select(p, there, acc, identity(L, f->ns->node, f->acc->type)));
}

/* The lanes begin: an inner ring of accumulators around the loops from depth on. */
void lower_lanes_of_sum(Lower *L, Frame *f, int depth) {
    const Node *n = f->ns->node;
    Ring outer = {f->acc, f->acc_base};
    long extent[MAX_RANK + 1];
    for (int i = 0; i < n->rank; i++) extent[i] = f->span[i];
    f->inner = node_lanes(n);
    extent[n->rank] = f->inner->count;
    f->acc = new_local(L, "part", n->type, n->rank + 1, extent, n->rank);
    f->acc_base = values_now(L, f);
    int yes = 1;
    Expr *lane = f->value[var_number(n, f->inner->var)];
    /* zeros for every lane: the store is one vector where the lane variable stands for itself */
    lower_fill_lanes(L, f, depth, start_point, &yes);
    f->value[var_number(n, f->inner->var)] = lane;
    lower_loops(L, f, depth, NULL, NULL);
    if (f->mask_samples) {
        lower_fill_lanes(L, f, depth, mask_point, lane);
        f->value[var_number(n, f->inner->var)] = lane;
    }
    lower_loops(L, f, depth, join_point, &outer);
    f->acc = outer.acc;
    f->acc_base = outer.base;
    f->inner = NULL;
}

/* --- tiles --- */

static void fill_tile_point(Lower *L, Frame *f, void *context) {
    const Ring *outer = context;
    Expr *from = local_offset(L, outer->acc, f->value, outer->base, f->ns->node->rank);
    emit_store(L, f->acc, acc_offset(L, f, f->acc), v_load(L->pool, outer->acc, from, NULL, 1));
}

static void empty_tile_point(Lower *L, Frame *f, void *context) {
    const Ring *outer = context;
    Expr *to = local_offset(L, outer->acc, f->value, outer->base, f->ns->node->rank);
    emit_store(L, outer->acc, to, v_load(L->pool, f->acc, acc_offset(L, f, f->acc), NULL, 1));
}

/* Do the loops from depth on go over terms, those over results being unrolled within, and is that
 * for some of the accumulators only? */
static bool is_tile(const Lower *L, const Frame *f, int depth) {
    const NodeSchedule *ns = f->ns;
    if (!f->acc || is_arg(ns->node) || f->inner || f->lanes_at >= 0 || f->n_skews || L->lane)
        return false;
    if (depth == ns->loops.n || !is_reduction_loop(f, &ns->loops.at[depth])) return false;
    for (int i = depth; i < ns->loops.n; i++) {
        const LoopSpec *x = &ns->loops.at[i];
        bool unrolled = x->kind == LOOP_UNROLL || x->kind == LOOP_LANE;
        if (x->skew || (!unrolled && !is_reduction_loop(f, x))) return false;
    }
    bool part = false;
    for (int i = 0; i < ns->node->rank; i++) part |= f->acc_base[i] != f->value[i];
    return part;
}

/* Accumulators that lie in memory, because loops over results are inside those over terms, are
 * taken to registers for the innermost terms. */
bool lower_tile(Lower *L, Frame *f, int depth) {
    if (!is_tile(L, f, depth)) return false;
    const Node *n = f->ns->node;
    Ring outer = {f->acc, f->acc_base};
    f->acc = new_local(L, "tile", n->type, n->rank, f->span, lane_axis_of(f->ns, depth));
    f->acc_base = values_now(L, f);
    lower_loops(L, f, depth, fill_tile_point, &outer);
    lower_loops(L, f, depth, NULL, NULL);
    lower_loops(L, f, depth, empty_tile_point, &outer);
    f->acc = outer.acc;
    f->acc_base = outer.base;
    return true;
}

/* After which loop the lanes begin: the last that steps over blocks of lanes, where the order has
 * them outside and no loop around the node has chosen the block already. */
static int lanes_depth(const Frame *f, int depth) {
    const Node *n = f->ns->node;
    const Level *lanes = node_lanes(n);
    if (!lanes) return -1;
    bool chosen = f->span[var_number(n, lanes->var)] <= lanes->count;
    if (lanes == &n->levels[0] || chosen) return depth;
    for (int i = f->ns->loops.n - 1; i >= depth; i--) {
        const LoopSpec *spec = &f->ns->loops.at[i];
        if (spec->var == lanes->var && spec->kind != LOOP_LANE && spec->step >= lanes->count)
            return i + 1;
    }
    return depth;
}

void lower_reduction(Lower *L, Frame *f, int depth) {
    const Node *n = f->ns->node;
    long extent[MAX_RANK + 1];
    bool whole = f->local != NULL;
    for (int i = 0; i < n->rank; i++) {
        extent[i] = f->span[i];
        whole &= f->value[i] == f->base[i] && f->span[i] == f->extent[i];
    }
    int axis = lane_axis_of(f->ns, depth), open = open_lane_axis(L, f);
    if (open >= 0) {
        axis = open;
        extent[open] = L->width;
    }
    Type type = is_arg(n) ? T_F32 : n->type;
    f->acc = whole && !is_arg(n) ? f->local : new_local(L, "acc", type, n->rank, extent, axis);
    f->acc_index = !is_arg(n) ? NULL
                   : whole    ? f->local
                              : new_local(L, "arg", T_I32, n->rank, extent, axis);
    f->acc_base = values_now(L, f);
    f->lanes_at = -1;
    start(L, f, depth);
    int lanes = lanes_depth(f, depth);
    if (lanes == depth) {
        lower_lanes_of_sum(L, f, depth);
    } else {
        f->lanes_at = lanes;
        lower_loops(L, f, depth, NULL, NULL);
    }
    Buffer *result = is_arg(n) ? f->acc_index : f->acc;
    bool elsewhere = L->memory[n->id] && (!f->host || f->ns->stored || f->outer.last);
    if (f->local != result || elsewhere) lower_loops(L, f, depth, finish_point, NULL);
    f->acc = f->acc_index = NULL;
    f->lanes_at = -1;
}
