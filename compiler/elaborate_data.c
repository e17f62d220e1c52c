/* elaborate_data.c: what is no tensor: data sets, and the settings of training. */
#include "elaborate_parts.h"
#include <string.h>

/* --- entries --- */

static bool is_string(const Tree *t) { return t->kind == TREE_STRING; }

static const Entry *find_entry(const Entries *from, const char *name) {
    const Entry *found = NULL;
    for (int i = 0; i < from->n; i++) {
        if (!strcmp(from->at[i].name.text, name)) found = &from->at[i];
    }
    return found;
}

static void check_entries(Elab *e, const Entries *from, const char *const *names, int n,
                          const char *what) {
    for (int i = 0; i < from->n; i++) {
        const Entry *x = &from->at[i];
        bool known = false;
        for (int k = 0; k < n; k++) known |= !strcmp(names[k], x->name.text);
        if (known) continue;
        elab_error(e, x->name.span, "unknown %s `%s`%s", what, x->name.text,
                   did_you_mean(e->diags, x->name.text, names, n));
    }
}

static bool arg_count(Elab *e, const Entry *x, int least, int most) {
    for (int i = 0; i < x->args.n; i++) {
        if (!x->args.at[i].name.text) continue;
        elab_error(e, x->args.at[i].name.span, "`%s` takes its values by position", x->name.text);
        return false;
    }
    if (x->args.n >= least && x->args.n <= most) return true;
    elab_error(e, x->span, "`%s` takes %d value%s, and has %d here", x->name.text, least,
               least == 1 ? "" : "s", x->args.n);
    return false;
}

/* --- data sets --- */

static bool data_string(Elab *e, const Entries *from, const char *name, bool needed, Span at,
                        const char **out, int n) {
    const Entry *x = find_entry(from, name);
    if (!x) {
        if (needed) elab_error(e, at, "the data set has no `%s`", name);
        return !needed;
    }
    if (!arg_count(e, x, n, n)) return false;
    for (int i = 0; i < n; i++) {
        const Tree *t = x->args.at[i].value;
        if (!is_string(t)) {
            elab_error(e, t->span, "a text in quotes is expected here");
            return false;
        }
        out[i] = t->str;
    }
    return true;
}

static bool data_format(Elab *e, const Entries *from, Span at, DataSet *d) {
    const Entry *x = find_entry(from, "format");
    if (!x) {
        elab_error(e, at, "the data set has no `format`");
        return false;
    }
    const Tree *t = x->args.n == 1 ? x->args.at[0].value : NULL;
    bool name = t && t->kind == TREE_NAME;
    if (!name || strcmp(t->name.id.text, "idx")) {
        elab_error(e, x->span, "the format that is known is `idx`");
        return false;
    }
    d->format = t->name.id.text;
    return true;
}

static bool data_shape(Elab *e, const Entries *from, Span at, DataSet *d) {
    const Entry *x = find_entry(from, "shape");
    long bytes = 1;
    if (!x) {
        elab_error(e, at, "the data set has no `shape`");
        return false;
    }
    if (x->args.n < 1 || x->args.n > MAX_RANK - 2) {
        elab_error(e, x->span, "a sample has 1 to %d axes", MAX_RANK - 2);
        return false;
    }
    for (int i = 0; i < x->args.n; i++) {
        if (!size_expr(e, e->root, x->args.at[i].value, &d->shape[i])) return false;
        if (!__builtin_mul_overflow(bytes, d->shape[i], &bytes) && bytes <= 1L << 24) continue;
        elab_error(e, x->span, "a sample of more than 2^24 bytes");
        return false;
    }
    d->rank = x->args.n;
    return true;
}

static bool data_classes(Elab *e, const Entries *from, Span at, DataSet *d) {
    const Entry *x = find_entry(from, "classes");
    if (!x) {
        elab_error(e, at, "the data set has no `classes`");
        return false;
    }
    d->n_classes = x->args.n;
    d->classes = NEW_ARRAY(e->arena, const char *, x->args.n + 1);
    return data_string(e, from, "classes", true, at, d->classes, x->args.n);
}

bool read_data(Elab *e, const Def *def) {
    static const char *const names[] = {"format", "folder",  "package", "train",
                                        "test",   "classes", "shape"};
    DataSet *d = &e->program->data;
    const Entries *from = &def->entries;
    Span at = def->name.span;
    int before = diags_errors(e->diags);
    d->name = def->name.text;
    d->folder = ".";
    check_entries(e, from, names, COUNT_OF(names), "entry of a data set");
    data_format(e, from, at, d);
    data_string(e, from, "folder", false, at, &d->folder, 1);
    data_string(e, from, "package", false, at, &d->package, 1);
    data_string(e, from, "train", true, at, d->train, 2);
    data_string(e, from, "test", true, at, d->test, 2);
    data_classes(e, from, at, d);
    data_shape(e, from, at, d);
    return diags_errors(e->diags) == before;
}

/* --- training --- */

static bool setting_long(Elab *e, Scope *s, const Entries *from, const char *name, long least,
                         long most, long *out) {
    const Entry *x = find_entry(from, name);
    long value;
    if (!x || !arg_count(e, x, 1, 1)) return false;
    if (!const_int(e, s, x->args.at[0].value, &value)) return false;
    if (value < least || value > most) {
        elab_error(e, x->args.at[0].value->span, "`%s` is from %ld to %ld, and this is %ld", name,
                   least, most, value);
        return false;
    }
    *out = value;
    return true;
}

static bool constant(Elab *e, Scope *s, const Entry *x, int i, double *out) {
    Comp none = {.e = e};
    Tree *t = x->args.at[i].value;
    Expr *v = number_expr(&none, s, t);
    if (v && is_const(v)) {
        *out = v->num;
        return true;
    }
    if (v) elab_error(e, t->span, "this must be known to the compiler");
    return false;
}

/* A share: from 0 or above, to 1 or below. */
static void setting_share(Elab *e, Scope *s, const Entries *from, const char *name, bool zero,
                          double *out) {
    const Entry *x = find_entry(from, name);
    double share;
    if (!x || !arg_count(e, x, 1, 1) || !constant(e, s, x, 0, &share)) return;
    if (zero ? share >= 0 && share < 1 : share > 0 && share <= 1) {
        *out = share;
    } else {
        elab_error(e, x->args.at[0].value->span, "`%s` is a share of the training samples, %s, "
                   "and this is %g", name, zero ? "0 or more and below 1" : "above 0 and at most 1",
                   share);
    }
}

static void setting_plateau(Elab *e, Scope *s, const Entries *from, Training *t) {
    const Entry *x = find_entry(from, "plateau");
    double factor;
    if (!x || !arg_count(e, x, 2, 2) || !constant(e, s, x, 0, &factor)) return;
    if (!(factor > 0 && factor < 1)) {
        elab_error(e, x->args.at[0].value->span, "the factor is above 0 and below 1");
        return;
    }
    t->plateau_factor = factor;
    if (const_int(e, s, x->args.at[1].value, &t->plateau_patience) && t->plateau_patience < 1) {
        elab_error(e, x->args.at[1].value->span, "the patience is 1 or more epochs");
    }
}

static void setting_keep(Elab *e, const Entries *from, Training *t) {
    const Entry *x = find_entry(from, "keep");
    const Tree *v = x && x->args.n == 1 ? x->args.at[0].value : NULL;
    if (!x) return;
    const char *word = v && v->kind == TREE_NAME ? v->name.id.text : "";
    t->keep_best = !strcmp(word, "best");
    if (!t->keep_best && strcmp(word, "final")) {
        elab_error(e, x->span, "keep best, or keep final");
    }
}

static void need_validation(Elab *e, const Entries *from, const char *name) {
    const Entry *x = find_entry(from, name);
    if (x && e->program->data.validation == 0) {
        elab_error(e, x->span, "`%s` goes by the loss on samples kept apart: say `validation 0.1`",
                   name);
    }
}

Tree *read_training(Elab *e, Scope *s, const Def *net) {
    static const char *const names[] = {"optimizer", "batch", "epochs",   "seed", "validation",
                                        "use",       "keep",  "patience", "plateau"};
    Training *t = &e->program->training;
    const Entries *from = &net->train;
    check_entries(e, from, names, COUNT_OF(names), "setting");
    t->batch = 64;
    t->epochs = 10;
    t->seed = 1;
    e->program->data.use = 1;
    setting_long(e, s, from, "batch", 1, 65536, &t->batch);
    setting_long(e, s, from, "epochs", 1, 1000000, &t->epochs);
    setting_long(e, s, from, "patience", 1, 1000000, &t->patience);
    long seed;
    if (setting_long(e, s, from, "seed", 0, 2147483647, &seed)) t->seed = (uint64_t)seed;
    setting_share(e, s, from, "validation", true, &e->program->data.validation);
    setting_share(e, s, from, "use", false, &e->program->data.use);
    setting_plateau(e, s, from, t);
    setting_keep(e, from, t);
    need_validation(e, from, "patience");
    need_validation(e, from, "plateau");
    if (t->keep_best) need_validation(e, from, "keep");
    const Entry *rule = find_entry(from, "optimizer");
    if (!rule) {
        elab_error(e, net->name.span, "`%s` says no optimizer: train { optimizer ... }",
                   net->name.text);
        return NULL;
    }
    return arg_count(e, rule, 1, 1) ? rule->args.at[0].value : NULL;
}
