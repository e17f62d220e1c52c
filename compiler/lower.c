/* lower.c: a schedule becomes a function of the loop IR: buffers for what lives in memory, a
 * routine for each kernel, and the steps that call them.
 *
 * Requires: a frozen graph and a schedule of it. Establishes loop.h.
 */
#include "lower.h"
#include <string.h>

/* --- memory --- */

static Buffer *new_buffer(Lower *L, BufferKind kind, const char *name, Type type, Layout layout) {
    Buffer *b = NEW(L->arena, Buffer);
    b->kind = kind;
    b->name = name;
    b->type = type;
    b->narrow = 4;
    b->lanes = 1;
    b->layout = layout;
    b->size = layout.size;
    b->first = b->last = -1;
    PUSH(L->arena, L->function->buffers, b);
    return b;
}

static Buffer *stored_buffer(Lower *L, const Layouts *l, Stored *s) {
    int i = stored_number(L->graph->program, s);
    if (L->stored[i]) return L->stored[i];
    Buffer *b = new_buffer(L, BUFFER_STATE, s->ident, T_F32, l->stored[i]);
    b->stored = s;
    b->offset = l->offset[i];
    return L->stored[i] = b;
}

static Layout rows_of(const Node *n) {
    return layout_rows(n->rank, n->shape, 1);
}

static const char *output_member(const Graph *g, const Node *n) {
    for (int i = 0; i < g->n_outputs; i++)
        if (g->output[i].node == n)
            return strcmp(g->output[i].name, "x") ? g->output[i].name : "x_out";
    return NULL;
}

static int narrow_size(const Node *n) {
    bool arg = n->reduce == REDUCE_ARGMAX || n->reduce == REDUCE_ARGMIN;
    long terms = 1;
    for (int i = 0; i < n->n_rvars; i++) terms *= n->rvar[i]->hi + 1;
    return arg && terms <= 127 ? 1 : 4;
}

static Buffer *memory_for(Lower *L, const Layouts *l, Node *n) {
    Graph *g = L->graph;
    if (n->kind == NODE_STORED) return stored_buffer(L, l, n->stored);
    if (n->kind == NODE_INPUT) {
        Buffer *b = new_buffer(L, BUFFER_CALL, n->name, n->type, rows_of(n));
        if (n->bytes) b->narrow = 1;
        return b;
    }
    NodeSchedule *ns = schedule_of(L->schedule, n);
    if (ns->place == PLACE_INLINE || !ns->stored) return NULL;
    const char *member = output_member(g, n);
    if (member) return new_buffer(L, BUFFER_CALL, member, n->type, rows_of(n));
    Stored *s = graph_updated_by(g, n);
    if (s) return stored_buffer(L, l, s);
    Buffer *b = new_buffer(L, BUFFER_ARENA, n->name, n->type, ns->layout);
    b->narrow = narrow_size(n);
    b->node = n;
    return b;
}

/* --- routines --- */

typedef struct Uses {
    Lower *L;
    bool write;
} Uses;

static void add_buffer(Lower *L, Buffer *b, bool write) {
    Routine *r = L->routine;
    if (b->kind == BUFFER_LOCAL) return;
    int i = 0;
    while (i < r->buffers.n && r->buffers.at[i] != b) i++;
    if (i == r->buffers.n) PUSH(L->arena, r->buffers, b);
    for (i = 0; write && i < r->written.n; i++)
        if (r->written.at[i] == b) return;
    if (write) PUSH(L->arena, r->written, b);
}

static void note_use(void *context, Expr *e) {
    Lower *L = context;
    if (e->op == OP_LOAD) add_buffer(L, e->buffer, false);
    if (e->op == OP_HOST && e->host == HOST_COUNT) L->routine->uses_count = true;
}

static void note_uses(Lower *L, const Body *body) {
    for (int i = 0; i < body->n; i++) {
        Stmt *s = body->at[i];
        Expr *part[] = {s->lo, s->hi, s->cond, s->offset, s->value};
        for (int j = 0; j < COUNT_OF(part); j++)
            if (part[j]) e_visit(part[j], note_use, L);
        if (s->kind == STMT_STORE) add_buffer(L, s->buffer, true);
        note_uses(L, &s->body);
        note_uses(L, &s->other);
    }
}

static bool reduces_over_samples(const NodeSchedule *ns) {
    for (int i = 0; i < ns->node->n_rvars; i++)
        if (ns->node->rvar[i]->batch) return true;
    return false;
}

static bool in_block(const Lower *L) {
    for (int i = 0; i < L->shared.n; i++)
        if (!L->shared.at[i].item->scan) return true;
    return false;
}

/* A sum over samples in a block: one text for whole blocks, one that tests for the last. */
static void lower_both_ways(Lower *L, NodeSchedule *ns) {
    Pool *p = L->pool;
    Shared *block = NULL;
    for (int i = 0; i < L->shared.n; i++)
        if (!L->shared.at[i].item->scan) block = &L->shared.at[i];
    long step = block->item->step;
    Expr *end = e_offset(p, e_scale(p, e_var(p, block->var), step), step);
    Stmt *s = emit(L, STMT_IF);
    s->cond = e_op(p, OP_LE, end, e_host(p, HOST_COUNT), NULL);
    L->out = &s->body;
    lower_kernel(L, ns);
    L->out = &s->other;
    block->partial = true;
    lower_kernel(L, ns);
    block->partial = false;
}

static void describe(Lower *L, Text *t, const NodeSchedule *ns) {
    for (int i = 0; i < ns->attached.n; i++) describe(L, t, ns->attached.at[i]);
    text_add(t, "%s%s", t->n ? ", " : "", ns->node->name);
    if (ns->node->layer) text_add(t, " of %s", ns->node->layer);
}

static double kernel_flops(Lower *L, const NodeSchedule *ns) {
    double flops = useful_flops(L->pool, ns->node);
    for (int i = 0; i < ns->attached.n; i++) flops += kernel_flops(L, ns->attached.at[i]);
    return flops;
}

static double kernel_work(const NodeSchedule *ns) {
    double work = node_work(ns->node);
    for (int i = 0; i < ns->attached.n; i++) work += kernel_work(ns->attached.at[i]);
    return work;
}

/* What follows once a routine's body is there. */
static void finish_routine(Lower *L) {
    Routine *r = L->routine;
    note_uses(L, &r->body);
    lower_columns(L, r, &r->body);
    lower_hoist(L, r, &r->body);
    lower_ahead(L, &r->body);
    lower_tests(L, &r->body);
    loop_settle_locals(L->pool, r, &r->body);
    PUSH(L->arena, L->function->routines, r);
}

/* Does a sum over a block's samples take all its lanes, and leave out in the end those of samples
 * that are not there? */
static bool masks_samples(Lower *L, NodeSchedule *ns) {
    Frame *f = frame_new(L, ns, NULL);
    frame_enter_shared(L, f);
    return f->mask_samples;
}

static Routine *lower_routine(Lower *L, NodeSchedule *ns) {
    Routine *r = L->routine = NEW(L->arena, Routine);
    r->name = ns->node->name;
    Text t = {.arena = L->arena};
    describe(L, &t, ns);
    r->comment = t.at;
    r->flops = kernel_flops(L, ns);
    r->work = kernel_work(ns);
    for (int i = 0; i < L->shared.n; i++) PUSH(L->arena, r->vars, L->shared.at[i].var);
    L->out = &r->body;
    L->n_locals = 0;
    if (in_block(L) && reduces_over_samples(ns) && !masks_samples(L, ns)) lower_both_ways(L, ns);
    else lower_kernel(L, ns);
    finish_routine(L);
    return r;
}

/* Adds up what tasks have summed by blocks of samples. */
static Routine *lower_routine_of_blocks(Lower *L, const Node *n) {
    Routine *r = L->routine = NEW(L->arena, Routine);
    r->name = arena_printf(L->arena, "%s_of_blocks", n->name);
    r->comment = r->name;
    r->work = (double)L->by_block[n->id]->size;
    L->out = &r->body;
    L->n_locals = 0;
    lower_sum_of_blocks(L, n);
    finish_routine(L);
    return r;
}

/* --- steps --- */

typedef VEC(Step *) Steps;

static Step *add_step(Lower *L, Steps *to, int kind) {
    Step *s = NEW(L->arena, Step);
    s->kind = kind;
    PUSH(L->arena, *to, s);
    return s;
}

static void call_kernel(Lower *L, Steps *to, NodeSchedule *ns) {
    int vars = L->shared.n;
    Routine *r = lower_routine(L, ns);
    Step *s = NULL;
    if (r->vars.n > vars) { /* its own outermost loop is parallel */
        Var *v = r->vars.at[vars];
        s = add_step(L, to, STEP_PARALLEL);
        s->var = v;
        s->count = e_int(L->pool, v->hi + 1);
        if (r->parallel_count) s->count = r->parallel_count;
        to = (Steps *)&s->steps;
    }
    add_step(L, to, STEP_CALL)->routine = r;
}

static long scan_extent(const Item *item) {
    const Node *n = item->items.at[0]->kernel->node;
    return n->shape[n->scan];
}

static void lower_items(Lower *L, Steps *to, Item *const *item, int n);

/* Room for the sums of each block of samples, of the kernels of a loop over blocks. */
static void place_sums_by_block(Lower *L, const Item *loop) {
    long blocks = (L->graph->batch + loop->step - 1) / loop->step;
    for (int i = 0; i < loop->items.n; i++) {
        const NodeSchedule *ns = loop->items.at[i]->kernel;
        if (!ns || !lower_by_block(L, ns->node)) continue;
        const Buffer *m = L->memory[ns->node->id];
        const char *name = arena_printf(L->arena, "%s_by_block", m->name);
        Buffer *b = new_buffer(L, BUFFER_ARENA, name, m->type, m->layout);
        b->size = blocks * m->size;
        L->by_block[ns->node->id] = b;
    }
}

static void lower_item(Lower *L, Steps *to, Item *item) {
    if (item->kind == ITEM_KERNEL) {
        call_kernel(L, to, item->kernel);
        return;
    }
    Pool *p = L->pool;
    Step *s = add_step(L, to, item->parallel ? STEP_PARALLEL : STEP_LOOP);
    if (item->scan) {
        long extent = scan_extent(item);
        s->var = var_new(p, "t", extent);
        s->count = e_int(p, extent);
        s->down = item->items.at[0]->kernel->node->scan_step < 0;
    } else {
        long blocks = (L->graph->batch + item->step - 1) / item->step;
        s->var = var_new(p, "block", blocks);
        s->count = blocks_of_count(p, item->step, false);
    }
    PUSH(L->arena, L->shared, ((Shared){item, s->var, false}));
    place_sums_by_block(L, item);
    lower_items(L, (Steps *)&s->steps, item->items.at, item->items.n);
    L->shared.n--;
    for (int i = 0; i < item->items.n; i++) {
        const NodeSchedule *ns = item->items.at[i]->kernel;
        if (!ns || !L->by_block[ns->node->id]) continue;
        add_step(L, to, STEP_CALL)->routine = lower_routine_of_blocks(L, ns->node);
    }
}

static void lower_items(Lower *L, Steps *to, Item *const *item, int n) {
    for (int i = 0; i < n; i++) lower_item(L, to, item[i]);
}

LoopFunction *lower(const Schedule *s, const Layouts *l) {
    Graph *g = s->graph;
    Arena *a = g->program->arena;
    Lower *L = NEW(a, Lower);
    *L = (Lower){.pool = g->program->pool, .arena = a, .schedule = s, .graph = g,
                 .width = s->target->lanes};
    LoopFunction *f = L->function = NEW(a, LoopFunction);
    f->name = g->name;
    f->graph = g;
    f->target = s->target;
    f->scalars = new_buffer(L, BUFFER_SCALARS, "scalar", T_F32, (Layout){0});
    f->words = new_buffer(L, BUFFER_SCALARS, "word", T_U32, (Layout){0});
    L->memory = NEW_ARRAY(a, Buffer *, g->nodes.n);
    L->by_block = NEW_ARRAY(a, Buffer *, g->nodes.n);
    L->stored = NEW_ARRAY(a, Buffer *, g->program->stored.n + 1);
    L->part = schedule_inline(a, s);
    for (int i = 0; i < g->nodes.n; i++) L->memory[i] = memory_for(L, l, g->nodes.at[i]);
    lower_items(L, (Steps *)&f->steps, s->items.at, s->items.n);
    f->scalars->size = f->words->size = f->scalar.n;
    return f;
}
