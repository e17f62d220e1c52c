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

/* A pass over the reduction of a node that is attached further in. */
typedef struct Foreign {
    const Node *node;
    Var *var;
    Expr *value;
    long span;
    bool guard_samples;
} Foreign;

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
    Expr *block;   /* of samples: its sums are apart from those of others; null: of all */
    bool guard_samples; /* a reduction over samples must test n < count, */
    bool mask_samples;  /* or has terms of more, in lanes that count for nothing */
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
    Buffer **by_block; /* by node id: the sums of each block of samples, where tasks make them */
    Buffer **stored;   /* by position in program->stored */
    Parts *part;       /* by node id, with inline nodes put in */
    VEC(Shared) shared;
    /* the routine in progress */
    Routine *routine;
    Body *out;
    Var *lane;   /* of the lane loop around this point, or null */
    VEC(Foreign *) foreign;
    VEC(Frame *) live; /* attached nodes whose values consumers find in registers or memory */
    int n_locals;
} Lower;

/* lower_expr.c */
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
/* A point of an elementwise node. */
void lower_point(Lower *L, Frame *f);
/* Everything from `depth` on: attached nodes, a reduction that begins there, loops. */
typedef void PointFn(Lower *L, Frame *f, void *context);
void lower_at_depth(Lower *L, Frame *f, int depth, PointFn *at, void *context);

/* lower_frame.c: variables are numbered, outputs first, then reductions. */
int var_number(const Node *n, const Var *v);
int n_vars(const Node *n);
Frame *frame_new(Lower *L, NodeSchedule *ns, Frame *host);
/* It stands in a pass over `span` values of a reduction that loops around the node split. */
void frame_pass(Lower *L, Frame *f, int var, Expr *value, long span);
/* And in the loops around several kernels. */
void frame_enter_shared(Lower *L, Frame *f);
void frame_complete_loops(Lower *L, NodeSchedule *ns);
/* A local buffer with room for extent[0..rank), vectors along lane_axis (-1: none). */
Buffer *new_local(Lower *L, const char *name, Type type, int rank, const long *extent,
                  int lane_axis);
/* The output axis that a lane loop at or after from_depth runs over, or -1. */
int lane_axis_of(const NodeSchedule *ns, int from_depth);

/* lower_region.c: fills in base and extent of a frame: what its host's kernel needs of it. */
void lower_region(Lower *L, Frame *f);

/* lower_loops.c: the loops from `depth` on; only those over outputs and with `at` at the innermost
 * point where `at` is not null. */
void lower_loops(Lower *L, Frame *f, int depth, PointFn *at, void *context);
/* The same, at each point once for each vector of the lanes that a sum runs in. */
void lower_fill_lanes(Lower *L, Frame *f, int depth, PointFn *at, void *context);
/* A loop over v from lo to hi - 1; what is emitted goes into it. */
void open_loop(Lower *L, LoopKind kind, Var *v, Expr *lo, Expr *hi);
/* How many blocks of `step` samples there are: all, or only those that are whole. */
Expr *blocks_of_count(Pool *p, long step, bool whole);
bool is_reduction_loop(const Frame *f, const LoopSpec *spec);
/* Is the loop at depth one over a whole sum around loops over its results, in a kernel of its own?
 * It then makes passes. */
bool lower_is_pass(const Lower *L, const Frame *f, int depth);

/* lower_blocks.c: sums over samples that tasks make by blocks of samples. Is n's one, here? */
bool lower_by_block(const Lower *L, const Node *n);
/* Store a sum of the block that the frame is in. */
void lower_block_sum(Lower *L, const Frame *f, Expr *value);
/* Add up the sums of all blocks. */
void lower_sum_of_blocks(Lower *L, const Node *n);

/* lower_overrun.c: is there something to read where variable k goes on to a multiple of `unit`? */
bool lower_reads_may_overrun(Lower *L, const Frame *f, int k, long unit);
/* May vectors run over the end of axis k; or may the last repeat elements of the one before, since
 * nothing else is done with them? */
bool lower_may_overrun(Lower *L, const Frame *f, int k);
bool lower_may_repeat(const Lower *L, const Frame *f, int k);

/* lower_reduce.c */
void lower_reduction(Lower *L, Frame *f, int depth);
void lower_lanes_of_sum(Lower *L, Frame *f, int depth);
bool lower_tile(Lower *L, Frame *f, int depth);
void lower_term(Lower *L, Frame *f);

/* lower_tests.c */
void lower_tests(Lower *L, Body *body);

/* lower_columns.c */
void lower_columns(Lower *L, const Routine *r, Body *body);

/* lower_ahead.c */
void lower_ahead(Lower *L, Body *body);

/* lower_hoist.c */
void lower_hoist(Lower *L, const Routine *r, Body *body);

#endif
