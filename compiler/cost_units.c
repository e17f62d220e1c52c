/* cost_units.c: what operations take of a machine (cost_parts.h): of its units of arithmetic, for
 * each turn of a vector, and cycles until the result is there.
 */
#include "cost_parts.h"

Units cost_units(const Expr *e) {
    bool whole = e->type == T_I32 || e->type == T_U32, v = e->lanes > 1;
    switch (e->op) {
    case OP_FMA: return (Units){1, 1, 1, 4};
    case OP_MUL: return (Units){1, 1, 1, 3};
    case OP_ADD:
    case OP_SUB: return (Units){1, 0, 2, 3}; /* half of the units of arithmetic */
    case OP_DIV: return (Units){1, 1, 1, 11};
    case OP_SQRT: return (Units){1, 1, 1, 14};
    case OP_MIN:
    case OP_MAX: return (Units){1, 1, 1, 2};
    case OP_SELECT: return (Units){1, 0, 1, 2};
    case OP_LT:
    case OP_LE:
    case OP_EQ:
    case OP_NE: return (Units){1, v, 1, 3};
    case OP_MULHI: return (Units){v ? 8 : 2, v ? 2 : 0, v ? 6 : 1, 6};
    case OP_IDIV:
    case OP_IMOD: return v ? (Units){60, 0, 16, 20} : (Units){5, 0, 0, 7};
    case OP_TREE: return (Units){9, 1, 8, 16};
    case OP_EXP:
    case OP_LOG:
    case OP_TANH:
    case OP_ERF:
    case OP_COS:
    case OP_SIN:
    case OP_POW: return (Units){60, 20, 40, 60};
    case OP_FLOOR: return v ? (Units){2, 0, 2, 3} : (Units){8, 1, 4, 8};
    case OP_FLOAT:
    case OP_INT: return (Units){1, 0, 2, 3};
    case OP_BITS:
    case OP_FROM_BITS:
    case OP_SIGNED: return v ? (Units){0, 0, 0, 0} : (Units){1, 0, 0, 1};
    case OP_BROADCAST:
        if (e->arg[0]->op == OP_CONST || e->arg[0]->op == OP_LOAD) return (Units){0};
        return (Units){1, 0, 1, 3};
    case OP_LIN:
        if (!v) return (Units){0};
        return (Units){e->n, 0, e->n, e->n};
    case OP_CONST:
    case OP_VAR:
    case OP_HOST:
    case OP_IOTA:
    case OP_LOAD: return (Units){0};
    default: return (Units){1, 0, v || !whole, 1};
    }
}

/* As measured for vectors of 8; of 16 take twice as long, of 4 and single ones half. */
double cost_divide(const Expr *e) {
    enum { CYCLES = 6 };
    if (e->op != OP_DIV && e->op != OP_SQRT) return 0;
    return e->lanes > 4 ? (double)CYCLES * ((e->lanes + 7) / 8) : CYCLES / 2;
}

bool cost_is_flop(const Expr *e) {
    if (e->type != T_F32) return false;
    switch (e->op) {
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
    case OP_DIV:
    case OP_FMA:
    case OP_MIN:
    case OP_MAX:
    case OP_SQRT: return true;
    default: return false;
    }
}

static double latency(const Stmt *s, const Expr *e) {
    if (e->op == OP_LOAD && e->buffer == s->buffer && e->arg[0] == s->offset) return 0;
    if (e->op == OP_LOAD || e->op == OP_LIN) return -1;
    double most = -1;
    for (int i = 0; i < e->n; i++) {
        double l = latency(s, e->arg[i]);
        if (l > most) most = l;
    }
    return most < 0 ? -1 : most + cost_units(e).latency;
}

double cost_latency(const Stmt *s) { return latency(s, s->value); }
