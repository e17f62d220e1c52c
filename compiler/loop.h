/* loop.h: the loop IR: what a schedule makes of a graph, and what a back end prints.
 *
 * A function is a list of steps: host scalars are computed, routines called, in loops and on
 * threads. A routine is loops over stores: its expressions have no READ any more, only LOADs from
 * buffers at integer offsets, and may be vectors (Expr.lanes > 1): a LOAD with a scalar offset and
 * lanes > 1 is contiguous, one with a vector offset a gather; masks are BOOL vectors.
 */
#ifndef NETC_LOOP_H
#define NETC_LOOP_H
#include "schedule.h"

typedef enum BufferKind {
    BUFFER_ARENA,
    BUFFER_STATE,  /* a stored tensor: `stored` */
    BUFFER_CALL,   /* a pointer of netc_call: `name` is the member */
    BUFFER_SCALARS,/* host scalars of this function, in the arena */
    BUFFER_LOCAL,  /* within a routine: registers, or the stack where `memory` */
    N_BUFFER_KINDS
} BufferKind;

struct Buffer {
    BufferKind kind;
    const char *name; /* a C identifier */
    Type type;        /* of what a LOAD gives */
    int narrow;       /* bytes an element takes: 4, or 1 for small integers */
    long size;        /* elements */
    int lanes;        /* LOCAL: elements a register holds; offsets are multiples of it */
    bool memory;      /* LOCAL: accessed in ways that registers can't be */
    int declared;     /* LOCAL: depth marker for the verifier */
    Layout layout;
    Stored *stored;
    Node *node;       /* what it holds; null for scalars */
    size_t offset;    /* ARENA, SCALARS: bytes, from plan */
    int first, last;  /* steps between which its contents are needed, from plan */
    const struct Step *region; /* whose tasks first use it, each only its own `block` bytes, */
    int region_first, region_last; /* in these of their steps; from plan too */
    size_t block;
    const char *shape; /* "[64, 128] as 0 1:144", for people */
};

typedef struct Stmt Stmt;
typedef VEC(Stmt *) Body;

typedef enum StmtKind {
    STMT_FOR,     /* var from lo to hi - 1 */
    STMT_IF,      /* scalar condition: body, else other */
    STMT_STORE,   /* buffer[offset] = value; where mask says, if there is one */
    STMT_LOCAL,   /* declares buffer */
    STMT_COLUMNS, /* registers: COLUMNS vectors of buffer from offset on become the columns of a
                     block of `from`: lane l of column k is from[at + stride * l + k] */
    STMT_AHEAD,   /* buffer[offset] will be needed; a hint, and the place need not exist */
    N_STMT_KINDS
} StmtKind;

struct Stmt {
    StmtKind kind;
    Var *var;
    Expr *lo, *hi; /* FOR */
    bool unroll;
    Expr *cond;   /* IF */
    Body body, other;
    Buffer *buffer;
    Expr *offset, *value;
    Buffer *from; /* COLUMNS */
    Expr *at;
    long stride;
    bool write;   /* AHEAD: for a store */
};

typedef struct Routine {
    const char *name;
    const char *comment;
    VEC(Buffer *) buffers; /* parameters, in order of first use */
    VEC(Buffer *) written; /* those of them that it stores to */
    VEC(Var *) vars;       /* further parameters: block, step, task */
    Expr *parallel_count;  /* iterations of its own parallel loop, where they follow the count */
    bool uses_count;
    Body body;
    double work;           /* a rough measure of time */
    double flops;          /* useful ones, whenever the function runs on a whole batch */
} Routine;

typedef struct Step Step;
struct Step {
    /* TOGETHER: its steps in any order, on threads: the tasks of parallel ones, and the others as
     * one task each */
    enum { STEP_CALL, STEP_LOOP, STEP_PARALLEL, STEP_TOGETHER } kind;
    Routine *routine;
    Var *var; /* LOOP, PARALLEL: from 0 to count - 1, */
    Expr *count;
    bool down; /* LOOP: or downward */
    int number; /* PARALLEL, TOGETHER: the printer's */
    VEC(Step *) steps;
};

typedef struct LoopFunction {
    const char *name;
    Graph *graph;
    const Target *target;
    VEC(Buffer *) buffers;
    Buffer *scalars, *words;    /* host scalars: the same slots as F32 and as U32 */
    VEC(Expr *) scalar;         /* ROUND(F64) and U32 expressions, in order of their slots */
    VEC(Routine *) routines;
    VEC(Step *) steps;
    size_t arena_bytes;         /* from plan */
} LoopFunction;

LoopFunction *lower(const Schedule *s, const Layouts *l);
void sections(LoopFunction *f);
void plan(LoopFunction *f);
/* Do the two lie in one place that each task uses for the one, then for the other? */
bool plan_in_turn(const Buffer *a, const Buffer *b);
void loop_print(Text *t, const LoopFunction *f);
void loop_verify(const LoopFunction *f, const char *pass);

/* Which local buffers are registers: those that every access finds whole. */
void loop_settle_locals(Pool *p, const Routine *r, const Body *body);
/* How many statements it is once loops that are unrolled are: what a C compiler has to read. */
double loop_text_size(const Body *body);

/* Vector expressions: no simplification, but hash-consed all the same. */
Expr *v_op(Pool *p, Op op, Type type, int lanes, Expr *a, Expr *b, Expr *c);
/* mask (one lane for each, or null): elements that are not there are 0 and not touched. */
Expr *v_load(Pool *p, Buffer *b, Expr *offset, Expr *mask, int lanes);
#endif
