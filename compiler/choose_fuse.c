/* choose_fuse.c: elementwise kernels that work on the same points become one, and a contraction
 * that only they read is computed with them, tile by tile.
 *
 * Requires: places decided, kernels without loops. A kernel's last node is its host; the others are
 * attached to it and share its outer loops. Their axes correspond to the host's: where the host has
 * an axis more (four gates made from one gradient), that axis is unrolled; where the contraction
 * has one more (four gates that become one state), it lies in the tile altogether.
 *
 * Where the contraction begins with another sum that nothing else reads, and which is too large to
 * stay near, that sum goes through the same registers first.
 *
 * A node moves to where its host is. So nothing in between may read it, nor write what it reads.
 */
#include "choose_parts.h"
#include <string.h>

enum { FEW = 8 }; /* values of an axis that may be unrolled */

typedef struct Member {
    NodeSchedule *ns;
    Var *axis[MAX_RANK]; /* the host's variable; null: the node's own, or an axis of one value */
} Member;

typedef struct Fusion {
    Choose *c;
    NodeSchedule *host;
    VEC(Member *) members; /* last first, the host foremost */
    Map *member;           /* Node -> Member */
    Member *contraction;
} Fusion;

/* --- order of execution --- */

static NodeSchedule *root_of(NodeSchedule *ns) {
    while (ns->host) ns = ns->host;
    return ns;
}

/* Updates come after everything else, in an order of their own. */
static int position(Choose *c, const NodeSchedule *root) {
    int update = graph_update_number(c->g, root->node);
    return update < 0 ? root->node->id : c->g->nodes.n + update;
}

static bool is_member(const Fusion *f, const Node *n) {
    return map_get(f->member, n) != NULL;
}

/* Does all that reads n, be it through inline nodes, come with the host or after it? */
static bool read_later(Fusion *f, const Node *n) {
    Choose *c = f->c;
    for (int i = 0; i < c->n_readers[n->id]; i++) {
        const Node *r = c->readers[n->id][i];
        NodeSchedule *ns = schedule_of(c->s, r);
        if (r == n || is_member(f, r)) continue;
        if (ns->place == PLACE_INLINE) {
            if (!read_later(f, r)) return false;
            continue;
        }
        if (position(c, root_of(ns)) < position(c, f->host)) return false;
    }
    return true;
}

/* --- which point of a node does a member's point read? --- */

typedef struct Reading {
    Fusion *f;
    const Node *of;
    const Node *reader;
    Var *const *axis; /* of the reader, in the host */
    Member *to;       /* what is found: of's axes in the host */
    bool own[MAX_RANK]; /* axes that are read at a constant */
    bool any, fits;
} Reading;

static Var *in_host(const Reading *r, const Var *v) {
    for (int i = 0; i < r->reader->rank; i++)
        if (r->reader->var[i] == v) return r->axis[i];
    return NULL;
}

static bool is_earlier_step(const Node *reader, const Expr *read) {
    const Node *of = read->node;
    if (!reader->component || reader->component != of->component) return false;
    const Expr *e = read->arg[of->scan];
    return !(e->op == OP_VAR && e->var == reader->var[reader->scan]);
}

static void note_axis(Reading *r, int i, const Expr *e) {
    Var *v = e->op == OP_VAR ? in_host(r, e->var) : NULL;
    if (v && v->hi + 1 == r->of->shape[i]) {
        r->fits &= !r->own[i] && (!r->to->axis[i] || r->to->axis[i] == v);
        for (int j = 0; j < r->of->rank; j++) r->fits &= j == i || r->to->axis[j] != v;
        r->to->axis[i] = v;
    } else {
        r->fits &= is_const(e) && !r->to->axis[i];
        r->own[i] |= r->of->shape[i] > 1;
    }
}

static void visit_node(Reading *r, const Node *reader, Var *const *axis);

static void note_read(void *context, Expr *e) {
    Reading *r = context;
    if (e->op != OP_READ || e->node->kind != NODE_COMP) return;
    const Node *n = e->node;
    if (n == r->of) {
        if (is_earlier_step(r->reader, e)) return;
        r->any = true;
        for (int i = 0; i < e->n && r->fits; i++) note_axis(r, i, e->arg[i]);
    } else if (schedule_of(r->f->c->s, n)->place == PLACE_INLINE) {
        Var *through[MAX_RANK];
        for (int i = 0; i < e->n; i++)
            through[i] = e->arg[i]->op == OP_VAR ? in_host(r, e->arg[i]->var) : NULL;
        Reading inner = *r;
        visit_node(&inner, n, through);
        r->any |= inner.any;
        r->fits &= inner.fits;
        memcpy(r->own, inner.own, sizeof r->own);
    }
}

static void visit_node(Reading *r, const Node *reader, Var *const *axis) {
    const Node *outer = r->reader;
    Var *const *outer_axis = r->axis;
    r->reader = reader;
    r->axis = axis;
    node_visit(reader, note_read, r);
    r->reader = outer;
    r->axis = outer_axis;
}

/* Fills in where n's axes are in the host, if the members read all of n at their own points. */
static bool corresponds(Fusion *f, const Node *n, Member *to, bool *own) {
    Reading r = {.f = f, .of = n, .to = to, .fits = true};
    for (int i = 0; i < f->members.n && r.fits; i++)
        visit_node(&r, f->members.at[i]->ns->node, f->members.at[i]->axis);
    memcpy(own, r.own, sizeof r.own);
    return r.any && r.fits;
}

/* --- stored tensors that are updated in place --- */

typedef struct Hazard {
    Fusion *f;
    const Node *reader;
    bool elementwise, any;
} Hazard;

static void note_hazard(void *context, Expr *e) {
    Hazard *h = context;
    if (e->op != OP_READ) return;
    const Graph *g = h->f->c->g;
    const Node *n = e->node;
    if (n->kind == NODE_COMP && schedule_of(h->f->c->s, n)->place == PLACE_INLINE) {
        Hazard inner = {h->f, n, false, false};
        if (n->body) e_visit(n->body, note_hazard, &inner);
        h->any |= inner.any;
    }
    if (n->kind != NODE_STORED) return;
    for (int i = 0; i < g->n_updates; i++) {
        const Node *next = g->update[i].next;
        if (g->update[i].stored != n->stored || next == h->reader) continue;
        bool here = is_member(h->f, next);
        bool before = position(h->f->c, schedule_of(h->f->c->s, next)) <
                      position(h->f->c, h->f->host);
        h->any |= here ? !h->elementwise || !node_is_own_index(h->reader, e) : before;
    }
}

/* Would n, computed with the host, miss old values of what it reads? */
static bool comes_too_late(Fusion *f, const Node *n) {
    Hazard h = {f, n, n->reduce == REDUCE_NONE, false};
    node_visit(n, note_hazard, &h);
    return h.any;
}

/* --- the group --- */

static bool is_free(const NodeSchedule *ns) {
    return ns->node->kind == NODE_COMP && ns->place == PLACE_KERNEL && !ns->loops.n &&
           !ns->attached.n;
}

/* Are the host's axes those of n, but for few values? */
static bool covers_host(const Fusion *f, const Member *m) {
    const Node *host = f->host->node;
    for (int i = 0; i < host->rank; i++) {
        bool found = host->var[i]->hi < FEW && !host->var[i]->batch;
        for (int j = 0; j < m->ns->node->rank; j++) found |= m->axis[j] == host->var[i];
        if (!found) return false;
    }
    return true;
}

/* The host's variable along which the vectors of all members lie; null: there are none. */
static Var *lane_of(const Fusion *f) {
    return choose_lane(f->host->node, &f->host->layout);
}

static bool lanes_agree(const Fusion *f, const Member *m) {
    Var *host = lane_of(f), *own = choose_lane(m->ns->node, &m->ns->layout);
    for (int i = 0; i < m->ns->node->rank && own; i++)
        if (m->ns->node->var[i] == own) return m->axis[i] == host;
    return !own && !host;
}

static Member *member_of(Fusion *f, NodeSchedule *ns, bool *own) {
    Choose *c = f->c;
    const Node *n = ns->node;
    if (!is_free(ns) || graph_is_output(c->g, n)) return NULL;
    if (n->component != f->host->node->component) return NULL;
    bool update = graph_update_number(c->g, n) >= 0;
    if (update && graph_update_number(c->g, f->host->node) < 0) return NULL;
    Member *m = NEW(c->arena, Member);
    m->ns = ns;
    if (!corresponds(f, n, m, own) || !covers_host(f, m)) return NULL;
    if (!read_later(f, n) || comes_too_late(f, n)) return NULL;
    return m;
}

static void add_member(Fusion *f, Member *m) {
    PUSH(f->c->arena, f->members, m);
    map_set(f->member, m->ns->node, m);
}

static void add_elementwise(Fusion *f) {
    Choose *c = f->c;
    for (int i = f->c->g->nodes.n - 1; i >= 0; i--) {
        NodeSchedule *ns = schedule_of(c->s, c->g->nodes.at[i]);
        bool own[MAX_RANK] = {false};
        if (ns->node->reduce != REDUCE_NONE || is_member(f, ns->node)) continue;
        Member *m = member_of(f, ns, own);
        for (int k = 0; k < ns->node->rank && m; k++)
            if (own[k]) m = NULL;
        if (m && lanes_agree(f, m)) add_member(f, m);
    }
}

/* Can a tile hold all of the axes of its own, and enough rows beside to use what it loads for? */
static bool fits_tile(const Fusion *f, const Node *n, const bool *own) {
    enum { ROWS = 4 };
    long values = 1;
    for (int i = 0; i < n->rank; i++)
        if (own[i]) values *= n->shape[i];
    return values == 1 || (values <= FEW && values * ROWS <= choose_accumulators(f->c->target));
}

/* A sum in lanes has no vectors of results: others that are vectors do not go with it. */
static bool goes_with(const Fusion *f, const Member *m, const bool *own) {
    const Node *n = m->ns->node;
    if (graph_is_result(f->c->g, n) || choose_is_carried(f->c, n)) return false;
    if (node_lanes(n)) return f->members.n == 1 && fits_tile(f, n, own);
    return fits_tile(f, n, own) && lanes_agree(f, m);
}

static bool read_outside(const Fusion *f, const Node *n) {
    Choose *c = f->c;
    if (graph_is_result(c->g, n) || choose_is_carried(c, n)) return true;
    for (int i = 0; i < c->n_readers[n->id]; i++) {
        const Node *r = c->readers[n->id][i];
        bool through = schedule_of(c->s, r)->place == PLACE_INLINE;
        if (through ? read_outside(f, r) : !is_member(f, r)) return true;
    }
    return false;
}

/* Members that read n at some values of an axis alone have no use for the rest; others may. */
static bool is_in_part(const Fusion *f, const Node *n, const bool *own) {
    bool any = false;
    for (int i = 0; i < n->rank; i++) any |= own[i];
    return any && read_outside(f, n);
}

static void add_contraction(Fusion *f, bool *own) {
    Choose *c = f->c;
    for (int i = 0; i < c->g->nodes.n; i++) {
        NodeSchedule *ns = schedule_of(c->s, c->g->nodes.at[i]);
        bool axes[MAX_RANK] = {false};
        if (ns->node->reduce == REDUCE_NONE || choose_sums_blocks(c->g, ns->node)) continue;
        Member *m = member_of(f, ns, axes);
        if (!m || !goes_with(f, m, axes) || is_in_part(f, ns->node, axes)) continue;
        if (f->contraction && node_work(f->contraction->ns->node) >= node_work(ns->node)) continue;
        f->contraction = m;
        memcpy(own, axes, sizeof axes);
    }
}

/* --- loops --- */

static int axis_number(const Node *n, const Var *v) {
    for (int i = 0; i < n->rank; i++)
        if (n->var[i] == v) return i;
    return -1;
}

static void add_loop(Fusion *f, NodeSchedule *ns, LoopKind kind, Var *v, long step, bool peel) {
    LoopSpec spec = {.kind = kind, .node = ns->node, .var = v, .step = step, .peel = peel};
    PUSH(f->c->arena, ns->loops, spec);
}

static void attach(Fusion *f, NodeSchedule *ns, int depth) {
    choose_attach(f->c->arena, ns, f->host, depth, read_outside(f, ns->node));
}

static Var *axis_of(const Member *m, const Var *host) {
    for (int i = 0; i < m->ns->node->rank; i++)
        if (m->axis[i] == host) return m->ns->node->var[i];
    return NULL;
}

static bool is_looped(const NodeSchedule *ns, const Var *v, int depth) {
    for (int i = 0; i < depth; i++)
        if (ns->loops.at[i].var == v) return true;
    return false;
}

/* What is left of m's axes inside the shared loops: everything, in vectors. */
static void inner_loops(Fusion *f, const Member *m, Var *lane) {
    NodeSchedule *ns = m->ns;
    for (int i = 0; i < ns->node->rank; i++) {
        Var *v = ns->node->var[i];
        Var *at = ns == f->host ? v : m->axis[i];
        if (v->hi > 0 && at != lane && i != ns->node->scan)
            add_loop(f, ns, LOOP_UNROLL, v, 1, false);
    }
    Var *own = lane ? ns == f->host ? lane : axis_of(m, lane) : NULL;
    if (own) add_loop(f, ns, LOOP_LANE, own, 1, false);
}

/* The contraction's outer loops become the host's; its own are those of a tile. */
static int share_loops(Fusion *f, const bool *in_tile) {
    NodeSchedule *ns = f->contraction->ns, *host = f->host;
    const Node *n = ns->node;
    bool any = false;
    for (int i = 0; i < n->rank; i++) any |= in_tile[i];
    choose_contraction_loops(f->c->s, f->c->g, f->c->target, ns, choose_goes_parallel(f->c, n),
                             any ? in_tile : NULL);
    int first = 0;
    for (; first < ns->loops.n; first++) {
        LoopSpec spec = ns->loops.at[first];
        int k = axis_number(n, spec.var);
        if (k < 0 || spec.kind == LOOP_LANE || spec.kind == LOOP_UNROLL) break;
        if (!f->contraction->axis[k]) continue;
        spec.node = host->node;
        spec.var = f->contraction->axis[k];
        PUSH(f->c->arena, host->loops, spec);
    }
    memmove(ns->loops.at, ns->loops.at + first,
            sizeof *ns->loops.at * (size_t)(ns->loops.n - first));
    ns->loops.n -= first;
    for (int i = 0; i < host->node->rank; i++) {
        Var *v = host->node->var[i];
        Var *own = axis_of(f->contraction, v);
        if (own && i != host->node->scan && v->hi > 0 && v != lane_of(f) &&
            !is_looped(host, v, host->loops.n) && !is_looped(ns, own, ns->loops.n))
            add_loop(f, host, LOOP_FOR, v, 1, false);
    }
    return host->loops.n;
}

/* --- a sum that the contraction begins with --- */

/* Does what a block of samples has of n stay in the second cache until it is read? */
static bool is_near(const Node *n) {
    double elements = 1;
    for (int i = 0; i < n->rank; i++)
        elements *= n->var[i]->batch && n->shape[i] > 2 * PAD ? 2 * PAD : (double)n->shape[i];
    return elements <= SECOND_CACHE;
}

/* Or null. With more terms than the contraction has it would want loops of its own. */
static NodeSchedule *beginning(Fusion *f) {
    const Node *n = f->contraction->ns->node;
    const Expr *read = n->init;
    if (!read || read->op != OP_READ || read->node->kind != NODE_COMP ||
        !node_is_own_index(n, read))
        return NULL;
    Node *first = read->node;
    NodeSchedule *ns = schedule_of(f->c->s, first);
    if (!is_free(ns) || first->reduce != REDUCE_SUM || first->component || node_lanes(first) ||
        node_lanes(n))
        return NULL;
    bool alone = f->c->n_readers[first->id] == 1 && !graph_is_result(f->c->g, first);
    bool pays = !is_near(first) && node_terms(first) <= node_terms(n);
    return alone && pays && !comes_too_late(f, first) ? ns : NULL;
}

/* The contraction's tile, over the other sum's terms. */
static void add_beginning(Fusion *f, int depth) {
    const NodeSchedule *of = f->contraction->ns;
    NodeSchedule *ns = beginning(f);
    if (!ns) return;
    for (int i = 0; i < ns->node->n_rvars; i++)
        add_loop(f, ns, LOOP_FOR, ns->node->rvar[i], 1, false);
    for (int i = 0; i < of->loops.n; i++) {
        int k = axis_number(of->node, of->loops.at[i].var);
        if (k >= 0) add_loop(f, ns, of->loops.at[i].kind, ns->node->var[k], 1, false);
    }
    choose_attach(f->c->arena, ns, f->host, depth, false);
}

/* The host's variable along which what a member gathers lies side by side, or null. */
static Var *columns_of(Fusion *f) {
    Var *found = NULL;
    for (int i = 0; i < f->members.n && !found; i++) {
        const Member *m = f->members.at[i];
        Var *own = choose_columns(f->c, m->ns->node);
        for (int k = 0; k < m->ns->node->rank && own; k++)
            if (m->ns->node->var[k] == own) found = m->axis[k];
    }
    return found;
}

/* Loops of the host outside the members: in the order of memory, the lane in blocks. */
static int elementwise_loops(Fusion *f, bool parallel) {
    NodeSchedule *host = f->host;
    choose_loops(f->c->s, f->c->g, f->c->target, host, parallel, columns_of(f));
    int n = 0;
    for (int i = 0; i < host->loops.n; i++) {
        const LoopSpec *spec = &host->loops.at[i];
        bool everywhere = spec->kind != LOOP_LANE && spec->kind != LOOP_UNROLL;
        for (int j = 1; j < f->members.n; j++)
            everywhere &= axis_of(f->members.at[j], spec->var) != NULL;
        if (everywhere) host->loops.at[n++] = *spec;
    }
    return host->loops.n = n;
}

static void fuse_into(Choose *c, NodeSchedule *host) {
    Fusion f = {.c = c, .host = host, .member = map_new(c->arena)};
    Member *first = NEW(c->arena, Member);
    first->ns = host;
    memcpy(first->axis, host->node->var, sizeof *first->axis * (size_t)host->node->rank);
    add_member(&f, first);
    add_elementwise(&f);
    bool own[MAX_RANK] = {false};
    add_contraction(&f, own);
    if (f.members.n == 1 && !f.contraction) return;
    Var *lane = lane_of(&f);
    int depth = f.contraction ? share_loops(&f, own)
                              : elementwise_loops(&f, choose_goes_parallel(c, host->node));
    if (f.contraction && node_lanes(f.contraction->ns->node)) lane = NULL;
    if (f.contraction) {
        add_beginning(&f, depth);
        attach(&f, f.contraction->ns, depth);
    }
    for (int i = f.members.n - 1; i > 0; i--) {
        inner_loops(&f, f.members.at[i], lane);
        attach(&f, f.members.at[i]->ns, depth);
    }
    inner_loops(&f, first, lane);
    if (!f.contraction) return;
    f.contraction->ns->stored |= choose_outer_loops(c->g, host, f.contraction->ns);
}

void choose_fuse(Choose *c) {
    const Graph *g = c->g;
    for (int i = g->n_updates - 1; i >= 0; i--) {
        NodeSchedule *ns = schedule_of(c->s, g->update[i].next);
        if (is_free(ns) && ns->node->reduce == REDUCE_NONE) fuse_into(c, ns);
    }
    for (int i = g->nodes.n - 1; i >= 0; i--) {
        NodeSchedule *ns = schedule_of(c->s, g->nodes.at[i]);
        if (is_free(ns) && ns->node->reduce == REDUCE_NONE) fuse_into(c, ns);
    }
}
