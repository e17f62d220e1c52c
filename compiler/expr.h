/* expr.h: scalar expressions, the matter of both IRs.
 *
 * An Expr is immutable and hash-consed within its Pool: two expressions are equal exactly when
 * their pointers are. Expressions are therefore DAGs; walk them with a Map as memory.
 *
 * Integer expressions (I32) are kept in canonical form by the constructors: + - and multiplication
 * by constants become one OP_LIN, a constant plus a sum of coefficient * atom, atoms in order of
 * creation. idiv and imod (floor) simplify by the ranges of the variables inside. Comparisons that
 * the ranges decide fold to constants. Substitution rebuilds through the constructors, so what a
 * substitution makes decidable is decided.
 *
 * Float expressions are never reassociated; the constructors fold constants of F64 only (those are
 * host scalars: IEEE double, in the order written) and these exact identities: --x = x,
 * select(const, a, b), x * 1 = x, x / 1 = x.
 */
#ifndef NETC_EXPR_H
#define NETC_EXPR_H
#include "support.h"

typedef struct Expr Expr;
typedef struct Var Var;
typedef struct Node Node;     /* a tensor: graph.h */
typedef struct Buffer Buffer; /* memory: loop.h */

typedef enum Type {
    T_BOOL,
    T_I32, /* index arithmetic: values stay within int32 */
    T_U32, /* random bits, arithmetic modulo 2^32 */
    T_F32,
    T_F64, /* scalars that depend on no tensor; OP_ROUND makes an F32 where a tensor meets one */
    N_TYPES
} Type;
extern const char *const type_names[N_TYPES];

/* Every operator: name, number of arguments (-1: its own), type of result (N_TYPES: the type of
 * its first argument), and how it is written in dumps. Arithmetic on floats means the IEEE
 * operation; max(a, b) = b > a ? b : a and min(a, b) = b < a ? b : a.
 */
#define OPS(X)                                                                                   \
    X(CONST, 0, N_TYPES, "const")   /* num: a constant of any type */                            \
    X(VAR, 0, T_I32, "var")         /* var: an index or loop variable */                         \
    X(HOST, 0, N_TYPES, "host")     /* host: a number the caller of the step provides, F64/I32 */\
    X(LIN, -1, T_I32, "lin")        /* k + sum of coef[i] * arg[i] */                            \
    X(READ, -1, N_TYPES, "read")    /* node at index arg[0..n): an element of a tensor */        \
    X(LOAD, -1, N_TYPES, "load")    /* loop IR: an element or vector of buffer at arg[0]; where
                                       arg[1], a mask, is given and false: 0, not read */       \
    X(DRAW, -1, N_TYPES, "draw")    /* a random number: draw, site; args sample, element, param */\
    X(ADD, 2, N_TYPES, "+")                                                                      \
    X(SUB, 2, N_TYPES, "-")                                                                      \
    X(MUL, 2, N_TYPES, "*")                                                                      \
    X(DIV, 2, N_TYPES, "/")         /* floats only */                                            \
    X(NEG, 1, N_TYPES, "-")                                                                      \
    X(FMA, 3, N_TYPES, "fma")       /* arg[0] * arg[1] + arg[2], rounded once; only after order */\
    X(MIN, 2, N_TYPES, "min")                                                                    \
    X(MAX, 2, N_TYPES, "max")                                                                    \
    X(ABS, 1, N_TYPES, "abs")                                                                    \
    X(SQRT, 1, N_TYPES, "sqrt")                                                                  \
    X(FLOOR, 1, N_TYPES, "floor")   /* float to float */                                         \
    X(EXP, 1, N_TYPES, "exp")       /* F32: until order expands it; F64: by the runtime's own */ \
    X(LOG, 1, N_TYPES, "log")                                                                    \
    X(TANH, 1, N_TYPES, "tanh")                                                                  \
    X(ERF, 1, N_TYPES, "erf")                                                                    \
    X(COS, 1, N_TYPES, "cos")                                                                    \
    X(SIN, 1, N_TYPES, "sin")                                                                    \
    X(POW, 2, N_TYPES, "^")         /* F32: constant integer exponent; F64: any */               \
    X(FLUSH, 1, N_TYPES, "flush")   /* zero where |x| < 2^-126 */                                \
    X(STOP, 1, N_TYPES, "stop")     /* its argument, without a derivative; until differentiate */\
    X(IDIV, 2, T_I32, "/")          /* floor; the divisor is a positive constant */              \
    X(IMOD, 2, T_I32, "%")                                                                       \
    X(LT, 2, T_BOOL, "<")                                                                        \
    X(LE, 2, T_BOOL, "<=")                                                                       \
    X(EQ, 2, T_BOOL, "==")                                                                       \
    X(NE, 2, T_BOOL, "!=")                                                                       \
    X(AND, 2, T_BOOL, "and")                                                                     \
    X(OR, 2, T_BOOL, "or")                                                                       \
    X(NOT, 1, T_BOOL, "not")                                                                     \
    X(SELECT, 3, N_TYPES, "select") /* arg[0] ? arg[1] : arg[2]; type of arg[1] */               \
    X(FLOAT, 1, T_F32, "float")     /* I32 or U32 to F32 */                                      \
    X(DOUBLE, 1, T_F64, "double")   /* I32 to F64 */                                             \
    X(ROUND, 1, T_F32, "round")     /* F64 to F32 */                                             \
    X(INT, 1, T_I32, "int")         /* F32 to I32, toward zero; the value must fit */            \
    X(BITS, 1, T_U32, "bits")       /* the bits of an F32 or I32 */                              \
    X(FROM_BITS, 1, T_F32, "from_bits")                                                          \
    X(SIGNED, 1, T_I32, "signed")   /* the bits of a U32 as I32 */                               \
    X(WORD, 1, T_U32, "word")       /* an F64 as a U32: floor, kept within range; host only */   \
    X(MULHI, 2, T_U32, "mulhi")     /* upper half of the 64-bit product */                       \
    X(XOR, 2, T_U32, "xor")                                                                      \
    X(BITAND, 2, T_U32, "bitand")                                                                \
    X(SHL, 2, T_U32, "shl")         /* by a constant */                                          \
    X(SHR, 2, T_U32, "shr")                                                                      \
    X(BROADCAST, 1, N_TYPES, "broadcast") /* loop IR: lanes copies of a scalar */                \
    X(IOTA, 0, T_I32, "iota")       /* loop IR: the vector 0, 1, 2, ... */                       \
    X(TREE, 1, N_TYPES, "tree")     /* loop IR: a vector's sum: part[i] + part[i + n/2], again */

typedef enum Op {
#define X(name, arity, type, text) OP_##name,
    OPS(X)
#undef X
    N_OPS
} Op;

typedef struct OpInfo {
    const char *name; /* lower case, as in dumps of unusual operators */
    int arity;
    Type type;
    const char *text;
} OpInfo;
extern const OpInfo op_info[N_OPS];

/* What the caller of a step provides. F64 but COUNT, which is I32. */
#define HOSTS(X)                                                                              \
    X(COUNT, "batch.count")        /* samples in this step, 1 <= count <= batch; I32 */       \
    X(STEP, "step")                /* from 1, over the whole training */                      \
    X(EPOCH, "epoch")              /* from 1 */                                               \
    X(STEPS, "steps")              /* of the whole training */                                \
    X(EPOCHS, "epochs")            /* of the whole training */                                \
    X(STEPS_PER_EPOCH, "steps_per_epoch")                                                     \
    X(RATE_SCALE, "rate_scale")    /* 1, or what reduce on plateau has made of it */          \
    X(DATA_MEAN, "data.mean")      /* of the training images' bytes, exact sums in integers */\
    X(DATA_STD, "data.std")                                                                   \
    X(SEED_LOW, "seed.low")        /* the seed's halves and the step as U32: what random */   \
    X(SEED_HIGH, "seed.high")      /* draws are keyed by, after expand */                     \
    X(STEP_BITS, "step.bits")
typedef enum Host {
#define X(name, text) HOST_##name,
    HOSTS(X)
#undef X
    N_HOSTS
} Host;
extern const char *const host_names[N_HOSTS];

/* Random draws, by what their bits become (Philox 4x32-10; Salmon et al., SC 2011).
 * counter = (element, sample, step, site), key = the seed's halves, first output word u:
 * UNIFORM (u >> 8) * 2^-24; BERNOULLI u < floor(p * 2^32) with p an F64 host expression;
 * INTEGER mulhi(u, m), m a constant; NORMAL sqrt(2) * erfinv((2 * (u >> 8) + 1) * 2^-24 - 1).
 */
typedef enum Draw { DRAW_UNIFORM, DRAW_NORMAL, DRAW_BERNOULLI, DRAW_INTEGER, N_DRAWS } Draw;
extern const char *const draw_names[N_DRAWS];

struct Var {
    const char *name; /* for people; two variables may share one */
    long lo, hi;      /* the values it can take: lo <= v <= hi */
    int id;           /* unique in its Pool */
    bool batch;       /* stands for a sample: its upper bound at run time is the step's count */
};

struct Expr {
    Op op;
    Type type;
    int n; /* arguments */
    int lanes; /* 1; vectors only in the loop IR */
    Expr **arg;
    long *coef; /* OP_LIN */
    union {
        double num;     /* CONST (BOOL: 0 or 1; integers exactly) */
        long k;         /* LIN */
        Var *var;       /* VAR */
        Host host;      /* HOST */
        Node *node;     /* READ */
        Buffer *buffer; /* LOAD */
        struct {
            Draw kind;
            int site;
        } draw;         /* DRAW */
    };
    unsigned id; /* order of creation */
    uint64_t hash;
    Expr *next; /* in the pool's table */
};

typedef struct Pool Pool;
Pool *pool_new(Arena *a);
Arena *pool_arena(Pool *p);

Var *var_new(Pool *p, const char *name, long extent);
Var *var_range(Pool *p, const char *name, long lo, long hi);

Expr *e_num(Pool *p, Type t, double x);
Expr *e_int(Pool *p, long x);  /* I32 */
Expr *e_bool(Pool *p, bool x);
Expr *e_var(Pool *p, Var *v);
Expr *e_host(Pool *p, Host h);
Expr *e_read(Pool *p, Node *n, Expr **index, int rank); /* type: the node's */
Expr *e_draw(Pool *p, Draw kind, int site, Expr *sample, Expr *element, Expr *param);
/* Any operator of OPS from ADD on, simplified. Types of arguments must agree; integer - becomes
 * LIN, integer * with two unknown factors stays MUL. Missing arguments are null. */
Expr *e_op(Pool *p, Op op, Expr *a, Expr *b, Expr *c);
Expr *e_add(Pool *p, Expr *a, Expr *b);
Expr *e_sub(Pool *p, Expr *a, Expr *b);
Expr *e_mul(Pool *p, Expr *a, Expr *b);
Expr *e_scale(Pool *p, Expr *a, long by); /* I32 */
Expr *e_offset(Pool *p, Expr *a, long by);
Expr *e_and(Pool *p, Expr *a, Expr *b); /* either may be null, which is true */
Expr *e_select(Pool *p, Expr *c, Expr *a, Expr *b);
/* An expression as it is, not simplified: for what only the loop IR has (loads, vectors). */
Expr *e_intern(Pool *p, const Expr *like);
/* The parts of a conjunction, in order; 0 of them for null or true. */
int e_conjuncts(Arena *a, Expr *e, Expr ***out);
/* The same operator with other arguments, through the constructors. */
Expr *e_rebuild(Pool *p, Expr *e, Expr **arg);

bool is_const(const Expr *e);
bool is_int(const Expr *e, long x); /* the I32 constant x */
bool is_true(const Expr *e);        /* null counts as true */
bool is_false(const Expr *e);

/* Bounds of an I32 expression from its variables' ranges; false where there are none to tell. */
bool e_range(const Expr *e, long *lo, long *hi);
/* Does `given`, a conjunction or null, make the comparison of integers `goal` true? By linear
 * arithmetic over rationals: false means that no proof was found. */
bool e_implies(Pool *p, Expr *given, Expr *goal);
/* Does `v` occur in e (in indices too)? */
bool e_uses(Expr *e, const Var *v);
/* e as c * v + rest, rest free of v; false where it is not of that form. c may be 0. */
bool e_affine(Pool *p, Expr *e, const Var *v, long *c, Expr **rest);

/* Replace variables: v becomes map's Expr, where it has one. */
Expr *e_subst(Pool *p, Expr *e, const Map *var_to_expr);
Expr *e_subst1(Pool *p, Expr *e, const Var *v, Expr *by);
/* Rewrite bottom-up: f gets each expression with rewritten arguments, returns what replaces it. */
Expr *e_rewrite(Pool *p, Expr *e, Expr *(*f)(void *context, Expr *e), void *context);
/* Visit each distinct subexpression once, arguments first. */
void e_visit(Expr *e, void (*f)(void *context, Expr *e), void *context);

void e_print(Text *t, const Expr *e);
#endif
