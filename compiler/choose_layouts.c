/* choose_layouts.c: storage orders.
 *
 * Samples lie innermost in tensors with positions (images), features innermost else; parameters so
 * that the forward contractions read them along their lanes. What an update is computed from lies
 * as the updated tensor does.
 */
#include "choose_parts.h"
#include <string.h>

/* --- as the shape and the readers want it --- */

enum { WORTH_A_VECTOR = 8 };

static Layout rows(int rank, const long *shape) {
    return layout_rows(rank, shape, rank && shape[rank - 1] >= WORTH_A_VECTOR ? PAD : 1);
}

Layout choose_innermost(int rank, const long *shape, int axis) {
    Layout l = {0};
    for (int i = 0; i < rank; i++)
        if (i != axis) l.piece[l.n++] = (struct Piece){i, 1, shape[i], 0};
    l.piece[l.n++] = (struct Piece){axis, 1, round_up(shape[axis], PAD), 0};
    layout_close(&l);
    return l;
}

Layout choose_panels(int rank, const long *shape, int axis, const int *place) {
    Layout l = {0};
    long panels = round_up(shape[axis], PAD) / PAD;
    for (int at = -1; at <= 2; at++) {
        if (at == 0 && panels > 1) l.piece[l.n++] = (struct Piece){axis, PAD, panels, 0};
        for (int i = 0; i < rank; i++)
            if (i != axis && (place ? place[i] : 1) == at)
                l.piece[l.n++] = (struct Piece){i, 1, shape[i], 0};
    }
    l.piece[l.n++] = (struct Piece){axis, 1, PAD, 0};
    layout_close(&l);
    return l;
}

static Layout layout_for(const Choose *c, const Node *n) {
    bool image = n->batched && n->rank >= 4 && n->shape[0] >= PAD && n->scan < 0;
    if (image && c->has_images) return choose_panels(n->rank, n->shape, 0, NULL);
    bool single = n->batched && n->rank >= 4 && n->shape[0] == 1 && n->scan < 0;
    if (single && n->shape[1] >= WORTH_A_VECTOR) return choose_innermost(n->rank, n->shape, 1);
    long shape[MAX_RANK];
    memcpy(shape, n->shape, sizeof shape);
    if (n->batched && shape[0] > 1) shape[0] = round_up(shape[0], PAD);
    bool panels = n->rank > 1 && shape[n->rank - 1] > PAD && !map_get(c->shifted, n);
    if (!panels) return rows(n->rank, shape);
    int place[MAX_RANK]; /* gradients sum over steps and samples: these lie inside */
    for (int i = 0; i < n->rank; i++) place[i] = i < n->batched ? 2 : i == n->scan ? 1 : -1;
    return choose_panels(n->rank, shape, n->rank - 1, place);
}

static void note_shift(void *context, Expr *e) {
    Choose *c = context;
    if (e->op == OP_READ && e->n && e->arg[e->n - 1]->op != OP_VAR)
        map_set(c->shifted, e->node, e->node);
}

/* Rows that somebody reads from elsewhere than their beginning stay in one piece: vectors that
 * begin anywhere would meet the ends of panels. */
void choose_rows(Choose *c) {
    c->shifted = map_new(c->arena);
    for (int i = 0; i < c->g->nodes.n; i++) node_visit(c->g->nodes.at[i], note_shift, c);
}

/* Are samples the lanes of n, or are they innermost in what its gradient is computed from? */
static bool lanes_are_samples(const Graph *g, const Node *n) {
    return choose_has_images(g) && n->rank >= 4 && g->batch >= PAD && n->scan < 0;
}

typedef struct WeightRead {
    const Program *program;
    Layouts *layouts;
    const Node *reader;
    bool *done;
} WeightRead;

/* Vectors along the axis; what the reader sums over lies inside. */
static Layout layout_of_weight(const WeightRead *w, const Expr *read, int axis) {
    int place[MAX_RANK];
    if (lanes_are_samples(w->program->train, w->reader))
        return choose_innermost(read->n, read->node->shape, axis);
    for (int i = 0; i < read->n; i++) {
        place[i] = 1;
        for (int k = 0; k < w->reader->rank; k++)
            if (e_uses(read->arg[i], w->reader->var[k])) place[i] = -1;
    }
    return choose_panels(read->n, read->node->shape, axis, place);
}

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
            w->layouts->stored[k] = layout_of_weight(w, e, a);
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

Layout *choose_layout(Choose *c, Node *n) {
    Layout *l = map_get(c->layout, n);
    if (l) return l;
    l = NEW(c->arena, Layout);
    Stored *s = n->kind == NODE_STORED ? n->stored : graph_updated_by(c->g, n);
    if (s) *l = c->layouts->stored[stored_number(c->g->program, s)];
    else if (n->kind == NODE_INPUT || graph_is_output(c->g, n))
        *l = layout_rows(n->rank, n->shape, 1);
    else
        *l = layout_for(c, n);
    map_set(c->layout, n, l);
    return l;
}

/* --- from updates to what they read --- */

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

/* The pieces of l, for a tensor of another shape. */
static Layout *same_order(Choose *c, const Layout *l, const Node *n) {
    Layout *own = NEW(c->arena, Layout);
    long inside[MAX_RANK]; /* of each axis, so far: what its inner pieces count */
    for (int i = 0; i < n->rank; i++) inside[i] = 1;
    *own = *l;
    own->folded = 0;
    for (int i = l->n - 1; i >= 0; i--) {
        struct Piece *x = &own->piece[i];
        bool last = i == l->n - 1, outermost = true;
        for (int j = 0; j < i; j++) outermost &= l->piece[j].axis != x->axis;
        x->div = inside[x->axis];
        long count = (n->shape[x->axis] + x->div - 1) / x->div;
        if (outermost) x->count = last && count >= WORTH_A_VECTOR ? round_up(count, PAD) : count;
        inside[x->axis] *= x->count;
    }
    layout_close(own);
    return own;
}

static void spread_read(void *context, Expr *e) {
    Spread *s = context;
    if (e->op != OP_READ || e->node->kind != NODE_COMP || e->node->batched) return;
    if (map_get(s->c->layout, e->node) || !reads_axis_by_axis(e, s->reader)) return;
    const Layout *l = s->layout;
    bool same = node_is_own_index(s->reader, e) && node_same_shape(s->reader, e->node);
    if (!same) l = same_order(s->c, l, e->node);
    map_set(s->c->layout, e->node, (void *)l);
    spread_layout(s->c, e->node, l);
}

/* What an update is computed from lies as the updated tensor does. */
static void spread_layout(Choose *c, const Node *n, const Layout *l) {
    if (n->reduce != REDUCE_NONE) return;
    Spread s = {c, n, l};
    e_visit(n->body, spread_read, &s);
}

void choose_update_layouts(Choose *c) {
    for (int i = 0; i < c->g->n_updates; i++)
        spread_layout(c, c->g->update[i].next, choose_layout(c, c->g->update[i].next));
}
