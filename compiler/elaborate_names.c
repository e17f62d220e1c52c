/* elaborate_names.c: scopes, the table of definitions, arguments, and how mistakes are told. */
#include "elaborate_parts.h"
#include <string.h>

/* --- mistakes --- */

static bool in_library(Elab *e, Span at) {
    for (int i = 0; i < e->library.n; i++) {
        if (e->library.at[i] == at.source) return true;
    }
    return false;
}

static void note_frame(Elab *e, Diag *d, const Frame *f, Span at, const char *here) {
    diag_note(e->diags, d, at, "in %s `%s`%s%s, %s", def_kind_names[f->def->kind],
              f->def->name.text, f->inputs ? " of " : "", f->inputs ? f->inputs : "", here);
}

/* An error in the library's text is the fault of what was applied: the innermost application in
 * the user's own text is where it is shown, the place in the library a note. */
Diag *elab_error(Elab *e, Span at, const char *format, ...) {
    va_list args;
    va_start(args, format);
    Text t = {.arena = e->arena};
    text_addv(&t, format, args);
    va_end(args);
    Frame *f = e->frame;
    Span shown = at;
    while (f && in_library(e, shown)) {
        shown = f->span;
        f = f->up;
    }
    if (e->stopped) { /* what follows a limit is no news */
        Diags *silent = diags_new(e->arena);
        return diag_error(silent, shown, "%s", t.at);
    }
    Diag *d = diag_error(e->diags, shown, "%s", t.at);
    if (shown.source != at.source && e->frame) note_frame(e, d, e->frame, at, "here");
    for (; f; f = f->up) note_frame(e, d, f, f->span, "applied here");
    return d;
}

bool elab_stop(Elab *e, Span at, const char *what) {
    elab_error(e, at, "%s", what);
    e->stopped = true;
    return false;
}

bool elab_work(Elab *e, Span at) {
    if (e->stopped) return false;
    if (e->work++ < ELAB_WORK) return true;
    return elab_stop(e, at, "this net expands to too much text");
}

bool enter(Elab *e, Frame *f, const Def *d, Span at) {
    bool again = false;
    int depth = 0;
    for (Frame *g = e->frame; g; g = g->up) {
        again |= g->def == d;
        depth++;
    }
    if (depth >= ELAB_DEPTH) return elab_stop(e, at, "definitions are nested too deep here");
    *f = (Frame){.up = e->frame, .def = d, .span = at};
    if (again) {
        elab_error(e, at, "%s `%s` is applied within itself", def_kind_names[d->kind],
                   d->name.text);
        return false;
    }
    e->frame = f;
    return true;
}

void leave(Elab *e, Frame *f) { e->frame = f->up; }

const char *shape_text(Arena *a, int rank, const long *shape) {
    Text t = {.arena = a};
    text_add(&t, "[");
    for (int i = 0; i < rank; i++) text_add(&t, "%s%ld", i ? ", " : "", shape[i]);
    text_add(&t, "]");
    return t.at;
}

const char *axes_text(Arena *a, const Axes *axes) {
    Text t = {.arena = a};
    text_add(&t, "[");
    for (int i = 0; i < axes->n; i++) {
        const Axis *x = &axes->at[i];
        if (i) text_add(&t, ", ");
        if (x->pack) {
            text_add(&t, "%s...", x->name.text);
        } else if (x->size) {
            tree_print_expr(&t, x->size);
        } else {
            text_add(&t, "%s", x->name.text);
        }
    }
    text_add(&t, "]");
    return t.at;
}

/* --- scopes --- */

Scope *scope_new(Elab *e, Scope *up) {
    Scope *s = NEW(e->arena, Scope);
    s->up = up;
    s->library = up && up->library;
    return s;
}

Scope *scope_of(Elab *e, const Def *d) {
    Scope *s = scope_new(e, e->root);
    if (in_library(e, d->span)) {
        s->up = NULL;
        s->library = true;
    }
    return s;
}

static Bind *find_here(Scope *s, const char *name) {
    for (int i = s->binds.n - 1; i >= 0; i--) {
        if (!strcmp(s->binds.at[i]->name, name)) return s->binds.at[i];
    }
    return NULL;
}

Bind *scope_find(Scope *s, const char *name) {
    for (; s; s = s->up) {
        Bind *b = find_here(s, name);
        if (b) return b;
    }
    return NULL;
}

Bind *scope_bind(Elab *e, Scope *s, BindKind kind, const char *name, Span span) {
    Bind *b = NEW(e->arena, Bind);
    b->kind = kind;
    b->name = name;
    b->span = span;
    PUSH(e->arena, s->binds, b);
    return b;
}

bool is_taken(Elab *e, Scope *s, Ident name) {
    Bind *old = find_here(s, name.text);
    if (!old || old->kind == BIND_BAD) return false;
    Diag *d = elab_error(e, name.span, "`%s` is defined twice", name.text);
    diag_note(e->diags, d, old->span, "the first time here");
    return true;
}

void bind_tensor(Elab *e, Scope *s, Ident name, Tensor *t) {
    if (is_taken(e, s, name)) return;
    scope_bind(e, s, t ? BIND_TENSOR : BIND_BAD, name.text, name.span)->tensor = t;
}

/* An index may hide a name from further out, but no state or parameter. */
Bind *bind_index(Elab *e, Scope *s, Index *i) {
    Bind *old = scope_find(s, i->name);
    if (old && (old->kind == BIND_STATE || (old->kind == BIND_TENSOR && old->tensor->node &&
                                            old->tensor->node->kind == NODE_STORED))) {
        Diag *d = elab_error(e, i->span, "the index `%s` hides a %s of this name", i->name,
                             old->kind == BIND_STATE ? "state" : "parameter");
        diag_note(e->diags, d, old->span, "it is declared here");
    }
    Bind *b = scope_bind(e, s, BIND_INDEX, i->name, i->span);
    b->index = i;
    return b;
}

/* --- definitions --- */

static bool in_space(DefSpace space, DefKind k) {
    switch (space) {
    case SPACE_STAGE:
        return k == DEF_LAYER || k == DEF_LOSS || k == DEF_BLOCK || k == DEF_FUNCTION;
    case SPACE_FUNCTION: return k == DEF_FUNCTION;
    case SPACE_OPTIMIZER: return k == DEF_OPTIMIZER;
    case SPACE_DATA: return k == DEF_DATA;
    case SPACE_NET: return k == DEF_NET;
    }
    return false;
}

static const Def *find_in(const Defs *defs, DefSpace space, const char *name) {
    for (int i = 0; i < defs->n; i++) {
        const Def *d = defs->at[i];
        if (in_space(space, d->kind) && d->name.text && !strcmp(d->name.text, name)) return d;
    }
    return NULL;
}

const Def *find_def(Elab *e, const Scope *s, DefSpace space, const char *name) {
    const Def *d = s && s->library ? NULL : find_in(&e->defs, space, name);
    return d ? d : find_in(&e->library_defs, space, name);
}

typedef VEC(const char *) Strings;

static void def_names(Elab *e, const Defs *defs, DefSpace space, Strings *names) {
    for (int i = 0; i < defs->n; i++) {
        const Def *d = defs->at[i];
        if (in_space(space, d->kind) && d->name.text) PUSH(e->arena, *names, d->name.text);
    }
}

void unknown_def(Elab *e, const Scope *s, DefSpace space, Ident name, const char *what) {
    Strings names = {0};
    def_names(e, &e->defs, space, &names);
    def_names(e, &e->library_defs, space, &names);
    for (int i = 0; space == SPACE_FUNCTION && i < N_DRAWS; i++) {
        PUSH(e->arena, names, draw_names[i]);
    }
    for (int i = 0; space == SPACE_FUNCTION && i < N_OPS; i++) {
        if (find_op(op_info[i].text) == i) PUSH(e->arena, names, op_info[i].text);
    }
    for (const Scope *up = s; up && space == SPACE_STAGE; up = up->up) {
        for (int i = 0; i < up->binds.n; i++) {
            if (up->binds.at[i]->kind == BIND_BAD && !strcmp(up->binds.at[i]->name, name.text)) {
                return;
            }
            if (up->binds.at[i]->kind == BIND_TENSOR) PUSH(e->arena, names, up->binds.at[i]->name);
        }
    }
    elab_error(e, name.span, "unknown %s `%s`%s", what, name.text,
               did_you_mean(e->diags, name.text, names.at, names.n));
}

void unknown_name(Elab *e, Scope *s, Ident name) {
    Strings names = {0};
    for (Scope *up = s; up; up = up->up) {
        for (int i = 0; i < up->binds.n; i++) PUSH(e->arena, names, up->binds.at[i]->name);
    }
    for (int i = 0; i < N_HOSTS; i++) PUSH(e->arena, names, host_names[i]);
    PUSH(e->arena, names, "training");
    elab_error(e, name.span, "unknown name `%s`%s", name.text,
               did_you_mean(e->diags, name.text, names.at, names.n));
}

/* --- arguments --- */

static int find_formal(const Def *d, const char *name) {
    for (int i = 0; i < d->params.n; i++) {
        if (!strcmp(d->params.at[i].name.text, name)) return i;
    }
    return -1;
}

static void unknown_argument(Elab *e, const Def *d, const Arg *a) {
    Strings names = {0};
    for (int i = 0; i < d->params.n; i++) PUSH(e->arena, names, d->params.at[i].name.text);
    Diag *g = elab_error(e, a->name.span, "`%s` has no parameter `%s`%s", d->name.text,
                         a->name.text,
                         did_you_mean(e->diags, a->name.text, names.at, names.n));
    diag_note(e->diags, g, d->name.span, "`%s` is defined here", d->name.text);
}

/* Which parameter each argument is for; false after an error. */
static bool match_args(Elab *e, const Def *d, const Args *args, int first, const Arg **of) {
    bool good = true, named = false;
    for (int i = 0; args && i < args->n; i++) {
        const Arg *a = &args->at[i];
        int p = i + first;
        if (a->name.text) {
            named = true;
            p = find_formal(d, a->name.text);
        } else if (named) {
            elab_error(e, a->span, "an argument by position after one by name");
            return false;
        } else if (p >= d->params.n) {
            Diag *g = elab_error(e, a->span, "too many arguments: `%s` takes %d", d->name.text,
                                 d->params.n - first);
            diag_note(e->diags, g, d->name.span, "`%s` is defined here", d->name.text);
            return false;
        }
        if (p < 0) {
            unknown_argument(e, d, a);
            good = false;
        } else if (of[p] || p < first) {
            elab_error(e, a->span, "`%s` of `%s` is given twice", d->params.at[p].name.text,
                       d->name.text);
            good = false;
        } else {
            of[p] = a;
        }
    }
    return good;
}

static Bind *default_of(Elab *e, const Def *d, const char *name) {
    if (d->kind != DEF_LAYER) return NULL;
    for (int i = 0; i < e->defaults.n; i++) {
        if (!strcmp(e->defaults.at[i]->name, name)) {
            e->defaults.at[i]->used = true;
            return e->defaults.at[i];
        }
    }
    return NULL;
}

bool bind_args(Elab *e, Scope *to, const Def *d, const Args *args, Scope *from, Span at,
               Expr *first) {
    const Arg **of = NEW_ARRAY(e->arena, const Arg *, d->params.n + 1);
    bool good = match_args(e, d, args, first != NULL, of);
    for (int i = 0; i < d->params.n; i++) {
        const Formal *f = &d->params.at[i];
        if (i == 0 && first) {
            scope_bind(e, to, BIND_VALUE, f->name.text, f->span)->value = first;
            continue;
        }
        Bind *set = default_of(e, d, f->name.text);
        Bind *b = scope_bind(e, to, BIND_ARG, f->name.text, f->span);
        if (of[i]) {
            b->tree = of[i]->value;
            b->in = from;
        } else if (set) {
            b->tree = set->tree;
            b->in = set->in;
        } else {
            b->tree = f->value;
            b->in = to;
        }
        if (f->call) b->formals = &f->args;
        if (b->tree) continue;
        b->kind = BIND_BAD;
        if (good) {
            Diag *g = elab_error(e, at, "`%s` is given no `%s`", d->name.text, f->name.text);
            diag_note(e->diags, g, f->span, "it is a parameter without a default");
        }
        good = false;
    }
    return good;
}
