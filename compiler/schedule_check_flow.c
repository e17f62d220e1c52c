/* schedule_check_flow.c: is everything computed before it is read, where its reader looks for it,
 * and are old values of stored tensors read before the new ones are written in their place?
 *
 * Readers in the same kernel find an attached node in registers when it was computed before them at
 * a place around theirs; all others read memory. In a block of samples a kernel may read only its
 * own samples of what others in the block compute, in a scan this step or earlier ones.
 */
#include "schedule_text.h"
#include <stdlib.h>

typedef struct Reading {
    ScheduleCheck *c;
    const NodeSchedule *ns;
    bool init; /* in the initial value */
} Reading;

/* --- within a kernel --- */

static const NodeSchedule *child_towards(const NodeSchedule *host, const NodeSchedule *ns) {
    while (ns && ns->host != host) ns = ns->host;
    return ns;
}

static int index_in_host(const NodeSchedule *ns) {
    int i = 0;
    while (ns->host->attached.at[i] != ns) i++;
    return i;
}

static int reduction_depth(const NodeSchedule *ns) {
    const Node *n = ns->node;
    for (int i = 0; i < ns->loops.n; i++) {
        const LoopSpec *x = &ns->loops.at[i];
        bool own = x->node == n && x->skew;
        for (int j = 0; j < n->n_rvars; j++) own |= x->var == n->rvar[j];
        if (own) return i;
    }
    return ns->loops.n;
}

/* Is `of`, attached, computed at a place that comes before and around the reader's? */
static bool is_visible(const NodeSchedule *of, const NodeSchedule *reader, bool init) {
    const NodeSchedule *host = of->host;
    if (!host || of == reader) return false;
    if (reader == host) return !init || of->depth <= reduction_depth(host);
    const NodeSchedule *child = child_towards(host, reader);
    if (!child || child == of) return false;
    return child->depth > of->depth ||
           (child->depth == of->depth && index_in_host(child) > index_in_host(of));
}

/* --- reads --- */

/* Does n read a member of its own recurrence at an earlier step? */
static bool is_earlier_step(Pool *p, const Node *n, const Expr *read) {
    const Node *of = read->node;
    if (!n->component || n->component != of->component) return false;
    long coef;
    Expr *rest;
    Var *step = n->var[n->scan];
    return !(e_affine(p, read->arg[of->scan], step, &coef, &rest) && coef == 1 && is_int(rest, 0));
}

static bool reads_own_samples(const Expr *read) {
    return read->node->batched && read->arg[0]->op == OP_VAR && read->arg[0]->var->batch;
}

static bool has_range(const Expr *read) {
    for (int i = 0; i < read->n; i++) {
        long lo, hi;
        if (!e_range(read->arg[i], &lo, &hi)) return false;
    }
    return true;
}

static void check_same_kernel(Reading *r, const NodeSchedule *of, const Expr *read, bool earlier) {
    ScheduleCheck *c = r->c;
    const char *name = r->ns->node->name, *what = of->node->name;
    if (earlier) {
        if (!of->stored)
            schedule_fault(c, of, -1, "%s is read by later steps: it must be stored", what);
    } else if (!is_visible(of, r->ns, r->init)) {
        schedule_fault(c, r->ns, -1, "%s reads %s%s, which is not computed before it in the kernel",
                       name, what, r->init ? " as its initial value" : "");
    } else if (!has_range(read)) {
        schedule_fault(c, of, -1,
                       "%s reads %s at an index that depends on data: %s cannot be attached", name,
                       what, what);
    }
}

static void check_common_loop(Reading *r, const Item *loop, const Expr *read) {
    const Node *n = r->ns->node, *of = read->node;
    bool member = n->component && n->component == of->component;
    if (loop->scan && !member && !(of->component && schedule_is_own_index(n, read)))
        schedule_fault(r->c, r->ns, -1, "%s reads %s before all its steps are done", n->name,
                       of->name);
    if (!loop->scan && !reads_own_samples(read))
        schedule_fault(r->c, r->ns, -1,
                       "%s reads %s, which the loop over samples has not computed for all of them",
                       n->name, of->name);
}

static void check_other_kernel(Reading *r, const NodeSchedule *of, const Expr *read, bool earlier) {
    ScheduleCheck *c = r->c;
    const Node *n = r->ns->node;
    const struct Where *a = &c->where[of->node->id], *b = &c->where[n->id];
    if (!of->stored) {
        schedule_fault(c, of, -1, "%s reads %s from outside its kernel: it must be stored", n->name,
                       of->node->name);
        return;
    }
    if (!earlier && a->order > b->order) {
        schedule_fault(c, r->ns, -1, "%s reads %s, which is computed later", n->name,
                       of->node->name);
        return;
    }
    for (int i = 0; i < a->loops.n && i < b->loops.n && a->loops.at[i] == b->loops.at[i]; i++)
        check_common_loop(r, a->loops.at[i], read);
}

static void check_read(void *context, Expr *e) {
    Reading *r = context;
    ScheduleCheck *c = r->c;
    if (e->op != OP_READ || e->node->kind != NODE_COMP) return;
    const NodeSchedule *of = c->s->of[e->node->id];
    bool earlier = is_earlier_step(c->pool, r->ns->node, e);
    if (c->where[e->node->id].root == c->where[r->ns->node->id].root)
        check_same_kernel(r, of, e, earlier);
    else check_other_kernel(r, of, e, earlier);
}

/* --- is all of an attached node computed? --- */

/* Does e take every value of its range? Sums of multiples without gaps, quotients, remainders. */
static bool is_dense(Expr *e) {
    long lo, hi, reach = 0;
    if (e->op == OP_VAR || is_const(e)) return true;
    if (e->op == OP_IDIV || e->op == OP_IMOD) return is_dense(e->arg[0]);
    if (e->op != OP_LIN) return false;
    uint64_t used = 0;
    for (int k = 0; k < e->n; k++) {
        int least = -1;
        for (int i = 0; i < e->n && i < 64; i++)
            if (!(used >> i & 1) && (least < 0 || labs(e->coef[i]) < labs(e->coef[least])))
                least = i;
        if (least < 0 || labs(e->coef[least]) > reach + 1 || !is_dense(e->arg[least]) ||
            !e_range(e->arg[least], &lo, &hi))
            return false;
        used |= (uint64_t)1 << least;
        reach += labs(e->coef[least]) * (hi - lo);
    }
    return true;
}

static bool share_variable(const Expr *a, const Expr *b) {
    if (a->op == OP_VAR) return e_uses((Expr *)b, a->var);
    for (int i = 0; i < a->n; i++)
        if (share_variable(a->arg[i], b)) return true;
    return false;
}

static bool is_digit(const Expr *e) {
    return e->op == OP_IDIV || e->op == OP_IMOD;
}

/* Does a read meet all elements, along all axes but one (-1: along all)? */
static bool reads_all(const Expr *read, int but) {
    for (int i = 0; i < read->n; i++) {
        long lo, hi;
        Expr *e = read->arg[i];
        if (i == but) continue;
        if (!e_range(e, &lo, &hi) || lo > 0 || hi < read->node->shape[i] - 1 || !is_dense(e))
            return false;
        for (int j = 0; j < i; j++)
            if (!is_digit(e) && !is_digit(read->arg[j]) && share_variable(e, read->arg[j]))
                return false;
    }
    return true;
}

typedef struct Coverage {
    ScheduleCheck *c;
    const Node *of;
    bool any, all;           /* reads, and one that covers */
    uint64_t part[MAX_RANK]; /* by axis: constants at which reads cover the rest */
} Coverage;

static void note_coverage(void *context, Expr *e) {
    Coverage *v = context;
    if (e->op != OP_READ || e->node != v->of) return;
    v->any = true;
    v->all |= reads_all(e, -1);
    for (int i = 0; i < e->n; i++)
        if (is_const(e->arg[i]) && e->arg[i]->num >= 0 && e->arg[i]->num < 64 && reads_all(e, i))
            v->part[i] |= (uint64_t)1 << (int)e->arg[i]->num;
}

static bool covers_all(const Coverage *v) {
    for (int i = 0; i < v->of->rank; i++) {
        long n = v->of->shape[i];
        if (n <= 64 && v->part[i] == UINT64_MAX >> (64 - n)) return true;
    }
    return v->all;
}

static bool is_whole(ScheduleCheck *c, const NodeSchedule *ns);

static void cover(Coverage *v, const NodeSchedule *ns) {
    Coverage own = {.c = v->c, .of = v->of};
    parts_visit(&v->c->part[ns->node->id], note_coverage, &own);
    v->any |= own.any;
    bool whole = own.any && is_whole(v->c, ns);
    v->all |= own.all && whole;
    for (int i = 0; i < v->of->rank && whole; i++) v->part[i] |= own.part[i];
    for (int i = 0; i < ns->attached.n; i++)
        if (ns->attached.at[i]->node != v->of) cover(v, ns->attached.at[i]);
}

/* Is every element computed? Of an attached node, what its readers in the kernel need. */
static bool is_whole(ScheduleCheck *c, const NodeSchedule *ns) {
    if (!ns->host) return true;
    Coverage v = {.c = c, .of = ns->node};
    cover(&v, ns->host);
    return v.any ? covers_all(&v) : is_whole(c, ns->host);
}

static void need_whole(void *context, Expr *e) {
    Reading *r = context;
    ScheduleCheck *c = r->c;
    if (e->op != OP_READ || e->node->kind != NODE_COMP) return;
    const NodeSchedule *of = c->s->of[e->node->id];
    bool local = c->where[e->node->id].root == c->where[r->ns->node->id].root &&
                 !is_earlier_step(c->pool, r->ns->node, e);
    if (!local && of->host && !is_whole(c, of))
        schedule_fault(c, of, -1,
                       "%s reads %s from memory, but its kernel does not compute all of it",
                       r->ns->node->name, of->node->name);
}

/* --- does an attached node's region stay inside its tensor? --- */

typedef struct Bounds {
    ScheduleCheck *c;
    const Node *of;
    const NodeSchedule *ns, *reader;
    bool any, inside;
} Bounds;

/* Is all that a kernel reads along this axis needed at once? Then lower makes it end in time. */
static bool is_clipped(const Bounds *b, Expr *index) {
    const NodeSchedule *host = b->ns->host;
    const Parts *part = &b->c->part[host->node->id];
    if (b->reader != host || !schedule_skips_terms(host, part->body, part->guard)) return false;
    for (int i = 0; i < b->ns->depth; i++)
        if (e_uses(index, host->loops.at[i].var)) return false;
    return true;
}

static void note_bounds(void *context, Expr *e) {
    Bounds *b = context;
    if (e->op != OP_READ || e->node != b->of) return;
    b->any = true;
    for (int i = 0; i < e->n; i++) {
        long lo, hi;
        bool within = e_range(e->arg[i], &lo, &hi) && lo >= 0 && hi < e->node->shape[i];
        b->inside &= within || is_clipped(b, e->arg[i]);
    }
}

static bool stays_inside(ScheduleCheck *c, const NodeSchedule *ns) {
    if (!ns->host) return true;
    for (int i = 0; i < ns->depth; i++)
        if (ns->host->loops.at[i].skew) return false; /* a sum goes beyond its parts' ends */
    Bounds b = {.c = c, .of = ns->node, .ns = ns, .inside = true};
    for (int i = 0; i < c->g->nodes.n; i++) {
        const NodeSchedule *reader = c->s->of[i];
        if (c->where[i].root != c->where[ns->node->id].root) continue;
        if (!is_visible(ns, reader, false)) continue;
        bool before = b.any;
        b.any = false;
        b.reader = reader;
        parts_visit(&c->part[reader->node->id], note_bounds, &b);
        if (b.any && !stays_inside(c, reader)) return false;
        b.any |= before;
    }
    return b.any ? b.inside : stays_inside(c, ns->host);
}

/* --- threads --- */

typedef struct TaskAxis {
    ScheduleCheck *c;
    const Node *of, *reader;
    int from; /* the reader's axis along which its tasks go */
    int axis; /* of `of`: -2 not known yet, -1 none */
} TaskAxis;

static void follow_task(void *context, Expr *e) {
    TaskAxis *t = context;
    if (e->op != OP_READ || e->node != t->of || t->axis == -1) return;
    int axis = -1;
    for (int i = 0; i < e->n && t->from >= 0; i++)
        if (e->arg[i]->op == OP_VAR && e->arg[i]->var == t->reader->var[t->from]) axis = i;
    t->axis = t->axis == -2 || t->axis == axis ? axis : -1;
}

/* The axis of a node along which tasks go that share the root's axis; -1 where they overlap. */
static int task_axis(ScheduleCheck *c, const NodeSchedule *ns, int root_axis) {
    if (!ns->host) return root_axis;
    TaskAxis t = {c, ns->node, NULL, -1, -2};
    for (int i = 0; i < c->g->nodes.n; i++) {
        const NodeSchedule *reader = c->s->of[i];
        if (c->where[i].root != c->where[ns->node->id].root || reader == ns) continue;
        if (!is_visible(ns, reader, false)) continue;
        t.reader = reader->node;
        t.from = task_axis(c, reader, root_axis);
        parts_visit(&c->part[reader->node->id], follow_task, &t);
    }
    return t.axis == -2 ? task_axis(c, ns->host, root_axis) : t.axis;
}

/* Tasks must not store to the same elements of an attached node, be it the same values. */
static void check_tasks(ScheduleCheck *c, const NodeSchedule *ns) {
    const struct Where *at = &c->where[ns->node->id];
    const Node *root = at->root->node;
    int axis = -1;
    bool parallel = false;
    for (int i = 0; i < at->loops.n; i++) parallel |= at->loops.at[i]->parallel;
    if (parallel && root->batched) axis = 0;
    if (at->root->loops.n && at->root->loops.at[0].kind == LOOP_PARALLEL) {
        const NodeSchedule *child = ns->host ? child_towards(at->root, ns) : ns;
        parallel = true;
        for (int i = 0; i < root->rank && child->depth > 0; i++)
            if (root->var[i] == at->root->loops.at[0].var) axis = i;
    }
    if (parallel && ns->host && ns->stored && task_axis(c, ns, axis) < 0)
        schedule_fault(c, ns, -1, "threads would store to the same elements of %s", ns->node->name);
}

/* --- stored tensors --- */

typedef struct Old {
    ScheduleCheck *c;
    const Stored *stored;
    const NodeSchedule *next, *reader;
    bool any, own; /* reads of the old value, and only at the own index */
} Old;

static void note_old(void *context, Expr *e) {
    Old *u = context;
    if (e->op != OP_READ || e->node->kind != NODE_STORED || e->node->stored != u->stored) return;
    u->any = true;
    u->own &= schedule_is_own_index(u->reader->node, e);
}

static Old old_reads(ScheduleCheck *c, const struct Old *of, const NodeSchedule *reader) {
    Old u = {c, of->stored, of->next, reader, false, true};
    parts_visit(&c->part[reader->node->id], note_old, &u);
    return u;
}

typedef struct Own {
    const Node *reader, *of;
    bool own;
} Own;

static void note_own(void *context, Expr *e) {
    Own *o = context;
    if (e->op == OP_READ && e->node == o->of) o->own &= schedule_is_own_index(o->reader, e);
}

/* Is ns computed after the last pass only: when the sum that the passes make is complete? */
static bool waits_for_sum(const ScheduleCheck *c, const NodeSchedule *ns, const Node *sum) {
    const NodeSchedule *of = c->s->of[sum->id];
    if (of->host != ns->host || of->depth > ns->depth) return false;
    return of->depth < ns->depth || index_in_host(of) < index_in_host(ns);
}

/* Does each element of an attached node serve one point of the kernel, and is it computed once (in
 * each of the passes of a sum that loops around it split)? */
static bool is_pointwise(ScheduleCheck *c, const NodeSchedule *ns, bool passes) {
    for (; ns->host; ns = ns->host) {
        for (int i = 0; i < c->g->nodes.n; i++) {
            if (c->where[i].root != c->where[ns->node->id].root) continue;
            Own o = {c->g->nodes.at[i], ns->node, true};
            parts_visit(&c->part[i], note_own, &o);
            if (!o.own) return false;
        }
        if (ns->depth > reduction_depth(ns->host)) return false;
        for (int i = 0; i < ns->depth && !passes; i++) {
            const Node *of = ns->host->loops.at[i].node;
            if (of != ns->host->node && !waits_for_sum(c, ns, of)) return false;
        }
    }
    return true;
}

/* A sum in several passes goes on from memory, each element once a pass. */
static void check_passes(ScheduleCheck *c, const NodeSchedule *ns) {
    for (int i = 0; i < ns->loops.n; i++) {
        const LoopSpec *x = &ns->loops.at[i];
        if (x->node == ns->node || x->step > x->var->hi) continue;
        if (!is_pointwise(c, c->s->of[x->node->id], true))
            schedule_fault(c, ns, i, "%s is summed in several passes: its readers must read it "
                                     "element by element", x->node->name);
    }
}

static bool has_common_loop(const struct Where *a, const struct Where *b) {
    return a->loops.n && b->loops.n && a->loops.at[0] == b->loops.at[0];
}

static void check_old_reads(ScheduleCheck *c, const struct Old *of, const NodeSchedule *reader) {
    const struct Where *a = &c->where[reader->node->id], *b = &c->where[of->next->node->id];
    const char *name = reader->node->name, *next = of->next->node->name;
    Old u = old_reads(c, of, reader);
    if (!u.any) return;
    if (reader == of->next) {
        if (!u.own || !is_pointwise(c, reader, false))
            schedule_fault(c, reader, -1, "%s overwrites elements of %s that it still needs", name,
                           of->stored->name);
        return;
    }
    bool before = a->order < b->order && !has_common_loop(a, b);
    if (a->root == b->root)
        before = u.own && is_visible(reader, of->next, false) && is_pointwise(c, reader, false) &&
                 is_pointwise(c, of->next, false);
    if (!before)
        schedule_fault(c, reader, -1, "%s reads the old %s, which %s may have overwritten", name,
                       of->stored->name, next);
}

static void check_update(ScheduleCheck *c, const Stored *stored, const NodeSchedule *next) {
    Old u = {.stored = stored, .next = next};
    if (!next->stored) {
        schedule_fault(c, next, -1, "%s is what %s becomes: it must be stored", next->node->name,
                       stored->name);
        return;
    }
    for (int i = 0; i < c->g->nodes.n; i++)
        if (c->where[i].root) check_old_reads(c, &u, c->s->of[i]);
    if (!is_whole(c, next))
        schedule_fault(c, next, -1, "not all of %s is computed", next->node->name);
}

void schedule_check_flow(ScheduleCheck *c) {
    for (int i = 0; i < c->g->nodes.n; i++) {
        if (!c->where[i].root) continue;
        NodeSchedule *ns = c->s->of[i];
        Reading r = {c, ns, false};
        Parts terms = c->part[i], init = {.body = terms.init};
        terms.init = NULL;
        parts_visit(&terms, check_read, &r);
        r.init = ns->node->reduce != REDUCE_NONE;
        parts_visit(&init, check_read, &r);
        if (c->good) parts_visit(&c->part[i], need_whole, &r);
        if (c->good && ns->stored && !stays_inside(c, ns))
            schedule_fault(c, ns, -1, "readers of %s in its kernel go beyond its ends, under a "
                                      "guard: it cannot be stored", ns->node->name);
        if (c->good) check_tasks(c, ns);
        if (c->good) check_passes(c, ns);
    }
    for (int i = 0; i < c->g->n_outputs; i++) {
        const NodeSchedule *ns = c->s->of[c->g->output[i].node->id];
        if (!c->where[ns->node->id].root) continue;
        if (!ns->stored || !is_whole(c, ns))
            schedule_fault(c, ns, -1, "the output %s must be stored, all of it", ns->node->name);
    }
    for (int i = 0; i < c->g->n_updates; i++) {
        const Node *n = c->g->update[i].next;
        if (c->where[n->id].root) check_update(c, c->g->update[i].stored, c->s->of[n->id]);
    }
}
