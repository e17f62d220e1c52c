/* elaborate_net.c: pipelines: layers, functions and blocks applied to tensors. */
#include "elaborate_parts.h"
#include <string.h>

const char *instance_of(Elab *e, const char *name) {
    uintptr_t n = (uintptr_t)names_get(e->counts, name);
    const char *s;
    do {
        s = arena_printf(e->arena, "%s%d", name, (int)++n);
    } while (names_get(e->counts, s));
    names_set(e->counts, name, (void *)n);
    names_set(e->counts, s, (void *)1);
    return s;
}

static bool count_stage(Elab *e, Span at) {
    if (++e->stages <= ELAB_STAGES) return true;
    if (!e->stopped) elab_stop(e, at, "this net applies more than 5,000 layers");
    return false;
}

/* --- elementwise stages --- */

static const char *place_of(Elab *e, const char *name, Span at) {
    if (!at.source) return name;
    const char *slash = strrchr(at.source->name, '/'); /* output does not depend on the folder */
    const char *file = slash ? slash + 1 : at.source->name;
    return arena_printf(e->arena, "%s (%s:%d)", name, file, at.line);
}

/* The element of x at the comprehension's left side, which is made to fit where it is empty. */
static Expr *element_of(Comp *c, const Tensor *x) {
    static const char *const names[] = {"i", "j", "k", "l", "p", "q", "r", "s"};
    Expr *index[MAX_RANK];
    int n = 0;
    if (c->lhs.n == 0) {
        for (int i = 0; i < x->rank; i++) comp_lhs(c, var_new(c->e->pool, names[i], x->shape[i]));
    }
    if (x->node->batched) index[n++] = var_expr(c, c->batch);
    for (int i = 0; i < x->rank; i++) index[n++] = var_expr(c, c->lhs.at[i]);
    Expr *e = e_read(c->e->pool, x->node, index, n);
    return e->type == T_I32 ? int_to_float(c, e) : e;
}

static Tensor *apply_elementwise(Elab *e, Scope *s, Tree *t, const char *name, const Def *d,
                                 const Args *args, Tensor *in) {
    Comp *c = comp_new(e, instance_of(e, name), true);
    const char *where = e->where;
    Expr *x = element_of(c, in);
    Val v = val(NULL);
    e->where = place_of(e, name, t->span);
    if (x->type == T_BOOL) {
        elab_error(e, t->span, "a condition is no number");
    } else if (!d) {
        if (args && args->n) elab_error(e, t->span, "`%s` takes no arguments here", name);
        v = val(float_op(c, find_op(name), x, NULL));
    } else {
        Scope *to = scope_of(e, d);
        if (d->params.n == 0) {
            elab_error(e, t->span, "`%s` has no parameter to apply it to", name);
        } else if (bind_args(e, to, d, args, s, t->span, x) && bind_values(c, to, s)) {
            v = apply_function(c, d, to, t->span);
        }
    }
    Tensor *out = v.e || v.term ? comp_finish(c, v, T_F32, t->span) : NULL;
    e->where = where;
    return out;
}

/* --- inputs of layers and blocks --- */

static void wrong_shape(Elab *e, const Def *d, const Input *in, const Tensor *x, Span at) {
    const char *wants = in->indexed ? axes_text(e->arena, &in->axes) : "a number";
    Diag *g = elab_error(e, at, "`%s` takes %s%s, found %s", d->name.text,
                         in->indexed ? in->name.text : "", wants,
                         shape_text(e->arena, x->rank, x->shape));
    diag_note(e->diags, g, in->span, "`%s` says what it takes here", d->name.text);
}

/* A size on the `on` line: a new name gets it, anything else must agree. */
static bool fit_axis(Elab *e, Scope *s, const Def *d, const Input *in, const Axis *a,
                     const Tensor *x, int axis, Span at) {
    long size = x->shape[axis], wanted;
    Tree *t = a->limit ? a->limit : a->size;
    bool name = t->kind == TREE_NAME && !t->name.indexed && !a->limit;
    if (name && !scope_find(s, t->name.id.text)) {
        scope_bind(e, s, BIND_SIZE, t->name.id.text, a->span)->size = size;
        return true;
    }
    if (!const_int(e, s, t, &wanted)) return false;
    if (wanted == size) return true;
    Diag *g = elab_error(e, at, "`%s` takes %s%s, found %s: axis %d is %ld instead of %ld",
                         d->name.text, in->name.text, axes_text(e->arena, &in->axes),
                         shape_text(e->arena, x->rank, x->shape), axis + 1, size, wanted);
    diag_note(e->diags, g, a->span, "this size");
    return false;
}

static bool fit_pack(Elab *e, Scope *s, const Axis *a, const Tensor *x, int axis, int n, Span at) {
    Tensor *sizes = NEW(e->arena, Tensor);
    sizes->rank = n;
    for (int i = 0; i < n; i++) sizes->shape[i] = x->shape[axis + i];
    Bind *old = scope_find(s, a->name.text);
    if (!old) {
        scope_bind(e, s, BIND_SIZES, a->name.text, a->span)->tensor = sizes;
        return true;
    }
    if (old->kind != BIND_SIZES) return false;
    bool same = old->tensor->rank == n;
    for (int i = 0; i < n && same; i++) same = old->tensor->shape[i] == sizes->shape[i];
    if (same) return true;
    Diag *g = elab_error(e, at, "shapes differ: `%s...` is %s and %s", a->name.text,
                         shape_text(e->arena, old->tensor->rank, old->tensor->shape),
                         shape_text(e->arena, n, sizes->shape));
    diag_note(e->diags, g, old->span, "the first one is bound here");
    return false;
}

static bool fit_input(Elab *e, Scope *s, const Def *d, const Input *in, Tensor *x, Span at) {
    int packs = 0, n = in->axes.n, axis = 0;
    for (int i = 0; i < n; i++) packs += in->axes.at[i].pack;
    if (packs > 1) {
        elab_error(e, in->span, "at most one pack of sizes");
        return false;
    }
    if (packs ? x->rank < n - 1 : x->rank != n) {
        wrong_shape(e, d, in, x, at);
        return false;
    }
    for (int i = 0; i < n; i++) {
        const Axis *a = &in->axes.at[i];
        int length = a->pack ? x->rank - (n - 1) : 1;
        bool good = a->pack ? fit_pack(e, s, a, x, axis, length, at)
                            : fit_axis(e, s, d, in, a, x, axis, at);
        if (!good) return false;
        axis += length;
    }
    bind_tensor(e, s, in->name, x);
    return true;
}

/* "in[C, H, W] = [1, 28, 28]", for notes */
static const char *inputs_text(Elab *e, const Def *d, const Tensors *in) {
    Text text = {.arena = e->arena};
    for (int i = 0; i < in->n; i++) {
        const Input *x = d->has_on ? &d->inputs.at[i] : NULL;
        text_add(&text, "%s%s", i ? ", " : "", x ? x->name.text : "in");
        if (x && x->indexed) text_add(&text, "%s =", axes_text(e->arena, &x->axes));
        text_add(&text, " %s", shape_text(e->arena, in->at[i]->rank, in->at[i]->shape));
    }
    return text.at;
}

static bool fit_inputs(Elab *e, Scope *s, const Def *d, const Tensors *in, Span at) {
    int n = d->has_on ? d->inputs.n : 1;
    if (in->n != n) {
        elab_error(e, at, "`%s` takes %d input%s, and has %d here", d->name.text, n,
                   n == 1 ? "" : "s", in->n);
        return false;
    }
    if (!d->has_on) {
        bind_tensor(e, s, (Ident){"in", d->span}, in->at[0]);
        return true;
    }
    bool good = true;
    for (int i = 0; i < n && good; i++) good = fit_input(e, s, d, &d->inputs.at[i], in->at[i], at);
    return good;
}

/* --- layers and blocks --- */

/* An argument as people read it: its value where the text names one. */
static void print_arg(Elab *e, Scope *s, Text *text, const Arg *a) {
    Diags *diags = e->diags;
    Comp none = {.e = e, .dry = true};
    Tree *t = a->value;
    e->diags = diags_new(e->arena); /* it was evaluated before: no mistakes to tell */
    Expr *x = NULL;
    if (t->kind != TREE_NUMBER && is_integral(e, s, t)) x = index_expr(&none, s, t);
    e->diags = diags;
    if (a->name.text) text_add(text, "%s = ", a->name.text);
    if (x && is_const(x)) {
        text_add(text, "%.0f", x->num);
    } else {
        tree_print_expr(text, t);
    }
}

static const char *row_text(Elab *e, Scope *s, Tree *t) {
    Text text = {.arena = e->arena};
    if (t->kind != TREE_CALL) {
        tree_print_expr(&text, t);
        return text.at;
    }
    text_add(&text, "%s(", t->call.id.text);
    for (int i = 0; i < t->call.args.n; i++) {
        if (i) text_add(&text, ", ");
        print_arg(e, s, &text, &t->call.args.at[i]);
    }
    text_add(&text, ")");
    return text.at;
}

/* The rows that n hangs on without another between, each once; -1 for the sample itself. */
static void find_sources(Elab *e, struct LayerRow *row, const Node *n, Map *seen) {
    Program *p = e->program;
    Node **read;
    int source = p->n_layers - 2; /* the last row is the one that asks */
    if (map_get(seen, n)) return;
    map_set(seen, n, (void *)n);
    while (source >= 0 && p->layer[source].node != n) source--;
    if (source < 0 && n->kind != NODE_INPUT) {
        int count = node_reads(e->arena, n, &read);
        for (int i = 0; i < count; i++) find_sources(e, row, read[i], seen);
        return;
    }
    for (int i = 0; i < row->from.n; i++) {
        if (row->from.at[i] == source) return;
    }
    PUSH(e->arena, row->from, source);
}

static void add_row(Elab *e, Scope *s, Tree *t, const Tensors *in, const Tensor *out,
                    long parameters) {
    Program *p = e->program;
    if (!e->rows || !out) return;
    if ((p->n_layers & (p->n_layers - 1)) == 0) { /* full: twice as many */
        struct LayerRow *old = p->layer;
        p->layer = NEW_ARRAY(e->arena, struct LayerRow, p->n_layers * 2 + 1);
        if (old) memcpy(p->layer, old, sizeof *old * (size_t)p->n_layers);
    }
    struct LayerRow *row = &p->layer[p->n_layers++];
    *row = (struct LayerRow){.name = e->instance, .text = row_text(e, s, t),
                             .rank = out->rank, .node = out->node};
    memcpy(row->shape, out->shape, sizeof row->shape);
    row->parameters = e->parameters - parameters;
    Map *seen = map_new(e->arena);
    for (int i = 0; i < in->n; i++) find_sources(e, row, in->at[i]->node, seen);
}

static Tensor *apply_layer(Elab *e, Scope *s, Tree *t, const Def *d, const Args *args,
                           const Tensors *in) {
    Scope *to = scope_of(e, d);
    Frame f;
    if (!bind_args(e, to, d, args, s, t->span, NULL)) return NULL;
    if (!fit_inputs(e, to, d, in, t->span)) return NULL;
    if (d->kind == DEF_LOSS) {
        scope_bind(e, to, BIND_ALL, "all", d->span);
        Bind *label = scope_find(to, "label");
        if (!label && e->label) bind_tensor(e, to, (Ident){"label", d->span}, e->label);
        if (!label && !e->label) scope_bind(e, to, BIND_BAD, "label", d->span);
    }
    if (!enter(e, &f, d, t->span)) return NULL;
    f.inputs = inputs_text(e, d, in);
    e->where = place_of(e, d->name.text, t->span);
    bool good = layer_body(e, d, to);
    leave(e, &f);
    Bind *out = good ? scope_find(to, "out") : NULL;
    return out && out->kind == BIND_TENSOR ? out->tensor : NULL;
}

static Tensor *apply_block(Elab *e, Scope *s, Tree *t, const Def *d, const Args *args,
                           const Tensors *in) {
    Scope *to = scope_of(e, d);
    Frame f;
    if (!bind_args(e, to, d, args, s, t->span, NULL)) return NULL;
    if (!fit_inputs(e, to, d, in, t->span) || !enter(e, &f, d, t->span)) return NULL;
    Tensor *out = NULL;
    for (int i = 0; i < d->body.n && !e->stopped; i++) {
        const Stmt *st = d->body.at[i];
        Tensor *x = pipeline(e, to, st->value, in->at[0]);
        bind_tensor(e, to, st->name, x);
    }
    if (d->value) {
        out = pipeline(e, to, d->value, in->at[0]);
    } else {
        Bind *b = scope_find(to, "out");
        if (!b) elab_error(e, d->name.span, "`%s` defines no `out`", d->name.text);
        out = b && b->kind == BIND_TENSOR ? b->tensor : NULL;
    }
    leave(e, &f);
    return out;
}

static Tensor *one_input(Elab *e, Tree *t, const char *name, const Tensors *in) {
    if (in->n == 1) return in->at[0];
    elab_error(e, t->span, "`%s` takes 1 input, and has %d here", name, in->n);
    return NULL;
}

static Tensor *apply(Elab *e, Scope *s, Tree *t, Ident name, const Args *args, const Tensors *in) {
    const Def *d = find_def(e, s, SPACE_STAGE, name.text);
    int op = d ? -1 : find_op(name.text);
    if (op == OP_MIN || op == OP_MAX) op = -1;
    if (!d && op < 0) {
        unknown_def(e, s, SPACE_STAGE, name, e->in_loss ? "loss" : "layer");
        return NULL;
    }
    if (!count_stage(e, t->span)) return NULL;
    const char *instance = e->instance, *where = e->where;
    long parameters = e->parameters;
    Tensor *out = NULL;
    if (d && d->kind == DEF_BLOCK) return apply_block(e, s, t, d, args, in);
    if (!d || d->kind == DEF_FUNCTION) {
        Tensor *x = one_input(e, t, name.text, in);
        if (x) out = apply_elementwise(e, s, t, name.text, d, args, x);
        e->instance = arena_printf(e->arena, "%s%d", name.text,
                                   (int)(uintptr_t)names_get(e->counts, name.text));
    } else {
        e->instance = instance_of(e, name.text);
        out = apply_layer(e, s, t, d, args, in);
    }
    add_row(e, s, t, in, out, parameters);
    e->instance = instance;
    e->where = where;
    return out;
}

/* --- pipelines --- */

static Tensor *repeat(Elab *e, Scope *s, Tree *t, Tensor *in) {
    long n;
    const Args *a = &t->call.args;
    if (a->n != 2 || a->at[0].name.text || a->at[1].name.text) {
        elab_error(e, t->span, "repeat takes a number and what is repeated: "
                   "repeat(3, layer -> layer)");
        return NULL;
    }
    if (!size_expr(e, s, a->at[0].value, &n)) return NULL;
    for (long i = 0; i < n && in && !e->stopped; i++) {
        if (!count_stage(e, t->span)) return NULL;
        in = pipeline(e, s, a->at[1].value, in);
    }
    return in;
}

static bool is_tensor(Elab *e, Scope *s, Tree *t) {
    switch (t->kind) {
    case TREE_PIPE:
    case TREE_TUPLE: return true;
    case TREE_NAME:
    case TREE_CALL: {
        const char *name = t->kind == TREE_NAME ? t->name.id.text : t->call.id.text;
        Bind *b = t->kind == TREE_NAME ? scope_find(s, name) : NULL;
        if (b) return b->kind == BIND_TENSOR || b->kind == BIND_BAD;
        const Def *d = find_def(e, s, SPACE_STAGE, name);
        return d ? d->kind != DEF_FUNCTION || t->kind == TREE_NAME : !strcmp(name, "repeat");
    }
    case TREE_UNARY: return is_tensor(e, s, t->op.a);
    case TREE_BINARY: return is_tensor(e, s, t->op.a) || is_tensor(e, s, t->op.b);
    default: return false;
    }
}

static bool same_shape(const Tensor *a, const Tensor *b) {
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++) {
        if (a->shape[i] != b->shape[i]) return false;
    }
    return true;
}

/* a + b, 0.5 * a: branches that join, weighted losses */
static Tensor *join(Elab *e, Scope *s, Tree *t, Tensor *in) {
    static const Op ops[N_TREE_OPS] = {[TREE_ADD] = OP_ADD, [TREE_SUB] = OP_SUB,
                                       [TREE_MUL] = OP_MUL, [TREE_DIV] = OP_DIV};
    static const char *const names[N_TREE_OPS] = {[TREE_ADD] = "sum", [TREE_SUB] = "difference",
                                                  [TREE_MUL] = "product", [TREE_DIV] = "quotient"};
    Tree *part[2] = {t->op.a, t->op.b};
    Tensor *x[2] = {NULL, NULL};
    Expr *value[2];
    if (!ops[t->op.op]) {
        elab_error(e, t->span, "branches join by + - * / only");
        return NULL;
    }
    bool good = true;
    for (int i = 0; i < 2; i++) {
        if (!is_tensor(e, s, part[i])) continue;
        x[i] = pipeline(e, s, part[i], in);
        good &= x[i] != NULL;
    }
    if (!good) return NULL;
    if (x[0] && x[1] && !same_shape(x[0], x[1])) {
        elab_error(e, t->span, "shapes differ: %s %s %s",
                   shape_text(e->arena, x[0]->rank, x[0]->shape), tree_op_text[t->op.op],
                   shape_text(e->arena, x[1]->rank, x[1]->shape));
        return NULL;
    }
    Comp *c = comp_new(e, instance_of(e, names[t->op.op]), true);
    for (int i = 0; i < 2; i++) {
        if (x[i]) value[i] = element_of(c, x[i]);
    }
    for (int i = 0; i < 2; i++) {
        if (!x[i]) value[i] = number_expr(c, s, part[i]);
        if (!value[i]) return NULL;
    }
    const char *where = e->where;
    e->where = place_of(e, tree_op_text[t->op.op], t->span);
    Val v = val(float_op(c, ops[t->op.op], value[0], value[1]));
    Tensor *out = comp_finish(c, v, T_F32, t->span);
    e->where = where;
    return out;
}

static Tensor *named_value(Elab *e, Tree *t, Bind *b) {
    b->used = true;
    if (b->kind == BIND_TENSOR) return b->tensor;
    if (b->kind != BIND_BAD) elab_error(e, t->span, "`%s` is no tensor", b->name);
    return NULL;
}

/* What stage k of a pipeline gets; the first may be a value, or several. */
static bool first_values(Elab *e, Scope *s, Tree *t, Tensor *in, Tensors *out) {
    if (t->kind != TREE_TUPLE) {
        Tensor *x = pipeline(e, s, t, in);
        PUSH(e->arena, *out, x);
        return x != NULL;
    }
    bool good = true;
    for (int i = 0; i < t->list.n; i++) {
        Tensor *x = pipeline(e, s, t->list.at[i], in);
        PUSH(e->arena, *out, x);
        good &= x != NULL;
    }
    return good;
}

/* A stage after the first. */
static Tensor *next_stage(Elab *e, Scope *s, Tree *t, const Tensors *in) {
    if (t->kind == TREE_NAME && !t->name.indexed && !t->name.next && !t->name.sample) {
        Bind *b = scope_find(s, t->name.id.text);
        if (b && b->kind == BIND_TENSOR) {
            elab_error(e, t->span, "`%s` is a value: it can only begin a pipeline", b->name);
            return NULL;
        }
        return apply(e, s, t, t->name.id, NULL, in);
    }
    if (t->kind == TREE_CALL && strcmp(t->call.id.text, "repeat")) {
        return apply(e, s, t, t->call.id, &t->call.args, in);
    }
    Tensor *x = one_input(e, t, "this", in);
    return x ? pipeline(e, s, t, x) : NULL;
}

/* A stage of which no more than the text is known, after another failed. */
static void check_stage(Elab *e, Scope *s, Tree *t) {
    if (t->kind != TREE_NAME && t->kind != TREE_CALL) return;
    Ident name = t->kind == TREE_NAME ? t->name.id : t->call.id;
    if (scope_find(s, name.text) || find_op(name.text) >= 0 || !strcmp(name.text, "repeat")) return;
    const Def *d = find_def(e, s, SPACE_STAGE, name.text);
    const Args *args = t->kind == TREE_CALL ? &t->call.args : NULL;
    if (!d) unknown_def(e, s, SPACE_STAGE, name, "layer");
    if (!d || d->kind == DEF_FUNCTION) return;
    bind_args(e, scope_of(e, d), d, args, s, t->span, NULL);
}

static Tensor *stages(Elab *e, Scope *s, Tree *t, Tensor *in) {
    Tensors now = {0};
    bool good = first_values(e, s, t->list.at[0], in, &now);
    for (int i = 1; i < t->list.n; i++) {
        Tensor *x = good ? next_stage(e, s, t->list.at[i], &now) : NULL;
        if (!good) check_stage(e, s, t->list.at[i]);
        good = x != NULL;
        now = (Tensors){0};
        PUSH(e->arena, now, x);
    }
    return now.at[0];
}

Tensor *pipeline(Elab *e, Scope *s, Tree *t, Tensor *in) {
    Tensors one = {0};
    if (!elab_work(e, t->span)) return NULL;
    if (in) PUSH(e->arena, one, in);
    switch (t->kind) {
    case TREE_PIPE: return stages(e, s, t, in);
    case TREE_NAME: {
        Bind *b = scope_find(s, t->name.id.text);
        if (t->name.indexed || t->name.next || t->name.sample) break;
        if (b) return named_value(e, t, b);
        return in ? apply(e, s, t, t->name.id, NULL, &one) : NULL;
    }
    case TREE_CALL:
        if (!in) return NULL;
        if (!strcmp(t->call.id.text, "repeat")) return repeat(e, s, t, in);
        return apply(e, s, t, t->call.id, &t->call.args, &one);
    case TREE_BINARY: return join(e, s, t, in);
    case TREE_TUPLE:
        elab_error(e, t->span, "several values: they go into a layer, as in (a, b) -> layer");
        return NULL;
    default: break;
    }
    elab_error(e, t->span, "a pipeline of layers is expected here: layer -> layer(1)");
    return NULL;
}
