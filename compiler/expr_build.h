/* expr_build.h: what the constructors of expr.h share. For expr.c and its neighbors only. */
#ifndef NETC_EXPR_BUILD_H
#define NETC_EXPR_BUILD_H
#include "expr.h"

/* An integer sum under construction: k + sum of coef * atom, atoms in order of id, none zero. */
typedef struct Term {
    Expr *atom;
    long coef;
} Term;
typedef struct Sum {
    Pool *pool;
    long k;
    int n, cap;
    Term *term;
    Term few[12];
} Sum;

void sum_init(Sum *s, Pool *p);
void sum_copy(Sum *to, const Sum *from);
void sum_add(Sum *s, Expr *e, long by); /* s += by * e */
Expr *sum_expr(Sum *s);                 /* its canonical form */

/* Ranges with an open end reach RANGE_END. */
#define RANGE_END (1L << 60)
typedef struct Range {
    long lo, hi;
} Range;
Range expr_range(const Expr *e);
Range sum_range(const Sum *s);

long floor_div(long a, long m);
long floor_mod(long a, long m);
long gcd_of(long a, long b);

/* Interned as it is; type and lanes follow from the operator and the arguments. */
Expr *expr_raw(Pool *p, Op op, Type type, int n, Expr *const *arg);

/* index.c */
Expr *index_div(Pool *p, Expr *x, long m);
Expr *index_mod(Pool *p, Expr *x, long m);
/* logic.c */
Expr *logic_compare(Pool *p, Op op, Expr *a, Expr *b); /* I32 */
Expr *logic_and(Pool *p, Expr *a, Expr *b);
Expr *logic_or(Pool *p, Expr *a, Expr *b);
Expr *logic_not(Pool *p, Expr *a);
#endif
