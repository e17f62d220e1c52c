/* cost_parts.h: what the files of the cost model share (cost*.c). */
#ifndef NETC_COST_PARTS_H
#define NETC_COST_PARTS_H
#include "cost.h"

enum { MAX_DEPTH = 60 };

typedef enum Port {
    PORT_ISSUE, PORT_FMA, PORT_ARITHMETIC, PORT_LOAD, PORT_STORE, PORT_DIVIDE, N_PORTS
} Port;

/* An access to memory in the loops around it. */
typedef struct Access {
    const Buffer *buffer;
    int routine;
    double bytes;           /* of one contiguous piece */
    bool random;            /* where data say: anywhere in the buffer */
    bool gather, store;
    int n;                  /* levels: those of the loops around, then the lanes of a gather */
    double trip[MAX_DEPTH + 1], stride[MAX_DEPTH + 1]; /* bytes, by level */
} Access;

/* Values of one place that follow from each other: cycles in a run of the loop, where its
 * iterations do, and within an iteration. */
typedef struct Chain {
    const Buffer *buffer;
    const Expr *offset;
    double carried, inside;
} Chain;

/* A loop of the function, of a routine or of its text; a condition is one that runs for a share of
 * the cases. */
typedef struct Loop Loop;
struct Loop {
    enum { LOOP_REAL, LOOP_TEXT, LOOP_CONDITION } kind; /* TEXT: unrolled */
    Var *var;
    double trip, runs; /* iterations; how often it is begun in a run of the function */
    long lo, hi, value;
    Loop *up;
    int depth, routine; /* routine: its number, or -1 above */
    VEC(Loop *) inner;
    VEC(Access *) accesses; /* directly inside */
    Map *written;           /* buffers that are stored to inside */
    Map *seen;              /* expressions that are computed in it */
    double port[N_PORTS];   /* cycles by unit, in a run of the function */
    VEC(Chain) chains;
    double registers;       /* that its values need, accumulators first, */
    double kept;            /* and values from outside, which could be loaded again */
    Map *held;              /* local buffers counted in `registers` */
    bool apart;             /* its iterations can't be put side by side in vectors; */
    double spread;          /* else the largest distance of what neighbors load, */
    double singly;          /* and elements further apart than vectors are loaded from */
    double beside;          /* the share of its iterations, all that is in them included, that is
                               left where they become lanes; 1: they don't */
};

typedef struct Nest {
    Arena *arena;
    const LoopFunction *f;
    const Machine *machine;
    Loop *at[MAX_DEPTH]; /* the loops around, outermost first */
    int depth, base;     /* base: the loop that stands for the routine */
    Map *real, *chosen;  /* variables of real loops; local buffers whose elements they choose, */
    Map *declared;       /* and how many loops are around each of them */
    Map *delays;         /* LOAD of a register -> double *: cycles until its sum is there */
    long lane;           /* of the vector that is evaluated */
    bool by_data;        /* an evaluation met something that only data say */
    int routine;
    KernelCost *cost;
    double *hottest;     /* by routine: the fma of the statement that names the tile */
} Nest;

/* cost_value.c: index expressions as numbers */
/* The value of e where each loop around is at its `value`. */
long cost_value(Nest *x, const Expr *e);
/* The loops around that e depends on, as bits by depth. */
uint64_t cost_vars(Nest *x, Expr *e);
/* Iterations of a loop; the share of cases in which a condition holds: means over the loops. */
double cost_trip(Nest *x, Expr *lo, Expr *hi);
double cost_share(Nest *x, Expr *cond);
/* By how much an iteration of the loop at `level` moves the offset. */
double cost_stride(Nest *x, const Expr *offset, int level);
/* How many different values e has over the loops in `over`. */
double cost_distinct(Nest *x, Expr *e, uint64_t over);

/* cost_text.c */
/* Is the text of a loop repeated, by its schedule or by compilers, which do it to short ones? */
bool cost_is_text(const Stmt *s);
/* Is the offset a multiple of the variable, and something that does not depend on it? Only such
 * accesses are known to compilers that look for vectors. */
bool cost_is_affine(const Expr *offset, const Var *v);
/* The number in nest[0..n), each the other's only statement, of the loop that compilers put
 * innermost. */
int cost_innermost(Stmt *const *nest, int n);
/* Are j's iterations sums, each of which becomes a lane of vectors? */
bool cost_is_lanes(const Stmt *j);
/* Are j's iterations sums that compilers add to in memory instead, the loop over the terms around
 * j, because that moves in shorter steps? Then nest is these two loops, and term what they do. */
bool cost_exchange(Pool *p, Stmt *j, Stmt **nest, Stmt *term);

/* cost_units.c */
typedef struct Units {
    double issue, fma, arithmetic, latency;
} Units;
Units cost_units(const Expr *e);
/* Cycles that it keeps the divider, which takes nothing else meanwhile. */
double cost_divide(const Expr *e);
bool cost_is_flop(const Expr *e);
/* Cycles from loading what `s` stores to, to storing it; -1 where it does not load it. */
double cost_latency(const Stmt *s);

/* cost_time.c */
/* How often a unit works on a vector of so many lanes. */
double cost_turns(const Nest *x, int lanes);
/* Iterations that vectors leave of `trip`. */
double cost_vectors(const Nest *x, double trip);
/* The cycles that routines keep the units, into x->cost. */
void cost_times(Nest *x, Loop *l);

/* cost_memory.c */
void cost_access(Nest *x, const Buffer *b, Expr *offset, int lanes, bool store);
/* A block: rows of so many elements. */
void cost_rows(Nest *x, const Buffer *b, Expr *offset, int elements, int rows, long stride);
/* What goes between the caches, into x->cost. */
void cost_traffic(Nest *x, Loop *root);
#endif
