/* interpret_code.h: expressions as flat programs, for interpret.c only. */
#ifndef NETC_INTERPRET_CODE_H
#define NETC_INTERPRET_CODE_H
#include "graph.h"

/* What a program needs to know beside its variables. */
typedef struct World {
    Arena *arena;
    bool in_double;
    double **values; /* by node id */
    double host[N_HOSTS];
    uint64_t seed;
} World;

typedef double Function(double a, double b, double c);

typedef struct Instr {
    const Expr *e;
    Function *f; /* null for those with arguments of their own number */
    int to, *arg;
    int level; /* 1 + the place of the innermost variable it depends on */
    bool outside; /* a read that left its tensor: an error if its value is needed */
} Instr;

/* Instructions in order of level: when only variables from place k on have changed, those of a
 * level above k are all that must run again. */
typedef struct Code {
    World *world;
    int n_vars, n_slots, n_outside;
    double *slot; /* variables first */
    VEC(Instr) instr;
    int *start;   /* of level 0 .. n_vars, and the end */
    int stale;    /* the least level that must run again */
    int *made_by; /* by slot: the instruction, or -1 */
    int n_roots, root[2];
} Code;

Function *function_of(const Expr *e, bool in_double);

void code_compile(Code *c, World *w, Var *const *var, int n_vars, Expr *const *root, int n_roots);
void code_set(Code *c, int var, double value);
void code_run(Code *c); /* the roots are then in slot[root[i]] */
#endif
