/* compile.c: the way of a program through the passes. */
#include "choose.h"
#include "cost.h"
#include "passes.h"
#include "print.h"
#include <string.h>

typedef struct Phase {
    const char *name;
    void (*run)(Graph *g);
    void (*run_program)(Program *p); /* what concerns several graphs */
    bool rewrite; /* can be left out */
} Phase;

/* What happens to each graph, in this order; after the last it is frozen. */
static const Phase phases[] = {
    {"graph", NULL, NULL, false},
    {"views", rewrite_views, NULL, true},
    {"prepared", NULL, rewrite_prepared, true},
    {"increasing", rewrite_increasing, NULL, true},
    {"guards", rewrite_guards, NULL, true},
    {"values", rewrite_values, NULL, true},
    {"differentiate", differentiate, NULL, false},
    {"solve", solve_guards, NULL, false},
    {"views-again", rewrite_views, NULL, true},
    {"guards-again", rewrite_guards, NULL, true},
    {"factors", rewrite_factors, NULL, true},
    {"select", rewrite_select, NULL, true},
    {"algebra", rewrite_algebra, NULL, true},
    {"common", rewrite_common, NULL, true},
    {"steps", rewrite_steps, NULL, true},
    {"folds", rewrite_folds, NULL, true},
    {"merge", NULL, rewrite_merge, true},
    {"materialise", materialise, NULL, false},
    {"expand", expand, NULL, false},
    {"order", order, NULL, false},
};

const char *const dump_names[] = {
    "tree", "network", "graph", "views", "prepared", "increasing", "guards", "values",
    "differentiate", "solve", "views-again", "guards-again", "factors", "select", "algebra",
    "common", "steps", "folds", "merge", "materialise", "expand", "order", "schedule", "loops",
    "llvm", "asm"};
const int n_dump_names = COUNT_OF(dump_names);

static bool dumps(const CompileOptions *o, const char *stage) {
    return o->dump && !strcmp(o->dump, stage);
}

bool is_rewrite(const char *name) {
    for (int i = 0; i < COUNT_OF(phases); i++)
        if (phases[i].rewrite && !strcmp(phases[i].name, name)) return true;
    return false;
}

static bool is_needed(const Graph *g, int function) {
    return function != FUNCTION_SETTLE || g->n_updates;
}

bool compiled_has(const Compiled *x, int function) {
    return is_needed(x->function[function]->graph, function);
}

static void run_phase(const Phase *phase, Graph **graph, const CompileOptions *o) {
    bool left_out = o->without && !strcmp(o->without, phase->name);
    if (phase->run_program && !left_out) phase->run_program(graph[0]->program);
    for (int i = 0; i < N_FUNCTIONS; i++) {
        if (phase->run && !left_out) phase->run(graph[i]);
        graph_verify(graph[i], phase->name);
        if (dumps(o, phase->name) && is_needed(graph[i], i)) graph_print(o->dumped, graph[i]);
    }
}

/* Of what decides every bit: the graphs with their operators still whole, and the version of the
 * passes that come after. */
static uint64_t hash_graphs(Graph **graph) {
    enum { MEANING = 2 }; /* to be raised when expand or order change what they make */
    uint64_t hash = MEANING;
    for (int i = 0; i < N_FUNCTIONS; i++) {
        if (!is_needed(graph[i], i)) continue;
        Text t = {.arena = graph[i]->program->arena};
        graph_print(&t, graph[i]);
        hash = hash_bytes(t.at ? t.at : "", t.n, hash);
    }
    return hash;
}

static void die_of_fault(void *context, const NodeSchedule *ns, int loop, const char *message) {
    const char *name = ns ? ns->node->name : "all";
    die("the schedule chosen for %s, %s: %s", (const char *)context, name, message);
}

/* Lowering relies on what schedule_check finds; text is checked where it is read. */
static Schedule *choose_legal(Graph *g, const Target *t, const Layouts *l) {
    Schedule *s = choose(g, t, l);
    schedule_check(s, l, die_of_fault, (void *)g->name);
    return s;
}

Compiled *compile(Program *p, const CompileOptions *o, Diags *d) {
    Graph *graph[N_FUNCTIONS] = {p->init, p->prepare, p->train, p->eval, p->predict,
                                 p->settle};
    Compiled *x = NEW(p->arena, Compiled);
    x->program = p;
    x->target = target_find(o->target);
    x->profile = o->profile;
    for (int i = 0; i < COUNT_OF(phases); i++) {
        if (!strcmp(phases[i].name, "steps")) x->train_flops = graph_flops(p->train);
        if (!strcmp(phases[i].name, "expand")) x->hash = hash_graphs(graph);
        run_phase(&phases[i], graph, o);
    }
    x->layouts = layouts_new(p);
    choose_layouts(p, x->layouts);
    Schedule *schedule[N_FUNCTIONS] = {NULL};
    if (o->schedule_text &&
        !schedule_parse(p, x->target, o->schedule_name, o->schedule_text, x->layouts, schedule, d))
        return NULL;
    layouts_close(x->layouts);
    for (int i = 0; i < N_FUNCTIONS; i++) {
        if (!schedule[i]) schedule[i] = choose_legal(graph[i], x->target, x->layouts);
        bool dumped = is_needed(graph[i], i);
        if (dumps(o, "schedule") && dumped)
            schedule_print(o->dumped, schedule[i], x->layouts);
        x->schedule[i] = schedule[i];
        x->function[i] = lower(schedule[i], x->layouts);
        sections(x->function[i]);
        plan(x->function[i]);
        if (dumps(o, "schedule") && dumped)
            cost_print(o->dumped, schedule[i], x->function[i], o->measured);
        if (dumps(o, "loops") && dumped) loop_print(o->dumped, x->function[i]);
    }
    return x;
}

static double sample_flops(const LoopFunction *f) {
    double sum = 0;
    for (int i = 0; i < f->routines.n; i++) sum += f->routines.at[i]->flops;
    return sum / (double)f->graph->batch;
}

Costs compiled_costs(const Compiled *x) {
    Costs c = {.state_bytes = x->layouts->bytes,
               .train_flops = x->train_flops / (double)x->program->training.batch,
               .predict_flops = sample_flops(x->function[FUNCTION_PREDICT])};
    for (int i = 0; i < N_FUNCTIONS; i++) {
        size_t bytes = x->function[i]->arena_bytes;
        if (bytes > c.arena_bytes) c.arena_bytes = bytes;
    }
    return c;
}
