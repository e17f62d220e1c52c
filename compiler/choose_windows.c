/* choose_windows.c: a contraction whose results only windows of a maximum see.
 *
 * Requires: places and layouts. The windows of some samples are computed together in the loops of
 * the kernel that reads them first, each right after the elements that it sees, which are never in
 * memory.
 */
#include "choose_parts.h"

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
        if (!max || !node_same_shape(r, c->readers[n->id][0]) || choose_is_carried(c, r)) return 0;
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
    bool elementwise = first && first->reduce == REDUCE_NONE && node_same_shape(first, of) &&
                       schedule_of(c->s, first)->place == PLACE_KERNEL &&
                       !schedule_of(c->s, first)->attached.n && choose_reads_own_index(of, first);
    return elementwise && could_follow(c, first, n) ? first : c->readers[n->id][0];
}

static bool read_outside(Choose *c, const Node *n, const Node *host) {
    for (int i = 0; i < c->n_readers[n->id]; i++)
        if (c->readers[n->id][i] != host) return true;
    return graph_is_result(c->g, n);
}

void choose_windows(Choose *c, NodeSchedule *ns) {
    Node *n = ns->node;
    long size = window_of(c, n);
    if (size < 2 || graph_is_result(c->g, n) || node_component(c->g, n)) return;
    Node *root = host_of_windows(c, n);
    NodeSchedule *host = schedule_of(c->s, root);
    Var *lane = choose_lane(root, &host->layout);
    if (!lane || lane != root->var[0] || !lane->batch) return;
    choose_window_loops(c->g, c->target, ns, host, size, choose_goes_parallel(c, n));
    choose_attach(c->arena, ns, host, host->loops.n, false);
    for (int i = 0; i < c->n_readers[n->id]; i++) {
        Node *w = c->readers[n->id][i];
        if (w == root) continue;
        NodeSchedule *window = schedule_of(c->s, w);
        choose_unrolled(c->g, window);
        choose_attach(c->arena, window, host, host->loops.n, read_outside(c, w, root));
    }
    choose_rest(c->g, host);
}
