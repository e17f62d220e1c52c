/* choose_blocks.c: kernels in a row run by blocks of samples, each thread with its own.
 *
 * Requires: the items of a schedule. Establishes: the same items, kernels where each reads of the
 * others only its own sample in a common loop over blocks of samples. What one leaves the next
 * finds in the cache of the same processor, and threads wait for each other once for all of them.
 * Kernels that are too small for threads of their own would each be done by one thread while the
 * others wait.
 *
 * Sums over samples that begin anew with each block go with what they sum (lower_blocks.c), so
 * filters' gradients read what has just been computed.
 *
 * Kernels whose threads share features, because their weights are more than their samples, stay
 * apart (choose_tile.c: weights_stay).
 */
#include "choose_parts.h"

typedef struct Reads {
    const Schedule *s;
    const Node *reader;
    const Item *of; /* a kernel */
    bool any, own;  /* does one read what of computes; always at its own sample? */
} Reads;

static bool is_computed_by(const NodeSchedule *ns, const Node *n) {
    if (ns->node == n) return true;
    for (int i = 0; i < ns->attached.n; i++)
        if (is_computed_by(ns->attached.at[i], n)) return true;
    return false;
}

/* Of a node, or one that a sum of blocks takes. */
static bool is_sample(const Node *reader, const Var *v) {
    return reader->batched ? v == reader->var[0] : v->batch && node_sums_blocks(reader, PAD);
}

static void note_read_of_kernel(void *context, Expr *e) {
    Reads *r = context;
    if (e->op != OP_READ) return;
    Node *n = e->node;
    bool in_line = n->kind == NODE_COMP && schedule_of(r->s, n)->place == PLACE_INLINE;
    if (!in_line && !is_computed_by(r->of->kernel, n)) return;
    Reads inner = {r->s, n, r->of, false, true};
    if (in_line) node_visit(n, note_read_of_kernel, &inner);
    bool own_sample = n->batched && e->arg[0]->op == OP_VAR && is_sample(r->reader, e->arg[0]->var);
    r->any |= !in_line || inner.any;
    r->own &= (own_sample || (in_line && !inner.any)) && inner.own;
}

static void note_reads(Reads *r, const NodeSchedule *ns) {
    r->reader = ns->node;
    node_visit(ns->node, note_read_of_kernel, r);
    for (int i = 0; i < ns->attached.n; i++) note_reads(r, ns->attached.at[i]);
}

typedef VEC(Item *) Items;

static bool reads_any(Schedule *s, const Item *item, const Items *of) {
    for (int i = 0; i < of->n; i++) {
        Reads r = {.s = s, .of = of->at[i], .own = true};
        note_reads(&r, item->kernel);
        if (r.any) return true;
    }
    return false;
}

static bool reads_own_samples(Schedule *s, const Item *item, const Items *of) {
    for (int i = 0; i < of->n; i++) {
        Reads r = {.s = s, .of = of->at[i], .own = true};
        note_reads(&r, item->kernel);
        if (!r.own) return false;
    }
    return true;
}

static bool is_of_samples(const NodeSchedule *ns) {
    if (!ns->node->batched) return false;
    for (int i = 0; i < ns->node->n_rvars; i++)
        if (ns->node->rvar[i]->batch) return false;
    for (int i = 0; i < ns->attached.n; i++)
        if (!is_of_samples(ns->attached.at[i])) return false;
    return true;
}

/* A sum goes where what it takes has been made. */
static bool finds_samples(Schedule *s, const Item *item, const Items *members) {
    return item->kernel->node->batched || reads_any(s, item, members);
}

static bool is_parallel(const NodeSchedule *ns) {
    return ns->loops.n && ns->loops.at[0].kind == LOOP_PARALLEL;
}

static bool is_kernel(const Schedule *s, const Item *item) {
    return item->kind == ITEM_KERNEL && !graph_updated_by(s->graph, item->kernel->node);
}

/* May the kernel's threads share samples as well as they share what they do? */
static bool may_share_samples(const Schedule *s, const NodeSchedule *ns) {
    if (choose_sums_blocks(s->graph, ns->node)) return !ns->attached.n;
    if (!is_of_samples(ns)) return false;
    if (!is_parallel(ns)) return true;
    const Var *lane = choose_lane(ns->node, &ns->layout);
    bool samples = ns->loops.at[0].var->batch || (lane && lane->batch);
    return samples && s->graph->batch >= FEW_BLOCKS * PAD;
}

static void cut_steps(NodeSchedule *ns) {
    for (int i = 0; i < ns->loops.n; i++) {
        LoopSpec *spec = &ns->loops.at[i];
        if (spec->var->batch && spec->step > PAD) spec->step = PAD;
    }
    for (int i = 0; i < ns->attached.n; i++) cut_steps(ns->attached.at[i]);
}

/* Tasks of a few samples pass by all weights, which a block's samples do together: their loop goes
 * inside of the one over the lanes. */
static void samples_inside_of_lanes(NodeSchedule *ns) {
    const Var *lane = choose_lane(ns->node, &ns->layout);
    LoopSpec *loop = ns->loops.at;
    if (ns->loops.n < 2 || loop[1].kind != LOOP_FOR || !loop[0].var->batch) return;
    if (loop[1].var != lane) return;
    for (int i = 0; i < ns->attached.n; i++)
        if (ns->attached.at[i]->depth == 1) return;
    LoopSpec samples = loop[0];
    loop[0] = loop[1];
    loop[1] = samples;
}

static void run_in_block(NodeSchedule *ns) {
    if (is_parallel(ns)) {
        ns->loops.at[0].kind = LOOP_FOR;
        samples_inside_of_lanes(ns);
    }
    cut_steps(ns);
}

/* A sum goes right behind the last kernel that it reads. */
static void add_member(Schedule *s, Items *members, Item *item) {
    PUSH(s->graph->program->arena, *members, item);
    int at = members->n - 1;
    for (; at > 0 && !item->kernel->node->batched; at--) {
        Items before = {.at = &members->at[at - 1], .n = 1};
        if (reads_any(s, item, &before)) break;
        members->at[at] = members->at[at - 1];
    }
    members->at[at] = item;
}

/* The kernels from items[0] on that can run by blocks of samples; those between that cannot go
 * before or after. Returns how many items it has dealt with. */
static int block_from(Schedule *s, Item *const *items, int n, Items *to) {
    Arena *a = s->graph->program->arena;
    Items before = {0}, members = {0}, after = {0};
    int i = 0;
    for (; i < n && is_kernel(s, items[i]); i++) {
        if (may_share_samples(s, items[i]->kernel) && reads_own_samples(s, items[i], &members) &&
            finds_samples(s, items[i], &members) && !reads_any(s, items[i], &after))
            add_member(s, &members, items[i]);
        else if (!reads_any(s, items[i], &members) && !reads_any(s, items[i], &after))
            PUSH(a, before, items[i]);
        else
            PUSH(a, after, items[i]);
    }
    for (int j = 0; j < before.n; j++) PUSH(a, *to, before.at[j]);
    if (members.n > 1) {
        Item *block = NEW(a, Item);
        *block = (Item){.kind = ITEM_LOOP, .step = PAD, .parallel = true};
        for (int j = 0; j < members.n; j++) {
            run_in_block(members.at[j]->kernel);
            PUSH(a, block->items, members.at[j]);
        }
        PUSH(a, *to, block);
    } else if (members.n) {
        PUSH(a, *to, members.at[0]);
    }
    for (int j = 0; j < after.n; j++) PUSH(a, *to, after.at[j]);
    return i;
}

void choose_blocks(Schedule *s) {
    Arena *a = s->graph->program->arena;
    Items to = {0}, items = {s->items.at, s->items.n, s->items.cap};
    if (s->graph->batch < 2 * PAD) return;
    for (int i = 0; i < items.n;) {
        int done = block_from(s, &items.at[i], items.n - i, &to);
        if (!done) PUSH(a, to, items.at[i]);
        i += done ? done : 1;
    }
    s->items.at = to.at;
    s->items.n = to.n;
    s->items.cap = to.cap;
}
