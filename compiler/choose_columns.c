/* choose_columns.c: which loop of an elementwise node makes its gathers loads.
 *
 * Requires: layouts. Where the lanes of a read lie in as many rows, and another variable goes along
 * the rows, COLUMNS of its values unrolled read each row once (lower_columns.c).
 */
#include "choose_parts.h"

typedef struct Gathers {
    Choose *c;
    const Node *node;
    Var *lane;
    Var *columns; /* what is found */
} Gathers;

/* Samples go by blocks: is there room for whole ones? */
static bool has_room(const Choose *c, const Node *n, const Var *v) {
    const Layout *l = &schedule_of(c->s, n)->layout;
    long room = 1;
    for (int i = 0; i < l->n; i++)
        if (n->var[l->piece[i].axis] == v) room *= l->piece[i].count;
    return !v->batch || room >= (v->hi + PAD) / PAD * PAD;
}

static void note_gather(void *context, Expr *e) {
    Gathers *x = context;
    const Node *n = x->node;
    if (e->op != OP_READ || !e_uses(e, x->lane) || choose_is_unit(x->c, e, x->lane)) return;
    if (schedule_of(x->c->s, e->node)->place == PLACE_INLINE) return;
    for (int i = 0; i < n->rank && !x->columns; i++) {
        Var *v = n->var[i];
        if (v != x->lane && i != n->scan && v->hi + 1 >= COLUMNS && e_uses(e, v) &&
            has_room(x->c, n, v) && choose_is_unit(x->c, e, v))
            x->columns = v;
    }
}

Var *choose_columns(Choose *c, const Node *n) {
    Gathers x = {c, n, choose_lane(n, &schedule_of(c->s, n)->layout), NULL};
    if (!x.lane || n->reduce != REDUCE_NONE || c->target->lanes == 1) return NULL;
    e_visit(n->body, note_gather, &x);
    return x.columns;
}
