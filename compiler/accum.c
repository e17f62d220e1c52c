/* accum.c: variables of accumulations; see accum.h. */
#include "accum.h"

Var *var_like(Pool *p, const Var *v) {
    Var *w = var_range(p, v->name, v->lo, v->hi);
    w->batch = v->batch;
    return w;
}

void vars_rename(Pool *p, Var *const *v, int n, Var **to, Map *map) {
    for (int i = 0; i < n; i++) {
        to[i] = var_like(p, v[i]);
        map_set(map, v[i], e_var(p, to[i]));
    }
}

Expr **vars_index(Pool *p, Var *const *v, int n) {
    Expr **index = NEW_ARRAY(pool_arena(p), Expr *, n);
    for (int i = 0; i < n; i++) index[i] = e_var(p, v[i]);
    return index;
}

Expr *vars_number(Pool *p, Var *const *v, int n) {
    Expr *number = e_int(p, 0);
    for (int i = 0; i < n; i++) {
        number = e_scale(p, number, v[i]->hi - v[i]->lo + 1);
        number = e_add(p, number, e_offset(p, e_var(p, v[i]), -v[i]->lo));
    }
    return number;
}
