/* choose_updates.c: what the caller and stored tensors receive.
 *
 * Before order, `materialise` gives outputs and updates nodes of their own that a kernel can write
 * where they belong. Before all else that is chosen, updates get an order in which each may
 * overwrite the old value of its tensor.
 */
#include "choose_parts.h"
#include <string.h>

static bool is_written_already(const Graph *g, const Node *n, int outputs, int updates) {
    for (int i = 0; i < outputs; i++)
        if (g->output[i].node == n) return true;
    for (int i = 0; i < updates; i++)
        if (g->update[i].next == n) return true;
    return n->kind != NODE_COMP;
}

static bool is_read(const Graph *g, const Node *n) {
    for (int i = 0; i < g->nodes.n; i++) {
        Node **reads;
        int k = node_reads(g->program->arena, g->nodes.at[i], &reads);
        while (k > 0)
            if (reads[--k] == n) return true;
    }
    return false;
}

/* Outputs lie in the caller's memory, which has no room for vectors to run over: what others read
 * is not there. */
void materialise(Graph *g) {
    for (int i = 0; i < g->n_outputs; i++) {
        Node *n = g->output[i].node;
        if (is_written_already(g, n, i, 0) || is_read(g, n))
            g->output[i].node = graph_copy(g, g->output[i].name, n);
    }
    for (int i = 0; i < g->n_updates; i++) {
        Node *n = g->update[i].next;
        bool in_place = !is_written_already(g, n, g->n_outputs, i) && n->scan < 0;
        if (!in_place) g->update[i].next = graph_copy(g, g->update[i].stored->ident, n);
    }
    graph_sort(g);
}

/* --- updates in place --- */

typedef struct ReadThrough {
    const Graph *graph;
    const Node *of;
    bool found;
    Map *seen;
} ReadThrough;

/* Is it read, be it through what may be computed together with the reader? */
static void note_through(void *context, Expr *e) {
    ReadThrough *r = context;
    if (e->op != OP_READ || r->found) return;
    const Node *n = e->node;
    if (n == r->of) {
        r->found = true;
    } else if (!map_get(r->seen, n) && n->kind == NODE_COMP && n->reduce == REDUCE_NONE &&
               !n->batched && !graph_updated_by(r->graph, n)) {
        map_set(r->seen, n, r);
        e_visit(n->body, note_through, r);
    }
}

static bool reads_through(const Graph *g, const Node *reader, const Node *of) {
    ReadThrough r = {g, of, false, map_new(g->program->arena)};
    if (of && reader != of) e_visit(reader->body, note_through, &r);
    return r.found;
}

static Node *old_value(const Graph *g, const Stored *s) {
    for (int i = 0; i < g->nodes.n; i++)
        if (g->nodes.at[i]->kind == NODE_STORED && g->nodes.at[i]->stored == s)
            return g->nodes.at[i];
    return NULL;
}

/* May update i be next: does it read no update that is to come and is its old value done with? */
static bool is_next(const Graph *g, const struct Update *u, const bool *taken, int n, int i,
                    bool old_values_too) {
    for (int j = 0; j < n; j++) {
        if (j == i || taken[j]) continue;
        if (reads_through(g, u[i].next, u[j].next)) return false;
        if (old_values_too && reads_through(g, u[j].next, old_value(g, u[i].stored)))
            return false;
    }
    return true;
}

/* An order of updates in which each comes after what reads the old value of its tensor, and after
 * the updates that it reads; where there is none, an update keeps its value apart until the end. */
void choose_update_order(Graph *g) {
    Arena *a = g->program->arena;
    int n = g->n_updates, done = 0;
    struct Update *u = NEW_ARRAY(a, struct Update, n + 1);
    bool *taken = NEW_ARRAY(a, bool, n + 1);
    Map *kept = map_new(a);
    struct Update *ordered = NEW_ARRAY(a, struct Update, n + 1);
    if (n) memcpy(u, g->update, sizeof *u * (size_t)n);
    while (done < n) {
        int pick = -1, apart = -1;
        for (int i = 0; i < n && pick < 0; i++) {
            if (taken[i]) continue;
            if (is_next(g, u, taken, n, i, true)) pick = i;
            else if (apart < 0 && is_next(g, u, taken, n, i, false)) apart = i;
        }
        if (pick < 0 && apart < 0) die("the updates of %s wait for each other", g->name);
        if (pick < 0 && !map_get(kept, u[apart].stored)) {
            map_set(kept, u[apart].stored, u);
            u[apart].next = graph_copy(g, u[apart].stored->ident, u[apart].next);
            g->update[apart].next = u[apart].next;
            continue;
        }
        if (pick < 0) pick = apart;
        taken[pick] = true;
        ordered[done++] = u[pick];
    }
    if (n) memcpy(g->update, ordered, sizeof *ordered * (size_t)n);
    graph_sort(g);
}
