/* schedule_complete.c: what a schedule's text may leave out: places and layouts of nodes.
 *
 * A computed node that is nowhere becomes a kernel right before its first reader; within a block of
 * samples or a recurrence where it belongs there, else before that; without a reader, right behind
 * what it needs. Updates come last, behind all that may need the old values. The members of a
 * recurrence get a scan. Nodes in memory get rows as their layout, but those whose memory is given.
 */
#include "schedule_text.h"

/* --- questions about graphs --- */

bool schedule_is_own_index(const Node *n, const Expr *read) {
    return node_is_own_index(n, read) && node_same_shape(n, read->node);
}

Node *schedule_copied(const Graph *g, const Node *n) {
    if (n->kind != NODE_COMP || n->reduce != REDUCE_NONE || n->guard) return NULL;
    if (n->body->op != OP_READ || graph_is_result(g, n)) return NULL;
    return schedule_is_own_index(n, n->body) ? n->body->node : NULL;
}

typedef struct Reading {
    const Node *node;
    bool found, own_samples;
} Reading;

static void note_read(void *context, Expr *e) {
    Reading *r = context;
    if (e->op != OP_READ || e->node != r->node) return;
    r->found = true;
    r->own_samples &= e->n && e->arg[0]->op == OP_VAR && e->arg[0]->var->batch;
}

static Reading reading_of(const Node *n, const Node *x) {
    Reading r = {x, false, true};
    node_visit(n, note_read, &r);
    return r;
}

bool schedule_reads(const Node *n, const Node *x) {
    return reading_of(n, x).found;
}

/* --- where a node is missing --- */

typedef VEC(Item *) Items;

typedef struct Complete {
    const Schedule *s;
    Graph *g;
    Arena *arena;
    bool *placed;
} Complete;

static void note_node(Complete *c, const NodeSchedule *ns) {
    c->placed[ns->node->id] = true;
    for (int i = 0; i < ns->attached.n; i++) note_node(c, ns->attached.at[i]);
}

static void note_items(Complete *c, Item *const *item, int n) {
    for (int i = 0; i < n; i++) {
        if (item[i]->kind == ITEM_KERNEL) note_node(c, item[i]->kernel);
        else note_items(c, item[i]->items.at, item[i]->items.n);
    }
}

/* Does the kernel read n, be it through inline nodes? */
static bool node_needs(Complete *c, const Node *reader, const Node *n, int depth) {
    if (schedule_reads(reader, n)) return true;
    for (int i = 0; i < c->g->nodes.n && depth < c->g->nodes.n; i++) {
        const Node *x = c->g->nodes.at[i];
        bool through = c->s->of[i]->place == PLACE_INLINE && x->kind == NODE_COMP && x != reader &&
                       schedule_reads(reader, x);
        if (through && node_needs(c, x, n, depth + 1)) return true;
    }
    return false;
}

static bool kernel_needs(Complete *c, const NodeSchedule *ns, const Node *n) {
    if (node_needs(c, ns->node, n, 0)) return true;
    for (int i = 0; i < ns->attached.n; i++)
        if (kernel_needs(c, ns->attached.at[i], n)) return true;
    return false;
}

static bool item_needs(Complete *c, const Item *item, const Node *n) {
    if (item->kind == ITEM_KERNEL) return kernel_needs(c, item->kernel, n);
    for (int i = 0; i < item->items.n; i++)
        if (item_needs(c, item->items.at[i], n)) return true;
    return false;
}

/* Of a recurrence, all members count. */
static bool item_needs_any(Complete *c, const Item *item, const Node *n) {
    if (!n->component) return item_needs(c, item, n);
    for (int i = 0; i < c->g->nodes.n; i++) {
        const Node *m = c->g->nodes.at[i];
        if (m->component == n->component && item_needs(c, item, m)) return true;
    }
    return false;
}

static int first_that_needs(Complete *c, const Items *items, const Node *n) {
    int i = 0;
    while (i < items->n && !item_needs_any(c, items->at[i], n)) i++;
    return i;
}

static void insert(Complete *c, Items *to, int at, Item *item) {
    PUSH(c->arena, *to, item);
    for (int i = to->n - 1; i > at; i--) to->at[i] = to->at[i - 1];
    to->at[at] = item;
}

static Item *kernel_item(Complete *c, NodeSchedule *ns) {
    Item *item = NEW(c->arena, Item);
    item->kind = ITEM_KERNEL;
    item->kernel = ns;
    return item;
}

static bool samples_of_its_own(Complete *c, const Item *item, const Node *n) {
    if (item->kind == ITEM_KERNEL) return reading_of(item->kernel->node, n).own_samples;
    for (int i = 0; i < item->items.n; i++)
        if (!samples_of_its_own(c, item->items.at[i], n)) return false;
    return true;
}

static void note_needed(Complete *c, const Node *n, bool *needed) {
    if (needed[n->id]) return;
    needed[n->id] = true;
    Node **reads;
    int k = node_reads(c->arena, n, &reads);
    for (int i = 0; i < k; i++) note_needed(c, reads[i], needed);
}

static bool computes_any(const NodeSchedule *ns, const bool *needed) {
    if (needed[ns->node->id]) return true;
    for (int i = 0; i < ns->attached.n; i++)
        if (computes_any(ns->attached.at[i], needed)) return true;
    return false;
}

static bool item_computes_any(const Item *item, const bool *needed) {
    if (item->kind == ITEM_KERNEL) return computes_any(item->kernel, needed);
    for (int i = 0; i < item->items.n; i++)
        if (item_computes_any(item->items.at[i], needed)) return true;
    return false;
}

/* Behind the last item that n depends on. */
static int after_needed(Complete *c, const Items *items, const Node *n) {
    bool *needed = NEW_ARRAY(c->arena, bool, c->g->nodes.n);
    note_needed(c, n, needed);
    int i = items->n;
    while (i > 0 && !item_computes_any(items->at[i - 1], needed)) i--;
    return i;
}

static void place_plain(Complete *c, NodeSchedule *ns, Item *item) {
    Items *items = (Items *)&c->s->items;
    for (;;) {
        int i = first_that_needs(c, items, ns->node);
        if (i == items->n && !graph_updated_by(c->g, ns->node))
            i = after_needed(c, items, ns->node);
        Item *at = i < items->n ? items->at[i] : NULL;
        bool inside = at && at->kind == ITEM_LOOP && !at->scan && ns->node->batched &&
                      samples_of_its_own(c, at, ns->node);
        if (!inside) {
            insert(c, items, i, item);
            return;
        }
        items = (Items *)&at->items;
    }
}

static int component_of(const Item *item) {
    while (item->kind == ITEM_LOOP && item->items.n) item = item->items.at[0];
    return item->kind == ITEM_KERNEL ? item->kernel->node->component : 0;
}

static Item *find_scan(const Items *items, int component) {
    for (int i = 0; i < items->n; i++) {
        Item *x = items->at[i];
        if (x->kind != ITEM_LOOP) continue;
        if (x->scan && component_of(x) == component) return x;
        Item *inner = find_scan((const Items *)&x->items, component);
        if (inner) return inner;
    }
    return NULL;
}

/* Within a step members follow the graph's order. */
static void place_in_scan(Complete *c, NodeSchedule *ns) {
    Item *scan = find_scan((const Items *)&c->s->items, ns->node->component);
    if (!scan) {
        scan = NEW(c->arena, Item);
        scan->kind = ITEM_LOOP;
        scan->scan = true;
        scan->step = 1;
        place_plain(c, ns, scan);
    }
    int at = 0;
    while (at < scan->items.n && scan->items.at[at]->kind == ITEM_KERNEL &&
           scan->items.at[at]->kernel->node->id < ns->node->id)
        at++;
    insert(c, (Items *)&scan->items, at, kernel_item(c, ns));
}

static void place(Complete *c, NodeSchedule *ns) {
    if (c->placed[ns->node->id] || ns->place == PLACE_INLINE) return;
    c->placed[ns->node->id] = true;
    ns->stored = true;
    if (ns->node->component) place_in_scan(c, ns);
    else place_plain(c, ns, kernel_item(c, ns));
}

/* --- memory --- */

static Layout given_layout(const Schedule *s, const Layouts *l, const Node *n) {
    Stored *stored = graph_updated_by(s->graph, n);
    if (graph_is_output(s->graph, n)) return layout_rows(n->rank, n->shape, 1);
    if (stored) return l->stored[stored_number(s->graph->program, stored)];
    return layout_rows(n->rank, n->shape, PAD);
}

void schedule_complete(Schedule *s, const Layouts *l) {
    Graph *g = s->graph;
    Complete c = {s, g, g->program->arena, NEW_ARRAY(g->program->arena, bool, g->nodes.n + 1)};
    note_items(&c, s->items.at, s->items.n);
    for (int i = g->nodes.n - 1; i >= 0; i--) {
        NodeSchedule *ns = s->of[i];
        if (ns->node->kind != NODE_COMP) continue;
        ns->layout = given_layout(s, l, ns->node);
        if (!graph_updated_by(g, ns->node)) place(&c, ns);
    }
    for (int i = 0; i < g->n_updates; i++)
        if (g->update[i].next->kind == NODE_COMP) place(&c, s->of[g->update[i].next->id]);
}
