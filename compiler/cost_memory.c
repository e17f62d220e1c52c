/* cost_memory.c: what kernels move between caches (cost_parts.h).
 *
 * The footprint of an access in a loop is the cache lines that it touches while the loop runs once,
 * which its strides tell. Where all that a loop touches fits into a cache, each line comes in once.
 * Where only an iteration's does, what the loop's iterations share stays too, so that is the same
 * again; a loop around pays for it anew each time. Nothing else stays.
 */
#include "cost_parts.h"
#include <math.h>

enum { LINE = 64, WAYS_BYTES = 4096 /* the first cache: addresses that far apart share a set */ };

static Access *new_access(Nest *x, const Buffer *b, Expr *offset, double bytes) {
    Access *a = NEW(x->arena, Access);
    *a = (Access){.buffer = b, .routine = x->routine, .n = x->depth, .bytes = bytes};
    x->by_data = false;
    x->lane = 0;
    cost_value(x, offset);
    a->random = x->by_data;
    for (int i = 0; i < x->depth; i++) {
        if (x->at[i]->kind == LOOP_CONDITION) continue;
        a->trip[i] = x->at[i]->trip;
        if (!a->random) a->stride[i] = b->narrow * cost_stride(x, offset, i);
    }
    Loop *in = x->at[x->depth - 1];
    PUSH(x->arena, in->accesses, a);
    return a;
}

/* Each lane reads elsewhere. */
static void add_lanes(Access *a, int lanes, double stride) {
    a->gather = true;
    a->trip[a->n] = lanes;
    a->stride[a->n++] = stride;
}

void cost_access(Nest *x, const Buffer *b, Expr *offset, int lanes, bool store) {
    bool gather = offset->lanes > 1;
    Access *a = new_access(x, b, offset, b->narrow * (gather ? 1 : lanes));
    a->store = store;
    if (!gather) return;
    long first = cost_value(x, offset);
    x->lane = lanes - 1;
    double stride = (double)(cost_value(x, offset) - first) / (lanes - 1);
    x->lane = 0;
    add_lanes(a, lanes, a->random ? 0 : b->narrow * stride);
}

void cost_rows(Nest *x, const Buffer *b, Expr *offset, int elements, int rows, long stride) {
    add_lanes(new_access(x, b, offset, b->narrow * elements), rows, (double)b->narrow * stride);
}

typedef struct Lines {
    double lines, spread; /* the same, over the share of the cache's sets that they can lie in */
    bool apart;           /* lines that do not follow each other */
} Lines;

static double common(double a, double b) {
    while (b >= 1) {
        double r = fmod(a, b);
        a = b, b = r;
    }
    return a;
}

/* Of an access in the loops from depth `from` on. */
static Lines lines_of(const Access *a, int from) {
    double all = (double)a->buffer->size * a->buffer->narrow / LINE + 1;
    if (a->random) {
        double n = 1;
        for (int i = from; i < a->n; i++) n *= a->trip[i] > 0 ? a->trip[i] : 1;
        return (Lines){n < all ? n : all, n < all ? n : all, true};
    }
    int order[MAX_DEPTH + 1], n = 0;
    for (int i = from; i < a->n; i++) {
        if (a->stride[i] == 0 || a->trip[i] <= 1) continue;
        int k = n++;
        for (; k > 0 && fabs(a->stride[order[k - 1]]) > fabs(a->stride[i]); k--)
            order[k] = order[k - 1];
        order[k] = i;
    }
    double extent = a->bytes, pieces = 1, apart = 0;
    for (int k = 0; k < n; k++) {
        double stride = fabs(a->stride[order[k]]), trip = a->trip[order[k]];
        if (stride <= extent + LINE - 4 && pieces == 1) extent += stride * (trip - 1);
        else pieces *= trip, apart = common(stride, apart);
    }
    double each = ceil(extent / LINE), lines = pieces * each;
    if (lines > all) lines = all;
    Lines x = {lines, lines, pieces > 1 && each < 3};
    if (pieces > 1 && apart >= LINE) {
        double places = WAYS_BYTES / common(WAYS_BYTES, apart) * each;
        if (places < WAYS_BYTES / LINE) x.spread = lines * (WAYS_BYTES / LINE) / places;
    }
    return x;
}

/* By buffer, the access that touches most in the loops from depth `from` on. */
typedef struct Touched {
    Map *of; /* Buffer -> struct Most * */
    VEC(struct Most {
        const Access *access;
        Lines lines;
    } *) list;
    int from;
} Touched;

static void touch(Nest *x, Touched *t, const Loop *l) {
    for (int i = 0; i < l->accesses.n; i++) {
        const Access *a = l->accesses.at[i];
        Lines lines = lines_of(a, t->from);
        struct Most *m = map_get(t->of, a->buffer);
        if (!m) {
            m = NEW(x->arena, struct Most);
            map_set(t->of, a->buffer, m);
            PUSH(x->arena, t->list, m);
        }
        if (!m->access || lines.lines > m->lines.lines) m->access = a, m->lines = lines;
    }
    for (int i = 0; i < l->inner.n; i++) touch(x, t, l->inner.at[i]);
}

static double bytes_of(const Touched *t, bool first_cache) {
    double sum = 0;
    for (int i = 0; i < t->list.n; i++) {
        const Lines *l = &t->list.at[i]->lines;
        sum += LINE * (first_cache ? l->spread : l->lines);
    }
    return sum;
}

static double cycles_of(const struct Cache *c, const struct Most *m) {
    if (!m->lines.apart) return c->line;
    return m->access->store ? c->store : m->access->gather ? c->gather : c->stride;
}

static void bring(Nest *x, int cache, const Touched *t, double runs) {
    const struct Cache *c = &x->machine->cache[cache];
    for (int i = 0; i < t->list.n; i++) {
        const struct Most *m = t->list.at[i];
        KernelCost *k = &x->cost[m->access->routine];
        k->moved[cache] += LINE * m->lines.lines * runs;
        k->cycles += m->lines.lines * runs * cycles_of(c, m);
    }
}

static Touched touched(Nest *x, const Loop *l, int from) {
    Touched t = {.of = map_new(x->arena), .from = from};
    touch(x, &t, l);
    return t;
}

/* What l brings into the cache in `runs` runs. */
static void traffic(Nest *x, int cache, Loop *l, double runs) {
    Touched all = touched(x, l, l->depth);
    double size = x->machine->cache[cache].bytes;
    bool first = cache == 0;
    Touched once = touched(x, l, l->depth + 1);
    if (bytes_of(&all, first) <= size || bytes_of(&once, first) <= size || !l->inner.n) {
        if (l->up || bytes_of(&all, first) > size) bring(x, cache, &all, runs);
        return;
    }
    for (int i = 0; i < l->inner.n; i++) traffic(x, cache, l->inner.at[i], runs * l->trip);
    Loop own = {.up = l->up, .depth = l->depth, .trip = l->trip, .accesses = l->accesses};
    Touched rest = touched(x, &own, l->depth);
    bring(x, cache, &rest, runs);
}

static void bytes_touched(Nest *x, Loop *l) {
    if (l->routine >= 0 && (!l->up || l->up->routine < 0)) {
        Touched t = touched(x, l, 0);
        x->cost[l->routine].bytes = bytes_of(&t, false);
        return;
    }
    for (int i = 0; i < l->inner.n; i++) bytes_touched(x, l->inner.at[i]);
}

void cost_traffic(Nest *x, Loop *root) {
    bytes_touched(x, root);
    for (int i = 0; i < N_CACHES; i++) traffic(x, i, root, 1);
}
