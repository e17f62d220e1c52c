/* schedule_text.c: a schedule from text (schedule.h): a recursive descent, and what the text leaves
 * open.
 *
 * Requires: frozen graphs. Establishes: a schedule for each function that the text mentions, one
 * that schedule_check finds no fault with. After a mistake in the form of a statement the text is
 * skipped to the next one; unknown names are told and read over.
 */
#include "schedule_parse.h"
#include <string.h>

enum { DEEPEST = 32 };

static Var *var_named(ScheduleParse *p, const Node *n, const char *name, Span at) {
    Names names = {0};
    for (int i = 0; i < n->rank + n->n_rvars; i++) {
        Var *v = node_var(n, i);
        if (!strcmp(v->name, name)) return v;
        PUSH(p->arena, names, v->name);
    }
    diag_error(p->diags, at, "%s has no variable `%s`%s", n->name, name, sp_hint(p, name, &names));
    return NULL;
}

/* --- kernels --- */

static NodeSchedule *schedule_for(ScheduleParse *p, const Token *t, Place place) {
    Node *n = sp_node(p, t, true);
    NodeSchedule *ns = NEW(p->arena, NodeSchedule);
    ns->node = n;
    ns->place = place;
    ns->stored = place == PLACE_KERNEL;
    for (int i = 0; n && i < p->marks.n; i++) {
        if (p->marks.at[i]->ns->node != n) continue;
        Diag *d = diag_error(p->diags, t->span, "%s has a place already", n->name);
        diag_note(p->diags, d, p->marks.at[i]->span, "here");
        return ns;
    }
    Mark *m = NEW(p->arena, Mark);
    m->ns = ns;
    m->span = t->span;
    if (n) PUSH(p->arena, p->marks, m);
    return ns;
}

static void mark_loop(ScheduleParse *p, const NodeSchedule *ns, Span at) {
    for (int i = 0; i < p->marks.n; i++)
        if (p->marks.at[i]->ns == ns) PUSH(p->arena, p->marks.at[i]->loops, at);
}

/* [NODE.]VAR[+VAR] [STEP] [peel] */
static bool parse_loop(ScheduleParse *p, NodeSchedule *ns, LoopKind kind) {
    const Token *name, *skew = NULL;
    if (!sp_name(p, "a variable", &name)) return false;
    if (sp_accept(p, "+") && !sp_name(p, "a variable", &skew)) return false;
    LoopSpec x = {.kind = kind, .node = ns->node, .step = 1};
    if (sp_now(p)->kind == TOKEN_NUMBER && !sp_number(p, "a step", &x.step)) return false;
    x.peel = sp_accept(p, "peel");
    const char *var = name->text, *dot = strrchr(var, '.');
    if (dot) {
        const char *of = arena_strndup(p->arena, var, (size_t)(dot - var));
        x.node = sp_node(p, &(Token){.text = of, .span = name->span}, true);
        var = dot + 1;
    }
    if (!x.node) return true;
    x.var = var_named(p, x.node, var, name->span);
    if (skew) x.skew = var_named(p, x.node, skew->text, skew->span);
    if (kind == LOOP_LANE && x.step != 1)
        diag_error(p->diags, name->span,
                   "a lane loop has no step: it is as wide as the target's vectors");
    if (!x.var || (skew && !x.skew)) return true;
    PUSH(p->arena, ns->loops, x);
    mark_loop(p, ns, name->span);
    return true;
}

static bool parse_node_body(ScheduleParse *p, NodeSchedule *ns, int depth);

/* at NODE [store] [{ ... }] */
static bool parse_at(ScheduleParse *p, NodeSchedule *host, int depth) {
    const Token *name;
    if (!sp_name(p, "the node that is computed here", &name)) return false;
    NodeSchedule *ns = schedule_for(p, name, PLACE_ATTACHED);
    ns->host = host;
    ns->depth = host->loops.n;
    ns->stored = sp_accept(p, "store");
    if (ns->node) PUSH(p->arena, host->attached, ns);
    return parse_node_body(p, ns, depth + 1);
}

static int loop_kind(const Token *t) {
    int kind = 0;
    while (kind < N_LOOP_KINDS && !sp_is(t, loop_kind_names[kind])) kind++;
    return t->kind == TOKEN_NAME ? kind : N_LOOP_KINDS;
}

/* [{ LOOP... at... }] */
static bool parse_node_body(ScheduleParse *p, NodeSchedule *ns, int depth) {
    if (depth > DEEPEST) {
        diag_error(p->diags, sp_now(p)->span, "this is nested too deep");
        return false;
    }
    if (!sp_accept(p, "{")) return true;
    while (!sp_accept(p, "}")) {
        int kind = loop_kind(sp_now(p));
        if (kind < N_LOOP_KINDS) {
            sp_next(p);
            if (!parse_loop(p, ns, (LoopKind)kind)) return false;
        } else if (sp_accept(p, "at")) {
            if (!parse_at(p, ns, depth)) return false;
        } else {
            return sp_expected(p, "`for`, `unroll`, `lane`, `parallel`, `at` or `}`");
        }
    }
    return true;
}

/* --- items --- */

typedef VEC(Item *) Items;

static bool parse_items(ScheduleParse *p, Items *to, int depth);

static Item *add_item(ScheduleParse *p, Items *to) {
    Item *item = NEW(p->arena, Item);
    PUSH(p->arena, *to, item);
    return item;
}

static bool parse_kernel(ScheduleParse *p, Items *to) {
    const Token *name;
    if (!sp_name(p, "a node", &name)) return false;
    NodeSchedule *ns = schedule_for(p, name, PLACE_KERNEL);
    if (ns->node) {
        Item *item = add_item(p, to);
        item->kind = ITEM_KERNEL;
        item->kernel = ns;
    }
    return parse_node_body(p, ns, 0);
}

/* loop n STEP [parallel] { ... }, scan t { ... } */
static bool parse_shared(ScheduleParse *p, Items *to, bool scan, int depth) {
    const Token *name;
    Item *item = add_item(p, to);
    item->kind = ITEM_LOOP;
    item->scan = scan;
    item->step = 1;
    if (!sp_name(p, scan ? "a name for the step" : "a name for the samples", &name))
        return false;
    if (!scan && !sp_number(p, "a number of samples", &item->step)) return false;
    item->parallel = !scan && sp_accept(p, "parallel");
    if (depth > DEEPEST) {
        diag_error(p->diags, sp_now(p)->span, "this is nested too deep");
        return false;
    }
    if (!sp_expect(p, "{", "`{`")) return false;
    if (!parse_items(p, (Items *)&item->items, depth + 1)) return false;
    if (!sp_expect(p, "}", "`kernel`, `loop`, `scan` or `}`")) return false;
    if (!item->items.n) diag_error(p->diags, name->span, "there is nothing in this loop");
    return true;
}

static bool parse_items(ScheduleParse *p, Items *to, int depth) {
    for (;;) {
        bool good = true;
        if (sp_accept(p, "kernel")) good = parse_kernel(p, to);
        else if (sp_accept(p, "loop")) good = parse_shared(p, to, false, depth);
        else if (sp_accept(p, "scan")) good = parse_shared(p, to, true, depth);
        else return true;
        if (!good) return false;
    }
}

static bool parse_inline(ScheduleParse *p) {
    do {
        const Token *name;
        if (!sp_name(p, "a node", &name)) return false;
        schedule_for(p, name, PLACE_INLINE);
    } while (!sp_now(p)->first);
    return true;
}

/* --- functions --- */

enum { FUNCTIONS = 6 };

static Graph *graph_number(const Program *p, int i) {
    return (Graph *[FUNCTIONS]){p->init, p->prepare, p->train,
                                p->eval, p->predict, p->settle}[i];
}

static const Mark *mark_of(const ScheduleParse *p, const NodeSchedule *ns) {
    for (int i = 0; i < p->marks.n; i++)
        if (p->marks.at[i]->ns == ns) return p->marks.at[i];
    return NULL;
}

static void report_fault(void *context, const NodeSchedule *ns, int loop, const char *message) {
    ScheduleParse *p = context;
    const Mark *m = ns ? mark_of(p, ns) : NULL;
    Span at = m ? m->span : p->function;
    if (m && loop >= 0 && loop < m->loops.n) at = m->loops.at[loop];
    diag_error(p->diags, at, "%s", message);
}

/* The schedule that the text gives, with everything in place that it leaves out. */
static Schedule *finish_function(ScheduleParse *p) {
    Graph *g = p->graph;
    graph_sort(g);
    Schedule *s = schedule_new(g, p->target);
    for (int i = 0; i < p->marks.n; i++) {
        NodeSchedule *ns = p->marks.at[i]->ns;
        s->of[ns->node->id] = ns;
    }
    for (int i = 0; i < p->items.n; i++) PUSH(p->arena, s->items, p->items.at[i]);
    schedule_complete(s, p->layouts);
    for (int i = 0; i < g->nodes.n; i++) {
        const Node *n = g->nodes.at[i];
        const struct Given *given = map_get(p->layout, n);
        if (!given) continue;
        s->of[i]->layout = given->layout;
        if (!s->of[i]->stored)
            diag_error(p->diags, given->span, "%s is not in memory, so it has no layout", n->name);
    }
    schedule_check(s, p->layouts, report_fault, p);
    return s;
}

static void end_function(ScheduleParse *p, Schedule **by_function, int before) {
    if (!p->graph || diags_errors(p->diags) > before) return;
    Schedule *s = finish_function(p);
    for (int i = 0; i < FUNCTIONS && diags_errors(p->diags) == before; i++)
        if (graph_number(p->program, i) == p->graph) by_function[i] = s;
}

static bool begin_function(ScheduleParse *p, bool *begun) {
    const Token *name;
    if (!sp_name(p, "a function", &name)) return false;
    p->graph = NULL;
    p->function = name->span;
    p->marks.n = p->items.n = 0;
    p->layout = map_new(p->arena);
    Names names = {0};
    for (int i = 0; i < FUNCTIONS; i++) {
        Graph *g = graph_number(p->program, i);
        if (!g) continue;
        PUSH(p->arena, names, g->name);
        if (strcmp(g->name, name->text)) continue;
        if (begun[i]) diag_error(p->diags, name->span, "%s has been given before", name->text);
        begun[i] = true;
        p->graph = g;
    }
    if (!p->graph)
        diag_error(p->diags, name->span, "there is no function `%s`%s", name->text,
                   sp_hint(p, name->text, &names));
    return p->graph != NULL;
}

/* To the next line that begins a statement. */
static void recover(ScheduleParse *p) {
    static const char *const words[] = {"function", "layout", "copy", "inline",
                                        "kernel",   "loop",   "scan"};
    p->in_error = true;
    for (sp_next(p); sp_now(p)->kind != TOKEN_END; sp_next(p))
        for (int i = 0; sp_now(p)->first && i < COUNT_OF(words); i++)
            if (sp_is(sp_now(p), words[i])) return;
}

static bool parse_statement(ScheduleParse *p) {
    if (!p->graph && p->function.source) return false; /* an unknown one */
    if (p->in_error && sp_accept(p, "}")) return true;
    if (sp_accept(p, "layout")) return sp_layout(p);
    if (!p->graph) return sp_expected(p, "`function` or the layout of a stored tensor");
    if (sp_accept(p, "copy")) return sp_copy(p);
    if (sp_accept(p, "inline")) return parse_inline(p);
    int at = p->at;
    return parse_items(p, (Items *)&p->items, 0) &&
           (p->at > at || sp_expected(p, "`function`, `layout`, `copy`, `inline`, `kernel`, `loop` "
                                      "or `scan`"));
}

bool schedule_parse(Program *program, const Target *target, const char *file, const char *text,
                    Layouts *l, Schedule **by_function, Diags *d) {
    Arena *a = program->arena;
    ScheduleParse p = {.program = program, .target = target, .layouts = l, .diags = d, .arena = a};
    p.stored = map_new(a);
    bool begun[FUNCTIONS] = {false};
    int before = diags_errors(d);
    sp_tokenize(&p, source_new(a, d, file, text, strlen(text)));
    while (sp_now(&p)->kind != TOKEN_END) {
        bool good;
        if (sp_accept(&p, "function")) {
            end_function(&p, by_function, before);
            good = begin_function(&p, begun);
        } else {
            good = parse_statement(&p);
        }
        if (!good) recover(&p);
    }
    end_function(&p, by_function, before);
    return diags_errors(d) == before;
}
