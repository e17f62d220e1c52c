/* elaborate.c: elaborate(): the library is parsed, imports are followed, and the net is found.
 *
 * Requires trees as parse_text makes them. Establishes a Program as graph.h describes it, before
 * differentiation. What the tree leaves open is told as diagnostics; elaborate_parts.h says how
 * the work is divided.
 */
#include "elaborate_parts.h"
#include "prelude.h"
#include <string.h>

/* --- files --- */

static void read_library(Elab *e) {
    for (int i = 0; i < n_prelude_files; i++) {
        File *f = parse_text(e->arena, e->diags, prelude_files[i].name, prelude_files[i].text);
        if (!f) continue;
        PUSH(e->arena, e->library, f->source);
        for (int k = 0; k < f->defs.n; k++) PUSH(e->arena, e->library_defs, f->defs.at[k]);
    }
}

static const char *beside(Elab *e, const char *file, const char *path) {
    const char *slash = strrchr(file, '/');
    if (!slash || path[0] == '/') return path;
    return arena_printf(e->arena, "%.*s/%s", (int)(slash - file), file, path);
}

static bool was_read(const Elab *e, const char *name) {
    for (int i = 0; i < e->files.n; i++) {
        if (!strcmp(e->files.at[i]->name, name)) return true;
    }
    return false;
}

/* The definitions of what a file imports come before its own. */
static void read_file(Elab *e, File *f, int depth) {
    PUSH(e->arena, e->files, f->source);
    for (int i = 0; i < f->imports.n; i++) {
        const Import *im = &f->imports.at[i];
        const char *path = beside(e, f->source->name, im->path);
        size_t n = 0;
        if (was_read(e, path)) continue;
        if (depth > ELAB_DEPTH) {
            elab_error(e, im->span, "imports are nested too deep");
            return;
        }
        const char *text = e->options && e->options->read
                               ? e->options->read(e->options->context, e->arena, path, &n)
                               : NULL;
        if (!text) {
            elab_error(e, im->span, "cannot read \"%s\"", path);
            continue;
        }
        File *imported = parse_bytes(e->arena, e->diags, path, text, n);
        if (imported) read_file(e, imported, depth + 1);
    }
    for (int i = 0; i < f->defs.n; i++) PUSH(e->arena, e->defs, f->defs.at[i]);
}

/* --- definitions --- */

static bool same_space(DefKind a, DefKind b) {
    bool stage_a = a == DEF_LAYER || a == DEF_LOSS || a == DEF_BLOCK || a == DEF_FUNCTION;
    bool stage_b = b == DEF_LAYER || b == DEF_LOSS || b == DEF_BLOCK || b == DEF_FUNCTION;
    return a == b || (stage_a && stage_b);
}

static void check_params(Elab *e, const Def *d) {
    for (int i = 0; i < d->params.n; i++) {
        for (int k = 0; k < i; k++) {
            if (strcmp(d->params.at[i].name.text, d->params.at[k].name.text)) continue;
            elab_error(e, d->params.at[i].span, "two parameters `%s`", d->params.at[i].name.text);
        }
    }
}

static void check_defs(Elab *e) {
    for (int i = 0; i < e->defs.n; i++) {
        const Def *d = e->defs.at[i];
        if (!d->name.text) continue;
        if (d->kind == DEF_FUNCTION && is_builtin(d->name.text)) {
            elab_error(e, d->name.span, "`%s` is the language's own", d->name.text);
        }
        check_params(e, d);
        for (int k = 0; k < i; k++) {
            const Def *other = e->defs.at[k];
            if (!other->name.text || !same_space(d->kind, other->kind)) continue;
            if (strcmp(d->name.text, other->name.text)) continue;
            Diag *g = elab_error(e, d->name.span, "`%s` is defined twice", d->name.text);
            diag_note(e->diags, g, other->name.span, "the first time here");
        }
    }
}

/* --- constants --- */

static void bind_consts(Elab *e) {
    for (int i = 0; i < e->defs.n; i++) {
        const Def *d = e->defs.at[i];
        if (d->kind != DEF_CONST) continue;
        Bind *b = scope_bind(e, e->root, BIND_ARG, d->name.text, d->name.span);
        b->tree = d->value;
        b->in = e->root;
    }
}

static Def *find_const(const Defs *defs, const char *name) {
    for (int i = 0; i < defs->n; i++) {
        Def *d = defs->at[i];
        if (d->kind == DEF_CONST && d->name.text && !strcmp(d->name.text, name)) return d;
    }
    return NULL;
}

typedef VEC(const char *) Strings;

static void const_names(Elab *e, const Defs *defs, Strings *names) {
    for (int i = 0; i < defs->n; i++) {
        if (defs->at[i]->kind == DEF_CONST) PUSH(e->arena, *names, defs->at[i]->name.text);
    }
}

/* -D name=value replaces the value of a constant, of the files or of the net. */
static void apply_define(Elab *e, const char *text, Def *net) {
    const char *equals = strchr(text, '=');
    Source *source = source_new(e->arena, e->diags, "-D", text, strlen(text));
    Span at = {source, 1, 1, 1, (int)strlen(text) + 1};
    if (!equals || equals == text) {
        elab_error(e, at, "-D takes name=value");
        return;
    }
    const char *name = arena_strndup(e->arena, text, (size_t)(equals - text));
    Def *d = find_const(&net->consts, name);
    if (!d) d = find_const(&e->defs, name);
    if (!d) {
        Strings names = {0};
        const_names(e, &net->consts, &names);
        const_names(e, &e->defs, &names);
        elab_error(e, at, "no constant `%s` to define%s", name,
                   did_you_mean(e->diags, name, names.at, names.n));
        return;
    }
    Tree *value = parse_expression(e->arena, e->diags, "-D", equals + 1);
    if (value) d->value = value;
}

/* --- the net --- */

static Def *find_net(Elab *e, const File *main) {
    for (int i = main->defs.n - 1; i >= 0; i--) {
        if (main->defs.at[i]->kind == DEF_NET) return main->defs.at[i];
    }
    Span start = {main->source, 1, 1, 1, 1};
    elab_error(e, start, "this file defines no net");
    return NULL;
}

#define APPEND(arena, to, from) \
    for (int i_ = 0; i_ < (from).n; i_++) PUSH(arena, to, (from).at[i_])

/* What a net says replaces what the one that it extends says; entries of train one by one. */
static void merge(Elab *e, Def *net, const Def *base) {
    Def whole = *base;
    whole.name = net->name;
    whole.span = net->span;
    whole.consts = (Defs){0};
    whole.values = (Stmts){0};
    whole.defaults = (Args){0};
    whole.train = (Entries){0};
    APPEND(e->arena, whole.consts, base->consts);
    APPEND(e->arena, whole.consts, net->consts);
    for (int i = 0; i < base->values.n; i++) {
        Stmt *old = base->values.at[i];
        for (int k = 0; k < net->values.n; k++) {
            if (!strcmp(net->values.at[k]->name.text, old->name.text)) old = NULL;
            if (!old) break;
        }
        if (old) PUSH(e->arena, whole.values, old);
    }
    APPEND(e->arena, whole.values, net->values);
    APPEND(e->arena, whole.defaults, net->defaults); /* the first that fits is taken */
    APPEND(e->arena, whole.defaults, base->defaults);
    for (int i = 0; i < base->train.n; i++) {
        bool said = false;
        for (int k = 0; k < net->train.n; k++) {
            said |= !strcmp(net->train.at[k].name.text, base->train.at[i].name.text);
        }
        if (!said) PUSH(e->arena, whole.train, base->train.at[i]);
    }
    APPEND(e->arena, whole.train, net->train);
    if (net->data) whole.data = net->data;
    if (net->model) whole.model = net->model;
    if (net->loss) whole.loss = net->loss;
    *net = whole;
}

static bool extend(Elab *e, Def *net, int depth) {
    if (!net->extends.text) return true;
    Ident name = net->extends;
    const Def *found = find_def(e, NULL, SPACE_NET, name.text);
    if (!found) {
        unknown_def(e, NULL, SPACE_NET, name, "net");
        return false;
    }
    if (found == net || depth > ELAB_DEPTH) {
        elab_error(e, name.span, "the net `%s` extends itself", name.text);
        return false;
    }
    Def *base = NEW(e->arena, Def);
    *base = *found;
    if (!extend(e, base, depth + 1)) return false;
    merge(e, net, base);
    return true;
}

static void elaborate_net(Elab *e, const File *main) {
    Def *found = find_net(e, main);
    if (!found) return;
    Def *net = NEW(e->arena, Def);
    *net = *found;
    e->own_defaults = net->defaults.n;
    if (!extend(e, net, 0)) return;
    for (int i = 0; e->options && i < e->options->n_defines; i++) {
        apply_define(e, e->options->defines[i], net);
    }
    bind_consts(e);
    build_program(e, net);
}

Program *elaborate(Arena *a, Diags *d, File *main, const ElabOptions *options) {
    Elab e = {.arena = a, .diags = d, .options = options};
    e.program = NEW(a, Program);
    e.program->arena = a;
    e.program->pool = e.pool = pool_new(a);
    e.root = scope_new(&e, NULL);
    e.stored = names_new(a);
    e.sites = names_new(a);
    e.instances = names_new(a);
    read_library(&e);
    read_file(&e, main, 0);
    check_defs(&e);
    if (diags_errors(d) == 0) elaborate_net(&e, main);
    return diags_errors(d) ? NULL : e.program;
}
