/* tree_build.c: expressions of the tree, for the grammar's actions.
 *
 * Checks what the grammar leaves open: which elements may stand in which brackets, comparisons in
 * chains, numbers too large. Every constructor keeps depth, so that passes may walk recursively.
 */
#include "parse.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static Tree *tree_new(Parse *p, TreeKind kind, Span at) {
    Tree *t = NEW(p->arena, Tree);
    t->kind = kind;
    t->span = at;
    t->depth = 1;
    return t;
}

/* t with child c below it; where that is too deep, it is said, and the child cut off. */
static Tree *below(Parse *p, Tree *t, Tree *c) {
    if (!c) return NULL;
    if (c->depth >= TREE_DEPTH) {
        if (!p->too_deep)
            diag_error(p->diags, t->span, "the expression has more than %d levels", TREE_DEPTH);
        p->too_deep = true;
        c = tree_number(p, c->span, "1", true);
    }
    if (t->depth <= c->depth) t->depth = c->depth + 1;
    return c;
}

Tree *tree_number(Parse *p, Span at, const char *text, bool is_int) {
    Tree *t = tree_new(p, TREE_NUMBER, at);
    t->num.text = arena_strdup(p->arena, text);
    t->num.is_int = is_int;
    errno = 0;
    if (is_int) {
        t->num.i = strtol(text, NULL, 10);
        if (errno == ERANGE)
            diag_error(p->diags, at, "the number is too large; the largest integer is %ld",
                       t->num.i);
        t->num.x = (double)t->num.i;
    } else {
        t->num.x = strtod(text, NULL);
        if (isinf(t->num.x)) diag_error(p->diags, at, "the number is too large");
        if (errno == ERANGE && t->num.x == 0) diag_error(p->diags, at, "the number is too small");
    }
    return t;
}

Tree *tree_string(Parse *p, Span at, const char *text) {
    Tree *t = tree_new(p, TREE_STRING, at);
    t->str = text;
    return t;
}

Tree *tree_name(Parse *p, Ident name) {
    Tree *t = tree_new(p, TREE_NAME, name.span);
    t->name.id = name;
    return t;
}

static Tree *tree_pack(Parse *p, const Part *part) {
    Tree *t = tree_new(p, TREE_PACK, part->span);
    t->pack = part->name;
    return t;
}

/* A part where only values may stand, and packs where `pack` says so. */
static Tree *part_value(Parse *p, const Part *part, bool pack, const char *where) {
    if (part->kind == PART_VALUE) return part->value;
    if (part->kind == PART_PACK && pack) return tree_pack(p, part);
    diag_error(p->diags, part->span,
               part->kind == PART_KEYED  ? "%s takes no names with values"
               : part->kind == PART_PACK ? "%s takes no `...`"
                                         : "%s takes no `in`",
               where);
    return tree_number(p, part->span, "0", true);
}

Tree *tree_read(Parse *p, Span at, Ref ref, bool next, Tree *sample) {
    Tree *t = tree_new(p, TREE_NAME, at);
    t->name.id = ref.name;
    t->name.next = next;
    t->name.sample = below(p, t, sample);
    t->name.indexed = ref.indexed;
    for (int i = 0; i < ref.parts.n; i++) {
        Tree *index = part_value(p, &ref.parts.at[i], true, "an index");
        PUSH(p->arena, t->name.index, below(p, t, index));
    }
    return t;
}

Tree *tree_sample(Parse *p, Span at, Ident name, Tree *sample, const Parts *parts) {
    return tree_read(p, at, ref(at, name, parts), false, sample);
}

Ref ref(Span at, Ident name, const Parts *parts) {
    return (Ref){at, name, parts != NULL, parts ? *parts : (Parts){0}};
}

Part part_else(Parse *p, Span at, Span word, Tree *value) {
    return (Part){PART_KEYED, at, {"else", word}, {0}, value};
}

Args parts_args(Parse *p, Parts parts) {
    Args args = {0};
    Map *given = NULL; /* names */
    for (int i = 0; i < parts.n; i++) {
        Part *part = &parts.at[i];
        Arg arg = {part->span, {0}, NULL};
        if (part->kind == PART_KEYED) {
            arg.name = part->name;
            arg.value = part->value;
            if (!given) given = names_new(p->arena);
            if (names_get(given, arg.name.text))
                diag_error(p->diags, part->span, "`%s` is given twice", arg.name.text);
            names_set(given, arg.name.text, part);
        } else {
            arg.value = part_value(p, part, false, "an argument");
            if (i && args.at[i - 1].name.text && strcmp(args.at[i - 1].name.text, "else"))
                diag_error(p->diags, part->span, "an argument by position follows one by name");
        }
        PUSH(p->arena, args, arg);
    }
    return args;
}

Tree *tree_call(Parse *p, Span at, Ident name, Parts parts) {
    Tree *t = tree_new(p, TREE_CALL, at);
    t->call.id = name;
    t->call.args = parts_args(p, parts);
    for (int i = 0; i < t->call.args.n; i++)
        t->call.args.at[i].value = below(p, t, t->call.args.at[i].value);
    return t;
}

Tree *tree_extremum(Parse *p, Span at, Span name, TreeReduce kind, Parts parts) {
    for (int i = 0; i < parts.n; i++)
        if (parts.at[i].kind == PART_PACK || parts.at[i].kind == PART_SET)
            return diag_error(p->diags, at, "this %s has no body", tree_reduce_text[kind]),
                   tree_number(p, at, "0", true);
    return tree_call(p, at, (Ident){tree_reduce_text[kind], name}, parts);
}

Tree *tree_unary(Parse *p, Span at, TreeOp op, Tree *a) {
    Tree *t = tree_new(p, TREE_UNARY, at);
    t->op.op = op;
    t->op.a = below(p, t, a);
    return t;
}

Tree *tree_binary(Parse *p, Span at, TreeOp op, Tree *a, Tree *b) {
    Tree *t = tree_new(p, TREE_BINARY, at);
    t->op.op = op;
    t->op.a = below(p, t, a);
    t->op.b = below(p, t, b);
    return t;
}

static bool is_comparison(const Tree *t) {
    return t->kind == TREE_BINARY && t->op.op >= TREE_EQ && t->op.op <= TREE_GE;
}

/* a < b < c comes as (a < b) < c; as `and` binds more loosely than comparisons, an `and` on the
 * left that has no parentheses is the chain so far. What is in the middle comes twice. */
enum { CHAIN_DEPTH = 8 };

Tree *tree_compare(Parse *p, Span at, TreeOp op, Tree *a, Tree *b) {
    Tree *last = NULL;
    if (!a->parens && is_comparison(a)) last = a;
    if (!a->parens && a->kind == TREE_BINARY && a->op.op == TREE_AND) last = a->op.b;
    if (!last || !is_comparison(last)) return tree_binary(p, at, op, a, b);
    if (last->op.b->depth > CHAIN_DEPTH)
        return diag_error(p->diags, last->op.b->span, "the middle of a chain is too deep"), a;
    Tree *link = tree_binary(p, span_join(last->op.b->span, b->span), op, last->op.b, b);
    return tree_binary(p, at, TREE_AND, a, link);
}

Tree *tree_cond(Parse *p, Span at, Tree *test, Tree *yes, Tree *no) {
    Tree *t = tree_new(p, TREE_COND, at);
    t->cond.test = below(p, t, test);
    t->cond.yes = below(p, t, yes);
    t->cond.no = below(p, t, no);
    return t;
}

enum { AXES_LIMIT = 32 };

/* An element as an index or a size: y, y < limit, 4 * n. */
static Axis value_axis(Parse *p, const Part *part, AxesFor use) {
    Axis axis = {.span = part->span, .size = part->value};
    const Tree *v = part->value;
    const Tree *name = v;
    if (v->kind == TREE_BINARY && v->op.op == TREE_LT && !v->parens) {
        name = v->op.a;
        axis.limit = v->op.b;
    }
    if (name->kind == TREE_NAME && !name->parens && !name->name.indexed && !name->name.next &&
        !name->name.sample && !strchr(name->name.id.text, '.'))
        axis.name = name->name.id;
    if (!axis.name.text && (use != AXES_SHAPE || axis.limit)) {
        diag_error(p->diags, part->span,
                   use == AXES_OVER ? "a reduction runs over names: `i`, `i < size`, `i...`"
                                    : "an index is a name: `i`, `i < size` or `i...`");
        axis.name = (Ident){"_", part->span};
    }
    return axis;
}

Axes parts_axes(Parse *p, Parts parts, AxesFor use) {
    Axes axes = {0};
    if (parts.n > AXES_LIMIT) {
        diag_error(p->diags, parts.at[AXES_LIMIT].span, "more than %d elements", AXES_LIMIT);
        parts.n = AXES_LIMIT;
    }
    for (int i = 0; i < parts.n; i++) {
        Part *part = &parts.at[i];
        Axis axis = {.span = part->span, .name = part->name, .set = part->set};
        axis.pack = part->kind == PART_PACK;
        if (part->kind == PART_VALUE) axis = value_axis(p, part, use);
        if (part->kind == PART_KEYED || (part->kind == PART_SET && use != AXES_OVER))
            part_value(p, part, false, use == AXES_OVER ? "a reduction" : "a bracket");
        for (int j = 0; j < i && use != AXES_SHAPE && axis.name.text; j++)
            if (!strcmp(axes.at[j].name.text, axis.name.text))
                diag_error(p->diags, part->span, "`%s` is an index twice", axis.name.text);
        PUSH(p->arena, axes, axis);
    }
    return axes;
}

Tree *tree_reduce(Parse *p, Span at, TreeReduce kind, Parts over, Tree *guard, Tree *body) {
    Tree *t = tree_new(p, TREE_REDUCE, at);
    t->reduce.kind = kind;
    t->reduce.over = parts_axes(p, over, AXES_OVER);
    if (!over.n) diag_error(p->diags, at, "%s runs over no index", tree_reduce_text[kind]);
    for (int i = 0; i < t->reduce.over.n; i++)
        t->reduce.over.at[i].limit = below(p, t, t->reduce.over.at[i].limit);
    t->reduce.guard = below(p, t, guard);
    t->reduce.body = below(p, t, body);
    return t;
}

static bool is_open_pipe(const Tree *t) {
    return t->kind == TREE_PIPE && !t->parens;
}

Tree *tree_pipe(Parse *p, Span at, Tree *a, Tree *b) {
    Tree *t = a;
    if (!is_open_pipe(a)) {
        t = tree_new(p, TREE_PIPE, at);
        PUSH(p->arena, t->list, below(p, t, a));
    }
    t->span = at;
    Trees tail = {&b, 1, 1};
    if (is_open_pipe(b)) tail = b->list;
    for (int i = 0; i < tail.n; i++) PUSH(p->arena, t->list, below(p, t, tail.at[i]));
    return t;
}

Tree *tree_parens(Parse *p, Span at, Parts parts) {
    Tree *t = tree_new(p, TREE_TUPLE, at);
    for (int i = 0; i < parts.n; i++) {
        Tree *value = part_value(p, &parts.at[i], false, "a parenthesis");
        PUSH(p->arena, t->list, below(p, t, value));
    }
    if (parts.n > 1) return t;
    t->list.at[0]->parens = true;
    return t->list.at[0];
}
