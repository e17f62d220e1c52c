/* graph.c: graphs: making nodes, and what reads what. graph_sort.c puts them in order. */
#include "graph.h"
#include <ctype.h>
#include <string.h>

const char *const reduce_names[N_REDUCES] = {
#define X(name, text) text,
    REDUCES(X)
#undef X
};

Graph *graph_new(Program *p, const char *name, long batch) {
    Graph *g = NEW(p->arena, Graph);
    g->program = p;
    g->name = arena_strdup(p->arena, name);
    g->batch = batch;
    g->names = names_new(p->arena);
    return g;
}

/* --- names --- */

static bool is_keyword(const char *s) {
    static const char *const words[] = {
        "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else",
        "enum", "extern", "float", "for", "goto", "if", "inline", "int", "long", "register",
        "restrict", "return", "short", "signed", "sizeof", "static", "struct", "switch",
        "typedef", "union", "unsigned", "void", "volatile", "while", "main", "asm", "typeof"};
    for (int i = 0; i < COUNT_OF(words); i++) {
        if (!strcmp(s, words[i])) return true;
    }
    return false;
}

static char *identifier(Arena *a, const char *name) {
    bool digit = isdigit((unsigned char)name[0]) || !name[0];
    char *s = arena_printf(a, "%s%s", digit ? "_" : "", name);
    for (char *c = s; *c; c++) {
        if (!isalnum((unsigned char)*c)) *c = '_';
    }
    return is_keyword(s) ? arena_printf(a, "%s_", s) : s;
}

/* name, or name_2, name_3, ...: the map says which number came last. */
static const char *unique_name(Graph *g, const char *name) {
    Arena *a = g->program->arena;
    const char *base = identifier(a, name ? name : "t"), *s = base;
    uintptr_t n = (uintptr_t)names_get(g->names, base);
    while (names_get(g->names, s)) s = arena_printf(a, "%s_%d", base, (int)++n);
    if (s != base) names_set(g->names, base, (void *)n);
    names_set(g->names, s, (void *)1);
    return s;
}

/* --- nodes --- */

static Node *new_node(Graph *g, NodeKind kind, const char *name, Type type, int rank,
                      const long *shape) {
    if (rank < 0 || rank > MAX_RANK) die("%s has rank %d", name, rank);
    Node *n = NEW(g->program->arena, Node);
    n->kind = kind;
    n->name = unique_name(g, name);
    n->type = type;
    n->rank = rank;
    n->scan = -1;
    for (int i = 0; i < rank; i++) n->shape[i] = shape[i];
    n->id = g->nodes.n;
    PUSH(g->program->arena, g->nodes, n);
    return n;
}

void graph_vars(Graph *g, Node *n) {
    static const char *const names[MAX_RANK] = {"i", "j", "k", "l", "p", "q", "r", "s"};
    for (int i = 0; i < n->rank; i++) {
        const char *name = n->batched ? i ? names[i - 1] : "n" : names[i];
        n->var[i] = var_new(g->program->pool, name, n->shape[i]);
        n->var[i]->batch = n->batched && i == 0;
    }
}

Node *graph_comp(Graph *g, const char *name, Type type, int rank, const long *shape,
                 bool batched) {
    Node *n = new_node(g, NODE_COMP, name, type, rank, shape);
    n->batched = batched;
    if (batched && (rank == 0 || shape[0] != g->batch)) die("%s has no sample axis", n->name);
    graph_vars(g, n);
    return n;
}

Node *graph_copy(Graph *g, const char *name, Node *of) {
    Node *n = graph_comp(g, name, of->type, of->rank, of->shape, of->batched);
    Expr *index[MAX_RANK];
    for (int i = 0; i < of->rank; i++) index[i] = e_var(g->program->pool, n->var[i]);
    n->body = e_read(g->program->pool, of, index, of->rank);
    return n;
}

Var *node_var(const Node *n, int i) {
    return i < n->rank ? n->var[i] : n->rvar[i - n->rank];
}

const Level *node_lanes(const Node *n) {
    for (int i = 0; i < n->n_levels; i++)
        if (n->levels[i].kind == LEVEL_LANES) return &n->levels[i];
    return NULL;
}

bool node_sums_blocks(const Node *n, long samples) {
    if (n->reduce != REDUCE_SUM || n->init || n->batched || n->n_levels < 2) return false;
    const Level *block = &n->levels[0], *lanes = &n->levels[1];
    return block->kind == LEVEL_SEQ && block->var->batch && block->div == samples &&
           lanes->kind == LEVEL_LANES && lanes->var == block->var && lanes->count == samples;
}

bool node_same_shape(const Node *a, const Node *b) {
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->shape[i] != b->shape[i]) return false;
    return true;
}

double node_elements(const Node *n) {
    double elements = 1;
    for (int i = 0; i < n->rank; i++) elements *= (double)n->shape[i];
    return elements;
}

double node_terms(const Node *n) {
    double terms = 1;
    for (int i = 0; i < n->n_rvars; i++) terms *= (double)(n->rvar[i]->hi + 1);
    return terms;
}

bool node_is_own_index(const Node *n, const Expr *read) {
    if (read->n != n->rank) return false;
    for (int i = 0; i < n->rank; i++) {
        const Expr *e = read->arg[i];
        bool same = e->op == OP_VAR ? e->var == n->var[i] : is_int(e, 0) && n->shape[i] == 1;
        if (!same) return false;
    }
    return true;
}

void node_visit(const Node *n, void (*f)(void *context, Expr *e), void *context) {
    Expr *part[] = {n->body, n->guard, n->init};
    for (int i = 0; i < COUNT_OF(part); i++)
        if (part[i]) e_visit(part[i], f, context);
}

Node *graph_input(Graph *g, const char *name, Type type, int rank, const long *shape,
                  bool batched) {
    Node *n = new_node(g, NODE_INPUT, name, type, rank, shape);
    n->batched = batched;
    PUSH(g->program->arena, g->inputs, n);
    return n;
}

Node *graph_stored(Graph *g, Stored *s) {
    for (int i = 0; i < g->nodes.n; i++) {
        Node *n = g->nodes.at[i];
        if (n->kind == NODE_STORED && n->stored == s) return n;
    }
    Node *n = new_node(g, NODE_STORED, s->ident, T_F32, s->rank, s->shape);
    n->stored = s;
    return n;
}

Node *graph_grad(Graph *g, Node *of) {
    for (int i = 0; i < g->nodes.n; i++) {
        Node *n = g->nodes.at[i];
        if (n->kind == NODE_GRAD && n->of == of) return n;
    }
    char *name = arena_printf(g->program->arena, "d_%s", of->name);
    Node *n = new_node(g, NODE_GRAD, name, T_F32, of->rank, of->shape);
    n->batched = of->batched;
    n->of = of;
    return n;
}

/* Room for one more; what is full, at a power of two, doubles. */
static void *grown(Graph *g, void *old, int n, size_t size) {
    if (n & (n - 1)) return old;
    void *at = arena_alloc(g->program->arena, size * (size_t)(2 * n + 1));
    if (n) memcpy(at, old, size * (size_t)n);
    return at;
}

void graph_output(Graph *g, const char *name, Node *n) {
    g->output = grown(g, g->output, g->n_outputs, sizeof *g->output);
    g->output[g->n_outputs++] = (struct Output){name, n};
}

void graph_update(Graph *g, Stored *s, Node *next) {
    g->update = grown(g, g->update, g->n_updates, sizeof *g->update);
    g->update[g->n_updates++] = (struct Update){s, next};
}

Node *graph_find_output(Graph *g, const char *name) {
    for (int i = 0; i < g->n_outputs; i++) {
        if (!strcmp(g->output[i].name, name)) return g->output[i].node;
    }
    return NULL;
}

/* --- reads --- */

typedef struct Reads {
    Arena *arena;
    VEC(Node *) found;
} Reads;

static void add_read(void *context, Expr *e) {
    Reads *r = context;
    if (e->op != OP_READ) return;
    for (int i = 0; i < r->found.n; i++) {
        if (r->found.at[i] == e->node) return;
    }
    PUSH(r->arena, r->found, e->node);
}

/* What only a derivative of its own reads counts too, but for the node itself: that is no
 * recurrence. */
static void add_custom(Reads *r, const Node *n) {
    Reads own = {.arena = r->arena};
    for (int i = 0; i < n->n_custom; i++) {
        e_visit(n->custom[i].arg, add_read, &own);
        e_visit(n->custom[i].by, add_read, &own);
    }
    for (int i = 0; i < own.found.n; i++) {
        Expr read = {.op = OP_READ, .node = own.found.at[i]};
        if (read.node != n) add_read(r, &read);
    }
}

int node_reads(Arena *a, const Node *n, Node ***out) {
    Reads r = {.arena = a};
    if (n->kind == NODE_GRAD) PUSH(a, r.found, n->of);
    if (n->kind == NODE_COMP) {
        if (n->guard) e_visit(n->guard, add_read, &r);
        if (n->body && !is_false(n->guard)) e_visit(n->body, add_read, &r);
        if (n->init) e_visit(n->init, add_read, &r);
        add_custom(&r, n);
    }
    *out = r.found.at;
    return r.found.n;
}

bool graph_is_output(const Graph *g, const Node *n) {
    for (int i = 0; i < g->n_outputs; i++)
        if (g->output[i].node == n) return true;
    return false;
}

int graph_update_number(const Graph *g, const Node *n) {
    for (int i = 0; i < g->n_updates; i++)
        if (g->update[i].next == n) return i;
    return -1;
}

Stored *graph_updated_by(const Graph *g, const Node *n) {
    int i = graph_update_number(g, n);
    return i < 0 ? NULL : g->update[i].stored;
}

bool graph_is_result(const Graph *g, const Node *n) {
    return graph_is_output(g, n) || graph_updated_by(g, n);
}

int node_component(const Graph *g, const Node *n) { return n->component; }
