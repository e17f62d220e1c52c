/* flops.c: the useful operations of a node: two for each product that a sum of products adds, terms
 * that its guard leaves out not counted. */
#include "rewrite.h"

/* Conditions that share variables, and those variables. */
typedef struct Conditions {
    Expr *all;
    VEC(Var *) vars;
    double combinations;
    bool by_data;
} Conditions;

static void note_var(void *context, Expr *e) {
    void **c = context;
    Conditions *group = c[0];
    if (e->op == OP_READ) group->by_data = true;
    if (e->op != OP_VAR) return;
    for (int i = 0; i < group->vars.n; i++)
        if (group->vars.at[i] == e->var) return;
    PUSH((Arena *)c[1], group->vars, e->var);
    group->combinations *= (double)(e->var->hi - e->var->lo + 1);
}

static bool share(const Conditions *a, const Conditions *b) {
    for (int i = 0; i < a->vars.n; i++)
        for (int j = 0; j < b->vars.n; j++)
            if (a->vars.at[i] == b->vars.at[j]) return true;
    return false;
}

/* For how many values of the variables from i on e holds. */
static double count(Pool *p, Expr *e, const Conditions *g, int i) {
    if (is_false(e)) return 0;
    if (i == g->vars.n) return 1;
    double n = 0;
    for (long x = g->vars.at[i]->lo; x <= g->vars.at[i]->hi; x++)
        n += count(p, e_subst1(p, e, g->vars.at[i], e_int(p, x)), g, i + 1);
    return n;
}

/* The share of a loop's iterations in which the guard holds: the product over groups of conditions
 * that have no variable in common. What depends on data counts as holding. */
static double share_of_guard(Pool *p, Expr *guard) {
    enum { MANY = 20000 };
    Arena *a = pool_arena(p);
    Expr **part;
    int n = e_conjuncts(a, guard, &part), groups = 0;
    Conditions *group = NEW_ARRAY(a, Conditions, n + 1);
    for (int i = 0; i < n; i++) {
        Conditions new = {.all = part[i], .combinations = 1};
        void *c[2] = {&new, a};
        e_visit(part[i], note_var, c);
        for (int j = 0; j < groups; j++) { /* join those that it connects */
            if (!share(&new, &group[j])) continue;
            new.all = e_and(p, group[j].all, new.all);
            new.by_data |= group[j].by_data;
            e_visit(group[j].all, note_var, c);
            group[j--] = group[--groups];
        }
        group[groups++] = new;
    }
    double result = 1;
    for (int i = 0; i < groups; i++)
        if (!group[i].by_data && group[i].combinations <= MANY)
            result *= count(p, group[i].all, &group[i], 0) / group[i].combinations;
    return result;
}

double useful_flops(Pool *p, const Node *n) {
    if (n->reduce != REDUCE_SUM || n->body->op != OP_MUL || n->type != T_F32) return 0;
    double flops = 2 * node_elements(n);
    for (int i = 0; i < n->n_rvars; i++) flops *= (double)(n->rvar[i]->hi + 1 - n->rvar[i]->lo);
    return n->guard ? flops * share_of_guard(p, n->guard) : flops;
}

double node_work(const Node *n) {
    enum { SUM = 4, OTHER = 16 };
    double work = n->reduce != REDUCE_SUM ? OTHER : n->body->op == OP_MUL ? 1 : SUM;
    return work * node_elements(n) * node_terms(n);
}

/* A product of tensors over different axes: a sum over the samples of a batch of one. */
static bool is_outer_product(Arena *a, const Node *n) {
    Factors f = {0};
    if (n->kind != NODE_COMP || n->reduce != REDUCE_NONE || n->body->op != OP_MUL) return false;
    if (n->batched || n->type != T_F32) return false;
    expr_factors(a, n->body, &f);
    int reads = 0;
    for (int i = 0; i < f.at.n; i++) {
        int axes = 0;
        for (int j = 0; j < n->rank; j++) axes += e_uses(f.at.at[i], n->var[j]);
        if (axes == n->rank) return false;
        reads += axes && f.at.at[i]->op == OP_READ;
    }
    return reads > 1;
}

double graph_flops(const Graph *g) {
    Pool *p = g->program->pool;
    double flops = 0;
    for (int i = 0; i < g->nodes.n; i++) {
        const Node *n = g->nodes.at[i];
        double products = 2;
        for (int k = 0; k < n->rank; k++) products *= (double)n->shape[k];
        if (n->kind != NODE_COMP) continue;
        flops += is_outer_product(pool_arena(p), n) ? products : useful_flops(p, n);
    }
    return flops;
}
