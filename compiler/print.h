/* print.h: compiled programs, and the back end that prints C11. */
#ifndef NETC_PRINT_H
#define NETC_PRINT_H
#include "compile.h"
#include "loop.h"
#include "netc.h"

/* A compiled program: its functions in the order of function_names, and where its state lies. */
enum {
    FUNCTION_INIT,
    FUNCTION_PREPARE,
    FUNCTION_TRAIN,
    FUNCTION_EVAL,
    FUNCTION_PREDICT,
    FUNCTION_SETTLE,
    N_FUNCTIONS
};
enum { SETTLE = 64 }; /* calls of train to one of settle, for which they take no longer */
extern const char *const function_names[N_FUNCTIONS];

struct Compiled {
    Program *program;
    const Target *target;
    Layouts *layouts;
    Schedule *schedule[N_FUNCTIONS];
    LoopFunction *function[N_FUNCTIONS];
    uint64_t hash; /* of the frozen graphs */
    bool profile;  /* every call of a kernel is measured */
    double train_flops; /* useful operations of a step */
};

/* Is there such a function? Not every program needs each. */
bool compiled_has(const Compiled *x, int function);
/* The runtime's description of x, but for its functions; in the program's arena. */
netc_net *describe(const Compiled *x);

/* One function alone, for tests: what stands before it in a file is the caller's. */
void print_c_function(Text *t, const LoopFunction *f);

/* For the files of the printer. */
typedef struct Printer {
    Text *out;
    Arena *arena;
    Pool *pool;
    const char *net;
    const LoopFunction *function;
    int indent;
    Map *names;  /* Var, Buffer -> what it is called here */
    Map *taken;  /* names in use in this routine */
    Map *temps;  /* Expr -> name of the constant that holds it, in the current statement */
    int n_temps;
    int n_tasks;
    bool profile;
    int first_kernel; /* the number of the function's first among all */
    VEC(Var *) around; /* loops around the current step */
} Printer;

/* print_c_expr.c */
void c_expr(Printer *p, Text *t, Expr *e);
/* Declares constants for what the expressions of one statement share. */
void c_share(Printer *p, Expr *const *e, int n);
const char *c_type(Type type, int lanes, int narrow);
const char *c_name(Printer *p, const void *key, const char *wish);
/* A line of output at the current indentation, broken at column 100. */
void c_line(Printer *p, const char *format, ...) PRINTF_LIKE(2, 3);

/* print_c_net.c */
void c_descriptor(Printer *p, const Compiled *x);
/* The table of kernels that are measured. */
void c_kernels(Printer *p, const Compiled *x);
#endif
