/* elaborate_read.c: reads: which tensor, at which indices, and whether they stay inside. */
#include "elaborate_parts.h"
#include <string.h>

/* The binding of a tensor, and whether it is read as one long row: in.flat[k]. */
static Bind *find_tensor(Comp *c, Scope *s, Tree *t, bool *flat) {
    Elab *e = c->e;
    const char *text = t->name.id.text, *dot = strchr(text, '.');
    *flat = dot && !strcmp(dot, ".flat");
    if (*flat) text = arena_strndup(e->arena, text, (size_t)(dot - text));
    Bind *b = scope_find(s, text);
    if (!b) {
        unknown_name(e, s, (Ident){text, t->name.id.span});
        return NULL;
    }
    if (b->kind == BIND_BAD) return NULL;
    if (c->initial) {
        elab_error(e, t->span, "what is stored between steps starts from numbers and draws, not "
                   "from a tensor such as `%s`", text);
        return NULL;
    }
    if (b->kind == BIND_TENSOR || b->kind == BIND_STATE || b->kind == BIND_ELEMENT) return b;
    elab_error(e, t->span, "`%s` is no tensor", text);
    return NULL;
}

static Tensor *next_of(Comp *c, Tree *t, Bind *b) {
    if (b->kind == BIND_TENSOR || (b->kind == BIND_ELEMENT && !b->stored)) {
        elab_error(c->e, t->span, "`%s` is no state: it has no next value", b->name);
        return NULL;
    }
    if (b->defined) return b->next;
    elab_error(c->e, t->span, "`next %s` is read before it is defined", b->name);
    return NULL;
}

static Tensor *bound_tensor(Comp *c, Tree *t, Bind *b) {
    return t->name.next ? next_of(c, t, b) : b->tensor;
}

Tensor *read_tensor(Comp *c, Scope *s, Tree *t, Tensor *flat) {
    bool is_flat;
    Bind *b = find_tensor(c, s, t, &is_flat);
    Tensor *x = b ? bound_tensor(c, t, b) : NULL;
    if (!x || !is_flat) return x;
    *flat = *x;
    flat->rank = 1;
    flat->shape[0] = 1;
    for (int i = 0; i < x->rank; i++) flat->shape[0] *= x->shape[i];
    return flat;
}

/* --- bounds --- */

static void cannot_leave(Comp *c, Tree *sub, const char *name, long size) {
    elab_error(c->e, sub->span, "this may be outside `%s`, which has %ld elements here: read it as "
               "inside(%s[...], else value)", name, size, name);
}

/* Tests that keep an index inside, where its range does not. A label is a class of the data. */
static bool add_tests(Comp *c, Tree *sub, Expr *index, const char *name, long size) {
    Elab *e = c->e;
    Pool *p = e->pool;
    long lo, hi;
    if (c->dry) return true;
    bool known = e_range(index, &lo, &hi);
    if (e->label && index->op == OP_READ && index->node == e->label->node) {
        if (e->program->data.n_classes <= size) return true;
        elab_error(e, sub->span, "`%s` has %ld elements here, the data %d classes", name, size,
                   e->program->data.n_classes);
        return false;
    }
    Expr *low = known && lo >= 0 ? NULL : e_op(p, OP_LE, e_int(p, 0), index, NULL);
    Expr *high = known && hi < size ? NULL : e_op(p, OP_LT, index, e_int(p, size), NULL);
    if (is_true(low) && is_true(high)) return true;
    if (!c->may_leave) {
        cannot_leave(c, sub, name, size);
        return false;
    }
    c->tests = e_and(p, c->tests, e_and(p, low, high));
    return true;
}

/* --- indices --- */

typedef struct Read {
    Comp *c;
    Scope *s;
    Tree *t;
    const char *name;
    Expr *index[MAX_RANK];
    int n;
} Read;

static bool add_pack(Read *r, Tree *sub, const Tensor *of, int axis, int length) {
    Bind *b = scope_find(r->s, sub->pack.text);
    if (!b || b->kind != BIND_INDEX || !b->index->pack || b->index->n != length) {
        elab_error(r->c->e, sub->span, "`%s...` is no pack of %d indices here", sub->pack.text,
                   length);
        return false;
    }
    for (int k = 0; k < length; k++) {
        Expr *x = var_expr(r->c, b->index->var[k]);
        if (!add_tests(r->c, sub, x, r->name, of->shape[axis + k])) return false;
        r->index[r->n++] = x;
    }
    return true;
}

static bool add_index(Read *r, Tree *sub, const Tensor *of, int axis) {
    Expr *x = index_expr(r->c, r->s, sub);
    if (!x || !add_tests(r->c, sub, x, r->name, of->shape[axis])) return false;
    r->index[r->n++] = x;
    return true;
}

static bool add_subscripts(Read *r, const Tensor *of) {
    int n = r->t->name.index.n, packs = 0, axis = 0;
    for (int i = 0; i < n; i++) packs += r->t->name.index.at[i]->kind == TREE_PACK;
    if (packs > 1 || (packs ? n - 1 > of->rank : n != of->rank)) {
        elab_error(r->c->e, r->t->span, "`%s` has %d axes, %s, and %d subscript%s here", r->name,
                   of->rank, shape_text(r->c->e->arena, of->rank, of->shape), n,
                   n == 1 ? "" : "s");
        return false;
    }
    for (int i = 0; i < n; i++) {
        Tree *sub = r->t->name.index.at[i];
        int length = sub->kind == TREE_PACK ? of->rank - (n - 1) : 1;
        bool good = sub->kind == TREE_PACK ? add_pack(r, sub, of, axis, length)
                                           : add_index(r, sub, of, axis);
        if (!good) return false;
        axis += length;
    }
    return true;
}

/* Element k of the row-major order becomes indices. */
static void unravel(Read *r, int from, const Tensor *of) {
    Pool *p = r->c->e->pool;
    Expr *k = r->index[from];
    long stride = 1;
    r->n = from + of->rank;
    for (int i = of->rank - 1; i >= 0; i--) {
        Expr *x = e_op(p, OP_IDIV, k, e_int(p, stride), NULL);
        if (i > 0) x = e_op(p, OP_IMOD, x, e_int(p, of->shape[i]), NULL);
        r->index[from + i] = x;
        stride *= of->shape[i];
    }
}

/* The sample: this one's, or n's in in@n. */
static bool add_sample(Read *r, const Tensor *of) {
    Comp *c = r->c;
    Tree *at = r->t->name.sample;
    if (!of->node->batched) {
        if (at) elab_error(c->e, at->span, "`%s` is the same for all samples", r->name);
        return !at;
    }
    Var *v = c->batch;
    if (at) {
        Bind *b = at->kind == TREE_NAME ? scope_find(r->s, at->name.id.text) : NULL;
        if (!b || b->kind != BIND_INDEX || !b->index->batch) {
            elab_error(c->e, at->span, "`@` takes an index over the batch: sum(n in batch) %s@n",
                       r->name);
            return false;
        }
        v = b->index->var[0];
    }
    if (!v) {
        elab_error(c->e, r->t->span, "`%s` is of a sample, and there is none here", r->name);
        return false;
    }
    r->index[r->n++] = var_expr(c, v);
    return true;
}

static bool add_step(Read *r, const Tensor *of) {
    if (!of->stepped) return true;
    if (!r->c->step) die("%s is read outside its scan", r->name);
    r->index[r->n++] = var_expr(r->c, r->c->step);
    return true;
}

static Expr *read_element(Read *r, Bind *b, const Tensor *x) {
    if (r->t->name.indexed) {
        elab_error(r->c->e, r->t->span, "a rule is for each element: `%s` without subscripts",
                   b->name);
        return NULL;
    }
    for (int i = 0; i < x->rank; i++) r->index[r->n++] = var_expr(r->c, b->at[i]);
    return e_read(r->c->e->pool, x->node, r->index, r->n);
}

Expr *read_name(Comp *c, Scope *s, Tree *t) {
    bool flat;
    Bind *b = find_tensor(c, s, t, &flat);
    Tensor *x = b ? bound_tensor(c, t, b) : NULL, as_row;
    if (!x) return NULL;
    Read r = {.c = c, .s = s, .t = t, .name = t->name.id.text};
    if (b->kind == BIND_ELEMENT) return read_element(&r, b, x);
    Tensor *of = read_tensor(c, s, t, &as_row);
    if (!t->name.indexed && of->rank) {
        elab_error(c->e, t->span, "`%s` has %d ax%ss, %s: its subscripts are missing", r.name,
                   of->rank, of->rank == 1 ? "i" : "e",
                   shape_text(c->e->arena, of->rank, of->shape));
        return NULL;
    }
    if (!add_sample(&r, x) || !add_step(&r, x)) return NULL;
    int from = r.n;
    if (!add_subscripts(&r, of)) return NULL;
    if (flat) unravel(&r, from, x);
    return e_read(c->e->pool, x->node, r.index, r.n);
}
