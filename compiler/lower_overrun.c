/* lower_overrun.c: may the last vector of a row run over its end?
 *
 * Only past the last element of all, where rows have room for what is written and there is
 * something to read, be it no element: further in, vectors would meet elements that belong to
 * others.
 */
#include "lower.h"

/* Do vectors from value on end where the row does that has the extent, or within its room? */
static bool ends_row(const Lower *L, const Frame *f, int k, Expr *base, long extent, long room) {
    Expr *from = e_sub(L->pool, f->value[k], base);
    if (!is_const(from)) return false;
    long first = (long)from->num, span = f->span[k];
    return first + span >= extent && first + round_up(span, L->width) <= room;
}

typedef struct Overrun {
    Lower *L;
    Var *v;
    long last; /* the greatest value that v takes in a vector */
    bool safe;
} Overrun;

static const Buffer *local_read(const Lower *L, const Node *of) {
    for (int i = L->live.n - 1; i >= 0; i--)
        if (L->live.at[i]->ns->node == of && L->live.at[i]->local) return L->live.at[i]->local;
    return NULL;
}

/* Rows of registers are whole vectors; behind other local buffers there is room for one. */
static bool local_may_overrun(const Buffer *b, const Expr *read, const Var *v) {
    for (int i = 0; i < b->layout.n; i++) {
        const struct Piece *x = &b->layout.piece[i];
        const Expr *e = read->arg[x->axis];
        if (x->stride == 1 && x->div == 1 && e->op == OP_VAR && e->var == v) return true;
    }
    return false;
}

static long room_for_read(const Buffer *b, const Node *of, int axis) {
    bool given = of->kind == NODE_INPUT && of->batched && axis == 0; /* netc.h: more than exist */
    return given ? round_up(of->shape[0], PAD) : layout_room(&b->layout, axis);
}

/* Is there room for the values that v takes beyond its range: next to what is read, where SLACK is
 * enough, or along an axis? */
static void note_overrun(void *context, Expr *e) {
    Overrun *o = context;
    if (e->op != OP_READ || !e_uses(e, o->v)) return;
    Pool *p = o->L->pool;
    const Buffer *local = local_read(o->L, e->node), *b = o->L->memory[e->node->id];
    long c, lo, hi, axes = 0;
    Expr *rest;
    bool room = false;
    for (int i = 0; i < e->n; i++) axes += e_uses(e->arg[i], o->v);
    for (int i = 0; i < e->n && !local && b; i++)
        room |= axes == 1 && e_uses(e->arg[i], o->v) && e_affine(p, e->arg[i], o->v, &c, &rest) &&
                c >= 0 && e_range(rest, &lo, &hi) &&
                c * o->last + hi < room_for_read(b, e->node, i);
    if (local) room = axes == 1 && local_may_overrun(local, e, o->v);
    else if (b && e_affine(p, layout_offset(p, &b->layout, e->arg), o->v, &c, &rest))
        room |= c == 0 || c == 1;
    o->safe &= room;
}

bool lower_reads_may_overrun(Lower *L, const Frame *f, int k, long unit) {
    const Node *n = f->ns->node;
    long lo, hi;
    if (!e_range(f->value[k], &lo, &hi)) return false;
    Overrun o = {L, node_var(n, k), hi + round_up(f->span[k], unit) - 1, true};
    parts_visit(&L->part[n->id], note_overrun, &o);
    return o.safe;
}

bool lower_may_overrun(Lower *L, const Frame *f, int k) {
    const Node *n = f->ns->node;
    if (k >= n->rank) return true;
    if (!lower_reads_may_overrun(L, f, k, L->width)) return false;
    Buffer *m = L->memory[n->id];
    if (m && (!f->host || f->ns->stored)) {
        Expr *zero = e_int(L->pool, 0);
        long room = layout_room(&m->layout, k);
        if (!layout_is_unit(&m->layout, k, L->width)) return false;
        if (!ends_row(L, f, k, zero, n->shape[k], room)) return false;
    }
    if (f->local &&
        !ends_row(L, f, k, f->base[k], f->extent[k], round_up(f->extent[k], L->width)))
        return false;
    if (!f->acc) return true;
    Expr *in_acc = e_sub(L->pool, f->value[k], f->acc_base[k]);
    return is_const(in_acc) && (long)in_acc->num % L->width == 0;
}

static bool is_in_panels(const Layout *l, int axis) {
    int pieces = 0;
    for (int i = 0; i < l->n; i++) pieces += l->piece[i].axis == axis;
    return pieces > 1;
}

bool lower_may_repeat(const Lower *L, const Frame *f, int k) {
    const Node *n = f->ns->node;
    const Buffer *m = L->memory[n->id];
    return n->reduce == REDUCE_NONE && !f->host && !f->ns->attached.n && m &&
           m->kind == BUFFER_ARENA && k < n->rank && !is_in_panels(&m->layout, k);
}
