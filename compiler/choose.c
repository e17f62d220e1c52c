/* choose.c: a plain schedule for any frozen graph.
 *
 * Requires: materialised and ordered graphs. Establishes a legal schedule. What it decides: samples
 * innermost for tensors with positions (images), features innermost else; parameters so that the
 * forward contractions read them along their lanes; operands that a contraction would have to
 * gather are copied first; elementwise nodes with one reader go into it, those behind a contraction
 * into its epilogue; each contraction gets a register tile.
 */
#include "choose_parts.h"
#include <string.h>

static Node *add_copy(Graph *g, Node *of, const char *name) {
    Pool *p = g->program->pool;
    Node *n = graph_comp(g, name, of->type, of->rank, of->shape, of->batched);
    Expr *index[MAX_RANK];
    for (int i = 0; i < of->rank; i++) {
        index[i] = e_var(p, n->var[i]);
        n->var[i]->batch = of->batched && i == 0;
    }
    n->body = e_read(p, of, index, of->rank);
    n->reduce = REDUCE_NONE;
    return n;
}

static bool is_written_already(const Graph *g, const Node *n, int outputs, int updates) {
    for (int i = 0; i < outputs; i++)
        if (g->output[i].node == n) return true;
    for (int i = 0; i < updates; i++)
        if (g->update[i].next == n) return true;
    return n->kind != NODE_COMP;
}

static bool is_read(const Graph *g, const Node *n) {
    for (int i = 0; i < g->nodes.n; i++) {
        Node **reads;
        int k = node_reads(g->program->arena, g->nodes.at[i], &reads);
        while (k > 0)
            if (reads[--k] == n) return true;
    }
    return false;
}

/* Outputs lie in the caller's memory, which has no room for vectors to run over: what others read
 * is not there. */
void materialise(Graph *g) {
    for (int i = 0; i < g->n_outputs; i++) {
        Node *n = g->output[i].node;
        if (is_written_already(g, n, i, 0) || is_read(g, n))
            g->output[i].node = add_copy(g, n, g->output[i].name);
    }
    for (int i = 0; i < g->n_updates; i++) {
        Node *n = g->update[i].next;
        bool in_place = !is_written_already(g, n, g->n_outputs, i) && n->scan < 0;
        if (!in_place) g->update[i].next = add_copy(g, n, g->update[i].stored->ident);
    }
    graph_sort(g);
}

/* --- layouts --- */

enum { WORTH_A_VECTOR = 8 };

static Layout rows(int rank, const long *shape) {
    return layout_rows(rank, shape, rank && shape[rank - 1] >= WORTH_A_VECTOR ? PAD : 1);
}

static Layout with_innermost(int rank, const long *shape, int axis) {
    Layout l = {0};
    for (int i = 0; i < rank; i++)
        if (i != axis) l.piece[l.n++] = (struct Piece){i, 1, shape[i], 0};
    long count = (shape[axis] + PAD - 1) / PAD * PAD;
    l.piece[l.n++] = (struct Piece){axis, 1, count, 0};
    layout_close(&l);
    return l;
}

static Layout samples_innermost(int rank, const long *shape) {
    Layout l = {0};
    l.piece[l.n++] = (struct Piece){0, PAD, (shape[0] + PAD - 1) / PAD, 0};
    for (int i = 1; i < rank; i++) l.piece[l.n++] = (struct Piece){i, 1, shape[i], 0};
    l.piece[l.n++] = (struct Piece){0, 1, PAD, 0};
    layout_close(&l);
    return l;
}

static Layout layout_for(const Node *n, bool samples_innermost_pays) {
    bool image = n->batched && n->rank >= 4 && n->shape[0] >= PAD && n->scan < 0;
    if (image && samples_innermost_pays) return samples_innermost(n->rank, n->shape);
    bool single = n->batched && n->rank >= 4 && n->shape[0] == 1 && n->scan < 0;
    if (single && n->shape[1] >= WORTH_A_VECTOR) return with_innermost(n->rank, n->shape, 1);
    long shape[MAX_RANK];
    memcpy(shape, n->shape, sizeof shape);
    if (n->batched && shape[0] > 1) shape[0] = (shape[0] + PAD - 1) / PAD * PAD;
    return rows(n->rank, shape);
}

typedef struct WeightRead {
    const Program *program;
    Layouts *layouts;
    const Node *reader;
    bool *done;
} WeightRead;

static void note_weight(void *context, Expr *e) {
    WeightRead *w = context;
    if (e->op != OP_READ || e->node->kind != NODE_STORED || e->n < 2) return;
    int k = stored_number(w->program, e->node->stored);
    if (w->done[k]) return;
    const Node *n = w->reader;
    for (int i = n->batched; i < n->rank; i++) {
        if (n->shape[i] < WORTH_A_VECTOR) continue;
        for (int a = 0; a < e->n; a++) {
            if (e->arg[a]->op != OP_VAR || e->arg[a]->var != n->var[i]) continue;
            w->layouts->stored[k] = with_innermost(e->n, e->node->shape, a);
            w->done[k] = true;
            return;
        }
    }
}

static void note_weights(WeightRead *w, const Graph *g, bool batched) {
    for (int i = 0; i < g->nodes.n; i++) {
        const Node *n = w->reader = g->nodes.at[i];
        if (n->kind == NODE_COMP && n->reduce == REDUCE_SUM && n->batched == batched)
            e_visit(n->body, note_weight, w);
    }
}

/* Optimizer states lie as their parameters do. */
static void follow_parameters(const Program *p, Layouts *l) {
    for (int i = 0; i < p->stored.n; i++) {
        const Stored *s = p->stored.at[i];
        if (!s->param || s->rank != s->param->rank) continue;
        l->stored[i] = l->stored[stored_number(p, s->param)];
    }
}

void choose_layouts(const Program *p, Layouts *l) {
    for (int i = 0; i < p->stored.n; i++)
        l->stored[i] = rows(p->stored.at[i]->rank, p->stored.at[i]->shape);
    WeightRead w = {p, l, NULL, NEW_ARRAY(p->arena, bool, p->stored.n + 1)};
    note_weights(&w, p->train, true);
    note_weights(&w, p->train, false);
    if (p->settle) note_weights(&w, p->settle, false);
    follow_parameters(p, l);
    layouts_close(l);
}

/* --- the graph with its layouts --- */

static Layout *layout_of(Choose *c, Node *n) {
    Layout *l = map_get(c->layout, n);
    if (l) return l;
    l = NEW(c->arena, Layout);
    Stored *s = n->kind == NODE_STORED ? n->stored : graph_updated_by(c->g, n);
    if (s) *l = c->layouts->stored[stored_number(c->g->program, s)];
    else if (n->kind == NODE_INPUT || graph_is_output(c->g, n))
        *l = layout_rows(n->rank, n->shape, 1);
    else
        *l = layout_for(n, c->has_images);
    map_set(c->layout, n, l);
    return l;
}

static bool reads_at_own_index(const Expr *read, const Node *n) {
    if (read->n != n->rank) return false;
    for (int i = 0; i < n->rank; i++) {
        const Expr *e = read->arg[i];
        bool same = e->op == OP_VAR ? e->var == n->var[i] : is_int(e, 0) && n->shape[i] == 1;
        if (!same) return false;
    }
    return true;
}

typedef struct Spread {
    Choose *c;
    const Node *reader;
    const Layout *layout;
} Spread;

static void spread_layout(Choose *c, const Node *n, const Layout *l);

/* Is each axis read along the same axis of the reader, be it elsewhere? */
static bool reads_axis_by_axis(const Expr *read, const Node *n) {
    for (int i = 0; i < read->n && read->n == n->rank; i++)
        for (int k = 0; k < n->rank; k++)
            if (k != i && e_uses(read->arg[i], n->var[k])) return false;
    return read->n == n->rank;
}

/* The order of axes of l, for a tensor of another shape. */
static Layout *same_order(Choose *c, const Layout *l, const Node *n) {
    Layout *own = NEW(c->arena, Layout);
    for (int i = l->n - 1; i >= 0; i--) {
        bool inner = false;
        for (int j = i + 1; j < l->n; j++) inner |= l->piece[j].axis == l->piece[i].axis;
        if (!inner) own->piece[own->n++] = (struct Piece){l->piece[i].axis, 1, 0, 0};
    }
    for (int i = 0; i < own->n / 2; i++) {
        struct Piece outer = own->piece[i];
        own->piece[i] = own->piece[own->n - 1 - i];
        own->piece[own->n - 1 - i] = outer;
    }
    for (int i = 0; i < own->n; i++) {
        long count = n->shape[own->piece[i].axis];
        bool pad = i == own->n - 1 && count >= WORTH_A_VECTOR;
        own->piece[i].count = pad ? (count + PAD - 1) / PAD * PAD : count;
    }
    layout_close(own);
    return own;
}

static void spread_read(void *context, Expr *e) {
    Spread *s = context;
    if (e->op != OP_READ || e->node->kind != NODE_COMP || e->node->batched) return;
    if (map_get(s->c->layout, e->node) || !reads_axis_by_axis(e, s->reader)) return;
    const Layout *l = s->layout;
    if (!reads_at_own_index(e, s->reader)) l = same_order(s->c, l, e->node);
    map_set(s->c->layout, e->node, (void *)l);
    spread_layout(s->c, e->node, l);
}

/* What an update is computed from lies as the updated tensor does. */
static void spread_layout(Choose *c, const Node *n, const Layout *l) {
    if (n->reduce != REDUCE_NONE) return;
    Spread s = {c, n, l};
    e_visit(n->body, spread_read, &s);
}

/* --- updates in place --- */

typedef struct ReadThrough {
    const Graph *graph;
    const Node *of;
    bool found;
    Map *seen;
} ReadThrough;

/* Is it read, be it through what may be computed together with the reader? */
static void note_through(void *context, Expr *e) {
    ReadThrough *r = context;
    if (e->op != OP_READ || r->found) return;
    const Node *n = e->node;
    if (n == r->of) {
        r->found = true;
    } else if (!map_get(r->seen, n) && n->kind == NODE_COMP && n->reduce == REDUCE_NONE &&
               !n->batched && !graph_updated_by(r->graph, n)) {
        map_set(r->seen, n, r);
        e_visit(n->body, note_through, r);
    }
}

static bool reads_through(const Graph *g, const Node *reader, const Node *of) {
    ReadThrough r = {g, of, false, map_new(g->program->arena)};
    if (of && reader != of) e_visit(reader->body, note_through, &r);
    return r.found;
}

static Node *old_value(const Graph *g, const Stored *s) {
    for (int i = 0; i < g->nodes.n; i++)
        if (g->nodes.at[i]->kind == NODE_STORED && g->nodes.at[i]->stored == s)
            return g->nodes.at[i];
    return NULL;
}

/* May update i be next: does it read no update that is to come and is its old value done with? */
static bool is_next(const Graph *g, const struct Update *u, const bool *taken, int n, int i,
                    bool old_values_too) {
    for (int j = 0; j < n; j++) {
        if (j == i || taken[j]) continue;
        if (reads_through(g, u[i].next, u[j].next)) return false;
        if (old_values_too && reads_through(g, u[j].next, old_value(g, u[i].stored)))
            return false;
    }
    return true;
}

/* An order of updates in which each comes after what reads the old value of its tensor, and after
 * the updates that it reads; where there is none, an update keeps its value apart until the end. */
static void order_updates(Graph *g) {
    Arena *a = g->program->arena;
    int n = g->n_updates, done = 0;
    struct Update *u = NEW_ARRAY(a, struct Update, n + 1);
    bool *taken = NEW_ARRAY(a, bool, n + 1);
    Map *kept = map_new(a);
    struct Update *ordered = NEW_ARRAY(a, struct Update, n + 1);
    if (n) memcpy(u, g->update, sizeof *u * (size_t)n);
    while (done < n) {
        int pick = -1, apart = -1;
        for (int i = 0; i < n && pick < 0; i++) {
            if (taken[i]) continue;
            if (is_next(g, u, taken, n, i, true)) pick = i;
            else if (apart < 0 && is_next(g, u, taken, n, i, false)) apart = i;
        }
        if (pick < 0 && apart < 0) die("the updates of %s wait for each other", g->name);
        if (pick < 0 && !map_get(kept, u[apart].stored)) {
            map_set(kept, u[apart].stored, u);
            u[apart].next = add_copy(g, u[apart].next, u[apart].stored->ident);
            g->update[apart].next = u[apart].next;
            continue;
        }
        if (pick < 0) pick = apart;
        taken[pick] = true;
        ordered[done++] = u[pick];
    }
    if (n) memcpy(g->update, ordered, sizeof *ordered * (size_t)n);
    graph_sort(g);
}

/* --- copies of operands --- */

bool choose_is_unit(Choose *c, Expr *read, Var *lane) {
    Pool *p = c->pool;
    long extent = lane->hi + 1, blocks = (extent + PAD - 1) / PAD;
    Var *inner = var_new(p, "l", extent < PAD ? extent : PAD);
    Expr *v = e_var(p, inner);
    if (blocks > 1) v = e_add(p, v, e_scale(p, e_var(p, var_new(p, "b", blocks)), PAD));
    Expr *index[MAX_RANK];
    for (int i = 0; i < read->n; i++) index[i] = e_subst1(p, read->arg[i], lane, v);
    long coef;
    Expr *rest;
    return e_affine(p, layout_offset(p, layout_of(c, read->node), index), inner, &coef, &rest) &&
           coef == 1;
}

typedef struct Operands {
    Choose *c;
    Node *reader;
    Var *lane;
    VEC(Expr *) gathered; /* reads to be replaced, */
    VEC(Node *) by;       /* and by copies of what */
    Map *copies;          /* node -> its copies, as a list by axis */
} Operands;

typedef struct Copies {
    Node *by_axis[MAX_RANK];
} Copies;

static int axis_of(const Expr *read, const Var *lane) {
    int axis = -1;
    for (int i = 0; i < read->n; i++) {
        if (!e_uses(read->arg[i], lane)) continue;
        if (axis >= 0) return -1;
        axis = i;
    }
    return axis;
}

static void find_gathered(void *context, Expr *e) {
    Operands *o = context;
    if (e->op != OP_READ || !e_uses(e, o->lane)) return;
    if (e->node->n_rvars == 0 && e->node->kind == NODE_COMP && e->node->type != T_F32) return;
    int axis = axis_of(e, o->lane);
    if (axis < 0 || choose_is_unit(o->c, e, o->lane)) return;
    long coef;
    Expr *rest;
    if (!e_affine(o->c->pool, e->arg[axis], o->lane, &coef, &rest) || coef != 1) return;
    Copies *copies = map_get(o->copies, e->node);
    if (!copies) map_set(o->copies, e->node, copies = NEW(o->c->arena, Copies));
    if (!copies->by_axis[axis]) {
        Node *n = e->node;
        const char *name = arena_printf(o->c->arena, "%s_by_%s", n->name,
                                        n->kind == NODE_COMP ? n->var[axis]->name : "column");
        Node *copy = copies->by_axis[axis] = add_copy(o->c->g, n, name);
        Layout *l = NEW(o->c->arena, Layout);
        bool samples = n->batched && axis == 0 && n->shape[0] >= PAD;
        long shape[MAX_RANK];
        memcpy(shape, n->shape, sizeof shape);
        if (n->batched) shape[0] = (shape[0] + PAD - 1) / PAD * PAD;
        *l = samples ? samples_innermost(n->rank, n->shape)
                     : with_innermost(n->rank, shape, axis);
        map_set(o->c->layout, copy, l);
    }
    PUSH(o->c->arena, o->gathered, e);
    PUSH(o->c->arena, o->by, copies->by_axis[axis]);
}

static Expr *read_copy(void *context, Expr *e) {
    Operands *o = context;
    for (int i = 0; i < o->gathered.n; i++)
        if (o->gathered.at[i] == e) return e_read(o->c->pool, o->by.at[i], e->arg, e->n);
    return e;
}

static void copy_operands(Choose *c) {
    Operands o = {.c = c, .copies = map_new(c->arena)};
    int n = c->g->nodes.n;
    for (int i = 0; i < n; i++) {
        Node *node = c->g->nodes.at[i];
        if (node->kind != NODE_COMP || node->reduce != REDUCE_SUM) continue;
        o.reader = node;
        o.lane = choose_lane(node, layout_of(c, node));
        if (!o.lane || c->target->lanes == 1) continue;
        o.gathered.n = o.by.n = 0;
        e_visit(node->body, find_gathered, &o);
        if (o.gathered.n) node->body = e_rewrite(c->pool, node->body, read_copy, &o);
    }
    graph_sort(c->g);
}

/* --- places --- */

static void find_readers(Choose *c) {
    Graph *g = c->g;
    c->readers = NEW_ARRAY(c->arena, Node **, g->nodes.n);
    c->n_readers = NEW_ARRAY(c->arena, int, g->nodes.n);
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < g->nodes.n; i++) {
            Node **reads;
            int n = node_reads(c->arena, g->nodes.at[i], &reads);
            for (int j = 0; j < n; j++) {
                int k = reads[j]->id;
                if (pass) c->readers[k][c->n_readers[k]] = g->nodes.at[i];
                c->n_readers[k]++;
            }
        }
        for (int i = 0; i < g->nodes.n && !pass; i++) {
            c->readers[i] = NEW_ARRAY(c->arena, Node *, c->n_readers[i] + 1);
            c->n_readers[i] = 0;
        }
    }
}

typedef struct ReadOf {
    const Node *of, *reader;
    int own, other; /* reads at the reader's own index, and elsewhere */
} ReadOf;

static void note_read_of(void *context, Expr *e) {
    ReadOf *r = context;
    if (e->op != OP_READ || e->node != r->of) return;
    if (reads_at_own_index(e, r->reader)) r->own++;
    else r->other++;
}

static bool reads_only_own_index(const Node *of, const Node *reader) {
    ReadOf r = {of, reader, 0, 0};
    Expr *part[] = {reader->body, reader->guard, reader->init};
    for (int i = 0; i < COUNT_OF(part); i++)
        if (part[i]) e_visit(part[i], note_read_of, &r);
    return r.other == 0;
}

bool choose_is_fixed(Choose *c, const Node *n) {
    return graph_is_output(c->g, n) || graph_updated_by(c->g, n);
}

static void note_arithmetic(void *context, Expr *e) {
    bool *any = context;
    *any |= e->op != OP_READ && e->op != OP_VAR && e->op != OP_LIN && e->op != OP_CONST &&
            e->op != OP_IDIV && e->op != OP_IMOD;
}

static void note_value(void *context, Expr *e) {
    bool *any = context;
    *any |= e->op == OP_READ;
}

/* Does n only rename elements, by index arithmetic alone? */
static bool is_view(const Node *n) {
    bool any = false;
    e_visit(n->body, note_arithmetic, &any);
    if (n->guard) e_visit(n->guard, note_value, &any);
    return !any;
}

typedef struct Carried {
    const Node *of, *reader;
    bool found;
} Carried;

static void note_carried(void *context, Expr *e) {
    Carried *x = context;
    if (e->op != OP_READ || e->node != x->of) return;
    const Expr *step = e->arg[x->of->scan];
    x->found |= step->op != OP_VAR || step->var != x->reader->var[x->reader->scan];
}

bool choose_is_carried(Choose *c, const Node *n) {
    if (!n->component) return false;
    for (int i = 0; i < c->n_readers[n->id]; i++) {
        const Node *r = c->readers[n->id][i];
        if (r->component != n->component) continue;
        Carried x = {n, r, false};
        Expr *part[] = {r->body, r->guard, r->init};
        for (int k = 0; k < COUNT_OF(part); k++)
            if (part[k]) e_visit(part[k], note_carried, &x);
        if (x.found) return true;
    }
    return false;
}

typedef struct Chosen {
    Choose *c;
    const Node *n;
    int reads, operations;
    bool fits;
} Chosen;

static void note_operation(void *context, Expr *e) {
    Chosen *x = context;
    x->operations += e->op >= OP_ADD && e->type == T_F32;
    if (e->op == OP_READ) x->fits &= choose_is_unit(x->c, e, x->n->var[0]);
}

/* Is n read only once for each of its elements, but for the results along axes of `whole`? */
static void note_read_once(void *context, Expr *e) {
    void **both = context;
    Chosen *x = both[0];
    const Node *r = both[1];
    const bool *whole = both[2];
    if (e->op != OP_READ || e->node != x->n) return;
    x->reads++;
    for (int i = 0; i < e->n; i++) x->fits &= e->arg[i]->op == OP_VAR;
    for (int i = 0; i < r->rank; i++)
        x->fits &= e_uses(e, r->var[i]) != whole[i] || r->var[i]->hi == 0;
}

/* Is n what a condition chooses, and its reader a tile of sums over samples that has each element
 * in registers once? It need not be in memory then. */
static bool goes_into_tile(Choose *c, const Node *n) {
    enum { FEW_OPERATIONS = 2 };
    const Node *r = c->readers[n->id][0];
    bool whole[MAX_RANK];
    if (r->reduce != REDUCE_SUM || !n->guard || !n->batched || n->type != T_F32) return false;
    if (c->target->lanes == 1 || !choose_tests_in_tile(c->target, r, whole)) return false;
    Chosen x = {c, n, 0, 0, true};
    e_visit(n->body, note_operation, &x);
    e_visit(n->guard, note_operation, &x);
    e_visit(r->body, note_read_once, (void *[]){&x, (void *)r, whole});
    return x.fits && x.reads == 1 && x.operations <= FEW_OPERATIONS;
}

static bool goes_inline(Choose *c, const Node *n, const Map *copies) {
    if (n->kind != NODE_COMP || n->reduce != REDUCE_NONE) return false;
    if (choose_is_fixed(c, n) || map_get(copies, n) || choose_is_carried(c, n)) return false;
    if (is_view(n)) return true;
    if (c->n_readers[n->id] != 1) return false;
    const Node *r = c->readers[n->id][0];
    if (r->reduce == REDUCE_NONE) return reads_only_own_index(n, r);
    return goes_into_tile(c, n);
}

static bool same_shape(const Node *a, const Node *b) {
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->shape[i] != b->shape[i]) return false;
    return true;
}

/* A kernel's work has to outweigh waking the other threads. */
bool choose_goes_parallel(Choose *c, const Node *n) {
    enum { WORTH_THREADS = 200000 };
    return node_work(n) >= WORTH_THREADS && !node_component(c->g, n);
}

/* --- windows: a contraction whose results only windows of a maximum see --- */

typedef struct Window {
    const Node *of, *reader;
    Pool *pool;
    long size;  /* of a window, in elements */
    bool fits;
} Window;

/* Each axis is read at its own variable, or in windows side by side. */
static void note_window(void *context, Expr *e) {
    Window *w = context;
    if (e->op != OP_READ || e->node != w->of) return;
    w->fits &= e->n == w->reader->rank && !w->reader->guard;
    w->size = 1;
    for (int i = 0; i < e->n && w->fits; i++) {
        Var *v = w->reader->var[i];
        long step = 1, lo, hi;
        Expr *rest;
        if (v->hi > 0) w->fits &= e_affine(w->pool, e->arg[i], v, &step, &rest);
        else rest = e->arg[i];
        if (!w->fits || !e_range(rest, &lo, &hi)) {
            w->fits = false;
        } else {
            w->fits &= lo == 0 && hi < (v->hi > 0 ? step : e->node->shape[i]);
            w->size *= hi + 1;
        }
    }
}

/* The elements of a window, where all that reads n is windows of one shape; else 0. */
static long window_of(Choose *c, Node *n) {
    Window w = {.of = n, .pool = c->pool, .fits = true};
    for (int i = 0; i < c->n_readers[n->id]; i++) {
        const Node *r = w.reader = c->readers[n->id][i];
        bool max = r->reduce == REDUCE_MAX || r->reduce == REDUCE_MIN ||
                   r->reduce == REDUCE_ARGMAX || r->reduce == REDUCE_ARGMIN;
        if (!max || !same_shape(r, c->readers[n->id][0]) || choose_is_carried(c, r)) return 0;
        e_visit(r->body, note_window, &w);
    }
    return w.fits && c->n_readers[n->id] ? w.size : 0;
}

/* Is all that r reads there when n is computed, or part of n's windows? */
static bool could_follow(Choose *c, const Node *r, const Node *n) {
    Node **reads;
    int k = node_reads(c->arena, r, &reads);
    for (int i = 0; i < k; i++) {
        bool window = false;
        for (int j = 0; j < c->n_readers[n->id]; j++) window |= c->readers[n->id][j] == reads[i];
        if (!window && reads[i]->id >= n->id) return false;
    }
    return true;
}

/* Where windows are computed: at the node that reads one first, if it is elementwise, or at the
 * first window itself. */
static Node *host_of_windows(Choose *c, const Node *n) {
    Node *first = NULL;
    const Node *of = NULL;
    for (int i = 0; i < c->n_readers[n->id]; i++) {
        const Node *w = c->readers[n->id][i];
        for (int j = 0; j < c->n_readers[w->id]; j++) {
            Node *r = c->readers[w->id][j];
            if (first && first->id <= r->id) continue;
            first = r;
            of = w;
        }
    }
    bool elementwise = first && first->reduce == REDUCE_NONE && same_shape(first, of) &&
                       schedule_of(c->s, first)->place == PLACE_KERNEL &&
                       !schedule_of(c->s, first)->attached.n && reads_only_own_index(of, first);
    return elementwise && could_follow(c, first, n) ? first : c->readers[n->id][0];
}

static void attach_at(Choose *c, NodeSchedule *ns, NodeSchedule *host, bool stored) {
    ns->place = PLACE_ATTACHED;
    ns->host = host;
    ns->depth = host->loops.n;
    ns->stored = stored;
    PUSH(c->arena, host->attached, ns);
}

static bool read_outside(Choose *c, const Node *n, const Node *host) {
    for (int i = 0; i < c->n_readers[n->id]; i++)
        if (c->readers[n->id][i] != host) return true;
    return choose_is_fixed(c, n);
}

static void attach_windows(Choose *c, NodeSchedule *ns) {
    Node *n = ns->node;
    long size = window_of(c, n);
    if (size < 2 || choose_is_fixed(c, n) || node_component(c->g, n)) return;
    Node *root = host_of_windows(c, n);
    NodeSchedule *host = schedule_of(c->s, root);
    Var *lane = choose_lane(root, &host->layout);
    if (!lane || lane != root->var[0] || !lane->batch) return;
    choose_window_loops(c->g, c->target, ns, host, size, choose_goes_parallel(c, n));
    attach_at(c, ns, host, false);
    for (int i = 0; i < c->n_readers[n->id]; i++) {
        Node *w = c->readers[n->id][i];
        if (w == root) continue;
        choose_unrolled(c->g, schedule_of(c->s, w));
        attach_at(c, schedule_of(c->s, w), host, read_outside(c, w, root));
    }
    choose_rest(c->g, host);
}

/* --- items --- */

static Item *add_kernel(Choose *c, NodeSchedule *ns) {
    Item *item = NEW(c->arena, Item);
    item->kind = ITEM_KERNEL;
    item->kernel = ns;
    long samples = select_samples(c->g, ns->node);
    if (!samples) return item;
    Item *loop = NEW(c->arena, Item);
    *loop = (Item){.kind = ITEM_LOOP, .step = samples};
    PUSH(c->arena, loop->items, item);
    return loop;
}

/* The steps of a recurrence run for some samples at a time, each thread its own. */
static long samples_of_a_scan(long batch) {
    long room = (batch + PAD - 1) / PAD;
    return room % 2 ? PAD : 2 * PAD;
}

static Item *add_scan(Choose *c, int component) {
    Item *scan = NEW(c->arena, Item);
    *scan = (Item){.kind = ITEM_LOOP, .scan = true, .step = 1};
    long step = samples_of_a_scan(c->g->batch);
    bool by_samples = c->g->batch > step;
    for (int i = 0; i < c->g->nodes.n; i++) {
        const Node *n = c->g->nodes.at[i];
        if (node_component(c->g, n) == component) by_samples &= n->batched && n->scan > 0;
    }
    Item *outer = scan;
    if (by_samples) {
        outer = NEW(c->arena, Item);
        *outer = (Item){.kind = ITEM_LOOP, .step = step, .parallel = true};
        PUSH(c->arena, outer->items, scan);
    }
    PUSH(c->arena, c->s->items, outer);
    return scan;
}

static void add_items(Choose *c) {
    Graph *g = c->g;
    Item *scan = NULL;
    int in_scan = 0;
    for (int i = 0; i < g->nodes.n; i++) {
        Node *n = g->nodes.at[i];
        NodeSchedule *ns = schedule_of(c->s, n);
        if (n->kind != NODE_COMP || ns->place != PLACE_KERNEL || graph_updated_by(g, n)) continue;
        int component = node_component(g, n);
        if (!component) {
            in_scan = 0;
            PUSH(c->arena, c->s->items, add_kernel(c, ns));
            continue;
        }
        if (component != in_scan) scan = add_scan(c, component);
        in_scan = component;
        PUSH(c->arena, scan->items, add_kernel(c, ns));
    }
    for (int i = 0; i < g->n_updates; i++) {
        NodeSchedule *ns = schedule_of(c->s, g->update[i].next);
        if (ns->place == PLACE_KERNEL) PUSH(c->arena, c->s->items, add_kernel(c, ns));
    }
}

static bool has_images(const Graph *g) {
    for (int i = 0; i < g->nodes.n; i++) {
        const Node *n = g->nodes.at[i];
        if (n->reduce == REDUCE_SUM && n->batched && n->rank >= 4 && n->n_rvars > 1) return true;
    }
    return false;
}

Schedule *choose(Graph *g, const Target *t, const Layouts *l) {
    Choose c = {.g = g, .pool = g->program->pool, .arena = g->program->arena, .target = t,
                .layouts = l, .layout = map_new(g->program->arena), .has_images = has_images(g)};
    order_updates(g);
    Map *before = map_new(c.arena), *copies = map_new(c.arena), *placed = map_new(c.arena);
    select_layouts(g, c.layout, placed);
    for (int i = 0; i < g->n_updates; i++)
        spread_layout(&c, g->update[i].next, layout_of(&c, g->update[i].next));
    for (int i = 0; i < g->nodes.n; i++) {
        Node *n = g->nodes.at[i];
        if (!map_get(placed, n)) map_set(before, n, n);
    }
    copy_operands(&c);
    for (int i = 0; i < g->nodes.n; i++)
        if (!map_get(before, g->nodes.at[i])) map_set(copies, g->nodes.at[i], g->nodes.at[i]);
    c.s = schedule_new(g, t);
    find_readers(&c);
    for (int i = 0; i < g->nodes.n; i++) {
        NodeSchedule *ns = schedule_of(c.s, g->nodes.at[i]);
        ns->place = goes_inline(&c, ns->node, copies) ? PLACE_INLINE : PLACE_KERNEL;
        ns->stored = ns->place == PLACE_KERNEL;
        ns->layout = *layout_of(&c, ns->node);
    }
    for (int i = 0; i < g->nodes.n; i++) {
        NodeSchedule *ns = schedule_of(c.s, g->nodes.at[i]);
        if (ns->node->kind != NODE_COMP || ns->place != PLACE_KERNEL) continue;
        if (map_get(placed, ns->node)) select_loops(&c, ns);
        else if (ns->node->reduce == REDUCE_SUM && !ns->attached.n) attach_windows(&c, ns);
    }
    choose_fuse(&c);
    for (int i = 0; i < g->nodes.n; i++) {
        NodeSchedule *ns = schedule_of(c.s, g->nodes.at[i]);
        if (ns->node->kind != NODE_COMP || ns->place != PLACE_KERNEL || ns->loops.n) continue;
        choose_loops(c.s, g, t, ns, choose_goes_parallel(&c, ns->node),
                     choose_columns(&c, ns->node));
        if (!choose_is_fixed(&c, ns->node)) choose_passes(g, ns, ns);
    }
    add_items(&c);
    choose_blocks(c.s);
    return c.s;
}
