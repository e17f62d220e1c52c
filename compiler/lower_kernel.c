/* lower_kernel.c: one kernel's loops: the node it is named for, and the nodes attached inside.
 *
 * A frame says what a node's variables stand for at the current point: the part of each that the
 * loops so far have chosen, and the span still to be looped over. An attached node is computed for
 * the region that its consumers need, which follows from substituting their spans into their reads.
 */
#include "lower.h"
#include <string.h>

int var_number(const Node *n, const Var *v) {
    for (int i = 0; i < n->rank; i++)
        if (n->var[i] == v) return i;
    for (int i = 0; i < n->n_rvars; i++)
        if (n->rvar[i] == v) return n->rank + i;
    return -1;
}

int n_vars(const Node *n) {
    return n->rank + n->n_rvars;
}

static Var *var_at(const Node *n, int i) {
    return i < n->rank ? n->var[i] : n->rvar[i - n->rank];
}

/* --- local buffers --- */

/* Room for extent[0..rank), vectors along lane_axis (-1: none). */
Buffer *new_local(Lower *L, const char *name, Type type, int rank, const long *extent,
                  int lane_axis) {
    if (L->width == 1) lane_axis = -1;
    Buffer *b = NEW(L->arena, Buffer);
    b->kind = BUFFER_LOCAL;
    b->name = arena_printf(L->arena, "%s_%d", name, L->n_locals++);
    b->type = type;
    b->narrow = 4;
    b->lanes = lane_axis >= 0 ? L->width : 1;
    Layout *l = &b->layout;
    for (int i = 0; i < rank; i++) {
        long count = i == lane_axis ? (extent[i] + L->width - 1) / L->width : extent[i];
        l->piece[l->n++] = (struct Piece){i, i == lane_axis ? L->width : 1, count, 0};
    }
    if (lane_axis >= 0) l->piece[l->n++] = (struct Piece){lane_axis, 1, L->width, 0};
    layout_close(l);
    b->size = l->size;
    Stmt *s = emit(L, STMT_LOCAL);
    s->buffer = b;
    return b;
}

/* The output axis that a lane loop at or after from_depth runs over, or -1. */
int lane_axis_of(const NodeSchedule *ns, int from_depth) {
    for (int i = from_depth; i < ns->loops.n; i++) {
        const LoopSpec *spec = &ns->loops.at[i];
        if (spec->kind != LOOP_LANE || spec->node != ns->node) continue;
        int k = var_number(ns->node, spec->var);
        return k < ns->node->rank ? k : -1;
    }
    return -1;
}

/* --- regions --- */

typedef struct Regions {
    Lower *L;
    Frame *host;
    Map *env;   /* NodeSchedule -> Expr **: its variables, in terms of fresh ones */
    Map *fresh; /* Var -> itself */
} Regions;

static Expr **env_of(Regions *r, NodeSchedule *ns);

static Expr *fresh_var(Regions *r, long extent) {
    if (extent <= 1) return e_int(r->L->pool, 0);
    Var *v = var_new(r->L->pool, "r", extent);
    map_set(r->fresh, v, v);
    return e_var(r->L->pool, v);
}

static void note_fresh(void *context, Expr *e) {
    void **c = context;
    if (e->op == OP_VAR && map_get(c[0], e->var)) c[1] = c[0];
}

static bool uses_fresh(Regions *r, Expr *e) {
    void *c[2] = {r->fresh, NULL};
    e_visit(e, note_fresh, c);
    return c[1] != NULL;
}

/* index = lo + something between 0 and extent - 1, lo free of fresh variables */
static void index_region(Regions *r, Expr *index, Expr **lo, long *extent) {
    Pool *p = r->L->pool;
    Expr *fixed = e_int(p, 0), *varying = e_int(p, 0);
    if (index->op == OP_LIN) {
        fixed = e_int(p, index->k);
        for (int i = 0; i < index->n; i++) {
            Expr **part = uses_fresh(r, index->arg[i]) ? &varying : &fixed;
            *part = e_add(p, *part, e_scale(p, index->arg[i], index->coef[i]));
        }
    } else if (uses_fresh(r, index)) {
        varying = index;
    } else {
        fixed = index;
    }
    long a, b;
    if (!e_range(varying, &a, &b)) die("no range for a region");
    *lo = e_offset(p, fixed, a);
    *extent = b - a + 1;
}

static void join_region(Pool *p, Expr **lo, long *extent, Expr *lo2, long extent2, long shape) {
    Expr *d = e_sub(p, lo2, *lo);
    if (!is_const(d)) {
        *lo = e_int(p, 0);
        *extent = shape;
        return;
    }
    long by = (long)d->num, end = by + extent2 > *extent ? by + extent2 : *extent;
    if (by < 0) *lo = lo2;
    *extent = end - (by < 0 ? by : 0);
}

typedef struct Need {
    Regions *r;
    NodeSchedule *of;
    Expr **env; /* of the reader */
    NodeSchedule *reader;
    Expr **lo;
    long *extent;
    bool any, clip; /* clip: only by terms that are skipped where they would read beyond the ends */
} Need;

static void need_read(void *context, Expr *e) {
    Need *need = context;
    const Node *n = need->of->node;
    Lower *L = need->r->L;
    if (e->op != OP_READ || e->node != n) return;
    const Node *reader = need->reader->node;
    Map *by = map_new(L->arena);
    for (int i = 0; i < n_vars(reader); i++) map_set(by, var_at(reader, i), need->env[i]);
    Expr *lo[MAX_RANK];
    long extent[MAX_RANK];
    for (int i = 0; i < n->rank; i++)
        index_region(need->r, e_subst(L->pool, e->arg[i], by), &lo[i], &extent[i]);
    if (n->scan >= 0 && reader->scan >= 0) { /* another step's value comes from memory */
        Expr *step = need->env[reader->scan];
        if (lo[n->scan] != step) return;
    }
    for (int i = 0; i < n->rank; i++) {
        if (need->any) {
            join_region(L->pool, &need->lo[i], &need->extent[i], lo[i], extent[i], n->shape[i]);
        } else {
            need->lo[i] = lo[i];
            need->extent[i] = extent[i];
        }
    }
    need->any = true;
}

static void note_read(void *context, Expr *e) {
    void **c = context;
    if (e->op == OP_READ && e->node == c[0]) c[1] = c[0];
}

static void need_of_reader(Need *need, NodeSchedule *reader) {
    Lower *L = need->r->L;
    const Node *n = reader->node;
    if (reader != need->of) {
        Expr *part[3] = {L->body[n->id], L->guard[n->id], L->init[n->id]};
        bool reads = false;
        for (int i = 0; i < 3 && !reads; i++) {
            if (!part[i]) continue;
            void *c[2] = {need->of->node, NULL};
            e_visit(part[i], note_read, c);
            reads = c[1] != NULL;
        }
        if (reads) {
            need->reader = reader;
            need->clip &= reader == need->r->host->ns;
            need->clip &= schedule_skips_terms(reader, part[0], part[1]);
            need->env = env_of(need->r, reader);
            for (int i = 0; i < 3; i++)
                if (part[i]) e_visit(part[i], need_read, need);
        }
    }
    for (int i = 0; i < reader->attached.n; i++) need_of_reader(need, reader->attached.at[i]);
}

/* The region ends with the tensor along axes where it is known. */
static void clip_region(Pool *p, const Node *n, Expr **lo, long *extent) {
    for (int i = 0; i < n->rank; i++) {
        if (!is_const(lo[i])) continue;
        long from = (long)lo[i]->num, to = from + extent[i];
        if (from < 0) from = 0;
        if (to > n->shape[i] && !n->var[i]->batch) to = n->shape[i];
        if (to <= from) continue;
        lo[i] = e_int(p, from);
        extent[i] = to - from;
    }
}

/* Region of an attached node: what the kernel's other nodes read of it; without readers there, as
 * far as its host goes. */
static void region_of(Regions *r, NodeSchedule *ns, Expr **lo, long *extent) {
    Need need = {.r = r, .of = ns, .lo = lo, .extent = extent, .clip = true};
    need_of_reader(&need, r->host->ns);
    if (need.any) {
        if (need.clip) clip_region(r->L->pool, ns->node, lo, extent);
        return;
    }
    Expr **env = env_of(r, r->host->ns);
    if (ns->node->rank != r->host->ns->node->rank)
        die("%s is attached to %s, which neither reads it nor has its shape", ns->node->name,
            r->host->ns->node->name);
    for (int i = 0; i < ns->node->rank; i++) index_region(r, env[i], &lo[i], &extent[i]);
}

static Expr **env_of(Regions *r, NodeSchedule *ns) {
    Expr **env = map_get(r->env, ns);
    if (env) return env;
    Lower *L = r->L;
    const Node *n = ns->node;
    env = NEW_ARRAY(L->arena, Expr *, n_vars(n));
    map_set(r->env, ns, env);
    if (ns == r->host->ns) {
        for (int i = 0; i < n_vars(n); i++)
            env[i] = e_add(L->pool, r->host->value[i], fresh_var(r, r->host->span[i]));
        for (int i = 0; i < r->host->n_skews; i++) {
            const struct Skew *x = &r->host->skew[i];
            env[x->follows] = e_sub(L->pool, x->sum, e_sub(L->pool, env[x->var], x->from));
        }
        return env;
    }
    Expr *lo[MAX_RANK];
    long extent[MAX_RANK];
    region_of(r, ns, lo, extent);
    for (int i = 0; i < n->rank; i++) env[i] = e_add(L->pool, lo[i], fresh_var(r, extent[i]));
    for (int i = 0; i < n->n_rvars; i++)
        env[n->rank + i] = fresh_var(r, n->rvar[i]->hi - n->rvar[i]->lo + 1);
    return env;
}

/* --- frames --- */

static bool is_last_of_var(const NodeSchedule *ns, int i) {
    for (int j = i + 1; j < ns->loops.n; j++)
        if (ns->loops.at[j].var == ns->loops.at[i].var) return false;
    return true;
}

static bool is_finished(const NodeSchedule *ns, const Var *v) {
    for (int i = 0; i < ns->loops.n; i++) {
        const LoopSpec *s = &ns->loops.at[i];
        if (s->skew == v) return true;
        bool to_one = s->kind == LOOP_LANE || (s->step == 1 && !s->skew);
        if (s->var == v && to_one && is_last_of_var(ns, i)) return true;
    }
    return false;
}

static void insert_loop(Lower *L, NodeSchedule *ns, int at, LoopKind kind, Var *v, long step) {
    PUSH(L->arena, ns->loops, ((LoopSpec){.kind = kind, .node = ns->node, .var = v, .step = step}));
    LoopSpec last = ns->loops.at[ns->loops.n - 1];
    memmove(&ns->loops.at[at + 1], &ns->loops.at[at],
            sizeof last * (size_t)(ns->loops.n - 1 - at));
    ns->loops.at[at] = last;
    for (int i = 0; i < ns->attached.n; i++)
        if (ns->attached.at[i]->depth >= at && at < ns->loops.n - 1) ns->attached.at[i]->depth++;
}

static bool has_step(const NodeSchedule *ns, const Var *v, long step) {
    for (int i = 0; i < ns->loops.n; i++)
        if (ns->loops.at[i].var == v && ns->loops.at[i].step == step && !ns->loops.at[i].skew)
            return true;
    return false;
}

/* Loops over reductions follow the levels; those over lanes come last. */
static void complete_levels(Lower *L, NodeSchedule *ns) {
    const Node *n = ns->node;
    for (int lanes = 0; lanes < 2; lanes++) {
        for (int i = 0; i < n->n_levels; i++) {
            const Level *l = &n->levels[i];
            bool blocks = l->div > 1;
            if ((l->kind == LEVEL_LANES) != lanes || (blocks && has_step(ns, l->var, l->div)))
                continue;
            if (!blocks && is_finished(ns, l->var)) continue;
            int at = ns->loops.n;
            while (at > 0 && ns->loops.at[at - 1].kind == LOOP_LANE) at--;
            insert_loop(L, ns, at, lanes ? LOOP_LANE : LOOP_FOR, l->var, l->div);
        }
    }
}

/* Loops that the schedule leaves out: outputs before the reduction begins, reductions last. */
static void complete_loops(Lower *L, NodeSchedule *ns) {
    const Node *n = ns->node;
    for (int i = 0; i < n->rank; i++) {
        if (is_finished(ns, n->var[i])) continue;
        int at = 0;
        while (at < ns->loops.n && ns->loops.at[at].kind != LOOP_LANE &&
               !(ns->loops.at[at].node == n && var_number(n, ns->loops.at[at].var) >= n->rank))
            at++;
        insert_loop(L, ns, at, LOOP_FOR, n->var[i], 1);
    }
    complete_levels(L, ns);
}

static Frame *new_frame(Lower *L, NodeSchedule *ns, Frame *host) {
    const Node *n = ns->node;
    Frame *f = NEW(L->arena, Frame);
    f->ns = ns;
    f->host = host;
    f->value = NEW_ARRAY(L->arena, Expr *, n_vars(n) + 1);
    f->span = NEW_ARRAY(L->arena, long, n_vars(n) + 1);
    f->base = NEW_ARRAY(L->arena, Expr *, n->rank + 1);
    f->extent = NEW_ARRAY(L->arena, long, n->rank + 1);
    for (int i = 0; i < n_vars(n); i++) {
        f->value[i] = e_int(L->pool, 0);
        f->span[i] = var_at(n, i)->hi + 1;
    }
    return f;
}

static Expr *join(Pool *p, Expr *a, Expr *b) {
    return a ? e_and(p, a, b) : b;
}

/* A pass of a reduction chosen outside: its first and last values decide what happens around it. */
static void outer_pass(Lower *L, Frame *f, int var, Expr *value, long span) {
    Pool *p = L->pool;
    long end = f->span[var];
    f->value[var] = value;
    f->span[var] = span;
    Expr *bound = var_at(f->ns->node, var)->batch ? e_host(p, HOST_COUNT) : e_int(p, end);
    f->outer.first = join(p, f->outer.first, e_op(p, OP_EQ, value, e_int(p, 0), NULL));
    f->outer.last = join(p, f->outer.last, e_op(p, OP_LE, bound, e_offset(p, value, span), NULL));
}

static void enter_shared(Lower *L, Frame *f) {
    const Node *n = f->ns->node;
    for (int i = 0; i < L->shared.n; i++) {
        const Shared *s = &L->shared.at[i];
        Expr *at = e_scale(L->pool, e_var(L->pool, s->var), s->item->step);
        if (s->item->scan) {
            if (n->scan < 0) die("%s is in a scan but has no step", n->name);
            f->value[n->scan] = at;
            f->span[n->scan] = 1;
            continue;
        }
        for (int k = 0; k < n_vars(n); k++) {
            if (!var_at(n, k)->batch) continue;
            if (k < n->rank) {
                f->value[k] = at;
                f->span[k] = s->item->step;
            } else {
                outer_pass(L, f, k, at, s->item->step);
                f->guard_samples = s->partial;
            }
        }
    }
}

/* A pass over the reduction of a node that is attached further in. */
typedef struct Foreign {
    const Node *node;
    Var *var;
    Expr *value;
    long span;
    bool guard_samples;
} Foreign;

/* --- points --- */

static Type value_type(const Node *n) {
    return n->type;
}

/* What keeps a point of an attached node from lying outside its tensor, where the region does: what
 * readers need under a guard, and only for memory of its own. */
Expr *lower_inside(Lower *L, const Frame *f) {
    const Node *n = f->ns->node;
    Pool *p = L->pool;
    Expr *guard = NULL;
    for (int i = 0; i < n->rank && f->host; i++) {
        if (n->var[i]->batch) continue;
        long lo, hi;
        bool known = e_range(f->base[i], &lo, &hi);
        Expr *low = e_op(p, OP_LE, e_int(p, 0), f->value[i], NULL);
        Expr *high = e_op(p, OP_LT, f->value[i], e_int(p, n->shape[i]), NULL);
        if (!known || lo < 0) guard = e_and(p, guard, low);
        if (!known || hi + f->extent[i] > n->shape[i]) guard = e_and(p, guard, high);
    }
    return guard;
}

static void store_value(Lower *L, Frame *f, Expr *value) {
    const Node *n = f->ns->node;
    if (f->local)
        emit_store(L, f->local, local_offset(L, f->local, f->value, f->base, n->rank), value);
    Buffer *m = L->memory[n->id];
    if (m && (f->ns->stored || !f->host))
        emit_store(L, m, layout_offset(L->pool, &m->layout, f->value), value);
}

static void elementwise_point(Lower *L, Frame *f) {
    const Node *n = f->ns->node;
    Pool *p = L->pool;
    Expr *inside = lower_inside(L, f);
    Expr *guard = L->guard[n->id] ? lower_expr(L, f, L->guard[n->id], inside) : NULL;
    Expr *value = lower_expr(L, f, L->body[n->id], e_and(p, inside, guard));
    if (!is_true(guard)) {
        Expr *otherwise = L->init[n->id] ? lower_expr(L, f, L->init[n->id], inside)
                                         : e_num(p, value_type(n), 0);
        value = e_select(p, guard, value, otherwise);
    }
    store_value(L, f, value);
}

/* --- loops --- */

static void open_loop(Lower *L, LoopKind kind, Var *v, Expr *lo, Expr *hi) {
    Stmt *s = emit(L, STMT_FOR);
    s->var = v;
    s->lo = lo;
    s->hi = hi;
    s->unroll = kind == LOOP_UNROLL;
    L->out = &s->body;
}

static void at_depth(Lower *L, Frame *f, int depth, PointFn *at, void *context);
static bool is_pass(const Lower *L, const Frame *f, int depth);

typedef struct Part { /* iterations lo .. hi - 1 of a loop, each over `span` values */
    long lo, hi, span;
    Expr *dynamic_lo, *dynamic_hi; /* null: lo, hi */
    bool guard_samples;
} Part;

static Expr *blocks_of_count(Pool *p, long step, bool whole) {
    Expr *count = e_host(p, HOST_COUNT);
    if (!whole) count = e_offset(p, count, step - 1);
    return step == 1 ? count : e_op(p, OP_IDIV, count, e_int(p, step), NULL);
}

/* Iterations of a loop in steps over a span: whole ones, peeled or not, and a shorter last one. A
 * loop over all samples goes to the count; results may run over it, terms may not. Where terms must
 * be tested the text is short instead of fast: that is the last block of an epoch at most. */
static int loop_parts(Lower *L, const Frame *f, int k, const LoopSpec *spec, long step,
                      Part *part) {
    const Node *n = f->ns->node;
    Var *v = var_at(n, k);
    long span = f->span[k], whole = span / step, rest = span % step;
    bool all_samples = v->batch && is_int(f->value[k], 0) && span == v->hi + 1 && span > 1;
    if (all_samples && k < n->rank) {
        part[0] = (Part){.hi = whole + (rest != 0), .span = step,
                         .dynamic_hi = blocks_of_count(L->pool, step, false)};
        return 1;
    }
    if (all_samples) {
        Expr *end = blocks_of_count(L->pool, step, true);
        part[0] = (Part){.hi = whole, .span = step, .dynamic_hi = end};
        if (step == 1) return 1;
        long hi = whole + (rest != 0);
        part[1] = (Part){.hi = hi, .span = step, .dynamic_lo = end, .guard_samples = true,
                         .dynamic_hi = blocks_of_count(L->pool, step, false)};
        return 2;
    }
    int m = 0;
    long lo = 0, hi = whole;
    bool peel = spec->peel && !f->guard_samples;
    if (peel && hi > 1) part[m++] = (Part){.lo = lo++, .hi = 1, .span = step};
    bool peel_last = peel && hi - lo > 1;
    if (peel_last) hi--;
    if (hi > lo) part[m++] = (Part){.lo = lo, .hi = hi, .span = step};
    if (peel_last) part[m++] = (Part){.lo = hi, .hi = hi + 1, .span = step};
    if (rest) part[m++] = (Part){.lo = whole, .hi = whole + 1, .span = rest};
    return m;
}

static void set_skew(Lower *L, Frame *f, const LoopSpec *spec, int k, Expr *sum) {
    int other = var_number(f->ns->node, spec->skew);
    f->skew[f->n_skews++] =
        (struct Skew){k, other, e_add(L->pool, f->value[other], sum), f->value[k]};
    f->span[other] = 1;
}

/* The parameter that stands for the iteration of a parallel loop; one, however often the kernel is
 * lowered. */
static Var *task_var(Lower *L, const LoopSpec *spec, const Part *part) {
    Routine *r = L->routine;
    if (r->vars.n == L->shared.n)
        PUSH(L->arena, r->vars, var_range(L->pool, spec->var->name, part->lo, part->hi - 1));
    r->parallel_count = part->dynamic_hi;
    return r->vars.at[L->shared.n];
}

/* One part of a loop: the frame moves in, the rest is lowered inside, the frame moves back. */
static void lower_part(Lower *L, Frame *f, int depth, const Part *part, PointFn *at,
                       void *context) {
    const LoopSpec *spec = &f->ns->loops.at[depth];
    Pool *p = L->pool;
    int k = var_number(f->ns->node, spec->var);
    Body *out = L->out;
    Frame saved = *f;
    Expr *value = f->value[k];
    long span = f->span[k];
    int follows = spec->skew ? var_number(f->ns->node, spec->skew) : -1;
    long span_follows = follows >= 0 ? f->span[follows] : 0;
    Expr *value_follows = follows >= 0 ? f->value[follows] : NULL;
    Expr *i;
    if (part->hi - part->lo == 1 && !part->dynamic_hi && spec->kind != LOOP_PARALLEL) {
        i = e_int(p, part->lo);
    } else {
        Var *v = spec->kind == LOOP_PARALLEL ? task_var(L, spec, part)
                    : var_range(p, spec->var->name, part->lo, part->hi - 1);
        i = e_var(p, v);
        if (spec->kind != LOOP_PARALLEL) {
            open_loop(L, f->guard_samples ? LOOP_FOR : spec->kind, v,
                      part->dynamic_lo ? part->dynamic_lo : e_int(p, part->lo),
                      part->dynamic_hi ? part->dynamic_hi : e_int(p, part->hi));
            /* a range of one value has folded the variable away, but not the loop */
        }
    }
    if (spec->skew) {
        set_skew(L, f, spec, k, i);
    } else {
        f->value[k] = e_add(p, value, e_scale(p, i, spec->step));
        f->span[k] = part->span;
        f->guard_samples |= part->guard_samples;
    }
    at_depth(L, f, depth + 1, at, context);
    L->out = out;
    f->value[k] = value;
    f->span[k] = span;
    if (follows >= 0) {
        f->span[follows] = span_follows;
        f->value[follows] = value_follows;
    }
    f->n_skews = saved.n_skews;
    f->guard_samples = saved.guard_samples;
}

static void lower_lanes(Lower *L, Frame *f, int depth, PointFn *at, void *context);

static void lower_for(Lower *L, Frame *f, int depth, PointFn *at, void *context) {
    const LoopSpec *spec = &f->ns->loops.at[depth];
    int k = var_number(f->ns->node, spec->var);
    if (f->span[k] == 1 && !spec->skew && !(spec->kind == LOOP_PARALLEL)) {
        at_depth(L, f, depth + 1, at, context);
        return;
    }
    Part part[5];
    if (spec->skew) {
        long taps = f->span[var_number(f->ns->node, spec->skew)];
        Part all = {.hi = f->span[k] + taps - 1};
        lower_part(L, f, depth, &all, at, context);
        return;
    }
    int n = loop_parts(L, f, k, spec, spec->step, part);
    if (spec->kind == LOOP_PARALLEL && (n > 1 || depth > 0))
        die("%s: a parallel loop is the outermost and divides its range", f->ns->node->name);
    for (int i = 0; i < n; i++) lower_part(L, f, depth, &part[i], at, context);
}

/* Do vectors from value on end where the row does that has the extent, or within its room? */
static bool ends_row(const Lower *L, const Frame *f, int k, Expr *base, long extent, long room) {
    Expr *from = e_sub(L->pool, f->value[k], base);
    if (!is_const(from)) return false;
    long first = (long)from->num, span = f->span[k];
    return first + span >= extent && first + round_up(span, L->width) <= room;
}

static long room_along(const Layout *l, int axis) {
    long room = 1;
    for (int i = 0; i < l->n; i++)
        if (l->piece[i].axis == axis) room *= l->piece[i].count;
    return room;
}

typedef struct Overrun {
    Lower *L;
    Var *v;
    long last; /* the greatest value that v takes in a vector */
    bool safe;
} Overrun;

static const Buffer *local_read(const Lower *L, const Node *of) {
    for (int i = L->live.n - 1; i >= 0; i--)
        if (L->live.at[i]->ns->node == of && L->live.at[i]->local) return L->live.at[i]->local;
    return NULL;
}

/* Rows of registers are whole vectors; behind other local buffers there is room for one. */
static bool local_may_overrun(const Buffer *b, const Expr *read, const Var *v) {
    for (int i = 0; i < b->layout.n; i++) {
        const struct Piece *x = &b->layout.piece[i];
        const Expr *e = read->arg[x->axis];
        if (x->stride == 1 && x->div == 1 && e->op == OP_VAR && e->var == v) return true;
    }
    return false;
}

static long room_for_read(const Buffer *b, const Node *of, int axis) {
    bool given = of->kind == NODE_INPUT && of->batched && axis == 0; /* netc.h: more than exist */
    return given ? round_up(of->shape[0], PAD) : room_along(&b->layout, axis);
}

/* Is there room for the values that v takes beyond its range: next to what is read, where SLACK is
 * enough, or along an axis? */
static void note_overrun(void *context, Expr *e) {
    Overrun *o = context;
    if (e->op != OP_READ || !e_uses(e, o->v)) return;
    Pool *p = o->L->pool;
    const Buffer *local = local_read(o->L, e->node), *b = o->L->memory[e->node->id];
    long c, lo, hi, axes = 0;
    Expr *rest;
    bool room = false;
    for (int i = 0; i < e->n; i++) axes += e_uses(e->arg[i], o->v);
    for (int i = 0; i < e->n && !local && b; i++)
        room |= axes == 1 && e_uses(e->arg[i], o->v) && e_affine(p, e->arg[i], o->v, &c, &rest) &&
                c >= 0 && e_range(rest, &lo, &hi) &&
                c * o->last + hi < room_for_read(b, e->node, i);
    if (local) room = axes == 1 && local_may_overrun(local, e, o->v);
    else if (b && e_affine(p, layout_offset(p, &b->layout, e->arg), o->v, &c, &rest))
        room |= c == 0 || c == 1;
    o->safe &= room;
}

static bool reads_may_overrun(Lower *L, const Frame *f, int k) {
    const Node *n = f->ns->node;
    long lo, hi;
    if (!e_range(f->value[k], &lo, &hi)) return false;
    Overrun o = {L, n->var[k], hi + round_up(f->span[k], L->width) - 1, true};
    Expr *part[] = {L->body[n->id], L->guard[n->id], L->init[n->id]};
    for (int i = 0; i < COUNT_OF(part); i++)
        if (part[i]) e_visit(part[i], note_overrun, &o);
    return o.safe;
}

/* May vectors run over the end of axis k? Only past the last element of all, where rows have room:
 * further in, they would meet elements that belong to others. */
static bool may_overrun(Lower *L, const Frame *f, int k) {
    const Node *n = f->ns->node;
    if (k >= n->rank) return true;
    if (!reads_may_overrun(L, f, k)) return false;
    Buffer *m = L->memory[n->id];
    if (m && (!f->host || f->ns->stored)) {
        Expr *zero = e_int(L->pool, 0);
        long room = room_along(&m->layout, k);
        if (!layout_is_unit(&m->layout, k, L->width)) return false;
        if (!ends_row(L, f, k, zero, n->shape[k], room)) return false;
    }
    if (f->local &&
        !ends_row(L, f, k, f->base[k], f->extent[k], round_up(f->extent[k], L->width)))
        return false;
    if (!f->acc) return true;
    Expr *in_acc = e_sub(L->pool, f->value[k], f->acc_base[k]);
    return is_const(in_acc) && (long)in_acc->num % L->width == 0;
}

/* May the last vector repeat elements of the one before? Where nothing else is done with them. */
static bool may_repeat(const Lower *L, const Frame *f) {
    const Node *n = f->ns->node;
    const Buffer *m = L->memory[n->id];
    return n->reduce == REDUCE_NONE && !f->host && !f->ns->attached.n && m &&
           m->kind == BUFFER_ARENA;
}

static void lower_lanes(Lower *L, Frame *f, int depth, PointFn *at, void *context) {
    const LoopSpec *spec = &f->ns->loops.at[depth];
    Pool *p = L->pool;
    int k = var_number(f->ns->node, spec->var);
    long span = f->span[k], width = L->width;
    Expr *value = f->value[k];
    long vectors = (span + width - 1) / width, rest = span % width;
    if (L->lane) die("%s: two lane loops", f->ns->node->name);
    bool scalar_tail = rest && !may_overrun(L, f, k);
    if (scalar_tail) vectors = span / width;
    Body *out = L->out;
    if (vectors > 0) {
        Expr *u = e_int(p, 0);
        if (vectors > 1) {
            Var *v = var_new(p, "v", vectors);
            u = e_var(p, v);
            open_loop(L, LOOP_UNROLL, v, e_int(p, 0), e_int(p, vectors));
        }
        L->lane = var_new(p, "lane", width);
        f->value[k] = e_add(p, e_add(p, value, e_scale(p, u, width)), e_var(p, L->lane));
        f->span[k] = 1;
        at_depth(L, f, depth + 1, at, context);
        L->lane = NULL;
        L->out = out;
    }
    if (scalar_tail && vectors > 0 && may_repeat(L, f)) {
        L->lane = var_new(p, "lane", width);
        f->value[k] = e_add(p, e_offset(p, value, span - width), e_var(p, L->lane));
        at_depth(L, f, depth + 1, at, context);
        L->lane = NULL;
    } else if (scalar_tail) {
        Var *v = var_new(p, spec->var->name, rest);
        if (rest > 1) open_loop(L, LOOP_FOR, v, e_int(p, 0), e_int(p, rest));
        f->value[k] = e_add(p, e_offset(p, value, vectors * width),
                            rest > 1 ? e_var(p, v) : e_int(p, 0));
        f->span[k] = 1;
        at_depth(L, f, depth + 1, at, context);
        L->out = out;
    }
    f->value[k] = value;
    f->span[k] = span;
}

/* Passes over a reduction: whole ones, peeled or not, and a shorter last one; over samples as many
 * as the count has, the last of them testing. */
static int passes_of(Lower *L, const LoopSpec *spec, Part *part) {
    long extent = spec->var->hi + 1, whole = extent / spec->step, rest = extent % spec->step;
    long lo = 0, hi = whole;
    int n = 0;
    if (spec->var->batch) {
        Expr *end = blocks_of_count(L->pool, spec->step, true);
        part[0] = (Part){.hi = whole, .span = spec->step, .dynamic_hi = end};
        if (spec->step == 1) return 1;
        part[1] = (Part){.hi = whole + (rest != 0), .span = spec->step, .dynamic_lo = end,
                         .dynamic_hi = blocks_of_count(L->pool, spec->step, false),
                         .guard_samples = true};
        return 2;
    }
    if (spec->peel && hi > 1) part[n++] = (Part){.lo = lo++, .hi = 1, .span = spec->step};
    bool peel_last = spec->peel && !rest && hi - lo > 1;
    if (peel_last) hi--;
    if (hi > lo) part[n++] = (Part){.lo = lo, .hi = hi, .span = spec->step};
    if (peel_last) part[n++] = (Part){.lo = hi, .hi = hi + 1, .span = spec->step};
    if (rest) part[n++] = (Part){.lo = whole, .hi = whole + 1, .span = rest};
    return n;
}

/* Opens the loop over passes that a part of them is; returns where the pass begins. */
static Expr *open_pass(Lower *L, const LoopSpec *spec, const Part *part) {
    Pool *p = L->pool;
    Expr *pass = e_int(p, part->lo);
    if (part->hi - part->lo > 1 || part->dynamic_hi) {
        Var *v = var_range(p, spec->var->name, part->lo, part->hi - 1);
        pass = e_var(p, v);
        open_loop(L, LOOP_FOR, v, part->dynamic_lo ? part->dynamic_lo : e_int(p, part->lo),
                  part->dynamic_hi ? part->dynamic_hi : e_int(p, part->hi));
    }
    return e_scale(p, pass, spec->step);
}

/* A loop over the reduction of an attached node: the node is then lowered pass by pass. */
static void lower_foreign(Lower *L, Frame *f, int depth) {
    const LoopSpec *spec = &f->ns->loops.at[depth];
    Body *out = L->out;
    Part part[4];
    int n = passes_of(L, spec, part);
    for (int i = 0; i < n; i++) {
        Expr *from = open_pass(L, spec, &part[i]);
        Foreign *foreign = NEW(L->arena, Foreign);
        *foreign =
            (Foreign){spec->node, spec->var, from, part[i].span, part[i].guard_samples};
        PUSH(L->arena, L->foreign, foreign);
        at_depth(L, f, depth + 1, NULL, NULL);
        L->foreign.n--;
        L->out = out;
    }
}

/* Is the loop at depth one over a whole sum around loops over its results, in a kernel of its own?
 * It then makes passes: what is summed so far waits in memory. */
static bool is_pass(const Lower *L, const Frame *f, int depth) {
    const NodeSchedule *ns = f->ns;
    const Node *n = ns->node;
    const Buffer *m = L->memory[n->id];
    if (depth == ns->loops.n) return false;
    const LoopSpec *spec = &ns->loops.at[depth];
    if (f->host || f->acc || n->reduce != REDUCE_SUM || !m || m->kind != BUFFER_ARENA) return false;
    if (spec->kind != LOOP_FOR || !is_reduction_loop(f, spec)) return false;
    int k = var_number(n, spec->var);
    if (spec->skew || !is_int(f->value[k], 0) || f->span[k] != spec->var->hi + 1) return false;
    for (int i = 0; i < n->n_levels; i++)
        if (n->levels[i].kind == LEVEL_LANES) return false;
    for (int i = depth + 1; i < ns->loops.n; i++)
        if (ns->loops.at[i].kind == LOOP_FOR && !is_reduction_loop(f, &ns->loops.at[i]))
            return true;
    return false;
}

static void lower_passes(Lower *L, Frame *f, int depth) {
    const LoopSpec *spec = &f->ns->loops.at[depth];
    Body *out = L->out;
    Part part[4];
    int n = passes_of(L, spec, part), k = var_number(f->ns->node, spec->var);
    Frame saved = *f;
    Expr *value = f->value[k];
    long span = f->span[k];
    for (int i = 0; i < n; i++) {
        outer_pass(L, f, k, open_pass(L, spec, &part[i]), part[i].span);
        f->guard_samples |= part[i].guard_samples;
        at_depth(L, f, depth + 1, NULL, NULL);
        *f = saved;
        f->value[k] = value;
        f->span[k] = span;
        L->out = out;
    }
}

typedef struct Fill {
    PointFn *at;
    void *context;
} Fill;

static void fill_point(Lower *L, Frame *f, void *context) {
    const Fill *fill = context;
    Pool *p = L->pool;
    int k = var_number(f->ns->node, f->inner->var);
    int vectors = f->inner->count / L->width;
    Body *out = L->out;
    Expr *u = e_int(p, 0);
    if (vectors > 1) {
        Var *v = var_new(p, "v", vectors);
        open_loop(L, LOOP_UNROLL, v, e_int(p, 0), e_int(p, vectors));
        u = e_var(p, v);
    }
    f->value[k] = e_scale(p, u, L->width);
    if (L->width > 1) {
        L->lane = var_new(p, "lane", L->width);
        f->value[k] = e_add(p, f->value[k], e_var(p, L->lane));
    }
    fill->at(L, f, fill->context);
    L->lane = NULL;
    L->out = out;
}

void lower_fill_lanes(Lower *L, Frame *f, int depth, PointFn *at, void *context) {
    Fill fill = {at, context};
    lower_loops(L, f, depth, fill_point, &fill);
}

bool is_reduction_loop(const Frame *f, const LoopSpec *spec) {
    const Node *n = f->ns->node;
    return spec->node == n && (spec->skew || var_number(n, spec->var) >= n->rank);
}

void lower_loops(Lower *L, Frame *f, int depth, PointFn *at, void *context) {
    const NodeSchedule *ns = f->ns;
    if (depth == ns->loops.n) {
        if (at) at(L, f, context);
        else if (ns->node->reduce == REDUCE_NONE) elementwise_point(L, f);
        else lower_term(L, f);
        return;
    }
    const LoopSpec *spec = &ns->loops.at[depth];
    bool foreign = spec->node != ns->node;
    if (at && (foreign || is_reduction_loop(f, spec))) {
        lower_loops(L, f, depth + 1, at, context);
    } else if (foreign) {
        lower_foreign(L, f, depth);
    } else if (!at && is_pass(L, f, depth)) {
        lower_passes(L, f, depth);
    } else if (spec->kind == LOOP_LANE && L->width > 1) {
        lower_lanes(L, f, depth, at, context);
    } else {
        lower_for(L, f, depth, at, context);
    }
}

/* --- attached nodes --- */

static void lower_attached(Lower *L, Frame *host, NodeSchedule *ns) {
    const Node *n = ns->node;
    complete_loops(L, ns);
    Frame *f = new_frame(L, ns, host);
    Regions r = {L, host, map_new(L->arena), map_new(L->arena)};
    region_of(&r, ns, f->base, f->extent);
    for (int i = 0; i < n->rank; i++) {
        f->value[i] = f->base[i];
        f->span[i] = f->extent[i];
    }
    for (int i = 0; i < L->foreign.n; i++) {
        const Foreign *x = L->foreign.at[i];
        if (x->node != n) continue;
        outer_pass(L, f, var_number(n, x->var), x->value, x->span);
        f->guard_samples |= x->guard_samples;
    }
    for (int i = 0; i < L->shared.n && n->n_rvars; i++)
        for (int k = n->rank; k < n_vars(n) && !L->shared.at[i].item->scan; k++)
            if (var_at(n, k)->batch) die("%s reduces over samples inside a block of them", n->name);
    f->local = new_local(L, n->name, n->type, n->rank, f->extent, lane_axis_of(ns, 0));
    at_depth(L, f, 0, NULL, NULL);
    PUSH(L->arena, L->live, f);
    if (!f->outer.last || is_true(f->outer.last)) return;
    Stmt *s = emit(L, STMT_IF); /* what follows needs the whole sum */
    s->cond = f->outer.last;
    L->out = &s->body;
}

static void at_depth(Lower *L, Frame *f, int depth, PointFn *at, void *context) {
    Body *out = L->out;
    int live = L->live.n;
    if (!at) {
        for (int i = 0; i < f->ns->attached.n; i++)
            if (f->ns->attached.at[i]->depth == depth) lower_attached(L, f, f->ns->attached.at[i]);
        bool last_pass_only = L->out != out && is_false(L->live.at[L->live.n - 1]->outer.last);
        if (!last_pass_only) {
            const NodeSchedule *ns = f->ns;
            bool begins = ns->node->reduce != REDUCE_NONE && !f->acc && !is_pass(L, f, depth) &&
                          (depth == ns->loops.n || is_reduction_loop(f, &ns->loops.at[depth]));
            if (begins) lower_reduction(L, f, depth);
            else if (f->acc && f->lanes_at == depth) lower_lanes_of_sum(L, f, depth);
            else if (!lower_tile(L, f, depth)) lower_loops(L, f, depth, NULL, NULL);
        }
    } else {
        lower_loops(L, f, depth, at, context);
    }
    L->live.n = live;
    L->out = out;
}

void lower_kernel(Lower *L, NodeSchedule *ns) {
    complete_loops(L, ns);
    Frame *f = new_frame(L, ns, NULL);
    enter_shared(L, f);
    for (int i = 0; i < ns->node->rank; i++) {
        f->base[i] = f->value[i];
        f->extent[i] = f->span[i];
    }
    L->live.n = 0;
    at_depth(L, f, 0, NULL, NULL);
}
