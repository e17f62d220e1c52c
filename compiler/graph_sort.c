/* graph_sort.c: drop what nothing needs and put the rest in order.
 *
 * Requires: nodes with bodies. Establishes: each node reads only earlier ones, recurrences apart;
 * ids are positions; component, scan and scan_step are set; the order changes no more than it must;
 * the variables of a node have different names, so that dumps can be read.
 *
 * Tarjan's algorithm (1972), its stack made explicit, gives the strongly connected components in an
 * order in which each reads only earlier ones. For a recurrence an axis is looked for along which
 * all its reads of itself go the same way, by constant steps or to whichever steps before or after
 * a guard allows, and those by no step make no cycle: these order its nodes within a step.
 */
#include "graph.h"
#include <string.h>

typedef struct Sorter {
    Graph *g;
    Arena *arena;
    int n;
    Node **node;         /* as they were */
    Node ***reads;       /* of node i */
    int *n_reads;
    int *index, *low;    /* Tarjan's numbers, from 1 */
    bool *live, *on_stack;
    int *stack, top;
    int *frame, *next, depth; /* nodes being visited and which of their reads is next */
    int counter;
    int components; /* recurrences so far */
    Node **out;
    int n_out;
} Sorter;

static void mark_live(Sorter *s, Node *root) {
    if (s->live[root->id]) return;
    s->live[root->id] = true;
    s->top = 0;
    s->stack[s->top++] = root->id;
    while (s->top) {
        int i = s->stack[--s->top];
        for (int r = 0; r < s->n_reads[i]; r++) {
            int to = s->reads[i][r]->id;
            if (s->live[to]) continue;
            s->live[to] = true;
            s->stack[s->top++] = to;
        }
    }
}

/* --- the axis of a recurrence --- */

typedef struct Group {
    Sorter *s;
    Node **member;
    int n;
    int *axis;       /* by node id: -1 is not known yet */
    bool *in;        /* by node id */
    int up, down;    /* reads one way and the other */
    bool fits, news;
    Node *reader;
    Expr *given; /* what holds where it reads, or null */
    bool **same_step; /* by place: reader reads it at the same step */
    int *place;      /* by node id */
} Group;

/* The constant c where index = var + c. */
static bool offset_from(Pool *p, Expr *index, Var *v, long *c) {
    long coef;
    Expr *rest;
    if (v->lo == v->hi || !e_affine(p, index, v, &coef, &rest)) return false;
    *c = is_const(rest) ? (long)rest->num : 0;
    return coef == 1 && is_const(rest);
}

/* How far from step v an index stands: by a constant, or, where what is given orders them, by some
 * steps before or after, whose number does not matter. */
static bool steps_from(Group *w, Expr *index, Var *v, long *c) {
    Pool *p = w->s->g->program->pool;
    if (offset_from(p, index, v, c)) return true;
    if (!w->given || v->lo == v->hi || is_const(index)) return false;
    Expr *step = e_var(p, v);
    *c = -1;
    if (e_implies(p, w->given, e_op(p, OP_LT, index, step, NULL))) return true;
    *c = 1;
    return e_implies(p, w->given, e_op(p, OP_LT, step, index, NULL));
}

static void follow_read(void *context, Expr *e) {
    Group *w = context;
    if (e->op != OP_READ || !w->in[e->node->id]) return;
    Var *v = w->reader->var[w->axis[w->reader->id]];
    int *axis = &w->axis[e->node->id];
    long c;
    for (int b = 0; b < e->node->rank && *axis < 0; b++) {
        if (!steps_from(w, e->arg[b], v, &c)) continue;
        *axis = b;
        w->news = true;
    }
    if (*axis < 0 || !steps_from(w, e->arg[*axis], v, &c)) {
        w->fits = false;
        return;
    }
    w->up += c > 0;
    w->down += c < 0;
    if (c == 0) w->same_step[w->place[w->reader->id]][w->place[e->node->id]] = true;
}

static void follow_node(Group *w, Node *n) {
    w->reader = n;
    w->given = NULL;
    if (n->guard) e_visit(n->guard, follow_read, w);
    w->given = n->guard;
    if (n->body) e_visit(n->body, follow_read, w);
    w->given = NULL;
    if (n->init) e_visit(n->init, follow_read, w);
}

/* Members in an order in which those read at the same step come first; false if there is none. */
static bool order_step(Group *w, Node **order) {
    bool *done = NEW_ARRAY(w->s->arena, bool, w->n);
    for (int k = 0; k < w->n; k++) {
        int pick = -1;
        for (int i = 0; i < w->n && pick < 0; i++) {
            bool ready = !done[i];
            for (int j = 0; j < w->n && ready; j++) ready = done[j] || !w->same_step[i][j];
            if (ready) pick = i;
        }
        if (pick < 0) return false;
        done[pick] = true;
        order[k] = w->member[pick];
    }
    return true;
}

static bool try_axis(Group *w, int axis, Node **order) {
    for (int i = 0; i < w->n; i++) {
        w->axis[w->member[i]->id] = -1;
        memset(w->same_step[i], 0, sizeof(bool) * (size_t)w->n);
    }
    w->axis[w->member[0]->id] = axis;
    w->fits = w->news = true;
    while (w->news && w->fits) {
        w->news = false;
        w->up = w->down = 0;
        for (int i = 0; i < w->n && w->fits; i++) {
            if (w->axis[w->member[i]->id] >= 0) follow_node(w, w->member[i]);
        }
    }
    for (int i = 0; i < w->n; i++) w->fits &= w->axis[w->member[i]->id] >= 0;
    return w->fits && !(w->up && w->down) && order_step(w, order);
}

static void find_scan(Sorter *s, Node **member, int n) {
    for (int i = 1; i < n; i++) { /* as they were before */
        Node *m = member[i];
        int j = i;
        for (; j > 0 && m->id < member[j - 1]->id; j--) member[j] = member[j - 1];
        member[j] = m;
    }
    Group w = {.s = s, .member = member, .n = n};
    w.axis = NEW_ARRAY(s->arena, int, s->n);
    w.place = NEW_ARRAY(s->arena, int, s->n);
    w.in = NEW_ARRAY(s->arena, bool, s->n);
    w.same_step = NEW_ARRAY(s->arena, bool *, n);
    for (int i = 0; i < n; i++) {
        w.in[member[i]->id] = true;
        w.place[member[i]->id] = i;
        w.same_step[i] = NEW_ARRAY(s->arena, bool, n);
        if (member[i]->kind != NODE_COMP) die("%s depends on itself", member[i]->name);
    }
    Node **order = NEW_ARRAY(s->arena, Node *, n);
    bool found = false;
    for (int axis = 0; axis < member[0]->rank && !found; axis++) found = try_axis(&w, axis, order);
    if (!found) die("%s depends on itself, and no axis orders it", member[0]->name);
    s->components++;
    for (int i = 0; i < n; i++) {
        order[i]->component = s->components;
        order[i]->scan = w.axis[order[i]->id];
        order[i]->scan_step = w.up ? -1 : 1;
        s->out[s->n_out++] = order[i];
    }
}

/* --- strongly connected components --- */

static void pop_component(Sorter *s, int root) {
    int first = s->top;
    while (s->stack[--first] != root) continue;
    int n = s->top - first;
    bool cyclic = n > 1;
    for (int r = 0; r < s->n_reads[root]; r++) cyclic |= s->reads[root][r]->id == root;
    Node **member = NEW_ARRAY(s->arena, Node *, n);
    for (int i = 0; i < n; i++) {
        member[i] = s->node[s->stack[first + i]];
        s->on_stack[member[i]->id] = false;
        member[i]->component = member[i]->scan_step = 0;
        member[i]->scan = -1;
    }
    s->top = first;
    if (cyclic) {
        find_scan(s, member, n);
    } else {
        s->out[s->n_out++] = member[0];
    }
}

static void enter(Sorter *s, int i) {
    s->index[i] = s->low[i] = ++s->counter;
    s->stack[s->top++] = i;
    s->on_stack[i] = true;
    s->frame[s->depth] = i;
    s->next[s->depth++] = 0;
}

static void lower_to(Sorter *s, int i, int value) {
    if (value < s->low[i]) s->low[i] = value;
}

static void components_from(Sorter *s, int start) {
    enter(s, start);
    while (s->depth) {
        int i = s->frame[s->depth - 1], r = s->next[s->depth - 1]++;
        if (r < s->n_reads[i]) {
            int to = s->reads[i][r]->id;
            if (!s->index[to]) {
                enter(s, to);
            } else if (s->on_stack[to]) {
                lower_to(s, i, s->index[to]);
            }
            continue;
        }
        s->depth--;
        if (s->depth) lower_to(s, s->frame[s->depth - 1], s->low[i]);
        if (s->low[i] == s->index[i]) pop_component(s, i);
    }
}

static void sorter_init(Sorter *s, Graph *g) {
    int n = g->nodes.n;
    *s = (Sorter){.g = g, .arena = arena_new(), .n = n, .node = g->nodes.at};
    s->reads = NEW_ARRAY(s->arena, Node **, n);
    s->n_reads = NEW_ARRAY(s->arena, int, n);
    s->index = NEW_ARRAY(s->arena, int, n);
    s->low = NEW_ARRAY(s->arena, int, n);
    s->live = NEW_ARRAY(s->arena, bool, n);
    s->on_stack = NEW_ARRAY(s->arena, bool, n);
    s->stack = NEW_ARRAY(s->arena, int, n);
    s->frame = NEW_ARRAY(s->arena, int, n);
    s->next = NEW_ARRAY(s->arena, int, n);
    s->out = NEW_ARRAY(s->arena, Node *, n);
    for (int i = 0; i < n; i++) s->node[i]->id = i;
    for (int i = 0; i < n; i++) {
        s->n_reads[i] = node_reads(s->arena, s->node[i], &s->reads[i]);
        for (int r = 0; r < s->n_reads[i]; r++) {
            const Node *to = s->reads[i][r];
            if (to->id < 0 || to->id >= n || s->node[to->id] != to) {
                die("%s reads %s, which is not in the graph", s->node[i]->name, to->name);
            }
        }
    }
}

/* --- names of variables --- */

static Var *var_at(const Node *n, int i) { return i < n->rank ? n->var[i] : n->rvar[i - n->rank]; }

static bool name_taken(const Node *n, int end, const char *name) {
    for (int i = 0; i < end; i++) {
        if (!strcmp(var_at(n, i)->name, name)) return true;
    }
    return false;
}

static void tell_variables_apart(Arena *a, Node *n) {
    for (int i = 1; i < n->rank + n->n_rvars; i++) {
        Var *v = var_at(n, i);
        const char *name = v->name;
        for (int k = 2; name_taken(n, i, name); k++) name = arena_printf(a, "%s%d", v->name, k);
        v->name = name;
    }
}

void graph_sort(Graph *g) {
    Sorter s;
    sorter_init(&s, g);
    for (int i = 0; i < g->inputs.n; i++) mark_live(&s, g->inputs.at[i]);
    for (int i = 0; i < g->n_outputs; i++) mark_live(&s, g->output[i].node);
    for (int i = 0; i < g->n_updates; i++) mark_live(&s, g->update[i].next);
    for (int i = 0; i < s.n; i++) {
        if (s.live[i] && !s.index[i]) components_from(&s, i);
    }
    g->nodes.n = s.n_out;
    if (s.n_out) memcpy(g->nodes.at, s.out, sizeof *s.out * (size_t)s.n_out);
    for (int i = 0; i < s.n_out; i++) {
        Node *n = g->nodes.at[i];
        n->id = i;
        if (n->kind == NODE_COMP) tell_variables_apart(g->program->arena, n);
    }
    arena_free(s.arena);
}
