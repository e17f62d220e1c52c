/* expr_print.c: expressions as text, as the language would write them where it can.
 *
 * Expressions are DAGs, and as trees some would have no end: in large ones, what occurs more than
 * once is written once, and has a name:
 *
 *     $2 * $2 + exp($1)
 *         where $1 = x[n, i] * 0.5 + y[n]
 *         where $2 = ...
 */
#include "expr_build.h"
#include "graph.h"
#include "loop.h"
#include <math.h>
#include <stdlib.h>

enum { P_NONE, P_OR, P_AND, P_NOT, P_COMPARE, P_ADD, P_MUL, P_NEG, P_POW, P_ATOM };

enum { LARGE = 200, WORTH_A_NAME = 4 }; /* operators and operands */

typedef struct Out {
    Text *text;
    Map *names;        /* Expr -> name; null: none has one */
    const Expr *whole; /* what is being written, be there a name for it */
} Out;

static void print(Out *t, const Expr *e, int outer);

/* The shortest decimal that reads back as the same number. */
static void print_float(Out *t, double x, bool single) {
    char s[40];
    if (isnan(x) || isinf(x)) {
        text_add(t->text, "%s", isnan(x) ? "nan" : x < 0 ? "-inf" : "inf");
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, x);
        if (single ? strtof(s, NULL) == (float)x : strtod(s, NULL) == x) break;
    }
    bool whole = true;
    for (const char *c = s; *c; c++) whole &= *c != '.' && *c != 'e';
    text_add(t->text, "%s%s", s, whole ? ".0" : "");
}

static void print_const(Out *t, const Expr *e, int outer) {
    bool paren = e->num < 0 && outer > P_ADD;
    if (paren) text_add(t->text, "(");
    switch (e->type) {
    case T_BOOL: text_add(t->text, "%s", e->num ? "true" : "false"); break;
    case T_F32:
    case T_F64: print_float(t, e->num, e->type == T_F32); break;
    default: text_add(t->text, "%.0f", e->num); break;
    }
    if (paren) text_add(t->text, ")");
}

static void print_args(Out *t, const Expr *e) {
    for (int i = 0; i < e->n; i++) {
        if (i) text_add(t->text, ", ");
        print(t, e->arg[i], P_NONE);
    }
}

/* The terms of one sign; returns whether there were none yet. */
static bool print_terms(Out *t, const Expr *e, int sign, bool first) {
    for (int i = 0; i < e->n; i++) {
        long c = e->coef[i] * sign;
        if (c <= 0) continue;
        text_add(t->text, "%s", first ? sign < 0 ? "-" : "" : sign < 0 ? " - " : " + ");
        if (c != 1) text_add(t->text, "%ld*", c);
        print(t, e->arg[i], c != 1 || sign < 0 ? P_NEG : P_ADD);
        first = false;
    }
    return first;
}

static void print_lin(Out *t, const Expr *e) {
    bool first = print_terms(t, e, 1, true);
    if (e->k > 0) text_add(t->text, first ? "%ld" : " + %ld", e->k);
    print_terms(t, e, -1, first && e->k <= 0);
    if (e->k < 0) text_add(t->text, " - %ld", -e->k);
}

typedef struct Infix {
    int level, left, right;
} Infix;

static bool infix_of(const Expr *e, Infix *f) {
    switch (e->op) {
    case OP_OR: *f = (Infix){P_OR, P_OR, P_OR + 1}; return true;
    case OP_AND: *f = (Infix){P_AND, P_AND, P_AND + 1}; return true;
    case OP_LT:
    case OP_LE:
    case OP_EQ:
    case OP_NE: *f = (Infix){P_COMPARE, P_ADD, P_ADD}; return true;
    case OP_ADD:
    case OP_SUB: *f = (Infix){P_ADD, P_ADD, P_MUL}; return true;
    case OP_MUL:
    case OP_DIV:
    case OP_IDIV:
    case OP_IMOD: *f = (Infix){P_MUL, P_MUL, P_NEG}; return true;
    case OP_POW: *f = (Infix){P_POW, P_ATOM, P_NEG}; return true;
    default: return false;
    }
}

static void print_infix(Out *t, const Expr *e, Infix f) {
    print(t, e->arg[0], f.left);
    text_add(t->text, e->op == OP_POW ? "%s" : " %s ", op_info[e->op].text);
    print(t, e->arg[1], f.right);
}

static int level_of(const Expr *e) {
    Infix f;
    if (infix_of(e, &f)) return f.level;
    if (e->op == OP_LIN) return e->n == 1 && e->k == 0 && e->coef[0] > 0 ? P_MUL : P_ADD;
    if (e->op == OP_NOT) return P_NOT;
    if (e->op == OP_NEG) return P_NEG;
    return P_ATOM;
}

static void print_plain(Out *t, const Expr *e) {
    Infix f;
    if (infix_of(e, &f)) {
        print_infix(t, e, f);
        return;
    }
    switch (e->op) {
    case OP_VAR: text_add(t->text, "%s", e->var->name); break;
    case OP_HOST: text_add(t->text, "%s", host_names[e->host]); break;
    case OP_LIN: print_lin(t, e); break;
    case OP_NOT:
        text_add(t->text, "not ");
        print(t, e->arg[0], P_NOT);
        break;
    case OP_NEG:
        text_add(t->text, "-");
        print(t, e->arg[0], P_NEG);
        break;
    case OP_READ:
        text_add(t->text, "%s", e->node->name);
        if (e->n == 0) break;
        text_add(t->text, "[");
        print_args(t, e);
        text_add(t->text, "]");
        break;
    case OP_LOAD:
        text_add(t->text, "%s[", e->buffer->name);
        print_args(t, e);
        text_add(t->text, "]");
        break;
    case OP_DRAW:
        text_add(t->text, "%s@%d(", draw_names[e->draw.kind], e->draw.site);
        print_args(t, e);
        text_add(t->text, ")");
        break;
    default:
        text_add(t->text, "%s(", op_info[e->op].text);
        print_args(t, e);
        text_add(t->text, ")");
        break;
    }
}

static void print(Out *t, const Expr *e, int outer) {
    const char *name = t->names && e != t->whole ? map_get(t->names, e) : NULL;
    if (name) {
        text_add(t->text, "%s", name);
        return;
    }
    if (e->op == OP_CONST) {
        print_const(t, e, outer);
        return;
    }
    bool paren = level_of(e) < outer;
    if (paren) text_add(t->text, "(");
    print_plain(t, e);
    if (paren) text_add(t->text, ")");
}

/* --- what occurs more than once --- */

/* Operators and operands as a tree, up to `most`. */
static int tree_size(const Expr *e, int most) {
    int n = 1;
    for (int i = 0; i < e->n && n < most; i++) n += tree_size(e->arg[i], most - n);
    return n;
}

typedef struct Lets {
    Arena *arena;
    Map *used;  /* Expr -> itself, once it is some other's argument */
    Map *names;
    VEC(const Expr *) named;
} Lets;

static void note_arguments(void *context, Expr *e) {
    Lets *l = context;
    for (int i = 0; i < e->n; i++) {
        const Expr *x = e->arg[i];
        bool again = map_get(l->used, x) != NULL;
        map_set(l->used, x, (void *)x);
        if (!again || map_get(l->names, x) || tree_size(x, WORTH_A_NAME) < WORTH_A_NAME) continue;
        map_set(l->names, x, (void *)x); /* its name follows */
    }
}

/* Names in the order in which the expressions are built. */
static void give_name(void *context, Expr *e) {
    Lets *l = context;
    if (!map_get(l->names, e)) return;
    PUSH(l->arena, l->named, e);
    map_set(l->names, e, arena_printf(l->arena, "$%d", l->named.n));
}

void e_print(Text *t, const Expr *e) {
    if (tree_size(e, LARGE) < LARGE) {
        print(&(Out){.text = t}, e, P_NONE);
        return;
    }
    Lets l = {.arena = arena_new()};
    l.used = map_new(l.arena);
    l.names = map_new(l.arena);
    e_visit((Expr *)e, note_arguments, &l);
    e_visit((Expr *)e, give_name, &l);
    print(&(Out){t, l.names, e}, e, P_NONE);
    for (int i = 0; i < l.named.n; i++) {
        const Expr *x = l.named.at[i];
        text_add(t, "\n        where %s = ", (const char *)map_get(l.names, x));
        print(&(Out){t, l.names, x}, x, P_NONE);
    }
    arena_free(l.arena);
}
