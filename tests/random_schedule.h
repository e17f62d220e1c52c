/* random_schedule.h: random legal schedules of a frozen graph, for property tests of what lowers,
 * prints and reads them.
 *
 * A draft says for each node where it is and what its loops are. Starting from kernels without
 * loops, random changes are made to it one by one, and taken back where schedule_check finds a
 * fault with what they make.
 */
#ifndef NETC_TESTS_RANDOM_SCHEDULE_H
#define NETC_TESTS_RANDOM_SCHEDULE_H
#include "random.h"
#include "schedule.h"
#include <string.h>

typedef struct Draft {
    Place place;
    int host, depth; /* attached: to the node with this id */
    bool store, laid_out;
    int block; /* the loop over samples around it, from 1; 0: none */
    struct {
        LoopSpec *at;
        int n, cap;
    } loops;
    Layout layout;
} Draft;

enum { BLOCKS = 2 };

typedef struct Drafting {
    Graph *g;
    Arena *arena;
    const Target *target;
    Layouts *layouts;
    Random r;
    Draft *of; /* by node id */
    long block_step[BLOCKS + 1];
    bool block_parallel[BLOCKS + 1];
} Drafting;

static inline bool rs_chance(Drafting *d, long percent) {
    return random_int(&d->r, 0, 99) < percent;
}

/* --- from a draft to a schedule --- */

static inline Item *rs_loop_item(Drafting *d, bool scan, long step, bool parallel) {
    Item *item = NEW(d->arena, Item);
    item->kind = ITEM_LOOP;
    item->scan = scan;
    item->step = step;
    item->parallel = parallel;
    return item;
}

/* A kernel in a block of samples; members of a recurrence in a scan there. */
static inline void rs_place_in_block(Drafting *d, Schedule *s, NodeSchedule *ns, Item **block,
                                     int *last) {
    int b = d->of[ns->node->id].block;
    if (*last != b) {
        *block = rs_loop_item(d, false, d->block_step[b], d->block_parallel[b]);
        PUSH(d->arena, s->items, *block);
        *last = b;
    }
    Item *kernel = NEW(d->arena, Item), *to = *block, *tail = NULL;
    kernel->kernel = ns;
    if (to->items.n) tail = to->items.at[to->items.n - 1];
    if (ns->node->component) {
        bool same = tail && tail->kind == ITEM_LOOP &&
                    tail->items.at[0]->kernel->node->component == ns->node->component;
        if (!same) {
            tail = rs_loop_item(d, true, 1, false);
            PUSH(d->arena, to->items, tail);
        }
        to = tail;
    }
    PUSH(d->arena, to->items, kernel);
}

static inline Schedule *rs_build(Drafting *d) {
    Graph *g = d->g;
    Schedule *s = schedule_new(g, d->target);
    Item *block = NULL;
    int last = 0;
    for (int i = 0; i < g->nodes.n; i++) {
        NodeSchedule *ns = s->of[i];
        const Draft *x = &d->of[i];
        if (ns->node->kind != NODE_COMP) continue;
        ns->place = x->place;
        ns->stored = x->place == PLACE_KERNEL || (x->place == PLACE_ATTACHED && x->store);
        for (int k = 0; k < x->loops.n; k++) PUSH(d->arena, ns->loops, x->loops.at[k]);
        if (x->place == PLACE_ATTACHED) {
            ns->host = s->of[x->host];
            ns->depth = x->depth;
            PUSH(d->arena, ns->host->attached, ns);
        } else if (x->place == PLACE_KERNEL && x->block) {
            rs_place_in_block(d, s, ns, &block, &last);
        }
    }
    schedule_complete(s, d->layouts);
    for (int i = 0; i < g->nodes.n; i++) {
        bool fixed = false;
        for (int o = 0; o < g->n_outputs; o++) fixed |= g->output[o].node == g->nodes.at[i];
        for (int o = 0; o < g->n_updates; o++) fixed |= g->update[o].next == g->nodes.at[i];
        if (d->of[i].laid_out && s->of[i]->stored && !fixed) s->of[i]->layout = d->of[i].layout;
    }
    return s;
}

static inline void rs_no_report(void *context, const NodeSchedule *ns, int loop,
                                const char *message) {}

static inline bool rs_is_legal(Drafting *d) {
    return schedule_check(rs_build(d), d->layouts, rs_no_report, NULL);
}

/* --- loops --- */

static inline void rs_add_loop(Drafting *d, Draft *x, LoopSpec spec) {
    PUSH(d->arena, x->loops, spec);
}

static inline LoopSpec rs_loop(Drafting *d, Node *n, Var *v, long span, long step) {
    long rounds = (span + step - 1) / step;
    LoopKind kind = rounds <= 8 && rs_chance(d, 30) ? LOOP_UNROLL : LOOP_FOR;
    return (LoopSpec){kind, n, v, NULL, step, kind == LOOP_FOR && rs_chance(d, 15)};
}

/* Loops over v in smaller and smaller steps, multiples of `unit`. */
static inline void rs_split(Drafting *d, Draft *x, Node *n, Var *v, long unit) {
    long span = v->hi + 1;
    for (int i = 0; i < 3 && span > unit && rs_chance(d, 55); i++) {
        long step = unit * random_int(&d->r, 1, (span - 1) / unit);
        if (v->batch || rs_chance(d, 50)) { /* a divisor of the span, if there is one near */
            long near = step;
            while (near > unit && span % near) near -= unit;
            if (span % near == 0) step = near;
        }
        rs_add_loop(d, x, rs_loop(d, n, v, span, step));
        span = step;
    }
}

static inline const Level *rs_lanes(const Node *n) {
    for (int i = 0; i < n->n_levels; i++)
        if (n->levels[i].kind == LEVEL_LANES) return &n->levels[i];
    return NULL;
}

/* The loops of a reduction in the order of its levels, without the lane loop. */
static inline void rs_reduction(Drafting *d, Draft *x, Node *n) {
    const Level *lanes = rs_lanes(n);
    for (int i = 0; i < n->n_levels; i++) {
        const Level *l = &n->levels[i];
        if (l->kind != LEVEL_SEQ) continue;
        rs_split(d, x, n, l->var, l->div);
        bool whole = lanes && l->var == lanes->var; /* its blocks can't be left to completion */
        if (whole || rs_chance(d, 70))
            rs_add_loop(d, x, rs_loop(d, n, l->var, l->var->hi + 1, l->div));
    }
}

/* Two lists of loops, shuffled into each other. */
static inline void rs_merge(Drafting *d, Draft *to, const Draft *a, const Draft *b) {
    int i = 0, j = 0;
    to->loops.n = 0;
    while (i < a->loops.n || j < b->loops.n) {
        long left = a->loops.n - i, right = b->loops.n - j;
        bool first = random_int(&d->r, 1, left + right) <= left;
        rs_add_loop(d, to, first ? a->loops.at[i++] : b->loops.at[j++]);
    }
}

static inline void rs_add_lane(Drafting *d, Draft *x, Node *n, Var *v) {
    int from = 0;
    for (int i = 0; i < x->loops.n; i++)
        if (x->loops.at[i].var == v) from = i + 1;
    int at = (int)random_int(&d->r, from, x->loops.n);
    rs_add_loop(d, x, (LoopSpec){LOOP_LANE, n, v, NULL, 1, false});
    LoopSpec lane = x->loops.at[x->loops.n - 1];
    for (int i = x->loops.n - 1; i > at; i--) x->loops.at[i] = x->loops.at[i - 1];
    x->loops.at[at] = lane;
}

/* A loop over the sum of an output variable and a reduction variable instead of the latter's. */
static inline void rs_skew(Drafting *d, Draft *x, Node *n) {
    Var *y = n->var[random_int(&d->r, 0, n->rank - 1)];
    Var *i = n->rvar[random_int(&d->r, 0, n->n_rvars - 1)];
    int to = -1, kept = 0;
    for (int k = 0; k < x->loops.n; k++) {
        if (x->loops.at[k].var == i && to >= 0) continue;
        if (x->loops.at[k].var == i) {
            to = kept;
            x->loops.at[k] = (LoopSpec){LOOP_FOR, n, y, i, 1, false};
        }
        x->loops.at[kept++] = x->loops.at[k];
    }
    x->loops.n = kept;
}

static inline void rs_random_loops(Drafting *d, Node *n, Draft *x) {
    Draft all = {0}, part = {0}, merged = {0};
    const Level *lanes = rs_lanes(n);
    Var *lane = lanes ? lanes->var : n->rank ? n->var[random_int(&d->r, 0, n->rank - 1)] : NULL;
    if (!rs_chance(d, 65)) lane = NULL;
    for (int i = 0; i < n->rank; i++) {
        part.loops.n = 0;
        bool whole = n->var[i] == lane && rs_chance(d, 70); /* vectors */
        rs_split(d, &part, n, n->var[i], whole ? d->target->lanes : 1);
        if (n->var[i] != lane && rs_chance(d, 50))
            rs_add_loop(d, &part, rs_loop(d, n, n->var[i], n->var[i]->hi + 1, 1));
        rs_merge(d, &merged, &all, &part);
        Draft swap = all;
        all = merged, merged = swap;
    }
    part.loops.n = 0;
    if (n->reduce != REDUCE_NONE) rs_reduction(d, &part, n);
    rs_merge(d, x, &all, &part);
    while (n->n_rvars && n->rank && !lanes && rs_chance(d, 20)) rs_skew(d, x, n);
    if (lane) rs_add_lane(d, x, n, lane);
    if (x->loops.n && x->loops.at[0].kind != LOOP_LANE && rs_chance(d, 20))
        x->loops.at[0].kind = LOOP_PARALLEL, x->loops.at[0].peel = false;
}

/* --- layouts --- */

static inline Layout rs_random_layout(Drafting *d, const Node *n) {
    Layout l = {0};
    for (int i = 0; i < n->rank; i++) {
        long inner = rs_chance(d, 30) ? 1L << random_int(&d->r, 0, 4) : 1;
        bool split = inner > 1 && inner < n->shape[i];
        long count = (n->shape[i] + inner - 1) / inner;
        if (!split) inner = 1, count = n->shape[i];
        if (rs_chance(d, 30)) count += random_int(&d->r, 1, 3);
        if (rs_chance(d, 20)) count = (count + 15) / 16 * 16;
        l.piece[l.n++] = (struct Piece){i, inner, count, 0};
        if (split) l.piece[l.n++] = (struct Piece){i, 1, inner, 0};
    }
    for (int i = l.n - 1; i > 0; i--) {
        int j = (int)random_int(&d->r, 0, i);
        struct Piece swap = l.piece[i];
        l.piece[i] = l.piece[j];
        l.piece[j] = swap;
    }
    layout_close(&l);
    return l;
}

/* Storage that the steps of a loop use in turn. */
static inline void rs_fold(Drafting *d, const Node *n, Draft *x) {
    int axis = n->scan >= 0 && rs_chance(d, 70) ? n->scan : 0;
    long period = axis == n->scan ? random_int(&d->r, 1, 3)
                                  : d->block_step[x->block ? x->block : 1];
    x->layout = layout_rows(n->rank, n->shape, PAD);
    if (!n->rank || period >= n->shape[axis]) return;
    x->layout.piece[axis].count = period;
    x->layout.folded = axis + 1;
    layout_close(&x->layout);
}

/* --- changes --- */

static inline void rs_change_place(Drafting *d, Node *n, Draft *x) {
    const Graph *g = d->g;
    if (rs_chance(d, 35)) {
        x->place = PLACE_INLINE;
        x->loops.n = 0;
        return;
    }
    if (n->id == g->nodes.n - 1) return;
    x->place = PLACE_ATTACHED;
    x->host = (int)random_int(&d->r, n->id + 1, g->nodes.n - 1);
    for (int tries = 0; tries < 8; tries++) { /* a reader, as a rule */
        Node **reads;
        int k = node_reads(d->arena, g->nodes.at[x->host], &reads);
        bool found = false;
        for (int i = 0; i < k; i++) found |= reads[i] == n;
        if (found) break;
        x->host = (int)random_int(&d->r, n->id + 1, g->nodes.n - 1);
    }
    x->depth = (int)random_int(&d->r, 0, d->of[x->host].loops.n);
    x->store = rs_chance(d, 50);
}

/* A loop of a host over the reduction of the node n attached in it. */
static inline void rs_pass(Drafting *d, Node *n, Draft *x) {
    if (x->place != PLACE_ATTACHED || !n->n_rvars) return;
    Draft *host = &d->of[x->host];
    Var *v = n->n_levels ? n->levels[0].var : n->rvar[0];
    int at = (int)random_int(&d->r, 0, x->depth);
    LoopSpec spec = {LOOP_FOR, n, v, NULL, random_int(&d->r, 1, v->hi + 1), rs_chance(d, 30)};
    rs_add_loop(d, host, spec);
    for (int i = host->loops.n - 1; i > at; i--) host->loops.at[i] = host->loops.at[i - 1];
    host->loops.at[at] = spec;
    x->store = true;
    for (int i = 0; i < d->g->nodes.n; i++) {
        Draft *y = &d->of[i];
        if (y->place == PLACE_ATTACHED && y->host == x->host && y->depth >= at) y->depth++;
    }
}

static inline void rs_change(Drafting *d) {
    int id = (int)random_int(&d->r, 0, d->g->nodes.n - 1);
    Node *n = d->g->nodes.at[id];
    Draft *x = &d->of[id];
    if (n->kind != NODE_COMP) return;
    switch (random_int(&d->r, 0, 9)) {
    case 0:
    case 1:
    case 2: rs_random_loops(d, n, x); break;
    case 3:
    case 4:
    case 5: rs_change_place(d, n, x); break;
    case 6:
        x->laid_out = true;
        if (rs_chance(d, 20)) rs_fold(d, n, x);
        else x->layout = rs_random_layout(d, n);
        break;
    case 7: rs_pass(d, n, x); break;
    default:
        x->block = (int)random_int(&d->r, 0, BLOCKS);
        for (int i = id; i < d->g->nodes.n && rs_chance(d, 60); i++)
            if (d->g->nodes.at[i]->kind == NODE_COMP) d->of[i].block = x->block;
        break;
    }
}

static inline Draft *rs_snapshot(Drafting *d) {
    Draft *copy = NEW_ARRAY(d->arena, Draft, d->g->nodes.n + 1);
    for (int i = 0; i < d->g->nodes.n; i++) {
        copy[i] = d->of[i];
        copy[i].loops.at = NULL;
        copy[i].loops.n = copy[i].loops.cap = 0;
        for (int k = 0; k < d->of[i].loops.n; k++)
            PUSH(d->arena, copy[i].loops, d->of[i].loops.at[k]);
    }
    return copy;
}

/* `changes` random changes, of which the legal ones stay; l's layouts become random too. */
static inline Schedule *random_schedule(Graph *g, const Target *t, Layouts *l, uint64_t seed,
                                        int changes) {
    Drafting d = {.g = g, .arena = g->program->arena, .target = t, .layouts = l, .r = {seed}};
    d.of = NEW_ARRAY(d.arena, Draft, g->nodes.n + 1);
    for (int i = 0; i < l->n; i++) {
        Node like = {.rank = g->program->stored.at[i]->rank};
        memcpy(like.shape, g->program->stored.at[i]->shape, sizeof like.shape);
        if (rs_chance(&d, 50)) l->stored[i] = rs_random_layout(&d, &like);
    }
    layouts_close(l);
    for (int b = 1; b <= BLOCKS; b++) {
        d.block_step[b] = random_int(&d.r, 1, g->batch);
        while (g->batch % d.block_step[b] && rs_chance(&d, 90)) d.block_step[b]--;
        if (g->batch % 16 == 0 && rs_chance(&d, 50)) d.block_step[b] = 16;
        d.block_parallel[b] = rs_chance(&d, 40);
    }
    for (int i = 0; i < changes; i++) {
        Draft *before = rs_snapshot(&d);
        rs_change(&d);
        if (!rs_is_legal(&d)) d.of = before;
    }
    return rs_build(&d);
}
#endif
