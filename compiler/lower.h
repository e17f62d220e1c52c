/* lower.h: what the files of the lowering share (lower*.c). */
#ifndef NETC_LOWER_H
#define NETC_LOWER_H
#include "loop.h"

/* A loop around several kernels: the block of samples or the step that a routine works on. */
typedef struct Shared {
    const Item *item;
    Var *var; /* a parameter of the routine */
    bool partial; /* a block of samples that may not be whole: reductions over samples test */
} Shared;

/* A reduction that began outside the loops of its node: in loops of its host or shared ones. */
typedef struct Outer {
    Expr *first, *last; /* is this the first, the last of its passes? null: there is only one */
} Outer;

/* A node while it is computed: what its variables stand for at this point of the loops. */
typedef struct Frame Frame;
struct Frame {
    NodeSchedule *ns;
    Frame *host;
    Expr **value; /* by number of variable: outputs, then reductions: so far chosen part */
    long *span;   /* how many values from there are still to be looped over */
    Expr **base;  /* by output axis: where the region starts */
    long *extent; /* and how far it goes */
    Buffer *local; /* where consumers in the kernel find it; null: in memory */
    Outer outer;
    bool guard_samples; /* a reduction over samples must test n < count */
    int n_skews;
    struct Skew {
        int var, follows; /* numbers: value[follows] = sum - (value[var] - from) */
        Expr *sum, *from;
    } skew[MAX_RANK];
    /* the reduction in progress */
    Buffer *acc, *acc_index; /* what terms are added to; the index beside it for argmax, argmin */
    Expr **acc_base;         /* where the accumulators' region starts */
    const Level *inner;      /* the lanes that the accumulators stand for, inside them */
    int lanes_at;            /* after so many loops the lanes begin; -1: not ahead */
};

typedef struct Lower {
    Pool *pool;
    Arena *arena;
    const Schedule *schedule;
    Graph *graph;
    LoopFunction *function;
    int width; /* floats in a vector */
    Buffer **memory;   /* by node id; null where a node is never in memory */
    Buffer **stored;   /* by position in program->stored */
    Expr **body, **guard, **init; /* by node id, with inlined nodes put in */
    VEC(Shared) shared;
    /* the routine in progress */
    Routine *routine;
    Body *out;
    Var *lane;   /* of the lane loop around this point, or null */
    VEC(struct Foreign *) foreign; /* passes over reductions of nodes attached further in */
    VEC(Frame *) live; /* attached nodes whose values consumers find in registers or memory */
    int n_locals;
} Lower;

/* lower_expr.c */
/* n's expressions with inline nodes put in, made once. */
void lower_inline(Lower *L, const Node *n);
/* e over the frame's variables, as they stand, with loads for reads. Loads that `mask` does not
 * cover do not happen. */
Expr *lower_expr(Lower *L, const Frame *f, Expr *e, Expr *mask);
/* Replace the frame's variables only. */
Expr *lower_subst(Lower *L, const Frame *f, Expr *e);
/* Emit buffer[offset] = value, as vectors when a lane loop is open. */
void emit_store(Lower *L, Buffer *b, Expr *offset, Expr *value);
Stmt *emit(Lower *L, StmtKind kind);
/* The offset in a frame's local buffer, or in its accumulators, of the element it stands at. */
Expr *local_offset(Lower *L, const Buffer *b, Expr *const *index, Expr *const *base, int rank);

/* lower_kernel.c */
void lower_kernel(Lower *L, NodeSchedule *ns);
/* The condition that a point of an attached node is in its tensor; null: it is. */
Expr *lower_inside(Lower *L, const Frame *f);

/* lower_reduce.c */
void lower_reduction(Lower *L, Frame *f, int depth);
void lower_lanes_of_sum(Lower *L, Frame *f, int depth);
bool lower_tile(Lower *L, Frame *f, int depth);
void lower_term(Lower *L, Frame *f);
bool is_reduction_loop(const Frame *f, const LoopSpec *spec);

/* lower_tests.c */
void lower_tests(Lower *L, Body *body);

/* lower_columns.c */
void lower_columns(Lower *L, const Routine *r, Body *body);

/* lower_ahead.c */
void lower_ahead(Lower *L, Body *body);

/* lower_hoist.c */
void lower_hoist(Lower *L, const Routine *r, Body *body);

/* lower_kernel.c, for lower_reduce.c: the loops from `depth` on; only those over outputs and with
 * `at` at the innermost point where `at` is not null. */
typedef void PointFn(Lower *L, Frame *f, void *context);
void lower_loops(Lower *L, Frame *f, int depth, PointFn *at, void *context);
/* The same, at each point once for each vector of the lanes that a sum runs in. */
void lower_fill_lanes(Lower *L, Frame *f, int depth, PointFn *at, void *context);
int var_number(const Node *n, const Var *v);
int n_vars(const Node *n);
Buffer *new_local(Lower *L, const char *name, Type type, int rank, const long *extent,
                  int lane_axis);
int lane_axis_of(const NodeSchedule *ns, int from_depth);
#endif
