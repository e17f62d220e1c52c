/* rewrite_algebra.c: identities of float arithmetic that the language allows. docs/language.md has
 * the list for users; this is all of it that changes single expressions:
 *
 *   x + 0, 0 + x, x - 0 = x        exact but for the sign of a zero
 *   a + -b = a - b                 exact, as are all that follow
 *   -a + b = b - a
 *   a - -b = a + b
 *   -a * -b = a * b, -a / -b = a / b
 *   -a * b, a * -b = -(a * b), and for / the same
 *   x / c = x * (1 / c)            for c a power of two
 *   sum of -(a * b) = sum of -a * b, so that the sum is one of products
 */
#include "passes.h"
#include "rewrite.h"
#include <math.h>

static bool is_zero(const Expr *e) { return is_const(e) && e->num == 0; }

static bool is_neg(const Expr *e) { return e->op == OP_NEG; }

static bool is_power_of_two(const Expr *e) {
    int exponent;
    return is_const(e) && e->num != 0 && fabs(frexp(e->num, &exponent)) == 0.5 &&
           exponent > -100 && exponent < 100;
}

static Expr *negative(Pool *p, Expr *e) { return e_op(p, OP_NEG, e, NULL, NULL); }

static Expr *simplify_sum(Pool *p, Expr *e) {
    Expr *a = e->arg[0], *b = e->arg[1];
    if (e->op == OP_ADD && is_zero(a)) return b;
    if (is_zero(b)) return a;
    if (e->op == OP_SUB) return is_neg(b) ? e_add(p, a, b->arg[0]) : e;
    if (is_neg(b)) return e_sub(p, a, b->arg[0]);
    return is_neg(a) ? e_sub(p, b, a->arg[0]) : e;
}

static Expr *simplify_product(Pool *p, Expr *e) {
    Expr *a = e->arg[0], *b = e->arg[1];
    bool minus = is_neg(a) != is_neg(b);
    if (is_neg(a) || is_neg(b)) {
        a = is_neg(a) ? a->arg[0] : a;
        b = is_neg(b) ? b->arg[0] : b;
        e = e_op(p, e->op, a, b, NULL);
    }
    if (e->op == OP_DIV && is_power_of_two(b)) e = e_mul(p, a, e_num(p, T_F32, 1 / b->num));
    return minus ? negative(p, e) : e;
}

static Expr *simplify(void *context, Expr *e) {
    if (e->type != T_F32) return e;
    if (e->op == OP_ADD || e->op == OP_SUB) return simplify_sum(context, e);
    if (e->op == OP_MUL || e->op == OP_DIV) return simplify_product(context, e);
    return e;
}

void rewrite_algebra(Graph *g) {
    Pool *p = g->program->pool;
    for (int i = 0; i < g->nodes.n; i++) {
        Node *n = g->nodes.at[i];
        if (n->kind != NODE_COMP) continue;
        node_rewrite(p, n, simplify, p);
        Expr *product = is_neg(n->body) ? n->body->arg[0] : NULL;
        if (n->reduce != REDUCE_SUM || !product || product->op != OP_MUL) continue;
        n->body = e_mul(p, negative(p, product->arg[0]), product->arg[1]);
    }
    graph_sort(g);
}
