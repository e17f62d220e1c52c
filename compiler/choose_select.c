/* choose_select.c: schedules for sums of elements that data choose (rewrite_select.c makes them).
 *
 * Samples cannot be lanes there, for each has addresses of its own. Vectors lie along an index that
 * is plain in all that depends on it, in blocks of 16 innermost; what is read without it are
 * scalars, one sample after another. All copies into these storage orders, and of the results back
 * out of them, become nodes. The indices of the result that are added to an address that data
 * choose are the register tile: all its elements are found by constants beside one such address.
 */
#include "choose_parts.h"
#include "rewrite.h"
#include <string.h>

enum {
    BLOCK = 16,             /* elements along the lanes that lie together */
    NEAR = 28 * 1024,       /* bytes of an operand that stay in the nearest cache */
    MIN_SAMPLES = 4,        /* that a sum over samples takes at a time, at least, */
    MAX_SAMPLES = 32,       /* and at most, */
    SAMPLES_BYTES = 65536,  /* while their operands have no more than this */
    PASS = 32,              /* terms that a tile takes before the next one does, at least */
    SAMPLES_OF_PATCHES = 2  /* computed together where they share an operand block by block */
};

/* --- what they are --- */

static bool is_by_data(const Expr *read) {
    for (int i = 0; i < read->n; i++)
        if (expr_is_data(read->arg[i])) return true;
    return false;
}

typedef struct Lane {
    const Var *var;
    bool fits, used;
} Lane;

static void note_lane(void *context, Expr *e) {
    Lane *x = context;
    if (e->op != OP_READ || !e_uses(e, x->var)) return;
    int axes = 0;
    for (int i = 0; i < e->n; i++) {
        if (!e_uses(e->arg[i], x->var)) continue;
        x->fits &= e->arg[i]->op == OP_VAR;
        axes++;
    }
    x->fits &= axes == 1;
    x->used = true;
}

static bool may_be_lane(const Node *n, const Var *v) {
    Lane x = {v, true, false};
    e_visit(n->body, note_lane, &x);
    return x.fits && x.used && !v->batch && v->hi > 0 && (!n->guard || !e_uses(n->guard, v));
}

static void note_by_data(void *found, Expr *e) {
    if (e->op == OP_READ && is_by_data(e)) *(bool *)found = true;
}

static bool reads_by_data(const Node *n) {
    bool found = false;
    if (n->kind == NODE_COMP && n->n_rvars) e_visit(n->body, note_by_data, &found);
    return found;
}

/* The axis along which the vectors of such a sum lie, the longest that may; -1: it is none. */
static int lane_axis(const Node *n) {
    int axis = -1;
    if (!reads_by_data(n) || n->component) return -1;
    for (int i = 0; i < n->rank; i++) {
        if (!may_be_lane(n, n->var[i])) continue;
        if (axis < 0 || n->var[i]->hi > n->var[axis]->hi) axis = i;
    }
    return axis;
}

typedef struct Tied {
    const Var *var;
    bool found;
} Tied;

static void note_tied(void *context, Expr *e) {
    Tied *x = context;
    for (int i = 0; i < e->n && e->op == OP_READ; i++) {
        const Expr *sum = e->arg[i];
        for (int k = 0; k < sum->n && expr_is_data(e->arg[i]) && sum->op == OP_LIN; k++)
            x->found |= sum->arg[k]->op == OP_VAR && sum->arg[k]->var == x->var;
    }
}

/* Is v added to an index that data choose? */
static bool is_in_address(const Node *n, const Var *v) {
    Tied x = {v, false};
    e_visit(n->body, note_tied, &x);
    return x.found;
}

/* --- storage orders --- */

/* With room for blocks of samples that run over. */
static long room_of(const Node *n, int axis) {
    return n->batched && axis == 0 ? round_up(n->shape[0], PAD) : n->shape[axis];
}

static Layout *lanes_innermost(Arena *a, const Node *n, int axis) {
    Layout *l = NEW(a, Layout);
    bool blocks = n->shape[axis] > BLOCK;
    int first = n->batched && axis != 0;
    if (first) l->piece[l->n++] = (struct Piece){0, 1, room_of(n, 0), 0};
    if (blocks)
        l->piece[l->n++] = (struct Piece){axis, BLOCK, (n->shape[axis] + BLOCK - 1) / BLOCK, 0};
    for (int i = first; i < n->rank; i++)
        if (i != axis) l->piece[l->n++] = (struct Piece){i, 1, n->shape[i], 0};
    l->piece[l->n++] = (struct Piece){axis, 1, BLOCK, 0};
    layout_close(l);
    return l;
}

static Layout *scalars(Arena *a, const Node *n, int innermost) {
    Layout *l = NEW(a, Layout);
    for (int i = 0; i < n->rank; i++)
        if (i != innermost) l->piece[l->n++] = (struct Piece){i, 1, room_of(n, i), 0};
    l->piece[l->n++] = (struct Piece){innermost, 1, room_of(n, innermost), 0};
    layout_close(l);
    return l;
}

typedef struct Selected {
    Graph *g;
    Pool *pool;
    Arena *arena;
    Map *layout, *placed; /* as in choose_parts.h */
    Map *as_lanes, *as_scalars; /* Node -> its copy */
    Node *node; /* the sum in hand, */
    Var *lane;  /* its lanes, */
    Var *last;  /* and its innermost variable */
} Selected;

static Node *copy_of(Selected *s, Node *of, const char *suffix, Layout *l) {
    Node *n = graph_copy(s->g, arena_printf(s->arena, "%s_%s", of->name, suffix), of);
    if (l) map_set(s->layout, n, l);
    map_set(s->placed, n, n);
    return n;
}

static int axis_of(const Expr *read, const Var *v) {
    for (int i = 0; i < read->n; i++)
        if (e_uses(read->arg[i], v)) return i;
    return -1;
}

/* What an operand is read from instead. */
static Node *operand(Selected *s, const Expr *read) {
    Node *n = read->node;
    int axis = axis_of(read, s->lane);
    bool lanes = axis >= 0;
    Map *copies = lanes ? s->as_lanes : s->as_scalars;
    Node *copy = map_get(copies, n);
    if (copy || (!lanes && !n->batched)) return copy ? copy : n;
    if (!lanes) {
        axis = axis_of(read, s->last);
        copy = copy_of(s, n, "scalars", scalars(s->arena, n, axis < 0 ? n->rank - 1 : axis));
    } else if (n->kind == NODE_COMP && n->guard && node_uses(s->g, n) == 1) { /* has a border */
        map_set(s->layout, n, lanes_innermost(s->arena, n, axis));
        map_set(s->placed, n, n);
        copy = n;
    } else {
        copy = copy_of(s, n, "lanes", lanes_innermost(s->arena, n, axis));
    }
    map_set(copies, n, copy);
    return copy;
}

static Expr *read_operand(void *context, Expr *e) {
    Selected *s = context;
    return e->op == OP_READ ? e_read(s->pool, operand(s, e), e->arg, e->n) : e;
}

/* Others read n from a copy in the usual order. */
static void copy_result(Selected *s, Node *n) {
    int nodes = s->g->nodes.n;
    Node *copy = copy_of(s, n, "out", NULL);
    for (int i = 0; i < nodes; i++) node_redirect(s->pool, s->g->nodes.at[i], n, copy);
}

/* The one reader of patches, itself a sum of these alone, whose results lie along the same lanes;
 * or null. */
static Node *reader_of_patches(const Graph *g, const Node *n) {
    Node *reader = NULL;
    if (node_uses(g, n) != 1 || graph_is_result(g, n)) return NULL;
    for (int i = 0; i < g->nodes.n && !reader; i++) {
        Node **reads;
        int k = node_reads(g->program->arena, g->nodes.at[i], &reads);
        while (k > 0)
            if (reads[--k] == n) reader = g->nodes.at[i];
    }
    bool sum = reader && reader->kind == NODE_COMP && reader->reduce == REDUCE_SUM &&
               reader->body->op == OP_READ && !reader->init && !graph_is_result(g, reader);
    return sum && reader->rank < n->rank ? reader : NULL;
}

static int result_axis(const Node *n, int axis, const Node *reader) {
    const Expr *at = reader->body->arg[axis];
    for (int i = 0; i < reader->rank; i++)
        if (at->op == OP_VAR && at->var == reader->var[i] && may_be_lane(reader, reader->var[i]))
            return i;
    return -1;
}

static void lay_out(Selected *s, Node *n, int axis) {
    s->node = n;
    s->lane = n->var[axis];
    s->last = n->rvar[n->n_rvars - 1];
    n->body = e_rewrite(s->pool, n->body, read_operand, s);
    map_set(s->layout, n, lanes_innermost(s->arena, n, axis));
    map_set(s->placed, n, n);
    Node *reader = reader_of_patches(s->g, n);
    int to = reader ? result_axis(n, axis, reader) : -1;
    if (to >= 0) {
        map_set(s->layout, reader, lanes_innermost(s->arena, reader, to));
        map_set(s->placed, reader, reader);
        n = reader;
    }
    copy_result(s, n);
}

void select_layouts(Graph *g, Map *layout, Map *placed) {
    Arena *a = g->program->arena;
    Selected s = {.g = g, .pool = g->program->pool, .arena = a, .layout = layout, .placed = placed,
                  .as_lanes = map_new(a), .as_scalars = map_new(a)};
    int n = g->nodes.n;
    for (int i = 0; i < n; i++) {
        int axis = lane_axis(g->nodes.at[i]);
        if (axis >= 0 && !graph_is_result(g, g->nodes.at[i])) lay_out(&s, g->nodes.at[i], axis);
    }
    graph_sort(g);
}

/* --- loops --- */

typedef struct Tile {
    const Graph *g;
    const Target *target;
    const Node *node;
    Var *lane;
    int n;
    Var *var[MAX_RANK];
    long step[MAX_RANK]; /* how many values of it are in registers at once */
} Tile;

static long extent_of(const Var *v) { return v->hi + 1; }

static long parts_of(long extent, long most) { return (extent + most - 1) / most; }

/* The extent in even parts of at most so many. */
static long even_part(long extent, long most) {
    return parts_of(extent, parts_of(extent, most < 1 ? 1 : most));
}

static void find_tile(Tile *t, int axis) {
    const Node *n = t->node;
    long room = t->target->registers == 32 ? 28 : 12, size = 1;
    t->lane = n->var[axis];
    for (int i = 0; i < n->rank; i++) {
        if (i == axis || !is_in_address(n, n->var[i])) continue;
        t->var[t->n] = n->var[i];
        t->step[t->n++] = extent_of(n->var[i]);
        size *= extent_of(n->var[i]);
    }
    for (int i = 0; i < t->n && size > room; i++) {
        size /= t->step[i];
        t->step[i] = even_part(t->step[i], room / size);
        size *= t->step[i];
    }
}

static bool in_tile(const Tile *t, const Var *v) {
    for (int i = 0; i < t->n; i++)
        if (t->var[i] == v) return true;
    return v == t->lane;
}

typedef struct Operand {
    const Var *lane;
    const Expr *read;
} Operand;

static void note_operand(void *context, Expr *e) {
    Operand *x = context;
    if (e->op == OP_READ && is_by_data(e) && e_uses(e, x->lane)) x->read = e;
}

/* Bytes of a block of lanes of what is read where data say, for one value of its other indices; of
 * the first index by data only so many values, where some are given. */
static double bytes_of_operand(const Tile *t, long first) {
    Operand x = {t->lane, NULL};
    e_visit(t->node->body, note_operand, &x);
    double bytes = BLOCK * 4;
    for (int i = 0; x.read && i < x.read->n; i++) {
        if (!expr_is_data(x.read->arg[i])) continue;
        long extent = x.read->node->shape[i];
        bytes *= (double)(first && first < extent ? first : extent);
        first = 0;
    }
    return bytes;
}

static void add_loop(const Tile *t, NodeSchedule *ns, LoopKind kind, Var *v, long step) {
    LoopSpec spec = {.kind = kind, .node = ns->node, .var = v, .step = step};
    PUSH(t->g->program->arena, ns->loops, spec);
}

/* Over the terms from level `first` on, with the tile's elements unrolled within. */
static void add_terms(const Tile *t, NodeSchedule *ns, int first) {
    const Node *n = ns->node;
    for (int i = first; i < n->n_levels; i++)
        add_loop(t, ns, LOOP_FOR, n->levels[i].var, n->levels[i].div);
    for (int i = 0; i < t->n; i++) add_loop(t, ns, LOOP_UNROLL, t->var[i], 1);
    add_loop(t, ns, LOOP_LANE, t->lane, 1);
}

static void add_tile_parts(const Tile *t, NodeSchedule *ns) {
    for (int i = 0; i < t->n; i++)
        if (t->step[i] < extent_of(t->var[i])) add_loop(t, ns, LOOP_FOR, t->var[i], t->step[i]);
}

static void add_lane_blocks(const Tile *t, NodeSchedule *ns, Var *lane) {
    if (extent_of(lane) > t->target->lanes)
        add_loop(t, ns, LOOP_FOR, lane, t->target->lanes > 1 ? t->target->lanes : BLOCK);
}

/* Of the samples that a kernel takes at a time, those whose operand stays near while one tile after
 * another reads it: a pass. 0: all of them do. */
static long samples_of_pass(const Tile *t) {
    const Node *n = t->node;
    long samples = select_samples(t->g, n), terms = 1;
    double bytes = bytes_of_operand(t, 0);
    if (!samples || (double)samples * bytes <= 2 * NEAR) return 0;
    for (int i = 1; i < n->n_levels; i++) terms *= n->levels[i].count;
    long pass = samples;
    while (pass > 1 && (double)pass * bytes > NEAR && pass / 2 * terms >= PASS) pass /= 2;
    return pass < samples ? pass : 0;
}

/* A sum that is a kernel of its own. */
static void loops_of_sum(const Tile *t, NodeSchedule *ns, bool parallel) {
    const Node *n = ns->node;
    const Var *shared = NULL;
    long pass = samples_of_pass(t);
    for (int i = 0; i < n->rank && parallel && !shared; i++) {
        Var *v = n->var[i];
        long step = extent_of(v) % 8 ? 1 : extent_of(v) / 8;
        if (in_tile(t, v) || extent_of(v) < 2) continue;
        shared = v;
        add_loop(t, ns, LOOP_PARALLEL, v, step);
    }
    add_lane_blocks(t, ns, t->lane);
    if (pass) add_loop(t, ns, LOOP_FOR, n->levels[0].var, pass);
    for (int i = 0; i < n->rank; i++)
        if (!in_tile(t, n->var[i])) add_loop(t, ns, LOOP_FOR, n->var[i], 1);
    add_tile_parts(t, ns);
    add_terms(t, ns, pass == 1 ? 1 : 0); /* a pass of one has chosen the sample */
}

static long tile_elements(const Tile *t) {
    long size = 1;
    for (int i = 0; i < t->n; i++) size *= t->step[i];
    return size;
}

/* Patches, computed for some samples and a block of lanes inside of the loops of their reader. The
 * terms go by blocks where what all those of one patch read would not stay near until the next one
 * reads much the same: between blocks, patches are in memory. */
static void loops_of_patches(const Tile *t, NodeSchedule *ns, NodeSchedule *host, bool parallel) {
    Node *n = ns->node, *reader = host->node;
    Var *lane = reader->var[result_axis(n, lane_axis(n), reader)];
    bool samples = n->batched && extent_of(n->var[0]) > 1;
    double bytes = bytes_of_operand(t, t->n ? t->step[0] + 1 : 0); /* 1: winners differ */
    long terms = extent_of(n->rvar[0]), block = even_part(terms, (long)(NEAR / bytes));
    bool stays = (double)(terms * tile_elements(t) * BLOCK * 4) <= NEAR;
    bool blocks = n->n_rvars == 1 && block < terms && !stays;
    if (samples)
        add_loop(t, host, parallel ? LOOP_PARALLEL : LOOP_FOR, reader->var[0],
                 blocks ? SAMPLES_OF_PATCHES : 1);
    add_lane_blocks(t, host, lane);
    choose_attach(t->g->program->arena, ns, host, host->loops.n, false);
    add_tile_parts(t, ns);
    if (blocks) add_loop(t, ns, LOOP_FOR, n->rvar[0], block);
    for (int i = 0; i < n->rank; i++)
        if (!in_tile(t, n->var[i])) add_loop(t, ns, LOOP_FOR, n->var[i], 1);
    add_terms(t, ns, 0);
    long taps = 1;
    for (int i = 0; i < reader->n_rvars; i++) taps *= extent_of(reader->rvar[i]);
    for (int i = 0; i < reader->rank; i++)
        if (reader->var[i] != lane) add_loop(t, host, LOOP_FOR, reader->var[i], 1);
    for (int i = 0; i < reader->n_rvars; i++)
        add_loop(t, host, taps <= BLOCK ? LOOP_UNROLL : LOOP_FOR, reader->rvar[i], 1);
    add_loop(t, host, LOOP_LANE, lane, 1);
}

void select_loops(Choose *c, NodeSchedule *ns) {
    int axis = lane_axis(ns->node);
    if (axis < 0 || graph_is_result(c->g, ns->node)) return;
    Tile t = {.g = c->g, .target = c->target, .node = ns->node};
    bool parallel = choose_goes_parallel(c, ns->node);
    find_tile(&t, axis);
    Node *reader = reader_of_patches(c->g, ns->node);
    if (reader && result_axis(ns->node, axis, reader) >= 0)
        loops_of_patches(&t, ns, schedule_of(c->s, reader), parallel);
    else
        loops_of_sum(&t, ns, parallel);
}

long select_samples(const Graph *g, const Node *n) {
    int axis = lane_axis(n);
    if (axis < 0 || graph_is_result(g, n) || n->n_levels == 0 || !n->levels[0].var->batch) return 0;
    Tile t = {.g = g, .node = n, .lane = n->var[axis]};
    double bytes = bytes_of_operand(&t, 0);
    long samples = MIN_SAMPLES;
    while (samples < MAX_SAMPLES && 2 * (double)samples * bytes <= SAMPLES_BYTES) samples *= 2;
    return samples < extent_of(n->levels[0].var) ? samples : 0;
}
