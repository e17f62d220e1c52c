/* choose.c: a plain schedule for any frozen graph.
 *
 * Requires: materialised and ordered graphs. Establishes a legal schedule. First come storage
 * orders (choose_layouts.c), copies in other orders (choose_operands.c) and the place of each node:
 * what is elementwise and has one reader goes into it, all else are kernels. Kernels are joined
 * where values stay in registers from one to the next (choose_windows.c, choose_fuse.c), each gets
 * its loops (choose_tile.c), and they are put in a row (choose_blocks.c).
 */
#include "choose_parts.h"

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
    bool elsewhere; /* than at the reader's own index */
} ReadOf;

static void note_read_of(void *context, Expr *e) {
    ReadOf *r = context;
    if (e->op == OP_READ && e->node == r->of) r->elsewhere |= !node_is_own_index(r->reader, e);
}

bool choose_reads_own_index(const Node *of, const Node *reader) {
    ReadOf r = {of, reader, false};
    node_visit(reader, note_read_of, &r);
    return !r.elsewhere;
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
        node_visit(r, note_carried, &x);
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
    if (graph_is_result(c->g, n) || map_get(copies, n) || choose_is_carried(c, n)) return false;
    if (is_view(n)) return true;
    if (c->n_readers[n->id] != 1) return false;
    const Node *r = c->readers[n->id][0];
    if (r->reduce == REDUCE_NONE) return choose_reads_own_index(n, r);
    return goes_into_tile(c, n);
}

/* A kernel's work has to outweigh waking the other threads. */
bool choose_goes_parallel(Choose *c, const Node *n) {
    enum { WORTH_THREADS = 200000 };
    return node_work(n) >= WORTH_THREADS && !node_component(c->g, n);
}

static void add_elements(void *elements, Expr *e) {
    if (e->op == OP_READ) *(double *)elements += node_elements(e->node);
}

double choose_elements_read(const Node *n) {
    double elements = 0;
    e_visit(n->body, add_elements, &elements);
    return elements;
}

bool choose_sums_blocks(const Graph *g, const Node *n) {
    enum { FEW = 4 };
    double blocks = (double)((g->batch + PAD - 1) / PAD);
    if (n->kind != NODE_COMP || blocks < FEW_BLOCKS || !node_sums_blocks(n, PAD)) return false;
    return !node_component(g, n) && FEW * blocks * node_elements(n) <= choose_elements_read(n);
}

void choose_attach(Arena *a, NodeSchedule *ns, NodeSchedule *host, int depth, bool stored) {
    ns->place = PLACE_ATTACHED;
    ns->host = host;
    ns->depth = depth;
    ns->stored = stored;
    PUSH(a, host->attached, ns);
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

bool choose_has_images(const Graph *g) {
    for (int i = 0; i < g->nodes.n; i++) {
        const Node *n = g->nodes.at[i];
        if (n->reduce == REDUCE_SUM && n->batched && n->rank >= 4 && n->n_rvars > 1) return true;
    }
    return false;
}

Schedule *choose(Graph *g, const Target *t, const Layouts *l) {
    Choose c = {.g = g, .pool = g->program->pool, .arena = g->program->arena, .target = t,
                .layouts = l, .layout = map_new(g->program->arena),
                .has_images = choose_has_images(g)};
    choose_update_order(g);
    choose_rows(&c);
    Map *before = map_new(c.arena), *copies = map_new(c.arena), *placed = map_new(c.arena);
    select_layouts(g, c.layout, placed);
    choose_update_layouts(&c);
    for (int i = 0; i < g->nodes.n; i++) {
        Node *n = g->nodes.at[i];
        if (!map_get(placed, n)) map_set(before, n, n);
    }
    choose_operands(&c);
    for (int i = 0; i < g->nodes.n; i++)
        if (!map_get(before, g->nodes.at[i])) map_set(copies, g->nodes.at[i], g->nodes.at[i]);
    c.s = schedule_new(g, t);
    find_readers(&c);
    for (int i = 0; i < g->nodes.n; i++) {
        NodeSchedule *ns = schedule_of(c.s, g->nodes.at[i]);
        ns->place = goes_inline(&c, ns->node, copies) ? PLACE_INLINE : PLACE_KERNEL;
        ns->stored = ns->place == PLACE_KERNEL;
        ns->layout = *choose_layout(&c, ns->node);
    }
    for (int i = 0; i < g->nodes.n; i++) {
        NodeSchedule *ns = schedule_of(c.s, g->nodes.at[i]);
        if (ns->node->kind != NODE_COMP || ns->place != PLACE_KERNEL) continue;
        if (map_get(placed, ns->node)) select_loops(&c, ns);
        else if (ns->node->reduce == REDUCE_SUM && !ns->attached.n) choose_windows(&c, ns);
    }
    choose_fuse(&c);
    for (int i = 0; i < g->nodes.n; i++) {
        NodeSchedule *ns = schedule_of(c.s, g->nodes.at[i]);
        if (ns->node->kind != NODE_COMP || ns->place != PLACE_KERNEL || ns->loops.n) continue;
        choose_loops(c.s, g, t, ns, choose_goes_parallel(&c, ns->node),
                     choose_columns(&c, ns->node));
        if (!graph_is_result(g, ns->node)) choose_outer_loops(g, ns, ns);
    }
    add_items(&c);
    choose_blocks(c.s);
    return c.s;
}
