/* item_build.c: statements, entries and definitions, for the grammar's actions.
 *
 * The grammar takes any item in any braces; which may stand where is checked here, so that what is
 * misplaced or misspelt is told by name.
 */
#include "parse.h"
#include <string.h>

static Item *item_new(Parse *p, ItemKind kind, Span at) {
    Item *item = NEW(p->arena, Item);
    item->kind = kind;
    item->span = at;
    return item;
}

Item *item_entry(Parse *p, Span at, Ident name, Parts parts) {
    Item *item = item_new(p, ITEM_ENTRY, at);
    item->entry = (Entry){at, name, false, parts_args(p, parts)};
    return item;
}

/* An entry written as a call; in a block it is the pipeline. */
Item *item_call(Parse *p, Tree *call) {
    Item *item = item_new(p, ITEM_ENTRY, call->span);
    item->entry = (Entry){call->span, call->call.id, true, call->call.args};
    item->value = call;
    return item;
}

Item *item_group(Parse *p, Span at, Ident name, Items items) {
    Item *item = item_new(p, ITEM_GROUP, at);
    item->entry.name = name;
    item->items = items;
    return item;
}

static Item *item_stmt(Parse *p, StmtKind kind, Span at, Ref ref, Tree *value, AxesFor use) {
    Item *item = item_new(p, ITEM_STMT, at);
    Stmt *s = item->stmt = NEW(p->arena, Stmt);
    s->kind = kind;
    s->span = at;
    s->name = ref.name;
    s->indexed = ref.indexed;
    s->axes = parts_axes(p, ref.parts, use);
    s->value = value;
    return item;
}

Item *item_param(Parse *p, Span at, Ref ref, bool random, Tree *value) {
    Item *item = item_stmt(p, STMT_PARAM, at, ref, value, AXES_SHAPE);
    item->stmt->random = random;
    return item;
}

Item *item_state(Parse *p, Span at, Ref ref, Tree *value) {
    return item_stmt(p, STMT_STATE, at, ref, value, AXES_SHAPE);
}

Item *item_define(Parse *p, Span at, Ref ref, bool next, Tree *value) {
    Item *item = item_stmt(p, STMT_DEFINE, at, ref, value, AXES_LEFT);
    item->stmt->next = next;
    return item;
}

Item *item_scan(Parse *p, Span at, Ident index, Ident direction, Items items) {
    Ref none = {at, index, false, {0}};
    Item *item = item_stmt(p, STMT_SCAN, at, none, NULL, AXES_LEFT);
    item->items = items;
    if (direction.text) item->stmt->backward = true;
    if (direction.text && strcmp(direction.text, "backward"))
        diag_error(p->diags, direction.span, "a scan goes `backward` or, without a word, forward");
    return item;
}

Item *item_pipe(Parse *p, Tree *value) {
    Item *item = item_new(p, ITEM_PIPE, value->span);
    item->value = value;
    return item;
}

Item *item_const(Parse *p, Def *def) {
    Item *item = item_new(p, ITEM_CONST, def->span);
    item->def = def;
    return item;
}

Items items_append(Parse *p, Items to, Items more) {
    for (int i = 0; i < more.n; i++) PUSH(p->arena, to, more.at[i]);
    return to;
}

Head head_params(Parse *p, Span at, Head head, Formals params) {
    if (head.has_params) diag_error(p->diags, at, "the parameters are given twice");
    head.has_params = true;
    head.params = params;
    head.params_at = at;
    return head;
}

Head head_extends(Parse *p, Span at, Head head, Ident name) {
    if (head.extends.text) diag_error(p->diags, at, "a net extends one other");
    head.extends = name;
    return head;
}

enum { INPUTS_LIMIT = 32, DEFAULTS_LIMIT = 100 };

Head head_inputs(Parse *p, Span at, Head head, Refs refs) {
    if (head.has_on) diag_error(p->diags, at, "the inputs are given twice");
    head.has_on = true;
    head.on_at = at;
    for (int i = 0; i < refs.n && i <= INPUTS_LIMIT; i++) {
        Ref *r = &refs.at[i];
        if (i == INPUTS_LIMIT)
            diag_error(p->diags, r->span, "more than %d inputs", INPUTS_LIMIT);
        Input input = {r->span, r->name, r->indexed, parts_axes(p, r->parts, AXES_SHAPE)};
        for (int j = 0; j < input.axes.n; j++)
            if (input.axes.at[j].limit)
                diag_error(p->diags, input.axes.at[j].span, "the shape of an input takes sizes");
        for (int j = 0; j < head.inputs.n; j++)
            if (!strcmp(head.inputs.at[j].name.text, r->name.text))
                diag_error(p->diags, r->span, "`%s` is an input twice", r->name.text);
        PUSH(p->arena, head.inputs, input);
    }
    return head;
}

/* What an item is called where it should not be. */
static const char *item_text(Parse *p, const Item *item) {
    static const char *const stmt_words[] = {"a `param`", "a `state`", "a definition", "a `scan`"};
    switch (item->kind) {
    case ITEM_ENTRY:
    case ITEM_GROUP:
        return arena_printf(p->arena, "`%s`", item->entry.name.text);
    case ITEM_STMT:
        return item->stmt->next ? "a `next`" : stmt_words[item->stmt->kind];
    case ITEM_PIPE:
        return "a pipeline";
    case ITEM_CONST:
        return "a `const`";
    }
    die("item %d", item->kind);
}

/* "a layer", "an optimizer" */
static const char *kind_text(Parse *p, const Def *d) {
    const char *name = def_kind_names[d->kind];
    if (d->kind == DEF_DATA) return "a data set";
    return arena_printf(p->arena, "%s %s", strchr("aeiou", *name) ? "an" : "a", name);
}

static const char *statement_guess(Parse *p, const char *word) {
    static const char *const words[] = {"param", "state", "next", "scan", "const"};
    return did_you_mean(p->diags, word, words, COUNT_OF(words));
}

Item *item_unknown(Parse *p, Ident word) {
    diag_error(p->diags, word.span, "`%s` begins no statement%s", word.text,
               statement_guess(p, word.text));
    return NULL;
}

static void misplaced(Parse *p, const Item *item, const Def *d) {
    bool word = item->kind == ITEM_ENTRY || item->kind == ITEM_GROUP;
    diag_error(p->diags, item->span, "%s has no place in %s%s", item_text(p, item),
               kind_text(p, d), word ? statement_guess(p, item->entry.name.text) : "");
}

/* The statements of a body; nested scans make a tree of them. */
static Stmts body_stmts(Parse *p, const Def *d, Items items) {
    Stmts out = {0};
    for (int i = 0; i < items.n; i++) {
        Item *item = items.at[i];
        bool fits = item->kind == ITEM_STMT;
        if (fits && d->kind == DEF_OPTIMIZER)
            fits = item->stmt->kind == STMT_STATE || item->stmt->kind == STMT_DEFINE;
        if (!fits) {
            misplaced(p, item, d);
            continue;
        }
        if (item->stmt->kind == STMT_SCAN) item->stmt->body = body_stmts(p, d, item->items);
        PUSH(p->arena, out, item->stmt);
    }
    return out;
}

/* name = value, as blocks and nets have it. */
static bool is_plain_value(const Item *item) {
    return item->kind == ITEM_STMT && item->stmt->kind == STMT_DEFINE && !item->stmt->next &&
           !item->stmt->indexed;
}

static void block_body(Parse *p, Def *d, Items items) {
    for (int i = 0; i < items.n; i++) {
        Item *item = items.at[i];
        bool pipe = item->kind == ITEM_PIPE || (item->kind == ITEM_ENTRY && item->entry.call);
        if (is_plain_value(item)) {
            PUSH(p->arena, d->body, item->stmt);
            if (d->value) diag_error(p->diags, item->span, "nothing follows a block's pipeline");
        } else if (pipe && !d->value) {
            d->value = item->value;
        } else if (pipe) {
            diag_note(p->diags, diag_error(p->diags, item->span, "a block has one pipeline"),
                      d->value->span, "the first is here");
        } else {
            misplaced(p, item, d);
        }
    }
}

static Entries entries_of(Parse *p, Items items, const char *where) {
    Entries out = {0};
    Map *given = names_new(p->arena);
    for (int i = 0; i < items.n; i++) {
        Item *item = items.at[i];
        const char *name = item->entry.name.text;
        if (item->kind != ITEM_ENTRY) {
            diag_error(p->diags, item->span, "%s has no place in %s", item_text(p, item), where);
            continue;
        }
        const Item *first = names_get(given, name);
        if (first)
            diag_note(p->diags,
                      diag_error(p->diags, item->span, "`%s` is given twice in %s", name, where),
                      first->span, "the first is here");
        else
            names_set(given, name, item);
        PUSH(p->arena, out, item->entry);
    }
    return out;
}

static const char *const net_words[] = {"data", "model", "loss", "default", "train", "const"};

static bool is_net_word(const char *text) {
    for (int i = 0; i < COUNT_OF(net_words); i++)
        if (!strcmp(text, net_words[i])) return true;
    return false;
}

/* model, data, loss: one value, once. */
static void net_value(Parse *p, Tree **to, const Item *item) {
    const Entry *e = &item->entry;
    if (*to)
        diag_note(p->diags, diag_error(p->diags, item->span, "a second `%s`", e->name.text),
                  (*to)->span, "the first is here");
    if (e->args.n != 1 || e->args.at[0].name.text)
        diag_error(p->diags, item->span, "`%s` takes one value", e->name.text);
    else
        *to = e->args.at[0].value;
}

static void net_defaults(Parse *p, Def *d, Args args) {
    for (int i = 0; i < args.n && d->defaults.n <= DEFAULTS_LIMIT; i++) {
        const Arg *a = &args.at[i];
        if (d->defaults.n == DEFAULTS_LIMIT)
            diag_error(p->diags, a->span, "more than %d defaults", DEFAULTS_LIMIT);
        if (!a->name.text)
            diag_error(p->diags, a->span, "`default` takes names with values");
        else
            PUSH(p->arena, d->defaults, *a);
        for (int j = 0; j < d->defaults.n - 1 && a->name.text; j++)
            if (!strcmp(d->defaults.at[j].name.text, a->name.text))
                diag_error(p->diags, a->span, "`%s` is given twice", a->name.text);
    }
}

static void net_entry(Parse *p, Def *d, Item *item) {
    Entry *e = &item->entry;
    const char *word = e->name.text;
    if (!strcmp(word, "data")) net_value(p, &d->data, item);
    else if (!strcmp(word, "model")) net_value(p, &d->model, item);
    else if (!strcmp(word, "loss")) net_value(p, &d->loss, item);
    else if (!strcmp(word, "default")) net_defaults(p, d, e->args);
    else if (!strcmp(word, "train"))
        diag_error(p->diags, item->span, "what `train` says stands in braces");
    else
        diag_error(p->diags, e->name.span, "a net has no `%s`%s", word,
                   did_you_mean(p->diags, word, net_words, COUNT_OF(net_words)));
}

static void net_group(Parse *p, Def *d, Item *item) {
    const char *word = item->entry.name.text;
    const char *const groups[] = {"train"};
    if (strcmp(word, "train")) {
        diag_error(p->diags, item->entry.name.span,
                   is_net_word(word) ? "`%s` takes no braces%s" : "a net has no `%s { }`%s", word,
                   did_you_mean(p->diags, word, groups, 1));
        return;
    }
    if (d->train.n) diag_error(p->diags, item->entry.name.span, "a second `train`");
    else d->train = entries_of(p, item->items, "`train`");
}

static void net_body(Parse *p, Def *d, Items items) {
    for (int i = 0; i < items.n; i++) {
        Item *item = items.at[i];
        if (item->kind == ITEM_ENTRY) net_entry(p, d, item);
        else if (item->kind == ITEM_GROUP) net_group(p, d, item);
        else if (item->kind == ITEM_CONST) PUSH(p->arena, d->consts, item->def);
        else if (!is_plain_value(item)) misplaced(p, item, d);
        else if (is_net_word(item->stmt->name.text))
            diag_error(p->diags, item->stmt->name.span, "`%s` takes its value without `=`",
                       item->stmt->name.text);
        else PUSH(p->arena, d->values, item->stmt);
    }
}

static bool kind_named(const char *text, DefKind *kind) {
    for (int k = 0; k < N_DEF_KINDS; k++)
        if (!strcmp(text, def_kind_names[k]) && k != DEF_FUNCTION && k != DEF_CONST)
            return *kind = (DefKind)k, true;
    return false;
}

static void check_head(Parse *p, const Def *d, const Head *head) {
    bool net = d->kind == DEF_NET;
    if (head->has_params && (net || d->kind == DEF_DATA))
        diag_error(p->diags, head->params_at, "%s has no parameters", kind_text(p, d));
    if (head->extends.text && !net)
        diag_error(p->diags, head->extends.span, "only a net extends another");
    if (head->has_on && (net || d->kind == DEF_DATA || d->kind == DEF_OPTIMIZER))
        diag_error(p->diags, head->on_at, "%s has no inputs to name", kind_text(p, d));
}

void def_braced(Parse *p, Span at, Ident kind, Ident name, Head head, Items items) {
    Def *d = NEW(p->arena, Def);
    if (!kind_named(kind.text, &d->kind)) {
        diag_error(p->diags, kind.span, "`%s` begins no definition%s", kind.text,
                   did_you_mean(p->diags, kind.text, def_kind_names, N_DEF_KINDS));
        return;
    }
    d->span = at;
    d->name = name;
    d->params = head.params;
    d->extends = head.extends;
    d->has_on = head.has_on;
    d->inputs = head.inputs;
    check_head(p, d, &head);
    switch (d->kind) {
    case DEF_NET:
        net_body(p, d, items);
        break;
    case DEF_BLOCK:
        block_body(p, d, items);
        break;
    case DEF_DATA:
        d->entries = entries_of(p, items, "a data set");
        break;
    default:
        d->body = body_stmts(p, d, items);
    }
    def_add(p, d);
}

void def_add(Parse *p, Def *def) {
    PUSH(p->arena, p->file->defs, def);
}

Def *def_function(Parse *p, Span at, Ident name, Formals params, Tree *value, Trees derivative) {
    Def *d = NEW(p->arena, Def);
    d->kind = DEF_FUNCTION;
    d->span = at;
    d->name = name;
    d->params = params;
    d->value = value;
    d->derivative = derivative;
    if (derivative.n > params.n)
        diag_error(p->diags, derivative.at[params.n]->span,
                   "%d derivatives, but %d parameters to take them by", derivative.n, params.n);
    return d;
}

Def *def_const(Parse *p, Span at, Ident name, Tree *value) {
    Def *d = NEW(p->arena, Def);
    d->kind = DEF_CONST;
    d->span = at;
    d->name = name;
    d->value = value;
    return d;
}

void import_add(Parse *p, Tree *path) {
    Import import = {path->span, path->str};
    PUSH(p->arena, p->file->imports, import);
}
