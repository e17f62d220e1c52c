/* elaborate_range.c: the ranges of a comprehension's indices, from what they subscript.
 *
 * First the text is walked for its reads, each subscript an integer expression over indices of
 * unknown range. An index that is alone in a subscript has that axis's size, and all such sizes
 * agree, unless its range is written. Each index left takes the largest range that keeps the
 * subscripts it is in inside their axes, when the others in them are known.
 */
#include "elaborate_parts.h"
#include <string.h>

#define UNKNOWN_RANGE (1L << 30)

typedef struct Subscript {
    Expr *e;
    Span span;
    const char *of; /* the tensor's name */
    long size;
    bool may_leave; /* inside(...) */
} Subscript;

typedef struct Infer {
    Comp *c;
    Elab *e;
    VEC(Index *) all;
    VEC(Subscript) subs;
    bool inside, good;
    Map *known; /* variable of unknown range -> the final one */
} Infer;

Index *index_new(Elab *e, const Axis *a) {
    Index *i = NEW(e->arena, Index);
    i->name = a->name.text;
    i->span = a->name.span;
    i->pack = a->pack;
    i->written = a->limit != NULL;
    i->batch = a->set.text && !strcmp(a->set.text, "batch");
    i->n = a->pack ? -1 : 1;
    i->extent[0] = -1;
    if (!a->pack) i->var[0] = var_new(e->pool, i->name, UNKNOWN_RANGE);
    return i;
}

/* --- what fixes an extent --- */

static void fix(Infer *f, Index *i, int k, long size, Span at, const char *from) {
    if (i->written || i->batch) return;
    if (i->extent[k] < 0) {
        i->extent[k] = size;
        i->from[k] = from;
    } else if (i->extent[k] != size) {
        f->good = false;
        elab_error(f->e, at, "shapes differ: `%s` is %ld by %s, %ld by %s", i->name, i->extent[k],
                   i->from[k], size, from);
    }
}

static const char *axis_of(Infer *f, const char *name, const Tensor *t, int axis) {
    return arena_printf(f->e->arena, "axis %d of `%s` %s", axis + 1, name,
                        shape_text(f->e->arena, t->rank, t->shape));
}

static Index *alone(Infer *f, Expr *e) {
    if (e->op != OP_VAR) return NULL;
    for (int i = 0; i < f->all.n; i++) {
        if (!f->all.at[i]->pack && f->all.at[i]->var[0] == e->var) return f->all.at[i];
    }
    return NULL;
}

/* --- the walk --- */

static void collect(Infer *f, Scope *s, Tree *t);

static bool fix_pack(Infer *f, Scope *s, Tree *pack, const char *name, const Tensor *t, int axis,
                     int length) {
    Bind *b = scope_find(s, pack->pack.text);
    if (!b || b->kind != BIND_INDEX || !b->index->pack) {
        elab_error(f->e, pack->span, "`%s` is no pack of indices here", pack->pack.text);
        return false;
    }
    Index *i = b->index;
    if (i->n < 0) {
        i->n = length;
        for (int k = 0; k < length; k++) {
            i->extent[k] = -1;
            const char *var = length > 1 ? arena_printf(f->e->arena, "%s%d", i->name, k) : i->name;
            i->var[k] = var_new(f->e->pool, var, UNKNOWN_RANGE);
        }
    }
    if (i->n != length) {
        elab_error(f->e, pack->span, "`%s...` has %d indices, `%s` %s leaves it %d", i->name, i->n,
                   name, shape_text(f->e->arena, t->rank, t->shape), length);
        return false;
    }
    for (int k = 0; k < length; k++) {
        fix(f, i, k, t->shape[axis + k], pack->span, axis_of(f, name, t, axis + k));
    }
    return true;
}

static void collect_read(Infer *f, Scope *s, Tree *t) {
    Tensor flat;
    Tensor *tensor = read_tensor(f->c, s, t, &flat);
    if (!tensor) {
        f->good = false;
        return;
    }
    int n = t->name.index.n, packs = 0, axis = 0;
    const char *name = t->name.id.text;
    for (int i = 0; i < n; i++) packs += t->name.index.at[i]->kind == TREE_PACK;
    if (packs > 1 || (packs ? n - 1 > tensor->rank : n != tensor->rank)) {
        f->good = false;
        elab_error(f->e, t->span, "`%s` has %d axes, %s, and %d subscript%s here", name,
                   tensor->rank, shape_text(f->e->arena, tensor->rank, tensor->shape), n,
                   n == 1 ? "" : "s");
        return;
    }
    for (int i = 0; i < n; i++) {
        Tree *sub = t->name.index.at[i];
        if (sub->kind == TREE_PACK) {
            int length = tensor->rank - (n - 1);
            if (!fix_pack(f, s, sub, name, tensor, axis, length)) f->good = false;
            axis += length;
            continue;
        }
        collect(f, s, sub);
        Expr *e = index_expr(f->c, s, sub);
        if (!e) {
            f->good = false;
            axis++;
            continue;
        }
        Index *one = alone(f, e);
        if (one) fix(f, one, 0, tensor->shape[axis], sub->span, axis_of(f, name, tensor, axis));
        Subscript found = {e, sub->span, name, tensor->shape[axis], f->inside};
        PUSH(f->e->arena, f->subs, found);
        axis++;
    }
}

/* The limit of an index; its set. */
static void collect_axis(Infer *f, Scope *s, const Axis *a, Index *i) {
    PUSH(f->e->arena, f->all, i);
    if (a->set.text && !i->batch) {
        elab_error(f->e, a->set.span, "unknown set `%s`: an index may run over `batch`",
                   a->set.text);
        f->good = false;
    }
    if (i->batch && !f->c->batch) {
        elab_error(f->e, a->set.span, "there is no batch here");
        f->good = false;
    }
    if (i->batch) i->extent[0] = f->c->g->batch;
    if (!a->limit) return;
    long size;
    if (!const_int(f->e, s, a->limit, &size)) {
        f->good = false;
    } else if (size < 1 || size > ELAB_ELEMENTS) {
        elab_error(f->e, a->span, "the range of `%s` is empty: its limit is %ld", i->name, size);
        f->good = false;
    } else {
        i->extent[0] = size;
    }
}

static void collect_reduce(Infer *f, Scope *s, Tree *t) {
    Scope *inner = scope_new(f->e, s);
    for (int k = 0; k < t->reduce.over.n; k++) {
        const Axis *a = &t->reduce.over.at[k];
        if (!a->name.text) {
            elab_error(f->e, a->span, "a reduction runs over indices: `i`, `i < n`, `n in batch`");
            f->good = false;
            return;
        }
        Index *i = index_new(f->e, a);
        map_set(f->c->indices, a, i);
        bind_index(f->e, inner, i);
        collect_axis(f, s, a, i);
    }
    if (t->reduce.guard) collect(f, inner, t->reduce.guard);
    collect(f, inner, t->reduce.body);
}

/* May the text be evaluated before ranges are known? */
static bool reads_nothing(Tree *t) {
    switch (t->kind) {
    case TREE_NUMBER: return true;
    case TREE_NAME: return !t->name.indexed && !t->name.sample;
    case TREE_UNARY: return reads_nothing(t->op.a);
    case TREE_BINARY: return reads_nothing(t->op.a) && reads_nothing(t->op.b);
    default: return false;
    }
}

/* Where the compiler knows the condition, only what it selects counts, in every graph. */
static void collect_cond(Infer *f, Scope *s, Tree *t) {
    Expr *test = NULL;
    if (reads_nothing(t->cond.test)) test = cond_expr(f->c, s, t->cond.test);
    if (!test || !is_const(test) || depends_on_training(f->e, s, t->cond.test)) {
        collect(f, s, t->cond.test);
        collect(f, s, t->cond.yes);
        collect(f, s, t->cond.no);
    } else {
        collect(f, s, is_true(test) ? t->cond.yes : t->cond.no);
    }
}

static void collect(Infer *f, Scope *s, Tree *t) {
    if (!elab_work(f->e, t->span)) return;
    switch (t->kind) {
    case TREE_NAME:
        if (t->name.indexed) collect_read(f, s, t);
        break;
    case TREE_CALL: {
        bool outer = f->inside;
        f->inside |= !strcmp(t->call.id.text, "inside");
        for (int i = 0; i < t->call.args.n; i++) collect(f, s, t->call.args.at[i].value);
        f->inside = outer;
        break;
    }
    case TREE_UNARY: collect(f, s, t->op.a); break;
    case TREE_BINARY:
        collect(f, s, t->op.a);
        collect(f, s, t->op.b);
        break;
    case TREE_COND: collect_cond(f, s, t); break;
    case TREE_REDUCE:
        if (!is_optimizer_sum(s, t)) collect_reduce(f, s, t);
        break;
    default: break;
    }
}

/* --- solving --- */

static void settle(Infer *f, Index *i, int k) {
    Var *v = var_new(f->e->pool, i->var[k]->name, i->extent[k]);
    v->batch = i->batch;
    map_set(f->known, i->var[k], var_expr(f->c, v));
    i->var[k] = v;
}

static bool unsettled(const Index *i) { return !i->pack && i->extent[0] < 0; }

/* Another index in e, besides i, whose range is not known. */
static Index *other_unknown(Infer *f, Expr *e, const Index *i) {
    for (int k = 0; k < f->all.n; k++) {
        Index *j = f->all.at[k];
        if (j != i && unsettled(j) && e_uses(e, j->var[0])) return j;
    }
    return NULL;
}

/* Does e stay inside where i has n values? What depends on data is not known and passes. */
static bool stays(Infer *f, const Subscript *s, const Index *i, long n) {
    Var *v = var_new(f->e->pool, i->name, n);
    Expr *e = e_subst(f->e->pool, s->e, f->known);
    long lo, hi;
    e = e_subst1(f->e->pool, e, i->var[0], var_expr(f->c, v));
    return !e_range(e, &lo, &hi) || (lo >= 0 && hi < s->size);
}

static long largest(Infer *f, const Subscript *s, const Index *i) {
    long lo = 0, hi = UNKNOWN_RANGE; /* stays with lo values, not with hi */
    if (stays(f, s, i, hi)) return hi;
    while (hi - lo > 1) {
        long mid = lo + (hi - lo) / 2;
        if (stays(f, s, i, mid)) {
            lo = mid;
        } else {
            hi = mid;
        }
    }
    return lo;
}

/* 1: found its range; 0: not yet; -1: an error */
static int solve_index(Infer *f, Index *i) {
    long best = UNKNOWN_RANGE;
    const Subscript *tightest = NULL;
    for (int k = 0; k < f->subs.n; k++) {
        const Subscript *s = &f->subs.at[k];
        if (!e_uses(s->e, i->var[0])) continue;
        if (other_unknown(f, s->e, i)) return 0;
        long n = largest(f, s, i);
        if (n < best) {
            best = n;
            tightest = s;
        }
    }
    if (!tightest) {
        elab_error(f->e, i->span, "nothing tells the range of `%s`: write `%s < size`", i->name,
                   i->name);
        return -1;
    }
    if (best == 0) {
        elab_error(f->e, tightest->span,
                   "no value of `%s` keeps this inside `%s`, which has %ld elements here", i->name,
                   tightest->of, tightest->size);
        return -1;
    }
    i->extent[0] = best;
    settle(f, i, 0);
    return 1;
}

static void report_unknown(Infer *f) {
    for (int k = 0; k < f->subs.n; k++) {
        const Subscript *s = &f->subs.at[k];
        for (int j = 0; j < f->all.n; j++) {
            Index *i = f->all.at[j];
            if (!unsettled(i) || !e_uses(s->e, i->var[0])) continue;
            Index *other = other_unknown(f, s->e, i);
            if (!other) continue;
            elab_error(f->e, s->span, "two indices of unknown range in one subscript, `%s` and "
                       "`%s`: write the range of one", i->name, other->name);
            return;
        }
    }
}

static void solve_all(Infer *f) {
    bool changed = true, left = true;
    while (changed && left && f->good) {
        changed = left = false;
        for (int k = 0; k < f->all.n && f->good; k++) {
            if (!unsettled(f->all.at[k])) continue;
            int found = solve_index(f, f->all.at[k]);
            if (found < 0) f->good = false;
            changed |= found > 0;
            left |= found == 0;
        }
    }
    if (left && f->good) {
        report_unknown(f);
        f->good = false;
    }
}

/* Only where a range is written may a subscript leave its tensor. */
static void check_leaving(Infer *f, const Subscript *s) {
    long lo, hi;
    Expr *e = e_subst(f->e->pool, s->e, f->known);
    if (s->may_leave || !e_range(e, &lo, &hi) || (lo >= 0 && hi < s->size)) return;
    for (int k = 0; k < f->all.n; k++) {
        Index *i = f->all.at[k];
        if (i->written && e_uses(e, i->var[0])) return;
    }
    f->good = false;
    if (lo == hi) {
        elab_error(f->e, s->span, "%ld is outside `%s`, which has %ld elements here", lo, s->of,
                   s->size);
        return;
    }
    elab_error(f->e, s->span, "this runs from %ld to %ld, outside `%s`, which has %ld elements "
               "here; only where a range is written may it", lo, hi, s->of, s->size);
}

bool infer_ranges(Comp *c, Scope *s, Index **lhs, int n_lhs, Tree *value) {
    Infer f = {.c = c, .e = c->e, .good = true, .known = map_new(c->e->arena)};
    int site = c->e->site;
    c->dry = true;
    for (int i = 0; i < n_lhs; i++) PUSH(c->e->arena, f.all, lhs[i]);
    collect(&f, s, value);
    for (int k = 0; k < f.all.n; k++) {
        Index *i = f.all.at[k];
        if (i->pack && i->n < 0) {
            elab_error(c->e, i->span, "nothing tells how many indices `%s...` is", i->name);
            f.good = false;
        }
        for (int j = 0; j < i->n; j++) {
            if (i->extent[j] >= 0) settle(&f, i, j);
        }
    }
    if (f.good) solve_all(&f);
    for (int k = 0; k < f.subs.n && f.good; k++) check_leaving(&f, &f.subs.at[k]);
    c->dry = false;
    c->e->site = site;
    return f.good;
}
