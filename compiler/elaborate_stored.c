/* elaborate_stored.c: parameters and states of layers: declared once, with an initial value. */
#include "elaborate_parts.h"
#include <ctype.h>
#include <string.h>

static const char *identifier(Elab *e, const char *name) {
    char *s = arena_strdup(e->arena, name);
    for (char *c = s; *c; c++) {
        if (!isalnum((unsigned char)*c)) *c = '_';
    }
    while (names_get(e->instances, s)) s = arena_printf(e->arena, "%s_", s);
    names_set(e->instances, s, s);
    return s;
}

Stored *declare(Elab *e, StoredKind kind, const char *name, int rank, const long *shape) {
    Stored *s = names_get(e->stored, name);
    if (s) return s;
    s = NEW(e->arena, Stored);
    s->name = name;
    s->ident = identifier(e, name);
    s->kind = kind;
    s->rank = rank;
    memcpy(s->shape, shape, sizeof *shape * (size_t)rank);
    names_set(e->stored, name, s);
    if (kind == STORED_PARAM) PUSH(e->arena, e->program->stored, s);
    if (kind == STORED_STATE) PUSH(e->arena, e->states, s);
    return s;
}

/* --- shapes --- */

static bool add_axis(Elab *e, Span at, const char *name, long size, Tensor *shape,
                     Indices *indices) {
    static const char *const names[MAX_RANK] = {"i", "j", "k", "l", "p", "q", "r", "s"};
    if (shape->rank == MAX_RANK) {
        elab_error(e, at, "a tensor has at most %d axes", MAX_RANK);
        return false;
    }
    Index *i = NEW(e->arena, Index);
    i->name = name ? name : names[shape->rank];
    i->span = at;
    i->written = true;
    i->n = 1;
    i->extent[0] = size;
    i->var[0] = var_new(e->pool, i->name, size);
    PUSH(e->arena, *indices, i);
    shape->shape[shape->rank++] = size;
    return true;
}

static bool add_pack_axes(Elab *e, Scope *s, const Axis *a, Tensor *shape, Indices *indices) {
    Bind *b = scope_find(s, a->name.text);
    if (!b || b->kind != BIND_SIZES) {
        if (!b || b->kind != BIND_BAD) {
            elab_error(e, a->span, "`%s` is no pack of sizes", a->name.text);
        }
        return false;
    }
    for (int i = 0; i < b->tensor->rank; i++) {
        if (!add_axis(e, a->span, NULL, b->tensor->shape[i], shape, indices)) return false;
    }
    return true;
}

bool shape_of(Elab *e, Scope *s, Scope *in, const Axes *axes, Tensor *shape, Indices *indices) {
    bool good = true;
    long elements = 1;
    for (int i = 0; i < axes->n && good; i++) {
        const Axis *a = &axes->at[i];
        long size;
        if (a->pack) {
            good = add_pack_axes(e, s, a, shape, indices);
            continue;
        }
        good = size_expr(e, s, a->limit ? a->limit : a->size, &size) &&
               add_axis(e, a->span, a->limit ? a->name.text : NULL, size, shape, indices);
        if (good && a->limit) bind_index(e, in, indices->at[indices->n - 1]);
    }
    for (int i = 0; i < shape->rank && good; i++) {
        good = !__builtin_mul_overflow(elements, shape->shape[i], &elements) &&
               elements <= ELAB_ELEMENTS;
        if (!good) {
            elab_error(e, axes->at[0].span, "%s has more than 2^31 - 1 elements",
                       shape_text(e->arena, shape->rank, shape->shape));
        }
    }
    return good;
}

/* --- initial values --- */

/* In a later graph, where the value is known, its draws are counted all the same. */
static bool known_already(Elab *e, const Stored *stored) {
    uintptr_t site = (uintptr_t)names_get(e->sites, stored->name);
    if (site) e->site = (int)(site - 1);
    return site != 0;
}

void initialize(Elab *e, Scope *s, Tree *value, Stored *stored, const Indices *indices) {
    if (known_already(e, stored)) return;
    Graph *g = e->g;
    e->g = e->program->init;
    Comp *c = comp_new(e, stored->ident, false);
    e->g = g;
    c->initial = true;
    for (int i = 0; i < indices->n; i++) comp_lhs(c, indices->at[i]->var[0]);
    Tensor *t = NULL;
    if (infer_ranges(c, s, NULL, 0, value)) {
        Val v = value_of(c, s, value);
        t = v.e || v.term ? comp_finish(c, v, T_F32, value->span) : NULL;
    }
    if (t) graph_update(e->program->init, stored, t->node);
    names_set(e->sites, stored->name, (void *)(uintptr_t)(e->site + 1));
}

/* --- declarations in a layer --- */

static bool may_store(Elab *e, const Stmt *st) {
    if (!e->stateless) return true;
    elab_error(e, st->name.span, "preprocessing keeps no %s",
               st->kind == STMT_PARAM ? "parameters" : "state");
    return false;
}

void declare_stored(Elab *e, Scope *s, const Stmt *st) {
    Tensor *shape = NEW(e->arena, Tensor);
    Indices indices = {0};
    Scope *in = scope_new(e, s);
    StoredKind kind = st->kind == STMT_PARAM ? STORED_PARAM : STORED_STATE;
    if (is_taken(e, s, st->name)) return;
    if (!may_store(e, st) || !shape_of(e, s, in, &st->axes, shape, &indices)) {
        bind_tensor(e, s, st->name, NULL);
        return;
    }
    const char *name = arena_printf(e->arena, "%s.%s", e->instance, st->name.text);
    Stored *stored = declare(e, kind, name, shape->rank, shape->shape);
    if (kind == STORED_PARAM) {
        long n = 1;
        for (int i = 0; i < shape->rank; i++) n *= shape->shape[i];
        e->parameters += n;
    }
    initialize(e, in, st->value, stored, &indices);
    shape->node = graph_stored(e->g, stored);
    shape->node->layer = e->where;
    Bind *b = scope_bind(e, s, kind == STORED_PARAM ? BIND_TENSOR : BIND_STATE, st->name.text,
                         st->name.span);
    b->tensor = shape;
    b->stored = stored;
}
