/* tune_candidates.c: schedules that differ a little from a given one (tune_parts.h).
 *
 * A change is one of loops: another step (so another register tile), two neighbors exchanged, a
 * loop unrolled or not, its edges apart or not, threads along another variable. What
 * schedule_check refuses is dropped, and what is left is in order of the predicted time.
 */
#include "cost.h"
#include "tune_parts.h"
#include <stdlib.h>
#include <string.h>

/* --- copies --- */

static NodeSchedule *at_node(const Schedule *s, const NodeSchedule *ns) {
    return ns ? s->of[ns->node->id] : NULL;
}

static Item *clone_item(Arena *a, const Schedule *to, const Item *x) {
    Item *y = NEW(a, Item);
    *y = *x;
    y->kernel = at_node(to, x->kernel);
    y->items.at = NULL;
    y->items.n = y->items.cap = 0;
    for (int i = 0; i < x->items.n; i++) PUSH(a, y->items, clone_item(a, to, x->items.at[i]));
    return y;
}

static void clone_node(Arena *a, const Schedule *to, NodeSchedule *y, const NodeSchedule *x) {
    *y = *x;
    y->host = at_node(to, x->host);
    y->loops.at = NULL;
    y->loops.n = y->loops.cap = 0;
    for (int i = 0; i < x->loops.n; i++) PUSH(a, y->loops, x->loops.at[i]);
    y->attached.at = NULL;
    y->attached.n = y->attached.cap = 0;
    for (int i = 0; i < x->attached.n; i++)
        PUSH(a, y->attached, at_node(to, x->attached.at[i]));
}

Schedule *schedule_clone(const Schedule *s) {
    Arena *a = s->graph->program->arena;
    Schedule *t = schedule_new(s->graph, s->target);
    for (int i = 0; i < s->graph->nodes.n; i++) clone_node(a, t, t->of[i], s->of[i]);
    for (int i = 0; i < s->items.n; i++) PUSH(a, t->items, clone_item(a, t, s->items.at[i]));
    return t;
}

/* --- candidates --- */

static int number_of(const LoopFunction *f, const Node *kernel) {
    for (int i = 0; i < f->routines.n; i++)
        if (!strcmp(f->routines.at[i]->name, kernel->name)) return i;
    die("%s is no kernel", kernel->name);
}

Candidate candidate_of(Arena *a, Schedule *s, const Layouts *l, const Node *kernel) {
    Candidate c = {.schedule = s};
    Text text = {.arena = a};
    schedule_print(&text, s, l);
    c.hash = hash_bytes(text.at, text.n, 1);
    c.function = lower(s, l);
    sections(c.function);
    plan(c.function);
    KernelCost *cost = cost_of(a, c.function);
    for (int i = 0; i < c.function->routines.n; i++)
        if (!kernel || i == number_of(c.function, kernel)) c.predicted += cost[i].seconds;
    return c;
}

static void ignore(void *context, const NodeSchedule *ns, int loop, const char *message) {}

typedef struct Neighbors {
    Arena *arena;
    const Schedule *from;
    const Layouts *layouts;
    const Node *kernel;
    double largest;
    Candidates *to;
} Neighbors;

static void propose(Neighbors *x, Schedule *s) {
    if (!schedule_check(s, x->layouts, ignore, NULL)) return;
    Candidate c = candidate_of(x->arena, s, x->layouts, x->kernel);
    for (int i = 0; i < x->to->n; i++)
        if (x->to->at[i].hash == c.hash) return;
    const Routine *r = c.function->routines.at[number_of(c.function, x->kernel)];
    if (loop_text_size(&r->body) <= x->largest) PUSH(x->arena, *x->to, c);
}

/* --- changes --- */

static void exchange(NodeSchedule *ns, int i, int j) {
    LoopSpec keep = ns->loops.at[i];
    ns->loops.at[i] = ns->loops.at[j];
    ns->loops.at[j] = keep;
}

static void other_steps(Neighbors *x, int id, int i) {
    static const double factor[] = {0.25, 1 / 3., 0.5, 2 / 3., 0.75, 1.5, 4 / 3., 2, 3, 4};
    long step = x->from->of[id]->loops.at[i].step, last = step;
    for (int k = 0; k < COUNT_OF(factor) + 2; k++) {
        long next = k < COUNT_OF(factor) ? (long)((double)step * factor[k] + 0.5)
                                         : step + (k == COUNT_OF(factor) ? 1 : -1);
        if (next < 1 || next == step || next == last) continue;
        Schedule *s = schedule_clone(x->from);
        s->of[id]->loops.at[i].step = last = next;
        propose(x, s);
    }
}

static void other_kinds(Neighbors *x, int id, int i) {
    LoopKind kind = x->from->of[id]->loops.at[i].kind;
    if (kind == LOOP_FOR || kind == LOOP_UNROLL) {
        Schedule *s = schedule_clone(x->from);
        s->of[id]->loops.at[i].kind = kind == LOOP_FOR ? LOOP_UNROLL : LOOP_FOR;
        propose(x, s);
        s = schedule_clone(x->from);
        s->of[id]->loops.at[i].peel ^= true;
        propose(x, s);
    }
    if (kind == LOOP_FOR && x->from->of[id]->loops.at[0].kind == LOOP_PARALLEL) {
        Schedule *s = schedule_clone(x->from);
        NodeSchedule *ns = s->of[id];
        ns->loops.at[0].kind = LOOP_FOR;
        ns->loops.at[i].kind = LOOP_PARALLEL;
        exchange(ns, 0, i);
        propose(x, s);
    }
}

static void other_orders(Neighbors *x, int id, int i) {
    const NodeSchedule *from = x->from->of[id];
    for (int j = i + 1; j < from->loops.n && j <= i + 2; j++) {
        if (from->loops.at[i].kind == LOOP_PARALLEL) continue;
        if (from->loops.at[j].kind == LOOP_LANE) continue;
        Schedule *s = schedule_clone(x->from);
        exchange(s->of[id], i, j);
        propose(x, s);
    }
}

static void other_loops(Neighbors *x, const NodeSchedule *ns) {
    for (int i = 0; i < ns->loops.n; i++) {
        if (ns->loops.at[i].kind == LOOP_LANE) continue;
        other_steps(x, ns->node->id, i);
        other_kinds(x, ns->node->id, i);
        other_orders(x, ns->node->id, i);
    }
    for (int i = 0; i < ns->attached.n; i++) other_loops(x, ns->attached.at[i]);
}

static int sooner(const void *a, const void *b) {
    double x = ((const Candidate *)a)->predicted, y = ((const Candidate *)b)->predicted;
    return (x > y) - (x < y);
}

void tune_neighbors(Arena *a, const Schedule *s, const Layouts *l, const Node *kernel,
                    Candidates *to) {
    enum { TEXT = 400 };
    Neighbors x = {.arena = a, .from = s, .layouts = l, .kernel = kernel, .to = to};
    Candidate own = candidate_of(a, schedule_clone(s), l, kernel);
    const Routine *r = own.function->routines.at[number_of(own.function, kernel)];
    x.largest = TEXT + 2 * loop_text_size(&r->body);
    PUSH(a, *to, own);
    other_loops(&x, schedule_of(s, kernel));
    qsort(to->at, (size_t)to->n, sizeof *to->at, sooner);
}
