/* tree.c: the tree's tables, and its print in the language's own syntax. */
#include "tree.h"
#include <string.h>

const char *const tree_op_text[N_TREE_OPS] = {
#define X(name, text, precedence) text,
    TREE_OPS(X)
#undef X
};
static const int op_precedence[N_TREE_OPS] = {
#define X(name, text, precedence) precedence,
    TREE_OPS(X)
#undef X
};
const char *const tree_reduce_text[N_TREE_REDUCES] = {
#define X(name, text) text,
    TREE_REDUCES(X)
#undef X
};
const char *const def_kind_names[N_DEF_KINDS] = {"net",      "layer",     "loss", "block",
                                                 "function", "optimizer", "data", "const"};

/* Precedences beside the operators', and what may stand where. */
enum {
    PREC_ANY = 1,
    PREC_COND = 1,
    PREC_PIPE = 2,
    PREC_EXPR = 3, /* a pipeline's stage */
    PREC_SUM = 7,  /* limits, and what max( and min( hold: comparisons would read as ranges */
    PREC_REDUCE = 8,
    PREC_PRIMARY = 12
};

static int precedence(const Tree *e) {
    switch (e->kind) {
    case TREE_PIPE:
        return PREC_PIPE;
    case TREE_COND:
        return PREC_COND;
    case TREE_REDUCE:
        return PREC_REDUCE;
    case TREE_UNARY:
    case TREE_BINARY:
        return op_precedence[e->op.op];
    default:
        return PREC_PRIMARY;
    }
}

static void print_at(Text *t, const Tree *e, int least);

static void print_string(Text *t, const char *s) {
    text_add(t, "\"");
    for (; *s; s++) text_add(t, *s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
    text_add(t, "\"");
}

static void print_args(Text *t, Args args, int least) {
    for (int i = 0; i < args.n; i++) {
        const char *name = args.at[i].name.text;
        if (i) text_add(t, ", ");
        if (name) text_add(t, strcmp(name, "else") ? "%s = " : "%s ", name);
        print_at(t, args.at[i].value, least);
    }
}

static void print_axes(Text *t, Axes axes) {
    for (int i = 0; i < axes.n; i++) {
        const Axis *a = &axes.at[i];
        if (i) text_add(t, ", ");
        if (a->pack) text_add(t, "%s...", a->name.text);
        else if (a->set.text) text_add(t, "%s in %s", a->name.text, a->set.text);
        else if (a->limit) text_add(t, "%s < ", a->name.text), print_at(t, a->limit, PREC_SUM);
        else if (a->name.text) text_add(t, "%s", a->name.text);
        else if (a->size) print_at(t, a->size, PREC_SUM);
    }
}

static void print_name(Text *t, const Tree *e) {
    text_add(t, "%s%s", e->name.next ? "next " : "", e->name.id.text);
    const Tree *n = e->name.sample;
    if (n) {
        bool bare = n->kind == TREE_NUMBER ||
                    (n->kind == TREE_NAME && !n->name.next && !n->name.sample &&
                     !n->name.indexed && !strchr(n->name.id.text, '.'));
        text_add(t, "@");
        print_at(t, n, bare ? PREC_ANY : PREC_PRIMARY + 1);
    }
    if (!e->name.indexed) return;
    text_add(t, "[");
    for (int i = 0; i < e->name.index.n; i++) {
        if (i) text_add(t, ", ");
        print_at(t, e->name.index.at[i], PREC_ANY);
    }
    text_add(t, "]");
}

/* A body that begins with a minus would make the reduction's head a term of a difference. */
static void print_body(Text *t, const Tree *body) {
    Text inner = {.arena = t->arena};
    print_at(&inner, body, PREC_REDUCE);
    text_add(t, inner.at[0] == '-' ? "(%s)" : "%s", inner.at);
}

static void print_reduce(Text *t, const Tree *e) {
    text_add(t, "%s(", tree_reduce_text[e->reduce.kind]);
    print_axes(t, e->reduce.over);
    text_add(t, ") ");
    if (e->reduce.guard) {
        text_add(t, "[");
        print_at(t, e->reduce.guard, PREC_ANY);
        text_add(t, "] ");
    }
    print_body(t, e->reduce.body);
}

static void print_op(Text *t, const Tree *e) {
    TreeOp op = e->op.op;
    int p = op_precedence[op];
    if (e->kind == TREE_UNARY) {
        text_add(t, op == TREE_NOT ? "%s " : "%s", tree_op_text[op]);
        print_at(t, e->op.a, p);
        return;
    }
    bool comparison = op >= TREE_EQ && op <= TREE_GE;
    print_at(t, e->op.a, comparison || op == TREE_POW ? p + 1 : p);
    text_add(t, op == TREE_POW ? "%s" : " %s ", tree_op_text[op]);
    print_at(t, e->op.b, op == TREE_POW ? p : p + 1);
}

static void print_list(Text *t, Trees list, const char *between, int first, int least) {
    for (int i = 0; i < list.n; i++) {
        if (i) text_add(t, "%s", between);
        print_at(t, list.at[i], i ? least : first);
    }
}

static void print_bare(Text *t, const Tree *e) {
    switch (e->kind) {
    case TREE_NUMBER:
        text_add(t, "%s", e->num.text);
        return;
    case TREE_STRING:
        print_string(t, e->str);
        return;
    case TREE_NAME:
        print_name(t, e);
        return;
    case TREE_PACK:
        text_add(t, "%s...", e->pack.text);
        return;
    case TREE_CALL: {
        const char *name = e->call.id.text;
        bool extremum = !strcmp(name, "max") || !strcmp(name, "min");
        text_add(t, "%s(", name);
        print_args(t, e->call.args, extremum ? PREC_SUM : PREC_ANY);
        text_add(t, ")");
        return;
    }
    case TREE_UNARY:
    case TREE_BINARY:
        print_op(t, e);
        return;
    case TREE_COND:
        print_at(t, e->cond.test, PREC_EXPR);
        text_add(t, " ? ");
        print_at(t, e->cond.yes, PREC_ANY);
        text_add(t, " : ");
        print_at(t, e->cond.no, PREC_ANY);
        return;
    case TREE_REDUCE:
        print_reduce(t, e);
        return;
    case TREE_PIPE:
        print_list(t, e->list, " -> ", PREC_EXPR, PREC_EXPR);
        return;
    case TREE_TUPLE:
        text_add(t, "(");
        print_list(t, e->list, ", ", PREC_ANY, PREC_ANY);
        text_add(t, ")");
        return;
    case N_TREE_KINDS:
        break;
    }
    die("tree kind %d", e->kind);
}

/* e, in parentheses where it binds more loosely than `least`. */
static void print_at(Text *t, const Tree *e, int least) {
    bool parens = precedence(e) < least;
    if (parens) text_add(t, "(");
    print_bare(t, e);
    if (parens) text_add(t, ")");
}

void tree_print_expr(Text *t, const Tree *e) {
    print_at(t, e, PREC_ANY);
}

static void indent(Text *t, int level) {
    text_add(t, "%*s", 2 * level, "");
}

static void print_brackets(Text *t, bool indexed, Axes axes) {
    if (!indexed) return;
    text_add(t, "[");
    print_axes(t, axes);
    text_add(t, "]");
}

static void print_stmts(Text *t, Stmts stmts, int level) {
    for (int i = 0; i < stmts.n; i++) {
        const Stmt *s = stmts.at[i];
        indent(t, level);
        if (s->kind == STMT_SCAN) {
            text_add(t, "scan %s%s {\n", s->name.text, s->backward ? " backward" : "");
            print_stmts(t, s->body, level + 1);
            indent(t, level);
            text_add(t, "}\n");
            continue;
        }
        text_add(t, "%s%s", s->kind == STMT_PARAM   ? "param "
                            : s->kind == STMT_STATE ? "state "
                            : s->next               ? "next "
                                                    : "",
                 s->name.text);
        print_brackets(t, s->indexed, s->axes);
        text_add(t, s->random ? " ~ " : " = ");
        print_at(t, s->value, PREC_ANY);
        text_add(t, "\n");
    }
}

static void print_entries(Text *t, Entries entries, int level) {
    for (int i = 0; i < entries.n; i++) {
        const Entry *e = &entries.at[i];
        indent(t, level);
        text_add(t, e->call ? "%s(" : "%s ", e->name.text);
        print_args(t, e->args, PREC_ANY);
        text_add(t, e->call ? ")\n" : "\n");
    }
}

static void print_formals(Text *t, Formals params) {
    text_add(t, "(");
    for (int i = 0; i < params.n; i++) {
        const Formal *f = &params.at[i];
        text_add(t, "%s%s", i ? ", " : "", f->name.text);
        for (int j = 0; j < f->args.n; j++)
            text_add(t, "%s%s%s", j ? ", " : "(", f->args.at[j].text,
                     j == f->args.n - 1 ? ")" : "");
        if (!f->value) continue;
        text_add(t, " = ");
        print_at(t, f->value, PREC_ANY);
    }
    text_add(t, ")");
}

static void print_inputs(Text *t, Inputs inputs) {
    for (int i = 0; i < inputs.n; i++) {
        text_add(t, "%s%s", i ? ", " : " on ", inputs.at[i].name.text);
        print_brackets(t, inputs.at[i].indexed, inputs.at[i].axes);
    }
}

static void print_setting(Text *t, const char *word, const Tree *value) {
    if (!value) return;
    text_add(t, "  %s ", word);
    print_at(t, value, PREC_ANY);
    text_add(t, "\n");
}

static void print_net(Text *t, const Def *d) {
    for (int i = 0; i < d->consts.n; i++) {
        text_add(t, "  ");
        tree_print_def(t, d->consts.at[i]);
    }
    print_setting(t, "data", d->data);
    if (d->defaults.n) {
        text_add(t, "  default ");
        print_args(t, d->defaults, PREC_ANY);
        text_add(t, "\n");
    }
    print_stmts(t, d->values, 1);
    print_setting(t, "model", d->model);
    print_setting(t, "loss", d->loss);
    if (!d->train.n) return;
    text_add(t, "  train {\n");
    print_entries(t, d->train, 2);
    text_add(t, "  }\n");
}

/* A block's pipeline begins with something that no statement could. */
static void print_block_value(Text *t, const Tree *e) {
    if (!e) return;
    text_add(t, "  ");
    if (e->kind == TREE_PIPE) print_list(t, e->list, " -> ", PREC_PRIMARY, PREC_EXPR);
    else print_at(t, e, PREC_ANY);
    text_add(t, "\n");
}

static void print_function(Text *t, const Def *d) {
    text_add(t, "%sfunction %s", d->increasing ? "increasing " : "", d->name.text);
    print_formals(t, d->params);
    text_add(t, " = ");
    print_at(t, d->value, PREC_ANY);
    if (d->derivative.n) text_add(t, " derivative ");
    print_list(t, d->derivative, ", ", PREC_ANY, PREC_ANY);
    text_add(t, "\n");
}

void tree_print_def(Text *t, const Def *d) {
    if (d->kind == DEF_FUNCTION) {
        print_function(t, d);
        return;
    }
    text_add(t, "%s %s", def_kind_names[d->kind], d->name.text);
    if (d->kind == DEF_CONST) {
        text_add(t, " = ");
        print_at(t, d->value, PREC_ANY);
        text_add(t, "\n");
        return;
    }
    if (d->params.n) print_formals(t, d->params);
    if (d->extends.text) text_add(t, " extends %s", d->extends.text);
    print_inputs(t, d->inputs);
    text_add(t, " {\n");
    if (d->kind == DEF_NET) print_net(t, d);
    print_stmts(t, d->body, 1);
    if (d->kind == DEF_BLOCK) print_block_value(t, d->value);
    print_entries(t, d->entries, 1);
    text_add(t, "}\n");
}

void tree_print(Text *t, const File *f) {
    for (int i = 0; i < f->imports.n; i++) {
        text_add(t, "import ");
        print_string(t, f->imports.at[i].path);
        text_add(t, "\n");
    }
    for (int i = 0; i < f->defs.n; i++) {
        if (i || f->imports.n) text_add(t, "\n");
        tree_print_def(t, f->defs.at[i]);
    }
}
