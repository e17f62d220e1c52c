/* graph.h: the tensor graph, the IR that everything between elaborate and choose works on.
 *
 * A node is a tensor of constant shape. A computed node is one comprehension:
 *
 *     name[v0, v1, ...] = init (+) reduce over (r0, r1, ...) of [guard] body
 *
 * v are its index variables (each from 0 to its axis's extent), r its reduction variables; body,
 * guard and init are expressions over them that read other nodes. Where the guard is false the term
 * is absent and its reads do not happen. REDUCE_NONE has no reduction variables and one term: its
 * value is body (where a guard is false, it is `init`, or 0 without one).
 *
 * Samples are an explicit axis: node->batched says that axis 0 is the step's samples, of extent
 * graph->batch, of which the first batch.count exist in a step. A reduction over a variable with
 * var->batch runs over those that exist.
 *
 * Recurrences need no construct of their own: a `scan` becomes nodes with the step as an axis that
 * read each other one step back (h[n, t - 1, u] under the guard t > 0), a strongly connected
 * component of the graph. node->scan names the axis, and its adjoint is such a component the
 * other way. Everything else in the graph is acyclic.
 *
 * A graph is one function of the compiled network: it reads its inputs and the program's stored
 * tensors, and yields outputs and the stored tensors' next values. A stored tensor read is always
 * the value from before the step.
 */
#ifndef NETC_GRAPH_H
#define NETC_GRAPH_H
#include "expr.h"

enum { MAX_RANK = 8 };

typedef struct Graph Graph;
typedef struct Program Program;
typedef struct Stored Stored;

typedef enum NodeKind {
    NODE_INPUT,  /* given by the caller of the function: images, labels, bytes */
    NODE_STORED, /* a parameter or state: node->stored */
    NODE_GRAD,   /* the adjoint of `of` summed over all losses; differentiate replaces it */
    NODE_COMP,
    N_NODE_KINDS
} NodeKind;

#define REDUCES(X)                                                                     \
    X(NONE, "")                                                                        \
    X(SUM, "sum")       /* from +0 or init */                                          \
    X(PROD, "prod")     /* from 1 or init */                                           \
    X(MAX, "max")       /* -inf where no term is present */                            \
    X(MIN, "min")       /* +inf */                                                     \
    X(ARGMAX, "argmax") /* row-major number of the first winner among r, -1 for none */\
    X(ARGMIN, "argmin")
typedef enum Reduce {
#define X(name, text) REDUCE_##name,
    REDUCES(X)
#undef X
    N_REDUCES
} Reduce;
extern const char *const reduce_names[N_REDUCES];

/* The order of a reduction (decided by order.c, part of what the program means): a list of levels,
 * outermost first. Level l runs over piece (v / div) % count of a reduction variable. With
 * R(levels, acc) the accumulator after all terms:
 *     R({}, acc)                = acc (+) body     fma(a, b, acc) where body is a * b
 *     R({seq} + rest, acc)      = for each value in turn: acc = R(rest, acc)
 *     R({lanes w} + rest, acc)  = acc (+) tree of R(rest, identity) for each of the w values:
 *                                 part[i] (+) part[i + w/2], again until one is left
 *     R({groups g} + rest, acc) = acc (+) each of the g parts R(rest, identity) in turn
 * Pieces that lie beyond a variable's extent (the count, for a batch variable) are absent; a lane
 * with no terms is the identity.
 */
typedef enum LevelKind { LEVEL_SEQ, LEVEL_LANES, LEVEL_GROUPS } LevelKind;
typedef struct Level {
    LevelKind kind;
    Var *var;
    int div, count; /* the piece's values: 0 .. count - 1 */
} Level;

/* An argument of a node whose function has a derivative of its own: the adjoint of `arg` (an
 * expression over the node's variables) is the node's adjoint times `by`, which may read the node.
 */
typedef struct Custom {
    Expr *arg, *by;
} Custom;

struct Node {
    NodeKind kind;
    const char *name; /* unique in the graph, a C identifier; from the spec where it has one */
    Type type;        /* T_F32, T_I32, T_U32, T_BOOL; input bytes are T_I32 with `bytes` set */
    bool bytes;
    int rank;
    long shape[MAX_RANK];
    bool batched;  /* axis 0 is the step's samples */
    int scan;      /* the axis that is a recurrence's step, or -1 */
    int scan_step; /* +1: step t follows t - 1; -1: the other way */
    int id;        /* position in graph->nodes */
    int component; /* of which recurrence, from 1, or 0: set by graph_sort */

    Stored *stored; /* NODE_STORED */
    Node *of;       /* NODE_GRAD */

    /* NODE_COMP */
    Var *var[MAX_RANK];
    Reduce reduce;
    int n_rvars;
    Var **rvar;
    Expr *guard; /* or null */
    Expr *body;
    Expr *init; /* or null */
    int n_custom;
    Custom *custom;  /* differentiate uses these instead of body */
    bool increasing; /* elementwise, by a function declared increasing, of one read */
    int n_levels;
    Level *levels; /* after order */

    const char *layer; /* where it comes from, for people: "pool (specs/lenet.net:4)" or null */
};

struct Graph {
    Program *program;
    const char *name; /* init, prepare, train, eval, predict */
    long batch;       /* extent of the sample axis */
    VEC(Node *) nodes; /* in an order in which each reads only earlier ones, recurrences apart */
    VEC(Node *) inputs;
    struct Output {
        const char *name;
        Node *node;
    } *output; /* what the function returns */
    int n_outputs;
    struct Update {
        Stored *stored;
        Node *next;
    } *update; /* what the stored tensors become at its end */
    int n_updates;
    Map *names; /* that nodes have had */
};

typedef enum StoredKind {
    STORED_PARAM,     /* trained */
    STORED_STATE,     /* a layer's, such as running means: saved, no derivative */
    STORED_OPTIMIZER, /* a rule's, such as moments: one per parameter, named PARAM.STATE */
    STORED_SUMS, /* of a parameter's elements (rewrite_merge.c): made anew from it, not saved */
    N_STORED_KINDS
} StoredKind;

/* A tensor that outlives a step. Its bytes live in the state block of the compiled network. */
struct Stored {
    const char *name; /* as saved: "dense1.W"; unique in the program */
    const char *ident; /* the same as a C identifier */
    StoredKind kind;
    Stored *param; /* STORED_OPTIMIZER: whose */
    int rank;
    long shape[MAX_RANK];
};

/* Data sets, as text declares them. Files are tried in the data folder as named, then without .gz.
 */
typedef struct DataSet {
    const char *name;
    const char *format;                     /* "idx" */
    const char *folder;                     /* below the data root */
    const char *train[2], *test[2];         /* files: images, labels */
    const char *package;                    /* the Debian package that has it, or null */
    int rank;
    long shape[MAX_RANK];                   /* of a sample: [1, 28, 28] */
    int n_classes;
    const char **classes;
    double validation; /* share of the training samples kept apart, 0 for none */
    double use;        /* share of the training samples used, 1 for all */
} DataSet;

/* What is decided between epochs. */
typedef struct Training {
    long batch, epochs;
    uint64_t seed;
    long patience;      /* early stopping: epochs without a better validation loss, 0: never */
    double plateau_factor; /* reduce on plateau, 0: never */
    long plateau_patience;
    bool keep_best; /* the weights of the best validation loss are what is saved */
    Expr *rate;     /* the learning rate as a host expression (F64), for the log; or null */
} Training;

struct Program {
    Arena *arena;
    Pool *pool;
    const char *name, *file;
    DataSet data;
    Training training;
    VEC(Stored *) stored; /* parameters in the order of the net, then layers' state, optimizer's */
    Graph *init;    /* no inputs; outputs none; updates every stored tensor; step 0 */
    Graph *prepare; /* input `bytes` [n, data shape], T_I32 bytes; output "x" */
    Graph *train;   /* inputs x, label; outputs "loss" (mean over the step's samples, scalar) */
    Graph *eval;    /* inputs x, label; outputs "loss" [n], "prediction" [n], "output" [n, ...] */
    Graph *predict; /* input x, batch 1; output "output", "prediction" */
    Graph *settle;  /* no inputs or outputs; updates what train leaves behind, or nothing */
    int n_sites;    /* random draws in the elaborated net */
    struct LayerRow { /* the table that people see: --summary, the generated file's head */
        const char *name, *text; /* "pool1", "pool(2, stride = 1)" */
        int rank;
        long shape[MAX_RANK]; /* of its output, per sample */
        long parameters;
        const Node *node; /* its output in the graph as elaborated */
        VEC(int) from;    /* the rows that it gets its inputs from, -1 for the sample */
    } *layer;
    int n_layers;
};

Graph *graph_new(Program *p, const char *name, long batch);
/* A node of kind COMP with fresh variables v[0..rank) of the extents; body etc. are the caller's to
 * fill. `name` is made unique. */
Node *graph_comp(Graph *g, const char *name, Type type, int rank, const long *shape, bool batched);
/* A node that is `of`, element for element. */
Node *graph_copy(Graph *g, const char *name, Node *of);
Var *node_var(const Node *n, int i); /* its outputs, then its reduction variables */
/* Fresh index variables for n, by its shape. */
void graph_vars(Graph *g, Node *n);
Node *graph_input(Graph *g, const char *name, Type type, int rank, const long *shape, bool batched);
Node *graph_stored(Graph *g, Stored *s); /* one node per graph and tensor */
Node *graph_grad(Graph *g, Node *of);
void graph_output(Graph *g, const char *name, Node *n);
void graph_update(Graph *g, Stored *s, Node *next);
Node *graph_find_output(Graph *g, const char *name); /* null where there is none */
bool graph_is_output(const Graph *g, const Node *n);
int graph_update_number(const Graph *g, const Node *n); /* the update that n is; -1: none */
Stored *graph_updated_by(const Graph *g, const Node *n); /* and what it updates; or null */
/* An output or an update: n's memory, hence its layout, is the caller's or a stored tensor's. */
bool graph_is_result(const Graph *g, const Node *n);
const Level *node_lanes(const Node *n); /* the level in lanes of its reduction, or null */
/* Does a sum over samples begin anew with each block of so many, whose sums it then adds up? */
bool node_sums_blocks(const Node *n, long samples);
bool node_same_shape(const Node *a, const Node *b);
double node_elements(const Node *n); /* of its shape, the whole batch */
double node_terms(const Node *n);    /* that its reduction has for each; 1 without one */
/* Does `read`, evaluated for n, read at n's own index? (What it reads may be larger.) */
bool node_is_own_index(const Node *n, const Expr *read);
/* e_visit for the expressions that n has. */
void node_visit(const Node *n, void (*f)(void *context, Expr *e), void *context);
/* The nodes that n reads, each once. */
int node_reads(Arena *a, const Node *n, Node ***out);
/* Drop what no output or update needs; put the rest in an order in which each node reads only
 * earlier ones but within a recurrence; set scan groups. Every pass that adds nodes calls it. */
void graph_sort(Graph *g);
/* Strongly connected component of n among recurrences: 0 for none, else equal for its members. */
int node_component(const Graph *g, const Node *n);

void graph_print(Text *t, const Graph *g);
void program_print(Text *t, const Program *p);
/* network.c: the layers and what goes from one to another, as a graph in Graphviz's language. */
void network_print(Text *t, const Program *p);
/* Checks every rule of this header; ends the process, naming `pass`, where one is broken. */
void graph_verify(const Graph *g, const char *pass);
/* flops.c: the useful operations of a node, for its whole shape and the whole batch. */
double useful_flops(Pool *p, const Node *n);
/* A rough measure of the time that n takes, in products of a sum of products; other sums and other
 * elements weigh more. */
double node_work(const Node *n);
/* Those of all nodes of a graph in which every operation still stands as the user's network needs
 * it; the products of a weight's gradient count where a batch of one leaves no sum. */
double graph_flops(const Graph *g);
#endif
