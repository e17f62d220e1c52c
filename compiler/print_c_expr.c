/* print_c_expr.c: expressions of the loop IR as C. Vectors are vf, vi, vu and masks vm, of
 * netc_vector.h; what C writes with an operator on vectors is written so. */
#include "c_names.h"
#include "print.h"
#include <math.h>
#include <string.h>

void c_line(Printer *p, const char *format, ...) {
    enum { WIDTH = 100 };
    Text line = {.arena = p->arena};
    va_list args;
    va_start(args, format);
    text_addv(&line, format, args);
    va_end(args);
    const char *s = line.at ? line.at : "";
    int indent = 4 * p->indent;
    while ((int)strlen(s) + indent > WIDTH) {
        int cut = WIDTH - indent;
        while (cut > 0 && s[cut] != ' ') cut--;
        if (cut == 0) break;
        text_add(p->out, "%*s%.*s\n", indent, "", cut, s);
        s += cut + 1;
        indent = 4 * p->indent + 8;
    }
    text_add(p->out, "%*s%s\n", *s && *s != '#' ? indent : 0, "", s);
}

const char *c_name(Printer *p, const void *key, const char *wish) {
    const char *name = map_get(p->names, key);
    if (name) return name;
    name = wish = c_reserved(wish) ? arena_printf(p->arena, "x_%s", wish) : wish;
    for (int i = 2; names_get(p->taken, name); i++) name = arena_printf(p->arena, "%s%d", wish, i);
    names_set(p->taken, name, p);
    map_set(p->names, key, (void *)name);
    return name;
}

const char *c_type(Type type, int lanes, int narrow) {
    static const char *const scalar[N_TYPES] = {"int", "int32_t", "uint32_t", "float", "double"};
    static const char *const vector[N_TYPES] = {"vm", "vi", "vu", "vf", "?"};
    if (lanes > 1) return vector[type];
    if (narrow == 1) return type == T_I32 ? "int8_t" : "uint8_t";
    return scalar[type];
}

static const char *prefix(Type t) {
    return t == T_F32 ? "vf" : t == T_U32 ? "vu" : t == T_BOOL ? "vm" : "vi";
}

static void number(Text *t, double x, Type type) {
    const char *suffix = type == T_F32 ? "f" : "";
    if (isnan(x)) text_add(t, "__builtin_nan%s(\"\")", suffix);
    else if (isinf(x)) text_add(t, "%s__builtin_inf%s()", x < 0 ? "-" : "", suffix);
    else {
        char s[64];
        snprintf(s, sizeof s, type == T_F32 ? "%.9g" : "%.17g", x);
        bool plain = !strpbrk(s, ".e");
        bool negative = s[0] == '-';
        text_add(t, "%s%s%s%s%s", negative ? "(" : "", s, plain ? ".0" : "", suffix,
                 negative ? ")" : "");
    }
}

static void constant(Text *t, const Expr *e) {
    if (e->type == T_F32 || e->type == T_F64) number(t, e->num, e->type);
    else if (e->type == T_U32) text_add(t, "%luu", (unsigned long)e->num);
    else if (e->num < 0) text_add(t, "(%ld)", (long)e->num);
    else text_add(t, "%ld", (long)e->num);
}

static void call(Printer *p, Text *t, const char *name, const Expr *e) {
    text_add(t, "%s(", name);
    for (int i = 0; i < e->n; i++) {
        if (i) text_add(t, ", ");
        c_expr(p, t, e->arg[i]);
    }
    text_add(t, ")");
}

static void infix(Printer *p, Text *t, const char *op, const Expr *e) {
    text_add(t, "(");
    c_expr(p, t, e->arg[0]);
    text_add(t, " %s ", op);
    c_expr(p, t, e->arg[1]);
    text_add(t, ")");
}

static void sum(Printer *p, Text *t, const Expr *e) {
    text_add(t, "(");
    for (int i = 0; i < e->n; i++) {
        long c = e->coef[i];
        if (i) text_add(t, c < 0 ? " - " : " + ");
        else if (c < 0) text_add(t, "-");
        if (c != 1 && c != -1) text_add(t, "%ld * ", c < 0 ? -c : c);
        c_expr(p, t, e->arg[i]);
    }
    if (e->k) text_add(t, " %c %ld", e->k < 0 ? '-' : '+', e->k < 0 ? -e->k : e->k);
    text_add(t, ")");
}

/* Registers hold whole vectors: their element numbers are divided by the lanes. */
static Expr *element(Printer *p, const Buffer *b, Expr *offset) {
    if (b->kind != BUFFER_LOCAL || b->memory || b->lanes == 1) return offset;
    return e_op(p->pool, OP_IDIV, offset, e_int(p->pool, b->lanes), NULL);
}

static void strip(Text *t, Printer *p, Expr *offset) { /* an offset without outer parentheses */
    Text s = {.arena = p->arena};
    c_expr(p, &s, offset);
    bool outer = offset->op == OP_LIN && s.at[0] == '(';
    text_add(t, "%.*s", (int)s.n - 2 * outer, s.at + outer);
}

static void load(Printer *p, Text *t, const Expr *e) {
    const Buffer *b = e->buffer;
    const char *name = c_name(p, b, b->name);
    bool in_memory = b->kind != BUFFER_LOCAL || b->memory || b->lanes == 1;
    if (e->lanes == 1 && e->n > 1) {
        text_add(t, "(");
        c_expr(p, t, e->arg[1]);
        text_add(t, " ? %s[", name);
        strip(t, p, e->arg[0]);
        text_add(t, "] : 0)");
    } else if (e->lanes == 1 || !in_memory) {
        text_add(t, "%s[", name);
        strip(t, p, element(p, b, e->arg[0]));
        text_add(t, "]");
    } else {
        bool gather = e->arg[0]->lanes > 1, where = e->n > 1;
        const char *narrow = b->narrow == 1 ? (b->node ? "8" : "u8") : "";
        text_add(t, "%s_%s%s%s(", prefix(e->type), gather ? "gather" : "load", narrow,
                 where ? "_where" : "");
        if (where) {
            c_expr(p, t, e->arg[1]);
            text_add(t, ", ");
        }
        text_add(t, gather ? "%s, " : "%s + ", name);
        if (gather) c_expr(p, t, e->arg[0]);
        else strip(t, p, e->arg[0]);
        text_add(t, ")");
    }
}

static void select(Printer *p, Text *t, const Expr *e) {
    if (e->lanes > 1) {
        call(p, t, arena_printf(p->arena, "%s_select", prefix(e->type)), e);
        return;
    }
    text_add(t, "(");
    c_expr(p, t, e->arg[0]);
    text_add(t, " ? ");
    c_expr(p, t, e->arg[1]);
    text_add(t, " : ");
    c_expr(p, t, e->arg[2]);
    text_add(t, ")");
}

static void host(Text *t, const Expr *e) {
    static const char *const member[N_HOSTS] = {
        [HOST_COUNT] = "count",
        [HOST_STEP] = "call->step",
        [HOST_EPOCH] = "call->epoch",
        [HOST_STEPS] = "call->steps",
        [HOST_EPOCHS] = "call->epochs",
        [HOST_STEPS_PER_EPOCH] = "call->steps_per_epoch",
        [HOST_RATE_SCALE] = "call->rate_scale",
        [HOST_DATA_MEAN] = "call->data_mean",
        [HOST_DATA_STD] = "call->data_std",
        [HOST_SEED_LOW] = "(uint32_t)call->seed",
        [HOST_SEED_HIGH] = "(uint32_t)(call->seed >> 32)",
        [HOST_STEP_BITS] = "(uint32_t)call->step",
    };
    text_add(t, "%s", member[e->host]);
}

static void division(Printer *p, Text *t, const Expr *e) {
    long lo, hi;
    e_range(e->arg[0], &lo, &hi); /* the end that is known */
    bool plain = e->lanes == 1 && lo >= 0;
    if (plain) infix(p, t, e->op == OP_IDIV ? "/" : "%", e);
    else call(p, t, arena_printf(p->arena, "%s_f%s", e->lanes > 1 ? "vi" : "netc",
                                 e->op == OP_IDIV ? "div" : "mod"), e);
}

/* The C function for an operator, by what it works on; null where C has an operator. */
static const char *function_of(const Expr *e) {
    bool v = e->lanes > 1 || e->op == OP_TREE, f64 = e->type == T_F64, f32 = e->type == T_F32;
    switch (e->op) {
    case OP_FMA: return v ? "vf_fma" : "netc_fmaf";
    case OP_MAX:
        if (v) return f32 ? "vf_max" : "vi_max";
        return f32 ? "netc_max" : f64 ? "netc_fmax" : "netc_imax";
    case OP_MIN:
        if (v) return f32 ? "vf_min" : "vi_min";
        return f32 ? "netc_min" : f64 ? "netc_fmin" : "netc_imin";
    case OP_ABS: return v ? "vf_abs" : f64 ? "__builtin_fabs" : "netc_absf";
    case OP_SQRT: return v ? "vf_sqrt" : f64 ? "netc_sqrt" : "netc_sqrtf";
    case OP_FLOOR: return v ? "vf_floor" : f64 ? "netc_floor" : "netc_floorf";
    case OP_EXP: return "netc_exp";
    case OP_LOG: return "netc_log";
    case OP_TANH: return "netc_tanh";
    case OP_ERF: return "netc_erf";
    case OP_COS: return "netc_cos";
    case OP_SIN: return "netc_sin";
    case OP_POW: return "netc_pow";
    case OP_ROUND: return "(float)";
    case OP_DOUBLE: return "(double)";
    case OP_FLOAT: return v ? "vf_from_vi" : "(float)";
    case OP_INT: return v ? "vi_from_vf" : "netc_int";
    case OP_BITS: return v ? "(vu)" : e->arg[0]->type == T_F32 ? "netc_bitsf" : "(uint32_t)";
    case OP_FROM_BITS: return v ? "(vf)" : "netc_from_bitsf";
    case OP_SIGNED: return v ? "(vi)" : "(int32_t)";
    case OP_WORD: return "netc_word";
    case OP_MULHI: return v ? "vu_mulhi" : "netc_mulhi";
    case OP_TREE: return "vf_tree";
    default: return NULL;
    }
}

static const char *operator_of(const Expr *e) {
    switch (e->op) {
    case OP_ADD: return "+";
    case OP_SUB: return "-";
    case OP_MUL: return "*";
    case OP_DIV: return "/";
    case OP_XOR: return "^";
    case OP_BITAND: return "&";
    case OP_SHL: return "<<";
    case OP_SHR: return ">>";
    case OP_LT: return "<";
    case OP_LE: return "<=";
    case OP_EQ: return "==";
    case OP_NE: return "!=";
    case OP_AND: return "&&";
    case OP_OR: return "||";
    default: return NULL;
    }
}

static void logic(Printer *p, Text *t, const Expr *e) {
    if (e->lanes == 1) {
        if (e->op == OP_NOT) {
            text_add(t, "!");
            c_expr(p, t, e->arg[0]);
        } else infix(p, t, operator_of(e), e);
        return;
    }
    bool compare = e->op == OP_LT || e->op == OP_LE || e->op == OP_EQ || e->op == OP_NE;
    static const char *const name[N_OPS] = {
        [OP_LT] = "lt", [OP_LE] = "le", [OP_EQ] = "eq", [OP_NE] = "ne",
        [OP_AND] = "and", [OP_OR] = "or", [OP_NOT] = "not",
    };
    call(p, t, arena_printf(p->arena, "%s_%s", compare ? prefix(e->arg[0]->type) : "vm",
                            name[e->op]), e);
}

void c_expr(Printer *p, Text *t, Expr *e) {
    const char *temp = map_get(p->temps, e);
    if (temp) {
        text_add(t, "%s", temp);
        return;
    }
    switch (e->op) {
    case OP_CONST: constant(t, e); return;
    case OP_VAR: text_add(t, "%s", c_name(p, e->var, e->var->name)); return;
    case OP_HOST: host(t, e); return;
    case OP_LIN: sum(p, t, e); return;
    case OP_LOAD: load(p, t, e); return;
    case OP_SELECT: select(p, t, e); return;
    case OP_IDIV:
    case OP_IMOD: division(p, t, e); return;
    case OP_LT:
    case OP_LE:
    case OP_EQ:
    case OP_NE:
    case OP_AND:
    case OP_OR:
    case OP_NOT: logic(p, t, e); return;
    case OP_IOTA: text_add(t, "vi_iota()"); return;
    case OP_BROADCAST:
        call(p, t, arena_printf(p->arena, "%s_set", prefix(e->type)), e);
        return;
    case OP_NEG:
        if (e->lanes > 1) call(p, t, "vf_neg", e);
        else call(p, t, "-", e);
        return;
    default: break;
    }
    const char *function = function_of(e), *op = operator_of(e);
    if (function) call(p, t, function, e);
    else if (op) infix(p, t, op, e);
    else die("no C for the operator %s", op_info[e->op].name);
}

/* --- what a statement's expressions share --- */

typedef struct Sharing {
    Printer *p;
    Map *uses; /* Expr -> number of uses, as a pointer */
    VEC(Expr *) order;
} Sharing;

static bool worth_a_name(const Expr *e) {
    if (e->op == OP_CONST || e->op == OP_VAR || e->op == OP_HOST || e->op == OP_IOTA) return false;
    if (e->op == OP_LOAD && e->lanes == 1) return false;
    if (e->op == OP_LOAD && e->buffer->kind == BUFFER_LOCAL) return false;
    if (e->op == OP_BROADCAST) return e->arg[0]->op != OP_CONST;
    return e->type != T_I32 || e->lanes > 1;
}

static void count_uses(Sharing *s, Expr *e) {
    intptr_t n = (intptr_t)map_get(s->uses, e);
    map_set(s->uses, e, (void *)(n + 1));
    if (n) return;
    for (int i = 0; i < e->n; i++) count_uses(s, e->arg[i]);
    PUSH(s->p->arena, s->order, e);
}

void c_share(Printer *p, Expr *const *e, int n) {
    Sharing s = {.p = p, .uses = map_new(p->arena)};
    p->temps = map_new(p->arena);
    for (int i = 0; i < n; i++)
        if (e[i]) count_uses(&s, e[i]);
    for (int i = 0; i < s.order.n; i++) {
        Expr *x = s.order.at[i];
        if ((intptr_t)map_get(s.uses, x) < 2 || !worth_a_name(x)) continue;
        Text t = {.arena = p->arena};
        c_expr(p, &t, x);
        const char *name = arena_printf(p->arena, "t%d", p->n_temps++);
        c_line(p, "const %s %s = %s;", c_type(x->type, x->lanes, 4), name, t.at);
        map_set(p->temps, x, (void *)name);
    }
}
