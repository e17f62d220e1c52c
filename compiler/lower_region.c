/* lower_region.c: the region of an attached node: what its consumers in the kernel need of it.
 *
 * It follows from substituting the consumers' spans into their reads: each variable that is still
 * to be looped over becomes a fresh one, and an index is a fixed part and the range of the rest.
 */
#include "lower.h"

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
    for (int i = 0; i < n_vars(reader); i++) map_set(by, node_var(reader, i), need->env[i]);
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
        const Parts *part = &L->part[n->id];
        void *c[2] = {need->of->node, NULL};
        parts_visit(part, note_read, c);
        if (c[1]) {
            need->reader = reader;
            need->clip &= reader == need->r->host->ns;
            need->clip &= schedule_skips_terms(reader, part->body, part->guard);
            need->env = env_of(need->r, reader);
            parts_visit(part, need_read, need);
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

void lower_region(Lower *L, Frame *f) {
    Regions r = {L, f->host, map_new(L->arena), map_new(L->arena)};
    region_of(&r, f->ns, f->base, f->extent);
}
