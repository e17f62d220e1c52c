/* schedule_print.c: a schedule as text (schedule.h). What the text leaves out has one meaning only,
 * so that reading it back gives the same schedule. */
#include "schedule_text.h"
#include <string.h>

typedef struct Print {
    Text *t;
    const Schedule *s;
} Print;

/* --- layouts --- */

static bool same_layout(const Layout *a, const Layout *b) {
    bool same = a->n == b->n && a->size == b->size && a->folded == b->folded;
    for (int i = 0; same && i < a->n; i++)
        same = a->piece[i].axis == b->piece[i].axis && a->piece[i].div == b->piece[i].div &&
               a->piece[i].count == b->piece[i].count && a->piece[i].stride == b->piece[i].stride;
    return same;
}

static void print_piece(Text *t, const Layout *l, const struct Piece *x, const long *shape) {
    bool outermost = true;
    for (int j = 0; j < l->n; j++)
        outermost &= l->piece[j].axis != x->axis || l->piece[j].div <= x->div;
    text_add(t, " %d", x->axis);
    if (x->div > 1) text_add(t, "/%ld", x->div);
    if (!outermost || l->folded == x->axis + 1) text_add(t, "%%%ld", x->count);
    else if (x->count != (shape[x->axis] + x->div - 1) / x->div)
        text_add(t, ":%ld", x->count * x->div);
}

void schedule_print_layout(Text *t, const Layout *l, const long *shape) {
    for (int i = 0; i < l->n; i++) print_piece(t, l, &l->piece[i], shape);
}

static void print_layout(Text *t, const char *kind, const char *name, const Layout *l,
                         const long *shape) {
    text_add(t, "layout %s%s", kind, name);
    schedule_print_layout(t, l, shape);
    text_add(t, "\n");
}

static bool touches(const Graph *g, const Stored *s) {
    for (int i = 0; i < g->nodes.n; i++)
        if (g->nodes.at[i]->kind == NODE_STORED && g->nodes.at[i]->stored == s) return true;
    for (int i = 0; i < g->n_updates; i++)
        if (g->update[i].stored == s) return true;
    return false;
}

/* Where a node of the function has the name too, `stored` tells which one is meant. */
static void print_stored_layouts(const Print *p, const Layouts *l) {
    const Graph *g = p->s->graph;
    for (int i = 0; i < l->n; i++) {
        const Stored *s = g->program->stored.at[i];
        const char *kind = "";
        for (int j = 0; j < g->nodes.n; j++)
            if (g->nodes.at[j]->kind == NODE_COMP && !strcmp(g->nodes.at[j]->name, s->name))
                kind = "stored ";
        if (touches(g, s)) print_layout(p->t, kind, s->name, &l->stored[i], s->shape);
    }
}

static void print_node_layouts(const Print *p) {
    const Graph *g = p->s->graph;
    for (int i = 0; i < g->nodes.n; i++) {
        const NodeSchedule *ns = p->s->of[i];
        const Node *n = ns->node;
        if (n->kind != NODE_COMP || !ns->stored || graph_is_result(g, n)) continue;
        Layout rows = layout_rows(n->rank, n->shape, PAD);
        if (!same_layout(&ns->layout, &rows))
            print_layout(p->t, "", n->name, &ns->layout, n->shape);
    }
}

/* --- copies and inline nodes --- */

static bool is_copy(const Print *p, const Node *n) {
    return schedule_copied(p->s->graph, n) && p->s->of[n->id]->place != PLACE_INLINE;
}

/* The readers of a copy are named where there are others of what it copies. */
static void print_copy(const Print *p, const Node *n, const Node *of) {
    const Graph *g = p->s->graph;
    bool others = false;
    for (int i = 0; i < g->nodes.n; i++)
        others |= g->nodes.at[i] != n && schedule_reads(g->nodes.at[i], of);
    text_add(p->t, "copy %s = %s%s", n->name, of->name, others ? " for" : "");
    for (int i = 0; i < g->nodes.n && others; i++) {
        const Node *reader = g->nodes.at[i];
        if (schedule_reads(reader, n) && !is_copy(p, reader)) text_add(p->t, " %s", reader->name);
    }
    text_add(p->t, "\n");
}

static void print_copies(const Print *p) {
    const Graph *g = p->s->graph;
    for (int i = 0; i < g->nodes.n; i++) {
        const Node *n = g->nodes.at[i];
        if (is_copy(p, n)) print_copy(p, n, schedule_copied(g, n));
    }
}

static void print_inlines(const Print *p) {
    const Graph *g = p->s->graph;
    for (int i = 0; i < g->nodes.n; i++)
        if (g->nodes.at[i]->kind == NODE_COMP && p->s->of[i]->place == PLACE_INLINE)
            text_add(p->t, "inline %s\n", g->nodes.at[i]->name);
}

/* --- kernels --- */

static void print_node(const Print *p, const NodeSchedule *ns, int indent);

static void print_attached(const Print *p, const NodeSchedule *ns, int depth, int indent) {
    for (int i = 0; i < ns->attached.n; i++) {
        const NodeSchedule *x = ns->attached.at[i];
        if (x->depth != depth) continue;
        text_add(p->t, "%*sat %s%s", indent, "", x->node->name, x->stored ? " store" : "");
        print_node(p, x, indent);
    }
}

static void print_loop(const Print *p, const NodeSchedule *ns, const LoopSpec *x, int indent) {
    Text *t = p->t;
    text_add(t, "%*s%s ", indent, "", loop_kind_names[x->kind]);
    if (x->node != ns->node) text_add(t, "%s.", x->node->name);
    text_add(t, "%s", x->var->name);
    if (x->skew) text_add(t, "+%s", x->skew->name);
    if (x->kind != LOOP_LANE && x->step != 1) text_add(t, " %ld", x->step);
    text_add(t, "%s\n", x->peel ? " peel" : "");
}

/* What follows the name: loops, and between them the nodes attached there. */
static void print_node(const Print *p, const NodeSchedule *ns, int indent) {
    if (!ns->loops.n && !ns->attached.n) {
        text_add(p->t, "\n");
        return;
    }
    text_add(p->t, " {\n");
    for (int i = 0; i <= ns->loops.n; i++) {
        print_attached(p, ns, i, indent + 2);
        if (i < ns->loops.n) print_loop(p, ns, &ns->loops.at[i], indent + 2);
    }
    text_add(p->t, "%*s}\n", indent, "");
}

static void print_items(const Print *p, Item *const *item, int n, int indent) {
    for (int i = 0; i < n; i++) {
        const Item *x = item[i];
        if (x->kind == ITEM_KERNEL) {
            text_add(p->t, "%*skernel %s", indent, "", x->kernel->node->name);
            print_node(p, x->kernel, indent);
            continue;
        }
        if (x->scan) text_add(p->t, "%*sscan t {\n", indent, "");
        else text_add(p->t, "%*sloop n %ld%s {\n", indent, "", x->step,
                      x->parallel ? " parallel" : "");
        print_items(p, x->items.at, x->items.n, indent + 2);
        text_add(p->t, "%*s}\n", indent, "");
    }
}

void schedule_print(Text *t, const Schedule *s, const Layouts *l) {
    Print p = {t, s};
    text_add(t, "function %s\n", s->graph->name);
    print_stored_layouts(&p, l);
    print_copies(&p);
    print_node_layouts(&p);
    print_inlines(&p);
    print_items(&p, s->items.at, s->items.n, 0);
}
