/* choose_operands.c: copies of operands.
 *
 * A contraction whose vectors would have to gather an operand reads a copy of it instead, in which
 * neighbors along the lanes lie side by side. Requires: layouts. Readers along the same axis share
 * a copy.
 */
#include "choose_parts.h"
#include <string.h>

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
    Expr *offset = layout_offset(p, choose_layout(c, read->node), index);
    return e_affine(p, offset, inner, &coef, &rest) && coef == 1;
}

typedef struct Operands {
    Choose *c;
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

/* A copy of n in which the axis is innermost. */
static Node *copy_by(Choose *c, Node *n, int axis) {
    const char *along = n->kind == NODE_COMP ? n->var[axis]->name : "column";
    Node *copy = graph_copy(c->g, arena_printf(c->arena, "%s_by_%s", n->name, along), n);
    Layout *l = NEW(c->arena, Layout);
    long shape[MAX_RANK];
    memcpy(shape, n->shape, sizeof shape);
    if (n->batched) shape[0] = round_up(shape[0], PAD);
    *l = choose_panels(n->rank, shape, axis, NULL);
    map_set(c->layout, copy, l);
    return copy;
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
    if (!copies->by_axis[axis]) copies->by_axis[axis] = copy_by(o->c, e->node, axis);
    PUSH(o->c->arena, o->gathered, e);
    PUSH(o->c->arena, o->by, copies->by_axis[axis]);
}

static Expr *read_copy(void *context, Expr *e) {
    Operands *o = context;
    for (int i = 0; i < o->gathered.n; i++)
        if (o->gathered.at[i] == e) return e_read(o->c->pool, o->by.at[i], e->arg, e->n);
    return e;
}

void choose_operands(Choose *c) {
    Operands o = {.c = c, .copies = map_new(c->arena)};
    int n = c->g->nodes.n;
    for (int i = 0; i < n; i++) {
        Node *node = c->g->nodes.at[i];
        if (node->kind != NODE_COMP || node->reduce != REDUCE_SUM) continue;
        o.lane = choose_lane(node, choose_layout(c, node));
        if (!o.lane || c->target->lanes == 1) continue;
        o.gathered.n = o.by.n = 0;
        e_visit(node->body, find_gathered, &o);
        if (o.gathered.n) node->body = e_rewrite(c->pool, node->body, read_copy, &o);
    }
    graph_sort(c->g);
}
