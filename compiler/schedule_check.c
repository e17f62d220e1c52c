/* schedule_check.c: is a schedule legal? Its places here; loops, flow of data and memory in the
 * files beside. A schedule without fault can be lowered and computes what the graph means. */
#include "schedule_text.h"

void schedule_fault(ScheduleCheck *c, const NodeSchedule *ns, int loop, const char *format, ...) {
    Text t = {.arena = c->arena};
    va_list args;
    va_start(args, format);
    text_addv(&t, format, args);
    va_end(args);
    c->good = false;
    c->report(c->context, ns, loop, t.at);
}

/* --- inline nodes --- */

static bool check_inline(ScheduleCheck *c) {
    bool good = true;
    for (int i = 0; i < c->g->nodes.n; i++) {
        const NodeSchedule *ns = c->s->of[i];
        if (ns->node->kind != NODE_COMP || ns->place != PLACE_INLINE) continue;
        const char *name = ns->node->name;
        bool before = c->good;
        c->good = true;
        if (ns->node->reduce != REDUCE_NONE)
            schedule_fault(c, ns, -1, "%s is a reduction: it cannot be inline", name);
        else if (graph_is_result(c->g, ns->node))
            schedule_fault(c, ns, -1, "%s is an output or an update: it cannot be inline", name);
        if (ns->loops.n || ns->attached.n)
            schedule_fault(c, ns, -1, "%s is inline: it has no loops", name);
        good &= c->good;
        c->good &= before;
    }
    if (good) c->part = schedule_inline(c->arena, c->s);
    for (int i = 0; i < c->g->nodes.n && good; i++) {
        const Node *n = c->g->nodes.at[i];
        if (n->kind != NODE_COMP || c->part[i].body) continue;
        schedule_fault(c, c->s->of[i], -1, "%s is in a recurrence of inline nodes only", n->name);
        good = false;
    }
    return good;
}

/* --- places --- */

typedef struct Walk {
    ScheduleCheck *c;
    int order;
    VEC(const Item *) loops;
} Walk;

static void place_node(Walk *w, NodeSchedule *ns, NodeSchedule *root) {
    ScheduleCheck *c = w->c;
    const Node *n = ns->node;
    struct Where *at = &c->where[n->id];
    if (n->kind != NODE_COMP || c->s->of[n->id] != ns) die("%s: not its own schedule", n->name);
    if (at->root) {
        schedule_fault(c, ns, -1, "%s is computed in two places", n->name);
        return;
    }
    at->root = root;
    at->order = w->order;
    for (int i = 0; i < w->loops.n; i++) PUSH(c->arena, at->loops, w->loops.at[i]);
    if (ns->place != (ns == root ? PLACE_KERNEL : PLACE_ATTACHED))
        schedule_fault(c, ns, -1, "%s has another place too", n->name);
    for (int i = 0; i < ns->attached.n; i++) {
        NodeSchedule *x = ns->attached.at[i];
        if (x->host != ns || x->depth < 0 || x->depth > ns->loops.n)
            schedule_fault(c, x, -1, "%s is attached after %d loops of %s, which has %d",
                           x->node->name, x->depth, n->name, ns->loops.n);
        else place_node(w, x, root);
    }
}

static void check_scan_member(Walk *w, const Item *scan, const NodeSchedule *ns, int *component) {
    int own = ns->node->component;
    if (!*component) *component = own;
    if (own && own == *component) return;
    schedule_fault(w->c, ns, -1, "%s is no member of %s", ns->node->name,
                   own ? "this recurrence" : "a recurrence");
}

static void place_items(Walk *w, Item *const *item, int n) {
    ScheduleCheck *c = w->c;
    const Item *scan = NULL;
    for (int i = 0; i < w->loops.n; i++)
        if (w->loops.at[i]->scan) scan = w->loops.at[i];
    int component = 0;
    for (int i = 0; i < n; i++) {
        const Item *x = item[i];
        if (x->kind == ITEM_KERNEL) {
            if (scan) check_scan_member(w, scan, x->kernel, &component);
            w->order++;
            place_node(w, x->kernel, x->kernel);
            continue;
        }
        for (int j = 0; j < w->loops.n; j++)
            if (w->loops.at[j]->scan == x->scan)
                schedule_fault(c, NULL, -1, x->scan ? "a scan within a scan"
                                                    : "a loop over samples within another");
        if (x->scan && (!x->items.n || x->items.at[0]->kind != ITEM_KERNEL))
            schedule_fault(c, NULL, -1, "a scan must begin with a kernel of its recurrence");
        PUSH(c->arena, w->loops, x);
        place_items(w, x->items.at, x->items.n);
        w->loops.n--;
    }
}

/* The one scan around a node, or null. */
static const Item *scan_of(const struct Where *at) {
    for (int i = 0; i < at->loops.n; i++)
        if (at->loops.at[i]->scan) return at->loops.at[i];
    return NULL;
}

static void check_recurrence(ScheduleCheck *c, const Node *n) {
    const Item *scan = scan_of(&c->where[n->id]);
    if (!scan) {
        schedule_fault(c, c->s->of[n->id], -1, "%s is in a recurrence: it belongs in a scan",
                       n->name);
        return;
    }
    for (int i = 0; i < n->id; i++) {
        const Node *m = c->g->nodes.at[i];
        if (m->component != n->component || !c->where[i].root) continue;
        if (scan_of(&c->where[i]) != scan)
            schedule_fault(c, c->s->of[n->id], -1, "%s and %s belong in one scan", m->name,
                           n->name);
        return;
    }
}

static void check_places(ScheduleCheck *c) {
    Walk w = {.c = c};
    place_items(&w, c->s->items.at, c->s->items.n);
    for (int i = 0; i < c->g->nodes.n; i++) {
        const NodeSchedule *ns = c->s->of[i];
        const Node *n = ns->node;
        if (n->kind != NODE_COMP || ns->place == PLACE_INLINE) continue;
        if (!c->where[i].root)
            schedule_fault(c, ns, -1, "%s has no place", n->name);
        else if (ns->place == PLACE_KERNEL && !ns->stored)
            schedule_fault(c, ns, -1, "%s is a kernel: it must be in memory", n->name);
        else if (n->component) check_recurrence(c, n);
    }
}

bool schedule_check(const Schedule *s, const Layouts *l, ScheduleReport *report, void *context) {
    Graph *g = s->graph;
    Arena *a = arena_new();
    ScheduleCheck c = {.s = s, .layouts = l, .g = g, .pool = g->program->pool, .arena = a,
                       .report = report, .context = context, .good = true};
    c.where = NEW_ARRAY(a, struct Where, g->nodes.n + 1);
    if (check_inline(&c)) check_places(&c);
    for (int i = 0; i < g->nodes.n && c.good; i++)
        if (c.where[i].root) schedule_check_loops(&c, s->of[i]);
    if (c.good) schedule_check_memory(&c);
    if (c.good) schedule_check_flow(&c);
    arena_free(a);
    return c.good;
}
