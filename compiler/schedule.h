/* schedule.h: how a frozen graph is executed. A schedule is data: `--dump=schedule` prints it,
 * `--schedule=FILE` reads it, choose.c makes one. It decides time and memory, never a bit of any
 * result.
 *
 * Text, one function after another:
 *
 *     function train
 *     layout dense1.W 0/32 1 0%32          # storage order of a tensor: axis numbers, outermost
 *     layout h1 0 1:144                    # first; /32 and %32 are pieces; :144 pads the extent
 *     copy x16 = x                         # readers of x in this function read a copy instead,
 *     copy w_t = w for d1 d2               # or only these do
 *     inline d1                            # computed where it is read
 *     loop n 16 parallel {                 # kernels that a block of samples runs through
 *       kernel h1 {
 *         for z1.i 196 peel                # in steps of 196 over the reduction of the attached z1
 *         for o 32
 *         for n 8
 *         at z1 store { for i  unroll n  unroll o 16  lane o }
 *         unroll n  unroll o 16  lane o
 *       }
 *     }
 *     scan t { kernel ... }                # the kernels of one recurrence, step by step
 *
 * A loop line: for | unroll | lane | parallel, the variable, the step (1 where it is left out). A
 * loop runs over the span that enclosing loops left of its variable, in steps; what is left after
 * the last loop of a variable is looped over innermost. `peel` handles the first and last iteration
 * apart, so that tests on the variable are decided at compile time. `y+i` (i a reduction variable)
 * loops over the sum, i following from it: reads at y + i are loaded once. A lane loop must be the
 * innermost of its variable; what its vectors do not fill is done element by element, but at the
 * end of rows that have room. An attached node is computed for the region that the loops inside its
 * place need; `at z1 store { ... }` also writes it to memory, which readers elsewhere need, and a
 * reduction in several passes: one that a loop outside of those over its results splits.
 *
 * Layouts: a piece without % takes the rest of its axis; an outermost piece with one is storage
 * that the steps of the loop around use in turn (`0%2 1`: steps 0, 2, 4 ... lie in one place). The
 * layout of an output or an update is given. A name that both a node and a stored tensor have means
 * the node: `layout stored NAME ...` is the other. A stored tensor has one layout in all functions;
 * its line may come before the first function.
 *
 * A computed node that the text leaves out becomes a kernel right before its first reader.
 */
#ifndef NETC_SCHEDULE_H
#define NETC_SCHEDULE_H
#include "graph.h"

typedef struct Diags Diags;

enum {
    MAX_PIECES = 12,
    PAD = 16,   /* floats: extents along which vectors lie are padded to a multiple */
    ALIGN = 64, /* bytes: of every buffer, */
    COLUMNS = 4, /* vectors that gather from the same rows are loaded together (loop.h) */
    SLACK = 64  /* and readable bytes after it: a vector may run over its end */
};

/* Where element i of a tensor lies: the sum over pieces of (i[axis] / div % count) * stride. The
 * outermost piece of an axis has count for the whole axis, so its % is never needed. */
typedef struct Layout {
    int n;
    struct Piece {
        int axis;
        long div, count, stride;
    } piece[MAX_PIECES]; /* outermost first */
    long size;  /* elements, padding included */
    int folded; /* 1 + an axis whose outermost piece is taken modulo its count: storage that the
                   steps of a loop use in turn; or 0 */
} Layout;

/* x, or the next multiple of `to`. */
long round_up(long x, long to);
/* Row-major; the innermost extent padded to a multiple of `pad` elements where it exceeds 1. */
Layout layout_rows(int rank, const long *shape, long pad);
/* Strides from counts; call after filling axis, div, count. */
void layout_close(Layout *l);
Expr *layout_offset(Pool *p, const Layout *l, Expr *const *index);
long layout_room(const Layout *l, int axis); /* values of the axis that it has places for */
/* Does stepping axis by one move by one element, within a run of at least `width`? */
bool layout_is_unit(const Layout *l, int axis, long width);

typedef struct Target {
    const char *name;  /* x86-64-v4 */
    int lanes;         /* floats in a vector */
    int registers;     /* vector registers */
    const char *flags; /* for the C compiler */
} Target;
extern const Target targets[];
extern const int n_targets;
const Target *target_find(const char *name); /* "native" is this machine's; null: unknown */

typedef enum LoopKind { LOOP_FOR, LOOP_UNROLL, LOOP_LANE, LOOP_PARALLEL, N_LOOP_KINDS } LoopKind;
extern const char *const loop_kind_names[N_LOOP_KINDS];

typedef struct LoopSpec {
    LoopKind kind;
    Node *node; /* whose variable: the kernel's own or, for a split reduction, an attached node's */
    Var *var;
    Var *skew;  /* a reduction variable that follows: the loop runs over var + skew; or null */
    long step;
    bool peel;
} LoopSpec;

typedef enum Place { PLACE_KERNEL, PLACE_ATTACHED, PLACE_INLINE } Place;

typedef struct NodeSchedule NodeSchedule;
struct NodeSchedule {
    Node *node;
    Place place;
    NodeSchedule *host; /* PLACE_ATTACHED: computed inside this node's loops, */
    int depth;          /* after so many of them */
    VEC(LoopSpec) loops;
    VEC(NodeSchedule *) attached; /* in the order they are computed */
    bool stored;                  /* in memory, with this layout */
    Layout layout;
};

typedef struct Item Item;
struct Item {
    enum { ITEM_KERNEL, ITEM_LOOP } kind;
    NodeSchedule *kernel;
    /* ITEM_LOOP: over samples (scan false) or over a recurrence's steps, */
    bool scan;
    long step; /* in blocks of so many; 1 for a scan */
    bool parallel;
    VEC(Item *) items;
};

typedef struct Schedule {
    Graph *graph;
    const Target *target;
    NodeSchedule **of; /* by node id */
    VEC(Item *) items;
} Schedule;

/* Layouts of the program's stored tensors, which all functions share, by position in
 * program->stored. */
typedef struct Layouts {
    int n;
    Layout *stored;
    size_t *offset; /* of each in the state block, in bytes, */
    size_t bytes;   /* and the block's size: from layouts_close */
} Layouts;
Layouts *layouts_new(const Program *p); /* row-major */
void layouts_close(Layouts *l);
int stored_number(const Program *p, const Stored *s);

Schedule *schedule_new(Graph *g, const Target *t);
NodeSchedule *schedule_of(const Schedule *s, const Node *n);
/* A node's expressions; null: it has none. */
typedef struct Parts {
    Expr *body, *guard, *init;
} Parts;
/* Those of all computed nodes, by id, with inline nodes put in; without a body where inline nodes
 * read each other in a circle. */
Parts *schedule_inline(Arena *a, const Schedule *s);
void parts_visit(const Parts *part, void (*f)(void *context, Expr *e), void *context);
/* Kernels for computed nodes that have no place yet, and layouts for all. */
void schedule_complete(Schedule *s, const Layouts *l);
/* Do all reads of a kernel, of this body and guard, happen only where the guard holds? So for a
 * reduction whose vectors have no lanes without a term. Then what it reads, where all of it is
 * needed at once, may end with its tensor. */
bool schedule_skips_terms(const NodeSchedule *kernel, Expr *body, Expr *guard);
/* Tells every rule that s breaks, by node and loop (-1: the node as such; no node: the whole), in
 * words for whoever wrote it. True where there is none: lower can do it, and the results are the
 * graph's. */
typedef void ScheduleReport(void *context, const NodeSchedule *ns, int loop, const char *message);
bool schedule_check(const Schedule *s, const Layouts *l, ScheduleReport *report, void *context);
void schedule_print(Text *t, const Schedule *s, const Layouts *l);
/* Reads the text of all functions into by_function (init, prepare, train, eval, predict); what it
 * does not mention stays as it is. Graphs gain the nodes of `copy` lines, l the layouts of stored
 * tensors; layouts_close is the caller's. False: diagnosed. */
bool schedule_parse(Program *p, const Target *t, const char *file, const char *text, Layouts *l,
                    Schedule **by_function, Diags *d);
#endif
