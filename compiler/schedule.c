/* schedule.c: layouts, targets and the structure of schedules (schedule.h). */
#include "schedule.h"
#include <string.h>

const char *const loop_kind_names[N_LOOP_KINDS] = {"for", "unroll", "lane", "parallel"};

const Target targets[] = {
    {"generic", 1, 16, ""},
    {"x86-64-v3", 8, 16, "-march=x86-64-v3"},
    {"x86-64-v4", 16, 32, "-march=x86-64-v4 -mprefer-vector-width=512"},
};
const int n_targets = COUNT_OF(targets);

static const char *native_name(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq"))
        return "x86-64-v4";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "x86-64-v3";
#endif
    return "generic";
}

const Target *target_find(const char *name) {
    if (!strcmp(name, "native")) name = native_name();
    for (int i = 0; i < n_targets; i++)
        if (!strcmp(targets[i].name, name)) return &targets[i];
    return NULL;
}

void layout_close(Layout *l) {
    l->size = 1;
    for (int i = l->n - 1; i >= 0; i--) {
        l->piece[i].stride = l->size;
        l->size *= l->piece[i].count;
    }
}

long round_up(long x, long to) {
    return (x + to - 1) / to * to;
}

Layout layout_rows(int rank, const long *shape, long pad) {
    Layout l = {.n = rank};
    for (int i = 0; i < rank; i++) {
        long count = shape[i];
        if (i == rank - 1 && count > 1) count = (count + pad - 1) / pad * pad;
        l.piece[i] = (struct Piece){.axis = i, .div = 1, .count = count};
    }
    layout_close(&l);
    return l;
}

static bool outermost_of_axis(const Layout *l, int i) {
    for (int j = 0; j < l->n; j++)
        if (l->piece[j].axis == l->piece[i].axis && l->piece[j].div > l->piece[i].div) return false;
    return true;
}

Expr *layout_offset(Pool *p, const Layout *l, Expr *const *index) {
    Expr *offset = e_int(p, 0);
    for (int i = 0; i < l->n; i++) {
        const struct Piece *piece = &l->piece[i];
        Expr *e = index[piece->axis];
        if (piece->div > 1) e = e_op(p, OP_IDIV, e, e_int(p, piece->div), NULL);
        if (!outermost_of_axis(l, i) || l->folded == piece->axis + 1)
            e = e_op(p, OP_IMOD, e, e_int(p, piece->count), NULL);
        offset = e_add(p, offset, e_scale(p, e, piece->stride));
    }
    return offset;
}

long layout_room(const Layout *l, int axis) {
    long room = 1;
    for (int i = 0; i < l->n; i++)
        if (l->piece[i].axis == axis) room *= l->piece[i].count;
    return room;
}

bool layout_is_unit(const Layout *l, int axis, long width) {
    if (l->n == 0) return false;
    const struct Piece *inner = &l->piece[l->n - 1];
    return inner->axis == axis && inner->div == 1 && inner->count % width == 0;
}

int stored_number(const Program *p, const Stored *s) {
    for (int i = 0; i < p->stored.n; i++)
        if (p->stored.at[i] == s) return i;
    die("%s is no stored tensor of the program", s->name);
}

Layouts *layouts_new(const Program *p) {
    Layouts *l = NEW(p->arena, Layouts);
    l->n = p->stored.n;
    l->stored = NEW_ARRAY(p->arena, Layout, l->n + 1);
    l->offset = NEW_ARRAY(p->arena, size_t, l->n + 1);
    for (int i = 0; i < l->n; i++)
        l->stored[i] = layout_rows(p->stored.at[i]->rank, p->stored.at[i]->shape, PAD);
    return l;
}

void layouts_close(Layouts *l) {
    l->bytes = 0;
    for (int i = 0; i < l->n; i++) {
        l->offset[i] = l->bytes;
        l->bytes = (l->bytes + 4 * (size_t)l->stored[i].size + SLACK + ALIGN - 1) / ALIGN * ALIGN;
    }
}

Schedule *schedule_new(Graph *g, const Target *t) {
    Arena *a = g->program->arena;
    Schedule *s = NEW(a, Schedule);
    s->graph = g;
    s->target = t;
    s->of = NEW_ARRAY(a, NodeSchedule *, g->nodes.n);
    for (int i = 0; i < g->nodes.n; i++) {
        NodeSchedule *ns = s->of[i] = NEW(a, NodeSchedule);
        ns->node = g->nodes.at[i];
    }
    return s;
}

NodeSchedule *schedule_of(const Schedule *s, const Node *n) {
    return s->of[n->id];
}

static void note_select(void *found, Expr *e) {
    *(bool *)found |= e->op == OP_SELECT || e->op == OP_AND || e->op == OP_OR;
}

bool schedule_skips_terms(const NodeSchedule *kernel, Expr *body, Expr *guard) {
    bool chosen = false;
    e_visit(body, note_select, &chosen);
    if (chosen || kernel->node->reduce == REDUCE_NONE || kernel->host) return false;
    for (int i = 0; i < kernel->loops.n && guard; i++) {
        const LoopSpec *x = &kernel->loops.at[i];
        if (x->skew || (x->kind == LOOP_LANE && e_uses(guard, x->var))) return false;
    }
    return true;
}
